/* tests/ir/generate.c - random blocks with every op. */
#include "tests/ir/machine.h"
#include "tcg/builder.h"
#include "tcg/append.h"

enum { POOL = 64, MAX_EXITS = 10 };

struct generator {
    struct ir_block *b;
    u64 random;
    bool raw, floats, vectors;
    bool close; /* vector ops on a few places, one after the other: what is kept of them in registers */
    ir_value pool[IR_TYPE_COUNT][POOL]; /* latest values of a type */
    u32 made[IR_TYPE_COUNT];
    s32 pc;
    u32 exits;
};

static u32 pick(struct generator *g, u32 n)
{
    return (u32)(random_next(&g->random) % n);
}

static enum ir_type pick_type(struct generator *g)
{
    static const u8 type[] = { IR_I8, IR_I16, IR_I32, IR_I32, IR_I32, IR_I64, IR_I64, IR_I64, IR_I64 };

    return (enum ir_type)type[pick(g, ARRAY_SIZE(type))];
}

static void remember(struct generator *g, enum ir_type type, ir_value v)
{
    g->pool[type][g->made[type]++ % POOL] = v;
}

static ir_value constant(struct generator *g, enum ir_type type)
{
    return ir_const(g->b, type, (s64)random_value(&g->random));
}

/* Mostly recent values. */
static ir_value pick_value(struct generator *g, enum ir_type type)
{
    u32 n = MIN(g->made[type], POOL), back = pick(g, 4) ? pick(g, 6) : pick(g, POOL);

    if (n == 0 || pick(g, 5) == 0)
        return constant(g, type);
    return g->pool[type][(g->made[type] - 1 - back % n) % POOL];
}

static enum ir_cond pick_cond(struct generator *g)
{
    return (enum ir_cond)pick(g, IR_COND_COUNT);
}

static struct ir_op *raw_op(struct generator *g, enum ir_opcode code, enum ir_type type, ir_value x, ir_value y)
{
    struct ir_op *op = ir_append(g->b, code, type);

    op->arg[0] = x;
    op->arg[1] = y;
    return op;
}

static void make_get(struct generator *g)
{
    u32 reg = pick(g, 4) ? pick(g, MACHINE_LONGS) : pick(g, MACHINE_REGS - MACHINE_FLOATS);
    enum ir_type type = (enum ir_type)machine_regs[reg].type;

    remember(g, type, ir_get(g->b, type, reg));
}

/* Pointers (a0..a3) only move a little. */
static void make_put(struct generator *g)
{
    u32 reg = pick(g, 4) ? pick(g, MACHINE_LONGS) : pick(g, MACHINE_REGS - MACHINE_FLOATS);
    enum ir_type type = (enum ir_type)machine_regs[reg].type;
    ir_value v;

    if (reg >= 4)
        return ir_put(g->b, type, reg, pick_value(g, type));
    v = ir_get(g->b, IR_I64, reg);
    v = ir_binary_imm(g->b, IR_ADD, v, (s64)(s8)pick(g, 256));
    ir_put(g->b, IR_I64, reg, v);
}

static void make_unary(struct generator *g)
{
    static const u8 code[] = { IR_NOT, IR_NEG, IR_CLZ, IR_CTZ, IR_POPCNT, IR_BSWAP };
    enum ir_type type = pick_type(g);
    enum ir_opcode op = (enum ir_opcode)code[pick(g, ARRAY_SIZE(code))];
    ir_value x = pick_value(g, type);

    if (g->raw) {
        raw_op(g, op, type, x, IR_NONE);
        remember(g, type, ir_last(g->b));
    } else {
        remember(g, type, ir_unary(g->b, op, x));
    }
}

static void make_binary(struct generator *g)
{
    static const u8 extra[] = { IR_MINS, IR_MAXS, IR_MINU, IR_MAXU };
    u32 n = pick(g, IR_REMS - IR_ADD + 1 + ARRAY_SIZE(extra));
    enum ir_opcode op = (enum ir_opcode)(n <= IR_REMS - IR_ADD ? IR_ADD + n : extra[n - (IR_REMS - IR_ADD + 1)]);
    enum ir_type type = pick_type(g);
    ir_value x = pick_value(g, type), y = pick_value(g, type);

    if (op == IR_NOT || op == IR_NEG)
        op = IR_XOR;
    if (g->raw) {
        raw_op(g, op, type, x, y);
        remember(g, type, ir_last(g->b));
    } else {
        remember(g, type, ir_binary(g->b, op, x, y));
    }
}

