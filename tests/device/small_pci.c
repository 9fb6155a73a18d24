/* tests/device/small_pci.c - small PCI devices: edu, pvpanic-pci, i6300esb; and all of them under random accesses. */
#include "base/bits.h"
#include "hw/pci/gpex.h"
#include "tests/device/bench.h"
#include "vm/internal.h"
#include <json-c/json.h>
#include <string.h>

#define ECAM UINT64_C(0x30000000)
#define PIO  UINT64_C(0x3000000)
#define LOW  UINT64_C(0x40000000)
#define VIRT_HOST                                                                                                       \
    "x-ecam-base=0x30000000;x-ecam-size=256M;x-pio-base=0x3000000;x-pio-size=64k;x-below-4g-mmio-base=0x40000000;"      \
    "x-below-4g-mmio-size=1G;x-above-4g-mmio-base=0x400000000;x-above-4g-mmio-size=16G"
#define CONFIG(offset) (ECAM + 0x8000 + (offset))

/* The device at 01.0 with BAR 0 at LOW. */
static struct device *make(struct bench *bench, const char *class_name, const char *properties)
{
    struct device *host = bench_device(bench, "gpex-pcihost", VIRT_HOST), *device;

    for (u32 i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("irq%u", i);
        device_connect(host, name, &bench->line[i]);
    }
    gpex_map(host);
    gpex_bus(host)->msi = true;
    device = bench_device(bench, class_name, properties);
    vm_reset(bench->vm, VM_CAUSE_NONE);
    bench_write(bench, CONFIG(0x10), 4, LOW);
    bench_write(bench, CONFIG(4), 2, 7);
    return device;
}

static void edu_computes(struct bench *bench, gconstpointer data)
{
    static const struct { u32 n, result; } rows[] = { { 0, 1 }, { 1, 1 }, { 5, 120 }, { 13, 1932053504 }, { 33, 0x80000000 }, { 34, 0 }, { UINT32_MAX, 0 } };

    make(bench, "edu", NULL);
    g_assert_cmphex(bench_read(bench, CONFIG(0), 4), ==, 0x11e81234);
    g_assert_cmphex(bench_read(bench, LOW, 4), ==, 0x010000ed);
    bench_write(bench, LOW + 4, 4, 0x12345678);
    g_assert_cmphex(bench_read(bench, LOW + 4, 4), ==, 0xedcba987);
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        bench_write(bench, LOW + 8, 4, rows[i].n);
        g_assert_cmphex(bench_read(bench, LOW + 8, 4), ==, rows[i].result);
    }
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 0);
    bench_write(bench, LOW + 0x20, 4, 0x80);
    bench_write(bench, LOW + 8, 4, 3);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 1);
    g_assert_cmphex(bench_read(bench, LOW + 0x24, 4), ==, 1);
    bench_write(bench, LOW + 0x64, 4, 1);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 0);
    bench_write(bench, LOW + 0x60, 4, 0x30);
    g_assert_cmphex(bench_read(bench, LOW + 0x24, 4), ==, 0x30);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 1);
}

static void edu_transfer(struct bench *bench, u64 source, u64 target, u64 count, u64 command)
{
    bench_write(bench, LOW + 0x80, 8, source);
    bench_write(bench, LOW + 0x88, 4, (u32)target);
    bench_write(bench, LOW + 0x8c, 4, target >> 32);
    bench_write(bench, LOW + 0x90, 8, count);
    bench_write(bench, LOW + 0x98, 8, command);
    g_assert_cmphex(bench_read(bench, LOW + 0x98, 8) & 1, ==, 1);
    vm_clock_advance(bench->vm, vm_clock_now(bench->vm, VM_CLOCK_VIRTUAL) + 100000000);
    g_assert_cmphex(bench_read(bench, LOW + 0x98, 8) & 1, ==, 0);
}

