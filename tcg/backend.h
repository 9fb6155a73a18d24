/*
 * tcg/backend.h - what a host back end (tcg/x86_64/, tcg/interp/) offers to accel/tcg, and the layout of state and
 * tables that accel/tcg hands down. Back ends never see a struct vcpu.
 *
 * One base pointer (x86-64: rbp) reaches everything: the vCPU's architectural state at 0 and up, a host part just
 * below it (negative offsets), and the tables of the current translation context at larger offsets. The pages of
 * the state are mapped once per context next to that context's tables (aliases of the same memory), so switching
 * contexts is changing the base pointer: nothing is copied.
 */
#ifndef TCG_BACKEND_H
#define TCG_BACKEND_H

#include "tcg/ir.h"
#include "tcg/quick.h"

enum { TCG_MAX_PINNED = 16, TCG_PAGE_BITS = 12, TCG_PAGE_SIZE = 1 << TCG_PAGE_BITS };

/*
 * An L1 data TLB: tags of 1 << l1_bits pages (their guest virtual addresses; hit: (va ^ tag) <= 4096 - bytes) and, tcg_l1_hosts() bytes behind
 * each of them, the host address of its page. They are apart because hosts add an index times eight to an address, not times sixteen, and not
 * by a multiple of 4096, so that they lie in other sets of the host's cache.
 */
enum { TCG_L1_SKEW = 320 };

static inline u32 tcg_l1_hosts(unsigned l1_bits)
{
    return (8u << l1_bits) + TCG_L1_SKEW;
}

/* Of the whole. */
static inline u32 tcg_l1_bytes(unsigned l1_bits)
{
    return (16u << l1_bits) + TCG_L1_SKEW;
}

static inline u32 tcg_l1_index(u64 va, unsigned l1_bits)
{
    return (u32)(va >> TCG_PAGE_BITS) & ((1u << l1_bits) - 1);
}

static inline u64 *tcg_l1_host(u64 *tag, unsigned l1_bits)
{
    return (u64 *)(void *)((u8 *)tag + tcg_l1_hosts(l1_bits));
}

/* Host bytes of [va, va + bytes), at most a page of them, when the table has them. NULL: it has not. */
static inline u8 *tcg_l1_look_up(u64 *table, unsigned l1_bits, u64 va, u64 bytes)
{
    u64 *tag = &table[tcg_l1_index(va, l1_bits)], offset = va ^ *tag;

    return offset <= TCG_PAGE_SIZE - bytes ? (u8 *)(uintptr_t)*tcg_l1_host(tag, l1_bits) + offset : NULL;
}

/*
 * Low 16 bits of every base pointer: back ends may keep a constant in them that they make of this (x86-64: what bextr wants to be told).
 * The low eight are 0.
 */
static inline u32 tcg_base_place(unsigned l1_bits)
{
    return l1_bits << 8;
}

/*
 * An entry of the L2 TLB, which all contexts of a vCPU share. `code` leads to what says whether the page has translated code: *code
 * is NULL, or points to a u64 that is 0 when it has none.
 */
struct tcg_l2_entry {
    u64 va;    /* of the page | enum tcg_l2_bits */
    u64 space; /* number of the address space it belongs to, or the number for all of them; 0: empty */
    u64 host;  /* host address of the page */
    const u64 *const *code;
};

enum tcg_l2_bits {
    TCG_L2_KIND = 31,          /* which bit of may_read, may_write ... tells */
    TCG_L2_DEVICE = 1 << 5,    /* not RAM */
    TCG_L2_READ_ONLY = 1 << 6, /* ROM */
};

enum { TCG_L2_WAYS = 4, TCG_L2_BITS = 11, TCG_FILL_LOG = 2000 };

/* Which entries of an L1 are in use, so that clearing it costs what was used. */
struct tcg_fill_log {
    u32 count; /* above TCG_FILL_LOG: any entry may be */
    u16 index[TCG_FILL_LOG];
};

/* What refilling an L1 from the L2 needs to know of the context; it lies behind the context's tables. */
struct tcg_refill {
    struct tcg_l2_entry *l2;      /* 1 << TCG_L2_BITS sets of TCG_L2_WAYS; NULL: none */
    u64 space, shared;            /* numbers that match here */
    u64 salt;                     /* into the number of the set, for addresses in the lower half */
    u32 may_read, may_write, may_fetch;
    struct tcg_fill_log read_log, write_log;
};

