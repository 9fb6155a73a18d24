/* tests/device/pci_bridge.c - root ports and bridges: windows, routing, interrupts, MSI, and devices that come and go in a slot. */
#include "base/bits.h"
#include "hw/core/plug.h"
#include "hw/pci/bridge.h"
#include "hw/pci/gpex.h"
#include "tests/device/bench.h"
#include "vm/internal.h"
#include <json-c/json.h>
#include <string.h>

#define ECAM UINT64_C(0x30000000)
#define LOW  UINT64_C(0x40000000)
#define HIGH UINT64_C(0x400000000)
#define VIRT_HOST                                                                                                       \
    "x-ecam-base=0x30000000;x-ecam-size=256M;x-pio-base=0x3000000;x-pio-size=64k;x-below-4g-mmio-base=0x40000000;"      \
    "x-below-4g-mmio-size=1G;x-above-4g-mmio-base=0x400000000;x-above-4g-mmio-size=16G"

static u64 config(u32 bus, u32 slot, u32 offset)
{
    return ECAM + ((u64)bus << 20) + ((u64)slot << 15) + offset;
}

static struct vm_object *add(struct bench *bench, const char *driver, const char *id, const char *const *pairs)
{
    GError *error = NULL;
    struct vm_object *object = device_add(bench->vm, driver, id, pairs, &error);

    g_assert_no_error(error);
    return object;
}

/* A host with a root port "rp" at 01.0. */
static struct vm_object *make(struct bench *bench, const char *port_property, const char *value)
{
    struct vm_object *machine = vm_object_create(bench->vm, "none-machine", vm_root(bench->vm), "machine", NULL);
    struct device *host = bench_device(bench, "gpex-pcihost", VIRT_HOST);
    const char *const pairs[] = { "addr", "1", "slot", "5", port_property, value, NULL };

    g_assert_nonnull(machine);
    for (u32 i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("irq%u", i);
        device_connect(host, name, &bench->line[i]);
    }
    gpex_map(host);
    gpex_bus(host)->msi = true;
    return add(bench, "pcie-root-port", "rp", pairs);
}

/* What firmware does: numbers, windows, bus mastering. */
static void configure(struct bench *bench, u32 bus, u32 slot, u32 secondary, u32 subordinate)
{
    bench_write(bench, config(bus, slot, 0x18), 4, bus | secondary << 8 | subordinate << 16);
    bench_write(bench, config(bus, slot, 0x20), 4, (LOW >> 16 & 0xfff0) | (u32)((LOW + 0x100000) & 0xfff00000)); /* 2 MiB */
    bench_write(bench, config(bus, slot, 0x24), 4, 0x00100000);                                             /* 2 MiB at HIGH */
    bench_write(bench, config(bus, slot, 0x28), 4, HIGH >> 32);
    bench_write(bench, config(bus, slot, 0x2c), 4, HIGH >> 32);
    bench_write(bench, config(bus, slot, 0x1c), 2, 0x2010); /* I/O 1000-2fff */
    bench_write(bench, config(bus, slot, 4), 2, 7);
}

static u32 find_capability(struct bench *bench, u32 bus, u32 slot, u32 id)
{
    u32 at = (u32)bench_read(bench, config(bus, slot, 0x34), 1);

    while (at && bench_read(bench, config(bus, slot, at), 1) != id)
        at = (u32)bench_read(bench, config(bus, slot, at + 1), 1);
    return at;
}

/* Offset in configuration space; value at power-on; bits that writes change. Those of a root port that QEMU 11.1.3 makes. */
static const struct {
    u32 offset, start, writable;
} extended[] = {
    { 0x100, 0x14820001, 0 },          /* advanced error reporting 2, next at 0x148 */
    { 0x104, 0, 0 },                   /* no errors */
    { 0x108, 0x02400000, 0x03fff030 }, { 0x10c, 0x00462030, 0x03fff030 }, { 0x110, 0, 0 }, { 0x114, 0xe000, 0xf1c1 },
    { 0x118, 0x2a0, 0x540 },           { 0x11c, 0, 0 },                   { 0x12c, 0, 7 }, { 0x130, 0, 0 }, { 0x134, 0, 0 },
    { 0x148, 0x0001000d, 0 },          /* access control services, the last */
    { 0x14c, 0x5f, 0x005f0000 },       { 0x150, 0, 0 },
};

