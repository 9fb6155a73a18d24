/*
 * tests/ir/machine.h - a fake vCPU for IR tests: registers of every type, eight pages of guest memory of different kinds, the
 * runtime functions that back ends call, and helpers of every kind. What it does is deterministic, so that two back ends can be
 * compared by its state.
 */
#ifndef TESTS_IR_MACHINE_H
#define TESTS_IR_MACHINE_H

#include "tcg/backend.h"
#include "tcg/vector.h"

enum {
    MACHINE_LONGS = 16,  /* a0..a15, i64; the first 12 are pinned */
    MACHINE_WORDS = 4,   /* w0..w3, i32 */
    MACHINE_HALVES = 2,  /* h0 h1, i16 */
    MACHINE_BYTES = 2,   /* b0 b1, i8 */
    MACHINE_FLOATS = 6,  /* d0..d5, f64; the first 4 are pinned */
    MACHINE_REGS = MACHINE_LONGS + MACHINE_WORDS + MACHINE_HALVES + MACHINE_BYTES + MACHINE_FLOATS,
    MACHINE_PAGES = 8,
    MACHINE_L1_BITS = 4,
    MACHINE_JUMP_BITS = 4,
};

#define MACHINE_RAM  UINT64_C(0x7fffffffe000) /* first page; two lie below 2^47, the others above it */
#define MACHINE_CODE UINT64_C(0x12345678a000) /* pc_page at the start */

/* Page n of guest memory: 5 is read-only, 6 is a device, 7 is not mapped, the others are RAM. */
enum { PAGE_READ_ONLY = 5, PAGE_DEVICE = 6, PAGE_ABSENT = 7 };

/* What generated code sees through the base pointer; `state` is where the base points. */
struct machine_host {
    u64 fp_area[8];
    u64 scratch[4];
    u64 spill[TCG_SPILL_NEAR];
    struct tcg_returns returns;
    void *vcpu;
    u64 pc, pc_page;
    s64 icount;
    u32 exit_request;
    u32 fp_live;
};

struct machine_state {
    u64 a[MACHINE_LONGS];
    u32 w[MACHINE_WORDS];
    u16 h[MACHINE_HALVES];
    u8 b[MACHINE_BYTES];
    u8 fp_rounding, fp_flags;
    u64 d[MACHINE_FLOATS];
    u64 length;  /* code_layout.vector_length */
    _Alignas(16) u8 v[IR_VECTOR_FILE];
};

struct machine {
    u8 below[(MACHINE_L1_BITS << 8) - sizeof(struct machine_host)]; /* so that state is at tcg_base_place() */
    struct machine_host host;
    struct machine_state state;
    u8 gap[4096 - sizeof(struct machine_state)];
    _Alignas(64) u64 spill[TCG_SPILL_SLOTS];
    struct machine_l1 {
        u64 tag[1 << MACHINE_L1_BITS];
        u8 skew[TCG_L1_SKEW];
        u64 host[1 << MACHINE_L1_BITS];
    } l1_read, l1_write;
    struct tcg_jump_entry jump[1 << MACHINE_JUMP_BITS];
    struct tcg_near near;
    u8 *page[MACHINE_PAGES]; /* host pages, not in order */
    u8 *memory;
    u64 trace;               /* hash of what helpers and devices saw */
    u64 traps;
    bool no_fill;            /* L1 stays empty: every access takes the slow path */
};

extern const struct ir_reg machine_regs[MACHINE_REGS];
extern const struct code_layout machine_layout;
extern const struct tcg_runtime machine_runtime;

/* The helpers, NULL at the end. */
extern const struct ir_helper *const machine_helpers[];
/* For vld and vst: (address, bytes | place in the vector file << 16 | is a load << 32). All bytes, or a trap. */
extern const struct ir_helper machine_transfer;

struct machine *machine_create(void);
void machine_destroy(struct machine *m);
/* Registers, memory and tables from a seed: equal seeds give equal machines. */
void machine_reset(struct machine *m, u64 seed);
/* Empties the L1s and the jump cache. */
void machine_flush(struct machine *m, u64 jump_miss);
/* What a state is compared by. The caller frees. */
char *machine_describe(const struct machine *m);
bool machine_equal(const struct machine *a, const struct machine *b);

/* A small generator (splitmix64). */
u64 random_next(u64 *state);
/* A number that tends to be interesting: edges of types, small ones, random ones. */
u64 random_value(u64 *state);
/* An f64 register: edges, small integers, boxed singles, any bits. */
u64 random_float(u64 *state);

/* Runs a block by eval.h and the slow paths alone, until it leaves or before op `until`. */
enum tcg_leave reference_run(struct machine *m, const struct ir_block *block, u32 until);

/* A random block. raw: without the builder's folding; the same seed makes the same choices. */
void generate_block(struct ir_block *block, u64 seed, u32 length, bool raw);

#endif
