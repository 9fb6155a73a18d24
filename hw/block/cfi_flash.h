/*
 * hw/block/cfi_flash.h - NOR flash ("cfi.pflash01") for boards. Contents are a RAM block that survives resets; reads in array
 * mode, and code, come straight from it. Without contents the array reads zeros.
 * Thread: machine lock. `device` is always one of class cfi.pflash01.
 */
#ifndef HW_BLOCK_CFI_FLASH_H
#define HW_BLOCK_CFI_FLASH_H

#include "hw/core/device.h"

/* Fills the whole array from a file of exactly its size. The file is not written back. */
bool cfi_flash_load(struct device *device, const char *path, GError **error);
/* Something was loaded, so firmware may start here. */
bool cfi_flash_has_contents(const struct device *device);
/* Bytes of the array. */
u64 cfi_flash_size(const struct device *device);

#endif
