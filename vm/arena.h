/*
 * vm/arena.h - all guest-visible state of one machine lies in one reserved, lazily backed range, in slots that never
 * move: saving is copying, resetting is copying back. No pointers, handles or heap objects live in it.
 * The range is a memory file, so that a slot can be mapped a second time (translation contexts do that).
 * Thread: machine lock.
 */
#ifndef VM_ARENA_H
#define VM_ARENA_H

#include "base/types.h"
#include <glib.h>

struct vm_arena;

struct vm_arena *vm_arena_create(u64 size, GError **error);
void vm_arena_destroy(struct vm_arena *arena);

/*
 * Zeroed slot of `size` bytes. name: for snapshots and state diffs ("riscv-cpu.0", "goldfish_rtc"). align: power of two.
 * The first `unsaved` bytes are not part of snapshots. NULL with error when the arena is full.
 */
void *vm_arena_alloc(struct vm_arena *arena, const char *name, u64 size, u64 align, u64 unsaved, GError **error);
void vm_arena_free(struct vm_arena *arena, void *slot);
/* Maps the pages of a slot (page-aligned) again at `at`, shared. */
bool vm_arena_alias(struct vm_arena *arena, void *slot, u64 size, void *at, GError **error);
/* FNV-1a over names, sizes and saved bytes of all slots, for comparing runs. */
u64 vm_arena_hash(const struct vm_arena *arena);
void vm_arena_foreach(const struct vm_arena *arena, void (*fn)(const char *name, void *state, u64 size, void *opaque), void *opaque);

#endif
