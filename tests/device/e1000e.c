/* tests/device/e1000e.c - the 82574L by its datasheet: NVM, PHY, interrupts, frames both ways in every descriptor format, hostile rings. */
#include "api/keyval.h"
#include "base/bits.h"
#include "hw/pci/gpex.h"
#include "net/net.h"
#include "tests/device/bench.h"
#include "vm/internal.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECAM UINT64_C(0x30008000) /* 01.0 */
#define BAR  UINT64_C(0x40000000)
#define RX   (BENCH_RAM + 0x1000)
#define TX   (BENCH_RAM + 0x2000)
#define DATA (BENCH_RAM + 0x10000)
enum { RING = 16 };
enum { CTRL = 0, STATUS = 8, EERD = 0x14, CTRL_EXT = 0x18, MDIC = 0x20, ICR = 0xc0, ICS = 0xc8, IMS = 0xd0, IMC = 0xd8, IAM = 0xe0, RCTL = 0x100,
       TCTL = 0x400, PSRCTL = 0x2170, RDBAL = 0x2800, RDLEN = 0x2808, RDH = 0x2810, RDT = 0x2818, TDBAL = 0x3800, TDLEN = 0x3808, TDH = 0x3810,
       TDT = 0x3818, GPRC = 0x4074, GPTC = 0x4080, GOTCL = 0x4090, RXCSUM = 0x5000, RFCTL = 0x5008, MTA = 0x5200, RAL = 0x5400, VFTA = 0x5600 };

struct wire {
    struct bench *bench;
    struct device *device;
    int fd;
    u32 filled, taken;
};

static u32 get(struct wire *w, u32 offset)
{
    return (u32)bench_read(w->bench, BAR + offset, 4);
}

static void set(struct wire *w, u32 offset, u32 value)
{
    bench_write(w->bench, BAR + offset, 4, value);
}

static u8 *ram(struct wire *w, u64 address)
{
    return w->bench->ram->host + (address - BENCH_RAM);
}

static void settle(struct wire *w)
{
    for (int i = 0; i < 6; i++) {
        while (g_main_context_iteration(vm_context(w->bench->vm), FALSE))
            ;
        vm_inbox_deliver(w->bench->vm);
    }
}

static void start(struct wire *w, struct bench *bench)
{
    struct net_set *set_of = net_set_create(bench->vm);
    struct device *host = bench_device(bench, "gpex-pcihost",
                                       "x-ecam-base=0x30000000;x-ecam-size=256M;x-pio-base=0x3000000;x-pio-size=64k;"
                                       "x-below-4g-mmio-base=0x40000000;x-below-4g-mmio-size=1G");
    g_autoptr(api_keyval) list = api_keyval_create();
    g_autoptr(GError) error = NULL;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), ==, 0);
    *w = (struct wire){ .bench = bench, .fd = pair[1] };
    g_autofree char *text = g_strdup_printf("%d", pair[0]);
    api_keyval_set(list, "type", "dgram");
    api_keyval_set(list, "id", "n0");
    api_keyval_set(list, "local.type", "fd");
    api_keyval_set(list, "local.str", text);
    net_netdev_add_keyval(set_of, list, &error);
    g_assert_no_error(error);
    for (u32 i = 0; i < 4; i++) {
        g_autofree char *line = g_strdup_printf("irq%u", i);
        device_connect(host, line, &bench->line[i]);
    }
    gpex_map(host);
    w->device = bench_device(bench, "e1000e", "netdev=n0");
    vm_reset(bench->vm, VM_CAUSE_NONE);
    bench_write(bench, ECAM + 0x10, 4, BAR);
    bench_write(bench, ECAM + 0x18, 4, 0x1000);
    bench_write(bench, ECAM + 4, 2, 7);
    vm_cont(bench->vm);
}

static void finish(struct wire *w)
{
    vm_stop(w->bench->vm, VM_PAUSED);
    net_set_destroy(net_set_of(w->bench->vm));
    close(w->fd);
}

