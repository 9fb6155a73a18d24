/*
 * hw/pci/extended.h - capabilities beyond the first 256 bytes of configuration space (PCI Express Base 5.0, 7.6): advanced error
 * reporting, access control services, serial numbers. No error ever occurs and nothing is between functions, so both have registers alone.
 * Thread: machine lock.
 */
#ifndef HW_PCI_EXTENDED_H
#define HW_PCI_EXTENDED_H

#include "hw/pci/pci.h"

/* Gives back the offset of `size` bytes that begin with id, version and link; 0: no room. The function has 4096 bytes. */
u32 pci_extended_add(struct pci_function *function, u16 id, u8 version, u32 size);
/* Advanced error reporting (7.8.4). root: with the registers of a root port. internal_masked: uncorrectable internal errors are masked. */
bool pci_aer_add(struct pci_function *function, bool root, bool internal_masked, GError **error);
/* After pci_function_reset: the masks are what they are at power-on. Nothing without the capability. */
void pci_aer_reset(struct pci_function *function);
/* Access control services of a port (7.7.8): all but direct translated requests. */
bool pci_acs_add(struct pci_function *function, GError **error);
/* The device's serial number (7.9.3): that of one function stands for all. */
bool pci_serial_number_add(struct pci_function *function, u64 number, GError **error);

#endif