/* The set for an address: the upper half is mostly the same in all spaces, the lower half is not. */
static inline u32 tcg_l2_set(u64 salt, u64 va)
{
    return (u32)(va >> TCG_PAGE_BITS ^ ((s64)va < 0 ? 0 : salt)) & ((1u << TCG_L2_BITS) - 1);
}

struct tcg_jump_entry {
    u64 va;    /* guest virtual address of a block's first instruction */
    u64 code;  /* its indirect entry (host address) */
};

/*
 * Some address matches any tag, so an empty entry holds the tag of a page that indexes elsewhere: no address that reaches entry i can match it.
 */
static inline u64 tcg_tlb_never(u32 index)
{
    return (u64)(index ^ 1) << 12;
}

/* Empty jump-cache entries have code = the back end's miss stub (tcg_backend.jump_miss), so their va does not matter. */
static inline u32 tcg_jump_index(u64 va, unsigned jump_bits)
{
    return (u32)((va >> 1) ^ (va >> (1 + jump_bits))) & ((1u << jump_bits) - 1);
}

/*
 * Return addresses that the back end expects, on the host stack of the vCPU's thread: frames of two words, the host address that goes on
 * and the guest address it stands for, from `bottom` down to `low`. Only while C runs that was called from generated code is there
 * anything between them.
 */
struct tcg_returns {
    u64 low, bottom; /* at `bottom`: a frame that no return matches; both 0: the back end has none */
    u64 limit;       /* of the back end */
};

/*
 * Guards of direct exits into other pages: entry n says where the page of code number n (from 1 on) is in this context, as the virtual address |
 * TCG_GUARD_SET; 0: it is not known to be anywhere. Such an exit looks whether the page it leads to is the one it was linked to.
 */
enum { TCG_GUARDS = 1 << 15, TCG_GUARD_SET = 1 };

enum { TCG_SPILL_NEAR = 3, TCG_SPILL_SLOTS = 1024 };

enum { TCG_NEAR_AREAS = 16, TCG_NEAR_PLACES = 16 };

/*
 * What accesses found last. Of loops (ir_block.loop) it is kept from one entry to the next: an area is that of the loop that `owner` names (tcg_code.near), and
 * empty for others. Whoever takes away anything that an L1 says, or might have said, makes all owners 0,
 * and the limits of all bases that are known, and forgets the page that is written.
 */
enum { TCG_BASES = 32, TCG_REACHES = 3, TCG_BASE_MISSED = 16 };

/* How many bytes an access, or a group of accesses, may cover at most to use struct tcg_base of that number. */
static inline u32 tcg_reach(u32 number)
{
    return 8u << 2 * number; /* 8, 32, 128 */
}

/* The page that a base register led to last. An address that no guest has, so that nothing is in that page: not one that is translated, not one of RAM. */
#define TCG_BASE_NOWHERE (UINT64_C(1) << 63)

struct tcg_base {
    u64 page, host;  /* guest address of the page; host address */
    u64 limit;       /* offsets in the page below it are those of accesses that stay inside; 0: nothing is known, and the page is TCG_BASE_NOWHERE */
    u64 page_limit;  /* constant */
};

struct tcg_near {
    struct tcg_base base[TCG_BASES][2][TCG_REACHES]; /* what is what is the back end's; [writes] */
    struct tcg_base before[2][TCG_REACHES];          /* of the stack pointer: the page before that one */
    s32 before_left;                                 /* how often that is taken until it becomes the last one again */
    u16 known[(TCG_BASES + 1) * 2 * TCG_REACHES];    /* offsets in this structure of those with a limit */
    u32 known_count;
    u32 base_misses;   /* of accesses by base: other pages than last time, since somebody made it 0 */
    struct {
        u64 page;
        s64 where;     /* page offset of the instruction in bits 16..31 (signed), the rest is the back end's */
    } base_missed[TCG_BASE_MISSED]; /* where that was the last times */
    struct {
        u64 page, host;     /* guest address, or TCG_BASE_NOWHERE; host address of offset 0 */
        const u64 *lines;   /* a bit per 1/64 of the page: it has code, and the runtime must know of stores, by `stored` when they were done */
        u64 none;           /* constant 0 */
    } written;              /* a page that has code and is written nevertheless */
    u32 owner[TCG_NEAR_AREAS];
    struct tcg_near_area {
        u32 misses;  /* other pages than last time, since somebody made it 0 */
        s32 missed;  /* where that was last: page offset of the instruction */
        u32 splits;  /* how often something was not in one page that may be accessed, and other code did it, since somebody made it 0 */
        struct {
            u64 page, distance; /* guest address; from there to the host's */
            u64 limit;          /* 0: nothing was found yet */
        } place[TCG_NEAR_PLACES];
    } area[TCG_NEAR_AREAS];
};

