/* tests/unit/net_forward.c - guestfwd to streams: a guest that speaks as much TCP as that takes, and a stream with the room that a test gives it. */
#include "tests/unit/net_bench.h"

enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16, SEGMENT = 1400, MOST = 2 << 20 };

/* The other end of the forward. */
struct target {
    struct net_stream_user user;
    GByteArray *got;
    size_t room;
    unsigned accepts; /* calls of accept_input */
};

struct guest {
    struct card *card;
    u32 next, acknowledged, expected; /* of our data: the next byte, and how far it came; of theirs: the next byte */
    guint seen;                       /* frames */
    GByteArray *got;
};

static void *open_target(void *owner, const char *text, const struct net_stream_user *user, GError **error)
{
    struct target *target = owner;

    target->user = *user;
    return target;
}

static void close_target(void *opaque)
{
}

static size_t write_target(void *opaque, const u8 *data, size_t length)
{
    struct target *target = opaque;
    size_t taken = MIN(length, target->room);

    target->room -= taken;
    g_byte_array_append(target->got, data, (guint)taken);
    return taken;
}

static void accept_input(void *opaque)
{
    ((struct target *)opaque)->accepts++;
}

static void put(struct guest *guest, u8 flags, u32 sequence, const u8 *data, u32 size)
{
    g_autofree u8 *frame = g_malloc0(54 + size);
    struct iovec iov = { frame, 54 + size };
    u8 *ip = frame + 14, *tcp = frame + 34;

    bits_store_be(frame, 6, 0x52550a000202);
    bits_store_be(frame + 6, 6, 0x525400123456);
    bits_store_be(frame + 12, 2, 0x0800);
    ip[0] = 0x45;
    bits_store_be(ip + 2, 2, 40 + size);
    ip[8] = 64;
    ip[9] = 6;
    bits_store_be(ip + 12, 8, 0x0a00020f0a000264);
    u16 sum = net_checksum_finish(net_checksum_add(0, ip, 20));
    memcpy(ip + 10, &sum, 2);
    bits_store_be(tcp, 4, 4000 << 16 | 25);
    bits_store_be(tcp + 4, 4, sequence);
    bits_store_be(tcp + 8, 4, guest->expected);
    tcp[12] = 0x50;
    tcp[13] = flags;
    bits_store_be(tcp + 14, 2, 60000);
    if (size)
        memcpy(tcp + 20, data, size);
    sum = net_checksum_finish(net_checksum_add(net_checksum_pseudo(ip, false, 6, 20 + size), tcp, 20 + size));
    memcpy(tcp + 16, &sum, 2);
    net_send(guest->card->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = 54 + size });
}

/* What came since: data is kept if it is in order. True: it is to be acknowledged. */
static bool take(struct guest *guest)
{
    bool any = false;

    for (; guest->seen < guest->card->got->len; guest->seen++) {
        gsize size;
        const u8 *frame = g_bytes_get_data(guest->card->got->pdata[guest->seen], &size), *tcp = frame + 34;

        if (size < 54 || bits_load_be(frame + 12, 2) != 0x0800 || frame[23] != 6)
            continue;
        u32 head = 34 + (tcp[12] >> 4) * 4u, end = 14 + (u32)bits_load_be(frame + 16, 2), sequence = (u32)bits_load_be(tcp + 4, 4);
        if (tcp[13] & SYN)
            guest->expected = sequence + 1;
        if (tcp[13] & ACK)
            guest->acknowledged = (u32)bits_load_be(tcp + 8, 4);
        if (end > head && sequence == guest->expected) {
            g_byte_array_append(guest->got, frame + head, end - head);
            guest->expected += end - head;
        }
        any |= end > head;
    }
    return any;
}

static void set_up_guest(struct bench *bench, struct guest *guest, struct target *target)
{
    static const u8 request[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
                                  0x52, 0x54, 0,    0x12, 0x34, 0x56, 10,   0,    2, 15,   0,    0,    0, 0, 0, 0, 10, 0, 2, 2 };
    struct iovec iov = { (void *)request, sizeof(request) };
    const struct net_streams streams = { open_target, close_target, write_target, accept_input, target };

    *target = (struct target){ .got = g_byte_array_new() };
    *guest = (struct guest){ .got = g_byte_array_new() };
    net_set_streams(bench->set, &streams);
    netdev(bench, "user,id=u,ipv6=off,guestfwd=tcp:10.0.2.100:25-somewhere");
    guest->card = plug(bench, 0, "u");
    net_send(guest->card->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = sizeof(request) });
    run_until(bench, guest->card->got->len == 1);
}

