/* block/iothread.h - iothread objects: threads with a loop, for the work of disks. */
#ifndef BLOCK_IOTHREAD_H
#define BLOCK_IOTHREAD_H

#include "block/loop.h"
#include "vm/object.h"

/* Of an object of class "iothread". */
struct block_loop *iothread_loop(struct vm_object *object);
u64 iothread_thread_id(struct vm_object *object);
/* A device uses it: it cannot be deleted meanwhile. */
void iothread_use(struct vm_object *object, int delta);

#endif
