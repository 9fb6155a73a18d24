/* tests/unit/ui.c - screens, pictures of them, who gets input, monitors' descriptions. */
#include "ui/edid.h"
#include "ui/picture.h"
#include "ui/ui.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <png.h>
#include <string.h>
#include <unistd.h>

static void update(void *opaque)
{
    (*(unsigned *)opaque)++;
}

static void test_consoles(void)
{
    static const struct console_ops ops = {.update = update};
    struct ui *ui = ui_create();
    unsigned updates = 0;
    GError *error = NULL;

    g_assert_null(ui_console(ui, NULL, 0, &error));
    g_assert_cmpstr(error->message, ==, "There is no console to take a screendump from");
    g_clear_error(&error);
    struct console *first = console_create(ui, "gpu0", 0, &ops, &updates), *second = console_create(ui, "gpu0", 1, NULL, NULL);
    g_assert_true(ui_console(ui, NULL, 0, NULL) == first);
    g_assert_true(ui_console(ui, "gpu0", 1, NULL) == second);
    g_assert_null(ui_console(ui, "gpu0", 2, NULL));
    g_assert_null(ui_console(ui, "gpu1", 0, NULL));
    pixman_image_t *empty = console_snapshot(first);
    g_assert_cmpuint(updates, ==, 1);
    g_assert_cmpint(pixman_image_get_width(empty), ==, 640);
    g_assert_cmpuint(*pixman_image_get_data(empty) & 0xffffff, ==, 0);
    pixman_image_unref(empty);
    u16 pixels[4] = {0xf800, 0x07e0, 0x001f, 0xffff};
    pixman_image_t *image = pixman_image_create_bits_no_clear(PIXMAN_r5g6b5, 2, 2, (u32 *)(void *)pixels, 4);
    u64 before = console_generation(first);
    console_set_image(first, image);
    pixman_image_unref(image);
    g_assert_cmpuint(console_generation(first), >, before);
    pixman_image_t *shown = console_snapshot(first);
    const u32 *data = pixman_image_get_data(shown);
    g_assert_cmphex(data[0] & 0xffffff, ==, 0xff0000);
    g_assert_cmphex(data[1] & 0xffffff, ==, 0x00ff00);
    g_assert_cmphex(data[pixman_image_get_stride(shown) / 4] & 0xffffff, ==, 0x0000ff);
    pixman_image_unref(shown);
    g_assert_null(console_create(NULL, "x", 0, NULL, NULL));
    console_set_image(NULL, NULL);
    console_destroy(second);
    ui_destroy(ui);
}

static void test_pictures(void)
{
    g_autofree char *dir = g_dir_make_tmp("mynah-ui-XXXXXX", NULL), *ppm = g_build_filename(dir, "a.ppm", NULL), *png = g_build_filename(dir, "a.png", NULL);
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, 3, 2, NULL, 0);
    u32 *data = pixman_image_get_data(image);
    u8 pixels[18];

    for (unsigned i = 0; i < 6; i++)
        data[i] = 0x100 * i + 0x10000 * (2 * i) + 3 * i;
    int fd = open(ppm, O_WRONLY | O_CREAT, 0600);
    g_assert_true(picture_write(image, PICTURE_PPM, fd, NULL));
    close(fd);
    g_autofree char *text = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(ppm, &text, &length, NULL));
    g_assert_cmpuint(length, ==, 11 + 18);
    g_assert_cmpmem(text, 11, "P6\n3 2\n255\n", 11);
    g_assert_cmpuint((u8)text[11 + 3 * 5], ==, 10);
    fd = open(png, O_WRONLY | O_CREAT, 0600);
    g_assert_true(picture_write(image, PICTURE_PNG, fd, NULL));
    close(fd);
    png_image read = {.version = PNG_IMAGE_VERSION};
    g_assert_true(png_image_begin_read_from_file(&read, png));
    read.format = PNG_FORMAT_RGB;
    g_assert_cmpuint(PNG_IMAGE_SIZE(read), ==, sizeof(pixels));
    g_assert_true(png_image_finish_read(&read, NULL, pixels, 0, NULL));
    g_assert_cmpmem(pixels, 18, text + 11, 18);
    fd = open("/dev/full", O_WRONLY);
    g_assert_false(picture_write(image, PICTURE_PPM, fd, NULL));
    g_assert_false(picture_write(image, PICTURE_PNG, fd, NULL));
    close(fd);
    pixman_image_unref(image);
    g_unlink(ppm);
    g_unlink(png);
    g_rmdir(dir);
}

struct taker {
    struct input_handler handler;
    GString *seen;
};

static void take(void *opaque, const struct input_event *event)
{
    struct taker *taker = opaque;

    g_string_append_printf(taker->seen, "%u:%u:%d ", event->kind, event->code, event->kind <= INPUT_BUTTON ? event->down : event->value);
}

static void end(void *opaque)
{
    g_string_append(((struct taker *)opaque)->seen, "| ");
}

static void taker_init(struct taker *taker, struct ui *ui, const char *name, u32 kinds)
{
    *taker = (struct taker){.handler = {.name = name, .kinds = kinds, .event = take, .sync = end, .opaque = taker}, .seen = g_string_new(NULL)};
    input_add(ui, &taker->handler);
}

static void taker_check(struct taker *taker, const char *expected)
{
    g_assert_cmpstr(taker->seen->str, ==, expected);
    g_string_truncate(taker->seen, 0);
}

