/* hw/misc/unimplemented.c - hardware that is not modelled: reads all ones, ignores writes, logs both. */
#include "vm/memory.h"
static const struct region_ops window_ops;
#define DEVICE      unimplemented
#define DEVICE_ROWS "hw/misc/unimplemented.dev"
#include "hw/core/declare.inc"
#include <inttypes.h>

static enum mem_result read_window(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct unimplemented *device = opaque;

    log_line(vm_log(device->device.object.vm), LOG_UNIMP, "%s: read of %u bytes at 0x%" PRIx64, device->name, size, offset);
    *value = ~UINT64_C(0);
    return MEM_OK;
}

static enum mem_result write_window(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct unimplemented *device = opaque;

    log_line(vm_log(device->device.object.vm), LOG_UNIMP, "%s: write of 0x%" PRIx64 " (%u bytes) at 0x%" PRIx64, device->name, value, size,
             offset);
    return MEM_OK;
}

static const struct region_ops window_ops = { .read = read_window, .write = write_window };

static bool realize(void *opaque, GError **error)
{
    struct unimplemented *device = opaque;

    device->device.window[WINDOW_mmio].region.size = device->size;
    if (device->name)
        device->device.window[WINDOW_mmio].region.name = device->name;
    return true;
}

#include "hw/core/define.inc"
