/* tests/ir/ops.c - what every computing op means: a table of operands and results written by hand from tcg/ops.def. */
#include "tests/ir/run.h"
#include "tcg/builder.h"
#include "tcg/append.h"

#define MIN64 UINT64_C(0x8000000000000000)
#define MAX64 UINT64_C(0x7fffffffffffffff)
#define ONES  UINT64_C(0xffffffffffffffff)

/* Operands and results are cut to the type; aux as the op's row says. */
static const struct row {
    u8 code, type;
    u16 aux;
    u64 x, y, result;
} rows[] = {
    { IR_ADD, IR_I64, 0, ONES, 2, 1 },
    { IR_ADD, IR_I8, 0, 0xff, 2, 1 },
    { IR_SUB, IR_I64, 0, 1, 2, ONES },
    { IR_SUB, IR_I16, 0, 0, 1, 0xffff },
    { IR_AND, IR_I64, 0, 0xff00ff, 0x0ff0f0, 0x0f00f0 },
    { IR_OR, IR_I32, 0, 0xf0, 0x0f, 0xff },
    { IR_XOR, IR_I32, 0, 0xff, 0x0f, 0xf0 },
    { IR_ANDN, IR_I64, 0, 0xff, 0x0f, 0xf0 },
    { IR_ORN, IR_I8, 0, 0x01, 0x0f, 0xf1 },
    { IR_XNOR, IR_I64, 0, 0xff, 0x0f, ~UINT64_C(0xf0) },
    { IR_NOT, IR_I16, 0, 0x00ff, 0, 0xff00 },
    { IR_NEG, IR_I32, 0, 1, 0, 0xffffffff },
    { IR_NEG, IR_I64, 0, MIN64, 0, MIN64 },
    { IR_SHL, IR_I64, 0, 1, 63, MIN64 },
    { IR_SHL, IR_I64, 0, 1, 64, 1 },
    { IR_SHL, IR_I32, 0, 3, 31, 0x80000000 },
    { IR_SHL, IR_I32, 0, 3, 33, 6 },
    { IR_SHL, IR_I8, 0, 3, 9, 6 },
    { IR_SHL, IR_I16, 0, 3, 17, 6 },
    { IR_SHR, IR_I64, 0, MIN64, 63, 1 },
    { IR_SHR, IR_I32, 0, 0x80000000, 31, 1 },
    { IR_SHR, IR_I32, 0, 0x80000000, 32, 0x80000000 },
    { IR_SHR, IR_I8, 0, 0x80, 7, 1 },
    { IR_SHR, IR_I16, 0, 0x8000, 18, 0x2000 },
    { IR_SAR, IR_I64, 0, MIN64, 63, ONES },
    { IR_SAR, IR_I32, 0, 0x80000000, 30, 0xfffffffe },
    { IR_SAR, IR_I16, 0, 0x8000, 15, 0xffff },
    { IR_SAR, IR_I8, 0, 0x40, 3, 0x08 },
    { IR_ROL, IR_I64, 0, 0x8000000000000001, 1, 3 },
    { IR_ROL, IR_I32, 0, 0x80000001, 4, 0x18 },
    { IR_ROL, IR_I16, 0, 0x8001, 16, 0x8001 },
    { IR_ROL, IR_I8, 0, 0x81, 1, 0x03 },
    { IR_ROR, IR_I64, 0, 3, 1, 0x8000000000000001 },
    { IR_ROR, IR_I32, 0, 3, 1, 0x80000001 },
    { IR_ROR, IR_I32, 0, 3, 0, 3 },
    { IR_ROR, IR_I16, 0, 0x0003, 17, 0x8001 },
    { IR_ROR, IR_I8, 0, 0x03, 1, 0x81 },
    { IR_MUL, IR_I64, 0, ONES, ONES, 1 },
    { IR_MUL, IR_I32, 0, 0x10001, 0x10001, 0x20001 },
    { IR_MUL, IR_I8, 0, 0x11, 0x11, 0x21 },
    { IR_MULHU, IR_I64, 0, ONES, ONES, ONES - 1 },
    { IR_MULHU, IR_I32, 0, 0xffffffff, 0xffffffff, 0xfffffffe },
    { IR_MULHU, IR_I16, 0, 0xffff, 0xffff, 0xfffe },
    { IR_MULHS, IR_I64, 0, ONES, ONES, 0 },
    { IR_MULHS, IR_I64, 0, MIN64, 2, ONES },
    { IR_MULHS, IR_I32, 0, 0x80000000, 0x80000000, 0x40000000 },
    { IR_MULHS, IR_I8, 0, 0x80, 0x7f, 0xc0 },
    { IR_MULHSU, IR_I64, 0, ONES, ONES, ONES },
    { IR_MULHSU, IR_I64, 0, 2, ONES, 1 },
    { IR_MULHSU, IR_I32, 0, 0xffffffff, 0xffffffff, 0xffffffff },
    { IR_MULHSU, IR_I16, 0, 0x8000, 0x8000, 0xc000 },
    { IR_DIVU, IR_I64, 0, 100, 7, 14 },
    { IR_DIVU, IR_I64, 0, 100, 0, ONES },
    { IR_DIVU, IR_I32, 0, 0x80000000, 0xffffffff, 0 },
    { IR_DIVU, IR_I8, 0, 0xff, 0, 0xff },
    { IR_DIVS, IR_I64, 0, (u64)-100, 7, (u64)-14 },
    { IR_DIVS, IR_I64, 0, MIN64, ONES, MIN64 },
    { IR_DIVS, IR_I64, 0, 5, 0, ONES },
    { IR_DIVS, IR_I32, 0, 0x80000000, 0xffffffff, 0x80000000 },
    { IR_DIVS, IR_I32, 0, 0xfffffff9, 2, 0xfffffffd },
    { IR_DIVS, IR_I16, 0, 0x8000, 0xffff, 0x8000 },
    { IR_DIVS, IR_I8, 0, 0x80, 0xff, 0x80 },
    { IR_REMU, IR_I64, 0, 100, 7, 2 },
    { IR_REMU, IR_I64, 0, 100, 0, 100 },
    { IR_REMU, IR_I32, 0, 0x80000000, 0xffffffff, 0x80000000 },
    { IR_REMS, IR_I64, 0, (u64)-100, 7, (u64)-2 },
    { IR_REMS, IR_I64, 0, MIN64, ONES, 0 },
    { IR_REMS, IR_I64, 0, MIN64, 0, MIN64 },
    { IR_REMS, IR_I32, 0, 0x80000000, 0xffffffff, 0 },
    { IR_REMS, IR_I8, 0, 0x80, 0xff, 0 },
    { IR_CLZ, IR_I64, 0, 1, 0, 63 },
    { IR_CLZ, IR_I64, 0, 0, 0, 64 },
    { IR_CLZ, IR_I32, 0, 0x10000, 0, 15 },
    { IR_CLZ, IR_I32, 0, 0, 0, 32 },
    { IR_CLZ, IR_I16, 0, 0x00ff, 0, 8 },
    { IR_CLZ, IR_I8, 0, 0, 0, 8 },
    { IR_CTZ, IR_I64, 0, MIN64, 0, 63 },
    { IR_CTZ, IR_I64, 0, 0, 0, 64 },
    { IR_CTZ, IR_I32, 0, 0, 0, 32 },
    { IR_CTZ, IR_I16, 0, 0, 0, 16 },
    { IR_CTZ, IR_I8, 0, 0x40, 0, 6 },
    { IR_POPCNT, IR_I64, 0, ONES, 0, 64 },
    { IR_POPCNT, IR_I32, 0, 0xf0f0f0f0, 0, 16 },
    { IR_POPCNT, IR_I8, 0, 0xff, 0, 8 },
    { IR_BSWAP, IR_I64, 0, 0x0102030405060708, 0, 0x0807060504030201 },
    { IR_BSWAP, IR_I32, 0, 0x01020304, 0, 0x04030201 },
    { IR_BSWAP, IR_I16, 0, 0x0102, 0, 0x0201 },
    { IR_MINS, IR_I64, 0, ONES, 1, ONES },
    { IR_MINS, IR_I32, 0, 0x80000000, 0x7fffffff, 0x80000000 },
    { IR_MAXS, IR_I64, 0, ONES, 1, 1 },
    { IR_MAXS, IR_I8, 0, 0x80, 0x7f, 0x7f },
    { IR_MINU, IR_I64, 0, ONES, 1, 1 },
    { IR_MINU, IR_I16, 0, 0x8000, 0x7fff, 0x7fff },
    { IR_MAXU, IR_I64, 0, ONES, 1, ONES },
    { IR_MAXU, IR_I32, 0, 0x80000000, 0x7fffffff, 0x80000000 },
    { IR_TRUNC, IR_I8, IR_I64, 0x1ff, 0, 0xff },
    { IR_TRUNC, IR_I32, IR_I64, 0x1234567800000001, 0, 1 },
    { IR_ZEXT, IR_I64, IR_I8, 0x1ff, 0, 0xff },
    { IR_ZEXT, IR_I64, IR_I16, 0x18000, 0, 0x8000 },
    { IR_ZEXT, IR_I64, IR_I32, 0xffffffff80000000, 0, 0x80000000 },
    { IR_ZEXT, IR_I32, IR_I8, 0x180, 0, 0x80 },
    { IR_SEXT, IR_I64, IR_I8, 0x180, 0, ~UINT64_C(0x7f) },
    { IR_SEXT, IR_I64, IR_I16, 0x8000, 0, ~UINT64_C(0x7fff) },
    { IR_SEXT, IR_I64, IR_I32, 0x80000000, 0, ~UINT64_C(0x7fffffff) },
    { IR_SEXT, IR_I16, IR_I8, 0x80, 0, 0xff80 },
    { IR_SETCC, IR_I64, IR_EQ, 5, 5, 1 },
    { IR_SETCC, IR_I64, IR_EQ, 5, 6, 0 },
    { IR_SETCC, IR_I32, IR_EQ, 0x100000005, 5, 1 },
    { IR_SETCC, IR_I64, IR_NE, 5, 6, 1 },
    { IR_SETCC, IR_I64, IR_LT, ONES, 0, 1 },
    { IR_SETCC, IR_I64, IR_LTU, ONES, 0, 0 },
    { IR_SETCC, IR_I32, IR_LT, 0x80000000, 0x7fffffff, 1 },
    { IR_SETCC, IR_I32, IR_LTU, 0x80000000, 0x7fffffff, 0 },
    { IR_SETCC, IR_I8, IR_GE, 0x7f, 0x80, 1 },
    { IR_SETCC, IR_I8, IR_GEU, 0x7f, 0x80, 0 },
    { IR_SETCC, IR_I16, IR_GT, 0x7fff, 0x8000, 1 },
    { IR_SETCC, IR_I16, IR_GTU, 0x7fff, 0x8000, 0 },
    { IR_SETCC, IR_I64, IR_LE, 3, 3, 1 },
    { IR_SETCC, IR_I64, IR_LE, MAX64, MIN64, 0 },
    { IR_SETCC, IR_I64, IR_LEU, MAX64, MIN64, 1 },
    { IR_SETCC, IR_I64, IR_GTU, 3, 3, 0 },
    /* select: 111 when it holds, else 222 */
    { IR_SELECT, IR_I64, IR_EQ, 1, 1, 111 },
    { IR_SELECT, IR_I64, IR_LTU, 2, 1, 222 },
    { IR_SELECT, IR_I32, IR_LT, 0xffffffff, 0, 111 },
    { IR_SELECT, IR_I8, IR_GEU, 0x01, 0x80, 222 },
    /* exit_if: 111 when it leaves, else 222 */
    { IR_EXIT_IF, IR_I64, IR_NE, 1, 0, 111 },
    { IR_EXIT_IF, IR_I32, IR_EQ, 0x100000000, 0, 111 },
    { IR_EXIT_IF, IR_I64, IR_EQ, 0x100000000, 0, 222 },
    { IR_EXIT_IF, IR_I16, IR_LT, 0x8000, 0, 111 },
    { IR_EXIT_IF, IR_I8, IR_LTU, 0x80, 0, 222 },
    { IR_EXIT_IF, IR_I64, IR_GTU, ONES, 0, 111 },
};

