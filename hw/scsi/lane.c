/* hw/scsi/lane.c - requests on their way from adapters to units and disks, and back. */
#include "hw/scsi/scsi.h"
#include "vm/inbox.h"

/* ---- Results ---- */

static void finish(struct scsi_request *r, u8 status)
{
    r->status = r->cancelled ? SCSI_TASK_ABORTED : status;
    if (r->active)
        g_queue_unlink(&r->lane->active, &r->link);
    r->active = false;
    g_clear_pointer(&r->buffer, g_free);
    r->done(r);
}

void scsi_request_good(struct scsi_request *r)
{
    finish(r, SCSI_GOOD);
}

void scsi_request_fail(struct scsi_request *r, enum scsi_sense sense)
{
    r->has_sense = true;
    r->transferred = 0;
    scsi_sense_store(r->sense, sense, false);
    finish(r, SCSI_CHECK_CONDITION);
}

void scsi_request_reply(struct scsi_request *r, const void *data, u64 size, u64 allocation)
{
    r->transferred = MIN(MIN(size, allocation), r->in.size);
    if (r->transferred)
        block_data_put(block_data_slice(r->in, 0, r->transferred), data);
    finish(r, SCSI_GOOD);
}

static bool is_unwanted(const struct scsi_request *r)
{
    return r->cancelled || r->unit->leaving;
}

/* ---- Work of disks ---- */

static struct scsi_request *next_outcome(struct scsi_lane *lane)
{
    GList *link;

    host_lock_take(&lane->lock);
    link = g_queue_pop_head_link(&lane->outcomes);
    host_lock_drop(&lane->lock);
    return link ? link->data : NULL;
}

void scsi_lane_serve(struct scsi_lane *lane)
{
    struct scsi_request *r;

    while ((r = next_outcome(lane))) {
        void (*next)(struct scsi_request *) = r->next;

        r->next = NULL;
        if (is_unwanted(r))
            finish(r, SCSI_TASK_ABORTED);
        else
            next(r);
    }
    lane->bus->ops->batch_done(lane);
}

/* The one that number says; NULL: the bus is gone. */
static struct scsi_lane *lane_at(void *adapter, u32 number)
{
    struct scsi_bus *bus = scsi_bus_of(adapter);

    return bus && bus->lanes && number < bus->lanes->len ? bus->lanes->pdata[number] : NULL;
}

static void serve_now(void *adapter, u32 number, u32 level)
{
    struct scsi_lane *lane = lane_at(adapter, number);

    if (lane)
        scsi_lane_serve(lane);
}

static void post(struct scsi_lane *lane, inbox_hook *hook)
{
    struct device *adapter = lane->bus->adapter;

    inbox_post(adapter->object.vm, &adapter->object, hook, adapter, &lane->number, sizeof(lane->number));
}

static void finished(void *adapter, const void *payload, u32 size)
{
    device_run(adapter, serve_now, *(const u32 *)payload, 0);
}

/* The loop's thread. One letter, or one poke, for all that is there. */
static void io_done(struct disk_request *io, int ret)
{
    struct scsi_request *r = container_of(io, struct scsi_request, io);
    struct scsi_lane *lane = r->lane;

    r->result = ret;
    r->waiting.data = r;
    host_lock_take(&lane->lock);
    bool first = !lane->outcomes.length;
    g_queue_push_tail_link(&lane->outcomes, &r->waiting);
    host_lock_drop(&lane->lock);
    if (first && lane->outside)
        lane->bus->ops->poke(lane);
    else if (first) /* the bus stays at least until this returns: it goes after a drain */
        post(lane, finished);
}

void scsi_request_io(struct scsi_request *r, void (*next)(struct scsi_request *request))
{
    if (!disk_node(r->unit->disk)) { /* went between two steps */
        scsi_request_fail(r, SCSI_NO_MEDIUM_TRAY_OPEN);
        return;
    }
    r->next = next;
    r->io.done = io_done;
    disk_submit(r->unit->disk, &r->io);
}

void scsi_request_cancel(struct scsi_request *r)
{
    if (r->next && !r->cancelled)
        disk_cancel(&r->io);
    r->cancelled = true;
}

/* ---- Submission ---- */

static void run_deferred(struct scsi_lane *lane)
{
    for (GList *link; (link = g_queue_pop_head_link(&lane->deferred));) {
        struct scsi_request *r = link->data;

        if (is_unwanted(r))
            finish(r, SCSI_TASK_ABORTED);
        else
            scsi_request_begin(r);
    }
}

void scsi_bus_serve(struct scsi_bus *bus)
{
    for (guint i = 0; i < bus->lanes->len; i++) {
        run_deferred(bus->lanes->pdata[i]);
        scsi_lane_serve(bus->lanes->pdata[i]);
    }
}

static void deferred_now(void *adapter, u32 number, u32 level)
{
    struct scsi_lane *lane = lane_at(adapter, number);

    if (!lane)
        return;
    lane->bus->ops->hold(lane->bus, true);
    run_deferred(lane);
    lane->bus->ops->batch_done(lane);
    lane->bus->ops->hold(lane->bus, false);
}

static void deferred(void *adapter, const void *payload, u32 size)
{
    device_run(adapter, deferred_now, *(const u32 *)payload, 0);
}

/* Whether the thread of the lane can do it. */
static bool runs_here(const struct scsi_request *r)
{
    const struct scsi_command *command = scsi_command_find(r->cdb[0]);

    return !r->lane->outside || (r->lun == r->unit->lun && !*r->unit->attention && command && command->flags & SCSI_OUTSIDE);
}

static void defer(struct scsi_request *r)
{
    struct scsi_lane *lane = r->lane;
    bool first = !lane->deferred.length;

    r->waiting.data = r;
    g_queue_push_tail_link(&lane->deferred, &r->waiting);
    if (first)
        post(lane, deferred);
}

void scsi_lane_submit(struct scsi_lane *lane, struct scsi_unit *unit, u32 lun, struct scsi_request *r)
{
    r->lane = lane;
    r->unit = unit;
    r->lun = lun;
    r->active = true;
    r->link.data = r;
    g_queue_push_tail_link(&lane->active, &r->link);
    if (runs_here(r))
        scsi_request_begin(r);
    else
        defer(r);
}

void scsi_unit_each_request(const struct scsi_unit *unit, void (*fn)(struct scsi_request *request, void *opaque), void *opaque)
{
    const struct scsi_bus *bus = unit->bus;

    for (guint i = 0; bus && i < bus->lanes->len; i++) {
        for (GList *at = ((struct scsi_lane *)bus->lanes->pdata[i])->active.head; at; at = at->next) {
            if (((struct scsi_request *)at->data)->unit == unit)
                fn(at->data, opaque);
        }
    }
}

/* ---- Life ---- */

void scsi_lane_init(struct scsi_lane *lane, struct scsi_bus *bus, bool outside)
{
    *lane = (struct scsi_lane){ .bus = bus, .number = bus->lanes->len, .outside = outside };
    host_lock_init(&lane->lock, LOCK_RANK_LEAF);
    g_ptr_array_add(bus->lanes, lane);
}

void scsi_lane_finish(struct scsi_lane *lane)
{
    host_lock_finish(&lane->lock);
}
