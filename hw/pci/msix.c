/* hw/pci/msix.c - MSI-X (PCI Local Bus 3.0, 6.8.2). */
#include "hw/pci/msix.h"
#include "base/bits.h"
#include "base/error.h"
#include "vm/inbox.h"
#include <string.h>

enum { CAPABILITY = 0x11, SIZE = 12, CONTROL = 2, TABLE = 4, PBA = 8, CONTROL_MASK = 1 << 14, CONTROL_ON = 1 << 15 };
enum { ENTRY = 16, WORDS = 4, ADDRESS = 0, ADDRESS_HIGH = 1, DATA = 2, VECTOR_CONTROL = 3, MASKED = 1 };

/* The bits that matter are those of the upper byte. */
static u32 control(const struct pci_msix *msix)
{
    return (u32)__atomic_load_n(msix->function->config + msix->capability + CONTROL + 1, __ATOMIC_RELAXED) << 8;
}

bool pci_msix_is_on(const struct pci_msix *msix)
{
    return msix->function && control(msix) & CONTROL_ON;
}

static bool is_masked(const struct pci_msix *msix, u32 vector)
{
    return control(msix) & CONTROL_MASK || msix->table[vector * WORDS + VECTOR_CONTROL] & MASKED;
}

struct message {
    u64 address;
    u32 data;
};

/* What a vector sends now; false: nothing. new: it was not noted before. Messages go without the lock: they may reach this very table. */
static bool take_message(struct pci_msix *msix, u32 vector, bool new, struct message *message)
{
    const u32 *entry = &msix->table[vector * WORDS];
    u32 *pending = &msix->pending[vector / 32], bit = 1u << vector % 32;
    bool now;

    host_lock_take(&msix->lock);
    now = (new || *pending & bit) && !is_masked(msix, vector);
    if (now)
        *pending &= ~bit;
    else if (new)
        *pending |= bit;
    *message = (struct message){ (u64)entry[ADDRESS_HIGH] << 32 | (entry[ADDRESS] & ~3u), entry[DATA] };
    host_lock_drop(&msix->lock);
    return now;
}

static void send(struct pci_msix *msix, u32 vector, bool new)
{
    struct message message;

    if (take_message(msix, vector, new, &message))
        pci_function_send_message(msix->function, message.address, message.data);
}

void pci_msix_send(struct pci_msix *msix, u32 vector)
{
    if (pci_msix_is_on(msix) && vector < msix->count)
        send(msix, vector, true);
}

static void send_late(void *opaque, const void *payload, u32 size)
{
    struct pci_msix *msix = opaque;
    u32 vector = *(const u32 *)payload;
    struct device *device = msix->function ? msix->function->device : NULL;

    if (!device)
        return;
    __atomic_fetch_and(&msix->late[vector / 32], ~(1u << vector % 32), __ATOMIC_SEQ_CST);
    bool mine = device_begin(device); /* a message to its own registers goes nowhere */
    pci_msix_send(msix, vector);
    if (mine)
        device_end(device);
}

/* One letter, however often there is news before it is read. */
static void post_late(struct pci_msix *msix, u32 vector)
{
    struct vm_object *owner = &msix->function->device->object;
    u32 bit = 1u << vector % 32;

    if (!(__atomic_fetch_or(&msix->late[vector / 32], bit, __ATOMIC_SEQ_CST) & bit))
        inbox_post(owner->vm, owner, send_late, msix, &vector, sizeof(vector));
}

void pci_msix_send_outside(struct pci_msix *msix, u32 vector)
{
    struct message message;

    if (!pci_msix_is_on(msix) || vector >= msix->count || !take_message(msix, vector, true, &message) || !pci_function_may_dma(msix->function))
        return;
    if (!space_send_message(pci_function_space(msix->function), message.address, message.data))
        post_late(msix, vector);
}

void pci_msix_follow(struct pci_msix *msix)
{
    if (!pci_msix_is_on(msix) || control(msix) & CONTROL_MASK)
        return;
    for (u32 i = 0; i < msix->count; i++)
        send(msix, i, false);
}