static void start_rings(struct wire *w, u32 rctl)
{
    set(w, RDBAL, (u32)RX);
    set(w, RDLEN, RING * 16);
    set(w, TDBAL, (u32)TX);
    set(w, TDLEN, RING * 16);
    set(w, TCTL, 0x3f0fa);
    set(w, RCTL, rctl | 2);
}

static void give_buffer(struct wire *w, u64 address)
{
    bits_store_le(ram(w, RX + 16 * (w->filled % RING)), 8, address);
    bits_store_le(ram(w, RX + 16 * (w->filled % RING) + 8), 8, 0);
    w->filled++;
    set(w, RDT, w->filled % RING);
}

static void fill_frame(u8 *frame, u32 size, const char *to)
{
    g_assert_true(net_mac_parse(to, frame, NULL));
    memset(frame + 6, 0, 8);
    for (u32 i = 14; i < size; i++)
        frame[i] = (u8)(i * 5);
}

static void incoming(struct wire *w, const u8 *frame, u32 size)
{
    g_assert_cmpint(send(w->fd, frame, size, 0), ==, size);
    settle(w);
}

/* One frame to an address; whether it arrived in a fresh buffer. */
static bool arrives(struct wire *w, const char *to)
{
    u8 frame[64];
    u64 slot = RX + 16 * (w->taken % RING);

    fill_frame(frame, sizeof(frame), to);
    if (w->filled == w->taken)
        give_buffer(w, DATA);
    incoming(w, frame, sizeof(frame));
    bool done = ram(w, slot)[12] & 1;
    w->taken += done;
    return done;
}

static void configuration(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u16 sum = 0;

    start(&w, bench);
    g_assert_cmphex(bench_read(bench, ECAM, 4), ==, 0x10d38086);
    g_assert_cmphex(bench_read(bench, ECAM + 8, 4) >> 16, ==, 0x0200);
    g_assert_cmphex(bench_read(bench, ECAM + 0x2c, 4), ==, 0x00008086);
    for (u32 i = 0; i < 64; i++) {
        set(&w, EERD, i << 2 | 1);
        g_assert_cmpuint(get(&w, EERD) & 2, ==, 2);
        sum = (u16)(sum + (get(&w, EERD) >> 16));
    }
    g_assert_cmphex(sum, ==, 0xbaba);
    g_assert_cmphex(get(&w, RAL), ==, 0x12005452);
    g_assert_cmphex(get(&w, RAL + 4), ==, 0x80005634);
    g_assert_cmphex(get(&w, STATUS) & 0xc3, ==, 0x83); /* full duplex, link, 1000 */
    set(&w, MDIC, 1 << 27 | 1 << 21 | 2 << 16);
    g_assert_cmphex(get(&w, MDIC) & 0x5000ffff, ==, 0x10000141);
    set(&w, MDIC, 1 << 27 | 1 << 21 | 3 << 16);
    g_assert_cmphex(get(&w, MDIC) & 0xffff, ==, 0x0cb1);
    set(&w, MDIC, 1 << 27 | 2 << 21 | 2 << 16); /* no such PHY */
    g_assert_cmphex(get(&w, MDIC) & 0x40000000, ==, 0x40000000);
    bench_write(bench, 0x3001000, 4, STATUS); /* the I/O window */
    g_assert_cmphex(bench_read(bench, 0x3001004, 4), ==, get(&w, STATUS));
    set(&w, MTA, 7);
    set(&w, CTRL, 1 << 26);
    g_assert_cmphex(get(&w, MTA), ==, 0);
    g_assert_cmphex(get(&w, CTRL), ==, 0x240);
    finish(&w);
}

