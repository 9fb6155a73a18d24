/*
 * hw/pci/msi.h - MSI: up to 32 messages that differ in their low bits (PCI Local Bus 3.0, 6.8.1). All of its state lies in
 * the configuration space. Thread: machine lock.
 */
#ifndef HW_PCI_MSI_H
#define HW_PCI_MSI_H

#include "hw/pci/pci.h"

struct pci_msi {
    struct pci_function *function; /* NULL: not initialised, nothing happens */
    u32 capability;
};

/* vectors: a power of two up to 32. masks: each can be masked. Goes with the function. */
bool pci_msi_init(struct pci_msi *msi, struct pci_function *function, u32 vectors, bool masks, GError **error);
/* The guest switched it on: then messages are sent instead of pulling the pin. Any thread. */
bool pci_msi_is_on(const struct pci_msi *msi);
void pci_msi_send(struct pci_msi *msi, u32 vector);
/* For function.c: the configuration space was written; the function is reset. */
void pci_msi_follow(struct pci_msi *msi);
void pci_msi_reset(struct pci_msi *msi);

#endif
