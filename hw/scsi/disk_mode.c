/* hw/scsi/disk_mode.c - mode pages (SPC-4, 6.11 to 6.14 and 7.5; SBC-3, 6.4; MMC-6, 7). */
#include "hw/scsi/disk.h"
#include <string.h>

enum { MOST = 256, ALL_PAGES = 0x3f, CURRENT = 0, CHANGEABLE = 1, SAVED = 3, WCE = 4 };
enum { LIST_END = 4095 };

/* What a page has behind its two bytes of header; bits that MODE SELECT may change when `changeable`. */

static void page_recovery(const struct scsi_disk *d, u8 *p, bool changeable)
{
    p[0] = changeable ? 0 : 0x80; /* AWRE: nothing ever has to be reallocated */
    if (scsi_disk_is_cd(d) && !changeable)
        p[1] = 0x20; /* retries */
}

static void geometry(const struct scsi_disk *d, u32 *cylinders, u32 *heads, u32 *sectors)
{
    u64 blocks = scsi_disk_blocks(d);

    *heads = d->heads ? d->heads : 16;
    *sectors = d->sectors ? d->sectors : 63;
    *cylinders = d->cylinders ? d->cylinders : (u32)CLAMP(blocks / (*heads * *sectors), 2, 0xffffff);
}

static void page_geometry(const struct scsi_disk *d, u8 *p, bool changeable)
{
    u32 cylinders, heads, sectors;

    if (changeable)
        return;
    geometry(d, &cylinders, &heads, &sectors);
    bits_store_be(p, 3, cylinders);
    p[3] = (u8)heads;
    bits_store_be(p + 4, 3, cylinders);  /* where write precompensation begins: nowhere */
    bits_store_be(p + 7, 3, cylinders);  /* reduced write current */
    bits_store_be(p + 12, 3, 0xffffff);  /* landing zone */
    bits_store_be(p + 18, 2, d->rotation_rate > 1 ? d->rotation_rate : 5400);
}

static void page_caching(const struct scsi_disk *d, u8 *p, bool changeable)
{
    p[0] = changeable || d->state->write_cache ? WCE : 0;
}

static void page_audio(const struct scsi_disk *d, u8 *p, bool changeable)
{
    if (changeable)
        return;
    p[0] = 4; /* IMMED */
    memcpy(p + 6, (u8[]){ 1, 0xff, 2, 0xff }, 4);
}

/* MMC-3, 5.5.10: reads CDs and DVDs, tray, lock. */
static void page_capabilities(const struct scsi_disk *d, u8 *p, bool changeable)
{
    if (changeable)
        return;
    p[0] = 0x3b;                               /* reads CD-R, CD-RW, DVD-ROM, DVD-R, DVD-RAM */
    p[2] = 0x70;                               /* mode 2, multisession */
    p[3] = 0x00;
    p[4] = (u8)(0x29 | (d->state->locked ? 2 : 0)); /* tray, eject, lock; locked */
    bits_store_be(p + 6, 2, 50 * 176);         /* kB/s */
    bits_store_be(p + 8, 2, 2);                /* volume levels */
    bits_store_be(p + 10, 2, 2048);            /* kB of buffer */
    bits_store_be(p + 12, 2, 16 * 176);        /* kB/s now */
}

static const struct page {
    u8 code, size, kinds;
    void (*fill)(const struct scsi_disk *d, u8 *p, bool changeable);
} pages[] = {
    { 0x01, 10, SCSI_BOTH, page_recovery },
    { 0x04, 22, SCSI_DISK, page_geometry },
    { 0x08, 18, SCSI_BOTH, page_caching },
    { 0x0e, 14, SCSI_CD, page_audio },
    { 0x2a, 20, SCSI_CD, page_capabilities },
};

static bool has_page(const struct scsi_disk *d, const struct page *page)
{
    return page->kinds & (scsi_disk_is_cd(d) ? SCSI_CD : SCSI_DISK);
}

/* The page with its header; gives back its size. */
static u32 store_page(const struct scsi_disk *d, const struct page *page, u8 *at, unsigned control)
{
    memset(at, 0, 2u + page->size);
    at[0] = page->code;
    at[1] = page->size;
    page->fill(d, at + 2, control == CHANGEABLE);
    return 2u + page->size;
}

static u32 store_pages(const struct scsi_disk *d, u8 *at, u8 code, unsigned control)
{
    u32 used = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        if (has_page(d, &pages[i]) && (code == ALL_PAGES || code == pages[i].code))
            used += store_page(d, &pages[i], at + used, control);
    return used;
}

/* A short block descriptor (SPC-4, 7.5.6.2). MMC knows none. */
static u32 store_block_descriptor(const struct scsi_disk *d, u8 *at)
{
    u64 blocks = scsi_disk_blocks(d);

    if (scsi_disk_is_cd(d) || !scsi_disk_is_ready(d))
        return 0;
    bits_store_be(at, 4, blocks > 0xffffff ? 0 : blocks);
    bits_store_be(at + 4, 4, d->unit.block_size);
    return 8;
}

