/* tcg/x86_64/emit_alu.c - arithmetic, logic, shifts, extensions. */
#include "tcg/x86_64/value.h"

static void exchange(struct x86_operand *a, struct x86_operand *b)
{
    struct x86_operand t = *a;

    *a = *b;
    *b = t;
}

/* --- extensions --- */

static void extend(struct tcg_engine *e, unsigned size, bool is_signed, bool wide, enum host_reg d, struct x86_operand a)
{
    if (a.place == PLACE_REG)
        x86_extend_rr(&e->code, size, is_signed, wide, d, a.reg);
    else
        x86_extend_rm(&e->code, size, is_signed, wide, d, x86_operand_mem(a));
}

void x86_emit_extend(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a;
    enum host_reg d;

    a = x86_take(e, op->arg[0]);
    d = x86_result(e, 0, a.reg);
    extend(e, op->aux - IR_I8, op->code == IR_SEXT, op->type == IR_I64, d, a);
    x86_define(e, d);
}

/* An i8 or i16 operand made 32 bits wide in a temporary. */
static struct x86_operand extended(struct tcg_engine *e, enum ir_type type, bool is_signed, struct x86_operand a, u32 avoid)
{
    enum host_reg t;

    if (a.place == PLACE_CONST) {
        if (is_signed)
            a.imm = type == IR_I8 ? (s8)a.imm : (s16)a.imm;
        else
            a.imm &= type == IR_I8 ? 0xff : 0xffff;
        return a;
    }
    t = x86_result_temp(e, avoid, a.reg);
    extend(e, type - IR_I8, is_signed, false, t, a);
    return (struct x86_operand){.place = PLACE_REG, .reg = t};
}

/* --- two operands --- */

static void alu(struct tcg_engine *e, enum x86_alu alu_op, bool wide, enum host_reg d, struct x86_operand b)
{
    if (b.place == PLACE_CONST)
        x86_alu_ri(&e->code, alu_op, wide, d, (s32)b.imm);
    else if (b.place == PLACE_REG)
        x86_alu_rr(&e->code, alu_op, wide, d, b.reg);
    else
        x86_alu_rm(&e->code, alu_op, wide, d, x86_operand_mem(b));
}

/* A constant that an instruction cannot hold goes to a temporary. */
static struct x86_operand encodable(struct tcg_engine *e, bool wide, struct x86_operand b, u32 avoid)
{
    enum host_reg t;

    if (b.place != PLACE_CONST || !wide || x86_fits32(b.imm))
        return b;
    t = x86_temp(e, avoid);
    x86_load(e, true, t, b);
    return (struct x86_operand){.place = PLACE_REG, .reg = t};
}

/* For commutative ops: constants last; what may be overwritten (or is the wanted register) first. */
static void order(struct tcg_engine *e, struct x86_operand *a, struct x86_operand *b)
{
    unsigned hint = e->value[e->index].hint;

    if (b->place == PLACE_CONST)
        return;
    if (a->place == PLACE_CONST ||
        (b->place == PLACE_REG && (b->reg == hint || (hint == X86_NO_REG && x86_is_temp(b->reg) && !x86_live(e, e->owner[b->reg])))))
        exchange(a, b);
}

static void add_into(struct tcg_engine *e, bool wide, enum host_reg d, struct x86_operand a, struct x86_operand b)
{
    if (a.place == PLACE_REG && a.reg != d && b.place == PLACE_CONST && b.imm)
        x86_lea(&e->code, wide, d, x86_mem(a.reg, (s32)b.imm));
    else if (a.place == PLACE_REG && a.reg != d && b.place == PLACE_REG && b.reg != d)
        x86_lea(&e->code, wide, d, x86_mem_index(a.reg, b.reg, 0, 0));
    else {
        x86_load(e, wide, d, a);
        if (b.place != PLACE_CONST || b.imm)
            alu(e, X86_ADD, wide, d, b);
    }
}

static bool and_is_extension(bool wide, s64 imm, unsigned *size)
{
    *size = imm == 0xff ? 0 : imm == 0xffff ? 1 : 2;
    return imm == 0xff || imm == 0xffff || (wide && imm == UINT32_MAX);
}

static void and_into(struct tcg_engine *e, bool wide, enum host_reg d, struct x86_operand a, struct x86_operand b)
{
    unsigned size;

    if (b.place == PLACE_CONST && a.place != PLACE_CONST && and_is_extension(wide, b.imm, &size)) {
        extend(e, size, false, false, d, a);
        return;
    }
    if (b.place == PLACE_CONST && b.imm >= 0)
        wide = false;
    x86_load(e, wide, d, a);
    alu(e, X86_AND, wide, d, b);
}