static void make_conversion(struct generator *g)
{
    enum ir_type narrow = (enum ir_type)(IR_I8 + pick(g, 3));
    enum ir_type wide = (enum ir_type)(narrow + 1 + pick(g, (u32)(IR_I64 - narrow)));
    u32 kind = pick(g, 3);
    enum ir_type from = kind ? narrow : wide, to = kind ? wide : narrow;
    ir_value v = pick_value(g, from);

    if (g->raw) {
        raw_op(g, kind == 0 ? IR_TRUNC : kind == 1 ? IR_ZEXT : IR_SEXT, to, v, IR_NONE)->aux = (u16)(kind ? from : 0);
        v = ir_last(g->b);
    } else {
        v = kind == 0 ? ir_trunc(g->b, to, v) : kind == 1 ? ir_zext(g->b, to, v) : ir_sext(g->b, to, v);
    }
    remember(g, to, v);
}

static void make_compare(struct generator *g)
{
    enum ir_type type = pick_type(g), chosen = pick_type(g);
    enum ir_cond cond = pick_cond(g);
    ir_value x = pick_value(g, type), y = pick_value(g, type);
    bool select = pick(g, 2);
    ir_value yes = pick_value(g, chosen), no = pick_value(g, chosen);

    if (g->raw) {
        struct ir_op *op = raw_op(g, select ? IR_SELECT : IR_SETCC, type, x, y);

        op->aux = (u16)(cond | (select ? chosen << 8 : 0));
        op->arg[2] = select ? yes : IR_NONE;
        op->arg[3] = select ? no : IR_NONE;
        remember(g, select ? chosen : IR_I64, ir_last(g->b));
    } else if (select) {
        remember(g, chosen, ir_select(g->b, cond, x, y, yes, no));
    } else {
        remember(g, IR_I64, ir_setcc(g->b, cond, x, y));
    }
}

static void put_long(struct generator *g, ir_value v)
{
    ir_put(g->b, IR_I64, 4 + pick(g, MACHINE_LONGS - 4), v);
}

/* A sum or difference whose overflow is asked for, and added to the next word. */
static void make_words(struct generator *g)
{
    bool less = pick(g, 2), flag_last = pick(g, 2);
    ir_value x = pick_value(g, IR_I64), y = pick_value(g, IR_I64);
    ir_value sum = ir_binary(g->b, less ? IR_SUB : IR_ADD, x, y);
    ir_value flag, next;

    remember(g, IR_I64, sum);
    if (pick(g, 2))
        put_long(g, sum);
    while (pick(g, 3) == 0)
        put_long(g, pick(g, 2) ? ir_const(g->b, IR_I64, 0) : pick_value(g, IR_I64));
    if (pick(g, 4) == 0)
        make_binary(g);
    flag = ir_setcc(g->b, pick(g, 3) ? IR_LTU : IR_GEU, less ? x : sum, pick(g, 8) == 0 ? pick_value(g, IR_I64) : less || pick(g, 2) ? y : x);
    if (pick(g, 4) == 0)
        put_long(g, flag);
    while (pick(g, 3) == 0)
        make_binary(g);
    next = pick_value(g, IR_I64);
    next = ir_binary(g->b, pick(g, 3) ? IR_ADD : IR_SUB, flag_last ? next : flag, flag_last ? flag : next);
    put_long(g, next);
    if (pick(g, 2))
        remember(g, IR_I64, next);
}

static u32 pick_rounding(struct generator *g)
{
    return pick(g, 3) ? IR_FP_DYNAMIC : pick(g, 5);
}