static void interrupts(struct bench *bench, gconstpointer data)
{
    struct wire w;

    start(&w, bench);
    set(&w, ICS, 1 << 2);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 0);
    set(&w, IMS, 1 << 2);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 1);
    g_assert_cmphex(get(&w, ICR), ==, 0x81000004); /* asserted; LSC is one of the others */
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 0);
    set(&w, ICS, 1 << 7);
    g_assert_cmphex(get(&w, ICR), ==, 0x80); /* not asserted: reading changes nothing */
    g_assert_cmphex(get(&w, ICR), ==, 0x80);
    set(&w, ICR, 0x80);
    g_assert_cmphex(get(&w, ICR), ==, 0);
    set(&w, CTRL_EXT, 1 << 27); /* interrupts mask themselves */
    set(&w, IAM, 0xffffffff);
    set(&w, ICS, 1 << 2);
    get(&w, ICR);
    g_assert_cmphex(get(&w, IMS), ==, 0);
    set(&w, IMS, 0xff);
    set(&w, IMC, 0x0f);
    g_assert_cmphex(get(&w, IMS), ==, 0xf0);
    set(&w, IMS, 4);
    net_set_link(net_find(net_set_of(bench->vm), "n0"), false);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 1);
    g_assert_cmphex(get(&w, STATUS) & 2, ==, 0);
    finish(&w);
}

static void legacy_both_ways(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u8 frame[1600], got[1600];

    start(&w, bench);
    start_rings(&w, 1 << 26);
    fill_frame(ram(&w, DATA), 100, "52:54:00:00:00:09");
    bits_store_le(ram(&w, TX), 8, DATA);
    bits_store_le(ram(&w, TX + 8), 8, 40);
    bits_store_le(ram(&w, TX + 16), 8, DATA + 40);
    bits_store_le(ram(&w, TX + 24), 8, 60 | 0x09000000); /* end of packet, report */
    set(&w, IMS, 1);
    set(&w, TDT, 2);
    g_assert_cmpint(recv(w.fd, got, sizeof(got), MSG_DONTWAIT), ==, 100);
    g_assert_cmpmem(got, 100, ram(&w, DATA), 100);
    g_assert_cmpuint(get(&w, TDH), ==, 2);
    g_assert_cmpuint(ram(&w, TX + 28)[0] & 1, ==, 1);
    g_assert_cmpuint(ram(&w, TX + 12)[0] & 1, ==, 0);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 1);
    g_assert_cmpuint(get(&w, GPTC), ==, 1);
    g_assert_cmpuint(get(&w, GPTC), ==, 0); /* reading clears */
    g_assert_cmpuint(get(&w, GOTCL), ==, 104);
    g_assert_cmpuint(get(&w, GOTCL), ==, 104); /* of 64 bits: reading the upper half clears both */
    g_assert_cmpuint(get(&w, GOTCL + 4), ==, 0);
    g_assert_cmpuint(get(&w, GOTCL), ==, 0);
    set(&w, GPTC, 5);
    g_assert_cmpuint(get(&w, GPTC), ==, 0); /* writing does nothing */
    give_buffer(&w, DATA + 0x1000);
    fill_frame(frame, 1514, "52:54:00:12:34:56");
    incoming(&w, frame, 1514);
    g_assert_cmpmem(ram(&w, DATA + 0x1000), 1514, frame, 1514);
    g_assert_cmpuint(bits_load_le(ram(&w, RX + 8), 2), ==, 1514);
    g_assert_cmphex(ram(&w, RX + 12)[0] & 3, ==, 3);
    g_assert_cmpuint(get(&w, RDH), ==, 1);
    incoming(&w, frame, 1514); /* no buffer: it waits */
    g_assert_cmpuint(get(&w, RDH), ==, 1);
    give_buffer(&w, DATA + 0x2000);
    settle(&w);
    g_assert_cmpuint(get(&w, RDH), ==, 2);
    g_assert_cmpmem(ram(&w, DATA + 0x2000), 1514, frame, 1514);
    g_assert_cmpuint(get(&w, GPRC), ==, 2);
    finish(&w);
}

