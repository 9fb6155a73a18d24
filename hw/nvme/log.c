/* hw/nvme/log.c - log pages (5.14), and the events that lead to them. */
#include "api/version.h"
#include "base/bits.h"
#include "hw/nvme/nvme.h"
#include "vm/clock.h"
#include <string.h>

enum { ERRORS = 1, SMART = 2, FIRMWARE = 3, CHANGED = 4, EFFECTS = 5 };
enum { ERROR_SIZE = 64, SMART_SIZE = 512, FIRMWARE_SIZE = 512, CHANGED_SIZE = 4096, EFFECTS_SIZE = 4096 };
enum { TYPE_ERROR = 0, TYPE_SMART = 1, TYPE_NOTICE = 2, ATTRIBUTES_CHANGED = 0, RETAIN = 1 << 15 };
enum { KELVIN = 323, SUPPORTED = 1, CHANGES_DATA = 2, CHANGES_SPACES = 4, ALONE = 2 << 16, UNIT = 512000 };

bool nvme_temperature_warns(const struct nvme *n)
{
    const u32 *threshold = n->state->features.temperature;

    return (threshold[0] && KELVIN >= threshold[0]) || KELVIN <= threshold[1];
}

/* Figure 194. */
static void fill_smart(struct nvme *n, u8 *page)
{
    const struct nvme_state *s = n->state;
    u64 hours = (u64)(vm_clock_now(n->device.object.vm, VM_CLOCK_VIRTUAL) - s->power_on) / UINT64_C(3600000000000);

    page[0] = n->smart_critical_warning | (nvme_temperature_warns(n) ? 2 : 0);
    bits_store_le(page + 1, 2, KELVIN);
    page[3] = 100; /* spare, and when it becomes little, per cent */
    page[4] = 10;
    bits_store_le(page + 32, 8, (s->smart[0] + UNIT - 1) / UNIT);
    bits_store_le(page + 48, 8, (s->smart[1] + UNIT - 1) / UNIT);
    bits_store_le(page + 64, 8, s->smart[2]);
    bits_store_le(page + 80, 8, s->smart[3]);
    bits_store_le(page + 128, 8, hours);
    bits_store_le(page + 112, 8, 1); /* power cycles: of this machine's life */
    bits_store_le(page + 160, 8, s->media_errors);
    bits_store_le(page + 176, 8, s->errors);
}

static void put_error(u8 *to, const struct nvme_error *e)
{
    bits_store_le(to, 8, e->number);
    bits_store_le(to + 8, 2, e->sq);
    bits_store_le(to + 10, 2, e->id);
    bits_store_le(to + 12, 2, e->status);
    bits_store_le(to + 14, 2, 0xffff); /* which byte was wrong is not told */
    bits_store_le(to + 16, 8, e->lba);
    bits_store_le(to + 24, 4, e->space);
}

/* Figure 193: the last one first. */
static void fill_errors(const struct nvme *n, u8 *page)
{
    u64 count = n->state->errors;

    for (u64 i = 0; i < MIN(count, NVME_ERRORS); i++)
        put_error(page + ERROR_SIZE * i, &n->state->error[(count - i) % NVME_ERRORS]);
}

void nvme_log_error(const struct nvme_request *r)
{
    struct nvme_state *s = r->nvme->state;
    u64 number = ++s->errors;
    u32 kind = r->status & 0x7ff;

    s->media_errors += kind == NVME_READ_FAULT || kind == NVME_WRITE_FAULT;
    s->error[number % NVME_ERRORS] = (struct nvme_error){ .number = number, .sq = r->sq, .id = r->id, .space = nvme_dword(r->command, 1),
        .lba = r->sq ? bits_load_le(r->command + 40, 8) : 0, .status = (u16)(r->status << 1 | s->cq[s->sq[r->sq].cq].phase) };
}

