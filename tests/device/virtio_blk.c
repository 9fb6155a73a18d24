/* tests/device/virtio_blk.c - the block device: transfers on every transport, flushes, discards, errors, resets in mid-air, resizes. */
#include "tests/device/virtio_blk_desk.h"

static void transfers(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\",\"discard\":\"unmap\"}");
    begin(s, GPOINTER_TO_UINT(data), "drive=d;serial=abc", BIT64(9) | BIT64(13) | BIT64(14));
    g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 0), 4), ==, DISK_BYTES / 512);
    g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 20), 4), ==, 512);
    fill(s, 0x5a, 8192);
    g_assert_cmpuint(request(s, OUT, 8, 8192, false), ==, 0);
    g_assert_cmpuint(request(s, FLUSH, 0, 0, false), ==, 0);
    fill(s, 0, 16384);
    u32 written;
    send(s, IN, 4, 16384, true);
    g_assert_cmpuint(wait_status(s, &written), ==, 0);
    g_assert_cmpuint(written, ==, 16385);
    g_assert_cmpuint(bench_read(&s->bench, AT + 2047, 1), ==, 0);
    g_assert_cmpuint(bench_read(&s->bench, AT + 2048, 1), ==, 0x5a);
    g_assert_cmpuint(bench_read(&s->bench, AT + 2048 + 8191, 1), ==, 0x5a);
    g_assert_cmpuint(bench_read(&s->bench, AT + 2048 + 8192, 1), ==, 0);
    g_assert_cmpuint(request(s, GET_ID, 0, 20, true), ==, 0);
    g_assert_cmphex(bench_read(&s->bench, AT, 4), ==, 'a' | 'b' << 8 | 'c' << 16);
    /* zeros over the middle, then what lies around */
    bench_write(&s->bench, AT, 8, 12);
    bench_write(&s->bench, AT + 8, 8, 4 | UINT64_C(1) << 32);
    g_assert_cmpuint(request(s, ZEROES, 0, 16, false), ==, 0);
    g_assert_cmpuint(request(s, IN, 12, 2048, true), ==, 0);
    g_assert_true(all(s, 0, 2048));
    g_assert_cmpuint(request(s, IN, 16, 512, true), ==, 0);
    g_assert_true(all(s, 0x5a, 512));
    bench_write(&s->bench, AT, 8, 16);
    bench_write(&s->bench, AT + 8, 8, 8);
    g_assert_cmpuint(request(s, DISCARD, 0, 16, false), ==, 0);
}

struct alignment {
    const char *properties;
    u32 sectors;
};

/* discard_sector_alignment of the configuration space. */
static void discards(struct desk *s, gconstpointer data)
{
    const struct alignment *row = data;

    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, row->properties, BIT64(13));
    g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 44), 4), ==, row->sectors);
}

/* EDK2's legacy driver sets up its queue before it writes its features. */
static void features_last(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    driver_init(&s->driver, &s->bench, GPOINTER_TO_UINT(data), "virtio-blk", "drive=d");
    driver_write(&s->driver, DRIVER_STATUS, 0);
    driver_write(&s->driver, DRIVER_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_accept_word(&s->driver, 0, BIT64(9) | BIT64(VIRTIO_F_EVENT_IDX));
    driver_ok(&s->driver);
    fill(s, 0x5a, 1024);
    g_assert_cmpuint(request(s, OUT, 8, 1024, false), ==, 0);
    g_assert_cmpuint(request(s, FLUSH, 0, 0, false), ==, 0);
    fill(s, 0, 1024);
    g_assert_cmpuint(request(s, IN, 8, 1024, true), ==, 0);
    g_assert_true(all(s, 0x5a, 1024));
}

struct geometry {
    const char *properties;
    u32 cylinders, heads, sectors;
};

/* 5.2.4: as it was told, or as PCs had it. */
static void shows_geometry(struct desk *s, gconstpointer data)
{
    const struct geometry *g = data;

    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, g->properties, BIT64(4));
    g_assert_cmpuint(bench_read(&s->bench, s->driver.pci.config + 16, 2), ==, g->cylinders);
    g_assert_cmpuint(bench_read(&s->bench, s->driver.pci.config + 18, 1), ==, g->heads);
    g_assert_cmpuint(bench_read(&s->bench, s->driver.pci.config + 19, 1), ==, g->sectors);
}

