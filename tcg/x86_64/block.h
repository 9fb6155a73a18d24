/*
 * tcg/x86_64/block.h - what the x86-64 back end knows of the block that it emits: where values are, what comes behind it as cold code, which accesses
 * share a check, and what it has found out about a loop. engine.h has the rules for registers.
 */
#ifndef TCG_X86_64_BLOCK_H
#define TCG_X86_64_BLOCK_H

#include "tcg/backend.h"
#include "tcg/loop.h"
#include "tcg/x86_64/enc_sse.h"

enum {
    X86_PIN_COUNT = 12,
    X86_XMM_TEMPS = 4, /* xmm0-3 */
};

/* Where a block being emitted depends on where it lies, relocate.c. */
enum { X86_MAX_PLACES = 8192, X86_MAX_CALLS = 256, X86_NO_NUMBER = 0xffff };
struct x86_places {
    bool fixed;                 /* it cannot be elsewhere, or there is too much */
    u32 count, call_count;
    u16 at[X86_MAX_PLACES];     /* fields that are relative to stubs and constants, from the begin of the code */
    struct x86_place_call {
        u16 at, number;         /* the same for thunks of helpers */
    } call[X86_MAX_CALLS];
};

/* Results of arithmetic may be NaNs that are not the default one, as the host makes them, until somebody could tell. */
enum x86_nan { NAN_CLEAN, NAN_32, NAN_64 };

/* Where a value is. */
enum x86_place { PLACE_NONE, PLACE_CONST, PLACE_REG, PLACE_STATE, PLACE_STACK };

/* What an op has to do with the carry flag. */
enum x86_carry {
    CARRY_NONE,
    CARRY_ADDS_FIRST,  /* add: its first argument is a comparison that nobody else reads, whose flag is added itself */
    CARRY_ADDS_SECOND, /* add, sub: its second one */
    CARRY_MADE,        /* add, sub: the comparison behind it asks for the flag that it leaves */
    CARRY_THERE,       /* that comparison */
};

struct x86_value {
    u8 place;   /* enum x86_place */
    u8 reg;     /* PLACE_REG: host register */
    u8 hint;    /* host register that the value is going to be put into, or X86_NO_REG */
    u8 computed; /* the op computes it into a register (not const, get, trunc) */
    u16 left;   /* readers still to come */
    u16 home;   /* guest register (i64) that holds the same value, or IR_NONE */
    u16 slot;   /* PLACE_STACK */
    u16 last;   /* its last reader (op) */
    u8 nan;     /* enum x86_nan */
    u8 carry;   /* enum x86_carry */
    u16 root;   /* the value that this one is a name for; itself unless it is a trunc or a repeated get */
    s64 imm;    /* PLACE_CONST: sign-extended */
};

/* An operand, ready to be encoded. Small enough for the host to hand around in registers. */
struct x86_operand {
    u8 place;
    u8 reg;   /* PLACE_STATE, PLACE_STACK: the base of its address */
    s32 disp;
    s64 imm;
};

/* What is left of a guest instruction behind its access. */
struct x86_rest {
    u16 put;  /* guest register that gets the loaded value, or IR_NONE */
    u16 note; /* guest register that gets the constant imm, or IR_NONE */
    s32 imm;
};

/* Code to be placed behind the block. */
enum x86_cold_kind { COLD_LOAD, COLD_STORE, COLD_AMO, COLD_CAS, COLD_LINK, COLD_CROSS, COLD_POLL_IF,
                     COLD_COUNT, COLD_FP_LOAD, COLD_NAN, COLD_UNBOX, COLD_EXACT, COLD_MUTE, COLD_SILENT, COLD_TURN, COLD_INNER, COLD_STREAM, COLD_STREAM_END, COLD_NEAR, COLD_AHEAD,
                     COLD_TRANSFER, COLD_VECTOR, COLD_ROOM, COLD_GUARD, COLD_ENTRY, COLD_FP_SAVE, COLD_NOTHING };
/* An access by a window is a COLD_LOAD or COLD_STORE with x86_cold.from NULL and this in x86_cold.extra. */
enum { X86_BY_WINDOW = 1 };

struct x86_compare {
    struct x86_operand a, b;
    u8 size;  /* 2 or 3: log2 of the bytes compared */
    u8 cond;  /* enum ir_cond, after exchange of operands */
};

/*
 * Accesses off one base value that share one check: before the first of them, [base + low, base + high) is known to lie in
 * one page with a tag, and its host address is kept in rcx, or in a spill slot while others need rcx.
 */
struct x86_group {
    u16 base;       /* root value */
    u16 exit;       /* where to go when the bytes lie in two pages: a `single` exit at the first access's instruction */
    u32 first, last; /* ops */
    s32 low, high;
    bool write;     /* checked against the write table, since some member stores */
    bool windows;   /* all members are accesses by windows: nothing is checked, and each may fault */
    bool active;    /* emission: checked, and members are still to come */
    u16 slot;       /* emission: spill slot with the host address, or X86_NO_SLOT */
};

