/*
 * block/qcow2/io.c - reading and writing guest data. A write finds its clusters in place, or allocates new ones, fills what the
 * guest does not write from the old content, and links them when the data has been written.
 */
#include "block/qcow2/bitmap.h"
#include <errno.h>
#include <stdlib.h>

/* Before anything changes: from now on the image's bitmaps are kept up to date. */
int qcow2_writable(struct qcow2 *s)
{
    if (s->corrupt)
        return -EIO;
    return likely(!(s->autoclear & AUTOCLEAR_BITMAPS) || s->bitmaps) ? 0 : qcow2_bitmaps_track(s);
}

static struct qcow2_op *in_the_way(struct qcow2 *s, const struct qcow2_op *mine)
{
    for (struct qcow2_op *op = s->ops; op; op = op->next)
        if (op->first <= mine->last && mine->first <= op->last && (op->exclusive || mine->exclusive))
            return op;
    return NULL;
}

/*
 * With the lock, which is dropped while something is in the way. Returns 1 if it was: what the caller knows of the tables may
 * be outdated.
 */
int qcow2_begin(struct qcow2 *s, struct qcow2_op *mine, u64 offset, u64 size, bool exclusive)
{
    struct qcow2_op *other;
    int waited = 0;

    *mine = (struct qcow2_op){ .first = offset >> s->cluster_bits, .last = (offset + size - 1) >> s->cluster_bits, .exclusive = exclusive };
    while ((other = in_the_way(s, mine))) {
        block_mutex_drop(&s->lock);
        block_queue_wait(&other->waiting, s->node->loop);
        block_mutex_take(&s->lock, s->node->loop);
        waited = 1;
    }
    mine->next = s->ops;
    if (mine->next)
        mine->next->prev = mine;
    s->ops = mine;
    return waited;
}

void qcow2_end(struct qcow2 *s, struct qcow2_op *mine)
{
    if (mine->prev)
        mine->prev->next = mine->next;
    else
        s->ops = mine->next;
    if (mine->next)
        mine->next->prev = mine->prev;
    block_queue_wake_all(&mine->waiting);
}

static void lock(struct qcow2 *s)
{
    block_mutex_take(&s->lock, s->node->loop);
}

static void unlock(struct qcow2 *s)
{
    block_mutex_drop(&s->lock);
}

static int read_mapped(struct qcow2 *s, const struct qcow2_map *map, u64 offset, struct block_data data)
{
    struct block_node *backing = block_backing(s->node);

    switch (map->type) {
    case TYPE_DATA:
        return block_read(s->data, map->host, data);
    case TYPE_COMPRESSED:
        return qcow2_read_compressed(s, map->entry, qcow2_in_cluster(s, offset), data);
    case TYPE_UNALLOCATED:
    case TYPE_UNALLOCATED_SUB:
        if (backing)
            return block_read(backing, offset, data);
        /* fall through */
    case TYPE_ZERO:
    case TYPE_ZERO_CLUSTER:
        block_data_fill(data, 0);
        return 0;
    case TYPE_INVALID:
        break;
    }
    return -EIO;
}

/*
 * What is at the offset. A compressed cluster must not move while it is read, since what comes to its place is no compressed data: *op is begun then,
 * unless the caller has one there.
 */
static int map_for_read(struct qcow2 *s, u64 offset, u64 size, bool mine, struct qcow2_map *map, struct qcow2_op *op)
{
    int ret = qcow2_map(s, offset, size, map);

    while (ret == 0 && map->type == TYPE_COMPRESSED && !mine) {
        bool waited = qcow2_begin(s, op, offset, map->size, false);

        if (!waited)
            return 0;
        qcow2_end(s, op); /* look again */
        ret = qcow2_map(s, offset, size, map);
    }
    return ret;
}