void scsi_disk_mode_sense(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    bool is_10 = r->cdb[0] == 0x5a;
    unsigned control = r->cdb[2] >> 6;
    u32 header = is_10 ? 8 : 4, descriptor = 0, size;
    u8 data[MOST] = { 0 }, special = 0, code = r->cdb[2] & 0x3f;

    if (control == SAVED) {
        scsi_request_fail(r, SCSI_NOT_SAVED);
        return;
    }
    if (!(r->cdb[1] & 8)) /* DBD */
        descriptor = store_block_descriptor(d, data + header);
    size = store_pages(d, data + header + descriptor, code, control);
    if ((!size && code) || (r->cdb[3] && r->cdb[3] != 0xff)) {
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    if (!scsi_disk_is_cd(d))
        special = (u8)((d->dpofua ? 0x10 : 0) | (disk_node(unit->disk) && disk_is_read_only(unit->disk) ? 0x80 : 0));
    size += header + descriptor;
    if (is_10) {
        bits_store_be(data, 2, size - 2);
        data[3] = special;
        bits_store_be(data + 6, 2, descriptor);
    } else {
        memcpy(data, (u8[]){ (u8)(size - 1), 0, special, (u8)descriptor }, 4);
    }
    scsi_request_reply(r, data, size, is_10 ? bits_load_be(r->cdb + 7, 2) : r->cdb[4]);
}

/* ---- MODE SELECT ---- */

static const struct page *find_page(const struct scsi_disk *d, u8 code)
{
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        if (pages[i].code == code && has_page(d, &pages[i]))
            return &pages[i];
    return NULL;
}

/* Whether the page differs from what it is only where it may. */
static bool may_become(const struct scsi_disk *d, const struct page *page, const u8 *wanted)
{
    u8 now[MOST], mask[MOST];
    u32 size = store_page(d, page, now, CURRENT);

    store_page(d, page, mask, CHANGEABLE);
    for (u32 i = 2; i < size; i++)
        if ((wanted[i] ^ now[i]) & ~mask[i])
            return false;
    return true;
}

/* Checks all pages; *cache is what the caching page wants, when there is one. */
static enum scsi_sense check_pages(const struct scsi_disk *d, const u8 *at, u64 left, bool *cache)
{
    while (left) {
        const struct page *page = left >= 2 ? find_page(d, at[0] & 0x3f) : NULL;

        if (left < 2 || (page && left < 2u + page->size))
            return SCSI_PARAMETER_LENGTH;
        if (!page || at[0] & 0x40 || at[1] != page->size || !may_become(d, page, at))
            return SCSI_INVALID_PARAMETER;
        if (page->code == 8)
            *cache = at[2] & WCE;
        at += 2 + page->size;
        left -= 2u + page->size;
    }
    return SCSI_NO_SENSE;
}

static enum scsi_sense check_list(const struct scsi_disk *d, const u8 *list, u64 size, bool is_10, bool *cache)
{
    u64 header = is_10 ? 8 : 4, descriptor;

    if (size < header)
        return SCSI_PARAMETER_LENGTH;
    descriptor = is_10 ? bits_load_be(list + 6, 2) : list[3];
    if (descriptor && descriptor != 8)
        return SCSI_INVALID_PARAMETER;
    if (size < header + descriptor)
        return SCSI_PARAMETER_LENGTH;
    if (descriptor && bits_load_be(list + header + 5, 3) != d->unit.block_size)
        return SCSI_INVALID_PARAMETER;
    return check_pages(d, list + header + descriptor, size - header - descriptor, cache);
}

static void flushed(struct scsi_request *r)
{
    if (r->result < 0)
        scsi_request_fail(r, SCSI_WRITE_ERROR);
    else
        scsi_request_good(r);
}

void scsi_disk_mode_select(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    bool is_10 = r->cdb[0] == 0x55, cache = d->state->write_cache, was = cache;
    u64 size = is_10 ? bits_load_be(r->cdb + 7, 2) : r->cdb[4];
    u8 list[LIST_END + 1];

    if ((r->cdb[1] & 0x11) != 0x10) { /* pages as in the standard, not to be saved */
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    if (size > sizeof(list)) {
        scsi_request_fail(r, SCSI_PARAMETER_LENGTH);
        return;
    }
    block_data_get(block_data_slice(r->out, 0, size), list);
    enum scsi_sense sense = size ? check_list(d, list, size, is_10, &cache) : SCSI_NO_SENSE;
    if (sense) {
        scsi_request_fail(r, sense);
        return;
    }
    d->state->write_cache = cache;
    r->transferred = size;
    if (!was || cache || disk_is_read_only(unit->disk)) {
        scsi_request_good(r);
        return;
    }
    r->io = (struct disk_request){ .kind = DISK_FLUSH }; /* what was in the cache */
    scsi_request_io(r, flushed);
}
