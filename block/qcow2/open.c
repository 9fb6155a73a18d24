/* block/qcow2/open.c - opening and closing images; the driver's table. */
#include "block/qcow2/bitmap.h"
#include "block/qcow2/image.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>

enum { DEFAULT_L2_CACHE = 32 << 20, MIN_REF_TABLES = 4, MIN_L2_TABLES = 4 };

static void free_state(struct qcow2 *s)
{
    qcow2_cache_finish(&s->l2_cache);
    qcow2_cache_finish(&s->ref_cache);
    qcow2_meta_finish(&s->meta);
    qcow2_free_snapshots(s);
    qcow2_bitmaps_free(s);
    for (unsigned i = 0; s->extensions && i < s->extensions->len; i++)
        g_free(g_array_index(s->extensions, struct qcow2_extension, i).data);
    g_clear_pointer(&s->extensions, g_array_unref);
    g_clear_pointer(&s->frees, g_array_unref);
    g_clear_pointer(&s->l1, g_free);
    g_clear_pointer(&s->reftable, g_free);
    g_clear_pointer(&s->unpacked, g_free);
    qcow2_packers_finish(&s->packers);
    g_clear_pointer(&s->backing_name, g_free);
    g_clear_pointer(&s->backing_format, g_free);
    g_clear_pointer(&s->data_name, g_free);
}

static bool read_table(struct qcow2 *s, u64 offset, u64 entries, u64 room, u64 **out, const char *what, GError **error)
{
    g_autofree u64 *table = g_new0(u64, MAX(room, 1));
    int ret = entries ? block_read_buffer(s->file, offset, table, entries * 8) : 0;

    if (ret < 0)
        return error_set(error, "Could not read %s: %s", what, block_strerror(ret));
    for (u64 i = 0; i < entries; i++)
        table[i] = be64((const u8 *)&table[i]);
    *out = g_steal_pointer(&table);
    return true;
}

/* Tables per cache: what covers the disk, within the limit. */
static void size_caches(struct qcow2 *s, const struct api_blockdev_options_qcow2 *o)
{
    u64 tables = qcow2_l1_entries(s, s->node->size), l2_bytes = DEFAULT_L2_CACHE, ref_bytes = MIN_REF_TABLES * s->cluster_size;

    if (o->has_cache_size) {
        ref_bytes = MIN(o->cache_size / 5, ref_bytes);
        l2_bytes = o->cache_size - ref_bytes;
    }
    if (o->has_l2_cache_size)
        l2_bytes = o->l2_cache_size;
    if (o->has_refcount_cache_size)
        ref_bytes = o->refcount_cache_size;
    tables = MIN(tables + 2, l2_bytes >> s->cluster_bits);
    qcow2_cache_init(&s->l2_cache, s, true, (unsigned)CLAMP(tables, MIN_L2_TABLES, 1 << 20));
    qcow2_cache_init(&s->ref_cache, s, false, (unsigned)CLAMP(ref_bytes >> s->cluster_bits, MIN_REF_TABLES, 1 << 20));
}

void qcow2_index_metadata(struct qcow2 *s)
{
    qcow2_meta_finish(&s->meta);
    qcow2_meta_add(s, 0, s->cluster_size, META_HEADER);
    qcow2_meta_add(s, s->l1_offset, (u64)s->l1_size * 8, META_L1);
    qcow2_meta_add(s, s->reftable_offset, (u64)s->reftable_clusters << s->cluster_bits, META_REFTABLE);
    for (u32 i = 0; i < s->reftable_size; i++)
        if (s->reftable[i] & REFTABLE_OFFSET)
            qcow2_meta_add(s, s->reftable[i] & REFTABLE_OFFSET, s->cluster_size, META_REFBLOCK);
    for (u32 i = 0; i < s->l1_size; i++)
        if (s->l1[i] & ENTRY_OFFSET)
            qcow2_meta_add(s, s->l1[i] & ENTRY_OFFSET, s->cluster_size, META_L2);
    if (s->snapshots_size)
        qcow2_meta_add(s, s->snapshots_offset, s->snapshots_size, META_SNAPSHOTS);
    qcow2_meta_set_snapshots(s);
}

