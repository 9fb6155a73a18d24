/* tests/unit/board.h - a virt board without running CPUs, for device tests. */
#ifndef TESTS_UNIT_BOARD_H
#define TESTS_UNIT_BOARD_H

#include "hw/riscv/virt.h"
#include "vm/clock.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

struct board {
    struct vm *vm;
    struct machine *machine;
};

static inline void board_set(char **field, const char *text)
{
    g_free(*field);
    *field = g_strdup(text);
}

/* Not yet realized: tests set kernel and the like first. The machine lock is held until board_destroy. */
static inline struct board board_new(u32 harts, u64 ram)
{
    struct board b = { 0 };
    GError *error = NULL;

    b.vm = vm_create(VM_GUEST_RISCV64, &error);
    g_assert_no_error(error);
    vm_lock(b.vm);
    vm_clock_set_manual(b.vm, true);
    b.machine = (struct machine *)vm_object_create(b.vm, "virt-machine", vm_root(b.vm), "machine", &error);
    g_assert_no_error(error);
    b.machine->cpus = b.machine->max_cpus = harts;
    b.machine->ram_size = ram;
    b.machine->firmware = g_strdup("none");
    return b;
}

static inline bool board_realize(struct board *b, GError **error)
{
    bool ok = vm_object_realize(&b->machine->object, error) && vm_complete(b->vm, error);

    if (ok)
        vm_reset(b->vm, VM_CAUSE_NONE);
    return ok;
}

static inline struct board board_create(u32 harts)
{
    struct board b = board_new(harts, 64 * MIB);
    GError *error = NULL;

    board_realize(&b, &error);
    g_assert_no_error(error);
    return b;
}

static inline void board_destroy(struct board *b)
{
    vm_unlock(b->vm);
    vm_destroy(b->vm);
}

static inline u64 board_read(struct board *b, u64 address, unsigned size)
{
    u64 value = 0;

    g_assert_cmpint(space_read(vm_memory(b->vm), address, size, &value), ==, MEM_OK);
    return value;
}

static inline void board_write(struct board *b, u64 address, unsigned size, u64 value)
{
    g_assert_cmpint(space_write(vm_memory(b->vm), address, size, value), ==, MEM_OK);
}

static inline u32 board_hart_line(struct board *b, u32 hart, u32 line)
{
    return line_level(&vm_vcpu(b->vm, hart)->line[line]);
}

#endif
