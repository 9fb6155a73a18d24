/* hw/pci/slot.c - slots of PCI Express ports (PCI Express Base 5.0, 6.7). */
#include "hw/pci/slot.h"
#include "base/bits.h"
#include "base/error.h"
#include "hw/core/plug.h"
#include "hw/pci/express.h"
#include "vm/clock.h"

/* Slot capabilities, control and status (7.5.3.9-11). */
enum { HAS_BUTTON = 1, HAS_POWER = 2, HAS_ATTENTION = 8, HAS_INDICATOR = 16, CAN_SURPRISE = 32, CAN_HOTPLUG = 64 };
enum { ENABLE_EVENTS = 0x100f, ENABLE_COMMAND = 16, ENABLE_INTERRUPT = 32, ATTENTION = 3 << 6, INDICATOR = 3 << 8, INDICATOR_ON = 1 << 8,
       INDICATOR_BLINKS = 2 << 8, INDICATOR_OFF = 3 << 8, POWER_OFF = 1 << 10 };
enum { BUTTON_PRESSED = 1, PRESENCE_CHANGED = 8, COMMAND_DONE = 16, PRESENT = 64, LINK_CHANGED = 256, EVENTS = BUTTON_PRESSED | PRESENCE_CHANGED | LINK_CHANGED };

/* 6.7.1.5: so long (ns) a guest that saw the button may wait for a second press. One that does not react by then can be asked again. */
static const s64 PATIENCE = INT64_C(5000000000);

static u8 *at(const struct pci_slot *slot, u32 offset)
{
    return slot->port->config + slot->port->express + offset;
}

static u32 control(const struct pci_slot *slot)
{
    return (u32)bits_load_le(at(slot, PCI_EXPRESS_SLOT_CONTROL), 2);
}

static u32 status(const struct pci_slot *slot)
{
    return (u32)bits_load_le(at(slot, PCI_EXPRESS_SLOT_STATUS), 2);
}

static void set_control(struct pci_slot *slot, u32 value)
{
    bits_store_le(at(slot, PCI_EXPRESS_SLOT_CONTROL), 2, value);
}

static void set_status(struct pci_slot *slot, u32 set, u32 clear)
{
    bits_store_le(at(slot, PCI_EXPRESS_SLOT_STATUS), 2, (status(slot) & ~clear) | set);
}

/* 6.7.3.4: what happened, is enabled, and interrupts are. */
static void interrupt(struct pci_slot *slot, bool edge)
{
    u32 enabled = control(slot), wanted = status(slot) & ((enabled & ENABLE_EVENTS & 0xf) | (enabled & ENABLE_COMMAND) | (enabled & 0x1000 ? LINK_CHANGED : 0));
    bool level = wanted && enabled & ENABLE_INTERRUPT;

    pci_function_set_intx(slot->port, level);
    if (level && edge)
        pci_msi_send(slot->msi, 0);
}

static void happened(struct pci_slot *slot, u32 events)
{
    set_status(slot, events, 0);
    interrupt(slot, true);
}

static bool is_filled(const struct pci_slot *slot)
{
    return slot->bus->bus.devices->len != 0;
}

static void set_power(struct pci_slot *slot)
{
    bool off = slot->power_controller && control(slot) & POWER_OFF;
    u64 link = bits_load_le(at(slot, PCI_EXPRESS_LINK_STATUS), 2) & ~(u64)PCI_EXPRESS_LINK_ACTIVE;

    bits_store_le(at(slot, PCI_EXPRESS_LINK_STATUS), 2, link | (is_filled(slot) && !off ? PCI_EXPRESS_LINK_ACTIVE : 0));
    if (slot->bus->off == off)
        return;
    __atomic_store_n(&slot->bus->off, off, __ATOMIC_RELAXED);
    if (off)
        pci_bus_reset(slot->bus);
    for (u32 i = 0; i < PCI_FUNCTIONS; i++) {
        if (slot->bus->function[i])
            pci_function_follow(slot->bus->function[i]);
    }
}

