/* vm/region.c - the tree of regions and its rendering into flat views. */
#include "base/error.h"
#include "host/epoch.h"
#include "vm/internal.h"
#include "vm/view.h"
#include <string.h>

static void init(struct region *region, struct vm *vm, const char *name, enum region_kind kind, u64 size)
{
    *region = (struct region){ .vm = vm, .name = name, .kind = kind, .size = size, .enabled = true };
    region->children = g_ptr_array_new();
}

void region_init_container(struct region *region, struct vm *vm, const char *name, u64 size)
{
    init(region, vm, name, REGION_CONTAINER, size);
}

void region_init_ram(struct region *region, struct vm *vm, const char *name, struct ram_block *ram, u64 offset, u64 size)
{
    init(region, vm, name, REGION_RAM, size);
    region->ram = ram;
    region->ram_offset = offset;
}

void region_init_rom(struct region *region, struct vm *vm, const char *name, struct ram_block *ram, u64 offset, u64 size)
{
    region_init_ram(region, vm, name, ram, offset, size);
    region->kind = REGION_ROM;
}

void region_init_mmio(struct region *region, struct vm *vm, const char *name, u64 size, const struct region_ops *ops, void *opaque)
{
    init(region, vm, name, REGION_MMIO, size);
    region->ops = ops;
    region->opaque = opaque;
}

void region_init_alias(struct region *region, struct vm *vm, const char *name, struct region *of, u64 offset, u64 size)
{
    init(region, vm, name, REGION_ALIAS, size);
    region->alias = of;
    region->alias_offset = offset;
}

void region_finish(struct region *region)
{
    if (!region->children)
        return;
    if (region->container)
        region_remove(region);
    for (guint i = 0; i < region->children->len; i++)
        ((struct region *)region->children->pdata[i])->container = NULL;
    g_ptr_array_unref(region->children);
    region->children = NULL;
}

/* Highest priority first; among equals the later one wins. */
static gint by_priority(gconstpointer a, gconstpointer b)
{
    const struct region *x = *(const struct region *const *)a, *y = *(const struct region *const *)b;

    return x->priority > y->priority ? -1 : x->priority < y->priority;
}

static void changed(struct vm *vm);

void region_add(struct region *container, u64 address, struct region *region, s32 priority)
{
    region->container = container;
    region->address = address;
    region->priority = priority;
    g_ptr_array_insert(container->children, 0, region);
    g_ptr_array_sort(container->children, by_priority);
    changed(region->vm);
}

void region_remove(struct region *region)
{
    if (!region->container)
        return;
    g_ptr_array_remove(region->container->children, region);
    region->container = NULL;
    changed(region->vm);
}

void region_set_enabled(struct region *region, bool enabled)
{
    if (region->enabled == enabled)
        return;
    region->enabled = enabled;
    changed(region->vm);
}

void region_set_address(struct region *region, u64 address)
{
    if (region->address == address)
        return;
    region->address = address;
    changed(region->vm);
}

void region_set_romd(struct region *region, bool romd)
{
    if (region->romd == romd)
        return;
    region->romd = romd;
    changed(region->vm);
}

void region_batch_begin(struct vm *vm)
{
    vm->batch_depth++;
}

void region_batch_end(struct vm *vm)
{
    if (--vm->batch_depth == 0 && vm->batch_dirty)
        changed(vm);
}

/* Inclusive range of guest addresses. */
struct span {
    u64 first, last;
};

static void insert_piece(GArray *pieces, guint at, struct region *region, struct span span, u64 offset)
{
    struct flat_piece piece = { .first = span.first, .last = span.last, .region = region, .offset = offset };

    g_array_insert_val(pieces, at, piece);
}

/* Puts a leaf into the gaps between what is already there (which has a higher priority). */
static void paint(GArray *pieces, struct region *region, struct span span, u64 offset)
{
    guint i = 0;
    u64 at = span.first;

    for (; i < pieces->len; i++) {
        struct flat_piece *piece = &g_array_index(pieces, struct flat_piece, i);
        u64 first = piece->first, last = piece->last;

        if (last < at)
            continue;
        if (first > span.last)
            break;
        if (first > at) {
            insert_piece(pieces, i, region, (struct span){ at, first - 1 }, offset + (at - span.first));
            i++;
        }
        if (last >= span.last)
            return;
        at = last + 1;
    }
    insert_piece(pieces, i, region, (struct span){ at, span.last }, offset + (at - span.first));
}

