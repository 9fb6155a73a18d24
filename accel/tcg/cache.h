/*
 * accel/tcg/cache.h - translations that are kept for the next time, also of another process (docs/decisions/code-cache.md).
 *
 * A unit is what was emitted at once: a block, or one and the block that its call returns to. It is found by its place in the page, its
 * mode and its first bytes, and holds all bytes that it was made of, which are compared. Units lie one behind the other in one piece of
 * memory, those of the file first, which are looked at when they are met: loading must be cheap. In a file the units of a page make a group:
 * they lie together, in the order in which they were made. What is new is found by the next process, so that keeping is cheap, too.
 * translate_lock, but for opening and closing, and what says otherwise.
 */
#ifndef ACCEL_TCG_CACHE_H
#define ACCEL_TCG_CACHE_H

#include "base/types.h"
#include "tcg/backend.h"
#include <glib.h>

enum {
    KEPT_PARTS = 2,
    KEPT_AGES = 255,
    KEPT_FIRST_SLOTS = 1 << 12,
    KEPT_LINE = 64,             /* no two units begin in one such piece of memory */
    KEPT_IN_GROUP = 512,        /* units of a group that are of use at most */
};
/* Group of a page: of the file if it is less, by the place of its first unit in words of 8 bytes, plus 1. */
#define KEPT_NEW_GROUP (UINT32_C(1) << 31)

/* Part of a unit: a block. */
struct kept_part {
    u16 offset, byte_count;    /* in the page; the first part may reach into the next page */
    u16 insn_count, links;
};

/* See struct tcg_link. */
struct kept_link {
    s32 pc;
    u8 single, continues, call; /* 0: no */
    u8 gone;                    /* it was linked, inside its page, when it was kept: the block will go there again. Unlike the others it is a guess */
};

/* Multiples of 8 bytes, KEPT_LINE at least. Behind the parts: links, the code's bytes of all parts; at saved_at: what the back end made. */
struct kept {
    u32 size;                  /* of all */
    u32 mode;
    u16 saved_at;
    u8 parts, age;             /* age: how many times the file was written since the unit was used */
    u32 group;                 /* in words of 8 bytes: from the first unit of its group; of new units: the group */
    struct kept_part part[];
};

/* Where a translation is wanted. */
struct kept_place {
    u32 mode, offset;
    const u8 *page, *next_page; /* host bytes; next_page: NULL when not walked */
};

/* at: unit in words of 8 bytes, plus 1; 0: empty */
struct kept_slot {
    u32 hash, at;
};

struct code_cache {
    u8 *memory;
    u64 room, used, loaded;    /* bytes; loaded: those from the file */
    struct kept_slot *slot;    /* a table by hash of the first bytes, with linear search, at most half full */
    u32 slots, units, loaded_units;
    u64 next;                  /* behind the units found last: programs mostly do the same again */
    u64 *met;                  /* atomic: bit per KEPT_LINE of memory: the unit that begins there was used by this process */
    u32 groups;                /* new ones */
    u8 *notes;                 /* kept.c: of new units that are not made yet; as much room again */
    u8 read[TCG_PAGE_SIZE], read_behind[64]; /* kept.c: what is being translated; translate_lock */
    u64 notes_used, noted;     /* noted: bytes that those units are going to take, roughly */
    int folder;
    char *name, *path;         /* of the file, of the folder */
    u64 build, key;            /* what units depend on, beside what is in them */
    u64 file_check;            /* of the file that was loaded */
    bool warned;               /* that the file cannot be used: once is enough */
    /* statistics */
    u64 hits, ahead, hit_insns, misses, kept, full; /* ahead: those of hits that nobody had asked for yet */
    s64 load_ns;               /* of CPU time */
};

/* room: bytes of units, at most. Loads what is there; a file that cannot be used is named on stderr and ignored. NULL: the folder cannot be used. */
struct code_cache *tcg_cache_open(const char *path, u64 room, u64 build, u64 key, GError **error);
/* Writes what is new. NULL is fine. */
void tcg_cache_close(struct code_cache *c);

/*
 * A unit whose first part is what lies at the place; `second` says whether its second part, if it has one, is too. It is restored by the
 * caller, who says what came of it: tcg_cache_used. NULL: none.
 */
struct kept *tcg_cache_find(struct code_cache *c, const struct kept_place *place, bool (*second)(void *opaque, const struct kept *unit), void *opaque);
void tcg_cache_used(struct code_cache *c, const struct kept *unit, bool ahead);
/* Where it is, for tcg_cache_met. */
u32 tcg_cache_line(const struct code_cache *c, const struct kept *unit);
/* A unit that was restored ahead is really used. Any thread. */
void tcg_cache_met(struct code_cache *c, u32 line);
/* Units that were restored ahead and not used yet. */
u64 tcg_cache_unmet(const struct code_cache *c);

/* Whether a unit's first part is what lies at the place. */
bool tcg_cache_matches(const struct kept *unit, const struct kept_place *place);

/* The first unit of the group that a unit of the file is in. */
struct kept *tcg_cache_group(const struct code_cache *c, struct kept *unit);
/* The one behind `unit` in the group of `first`; NULL: none. */
struct kept *tcg_cache_behind(const struct code_cache *c, const struct kept *first, const struct kept *unit);
u32 tcg_cache_group_number(const struct code_cache *c, const struct kept *first);

/* Begins a unit, of a group: filled by the caller, up to `room` bytes behind it; tcg_cache_add ends it. NULL: no room. */
struct kept *tcg_cache_begin(struct code_cache *c, u32 *room);
void tcg_cache_add(struct code_cache *c, struct kept *unit, u32 group);
/* A number for one. */
u32 tcg_cache_new_group(struct code_cache *c);

/* Links, bytes of code, the back end's part. */
static inline struct kept_link *kept_links(const struct kept *unit)
{
    return (struct kept_link *)&unit->part[unit->parts];
}

static inline u32 kept_link_count(const struct kept *unit)
{
    return unit->part[0].links + (unit->parts > 1 ? unit->part[1].links : 0);
}

static inline u8 *kept_bytes(const struct kept *unit)
{
    return (u8 *)(kept_links(unit) + kept_link_count(unit));
}

/* --- cache_file.c --- */

/* Units of a file into empty memory; false: there is none, or none that can be used (said on stderr, once). */
bool tcg_cache_load(struct code_cache *c);
bool tcg_cache_store(struct code_cache *c, GError **error);

/* --- cache.c, for cache_file.c --- */
struct code_cache *tcg_cache_create(u64 room);
void tcg_cache_destroy(struct code_cache *c);
/* An empty table of so many slots, a power of two, in place of the one that is there. False: no memory, or no such number. */
bool tcg_cache_set_slots(struct code_cache *c, u64 slots);
/* The unit that begins there, if its own numbers make sense; NULL: they do not, or it is behind the last one. */
struct kept *tcg_cache_unit(const struct code_cache *c, u64 at);
/* Makes the unit at `used` findable; `used` moves behind it. */
void tcg_cache_enter(struct code_cache *c);
static inline bool tcg_cache_is_met(const struct code_cache *c, u64 at)
{
    return c->met[at / KEPT_LINE / 64] & BIT64(at / KEPT_LINE % 64);
}
/* Of what finds it. */
u32 tcg_cache_hash(const struct kept *unit);

#endif
