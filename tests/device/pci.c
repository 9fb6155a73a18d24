/* tests/device/pci.c - the PCI Express host: configuration space, windows, BARs, interrupt lines; by the host bridge and a toy function. */
#include "base/bits.h"
#include "hw/pci/gpex.h"
#include "tests/device/bench.h"
#include <string.h>

enum { ECAM = 0x30000000, PIO = 0x3000000, LOW = 0x40000000 };
#define HIGH UINT64_C(0x400000000)
#define VIRT_HOST                                                                                                       \
    "x-ecam-base=0x30000000;x-ecam-size=256M;x-pio-base=0x3000000;x-pio-size=64k;x-below-4g-mmio-base=0x40000000;"      \
    "x-below-4g-mmio-size=1G;x-above-4g-mmio-base=0x400000000;x-above-4g-mmio-size=16G"

/* A function with all kinds of BARs; its device is a declared one that lends its token. */
struct toy {
    struct pci_function function;
    u8 config[256];
    struct region memory32, memory64, io;
    u64 value;
};

static enum mem_result toy_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    *value = ((struct toy *)opaque)->value + offset;
    return MEM_OK;
}

static enum mem_result toy_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    ((struct toy *)opaque)->value = value;
    return MEM_OK;
}

static const struct region_ops toy_ops = { .read = toy_read, .write = toy_write };

static struct pci_bus *make(struct bench *bench, const char *properties)
{
    struct device *host = bench_device(bench, "gpex-pcihost", properties);

    for (u32 i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("irq%u", i);
        device_connect(host, name, &bench->line[i]);
    }
    gpex_map(host);
    return gpex_bus(host);
}

static void toy_init(struct bench *bench, struct toy *toy, u8 pin)
{
    const struct pci_identity identity = { .vendor_id = 0x1234, .device_id = 0x5678, .class = 0x0200, .programming = 2, .revision = 3,
                                           .interrupt_pin = pin };

    *toy = (struct toy){ .value = 0x1000 };
    region_init_mmio(&toy->memory32, bench->vm, "toy32", 4096, &toy_ops, toy);
    region_init_mmio(&toy->memory64, bench->vm, "toy64", 0x100000, &toy_ops, toy);
    region_init_mmio(&toy->io, bench->vm, "toyio", 32, &toy_ops, toy);
    pci_function_init(&toy->function, bench_device(bench, "goldfish_rtc", NULL), toy->config, 256, &identity);
    g_assert_true(pci_function_add_bar(&toy->function, 0, &toy->memory32, PCI_BAR_32, NULL));
    g_assert_true(pci_function_add_bar(&toy->function, 1, &toy->io, PCI_BAR_IO, NULL));
    g_assert_true(pci_function_add_bar(&toy->function, 4, &toy->memory64, PCI_BAR_64 | PCI_BAR_PREFETCH, NULL));
}

static void toy_finish(struct toy *toy)
{
    pci_function_finish(&toy->function);
    region_finish(&toy->memory32);
    region_finish(&toy->memory64);
    region_finish(&toy->io);
}

static u64 config(u32 slot, u32 offset)
{
    return ECAM + slot * 0x8000 + offset;
}

static void host_bridge(struct bench *bench, gconstpointer data)
{
    static const struct { u32 offset, size, value; } header[] = {
        { 0x00, 4, 0x00081b36 }, { 0x00, 2, 0x1b36 }, { 0x02, 2, 0x0008 }, { 0x08, 4, 0x06000000 }, { 0x0a, 2, 0x0600 },
        { 0x0e, 1, 0 }, { 0x2c, 4, 0x11001af4 }, { 0x34, 1, 0 }, { 0x3c, 4, 0 }, { 0x04, 4, 0 }, { 0x10, 4, 0 }, { 0xfc, 4, 0 },
        { 0x100, 4, 0xffffffff }, { 0xffc, 4, 0xffffffff },
    };

    make(bench, VIRT_HOST);
    for (unsigned i = 0; i < ARRAY_SIZE(header); i++)
        g_assert_cmphex(bench_read(bench, config(0, header[i].offset), header[i].size), ==, header[i].value);
    for (u32 offset = 0; offset < 4096; offset += 4)
        bench_write(bench, config(0, offset), 4, 0xffffffff);
    g_assert_cmphex(bench_read(bench, config(0, 0), 4), ==, 0x00081b36);
    g_assert_cmphex(bench_read(bench, config(0, 4), 4), ==, 0x0507);
    g_assert_cmphex(bench_read(bench, config(0, 8), 8), ==, 0x000000ff06000000);
    for (u32 offset = 0x10; offset < 0x28; offset += 4)
        g_assert_cmphex(bench_read(bench, config(0, offset), 4), ==, 0);
    g_assert_cmphex(bench_read(bench, config(0, 0x3c), 4), ==, 0x000000ff);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(bench_read(bench, config(0, 4), 4), ==, 0);
    g_assert_cmphex(bench_read(bench, config(0, 0x2c), 4), ==, 0x11001af4);
    g_assert_cmphex(bench_read(bench, config(0, 0x3c), 1), ==, 0);
}