static inline void tcg_base_forget(struct tcg_base *base)
{
    base->limit = 0;
    base->page = TCG_BASE_NOWHERE;
}

static inline void tcg_base_init(struct tcg_base *base, u32 reach)
{
    base->page_limit = TCG_PAGE_SIZE + 1 - tcg_reach(reach);
    tcg_base_forget(base);
}

static inline void tcg_near_forget_written(struct tcg_near *near)
{
    near->written.page = TCG_BASE_NOWHERE;
    near->written.lines = &near->written.none;
}

static inline void tcg_near_init(struct tcg_near *near)
{
    tcg_near_forget_written(near);
    for (u32 writes = 0; writes < 2; writes++) {
        for (u32 reach = 0; reach < TCG_REACHES; reach++) {
            tcg_base_init(&near->before[writes][reach], reach);
            for (u32 i = 0; i < TCG_BASES; i++)
                tcg_base_init(&near->base[i][writes][reach], reach);
        }
    }
}

static inline void tcg_near_forget(struct tcg_near *near)
{
    for (u32 i = 0; i < TCG_NEAR_AREAS; i++)
        near->owner[i] = 0;
    tcg_near_forget_written(near);
    for (u32 i = 0; i < near->known_count; i++)
        tcg_base_forget((struct tcg_base *)(void *)((u8 *)near + near->known[i]));
    near->known_count = 0;
}

/*
 * Windows: where a guest page may be accessed, it may be mapped a second time, at its guest address plus the distance of its region. A region is what
 * addresses have in common from bit TCG_WINDOW_SHIFT on; distances are found by its low TCG_WINDOW_INDEX bits, so each of them leads any address with these bits,
 * and what lies TCG_WINDOW_REACH bytes before and behind, to the page or to where the host has nothing. Code accesses it and goes on elsewhere when that faults.
 */
enum { TCG_WINDOW_SHIFT = 38, TCG_WINDOW_INDEX = 9, TCG_WINDOW_REACH = 1 << 21 };

/* What a base register, or several, led to last: the low 16 bits of the region, and the distance that is found by it. */
enum { TCG_WINDOW_BASES = 32, TCG_WINDOW_OTHERS = 16 };

struct tcg_windows {
    u64 distance[1 << TCG_WINDOW_INDEX];
    struct tcg_window_base {
        u64 region, distance;
    } base[TCG_WINDOW_BASES]; /* which is which is the back end's; whoever changes a distance makes all of them region 0 and its distance */
    u64 others; /* how often a base led to another region than last time, since somebody made it 0 */
    struct {
        u64 page;
        s64 where; /* page offset of the instruction, or less than 0 */
    } other[TCG_WINDOW_OTHERS]; /* where that was the last times */
};

/* An instruction that may fault: an offset in the buffer, bytes, and the offset where to go on then. */
struct tcg_fault {
    u32 at, size, cold;
};

