/*
 * tcg/x86_64/engine.h - the x86-64 back end: its engine, and what its parts do for each other.
 *
 * Registers in generated code: rbp the base pointer (tcg/backend.h), rsp the host stack with expected return addresses
 * (struct tcg_returns), rax and rcx scratch, the other twelve pinned to guest registers, the same map in every block. At block
 * boundaries, at calls of stubs and at every op that can leave, pinned registers hold guest state.
 *
 * xmm0-3 are scratch, the other twelve pinned to floating-point registers, but only while code_layout.fp_live is set, and
 * so does MXCSR hold the guest's rounding mode and new flags: blocks that need them load them at their entry (emit_fp.c),
 * and every way into C stores them (fp_stubs.c). docs/decisions/floating-point.md
 *
 * Everything here is used by one thread at a time (accel/tcg's translation lock), except what engine.c says.
 */
#ifndef TCG_X86_64_ENGINE_H
#define TCG_X86_64_ENGINE_H

#include "tcg/backend.h"
#include "tcg/buffer.h"
#include "tcg/x86_64/block.h"

enum {
    X86_STUB_AREA = 128 * 1024,  /* bytes at the start of the buffer for stubs and helper thunks */
    X86_MAX_THUNKS = 512,
    X86_NO_SLOT = 0xffff,
};

/* Instructions that x86-64-v1 lacks. */
struct x86_features {
    bool popcnt;      /* v2 */
    bool sse41;       /* v2 */
    bool bmi;         /* v3: BMI1, BMI2, LZCNT, MOVBE */
    bool vex;         /* v3: AVX, FMA */
    bool masks;       /* v4: AVX-512 of bytes, also on xmm and ymm */
    bool aes, clmul, sha; /* from v2 on, where the host has them and nobody forbade it (tcg_backend_options.plain) */
    bool wide_aes;    /* the same, on ymm */
};

/* Offsets of shared code in the buffer. */
struct x86_stubs {
    u32 enter;        /* struct { u64 leave, link } enter(base, target, va) */
    u32 leave_pc;     /* state pc is set: leave with TCG_LEAVE_PC */
    u32 leave_rax;    /* rax is the pc: leave with TCG_LEAVE_PC */
    u32 leave_rax_even; /* the same less its lowest bit */
    u32 leave_miss;   /* rax is the pc: goes on at what the runtime finds, or leaves with TCG_LEAVE_MISS */
    u32 leave_miss_even; /* rax is the pc less its lowest bit */
    u32 probe;        /* rax is the pc: through poll and jump cache */
    u32 no_return;    /* what the end frames hold: rax is the pc */
    u32 return_miss, return_miss_even; /* rax is the pc: the last frame is not its call's */
    u32 leave_link;   /* called; behind the call lies an s32, from x86_constants.links to the struct tcg_link */
    u32 leave_far_link; /* called; behind the call lies the struct tcg_link * */
    u32 leave_continuation, leave_far_continuation; /* the same; rax is the pc, in whatever page */
    u32 leave_saved;  /* pinned registers and pc are in the state: goes on where the runtime says, or leaves with TCG_LEAVE_PC */
    u32 refill_read, refill_write; /* refill.c; 0: none */
    u32 base_read, base_write, stack_read, stack_write; /* base_page.c */
    u32 window_other_rax, window_other_rcx; /* window.c */
    u32 load, store, amo, cas; /* slow paths, see stubs.c */
    u32 stored;       /* tcg_runtime.stored */
    u32 fp_load, fp_save; /* called: floating-point registers and MXCSR from and to the state; preserve general registers */
    u32 fp_exact;     /* called: see x86_fp_exact_* */
    u32 fp_flags_get, fp_flags_set; /* called: the flags to or from rax */
    u32 fp_round[4], fp_round_end; /* called: another rounding mode, and back */
    u32 constants;    /* struct x86_constants */
    u32 group_load[2], group_store; /* the same for the first access of a group; [write table] */
};

/* Lies behind calls of group_load and group_store; they return behind it. */
struct x86_group_call {
    u16 mem;    /* enum ir_mem word */
    s16 where;  /* snapshot pc */
    u16 ahead;  /* from the group's low end to the access */
    u16 bytes;  /* of the group */
    s16 put;    /* where in the state the loaded value belongs, if has_put */
    u8 length;  /* of the instruction */
    u8 has_put;
};

