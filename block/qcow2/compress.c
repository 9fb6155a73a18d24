/* block/qcow2/compress.c - compressed clusters: several share a cluster of the file. */
#include "block/qcow2/qcow2.h"
#include <errno.h>

enum { IDLE_PACKERS = 8 };

struct job {
    struct qcow2_packer *packer;
    bool ok;
    const void *from;
    void *to;
    size_t from_size, to_size, result;
};

static void unpack_job(void *opaque)
{
    struct job *job = opaque;

    job->ok = qcow2_unpack(job->packer, job->to, job->to_size, job->from, job->from_size);
}

static void pack_job(void *opaque)
{
    struct job *job = opaque;

    job->result = qcow2_pack(job->packer, job->to, job->to_size, job->from, job->from_size);
}

/* Allocating what zlib works in, and touching it for the first time, costs as much as unpacking a cluster: it is used again. */
static void work(struct qcow2 *s, void (*fn)(void *opaque), struct job *job)
{
    job->packer = g_queue_pop_head(&s->packers.idle);
    if (!job->packer)
        job->packer = qcow2_packer_create(s->compression == 1);
    block_loop_work(s->node->loop, fn, job);
    if (s->packers.idle.length < IDLE_PACKERS && !qcow2_packer_is_large(job->packer))
        g_queue_push_head(&s->packers.idle, job->packer);
    else
        qcow2_packer_destroy(job->packer);
}

void qcow2_packers_finish(struct qcow2_packers *packers)
{
    g_queue_clear_full(&packers->idle, (GDestroyNotify)qcow2_packer_destroy);
}

static int unpack(struct qcow2 *s, u64 entry, u8 *to)
{
    u64 offset, size;
    int ret;

    qcow2_compressed_range(s, entry, &offset, &size);
    g_autofree u8 *packed = g_malloc(size);

    ret = block_read_buffer(s->file, offset, packed, size);
    if (ret < 0)
        return ret;
    struct job job = { .from = packed, .from_size = size, .to = to, .to_size = s->cluster_size };

    work(s, unpack_job, &job);
    return job.ok ? 0 : -EIO;
}

int qcow2_read_compressed(struct qcow2 *s, u64 entry, u64 in_cluster, struct block_data data)
{
    u8 *buffer = data.size == s->cluster_size ? block_data_flat(data) : NULL;
    int ret;

    if (buffer)
        return unpack(s, entry, buffer);
    if (s->unpacked && s->unpacked_entry == entry) {
        block_data_put(data, s->unpacked + in_cluster);
        return 0;
    }
    buffer = g_malloc(s->cluster_size);
    ret = unpack(s, entry, buffer);
    if (ret == 0)
        block_data_put(data, buffer + in_cluster);
    if (ret == 0 && data.size < s->cluster_size) { /* the rest is likely to be read next */
        g_free(s->unpacked);
        s->unpacked = g_steal_pointer(&buffer);
        s->unpacked_entry = entry;
    }
    g_free(buffer);
    return ret;
}

static u64 compressed_entry(const struct qcow2 *s, u64 offset, u64 size)
{
    u32 bits = 62 - (s->cluster_bits - 8);
    u64 sectors = ((offset + size - 1) >> 9) - (offset >> 9);

    return ENTRY_COMPRESSED | sectors << bits | offset;
}

static int link_compressed(struct qcow2 *s, u64 offset, u64 entry)
{
    struct qcow2_table *table;
    int ret = qcow2_l2_for_write(s, offset, &table);

    if (ret < 0)
        return ret;
    struct qcow2_entry old = qcow2_l2_get(s, table, qcow2_l2_index(s, offset));

    s->unsynced = true;
    qcow2_l2_set(s, table, qcow2_l2_index(s, offset), (struct qcow2_entry){ .entry = entry });
    qcow2_table_put(table);
    return qcow2_free_entry(s, old.entry);
}

static int store(struct qcow2 *s, u64 offset, const u8 *packed, u64 size)
{
    struct qcow2_op op;
    u64 host;
    int ret;

    block_mutex_take(&s->lock, s->node->loop);
    qcow2_begin(s, &op, offset, 1, true);
    ret = qcow2_alloc_bytes(s, size, &host);
    block_mutex_drop(&s->lock);
    if (ret == 0)
        ret = block_write_buffer(s->file, host, packed, size);
    block_mutex_take(&s->lock, s->node->loop);
    if (ret == 0)
        ret = link_compressed(s, offset, compressed_entry(s, host, size));
    qcow2_end(s, &op);
    block_mutex_drop(&s->lock);
    return ret;
}

/* One cluster, or what is left of the disk in its last one. */
static int write_one(struct qcow2 *s, u64 offset, struct block_data data)
{
    g_autofree u8 *packed = g_malloc(s->cluster_size), *copy = NULL;
    const u8 *plain = data.size == s->cluster_size ? block_data_flat(data) : NULL;

    if (!plain) {
        plain = copy = g_malloc0(s->cluster_size);
        block_data_get(data, copy);
    }
    struct job job = { .from = plain, .from_size = s->cluster_size, .to = packed, .to_size = s->cluster_size - 1 };

    work(s, pack_job, &job);
    if (!job.result)
        return qcow2_write(s->node, offset, data, 0); /* it would not become smaller */
    return store(s, offset, packed, job.result);
}

int qcow2_write_compressed(struct qcow2 *s, u64 offset, struct block_data data)
{
    int ret = 0;

    if (s->data_name)
        return -ENOTSUP;
    if (qcow2_in_cluster(s, offset) || (qcow2_in_cluster(s, data.size) && offset + data.size != s->node->size))
        return -EINVAL;
    for (u64 done = 0; done < data.size && ret == 0; done += s->cluster_size)
        ret = write_one(s, offset + done, block_data_slice(data, done, MIN(s->cluster_size, data.size - done)));
    return ret;
}
