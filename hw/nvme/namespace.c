/* hw/nvme/namespace.c - namespaces: a disk each. */
#include "hw/nvme/nvme.h"
#include "base/error.h"
#include "vm/machine.h"
#include <string.h>

struct nvme_namespace *nvme_space(const struct nvme *n, u32 id)
{
    return id && id <= NVME_NAMESPACES ? n->space[id - 1] : NULL;
}

u64 nvme_space_blocks(const struct nvme_namespace *space)
{
    return disk_size(space->disk) >> space->shift;
}

/* What one copy may hold in memory, if that is a block. */
static const u64 copy_bytes = MIB;

u32 nvme_space_formats(const struct nvme_namespace *space)
{
    return space->own_shift == 9 || space->own_shift == 12 ? 2 : 3;
}

u32 nvme_space_format_shift(const struct nvme_namespace *space, u32 format)
{
    return format == 0 ? 9 : format == 1 ? 12 : space->own_shift;
}

void nvme_space_set_format(struct nvme_namespace *space, u32 format)
{
    space->shift = nvme_space_format_shift(space, format);
}

/* --- changes of size --- */

static void resized_here(void *device, u32 id, u32 level)
{
    struct nvme_namespace *space = nvme_space(device, id);

    if (space)
        nvme_space_changed(space);
    nvme_notify(device);
}

static void resized_letter(void *opaque, const void *payload, u32 size)
{
    u32 id;

    memcpy(&id, payload, sizeof(id));
    device_run(opaque, resized_here, id, 0);
}

/* The loop's thread. */
static void resized(void *opaque)
{
    struct nvme_namespace *space = opaque;
    struct nvme *n = space->controller;

    inbox_post(n->device.object.vm, &n->device.object, resized_letter, &n->device, &space->id, sizeof(space->id));
}

/* --- coming and going --- */

static bool check_block(const char *name, u64 bytes, GError **error)
{
    return !bytes || (bits_is_power_of_2(bytes) && bytes >= 512 && bytes <= 2 * MIB) ||
           error_set(error, "parameter %s must be a power of 2 between 512 and 2097152", name);
}

static bool check(const struct nvme_space_options *o, GError **error)
{
    if (!check_block("logical_block_size", o->logical, error) || !check_block("physical_block_size", o->physical, error))
        return false;
    if (o->physical && o->physical < MAX(o->logical, 512))
        return error_set(error, "logical_block_size > physical_block_size not supported");
    if (o->granularity != UINT32_MAX && o->granularity % MAX(o->logical, 512))
        return error_set(error, "discard_granularity must be a multiple of logical_block_size");
    return (o->mcl && o->mssrl) || error_set(error, "mcl and mssrl must be 1 at least");
}

static u32 choose_id(const struct nvme *n, u32 wanted, GError **error)
{
    u32 id = wanted ? wanted : 1;

    if (wanted > NVME_NAMESPACES) {
        error_set(error, "invalid namespace id (must be between 0 and %d)", NVME_NAMESPACES);
        return 0;
    }
    while (!wanted && id <= NVME_NAMESPACES && n->space[id - 1])
        id++;
    if (id > NVME_NAMESPACES)
        error_set(error, "no free namespace id");
    else if (n->space[id - 1])
        error_set(error, "namespace id '%u' already allocated", id);
    else
        return id;
    return 0;
}

/* The same at every start: of controller and number (version 5: of a name). */
static void make_uuid(const struct nvme *n, u32 id, u8 *uuid)
{
    g_autofree char *name = g_strdup_printf("mynah nvme %s %u", n->serial, id);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    u8 digest[20];
    gsize size = sizeof(digest);

    g_checksum_update(sum, (const guchar *)name, -1);
    g_checksum_get_digest(sum, digest, &size);
    memcpy(uuid, digest, 16);
    uuid[6] = (uuid[6] & 0x0f) | 0x50;
    uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

static bool set_uuid(const struct nvme *n, u32 id, const char *text, u8 *uuid, GError **error)
{
    make_uuid(n, id, uuid);
    if (!text || !*text || !strcmp(text, "auto"))
        return true;
    if (!g_uuid_string_is_valid(text))
        return error_set(error, "uuid '%s': not a UUID", text);
    for (unsigned i = 0; i < 16; text += *text == '-' ? 1 : 0, i++, text += 2)
        uuid[i] = (u8)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    return true;
}

struct nvme_namespace *nvme_space_add(struct vm_object *controller, struct vm_object *owner, const struct nvme_space_options *o, GError **error)
{
    struct nvme *n = (struct nvme *)controller;
    g_autofree char *path = vm_object_path(owner);
    u32 id = choose_id(n, o->id, error);
    struct nvme_namespace *space;
    u8 uuid[16];

    if (!id || !check(o, error) || !set_uuid(n, id, o->uuid, uuid, error))
        return NULL;
    struct disk *disk = disk_claim(vm_backend(owner->vm, "disks", 0), o->drive, NULL, true, o->share_rw, path, error);
    if (!disk)
        return NULL;
    space = g_new0(struct nvme_namespace, 1);
    *space = (struct nvme_namespace){ .controller = n, .id = id, .disk = disk, .eui64 = o->eui64, .owner = owner };
    space->shift = (u32)__builtin_ctzll(o->logical ? o->logical : 512);
    space->physical = (u32)MAX(o->physical, BIT64(space->shift));
    space->granularity = (u32)o->granularity;
    space->own_shift = space->shift;
    space->mcl = (u32)MIN(o->mcl, MAX(copy_bytes >> MAX(space->shift, 12u), 1));
    space->mssrl = (u16)MIN(o->mssrl, space->mcl);
    space->msrc = o->msrc;
    memcpy(space->uuid, uuid, sizeof(uuid));
    n->space[id - 1] = space;
    disk_on_resize(disk, resized, space);
    if (owner == controller && n->write_cache)
        disk_set_writethrough(disk, !nvme_has_write_cache(n));
    nvme_space_changed(space);
    return space;
}

/* Commands of several steps end when they come back. */
static void forget_space(struct nvme *n, const struct nvme_namespace *space)
{
    for (GList *link = n->active.head; link; link = link->next) {
        struct nvme_request *r = link->data;

        if (r->space == space)
            r->space = NULL;
    }
}

void nvme_space_remove(struct nvme_namespace *space)
{
    struct nvme *n;

    if (!space)
        return;
    n = space->controller;
    if (n)
        n->space[space->id - 1] = NULL;
    disk_release(space->disk);
    if (n) {
        forget_space(n, space);
        nvme_space_changed(space);
    }
    g_free(space);
}

void nvme_spaces_leave(struct nvme *n)
{
    for (u32 i = 0; i < NVME_NAMESPACES; i++) {
        if (!n->space[i])
            continue;
        disk_drain(n->space[i]->disk);
        disk_on_resize(n->space[i]->disk, NULL, NULL);
        forget_space(n, n->space[i]);
        n->space[i]->controller = NULL;
        n->space[i] = NULL;
    }
}
