/* tests/unit/net.c - networks without a device: frames between cards of the test by every kind of netdev, back-pressure. */
#include "tests/unit/net_bench.h"
#include "net/internal.h"
#include <sys/un.h>

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

/* A netdev that answers each frame at once, as many times as the frame says. */
struct echo {
    struct net_backend base;
    unsigned inside, deepest, got;
};

static enum net_result echo_receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    struct echo *echo = opaque;
    u8 bytes[60];

    echo->inside++;
    echo->got++;
    echo->deepest = MAX(echo->deepest, echo->inside);
    g_assert_cmpuint(net_frame_copy(frame, 0, bytes, sizeof(bytes)), ==, sizeof(bytes));
    if (bytes[20]--)
        net_backend_send_bytes(&echo->base, 0, bytes, sizeof(bytes));
    echo->inside--;
    return NET_DONE;
}

/* Two netdevs on one hub answer each other: neither gets an answer before it has done with the question. */
static void hub_answers(struct bench *bench, gconstpointer data)
{
    static const struct net_client_ops ops = { .receive = echo_receive };
    static const struct net_kind kind;
    struct echo echo[2] = { { .base = { .kind = &kind, .set = bench->set, .queues = 1 } }, { .base = { .kind = &kind, .set = bench->set, .queues = 1 } } };
    u8 bytes[60] = { 0 };

    netdev(bench, "hubport,id=h2,hubid=1");
    for (unsigned i = 0; i < 2; i++) {
        netdev(bench, "hubport,id=h%u,hubid=1", i);
        echo[i].base.client = net_client_create(bench->set, "echo", NULL, 1, &ops, &echo[i]);
        g_autofree char *name = g_strdup_printf("h%u", i);
        net_connect(echo[i].base.client, net_find_netdev(bench->set, name));
    }
    struct card *card = plug(bench, 2, "h2");
    bytes[20] = 100;
    struct iovec iov = { bytes, sizeof(bytes) };
    net_send(card->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = sizeof(bytes) });
    run_until(bench, echo[0].got >= 101 && echo[1].got >= 101 && card->got->len >= 200);
    g_assert_cmpuint(MAX(echo[0].deepest, echo[1].deepest), ==, 1);
    for (unsigned i = 0; i < 2; i++)
        net_client_destroy(echo[i].base.client);
}

struct many {
    struct net_backend base;
    unsigned told[4];
};

static void many_writable(void *opaque, u32 queue)
{
    ((struct many *)opaque)->told[queue]++;
}

static enum net_result many_receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    return NET_DONE;
}

/* A card with fewer queues than its netdev, and no room: all queues of that are told when there is some, once, and none that did not ask. */
static void back_pressure_queues(struct bench *bench, gconstpointer data)
{
    static const struct net_client_ops ops = { .receive = many_receive, .writable = many_writable };
    static const struct net_kind kind;
    u8 bytes[60] = { 0 };

    for (u32 queues = 1; queues <= 4; queues++) {
        struct many many = { .base = { .kind = &kind, .set = bench->set, .queues = 4 } };
        struct card *card = &bench->card[0];

        many.base.client = net_client_create(bench->set, "many", NULL, 4, &ops, &many);
        card->client = net_client_create(bench->set, "card", "card", queues, &card_ops, card);
        card->client->object = vm_root(bench->vm);
        net_connect(card->client, many.base.client);
        card->room = 0;
        for (u32 i = 0; i < 3; i++) {
            while (net_backend_may_send(&many.base, i) && net_backend_send_bytes(&many.base, i, bytes, sizeof(bytes)))
                ;
        }
        vm_inbox_deliver(bench->vm);
        card->room = 100000;
        for (u32 i = 0; i < queues; i++)
            net_resume(card->client, i);
        vm_inbox_deliver(bench->vm);
        vm_inbox_deliver(bench->vm);
        for (u32 i = 0; i < 4; i++)
            g_assert_cmpuint(many.told[i], ==, i < 3);
        card->client->object = NULL;
        net_client_destroy(g_steal_pointer(&card->client));
        net_client_destroy(many.base.client);
    }
}

static void dgram_unix(struct bench *bench, gconstpointer data)
{
    netdev(bench, "dgram,id=x,local.type=unix,local.path=%s/a,remote.type=unix,remote.path=%s/b", bench->folder, bench->folder);
    netdev(bench, "dgram,id=y,local.type=unix,local.path=%s/b,remote.type=unix,remote.path=%s/a", bench->folder, bench->folder);
    struct card *a = plug(bench, 0, "x"), *b = plug(bench, 1, "y");

    exchange(bench, a, b, NET_FRAME_MAX);
}

/* A netdev that goes leaves the file of another one that took over its path. */
static void paths_taken_over(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "a", NULL);

    for (unsigned i = 0; i < 2; i++) {
        const char *kind = i ? "dgram" : "stream,server=on", *which = i ? "local" : "addr";

        netdev(bench, "%s,id=x,%s.type=unix,%s.path=%s", kind, which, which, path);
        netdev(bench, "%s,id=y,%s.type=unix,%s.path=%s", kind, which, which, path);
        g_assert_true(net_netdev_remove(bench->set, "x", NULL));
        g_assert_cmpint(access(path, F_OK), ==, 0);
        g_assert_true(net_netdev_remove(bench->set, "y", NULL));
        g_assert_cmpint(access(path, F_OK), ==, -1);
    }
}

static void count_frame(void *opaque, const struct net_frame *frame, bool to_peer)
{
    ++*(unsigned *)opaque;
}

