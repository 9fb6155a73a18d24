/* system/drives.c - -blockdev, -drive, -hda and the like: disks for devices to claim. */
#include "api/json.h"
#include "api/types.h"
#include "base/error.h"
#include "block/disk.h"
#include "block/throttle.h"
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

/* What cache=MODE stands for; cache.direct, cache.no-flush and cache.writeback have the last word. */
static bool choose_mode(const char *mode, unsigned *flags, bool *writeback, GError **error)
{
    *writeback = strcmp(mode, "writethrough") && strcmp(mode, "directsync");
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

static bool choose_cache(struct api_keyval *list, unsigned *flags, bool *writeback, GError **error)
{
    const char *mode = api_keyval_get(list, "cache");

    *writeback = true;
    if (mode && !choose_mode(mode, flags, writeback, error))
        return false;
    bool direct = *flags & BLOCK_OPEN_DIRECT, no_flush = *flags & BLOCK_OPEN_NO_FLUSH;
    if (!api_keyval_get_bool(list, "cache.direct", &direct, error) || !api_keyval_get_bool(list, "cache.no-flush", &no_flush, error) ||
        !api_keyval_get_bool(list, "cache.writeback", writeback, error))
        return false;
    *flags = (*flags & ~(unsigned)(BLOCK_OPEN_DIRECT | BLOCK_OPEN_NO_FLUSH)) | (direct ? BLOCK_OPEN_DIRECT : 0) | (no_flush ? BLOCK_OPEN_NO_FLUSH : 0);
    return true;
}

static bool read_flags(struct api_keyval *list, unsigned *flags, bool *writeback, GError **error)
{
    const char *discard = api_keyval_get(list, "discard");
    const char *media = api_keyval_get(list, "media");
    bool read_only = media && !strcmp(media, "cdrom");

    if (media && !read_only && strcmp(media, "disk"))
        return error_set(error, "'%s' invalid media", media);
    if (!api_keyval_get_bool(list, "readonly", &read_only, error) || !api_keyval_get_bool(list, "read-only", &read_only, error))
        return false;
    if (!choose_cache(list, flags, writeback, error))
        return false;
    if (discard && (!strcmp(discard, "unmap") || !strcmp(discard, "on")))
        *flags |= BLOCK_OPEN_UNMAP;
    else if (discard && strcmp(discard, "ignore") && strcmp(discard, "off"))
        return error_set(error, "Invalid discard option '%s'", discard);
    *flags |= read_only ? 0 : BLOCK_OPEN_WRITE;
    return true;
}

static bool choose_on_error(struct api_keyval *list, const char *key, bool read, enum disk_on_error *to, GError **error)
{
    static const char *const words[] = { [DISK_ON_ERROR_REPORT] = "report", [DISK_ON_ERROR_IGNORE] = "ignore", [DISK_ON_ERROR_ENOSPC] = "enospc",
                                         [DISK_ON_ERROR_STOP] = "stop" };
    const char *text = api_keyval_get(list, key);

    *to = DISK_ON_ERROR_AUTO;
    for (unsigned i = 0; text && i < ARRAY_SIZE(words); i++)
        if (!strcmp(words[i], text) && !(read && i == DISK_ON_ERROR_ENOSPC))
            *to = i;
    if (!text || *to != DISK_ON_ERROR_AUTO)
        return true;
    error_set(error, "'%s' invalid %s error action", text, read ? "read" : "write");
    return error_hint(error, "it is ignore, %sreport or stop", read ? "" : "enospc, ");
}

/* Of disks whose device asks for it: not flash. */
static bool choose_on_errors(struct api_keyval *list, const struct system_drive *drive, enum disk_on_error *read, enum disk_on_error *write,
                             GError **error)
{
    if (!choose_on_error(list, "werror", false, write, error) || !choose_on_error(list, "rerror", true, read, error))
        return false;
    if ((*read != DISK_ON_ERROR_AUTO || *write != DISK_ON_ERROR_AUTO) && !strcmp(drive->interface, "pflash"))
        return error_set(error, "%s is not supported by this bus type", *write != DISK_ON_ERROR_AUTO ? "werror" : "rerror");
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
static struct json_object *drive_options(struct api_keyval *list, bool *writeback, GError **error)
{
    const char *file = api_keyval_get(list, "file"), *format = api_keyval_get(list, "format"), *driver = api_keyval_get(list, "driver");
    struct json_object *options;
    unsigned flags = 0;

    if (format && driver) {
        error_set(error, "Cannot specify both 'driver' and 'format'");
        return NULL;
    }
    if (!read_flags(list, &flags, writeback, error))
        return NULL;
    if (!file || !*file)
        return NULL;
    options = block_name_options(file, format ? format : driver, flags, error);
    if (!options)
        return NULL;
    set_below(options, "aio", api_keyval_get(list, "aio"));
    set_below(options, "locking", api_keyval_get(list, "file.locking"));
    set_text(options, "detect-zeroes", api_keyval_get(list, "detect-zeroes"));
    set_text(options, "node-name", api_keyval_get(list, "node-name"));
    return options;
}

static const char *const drive_keys[] = { "file", "format", "driver", "if", "id", "index", "bus", "unit", "media", "cache", "aio", "readonly", "read-only",
                                          "cache.direct", "cache.no-flush", "cache.writeback",
                                          "discard", "copy-on-read", "detect-zeroes", "node-name", "file.locking", "snapshot", "werror", "rerror", NULL };

/* What the board or a device cannot do without. */
static bool needs_medium(const struct system_drive *drive, GError **error)
{
    if (!strcmp(drive->interface, "pflash"))
        return error_set(error, "A block device must be specified for \"file\"");
    return strcmp(drive->interface, "virtio") || error_set(error, "Device needs media, but drive is empty");
}

/* True also for keys of limits. */
static bool check_keys(struct api_keyval *list, GPtrArray *names, GError **error)
{
    for (unsigned i = 0; drive_keys[i]; i++)
        g_ptr_array_add(names, g_strdup(drive_keys[i]));
    g_ptr_array_add(names, NULL);
    return api_keyval_check_used(list, (const char *const *)names->pdata, error);
}

static void start_copy_on_read(struct mynah_system *s, struct disk *disk, const char *what)
{
    struct block_node *node = disk_node(disk);

    if (node && block_is_read_only(node))
        system_print_message(s, "warning: %s: disabling copy-on-read on read-only drive", what);
    else if (node)
        block_set_copy_on_read(node, true);
}

static bool add_drive(struct mynah_system *s, struct api_keyval *list, const char *what, GError **error)
{
    bool overlay = api_option_last(s->options, API_OPTION_SNAPSHOT) != NULL, copy_on_read = false;
    struct system_drive *drive;
    GError *why = NULL;
    struct json_object *options;
    bool writeback = true;
    struct disk *disk = NULL;
    enum disk_on_error read, write;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    struct throttle_limits limits;
    const char *group;

    if (!api_keyval_get_bool(list, "snapshot", &overlay, error) || !api_keyval_get_bool(list, "copy-on-read", &copy_on_read, error) || !(drive = system_place_drive(s, list, what, error)) ||
        !choose_on_errors(list, drive, &read, &write, error) || !system_drive_limits(list, &limits, &group, names, error))
        return false;
    options = drive_options(list, &writeback, &why);
    if (why) {
        g_propagate_error(error, why);
        return false;
    }
    if (check_keys(list, names, error) && (options || needs_medium(drive, error)))
        disk = disk_add_drive(s->disks, drive->id, options, overlay && options, error);
    json_object_put(options);
    if (disk && !writeback)
        disk_set_writethrough(disk, true);
    if (disk)
        disk_set_on_error(disk, read, write);
    if (disk && copy_on_read)
        start_copy_on_read(s, disk, what);
    return disk && disk_set_limits(disk, group, drive->id, &limits, error);
}

/* -hda and the like: a -drive with some of it given. */
static bool add_shorthand(struct mynah_system *s, const char *file, const char *key, const char *value, const char *media, const char *what,
                          GError **error)
{
    g_autoptr(api_keyval) list = api_keyval_create();

    api_keyval_set(list, "file", file);
    api_keyval_set(list, key, value);
    if (media)
        api_keyval_set(list, "media", media);
    return add_drive(s, list, what, error);
}

static bool add_one(struct mynah_system *s, struct api_option_use *use, const char *what, GError **error)
{
    switch (use->id) {
    case API_OPTION_BLOCKDEV:
        return add_blockdev(s, use, error);
    case API_OPTION_DRIVE:
        return add_drive(s, use->keyval, what, error);
    case API_OPTION_HDA:
        return add_shorthand(s, use->text, "index", "0", "disk", what, error);
    case API_OPTION_HDB:
        return add_shorthand(s, use->text, "index", "1", "disk", what, error);
    case API_OPTION_HDC:
        return add_shorthand(s, use->text, "index", "2", "disk", what, error);
    case API_OPTION_HDD:
        return add_shorthand(s, use->text, "index", "3", "disk", what, error);
    case API_OPTION_CDROM:
        return add_shorthand(s, use->text, "index", "2", "cdrom", what, error);
    case API_OPTION_PFLASH:
        return add_shorthand(s, use->text, "if", "pflash", NULL, what, error);
    default:
        return true;
    }
}

bool system_create_drives(struct mynah_system *s, GError **error)
{
    s->drives = g_ptr_array_new_with_free_func(system_free_drive);
    s->disks = disk_set_create(vm_context(s->vm), error);
    if (!s->disks)
        return false;
    block_graph_set_fdsets(disk_set_graph(s->disks), s->fdsets);
    vm_set_backend(s->vm, "disks", 0, s->disks);
    system_watch_drives(s);
    if (!system_create_objects_of(s, "throttle-group", error))
        return false;
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);
        g_autofree char *what = g_strdup_printf("%s %s", use->spelling, use->text ? use->text : "");

        if (!add_one(s, use, what, error))
            return error_prefix(error, "%s", what);
    }
    return true;
}
