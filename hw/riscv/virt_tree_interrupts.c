/* hw/riscv/virt_tree_interrupts.c - the virt board's device tree: interrupt controllers, timers, and who pulls which wire. */
#include "hw/riscv/virt_tree.h"
#include <string.h>

/* Phandles: 1 and 2 belong to the last hart. */

static u32 first_board_phandle(const struct virt_tree *t)
{
    return 2 * t->virt->machine.cpus + 1;
}

u32 tree_hart_phandle(const struct virt_tree *t, u32 hart)
{
    return 2 * (t->virt->machine.cpus - 1 - hart) + 1;
}

u32 tree_intc_phandle(const struct virt_tree *t, u32 hart)
{
    return tree_hart_phandle(t, hart) + 1;
}

static bool has_imsic(const struct virt_tree *t)
{
    return t->virt->aia == VIRT_AIA_APLIC_IMSIC;
}

static bool has_aplic(const struct virt_tree *t)
{
    return t->virt->aia != VIRT_AIA_NONE;
}

static u32 imsic_phandle(const struct virt_tree *t, bool machine)
{
    return first_board_phandle(t) + (machine ? 0 : 1);
}

/* Each socket's controllers, from the last socket to the first: a PLIC, or the domains of an APLIC, machine level before supervisor level. */
static u32 controller_phandle(const struct virt_tree *t, u32 socket, bool machine)
{
    u32 first = first_board_phandle(t) + (has_imsic(t) ? 2 : 0), rank = t->virt->socket_count - 1 - socket;

    return first + (has_aplic(t) ? 2 * rank + (machine ? 0 : 1) : rank);
}

u32 tree_test_phandle(const struct virt_tree *t)
{
    return controller_phandle(t, 0, false) + 1;
}

u32 tree_wires_phandle(const struct virt_tree *t, enum virt_wires group)
{
    return controller_phandle(t, virt_wires_socket(t->virt, group), false);
}

enum { LEVEL_HIGH = 4 }; /* Linux' binding riscv,aplic: second cell */

void tree_interrupt(struct virt_tree *t, enum virt_wires group, u32 source)
{
    const u32 value[2] = { source, LEVEL_HIGH };

    TREE_CELLS(t, "interrupt-parent", tree_wires_phandle(t, group));
    tree_cells(t, "interrupts", value, has_aplic(t) ? 2 : 1);
}

/* Per hart: its interrupt controller and `count` interrupt numbers of it, each in a pair. */
static void interrupts_extended(struct virt_tree *t, const struct virt_socket *socket, const u32 *number, u32 count)
{
    g_autoptr(GArray) value = g_array_new(FALSE, FALSE, sizeof(u32));

    for (u32 i = 0; i < socket->harts * count; i++) {
        const u32 pair[2] = { tree_intc_phandle(t, socket->first_hart + i / count), number[i % count] };

        g_array_append_vals(value, pair, 2);
    }
    tree_cells(t, "interrupts-extended", (const u32 *)(void *)value->data, value->len);
}

static void add_clint(struct virt_tree *t, u32 number)
{
    static const u32 software_timer[] = { 3, 7 };
    struct virt_range range = virt_area_of_socket(VIRT_CLINT, number);

    tree_begin_at(t, "clint", range.base);
    tree_numa_node(t, number);
    interrupts_extended(t, &t->virt->socket[number], software_timer, 2);
    tree_reg(t, range);
    tree_texts(t, "compatible", "sifive,clint0|riscv,clint0", '|');
    tree_end(t);
}

static void add_swi(struct virt_tree *t, u32 number, bool machine)
{
    struct virt_range range = { virt_area_of_socket(machine ? VIRT_CLINT : VIRT_SSWI, number).base, VIRT_SWI_SIZE };
    u32 software = machine ? 3 : 1;

    tree_begin_at(t, machine ? "mswi" : "sswi", range.base);
    tree_numa_node(t, number);
    interrupts_extended(t, &t->virt->socket[number], &software, 1);
    tree_flag(t, "interrupt-controller");
    TREE_CELLS(t, "#interrupt-cells", 0);
    tree_reg(t, range);
    tree_text(t, "compatible", machine ? "riscv,aclint-mswi" : "riscv,aclint-sswi");
    tree_end(t);
}

