/* tests/unit/net.c - networks without a device: frames between cards of the test by every kind of netdev, back-pressure, offloads. */
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

static enum net_result receive(void *opaque, u32 queue, const struct net_frame *frame)
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

static void batch_end(void *opaque, u32 queue)
{
    ((struct card *)opaque)->batches++;
}

static void writable(void *opaque, u32 queue)
{
    ((struct card *)opaque)->writable++;
}

static void link_changed(void *opaque, bool up)
{
    struct card *card = opaque;

    card->link_changes++;
    card->up = up;
}

static void peer_changed(void *opaque, u32 accepts)
{
    ((struct card *)opaque)->peer_accepts = accepts;
}

static void announce(void *opaque)
{
    ((struct card *)opaque)->announced++;
}

static const struct net_client_ops card_ops = { .receive = receive, .batch_end = batch_end, .writable = writable, .link_changed = link_changed,
                                                .peer_changed = peer_changed, .announce = announce };

static void set_up(struct bench *bench, gconstpointer data)
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

static void tear_down(struct bench *bench, gconstpointer data)
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

static bool try_netdev(struct bench *bench, const char *text, GError **error)
{
    static const struct api_keys keys = { .implied = "type", .open = true, .json = true };
    g_autoptr(api_keyval) list = api_keyval_parse(text, &keys, error);

    return list && net_netdev_add_keyval(bench->set, list, error);
}

static void netdev(struct bench *bench, const char *format, ...) PRINTF_LIKE(2, 3);
static void netdev(struct bench *bench, const char *format, ...)
{
    GError *error = NULL;
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    try_netdev(bench, text, &error);
    g_assert_no_error(error);
}

static struct card *plug(struct bench *bench, unsigned number, const char *id)
{
    g_autofree char *name = g_strdup_printf("card%u", number);
    struct vm_object *object = vm_object_create(bench->vm, "container", vm_root(bench->vm), name, NULL);
    struct card *card = &bench->card[number];
    u8 mac[NET_MAC_SIZE] = { 0 };
    GError *error = NULL;

    card->client = net_card_create(object, "test", id, mac, 0, &card_ops, card, &error);
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

static void run_a_while(struct bench *bench)
{
    for (int i = 0; i < 100; i++) {
        g_main_context_iteration(vm_context(bench->vm), FALSE);
        vm_inbox_deliver(bench->vm);
        g_usleep(100);
    }
}

/* A frame of that size whose bytes follow from the seed. */
static enum net_result send_test(struct card *card, u32 size, u8 seed)
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

static void assert_got(const struct card *card, guint index, u32 size, u8 seed)
{
    gsize length;
    const u8 *data = g_bytes_get_data(card->got->pdata[index], &length);

    g_assert_cmpuint(length, ==, size);
    for (u32 i = 1; i < size; i++)
        g_assert_cmpuint(data[i], ==, (u8)(i * 7 + seed));
}

/* Small, large, and the largest there are; both ways. */
static void exchange(struct bench *bench, struct card *a, struct card *b, u32 largest)
{
    const u32 sizes[] = { 60, 14, 1514, largest, 61 };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_assert_cmpint(send_test(a, sizes[i], (u8)i), ==, NET_DONE);
        g_assert_cmpint(send_test(b, sizes[i], (u8)(i + 100)), ==, NET_DONE);
    }
    run_until(bench, a->got->len >= 5 && b->got->len >= 5);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_got(b, i, sizes[i], (u8)i);
        assert_got(a, i, sizes[i], (u8)(i + 100));
    }
    run_a_while(bench);
    g_assert_cmpuint(a->got->len, ==, 5);
    g_assert_cmpuint(b->got->len, ==, 5);
}

static void hub(struct bench *bench, gconstpointer data)
{
    netdev(bench, "hubport,id=h0,hubid=1");
    netdev(bench, "hubport,id=h1,hubid=1");
    netdev(bench, "hubport,id=other,hubid=2");
    struct card *a = plug(bench, 0, "h0"), *b = plug(bench, 1, "h1"), *c = plug(bench, 2, "other");

    exchange(bench, a, b, NET_FRAME_MAX);
    g_assert_cmpuint(c->got->len, ==, 0);
    g_assert_cmpuint(a->batches, >, 0);
}

