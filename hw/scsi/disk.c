/* hw/scsi/disk.c - scsi-hd and scsi-cd: life, media, and how a command finds its function. */
#include "hw/scsi/disk.h"
#include "api/types.h"
#include "base/error.h"
#include "vm/inbox.h"
#include "vm/machine.h"
#include <string.h>

enum { SECTOR = 512, CD_BLOCK = 2048, MAX_SERIAL = 36 };

const char *const scsi_on_off_auto[] = { "auto", "on", "off", NULL };

/* ---- Commands ---- */

static enum scsi_sense check_medium(const struct scsi_disk *d, const struct scsi_command *c, const u8 *cdb)
{
    u64 blocks = scsi_disk_blocks(d), lba = scsi_cdb_lba(cdb), count = scsi_cdb_blocks(cdb);

    if (d->state->tray_open)
        return SCSI_NO_MEDIUM_TRAY_OPEN;
    if (!disk_node(d->unit.disk))
        return SCSI_NO_MEDIUM_TRAY_CLOSED;
    if ((c->flags & SCSI_WRITES) && disk_is_read_only(d->unit.disk))
        return SCSI_WRITE_PROTECTED;
    if ((c->flags & SCSI_RANGE) && (lba > blocks || count > blocks - lba))
        return SCSI_OUT_OF_RANGE;
    return SCSI_NO_SENSE;
}

static void start(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    const struct scsi_command *c = scsi_command_find(r->cdb[0]);
    enum scsi_sense sense = SCSI_NO_SENSE;
    u64 in, out;

    if (!c || !(c->kinds & (scsi_disk_is_cd(d) ? SCSI_CD : SCSI_DISK)))
        sense = SCSI_INVALID_OPCODE;
    else if (c->flags & SCSI_NEEDS_MEDIUM)
        sense = check_medium(d, c, r->cdb);
    scsi_request_lengths(unit, r->cdb, &in, &out);
    if (!sense && (r->out.size < out || (c->flags & SCSI_BLOCKS && r->in.size < in))) /* adapters look before */
        sense = SCSI_INVALID_FIELD;
    if (sense)
        scsi_request_fail(r, sense);
    else
        c->run(unit, r);
}

void scsi_disk_done(struct scsi_unit *unit, struct scsi_request *r)
{
    scsi_request_good(r);
}

void scsi_disk_sense(struct scsi_unit *unit, struct scsi_request *r)
{
    scsi_request_sense(unit, r);
}

void scsi_disk_report_luns(struct scsi_unit *unit, struct scsi_request *r)
{
    scsi_report_luns(unit, r);
}

/* ---- Media ---- */

static void tell_tray(struct scsi_disk *d)
{
    const struct vm_object *object = &d->device.object;
    bool named = object->parent && !g_strcmp0(object->parent->name, "peripheral");
    g_autofree char *path = named ? g_strdup(object->name) : vm_object_path(object);

    api_event_device_tray_moved(vm_events(object->vm), disk_id(d->unit.disk), path, d->state->tray_open);
}

static void medium_is_new(struct scsi_disk *d)
{
    d->known_size = disk_size(d->unit.disk);
    if (disk_node(d->unit.disk))
        scsi_unit_attention(&d->unit, SCSI_MEDIUM_IS_NEW);
}

void scsi_disk_move_tray(struct scsi_disk *d, bool open)
{
    if (d->state->tray_open == open)
        return;
    scsi_unit_hold(&d->unit, true);
    d->state->tray_open = open;
    d->state->media_event = open || !disk_node(d->unit.disk) ? CD_MEDIUM_GONE : CD_NEW_MEDIUM;
    if (!open)
        medium_is_new(d);
    scsi_unit_hold(&d->unit, false);
    tell_tray(d);
}

static bool tray_open(void *opaque)
{
    return ((struct scsi_disk *)opaque)->state->tray_open;
}

static bool is_locked(void *opaque)
{
    return ((struct scsi_disk *)opaque)->state->locked;
}

static void eject_request(void *opaque, bool force)
{
    struct scsi_disk *d = opaque;

    d->state->media_event = CD_EJECT_REQUEST;
    if (force)
        d->state->locked = false;
}

static void tray_moved(void *opaque, bool load)
{
    scsi_disk_move_tray(opaque, !load);
}

static void card_moved(void *opaque, bool there)
{
    struct scsi_disk *d = opaque;

    d->state->media_event = there ? CD_NEW_MEDIUM : CD_MEDIUM_GONE;
    if (there)
        medium_is_new(d);
}

static const struct disk_media trays = { .tray_open = tray_open, .locked = is_locked, .eject_request = eject_request, .changed = tray_moved };
static const struct disk_media cards = { .locked = is_locked, .eject_request = eject_request, .changed = card_moved };

static void resized_here(void *opaque, const void *payload, u32 size)
{
    struct scsi_disk *d = opaque;

    if (d->known_size == disk_size(d->unit.disk))
        return;
    d->known_size = disk_size(d->unit.disk);
    if (d->unit.bus)
        scsi_unit_attention(&d->unit, SCSI_HAS_NEW_CAPACITY);
}

static void resized(void *opaque)
{
    struct scsi_disk *d = opaque;

    inbox_post(d->device.object.vm, &d->device.object, resized_here, d, NULL, 0);
}

/* ---- Life ---- */

static void power_on(struct scsi_disk *d)
{
    d->state->attention = SCSI_WAS_RESET;
    d->state->write_cache = d->write_cache_wanted != 2;
}