enum { FORM_REGISTERS, FORM_IMMEDIATE, FORM_CONSTANTS, FORM_COUNT };

static ir_value operand(struct ir_block *b, const struct row *row, unsigned i, unsigned form)
{
    enum ir_type type = (enum ir_type)(row->code == IR_ZEXT || row->code == IR_SEXT || row->code == IR_TRUNC ? row->aux : row->type);
    u64 v = i ? row->y : row->x;
    ir_value value;

    if (form == FORM_CONSTANTS || (form == FORM_IMMEDIATE && i == 1))
        return ir_const(b, type, (s64)v);
    value = ir_get(b, IR_I64, i);
    if (type == IR_I64)
        return value;
    ir_append(b, IR_TRUNC, type)->arg[0] = value;
    return ir_last(b);
}

/* a2 = the op's result. */
static void build(struct ir_block *b, const struct row *row, unsigned form)
{
    ir_value x, y, result;
    struct ir_op *op;

    ir_block_reset(b, 0);
    ir_insn(b, 0, 4);
    x = operand(b, row, 0, form);
    y = operand(b, row, 1, form);
    if (row->code == IR_SELECT) {
        result = ir_const(b, IR_I64, 111);
        ir_const(b, IR_I64, 222);
    }
    if (row->code == IR_EXIT_IF)
        ir_put(b, IR_I64, 2, ir_const(b, IR_I64, 111));
    op = ir_append(b, (enum ir_opcode)row->code, (enum ir_type)row->type);
    op->aux = row->aux;
    op->arg[0] = x;
    if (ir_op_operands(op) > 1)
        op->arg[1] = y;
    result = ir_last(b);
    if (row->code == IR_SELECT) {
        op->aux |= IR_I64 << 8;
        op->arg[2] = (ir_value)(result - 2);
        op->arg[3] = (ir_value)(result - 1);
    }
    if (row->code == IR_TRUNC)
        op->aux = 0;
    if (row->code == IR_EXIT_IF) {
        op->imm = ir_append_exit(b, IR_EXIT_DIRECT, 64, IR_HINT_NONE, 0);
        ir_put(b, IR_I64, 2, ir_const(b, IR_I64, 222));
        return ir_exit(b, 4, IR_HINT_NONE, 0);
    }
    if (ir_op_result(op) != IR_I64) {
        op = ir_append(b, IR_ZEXT, IR_I64);
        op->aux = row->type;
        op->arg[0] = result;
    }
    ir_put(b, IR_I64, 2, ir_last(b));
    ir_exit(b, 4, IR_HINT_NONE, 0);
}

