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

/* From the last socket to the first. */
static u32 plic_phandle(const struct virt_tree *t, u32 socket)
{
    return first_board_phandle(t) + t->virt->socket_count - 1 - socket;
}

u32 tree_test_phandle(const struct virt_tree *t)
{
    return first_board_phandle(t) + t->virt->socket_count;
}

u32 tree_wires_phandle(const struct virt_tree *t, enum virt_wires group)
{
    return plic_phandle(t, virt_wires_socket(t->virt, group));
}

void tree_interrupt(struct virt_tree *t, enum virt_wires group, u32 source)
{
    TREE_CELLS(t, "interrupt-parent", tree_wires_phandle(t, group));
    TREE_CELLS(t, "interrupts", source);
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

static void add_plic(struct virt_tree *t, u32 number)
{
    static const u32 external[] = { 11, 9 };
    struct virt_range range = virt_area_of_socket(VIRT_PLIC, number);

    tree_begin_at(t, "interrupt-controller", range.base);
    TREE_CELLS(t, "phandle", plic_phandle(t, number));
    tree_numa_node(t, number);
    TREE_CELLS(t, "riscv,ndev", VIRT_IRQ_SOURCES);
    tree_reg(t, range);
    interrupts_extended(t, &t->virt->socket[number], external, 2);
    tree_flag(t, "interrupt-controller");
    tree_texts(t, "compatible", "sifive,plic-1.0.0|riscv,plic0", '|');
    TREE_CELLS(t, "#address-cells", 0);
    TREE_CELLS(t, "#interrupt-cells", 1);
    tree_end(t);
}

void tree_add_interrupt_controllers(struct virt_tree *t)
{
    for (u32 i = 0; i < t->virt->socket_count; i++) {
        add_plic(t, i);
        add_clint(t, i);
    }
}

/* INTx of slot and pin goes to line (slot + pin) mod 4 (PCI-to-PCI Bridge Architecture, 9.1). */
void tree_pci_interrupts(struct virt_tree *t)
{
    u32 value[4 * 4 * 6], *v = value;

    for (u32 slot = 0; slot < 4; slot++) {
        for (u32 pin = 0; pin < 4; pin++) {
            const u32 row[6] = { slot << 11, 0, 0, pin + 1, tree_wires_phandle(t, VIRT_WIRES_PCIE), VIRT_IRQ_PCIE + (slot + pin) % 4 };

            memcpy(v, row, sizeof(row));
            v += 6;
        }
    }
    TREE_CELLS(t, "interrupt-map-mask", 0x1800, 0, 0, 7);
    tree_cells(t, "interrupt-map", value, ARRAY_SIZE(value));
}
