/*
 * hw/scsi/virtio_scsi.c - the virtio SCSI host (virtio 1.3, 5.6): commands, task management, events. Iothreads may serve the request queues;
 * the control queue and that of events stay under the machine lock.
 */
#include "base/bits.h"
#include "base/error.h"
#include "hw/scsi/scsi.h"
#include "hw/virtio/queue_threads.h"
#include "hw/virtio/virtio.h"
#include "vm/inbox.h"
#include "vm/vcpu.h"
#include <string.h>

enum { F_INOUT = 0, F_HOTPLUG = 1, F_CHANGE = 2 };
enum { CONTROL = 0, EVENTS = 1, REQUESTS = 2, MOST_QUEUES = 64 };
enum { COMMAND_HEAD = 19, RESPONSE_HEAD = 12, MAX_SENSE = 252, MIN_CDB = 16, DEFAULT_SENSE = 96, DEFAULT_CDB = 32 };
enum { MAX_TARGET = 255, MAX_LUN = 16383 };
/* Responses (5.6.6.1, 5.6.6.2). */
enum { S_OK = 0, S_OVERRUN = 1, S_ABORTED = 2, S_BAD_TARGET = 3, S_RESET = 4, S_FAILURE = 9, S_SUCCEEDED = 10, S_REJECTED = 11, S_INCORRECT_LUN = 12 };
enum { T_TMF = 0, T_AN_QUERY = 1, T_AN_SUBSCRIBE = 2 };
enum { ABORT_TASK, ABORT_TASK_SET, CLEAR_ACA, CLEAR_TASK_SET, I_T_NEXUS_RESET, LOGICAL_UNIT_RESET, QUERY_TASK, QUERY_TASK_SET };
enum { TRANSPORT_RESET = 1, PARAM_CHANGE = 3, RESCAN = 1, REMOVED = 2 };
#define EVENTS_MISSED 0x80000000u

struct virtio_scsi;
struct scsi_task;

/* What belongs to a request queue, and to whoever works on it. */
struct host_lane {
    struct scsi_lane scsi;
    struct virtio_queue *queue;
    bool submitting; /* the queue's hook publishes at its end */
    bool touched;    /* there is something to publish */
};

/* What the driver sent: a command. Control requests use the first part only. */
struct scsi_command_request {
    struct virtio_request request;
    struct scsi_request scsi;
    struct virtio_scsi *host;
    struct host_lane *lane;
    struct iovec *iov;
    u8 cancelled_by;         /* S_ABORTED, S_RESET */
    struct scsi_task *task;  /* that waits for it, or NULL */
};

/* Task management whose answer waits. */
struct scsi_task {
    struct virtio_request *request;
    u32 waiting; /* atomic: commands that have not come back */
    GList link;  /* in tasks */
};

#define DEVICE        virtio_scsi
#define DEVICE_ROWS   "hw/scsi/virtio_scsi.dev"
#define VIRTIO_QUEUES (REQUESTS + MOST_QUEUES)
#include "hw/virtio/declare.inc"

/* ---- Configuration space ---- */

static u64 read_queues(void *device, u32 index)
{
    return ((struct virtio_scsi *)device)->num_queues;
}

static u64 read_seg_max(void *device, u32 index)
{
    struct virtio_scsi *s = device;

    return s->seg_max_adjust ? s->virtqueue_size - 2 : 126;
}

static u64 read_max_sectors(void *device, u32 index)
{
    return ((struct virtio_scsi *)device)->max_sectors;
}

static u64 read_cmd_per_lun(void *device, u32 index)
{
    return ((struct virtio_scsi *)device)->cmd_per_lun;
}

/* 5.6.4: within bounds that let a request have a fixed layout. */
static void write_sense_size(void *device, u32 index, u64 value)
{
    struct virtio_scsi *s = device;

    if (s->state->sense_size <= MAX_SENSE)
        return;
    device_guest_error(s, "virtio-scsi: sense data of %u bytes", s->state->sense_size);
    s->state->sense_size = DEFAULT_SENSE;
}

