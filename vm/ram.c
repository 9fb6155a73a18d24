/* vm/ram.c - RAM blocks. */
#include "base/bits.h"
#include "base/error.h"
#include "host/epoch.h"
#include "host/map.h"
#include "vm/internal.h"
#include "vm/ram.h"
#include <string.h>

/* What only few ask about a block. */
struct ram {
    struct ram_block block;
    u64 offset;
    bool shared;
    bool own;    /* in a file that nobody else may map */
    u64 *huge;   /* atomic: pieces of HOST_MAP_HUGE bytes that were asked to be one page; NULL: that is left to the host */
};

/* What is asked of the host for each piece. */
enum { PIECE_SHIFT = 21 };
_Static_assert(1 << PIECE_SHIFT == HOST_MAP_HUGE, "a piece is a huge page");


/* Takes fd over; host is NULL with *error set when mapping failed. */
static struct ram_block *add(struct vm *vm, const char *name, u64 size, int fd, void *host, GError **error)
{
    struct ram_block *block;

    if (!host) {
        host_map_close_file(fd);
        error_prefix(error, "RAM '%s'", name);
        return NULL;
    }
    struct ram *ram = g_new0(struct ram, 1);
    block = &ram->block;
    block->vm = vm;
    block->name = g_strdup(name);
    block->size = size;
    block->fd = fd;
    block->index = vm->next_ram_index++;
    block->host = host;
    block->pins = 1;
    g_ptr_array_add(vm->ram_blocks, block);
    return block;
}

struct ram_block *vm_ram_create(struct vm *vm, const char *name, u64 size, GError **error)
{
    size = bits_align_up(size, 4096);
    return add(vm, name, size, -1, host_map_anonymous(size, size >= 16 * MIB, error), error);
}

struct ram_block *vm_ram_create_file(struct vm *vm, const char *name, u64 size, int fd, u64 offset, bool share, u64 align,
                                     GError **error)
{
    unsigned access = HOST_MAP_READ | HOST_MAP_WRITE | (share ? 0 : HOST_MAP_PRIVATE);

    size = bits_align_up(size, 4096);
    struct ram_block *block = add(vm, name, size, fd, host_map_file_aligned(fd, offset, size, access, align, error), error);
    if (block) {
        container_of(block, struct ram, block)->offset = offset;
        container_of(block, struct ram, block)->shared = share;
    }
    return block;
}

struct ram_block *vm_ram_create_in_file(struct vm *vm, const char *name, u64 size, GError **error)
{
    struct ram_block *block;
    struct ram *ram;
    int fd;

    size = bits_align_up(size, 4096);
    fd = host_map_create_file(name, size, error);
    if (fd < 0)
        return NULL;
    block = add(vm, name, size, fd, host_map_file_aligned(fd, 0, size, HOST_MAP_READ | HOST_MAP_WRITE, HOST_MAP_HUGE, error), error);
    if (!block)
        return NULL;
    ram = container_of(block, struct ram, block);
    ram->own = true;
    block->asks = size >= 16 * MIB;
    ram->huge = g_new0(u64, (size >> PIECE_SHIFT) / 64 + 1);
    return block;
}

/* Hosts give files in memory huge pages when they are asked for each, and for what has something in it. */
static void ask(struct ram_block *block, u64 offset)
{
    struct ram *ram = container_of(block, struct ram, block);
    u64 piece = offset >> PIECE_SHIFT, bit = BIT64(piece % 64), *word = &ram->huge[piece / 64];

    if (__atomic_load_n(word, __ATOMIC_RELAXED) & bit || (piece + 1) << PIECE_SHIFT > block->size || __atomic_fetch_or(word, bit, __ATOMIC_RELAXED) & bit)
        return;
    host_map_collapse(block->host + (piece << PIECE_SHIFT), HOST_MAP_HUGE, true);
}

void vm_ram_ask(struct ram_block *block, u64 offset, u64 size)
{
    for (u64 at = offset; block->asks && at < offset + size; at = (at | (HOST_MAP_HUGE - 1)) + 1)
        ask(block, at);
}

/* What was given back whole may become huge pages again. */
static void forget_pieces(struct ram *ram, u64 first, u64 end)
{
    for (u64 piece = (first + HOST_MAP_HUGE - 1) >> PIECE_SHIFT; ram->huge && (piece + 1) << PIECE_SHIFT <= end; piece++)
        __atomic_fetch_and(&ram->huge[piece / 64], ~BIT64(piece % 64), __ATOMIC_RELAXED);
}

static void unpin(void *block)
{
    vm_ram_unpin(block);
}

void vm_ram_destroy(struct ram_block *block)
{
    struct accel *accel = block ? block->vm->accel : NULL;

    if (!block)
        return;
    if (accel && accel->accel_class->ram_removed)
        accel->accel_class->ram_removed(block->vm, block);
    g_ptr_array_remove(block->vm->ram_blocks, block);
    epoch_retire(block->vm->epoch, block, unpin);
}

void vm_ram_discard(struct ram_block *block, u64 offset, u64 size)
{
    u64 page = host_page_size(), first = bits_align_up(offset, page), end = bits_align_down(offset + size, page);

    if (first >= end)
        return;
    if (container_of(block, struct ram, block)->shared || container_of(block, struct ram, block)->own)
        host_map_remove(block->host + first, end - first);
    else if (block->fd < 0)
        host_map_discard(block->host + first, end - first);
    forget_pieces(container_of(block, struct ram, block), first, end);
    vm_ram_changed(block, first, end - first);
}

void vm_ram_pin(struct ram_block *block)
{
    __atomic_add_fetch(&block->pins, 1, __ATOMIC_RELAXED);
}

void vm_ram_unpin(struct ram_block *block)
{
    if (__atomic_sub_fetch(&block->pins, 1, __ATOMIC_ACQ_REL))
        return;
    host_map_free(block->host, block->size);
    host_map_close_file(block->fd);
    g_free(block->name);
    g_free(container_of(block, struct ram, block)->huge);
    g_free(container_of(block, struct ram, block));
}

bool vm_ram_is_shared(const struct ram_block *block, u64 *offset)
{
    const struct ram *ram = container_of(block, struct ram, block);

    *offset = ram->offset;
    return ram->shared;
}

bool vm_ram_can_alias(const struct ram_block *block, u64 *offset)
{
    const struct ram *ram = container_of(block, struct ram, block);

    *offset = ram->offset;
    return ram->shared || ram->own;
}

struct ram_block *vm_ram_find(struct vm *vm, const char *name)
{
    for (guint i = 0; i < vm->ram_blocks->len; i++) {
        struct ram_block *block = g_ptr_array_index(vm->ram_blocks, i);

        if (!strcmp(block->name, name))
            return block;
    }
    return NULL;
}

void vm_ram_foreach(struct vm *vm, void (*fn)(struct ram_block *block, void *opaque), void *opaque)
{
    for (guint i = 0; i < vm->ram_blocks->len; i++)
        fn(g_ptr_array_index(vm->ram_blocks, i), opaque);
}

void vm_ram_changed(struct ram_block *block, u64 offset, u64 size)
{
    struct accel *accel = block->vm->accel;

    if (accel && accel->accel_class->ram_changed)
        accel->accel_class->ram_changed(block->vm, block, offset, size);
}
