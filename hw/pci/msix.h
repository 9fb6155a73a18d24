/*
 * hw/pci/msix.h - MSI-X: interrupts as messages, each with an address of its own (PCI Local Bus 3.0, 6.8.2). A device's rows
 * include hw/pci/msix.rows, its behaviour file defines PCI_MSIX_VECTORS, and realize calls
 *
 *     pci_msix_init(&d->msix, &d->pci, d->state->msix_table, d->state->msix_pending, vectors, bar, error)
 *
 * Thread: machine lock, unless a function says otherwise.
 */
#ifndef HW_PCI_MSIX_H
#define HW_PCI_MSIX_H

#include "hw/pci/pci.h"

enum { PCI_MSIX_MOST = 2048 };

struct pci_msix {
    struct pci_function *function; /* NULL: not initialised, nothing happens */
    u32 *table, *pending;          /* in the device's state */
    u32 count;                     /* vectors */
    u32 capability;                /* where it lies */
    u32 pba;                       /* offset of the pending bits in the BAR */
    struct region region;
    struct host_lock lock;         /* of table and pending */
    u32 *late;                     /* atomic: vectors whose message waits for the machine lock; a bit for each */
};

/* Adds the capability and a BAR with table and pending bits. vectors: 1 to what the rows have room for. */
bool pci_msix_init(struct pci_msix *msix, struct pci_function *function, u32 *table, u32 *pending, u32 vectors, u32 bar, GError **error);
/* The same with a BAR of a size that a manual says: a power of two from 4096 on; the pending bits begin in its middle. */
bool pci_msix_init_sized(struct pci_msix *msix, struct pci_function *function, u32 *table, u32 *pending, u32 vectors, u32 bar, u64 size,
                         GError **error);
void pci_msix_finish(struct pci_msix *msix);
/* The guest switched it on: then messages are sent instead of pulling the pin. Any thread. */
bool pci_msix_is_on(const struct pci_msix *msix);
/* Sends a message, or notes it while it is masked. Vectors that are not there do nothing. */
void pci_msix_send(struct pci_msix *msix, u32 vector);
/* The same from a thread without the machine lock, inside the epoch: if the message needs that lock it is sent later. */
void pci_msix_send_outside(struct pci_msix *msix, u32 vector);

/* For function.c: the capability was written; the function is reset. */
void pci_msix_follow(struct pci_msix *msix);
void pci_msix_reset(struct pci_msix *msix);

#endif
