/* tests/device/virtio_gpu.c - the GPU's 2D commands: a picture from the guest's pages to a screen, errors, limits, reset. */
#include "tests/device/virtio_driver.h"
#include "ui/ui.h"
#include "vm/machine.h"
#include <string.h>

enum { CONTROL = 0, IN = BENCH_RAM, OUT = BENCH_RAM + 0x2000, PIXELS = BENCH_RAM + 0x80000 };
enum { OK = 0x1100, DISPLAY_INFO = 0x1101, EDID = 0x1104, UNSPECIFIED = 0x1200, NO_MEMORY, BAD_SCANOUT, BAD_RESOURCE, BAD_CONTEXT, BAD_PARAMETER };

struct screen {
    struct bench bench;
    struct ui *ui;
    struct driver driver;
    struct driver_queue *control;
};

static void start(struct screen *s, enum driver_transport transport, const char *properties)
{
    driver_init(&s->driver, &s->bench, transport, "virtio-gpu", properties);
    g_assert_true(driver_negotiate(&s->driver, 2));
    s->control = driver_queue(&s->driver, CONTROL, 0);
    driver_ok(&s->driver);
}

static void set_up(struct screen *s, gconstpointer data)
{
    bench_set_up(&s->bench, data);
    s->ui = ui_create();
    vm_set_backend(s->bench.vm, "ui", 0, s->ui);
    start(s, PCI_MODERN, "max_outputs=2;xres=800;yres=600;max_hostmem=1M;outputs=[{\"name\":\"left one\"}]");
}

static void tear_down(struct screen *s, gconstpointer data)
{
    bench_tear_down(&s->bench, data);
    ui_destroy(s->ui);
}

/* A command of 32-bit words behind the header; gives back the type of the answer. */
static u32 command_of(struct screen *s, u32 type, u32 flags, const u32 *words, u32 count)
{
    const struct driver_buffer buffers[] = {{IN, 24 + 4 * count, false}, {OUT, 0x1000, true}};
    u32 id, written;

    for (u32 i = 0; i < 6; i++)
        bench_write(&s->bench, IN + 4 * i, 4, i == 0 ? type : i == 1 ? flags : i == 2 ? 77 : 0);
    for (u32 i = 0; i < count; i++)
        bench_write(&s->bench, IN + 24 + 4 * i, 4, words[i]);
    driver_submit(&s->driver, s->control, buffers, 2);
    driver_kick(&s->driver, s->control);
    g_assert_true(driver_take(&s->driver, s->control, 2, &id, &written));
    g_assert_cmpuint(written, >=, 24);
    return (u32)bench_read(&s->bench, OUT, 4);
}

#define COMMAND(s, type, ...) command_of(s, type, 0, (const u32[]){__VA_ARGS__}, sizeof((const u32[]){__VA_ARGS__}) / 4)
#define CREATE(s, id, format, width, height)  COMMAND(s, 0x101, id, format, width, height)
#define SCANOUT(s, x, y, w, h, screen, id)    COMMAND(s, 0x103, x, y, w, h, screen, id)
#define TRANSFER(s, x, y, w, h, offset, id)   COMMAND(s, 0x105, x, y, w, h, offset, 0, id, 0)
#define ATTACH(s, id, ...)                    COMMAND(s, 0x106, id, __VA_ARGS__)

static u32 pixel(struct screen *s, u32 head, u32 x, u32 y)
{
    struct console *console = ui_console(s->ui, NULL, head, NULL);

    g_assert_nonnull(console);
    pixman_image_t *image = console_snapshot(console);
    u32 value = pixman_image_get_data(image)[y * (u32)pixman_image_get_stride(image) / 4 + x] & 0xffffff;
    pixman_image_unref(image);
    return value;
}

