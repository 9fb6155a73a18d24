/* hw/nvme/queue.c - submission and completion queues, doorbells, interrupts. */
#include "base/bits.h"
#include "hw/nvme/nvme.h"
#include <string.h>

static void set_bit(u32 *bits, u32 number)
{
    bits[number / 32] |= 1u << number % 32;
}

static bool take_bit(u32 *bits, u32 number)
{
    bool was = bits[number / 32] >> number % 32 & 1;

    bits[number / 32] &= ~(1u << number % 32);
    return was;
}

/* --- doorbells in memory (NVM Express 1.3, 5.7) --- */

static u64 shadow_offset(u32 queue, bool completion)
{
    return 8 * (u64)queue + (completion ? 4 : 0);
}

static bool is_shared(const struct nvme *n, u32 queue)
{
    return queue && n->state->shadow;
}

/* The driver's value of a doorbell, if it has told one that makes sense. */
static u32 shadow_value(struct nvme *n, u32 queue, bool completion, u32 size, u32 old)
{
    u8 bytes[4];
    u32 value;

    if (!is_shared(n, queue) || !nvme_dma_read(n, n->state->shadow + shadow_offset(queue, completion), bytes, 4))
        return old;
    value = (u32)bits_load_le(bytes, 4);
    return value < size ? value : old;
}

