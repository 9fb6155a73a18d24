/*
 * vm/inbox.h - everything that comes from outside (chardev input, disk completions, network frames, monitor requests to
 * devices) enters the machine here: back ends post, the main loop delivers under the machine lock.
 */
#ifndef VM_INBOX_H
#define VM_INBOX_H

#include "base/types.h"

struct vm;
struct vm_object;

typedef void inbox_hook(void *opaque, const void *payload, u32 size);

/*
 * Delivers hook(opaque, copy of payload) later, once, in order of posting, under the machine lock and the owner's busy token.
 * Any thread. owner may be NULL. Posts of an owner that is destroyed first are dropped. What a hook posts is delivered after the lock was
 * free for others.
 */
void inbox_post(struct vm *vm, struct vm_object *owner, inbox_hook *hook, void *opaque, const void *payload, u32 size);
/* Drops what was posted for the owner's hook; NULL: for all of its hooks. Machine lock. */
void inbox_forget(struct vm *vm, struct vm_object *owner, inbox_hook *hook);

#endif
