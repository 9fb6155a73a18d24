/* hw/nvram/fw_cfg_internal.h - items of the firmware configuration device. Private to hw/nvram/. */
#ifndef HW_NVRAM_FW_CFG_INTERNAL_H
#define HW_NVRAM_FW_CFG_INTERNAL_H

#include "hw/nvram/fw_cfg.h"

struct fw_cfg_item {
    const u8 *data; /* NULL: no such item; reads give zeros */
    u32 size;
    GBytes *owner;  /* of data; NULL: somebody else's */
    u8 *writable;   /* where DMA writes go, or NULL */
    void (*written)(void *opaque, u64 offset, u64 size);
    void *opaque;
};

struct fw_cfg_file {
    char *name;
    struct fw_cfg_item item;
};

enum {
    FW_CFG_NAME_SIZE = 56, /* in the directory, terminating zero included */
    FW_CFG_INVALID = 0xffff,
};

#endif
