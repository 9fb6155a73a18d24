/* system/drives.c - -blockdev and -drive: disks for devices to claim. */
#include "api/json.h"
#include "api/types.h"
#include "base/error.h"
#include "block/disk.h"
#include "system/system.h"
#include "vm/machine.h"
#include <json-c/json.h>
#include <string.h>

static struct json_object *typed(struct json_object *nested)
{
    struct json_object *out = nested ? api_coerce(&api_type_blockdev_options, nested) : NULL;

    json_object_put(nested);
    return out;
}

static bool add_blockdev(struct mynah_system *s, struct api_option_use *use, GError **error)
{
    /* As JSON it is taken from the text: null means something here. */
    struct json_object *options = use->text[0] == '{' ? api_json_parse(use->text, strlen(use->text), error) : typed(api_keyval_nest(use->keyval, error));
    bool ok = options && disk_set_open(s->disks, options, error);

    json_object_put(options);
    return ok;
}

static bool choose_cache(const char *mode, unsigned *flags, GError **error)
{
    if (!strcmp(mode, "none") || !strcmp(mode, "directsync") || !strcmp(mode, "off"))
        *flags |= BLOCK_OPEN_DIRECT;
    else if (!strcmp(mode, "unsafe"))
        *flags |= BLOCK_OPEN_NO_FLUSH;
    else if (strcmp(mode, "writeback") && strcmp(mode, "writethrough")) {
        error_set(error, "invalid cache option: '%s'", mode);
        return error_hint(error, "it is none, writeback, writethrough, directsync or unsafe");
    }
    return true;
}

static bool read_flags(struct api_keyval *list, unsigned *flags, GError **error)
{
    const char *cache = api_keyval_get(list, "cache"), *discard = api_keyval_get(list, "discard");
    const char *media = api_keyval_get(list, "media");
    bool read_only = media && !strcmp(media, "cdrom");

    if (media && !read_only && strcmp(media, "disk"))
        return error_set(error, "'%s' invalid media", media);
    if (!api_keyval_get_bool(list, "readonly", &read_only, error) || !api_keyval_get_bool(list, "read-only", &read_only, error))
        return false;
    if (cache && !choose_cache(cache, flags, error))
        return false;
    if (discard && (!strcmp(discard, "unmap") || !strcmp(discard, "on")))
        *flags |= BLOCK_OPEN_UNMAP;
    else if (discard && strcmp(discard, "ignore") && strcmp(discard, "off"))
        return error_set(error, "Invalid discard option '%s'", discard);
    *flags |= read_only ? 0 : BLOCK_OPEN_WRITE;
    return true;
}

/* Into the file below: aio and locking belong there. */
static void set_below(struct json_object *options, const char *key, const char *value)
{
    struct json_object *file;

    if (value && json_object_object_get_ex(options, "file", &file) && json_object_is_type(file, json_type_object))
        json_object_object_add(file, key, json_object_new_string(value));
}

static void set_text(struct json_object *options, const char *key, const char *value)
{
    if (value)
        json_object_object_add(options, key, json_object_new_string(value));
}

/* NULL without *error: no medium. */
static struct json_object *drive_options(struct api_keyval *list, GError **error)
{
    const char *file = api_keyval_get(list, "file"), *format = api_keyval_get(list, "format");
    struct json_object *options;
    unsigned flags = 0;

    if (!read_flags(list, &flags, error))
        return NULL;
    if (!file || !*file)
        return NULL;
    options = block_name_options(file, format, flags, error);
    if (!options)
        return NULL;
    set_below(options, "aio", api_keyval_get(list, "aio"));
    set_below(options, "locking", api_keyval_get(list, "file.locking"));
    set_text(options, "detect-zeroes", api_keyval_get(list, "detect-zeroes"));
    set_text(options, "node-name", api_keyval_get(list, "node-name"));
    return options;
}

static bool check_interface(const char *interface, GError **error)
{
    static const char *const later[] = { "ide", "scsi", "sd", "mtd", "floppy", "pflash", "xen", NULL };

    if (!interface || !strcmp(interface, "none") || !strcmp(interface, "virtio"))
        return true;
    if (g_strv_contains(later, interface))
        return error_set(error, "if=%s is not there yet", interface);
    error_set(error, "unsupported bus type '%s'", interface);
    return error_hint(error, "it is none or virtio");
}

static const char *const drive_keys[] = { "file", "format", "if", "id", "index", "media", "cache", "aio", "readonly", "read-only", "discard",
                                          "detect-zeroes", "node-name", "file.locking", NULL };

/* if=virtio: the disk comes with its device. */
static void add_device(struct mynah_system *s, const char *id)
{
    g_ptr_array_add(s->drive_devices, g_strdup(id));
}

static bool add_drive(struct mynah_system *s, struct api_option_use *use, unsigned number, GError **error)
{
    struct api_keyval *list = use->keyval;
    const char *interface = api_keyval_get(list, "if"), *id = api_keyval_get(list, "id");
    bool is_virtio = interface && !strcmp(interface, "virtio");
    g_autofree char *made = g_strdup_printf("%s%u", is_virtio ? "virtio" : "none", number);
    GError *why = NULL;
    struct json_object *options;
    bool ok;

    if (!check_interface(interface, error))
        return false;
    options = drive_options(list, &why);
    if (why) {
        g_propagate_error(error, why);
        return false;
    }
    api_keyval_get(list, "index");
    ok = api_keyval_check_used(list, drive_keys, error) && disk_add_drive(s->disks, id ? id : made, options, error);
    json_object_put(options);
    if (ok && is_virtio)
        add_device(s, id ? id : made);
    return ok;
}

bool system_create_drives(struct mynah_system *s, GError **error)
{
    unsigned number = 0;

    s->drive_devices = g_ptr_array_new_with_free_func(g_free);
    s->disks = disk_set_create(vm_context(s->vm), error);
    if (!s->disks)
        return false;
    vm_set_backend(s->vm, "disks", 0, s->disks);
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (use->id == API_OPTION_BLOCKDEV && !add_blockdev(s, use, error))
            return error_prefix(error, "-blockdev %s", use->text);
        if (use->id == API_OPTION_DRIVE && !add_drive(s, use, number++, error))
            return error_prefix(error, "-drive %s", use->text);
    }
    return true;
}
