/* hw/riscv/virt_fdt.c - the device tree of the virt board (Devicetree Specification 0.4; Linux's bindings). */
#include "base/error.h"
#include "hw/riscv/virt_tree.h"
#include "vm/clock.h"
#include "vm/numa.h"
#include <libfdt.h>
#include <string.h>

static char *hart_property(struct vcpu *vcpu, const char *name)
{
    char *value = vm_object_get(&vcpu->object, name, NULL);

    if (value && !*value)
        g_clear_pointer(&value, g_free);
    return value;
}

static void block_size(struct virt_tree *t, struct vcpu *vcpu, const char *extension, const char *property, const char *name)
{
    g_autofree char *on = hart_property(vcpu, extension), *size = hart_property(vcpu, property);

    if (!g_strcmp0(on, "on") && size)
        TREE_CELLS(t, name, (u32)g_ascii_strtoull(size, NULL, 10));
}

static void add_hart(struct virt_tree *t, u32 hart)
{
    struct vcpu *vcpu = vm_vcpu(t->virt->machine.object.vm, hart);
    g_autofree char *isa = hart_property(vcpu, "isa"), *extensions = hart_property(vcpu, "isa-extensions"), *mmu = hart_property(vcpu, "mmu-type");

    tree_begin_at(t, "cpu", hart);
    TREE_CELLS(t, "phandle", tree_hart_phandle(t, hart));
    tree_text(t, "device_type", "cpu");
    if (t->virt->machine.numa)
        tree_numa_node(t, t->virt->machine.numa->cpu_node[hart]);
    TREE_CELLS(t, "reg", hart);
    tree_text(t, "status", "okay");
    tree_text(t, "compatible", "riscv");
    block_size(t, vcpu, "zicbop", "cbop_blocksize", "riscv,cbop-block-size");
    block_size(t, vcpu, "zicboz", "cboz_blocksize", "riscv,cboz-block-size");
    block_size(t, vcpu, "zicbom", "cbom_blocksize", "riscv,cbom-block-size");
    if (extensions)
        tree_texts(t, "riscv,isa-extensions", extensions, ',');
    tree_text(t, "riscv,isa-base", "rv64i");
    tree_text(t, "riscv,isa", isa ? isa : "rv64imafdc");
    if (mmu)
        tree_text(t, "mmu-type", mmu);
    tree_begin(t, "interrupt-controller");
    TREE_CELLS(t, "#interrupt-cells", 1);
    tree_flag(t, "interrupt-controller");
    tree_text(t, "compatible", "riscv,cpu-intc");
    TREE_CELLS(t, "phandle", tree_intc_phandle(t, hart));
    tree_end(t);
    tree_end(t);
}

static void add_cluster(struct virt_tree *t, u32 number)
{
    const struct virt_socket *socket = &t->virt->socket[number];
    g_autofree char *cluster = g_strdup_printf("cluster%u", number);

    tree_begin(t, cluster);
    for (u32 i = 0; i < socket->harts; i++) {
        g_autofree char *core = g_strdup_printf("core%u", i);

        tree_begin(t, core);
        TREE_CELLS(t, "cpu", tree_hart_phandle(t, socket->first_hart + i));
        tree_end(t);
    }
    tree_end(t);
}

static void add_harts(struct virt_tree *t)
{
    tree_begin(t, "cpus");
    TREE_CELLS(t, "#address-cells", 1);
    TREE_CELLS(t, "#size-cells", 0);
    TREE_CELLS(t, "timebase-frequency", VIRT_TIMEBASE_HZ);
    for (u32 i = 0; i < t->virt->machine.cpus; i++)
        add_hart(t, i);
    tree_begin(t, "cpu-map");
    for (u32 i = 0; i < t->virt->socket_count; i++)
        add_cluster(t, i);
    tree_end(t);
    tree_end(t);
}

static void add_memory(struct virt_tree *t)
{
    const struct numa *numa = t->virt->machine.numa;
    struct virt_range range = { virt_memmap[VIRT_DRAM].base, t->virt->machine.ram_size };

    for (u32 i = 0; i < (numa ? numa->count : 1); i++) {
        range.size = numa ? numa->node[i].size : range.size;
        if (!range.size)
            continue;
        tree_begin_at(t, "memory", range.base);
        tree_text(t, "device_type", "memory");
        tree_reg(t, range);
        tree_numa_node(t, i);
        tree_end(t);
        range.base += range.size;
    }
}

