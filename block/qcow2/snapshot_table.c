/* block/qcow2/snapshot_table.c - the list of internal snapshots on disk. */
#include "block/qcow2/qcow2.h"
#include "base/error.h"
#include <errno.h>

enum { ENTRY_HEAD = 40, MAX_EXTRA = 1024, OUR_EXTRA = 24, WINDOW = 256 << 10 /* an entry is shorter */ };

/* The table is read in large pieces: an image may have 64 Ki snapshots. */
struct window {
    u64 start;
    size_t size;
    u8 *data;
};

void qcow2_free_snapshots(struct qcow2 *s)
{
    for (u32 i = 0; s->snapshots && i < s->snapshot_count; i++) {
        g_free(s->snapshots[i].id);
        g_free(s->snapshots[i].name);
        g_free(s->snapshots[i].extra);
    }
    g_clear_pointer(&s->snapshots, g_free);
}

static void read_extra(struct qcow2 *s, struct qcow2_snapshot *snapshot)
{
    const u8 *e = snapshot->extra;

    snapshot->disk_size = s->node->size;
    snapshot->icount = UINT64_MAX;
    if (snapshot->extra_size >= 8)
        snapshot->vm_state_size = be64(e);
    if (snapshot->extra_size >= 16)
        snapshot->disk_size = be64(e + 8);
    if (snapshot->extra_size >= 24)
        snapshot->icount = be64(e + 16);
}

/* Bytes of the file in the window, NULL after an error. */
static const u8 *look(struct qcow2 *s, struct window *w, u64 at, u64 size)
{
    if (at < w->start || at + size > w->start + w->size) {
        w->start = at;
        w->size = WINDOW;
        if (block_read_buffer(s->file, at, w->data, WINDOW) < 0) {
            w->size = size; /* a disk may be damaged behind the table */
            if (block_read_buffer(s->file, at, w->data, size) < 0)
                return NULL;
        }
    }
    return w->data + (at - w->start);
}

static bool read_one(struct qcow2 *s, struct qcow2_snapshot *snapshot, struct window *w, u64 *at, GError **error)
{
    const u8 *head = look(s, w, *at, ENTRY_HEAD), *tail;
    u32 id_size, name_size;
    u64 rest;

    if (!head)
        return error_set(error, "Failed to read snapshot table");
    snapshot->l1_offset = be64(head);
    snapshot->l1_size = be32(head + 8);
    id_size = be16(head + 12);
    name_size = be16(head + 14);
    snapshot->date_s = be32(head + 16);
    snapshot->date_ns = be32(head + 20);
    snapshot->vm_clock_ns = be64(head + 24);
    snapshot->vm_state_size = be32(head + 32);
    snapshot->extra_size = be32(head + 36);
    if (snapshot->extra_size > MAX_EXTRA)
        return error_set(error, "Too much extra metadata in snapshot table entry");
    if ((u64)snapshot->l1_size * 8 > QCOW2_MAX_L1_BYTES || qcow2_in_cluster(s, snapshot->l1_offset) || snapshot->l1_offset > INT64_MAX / 2)
        return error_set(error, "Snapshot L1 table offset invalid");
    rest = (u64)snapshot->extra_size + id_size + name_size;
    tail = look(s, w, *at + ENTRY_HEAD, rest);
    if (!tail)
        return error_set(error, "Failed to read snapshot table");
    snapshot->extra = g_memdup2(tail, snapshot->extra_size);
    snapshot->id = g_strndup((char *)tail + snapshot->extra_size, id_size);
    snapshot->name = g_strndup((char *)tail + snapshot->extra_size + id_size, name_size);
    read_extra(s, snapshot);
    *at += (ENTRY_HEAD + rest + 7) & ~UINT64_C(7);
    return true;
}

bool qcow2_read_snapshots(struct qcow2 *s, GError **error)
{
    u64 at = s->snapshots_offset;
    u32 count = s->snapshot_count;
    struct window window = { 0 };

    s->snapshots_size = 0;
    if (!count)
        return true;
    if (s->snapshots_offset + (u64)count * ENTRY_HEAD > s->file->size)
        return error_set(error, "Snapshot table is behind the end of the file");
    s->snapshots = g_new0(struct qcow2_snapshot, count);
    g_autofree u8 *data = g_malloc(WINDOW);
    window.data = data;
    for (u32 i = 0; i < count; i++) {
        if (!read_one(s, &s->snapshots[i], &window, &at, error))
            return false;
        if (at - s->snapshots_offset > QCOW2_MAX_SNAPSHOT_BYTES)
            return error_set(error, "Snapshot table is too large");
    }
    s->snapshots_size = at - s->snapshots_offset;
    return true;
}

