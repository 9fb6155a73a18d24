/* hw/pci/express.c - the PCI Express capability, versions 2 and 1 (PCI Express Base 5.0, 7.5.3). */
#include "hw/pci/express.h"
#include "base/bits.h"
#include "base/error.h"

enum { CAPABILITY = 0x10, SIZE = 0x3c, SIZE_V1 = 0x14, CAPS = 2, DEVICE_CAPS = 4, DEVICE_CONTROL = 8, DEVICE_STATUS = 0xa, LINK_CAPS = 0xc, LINK_CONTROL = 0x10,
       ROOT_CONTROL = 0x1c, DEVICE_CONTROL2 = 0x28, LINK_CAPS2 = 0x2c, LINK_CONTROL2 = 0x30 };
enum { ARI_FORWARDING = 1 << 5, PREFIXES = 3 << 20, PREFIX_BLOCKING = 1 << 15, DEVICE_CAPS2 = 0x24 };
enum { LINK_L0S = 1 << 10, LINK_NOTIFIES = 1 << 21 };
enum { ROLE_BASED_ERRORS = 1 << 15, EXTENDED_TAG = 1 << 5, LINK_REPORTS_ACTIVE = 1 << 20 };

static void put(struct pci_function *f, u32 offset, unsigned size, u64 value)
{
    bits_store_le(f->config + f->express + offset, size, value);
}

static void allow(struct pci_function *f, u32 offset, unsigned size, u64 bits)
{
    bits_store_le(f->writable + f->express + offset, size, bits);
}

static void set_link(struct pci_function *f, u32 version, u8 speed, u8 width)
{
    u64 caps = bits_load_le(f->config + f->express + LINK_CAPS, 4);

    put(f, LINK_CAPS, 4, (caps & ~UINT64_C(0x3ff)) | speed | (u64)width << 4);
    put(f, PCI_EXPRESS_LINK_STATUS, 2, (bits_load_le(f->config + f->express + PCI_EXPRESS_LINK_STATUS, 2) & ~UINT64_C(0x3ff)) | speed | (u64)width << 4);
    if (version == 1)
        return;
    put(f, LINK_CAPS2, 4, (BIT64(speed) - 1) << 1);
    put(f, LINK_CONTROL2, 2, speed);
}

void pci_express_set_link(struct pci_function *f, u8 speed, u8 width)
{
    set_link(f, f->config[f->express + CAPS] & 15, speed, width);
}

static bool add(struct pci_function *f, u32 version, enum pci_express_type type, u8 port, GError **error)
{
    struct pci_bus *bus = pci_device_bus(f->device);

    if (type == PCI_EXPRESS_ENDPOINT && !bus->bridge) /* 1.3.2.3: no link leads to it */
        type = PCI_EXPRESS_INTEGRATED;
    bool link = type != PCI_EXPRESS_INTEGRATED;

    f->express = pci_function_add_capability(f, CAPABILITY, version == 1 ? SIZE_V1 : SIZE);
    if (!f->express)
        return error_set(error, "no room for the PCI Express capability");
    put(f, CAPS, 2, version | (u64)type << 4 | (type == PCI_EXPRESS_ROOT_PORT ? 0x100 : 0));
    put(f, DEVICE_CAPS, 4, ROLE_BASED_ERRORS | EXTENDED_TAG);
    allow(f, DEVICE_CONTROL, 2, 0x790f | EXTENDED_TAG << 3);
    bits_store_le(f->clearable + f->express + DEVICE_STATUS, 2, 0xf);
    if (link) {
        put(f, LINK_CAPS, 4, (u64)port << 24 | LINK_L0S | (type == PCI_EXPRESS_ROOT_PORT ? LINK_REPORTS_ACTIVE | LINK_NOTIFIES : 0));
        allow(f, LINK_CONTROL, 2, 0xc3);
        set_link(f, version, 1, 1);
    }
    if (version == 1)
        return true;
    if (type == PCI_EXPRESS_ROOT_PORT)
        allow(f, ROOT_CONTROL, 2, 0x1f);
    bool forwards = type == PCI_EXPRESS_ROOT_PORT;
    put(f, DEVICE_CAPS2, 4, forwards ? ARI_FORWARDING | PREFIXES : 0);
    allow(f, DEVICE_CONTROL2, 2, 0x1f | (forwards ? ARI_FORWARDING | PREFIX_BLOCKING : 0));
    return true;
}

bool pci_express_init(struct pci_function *f, enum pci_express_type type, u8 port, GError **error)
{
    return add(f, 2, type, port, error);
}

bool pci_express_init_v1(struct pci_function *f, enum pci_express_type type, GError **error)
{
    return add(f, 1, type, 0, error);
}
