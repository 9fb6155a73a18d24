/* hw/core/describe.c - the reference text of a declared device, from its rows. */
#include "hw/core/device.h"
#include "hw/core/dispatch.h"
#include <inttypes.h>

static const char *access_name(u8 access)
{
    switch (access) {
    case DEVICE_RO:
        return "RO";
    case DEVICE_WO:
        return "WO";
    case DEVICE_W1C:
        return "W1C";
    case DEVICE_RC:
        return "RC";
    default:
        return "RW";
    }
}

static void describe_window(GString *text, const struct device_decl *decl, u32 number)
{
    const struct device_window_decl *window = &decl->windows[number];

    g_string_append_printf(text, "\nWindow %s, 0x%" PRIx64 " bytes%s: %s\n", window->name, window->size, window->lockless ? ", lockless" : "",
                           window->doc);
    for (u32 i = 0; i < decl->reg_count; i++) {
        const struct device_reg *reg = &decl->regs[i];
        u32 total = device_reg_total(reg);
        g_autofree char *many = total > 1 ? g_strdup_printf("[%u]", total) : g_strdup("");

        if (reg->window == number)
            g_string_append_printf(text, "  +0x%-6" PRIx64 " u%-2u %-3s  %s%s: %s\n", reg->offset, reg->width * 8, access_name(reg->access),
                                   reg->name, many, reg->doc);
    }
}

char *device_describe(const struct device_decl *decl)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s - %s\n", decl->name, decl->doc);
    for (u32 i = 0; i < decl->window_count; i++)
        describe_window(text, decl, i);
    if (decl->line_count + decl->input_count)
        g_string_append(text, "\nLines\n");
    for (u32 i = 0; i < decl->line_count; i++)
        g_string_append_printf(text, "  out %s: %s\n", decl->lines[i].name, decl->lines[i].doc);
    for (u32 i = 0; i < decl->input_count; i++)
        g_string_append_printf(text, "  in  %s[%u]: %s\n", decl->inputs[i].name, decl->inputs[i].count, decl->inputs[i].doc);
    if (decl->field_count)
        g_string_append(text, "\nHidden state\n");
    for (u32 i = 0; i < decl->field_count; i++)
        g_string_append_printf(text, "  %s: %s\n", decl->fields[i].name, decl->fields[i].doc);
    return g_string_free(text, FALSE);
}
