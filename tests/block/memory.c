/* tests/block/memory.c - a node in memory, its unflushed writes kept apart. */
#include "tests/block/memory.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct memory *memory_of(struct block_node *node)
{
    return node->state;
}

/* False: it fails. */
static bool event(struct memory *m)
{
    m->events++;
    if (m->hook)
        m->hook(m->opaque);
    return m->events != m->fail_at;
}

static int memory_read(struct block_node *node, u64 offset, struct block_data data)
{
    if (memory_of(node)->reads)
        memory_of(node)->reads(memory_of(node)->opaque);
    block_data_put(data, memory_of(node)->now + offset);
    return 0;
}

static void grow(GByteArray *bytes, u64 size)
{
    guint old = bytes->len;

    if (size <= old)
        return;
    g_byte_array_set_size(bytes, (guint)size);
    memset(bytes->data + old, 0, size - old);
}

static void remember(struct memory *m, u64 offset, u64 size)
{
    if (!m->pending)
        return;
    for (u64 sector = offset / SECTOR; sector * SECTOR < offset + size; sector++) {
        struct pending p = { .sector = sector };

        memcpy(p.data, m->now + sector * SECTOR, SECTOR);
        g_array_append_val(m->pending, p);
    }
}

static int memory_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    struct memory *m = memory_of(node);

    if (offset + data.size > MEMORY_MOST || !event(m))
        return -ENOSPC;
    m->size = MAX(m->size, (offset + data.size + SECTOR - 1) / SECTOR * SECTOR);
    block_data_get(data, m->now + offset);
    remember(m, offset, data.size);
    return 0;
}

static void apply(GByteArray *to, const struct pending *p)
{
    grow(to, (p->sector + 1) * SECTOR);
    memcpy(to->data + p->sector * SECTOR, p->data, SECTOR);
}

static int memory_flush(struct block_node *node)
{
    struct memory *m = memory_of(node);

    if (!event(m))
        return -ENOSPC;
    if (m->drop_flushes || !m->pending)
        return 0;
    for (guint i = 0; i < m->pending->len; i++)
        apply(m->stable, &g_array_index(m->pending, struct pending, i));
    g_array_set_size(m->pending, 0);
    return 0;
}

static bool memory_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error)
{
    struct memory *m = memory_of(node);

    if (!event(m) || size > MEMORY_MOST)
        return error_set(error, "no room for %" G_GUINT64_FORMAT " bytes", size);
    if (size < m->size)
        memset(m->now + size, 0, m->size - size);
    m->size = size;
    block_set_size(node, size);
    return true;
}

static void memory_close(struct block_node *node)
{
    struct memory *m = memory_of(node);

    syscall(SYS_munmap, m->now, (size_t)MEMORY_MOST);
    g_clear_pointer(&m->stable, g_byte_array_unref);
    g_clear_pointer(&m->pending, g_array_unref);
}

static s64 memory_allocated(struct block_node *node)
{
    return (s64)memory_of(node)->size;
}

static const struct block_driver driver = {
    .name = "memory", .grows = true, .read = memory_read, .write = memory_write, .flush = memory_flush,
    .truncate = memory_truncate, .close = memory_close, .allocated_size = memory_allocated,
};

/*
 * Pages that nobody wrote cost nothing, and none of them is on the heap. By the system call: AddressSanitizer would go over its
 * shadow of all of it at each mmap.
 */
struct block_node *memory_create_plain(struct block_graph *graph, const char *name, const void *content, size_t size)
{
    struct memory *m = g_new0(struct memory, 1);
    struct block_node *node;

    m->now = (u8 *)syscall(SYS_mmap, NULL, (size_t)MEMORY_MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
    g_assert_true(m->now != MAP_FAILED && size <= MEMORY_MOST);
    if (content)
        memcpy(m->now, content, size);
    m->size = size;
    node = block_node_create(graph, &driver, name, m);
    node->size = size;
    return node;
}

struct block_node *memory_create(struct block_graph *graph, const char *name, const void *content, size_t size)
{
    struct block_node *node = memory_create_plain(graph, name, content, size);
    struct memory *m = memory_of(node);

    m->stable = g_byte_array_new();
    m->pending = g_array_new(FALSE, FALSE, sizeof(struct pending));
    if (content)
        g_byte_array_append(m->stable, content, (guint)size);
    return node;
}

GByteArray *memory_crash(struct memory *m, GRand *rand)
{
    GByteArray *out = g_byte_array_new();
    double luck = g_rand_double(rand);

    g_byte_array_append(out, m->stable->data, m->stable->len);
    /* Later versions overwrite earlier ones, if both arrive at all. */
    for (guint i = 0; i < m->pending->len; i++)
        if (g_rand_double(rand) < luck)
            apply(out, &g_array_index(m->pending, struct pending, i));
    return out;
}

struct block_node *open_qcow2(struct block_graph *graph, const char *file, const char *backing, bool write, GError **error)
{
    struct json_object *options = json_object_new_object();
    struct block_node *node;

    json_object_object_add(options, "driver", json_object_new_string("qcow2"));
    json_object_object_add(options, "file", json_object_new_string(file));
    json_object_object_add(options, "backing", backing ? json_object_new_string(backing) : NULL);
    json_object_object_add(options, "read-only", json_object_new_boolean(!write));
    json_object_object_add(options, "discard", json_object_new_string("unmap"));
    node = block_open(graph, options, error);
    json_object_put(options);
    return node;
}

struct block_node *open_raw(struct block_graph *graph, const char *file)
{
    struct json_object *options = json_object_new_object();
    struct block_node *node;

    json_object_object_add(options, "driver", json_object_new_string("raw"));
    json_object_object_add(options, "file", json_object_new_string(file));
    json_object_object_add(options, "read-only", json_object_new_boolean(true));
    node = block_open(graph, options, NULL);
    json_object_put(options);
    return node;
}