/* Devicetree specification, numa.txt of Linux' bindings: from, to, distance of each pair. */
static void add_distances(struct virt_tree *t)
{
    const struct numa *numa = t->virt->machine.numa;
    g_autoptr(GArray) row = g_array_new(FALSE, FALSE, sizeof(u32));

    if (!numa || !numa->distances)
        return;
    for (u32 from = 0; from < numa->count; from++) {
        for (u32 to = 0; to < numa->count; to++) {
            const u32 entry[] = { from, to, numa->distance[from][to] };

            g_array_append_vals(row, entry, 3);
        }
    }
    tree_begin(t, "distance-map");
    tree_text(t, "compatible", "numa-distance-map-v1");
    tree_cells(t, "distance-matrix", (const u32 *)(void *)row->data, row->len);
    tree_end(t);
}

static void add_power(struct virt_tree *t, const char *node, const char *compatible, u32 value)
{
    tree_begin(t, node);
    TREE_CELLS(t, "value", value);
    TREE_CELLS(t, "offset", 0);
    TREE_CELLS(t, "regmap", tree_test_phandle(t));
    tree_text(t, "compatible", compatible);
    tree_end(t);
}

/* Which counters count what: mhpmcounter3 to 18, cycles and instructions also the fixed ones (OpenSBI's pmu_support.md). */
static void add_pmu(struct virt_tree *t)
{
    tree_begin(t, "pmu");
    TREE_CELLS(t, "riscv,event-to-mhpmcounters", 0x01, 0x01, 0x7fff9, 0x02, 0x02, 0x7fffc, 0x10019, 0x10019, 0x7fff8, 0x1001b, 0x1001b, 0x7fff8,
          0x10021, 0x10021, 0x7fff8);
    tree_text(t, "compatible", "riscv,pmu");
    tree_end(t);
}

static void add_platform_bus(struct virt_tree *t)
{
    struct virt_range range = virt_memmap[VIRT_PLATFORM_BUS];

    tree_begin_at(t, "platform-bus", range.base);
    TREE_CELLS(t, "interrupt-parent", tree_wires_phandle(t, VIRT_WIRES_BOARD));
    TREE_CELLS(t, "ranges", 0, TREE_HIGH(range.base), TREE_LOW(range.base), TREE_LOW(range.size));
    TREE_CELLS(t, "#address-cells", 1);
    TREE_CELLS(t, "#size-cells", 1);
    tree_texts(t, "compatible", "qemu,platform|simple-bus", '|');
    tree_end(t);
}

static void add_fw_cfg(struct virt_tree *t)
{
    tree_begin_at(t, "fw-cfg", virt_memmap[VIRT_FW_CFG].base);
    tree_flag(t, "dma-coherent");
    tree_reg(t, virt_memmap[VIRT_FW_CFG]);
    tree_text(t, "compatible", "qemu,fw-cfg-mmio");
    tree_end(t);
}

static void add_flash(struct virt_tree *t)
{
    u64 base = virt_memmap[VIRT_FLASH].base, half = virt_memmap[VIRT_FLASH].size / 2;

    tree_begin_at(t, "flash", base);
    TREE_CELLS(t, "bank-width", 4);
    TREE_CELLS(t, "reg", TREE_HIGH(base), TREE_LOW(base), 0, TREE_LOW(half), TREE_HIGH(base + half), TREE_LOW(base + half), 0, TREE_LOW(half));
    tree_text(t, "compatible", "cfi-flash");
    tree_end(t);
}

static void add_chosen(struct virt_tree *t)
{
    u32 seed[8];

    vm_random(t->virt->machine.object.vm, seed, sizeof(seed));
    tree_begin(t, "aliases");
    tree_text(t, "serial0", "/soc/serial@10000000");
    tree_end(t);
    tree_begin(t, "chosen");
    tree_text(t, "stdout-path", "/soc/serial@10000000");
    tree_cells(t, "rng-seed", seed, ARRAY_SIZE(seed));
    tree_end(t);
}

