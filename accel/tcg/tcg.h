/*
 * accel/tcg/tcg.h - inside the translating accelerator: code cache, translation contexts, dispatcher.
 *
 * A block of translated code is keyed by (RAM block, offset, mode) and shared by all vCPUs. A context belongs to one vCPU
 * and holds what depends on the address space: data TLBs, instruction TLB, jump cache. docs/architecture.md tells the way of
 * an instruction through these files.
 *
 * Locks: translate_lock guards making, linking and killing blocks; finding one needs none. A thread holds block pointers only
 * inside the code epoch.
 */
#ifndef ACCEL_TCG_TCG_H
#define ACCEL_TCG_TCG_H

#include "accel/tcg/cache.h"
#include "accel/tcg/window.h"
#include "host/epoch.h"
#include "host/lock.h"
#include "tcg/backend.h"
#include "vm/memory.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include <string.h>

enum {
    L1_BITS = 14,
    JUMP_BITS = 12,
    JUMP2_GROUPS = 256, /* of the L2 jump cache, by page; a page's entries are in one group */
    JUMP2_GROUP = 64,
    JUMP3_BITS = 13,
    CODE_BUCKETS = 32,  /* of a page, by place */
    ITLB_SIZE = 256,
    MAX_SPACES = 64,    /* address spaces per vCPU that the L2 tells apart */
    MAX_CONTEXTS = 32,  /* per vCPU */
    RECENT = 64,        /* contexts by a hash of their key */
    FRACTURES = 12,
    CHUNKS = 16,        /* of the code buffer: the unit of recycling */
    LINE_SHIFT = 6,     /* 64-byte lines of code */
    MAX_BLOCK_INSNS = 64,
    MAX_LOOP_INSNS = 256,
    MAX_INSN_BYTES = 16, /* of any guest */
    TIER2_NEVER = 255,
    GUARD_BUCKETS = 256,
};

/* Why a hot loop stays ordinary code: it does not come back by ways inside its page and the one behind; has another loop inside; is too large; does what
   turns cannot (atomics, CSRs, helpers, too many accesses); no room for code. */
enum tier2_refusal { TIER2_ENDS, TIER2_NEST, TIER2_LARGE, TIER2_OPERATION, TIER2_NO_ROOM, TIER2_REFUSALS };

enum { TCG_THREAD_DEFAULT, TCG_THREAD_MULTI, TCG_THREAD_SINGLE };
enum { TCG_BACKEND_JIT, TCG_BACKEND_INTERP };

/* Variants of a block beside the guest's mode bits (which use the low 24). */
enum {
    MODE_ONE_INSN = 1u << 31,
    MODE_SINGLE = 1u << 30, /* memory accesses checked one by one: where a check of several failed */
    MODE_COUNT = 1u << 29,  /* instructions are counted and have a budget (count.c) */
    MODE_WINDOW = 1u << 28, /* accesses may use windows (window_use.c); where there is none they fault, and all is well */
};

/* Translated code in one page of a RAM block. Made once, lives as long as the RAM block. */
struct code_page {
    u64 lines;          /* atomic: 64-byte lines that have code */
    struct ram_block *ram;
    u64 offset;         /* of the page in the RAM block */
    u8 samples;         /* atomic: that found a vCPU in it, one soon behind the other: no quick code from quick_threshold on. Set under translate_lock */
    bool writable_tags; /* atomic: some vCPU may have a write tag for the page */
    u16 guard;          /* its number among TCG_GUARDS, nobody else's ever; 0: none was left */
    u32 kept_group;     /* of the code cache, that its blocks came from or are kept in; 0: none yet */
    u32 sampled_ms;     /* when the last of `samples` was, by the monotonic clock; translate_lock */
    u8 visits;          /* by settle.c; translate_lock */
    u16 longest, deepest; /* bytes: no block that begins in it is longer, or covers more in front of it; translate_lock */
    u64 stays[4];       /* ir_block.stays; translate_lock */
    u64 roams[4], alters[4]; /* ir_block.roams, .alters; translate_lock */
    u64 starts[32];     /* atomic: bit per halfword at which some block begins; spares most searches */
    struct block *bucket[CODE_BUCKETS]; /* atomic heads; by page[0] */
    struct block *second; /* blocks of which this is the second page */
    struct code_page *next_in_ram; /* given back: in the pool */
    struct tcg_pool *pool;
};

