/* hw/scsi/disk_inquiry.c - who a disk or drive is: INQUIRY and vital product data (SPC-4, 6.4 and 7.8; SBC-3, 6.5). */
#include "hw/scsi/disk.h"
#include <string.h>

enum { STANDARD = 36, PAGE = 256, MAX_ID = 247 };
enum { TYPE_DISK = 0, TYPE_CD = 5, BLOCK_LIMITS = 60, CHARACTERISTICS = 60 };

static u8 type_of(const struct scsi_disk *d)
{
    return scsi_disk_is_cd(d) ? TYPE_CD : TYPE_DISK;
}

static const char *or_default(const char *text, const char *otherwise)
{
    return text && *text ? text : otherwise;
}

static void standard(const struct scsi_disk *d, struct scsi_request *r)
{
    u8 data[STANDARD] = { type_of(d), scsi_disk_is_cd(d) || d->removable ? 0x80 : 0, (u8)d->scsi_version, 0x12, STANDARD - 5, 0, 0, 0x12 };

    scsi_pad(data + 8, 8, or_default(d->vendor, "QEMU"));
    scsi_pad(data + 16, 16, or_default(d->product, scsi_disk_is_cd(d) ? "QEMU CD-ROM" : "QEMU HARDDISK"));
    scsi_pad(data + 32, 4, or_default(d->ver, "2.5+"));
    scsi_request_reply(r, data, sizeof(data), bits_load_be(r->cdb + 3, 2));
}

/* One page: fills in what follows the header of four bytes, gives back how much. */

static u32 page_supported(const struct scsi_disk *d, u8 *at);

static u32 page_serial(const struct scsi_disk *d, u8 *at)
{
    u32 size = d->serial ? (u32)strlen(d->serial) : 0;

    memcpy(at, d->serial ? d->serial : "", size);
    return size;
}

static const char *id_of(const struct scsi_disk *d)
{
    return or_default(d->device_id, or_default(d->serial, disk_id(d->unit.disk)));
}

/* Designation descriptors (7.8.6): code set, association and type, bytes. */
static u32 add_designator(u8 *at, u8 code_set, u8 type, const void *bytes, u32 size)
{
    memcpy(at, (u8[]){ code_set, type, 0, (u8)size }, 4);
    memcpy(at + 4, bytes, size);
    return 4 + size;
}

static u32 page_identification(const struct scsi_disk *d, u8 *at)
{
    const char *id = id_of(d);
    u32 used = *id ? add_designator(at, 2, 0, id, MIN((u32)strlen(id), MAX_ID - 36)) : 0;
    u8 number[8];

    bits_store_be(number, 8, d->wwn);
    used += d->wwn ? add_designator(at + used, 1, 3, number, 8) : 0;
    bits_store_be(number, 8, d->port_wwn);
    used += d->port_wwn ? add_designator(at + used, 0x61, 0x93, number, 8) : 0;
    bits_store_be(number, 4, d->port_index);
    used += d->port_index ? add_designator(at + used, 0x61, 0x94, number, 4) : 0;
    return used;
}

static u32 page_block_limits(const struct scsi_disk *d, u8 *at)
{
    u64 block = d->unit.block_size, granularity = scsi_disk_discard_granularity(d);

    at[0] = 1; /* WSNZ */
    bits_store_be(at + 2, 2, d->min_io_size / block);
    bits_store_be(at + 4, 4, d->max_io_size / block);
    bits_store_be(at + 8, 4, d->opt_io_size / block);
    bits_store_be(at + 16, 4, granularity ? d->max_unmap_size / block : 0);
    bits_store_be(at + 20, 4, granularity ? 255 : 0);
    bits_store_be(at + 24, 4, granularity / block);
    bits_store_be(at + 32, 8, d->max_io_size / block);
    return BLOCK_LIMITS;
}

static u32 page_characteristics(const struct scsi_disk *d, u8 *at)
{
    bits_store_be(at, 2, d->rotation_rate);
    return CHARACTERISTICS;
}

/* UNMAP, WRITE SAME (16) and (10) give storage back; thin. */
static u32 page_provisioning(const struct scsi_disk *d, u8 *at)
{
    bool thin = scsi_disk_discard_granularity(d);

    memcpy(at, (u8[]){ 0, thin ? 0xe0 : 0, thin ? 2 : 0, 0 }, 4);
    return 4;
}

static bool always(const struct scsi_disk *d)
{
    return true;
}

static bool has_serial(const struct scsi_disk *d)
{
    return d->serial;
}

static bool is_disk(const struct scsi_disk *d)
{
    return !scsi_disk_is_cd(d);
}

static const struct {
    u8 code;
    bool (*there)(const struct scsi_disk *d);
    u32 (*fill)(const struct scsi_disk *d, u8 *at);
} pages[] = {
    { 0x00, always, page_supported },
    { 0x80, has_serial, page_serial },
    { 0x83, always, page_identification },
    { 0xb0, is_disk, page_block_limits },
    { 0xb1, is_disk, page_characteristics },
    { 0xb2, is_disk, page_provisioning },
};

static u32 page_supported(const struct scsi_disk *d, u8 *at)
{
    u32 count = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        if (pages[i].there(d))
            at[count++] = pages[i].code;
    return count;
}

void scsi_disk_inquiry(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    u8 data[4 + PAGE] = { 0 };

    if (!(r->cdb[1] & 1)) {
        if (r->cdb[2] || r->cdb[1] & 2)
            scsi_request_fail(r, SCSI_INVALID_FIELD);
        else
            standard(d, r);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        if (pages[i].code != r->cdb[2] || !pages[i].there(d))
            continue;
        u32 size = pages[i].fill(d, data + 4);

        data[0] = type_of(d);
        data[1] = r->cdb[2];
        bits_store_be(data + 2, 2, size);
        scsi_request_reply(r, data, 4 + size, bits_load_be(r->cdb + 3, 2));
        return;
    }
    scsi_request_fail(r, SCSI_INVALID_FIELD);
}
