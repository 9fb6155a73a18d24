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

enum { FORMAT = 3, FILES = 8, PIECE = 256 * KIB };

static const char magic[8] = "MynahJIT";

struct file_header {
    char magic[8];
    u32 format, header_size;
    u64 build, key;
    u64 units, slots;
    u64 payload;  /* bytes of units; they follow, and then the table */
    u64 check;    /* of both, see check_bytes */
    u64 own_check; /* of the header up to here */
};

static u64 header_check(const struct file_header *h)
{
    return hash_bytes(h, offsetof(struct file_header, own_check), FORMAT);
}

/* Payload and table one after the other, piece by piece, so that reading a piece brings it near. */
static u64 check_bytes(const void *bytes, u64 size, u64 check)
{
    for (u64 at = 0; at < size; at += PIECE)
        check = hash_bytes((const u8 *)bytes + at, MIN(size - at, PIECE), check);
    return check;
}

static u64 payload_check(const struct code_cache *c)
{
    return check_bytes(c->slot, c->slots * sizeof(c->slot[0]), check_bytes(c->memory, c->used, c->build));
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

/* With its part of the checksum. */
static bool read_checked(int file, void *to, u64 size, u64 *check, GError **error)
{
    for (u64 at = 0; at < size; at += PIECE) {
        u64 bytes = MIN(size - at, PIECE);

        if (!host_private_read(file, (u8 *)to + at, bytes, error))
            return false;
        *check = hash_bytes((u8 *)to + at, bytes, *check);
    }
    return true;
}

static bool read_all(struct code_cache *c, int file, u64 size, struct file_header *h, GError **error)
{
    u64 check = c->build;

    if (size < sizeof(*h))
        return error_set(error, "it is cut off");
    if (!host_private_read(file, h, sizeof(*h), error) || !check_header(c, h, size, error))
        return false;
    if (!tcg_cache_set_slots(c, h->slots))
        return error_set(error, "its table has %" G_GUINT64_FORMAT " rows", h->slots);
    if (!read_checked(file, c->memory, h->payload, &check, error) || !read_checked(file, c->slot, c->slots * sizeof(c->slot[0]), &check, error))
        return false;
    if (check != h->check)
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
        if (!c->warned)
            g_printerr("warning: code cache '%s/%s' is ignored: %s\n", c->path, c->name, error->message);
        c->warned = true;
        tcg_cache_set_slots(c, KEPT_FIRST_SLOTS);
    }
    host_private_close(file);
    return good;
}

/* --- writing --- */

/* A unit that may be in the next file. */
struct row {
    u64 group, at;        /* in this order they are written */
    const struct kept *unit;
    u32 age;
};

struct rows {
    GArray *row;
    GHashTable *seen;     /* units: new ones may be there twice, or be there already, for nobody looked for them */
    u64 bytes[KEPT_AGES]; /* by age */
};

static guint hash_of(gconstpointer unit)
{
    return tcg_cache_hash(unit);
}

static gboolean is_same(gconstpointer a, gconstpointer b)
{
    const struct kept *x = a, *y = b;

    return x->saved_at == y->saved_at && x->mode == y->mode && x->parts == y->parts && !memcmp(x->part, y->part, x->saved_at - sizeof(*x));
}

static void add_row(struct rows *rows, u64 group, const struct kept *unit, u32 age)
{
    struct row row = { group, rows->row->len, unit, MIN(age, KEPT_AGES - 1) };

    if (!g_hash_table_add(rows->seen, (gpointer)unit))
        return;
    g_array_append_val(rows->row, row);
    rows->bytes[row.age] += unit->size;
}

static void begin_rows(struct rows *rows)
{
    *rows = (struct rows){ .row = g_array_new(FALSE, FALSE, sizeof(struct row)), .seen = g_hash_table_new(hash_of, is_same) };
}

static void end_rows(struct rows *rows)
{
    g_array_free(rows->row, TRUE);
    g_hash_table_destroy(rows->seen);
}

/* The units of the file that `from` loaded; all of them are older by one, but those that `user`, who loaded the same, has used. */
static void add_old(struct rows *rows, const struct code_cache *from, const struct code_cache *user)
{
    u64 first = 0;
    const struct kept *unit;

    for (u64 at = 0; at < from->loaded; at += unit->size) {
        unit = tcg_cache_unit(from, at);
        if (!unit) { /* what the file said of itself is not so */
            end_rows(rows);
            begin_rows(rows);
            return;
        }
        if ((u64)unit->group * 8 != at - first)
            first = at;
        add_row(rows, first / 8 + 1, unit, user && tcg_cache_is_met(user, at) ? 0 : unit->age + 1u);
    }
}

