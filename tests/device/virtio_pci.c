/* tests/device/virtio_pci.c - the PCI transport of virtio devices: identity, bus mastering, MSI-X, the access capability. */
#include "tests/device/virtio_specimen.h"

/* PCI alone: identity, bus mastering, MSI-X, the access capability. */

static void pci_identity(struct bench *bench, gconstpointer data)
{
    static const struct { const char *properties; u32 id, revision; bool legacy, modern; } cases[] = {
        { NULL, 0x10091af4, 0, true, true }, { "disable-legacy=on", 0x10491af4, 1, false, true },
        { "disable-modern=on", 0x10091af4, 0, true, false }, { "disable-legacy=off", 0x10091af4, 0, true, true },
    };
    const u32 i = GPOINTER_TO_UINT(data);
    struct driver d;

    driver_init(&d, bench, PCI_MODERN, "virtio-specimen", cases[i].properties);
    g_assert_cmphex(bench_read(bench, driver_pci_config(0), 4), ==, cases[i].id);
    g_assert_cmphex(bench_read(bench, driver_pci_config(8), 4), ==, 0x00ff0000 | cases[i].revision);
    g_assert_cmphex(bench_read(bench, driver_pci_config(0x2c), 4), ==, cases[i].legacy ? 0x00091af4 : 0x11001af4);
    g_assert_cmphex(bench_read(bench, driver_pci_config(0x10), 4), ==, cases[i].legacy ? 0x1001 : 0);
    g_assert_cmphex(bench_read(bench, driver_pci_config(0x20), 4), ==, cases[i].modern ? 0xc : 0);
    g_assert_cmpuint(d.pci.common != 0, ==, cases[i].modern);
}

/* 6.3: what is for legacy drivers alone is not offered to others, which get the bits above 31 instead. */
static void offers_by_interface(struct bench *bench, gconstpointer data)
{
    const u64 old = BIT64(VIRTIO_F_NOTIFY_ON_EMPTY) | BIT64(VIRTIO_F_ANY_LAYOUT);
    struct driver d;

    driver_init(&d, bench, PCI_MODERN, "virtio-specimen", NULL);
    g_assert_cmphex(driver_offered(&d) & (old | BIT64(VIRTIO_F_VERSION_1)), ==, BIT64(VIRTIO_F_VERSION_1));
    g_assert_false(driver_negotiate(&d, BIT64(VIRTIO_F_NOTIFY_ON_EMPTY)));
    d.transport = PCI_LEGACY;
    driver_write(&d, DRIVER_STATUS, 0);
    driver_write(&d, DRIVER_STATUS, VIRTIO_ACKNOWLEDGE);
    g_assert_cmphex(driver_offered(&d) & old, ==, old);
}

static void bus_mastering(struct bench *bench, gconstpointer data)
{
    static const struct setting setting = { "", PCI_MODERN, 0 };
    struct driver d;
    const struct driver_buffer b = { BENCH_RAM, 16, true };
    u32 id, written;

    start(&d, bench, &setting);
    bench_write(bench, driver_pci_config(4), 2, 3);
    driver_submit(&d, &d.queue[0], &b, 1);
    driver_kick(&d, &d.queue[0]);
    g_assert_false(driver_take(&d, &d.queue[0], 1, &id, &written));
    bench_write(bench, driver_pci_config(4), 2, 7);
    g_assert_true(driver_take(&d, &d.queue[0], 1, &id, &written));
    g_assert_false(is_broken(&d));
}

/* Messages go to RAM here, where they can be seen. */
static void message_at(struct bench *bench, u32 vector, u64 address, u32 value, u32 masked)
{
    bench_write(bench, DRIVER_MSIX + 16 * vector, 8, address);
    bench_write(bench, DRIVER_MSIX + 16 * vector + 8, 4, value);
    bench_write(bench, DRIVER_MSIX + 16 * vector + 12, 4, masked);
}

static void messages(struct bench *bench, gconstpointer data)
{
    static const struct setting setting = { "", PCI_MSIX, 0 };
    const struct driver_buffer b = { BENCH_RAM + 64, 16, true };
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, &setting);

    g_assert_cmphex(bench_read(bench, DRIVER_MSIX + 12, 4), ==, 1); /* masked at first */
    message_at(bench, 0, BENCH_RAM, 0x1111, 0);
    message_at(bench, 1, BENCH_RAM, 0x2222, 1);
    message_at(bench, 2, BENCH_RAM, 0x3333, 0);
    bench_write(bench, BENCH_RAM, 8, 0);
    driver_submit(&d, &d.queue[0], &b, 1);
    driver_kick(&d, &d.queue[0]);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x1111);
    driver_submit(&d, &d.queue[1], &b, 1);
    driver_kick(&d, &d.queue[1]);
    virtio_request_complete(&s->held[0]->request, 0);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x1111);
    g_assert_cmphex(bench_read(bench, DRIVER_MSIX + 0x800, 4), ==, 2); /* pending */
    bench_write(bench, DRIVER_MSIX + 16 + 12, 4, 0);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x2222);
    g_assert_cmphex(bench_read(bench, DRIVER_MSIX + 0x800, 4), ==, 0);
    bench_write(bench, d.pci.common + 0x10, 2, 2);
    bench_write(bench, driver_pci_config(0x98 + 2), 2, 0xc000); /* function masked */
    virtio_config_changed(&s->virtio);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x2222);
    bench_write(bench, driver_pci_config(0x98 + 2), 2, 0x8000);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x3333);
    bench_write(bench, d.pci.common + 0x10, 2, 3);
    g_assert_cmphex(bench_read(bench, d.pci.common + 0x10, 2), ==, VIRTIO_NO_VECTOR);
    for (u32 line = 0; line < 4; line++)
        g_assert_cmpuint(line_level(&bench->line[line]), ==, 0);
    /* Its own doorbell as the address: refused while it is busy. */
    message_at(bench, 0, d.pci.notify, 0, 0);
    driver_submit(&d, &d.queue[0], &b, 1);
    driver_kick(&d, &d.queue[0]);
    g_assert_false(is_broken(&d));
}