static void stream_unix(struct bench *bench, gconstpointer data)
{
    netdev(bench, "stream,id=s,server=on,addr.type=unix,addr.path=%s/sock", bench->folder);
    netdev(bench, "{\"type\":\"stream\",\"id\":\"c\",\"addr\":{\"type\":\"unix\",\"path\":\"%s/sock\"}}", bench->folder);
    struct card *a = plug(bench, 0, "s"), *b = plug(bench, 1, "c");

    run_a_while(bench);
    exchange(bench, a, b, NET_FRAME_MAX);
}

static void stream_reconnects(struct bench *bench, gconstpointer data)
{
    netdev(bench, "stream,id=c,reconnect-ms=1,addr.type=unix,addr.path=%s/sock", bench->folder);
    struct card *b = plug(bench, 1, "c");
    run_a_while(bench);
    netdev(bench, "stream,id=s,server=on,addr.type=unix,addr.path=%s/sock", bench->folder);
    struct card *a = plug(bench, 0, "s");
    g_autofree char *text = NULL;

    run_until(bench, (g_free(text), text = net_describe(bench->set), strstr(text, "sock connected")));
    exchange(bench, a, b, 9000);
    net_client_destroy(g_steal_pointer(&a->client));
    g_assert_true(net_netdev_remove(bench->set, "s", NULL));
    run_until(bench, (g_free(text), text = net_describe(bench->set), strstr(text, "disconnected")));
    g_assert_cmpint(send_test(b, 60, 0), ==, NET_DONE); /* nobody there: lost */
    netdev(bench, "stream,id=s,server=on,addr.type=unix,addr.path=%s/sock", bench->folder);
    run_until(bench, (g_free(text), text = net_describe(bench->set), !strstr(text, "disconnected")));
}