/* New units of c. Where the file is another one than c loaded, its groups are not those of c. */
static void add_new(struct rows *rows, const struct code_cache *c, bool same_file)
{
    const struct kept *unit;

    for (u64 at = c->loaded; at < c->used; at += unit->size) {
        unit = (const struct kept *)(c->memory + at);
        add_row(rows, same_file ? unit->group : (u64)unit->group << 32, unit, 0);
    }
}

/* The greatest age at which units take at most half of the room, or all when all may stay. */
static u32 greatest_age(const struct rows *rows, u64 room)
{
    u64 sum = rows->bytes[0], all = 0;
    u32 age = 0;

    for (u32 i = 0; i < KEPT_AGES; i++)
        all += rows->bytes[i];
    if (all <= room / 4 * 3)
        return KEPT_AGES;
    while (age + 1 < KEPT_AGES && sum + rows->bytes[age + 1] <= room / 2)
        sum += rows->bytes[++age];
    return age;
}

static gint in_order(gconstpointer x, gconstpointer y)
{
    const struct row *a = x, *b = y;

    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void put_rows(struct code_cache *to, const struct rows *rows)
{
    u32 age = greatest_age(rows, to->room);
    u64 first = 0;

    g_array_sort(rows->row, in_order);
    for (guint i = 0; i < rows->row->len; i++) {
        const struct row *row = &g_array_index(rows->row, struct row, i);
        struct kept *unit = (struct kept *)(to->memory + to->used);

        if (i == 0 || row->group != row[-1].group)
            first = to->used;
        if (row->age > age || to->used + row->unit->size > to->room)
            continue;
        memcpy(unit, row->unit, row->unit->size);
        unit->age = (u8)row->age;
        unit->group = (u32)((to->used - first) / 8);
        tcg_cache_enter(to);
    }
}

static bool write_file(const struct code_cache *c, GError **error)
{
    struct file_header h = { .format = FORMAT, .header_size = sizeof(h), .build = c->build, .key = c->key };

    memcpy(h.magic, magic, sizeof(magic));
    h.payload = c->used;
    h.units = c->units;
    h.slots = c->slots;
    h.check = payload_check(c);
    h.own_check = header_check(&h);
    const struct iovec parts[] = { { &h, sizeof(h) }, { c->memory, c->used }, { c->slot, c->slots * sizeof(c->slot[0]) } };
    return host_private_replace(c->folder, c->name, parts, ARRAY_SIZE(parts), error);
}

/* For the file of c. */
static struct code_cache *create_like(const struct code_cache *c, GError **error)
{
    struct code_cache *other = tcg_cache_create(c->room);

    if (!other) {
        error_set(error, "no memory for %" G_GUINT64_FORMAT " MiB of code", c->room / MIB);
        return NULL;
    }
    other->folder = host_private_folder(c->path, error);
    other->path = g_strdup(c->path);
    other->name = g_strdup(c->name);
    other->build = c->build;
    other->key = c->key;
    other->warned = c->warned;
    if (other->folder >= 0)
        return other;
    tcg_cache_destroy(other);
    return NULL;
}

/* What others wrote since we loaded it. NULL: nobody did. */
static struct code_cache *load_others(const struct code_cache *c)
{
    struct code_cache *others = create_like(c, NULL);

    if (!others)
        return NULL;
    if (!tcg_cache_load(others) || others->file_check == c->file_check) {
        tcg_cache_destroy(others);
        return NULL;
    }
    others->loaded = others->used;
    return others;
}

bool tcg_cache_store(struct code_cache *c, GError **error)
{
    int lock = host_private_lock(c->folder);
    struct code_cache *others = load_others(c), *next = create_like(c, error);
    struct rows rows;
    bool written = next != NULL;

    begin_rows(&rows);
    add_old(&rows, others ? others : c, others ? NULL : c);
    add_new(&rows, c, !others);
    if (written) {
        put_rows(next, &rows);
        written = write_file(next, error);
    }
    end_rows(&rows);
    tcg_cache_destroy(next);
    tcg_cache_destroy(others);
    if (lock >= 0)
        host_private_sweep(c->folder);
    host_private_trim(c->folder, ".code", FILES);
    host_private_close(lock);
    return written;
}
