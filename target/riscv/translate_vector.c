/* target/riscv/translate_vector.c - vectors: ops (tcg/vector.h) where vtype and vl are known while translating, else calls. */
#include "target/riscv/translate_vector.h"
#include "target/riscv/vector_attempt.h"

/* enum ir_vector_kind + 1 by operation; 0: none. */
static const u8 kinds[RISCV_V_OP_COUNT] = {
#define SAME(id) [RISCV_V_##id] = IR_VECTOR_##id + 1
    SAME(ADD), SAME(SUB), SAME(RSUB), SAME(AND), SAME(OR), SAME(XOR), SAME(ANDN), SAME(MINU), SAME(MIN), SAME(MAXU), SAME(MAX), SAME(SLL), SAME(SRL),
    SAME(SRA), SAME(ROL), SAME(ROR), SAME(MUL), SAME(MACC), SAME(NMSAC), SAME(MADD), SAME(NMSUB), SAME(REV8), SAME(MV),
    [RISCV_V_MSEQ] = IR_VECTOR_SEQ + 1, [RISCV_V_MSNE] = IR_VECTOR_SNE + 1, [RISCV_V_MSLTU] = IR_VECTOR_SLTU + 1, [RISCV_V_MSLT] = IR_VECTOR_SLT + 1,
    [RISCV_V_MSLEU] = IR_VECTOR_SLEU + 1, [RISCV_V_MSLE] = IR_VECTOR_SLE + 1, [RISCV_V_MSGTU] = IR_VECTOR_SGTU + 1, [RISCV_V_MSGT] = IR_VECTOR_SGT + 1,
    SAME(REDSUM), SAME(REDAND), SAME(REDOR), SAME(REDXOR), SAME(REDMINU), SAME(REDMIN), SAME(REDMAXU), SAME(REDMAX),
    SAME(FADD), SAME(FSUB), SAME(FRSUB), SAME(FMUL), SAME(FDIV), SAME(FRDIV), SAME(FSQRT), SAME(FMIN), SAME(FMAX), SAME(FSGNJ), SAME(FSGNJN),
    SAME(FSGNJX), SAME(FMACC), SAME(FNMACC), SAME(FMSAC), SAME(FNMSAC), SAME(FMADD), SAME(FNMADD), SAME(FMSUB), SAME(FNMSUB), SAME(MFEQ), SAME(MFNE),
    SAME(MFLT), SAME(MFLE), SAME(MFGT), SAME(MFGE),
    SAME(AESEM), SAME(AESEF), SAME(AESDM), SAME(AESDF), SAME(AESKF1), SAME(AESKF2), SAME(GHSH), SAME(GMUL), SAME(SHA2MS), SAME(SHA2CH), SAME(SHA2CL),
    SAME(SM4K), SAME(SM4R), SAME(SM3ME), SAME(SM3C),
    SAME(ZEXT2), SAME(SEXT2), SAME(WADDU), SAME(WADD), SAME(WSUBU), SAME(WSUB), SAME(WMULU), SAME(WMUL), SAME(WMULSU), SAME(WMACCU), SAME(WMACC), SAME(WMACCSU),
    [RISCV_V_RGATHER] = IR_VECTOR_GATHER + 1, SAME(WMACCUS), SAME(WADDU_W), SAME(WADD_W), SAME(WSUBU_W), SAME(WSUB_W), SAME(NSRL), SAME(NSRA),
    [RISCV_V_FREDUSUM] = IR_VECTOR_FREDSUM + 1, [RISCV_V_FREDOSUM] = IR_VECTOR_FREDSUM + 1,
    [RISCV_V_AESEM_S] = IR_VECTOR_AESEM_ONE + 1, [RISCV_V_AESEF_S] = IR_VECTOR_AESEF_ONE + 1, [RISCV_V_AESDM_S] = IR_VECTOR_AESDM_ONE + 1,
    [RISCV_V_AESDF_S] = IR_VECTOR_AESDF_ONE + 1, [RISCV_V_AESZ_S] = IR_VECTOR_AESZ_ONE + 1, [RISCV_V_SM4R_S] = IR_VECTOR_SM4R_ONE + 1,
    /* of whole bytes of masks */
    [RISCV_V_MAND] = IR_VECTOR_AND + 1, [RISCV_V_MANDN] = IR_VECTOR_ANDN + 1, [RISCV_V_MOR] = IR_VECTOR_OR + 1, [RISCV_V_MORN] = IR_VECTOR_ORN + 1,
    [RISCV_V_MXOR] = IR_VECTOR_XOR + 1, [RISCV_V_MNAND] = IR_VECTOR_NAND + 1, [RISCV_V_MNOR] = IR_VECTOR_NOR + 1, [RISCV_V_MXNOR] = IR_VECTOR_XNOR + 1,
#undef SAME
};

