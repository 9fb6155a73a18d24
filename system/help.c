/* system/help.c - "X help": lists of machines, CPUs, devices, accelerators, and properties of one of them. */
#include "api/types.h"
#include "base/log.h"
#include "host/folders.h"
#include "hw/core/trace.h"
#include "net/net.h"
#include "system/system.h"
#include "vm/vcpu.h"
#include <stdio.h>
#include <string.h>

struct listing {
    u32 guest;
    const char *ancestor;
};

static void list_machine(const struct vm_class *class, void *opaque)
{
    const struct listing *listing = opaque;
    const struct machine_class *board = class->data;

    if (class->abstract || !board || !vm_class_is_a(class, "machine", listing->guest))
        return;
    printf("%-20s %s%s\n", board->name, board->description, board->is_default ? " (default)" : "");
    if (board->alias)
        printf("%-20s %s (alias of %s)\n", board->alias, board->description, board->name);
}

static void list_class(const struct vm_class *class, void *opaque)
{
    const struct listing *listing = opaque;

    if (!class->abstract && class->user_creatable && vm_class_is_a(class, listing->ancestor, listing->guest))
        printf("name \"%s\"%s%s\n", class->name, class->description ? ", desc: " : "", class->description ? class->description : "");
}

static void list_cpu(const struct vm_class *class, void *opaque)
{
    const struct listing *listing = opaque;
    const char *end = g_strrstr(class->name, vm_guest_cpu_suffix(listing->guest));

    if (!class->abstract && vm_class_is_a(class, "cpu", listing->guest))
        printf("  %.*s\n", end ? (int)(end - class->name) : (int)strlen(class->name), class->name);
}

static void list_accel(const struct vm_class *class, void *opaque)
{
    const struct listing *listing = opaque;
    const struct accel_class *accel = class->data;

    if (!class->abstract && accel && vm_class_is_a(class, "accel", 0) && accel->present(listing->guest))
        printf("%-8s %s\n", accel->name, accel->description);
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const struct vm_property *const *)a)->name, (*(const struct vm_property *const *)b)->name);
}

static void list_properties(struct mynah_system *s, const struct vm_class *class, const char *name)
{
    g_autoptr(GPtrArray) properties = vm_class_properties(class, s->guest);

    printf("%s options:\n", name);
    g_ptr_array_sort(properties, by_name);
    for (guint i = 0; i < properties->len; i++) {
        const struct vm_property *p = properties->pdata[i];
        g_autofree char *left = g_strdup_printf("%s=<%s>", p->name, vm_property_type_name(p));

        printf("  %-32s - %s", left, p->description ? p->description : "");
        if (p->names) {
            g_autofree char *all = g_strjoinv("|", (char **)p->names);
            printf(" (%s)", all);
        }
        printf(p->default_text ? " (default: %s)\n" : "\n", p->default_text);
    }
}

static void list(struct mynah_system *s, void (*fn)(const struct vm_class *, void *), const char *ancestor)
{
    struct listing listing = { s->guest, ancestor };

    vm_class_foreach(s->guest, fn, &listing);
}

/* "NAME,help". */
static const char *wants_properties(const struct api_keyval *keyval, const char *type_key)
{
    const struct api_keyval_item *type = api_keyval_find(keyval, type_key);
    bool help = api_keyval_find(keyval, "help") || api_keyval_find(keyval, "?");

    return type && help && strcmp(type->value, "help") && strcmp(type->value, "?") ? type->value : NULL;
}

static bool show_properties(struct mynah_system *s, const char *name, const char *suffix)
{
    g_autofree char *class_name = g_strconcat(name, suffix, NULL);
    const struct vm_class *class = vm_class_find(class_name, s->guest);

    if (!class)
        return false; /* creating it will say so, with the nearest name */
    list_properties(s, class, name);
    return true;
}

