/*
 * tests/device/storm_pci.c - every PCI device under a driver that is out of its mind: configuration space and BARs at random, BARs that
 * move onto each other and onto RAM, addresses of RAM, of the device itself and of nothing in its registers, rings of random descriptors,
 * frames that arrive, resets and unplugging in between. Nothing breaks, and a reset brings back exactly the state after power-on. Devices
 * appear here by being declared; those that need properties have a row.
 */
#include "base/bits.h"
#include "hw/pci/gpex.h"
#include "tests/device/storm.h"
#include "hw/pci/pci.h"
#include <string.h>

enum { LIVES = 3, ROUNDS = 5, STEPS = 400, MOST_PLACES = PCI_BARS };
#define ECAM   UINT64_C(0x30000000)
#define SLOT   (ECAM + 0x8000) /* 01.0 */
#define BELOW  UINT64_C(0x40000000)
#define PIO    UINT64_C(0x3000000)
#define HOST                                                                                                               \
    "x-ecam-base=0x30000000;x-ecam-size=256M;x-pio-base=0x3000000;x-pio-size=64k;x-below-4g-mmio-base=0x40000000;"          \
    "x-below-4g-mmio-size=1G;x-above-4g-mmio-base=0x400000000;x-above-4g-mmio-size=16G"

/* A register that makes a device do something, and what a driver would write there; 0 in `value` is an address. */
struct habit {
    u32 bar, offset, value;
};

static const struct habit e1000e_habits[] = {
    { 0, 0x100, 0x8002 }, { 0, 0x400, 0x3f0fa }, { 0, 0x2800, 0 }, { 0, 0x2808, 256 }, { 0, 0x2818, 12 }, { 0, 0x3800, 0 }, { 0, 0x3808, 256 },
    { 0, 0x3818, 12 }, { 0, 0x2818, 3 }, { 0, 0x3818, 3 }, { 0, 0xd0, 0xffffffff }, { 0, 0x5008, 0x8000 }, { 0, 0x2900, 0 }, { 0, 0x2908, 256 },
    { 0, 0x3900, 0 }, { 0, 0x3908, 256 }, { 0, 0x3918, 5 }, { 0, 0x5818, 0x10001 },
};
static const struct habit edu_habits[] = { { 0, 0x80, 0 }, { 0, 0x88, 0x40000 }, { 0, 0x90, 64 }, { 0, 0x98, 1 }, { 0, 0x98, 7 }, { 0, 8, 12 }, { 0, 0x60, 5 } };
static const struct habit nvme_habits[] = {
    { 0, 0x14, 0x460001 }, { 0, 0x14, 0 }, { 0, 0x24, 0xf000f }, { 0, 0x28, 0 }, { 0, 0x2c, 0x10000 }, { 0, 0x30, 0 }, { 0, 0x1000, 3 }, { 0, 0x1004, 2 }, { 0, 0x1000, 9 },
};
static const struct habit bochs_habits[] = { { 2, 0x502, 640 }, { 2, 0x504, 480 }, { 2, 0x506, 32 }, { 2, 0x508, 0x41 }, { 2, 0x508, 0 } };

static const struct row {
    const char *class_name, *properties;
    const struct habit *habits;
    u32 habit_count;
} rows[] = {
    { "bochs-display", "vgamem=1M", bochs_habits, ARRAY_SIZE(bochs_habits) },
    { "e1000e", "netdev=n0", e1000e_habits, ARRAY_SIZE(e1000e_habits) },
    { "edu", NULL, edu_habits, ARRAY_SIZE(edu_habits) },
    { "nvme", "drive=disk;serial=s", nvme_habits, ARRAY_SIZE(nvme_habits) },
    { "pci-testdev", "membar=64k;membar-backed=on" },
    { "virtio-9p-pci", "fsdev=share;mount_tag=tag" },
    { "virtio-9p-pci-transitional", "fsdev=share;mount_tag=tag" },
    { "virtio-9p-pci-non-transitional", "fsdev=share;mount_tag=tag" },
    { "virtio-blk-pci", "drive=slow" },
    { "virtio-blk-pci-transitional", "drive=disk" },
    { "virtio-blk-pci-non-transitional", "drive=disk" },
    { "virtio-net-pci", "netdev=n0" },
    { "virtio-net-pci-transitional", "netdev=n0" },
    { "virtio-net-pci-non-transitional", "netdev=n0" },
};

