/* hw/nvme/admin.c - admin commands: queues, events, doorbells in memory (chapter 5). */
#include "base/bits.h"
#include "hw/nvme/nvme.h"
#include <string.h>

enum {
    DELETE_SQ = 0x00, CREATE_SQ = 0x01, GET_LOG = 0x02, DELETE_CQ = 0x04, CREATE_CQ = 0x05, IDENTIFY = 0x06, ABORT = 0x08, SET_FEATURES = 0x09,
    GET_FEATURES = 0x0a, ASYNC_EVENT = 0x0c, DOORBELL_BUFFER = 0x7c, FORMAT = 0x80,
};
enum { CONTIGUOUS = 1, INTERRUPTS = 2, ENTRY_SIZES = 4 << 4 | 6 };

static u64 page_mask(const struct nvme *n)
{
    return BIT64(12 + bits_get(n->state->cc, 7, 4)) - 1;
}

static bool is_io_queue(const struct nvme *n, u32 id)
{
    return id && id <= n->max_ioqpairs;
}

/* 5.3, 5.4: what both kinds of queues have in common. */
static u16 check_new_queue(const struct nvme *n, const u8 *command, u32 present)
{
    u32 id = nvme_dword(command, 10) & 0xffff, size = nvme_dword(command, 10) >> 16;
    u64 address = bits_load_le(command + 24, 8);

    if (!is_io_queue(n, id) || present)
        return NVME_QUEUE_ID | NVME_DNR;
    if (!size || size > n->mqes)
        return NVME_QUEUE_SIZE | NVME_DNR;
    if (address & page_mask(n))
        return NVME_PRP_OFFSET | NVME_DNR;
    if (!(nvme_dword(command, 11) & CONTIGUOUS) || bits_get(n->state->cc, 16, 8) != ENTRY_SIZES)
        return NVME_INVALID_FIELD | NVME_DNR;
    return NVME_OK;
}

static u16 create_cq(struct nvme *n, const u8 *command)
{
    u32 id = nvme_dword(command, 10) & 0xffff, vector = nvme_dword(command, 11) >> 16;
    u16 status = check_new_queue(n, command, is_io_queue(n, id) ? n->state->cq[id].size : 0);

    if (status)
        return status;
    if (pci_msix_is_on(&n->msix) ? vector >= n->msix_qsize : vector)
        return NVME_VECTOR | NVME_DNR;
    n->state->cq[id] = (struct nvme_cq){ .address = bits_load_le(command + 24, 8), .size = (nvme_dword(command, 10) >> 16) + 1, .phase = 1,
                                         .vector = (u16)vector, .interrupts = (nvme_dword(command, 11) & INTERRUPTS) != 0 };
    n->highest = MAX(n->highest, id);
    nvme_share_doorbells(n, id);
    return NVME_OK;
}

static u16 create_sq(struct nvme *n, const u8 *command)
{
    u32 id = nvme_dword(command, 10) & 0xffff, cq = nvme_dword(command, 11) >> 16;
    u16 status;

    if (!is_io_queue(n, cq) || !n->state->cq[cq].size)
        return NVME_CQ_INVALID | NVME_DNR;
    status = check_new_queue(n, command, is_io_queue(n, id) ? n->state->sq[id].size : 0);
    if (status)
        return status;
    n->state->sq[id] = (struct nvme_sq){ .address = bits_load_le(command + 24, 8), .size = (nvme_dword(command, 10) >> 16) + 1, .cq = (u16)cq };
    n->highest = MAX(n->highest, id);
    nvme_share_doorbells(n, id);
    return NVME_OK;
}

void nvme_queue_lets_go(struct nvme_request *deleter)
{
    if (!--deleter->end)
        nvme_complete(deleter, NVME_OK);
}

/* 5.6: the driver uses the memory of the queue's commands for something else when this one has completed. Theirs end unseen. */
static u16 delete_sq(struct nvme_request *r)
{
    struct nvme *n = r->nvme;
    u32 id = nvme_dword(r->command, 10) & 0xffff;

    if (!is_io_queue(n, id) || !n->state->sq[id].size)
        return NVME_QUEUE_ID | NVME_DNR;
    for (GList *link = n->active.head; link; link = link->next) {
        struct nvme_request *active = link->data;

        if (active->sq != id || active->deleter)
            continue;
        active->deleter = r;
        r->end++;
        disk_cancel(&active->io);
    }
    nvme_forget_queue(n, id);
    return r->end ? NVME_PENDING : NVME_OK;
}

