/* tests/device/bochs_display.c - the Bochs display: registers, EDID, what is shown for right and wrong modes. */
#include "hw/pci/gpex.h"
#include "tests/device/virtio_driver.h"
#include "ui/ui.h"
#include "vm/machine.h"

enum { VRAM = 0x40000000, MMIO = 0x50000000, DISPI = MMIO + 0x500 };
enum { ID, WIDTH, HEIGHT, BITS, ENABLE, BANK, VIRTUAL_WIDTH, VIRTUAL_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY };

struct screen {
    struct bench bench;
    struct ui *ui;
};

static void set_up(struct screen *s, gconstpointer data)
{
    bench_set_up(&s->bench, data);
    s->ui = ui_create();
    vm_set_backend(s->bench.vm, "ui", 0, s->ui);
    struct device *host = bench_device(&s->bench, "gpex-pcihost", DRIVER_PCI_HOST);
    gpex_map(host);
    bench_device(&s->bench, "bochs-display", "vgamem=1M;xres=1024;yres=768");
    vm_reset(s->bench.vm, VM_CAUSE_NONE);
    bench_write(&s->bench, driver_pci_config(0x10), 4, VRAM);
    bench_write(&s->bench, driver_pci_config(0x18), 4, MMIO);
    bench_write(&s->bench, driver_pci_config(4), 2, 2);
}

static void tear_down(struct screen *s, gconstpointer data)
{
    bench_tear_down(&s->bench, data);
    ui_destroy(s->ui);
}

static void set(struct screen *s, u32 index, u16 value)
{
    bench_write(&s->bench, DISPI + 2 * index, 2, value);
}

static pixman_image_t *shown(struct screen *s)
{
    return console_snapshot(ui_console(s->ui, NULL, 0, NULL));
}

static u32 pixel(struct screen *s, u32 x, u32 y)
{
    pixman_image_t *image = shown(s);
    u32 value = pixman_image_get_data(image)[y * (u32)pixman_image_get_stride(image) / 4 + x] & 0xffffff;

    pixman_image_unref(image);
    return value;
}

static int width(struct screen *s)
{
    pixman_image_t *image = shown(s);
    int value = pixman_image_get_width(image);

    pixman_image_unref(image);
    return value;
}

static void registers(struct screen *s, gconstpointer data)
{
    u64 value;

    g_assert_cmphex(bench_read(&s->bench, driver_pci_config(0), 4), ==, 0x11111234);
    g_assert_cmphex(bench_read(&s->bench, DISPI, 2), ==, 0xb0c5);
    g_assert_cmpuint(bench_read(&s->bench, DISPI + 2 * MEMORY, 2), ==, 16);
    set(s, WIDTH, 640);
    g_assert_cmpuint(bench_read(&s->bench, DISPI + 2 * WIDTH, 2), ==, 640);
    g_assert_cmphex(bench_read(&s->bench, MMIO, 1), ==, 0);
    g_assert_cmphex(bench_read(&s->bench, MMIO + 1, 1), ==, 0xff);
    g_assert_cmphex(bench_read(&s->bench, MMIO + 0x300, 1), ==, 0);
    g_assert_cmphex(bench_read(&s->bench, MMIO + 0x604, 4), ==, 0x1e1e1e1e);
    g_assert_cmpuint(bench_read(&s->bench, MMIO + 0x600, 4), ==, 8);
    bench_write(&s->bench, MMIO + 0x402, 1, 0x20); /* Linux writes to VGA ports that are not there */
    bench_try_read(&s->bench, MMIO + 0xffc, 4, &value);
    bench_try_write(&s->bench, DISPI + 2 * MEMORY + 2, 8, 1);
}

static void modes(struct screen *s, gconstpointer data)
{
    g_assert_cmpint(width(s), ==, 640); /* nothing yet */
    set(s, WIDTH, 320);
    set(s, HEIGHT, 200);
    set(s, BITS, 32);
    set(s, ENABLE, 0x41);
    g_assert_cmpint(width(s), ==, 320);
    bench_write(&s->bench, VRAM + 4 * (320 * 7 + 5), 4, 0x123456);
    g_assert_cmphex(pixel(s, 5, 7), ==, 0x123456);
    set(s, X_OFFSET, 1);
    set(s, Y_OFFSET, 2);
    g_assert_cmphex(pixel(s, 4, 5), ==, 0x123456);
    set(s, X_OFFSET, 0);
    set(s, Y_OFFSET, 0);
    bench_write(&s->bench, MMIO + 0x604, 4, 0xbebebebe);
    g_assert_cmphex(pixel(s, 5, 7), ==, 0x341200);
    bench_write(&s->bench, MMIO + 0x604, 4, 0x12345678); /* ignored */
    g_assert_cmphex(bench_read(&s->bench, MMIO + 0x604, 4), ==, 0xbebebebe);
    set(s, VIRTUAL_WIDTH, 640);
    bench_write(&s->bench, VRAM + 4 * 640, 4, 0x11223300);
    g_assert_cmphex(pixel(s, 0, 1), ==, 0x332211);
    set(s, VIRTUAL_WIDTH, 0);
    set(s, BITS, 16);
    bench_write(&s->bench, VRAM + 2, 2, 0x07e0);
    g_assert_cmphex(pixel(s, 1, 0), ==, 0x00ff00);
    vm_reset(s->bench.vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmpint(width(s), ==, 640);
}

/* Modes that go beyond video memory, or are none, show nothing. */
static void nonsense(struct screen *s, gconstpointer data)
{
    static const u16 rows[][6] = {
        /* width, height, bits, virtual width, x and y offset */
        {0, 200, 32, 0, 0, 0}, {320, 0, 32, 0, 0, 0}, {320, 200, 24, 0, 0, 0}, {320, 200, 8, 0, 0, 0}, {1024, 1024, 32, 0, 0, 0},
        {65535, 65535, 32, 65535, 65535, 65535}, {320, 200, 32, 65535, 0, 0}, {320, 200, 32, 0, 0, 700}, {512, 512, 32, 0, 1, 0},
        {321, 200, 16, 0, 0, 0},
    };

    set(s, ENABLE, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        set(s, WIDTH, rows[i][0]);
        set(s, HEIGHT, rows[i][1]);
        set(s, BITS, rows[i][2]);
        set(s, VIRTUAL_WIDTH, rows[i][3]);
        set(s, X_OFFSET, rows[i][4]);
        set(s, Y_OFFSET, rows[i][5]);
        g_assert_cmpint(width(s), ==, 640);
    }
    GRand *rand = g_rand_new_with_seed(1);
    for (unsigned i = 0; i < 3000; i++) {
        set(s, (u32)g_rand_int_range(rand, 1, 10), (u16)(g_rand_boolean(rand) ? g_rand_int_range(rand, 0, 0x10000) : g_rand_int_range(rand, 0, 600)));
        set(s, BITS, g_rand_boolean(rand) ? 32 : 16);
        set(s, ENABLE, 1);
        pixman_image_unref(shown(s));
    }
    g_rand_free(rand);
}

#define SCREEN_TEST(path, fn) g_test_add(path, struct screen, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    SCREEN_TEST("/bochs-display/registers", registers);
    SCREEN_TEST("/bochs-display/modes", modes);
    SCREEN_TEST("/bochs-display/nonsense", nonsense);
    return g_test_run();
}
