/* monitor/qmp_media.c - commands about media that come and go. */
#include "base/error.h"
#include "block/media.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "vm/machine.h"
#include <json-c/json.h>
#include <string.h>

static struct disk_set *disks_of(struct monitor *monitor)
{
    return vm_backend(monitor->set->vm, "disks", 0);
}

static struct disk *find(struct monitor *monitor, const char *device, const char *id, GError **error)
{
    return disk_find(disks_of(monitor), device, id, error);
}

bool qmp_blockdev_open_tray(struct monitor *monitor, const struct api_args_blockdev_open_tray *args, GError **error)
{
    struct disk *disk = find(monitor, args->device, args->id, error);

    return disk && media_open_tray(disk, args->device ? args->device : args->id, args->force, error);
}

bool qmp_blockdev_close_tray(struct monitor *monitor, const struct api_args_blockdev_close_tray *args, GError **error)
{
    struct disk *disk = find(monitor, args->device, args->id, error);

    return disk && media_close_tray(disk, args->device ? args->device : args->id, error);
}

bool qmp_blockdev_remove_medium(struct monitor *monitor, const struct api_args_blockdev_remove_medium *args, GError **error)
{
    struct disk *disk = find(monitor, NULL, args->id, error);

    return disk && media_remove(disk, args->id, error);
}

bool qmp_blockdev_insert_medium(struct monitor *monitor, const struct api_args_blockdev_insert_medium *args, GError **error)
{
    struct disk *disk = find(monitor, NULL, args->id, error);

    return disk && media_insert(disks_of(monitor), disk, args->id, args->node_name, error);
}

bool qmp_eject(struct monitor *monitor, const struct api_args_eject *args, GError **error)
{
    struct disk *disk = find(monitor, args->device, args->id, error);

    return disk && media_eject(disk, args->device ? args->device : args->id, args->force, error);
}

/* Without a medium before, "retain" means: as far as the device can. */
static unsigned open_flags(struct disk *disk, enum api_blockdev_change_read_only_mode mode)
{
    bool read_only = mode == API_BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_ONLY ||
                     (mode == API_BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN && disk_node(disk) && disk_is_read_only(disk));

    return read_only || disk_only_reads(disk) ? 0 : BLOCK_OPEN_WRITE;
}

bool qmp_blockdev_change_medium(struct monitor *monitor, const struct api_args_blockdev_change_medium *args, GError **error)
{
    struct disk *disk = find(monitor, args->device, args->id, error);
    struct json_object *options;

    if (!disk)
        return false;
    options = block_name_options(args->filename, args->format, open_flags(disk, args->read_only_mode), error);
    if (!options)
        return false;
    bool ok = media_change(disks_of(monitor), disk, args->device ? args->device : args->id, options, args->force, error);
    json_object_put(options);
    return ok;
}
