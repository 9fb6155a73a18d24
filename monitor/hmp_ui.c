/* monitor/hmp_ui.c - the monitor's commands about screens and input. */
#include "api/number.h"
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include "ui/ui.h"
#include "vm/machine.h"
#include <string.h>

static struct ui *ui_of(struct hmp *hmp)
{
    return vm_backend(hmp->vm, "ui", 0);
}

/* screendump filename [device [head]] [-f format] */
void hmp_screendump(struct hmp *hmp)
{
    char *words[5] = {0};
    struct api_args_screendump args = {0};
    const char *plain[3] = {0}, *format = NULL;
    unsigned count = 0;
    GError *error = NULL;

    for (unsigned i = 0; i < ARRAY_SIZE(words) && (words[i] = hmp_word(hmp)); i++) {
        if (i && !strcmp(words[i - 1], "-f")) {
            format = words[i];
        } else if (strcmp(words[i], "-f") && count < 3) {
            plain[count++] = words[i];
        }
    }
    args.filename = (char *)(plain[0] ? plain[0] : "");
    args.device = (char *)plain[1];
    args.has_head = plain[2] != NULL;
    args.head = plain[2] ? (s64)g_ascii_strtoull(plain[2], NULL, 0) : 0;
    int known = format ? api_enum_find(&api_type_image_format, format) : API_IMAGE_FORMAT_PPM;
    args.has_format = true;
    args.format = (enum api_image_format)known;
    if (!plain[0])
        hmp_print(hmp, "screendump: to which file?");
    else if (known < 0)
        hmp_print(hmp, "screendump: a picture is ppm or png, not '%s'", format);
    else if (!qmp_screendump(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        g_free(words[i]);
}

/* "ctrl-alt-f1", "0x1d-c": keys by name or number. */
void hmp_send_key(struct hmp *hmp)
{
    g_autofree char *text = hmp_word(hmp), *time = hmp_word(hmp);
    g_auto(GStrv) names = g_strsplit(text ? text : "", "-", -1);
    unsigned hold = time ? (unsigned)MIN(g_ascii_strtoull(time, NULL, 0), 60000) : 100, count = 0;
    u16 keys[16];

    for (char **name = names; *name && count < ARRAY_SIZE(keys); name++) {
        int key = g_str_has_prefix(*name, "0x") ? input_key_find_number((u32)g_ascii_strtoull(*name, NULL, 16)) : input_key_find(*name);

        if (key < 0) {
            hmp_print(hmp, "invalid parameter: %s", *name);
            return;
        }
        keys[count++] = (u16)key;
    }
    if (!ui_of(hmp) || !count || !input_press(ui_of(hmp), vm_context(hmp->vm), keys, count, hold))
        hmp_print(hmp, count ? "this machine has no keyboard" : "sendkey: which keys?");
}

static void move(struct ui *ui, u16 axis, s32 value)
{
    const struct input_event event = {.kind = INPUT_MOVE, .code = axis, .value = value};

    input_send(ui, &event);
}

static void press(struct ui *ui, u16 button, bool down)
{
    const struct input_event event = {.kind = INPUT_BUTTON, .code = button, .down = down};

    input_send(ui, &event);
}

/* mouse_move dx dy [dz] */
void hmp_mouse_move(struct hmp *hmp)
{
    g_autofree char *x = hmp_word(hmp), *y = hmp_word(hmp), *z = hmp_word(hmp);
    struct ui *ui = ui_of(hmp);
    s64 turn = z ? g_ascii_strtoll(z, NULL, 0) : 0;

    if (!x || !y || !ui || !input_accepts(ui, INPUT_MOVE)) {
        hmp_print(hmp, y ? "this machine has no mouse" : "mouse_move: by how much?");
        return;
    }
    move(ui, INPUT_X, (s32)g_ascii_strtoll(x, NULL, 0));
    move(ui, INPUT_Y, (s32)g_ascii_strtoll(y, NULL, 0));
    if (turn) {
        press(ui, turn > 0 ? INPUT_WHEEL_UP : INPUT_WHEEL_DOWN, true);
        press(ui, turn > 0 ? INPUT_WHEEL_UP : INPUT_WHEEL_DOWN, false);
    }
    input_sync(ui);
}

/* mouse_button state: 1 left, 2 right, 4 middle */
void hmp_mouse_button(struct hmp *hmp)
{
    static const u16 buttons[] = {INPUT_LEFT, INPUT_RIGHT, INPUT_MIDDLE};
    g_autofree char *text = hmp_word(hmp);
    struct ui *ui = ui_of(hmp);

    if (!text || !ui || !input_accepts(ui, INPUT_BUTTON)) {
        hmp_print(hmp, text ? "this machine has no mouse" : "mouse_button: which?");
        return;
    }
    u64 state = g_ascii_strtoull(text, NULL, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(buttons); i++)
        press(ui, buttons[i], state >> i & 1);
    input_sync(ui);
}

void hmp_mouse_set(struct hmp *hmp)
{
    GError *error = NULL;
    u64 index;

    if (!hmp_number(hmp, &index, &error))
        hmp_error(hmp, error);
    else if (!ui_of(hmp) || index > UINT32_MAX || !input_choose(ui_of(hmp), (u32)index))
        hmp_print(hmp, "No mouse at index '%" G_GUINT64_FORMAT "'", (guint64)index);
}

void hmp_info_mice(struct hmp *hmp)
{
    GPtrArray *list = NULL;

    qmp_query_mice(hmp->monitor, &list, NULL);
    if (!list->len)
        hmp_print(hmp, "No mouse devices connected");
    for (guint i = 0; i < list->len; i++) {
        const struct api_mouse_info *info = list->pdata[i];

        hmp_print(hmp, "%c Mouse #%u: %s%s", info->current ? '*' : ' ', (unsigned)info->index, info->name, info->absolute ? " (absolute)" : "");
    }
    api_clear(&api_type_list_mouse_info, &list);
}
