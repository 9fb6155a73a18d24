/*
 * tcg/vector.h - vector ops: what they are and what they compute.
 *
 * Vectors are not values of the IR: they lie in the state, in a vector file of code_layout.vectors (docs/decisions/vectors.md), and ops name
 * places in it, as many bytes as the guest's length says. Lanes are little-endian, one behind the other. A source is the destination, or apart
 * from it; bits (one a lane) may begin where a source does; what MV moves may lie higher than where it goes. Any thread.
 */
#ifndef TCG_VECTOR_H
#define TCG_VECTOR_H

#include "tcg/backend.h"

enum ir_vector_kind {
#define VECTOR(id, ...) IR_VECTOR_##id,
#include "tcg/vector.def"
#undef VECTOR
    IR_VECTOR_KINDS
};

enum ir_vector_shape { IR_VECTOR_LANES, IR_VECTOR_BITS, IR_VECTOR_FOLD, IR_VECTOR_GROUPS, IR_VECTOR_WIDE, IR_VECTOR_WIDER, IR_VECTOR_NARROW, IR_VECTOR_PICK, IR_VECTOR_FLANES, IR_VECTOR_FBITS, IR_VECTOR_FFOLD };

/* The number that vec_to makes. */
enum ir_vector_number { IR_VECTOR_FIRST, IR_VECTOR_COUNT, IR_VECTOR_LANE0, IR_VECTOR_NUMBERS };

/*
 * The aux word of vec: kind; whether the second source is the scalar operand; and, of LANES, BITS and FLANES, whether only as many lanes are computed as
 * code_layout.vector_length says, at most those of the place: the others stay; and, of LANES, whether lanes stay whose bit at
 * the file's begin is 0, where the destination is not.
 */
enum { IR_VECTOR_KIND = 0xff, IR_VECTOR_SCALAR = 1 << 8, IR_VECTOR_SOME = 1 << 9, IR_VECTOR_MASKED = 1 << 10, IR_VECTOR_TYPE_SHIFT = 11 };

enum { IR_VECTOR_FILE = 2048 }; /* bytes of the longest file: places are below it */

struct ir_vector_row {
    const char *name;
    u8 shape; /* enum ir_vector_shape */
};
extern const struct ir_vector_row ir_vector_rows[IR_VECTOR_KINDS];
extern const char *const ir_vector_number_names[IR_VECTOR_NUMBERS];

/* Where an op works: bytes from the file's begin, and how many bytes of lanes (vec_to: of s2; FIRST and COUNT: bits). */
struct ir_vector_place {
    u16 d, s2, s1, bytes;
};

static inline u64 ir_vector_pack(struct ir_vector_place p)
{
    return p.d | (u64)p.s2 << 12 | (u64)p.s1 << 24 | (u64)p.bytes << 36;
}

static inline struct ir_vector_place ir_vector_unpack(u64 imm)
{
    return (struct ir_vector_place){ imm & 0xfff, imm >> 12 & 0xfff, imm >> 24 & 0xfff, imm >> 36 & 0xfff };
}

/* A vec or vec_to in one word. */
static inline u64 ir_vector_word(const struct ir_op *op)
{
    return (u64)op->imm | (u64)(op->aux | op->type << IR_VECTOR_TYPE_SHIFT) << 48;
}

/*
 * vld and vst: the aux word is log2 of the bytes, and the place in units of 16 bytes. With IR_VECTOR_PART only as many elements are moved as
 * code_layout.vector_length says, at most those bytes; with IR_VECTOR_UNDER only those whose bit at the file's begin is 1. With either, log2 of an
 * element's bytes is above.
 */
enum { IR_VECTOR_SIZE = 15, IR_VECTOR_PLACE_SHIFT = 4, IR_VECTOR_PLACE = 0x7f, IR_VECTOR_PART = 1 << 11, IR_VECTOR_ELEMENT_SHIFT = 12, IR_VECTOR_UNDER = 1 << 14 };

static inline unsigned ir_vector_bytes(u32 aux)
{
    return 1u << (aux & IR_VECTOR_SIZE);
}

static inline unsigned ir_vector_at(u32 aux)
{
    return (aux >> IR_VECTOR_PLACE_SHIFT & IR_VECTOR_PLACE) << 4;
}

static inline unsigned ir_vector_element(u32 aux)
{
    return aux >> IR_VECTOR_ELEMENT_SHIFT & 3;
}

/* Log2 of a lane's bytes. */
static inline unsigned ir_vector_lane(enum ir_type type)
{
    return type == IR_F32 ? 2 : type == IR_F64 ? 3 : type - IR_I8;
}

static inline bool ir_vector_is_fp(enum ir_vector_kind kind)
{
    return ir_vector_rows[kind].shape >= IR_VECTOR_FLANES;
}

/* --- GROUPS: ciphers and hashes, on lanes of 32 bits, of SHA-2 also 64; no mask, always all lanes --- */

static inline bool ir_vector_is_group(enum ir_vector_kind kind)
{
    return ir_vector_rows[kind].shape == IR_VECTOR_GROUPS;
}

/* Whether one group of s2, which is apart from d, is there for all groups of d. */
static inline bool ir_vector_has_one(enum ir_vector_kind kind)
{
    return kind >= IR_VECTOR_AESEM_ONE && kind <= IR_VECTOR_SM4R_ONE;
}

/* Whether the scalar operand is a number that the kind takes (always then, and never else). */
static inline bool ir_vector_has_number(enum ir_vector_kind kind)
{
    return kind >= IR_VECTOR_AESKF1 && kind <= IR_VECTOR_SM3C;
}

/* Bytes of lanes that belong together. */
static inline unsigned ir_vector_group(enum ir_vector_kind kind, enum ir_type type)
{
    return kind == IR_VECTOR_SM3ME || kind == IR_VECTOR_SM3C || type == IR_I64 ? 32 : 16;
}

/* The op on whole groups, `bytes` in all. s1 only matters to kinds that read it. */
void ir_vector_groups(enum ir_vector_kind kind, enum ir_type type, u8 *d, const u8 *s2, const u8 *s1, u64 number, u32 bytes);

/* Computes a vec in the state at base: the reference, and what back ends call for what they have no code for. */
void ir_vector_run(const struct code_layout *layout, u8 *base, u64 word, u64 scalar);
/* The number of a vec_to. */
u64 ir_vector_to(const struct code_layout *layout, const u8 *base, u64 word);

#endif
