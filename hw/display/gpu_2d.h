/*
 * hw/display/gpu_2d.h - what the guest made by 2D commands of a virtio GPU (virtio 1.3, 5.7.6): resources, which have an image on
 * the host and pages of the guest behind it, and scanouts, which show part of a resource.
 *
 * Thread: machine lock. Functions return a response type of the specification.
 */
#ifndef HW_DISPLAY_GPU_2D_H
#define HW_DISPLAY_GPU_2D_H

#include "ui/ui.h"
#include "vm/memory.h"

enum { GPU_SCREENS = 16, GPU_RESOURCES_MAX = 4096, GPU_ENTRIES_MAX = 16384, GPU_SIDE_MAX = 16384 };

enum gpu_response {
    GPU_OK = 0x1100, GPU_OK_DISPLAY_INFO = 0x1101, GPU_OK_EDID = 0x1104,
    GPU_UNSPECIFIED = 0x1200, GPU_OUT_OF_MEMORY = 0x1201, GPU_INVALID_SCANOUT = 0x1202, GPU_INVALID_RESOURCE = 0x1203,
    GPU_INVALID_CONTEXT = 0x1204, GPU_INVALID_PARAMETER = 0x1205,
};

struct gpu_rectangle {
    u32 x, y, width, height;
};

struct gpu_page {
    u64 address;
    u32 size;
};

struct gpu_screen {
    struct console *console;
    u32 resource; /* 0: none */
    struct gpu_rectangle shown;
};

struct gpu {
    struct space *space;   /* where the guest's pages are */
    GHashTable *resources; /* id -> struct gpu_resource */
    u64 memory, memory_max; /* bytes of images and of lists of pages */
    u64 moved;             /* bytes that commands have cleared or copied; the user's to set back */
    u32 screen_count;
    struct gpu_screen screen[GPU_SCREENS];
};

void gpu_init(struct gpu *gpu, u32 screens, u64 memory_max);
/* All resources and what is shown. */
void gpu_reset(struct gpu *gpu);
void gpu_finish(struct gpu *gpu);

u32 gpu_create(struct gpu *gpu, u32 id, u32 format, u32 width, u32 height);
u32 gpu_unref(struct gpu *gpu, u32 id);
/* Pages are copied. */
u32 gpu_attach(struct gpu *gpu, u32 id, const struct gpu_page *pages, u32 count);
u32 gpu_detach(struct gpu *gpu, u32 id);
/* From the guest's pages, `offset` bytes in, to the image. */
u32 gpu_transfer(struct gpu *gpu, u32 id, const struct gpu_rectangle *where, u64 offset);
u32 gpu_set_scanout(struct gpu *gpu, u32 screen, u32 id, const struct gpu_rectangle *shown);
u32 gpu_flush(struct gpu *gpu, u32 id, const struct gpu_rectangle *where);

#endif