struct code_layout {
    const struct ir_reg *reg; /* guest registers that get/put name */
    u32 reg_count;
    u16 pinned[TCG_MAX_PINNED]; /* registers (indices into reg, i64) in order of preference for host registers */
    u32 pinned_count;
    u16 stack_pointer; /* that register, or IR_NONE: none */
    u16 pinned_fp[TCG_MAX_PINNED]; /* the same for registers of type f64 */
    u32 pinned_fp_count;
    /* Offsets from the base pointer, which lies at tcg_base_place(). */
    s32 vcpu;         /* void *: first argument of helpers and runtime functions */
    s32 base;         /* u64: the base pointer itself, for helpers that change it (IR_HELPER_SWITCHES); 0: none do */
    s32 pc;           /* u64: guest pc, valid outside generated code and where a helper needs it */
    s32 pc_page;      /* u64: virtual address of the page of the running block's first instruction */
    s32 exit_request; /* u32: non-zero: leave at the next poll */
    s32 loop_entries; /* u32: the back end adds 1 where a loop (ir_block.loop) is entered by other code; 0: nobody wants to know */
    s32 scratch;      /* u64[4] for the back end's own use, never saved */
    s32 spill_near;   /* u64[TCG_SPILL_NEAR] likewise, near the base */
    s32 spill;        /* u64[TCG_SPILL_SLOTS] likewise */
    s32 returns;      /* struct tcg_returns */
    s32 fp_rounding;  /* u8: dynamic rounding mode, an enum softfloat_rounding; RMM and what is no mode count as RNE */
    s32 fp_flags;     /* u8: enum softfloat_flag bits; complete outside generated code, where the back end adds what the host noticed */
    s32 fp_live;      /* u32 for the back end's own use, 0 outside generated code */
    s32 fp_area;      /* u64[8] likewise, any value */
    s32 vectors;      /* the vector file (tcg/vector.h), 16-byte aligned */
    s32 vector_length; /* u64, a guest register: see IR_VECTOR_SOME */
    s32 icount;       /* s64: counting flavour: budget left (mode bit; unused otherwise) */
    s32 l1_read, l1_write; /* tags of the L1s */
    s32 near;         /* struct tcg_near; 0: none */
    s32 jump_cache;   /* struct tcg_jump_entry[1 << jump_bits] */
    s32 guards;       /* u64[TCG_GUARDS]; 0: none */
    s32 refill;       /* struct tcg_refill; 0: none */
    s32 windows;      /* struct tcg_windows; 0: none, and no block has ir_block.windows set */
    u8 l1_bits, jump_bits;
};

/* C functions that generated code calls through stubs. `where` is snapshot pc (s32, less pc_page). */
struct tcg_result {
    u64 value;
    u64 leave; /* non-zero: the state (pc included) is that of a taken trap: go to the dispatcher */
};

struct tcg_runtime {
    /*
     * Slow paths: any alignment, page crossing, MMIO, faults, refill of L1. mem: enum ir_mem word.
     * load's value is extended to 64 bits as mem says; amo's and cas's old value by its sign. All are numbers: guest byte order is
     * the runtime's matter here. Stored, expected and desired values may have anything above the access's width.
     */
    struct tcg_result (*load)(void *vcpu, u64 va, u64 mem, s64 where);
    u64 (*store)(void *vcpu, u64 va, u64 value, u64 mem, s64 where); /* returns leave */
    /* A store that was done in tcg_near.written, to a line that had code behind it. Returns 0. NULL: that page is never set. */
    u64 (*stored)(void *vcpu, u64 va, u64 value, u64 mem, s64 where);
    struct tcg_result (*amo)(void *vcpu, u64 va, u64 value, u64 mem_and_op /* mem | op << 16 */, s64 where);
    struct tcg_result (*cas)(void *vcpu, u64 va, u64 expected, u64 desired, u64 mem_and_where /* mem | where << 16 */);
    /*
     * After something left: the state's pc says where to go on, perhaps in another address space. Returns the base pointer to go
     * on with, or NULL: the dispatcher must look. May be NULL: always the dispatcher.
     */
    void *(*resume)(void *vcpu);
    /* The indirect entry for va in the active context, which the jump cache knows from now on; NULL: the dispatcher. May be NULL. */
    const void *(*find)(void *vcpu, u64 va);
};

/* Why generated code came back. */
enum tcg_leave {
    TCG_LEAVE_PC,      /* state pc is where to go on: poll, trap, helper that left */
    TCG_LEAVE_MISS,    /* indirect target without a jump cache entry: state pc is the target */
    TCG_LEAVE_LINK,    /* a direct exit that is not linked, or a poll there: *link says which; state pc is the target */
};

/*
 * A direct exit of a block: where it can be patched. Kept by accel/tcg with the block, one for every exit of kind direct in
 * exit order; it fills from, pc and same_page before emit and `to` itself; emit fills site and unlinked. An exit into another page
 * goes by the jump cache (TCG_LEAVE_MISS), or has a guarded site; set_link is called for same_page links and for guarded ones.
 */
