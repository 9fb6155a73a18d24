/*
 * tcg/ir.h - the intermediate representation between guest front ends and host back ends.
 *
 * A block is a straight list of ops with side exits (single entry, many exits). Exits may lead to labels (loops of tier 2,
 * docs/decisions/tier-2.md); no value is read across a label, registers are what connects the parts. A value is named by the index
 * of the op that made it (SSA). Guest registers are read and written by get and put, in program order: at every
 * op that can leave, all puts before it are architecturally visible and none behind it is. Addresses of code are
 * never constants: they are pc_add (pc_page + delta), so that one translation serves every virtual address of
 * its page. docs/decisions/ir.md says how flags, condition codes and vectors fit.
 *
 * Nothing here knows a guest: registers are rows of the struct code_layout that is handed in.
 * A block belongs to one thread at a time.
 */
#ifndef TCG_IR_H
#define TCG_IR_H

#include "base/types.h"
#include <glib.h>

enum ir_type {
    IR_VOID, IR_I8, IR_I16, IR_I32, IR_I64,
    IR_F32, IR_F64, /* opaque bits with typed ops */
    /* later: I128 pairs, F16, F80, V64..V512 */
    IR_TYPE_COUNT
};

enum ir_opcode {
#define OP(id, ...) IR_##id,
#include "tcg/ops.def"
#undef OP
    IR_OPCODE_COUNT
};

enum ir_effect {
    IR_EFFECT_PURE = 0,
    IR_EFFECT_GET = 1 << 0,
    IR_EFFECT_PUT = 1 << 1,
    IR_EFFECT_LOAD = 1 << 2,
    IR_EFFECT_STORE = 1 << 3,
    IR_EFFECT_CALL = 1 << 4,
    IR_EFFECT_LEAVE = 1 << 5,
    IR_EFFECT_END = 1 << 6,
    IR_EFFECT_FENV = 1 << 7, /* reads the rounding mode, accumulates flags */
};

enum ir_cond { IR_EQ, IR_NE, IR_LT, IR_GE, IR_LTU, IR_GEU, IR_GT, IR_LE, IR_GTU, IR_LEU, IR_COND_COUNT };

enum ir_amo {
    IR_AMO_SWAP, IR_AMO_ADD, IR_AMO_AND, IR_AMO_OR, IR_AMO_XOR,
    IR_AMO_MINS, IR_AMO_MAXS, IR_AMO_MINU, IR_AMO_MAXU, IR_AMO_COUNT
};

/* Memory ordering masks of FENCE: first letter the earlier access. */
enum ir_order { IR_ORDER_RR = 1, IR_ORDER_RW = 2, IR_ORDER_WR = 4, IR_ORDER_WW = 8, IR_ORDER_ALL = 15 };

/* The aux word of a memory op. */
enum ir_mem {
    IR_MEM_8 = 0, IR_MEM_16 = 1, IR_MEM_32 = 2, IR_MEM_64 = 3, /* log2 of the bytes */
    IR_MEM_SIZE = 7,
    IR_MEM_SIGNED = 1 << 3,    /* a load extends by the sign, otherwise by zeros */
    IR_MEM_BIG = 1 << 4,       /* big-endian */
    IR_MEM_ALIGNED = 1 << 5,   /* a misaligned address faults (exclusives, AMOs); otherwise it works, in one go */
    IR_MEM_ACQUIRE = 1 << 6,
    IR_MEM_RELEASE = 1 << 7,      /* stores and atomics; in front of a load, front ends put a FENCE */
    IR_MEM_WRITE_INTENT = 1 << 8, /* a load that faults as a store does (LR/AMO read halves) */
    IR_MEM_ONES = 1 << 9,         /* a load extends by ones (a NaN box) */
    IR_MEM_EXCLUSIVE = 1 << 10,   /* a load that devices refuse, as they do atomics */
    IR_MEM_BLOCK = 1 << 11,       /* a store that faults unless all 64 bytes around it, aligned, may be written */
    IR_MEM_SPACE_SHIFT = 12,   /* address space; 0 is the current data space */
};

