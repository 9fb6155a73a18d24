/*
 * block/disk.h - the disks of a machine: nodes that a user opened by name, drives, and how devices use them. A device claims a
 * disk and sends it requests from any thread; they run in the loop of the disk's node, and `done` is called there.
 * Main thread unless a function says otherwise.
 */
#ifndef BLOCK_DISK_H
#define BLOCK_DISK_H

#include "block/node.h"

struct disk_set;
struct disk;

enum disk_kind { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_ZEROES, DISK_KINDS };

struct disk_stats {
    u64 operations[DISK_KINDS], bytes[DISK_KINDS], failed[DISK_KINDS], time_ns[DISK_KINDS];
    u64 highest; /* end of the last byte written */
};

/* Embedded in the device's own struct; the device's again when done is called. */
struct disk_request {
    enum disk_kind kind;
    u32 flags; /* enum block_flags */
    u64 offset, size;
    struct block_data data; /* of reads and writes */
    /* In the loop's thread, in a fiber. ret: 0 or -errno. */
    void (*done)(struct disk_request *request, int ret);
    struct disk *disk;
    struct block_work work;
    s64 start;
    bool held, final; /* it waits to be tried again; it must not */
    GList link;
};

/* What becomes of requests that fail. AUTO leaves what there is; ENOSPC (writes): STOP for lack of room, otherwise REPORT. */
enum disk_on_error { DISK_ON_ERROR_REPORT, DISK_ON_ERROR_IGNORE, DISK_ON_ERROR_ENOSPC, DISK_ON_ERROR_STOP, DISK_ON_ERROR_AUTO };
enum disk_error_action { DISK_ERROR_IGNORE, DISK_ERROR_REPORT, DISK_ERROR_STOP };
enum disk_io_status { DISK_IO_OK, DISK_IO_FAILED, DISK_IO_NO_SPACE };
/* A request of this disk failed with this error (-errno). In the loop's thread; the disk and its node stay until it returns. */
typedef void disk_failed(void *opaque, struct disk *disk, bool read, enum disk_error_action action, int error);

/* Its loop is dispatched by the context, which the calling thread runs. NULL with *error set. */
struct disk_set *disk_set_create(GMainContext *context, GError **error);
/* No device has a disk any more. Writes and closes everything. NULL is fine. */
void disk_set_destroy(struct disk_set *set);
struct block_graph *disk_set_graph(struct disk_set *set);
struct block_loop *disk_set_loop(struct disk_set *set);
/*
 * The drive with this id, or the disk of the device with this id or path; exactly one is not NULL. A virtio device on PCI is not the one that has
 * the disk, that is /machine/peripheral/ID/virtio-backend. NULL with *error set.
 */
struct disk *disk_find(struct disk_set *set, const char *device, const char *id, GError **error);
/* In the order of creation; the caller frees the list. */
GList *disk_set_list(struct disk_set *set);

/* Who is told about failures, and stops the machine on DISK_ERROR_STOP. */
void disk_set_on_failed(struct disk_set *set, disk_failed *failed, void *opaque);
/* The machine goes on: requests that wait for that are tried again, and every status is fine. */
void disk_set_retry(struct disk_set *set);
/*
 * On VM_EVENT_STILL: all requests have come to their end when this returns, the machine's memory knows what became of them, and what was
 * written is on the disks. Those that wait to be tried again go on waiting. Until the machine goes on there are no others.
 */
struct vm;
/* What was written to a disk could not be brought onto it (-errno): it is tried again at the next stop. Main thread. */
typedef void disk_unflushed(void *opaque, struct disk *disk, int error);
void disk_set_still(struct disk_set *set, struct vm *vm, disk_unflushed *unflushed, void *opaque);
/* Waits for all requests of all disks, as disk_drain. */
void disk_set_drain(struct disk_set *set);

/* -blockdev, blockdev-add: the node stays until it is closed by name. */
bool disk_set_open(struct disk_set *set, struct json_object *options, GError **error);
/* blockdev-reopen: as block_reopen, whatever disks are doing. */
bool disk_set_reopen(struct disk_set *set, struct json_object *const *options, unsigned count, GError **error);
/* blockdev-del */
bool disk_set_close(struct disk_set *set, const char *node_name, GError **error);
/* -drive: a disk with a name of its own; options NULL: no medium. overlay: what is written is forgotten at the end (snapshot=on). */
struct disk *disk_add_drive(struct disk_set *set, const char *id, struct json_object *options, bool overlay, GError **error);

