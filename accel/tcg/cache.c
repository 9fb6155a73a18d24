/* accel/tcg/cache.c - translations that are kept: where they are in memory, and how they are found. */
#include "accel/tcg/cache.h"
#include "accel/tcg/tcg.h"
#include "base/error.h"
#include "base/hash.h"
#include "host/clock.h"
#include "host/map.h"
#include "host/private.h"
#include <string.h>

enum {
    MAX_SLOTS = 1 << 24,
    LONG = 8, SHORT = 2,       /* first bytes that a unit is found by */
    UNIT_ROOM = 256 * KIB,     /* what a unit takes at most */
    MOST_ALIKE = 256,          /* units with the same first bytes that are looked at */
};

static u64 table_bytes(u64 slots)
{
    return MAX(slots * sizeof(struct kept_slot), HOST_MAP_HUGE);
}

bool tcg_cache_set_slots(struct code_cache *c, u64 slots)
{
    struct kept_slot *table;

    if (slots < KEPT_FIRST_SLOTS || slots > MAX_SLOTS || slots & (slots - 1) || !(table = host_map_anonymous(table_bytes(slots), true, NULL)))
        return false;
    if (c->slot)
        host_map_free(c->slot, table_bytes(c->slots));
    c->slot = table;
    c->slots = (u32)slots;
    return true;
}

static u64 met_bytes(const struct code_cache *c)
{
    return c->room / KEPT_LINE / 8 + sizeof(u64);
}

struct code_cache *tcg_cache_create(u64 room)
{
    struct code_cache *c = g_new0(struct code_cache, 1);

    c->room = room;
    c->memory = host_map_anonymous(room, true, NULL);
    c->met = host_map_anonymous(met_bytes(c), false, NULL);
    c->notes = host_map_anonymous(room, true, NULL);
    c->folder = -1;
    if (c->memory && c->met && c->notes && tcg_cache_set_slots(c, KEPT_FIRST_SLOTS))
        return c;
    tcg_cache_destroy(c);
    return NULL;
}

void tcg_cache_destroy(struct code_cache *c)
{
    if (!c)
        return;
    if (c->memory)
        host_map_free(c->memory, c->room);
    if (c->notes)
        host_map_free(c->notes, c->room);
    if (c->met)
        host_map_free(c->met, met_bytes(c));
    if (c->slot)
        host_map_free(c->slot, table_bytes(c->slots));
    host_private_close(c->folder);
    g_free(c->name);
    g_free(c->path);
    g_free(c);
}

/* --- units --- */

static bool is_part(const struct kept_part *part, bool first)
{
    return part->offset < TCG_PAGE_SIZE && part->byte_count && part->byte_count <= MAX_BLOCK_INSNS * MAX_INSN_BYTES && part->insn_count &&
           part->links <= IR_MAX_EXITS && (first || part->offset + part->byte_count <= TCG_PAGE_SIZE);
}

static bool is_unit(const struct kept *unit, u64 size)
{
    u32 bytes = 0;

    if (size < KEPT_LINE || unit->size < KEPT_LINE || unit->size > size || unit->size % 8 || unit->size > UNIT_ROOM || !unit->parts || unit->parts > KEPT_PARTS ||
        unit->saved_at >= unit->size || unit->saved_at % 8)
        return false;
    for (u32 i = 0; i < unit->parts; i++) {
        if (!is_part(&unit->part[i], i == 0))
            return false;
        bytes += unit->part[i].byte_count;
    }
    return (u64)(kept_bytes(unit) - (const u8 *)unit) + bytes <= unit->saved_at;
}

struct kept *tcg_cache_unit(const struct code_cache *c, u64 at)
{
    struct kept *unit = (struct kept *)(c->memory + at);

    return at < c->used && is_unit(unit, c->used - at) ? unit : NULL;
}

static u32 hash_of(u32 mode, u32 offset, const u8 *bytes, u32 count)
{
    return (u32)hash_mix((u64)mode << 32 | offset << 8 | count, hash_word(bytes, count));
}

