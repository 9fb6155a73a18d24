/* tests/unit/net_bench.h - a network set without a machine around it, and cards of the test that record what they get. */
#ifndef TESTS_UNIT_NET_BENCH_H
#define TESTS_UNIT_NET_BENCH_H

#include "net/net.h"
#include "api/keyval.h"
#include "base/bits.h"
#include "base/error.h"
#include "net/coalesce.h"
#include "vm/clock.h"
#include "vm/vm.h"
#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEST(path, fn) g_test_add(path, struct bench, NULL, set_up, fn, tear_down)
/* The clock's thread and the inbox are the machine's; a test runs both by hand. */
void vm_inbox_deliver(struct vm *vm);

struct card {
    struct net_client *client;
    GPtrArray *got; /* of GBytes */
    GArray *offloads;
    u32 room;
    unsigned writable, link_changes, batches, announced;
    u32 peer_accepts;
    bool up;
};

struct bench {
    struct vm *vm;
    struct net_set *set;
    char *folder;
    struct card card[3];
};

static inline enum net_result receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    struct card *card = opaque;
    g_autofree u8 *data = g_malloc(frame->size);

    if (!card->room)
        return NET_BUSY;
    card->room--;
    g_assert_cmpuint(net_frame_copy(frame, 0, data, frame->size), ==, frame->size);
    g_ptr_array_add(card->got, g_bytes_new(data, frame->size));
    g_array_append_val(card->offloads, frame->offload);
    return NET_DONE;
}

static inline void batch_end(void *opaque, u32 queue)
{
    ((struct card *)opaque)->batches++;
}

static inline void writable(void *opaque, u32 queue)
{
    ((struct card *)opaque)->writable++;
}

static inline void link_changed(void *opaque, bool up)
{
    struct card *card = opaque;

    card->link_changes++;
    card->up = up;
}

static inline void peer_changed(void *opaque, u32 accepts)
{
    ((struct card *)opaque)->peer_accepts = accepts;
}

static inline void announce(void *opaque)
{
    ((struct card *)opaque)->announced++;
}

static const struct net_client_ops card_ops = { .receive = receive, .batch_end = batch_end, .writable = writable, .link_changed = link_changed,
                                                .peer_changed = peer_changed, .announce = announce };

static inline void set_up(struct bench *bench, gconstpointer data)
{
    GError *error = NULL;

    bench->vm = vm_create(VM_GUEST_RISCV64, &error);
    g_assert_no_error(error);
    vm_lock(bench->vm);
    bench->set = net_set_create(bench->vm);
    bench->folder = g_dir_make_tmp("mynah-net-XXXXXX", NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(bench->card); i++) {
        bench->card[i].got = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
        bench->card[i].offloads = g_array_new(FALSE, FALSE, sizeof(struct net_offload));
        bench->card[i].room = 100000;
    }
    vm_cont(bench->vm);
}

static inline void tear_down(struct bench *bench, gconstpointer data)
{
    for (unsigned i = 0; i < ARRAY_SIZE(bench->card); i++) {
        net_client_destroy(bench->card[i].client);
        g_ptr_array_unref(bench->card[i].got);
        g_array_unref(bench->card[i].offloads);
    }
    net_set_destroy(bench->set);
    vm_unlock(bench->vm);
    vm_destroy(bench->vm);
    g_autofree char *dump = g_build_filename(bench->folder, "dump", NULL);
    g_unlink(dump);
    g_assert_cmpint(g_rmdir(bench->folder), ==, 0); /* sockets are removed by their owners */
    g_free(bench->folder);
}

static inline bool try_netdev(struct bench *bench, const char *text, GError **error)
{
    static const struct api_keys keys = { .implied = "type", .open = true, .json = true };
    g_autoptr(api_keyval) list = api_keyval_parse(text, &keys, error);

    return list && net_netdev_add_keyval(bench->set, list, error);
}

static inline void netdev(struct bench *bench, const char *format, ...) PRINTF_LIKE(2, 3);
static inline void netdev(struct bench *bench, const char *format, ...)
{
    GError *error = NULL;
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    try_netdev(bench, text, &error);
    g_assert_no_error(error);
}

static inline struct card *plug(struct bench *bench, unsigned number, const char *id)
{
    g_autofree char *name = g_strdup_printf("card%u", number);
    struct vm_object *object = vm_object_create(bench->vm, "container", vm_root(bench->vm), name, NULL);
    struct card *card = &bench->card[number];
    u8 mac[NET_MAC_SIZE] = { 0 };
    GError *error = NULL;

    card->client = net_card_create(object, id, mac, 0, &card_ops, card, &error);
    g_assert_no_error(error);
    return card;
}

/* Runs the loop until the condition holds; fails after ten seconds. */
#define run_until(bench, condition)                                         \
    do {                                                                    \
        gint64 deadline = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;     \
        while (!(condition)) {                                              \
            g_assert_cmpint(g_get_monotonic_time(), <, deadline);           \
            g_main_context_iteration(vm_context((bench)->vm), FALSE);       \
            vm_inbox_deliver((bench)->vm);                                  \
            g_usleep(100);                                                  \
        }                                                                   \
    } while (0)

static inline void run_a_while(struct bench *bench)
{
    for (int i = 0; i < 100; i++) {
        g_main_context_iteration(vm_context(bench->vm), FALSE);
        vm_inbox_deliver(bench->vm);
        g_usleep(100);
    }
}

/* A frame of that size whose bytes follow from the seed. */
static inline enum net_result send_test(struct card *card, u32 size, u8 seed)
{
    g_autofree u8 *data = g_malloc(size);
    struct iovec iov[3];

    for (u32 i = 0; i < size; i++)
        data[i] = (u8)(i * 7 + seed);
    data[0] = 0;
    u32 cut = size / 3;
    iov[0] = (struct iovec){ data, cut };
    iov[1] = (struct iovec){ data + cut, cut };
    iov[2] = (struct iovec){ data + 2 * cut, size - 2 * cut };
    return net_send(card->client, 0, &(struct net_frame){ .iov = iov, .count = 3, .size = size });
}

static inline void assert_got(const struct card *card, guint index, u32 size, u8 seed)
{
    gsize length;
    const u8 *data = g_bytes_get_data(card->got->pdata[index], &length);

    g_assert_cmpuint(length, ==, size);
    for (u32 i = 1; i < size; i++)
        g_assert_cmpuint(data[i], ==, (u8)(i * 7 + seed));
}

#endif
