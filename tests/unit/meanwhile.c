/* tests/unit/meanwhile.c - accel/tcg on what other threads do while a hart translates, and while it waits for the translation lock. */
#include "accel/tcg/tcg.h"
#include "base/bits.h"
#include "target/riscv/cpu.h"
#include "target/riscv/csr.h"
#include "vm/memory.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include <glib.h>
#include <glib/gstdio.h>

enum { RAM = 0x80000000u, RAM_SIZE = 1 << 20, DATA = 0x40000, OTHER = 0x20000 /* a page of another block of RAM, in two versions */ };

/* Encodings (Unprivileged manual, chapter "RISC-V Instruction-Set Listings"). */
#define I(op, f3, rd, rs1, imm) ((u32)(imm) << 20 | (u32)(rs1) << 15 | (f3) << 12 | (rd) << 7 | (op))
#define ADDI(rd, rs1, imm)  I(0x13, 0, rd, rs1, imm)
#define OR(rd, rs1, rs2)    ((u32)(rs2) << 20 | (u32)(rs1) << 15 | 6 << 12 | (rd) << 7 | 0x33)
#define LD(rd, rs1, imm)    I(0x03, 3, rd, rs1, imm)
#define SD(rs2, rs1, imm)   (((u32)(imm) >> 5 & 127) << 25 | (u32)(rs2) << 20 | (u32)(rs1) << 15 | 3 << 12 | ((u32)(imm) & 31) << 7 | 0x23)
#define JALR(rd, rs1, imm)  I(0x67, 0, rd, rs1, imm)
#define BNEZ(rs1, by) \
    (((u32)(by) >> 12 & 1) << 31 | ((u32)(by) >> 5 & 63) << 25 | (u32)(rs1) << 15 | 1 << 12 | ((u32)(by) >> 1 & 15) << 8 | ((u32)(by) >> 11 & 1) << 7 | 0x63)
#define JAL(rd, by) \
    (((u32)(by) >> 20 & 1) << 31 | ((u32)(by) >> 1 & 1023) << 21 | ((u32)(by) >> 11 & 1) << 20 | ((u32)(by) >> 12 & 255) << 12 | (rd) << 7 | 0x6f)
enum { FENCE_I = 0x100f };

/* Doublewords at DATA, which x2 points to. */
enum { WANTED, RESULT, TURNS };
enum { ENOUGH = 1000 /* turns until all blocks of a loop are there and linked */ };

static struct bench {
    struct vm *vm;
    struct tcg *tcg;
    struct vcpu *vcpu;
    struct ram_block *ram, *other;
    struct region main, version[2];
    struct tcg_backend backend; /* the one in use, which a test may change before the start */
    struct cpu_class cpu;
} b;

static void create(const char *const options[][2])
{
    GError *error = NULL;

    b = (struct bench){ .vm = vm_create(VM_GUEST_RISCV64, &error) };
    vm_lock(b.vm);
    struct vm_object *accel = vm_object_create(b.vm, "tcg-accel", vm_root(b.vm), "accel", &error);
    g_assert_true(vm_object_set(accel, "tb-size", "4", &error));
    for (unsigned i = 0; options[i][0]; i++)
        g_assert_true(vm_object_set(accel, options[i][0], options[i][1], &error));
    b.tcg = container_of(accel, struct tcg, accel.object);
    g_assert_true(b.tcg->accel.accel_class->start(&b.tcg->accel, &error));
    vm_set_accel(b.vm, &b.tcg->accel);
    b.backend = *b.tcg->backend;
    b.tcg->backend = &b.backend;
    b.ram = vm_ram_create(b.vm, "ram", RAM_SIZE, &error);
    b.other = vm_ram_create(b.vm, "other", 2 * TCG_PAGE_SIZE, &error);
    b.vcpu = vcpu_create(b.vm, "rv64", vm_root(b.vm), "cpu", &error);
    g_assert_no_error(error);
    b.cpu = *b.vcpu->cpu;
    b.vcpu->cpu = &b.cpu;
    region_init_ram(&b.main, b.vm, "ram", b.ram, 0, RAM_SIZE);
    region_add(space_root(vm_memory(b.vm)), RAM, &b.main, 0);
    for (u32 i = 0; i < 2; i++) {
        region_init_ram(&b.version[i], b.vm, "other", b.other, i * TCG_PAGE_SIZE, TCG_PAGE_SIZE);
        region_set_enabled(&b.version[i], i == 0);
        region_add(space_root(vm_memory(b.vm)), RAM + OTHER, &b.version[i], 1);
    }
}

static struct riscv_state *state(void)
{
    return b.vcpu->state;
}

static void go(u64 pc)
{
    GError *error = NULL;

    state()->pc = RAM + pc;
    state()->x[2] = RAM + DATA;
    g_assert_true(vm_vcpus_start(b.vm, &error));
    vm_cont(b.vm);
    vm_unlock(b.vm);
}

