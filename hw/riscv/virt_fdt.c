/* hw/riscv/virt_fdt.c - the device tree of the virt board (Devicetree Specification 0.4; Linux's bindings). */
#include "base/bits.h"
#include "base/error.h"
#include "hw/riscv/virt.h"
#include "vm/clock.h"
#include "vm/numa.h"
#include <libfdt.h>
#include <string.h>

/* Phandles: one per hart's interrupt controller and hart, then the others. */
enum { PHANDLE_FIRST_HART = 16 };

struct tree {
    struct virt *virt;
    void *fdt;
    int error; /* the first one of libfdt */
};

static u32 plic_phandle(void)
{
    return 1;
}

static u32 test_phandle(void)
{
    return 2;
}

static u32 hart_phandle(u32 hart)
{
    return PHANDLE_FIRST_HART + 2 * hart;
}

static u32 intc_phandle(u32 hart)
{
    return PHANDLE_FIRST_HART + 2 * hart + 1;
}

static void note(struct tree *t, int result)
{
    if (result < 0 && !t->error)
        t->error = result;
}

static void begin(struct tree *t, const char *name)
{
    note(t, fdt_begin_node(t->fdt, name));
}

static void begin_at(struct tree *t, const char *name, u64 address)
{
    g_autofree char *full = g_strdup_printf("%s@%" G_GINT64_MODIFIER "x", name, address);

    begin(t, full);
}

static void end(struct tree *t)
{
    note(t, fdt_end_node(t->fdt));
}

static void flag(struct tree *t, const char *name)
{
    note(t, fdt_property(t->fdt, name, NULL, 0));
}

static void text(struct tree *t, const char *name, const char *value)
{
    note(t, fdt_property_string(t->fdt, name, value));
}

/* value: strings separated by `separator`. */
static void texts(struct tree *t, const char *name, const char *value, char separator)
{
    g_autofree char *copy = g_strdup(value);
    size_t size = strlen(value) + 1;

    for (size_t i = 0; i < size; i++)
        copy[i] = copy[i] == separator ? 0 : copy[i];
    note(t, fdt_property(t->fdt, name, copy, (int)size));
}

static void cells(struct tree *t, const char *name, const u32 *value, u32 count)
{
    g_autofree u32 *big = g_new(u32, MAX(count, 1));

    for (u32 i = 0; i < count; i++)
        big[i] = cpu_to_fdt32(value[i]);
    note(t, fdt_property(t->fdt, name, big, (int)(count * 4)));
}

#define CELLS(t, name, ...)                              \
    do {                                                 \
        const u32 cells_[] = { __VA_ARGS__ };            \
        cells(t, name, cells_, ARRAY_SIZE(cells_));      \
    } while (0)
#define HIGH(x) (u32)((x) >> 32)
#define LOW(x)  (u32)(x)

static void reg(struct tree *t, struct virt_range range)
{
    CELLS(t, "reg", HIGH(range.base), LOW(range.base), HIGH(range.size), LOW(range.size));
}

static void interrupt(struct tree *t, u32 source)
{
    CELLS(t, "interrupt-parent", plic_phandle());
    CELLS(t, "interrupts", source);
}

/* Per hart: intc phandle and two interrupt numbers. */
static void interrupts_extended(struct tree *t, u32 first, u32 second)
{
    u32 harts = t->virt->machine.cpus;
    g_autofree u32 *value = g_new(u32, harts * 4);

    for (u32 i = 0; i < harts; i++) {
        value[i * 4] = value[i * 4 + 2] = intc_phandle(i);
        value[i * 4 + 1] = first;
        value[i * 4 + 3] = second;
    }
    cells(t, "interrupts-extended", value, harts * 4);
}

static void numa_node(struct tree *t, u32 node)
{
    if (t->virt->machine.numa)
        CELLS(t, "numa-node-id", node);
}

static char *hart_property(struct vcpu *vcpu, const char *name)
{
    char *value = vm_object_get(&vcpu->object, name, NULL);

    if (value && !*value)
        g_clear_pointer(&value, g_free);
    return value;
}

static void block_size(struct tree *t, struct vcpu *vcpu, const char *extension, const char *property, const char *name)
{
    g_autofree char *on = hart_property(vcpu, extension), *size = hart_property(vcpu, property);

    if (!g_strcmp0(on, "on") && size)
        CELLS(t, name, (u32)g_ascii_strtoull(size, NULL, 10));
}