/* mine: the caller has begun an op on the range. */
static int read_range(struct qcow2 *s, u64 offset, struct block_data data, bool mine)
{
    while (data.size) {
        struct qcow2_map map;
        struct qcow2_op op;
        int ret;

        lock(s);
        ret = map_for_read(s, offset, data.size, mine, &map, &op);
        unlock(s);
        if (ret < 0)
            return ret;
        ret = read_mapped(s, &map, offset, block_data_slice(data, 0, map.size));
        if (map.type == TYPE_COMPRESSED && !mine)
            qcow2_end(s, &op);
        if (ret < 0)
            return ret;
        data = block_data_slice(data, map.size, data.size - map.size);
        offset += map.size;
    }
    return 0;
}

int qcow2_read(struct block_node *node, u64 offset, struct block_data data)
{
    return read_range(qcow2_of(node), offset, data, false);
}

/* What one step of a write does. */
struct plan {
    u64 offset, size; /* guest bytes of this step */
    bool allocate;    /* else all is in place */
    bool fresh;       /* the clusters are newly allocated, not those of a zero cluster */
    u64 host;         /* of the first cluster (allocate) or of `offset` */
    u64 clusters;
};

static bool in_place(struct qcow2 *s, struct qcow2_entry e, unsigned sub)
{
    return (e.entry & ENTRY_COPIED) && qcow2_type(s, e, sub) == TYPE_DATA;
}

/* A cluster of its own that can be written without allocating: preallocated zeros, or subclusters to come. */
static bool has_own_cluster(struct qcow2 *s, struct qcow2_entry e)
{
    enum qcow2_type type = qcow2_type(s, e, 0);

    return (e.entry & ENTRY_COPIED) && type != TYPE_COMPRESSED && type != TYPE_INVALID && ((e.entry & ENTRY_OFFSET) || s->data_name);
}

static bool cluster_in_place(struct qcow2 *s, struct qcow2_entry e, u64 from, u64 to)
{
    for (u64 sub = from >> s->sub_bits; sub << s->sub_bits < to; sub++)
        if (!in_place(s, e, (unsigned)sub))
            return false;
    return true;
}

/* How far the request goes on like its first cluster, within the table. */
static u64 alike(struct qcow2 *s, struct qcow2_table *table, u64 offset, u64 size, bool *place, bool *own, u64 *host)
{
    u64 index = qcow2_l2_index(s, offset), in = qcow2_in_cluster(s, offset), n = MIN(size, s->cluster_size - in);
    struct qcow2_entry e = qcow2_l2_get(s, table, index);
    u64 end = BIT64(s->l2_bits);

    *place = cluster_in_place(s, e, in, in + n);
    *own = has_own_cluster(s, e);
    *host = (e.entry & ENTRY_OFFSET) + (*place ? in : 0);
    for (u64 k = 1; n < size && index + k < end; k++) {
        u64 m = MIN(size - n, s->cluster_size);
        struct qcow2_entry next = qcow2_l2_get(s, table, index + k);
        bool also = cluster_in_place(s, next, 0, m), next_own = has_own_cluster(s, next);

        if (also != *place || next_own != *own)
            break;
        if (*own && (next.entry & ENTRY_OFFSET) != (e.entry & ENTRY_OFFSET) + (k << s->cluster_bits))
            break;
        n += m;
    }
    return n;
}

static int allocate(struct qcow2 *s, struct plan *plan)
{
    u64 in = qcow2_in_cluster(s, plan->offset), want = qcow2_clusters(s, in + plan->size), got = want;
    int ret = 0;

    if (s->data_name) { /* the same offset in the data file; nothing counts there */
        plan->host = plan->offset - in;
    } else {
        ret = qcow2_alloc(s, want, &plan->host, &got);
        plan->fresh = true;
    }
    if (ret < 0)
        return ret;
    plan->clusters = got;
    plan->size = MIN(plan->size, (got << s->cluster_bits) - in);
    return 0;
}

