/*
 * hw/virtio/queue_threads.h - which iothread works on which queue of a device: the properties iothread and iothread-vq-mapping.
 * Machine lock.
 */
#ifndef HW_VIRTIO_QUEUE_THREADS_H
#define HW_VIRTIO_QUEUE_THREADS_H

#include "vm/object.h"

struct block_loop;

/* Zeroed: no iothread. */
struct queue_threads {
    GPtrArray *threads;       /* struct vm_object of class iothread, each once; in use. The first is the disks' */
    struct vm_object **queue; /* of each queue */
};

/*
 * one: property iothread, or NULL. mapping: property iothread-vq-mapping as JSON, [{"iothread": ID, "vqs": [NUMBER, ...]}, ...], or NULL; without
 * vqs queues take turns. False with error, and nothing is in use.
 */
bool queue_threads_choose(struct queue_threads *t, struct vm *vm, struct vm_object *one, const char *mapping, u32 queues, GError **error);
/* Nothing works in them any more. */
void queue_threads_finish(struct queue_threads *t);
/* Where the disks work; NULL: there is no iothread. */
struct block_loop *queue_threads_loop(const struct queue_threads *t);
/* Of a queue. NULL likewise. */
struct block_loop *queue_threads_loop_of(const struct queue_threads *t, u32 queue);

#endif
