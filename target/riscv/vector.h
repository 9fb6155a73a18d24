/*
 * target/riscv/vector.h - the vector extension (Unprivileged manual, "V"): configuration, what an operation is, and how one is run.
 *
 * The registers lie one behind the other in struct riscv_state.v, vlenb bytes each, so that a group is an array; elements are in the
 * host's order, which must be little-endian. The vCPU's own thread.
 */
#ifndef TARGET_RISCV_VECTOR_H
#define TARGET_RISCV_VECTOR_H

#include "base/softfloat/softfloat.h"
#include "target/riscv/cpu.h"
#include "target/riscv/decode.h"

/* Where the second source comes from: another vector, an x or f register, an immediate. */
enum riscv_vector_form { RISCV_V_V, RISCV_V_X, RISCV_V_F, RISCV_V_I, RISCV_V_FORMS };

enum riscv_vector_op {
#define VECTOR(id, ...) RISCV_V_##id,
#include "target/riscv/vector_ops.def"
#undef VECTOR
    RISCV_V_OP_COUNT
};

enum riscv_vector_access { RISCV_VMEM_UNIT, RISCV_VMEM_FIRST, RISCV_VMEM_STRIDED, RISCV_VMEM_INDEXED, RISCV_VMEM_MASK, RISCV_VMEM_WHOLE };

/* vtype (section 3.4). */
#define VTYPE_VILL BIT64(63)
/* What riscv_helper_vector_checked takes for no vtype. */
#define RISCV_VTYPE_ANY UINT64_MAX
enum { VTYPE_LMUL = 7, VTYPE_SEW_SHIFT = 3, VTYPE_TA = 1 << 6, VTYPE_MA = 1 << 7, VTYPE_DEFINED = 0xff };

/* log2 of the bytes of an element. */
static inline unsigned riscv_vector_sew(u64 vtype)
{
    return vtype >> VTYPE_SEW_SHIFT & 7;
}

/* log2 of LMUL: -3..3. */
static inline int riscv_vector_lmul(u64 vtype)
{
    return (int)(vtype & VTYPE_LMUL) - (vtype & 4 ? 8 : 0);
}

/* One operation under way. Elements are those from start to vl of which the mask has a one. */
struct vector {
    u8 *d;               /* the destination's group, also a source of multiply-add */
    const u8 *s2, *s1;   /* of vs2 and vs1 */
    const u8 *v0;        /* the mask register */
    u64 start, vl;
    u64 x;               /* the scalar operand: x register, f register without its box, immediate */
    u64 result;          /* for an x or f register */
    u32 vlmax, vlenb;
    bool masked;
    u8 vxrm;
    bool saturated;
    struct softfloat_env env;
};

typedef void riscv_vector_function(struct vector *v);
/* By the element width's log2 of the bytes, scalar (1) or vector (0) second source. */
typedef riscv_vector_function *const riscv_vector_functions[2][4];

/* What an operand is, beside what vtype says. */
enum riscv_vector_operand {
    VECTOR_NONE,    /* not there, or a scalar register */
    VECTOR_SEW,     /* a group of LMUL registers */
    VECTOR_WIDE,    /* elements twice as wide */
    VECTOR_HALF, VECTOR_QUARTER, VECTOR_EIGHTH, /* narrower */
    VECTOR_16,      /* elements of 16 bits */
    VECTOR_BITS,    /* a mask: one register */
    VECTOR_SCALAR,  /* element 0 of one register */
    VECTOR_KEY,     /* 128 bits, of as many registers as that takes */
};

enum riscv_vector_rule {
    VECTOR_FP = 1 << 0,        /* SEW is a floating-point width */
    VECTOR_FP_WIDE = 1 << 1,   /* twice SEW is */
    VECTOR_FP_MIN = 1 << 2,    /* Zvfhmin is enough for half precision */
    VECTOR_FRM = 1 << 3,       /* rounds, or is defined as if: a bad frm is illegal */
    VECTOR_FROM_0 = 1 << 4,    /* vstart must be 0 */
    VECTOR_APART = 1 << 5,     /* the destination may not overlap a source */
    VECTOR_NOT_V0 = 1 << 6,    /* the destination is not v0 when v0 is read, even if it is a mask */
    VECTOR_USES_V0 = 1 << 7,   /* v0 is an operand, not a mask: all elements are computed */
    VECTOR_HIGH = 1 << 8,      /* of 64-bit elements in V alone, not in Zve64* */
    VECTOR_SEW_64 = 1 << 9,    /* SEW must be 64 */
    VECTOR_SUM_WIDE = 1 << 10, /* scalars twice as wide as SEW */
    VECTOR_GROUPS_4 = 1 << 11, /* elements belong together by four: vl and vstart are multiples */
    VECTOR_GROUPS_8 = 1 << 12,
    VECTOR_SEW_32 = 1 << 13,   /* SEW must be 32 */
    VECTOR_SHA2 = 1 << 14,     /* SEW must be 32, or 64 with Zvknhb */
    VECTOR_APART_2 = 1 << 15,  /* the destination may not overlap vs2 */
};