static void destroy(void)
{
    vm_lock(b.vm);
    vm_stop(b.vm, VM_PAUSED);
    for (u32 i = 0; i < 2; i++)
        region_finish(&b.version[i]);
    region_finish(&b.main);
    vm_unlock(b.vm);
    vm_destroy(b.vm);
}

static void put(struct ram_block *ram, u64 at, const u32 *code, u64 count)
{
    for (u64 i = 0; i < count; i++)
        bits_store_le(ram->host + at + 4 * i, 4, code[i]);
}

#define PUT(ram, at, ...) put(ram, at, (const u32[]){ __VA_ARGS__ }, sizeof((const u32[]){ __VA_ARGS__ }) / 4)

static u64 *data(unsigned number)
{
    return (u64 *)(void *)(b.ram->host + DATA) + number;
}

static u64 get(unsigned number)
{
    return __atomic_load_n(data(number), __ATOMIC_ACQUIRE);
}

static void wait_for_turns(u64 count)
{
    u64 wanted = get(TURNS) + count;
    s64 end = g_get_monotonic_time() + 60 * G_TIME_SPAN_SECOND;

    while (get(TURNS) < wanted) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(100);
    }
}

static bool is_outside(void)
{
    host_lock_take(&b.vcpu->lock);
    bool outside = b.vcpu->outside;
    host_lock_drop(&b.vcpu->lock);
    return outside;
}

/* The hart finds `wanted`, which makes it wait for the translation lock; the other version of the page comes while it does. */
static void change_while_it_waits(u64 wanted)
{
    s64 end = g_get_monotonic_time() + 60 * G_TIME_SPAN_SECOND;

    wait_for_turns(ENOUGH);
    vm_lock(b.vm);
    host_lock_take(&b.tcg->translate_lock);
    __atomic_store_n(data(WANTED), wanted, __ATOMIC_RELEASE);
    while (!is_outside()) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(100);
    }
    region_set_enabled(&b.version[1], true);
    region_set_enabled(&b.version[0], false);
    host_lock_drop(&b.tcg->translate_lock);
    vm_unlock(b.vm);
    wait_for_turns(ENOUGH);
}

/* Linking: both blocks were there, and the one that is linked to is another one now. */
static void test_link(void)
{
    enum { LOOP = OTHER - 64 };

    create((const char *const[][2]){ { "tier2", "off" }, { NULL } });
    PUT(b.ram, 0, JALR(1, 3, 0));
    PUT(b.ram, 4, JAL(0, LOOP - 4));
    PUT(b.ram, LOOP, LD(6, 2, 8 * WANTED), ADDI(11, 11, 1), SD(11, 2, 8 * TURNS), BNEZ(6, OTHER - LOOP - 12), JAL(0, -16));
    for (u32 i = 0; i < 2; i++)
        PUT(b.other, i * TCG_PAGE_SIZE, ADDI(10, 10, i ? 16 : 1), SD(10, 2, 8 * RESULT), ADDI(11, 11, 1), SD(11, 2, 8 * TURNS), JALR(0, 1, 0));
    state()->x[3] = RAM + OTHER;
    go(0);
    change_while_it_waits(1);
    g_assert_cmpuint(get(RESULT) % 16, ==, 1); /* by the call at the beginning */
    g_assert_cmpuint(get(RESULT), >, 16);
    destroy();
}

enum { ROOT = 0x50000, MIDDLE = 0x51000, LEAF = 0x52000, HIGH_VA = 0x40000ffc, RWX = 0x4f, A = 0x40, D = 0x80 };

static u64 *table(u64 at)
{
    return (u64 *)(void *)(b.ram->host + at);
}

static void put_leaf(struct ram_block *ram, u64 at, u64 low, u64 high)
{
    u64 *leaf = (u64 *)(void *)(ram->host + at);

    leaf[0] = low >> 12 << 10 | RWX | D;
    leaf[1] = high >> 12 << 10 | (RWX & ~A);
    PUT(ram, at + 32, JALR(0, 1, 0));
}

/* A loop in S mode that loads 8 bytes at WANTED and gathers them in RESULT. At HIGH_VA is what the leaves at `leaf` say, beside which there is code. */
static void load_in_turns(u64 leaf)
{
    table(ROOT)[1] = (u64)(RAM + MIDDLE) >> 12 << 10 | 1;
    table(ROOT)[2] = (u64)RAM >> 12 << 10 | RWX | D;
    table(MIDDLE)[0] = (RAM + leaf) >> 12 << 10 | 1;
    PUT(b.ram, 0, JALR(1, 3, 0), LD(4, 2, 8 * WANTED), LD(7, 4, 0), OR(12, 12, 7), SD(12, 2, 8 * RESULT), ADDI(11, 11, 1), SD(11, 2, 8 * TURNS), JAL(0, -24));
    state()->x[3] = RAM + leaf + 32;
    state()->privilege = RISCV_S;
    state()->satp = UINT64_C(8) << 60 | (RAM + ROOT) >> 12;
    g_assert_true(riscv_csr_poke(riscv_cpu_of(b.vcpu), 0x3b0, UINT64_MAX)); /* pmpaddr0, pmpcfg0: everything */
    g_assert_true(riscv_csr_poke(riscv_cpu_of(b.vcpu), 0x3a0, 0x1f));
}