struct x86_thunk {
    const void *function;
    u32 at;
    u16 number;                 /* among the helpers that saved code may name; X86_NO_NUMBER: it may not */
};

/* Constants in the stub area; 16 bytes each where an instruction wants that. */
struct x86_constants {
    u64 sign64[2], sign32[2];      /* the sign bit of the lowest element */
    u64 magnitude64[2], magnitude32[2];
    u64 box[2];                    /* the upper half of a boxed single */
    u64 infinity64[2], infinity32[2]; /* without the sign; also the exponent of NaNs */
    u64 nan64, nan32;              /* the default NaN; boxed */
    u64 limit_u32_64, limit_u64_64; /* 2^32 - 1, 2^63 as double */
    u32 limit_u32_32, limit_u64_32; /* the largest single below 2^32; 2^63 */
    u32 mxcsr[8];                  /* by rounding mode */
    u8 flags[64];                  /* of softfloat, by MXCSR's */
    _Alignas(16) u8 swap[4][16];   /* shuffles that reverse the bytes of lanes, by log2 of their bytes */
    _Alignas(16) u8 reversed[16];  /* a shuffle: all bytes from the other end */
    u64 ghash_fold[2];             /* host/cipher_x86_64.c */
    u64 nans64[4];                 /* the default NaN in all lanes */
    u32 nans32[8];
    u8 spread[32];                 /* a shuffle: byte i takes byte i / 8 of four that are there in each half */
    u8 rotate32[3][32];            /* shuffles that rotate lanes of 4 bytes left, by 8, 16, 24 bits */
    u8 lane_bit8[32];              /* 1 << i % 8 for byte i; for larger lanes: 1 << i for lane i */
    u16 lane_bit16[16];
    u32 lane_bit32[8];
    u64 lane_bit64[4];
    u8 sixteens[16], to_128[16];   /* 16 and 112 in all bytes */
    u8 number8[32];                /* a lane's number, by the lanes' size */
    u16 number16[16];
    u32 number32[8], number64[8];  /* of lanes of 8 bytes in both halves */
    u64 links;                     /* what most links lie near */
    u64 layout;                    /* the engine's */
};

/* Where the cold code of blocks goes that lies apart: an area between blocks, of the chunk that ends at `limit`. Offsets in the buffer. */
struct x86_apart {
    bool on;
    bool refused;   /* the block being emitted did not fit */
    u32 at, end;    /* what is left of the area; equal: there is none */
    u32 limit;
    u8 *hot_end;    /* of the block being emitted, once its cold code begins; NULL: that follows */
};

struct tcg_engine {
    const struct code_layout *layout;
    const struct tcg_runtime *runtime;
    struct tcg_buffer *buffer;
    struct x86_features features;
    struct x86_stubs stubs;
    u32 stub_end;               /* next free offset in the stub area */
    struct x86_thunk thunk[X86_MAX_THUNKS];
    u32 thunk_count;
    GPtrArray *helpers;         /* of const struct ir_helper *, by number: the back end's own and the guest's */
    struct x86_places places;
    u8 *pin_of;                 /* per guest register: host register, or X86_NO_REG */
    u16 guest_of[X86_ALL_REGS]; /* per host register: guest register, or IR_NONE */
    u32 pinned_mask;            /* host registers that are pinned, of both classes */
    u16 budget;                 /* guest register that is the budget of the counting flavour, or IR_NONE */
    u8 *map_pin_of;             /* the same map as between blocks: a loop has one of its own */
    u16 map_guest_of[X86_ALL_REGS];
    struct x86_loop loop;

