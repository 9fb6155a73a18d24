/* block/qcow2/create.c - new images: header, refcount structure, an empty L1 table. */
#include "block/qcow2/image.h"
#include "block/qcow2/qcow2.h"
#include "base/error.h"
#include <errno.h>

static bool check_options(const struct qcow2_create *o, GError **error)
{
    if (o->version != 2 && o->version != 3)
        return error_set(error, "Version %u is not supported", o->version);
    if (!bits_is_power_of_2(o->cluster_size) || o->cluster_size < BIT64(QCOW2_MIN_CLUSTER_BITS) || o->cluster_size > BIT64(QCOW2_MAX_CLUSTER_BITS))
        return error_set(error, "Cluster size must be a power of two between %d and %dk", 1 << QCOW2_MIN_CLUSTER_BITS, 1 << (QCOW2_MAX_CLUSTER_BITS - 10));
    if (!bits_is_power_of_2(o->refcount_bits) || o->refcount_bits > 64)
        return error_set(error, "Refcount width must be a power of two and may not exceed 64 bits");
    if (o->version < 3 && o->refcount_bits != 16)
        return error_set(error, "Different refcount widths than 16 bits require compatibility level 1.1 or above (use version=v3 or greater)");
    if (o->version < 3 && o->lazy_refcounts)
        return error_set(error, "Lazy refcounts only supported with compatibility level 1.1 and above (use version=v3 or greater)");
    if (o->version < 3 && (o->extended_l2 || o->zstd || o->data_file))
        return error_set(error, "%s only supported with compatibility level 1.1 and above (use version=v3 or greater)",
                         o->extended_l2 ? "Extended L2 entries are" : o->zstd ? "Non-zlib compression type is" : "External data files are");
    if (o->extended_l2 && o->cluster_size < 16384)
        return error_set(error, "Extended L2 entries are only supported with cluster sizes of at least 16384 bytes");
    if (o->data_file_raw && !o->data_file)
        return error_set(error, "data-file-raw requires data-file");
    if (o->data_file_raw && o->backing)
        return error_set(error, "Backing file and data-file-raw cannot be used at the same time");
    if (o->backing && o->prealloc != BLOCK_PREALLOC_OFF && !o->extended_l2)
        return error_set(error, "Backing file and preallocation can only be used at the same time if extended_l2 is enabled");
    if (o->backing && strlen(o->backing) > QCOW2_MAX_BACKING_NAME)
        return error_set(error, "Backing file name too long");
    if (o->size & 511)
        return error_set(error, "The image size must be a multiple of 512 bytes");
    return true;
}

static u32 log2_of(u64 x)
{
    return 63 - (u32)__builtin_clzll(x);
}

static void describe(struct qcow2 *s, const struct qcow2_create *o)
{
    s->version = o->version;
    s->cluster_bits = log2_of(o->cluster_size);
    s->cluster_size = o->cluster_size;
    s->refcount_order = log2_of(o->refcount_bits);
    s->entry_size = o->extended_l2 ? 16 : 8;
    s->l2_bits = s->cluster_bits - (o->extended_l2 ? 4 : 3);
    s->incompatible = (o->data_file ? INCOMPAT_DATA_FILE : 0) | (o->zstd ? INCOMPAT_COMPRESSION : 0) | (o->extended_l2 ? INCOMPAT_EXTENDED_L2 : 0);
    s->compatible = o->lazy_refcounts ? COMPAT_LAZY : 0;
    s->autoclear = o->data_file_raw ? AUTOCLEAR_RAW_DATA : 0;
    s->compression = o->zstd;
    s->backing_name = (char *)o->backing;
    s->backing_format = (char *)o->backing_format;
    s->data_name = (char *)o->data_file;
}

/* Header, refcount table, one refcount block, L1 table: what is always there, one after the other. */
static int write_skeleton(struct qcow2 *s, u64 l1_clusters)
{
    u64 used = 3 + l1_clusters, per_block = BIT64(s->cluster_bits + 3 - s->refcount_order), blocks = 1, table = 1;
    int ret = 0;

    for (;;) {
        u64 need = (1 + table + blocks + l1_clusters + per_block - 1) / per_block, need_table = qcow2_clusters(s, need * 8);

        if (need <= blocks && need_table <= table)
            break;
        blocks = MAX(blocks, need);
        table = MAX(table, need_table);
    }
    used = 1 + table + blocks + l1_clusters;
    s->reftable_offset = s->cluster_size;
    s->reftable_clusters = (u32)table;
    s->l1_offset = l1_clusters ? (1 + table + blocks) << s->cluster_bits : 0;
    g_autofree u8 *cluster = g_malloc0(s->cluster_size);
    for (u64 b = 0; b < blocks && ret == 0; b++) {
        memset(cluster, 0, s->cluster_size);
        for (u64 i = 0; i < per_block && b * per_block + i < used; i++)
            qcow2_refcount_store(s, cluster, i, 1);
        ret = block_write_buffer(s->file, (1 + table + b) << s->cluster_bits, cluster, s->cluster_size);
    }
    for (u64 t = 0; t < table && ret == 0; t++) {
        memset(cluster, 0, s->cluster_size);
        for (u64 i = 0, b = t << (s->cluster_bits - 3); i < s->cluster_size / 8 && b < blocks; i++, b++)
            put_be64(cluster + i * 8, (1 + table + b) << s->cluster_bits);
        ret = block_write_buffer(s->file, (1 + t) << s->cluster_bits, cluster, s->cluster_size);
    }
    if (ret == 0 && l1_clusters)
        ret = block_write_zeroes(s->file, s->l1_offset, l1_clusters << s->cluster_bits, BLOCK_MAY_UNMAP);
    /* The header comes last: before it there is no image. */
    if (ret == 0)
        ret = block_flush(s->file);
    if (ret == 0)
        ret = qcow2_write_header(s);
    return ret == 0 ? block_flush(s->file) : ret;
}

bool qcow2_create_check(const struct qcow2_create *o, GError **error)
{
    struct qcow2 s = { 0 };

    if (!check_options(o, error))
        return false;
    describe(&s, o);
    if (qcow2_l1_entries(&s, o->size) * 8 <= QCOW2_MAX_L1_BYTES && o->size <= INT64_MAX - o->cluster_size)
        return true;
    error_set(error, "Image size too large for this cluster size");
    return error_hint(error, "Try using a larger cluster size");
}

bool qcow2_create(struct block_node *file, const struct qcow2_create *o, GError **error)
{
    struct block_node disk = { .size = o->prealloc == BLOCK_PREALLOC_OFF ? o->size : 0 };
    struct qcow2 s = { .node = &disk, .file = file };
    u64 entries;
    int ret;

    if (!qcow2_create_check(o, error))
        return false;
    describe(&s, o);
    entries = qcow2_l1_entries(&s, o->size);
    if (!block_truncate(file, 0, BLOCK_PREALLOC_OFF, error))
        return false;
    s.l1_size = (u32)entries;
    s.extensions = g_array_new(FALSE, TRUE, sizeof(struct qcow2_extension));
    ret = write_skeleton(&s, qcow2_clusters(&s, entries * 8));
    g_array_unref(s.extensions);
    return ret == 0 || error_set(error, "Could not write the image: %s", block_strerror(ret));
}
