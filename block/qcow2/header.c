/* block/qcow2/header.c - the header: reading with suspicion, writing, single fields. */
#include "block/qcow2/qcow2.h"
#include "base/error.h"
#include <errno.h>
#include <stdarg.h>

static bool check_geometry(struct qcow2 *s, const u8 *h, GError **error)
{
    s->cluster_bits = be32(h + H_CLUSTER_BITS);
    if (s->cluster_bits < QCOW2_MIN_CLUSTER_BITS || s->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
        return error_set(error, "Unsupported cluster size: 2^%u", s->cluster_bits);
    s->cluster_size = BIT64(s->cluster_bits);
    if (s->header_length > s->cluster_size)
        return error_set(error, "qcow2 header exceeds cluster size");
    if (s->refcount_order > 6)
        return error_set(error, "Reference count entry width too large; may not exceed 64 bits");
    if (be32(h + H_CRYPT) != 0) {
        error_set(error, "the image is encrypted (%s), which Mynah does not support", be32(h + H_CRYPT) == 2 ? "LUKS" : be32(h + H_CRYPT) == 1 ? "AES" : "by an unknown method");
        return error_hint(error, "decrypt it first: 'qemu-img convert' reads such images");
    }
    return true;
}

static bool read_versioned(struct qcow2 *s, const u8 *h, GError **error)
{
    s->header_length = QCOW2_HEADER_V2;
    s->refcount_order = 4;
    if (s->version == 2)
        return true;
    s->incompatible = be64(h + H_INCOMPATIBLE);
    s->compatible = be64(h + H_COMPATIBLE);
    s->autoclear = be64(h + H_AUTOCLEAR);
    s->refcount_order = be32(h + H_REFCOUNT_ORDER);
    s->header_length = be32(h + H_LENGTH);
    if (s->header_length < QCOW2_HEADER_V3)
        return error_set(error, "qcow2 header too short");
    if (s->header_length > H_COMPRESSION)
        s->compression = h[H_COMPRESSION];
    if (s->incompatible & INCOMPAT_COMPRESSION ? s->compression != 1 : s->compression != 0)
        return error_set(error, "unknown compression type %u", s->compression);
    return true;
}

static bool read_tables(struct qcow2 *s, const u8 *h, GError **error)
{
    u64 size = be64(h + H_SIZE);

    s->entry_size = s->incompatible & INCOMPAT_EXTENDED_L2 ? 16 : 8;
    s->l2_bits = s->cluster_bits - (s->entry_size == 16 ? 4 : 3);
    s->sub_bits = s->entry_size == 16 ? s->cluster_bits - 5 : s->cluster_bits;
    if (s->entry_size == 16 && s->cluster_bits < 14)
        return error_set(error, "extended L2 entries need clusters of at least 16 KiB");
    s->l1_size = be32(h + H_L1_SIZE);
    s->l1_offset = be64(h + H_L1_OFFSET);
    s->reftable_offset = be64(h + H_REFTABLE_OFFSET);
    s->reftable_clusters = be32(h + H_REFTABLE_CLUSTERS);
    s->snapshot_count = be32(h + H_SNAPSHOTS);
    s->snapshots_offset = be64(h + H_SNAPSHOTS_OFFSET);
    if (size > INT64_MAX - s->cluster_size)
        return error_set(error, "Image size is too big");
    if (s->reftable_clusters > QCOW2_MAX_REFTABLE_BYTES >> s->cluster_bits && s->reftable_clusters != 1)
        return error_set(error, "Image does not contain a reference count table of a valid size");
    if (qcow2_in_cluster(s, s->reftable_offset) || s->reftable_offset > INT64_MAX / 2)
        return error_set(error, "Invalid reference count table offset");
    if (!s->reftable_clusters || !s->reftable_offset)
        return error_set(error, "Image does not contain a reference count table");
    if ((u64)s->l1_size * 8 > QCOW2_MAX_L1_BYTES)
        return error_set(error, "Active L1 table too large");
    if (qcow2_in_cluster(s, s->l1_offset) || s->l1_offset > INT64_MAX / 2)
        return error_set(error, "Active L1 table offset invalid");
    if (s->l1_size < qcow2_l1_entries(s, size))
        return error_set(error, "L1 table is too small");
    if (s->snapshot_count > QCOW2_MAX_SNAPSHOTS)
        return error_set(error, "Snapshot table too large");
    if (s->snapshot_count && (qcow2_in_cluster(s, s->snapshots_offset) || s->snapshots_offset > INT64_MAX / 2))
        return error_set(error, "Snapshot table offset invalid");
    s->node->size = size;
    return true;
}

static bool read_extension(struct qcow2 *s, u32 type, const u8 *data, u32 size, GError **error)
{
    struct qcow2_extension kept = { .type = type, .size = size };

    switch (type) {
    case EXT_BACKING_FORMAT:
        if (size > 31)
            return error_set(error, "ERROR: ext_backing_format: len=%u too large (>=%u)", size, 32);
        g_free(s->backing_format);
        s->backing_format = g_strndup((const char *)data, size);
        return true;
    case EXT_DATA_FILE:
        if (!(s->incompatible & INCOMPAT_DATA_FILE))
            break;
        g_free(s->data_name);
        s->data_name = g_strndup((const char *)data, size);
        return true;
    case EXT_CRYPT:
        return error_set(error, "the image has an encryption header, which Mynah does not support");
    default:
        break;
    }
    kept.data = g_memdup2(data, size);
    g_array_append_val(s->extensions, kept);
    return true;
}

static bool read_extensions(struct qcow2 *s, const u8 *h, u64 end, GError **error)
{
    u64 at = s->header_length;

    while (at + 8 <= end) {
        u32 type = be32(h + at), size = be32(h + at + 4);

        at += 8;
        if (type == EXT_END)
            return true;
        if (size > end - at)
            return error_set(error, "Header extension too large");
        if (!read_extension(s, type, h + at, size, error))
            return false;
        at += (size + 7) & ~7u;
    }
    return true;
}

static char *feature_name(struct qcow2 *s, unsigned bit)
{
    for (unsigned i = 0; i < s->extensions->len; i++) {
        struct qcow2_extension *e = &g_array_index(s->extensions, struct qcow2_extension, i);

        for (u32 at = 0; e->type == EXT_FEATURES && at + 48 <= e->size; at += 48)
            if (e->data[at] == 0 && e->data[at + 1] == bit && e->data[at + 2]) {
                g_autofree char *name = g_strndup((char *)e->data + at + 2, 46);

                return g_utf8_make_valid(name, -1);
            }
    }
    return g_strdup_printf("Unknown incompatible feature: %" G_GINT64_MODIFIER "x", BIT64(bit));
}

static bool check_features(struct qcow2 *s, GError **error)
{
    u64 unknown = s->incompatible & ~INCOMPAT_KNOWN;
    g_autoptr(GString) names = NULL;

    if (!unknown)
        return true;
    names = g_string_new(NULL);
    for (unsigned bit = 0; bit < 64; bit++) {
        if (!(unknown & BIT64(bit)))
            continue;
        g_autofree char *name = feature_name(s, bit);

        g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
    }
    return error_set(error, "Unsupported qcow2 feature(s): %s", names->str);
}

static bool read_backing_name(struct qcow2 *s, const u8 *h, u64 end, GError **error)
{
    u64 offset = be64(h + H_BACKING_OFFSET);
    u32 size = be32(h + H_BACKING_SIZE);

    if (!offset || !size)
        return true;
    if (offset > s->cluster_size)
        return error_set(error, "Invalid backing file offset");
    if (size > MIN(QCOW2_MAX_BACKING_NAME, s->cluster_size - offset))
        return error_set(error, "Backing file name too long");
    if (offset + size > end)
        return error_set(error, "Could not read backing file name");
    s->backing_name = g_strndup((const char *)h + offset, size);
    return true;
}

bool qcow2_read_header(struct qcow2 *s, GError **error)
{
    g_autofree u8 *h = NULL;
    u8 start[QCOW2_HEADER_OURS] = { 0 };
    u64 backing, end;
    int ret = block_read_buffer(s->file, 0, start, sizeof(start));

    if (ret < 0)
        return error_set(error, "Could not read qcow2 header: %s", block_strerror(ret));
    if (be32(start) != QCOW2_MAGIC)
        return error_set(error, "Image is not in qcow2 format");
    s->version = be32(start + H_VERSION);
    if (s->version != 2 && s->version != 3)
        return error_set(error, "Unsupported qcow2 version %u", s->version);
    if (!read_versioned(s, start, error) || !check_geometry(s, start, error))
        return false;
    h = g_malloc0(s->cluster_size);
    ret = block_read_buffer(s->file, 0, h, s->cluster_size);
    if (ret < 0)
        return error_set(error, "Could not read qcow2 header: %s", block_strerror(ret));
    /* Extensions end where the backing file's name begins. */
    backing = be64(h + H_BACKING_OFFSET);
    end = backing && backing <= s->cluster_size && be32(h + H_BACKING_SIZE) ? backing : s->cluster_size;
    if (!read_extensions(s, h, end, error) || !check_features(s, error))
        return false;
    return read_backing_name(s, h, s->cluster_size, error) && read_tables(s, h, error);
}

/* --- writing --- */

struct header_out {
    u8 *data;
    u64 at, size;
};

static bool put_extension(struct header_out *out, u32 type, const void *data, u32 size)
{
    if (out->at + 8 + ((size + 7) & ~7u) > out->size)
        return false;
    put_be32(out->data + out->at, type);
    put_be32(out->data + out->at + 4, size);
    if (size)
        memcpy(out->data + out->at + 8, data, size);
    out->at += 8 + ((size + 7) & ~7u);
    return true;
}

static bool put_features(struct header_out *out)
{
    static const struct {
        u8 type, bit;
        const char *name;
    } features[] = {
        { 0, 0, "dirty bit" },          { 0, 1, "corrupt bit" },      { 0, 2, "external data file" },
        { 0, 3, "compression type" },   { 0, 4, "extended L2 entries" }, { 1, 0, "lazy refcounts" },
        { 2, 0, "bitmaps" },            { 2, 1, "raw external data" },
    };
    u8 table[ARRAY_SIZE(features) * 48] = { 0 };

    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        table[i * 48] = features[i].type;
        table[i * 48 + 1] = features[i].bit;
        memcpy(table + i * 48 + 2, features[i].name, strlen(features[i].name));
    }
    return put_extension(out, EXT_FEATURES, table, sizeof(table));
}

