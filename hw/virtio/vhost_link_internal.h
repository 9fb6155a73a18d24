/* hw/virtio/vhost_link_internal.h - what the files of a link share. Private to hw/virtio/vhost_link*.c. Thread: as vhost_link.h. */
#ifndef HW_VIRTIO_VHOST_LINK_INTERNAL_H
#define HW_VIRTIO_VHOST_LINK_INTERNAL_H

#include "hw/virtio/vhost_link.h"

struct vm *vhost_link_vm(const struct vhost_link *link);
/* The other process did not do as it should: the end for a link with a wire of its own, another wire is hung up. Frees the error. */
void vhost_link_fail(struct vhost_link *link, GError *error);

/* --- memory: all that the guest and the other side can reach, and the rings --- */
/* The other side does; offset: in its file, if it needs one. */
bool vhost_link_reaches(const struct vhost_link *link, const struct ram_block *block, u64 *offset);
bool vhost_link_has_shared_memory(struct vhost_link *link, GError **error);
bool vhost_link_tell_memory(struct vhost_link *link, struct vhost *vhost, GError **error);
/* It is not what the other process was told last. */
bool vhost_link_memory_changed(struct vhost_link *link);
bool vhost_link_knows(const struct vhost_link *link, const struct ram_block *block);
/* While the other process is at work. False: it failed (vhost_link_fail). */
bool vhost_link_tell_again(struct vhost_link *link);

/* --- requests --- */
/* Takes back what is done. True: the other process broke the ring. */
bool vhost_link_take_finished(struct vhost_link *link, u32 index);
/* Takes back what the other process had, which has let go of the rings: kept, given back now, or later if the machine is stopped. */
void vhost_link_collect(struct vhost_link *link);
/* What it had before goes to it first. */
void vhost_link_give_kept(struct vhost_link *link);
/* The machine goes on; the device is reset. */
void vhost_link_give_back_late(struct vhost_link *link);
void vhost_link_drop_late(struct vhost_link *link);

#endif
