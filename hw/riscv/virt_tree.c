/* hw/riscv/virt_tree.c - writing the virt board's device tree: properties of each shape. */
#include "hw/riscv/virt_tree.h"
#include "vm/numa.h"
#include <libfdt.h>
#include <string.h>

void tree_note(struct virt_tree *t, int result)
{
    if (result < 0 && !t->error)
        t->error = result;
}

void tree_begin(struct virt_tree *t, const char *name)
{
    tree_note(t, fdt_begin_node(t->fdt, name));
}

void tree_begin_at(struct virt_tree *t, const char *name, u64 address)
{
    g_autofree char *full = g_strdup_printf("%s@%" G_GINT64_MODIFIER "x", name, address);

    tree_begin(t, full);
}

void tree_end(struct virt_tree *t)
{
    tree_note(t, fdt_end_node(t->fdt));
}

void tree_flag(struct virt_tree *t, const char *name)
{
    tree_note(t, fdt_property(t->fdt, name, NULL, 0));
}

void tree_text(struct virt_tree *t, const char *name, const char *value)
{
    tree_note(t, fdt_property_string(t->fdt, name, value));
}

void tree_texts(struct virt_tree *t, const char *name, const char *value, char separator)
{
    g_autofree char *copy = g_strdup(value);
    size_t size = strlen(value) + 1;

    for (size_t i = 0; i < size; i++)
        copy[i] = copy[i] == separator ? 0 : copy[i];
    tree_note(t, fdt_property(t->fdt, name, copy, (int)size));
}

void tree_cells(struct virt_tree *t, const char *name, const u32 *value, u32 count)
{
    g_autofree u32 *big = g_new(u32, MAX(count, 1));

    for (u32 i = 0; i < count; i++)
        big[i] = cpu_to_fdt32(value[i]);
    tree_note(t, fdt_property(t->fdt, name, big, (int)(count * 4)));
}

void tree_reg(struct virt_tree *t, struct virt_range range)
{
    TREE_CELLS(t, "reg", TREE_HIGH(range.base), TREE_LOW(range.base), TREE_HIGH(range.size), TREE_LOW(range.size));
}

void tree_numa_node(struct virt_tree *t, u32 node)
{
    if (t->virt->machine.numa)
        TREE_CELLS(t, "numa-node-id", node);
}