static void picture(struct screen *s, gconstpointer data)
{
    g_assert_cmphex(CREATE(s, 1, 2, 64, 32), ==, OK);
    /* Two pieces, the second one first in memory. */
    g_assert_cmphex(ATTACH(s, 1, 2, PIXELS + 0x1000, 0, 4096, 0, PIXELS, 0, 4096, 0), ==, OK);
    for (u32 i = 0; i < 2048; i++)
        bench_write(&s->bench, PIXELS + (i < 1024 ? 0x1000 : 0) + 4 * (i % 1024), 4, i);
    g_assert_cmphex(TRANSFER(s, 0, 0, 64, 32, 0, 1), ==, OK);
    g_assert_cmphex(SCANOUT(s, 0, 0, 64, 32, 0, 1), ==, OK);
    g_assert_cmphex(pixel(s, 0, 0, 0), ==, 0);
    g_assert_cmphex(pixel(s, 0, 63, 31), ==, 2047);
    g_assert_cmphex(pixel(s, 0, 5, 20), ==, 20 * 64 + 5);
    u64 before = console_generation(ui_console(s->ui, NULL, 0, NULL));
    g_assert_cmphex(COMMAND(s, 0x104, 0, 0, 64, 32, 1, 0), ==, OK);
    g_assert_cmpuint(console_generation(ui_console(s->ui, NULL, 0, NULL)), >, before);
    /* A part of it, and another part on the screen. */
    bench_write(&s->bench, PIXELS + 0x1000 + 4 * (3 * 64 + 7), 4, 0xabcdef);
    g_assert_cmphex(TRANSFER(s, 7, 3, 1, 1, 4 * (3 * 64 + 7), 1), ==, OK);
    g_assert_cmphex(pixel(s, 0, 7, 3), ==, 0xabcdef);
    g_assert_cmphex(SCANOUT(s, 4, 2, 32, 16, 0, 1), ==, OK);
    g_assert_cmphex(pixel(s, 0, 3, 1), ==, 0xabcdef);
    g_assert_cmphex(SCANOUT(s, 0, 0, 0, 0, 0, 0), ==, OK);
    g_assert_cmphex(pixel(s, 0, 3, 1), ==, 0);
    g_assert_cmphex(COMMAND(s, 0x107, 1, 0), ==, OK);
    g_assert_cmphex(TRANSFER(s, 0, 0, 64, 32, 0, 1), ==, BAD_RESOURCE);
    g_assert_cmphex(SCANOUT(s, 0, 0, 64, 32, 0, 1), ==, OK);
    g_assert_cmphex(COMMAND(s, 0x102, 1, 0), ==, OK); /* what is shown goes away */
    g_assert_cmphex(pixel(s, 0, 7, 3), ==, 0);
}

static void information(struct screen *s, gconstpointer data)
{
    g_assert_cmphex(command_of(s, 0x100, 1, NULL, 0), ==, DISPLAY_INFO);
    g_assert_cmpuint(bench_read(&s->bench, OUT + 4, 4), ==, 1); /* fence */
    g_assert_cmpuint(bench_read(&s->bench, OUT + 8, 8), ==, 77);
    g_assert_cmpuint(bench_read(&s->bench, OUT + 24 + 8, 4), ==, 800);
    g_assert_cmpuint(bench_read(&s->bench, OUT + 24 + 12, 4), ==, 600);
    g_assert_cmpuint(bench_read(&s->bench, OUT + 24 + 16, 4), ==, 1);
    g_assert_cmpuint(bench_read(&s->bench, OUT + 48 + 16, 4), ==, 0);
    g_assert_cmphex(COMMAND(s, 0x10a, 1, 0), ==, EDID);
    g_assert_cmpuint(bench_read(&s->bench, OUT + 24, 4), ==, 128);
    g_assert_cmphex(bench_read(&s->bench, OUT + 32, 8), ==, 0x00ffffffffffff00);
    g_assert_cmphex(COMMAND(s, 0x10a, 2, 0), ==, BAD_PARAMETER);
    /* The monitor's name: the one that was given to the first, and one of its own of the second. */
    g_assert_cmphex(COMMAND(s, 0x10a, 0, 0), ==, EDID);
    g_assert_cmphex(bench_read(&s->bench, OUT + 32 + 95, 8), ==, 0x656e6f207466656c); /* "left one" */
    g_assert_cmphex(COMMAND(s, 0x10a, 1, 0), ==, EDID);
    g_assert_cmphex(bench_read(&s->bench, OUT + 32 + 95, 4), ==, 0x616e794d); /* "Myna" */
    g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 8), 4), ==, 2);
    g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 12), 4), ==, 0);
}

