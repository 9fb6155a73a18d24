/*
 * hw/block/cfi_flash.h - NOR flash ("cfi.pflash01") for boards. The array is a RAM block that survives resets; reads in array mode, and
 * code, come straight from it. Its property "drive" names the disk with the contents, which is written when the guest programs or
 * erases; without one the array reads zeros and forgets.
 * Thread: machine lock. `device` is always one of class cfi.pflash01.
 */
#ifndef HW_BLOCK_CFI_FLASH_H
#define HW_BLOCK_CFI_FLASH_H

#include "hw/core/device.h"

/* It has a disk, so firmware may start here. */
bool cfi_flash_has_contents(const struct device *device);
/* Bytes of the array. */
u64 cfi_flash_size(const struct device *device);

#endif
