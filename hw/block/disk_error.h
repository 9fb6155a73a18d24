/* hw/block/disk_error.h - properties rerror and werror of devices with a disk. */
#ifndef HW_BLOCK_DISK_ERROR_H
#define HW_BLOCK_DISK_ERROR_H

/* Names of a property of type BlockdevOnError, in the order of enum disk_on_error; NULL-terminated. */
extern const char *const disk_on_error_names[];

#endif
