/* hw/pci/bus.c - the PCI bus: which function is where. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/pci/bridge.h"
#include "hw/pci/slot.h"
#include "vm/vm.h"
#include <string.h>

/* The host goes; devices elsewhere in the tree may outlive it. */
static void finish(struct vm_object *object)
{
    struct pci_bus *bus = (struct pci_bus *)object;

    if (vm_is_ending(object->vm))
        pci_bus_root(bus)->set_intx = NULL; /* who listened to the pins may be gone already */
    for (u32 i = 0; i < PCI_FUNCTIONS; i++) {
        if (bus->function[i])
            pci_bus_unplug(bus->function[i]);
    }
    host_lock_finish(&bus->pin_lock);
    line_keeper_finish(&bus->pins);
}

static void init(struct vm_object *object)
{
    host_lock_init(&((struct pci_bus *)object)->pin_lock, LOCK_RANK_LEAF);
    line_keeper_init(&((struct pci_bus *)object)->pins, LOCK_RANK_BUS_LINES);
}

VM_CLASS(pci_bus) { .name = "PCI", .parent = "bus", .size = sizeof(struct pci_bus), .description = "a PCI bus", .init = init, .finish = finish };
VM_CLASS(pcie_bus) { .name = "PCIE", .parent = "PCI", .size = sizeof(struct pci_bus), .description = "a PCI Express bus" };

/* What the first rows of every PCI device make of its instance (hw/pci/pci_device.rows). */
struct pci_device {
    struct device device;
    void *state;
#define DEVICE_ROWS "hw/pci/pci_device.rows"
#define HOST(declaration_, ...) declaration_;
#define PROP(id_, ctype_, ...)  ctype_ id_;
#include "hw/core/rows.inc"
};

struct pci_bus *pci_device_bus(const struct device *device)
{
    return (struct pci_bus *)device->bus;
}

static void init_device(struct vm_object *object)
{
    ((struct device *)object)->bus_class = "PCI";
}

/* romfile= alone, which asks for no option ROM, is common. */
static bool check_wishes(const struct pci_device *device, GError **error)
{
    const struct { const char *name, *value, *what; } wishes[] = {
        { "romfile", device->romfile, "option ROMs" },
        { "failover_pair_id", device->failover_pair_id, "failover partners" },
        { "sriov-pf", device->sriov_pf, "virtual functions" },
    };

    for (u32 i = 0; i < ARRAY_SIZE(wishes); i++) {
        if (wishes[i].value && *wishes[i].value)
            return error_set(error, "%s=%s: %s are not there yet", wishes[i].name, wishes[i].value, wishes[i].what);
    }
    return true;
}

/* After the device's own realize. */
static bool realize_device(struct vm_object *object, GError **error)
{
    struct pci_device *device = (struct pci_device *)object;
    struct pci_bus *bus = pci_device_bus(&device->device);
    int devfn;

    device->pci.multifunction = device->multifunction;
    if (!check_wishes(device, error) || !pci_parse_address(device->addr, &devfn, error) || !pci_bus_plug(bus, &device->pci, devfn, error))
        return false;
    if (bus->slot && !(device->pci.devfn & 7)) /* function 0 says that all are there */
        pci_slot_filled(bus->slot);
    return true;
}

static void unrealize_device(struct vm_object *object)
{
    pci_bus_unplug(&((struct pci_device *)object)->pci);
}

VM_CLASS(pci_device) {
    .name = "pci-device", .parent = "declared-device", .abstract = true, .size = sizeof(struct pci_device),
    .description = "a device on a PCI bus", .init = init_device, .realize = realize_device, .unrealize = unrealize_device,
};

struct pci_function *pci_device_function(struct vm_object *object)
{
    return &((struct pci_device *)object)->pci;
}

static bool slot_is_free(const struct pci_bus *bus, int slot)
{
    for (int i = 0; i < 8; i++) {
        if (bus->function[slot * 8 + i])
            return false;
    }
    return true;
}

static int free_slot(const struct pci_bus *bus)
{
    for (int slot = 0; slot < (bus->slots ? bus->slots : PCI_SLOTS); slot++) {
        if (slot_is_free(bus, slot))
            return slot * 8;
    }
    return -1;
}

