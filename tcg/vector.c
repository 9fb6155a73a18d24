/* tcg/vector.c - vector ops, lane by lane. */
#include "tcg/vector.h"
#include "tcg/fp.h"
#include <string.h>

#define LANES  IR_VECTOR_LANES
#define BITS   IR_VECTOR_BITS
#define FOLD   IR_VECTOR_FOLD
#define GROUPS IR_VECTOR_GROUPS
#define WIDE   IR_VECTOR_WIDE
#define WIDER  IR_VECTOR_WIDER
#define NARROW IR_VECTOR_NARROW
#define PICK   IR_VECTOR_PICK
#define FLANES IR_VECTOR_FLANES
#define FBITS  IR_VECTOR_FBITS
#define FFOLD  IR_VECTOR_FFOLD
const struct ir_vector_row ir_vector_rows[IR_VECTOR_KINDS] = {
#define VECTOR(id, name, shape, value) [IR_VECTOR_##id] = { name, shape },
#include "tcg/vector.def"
#undef VECTOR
};
#undef LANES
#undef BITS
#undef FOLD
#undef GROUPS
#undef WIDE
#undef WIDER
#undef NARROW
#undef PICK
#undef FLANES
#undef FBITS
#undef FFOLD

const char *const ir_vector_number_names[IR_VECTOR_NUMBERS] = { "first", "count", "lane0" };

struct work {
    enum ir_vector_kind kind;
    u8 *d;
    const u8 *s2, *s1;
    u32 lanes;
    u32 step;     /* of s1: 0 for a scalar */
    const u8 *mask; /* NULL: none */
    u8 *flags;
    u64 rounding;
};

static void set_bit(u8 *d, u32 i, bool on)
{
    d[i / 8] = (u8)((d[i / 8] & ~(1 << i % 8)) | on << i % 8);
}

static u64 compute_fp(const struct work *w, unsigned code, enum ir_type type, u32 aux, u64 a, u64 b, u64 c)
{
    struct ir_fp_result r = ir_fp_compute(ir_fp_make_word(code, type, aux | IR_FP_DYNAMIC), a, b, c, w->rounding);

    *w->flags |= (u8)r.flags;
    return r.value;
}

#define NAME run_i8
#define T    u8
#define S    s8
#define TWICE  u16
#define S_TWICE s16
#include "tcg/vector_lanes.def"
#undef TWICE
#undef S_TWICE
#define NAME run_i16
#define T    u16
#define S    s16
#define HALF   u8
#define S_HALF s8
#define TWICE  u32
#define S_TWICE s32
#include "tcg/vector_lanes.def"
#undef HALF
#undef S_HALF
#undef TWICE
#undef S_TWICE
#define NAME run_i32
#define T    u32
#define S    s32
#define HALF   u16
#define S_HALF s16
#define TWICE  u64
#define S_TWICE s64
#include "tcg/vector_lanes.def"
#undef HALF
#undef S_HALF
#undef TWICE
#undef S_TWICE
#define NAME run_i64
#define T    u64
#define S    s64
#define HALF   u32
#define S_HALF s32
#include "tcg/vector_lanes.def"
#undef HALF
#undef S_HALF
#define NAME run_f32
#define T    u32
#define S    s32
#define TYPE IR_F32
#include "tcg/vector_lanes.def"
#undef TYPE
#define NAME run_f64
#define T    u64
#define S    s64
#define TYPE IR_F64
#include "tcg/vector_lanes.def"
#undef TYPE

static enum ir_type type_of(u64 word)
{
    return (enum ir_type)(word >> (48 + IR_VECTOR_TYPE_SHIFT));
}

/* How many of `count` lanes or bits a word is about. */
static u64 limit(const struct code_layout *layout, const u8 *base, u64 word, u64 count)
{
    u64 length = count;

    if (word >> 48 & IR_VECTOR_SOME)
        memcpy(&length, base + layout->vector_length, sizeof(length));
    return MIN(length, count);
}

void ir_vector_run(const struct code_layout *layout, u8 *base, u64 word, u64 scalar)
{
    static void (*const run[IR_TYPE_COUNT])(const struct work *) = { [IR_I8] = run_i8,   [IR_I16] = run_i16, [IR_I32] = run_i32,
                                                                     [IR_I64] = run_i64, [IR_F32] = run_f32, [IR_F64] = run_f64 };
    struct ir_vector_place p = ir_vector_unpack(word);
    enum ir_type type = type_of(word);
    u8 *file = base + layout->vectors;
    bool is_scalar = word >> 48 & IR_VECTOR_SCALAR;
    enum ir_vector_kind kind = (enum ir_vector_kind)(word >> 48 & IR_VECTOR_KIND);

    if (ir_vector_is_group(kind)) {
        ir_vector_groups(kind, type, file + p.d, file + p.s2, file + p.s1, scalar, p.bytes);
        return;
    }
    u32 lane = ir_vector_lane(type), lanes = (u32)limit(layout, base, word, p.bytes >> lane);
    struct work w = {
        .kind = kind, .d = file + p.d, .s2 = file + p.s2, .s1 = is_scalar ? (const u8 *)&scalar : file + p.s1,
        .lanes = lanes, .step = is_scalar ? 0 : 1u << lane, .mask = word >> 48 & IR_VECTOR_MASKED ? file : NULL,
        .flags = base + layout->fp_flags, .rounding = base[layout->fp_rounding],
    };

    run[type](&w);
}

static u64 mask_word(const u8 *bits, u32 at, u32 count)
{
    u64 word = 0;

    memcpy(&word, bits + at / 8, MIN(8, (count - at + 7) / 8));
    return count - at < 64 ? word & ((UINT64_C(1) << (count - at)) - 1) : word;
}

u64 ir_vector_to(const struct code_layout *layout, const u8 *base, u64 word)
{
    struct ir_vector_place p = ir_vector_unpack(word);
    const u8 *from = base + layout->vectors + p.s2;
    enum ir_vector_number number = (enum ir_vector_number)(word >> 48 & IR_VECTOR_KIND);
    u32 count = (u32)limit(layout, base, word, p.bytes);
    u64 sum = 0;

    if (number == IR_VECTOR_LANE0) {
        unsigned unused = 64 - (8u << ir_vector_lane(type_of(word)));

        memcpy(&sum, from, 1u << ir_vector_lane(type_of(word)));
        return (u64)((s64)(sum << unused) >> unused);
    }
    for (u32 at = 0; at < count; at += 64) {
        u64 bits = mask_word(from, at, count);

        if (number == IR_VECTOR_FIRST && bits)
            return at + (u64)__builtin_ctzll(bits);
        sum += (u64)__builtin_popcountll(bits);
    }
    return number == IR_VECTOR_FIRST ? UINT64_MAX : sum;
}