static void has_extended_capabilities(struct bench *bench, gconstpointer data)
{
    make(bench, NULL, NULL);
    for (u32 round = 0; round < 2; round++) {
        vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
        for (u32 i = 0; i < ARRAY_SIZE(extended); i++) {
            u64 at = config(0, 1, extended[i].offset);
            u32 fixed = extended[i].start & ~extended[i].writable;

            g_assert_cmphex(bench_read(bench, at, 4), ==, extended[i].start);
            bench_write(bench, at, 4, UINT32_MAX);
            g_assert_cmphex(bench_read(bench, at, 4), ==, fixed | extended[i].writable);
            bench_write(bench, at, 4, 0);
            g_assert_cmphex(bench_read(bench, at, 4), ==, fixed);
        }
    }
    u32 subsystem = find_capability(bench, 0, 1, 0x0d);
    g_assert_cmpuint(subsystem, >, 0);
    g_assert_cmphex(bench_read(bench, config(0, 1, subsystem + 4), 4), ==, 0x1b36);
}

static void shows_windows(struct bench *bench, gconstpointer data)
{
    const char *const pairs[] = { "bus", "rp", NULL };

    make(bench, NULL, NULL);
    add(bench, "virtio-rng-pci", "rng", pairs);
    vm_reset(bench->vm, VM_CAUSE_NONE);
    g_assert_cmphex(bench_read(bench, config(0, 1, 0), 4), ==, 0x000c1b36);
    g_assert_cmphex(bench_read(bench, config(0, 1, 8), 4), ==, 0x06040000);
    g_assert_cmphex(bench_read(bench, config(0, 1, 0x0e), 1), ==, 1);
    g_assert_cmphex(bench_read(bench, config(1, 0, 0), 4), ==, 0xffffffff); /* no number yet */
    configure(bench, 0, 1, 1, 1);
    g_assert_cmphex(bench_read(bench, config(1, 0, 0), 4), ==, 0x10441af4); /* behind a port: modern */
    g_assert_cmphex(bench_read(bench, config(1, 1, 0), 4), ==, 0xffffffff);
    g_assert_cmphex(bench_read(bench, config(1, 0, 0x100), 4), ==, 0);      /* extended space */
    g_assert_cmpuint(find_capability(bench, 1, 0, 0x10), >, 0);
    bench_write(bench, config(1, 0, 0x20), 4, 0x4000);
    bench_write(bench, config(1, 0, 0x24), 4, HIGH >> 32);
    bench_write(bench, config(1, 0, 4), 2, 6);
    g_assert_cmphex(bench_read(bench, HIGH + 0x4012, 2), ==, 1);            /* num_queues */
    bench_write(bench, config(1, 0, 0x20), 4, 0x200000);                    /* behind the window */
    g_assert_cmphex(bench_read(bench, HIGH + 0x200012, 2), ==, 0xffff);
    bench_write(bench, config(0, 1, 0x26), 2, 0x0020);                      /* which grows */
    g_assert_cmphex(bench_read(bench, HIGH + 0x200012, 2), ==, 1);
    bench_write(bench, config(0, 1, 4), 2, 4);
    g_assert_cmphex(bench_read(bench, HIGH + 0x200012, 2), ==, 0xffff);
    bench_write(bench, config(0, 1, 4), 2, 6);
    g_assert_cmphex(bench_read(bench, HIGH + 0x200012, 2), ==, 1);
    bench_write(bench, config(0, 1, 0x3e), 2, 0x40);                        /* reset of the bus */
    g_assert_cmphex(bench_read(bench, HIGH + 0x200012, 2), ==, 0xffff);
    g_assert_cmphex(bench_read(bench, config(1, 0, 0x20), 4), ==, 0xc);
    bench_write(bench, config(0, 1, 0x18), 4, 0x00030300);
    g_assert_cmphex(bench_read(bench, config(1, 0, 0), 4), ==, 0xffffffff);
    g_assert_cmphex(bench_read(bench, config(3, 0, 0), 4), ==, 0x10441af4);
}