/* The table of feature names is a courtesy: it goes where there is room (clusters of 512 bytes). */
static bool put_extensions(struct qcow2 *s, struct header_out *out, bool features)
{
    bool ok = true;

    if (s->backing_format)
        ok = put_extension(out, EXT_BACKING_FORMAT, s->backing_format, (u32)strlen(s->backing_format));
    if (s->data_name)
        ok = ok && put_extension(out, EXT_DATA_FILE, s->data_name, (u32)strlen(s->data_name));
    if (s->version >= 3 && features)
        ok = ok && put_features(out);
    for (unsigned i = 0; i < s->extensions->len; i++) {
        struct qcow2_extension *e = &g_array_index(s->extensions, struct qcow2_extension, i);

        if (e->type != EXT_FEATURES)
            ok = ok && put_extension(out, e->type, e->data, e->size);
    }
    return ok && put_extension(out, EXT_END, NULL, 0);
}

static void put_fixed(struct qcow2 *s, u8 *h)
{
    put_be32(h + H_MAGIC, QCOW2_MAGIC);
    put_be32(h + H_VERSION, s->version);
    put_be32(h + H_CLUSTER_BITS, s->cluster_bits);
    put_be64(h + H_SIZE, s->node->size);
    put_be32(h + H_L1_SIZE, s->l1_size);
    put_be64(h + H_L1_OFFSET, s->l1_offset);
    put_be64(h + H_REFTABLE_OFFSET, s->reftable_offset);
    put_be32(h + H_REFTABLE_CLUSTERS, s->reftable_clusters);
    put_be32(h + H_SNAPSHOTS, s->snapshot_count);
    put_be64(h + H_SNAPSHOTS_OFFSET, s->snapshots_offset);
    if (s->version == 2)
        return;
    put_be64(h + H_INCOMPATIBLE, s->incompatible);
    put_be64(h + H_COMPATIBLE, s->compatible);
    put_be64(h + H_AUTOCLEAR, s->autoclear);
    put_be32(h + H_REFCOUNT_ORDER, s->refcount_order);
    put_be32(h + H_LENGTH, s->header_length);
    if (s->header_length > H_COMPRESSION)
        h[H_COMPRESSION] = s->compression;
}

