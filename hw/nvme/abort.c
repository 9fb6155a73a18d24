/*
 * hw/nvme/abort.c - Abort (5.1). A command that has not been fetched, or waits for an event, ends at once; one that is with a disk ends
 * as soon as the disk has let go of its memory, and the Abort command ends after it.
 */
#include "hw/nvme/nvme.h"

enum { DWORD0_NOT_ABORTED = 1, SKIPPED_MAX = 64 };

/* --- commands that have not been fetched: their places in the ring are passed over --- */

struct place {
    u32 queue, slot;
};

bool nvme_abort_skips(struct nvme *n, u32 queue, u32 slot)
{
    for (guint i = 0; i < n->skipped->len; i++) {
        const struct place *place = &g_array_index(n->skipped, struct place, i);

        if (place->queue != queue || place->slot != slot)
            continue;
        g_array_remove_index_fast(n->skipped, i);
        return true;
    }
    return false;
}

static bool is_skipped(const struct nvme *n, u32 queue, u32 slot)
{
    for (guint i = 0; i < n->skipped->len; i++) {
        const struct place *place = &g_array_index(n->skipped, struct place, i);

        if (place->queue == queue && place->slot == slot)
            return true;
    }
    return false;
}

static bool abort_unfetched(struct nvme *n, u32 queue, u16 id)
{
    const struct nvme_sq *sq = &n->state->sq[queue];
    u8 command[NVME_SQE];

    for (u32 slot = sq->head; slot != sq->tail && n->skipped->len < SKIPPED_MAX; slot = (slot + 1) % sq->size) {
        n->work++;
        if (!nvme_dma_read(n, sq->address + (u64)slot * NVME_SQE, command, sizeof(command)))
            return false;
        if (bits_load_le(command + 2, 2) != id || is_skipped(n, queue, slot))
            continue;
        g_array_append_val(n->skipped, ((struct place){ queue, slot }));
        nvme_complete(nvme_request_new(n, queue, command), NVME_ABORT_REQUESTED);
        return true;
    }
    return false;
}

/* --- commands that are with a disk --- */

static struct nvme_request *find_active(struct nvme *n, u32 queue, u16 id)
{
    for (GList *link = n->active.head; link; link = link->next) {
        struct nvme_request *r = link->data;

        if (r->sq == queue && r->id == id && r->generation == n->generation && r->queue_generation == n->queue_generation[queue])
            return r;
    }
    return NULL;
}

static u16 wait_for(struct nvme_request *aborter, struct nvme_request *target)
{
    struct nvme *n = aborter->nvme;

    for (u32 i = 0; i < NVME_ABORTS; i++) {
        if (n->abort[i])
            continue;
        n->abort[i] = aborter;
        aborter->target = target;
        target->aborted = true;
        disk_cancel(&target->io);
        return NVME_PENDING;
    }
    return NVME_ABORT_LIMIT | NVME_DNR;
}

u16 nvme_abort(struct nvme_request *r)
{
    struct nvme *n = r->nvme;
    u32 queue = nvme_dword(r->command, 10) & 0xffff;
    u16 id = (u16)(nvme_dword(r->command, 10) >> 16);

    if (queue >= NVME_QUEUES || !n->state->sq[queue].size)
        return NVME_INVALID_FIELD | NVME_DNR;
    struct nvme_request *target = find_active(n, queue, id);
    if (target)
        return wait_for(r, target);
    if ((!queue && nvme_abort_event_request(n, id)) || abort_unfetched(n, queue, id))
        return NVME_OK;
    r->result = DWORD0_NOT_ABORTED; /* it has ended, or never was */
    return NVME_OK;
}

void nvme_abort_ended(struct nvme_request *target)
{
    struct nvme *n = target->nvme;

    for (u32 i = 0; target->aborted && i < NVME_ABORTS; i++) {
        struct nvme_request *aborter = n->abort[i];

        if (!aborter || aborter->target != target)
            continue;
        n->abort[i] = NULL;
        nvme_complete(aborter, NVME_OK);
    }
}

void nvme_abort_forget(struct nvme *n, int queue)
{
    for (guint i = n->skipped->len; i-- > 0;) {
        if (queue < 0 || g_array_index(n->skipped, struct place, i).queue == (u32)queue)
            g_array_remove_index_fast(n->skipped, i);
    }
}
