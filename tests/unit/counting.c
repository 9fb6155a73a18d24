/*
 * tests/unit/counting.c - the counting flavour on both back ends: a budget ends at an exact instruction, whatever the blocks, and the
 * counters show what was retired. The truth is the same program in single steps.
 */
#include "accel/tcg/tcg.h"
#include "base/bits.h"
#include "target/riscv/cpu.h"
#include "vm/clock.h"
#include "vm/memory.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include <glib.h>
#include <string.h>

enum { RAM = 0x80000000u, RAM_SIZE = 1 << 20, HANDLER = 0x400, DATA = 0x8000, CROSSING = 0x1ffc, INSNS = 1500 };

/* Encodings (Unprivileged manual, chapter "RISC-V Instruction-Set Listings"). */
#define I(op, f3, rd, rs1, imm) ((u32)(imm) << 20 | (u32)(rs1) << 15 | (f3) << 12 | (rd) << 7 | (op))
#define S(op, f3, rs1, rs2, imm) \
    (((u32)(imm) >> 5 & 127) << 25 | (u32)(rs2) << 20 | (u32)(rs1) << 15 | (f3) << 12 | ((u32)(imm) & 31) << 7 | (op))
#define ADDI(rd, rs1, imm)  I(0x13, 0, rd, rs1, imm)
#define LD(rd, rs1, imm)    I(0x03, 3, rd, rs1, imm)
#define SD(rs2, rs1, imm)   S(0x23, 3, rs1, rs2, imm)
#define CSRR(rd, csr)       I(0x73, 2, rd, 0, csr)
#define CSRW(csr, rs1)      I(0x73, 1, 0, rs1, csr)
#define JALR(rd, rs1, imm)  I(0x67, 0, rd, rs1, imm)
#define AMO(f5, rd, rs1, rs2) ((u32)(f5) << 27 | (u32)(rs2) << 20 | (u32)(rs1) << 15 | 3 << 12 | (rd) << 7 | 0x2f)
#define BRANCH(f3, rs1, rs2, to) /* 0 <= to < 16 */ ((u32)(rs2) << 20 | (u32)(rs1) << 15 | (f3) << 12 | (to) << 7 | 0x63)
#define JAL(rd, by) \
    (((u32)(by) >> 20 & 1) << 31 | ((u32)(by) >> 1 & 1023) << 21 | ((u32)(by) >> 11 & 1) << 20 | ((u32)(by) >> 12 & 255) << 12 | (rd) << 7 | 0x6f)
enum { ECALL = 0x73, MRET = 0x30200073, FENCE_I = 0x100f, C_NOP = 1, ILLEGAL = -1 };
enum { MSCRATCH = 0x340, MEPC = 0x341, MCYCLE = 0xb00, MINSTRET = 0xb02 };

static const u32 loop[] = {
    ADDI(1, 1, 1),
    SD(1, 2, 0), LD(3, 2, 0), SD(3, 2, 8), SD(3, 2, 16), /* one check for all */
    ADDI(20, 20, 1), ADDI(21, 20, 5),
    CSRR(4, MINSTRET),
    ECALL,
    AMO(0, 5, 2, 1),
    LD(6, 0, 0),                                           /* nothing there: a trap in the middle of a block */
    ADDI(22, 6, 1),
    ILLEGAL,
    JAL(7, CROSSING - 4 * 13),
    BRANCH(0, 1, 0, 8), BRANCH(1, 1, 0, 8), ADDI(10, 10, 1), /* not taken; taken over the third */
    AMO(2, 11, 2, 0), AMO(3, 12, 2, 1),                    /* LR, SC */
    FENCE_I,
    CSRW(MSCRATCH, 1), CSRR(13, MSCRATCH),
    CSRW(MINSTRET, 0), CSRR(14, MINSTRET), ADDI(16, 16, 1), CSRR(15, MINSTRET),
    JAL(0, -4 * 26),
};
static const u32 handler[] = { CSRR(31, MEPC), ADDI(31, 31, 4), CSRW(MEPC, 31), MRET };

struct record {
    u64 pc, x[32], data[3];
};

struct run {
    struct vm *vm;
    struct vcpu *vcpu;
    struct ram_block *ram;
    struct accel *accel;
    GRand *random;
    bool steps;
    u64 budgeted;                 /* retired when the budget ends */
    const u16 *budgets;           /* of edges, in their order; else at random */
    unsigned count, next, lap;    /* how many, which one, instructions of the program */
    u64 dispatches;               /* before it */
    struct record *truth;         /* [INSNS + 1] by instructions retired: the first moment with so many */
    u64 before, pc_before;        /* the step that is under way */
};