/* What was learned of a loop while it ran: how it is made the next time. */
struct loop_lessons {
    u16 far[IR_MAX_FAR];  /* ir_block.far */
    u8 far_count;
    bool apart;           /* ir_block.apart */
    u8 rests;             /* how often it was given up or refused */
};

/* What finding a block reads comes first: one cache line. */
struct block {
    struct tcg_code code; /* first: the back end's part */
    u32 offset;           /* of the first byte in the page */
    u32 mode;
    struct block *next;   /* in the bucket; given back: in the pool */
    struct code_page *page, *next_page; /* next_page: of a block that goes on in the page behind; else NULL */
    u16 byte_count, insn_count; /* bytes from offset on, */
    u16 below;                  /* and in front of it (struct ir_block) */
    bool dead;            /* atomic */
    u8 chunk;
    u8 tier;              /* 2: a loop by tier2.c, else 0 */
    bool quick;           /* of quick code */
    bool streams;         /* ir_block.streams */
    bool calls;           /* ends with a call of the guest: the block behind it is best emitted together with it (pair.c) */
    struct loop_lessons lessons; /* of a loop, or what may become one again */
    u8 heat;              /* atomic: how often it was seen running; TIER2_NEVER: it stays as it is. Any vCPU, roughly */
    u16 rest;             /* atomic: TIER2_NEVER holds for so many samples more; 0: for good */
    u32 kept;             /* atomic: KEPT_NOTE and where kept.c's note of it is; or it came from the code cache before anybody asked for it: its tcg_cache_line, plus 1; or 0 */
    union {
        struct block *next_second;   /* in next_page->second */
        struct block *next_dead;     /* of a dead block */
    };
    union {
        struct block *next_in_chunk;
        struct tcg_pool *pool;   /* of a dead block */
    };
    struct block *previous_in_chunk;
    struct tcg_link *incoming;
    struct tcg_link link[];
};

/* Memory for blocks and descriptors of pages. Taking needs translate_lock, giving back does not. */
struct tcg_pool {
    struct tcg_slab *slabs;
    u8 *at, *end;                           /* of the slab being filled */
    struct block *free[IR_MAX_EXITS + 1];   /* by number of links */
    struct block *returned;                 /* atomic */
    struct code_page *free_pages, *returned_pages; /* the latter atomic */
};

/* What a page of code is in this context. */
struct itlb_entry {
    u64 va, generation;    /* valid while it is the context's */
    bool global;           /* the same in all spaces */
    struct code_page *page;
    const u8 *host;
};

/* What one page means to an access: from the L2 or by a walk. */
struct walk {
    struct mmu_page page;
    u8 *host;              /* RAM that reads may use; NULL: a device or nothing */
    struct ram_block *ram;
    u64 ram_offset;
    bool writable;         /* RAM that writes may use */
};

/* Virtual ranges that may hold leaves larger than a page: their fragments may lie anywhere in the tables. */
struct fractures {
    struct { u64 first, last; } range[FRACTURES];
    u32 count;
};

/* What L2 entries are tagged with. Its number changes when all that is known of it is dropped. */
struct tlb_space {
    u64 root, number, salt, last_use;
    u32 asid;
};

struct context {
    struct mmu_context key;
    struct tlb_space *space;   /* NULL: addresses are physical */
    u8 *base;              /* the base pointer of generated code */
    void *region;
    u32 index;             /* among the vCPU's contexts */
    bool stale;            /* nothing in it is valid; cleared before it is used again */
    bool has_masks;        /* refill->may_* are those of masks_mode */
    u32 masks_mode;
    u64 generation;        /* of the itlb: never used before */
    u64 *l1_read, *l1_write; /* tags */
    struct tcg_jump_entry *jump;
    struct tcg_refill *refill;
    struct tcg_near *near;
    u64 *guard;            /* TCG_GUARDS */
    u16 *guard_next;       /* of each that is set: the next one of its bucket; 0: none */
    u16 guard_bucket[GUARD_BUCKETS]; /* guards that are set, by page */
    struct tcg_fill_log jump_log;
    u64 jump_pages[64];    /* filter of code pages in the jump cache */
    struct itlb_entry itlb[ITLB_SIZE];
    struct window_use use;
};

