/*
 * tcg/x86_64/loop_strips.h - what loop_strips_find.c learns of a strip-mined loop of vectors, and loop_strips.c makes of it.
 */
#ifndef TCG_X86_64_LOOP_STRIPS_H
#define TCG_X86_64_LOOP_STRIPS_H

#include "tcg/loop.h"
#include "tcg/x86_64/emit_vector.h"

enum { MAX_GROUPS = 8, MAX_WORK = 12, MAX_CHUNKS = 16, MAX_RETAINED = 16, AT_ONCE = 4, UNORDERED = 3, FIRST_PINNED = X86_XMM0 + X86_XMM_TEMPS };

/* Bytes of the vector file that the loop names. */
struct x86_strip_group {
    u16 at;
    bool carried; /* read before it is written: from the turn before, or from outside */
    bool written, stored;
    bool rough;   /* may hold a NaN of the host that has not been looked for */
    u16 writer;   /* the last op that writes it */
    u8 reg[MAX_CHUNKS]; /* carried: where its chunks are in all turns */
};

struct x86_strips {
    struct tcg_engine *e;
    const struct ir_block *b;
    unsigned bytes, width, chunks;
    unsigned turns_log2; /* at a time */
    u16 work[MAX_WORK];  /* loads, arithmetic and stores, in order */
    u8 scalar[MAX_WORK]; /* where the scalar of each is, in all lanes */
    u32 work_count;
    struct x86_strip_group group[MAX_GROUPS];
    u32 group_count;
    u16 avl;             /* the register of the length that is left */
    s32 full, taken;     /* what the first branch compares it with, and what a turn takes from it */
    bool computes;       /* xmm0 to 3 are for arithmetic */
    bool raises;         /* some of it flags */
    bool fuses;          /* some of it may have to be done by C: */
    u8 fused_type;       /* on lanes of this type */
    bool searches, leaves; /* each turn makes bits of a comparison, op `comparison`; and leaves if one is set, by what op `first` says */
    u16 comparison, first;
    bool checks;         /* some turns may be given up: for either reason */
    s32 step[IR_MAX_REGS]; /* of integer registers; 0: they do not move */
    bool written[IR_MAX_REGS], read[IR_MAX_REGS], set[IR_MAX_REGS]; /* set: to a constant, or to the lane that was found */
    u32 free, used;      /* masks of xmm registers */
    bool out_of_registers;
    /* of the turns under way */
    u32 retained;        /* mask: wanted to the end */
    u8 stored[MAX_RETAINED];
    u32 stored_count;
    u8 checked[MAX_RETAINED];
    u32 checked_count;
    struct { u8 to, from; } handed[MAX_RETAINED];
    u32 handed_count;
    u8 bits;             /* register: lanes that the comparison found, in all chunks; 0: none yet */
    bool inverted;       /* lanes that it did not find */
};

/* Fills in what the turns do. False: it is no such loop. */
bool x86_strips_look(struct x86_strips *s);
/* The group at this byte of the vector file, a new one if there is none. NULL: others overlap it, or there are too many. */
struct x86_strip_group *x86_strips_group(struct x86_strips *s, unsigned at);
struct vec x86_strips_vec(const struct x86_strips *s, const struct ir_op *op);
bool x86_strips_fused(unsigned kind);
/* A scalar that is the same in all turns: a constant, or a register. NULL: it is none. */
const struct ir_op *x86_strips_steady(const struct x86_strips *s, ir_value v);

#endif
