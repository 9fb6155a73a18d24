/*
 * host/fault.h - generated code whose accesses to memory may fault on purpose, and where it goes on then. Hosts that cannot tell have none.
 */
#ifndef HOST_FAULT_H
#define HOST_FAULT_H

#include "base/types.h"
#include <glib.h>

/* Owned by whoever watches, and unchanged until it is forgotten. */
struct host_fault_watch {
    const u8 *start; /* of the code */
    u64 size;        /* bytes */
    /*
     * In a signal handler of the thread whose instruction at `at` faulted: where it goes on, everything else being as before it; NULL: the fault is
     * nobody's. base: what the code keeps in its base pointer's register (x86-64: rbp).
     */
    const void *(*go_on)(void *opaque, const u8 *at, u8 *base);
    void *opaque;
};

/* Any thread. False: this host cannot, or there are too many. Faults elsewhere do what they did before the first watch. */
bool host_fault_watch(const struct host_fault_watch *watch, GError **error);
/* No thread runs that code any more. One that is not watched is fine. */
void host_fault_forget(const struct host_fault_watch *watch);

#endif
