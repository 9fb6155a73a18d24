/* monitor/hmp_devices.c - the monitor's view of devices: info qtree, info pci, trace events. */
#include "api/keyval.h"
#include "base/error.h"
#include "hw/core/bus.h"
#include "hw/core/plug.h"
#include "hw/core/trace.h"
#include "hw/pci/pci.h"
#include "hw/virtio/balloon.h"
#include "monitor/commands.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include "vm/user.h"
#include <inttypes.h>
#include <string.h>

static char *size_text(u64 size)
{
    static const char units[] = "KMGTPE";
    unsigned unit = 0;

    if (size < 1024 || size & (size - 1)) /* only round ones are worth it */
        return g_strdup_printf("%" PRIu64, size);
    for (u64 rest = size; rest >= 1024 * 1024; rest >>= 10)
        unit++;
    return g_strdup_printf("%" PRIu64 " (%" PRIu64 " %ciB)", size, size >> (10 * (unit + 1)), units[unit]);
}

/* Takes the value's text; gives back how it is shown. */
static char *value_text(const struct vm_property *property, char *text)
{
    g_autofree char *plain = text ? text : g_strdup("");

    switch (property->type) {
    case VM_PROPERTY_STRING:
    case VM_PROPERTY_LINK:
    case VM_PROPERTY_ENUM:
        return g_strdup_printf("\"%s\"", plain);
    case VM_PROPERTY_U8:
    case VM_PROPERTY_U16:
    case VM_PROPERTY_U32:
    case VM_PROPERTY_U64:
        return g_strdup_printf("%s (0x%" PRIx64 ")", plain, (u64)g_ascii_strtoull(plain, NULL, 0));
    case VM_PROPERTY_S64:
        return g_strdup_printf("%s (0x%" PRIx64 ")", plain, (u64)g_ascii_strtoll(plain, NULL, 0));
    case VM_PROPERTY_SIZE:
        return size_text(g_ascii_strtoull(plain, NULL, 0));
    default:
        return g_steal_pointer(&plain);
    }
}

static void print_properties(struct hmp *hmp, struct vm_object *object, int indent)
{
    g_autoptr(GPtrArray) properties = vm_class_properties(object->class, vm_guest(hmp->vm));

    for (guint i = 0; i < properties->len; i++) {
        const struct vm_property *property = properties->pdata[i];
        g_autofree char *text = value_text(property, vm_object_get(object, property->name, NULL));

        hmp_print(hmp, "%*s%s = %s", indent, "", property->name, text);
    }
}

static void print_wires(struct hmp *hmp, const struct device_decl *decl, int indent)
{
    for (u32 i = 0; i < decl->input_count; i++)
        hmp_print(hmp, "%*sgpio-in \"%s\" %u", indent, "", decl->inputs[i].name, decl->inputs[i].count);
    if (decl->line_count)
        hmp_print(hmp, "%*sgpio-out \"sysbus-irq\" %u", indent, "", decl->line_count);
}

/* Address (all ones: the board has not placed it) and size. */
static void print_windows(struct hmp *hmp, const struct device *device, int indent)
{
    for (u32 i = 0; i < device->decl->window_count; i++) {
        const struct region *region = &device->window[i].region;

        hmp_print(hmp, "%*smmio %016" PRIx64 "/%016" PRIx64, indent, "", region->container ? region->address : UINT64_MAX,
                  region->size ? region->size : UINT64_MAX);
    }
}

static void print_function(struct hmp *hmp, struct vm_object *object, int indent)
{
    const struct pci_function *function = pci_device_function(object);
    const struct pci_identity *id = &function->identity;

    hmp_print(hmp, "%*saddr %02x:%02x.%x, class %04x, pci id %04x:%04x (sub %04x:%04x)", indent, "", function->bus ? pci_bus_number(function->bus) : 0,
              function->devfn >> 3, function->devfn & 7, id->class, id->vendor_id, id->device_id, id->subsystem_vendor_id, id->subsystem_id);
}

static void print_device(struct hmp *hmp, struct vm_object *object, int indent)
{
    const struct device_decl *decl = object->realized ? device_decl_of(object->class, vm_guest(hmp->vm)) : NULL;

    if (decl)
        print_wires(hmp, decl, indent);
    print_properties(hmp, object, indent);
    if (decl)
        print_windows(hmp, (const struct device *)object, indent);
    if (decl && vm_object_is_a(object, "pci-device"))
        print_function(hmp, object, indent);
}

static void print_below(struct hmp *hmp, struct vm_object *object, int indent);

