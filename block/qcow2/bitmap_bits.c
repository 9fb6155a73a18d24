/* block/qcow2/bitmap_bits.c - the bits of a dirty bitmap in memory, a cluster of them at a time; clusters that are all alike take none. */
#include "block/qcow2/bitmap.h"
#include <errno.h>
#include <string.h>

static const u8 all_ones; /* its address says that a cluster has only ones */

u64 qcow2_bitmap_bytes(u64 disk_size, unsigned granularity)
{
    u64 bits = (disk_size >> granularity) + ((disk_size & (BIT64(granularity) - 1)) != 0);

    return (bits >> 3) + ((bits & 7) != 0);
}

bool qcow2_bitmap_all(const u8 *bytes, u64 size, u8 value)
{
    return bytes[0] == value && !memcmp(bytes, bytes + 1, size - 1);
}

void qcow2_bits_init(struct qcow2_bits *bits, const struct qcow2 *s, unsigned granularity, u32 clusters)
{
    *bits = (struct qcow2_bits){ .granularity = granularity, .clusters = clusters, .cluster_size = s->cluster_size };
    bits->cluster = g_new0(u8 *, MAX(clusters, 1));
}

static void drop(u8 **cluster)
{
    if (*cluster != &all_ones)
        g_free(*cluster);
    *cluster = NULL;
}

void qcow2_bits_finish(struct qcow2_bits *bits)
{
    for (u32 i = 0; bits->cluster && i < bits->clusters; i++)
        drop(&bits->cluster[i]);
    g_clear_pointer(&bits->cluster, g_free);
}

/* Without regard to who else uses the clusters: nothing is written to them. */
int qcow2_bits_read(struct qcow2_bits *bits, struct qcow2 *s, const u64 *table)
{
    u64 room = qcow2_clusters(s, s->file->size); /* a table that names a cluster many times is not sound */

    for (u32 i = 0; i < bits->clusters; i++) {
        u64 at = table[i] & ENTRY_OFFSET;
        int ret;

        if (table[i] & ~(ENTRY_OFFSET | BITMAP_ENTRY_ONES) || (at && (table[i] & BITMAP_ENTRY_ONES || qcow2_in_cluster(s, at))))
            return -EINVAL;
        if (!at) {
            bits->cluster[i] = table[i] ? (u8 *)&all_ones : NULL;
            continue;
        }
        if (at >= s->file->size || !room--)
            return -EINVAL;
        bits->cluster[i] = g_malloc(s->cluster_size);
        ret = block_read_buffer(s->file, at, bits->cluster[i], s->cluster_size);
        if (ret < 0)
            return ret;
    }
    return 0;
}

/* Bits [first, last] of one cluster, which is not all ones. */
static void set_in_cluster(u8 *bytes, u64 first, u64 last)
{
    for (u64 bit = first; bit <= last; bit++) {
        if (!(bit & 7) && last - bit >= 7) {
            u64 whole = (last - bit + 1) >> 3;

            memset(bytes + (bit >> 3), 0xff, whole);
            bit += whole * 8 - 1;
        } else {
            bytes[bit >> 3] |= (u8)(1 << (bit & 7));
        }
    }
}

/* Bits [first, last], as far as there are such. */
static void set_range(struct qcow2_bits *bits, u64 first, u64 last)
{
    u64 per_cluster = bits->cluster_size * 8;

    for (u64 i = first / per_cluster; i <= last / per_cluster && i < bits->clusters; i++) {
        u64 from = i == first / per_cluster ? first % per_cluster : 0, to = i == last / per_cluster ? last % per_cluster : per_cluster - 1;
        u8 **cluster = &bits->cluster[i];

        if (*cluster == &all_ones)
            continue;
        if (from == 0 && to == per_cluster - 1) {
            drop(cluster);
            *cluster = (u8 *)&all_ones;
            continue;
        }
        if (!*cluster)
            *cluster = g_malloc0(bits->cluster_size);
        set_in_cluster(*cluster, from, to);
    }
}

static bool is_set(const u8 *bytes, u64 bit)
{
    return bytes[bit >> 3] & (1 << (bit & 7));
}

void qcow2_bits_merge(struct qcow2_bits *into, const struct qcow2_bits *from, u64 disk_size)
{
    u64 per_cluster = from->cluster_size * 8, all = qcow2_bitmap_bytes(disk_size, from->granularity) * 8;

    for (u64 bit = 0, end; bit < all; bit = end) {
        const u8 *cluster = bit / per_cluster < from->clusters ? from->cluster[bit / per_cluster] : NULL;
        u64 limit = MIN(all, (bit / per_cluster + 1) * per_cluster);
        bool ones = cluster == &all_ones || (cluster && is_set(cluster, bit % per_cluster));

        for (end = cluster && cluster != &all_ones ? bit + 1 : limit; end < limit && is_set(cluster, end % per_cluster) == ones;)
            end++;
        if (ones && bit << from->granularity < disk_size)
            set_range(into, (bit << from->granularity) >> into->granularity, (MIN(end << from->granularity, disk_size) - 1) >> into->granularity);
    }
}

int qcow2_bits_write(const struct qcow2_bits *bits, struct qcow2 *s, u64 *table)
{
    int ret = 0;

    for (u32 i = 0; i < bits->clusters && ret == 0; i++) {
        const u8 *cluster = bits->cluster[i];
        bool zeros = !cluster || (cluster != &all_ones && qcow2_bitmap_all(cluster, s->cluster_size, 0));

        if (zeros)
            continue;
        if (cluster == &all_ones || qcow2_bitmap_all(cluster, s->cluster_size, 0xff)) {
            table[i] = BITMAP_ENTRY_ONES;
            continue;
        }
        ret = qcow2_alloc_run(s, 1, &table[i]);
        if (ret < 0)
            table[i] = 0;
        else
            ret = block_write_buffer(s->file, table[i], cluster, s->cluster_size);
    }
    return ret;
}