/* The aux word of a floating-point op. Flags that share a bit belong to different ops. */
enum ir_fp {
    IR_FP_ROUNDING = 7,                /* enum softfloat_rounding, or */
    IR_FP_DYNAMIC = 7,                 /* the mode in the state (code_layout.fp_rounding), which is none of RMM or invalid */
    IR_FP_NEGATE_PRODUCT = 1 << 3,     /* fma */
    IR_FP_NEGATE_ADDEND = 1 << 4,      /* fma */
    IR_FP_NAN_WINS = 1 << 3,           /* fmin, fmax */
    IR_FP_QUIET = 1 << 3,              /* fcmp: invalid for signalling NaNs only */
    IR_FP_LESS = 1 << 4,               /* fcmp: true when a < b; else false */
    IR_FP_EQUAL = 1 << 5,              /* fcmp: true when a == b */
    IR_FP_SILENT = 1 << 6,             /* fcmp: no flag is raised at all; back ends' own */
    IR_FP_EXACT = 1 << 3,              /* fround: inexact when the value changes */
    IR_FP_UNSIGNED = 1 << 3,           /* ftoi, itof */
    IR_FP_FROM_SHIFT = 8,              /* ftoi, itof, fcvt: the operand's type */
};

static inline enum ir_type ir_fp_from(u32 aux)
{
    return (enum ir_type)(aux >> IR_FP_FROM_SHIFT);
}

static inline bool ir_type_is_fp(unsigned type)
{
    return type >= IR_F32; /* the last ones */
}

static inline unsigned ir_mem_bytes(u32 mem)
{
    return 1u << (mem & IR_MEM_SIZE);
}

#define IR_NONE UINT16_C(0xffff) /* no value */

enum { IR_MAX_OPS = 8192, IR_MAX_REGS = 512 }; /* of a block; of a layout */

typedef u16 ir_value;

struct ir_op {
    u8 code; /* enum ir_opcode */
    u8 type; /* enum ir_type */
    u16 aux;
    ir_value arg[4];
    u16 snapshot; /* index into block->snapshot, for every op with IR_EFFECT_LEAVE */
    u16 uses;     /* readers of the result after dead-code; 0 before */
    union {
        s64 imm;
        const struct ir_helper *helper; /* CALL, VLD, VST */
    };
};

/* Guest state at an op: everything but the pc is in its place, the pc is pc_page + pc. */
struct ir_snapshot {
    s32 pc;     /* of the instruction, less pc_page */
    u16 icount; /* instructions of the block retired before it */
    u16 length; /* of the instruction in bytes */
};

enum ir_exit_kind {
    IR_EXIT_DIRECT,   /* to pc_page + pc */
    IR_EXIT_INDIRECT, /* to the operand of exit_to */
    IR_EXIT_LOCAL,    /* of exit_if and exit: to the label of pc, further on in the block; in a loop also back to one */
};

enum ir_exit_hint { IR_HINT_NONE, IR_HINT_CALL, IR_HINT_RETURN };

struct ir_exit {
    u8 kind;         /* enum ir_exit_kind */
    u8 hint;         /* enum ir_exit_hint: what a return-address predictor may use */
    u16 icount;      /* instructions retired when leaving here */
    u16 paid;        /* of a prepaid loop: instructions that the budget has been charged with when leaving here; less than icount: as many as were retired */
    bool continues;  /* back end's: where the return from this block's call goes on (IR_EXIT_DIRECT, no op leads to it) */
    bool single;     /* to the variant of the target whose memory accesses are checked one by one */
    s32 pc;          /* direct, local: target less pc_page */
    s32 return_pc;   /* hint call: address of the instruction behind the call, less pc_page */
};

enum { IR_MAX_EXITS = 64, IR_MAX_SNAPSHOTS = 512 };

enum { IR_MAX_FAR = 4 };