static void write_cdb_size(void *device, u32 index, u64 value)
{
    struct virtio_scsi *s = device;

    if (s->state->cdb_size <= SCSI_CDB_SIZE && s->state->cdb_size >= MIN_CDB)
        return;
    device_guest_error(s, "virtio-scsi: CDBs of %u bytes", s->state->cdb_size);
    s->state->cdb_size = DEFAULT_CDB;
}

static u64 offer(void *device)
{
    struct virtio_scsi *s = device;

    return (s->hotplug ? BIT64(F_HOTPLUG) : 0) | (s->param_change ? BIT64(F_CHANGE) : 0);
}

/* ---- Where a request goes (5.6.6.1) ---- */

/* NULL: there is no such target. lun: as written. */
static struct scsi_unit *find_unit(struct virtio_scsi *s, const u8 *at, u32 *lun, bool *exact)
{
    *lun = (u32)(at[2] << 8 | at[3]) & MAX_LUN;
    *exact = false;
    if (at[0] != 1 || (at[2] && !(at[2] & 0x40)) || at[2] & 0x80)
        return NULL;
    return scsi_bus_find(s->bus, 0, at[1], *lun, exact);
}

/* ---- Publishing: several finished requests appear at once ---- */

static void publish(struct host_lane *lane)
{
    if (!lane->touched)
        return;
    lane->touched = false;
    virtio_queue_publish(lane->queue);
    virtio_queue_notify(lane->queue);
}

/* ---- Commands ---- */

/* Response (5.6.6.1), then data. data: bytes of the guest's data buffer that were written. */
static void respond(struct scsi_command_request *c, u8 response, u64 residual, u64 data)
{
    struct virtio_scsi *s = c->host;
    u8 bytes[RESPONSE_HEAD + MAX_SENSE] = { 0 };
    u32 sense = response == S_OK && c->scsi.has_sense ? MIN((u32)SCSI_SENSE_SIZE, s->state->sense_size) : 0, head = RESPONSE_HEAD + s->state->sense_size;

    bits_store_le(bytes, 4, sense);
    bits_store_le(bytes + 4, 4, MIN(residual, UINT32_MAX));
    bytes[10] = response == S_OK ? c->scsi.status : 0;
    bytes[11] = response;
    memcpy(bytes + RESPONSE_HEAD, c->scsi.sense, sense);
    virtio_request_write(&c->request, 0, bytes, head);
    c->lane->touched = true;
    g_clear_pointer(&c->iov, g_free);
    virtio_request_finish(&c->request, (u32)(head + data));
}

static void task_lets_go(struct virtio_scsi *s, struct scsi_task *task);

/* In the lane. */
static void done(struct scsi_request *r)
{
    struct scsi_command_request *c = container_of(r, struct scsi_command_request, scsi);
    struct virtio_scsi *s = c->host;
    struct scsi_task *task = c->task;
    u64 size = MAX(r->in.size, r->out.size);

    if (r->in.size && r->status != SCSI_GOOD) /* whatever a read that failed has left there */
        virtio_request_touched(&c->request, c->request.write_size);
    if (virtio_request_is_stale(&c->request)) {
        g_clear_pointer(&c->iov, g_free);
        virtio_request_finish(&c->request, 0);
    } else if (r->cancelled || r->status == SCSI_TASK_ABORTED) {
        respond(c, c->cancelled_by ? c->cancelled_by : S_RESET, 0, 0);
    } else {
        respond(c, S_OK, size - MIN(size, r->transferred), r->in.size ? r->transferred : 0);
    }
    if (task)
        task_lets_go(s, task);
}

static void window(struct block_data *out, struct iovec *iov, const struct virtio_piece *pieces, u32 count, u64 skip, u64 size)
{
    for (u32 i = 0; i < count; i++)
        iov[i] = (struct iovec){ .iov_base = pieces[i].data, .iov_len = pieces[i].size };
    *out = block_data_slice(block_data_list(iov, count), skip, size);
}