/* What a peer must not do to us: frames of no or too many bytes, pieces of frames, silence. */
static void stream_hostile(struct bench *bench, gconstpointer data)
{
    static const struct { const char *name; u8 bytes[8]; u32 size; bool ends; } rows[] = {
        { "empty frame", { 0, 0, 0, 0 }, 4, true },
        { "4 GiB", { 0xff, 0xff, 0xff, 0xff }, 4, true },
        { "one byte too many", { 0, 1, 0, 22 }, 4, true },
        { "half a length", { 0, 0 }, 2, false },
        { "half a frame", { 0, 0, 0, 60, 1, 2 }, 6, false },
        { "one byte", { 0, 0, 0, 1, 9 }, 5, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        int pair[2];
        u8 byte;

        g_test_message("%s", rows[i].name);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
        netdev(bench, "stream,id=x,addr.type=fd,addr.str=%d", pair[0]);
        struct card *card = plug(bench, 0, "x");
        g_assert_cmpint(write(pair[1], rows[i].bytes, rows[i].size), ==, rows[i].size);
        run_a_while(bench);
        g_assert_cmpint(recv(pair[1], &byte, 1, MSG_DONTWAIT), ==, rows[i].ends ? 0 : -1);
        g_assert_cmpuint(card->got->len, ==, 0);
        net_client_destroy(g_steal_pointer(&card->client));
        vm_object_destroy(vm_object_child(vm_root(bench->vm), "card0"));
        g_assert_true(net_netdev_remove(bench->set, "x", NULL));
        close(pair[1]);
    }
}

/* A peer that does not read: the card is told to wait, and nothing is lost or reordered when it reads at last. */
static void back_pressure_out(struct bench *bench, gconstpointer data)
{
    int pair[2];
    u32 sent = 0;
    u64 expect = 0, got = 0;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    netdev(bench, "stream,id=x,addr.type=fd,addr.str=%d", pair[0]);
    struct card *card = plug(bench, 0, "x");
    while (sent < 100000 && send_test(card, 1500, (u8)sent) == NET_DONE)
        sent++;
    g_assert_cmpuint(sent, <, 2000);
    g_assert_cmpuint(card->writable, ==, 0);
    expect = (u64)sent * 1504;
    while (got < expect) {
        u8 data_in[65536];
        ssize_t n = recv(pair[1], data_in, sizeof(data_in), MSG_DONTWAIT);

        for (ssize_t i = 0; i < n; i++, got++) {
            u64 frame = got / 1504, at = got % 1504;

            if (at > 4)
                g_assert_cmpuint(data_in[i], ==, (u8)((at - 4) * 7 + frame));
        }
        g_main_context_iteration(vm_context(bench->vm), FALSE);
        vm_inbox_deliver(bench->vm);
    }
    run_until(bench, card->writable == 1);
    g_assert_cmpint(send_test(card, 60, 0), ==, NET_DONE);
    close(pair[1]);
    run_a_while(bench);
}

/* A card without buffers: frames wait, up to a bound; the sender is told. Nothing arrives while the machine is stopped. */
static void back_pressure_in(struct bench *bench, gconstpointer data)
{
    u32 sent = 0;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    netdev(bench, "stream,id=x,addr.type=fd,addr.str=%d", pair[0]);
    netdev(bench, "stream,id=y,addr.type=fd,addr.str=%d", pair[1]);
    struct card *a = plug(bench, 0, "x"), *b = plug(bench, 1, "y");
    b->room = 3;
    for (; sent < 100000; sent++) {
        if (send_test(a, 1000, (u8)sent) == NET_BUSY) {
            run_a_while(bench);
            if (send_test(a, 1000, (u8)sent) == NET_BUSY)
                break;
        }
    }
    g_assert_cmpuint(sent, <, 5000);
    g_assert_cmpuint(b->got->len, ==, 3);
    vm_stop(bench->vm, VM_PAUSED);
    b->room = 100000;
    net_resume(b->client, 0);
    run_a_while(bench);
    g_assert_cmpuint(b->got->len, ==, 3);
    vm_cont(bench->vm);
    run_until(bench, b->got->len == sent);
    for (guint i = 0; i < sent; i++)
        assert_got(b, i, 1000, (u8)i);
}

static void dgram_unix(struct bench *bench, gconstpointer data)
{
    netdev(bench, "dgram,id=x,local.type=unix,local.path=%s/a,remote.type=unix,remote.path=%s/b", bench->folder, bench->folder);
    netdev(bench, "dgram,id=y,local.type=unix,local.path=%s/b,remote.type=unix,remote.path=%s/a", bench->folder, bench->folder);
    struct card *a = plug(bench, 0, "x"), *b = plug(bench, 1, "y");

    exchange(bench, a, b, NET_FRAME_MAX);
}

static void dgram_udp(struct bench *bench, gconstpointer data)
{
    netdev(bench, "dgram,id=x,local.type=inet,local.host=127.0.0.1,local.port=47311,remote.type=inet,remote.host=127.0.0.1,remote.port=47312");
    netdev(bench, "socket,id=y,udp=127.0.0.1:47311,localaddr=127.0.0.1:47312");
    struct card *a = plug(bench, 0, "x"), *b = plug(bench, 1, "y");

    exchange(bench, a, b, 60000);
}

static void socket_tcp(struct bench *bench, gconstpointer data)
{
    netdev(bench, "socket,id=x,listen=127.0.0.1:47313");
    netdev(bench, "socket,id=y,connect=127.0.0.1:47313");
    struct card *a = plug(bench, 0, "x"), *b = plug(bench, 1, "y");

    run_a_while(bench);
    exchange(bench, a, b, NET_FRAME_MAX);
}

/* All members of a group hear each other, and nobody hears himself. */
static void multicast(struct bench *bench, gconstpointer data)
{
    GError *error = NULL;

    if (!try_netdev(bench, "socket,id=x,mcast=230.47.3.14:47314,localaddr=127.0.0.1", &error)) {
        g_test_skip(error->message);
        g_error_free(error);
        return;
    }
    netdev(bench, "dgram,id=y,remote.type=inet,remote.host=230.47.3.14,remote.port=47314,local.type=inet,local.host=127.0.0.1,local.port=0");
    netdev(bench, "socket,id=z,mcast=230.47.3.14:47314,localaddr=127.0.0.1");
    struct card *a = plug(bench, 0, "x"), *b = plug(bench, 1, "y"), *c = plug(bench, 2, "z");

    exchange(bench, a, b, 1400);
    g_assert_cmpuint(c->got->len, ==, 10);
}

static void link_state(struct bench *bench, gconstpointer data)
{
    netdev(bench, "hubport,id=h0,hubid=1");
    netdev(bench, "hubport,id=h1,hubid=1");
    struct card *a = plug(bench, 0, "h0"), *b = plug(bench, 1, "h1");

    g_assert_true(net_link_is_up(a->client));
    net_set_link(net_find(bench->set, "h0"), false);
    g_assert_cmpuint(a->link_changes, ==, 1);
    g_assert_false(a->up);
    send_test(a, 60, 0);
    send_test(b, 60, 0);
    run_a_while(bench);
    g_assert_cmpuint(a->got->len + b->got->len, ==, 0);
    net_set_link(net_find(bench->set, "h0"), true);
    g_assert_true(a->up);
    send_test(a, 60, 5);
    run_until(bench, b->got->len == 1);
    net_set_link(b->client, false); /* the card alone */
    g_assert_cmpuint(b->link_changes, ==, 1);
    g_assert_true(net_netdev_remove(bench->set, "h0", NULL));
    g_assert_false(net_link_is_up(a->client));
    g_assert_cmpint(send_test(a, 60, 0), ==, NET_DONE);
}

static u16 sum_of(const u8 *data, u32 size, u32 start)
{
    return net_checksum_finish(net_checksum_add(start, data, size));
}

/* An Ethernet frame with a TCP or UDP packet, checksums right or left to the receiver. Returns its size. */
static u32 build(u8 *data, bool v6, bool tcp, u32 payload, u32 sequence, bool partial)
{
    u32 l4 = 14 + (v6 ? 40 : 20), head = tcp ? 32 : 8, size = l4 + head + payload;
    u8 *ip = data + 14;

    memset(data, 0, l4 + head);
    memset(data, 2, 12);
    bits_store_be(data + 12, 2, v6 ? 0x86dd : 0x800);
    if (v6) {
        ip[0] = 0x60;
        bits_store_be(ip + 4, 2, size - 54);
        ip[6] = tcp ? 6 : 17;
        memset(ip + 8, 0xfe, 32);
    } else {
        ip[0] = 0x45;
        bits_store_be(ip + 2, 2, size - 14);
        ip[8] = 64;
        ip[9] = tcp ? 6 : 17;
        bits_store_be(ip + 12, 8, 0x0a00020f0a000202);
        u16 sum = sum_of(ip, 20, 0);
        memcpy(ip + 10, &sum, 2);
    }
    bits_store_be(data + l4, 4, 0x12345678);
    if (tcp) {
        bits_store_be(data + l4 + 4, 4, sequence);
        data[l4 + 12] = 0x80;
        data[l4 + 13] = 0x10;
        memset(data + l4 + 20, 1, 12);
    } else {
        bits_store_be(data + l4 + 4, 2, 8 + payload);
    }
    for (u32 i = 0; i < payload; i++)
        data[l4 + head + i] = (u8)((sequence + i) * 13 + (sequence + i) / 256);
    u32 pseudo = net_checksum_pseudo(ip, ip[v6 ? 6 : 9], size - l4);
    u16 sum = partial ? (u16)~net_checksum_finish(pseudo) : sum_of(data + l4, size - l4, pseudo);
    memcpy(data + l4 + (tcp ? 16 : 6), &sum, 2);
    return size;
}

/* IP and TCP or UDP checksums of a complete frame, lengths too. */
static void assert_sums(const u8 *data, u32 size)
{
    const u8 *ip = data + 14;
    bool v6 = ip[0] >> 4 == 6;
    u32 l4 = 14 + (v6 ? 40 : 20);

    if (v6)
        g_assert_cmpuint(bits_load_be(ip + 4, 2), ==, size - 54);
    else
        g_assert_cmpuint(bits_load_be(ip + 2, 2), ==, size - 14);
    if (!v6)
        g_assert_cmpuint(sum_of(ip, 20, 0), ==, 0);
    g_assert_cmpuint(sum_of(data + l4, size - l4, net_checksum_pseudo(ip, ip[v6 ? 6 : 9], size - l4)), ==, 0);
}

/* A large packet arrives at a card that takes none as frames with right sums, in order and complete. */
static void segments(struct bench *bench, gconstpointer data)
{
    static const struct { bool v6, tcp; u8 gso; u32 payload; u16 segment; guint frames; } rows[] = {
        { false, true, NET_GSO_TCP4, 60000, 1448, 42 }, { true, true, NET_GSO_TCP6, 60000, 1428, 43 },
        { false, true, NET_GSO_TCP4, 1448, 1448, 1 },   { false, false, NET_GSO_UDP_L4, 5000, 1000, 5 },
        { true, false, NET_GSO_UDP_L4, 5001, 1000, 6 }, { false, true, NET_GSO_NONE, 1000, 0, 1 },
    };
    g_autofree u8 *buffer = g_malloc0(NET_FRAME_MAX);

    netdev(bench, "hubport,id=h0,hubid=1");
    netdev(bench, "hubport,id=h1,hubid=1");
    struct card *a = plug(bench, 0, "h0"), *b = plug(bench, 1, "h1");
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        u32 size = build(buffer, rows[i].v6, rows[i].tcp, rows[i].payload, 1000, true), l4 = rows[i].v6 ? 54 : 34, at = 0;
        struct iovec iov = { buffer, size };
        struct net_offload offload = { .flags = NET_NEEDS_CSUM, .gso = rows[i].gso, .segment = rows[i].segment, .csum_start = (u16)l4,
                                       .csum_offset = rows[i].tcp ? 16 : 6 };

        g_ptr_array_set_size(b->got, 0);
        g_array_set_size(b->offloads, 0);
        net_send(a->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = size, .offload = offload });
        run_until(bench, b->got->len == rows[i].frames);
        for (guint f = 0; f < b->got->len; f++) {
            gsize length;
            const u8 *frame = g_bytes_get_data(b->got->pdata[f], &length);
            u32 head = l4 + (rows[i].tcp ? 32 : 8);

            assert_sums(frame, (u32)length);
            if (rows[i].tcp)
                g_assert_cmpuint(bits_load_be(frame + l4 + 4, 4), ==, 1000 + at);
            g_assert_cmpmem(frame + head, length - head, buffer + head + at, length - head);
            at += (u32)length - head;
        }
        g_assert_cmpuint(at, ==, rows[i].payload);
    }
}