/* The fields that we know, in a buffer of a cluster, and those that we do not. */
static int fill_fixed(struct qcow2 *s, u8 *h)
{
    int ret = 0;

    if (s->version == 2) {
        s->header_length = QCOW2_HEADER_V2;
    } else if (s->header_length > QCOW2_HEADER_OURS) { /* fields that we do not know stay */
        ret = block_read_buffer(s->file, 0, h, s->header_length);
    } else {
        s->header_length = QCOW2_HEADER_OURS;
    }
    put_fixed(s, h);
    return ret;
}

/* A cluster with the whole header. The backing file's name is at *name_at if it fits there, otherwise behind the extensions, and *name_at says so. */
static int fill_header(struct qcow2 *s, u8 *h, u64 *name_at)
{
    struct header_out out = { .data = h, .size = s->cluster_size };
    u64 length = s->backing_name ? strlen(s->backing_name) : 0;
    int ret = fill_fixed(s, h);

    if (ret < 0)
        return ret;
    out.at = s->header_length;
    if (!put_extensions(s, &out, true) || out.size - out.at < length) {
        memset(h + s->header_length, 0, out.size - s->header_length);
        out.at = s->header_length;
        if (!put_extensions(s, &out, false))
            return -ENOSPC;
    }
    if (length > MIN(QCOW2_MAX_BACKING_NAME, out.size - out.at))
        return -ENOSPC;
    if (*name_at < out.at || *name_at + length > out.size)
        *name_at = out.at;
    put_be64(h + H_BACKING_OFFSET, length ? *name_at : 0);
    put_be32(h + H_BACKING_SIZE, (u32)length);
    if (length)
        memcpy(h + *name_at, s->backing_name, length);
    return 0;
}