static void edu_does_dma(struct bench *bench, gconstpointer data)
{
    make(bench, "edu", "dma_mask=0xffffffff");
    memcpy(bench->ram->host, "hello, edu", 11);
    edu_transfer(bench, BENCH_RAM, 0x40000, 11, 1);
    edu_transfer(bench, 0x40000, BENCH_RAM + 64, 11, 1 | 2 | 4);
    g_assert_cmpstr((char *)bench->ram->host + 64, ==, "hello, edu");
    g_assert_cmphex(bench_read(bench, LOW + 0x24, 4), ==, 0x100);
    static const u64 bad[][3] = { { BENCH_RAM, 0x40001, 4096 }, { BENCH_RAM, 0x3ffff, 4 }, { BENCH_RAM, 0, 4 }, { BENCH_RAM, 0x41001, 1 }, { LOW, 0x40000, 4 },
                                  { BENCH_RAM, 0x40000, UINT64_MAX }, { BENCH_RAM + BENCH_RAM_SIZE - 2, 0x40000, 4 }, { UINT64_MAX, 0x40ff8, 16 } };
    for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
        edu_transfer(bench, bad[i][0], bad[i][1], bad[i][2], 1);
        edu_transfer(bench, bad[i][1], bad[i][0], bad[i][2], 3);
    }
    g_assert_cmpmem(bench->ram->host, 11, "hello, edu", 11);
    bench_write(bench, CONFIG(4), 2, 3); /* no bus master */
    edu_transfer(bench, 0x40000, BENCH_RAM, 4, 3);
    edu_transfer(bench, 0x40002, BENCH_RAM, 4, 3);
    g_assert_cmpmem(bench->ram->host, 11, "hello, edu", 11);
}

/* Where a capability of the device lies. */
static u64 capability(struct bench *bench, u64 id)
{
    u64 at = bench_read(bench, CONFIG(0x34), 1);

    while (at && bench_read(bench, CONFIG(at), 1) != id)
        at = bench_read(bench, CONFIG(at + 1), 1);
    g_assert_cmpuint(at, !=, 0);
    return CONFIG(at);
}

enum { MSI = 5, MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_DATA = 12, MSI_MASK = 16, MSI_PENDING = 20, MSI_ON = 1 };

static void aim_message(struct bench *bench, u64 msi, u32 mask)
{
    bench_write(bench, msi + MSI_ADDRESS, 4, BENCH_RAM);
    bench_write(bench, msi + MSI_DATA, 2, 0x33);
    bench_write(bench, msi + MSI_MASK, 4, mask);
    bench_write(bench, msi + MSI_CONTROL, 2, MSI_ON);
}

/* Its pin is low while it sends messages, also when that begins while it is high. */
static void edu_pulls_or_sends(struct bench *bench, gconstpointer data)
{
    make(bench, "edu", NULL);
    u64 msi = capability(bench, MSI);
    bench_write(bench, LOW + 0x60, 4, 1);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 1);
    aim_message(bench, msi, 0);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 0);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 4), ==, 0);
    bench_write(bench, LOW + 0x60, 4, 2);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 0);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 4), ==, 0x33);
    bench_write(bench, msi + MSI_CONTROL, 2, 0);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 1);
    bench_write(bench, LOW + 0x64, 4, 3);
    g_assert_cmpuint(line_level(&bench->line[1]), ==, 0);
}

/* A message that waits behind its mask is not sent by the machine that comes after the reset. */
static void edu_forgets_messages(struct bench *bench, gconstpointer data)
{
    make(bench, "edu", NULL);
    u64 msi = capability(bench, MSI);
    aim_message(bench, msi, 1);
    bench_write(bench, LOW + 0x60, 4, 1);
    g_assert_cmphex(bench_read(bench, msi + MSI_PENDING, 4), ==, 1);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(bench_read(bench, msi + MSI_PENDING, 4), ==, 0);
    bench_write(bench, CONFIG(4), 2, 7);
    aim_message(bench, msi, 0);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 4), ==, 0);
}

/* Events by name. */
static void note(void *opaque, const char *name, struct json_object *object)
{
    g_string_append_printf(opaque, "%s;", name);
    json_object_put(object);
}

