/*
 * hw/scsi/virtio_scsi.h - what the files of the virtio SCSI host (virtio 1.3, 5.6) share. Private to them. Thread: the machine lock, but for
 * what says otherwise.
 */
#ifndef HW_SCSI_VIRTIO_SCSI_H
#define HW_SCSI_VIRTIO_SCSI_H

#include "hw/scsi/scsi.h"
#include "hw/virtio/queue_threads.h"
#include "hw/virtio/virtio.h"

enum { F_INOUT = 0, F_HOTPLUG = 1, F_CHANGE = 2 };
enum { CONTROL = 0, EVENTS = 1, REQUESTS = 2, MOST_QUEUES = 64 };
enum { MAX_TARGET = 255, MAX_LUN = 16383 };
/* Responses (5.6.6.1, 5.6.6.2). */
enum { S_OK = 0, S_OVERRUN = 1, S_ABORTED = 2, S_BAD_TARGET = 3, S_RESET = 4, S_FAILURE = 9, S_SUCCEEDED = 10, S_REJECTED = 11, S_INCORRECT_LUN = 12 };

struct virtio_scsi;
struct scsi_task;

/* What belongs to a request queue, and to whoever works on it. */
struct host_lane {
    struct scsi_lane scsi;
    struct virtio_queue *queue;
    bool submitting; /* the queue's hook publishes at its end */
    bool touched;    /* there is something to publish */
};

/* What the driver sent: a command. Control requests use the first part only. */
struct scsi_command_request {
    struct virtio_request request;
    struct scsi_request scsi;
    struct virtio_scsi *host;
    struct host_lane *lane;
    struct iovec *iov;
    u8 cancelled_by;         /* S_ABORTED, S_RESET */
    struct scsi_task *task;  /* that waits for it, or NULL */
};

/* Task management whose answer waits. */
struct scsi_task {
    struct virtio_request *request;
    u32 waiting; /* atomic: commands that have not come back, of those that it was the first to cancel */
    u32 target;
    bool behind; /* earlier ones wait for others of its commands: it comes after those of its target */
    GList link;  /* in tasks */
};

#define DEVICE        virtio_scsi
#define DEVICE_ROWS   "hw/scsi/virtio_scsi.dev"
#define VIRTIO_QUEUES (REQUESTS + MOST_QUEUES)
#include "hw/virtio/declare.inc"

/* virtio_scsi.c: the unit that eight bytes address (5.6.6.1); exact: it has the LUN that they name. NULL: no such target. */
struct scsi_unit *virtio_scsi_find_unit(struct virtio_scsi *s, const u8 *at, u32 *lun, bool *exact);

/* virtio_scsi_control.c: task management (5.6.6.2). */
void virtio_scsi_handle_control(void *device, struct virtio_queue *queue);
/* A command that a task waits for has let go of the guest's memory. Any thread that has its lane. */
void virtio_scsi_task_lets_go(struct virtio_scsi *s, struct scsi_task *task);
/* Events (5.6.6.3): the driver gave buffers; units come, go and change. */
void virtio_scsi_handle_events(void *device, struct virtio_queue *queue);
void virtio_scsi_plugged(struct scsi_bus *bus, struct scsi_unit *unit);
void virtio_scsi_unplugged(struct scsi_bus *bus, struct scsi_unit *unit);
void virtio_scsi_resized(struct scsi_bus *bus, struct scsi_unit *unit);

#endif
