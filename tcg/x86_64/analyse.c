/*
 * tcg/x86_64/analyse.c - before emission: names for one value become one (trunc, repeated get), readers are counted,
 * and values learn which pinned register they will be put into.
 */
#include "tcg/x86_64/value.h"

static void reset_block(struct tcg_engine *e)
{
    const struct ir_block *b = e->block;

    if (b->count > e->value_capacity) {
        e->value_capacity = b->count * 2;
        e->value = g_renew(struct x86_value, e->value, e->value_capacity);
        e->group_of = g_renew(u16, e->group_of, e->value_capacity);
        e->work = g_renew(u16, e->work, e->value_capacity);
    }
    memset(e->home_of, 0xff, e->layout->reg_count * sizeof(e->home_of[0])); /* IR_NONE */
    if (!b->tracking)
        memset(e->current, 0xff, e->layout->reg_count * sizeof(e->current[0]));
    memset(e->owner, 0xff, sizeof(e->owner));
    memset(e->slot_free, 0xff, e->slot_words * sizeof(e->slot_free[0]));
    e->slot_words = 0;
    if (!e->opened.on)
        e->cold_count = e->recheck_count = 0;
    e->nan32 = e->nan64 = 0;
}

static s64 narrow(enum ir_type type, bool is_signed, s64 v)
{
    switch (type) {
    case IR_I8:
        return is_signed ? (s64)(s8)v : (s64)(u8)v;
    case IR_I16:
        return is_signed ? (s64)(s16)v : (s64)(u16)v;
    case IR_I32:
        return is_signed ? (s64)(s32)v : (s64)(u32)v;
    default:
        return v;
    }
}

static void set_const(struct x86_value *x, s64 imm)
{
    x->place = PLACE_CONST;
    x->computed = false;
    x->imm = imm;
}

static bool writes_guest(const struct ir_op *op)
{
    return op->code == IR_CALL && op->helper->effects & (IR_HELPER_WRITES | IR_HELPER_MAY_LEAVE);
}

/* The value that get gives when an earlier op of the block knows it: full registers only. A builder that tracks has found these. */
static void name_get(struct tcg_engine *e, u32 i, const struct ir_op *op)
{
    if (e->block->tracking || !x86_is_full(op->type))
        return;
    if (e->current[op->aux] != IR_NONE)
        e->value[i].root = e->current[op->aux];
    else
        e->current[op->aux] = (u16)i;
}

static bool is_zero(const struct tcg_engine *e, ir_value v, u32 mask)
{
    const struct x86_value *x = &e->value[x86_root(e, v)];

    return x->place == PLACE_CONST && (x->imm & mask) == 0;
}

/*
 * 32-bit instructions clear the upper half of their register: whether extending their result changes nothing.
 * Not where no instruction may be needed (x + 0, x >> 0).
 */
static bool is_extended(const struct tcg_engine *e, ir_value v, bool is_signed)
{
    const struct ir_op *op = &e->block->op[v];

    if (e->value[v].root != v || op->type != IR_I32)
        return false;
    switch (op->code) {
    case IR_SHR:
        return e->value[x86_root(e, op->arg[1])].place == PLACE_CONST && !is_zero(e, op->arg[1], 31);
    case IR_ADD:
    case IR_SUB:
        return !is_signed && !is_zero(e, op->arg[0], UINT32_MAX) && !is_zero(e, op->arg[1], UINT32_MAX);
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_NOT:
    case IR_NEG:
    case IR_MUL:
        return !is_signed;
    default:
        return false;
    }
}

/* What analysis and emission ask about an op. */
enum op_kind {
    NAMES = 1 << 0,       /* may be another name of a value, or a constant: name_op decides */
    CAN_LEAVE = 1 << 1,
    ARITHMETIC = 1 << 2,  /* its result may be computed in place of its first operand */
    COMMUTES = 1 << 3,
    MANY = 1 << 4,        /* may have more than two operands */
    IS_FP = 1 << 5,       /* needs floating-point registers, whatever its type */
    CONSTANT = 1 << 6,    /* no code */
    CURRENT = 1 << 7,     /* NAMES, where the builder did not track registers */
};