static void panics(struct bench *bench, gconstpointer data)
{
    GString *events = g_string_new(NULL);
    const struct api_event_sink sink = { note, events };

    make(bench, "pvpanic-pci", "events=3");
    vm_set_events(bench->vm, &sink);
    vm_actions(bench->vm)->panic = VM_PANIC_NONE;
    g_assert_cmphex(bench_read(bench, CONFIG(0), 4), ==, 0x00111b36);
    g_assert_cmphex(bench_read(bench, LOW, 1), ==, 3);
    bench_write(bench, LOW, 1, 1);
    bench_write(bench, LOW, 1, 2);
    bench_write(bench, LOW, 1, 4);
    bench_write(bench, LOW, 1, 8);
    g_assert_cmpstr(events->str, ==, "GUEST_PANICKED;GUEST_CRASHLOADED;GUEST_PVSHUTDOWN;");
    vm_set_events(bench->vm, NULL);
    g_string_free(events, TRUE);
}

static void unlock(struct bench *bench)
{
    bench_write(bench, LOW + 12, 2, 0x80);
    bench_write(bench, LOW + 12, 2, 0x86);
}

static void watches(struct bench *bench, gconstpointer data)
{
    GString *events = g_string_new(NULL);
    const struct api_event_sink sink = { note, events };
    s64 ms = 1000000;

    make(bench, "i6300esb", NULL);
    vm_set_events(bench->vm, &sink);
    vm_actions(bench->vm)->watchdog = VM_WATCHDOG_NONE;
    bench_write(bench, LOW, 4, 1); /* locked */
    g_assert_cmphex(bench_read(bench, LOW, 4), ==, 0xfffff);
    unlock(bench);
    bench_write(bench, LOW, 4, 1007);     /* about a second: 1007 * 2^15 / 33 MHz */
    unlock(bench);
    bench_write(bench, LOW + 4, 4, 1007);
    bench_write(bench, LOW, 4, 5); /* one write only */
    g_assert_cmphex(bench_read(bench, LOW, 4), ==, 1007);
    bench_write(bench, CONFIG(0x68), 1, 2);
    vm_clock_advance(bench->vm, 900 * ms);
    unlock(bench);
    bench_write(bench, LOW + 12, 2, 0x100);
    vm_clock_advance(bench->vm, 2800 * ms); /* 1.9 s after the reload: second stage */
    g_assert_cmpstr(events->str, ==, "");
    vm_clock_advance(bench->vm, 3000 * ms);
    g_assert_cmpstr(events->str, ==, "WATCHDOG;");
    g_assert_cmphex(bench_read(bench, LOW + 12, 2), ==, 0x200);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    bench_write(bench, CONFIG(0x10), 4, LOW);
    bench_write(bench, CONFIG(4), 2, 2);
    g_assert_cmphex(bench_read(bench, LOW + 12, 2), ==, 0x200); /* the guest sees that it was the watchdog */
    unlock(bench);
    bench_write(bench, LOW + 12, 2, 0x200);
    g_assert_cmphex(bench_read(bench, LOW + 12, 2), ==, 0);
    bench_write(bench, CONFIG(0x68), 1, 3); /* locked on */
    bench_write(bench, CONFIG(0x68), 1, 0);
    g_assert_cmphex(bench_read(bench, CONFIG(0x68), 1), ==, 3);
    vm_set_events(bench->vm, NULL);
    g_string_free(events, TRUE);
}

/* Running freely with a preload value of 0: time goes on. */
static void watches_nothing(struct bench *bench, gconstpointer data)
{
    make(bench, "i6300esb", NULL);
    vm_actions(bench->vm)->watchdog = VM_WATCHDOG_NONE;
    for (u32 fast = 0; fast <= 4; fast += 4) {
        s64 now = vm_clock_now(bench->vm, VM_CLOCK_VIRTUAL);

        unlock(bench);
        bench_write(bench, LOW, 4, 0);
        bench_write(bench, CONFIG(0x60), 2, 0x20 | fast); /* no reboot */
        bench_write(bench, CONFIG(0x68), 1, 6);
        g_assert_cmpint(vm_clock_next_deadline(bench->vm), >, now);
        vm_clock_advance(bench->vm, now + 100000);
        g_assert_cmphex(bench_read(bench, LOW + 12, 2), ==, fast ? 0x200 : 0);
        bench_write(bench, CONFIG(0x68), 1, 0);
    }
}

