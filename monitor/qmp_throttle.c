/* monitor/qmp_throttle.c - commands about limits of disks. */
#include "base/error.h"
#include "block/disk.h"
#include "block/throttle.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "vm/machine.h"

static struct throttle_limit limit(s64 average, s64 max, bool has_length, s64 length)
{
    return (struct throttle_limit){ .average = (u64)average, .max = (u64)max, .length = has_length ? (u64)length : 1 };
}

static struct throttle_limits limits_of(const struct api_args_block_set_io_throttle *a)
{
    return (struct throttle_limits){
        .bytes = {
            [THROTTLE_TOTAL] = limit(a->bps, a->bps_max, a->has_bps_max_length, a->bps_max_length),
            [THROTTLE_READ] = limit(a->bps_rd, a->bps_rd_max, a->has_bps_rd_max_length, a->bps_rd_max_length),
            [THROTTLE_WRITE] = limit(a->bps_wr, a->bps_wr_max, a->has_bps_wr_max_length, a->bps_wr_max_length),
        },
        .requests = {
            [THROTTLE_TOTAL] = limit(a->iops, a->iops_max, a->has_iops_max_length, a->iops_max_length),
            [THROTTLE_READ] = limit(a->iops_rd, a->iops_rd_max, a->has_iops_rd_max_length, a->iops_rd_max_length),
            [THROTTLE_WRITE] = limit(a->iops_wr, a->iops_wr_max, a->has_iops_wr_max_length, a->iops_wr_max_length),
        },
        .request_size = (u64)a->iops_size,
    };
}

bool qmp_block_set_io_throttle(struct monitor *monitor, const struct api_args_block_set_io_throttle *args, GError **error)
{
    struct disk *disk = disk_find(vm_backend(monitor->set->vm, "disks", 0), args->device, args->id, error);
    struct throttle_limits limits = limits_of(args);

    if (!disk)
        return false;
    if (!disk_node(disk))
        return error_set(error, "Device has no medium");
    return disk_set_limits(disk, args->group, args->device ? args->device : args->id, &limits, error);
}

static void show(const struct throttle_limit *limit, s64 *average, bool *has_max, s64 *max, bool *has_length, s64 *length)
{
    *average = (s64)limit->average;
    *has_max = *has_length = limit->max != 0;
    *max = (s64)limit->max;
    *length = (s64)limit->length;
}

void monitor_show_limits(const struct disk *disk, struct api_block_device_info *info)
{
    struct throttle_limits limits;
    const char *group = disk_limits(disk, &limits);

    if (!group)
        return;
#define SHOW(limit_, name_) \
    show(&limit_, &info->name_, &info->has_##name_##_max, &info->name_##_max, &info->has_##name_##_max_length, &info->name_##_max_length)
    SHOW(limits.bytes[THROTTLE_TOTAL], bps);
    SHOW(limits.bytes[THROTTLE_READ], bps_rd);
    SHOW(limits.bytes[THROTTLE_WRITE], bps_wr);
    SHOW(limits.requests[THROTTLE_TOTAL], iops);
    SHOW(limits.requests[THROTTLE_READ], iops_rd);
    SHOW(limits.requests[THROTTLE_WRITE], iops_wr);
#undef SHOW
    info->has_iops_size = limits.request_size != 0;
    info->iops_size = (s64)limits.request_size;
    info->group = g_strdup(group);
}
