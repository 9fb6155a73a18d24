/*
 * hw/pci/gpex.h - the generic PCI Express host ("gpex-pcihost") for boards: addresses are its properties; outputs irq0..irq3.
 * Thread: machine lock.
 */
#ifndef HW_PCI_GPEX_H
#define HW_PCI_GPEX_H

#include "hw/pci/pci.h"

/* Puts its windows into the main address space, where its x-...-base and -size say. Once. */
void gpex_map(struct device *device);
struct pci_bus *gpex_bus(struct device *device);

#endif
