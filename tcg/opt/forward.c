/*
 * tcg/opt/forward.c - know what guest registers hold, fold through them, recognise idioms.
 *
 * Builds the block anew: a get of a register whose value is known becomes that value, and every op goes through the
 * builder again, which now sees through registers: lui+addi becomes a constant, auipc+addi one pc_add. Back ends name values
 * by registers in the same way, so this lengthens no live range by itself; where folding would (trunc of an extension,
 * idioms of several ops) it asks opt_is_at_hand(). Memory ops, calls and their order are not touched.
 */
#include "tcg/opt/passes.h"
#include "tcg/append.h"
#include "tcg/builder.h"
#include <string.h>

enum { SPARE_OPS = 8 }; /* no op becomes more than this many */

static void forget(struct forward *f, const struct code_layout *layout)
{
    memset(f->current, 0xff, layout->reg_count * sizeof f->current[0]);
}

/* An op without operands. */
static inline ir_value copy_plain(struct forward *f, const struct ir_op *op)
{
    u32 at = f->b->count++;
    struct ir_op *to = &f->b->op[at];

    *to = *op;
    to->uses = 0;
    return (ir_value)at;
}

/* The op as it is, its operands renamed; hardly any has more than two. */
static inline ir_value copy(struct forward *f, const struct ir_op *op)
{
    struct ir_block *b = f->b;
    const ir_value *map = f->map;
    u32 at = b->count++;
    struct ir_op *to = &b->op[at];
    ir_value a = map[op->arg[0]], c = map[op->arg[1]];

    *to = *op;
    to->uses = 0;
    to->arg[0] = a;
    to->arg[1] = c;
    if (unlikely(op->arg[2] != IR_NONE)) {
        to->arg[2] = map[op->arg[2]];
        to->arg[3] = map[op->arg[3]];
    }
    return (ir_value)at;
}

static ir_value copy_leaving(struct forward *f, const struct ir_op *op)
{
    f->last_leave = f->b->count;
    return copy(f, op);
}

/* Ops name exits in order, so the table closes up in place when one is left out. */
static ir_value copy_exit(struct forward *f, const struct ir_op *op)
{
    ir_value v = copy_leaving(f, op);

    if (unlikely(op->imm != f->exits))
        f->b->exit[f->exits] = f->b->exit[op->imm];
    f->b->op[v].imm = f->exits++;
    return v;
}

static ir_value do_get(struct forward *f, const struct ir_op *op)
{
    ir_value v = f->current[op->aux];

    if (v != IR_NONE)
        return v;
    return f->current[op->aux] = copy_plain(f, op);
}

static ir_value do_put(struct forward *f, const struct ir_op *op)
{
    ir_value v = f->map[op->arg[0]];

    if (f->current[op->aux] == v)
        return IR_NONE;
    copy(f, op);
    f->current[op->aux] = v;
    return IR_NONE;
}

static ir_value do_call(struct forward *f, const struct ir_op *op, const struct code_layout *layout)
{
    u8 effects = op->helper->effects;
    ir_value v = effects & IR_HELPER_MAY_LEAVE ? copy_leaving(f, op) : copy(f, op);

    if (effects & (IR_HELPER_READS | IR_HELPER_WRITES | IR_HELPER_NEEDS_PC))
        f->last_leave = v; /* puts before it are needed */
    if (effects & (IR_HELPER_WRITES | IR_HELPER_MAY_LEAVE))
        forget(f, layout);
    return v;
}

static ir_value do_binary(struct forward *f, const struct ir_op *op)
{
    ir_value x = f->map[op->arg[0]], y = f->map[op->arg[1]], v = IR_NONE;
    enum ir_opcode code = (enum ir_opcode)op->code;

    switch (code) {
    case IR_SHR:
    case IR_SAR:
        v = opt_idiom_shift(f, code, (enum ir_type)op->type, x, y);
        break;
    case IR_ADD:
    case IR_OR:
    case IR_XOR:
        v = opt_idiom_rotate(f, (enum ir_type)op->type, x, y);
        break;
    default:
        break;
    }
    return v != IR_NONE ? v : ir_binary(f->b, code, x, y);
}

/* The extension is where the value lives, so trunc(sext x) stays. */
static ir_value do_trunc(struct forward *f, const struct ir_op *op)
{
    ir_value x = f->map[op->arg[0]];

    return ir_is_const(f->b, x) ? ir_const(f->b, (enum ir_type)op->type, f->b->op[x].imm) : copy(f, op);
}

static ir_value do_setcc(struct forward *f, const struct ir_op *op)
{
    ir_value x = f->map[op->arg[0]], y = f->map[op->arg[1]];
    enum ir_cond cond = (enum ir_cond)op->aux;

    opt_idiom_compare(f, &cond, &x, &y);
    return ir_setcc(f->b, cond, x, y);
}

