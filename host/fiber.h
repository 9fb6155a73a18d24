/*
 * host/fiber.h - stackful coroutines: a function that can stop in the middle and go on later. A fiber stays in the thread that
 * entered it while it runs; between two entries it may change threads.
 */
#ifndef HOST_FIBER_H
#define HOST_FIBER_H

#include "base/types.h"
#include <glib.h>

struct host_fiber;

/* The stack is reserved address space with a guard page below; pages are used when they are touched. */
struct host_fiber *host_fiber_create(size_t stack, GError **error);
/* Only a fiber that is not inside of a function. NULL is fine. */
void host_fiber_destroy(struct host_fiber *fiber);

/*
 * Goes on in the fiber where it left, or calls fn(opaque) in it if it is inside of no function. Returns when the fiber leaves
 * or fn has returned. True: fn has returned, the fiber can take another one.
 */
bool host_fiber_enter(struct host_fiber *fiber, void (*fn)(void *opaque), void *opaque);
/* Called in the fiber: back to whoever entered it. */
void host_fiber_leave(struct host_fiber *fiber);

#endif
