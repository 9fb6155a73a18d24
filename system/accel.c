/* system/accel.c - choosing the accelerator: the first of those named that works. */
#include "base/error.h"
#include "block/disk.h"
#include "block/throttle.h"
#include "system/system.h"
#include "vm/clock.h"
#include "vm/icount.h"
#include "vm/vcpu.h"
#include <stdio.h>
#include <string.h>

static void collect(const struct vm_class *class, void *opaque)
{
    const struct accel_class *accel = class->data;

    if (!class->abstract && accel && vm_class_is_a(class, "accel", 0))
        g_ptr_array_add(opaque, (gpointer)accel->name);
}

static bool set_properties(struct vm_object *object, struct api_keyval *list, GError **error)
{
    for (unsigned i = 0; list && i < api_keyval_count(list); i++) {
        const struct api_keyval_item *item = api_keyval_at(list, i);

        if (strcmp(item->key, "accel") && !vm_object_set(object, item->key, item->value, error))
            return false;
    }
    return true;
}

static s64 virtual_now(void *opaque)
{
    return vm_clock_now(opaque, VM_CLOCK_VIRTUAL);
}

/* -perfmap and -jitdump are for accelerators that make code. */
static bool set_perf(struct mynah_system *s, struct vm_object *accel, const char *name, GError **error)
{
    static const struct { enum api_option_id id; const char *property; } options[] = {
        { API_OPTION_PERFMAP, "perfmap" }, { API_OPTION_JITDUMP, "jitdump" }
    };

    for (unsigned i = 0; i < ARRAY_SIZE(options); i++)
        if (api_option_last(s->options, options[i].id) && !vm_object_set(accel, options[i].property, "on", NULL))
            return error_set(error, "-%s is for generated code, which accelerator '%s' does not make", options[i].property, name);
    return true;
}

static void refuse(const struct accel_class *accel, const char *name, GError **error)
{
    static const char *const qemu[] = { "hvf", "kvm", "mshv", "nitro", "nvmm", "whpx", "xen", NULL };

    if (accel)
        error_set(error, "accelerator '%s' does not work here", name);
    else if (g_strv_contains(qemu, name))
        error_set(error, "QEMU has the accelerator '%s'; Mynah does not yet", name);
    else
        error_set(error, "unknown accelerator '%s'", name);
}

/* Ends the message about the last accelerator. False. */
static bool list_known(const char *name, GError **error)
{
    g_autoptr(GPtrArray) known = g_ptr_array_new();

    vm_class_foreach(0, collect, known);
    g_ptr_array_add(known, NULL);
    g_autofree char *all = g_strjoinv(", ", (char **)known->pdata);
    const char *near = error_nearest_name(name, (const char *const *)known->pdata);
    return near ? error_hint(error, "did you mean '%s'? accelerators: %s", near, all) : error_hint(error, "accelerators: %s", all);
}

enum outcome { STARTED, SKIPPED, FAILED };

/* SKIPPED: try the next one; the reason was said. FAILED: a mistake of the user's. */
static enum outcome try_one(struct mynah_system *s, const char *name, struct api_keyval *list, bool last, GError **error)
{
    g_autofree char *class_name = g_strdup_printf("%s-accel", name);
    const struct vm_class *class = vm_class_find(class_name, 0);
    const struct accel_class *accel = class ? class->data : NULL;

    if (!accel || !accel->present(s->guest)) {
        refuse(accel, name, error);
        if (last)
            return SKIPPED;
        system_print_message(s, "note: %s", (*error)->message);
        g_clear_error(error);
        return SKIPPED;
    }
    struct vm_object *object = vm_object_create(s->vm, class_name, vm_root(s->vm), "accel", error);
    if (!object || !set_perf(s, object, name, error))
        return FAILED;
    if (!set_properties(object, list, error) || !vm_object_realize(object, error)) {
        error_prefix(error, "-accel %s", name);
        return FAILED;
    }
    struct accel *instance = container_of(object, struct accel, object);
    instance->accel_class = accel;
    if (!instance->accel_class->start(instance, error)) {
        vm_object_destroy(object);
        if (last) {
            error_prefix(error, "-accel %s", name);
            return FAILED;
        }
        system_print_message(s, "note: accelerator '%s': %s", name, (*error)->message);
        g_clear_error(error);
        return SKIPPED;
    }
    vm_set_accel(s->vm, instance);
    if (accel->manual_clock)
        throttle_set_clock(disk_set_graph(s->disks), (struct throttle_clock){ virtual_now, s->vm });
    if (vm_icount_on(s->vm) && !accel->counts) {
        error_set(error, "-icount is not allowed with accelerator '%s'", name);
        return FAILED;
    }
    return STARTED;
}

bool system_create_accel(struct mynah_system *s, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new(), lists = g_ptr_array_new();
    g_autoptr(api_keyval) machine = api_option_merged(s->options, API_OPTION_MACHINE);
    const char *colon_list = api_keyval_get(machine, "accel");
    g_auto(GStrv) split = colon_list ? g_strsplit(colon_list, ":", -1) : NULL;

    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);
        const char *name = use->id == API_OPTION_ACCEL ? api_keyval_get(use->keyval, "accel") : NULL;

        if (!name)
            continue;
        g_ptr_array_add(names, (gpointer)name);
        g_ptr_array_add(lists, use->keyval);
    }
    if (names->len && colon_list)
        return error_set(error, "-accel and -M accel= exclude each other");
    if (split && !*split) {
        error_set(error, "-M accel=: no accelerator is named");
        return list_known("", error);
    }
    for (char **name = split; name && *name; name++) {
        g_ptr_array_add(names, *name);
        g_ptr_array_add(lists, NULL);
    }
    if (!names->len) {
        g_ptr_array_add(names, (gpointer)(api_option_last(s->options, API_OPTION_QTEST) ? "qtest" : "tcg"));
        g_ptr_array_add(lists, NULL);
    }
    for (guint i = 0; i < names->len; i++) {
        enum outcome outcome = try_one(s, names->pdata[i], lists->pdata[i], i + 1 == names->len, error);

        if (outcome != SKIPPED)
            return outcome == STARTED;
    }
    return list_known(names->pdata[names->len - 1], error);
}
