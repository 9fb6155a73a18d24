/* tests/block/guessed.c - the first sector of a raw image whose format was guessed, while what is written changes under the request. */
#include "base/error.h"
#include "block/driver.h"
#include "block/loop.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 1 << 20, ROUNDS = 3000, PIECES = 3 };

/* A qcow2 header, as far as probing looks. */
static const u8 magic[8] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 };

struct desk {
    char *path;
    struct block_loop *loop;
    u8 buffer[4096] __attribute__((aligned(4096)));
    bool stop;
};

static gpointer flicker(gpointer data)
{
    struct desk *desk = data;
    u64 now = 0, other;

    memcpy(&other, magic, sizeof(other));
    for (; !__atomic_load_n(&desk->stop, __ATOMIC_RELAXED); now ^= other)
        __atomic_store_n((u64 *)(void *)desk->buffer, now, __ATOMIC_RELAXED);
    return NULL;
}

/* In pieces, the first one within the sector. */
static int write_all(struct desk *desk, struct block_node *node)
{
    const struct iovec list[PIECES] = { { desk->buffer, 100 }, { desk->buffer + 100, 1000 }, { desk->buffer + 1100, sizeof(desk->buffer) - 1100 } };

    return block_write(node, 0, block_data_list(list, PIECES), 0);
}

static void run(void *opaque)
{
    struct desk *desk = opaque;
    struct block_graph *graph = block_graph_create(desk->loop);
    GError *error = NULL;
    struct block_node *node = block_open_name(graph, desk->path, NULL, BLOCK_OPEN_WRITE, &error);
    unsigned refused = 0;
    u8 back[sizeof(desk->buffer)];

    g_assert_no_error(error);
    g_assert_cmpstr(block_driver_name(node), ==, "raw");
    struct block_edge *edge = block_attach(node, BLOCK_READ | BLOCK_WRITE, BLOCK_READ, "the test", &error);
    g_assert_no_error(error);
    GThread *thread = g_thread_new("flicker", flicker, desk);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int ret = write_all(desk, node);

        g_assert_true(ret == 0 || ret == -EPERM);
        refused += ret != 0;
        g_assert_cmpint(block_read_buffer(node, 0, back, sizeof(back)), ==, 0);
        g_assert_cmpint(memcmp(back, magic, sizeof(magic)), !=, 0);
    }
    __atomic_store_n(&desk->stop, true, __ATOMIC_RELAXED);
    g_thread_join(thread);
    g_assert_cmpuint(refused, >, 0);
    memset(desk->buffer, 0, 8);
    g_assert_cmpint(write_all(desk, node), ==, 0);
    g_assert_cmpint(block_read_buffer(node, 0, back, sizeof(back)), ==, 0);
    g_assert_cmpmem(back, sizeof(back), desk->buffer, sizeof(desk->buffer));
    block_detach(edge);
    block_unref(node);
    block_graph_destroy(graph);
}

static void changes_under_the_request(void)
{
    struct desk *desk = aligned_alloc(4096, sizeof(*desk));
    GError *error = NULL;

    memset(desk, 0, sizeof(*desk));
    for (unsigned i = 0; i < sizeof(desk->buffer); i++)
        desk->buffer[i] = (u8)(i * 7 + i / 256);
    close(g_file_open_tmp("mynah-guessed-XXXXXX", &desk->path, NULL));
    g_assert_cmpint(g_chmod(desk->path, 0600), ==, 0);
    g_autofree char *zeros = g_malloc0(SIZE);
    g_assert_true(g_file_set_contents(desk->path, zeros, SIZE, NULL));
    desk->loop = block_loop_create(&error);
    g_assert_no_error(error);
    block_loop_call(desk->loop, run, desk);
    block_loop_destroy(desk->loop);
    g_unlink(desk->path);
    g_free(desk->path);
    free(desk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guessed/changes-under-the-request", changes_under_the_request);
    return g_test_run();
}