/* UDP that becomes fragments: put together again it is the datagram, with its checksum. */
static void fragments(struct bench *bench, gconstpointer data)
{
    g_autofree u8 *buffer = g_malloc0(NET_FRAME_MAX), *whole = g_malloc0(NET_FRAME_MAX);
    u32 size = build(buffer, false, false, 5000, 1, true), at = 34;
    struct iovec iov = { buffer, size };
    struct net_offload offload = { .flags = NET_NEEDS_CSUM, .gso = NET_GSO_UDP, .segment = 1480, .csum_start = 34, .csum_offset = 6 };

    netdev(bench, "hubport,id=h0,hubid=1");
    netdev(bench, "hubport,id=h1,hubid=1");
    struct card *a = plug(bench, 0, "h0"), *b = plug(bench, 1, "h1");
    net_send(a->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = size, .offload = offload });
    run_until(bench, b->got->len == 4);
    for (guint f = 0; f < 4; f++) {
        gsize length;
        const u8 *frame = g_bytes_get_data(b->got->pdata[f], &length);

        g_assert_cmpuint(bits_load_be(frame + 20, 2), ==, (at - 34) / 8 | (f < 3 ? 0x2000 : 0));
        g_assert_cmpuint(sum_of(frame + 14, 20, 0), ==, 0);
        memcpy(whole, frame, 34);
        memcpy(whole + at, frame + 34, length - 34);
        at += (u32)length - 34;
    }
    g_assert_cmpuint(at, ==, size);
    g_assert_cmpuint(sum_of(whole + 34, size - 34, net_checksum_pseudo(whole + 14, 17, size - 34)), ==, 0);
    g_assert_cmpmem(whole + 42, 5000, buffer + 42, 5000);
}

