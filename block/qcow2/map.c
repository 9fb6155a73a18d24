/* block/qcow2/map.c - from guest offsets to places in the file: L1 and L2 tables. */
#include "block/qcow2/qcow2.h"
#include <errno.h>

static enum qcow2_type standard_type(const struct qcow2 *s, u64 entry)
{
    u64 host = entry & ENTRY_OFFSET;

    if (entry & ENTRY_COMPRESSED)
        return TYPE_COMPRESSED;
    if (qcow2_in_cluster(s, host))
        return TYPE_INVALID;
    if ((entry & ENTRY_ZERO) && s->entry_size == 8 && s->version >= 3)
        return host || (s->data_name && (entry & ENTRY_COPIED)) ? TYPE_ZERO_CLUSTER : TYPE_ZERO;
    /* In an external data file the first cluster is at 0. */
    return host || (s->data_name && (entry & ENTRY_COPIED)) ? TYPE_DATA : TYPE_UNALLOCATED;
}

enum qcow2_type qcow2_type(const struct qcow2 *s, struct qcow2_entry e, unsigned sub)
{
    enum qcow2_type type = standard_type(s, e.entry);
    bool alloc = e.bitmap & BIT64(sub), zero = e.bitmap & BIT64(sub + 32);

    if (s->entry_size == 8 || type == TYPE_COMPRESSED || type == TYPE_INVALID)
        return type;
    if (alloc && zero)
        return TYPE_INVALID;
    if (type == TYPE_UNALLOCATED)
        return alloc ? TYPE_INVALID : zero ? TYPE_ZERO : TYPE_UNALLOCATED;
    return alloc ? TYPE_DATA : zero ? TYPE_ZERO_CLUSTER : TYPE_UNALLOCATED_SUB;
}

struct qcow2_entry qcow2_l2_get(const struct qcow2 *s, const struct qcow2_table *table, u64 index)
{
    const u8 *at = table->data + index * s->entry_size;

    return (struct qcow2_entry){ .entry = be64(at), .bitmap = s->entry_size == 16 ? be64(at + 8) : 0 };
}

void qcow2_l2_set(struct qcow2 *s, struct qcow2_table *table, u64 index, struct qcow2_entry e)
{
    u8 *at = table->data + index * s->entry_size;

    put_be64(at, e.entry);
    if (s->entry_size == 16)
        put_be64(at + 8, e.bitmap);
    qcow2_table_dirty(&s->l2_cache, table, (u32)index * s->entry_size, s->entry_size);
}

static int bad_l2(struct qcow2 *s, u64 entry, u64 index)
{
    return qcow2_corrupt(s, "L2 table offset %#" G_GINT64_MODIFIER "x unaligned (L1 index: %#" G_GINT64_MODIFIER "x)", entry & ENTRY_OFFSET, index);
}

int qcow2_l2_find(struct qcow2 *s, u64 offset, struct qcow2_table **table)
{
    u64 index = offset >> (s->cluster_bits + s->l2_bits), l2;

    *table = NULL;
    if (index >= s->l1_size)
        return 0;
    l2 = s->l1[index] & ENTRY_OFFSET;
    if (!l2)
        return 0;
    if (qcow2_in_cluster(s, l2))
        return bad_l2(s, s->l1[index], index);
    return qcow2_cache_get(&s->l2_cache, l2, false, table);
}

static void l1_changed(struct qcow2 *s, u32 index)
{
    if (s->l1_dirty_from == s->l1_dirty_to) {
        s->l1_dirty_from = index;
        s->l1_dirty_to = index + 1;
    }
    s->l1_dirty_from = MIN(s->l1_dirty_from, index);
    s->l1_dirty_to = MAX(s->l1_dirty_to, index + 1);
}

/* A new table, with the content of `old` (0: none). */
static int new_l2(struct qcow2 *s, u64 old, u64 *offset, struct qcow2_table **table)
{
    struct qcow2_table *from = NULL;
    u64 got;
    int ret = qcow2_alloc(s, 1, offset, &got);

    if (ret < 0)
        return ret;
    if (old)
        ret = qcow2_cache_get(&s->l2_cache, old, false, &from);
    if (ret == 0)
        ret = qcow2_cache_get(&s->l2_cache, *offset, true, table);
    if (ret == 0 && from)
        memcpy((*table)->data, from->data, s->cluster_size);
    qcow2_table_put(from);
    if (ret < 0)
        qcow2_free_now(s, *offset, s->cluster_size);
    return ret;
}