static bool load_tables(struct qcow2 *s, GError **error)
{
    s->reftable_size = s->reftable_clusters << (s->cluster_bits - 3);
    if (!read_table(s, s->reftable_offset, s->reftable_size, s->reftable_size, &s->reftable, "refcount table", error))
        return false;
    if (!read_table(s, s->l1_offset, s->l1_size, s->l1_size, &s->l1, "L1 table", error))
        return false;
    if (!qcow2_read_snapshots(s, error))
        return false;
    return true;
}

/* The backing file's options as the image names them, or NULL for none. */
static struct json_object *backing_options(struct qcow2 *s, struct block_open_context *context, GError **error)
{
    g_autofree char *path = block_path_beside(block_filename(s->node), s->backing_name);

    if (s->backing_format && !block_driver_find(s->backing_format) && strcmp(s->backing_format, "file") && strcmp(s->backing_format, "host_device")) {
        error_set(error, "Unknown driver '%s'", s->backing_format);
        return NULL;
    }
    return block_name_options(path, s->backing_format, s->node->force_share ? BLOCK_OPEN_FORCE_SHARE : 0, error);
}

static bool open_backing(struct qcow2 *s, struct block_open_context *context, GError **error)
{
    struct json_object *given, *options;
    bool ok;

    if (json_object_object_get_ex(context->json, "backing", &given))
        return !given || block_open_child(s->node, context, "backing", error);
    if (!s->backing_name)
        return true;
    options = backing_options(s, context, error);
    ok = options && block_open_backing(s->node, options, context->depth, error);
    json_object_put(options);
    return ok || error_prefix(error, "Could not open backing file");
}

static bool open_data(struct qcow2 *s, struct block_open_context *context, GError **error)
{
    struct json_object *given;

    s->data = s->file;
    if (!(s->incompatible & INCOMPAT_DATA_FILE)) {
        if (json_object_object_get_ex(context->json, "data-file", &given))
            return error_set(error, "'data-file' can only be set for images with an external data file");
        return true;
    }
    if (json_object_object_get_ex(context->json, "data-file", &given))
        s->data_edge = block_open_child(s->node, context, "data-file", error);
    else if (s->data_name)
        s->data_edge = block_open_data_file(s->node, s->data_name, context->depth, error);
    else
        error_set(error, "'data-file' is required for this image");
    if (!s->data_edge)
        return false;
    if (!s->data_name)
        s->data_name = g_strdup("");
    s->data = s->data_edge->node;
    return true;
}

static bool may_write(struct qcow2 *s, GError **error)
{
    bool checking = block_graph_is_checking(s->node->graph);

    if (s->node->read_only)
        return true;
    if (s->file->read_only) {
        error_set(error, "Block node is read-only");
        return error_hint(error, "the file below cannot be written: open this node read-only as well");
    }
    if ((s->incompatible & INCOMPAT_CORRUPT) && !checking) {
        error_set(error, "qcow2: Image is corrupt; cannot be opened read/write");
        return error_hint(error, "'mynah-img check -r all' mends what can be mended");
    }
    if (s->meta.overlap && !checking) {
        error_set(error, "qcow2: metadata structures overlap; cannot be opened read/write");
        return error_hint(error, "'mynah-img check -r all' mends what can be mended");
    }
    return true;
}

/* What a program that does not know everything about the image has to give up before it writes. */
static bool clear_unknown(struct qcow2 *s, GError **error)
{
    u64 keep = s->autoclear & AUTOCLEAR_KNOWN;
    int ret;

    if (s->node->read_only || s->version < 3 || keep == s->autoclear)
        return true;
    s->autoclear = keep;
    ret = qcow2_write_field(s, H_AUTOCLEAR, 8, keep);
    return ret == 0 || error_set(error, "Could not update qcow2 header: %s", block_strerror(ret));
}

