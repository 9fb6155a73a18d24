/* block/disk_io.c - requests of devices on their way to the node and back, and waiting for them. */
#include "block/disk_internal.h"
#include "host/clock.h"

static void drain_job(void *opaque)
{
    struct disk *disk = opaque;

    while (__atomic_load_n(&disk->in_flight, __ATOMIC_ACQUIRE))
        block_queue_wait(&disk->idle, block_loop_of(disk_node(disk)));
}

/* A vCPU that waits for the main loop has the machine lock, without which that does not go on. */
static void wait_idle(struct disk *disk)
{
    struct block_loop *loop = block_loop_of(disk_node(disk));
    bool foreign = loop == disk->set->loop && !block_loop_is_mine(loop);
    pthread_t owner = foreign ? block_loop_borrow(loop) : 0;

    block_loop_call(loop, drain_job, disk);
    if (foreign)
        block_loop_give_back(loop, owner);
}

void disk_hold(struct disk *disk, bool on)
{
    if (disk->held_by)
        disk->held_by(disk->held_by_opaque, on);
}

void disk_on_hold(struct disk *disk, void (*hold)(void *opaque, bool on), void *opaque)
{
    disk->held_by = hold;
    disk->held_by_opaque = opaque;
}

void disk_settle(struct disk *disk)
{
    if (!disk_node(disk))
        return;
    throttle_hurry(&disk->throttle, true);
    block_hurry(disk_node(disk), true);
    wait_idle(disk);
    block_hurry(disk_node(disk), false);
    throttle_hurry(&disk->throttle, false);
}

void disk_drain(struct disk *disk)
{
    if (!disk_node(disk))
        return;
    disk_end_held(disk, true);
    disk_settle(disk);
    disk_end_held(disk, false);
}

static int perform(struct disk_request *r, struct block_node *node)
{
    u32 flags = r->flags | (r->disk->writethrough ? BLOCK_FUA : 0);

    switch (r->kind) {
    case DISK_READ:
        return block_read(node, r->offset, r->data);
    case DISK_WRITE:
        return block_write(node, r->offset, r->data, flags);
    case DISK_FLUSH:
        return block_flush(node);
    case DISK_DISCARD:
        return block_discard(node, r->offset, r->size);
    default:
        return block_write_zeroes(node, r->offset, r->size, flags);
    }
}

static void count(struct disk *disk, const struct disk_request *r, int ret)
{
    struct disk_stats *s = &disk->stats;

    if (ret < 0) {
        s->failed[r->kind]++;
        return;
    }
    s->operations[r->kind]++;
    s->bytes[r->kind] += r->size;
    s->time_ns[r->kind] += (u64)(host_clock_monotonic() - r->start);
    if (r->kind == DISK_WRITE || r->kind == DISK_ZEROES)
        s->highest = MAX(s->highest, r->offset + r->size);
}

/* Waits as long as limits say. False: the device has cancelled it. */
static bool may_start(struct disk_request *r)
{
    struct disk *disk = r->disk;

    return (r->kind != DISK_READ && r->kind != DISK_WRITE && r->kind != DISK_ZEROES) ||
           throttle_wait(&disk->throttle, block_loop_of(disk_node(disk)), r->kind != DISK_READ, r->size, &r->final);
}

/*
 * Each request that runs has a stack, of which a process cannot have any number (vm.max_map_count), while guests may have many disks with many
 * queues: this many run at a time, but of each disk always some.
 */
enum { RUN_MOST = 8192, RUN_ALWAYS = 64 };

static bool has_room(const struct disk *disk)
{
    return disk->running < RUN_ALWAYS || __atomic_load_n(&disk->set->running, __ATOMIC_RELAXED) < RUN_MOST;
}

static void count_running(struct disk *disk, int change)
{
    disk->running += (unsigned)change;
    __atomic_add_fetch(&disk->set->running, (unsigned)change, __ATOMIC_RELAXED);
}

static void carry_out(struct disk *disk, struct disk_request *r)
{
    int ret;

    if (!may_start(r)) {
        r->done(r, -ECANCELED);
    } else if ((ret = perform(r, disk_node(disk))) >= 0 || disk_settle_failure(disk, r, &ret)) {
        count(disk, r, ret);
        r->done(r, ret);
    }
}

/* One after another, as long as there are such that wait. When none is in flight any more the disk may be gone. */
static void run_requests(void *opaque)
{
    struct disk_request *r = opaque;
    struct disk *disk = r->disk;
    GList *next;

    do {
        carry_out(disk, r);
        next = g_queue_pop_head_link(&disk->waiting);
        if (next)
            r = next->data;
        else
            count_running(disk, -1);
        if (__atomic_sub_fetch(&disk->in_flight, 1, __ATOMIC_ACQ_REL) == 0)
            block_queue_wake_all(&disk->idle);
    } while (next);
}

static void arrived(struct block_work *work)
{
    struct disk_request *r = container_of(work, struct disk_request, work);
    struct disk *disk = r->disk;

    if (has_room(disk)) {
        count_running(disk, 1);
        block_loop_spawn(block_loop_of(disk_node(disk)), run_requests, r);
        return;
    }
    r->link.data = r;
    g_queue_push_tail_link(&disk->waiting, &r->link);
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
    request->disk = disk;
    request->start = host_clock_monotonic();
    request->held = request->final = false;
    disk_send(disk, request);
}

void disk_send(struct disk *disk, struct disk_request *request)
{
    request->work.run = arrived;
    __atomic_add_fetch(&disk->in_flight, 1, __ATOMIC_ACQ_REL);
    __atomic_add_fetch(&disk->sent, 1, __ATOMIC_RELAXED);
    block_loop_post(block_loop_of(disk_node(disk)), &request->work);
}

void disk_set_writethrough(struct disk *disk, bool on)
{
    disk->writethrough = on;
}

bool disk_is_writethrough(const struct disk *disk)
{
    return disk->writethrough;
}

const struct disk_stats *disk_stats(const struct disk *disk)
{
    return &disk->stats;
}
