/* vm/memory_backend.h - guest RAM as objects: -object memory-backend-ram|-file|-memfd. Machine lock. */
#ifndef VM_MEMORY_BACKEND_H
#define VM_MEMORY_BACKEND_H

#include "vm/machine.h"
#include "vm/memory.h"

/* What query-memdev shows. Texts belong to the object. */
struct memory_backend_info {
    const char *id;
    u64 size; /* bytes */
    bool merge, dump, prealloc, share, reserve;
    unsigned policy;          /* enum host_numa_policy */
    const u64 *host_nodes;    /* a bit each, HOST_NUMA_NODES of them */
};
void memory_backend_foreach(struct vm *vm, void (*fn)(const struct memory_backend_info *info, void *opaque), void *opaque);

/* Bytes of a memory backend. False: there is no such one; `option` begins the message. */
bool memory_backend_size(struct vm *vm, const char *option, const char *id, u64 *size, GError **error);

/* Bytes of the backend that -M memory-backend= names; 0: none is named. False with *error: there is no such one. */
bool vm_machine_backend_size(const struct machine *machine, u64 *size, GError **error);

/*
 * Makes `region` the machine's main memory of ram_size bytes, named `name`: the backend's that -M memory-backend= names, those
 * of the NUMA nodes side by side (then a container), or memory of its own.
 */
bool vm_machine_ram_init(struct machine *machine, struct region *region, const char *name, GError **error);
void vm_machine_ram_finish(struct machine *machine, struct region *region);

#endif
