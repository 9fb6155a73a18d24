/* vm/access.c - accesses to an address space: lookup, device windows, blocks of bytes. */
#include "base/bits.h"
#include "vm/internal.h"
#include "vm/ram.h"
#include "vm/view.h"
#include <inttypes.h>
#include <string.h>

static const struct flat_piece *find(const struct flat_view *view, u64 address)
{
    u32 low = 0, high = view->count;

    while (low < high) {
        u32 middle = (low + high) / 2;

        if (view->piece[middle].last < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < view->count && view->piece[low].first <= address ? &view->piece[low] : NULL;
}

/* Bytes from an address that nothing owns to the next piece. */
static u64 gap(const struct flat_view *view, u64 address)
{
    u64 next = UINT64_MAX;

    for (u32 i = 0; i < view->count; i++) {
        if (view->piece[i].first > address)
            next = MIN(next, view->piece[i].first - 1);
    }
    return next - address == UINT64_MAX ? UINT64_MAX : next - address + 1;
}

struct space_hit space_lookup(struct space *space, u64 address)
{
    const struct flat_view *view = __atomic_load_n(&space->view, __ATOMIC_ACQUIRE);
    const struct flat_piece *piece = find(view, address);
    struct space_hit hit = { 0 };

    if (!piece) {
        hit.left = gap(view, address);
        return hit;
    }
    u64 delta = address - piece->first, left = piece->last - address;
    hit.region = piece->region;
    hit.offset = piece->offset + delta;
    hit.left = left == UINT64_MAX ? left : left + 1;
    hit.ram = piece->ram;
    hit.ram_offset = piece->ram_offset + delta;
    hit.writable = piece->writable;
    return hit;
}

static u64 low_mask(unsigned size)
{
    return ~UINT64_C(0) >> (64 - 8 * size);
}

static enum mem_result refuse(struct vm *vm, const struct region *region, const char *what, u64 offset, unsigned size)
{
    log_line(vm->log, LOG_GUEST_ERRORS, "%s: %s of %u bytes at offset 0x%" PRIx64 " refused", region->name, what, size, offset);
    return MEM_ERROR;
}

static enum mem_result mmio_read(struct vm *vm, struct region *region, u64 offset, unsigned size, u64 *value)
{
    const struct region_ops *ops = region->ops;
    unsigned max = ops->max_access ? ops->max_access : 8, min = ops->min_access ? ops->min_access : 1;
    enum mem_result result = MEM_OK;

    *value = 0;
    if ((offset & (size - 1)) && !ops->unaligned)
        return refuse(vm, region, "unaligned read", offset, size);
    if (size < min) {
        u64 whole = 0, start = bits_align_down(offset, min);

        result = ops->read(region->opaque, start, min, &whole);
        *value = whole >> (8 * (offset - start)) & low_mask(size);
        return result;
    }
    for (unsigned done = 0; done < size && result == MEM_OK; done += max) {
        unsigned step = MIN(size, max);
        u64 part = 0;

        result = ops->read(region->opaque, offset + done, step, &part);
        *value |= (part & low_mask(step)) << (8 * done);
    }
    return result;
}

static enum mem_result mmio_write(struct vm *vm, struct region *region, u64 offset, unsigned size, u64 value)
{
    const struct region_ops *ops = region->ops;
    unsigned max = ops->max_access ? ops->max_access : 8, min = ops->min_access ? ops->min_access : 1;
    enum mem_result result = MEM_OK;

    if ((offset & (size - 1)) && !ops->unaligned)
        return refuse(vm, region, "unaligned write", offset, size);
    if (size < min)
        return refuse(vm, region, "write", offset, size);
    for (unsigned done = 0; done < size && result == MEM_OK; done += max) {
        unsigned step = MIN(size, max);

        result = ops->write(region->opaque, offset + done, step, value >> (8 * done) & low_mask(step));
    }
    return result;
}

/* The lock that a window needs. Looks again once it is held: the map may have changed while waiting. */
static bool lock_for(struct space *space, struct space_hit *hit, u64 address)
{
    if (!hit->region || hit->region->ops->lockless || vm_lock_mine(space->vm))
        return false;
    vm_lock(space->vm);
    *hit = space_lookup(space, address);
    return true;
}

enum mem_result space_read(struct space *space, u64 address, unsigned size, u64 *value)
{
    struct space_hit hit = space_lookup(space, address);
    enum mem_result result;

    if (hit.ram && hit.left >= size) {
        *value = bits_load_le(hit.ram->host + hit.ram_offset, size);
        return MEM_OK;
    }
    *value = 0;
    if (!hit.region)
        return MEM_UNMAPPED;
    if (hit.ram || hit.left < size)
        return space_read_bytes(space, address, value, size);
    bool locked = lock_for(space, &hit, address);
    if (hit.ram || !hit.region || hit.left < size)
        result = space_read_bytes(space, address, value, size);
    else
        result = mmio_read(space->vm, hit.region, hit.offset, size, value);
    vm_unlock_if(space->vm, locked);
    return result;
}

static void ram_write(struct space_hit *hit, const void *from, u64 size)
{
    vm_ram_ask(hit->ram, hit->ram_offset, size);
    memcpy(hit->ram->host + hit->ram_offset, from, size);
    vm_ram_changed(hit->ram, hit->ram_offset, size);
}

/* A number of 1, 2, 4 or 8 bytes: whole for whoever looks, where it is aligned. */
static void ram_store(struct space_hit *hit, u64 value, unsigned size)
{
    u8 *place = hit->ram->host + hit->ram_offset;

    if ((uintptr_t)place & (size - 1))
        bits_store_le(place, size, value);
    else if (size == 8)
        __atomic_store_n((u64 *)place, GUINT64_TO_LE(value), __ATOMIC_RELAXED);
    else if (size == 4)
        __atomic_store_n((u32 *)place, GUINT32_TO_LE((u32)value), __ATOMIC_RELAXED);
    else if (size == 2)
        __atomic_store_n((u16 *)place, GUINT16_TO_LE((u16)value), __ATOMIC_RELAXED);
    else
        bits_store_le(place, size, value);
    vm_ram_changed(hit->ram, hit->ram_offset, size);
}

enum mem_result space_write(struct space *space, u64 address, unsigned size, u64 value)
{
    struct space_hit hit = space_lookup(space, address);
    enum mem_result result;
    u8 bytes[8];

    bits_store_le(bytes, 8, value);
    if (hit.ram && hit.writable && hit.left >= size) {
        ram_store(&hit, value, size);
        return MEM_OK;
    }
    if (!hit.region)
        return MEM_UNMAPPED;
    if (hit.left < size)
        return space_write_bytes(space, address, bytes, size);
    if (hit.region->kind != REGION_MMIO)
        return MEM_OK; /* a write to ROM is dropped */
    bool locked = lock_for(space, &hit, address);
    if (!hit.region || hit.region->kind != REGION_MMIO || hit.left < size)
        result = space_write_bytes(space, address, bytes, size);
    else
        result = mmio_write(space->vm, hit.region, hit.offset, size, value);
    vm_unlock_if(space->vm, locked);
    return result;
}

/* The region is looked at only where it stays: others may go meanwhile. */
bool space_send_message(struct space *space, u64 address, u32 data)
{
    const struct flat_piece *piece = find(__atomic_load_n(&space->view, __ATOMIC_ACQUIRE), address);
    u64 offset = piece ? address - piece->first : 0;

    if (address & 3 || !piece || piece->last - address < 3)
        return !piece;
    if (piece->messages) {
        mmio_write(space->vm, piece->region, piece->offset + offset, 4, data);
        return true;
    }
    if (!piece->ram || !piece->writable)
        return false;
    struct space_hit hit = { .ram = piece->ram, .ram_offset = piece->ram_offset + offset };
    ram_store(&hit, data, 4);
    return true;
}

/* The largest power of two that is at most 8, at most `left`, and divides the address. */
static unsigned step_at(u64 address, u64 left)
{
    unsigned step = 8;

    while (step > left || (address & (step - 1)))
        step /= 2;
    return step;
}

enum mem_result space_read_bytes(struct space *space, u64 address, void *to, u64 size)
{
    u8 *out = to;

    while (size) {
        struct space_hit hit = space_lookup(space, address);
        u64 step = MIN(size, hit.left), value;

        if (hit.ram) {
            memcpy(out, hit.ram->host + hit.ram_offset, step);
        } else {
            step = step_at(address, step);
            enum mem_result result = space_read(space, address, (unsigned)step, &value);
            if (result != MEM_OK)
                return result;
            bits_store_le(out, (unsigned)step, value);
        }
        out += step;
        address += step;
        size -= step;
    }
    return MEM_OK;
}

static enum mem_result write_bytes(struct space *space, u64 address, const void *from, u64 size, bool rom)
{
    const u8 *in = from;

    while (size) {
        struct space_hit hit = space_lookup(space, address);
        u64 step = MIN(size, hit.left);

        if (hit.ram && (hit.writable || rom)) {
            ram_write(&hit, in, step);
        } else {
            step = step_at(address, step);
            enum mem_result result = space_write(space, address, (unsigned)step, bits_load_le(in, (unsigned)step));
            if (result != MEM_OK)
                return result;
        }
        in += step;
        address += step;
        size -= step;
    }
    return MEM_OK;
}

enum mem_result space_write_bytes(struct space *space, u64 address, const void *from, u64 size)
{
    return write_bytes(space, address, from, size, false);
}

enum mem_result space_load_bytes(struct space *space, u64 address, const void *from, u64 size)
{
    return write_bytes(space, address, from, size, true);
}

void *space_pointer(struct space *space, u64 address, u64 size, bool write)
{
    struct space_hit hit = space_lookup(space, address);

    if (!hit.ram || hit.left < size || (write && !hit.writable))
        return NULL;
    return hit.ram->host + hit.ram_offset;
}
