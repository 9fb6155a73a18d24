/* hw/scsi/virtio_scsi_control.c - the virtio SCSI host's control queue, task management (virtio 1.3, 5.6.6.2), and its events (5.6.6.3). */
#include "base/bits.h"
#include "hw/scsi/virtio_scsi.h"
#include "vm/inbox.h"
#include <string.h>

enum { T_TMF = 0, T_AN_QUERY = 1, T_AN_SUBSCRIBE = 2 };
enum { ABORT_TASK, ABORT_TASK_SET, CLEAR_ACA, CLEAR_TASK_SET, I_T_NEXUS_RESET, LOGICAL_UNIT_RESET, QUERY_TASK, QUERY_TASK_SET };
enum { TRANSPORT_RESET = 1, PARAM_CHANGE = 3, RESCAN = 1, REMOVED = 2 };
#define EVENTS_MISSED 0x80000000u

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
    bool waits[MAX_TARGET + 1] = { 0 };

    for (GList *at = s->tasks.head, *next; at; at = next) {
        struct scsi_task *task = at->data;

        next = at->next;
        if (__atomic_load_n(&task->waiting, __ATOMIC_ACQUIRE) || (task->behind && waits[task->target])) {
            waits[task->target] = true;
            continue;
        }
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
void virtio_scsi_task_lets_go(struct virtio_scsi *s, struct scsi_task *task)
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
    if (c->task) {
        v->task->behind = true;
        return;
    }
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
static struct scsi_task *new_task(struct virtio_scsi *s, struct virtio_request *request, u32 target)
{
    struct scsi_task *task = g_new0(struct scsi_task, 1);

    *task = (struct scsi_task){ .request = request, .waiting = 1, .target = target, .link.data = task };
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
    task = new_task(s, request, unit->id);
    if (type == I_T_NEXUS_RESET)
        reset_target(s, unit->id, task);
    else
        cancel(unit, type == ABORT_TASK ? &tag : NULL, type == LOGICAL_UNIT_RESET ? S_RESET : S_ABORTED, task);
    if (type == LOGICAL_UNIT_RESET)
        scsi_unit_reset(unit);
    virtio_scsi_task_lets_go(s, task); /* its own share */
}

static void handle_tmf(struct virtio_scsi *s, struct virtio_request *request, const u8 *bytes)
{
    u32 type = (u32)bits_load_le(bytes + 4, 4), lun;
    bool exact;
    struct scsi_unit *unit = virtio_scsi_find_unit(s, bytes + 8, &lun, &exact);

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

void virtio_scsi_handle_control(void *device, struct virtio_queue *queue)
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
void virtio_scsi_handle_events(void *device, struct virtio_queue *queue)
{
    struct virtio_scsi *s = device;

    if (s->state->events_missed)
        send_event(s, 0, NULL, 0);
}

static struct virtio_scsi *host_of(struct scsi_bus *bus)
{
    return container_of(bus->adapter, struct virtio_scsi, device);
}

void virtio_scsi_plugged(struct scsi_bus *bus, struct scsi_unit *unit)
{
    if (virtio_has(&host_of(bus)->virtio, F_HOTPLUG))
        send_event(host_of(bus), TRANSPORT_RESET, unit, RESCAN);
}

void virtio_scsi_unplugged(struct scsi_bus *bus, struct scsi_unit *unit)
{
    if (virtio_has(&host_of(bus)->virtio, F_HOTPLUG))
        send_event(host_of(bus), TRANSPORT_RESET, unit, REMOVED);
}

/* The reason is additional sense code and qualifier: CAPACITY DATA HAS CHANGED. */
void virtio_scsi_resized(struct scsi_bus *bus, struct scsi_unit *unit)
{
    if (virtio_has(&host_of(bus)->virtio, F_CHANGE))
        send_event(host_of(bus), PARAM_CHANGE, unit, 0x2a | 0x09 << 8);
}
