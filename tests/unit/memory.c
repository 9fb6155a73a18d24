/* tests/unit/memory.c - the memory map: priorities, aliases, gaps, device windows, generations. */
#include "vm/memory.h"
#include "vm/object.h"
#include "vm/vm.h"
#include <string.h>

struct device {
    u64 last_offset, last_value;
    unsigned last_size, reads, writes;
};

static enum mem_result device_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct device *device = opaque;

    device->reads++;
    device->last_offset = offset;
    device->last_size = size;
    *value = 0x1122334455667788;
    return MEM_OK;
}

static enum mem_result device_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct device *device = opaque;

    device->writes++;
    device->last_offset = offset;
    device->last_size = size;
    device->last_value = value;
    return MEM_OK;
}

static const struct region_ops any_size = { .read = device_read, .write = device_write };
static const struct region_ops words_only = { .read = device_read, .write = device_write, .min_access = 4, .max_access = 4 };

struct fixture {
    struct vm *vm;
    struct space *space;
    struct ram_block *ram;
    struct region ram_region, mmio, alias;
    struct device device;
};

static void set_up(struct fixture *f, gconstpointer data)
{
    (void)data;
    f->vm = vm_create(VM_GUEST_RISCV64, NULL);
    f->space = vm_memory(f->vm);
    f->ram = vm_ram_create(f->vm, "ram", 64 * KIB, NULL);
    region_init_ram(&f->ram_region, f->vm, "ram", f->ram, 0, 64 * KIB);
    region_add(space_root(f->space), 0x80000000, &f->ram_region, 0);
}

static void tear_down(struct fixture *f, gconstpointer data)
{
    (void)data;
    region_finish(&f->mmio);
    region_finish(&f->alias);
    region_finish(&f->ram_region);
    vm_destroy(f->vm);
}

static void add_mmio(struct fixture *f, const struct region_ops *ops, u64 address, s32 priority)
{
    region_init_mmio(&f->mmio, f->vm, "mmio", 0x100, ops, &f->device);
    region_add(space_root(f->space), address, &f->mmio, priority);
}

static void nothing_is_unmapped(struct fixture *f, gconstpointer data)
{
    u64 value = 1;

    (void)data;
    g_assert_cmpint(space_read(f->space, 0x1000, 4, &value), ==, MEM_UNMAPPED);
    g_assert_cmpint(space_write(f->space, 0x1000, 4, 0), ==, MEM_UNMAPPED);
    g_assert_cmpint(space_read(f->space, 0x80010000, 1, &value), ==, MEM_UNMAPPED);
    g_assert_cmphex(space_lookup(f->space, 0x7fffff00).left, ==, 0x100);
}

static void ram_keeps_bytes(struct fixture *f, gconstpointer data)
{
    u64 value;

    (void)data;
    g_assert_cmpint(space_write(f->space, 0x80000003, 8, 0x0123456789abcdef), ==, MEM_OK);
    g_assert_cmpint(space_read(f->space, 0x80000003, 8, &value), ==, MEM_OK);
    g_assert_cmphex(value, ==, 0x0123456789abcdef);
    g_assert_cmphex(f->ram->host[3], ==, 0xef);
    /* the last byte is there, an access that runs over the end is not */
    g_assert_cmpint(space_read(f->space, 0x8000ffff, 1, &value), ==, MEM_OK);
    g_assert_cmpint(space_read(f->space, 0x8000fffe, 4, &value), ==, MEM_UNMAPPED);
}