static const struct row *row_of(const char *class_name)
{
    static const struct row none;

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!strcmp(rows[i].class_name, class_name))
            return &rows[i];
    }
    return &none;
}

struct storm {
    struct storm_backends backends;
    struct bench *bench;
    GRand *rand;
    const struct row *row;
    struct device *device;
    u64 base[PCI_BARS], size[PCI_BARS]; /* 0: no such BAR */
};

static u32 below(struct storm *s, u32 limit)
{
    return (u32)g_rand_int_range(s->rand, 0, (gint32)limit);
}

static bool once_in(struct storm *s, u32 times)
{
    return !below(s, times);
}

/* Mostly RAM; its end, the device itself, nothing. */
static u64 address(struct storm *s)
{
    u32 bar = below(s, PCI_BARS);

    switch (below(s, 12)) {
    case 0:
        return s->size[bar] ? s->base[bar] + below(s, (u32)MIN(s->size[bar], INT32_MAX)) : SLOT;
    case 1:
        return (u64)g_rand_int(s->rand) << 32 | g_rand_int(s->rand);
    case 2:
        return BENCH_RAM + BENCH_RAM_SIZE - below(s, 64);
    case 3:
        return SLOT + below(s, 4096);
    case 4:
        return UINT64_MAX - below(s, 5000);
    default:
        return BENCH_RAM + 16 * below(s, BENCH_RAM_SIZE / 16);
    }
}

static u64 value(struct storm *s)
{
    switch (below(s, 4)) {
    case 0:
        return (u64)g_rand_int(s->rand) << 32 | g_rand_int(s->rand);
    case 1:
        return address(s);
    case 2:
        return BIT64(below(s, 64));
    default:
        return below(s, 300);
    }
}

/* Sizes its BARs as firmware does, and puts each at its place. */
static void find_bars(struct storm *s)
{
    for (u32 i = 0; i < PCI_BARS; i++) {
        u64 at = SLOT + PCI_BAR0 + 4 * i, bits;

        s->base[i] = s->size[i] = 0;
        bench_write(s->bench, at, 4, UINT32_MAX);
        bits = bench_read(s->bench, at, 4);
        if (!bits)
            continue;
        bool io = bits & PCI_BAR_IO, wide = !io && bits & PCI_BAR_64;
        s->size[i] = ~(u32)(bits & (io ? ~3u : ~15u)) + UINT64_C(1);
        s->base[i] = io ? 0x1000 * (i + 1) : BELOW + i * UINT64_C(0x8000000);
        bench_write(s->bench, at, 4, s->base[i]);
        s->base[i] += io ? PIO : 0;
        if (wide) {
            bench_write(s->bench, at + 4, 4, 0);
            i++;
            s->base[i] = s->size[i] = 0;
        }
    }
    bench_write(s->bench, SLOT + PCI_COMMAND, 2, 7);
}

/* One BAR goes elsewhere, perhaps onto RAM or another one; the next find_bars puts it back. */
static void move_bar(struct storm *s)
{
    bench_try_write(s->bench, SLOT + PCI_BAR0 + 4 * below(s, PCI_BARS), 4, once_in(s, 2) ? address(s) : BELOW + below(s, 64) * 0x100000);
}

static void touch(struct storm *s, u64 at, unsigned size)
{
    u64 got;

    if (!once_in(s, 8))
        at = bits_align_down(at, size);
    if (once_in(s, 3))
        bench_try_read(s->bench, at, size, &got);
    else
        bench_try_write(s->bench, at, size, value(s));
}

static void touch_bar(struct storm *s)
{
    const struct device_decl *decl = s->device->decl;
    u32 bar = below(s, PCI_BARS), offset;

    if (!s->size[bar])
        return;
    offset = below(s, (u32)MIN(s->size[bar], once_in(s, 2) ? 0x100 : 0x20000));
    if (decl->reg_count && !once_in(s, 3)) {
        const struct device_reg *reg = &decl->regs[below(s, decl->reg_count)];

        offset = (u32)reg->offset + (reg->count ? reg->stride * below(s, reg->count) : 0);
    }
    touch(s, s->base[bar] + offset, 1u << below(s, 4));
}

static void follow_habit(struct storm *s)
{
    const struct habit *habit = s->row->habits + below(s, s->row->habit_count);

    if (s->size[habit->bar])
        bench_try_write(s->bench, s->base[habit->bar] + habit->offset, 4, habit->value ? habit->value : BENCH_RAM + 0x1000 * below(s, 16));
}