int qcow2_l2_for_write(struct qcow2 *s, u64 offset, struct qcow2_table **table)
{
    u64 index = offset >> (s->cluster_bits + s->l2_bits), old, fresh;
    int ret;

    *table = NULL;
    if (index >= s->l1_size)
        return -EIO;
    old = s->l1[index] & ENTRY_OFFSET;
    if (qcow2_in_cluster(s, old))
        return bad_l2(s, s->l1[index], index);
    if (s->l1[index] & ENTRY_COPIED)
        return old ? qcow2_cache_get(&s->l2_cache, old, false, table) : bad_l2(s, s->l1[index], index);
    ret = new_l2(s, old, &fresh, table);
    if (ret < 0)
        return ret;
    qcow2_meta_add(s, fresh, s->cluster_size, META_L2);
    s->l1[index] = fresh | ENTRY_COPIED;
    l1_changed(s, (u32)index);
    if (!old)
        return 0;
    qcow2_meta_remove(s, old, s->cluster_size);
    return qcow2_free_later(s, old, s->cluster_size);
}

void qcow2_compressed_range(const struct qcow2 *s, u64 entry, u64 *offset, u64 *size)
{
    u32 bits = 62 - (s->cluster_bits - 8);
    u64 sectors = ((entry & ~(ENTRY_COPIED | ENTRY_COMPRESSED)) >> bits) + 1;

    *offset = entry & (BIT64(bits) - 1);
    *size = sectors * 512 - (*offset & 511);
}

int qcow2_free_entry(struct qcow2 *s, u64 entry)
{
    u64 offset, size;

    if (entry & ENTRY_COMPRESSED) {
        qcow2_compressed_range(s, entry, &offset, &size);
        return qcow2_free_later(s, offset, size);
    }
    offset = entry & ENTRY_OFFSET;
    if (!offset || s->data_name)
        return 0;
    if (qcow2_in_cluster(s, offset))
        return qcow2_corrupt(s, "Cannot free unaligned cluster %#" G_GINT64_MODIFIER "x", offset);
    return qcow2_free_later(s, offset, s->cluster_size);
}

static bool has_place(enum qcow2_type type)
{
    return type == TYPE_DATA || type == TYPE_ZERO_CLUSTER || type == TYPE_UNALLOCATED_SUB;
}

/* Whether a subcluster continues the run: the same kind, and adjacent in the file. */
static bool continues(struct qcow2 *s, const struct qcow2_map *map, struct qcow2_entry e, unsigned sub, u64 run)
{
    enum qcow2_type type = qcow2_type(s, e, sub);

    if (type != map->type || type == TYPE_COMPRESSED || type == TYPE_INVALID)
        return false;
    if (!has_place(type))
        return true;
    return (e.entry & ENTRY_OFFSET) + ((u64)sub << s->sub_bits) == map->host + run;
}

int qcow2_map(struct qcow2 *s, u64 offset, u64 size, struct qcow2_map *map)
{
    u64 in_table = offset & (BIT64(s->cluster_bits + s->l2_bits) - 1);
    u64 room = BIT64(s->cluster_bits + s->l2_bits) - in_table, index = qcow2_l2_index(s, offset);
    u64 sub_size = BIT64(s->sub_bits), in_sub = offset & (sub_size - 1), run;
    unsigned sub = (unsigned)(qcow2_in_cluster(s, offset) >> s->sub_bits), subs = qcow2_subclusters(s);
    struct qcow2_table *table;
    int ret = qcow2_l2_find(s, offset, &table);

    *map = (struct qcow2_map){ .type = TYPE_UNALLOCATED, .size = MIN(size, room) };
    if (ret < 0 || !table)
        return ret;
    struct qcow2_entry e = qcow2_l2_get(s, table, index);

    map->entry = e.entry;
    map->type = qcow2_type(s, e, sub);
    if (map->type == TYPE_INVALID) {
        qcow2_table_put(table);
        return qcow2_corrupt(s, "Invalid cluster entry found (L2 offset: %#" G_GINT64_MODIFIER "x, L2 index: %#" G_GINT64_MODIFIER "x)", table->offset, index);
    }
    if (map->type == TYPE_COMPRESSED) {
        map->size = MIN(map->size, s->cluster_size - qcow2_in_cluster(s, offset));
        qcow2_table_put(table);
        return 0;
    }
    map->host = has_place(map->type) ? (e.entry & ENTRY_OFFSET) + ((u64)sub << s->sub_bits) : 0;
    for (run = sub_size; run - in_sub < map->size; run += sub_size) {
        if (++sub == subs) {
            sub = 0;
            e = qcow2_l2_get(s, table, ++index);
        }
        if (!continues(s, map, e, sub, run))
            break;
    }
    map->host += has_place(map->type) ? in_sub : 0;
    map->size = MIN(map->size, run - in_sub);
    qcow2_table_put(table);
    return 0;
}