static void higher_priority_wins(struct fixture *f, gconstpointer data)
{
    u64 value;

    (void)data;
    add_mmio(f, &any_size, 0x80001000, 1);
    g_assert_cmpint(space_read(f->space, 0x80001010, 2, &value), ==, MEM_OK);
    g_assert_cmphex(value, ==, 0x7788);
    g_assert_cmpuint(f->device.reads, ==, 1);
    g_assert_cmphex(f->device.last_offset, ==, 0x10);
    /* RAM shows again on both sides, with its own offsets */
    g_assert_cmphex(space_lookup(f->space, 0x80001100).ram_offset, ==, 0x1100);
    g_assert_cmphex(space_lookup(f->space, 0x80000fff).left, ==, 1);
    region_set_enabled(&f->mmio, false);
    g_assert_nonnull(space_lookup(f->space, 0x80001010).ram);
    region_set_enabled(&f->mmio, true);
    region_set_address(&f->mmio, 0x80002000);
    g_assert_nonnull(space_lookup(f->space, 0x80001010).ram);
    g_assert_null(space_lookup(f->space, 0x80002010).ram);
}

static void lower_priority_hides(struct fixture *f, gconstpointer data)
{
    (void)data;
    add_mmio(f, &any_size, 0x80001000, -1);
    g_assert_nonnull(space_lookup(f->space, 0x80001010).ram);
}

static void aliases_show_a_part(struct fixture *f, gconstpointer data)
{
    (void)data;
    region_init_alias(&f->alias, f->vm, "alias", &f->ram_region, 0x2000, 0x1000);
    region_add(space_root(f->space), 0x1000, &f->alias, 0);
    struct space_hit hit = space_lookup(f->space, 0x1004);
    g_assert_true(hit.ram == f->ram);
    g_assert_cmphex(hit.ram_offset, ==, 0x2004);
    g_assert_cmphex(hit.left, ==, 0xffc);
    g_assert_null(space_lookup(f->space, 0x2000).region);
}

static void sizes_are_adapted(struct fixture *f, gconstpointer data)
{
    u64 value;

    (void)data;
    add_mmio(f, &words_only, 0x1000, 0);
    g_assert_cmpint(space_read(f->space, 0x1002, 1, &value), ==, MEM_OK);
    g_assert_cmphex(value, ==, 0x66);
    g_assert_cmpuint(f->device.last_size, ==, 4);
    g_assert_cmphex(f->device.last_offset, ==, 0);
    g_assert_cmpint(space_write(f->space, 0x1008, 8, 0xaaaaaaaabbbbbbbb), ==, MEM_OK);
    g_assert_cmpuint(f->device.writes, ==, 2);
    g_assert_cmphex(f->device.last_offset, ==, 0xc);
    g_assert_cmphex(f->device.last_value, ==, 0xaaaaaaaa);
    g_assert_cmpint(space_write(f->space, 0x1001, 1, 0), ==, MEM_ERROR);
    g_assert_cmpint(space_read(f->space, 0x1001, 4, &value), ==, MEM_ERROR);
    g_assert_cmpint(space_read(f->space, 0x10fe, 4, &value), !=, MEM_OK);
}

static void changes_are_told(struct fixture *f, gconstpointer data)
{
    u32 before = vm_memory_generation(f->vm);

    (void)data;
    region_batch_begin(f->vm);
    add_mmio(f, &any_size, 0x1000, 0);
    region_set_enabled(&f->mmio, false);
    g_assert_cmpuint(vm_memory_generation(f->vm), ==, before);
    region_batch_end(f->vm);
    g_assert_cmpuint(vm_memory_generation(f->vm), ==, before + 1);
}

