/* hw/scsi/bus.c - buses of SCSI adapters: who is where, unit attentions, what targets say without a unit. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/core/plug.h"
#include "hw/scsi/scsi.h"
#include <string.h>

enum { MAX_LUNS_SHOWN = 256, INQUIRY_SIZE = 36 };

static void init_device(struct vm_object *object)
{
    ((struct device *)object)->bus_class = "SCSI";
}

VM_CLASS(scsi_device) {
    .name = "scsi-device", .parent = "declared-device", .abstract = true, .size = sizeof(struct device), .description = "a SCSI logical unit",
    .init = init_device,
};

/* ---- Results ---- */

u32 scsi_sense_store(u8 *at, enum scsi_sense sense, bool descriptors)
{
    u8 key = (u8)(sense >> 16), code = (u8)(sense >> 8), qualifier = (u8)sense;

    memset(at, 0, descriptors ? 8 : SCSI_SENSE_SIZE);
    if (descriptors) {
        memcpy(at, (u8[]){ 0x72, key, code, qualifier }, 4);
        return 8;
    }
    at[0] = 0x70;
    at[2] = key;
    at[7] = SCSI_SENSE_SIZE - 8;
    at[12] = code;
    at[13] = qualifier;
    return SCSI_SENSE_SIZE;
}

/* ---- Unit attentions ---- */

static const struct {
    u8 bit;
    enum scsi_sense sense;
} attentions[] = {
    { SCSI_WAS_RESET, SCSI_RESET_OCCURRED },
    { SCSI_MEDIUM_IS_NEW, SCSI_MEDIUM_CHANGED },
    { SCSI_HAS_NEW_CAPACITY, SCSI_CAPACITY_CHANGED },
    { SCSI_HAS_NEW_LUNS, SCSI_LUNS_CHANGED },
};

/* The next one, which is told thereby. */
static enum scsi_sense take_attention(struct scsi_unit *unit)
{
    for (unsigned i = 0; i < ARRAY_SIZE(attentions); i++) {
        if (!(*unit->attention & attentions[i].bit))
            continue;
        *unit->attention &= (u8)~attentions[i].bit;
        return attentions[i].sense;
    }
    return SCSI_NO_SENSE;
}

static void tell_adapter(struct scsi_unit *unit, void (*tell)(struct scsi_bus *bus, struct scsi_unit *unit))
{
    struct scsi_bus *bus = unit->bus;
    bool mine = device_begin(bus->adapter);

    tell(bus, unit);
    if (mine)
        device_end(bus->adapter);
}

void scsi_unit_hold(struct scsi_unit *unit, bool on)
{
    if (unit->bus)
        unit->bus->ops->hold(unit->bus, on);
}

void scsi_unit_attention(struct scsi_unit *unit, enum scsi_attention attention)
{
    scsi_unit_hold(unit, true);
    *unit->attention |= (u8)attention;
    if (attention == SCSI_HAS_NEW_CAPACITY && unit->bus)
        tell_adapter(unit, unit->bus->ops->resized);
    scsi_unit_hold(unit, false);
}

void scsi_request_sense(struct scsi_unit *unit, struct scsi_request *r)
{
    u8 data[SCSI_SENSE_SIZE];
    u32 size = scsi_sense_store(data, take_attention(unit), r->cdb[1] & 1);

    scsi_request_reply(r, data, size, r->cdb[4]);
}

/* ---- Targets without the unit that was asked for (SPC-4, 6.4.2 and 6.33) ---- */

void scsi_pad(u8 *at, u32 size, const char *text)
{
    memset(at, ' ', size);
    memcpy(at, text, MIN(strlen(text), size));
}

/* Single level: peripheral device addressing, flat space from 256 on (SAM-5, 4.7). */
static void store_lun(u8 *at, u32 lun)
{
    memset(at, 0, 8);
    at[0] = (u8)(lun < 256 ? 0 : 0x40 | lun >> 8);
    at[1] = (u8)lun;
}