/* Extended descriptors with checksums; small buffers: a frame over three, the last marked. FCS when it is not stripped. */
static void extended(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u8 frame[600];

    start(&w, bench);
    set(&w, RFCTL, 1 << 15);
    start_rings(&w, 3 << 16); /* 256 bytes */
    set(&w, RXCSUM, 0x300);
    fill_frame(frame, sizeof(frame), "52:54:00:12:34:56");
    bits_store_be(frame + 12, 2, 0x800);
    memset(frame + 14, 0, 28);
    frame[14] = 0x45;
    bits_store_be(frame + 16, 2, 586);
    frame[23] = 17;
    bits_store_be(frame + 38, 2, 566);
    u16 sum = net_checksum_finish(net_checksum_add(net_checksum_pseudo(frame + 14, false, 17, 566), frame + 34, 566));
    memcpy(frame + 40, &sum, 2);
    sum = net_checksum_finish(net_checksum_add(0, frame + 14, 20));
    memcpy(frame + 24, &sum, 2);
    for (u32 i = 0; i < 6; i++)
        give_buffer(&w, DATA + 0x1000 * i);
    incoming(&w, frame, 600);
    g_assert_cmpuint(get(&w, RDH), ==, 3);
    g_assert_cmphex(bits_load_le(ram(&w, RX + 8), 4), ==, 1);
    g_assert_cmpuint(bits_load_le(ram(&w, RX + 12), 2), ==, 256);
    g_assert_cmphex(bits_load_le(ram(&w, RX + 32 + 8), 4), ==, 0x73); /* IP, TCP or UDP right, end, done */
    g_assert_cmpuint(bits_load_le(ram(&w, RX + 32 + 12), 2), ==, 604 - 512);
    g_assert_cmpmem(ram(&w, DATA + 0x1000), 256, frame + 256, 256);
    frame[100] ^= 1;
    incoming(&w, frame, 600);
    g_assert_cmphex(bits_load_le(ram(&w, RX + 80 + 8), 4), ==, 0x20000073); /* the UDP checksum is wrong */
    finish(&w);
}

/* Headers and payload in buffers of their own sizes. */
static void split(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u8 frame[1000];

    start(&w, bench);
    set(&w, PSRCTL, 0x00000102); /* 256 bytes, 1 KiB */
    start_rings(&w, 1 << 26 | 1 << 10);
    bits_store_le(ram(&w, RX), 8, DATA);
    bits_store_le(ram(&w, RX + 8), 8, DATA + 0x1000);
    set(&w, RDT, 1);
    fill_frame(frame, sizeof(frame), "52:54:00:12:34:56");
    incoming(&w, frame, sizeof(frame));
    g_assert_cmpuint(get(&w, RDH), ==, 1);
    g_assert_cmphex(bits_load_le(ram(&w, RX + 8), 4) & 3, ==, 3);
    g_assert_cmpuint(bits_load_le(ram(&w, RX + 12), 2), ==, 256);
    g_assert_cmpuint(bits_load_le(ram(&w, RX + 18), 2), ==, 744);
    g_assert_cmpmem(ram(&w, DATA), 256, frame, 256);
    g_assert_cmpmem(ram(&w, DATA + 0x1000), 744, frame + 256, 744);
    finish(&w);
}

static void put_context(struct wire *w, u32 slot, u8 command, u32 payload, u16 segment)
{
    bits_store_le(ram(w, TX + 16 * slot), 8, 14 | 24 << 8 | 33 << 16 | UINT64_C(34) << 32 | UINT64_C(50) << 40);
    bits_store_le(ram(w, TX + 16 * slot + 8), 8, payload | (u64)(command | 0x20) << 24 | UINT64_C(54) << 40 | (u64)segment << 48);
}

static void put_data(struct wire *w, u32 slot, u64 address, u32 size, u8 command, u8 options)
{
    bits_store_le(ram(w, TX + 16 * slot), 8, address);
    bits_store_le(ram(w, TX + 16 * slot + 8), 8, size | 1 << 20 | (u64)(command | 0x20) << 24 | (u64)options << 40);
}