/* Which size does what: the sequence may be of any, preload values are of 32 bits, the reload register of 16. */
static void watches_sizes(struct bench *bench, gconstpointer data)
{
    make(bench, "i6300esb", NULL);
    for (unsigned size = 1; size <= 4; size *= 2) {
        bench_write(bench, LOW + 12, size, 0x80);
        bench_write(bench, LOW + 12, size == 4 ? 1 : size * 2, 0x86); /* mixed as well */
        bench_write(bench, LOW, 4, size);
        g_assert_cmphex(bench_read(bench, LOW, 4), ==, size);
    }
    unlock(bench);
    bench_write(bench, LOW, 1, 99); /* nothing, and still open */
    bench_write(bench, LOW, 2, 99); /* nothing, and closed */
    bench_write(bench, LOW, 4, 99);
    g_assert_cmphex(bench_read(bench, LOW, 4), ==, 4);
    unlock(bench);
    bench_write(bench, LOW + 4, 4, 1);
    vm_actions(bench->vm)->watchdog = VM_WATCHDOG_NONE;
    bench_write(bench, CONFIG(0x68), 1, 2);
    vm_clock_advance(bench->vm, 20000000);
    g_assert_cmphex(bench_read(bench, LOW + 12, 2), ==, 0x200);
    unlock(bench);
    bench_write(bench, LOW + 12, 4, 0x200); /* 32 bits: nothing, and closed */
    bench_write(bench, LOW + 12, 2, 0x200);
    g_assert_cmphex(bench_read(bench, LOW + 12, 2), ==, 0x200);
    unlock(bench);
    bench_write(bench, LOW + 13, 1, 2); /* a byte: nothing, and still open */
    bench_write(bench, LOW + 12, 2, 0x200);
    g_assert_cmphex(bench_read(bench, LOW + 12, 2), ==, 0);
}

/* Each test of each BAR: what the header says, and that the writes it asks for are counted, and no others. */
static void testdev(struct bench *bench, gconstpointer data)
{
    static const char *const kinds[] = { "no-eventfd", "wildcard-eventfd", "datamatch-eventfd" };

    make(bench, "pci-testdev", "membar=1M");
    g_assert_cmphex(bench_read(bench, CONFIG(0), 4), ==, 0x00051b36);
    g_assert_cmphex(bench_read(bench, CONFIG(0x18), 4) & 15, ==, 12);
    bench_write(bench, CONFIG(0x14), 4, 0x1000);
    bench_write(bench, CONFIG(0x18), 4, UINT32_MAX);
    g_assert_cmphex(bench_read(bench, CONFIG(0x18), 4), ==, 0xfff0000c);
    for (u32 i = 0; i < 8; i++) {
        u64 bar = i / 4 ? PIO + 0x1000 : LOW;
        u32 test = i % 4, first = i / 4 ? 128 : 2048;
        char name[32] = { 0 };

        bench_write(bench, bar, 1, test);
        g_assert_cmpuint(bench_read(bench, bar + 1, 1), ==, test < 3);
        g_assert_cmpuint(bench_read(bench, bar + 12, 4), ==, 0);
        if (test == 3)
            continue;
        for (u32 k = 0; k < sizeof(name) - 1; k++)
            name[k] = (char)bench_read(bench, bar + 16 + k, 1);
        g_assert_true(g_str_has_prefix(name, i / 4 ? "portio-" : "mmio-") && g_str_has_suffix(name, kinds[test]));
        u32 offset = (u32)bench_read(bench, bar + 4, 4), value = (u32)bench_read(bench, bar + 8, 4);
        g_assert_cmpuint(offset, >=, first);
        for (u32 k = 0; k < 5; k++)
            bench_write(bench, bar + offset, 1, value);
        bench_write(bench, bar + offset + 1, 1, value);
        bench_write(bench, bar + offset, 1, value ^ 1);
        g_assert_cmpuint(bench_read(bench, bar + 12, 4), ==, test == 2 ? 5 : 6);
    }
}

