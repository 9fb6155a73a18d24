/* vm/arena.c - the state arena: a memory file mapped once, slots found first-fit by size class. */
#include "vm/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/map.h"
#include <string.h>
#include <unistd.h>

struct slot {
    char *name;
    u64 offset, size, room, unsaved;
    bool used;
};

struct vm_arena {
    int fd;
    u8 *base;
    u64 size, top;
    GPtrArray *slots; /* in order of address */
};

static void slot_free(gpointer data)
{
    struct slot *slot = data;

    g_free(slot->name);
    g_free(slot);
}

struct vm_arena *vm_arena_create(u64 size, GError **error)
{
    struct vm_arena *arena = g_new0(struct vm_arena, 1);

    arena->size = size;
    arena->slots = g_ptr_array_new_with_free_func(slot_free);
    arena->fd = host_map_create_file("mynah-state", size, error);
    if (arena->fd >= 0)
        arena->base = host_map_file(arena->fd, 0, size, HOST_MAP_READ | HOST_MAP_WRITE, NULL, error);
    if (arena->base)
        return arena;
    vm_arena_destroy(arena);
    return NULL;
}

void vm_arena_destroy(struct vm_arena *arena)
{
    if (!arena)
        return;
    if (arena->base)
        host_map_free(arena->base, arena->size);
    if (arena->fd >= 0)
        close(arena->fd);
    g_ptr_array_unref(arena->slots);
    g_free(arena);
}

static struct slot *reuse(struct vm_arena *arena, u64 size, u64 align)
{
    for (guint i = 0; i < arena->slots->len; i++) {
        struct slot *slot = g_ptr_array_index(arena->slots, i);

        if (!slot->used && slot->room >= size && slot->room < 2 * size + 64 && !(slot->offset & (align - 1)))
            return slot;
    }
    return NULL;
}

void *vm_arena_alloc(struct vm_arena *arena, const char *name, u64 size, u64 align, u64 unsaved, GError **error)
{
    struct slot *slot;

    align = MAX(align, 64);
    slot = reuse(arena, size, align);
    if (!slot) {
        u64 offset = bits_align_up(arena->top, align);

        if (offset > arena->size || size > arena->size - offset) {
            error_set(error, "no room for the state of '%s' (%" G_GUINT64_FORMAT " bytes)", name, size);
            return NULL;
        }
        slot = g_new0(struct slot, 1);
        slot->offset = offset;
        slot->room = size;
        arena->top = offset + size;
        g_ptr_array_add(arena->slots, slot);
    }
    slot->name = g_strdup(name);
    slot->size = size;
    slot->unsaved = unsaved;
    slot->used = true;
    return arena->base + slot->offset;
}

static struct slot *slot_at(struct vm_arena *arena, const void *address)
{
    for (guint i = 0; i < arena->slots->len; i++) {
        struct slot *slot = g_ptr_array_index(arena->slots, i);

        if (slot->used && arena->base + slot->offset == address)
            return slot;
    }
    return NULL;
}

void vm_arena_free(struct vm_arena *arena, void *address)
{
    struct slot *slot = address ? slot_at(arena, address) : NULL;

    if (!slot)
        return;
    memset(address, 0, slot->size);
    g_clear_pointer(&slot->name, g_free);
    slot->used = false;
}

bool vm_arena_alias(struct vm_arena *arena, void *slot, u64 size, void *at, GError **error)
{
    return host_map_file(arena->fd, (u64)((u8 *)slot - arena->base), size, HOST_MAP_READ | HOST_MAP_WRITE, at, error) != NULL;
}

static u64 fnv(u64 hash, const void *bytes, u64 size)
{
    for (u64 i = 0; i < size; i++)
        hash = (hash ^ ((const u8 *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

u64 vm_arena_hash(const struct vm_arena *arena)
{
    u64 hash = UINT64_C(0xcbf29ce484222325);

    for (guint i = 0; i < arena->slots->len; i++) {
        const struct slot *slot = g_ptr_array_index(arena->slots, i);

        if (!slot->used)
            continue;
        hash = fnv(hash, slot->name, strlen(slot->name) + 1);
        hash = fnv(hash, &slot->size, sizeof(slot->size));
        hash = fnv(hash, arena->base + slot->offset + slot->unsaved, slot->size - slot->unsaved);
    }
    return hash;
}

void vm_arena_foreach(const struct vm_arena *arena, void (*fn)(const char *name, void *state, u64 size, void *opaque), void *opaque)
{
    for (guint i = 0; i < arena->slots->len; i++) {
        const struct slot *slot = g_ptr_array_index(arena->slots, i);

        if (slot->used)
            fn(slot->name, arena->base + slot->offset + slot->unsaved, slot->size - slot->unsaved, opaque);
    }
}
