/* tests/ir/reference.c - runs a block the plainest way: the evaluator of constants, and the slow paths for memory. */
#include "tests/ir/machine.h"
#include "tcg/append.h"
#include "tcg/eval.h"
#include "tcg/fp.h"
#include <string.h>

static u64 *value_of(u64 *value, const struct ir_op *op, unsigned i)
{
    return &value[op->arg[i]];
}

static void *place(struct machine *m, const struct ir_op *op)
{
    return (u8 *)&m->state + machine_regs[op->aux].offset;
}

static u64 get(struct machine *m, const struct ir_op *op)
{
    u64 v = 0;

    memcpy(&v, place(m, op), ir_type_bits((enum ir_type)op->type) / 8); /* little-endian hosts only */
    return v;
}

static u64 call(struct machine *m, const struct ir_op *op, const u64 *value)
{
    u64 arg[4] = { 0 };

    for (unsigned i = 0; i < op->helper->arg_count; i++)
        arg[i] = value[op->arg[i]];
    switch (op->helper->arg_count) {
    case 0:
        return ((u64(*)(void *))op->helper->function)(m);
    case 1:
        return ((u64(*)(void *, u64))op->helper->function)(m, arg[0]);
    case 2:
        return ((u64(*)(void *, u64, u64))op->helper->function)(m, arg[0], arg[1]);
    case 3:
        return ((u64(*)(void *, u64, u64, u64))op->helper->function)(m, arg[0], arg[1], arg[2]);
    default:
        return ((u64(*)(void *, u64, u64, u64, u64))op->helper->function)(m, arg[0], arg[1], arg[2], arg[3]);
    }
}

static enum tcg_leave leave_by(struct machine *m, const struct ir_block *block, const struct ir_op *op, const u64 *value)
{
    const struct ir_exit *exit = &block->exit[op->imm];
    bool other_page = exit->pc < 0 || exit->pc >= TCG_PAGE_SIZE;
    bool polls = op->code == IR_EXIT_TO || other_page || exit->pc <= block->snapshot[op->snapshot].pc;

    m->host.pc = op->code == IR_EXIT_TO ? *value_of((u64 *)value, op, 0) & ~(u64)op->aux : m->host.pc_page + (u64)(s64)exit->pc;
    if (polls && m->host.exit_request)
        return TCG_LEAVE_PC;
    return op->code == IR_EXIT_TO || other_page ? TCG_LEAVE_MISS : TCG_LEAVE_LINK;
}

/* Ops that compute: the result. */
static u64 compute(const struct ir_op *op, u64 x, u64 y, u64 c, u64 d)
{
    enum ir_type type = (enum ir_type)op->type;

    switch (op->code) {
    case IR_CONST:
        return (u64)op->imm;
    case IR_TRUNC:
        return x;
    case IR_ZEXT:
        return (u64)ir_eval_zext((enum ir_type)op->aux, (s64)x);
    case IR_SEXT:
        return (u64)ir_const_wrap((enum ir_type)op->aux, (s64)x);
    case IR_SETCC:
        return ir_cond_holds((enum ir_cond)op->aux, type, x, y);
    case IR_SELECT:
        return ir_cond_holds((enum ir_cond)(op->aux & 0xff), type, x, y) ? c : d;
    default:
        return (u64)(ir_op_operands(op) == 1 ? ir_eval_unary((enum ir_opcode)op->code, type, (s64)x)
                                             : ir_eval_binary((enum ir_opcode)op->code, type, (s64)x, (s64)y));
    }
}

static bool is_fp(unsigned code)
{
    return code >= IR_FADD && code <= IR_FROM_BITS;
}

static u64 compute_fp(struct machine *m, const struct ir_op *op, const u64 *a)
{
    struct ir_fp_result r = ir_fp_compute(ir_fp_word(op), a[0], a[1], a[2], m->state.fp_rounding);

    m->state.fp_flags |= (u8)r.flags;
    return r.value;
}