/* Offloads that make no sense reach nobody, and ask for no memory. */
static void insane(struct bench *bench, gconstpointer data)
{
    g_autofree u8 *buffer = g_malloc0(NET_FRAME_MAX);
    u32 size = build(buffer, false, true, 40000, 1, true);
    struct iovec iov = { buffer, size };
    static const struct net_offload rows[] = {
        { .flags = 1, .gso = NET_GSO_TCP4, .segment = 0, .csum_start = 34, .csum_offset = 16 },
        { .flags = 1, .gso = NET_GSO_TCP4, .segment = 1, .csum_start = 34, .csum_offset = 16 },
        { .flags = 1, .gso = NET_GSO_TCP4, .segment = 1000, .csum_start = 65535, .csum_offset = 65535 },
        { .flags = 1, .gso = NET_GSO_TCP4, .segment = 1000, .csum_start = 13, .csum_offset = 0 },
        { .flags = 1, .gso = NET_GSO_TCP4, .segment = 1000, .csum_start = 40000, .csum_offset = 16 },
        { .flags = 0, .gso = NET_GSO_TCP4, .segment = 1000 },
        { .flags = 1, .gso = 77, .segment = 1000, .csum_start = 34, .csum_offset = 16 },
        { .flags = 1, .gso = NET_GSO_UDP, .segment = 7, .csum_start = 34, .csum_offset = 6 },
    };

    netdev(bench, "hubport,id=h0,hubid=1");
    netdev(bench, "hubport,id=h1,hubid=1");
    struct card *a = plug(bench, 0, "h0"), *b = plug(bench, 1, "h1");
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        net_send(a->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = size, .offload = rows[i] });
    run_a_while(bench);
    g_assert_cmpuint(b->got->len, ==, 0);
}