static const struct riscv_state *state_of(const struct run *run)
{
    return run->vcpu->state;
}

static void take(const struct run *run, struct record *record)
{
    record->pc = state_of(run)->pc;
    memcpy(record->x, state_of(run)->x, sizeof(record->x));
    memcpy(record->data, run->ram->host + DATA, sizeof(record->data));
}

/* One instruction more, unless it trapped. */
static void after_step(struct run *run)
{
    u64 retired = vcpu_retired(run->vcpu), pc = state_of(run)->pc;
    bool trapped = pc == RAM + HANDLER;

    g_assert_cmpuint(retired, ==, run->before + !trapped);
    if (run->pc_before == RAM + CROSSING + 2 + 4) /* csrr x9, mcycle */
        g_assert_cmpuint(state_of(run)->x[9], ==, run->before);
    if (!trapped)
        take(run, &run->truth[retired]);
}

/* Every instruction of the program but the last one, which jumps back, adds 1 to x1. */
static void after_edge(const struct run *run, u64 retired)
{
    g_assert_cmphex(state_of(run)->pc, ==, RAM + 4 * (retired % run->lap));
    g_assert_cmpuint(state_of(run)->x[1], ==, retired - retired / run->lap);
    /* A block that fits runs as one; an instruction at a time would be as exact, but slow. */
    if (run->lap == MAX_BLOCK_INSNS && run->budgets[run->next - 1] == MAX_BLOCK_INSNS && retired % MAX_BLOCK_INSNS == 0)
        g_assert_cmpuint(tcg_of(run->vcpu)->dispatches - run->dispatches, <, 8);
}

static void after_budget(struct run *run)
{
    struct record now;
    u64 retired = vcpu_retired(run->vcpu);

    g_assert_cmpuint(retired, ==, run->budgeted);
    if (run->budgets) {
        after_edge(run, retired);
        return;
    }
    take(run, &now);
    g_assert_cmphex(now.pc, ==, run->truth[retired].pc);
    g_assert_cmpmem(&now, sizeof(now), &run->truth[retired], sizeof(now));
}

static bool is_over(const struct run *run, u64 retired)
{
    return run->budgets ? run->next == run->count : retired >= INSNS;
}

static u64 next_budget(struct run *run, u64 retired)
{
    if (run->budgets)
        return run->budgets[run->next++];
    u64 some = (u64)g_rand_int_range(run->random, 1, 120);
    return MIN(some, INSNS - retired);
}

static void go_on(void *opaque)
{
    struct run *run = opaque;
    u64 retired = vcpu_retired(run->vcpu);

    if (is_over(run, retired)) {
        vm_request_shutdown(run->vm, VM_CAUSE_HOST_QMP_QUIT);
        return;
    }
    run->dispatches = tcg_of(run->vcpu)->dispatches;
    run->before = retired;
    run->pc_before = state_of(run)->pc;
    if (run->steps) {
        run->vcpu->step = VCPU_STEP_ONE;
    } else {
        u64 budget = next_budget(run, retired);

        run->budgeted = retired + budget;
        g_assert_true(vcpu_count(run->vcpu, (s64)budget));
    }
    vm_cont(run->vm);
}

static void on_event(const struct vm_event *event, void *opaque)
{
    struct run *run = opaque;

    if (event->kind != VM_EVENT_STOP)
        return;
    if (run->steps)
        after_step(run);
    else
        after_budget(run);
    vm_defer(run->vm, go_on, run);
}

static void load_lap(struct run *run)
{
    u8 *ram = run->ram->host;

    for (unsigned i = 0; i < run->lap - 1; i++)
        bits_store_le(ram + 4 * i, 4, ADDI(1, 1, 1));
    bits_store_le(ram + 4 * (run->lap - 1), 4, JAL(0, -4 * (s32)(run->lap - 1)));
    ((struct riscv_state *)run->vcpu->state)->pc = RAM;
}

static void load(struct run *run)
{
    struct riscv_state *state = run->vcpu->state;
    const u32 crossing[] = { ADDI(8, 8, 3), CSRR(9, MCYCLE), JALR(0, 7, 0) };
    u8 *ram = run->ram->host;

    memcpy(ram, loop, sizeof(loop));
    memcpy(ram + HANDLER, handler, sizeof(handler));
    bits_store_le(ram + CROSSING, 2, C_NOP);
    memcpy(ram + CROSSING + 2, crossing, sizeof(crossing));
    state->pc = RAM;
    state->mtvec = RAM + HANDLER;
    state->x[2] = RAM + DATA;
}