static void test_input(void)
{
    struct ui *ui = ui_create();
    GMainContext *context = g_main_context_new();
    struct taker mouse, tablet, keyboard;
    const struct input_event step = {.kind = INPUT_MOVE, .code = INPUT_X, .value = -3}, press = {.kind = INPUT_BUTTON, .code = INPUT_LEFT, .down = true};
    u16 keys[2] = {(u16)input_key_find("ctrl"), (u16)input_key_find("c")};

    g_assert_false(input_send(ui, &step));
    g_assert_false(input_press(ui, context, keys, 2, 1));
    taker_init(&mouse, ui, "mouse", INPUT_MOVE | INPUT_BUTTON);
    taker_init(&tablet, ui, "tablet", INPUT_PLACE | INPUT_BUTTON);
    taker_init(&keyboard, ui, "keyboard", INPUT_KEY);
    g_assert_true(input_send(ui, &step));
    g_assert_true(input_send(ui, &press));
    input_sync(ui);
    taker_check(&mouse, "4:0:-3 | ");
    taker_check(&tablet, "2:0:1 | "); /* the later one gets what both take */
    taker_check(&keyboard, "");
    g_assert_true(input_choose(ui, mouse.handler.number));
    g_assert_false(input_choose(ui, keyboard.handler.number));
    input_send(ui, &press);
    taker_check(&mouse, "2:0:1 ");
    g_assert_true(input_press(ui, context, keys, 2, 1));
    g_autofree char *down = g_strdup_printf("1:%u:1 | 1:%u:1 | ", keys[0], keys[1]);
    g_autofree char *up = g_strdup_printf("1:%u:0 | 1:%u:0 | ", keys[1], keys[0]);
    taker_check(&keyboard, down);
    g_main_context_iteration(context, TRUE);
    taker_check(&keyboard, up);
    g_assert_true(input_press(ui, context, keys, 1, 1)); /* one after the other */
    g_assert_true(input_press(ui, context, keys, 1, 1));
    g_autofree char *first = g_strdup_printf("1:%u:1 | ", keys[0]), *second = g_strdup_printf("1:%u:0 | 1:%u:1 | ", keys[0], keys[0]);
    taker_check(&keyboard, first);
    g_main_context_iteration(context, TRUE);
    taker_check(&keyboard, second);
    unsigned waiting = 0;
    while (input_press(ui, context, keys, 1, 60000)) /* still held at the end */
        waiting++;
    g_assert_cmpuint(waiting, ==, 255);
    input_remove(ui, &mouse.handler);
    input_remove(ui, &tablet.handler);
    input_remove(ui, &keyboard.handler);
    g_string_free(mouse.seen, TRUE);
    g_string_free(tablet.seen, TRUE);
    g_string_free(keyboard.seen, TRUE);
    ui_destroy(ui);
    g_main_context_unref(context);
}

/* A stopped machine gets nothing, and afterwards only what was down before and is not any more. */
static void test_stopped(void)
{
    const struct input_event a = {.kind = INPUT_KEY, .code = 5, .down = true}, a_up = {.kind = INPUT_KEY, .code = 5},
                             b = {.kind = INPUT_KEY, .code = 6, .down = true}, b_up = {.kind = INPUT_KEY, .code = 6},
                             step = {.kind = INPUT_MOVE, .code = INPUT_X, .value = 1};
    struct ui *ui = ui_create();
    struct taker taker;

    taker_init(&taker, ui, "all", INPUT_KEY | INPUT_MOVE);
    input_send(ui, &a);
    taker_check(&taker, "1:5:1 ");
    input_set_running(ui, false);
    g_string_truncate(taker.seen, 0);
    g_assert_true(input_send(ui, &step));
    input_send(ui, &b);
    input_send(ui, &b_up);
    input_send(ui, &a_up);
    input_sync(ui);
    taker_check(&taker, "");
    input_set_running(ui, true);
    taker_check(&taker, "1:5:0 | ");
    input_send(ui, &step);
    taker_check(&taker, "4:0:1 ");
    input_remove(ui, &taker.handler);
    g_string_free(taker.seen, TRUE);
    ui_destroy(ui);
}

static void test_keys(void)
{
    g_assert_cmpint(input_key_find("nokey"), ==, -1);
    g_assert_cmpint(input_key_find_number(0), ==, -1);
    g_assert_cmpint(input_key_find_number(0x9c), ==, input_key_find("kp_enter"));
    g_assert_cmpint(input_key_find_number(0x1e), ==, input_key_find("a"));
    g_assert_cmpuint(input_keys[input_key_find("ret")].linux_code, ==, 28);
    g_assert_cmpuint(input_keys[input_key_find("f12")].linux_code, ==, 88);
    g_assert_cmpuint(input_keys[input_key_find("up")].linux_code, ==, 103);
    g_assert_cmpuint(input_key_count, ==, 162);
}

static void test_edid(void)
{
    for (u32 width = 1; width < 5000; width += 333) {
        const struct edid_screen screen = {.width = width, .height = width * 3 / 4 + 1};
        u8 edid[EDID_SIZE], sum = 0;

        edid_make(&screen, edid);
        for (unsigned i = 0; i < EDID_SIZE; i++)
            sum = (u8)(sum + edid[i]);
        g_assert_cmpuint(sum, ==, 0);
        g_assert_cmpuint(edid[54 + 2] | (edid[54 + 4] & 0xf0) << 4, ==, MIN(width, 4095));
        g_assert_cmpuint(edid[54 + 5] | (edid[54 + 7] & 0xf0) << 4, ==, MIN(width * 3 / 4 + 1, 4095));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/consoles", test_consoles);
    g_test_add_func("/ui/pictures", test_pictures);
    g_test_add_func("/ui/input", test_input);
    g_test_add_func("/ui/stopped", test_stopped);
    g_test_add_func("/ui/keys", test_keys);
    g_test_add_func("/ui/edid", test_edid);
    return g_test_run();
}
