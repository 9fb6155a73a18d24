/* hw/pci/msi.c - MSI with 64-bit addresses, with and without masks (PCI Local Bus 3.0, 6.8.1). */
#include "hw/pci/msi.h"
#include "base/bits.h"
#include "base/error.h"

enum { CAPABILITY = 5, SIZE = 24, SIZE_UNMASKED = 14, CONTROL = 2, ADDRESS = 4, DATA = 12, MASK = 16, PENDING = 20 };
enum { ON = 1, WIDE = 1 << 7, MASKS = 1 << 8 };

static u64 get(const struct pci_msi *msi, u32 offset, unsigned size)
{
    return bits_load_le(msi->function->config + msi->capability + offset, size);
}

bool pci_msi_is_on(const struct pci_msi *msi)
{
    return msi->function && __atomic_load_n(msi->function->config + msi->capability + CONTROL, __ATOMIC_RELAXED) & ON;
}

static u32 enabled_vectors(const struct pci_msi *msi)
{
    return 1u << MIN(get(msi, CONTROL, 2) >> 4 & 7, get(msi, CONTROL, 2) >> 1 & 7);
}

static bool has_masks(const struct pci_msi *msi)
{
    return get(msi, CONTROL, 2) & MASKS;
}

static void set_pending(struct pci_msi *msi, u32 vector, bool on)
{
    bits_store_le(msi->function->config + msi->capability + PENDING, 4, bits_set(get(msi, PENDING, 4), vector, 1, on));
}

static void send(struct pci_msi *msi, u32 vector)
{
    u32 low = enabled_vectors(msi) - 1;

    pci_function_send_message(msi->function, get(msi, ADDRESS, 8) & ~UINT64_C(3), ((u32)get(msi, DATA, 2) & ~low) | (vector & low));
}

void pci_msi_send(struct pci_msi *msi, u32 vector)
{
    if (!pci_msi_is_on(msi) || vector >= enabled_vectors(msi))
        return;
    if (has_masks(msi) && get(msi, MASK, 4) >> vector & 1)
        set_pending(msi, vector, true);
    else
        send(msi, vector);
}

void pci_msi_follow(struct pci_msi *msi)
{
    if (!pci_msi_is_on(msi) || !has_masks(msi))
        return;
    u64 ready = get(msi, PENDING, 4) & ~get(msi, MASK, 4);
    for (u32 i = 0; i < enabled_vectors(msi); i++) {
        if (!(ready >> i & 1))
            continue;
        set_pending(msi, i, false);
        send(msi, i);
    }
}

/* The guest cannot write them, so that the reset of what it can write leaves them. */
void pci_msi_reset(struct pci_msi *msi)
{
    if (has_masks(msi))
        bits_store_le(msi->function->config + msi->capability + PENDING, 4, 0);
}

bool pci_msi_init(struct pci_msi *msi, struct pci_function *function, u32 vectors, bool masks, GError **error)
{
    u32 at = pci_function_add_capability(function, CAPABILITY, masks ? SIZE : SIZE_UNMASKED);
    u64 all = vectors == 32 ? UINT32_MAX : BIT64(vectors) - 1;

    if (!at)
        return error_set(error, "no room for the MSI capability");
    *msi = (struct pci_msi){ function, at };
    bits_store_le(function->config + at + CONTROL, 2, WIDE | (masks ? MASKS : 0u) | (u32)__builtin_ctz(vectors) << 1);
    bits_store_le(function->writable + at + CONTROL, 2, 0x71);
    bits_store_le(function->writable + at + ADDRESS, 8, ~UINT64_C(3));
    bits_store_le(function->writable + at + DATA, 2, 0xffff);
    if (masks)
        bits_store_le(function->writable + at + MASK, 4, all);
    function->msi = msi;
    return true;
}