/* Where code is that other contexts found: what a new context's jump cache is filled from. */
struct jump2 {
    u64 va, number;        /* number of the space or of all: as in the L2 TLB */
    u32 mode;              /* of the code */
    u32 guard;             /* of its page */
    const void *entry;
};

/* The same by the page of code itself, for other processes that run it. */
struct jump3 {
    const struct code_page *page;
    u32 offset, mode;
    const void *entry;
};

/* The part of an L2 entry that only C reads. */
struct l2_ram {
    struct ram_block *ram;
    u64 offset, physical;
};

struct quick_list {
    struct quick_insn insn[QUICK_MAX];
    u32 count;
};

/* A vCPU as this accelerator sees it. */
struct tcg_vcpu {
    struct vcpu *vcpu;
    struct tcg *tcg;
    struct context *context;                /* the active one */
    struct context *contexts[MAX_CONTEXTS];
    struct { struct mmu_context key; u64 last_use; } slot[MAX_CONTEXTS]; /* of contexts: what searches look at */
    u32 context_count;
    struct context *recent[RECENT];         /* where a key was found last; the key in it is compared */
    u64 tick;
    struct { s64 next; u64 tick; } rest;    /* host time and tick: of tcg_contexts_rest() */
    struct tlb_space space[MAX_SPACES];
    struct fractures fractures[MAX_SPACES]; /* by space */
    u32 space_count;
    struct tlb_space *recent_space[RECENT]; /* as recent */
    struct fractures shared_fractures;      /* of leaves that are in all spaces */
    u64 shared;                             /* their number in the L2 */
    u64 last_number;
    struct tcg_l2_entry *l2;
    struct l2_ram *l2_ram;                  /* by place in l2 */
    u32 victim;                             /* way to be replaced next */
    struct jump2 *jump2;                    /* JUMP2_GROUPS of JUMP2_GROUP */
    u64 jump2_pages[64];                    /* filter of pages in it */
    struct jump3 *jump3;                    /* 1 << JUMP3_BITS */
    bool jump2_used, jump3_used;            /* something is in them */
    struct epoch_reader *code_reader;
    bool one_insn;        /* run one instruction, then come back */
    bool watch_pending;   /* a watchpoint was hit: run the instruction without, then stop */
    bool watch_off;
    struct vcpu_stop watch_hit;
    bool device_pending;  /* counting: an access reached a device, or nothing: run the instruction alone, so that what follows from it is seen behind it */
    bool in_helper;       /* the access is one of a helper's (tcg_memory) */
    bool second_is_even;  /* permissions do not change inside the second page of the block that was found last, if it has one */
    s64 sampled_at;       /* by tier2.c: when, by its thread's CPU time, and loop_entries then */
    u32 sampled_entries;
    u32 follows;          /* by tier2.c: at so many polls from now on it wants to come out, which are samples */
    const struct context *sampled_context; /* that was active then */
    struct {
        u32 number;       /* tcg_code.near of a loop that was left for a sample, by area; 0: none */
        s64 since;        /* when that was, and what its area counts became 0 */
    } sampled_near[TCG_NEAR_AREAS];
    struct window_faults window_faults;
    struct quick_list quick; /* being made */
    struct ir_block *ir, *second_ir; /* the second: while a block and the one its call returns to are translated together */
    /* statistics */
    u64 dispatches, resumes, misses, finds, finds2, links, walks, l2_hits, flushes, page_flushes, slow_loads, slow_stores, mmio;
};

struct chunk {
    struct block *blocks;
    u32 first, limit;      /* offsets in the code buffer */
    struct tcg_fault *fault; /* by ascending offset; NULL: there are no windows */
    u32 fault_count;       /* atomic */
    bool used;             /* something was emitted since it was free: a vCPU may be in it, even if no block is listed */
    bool busy;             /* atomic: condemned, not yet free */
};

