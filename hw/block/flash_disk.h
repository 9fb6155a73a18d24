/*
 * hw/block/flash_disk.h - the disk that keeps a flash's contents. They are read once; what the guest programs or erases is written
 * in the order in which it happened, one piece after the other, so that what a journal in the flash promises holds in the image.
 * Thread: machine lock, unless a function says otherwise.
 */
#ifndef HW_BLOCK_FLASH_DISK_H
#define HW_BLOCK_FLASH_DISK_H

#include "hw/core/device.h"

struct flash_disk;

/*
 * Claims the drive or node and reads exactly `size` bytes into `to`. Main thread. NULL with *error set: there is none, it is in use,
 * it has another size, or it cannot be read.
 */
struct flash_disk *flash_disk_open(struct device *device, const char *drive, u8 *to, u64 size, GError **error);
/* Waits until all is written. NULL is fine. */
void flash_disk_close(struct flash_disk *disk);
bool flash_disk_is_read_only(const struct flash_disk *disk);
/* Everything is in the image, or has failed to get there. Any thread. */
bool flash_disk_is_idle(struct flash_disk *disk);
/* A write failed since the last call. */
bool flash_disk_take_failure(struct flash_disk *disk);
/* Few enough bytes are waiting for `size` more. */
bool flash_disk_has_room(struct flash_disk *disk, u64 size);
/* Copies this part of `contents` (the whole array), rounded to blocks of 512, and writes it later. */
void flash_disk_write(struct flash_disk *disk, const u8 *contents, u64 offset, u64 size);

#endif