/* From a register, mostly, so that the operands are of every kind. */
static ir_value pick_float(struct generator *g, enum ir_type type)
{
    u32 reg = MACHINE_REGS - 1 - pick(g, MACHINE_FLOATS), n = MIN(g->made[type], POOL);
    ir_value v;

    if (n && pick(g, 2))
        return g->pool[type][(g->made[type] - 1 - pick(g, 6) % n) % POOL];
    v = pick(g, 8) ? ir_get(g->b, IR_F64, reg) : ir_from_bits(g->b, pick(g, 2) ? constant(g, IR_I64) : pick_value(g, IR_I64));
    if (type == IR_F64)
        return v;
    return g->raw ? ir_fp(g->b, IR_UNBOX, IR_F32, 0, v, IR_NONE, IR_NONE) : ir_unbox(g->b, v);
}

static void make_float_conversion(struct generator *g, enum ir_type type)
{
    enum ir_type other = type == IR_F32 ? IR_F64 : IR_F32, integer = pick(g, 2) ? IR_I64 : IR_I32;
    u32 aux = pick_rounding(g), kind = pick(g, 5), is_unsigned = pick(g, 2) ? IR_FP_UNSIGNED : 0;

    if (kind == 0) {
        remember(g, integer, ir_fp(g->b, IR_FTOI, integer, aux | is_unsigned | (u32)type << IR_FP_FROM_SHIFT, pick_float(g, type),
                                   IR_NONE, IR_NONE));
    } else if (kind == 1) {
        remember(g, type, ir_fp(g->b, IR_ITOF, type, aux | is_unsigned | (u32)integer << IR_FP_FROM_SHIFT, pick_value(g, integer),
                                IR_NONE, IR_NONE));
    } else if (kind == 2) {
        remember(g, type, ir_fp(g->b, IR_FCVT, type, aux | (u32)other << IR_FP_FROM_SHIFT, pick_float(g, other), IR_NONE, IR_NONE));
    } else if (kind == 3) {
        remember(g, IR_F64, ir_box(g->b, pick_float(g, IR_F32)));
    } else {
        remember(g, IR_I64, ir_fp(g->b, IR_BITS, IR_I64, 0, pick_float(g, IR_F64), IR_NONE, IR_NONE));
    }
}

static u32 pick_fp_flags(struct generator *g, enum ir_opcode code)
{
    switch (code) {
    case IR_FMA:
        return pick(g, 4) << 3;
    case IR_FMIN:
    case IR_FMAX:
        return pick(g, 4) ? 0 : IR_FP_NAN_WINS;
    case IR_FCMP:
        return (pick(g, 2) ? IR_FP_QUIET : 0) | (1 + pick(g, 3)) << 4;
    case IR_FROUND:
        return pick(g, 2) ? IR_FP_EXACT : 0;
    default:
        return 0;
    }
}

static void make_float(struct generator *g)
{
    static const u8 codes[] = { IR_FADD, IR_FADD, IR_FSUB, IR_FSUB, IR_FMUL, IR_FMUL, IR_FDIV, IR_FSQRT, IR_FMA, IR_FMA, IR_FMIN, IR_FMAX,
                                IR_FCMP, IR_FROUND, IR_FNEG, IR_FABS, IR_FCOPYSIGN, IR_FXORSIGN };
    enum ir_opcode code = (enum ir_opcode)codes[pick(g, ARRAY_SIZE(codes))];
    enum ir_type type = pick(g, 2) ? IR_F64 : IR_F32;
    struct ir_op op = { .code = (u8)code };
    ir_value arg[3] = { IR_NONE, IR_NONE, IR_NONE };
    u32 aux = pick_fp_flags(g, code) | (ir_op_effects(code) & IR_EFFECT_FENV ? pick_rounding(g) : 0);

    if (pick(g, 4) == 0)
        return make_float_conversion(g, type);
    for (unsigned i = 0; i < ir_op_operands(&op); i++)
        arg[i] = pick_float(g, type);
    remember(g, code == IR_FCMP ? IR_I64 : type, ir_fp(g->b, code, type, aux, arg[0], arg[1], arg[2]));
}

/* As compilers write a comparison that raises nothing; now and then something in between. */
static void compare_without_flags(struct generator *g)
{
    enum ir_type type = pick(g, 2) ? IR_F64 : IR_F32;
    ir_value flags = ir_fenv_get(g->b), a = pick_float(g, type), b = pick_float(g, type);

    if (pick(g, 6) == 0)
        make_float(g);
    remember(g, IR_I64, ir_fp(g->b, IR_FCMP, type, pick_fp_flags(g, IR_FCMP) | IR_FP_DYNAMIC, a, b, IR_NONE));
    if (pick(g, 6) == 0)
        make_float(g);
    ir_fenv_set(g->b, flags);
    remember(g, IR_I64, flags);
}