/* flags: the last instruction is an add or sub of that width. */
static enum host_reg binary(struct tcg_engine *e, unsigned code, bool wide, struct x86_operand a, struct x86_operand b, bool flags)
{
    static const u8 alu_of[] = {[IR_ADD] = X86_ADD, [IR_SUB] = X86_SUB, [IR_OR] = X86_OR, [IR_XOR] = X86_XOR};
    enum host_reg d;

    if (code == IR_SUB && x86_is_imm32(b) && b.imm != INT32_MIN) {
        b.imm = -b.imm;
        code = IR_ADD;
    }
    if (code != IR_SUB)
        order(e, &a, &b);
    if (!(code == IR_AND && b.place == PLACE_CONST && b.imm == UINT32_MAX))
        b = encodable(e, wide, b, x86_operand_mask(a));
    d = x86_result(e, a.place == PLACE_REG && b.place == PLACE_REG && a.reg == b.reg ? 0 : x86_operand_mask(b), a.reg);
    if (code == IR_ADD && !flags)
        add_into(e, wide, d, a, b);
    else if (code == IR_AND)
        and_into(e, wide, d, a, b);
    else {
        x86_load(e, wide, d, a);
        alu(e, alu_of[code], wide, d, b);
    }
    return d;
}

/* Adds or subtracts a comparison below or not below: the carry flag, or 1 less it. which: of the arguments. */
static void add_carry(struct tcg_engine *e, const struct ir_op *op, unsigned which)
{
    const struct ir_op *compare = &e->block->op[x86_root(e, op->arg[which])];
    struct x86_compare c = x86_compare_prepare(e, compare->type, compare->aux, compare->arg[0], compare->arg[1]);
    bool below = c.cond == IR_LTU, add = op->code == IR_ADD;
    struct x86_operand other;
    enum host_reg d;

    x86_compare_emit(e, &c); /* from here on only instructions that keep the flags */
    other = x86_take(e, op->arg[!which]);
    d = x86_result(e, 0, other.reg);
    x86_load(e, true, d, other);
    x86_alu_ri(&e->code, add == below ? X86_ADC : X86_SBB, true, d, below ? 0 : -1);
    x86_define(e, d);
}

void x86_emit_binary(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a, b;
    enum x86_carry carry = e->value[e->index].carry;

    if (unlikely(carry == CARRY_ADDS_FIRST || carry == CARRY_ADDS_SECOND)) {
        add_carry(e, op, carry == CARRY_ADDS_SECOND);
        return;
    }
    a = x86_take(e, op->arg[0]);
    b = x86_take(e, op->arg[1]);
    x86_define(e, binary(e, op->code, x86_wide(op->type), a, b, carry));
}

void x86_emit_xnor(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]), b = x86_take(e, op->arg[1]);
    bool wide = x86_wide(op->type);
    enum host_reg d = binary(e, IR_XOR, wide, a, b, false);

    x86_unary_r(&e->code, X86_NOT, wide, d);
    x86_define(e, d);
}

/* a & ~b, a | ~b */
void x86_emit_and_not(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]), b = x86_take(e, op->arg[1]);
    bool wide = x86_wide(op->type), and = op->code == IR_ANDN;
    enum host_reg d;

    if (b.place == PLACE_CONST) {
        b.imm = ~b.imm;
        x86_define(e, binary(e, and ? IR_AND : IR_OR, wide, a, b, false));
        return;
    }
    if (and && e->features.bmi && a.place == PLACE_REG && b.place == PLACE_REG) {
        d = x86_result(e, 0, a.reg);
        x86_andn_rr(&e->code, wide, d, b.reg, a.reg);
        x86_define(e, d);
        return;
    }
    a = encodable(e, wide, a, x86_operand_mask(b));
    d = x86_result(e, x86_operand_mask(a) & ~x86_operand_mask(b), b.reg);
    if (x86_operand_uses(a, d)) { /* a op ~a */
        x86_mov_ri(&e->code, d, and ? 0 : wide ? ~UINT64_C(0) : UINT32_MAX);
    } else {
        x86_load(e, wide, d, b);
        x86_unary_r(&e->code, X86_NOT, wide, d);
        alu(e, and ? X86_AND : X86_OR, wide, d, a);
    }
    x86_define(e, d);
}

