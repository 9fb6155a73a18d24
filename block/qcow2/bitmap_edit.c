/*
 * block/qcow2/bitmap_edit.c - changing the bitmaps of an image. What is new goes into new clusters; when they and their counts are on stable
 * storage, one write of the header makes the new directory the one that counts; then the old clusters are free.
 */
#include "block/qcow2/bitmap.h"
#include "block/qcow2/image.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>

enum { MAX_BITMAPS = 65535, MAX_NAME = 1023, MIN_DEFAULT = 4096, MAX_DEFAULT = 65536, SECTOR = 512, EXTENSION_SIZE = 24 };
#define MAX_BITS (512 * MIB) /* bytes of one bitmap, as QEMU has it */

struct edit {
    struct qcow2 *s;
    GPtrArray *entries; /* of the directory, as they are on disk; g_free */
    u64 directory, directory_size;
    GArray *made, *gone; /* of u64: clusters of what is new, and of what will be no more */
};

/* ---- Entries ---- */

static u64 entry_size(const u8 *e)
{
    return (ENTRY_HEAD + (u64)be16(e + ENTRY_NAME) + be32(e + ENTRY_EXTRA) + 7) & ~UINT64_C(7);
}

static bool has_name(const u8 *e, const char *name)
{
    return strlen(name) == be16(e + ENTRY_NAME) && !memcmp(e + ENTRY_HEAD + be32(e + ENTRY_EXTRA), name, strlen(name));
}

static u8 *find(const struct edit *edit, const char *name, guint *index)
{
    for (guint i = 0; i < edit->entries->len; i++)
        if (has_name(edit->entries->pdata[i], name)) {
            *index = i;
            return edit->entries->pdata[i];
        }
    return NULL;
}

/* One that can be worked with. */
static u8 *find_usable(const struct edit *edit, const char *name, GError **error)
{
    guint index;
    u8 *e = find(edit, name, &index);

    if (!e)
        error_set(error, "Dirty bitmap '%s' not found", name);
    else if (be32(e + ENTRY_FLAGS) & BITMAP_IN_USE) {
        error_set(error, "Bitmap '%s' is inconsistent and cannot be used", name);
        error_hint(error, "Try block-dirty-bitmap-remove to delete this bitmap from disk");
        e = NULL;
    }
    return e;
}

/* ---- Beginning and ending ---- */

static void finish(struct edit *edit)
{
    g_clear_pointer(&edit->entries, g_ptr_array_unref);
    g_clear_pointer(&edit->made, g_array_unref);
    g_clear_pointer(&edit->gone, g_array_unref);
}

static bool read_entries(struct edit *edit, GError **error)
{
    struct qcow2_bitmap_directory dir;
    u64 at = 0;
    const u8 *e;

    if (!(edit->s->autoclear & AUTOCLEAR_BITMAPS))
        return true;
    if (!qcow2_bitmap_directory_read(edit->s, &dir))
        return error_set(error, "the directory of bitmaps cannot be read");
    edit->directory = dir.offset;
    edit->directory_size = dir.size;
    while (edit->entries->len < dir.count && (e = qcow2_bitmap_next(&dir, &at)))
        g_ptr_array_add(edit->entries, g_memdup2(e, entry_size(e)));
    g_free(dir.data);
    return (edit->entries->len == dir.count && at == dir.size) || error_set(error, "the directory of bitmaps is damaged");
}

/* With the lock. False: finish has been done. */
static bool begin(struct edit *edit, struct block_node *node, GError **error)
{
    int ret;

    *edit = (struct edit){ .s = qcow2_of(node), .entries = g_ptr_array_new_with_free_func(g_free) };
    edit->made = g_array_new(FALSE, FALSE, sizeof(u64));
    edit->gone = g_array_new(FALSE, FALSE, sizeof(u64));
    ret = edit->s->corrupt ? -EIO : qcow2_bitmaps_untrack(edit->s);
    if (ret == 0 && read_entries(edit, error))
        return true;
    if (ret < 0)
        error_set(error, "cannot change the bitmaps: %s", block_strerror(ret));
    finish(edit);
    return false;
}

static void note(const struct qcow2 *s, GArray *clusters, u64 offset, u64 size)
{
    for (u64 at = offset; size && at < offset + size; at += s->cluster_size)
        g_array_append_val(clusters, at);
}