/* Root port, bridge, device: numbers lead there, the pin comes back turned at each step, and each step can stop DMA. */
static void nests(struct bench *bench, gconstpointer data)
{
    const char *const bridge[] = { "bus", "rp", NULL }, *const device[] = { "bus", "br", "addr", "6.0", NULL };
    struct vm_object *rng;
    struct pci_function *f;

    make(bench, NULL, NULL);
    add(bench, "pcie-pci-bridge", "br", bridge);
    rng = add(bench, "virtio-rng-pci", "rng", device);
    f = pci_device_function(rng);
    vm_reset(bench->vm, VM_CAUSE_NONE);
    configure(bench, 0, 1, 1, 2);
    configure(bench, 1, 0, 2, 2);
    g_assert_cmphex(bench_read(bench, config(1, 0, 0), 4), ==, 0x000e1b36);
    g_assert_cmphex(bench_read(bench, config(2, 6, 0), 4), ==, 0x10051af4); /* conventional: transitional */
    g_assert_cmphex(bench_read(bench, config(2, 7, 0), 4), ==, 0xffffffff);
    bench_write(bench, config(2, 6, 4), 2, 7);
    g_assert_true(pci_function_may_dma(f));
    bench_write(bench, config(0, 1, 4), 2, 3);
    g_assert_false(pci_function_may_dma(f));
    bench_write(bench, config(0, 1, 4), 2, 7);
    bench_write(bench, config(1, 0, 4), 2, 3);
    g_assert_false(pci_function_may_dma(f));
    pci_function_set_intx(f, true); /* slot 6 INTA -> 2, bridge slot 0 -> 2, port slot 1 -> 3 */
    for (u32 line = 0; line < 4; line++)
        g_assert_cmpuint(line_level(&bench->line[line]), ==, line == 3);
    pci_function_set_intx(f, false);
    g_assert_cmpuint(line_level(&bench->line[3]), ==, 0);
    pci_function_set_intx(f, true);
    vm_object_destroy(vm_object_resolve(bench->vm, "/machine/peripheral/br"));
    /* What was plugged in there has its bus gone, and pulls nothing any more. */
    g_assert_cmpuint(line_level(&bench->line[3]), ==, 0);
}

static void sleeps(struct bench *bench, gconstpointer data)
{
    const char *const pairs[] = { "bus", "rp", NULL };

    make(bench, NULL, NULL);
    add(bench, "virtio-rng-pci", "rng", pairs);
    vm_reset(bench->vm, VM_CAUSE_NONE);
    configure(bench, 0, 1, 1, 1);
    u32 power = find_capability(bench, 1, 0, 1);
    bench_write(bench, config(1, 0, 0x24), 4, HIGH >> 32);
    bench_write(bench, config(1, 0, 0x20), 4, 0x4000);
    bench_write(bench, config(1, 0, 4), 2, 6);
    g_assert_cmphex(bench_read(bench, HIGH + 0x4012, 2), ==, 1);
    bench_write(bench, config(1, 0, power + 4), 2, 3);
    g_assert_cmphex(bench_read(bench, HIGH + 0x4012, 2), ==, 0xffff);
    bench_write(bench, config(1, 0, power + 4), 2, 0);
    g_assert_cmphex(bench_read(bench, HIGH + 0x4012, 2), ==, 1);
}

/* Coming and going. */

struct events {
    u32 deleted;
    char *last;
};

static void note_event(void *opaque, const char *name, struct json_object *object)
{
    struct events *events = opaque;
    struct json_object *id = NULL;

    events->deleted += !strcmp(name, "DEVICE_DELETED");
    g_free(events->last);
    json_object_object_get_ex(object, "device", &id);
    events->last = g_strdup(id ? json_object_get_string(id) : "");
    json_object_put(object);
}

static void settle(struct bench *bench)
{
    for (u32 i = 0; i < 4; i++) {
        while (g_main_context_iteration(vm_context(bench->vm), FALSE))
            ;
        vm_inbox_deliver(bench->vm);
    }
}

enum { BUTTON = 1, PRESENCE = 8, COMMAND = 16, PRESENT = 64, LINK = 256, ALL_EVENTS = 0x1029, INTERRUPTS = 32, POWER_OFF = 0x400, LIGHT_OFF = 0x300, LIGHT_ON = 0x100 };