u32 tcg_cache_hash(const struct kept *unit)
{
    return hash_of(unit->mode, unit->part[0].offset, kept_bytes(unit), unit->part[0].byte_count >= LONG ? LONG : SHORT);
}

/* --- the table --- */

static void put(struct code_cache *c, struct kept_slot slot)
{
    u32 i = slot.hash & (c->slots - 1);

    while (c->slot[i].at)
        i = (i + 1) & (c->slots - 1);
    c->slot[i] = slot;
}

/* False: no memory. */
static bool grow(struct code_cache *c)
{
    struct kept_slot *old = c->slot;
    u32 count = c->slots;

    c->slot = NULL;
    if (!tcg_cache_set_slots(c, 2 * (u64)count)) {
        c->slot = old;
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        if (old[i].at)
            put(c, old[i]);
    }
    host_map_free(old, table_bytes(count));
    return true;
}

void tcg_cache_enter(struct code_cache *c)
{
    const struct kept *unit = (const struct kept *)(c->memory + c->used);

    if (c->units < c->slots / 2 || grow(c))
        put(c, (struct kept_slot){ tcg_cache_hash(unit), (u32)(c->used / 8 + 1) });
    c->used += unit->size;
    c->units++;
}

/* The next unit with this hash, from slot *i on, which moves behind it. */
static struct kept *next_unit(const struct code_cache *c, u32 hash, u32 *i)
{
    while (c->slot[*i & (c->slots - 1)].at) {
        struct kept_slot slot = c->slot[(*i)++ & (c->slots - 1)];
        struct kept *unit = slot.hash == hash ? tcg_cache_unit(c, ((u64)slot.at - 1) * 8) : NULL;

        if (unit)
            return unit;
    }
    return NULL;
}

/* --- finding --- */

bool tcg_cache_matches(const struct kept *unit, const struct kept_place *place)
{
    const struct kept_part *part = &unit->part[0];
    const u8 *bytes = kept_bytes(unit);
    u32 in_page;

    if (part->offset != place->offset || unit->mode != place->mode)
        return false;
    in_page = MIN(part->byte_count, TCG_PAGE_SIZE - place->offset);
    if (memcmp(bytes, place->page + place->offset, in_page) != 0)
        return false;
    return in_page == part->byte_count || (place->next_page && !memcmp(bytes + in_page, place->next_page, part->byte_count - in_page));
}

/* Hashes by what finds units; 0 of them in the page: too near its end. What they lead to is fetched while the unit that is behind the last one is looked at. */
static u32 hash_place(const struct code_cache *c, const struct kept_place *place, u32 count)
{
    u32 hash;

    if (place->offset + count > TCG_PAGE_SIZE)
        return 0;
    hash = hash_of(place->mode, place->offset, place->page + place->offset, count);
    __builtin_prefetch(&c->slot[hash & (c->slots - 1)]);
    return hash;
}

struct kept *tcg_cache_find(struct code_cache *c, const struct kept_place *place, bool (*second)(void *opaque, const struct kept *unit), void *opaque)
{
    struct kept *unit;

    __builtin_prefetch(c->memory + c->next);
    if (!c->loaded) {
        c->misses++;
        return NULL;
    }
    const u32 hashes[] = { hash_place(c, place, LONG), hash_place(c, place, SHORT) };
    unit = tcg_cache_unit(c, c->next);
    if (unit && tcg_cache_matches(unit, place) && (unit->parts < 2 || second(opaque, unit)))
        return unit;
    for (u32 k = 0; k < ARRAY_SIZE(hashes); k++) {
        u32 i = hashes[k];

        for (u32 n = 0; n < MOST_ALIKE && (unit = next_unit(c, hashes[k], &i)); n++) {
            if (tcg_cache_matches(unit, place) && (unit->parts < 2 || second(opaque, unit)))
                return unit;
        }
    }
    c->misses++;
    return NULL;
}