/* Quick code's check of an access, as it is copied: from the address in rcx to the host address. */
struct x86_quick_check {
    u8 code[64];
    u8 size, limit, from; /* where its fields are: what the offset in the page may be at most, the jump when it fails */
};

struct x86_quick_cold {
    x86_fixup from;
    u8 *check, *back;
    u16 insn;   /* of the list */
};

struct x86_quick_link {
    x86_fixup field;
    u16 exit;
};

enum { X86_MAX_GROUPS = 32, X86_OPEN_GROUPS = 4, X86_MAX_QUICK_GROUPS = 8 };

/* The same in quick code: [base + low, base + high), of the entries from `first` on that name it. */
struct x86_quick_group {
    s32 low, high;
    u16 first, exit;
    bool write;
};

/* The search for groups, group.c. */
struct x86_finder {
    u16 open[X86_OPEN_GROUPS]; /* groups that may get more members */
    u32 open_count;
    u16 members[X86_MAX_GROUPS];
};

/* A check to be repeated in cold code, because C ran and may have changed tables. */
struct x86_recheck {
    struct x86_operand base;
    s32 low, high;
    bool write;
    u16 slot; /* where the host address belongs, or X86_NO_SLOT: rcx */
};

struct x86_inner;

struct x86_cold {
    u8 kind;
    u8 result;          /* LOAD, AMO, CAS: host register, or X86_NO_REG */
    u8 address;         /* host register that still holds the base address, or X86_NO_REG: undo the xor in rcx */
    u8 recheck_count;
    u16 mem;            /* enum ir_mem word */
    struct x86_rest rest; /* what is to be done when the block is left behind this instruction; GUARD: of a call, put is the register with the return address */
    u16 exit;           /* first of a group: its exit, or IR_NONE */
    u16 waiting;        /* guest register that is the base and gets the result, and was not written before, or IR_NONE */
    u32 extra;          /* AMO: the op; LINK, CROSS, GUARD: the exit; EXACT: ir_fp_make_word; NAN, UNBOX: registers, one in 8 bits */
    u16 nan32, nan64;   /* xmm registers that may hold NaNs of the host here */
    u16 offset;         /* in the page, of an access at a constant distance from the code */
    bool relative;      /* it is one: the check had the page in rcx, not the address */
    s32 base_at;        /* what `waiting` holds until the load is done, from the page of the code */
    x86_fixup from;     /* the jump that leads here */
    x86_fixup from_unaligned; /* a second one, taken while rcx still is the address; LINK, GUARD: from a poll; or NULL */
    u8 *check;          /* where the check begins, the address in rcx; GUARD: a third jump that leads here */
    u8 *back;           /* where to go on */
    /* Up to here cleared at first. */
    u32 recheck;        /* first of recheck_count in the engine's list */
    s32 table;          /* displacement of the L1 */
    s32 disp;
    s32 where;          /* snapshot pc */
    s32 unretired;      /* instructions from this one on that the block has taken from the budget */
    s32 next;           /* pc behind the instruction, when there are rechecks */
    s32 low, high;      /* first of a group: displacements that must lie in one page */
    s32 base;           /* displacement of the struct tcg_base of an access by one, or 0 */
    u32 fault;          /* WINDOW: its tcg_fault */
    bool by_rax;        /* WINDOW: the distance is to be in rax, else in rcx */
    bool pointer;       /* WINDOW: rcx is the host address of the group's low end behind it */
    u16 bytes;          /* that such an access covers, with its group */
    u8 *near_back;      /* in a loop: behind the comparison with the page found last, or NULL: there is none */
    u8 near;
    const struct x86_inner *inner; /* INNER: what counts its own turns, or NULL */
    union {
        struct {
            struct x86_operand value, value2, value3; /* EXACT: the operands; MUTE: the flags */
        };
        struct x86_compare compare; /* LINK with a poll of a conditional exit; size 0: none */
    };
};

/* A host register that a loop uses for something else than its guest register. */
struct x86_lent {
    u8 reg;
    u16 guest;  /* that lives in it meanwhile, or IR_NONE: a stream's distance */
    u16 owner;  /* the guest register it belongs to, whose value waits in `slot` */
    u16 slot;
    u16 from;   /* IR_NONE, or the slot of the distance */
    bool written; /* guest must go back to the state */
};

/* One stream of the loop being emitted: host address = guest address + distance - low. */
struct x86_stream {
    u8 reg;     /* that holds the distance, or X86_NO_REG: it is in `slot` */
    u16 slot;
};