/* A load over a page's end: the walk for its second part sets A where a page table has code beside its entries. */
static void test_crossing_load(void)
{
    enum { SECOND = 0x60000, CROSSING = 0x70ffc };

    create((const char *const[][2]){ { "tier2", "off" }, { NULL } });
    put_leaf(b.ram, LEAF, RAM + OTHER, RAM + SECOND);
    load_in_turns(LEAF);
    for (u32 i = 0; i < 2; i++)
        bits_store_le(b.other->host + i * TCG_PAGE_SIZE + 0xffc, 4, 1 + i);
    *data(WANTED) = RAM + CROSSING;
    go(0);
    change_while_it_waits(HIGH_VA);
    g_assert_cmpuint(get(RESULT), ==, 2);
    destroy();
}

/* The first byte that is read of the device takes the other block of RAM away, behind the second one its memory goes. */
static enum mem_result read_and_take_away(void *opaque, u64 offset, unsigned size, u64 *value)
{
    (void)opaque, (void)size;
    if (offset == 0xffc && b.other) {
        region_set_enabled(&b.version[0], false);
        vm_ram_destroy(b.other);
        b.other = NULL;
    }
    epoch_reclaim(vm_epoch(b.vm));
    *value = 0;
    return MEM_OK;
}

/* A load of which the first part lies in a device, which it waits for outside, and the second one in RAM. */
static void test_crossing_from_device(void)
{
    enum { DEVICE = 0x10000000 };
    static const struct region_ops ops = { .read = read_and_take_away };
    struct region device;

    create((const char *const[][2]){ { "tier2", "off" }, { NULL } });
    region_init_mmio(&device, b.vm, "device", TCG_PAGE_SIZE, &ops, NULL);
    region_add(space_root(vm_memory(b.vm)), DEVICE, &device, 0);
    put_leaf(b.ram, LEAF, DEVICE, RAM + OTHER);
    load_in_turns(LEAF);
    *data(WANTED) = HIGH_VA;
    go(0);
    wait_for_turns(10);
    g_assert_null(b.other);
    vm_lock(b.vm);
    vm_stop(b.vm, VM_PAUSED);
    region_finish(&device);
    vm_unlock(b.vm);
    destroy();
}

/* A walk set A in RAM that goes while it waits to say so. (With a pause where it looks for code there then, it found a table that was gone.) */
static void test_walk_in_ram_that_goes(void)
{
    enum { SECOND = 0x60000, HERE = 0x70000 };
    s64 end = g_get_monotonic_time() + 60 * G_TIME_SPAN_SECOND;

    create((const char *const[][2]){ { "tier2", "off" }, { NULL } });
    put_leaf(b.other, 0, RAM + SECOND, RAM + SECOND);
    put_leaf(b.ram, OTHER, RAM + SECOND, RAM + SECOND);
    load_in_turns(OTHER);
    *data(WANTED) = RAM + HERE;
    go(0);
    wait_for_turns(ENOUGH);
    vm_lock(b.vm);
    struct epoch_reader *reader = epoch_reader_add(vm_epoch(b.vm));
    epoch_enter(vm_epoch(b.vm), reader);
    host_lock_take(&b.tcg->translate_lock);
    __atomic_store_n(data(WANTED), HIGH_VA + 4, __ATOMIC_RELEASE);
    while (!is_outside()) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(100);
    }
    region_set_enabled(&b.version[0], false);
    host_lock_drop(&b.tcg->translate_lock);
    vm_ram_destroy(b.other);
    g_usleep(10000);
    epoch_leave(reader);
    epoch_reclaim(vm_epoch(b.vm));
    vm_unlock(b.vm);
    wait_for_turns(ENOUGH);
    epoch_reader_remove(vm_epoch(b.vm), reader);
    destroy();
}

/* --- while it translates --- */

enum { CALL = 60, BEHIND = 64 /* in the next line */ };

/* Between a call's block and the one behind it: the latter's code, stored by another hart. */
static bool open_and_store(struct tcg_engine *engine, const struct ir_block *block, struct tcg_code *code, u32 at, u32 limit)
{
    if (block->first_pc == CALL) {
        g_assert_false(tcg_has_code(b.ram, BEHIND, 4)); /* else it would have been told */
        PUT(b.ram, BEHIND, ADDI(10, 0, 2));
    }
    return tcg_backend_x86_64.open(engine, block, code, at, limit);
}

