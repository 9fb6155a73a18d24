/*
 * accel/tcg/cache_file.c - the file of a code cache. What is in it runs as code of this process, so it must be the user's own, closed to
 * others, of this build, and whole; but nothing that is in it may do more than that: all of it is checked as input is.
 */
#include "accel/tcg/cache.h"
#include "base/error.h"
#include "base/hash.h"
#include "host/private.h"
#include <string.h>
#include <sys/uio.h>

enum { FORMAT = 1, FILES = 8, AGES = KEPT_USED };

static const char magic[8] = "MynahJIT";

struct file_header {
    char magic[8];
    u32 format, header_size;
    u64 build, key;
    u64 units, slots;
    u64 payload;  /* bytes of units; they follow, and then the table */
    u64 check;    /* of both, see payload_check */
    u64 own_check; /* of the header up to here */
};

static u64 header_check(const struct file_header *h)
{
    return hash_bytes(h, offsetof(struct file_header, own_check), FORMAT);
}

static u64 payload_check(const struct code_cache *c, u64 payload)
{
    return hash_bytes(c->slot, c->slots * sizeof(c->slot[0]), hash_bytes(c->memory, payload, c->build));
}

/* --- reading --- */

static bool check_header(const struct code_cache *c, const struct file_header *h, u64 file_size, GError **error)
{
    if (memcmp(h->magic, magic, sizeof(magic)) != 0 || h->format != FORMAT || h->header_size != sizeof(*h))
        return error_set(error, "it is of another kind or version");
    if (h->own_check != header_check(h))
        return error_set(error, "its header is damaged");
    if (h->build != c->build || h->key != c->key)
        return error_set(error, "it is of another build or configuration");
    if (h->slots > UINT32_MAX || h->payload % 8 || h->payload != file_size - sizeof(*h) - h->slots * sizeof(struct kept_slot))
        return error_set(error, "it is cut off");
    if (h->payload > c->room)
        return error_set(error, "it is larger than cache-size allows");
    return true;
}

static u64 rows_in_use(const struct code_cache *c)
{
    u64 rows = 0;

    for (u32 i = 0; i < c->slots; i++)
        rows += c->slot[i].at != 0;
    return rows;
}

static bool read_all(struct code_cache *c, int file, u64 size, struct file_header *h, GError **error)
{
    if (size < sizeof(*h))
        return error_set(error, "it is cut off");
    if (!host_private_read(file, h, sizeof(*h), error) || !check_header(c, h, size, error))
        return false;
    if (!tcg_cache_set_slots(c, h->slots))
        return error_set(error, "its table has %" G_GUINT64_FORMAT " rows", h->slots);
    if (!host_private_read(file, c->memory, h->payload, error) || !host_private_read(file, c->slot, c->slots * sizeof(c->slot[0]), error))
        return false;
    if (payload_check(c, h->payload) != h->check)
        return error_set(error, "it is damaged");
    return (rows_in_use(c) == h->units && h->units <= h->slots / 2) || error_set(error, "its numbers make no sense");
}

bool tcg_cache_load(struct code_cache *c)
{
    g_autoptr(GError) error = NULL;
    struct file_header h;
    u64 size = 0;
    int file = host_private_open(c->folder, c->name, &size, &error);
    bool good = file >= 0 && read_all(c, file, size, &h, &error);

    if (good) {
        host_private_touch(file);
        c->file_check = h.own_check;
        c->used = h.payload;
        c->units = (u32)h.units;
    } else if (error) {
        g_printerr("warning: code cache '%s/%s' is ignored: %s\n", c->path, c->name, error->message);
        tcg_cache_set_slots(c, KEPT_FIRST_SLOTS);
    }
    host_private_close(file);
    return good;
}

/* --- writing --- */

/* All of them get older by one, but those that were used. False: what the file said of itself is not so. */
static bool grow_older(struct code_cache *c, u64 bytes[AGES])
{
    struct kept *unit;

    for (u64 at = 0; at < c->used; at += unit->size) {
        unit = tcg_cache_unit(c, at);
        if (!unit)
            return false;
        unit->age = unit->age == KEPT_USED ? 0 : (u8)MIN(unit->age + 1, AGES - 1);
        bytes[unit->age] += unit->size;
    }
    return true;
}

