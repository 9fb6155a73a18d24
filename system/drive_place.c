/* system/drive_place.c - where drives go: if=, bus=, unit=, index=; what the board does with them. */
#include "base/error.h"
#include "system/system.h"
#include <string.h>

/* units: drives on a bus; 0: all are on one. */
struct interface {
    const char *name;
    u32 units;
};

static const struct interface *find_interface(const char *name)
{
    static const struct interface all[] = {
        { "none", 0 }, { "ide", 2 }, { "scsi", 7 }, { "floppy", 0 }, { "pflash", 0 }, { "mtd", 0 }, { "sd", 0 }, { "virtio", 0 }, { "xen", 0 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        if (!strcmp(all[i].name, name))
            return &all[i];
    return NULL;
}

static struct system_drive *find_drive(const struct mynah_system *s, const char *interface, u64 bus, u64 unit)
{
    for (guint i = 0; i < s->drives->len; i++) {
        struct system_drive *drive = s->drives->pdata[i];

        if (!strcmp(drive->interface, interface) && drive->bus == bus && drive->unit == unit)
            return drive;
    }
    return NULL;
}

/* The first free place from the given one on. */
static void take_free_place(const struct mynah_system *s, const struct interface *interface, u64 *bus, u64 *unit)
{
    for (*unit = 0; find_drive(s, interface->name, *bus, *unit);) {
        if (++*unit != interface->units)
            continue;
        *unit = 0;
        ++*bus;
    }
}

static bool read_place(const struct mynah_system *s, struct api_keyval *list, const struct interface *interface, u64 *bus, u64 *unit, GError **error)
{
    const char *index_text = api_keyval_get(list, "index");
    bool has_unit = api_keyval_get(list, "unit") != NULL, has_bus = api_keyval_get(list, "bus") != NULL;
    u64 index = 0;

    *bus = *unit = 0;
    if (!api_keyval_get_u64(list, "bus", bus, error) || !api_keyval_get_u64(list, "unit", unit, error) ||
        !api_keyval_get_u64(list, "index", &index, error))
        return false;
    if (index_text && (has_bus || has_unit))
        return error_set(error, "index cannot be used with bus and unit");
    if (MAX(MAX(*bus, *unit), index) > INT32_MAX)
        return error_set(error, "bus, unit or index is too large");
    if (index_text) {
        *bus = interface->units ? index / interface->units : 0;
        *unit = interface->units ? index % interface->units : index;
    } else if (!has_unit) {
        take_free_place(s, interface, bus, unit);
    }
    if (interface->units && *unit >= interface->units)
        return error_set(error, "unit %" G_GUINT64_FORMAT " too big (max is %u)", *unit, interface->units - 1);
    if (find_drive(s, interface->name, *bus, *unit))
        return error_set(error, "drive with bus=%" G_GUINT64_FORMAT ", unit=%" G_GUINT64_FORMAT " (index=%s) exists", *bus, *unit,
                         index_text ? index_text : "-1");
    return true;
}

/* Buildroot writes -drive id=hd0 and -device virtio-blk-device,drive=hd0, and means one disk. */
/*
 * DEVIATION Devices | `-drive id=X` without `if=` that a `-device` names | belongs to that device | QEMU makes a second device of it
 * and then refuses the line; Buildroot's needs it
 */
static bool device_takes(const struct mynah_system *s, const char *id)
{
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        const struct api_option_use *use = api_option_at(s->options, i);

        if (use->id == API_OPTION_DEVICE && use->keyval && !g_strcmp0(api_keyval_get(use->keyval, "drive"), id))
            return true;
    }
    return false;
}

static char *make_id(const struct interface *interface, u64 bus, u64 unit, bool is_cdrom)
{
    if (interface->units)
        return g_strdup_printf("%s%" G_GUINT64_FORMAT "-%s%" G_GUINT64_FORMAT, interface->name, bus, is_cdrom ? "cd" : "hd", unit);
    return g_strdup_printf("%s%" G_GUINT64_FORMAT, interface->name, unit);
}

struct system_drive *system_place_drive(struct mynah_system *s, struct api_keyval *list, const char *what, GError **error)
{
    const struct machine_class *board = system_machine_class(s, error);
    const char *name = api_keyval_get(list, "if"), *id = api_keyval_get(list, "id"), *media = api_keyval_get(list, "media");
    const struct interface *interface;
    struct system_drive *drive;
    u64 bus, unit;

    if (!board)
        return NULL;
    if (!name && id && device_takes(s, id))
        name = "none";
    name = name ? name : board->drive_interface ? board->drive_interface : "none";
    interface = find_interface(name);
    if (!interface) {
        error_set(error, "unsupported bus type '%s'", name);
        error_hint(error, "it is none, virtio or pflash");
        return NULL;
    }
    if (!read_place(s, list, interface, &bus, &unit, error))
        return NULL;
    drive = g_new0(struct system_drive, 1);
    *drive = (struct system_drive){ .interface = interface->name, .bus = bus, .unit = unit, .what = g_strdup(what) };
    drive->id = id ? g_strdup(id) : make_id(interface, bus, unit, media && !strcmp(media, "cdrom"));
    g_ptr_array_add(s->drives, drive);
    if (!strcmp(name, "pflash") && unit < board->flash_banks)
        vm_set_backend(s->vm, "pflash", (unsigned)unit, drive->id);
    return drive;
}

void system_free_drive(void *opaque)
{
    struct system_drive *drive = opaque;

    g_free(drive->id);
    g_free(drive->what);
    g_free(drive);
}

bool system_check_drives(struct mynah_system *s, GError **error)
{
    const struct machine_class *board = machine_class_of(s->machine->object.class);

    for (guint i = 0; i < s->drives->len; i++) {
        const struct system_drive *drive = s->drives->pdata[i];
        bool flash = !strcmp(drive->interface, "pflash") && drive->bus == 0 && drive->unit < board->flash_banks;

        if (!flash && strcmp(drive->interface, "none") && strcmp(drive->interface, "virtio"))
            return error_set(error, "%s: machine type does not support if=%s,bus=%" G_GUINT64_FORMAT ",unit=%" G_GUINT64_FORMAT, drive->what,
                             drive->interface, drive->bus, drive->unit);
    }
    return true;
}
