/* block/disk_internal.h - what the files of disks share. Private to block/disk*.c. */
#ifndef BLOCK_DISK_INTERNAL_H
#define BLOCK_DISK_INTERNAL_H

#include "block/disk.h"
#include "block/throttle.h"
#include "host/lock.h"

struct disk_set {
    struct block_loop *loop;
    struct block_graph *graph;
    GPtrArray *disks, *owned; /* owned: nodes that were opened by name */
    disk_failed *failed;
    void *failed_opaque;
    unsigned running; /* atomic: requests of all disks that have a fiber */
};

struct disk {
    struct disk_set *set;
    char *id, *user;
    bool is_drive;
    struct block_node *node; /* of a drive: its reference */
    struct block_edge *edge; /* while claimed, with a medium */
    struct block_loop *loop;
    bool write, share; /* what its user wants */
    const struct disk_media *media;
    void *media_opaque, *resized_opaque;
    void (*resized)(void *opaque);
    void (*held_by)(void *opaque, bool on); /* disk_on_hold */
    void *held_by_opaque;
    bool writethrough;
    struct throttle_member throttle;
    enum disk_on_error chosen[2], on_error[2]; /* by the user for the drive; now. Of reads, of writes */
    bool handles_errors; /* otherwise they are reported whatever was chosen */
    enum disk_io_status status; /* atomic */
    struct host_lock lock; /* of held, ending and requests' `held` and `final` */
    GQueue held; /* struct disk_request that failed and are tried again when the machine goes on */
    bool ending; /* failures are final */
    struct disk_stats stats;
    unsigned in_flight; /* atomic: any thread submits */
    unsigned running;   /* those of them that have a fiber; the loop's thread, as `waiting` */
    GQueue waiting;     /* struct disk_request that have none yet */
    unsigned sent;    /* atomic: how many requests there ever were */
    unsigned flushed; /* how many of them were followed by a flush of disk_set_still */
    struct block_queue idle;
};

/* A disk of the set; node: its reference is the disk's, may be NULL. disk_free: nobody uses it, its node's reference is gone. */
struct disk *disk_new(struct disk_set *set, const char *id, struct block_node *node, bool is_drive);
void disk_free(struct disk *disk);
/* The drive with this id, or NULL. */
struct disk *disk_find_drive(struct disk_set *set, const char *id);

/* The loop's thread: what a request comes to by the disk's policy. False: it is kept. */
bool disk_settle_failure(struct disk *disk, struct disk_request *request, int *ret);
/* Whoever sends requests without the machine lock stops, and goes on. */
void disk_hold(struct disk *disk, bool on);
/* Waits until no request is in flight, without ending those that are kept. */
void disk_settle(struct disk *disk);
/* Calls fn in a fiber of the main loop while everything is there and nothing is in flight. Main thread. */
void disk_set_call_at_home(struct disk_set *set, void (*fn)(void *opaque), void *opaque);
/* Sends a request on its way, again. */
void disk_send(struct disk *disk, struct disk_request *request);
/* Ends requests that are kept; those under way that fail from now on (`ending`) end as well. */
void disk_end_held(struct disk *disk, bool ending);

#endif
