/* block/disk_limits.c - disks as members of throttle groups. */
#include "block/disk_internal.h"
#include <string.h>

/* Nobody is in the middle of waiting while the group changes. */
static void join(struct disk *disk, struct throttle_group *group)
{
    struct throttle_group *old = disk->throttle.group;

    disk_hold(disk, true);
    disk_settle(disk);
    disk->throttle.group = group;
    throttle_group_put(old);
    disk_hold(disk, false);
}

bool disk_set_limits(struct disk *disk, const char *group, const char *name, const struct throttle_limits *limits, GError **error)
{
    struct throttle_group *old = disk->throttle.group;

    if (!throttle_limits_check(limits, error))
        return false;
    if (!throttle_limits_any(limits)) {
        if (old)
            join(disk, NULL);
        return true;
    }
    if (!old || (group && strcmp(group, throttle_group_name(old)) != 0))
        join(disk, throttle_group_get(disk->set->graph, group ? group : name));
    throttle_group_set(disk->throttle.group, limits);
    return true;
}

const char *disk_limits(const struct disk *disk, struct throttle_limits *limits)
{
    if (!disk->throttle.group)
        return NULL;
    *limits = throttle_group_limits(disk->throttle.group);
    return throttle_group_name(disk->throttle.group);
}