/* Those that are counted once and are nothing else: what is damaged rather leaks. */
static void give_back(struct qcow2 *s, const GArray *clusters)
{
    for (guint i = 0; i < clusters->len; i++) {
        u64 at = g_array_index(clusters, u64, i), count;

        if (at && at < s->file->size && !qcow2_in_cluster(s, at) && qcow2_meta_find(s, at) == META_NONE &&
            qcow2_refcount(s, at >> s->cluster_bits, &count) == 0 && count == 1)
            qcow2_free_now(s, at, s->cluster_size);
    }
}

/* The file's table of a bitmap, which has to lie in the file; g_free. */
static int read_table(struct qcow2 *s, const u8 *e, u64 **table)
{
    u64 offset = be64(e + ENTRY_TABLE), size = be32(e + ENTRY_TABLE_SIZE);
    u64 room = qcow2_clusters(s, s->file->size) << s->cluster_bits;

    if (!offset || qcow2_in_cluster(s, offset) || offset >= room || size * 8 > MIN(room - offset, QCOW2_MAX_L1_BYTES))
        return -EINVAL;
    return qcow2_read_l1(s, offset, (u32)size, table);
}

/* An entry's table and bits are of the past. */
static void let_go(struct edit *edit, const u8 *e)
{
    struct qcow2 *s = edit->s;
    g_autofree u64 *table = NULL;

    if (read_table(s, e, &table) < 0)
        return;
    for (u32 i = 0; i < be32(e + ENTRY_TABLE_SIZE); i++)
        if (table[i] & ENTRY_OFFSET)
            note(s, edit->gone, table[i] & ENTRY_OFFSET, s->cluster_size);
    note(s, edit->gone, be64(e + ENTRY_TABLE), be32(e + ENTRY_TABLE_SIZE) * 8ull);
}

/* ---- The header ---- */

static int show_bitmaps(struct qcow2 *s, bool shown)
{
    u64 autoclear = shown ? s->autoclear | AUTOCLEAR_BITMAPS : s->autoclear & ~AUTOCLEAR_BITMAPS;
    int ret = autoclear == s->autoclear ? 0 : qcow2_write_field(s, H_AUTOCLEAR, 8, autoclear);

    if (ret == 0)
        s->autoclear = autoclear;
    return ret;
}

static void forget_extension(struct qcow2 *s)
{
    for (guint i = s->extensions->len; i-- > 0;)
        if (g_array_index(s->extensions, struct qcow2_extension, i).type == EXT_BITMAPS) {
            g_free(g_array_index(s->extensions, struct qcow2_extension, i).data);
            g_array_remove_index(s->extensions, i);
        }
}

/* A place of one sector is written at once; elsewhere there are no bitmaps until it is written. */
static int point_at(struct qcow2 *s, u32 count, u64 size, u64 offset)
{
    struct qcow2_extension extension = { .type = EXT_BITMAPS, .size = EXTENSION_SIZE, .data = g_malloc0(EXTENSION_SIZE) };
    u64 place = 0;
    int ret = qcow2_find_extension(s, EXT_BITMAPS, &place);
    bool at_once = place && place / SECTOR == (place + EXTENSION_SIZE - 1) / SECTOR && s->autoclear & AUTOCLEAR_BITMAPS;

    put_be32(extension.data, count);
    put_be64(extension.data + 8, size);
    put_be64(extension.data + 16, offset);
    forget_extension(s);
    g_array_append_val(s->extensions, extension);
    if (ret == 0 && at_once) {
        ret = block_write_buffer(s->file, place, extension.data, EXTENSION_SIZE);
        return ret < 0 ? ret : block_flush(s->file);
    }
    if (ret == 0)
        ret = show_bitmaps(s, false);
    if (ret == 0)
        ret = qcow2_write_extensions(s);
    return ret < 0 ? ret : show_bitmaps(s, true);
}

static int point_nowhere(struct qcow2 *s)
{
    int ret = show_bitmaps(s, false);

    forget_extension(s);
    return ret < 0 ? ret : qcow2_write_extensions(s);
}

/* ---- What was decided becomes true ---- */