int qcow2_write_header(struct qcow2 *s)
{
    g_autofree u8 *h = g_malloc0(s->cluster_size);
    u64 name_at = 0;
    int ret = fill_header(s, h, &name_at);

    return ret < 0 ? ret : block_write_buffer(s->file, 0, h, s->cluster_size);
}

/* The backing file's name in a second place, then that is the one which counts, then the first one is gone. */
static int move_backing_name(struct qcow2 *s, u64 from, u64 to)
{
    size_t length = strlen(s->backing_name);
    g_autofree u8 *zeros = g_malloc0(length);
    int ret = block_write_buffer(s->file, to, s->backing_name, length);

    if (ret == 0)
        ret = block_flush(s->file);
    if (ret == 0)
        ret = qcow2_write_field(s, H_BACKING_OFFSET, 8, to);
    if (ret == 0)
        ret = block_write_buffer(s->file, from, zeros, length);
    return ret < 0 ? ret : block_flush(s->file);
}

int qcow2_write_extensions(struct qcow2 *s)
{
    g_autofree u8 *h = g_malloc0(s->cluster_size);
    u64 name_at = 0, length = s->backing_name ? strlen(s->backing_name) : 0, old_at;
    u8 field[8];
    int ret = block_read_buffer(s->file, H_BACKING_OFFSET, field, sizeof(field));

    old_at = name_at = be64(field);
    if (ret == 0)
        ret = fill_header(s, h, &name_at);
    if (ret == 0 && length && name_at != old_at && MAX(name_at, old_at + length) + length <= s->cluster_size) {
        ret = move_backing_name(s, old_at, name_at = MAX(name_at, old_at + length));
        memset(h, 0, s->cluster_size);
        if (ret == 0)
            ret = fill_header(s, h, &name_at);
    }
    if (ret == 0)
        ret = block_write_buffer(s->file, 0, h, s->cluster_size);
    return ret < 0 ? ret : block_flush(s->file);
}

