/*
 * tests/isa/run_cases.c - runs a flat program (cases.py) on the translator and a back end, without machine or accelerator:
 * run-cases BACKEND FILE [VLEN [HOST_ISA]]. The program ends with write(1, data, size), whose data goes to standard output.
 *
 * Memory is one piece at BASE. Every second miss fills the TLB, so that both the inline path and the slow path run.
 */
#include "tests/isa/layout.h"
#include "target/riscv/quick.h"
#include "target/riscv/translate.h"
#include "base/bits.h"
#include "tcg/backend.h"
#include "vm/vm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SLACK = 4096 };
#define BASE UINT64_C(0x80000000)

struct runner {
    struct riscv_cpu *cpu;
    struct riscv_state *state;
    struct code_layout layout;
    struct tcg_runtime runtime;
    const struct tcg_backend *backend;
    struct tcg_engine *engine;
    struct ir_block *block;
    struct ir_reg reg[RISCV_REG_COUNT];
    u8 *ram;
    u64 size;
    u64 guards;
    u32 at; /* in the code buffer */
    u32 misses;
    unsigned host_isa; /* struct tcg_backend_options */
    bool plain;
    bool quick;        /* quick code where that can be */
    struct riscv_quick_memo memo;
    struct quick_insn list[QUICK_MAX];
    u32 listed;        /* entries; 0: the block is of IR */
    bool careful; /* the last block was left for the careful variant */
};

/* Found through the cpu: no mutable file-scope data. */
static struct runner *runner_of(void *vcpu)
{
    return ((struct vcpu *)vcpu)->accel;
}

static u8 *host_of(struct runner *r, u64 va, unsigned size)
{
    if (va < BASE || va - BASE > r->size - size) {
        fprintf(stderr, "access to %#llx, pc_page %#llx\n", (unsigned long long)va, (unsigned long long)r->cpu->vcpu.host->pc_page);
        exit(1);
    }
    return r->ram + (va - BASE);
}

static void fill(struct runner *r, s32 table, u64 va)
{
    u64 page = va & ~UINT64_C(4095);
    u64 *tag = (u64 *)(void *)((u8 *)r->state + table) + tcg_l1_index(va, ISA_L1_BITS);

    if (++r->misses % 2)
        return;
    *tag = page;
    *tcg_l1_host(tag, ISA_L1_BITS) = (uintptr_t)host_of(r, page, 4096);
}

static u64 extend(u64 value, u64 mem, bool is_signed)
{
    unsigned shift = 64 - 8 * ir_mem_bytes((u32)mem);

    if (mem & IR_MEM_ONES)
        return value | ~(~UINT64_C(0) >> shift);
    return is_signed ? (u64)((s64)(value << shift) >> shift) : value << shift >> shift;
}

static struct tcg_result slow_load(void *vcpu, u64 va, u64 mem, s64 where)
{
    struct runner *r = runner_of(vcpu);
    u64 value = 0;

    memcpy(&value, host_of(r, va, ir_mem_bytes((u32)mem)), ir_mem_bytes((u32)mem));
    fill(r, r->layout.l1_read, va);
    return (struct tcg_result){ extend(value, mem, mem & IR_MEM_SIGNED), 0 };
}

static u64 slow_store(void *vcpu, u64 va, u64 value, u64 mem, s64 where)
{
    struct runner *r = runner_of(vcpu);

    memcpy(host_of(r, va, ir_mem_bytes((u32)mem)), &value, ir_mem_bytes((u32)mem));
    fill(r, r->layout.l1_write, va);
    return 0;
}

static u64 amo_value(enum ir_amo op, u64 mem, u64 old, u64 value)
{
    u64 a = extend(old, mem, true), b = extend(value, mem, true), ua = extend(old, mem, false), ub = extend(value, mem, false);

    switch (op) {
    case IR_AMO_SWAP: return b;
    case IR_AMO_ADD: return a + b;
    case IR_AMO_AND: return a & b;
    case IR_AMO_OR: return a | b;
    case IR_AMO_XOR: return a ^ b;
    case IR_AMO_MINS: return (s64)a < (s64)b ? a : b;
    case IR_AMO_MAXS: return (s64)a > (s64)b ? a : b;
    case IR_AMO_MINU: return ua < ub ? ua : ub;
    case IR_AMO_MAXU: return ua > ub ? ua : ub;
    default: abort();
    }
}

static struct tcg_result slow_amo(void *vcpu, u64 va, u64 value, u64 mem_and_op, s64 where)
{
    struct runner *r = runner_of(vcpu);
    u64 mem = mem_and_op & 0xffff, old = 0, new;
    unsigned bytes = ir_mem_bytes((u32)mem);