static bool is_masked(const struct riscv_insn *i)
{
    return !(i->raw >> 25 & 1);
}

/* In the vector file. */
static u16 place_of(const struct translation *t, unsigned reg)
{
    return (u16)(reg * (t->cpu->vlen / 8u));
}

static ir_value get_f(struct translation *t, const struct riscv_insn *i)
{
    return ir_get(t->b, IR_F64, RISCV_REG_F + i->rs1);
}

/* The scalar operand of a kind; bits for what moves them. */
static ir_value scalar_for(struct translation *t, const struct riscv_insn *i, unsigned form, bool is_fp)
{
    bool is_double = riscv_vector_sew(t->vtype) == 3;
    ir_value f;

    if (form == RISCV_V_X)
        return translate_x(t, i->rs1);
    if (form == RISCV_V_I)
        return translate_const(t, i->imm);
    f = get_f(t, i);
    if (is_fp)
        return is_double ? f : ir_unbox(t->b, f);
    return ir_bits(t->b, is_double ? f : ir_box(t->b, ir_unbox(t->b, f)));
}

static bool is_move_whole(unsigned op)
{
    return op >= RISCV_V_MV1R && op <= RISCV_V_MV8R;
}

/* What moves bits alone: elements, whole registers, element 0. */
static void inline_move(struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form, u64 lanes, bool some)
{
    unsigned sew = riscv_vector_sew(t->vtype);
    struct ir_vector_place place = { .d = place_of(t, i->raw >> 7 & 31), .bytes = (u16)(lanes << sew) };
    ir_value scalar = form == RISCV_V_V ? IR_NONE : scalar_for(t, i, form, false);

    place.s2 = place.d;
    place.s1 = place_of(t, i->raw >> 15 & 31);
    if (is_move_whole(op)) {
        place.s1 = place_of(t, i->raw >> 20 & 31);
        place.bytes = (u16)(t->cpu->vlen / 8 << (op - RISCV_V_MV1R));
        scalar = IR_NONE;
        some = false;
    } else if (op == RISCV_V_MV_S) {
        place.bytes = (u16)(1 << sew);
    }
    if (scalar != IR_NONE)
        place.s1 = place.d;
    ir_vector(t->b, (enum ir_type)(IR_I8 + sew), IR_VECTOR_MV | (scalar == IR_NONE ? 0 : IR_VECTOR_SCALAR) | (some ? IR_VECTOR_SOME : 0),
              &place, scalar);
    translate_vector_dirty(t);
}

/* d = mask ? s1 or the scalar : s2. False: it is to be a call. */
static bool inline_merge(struct translation *t, const struct riscv_insn *i, unsigned form, u64 lanes, u32 some)
{
    unsigned sew = riscv_vector_sew(t->vtype);
    struct ir_vector_place place = { .d = place_of(t, i->raw >> 7 & 31), .s1 = place_of(t, i->raw >> 20 & 31), .bytes = (u16)(lanes << sew) };
    u16 second = place_of(t, i->raw >> 15 & 31);
    bool is_scalar = form != RISCV_V_V;

    if ((!is_scalar && place.d == second && place.d != place.s1) || (form == RISCV_V_F && sew < 2))
        return false;
    place.s2 = place.d;
    if (place.d != place.s1)
        ir_vector(t->b, (enum ir_type)(IR_I8 + sew), IR_VECTOR_MV | some, &place, IR_NONE);
    place.s1 = is_scalar ? place.d : second;
    ir_vector(t->b, (enum ir_type)(IR_I8 + sew), IR_VECTOR_MV | IR_VECTOR_MASKED | (is_scalar ? IR_VECTOR_SCALAR : 0) | some, &place,
              is_scalar ? scalar_for(t, i, form, false) : IR_NONE);
    translate_vector_dirty(t);
    return true;
}

