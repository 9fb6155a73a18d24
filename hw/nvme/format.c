/* hw/nvme/format.c - Format NVM (5.23): everything becomes zeros, and blocks get another size if wanted. */
#include "base/bits.h"
#include "hw/nvme/nvme.h"

enum { ALL = 0xffffffff, STEP = 1 << 30 };
enum { SETTINGS = 0xf, METADATA_INLINE = 1 << 4, PROTECTION = 7 << 5, ERASE_SHIFT = 9 };

static bool has_commands(const struct nvme *n, const struct nvme_namespace *space)
{
    for (GList *link = n->active.head; link; link = link->next) {
        const struct nvme_request *r = link->data;

        if (r->space == space)
            return true;
    }
    return false;
}

static u16 check(const struct nvme *n, const struct nvme_namespace *space, u32 settings)
{
    u32 format = settings & SETTINGS, erase = settings >> ERASE_SHIFT & 7;

    if (format >= nvme_space_formats(space) || settings & PROTECTION)
        return NVME_INVALID_FORMAT | NVME_DNR;
    if (erase > 1) /* no keys that could be thrown away */
        return NVME_INVALID_FIELD | NVME_DNR;
    if (disk_is_read_only(space->disk))
        return NVME_READ_ONLY | NVME_DNR;
    return space->formatting || has_commands(n, space) ? NVME_SEQUENCE : NVME_OK;
}

static bool is_meant(const struct nvme_request *r, u32 id)
{
    u32 wanted = nvme_dword(r->command, 1);

    return wanted == ALL || wanted == id;
}

static u16 next_piece(struct nvme_request *r)
{
    u64 size = disk_size(r->space->disk);

    r->io = (struct disk_request){ .kind = DISK_ZEROES, .flags = BLOCK_MAY_UNMAP, .offset = r->position, .size = MIN(size - r->position, STEP) };
    r->position += r->io.size;
    return nvme_submit(r, r->space);
}

/* The first namespace from number r->end + 1 on that was there at the beginning and is not empty. */
static u16 next_space(struct nvme_request *r)
{
    struct nvme *n = r->nvme;

    for (; r->end < NVME_NAMESPACES; r->end++) {
        struct nvme_namespace *space = n->space[r->end];

        if (!space || space->formatting != r || !disk_size(space->disk))
            continue;
        r->space = space;
        r->position = 0;
        return next_piece(r);
    }
    return NVME_OK;
}

static u16 step(struct nvme_request *r)
{
    struct nvme_namespace *space = r->space;

    if (r->position < disk_size(space->disk))
        return next_piece(r);
    nvme_space_set_format(space, nvme_dword(r->command, 10) & SETTINGS);
    space->formatting = NULL;
    r->end++;
    return next_space(r);
}

void nvme_format_ended(struct nvme_request *r)
{
    for (u32 i = 0; r->step == step && i < NVME_NAMESPACES; i++)
        if (r->nvme->space[i] && r->nvme->space[i]->formatting == r)
            r->nvme->space[i]->formatting = NULL;
}

/* Nothing begins in any of the namespaces until its turn is over: what is under way knows the size of their blocks. */
u16 nvme_format(struct nvme_request *r)
{
    struct nvme *n = r->nvme;
    u32 id = nvme_dword(r->command, 1);

    if (id != ALL && !nvme_space(n, id))
        return NVME_INVALID_NAMESPACE | NVME_DNR;
    for (u32 i = 0; i < NVME_NAMESPACES; i++) {
        u16 status = n->space[i] && is_meant(r, i + 1) ? check(n, n->space[i], nvme_dword(r->command, 10)) : NVME_OK;

        if (status)
            return status;
    }
    r->step = step;
    for (u32 i = 0; i < NVME_NAMESPACES; i++)
        if (n->space[i] && is_meant(r, i + 1))
            n->space[i]->formatting = r;
    return next_space(r);
}
