/*
 * tests/ir/speed_image.c - what translating costs, from guest code to host code. For people, and for callgrind; not part of make check.
 * The code is a file of RISC-V instructions, such as a kernel's Image, swept from end to end: each block is translated once, as real
 * code is, so that caches and branch predictors meet new work all the time.
 */
#include "target/riscv/cpu.h"
#include "target/riscv/quick.h"
#include "target/riscv/translate.h"
#include "tests/ir/run.h"
#include <string.h>
#include <time.h>

enum { MAX_INSNS = 64 };

/* CPU time, since the machine may be busy with other work: ns. */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct image {
    const u8 *bytes;
    gsize size;
    const struct tcg_backend *backend;
    struct tcg_engine *engine;
    const struct code_layout *layout;
    struct ir_block *block;
    struct tcg_link link[IR_MAX_EXITS];
    u64 hash;            /* of the code, less the addresses of links: two builds that should make the same code */
    u64 guards, blocks, insns, guest_bytes, host_bytes, ops;
    u32 at;
    bool hashes, quick;
    struct quick_insn list[QUICK_MAX];
    struct riscv_quick_memo memo;
};

static bool in_link(const struct tcg_code *code, u32 at)
{
    for (u32 i = 0; i < code->link_count; i++)
        if (code->link[i].site && at - code->link[i].unlinked < 5 + sizeof(void *))
            return true;
    return false;
}

static void add_to_hash(struct image *s, const struct tcg_code *code)
{
    const u8 *start = (const u8 *)code->indirect_entry;

    for (u32 i = 0; i < code->size; i++)
        if (!in_link(code, code->start + i))
            s->hash = (s->hash ^ start[i]) * UINT64_C(0x100000001b3);
}

static bool to_ir(struct image *s, const struct code_source *source)
{
    struct ir_block *b = s->block;

    if (riscv_translate(b, source, s->guards, NULL) != TRANSLATE_OK || b->overflow)
        return false;
    for (const struct ir_pass *pass = ir_passes; pass->name; pass++)
        pass->run(b, s->layout);
    if (s->backend->prepare)
        s->backend->prepare(s->engine, b);
    return true;
}

static bool translate(struct image *s, u32 page, u32 offset)
{
    struct code_source source = { .page = s->bytes + page, .offset = offset, .mode = 1, .max_insns = MAX_INSNS };
    struct ir_block *b = s->block;
    struct tcg_code code = { .link = s->link };

    ir_block_reset(b, offset);
    u32 quick = s->quick ? riscv_quick(b, &source, s->guards, &s->memo, s->list) : 0;
    if (quick)
        s->backend->quick_prepare(s->engine, b, s->list, quick);
    else if (!to_ir(s, &source))
        return false;
    for (u32 i = 0; i < b->exit_count; i++)
        if (b->exit[i].kind == IR_EXIT_DIRECT)
            s->link[code.link_count++] = (struct tcg_link){ .pc = b->exit[i].pc };
    u32 limit = s->backend->code_limit(s->engine);
    u32 end = quick ? s->backend->quick_emit(s->engine, b, s->list, quick, &code, s->at, limit) : s->backend->emit(s->engine, b, &code, s->at, limit);
    s->blocks++;
    s->insns += b->insn_count;
    s->ops += b->count;
    s->guest_bytes += b->byte_count;
    s->host_bytes += end - s->at;
    s->at = end;
    if (s->hashes)
        add_to_hash(s, &code);
    return end != 0;
}

/* Every block once. */
static void sweep(struct image *s, u64 first, u64 last)
{
    s->at = s->backend->code_first(s->engine);
    for (u64 page = first; page < last && page + TCG_PAGE_SIZE <= s->size; page += TCG_PAGE_SIZE)
        for (u32 offset = 0; offset < TCG_PAGE_SIZE && translate(s, (u32)page, offset); offset += s->block->byte_count)
            continue;
}

/* ns per guest instruction. Its name is for callgrind's --toggle-collect. */
static __attribute__((noinline)) double timed_sweep(struct image *s, u64 first, u64 last)
{
    double start = now();

    s->blocks = s->insns = s->guest_bytes = s->host_bytes = s->ops = 0;
    sweep(s, first, last);
    return (now() - start) / (double)s->insns;
}

unsigned speed_image(const struct test_options *options)
{
    static const u16 pinned[] = { 2, 1, 10, 11, 12, 13, 14, 15, 8, 9, 18, 19 };
    struct runner *r = runner_create(options->backend);
    struct tcg_backend_options create = { .buffer_size = 64 * MIB, .split_wx = true };
    struct code_layout layout = machine_layout;
    struct image s = { .layout = &layout, .backend = r->backend, .block = ir_block_create(IR_MAX_OPS) };
    struct ir_reg reg[256];
    g_autofree char *bytes = NULL;
    bool on[RISCV_EXT_COUNT];
    double best = 0;

    if (!g_file_get_contents(options->image, &bytes, &s.size, NULL)) {
        g_printerr("cannot read %s\n", options->image);
        return 1;
    }
    s.bytes = (const u8 *)bytes;
    memset(on, 1, sizeof(on));
    s.guards = riscv_guards(on);
    for (u32 i = 0; i < ARRAY_SIZE(reg); i++)
        reg[i] = (struct ir_reg){ .name = "x", .type = IR_I64, .offset = (s32)(8 * i) };
    layout.reg = reg;
    layout.reg_count = RISCV_REG_COUNT;
    memcpy(layout.pinned, pinned, sizeof(pinned));
    s.engine = s.backend->create(&layout, &machine_runtime, &create, NULL);
    u64 first = options->seed * TCG_PAGE_SIZE, last = options->length ? first + options->length * TCG_PAGE_SIZE : s.size;
    s.quick = options->quick && s.backend->quick_emit;
    s.hashes = true;
    sweep(&s, first, last);
    s.hashes = false;
    for (u64 round = 0; round < options->count; round++) {
        double each = timed_sweep(&s, first, last);

        best = best == 0 || each < best ? each : best;
    }
    g_print("%" G_GUINT64_FORMAT " blocks, %" G_GUINT64_FORMAT " insns, %.2f ops left each, %.2f bytes per byte, best round %.1f ns each, hash %016" G_GINT64_MODIFIER "x\n", s.blocks,
            s.insns, (double)s.ops / (double)s.insns, (double)s.host_bytes / (double)s.guest_bytes, best, s.hash);
    s.backend->destroy(s.engine);
    ir_block_destroy(s.block);
    runner_destroy(r);
    return 0;
}