static void mistakes(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, "drive=d", BIT64(9) | BIT64(13) | BIT64(14));
    g_assert_cmpuint(request(s, OUT, DISK_BYTES / 512, 512, false), ==, 1);
    g_assert_cmpuint(request(s, IN, DISK_BYTES / 512 - 1, 1024, true), ==, 1);
    g_assert_cmpuint(request(s, IN, UINT64_MAX, 512, true), ==, 1);
    g_assert_cmpuint(request(s, IN, 0, 100, true), ==, 1); /* no whole sectors */
    g_assert_cmpuint(request(s, 99, 0, 512, true), ==, 2);
    bench_write(&s->bench, AT, 8, 0);
    bench_write(&s->bench, AT + 8, 8, 1 | UINT64_C(2) << 32); /* reserved flag */
    g_assert_cmpuint(request(s, ZEROES, 0, 16, false), ==, 2);
    bench_write(&s->bench, AT + 8, 8, 0xffffffff);
    g_assert_cmpuint(request(s, DISCARD, 0, 16, false), ==, 1);
    /* no room for a status: the device says that it needs a reset */
    const struct driver_buffer bad = { HEADER_AT, 16, false };
    driver_submit(&s->driver, s->queue, &bad, 1);
    driver_kick(&s->driver, s->queue);
    g_assert_true(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET);
}

static void read_only(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\",\"read-only\":true}");
    driver_init(&s->driver, &s->bench, MMIO_MODERN, "virtio-blk", "drive=d");
    g_assert_true(driver_offered(&s->driver) & BIT64(5));
    g_assert_false(driver_offered(&s->driver) & (BIT64(13) | BIT64(14)));
    g_assert_true(driver_negotiate(&s->driver, BIT64(5)));
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_ok(&s->driver);
    g_assert_cmpuint(request(s, OUT, 0, 512, false), ==, 1);
    g_assert_cmpuint(request(s, IN, 0, 512, true), ==, 0);
}

