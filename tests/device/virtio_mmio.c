/* tests/device/virtio_mmio.c - empty virtio MMIO transports. */
#include "hw/core/bus.h"
#include "tests/device/bench.h"

enum { BASE = 0x10001000 };

static void empty(struct bench *bench, gconstpointer data)
{
    u64 value;

    device_map(bench_device(bench, "virtio-mmio", NULL), 0, BASE);
    g_assert_cmphex(bench_read(bench, BASE, 4), ==, 0x74726976);
    g_assert_cmphex(bench_read(bench, BASE + 4, 4), ==, 1);
    g_assert_cmphex(bench_read(bench, BASE + 8, 4), ==, 0);
    g_assert_cmphex(bench_read(bench, BASE + 12, 4), ==, 0x554d4551);
    for (u32 offset = 0x10; offset < 0x200; offset += 4) {
        g_assert_cmphex(bench_read(bench, BASE + offset, 4), ==, 0);
        bench_write(bench, BASE + offset, 4, 0xffffffff);
        g_assert_cmphex(bench_read(bench, BASE + offset, 4), ==, 0);
    }
    g_assert_cmpint(bench_try_read(bench, BASE + 0x200, 4, &value), ==, MEM_UNMAPPED);
    bench_write(bench, BASE, 4, 0);
    g_assert_cmphex(bench_read(bench, BASE, 4), ==, 0x74726976);
}

static void modern(struct bench *bench, gconstpointer data)
{
    device_map(bench_device(bench, "virtio-mmio", "force-legacy=off"), 0, BASE);
    g_assert_cmphex(bench_read(bench, BASE + 4, 4), ==, 2);
}

static void eight_buses(struct bench *bench, gconstpointer data)
{
    GError *error = NULL;

    for (u32 i = 0; i < 8; i++) {
        struct device *transport = bench_device(bench, "virtio-mmio", NULL);
        g_autofree char *name = g_strdup_printf("virtio-mmio-bus.%u", i);
        struct bus *bus = bus_find(bench->vm, name);

        g_assert_nonnull(bus);
        g_assert_true(bus->object.parent == &transport->object);
        g_assert_true(bus_plug(bus, &transport->object, NULL));
        g_assert_false(bus_plug(bus, &transport->object, &error));
        g_clear_error(&error);
        bus_unplug(bus, &transport->object);
        g_assert_true(bus_plug(bus, &transport->object, NULL));
    }
    g_assert_null(bus_find(bench->vm, "virtio-mmio-bus.8"));
}

/* One goes, another comes: it does not get the name of the one that is left. */
static void names_are_unique(struct bench *bench, gconstpointer data)
{
    struct device *first = bench_device(bench, "virtio-mmio", NULL), *second = bench_device(bench, "virtio-mmio", NULL), *third;

    vm_object_destroy(&first->object);
    third = bench_device(bench, "virtio-mmio", NULL);
    g_assert_true(bus_find(bench->vm, "virtio-mmio-bus.1")->object.parent == &second->object);
    g_assert_true(bus_find(bench->vm, "virtio-mmio-bus.2")->object.parent == &third->object);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/virtio-mmio/empty", empty);
    BENCH_TEST("/virtio-mmio/modern", modern);
    BENCH_TEST("/virtio-mmio/buses", eight_buses);
    BENCH_TEST("/virtio-mmio/names", names_are_unique);
    return g_test_run();
}