/* Guests look at functions 1-7 only where function 0 says that there are more. */
static bool check_slot(const struct pci_bus *bus, const struct pci_function *function, int devfn, GError **error)
{
    const struct pci_function *first = bus->function[devfn & ~7];

    if (bus->slots && devfn >> 3 >= bus->slots) {
        error_set(error, "%s has no slot %02x", bus->bus.object.name, devfn >> 3);
        return error_hint(error, "behind a PCI Express port is slot 00 only");
    }
    if (bus->function[devfn])
        return error_set(error, "%02x.%x of %s is taken", devfn >> 3, devfn & 7, bus->bus.object.name);
    if ((devfn & 7) && first && !first->multifunction) {
        error_set(error, "%02x.0 of %s is there alone", devfn >> 3, bus->bus.object.name);
        return error_hint(error, "give it multifunction=on");
    }
    if (!(devfn & 7) && !function->multifunction && !slot_is_free(bus, devfn >> 3))
        return error_set(error, "slot %02x of %s has other functions: this one needs multifunction=on", devfn >> 3, bus->bus.object.name);
    return true;
}

u8 pci_bus_number(const struct pci_bus *bus)
{
    return bus->bridge ? bus->bridge->config[PCI_SECONDARY] : 0;
}

struct pci_function *pci_bus_route(struct pci_bus *bus, u8 number, u8 devfn)
{
    /* Each step goes behind another bridge, so this ends. */
    while (bus && number != pci_bus_number(bus)) {
        struct pci_bus *next = NULL;

        for (u32 i = 0; i < PCI_FUNCTIONS && !next; i++) {
            struct pci_function *f = bus->function[i];

            if (f && f->bridge && f->config[PCI_SECONDARY] && number >= f->config[PCI_SECONDARY] && number <= f->config[PCI_SUBORDINATE])
                next = f->bridge->bus;
        }
        bus = next;
    }
    return bus && !bus->off ? bus->function[devfn] : NULL;
}

void pci_bus_pull(struct pci_bus *bus, u32 line, int by)
{
    bool before = bus->intx_count[line] != 0;

    bus->intx_count[line] += (u32)by;
    bool now = bus->intx_count[line] != 0;
    /* PCI-to-PCI Bridge Architecture 1.2, 9.1: a bridge is a device of its bus as others are. */
    if (before != now && bus->bridge && bus->bridge->bus)
        pci_bus_pull(bus->bridge->bus, ((u32)(bus->bridge->devfn >> 3) + line) % PCI_PINS, by);
}

struct pci_bus *pci_bus_root(struct pci_bus *bus)
{
    while (bus->bridge && bus->bridge->bus)
        bus = bus->bridge->bus;
    return bus;
}

static void show_pins(void *opaque)
{
    struct pci_bus *root = opaque;
    bool level[PCI_PINS];

    host_lock_take(&root->pin_lock);
    for (u32 line = 0; line < PCI_PINS; line++)
        level[line] = root->intx_count[line] != 0;
    host_lock_drop(&root->pin_lock);
    for (u32 line = 0; line < PCI_PINS; line++)
        root->set_intx(root->host, line, level[line]);
}

void pci_bus_show_pins(struct pci_bus *root)
{
    if (root->set_intx)
        line_keeper_show(&root->pins, root->pins_are_lockless && root->pins_are_lockless(root->host), show_pins, root);
}

void pci_bus_reset(struct pci_bus *bus)
{
    for (u32 i = 0; i < PCI_FUNCTIONS; i++) {
        struct pci_function *f = bus->function[i];

        if (f)
            device_reset(f->device);
        if (f && f->bridge)
            pci_bus_reset(f->bridge->bus);
    }
}

bool pci_bus_plug(struct pci_bus *bus, struct pci_function *function, int devfn, GError **error)
{
    if (devfn < 0)
        devfn = free_slot(bus);
    if (devfn < 0)
        return error_set(error, "%s is full", bus->bus.object.name);
    if (!check_slot(bus, function, devfn, error) || !bus_plug(&bus->bus, &function->device->object, error))
        return false;
    bus->function[devfn] = function;
    function->bus = bus;
    function->devfn = (u8)devfn;
    function->config[PCI_HEADER_TYPE] = (u8)((function->multifunction ? PCI_MULTIFUNCTION : 0) | function->identity.bridge);
    return true;
}

void pci_bus_unplug(struct pci_function *function)
{
    struct pci_bus *bus = function->bus;

    if (!bus)
        return;
    pci_function_reset(function); /* releases the pin and the BARs */
    bus->function[function->devfn] = NULL;
    function->bus = NULL;
    bus_unplug(&bus->bus, &function->device->object);
}