static void add_soc_devices(struct virt_tree *t)
{
    tree_begin_at(t, "rtc", virt_memmap[VIRT_RTC].base);
    tree_interrupt(t, VIRT_WIRES_BOARD, VIRT_IRQ_RTC);
    tree_reg(t, virt_memmap[VIRT_RTC]);
    tree_text(t, "compatible", "google,goldfish-rtc");
    tree_end(t);
    tree_begin_at(t, "serial", virt_memmap[VIRT_UART0].base);
    tree_interrupt(t, VIRT_WIRES_BOARD, VIRT_IRQ_UART0);
    TREE_CELLS(t, "clock-frequency", VIRT_UART_CLOCK);
    tree_reg(t, virt_memmap[VIRT_UART0]);
    tree_text(t, "compatible", "ns16550a");
    tree_end(t);
    tree_begin_at(t, "test", virt_memmap[VIRT_TEST].base);
    TREE_CELLS(t, "phandle", tree_test_phandle(t));
    tree_reg(t, virt_memmap[VIRT_TEST]);
    tree_texts(t, "compatible", "sifive,test1|sifive,test0|syscon", '|');
    tree_end(t);
    for (u32 i = VIRT_VIRTIO_COUNT; i-- > 0;) {
        struct virt_range range = virt_memmap[VIRT_VIRTIO];

        range.base += i * range.size;
        tree_begin_at(t, "virtio_mmio", range.base);
        tree_interrupt(t, VIRT_WIRES_VIRTIO, VIRT_IRQ_VIRTIO + i);
        tree_reg(t, range);
        tree_text(t, "compatible", "virtio,mmio");
        tree_end(t);
    }
}

static void add_pci(struct virt_tree *t)
{
    struct virt_range pio = virt_memmap[VIRT_PCIE_PIO], low = virt_memmap[VIRT_PCIE_MMIO], high = t->virt->pcie_high;

    tree_begin_at(t, "pci", virt_memmap[VIRT_PCIE_ECAM].base);
    tree_pci_interrupts(t);
    TREE_CELLS(t, "ranges", 0x1000000, 0, 0, TREE_HIGH(pio.base), TREE_LOW(pio.base), 0, TREE_LOW(pio.size), 0x2000000, TREE_HIGH(low.base), TREE_LOW(low.base),
          TREE_HIGH(low.base), TREE_LOW(low.base), 0, TREE_LOW(low.size), 0x3000000, TREE_HIGH(high.base), TREE_LOW(high.base), TREE_HIGH(high.base), TREE_LOW(high.base),
          TREE_HIGH(high.size), TREE_LOW(high.size));
    tree_reg(t, virt_memmap[VIRT_PCIE_ECAM]);
    tree_flag(t, "dma-coherent");
    TREE_CELLS(t, "bus-range", 0, 0xff);
    TREE_CELLS(t, "linux,pci-domain", 0);
    tree_text(t, "device_type", "pci");
    tree_text(t, "compatible", "pci-host-ecam-generic");
    TREE_CELLS(t, "#size-cells", 2);
    TREE_CELLS(t, "#interrupt-cells", 1);
    TREE_CELLS(t, "#address-cells", 3);
    tree_end(t);
}

static void add_soc(struct virt_tree *t)
{
    tree_begin(t, "soc");
    TREE_CELLS(t, "#address-cells", 2);
    TREE_CELLS(t, "#size-cells", 2);
    tree_text(t, "compatible", "simple-bus");
    tree_flag(t, "ranges");
    add_soc_devices(t);
    tree_add_interrupt_controllers(t);
    add_pci(t);
    tree_end(t);
}

static void add_root(struct virt_tree *t)
{
    tree_begin(t, "");
    TREE_CELLS(t, "#address-cells", 2);
    TREE_CELLS(t, "#size-cells", 2);
    tree_text(t, "compatible", "riscv-virtio");
    tree_text(t, "model", "riscv-virtio,qemu");
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
    tree_end(t);
}

void *virt_fdt_build(struct virt *virt, u32 *size, GError **error)
{
    struct virt_tree t = { .virt = virt, .fdt = g_malloc0(VIRT_FDT_MAX) };

    tree_note(&t, fdt_create(t.fdt, VIRT_FDT_MAX));
    tree_note(&t, fdt_finish_reservemap(t.fdt));
    add_root(&t);
    tree_note(&t, fdt_finish(t.fdt));
    *size = VIRT_FDT_MAX;
    if (!t.error)
        tree_note(&t, fdt_open_into(t.fdt, t.fdt, VIRT_FDT_MAX));
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
