/* hw/nvme/identify.c - what the controller says about itself and its namespaces (5.15). */
#include "api/version.h"
#include "base/bits.h"
#include "hw/nvme/nvme.h"
#include <stdio.h>
#include <string.h>

enum { PAGE = 4096, LIST = PAGE / 4 };
enum {
    SPACE = 0x00, CONTROLLER = 0x01, ACTIVE = 0x02, DESCRIPTORS = 0x03, SET_SPACE = 0x05, SET_CONTROLLER = 0x06, SET_ACTIVE = 0x07,
    ALLOCATED = 0x10, ALLOCATED_SPACE = 0x11, ATTACHED_CONTROLLERS = 0x12, CONTROLLERS = 0x13, COMMAND_SETS = 0x1c,
};
enum { OPTIONAL_FORMAT = 1 << 1, OPTIONAL_DOORBELLS = 1 << 8, COMPARE = 1, MANAGE = 4, ZEROES = 8, SELECT = 0x10, TIMESTAMP = 0x40, VERIFY = 0x80, COPY = 0x100 };

static void put_text(u8 *to, size_t size, const char *text)
{
    memset(to, ' ', size);
    memcpy(to, text, MIN(strlen(text), size));
}

/* Figure 251. */
static void describe_controller(struct nvme *n, u8 *page)
{
    u32 spaces = NVME_NAMESPACES;

    bits_store_le(page + 0, 2, n->pci.identity.vendor_id);
    bits_store_le(page + 2, 2, n->pci.identity.subsystem_vendor_id);
    put_text(page + 4, 20, n->serial);
    put_text(page + 24, 40, n->model && *n->model ? n->model : "QEMU NVMe Ctrl");
    put_text(page + 64, 8, n->firmware_version && *n->firmware_version ? n->firmware_version : API_QEMU_VERSION);
    page[72] = 6;                                            /* arbitration burst */
    page[77] = n->mdts ? n->mdts : 13;
    bits_store_le(page + 80, 4, 0x00010400);                 /* version */
    bits_store_le(page + 92, 4, 1 << 8);                     /* events: namespace attributes */
    page[111] = 1;                                           /* an I/O controller */
    bits_store_le(page + 256, 2, (n->dbcs ? OPTIONAL_DOORBELLS : 0) | OPTIONAL_FORMAT);
    page[258] = NVME_ABORTS - 1;                             /* aborts at one time, less one */
    page[259] = n->aerl;
    page[260] = 1 << 1 | 1;                                  /* one firmware slot, read only */
    page[261] = 1 << 1 | 1 << 2;                             /* commands supported log, long log pages */
    page[262] = NVME_ERRORS - 1;                                         /* error log entries, less one */
    bits_store_le(page + 266, 2, 343);                       /* warning and critical temperature, K */
    bits_store_le(page + 268, 2, 373);
    page[512] = 6 << 4 | 6;
    page[513] = 4 << 4 | 4;
    bits_store_le(page + 516, 4, spaces);
    bits_store_le(page + 520, 2, COMPARE | MANAGE | ZEROES | SELECT | TIMESTAMP | VERIFY | COPY);
    page[525] = (nvme_has_write_cache(n) ? 1 : 0) | 3 << 1;  /* flush with all ones flushes everything */
    bits_store_le(page + 534, 2, 1);                         /* copy descriptors: format 0 */
    bits_store_le(page + 536, 4, 1 | 1 << 16);               /* lists; bit buckets */
    snprintf((char *)page + 768, 256, "nqn.2019-08.org.qemu:%s", n->serial);
    bits_store_le(page + 2048, 2, 2500);                     /* power state 0: 25 W */
}

