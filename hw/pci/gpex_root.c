/* hw/pci/gpex_root.c - the host bridge's own function, 00.0. */
#include "hw/pci/pci.h"
#define DEVICE           gpex_root
#define DEVICE_ROWS      "hw/pci/gpex_root.dev"
#define DEVICE_PARENT    "pci-device"
#define PCI_CONFIG_BYTES 256
#include "hw/core/declare.inc"

static const struct pci_identity identity = {
    .vendor_id = 0x1b36, .device_id = 0x0008, .subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100, .class = 0x0600,
};

static bool realize(void *device, GError **error)
{
    struct gpex_root *root = device;

    pci_function_init(&root->pci, &root->device, root->state->config, PCI_CONFIG_BYTES, &identity);
    return true;
}

static void unrealize(void *device)
{
    pci_function_finish(&((struct gpex_root *)device)->pci);
}

static void reset(void *device)
{
    pci_function_reset(&((struct gpex_root *)device)->pci);
}

#include "hw/core/define.inc"