static void comes_and_goes(struct bench *bench, gconstpointer data)
{
    struct events events = { 0 };
    const struct api_event_sink sink = { note_event, &events };
    const char *const pairs[] = { "bus", "rp", NULL };
    GError *error = NULL;

    make(bench, NULL, NULL);
    vm_set_events(bench->vm, &sink);
    g_assert_true(vm_complete(bench->vm, NULL));
    vm_reset(bench->vm, VM_CAUSE_NONE);
    configure(bench, 0, 1, 1, 1);
    u32 express = find_capability(bench, 0, 1, 0x10), msi = find_capability(bench, 0, 1, 5);
    u64 control = config(0, 1, express + 0x18), status = config(0, 1, express + 0x1a);
    g_assert_cmphex(bench_read(bench, config(0, 1, express + 0x14), 4), ==, 5u << 19 | 0x7b);
    g_assert_cmphex(bench_read(bench, control, 2) & POWER_OFF, ==, POWER_OFF); /* empty */
    g_assert_cmphex(bench_read(bench, status, 2), ==, 0);
    bench_write(bench, control, 2, ALL_EVENTS | INTERRUPTS | POWER_OFF | LIGHT_OFF);
    bench_write(bench, status, 2, 0xffff);
    /* In: the pin says so, power is the guest's to switch. */
    g_assert_false(device_add(bench->vm, "virtio-rng-pci", "no", (const char *const[]){ "bus", "rp", "addr", "1", NULL }, &error));
    g_clear_error(&error);
    add(bench, "virtio-rng-pci", "rng", pairs);
    g_assert_cmphex(bench_read(bench, status, 2), ==, PRESENT | PRESENCE | BUTTON);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 1);
    bench_write(bench, status, 2, PRESENCE | BUTTON);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 0);
    g_assert_cmphex(bench_read(bench, config(1, 0, 0), 4), ==, 0xffffffff);
    bench_write(bench, control, 2, ALL_EVENTS | INTERRUPTS | LIGHT_ON);
    g_assert_cmphex(bench_read(bench, config(1, 0, 0), 4), ==, 0x10441af4);
    g_assert_cmphex(bench_read(bench, config(0, 1, express + 0x12), 2) & 0x2000, ==, 0x2000); /* link active */
    g_assert_cmphex(bench_read(bench, status, 2), ==, PRESENT | COMMAND);
    bench_write(bench, status, 2, COMMAND);
    /* Out, by a message this time. */
    bench_write(bench, config(0, 1, msi + 4), 8, BENCH_RAM);
    bench_write(bench, config(0, 1, msi + 12), 2, 0x77);
    bench_write(bench, config(0, 1, msi + 2), 2, 1);
    bench_write(bench, BENCH_RAM, 4, 0);
    g_assert_true(device_del(bench->vm, "rng", NULL));
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 4), ==, 0x77);
    g_assert_cmphex(bench_read(bench, status, 2), ==, PRESENT | BUTTON);
    g_assert_false(device_del(bench->vm, "rng", &error));
    g_assert_nonnull(strstr(error->message, "already in the process of unplug"));
    g_clear_error(&error);
    settle(bench);
    g_assert_cmpuint(events.deleted, ==, 0);
    /* A guest that has not reacted for 5 s is asked again. */
    bench_write(bench, status, 2, BUTTON);
    vm_clock_advance(bench->vm, INT64_C(4999999999));
    g_assert_false(device_del(bench->vm, "rng", &error));
    g_clear_error(&error);
    g_assert_cmphex(bench_read(bench, status, 2), ==, PRESENT);
    vm_clock_advance(bench->vm, INT64_C(5000000000));
    g_assert_true(device_del(bench->vm, "rng", NULL));
    g_assert_cmphex(bench_read(bench, status, 2), ==, PRESENT | BUTTON);
    bench_write(bench, control, 2, ALL_EVENTS | INTERRUPTS | 0x200); /* blinks: wait */
    g_assert_false(device_del(bench->vm, "rng", &error));
    g_clear_error(&error);
    bench_write(bench, control, 2, ALL_EVENTS | INTERRUPTS | POWER_OFF | LIGHT_OFF);
    settle(bench);
    g_assert_cmpuint(events.deleted, ==, 1);
    g_assert_cmpstr(events.last, ==, "rng");
    g_assert_cmphex(bench_read(bench, status, 2) & PRESENT, ==, 0);
    g_assert_null(vm_object_resolve(bench->vm, "/machine/peripheral/rng"));
    /* Again, and out while the guest does not look. */
    add(bench, "virtio-rng-pci", "rng", pairs);
    g_assert_true(device_del(bench->vm, "/machine/peripheral/rng", NULL));
    settle(bench);
    g_assert_cmpuint(events.deleted, ==, 2);
    g_free(events.last);
    vm_set_events(bench->vm, NULL);
}