struct tcg_link {
    struct tcg_code *from;
    struct tcg_code *to;       /* NULL: not linked */
    struct tcg_link *next_in;  /* list of links into `to` */
    u32 site;                  /* back end: offset in the buffer of the patchable field */
    u32 unlinked;              /* back end: offset of the stub that the field reaches when not linked */
    u32 guarded;               /* back end: offset of the field that says which guard is compared; 0: none is. Not for same_page links */
    u16 guard;                 /* of `to`'s page: by accel/tcg, before the first set_link, and the same from then on. 0: none yet */
    s32 pc;                    /* target less pc_page */
    bool probes;               /* atomic: goes by the jump cache while it is not linked, or the guard is another. By accel/tcg, at any time; the back end may ignore it */
    bool call : 1;             /* the guest's code calls: something comes back from there */
    bool single : 1;           /* wants the target's variant with ir_block.single_memory */
    bool continues : 1;        /* back end: comes back from a call, with the target's address at hand: reaches its indirect entry */
    bool same_page : 1;        /* target lies in the page of the block's first instruction: may be linked directly */
    bool gone : 1;             /* by accel/tcg: it was linked in an earlier run */
};

/* A translated block as the back end knows it; accel/tcg embeds it. */
struct tcg_code {
    const void *entry;          /* after a link inside the page */
    u32 near;  /* of a loop: its area of struct tcg_near by this number's remainder, as whose owner; else 0 */
    u8 fp_check;                /* back end: bytes from entry to where a block goes on whose predecessor has floating-point registers loaded */
    bool fp_live;               /* back end: has them loaded at its exits */
    u16 apart_size;             /* bytes of it that lie elsewhere, from apart on; see tcg_backend_options.apart */
    const void *indirect_entry; /* guest va in the back end's agreed place; sets pc_page. x86-64: va in rax */
    u32 start, size;            /* bytes in the buffer (interp: bytes of its private form) */
    struct tcg_link *link;      /* link_count of them, in exit order; allocated by accel/tcg for every direct exit before emit */
    u32 link_count;
    u32 apart;
};

struct tcg_buffer; /* memory for code: two mappings, writable and executable (tcg/buffer.h) */
struct tcg_engine;

struct tcg_backend_options {
    u64 buffer_size;  /* bytes */
    bool split_wx;    /* two mappings instead of one (always used unless the host refuses) */
    unsigned host_isa; /* 1..4: x86-64-v1..v4 as an upper bound; 0: what the host has */
    bool plain;       /* no instructions but those of the level: none for ciphers */
    bool apart;       /* code that hardly ever runs lies apart from the rest, in areas below the end that emit returned; then blocks cannot be noted, and tell no faults */
    const struct ir_helper *const *helpers; /* NULL-terminated: those of the guest that saved code may call; NULL: none */
};

struct tcg_backend {
    const char *name;
    bool takes_prepaid; /* knows ir_block.prepaid */
    /* The engine owns its buffer. Layout and runtime must outlive it. */
    struct tcg_engine *(*create)(const struct code_layout *layout, const struct tcg_runtime *runtime,
                                 const struct tcg_backend_options *options, GError **error);
    void (*destroy)(struct tcg_engine *engine);

    /*
     * After the passes and before the links are allocated: may append direct exits to the block. May be NULL. Then emit must
     * follow (any number of times) before another prepare; a block that was not prepared is emitted without groups.
     */
    void (*prepare)(struct tcg_engine *engine, struct ir_block *block);
    /*
     * Emits a block into buffer bytes [at, limit). Fills code->entry, indirect_entry, start, size and every link's site and
     * unlinked. Returns the end offset, or 0 when it does not fit. One thread at a time (accel/tcg's translation lock).
     */
    u32 (*emit)(struct tcg_engine *engine, const struct ir_block *block, struct tcg_code *code, u32 at, u32 limit);
    /*
     * For a block that ends with a call of the guest (IR_HINT_CALL): emits it, prepared, so that the block it returns to can follow without a
     * jump. False: nothing happened, emit does it. Then that block is prepared and emit_behind emits it, at once, or gets NULL when there is
     * none. The first block's IR must last until then, and its link of the way back is none. Returns as emit does. May be NULL.
     */
    bool (*open)(struct tcg_engine *engine, const struct ir_block *block, struct tcg_code *code, u32 at, u32 limit);
    u32 (*emit_behind)(struct tcg_engine *engine, const struct ir_block *block, struct tcg_code *code);
    /*
     * Quick code (tcg/quick.h): as prepare and emit, for a list of `count` instructions and the block with its exits. Both NULL: there is none.
     */
    void (*quick_prepare)(struct tcg_engine *engine, struct ir_block *block, struct quick_insn *insn, u32 count);
    u32 (*quick_emit)(struct tcg_engine *engine, const struct ir_block *block, const struct quick_insn *insn, u32 count, struct tcg_code *code,
                      u32 at, u32 limit);
    /* The instructions that may fault in what was emitted last, by ascending offset; theirs until the next emit. May be NULL: never any. */
    u32 (*faults)(const struct tcg_engine *engine, const struct tcg_fault **fault);
    /* The offset in the buffer of an address that code runs at; more than code_limit: it is not there. A signal handler may ask. May be NULL with `faults`. */
    u32 (*offset_of)(const struct tcg_engine *engine, const void *at);
    const void *(*exec_at)(const struct tcg_engine *engine, u32 offset); /* the other way round */
    /* What empty jump-cache entries hold: a place that leaves with TCG_LEAVE_MISS. */
    u64 (*jump_miss)(const struct tcg_engine *engine);
    u32 (*code_limit)(const struct tcg_engine *engine); /* usable size of the buffer */
    u32 (*code_first)(const struct tcg_engine *engine); /* first offset for blocks (stubs lie before it) */