static void put_float(struct generator *g)
{
    u32 reg = MACHINE_REGS - 1 - pick(g, MACHINE_FLOATS);

    if (pick(g, 6) == 0)
        return compare_without_flags(g);
    if (pick(g, 8) == 0)
        return remember(g, IR_I64, ir_fenv_get(g->b));
    if (pick(g, 8) == 0)
        return ir_fenv_set(g->b, pick_value(g, IR_I64));
    ir_put(g->b, IR_F64, reg, pick(g, 3) ? pick_float(g, IR_F64) : ir_box(g->b, pick_float(g, IR_F32)));
}

static void make_float_memory(struct generator *g, ir_value base, s64 disp)
{
    u32 mem = IR_MEM_16 + pick(g, 3);

    if (pick(g, 2))
        ir_store(g->b, mem, base, disp, pick_float(g, IR_F64));
    else
        remember(g, IR_F64, ir_load(g->b, IR_F64, mem | (mem == IR_MEM_64 ? 0 : IR_MEM_ONES), base, disp));
}

static ir_value pointer(struct generator *g)
{
    return ir_get(g->b, IR_I64, pick(g, 4));
}

/* Mostly plain accesses. */
static u32 pick_mem(struct generator *g, unsigned max_size)
{
    u32 mem = pick(g, max_size + 1);

    if (pick(g, 2))
        mem |= IR_MEM_SIGNED;
    if (pick(g, 8) == 0)
        mem |= IR_MEM_BIG;
    if (pick(g, 8) == 0)
        mem |= IR_MEM_ALIGNED;
    if (pick(g, 8) == 0)
        mem |= IR_MEM_ACQUIRE;
    if (pick(g, 8) == 0)
        mem |= IR_MEM_RELEASE;
    return mem;
}

static void make_memory(struct generator *g)
{
    enum ir_type type = pick(g, 3) ? IR_I64 : IR_I32;
    u32 mem = pick_mem(g, type == IR_I64 ? 3 : 2);
    s64 disp = pick(g, 4) ? (s64)(s8)pick(g, 256) & ~7 : (s64)pick(g, 4096) - 2048;
    ir_value base = pointer(g);

    if (g->floats && pick(g, 3) == 0)
        return make_float_memory(g, base, disp);
    switch (pick(g, 6)) {
    case 0:
    case 1:
    case 2:
        if (pick(g, 8) == 0)
            mem |= IR_MEM_WRITE_INTENT;
        remember(g, type, ir_load(g->b, type, mem, base, disp));
        break;
    case 3:
    case 4:
        ir_store(g->b, mem & ~(u32)IR_MEM_SIGNED, base, disp, pick_value(g, pick(g, 4) ? type : IR_I64));
        break;
    default:
        base = ir_binary_imm(g->b, IR_AND, base, -8);
        mem |= IR_MEM_ALIGNED;
        if (pick(g, 4) == 0)
            base = ir_binary_imm(g->b, IR_ADD, base, 1);
        if (pick(g, 3))
            remember(g, type, ir_amo(g->b, (enum ir_amo)pick(g, IR_AMO_COUNT), mem, base, pick_value(g, type)));
        else
            remember(g, type, ir_cas(g->b, mem, base, pick_value(g, type), pick_value(g, type)));
    }
}

/* One of eight groups of 256 bytes; sometimes not at its begin. */
static u16 pick_place(struct generator *g)
{
    return (u16)(pick(g, 8) * 256 + (pick(g, 4) ? 0 : 16 * pick(g, 4)));
}

/* One of four places of 32 bytes, or its upper half. */
static u16 pick_close(struct generator *g, unsigned bytes)
{
    return (u16)(256 + pick(g, 4) * 32 + (bytes == 16 ? pick(g, 2) * 16 : 0));
}