struct joined {
    GPtrArray *frames;
    GArray *offloads;
};

static void on_joined(void *opaque, const struct net_frame *frame)
{
    struct joined *joined = opaque;
    g_autofree u8 *data = g_malloc(frame->size);

    net_frame_copy(frame, 0, data, frame->size);
    g_ptr_array_add(joined->frames, g_bytes_new(data, frame->size));
    g_array_append_val(joined->offloads, frame->offload);
}

static bool collect(void *opaque, const struct net_frame *frame)
{
    on_joined(opaque, frame);
    return true;
}

/* Segments that are joined and cut again are what they were, byte by byte; others pass as they are, in their place. */
static void coalesce_round_trip(gconstpointer data)
{
    bool v6 = GPOINTER_TO_INT(data);
    struct joined joined = { g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref), g_array_new(FALSE, FALSE, sizeof(struct net_offload)) };
    struct joined again = { g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref), g_array_new(FALSE, FALSE, sizeof(struct net_offload)) };
    g_autoptr(GPtrArray) sent = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    struct net_coalesce coalesce;
    u8 frame[2048];
    u32 sequence = 0xfffff000; /* wraps */

    net_coalesce_init(&coalesce, on_joined, &joined);
    coalesce.takes = NET_TAKES_TSO4 | NET_TAKES_TSO6;
    for (unsigned i = 0; i < 100; i++) {
        u32 payload = i == 40 ? 700 : i == 60 ? 1500 : 1448, size = build(frame, v6, i != 50, payload, sequence, false);

        if (!v6) { /* what net_segment will count */
            static u16 id;
            id = i && i != 41 && i != 50 && i != 51 && i != 60 && i != 61 && i != 86 ? id + 1 : 0;
            bits_store_be(frame + 18, 2, id);
            memset(frame + 24, 0, 2);
            u16 sum = sum_of(frame + 14, 20, 0);
            memcpy(frame + 24, &sum, 2);
        }
        g_ptr_array_add(sent, g_bytes_new(frame, size));
        net_coalesce_add(&coalesce, frame, size);
        sequence += i == 50 ? 0 : payload;
    }
    net_coalesce_flush(&coalesce);
    g_assert_cmpuint(joined.frames->len, <=, 8);
    for (guint i = 0; i < joined.frames->len; i++) {
        gsize size;
        struct iovec iov = { (void *)g_bytes_get_data(joined.frames->pdata[i], &size), 0 };

        iov.iov_len = size;
        struct net_frame whole = { .iov = &iov, .count = 1, .size = (u32)size, .offload = g_array_index(joined.offloads, struct net_offload, i) };
        if (whole.offload.gso)
            net_segment(&whole, collect, &again);
        else
            on_joined(&again, &whole);
    }
    g_assert_cmpuint(again.frames->len, ==, 100);
    for (guint i = 0; i < 100; i++) {
        gsize size, expected;
        const u8 *is = g_bytes_get_data(again.frames->pdata[i], &size), *was = g_bytes_get_data(sent->pdata[i], &expected);

        g_assert_cmpuint(size, ==, expected);
        assert_sums(is, (u32)size);
        if (v6)
            g_assert_cmpmem(is, size, was, expected);
        else
            g_assert_cmpmem(is + 34, size - 34, was + 34, expected - 34);
    }
    net_coalesce_finish(&coalesce);
    g_ptr_array_unref(joined.frames);
    g_array_unref(joined.offloads);
    g_ptr_array_unref(again.frames);
    g_array_unref(again.offloads);
}