void x86_emit_not_neg(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]);
    enum host_reg d = x86_result(e, 0, a.reg);
    bool wide = x86_wide(op->type);

    x86_load(e, wide, d, a);
    x86_unary_r(&e->code, op->code == IR_NOT ? X86_NOT : X86_NEG, wide, d);
    x86_define(e, d);
}

void x86_emit_mul(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]), b = x86_take(e, op->arg[1]);
    bool wide = x86_wide(op->type);
    enum host_reg d;

    order(e, &a, &b);
    b = encodable(e, wide, b, x86_operand_mask(a));
    d = x86_result(e, x86_operand_uses(b, a.reg) && a.place == PLACE_REG ? 0 : x86_operand_mask(b), a.reg);
    if (b.place == PLACE_CONST) {
        a.reg = x86_in_reg(e, wide, a, d);
        x86_imul_rri(&e->code, wide, d, a.reg, (s32)b.imm);
    } else {
        x86_load(e, wide, d, a);
        if (b.place == PLACE_REG)
            x86_imul_rr(&e->code, wide, d, b.reg);
        else
            x86_imul_rm(&e->code, wide, d, x86_operand_mem(b));
    }
    x86_define(e, d);
}

/* --- shifts and rotates --- */

enum x86_shift x86_shift_of(unsigned code)
{
    static const u8 of[] = {[IR_SHL] = X86_SHL, [IR_SHR] = X86_SHR, [IR_SAR] = X86_SAR, [IR_ROL] = X86_ROL,
                            [IR_ROR] = X86_ROR};

    return of[code];
}

static enum host_reg shift_const(struct tcg_engine *e, enum x86_shift shift, bool wide, struct x86_operand a, unsigned count)
{
    enum host_reg d = x86_result(e, 0, a.reg);
    bool moves = !x86_operand_uses(a, d) && a.place != PLACE_CONST;

    if (moves && e->features.bmi && shift <= X86_ROR) {
        unsigned right = shift == X86_ROR ? count : (wide ? 64 : 32) - count;

        if (a.place == PLACE_REG)
            x86_rorx_rr(&e->code, wide, d, a.reg, right);
        else
            x86_rorx_rm(&e->code, wide, d, x86_operand_mem(a), right);
        return d;
    }
    if (moves && shift == X86_SHL && count == 1 && a.place == PLACE_REG) {
        x86_lea(&e->code, wide, d, x86_mem_index(a.reg, a.reg, 0, 0));
        return d;
    }
    x86_load(e, wide, d, a);
    if (count)
        x86_shift_ri(&e->code, shift, wide, d, count);
    return d;
}

/* shlx and its like: any registers */
static enum host_reg shift_free(struct tcg_engine *e, enum x86_shift shift, bool wide, struct x86_operand a, struct x86_operand b)
{
    enum host_reg d, count;

    count = b.place == PLACE_REG ? b.reg : x86_temp(e, x86_operand_mask(a));
    x86_load(e, false, count, b);
    d = x86_result(e, a.place == PLACE_CONST ? 1u << count : 0, a.reg);
    if (a.place == PLACE_CONST) {
        x86_load(e, wide, d, a);
        a = (struct x86_operand){.place = PLACE_REG, .reg = d};
    }
    if (a.place == PLACE_REG)
        x86_shiftx_rr(&e->code, shift, wide, d, a.reg, count);
    else
        x86_shiftx_rm(&e->code, shift, wide, d, x86_operand_mem(a), count);
    return d;
}

/* The count in cl. */
static enum host_reg shift_by_cl(struct tcg_engine *e, enum x86_shift shift, bool wide, struct x86_operand a, struct x86_operand b)
{
    enum host_reg d;

    x86_flush_temps(e, 1 << RCX);
    if (x86_operand_uses(a, RCX) && x86_operand_uses(b, RAX)) {
        x86_flush_temps(e, 1 << RAX);
        x86_xchg_rr(&e->code, RAX, RCX);
        a.reg = RAX;
        b.reg = RCX;
    }
    if (x86_operand_uses(a, RCX)) {
        d = x86_result(e, 1 << RCX | x86_operand_mask(b), X86_NO_REG);
        x86_load(e, wide, d, a);
        x86_load(e, false, RCX, b);
    } else {
        x86_load(e, false, RCX, b);
        d = x86_result(e, 1 << RCX, a.reg);
        x86_load(e, wide, d, a);
    }
    x86_shift_cl(&e->code, shift, wide, d);
    return d;
}