/* From which value on the driver rings the real doorbell. What it wrote before it saw this is read by the next look. */
static void set_event_index(struct nvme *n, u32 queue, bool completion, u32 value)
{
    u8 bytes[4];

    if (!is_shared(n, queue))
        return;
    bits_store_le(bytes, 4, value);
    nvme_dma_write(n, n->state->event_index + shadow_offset(queue, completion), bytes, 4);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void share(struct nvme *n, u32 queue, bool completion, u32 value)
{
    u8 bytes[4];

    bits_store_le(bytes, 4, value);
    nvme_dma_write(n, n->state->shadow + shadow_offset(queue, completion), bytes, 4);
    set_event_index(n, queue, completion, value);
}

void nvme_share_doorbells(struct nvme *n, u32 queue)
{
    if (!is_shared(n, queue))
        return;
    if (n->state->sq[queue].size)
        share(n, queue, false, n->state->sq[queue].tail);
    if (n->state->cq[queue].size)
        share(n, queue, true, n->state->cq[queue].head);
}

/* --- interrupts (7.5) --- */

static void has_taken(struct nvme *n, u32 number);

static bool pin_wanted(const struct nvme *n)
{
    const struct nvme_state *s = n->state;

    for (u32 i = 0; i <= n->highest; i++) {
        const struct nvme_cq *cq = &s->cq[i];

        if (cq->size && cq->interrupts && cq->head != cq->tail && !(cq->vector < 32 && s->mask >> cq->vector & 1))
            return true;
    }
    return false;
}

/*
 * The pin goes down when the driver has taken all: of what it takes after this look it tells. With doorbells in memory it may have taken
 * entries as soon as they were there, without a word, since the index was still an older one; without this second look the pin stayed up.
 */
static void see_what_is_taken(struct nvme *n, u32 number)
{
    struct nvme_cq *cq = &n->state->cq[number];

    for (u32 rounds = 0; is_shared(n, number) && cq->head != cq->tail && rounds < cq->size; rounds++) {
        u32 old = cq->head;

        set_event_index(n, number, true, old);
        cq->head = shadow_value(n, number, true, cq->size, old);
        if (cq->head == old)
            break;
        has_taken(n, number);
    }
}

void nvme_notify(struct nvme *n)
{
    if (!pci_msix_is_on(&n->msix)) {
        memset(n->told, 0, sizeof(n->told));
        for (u32 i = 0; i <= n->highest; i++)
            see_what_is_taken(n, i);
        pci_function_set_intx(&n->pci, pin_wanted(n));
        return;
    }
    pci_function_set_intx(&n->pci, false);
    for (u32 i = 0; i <= n->highest; i++) {
        if (take_bit(n->told, i) && n->state->cq[i].size && n->state->cq[i].interrupts)
            pci_msix_send(&n->msix, n->state->cq[i].vector);
    }
}

/* --- completion (4.6) --- */

static bool is_full(struct nvme *n, u32 number)
{
    struct nvme_cq *cq = &n->state->cq[number];

    return (cq->tail + 1) % cq->size == cq->head;
}

/* Looks at what the driver has taken; if that is not enough, it is to ring when it has taken more. */
static bool has_room(struct nvme *n, u32 number)
{
    struct nvme_cq *cq = &n->state->cq[number];

    if (!is_full(n, number))
        return true;
    cq->head = shadow_value(n, number, true, cq->size, cq->head);
    if (!is_full(n, number))
        return true;
    set_event_index(n, number, true, cq->head);
    cq->head = shadow_value(n, number, true, cq->size, cq->head);
    return !is_full(n, number);
}

/* The last word, with the phase, becomes visible last. */
static void write_entry(struct nvme *n, struct nvme_cq *cq, const struct nvme_request *r)
{
    u8 entry[NVME_CQE] = { 0 };
    struct space_hit hit = nvme_lookup(n, cq->address + (u64)cq->tail * NVME_CQE);

    bits_store_le(entry, 4, r->result);
    bits_store_le(entry + 8, 2, n->state->sq[r->sq].head);
    bits_store_le(entry + 10, 2, r->sq);
    bits_store_le(entry + 12, 2, r->id);
    bits_store_le(entry + 14, 2, (u64)r->status << 1 | cq->phase);
    if (!pci_function_may_dma(&n->pci) || !hit.writable || hit.left < NVME_CQE) {
        nvme_fail(n, "a completion queue that is not in memory");
        return;
    }
    u8 *to = hit.ram->host + hit.ram_offset;
    u32 last;
    memcpy(&last, entry + 12, 4);
    memcpy(to, entry, 12);
    __atomic_store_n((u32 *)(void *)(to + 12), last, __ATOMIC_RELEASE);
    vm_ram_changed(hit.ram, hit.ram_offset, NVME_CQE);
}

/* The memory that the command needed, the driver's and its own. */
static void free_memory(struct nvme_request *r)
{
    nvme_data_unmap(r->nvme, &r->data, 0);
    r->nvme->copying -= r->held;
    r->held = 0;
    g_clear_pointer(&r->buffer, g_free);
}

static void free_request(struct nvme_request *r)
{
    nvme_abort_ended(r);
    free_memory(r);
    if (r->deleter)
        nvme_queue_lets_go(r->deleter);
    g_free(r);
}

static void finish(struct nvme *n, u32 number, struct nvme_request *r)
{
    struct nvme_cq *cq = &n->state->cq[number];

    write_entry(n, cq, r);
    cq->tail = (cq->tail + 1) % cq->size;
    cq->phase ^= cq->tail == 0;
    set_bit(n->told, number);
    n->in_flight[r->sq]--;
    free_request(r);
}

static bool is_stale(const struct nvme_request *r)
{
    return r->generation != r->nvme->generation || r->queue_generation != r->nvme->queue_generation[r->sq];
}

void nvme_complete(struct nvme_request *r, u16 status)
{
    struct nvme *n = r->nvme;
    u32 cq = n->state->sq[r->sq].cq;

    nvme_format_ended(r);
    if (is_stale(r) || !n->state->cq[cq].size) {
        free_request(r);
        return;
    }
    r->status = status;
    if (status)
        nvme_log_error(r);
    if (!n->full[cq].head && has_room(n, cq)) {
        finish(n, cq, r);
    } else {
        free_memory(r); /* the driver may take its time */
        r->link = (GList){ .data = r };
        g_queue_push_tail_link(&n->full[cq], &r->link);
    }
}

/* --- submission (4.1) --- */

struct nvme_request *nvme_request_new(struct nvme *n, u32 queue, const u8 *command)
{
    struct nvme_request *r = g_new0(struct nvme_request, 1);

    r->nvme = n;
    r->sq = (u16)queue;
    r->id = (u16)bits_load_le(command + 2, 2);
    r->generation = n->generation;
    r->queue_generation = n->queue_generation[queue];
    memcpy(r->command, command, NVME_SQE);
    n->in_flight[queue]++;
    return r;
}

static bool fetch(struct nvme *n, u32 queue)
{
    struct nvme_sq *sq = &n->state->sq[queue];
    u8 command[NVME_SQE];
    struct nvme_request *r;
    u16 status;

    if (!nvme_dma_read(n, sq->address + (u64)sq->head * NVME_SQE, command, sizeof(command))) {
        nvme_fail(n, "a submission queue that is not in memory");
        return false;
    }
    u32 slot = sq->head;
    sq->head = (sq->head + 1) % sq->size;
    if (unlikely(n->skipped->len) && nvme_abort_skips(n, queue, slot))
        return true;
    r = nvme_request_new(n, queue, command);
    status = command[0] && command[1] & 3 ? NVME_INVALID_FIELD | NVME_DNR : queue ? nvme_io(r) : nvme_admin(r); /* fused: not offered */
    if (status != NVME_PENDING)
        nvme_complete(r, status);
    return true;
}

static bool has_commands(struct nvme *n, u32 queue)
{
    struct nvme_sq *sq = &n->state->sq[queue];

    sq->tail = shadow_value(n, queue, false, sq->size, sq->tail);
    if (sq->head != sq->tail)
        return true;
    if (!is_shared(n, queue))
        return false;
    set_event_index(n, queue, false, sq->tail);
    sq->tail = shadow_value(n, queue, false, sq->size, sq->tail);
    return sq->head != sq->tail;
}

static void go_on(void *device, u32 number, u32 level)
{
    struct nvme *n = device;

    n->continuing = false;
    n->work = 0;
    nvme_run_stalled(n);
    nvme_notify(n);
}

static void go_on_later(void *opaque, const void *payload, u32 size)
{
    device_run(opaque, go_on, 0, 0);
}

void nvme_run_stalled(struct nvme *n)
{
    u32 count = n->highest + 1, first = n->first++ % count;

    for (u32 i = 0; i < count; i++) {
        u32 queue = (first + i) % count;

        if (take_bit(n->stalled, queue))
            nvme_run(n, queue);
    }
}

/* Not longer than one round of the ring: what a driver adds meanwhile comes after others had their turn. */
void nvme_run(struct nvme *n, u32 queue)
{
    struct nvme_sq *sq = &n->state->sq[queue];

    for (u32 budget = sq->size; sq->size && nvme_is_ready(n) && has_commands(n, queue); budget--) {
        if (n->in_flight[queue] >= sq->size || n->active.length >= NVME_IN_FLIGHT || n->pieces >= NVME_PIECES) {
            set_bit(n->stalled, queue);
            return;
        }
        if (!budget || n->work >= NVME_TURN) {
            set_bit(n->stalled, queue);
            if (!n->continuing)
                inbox_post(n->device.object.vm, &n->device.object, go_on_later, &n->device, NULL, 0);
            n->continuing = true;
            return;
        }
        if (!fetch(n, queue))
            return;
    }
}

/* The driver has taken entries: those that waited follow, and commands that waited for them. */
static void has_taken(struct nvme *n, u32 number)
{
    bool some = false;

    while (n->full[number].head && has_room(n, number)) {
        finish(n, number, g_queue_pop_head_link(&n->full[number])->data);
        some = true;
    }
    for (u32 i = 0; some && i <= n->highest; i++)
        if (n->state->sq[i].size && n->state->sq[i].cq == number && take_bit(n->stalled, i))
            nvme_run(n, i);
}

void nvme_doorbell(struct nvme *n, u32 queue, bool completion, u32 value)
{
    u32 size = completion ? n->state->cq[queue].size : n->state->sq[queue].size;

    n->work = 0;
    if (!size || value >= size) { /* 5.2, error events 0 and 1 */
        device_guest_error(n, "nvme: doorbell of %s queue %u: %s", completion ? "completion" : "submission", queue, size ? "out of range" : "no such queue");
        nvme_event(n, 0, size ? 1 : 0, 1);
    } else if (completion) {
        n->state->cq[queue].head = shadow_value(n, queue, true, size, value);
        has_taken(n, queue);
    } else {
        n->state->sq[queue].tail = value;
        nvme_run(n, queue);
    }
    nvme_notify(n);
}

/* --- the end of queues --- */

static void drop_full(struct nvme *n, u32 cq, int sq)
{
    for (GList *link = n->full[cq].head, *next; link; link = next) {
        struct nvme_request *r = link->data;

        next = link->next;
        if (sq >= 0 && r->sq != sq)
            continue;
        g_queue_unlink(&n->full[cq], link);
        free_request(r);
    }
}

void nvme_forget_queue(struct nvme *n, u32 queue)
{
    drop_full(n, n->state->sq[queue].cq, (int)queue);
    nvme_abort_forget(n, (int)queue);
    n->queue_generation[queue]++;
    n->in_flight[queue] = 0;
    take_bit(n->stalled, queue);
    n->state->sq[queue] = (struct nvme_sq){ 0 };
}

void nvme_forget_queues(struct nvme *n)
{
    for (u32 i = 0; i < NVME_QUEUES; i++)
        drop_full(n, i, -1);
    nvme_abort_forget(n, -1);
    n->generation++;
    memset(n->in_flight, 0, sizeof(n->in_flight));
    memset(n->stalled, 0, sizeof(n->stalled));
    memset(n->told, 0, sizeof(n->told));
    memset(n->state->sq, 0, sizeof(n->state->sq));
    memset(n->state->cq, 0, sizeof(n->state->cq));
    n->state->shadow = n->state->event_index = 0;
    n->highest = 0;
}
