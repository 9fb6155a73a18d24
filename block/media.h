/*
 * block/media.h - media that come and go: what eject, blockdev-open-tray and their kind do. A device with a tray keeps its own
 * state and is asked; a medium without a tray (a card) is just there or not. Main thread, machine lock.
 */
#ifndef BLOCK_MEDIA_H
#define BLOCK_MEDIA_H

#include "block/disk.h"

/* What a device says and does about its medium. */
struct disk_media {
    bool (*tray_open)(void *opaque); /* NULL: there is no tray */
    bool (*locked)(void *opaque);    /* NULL: never */
    /* Somebody wants the medium: tell the guest, as a button at the drive does. force: the guest is not asked. */
    void (*eject_request)(void *opaque, bool force);
    /* The tray closes (with what lies in it) or opens; without a tray: the medium is there or gone. */
    void (*changed)(void *opaque, bool load);
};

bool media_is_removable(const struct disk *disk);
bool media_has_tray(const struct disk *disk);
bool media_is_open(const struct disk *disk); /* false without a tray */
bool media_is_locked(const struct disk *disk);

/* Commands of the same names. `who` is the disk's name in messages. A locked tray is asked to open, which is an error here. */
bool media_open_tray(struct disk *disk, const char *who, bool force, GError **error);
bool media_close_tray(struct disk *disk, const char *who, GError **error);
bool media_remove(struct disk *disk, const char *who, GError **error);
bool media_insert(struct disk_set *set, struct disk *disk, const char *who, const char *node_name, GError **error);
bool media_eject(struct disk *disk, const char *who, bool force, GError **error);
/* Options as block_name_options makes them. Nothing has changed when they cannot be opened. */
bool media_change(struct disk_set *set, struct disk *disk, const char *who, struct json_object *options, bool force, GError **error);

#endif