    /*
     * Runs from `code` (an entry whose pc_page is set, or an indirect entry with va) until something leaves; base is the context's base pointer.
     * Returns an enum tcg_leave; *link is set for TCG_LEAVE_LINK. Pinned registers are in memory outside.
     */
    enum tcg_leave (*run)(struct tcg_engine *engine, void *base, const struct tcg_code *code, u64 va, struct tcg_link **link);

    /* Atomically, with other threads running the code. to == NULL unlinks. */
    void (*set_link)(struct tcg_engine *engine, struct tcg_link *link, const struct tcg_code *to);
    /* Makes the indirect entry leave with TCG_LEAVE_MISS or TCG_LEAVE_PC (state pc = its va), after accel/tcg unlinked what links to
       the direct one; threads inside run on. */
    void (*kill)(struct tcg_engine *engine, struct tcg_code *code);
    /* Whether an indirect entry, whose memory has not been used again, was not killed. Needed where runtime.find is called. */
    bool (*alive)(const struct tcg_engine *engine, const void *indirect_entry);
    /*
     * Code in a form that can be kept and put at another place, also in another process: of one build, whose engine has the same signature.
     * All four may be NULL: it cannot be kept.
     * note: what save needs to know of what emit, or open and emit_behind, made last. Returns the bytes written, at most `room`; 0: it cannot be kept, or
     * needs more room.
     * save: `count` blocks that were made together and noted, none of them killed; whatever they are linked to. Returns the bytes written, a multiple
     * of 8; 0: it needs more room.
     * restore: fills what emit fills, links but for from, pc and same_page included; saved is 8-byte aligned. Returns the end as emit
     * does; 0: no room, or it is not well-formed: whatever its bytes are, nothing outside [at, limit) is written, but the code itself is trusted.
     */
    u64 (*signature)(const struct tcg_engine *engine);
    u32 (*note)(struct tcg_engine *engine, void *to, u32 room);
    u32 (*save)(struct tcg_engine *engine, const struct tcg_code *const *code, u32 count, const void *note, void *to, u32 room);
    u32 (*restore)(struct tcg_engine *engine, const void *saved, u32 size, struct tcg_code *const *code, u32 count, u32 at, u32 limit);
    /* Whether what the listings need is there; the message says what is not. May be NULL: it always is. Like disassemble: one thread at a time. */
    bool (*can_disassemble)(struct tcg_engine *engine, GError **error);
    /* Readable listing of the block's code for -d out_asm, or why there is none; the caller frees. May be NULL. */
    char *(*disassemble)(struct tcg_engine *engine, const struct tcg_code *code);
};

extern const struct tcg_backend tcg_backend_interp;
extern const struct tcg_backend tcg_backend_x86_64;

/* Passes (tcg/opt/): each works in place. A NULL-named row ends the list. */
struct ir_pass {
    const char *name, *purpose;
    void (*run)(struct ir_block *block, const struct code_layout *layout);
};
extern const struct ir_pass ir_passes[];
extern const char *const ir_pass_names[]; /* the same order; NULL at the end */

#endif