static void connect_guest(struct bench *bench, struct guest *guest)
{
    guest->next = 1001;
    put(guest, SYN, 1000, NULL, 0);
    run_until(bench, (take(guest), guest->acknowledged == 1001));
    put(guest, ACK, guest->next, NULL, 0);
}

static void finish(struct guest *guest, struct target *target)
{
    g_byte_array_unref(guest->got);
    g_byte_array_unref(target->got);
}

static u8 byte_at(u32 index)
{
    return (u8)(index * 31 + index / 251);
}

/* Sends the segment whose first byte is that one; true: it was acknowledged. */
static bool send_segment(struct bench *bench, struct guest *guest, u32 index)
{
    u8 data[SEGMENT];

    for (u32 i = 0; i < SEGMENT; i++)
        data[i] = byte_at(index + i);
    put(guest, ACK | PSH, 1001 + index, data, SEGMENT);
    vm_inbox_deliver(bench->vm); /* libslirp answers each segment at once */
    take(guest);
    return guest->acknowledged == 1001 + index + SEGMENT;
}

/*
 * What was acknowledged arrives, though the stream takes it later and in pieces. With too much of it new segments are lost; sent again
 * when there is room, they arrive.
 */
static void slow_target(struct bench *bench, gconstpointer data)
{
    struct target target;
    struct guest guest;
    u32 sent = 0, whole;

    set_up_guest(bench, &guest, &target);
    connect_guest(bench, &guest);
    target.room = SEGMENT + 100;
    while (sent < MOST && send_segment(bench, &guest, sent))
        sent += SEGMENT;
    g_assert_cmpuint(target.got->len, ==, SEGMENT + 100);
    g_assert_cmpuint(sent, >=, 200 * 1024);
    g_assert_cmpuint(sent, <, MOST);
    target.room = 10000;
    target.user.writable(target.user.opaque);
    g_assert_cmpuint(target.got->len, ==, SEGMENT + 100 + 10000);
    target.room = MOST;
    target.user.writable(target.user.opaque);
    g_assert_cmpuint(target.got->len, ==, sent);
    for (whole = sent + 10 * SEGMENT; sent < whole; sent += SEGMENT)
        g_assert_true(send_segment(bench, &guest, sent));
    g_assert_cmpuint(target.got->len, ==, whole);
    for (u32 i = 0; i < whole; i++)
        g_assert_cmpuint(target.got->data[i], ==, byte_at(i));
    finish(&guest, &target);
}

/* A stream that was told of no room hears when there is some: as soon as the guest has connected, and when it has acknowledged. */
static void greeting_and_more(struct bench *bench, gconstpointer data)
{
    static const u8 piece[1000];
    struct target target;
    struct guest guest;
    unsigned before;
    size_t room, sent = 0;

    set_up_guest(bench, &guest, &target);
    g_assert_cmpuint(target.user.can_receive(target.user.opaque), ==, 0);
    g_assert_cmpuint(target.accepts, ==, 0);
    connect_guest(bench, &guest);
    g_assert_cmpuint(target.accepts, ==, 1);
    while ((room = target.user.can_receive(target.user.opaque))) {
        target.user.receive(target.user.opaque, piece, MIN(room, sizeof(piece)));
        sent += MIN(room, sizeof(piece));
        g_assert_cmpuint(sent, <, MOST);
    }
    before = target.accepts;
    while (guest.got->len < sent) {
        run_until(bench, take(&guest));
        put(&guest, ACK, guest.next, NULL, 0);
    }
    g_assert_cmpuint(guest.got->len, ==, sent);
    g_assert_cmpuint(target.accepts, ==, before + 1);
    finish(&guest, &target);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("/net/guestfwd/slow-target", slow_target);
    TEST("/net/guestfwd/greeting-and-more", greeting_and_more);
    return g_test_run();
}