static void add_hart(struct tree *t, u32 hart)
{
    struct vcpu *vcpu = vm_vcpu(t->virt->machine.object.vm, hart);
    g_autofree char *isa = hart_property(vcpu, "isa"), *extensions = hart_property(vcpu, "isa-extensions"), *mmu = hart_property(vcpu, "mmu-type");

    begin_at(t, "cpu", hart);
    CELLS(t, "phandle", hart_phandle(hart));
    text(t, "device_type", "cpu");
    if (t->virt->machine.numa)
        numa_node(t, t->virt->machine.numa->cpu_node[hart]);
    CELLS(t, "reg", hart);
    text(t, "status", "okay");
    text(t, "compatible", "riscv");
    block_size(t, vcpu, "zicbop", "cbop_blocksize", "riscv,cbop-block-size");
    block_size(t, vcpu, "zicboz", "cboz_blocksize", "riscv,cboz-block-size");
    block_size(t, vcpu, "zicbom", "cbom_blocksize", "riscv,cbom-block-size");
    if (extensions)
        texts(t, "riscv,isa-extensions", extensions, ',');
    text(t, "riscv,isa-base", "rv64i");
    text(t, "riscv,isa", isa ? isa : "rv64imafdc");
    if (mmu)
        text(t, "mmu-type", mmu);
    begin(t, "interrupt-controller");
    CELLS(t, "#interrupt-cells", 1);
    flag(t, "interrupt-controller");
    text(t, "compatible", "riscv,cpu-intc");
    CELLS(t, "phandle", intc_phandle(hart));
    end(t);
    end(t);
}

static void add_harts(struct tree *t)
{
    u32 harts = t->virt->machine.cpus;

    begin(t, "cpus");
    CELLS(t, "#address-cells", 1);
    CELLS(t, "#size-cells", 0);
    CELLS(t, "timebase-frequency", VIRT_TIMEBASE_HZ);
    for (u32 i = 0; i < harts; i++)
        add_hart(t, i);
    begin(t, "cpu-map");
    begin(t, "cluster0");
    for (u32 i = 0; i < harts; i++) {
        g_autofree char *name = g_strdup_printf("core%u", i);

        begin(t, name);
        CELLS(t, "cpu", hart_phandle(i));
        end(t);
    }
    end(t);
    end(t);
    end(t);
}

static void add_memory(struct tree *t)
{
    const struct numa *numa = t->virt->machine.numa;
    struct virt_range range = { virt_memmap[VIRT_DRAM].base, t->virt->machine.ram_size };

    for (u32 i = 0; i < (numa ? numa->count : 1); i++) {
        range.size = numa ? numa->node[i].size : range.size;
        if (!range.size)
            continue;
        begin_at(t, "memory", range.base);
        text(t, "device_type", "memory");
        reg(t, range);
        numa_node(t, i);
        end(t);
        range.base += range.size;
    }
}

/* Devicetree specification, numa.txt of Linux' bindings: from, to, distance of each pair. */
static void add_distances(struct tree *t)
{
    const struct numa *numa = t->virt->machine.numa;
    g_autoptr(GArray) row = g_array_new(FALSE, FALSE, sizeof(u32));

    if (!numa)
        return;
    for (u32 from = 0; from < numa->count; from++) {
        for (u32 to = 0; to < numa->count; to++) {
            const u32 entry[] = { from, to, numa->distance[from][to] };

            g_array_append_vals(row, entry, 3);
        }
    }
    begin(t, "distance-map");
    text(t, "compatible", "numa-distance-map-v1");
    cells(t, "distance-matrix", (const u32 *)(void *)row->data, row->len);
    end(t);
}

static void add_power(struct tree *t, const char *node, const char *compatible, u32 value)
{
    begin(t, node);
    CELLS(t, "value", value);
    CELLS(t, "offset", 0);
    CELLS(t, "regmap", test_phandle());
    text(t, "compatible", compatible);
    end(t);
}

/* Which counters count what: mhpmcounter3 to 18, cycles and instructions also the fixed ones (OpenSBI's pmu_support.md). */
static void add_pmu(struct tree *t)
{
    begin(t, "pmu");
    CELLS(t, "riscv,event-to-mhpmcounters", 0x01, 0x01, 0x7fff9, 0x02, 0x02, 0x7fffc, 0x10019, 0x10019, 0x7fff8, 0x1001b, 0x1001b, 0x7fff8,
          0x10021, 0x10021, 0x7fff8);
    text(t, "compatible", "riscv,pmu");
    end(t);
}