/* With the lock: the next step for a request, with an op begun. */
static int make_plan(struct qcow2 *s, u64 offset, u64 size, struct plan *plan, struct qcow2_op *op)
{
    struct qcow2_table *table;
    bool place, own;
    u64 n;
    int ret;

    do {
        ret = qcow2_l2_for_write(s, offset, &table);
        if (ret < 0)
            return ret;
        n = alike(s, table, offset, size, &place, &own, &plan->host);
        qcow2_table_put(table);
        if (s->entry_size == 16 && !own) /* write_moved_cluster has a buffer for all of it */
            n = MIN(n, MAX(s->cluster_size, MIB) - qcow2_in_cluster(s, offset));
        ret = qcow2_begin(s, op, offset, n, !place);
        if (ret > 0)
            qcow2_end(s, op); /* look again */
    } while (ret > 0);
    *plan = (struct plan){ .offset = offset, .size = n, .allocate = !place, .host = plan->host };
    if (place) {
        ret = s->data == s->file ? qcow2_check_overlap(s, plan->host, n, META_NONE) : 0;
    } else if (own) {
        plan->clusters = qcow2_clusters(s, qcow2_in_cluster(s, offset) + n);
        ret = s->data == s->file ? qcow2_check_overlap(s, plan->host, plan->clusters << s->cluster_bits, META_NONE) : 0;
    } else {
        ret = allocate(s, plan);
    }
    if (ret < 0)
        qcow2_end(s, op);
    return ret;
}

/* Bytes [from, to) of the guest as they are now, for the parts of new clusters that are not written. */
static int old_content(struct qcow2 *s, u64 from, u64 to, u8 *buffer)
{
    struct iovec iov;
    u64 inside = from >= s->node->size ? 0 : MIN(to, s->node->size) - from;

    memset(buffer + inside, 0, to - from - inside);
    return inside ? read_range(s, from, block_data_one(&iov, buffer, inside), true) : 0;
}

/* The new clusters, or the subclusters that the request touches: [*from, *to) is written. */
static void cow_range(struct qcow2 *s, const struct plan *plan, u64 *from, u64 *to)
{
    u64 mask = BIT64(s->sub_bits) - 1;

    *from = plan->offset & ~mask;
    *to = (plan->offset + plan->size + mask) & ~mask;
}

static int write_around(struct qcow2 *s, const struct plan *plan, struct block_data data, u64 from, u64 to)
{
    u64 head = plan->offset - from, tail = to - plan->offset - plan->size;
    u64 host = plan->host + (from - (plan->offset - qcow2_in_cluster(s, plan->offset)));
    g_autofree u8 *around = g_malloc(head + tail);
    int ret = head ? old_content(s, from, from + head, around) : 0;

    if (ret == 0 && tail)
        ret = old_content(s, to - tail, to, around + head);
    if (ret < 0)
        return ret;
    /* Behind the end of the file there are zeros already. */
    if (plan->fresh && host >= s->data->size && block_is_zero(around, head + tail) && !(s->data->alignment > 512))
        return block_write(s->data, host + head, data, 0);
    struct iovec *iov = g_new(struct iovec, data.count + 2);
    size_t size;
    unsigned n = block_data_map(data, iov + 1, data.count, &size);
    int first = head ? 0 : 1;

    iov[0] = (struct iovec){ .iov_base = around, .iov_len = head };
    if (tail)
        iov[1 + n++] = (struct iovec){ .iov_base = around + head, .iov_len = tail };
    ret = block_write(s->data, host, block_data_list(iov + first, n + 1 - (unsigned)first), 0);
    g_free(iov);
    return ret;
}

static int write_data(struct qcow2 *s, const struct plan *plan, struct block_data data)
{
    u64 from, to;

    if (!plan->allocate)
        return block_write(s->data, plan->host, data, 0);
    cow_range(s, plan, &from, &to);
    if (from == plan->offset && to == plan->offset + plan->size)
        return block_write(s->data, plan->host + qcow2_in_cluster(s, plan->offset), data, 0);
    return write_around(s, plan, data, from, to);
}

/* Subclusters [from, to) bytes of the cluster are data now. */
static u64 new_bitmap(struct qcow2 *s, u64 bitmap, u64 from, u64 to)
{
    u64 first = from >> s->sub_bits, last = (to - 1) >> s->sub_bits, bits = bits_set(0, (unsigned)first, (unsigned)(last - first + 1), ~UINT64_C(0));

    return (bitmap | bits) & ~(bits << 32);
}

