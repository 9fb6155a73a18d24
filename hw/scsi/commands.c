/* hw/scsi/commands.c - the table of commands, and what CDBs say about themselves (SPC-4, 4.3). */
#include "hw/scsi/disk.h"

enum { NONE = SCSI_NONE, IN = SCSI_IN, OUT = SCSI_OUT, DISK = SCSI_DISK, CD = SCSI_CD, BOTH = SCSI_BOTH };
enum {
    UNDER_ATTENTION = SCSI_UNDER_ATTENTION, NEEDS_MEDIUM = SCSI_NEEDS_MEDIUM, WRITES = SCSI_WRITES, BLOCKS = SCSI_BLOCKS, RANGE = SCSI_RANGE, OUTSIDE = SCSI_OUTSIDE,
};

static const struct scsi_command commands[256] = {
#define COMMAND(opcode_, name_, direction_, at_, size_, kinds_, flags_, run_) \
    [opcode_] = { name_, direction_, at_, size_, kinds_, flags_, scsi_disk_##run_ },
#include "hw/scsi/commands.def"
};

const struct scsi_command *scsi_command_find(u8 opcode)
{
    return commands[opcode].name ? &commands[opcode] : NULL;
}

u64 scsi_cdb_lba(const u8 *cdb)
{
    switch (cdb[0] >> 5) {
    case 0:
        return bits_load_be(cdb + 1, 3) & 0x1fffff;
    case 4:
        return bits_load_be(cdb + 2, 8);
    default:
        return bits_load_be(cdb + 2, 4);
    }
}

u64 scsi_cdb_blocks(const u8 *cdb)
{
    switch (cdb[0] >> 5) {
    case 0:
        return cdb[4] ? cdb[4] : 256;
    case 4:
        return bits_load_be(cdb + 10, 4);
    case 5:
        return bits_load_be(cdb + 6, 4);
    default:
        return bits_load_be(cdb + 7, 2);
    }
}

/* Blocks that come with a VERIFY or WRITE SAME (SBC-3, 5.39 and 5.50). */
static u64 special_blocks(const u8 *cdb)
{
    switch (cdb[0]) {
    case 0x41:
        return 1;
    case 0x93: /* NDOB */
        return !(cdb[1] & 1);
    default: /* BYTCHK */
        return (cdb[1] >> 1 & 3) == 1 ? scsi_cdb_blocks(cdb) : (cdb[1] >> 1 & 3) == 3;
    }
}

void scsi_request_lengths(const struct scsi_unit *unit, const u8 *cdb, u64 *in, u64 *out)
{
    const struct scsi_command *c = scsi_command_find(cdb[0]);
    u64 length = 0;

    *in = *out = 0;
    if (!c)
        return;
    if (c->flags & SCSI_BLOCKS)
        length = scsi_cdb_blocks(cdb) * unit->block_size;
    else if (c->size)
        length = bits_load_be(cdb + c->at, c->size);
    else
        length = c->direction == SCSI_OUT ? special_blocks(cdb) * unit->block_size : c->at;
    *(c->direction == SCSI_IN ? in : out) = c->direction == SCSI_NONE ? 0 : length;
}