void pci_msix_reset(struct pci_msix *msix)
{
    host_lock_take(&msix->lock);
    memset(msix->table, 0, msix->count * ENTRY);
    memset(msix->pending, 0, (msix->count + 31) / 32 * 4);
    for (u32 i = 0; i < msix->count; i++)
        msix->table[i * WORDS + VECTOR_CONTROL] = MASKED;
    host_lock_drop(&msix->lock);
}

/* The BAR: words of the table, then pending bits. */

static u32 read_word(const struct pci_msix *msix, u64 offset)
{
    if (offset / 4 < (u64)msix->count * WORDS)
        return msix->table[offset / 4];
    return offset >= msix->pba && (offset - msix->pba) / 4 < (msix->count + 31) / 32 ? msix->pending[(offset - msix->pba) / 4] : 0;
}

static enum mem_result read_bar(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct pci_msix *msix = opaque;

    host_lock_take(&msix->lock);
    *value = read_word(msix, offset);
    host_lock_drop(&msix->lock);
    return MEM_OK;
}

static enum mem_result write_bar(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct pci_msix *msix = opaque;
    struct device *device = msix->function->device;

    if (offset / 4 >= (u64)msix->count * WORDS || !device_begin(device))
        return MEM_OK;
    host_lock_take(&msix->lock);
    msix->table[offset / 4] = offset / 4 % WORDS == VECTOR_CONTROL ? (u32)value & MASKED : (u32)value;
    host_lock_drop(&msix->lock);
    if (pci_msix_is_on(msix))
        send(msix, (u32)(offset / ENTRY), false);
    device_end(device);
    return MEM_OK;
}

/* Whole words, or two of them; anything else is refused (6.8.2). */
static const struct region_ops bar_ops = { .read = read_bar, .write = write_bar, .min_access = 4, .max_access = 4 };

static u64 bar_size(u32 vectors)
{
    u64 size = 4096;

    while (size / 2 < (u64)vectors * ENTRY)
        size *= 2;
    return size;
}

bool pci_msix_init(struct pci_msix *msix, struct pci_function *function, u32 *table, u32 *pending, u32 vectors, u32 bar, GError **error)
{
    return pci_msix_init_sized(msix, function, table, pending, vectors, bar, bar_size(vectors), error);
}

bool pci_msix_init_sized(struct pci_msix *msix, struct pci_function *function, u32 *table, u32 *pending, u32 vectors, u32 bar, u64 size,
                         GError **error)
{
    u32 at = pci_function_add_capability(function, CAPABILITY, SIZE);

    if (!at)
        return error_set(error, "no room for the MSI-X capability");
    *msix = (struct pci_msix){ .function = function, .table = table, .pending = pending, .count = vectors, .capability = at,
                               .pba = (u32)size / 2, .late = g_new0(u32, (vectors + 31) / 32) };
    host_lock_init(&msix->lock, LOCK_RANK_LEAF);
    region_init_mmio(&msix->region, function->device->object.vm, "msix", size, &bar_ops, msix);
    msix->region.owner = &function->device->object;
    bits_store_le(function->config + at + CONTROL, 2, vectors - 1);
    bits_store_le(function->config + at + TABLE, 4, bar);
    bits_store_le(function->config + at + PBA, 4, msix->pba | bar);
    bits_store_le(function->writable + at + CONTROL, 2, CONTROL_ON | CONTROL_MASK);
    function->msix = msix;
    pci_msix_reset(msix);
    return pci_function_add_bar(function, bar, &msix->region, PCI_BAR_32, error);
}

void pci_msix_finish(struct pci_msix *msix)
{
    if (!msix->function)
        return;
    region_finish(&msix->region);
    host_lock_finish(&msix->lock);
    g_clear_pointer(&msix->late, g_free);
    msix->function->msix = NULL;
    msix->function = NULL;
}