/*
 * For a device: the drive with this id, or the node with this name. NULL with *error set: there is none, it is in use, or it cannot be
 * written. who names the device in messages. Its work is done in `loop` (an iothread's; NULL: the main one), and nodes that it shares with
 * other disks in no other: that is refused.
 */
struct disk *disk_claim(struct disk_set *set, const char *name, struct block_loop *loop, bool write, bool share, const char *who, GError **error);
/*
 * Likewise for a device whose medium comes and goes: the drive may be empty, name may be NULL for a place without a medium. While it
 * is claimed its medium changes by block/media.h and by nothing else. media is kept, not copied.
 */
struct disk_media;
struct disk *disk_claim_removable(struct disk_set *set, const char *name, struct block_loop *loop, bool write, bool share, const char *who,
                                  const struct disk_media *media, void *opaque, GError **error);
/* Waits for requests, writes what is to be written. NULL is fine. */
void disk_release(struct disk *disk);
/* Waits until no request is in flight; those that wait to be tried again end with -ECANCELED. Any thread, with the machine lock. */
void disk_drain(struct disk *disk);

/* Any thread. Offsets were checked against disk_size. */
void disk_submit(struct disk *disk, struct disk_request *request);
/*
 * The device does not want it any more, but waits for `done`: if it waits to be tried again, or because of limits, it ends with -ECANCELED,
 * if it fails from now on it is not tried again. Under what keeps the request alive.
 */
void disk_cancel(struct disk_request *request);
/* Policies of the drive (-drive rerror=, werror=). */
void disk_set_on_error(struct disk *disk, enum disk_on_error read, enum disk_on_error write);
/* For a device that has claimed it: follows the policies, its own (properties) before those of the drive. */
void disk_handle_errors(struct disk *disk, enum disk_on_error read, enum disk_on_error write);
/* False: there is no status, because requests never wait to be tried again. */
bool disk_io_status(const struct disk *disk, enum disk_io_status *status);

const char *disk_id(const struct disk *disk); /* "" for a disk that a device made of a node */
const char *disk_user(const struct disk *disk); /* who claimed it, or NULL */
struct block_node *disk_node(const struct disk *disk); /* NULL: no medium */
u64 disk_size(const struct disk *disk);
bool disk_is_read_only(const struct disk *disk);
bool disk_only_reads(const struct disk *disk); /* its user never writes */
/* Completed writes are on stable storage without being asked for it (cache=writethrough). No request is in flight. */
void disk_set_writethrough(struct disk *disk, bool on);
bool disk_is_writethrough(const struct disk *disk);
/*
 * Limits of what it may do, shared with others of the group (NULL: as now, or else the group `name`). No limits: it leaves its group.
 * Its requests do not wait meanwhile.
 */
struct throttle_limits;
bool disk_set_limits(struct disk *disk, const char *group, const char *name, const struct throttle_limits *limits, GError **error);
/* Name of its group; NULL: there are no limits. */
const char *disk_limits(const struct disk *disk, struct throttle_limits *limits);
const struct disk_stats *disk_stats(const struct disk *disk);
/*
 * For devices that use it without the machine lock: hold(opaque, true) is called before it changes in ways that nobody may look at (it is
 * reopened, moved, limited otherwise, has another medium); until hold(opaque, false) nobody sends it requests.
 */
void disk_on_hold(struct disk *disk, void (*hold)(void *opaque, bool on), void *opaque);
/* resized(opaque) is called in the loop's thread after the size has changed. */
void disk_on_resize(struct disk *disk, void (*resized)(void *opaque), void *opaque);

/* ---- For block/media.c ---- */

/* NULL: the medium cannot be removed. */
const struct disk_media *disk_media(const struct disk *disk, void **opaque);
/* The medium, which is gone afterwards. There may be none. */
void disk_medium_take(struct disk *disk);
/* The disk is empty; it takes a reference of its own. */
bool disk_medium_put(struct disk *disk, struct block_node *node, GError **error);
/* A node that nobody has yet, of options as block_name_options makes them; and the end of the caller's reference. */
struct block_node *disk_set_open_node(struct disk_set *set, struct json_object *options, GError **error);
void disk_set_unref_node(struct disk_set *set, struct block_node *node);

#endif