/* TCP segmentation: lengths, checksums, sequence numbers and flags of every segment (7.2.5). */
static void segmentation(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u8 got[2000], *frame;

    start(&w, bench);
    start_rings(&w, 0);
    frame = ram(&w, DATA);
    fill_frame(frame, 54 + 3500, "52:54:00:00:00:09");
    bits_store_be(frame + 12, 2, 0x800);
    memset(frame + 14, 0, 40);
    frame[14] = 0x45;
    frame[23] = 6;
    bits_store_be(frame + 26, 8, 0x0a0000010a000002);
    bits_store_be(frame + 38, 4, 1000);
    frame[46] = 0x50;
    frame[47] = 0x19;
    u16 pseudo = (u16)~net_checksum_finish(net_checksum_pseudo(frame + 14, false, 6, 0));
    memcpy(frame + 50, &pseudo, 2);
    put_context(&w, 0, 3, 3500, 1448);
    put_data(&w, 1, DATA, 54, 4, 3);
    put_data(&w, 2, DATA + 54, 3500, 4 | 1 | 8, 3);
    set(&w, TDT, 2); /* not complete yet */
    g_assert_cmpint(recv(w.fd, got, sizeof(got), MSG_DONTWAIT), ==, -1);
    set(&w, TDT, 3);
    for (u32 i = 0, size; i < 3; i++) {
        size = i == 2 ? 3500 - 2896 : 1448;
        g_assert_cmpint(recv(w.fd, got, sizeof(got), MSG_DONTWAIT), ==, 54 + size);
        g_assert_cmpuint(bits_load_be(got + 16, 2), ==, 40 + size);
        g_assert_cmpuint(bits_load_be(got + 38, 4), ==, 1000 + 1448 * i);
        g_assert_cmphex(got[47], ==, i == 2 ? 0x19 : 0x10);
        g_assert_cmpuint(net_checksum_finish(net_checksum_add(0, got + 14, 20)), ==, 0);
        g_assert_cmpuint(net_checksum_finish(net_checksum_add(net_checksum_pseudo(got + 14, false, 6, 20 + size), got + 34, 20 + size)), ==, 0);
        g_assert_cmpmem(got + 54, size, ram(&w, DATA + 54 + 1448 * i), size);
    }
    g_assert_cmpuint(get(&w, TDH), ==, 3);
    finish(&w);
}

static void filters(struct bench *bench, gconstpointer data)
{
    struct wire w;

    start(&w, bench);
    start_rings(&w, 1 << 26);
    g_assert_true(arrives(&w, "52:54:00:12:34:56"));
    g_assert_false(arrives(&w, "52:54:00:12:34:57") || arrives(&w, "ff:ff:ff:ff:ff:ff") || arrives(&w, "01:00:5e:00:00:01"));
    set(&w, RCTL, 1 << 26 | 1 << 15 | 2);
    g_assert_true(arrives(&w, "ff:ff:ff:ff:ff:ff"));
    set(&w, MTA + 4 * (0x010 >> 5), 1u << (0x010 & 31)); /* bits 47:36 of the address: 0x0100 >> 4 */
    g_assert_true(arrives(&w, "01:00:5e:00:00:01"));
    g_assert_false(arrives(&w, "01:00:5e:00:00:02"));
    set(&w, RCTL, 1 << 26 | 1 << 4 | 2);
    g_assert_true(arrives(&w, "01:00:5e:00:00:02"));
    set(&w, RCTL, 1 << 26 | 1 << 3 | 2);
    g_assert_true(arrives(&w, "52:54:00:12:34:57"));
    finish(&w);
}