    /* One block being emitted. */
    struct x86_code code;
    const struct ir_block *block;
    struct tcg_code *out;
    u32 index;                  /* of the op being emitted */
    struct x86_value *value;    /* per op */
    u32 value_capacity;
    u16 *work;                  /* ops that emit something, in order; analysis */
    u32 work_count;
    bool uses_fp;               /* the block has floating-point registers loaded */
    u32 vector_count;           /* vector ops of it */
    struct x86_kept kept;
    u16 nan32, nan64;           /* pinned xmm registers that may hold NaNs of the host as guest state */
    u32 waiting;                /* the load whose base register was not written, x86_relative_waits; 0: none */
    u32 muted;                  /* the fenv_set that the comparison before it has done; 0: none */
    u16 owner[X86_ALL_REGS];   /* value in a host register, or IR_NONE; it is there only while it has readers left */
    u16 *home_of;               /* per guest register: the value whose home it is, or IR_NONE */
    u16 *current;               /* per guest register: the value that get gives (analysis) */
    u64 slot_free[TCG_SPILL_SLOTS / 64];
    u32 slot_words;             /* of slot_free that the block has changed */
    u16 dying_slot[8];          /* freed by the op being emitted, which may still read them */
    u32 dying_count;
    bool prepared;              /* groups belong to the block that emit gets next */
    bool analysed;              /* so do values */
    bool finding;               /* analysis looks for groups */
    struct x86_finder finder;
    struct x86_group group[X86_MAX_GROUPS];
    u32 group_count;
    u16 *group_of;              /* per op: its group, or IR_NONE; valid while prepared */
    struct x86_quick_group quick_group[X86_MAX_QUICK_GROUPS]; /* of the block that quick_emit gets next */
    u32 quick_group_count;
    struct x86_quick_check quick_check[2]; /* [write table] */
    struct x86_quick_cold quick_cold[QUICK_MAX];
    struct x86_quick_link quick_link[2];   /* jumps inside the page */
    u32 quick_cold_count, quick_link_count;
    u16 rcx_group;              /* group whose host address is in rcx, or IR_NONE */
    struct x86_cold *cold;
    u32 cold_count, cold_capacity;
    struct x86_recheck *recheck;
    u32 recheck_count, recheck_capacity;
    struct { s32 pc; x86_fixup from; } local[IR_MAX_EXITS]; /* jumps to labels further on */
    u32 local_count;
    struct { s32 pc; u8 *at; } label[IR_MAX_EXITS]; /* for jumps back */
    u32 label_count;
    struct tcg_fault *fault;    /* see tcg_backend.faults */
    u32 fault_count, fault_capacity;
    u16 link_of[IR_MAX_EXITS];  /* per exit: index of its link, or IR_NONE */
    u8 *tail;                   /* behind the block's call, where its return goes on with a jump, or NULL */
    u32 tail_cold;              /* that jump's link */
    struct x86_opened opened;   /* the block before it */
    struct x86_apart apart;
    struct { const u8 *end; s32 pc; } fall; /* the jump in the page that was emitted last: its end, where it leads */
    bool falls;                 /* the block lies right behind such a jump to it */
    struct x86_capstone *capstone; /* NULL until a listing is wanted */
};

/* --- stubs.c --- */
bool x86_stubs_emit(struct tcg_engine *e, GError **error);
/* The effect of helpers that are leaves (leaf.h), which only vector ops call: their one argument is in rax. */
enum { X86_HELPER_LEAF = 1 << 7 };
/* Offset of code that calls a helper with arguments from rax, rcx, scratch[0], scratch[1]; result in rax. 0: no room. */
u32 x86_thunk_for(struct tcg_engine *e, const struct ir_helper *helper);
/* Emits the call of it. */
void x86_call_helper(struct tcg_engine *e, const struct ir_helper *helper);

/* --- emit_*.c: helpers of the back end's own; NULL behind the last --- */
const struct ir_helper *x86_alu_helper(u32 i), *x86_wide_helper(u32 i), *x86_vector_helper(u32 i);

/* --- relocate.c --- */
void x86_helpers_collect(struct tcg_engine *e, const struct ir_helper *const *guest);
u16 x86_helper_number(const struct tcg_engine *e, const struct ir_helper *helper);
/* See struct tcg_backend. */
u64 x86_signature(const struct tcg_engine *e);
u32 x86_note_code(struct tcg_engine *e, void *to, u32 room);
u32 x86_save(struct tcg_engine *e, const struct tcg_code *const *code, u32 count, const void *note, void *to, u32 room);
u32 x86_restore(struct tcg_engine *e, const void *saved, u32 size, struct tcg_code *const *code, u32 count, u32 at, u32 limit);