/* The guest's data buffers become the request's. False: there is no room for the response. */
static bool take_buffers(struct scsi_command_request *c)
{
    struct virtio_request *q = &c->request;
    u64 head = COMMAND_HEAD + c->host->state->cdb_size, tail = RESPONSE_HEAD + c->host->state->sense_size;

    if (q->read_size < head || q->write_size < tail)
        return false;
    c->iov = g_new(struct iovec, q->read_count + q->write_count);
    window(&c->scsi.out, c->iov, q->read, q->read_count, head, q->read_size - head);
    window(&c->scsi.in, c->iov + q->read_count, q->write, q->write_count, tail, q->write_size - tail);
    return true;
}

static void run_command(struct scsi_command_request *c, const u8 *head)
{
    bool exact;
    u32 lun;
    u64 in, out;
    struct scsi_unit *unit = find_unit(c->host, head, &lun, &exact);

    if (!unit) {
        respond(c, S_BAD_TARGET, 0, 0);
        return;
    }
    memcpy(c->scsi.cdb, head + COMMAND_HEAD, c->host->state->cdb_size);
    c->scsi.tag = bits_load_le(head + 8, 8);
    c->scsi.done = done;
    scsi_request_lengths(unit, c->scsi.cdb, &in, &out);
    if (in > c->scsi.in.size || out > c->scsi.out.size || (c->scsi.in.size && c->scsi.out.size)) /* no INOUT */
        respond(c, exact ? S_OVERRUN : S_BAD_TARGET, 0, 0);
    else
        scsi_lane_submit(&c->lane->scsi, unit, lun, &c->scsi);
}

static void handle_request(void *device, struct virtio_queue *queue)
{
    struct virtio_scsi *s = device;
    struct host_lane *lane = &s->lane[virtio_queue_index(queue) - REQUESTS];
    struct scsi_command_request *c;
    u8 head[COMMAND_HEAD + SCSI_CDB_SIZE];

    lane->submitting = true;
    while ((c = virtio_queue_pop(queue))) {
        c->host = s;
        c->lane = lane;
        if (virtio_request_read(&c->request, 0, head, COMMAND_HEAD + s->state->cdb_size) < COMMAND_HEAD + s->state->cdb_size || !take_buffers(c)) {
            virtio_request_drop(&c->request);
            virtio_fail(&s->virtio, "a command without room for its head or its response");
            break;
        }
        run_command(c, head);
    }
    lane->submitting = false;
    publish(lane);
}

static void batch_done(struct scsi_lane *scsi)
{
    struct host_lane *lane = container_of(scsi, struct host_lane, scsi);

    if (!lane->submitting)
        publish(lane);
}

static void serve(void *device, struct virtio_queue *queue)
{
    struct virtio_scsi *s = device;
    u32 index = virtio_queue_index(queue);

    if (index >= REQUESTS)
        scsi_lane_serve(&s->lane[index - REQUESTS].scsi);
}

static void poke(struct scsi_lane *lane)
{
    virtio_queue_poke(container_of(lane, struct host_lane, scsi)->queue);
}

static void hold(struct scsi_bus *bus, bool on)
{
    struct virtio_scsi *s = container_of(bus->adapter, struct virtio_scsi, device);

    if (on)
        virtio_pause(&s->virtio);
    else
        virtio_resume(&s->virtio);
}

/* ---- Task management (5.6.6.2) ---- */

static void answer_control(struct virtio_request *request, u64 skip, u8 response)
{
    if (!virtio_request_is_stale(request))
        virtio_request_write(request, skip, &response, 1);
    virtio_request_complete(request, (u32)(skip + 1));
}