/* Bytes of the vector file, from the lowest on: what is behind d may be read after that was written. */
static void move_bytes(struct translation *t, u64 d, u64 s, u64 bytes)
{
    for (u64 width = 32; bytes; d += width, s += width, bytes -= width) {
        struct ir_vector_place place;

        while (width > bytes)
            width /= 2;
        place = (struct ir_vector_place){ (u16)d, (u16)d, (u16)s, (u16)width };
        ir_vector(t->b, IR_I8, IR_VECTOR_MV, &place, IR_NONE);
    }
}

static void fill_lanes(struct translation *t, u64 d, u64 bytes, unsigned sew, ir_value scalar)
{
    struct ir_vector_place place = { (u16)d, (u16)d, (u16)d, (u16)bytes };

    if (bytes)
        ir_vector(t->b, (enum ir_type)(IR_I8 + sew), IR_VECTOR_MV | IR_VECTOR_SCALAR, &place, scalar);
}

/* Slides by an immediate, and by one (section 16.3), of all elements that vl is known to be. False: it is to be a call. */
static bool inline_slide(struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form)
{
    unsigned sew = riscv_vector_sew(t->vtype), d = place_of(t, i->raw >> 7 & 31), s = place_of(t, i->raw >> 20 & 31);
    u64 bytes = t->vl << sew, all = riscv_vector_max(t->cpu, t->vtype) << sew, by = UINT64_C(1) << sew, moved;

    if (is_masked(i) || (form == RISCV_V_F && sew < 2))
        return false;
    if (op == RISCV_V_SLIDE1UP || op == RISCV_V_SLIDE1DOWN) {
        ir_value x = scalar_for(t, i, form, false);
        bool up = op == RISCV_V_SLIDE1UP;

        move_bytes(t, up ? d + by : d, up ? s : s + by, bytes - by);
        fill_lanes(t, up ? d : d + bytes - by, by, sew, x);
        return true;
    }
    if (form != RISCV_V_I)
        return false;
    by = (u64)i->imm << sew;
    if (op == RISCV_V_SLIDEUP) {
        if (by < bytes)
            move_bytes(t, d + by, s, bytes - by);
        return true;
    }
    moved = by < all ? MIN(bytes, all - by) : 0; /* from VLMAX on elements are zeros */
    move_bytes(t, d, s + by, moved);
    fill_lanes(t, d + moved, bytes - moved, sew, translate_const(t, 0));
    return true;
}

/* False: it is to be a call. */
static bool inline_gather(struct translation *t, const struct riscv_insn *i, unsigned form)
{
    unsigned sew = riscv_vector_sew(t->vtype), s = place_of(t, i->raw >> 20 & 31);
    u64 max = riscv_vector_max(t->cpu, t->vtype);
    struct ir_vector_place p = { place_of(t, i->raw >> 7 & 31), (u16)s, place_of(t, i->raw >> 15 & 31), (u16)(t->vl << sew) };
    struct ir_vector_place lane = { .s2 = (u16)(s + ((u64)i->imm << sew)) };

    if (is_masked(i) || (form == RISCV_V_V && t->vl != max) || form == RISCV_V_X)
        return false;
    if (form == RISCV_V_V)
        ir_vector(t->b, (enum ir_type)(IR_I8 + sew), IR_VECTOR_GATHER, &p, IR_NONE);
    else
        fill_lanes(t, p.d, p.bytes, sew, (u64)i->imm < max ? ir_vector_number(t->b, (enum ir_type)(IR_I8 + sew), IR_VECTOR_LANE0, &lane) : translate_const(t, 0));
    return true;
}

static bool is_slide(unsigned op)
{
    return op >= RISCV_V_SLIDEUP && op <= RISCV_V_SLIDE1DOWN;
}

static bool is_apart(u64 a, u64 a_bytes, u64 b, u64 b_bytes)
{
    return a + a_bytes <= b || b + b_bytes <= a;
}