/* Tags are put in and taken out. */
static void vlans(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u8 frame[80], got[200];

    start(&w, bench);
    start_rings(&w, 1 << 26 | 1 << 18);
    set(&w, CTRL, 0x40000240);
    fill_frame(frame, 80, "52:54:00:12:34:56");
    bits_store_be(frame + 12, 4, 0x81000005);
    give_buffer(&w, DATA);
    incoming(&w, frame, 80);
    g_assert_cmpuint(get(&w, RDH), ==, 0); /* not in the table */
    set(&w, VFTA, 1 << 5);
    incoming(&w, frame, 80);
    g_assert_cmpuint(get(&w, RDH), ==, 1);
    g_assert_cmpuint(bits_load_le(ram(&w, RX + 8), 2), ==, 76);
    g_assert_cmphex(ram(&w, RX + 12)[0] & 8, ==, 8);
    g_assert_cmpuint(bits_load_le(ram(&w, RX + 14), 2), ==, 5);
    g_assert_cmpmem(ram(&w, DATA + 12), 64, frame + 16, 64);
    bits_store_le(ram(&w, TX), 8, DATA);
    bits_store_le(ram(&w, TX + 8), 8, 76 | UINT64_C(0x41) << 24 | UINT64_C(7) << 48);
    set(&w, TDT, 1);
    g_assert_cmpint(recv(w.fd, got, sizeof(got), MSG_DONTWAIT), ==, 80);
    g_assert_cmphex(bits_load_be(got + 12, 4), ==, 0x81000007);
    finish(&w);
}

/* Rings that lie nowhere, heads and tails outside, packets without end, DMA at the card itself, contexts that fit nothing. */
static void hostile(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u8 got[2000], frame[64];
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);

    start(&w, bench);
    fill_frame(frame, sizeof(frame), "52:54:00:12:34:56");
    const u32 bases[] = { 0, (u32)BAR, 0xfffffff0, (u32)(BENCH_RAM + BENCH_RAM_SIZE - 16), (u32)TX };
    for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
        start_rings(&w, 0);
        set(&w, TDBAL, bases[i]);
        set(&w, RDBAL, bases[i]);
        set(&w, RDH, 3);
        set(&w, RDT, 2);
        set(&w, TDH, 5);
        set(&w, TDT, 4);
        incoming(&w, frame, sizeof(frame));
        set(&w, TDT, 0xffff);
        set(&w, RDT, 0xffff);
        incoming(&w, frame, sizeof(frame));
    }
    for (u32 round = 0; round < 3000; round++) {
        if (!(round % 100)) {
            set(&w, CTRL, 1 << 26);
            start_rings(&w, g_rand_int(rand) & 0x07ffffff & ~0xc0u);
            set(&w, RFCTL, g_rand_int(rand));
        }
        for (u32 i = 0; i < RING; i++) {
            bits_store_le(ram(&w, TX + 16 * i), 8, g_rand_int(rand) & 1 ? DATA + (g_rand_int(rand) & 0xffff) : g_rand_int(rand));
            bits_store_le(ram(&w, TX + 16 * i + 8), 8, (u64)g_rand_int(rand) << 32 | (g_rand_int(rand) & 0xff30ffff));
            bits_store_le(ram(&w, RX + 16 * i), 8, g_rand_int(rand) & 3 ? DATA + (g_rand_int(rand) & 0xffff) : BAR + (g_rand_int(rand) & 0x1ffff));
        }
        set(&w, TDT, g_rand_int(rand) % (RING + 1));
        set(&w, RDT, g_rand_int(rand) % (RING + 1));
        if (round % 8 == 0)
            incoming(&w, frame, sizeof(frame));
        if (round % 16 == 0)
            set(&w, (g_rand_int(rand) & 0x7fff) & ~3u, g_rand_int(rand));
        while (recv(w.fd, got, sizeof(got), MSG_DONTWAIT) > 0)
            ;
    }
    finish(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/e1000e/configuration", configuration);
    BENCH_TEST("/e1000e/interrupts", interrupts);
    BENCH_TEST("/e1000e/legacy", legacy_both_ways);
    BENCH_TEST("/e1000e/extended", extended);
    BENCH_TEST("/e1000e/split", split);
    BENCH_TEST("/e1000e/segmentation", segmentation);
    BENCH_TEST("/e1000e/filters", filters);
    BENCH_TEST("/e1000e/vlans", vlans);
    BENCH_TEST("/e1000e/hostile", hostile);
    return g_test_run();
}