/* Descriptors anywhere: an address, then small numbers and flags. */
static void fill_ram(struct storm *s)
{
    u8 *ram = s->bench->ram->host + 0x1000 * below(s, 16);

    for (u32 i = 0; i < 0x1000; i += 16) {
        bits_store_le(ram + i, 8, address(s));
        bits_store_le(ram + i + 8, 8, once_in(s, 2) ? below(s, 2048) | (u64)below(s, 256) << 24 | (u64)g_rand_int(s->rand) << 32 : value(s));
    }
}

static void settle(struct storm *s)
{
    while (g_main_context_iteration(vm_context(s->bench->vm), FALSE))
        ;
    vm_inbox_deliver(s->bench->vm);
}

static void step(struct storm *s)
{
    switch (below(s, 24)) {
    case 0:
        touch(s, SLOT + below(s, once_in(s, 4) ? 4096 : 256), 1u << below(s, 3));
        break;
    case 1:
        move_bar(s);
        break;
    case 2:
        find_bars(s);
        break;
    case 3:
        vm_clock_advance(s->bench->vm, vm_clock_now(s->bench->vm, VM_CLOCK_VIRTUAL) + below(s, 1 << 24));
        break;
    case 4:
        fill_ram(s);
        break;
    case 5:
        storm_frames(&s->backends, s->rand);
        break;
    case 6:
    case 7:
        settle(s);
        break;
    case 8:
    case 9:
    case 10:
    case 11:
        if (s->row->habit_count) {
            follow_habit(s);
            break;
        }
        /* fall through */
    default:
        touch_bar(s);
    }
}

static void check_reset(struct storm *s, const u8 *fresh)
{
    vm_reset(s->bench->vm, VM_CAUSE_GUEST_RESET);
    settle(s);
    for (u32 i = 0; i < s->device->decl->field_count; i++) {
        const struct device_field *f = &s->device->decl->fields[i];

        if (bench_is_reset(f) && memcmp((u8 *)s->device->state + f->offset, fresh + f->offset, (size_t)f->size * f->count))
            g_error("%s: %s differs after a reset", s->device->decl->name, f->name);
    }
    g_assert_false(s->device->busy);
}

/* From plugging in to unplugging in mid-air. */
static void live(struct storm *s, const char *class_name)
{
    struct device *host = bench_device(s->bench, "gpex-pcihost", HOST);

    for (u32 i = 0; i < PCI_PINS; i++) {
        g_autofree char *line = g_strdup_printf("irq%u", i);

        device_connect(host, line, &s->bench->line[i]);
    }
    gpex_map(host);
    gpex_bus(host)->msi = g_rand_boolean(s->rand);
    s->device = bench_device(s->bench, class_name, s->row->properties);
    vm_reset(s->bench->vm, VM_CAUSE_NONE);
    g_autofree u8 *fresh = g_memdup2(s->device->state, s->device->decl->state_size);
    for (u32 round = 0; round < ROUNDS; round++) {
        find_bars(s);
        for (u32 i = 0; i < STEPS; i++)
            step(s);
        if (round + 1 < ROUNDS)
            check_reset(s, fresh);
    }
    bench_empty(s->bench);
    settle(s);
}

static void storm(struct bench *bench, gconstpointer class_name)
{
    struct storm s = { .bench = bench, .rand = storm_rand(class_name), .row = row_of(class_name) };
    double end = storm_end();

    storm_backends_init(&s.backends, bench);
    for (u32 i = 0; storm_goes_on(end, i, LIVES); i++)
        live(&s, class_name);
    storm_backends_finish(&s.backends);
    g_rand_free(s.rand);
}

static void collect(const struct vm_class *class, void *opaque)
{
    if (g_str_has_prefix(class->name, "vhost-")) /* need another process or the kernel: tests/device/vhost_{user,vsock}.c */
        return;
    if (!class->abstract && vm_class_is_a(class, "pci-device", VM_GUEST_RISCV64) && device_decl_of(class, VM_GUEST_RISCV64))
        g_ptr_array_add(opaque, (gpointer)class->name);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    g_test_init(&argc, &argv, NULL);
    vm_class_foreach(VM_GUEST_RISCV64, collect, names);
    g_assert_cmpuint(names->len, >=, 9);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strdup_printf("/storm/%s", (const char *)names->pdata[i]);

        g_test_add(path, struct bench, names->pdata[i], bench_set_up, storm, bench_tear_down);
    }
    return g_test_run();
}