bool pci_parse_address(const char *text, int *devfn, GError **error)
{
    char *end;
    guint64 slot = g_ascii_strtoull(text, &end, 16), number = 0;

    *devfn = -1;
    if (!strcmp(text, "-1"))
        return true;
    if (end != text && *end == '.' && g_ascii_isxdigit(end[1]))
        number = g_ascii_strtoull(end + 1, &end, 16);
    if (end == text || *end || slot > 31 || number > 7 || g_str_has_prefix(text, "-")) {
        error_set(error, "'%s' is not a PCI address", text);
        return error_hint(error, "SLOT or SLOT.FUNCTION in hexadecimal: 5, 1f.7");
    }
    *devfn = (int)(slot * 8 + number);
    return true;
}

const char *pci_class_text(u16 class)
{
    switch (class) {
    case 0x0100:
        return "SCSI controller";
    case 0x0108:
        return "NVM Express controller";
    case 0x0200:
        return "Ethernet controller";
    case 0x0300:
        return "VGA controller";
    case 0x0600:
        return "Host bridge";
    case 0x0604:
        return "PCI bridge";
    case 0x0c03:
        return "USB controller";
    default:
        return NULL;
    }
}

static void describe_bar(GString *text, const struct pci_function *function, u32 number)
{
    const struct pci_bar *bar = &function->bar[number];
    bool wide = bar->kind & PCI_BAR_64;
    u64 address = bits_load_le(function->config + PCI_BAR0 + 4 * number, wide ? 8 : 4);

    if (bar->kind & PCI_BAR_IO)
        g_string_append_printf(text, "      BAR%u: I/O at 0x%04x [0x%04x].\n", number, (unsigned)(address & ~UINT64_C(3)),
                               (unsigned)((address & ~UINT64_C(3)) + bar->region->size - 1));
    else
        g_string_append_printf(text, "      BAR%u: %d bit%s memory at 0x%08" G_GINT64_MODIFIER "x [0x%08" G_GINT64_MODIFIER "x].\n", number,
                               wide ? 64 : 32, bar->kind & PCI_BAR_PREFETCH ? " prefetchable" : "", (guint64)(address & ~UINT64_C(15)),
                               (guint64)((address & ~UINT64_C(15)) + bar->region->size - 1));
}

static void describe_bridge(GString *text, const struct pci_bridge *bridge)
{
    const u8 *config = bridge->function->config;
    const struct { const char *what; u32 digits, window; } rows[] = {
        { "IO", 4, PCI_WINDOW_IO }, { "memory", 8, PCI_WINDOW_MEMORY }, { "prefetchable memory", 8, PCI_WINDOW_PREFETCH },
    };

    g_string_append_printf(text, "      BUS %u.\n      secondary bus %u.\n      subordinate bus %u.\n", pci_bus_number(bridge->function->bus),
                           config[PCI_SECONDARY], config[PCI_SUBORDINATE]);
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pci_window w = pci_bridge_window(bridge, rows[i].window);

        g_string_append_printf(text, "      %s range [0x%0*" G_GINT64_MODIFIER "x, 0x%0*" G_GINT64_MODIFIER "x]\n", rows[i].what, (int)rows[i].digits,
                               w.first, (int)rows[i].digits, w.last);
    }
}

static void describe_function(GString *text, const struct pci_function *function)
{
    const struct pci_identity *id = &function->identity;
    const struct vm_object *object = &function->device->object;
    bool named = object->parent && !g_strcmp0(object->parent->name, "peripheral");

    g_string_append_printf(text, "  Bus %2u, device %3u, function %u:\n", pci_bus_number(function->bus), function->devfn >> 3, function->devfn & 7);
    if (pci_class_text(id->class))
        g_string_append_printf(text, "    %s: ", pci_class_text(id->class));
    else
        g_string_append_printf(text, "    Class %04x: ", id->class);
    g_string_append_printf(text, "PCI device %04x:%04x\n", id->vendor_id, id->device_id);
    if (id->subsystem_vendor_id)
        g_string_append_printf(text, "      PCI subsystem %04x:%04x\n", id->subsystem_vendor_id, id->subsystem_id);
    if (function->bridge)
        describe_bridge(text, function->bridge);
    if (id->interrupt_pin)
        g_string_append_printf(text, "      IRQ %u, pin %c\n", function->config[0x3c], 'A' + id->interrupt_pin - 1);
    for (u32 i = 0; i < PCI_BARS; i++) {
        if (function->bar[i].region)
            describe_bar(text, function, i);
    }
    g_string_append_printf(text, "      id \"%s\"\n", named ? object->name : "");
}

char *pci_bus_describe(const struct pci_bus *bus)
{
    GString *text = g_string_new(NULL);

    for (u32 i = 0; i < PCI_FUNCTIONS; i++) {
        if (bus->function[i])
            describe_function(text, bus->function[i]);
    }
    return g_string_free(text, FALSE);
}