/* MTIME's bytes to the end of the CLINT's area, or of the window where it stands alone; then those of the comparators. */
static void add_mtimer(struct virt_tree *t, u32 number)
{
    u64 base = virt_mtimer_base(t->virt, number), time = base + VIRT_MTIME;
    u32 rest = virt_has_mswi(t->virt) ? (u32)virt_memmap[VIRT_CLINT].size - VIRT_SWI_SIZE - VIRT_MTIME : VIRT_MTIMER_SIZE - VIRT_MTIME, timer = 7;

    tree_begin_at(t, "mtimer", time);
    tree_numa_node(t, number);
    interrupts_extended(t, &t->virt->socket[number], &timer, 1);
    TREE_CELLS(t, "reg", TREE_HIGH(time), TREE_LOW(time), 0, rest, TREE_HIGH(base), TREE_LOW(base), 0, VIRT_MTIME);
    tree_text(t, "compatible", "riscv,aclint-mtimer");
    tree_end(t);
}

static void add_aclint(struct virt_tree *t, u32 number)
{
    if (!t->virt->aclint) {
        add_clint(t, number);
        return;
    }
    if (virt_has_mswi(t->virt))
        add_swi(t, number, true);
    add_mtimer(t, number);
    if (virt_has_sswi(t->virt))
        add_swi(t, number, false);
}

static void add_plic(struct virt_tree *t, u32 number)
{
    static const u32 external[] = { 11, 9 };
    struct virt_range range = virt_area_of_socket(VIRT_PLIC, number);

    tree_begin_at(t, "interrupt-controller", range.base);
    TREE_CELLS(t, "phandle", controller_phandle(t, number, false));
    tree_numa_node(t, number);
    TREE_CELLS(t, "riscv,ndev", VIRT_IRQ_SOURCES);
    tree_reg(t, range);
    interrupts_extended(t, &t->virt->socket[number], external, virt_has_supervisor(t->virt) ? 2 : 1);
    tree_flag(t, "interrupt-controller");
    tree_texts(t, "compatible", "sifive,plic-1.0.0|riscv,plic0", '|');
    TREE_CELLS(t, "#address-cells", 0);
    TREE_CELLS(t, "#interrupt-cells", 1);
    tree_end(t);
}

static void add_domain(struct virt_tree *t, u32 number, bool machine)
{
    struct virt_range range = virt_area_of_socket(machine ? VIRT_APLIC_M : VIRT_APLIC_S, number);
    u32 external = machine ? 11 : 9, child = controller_phandle(t, number, false);

    tree_begin_at(t, "interrupt-controller", range.base);
    TREE_CELLS(t, "phandle", controller_phandle(t, number, machine));
    tree_numa_node(t, number);
    if (machine) {
        TREE_CELLS(t, "riscv,delegation", child, 1, VIRT_APLIC_SOURCES);
        TREE_CELLS(t, "riscv,children", child);
    }
    TREE_CELLS(t, "riscv,num-sources", VIRT_APLIC_SOURCES);
    tree_reg(t, range);
    if (has_imsic(t))
        TREE_CELLS(t, "msi-parent", imsic_phandle(t, machine));
    else
        interrupts_extended(t, &t->virt->socket[number], &external, 1);
    tree_flag(t, "interrupt-controller");
    TREE_CELLS(t, "#interrupt-cells", 2);
    TREE_CELLS(t, "#address-cells", 0);
    tree_texts(t, "compatible", "qemu,aplic|riscv,aplic", '|');
    tree_end(t);
}