/* Machine lock. Answers those for which nothing is left to wait. */
static void answer_tasks(void *device, u32 number, u32 level)
{
    struct virtio_scsi *s = device;

    for (GList *at = s->tasks.head, *next; at; at = next) {
        struct scsi_task *task = at->data;

        next = at->next;
        if (__atomic_load_n(&task->waiting, __ATOMIC_ACQUIRE))
            continue;
        g_queue_unlink(&s->tasks, &task->link);
        answer_control(task->request, 0, S_OK);
        g_free(task);
    }
}

static void tasks_done(void *opaque, const void *payload, u32 size)
{
    device_run(opaque, answer_tasks, 0, 0);
}

/* Also from lanes outside, which the control queue does not belong to. */
static void task_lets_go(struct virtio_scsi *s, struct scsi_task *task)
{
    struct vm_object *object = &s->device.object;

    if (__atomic_sub_fetch(&task->waiting, 1, __ATOMIC_ACQ_REL))
        return;
    if (vm_lock_mine(object->vm))
        answer_tasks(s, 0, 0);
    else
        inbox_post(object->vm, object, tasks_done, s, NULL, 0);
}

/* What a task cancels. */
struct victims {
    const u64 *tag; /* NULL: all */
    u8 response;
    struct scsi_task *task;
};

static void cancel_one(struct scsi_request *request, void *opaque)
{
    const struct victims *v = opaque;
    struct scsi_command_request *c = container_of(request, struct scsi_command_request, scsi);

    if ((v->tag && request->tag != *v->tag) || virtio_request_is_stale(&c->request))
        return;
    scsi_request_cancel(request);
    c->cancelled_by = v->response;
    if (c->task)
        return;
    c->task = v->task;
    __atomic_add_fetch(&v->task->waiting, 1, __ATOMIC_RELAXED);
}

/* Cancels the unit's requests with this tag, or all. */
static void cancel(struct scsi_unit *unit, const u64 *tag, u8 response, struct scsi_task *task)
{
    struct victims victims = { tag, response, task };

    scsi_unit_each_request(unit, cancel_one, &victims);
}

/* The answer comes when everything that was cancelled has let go of the guest's memory. */
static struct scsi_task *new_task(struct virtio_scsi *s, struct virtio_request *request)
{
    struct scsi_task *task = g_new0(struct scsi_task, 1);

    *task = (struct scsi_task){ .request = request, .waiting = 1, .link.data = task };
    g_queue_push_tail_link(&s->tasks, &task->link);
    return task;
}

static void reset_target(struct virtio_scsi *s, u32 id, struct scsi_task *task)
{
    for (guint i = 0; i < s->bus->bus.devices->len; i++) {
        struct scsi_unit *unit = scsi_bus_unit(s->bus, i);

        if (unit->id != id)
            continue;
        cancel(unit, NULL, S_RESET, task);
        scsi_unit_reset(unit);
    }
}

struct search {
    const u64 *tag; /* NULL: any */
    bool found;
};

static void look(struct scsi_request *request, void *opaque)
{
    struct search *search = opaque;

    search->found |= !search->tag || request->tag == *search->tag;
}

static bool is_active(const struct scsi_unit *unit, const u64 *tag)
{
    struct search search = { tag, false };

    scsi_unit_each_request(unit, look, &search);
    return search.found;
}

static void manage(struct virtio_scsi *s, struct virtio_request *request, u32 type, struct scsi_unit *unit, u64 tag)
{
    struct scsi_task *task;

    switch (type) {
    case QUERY_TASK:
    case QUERY_TASK_SET:
        answer_control(request, 0, is_active(unit, type == QUERY_TASK ? &tag : NULL) ? S_SUCCEEDED : S_OK);
        return;
    case ABORT_TASK:
    case ABORT_TASK_SET:
    case CLEAR_TASK_SET:
    case LOGICAL_UNIT_RESET:
    case I_T_NEXUS_RESET:
        break;
    default: /* CLEAR ACA: there is no ACA */
        answer_control(request, 0, S_REJECTED);
        return;
    }
    task = new_task(s, request);
    if (type == I_T_NEXUS_RESET)
        reset_target(s, unit->id, task);
    else
        cancel(unit, type == ABORT_TASK ? &tag : NULL, type == LOGICAL_UNIT_RESET ? S_RESET : S_ABORTED, task);
    if (type == LOGICAL_UNIT_RESET)
        scsi_unit_reset(unit);
    task_lets_go(s, task); /* its own share */
}

