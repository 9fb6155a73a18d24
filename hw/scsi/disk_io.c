/* hw/scsi/disk_io.c - commands that touch the medium (SBC-3, chapter 5). */
#include "hw/scsi/disk.h"
#include <errno.h>
#include <string.h>

enum { STEP = 128 << 10, MAX_UNMAP_DESCRIPTORS = 255, UNMAP_HEADER = 8, UNMAP_DESCRIPTOR = 16 };

static enum scsi_sense sense_of(const struct scsi_request *r)
{
    switch (-r->result) {
    case 0:
        return SCSI_NO_SENSE;
    case ENOSPC:
    case EDQUOT:
        return SCSI_SPACE_FAILED;
    case ENOMEM:
        return SCSI_TARGET_FAILURE;
    case ENOMEDIUM:
        return SCSI_NO_MEDIUM_TRAY_CLOSED;
    case EACCES:
    case EPERM:
    case EROFS:
        return SCSI_WRITE_PROTECTED;
    default:
        return r->io.kind == DISK_READ ? SCSI_READ_ERROR : SCSI_WRITE_ERROR;
    }
}

/* Bytes that a command with a buffer of its own works on at a time: a driver can have many such commands under way. */
static u32 step_of(const struct scsi_unit *unit)
{
    return MAX(STEP, unit->block_size);
}

/* False: it failed, and is finished. */
static bool went_well(struct scsi_request *r)
{
    enum scsi_sense sense = sense_of(r);

    if (sense)
        scsi_request_fail(r, sense);
    return !sense;
}

static void done(struct scsi_request *r)
{
    if (went_well(r))
        scsi_request_good(r);
}

/* Protection information (RDPROTECT, WRPROTECT) is not there; 6-byte commands have no such field. */
static bool wants_protection(const u8 *cdb)
{
    return cdb[0] >> 5 && cdb[1] >> 5;
}

static u32 write_flags(const struct scsi_disk *d, const u8 *cdb)
{
    bool fua = cdb[0] >> 5 && cdb[1] & 8, verify = cdb[0] == 0x2e || cdb[0] == 0x8e || cdb[0] == 0xae;

    return fua || verify || !d->state->write_cache ? BLOCK_FUA : 0;
}