/* Listings of the IR, and blocks that may not be linked, come from fresh translations: the code cache has no part in them. */
enum { TCG_LOG_FRESH = LOG_IR | LOG_NOCHAIN };

struct tcg {
    struct accel accel;
    /* properties */
    u64 tb_size;
    bool one_insn_per_tb, split_wx, exact_exclusives, perfmap, jitdump;
    u32 thread, backend_choice, host_isa;
    bool tier2, quick;
    u32 tier2_threshold, quick_threshold, settle_threshold, window_threshold;
    bool windows;
    char *cache_path;      /* NULL: no code is kept */
    u64 cache_size;

    struct vm *vm;
    bool counts_all;       /* -icount: every vCPU counts from the start */
    const struct tcg_backend *backend;
    struct tcg_engine *engine;
    struct code_layout layout;
    struct ir_reg regs[IR_MAX_REGS]; /* the guest's, then icount */
    struct tcg_runtime runtime;
    u64 region_size;       /* of a context's mapping */
    u64 state_size;        /* prefix included */
    struct epoch *code_epoch;
    struct host_lock translate_lock;
    struct host_perf *perf; /* -perfmap, -jitdump; NULL: neither */
    struct chunk chunk[CHUNKS];
    u32 current_chunk, at;
    struct tcg_pool pool;
    struct block *dead;    /* not yet given to the code epoch */
    u32 dead_count;
    struct code_cache *cache; /* NULL: none */
    struct windows windows_state;
    /* thread=single */
    struct host_lock turn_lock;
    struct host_cond turn_cond;
    struct tcg_vcpu *turn_holder, *last_holder;
    u64 next_ticket, serving;
    bool turn_over; /* atomic: the holder has had its time and somebody waits */
    struct tier2 *tier2_state;
    const struct code_page *emitted_page; /* of the block emitted last; perhaps it is no more */
    u32 emitted_mode;
    /* statistics; translate_lock */
    u32 guards;            /* given to pages of code */
    u64 loops, loops_of_two_pages, loops_dropped, loops_refused[TIER2_REFUSALS];
    u64 quick_blocks, quick_insns, hot_pages, settled_pages, roaming;
    u64 blocks, live_blocks, insns, guest_bytes, host_bytes, timed, sampled_ns, sampled_insns, long_ns, long_calls, invalidations, recycled, code_pages;
};

static inline u8 tcg_heat(const struct block *block)
{
    return __atomic_load_n(&block->heat, __ATOMIC_RELAXED);
}

static inline void tcg_set_heat(struct block *block, u32 heat)
{
    __atomic_store_n(&block->heat, (u8)heat, __ATOMIC_RELAXED);
}

/* One more time; two at once may count as one. */
static inline u32 tcg_heat_up(struct block *block)
{
    u32 heat = MIN(tcg_heat(block) + 1u, TIER2_NEVER - 1u);

    tcg_set_heat(block, heat);
    return heat;
}

/* What code at the present place was made for. */
static inline u32 tcg_code_mode(const struct tcg_vcpu *v)
{
    return v->context->key.mode & ~v->vcpu->cpu->data_modes;
}

/* What blocks that this vCPU runs have as their mode, variants aside. */
static inline u32 tcg_block_mode(const struct tcg_vcpu *v)
{
    return tcg_code_mode(v) | (unlikely(v->vcpu->counting) ? MODE_COUNT : 0) | (v->context->use.on ? MODE_WINDOW : 0);
}

/* A hash for `recent` and `recent_space`. */
static inline u32 tcg_recent(u64 root, u32 asid, u32 mode)
{
    return (root ^ (u64)mode << 40 ^ (u64)asid << 20) * UINT64_C(0x9e3779b97f4a7c15) >> 58;
}

static inline struct tcg_vcpu *tcg_of(struct vcpu *vcpu)
{
    return vcpu->accel;
}

