/* tests/block/large.c - requests that are much larger than the memory that they name, again and again: what has to be copied goes through small buffers. */
#include "block/driver.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PIECE = 4 << 20, PIECES = 64, ALIGNMENT = 4096, MOST = 3 << 20 /* of a buffer */, GROWTH = 64 << 20 /* of the process */ };

/* What a guest would have: `bytes` begin one byte behind a page. */
struct guest {
    struct block_loop *loop;
    struct block_graph *graph;
    u8 *page, *bytes;
    struct iovec list[PIECES];
    void (*test)(struct guest *guest);
};

static struct block_data request(struct guest *guest)
{
    return block_data_list(guest->list, PIECES);
}

/* ---- A node whose requests are aligned ---- */

struct strict {
    struct guest *guest;
    u64 first, last; /* where requests began and ended */
};

static int look(struct block_node *node, u64 offset, struct block_data data)
{
    struct strict *s = node->state;
    const u8 *at = (const u8 *)data.iov->iov_base + data.skip;

    g_assert_cmpuint((offset | data.size) % ALIGNMENT, ==, 0);
    g_assert_true(data.size <= MOST || (at >= s->guest->bytes && at < s->guest->bytes + PIECE));
    s->first = MIN(s->first, offset);
    s->last = MAX(s->last, offset + data.size);
    return 0;
}

static int strict_read(struct block_node *node, u64 offset, struct block_data data)
{
    block_data_fill(block_data_slice(data, 0, ALIGNMENT), 7);
    return look(node, offset, data);
}

static int strict_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    return look(node, offset, data);
}

static void unaligned(struct guest *guest)
{
    static const struct block_driver driver = { .name = "strict", .state_size = sizeof(struct strict), .read = strict_read, .write = strict_write };
    struct block_node *node = block_node_create(guest->graph, &driver, "strict", NULL);
    struct strict *s = node->state;

    node->alignment = ALIGNMENT;
    node->size = 4 * (u64)PIECE * PIECES;
    for (unsigned write = 0; write < 2; write++) {
        *s = (struct strict){ .guest = guest, .first = UINT64_MAX };
        g_assert_cmpint(write ? block_write(node, 512, request(guest), 0) : block_read(node, 512, request(guest)), ==, 0);
        g_assert_cmpuint(s->first, ==, 0);
        g_assert_cmpuint(s->last, ==, (u64)PIECE * PIECES + ALIGNMENT);
    }
    block_unref(node);
}

/* ---- A file with O_DIRECT ---- */

static u64 most_memory(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (u64)usage.ru_maxrss * 1024;
}

static void check_file(struct guest *guest, const char *path)
{
    GError *error = NULL;
    struct block_node *node = block_open_name(guest->graph, path, "raw", BLOCK_OPEN_WRITE | BLOCK_OPEN_DIRECT, &error);
    struct block_edge *edge;
    u64 before;

    if (!node) { /* a file system without it */
        g_test_skip(error->message);
        g_error_free(error);
        return;
    }
    edge = block_attach(node, BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE, BLOCK_READ, "the test", NULL);
    g_assert_true(block_truncate(node, (u64)PIECE * PIECES, BLOCK_PREALLOC_OFF, NULL));
    for (unsigned i = 0; i < PIECE; i++)
        guest->bytes[i] = (u8)(i >> 9);
    before = most_memory();
    g_assert_cmpint(block_write(node, 0, request(guest), 0), ==, 0);
    g_assert_cmpint(block_read(node, 0, request(guest)), ==, 0);
    g_assert_cmpuint(most_memory() - before, <, GROWTH);
    for (unsigned i = 0; i < PIECE; i++)
        g_assert_cmpuint(guest->bytes[i], ==, (u8)(i >> 9));
    block_detach(edge);
    block_unref(node);
}

static void bounced(struct guest *guest)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("mynah-large-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    check_file(guest, path);
    g_unlink(path);
}

/* ---- */

static void in_fiber(void *opaque)
{
    struct guest *guest = opaque;

    guest->graph = block_graph_create(guest->loop);
    guest->test(guest);
    block_graph_destroy(guest->graph);
}

static void run(gconstpointer test)
{
    struct guest guest = { .loop = block_loop_create(NULL), .page = aligned_alloc(4096, PIECE + 4096), .test = test };

    memset(guest.page, 1, PIECE + 4096);
    guest.bytes = guest.page + 1;
    for (unsigned i = 0; i < PIECES; i++)
        guest.list[i] = (struct iovec){ guest.bytes, PIECE };
    block_loop_call(guest.loop, in_fiber, &guest);
    block_loop_destroy(guest.loop);
    free(guest.page);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/large/unaligned", (gconstpointer)unaligned, run);
    g_test_add_data_func("/large/bounced", (gconstpointer)bounced, run);
    return g_test_run();
}