static bool check(struct runner *r, struct machine *m, struct ir_block *b, const struct row *row, unsigned form)
{
    g_autoptr(GError) error = NULL;

    build(b, row, form);
    if (!ir_verify(b, machine_regs, MACHINE_REGS, &error)) {
        g_print("not ok - %s: %s\n", ir_op_name((enum ir_opcode)row->code), error->message);
        return false;
    }
    machine_reset(m, 1);
    m->state.a[0] = row->x;
    m->state.a[1] = row->y;
    runner_run(r, m, b);
    if (m->state.a[2] == row->result)
        return true;
    g_print("not ok - row %u form %u: %s.%s aux %u 0x%" G_GINT64_MODIFIER "x 0x%" G_GINT64_MODIFIER "x: expected 0x%" G_GINT64_MODIFIER
            "x, got 0x%" G_GINT64_MODIFIER "x\n",
            (unsigned)(row - rows), form, ir_op_name((enum ir_opcode)row->code), ir_type_name((enum ir_type)row->type), row->aux,
            row->x, row->y, row->result, m->state.a[2]);
    return false;
}

unsigned test_ops(const struct test_options *options)
{
    struct runner *r = runner_create(options->backend);
    struct ir_block *b = ir_block_create(64);
    struct machine *m = machine_create();
    unsigned failures = !r;

    for (u32 i = 0; r && i < ARRAY_SIZE(rows); i++)
        for (unsigned form = 0; form < FORM_COUNT; form++)
            failures += !check(r, m, b, &rows[i], form);
    g_print("ops on %s: %u rows, %u failures\n", options->backend, (unsigned)ARRAY_SIZE(rows), failures);
    machine_destroy(m);
    ir_block_destroy(b);
    runner_destroy(r);
    return failures;
}