/* context.c */
bool tcg_layout_init(struct tcg *tcg, const struct cpu_class *cpu);
struct context *tcg_context_activate(struct tcg_vcpu *v, const struct mmu_context *key);
void tcg_contexts_destroy(struct tcg_vcpu *v);
/* A hart goes to sleep: tables that it did not use since it was here before, a second ago or more, are given back to the host. Own thread. */
void tcg_contexts_rest(struct tcg_vcpu *v);
/* Nothing that a context remembers holds any more: now if it is the active one, else when it is used again. */
void tcg_context_drop(struct tcg_vcpu *v, struct context *context);
/* What a context remembers of one page, and of no other. */
void tcg_context_drop_page(struct tcg_vcpu *v, struct context *context, u64 va);
void tcg_context_fill(struct context *context, u64 va, bool write, const u8 *host);
/* The code at va is what `entry` begins, in the page of code whose guard that is, all of which is executable here. */
void tcg_jump_fill(struct tcg_vcpu *v, u64 va, const void *entry, u32 guard);
void tcg_jump_flush_all(struct tcg_vcpu *v);
/* Another mode's code runs in the context from now on: it forgets where there is code. */
void tcg_context_change_code(struct tcg_vcpu *v, struct context *context);
/* Drops every write tag of this vCPU for a page of RAM. */
void tcg_drop_write_tags(struct tcg_vcpu *v, const u8 *host_page);

/* guard.c */
/* The page of code with this guard (0: no page) is at va. */
void tcg_guard_fill(struct context *context, u32 guard, u64 va);
/* Nothing is known to be at this page's address. */
void tcg_guard_drop_page(struct context *context, u64 page);
void tcg_guard_drop_all(struct context *context);

/* l2.c */
bool tcg_l2_create(struct tcg_vcpu *v);
void tcg_l2_destroy(struct tcg_vcpu *v);
/* Translates va in the active context for an access: from the L2, or by a walk. False: faulted, walk->page.fault. */
bool tcg_walk(struct tcg_vcpu *v, u64 va, unsigned size, enum mmu_access access, struct walk *walk);
/* Drops what the set of a space (by its salt) has for one page: entries of one number, or of any (0). */
void tcg_l2_drop_page(struct tcg_vcpu *v, u64 salt, u64 va, u64 number);

/* flush.c */
/* The space of a context, for which the refill part is made ready. */
void tcg_space_enter(struct tcg_vcpu *v, struct context *context);
void tcg_flush_all(struct tcg_vcpu *v);
void tcg_flush(struct tcg_vcpu *v, const struct mmu_flush *flush);
void tcg_note_fracture(struct tcg_vcpu *v, u64 va, const struct mmu_page *page);

/* memory.c */
extern const struct vcpu_memory tcg_memory;
void tcg_runtime_init(struct tcg_runtime *runtime);

/* page.c */
struct code_page *tcg_code_page(struct tcg *tcg, struct ram_block *ram, u64 offset, bool create);
bool tcg_has_code(struct ram_block *ram, u64 offset, u64 size);
/* See tcg_l2_entry.code; NULL: out of memory. */
const u64 *const *tcg_code_of(struct ram_block *ram, u64 offset);
/* translate_lock held. */
void tcg_page_protect(struct tcg_vcpu *v, struct code_page *page, u32 first, u32 last);
void tcg_page_set_lines(struct code_page *page, u64 before, u32 first, u32 last);
/* The same of all that a translation may read, and of what it did. */
void tcg_page_protect_source(struct tcg_vcpu *v, struct code_page *page, const struct code_source *source);
void tcg_page_set_lines_of(struct code_page *page, u64 before, const struct ir_block *ir);
/* Of what it did in the page behind its own, if anything; NULL: nothing. */
void tcg_page_set_lines_behind(struct code_page *page, u64 before, const struct ir_block *ir);
struct block *tcg_page_find(const struct code_page *page, u32 offset, u32 mode);
/* How many blocks begin there in that mode, this one included: pair.c makes copies. translate_lock. */
u32 tcg_page_copies(const struct block *block);
void tcg_page_add(struct block *block);
void tcg_page_remove(struct block *block);
/* The lines that a block has in a page. */
u64 tcg_page_lines_of(const struct block *block, const struct code_page *page);
void tcg_invalidate_range(struct tcg *tcg, struct ram_block *ram, u64 offset, u64 size);
void tcg_ram_removed(struct vm *vm, struct ram_block *ram);
/* At the end, when nothing runs and nobody looks for blocks any more. */
void tcg_pages_destroy(struct ram_block *ram);
void tcg_ram_changed(struct vm *vm, struct ram_block *ram, u64 offset, u64 size);