static void delete_all(struct pci_slot *slot)
{
    slot->leaving = false;
    for (guint i = slot->bus->bus.devices->len; i-- > 0;)
        device_delete((struct device *)slot->bus->bus.devices->pdata[i]);
    set_status(slot, 0, PRESENT);
    bits_store_le(at(slot, PCI_EXPRESS_LINK_STATUS), 2, bits_load_le(at(slot, PCI_EXPRESS_LINK_STATUS), 2) & ~(u64)PCI_EXPRESS_LINK_ACTIVE);
    happened(slot, PRESENCE_CHANGED | LINK_CHANGED);
}

static bool is_off(const struct pci_slot *slot)
{
    u32 now = control(slot);

    return slot->power_controller ? now & POWER_OFF && (now & INDICATOR) == INDICATOR_OFF : (now & INDICATOR) == INDICATOR_OFF;
}

void pci_slot_written(struct pci_slot *slot, u32 offset, unsigned size)
{
    u32 first = slot->port->express + PCI_EXPRESS_SLOT_CONTROL;

    if (offset >= first + 4 || offset + size <= first)
        return;
    if (offset < first + 2) { /* a command, done at once (6.7.3.2) */
        set_power(slot);
        if (slot->leaving && is_filled(slot) && is_off(slot))
            delete_all(slot);
        happened(slot, COMMAND_DONE);
    }
    interrupt(slot, false);
}

void pci_slot_filled(struct pci_slot *slot)
{
    set_status(slot, PRESENT, 0);
    if (!vm_is_complete(slot->port->device->object.vm)) {
        pci_slot_reset(slot);
        return;
    }
    set_power(slot);
    happened(slot, PRESENCE_CHANGED | BUTTON_PRESSED);
}

void pci_slot_reset(struct pci_slot *slot)
{
    bool filled = is_filled(slot);

    slot->leaving = false;
    set_control(slot, (slot->power_controller && !filled ? POWER_OFF : 0) | (filled ? INDICATOR_ON : INDICATOR_OFF) | ATTENTION);
    set_status(slot, filled ? PRESENT : 0, 0xffff);
    set_power(slot);
    interrupt(slot, false);
}

static bool unplug(struct bus *bus, struct device *device, GError **error)
{
    struct pci_slot *slot = ((struct pci_bus *)bus)->slot;
    const char *name = device->object.name;
    s64 now = vm_clock_now(device->object.vm, VM_CLOCK_VIRTUAL);

    if ((control(slot) & INDICATOR) == INDICATOR_BLINKS)
        return error_set(error, "Hot-unplug failed: guest is busy (power indicator blinking)");
    if (slot->leaving && now < slot->pressed + PATIENCE)
        return error_set(error, "Device %s is already in the process of unplug", name);
    if (is_off(slot)) { /* nobody uses it */
        delete_all(slot);
        return true;
    }
    slot->leaving = true;
    slot->pressed = now;
    happened(slot, BUTTON_PRESSED);
    return true;
}

static const struct bus_ops hotplug_ops = { .unplug = unplug };

void pci_slot_init(struct pci_slot *slot, struct pci_function *port, struct pci_bus *bus, struct pci_msi *msi, u16 number, bool hotplug,
                   bool power_controller)
{
    u32 caps = hotplug ? HAS_BUTTON | HAS_ATTENTION | HAS_INDICATOR | CAN_SURPRISE | CAN_HOTPLUG | (power_controller ? HAS_POWER : 0) : 0;
    u32 base = port->express;

    *slot = (struct pci_slot){ .port = port, .bus = bus, .msi = msi, .power_controller = hotplug && power_controller };
    bits_store_le(port->config + base + PCI_EXPRESS_SLOT_CAPS, 4, caps | (u32)number << 19);
    bits_store_le(port->writable + base + PCI_EXPRESS_SLOT_CONTROL, 2,
                  hotplug ? ENABLE_EVENTS | ENABLE_COMMAND | ENABLE_INTERRUPT | ATTENTION | INDICATOR | (power_controller ? POWER_OFF : 0) : 0);
    bits_store_le(port->clearable + base + PCI_EXPRESS_SLOT_STATUS, 2, EVENTS | COMMAND_DONE | 6);
    bus->slots = 1;
    bus->slot = slot;
    if (hotplug)
        bus->bus.ops = &hotplug_ops;
}