static void absent_functions(struct bench *bench, gconstpointer data)
{
    u64 value;

    make(bench, VIRT_HOST);
    g_assert_cmphex(bench_read(bench, ECAM + 0x1000, 4), ==, 0xffffffff);   /* 00.1 */
    g_assert_cmphex(bench_read(bench, config(1, 0), 2), ==, 0xffff);
    g_assert_cmphex(bench_read(bench, config(31, 0), 1), ==, 0xff);
    g_assert_cmphex(bench_read(bench, ECAM + 0x100000, 4), ==, 0xffffffff); /* bus 1 */
    g_assert_cmphex(bench_read(bench, ECAM + 0xffffffc, 4), ==, 0xffffffff);
    bench_write(bench, config(1, 4), 2, 7);
    g_assert_cmpint(bench_try_read(bench, ECAM + 1, 2, &value), ==, MEM_ERROR);
}

static void windows_without_bars(struct bench *bench, gconstpointer data)
{
    const u64 places[] = { PIO, PIO + 0xffff, LOW, LOW + 0x3fffffff, HIGH, HIGH + 16 * GIB - 1 };

    make(bench, VIRT_HOST);
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        g_assert_cmphex(bench_read(bench, places[i], 1), ==, 0xff);
        bench_write(bench, places[i], 1, 1);
        g_assert_cmphex(bench_read(bench, places[i] & ~UINT64_C(7), 8), ==, UINT64_MAX);
    }
}

static void windows_may_be_nothing(struct bench *bench, gconstpointer data)
{
    u64 value;

    make(bench, VIRT_HOST ";allow-unmapped-accesses=off");
    g_assert_cmpint(bench_try_read(bench, LOW, 4, &value), ==, MEM_UNMAPPED);
    g_assert_cmpint(bench_try_write(bench, HIGH, 4, 0), ==, MEM_UNMAPPED);
    g_assert_cmphex(bench_read(bench, config(1, 0), 4), ==, 0xffffffff);
}

static void bars_show_their_size(struct bench *bench, gconstpointer data)
{
    struct pci_bus *bus = make(bench, VIRT_HOST);
    struct toy toy;

    toy_init(bench, &toy, 1);
    g_assert_true(pci_bus_plug(bus, &toy.function, -1, NULL));
    g_assert_cmpuint(toy.function.devfn, ==, 8);
    g_assert_cmphex(bench_read(bench, config(1, 0), 4), ==, 0x56781234);
    g_assert_cmphex(bench_read(bench, config(1, 8), 4), ==, 0x02000203);
    g_assert_cmphex(bench_read(bench, config(1, 0x3d), 1), ==, 1);
    static const u32 before[6] = { 0, 1, 0, 0, 0xc, 0 }, sized[6] = { 0xfffff000, 0xffffffe1, 0, 0, 0xfff0000c, 0xffffffff };
    for (u32 i = 0; i < 6; i++) {
        g_assert_cmphex(bench_read(bench, config(1, 0x10 + 4 * i), 4), ==, before[i]);
        bench_write(bench, config(1, 0x10 + 4 * i), 4, 0xffffffff);
        g_assert_cmphex(bench_read(bench, config(1, 0x10 + 4 * i), 4), ==, sized[i]);
    }
    toy_finish(&toy);
    g_assert_cmphex(bench_read(bench, config(1, 0), 4), ==, 0xffffffff);
}

