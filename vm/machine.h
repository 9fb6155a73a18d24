/*
 * vm/machine.h - what a board is to the layers above: a class of the object tree ("virt-machine") whose data is a struct
 * machine_class. Boards live in hw/, start-up in system/.
 */
#ifndef VM_MACHINE_H
#define VM_MACHINE_H

#include "base/types.h"
#include "vm/object.h"

struct numa;

/* The machine object; boards embed it first. Fields are filled from -M, -smp, -m, -kernel ... before realize. */
struct machine {
    struct vm_object object;
    u64 ram_size;              /* bytes */
    u64 max_ram_size;          /* -m maxmem=; at least ram_size */
    u64 ram_slots;             /* -m slots= */
    struct numa *numa;         /* -numa; NULL: none. The machine's */
    u32 cpus, max_cpus;        /* -smp */
    u32 sockets, clusters, cores, threads;
    char *cpu_type;            /* -cpu: model and properties, "rv64,zba=off"; NULL: the board's default */
    char *kernel, *initrd, *append, *dtb, *dumpdtb, *firmware; /* paths; firmware: -bios text, NULL: default */
    char *memory_backend;      /* id, or NULL */
    char **firmware_folders;   /* -L and the built-in ones, NULL-terminated */
};

struct machine_class {
    const char *name;          /* as -M spells it */
    const char *alias;         /* or NULL */
    const char *description;
    bool is_default;
    u32 max_cpus;
    const char *default_cpu;   /* "rv64" */
    const char *default_cpu_type; /* "rv64-riscv-cpu", for query-machines */
    const char *default_ram_id;   /* "riscv_virt_board.ram" */
    u64 default_ram_size;
    bool no_cpus;              /* -M none */
    const char *drive_interface;  /* of a -drive without if=; NULL: none */
    u32 flash_banks;           /* -drive if=pflash: backends "pflash", ids of drives */
    bool has_numa;             /* it tells the guest about NUMA nodes */
};

static inline const struct machine_class *machine_class_of(const struct vm_class *class)
{
    return (const struct machine_class *)class->data;
}

/* What the line of the board's serial ports and the like are connected to: set by system/, taken by boards.
 * kind "serial" with index 0..; NULL when there is none. The chardev is a struct chardev (floor 3). */
struct chardev;
void vm_set_backend(struct vm *vm, const char *kind, unsigned index, void *backend);
void *vm_backend(struct vm *vm, const char *kind, unsigned index);

#endif