static bool mend(struct qcow2 *s, GError **error)
{
    struct qcow2_check check = { .fix = QCOW2_FIX_ALL };
    int ret;

    s->dirty_on_disk = s->incompatible & INCOMPAT_DIRTY;
    if (s->node->read_only || block_graph_is_checking(s->node->graph) || !s->dirty_on_disk)
        return true;
    ret = qcow2_check(s->node, &check);
    if (ret < 0 || check.corruptions || check.check_errors)
        return error_set(error, "Could not repair dirty image: %s", block_strerror(ret < 0 ? ret : -EIO));
    return true;
}

static void apply_options(struct qcow2 *s, const struct api_blockdev_options_qcow2 *o)
{
    bool unmap = s->node->discard_unmap;

    s->lazy = s->version >= 3 && (o->has_lazy_refcounts ? o->lazy_refcounts : (s->compatible & COMPAT_LAZY) != 0);
    s->discard_request = o->has_pass_discard_request ? o->pass_discard_request : unmap;
    s->discard_snapshot = o->has_pass_discard_snapshot ? o->pass_discard_snapshot : unmap;
    s->discard_other = o->pass_discard_other;
    s->check_overlaps = !(o->has_overlap_check && o->overlap_check == API_QCOW2_OVERLAP_CHECK_MODE_NONE);
}

/* Tables that lie behind the end read as zeros, as if there were nothing on the disk: the file was cut, by a copy that was not completed. */
static void warn_if_cut(struct qcow2 *s)
{
    u64 begin = (s->meta.last - 1) << s->cluster_bits;

    if (s->meta.last && begin >= s->file->size)
        g_printerr("qcow2: Image '%s' has been cut: it has %" G_GUINT64_FORMAT " bytes, but tables at %" G_GUINT64_FORMAT "; what is missing reads as zeros\n",
                   block_filename(s->node), s->file->size, begin);
}

static bool open_image(struct qcow2 *s, struct block_open_context *context, GError **error)
{
    const struct api_blockdev_options_qcow2 *o = context->api->u.qcow2;

    if (!qcow2_read_header(s, error))
        return false;
    apply_options(s, o);
    size_caches(s, o);
    if (!load_tables(s, error) || !open_data(s, context, error))
        return false;
    qcow2_index_metadata(s);
    warn_if_cut(s);
    s->node->alignment = MAX(s->file->alignment, s->data->alignment);
    s->node->zero_align = MAX(BIT64(s->sub_bits), (u64)s->node->alignment);
    if (!may_write(s, error) || !open_backing(s, context, error))
        return false;
    s->usable = true;
    return clear_unknown(s, error) && mend(s, error);
}

static bool qcow2_open(struct block_node *node, struct block_open_context *context, GError **error)
{
    struct qcow2 *s = qcow2_of(node);

    s->node = node;
    s->extensions = g_array_new(FALSE, TRUE, sizeof(struct qcow2_extension));
    s->frees = g_array_new(FALSE, FALSE, sizeof(struct qcow2_free));
    if (block_open_child(node, context, "file", error)) {
        s->file = node->file->node;
        if (open_image(s, context, error))
            return true;
    }
    free_state(s);
    return false;
}

/* Nobody is left who could do something about an error; what was flushed before is safe. */
static void qcow2_close(struct block_node *node)
{
    struct qcow2 *s = qcow2_of(node);

    if (!node->read_only && !s->corrupt) {
        block_mutex_take(&s->lock, node->loop);
        s->lazy = false;
        int kept = qcow2_bitmaps_store(s), ret = qcow2_sync(s); /* bitmaps that cannot be kept are outdated, and no reason to lose more */
        if (ret == 0 && (s->ref_cache.dirty || s->frees->len))
            ret = qcow2_sync(s);
        if (ret == 0)
            ret = qcow2_set_dirty(s, false);
        block_mutex_drop(&s->lock);
        ret = ret < 0 ? ret : kept;
        if (ret < 0) {
            g_printerr("qcow2: cannot write the metadata of '%s': %s\n", block_filename(node), block_strerror(ret));
            block_graph_note_loss(node->graph);
        }
    }
    free_state(s);
}