static void test_pair_from_a_copy(void)
{
    enum { FUNCTION = 2048 };
    g_autofree char *folder = g_dir_make_tmp("mynah-kept-XXXXXX", NULL);

    create((const char *const[][2]){ { "cache", folder }, { NULL } });
    b.backend.open = open_and_store;
    PUT(b.ram, CALL, JAL(1, FUNCTION - CALL));
    PUT(b.ram, BEHIND, ADDI(10, 0, 1), SD(10, 2, 8 * RESULT), FENCE_I, ADDI(11, 11, 1), SD(11, 2, 8 * TURNS), JAL(0, -20));
    PUT(b.ram, FUNCTION, JALR(0, 1, 0));
    go(CALL);
    wait_for_turns(10);
    g_assert_cmpuint(get(RESULT), ==, 2);
    destroy();
    g_autoptr(GDir) files = g_dir_open(folder, 0, NULL);
    for (const char *name; (name = g_dir_read_name(files));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static unsigned read_whole, unprotected;

static u32 no_room(struct tcg_engine *engine, const struct ir_block *block, const struct quick_insn *insns, u32 count, struct tcg_code *code, u32 at, u32 limit)
{
    (void)engine, (void)block, (void)insns, (void)count, (void)code, (void)at, (void)limit;
    return 0;
}

static enum translate_result translate_and_look(struct vcpu *vcpu, struct ir_block *block, const struct code_source *source)
{
    const struct code_page *page = tcg_code_page(b.tcg, b.ram, 0, false);
    const struct cpu_class *cpu = vcpu->object.class->data;

    read_whole += source->unfactor;
    unprotected += source->unfactor && page->lines != UINT64_MAX;
    return cpu->translate(vcpu, block, source);
}

/* Quick code that finds no room: what is read in its place, by way of the IR, is protected as well. */
static void test_quick_without_room(void)
{
    create((const char *const[][2]){ { NULL } });
    b.backend.quick_emit = no_room;
    b.cpu.translate = translate_and_look;
    PUT(b.ram, 0, ADDI(11, 11, 1), SD(11, 2, 8 * TURNS), JAL(0, -8));
    go(0);
    wait_for_turns(10);
    destroy();
    g_assert_cmpuint(read_whole, >, 0);
    g_assert_cmpuint(unprotected, ==, 0);
}

/* --- while it waits for a piece of the code buffer --- */

static u64 recycled(void)
{
    host_lock_take(&b.tcg->translate_lock);
    u64 count = b.tcg->recycled;
    host_lock_drop(&b.tcg->translate_lock);
    return count;
}

/* The hart fills the buffer again and again. Another one is in code that is condemned, and then runs no code any more, as one that halts or whose turn ends. */
static void test_last_one_leaves(void)
{
    enum { FIRST = DATA + TCG_PAGE_SIZE, CODE = RAM_SIZE - FIRST - 16, STUCK = 20 };

    create((const char *const[][2]){ { "one-insn-per-tb", "on" }, { "tier2", "off" }, { NULL } });
    PUT(b.ram, 0, JAL(0, FIRST));
    for (u64 i = 0; i < CODE; i += 4)
        PUT(b.ram, FIRST + i, ADDI(10, 10, 1));
    PUT(b.ram, FIRST + CODE, ADDI(11, 11, 1), SD(11, 2, 8 * TURNS), JAL(0, -8 - CODE));
    go(0);
    wait_for_turns(1);
    struct epoch_reader *other = epoch_reader_add(b.tcg->code_epoch);
    epoch_enter(b.tcg->code_epoch, other);
    u64 before = recycled();
    for (unsigned same = 0; same < STUCK;) {
        u64 now = recycled();

        same = now == before ? same + 1 : 0;
        before = now;
        g_usleep(10000);
    }
    epoch_leave(other);
    wait_for_turns(1);
    epoch_reader_remove(b.tcg->code_epoch, other);
    destroy();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/meanwhile/link", test_link);
    g_test_add_func("/meanwhile/crossing-load", test_crossing_load);
    g_test_add_func("/meanwhile/crossing-from-device", test_crossing_from_device);
    g_test_add_func("/meanwhile/walk-in-ram-that-goes", test_walk_in_ram_that_goes);
    g_test_add_func("/meanwhile/last-one-leaves", test_last_one_leaves);
#ifdef __x86_64__
    g_test_add_func("/meanwhile/pair-from-a-copy", test_pair_from_a_copy);
    g_test_add_func("/meanwhile/quick-without-room", test_quick_without_room);
#endif
    return g_test_run();
}