static void access_capability(struct bench *bench, gconstpointer data)
{
    struct driver d;
    u32 at = 0x84;

    driver_init(&d, bench, PCI_MODERN, "virtio-specimen", NULL);
    g_assert_cmphex(bench_read(bench, driver_pci_config(at + 3), 1), ==, 5);
    bench_write(bench, driver_pci_config(4), 2, 0); /* no memory needed */
    bench_write(bench, driver_pci_config(at + 4), 1, 4);
    bench_write(bench, driver_pci_config(at + 8), 4, 0x2000);
    bench_write(bench, driver_pci_config(at + 12), 4, 4);
    g_assert_cmphex(bench_read(bench, driver_pci_config(at + 16), 4), ==, 0x11223344);
    bench_write(bench, driver_pci_config(at + 16), 4, 0x55667788);
    g_assert_cmphex(bench_read(bench, driver_pci_config(at + 16), 4), ==, 0x55667788);
    g_assert_cmphex(((struct virtio_specimen *)d.device)->state->word, ==, 0x55667788);
    static const struct { u32 bar, offset, length; } bad[] = { { 3, 0, 4 }, { 4, 0x4000, 4 }, { 4, 0xffffffff, 1 }, { 4, 1, 4 }, { 4, 0, 3 }, { 4, 0, 0 }, { 255, 0, 4 } };
    for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
        bench_write(bench, driver_pci_config(at + 4), 1, bad[i].bar);
        bench_write(bench, driver_pci_config(at + 8), 4, bad[i].offset);
        bench_write(bench, driver_pci_config(at + 12), 4, bad[i].length);
        bench_write(bench, driver_pci_config(at + 16), 4, UINT32_MAX);
        bench_read(bench, driver_pci_config(at + 16), 4);
    }
}

/* What resets the bus resets the device behind the function: nothing of before is used once memory can be reached again. */
static void bus_reset(struct bench *bench, gconstpointer data)
{
    static const struct setting setting = { "", PCI_MODERN, 0 };
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, &setting);
    const struct driver_buffer b = { BENCH_RAM, 16, true };
    u32 id, written;

    driver_submit(&d, &d.queue[1], &b, 1);
    driver_kick(&d, &d.queue[1]);
    g_assert_cmpuint(s->held_count, ==, 1);
    pci_bus_reset(pci_device_function(d.device->object.parent)->bus);
    driver_pci_start(&d);
    g_assert_cmphex(driver_read(&d, DRIVER_STATUS), ==, 0);
    g_assert_true(virtio_request_is_stale(&s->held[0]->request));
    virtio_request_complete(&s->held[0]->request, (u32)virtio_request_write(&s->held[0]->request, 0, "x", 1));
    driver_submit(&d, &d.queue[0], &b, 1);
    driver_kick(&d, &d.queue[0]);
    for (u16 i = 0; i < 2; i++) {
        g_assert_false(driver_take(&d, &d.queue[i], 1, &id, &written));
        driver_write(&d, DRIVER_QUEUE_SELECT, i);
        g_assert_cmpuint(driver_read(&d, DRIVER_QUEUE_ENABLE), ==, 0);
    }
}

/* A wish that cannot be fulfilled is refused before anything is there. */
static void too_many_vectors(struct bench *bench, gconstpointer data)
{
    struct device *host = bench_device(bench, "gpex-pcihost", DRIVER_PCI_HOST);
    struct vm_object *object = vm_object_create(bench->vm, "virtio-specimen-pci", vm_root(bench->vm), "x", NULL);
    g_autoptr(GError) error = NULL;

    gpex_bus(host)->msi = true;
    g_assert_true(vm_object_set(object, "vectors", "1025", NULL));
    g_assert_false(vm_object_realize(object, &error));
    g_assert_cmpstr(error->message, ==, "vectors=1025: at most 1024");
    g_assert_false(vm_object_child(object, "virtio-backend")->realized);
    g_assert_null(pci_device_function(object)->writable);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (u32 i = 0; i < 4; i++) {
        g_autofree char *path = g_strdup_printf("/virtio/pci/identity/%u", i);
        g_test_add(path, struct bench, GUINT_TO_POINTER(i), bench_set_up, pci_identity, bench_tear_down);
    }
    BENCH_TEST("/virtio/pci/bus-master", bus_mastering);
    BENCH_TEST("/virtio/pci/offers", offers_by_interface);
    BENCH_TEST("/virtio/pci/msix", messages);
    BENCH_TEST("/virtio/pci/access", access_capability);
    BENCH_TEST("/virtio/pci/bus-reset", bus_reset);
    BENCH_TEST("/virtio/pci/too-many-vectors", too_many_vectors);
    return g_test_run();
}