/*
 * Accesses of no stream off one base value, between two labels: the page that the first of them found last is remembered, and
 * compared before the tables are asked.
 */
struct x86_near {
    u16 base;      /* root value */
    u32 first;     /* op */
    s32 low, high; /* displacements that must lie in one page */
    bool write;
};

/* A loop inside that has streams of its own: at its label all that some turns access is looked at. loop_inner.c */
struct x86_inner {
    struct ir_inner ops;
    s32 label;        /* its pc */
    u32 turns;        /* that are looked at at once */
    u32 first, count; /* of the struct x86_ahead */
    u8 *begin;        /* emission: where that is done */
};

/* One stream of a loop inside, and the place of a struct tcg_near_area that it uses. */
struct x86_ahead {
    struct ir_stream stream;
    s32 where; /* pc of an access */
    u8 nest;   /* index of the struct x86_inner */
    u8 near;
};

enum { X86_MAX_INNER = 4, X86_MAX_AHEAD = 12 };

enum { X86_MAX_LENT = 24, X86_MAX_GUARDS = 8, X86_MAX_BOXED = 8, X86_LOOP_SLOTS = 0, X86_NO_NEAR = 0xff };

/* loop.c */
struct x86_loop {
    bool on;                   /* the block prepared last is emitted as a loop */
    struct ir_loop found;
    struct x86_stream stream[IR_MAX_STREAMS];
    struct x86_lent lent[X86_MAX_LENT];
    u32 lent_count;
    struct { u16 reg; s32 imm; } guard[X86_MAX_GUARDS]; /* what unpinned registers must hold before the first turn */
    u32 guard_count;
    bool strips;               /* a strip-mined loop of vectors (loop_strips.c): guards are set before the first turn, where it is of the full length */
    u16 strip_length;          /* the register of the length that is left */
    s32 strip_full;            /* what it must not be less than */
    u16 boxed[X86_MAX_BOXED];  /* floating-point registers that the loop only reads, as singles: they must hold boxes before the first turn */
    u32 boxed_count;
    u16 late_nans;             /* emission: xmm registers that each turn writes before anybody reads them, or could leave: NaNs of the host stay in them */
    u16 *single;               /* per op: the exit for an access that cannot be done here, or IR_NONE */
    u16 late_of[IR_MAX_EXITS]; /* by exit: the guest register that gets the accumulated flags there, or IR_NONE */
    u16 inner[IR_MAX_EXITS];   /* by local exit that leads back: a direct one to the same place, for when turns are used up */
    struct x86_near near[TCG_NEAR_PLACES];
    u32 near_count;
    struct x86_inner nest[X86_MAX_INNER]; /* loops inside with streams of their own */
    u32 nest_count;
    struct x86_ahead ahead[X86_MAX_AHEAD];
    u32 ahead_count;
    u8 *ahead_of;              /* per op: index in ahead, or X86_NO_NEAR */
    struct ir_loop found_inner; /* for the search */
    u16 inner_turns;           /* slot of the turns left of the loop inside that is under way, of those that were looked at, less one */
    u8 inner_turns_reg;        /* register of it, or X86_NO_REG */
    u16 inner_offset;          /* slot for cold code */
    bool has_lanes;            /* several turns at a time (loop_lanes.c) */
    u32 serial;                /* names the loop being emitted, as owner of a struct tcg_near */
    u8 *near_of;               /* per op: index in near, or X86_NO_NEAR */
    u16 again;                 /* the exit to the variant of this code that checks each access: its one turn makes progress */
    u16 turns;                 /* slot of the number of turns left, less one */
    u8 turns_reg;              /* register of it, or X86_NO_REG */
    u8 *head, *top;            /* emission: where streams are checked; where turns begin */
    x86_fixup fails[1 + IR_MAX_STREAMS + X86_MAX_GUARDS + X86_MAX_BOXED]; /* jumps to where it is left for `again` */
    u32 fail_count;
    u8 *cross[IR_MAX_EXITS];   /* emission: of exits to the other page, those that were made: where the comparison of the page begins */
};

/*
 * Places of the vector file whose bytes are in xmm4 to xmm15, too, from one op to the next: in blocks of many vector ops that have no floating
 * point. The file always has them. emit_vector_kept.c
 */
enum { X86_KEPT = X86_XMM_COUNT - X86_XMM_TEMPS };
struct x86_kept {
    bool on;
    u8 bytes[X86_KEPT]; /* 0: none */
    u16 at[X86_KEPT];
    u32 used[X86_KEPT]; /* when */
    u32 now;
};

/* What cold code needs to know of a block whose ordinary code is there, and waits for the block that it returns to. */
struct x86_opened {
    bool on;
    bool uses_fp;
    const struct ir_block *block;
    struct tcg_code *out;
    u16 link_of[IR_MAX_EXITS];
    u32 cold_count;
};

#endif