static void make_close(struct generator *g)
{
    static const u8 often[] = { IR_VECTOR_ADD, IR_VECTOR_SUB, IR_VECTOR_XOR, IR_VECTOR_OR, IR_VECTOR_ROR, IR_VECTOR_ROL, IR_VECTOR_SRL, IR_VECTOR_MAXU, IR_VECTOR_MUL, IR_VECTOR_MV };
    u16 bytes = pick(g, 2) ? 16 : 32;
    struct ir_vector_place place = { pick_close(g, bytes), pick_close(g, bytes), pick_close(g, bytes), bytes };
    u32 kind = pick(g, 4) ? often[pick(g, ARRAY_SIZE(often))] : pick(g, IR_VECTOR_SEQ), flags = pick(g, 8) ? 0 : pick(g, 2) ? IR_VECTOR_SOME : IR_VECTOR_MASKED;
    bool scalar = pick(g, 3) == 0 || kind == IR_VECTOR_ROR || kind == IR_VECTOR_ROL;

    ir_vector(g->b, (enum ir_type)(IR_I8 + pick(g, 4)), kind | flags | (scalar ? IR_VECTOR_SCALAR : 0), &place,
              !scalar ? IR_NONE : pick(g, 2) ? ir_const(g->b, IR_I64, pick(g, 64)) : pick_value(g, IR_I64));
}

static void make_transfer(struct generator *g)
{
    unsigned size = pick(g, 3) ? 4 + pick(g, 5) : pick(g, 4), place = g->close ? 256 : pick(g, 8) * 256, element = pick(g, 4);
    bool is_load = pick(g, 2), part = pick(g, 2);
    ir_value address = ir_binary_imm(g->b, IR_ADD, pointer(g), (s64)pick(g, 512) - 256);
    ir_value what = ir_const(g->b, IR_I64, (s64)(1u << size | place << 16 | (u64)is_load << 32 | (u64)part << 33 | (u64)element << 34));

    if (pick(g, 3) == 0) {
        element = MIN(element, size);
        place = MAX(place, 256u); /* the mask is at 0 */
        what = ir_const(g->b, IR_I64, (s64)(1u << size | place << 16 | (u64)is_load << 32 | (u64)part << 33 | (u64)element << 34 | (u64)1 << 36));
        ir_vector_transfer_masked(g->b, is_load, &machine_transfer, size, place, element, part, address, what);
        return;
    }
    if (part)
        (is_load ? ir_vector_load_part : ir_vector_store_part)(g->b, &machine_transfer, size, place, element, address, what);
    else
        (is_load ? ir_vector_load : ir_vector_store)(g->b, &machine_transfer, size, place, address, what);
}

static void make_groups(struct generator *g, enum ir_vector_kind kind, u16 d)
{
    enum ir_type type = kind >= IR_VECTOR_SHA2MS && kind <= IR_VECTOR_SHA2CL && pick(g, 2) ? IR_I64 : IR_I32;
    bool number = ir_vector_has_number(kind);
    struct ir_vector_place place = { d, pick_place(g) & ~255u, pick_place(g) & ~255u, (u16)(ir_vector_group(kind, type) << pick(g, 3)) };

    if (ir_vector_has_one(kind) && place.s2 == d)
        place.s2 = d ? 0 : 256;
    ir_vector(g->b, type, kind | (number ? IR_VECTOR_SCALAR : 0), &place, number ? pick(g, 2) ? ir_const(g->b, IR_I64, pick(g, 32)) : pick_value(g, IR_I64) : IR_NONE);
}

/* Lanes of two widths: places are 256 bytes apart. */
static void make_mixed(struct generator *g, enum ir_vector_kind kind, u16 d)
{
    bool picks = ir_vector_rows[kind].shape == IR_VECTOR_PICK, narrow = picks || ir_vector_rows[kind].shape == IR_VECTOR_NARROW, scalar = !picks && pick(g, 2);
    struct ir_vector_place place = { d, (u16)((d + 256 * (1 + pick(g, 3))) % 1536), (u16)((d + 256 * (4 + pick(g, 2))) % 1536), (u16)(8u << pick(g, 5)) };

    if (narrow && !picks && pick(g, 3) == 0)
        place.s2 = d;
    if (picks) { /* indices that are mostly below 64 */
        struct ir_vector_place index = { place.s1, place.s1, place.s1, place.bytes };

        ir_vector(g->b, IR_I8, IR_VECTOR_AND | IR_VECTOR_SCALAR, &index, ir_const(g->b, IR_I64, pick(g, 4) ? 0x3f : 0xff));
    }
    ir_vector(g->b, picks && pick(g, 2) ? IR_I8 : (enum ir_type)(IR_I8 + !narrow + pick(g, 3)), kind | (scalar ? IR_VECTOR_SCALAR : 0), &place,
              !scalar ? IR_NONE : pick(g, 2) ? ir_const(g->b, IR_I64, pick(g, 4) ? (s64)pick(g, 64) : -1) : pick_value(g, IR_I64));
}