static int write_directory(struct edit *edit, u64 *offset, u64 *size)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    struct qcow2 *s = edit->s;
    int ret;

    for (guint i = 0; i < edit->entries->len; i++)
        g_byte_array_append(bytes, edit->entries->pdata[i], (guint)entry_size(edit->entries->pdata[i]));
    if (bytes->len > QCOW2_MAX_BITMAP_DIR)
        return -EFBIG;
    ret = qcow2_alloc_run(s, qcow2_clusters(s, bytes->len), offset);
    if (ret < 0)
        return ret;
    *size = bytes->len;
    note(s, edit->made, *offset, *size);
    return block_write_buffer(s->file, *offset, bytes->data, bytes->len);
}

/* Ends the edit. */
static bool commit(struct edit *edit, GError **error)
{
    struct qcow2 *s = edit->s;
    u64 offset = 0, size = 0;
    int ret = edit->entries->len ? write_directory(edit, &offset, &size) : 0;

    if (ret == 0)
        ret = qcow2_sync(s);
    if (ret < 0) {
        give_back(s, edit->made);
    } else {
        ret = edit->entries->len ? point_at(s, edit->entries->len, size, offset) : edit->directory ? point_nowhere(s) : 0;
        if (ret == 0) {
            note(s, edit->gone, edit->directory, edit->directory_size);
            give_back(s, edit->gone);
        }
    }
    finish(edit);
    return ret == 0 || error_set(error, "cannot write the bitmaps: %s", block_strerror(ret));
}

/* ---- Bits ---- */

/* The bits of a bitmap for a disk; qcow2_bits_finish, also after an error. */
static bool read_bits(struct qcow2 *s, const u8 *e, const char *name, struct qcow2_bits *bits, GError **error)
{
    unsigned granularity = e[ENTRY_GRANULARITY];
    g_autofree u64 *table = NULL;
    u32 clusters = be32(e + ENTRY_TABLE_SIZE);
    int ret;

    if (e[ENTRY_TYPE] != BITMAP_TYPE_DIRTY || granularity < BITMAP_MIN_GRANULARITY || granularity > BITMAP_MAX_GRANULARITY ||
        (be32(e + ENTRY_EXTRA) && !(be32(e + ENTRY_FLAGS) & BITMAP_EXTRA_IS_COMPATIBLE)))
        return error_set(error, "Bitmap '%s' is of a kind that Mynah does not know", name);
    if (clusters != qcow2_clusters(s, qcow2_bitmap_bytes(s->node->size, granularity)))
        return error_set(error, "Bitmap '%s' is not of the size of the disk", name);
    ret = read_table(s, e, &table);
    if (ret == 0) {
        qcow2_bits_init(bits, s, granularity, clusters);
        ret = qcow2_bits_read(bits, s, table);
    }
    return ret == 0 || error_set(error, "Could not read bitmap '%s' from image: %s", name, block_strerror(ret));
}

/* The entry gets these bits (NULL: zeros), in new clusters. A disk without size has none. */
static int write_bits(struct edit *edit, u8 *e, const struct qcow2_bits *bits, u32 clusters)
{
    struct qcow2 *s = edit->s;
    g_autofree u64 *table = g_new0(u64, clusters + 1ull);
    g_autofree u8 *bytes = g_malloc0((clusters + 1ull) * 8);
    u64 at = 0;
    int ret = bits ? qcow2_bits_write(bits, s, table) : 0;

    for (u32 i = 0; i < clusters; i++) {
        put_be64(bytes + i * 8ull, table[i]);
        if (table[i] & ENTRY_OFFSET)
            note(s, edit->made, table[i], s->cluster_size);
    }
    if (ret == 0 && clusters)
        ret = qcow2_alloc_run(s, qcow2_clusters(s, clusters * 8ull), &at);
    if (ret < 0)
        return ret;
    note(s, edit->made, at, clusters * 8ull);
    put_be64(e + ENTRY_TABLE, at);
    put_be32(e + ENTRY_TABLE_SIZE, clusters);
    return clusters ? block_write_buffer(s->file, at, bytes, clusters * 8ull) : 0;
}

static bool replace_bits(struct edit *edit, u8 *e, const struct qcow2_bits *bits, u32 clusters, GError **error)
{
    int ret;

    let_go(edit, e);
    ret = write_bits(edit, e, bits, clusters);
    if (ret == 0)
        return commit(edit, error);
    give_back(edit->s, edit->made);
    finish(edit);
    return error_set(error, "cannot write the bitmaps: %s", block_strerror(ret));
}

