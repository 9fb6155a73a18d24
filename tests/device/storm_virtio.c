/*
 * tests/device/storm_virtio.c - every virtio device on every transport under drivers that are out of their minds: random registers,
 * rings whose descriptors are partly right, DMA aimed at the device itself, resets and hot unplug in between. Nothing breaks, and a
 * reset brings back exactly the state after power-on. Devices appear here by being declared; those that need properties have a row.
 */
#include "hw/virtio/internal.h"
#include "tests/device/storm.h"
#include "tests/device/virtio_driver.h"
#include <string.h>

enum { ROUNDS = 40, STEPS = 60 };

static const char *properties_of(const char *class_name)
{
    static const struct { const char *class_name, *properties; } rows[] = {
        { "virtio-9p-device", "fsdev=share;mount_tag=tag" },
        { "virtio-blk-device", "drive=disk;num-queues=2" },
        { "virtio-net-device", "netdev=n0" },
        { "virtio-rng-device", "max-bytes=100;period=1" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!strcmp(rows[i].class_name, class_name))
            return rows[i].properties;
    }
    return "";
}

struct storm {
    struct storm_backends backends;
    struct driver driver;
    GRand *rand;
    u32 queues;
};

static u32 below(struct storm *s, u32 limit)
{
    return (u32)g_rand_int_range(s->rand, 0, (s32)limit);
}

static bool once_in(struct storm *s, u32 times)
{
    return !below(s, times);
}

/* Somewhere in memory, mostly; sometimes at its end, in the device's registers, or nowhere. */
static u64 random_address(struct storm *s)
{
    const struct driver *d = &s->driver;
    const u64 special[] = { BENCH_RAM + BENCH_RAM_SIZE - 8, d->transport < PCI_LEGACY ? DRIVER_MMIO + 0x50 : d->pci.notify, 0, UINT64_MAX - 7,
                            DRIVER_ECAM + 0x8000, BENCH_RAM - 4 };

    return once_in(s, 12) ? special[below(s, ARRAY_SIZE(special))] : BENCH_RAM + below(s, BENCH_RAM_SIZE - 0x1000);
}

static u32 random_size(struct storm *s)
{
    return once_in(s, 20) ? g_rand_int(s->rand) : once_in(s, 3) ? below(s, 8) : below(s, 600);
}

static void random_chain(struct storm *s, struct driver_queue *q)
{
    struct driver_buffer buffers[6];
    u32 count = 1 + below(s, ARRAY_SIZE(buffers)), readable = below(s, count + 1);

    for (u32 i = 0; i < count; i++)
        buffers[i] = (struct driver_buffer){ random_address(s), random_size(s), once_in(s, 20) ? once_in(s, 2) : i >= readable };
    /* Requests that look like something: small numbers in the first bytes. */
    u64 first = buffers[0].address;
    if (first >= BENCH_RAM && first < BENCH_RAM + BENCH_RAM_SIZE - 16 && once_in(s, 2)) {
        for (u32 i = 0; i < 16; i++)
            s->driver.bench->ram->host[first - BENCH_RAM + i] = (u8)(once_in(s, 3) ? below(s, 12) : 0);
    }
    s->driver.heap = BENCH_RAM + 0x40000 + below(s, 0x40000);
    if (once_in(s, 4))
        driver_submit_indirect(&s->driver, q, buffers, count);
    else
        driver_submit(&s->driver, q, buffers, count);
    if (once_in(s, 25))
        bench_write(s->driver.bench, q->descriptors + 16 * below(s, q->size) + 8 + 2 * below(s, 4), 2, g_rand_int(s->rand) & 0xffff);
    if (once_in(s, 40))
        bench_write(s->driver.bench, q->available + below(s, 8), 1, g_rand_int(s->rand) & 0xff);
}

static void random_register(struct storm *s)
{
    const struct driver *d = &s->driver;
    const u64 places[][2] = { { DRIVER_PIO + 0x1000, 0x40 }, { d->pci.common, 0x40 }, { d->pci.config, 0x100 }, { DRIVER_MSIX, 0x1000 },
                              { DRIVER_ECAM + 0x8000, 0x100 }, { d->pci.isr, 4 } };
    u32 which = below(s, ARRAY_SIZE(places));
    u64 base = d->transport < PCI_LEGACY ? DRIVER_MMIO : places[which][0], size = d->transport < PCI_LEGACY ? 0x200 : places[which][1], value;
    unsigned width = 1u << below(s, 4);
    u64 at = base + bits_align_down(below(s, (u32)size), width);

    if (once_in(s, 2))
        bench_try_read(d->bench, at, width, &value);
    else
        bench_try_write(d->bench, at, width, once_in(s, 2) ? below(s, 4) : random_address(s));
}

