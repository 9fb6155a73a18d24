/* ui/console.c - the screens of a machine. */
#include "ui/internal.h"
#include "base/error.h"
#include <string.h>

enum { EMPTY_WIDTH = 640, EMPTY_HEIGHT = 480 };

struct ui *ui_create(void)
{
    struct ui *ui = g_new0(struct ui, 1);

    ui->consoles = g_ptr_array_new();
    input_init(ui);
    return ui;
}

void ui_destroy(struct ui *ui)
{
    if (!ui)
        return;
    while (ui->consoles->len)
        console_destroy(ui->consoles->pdata[0]);
    g_ptr_array_unref(ui->consoles);
    input_finish(ui);
    g_free(ui);
}

struct console *console_create(struct ui *ui, const char *device, u32 head, const struct console_ops *ops, void *opaque)
{
    struct console *console;

    if (!ui)
        return NULL;
    console = g_new0(struct console, 1);
    console->ui = ui;
    console->device = g_strdup(device);
    console->head = head;
    console->ops = ops;
    console->opaque = opaque;
    g_ptr_array_add(ui->consoles, console);
    return console;
}

void console_destroy(struct console *console)
{
    if (!console)
        return;
    console_set_image(console, NULL);
    g_ptr_array_remove(console->ui->consoles, console);
    g_free(console->device);
    g_free(console);
}

void console_set_image(struct console *console, pixman_image_t *image)
{
    if (!console)
        return;
    if (image)
        pixman_image_ref(image);
    if (console->image)
        pixman_image_unref(console->image);
    console->image = image;
    console->generation++;
}

void console_changed(struct console *console, u32 x, u32 y, u32 width, u32 height)
{
    if (console)
        console->generation++;
}

u64 console_generation(const struct console *console)
{
    return console->generation;
}

struct console *ui_console(struct ui *ui, const char *device, u32 head, GError **error)
{
    bool known = false;

    if ((!ui || !ui->consoles->len) && device) {
        error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", device);
        return NULL;
    }
    if (!ui || !ui->consoles->len) {
        error_set(error, "There is no console to take a screendump from");
        return NULL;
    }
    for (guint i = 0; i < ui->consoles->len; i++) {
        struct console *console = ui->consoles->pdata[i];

        if (device && strcmp(console->device, device))
            continue;
        known = true;
        if (!device || console->head == head)
            return console;
    }
    if (known)
        error_set(error, "Device '%s' has no screen %u", device, head);
    else
        error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", device);
    return NULL;
}

pixman_image_t *console_snapshot(struct console *console)
{
    if (console->ops && console->ops->update)
        console->ops->update(console->opaque);
    pixman_image_t *from = console->image;
    int width = from ? pixman_image_get_width(from) : EMPTY_WIDTH, height = from ? pixman_image_get_height(from) : EMPTY_HEIGHT;
    pixman_image_t *to = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);

    if (from && to)
        pixman_image_composite32(PIXMAN_OP_SRC, from, NULL, to, 0, 0, 0, 0, 0, 0, width, height);
    return to;
}
