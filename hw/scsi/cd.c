/* hw/scsi/cd.c - commands of drives with removable media (SPC-4, SBC-3) and of CD-ROM drives (MMC-6, chapter 6). */
#include "hw/scsi/disk.h"
#include <string.h>

enum { CD_BLOCKS = 80 * 60 * 75, LEAD_OUT = 0xaa, FRAMES = 75, PREGAP = 150 };
enum { PROFILE_NONE = 0, PROFILE_CD_ROM = 0x08, PROFILE_DVD_ROM = 0x10 };
enum { MEDIA_CLASS = 4, DISC_INFORMATION = 34, STRUCTURE = 2048 + 4 };

/* ---- Tray and lock: disks with removable media too ---- */

static void load_eject(struct scsi_disk *d, struct scsi_request *r, bool load)
{
    if (!load && d->state->locked && !d->state->tray_open) {
        scsi_request_fail(r, SCSI_REMOVAL_PREVENTED);
        return;
    }
    scsi_disk_move_tray(d, !load);
    scsi_request_good(r);
}

void scsi_disk_start_stop(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    bool power_condition = r->cdb[4] >> 4, load_or_eject = r->cdb[4] & 2;

    if (scsi_disk_is_cd(d) && load_or_eject && !power_condition)
        load_eject(d, r, r->cdb[4] & 1);
    else
        scsi_request_good(r); /* always turning */
}

void scsi_disk_prevent(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);

    if (scsi_disk_is_cd(d) || d->removable)
        d->state->locked = r->cdb[4] & 1;
    scsi_request_good(r);
}

void scsi_disk_send_diagnostic(struct scsi_unit *unit, struct scsi_request *r)
{
    if (r->cdb[1] & 4) /* the self-test, without parameters */
        scsi_request_good(r);
    else
        scsi_request_fail(r, SCSI_INVALID_FIELD);
}

/* ---- What is in the drive ---- */

static u16 profile_of(const struct scsi_disk *d)
{
    if (!scsi_disk_is_ready(d))
        return PROFILE_NONE;
    return scsi_disk_blocks(d) > CD_BLOCKS ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

/* A feature descriptor (MMC-6, 5.2.2). Gives back its size. */
static u32 add_feature(u8 *at, u16 code, u8 flags, const void *data, u8 size)
{
    bits_store_be(at, 2, code);
    at[2] = flags;
    at[3] = size;
    memcpy(at + 4, data, size);
    return 4u + size;
}

static u32 add_profiles(const struct scsi_disk *d, u8 *at)
{
    u16 now = profile_of(d);
    u8 list[8] = { 0, PROFILE_DVD_ROM, now == PROFILE_DVD_ROM, 0, 0, PROFILE_CD_ROM, now == PROFILE_CD_ROM, 0 };

    return add_feature(at, 0, 3, list, sizeof(list));
}

/* Features from `from` on: all, the current ones, or that one only (6.5.2.1). */
static u32 add_features(const struct scsi_disk *d, u8 *at, u16 from, unsigned which)
{
    u16 now = profile_of(d);
    const struct {
        u16 code;
        u8 flags, size, data[8];
    } features[] = {
        { 0x0001, 0x0b, 8, { 0, 0, 0, 1, 1 } },                                      /* core: SCSI; DBE */
        { 0x0003, 0x0b, 4, { 0x29 } },                                               /* removable: tray, eject, lock */
        { 0x0010, now ? 1 : 0, 8, { 0, 0, 8, 0, 0, 1, 0, 0 } },                      /* readable at random, blocks of 2048 */
        { 0x001e, now == PROFILE_CD_ROM ? 9 : 8, 4, { 0 } },                         /* reads CDs */
        { 0x001f, now == PROFILE_DVD_ROM ? 5 : 4, 4, { 0 } },                        /* reads DVDs */
    };
    u32 used = 0;

    if (!from)
        used += add_profiles(d, at);
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        bool wanted = which == 2 ? features[i].code == from : features[i].code >= from && (!which || features[i].flags & 1);

        if (wanted)
            used += add_feature(at + used, features[i].code, features[i].flags, features[i].data, features[i].size);
    }
    return used;
}