static const u8 kinds[IR_OPCODE_COUNT] = {
    [IR_CONST] = CONSTANT,
    [IR_GET] = NAMES, [IR_PUT] = CURRENT, [IR_TRUNC] = NAMES,
    [IR_ZEXT] = NAMES | ARITHMETIC, [IR_SEXT] = NAMES | ARITHMETIC,
    [IR_ADD] = ARITHMETIC | COMMUTES, [IR_SUB] = ARITHMETIC, [IR_AND] = ARITHMETIC | COMMUTES,
    [IR_OR] = ARITHMETIC | COMMUTES, [IR_XOR] = ARITHMETIC | COMMUTES, [IR_ANDN] = ARITHMETIC, [IR_ORN] = ARITHMETIC,
    [IR_XNOR] = ARITHMETIC | COMMUTES, [IR_NOT] = ARITHMETIC, [IR_NEG] = ARITHMETIC, [IR_SHL] = ARITHMETIC,
    [IR_SHR] = ARITHMETIC, [IR_SAR] = ARITHMETIC, [IR_ROL] = ARITHMETIC, [IR_ROR] = ARITHMETIC,
    [IR_LD] = NAMES | CAN_LEAVE, [IR_ST] = NAMES | CAN_LEAVE, [IR_AMO] = NAMES | CAN_LEAVE, [IR_CAS] = NAMES | CAN_LEAVE | MANY,
    [IR_CALL] = NAMES | CAN_LEAVE | MANY,
    [IR_VLD] = NAMES | CAN_LEAVE, [IR_VST] = NAMES | CAN_LEAVE,
    [IR_SELECT] = MANY,
    [IR_FADD] = ARITHMETIC | COMMUTES, [IR_FSUB] = ARITHMETIC, [IR_FMUL] = ARITHMETIC | COMMUTES, [IR_FDIV] = ARITHMETIC,
    [IR_FSQRT] = ARITHMETIC, [IR_FNEG] = ARITHMETIC, [IR_FABS] = ARITHMETIC, [IR_FMA] = MANY, [IR_BOX] = NAMES, [IR_UNBOX] = NAMES,
    [IR_FTOI] = IS_FP, [IR_BITS] = IS_FP, [IR_FENV_GET] = IS_FP, [IR_FENV_SET] = IS_FP,
    [IR_COUNT] = CAN_LEAVE, [IR_LABEL] = CAN_LEAVE | CURRENT, [IR_EXIT_IF] = CAN_LEAVE, [IR_EXIT] = CAN_LEAVE, [IR_EXIT_TO] = CAN_LEAVE, [IR_LEAVE] = CAN_LEAVE,
};

/* Certainly a single in a box. */
static bool is_boxed(const struct tcg_engine *e, ir_value v)
{
    const struct ir_op *op = &e->block->op[v];

    if (op->code == IR_GET && e->loop.on)
        return x86_loop_is_boxed(e, op->aux);
    return op->type == IR_F32 || (op->code == IR_LD && (op->aux & (IR_MEM_ONES | IR_MEM_SIZE)) == (IR_MEM_ONES | IR_MEM_32));
}