static int link_clusters(struct qcow2 *s, const struct plan *plan)
{
    u64 start = plan->offset - qcow2_in_cluster(s, plan->offset), end = plan->offset + plan->size;
    u64 index = qcow2_l2_index(s, plan->offset);
    struct qcow2_table *table;
    int ret = qcow2_l2_for_write(s, plan->offset, &table);

    if (ret < 0)
        return ret;
    s->unsynced = true;
    for (u64 i = 0; i < plan->clusters && ret == 0; i++) {
        u64 at = start + (i << s->cluster_bits), from = MAX(at, plan->offset) - at, to = MIN(end, at + s->cluster_size) - at;
        struct qcow2_entry old = qcow2_l2_get(s, table, index + i), e = { 0 };

        e.entry = (plan->host + (i << s->cluster_bits)) | ENTRY_COPIED;
        if (s->entry_size == 16) {
            /* Subclusters whose data is in the old cluster were not copied: see sub_copies. */
            e.bitmap = new_bitmap(s, (old.entry & ENTRY_COMPRESSED) ? 0 : old.bitmap, from, to);
        }
        qcow2_l2_set(s, table, index + i, e);
        if (plan->fresh)
            ret = qcow2_free_entry(s, old.entry);
    }
    qcow2_table_put(table);
    return ret;
}

/*
 * Extended L2: a cluster that moves takes the subclusters with it that hold data and are not written. The request is widened
 * to the whole cluster then, so that nothing is left behind.
 */
static int write_moved_cluster(struct qcow2 *s, struct plan *plan, struct block_data data)
{
    u64 start = plan->offset - qcow2_in_cluster(s, plan->offset), size = plan->clusters << s->cluster_bits;
    g_autofree u8 *buffer = g_malloc(size);
    struct iovec iov;
    int ret = old_content(s, start, start + size, buffer);

    if (ret < 0)
        return ret;
    block_data_get(data, buffer + (plan->offset - start));
    plan->offset = start;
    plan->size = size;
    return block_write(s->data, plan->host, block_data_one(&iov, buffer, size), 0);
}

/* Whether an old cluster behind the plan has subclusters of data that would be lost. */
static bool moves_data(struct qcow2 *s, const struct plan *plan)
{
    struct qcow2_table *table;
    bool moves = false;

    if (s->entry_size != 16 || !plan->fresh || qcow2_l2_find(s, plan->offset, &table) < 0 || !table)
        return false;
    for (u64 i = 0; i < plan->clusters; i++) {
        struct qcow2_entry e = qcow2_l2_get(s, table, qcow2_l2_index(s, plan->offset) + i);

        moves |= (e.entry & ENTRY_COMPRESSED) || (e.entry & ENTRY_OFFSET);
    }
    qcow2_table_put(table);
    return moves;
}

static int write_step(struct qcow2 *s, struct plan *plan, struct qcow2_op *op, struct block_data data)
{
    bool moves = plan->allocate && moves_data(s, plan);
    int ret;

    unlock(s);
    ret = moves ? write_moved_cluster(s, plan, data) : write_data(s, plan, data);
    lock(s);
    if (plan->allocate && ret == 0)
        ret = link_clusters(s, plan);
    else if (plan->allocate && plan->fresh)
        qcow2_free_now(s, plan->host, plan->clusters << s->cluster_bits);
    qcow2_end(s, op);
    return ret;
}

int qcow2_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    struct qcow2 *s = qcow2_of(node);
    int ret = qcow2_writable(s);

    if (ret == 0)
        qcow2_bitmaps_mark(s, offset, data.size);
    if (ret == 0 && (flags & BLOCK_COMPRESSED))
        return qcow2_write_compressed(s, offset, data);
    lock(s);
    while (data.size && ret == 0) {
        struct plan plan = { 0 };
        struct qcow2_op op;

        ret = make_plan(s, offset, data.size, &plan, &op);
        if (ret < 0)
            break;
        u64 size = plan.size;

        ret = write_step(s, &plan, &op, block_data_slice(data, 0, size));
        data = block_data_slice(data, size, data.size - size);
        offset += size;
    }
    unlock(s);
    return ret;
}