/* What was under way when the driver reset the device is not reported, and harms nothing. */
static void reset_in_mid_air(struct desk *s, gconstpointer data)
{
    u32 id, written;

    open_disk(s, "{\"driver\":\"null-co\",\"latency-ns\":20000000,\"read-zeroes\":true,\"size\":1048576,\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, "drive=d", BIT64(9));
    for (unsigned i = 0; i < 8; i++)
        send(s, IN, i, 512, true);
    driver_write(&s->driver, DRIVER_STATUS, 0);
    g_assert_true(driver_negotiate(&s->driver, BIT64(9)));
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_ok(&s->driver);
    s64 end = g_get_monotonic_time() + G_USEC_PER_SEC / 5;
    while (g_get_monotonic_time() < end) {
        g_main_context_iteration(vm_context(s->bench.vm), FALSE);
        vm_inbox_deliver(s->bench.vm);
    }
    g_assert_false(driver_take(&s->driver, s->queue, 3, &id, &written));
    g_assert_cmpuint(request(s, IN, 0, 512, true), ==, 0);
}

/* The device goes while requests are under way. */
static void unplug_in_mid_air(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"null-co\",\"latency-ns\":20000000,\"size\":1048576,\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, "drive=d", BIT64(9));
    for (unsigned i = 0; i < 8; i++)
        send(s, IN, i, 512, true);
    bench_empty(&s->bench);
}

static void claimed_once(struct desk *s, gconstpointer data)
{
    GError *error = NULL;

    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, "drive=d", BIT64(9));
    g_assert_null(disk_claim(s->disks, "d", NULL, true, false, "second", &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_false(disk_set_close(s->disks, "d", &error));
    g_assert_nonnull(strstr(error->message, "in use"));
    g_clear_error(&error);
}

/* A node that counts. */
struct counts {
    u32 writes, flushes;
};

static int count_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    ((struct counts *)node->state)->writes++;
    return 0;
}

static int count_flush(struct block_node *node)
{
    ((struct counts *)node->state)->flushes++;
    return 0;
}

static const struct block_driver counting = { .name = "counting", .write = count_write, .flush = count_flush };

/* Without a write cache each write is on stable storage before the driver hears of it. */
static void write_cache(struct desk *s, gconstpointer data)
{
    const char *property = data;
    bool cached = !strcmp(property, "on");
    struct block_node *node = block_node_create(disk_set_graph(s->disks), &counting, "n", g_new0(struct counts, 1));
    struct counts *counts = node->state;
    g_autofree char *properties = g_strconcat("drive=n;write-cache=", property, NULL);

    node->size = DISK_BYTES;
    begin(s, PCI_MODERN, properties, cached ? BIT64(9) : 0);
    g_assert_cmpuint(driver_offered(&s->driver) >> 9 & 1, ==, cached);
    g_assert_cmpuint(request(s, OUT, 0, 512, false), ==, 0);
    g_assert_cmpuint(counts->writes, ==, 1);
    g_assert_cmpuint(counts->flushes, ==, cached ? 0 : 1);
    g_assert_cmpuint(request(s, FLUSH, 0, 0, false), ==, 0);
    g_assert_cmpuint(counts->flushes, ==, cached ? 1 : 2);
    bench_empty(&s->bench);
    disk_set_unref_node(s->disks, node);
}

int main(int argc, char **argv)
{
    static const char *const transports[] = { "mmio-legacy", "mmio-modern", "pci-legacy", "pci-modern", "pci-msix" };
    static const struct alignment alignments[] = {
        { "drive=d", 1 }, { "drive=d;logical_block_size=4096", 8 }, { "drive=d;discard_granularity=65536", 128 }, { "drive=d;discard_granularity=0", 0 },
    };
    static const struct geometry geometries[] = { { "drive=d", 2, 16, 63 }, { "drive=d;cyls=1000;heads=255;secs=17", 1000, 255, 17 } };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < TRANSPORTS; i++) {
        g_autofree char *name = g_strdup_printf("/virtio-blk/transfers/%s", transports[i]);

        g_test_add(name, struct desk, GUINT_TO_POINTER(i), set_up, transfers, tear_down);
    }
    g_test_add("/virtio-blk/features-last/mmio", struct desk, GUINT_TO_POINTER(MMIO_LEGACY), set_up, features_last, tear_down);
    g_test_add("/virtio-blk/features-last/pci", struct desk, GUINT_TO_POINTER(PCI_LEGACY), set_up, features_last, tear_down);
    for (unsigned i = 0; i < ARRAY_SIZE(alignments); i++) {
        g_autofree char *name = g_strconcat("/virtio-blk/discards/", alignments[i].properties, NULL);

        g_test_add(name, struct desk, &alignments[i], set_up, discards, tear_down);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(geometries); i++) {
        g_autofree char *name = g_strconcat("/virtio-blk/geometry/", geometries[i].properties, NULL);

        g_test_add(name, struct desk, &geometries[i], set_up, shows_geometry, tear_down);
    }
    g_test_add("/virtio-blk/mistakes", struct desk, NULL, set_up, mistakes, tear_down);
    g_test_add("/virtio-blk/read-only", struct desk, NULL, set_up, read_only, tear_down);
    g_test_add("/virtio-blk/reset", struct desk, NULL, set_up, reset_in_mid_air, tear_down);
    g_test_add("/virtio-blk/unplug", struct desk, NULL, set_up, unplug_in_mid_air, tear_down);
    g_test_add("/virtio-blk/claimed", struct desk, NULL, set_up, claimed_once, tear_down);
    g_test_add("/virtio-blk/write-cache", struct desk, "on", set_up, write_cache, tear_down);
    g_test_add("/virtio-blk/no-write-cache", struct desk, "off", set_up, write_cache, tear_down);
    return g_test_run();
}
