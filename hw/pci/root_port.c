/* hw/pci/root_port.c - PCI Express root port. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/pci/bridge.h"
#include "hw/pci/express.h"
#include "hw/pci/extended.h"
#include "hw/pci/msi.h"
#include "hw/pci/slot.h"
static const char *const pci_link_speeds[] = { "2_5", "5", "8", "16", "32", "64", NULL };
static const char *const pci_link_widths[] = { "1", "2", "4", "8", "12", "16", "32", NULL };
#define DEVICE           pcie_root_port
#define DEVICE_ROWS      "hw/pci/root_port.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .user_creatable = true,
#define PCI_CONFIG_BYTES 4096
#include "hw/core/declare.inc"

static const struct pci_identity identity = { .vendor_id = 0x1b36, .device_id = 0x000c, .class = 0x0604, .interrupt_pin = 1, .bridge = true };

static void written(struct device *device, u32 offset, unsigned size)
{
    struct pcie_root_port *port = (struct pcie_root_port *)device;
    bool reset = port->pci.config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_RESET;

    if (offset <= PCI_BRIDGE_CONTROL && offset + size > PCI_BRIDGE_CONTROL && reset)
        pci_bus_reset(port->bridge.bus);
    pci_slot_written(&port->slot, offset, size);
}

/* Bridges name their board in a capability (PCI-to-PCI Bridge Architecture 1.2, 3.2.5.13). */
static bool add_subsystem(struct pci_function *function, GError **error)
{
    u32 at = pci_function_add_capability(function, 0x0d, 8);

    if (!at)
        return error_set(error, "no room for the subsystem capability");
    bits_store_le(function->config + at + 4, 2, identity.vendor_id);
    return true;
}

/* Chassis and slot together are a slot's name for the guest (PCI Express Base 5.0, 7.5.3.9). */
static bool check_slot(const struct pcie_root_port *port, const struct pci_bus *bus, GError **error)
{
    for (u32 i = 0; i < PCI_FUNCTIONS; i++) {
        struct device *device = bus->function[i] ? bus->function[i]->device : NULL;
        const struct pcie_root_port *other = (struct pcie_root_port *)device;

        if (!device || !vm_object_is_a(&device->object, "pcie-root-port") || other->chassis != port->chassis || other->slot_number != port->slot_number)
            continue;
        error_set(error, "chassis %u, slot %u is that of '%s'", port->chassis, port->slot_number, device->object.name);
        return error_hint(error, "give each root port a slot of its own, for example slot=%u", port->slot_number + 1);
    }
    return true;
}

static bool realize(void *device, GError **error)
{
    static const u8 widths[] = { 1, 2, 4, 8, 12, 16, 32 };
    struct pcie_root_port *port = device;
    struct pci_bus *above = pci_device_bus(&port->device);

    if (!check_slot(port, above, error))
        return false;
    pci_function_init(&port->pci, &port->device, port->state->config, PCI_CONFIG_BYTES, &identity);
    port->pci.written = written;
    if (!pci_express_init(&port->pci, PCI_EXPRESS_ROOT_PORT, port->port, error) || !pci_bridge_init(&port->bridge, &port->pci, "PCIE", error))
        return false;
    pci_express_set_link(&port->pci, (u8)(port->speed + 1), widths[port->width]);
    if (!pci_aer_add(&port->pci, true, port->pcie_err_unc_mask, error) || !pci_acs_add(&port->pci, error))
        return false;
    port->bridge.bus->msi = above->msi;
    if (above->msi && !pci_msi_init(&port->msi, &port->pci, 1, true, error))
        return false;
    if (!add_subsystem(&port->pci, error))
        return false;
    pci_slot_init(&port->slot, &port->pci, port->bridge.bus, &port->msi, port->slot_number, port->hotplug, port->power_controller);
    pci_slot_reset(&port->slot);
    return true;
}

static void unrealize(void *device)
{
    struct pcie_root_port *port = device;

    pci_function_finish(&port->pci);
    pci_bridge_finish(&port->bridge);
}

static void reset(void *device)
{
    struct pcie_root_port *port = device;

    pci_function_reset(&port->pci);
    pci_aer_reset(&port->pci);
    pci_slot_reset(&port->slot);
}

#include "hw/core/define.inc"
