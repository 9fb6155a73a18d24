/*
 * hw/nvram/fw_cfg.h - what boards put into the firmware configuration device ("fw_cfg_mem"). Windows: 0 selector (2 bytes),
 * 1 data (8), 2 DMA (8); boards map them at +8, +0 and +0x10 of one base.
 * Thread: machine lock, before the machine runs. `device` is always one of class fw_cfg_mem.
 */
#ifndef HW_NVRAM_FW_CFG_H
#define HW_NVRAM_FW_CFG_H

#include "base/types.h"
#include "hw/core/device.h"

/* Keys (specification, "Firmware Configuration Items"). Integers are little-endian. */
enum fw_cfg_key {
    FW_CFG_SIGNATURE, FW_CFG_ID, FW_CFG_UUID, FW_CFG_RAM_SIZE, FW_CFG_NOGRAPHIC, FW_CFG_NB_CPUS, FW_CFG_MACHINE_ID, FW_CFG_KERNEL_ADDR,
    FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_CMDLINE, FW_CFG_INITRD_ADDR, FW_CFG_INITRD_SIZE, FW_CFG_BOOT_DEVICE, FW_CFG_NUMA, FW_CFG_BOOT_MENU,
    FW_CFG_MAX_CPUS, FW_CFG_KERNEL_ENTRY, FW_CFG_KERNEL_DATA, FW_CFG_INITRD_DATA, FW_CFG_CMDLINE_ADDR, FW_CFG_CMDLINE_SIZE,
    FW_CFG_CMDLINE_DATA, FW_CFG_SETUP_ADDR, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA, FW_CFG_FILE_DIR,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_ARCH_LOCAL = 0x8000, /* added to a key: the architecture's own items */
};

/* The machine's, or NULL. */
struct device *fw_cfg_find(struct vm *vm);
bool fw_cfg_has_dma(const struct device *device);
bool fw_cfg_has_file(const struct device *device, const char *name);

/* Sets or replaces a numbered item. Takes a reference to `bytes`. False with error: no such key, above 4 GiB. */
bool fw_cfg_add_bytes(struct device *device, u16 key, GBytes *bytes, GError **error);
bool fw_cfg_add_u16(struct device *device, u16 key, u16 value, GError **error);
bool fw_cfg_add_u32(struct device *device, u16 key, u32 value, GError **error);
bool fw_cfg_add_u64(struct device *device, u16 key, u64 value, GError **error);
/* With its terminating zero. */
bool fw_cfg_add_string(struct device *device, u16 key, const char *text, GError **error);

/*
 * Adds a file; data is copied. Files get keys by their order of name, whenever they are added. False with error: name
 * longer than 55 bytes or taken, no slot left.
 */
bool fw_cfg_add_file(struct device *device, const char *name, const void *data, size_t size, GError **error);
/*
 * A file that the guest may write by DMA: `data` stays the caller's (in its device's state) and must outlive the device;
 * written, when not NULL, is called after each write, under the machine lock, with fw_cfg busy.
 */
bool fw_cfg_add_writable_file(struct device *device, const char *name, void *data, size_t size,
                              void (*written)(void *opaque, u64 offset, u64 size), void *opaque, GError **error);

/* Sizes and contents of what -kernel, -initrd and -append name, for firmware that boots them itself. Each may be NULL. */
bool fw_cfg_add_kernel(struct device *device, GBytes *kernel, GBytes *initrd, const char *command_line, GError **error);

#endif