/* The text that info mtree shows: exact, but for the owner's path. */
static void text_of_the_map(struct fixture *f, gconstpointer data)
{
    static const char flat[] = "FlatView #0\n AS \"memory\", root: system\n Root memory region: system\n"
                               "  0000000000001000-0000000000001fff (prio 0, ram): ram @0000000000002000\n"
                               "  0000000080000000-0000000080000fff (prio 0, ram): ram\n"
                               "  0000000080001000-00000000800010ff (prio 1, i/o): mmio\n"
                               "  0000000080001100-000000008000ffff (prio 0, ram): ram @0000000000001100\n",
                      dispatch[] = "  Dispatch\n    4 sorted pieces, found by bisection\n"
                                   "      #0 @0000000000001000..0000000000001fff ram [memory ram+2000]\n"
                                   "      #1 @0000000080000000..0000000080000fff ram [memory ram+0]\n"
                                   "      #2 @0000000080001000..00000000800010ff mmio [calls]\n"
                                   "      #3 @0000000080001100..000000008000ffff ram [memory ram+1100]\n",
                      tree[] = "address-space: memory\n"
                               "  0000000000000000-ffffffffffffffff (prio 0, container): system\n"
                               "    0000000000001000-0000000000001fff (prio 0, ram): alias alias @ram 0000000000002000-0000000000002fff\n"
                               "    0000000080000000-000000008000ffff (prio 0, ram): ram\n",
                      off[] = "    0000000080001000-00000000800010ff (prio 1, i/o): mmio [disabled] owner:{obj path=/}\n";
    g_autofree char *both = g_strconcat(flat, dispatch, "\n", NULL), *all = g_strconcat(tree, off, "\n", NULL),
                    *some = g_strconcat(tree, "\n", NULL), *plain = g_strconcat(flat, "\n", NULL);
    const struct {
        u32 what;
        const char *text;
    } rows[] = {
        { MEMORY_TEXT_FLAT, plain },
        { MEMORY_TEXT_FLAT | MEMORY_TEXT_DISPATCH, both },
        { 0, some },                                         /* what is switched off does not show ... */
        { MEMORY_TEXT_DISABLED | MEMORY_TEXT_OWNERS, all },  /* ... unless asked for */
    };

    (void)data;
    add_mmio(f, &any_size, 0x80001000, 1);
    f->mmio.owner = vm_root(f->vm);
    region_init_alias(&f->alias, f->vm, "alias", &f->ram_region, 0x2000, 0x1000);
    region_add(space_root(f->space), 0x1000, &f->alias, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        region_set_enabled(&f->mmio, rows[i].what & MEMORY_TEXT_FLAT);
        g_autofree char *text = vm_memory_text(f->vm, rows[i].what);
        g_assert_cmpstr(text, ==, rows[i].text);
    }
}

/* Behind an alias lies a tree of its own: it is shown once, whatever looks into it. */
static void text_of_what_aliases_show(struct fixture *f, gconstpointer data)
{
    struct region aside;

    (void)data;
    region_init_container(&aside, f->vm, "aside", 0x10000);
    region_init_alias(&f->alias, f->vm, "window", &aside, 0x1000, 0x1000);
    region_add(space_root(f->space), 0x1000, &f->alias, 0);
    region_init_alias(&f->mmio, f->vm, "window-2", &aside, 0x1000, 0x1000);
    region_add(space_root(f->space), 0x3000, &f->mmio, 0);
    g_autofree char *text = vm_memory_text(f->vm, 0);
    g_assert_true(g_str_has_suffix(text, "(prio 0, ram): ram\n\nmemory-region: aside\n"
                                         "  0000000000000000-000000000000ffff (prio 0, container): aside\n\n"));
    region_finish(&f->mmio);
    region_finish(&f->alias);
    region_finish(&aside);
}

/* A container may go before what lies in it: of other objects, for instance. */
static void containers_go_first(struct fixture *f, gconstpointer data)
{
    struct region *container = g_new0(struct region, 1);

    (void)data;
    region_init_container(container, f->vm, "container", 0x1000);
    region_add(space_root(f->space), 0x1000, container, 0);
    region_init_container(&f->mmio, f->vm, "inside", 0x100);
    region_add(container, 0, &f->mmio, 0);
    region_finish(container);
    g_free(container);
    g_assert_null(f->mmio.container);
    region_finish(&f->mmio);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define T(name) g_test_add("/memory/" #name, struct fixture, NULL, set_up, name, tear_down)
    T(nothing_is_unmapped);
    T(ram_keeps_bytes);
    T(higher_priority_wins);
    T(lower_priority_hides);
    T(aliases_show_a_part);
    T(sizes_are_adapted);
    T(changes_are_told);
    T(containers_go_first);
    T(text_of_the_map);
    T(text_of_what_aliases_show);
    return g_test_run();
}