/* --- refill.c --- */
void x86_refill_emit(struct tcg_engine *e);

/* --- store_code.c --- */
/* Whether the others of it may be asked. */
bool x86_store_code_can(const struct tcg_engine *e);
/* rcx: an address. The jump is taken when it lies in the page of tcg_near.written. Loses `temp` and flags. */
x86_fixup x86_store_code_ask(struct tcg_engine *e, enum host_reg temp);
/* Begins the stub for stores. */
void x86_store_code_emit(struct tcg_engine *e);

/* --- fp_stubs.c --- */
void x86_fp_stubs_emit(struct tcg_engine *e);
/* Before C is called, when all that must be kept is in its place: does nothing when nothing is loaded. Clobbers flags. */
void x86_fp_flush(struct tcg_engine *e);

/* --- analyse.c --- */
void x86_analyse(struct tcg_engine *e);

/* --- group.c --- */
/* See tcg_backend.prepare. */
void x86_prepare(struct tcg_engine *e, struct ir_block *block);
/* Analysis meets an op that accesses memory or calls a helper: `finding` is looked at here. */
void x86_group_find(struct tcg_engine *e, u32 i, const struct ir_op *op);
static inline void x86_group_note(struct tcg_engine *e, u32 i, const struct ir_op *op)
{
    if (e->finding)
        x86_group_find(e, i, op);
}
/* What is left of access i's guest instruction, when that is the put of its result, the put of one constant, or nothing; else false. */
bool x86_rest_of_insn(const struct ir_block *block, u32 i, struct x86_rest *rest);

/* Nothing of the guest instruction that may not be repeated has happened before op i. */
bool x86_is_clean(const struct ir_block *b, u32 i);

/* --- loop.c --- */
/* Decides whether a block with ir_block.loop set becomes one stretch of code; appends exits. Clears the flag if not. */
void x86_loop_prepare(struct tcg_engine *e, struct ir_block *block);
/* The map of registers inside the loop, and the one between blocks again. */
void x86_loop_enter_map(struct tcg_engine *e);
void x86_loop_leave_map(struct tcg_engine *e);
void x86_loop_begin(struct tcg_engine *e);
/* A floating-point register that holds a single in a box in all turns. */
bool x86_loop_is_boxed(const struct tcg_engine *e, u16 reg);
/* An access of a loop that needs no check in its turn: nothing leaves there. */
static inline bool x86_loop_is_stream(const struct tcg_engine *e, u32 i)
{
    return e->loop.on && e->loop.found.stream_of[i] != IR_NO_STREAM;
}
void x86_loop_exit_if(struct tcg_engine *e, const struct ir_op *op);
void x86_loop_exit(struct tcg_engine *e, const struct ir_op *op);
/* A jump back to a label at `to`. */
void x86_loop_inner(struct tcg_engine *e, const struct ir_op *op, u8 *to);
/* Where an access of a stream is; the base was taken before. False: it is of none. */
bool x86_loop_access(struct tcg_engine *e, const struct ir_op *op, struct x86_operand base, struct x86_mem *m);
/* The same for one that is, with a displacement. */
struct x86_mem x86_loop_place(struct tcg_engine *e, struct x86_operand base, s64 disp);
static inline bool x86_loop_has(const struct tcg_engine *e)
{
    return e->loop.on && e->loop.found.stream_of[e->index] != IR_NO_STREAM;
}

/* --- base_page.c --- */
/* The check of `bytes` from the address in rcx, when the base register has a page of its own. False: it has none. */
bool x86_base_check(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, struct x86_operand base, unsigned bytes);
/* Jumps that are taken where a group's check failed although the page was the right one: the group reaches into the next. */
struct x86_right {
    x86_fixup jump[3];
    u32 count;
};
/* rcx: an address xor that of a page which it was compared with. NULL: nobody wants to know. */
void x86_right_ask(struct tcg_engine *e, struct x86_right *right);
/*
 * Where that failed. What follows is as if the tables had said no: in rcx the address xor the entry's tag, its index in rax. Returns where to
 * ask again with the address in rcx.
 */