void scsi_disk_get_configuration(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    u8 data[128] = { 0 };

    if ((r->cdb[1] & 3) == 3) {
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    u32 size = 8 + add_features(d, data + 8, (u16)bits_load_be(r->cdb + 2, 2), r->cdb[1] & 3);
    bits_store_be(data, 4, size - 4);
    bits_store_be(data + 6, 2, profile_of(d));
    scsi_request_reply(r, data, size, bits_load_be(r->cdb + 7, 2));
}

void scsi_disk_get_event(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    bool wanted = r->cdb[4] & 1 << MEDIA_CLASS;
    u8 data[8] = { 0, wanted ? 6 : 2, wanted ? MEDIA_CLASS : 0x80, 1 << MEDIA_CLASS };

    if (!(r->cdb[1] & 1)) { /* asynchronously: no */
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    if (wanted) {
        data[4] = d->state->media_event;
        data[5] = (u8)((d->state->tray_open ? 1 : 0) | (disk_node(unit->disk) ? 2 : 0));
        if (bits_load_be(r->cdb + 7, 2) > 4)
            d->state->media_event = CD_NO_EVENT;
    }
    scsi_request_reply(r, data, wanted ? 8 : 4, bits_load_be(r->cdb + 7, 2));
}

/* ---- Table of contents: one data track, one session (6.25) ---- */

static void store_address(u8 *at, bool msf, u64 lba)
{
    u64 frames = lba + PREGAP;

    if (msf)
        memcpy(at, (u8[]){ 0, (u8)(frames / FRAMES / 60), (u8)(frames / FRAMES % 60), (u8)(frames % FRAMES) }, 4);
    else
        bits_store_be(at, 4, lba);
}

static u32 toc_entry(u8 *at, u8 track, bool msf, u64 lba)
{
    memcpy(at, (u8[]){ 0, 0x14, track, 0 }, 4); /* data track; Q channel has positions */
    store_address(at + 4, msf, lba);
    return 8;
}

static u32 toc_tracks(u8 *at, u8 from, bool msf, u64 blocks)
{
    u32 used = 4;

    at[2] = at[3] = 1;
    if (from <= 1)
        used += toc_entry(at + used, 1, msf, 0);
    return used + toc_entry(at + used, LEAD_OUT, msf, blocks);
}

/* Entries of the lead-in area: first track, last track, lead-out, track 1. */
static u32 toc_raw(u8 *at, bool msf, u64 blocks)
{
    static const u8 points[] = { 0xa0, 0xa1, 0xa2, 1 };
    u32 used = 4;

    at[2] = at[3] = 1;
    for (unsigned i = 0; i < ARRAY_SIZE(points); i++, used += 11) {
        memcpy(at + used, (u8[]){ 1, 0x14, 0, points[i] }, 4);
        if (points[i] == 0xa2 || points[i] == 1)
            store_address(at + used + 7, msf, points[i] == 1 ? 0 : blocks);
        else
            at[used + 8] = 1;
    }
    return used;
}

void scsi_disk_read_toc(struct scsi_unit *unit, struct scsi_request *r)
{
    u64 blocks = scsi_disk_blocks(scsi_disk_of(unit));
    bool msf = r->cdb[1] & 2;
    u8 data[64] = { 0 }, format = r->cdb[2] & 15 ? r->cdb[2] & 15 : r->cdb[9] >> 6, from = r->cdb[6];
    u32 size = 0;

    if (format == 0 && (from <= 1 || from == LEAD_OUT)) {
        size = toc_tracks(data, from, msf, blocks);
    } else if (format == 1) {
        data[2] = data[3] = 1;
        size = 4 + toc_entry(data + 4, 1, msf, 0);
    } else if (format == 2) {
        size = toc_raw(data, msf, blocks);
    }
    if (!size) {
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    bits_store_be(data, 2, size - 2);
    scsi_request_reply(r, data, size, bits_load_be(r->cdb + 7, 2));
}

/* 6.22: finalised, complete. */
void scsi_disk_read_disc(struct scsi_unit *unit, struct scsi_request *r)
{
    u8 data[DISC_INFORMATION] = { 0, DISC_INFORMATION - 2, 0x0e, 1, 1, 1, 1, 0x20 };

    if (r->cdb[1] & 7) {
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    memset(data + 16, 0xff, 8); /* where recording could go on: nowhere */
    scsi_request_reply(r, data, sizeof(data), bits_load_be(r->cdb + 7, 2));
}

/* 6.23: a DVD-ROM with one layer. */
static u32 structure(u8 *at, u8 format, u64 blocks)
{
    switch (format) {
    case 0x00: /* physical format */
        memcpy(at, (u8[]){ 1, 0x0f, 1, 0 }, 4);
        bits_store_be(at + 4, 4, 0x30000);
        bits_store_be(at + 8, 4, 0x30000 + blocks - 1);
        return 2048;
    case 0x01: /* copyright: none */
        return 4;
    case 0x04: /* manufacturer */
        return 2048;
    case 0xff: /* which formats there are */
        memcpy(at, (u8[]){ 0x00, 0x40, 0x08, 0x04, 0x01, 0x40, 0x00, 0x08, 0x04, 0x40, 0x08, 0x04, 0xff, 0x40, 0x00, 0x14 }, 16);
        return 16;
    default:
        return 0;
    }
}

void scsi_disk_read_structure(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    u8 data[STRUCTURE] = { 0 };
    bool generic = r->cdb[7] == 0xff;
    u32 size = 0;

    if (!generic && profile_of(d) != PROFILE_DVD_ROM) {
        scsi_request_fail(r, SCSI_INCOMPATIBLE_MEDIUM);
        return;
    }
    if (!(r->cdb[1] & 15) && !r->cdb[6])
        size = structure(data + 4, r->cdb[7], scsi_disk_blocks(d));
    if (!size) {
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    bits_store_be(data, 2, size + 2);
    scsi_request_reply(r, data, size + 4, bits_load_be(r->cdb + 8, 2));
}

void scsi_disk_mechanism_status(struct scsi_unit *unit, struct scsi_request *r)
{
    u8 data[8] = { 0, scsi_disk_of(unit)->state->tray_open ? 0x10 : 0, 0, 0, 0, 1 };

    scsi_request_reply(r, data, sizeof(data), bits_load_be(r->cdb + 8, 2));
}