/* Renders `region`, whose offset 0 is at base (modulo 2^64), clipped. */
static void render(GArray *pieces, struct region *region, u64 base, struct span clip, unsigned depth)
{
    u64 last = region->size ? base + region->size - 1 : UINT64_MAX;

    /* Regions that wrap around the end of the address space only happen for aliases of the upper part of a container. */
    if (!region->enabled || depth > 16)
        return;
    if (last >= base) {
        clip.first = MAX(clip.first, base);
        clip.last = MIN(clip.last, last);
    }
    if (clip.first > clip.last)
        return;
    if (region->kind == REGION_ALIAS) {
        render(pieces, region->alias, base - region->alias_offset, clip, depth + 1);
        return;
    }
    for (guint i = 0; i < region->children->len; i++) {
        struct region *child = g_ptr_array_index(region->children, i);

        render(pieces, child, base + child->address, clip, depth + 1);
    }
    if (region->kind != REGION_CONTAINER)
        paint(pieces, region, clip, clip.first - base);
}

static void view_free(void *data)
{
    struct flat_view *view = data;

    g_free(view->piece);
    g_free(view);
}

static void complete(struct flat_piece *piece)
{
    struct region *region = piece->region;
    bool direct = region->kind == REGION_RAM || region->kind == REGION_ROM || region->romd;

    piece->ram = direct ? region->ram : NULL;
    piece->ram_offset = region->ram_offset + piece->offset;
    piece->writable = region->kind == REGION_RAM;
    piece->messages = region->kind == REGION_MMIO && region->ops->messages;
}

static void refresh(struct space *space)
{
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(struct flat_piece));
    struct flat_view *view = g_new(struct flat_view, 1), *before;

    render(pieces, space->root, 0, (struct span){ 0, UINT64_MAX }, 0);
    view->count = pieces->len;
    view->piece = (struct flat_piece *)g_array_free(pieces, FALSE);
    for (u32 i = 0; i < view->count; i++)
        complete(&view->piece[i]);
    before = space->view;
    __atomic_store_n(&space->view, view, __ATOMIC_RELEASE);
    if (before)
        epoch_retire(space->vm->epoch, before, view_free);
}

static void changed(struct vm *vm)
{
    if (vm->batch_depth) {
        vm->batch_dirty = true;
        return;
    }
    vm->batch_dirty = false;
    for (guint i = 0; i < vm->spaces->len; i++)
        refresh(g_ptr_array_index(vm->spaces, i));
    __atomic_add_fetch(&vm->memory_generation, 1, __ATOMIC_RELEASE);
    for (guint i = 0; i < vm->memory_listeners->len; i++) {
        struct vm_listener *listener = &g_array_index(vm->memory_listeners, struct vm_listener, i);

        ((void (*)(void *))listener->fn)(listener->opaque);
    }
}

struct space *space_create(struct vm *vm, const char *name, struct region *root)
{
    struct space *space = g_new0(struct space, 1);

    space->vm = vm;
    space->name = g_strdup(name);
    space->root = root;
    g_ptr_array_add(vm->spaces, space);
    refresh(space);
    return space;
}

void space_destroy(struct space *space)
{
    if (!space)
        return;
    g_ptr_array_remove(space->vm->spaces, space);
    epoch_retire(space->vm->epoch, space->view, view_free);
    g_free(space->name);
    g_free(space);
}

struct region *space_root(struct space *space)
{
    return space->root;
}

const char *space_name(const struct space *space)
{
    return space->name;
}

struct space *vm_memory(struct vm *vm)
{
    return vm->memory;
}

u32 vm_memory_generation(struct vm *vm)
{
    return __atomic_load_n(&vm->memory_generation, __ATOMIC_ACQUIRE);
}

void vm_memory_on_change(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
    struct vm_listener listener = { (void (*)(void))fn, opaque };

    g_array_append_val(vm->memory_listeners, listener);
}

void vm_memory_off_change(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
    for (guint i = 0; i < vm->memory_listeners->len; i++) {
        struct vm_listener *listener = &g_array_index(vm->memory_listeners, struct vm_listener, i);

        if (listener->fn == (void (*)(void))fn && listener->opaque == opaque) {
            g_array_remove_index(vm->memory_listeners, i);
            return;
        }
    }
}

void vm_memory_init(struct vm *vm)
{
    vm->ram_blocks = g_ptr_array_new();
    vm->spaces = g_ptr_array_new();
    vm->memory_listeners = g_array_new(FALSE, FALSE, sizeof(struct vm_listener));
    vm->system = g_new0(struct region, 1);
    region_init_container(vm->system, vm, "system", 0);
    vm->memory = space_create(vm, "memory", vm->system);
}

void vm_memory_finish(struct vm *vm)
{
    while (vm->spaces->len)
        space_destroy(g_ptr_array_index(vm->spaces, vm->spaces->len - 1));
    while (vm->ram_blocks->len)
        vm_ram_destroy(g_ptr_array_index(vm->ram_blocks, vm->ram_blocks->len - 1));
    region_finish(vm->system);
    g_free(vm->system);
    g_ptr_array_unref(vm->spaces);
    g_ptr_array_unref(vm->ram_blocks);
    g_array_unref(vm->memory_listeners);
}
