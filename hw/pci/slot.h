/*
 * hw/pci/slot.h - a slot of a PCI Express port in which devices come and go: attention button, power controller, indicators,
 * presence detection (PCI Express Base 5.0, 6.7 and 7.5.3.9-11).
 *
 * In: a device is created on the bus while the machine runs; the guest is told, and switches power on. Out: pci_slot's bus is asked
 * (device_del); the attention button is pressed, the guest switches power off, then the device is deleted.
 * Thread: machine lock.
 */
#ifndef HW_PCI_SLOT_H
#define HW_PCI_SLOT_H

#include "hw/pci/msi.h"

struct pci_slot {
    struct pci_function *port;
    struct pci_bus *bus;
    struct pci_msi *msi;       /* of the port */
    bool power_controller;
    bool leaving;              /* device_del was asked for */
    s64 pressed;               /* when, on the virtual clock (ns) */
};

/* After pci_express_init of the port and when the bus behind it is made. number: physical slot, 13 bits. hotplug: what is there may change
 * while the machine runs. */
void pci_slot_init(struct pci_slot *slot, struct pci_function *port, struct pci_bus *bus, struct pci_msi *msi, u16 number, bool hotplug,
                   bool power_controller);
/* The port is reset: power is on if something is there. */
void pci_slot_reset(struct pci_slot *slot);
/* From the port's hook: its configuration space was written. */
void pci_slot_written(struct pci_slot *slot, u32 offset, unsigned size);
/* A device is there that was not before. */
void pci_slot_filled(struct pci_slot *slot);

#endif
