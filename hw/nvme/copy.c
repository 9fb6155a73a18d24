/* hw/nvme/copy.c - Copy (NVM Command Set 1.0, 3.2.2; TP 4065 of Base 1.4), descriptor format 0: all is read, then written in one piece. */
#include "base/bits.h"
#include "hw/nvme/nvme.h"

enum { RANGE = 32, COPIES_MAX = 64 << 20 }; /* bytes that all copies may hold */

/* Behind the ranges in r->buffer. */
static u8 *data_of(const struct nvme_request *r)
{
    return r->buffer + RANGE * r->end;
}

static u64 first_of(const struct nvme_request *r, u64 range)
{
    return bits_load_le(r->buffer + RANGE * range + 8, 8);
}

static u64 blocks_of(const struct nvme_request *r, u64 range)
{
    return bits_load_le(r->buffer + RANGE * range + 16, 2) + 1;
}

static u64 total_blocks(const struct nvme_request *r, u64 ranges)
{
    u64 total = 0;

    for (u64 i = 0; i < ranges; i++)
        total += blocks_of(r, i);
    return total;
}

static u16 submit(struct nvme_request *r, enum disk_kind kind, u64 first, u64 blocks, u64 at)
{
    u32 shift = r->space->shift;

    r->io = (struct disk_request){ .kind = kind, .flags = kind == DISK_WRITE ? nvme_write_flags(r) : 0, .offset = first << shift, .size = blocks << shift };
    r->io.data = block_data_one(&r->piece, data_of(r) + (at << shift), blocks << shift);
    return nvme_submit(r, r->space);
}

static u16 done(struct nvme_request *r)
{
    nvme_count_write(r->nvme, r->io.size);
    return NVME_OK;
}

static u16 next(struct nvme_request *r)
{
    u64 range = r->position++;

    if (range < r->end)
        return submit(r, DISK_READ, first_of(r, range), blocks_of(r, range), total_blocks(r, range));
    r->step = done;
    return submit(r, DISK_WRITE, bits_load_le(r->command + 40, 8), total_blocks(r, r->end), 0);
}

/* All ranges are there, and not larger than the namespace says. */
static u16 check(const struct nvme_request *r, const struct nvme_namespace *space)
{
    u64 blocks = nvme_space_blocks(space), total = total_blocks(r, r->end), to = bits_load_le(r->command + 40, 8);

    for (u64 i = 0; i < r->end; i++) {
        if (blocks_of(r, i) > space->mssrl)
            return NVME_COPY_SIZE | NVME_DNR;
        if (first_of(r, i) > blocks || blocks_of(r, i) > blocks - first_of(r, i))
            return NVME_LBA_RANGE | NVME_DNR;
    }
    if (total > space->mcl)
        return NVME_COPY_SIZE | NVME_DNR;
    return to > blocks || total > blocks - to ? NVME_LBA_RANGE | NVME_DNR : NVME_OK;
}

u16 nvme_copy(struct nvme_request *r, struct nvme_namespace *space)
{
    u32 dword = nvme_dword(r->command, 12), ranges = (dword & 0xff) + 1;
    struct nvme_data data;
    u16 status;

    if (dword >> 8 & 15)
        return NVME_INVALID_FIELD | NVME_DNR;
    if (ranges > space->msrc + 1u)
        return NVME_COPY_SIZE | NVME_DNR;
    if (disk_is_read_only(space->disk))
        return NVME_READ_ONLY | NVME_DNR;
    status = nvme_data_map(r->nvme, r->command, ranges * RANGE, false, true, &data);
    if (status)
        return status;
    r->end = ranges;
    r->buffer = g_malloc(ranges * RANGE);
    block_data_get(block_data_list(data.iov, data.count), r->buffer);
    nvme_data_unmap(r->nvme, &data, 0);
    status = check(r, space);
    if (status)
        return status;
    r->held = total_blocks(r, ranges) << space->shift;
    r->nvme->copying += r->held;
    if (r->nvme->copying > COPIES_MAX)
        return NVME_INTERNAL; /* the driver may try again */
    r->buffer = g_realloc(r->buffer, ranges * RANGE + r->held);
    r->space = space;
    r->step = next;
    return next(r);
}