static void bars_appear(struct bench *bench, gconstpointer data)
{
    struct pci_bus *bus = make(bench, VIRT_HOST);
    struct toy toy;

    toy_init(bench, &toy, 1);
    g_assert_true(pci_bus_plug(bus, &toy.function, 5 << 3, NULL));
    bench_write(bench, config(5, 0x10), 4, LOW + 0x2000);
    bench_write(bench, config(5, 0x14), 4, 0x40);
    bench_write(bench, config(5, 0x20), 4, 0x00100000);
    bench_write(bench, config(5, 0x24), 4, 4);
    g_assert_cmphex(bench_read(bench, LOW + 0x2000, 4), ==, 0xffffffff); /* not enabled */
    bench_write(bench, config(5, 4), 2, PCI_COMMAND_MEMORY);
    g_assert_cmphex(bench_read(bench, LOW + 0x2004, 4), ==, 0x1004);
    g_assert_cmphex(bench_read(bench, HIGH + 0x100008, 4), ==, 0x1008);
    g_assert_cmphex(bench_read(bench, PIO + 0x40, 4), ==, 0xffffffff);
    bench_write(bench, config(5, 4), 2, PCI_COMMAND_IO);
    g_assert_cmphex(bench_read(bench, PIO + 0x44, 4), ==, 0x1004);
    g_assert_cmphex(bench_read(bench, LOW + 0x2004, 4), ==, 0xffffffff);
    bench_write(bench, config(5, 0x14), 4, 0); /* the first port, which EDK2 gives away first */
    g_assert_cmphex(bench_read(bench, PIO + 4, 4), ==, 0x1004);
    bench_write(bench, config(5, 0x14), 4, 0x40);
    bench_write(bench, config(5, 4), 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    bench_write(bench, HIGH + 0x100000, 4, 7);
    g_assert_cmphex(bench_read(bench, LOW + 0x2000, 4), ==, 7);
    bench_write(bench, config(5, 0x10), 4, LOW + 0x7000); /* moves */
    g_assert_cmphex(bench_read(bench, LOW + 0x2000, 4), ==, 0xffffffff);
    g_assert_cmphex(bench_read(bench, LOW + 0x7000, 4), ==, 7);
    g_autofree char *text = pci_bus_describe(bus);
    g_assert_nonnull(strstr(text, "Host bridge: PCI device 1b36:0008\n      PCI subsystem 1af4:1100\n"));
    g_assert_nonnull(strstr(text, "BAR4: 64 bit prefetchable memory at 0x400100000 [0x4001fffff]."));
    pci_function_reset(&toy.function);
    g_assert_cmphex(bench_read(bench, LOW + 0x7000, 4), ==, 0xffffffff);
    g_assert_cmphex(bench_read(bench, config(5, 0x20), 4), ==, 0xc);
    toy_finish(&toy);
}

/* Addresses that wrap around, or collide with each other or the guest's memory. */
static void hostile_bars(struct bench *bench, gconstpointer data)
{
    static const u64 addresses[] = { 0, 0xfffff000, 0xffffffff00000000, 0xfffffffffff00000, BENCH_RAM, LOW, 0x3ff00000 };
    struct pci_bus *bus = make(bench, VIRT_HOST);
    struct toy toy;

    toy_init(bench, &toy, 1);
    g_assert_true(pci_bus_plug(bus, &toy.function, 31 << 3, NULL));
    bench_write(bench, config(31, 4), 2, 0xffff);
    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
        bench_write(bench, config(31, 0x10), 4, (u32)addresses[i]);
        bench_write(bench, config(31, 0x14), 4, (u32)addresses[i]);
        bench_write(bench, config(31, 0x20), 4, (u32)addresses[i]);
        bench_write(bench, config(31, 0x24), 4, addresses[i] >> 32);
        bench_write(bench, BENCH_RAM, 8, i);
        g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, i);
    }
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);
    for (unsigned i = 0; i < 5000; i++) {
        unsigned size = 1u << g_rand_int_range(rand, 0, 3);
        bench_write(bench, config(31, (u32)bits_align_down(g_rand_int_range(rand, 0, 64), size)), size, g_rand_int(rand));
    }
    g_assert_cmphex(bench_read(bench, config(31, 0), 4), ==, 0x56781234);
    toy_finish(&toy);
}

static void intx_is_swizzled(struct bench *bench, gconstpointer data)
{
    struct pci_bus *bus = make(bench, VIRT_HOST);
    struct toy toy[5];

    for (u32 i = 0; i < 5; i++) {
        toy_init(bench, &toy[i], i < 4 ? 1 : 4);
        g_assert_true(pci_bus_plug(bus, &toy[i].function, -1, NULL));
    }
    for (u32 i = 0; i < 4; i++) { /* slots 1-4, INTA: lines 1 2 3 0 */
        pci_function_set_intx(&toy[i].function, true);
        for (u32 line = 0; line < 4; line++)
            g_assert_cmpuint(line_level(&bench->line[line]), ==, line == (i + 1) % 4);
        g_assert_cmphex(bench_read(bench, config(i + 1, 6), 2), ==, 8);
        pci_function_set_intx(&toy[i].function, false);
        g_assert_cmphex(bench_read(bench, config(i + 1, 6), 2), ==, 0);
    }
    /* Slot 5, INTD: line (5 + 3) % 4 = 0, which slot 4 shares. */
    pci_function_set_intx(&toy[3].function, true);
    pci_function_set_intx(&toy[4].function, true);
    pci_function_set_intx(&toy[3].function, false);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 1);
    bench_write(bench, config(5, 4), 2, PCI_COMMAND_NO_INTX);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 0);
    g_assert_cmphex(bench_read(bench, config(5, 6), 2), ==, 8);
    bench_write(bench, config(5, 4), 2, 0);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 1);
    pci_bus_unplug(&toy[4].function);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 0);
    for (u32 i = 0; i < 5; i++)
        toy_finish(&toy[i]);
}