static void make_vector(struct generator *g)
{
    static const u16 sizes[] = { 16, 16, 32, 32, 64, 128, 256, 48, 8, 8, 16 };
    enum ir_vector_kind kind = (enum ir_vector_kind)pick(g, IR_VECTOR_KINDS);
    bool some, masked, is_fp = ir_vector_is_fp(kind), scalar = pick(g, 3) == 0 && ir_vector_rows[kind].shape != IR_VECTOR_FOLD && ir_vector_rows[kind].shape != IR_VECTOR_FFOLD;
    enum ir_type type = (enum ir_type)(is_fp ? IR_F32 + pick(g, 2) : IR_I8 + pick(g, 4));
    u16 bytes = pick(g, 8) ? sizes[pick(g, ARRAY_SIZE(sizes))] : (u16)(1 << ir_vector_lane(type)) * (u16)(1 + pick(g, 5));
    u16 d = (u16)(pick(g, 8) * 256);
    struct ir_vector_place place = { d, pick_place(g), pick_place(g), bytes };

    if (is_fp && !g->floats)
        return;
    if (ir_vector_is_group(kind)) {
        make_groups(g, kind, d);
        return;
    }
    if (ir_vector_rows[kind].shape >= IR_VECTOR_WIDE && ir_vector_rows[kind].shape <= IR_VECTOR_PICK) {
        make_mixed(g, kind, (u16)(d % 1536));
        return;
    }
    if (place.s2 / 256 == d / 256)
        place.s2 = d;
    if (place.s1 / 256 == d / 256)
        place.s1 = d;
    if (place.s2 + bytes > IR_VECTOR_FILE || place.s1 + bytes > IR_VECTOR_FILE || (place.s2 != d && place.s2 < d && place.s2 + bytes > d) ||
        (place.s1 != d && place.s1 < d && place.s1 + bytes > d))
        place.s2 = place.s1 = d;
    if (kind == IR_VECTOR_MV && place.s1 == d && d + bytes + 40 <= IR_VECTOR_FILE && pick(g, 2))
        place.s1 += (u16)(1 + pick(g, 40));
    some = (ir_vector_rows[kind].shape <= IR_VECTOR_BITS || ir_vector_rows[kind].shape == IR_VECTOR_FLANES) && pick(g, 2);
    masked = ir_vector_rows[kind].shape == IR_VECTOR_LANES && d && pick(g, 2);
    ir_vector(g->b, type, kind | (scalar ? IR_VECTOR_SCALAR : 0) | (some ? IR_VECTOR_SOME : 0) | (masked ? IR_VECTOR_MASKED : 0), &place, scalar ? is_fp ? pick_float(g, type) : pick_value(g, IR_I64) : IR_NONE);
}

static void make_number(struct generator *g)
{
    u32 number = pick(g, IR_VECTOR_NUMBERS);
    struct ir_vector_place place = { .s2 = pick_place(g), .bytes = (u16)(pick(g, 2) ? 1 + pick(g, 200) : 8u << pick(g, 6)) };

    if (number == IR_VECTOR_FIRST && pick(g, 2))
        number |= IR_VECTOR_SOME;
    if (place.s2 + 64 <= IR_VECTOR_FILE)
        remember(g, IR_I64, ir_vector_number(g->b, number == IR_VECTOR_LANE0 ? (enum ir_type)(IR_I8 + pick(g, 4)) : IR_I64, number, &place));
}

