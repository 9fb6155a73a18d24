/* block/qcow2/bitmap.c - dirty bitmaps in images: their directory, listing and counting them. */
#include "block/qcow2/bitmap.h"
#include "block/qcow2/check_internal.h"
#include <errno.h>

bool qcow2_bitmap_directory_read(struct qcow2 *s, struct qcow2_bitmap_directory *dir)
{
    const struct qcow2_extension *ext = NULL;

    *dir = (struct qcow2_bitmap_directory){ 0 };
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
    dir->data = g_malloc(dir->size + ENTRY_HEAD);
    if (block_read_buffer(s->file, dir->offset, dir->data, dir->size) == 0)
        return true;
    g_clear_pointer(&dir->data, g_free);
    return false;
}

u8 *qcow2_bitmap_next(const struct qcow2_bitmap_directory *dir, u64 *at)
{
    u8 *e = dir->data + *at;
    u64 size;

    if (*at + ENTRY_HEAD > dir->size)
        return NULL;
    size = (ENTRY_HEAD + (u64)be16(e + 18) + be32(e + 20) + 7) & ~UINT64_C(7);
    if (size > dir->size - *at)
        return NULL;
    *at += size;
    return e;
}

struct qcow2_bitmap_info *qcow2_bitmaps(struct block_node *node, unsigned *count)
{
    struct qcow2 *s = qcow2_of(node);
    struct qcow2_bitmap_directory dir;
    GArray *out;
    const u8 *e;
    u64 at = 0;

    *count = 0;
    if (!qcow2_bitmap_directory_read(s, &dir))
        return NULL;
    out = g_array_new(FALSE, TRUE, sizeof(struct qcow2_bitmap_info));
    while (out->len < dir.count && (e = qcow2_bitmap_next(&dir, &at))) {
        struct qcow2_bitmap_info info = { .flags = be32(e + 12), .granularity = BIT64(e[17] & 63) };

        info.name = g_strndup((const char *)e + ENTRY_HEAD + be32(e + 20), be16(e + 18));
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
    struct qcow2_bitmap_directory dir;
    const u8 *e;
    u64 at = 0;
    int ret;

    if (!qcow2_bitmap_directory_read(walk->s, &dir))
        return 0;
    ret = qcow2_walk_add(walk, dir.offset, dir.size);
    for (u32 i = 0; i < dir.count && ret == 0 && (e = qcow2_bitmap_next(&dir, &at)); i++)
        ret = walk_table(walk, be64(e), be32(e + 8));
    g_free(dir.data);
    return ret;
}