/* A BAR that is too large for any host or any bus: nothing is left of the attempt. */
static void testdev_fails(struct bench *bench, gconstpointer data)
{
    static const char *const wrong[] = { "membar=8E", "membar=2E;membar-backed=on" };
    u64 before = 0;

    make(bench, "edu", NULL);
    for (u32 i = 0; i < 1000; i++) {
        g_autoptr(GError) error = NULL;

        if (i == 500)
            before = bench_heap();
        g_assert_null(device_create_unattached(bench->vm, "pci-testdev", wrong[i % 2], &error));
        g_assert_nonnull(error);
    }
    g_assert_cmpuint(bench_heap(), <, before + 10000);
}

/* Every PCI device that is not a virtio one (tests/device/storm_virtio.c) and needs at most a serial number. */
static void collect(const struct vm_class *class, void *opaque)
{
    bool fits = vm_class_is_a(class, "pci-device", VM_GUEST_RISCV64) && !vm_class_is_a(class, "virtio-pci", VM_GUEST_RISCV64);

    if (fits && !class->abstract && class->user_creatable)
        g_ptr_array_add(opaque, (gpointer)class->name);
}

static void storm(struct bench *bench, gconstpointer class_name)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    struct device *device = make(bench, class_name, !strcmp(class_name, "nvme") ? "serial=s" : NULL);

    vm_actions(bench->vm)->panic = VM_PANIC_NONE;
    vm_actions(bench->vm)->watchdog = VM_WATCHDOG_NONE;
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_autofree u8 *fresh = g_memdup2(device->state, device->decl->state_size);
    for (u32 i = 0; i < 30000; i++) {
        const u64 values[] = { 0, 1, g_rand_int(rand), UINT64_MAX, BENCH_RAM, LOW, 0x40000, (u32)g_rand_int_range(rand, 0, 256) };
        u64 value = values[g_rand_int_range(rand, 0, ARRAY_SIZE(values))], ignored;
        unsigned size = 1u << g_rand_int_range(rand, 0, 4);
        u32 limit = g_rand_boolean(rand) ? 0x100 : 0x1000;
        u64 offset = bits_align_down((u32)g_rand_int_range(rand, 0, (s32)limit), size);
        u64 at = g_rand_int_range(rand, 0, 4) ? LOW + offset : CONFIG(offset & 0xfff);

        if (i % 64 == 0) {
            bench_write(bench, CONFIG(0x10), 4, LOW);
            bench_write(bench, CONFIG(4), 2, 7);
        }
        if (i % 50 == 0)
            vm_clock_advance(bench->vm, vm_clock_now(bench->vm, VM_CLOCK_VIRTUAL) + 50000000);
        if (g_rand_boolean(rand))
            bench_try_read(bench, at, MIN(size, at < LOW ? 4 : 8), &ignored);
        else
            bench_try_write(bench, at, MIN(size, at < LOW ? 4 : 8), value);
    }
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    for (u32 i = 0; i < device->decl->field_count; i++) {
        const struct device_field *f = &device->decl->fields[i];

        if (bench_is_reset(f) && memcmp((u8 *)device->state + f->offset, fresh + f->offset, (size_t)f->size * f->count))
            g_error("%s: %s differs after a reset", device->decl->name, f->name);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/edu/computes", edu_computes);
    BENCH_TEST("/edu/dma", edu_does_dma);
    BENCH_TEST("/edu/pin", edu_pulls_or_sends);
    BENCH_TEST("/edu/reset", edu_forgets_messages);
    BENCH_TEST("/pvpanic-pci", panics);
    BENCH_TEST("/i6300esb", watches);
    BENCH_TEST("/i6300esb/sizes", watches_sizes);
    BENCH_TEST("/i6300esb/nothing", watches_nothing);
    BENCH_TEST("/pci-testdev", testdev);
    BENCH_TEST("/pci-testdev/fails", testdev_fails);
    vm_class_foreach(VM_GUEST_RISCV64, collect, names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strdup_printf("/storm/%s", (const char *)names->pdata[i]);

        g_test_add(path, struct bench, names->pdata[i], bench_set_up, storm, bench_tear_down);
    }
    return g_test_run();
}