/* Ops of kind NAMES. False: the op emits nothing, its value is another's or a constant. */
static bool name_op(struct tcg_engine *e, u32 i, const struct ir_op *op)
{
    struct x86_value *x = &e->value[i], *a;

    switch (op->code) {
    case IR_GET:
        x->computed = !x86_is_full(op->type);
        name_get(e, i, op);
        return x->root == i;
    case IR_PUT:
        e->current[op->aux] = x86_is_full(op->type) ? x86_root(e, op->arg[0]) : IR_NONE;
        return true;
    case IR_LABEL:
        memset(e->current, 0xff, e->layout->reg_count * sizeof(e->current[0]));
        return true;
    case IR_TRUNC:
        x->root = x86_root(e, op->arg[0]);
        return false;
    case IR_ZEXT:
    case IR_SEXT:
        a = &e->value[x86_root(e, op->arg[0])];
        if (a->place == PLACE_CONST)
            set_const(x, narrow(op->type, true, narrow(op->aux, op->code == IR_SEXT, a->imm)));
        else if (op->aux == IR_I32 && is_extended(e, op->arg[0], op->code == IR_SEXT))
            x->root = a->root;
        else
            return true;
        return false;
    case IR_BOX: /* singles are kept in boxes */
        x->root = x86_root(e, op->arg[0]);
        return false;
    case IR_UNBOX:
        if (!is_boxed(e, x86_root(e, op->arg[0])))
            return true;
        x->root = x86_root(e, op->arg[0]);
        return false;
    case IR_CALL:
        if (!e->block->tracking && writes_guest(op))
            memset(e->current, 0xff, e->layout->reg_count * sizeof(e->current[0]));
        x86_group_note(e, i, op);
        return true;
    default: /* memory */
        x86_group_note(e, i, op);
        return true;
    }
}

static void count_reader(struct x86_value *value, ir_value arg, u32 i)
{
    struct x86_value *x = &value[value[arg].root];

    x->left++;
    x->last = MAX(x->last, (u16)i);
}

static void count_readers(struct x86_value *value, const struct ir_op *op, u32 i, u32 kind)
{
    if (op->arg[0] == IR_NONE)
        return;
    count_reader(value, op->arg[0], i);
    if (op->arg[1] == IR_NONE)
        return;
    count_reader(value, op->arg[1], i);
    if (unlikely(kind & MANY))
        for (unsigned k = 2; k < 4 && op->arg[k] != IR_NONE; k++)
            count_reader(value, op->arg[k], i);
}

/* For blocks that did not go through dead-code. */
static u32 list_live(const struct ir_block *b)
{
    u32 at = b->count;

    for (u32 i = at; i-- > 0;)
        if (b->op[i].code != IR_NOP && b->op[i].code != IR_INSN)
            b->live[--at] = (u16)i;
    return b->count - at;
}

/* How values begin: those that are computed, and constants. */
static const struct x86_value fresh[] = {
    { .place = PLACE_NONE, .hint = X86_NO_REG, .computed = true, .home = IR_NONE },
    { .place = PLACE_CONST, .hint = X86_NO_REG, .home = IR_NONE },
};

static void name_values(struct tcg_engine *e)
{
    const struct ir_block *b = e->block;
    const struct ir_op *ops = b->op;
    struct x86_value *value = e->value;
    u32 live = b->live_count ? b->live_count : list_live(b);
    const u16 *at = b->live + (b->count - live), *end = b->live + b->count;
    u16 *work = e->work;
    u32 fp = 0, vectors = 0, names = b->tracking ? NAMES : NAMES | CURRENT;

    for (; at < end; at++) {
        u32 i = *at;
        const struct ir_op *op = &ops[i];
        u32 kind = kinds[op->code];

        value[i] = fresh[kind / CONSTANT & 1];
        value[i].root = (u16)i;
        value[i].imm = op->imm;
        fp |= (kind & IS_FP) | ir_type_is_fp(op->type);
        vectors += op->code == IR_VEC;
        if (kind & names && !name_op(e, i, op))
            continue;
        if (kind & CONSTANT)
            continue;
        *work++ = (u16)i;
        count_readers(value, op, i, kind);
    }
    e->uses_fp = fp != 0;
    e->vector_count = vectors;
    e->work_count = (u32)(work - e->work);
}

struct hints {
    u16 pending[X86_ALL_REGS];    /* value that the next op to touch the guest register puts there */
    u16 free_until[X86_ALL_REGS]; /* the guest register is dead from here to that op, and nothing is planned for its host register; 0: not */
    u32 free;                      /* mask: free_until is not 0 */
};