/* uncached.c */
/*
 * Code of which a part lies outside RAM (devices, flash in command mode): its bytes are read as data into scratch memory owned
 * by nobody, translated as one instruction, and the block is forgotten after it ran. The state's pc is pc. NULL: a fault was taken, or there is no room.
 */
struct block *tcg_translate_uncached(struct tcg_vcpu *v, u64 pc, u32 variant);

/* translate.c */
void tcg_translate_lock(struct tcg_vcpu *v);
void tcg_translate_unlock(struct tcg_vcpu *v);
/* The block at pc in the active context, translated when needed; NULL: a fault was taken or a safepoint is due, the state's pc says where to go on. */
struct block *tcg_block_get(struct tcg_vcpu *v, u64 pc, u32 variant);
/*
 * The page of code at pc in the active context, when jump caches may have what is in it; NULL: there is none, or it must be looked at
 * each time; nothing happened. *global: it is the same in all spaces.
 */
const struct code_page *tcg_code_known(struct tcg_vcpu *v, u64 pc, bool *global);
void tcg_block_kill(struct tcg *tcg, struct block *block);
/* A dead block that nobody finds any more: freed, with others, when every vCPU has left the code it was in. translate_lock held. */
void tcg_block_retire(struct tcg *tcg, struct block *block);
/* What the front end makes of the code: fewer instructions until they fit (source->max_insns says how many). False: not even one. */
bool tcg_front_end(struct tcg_vcpu *v, struct code_source *source, u32 variant);

/* What is known of instructions of the page, for a block of this mode. */
static inline void tcg_say_places(struct ir_block *ir, const struct code_page *page, u32 mode)
{
    memcpy(ir->stays, page->stays, sizeof(page->stays));
    memcpy(ir->roams, page->roams, sizeof(page->roams));
    memcpy(ir->alters, page->alters, sizeof(page->alters));
    ir->windows = mode & MODE_WINDOW;
}

/* log.c; translate_lock held. ir: what the block was made of; NULL: that is gone, and its instructions lie one behind the other. pc: the address by which it was first reached. */
void tcg_log_block(struct tcg_vcpu *v, struct block *block, const struct ir_block *ir, const struct code_source *source, u64 pc);
/* A block's name for the host's perf: the guest and the address by which it was first reached. */
void tcg_tell_perf(struct tcg *tcg, const struct block *block, u64 pc);

/* pair.c */
/* Whether a block ends with a call of the guest. */
bool tcg_pair_calls(const struct ir_block *ir);
/* Whether a block is there so often that no pair gets one more. translate_lock held. */
bool tcg_pair_is_full(const struct block *there);
/* Where in its page a block's call returns to, if the block that is there had better be emitted behind it; else TCG_PAGE_SIZE. */
u32 tcg_pair_offset(const struct tcg *tcg, const struct ir_block *ir, const struct block *block);
/* Emits v->ir, of `first`, and the block that its call returns to (`source`), or NULL in *second. False: nothing was emitted. */
bool tcg_pair_emit(struct tcg_vcpu *v, struct block *first, struct block **second, struct code_source *source);

/* count.c */
/* Makes the counting flavour of a block of the front end. May set b->overflow. */
void tcg_count_insns(const struct tcg *tcg, struct ir_block *b);

/* chunk.c */
void tcg_chunks_init(struct tcg *tcg);
/* Room for another block in the current chunk; moves on to the next one when `need` bytes do not fit. False: not free yet. */
bool tcg_chunk_next(struct tcg *tcg);
/* A vCPU that spins in generated code without an interrupt in sight would never leave it by itself. */
void tcg_kick_all(struct tcg *tcg);

/* pool.c */
/* A block with room for so many direct exits (at most IR_MAX_EXITS), zeroed. */
struct block *tcg_pool_take(struct tcg_pool *pool, u32 links);
/* Any thread, once nobody can reach the block any more. */
void tcg_pool_give(struct tcg_pool *pool, struct block *block);
/* A page of code, zeroed but for its pool. */
struct code_page *tcg_pool_take_page(struct tcg_pool *pool);
void tcg_pool_give_page(struct code_page *page);
/* Blocks and all. */
void tcg_pool_finish(struct tcg_pool *pool);