u8 *x86_base_cold(struct tcg_engine *e, const struct x86_cold *cold, struct x86_right *right);
void x86_base_stubs(struct tcg_engine *e);

/* --- relative.c --- */
/*
 * The check of `bytes` at base + low, when that is a constant distance from the code. pointer: rcx shall be the host's address of it, else of its page.
 * False: it is not, or reaches into another page.
 */
bool x86_relative_check(struct tcg_engine *e, struct x86_cold *cold, ir_value base, s64 low, unsigned bytes, bool pointer);
/* As x86_base_cold. */
u8 *x86_relative_cold(struct tcg_engine *e, const struct x86_cold *cold);
/* Whether nobody needs the pc_add that is being emitted, nor its put, unless the load behind them faults. Then they are left out. */
bool x86_relative_waits(struct tcg_engine *e, const struct ir_op *op);
void x86_relative_put(struct tcg_engine *e, const struct x86_cold *cold);

/* --- window.c --- */
/* Whether the access may use a window, as far as can be told without its base. */
bool x86_window_may(const struct tcg_engine *e, const struct ir_op *op);
/* The access that is being emitted does; rax and rcx are free but for a live base. cold is for when it faults. */
struct x86_mem x86_window_access(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, u32 group);
/* One behind the first of a group. */
struct x86_mem x86_window_member(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, u32 group);
/* The code from `start` on is what may fault. */
void x86_window_done(struct tcg_engine *e, struct x86_cold *cold, const u8 *start);
/* rcx, the address of a group's low end, becomes the host address. */
void x86_window_pointer(struct tcg_engine *e);
/* The base led to another region than last time. */
void x86_window_other(struct tcg_engine *e, const struct x86_cold *cold);
void x86_window_stubs(struct tcg_engine *e);

/* --- loop_inner.c --- */
struct x86_inner;
void x86_inner_prepare(struct tcg_engine *e, const struct ir_block *block);
/* A loop inside with streams of its own, by the pc of its label; NULL: it is none. */
const struct x86_inner *x86_inner_at(const struct tcg_engine *e, s64 label);
/* At a label, before what jumps back lead to. */
void x86_inner_begin(struct tcg_engine *e, s64 label);
void x86_inner_cold(struct tcg_engine *e, const struct x86_cold *cold);

/* --- loop_lanes.c --- */
/* Behind the loop's head, before its top: several turns at a time, where that can be. */
bool x86_loop_lanes(struct tcg_engine *e);

/* --- loop_strips.c --- */
/* Whether a block of vectors may be a loop: notes in engine.loop what its head must look at. */
/* Several turns at a time load all they need of an array before they load of the next one, and store so: not where others see the order and there are several. */
bool x86_loop_may_reorder(const struct ir_block *block);
bool x86_strips_find(struct tcg_engine *e, const struct ir_block *block);
/* Behind the loop's head, before its top: several turns at a time, where that can be. */
void x86_loop_strips(struct tcg_engine *e);

/* --- loop_near.c --- */
struct x86_operand;
/* In the loop's head. */
void x86_near_begin(struct tcg_engine *e);
/* The first access of struct x86_near: rax and rcx are free, base was captured before. */
struct x86_mem x86_near_check(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, struct x86_operand base);
/* One behind the first; false: it is none. */
bool x86_near_member(struct tcg_engine *e, const struct ir_op *op, struct x86_operand base, struct x86_mem *m);
void x86_near_cold(struct tcg_engine *e, const struct x86_cold *cold);
void x86_near_reset(struct tcg_engine *e, const struct x86_cold *cold);

/* Fields of place k. */
struct x86_mem x86_near_page(const struct tcg_engine *e, u32 k);
struct x86_mem x86_near_distance(const struct tcg_engine *e, u32 k);
struct x86_mem x86_near_limit(const struct tcg_engine *e, u32 k);
/* Counts another page than last time. */
void x86_near_missed(struct tcg_engine *e, s32 where);
/* Counts that other code does what was not in one page. */
void x86_near_split(struct tcg_engine *e);

static inline bool x86_near_first(const struct tcg_engine *e)
{
    return e->loop.on && e->loop.near_of[e->index] != X86_NO_NEAR && e->loop.near[e->loop.near_of[e->index]].first == e->index;
}