/* A DHCP server, an ARP answer, and a port of the host that leads to the guest. */
static void user_arp(struct bench *bench, gconstpointer data)
{
    static const u8 request[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
                                  0x52, 0x54, 0,    0x12, 0x34, 0x56, 10,   0,    2, 15,   0,    0,    0, 0, 0, 0, 10, 0, 2, 2 };
    struct iovec iov = { (void *)request, sizeof(request) };
    gsize size;

    netdev(bench, "user,id=u,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22");
    struct card *card = plug(bench, 0, "u");
    g_autofree char *text = net_user_describe(bench->set);
    g_assert_nonnull(strstr(text, "TCP[HOST_FORWARD]"));
    g_assert_cmpuint(card->peer_accepts & NET_TAKES_TSO4, !=, 0);
    net_send(card->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = sizeof(request) });
    g_assert_cmpuint(card->got->len, ==, 0); /* never from within: that is what the inbox is for */
    run_until(bench, card->got->len == 1);
    const u8 *answer = g_bytes_get_data(card->got->pdata[0], &size);
    g_assert_cmpuint(size, >=, 42);
    g_assert_cmpuint(bits_load_be(answer + 20, 2), ==, 2);
    g_assert_cmpuint(bits_load_be(answer + 28, 4), ==, 0x0a000202);
}

static void dump_file(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "dump", NULL), *text = NULL;
    struct vm_object *objects = vm_object_child(vm_root(bench->vm), "objects");
    GError *error = NULL;
    gsize size;

    netdev(bench, "hubport,id=h0,hubid=1");
    netdev(bench, "hubport,id=h1,hubid=1");
    struct card *a = plug(bench, 0, "h0"), *b = plug(bench, 1, "h1");
    struct vm_object *dump = vm_object_create(bench->vm, "filter-dump", objects, "d", &error);
    g_assert_true(vm_object_set(dump, "file", path, &error) && vm_object_set(dump, "netdev", "h0", &error) &&
                  vm_object_set(dump, "maxlen", "64", &error) && vm_object_realize(dump, &error));
    send_test(a, 60, 1);
    run_until(bench, b->got->len == 1);
    send_test(b, 100, 2);
    run_until(bench, a->got->len == 1);
    g_assert_true(vm_object_set(dump, "status", "off", &error));
    send_test(a, 60, 3);
    vm_object_destroy(dump);
    g_assert_true(g_file_get_contents(path, &text, &size, &error));
    g_assert_cmpuint(size, ==, 24 + 16 + 60 + 16 + 64);
    g_assert_cmphex(bits_load_le(text, 4), ==, 0xa1b2c3d4);
    g_assert_cmpuint(bits_load_le(text + 24 + 12, 4), ==, 60);
    g_assert_cmpuint(bits_load_le(text + 24 + 16 + 60 + 8, 4), ==, 64);
    g_assert_cmpuint(bits_load_le(text + 24 + 16 + 60 + 12, 4), ==, 100);
}

