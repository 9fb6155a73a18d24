/*
 * block/qcow2/bitmap.c - dirty bitmaps in images. Mynah does not maintain them yet: they are listed and counted, stay intact
 * while the disk is not written, and are declared outdated (autoclear bit 0) before the first write.
 */
#include "block/qcow2/check_internal.h"
#include <errno.h>

enum { DIR_HEAD = 24 };

struct directory {
    u8 *data;
    u64 offset, size;
    u32 count;
};

static bool read_directory(struct qcow2 *s, struct directory *dir)
{
    const struct qcow2_extension *ext = NULL;

    *dir = (struct directory){ 0 };
    for (unsigned i = 0; i < s->extensions->len; i++)
        if (g_array_index(s->extensions, struct qcow2_extension, i).type == EXT_BITMAPS)
            ext = &g_array_index(s->extensions, struct qcow2_extension, i);
    if (!ext || ext->size < 24 || !(s->autoclear & AUTOCLEAR_BITMAPS))
        return false;
    dir->count = be32(ext->data);
    dir->size = be64(ext->data + 8);
    dir->offset = be64(ext->data + 16);
    if (dir->size > QCOW2_MAX_BITMAP_DIR || qcow2_in_cluster(s, dir->offset) || dir->offset > INT64_MAX / 2)
        return false;
    dir->data = g_malloc(dir->size + DIR_HEAD);
    if (block_read_buffer(s->file, dir->offset, dir->data, dir->size) == 0)
        return true;
    g_clear_pointer(&dir->data, g_free);
    return false;
}

/* The entry at *at, which moves behind it. NULL: no more. */
static const u8 *next_entry(const struct directory *dir, u64 *at)
{
    const u8 *e = dir->data + *at;
    u64 size;

    if (*at + DIR_HEAD > dir->size)
        return NULL;
    size = (DIR_HEAD + (u64)be16(e + 18) + be32(e + 20) + 7) & ~UINT64_C(7);
    if (size > dir->size - *at)
        return NULL;
    *at += size;
    return e;
}

struct qcow2_bitmap_info *qcow2_bitmaps(struct block_node *node, unsigned *count)
{
    struct qcow2 *s = qcow2_of(node);
    struct directory dir;
    GArray *out;
    const u8 *e;
    u64 at = 0;

    *count = 0;
    if (!read_directory(s, &dir))
        return NULL;
    out = g_array_new(FALSE, TRUE, sizeof(struct qcow2_bitmap_info));
    while (out->len < dir.count && (e = next_entry(&dir, &at))) {
        struct qcow2_bitmap_info info = { .flags = be32(e + 12), .granularity = BIT64(e[17] & 63) };

        info.name = g_strndup((const char *)e + DIR_HEAD + be32(e + 20), be16(e + 18));
        g_array_append_val(out, info);
    }
    g_free(dir.data);
    *count = out->len;
    return (struct qcow2_bitmap_info *)g_array_free(out, FALSE);
}

static int walk_table(struct qcow2_walk *walk, u64 offset, u32 entries)
{
    struct qcow2 *s = walk->s;
    g_autofree u64 *table = NULL;
    int ret;

    if ((u64)entries * 8 > QCOW2_MAX_L1_BYTES || qcow2_in_cluster(s, offset)) {
        walk->check->corruptions++;
        return 0;
    }
    ret = qcow2_walk_add(walk, offset, (u64)entries * 8);
    if (ret == 0 && qcow2_read_l1(s, offset, entries, &table) < 0)
        walk->check->check_errors++;
    for (u32 i = 0; table && i < entries && ret == 0; i++)
        if (table[i] & ENTRY_OFFSET)
            ret = qcow2_walk_add(walk, table[i] & ENTRY_OFFSET, s->cluster_size);
    return ret;
}

int qcow2_walk_bitmaps(struct qcow2_walk *walk)
{
    struct directory dir;
    const u8 *e;
    u64 at = 0;
    int ret;

    if (!read_directory(walk->s, &dir))
        return 0;
    ret = qcow2_walk_add(walk, dir.offset, dir.size);
    for (u32 i = 0; i < dir.count && ret == 0 && (e = next_entry(&dir, &at)); i++)
        ret = walk_table(walk, be64(e), be32(e + 8));
    g_free(dir.data);
    return ret;
}
