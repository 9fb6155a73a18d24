/* block/media.c - media that come and go. */
#include "block/media.h"
#include "base/error.h"

bool media_is_removable(const struct disk *disk)
{
    void *opaque;

    return !disk_user(disk) || disk_media(disk, &opaque); /* nobody has it: whatever may come */
}

bool media_has_tray(const struct disk *disk)
{
    void *opaque;
    const struct disk_media *media = disk_media(disk, &opaque);

    return media && media->tray_open;
}

bool media_is_open(const struct disk *disk)
{
    void *opaque;
    const struct disk_media *media = disk_media(disk, &opaque);

    return media && media->tray_open && media->tray_open(opaque);
}

bool media_is_locked(const struct disk *disk)
{
    void *opaque;
    const struct disk_media *media = disk_media(disk, &opaque);

    return media && media->locked && media->locked(opaque);
}

static void tell(struct disk *disk, bool load)
{
    void *opaque;
    const struct disk_media *media = disk_media(disk, &opaque);

    if (media)
        media->changed(opaque, load);
}

static void ask(struct disk *disk, bool force)
{
    void *opaque;
    const struct disk_media *media = disk_media(disk, &opaque);

    if (media && media->eject_request)
        media->eject_request(opaque, force);
}

static bool check_removable(const struct disk *disk, const char *who, GError **error)
{
    return media_is_removable(disk) || error_set(error, "Device '%s' is not removable", who);
}

bool media_open_tray(struct disk *disk, const char *who, bool force, GError **error)
{
    bool locked = media_is_locked(disk);

    if (!check_removable(disk, who, error))
        return false;
    if (!media_has_tray(disk) || media_is_open(disk))
        return true;
    if (locked)
        ask(disk, force);
    if (locked && !force)
        return error_set(error, "Device '%s' is locked and force was not specified, wait for tray to open and try again", who);
    tell(disk, false);
    return true;
}

bool media_close_tray(struct disk *disk, const char *who, GError **error)
{
    if (!check_removable(disk, who, error))
        return false;
    if (media_has_tray(disk) && media_is_open(disk))
        tell(disk, true);
    return true;
}

bool media_remove(struct disk *disk, const char *who, GError **error)
{
    if (!check_removable(disk, who, error))
        return false;
    if (media_has_tray(disk) && !media_is_open(disk))
        return error_set(error, "Tray of device '%s' is not open", who);
    if (!disk_node(disk))
        return true;
    disk_medium_take(disk);
    if (!media_has_tray(disk))
        tell(disk, false);
    return true;
}

static bool insert(struct disk *disk, const char *who, struct block_node *node, GError **error)
{
    if (!check_removable(disk, who, error))
        return false;
    if (media_has_tray(disk) && !media_is_open(disk))
        return error_set(error, "Tray of device '%s' is not open", who);
    if (disk_node(disk))
        return error_set(error, "There already is a medium in device '%s'", who);
    if (!disk_medium_put(disk, node, error))
        return false;
    if (!media_has_tray(disk))
        tell(disk, true);
    return true;
}

bool media_insert(struct disk_set *set, struct disk *disk, const char *who, const char *node_name, GError **error)
{
    struct block_node *node = block_graph_find(disk_set_graph(set), node_name);

    if (!node)
        return error_set(error, "Node '%s' not found", node_name);
    if (block_is_used(node))
        return error_set(error, "Node '%s' is already in use", node_name);
    return insert(disk, who, node, error);
}

bool media_eject(struct disk *disk, const char *who, bool force, GError **error)
{
    return media_open_tray(disk, who, force, error) && media_remove(disk, who, error);
}

bool media_change(struct disk_set *set, struct disk *disk, const char *who, struct json_object *options, bool force, GError **error)
{
    struct block_node *node = disk_set_open_node(set, options, error);
    bool ok = node && media_open_tray(disk, who, force, error) && media_remove(disk, who, error) && insert(disk, who, node, error) &&
              media_close_tray(disk, who, error);

    if (node)
        disk_set_unref_node(set, node);
    return ok;
}
