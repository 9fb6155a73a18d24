/* hw/pci/pci_bridge.c - PCI Express to PCI bridge. */
#include "base/error.h"
#include "hw/pci/bridge.h"
#include "hw/pci/express.h"
#include "hw/pci/extended.h"
#include "hw/pci/msi.h"
static const char *const on_off_auto[] = { "auto", "on", "off", NULL };
#define DEVICE           pcie_pci_bridge
#define DEVICE_ROWS      "hw/pci/pci_bridge.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .user_creatable = true,
#define PCI_CONFIG_BYTES 4096
#include "hw/core/declare.inc"

enum { AUTO, ON, OFF };

static const struct pci_identity identity = { .vendor_id = 0x1b36, .device_id = 0x000e, .class = 0x0604, .interrupt_pin = 1, .bridge = true };

static void written(struct device *device, u32 offset, unsigned size)
{
    struct pcie_pci_bridge *b = (struct pcie_pci_bridge *)device;

    if (offset <= PCI_BRIDGE_CONTROL && offset + size > PCI_BRIDGE_CONTROL && b->pci.config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_RESET)
        pci_bus_reset(b->bridge.bus);
}

/*
 * DEVIATION Devices | `pcie-pci-bridge` | devices behind it come and go only while the machine is built | its hot-plug controller
 * (SHPC) is not modelled
 */
static bool realize(void *device, GError **error)
{
    struct pcie_pci_bridge *b = device;
    struct pci_bus *above = pci_device_bus(&b->device);

    if (!vm_object_is_a(&above->bus.object, "PCIE"))
        return error_set(error, "it goes on a PCI Express bus only");
    if (b->msi_wanted == ON && !above->msi)
        return error_set(error, "msi=on: this machine has nobody who takes messages");
    pci_function_init(&b->pci, &b->device, b->state->config, PCI_CONFIG_BYTES, &identity);
    b->pci.written = written;
    if (!pci_function_add_power(&b->pci) || !pci_express_init(&b->pci, PCI_EXPRESS_TO_PCI, 0, error) ||
        !pci_aer_add(&b->pci, false, b->pcie_err_unc_mask, error) || !pci_bridge_init(&b->bridge, &b->pci, "PCI", error))
        return false;
    b->bridge.bus->msi = above->msi;
    return !above->msi || b->msi_wanted == OFF || pci_msi_init(&b->msi, &b->pci, 1, true, error);
}

static void unrealize(void *device)
{
    struct pcie_pci_bridge *b = device;

    pci_function_finish(&b->pci);
    pci_bridge_finish(&b->bridge);
}

static void reset(void *device)
{
    struct pcie_pci_bridge *b = device;

    pci_function_reset(&b->pci);
    pci_aer_reset(&b->pci);
}

#include "hw/core/define.inc"