int qcow2_find_extension(struct qcow2 *s, u32 type, u64 *at)
{
    g_autofree u8 *h = g_malloc0(s->cluster_size);
    int ret = block_read_buffer(s->file, 0, h, s->cluster_size);
    u64 end = be64(h + H_BACKING_OFFSET), next = s->header_length;

    *at = 0;
    end = end && end < s->cluster_size && be32(h + H_BACKING_SIZE) ? end : s->cluster_size;
    for (u64 i = next; ret == 0 && i + 8 <= end && be32(h + i) != EXT_END; i = next) {
        u64 size = be32(h + i + 4);

        if (size > end - i - 8)
            break;
        *at = be32(h + i) == type ? i + 8 : *at;
        next = i + 8 + ((size + 7) & ~UINT64_C(7));
    }
    return ret;
}

int qcow2_write_field(struct qcow2 *s, u32 at, u32 size, u64 value)
{
    u8 bytes[8];
    int ret;

    bits_store_be(bytes, size, value);
    ret = block_write_buffer(s->file, at, bytes, size);
    return ret < 0 ? ret : block_flush(s->file);
}

static int write_fields(struct qcow2 *s, u32 at, const u8 *fields, u32 size)
{
    int ret = block_write_buffer(s->file, at, fields, size);

    return ret < 0 ? ret : block_flush(s->file);
}

int qcow2_change_header(struct qcow2 *s, u32 at, const u8 *fields, u32 size)
{
    u8 before[QCOW2_HEADER_OURS];
    int ret = block_read_buffer(s->file, at, before, size);

    if (ret < 0)
        return ret;
    ret = write_fields(s, at, fields, size);
    if (ret < 0 && write_fields(s, at, before, size) < 0)
        qcow2_corrupt(s, "it is not known which of two tables counts: %s", block_strerror(ret));
    return ret;
}

int qcow2_set_dirty(struct qcow2 *s, bool dirty)
{
    int ret;

    if (s->dirty_on_disk == dirty)
        return 0;
    s->incompatible = dirty ? s->incompatible | INCOMPAT_DIRTY : s->incompatible & ~INCOMPAT_DIRTY;
    ret = qcow2_write_field(s, H_INCOMPATIBLE, 8, s->incompatible);
    if (ret == 0)
        s->dirty_on_disk = dirty;
    return ret;
}

int qcow2_corrupt(struct qcow2 *s, const char *format, ...)
{
    va_list args;
    g_autofree char *text = NULL;

    if (s->corrupt)
        return -EIO;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    s->corrupt = true;
    g_printerr("qcow2: Image '%s' is corrupt: %s; further %s\n", block_filename(s->node), text,
               s->node->read_only ? "non-fatal corruption events will be suppressed" : "corruption events will be suppressed");
    if (!s->node->read_only && s->usable && s->version >= 3) {
        s->incompatible |= INCOMPAT_CORRUPT;
        qcow2_write_field(s, H_INCOMPATIBLE, 8, s->incompatible);
    }
    return -EIO;
}