static void errors(struct screen *s, gconstpointer data)
{
    g_assert_cmphex(CREATE(s, 0, 2, 64, 32), ==, BAD_RESOURCE);
    g_assert_cmphex(CREATE(s, 1, 5, 64, 32), ==, BAD_PARAMETER);
    g_assert_cmphex(CREATE(s, 1, 2, 0, 32), ==, BAD_PARAMETER);
    g_assert_cmphex(CREATE(s, 1, 2, 0x10000, 0x10000), ==, BAD_PARAMETER);
    g_assert_cmphex(CREATE(s, 1, 2, 512, 513), ==, NO_MEMORY); /* max_hostmem */
    g_assert_cmphex(CREATE(s, 1, 2, 512, 256), ==, OK);
    g_assert_cmphex(CREATE(s, 1, 2, 64, 32), ==, BAD_RESOURCE);
    g_assert_cmphex(CREATE(s, 2, 2, 512, 257), ==, NO_MEMORY);
    g_assert_cmphex(CREATE(s, 2, 2, 512, 256), ==, OK);
    g_assert_cmphex(COMMAND(s, 0x102, 2, 0), ==, OK);
    g_assert_cmphex(CREATE(s, 2, 2, 512, 256), ==, OK);
    g_assert_cmphex(ATTACH(s, 9, 1, PIXELS, 0, 4096, 0), ==, BAD_RESOURCE);
    g_assert_cmphex(ATTACH(s, 1, 1, PIXELS, 0, 4096, 0), ==, NO_MEMORY); /* lists of pages count */
    g_assert_cmphex(COMMAND(s, 0x102, 2, 0), ==, OK);
    g_assert_cmphex(ATTACH(s, 1, 2, PIXELS, 0, 4096, 0), ==, UNSPECIFIED); /* an entry is missing */
    g_assert_cmphex(ATTACH(s, 1, 0xffffffff, PIXELS, 0, 4096, 0), ==, UNSPECIFIED);
    /* Memory that is not there, and an own register of the device: pixels stay as they are. */
    g_assert_cmphex(ATTACH(s, 1, 2, 0, 0, 4096, 0, (u32)s->driver.pci.notify, 4, 0xffffffff, 0), ==, OK);
    g_assert_cmphex(ATTACH(s, 1, 1, PIXELS, 0, 4096, 0), ==, UNSPECIFIED);
    g_assert_cmphex(TRANSFER(s, 0, 0, 512, 256, 0, 1), ==, OK);
    g_assert_cmphex(TRANSFER(s, 0, 0, 512, 257, 0, 1), ==, BAD_PARAMETER);
    g_assert_cmphex(TRANSFER(s, 0xffffffff, 0, 2, 2, 0, 1), ==, BAD_PARAMETER);
    g_assert_cmphex(TRANSFER(s, 0, 0, 512, 256, 0xffffffff, 1), ==, BAD_PARAMETER);
    g_assert_cmphex(SCANOUT(s, 0, 0, 512, 256, 2, 1), ==, BAD_SCANOUT);
    g_assert_cmphex(SCANOUT(s, 0, 0, 512, 256, 1, 9), ==, BAD_RESOURCE);
    g_assert_cmphex(SCANOUT(s, 1, 0, 512, 256, 1, 1), ==, BAD_PARAMETER);
    g_assert_cmphex(COMMAND(s, 0x104, 0, 0, 513, 32, 1, 0), ==, BAD_PARAMETER);
    g_assert_cmphex(COMMAND(s, 0x109, 0), ==, UNSPECIFIED);
    g_assert_cmphex(COMMAND(s, 0x1234, 0), ==, UNSPECIFIED);
}

static enum mem_result count_reads(void *opaque, u64 offset, unsigned size, u64 *value)
{
    ++*(u32 *)opaque;
    *value = UINT64_MAX;
    return MEM_OK;
}

/* A page that lies half in RAM, half in the registers of a device: the RAM is copied, and the device is not read. */
static void devices_are_no_pictures(struct screen *s, gconstpointer data)
{
    static const struct region_ops ops = {.read = count_reads};
    struct region region;
    u32 reads = 0;

    region_init_mmio(&region, s->bench.vm, "counter", 0x100000, &ops, &reads);
    region_add(space_root(vm_memory(s->bench.vm)), BENCH_RAM + BENCH_RAM_SIZE, &region, 0);
    for (u32 at = 4096; at; at -= 4)
        bench_write(&s->bench, BENCH_RAM + BENCH_RAM_SIZE - at, 4, 0x123456);
    g_assert_cmphex(CREATE(s, 1, 2, 64, 32), ==, OK);
    g_assert_cmphex(ATTACH(s, 1, 1, BENCH_RAM + BENCH_RAM_SIZE - 4096, 0, 8192, 0), ==, OK);
    g_assert_cmphex(TRANSFER(s, 0, 0, 64, 32, 0, 1), ==, OK);
    g_assert_cmphex(SCANOUT(s, 0, 0, 64, 32, 0, 1), ==, OK);
    g_assert_cmphex(pixel(s, 0, 63, 15), ==, 0x123456);
    g_assert_cmphex(pixel(s, 0, 0, 16), ==, 0);
    g_assert_cmpuint(reads, ==, 0);
    region_finish(&region);
}

