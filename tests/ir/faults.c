/*
 * tests/ir/faults.c - the verifier finds planted faults (those that text cannot express), and what it lets pass can be run
 * without harm.
 */
#include "tests/ir/run.h"
#include "tcg/builder.h"
#include <string.h>

enum { OP_CONST = 1, OP_GET, OP_PUT, OP_SELECT, OP_EXIT_IF, OP_FENCE, OP_CALL, OP_EXIT };

/* The ops of the enum above. */
static void build(struct ir_block *b)
{
    ir_value c, g;

    ir_block_reset(b, 0);
    ir_insn(b, 0, 4);
    c = ir_const(b, IR_I64, 5);
    g = ir_get(b, IR_I64, 3);
    ir_put(b, IR_I64, 4, g);
    ir_select(b, IR_LT, g, c, c, g);
    ir_exit_if(b, IR_EQ, g, c, 0x40);
    ir_fence(b, IR_ORDER_ALL);
    ir_call(b, machine_helpers[0], c, g, IR_NONE, IR_NONE);
    ir_exit(b, 4, IR_HINT_NONE, 0);
}

static void plant_no_result(struct ir_block *b)
{
    b->op[OP_SELECT].arg[0] = OP_PUT;
}

static void plant_later_value(struct ir_block *b)
{
    b->op[OP_PUT].arg[0] = OP_SELECT;
}

static void plant_condition(struct ir_block *b)
{
    b->op[OP_EXIT_IF].aux = IR_COND_COUNT;
}

static void plant_select_type(struct ir_block *b)
{
    b->op[OP_SELECT].aux = IR_LT;
}

static void plant_exit(struct ir_block *b)
{
    b->op[OP_EXIT].imm = 2;
}

static void plant_exit_kind(struct ir_block *b)
{
    b->exit[1].kind = IR_EXIT_INDIRECT;
}

static void plant_hint(struct ir_block *b)
{
    b->exit[1].hint = 7;
}

static void plant_snapshot(struct ir_block *b)
{
    b->op[OP_EXIT_IF].snapshot = 3;
}

static void plant_order(struct ir_block *b)
{
    b->op[OP_FENCE].imm = 16;
}

static void plant_helper(struct ir_block *b)
{
    b->op[OP_CALL].helper = NULL;
}

static void plant_helper_type(struct ir_block *b)
{
    b->op[OP_CALL].type = IR_I32;
}

static void plant_code(struct ir_block *b)
{
    b->op[OP_CONST].code = IR_OPCODE_COUNT;
}

static void plant_type(struct ir_block *b)
{
    b->op[OP_CONST].type = IR_TYPE_COUNT;
}

static void plant_no_type(struct ir_block *b)
{
    b->op[OP_CONST].type = IR_VOID;
}

static void plant_register(struct ir_block *b)
{
    b->op[OP_GET].aux = MACHINE_REGS;
}

static void plant_insn(struct ir_block *b)
{
    b->op[0].imm = 2;
}

static void plant_overflow(struct ir_block *b)
{
    b->overflow = true;
}

static const struct fault {
    const char *name;
    void (*plant)(struct ir_block *b);
} faults[] = {
    { "operand without a result", plant_no_result },
    { "later value", plant_later_value },
    { "condition", plant_condition },
    { "type of select", plant_select_type },
    { "exit number", plant_exit },
    { "exit kind", plant_exit_kind },
    { "exit hint", plant_hint },
    { "snapshot", plant_snapshot },
    { "order", plant_order },
    { "helper", plant_helper },
    { "helper's type", plant_helper_type },
    { "op", plant_code },
    { "type", plant_type },
    { "no type", plant_no_type },
    { "register", plant_register },
    { "pc of an insn", plant_insn },
    { "overflow", plant_overflow },
};

static bool has_helper(const struct ir_op *op)
{
    return op->code == IR_CALL || op->code == IR_VLD || op->code == IR_VST;
}

/* Changes fields at random, but no helper pointers. */
static void damage(struct ir_block *b, u64 *r)
{
    struct ir_op *op = &b->op[random_next(r) % b->count];
    u64 what = random_next(r);

    switch (what % 6) {
    case 0:
        op->arg[what / 8 % 4] = (ir_value)(random_next(r) % (b->count + 2));
        break;
    case 1:
        if (!has_helper(op))
            op->code = (u8)(random_next(r) % IR_CALL);
        break;
    case 2:
        op->type = (u8)(random_next(r) % (IR_TYPE_COUNT + 2));
        break;
    case 3:
        op->aux = (u16)random_next(r);
        break;
    case 4:
        op->snapshot = (u16)(random_next(r) % (b->snapshot_count + 1));
        break;
    default:
        if (!has_helper(op))
            op->imm = (s64)random_value(r);
    }
}

/* 1 when the damaged block passed. */
static unsigned survive(struct ir_block *b, struct machine *m, u64 seed)
{
    u64 r = seed;

    generate_block(b, seed, 30, true);
    for (unsigned i = 0; i < 1 + seed % 3; i++)
        damage(b, &r);
    if (!ir_verify(b, machine_regs, MACHINE_REGS, NULL))
        return 0;
    machine_reset(m, seed);
    machine_flush(m, 0);
    reference_run(m, b, UINT32_MAX);
    for (const struct ir_pass *pass = ir_passes; pass->name; pass++)
        pass->run(b, &machine_layout);
    return ir_verify(b, machine_regs, MACHINE_REGS, NULL) ? 1 : 1000000;
}

unsigned test_faults(const struct test_options *options)
{
    struct ir_block *b = ir_block_create(1024);
    struct machine *m = machine_create();
    unsigned failures = 0, passed = 0;

    build(b);
    if (!ir_verify(b, machine_regs, MACHINE_REGS, NULL))
        failures++;
    for (u32 i = 0; i < ARRAY_SIZE(faults); i++) {
        build(b);
        faults[i].plant(b);
        if (!ir_verify(b, machine_regs, MACHINE_REGS, NULL))
            continue;
        g_print("not ok - the verifier misses a wrong %s\n", faults[i].name);
        failures++;
    }
    for (u64 i = 0; i < options->count; i++)
        passed += survive(b, m, options->seed + i);
    failures += passed >= 1000000;
    g_print("planted faults: %u kinds, %u of %u damaged blocks are still valid, %u failures\n", (unsigned)ARRAY_SIZE(faults), passed,
            (unsigned)options->count, failures);
    machine_destroy(m);
    ir_block_destroy(b);
    return failures;
}
