/* block/disk_error.c - requests that failed: reported, ignored, or kept until the machine goes on (werror=, rerror=). */
#include "block/disk_internal.h"
#include <errno.h>
#include <string.h>

enum { READS, WRITES };

void disk_set_on_failed(struct disk_set *set, disk_failed *failed, void *opaque)
{
    set->failed = failed;
    set->failed_opaque = opaque;
}

static void choose(enum disk_on_error *to, enum disk_on_error read, enum disk_on_error write)
{
    if (read != DISK_ON_ERROR_AUTO)
        to[READS] = read;
    if (write != DISK_ON_ERROR_AUTO)
        to[WRITES] = write;
}

void disk_set_on_error(struct disk *disk, enum disk_on_error read, enum disk_on_error write)
{
    choose(disk->chosen, read, write);
    memcpy(disk->on_error, disk->chosen, sizeof(disk->on_error));
}

void disk_handle_errors(struct disk *disk, enum disk_on_error read, enum disk_on_error write)
{
    choose(disk->on_error, read, write);
    disk->handles_errors = true;
}

bool disk_io_status(const struct disk *disk, enum disk_io_status *status)
{
    *status = __atomic_load_n(&disk->status, __ATOMIC_RELAXED);
    return disk->handles_errors && (disk->on_error[WRITES] == DISK_ON_ERROR_ENOSPC || disk->on_error[WRITES] == DISK_ON_ERROR_STOP ||
                                    disk->on_error[READS] == DISK_ON_ERROR_STOP);
}

static enum disk_error_action action_of(const struct disk *disk, bool read, int error)
{
    switch (disk->on_error[read ? READS : WRITES]) {
    case DISK_ON_ERROR_IGNORE:
        return DISK_ERROR_IGNORE;
    case DISK_ON_ERROR_STOP:
        return DISK_ERROR_STOP;
    case DISK_ON_ERROR_ENOSPC:
        return error == -ENOSPC ? DISK_ERROR_STOP : DISK_ERROR_REPORT;
    default:
        return DISK_ERROR_REPORT;
    }
}

/* False: nobody wants it to be tried again. */
static bool hold(struct disk *disk, struct disk_request *r)
{
    bool ok;

    host_lock_take(&disk->lock);
    ok = !r->final && !disk->ending;
    if (ok) {
        r->held = true;
        r->link.data = r;
        g_queue_push_tail_link(&disk->held, &r->link);
    }
    host_lock_drop(&disk->lock);
    return ok;
}

static bool is_wanted(struct disk *disk, struct disk_request *r)
{
    bool wanted;

    host_lock_take(&disk->lock);
    wanted = !r->final && !disk->ending;
    host_lock_drop(&disk->lock);
    return wanted;
}

/* Kept before it is told: whoever is told may go on at once. From then on the request may end at any time; the disk stays, it is still in flight. */
bool disk_settle_failure(struct disk *disk, struct disk_request *r, int *ret)
{
    bool read = r->kind == DISK_READ;
    enum disk_error_action action = action_of(disk, read, *ret);

    if (!disk->handles_errors || (r->kind == DISK_DISCARD && *ret == -ENOTSUP) || !is_wanted(disk, r))
        return true;
    if (action == DISK_ERROR_STOP)
        __atomic_store_n(&disk->status, *ret == -ENOSPC ? DISK_IO_NO_SPACE : DISK_IO_FAILED, __ATOMIC_RELAXED);
    if (action == DISK_ERROR_STOP && !hold(disk, r))
        return true;
    if (disk->set->failed)
        disk->set->failed(disk->set->failed_opaque, disk, read, action, *ret);
    if (action == DISK_ERROR_IGNORE)
        *ret = 0;
    return action != DISK_ERROR_STOP;
}

static struct disk_request *take_held(struct disk *disk)
{
    GList *link;

    host_lock_take(&disk->lock);
    link = g_queue_pop_head_link(&disk->held);
    if (link)
        ((struct disk_request *)link->data)->held = false;
    host_lock_drop(&disk->lock);
    return link ? link->data : NULL;
}

static void retry(struct disk *disk)
{
    GQueue list;

    host_lock_take(&disk->lock);
    list = disk->held;
    g_queue_init(&disk->held);
    for (GList *at = list.head; at; at = at->next)
        ((struct disk_request *)at->data)->held = false;
    host_lock_drop(&disk->lock);
    for (GList *link; (link = g_queue_pop_head_link(&list));)
        disk_send(disk, link->data);
}

void disk_set_retry(struct disk_set *set)
{
    for (unsigned i = 0; i < set->disks->len; i++) {
        struct disk *disk = set->disks->pdata[i];

        __atomic_store_n(&disk->status, DISK_IO_OK, __ATOMIC_RELAXED);
        retry(disk);
    }
}

void disk_set_drain(struct disk_set *set)
{
    for (unsigned i = 0; i < set->disks->len; i++)
        disk_drain(set->disks->pdata[i]);
}

/* In the loop's thread, as requests end. */
static void end_one(struct block_work *work)
{
    struct disk_request *r = container_of(work, struct disk_request, work);
    struct disk *disk = r->disk;

    r->done(r, -ECANCELED);
    if (__atomic_sub_fetch(&disk->in_flight, 1, __ATOMIC_ACQ_REL) == 0)
        block_queue_wake_all(&disk->idle);
}

static void end(struct disk *disk, struct disk_request *r)
{
    r->work.run = end_one;
    __atomic_add_fetch(&disk->in_flight, 1, __ATOMIC_ACQ_REL);
    block_loop_post(block_loop_of(disk_node(disk)), &r->work);
}

void disk_end_held(struct disk *disk, bool ending)
{
    struct disk_request *r;

    host_lock_take(&disk->lock);
    disk->ending = ending;
    host_lock_drop(&disk->lock);
    while (ending && (r = take_held(disk)))
        end(disk, r);
}

void disk_cancel(struct disk_request *r)
{
    struct disk *disk = r->disk;
    bool held;

    host_lock_take(&disk->lock);
    __atomic_store_n(&r->final, true, __ATOMIC_RELEASE); /* limits let it go (throttle_wait) */
    held = r->held;
    if (held)
        g_queue_unlink(&disk->held, &r->link);
    r->held = false;
    host_lock_drop(&disk->lock);
    if (held)
        end(disk, r);
}