/* ---- Adding ---- */

static unsigned log2_of(u64 value)
{
    return (unsigned)g_bit_nth_msf(value, -1);
}

static bool may_add(const struct edit *edit, const char *name, u64 granularity, GError **error)
{
    const struct qcow2 *s = edit->s;
    guint index;

    if (!*name)
        return error_set(error, "Bitmap name cannot be empty");
    if (granularity < BIT64(BITMAP_MIN_GRANULARITY) || granularity > BIT64(BITMAP_MAX_GRANULARITY) || granularity & (granularity - 1))
        return error_set(error, "Granularity must be power of 2 and at least 512");
    if (find(edit, name, &index))
        return error_set(error, "Bitmap already exists: %s", name);
    if (s->version < 3)
        error_set(error, "Cannot store dirty bitmaps in qcow2 v2 files");
    else if (strlen(name) > MAX_NAME)
        error_set(error, "Name length exceeds maximum (%u characters)", MAX_NAME);
    else if (qcow2_bitmap_bytes(s->node->size, log2_of(granularity)) > MAX_BITS)
        error_set(error, "Too much space will be occupied by the bitmap. Use larger granularity");
    else if (edit->entries->len >= MAX_BITMAPS)
        error_set(error, "Maximum number of persistent bitmaps is already reached");
    else if (edit->directory_size + ((ENTRY_HEAD + strlen(name) + 7) & ~UINT64_C(7)) > QCOW2_MAX_BITMAP_DIR)
        error_set(error, "Not enough space in the bitmap directory");
    else
        return true;
    return error_prefix(error, "Can't make bitmap '%s' persistent in '%s'", name, block_name(s->node));
}

static u8 *make_entry(const char *name, u64 granularity, bool enabled)
{
    u8 *e = g_malloc0(ENTRY_HEAD + strlen(name) + 8);

    put_be32(e + ENTRY_FLAGS, enabled ? BITMAP_AUTO : 0);
    e[ENTRY_TYPE] = BITMAP_TYPE_DIRTY;
    e[ENTRY_GRANULARITY] = (u8)log2_of(granularity);
    bits_store_be(e + ENTRY_NAME, 2, strlen(name));
    memcpy(e + ENTRY_HEAD, name, strlen(name));
    return e;
}

static bool add(struct block_node *node, const char *name, u64 granularity, bool enabled, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    struct edit edit;
    u8 *e;

    if (!begin(&edit, node, error))
        return false;
    granularity = granularity ? granularity : CLAMP(s->cluster_size, MIN_DEFAULT, MAX_DEFAULT);
    if (!may_add(&edit, name, granularity, error)) {
        finish(&edit);
        return false;
    }
    e = make_entry(name, granularity, enabled);
    g_ptr_array_add(edit.entries, e);
    return replace_bits(&edit, e, NULL, (u32)qcow2_clusters(s, qcow2_bitmap_bytes(node->size, log2_of(granularity))), error);
}

bool qcow2_bitmap_add(struct block_node *node, const char *name, u64 granularity, bool enabled, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    bool ok;

    block_mutex_take(&s->lock, node->loop);
    ok = add(node, name, granularity, enabled, error);
    block_mutex_drop(&s->lock);
    return ok;
}

/* ---- Removing ---- */

static bool remove_named(struct block_node *node, const char *name, GError **error)
{
    struct edit edit;
    guint index;
    u8 *e;

    if (!begin(&edit, node, error))
        return false;
    e = find(&edit, name, &index);
    if (!e) {
        finish(&edit);
        return error_set(error, "Dirty bitmap '%s' not found", name);
    }
    let_go(&edit, e);
    g_ptr_array_remove_index(edit.entries, index);
    return commit(&edit, error);
}

bool qcow2_bitmap_remove(struct block_node *node, const char *name, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    bool ok;

    block_mutex_take(&s->lock, node->loop);
    ok = remove_named(node, name, error);
    block_mutex_drop(&s->lock);
    return ok;
}