static void reset(struct screen *s, gconstpointer data)
{
    g_assert_cmphex(CREATE(s, 1, 2, 64, 32), ==, OK);
    g_assert_cmphex(SCANOUT(s, 0, 0, 64, 32, 0, 1), ==, OK);
    s->driver.heap = BENCH_RAM + 0x10000;
    g_assert_true(driver_negotiate(&s->driver, 2));
    s->control = driver_queue(&s->driver, CONTROL, 0);
    driver_ok(&s->driver);
    g_assert_cmphex(SCANOUT(s, 0, 0, 64, 32, 0, 1), ==, BAD_RESOURCE);
    g_assert_cmphex(CREATE(s, 1, 2, 512, 512), ==, OK); /* all memory is back */
    const struct driver_buffer buffers[] = {{IN, 23, false}, {OUT, 64, true}};
    driver_submit(&s->driver, s->control, buffers, 2);
    driver_kick(&s->driver, s->control);
    g_assert_true(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET); /* no whole header */
}

/* What lists of pages take is given back when they go, by themselves and with their images. */
static void lists(struct screen *s, gconstpointer data)
{
    for (u32 i = 0; i < 3; i++) {
        g_assert_cmphex(CREATE(s, 1, 2, 512, 256), ==, OK);
        g_assert_cmphex(CREATE(s, 2, 2, 512, 255), ==, OK);
        for (u32 k = 0; k < 200; k++) { /* 2 KiB are left: 128 entries */
            g_assert_cmphex(ATTACH(s, 1, 1, PIXELS, 0, 4096, 0), ==, OK);
            g_assert_cmphex(COMMAND(s, 0x107, 1, 0), ==, OK);
        }
        g_assert_cmphex(ATTACH(s, 1, 1, PIXELS, 0, 4096, 0), ==, OK);
        g_assert_cmphex(COMMAND(s, 0x102, 1, 0), ==, OK);
        g_assert_cmphex(COMMAND(s, 0x102, 2, 0), ==, OK);
        g_assert_cmphex(CREATE(s, 1, 2, 512, 512), ==, OK);
        g_assert_cmphex(COMMAND(s, 0x102, 1, 0), ==, OK);
    }
}

/* Many large transfers with one notification: others come between them. */
static void takes_turns(struct screen *s, gconstpointer data)
{
    const struct driver_buffer buffers[] = {{IN, 24 + 32, false}, {OUT, 24, true}};
    u32 id, written, count = 0;

    bench_empty(&s->bench);
    start(s, PCI_MODERN, "max_hostmem=32M");
    g_assert_cmphex(CREATE(s, 1, 2, 2048, 2048), ==, OK);
    g_assert_cmphex(ATTACH(s, 1, 1, PIXELS, 0, 4096, 0), ==, OK);
    g_assert_cmphex(TRANSFER(s, 0, 0, 2048, 2048, 0, 1), ==, OK); /* the command stays there */
    for (u32 i = 0; i < 3; i++)
        driver_submit(&s->driver, s->control, buffers, 2);
    driver_notify(&s->driver, s->control);
    for (count = 0; driver_take(&s->driver, s->control, 2, &id, &written); count++)
        ;
    g_assert_cmpuint(count, ==, 1);
    driver_settle(&s->driver);
    for (; driver_take(&s->driver, s->control, 2, &id, &written); count++)
        ;
    g_assert_cmpuint(count, ==, 3);
}

#define SCREEN_TEST(path, fn) g_test_add(path, struct screen, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    SCREEN_TEST("/virtio-gpu/picture", picture);
    SCREEN_TEST("/virtio-gpu/information", information);
    SCREEN_TEST("/virtio-gpu/errors", errors);
    SCREEN_TEST("/virtio-gpu/devices", devices_are_no_pictures);
    SCREEN_TEST("/virtio-gpu/lists", lists);
    SCREEN_TEST("/virtio-gpu/turns", takes_turns);
    SCREEN_TEST("/virtio-gpu/reset", reset);
    return g_test_run();
}