static void refuses(struct bench *bench, gconstpointer data)
{
    const char *const port[] = { "bus", "rp", NULL }, *const root[] = { "bus", "pcie.0", NULL }, *const nowhere[] = { "bus", "rp9", NULL };
    static const struct { const char *id, *message; } deletions[] = {
        { "rp", "Bus 'pcie.0' does not support hotplugging" }, { "nobody", "Device 'nobody' not found" }, { "fixed", "does not support hotplugging" },
    };

    make(bench, "hotplug", "off");
    add(bench, "virtio-rng-pci", "fixed", port);
    g_assert_true(vm_complete(bench->vm, NULL));
    const struct { const char *driver; const char *const *pairs; const char *message; } additions[] = {
        { "virtio-rng-pci", root, "Bus 'pcie.0' does not support hotplugging" },
        { "virtio-rng-pci", port, "" },
        { "virtio-rng-pci", nowhere, "Bus 'rp9' not found" },
        { "virtio-rng-device", port, "can't go on PCIE bus" },
        { "virtio-pci", port, "there is no device 'virtio-pci'" },
    };
    for (u32 i = 0; i < ARRAY_SIZE(additions); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(device_add(bench->vm, additions[i].driver, "x", additions[i].pairs, &error));
        g_assert_nonnull(strstr(error->message, additions[i].message));
    }
    for (u32 i = 0; i < ARRAY_SIZE(deletions); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(device_del(bench->vm, deletions[i].id, &error));
        g_assert_nonnull(strstr(error->message, deletions[i].message));
    }
}

/* Configuration space of everything, without sense; devices come and go meanwhile. */
static void storm(struct bench *bench, gconstpointer data)
{
    const char *const bridge[] = { "bus", "rp", NULL }, *const device[] = { "bus", "rp2", NULL }, *const other[] = { "addr", "2", NULL };
    g_autoptr(GRand) rand = g_rand_new_with_seed(99);

    make(bench, NULL, NULL);
    add(bench, "pcie-pci-bridge", "br", bridge);
    add(bench, "virtio-rng-pci", "rng", (const char *const[]){ "bus", "br", NULL });
    add(bench, "pcie-root-port", "rp2", other);
    g_assert_true(vm_complete(bench->vm, NULL));
    for (u32 i = 0; i < 40000; i++) {
        u32 bus = (u32)g_rand_int_range(rand, 0, 4), slot = (u32)g_rand_int_range(rand, 0, 3);
        unsigned size = 1u << g_rand_int_range(rand, 0, 3);
        u64 at = config(bus, slot, (u32)bits_align_down((u32)g_rand_int_range(rand, 0, 300), size)), value;

        if (i % 200 == 0) {
            configure(bench, 0, 1, 1, 2);
            configure(bench, 1, 0, 2, 2);
            configure(bench, 0, 2, 3, 3);
        }
        if (i % 333 == 0 && !device_add(bench->vm, "virtio-rng-pci", "hot", device, NULL))
            device_del(bench->vm, "hot", NULL);
        if (i % 100 == 0)
            settle(bench);
        if (g_rand_boolean(rand))
            bench_try_read(bench, at, size, &value);
        else
            bench_try_write(bench, at, size, g_rand_int(rand));
    }
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    configure(bench, 0, 1, 1, 2);
    g_assert_cmphex(bench_read(bench, config(0, 1, 0), 4), ==, 0x000c1b36);
    g_assert_cmphex(bench_read(bench, config(1, 0, 0), 4), ==, 0x000e1b36);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/pci-bridge/windows", shows_windows);
    BENCH_TEST("/pci-bridge/extended-capabilities", has_extended_capabilities);
    BENCH_TEST("/pci-bridge/nested", nests);
    BENCH_TEST("/pci-bridge/power-states", sleeps);
    BENCH_TEST("/pci-bridge/slot", comes_and_goes);
    BENCH_TEST("/pci-bridge/refused", refuses);
    BENCH_TEST("/pci-bridge/storm", storm);
    return g_test_run();
}
