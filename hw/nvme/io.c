/* hw/nvme/io.c - the NVM command set (chapter 6): flush, read, write, compare, write zeroes, dataset management, verify, copy. */
#include "base/bits.h"
#include "hw/nvme/nvme.h"
#include <string.h>

enum { FLUSH = 0x00, WRITE = 0x01, READ = 0x02, COMPARE = 0x05, WRITE_ZEROES = 0x08, MANAGE = 0x09, VERIFY = 0x0c, COPY = 0x19 };
enum { FORCE_UNIT_ACCESS = 1 << 30, DEALLOCATE = 1 << 25, MANAGE_DEALLOCATE = 4, RANGE = 16, STEP = 128 << 10 };

/* Where a command reads or writes. */
struct extent {
    u64 offset, size; /* bytes */
};

static u16 get_extent(const struct nvme_request *r, const struct nvme_namespace *space, struct extent *out)
{
    u64 first = bits_load_le(r->command + 40, 8), count = (nvme_dword(r->command, 12) & 0xffff) + 1, blocks = nvme_space_blocks(space);

    if (first > blocks || count > blocks - first)
        return NVME_LBA_RANGE | NVME_DNR;
    *out = (struct extent){ first << space->shift, count << space->shift };
    return NVME_OK;
}

static u64 most_bytes(u8 limit)
{
    return (u64)4096 << (limit ? limit : 13);
}

u32 nvme_write_flags(const struct nvme_request *r)
{
    const struct nvme *n = r->nvme;
    bool cached = nvme_has_write_cache(n) && !n->state->features.write_cache_off;

    return !cached || nvme_dword(r->command, 12) & FORCE_UNIT_ACCESS ? BLOCK_FUA : 0;
}

static void count(struct nvme *n, bool write, u64 size)
{
    n->state->smart[write ? 1 : 0] += size;
    n->state->smart[write ? 3 : 2]++;
}

void nvme_count_write(struct nvme *n, u64 size)
{
    count(n, true, size);
}

static u16 transfer(struct nvme_request *r, struct nvme_namespace *space, bool write)
{
    struct nvme *n = r->nvme;
    struct extent extent;
    u16 status = get_extent(r, space, &extent);

    if (status)
        return status;
    if (extent.size > most_bytes(n->mdts))
        return NVME_INVALID_FIELD | NVME_DNR;
    if (write && disk_is_read_only(space->disk))
        return NVME_READ_ONLY | NVME_DNR;
    status = nvme_data_map(n, r->command, extent.size, !write, true, &r->data);
    if (status)
        return status;
    r->io = (struct disk_request){ .kind = write ? DISK_WRITE : DISK_READ, .flags = write ? nvme_write_flags(r) : 0, .offset = extent.offset,
                                   .size = extent.size, .data = block_data_list(r->data.iov, r->data.count) };
    count(n, write, extent.size);
    return nvme_submit(r, space);
}

static u16 write_zeroes(struct nvme_request *r, struct nvme_namespace *space)
{
    struct extent extent;
    u16 status = get_extent(r, space, &extent);

    if (status)
        return status;
    if (disk_is_read_only(space->disk))
        return NVME_READ_ONLY | NVME_DNR;
    r->io = (struct disk_request){ .kind = DISK_ZEROES, .offset = extent.offset, .size = extent.size };
    r->io.flags = nvme_write_flags(r) | (nvme_dword(r->command, 12) & DEALLOCATE ? BLOCK_MAY_UNMAP : 0);
    return nvme_submit(r, space);
}

/* --- flush: one namespace after the other (6.8) --- */

u16 nvme_flush_all(struct nvme_request *r)
{
    while (r->position < NVME_NAMESPACES) {
        struct nvme_namespace *space = r->nvme->space[r->position++];

        if (!space || disk_is_read_only(space->disk))
            continue;
        r->io = (struct disk_request){ .kind = DISK_FLUSH };
        return nvme_submit(r, space);
    }
    return r->status; /* the last failure */
}

static u16 flush(struct nvme_request *r)
{
    u32 id = nvme_dword(r->command, 1);
    struct nvme_namespace *space = nvme_space(r->nvme, id);

    if (id == UINT32_MAX) {
        r->step = nvme_flush_all;
        return nvme_flush_all(r);
    }
    if (!space)
        return NVME_INVALID_NAMESPACE | NVME_DNR;
    r->io = (struct disk_request){ .kind = DISK_FLUSH };
    return nvme_submit(r, space);
}

/* --- compare and verify: piece by piece through a buffer --- */

static u16 next_piece(struct nvme_request *r, u64 offset)
{
    u64 size = MIN(r->end - r->position, STEP);

    r->io = (struct disk_request){ .kind = DISK_READ, .offset = offset + r->position, .size = size };
    r->buffer = r->buffer ? r->buffer : g_malloc(STEP + sizeof(struct iovec));
    r->io.data = block_data_one((struct iovec *)(void *)(r->buffer + STEP), r->buffer, size);
    return nvme_submit(r, r->space);
}

