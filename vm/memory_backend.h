/*
 * vm/memory_backend.h - guest RAM as objects that a user creates before the machine: memory-backend-ram, -memfd, -file
 * (-object ..., -M memory-backend=ID). Their blocks live as long as the machine. Machine lock.
 */
#ifndef VM_MEMORY_BACKEND_H
#define VM_MEMORY_BACKEND_H

#include "vm/machine.h"
#include "vm/memory.h"

/* The size of the machine's memory-backend in bytes; 0 when it has none. False: there is no such object. */
bool vm_machine_backend_size(const struct machine *machine, u64 *size, GError **error);

/* The machine's main memory: its memory-backend, which must have ram_size bytes, else a new block. */
struct ram_block *vm_machine_ram(const struct machine *machine, const char *name, GError **error);

#endif