static inline bool x86_near_has(const struct tcg_engine *e)
{
    return e->loop.on && e->loop.near_of[e->index] != X86_NO_NEAR && !x86_near_first(e);
}
/* Cold: host registers are the guest's again. */
void x86_loop_restore(struct tcg_engine *e);
/* Cold: out of the loop by an exit that leads backward. */
void x86_loop_leave(struct tcg_engine *e, u32 exit);
/* The number of turns that are left: X86_ADD or X86_SUB of rcx. */
void x86_loop_change_turns(struct tcg_engine *e, enum x86_alu op);
struct ir_stream;
/* No more turns in `reg`, or the slot without one, than stay in the page, whichever way they take: `offset` is that of the stream's low end. Clobbers rax. */
void x86_loop_limit(struct tcg_engine *e, const struct ir_stream *s, struct x86_mem offset, unsigned reg, u16 slot);
void x86_loop_cold(struct tcg_engine *e, const struct x86_cold *cold);

/* --- loop_flags.c --- */

/* Comparisons that raise nothing: marks them, and notes by exit which guest register gets the flags there. */
void x86_loop_find_flags(struct tcg_engine *e, struct ir_block *b);
void x86_loop_compare(struct tcg_engine *e, const struct ir_op *op);
void x86_loop_compare_cold(struct tcg_engine *e, const struct x86_cold *cold);
/* On the way out by an exit, registers being where they are outside. Clobbers rax. */
void x86_loop_late_flags(struct tcg_engine *e, u32 exit);
/* Fills a link whose patchable field is at `site`: the stub comes here. cold.c */
void x86_link_stub(struct tcg_engine *e, u32 exit, x86_fixup site);
/* Leaves by an exit whose link is filled by such jumps alone. cold.c */
void x86_jump_to_link(struct tcg_engine *e, u32 exit);
/* Behind a check that failed, in cold code: repeated when the L2 knows the page. rcx is the address then. cold.c */
void x86_begin_slow(struct tcg_engine *e, const struct x86_cold *cold, s32 disp);

/* --- emit_fp.c, for cold code --- */
/* The op of an ir_fp_make_word in soft-float: everything but the result's register and the flags is kept. */
void x86_exact_call(struct tcg_engine *e, u32 word, const struct x86_operand o[3], unsigned result);

/* --- emit_mem.c, for cold code --- */
/* rcx = base + disp; may clobber rax. Returns the pinned register that keeps base, or X86_NO_REG. */
unsigned x86_address(struct tcg_engine *e, struct x86_operand base, s64 disp);
/* From an address in rcx to the host address of `bytes` bytes there; clobbers rax. The jump is taken when the table has no such page. */
x86_fixup x86_check(struct tcg_engine *e, s32 table, unsigned bytes);
/* Its first part: rax = the entry's displacement from the table, rcx = the offset in the page when the jump is not taken. */
/* rax = the index in an L1 of the address in rcx. */
void x86_l1_index(struct tcg_engine *e);
x86_fixup x86_check_tag(struct tcg_engine *e, s32 table, unsigned bytes);

/* orders: enum ir_order */
void x86_fence(struct tcg_engine *e, u32 orders);
/* One more check to be repeated behind C. */
void x86_recheck_add(struct tcg_engine *e, struct x86_cold *cold, const struct x86_recheck *recheck);

/* --- emit_vector.c, for cold code --- */
void x86_vector_cold(struct tcg_engine *e, const struct x86_cold *cold);

/* --- emit_count.c: the counting flavour --- */
/* budget += insns, which may be less than 0. Flags go where no host register holds the budget. */
void x86_budget_give(struct tcg_engine *e, s32 insns);
/* X86_ADD, X86_SUB or X86_CMP of the budget with a register. */
void x86_budget_alu(struct tcg_engine *e, enum x86_alu op, unsigned reg);
/* What a prepaid block has taken of the piece that has instruction number `insn`, and not retired: with that one, if it is not done. 0 in other blocks. */
s32 x86_unretired(const struct tcg_engine *e, u32 insn, bool done);
void x86_count_cold(struct tcg_engine *e, const struct x86_cold *cold);

