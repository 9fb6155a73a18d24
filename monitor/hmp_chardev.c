/* monitor/hmp_chardev.c - the human monitor's commands about character back ends. */
#include "api/keyval.h"
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include <string.h>

/* What is written after -chardev, as a table; NULL with *error. */
static GHashTable *parse(struct hmp *hmp, const char *text, GError **error)
{
    static const struct api_keys keys = { .implied = "backend", .open = true, .json = true };
    g_autoptr(api_keyval) list = api_keyval_parse(text ? text : "", &keys, error);

    if (!list)
        return NULL;
    if (!hmp->monitor->set->chardevs) {
        error_set(error, "this machine has no character back ends");
        return NULL;
    }
    return api_keyval_table(list);
}

void hmp_chardev_add(struct hmp *hmp)
{
    g_autofree char *text = hmp_word(hmp);
    GError *error = NULL;
    g_autoptr(GHashTable) options = parse(hmp, text, &error);

    if (!options || !chardev_create(hmp->monitor->set->chardevs, options, &error))
        hmp_error(hmp, error);
}

void hmp_chardev_change(struct hmp *hmp)
{
    g_autofree char *id = hmp_word(hmp), *text = hmp_word(hmp);
    GError *error = NULL;
    g_autoptr(GHashTable) options = parse(hmp, text, &error);

    if (!options || !monitor_change_chardev(hmp->monitor, id ? id : "", options, &error))
        hmp_error(hmp, error);
}

void hmp_chardev_remove(struct hmp *hmp)
{
    g_autofree char *id = hmp_word(hmp);
    const struct api_args_chardev_remove args = { .id = id ? id : (char *)"" };
    GError *error = NULL;

    if (!qmp_chardev_remove(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
}

void hmp_chardev_send_break(struct hmp *hmp)
{
    g_autofree char *id = hmp_word(hmp);
    const struct api_args_chardev_send_break args = { .id = id ? id : (char *)"" };
    GError *error = NULL;

    if (!qmp_chardev_send_break(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
}

/* Unprintable bytes appear as \xNN, so that a guest cannot steer the terminal. */
static void append_printable(GString *out, const char *text)
{
    for (; *text; text++) {
        u8 byte = (u8)*text;

        if ((byte >= ' ' && byte != 0x7f && byte != '\\') || byte == '\n')
            g_string_append_c(out, *text);
        else if (byte == '\\')
            g_string_append(out, "\\\\");
        else if (byte != '\r')
            g_string_append_printf(out, "\\x%02x", byte);
    }
    g_string_append_c(out, '\n');
}

void hmp_ringbuf_read(struct hmp *hmp)
{
    g_autofree char *id = hmp_word(hmp), *data = NULL;
    struct api_args_ringbuf_read args = { .device = id ? id : (char *)"" };
    GError *error = NULL;
    u64 size;

    if (hmp_number(hmp, &size, &error)) {
        args.size = (s64)MIN(size, INT64_MAX);
        if (qmp_ringbuf_read(hmp->monitor, &args, &data, &error))
            append_printable(hmp->out, data);
    }
    if (error)
        hmp_error(hmp, error);
}

void hmp_ringbuf_write(struct hmp *hmp)
{
    g_autofree char *id = hmp_word(hmp), *data = hmp_word(hmp);
    const struct api_args_ringbuf_write args = { .device = id ? id : (char *)"", .data = data ? data : (char *)"" };
    GError *error = NULL;

    if (!qmp_ringbuf_write(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
}