    memcpy(&old, host_of(r, va, bytes), bytes);
    new = amo_value((enum ir_amo)(mem_and_op >> 16), mem, old, value);
    memcpy(host_of(r, va, bytes), &new, bytes);
    fill(r, r->layout.l1_write, va);
    return (struct tcg_result){ extend(old, mem, true), 0 };
}

static struct tcg_result slow_cas(void *vcpu, u64 va, u64 expected, u64 desired, u64 mem_and_where)
{
    struct runner *r = runner_of(vcpu);
    u64 mem = mem_and_where & 0xffff, old = 0;
    unsigned bytes = ir_mem_bytes((u32)mem);

    memcpy(&old, host_of(r, va, bytes), bytes);
    if (extend(old, mem, false) == extend(expected, mem, false))
        memcpy(host_of(r, va, bytes), &desired, bytes);
    fill(r, r->layout.l1_write, va);
    return (struct tcg_result){ extend(old, mem, true), 0 };
}

static u8 *direct(struct vcpu *vcpu, u64 va, u64 size, bool write)
{
    struct runner *r = runner_of(vcpu);

    /* Every third time the slow way. */
    return (va & 4095) + size > 4096 || ++r->misses % 3 == 0 ? NULL : host_of(r, va, (unsigned)size);
}

static bool load(struct vcpu *vcpu, u64 va, unsigned size, u64 *value)
{
    *value = 0;
    memcpy(value, host_of(runner_of(vcpu), va, size), size);
    return true;
}

static bool store(struct vcpu *vcpu, u64 va, unsigned size, u64 value)
{
    memcpy(host_of(runner_of(vcpu), va, size), &value, size);
    return true;
}

static bool readable(struct vcpu *vcpu, u64 va, unsigned size)
{
    return va >= BASE && va - BASE <= runner_of(vcpu)->size - size;
}

static bool cas128(struct vcpu *vcpu, u64 va, const u64 expected[2], const u64 desired[2], u64 old[2])
{
    u8 *place = host_of(runner_of(vcpu), va, 16);

    memcpy(old, place, 16);
    if (!memcmp(old, expected, 16))
        memcpy(place, desired, 16);
    return true;
}

static const struct vcpu_memory memory_of_runner = { direct, load, store, readable, cas128 };

static void empty_tables(struct runner *r)
{
    u64 *read = (void *)((u8 *)r->state + r->layout.l1_read);
    u64 *write = (void *)((u8 *)r->state + r->layout.l1_write);
    struct tcg_jump_entry *jump = (void *)((u8 *)r->state + r->layout.jump_cache);

    for (u32 i = 0; i < 1 << ISA_L1_BITS; i++)
        read[i] = write[i] = tcg_tlb_never(i);
    for (u32 i = 0; i < 1 << ISA_JUMP_BITS; i++)
        jump[i].code = r->backend->jump_miss(r->engine);
}

static void create_engine(struct runner *r)
{
    struct tcg_backend_options options = { .buffer_size = 4 * MIB, .split_wx = true, .host_isa = r->host_isa, .plain = r->plain, .apart = r->host_isa != 1 };
    GError *error = NULL;

    if (r->engine)
        r->backend->destroy(r->engine);
    r->engine = r->backend->create(&r->layout, &r->runtime, &options, &error);
    if (!r->engine) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
    r->at = r->backend->code_first(r->engine);
    empty_tables(r);
}

static void translate(struct runner *r, u64 pc)
{
    struct code_source source = {
        .page = host_of(r, pc & ~UINT64_C(4095), 8192), .offset = pc & 4095, .max_insns = 64,
        .single_memory = r->careful, .mode = RISCV_M | (r->state->frm > 4 ? RISCV_MODE_FRM_INVALID : r->state->frm == 4 ? RISCV_MODE_FRM_AWAY : 0),
    };
    GError *error = NULL;

    source.next_page = source.page + 4096;
    ir_block_reset(r->block, source.offset);
    r->listed = r->quick && !r->careful ? riscv_quick(r->block, &source, r->guards, &r->memo, r->list) : 0;
    if (r->listed) {
        r->backend->quick_prepare(r->engine, r->block, r->list, r->listed);
        return;
    }
    riscv_translate(r->block, &source, r->guards, r->cpu);
    if (!ir_verify(r->block, r->reg, RISCV_REG_COUNT, &error)) {
        fprintf(stderr, "%#llx: %s\n", (unsigned long long)pc, error->message);
        exit(1);
    }
    for (const struct ir_pass *pass = ir_passes; pass->name; pass++)
        pass->run(r->block, &r->layout);
}

