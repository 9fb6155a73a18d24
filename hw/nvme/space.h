/* hw/nvme/space.h - namespaces, for those who bring a disk: the controller itself and nvme-ns. Thread: machine lock, main thread. */
#ifndef HW_NVME_SPACE_H
#define HW_NVME_SPACE_H

#include "vm/object.h"

struct nvme_namespace;

struct nvme_space_options {
    const char *drive, *uuid; /* uuid NULL: made of the controller's serial number and the namespace's number */
    u32 id;                   /* 0: the first that is free */
    u64 logical, physical;    /* bytes; 0: 512 */
    u64 granularity;          /* of deallocating, bytes; UINT32_MAX: chosen */
    u64 eui64;                /* 0: none */
    u32 mcl;                  /* limits of Copy: blocks in all, of one range, ranges less one */
    u16 mssrl;
    u8 msrc;
    bool share_rw;
};

/* Claims the disk for the owner and adds the namespace to the controller, of class "nvme". NULL with *error set. */
struct nvme_namespace *nvme_space_add(struct vm_object *controller, struct vm_object *owner, const struct nvme_space_options *options, GError **error);
/* Waits for its disk. NULL is fine; the controller may have gone. */
void nvme_space_remove(struct nvme_namespace *space);

#endif