static bool is_equal(const struct nvme_request *r, u64 size)
{
    g_autofree u8 *memory = g_malloc(size);

    block_data_get(block_data_slice(block_data_list(r->data.iov, r->data.count), r->position, size), memory);
    return !memcmp(memory, r->buffer, size);
}

static u16 read_step(struct nvme_request *r)
{
    u64 size = r->io.size, start = r->io.offset - r->position;

    if (r->data.count && !is_equal(r, size))
        return NVME_COMPARE_FAILED | NVME_DNR;
    r->position += size;
    return r->position < r->end ? next_piece(r, start) : NVME_OK;
}

static u16 read_back(struct nvme_request *r, struct nvme_namespace *space, bool compare)
{
    struct nvme *n = r->nvme;
    struct extent extent;
    u16 status = get_extent(r, space, &extent);

    if (status)
        return status;
    if (extent.size > most_bytes(compare ? n->mdts : n->vsl))
        return NVME_INVALID_FIELD | NVME_DNR;
    if (compare && (status = nvme_data_map(n, r->command, extent.size, false, true, &r->data)))
        return status;
    if (compare)
        count(n, false, extent.size);
    r->space = space;
    r->step = read_step;
    r->end = extent.size;
    return next_piece(r, extent.offset);
}

/* --- dataset management: deallocation of up to 256 ranges (6.7) --- */

static u16 next_range(struct nvme_request *r)
{
    u64 blocks = nvme_space_blocks(r->space);

    while (r->position < r->end) {
        const u8 *range = r->buffer + RANGE * r->position++;
        u64 size = bits_load_le(range + 4, 4), first = bits_load_le(range + 8, 8);

        if (first > blocks || size > blocks - first)
            return NVME_LBA_RANGE | NVME_DNR;
        if (!size)
            continue;
        r->io = (struct disk_request){ .kind = DISK_DISCARD, .offset = first << r->space->shift, .size = size << r->space->shift };
        return nvme_submit(r, r->space);
    }
    return NVME_OK;
}

static u16 manage(struct nvme_request *r, struct nvme_namespace *space)
{
    u32 ranges = (nvme_dword(r->command, 10) & 0xff) + 1;
    struct nvme_data data;
    u16 status;

    if (!(nvme_dword(r->command, 11) & MANAGE_DEALLOCATE))
        return NVME_OK; /* hints */
    if (disk_is_read_only(space->disk))
        return NVME_READ_ONLY | NVME_DNR;
    status = nvme_data_map(r->nvme, r->command, ranges * RANGE, false, true, &data);
    if (status)
        return status;
    r->buffer = g_malloc(ranges * RANGE);
    block_data_get(block_data_list(data.iov, data.count), r->buffer);
    nvme_data_unmap(r->nvme, &data, 0);
    r->space = space;
    r->step = next_range;
    r->end = ranges;
    return next_range(r);
}

/* --- outcomes --- */

static u16 outcome(const struct nvme_request *r)
{
    if (r->error >= 0)
        return NVME_OK;
    switch (r->io.kind) {
    case DISK_READ:
        return NVME_READ_FAULT;
    case DISK_WRITE:
    case DISK_ZEROES:
        return NVME_WRITE_FAULT;
    default:
        return NVME_INTERNAL;
    }
}

void nvme_returned(struct nvme_request *r)
{
    struct nvme *n = r->nvme;
    bool current = r->generation == n->generation && (!r->sq || r->queue_generation == n->queue_generation[r->sq]);
    u16 status = outcome(r);

    if (r->io.kind == DISK_READ && !r->step)
        nvme_data_unmap(n, &r->data, r->data.size);
    if (r->step && r->io.kind == DISK_FLUSH) { /* the others are flushed all the same */
        r->status = status ? status : r->status;
        status = NVME_OK;
    }
    if (r->aborted)
        status = NVME_ABORT_REQUESTED;
    if (current && !status && r->step)
        status = r->space || r->io.kind == DISK_FLUSH ? r->step(r) : NVME_INVALID_NAMESPACE;
    if (status != NVME_PENDING)
        nvme_complete(r, status);
}

u16 nvme_io(struct nvme_request *r)
{
    struct nvme_namespace *space = nvme_space(r->nvme, nvme_dword(r->command, 1));

    if (r->command[0] == FLUSH)
        return flush(r);
    if (!space)
        return NVME_INVALID_NAMESPACE | NVME_DNR;
    if (space->formatting)
        return NVME_FORMATTING;
    switch (r->command[0]) {
    case WRITE:
    case READ:
        return transfer(r, space, r->command[0] == WRITE);
    case COMPARE:
    case VERIFY:
        return read_back(r, space, r->command[0] == COMPARE);
    case WRITE_ZEROES:
        return write_zeroes(r, space);
    case COPY:
        return nvme_copy(r, space);
    case MANAGE:
        return manage(r, space);
    default:
        return NVME_INVALID_OPCODE | NVME_DNR;
    }
}