/* --- cold.c --- */
struct x86_cold *x86_cold_add(struct tcg_engine *e, enum x86_cold_kind kind);
void x86_cold_emit(struct tcg_engine *e, u32 first, u32 end);
/* Pushes a value that is not in rax, whose contents may go. */
void x86_push_operand(struct tcg_engine *e, struct x86_operand o);
/* After C ran, in a block that has floating-point registers loaded. Clobbers flags. */
void x86_fp_reload(struct tcg_engine *e);

/* --- emit_*.c: one function per kind of op; the row says which --- */
typedef void x86_emit_fn(struct tcg_engine *e, const struct ir_op *op);
x86_emit_fn x86_emit_get, x86_emit_put, x86_emit_pc_add, x86_emit_extend;
x86_emit_fn x86_emit_binary, x86_emit_and_not, x86_emit_xnor, x86_emit_not_neg, x86_emit_shift, x86_emit_mul;
x86_emit_fn x86_emit_setcc, x86_emit_select, x86_emit_min_max, x86_emit_scan, x86_emit_bswap;
x86_emit_fn x86_emit_mul_high, x86_emit_div;
x86_emit_fn x86_emit_load, x86_emit_store, x86_emit_amo, x86_emit_cas, x86_emit_fence;
x86_emit_fn x86_emit_vector, x86_emit_vector_number, x86_emit_vector_transfer;

x86_emit_fn x86_emit_count, x86_emit_uncount;
/* The call of a helper that hosts may have an instruction for. False: this one has not. */
bool x86_emit_inlined(struct tcg_engine *e, const struct ir_op *op);
x86_emit_fn x86_emit_call, x86_emit_label, x86_emit_exit_if, x86_emit_exit, x86_emit_exit_to, x86_emit_leave;
x86_emit_fn x86_emit_fp_binary, x86_emit_fp_sqrt, x86_emit_fp_fma, x86_emit_fp_min_max, x86_emit_fp_compare, x86_emit_fp_to_integer;
x86_emit_fn x86_emit_fp_from_integer, x86_emit_fp_convert, x86_emit_fp_round, x86_emit_fp_sign, x86_emit_fp_copy_sign, x86_emit_fp_bits;
x86_emit_fn x86_emit_fp_from_bits, x86_emit_fp_unbox, x86_emit_fenv_get, x86_emit_fenv_set;
void x86_emit_cross(struct tcg_engine *e, u32 exit); /* a direct exit to another page */
void x86_guard_cold(struct tcg_engine *e, const struct x86_cold *cold);

/* Calls a C function of up to two pure operands (already released) as a helper; the result is op's. */
void x86_emit_pure_call(struct tcg_engine *e, const struct ir_helper *helper, struct x86_operand a,
                        struct x86_operand b);
/* Before links are counted: a block that ends with a call of the guest gets one for the way back. */
void x86_prepare_call(struct ir_block *b);
/* ... that ends with this exit. */
void x86_prepare_return(struct ir_block *b, const struct ir_exit *exit);
/* Puts `rax` (a guest virtual address) through the poll and the jump cache. */
void x86_emit_probe(struct tcg_engine *e);
/*
 * The ends of a block, with operands at hand; `reg` is the guest register with the return address where the guest calls, IR_NONE where it does
 * not. polls: somebody may go round and round by way of this exit.
 */
void x86_branch(struct tcg_engine *e, const struct x86_compare *compare, u32 exit, bool polls);
void x86_jump(struct tcg_engine *e, u32 exit, u16 reg, bool polls);
void x86_jump_to_rax(struct tcg_engine *e, const struct ir_exit *exit, u16 reg, bool even);
enum x86_cc x86_cc_of(enum ir_cond cond);
enum x86_shift x86_shift_of(unsigned code);
/* Makes operands that one compare instruction can take; may load temporaries. */
struct x86_compare x86_compare_prepare(struct tcg_engine *e, enum ir_type type, enum ir_cond cond, ir_value a,
                                       ir_value b);
void x86_compare_emit(struct tcg_engine *e, const struct x86_compare *compare);