static void forget_all(struct hints *h)
{
    memset(h->pending, 0xff, sizeof(h->pending)); /* IR_NONE */
    h->free = 0;
}

static void forget(struct hints *h, unsigned reg)
{
    h->pending[reg] = IR_NONE;
    h->free &= ~(1u << reg);
}

static void set_free(struct hints *h, unsigned reg, u32 until)
{
    h->free_until[reg] = (u16)until;
    if (until)
        h->free |= 1u << reg;
    else
        h->free &= ~(1u << reg);
}

/* The operand may inherit the hint when this op is its only reader. */
static bool inherit(struct tcg_engine *e, struct hints *h, ir_value arg, unsigned reg)
{
    ir_value v = x86_root(e, arg);
    struct x86_value *x = &e->value[v];

    if (!x->computed || x->left != 1 || x->hint != X86_NO_REG || x->place == PLACE_CONST)
        return false;
    x->hint = (u8)reg;
    h->pending[reg] = v;
    set_free(h, reg, v);
    return true;
}

static void hint_put(struct tcg_engine *e, struct hints *h, u32 i, const struct ir_op *op)
{
    unsigned reg = e->pin_of[op->aux];
    ir_value v = x86_root(e, op->arg[0]);
    struct x86_value *x = &e->value[v];

    if (reg == X86_NO_REG)
        return;
    h->pending[reg] = IR_NONE;
    set_free(h, reg, i);
    if (!x->computed || x->place == PLACE_CONST)
        return;
    x->hint = (u8)reg;
    h->pending[reg] = v;
    set_free(h, reg, v);
}

static bool makes_fp(const struct ir_block *b, u32 i)
{
    return ir_type_is_fp(ir_op_result(&b->op[i]));
}

/*
 * A value that lives for a while takes a host register whose guest register is dead until the value's last reader
 * (its put was dropped or comes later): two temporaries alone would be spilled.
 */
static void borrow_register(struct tcg_engine *e, struct hints *h, u32 i)
{
    enum { SHORT = 3 };
    struct x86_value *x = &e->value[i];
    u32 best = UINT32_MAX;

    if (!x->computed || !x->left || x->place == PLACE_CONST || x->last - i <= SHORT)
        return;
    for (u32 mask = h->free & (makes_fp(e->block, i) ? ~0u << X86_XMM0 : ~(~0u << X86_XMM0)); mask; mask &= mask - 1) {
        unsigned reg = (unsigned)__builtin_ctz(mask);

        if (h->free_until[reg] >= x->last && h->free_until[reg] < best) {
            best = h->free_until[reg];
            x->hint = (u8)reg;
        }
    }
    if (x->hint != X86_NO_REG) {
        set_free(h, x->hint, i);
        h->pending[x->hint] = (u16)i;
    }
}

static void hint_definition(struct tcg_engine *e, struct hints *h, u32 i, const struct ir_op *op)
{
    struct x86_value *x = &e->value[i];
    unsigned reg = x->hint;

    if (reg != X86_NO_REG && h->pending[reg] != i)
        reg = x->hint = X86_NO_REG;
    if (reg == X86_NO_REG && h->free) {
        borrow_register(e, h, i);
        reg = x->hint;
    }
    if (reg == X86_NO_REG)
        return;
    if (op->code == IR_FMA) {
        inherit(e, h, op->arg[2], reg);
        return;
    }
    if (!(kinds[op->code] & ARITHMETIC))
        return;
    if (!inherit(e, h, op->arg[0], reg) && kinds[op->code] & COMMUTES)
        inherit(e, h, op->arg[1], reg);
}

/*
 * A comparison whose only reader adds it, as the carry in numbers of several words: the reader compares. Not from afar, and not where two
 * values would have to live longer in place of one.
 */