static void refused(struct bench *bench, gconstpointer data)
{
    static const struct { const char *options, *message; } rows[] = {
        { "user", "Parameter 'id' is missing" },
        { "usr,id=a", "there is no netdev type 'usr'" },
        { "user,id=a,restict=on", "no such parameter: 'restict'" },
        { "user,id=a,net=10.0.0.0/31", "is not a number of bits" },
        { "user,id=a,hostfwd=tcp::99999-:1", "'99999' is not a port number" },
        { "user,id=a,hostfwd=sctp::9-:1", "protocol 'sctp'" },
        { "user,id=a,guestfwd=tcp:10.0.2.2:80-cmd:cat", "is taken" },
        { "user,id=a,ipv4=off,ipv6=off", "both off" },
        { "user,id=a,bootfile=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
          "bootfile has more than" },
        { "stream,id=a,addr.type=unix,addr.path=/nonexistent/x", "cannot connect" },
        { "stream,id=a,addr.type=fd,addr.str=99", "'99' is not the number of an open file descriptor" },
        { "stream,id=a,server=on,reconnect-ms=1,addr.type=unix,addr.path=/x", "for clients" },
        { "dgram,id=a", "local or remote is needed" },
        { "socket,id=a,udp=127.0.0.1:1", "needs localaddr" },
        { "tap,id=a,queues=0", "queues must be" },
        { "tap,id=a,fd=0,ifname=x", "open already" },
        { "hubport,id=a,hubid=0,netdev=nix", "there is no netdev 'nix'" },
        { "vhost-vdpa,id=a", "not in Mynah yet" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_test_message("%s", rows[i].options);
        g_assert_false(try_netdev(bench, rows[i].options, &error));
        if (!strstr(error->message, rows[i].message))
            g_error("%s: %s", rows[i].options, error->message);
        g_assert_null(net_find(bench->set, "a"));
    }
    netdev(bench, "hubport,id=a,hubid=0");
    g_autoptr(GError) error = NULL;
    g_assert_false(try_netdev(bench, "hubport,id=a,hubid=0", &error));
}

static void addresses(struct bench *bench, gconstpointer data)
{
    u8 mac[NET_MAC_SIZE];

    g_assert_true(net_mac_parse("52:54:00:AB:cd:ef", mac, NULL));
    g_autofree char *text = net_mac_print(mac);
    g_assert_cmpstr(text, ==, "52:54:00:ab:cd:ef");
    g_assert_false(net_mac_parse("52:54:00:ab:cd", mac, NULL));
    g_assert_false(net_mac_parse("52:54:00:ab:cd:eg", mac, NULL));
    plug(bench, 0, NULL);
    plug(bench, 1, NULL);
    g_autofree char *list = net_describe(bench->set);
    g_assert_nonnull(strstr(list, "test.0: index=0,type=nic,model=test,macaddr=52:54:00:12:34:56"));
    g_assert_nonnull(strstr(list, "test.1: index=0,type=nic,model=test,macaddr=52:54:00:12:34:57"));
}

#define TEST(path, fn) g_test_add(path, struct bench, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("/net/hub", hub);
    TEST("/net/stream/unix", stream_unix);
    TEST("/net/stream/reconnects", stream_reconnects);
    TEST("/net/stream/hostile", stream_hostile);
    TEST("/net/back-pressure/out", back_pressure_out);
    TEST("/net/back-pressure/in", back_pressure_in);
    TEST("/net/dgram/unix", dgram_unix);
    TEST("/net/dgram/udp", dgram_udp);
    TEST("/net/socket/tcp", socket_tcp);
    TEST("/net/socket/multicast", multicast);
    TEST("/net/link", link_state);
    TEST("/net/offload/segments", segments);
    TEST("/net/offload/fragments", fragments);
    TEST("/net/offload/insane", insane);
    g_test_add_data_func("/net/coalesce/ipv4", GINT_TO_POINTER(0), coalesce_round_trip);
    g_test_add_data_func("/net/coalesce/ipv6", GINT_TO_POINTER(1), coalesce_round_trip);
    TEST("/net/user/arp", user_arp);
    TEST("/net/dump", dump_file);
    TEST("/net/refused", refused);
    TEST("/net/addresses", addresses);
    return g_test_run();
}