static void capabilities(struct bench *bench, gconstpointer data)
{
    struct pci_bus *bus = make(bench, VIRT_HOST);
    struct toy toy;

    toy_init(bench, &toy, 1);
    g_assert_true(pci_bus_plug(bus, &toy.function, -1, NULL));
    g_assert_cmphex(pci_function_add_capability(&toy.function, 9, 18), ==, 0x40);
    g_assert_cmphex(pci_function_add_capability(&toy.function, 0x11, 12), ==, 0x54);
    g_assert_cmphex(pci_function_add_capability(&toy.function, 1, 0xa4), ==, 0);
    pci_function_reset(&toy.function);
    g_assert_cmphex(bench_read(bench, config(1, 0x34), 1), ==, 0x54);
    g_assert_cmphex(bench_read(bench, config(1, 0x54), 2), ==, 0x4011);
    g_assert_cmphex(bench_read(bench, config(1, 0x40), 2), ==, 0x0009);
    g_assert_cmphex(bench_read(bench, config(1, 6), 2), ==, 0x10);
    toy_finish(&toy);
}

static void slots(struct bench *bench, gconstpointer data)
{
    struct pci_bus *bus = make(bench, VIRT_HOST);
    struct toy toy[33];
    g_autoptr(GError) error = NULL;

    for (u32 i = 0; i < 33; i++)
        toy_init(bench, &toy[i], 1);
    g_assert_false(pci_bus_plug(bus, &toy[0].function, 0, &error));
    g_assert_nonnull(strstr(error->message, "00.0 of pcie.0 is taken"));
    g_assert_true(pci_bus_plug(bus, &toy[0].function, 8, NULL));
    g_assert_false(pci_bus_plug(bus, &toy[1].function, 9, NULL)); /* 01.0 says it is alone */
    for (u32 i = 1; i < 31; i++)
        g_assert_true(pci_bus_plug(bus, &toy[i].function, -1, NULL));
    g_assert_false(pci_bus_plug(bus, &toy[31].function, -1, NULL)); /* full */
    pci_bus_unplug(&toy[0].function);
    toy[0].function.multifunction = true;
    g_assert_true(pci_bus_plug(bus, &toy[0].function, 8, NULL));
    g_assert_true(pci_bus_plug(bus, &toy[31].function, 15, NULL));
    g_assert_cmphex(bench_read(bench, config(1, 0x0e), 1), ==, 0x80);
    g_assert_cmphex(bench_read(bench, config(1, 0x7000), 4), ==, 0x56781234);
    for (u32 i = 0; i < 33; i++)
        toy_finish(&toy[i]);
}

static void addresses(struct bench *bench, gconstpointer data)
{
    static const struct { const char *text; int devfn; } good[] = { { "-1", -1 }, { "0", 0 }, { "5", 40 }, { "1f.7", 255 }, { "02.1", 17 } };
    static const char *const bad[] = { "", "20", "1.8", "1.", ".1", "x", "1.1x", "-2", "100000000000000000001" };
    int devfn;

    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        g_assert_true(pci_parse_address(good[i].text, &devfn, NULL));
        g_assert_cmpint(devfn, ==, good[i].devfn);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        g_assert_false(pci_parse_address(bad[i], &devfn, NULL));
}

/* The host goes before what is plugged in. */
static void host_goes_first(struct bench *bench, gconstpointer data)
{
    struct pci_bus *bus = make(bench, VIRT_HOST);
    struct toy toy;

    toy_init(bench, &toy, 1);
    g_assert_true(pci_bus_plug(bus, &toy.function, -1, NULL));
    bench_write(bench, config(1, 0x10), 4, LOW);
    bench_write(bench, config(1, 4), 2, PCI_COMMAND_MEMORY);
    vm_object_destroy(bus->bus.object.parent);
    g_assert_null(toy.function.bus);
    u64 value;
    g_assert_cmpint(bench_try_read(bench, LOW, 4, &value), ==, MEM_UNMAPPED);
    toy_finish(&toy);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/pci/host-bridge", host_bridge);
    BENCH_TEST("/pci/absent", absent_functions);
    BENCH_TEST("/pci/windows", windows_without_bars);
    BENCH_TEST("/pci/windows-off", windows_may_be_nothing);
    BENCH_TEST("/pci/bar-sizes", bars_show_their_size);
    BENCH_TEST("/pci/bars", bars_appear);
    BENCH_TEST("/pci/hostile-bars", hostile_bars);
    BENCH_TEST("/pci/intx", intx_is_swizzled);
    BENCH_TEST("/pci/capabilities", capabilities);
    BENCH_TEST("/pci/slots", slots);
    BENCH_TEST("/pci/addresses", addresses);
    BENCH_TEST("/pci/host-goes-first", host_goes_first);
    return g_test_run();
}