static void make_call(struct generator *g)
{
    const struct ir_helper *helper = machine_helpers[pick(g, 6)];
    ir_value arg[4] = { IR_NONE, IR_NONE, IR_NONE, IR_NONE }, v;

    for (unsigned i = 0; i < helper->arg_count; i++)
        arg[i] = pick_value(g, IR_I64);
    v = ir_call(g->b, helper, arg[0], arg[1], arg[2], arg[3]);
    if (v != IR_NONE)
        remember(g, (enum ir_type)helper->result, v);
}

static s32 pick_target(struct generator *g)
{
    return pick(g, 4) ? (s32)pick(g, TCG_PAGE_SIZE / 2) * 2 : (s32)pick(g, 0x20000) - 0x10000;
}

static void make_exit_if(struct generator *g)
{
    enum ir_type type = pick_type(g);
    ir_value x = pick_value(g, type), y = pick_value(g, type);
    enum ir_cond cond = pick_cond(g);
    s32 pc = pick_target(g);
    struct ir_op *op;

    if (g->exits++ >= MAX_EXITS)
        return;
    if (!g->raw)
        return ir_exit_if(g->b, cond, x, y, pc);
    op = raw_op(g, IR_EXIT_IF, type, x, y);
    op->aux = (u16)cond;
    op->imm = ir_append_exit(g->b, IR_EXIT_DIRECT, pc, IR_HINT_NONE, 0);
}

static void make_insn(struct generator *g)
{
    unsigned length = pick(g, 2) ? 4 : 2;

    ir_insn(g->b, g->pc, length);
    g->pc += (s32)length;
}

static void make_op(struct generator *g)
{
    u32 n = pick(g, 100);

    if (g->close && n >= 18 && n < 95)
        return n < 75 ? make_close(g) : n < 80 ? make_transfer(g) : n < 85 ? make_call(g) : n < 88 ? make_vector(g) : make_put(g);
    if (g->floats && n >= 18 && n < 82 && pick(g, 2))
        return pick(g, 3) ? make_float(g) : put_float(g);
    if (g->vectors && n >= 18 && n < 82 && pick(g, 3) == 0)
        return n < 60 ? make_vector(g) : n < 70 ? make_number(g) : make_transfer(g);
    if (n < 18)
        make_insn(g);
    else if (n < 30)
        make_get(g);
    else if (n < 42)
        make_put(g);
    else if (n < 60)
        pick(g, 8) ? make_binary(g) : make_words(g);
    else if (n < 65)
        make_unary(g);
    else if (n < 75)
        make_conversion(g);
    else if (n < 82)
        make_compare(g);
    else if (n < 93)
        make_memory(g);
    else if (n < 95)
        make_call(g);
    else if (n < 96)
        remember(g, IR_I64, ir_pc_add(g->b, (s64)(s32)random_value(&g->random)));
    else if (n < 98)
        ir_fence(g->b, pick(g, 16));
    else
        make_exit_if(g);
}

static void make_end(struct generator *g)
{
    static const enum ir_exit_hint hints[] = { IR_HINT_NONE, IR_HINT_CALL, IR_HINT_RETURN };
    s32 pc = pick_target(g);
    enum ir_exit_hint hint = hints[pick(g, 3)];

    switch (pick(g, 4)) {
    case 0:
        return ir_exit_to(g->b, pick_value(g, IR_I64), (u16)pick(g, 2), hint, hint == IR_HINT_CALL ? g->pc : 0);
    case 1:
        if (!g->vectors) /* whether vld and vst write the pc is not said */
            return ir_leave(g->b);
        /* fall through */
    default:
        return ir_exit(g->b, pc, hint, hint == IR_HINT_CALL ? g->pc : 0);
    }
}

void generate_block(struct ir_block *block, u64 seed, u32 length, bool raw)
{
    struct generator g = { .b = block, .random = seed, .raw = raw };

    g.pc = (s32)pick(&g, TCG_PAGE_SIZE / 4) * 2;
    g.floats = pick(&g, 2);
    g.vectors = pick(&g, 3) == 0;
    g.close = g.vectors && pick(&g, 2);
    g.floats &= !g.close;
    ir_block_reset(block, (u32)g.pc);
    memset(block->stays, seed & 2 ? 0xff : 0, sizeof(block->stays));
    make_insn(&g);
    for (u32 i = 0; i < length; i++)
        make_op(&g);
    make_end(&g);
}
