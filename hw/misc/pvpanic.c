/* hw/misc/pvpanic.c - the guest says that it crashed, or that its crash kernel runs, or that it shuts down. */
#include "api/types.h"
#include "hw/pci/pci.h"
#define DEVICE           pvpanic
#define DEVICE_ROWS      "hw/misc/pvpanic.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .user_creatable = true,
#define PCI_CONFIG_BYTES 256
#include "hw/core/declare.inc"

enum { PANICKED = 1, CRASH_LOADED = 2, SHUTDOWN = 4 };

static const struct pci_identity identity = { .vendor_id = 0x1b36, .device_id = 0x0011, .subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100,
                                              .class = 0x0880, .revision = 1 };

static u64 read_events(void *device, u32 index)
{
    return ((struct pvpanic *)device)->events;
}

static void panicked(struct vm *vm)
{
    static const u8 actions[] = { [VM_PANIC_SHUTDOWN] = API_GUEST_PANIC_ACTION_POWEROFF, [VM_PANIC_PAUSE] = API_GUEST_PANIC_ACTION_PAUSE,
                                  [VM_PANIC_EXIT_FAILURE] = API_GUEST_PANIC_ACTION_POWEROFF, [VM_PANIC_NONE] = API_GUEST_PANIC_ACTION_RUN };

    api_event_guest_panicked(vm_events(vm), actions[vm_panic_action(vm)]);
    switch (vm_panic_action(vm)) {
    case VM_PANIC_SHUTDOWN:
        vm_request_shutdown(vm, VM_CAUSE_GUEST_PANIC);
        break;
    case VM_PANIC_PAUSE:
        vm_request_stop(vm, VM_GUEST_PANICKED);
        break;
    case VM_PANIC_EXIT_FAILURE:
        vm_request_shutdown_status(vm, VM_CAUSE_GUEST_PANIC, 1);
        break;
    case VM_PANIC_NONE:
        break;
    }
}

static void write_event(void *device, u32 index, u64 value)
{
    struct vm *vm = ((struct pvpanic *)device)->device.object.vm;

    if (value & PANICKED)
        panicked(vm);
    else if (value & CRASH_LOADED)
        api_event_guest_crashloaded(vm_events(vm), API_GUEST_PANIC_ACTION_RUN);
    else if (value & SHUTDOWN) {
        api_event_guest_pvshutdown(vm_events(vm));
        vm_request_shutdown(vm, VM_CAUSE_GUEST_SHUTDOWN);
    } else
        device_guest_error(device, "pvpanic: event 0x%x means nothing", (u32)value);
}

static bool realize(void *device, GError **error)
{
    struct pvpanic *p = device;

    pci_function_init(&p->pci, &p->device, p->state->config, PCI_CONFIG_BYTES, &identity);
    return pci_function_add_bar(&p->pci, 0, &p->device.window[WINDOW_mmio].region, PCI_BAR_32, error);
}

static void unrealize(void *device)
{
    pci_function_finish(&((struct pvpanic *)device)->pci);
}

static void reset(void *device)
{
    pci_function_reset(&((struct pvpanic *)device)->pci);
}

#include "hw/core/define.inc"