struct riscv_vector_info {
    u8 d, s2, s1;    /* enum riscv_vector_operand; s1 counts where the form is V */
    u8 chapter;      /* of the functions */
    u16 rules;       /* enum riscv_vector_rule */
};
extern const struct riscv_vector_info riscv_vector_info[RISCV_V_OP_COUNT];

/* By operation; zeros where another chapter has it. */
extern riscv_vector_functions riscv_vector_integer[RISCV_V_OP_COUNT], riscv_vector_wide[RISCV_V_OP_COUNT],
    riscv_vector_fixed[RISCV_V_OP_COUNT], riscv_vector_float[RISCV_V_OP_COUNT], riscv_vector_move[RISCV_V_OP_COUNT],
    riscv_vector_crypto[RISCV_V_OP_COUNT];

/* Elements of a group under this vtype: VLMAX. vtype is legal. */
static inline u64 riscv_vector_max(const struct riscv_cpu *cpu, u64 vtype)
{
    int shift = riscv_vector_lmul(vtype) - (int)riscv_vector_sew(vtype);

    return shift < 0 ? cpu->vlen / 8 >> -shift : cpu->vlen / 8 << shift;
}

/* What vl becomes for an application vector length (section 6.3). vtype is legal. */
u64 riscv_vector_limit(const struct riscv_cpu *cpu, u64 vtype, u64 avl);
/* Whether vtype (without vill) is one that this hart has (section 3.4). */
bool riscv_vector_type_legal(const struct riscv_cpu *cpu, u64 vtype);
/* Sets vtype, vl and vstart as vsetvl does; returns the new vl. keep: rs1 and rd are x0. */
u64 riscv_vector_configure(struct riscv_cpu *cpu, u64 vtype, u64 avl, bool keep);
/* Whether an instruction is legal under this vtype, as far as its registers, vtype and the configuration tell. */
bool riscv_vector_legal(const struct riscv_cpu *cpu, enum riscv_vector_op op, enum riscv_vector_form form, u32 raw, u64 vtype);
/* How many elements belong together; 1: none do. */
static inline u64 riscv_vector_together(enum riscv_vector_op op)
{
    return riscv_vector_info[op].rules & VECTOR_GROUPS_4 ? 4 : riscv_vector_info[op].rules & VECTOR_GROUPS_8 ? 8 : 1;
}

/* Whether vstart and vl allow it. */
bool riscv_vector_start_legal(const struct riscv_state *state, enum riscv_vector_op op);
bool riscv_vector_memory_legal(const struct riscv_cpu *cpu, enum riscv_vector_access access, unsigned eew, bool load, u32 raw, u64 vtype);

static inline bool vector_bit(const u8 *mask, u64 i)
{
    return mask[i >> 3] >> (i & 7) & 1;
}

static inline void vector_set_bit(u8 *mask, u64 i, bool on)
{
    mask[i >> 3] = (u8)((mask[i >> 3] & ~(1 << (i & 7))) | on << (i & 7));
}

static inline bool vector_active(const struct vector *v, u64 i)
{
    return !v->masked || vector_bit(v->v0, i);
}

/* Elements do not depend on each other: groups of the same element width are the same registers or apart. */
#ifdef __clang__
#define VECTOR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define VECTOR_INDEPENDENT _Pragma("GCC ivdep")
#endif

#define VECTOR_EACH(v, HINT, BODY)                            \
    do {                                                      \
        const u64 vl_ = (v)->vl;                              \
        if (likely(!(v)->masked)) {                           \
            HINT                                              \
            for (u64 i = (v)->start; i < vl_; i++) {          \
                BODY                                          \
            }                                                 \
        } else {                                              \
            for (u64 i = (v)->start; i < vl_; i++) {          \
                if (vector_bit((v)->v0, i)) {                 \
                    BODY                                      \
                }                                             \
            }                                                 \
        }                                                     \
    } while (0)

#endif
