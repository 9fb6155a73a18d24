/*
 * hw/scsi/virtio_scsi.c - the virtio SCSI host (virtio 1.3, 5.6): configuration, commands, life. Iothreads may serve the request queues;
 * the control queue and that of events stay under the machine lock.
 */
#include "base/bits.h"
#include "base/error.h"
#include "hw/scsi/virtio_scsi.h"
#include "vm/inbox.h"
#include "vm/vcpu.h"
#include <string.h>

enum { COMMAND_HEAD = 19, RESPONSE_HEAD = 12, MAX_SENSE = 252, MIN_CDB = 16, DEFAULT_SENSE = 96, DEFAULT_CDB = 32 };

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
struct scsi_unit *virtio_scsi_find_unit(struct virtio_scsi *s, const u8 *at, u32 *lun, bool *exact)
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
        virtio_scsi_task_lets_go(s, task);
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
    struct scsi_unit *unit = virtio_scsi_find_unit(c->host, head, &lun, &exact);

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

static const struct scsi_adapter_ops ops = { .plugged = virtio_scsi_plugged, .unplugged = virtio_scsi_unplugged, .resized = virtio_scsi_resized, .batch_done = batch_done, .poke = poke, .hold = hold };

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
    virtio_queue_add(&s->virtio, (u16)s->virtqueue_size, virtio_scsi_handle_control);
    virtio_queue_add(&s->virtio, (u16)s->virtqueue_size, virtio_scsi_handle_events);
    s->lane = g_new0(struct host_lane, s->num_queues);
    for (u32 i = 0; i < s->num_queues; i++)
        add_lane(s, i);
    return true;
}

#include "hw/virtio/define.inc"
