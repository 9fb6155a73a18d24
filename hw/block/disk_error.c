/* hw/block/disk_error.c - properties rerror and werror of devices with a disk. */
#include "hw/block/disk_error.h"
#include "block/disk.h"
#include <stddef.h>

const char *const disk_on_error_names[] = {
    [DISK_ON_ERROR_REPORT] = "report", [DISK_ON_ERROR_IGNORE] = "ignore", [DISK_ON_ERROR_ENOSPC] = "enospc",
    [DISK_ON_ERROR_STOP] = "stop",     [DISK_ON_ERROR_AUTO] = "auto",     [DISK_ON_ERROR_AUTO + 1] = NULL,
};