void scsi_report_luns(struct scsi_unit *unit, struct scsi_request *r)
{
    u64 allocation = bits_load_be(r->cdb + 6, 4);
    u8 data[8 + 8 * MAX_LUNS_SHOWN] = { 0 };
    u32 count = 1; /* 0 is always there */

    if (allocation < 16 || r->cdb[2] > 2) {
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    if (r->cdb[2] == 1) /* well known ones only */
        count = 0;
    for (guint i = 0; i < unit->bus->bus.devices->len && count && count < MAX_LUNS_SHOWN; i++) {
        const struct scsi_unit *other = scsi_bus_unit(unit->bus, i);

        if (other->channel == unit->channel && other->id == unit->id && other->lun)
            store_lun(data + 8 + 8ull * count++, other->lun);
    }
    bits_store_be(data, 4, count * 8);
    *unit->attention &= (u8)~SCSI_HAS_NEW_LUNS;
    scsi_request_reply(r, data, 8 + 8ull * count, allocation);
}

static void inquire_nobody(struct scsi_unit *unit, struct scsi_request *r)
{
    u8 data[INQUIRY_SIZE] = { 0 };

    if (r->cdb[1] & 1) { /* page 0, which has nothing but itself */
        data[0] = 0x7f;
        data[3] = 1;
        if (r->cdb[2])
            scsi_request_fail(r, SCSI_INVALID_FIELD);
        else
            scsi_request_reply(r, data, 5, bits_load_be(r->cdb + 3, 2));
        return;
    }
    data[0] = r->lun ? 0x7f : 0x3f; /* a unit could be here, but is not; type unknown */
    data[2] = 5;
    data[3] = 0x12;
    data[4] = INQUIRY_SIZE - 5;
    data[7] = 0x12;
    scsi_pad(data + 8, 8, "QEMU");
    scsi_pad(data + 16, 16, "QEMU TARGET");
    scsi_pad(data + 32, 4, "2.5+");
    scsi_request_reply(r, data, sizeof(data), bits_load_be(r->cdb + 3, 2));
}

static void answer_for_nobody(struct scsi_unit *unit, struct scsi_request *r)
{
    u8 sense[SCSI_SENSE_SIZE];

    switch (r->cdb[0]) {
    case 0x03:
        scsi_request_reply(r, sense, scsi_sense_store(sense, SCSI_NO_SUCH_UNIT, r->cdb[1] & 1), r->cdb[4]);
        break;
    case 0x12:
        inquire_nobody(unit, r);
        break;
    case 0xa0:
        scsi_report_luns(unit, r);
        break;
    default:
        scsi_request_fail(r, SCSI_NO_SUCH_UNIT);
        break;
    }
}

/* ---- Requests ---- */

void scsi_request_begin(struct scsi_request *r)
{
    struct scsi_unit *unit = r->unit;
    const struct scsi_command *command = scsi_command_find(r->cdb[0]);

    if (r->lun != unit->lun)
        answer_for_nobody(unit, r);
    else if (*unit->attention && (!command || !(command->flags & SCSI_UNDER_ATTENTION)))
        scsi_request_fail(r, take_attention(unit));
    else
        unit->ops->start(unit, r);
}

static void cancel_one(struct scsi_request *r, void *opaque)
{
    scsi_request_cancel(r);
}

static void cancel_all(struct scsi_unit *unit)
{
    scsi_unit_each_request(unit, cancel_one, NULL);
}

void scsi_bus_settle(struct scsi_bus *bus)
{
    for (guint i = 0; i < bus->bus.devices->len; i++) {
        struct scsi_unit *unit = scsi_bus_unit(bus, i);

        cancel_all(unit);
        disk_drain(unit->disk);
    }
    scsi_bus_serve(bus);
}

void scsi_unit_reset(struct scsi_unit *unit)
{
    cancel_all(unit);
    device_reset(unit->device);
}

void scsi_bus_reset(struct scsi_bus *bus)
{
    for (guint i = 0; i < bus->bus.devices->len; i++)
        scsi_unit_reset(scsi_bus_unit(bus, i));
}

/* ---- Who is where ---- */

/* A unit's device has its struct scsi_unit at once behind struct device and the state pointer (scsi_disk.dev). */
struct any_unit {
    struct device device;
    void *state;
    struct scsi_unit unit;
};

struct scsi_unit *scsi_bus_unit(const struct scsi_bus *bus, guint i)
{
    return &((struct any_unit *)bus->bus.devices->pdata[i])->unit;
}

struct scsi_unit *scsi_bus_find(const struct scsi_bus *bus, u32 channel, u32 id, u32 lun, bool *exact)
{
    struct scsi_unit *target = NULL;

    for (guint i = 0; i < bus->bus.devices->len; i++) {
        struct scsi_unit *unit = scsi_bus_unit(bus, i);

        if (unit->channel != channel || unit->id != id)
            continue;
        target = unit;
        *exact = unit->lun == lun;
        if (*exact)
            return unit;
    }
    *exact = false;
    return target;
}

static bool is_taken(struct scsi_bus *bus, const struct scsi_unit *unit, u32 id, u32 lun)
{
    bool exact;

    return scsi_bus_find(bus, unit->channel, id, lun, &exact) && exact;
}

static bool choose_id(struct scsi_bus *bus, struct scsi_unit *unit, GError **error)
{
    if (unit->lun == SCSI_ANY)
        unit->lun = 0;
    for (unit->id = 0; is_taken(bus, unit, unit->id, unit->lun); unit->id++) {
        if (unit->id == bus->max_id)
            return error_set(error, "no free target");
    }
    return true;
}

static bool choose_lun(struct scsi_bus *bus, struct scsi_unit *unit, GError **error)
{
    for (unit->lun = 0; is_taken(bus, unit, unit->id, unit->lun); unit->lun++) {
        if (unit->lun == bus->max_lun)
            return error_set(error, "no free lun");
    }
    return true;
}

static bool choose_place(struct scsi_bus *bus, struct scsi_unit *unit, GError **error)
{
    if (unit->channel > bus->max_channel)
        return error_set(error, "bad scsi channel id: %u", unit->channel);
    if (unit->id != SCSI_ANY && unit->id > bus->max_id)
        return error_set(error, "bad scsi device id: %u", unit->id);
    if (unit->lun != SCSI_ANY && unit->lun > bus->max_lun)
        return error_set(error, "bad scsi device lun: %u", unit->lun);
    if (unit->id == SCSI_ANY)
        return choose_id(bus, unit, error);
    if (unit->lun == SCSI_ANY)
        return choose_lun(bus, unit, error);
    return !is_taken(bus, unit, unit->id, unit->lun) || error_set(error, "lun already used on scsi-id %u: %u", unit->id, unit->lun);
}

/* Others of the bus learn that REPORT LUNS has something new to say. */
static void luns_changed(struct scsi_bus *bus, const struct scsi_unit *but)
{
    for (guint i = 0; i < bus->bus.devices->len; i++) {
        struct scsi_unit *unit = scsi_bus_unit(bus, i);

        if (unit != but)
            *unit->attention |= SCSI_HAS_NEW_LUNS;
    }
}

static bool is_running(const struct scsi_bus *bus)
{
    return vm_is_complete(bus->bus.object.vm) && !vm_is_ending(bus->bus.object.vm) && bus->adapter->object.realized;
}

static bool plug(struct scsi_unit *unit, struct scsi_bus *bus, GError **error)
{
    if (!choose_place(bus, unit, error) || !bus_plug(&bus->bus, &unit->device->object, error))
        return false;
    unit->bus = bus;
    *unit->attention = SCSI_WAS_RESET;
    if (is_running(bus)) {
        luns_changed(bus, unit);
        tell_adapter(unit, bus->ops->plugged);
    }
    return true;
}

bool scsi_unit_plug(struct scsi_unit *unit, GError **error)
{
    struct scsi_bus *bus = (struct scsi_bus *)unit->device->bus;
    bool ok;

    bus->ops->hold(bus, true);
    ok = plug(unit, bus, error);
    bus->ops->hold(bus, false);
    return ok;
}

/* What is under way comes back now. */
static void settle(struct scsi_unit *unit)
{
    struct device *adapter = unit->bus->adapter;
    bool mine = device_begin(adapter);

    unit->leaving = true;
    disk_drain(unit->disk);
    scsi_bus_serve(unit->bus);
    if (mine)
        device_end(adapter);
}

void scsi_unit_unplug(struct scsi_unit *unit)
{
    struct scsi_bus *bus = unit->bus;

    if (!bus)
        return;
    bus->ops->hold(bus, true);
    settle(unit);
    bus_unplug(&bus->bus, &unit->device->object);
    if (is_running(bus)) {
        luns_changed(bus, unit);
        tell_adapter(unit, bus->ops->unplugged);
    }
    unit->bus = NULL;
    bus->ops->hold(bus, false);
}

/* ---- Life ---- */

struct scsi_bus *scsi_bus_of(struct device *adapter)
{
    for (guint i = 0; i < adapter->object.children->len; i++) {
        if (vm_object_is_a(adapter->object.children->pdata[i], "SCSI"))
            return adapter->object.children->pdata[i];
    }
    return NULL;
}

static bool unplug(struct bus *bus, struct device *device, GError **error)
{
    device_delete(device);
    return true;
}

static const struct bus_ops bus_ops = { .unplug = unplug };

struct scsi_bus *scsi_bus_create(struct device *adapter, const char *name, const struct scsi_adapter_ops *ops, u32 max_id, u32 max_lun, GError **error)
{
    struct scsi_bus *bus = (struct scsi_bus *)bus_create(&adapter->object, "SCSI", name, error);

    if (!bus)
        return NULL;
    bus->bus.ops = &bus_ops;
    bus->adapter = adapter;
    bus->ops = ops;
    bus->max_id = max_id;
    bus->max_lun = max_lun;
    bus->lanes = g_ptr_array_new();
    return bus;
}

/* The bus goes, before its adapter does: requests under way come back, units stay without a bus. It is held for good. */
static void finish_bus(struct vm_object *object)
{
    struct scsi_bus *bus = (struct scsi_bus *)object;

    if (bus->lanes)
        bus->ops->hold(bus, true);
    for (guint i = 0; bus->lanes && i < bus->bus.devices->len; i++)
        settle(scsi_bus_unit(bus, i));
    for (guint i = 0; i < bus->bus.devices->len; i++)
        scsi_bus_unit(bus, i)->bus = NULL;
    g_clear_pointer(&bus->lanes, g_ptr_array_unref);
}

VM_CLASS(scsi_bus) {
    .name = "SCSI", .parent = "bus", .data = "virtio-scsi-pci", .size = sizeof(struct scsi_bus), .description = "targets and logical units of an adapter", .finish = finish_bus,
};
