/* hw/watchdog/i6300esb.c - watchdog timer of the Intel 6300ESB (datasheet 300641-004, chapter 16): two stages, then -action watchdog=. */
#include "api/types.h"
#include "base/bits.h"
#include "hw/pci/pci.h"
#define DEVICE           i6300esb
#define DEVICE_ROWS      "hw/watchdog/i6300esb.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .user_creatable = true,
#define PCI_CONFIG_BYTES 256
#include "hw/core/declare.inc"

/* Configuration space (16.4): 0x60 configuration, 0x68 lock. */
enum { CONFIG = 0x60, CONFIG_FAST = 4, CONFIG_NO_REBOOT = 0x20, LOCK = 0x68, LOCK_LOCKED = 1, LOCK_ENABLED = 2, LOCK_FREE_RUN = 4 };
enum { RELOAD = 0x100, TIMEOUT = 0x200, UNLOCK1 = 0x80, UNLOCK2 = 0x86, PRELOAD = 0xfffff, PCI_MHZ = 33 };

static const struct pci_identity identity = { .vendor_id = 0x8086, .device_id = 0x25ab, .subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100,
                                              .class = 0x0880 };

static u32 lock(const struct i6300esb *w)
{
    return w->state->config[LOCK];
}

/* 16.3: the preload value counts 2^15 or, fast, 2^5 PCI clocks. No stage is over in no time. */
static void start_stage(struct i6300esb *w, u32 stage)
{
    u64 count = stage == 1 ? w->state->first : w->state->second;
    u64 clocks = MAX(count, 1) << (w->state->config[CONFIG] & CONFIG_FAST ? 5 : 15);

    w->state->stage = stage;
    device_timer_arm(&w->timer, vm_clock_now(w->device.object.vm, VM_CLOCK_VIRTUAL) + (s64)(clocks * 1000 / PCI_MHZ));
}

static void act(struct i6300esb *w)
{
    static const u8 names[] = { [VM_WATCHDOG_RESET] = API_WATCHDOG_ACTION_RESET, [VM_WATCHDOG_SHUTDOWN] = API_WATCHDOG_ACTION_SHUTDOWN,
                                [VM_WATCHDOG_POWEROFF] = API_WATCHDOG_ACTION_POWEROFF, [VM_WATCHDOG_PAUSE] = API_WATCHDOG_ACTION_PAUSE,
                                [VM_WATCHDOG_DEBUG] = API_WATCHDOG_ACTION_DEBUG, [VM_WATCHDOG_NONE] = API_WATCHDOG_ACTION_NONE,
                                [VM_WATCHDOG_INJECT_NMI] = API_WATCHDOG_ACTION_INJECT_NMI };
    struct vm *vm = w->device.object.vm;

    api_event_watchdog(vm_events(vm), names[vm_actions(vm)->watchdog]);
    switch (vm_actions(vm)->watchdog) {
    case VM_WATCHDOG_RESET:
        vm_request_reset(vm, VM_CAUSE_GUEST_RESET);
        break;
    case VM_WATCHDOG_SHUTDOWN:
        vm_request_powerdown(vm);
        break;
    case VM_WATCHDOG_POWEROFF:
        vm_request_shutdown(vm, VM_CAUSE_GUEST_SHUTDOWN);
        break;
    case VM_WATCHDOG_PAUSE:
        vm_request_stop(vm, VM_WATCHDOG);
        break;
    default:
        log_line(vm_log(vm), LOG_GUEST_ERRORS, "i6300esb: the watchdog has expired");
        break;
    }
}

static void expired(void *device)
{
    struct i6300esb *w = device;

    if (w->state->stage == 1 && !(lock(w) & LOCK_FREE_RUN)) {
        start_stage(w, 2);
        return;
    }
    w->state->rebooted = true;
    if (!(w->state->config[CONFIG] & CONFIG_NO_REBOOT))
        act(w);
    if (lock(w) & LOCK_FREE_RUN)
        start_stage(w, 1);
}

static void follow_lock(struct i6300esb *w)
{
    if (!(lock(w) & LOCK_ENABLED))
        device_timer_arm(&w->timer, INT64_MAX);
    else if (device_timer_deadline(&w->timer) == INT64_MAX)
        start_stage(w, 1);
    if (lock(w) & LOCK_LOCKED) /* until power-off */
        w->pci.writable[LOCK] = 0;
}

static void config_written(struct device *device, u32 offset, unsigned size)
{
    if (offset <= LOCK && offset + size > LOCK)
        follow_lock((struct i6300esb *)device);
}

/*
 * One write is free after the sequence (16.2). It has the register's width: 32 bits for preload values, 16 for the reload register; others do
 * nothing, and those of a byte do not even count as the one.
 */
static bool unlocked(struct i6300esb *w, unsigned size, unsigned width)
{
    bool open = w->state->unlock == 2;

    if (size > 1)
        w->state->unlock = 0;
    return open && size == width;
}

static u64 read_preload1(void *device, u32 index)
{
    return ((struct i6300esb *)device)->state->first;
}

static void write_preload1(void *device, u32 index, u64 value, unsigned size)
{
    struct i6300esb *w = device;

    if (unlocked(w, size, 4))
        w->state->first = value & PRELOAD;
}

static u64 read_preload2(void *device, u32 index)
{
    return ((struct i6300esb *)device)->state->second;
}

static void write_preload2(void *device, u32 index, u64 value, unsigned size)
{
    struct i6300esb *w = device;

    if (unlocked(w, size, 4))
        w->state->second = value & PRELOAD;
}

static u64 read_reload(void *device, u32 index)
{
    return ((struct i6300esb *)device)->state->rebooted ? TIMEOUT : 0;
}

/* The sequence itself may be written in any size. */
static void write_reload(void *device, u32 index, u64 value, unsigned size)
{
    struct i6300esb *w = device;

    if (value == UNLOCK1) {
        w->state->unlock = 1;
        return;
    }
    if (value == UNLOCK2 && w->state->unlock == 1) {
        w->state->unlock = 2;
        return;
    }
    if (!unlocked(w, size, 2))
        return;
    if (value & RELOAD && lock(w) & LOCK_ENABLED)
        start_stage(w, 1);
    if (value & TIMEOUT)
        w->state->rebooted = false;
}

static void allow(struct i6300esb *w)
{
    bits_store_le(w->pci.writable + CONFIG, 2, 0x27);
    w->pci.writable[LOCK] = 7;
}

static bool realize(void *device, GError **error)
{
    struct i6300esb *w = device;

    pci_function_init(&w->pci, &w->device, w->state->config, PCI_CONFIG_BYTES, &identity);
    w->pci.written = config_written;
    allow(w);
    return pci_function_add_bar(&w->pci, 0, &w->device.window[WINDOW_mmio].region, PCI_BAR_32, error);
}

static void unrealize(void *device)
{
    pci_function_finish(&((struct i6300esb *)device)->pci);
}

static void reset(void *device)
{
    struct i6300esb *w = device;

    allow(w);
    pci_function_reset(&w->pci);
}

#include "hw/core/define.inc"
