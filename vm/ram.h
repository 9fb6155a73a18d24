/* vm/ram.h - where the bytes of a RAM block are, for those who hand them to other processes. Machine lock. */
#ifndef VM_RAM_H
#define VM_RAM_H

#include "vm/memory.h"

/* Other processes that map block->fd from *offset on see what the guest writes. False: its memory is private. */
bool vm_ram_is_shared(const struct ram_block *block, u64 *offset);

/* This process may map block->fd from *offset on and see the same bytes. Any thread. */
bool vm_ram_can_alias(const struct ram_block *block, u64 *offset);
/* Private memory as vm_ram_create's, in a file in memory, so that it can be aliased. Machine lock. */
struct ram_block *vm_ram_create_in_file(struct vm *vm, const char *name, u64 size, GError **error);
/*
 * Somebody is about to use these bytes: of a block that asks, the host may make huge pages of what lies around. Best before anything is there, which would have to
 * be copied. Any thread.
 */
void vm_ram_ask(struct ram_block *block, u64 offset, u64 size);

#endif