/* The greatest age at which units take at most half of the room, or AGES when all may stay. */
static u32 greatest_age(const struct code_cache *c, const u64 bytes[AGES])
{
    u64 sum = bytes[0];
    u32 age = 0;

    if (c->used <= c->room / 4 * 3)
        return AGES;
    while (age + 1 < AGES && sum + bytes[age + 1] <= c->room / 2)
        sum += bytes[++age];
    return age;
}

/* Those from `first` on, and of them those not older than `age`, move together. */
static bool compact(struct code_cache *c, u64 first, u32 age)
{
    u64 end = c->used;
    u32 size;

    if (!tcg_cache_set_slots(c, KEPT_FIRST_SLOTS))
        return false;
    c->used = c->units = 0;
    for (u64 at = first; at < end; at += size) {
        struct kept *unit = (struct kept *)(c->memory + at);

        size = unit->size;
        if (unit->age > age)
            continue;
        memmove(c->memory + c->used, unit, size);
        tcg_cache_enter(c);
    }
    return true;
}

static bool tidy(struct code_cache *c)
{
    u64 bytes[AGES] = { 0 };
    u32 age;

    if (!grow_older(c, bytes))
        return compact(c, c->loaded, KEPT_USED);
    age = greatest_age(c, bytes);
    return age == AGES || compact(c, 0, age);
}

static bool write_file(struct code_cache *c, GError **error)
{
    struct file_header h = { .format = FORMAT, .header_size = sizeof(h), .build = c->build, .key = c->key };

    if (!tidy(c))
        return error_set(error, "no memory");
    memcpy(h.magic, magic, sizeof(magic));
    h.payload = c->used;
    h.units = c->units;
    h.slots = c->slots;
    h.check = payload_check(c, c->used);
    h.own_check = header_check(&h);
    const struct iovec parts[] = { { &h, sizeof(h) }, { c->memory, c->used }, { c->slot, c->slots * sizeof(c->slot[0]) } };
    return host_private_replace(c->folder, c->name, parts, ARRAY_SIZE(parts), error);
}

/* The new units of c, whose last one ends at `end`, into the table of `to`, which may be c; those that are there already are left out. */
static void add_new(struct code_cache *to, const struct code_cache *c, u64 end)
{
    u32 size;

    for (u64 at = c->loaded; at < end; at += size) {
        const struct kept *unit = (const struct kept *)(c->memory + at);

        size = unit->size;
        if (to->used + size > to->room || tcg_cache_has(to, unit))
            continue;
        memmove(to->memory + to->used, unit, size);
        tcg_cache_enter(to);
    }
}

/* What others wrote since we loaded it, with what is new here. NULL: nobody did. */
static struct code_cache *merged(const struct code_cache *c)
{
    struct code_cache *all = tcg_cache_create(c->room);

    if (!all)
        return NULL;
    all->folder = host_private_folder(c->path, NULL);
    all->path = g_strdup(c->path);
    all->name = g_strdup(c->name);
    all->build = c->build;
    all->key = c->key;
    if (all->folder < 0 || !tcg_cache_load(all) || all->file_check == c->file_check) {
        tcg_cache_destroy(all);
        return NULL;
    }
    all->loaded = all->used;
    add_new(all, c, c->used);
    return all;
}

bool tcg_cache_store(struct code_cache *c, GError **error)
{
    int lock = host_private_lock(c->folder);
    struct code_cache *all = merged(c);
    u64 end = c->used;
    bool written;

    if (!all) {
        c->used = c->loaded;
        c->units = c->loaded_units;
        add_new(c, c, end);
    }
    written = write_file(all ? all : c, error);

    tcg_cache_destroy(all);
    host_private_trim(c->folder, ".code", FILES);
    host_private_close(lock);
    return written;
}
