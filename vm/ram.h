/* vm/ram.h - where the bytes of a RAM block are, for those who hand them to other processes. Machine lock. */
#ifndef VM_RAM_H
#define VM_RAM_H

#include "vm/memory.h"

/* Other processes that map block->fd from *offset on see what the guest writes. False: its memory is private. */
bool vm_ram_is_shared(const struct ram_block *block, u64 *offset);

#endif