u32 tcg_cache_line(const struct code_cache *c, const struct kept *unit)
{
    return (u32)((u64)((const u8 *)unit - c->memory) / KEPT_LINE);
}

void tcg_cache_met(struct code_cache *c, u32 line)
{
    __atomic_fetch_or(&c->met[line / 64], BIT64(line % 64), __ATOMIC_RELAXED);
}

void tcg_cache_used(struct code_cache *c, const struct kept *unit, bool ahead)
{
    c->hits++;
    c->hit_insns += unit->part[0].insn_count + (unit->parts > 1 ? unit->part[1].insn_count : 0);
    if (ahead)
        c->ahead++;
    else
        tcg_cache_met(c, tcg_cache_line(c, unit));
    c->next = (u64)((const u8 *)unit - c->memory) + unit->size;
}

u64 tcg_cache_unmet(const struct code_cache *c)
{
    u64 met = 0;

    for (u64 i = 0; i <= c->loaded / KEPT_LINE / 64; i++)
        met += (u64)__builtin_popcountll(__atomic_load_n(&c->met[i], __ATOMIC_RELAXED));
    return c->hits > met ? c->hits - met : 0; /* some are used more than once */
}

/* --- groups --- */

struct kept *tcg_cache_group(const struct code_cache *c, struct kept *unit)
{
    u64 at = (u64)((u8 *)unit - c->memory), back = (u64)unit->group * 8;
    struct kept *first = back <= at ? tcg_cache_unit(c, at - back) : NULL;

    return first ? first : unit;
}

struct kept *tcg_cache_behind(const struct code_cache *c, const struct kept *first, const struct kept *unit)
{
    u64 at = (u64)((const u8 *)unit - c->memory) + unit->size, back = (u64)(at - (u64)((const u8 *)first - c->memory)) / 8;
    struct kept *next = at < c->loaded ? tcg_cache_unit(c, at) : NULL;

    return next && next->group == back ? next : NULL;
}

u32 tcg_cache_group_number(const struct code_cache *c, const struct kept *first)
{
    return (u32)((u64)((const u8 *)first - c->memory) / 8 + 1);
}

/* --- new units --- */

struct kept *tcg_cache_begin(struct code_cache *c, u32 *room)
{
    if (c->used + UNIT_ROOM > c->room) {
        c->full++;
        return NULL;
    }
    *room = UNIT_ROOM;
    return (struct kept *)(c->memory + c->used);
}

u32 tcg_cache_new_group(struct code_cache *c)
{
    return KEPT_NEW_GROUP | ++c->groups;
}

void tcg_cache_add(struct code_cache *c, struct kept *unit, u32 group)
{
    unit->age = 0;
    unit->group = group;
    c->used += unit->size;
    c->units++;
}

/* --- open and close --- */

struct code_cache *tcg_cache_open(const char *path, u64 room, u64 build, u64 key, GError **error)
{
    s64 start = host_clock_thread_cpu();
    struct code_cache *c = tcg_cache_create(room);

    if (!c) {
        error_set(error, "no memory for %" G_GUINT64_FORMAT " MiB of code", room / MIB);
        return NULL;
    }
    c->folder = host_private_folder(path, error);
    if (c->folder < 0) {
        tcg_cache_destroy(c);
        return NULL;
    }
    c->path = g_strdup(path);
    c->build = build;
    c->key = key;
    c->name = g_strdup_printf("%016" G_GINT64_MODIFIER "x.code", hash_mix(build, key));
    tcg_cache_load(c);
    c->loaded = c->used;
    c->loaded_units = c->units;
    c->load_ns = host_clock_thread_cpu() - start;
    return c;
}

void tcg_cache_close(struct code_cache *c)
{
    g_autoptr(GError) error = NULL;

    if (c && c->used > c->loaded && !tcg_cache_store(c, &error))
        g_printerr("warning: code cache '%s': %s\n", c->path, error->message);
    tcg_cache_destroy(c);
}
