/* tests/device/declared.c - what rows alone make of a device: access rules, reset, arrays, lines, timers, the busy token. */
#define DEVICE      specimen
#define DEVICE_ROWS "tests/device/specimen.dev"
#include "hw/core/declare.inc"
#include "tests/device/bench.h"
#include <string.h>

enum { BASE = 0x1000000, BIG = 0x2000000 };

static u32 live(void *device)
{
    return ((struct specimen *)device)->columns * 4;
}

static void was_reset(void *device)
{
    ((struct specimen *)device)->state->resets++;
}

static void write_control(void *device, u32 index, u64 value)
{
    line_set(((struct specimen *)device)->out, value & 1);
}

static void input_changed(void *device, u32 number, u32 level)
{
    struct specimen *s = device;

    s->state->inputs += 1 + 100 * number;
    s->state->inputs_in_dma += s->state->running;
}

static void alarm_fired(void *device)
{
    struct specimen *s = device;

    s->state->alarms += 1;
    if (s->state->alarms < 3)
        device_timer_arm(&s->alarm, vm_clock_now(s->device.object.vm, VM_CLOCK_VIRTUAL) + 100);
}

static void do_dma(void *device, u32 index, u64 value)
{
    struct specimen *s = device;
    struct space *memory = vm_memory(s->device.object.vm);
    u64 back = 0;

    s->state->running = true;
    space_write(memory, s->state->wide, 4, value);
    space_read(memory, s->state->wide, 4, &back);
    line_set(&s->in[1], 1);
    s->state->running = false;
    s->state->result = (u32)back;
}

static u64 read_result(void *device, u32 index)
{
    return ((struct specimen *)device)->state->result;
}

#include "hw/core/define.inc"

static struct specimen *make(struct bench *bench)
{
    struct device *device = bench_device(bench, "test-specimen", NULL);

    device_map(device, WINDOW_main, BASE);
    device_map(device, WINDOW_big, BIG);
    device_connect(device, "out", &bench->line[0]);
    vm_reset(bench->vm, VM_CAUSE_NONE);
    return (struct specimen *)device;
}

/* Writes, then reads back. */
static void obeys_access_rules(struct bench *bench, gconstpointer data)
{
    static const struct { const char *what; u64 offset; unsigned size; u64 value; enum mem_result result; u64 back; } cases[] = {
        { "plain", 0x00, 4, 0x12345678, MEM_OK, 0x12345678 },
        { "mask", 0x04, 4, 0x89abcdef, MEM_OK, 0xff00cdef },
        { "write one to clear", 0x08, 4, 0xff, MEM_OK, 0xf00 },
        { "write one to clear, again", 0x08, 4, 0, MEM_OK, 0xf00 },
        { "read-only", 0x10, 2, 0xffff, MEM_OK, 0x1234 },
        { "constant", 0x28, 1, 0, MEM_OK, 0x5a },
        { "wide", 0x18 + 4, 4, 0x11111111, MEM_OK, 0x11111111 },
        { "too narrow", 0x00, 1, 0xff, MEM_ERROR, 0 },
        { "too wide", 0x08, 8, 0xff, MEM_ERROR, 0 },
        { "undeclared", 0x40, 4, 0xff, MEM_OK, 0 },
    };
    struct specimen *s = make(bench);
    u64 value;

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_test_message("%s", cases[i].what);
        g_assert_cmpint(bench_try_write(bench, BASE + cases[i].offset, cases[i].size, cases[i].value), ==, cases[i].result);
        g_assert_cmpint(bench_try_read(bench, BASE + cases[i].offset, cases[i].size, &value), ==, cases[i].result);
        g_assert_cmphex(value, ==, cases[i].back);
    }
    g_assert_cmphex(s->state->wide, ==, 0x1111111100000000);
    g_assert_cmphex(s->state->control, ==, 0x12345678);
    g_assert_cmphex(bench_read(bench, BASE + 0x0c, 4), ==, 7);
    g_assert_cmphex(bench_read(bench, BASE + 0x0c, 4), ==, 0);
}

static void resets_to_declared_values(struct bench *bench, gconstpointer data)
{
    struct specimen *s = make(bench);

    memset(s->state, 0xee, sizeof(*s->state));
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(s->state->control, ==, 0x10);
    g_assert_cmphex(s->state->masked, ==, 0xff000000);
    for (unsigned i = 0; i < 8; i++)
        g_assert_cmphex(s->state->list[i], ==, 3);
    g_assert_cmpuint(s->state->inputs, ==, 0);
    g_assert_cmpuint(s->state->resets, ==, 1);
    g_assert_cmpint(s->state->alarm_deadline, ==, INT64_MAX);
}

