/*
 * vm/memory.h - guest-physical memory: RAM blocks, regions (RAM, ROM, MMIO, aliases, containers with priorities) and
 * address spaces that are looked up without locks.
 *
 * Changing the tree: machine lock. Each change makes a new flat view, which is published; readers inside the epoch
 * (vCPUs, main loop, iothreads) keep the old one until they quiesce.
 */
#ifndef VM_MEMORY_H
#define VM_MEMORY_H

#include "base/types.h"
#include <glib.h>

struct vm;
struct vm_object;

/* Host memory that the guest sees. Translations are keyed by (block, offset), so a block outlives its mappings. */
struct ram_block {
    char *name;       /* "riscv_virt_board.ram" */
    u8 *host;
    u64 size;         /* bytes, multiple of 4096 */
    u32 index;        /* small number, unique in the vm */
    struct vm *vm;
    int fd;           /* memory file, or -1 */
    bool asks;        /* vm_ram_ask wants to know what the guest uses */
    void *accel_data; /* accel/tcg's page descriptors */
    u32 pins;         /* atomic: who needs `host` to stay; the creator is one */
};

struct ram_block *vm_ram_create(struct vm *vm, const char *name, u64 size, GError **error);
/* Memory of a file from offset on, shared or a private copy, at a host address that is a multiple of align (a power of two; 0:
 * any page); fd is taken over, also on failure. */
struct ram_block *vm_ram_create_file(struct vm *vm, const char *name, u64 size, int fd, u64 offset, bool share, u64 align,
                                     GError **error);
/* Its memory goes when no reader of the epoch can hold a pointer into it. */
void vm_ram_destroy(struct ram_block *block);
/* The guest does not need what is there: whole pages go back to the host, and read as zero or as before. Any thread. */
void vm_ram_discard(struct ram_block *block, u64 offset, u64 size);
/* DMA that is under way keeps a block's memory, also beyond vm_ram_destroy. Any thread. */
void vm_ram_pin(struct ram_block *block);
void vm_ram_unpin(struct ram_block *block);
struct ram_block *vm_ram_find(struct vm *vm, const char *name);
void vm_ram_foreach(struct vm *vm, void (*fn)(struct ram_block *block, void *opaque), void *opaque);
/* Says that bytes of a block changed other than by a guest's store (DMA, loaders, debugger): translated code there is
 * dropped before this returns, dirty clients are told. Any thread. */
void vm_ram_changed(struct ram_block *block, u64 offset, u64 size);

/* Outcome of an access. */
enum mem_result {
    MEM_OK,
    MEM_UNMAPPED, /* nothing there: the architecture decides (RISC-V: access fault) */
    MEM_ERROR,    /* a device refused: bus error */
};

/* Device windows. offset is relative to the region; size 1, 2, 4 or 8; values are little-endian numbers. */
struct region_ops {
    enum mem_result (*read)(void *opaque, u64 offset, unsigned size, u64 *value);
    enum mem_result (*write)(void *opaque, u64 offset, unsigned size, u64 value);
    u8 min_access, max_access; /* what the hooks take (bytes); other sizes are split or widened; 0: 1 and 8 */
    bool unaligned;            /* hooks take unaligned offsets; otherwise they are MEM_ERROR */
    bool lockless;             /* hooks run without the machine lock, in any thread, concurrently */
    bool messages;             /* lockless, takes message-signalled interrupts, and lasts as long as the machine */
};

enum region_kind { REGION_CONTAINER, REGION_RAM, REGION_ROM, REGION_MMIO, REGION_ALIAS };

struct region {
    const char *name;
    enum region_kind kind;
    u64 size;                       /* bytes; 0 means 2^64 */
    struct region *container;
    u64 address;                    /* in the container */
    s32 priority;                   /* the higher wins where siblings overlap */
    bool enabled;
    struct ram_block *ram;          /* RAM, ROM; MMIO with romd: reads come from here while romd is on */
    u64 ram_offset;
    bool romd;                      /* MMIO: reads and fetches go to `ram`, writes to ops (flash in read mode) */
    const struct region_ops *ops;   /* MMIO */
    void *opaque;
    struct vm_object *owner;        /* whose it is; MMIO: whose busy token guards the hooks; may be NULL */
    struct region *alias;           /* ALIAS: of this region from alias_offset on */
    u64 alias_offset;
    GPtrArray *children;
    struct vm *vm;
};

