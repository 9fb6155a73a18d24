/* gdbstub/description.c - target description and thread list as XML (GDB manual, "Target
 * Descriptions"). */
#include "gdbstub/internal.h"
#include <string.h>

static void append_register(GString *xml, const struct cpu_register *reg)
{
    g_autofree char *text = g_markup_printf_escaped(
        "<reg name=\"%s\" bitsize=\"%u\" regnum=\"%u\" type=\"%s\" group=\"%s\"/>", reg->name,
        reg->bits, reg->number, reg->gdb_type, reg->group);

    g_string_append(xml, text);
}

/* A register as lanes of each width, by gdb's names for them. */
static void append_vector_types(GString *xml, const char *id, unsigned bits)
{
    static const struct lane {
        const char *vector, *field, *type;
        unsigned bits;
    } lanes[] = { {"quads", "q", "uint128", 128}, {"longs", "l", "uint64", 64}, {"words", "w", "uint32", 32},
                  {"shorts", "s", "uint16", 16}, {"bytes", "b", "uint8", 8} };

    for (unsigned i = 0; i < G_N_ELEMENTS(lanes); i++) {
        if (lanes[i].bits <= bits)
            g_string_append_printf(xml, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>", lanes[i].vector,
                                   lanes[i].type, bits / lanes[i].bits);
    }
    g_string_append_printf(xml, "<union id=\"%s\">", id);
    for (unsigned i = 0; i < G_N_ELEMENTS(lanes); i++) {
        if (lanes[i].bits <= bits)
            g_string_append_printf(xml, "<field name=\"%s\" type=\"%s\"/>", lanes[i].field, lanes[i].vector);
    }
    g_string_append(xml, "</union>");
}

/* The first register of a feature tells whether it has vectors. */
static void append_types(GString *xml, const struct cpu_register *list, unsigned count, const char *feature)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(list[i].feature, feature))
            continue;
        if (g_str_has_suffix(list[i].gdb_type, "_vector"))
            append_vector_types(xml, list[i].gdb_type, list[i].bits);
        return;
    }
}

/* All registers of one feature, wherever they stand in the list. */
static void append_feature(GString *xml, const struct cpu_register *list, unsigned count,
                           const char *name)
{
    g_autofree char *open = g_markup_printf_escaped("<feature name=\"%s\">", name);

    g_string_append(xml, open);
    append_types(xml, list, count, name);
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(list[i].feature, name))
            append_register(xml, &list[i]);
    }
    g_string_append(xml, "</feature>");
}

static bool first_of_feature(const struct cpu_register *list, unsigned index)
{
    for (unsigned i = 0; i < index; i++) {
        if (!strcmp(list[i].feature, list[index].feature))
            return false;
    }
    return true;
}

const char *gdb_description(struct gdb_server *server)
{
    const char *architecture = server->ops->architecture(server->target);
    unsigned count;
    const struct cpu_register *list = server->ops->registers(server->target, &count);

    if (server->description)
        return server->description;
    if (!architecture || !count)
        return "";
    GString *xml =
        g_string_new("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>");
    g_string_append_printf(xml, "<architecture>%s</architecture>", architecture);
    for (unsigned i = 0; i < count; i++) {
        if (first_of_feature(list, i))
            append_feature(xml, list, count, list[i].feature);
    }
    g_string_append(xml, "</target>");
    server->description = g_string_free(xml, FALSE);
    return server->description;
}

char *gdb_threads_xml(struct gdb_server *server)
{
    unsigned count = server->ops->thread_count(server->target);
    GString *xml = g_string_new("<?xml version=\"1.0\"?><threads>");

    for (unsigned i = 0; i < count; i++) {
        g_autofree char *name = server->ops->thread_text(server->target, i);
        g_autofree char *text =
            g_markup_printf_escaped("<thread id=\"%x\" core=\"%u\">%s</thread>", i + 1, i, name);

        g_string_append(xml, text);
    }
    g_string_append(xml, "</threads>");
    return g_string_free(xml, FALSE);
}