static u32 list_links(const struct ir_block *block, struct tcg_link *link, struct tcg_code *code)
{
    u32 count = 0;

    for (u32 i = 0; i < block->exit_count; i++)
        if (block->exit[i].kind == IR_EXIT_DIRECT)
            link[count++] = (struct tcg_link){ .from = code, .pc = block->exit[i].pc,
                                               .same_page = (u32)block->exit[i].pc < 4096, .single = block->exit[i].single };
    return count;
}

static u32 emit(struct runner *r, struct tcg_code *code)
{
    u32 limit = r->backend->code_limit(r->engine);

    return r->listed ? r->backend->quick_emit(r->engine, r->block, r->list, r->listed, code, r->at, limit)
                     : r->backend->emit(r->engine, r->block, code, r->at, limit);
}

static void run_block(struct runner *r)
{
    struct tcg_link links[IR_MAX_EXITS], *link = NULL;
    struct tcg_code code = { .link = links };
    u64 pc = r->state->pc;
    u32 end;

    translate(r, pc);
    code.link_count = list_links(r->block, links, &code);
    end = emit(r, &code);
    if (end == 0) {
        create_engine(r);
        translate(r, pc); /* quick code's groups are the engine's */
        code.link_count = list_links(r->block, links, &code);
        end = emit(r, &code);
    }
    r->at = end;
    r->careful = r->backend->run(r->engine, r->state, &code, pc, &link) == TCG_LEAVE_LINK && link && link->single;
}

static bool load_program(struct runner *r, const char *path)
{
    g_autofree char *bytes = NULL;
    gsize size;

    if (!g_file_get_contents(path, &bytes, &size, NULL))
        return false;
    r->size = bits_align_up(size, 4096) + 2 * SLACK;
    r->ram = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(r->ram, bytes, size);
    return r->ram != MAP_FAILED;
}

static void create_cpu(struct runner *r, unsigned vlen)
{
    u8 *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    r->cpu = g_new0(struct riscv_cpu, 1);
    memory = (u8 *)bits_align_up((uintptr_t)memory, 65536);
    r->state = (struct riscv_state *)(memory + 65536 + tcg_base_place(ISA_L1_BITS));
    r->cpu->vcpu.vm = vm_create(VM_GUEST_RISCV64, NULL);
    r->cpu->vcpu.state = r->state;
    r->cpu->vcpu.accel = r;
    r->cpu->vcpu.memory = &memory_of_runner;
    r->cpu->vlen = (u16)vlen;
    r->cpu->elen = 64;
    r->cpu->vcpu.host = (struct vcpu_host *)r->state - 1;
    r->cpu->vcpu.host->vcpu = &r->cpu->vcpu;
    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++)
        r->cpu->extension[i] = true;
    r->guards = r->cpu->guards = riscv_guards(r->cpu->extension);
    r->state->privilege = RISCV_M;
    r->state->mstatus = 3 << 13 | 3 << 9; /* FS, VS dirty */
    r->state->vtype = UINT64_C(1) << 63;
    r->state->reserve_address = RISCV_NO_RESERVATION;
    r->state->pc = BASE;
}

/* The environment call: write(2), or whatever trap came instead. */
static int finish(struct runner *r)
{
    const struct riscv_state *s = r->state;

    if (s->mcause != 11 || s->x[17] != 64) {
        fprintf(stderr, "trap: mcause %llu mepc %#llx mtval %#llx\n", (unsigned long long)s->mcause,
                (unsigned long long)s->mepc, (unsigned long long)s->mtval);
        return 1;
    }
    fwrite(host_of(r, s->x[11], (unsigned)s->x[12]), 1, s->x[12], stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct runner r = { .runtime = { .load = slow_load, .store = slow_store, .amo = slow_amo, .cas = slow_cas } };

    if (argc < 3 || argc > 5 || !load_program(&r, argv[2])) {
        fprintf(stderr, "usage: run-cases interp|x86_64|quick FILE [VLEN [HOST_ISA]]\n");
        return 1;
    }
    r.backend = strcmp(argv[1], "interp") == 0 ? &tcg_backend_interp : &tcg_backend_x86_64;
    r.quick = strcmp(argv[1], "quick") == 0;
    r.block = ir_block_create(4096);
    r.host_isa = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
    r.plain = argc > 4 && strchr(argv[4], '-'); /* 3-: level 3 and no more */
    create_cpu(&r, argc > 3 ? (unsigned)atoi(argv[3]) : 128);
    isa_describe_layout(&r.layout, r.reg);
    create_engine(&r);
    while (r.state->mcause == 0)
        run_block(&r);
    return finish(&r);
}