static void put_one(GByteArray *out, const struct qcow2_snapshot *snapshot)
{
    u8 head[ENTRY_HEAD] = { 0 }, extra[MAX_EXTRA] = { 0 };
    u32 extra_size = MAX(snapshot->extra_size, OUR_EXTRA);
    static const u8 zeros[8];

    if (snapshot->extra_size)
        memcpy(extra, snapshot->extra, snapshot->extra_size);
    put_be64(extra, snapshot->vm_state_size);
    put_be64(extra + 8, snapshot->disk_size);
    put_be64(extra + 16, snapshot->icount);
    put_be64(head, snapshot->l1_offset);
    put_be32(head + 8, snapshot->l1_size);
    bits_store_be(head + 12, 2, strlen(snapshot->id));
    bits_store_be(head + 14, 2, strlen(snapshot->name));
    put_be32(head + 16, snapshot->date_s);
    put_be32(head + 20, snapshot->date_ns);
    put_be64(head + 24, snapshot->vm_clock_ns);
    put_be32(head + 32, snapshot->vm_state_size > UINT32_MAX ? 0 : (u32)snapshot->vm_state_size);
    put_be32(head + 36, extra_size);
    g_byte_array_append(out, head, sizeof(head));
    g_byte_array_append(out, extra, extra_size);
    g_byte_array_append(out, (const u8 *)snapshot->id, (guint)strlen(snapshot->id));
    g_byte_array_append(out, (const u8 *)snapshot->name, (guint)strlen(snapshot->name));
    g_byte_array_append(out, zeros, -out->len & 7);
}

/* The table in a new place, then the header; the old place is free after that. */
int qcow2_write_snapshots(struct qcow2 *s)
{
    g_autoptr(GByteArray) table = g_byte_array_new();
    u64 offset = 0, old = s->snapshots_offset, old_size = s->snapshots_size;
    u8 field[12];
    int ret = 0;

    for (u32 i = 0; i < s->snapshot_count; i++)
        put_one(table, &s->snapshots[i]);
    if (table->len > QCOW2_MAX_SNAPSHOT_BYTES)
        return -EFBIG;
    if (table->len)
        ret = qcow2_alloc_run(s, qcow2_clusters(s, table->len), &offset);
    if (ret == 0 && table->len)
        ret = block_write_buffer(s->file, offset, table->data, table->len);
    if (ret == 0)
        ret = qcow2_sync(s);
    put_be32(field, s->snapshot_count);
    put_be64(field + 4, offset);
    if (ret == 0)
        ret = qcow2_change_header(s, H_SNAPSHOTS, field, sizeof(field));
    if (ret < 0) {
        if (offset && !s->corrupt)
            qcow2_free_now(s, offset, table->len);
        return ret;
    }
    s->snapshots_offset = offset;
    s->snapshots_size = table->len;
    if (old_size) {
        qcow2_meta_remove(s, old, old_size);
        qcow2_free_now(s, old, old_size);
    }
    if (offset)
        qcow2_meta_add(s, offset, table->len, META_SNAPSHOTS);
    return 0;
}

int qcow2_read_l1(struct qcow2 *s, u64 offset, u32 size, u64 **out)
{
    g_autofree u64 *table = g_new(u64, MAX(size, 1));
    int ret = size ? block_read_buffer(s->file, offset, table, (size_t)size * 8) : 0;

    if (ret < 0)
        return ret;
    for (u32 i = 0; i < size; i++)
        table[i] = be64((const u8 *)&table[i]);
    *out = g_steal_pointer(&table);
    return 0;
}

int qcow2_write_table(struct qcow2 *s, u64 offset, const u64 *table, u32 size, u64 keep)
{
    u64 entries = qcow2_clusters(s, (u64)size * 8) << s->cluster_bits >> 3, piece = MIN(entries, MIB / 8);
    g_autofree u8 *buffer = g_malloc(MAX(piece, 1) * 8);
    int ret = 0;

    for (u64 i = 0; i < entries && ret == 0; i += piece) {
        piece = MIN(piece, entries - i);
        for (u64 k = 0; k < piece; k++)
            put_be64(buffer + k * 8, i + k < size ? table[i + k] & keep : 0);
        ret = block_write_buffer(s->file, offset + i * 8, buffer, piece * 8);
    }
    return ret;
}