/* A region is embedded in its owner. name must outlive it. */
void region_init_container(struct region *region, struct vm *vm, const char *name, u64 size);
void region_init_ram(struct region *region, struct vm *vm, const char *name, struct ram_block *ram, u64 offset, u64 size);
void region_init_rom(struct region *region, struct vm *vm, const char *name, struct ram_block *ram, u64 offset, u64 size);
void region_init_mmio(struct region *region, struct vm *vm, const char *name, u64 size, const struct region_ops *ops, void *opaque);
void region_init_alias(struct region *region, struct vm *vm, const char *name, struct region *of, u64 offset, u64 size);
void region_finish(struct region *region); /* takes it out of its container first */
void region_add(struct region *container, u64 address, struct region *region, s32 priority);
void region_remove(struct region *region);
void region_set_enabled(struct region *region, bool enabled);
void region_set_address(struct region *region, u64 address);
void region_set_romd(struct region *region, bool romd);
/* Several changes, one new view. */
void region_batch_begin(struct vm *vm);
void region_batch_end(struct vm *vm);

/* An address space: a root region seen flat. The vm's main one: vm_memory(vm). */
struct space;

struct space *space_create(struct vm *vm, const char *name, struct region *root);
void space_destroy(struct space *space);
struct region *space_root(struct space *space);
const char *space_name(const struct space *space);
struct space *vm_memory(struct vm *vm);      /* "memory", root "system" */

/* What lies at an address: valid until the caller quiesces. */
struct space_hit {
    struct region *region;   /* RAM, ROM or MMIO; NULL: nothing */
    u64 offset;              /* in the region */
    u64 left;                /* bytes from the address to the end of this piece */
    struct ram_block *ram;   /* when reads (ROM, romd) or reads and writes (RAM) may go to host memory */
    u64 ram_offset;
    bool writable;           /* ram may be written directly */
};
/* Inside the epoch. Wait-free. */
struct space_hit space_lookup(struct space *space, u64 address);

/* A number that changes whenever any flat view of the vm changes (translation caches compare it). */
u32 vm_memory_generation(struct vm *vm);
/* fn after each new view, under the machine lock, before the change is considered done (TLBs are flushed there). */
void vm_memory_on_change(struct vm *vm, void (*fn)(void *opaque), void *opaque);
void vm_memory_off_change(struct vm *vm, void (*fn)(void *opaque), void *opaque); /* not from within such a fn */

/*
 * One access of 1, 2, 4 or 8 bytes, little-endian number, as a vCPU or a device makes it. Takes the machine lock for
 * windows that need it when the caller does not hold it; the vCPU counts as outside meanwhile.
 */
enum mem_result space_read(struct space *space, u64 address, unsigned size, u64 *value);
enum mem_result space_write(struct space *space, u64 address, unsigned size, u64 value);
/*
 * A message-signalled interrupt (a write of 32 bits) of a thread that must not wait for the machine lock. False: what lies there needs it,
 * and nothing has happened. Inside the epoch.
 */
bool space_send_message(struct space *space, u64 address, u32 data);
/* Blocks of bytes: DMA, loaders, debugger. Stops at the first piece that fails; code is invalidated, dirty bits set. */
enum mem_result space_read_bytes(struct space *space, u64 address, void *to, u64 size);
enum mem_result space_write_bytes(struct space *space, u64 address, const void *from, u64 size);
/* Writes ROM too (loaders, debugger). */
enum mem_result space_load_bytes(struct space *space, u64 address, const void *from, u64 size);
/* Host pointer to `size` bytes of RAM in one piece, or NULL. Valid inside the epoch; call vm_ram_changed after writing. */
void *space_pointer(struct space *space, u64 address, u64 size, bool write);

/* memory_text.c: the map as text, for people (info mtree). */
enum memory_text {
    MEMORY_TEXT_FLAT = 1 << 0,     /* pieces as accesses find them, not the trees */
    MEMORY_TEXT_DISPATCH = 1 << 1, /* with FLAT: what an access of each piece comes to */
    MEMORY_TEXT_OWNERS = 1 << 2,
    MEMORY_TEXT_DISABLED = 1 << 3, /* trees: regions that are switched off too */
};
/* what: a mask. The caller frees. Machine lock. */
char *vm_memory_text(struct vm *vm, u32 what);

#endif