static void start(struct run *run, const char *backend)
{
    GError *error = NULL;
    struct vm *vm = run->vm = vm_create(VM_GUEST_RISCV64, &error);

    g_assert_no_error(error);
    vm_lock(vm);
    vm_clock_set_manual(vm, true);
    struct vm_object *accel = vm_object_create(vm, "tcg-accel", vm_root(vm), "accel", &error);
    g_assert_no_error(error);
    g_assert_true(vm_object_set(accel, "tb-size", "4", &error));
    g_assert_true(vm_object_set(accel, "backend", backend, &error));
    run->accel = container_of(accel, struct accel, object);
    g_assert_true(run->accel->accel_class->start(run->accel, &error));
    vm_set_accel(vm, run->accel);
    run->ram = vm_ram_create(vm, "ram", RAM_SIZE, &error);
    run->vcpu = vcpu_create(vm, "rv64", vm_root(vm), "cpu", &error);
    g_assert_no_error(error);
    vm_on_event(vm, on_event, run);
}

static void play(struct run *run, const char *backend)
{
    struct region region = { 0 };
    GError *error = NULL;

    start(run, backend);
    region_init_ram(&region, run->vm, "ram", run->ram, 0, RAM_SIZE);
    region_add(space_root(vm_memory(run->vm)), RAM, &region, 0);
    (run->budgets ? load_lap : load)(run);
    g_assert_true(vm_vcpus_start(run->vm, &error));
    g_assert_true(vcpu_count(run->vcpu, 1 << 30));
    if (run->steps)
        take(run, &run->truth[0]);
    vm_defer(run->vm, go_on, run);
    vm_unlock(run->vm);
    g_assert_cmpint(vm_run(run->vm), ==, 0);
    vm_lock(run->vm);
    region_finish(&region);
    vm_unlock(run->vm);
    vm_destroy(run->vm);
}

static void test_budgets(gconstpointer backend)
{
    g_autofree struct record *truth = g_new0(struct record, INSNS + 2);
    struct run steps = { .steps = true, .truth = truth };

    play(&steps, "interp");
    for (unsigned seed = 0; seed < 8; seed++) {
        struct run budgets = { .truth = truth, .random = g_rand_new_with_seed(seed) };

        play(&budgets, backend);
        g_rand_free(budgets.random);
    }
    struct run other = { .steps = true, .truth = truth };
    play(&other, backend);
    g_assert_cmphex(truth[INSNS].x[14], ==, 0);
    g_assert_cmphex(truth[INSNS].x[15], ==, 2);
}

/*
 * Budgets at the edges of blocks that are as long as blocks get (MAX_BLOCK_INSNS, 64): as long as the block, one more, one less. The
 * first ones keep all entries at multiples of 64, so that no block ends early at the beginning of another one.
 */
static void test_edges(gconstpointer backend)
{
    static const u16 budgets[] = { 64, 64, 128, 64, 960, 64, 1, 63, 65, 63, 64, 127, 129, 192, 2, 62, 66, 190, 64, 1024, 64, 63, 64, 65 };
    static const unsigned laps[] = { 2, 32, 63, 64, 65, 128, 1024, 1025, 4096 };

    for (unsigned i = 0; i < ARRAY_SIZE(laps); i++) {
        struct run run = { .budgets = budgets, .count = ARRAY_SIZE(budgets), .lap = laps[i] };

        g_test_message("a lap of %u", laps[i]);
        play(&run, backend);
    }
}

/* Without a word nothing is counted, and the counters run with the clock. */
static void test_off(void)
{
    struct vcpu vcpu = { 0 };
    struct vcpu_host host = { .icount = 5 };

    vcpu.host = &host;
    vcpu_not_retired(&vcpu);
    g_assert_cmpint(host.icount, ==, 5);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/counting/interp", "interp", test_budgets);
    g_test_add_data_func("/counting/jit", "jit", test_budgets);
    g_test_add_data_func("/counting/edges/interp", "interp", test_edges);
    g_test_add_data_func("/counting/edges/jit", "jit", test_edges);
    g_test_add_func("/counting/off", test_off);
    return g_test_run();
}
