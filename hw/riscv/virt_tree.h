/*
 * hw/riscv/virt_tree.h - writing the virt board's device tree node by node (libfdt's sequential interface), and who has which phandle.
 * Private to hw/riscv/. Main thread.
 */
#ifndef HW_RISCV_VIRT_TREE_H
#define HW_RISCV_VIRT_TREE_H

#include "base/bits.h"
#include "hw/riscv/virt.h"

struct virt_tree {
    struct virt *virt;
    void *fdt;
    int error; /* the first one of libfdt */
};

/* Remembers a failure of libfdt. */
void tree_note(struct virt_tree *t, int result);
void tree_begin(struct virt_tree *t, const char *name);
void tree_begin_at(struct virt_tree *t, const char *name, u64 address);
void tree_end(struct virt_tree *t);
void tree_flag(struct virt_tree *t, const char *name);
void tree_text(struct virt_tree *t, const char *name, const char *value);
/* value: strings separated by `separator`. */
void tree_texts(struct virt_tree *t, const char *name, const char *value, char separator);
void tree_cells(struct virt_tree *t, const char *name, const u32 *value, u32 count);
/* "reg" of two cells each. */
void tree_reg(struct virt_tree *t, struct virt_range range);
/* Nothing when the machine has no NUMA nodes. */
void tree_numa_node(struct virt_tree *t, u32 node);

#define TREE_CELLS(t, name, ...)                              \
    do {                                                      \
        const u32 cells_[] = { __VA_ARGS__ };                 \
        tree_cells(t, name, cells_, ARRAY_SIZE(cells_));      \
    } while (0)
#define TREE_HIGH(x) (u32)((x) >> 32)
#define TREE_LOW(x)  (u32)(x)

/* Phandles, counted as QEMU does: harts from the last to the first with their interrupt controllers, then those of the board. */
u32 tree_hart_phandle(const struct virt_tree *t, u32 hart);
u32 tree_intc_phandle(const struct virt_tree *t, u32 hart);
u32 tree_test_phandle(const struct virt_tree *t);
/* Whom wires of a group are told to go to. */
u32 tree_wires_phandle(const struct virt_tree *t, enum virt_wires group);

/* virt_tree_interrupts.c: the nodes of all interrupt controllers and timers, and of a device: which wire it pulls. */
void tree_add_interrupt_controllers(struct virt_tree *t);
void tree_interrupt(struct virt_tree *t, enum virt_wires group, u32 source);
/* interrupt-map and msi-parent of the PCI host. */
void tree_pci_interrupts(struct virt_tree *t);

#endif