static bool help_for(struct mynah_system *s, struct api_option_use *use)
{
    const struct { enum api_option_id id; const char *key, *suffix, *ancestor; } rows[] = {
        { API_OPTION_MACHINE, "type", "-machine", "machine" }, { API_OPTION_CPU, "model", vm_guest_cpu_suffix(s->guest), "cpu" },
        { API_OPTION_DEVICE, "driver", "", "device" },         { API_OPTION_OBJECT, "qom-type", "", "user-creatable" },
        { API_OPTION_ACCEL, "accel", "-accel", "accel" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].id != use->id)
            continue;
        const char *name = wants_properties(use->keyval, rows[i].key);
        if (name)
            return show_properties(s, name, rows[i].suffix);
        if (!api_keyval_wants_help(use->keyval))
            return false;
        switch (use->id) {
        case API_OPTION_MACHINE:
            printf("Supported machines are:\n");
            list(s, list_machine, NULL);
            break;
        case API_OPTION_CPU:
            printf("Available CPUs:\n");
            list(s, list_cpu, NULL);
            break;
        case API_OPTION_ACCEL:
            printf("Accelerators supported by this binary:\n");
            list(s, list_accel, NULL);
            break;
        default:
            list(s, list_class, rows[i].ancestor);
            break;
        }
        return true;
    }
    return false;
}

static void list_card(const struct vm_class *class, void *opaque)
{
    const struct listing *listing = opaque;

    if (!class->abstract && class->user_creatable && vm_class_is_a(class, "device", listing->guest) && vm_class_property(class, listing->guest, "netdev"))
        puts(class->name);
}

static void show_cards(struct mynah_system *s, const char *title)
{
    puts(title);
    list(s, list_card, "device");
}

static void show_netdevs(void)
{
    g_autofree char *all = g_strjoinv("\n", (char **)net_kinds());

    printf("Available netdev backend types:\n%s\n", all);
}

static bool is_help(const struct api_keyval *list, const char *key)
{
    const struct api_keyval_item *item = api_keyval_find(list, key);

    return item && (!strcmp(item->value, "help") || !strcmp(item->value, "?"));
}

/* Of values: -nic model=help, -drive format=help; and -netdev help, -nic help. */
static bool help_for_value(struct mynah_system *s, struct api_option_use *use)
{
    bool network = use->id == API_OPTION_NIC || use->id == API_OPTION_NET;

    if (network && is_help(use->keyval, "model")) {
        show_cards(s, "Available NIC models for this configuration:");
    } else if (use->id == API_OPTION_NETDEV && api_keyval_wants_help(use->keyval)) {
        show_netdevs();
    } else if (use->id == API_OPTION_NIC && api_keyval_wants_help(use->keyval)) {
        show_netdevs();
        show_cards(s, "\nAvailable NIC models (use -nic model=help for a filtered list):");
    } else if (use->id == API_OPTION_DRIVE && is_help(use->keyval, "format")) {
        g_autofree char *all = g_strjoinv(" ", (char **)api_type_blockdev_driver.values);

        printf("Supported formats: %s\nSupported formats (read-only): %s\n", all, all);
    } else {
        return false;
    }
    return true;
}

/* -L help */
static char *list_firmware_folders(void)
{
    g_autoptr(GPtrArray) folders = g_ptr_array_new_with_free_func(g_free);

    host_folders_add_firmware(folders);
    g_ptr_array_add(folders, g_strdup(""));
    g_ptr_array_add(folders, NULL);
    return g_strjoinv("\n", (char **)folders->pdata);
}

static void print_event(const char *event, void *opaque)
{
    puts(event);
}

bool system_help(struct mynah_system *s)
{
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);
        g_autofree char *text = NULL;

        if (use->keyval && (help_for(s, use) || help_for_value(s, use)))
            return true;
        if (use->id == API_OPTION_TRACE && api_keyval_wants_help(use->keyval)) {
            device_trace_events(s->guest, print_event, NULL);
            return true;
        }
        if (use->id == API_OPTION_CAPITAL_L && !strcmp(use->text, "help"))
            text = list_firmware_folders();
        if (use->id == API_OPTION_D && (!strcmp(use->text, "help") || !strcmp(use->text, "?")))
            text = log_help();
        if (use->id == API_OPTION_CHARDEV && api_keyval_wants_help(use->keyval)) {
            const struct api_keyval_item *kind = api_keyval_find(use->keyval, "backend");

            text = chardev_help(kind && strcmp(kind->value, "help") ? kind->value : NULL);
        }
        if (!text)
            continue;
        fputs(text, stdout);
        return true;
    }
    return false;
}