static void before_reset(void *device)
{
    scsi_unit_hold(&((struct scsi_disk *)device)->unit, true);
}

static void on_reset(void *device)
{
    power_on(device);
    scsi_unit_hold(&((struct scsi_disk *)device)->unit, false);
}

static void hold(void *opaque, bool on)
{
    scsi_unit_hold(&((struct scsi_disk *)opaque)->unit, on);
}

static const struct scsi_unit_ops ops = { .start = start };

static bool is_block_size(u64 size)
{
    return !size || (bits_is_power_of_2(size) && size >= SECTOR);
}

static bool check(struct scsi_disk *d, GError **error)
{
    u64 logical = d->logical_block_size ? d->logical_block_size : scsi_disk_is_cd(d) ? CD_BLOCK : SECTOR;

    if (!is_block_size(d->logical_block_size) || !is_block_size(d->physical_block_size))
        return error_set(error, "logical_block_size and physical_block_size are powers of two from 512 on");
    if (d->physical_block_size && d->physical_block_size < logical)
        return error_set(error, "logical_block_size > physical_block_size not supported");
    if (d->serial && strlen(d->serial) > MAX_SERIAL)
        return error_set(error, "serial '%s' has more than %d characters", d->serial, MAX_SERIAL);
    if (d->min_io_size % logical || d->opt_io_size % logical)
        return error_set(error, "min_io_size and opt_io_size are multiples of %u", (u32)logical);
    if (d->discard_granularity != UINT32_MAX && d->discard_granularity % logical)
        return error_set(error, "discard_granularity is a multiple of %u", (u32)logical);
    if ((!d->drive || !*d->drive) && !scsi_disk_is_cd(d))
        return error_set(error, "drive property not set");
    d->unit.block_size = (u32)logical;
    return true;
}

/* As query-block names it: the id, otherwise the path. */
static char *name_of(const struct scsi_disk *d)
{
    const struct vm_object *object = &d->device.object;

    return object->parent && !g_strcmp0(object->parent->name, "peripheral") ? g_strdup(object->name) : vm_object_path(object);
}

static bool claim(struct scsi_disk *d, GError **error)
{
    struct disk_set *set = vm_backend(d->device.object.vm, "disks", 0);
    const char *drive = d->drive && *d->drive ? d->drive : NULL;
    struct block_loop *loop = ((const struct scsi_bus *)d->device.bus)->loop;
    g_autofree char *who = name_of(d);

    if (scsi_disk_is_cd(d) || d->removable)
        d->unit.disk = disk_claim_removable(set, drive, loop, !scsi_disk_is_cd(d), d->share_rw, who, scsi_disk_is_cd(d) ? &trays : &cards, d, error);
    else
        d->unit.disk = disk_claim(set, drive, loop, true, d->share_rw, who, error);
    if (!d->unit.disk)
        return false;
    disk_on_resize(d->unit.disk, resized, d);
    disk_on_hold(d->unit.disk, hold, d);
    disk_handle_errors(d->unit.disk, d->rerror, d->werror);
    d->known_size = disk_size(d->unit.disk);
    return true;
}

static void unrealize(void *device)
{
    struct scsi_disk *d = device;

    scsi_unit_unplug(&d->unit);
    g_clear_pointer(&d->unit.disk, disk_release);
}

static bool realize(void *device, GError **error)
{
    struct scsi_disk *d = device;

    d->unit = (struct scsi_unit){ .device = &d->device, .ops = &ops, .channel = d->channel, .id = d->scsi_id, .lun = d->lun };
    d->unit.attention = &d->state->attention;
    power_on(d);
    if (!check(d, error) || !claim(d, error))
        return false;
    if (scsi_unit_plug(&d->unit, error))
        return true;
    unrealize(device);
    return false;
}

#include "hw/core/define.inc"

#define DISK_PROPERTY(name_, type_, field_, default_, doc_, ...) \
    { .name = name_, .type = VM_PROPERTY_##type_, .description = doc_, .offset = offsetof(struct scsi_disk, field_), .default_text = default_, __VA_ARGS__ }

static const struct vm_property disk_properties[] = {
    DISK_PROPERTY("removable", BOOL, removable, "off", "the medium comes and goes"),
    DISK_PROPERTY("dpofua", BOOL, dpofua, "on", "single writes may bypass the cache"),
    DISK_PROPERTY("rotation_rate", U16, rotation_rate, "0", "per minute; 1: solid state; 0: not told"),
    DISK_PROPERTY("max_unmap_size", U64, max_unmap_size, "1073741824", "bytes in one UNMAP", .min = 4096, .max = UINT32_MAX),
    DISK_PROPERTY("cyls", U32, cylinders, "0", "geometry for old software; 0: made up", .max = 0xffffff),
    DISK_PROPERTY("heads", U32, heads, "0", "geometry for old software", .max = 255),
    DISK_PROPERTY("secs", U32, sectors, "0", "geometry for old software", .max = 255),
    { 0 },
};

VM_CLASS(scsi_hd) {
    .name = "scsi-hd", .parent = "scsi-disk-base", .size = sizeof(struct scsi_disk), .user_creatable = true, .description = "virtual SCSI disk",
    .properties = disk_properties,
};

VM_CLASS(scsi_cd) {
    .name = "scsi-cd", .parent = "scsi-disk-base", .size = sizeof(struct scsi_disk), .user_creatable = true, .description = "virtual SCSI CD-ROM",
    .variant = "cd",
};