/* Bits that number so many things. */
static u32 index_bits(u32 count)
{
    return count > 1 ? 32 - (u32)__builtin_clz(count - 1) : 0;
}

/* Files of a level lie one behind the other, in groups by sockets. */
static void add_imsic_addresses(struct virt_tree *t, bool machine)
{
    u32 guest_bits = machine ? 0 : virt_guest_bits(t->virt), most = 0;
    u32 reg[4 * VIRT_MAX_SOCKETS];

    for (u32 i = 0; i < t->virt->socket_count; i++) {
        struct virt_range area = virt_area_of_socket(machine ? VIRT_IMSIC_M : VIRT_IMSIC_S, i);
        const u32 row[4] = { TREE_HIGH(area.base), TREE_LOW(area.base), 0, t->virt->socket[i].harts << guest_bits << 12 };

        memcpy(&reg[4 * i], row, sizeof(row));
        most = MAX(most, t->virt->socket[i].harts);
    }
    if (t->virt->socket_count > 1) {
        TREE_CELLS(t, "riscv,group-index-shift", index_bits((u32)virt_memmap[VIRT_IMSIC_M].size));
        TREE_CELLS(t, "riscv,group-index-bits", index_bits(t->virt->socket_count));
        TREE_CELLS(t, "riscv,hart-index-bits", index_bits(most));
    }
    if (guest_bits)
        TREE_CELLS(t, "riscv,guest-index-bits", guest_bits);
    tree_cells(t, "reg", reg, 4 * t->virt->socket_count);
}

static void add_imsic(struct virt_tree *t, bool machine)
{
    const struct virt_socket all = { .harts = t->virt->machine.cpus };
    u32 external = machine ? 11 : 9;

    tree_begin_at(t, "interrupt-controller", virt_memmap[machine ? VIRT_IMSIC_M : VIRT_IMSIC_S].base);
    TREE_CELLS(t, "phandle", imsic_phandle(t, machine));
    TREE_CELLS(t, "riscv,num-ids", VIRT_MSI_IDENTITIES);
    add_imsic_addresses(t, machine);
    interrupts_extended(t, &all, &external, 1);
    tree_flag(t, "msi-controller");
    tree_flag(t, "interrupt-controller");
    TREE_CELLS(t, "#interrupt-cells", 0);
    tree_texts(t, "compatible", "qemu,imsics|riscv,imsics", '|');
    tree_end(t);
}

void tree_add_interrupt_controllers(struct virt_tree *t)
{
    for (u32 i = 0; i < t->virt->socket_count; i++) {
        if (has_aplic(t)) {
            add_domain(t, i, false);
            add_domain(t, i, true);
        } else {
            add_plic(t, i);
        }
        add_aclint(t, i);
    }
    if (has_imsic(t)) {
        add_imsic(t, false);
        add_imsic(t, true);
    }
}

/* INTx of slot and pin goes to line (slot + pin) mod 4 (PCI-to-PCI Bridge Architecture, 9.1). */
void tree_pci_interrupts(struct virt_tree *t)
{
    u32 value[4 * 4 * 7], *v = value;
    u32 row_cells = has_aplic(t) ? 7 : 6;

    for (u32 slot = 0; slot < 4; slot++) {
        for (u32 pin = 0; pin < 4; pin++) {
            const u32 row[7] = { slot << 11, 0, 0, pin + 1, tree_wires_phandle(t, VIRT_WIRES_PCIE), VIRT_IRQ_PCIE + (slot + pin) % 4, LEVEL_HIGH };

            memcpy(v, row, row_cells * sizeof(u32));
            v += row_cells;
        }
    }
    TREE_CELLS(t, "interrupt-map-mask", 0x1800, 0, 0, 7);
    tree_cells(t, "interrupt-map", value, 16 * row_cells);
    if (has_imsic(t))
        TREE_CELLS(t, "msi-parent", imsic_phandle(t, false));
}