/* A peer that does not read: the loop has nothing to do most of the time, filters see each frame once, and in the end all arrive. */
static void dgram_unix_full(struct bench *bench, gconstpointer data)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    unsigned sent = 0, seen = 0, arrived = 0, writable = 0;
    struct net_filter filter = { .frame = count_frame, .opaque = &seen };
    int peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    bool quiet = false;
    char byte;

    g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/b", bench->folder);
    g_assert_cmpint(bind(peer, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    netdev(bench, "dgram,id=x,local.type=unix,local.path=%s/a,remote.type=unix,remote.path=%s/b", bench->folder, bench->folder);
    struct card *card = plug(bench, 0, "x");
    net_filter_add(card->client, &filter);
    while (send_test(card, 60, 0) == NET_DONE)
        sent++;
    for (unsigned tries = 0; tries < 3 || !quiet; tries++) { /* it waits longer each time */
        writable = card->writable;
        quiet = !g_main_context_pending(vm_context(bench->vm));
        run_until(bench, card->writable > writable);
        g_assert_cmpint(send_test(card, 60, 0), ==, NET_BUSY);
        g_assert_cmpuint(tries, <, 1000);
    }
    g_assert_cmpuint(seen, ==, sent + 1);
    while (recv(peer, &byte, 1, 0) > 0)
        arrived++;
    g_assert_cmpuint(arrived, ==, sent);
    run_until(bench, card->writable > writable + 1);
    g_assert_cmpint(send_test(card, 60, 0), ==, NET_DONE);
    g_assert_cmpuint(seen, ==, sent + 1);
    net_filter_remove(card->client, &filter);
    close(peer);
    unlink(address.sun_path);
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
    unsigned changes = a->link_changes;
    vm_stop(bench->vm, VM_PAUSED); /* a card hears nothing then */
    g_assert_true(net_netdev_remove(bench->set, "h0", NULL));
    g_assert_false(net_link_is_up(a->client));
    g_assert_cmpuint(a->link_changes, ==, changes);
    net_client_announce(a->client);
    net_client_announce(a->client);
    g_assert_cmpuint(a->announced, ==, 0);
    vm_cont(bench->vm);
    g_assert_cmpuint(a->link_changes, ==, changes + 1);
    g_assert_cmpuint(a->announced, ==, 1);
    g_assert_false(a->up);
    g_assert_cmpint(send_test(a, 60, 0), ==, NET_DONE);
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

static int free_descriptor(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

/* A disk that is full from the start: nothing stays open. */
static void dump_full(struct bench *bench, gconstpointer data)
{
    struct vm_object *dump = vm_object_create(bench->vm, "filter-dump", vm_object_child(vm_root(bench->vm), "objects"), "d", NULL);
    int before = free_descriptor();

    netdev(bench, "hubport,id=h0,hubid=1");
    g_assert_true(vm_object_set(dump, "file", "/dev/full", NULL) && vm_object_set(dump, "netdev", "h0", NULL));
    g_assert_false(vm_object_realize(dump, NULL));
    vm_object_destroy(dump);
    g_assert_cmpint(free_descriptor(), ==, before);
}

/* A card that goes leaves the addresses of others taken, its own alone is free. */
static void addresses_again(struct bench *bench, gconstpointer data)
{
    static const u8 wanted[3][NET_MAC_SIZE] = { { 0 }, { 0x52, 0x54, 0x00, 0x99, 0x34, 0x56 }, { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 } };
    GError *error = NULL;
    u8 mac[NET_MAC_SIZE];

    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *name = g_strdup_printf("c%u", i);

        memcpy(mac, wanted[i], NET_MAC_SIZE);
        bench->card[i].client = net_card_create(vm_object_create(bench->vm, "container", vm_root(bench->vm), name, NULL), NULL, mac, 0, &card_ops,
                                                &bench->card[i], &error);
        g_assert_no_error(error);
    }
    for (unsigned i = 3; i-- > 1;) {
        net_client_destroy(g_steal_pointer(&bench->card[i].client));
        memset(mac, 0, NET_MAC_SIZE);
        struct net_client *next = net_card_create(vm_object_create(bench->vm, "container", vm_root(bench->vm), i > 1 ? "d" : "e", NULL), NULL, mac, 0,
                                                  &card_ops, &bench->card[i], &error);
        g_assert_no_error(error);
        g_assert_cmphex(bits_load_be(mac, 6), ==, 0x525400123457);
        net_client_destroy(next);
    }
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
        { "stream,id=a,addr.type=fd,addr.str=99", "'99' is not the number of an inherited file descriptor" },
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
    g_assert_nonnull(strstr(list, "container.0: index=0,type=nic,model=container,macaddr=52:54:00:12:34:56"));
    g_assert_nonnull(strstr(list, "container.1: index=0,type=nic,model=container,macaddr=52:54:00:12:34:57"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("/net/hub", hub);
    TEST("/net/hub/answers", hub_answers);
    TEST("/net/stream/unix", stream_unix);
    TEST("/net/stream/reconnects", stream_reconnects);
    TEST("/net/stream/hostile", stream_hostile);
    TEST("/net/back-pressure/out", back_pressure_out);
    TEST("/net/back-pressure/in", back_pressure_in);
    TEST("/net/back-pressure/queues", back_pressure_queues);
    TEST("/net/dgram/unix", dgram_unix);
    TEST("/net/dgram/unix-full", dgram_unix_full);
    TEST("/net/dgram/udp", dgram_udp);
    TEST("/net/paths-taken-over", paths_taken_over);
    TEST("/net/socket/tcp", socket_tcp);
    TEST("/net/socket/multicast", multicast);
    TEST("/net/link", link_state);
    TEST("/net/user/arp", user_arp);
    TEST("/net/dump", dump_file);
    TEST("/net/dump-full", dump_full);
    TEST("/net/refused", refused);
    TEST("/net/addresses", addresses);
    TEST("/net/addresses/again", addresses_again);
    return g_test_run();
}
