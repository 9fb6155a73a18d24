/*
 * accel/tcg/cache_file.c - the file of a code cache. What is in it runs as code of this process, so it must be the user's own, closed to
 * others, of this build, and whole; but nothing that is in it may do more than that: all of it is checked as input is.
 */
#include "accel/tcg/cache.h"
#include "base/error.h"
#include "base/hash.h"
#include "host/private.h"
#include <string.h>

enum { FORMAT = 1, FILES = 8, AGES = 256 };

static const char magic[8] = "MynahJIT";

struct file_header {
    char magic[8];
    u32 format, header_size;
    u64 build, key;
    u64 payload;  /* bytes of units */
    u64 units;
    u64 check;    /* hash_bytes of the payload */
    u64 own_check; /* of the header up to here */
};

static u64 header_check(const struct file_header *h)
{
    return hash_bytes(h, offsetof(struct file_header, own_check), FORMAT);
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
    if (h->payload != file_size - sizeof(*h))
        return error_set(error, "it is cut off");
    if (h->payload > c->room)
        return error_set(error, "it is larger than cache-size allows");
    return true;
}

static bool read_all(struct code_cache *c, int file, u64 size, struct file_header *h, GError **error)
{
    if (size < sizeof(*h))
        return error_set(error, "it is cut off");
    if (!host_private_read(file, h, sizeof(*h), error) || !check_header(c, h, size, error) || !host_private_read(file, c->memory, h->payload, error))
        return false;
    if (hash_bytes(c->memory, h->payload, h->build) != h->check)
        return error_set(error, "it is damaged");
    return true;
}

/* Ages of which units are left out so that the others take at most half of the room: those above the one returned. */
static u32 oldest_to_keep(const struct code_cache *c, u64 payload)
{
    u64 bytes[AGES] = { 0 }, sum = 0;
    u32 age = 0;

    if (payload <= c->room / 4 * 3)
        return AGES;
    for (u64 at = 0; at < payload; at += ((const struct kept *)(c->memory + at))->size)
        bytes[((const struct kept *)(c->memory + at))->age] += ((const struct kept *)(c->memory + at))->size;
    for (; age < AGES && (age == 0 || sum + bytes[age] <= c->room / 2); age++)
        sum += bytes[age];
    return age - 1;
}

static bool are_units(const struct code_cache *c, u64 payload, u64 count)
{
    u64 found = 0;

    for (u64 at = 0; at < payload; at += ((const struct kept *)(c->memory + at))->size, found++) {
        if (!tcg_cache_is_unit(c->memory + at, payload - at))
            return false;
    }
    return found == count;
}

static void enter_all(struct code_cache *c, u64 payload)
{
    u32 keep = oldest_to_keep(c, payload), size;

    for (u64 at = 0; at < payload; at += size) {
        struct kept *unit = (struct kept *)(c->memory + at);

        size = unit->size;
        if (unit->age > keep)
            continue;
        unit->age += unit->age < AGES - 1;
        if (at != c->used)
            memmove(c->memory + c->used, unit, size);
        tcg_cache_enter(c);
    }
}

bool tcg_cache_load(struct code_cache *c)
{
    g_autoptr(GError) error = NULL;
    struct file_header h;
    u64 size = 0;
    int file = host_private_open(c->folder, c->name, &size, &error);
    bool good = file >= 0 && read_all(c, file, size, &h, &error);

    if (good && !are_units(c, h.payload, h.units))
        good = error_set(&error, "its numbers make no sense");
    if (good) {
        host_private_touch(file);
        c->file_check = h.own_check;
        enter_all(c, h.payload);
    } else if (error) {
        g_printerr("warning: code cache '%s/%s' is ignored: %s\n", c->path, c->name, error->message);
    }
    host_private_close(file);
    return good;
}

/* --- writing --- */

static bool write_file(const struct code_cache *c, int folder, const char *name, GError **error)
{
    struct file_header h = {
        .format = FORMAT, .header_size = sizeof(h), .build = c->build, .key = c->key, .payload = c->used, .units = c->units,
        .check = hash_bytes(c->memory, c->used, c->build),
    };

    memcpy(h.magic, magic, sizeof(magic));
    h.own_check = header_check(&h);
    return host_private_replace(folder, name, &h, sizeof(h), c->memory, c->used, error);
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
    for (u64 at = c->loaded; at < c->used;) {
        const struct kept *unit = (const struct kept *)(c->memory + at);

        if (all->used + unit->size <= all->room && !tcg_cache_has(all, unit)) {
            memcpy(all->memory + all->used, unit, unit->size);
            tcg_cache_enter(all);
        }
        at += unit->size;
    }
    return all;
}

bool tcg_cache_store(struct code_cache *c, GError **error)
{
    int lock = host_private_lock(c->folder);
    struct code_cache *all = merged(c);
    bool written = write_file(all ? all : c, c->folder, c->name, error);

    tcg_cache_destroy(all);
    host_private_trim(c->folder, ".code", FILES);
    host_private_close(lock);
    return written;
}
