/* hw/pci/express.h - the PCI Express capability (PCI Express Base 5.0, 7.5.3). Thread: machine lock. */
#ifndef HW_PCI_EXPRESS_H
#define HW_PCI_EXPRESS_H

#include "hw/pci/pci.h"

enum pci_express_type { PCI_EXPRESS_ENDPOINT = 0, PCI_EXPRESS_ROOT_PORT = 4, PCI_EXPRESS_TO_PCI = 7, PCI_EXPRESS_INTEGRATED = 9 };

/* Offsets in the capability. */
enum {
    PCI_EXPRESS_LINK_STATUS = 0x12, PCI_EXPRESS_SLOT_CAPS = 0x14, PCI_EXPRESS_SLOT_CONTROL = 0x18, PCI_EXPRESS_SLOT_STATUS = 0x1a,
    PCI_EXPRESS_LINK_ACTIVE = 1 << 13,
};

/* A function with 4096 bytes of configuration space. An endpoint on the host's own bus becomes an integrated one. port: number of a root port's link. */
bool pci_express_init(struct pci_function *function, enum pci_express_type type, u8 port, GError **error);
/* The same in version 1 (PCI Express Base 1.1, 7.8), which ends before the second set of registers: of older devices, not of ports. */
bool pci_express_init_v1(struct pci_function *function, enum pci_express_type type, GError **error);
/* The link: speed and width as encoded in the link registers, 1 to 6 (2.5 to 64 GT/s) and 1 to 32. */
void pci_express_set_link(struct pci_function *function, u8 speed, u8 width);

#endif