/* --- engine.c --- */
static inline const struct x86_constants *x86_constants_at(const struct tcg_engine *e)
{
    return (const struct x86_constants *)(e->buffer->write + e->stubs.constants);
}

static inline u8 *x86_at(const struct tcg_engine *e, u32 offset)
{
    return e->buffer->write + offset;
}

/* The last four bytes emitted are relative to a stub or a constant. */
static inline void x86_note(struct tcg_engine *e)
{
    struct x86_places *places = &e->places;
    u32 at = (u32)(e->code.p - e->code.start) - 4;

    places->fixed |= at > UINT16_MAX || places->count == X86_MAX_PLACES;
    places->at[places->count & (X86_MAX_PLACES - 1)] = (u16)at;
    places->count += !places->fixed;
}

static inline void x86_call_stub(struct tcg_engine *e, u32 stub)
{
    x86_call_to(&e->code, x86_at(e, stub));
    x86_note(e);
}

static inline void x86_jmp_stub(struct tcg_engine *e, u32 stub)
{
    x86_jmp_to(&e->code, x86_at(e, stub));
    x86_note(e);
}

static inline void x86_jcc_stub(struct tcg_engine *e, enum x86_cc cc, u32 stub)
{
    x86_jcc_to(&e->code, cc, x86_at(e, stub));
    x86_note(e);
}

/* Bytes to insert at p so that a rel32 field `ahead` bytes behind p does not cross an 8-byte line. */
static inline unsigned x86_padding(const u8 *p, unsigned ahead)
{
    unsigned at = (uintptr_t)(p + ahead) & 7;

    return at > 4 ? 8 - at : 0;
}

/* Where blocks may begin, and jumps that become no-ops: their first five bytes lie in one word, for kill and set_link. */
static inline bool x86_is_entry(const u8 *p)
{
    return ((uintptr_t)p & 7) <= 3;
}

/* Bytes to the next such place. */
static inline unsigned x86_to_entry(const u8 *p)
{
    return x86_is_entry(p) ? 0 : 8 - ((uintptr_t)p & 7);
}

enum { X86_NOTE_PAGE = 6 }; /* from an indirect entry: the page's address is in rax, its low bits 0 */

/*
 * rbp is the base pointer and X86_BIAS: its low 16 bits are (l1_bits << 8 | 12) then, which is how bextr wants to be told of the bits of an
 * address that are its index in an L1 (docs/decisions/jit-memory.md).
 */
enum { X86_BIAS = TCG_PAGE_BITS };

static inline struct x86_mem x86_base(s32 disp)
{
    return x86_mem(RBP, disp - X86_BIAS);
}

static inline struct x86_mem x86_base_index(enum host_reg index, unsigned shift, s32 disp)
{
    return x86_mem_index(RBP, index, shift, disp - X86_BIAS);
}

/* Of the entry that rax is the index of. */
static inline struct x86_mem x86_l1_tag(s32 table)
{
    return x86_base_index(RAX, 3, table);
}

static inline struct x86_mem x86_l1_host(const struct tcg_engine *e, s32 table)
{
    return x86_base_index(RAX, 3, table + (s32)tcg_l1_hosts(e->layout->l1_bits));
}

/* The field of code that says which guard is compared. */
static inline struct x86_mem x86_guard_at(const struct tcg_engine *e, u32 guard)
{
    return x86_base(e->layout->guards + (s32)(guard * sizeof(u64)));
}

static inline u32 x86_guard(const struct tcg_engine *e, u32 guard)
{
    return (u32)x86_guard_at(e, guard).disp;
}

/* Whether a place, less pc_page, is in the page of the block's first instruction. */
static inline bool x86_in_page(s32 pc)
{
    return pc >= 0 && pc < TCG_PAGE_SIZE;
}

/* A spill slot. */
static inline struct x86_mem x86_slot(const struct tcg_engine *e, unsigned slot)
{
    return x86_base((slot < TCG_SPILL_NEAR ? e->layout->spill_near : e->layout->spill) + (s32)slot * 8);
}

static inline struct x86_mem x86_state_of(const struct tcg_engine *e, unsigned guest)
{
    return x86_base(e->layout->reg[guest].offset);
}

#endif