static int qcow2_flush(struct block_node *node)
{
    struct qcow2 *s = qcow2_of(node);
    int ret;

    if (node->read_only || s->corrupt)
        return s->corrupt && !node->read_only ? -EIO : 0;
    block_mutex_take(&s->lock, node->loop);
    ret = qcow2_sync(s);
    block_mutex_drop(&s->lock);
    return ret;
}

/* Whether much less storage is there than clusters are counted. Lock. */
static bool is_sparse(struct qcow2 *s)
{
    u64 clusters = qcow2_clusters(s, s->file->size), used = 0, count, real;
    s64 allocated;

    if (s->sparse == SPARSE_UNKNOWN && !s->data_name) {
        allocated = block_allocated_size(s->file);
        s->sparse = SPARSE_NO;
        for (u64 c = 0; allocated >= 0 && c < MIN(clusters, BIT64(22)); c++)
            used += qcow2_refcount(s, c, &count) == 0 && count;
        /* The margin that QEMU leaves: both programs shall show the same map. */
        real = (u64)MAX(allocated, 0) >> s->cluster_bits;
        if (allocated >= 0 && used >= MAX(real * 10 / 9, real + 2))
            s->sparse = SPARSE_YES;
    }
    return s->sparse == SPARSE_YES;
}

static int qcow2_status(struct block_node *node, u64 offset, u64 size, struct block_status *out)
{
    struct qcow2 *s = qcow2_of(node);
    struct qcow2_map map;
    int ret;

    block_mutex_take(&s->lock, node->loop);
    ret = qcow2_map(s, offset, size, &map);
    bool sparse = ret == 0 && map.type == TYPE_DATA && is_sparse(s);
    block_mutex_drop(&s->lock);
    if (ret < 0)
        return ret;
    *out = (struct block_status){ .size = map.size };
    switch (map.type) {
    case TYPE_DATA:
        out->flags = BLOCK_DATA | BLOCK_ALLOCATED | BLOCK_OFFSET | (sparse || s->data_name ? BLOCK_RECURSE : 0);
        break;
    case TYPE_COMPRESSED:
        out->flags = BLOCK_DATA | BLOCK_ALLOCATED | BLOCK_IS_COMPRESSED;
        break;
    case TYPE_ZERO:
        out->flags = BLOCK_ZERO | BLOCK_ALLOCATED;
        break;
    case TYPE_ZERO_CLUSTER:
        out->flags = BLOCK_ZERO | BLOCK_ALLOCATED | BLOCK_OFFSET;
        break;
    case TYPE_UNALLOCATED_SUB:
        out->flags = BLOCK_OFFSET | (block_backing(node) ? 0 : BLOCK_ZERO);
        break;
    default:
        out->flags = block_backing(node) ? 0 : BLOCK_ZERO;
    }
    if (out->flags & BLOCK_OFFSET) {
        out->map = map.host;
        out->file = s->data;
    }
    return 0;
}

static void qcow2_child_perm(struct block_node *node, struct block_node *child, u32 perm, u32 shared, u32 *child_perm, u32 *child_shared)
{
    block_perm_format(node, child, perm, shared, child_perm, child_shared);
}

static int qcow2_probe(const u8 *head, size_t size)
{
    return size >= 8 && be32(head) == QCOW2_MAGIC && be32(head + 4) >= 2 ? 100 : 0;
}

const struct block_driver block_driver_qcow2 = {
    .name = "qcow2",
    .is_format = true,
    .state_size = sizeof(struct qcow2),
    .open = qcow2_open,
    .close = qcow2_close,
    .read = qcow2_read,
    .write = qcow2_write,
    .write_zeroes = qcow2_write_zeroes,
    .discard = qcow2_discard,
    .flush = qcow2_flush,
    .status = qcow2_status,
    .truncate = qcow2_truncate,
    .child_perm = qcow2_child_perm,
    .probe = qcow2_probe,
};
