/*
 * hw/pci/bridge.h - PCI-to-PCI bridges: a bus behind a function, and the windows through which it is seen (PCI-to-PCI Bridge
 * Architecture 1.2). Root ports and bridges embed one.
 * Thread: machine lock.
 */
#ifndef HW_PCI_BRIDGE_H
#define HW_PCI_BRIDGE_H

#include "hw/pci/pci.h"

enum { PCI_WINDOW_IO, PCI_WINDOW_MEMORY, PCI_WINDOW_PREFETCH, PCI_WINDOWS };

/* What a bridge forwards; last < first: nothing. */
struct pci_window {
    u64 first, last;
};

struct pci_bridge {
    struct pci_function *function;
    struct pci_bus *bus;               /* behind it */
    struct region memory, io;          /* in which the BARs there appear */
    struct region alias[PCI_WINDOWS];  /* windows, in the bus above */
    struct pci_window shown[PCI_WINDOWS];
};

/* After pci_function_init with identity.bridge. bus_class: "PCIE" or "PCI"; the bus is named after the device, or by number. */
bool pci_bridge_init(struct pci_bridge *bridge, struct pci_function *function, const char *bus_class, GError **error);
void pci_bridge_finish(struct pci_bridge *bridge);
/* As the registers say, whether enabled or not. */
struct pci_window pci_bridge_window(const struct pci_bridge *bridge, u32 which);
/* For function.c: the registers changed. */
void pci_bridge_follow(struct pci_bridge *bridge);

#endif