static void add_platform_bus(struct tree *t)
{
    struct virt_range range = virt_memmap[VIRT_PLATFORM_BUS];

    begin_at(t, "platform-bus", range.base);
    CELLS(t, "interrupt-parent", plic_phandle());
    CELLS(t, "ranges", 0, HIGH(range.base), LOW(range.base), LOW(range.size));
    CELLS(t, "#address-cells", 1);
    CELLS(t, "#size-cells", 1);
    texts(t, "compatible", "qemu,platform|simple-bus", '|');
    end(t);
}

static void add_fw_cfg(struct tree *t)
{
    begin_at(t, "fw-cfg", virt_memmap[VIRT_FW_CFG].base);
    flag(t, "dma-coherent");
    reg(t, virt_memmap[VIRT_FW_CFG]);
    text(t, "compatible", "qemu,fw-cfg-mmio");
    end(t);
}

static void add_flash(struct tree *t)
{
    u64 base = virt_memmap[VIRT_FLASH].base, half = virt_memmap[VIRT_FLASH].size / 2;

    begin_at(t, "flash", base);
    CELLS(t, "bank-width", 4);
    CELLS(t, "reg", HIGH(base), LOW(base), 0, LOW(half), HIGH(base + half), LOW(base + half), 0, LOW(half));
    text(t, "compatible", "cfi-flash");
    end(t);
}

static void add_chosen(struct tree *t)
{
    u32 seed[8];

    vm_random(t->virt->machine.object.vm, seed, sizeof(seed));
    begin(t, "aliases");
    text(t, "serial0", "/soc/serial@10000000");
    end(t);
    begin(t, "chosen");
    text(t, "stdout-path", "/soc/serial@10000000");
    cells(t, "rng-seed", seed, ARRAY_SIZE(seed));
    end(t);
}

static void add_soc_devices(struct tree *t)
{
    begin_at(t, "rtc", virt_memmap[VIRT_RTC].base);
    interrupt(t, VIRT_IRQ_RTC);
    reg(t, virt_memmap[VIRT_RTC]);
    text(t, "compatible", "google,goldfish-rtc");
    end(t);
    begin_at(t, "serial", virt_memmap[VIRT_UART0].base);
    interrupt(t, VIRT_IRQ_UART0);
    CELLS(t, "clock-frequency", VIRT_UART_CLOCK);
    reg(t, virt_memmap[VIRT_UART0]);
    text(t, "compatible", "ns16550a");
    end(t);
    begin_at(t, "test", virt_memmap[VIRT_TEST].base);
    CELLS(t, "phandle", test_phandle());
    reg(t, virt_memmap[VIRT_TEST]);
    texts(t, "compatible", "sifive,test1|sifive,test0|syscon", '|');
    end(t);
    for (u32 i = VIRT_VIRTIO_COUNT; i-- > 0;) {
        struct virt_range range = virt_memmap[VIRT_VIRTIO];

        range.base += i * range.size;
        begin_at(t, "virtio_mmio", range.base);
        interrupt(t, VIRT_IRQ_VIRTIO + i);
        reg(t, range);
        text(t, "compatible", "virtio,mmio");
        end(t);
    }
}

static void add_interrupt_controllers(struct tree *t)
{
    begin_at(t, "interrupt-controller", virt_memmap[VIRT_PLIC].base);
    CELLS(t, "phandle", plic_phandle());
    CELLS(t, "riscv,ndev", VIRT_IRQ_SOURCES);
    reg(t, virt_memmap[VIRT_PLIC]);
    interrupts_extended(t, 11, 9);
    flag(t, "interrupt-controller");
    texts(t, "compatible", "sifive,plic-1.0.0|riscv,plic0", '|');
    CELLS(t, "#address-cells", 0);
    CELLS(t, "#interrupt-cells", 1);
    end(t);
    begin_at(t, "clint", virt_memmap[VIRT_CLINT].base);
    interrupts_extended(t, 3, 7);
    reg(t, virt_memmap[VIRT_CLINT]);
    texts(t, "compatible", "sifive,clint0|riscv,clint0", '|');
    end(t);
}