static void find_carry(struct tcg_engine *e, u32 i, const struct ir_op *op)
{
    enum { FAR = 8 };
    struct x86_value *value = e->value;

    for (unsigned k = op->code == IR_SUB; k < 2; k++) {
        ir_value v = x86_root(e, op->arg[k]);
        const struct ir_op *compare = &e->block->op[v];

        if (compare->code != IR_SETCC || value[v].left != 1 || i - v > FAR || compare->type < IR_I32 || (compare->aux != IR_LTU && compare->aux != IR_GEU))
            continue;
        ir_value a = x86_root(e, compare->arg[0]), b = x86_root(e, compare->arg[1]);
        bool a_ends = value[a].last == v, b_ends = value[b].place != PLACE_CONST && value[b].last == v;
        if (value[a].place == PLACE_CONST || (a_ends && b_ends))
            continue;
        count_reader(value, a, i);
        count_reader(value, b, i);
        value[v].left = 0;
        value[i].carry = k ? CARRY_ADDS_SECOND : CARRY_ADDS_FIRST;
        return;
    }
}

/* A register is cleared by an instruction that clears the flags. */
static bool keeps_carry(const struct tcg_engine *e, const struct ir_op *op)
{
    const struct x86_value *x;

    if (op->code != IR_PUT || op->type != IR_I64)
        return false;
    x = &e->value[x86_root(e, op->arg[0])];
    return x->place != PLACE_CONST || x->imm != 0;
}

/* An overflow is looked at right behind its add or sub, with nothing but puts between them: the flag is there. n: of the comparison in the work list. */
static void find_carry_before(struct tcg_engine *e, u32 n, const struct ir_op *compare)
{
    const struct ir_op *op;
    ir_value a = x86_root(e, compare->arg[0]), b = x86_root(e, compare->arg[1]);
    u32 before = n;

    do {
        if (!before)
            return;
        op = &e->block->op[e->work[--before]];
    } while (keeps_carry(e, op));
    if (op->type != IR_I64 || !e->value[e->work[before]].left || (op->code != IR_ADD && op->code != IR_SUB))
        return;
    ir_value x = x86_root(e, op->arg[0]), y = x86_root(e, op->arg[1]);
    if (e->value[y].place == PLACE_CONST || e->value[x].place == PLACE_CONST)
        return;
    if (op->code == IR_ADD ? a == e->work[before] && (b == x || b == y) : a == x && b == y) {
        e->value[e->work[before]].carry = CARRY_MADE;
        e->value[e->work[n]].carry = CARRY_THERE;
    }
}

/*
 * Backwards. A hint holds while no op between definition and put reads the guest register or can leave the block
 * (leaving needs the old value there). Other live readers of the old value are seen at emission.
 */
static void find_hints(struct tcg_engine *e)
{
    const struct ir_op *ops = e->block->op;
    const struct x86_value *value = e->value;
    const u16 *work = e->work;
    struct hints h;

    forget_all(&h);
    for (u32 n = e->work_count; n-- > 0;) {
        u32 i = work[n];
        const struct ir_op *op = &ops[i];

        if (value[i].left && op->type == IR_I64) {
            if ((op->code == IR_ADD || op->code == IR_SUB) && !value[i].carry)
                find_carry(e, i, op);
            else if (op->code == IR_SETCC && (op->aux == IR_LTU || op->aux == IR_GEU))
                find_carry_before(e, n, op);
        }
        if (value[i].left)
            hint_definition(e, &h, i, op);
        if (op->code == IR_PUT)
            hint_put(e, &h, i, op);
        else if (op->code == IR_GET && e->pin_of[op->aux] != X86_NO_REG)
            forget(&h, e->pin_of[op->aux]);
        else if (kinds[op->code] & CAN_LEAVE && !x86_loop_is_stream(e, i))
            forget_all(&h);
    }
}

void x86_analyse(struct tcg_engine *e)
{
    reset_block(e);
    name_values(e);
    find_hints(e);
}