/* Figure 249. Formats differ in the size of blocks; whether deallocated blocks read as zeros depends on the image, so it is not promised. */
static void describe_space(const struct nvme_namespace *space, u8 *page)
{
    u64 blocks = nvme_space_blocks(space);
    u32 physical = MAX(space->physical >> space->shift, 1u);
    u32 bytes = space->granularity == UINT32_MAX ? MAX(space->physical, 4096u) : space->granularity;
    u32 granularity = CLAMP(bytes >> space->shift, 1u, 65536u);

    bits_store_le(page + 0, 8, blocks);
    bits_store_le(page + 8, 8, blocks);
    bits_store_le(page + 16, 8, blocks);
    page[24] = 1 << 4;                                      /* preferred sizes are given */
    page[33] = 1 << 3;                                       /* write zeroes may deallocate */
    bits_store_le(page + 64, 2, physical - 1);
    bits_store_le(page + 66, 2, physical - 1);
    bits_store_le(page + 68, 2, granularity - 1);
    bits_store_le(page + 70, 2, granularity - 1);
    bits_store_le(page + 74, 2, space->mssrl);
    bits_store_le(page + 76, 4, space->mcl);
    page[80] = space->msrc;
    page[99] = disk_is_read_only(space->disk) ? 1 : 0;
    for (unsigned i = 0; i < 8; i++)
        page[120 + i] = (u8)(space->eui64 >> (56 - 8 * i));
    page[25] = (u8)(nvme_space_formats(space) - 1);
    for (u32 i = 0; i < nvme_space_formats(space); i++) {
        page[128 + 4 * i + 2] = (u8)nvme_space_format_shift(space, i);
        if (nvme_space_format_shift(space, i) == space->shift)
            page[26] = (u8)i;
    }
}

/* Figure 254. */
static void describe_identifiers(const struct nvme_namespace *space, u8 *page)
{
    u8 *at = page;

    if (space->eui64) {
        at[0] = 1;
        at[1] = 8;
        for (unsigned i = 0; i < 8; i++)
            at[4 + i] = (u8)(space->eui64 >> (56 - 8 * i));
        at += 12;
    }
    at[0] = 3;
    at[1] = 16;
    memcpy(at + 4, space->uuid, 16);
    at += 20;
    at[0] = 4; /* command set: NVM, which is 0 */
    at[1] = 1;
}

static u16 list_spaces(const struct nvme *n, u32 after, u8 *page)
{
    u32 filled = 0;

    if (after >= 0xfffffffe)
        return NVME_INVALID_NAMESPACE | NVME_DNR;
    for (u32 i = after; i < NVME_NAMESPACES && filled < LIST; i++)
        if (n->space[i])
            bits_store_le(page + 4 * filled++, 4, i + 1);
    return NVME_OK;
}

static u16 list_controllers(const struct nvme *n, u32 first, u8 *page)
{
    bits_store_le(page, 2, first == 0); /* how many; ours is 0 */
    return NVME_OK;
}

/* Of a namespace. One that is not there is described by zeros, a number that cannot be is an error. */
static u16 look_at_space(const struct nvme *n, u32 id, void (*describe)(const struct nvme_namespace *space, u8 *page), u8 *page)
{
    const struct nvme_namespace *space = nvme_space(n, id);

    if (!id || id > NVME_NAMESPACES)
        return NVME_INVALID_NAMESPACE | NVME_DNR;
    if (space && describe)
        describe(space, page);
    return space || describe == describe_space ? NVME_OK : NVME_INVALID_FIELD | NVME_DNR;
}

static u16 fill(struct nvme *n, const u8 *command, u8 *page)
{
    u32 id = nvme_dword(command, 1), which = nvme_dword(command, 10), set = nvme_dword(command, 11) >> 24;

    switch (which & 0xff) {
    case SPACE:
    case ALLOCATED_SPACE:
        return look_at_space(n, id, describe_space, page);
    case CONTROLLER:
        describe_controller(n, page);
        return NVME_OK;
    case ACTIVE:
    case ALLOCATED:
        return list_spaces(n, id, page);
    case DESCRIPTORS:
        return look_at_space(n, id, describe_identifiers, page);
    case SET_SPACE:
        return set ? NVME_INVALID_FIELD | NVME_DNR : look_at_space(n, id, NULL, page);
    case SET_CONTROLLER:
        page[0] = set ? 0 : n->vsl;
        return set ? NVME_INVALID_FIELD | NVME_DNR : NVME_OK;
    case SET_ACTIVE:
        return set ? NVME_INVALID_FIELD | NVME_DNR : list_spaces(n, id, page);
    case ATTACHED_CONTROLLERS:
        return nvme_space(n, id) ? list_controllers(n, which >> 16, page) : NVME_INVALID_FIELD | NVME_DNR;
    case CONTROLLERS:
        return list_controllers(n, which >> 16, page);
    case COMMAND_SETS:
        page[0] = 1;
        return NVME_OK;
    default:
        return NVME_INVALID_FIELD | NVME_DNR;
    }
}

u16 nvme_identify(struct nvme *n, const u8 *command)
{
    g_autofree u8 *page = g_malloc0(PAGE);
    u16 status = fill(n, command, page);

    return status ? status : nvme_copy_out(n, command, page, PAGE);
}