struct ir_block {
    struct ir_op *op; /* capacity ops; op[i] makes value i */
    u32 count, capacity;
    u16 *live;        /* capacity entries; the last live_count of the first `count`: ops, in order, that are neither nop nor insn */
    u32 live_count;   /* 0: not known; dead-code finds it */
    struct ir_exit exit[IR_MAX_EXITS];
    u32 exit_count;
    struct ir_snapshot snapshot[IR_MAX_SNAPSHOTS];
    u32 snapshot_count;
    u32 first_pc;     /* of the block less pc_page: 0..page size-1 */
    u32 byte_count;   /* guest code bytes covered, from first_pc on; may reach into the next page for a crossing instruction */
    u32 below;        /* bytes in front of first_pc that are covered too, where it goes on after a jump back */
    u32 insn_count;
    bool winds;       /* not every instruction lies behind the one before it */
    bool behind;        /* what ran last leads here, as far as is known: in the same page and mode as the block whose code was emitted last */
    bool single_memory; /* back ends must not check several accesses at once (the variant that a failed group check wants) */
    bool loop;        /* leads back to its own start, often: back ends may make one stretch of code of many turns (tcg/loop.h) */
    bool momentary;   /* made for what the state says just now: of no use another time */
    bool total_order; /* others see in which order loads, and stores, happen (a stronger memory model than RVWMO): they keep it over several turns of such a loop */
    bool streams;     /* back end's: of such a loop that moves through memory whose pages it checks for many turns at once */
    u64 stays[4];     /* of other blocks: by 16 bytes of the page, instructions whose base registers had better be asked where they led last */
    bool windows;     /* of other blocks: accesses may use windows (tcg/backend.h), */
    u64 roams[4];     /* but, by 16 bytes of the page, for those instructions; */
    u64 alters[4];    /* likewise, those whose bases lead to other regions all the time */
    u16 far[IR_MAX_FAR]; /* such a loop: page offsets of instructions that find another page too often */
    u8 far_count;     /* more than IR_MAX_FAR: all of them */
    u16 next_guard;   /* such a loop: of the page behind, when it goes on there (struct tcg_link.guard); else 0 */
    bool apart;       /* such a loop: accesses are checked together only where they have bytes in common, since too often a page ended between them */
    bool truncates;   /* there may be truncs of what `narrow` could make narrow */
    bool prepaid;     /* counting flavour: memory accesses that fail, and the exits of loops, leave it to the back end to give back what count
                         took of their piece (the instructions from one count to the next) and is not retired */
    bool overflow;    /* sticky: an op, exit or snapshot did not fit; the block is void */
    /* What the builder knows while it folds through guest registers: ir_block_track. */
    bool tracking;
    u32 tracked;      /* registers */
    u32 last_leave;   /* latest op that can leave or needs guest registers in their places */
    ir_value current[IR_MAX_REGS]; /* the value in a guest register, IR_NONE: not known */
    struct ir_op *spare; /* for passes: capacity ops to rewrite into, then exchange with op */
    ir_value *map;       /* for passes: by old value; map[IR_NONE] is IR_NONE, so operands need no test */
};

/*
 * Whether an exit by the instruction at `from` to `pc` in the page may close a circle: each must have one that asks for exit requests. Of a block that
 * winds, that is all that does not lie behind the whole of it.
 */
static inline bool ir_is_backward(const struct ir_block *b, s32 from, s32 pc)
{
    return pc <= (unlikely(b->winds) ? (s32)(b->first_pc + b->byte_count) - 1 : from);
}

/* A C function that translated code may call: u64 fn(void *vcpu, args...), each argument u64. */
struct ir_helper {
    const char *name;
    void *function;
    u8 arg_count;   /* 0..4, without the vCPU */
    u8 result;      /* enum ir_type; IR_VOID: none. With IR_HELPER_MAY_LEAVE: IR_VOID, and the C result is a bool "leave" */
    u8 effects;     /* enum ir_helper_effect */
    u8 inlined;     /* enum ir_inline; only of pure ones */
    void *attempt;  /* tcg/attempt.h, of at most three arguments; only with IR_HELPER_MAY_LEAVE. NULL: none */
};