static u64 narrow_shift(void *vcpu, u64 x, u64 count_and_op)
{
    unsigned code = count_and_op >> 16 & 0xff, bits = count_and_op >> 24 & 0xff, n = count_and_op & (bits - 1);
    u64 mask = BIT64(bits) - 1, v = x & mask;

    switch (code) {
    case IR_SHL:
        return v << n;
    case IR_SHR:
        return v >> n;
    case IR_SAR:
        return (u64)((s64)(x << (64 - bits)) >> (64 - bits) >> n);
    case IR_ROL:
        return (v << n | v >> ((bits - n) & (bits - 1))) & mask;
    default:
        return (v >> n | v << ((bits - n) & (bits - 1))) & mask;
    }
}

static const struct ir_helper narrow_shift_helper = {
    .name = "narrow_shift", .function = (void *)narrow_shift, .arg_count = 2, .result = IR_I64, .effects = IR_HELPER_PURE
};

const struct ir_helper *x86_alu_helper(u32 i)
{
    return i == 0 ? &narrow_shift_helper : NULL;
}

/* i8 and i16: rare; a helper gets the count, the op and the width in one word. */
static void shift_narrow(struct tcg_engine *e, const struct ir_op *op, struct x86_operand a, struct x86_operand b)
{
    s32 word = op->code << 16 | (op->type == IR_I8 ? 8 : 16) << 24;

    if (b.place == PLACE_CONST) {
        b.imm = (b.imm & 0xff) | word;
    } else {
        enum host_reg t = x86_result_temp(e, x86_operand_mask(a), b.reg);

        extend(e, 0, false, false, t, b);
        x86_alu_ri(&e->code, X86_OR, false, t, word);
        b = (struct x86_operand){.place = PLACE_REG, .reg = t};
    }
    x86_emit_pure_call(e, &narrow_shift_helper, a, b);
}

void x86_emit_shift(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]), b = x86_take(e, op->arg[1]);
    bool wide = x86_wide(op->type);
    enum x86_shift shift = x86_shift_of(op->code);

    if (op->type < IR_I32)
        shift_narrow(e, op, a, b);
    else if (b.place == PLACE_CONST)
        x86_define(e, shift_const(e, shift, wide, a, b.imm & (wide ? 63 : 31)));
    else if (e->features.bmi && shift >= X86_SHL)
        x86_define(e, shift_free(e, shift, wide, a, b));
    else
        x86_define(e, shift_by_cl(e, shift, wide, a, b));
}

/* --- compare, select --- */

enum x86_cc x86_cc_of(enum ir_cond cond)
{
    static const u8 of[IR_COND_COUNT] = {
        [IR_EQ] = CC_E, [IR_NE] = CC_NE, [IR_LT] = CC_L, [IR_GE] = CC_GE, [IR_LTU] = CC_B,
        [IR_GEU] = CC_AE, [IR_GT] = CC_G, [IR_LE] = CC_LE, [IR_GTU] = CC_A, [IR_LEU] = CC_BE,
    };

    return of[cond];
}

static bool cond_is_signed(enum ir_cond cond)
{
    return cond == IR_LT || cond == IR_GE || cond == IR_GT || cond == IR_LE;
}

struct x86_compare x86_compare_prepare(struct tcg_engine *e, enum ir_type type, enum ir_cond cond, ir_value left, ir_value right)
{
    struct x86_compare c = {.a = x86_take(e, left), .b = x86_take(e, right), .size = type == IR_I64 ? 3 : 2, .cond = cond};
    bool wide = type == IR_I64;

    if (c.a.place == PLACE_CONST && c.b.place != PLACE_CONST) {
        exchange(&c.a, &c.b);
        c.cond = ir_cond_swap(cond);
    }
    if (type < IR_I32) {
        c.a = extended(e, type, cond_is_signed(c.cond), c.a, x86_operand_mask(c.b));
        c.b = extended(e, type, cond_is_signed(c.cond), c.b, x86_operand_mask(c.a));
    }
    c.b = encodable(e, wide, c.b, x86_operand_mask(c.a));
    if (c.a.place == PLACE_CONST || (x86_is_mem(c.a) && x86_is_mem(c.b))) {
        enum host_reg t = x86_temp(e, x86_operand_mask(c.b));

        x86_load(e, wide, t, c.a);
        c.a = (struct x86_operand){.place = PLACE_REG, .reg = t};
    }
    return c;
}

