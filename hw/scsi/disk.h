/* hw/scsi/disk.h - what the files of scsi-hd and scsi-cd share. Private to them. Thread: the adapter's. */
#ifndef HW_SCSI_DISK_H
#define HW_SCSI_DISK_H

#include "base/bits.h"
#include "block/media.h"
#include "hw/block/disk_error.h"
#include "hw/scsi/scsi.h"

extern const char *const scsi_on_off_auto[];

#define DEVICE        scsi_disk
#define DEVICE_ROWS   "hw/scsi/scsi_disk.dev"
#define DEVICE_PARENT "scsi-device"
#define DEVICE_FLAGS  .abstract = true,
#include "hw/core/declare.inc"

/* Media events (MMC-6, 6.6.2.6). */
enum cd_event { CD_NO_EVENT = 0, CD_EJECT_REQUEST = 1, CD_NEW_MEDIUM = 2, CD_MEDIUM_GONE = 3 };

static inline struct scsi_disk *scsi_disk_of(struct scsi_unit *unit)
{
    return container_of(unit, struct scsi_disk, unit);
}

static inline bool scsi_disk_is_cd(const struct scsi_disk *d)
{
    return d->device.object.class->variant != NULL;
}

/* Blocks of the medium. */
static inline u64 scsi_disk_blocks(const struct scsi_disk *d)
{
    return disk_size(d->unit.disk) / d->unit.block_size;
}

static inline u64 scsi_disk_discard_granularity(const struct scsi_disk *d)
{
    return d->discard_granularity == UINT32_MAX ? MAX(4096, d->unit.block_size) : d->discard_granularity;
}

/* The tray is closed and has something in it; in a disk without tray the latter. */
static inline bool scsi_disk_is_ready(const struct scsi_disk *d)
{
    return !d->state->tray_open && disk_node(d->unit.disk);
}

/* disk.c: the guest moves the tray. */
void scsi_disk_move_tray(struct scsi_disk *d, bool open);

#define COMMAND(opcode_, name_, direction_, at_, size_, kinds_, flags_, run_) \
    void scsi_disk_##run_(struct scsi_unit *unit, struct scsi_request *request);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#include "hw/scsi/commands.def"
#pragma GCC diagnostic pop
#undef COMMAND

#endif
