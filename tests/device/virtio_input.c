/* tests/device/virtio_input.c - keyboards, mice and tablets: what they say about themselves, events, full queues. */
#include "tests/device/virtio_driver.h"
#include "ui/ui.h"
#include "vm/machine.h"
#include <string.h>

enum { EVENTS = 0, BUFFERS = BENCH_RAM + 0x80000 };

struct desk {
    struct bench bench;
    struct ui *ui;
    struct driver driver;
    struct driver_queue *events;
};

static void set_up(struct desk *s, gconstpointer data)
{
    bench_set_up(&s->bench, data);
    s->ui = ui_create();
    vm_set_backend(s->bench.vm, "ui", 0, s->ui);
}

static void tear_down(struct desk *s, gconstpointer data)
{
    bench_tear_down(&s->bench, data);
    g_assert_null(input_handlers(s->ui));
    ui_destroy(s->ui);
}

static void begin(struct desk *s, const char *name, const char *properties, u32 buffers)
{
    driver_init(&s->driver, &s->bench, PCI_MODERN, name, properties);
    g_assert_true(driver_negotiate(&s->driver, 0));
    s->events = driver_queue(&s->driver, EVENTS, 0);
    driver_ok(&s->driver);
    for (u32 i = 0; i < buffers; i++) {
        const struct driver_buffer buffer = {BUFFERS + 8 * i, 8, true};

        driver_submit(&s->driver, s->events, &buffer, 1);
    }
    driver_kick(&s->driver, s->events);
}

static u32 ask(struct desk *s, u8 select, u8 subselect)
{
    bench_write(&s->bench, driver_config_at(&s->driver, 0), 1, select);
    bench_write(&s->bench, driver_config_at(&s->driver, 1), 1, subselect);
    return (u32)bench_read(&s->bench, driver_config_at(&s->driver, 2), 1);
}

static u64 answer(struct desk *s, u32 at, unsigned size)
{
    u64 value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= bench_read(&s->bench, driver_config_at(&s->driver, 8 + at + i), 1) << (8 * i);
    return value;
}

static void check_event(struct desk *s, u16 type, u16 code, s32 value)
{
    u32 id, written;

    g_assert_true(driver_take(&s->driver, s->events, 1, &id, &written));
    g_assert_cmpuint(written, ==, 8);
    u64 at = BUFFERS + 8 * id;
    g_assert_cmpuint(bench_read(&s->bench, at, 2), ==, type);
    g_assert_cmpuint(bench_read(&s->bench, at + 2, 2), ==, code);
    g_assert_cmpint((s32)bench_read(&s->bench, at + 4, 4), ==, value);
}

static void check_none(struct desk *s)
{
    u32 id, written;

    g_assert_false(driver_take(&s->driver, s->events, 1, &id, &written));
}

static void send(struct desk *s, enum input_kind kind, u16 code, bool down, s32 value)
{
    const struct input_event event = {.kind = kind, .code = code, .down = down, .value = value};

    g_assert_true(input_send(s->ui, &event));
}

static void keyboard(struct desk *s, gconstpointer data)
{
    begin(s, "virtio-keyboard", "serial=abc", 64);
    g_assert_cmpuint(ask(s, 1, 0), ==, strlen("QEMU Virtio Keyboard"));
    g_assert_cmpuint(answer(s, 0, 4), ==, 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24);
    g_assert_cmpuint(ask(s, 2, 0), ==, 3);
    g_assert_cmpuint(ask(s, 3, 0), ==, 8);
    g_assert_cmphex(answer(s, 0, 8), ==, 0x0001000106270006);
    g_assert_cmpuint(ask(s, 0x11, 1), >, 10);
    g_assert_cmphex(answer(s, 30 / 8, 1) >> 30 % 8 & 1, ==, 1); /* KEY_A */
    g_assert_cmpuint(ask(s, 0x11, 20), ==, 1);
    g_assert_cmpuint(ask(s, 0x11, 2), ==, 0);
    g_assert_cmpuint(ask(s, 0x12, 0), ==, 0);
    g_assert_cmpuint(ask(s, 1, 1), ==, 0);
    g_assert_cmpuint(ask(s, 0xff, 0), ==, 0);
    g_assert_cmpuint(answer(s, 120, 8), ==, 0);
    send(s, INPUT_KEY, (u16)input_key_find("a"), true, 0);
    check_none(s); /* until the group ends */
    input_sync(s->ui);
    check_event(s, 1, 30, 1);
    check_event(s, 0, 0, 0);
    check_none(s);
    send(s, INPUT_KEY, (u16)input_key_find("unmapped"), true, 0);
    input_sync(s->ui);
    check_event(s, 0, 0, 0);
}

static void mouse(struct desk *s, gconstpointer data)
{
    begin(s, "virtio-mouse", NULL, 64);
    g_assert_cmpuint(ask(s, 0x11, 2), ==, 2);
    g_assert_cmphex(answer(s, 0, 2), ==, 0x0143); /* x, y, both wheels */
    g_assert_false(input_accepts(s->ui, INPUT_KEY));
    g_assert_false(input_accepts(s->ui, INPUT_PLACE));
    send(s, INPUT_MOVE, INPUT_Y, false, -5);
    send(s, INPUT_BUTTON, INPUT_RIGHT, true, 0);
    send(s, INPUT_BUTTON, INPUT_WHEEL_DOWN, true, 0);
    send(s, INPUT_BUTTON, INPUT_WHEEL_DOWN, false, 0);
    input_sync(s->ui);
    check_event(s, 2, 1, -5);
    check_event(s, 1, 0x111, 1);
    check_event(s, 2, 8, -1);
    check_event(s, 0, 0, 0);
    check_none(s);
}

static void tablet(struct desk *s, gconstpointer data)
{
    begin(s, "virtio-tablet", NULL, 64);
    g_assert_cmpuint(ask(s, 0x12, 1), ==, 20);
    g_assert_cmpuint(answer(s, 4, 4), ==, 0x7fff);
    g_assert_cmpuint(ask(s, 0x12, 2), ==, 0);
    send(s, INPUT_PLACE, INPUT_X, false, 100);
    send(s, INPUT_PLACE, INPUT_Y, false, 200);
    input_sync(s->ui);
    check_event(s, 3, 0, 100);
    check_event(s, 3, 1, 200);
    check_event(s, 0, 0, 0);
}

/* A group that does not fit is lost as a whole; so is what comes before the driver is ready. */
static void full(struct desk *s, gconstpointer data)
{
    begin(s, "virtio-keyboard", NULL, 3);
    for (unsigned i = 0; i < 100; i++)
        send(s, INPUT_KEY, (u16)input_key_find("a"), true, 0);
    input_sync(s->ui);
    check_none(s);
    send(s, INPUT_KEY, (u16)input_key_find("b"), true, 0);
    input_sync(s->ui);
    check_event(s, 1, 48, 1);
    check_event(s, 0, 0, 0);
    driver_write(&s->driver, DRIVER_STATUS, 0);
    send(s, INPUT_KEY, (u16)input_key_find("b"), true, 0);
    input_sync(s->ui);
    check_none(s);
}

#define DESK_TEST(path, fn) g_test_add(path, struct desk, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    DESK_TEST("/virtio-input/keyboard", keyboard);
    DESK_TEST("/virtio-input/mouse", mouse);
    DESK_TEST("/virtio-input/tablet", tablet);
    DESK_TEST("/virtio-input/full", full);
    return g_test_run();
}