/* For tier2.c and quick.c as well: translate_lock held. */
void tcg_run_passes(struct tcg *tcg, struct ir_block *ir);
struct block *tcg_block_new(struct tcg *tcg, const struct ir_block *ir);
/* Which stretch of code a block is. */
void tcg_block_describe(struct block *block, const struct ir_block *ir, struct code_page *page, u32 offset, u32 mode);
/* Emits into the current chunk, from the IR or, when there is one, the list; moves on when it is full. False: no room just now. */
bool tcg_block_emit(struct tcg *tcg, const struct ir_block *ir, const struct quick_list *quick, struct block *block);
/* From now on it is found. pc: the address by which it was first reached. */
void tcg_block_publish(struct tcg *tcg, struct block *block, u64 pc);

/* quick.c; translate_lock held */
/* Whether what runs for the first time in this page, as this variant, gets quick code. */
bool tcg_quick_may(const struct tcg *tcg, const struct code_page *page, u32 variant);
/* A block of it, not yet published; lines: what the page had before it was protected. NULL: there is none for the code at the source. */
struct block *tcg_quick_translate(struct tcg_vcpu *v, const struct code_source *source, struct code_page *page, u64 lines, u32 mode);
/* A sample met the vCPU, without translate_lock, at pc, which the block begins at. What to run there now; NULL: as tcg_block_get. */
struct block *tcg_quick_sampled(struct tcg_vcpu *v, struct block *block, u64 pc);

/* settle.c */
/* A sample met the vCPU on its way to the block, `spent` ns after the last one. True: blocks were killed. */
bool tcg_settle_sampled(struct tcg_vcpu *v, const struct block *block, s64 spent);
/* The page of code at va, if the active context met it. */
struct code_page *tcg_settle_page(const struct tcg_vcpu *v, u64 va);
/* Blocks with the instruction at this offset, and those that were emitted with them, are to be translated again. translate_lock. */
void tcg_settle_kill(struct tcg *tcg, struct code_page *page, u32 offset);

/* run.c */
/* A link that is not set leads to the block from now on, which may be linked to from there. translate_lock held. */
void tcg_set_link(struct tcg_vcpu *v, struct tcg_link *link, struct block *to);
void tcg_vcpu_run(struct vcpu *vcpu);

/* resume.c */
/* Makes the context of the present state the active one. False: out of memory for another. */
bool tcg_enter_context(struct tcg_vcpu *v);
/* See struct tcg_runtime. */
bool tcg_jump2_create(struct tcg_vcpu *v);
void tcg_jump2_destroy(struct tcg_vcpu *v);
void tcg_jump2_drop_page(struct tcg_vcpu *v, u64 va);
void tcg_jump2_drop_all(struct tcg_vcpu *v);
void *tcg_resume(void *vcpu);
const void *tcg_find(void *vcpu, u64 va);

/* An instruction on two pages, the second of which is looked at at each entry. Loops on two pages ask for theirs themselves (ir_block.next_guard). */
static inline bool tcg_is_split(const struct block *block)
{
    return block->next_page && block->tier != 2;
}

/* Whether what led to the block once may lead there again while the page it begins in is what it is. */
static inline bool tcg_may_cache(const struct block *block)
{
    return !tcg_is_split(block) && !(block->mode & MODE_ONE_INSN) && !__atomic_load_n(&block->dead, __ATOMIC_ACQUIRE);
}

/* Whether a context's own jump cache may have it, which forgets it with either of its pages. tcg_block_get just found it. */
static inline bool tcg_may_jump(const struct tcg_vcpu *v, const struct block *block)
{
    return tcg_may_cache(block) ||
           (v->second_is_even && !(block->mode & MODE_ONE_INSN) && !__atomic_load_n(&block->dead, __ATOMIC_ACQUIRE));
}

/* describe.c */
char *tcg_describe(struct vm *vm);

#endif