static void finds_array_elements(struct bench *bench, gconstpointer data)
{
    struct specimen *s = make(bench);

    bench_write(bench, BIG + 0x1000 + 4 * 7, 2, 0xabcd);
    g_assert_cmphex(s->state->list[7], ==, 0xabcd);
    bench_write(bench, BIG + 0x1000 + 4 * 8, 2, 1);      /* behind the last */
    bench_write(bench, BIG + 0x1000 + 4 * 3 + 2, 2, 1);  /* between two */
    for (unsigned i = 0; i < 7; i++)
        g_assert_cmphex(s->state->list[i], ==, 3);
    bench_write(bench, BIG + 0x2000 + 0x100 * 2 + 4, 4, 42);
    g_assert_cmphex(s->state->matrix[2 * 3 + 1], ==, 42);
    bench_write(bench, BIG + 0x2000 + 0x100 * 2 + 12, 4, 43);
    bench_write(bench, BIG + 0x2000 + 0x100 * 4, 4, 44);
    g_assert_cmphex(s->state->matrix[2 * 3 + 2], ==, 0);
    g_assert_cmphex(s->state->matrix[3 * 3], ==, 0);
}

static void ends_arrays_at_what_is_live(struct bench *bench, gconstpointer data)
{
    struct device *device = bench_device(bench, "test-specimen", "columns=1");
    struct specimen *s = (struct specimen *)device;

    device_map(device, WINDOW_big, BIG);
    bench_write(bench, BIG + 0x2000 + 0x100, 4, 1); /* element 3 of 4 */
    bench_write(bench, BIG + 0x2000 + 0x104, 4, 1); /* element 4: not there */
    g_assert_cmphex(s->state->matrix[3], ==, 1);
    g_assert_cmphex(s->state->matrix[4], ==, 0);
}

static void drives_lines_and_timers(struct bench *bench, gconstpointer data)
{
    struct specimen *s = make(bench);

    bench_write(bench, BASE, 4, 1);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 1);
    line_set(device_input(&s->device, "in", 2), 1);
    g_assert_cmpuint(s->state->inputs, ==, 201);
    g_assert_null(device_input(&s->device, "in", 4));
    g_assert_null(device_input(&s->device, "on", 0));
    device_timer_arm(&s->alarm, 1000);
    vm_clock_advance(bench->vm, 999);
    g_assert_cmpuint(s->state->alarms, ==, 0);
    vm_clock_advance(bench->vm, 1200);
    g_assert_cmpuint(s->state->alarms, ==, 3);
    device_timer_arm(&s->alarm, 5000);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    vm_clock_advance(bench->vm, 9000);
    g_assert_cmpuint(s->state->alarms, ==, 0);
}

/* DMA into the device's own registers is refused and reads all ones; an input that changes meanwhile waits. */
static void refuses_re_entry(struct bench *bench, gconstpointer data)
{
    struct specimen *s = make(bench);

    bench_write(bench, BASE + 0x18, 8, BENCH_RAM + 64);
    bench_write(bench, BASE + 0x20, 4, 0x600df00d);
    g_assert_cmphex(bench_read(bench, BASE + 0x24, 4), ==, 0x600df00d);
    g_assert_cmpuint(s->state->inputs, ==, 101);
    bench_write(bench, BASE + 0x18, 8, BASE);
    bench_write(bench, BASE + 0x20, 4, 0xbad);
    g_assert_cmphex(bench_read(bench, BASE + 0x24, 4), ==, 0xffffffff);
    g_assert_cmphex(s->state->control, ==, 0x10);
    bench_write(bench, BASE + 0x18, 8, BASE + 0x20); /* the register that starts DMA */
    bench_write(bench, BASE + 0x20, 4, 0xbad);
    g_assert_cmpuint(s->state->inputs_in_dma, ==, 0);
    bench_write(bench, BASE, 4, 0x77); /* free again */
    g_assert_cmphex(s->state->control, ==, 0x77);
}

static void describes_itself(struct bench *bench, gconstpointer data)
{
    const struct device_decl *decl = device_decl_of(vm_class_find("test-specimen", 0), 0);

    g_assert_cmpuint(decl->reg_count, ==, 11);
    g_assert_cmpuint(decl->window_count, ==, 2);
    g_autofree char *text = device_describe(decl);
    g_assert_nonnull(strstr(text, "+0x8      u32 W1C  events: write one to clear\n"));
    g_assert_nonnull(strstr(text, "matrix[12]: rows of columns\n"));
    g_assert_null(device_decl_of(vm_class_find("container", 0), 0));
    for (u32 i = 0; i < decl->reg_count; i++)
        g_assert_nonnull(decl->regs[i].doc);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/declared/access", obeys_access_rules);
    BENCH_TEST("/declared/reset", resets_to_declared_values);
    BENCH_TEST("/declared/arrays", finds_array_elements);
    BENCH_TEST("/declared/arrays/live", ends_arrays_at_what_is_live);
    BENCH_TEST("/declared/lines", drives_lines_and_timers);
    BENCH_TEST("/declared/busy", refuses_re_entry);
    BENCH_TEST("/declared/tables", describes_itself);
    return g_test_run();
}