/* Lanes of two widths; sources that lie in a wider destination are for calls. False: it is to be a call. */
static bool inline_mixed(struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form)
{
    unsigned kind = kinds[op] - 1u, shape = ir_vector_rows[kind].shape, sew = riscv_vector_sew(t->vtype), lane = sew + (riscv_vector_info[op].d == VECTOR_WIDE);
    struct ir_vector_place p = { place_of(t, i->raw >> 7 & 31), place_of(t, i->raw >> 20 & 31), place_of(t, i->raw >> 15 & 31), (u16)(t->vl << lane) };
    bool narrow = shape == IR_VECTOR_NARROW, has_second = form == RISCV_V_V && riscv_vector_info[op].s1 != VECTOR_NONE;

    if (is_masked(i))
        return false;
    if (!has_second)
        p.s1 = p.s2;
    if ((shape == IR_VECTOR_WIDE && !is_apart(p.d, p.bytes, p.s2, p.bytes / 2)) || (!narrow && has_second && !is_apart(p.d, p.bytes, p.s1, p.bytes / 2)) ||
        (narrow && has_second && p.d != p.s1 && !is_apart(p.d, p.bytes, p.s1, p.bytes)) || (narrow && p.d != p.s2 && !is_apart(p.d, p.bytes, p.s2, 2 * p.bytes)))
        return false;
    ir_vector(t->b, (enum ir_type)(IR_I8 + lane), kind | (form == RISCV_V_V ? 0 : IR_VECTOR_SCALAR), &p,
              form == RISCV_V_V ? IR_NONE : scalar_for(t, i, form, false));
    translate_vector_dirty(t);
    return true;
}

/* False: it is to be a call. */
static bool inline_op(struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form)
{
    unsigned sew = riscv_vector_sew(t->vtype), kind = kinds[op] - 1u;
    bool some, is_fp = kinds[op] && ir_vector_is_fp((enum ir_vector_kind)kind), is_mask = op >= RISCV_V_MANDN && op <= RISCV_V_MXNOR;
    u64 lanes = translate_vector_lanes(t, &some);
    struct ir_vector_place place = { place_of(t, i->raw >> 7 & 31), place_of(t, i->raw >> 20 & 31), place_of(t, i->raw >> 15 & 31), (u16)(lanes << sew) };
    enum ir_type type = (enum ir_type)(IR_I8 + sew);

    if (!lanes && !(t->vl_known && translate_vector_may_inline(t) && is_move_whole(op)))
        return false;
    if (op == RISCV_V_MV || op == RISCV_V_MV_S || is_move_whole(op)) {
        if (form == RISCV_V_F && sew < 2)
            return false;
        inline_move(t, i, op, form, lanes, some);
        return true;
    }
    if (is_slide(op) || op == RISCV_V_RGATHER) {
        if (some || !(op == RISCV_V_RGATHER ? inline_gather(t, i, form) : inline_slide(t, i, op, form)))
            return false;
        translate_vector_dirty(t);
        return true;
    }
    if (kinds[op] && ir_vector_rows[kind].shape >= IR_VECTOR_WIDE && ir_vector_rows[kind].shape <= IR_VECTOR_NARROW)
        return !some && inline_mixed(t, i, op, form);
    if (op == RISCV_V_MERGE)
        return inline_merge(t, i, form, lanes, some ? IR_VECTOR_SOME : 0);
    if (!kinds[op] || (is_masked(i) && ir_vector_rows[kind].shape != IR_VECTOR_LANES) || (is_mask && t->vl % 8) || (is_fp && (sew < 2 || t->mode & RISCV_MODE_FRM_AWAY)))
        return false;
    if (some && (is_mask || ir_vector_rows[kind].shape >= IR_VECTOR_FBITS || ir_vector_rows[kind].shape == IR_VECTOR_FOLD || ir_vector_rows[kind].shape == IR_VECTOR_GROUPS))
        return false;
    if (ir_vector_rows[kind].shape == IR_VECTOR_GROUPS && lanes % riscv_vector_together((enum riscv_vector_op)op))
        return false; /* illegal */
    if (is_mask) {
        type = IR_I8;
        place.bytes = (u16)(t->vl / 8);
    }
    if (is_fp) {
        type = sew == 3 ? IR_F64 : IR_F32;
        translate_vector_put(t, RISCV_REG_FP_DIRTY, 1);
    }
    if (form != RISCV_V_V || riscv_vector_info[op].s1 == VECTOR_NONE)
        place.s1 = place.s2;
    ir_vector(t->b, type, kind | (form == RISCV_V_V ? 0 : IR_VECTOR_SCALAR) | (some ? IR_VECTOR_SOME : 0) |
              (is_masked(i) ? IR_VECTOR_MASKED : 0), &place, form == RISCV_V_V ? IR_NONE : scalar_for(t, i, form, is_fp));
    translate_vector_dirty(t);
    return true;
}