/* READ and WRITE: straight from and to the initiator's memory. */
static void transfer(struct scsi_unit *unit, struct scsi_request *r, bool write)
{
    u64 size = scsi_cdb_blocks(r->cdb) * unit->block_size;

    if (wants_protection(r->cdb)) {
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    if (!size) {
        scsi_request_good(r);
        return;
    }
    r->transferred = size;
    r->io = (struct disk_request){ .kind = write ? DISK_WRITE : DISK_READ, .offset = scsi_cdb_lba(r->cdb) * unit->block_size, .size = size };
    r->io.data = block_data_slice(write ? r->out : r->in, 0, size);
    r->io.flags = write ? write_flags(scsi_disk_of(unit), r->cdb) : 0;
    scsi_request_io(r, done);
}

void scsi_disk_read(struct scsi_unit *unit, struct scsi_request *r)
{
    transfer(unit, r, false);
}

void scsi_disk_write(struct scsi_unit *unit, struct scsi_request *r)
{
    transfer(unit, r, true);
}

void scsi_disk_seek(struct scsi_unit *unit, struct scsi_request *r)
{
    if (scsi_cdb_lba(r->cdb) >= scsi_disk_blocks(scsi_disk_of(unit)))
        scsi_request_fail(r, SCSI_OUT_OF_RANGE);
    else
        scsi_request_good(r);
}

void scsi_disk_flush(struct scsi_unit *unit, struct scsi_request *r)
{
    if (disk_is_read_only(unit->disk)) {
        scsi_request_good(r);
        return;
    }
    r->io = (struct disk_request){ .kind = DISK_FLUSH };
    scsi_request_io(r, done);
}

/* ---- VERIFY (5.39) ---- */

static void verify_step(struct scsi_request *r);

/* The buffer has what was read, behind it is room for what it should be. */
static bool matches(struct scsi_request *r)
{
    u32 block = r->unit->block_size;
    bool one = (r->cdb[1] >> 1 & 3) == 3; /* every block is compared with the same one */
    u8 *wanted = r->buffer + step_of(r->unit);

    for (u64 i = 0; one && i < r->io.size; i += block)
        block_data_get(block_data_slice(r->out, 0, block), wanted + i);
    if (!one)
        block_data_get(block_data_slice(r->out, r->position, r->io.size), wanted);
    return !memcmp(r->buffer, wanted, r->io.size);
}

static void verified(struct scsi_request *r)
{
    if (!went_well(r))
        return;
    if (!matches(r)) {
        scsi_request_fail(r, SCSI_MISCOMPARE);
        return;
    }
    r->position += r->io.size;
    r->at += r->io.size;
    r->left -= r->io.size;
    verify_step(r);
}

static void verify_step(struct scsi_request *r)
{
    u64 size = MIN(r->left, step_of(r->unit));

    if (!size) {
        r->transferred = r->out.size;
        scsi_request_good(r);
        return;
    }
    r->io = (struct disk_request){ .kind = DISK_READ, .offset = r->at, .size = size };
    r->io.data = block_data_one(&r->iov, r->buffer, size);
    scsi_request_io(r, verified);
}

void scsi_disk_verify(struct scsi_unit *unit, struct scsi_request *r)
{
    unsigned check = r->cdb[1] >> 1 & 3;
    u64 size = scsi_cdb_blocks(r->cdb) * unit->block_size;

    if (wants_protection(r->cdb) || check == 2) {
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    if (!check || !size) { /* the medium has no flaws */
        scsi_request_good(r);
        return;
    }
    r->buffer = g_malloc(2 * step_of(unit));
    r->at = scsi_cdb_lba(r->cdb) * unit->block_size;
    r->left = size;
    verify_step(r);
}

/* ---- WRITE SAME (5.50) ---- */

static void same_step(struct scsi_request *r);

static void same_written(struct scsi_request *r)
{
    if (!went_well(r))
        return;
    r->at += r->io.size;
    r->left -= r->io.size;
    same_step(r);
}

static void same_step(struct scsi_request *r)
{
    u64 size = MIN(r->left, step_of(r->unit));

    if (!size) {
        scsi_request_good(r);
        return;
    }
    r->io = (struct disk_request){ .kind = DISK_WRITE, .offset = r->at, .size = size };
    r->io.flags = scsi_disk_of(r->unit)->state->write_cache ? 0 : BLOCK_FUA;
    r->io.data = block_data_one(&r->iov, r->buffer, size);
    scsi_request_io(r, same_written);
}

static void write_zeroes(struct scsi_unit *unit, struct scsi_request *r, bool unmap)
{
    r->io = (struct disk_request){ .kind = DISK_ZEROES, .offset = r->at, .size = r->left };
    r->io.flags = (unmap ? BLOCK_MAY_UNMAP : 0) | (scsi_disk_of(unit)->state->write_cache ? 0 : BLOCK_FUA);
    scsi_request_io(r, done);
}

void scsi_disk_write_same(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    u64 blocks = scsi_cdb_blocks(r->cdb), size = blocks * unit->block_size;
    bool no_data = r->cdb[0] == 0x93 && r->cdb[1] & 1, unmap = r->cdb[1] & 8, anchor = r->cdb[1] & 0x10;
    struct block_data pattern = no_data ? r->out : block_data_slice(r->out, 0, unit->block_size);

    /* A count of 0 would mean "to the end": not with WSNZ, which page 0xb0 has. */
    if (wants_protection(r->cdb) || anchor || !blocks || size > d->max_io_size || (unmap && !scsi_disk_discard_granularity(d))) {
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    r->at = scsi_cdb_lba(r->cdb) * unit->block_size;
    r->left = size;
    r->transferred = no_data ? 0 : unit->block_size;
    if (no_data || block_data_is_zero(pattern)) {
        write_zeroes(unit, r, unmap);
        return;
    }
    u64 room = MIN(size, step_of(unit));
    r->buffer = g_malloc(room);
    block_data_get(pattern, r->buffer);
    for (u64 i = unit->block_size; i < room; i += unit->block_size)
        memcpy(r->buffer + i, r->buffer, unit->block_size);
    same_step(r);
}

/* ---- UNMAP (5.28): the list was copied and checked as a whole before anything happens ---- */

static void unmap_step(struct scsi_request *r);

static void unmapped(struct scsi_request *r)
{
    if (r->result == -ENOTSUP)
        r->result = 0; /* it is a hint */
    if (went_well(r))
        unmap_step(r);
}

static void unmap_step(struct scsi_request *r)
{
    u32 block = r->unit->block_size;
    const u8 *entry = r->buffer + r->position;

    if (r->position == r->left) {
        r->transferred = bits_load_be(r->cdb + 7, 2);
        scsi_request_good(r);
        return;
    }
    r->position += UNMAP_DESCRIPTOR;
    r->io = (struct disk_request){ .kind = DISK_DISCARD, .offset = bits_load_be(entry, 8) * block, .size = bits_load_be(entry + 8, 4) * block };
    if (r->io.size)
        scsi_request_io(r, unmapped);
    else
        unmap_step(r);
}

static enum scsi_sense check_unmap(const struct scsi_disk *d, const u8 *list, u64 end)
{
    u64 blocks = scsi_disk_blocks(d), total = 0;

    for (u64 i = UNMAP_HEADER; i < end; i += UNMAP_DESCRIPTOR) {
        u64 lba = bits_load_be(list + i, 8), count = bits_load_be(list + i + 8, 4);

        if (lba > blocks || count > blocks - lba)
            return SCSI_OUT_OF_RANGE;
        total += count;
    }
    return total * d->unit.block_size > d->max_unmap_size ? SCSI_INVALID_PARAMETER : SCSI_NO_SENSE;
}

void scsi_disk_unmap(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    u64 length = bits_load_be(r->cdb + 7, 2), size, end;
    enum scsi_sense sense = SCSI_NO_SENSE;

    if (!scsi_disk_discard_granularity(d)) {
        scsi_request_fail(r, SCSI_INVALID_OPCODE);
        return;
    }
    if (r->cdb[1] & 1 || (length && length < UNMAP_HEADER)) { /* ANCHOR */
        scsi_request_fail(r, r->cdb[1] & 1 ? SCSI_INVALID_FIELD : SCSI_PARAMETER_LENGTH);
        return;
    }
    if (!length) {
        scsi_request_good(r);
        return;
    }
    r->buffer = g_malloc(length);
    block_data_get(block_data_slice(r->out, 0, length), r->buffer);
    size = bits_load_be(r->buffer + 2, 2);
    end = UNMAP_HEADER + MIN(size, length - UNMAP_HEADER) / UNMAP_DESCRIPTOR * UNMAP_DESCRIPTOR;
    if (size > length - UNMAP_HEADER)
        sense = SCSI_PARAMETER_LENGTH;
    else if ((end - UNMAP_HEADER) / UNMAP_DESCRIPTOR > MAX_UNMAP_DESCRIPTORS)
        sense = SCSI_INVALID_PARAMETER;
    else
        sense = check_unmap(d, r->buffer, end);
    if (sense) {
        scsi_request_fail(r, sense);
        return;
    }
    r->position = UNMAP_HEADER;
    r->left = end;
    unmap_step(r);
}

/* ---- READ CAPACITY (5.15, 5.16) ---- */

void scsi_disk_read_capacity(struct scsi_unit *unit, struct scsi_request *r)
{
    u64 blocks = scsi_disk_blocks(scsi_disk_of(unit));
    u8 data[8];

    if (!(r->cdb[8] & 1) && bits_load_be(r->cdb + 2, 4)) { /* an address without PMI */
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    bits_store_be(data, 4, MIN(blocks ? blocks - 1 : 0, UINT32_MAX));
    bits_store_be(data + 4, 4, unit->block_size);
    scsi_request_reply(r, data, sizeof(data), sizeof(data));
}

void scsi_disk_service_action_in(struct scsi_unit *unit, struct scsi_request *r)
{
    struct scsi_disk *d = scsi_disk_of(unit);
    u64 blocks = scsi_disk_blocks(d), physical = MAX(d->physical_block_size, unit->block_size);
    u8 data[32] = { 0 };

    if ((r->cdb[1] & 31) != 0x10 || (!(r->cdb[14] & 1) && bits_load_be(r->cdb + 2, 8))) { /* READ CAPACITY (16) only */
        scsi_request_fail(r, SCSI_INVALID_FIELD);
        return;
    }
    bits_store_be(data, 8, blocks ? blocks - 1 : 0);
    bits_store_be(data + 8, 4, unit->block_size);
    data[13] = (u8)__builtin_ctzll(physical / unit->block_size);
    data[14] = scsi_disk_discard_granularity(d) ? 0x80 : 0; /* LBPME */
    scsi_request_reply(r, data, sizeof(data), bits_load_be(r->cdb + 10, 4));
}