static u16 delete_cq(struct nvme *n, const u8 *command)
{
    u32 id = nvme_dword(command, 10) & 0xffff;

    if (!is_io_queue(n, id) || !n->state->cq[id].size)
        return NVME_QUEUE_ID | NVME_DNR;
    for (u32 i = 1; i < NVME_QUEUES; i++)
        if (n->state->sq[i].size && n->state->sq[i].cq == id)
            return NVME_QUEUE_DELETION | NVME_DNR;
    n->state->cq[id] = (struct nvme_cq){ 0 };
    return NVME_OK;
}

static u16 share_doorbells(struct nvme *n, const u8 *command)
{
    u64 shadow = bits_load_le(command + 24, 8), event_index = bits_load_le(command + 32, 8);

    if (!n->dbcs)
        return NVME_INVALID_OPCODE | NVME_DNR;
    if (!shadow || !event_index || (shadow | event_index) & page_mask(n))
        return NVME_INVALID_FIELD | NVME_DNR;
    n->state->shadow = shadow;
    n->state->event_index = event_index;
    for (u32 i = 1; i <= n->highest; i++)
        nvme_share_doorbells(n, i);
    return NVME_OK;
}

/* --- events (5.2) --- */

static bool is_told(const struct nvme *n, u8 type)
{
    return n->state->events_masked >> type & 1;
}

static void remove_event(struct nvme *n, u32 at)
{
    struct nvme_state *s = n->state;

    s->events--;
    memmove(&s->event[at], &s->event[at + 1], (s->events - at) * sizeof(s->event[0]));
}

static void complete_event(struct nvme *n, u32 event)
{
    struct nvme_state *s = n->state;
    u8 command[NVME_SQE] = { 0 };
    struct nvme_request *r;

    bits_store_le(command + 2, 2, s->event_request[--s->event_requests]);
    r = nvme_request_new(n, 0, command);
    r->result = event;
    s->events_masked |= (u8)(1 << (event & 7));
    nvme_complete(r, NVME_OK);
}

void nvme_answer_events(struct nvme *n)
{
    struct nvme_state *s = n->state;

    for (u32 i = 0; i < s->events && s->event_requests && nvme_is_ready(n) && pci_function_may_dma(&n->pci);) {
        u32 event = s->event[i];

        if (is_told(n, event & 7)) {
            i++;
            continue;
        }
        remove_event(n, i);
        complete_event(n, event);
    }
}

void nvme_event(struct nvme *n, u8 type, u8 information, u8 log)
{
    struct nvme_state *s = n->state;

    if (!nvme_is_ready(n) || s->events == NVME_EVENTS)
        return;
    s->event[s->events++] = type | (u32)information << 8 | (u32)log << 16;
    nvme_answer_events(n);
}

/* The request is remembered by its identifier alone; it counts as completed. */
static u16 ask_for_event(struct nvme_request *r)
{
    struct nvme *n = r->nvme;

    if (n->state->event_requests > n->aerl || n->state->event_requests == NVME_EVENTS)
        return NVME_EVENT_LIMIT | NVME_DNR;
    n->state->event_request[n->state->event_requests++] = r->id;
    n->in_flight[0]--;
    g_free(r);
    nvme_answer_events(n);
    return NVME_PENDING;
}

/* It was counted as completed. */
bool nvme_abort_event_request(struct nvme *n, u16 id)
{
    struct nvme_state *s = n->state;
    u8 command[NVME_SQE] = { ASYNC_EVENT };

    for (u32 i = 0; i < s->event_requests; i++) {
        if (s->event_request[i] != id)
            continue;
        s->event_requests--;
        memmove(&s->event_request[i], &s->event_request[i + 1], (s->event_requests - i) * sizeof(s->event_request[0]));
        bits_store_le(command + 2, 2, id);
        nvme_complete(nvme_request_new(n, 0, command), NVME_ABORT_REQUESTED);
        return true;
    }
    return false;
}

u16 nvme_admin(struct nvme_request *r)
{
    struct nvme *n = r->nvme;

    switch (r->command[0]) {
    case DELETE_SQ:
        return delete_sq(r);
    case CREATE_SQ:
        return create_sq(n, r->command);
    case GET_LOG:
        return nvme_get_log(n, r->command);
    case DELETE_CQ:
        return delete_cq(n, r->command);
    case CREATE_CQ:
        return create_cq(n, r->command);
    case IDENTIFY:
        return nvme_identify(n, r->command);
    case ABORT:
        return nvme_abort(r);
    case SET_FEATURES:
        return nvme_set_feature(r);
    case GET_FEATURES:
        return nvme_get_feature(r);
    case ASYNC_EVENT:
        return ask_for_event(r);
    case FORMAT:
        return nvme_format(r);
    case DOORBELL_BUFFER:
        return share_doorbells(n, r->command);
    default:
        return NVME_INVALID_OPCODE | NVME_DNR;
    }
}