/* A local exit: the op of the label that it leads to; 0: another exit. */
static u32 label_of(const struct ir_block *block, const struct ir_op *op)
{
    const struct ir_exit *exit = &block->exit[op->imm];
    u32 at = 0;

    if (op->code == IR_EXIT_TO || exit->kind != IR_EXIT_LOCAL)
        return 0;
    while (block->op[at].code != IR_LABEL || block->op[at].imm != exit->pc)
        at++;
    return at;
}

/* One op; true: it left. *next: the op behind it, unless it jumps. */
static bool step(struct machine *m, const struct ir_block *block, u32 i, u64 *value, enum tcg_leave *leave, u32 *next)
{
    const struct ir_op *op = &block->op[i];
    u64 a[4];
    s64 where = op->snapshot < block->snapshot_count ? block->snapshot[op->snapshot].pc : 0;
    struct tcg_result result = { 0, 0 };

    for (unsigned k = 0; k < 4; k++)
        a[k] = op->arg[k] < i ? value[op->arg[k]] : 0;
    *leave = TCG_LEAVE_PC;
    switch (op->code) {
    case IR_NOP:
    case IR_INSN:
    case IR_FENCE:
    case IR_LABEL:
        return false;
    case IR_GET:
        value[i] = get(m, op);
        return false;
    case IR_PUT:
        memcpy(place(m, op), &a[0], ir_type_bits((enum ir_type)op->type) / 8);
        return false;
    case IR_PC_ADD:
        value[i] = m->host.pc_page + (u64)op->imm;
        return false;
    case IR_LD:
        result = machine_runtime.load(m, a[0] + (u64)op->imm, op->aux, where);
        break;
    case IR_ST:
        return machine_runtime.store(m, a[0] + (u64)op->imm, a[1], op->aux, where);
    case IR_AMO:
        result = machine_runtime.amo(m, a[0], a[1], op->aux | (u64)op->imm << 16, where);
        break;
    case IR_CAS:
        result = machine_runtime.cas(m, a[0], a[1], a[2], op->aux | (u64)where << 16);
        break;
    case IR_CALL:
        if (op->helper->effects & IR_HELPER_NEEDS_PC)
            m->host.pc = m->host.pc_page + (u64)where;
        result.value = call(m, op, value);
        if (op->helper->effects & IR_HELPER_MAY_LEAVE)
            result.leave = result.value;
        break;
    case IR_VLD:
    case IR_VST:
        m->host.pc = m->host.pc_page + (u64)where;
        result.leave = ((u64(*)(void *, u64, u64))op->helper->function)(m, a[0], a[1]);
        break;
    case IR_VEC:
        ir_vector_run(&machine_layout, (u8 *)&m->state, ir_vector_word(op), a[0]);
        return false;
    case IR_VEC_TO:
        value[i] = ir_vector_to(&machine_layout, (const u8 *)&m->state, ir_vector_word(op));
        return false;
    case IR_EXIT_IF:
        if (!ir_cond_holds((enum ir_cond)op->aux, (enum ir_type)op->type, a[0], a[1]))
            return false;
        /* fall through */
    case IR_EXIT:
    case IR_EXIT_TO:
        *next = label_of(block, op);
        if (*next)
            return false;
        *leave = leave_by(m, block, op, value);
        return true;
    case IR_LEAVE:
        return true;
    case IR_FENV_GET:
        value[i] = m->state.fp_flags;
        return false;
    case IR_FENV_SET:
        m->state.fp_flags = a[0] & 31;
        return false;
    default:
        if (is_fp(op->code)) {
            value[i] = compute_fp(m, op, a);
            return false;
        }
        value[i] = compute(op, a[0], a[1], a[2], a[3]);
        return false;
    }
    value[i] = result.value;
    return result.leave;
}

enum tcg_leave reference_run(struct machine *m, const struct ir_block *block, u32 until)
{
    g_autofree u64 *value = g_new0(u64, block->count);
    enum tcg_leave leave = TCG_LEAVE_PC;

    for (u32 i = 0, next; i < MIN(block->count, until); i = next) {
        next = i + 1;
        if (step(m, block, i, value, &leave, &next))
            break;
    }
    return leave;
}