static ir_value do_select(struct forward *f, const struct ir_op *op)
{
    ir_value x = f->map[op->arg[0]], y = f->map[op->arg[1]];
    enum ir_cond cond = (enum ir_cond)(op->aux & 0xff);

    opt_idiom_compare(f, &cond, &x, &y);
    return ir_select(f->b, cond, x, y, f->map[op->arg[2]], f->map[op->arg[3]]);
}

static ir_value do_exit_if(struct forward *f, const struct ir_op *op)
{
    ir_value x = f->map[op->arg[0]], y = f->map[op->arg[1]], v;
    enum ir_cond cond = (enum ir_cond)op->aux;

    opt_idiom_compare(f, &cond, &x, &y);
    if (ir_fold_compare(f->b, &cond, &x, &y) == 0)
        return IR_NONE;
    v = copy_exit(f, op);
    f->b->op[v].aux = (u16)cond;
    f->b->op[v].type = (u8)ir_value_type(f->b, x);
    f->b->op[v].arg[0] = x;
    f->b->op[v].arg[1] = y;
    return v;
}

/* auipc+jalr: the target is known relative to the page after all. */
static ir_value do_exit_to(struct forward *f, const struct ir_op *op)
{
    const struct ir_op *target = &f->b->op[f->map[op->arg[0]]];
    ir_value v = copy_exit(f, op);
    struct ir_exit *exit = &f->b->exit[f->b->op[v].imm];

    if (target->code != IR_PC_ADD || target->imm != (s32)target->imm)
        return v;
    exit->kind = IR_EXIT_DIRECT;
    exit->pc = (s32)target->imm;
    f->b->op[v].code = IR_EXIT;
    f->b->op[v].type = IR_VOID;
    f->b->op[v].arg[0] = IR_NONE;
    return v;
}

static ir_value rebuild(struct forward *f, const struct ir_op *op, const struct code_layout *layout)
{
    switch (op->code) {
    case IR_NOP:
        return IR_NONE;
    case IR_CONST:
    case IR_PC_ADD:
    case IR_INSN:
    case IR_FENCE:
        return copy_plain(f, op);
    case IR_GET:
        return do_get(f, op);
    case IR_PUT:
        return do_put(f, op);
    case IR_TRUNC:
        return do_trunc(f, op);
    case IR_ZEXT:
        return ir_zext(f->b, (enum ir_type)op->type, f->map[op->arg[0]]);
    case IR_SEXT:
        return ir_sext(f->b, (enum ir_type)op->type, f->map[op->arg[0]]);
    case IR_NOT:
    case IR_NEG:
    case IR_CLZ:
    case IR_CTZ:
    case IR_POPCNT:
    case IR_BSWAP:
        return ir_unary(f->b, (enum ir_opcode)op->code, f->map[op->arg[0]]);
    case IR_SETCC:
        return do_setcc(f, op);
    case IR_SELECT:
        return do_select(f, op);
    case IR_CALL:
        return do_call(f, op, layout);
    case IR_EXIT_IF:
        return do_exit_if(f, op);
    case IR_EXIT_TO:
        return do_exit_to(f, op);
    case IR_LD:
    case IR_ST:
    case IR_AMO:
    case IR_CAS:
    case IR_LEAVE:
        return copy_leaving(f, op);
    case IR_EXIT:
        return copy_exit(f, op);
    default:
        return do_binary(f, op);
    }
}

_Static_assert(IR_EXIT == IR_EXIT_IF + 1 && IR_EXIT_TO == IR_EXIT_IF + 2, "ops with exits stand together");

static bool has_exit(const struct ir_op *op)
{
    return (unsigned)op->code - IR_EXIT_IF <= IR_EXIT_TO - IR_EXIT_IF;
}

void opt_forward(struct ir_block *b, const struct code_layout *layout)
{
    struct forward f; /* not cleared: the registers' part is large */
    u32 count = b->count;
    const struct ir_op *old = b->op;
    ir_value *map = b->map;
    bool roomy = count * 4 + SPARE_OPS <= b->capacity; /* else ops are copied when room gets short */

    f.b = b;
    f.last_leave = 0;
    f.exits = 0;
    f.reg_count = layout->reg_count;
    f.map = map;
    forget(&f, layout);
    b->op = b->spare;
    b->spare = (struct ir_op *)old;
    b->count = 0;
    for (u32 i = 0; i < count; i++) {
        const struct ir_op *op = &old[i];
        bool has_room = roomy || b->count + (count - i) + SPARE_OPS <= b->capacity;

        map[i] = likely(has_room) ? rebuild(&f, op, layout) : has_exit(op) ? copy_exit(&f, op) : copy(&f, op);
    }
    b->exit_count = f.exits;
}