void x86_compare_emit(struct tcg_engine *e, const struct x86_compare *c)
{
    bool wide = c->size == 3;

    if (c->a.place == PLACE_REG && c->b.place == PLACE_CONST && c->b.imm == 0)
        x86_test_rr(&e->code, wide, c->a.reg, c->a.reg);
    else if (c->a.place == PLACE_REG)
        alu(e, X86_CMP, wide, c->a.reg, c->b);
    else if (c->b.place == PLACE_CONST)
        x86_alu_mi(&e->code, X86_CMP, wide, x86_operand_mem(c->a), (s32)c->b.imm);
    else
        x86_alu_mr(&e->code, X86_CMP, wide, x86_operand_mem(c->a), c->b.reg);
}

/* The flags say it already (CARRY_THERE). */
static void setcc_carry(struct tcg_engine *e, const struct ir_op *op)
{
    enum host_reg d;

    x86_take(e, op->arg[0]);
    x86_take(e, op->arg[1]);
    d = x86_result(e, 0, X86_NO_REG);
    x86_setcc(&e->code, x86_cc_of(op->aux), d);
    x86_extend_rr(&e->code, 0, false, false, d, d);
    x86_define(e, d);
}

void x86_emit_setcc(struct tcg_engine *e, const struct ir_op *op)
{
    if (e->value[e->index].carry == CARRY_THERE) {
        setcc_carry(e, op);
        return;
    }
    struct x86_compare c = x86_compare_prepare(e, op->type, op->aux, op->arg[0], op->arg[1]);
    u32 used = x86_operand_mask(c.a) | x86_operand_mask(c.b);
    enum host_reg d = x86_result(e, 0, X86_NO_REG);
    bool apart = !(used >> d & 1);

    if (apart)
        x86_alu_rr(&e->code, X86_XOR, false, d, d);
    x86_compare_emit(e, &c);
    x86_setcc(&e->code, x86_cc_of(c.cond), d);
    if (!apart)
        x86_extend_rr(&e->code, 0, false, false, d, d);
    x86_define(e, d);
}

void x86_emit_select(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_compare cmp = x86_compare_prepare(e, op->type, op->aux & 0xff, op->arg[0], op->arg[1]);
    bool wide = op->aux >> 8 == IR_I64;
    enum x86_cc cc = x86_cc_of(cmp.cond);
    struct x86_operand yes, no;
    enum host_reg d;

    x86_compare_emit(e, &cmp); /* from here on only instructions that keep the flags */
    yes = x86_take(e, op->arg[2]);
    no = x86_take(e, op->arg[3]);
    d = x86_result(e, 0, no.reg);
    if (x86_operand_uses(yes, d)) {
        exchange(&yes, &no);
        cc ^= 1;
    }
    x86_load(e, wide, d, no);
    if (yes.place == PLACE_CONST) {
        enum host_reg t = x86_temp(e, 1u << d);

        x86_load(e, wide, t, yes);
        yes = (struct x86_operand){.place = PLACE_REG, .reg = t};
    }
    if (yes.place == PLACE_REG)
        x86_cmov_rr(&e->code, cc, wide, d, yes.reg);
    else
        x86_cmov_rm(&e->code, cc, wide, d, x86_operand_mem(yes));
    x86_define(e, d);
}

/* Condition codes under which the second operand replaces the first. */
static enum x86_cc replace_cc(unsigned code)
{
    switch (code) {
    case IR_MINS:
        return CC_G;
    case IR_MAXS:
        return CC_L;
    case IR_MINU:
        return CC_A;
    default:
        return CC_B;
    }
}

void x86_emit_min_max(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]), b = x86_take(e, op->arg[1]);
    bool wide = x86_wide(op->type), is_signed = op->code == IR_MINS || op->code == IR_MAXS;
    enum host_reg d;

    order(e, &a, &b);
    if (op->type < IR_I32) {
        a = extended(e, op->type, is_signed, a, x86_operand_mask(b));
        b = extended(e, op->type, is_signed, b, x86_operand_mask(a));
    }
    if (b.place == PLACE_CONST) {
        enum host_reg t = x86_temp(e, x86_operand_mask(a));

        x86_load(e, wide, t, b);
        b = (struct x86_operand){.place = PLACE_REG, .reg = t};
    }
    d = x86_result(e, x86_operand_mask(b) & ~x86_operand_mask(a), a.reg);
    x86_load(e, wide, d, a);
    alu(e, X86_CMP, wide, d, b);
    if (b.place == PLACE_REG)
        x86_cmov_rr(&e->code, replace_cc(op->code), wide, d, b.reg);
    else
        x86_cmov_rm(&e->code, replace_cc(op->code), wide, d, x86_operand_mem(b));
    x86_define(e, d);
}