static void handle_tmf(struct virtio_scsi *s, struct virtio_request *request, const u8 *bytes)
{
    u32 type = (u32)bits_load_le(bytes + 4, 4), lun;
    bool exact;
    struct scsi_unit *unit = find_unit(s, bytes + 8, &lun, &exact);

    if (!unit)
        answer_control(request, 0, S_BAD_TARGET);
    else if (!exact && type != I_T_NEXUS_RESET)
        answer_control(request, 0, S_INCORRECT_LUN);
    else
        manage(s, request, type, unit, bits_load_le(bytes + 16, 8));
}

/* Asynchronous notifications (5.6.6.2): no unit here has any. */
static void handle_notification(struct virtio_request *request)
{
    virtio_request_write(request, 0, (u8[4]){ 0 }, 4);
    answer_control(request, 4, S_OK);
}

static void handle_control(void *device, struct virtio_queue *queue)
{
    struct virtio_scsi *s = device;
    struct virtio_request *request;

    while ((request = virtio_queue_pop(queue))) {
        u8 bytes[24] = { 0 };
        u64 size = virtio_request_read(request, 0, bytes, sizeof(bytes));
        u32 type = (u32)bits_load_le(bytes, 4);

        if (type == T_TMF && size == 24 && request->write_size >= 1) {
            handle_tmf(s, request, bytes);
        } else if ((type == T_AN_QUERY || type == T_AN_SUBSCRIBE) && size >= 16 && request->write_size >= 5) {
            handle_notification(request);
        } else {
            virtio_request_drop(request);
            virtio_fail(&s->virtio, "a control request of type %u that is too short or unknown", type);
            return;
        }
    }
}

/* ---- Events (5.6.6.3) ---- */

static void send_event(struct virtio_scsi *s, u32 event, const struct scsi_unit *unit, u32 reason)
{
    struct virtio_request *request = virtio_queue_pop(virtio_queue_at(&s->virtio, EVENTS));
    u8 bytes[16] = { 0 };

    if (!request) {
        s->state->events_missed = virtio_is_ready(&s->virtio);
        return;
    }
    bits_store_le(bytes, 4, event | (s->state->events_missed ? EVENTS_MISSED : 0));
    if (unit)
        memcpy(bytes + 4, (u8[]){ 1, (u8)unit->id, (u8)(unit->lun < 256 ? 0 : 0x40 | unit->lun >> 8), (u8)unit->lun }, 4);
    bits_store_le(bytes + 12, 4, reason);
    s->state->events_missed = false;
    virtio_request_complete(request, (u32)virtio_request_write(request, 0, bytes, sizeof(bytes)));
}

/* New buffers: what was missed is told, if only that. */
static void handle_events(void *device, struct virtio_queue *queue)
{
    struct virtio_scsi *s = device;

    if (s->state->events_missed)
        send_event(s, 0, NULL, 0);
}

static struct virtio_scsi *host_of(struct scsi_bus *bus)
{
    return container_of(bus->adapter, struct virtio_scsi, device);
}

static void plugged(struct scsi_bus *bus, struct scsi_unit *unit)
{
    if (virtio_has(&host_of(bus)->virtio, F_HOTPLUG))
        send_event(host_of(bus), TRANSPORT_RESET, unit, RESCAN);
}

static void unplugged(struct scsi_bus *bus, struct scsi_unit *unit)
{
    if (virtio_has(&host_of(bus)->virtio, F_HOTPLUG))
        send_event(host_of(bus), TRANSPORT_RESET, unit, REMOVED);
}

