/*
 * vm/rng.h - sources of entropy for guests: -object rng-builtin, rng-random. Class "rng-backend".
 * Thread: main loop, machine lock.
 */
#ifndef VM_RNG_H
#define VM_RNG_H

#include "vm/inbox.h"
#include "vm/object.h"

enum { RNG_MOST = 4096 }; /* bytes of one request */

/*
 * Asks for up to `size` random bytes (1 to RNG_MOST). hook(opaque, bytes, how many) comes through the inbox, once, in order; with
 * how many == 0: the source has failed. owner: as for inbox_post.
 */
void rng_request(struct vm_object *backend, u32 size, struct vm_object *owner, inbox_hook *hook, void *opaque);
/* Forgets what the owner asked for with this hook. */
void rng_forget(struct vm_object *backend, struct vm_object *owner, inbox_hook *hook);

#endif