/* Devices of a bus may stand elsewhere in the tree of objects. */
static void print_bus(struct hmp *hmp, struct bus *bus, int indent)
{
    hmp_print(hmp, "%*sbus: %s", indent, "", bus->object.name);
    hmp_print(hmp, "%*stype %s", indent + 2, "", bus->object.class->name);
    for (guint i = 0; i < bus->devices->len; i++) {
        struct vm_object *device = bus->devices->pdata[i];

        hmp_print(hmp, "%*sdev: %s, id \"%s\"", indent + 2, "", device->class->name,
                  device->parent && !g_strcmp0(device->parent->name, "peripheral") ? device->name : "");
        print_device(hmp, device, indent + 4);
        print_below(hmp, device, indent + 4);
    }
}

static void print_below(struct hmp *hmp, struct vm_object *object, int indent)
{
    for (guint i = 0; i < object->children->len; i++) {
        struct vm_object *child = object->children->pdata[i];
        bool device = vm_object_is_a(child, "device");
        bool on_bus = vm_object_is_a(child, "declared-device") && ((const struct device *)child)->bus;

        if (vm_object_is_a(child, "bus")) {
            print_bus(hmp, (struct bus *)child, indent);
        } else if (!on_bus) {
            if (device)
                hmp_print(hmp, "%*sdev: %s, id \"%s\"", indent, "", child->class->name,
                          !g_strcmp0(object->name, "peripheral") ? child->name : "");
            if (device)
                print_device(hmp, child, indent + 2);
            print_below(hmp, child, device ? indent + 2 : indent);
        }
    }
}

void hmp_info_qtree(struct hmp *hmp)
{
    struct vm_object *machine = vm_machine(hmp->vm);

    hmp_print(hmp, "bus: main-system-bus");
    hmp_print(hmp, "  type System");
    if (machine)
        print_below(hmp, machine, 2);
}

static void print_pci(struct vm_object *object, void *opaque)
{
    struct hmp *hmp = opaque;

    if (vm_object_is_a(object, "PCI")) {
        g_autofree char *text = pci_bus_describe((const struct pci_bus *)object);
        g_string_append(hmp->out, text);
    }
}

void hmp_info_pci(struct hmp *hmp)
{
    vm_object_foreach(vm_root(hmp->vm), print_pci, hmp);
}

void hmp_balloon(struct hmp *hmp)
{
    GError *error = NULL;
    u64 megabytes;

    if (hmp_number(hmp, &megabytes, &error) && megabytes > UINT64_MAX / MIB)
        error_set(&error, "%" PRIu64 " MiB are more than 64 bits count", megabytes);
    if (error || !balloon_set(hmp->vm, megabytes * MIB, &error))
        hmp_error(hmp, error);
}

void hmp_info_balloon(struct hmp *hmp)
{
    GError *error = NULL;
    u64 bytes;

    if (balloon_get(hmp->vm, &bytes, &error))
        hmp_print(hmp, "balloon: actual=%" PRIu64, bytes / MIB);
    else
        hmp_error(hmp, error);
}

static bool add(struct hmp *hmp, const char *text, GError **error)
{
    static const struct api_keys keys = { .implied = "driver", .open = true, .json = true };
    g_autoptr(api_keyval) list = api_keyval_parse(text, &keys, error);
    const char *driver = list ? api_keyval_get(list, "driver") : NULL;

    if (!list)
        return false;
    if (!driver || !vm_machine(hmp->vm))
        return error_set(error, "write device_add DRIVER[,id=ID][,PROPERTY=VALUE...]");
    g_autoptr(GPtrArray) pairs = vm_user_pairs(list, "driver");
    return device_add(hmp->vm, driver, api_keyval_get(list, "id"), (const char *const *)pairs->pdata, error);
}

void hmp_device_add(struct hmp *hmp)
{
    g_autofree char *text = hmp_word(hmp);
    GError *error = NULL;

    if (!add(hmp, text ? text : "", &error))
        hmp_error(hmp, error);
}

void hmp_device_del(struct hmp *hmp)
{
    g_autofree char *id = hmp_word(hmp);
    GError *error = NULL;

    if (!vm_machine(hmp->vm) || !device_del(hmp->vm, id ? id : "", &error))
        hmp_error(hmp, error);
}

static void print_event(const char *event, void *opaque)
{
    struct hmp *hmp = opaque;
    struct log *log = vm_log(hmp->vm);

    hmp_print(hmp, "%s : state %d", event, log_wants(log, LOG_TRACE) && log_traces(log, event));
}

void hmp_info_trace_events(struct hmp *hmp)
{
    device_trace_events(vm_guest(hmp->vm), print_event, hmp);
}

void hmp_trace_event(struct hmp *hmp)
{
    g_autofree char *name = hmp_word(hmp), *state = hmp_word(hmp);
    const struct api_args_trace_event_set_state args = { .name = name, .enable = !g_strcmp0(state, "on") };
    GError *error = NULL;

    if (!name || (!args.enable && g_strcmp0(state, "off")))
        hmp_print(hmp, "trace-event: which events, and on or off?");
    else if (!qmp_trace_event_set_state(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
}
