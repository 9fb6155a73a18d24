/* hw/misc/vmcoreinfo.c - "etc/vmcoreinfo", a file of fw_cfg that the guest writes. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/nvram/fw_cfg.h"
#include "vm/vm.h"

enum { VMCOREINFO_SIZE = 16, FORMAT_ELF = 1 };

#define DEVICE        vmcoreinfo
#define DEVICE_ROWS   "hw/misc/vmcoreinfo.dev"
#define DEVICE_PARENT "declared-device"
#define DEVICE_FLAGS  .user_creatable = true,
#include "hw/core/declare.inc"

static bool realize(void *device, GError **error)
{
    struct vmcoreinfo *self = device;
    struct vm *vm = self->device.object.vm;
    struct device *cfg = fw_cfg_find(vm);

    if (vm_is_complete(vm))
        return error_set(error, "Device 'vmcoreinfo' does not support hotplugging: firmware has seen the files of fw_cfg");
    if (!cfg || !fw_cfg_has_dma(cfg))
        return error_set(error, "the machine has no fw_cfg with DMA");
    if (fw_cfg_has_file(cfg, "etc/vmcoreinfo"))
        return error_set(error, "at most one is possible");
    return fw_cfg_add_writable_file(cfg, "etc/vmcoreinfo", self->state->note, VMCOREINFO_SIZE, NULL, NULL, error);
}

static void reset(void *device)
{
    bits_store_le(((struct vmcoreinfo *)device)->state->note, 2, FORMAT_ELF);
}

#include "hw/core/define.inc"