/* The reason is additional sense code and qualifier: CAPACITY DATA HAS CHANGED. */
static void resized(struct scsi_bus *bus, struct scsi_unit *unit)
{
    if (virtio_has(&host_of(bus)->virtio, F_CHANGE))
        send_event(host_of(bus), PARAM_CHANGE, unit, 0x2a | 0x09 << 8);
}

static const struct scsi_adapter_ops ops = { .plugged = plugged, .unplugged = unplugged, .resized = resized, .batch_done = batch_done, .poke = poke, .hold = hold };

/* ---- Life ---- */

static void settle(void *device)
{
    struct virtio_scsi *s = device;

    if (s->bus)
        scsi_bus_settle(s->bus);
}

/* Commands under way come back later, stale; so do the tasks that wait for them. */
static void reset(void *device)
{
    struct virtio_scsi *s = device;

    if (s->bus)
        scsi_bus_reset(s->bus);
}

static char *bus_name(const struct virtio_scsi *s)
{
    const struct vm_object *object = &s->device.object;

    if (!strcmp(object->name, "virtio-backend"))
        object = object->parent;
    return object->parent && !g_strcmp0(object->parent->name, "peripheral") ? g_strconcat(object->name, ".0", NULL) : g_strdup("scsi.*");
}

static bool check(struct virtio_scsi *s, GError **error)
{
    if (!bits_is_power_of_2(s->virtqueue_size))
        return error_set(error, "virtqueue_size must be a power of 2");
    if (s->num_queues != UINT32_MAX && (!s->num_queues || s->num_queues > MOST_QUEUES))
        return error_set(error, "num_queues is 1 to %d", MOST_QUEUES);
    return true;
}

static void unrealize(void *device)
{
    struct virtio_scsi *s = device;

    s->bus = NULL;
    while (s->tasks.head)
        g_free(g_queue_pop_head_link(&s->tasks)->data);
    virtio_device_finish(&s->virtio);
    for (u32 i = 0; s->lane && i < s->num_queues; i++)
        scsi_lane_finish(&s->lane[i].scsi);
    g_clear_pointer(&s->lane, g_free);
    queue_threads_finish(&s->threads);
}

static void add_lane(struct virtio_scsi *s, u32 index)
{
    struct host_lane *lane = &s->lane[index];
    struct block_loop *loop = queue_threads_loop_of(&s->threads, index);

    lane->queue = virtio_queue_add(&s->virtio, (u16)s->virtqueue_size, handle_request);
    if (loop)
        virtio_queue_run_in(lane->queue, loop);
    scsi_lane_init(&lane->scsi, s->bus, virtio_queue_is_outside(lane->queue));
}

static bool realize(void *device, GError **error)
{
    struct virtio_scsi *s = device;
    g_autofree char *name = bus_name(s);

    if (!check(s, error))
        return false;
    if (s->num_queues == UINT32_MAX)
        s->num_queues = CLAMP(vm_vcpu_count(s->device.object.vm), 1, MOST_QUEUES);
    if (!queue_threads_choose(&s->threads, s->device.object.vm, s->iothread, s->iothread_vq_mapping, s->num_queues, error))
        return false;
    virtio_start(s);
    s->bus = scsi_bus_create(&s->device, name, &ops, MAX_TARGET, MAX_LUN, error);
    if (!s->bus) {
        unrealize(device);
        return false;
    }
    s->bus->loop = queue_threads_loop(&s->threads);
    virtio_queue_add(&s->virtio, (u16)s->virtqueue_size, handle_control);
    virtio_queue_add(&s->virtio, (u16)s->virtqueue_size, handle_events);
    s->lane = g_new0(struct host_lane, s->num_queues);
    for (u32 i = 0; i < s->num_queues; i++)
        add_lane(s, i);
    return true;
}

#include "hw/virtio/define.inc"