/* Where the directory is damaged, all that it would have led to leaks. */
static bool remove_all(struct block_node *node, GError **error)
{
    struct edit edit;
    int ret;

    if (!begin(&edit, node, NULL)) {
        ret = qcow2_of(node)->corrupt ? -EIO : point_nowhere(qcow2_of(node));
        return ret == 0 || error_set(error, "cannot change the bitmaps: %s", block_strerror(ret));
    }
    for (guint i = 0; i < edit.entries->len; i++)
        let_go(&edit, edit.entries->pdata[i]);
    g_ptr_array_set_size(edit.entries, 0);
    return commit(&edit, error);
}

bool qcow2_bitmap_remove_all(struct block_node *node, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    bool ok;

    block_mutex_take(&s->lock, node->loop);
    ok = remove_all(node, error);
    block_mutex_drop(&s->lock);
    return ok;
}

/* ---- Changing one ---- */

/* Begins an edit of a bitmap that can be used. NULL: with *error set, and nothing to end. */
static u8 *begin_with(struct edit *edit, struct block_node *node, const char *name, GError **error)
{
    u8 *e;

    if (!begin(edit, node, error))
        return NULL;
    e = find_usable(edit, name, error);
    if (!e)
        finish(edit);
    return e;
}

bool qcow2_bitmap_clear(struct block_node *node, const char *name, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    struct edit edit;
    struct qcow2_bits bits = { 0 };
    bool ok;
    u8 *e;

    block_mutex_take(&s->lock, node->loop);
    e = begin_with(&edit, node, name, error);
    ok = e && read_bits(s, e, name, &bits, error); /* only what is understood is replaced */
    if (ok)
        ok = replace_bits(&edit, e, NULL, bits.clusters, error);
    else if (e)
        finish(&edit);
    qcow2_bits_finish(&bits);
    block_mutex_drop(&s->lock);
    return ok;
}

bool qcow2_bitmap_enable(struct block_node *node, const char *name, bool enabled, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    struct edit edit;
    bool ok;
    u8 *e;

    block_mutex_take(&s->lock, node->loop);
    e = begin_with(&edit, node, name, error);
    ok = e != NULL;
    if (ok) {
        u32 flags = be32(e + ENTRY_FLAGS);

        put_be32(e + ENTRY_FLAGS, enabled ? flags | BITMAP_AUTO : flags & ~(u32)BITMAP_AUTO);
        ok = commit(&edit, error);
    }
    block_mutex_drop(&s->lock);
    return ok;
}

/* ---- Merging ---- */

static bool read_source(struct block_node *source, const char *name, struct qcow2_bits *bits, GError **error)
{
    struct qcow2 *s = qcow2_of(source);
    struct edit edit = { .s = s, .entries = g_ptr_array_new_with_free_func(g_free) };
    bool ok;
    u8 *e;

    block_mutex_take(&s->lock, source->loop);
    if (s->bitmaps) /* what is in memory is newer */
        qcow2_bitmaps_untrack(s);
    ok = read_entries(&edit, error) && (e = find_usable(&edit, name, error)) && read_bits(s, e, name, bits, error);
    block_mutex_drop(&s->lock);
    finish(&edit);
    return ok;
}

static bool merge(struct block_node *node, const char *name, const struct qcow2_bits *from, u64 source_size, GError **error)
{
    struct qcow2_bits bits = { 0 };
    struct edit edit;
    u8 *e = begin_with(&edit, node, name, error);
    bool ok = e && (source_size == node->size ||
                    error_set(error, "Bitmaps are of different sizes (destination size is %" G_GUINT64_FORMAT ", source size is %" G_GUINT64_FORMAT ") and can't be merged",
                              node->size, source_size)) &&
              read_bits(edit.s, e, name, &bits, error);

    if (ok) {
        qcow2_bits_merge(&bits, from, node->size);
        ok = replace_bits(&edit, e, &bits, bits.clusters, error);
    } else if (e) {
        finish(&edit);
    }
    qcow2_bits_finish(&bits);
    return ok;
}

bool qcow2_bitmap_merge(struct block_node *node, const char *name, struct block_node *source, const char *source_name, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    struct qcow2_bits from = { 0 };
    bool ok = read_source(source, source_name, &from, error);

    if (ok) {
        block_mutex_take(&s->lock, node->loop);
        ok = merge(node, name, &from, source->size, error);
        block_mutex_drop(&s->lock);
    }
    qcow2_bits_finish(&from);
    return ok;
}