static void fill_firmware(struct nvme *n, u8 *page)
{
    const char *version = n->firmware_version && *n->firmware_version ? n->firmware_version : API_QEMU_VERSION;

    page[0] = 1;
    memset(page + 8, ' ', 8);
    memcpy(page + 8, version, MIN(strlen(version), 8));
}

/* Reading it forgets. */
static void fill_changed(struct nvme *n, u8 *page)
{
    u32 filled = 0;

    for (u32 i = 0; i < NVME_NAMESPACES; i++)
        if (n->state->changed[i / 32] >> i % 32 & 1)
            bits_store_le(page + 4 * filled++, 4, i + 1);
    memset(n->state->changed, 0, sizeof(n->state->changed));
}

static void fill_effects(struct nvme *n, u8 *page)
{
    static const u8 admin[] = { 0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x0c }, io[] = { 0x00, 0x02, 0x05, 0x0c };
    static const u8 writing[] = { 0x01, 0x08, 0x09, 0x19 };

    for (unsigned i = 0; i < ARRAY_SIZE(admin); i++)
        page[4 * admin[i]] = SUPPORTED;
    bits_store_le(page + 4 * 0x80, 4, SUPPORTED | CHANGES_DATA | CHANGES_SPACES | ALONE);
    page[4 * 0x7c] = n->dbcs ? SUPPORTED : 0;
    for (unsigned i = 0; i < ARRAY_SIZE(io); i++)
        page[1024 + 4 * io[i]] = SUPPORTED;
    for (unsigned i = 0; i < ARRAY_SIZE(writing); i++)
        page[1024 + 4 * writing[i]] = SUPPORTED | CHANGES_DATA;
}

static u64 fill(struct nvme *n, u32 which, u8 *page)
{
    switch (which) {
    case ERRORS:
        fill_errors(n, page);
        return NVME_ERRORS * ERROR_SIZE;
    case SMART:
        fill_smart(n, page);
        return SMART_SIZE;
    case FIRMWARE:
        fill_firmware(n, page);
        return FIRMWARE_SIZE;
    case CHANGED:
        fill_changed(n, page);
        return CHANGED_SIZE;
    case EFFECTS:
        fill_effects(n, page);
        return EFFECTS_SIZE;
    default:
        return 0;
    }
}

/* The types of events that lead to a page are told again. */
static void listen_again(struct nvme *n, u32 which)
{
    u8 types = which == ERRORS ? 1 << TYPE_ERROR : which == SMART ? 1 << TYPE_SMART : which == CHANGED ? 1 << TYPE_NOTICE : 0;

    n->state->events_masked &= (u8)~types;
    nvme_answer_events(n);
}

u16 nvme_get_log(struct nvme *n, const u8 *command)
{
    u32 dword = nvme_dword(command, 10), which = dword & 0xff;
    u64 size = (((u64)(nvme_dword(command, 11) & 0xffff) << 16 | dword >> 16) + 1) * 4, offset = bits_load_le(command + 48, 8);
    g_autofree u8 *page = g_malloc0(EFFECTS_SIZE);
    u64 length = fill(n, which, page);
    u16 status;

    if (!length)
        return NVME_LOG_PAGE | NVME_DNR;
    if (offset & 3 || offset > length)
        return NVME_INVALID_FIELD | NVME_DNR;
    size = MIN(size, length - offset);
    status = size ? nvme_copy_out(n, command, page + offset, size) : NVME_OK;
    if (!status && !(dword & RETAIN))
        listen_again(n, which);
    return status;
}

void nvme_space_changed(struct nvme_namespace *space)
{
    struct nvme *n = space->controller;

    if (!nvme_is_ready(n))
        return;
    n->state->changed[(space->id - 1) / 32] |= 1u << (space->id - 1) % 32;
    if (n->state->features.event_config >> 8 & 1)
        nvme_event(n, TYPE_NOTICE, ATTRIBUTES_CHANGED, CHANGED);
}