/* The number of a mask or element 0, or IR_NONE: it is to be a call. */
static ir_value inline_number(struct translation *t, const struct riscv_insn *i, unsigned op)
{
    unsigned sew = riscv_vector_sew(t->vtype);
    bool some;
    u64 lanes = translate_vector_lanes(t, &some);
    struct ir_vector_place place = { .s2 = place_of(t, i->raw >> 20 & 31), .bytes = (u16)lanes };
    bool is_lane = op == RISCV_V_MV_X_S || op == RISCV_V_MV_F_S;

    if ((!lanes && !(is_lane && t->vl_known && translate_vector_may_inline(t))) || is_masked(i) || (op == RISCV_V_MV_F_S && sew < 2) || (some && op == RISCV_V_CPOP_M))
        return IR_NONE;
    translate_vector_dirty(t);
    return ir_vector_number(t->b, is_lane ? (enum ir_type)(IR_I8 + sew) : IR_I64,
                            is_lane ? IR_VECTOR_LANE0 : op != RISCV_V_FIRST ? IR_VECTOR_COUNT : IR_VECTOR_FIRST | (some ? IR_VECTOR_SOME : 0), &place);
}

/* --- calls --- */

static ir_value scalar(struct translation *t, const struct riscv_insn *i, unsigned form)
{
    switch (form) {
    case RISCV_V_X:
        return translate_x(t, i->rs1);
    case RISCV_V_F:
        return ir_bits(t->b, ir_get(t->b, IR_F64, RISCV_REG_F + i->rs1));
    case RISCV_V_I:
        return translate_const(t, i->imm);
    default:
        return translate_const(t, 0);
    }
}

/* False: illegal, whatever vtype is. */
static bool may_run(const struct translation *t, unsigned op, unsigned form)
{
    bool rounds = (riscv_vector_info[op].rules & VECTOR_FRM) || form == RISCV_V_F;

    return !(rounds && (t->mode & RISCV_MODE_FRM_INVALID));
}

static bool known_to_run(const struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form)
{
    return may_run(t, op, form) && t->vtype_known && riscv_vector_legal(t->cpu, op, form, i->raw, t->vtype);
}

/* The call; its result when vtype is known, IR_NONE when the helper wrote it or the instruction is illegal. */
static ir_value call(struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form)
{
    u64 together = riscv_vector_together(op), vtype;
    ir_value what;

    if (!may_run(t, op, form) || (t->vtype_known && !riscv_vector_legal(t->cpu, op, form, i->raw, t->vtype)) || (t->vl_known && t->vl % together)) {
        translate_illegal(t, i);
        return IR_NONE;
    }
    what = translate_const(t, (s64)(i->raw | (u64)op << 32 | (u64)form << 48));
    if (t->vtype_known && (together == 1 || t->vl_known))
        return ir_call(t->b, &riscv_ir_vector, what, scalar(t, i, form), IR_NONE, IR_NONE);
    vtype = translate_vector_expect(t);
    translate_call(t, &riscv_ir_vector_checked, what, scalar(t, i, form), translate_const(t, (s64)vtype), IR_NONE);
    if (vtype != RISCV_VTYPE_ANY)
        translate_vector_know(t, true, vtype);
    return IR_NONE;
}

void translate_vector(struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form)
{
    translate_vector_assume(t);
    if (known_to_run(t, i, op, form) && inline_op(t, i, op, form))
        return;
    call(t, i, op, form);
}

