/* tests/unit/net_offload.c - large packets cut into frames and frames joined to large packets, checksums, offloads that make no sense. */
#include "tests/unit/net_bench.h"

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
    u32 pseudo = net_checksum_pseudo(ip, v6, ip[v6 ? 6 : 9], size - l4);
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
    g_assert_cmpuint(sum_of(data + l4, size - l4, net_checksum_pseudo(ip, v6, ip[v6 ? 6 : 9], size - l4)), ==, 0);
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
    g_assert_cmpuint(sum_of(whole + 34, size - 34, net_checksum_pseudo(whole + 14, false, 17, size - 34)), ==, 0);
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

/* A packet that is not of the version of its EtherType is dropped: its header may be shorter than the other version's. */
static void two_versions(struct bench *bench, gconstpointer data)
{
    static const struct { u8 type[2], version, l4; } rows[] = { { { 0x08, 0x00 }, 0x65, 34 }, { { 0x86, 0xdd }, 0x45, 54 } };

    netdev(bench, "hubport,id=h0,hubid=1");
    netdev(bench, "hubport,id=h1,hubid=1");
    struct card *a = plug(bench, 0, "h0"), *b = plug(bench, 1, "h1");
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        u32 size = rows[i].l4 + 9u;
        g_autofree u8 *buffer = g_malloc0(size);
        struct iovec iov = { buffer, size };
        struct net_offload offload = { .flags = NET_NEEDS_CSUM, .gso = NET_GSO_UDP_L4, .segment = 8, .csum_start = rows[i].l4, .csum_offset = 6 };

        memcpy(buffer + 12, rows[i].type, 2);
        buffer[14] = rows[i].version;
        net_send(a->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = size, .offload = offload });
        offload.gso = NET_GSO_UDP;
        net_send(a->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = size, .offload = offload });
    }
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("/net/offload/segments", segments);
    TEST("/net/offload/fragments", fragments);
    TEST("/net/offload/insane", insane);
    TEST("/net/offload/two-versions", two_versions);
    g_test_add_data_func("/net/coalesce/ipv4", GINT_TO_POINTER(0), coalesce_round_trip);
    g_test_add_data_func("/net/coalesce/ipv6", GINT_TO_POINTER(1), coalesce_round_trip);
    return g_test_run();
}
