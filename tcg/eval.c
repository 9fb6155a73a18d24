/* tcg/eval.c - what the pure ops compute, for constant folding. */
#include "tcg/eval.h"
#include "tcg/append.h"

static u64 mask(enum ir_type type)
{
    return ~UINT64_C(0) >> (64 - ir_type_bits(type));
}

static u64 reverse_bytes(u64 x, unsigned bits)
{
    return __builtin_bswap64(x) >> (64 - bits);
}

s64 ir_eval_zext(enum ir_type from, s64 x)
{
    return (s64)((u64)x & mask(from));
}

s64 ir_eval_unary(enum ir_opcode code, enum ir_type type, s64 x)
{
    unsigned bits = ir_type_bits(type);
    u64 u = (u64)x & mask(type);

    switch (code) {
    case IR_NOT:
        return ir_const_wrap(type, ~x);
    case IR_NEG:
        return ir_const_wrap(type, (s64)(0 - (u64)x));
    case IR_CLZ:
        return u ? __builtin_clzll(u) - (int)(64 - bits) : (int)bits;
    case IR_CTZ:
        return u ? __builtin_ctzll(u) : (int)bits;
    case IR_POPCNT:
        return __builtin_popcountll(u);
    case IR_BSWAP:
        return ir_const_wrap(type, (s64)reverse_bytes(u, bits));
    default:
        return 0;
    }
}

static u64 rotate_left(u64 u, unsigned bits, unsigned by)
{
    return by ? u << by | u >> (bits - by) : u;
}

static u64 multiply_high(enum ir_opcode code, unsigned bits, s64 x, s64 y, u64 ux, u64 uy)
{
    if (code == IR_MULHU)
        return (u64)((u128)ux * uy >> bits);
    if (code == IR_MULHS)
        return (u64)((s128)x * y >> bits);
    return (u64)((s128)x * (s128)uy >> bits);
}

static u64 divide(enum ir_opcode code, s64 x, s64 y, u64 ux, u64 uy)
{
    bool remainder = code == IR_REMU || code == IR_REMS;

    if (uy == 0)
        return remainder ? (u64)x : ~UINT64_C(0);
    if (code == IR_DIVU)
        return ux / uy;
    if (code == IR_REMU)
        return ux % uy;
    if (y == -1) /* the one that overflows, among others */
        return remainder ? 0 : 0 - (u64)x;
    return (u64)(remainder ? x % y : x / y);
}

static u64 evaluate(enum ir_opcode code, unsigned bits, s64 x, s64 y, u64 ux, u64 uy)
{
    unsigned by = uy & (bits - 1);

    switch (code) {
    case IR_ADD:
        return ux + uy;
    case IR_SUB:
        return ux - uy;
    case IR_AND:
        return ux & uy;
    case IR_OR:
        return ux | uy;
    case IR_XOR:
        return ux ^ uy;
    case IR_ANDN:
        return ux & ~uy;
    case IR_ORN:
        return ux | ~uy;
    case IR_XNOR:
        return ~(ux ^ uy);
    case IR_SHL:
        return ux << by;
    case IR_SHR:
        return ux >> by;
    case IR_SAR:
        return (u64)(x >> by);
    case IR_ROL:
        return rotate_left(ux, bits, by);
    case IR_ROR:
        return rotate_left(ux, bits, (bits - by) & (bits - 1));
    case IR_MUL:
        return ux * uy;
    case IR_MULHU:
    case IR_MULHS:
    case IR_MULHSU:
        return multiply_high(code, bits, x, y, ux, uy);
    case IR_DIVU:
    case IR_DIVS:
    case IR_REMU:
    case IR_REMS:
        return divide(code, x, y, ux, uy);
    case IR_MINS:
        return x < y ? ux : uy;
    case IR_MAXS:
        return x > y ? ux : uy;
    case IR_MINU:
        return ux < uy ? ux : uy;
    case IR_MAXU:
        return ux > uy ? ux : uy;
    default:
        return 0;
    }
}

s64 ir_eval_binary(enum ir_opcode code, enum ir_type type, s64 x, s64 y)
{
    x = ir_const_wrap(type, x);
    y = ir_const_wrap(type, y);
    return ir_const_wrap(type, (s64)evaluate(code, ir_type_bits(type), x, y, (u64)x & mask(type),
                                             (u64)y & mask(type)));
}