static ir_value number(struct translation *t, const struct riscv_insn *i, unsigned op)
{
    ir_value v = IR_NONE;

    translate_vector_assume(t);
    if (known_to_run(t, i, op, RISCV_V_V))
        v = inline_number(t, i, op);
    return v != IR_NONE ? v : call(t, i, op, RISCV_V_V);
}

void translate_vector_to_x(struct translation *t, const struct riscv_insn *i, unsigned op)
{
    ir_value result = number(t, i, op);

    if (result != IR_NONE)
        translate_set_x(t, i->rd, result);
}

void translate_vector_to_f(struct translation *t, const struct riscv_insn *i, unsigned op)
{
    ir_value result = number(t, i, op);

    if (result == IR_NONE)
        return;
    if (riscv_vector_sew(t->vtype) == 2)
        result = ir_binary(t->b, IR_OR, result, translate_const(t, (s64)UINT64_C(0xffffffff00000000)));
    translate_set_f(t, i->rd, ir_from_bits(t->b, result));
}

/* Bytes that a load or store moves when nothing keeps it from being one vld or vst; else 0. */
static u64 run_of_bytes(const struct translation *t, const struct riscv_insn *i, unsigned access, unsigned bits, bool *some)
{
    u64 fields = (i->raw >> 29) + 1, lanes = translate_vector_lanes(t, some), bytes;

    if ((!*some && (!t->vl_known || !translate_vector_may_inline(t))) || (is_masked(i) && access != RISCV_VMEM_UNIT) || (*some && access == RISCV_VMEM_MASK))
        return 0;
    if (access == RISCV_VMEM_WHOLE)
        bytes = fields * t->cpu->vlen / 8;
    else if (access == RISCV_VMEM_MASK)
        bytes = (t->vl + 7) / 8;
    else if ((access == RISCV_VMEM_UNIT || access == RISCV_VMEM_FIRST) && fields == 1)
        bytes = lanes * bits / 8;
    else
        return 0;
    *some = *some && access != RISCV_VMEM_WHOLE;
    return bits_is_power_of_2(bytes) ? bytes : 0;
}

void translate_vector_memory(struct translation *t, const struct riscv_insn *i, unsigned access, unsigned bits, bool load)
{
    u64 what = i->raw | (u64)access << 32 | (u64)bits << 40 | (u64)load << 48, bytes;
    bool some;

    translate_vector_assume(t);
    if (t->vtype_known && !riscv_vector_memory_legal(t->cpu, access, bits, load, i->raw, t->vtype)) {
        translate_illegal(t, i);
        return;
    }
    if (t->vtype_known)
        what |= UINT64_C(1) << 49 | (u64)__builtin_ctz(t->cpu->vlen / 8u) << RISCV_VMEM_VLENB_SHIFT;
    bytes = run_of_bytes(t, i, access, bits, &some);
    if (bytes) {
        unsigned size = (unsigned)__builtin_ctzll(bytes), place = place_of(t, i->raw >> 7 & 31);
        ir_value address = translate_x(t, i->rs1);

        if (load)
            translate_vector_dirty(t);
        if (is_masked(i))
            ir_vector_transfer_masked(t->b, load, &riscv_ir_vector_transfer, size, place, (unsigned)__builtin_ctz(bits) - 3, some, address,
                                      translate_const(t, (s64)what));
        else if (some)
            (load ? ir_vector_load_part : ir_vector_store_part)(t->b, &riscv_ir_vector_transfer, size, place, (unsigned)__builtin_ctz(bits) - 3, address,
                                                                translate_const(t, (s64)what));
        else
            (load ? ir_vector_load : ir_vector_store)(t->b, &riscv_ir_vector_transfer, size, place, address, translate_const(t, (s64)what));
        return;
    }
    translate_call(t, &riscv_ir_vector_memory, translate_const(t, (s64)what), translate_x(t, i->rs1),
                   access == RISCV_VMEM_STRIDED ? translate_x(t, i->rs2) : translate_const(t, 0), IR_NONE);
    if (access == RISCV_VMEM_FIRST)
        t->vl_known = false; /* this helper goes on, with the vl that it made (section 7.7) */
}