/* What pure helpers compute that hosts have instructions for. Back ends may use these, and must come to the same results. */
enum ir_inline {
    IR_INLINE_NONE,
    IR_INLINE_CLMUL,  /* polynomial product over GF(2) of two arguments: the low 64 bits */
    IR_INLINE_CLMULH, /* the bits above */
    IR_INLINE_CLMULR, /* bits 63 to 126 */
    /* A round of AES (FIPS 197) without key; columns 0 and 1, and columns 2 and 3: columns 0 and 1 of the result. Row 0 is the low byte. */
    IR_INLINE_AES_ENCRYPT,
    IR_INLINE_AES_ENCRYPT_LAST, /* columns are not mixed */
    IR_INLINE_AES_DECRYPT,
    IR_INLINE_AES_DECRYPT_LAST,
    IR_INLINE_AES_UNMIX, /* two columns: InvMixColumns */
    IR_INLINE_AES_KEY,   /* the upper half of a, and a round of 0 to 10: bytes substituted, but in 10 rotated, constant added; in both halves */
};

enum ir_helper_effect {
    IR_HELPER_PURE = 0,           /* only its arguments matter: no state, no memory */
    IR_HELPER_READS = 1 << 0,     /* reads guest registers in the state */
    IR_HELPER_WRITES = 1 << 1,    /* writes guest registers in the state (implies that they were stored before) */
    IR_HELPER_NEEDS_PC = 1 << 2,  /* the state's pc must be that of this instruction during the call */
    IR_HELPER_FLAGS = 1 << 4,     /* changes state that no get or put names (accrued FP flags): never dropped or merged */
    IR_HELPER_SWITCHES = 1 << 5,  /* may change the base pointer (code_layout.base): data addresses mean something else behind it */
    IR_HELPER_MAY_LEAVE = 1 << 3, /* result != 0: leave to the dispatcher; the helper has set the state's pc. Implies NEEDS_PC, READS, WRITES */
};

/* One guest register as get and put see it. */
struct ir_reg {
    const char *name;
    u8 type;   /* enum ir_type */
    s32 offset; /* bytes from the state base */
};

const char *ir_op_name(enum ir_opcode code);
const char *ir_type_name(enum ir_type type);
unsigned ir_type_bits(enum ir_type type);
unsigned ir_op_operands(const struct ir_op *op); /* CALL: those of the helper */
u32 ir_op_effects(enum ir_opcode code);
enum ir_type ir_op_result(const struct ir_op *op); /* IR_VOID: none */
enum ir_cond ir_cond_invert(enum ir_cond cond);
enum ir_cond ir_cond_swap(enum ir_cond cond); /* for exchanged operands */
bool ir_cond_holds(enum ir_cond cond, enum ir_type type, u64 a, u64 b);

/* Capacity in ops, at most IR_MAX_OPS. */
struct ir_block *ir_block_create(u32 capacity);
void ir_block_destroy(struct ir_block *block);
/* Empties a block for the code at first_pc (less pc_page). */
void ir_block_reset(struct ir_block *block, u32 first_pc);
/*
 * From here on the builder knows what guest registers hold: a get of a known value is that value, a put of what is there is nothing, and
 * idioms of several instructions become one op (tcg/idioms.h). Off in an empty block; the pass `forward` does it for blocks built without.
 */
void ir_block_track(struct ir_block *block, u32 reg_count);

/* Text form, one op a line; parses back. Registers by name from the table. The caller frees. */
char *ir_print(const struct ir_block *block, const struct ir_reg *regs, u32 reg_count);
bool ir_parse(struct ir_block *block, const char *text, const struct ir_reg *regs, u32 reg_count,
              const struct ir_helper *const *helpers, GError **error);

/* The next place above pc that local exits lead to and no label was made for; IR_NO_LABEL: there is none. */
#define IR_NO_LABEL INT32_MAX
s32 ir_next_label(const struct ir_block *block, s32 pc);
/* Local exits that met no label become direct ones. For builders, at the end. */
void ir_block_resolve(struct ir_block *block);

/* Checks the contract; the message names the op. Run after every pass in debug builds. */
bool ir_verify(const struct ir_block *block, const struct ir_reg *regs, u32 reg_count, GError **error);

#endif
