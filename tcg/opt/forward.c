/*
 * tcg/opt/forward.c - know what guest registers hold, fold through them, recognise idioms: for blocks that were built without.
 *
 * Builds the block anew by the builder, which now tracks registers. Memory ops, calls and their order are not touched.
 */
#include "tcg/opt/passes.h"
#include "tcg/append.h"
#include "tcg/builder.h"
#include "tcg/idioms.h"

enum { SPARE_OPS = 8 }; /* no op becomes more than this many */

/* The walk: it reads the old ops in order. */
struct forward {
    struct ir_block *b; /* of the new ops */
    ir_value *map;      /* old value -> new value */
    u32 exits;          /* rows of the exit table that are in use again */
};

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
    ir_note_leave(f->b);
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
    ir_value *current = &f->b->current[op->aux];

    if (*current == IR_NONE)
        *current = copy_plain(f, op);
    return *current;
}

static ir_value do_put(struct forward *f, const struct ir_op *op)
{
    ir_value *current = &f->b->current[op->aux], v = f->map[op->arg[0]];

    if (*current != v)
        copy(f, op);
    *current = v;
    return IR_NONE;
}

static ir_value do_call(struct forward *f, const struct ir_op *op)
{
    ir_track_call(f->b, op->helper);
    return copy(f, op);
}

static ir_value do_exit_if(struct forward *f, const struct ir_op *op)
{
    ir_value x = f->map[op->arg[0]], y = f->map[op->arg[1]], v;
    enum ir_cond cond = (enum ir_cond)op->aux;

    ir_idiom_compare(f->b, &cond, &x, &y);
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
    exit->pc = (s32)target->imm & ~(s32)op->aux;
    f->b->op[v].aux = 0;
    f->b->op[v].code = IR_EXIT;
    f->b->op[v].type = IR_VOID;
    f->b->op[v].arg[0] = IR_NONE;
    return v;
}

static ir_value do_label(struct forward *f, const struct ir_op *op)
{
    ir_label(f->b, (s32)op->imm);
    return IR_NONE;
}

static ir_value rebuild(struct forward *f, const struct ir_op *op)
{
    const ir_value *map = f->map;

    switch (op->code) {
    case IR_NOP:
        return IR_NONE;
    case IR_CONST:
    case IR_PC_ADD:
    case IR_INSN:
    case IR_FENCE:
    case IR_COUNT:
    case IR_UNCOUNT:
        return copy_plain(f, op);
    case IR_GET:
        return do_get(f, op);
    case IR_PUT:
        return do_put(f, op);
    case IR_TRUNC:
        return ir_trunc(f->b, (enum ir_type)op->type, map[op->arg[0]]);
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
        return ir_setcc(f->b, (enum ir_cond)op->aux, map[op->arg[0]], map[op->arg[1]]);
    case IR_SELECT:
        return ir_select(f->b, (enum ir_cond)(op->aux & 0xff), map[op->arg[0]], map[op->arg[1]], map[op->arg[2]], map[op->arg[3]]);
    case IR_CALL:
        return do_call(f, op);
    case IR_EXIT_IF:
        return do_exit_if(f, op);
    case IR_EXIT_TO:
        return do_exit_to(f, op);
    case IR_VEC:
    case IR_VEC_TO:
        return copy(f, op);
    case IR_LD:
    case IR_ST:
    case IR_AMO:
    case IR_CAS:
    case IR_VLD:
    case IR_VST:
    case IR_LEAVE:
        return copy_leaving(f, op);
    case IR_LABEL:
        return do_label(f, op);
    case IR_EXIT:
        return copy_exit(f, op);
    case IR_UNBOX:
        return ir_unbox(f->b, f->map[op->arg[0]]);
    case IR_BITS:
        return ir_bits(f->b, f->map[op->arg[0]]);
    case IR_FROM_BITS:
        return ir_from_bits(f->b, f->map[op->arg[0]]);
    default:
        if ((op->code >= IR_FADD && op->code <= IR_BOX) || op->code == IR_FENV_GET || op->code == IR_FENV_SET)
            return copy(f, op);
        return ir_binary(f->b, (enum ir_opcode)op->code, map[op->arg[0]], map[op->arg[1]]);
    }
}

_Static_assert(IR_EXIT == IR_EXIT_IF + 1 && IR_EXIT_TO == IR_EXIT_IF + 2, "ops with exits stand together");

static bool has_exit(const struct ir_op *op)
{
    return (unsigned)op->code - IR_EXIT_IF <= IR_EXIT_TO - IR_EXIT_IF;
}

void opt_forward(struct ir_block *b, const struct code_layout *layout)
{
    struct forward f = { .b = b, .map = b->map };
    u32 count = b->count;
    const struct ir_op *old = b->op;
    ir_value *map = b->map;
    bool roomy = count * 4 + SPARE_OPS <= b->capacity; /* else ops are copied when room gets short */

    if (b->tracking) /* the builder did it */
        return;
    b->last_leave = 0;
    ir_block_track(b, layout->reg_count);
    b->op = b->spare;
    b->spare = (struct ir_op *)old;
    b->count = 0;
    for (u32 i = 0; i < count; i++) {
        const struct ir_op *op = &old[i];
        bool has_room = roomy || b->count + (count - i) + SPARE_OPS <= b->capacity;

        map[i] = likely(has_room) ? rebuild(&f, op) : has_exit(op) ? copy_exit(&f, op) : copy(&f, op);
    }
    b->exit_count = f.exits;
}
