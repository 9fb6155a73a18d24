/*
 * tests/device/storm.c - every declared device of the board under random accesses: nothing breaks, and a reset brings back exactly
 * the state after power-on. Devices appear here by being declared; those that need properties have a row.
 */
#include "base/bits.h"
#include "tests/device/storm.h"
#include <string.h>

enum { ROUNDS = 50, ACCESSES = 1000, FIRST_WINDOW = 0x10000000 };

static const char *properties_of(const char *class_name)
{
    static const struct { const char *class_name, *properties; } rows[] = {
        { "cfi.pflash01", "num-blocks=4;sector-length=65536;width=4;device-width=2;name=flash" },
        { "riscv.sifive.plic", "hart-config=M,MS" },
        { "unimplemented-device", "size=4096;name=nothing" },
        { "loader", NULL },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!strcmp(rows[i].class_name, class_name))
            return rows[i].properties;
    }
    return NULL;
}

static void collect(const struct vm_class *class, void *opaque)
{
    const struct device_decl *decl = device_decl_of(class, VM_GUEST_RISCV64);

    if (decl && decl->window_count && vm_class_is_a(class, "sys-bus-device", VM_GUEST_RISCV64))
        g_ptr_array_add(opaque, (gpointer)class->name);
}

/* Fields that survive a reset by declaration become zero. */
static u8 *state_copy(const struct device *device)
{
    u8 *copy = g_malloc(device->decl->state_size + 1);

    memcpy(copy, device->state, device->decl->state_size);
    for (u32 i = 0; i < device->decl->field_count; i++) {
        const struct device_field *field = &device->decl->fields[i];

        if (field->keep)
            memset(copy + field->offset, 0, (size_t)field->size * field->count);
    }
    return copy;
}

static u64 window_size(const struct device *device, u32 number)
{
    u64 size = device->window[number].region.size;

    return size ? size : 1 << 20;
}

static u64 random_offset(GRand *rand, const struct device *device, u32 number)
{
    const struct device_decl *decl = device->decl;

    if (decl->reg_count && g_rand_int_range(rand, 0, 5)) {
        const struct device_reg *reg = &decl->regs[g_rand_int_range(rand, 0, (s32)decl->reg_count)];

        if (reg->window == number)
            return reg->offset + (reg->count ? (u64)reg->stride * (u32)g_rand_int_range(rand, 0, (s32)reg->count) : 0);
    }
    return (u64)g_rand_double_range(rand, 0, (double)window_size(device, number));
}

static u64 random_value(GRand *rand)
{
    static const u64 interesting[] = { 0, 1, 0xff, 0xd0, 0xffffffff, UINT64_MAX, BENCH_RAM, FIRST_WINDOW, 1ull << 63 };

    return g_rand_boolean(rand) ? interesting[g_rand_int_range(rand, 0, ARRAY_SIZE(interesting))]
                                : (u64)g_rand_int(rand) << 32 | g_rand_int(rand);
}

static void access_once(struct bench *bench, GRand *rand, const struct device *device, const u64 *address)
{
    u32 number = (u32)g_rand_int_range(rand, 0, (s32)device->decl->window_count);
    unsigned size = 1u << g_rand_int_range(rand, 0, 4);
    u64 at = address[number] + random_offset(rand, device, number), value;

    if (g_rand_int_range(rand, 0, 8))
        at = bits_align_down(at, size);
    if (g_rand_boolean(rand))
        bench_try_read(bench, at, size, &value);
    else
        bench_try_write(bench, at, size, random_value(rand));
    if (!g_rand_int_range(rand, 0, 16))
        vm_clock_advance(bench->vm, vm_clock_now(bench->vm, VM_CLOCK_VIRTUAL) + g_rand_int_range(rand, 0, 1 << 30));
    for (u32 i = 0; i < device->decl->input_count && !g_rand_int_range(rand, 0, 8); i++)
        line_set(device_input((struct device *)device, device->decl->inputs[i].name, (u32)g_rand_int_range(rand, 0, 40)),
                 (u32)g_rand_boolean(rand));
}

static void release_inputs(const struct device *device)
{
    for (u32 i = 0; i < device->decl->input_count; i++) {
        for (u32 n = 0; n < device->decl->inputs[i].count; n++)
            line_set(device_input((struct device *)device, device->decl->inputs[i].name, n), 0);
    }
}

static void storm(struct bench *bench, gconstpointer class_name)
{
    struct device *device = bench_device(bench, class_name, properties_of(class_name));
    g_autoptr(GRand) rand = storm_rand(class_name);
    u64 address[8], next = FIRST_WINDOW;
    double end = storm_end();

    g_assert_cmpuint(device->decl->window_count, <=, 8);
    for (u32 i = 0; i < device->decl->window_count; i++) {
        address[i] = next;
        if (device->window[i].region.size)
            device_map(device, i, next);
        next += bits_align_up(window_size(device, i), 1 << 20);
    }
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_autofree u8 *fresh = state_copy(device);
    for (u32 round = 0; storm_goes_on(end, round, ROUNDS); round++) {
        for (u32 i = 0; i < ACCESSES; i++)
            access_once(bench, rand, device, address);
        release_inputs(device);
        vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
        g_autofree u8 *now = state_copy(device);
        g_assert_cmpmem(now, device->decl->state_size, fresh, device->decl->state_size);
        g_assert_false(device->busy);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) classes = g_ptr_array_new();

    g_test_init(&argc, &argv, NULL);
    vm_class_foreach(VM_GUEST_RISCV64, collect, classes);
    g_assert_cmpuint(classes->len, >=, 8);
    for (guint i = 0; i < classes->len; i++) {
        g_autofree char *path = g_strdup_printf("/storm/%s", (const char *)classes->pdata[i]);

        g_test_add(path, struct bench, classes->pdata[i], bench_set_up, storm, bench_tear_down);
    }
    return g_test_run();
}
