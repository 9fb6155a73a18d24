/* hw/nvme/feature.c - features: settings that the driver reads and changes (5.9, 5.21). */
#include "base/bits.h"
#include "hw/nvme/nvme.h"
#include "vm/clock.h"
#include <string.h>

enum {
    ARBITRATION = 0x01, POWER = 0x02, TEMPERATURE = 0x04, RECOVERY = 0x05, WRITE_CACHE = 0x06, QUEUES = 0x07, COALESCING = 0x08, VECTOR = 0x09,
    ATOMICITY = 0x0a, EVENTS = 0x0b, TIMESTAMP = 0x0e,
};
enum { CURRENT, DEFAULT, SAVED, CAPABILITIES, CHANGEABLE = 4, SAVE = 1u << 31 };
enum { WARM = 343 /* K */, COMPOSITE_OVER = 0, TELL_TEMPERATURE = 1 << 1 };

static const u64 ns_per_ms = 1000000;

static s64 now(const struct nvme *n)
{
    return vm_clock_now(n->device.object.vm, VM_CLOCK_VIRTUAL);
}

void nvme_reset_features(struct nvme *n)
{
    struct nvme_features *f = &n->state->features;

    *f = (struct nvme_features){ .arbitration = 6, .temperature = { WARM, 0 }, .write_cache_off = !nvme_has_write_cache(n) };
    n->state->timestamp = 0;
    n->state->timestamp_at = (u64)now(n);
    f->queues = (n->max_ioqpairs - 1) | (n->max_ioqpairs - 1) << 16;
}

/* Milliseconds since the driver set it, or since the reset; 5.21.1.14: 48 bits, then where it comes from. */
static u16 copy_timestamp(struct nvme_request *r)
{
    const struct nvme_state *f = r->nvme->state;
    u8 bytes[8];

    bits_store_le(bytes, 8, ((f->timestamp + ((u64)now(r->nvme) - f->timestamp_at) / ns_per_ms) & 0xffffffffffff) |
                            (f->timestamp ? UINT64_C(1) << 49 : 0));
    return nvme_copy_out(r->nvme, r->command, bytes, sizeof(bytes));
}

static u16 set_timestamp(struct nvme_request *r)
{
    struct nvme_state *f = r->nvme->state;
    u8 bytes[8];
    u16 status = nvme_copy_in(r->nvme, r->command, bytes, sizeof(bytes));

    if (status)
        return status;
    f->timestamp = bits_load_le(bytes, 6);
    f->timestamp_at = (u64)now(r->nvme);
    return NVME_OK;
}

/* The field behind a feature that is a plain number, or NULL. */
static u32 *plain(struct nvme *n, u32 feature)
{
    struct nvme_features *f = &n->state->features;

    switch (feature) {
    case ARBITRATION:
        return &f->arbitration;
    case POWER:
        return &f->power;
    case RECOVERY:
        return &f->recovery;
    case COALESCING:
        return &f->coalescing;
    case ATOMICITY:
        return &f->atomicity;
    case EVENTS:
        return &f->event_config;
    default:
        return NULL;
    }
}

static u16 get_current(struct nvme_request *r, u32 feature)
{
    struct nvme *n = r->nvme;
    u32 more = nvme_dword(r->command, 11);
    const u32 *value = plain(n, feature);

    if (value) {
        r->result = *value;
        return NVME_OK;
    }
    switch (feature) {
    case TEMPERATURE:
        r->result = bits_get(more, 16, 4) == COMPOSITE_OVER && bits_get(more, 20, 2) < 2 ? n->state->features.temperature[bits_get(more, 20, 2)] : 0;
        return NVME_OK;
    case WRITE_CACHE:
        r->result = !n->state->features.write_cache_off;
        return NVME_OK;
    case QUEUES:
        r->result = n->state->features.queues;
        return NVME_OK;
    case VECTOR:
        r->result = more & 0xffff;
        return r->result < n->msix_qsize ? NVME_OK : NVME_INVALID_FIELD | NVME_DNR;
    case TIMESTAMP:
        return copy_timestamp(r);
    default:
        return NVME_INVALID_FIELD | NVME_DNR;
    }
}

static bool is_changeable(u32 feature)
{
    return feature != VECTOR && feature != COALESCING && feature != QUEUES;
}

/* Nothing is saved: the default is what a reset brings. */
u16 nvme_get_feature(struct nvme_request *r)
{
    struct nvme *n = r->nvme;
    u32 select = nvme_dword(r->command, 10) >> 8 & 7, feature = nvme_dword(r->command, 10) & 0xff;
    struct nvme_features keep = n->state->features;
    u16 status;

    if (select == CAPABILITIES) {
        status = feature == TIMESTAMP ? NVME_OK : get_current(r, feature);
        r->result = is_changeable(feature) ? CHANGEABLE : 0;
        return status;
    }
    if (select > CAPABILITIES)
        return NVME_INVALID_FIELD | NVME_DNR;
    u64 timestamp = n->state->timestamp, timestamp_at = n->state->timestamp_at;
    if (select != CURRENT)
        nvme_reset_features(n);
    status = get_current(r, feature);
    n->state->features = keep;
    n->state->timestamp = timestamp;
    n->state->timestamp_at = timestamp_at;
    return status;
}

static u16 set_temperature(struct nvme *n, u32 value)
{
    if (bits_get(value, 16, 4) != COMPOSITE_OVER || bits_get(value, 20, 2) > 1)
        return NVME_OK; /* sensors that are not there */
    n->state->features.temperature[bits_get(value, 20, 2)] = value & 0xffff;
    if (nvme_temperature_warns(n) && n->state->features.event_config & TELL_TEMPERATURE)
        nvme_event(n, 1, 1, 2);
    return NVME_OK;
}

/* 5.21.1.7: what is asked for, up to what there is; before any queue exists. */
static u16 set_queues(struct nvme_request *r, u32 value)
{
    struct nvme *n = r->nvme;

    if ((value & 0xffff) == 0xffff || value >> 16 == 0xffff)
        return NVME_INVALID_FIELD | NVME_DNR;
    r->result = n->state->features.queues;
    return NVME_OK;
}

u16 nvme_set_feature(struct nvme_request *r)
{
    struct nvme *n = r->nvme;
    u32 feature = nvme_dword(r->command, 10) & 0xff, value = nvme_dword(r->command, 11);
    u32 *to = plain(n, feature);

    if (nvme_dword(r->command, 10) & SAVE)
        return NVME_NOT_SAVEABLE | NVME_DNR;
    switch (feature) {
    case TEMPERATURE:
        return set_temperature(n, value);
    case WRITE_CACHE:
        if (!nvme_has_write_cache(n))
            return NVME_INVALID_FIELD | NVME_DNR;
        n->state->features.write_cache_off = !(value & 1);
        return NVME_OK;
    case QUEUES:
        return set_queues(r, value);
    case TIMESTAMP:
        return set_timestamp(r);
    case POWER:
        return value & 0x1f ? NVME_INVALID_FIELD | NVME_DNR : NVME_OK;
    case VECTOR:
    case COALESCING:
        return NVME_NOT_CHANGEABLE | NVME_DNR;
    default:
        if (!to)
            return NVME_INVALID_FIELD | NVME_DNR;
        *to = value;
        return NVME_OK;
    }
}