/* Sets the device up as a driver that knows it, but for the features, would. */
static void set_up(struct storm *s)
{
    struct driver *d = &s->driver;

    d->heap = BENCH_RAM + 0x1000;
    if (!driver_negotiate(d, driver_offered(d) & (g_rand_boolean(s->rand) ? UINT64_MAX : (u64)g_rand_int(s->rand) << 32 | g_rand_int(s->rand))))
        driver_negotiate(d, 0);
    s->queues = MIN(virtio_device_of(&d->device->object)->queue_count, DRIVER_QUEUES);
    for (u32 i = 0; i < s->queues; i++)
        driver_queue(d, (u16)i, driver_is_legacy(d) ? 0 : (u16)(1u << below(s, 5)));
    driver_ok(d);
}

static void step(struct storm *s)
{
    struct driver *d = &s->driver;
    struct driver_queue *q = &d->queue[below(s, MAX(s->queues, 1))];
    u32 id, written;

    switch (below(s, 13)) {
    case 0:
        random_register(s);
        break;
    case 12:
        storm_frames(&s->backends, s->rand);
        break;
    case 1:
        vm_clock_advance(d->bench->vm, vm_clock_now(d->bench->vm, VM_CLOCK_VIRTUAL) + below(s, 1 << 24));
        break;
    case 2:
        while (q->size && driver_take(d, q, 1, &id, &written))
            ;
        break;
    case 3:
        driver_settle(d);
        break;
    default:
        if (!q->size)
            break;
        random_chain(s, q);
        if (once_in(s, 2))
            driver_kick(d, q);
    }
}

static void *state_copy(const struct device *device)
{
    return g_memdup2(device->state, device->decl->state_size);
}

/* What is in memory may differ: only declared state is compared, but for what a reset keeps. */
static void check_reset(struct storm *s, const void *fresh)
{
    struct device *device = s->driver.device;

    vm_reset(s->driver.bench->vm, VM_CAUSE_GUEST_RESET);
    driver_settle(&s->driver);
    for (u32 i = 0; i < device->decl->field_count; i++) {
        const struct device_field *f = &device->decl->fields[i];

        if (bench_is_reset(f) && memcmp((const u8 *)device->state + f->offset, (const u8 *)fresh + f->offset, (size_t)f->size * f->count))
            g_error("%s: %s differs after a reset", device->decl->name, f->name);
    }
}

/* All rounds on one transport; ends in mid-air. */
static void storm_on(struct storm *s)
{
    struct driver *d = &s->driver;
    g_autofree void *fresh = state_copy(d->device);

    for (u32 round = 0; round <= ROUNDS; round++) {
        if (d->transport >= PCI_LEGACY)
            driver_pci_start(d);
        set_up(s);
        for (u32 i = 0; i < STEPS; i++)
            step(s);
        if (round < ROUNDS)
            check_reset(s, fresh);
    }
}

/* What plugs into it: disks, ports. */
static void add_children(struct storm *s, const char *class_name)
{
    if (!strcmp(class_name, "virtio-scsi-device")) {
        bench_device(s->driver.bench, "scsi-hd", "drive=disk");
        bench_device(s->driver.bench, "scsi-hd", "drive=slow");
        bench_device(s->driver.bench, "scsi-cd", NULL);
    } else if (!strcmp(class_name, "virtio-serial-device")) {
        bench_device(s->driver.bench, "virtserialport", "name=port;chardev=r0");
        bench_device(s->driver.bench, "virtconsole", "chardev=r1");
    }
}

/* From plugging in to unplugging in mid-air. */
static void storm_with(struct storm *s, const char *class_name, enum driver_transport transport)
{
    g_autofree char *name = g_strndup(class_name, strlen(class_name) - strlen("-device"));
    g_autofree char *properties = g_strconcat("packed=on;in_order=on", *properties_of(class_name) ? ";" : "", properties_of(class_name), NULL);
    struct bench *bench = s->backends.bench;

    driver_init(&s->driver, bench, transport, name, properties);
    add_children(s, class_name);
    if (transport != PCI_LEGACY || bench_read(bench, driver_pci_config(0x10), 4) & 1) /* younger ones have none */
        storm_on(s);
    bench_empty(bench);
    driver_settle(&s->driver);
}

static void storm(struct bench *bench, gconstpointer data)
{
    const char *class_name = data;
    struct storm s = { .rand = storm_rand(class_name) };
    double end = storm_end();

    storm_backends_init(&s.backends, bench);
    for (u32 turn = 0; storm_goes_on(end, turn, 1); turn++) {
        for (enum driver_transport transport = 0; transport < TRANSPORTS; transport++)
            storm_with(&s, class_name, transport);
    }
    g_rand_free(s.rand);
    storm_backends_finish(&s.backends);
}

static void collect(const struct vm_class *class, void *opaque)
{
    if (g_str_has_prefix(class->name, "vhost-")) /* need another process or the kernel: tests/device/vhost_{user,vsock}.c */
        return;
    if (!class->abstract && vm_class_is_a(class, "virtio-device", VM_GUEST_RISCV64))
        g_ptr_array_add(opaque, (gpointer)class->name);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    g_test_init(&argc, &argv, NULL);
    vm_class_foreach(VM_GUEST_RISCV64, collect, names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strdup_printf("/storm/%s", (const char *)names->pdata[i]);

        g_test_add(path, struct bench, names->pdata[i], bench_set_up, storm, bench_tear_down);
    }
    return g_test_run();
}