/* INTx of slot and pin goes to line (slot + pin) mod 4 (PCI-to-PCI Bridge Architecture, 9.1). */
static void add_pci_interrupt_map(struct tree *t)
{
    u32 value[4 * 4 * 6], *v = value;

    for (u32 slot = 0; slot < 4; slot++) {
        for (u32 pin = 0; pin < 4; pin++) {
            const u32 row[6] = { slot << 11, 0, 0, pin + 1, plic_phandle(), VIRT_IRQ_PCIE + (slot + pin) % 4 };

            memcpy(v, row, sizeof(row));
            v += 6;
        }
    }
    CELLS(t, "interrupt-map-mask", 0x1800, 0, 0, 7);
    cells(t, "interrupt-map", value, ARRAY_SIZE(value));
}

static void add_pci(struct tree *t)
{
    struct virt_range pio = virt_memmap[VIRT_PCIE_PIO], low = virt_memmap[VIRT_PCIE_MMIO], high = t->virt->pcie_high;

    begin_at(t, "pci", virt_memmap[VIRT_PCIE_ECAM].base);
    add_pci_interrupt_map(t);
    CELLS(t, "ranges", 0x1000000, 0, 0, HIGH(pio.base), LOW(pio.base), 0, LOW(pio.size), 0x2000000, HIGH(low.base), LOW(low.base),
          HIGH(low.base), LOW(low.base), 0, LOW(low.size), 0x3000000, HIGH(high.base), LOW(high.base), HIGH(high.base), LOW(high.base),
          HIGH(high.size), LOW(high.size));
    reg(t, virt_memmap[VIRT_PCIE_ECAM]);
    flag(t, "dma-coherent");
    CELLS(t, "bus-range", 0, 0xff);
    CELLS(t, "linux,pci-domain", 0);
    text(t, "device_type", "pci");
    text(t, "compatible", "pci-host-ecam-generic");
    CELLS(t, "#size-cells", 2);
    CELLS(t, "#interrupt-cells", 1);
    CELLS(t, "#address-cells", 3);
    end(t);
}

static void add_soc(struct tree *t)
{
    begin(t, "soc");
    CELLS(t, "#address-cells", 2);
    CELLS(t, "#size-cells", 2);
    text(t, "compatible", "simple-bus");
    flag(t, "ranges");
    add_soc_devices(t);
    add_interrupt_controllers(t);
    add_pci(t);
    end(t);
}

static void add_root(struct tree *t)
{
    begin(t, "");
    CELLS(t, "#address-cells", 2);
    CELLS(t, "#size-cells", 2);
    text(t, "compatible", "riscv-virtio");
    text(t, "model", "riscv-virtio,qemu");
    add_power(t, "poweroff", "syscon-poweroff", 0x5555);
    add_power(t, "reboot", "syscon-reboot", 0x7777);
    add_platform_bus(t);
    add_memory(t);
    add_distances(t);
    add_harts(t);
    add_pmu(t);
    add_fw_cfg(t);
    add_flash(t);
    add_chosen(t);
    add_soc(t);
    end(t);
}

void *virt_fdt_build(struct virt *virt, u32 *size, GError **error)
{
    struct tree t = { .virt = virt, .fdt = g_malloc0(VIRT_FDT_MAX) };

    note(&t, fdt_create(t.fdt, VIRT_FDT_MAX));
    note(&t, fdt_finish_reservemap(t.fdt));
    add_root(&t);
    note(&t, fdt_finish(t.fdt));
    *size = VIRT_FDT_MAX;
    if (!t.error)
        note(&t, fdt_open_into(t.fdt, t.fdt, VIRT_FDT_MAX));
    if (!t.error)
        return t.fdt;
    error_set(error, "device tree: %s", fdt_strerror(t.error));
    g_free(t.fdt);
    return NULL;
}

bool virt_fdt_finish(struct virt *virt, void *fdt, struct virt_initrd initrd, GError **error)
{
    const char *append = virt->machine.append;
    int chosen = fdt_path_offset(fdt, "/chosen"), result = 0;

    if (chosen < 0)
        chosen = fdt_add_subnode(fdt, 0, "chosen");
    if (chosen < 0)
        return error_set(error, "device tree: no room for /chosen: %s", fdt_strerror(chosen));
    if (append && *append)
        result = fdt_setprop_string(fdt, chosen, "bootargs", append);
    if (initrd.end && !result)
        result = fdt_setprop_u64(fdt, chosen, "linux,initrd-start", initrd.start);
    if (initrd.end && !result)
        result = fdt_setprop_u64(fdt, chosen, "linux,initrd-end", initrd.end);
    if (!result)
        result = fdt_pack(fdt);
    return !result || error_set(error, "device tree: boot arguments: %s", fdt_strerror(result));
}
