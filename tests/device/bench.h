/*
 * tests/device/bench.h - a machine of RAM and one declared device, without a CPU; its clock stands until it is moved.
 * Each test program includes this once.
 */
#ifndef TESTS_DEVICE_BENCH_H
#define TESTS_DEVICE_BENCH_H

#include "hw/core/device.h"
#include "vm/clock.h"
#include "vm/memory.h"
#include "vm/vm.h"
#include <glib.h>
#include <malloc.h>

enum { BENCH_RAM = 0x80000000, BENCH_RAM_SIZE = 1 << 20, BENCH_LINES = 4 };

struct bench {
    struct vm *vm;
    struct ram_block *ram;
    struct region ram_region;
    struct line line[BENCH_LINES]; /* what the device's outputs may be connected to */
};

static inline void bench_set_up(struct bench *bench, gconstpointer data)
{
    GError *error = NULL;

    bench->vm = vm_create(VM_GUEST_RISCV64, &error);
    g_assert_no_error(error);
    vm_lock(bench->vm);
    vm_clock_set_manual(bench->vm, true);
    vm_rtc_configure(bench->vm, 0, VM_CLOCK_VIRTUAL);
    bench->ram = vm_ram_create(bench->vm, "ram", BENCH_RAM_SIZE, &error);
    g_assert_no_error(error);
    region_init_ram(&bench->ram_region, bench->vm, "ram", bench->ram, 0, BENCH_RAM_SIZE);
    region_add(space_root(vm_memory(bench->vm)), BENCH_RAM, &bench->ram_region, 0);
    for (u32 i = 0; i < BENCH_LINES; i++)
        line_init(&bench->line[i], NULL, "bench", i, NULL, NULL);
}

/* Destroys the devices. */
static inline void bench_empty(struct bench *bench)
{
    while (vm_root(bench->vm)->children->len)
        vm_object_destroy(g_ptr_array_index(vm_root(bench->vm)->children, vm_root(bench->vm)->children->len - 1));
}

static inline void bench_tear_down(struct bench *bench, gconstpointer data)
{
    bench_empty(bench);
    region_finish(&bench->ram_region);
    vm_ram_destroy(bench->ram);
    vm_unlock(bench->vm);
    vm_destroy(bench->vm);
}

static inline struct device *bench_device(struct bench *bench, const char *class_name, const char *properties)
{
    GError *error = NULL;
    struct device *device = device_create_unattached(bench->vm, class_name, properties, &error);

    g_assert_no_error(error);
    return device;
}

static inline enum mem_result bench_try_read(struct bench *bench, u64 address, unsigned size, u64 *value)
{
    return space_read(vm_memory(bench->vm), address, size, value);
}

static inline u64 bench_read(struct bench *bench, u64 address, unsigned size)
{
    u64 value = 0;

    g_assert_cmpint(bench_try_read(bench, address, size, &value), ==, MEM_OK);
    return value;
}

static inline enum mem_result bench_try_write(struct bench *bench, u64 address, unsigned size, u64 value)
{
    return space_write(vm_memory(bench->vm), address, size, value);
}

static inline void bench_write(struct bench *bench, u64 address, unsigned size, u64 value)
{
    g_assert_cmpint(bench_try_write(bench, address, size, value), ==, MEM_OK);
}

/* What a reset puts back: not what is declared to survive one; a PCI function's configuration space is, for its own hook resets it. */
static inline bool bench_is_reset(const struct device_field *field)
{
    return !field->keep || !g_strcmp0(field->name, "config");
}

/* Bytes that the process has from malloc. */
static inline u64 bench_heap(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* Registers a test that gets a fresh machine. */
#define BENCH_TEST(path, fn) g_test_add(path, struct bench, NULL, bench_set_up, fn, bench_tear_down)

#endif
