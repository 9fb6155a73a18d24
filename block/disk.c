/* block/disk.c - the disks of a machine. */
#include "block/disk_internal.h"
#include "base/error.h"
#include "block/overlay.h"
#include "host/clock.h"
#include <json-c/json.h>
#include <string.h>

struct disk_set *disk_set_create(GMainContext *context, GError **error)
{
    struct block_loop *loop = block_loop_create(error);
    struct disk_set *set;

    if (!loop)
        return NULL;
    set = g_new0(struct disk_set, 1);
    set->loop = loop;
    set->graph = block_graph_create(loop);
    set->disks = g_ptr_array_new();
    set->owned = g_ptr_array_new();
    block_loop_attach(loop, context);
    return set;
}

static void free_disk(struct disk *disk)
{
    g_ptr_array_remove(disk->set->disks, disk);
    throttle_group_put(disk->throttle.group);
    host_lock_finish(&disk->lock);
    g_free(disk->id);
    g_free(disk->user);
    g_free(disk);
}

static void close_all(void *opaque)
{
    struct disk_set *set = opaque;

    while (set->disks->len) {
        struct disk *disk = set->disks->pdata[set->disks->len - 1];

        block_detach(disk->edge);
        block_unref(disk->node);
        free_disk(disk);
    }
    for (unsigned i = set->owned->len; i-- > 0;)
        block_unref(set->owned->pdata[i]);
}

void disk_set_destroy(struct disk_set *set)
{
    if (!set)
        return;
    block_loop_call(set->loop, close_all, set);
    block_graph_destroy(set->graph);
    block_loop_destroy(set->loop);
    g_ptr_array_unref(set->disks);
    g_ptr_array_unref(set->owned);
    g_free(set);
}

struct block_graph *disk_set_graph(struct disk_set *set)
{
    return set->graph;
}

struct block_loop *disk_set_loop(struct disk_set *set)
{
    return set->loop;
}

GList *disk_set_list(struct disk_set *set)
{
    GList *list = NULL;

    for (unsigned i = set->disks->len; i-- > 0;)
        list = g_list_prepend(list, set->disks->pdata[i]);
    return list;
}

/* A job for the loop. */
struct job {
    struct disk_set *set;
    struct disk *disk;
    struct json_object *options;
    struct block_node *node;
    struct block_edge *edge;
    const char *who;
    u32 perm, shared;
    bool overlay;
    GError **error;
};

static void open_job(void *opaque)
{
    struct job *job = opaque;

    if (job->overlay)
        job->node = block_open_overlay(job->set->graph, job->options, job->error);
    else if (block_options_complete(job->set->graph, job->options, job->error))
        job->node = block_open(job->set->graph, job->options, job->error);
}

static struct block_node *open_node(struct disk_set *set, struct json_object *options, bool overlay, GError **error)
{
    struct job job = { .set = set, .options = options, .overlay = overlay, .error = error };

    block_loop_call(set->loop, open_job, &job);
    return job.node;
}

struct block_node *disk_set_open_node(struct disk_set *set, struct json_object *options, GError **error)
{
    return open_node(set, options, false, error);
}

bool disk_set_open(struct disk_set *set, struct json_object *options, GError **error)
{
    struct block_node *node;

    if (!json_object_object_get_ex(options, "node-name", NULL)) {
        error_set(error, "'node-name' must be specified for the root node");
        return false;
    }
    node = open_node(set, options, false, error);
    if (node)
        g_ptr_array_add(set->owned, node);
    return node != NULL;
}

static void unref_job(void *opaque)
{
    block_unref(((struct job *)opaque)->node);
}

void disk_set_unref_node(struct block_node *node)
{
    struct job job = { .node = node };

    block_loop_call(block_loop_of(node), unref_job, &job);
}

static struct disk *find(struct disk_set *set, const char *id)
{
    for (unsigned i = 0; i < set->disks->len; i++) {
        struct disk *disk = set->disks->pdata[i];

        if (disk->is_drive && !strcmp(disk->id, id))
            return disk;
    }
    return NULL;
}

bool disk_set_close(struct disk_set *set, const char *node_name, GError **error)
{
    struct block_node *node = block_graph_find(set->graph, node_name);

    if (!node)
        return error_set(error, "Failed to find node with node-name='%s'", node_name);
    if (!g_ptr_array_find(set->owned, node, NULL))
        return error_set(error, "Node %s is not owned by the monitor", node_name);
    if (block_is_used(node))
        return error_set(error, "Block device %s is in use", node_name);
    g_ptr_array_remove(set->owned, node);
    disk_set_unref_node(node);
    return true;
}

static struct disk *new_disk(struct disk_set *set, const char *id, struct block_node *node, bool is_drive)
{
    struct disk *disk = g_new0(struct disk, 1);

    *disk = (struct disk){ .set = set, .loop = set->loop, .id = g_strdup(id), .node = node, .is_drive = is_drive };
    host_lock_init(&disk->lock, LOCK_RANK_LEAF);
    disk_set_on_error(disk, DISK_ON_ERROR_REPORT, DISK_ON_ERROR_ENOSPC);
    g_ptr_array_add(set->disks, disk);
    return disk;
}

struct disk *disk_add_drive(struct disk_set *set, const char *id, struct json_object *options, bool overlay, GError **error)
{
    struct block_node *node = NULL;

    if (find(set, id)) {
        error_set(error, "Duplicate ID '%s' for drive", id);
        return NULL;
    }
    if (options && !(node = open_node(set, options, overlay, error)))
        return NULL;
    return new_disk(set, id, node, true);
}

static void attach_job(void *opaque)
{
    struct job *job = opaque;

    job->edge = block_attach(job->node, job->perm, job->shared, job->who, job->error);
}

static bool attach(struct disk *disk, struct block_node *node, const char *who, GError **error)
{
    struct job job = { .node = node, .who = who, .error = error };

    job.perm = BLOCK_READ | (disk->write && !block_is_read_only(node) ? BLOCK_WRITE : 0);
    job.shared = BLOCK_READ | BLOCK_WRITE_UNCHANGED | BLOCK_RESIZE | (disk->share ? BLOCK_WRITE : 0);
    block_loop_call(block_loop_of(node), attach_job, &job);
    disk->edge = job.edge;
    if (job.edge && disk->resized)
        block_edge_on_resize(job.edge, disk->resized, disk->resized_opaque);
    return job.edge != NULL;
}

static bool claim(struct disk *disk, struct block_node *node, bool write, bool share, const char *who, GError **error)
{
    if (disk->user)
        return error_set(error, "Drive '%s' is already in use by another block device", disk->id);
    disk->write = write;
    disk->share = share;
    if (node && !attach(disk, node, who, error))
        return false;
    disk->user = g_strdup(who);
    return true;
}

/* Empty: without a medium will do. */
static struct disk *claim_by_name(struct disk_set *set, const char *name, bool write, bool share, bool empty, const char *who, GError **error)
{
    struct disk *disk = set && name ? find(set, name) : NULL;
    struct block_node *node = disk ? disk->node : set && name ? block_graph_find(set->graph, name) : NULL;

    if (!set) {
        error_set(error, "this machine has no disks");
        return NULL;
    }
    if (name && !disk && !node) {
        error_set(error, "Property 'drive' can't find value '%s'", name);
        error_hint(error, "make it with -drive id=%s,if=none,file=... or -blockdev node-name=%s,...", name, name);
        return NULL;
    }
    if (!node && !empty) {
        error_set(error, "Device needs media, but drive is empty");
        return NULL;
    }
    if (!disk)
        disk = new_disk(set, "", NULL, false);
    if (claim(disk, node, write, share, who, error))
        return disk;
    if (!disk->is_drive)
        free_disk(disk);
    return NULL;
}

struct disk *disk_claim(struct disk_set *set, const char *name, bool write, bool share, const char *who, GError **error)
{
    return claim_by_name(set, name, write, share, false, who, error);
}

struct disk *disk_claim_removable(struct disk_set *set, const char *name, bool write, bool share, const char *who, const struct disk_media *media,
                                  void *opaque, GError **error)
{
    struct disk *disk = claim_by_name(set, name, write, share, true, who, error);

    if (disk) {
        disk->media = media;
        disk->media_opaque = opaque;
    }
    return disk;
}

const struct disk_media *disk_media(const struct disk *disk, void **opaque)
{
    *opaque = disk->media_opaque;
    return disk->media;
}

static bool is_of(const struct disk *disk, const char *id)
{
    g_autofree char *path = g_strconcat("/machine/peripheral/", id, NULL), *behind = g_strconcat(path, "/virtio-backend", NULL);

    return disk->user && (!strcmp(disk->user, id) || !strcmp(disk->user, path) || !strcmp(disk->user, behind) ||
                          (g_str_has_prefix(id, "/machine/peripheral/") && !strcmp(disk->user, id + strlen("/machine/peripheral/"))));
}

struct disk *disk_find(struct disk_set *set, const char *device, const char *id, GError **error)
{
    if (!device == !id) {
        error_set(error, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    for (unsigned i = 0; set && i < set->disks->len; i++) {
        struct disk *disk = set->disks->pdata[i];

        if (device ? disk->is_drive && !strcmp(disk->id, device) : is_of(disk, id))
            return disk;
    }
    error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", device ? device : id);
    return NULL;
}

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

static void detach_job(void *opaque)
{
    struct disk *disk = opaque;

    if (!block_is_read_only(disk_node(disk)))
        block_flush(disk_node(disk));
    block_detach(disk->edge);
    disk->edge = NULL;
}

/* Nobody works with the medium any more; it goes back to the main loop. */
static void let_go(struct disk *disk)
{
    disk_drain(disk);
    block_set_loop(disk_node(disk), disk->set->loop, NULL);
    block_loop_call(disk->set->loop, detach_job, disk);
}

struct reopen_job {
    struct disk_set *set;
    struct json_object *const *options;
    unsigned count;
    bool ok;
    GError **error;
};

static void reopen_job(void *opaque)
{
    struct reopen_job *job = opaque;

    job->ok = block_reopen(job->set->graph, job->options, job->count, job->error);
}

static void hold_all(struct disk_set *set, bool on)
{
    for (unsigned i = 0; i < set->disks->len; i++)
        disk_hold(set->disks->pdata[i], on);
}

/* Everything comes home while it changes. */
static bool reopen_at_home(struct disk_set *set, struct json_object *const *options, unsigned count, GError **error)
{
    struct reopen_job job = { .set = set, .options = options, .count = count, .error = error };

    for (unsigned i = 0; i < set->disks->len; i++) {
        struct disk *disk = set->disks->pdata[i];

        disk_settle(disk);
        if (disk_node(disk) && !block_set_loop(disk_node(disk), set->loop, error))
            return false;
    }
    block_loop_call(set->loop, reopen_job, &job);
    for (unsigned i = 0; i < set->disks->len; i++) {
        struct disk *disk = set->disks->pdata[i];

        if (disk_node(disk))
            block_set_loop(disk_node(disk), disk->loop, NULL);
    }
    return job.ok;
}

bool disk_set_reopen(struct disk_set *set, struct json_object *const *options, unsigned count, GError **error)
{
    bool ok;

    hold_all(set, true);
    ok = reopen_at_home(set, options, count, error);
    hold_all(set, false);
    return ok;
}

void disk_release(struct disk *disk)
{
    if (!disk)
        return;
    if (disk->edge)
        let_go(disk);
    disk->loop = disk->set->loop;
    disk->media = NULL;
    disk->resized = NULL;
    disk->held_by = NULL;
    disk->handles_errors = false;
    memcpy(disk->on_error, disk->chosen, sizeof(disk->on_error));
    g_clear_pointer(&disk->user, g_free);
    if (disk->is_drive)
        return;
    if (disk->node)
        disk_set_unref_node(disk->node);
    free_disk(disk);
}

void disk_medium_take(struct disk *disk)
{
    disk_hold(disk, true);
    if (disk->edge)
        let_go(disk);
    if (disk->node)
        disk_set_unref_node(g_steal_pointer(&disk->node));
    disk_hold(disk, false);
}

static bool put_medium(struct disk *disk, struct block_node *node, GError **error)
{
    if (!attach(disk, node, disk->user, error))
        return false;
    if (!block_set_loop(node, disk->loop, error)) {
        block_loop_call(block_loop_of(node), detach_job, disk);
        return false;
    }
    block_ref(node);
    disk->node = node;
    return true;
}

bool disk_medium_put(struct disk *disk, struct block_node *node, GError **error)
{
    bool ok;

    disk_hold(disk, true);
    ok = put_medium(disk, node, error);
    disk_hold(disk, false);
    return ok;
}

bool disk_move(struct disk *disk, struct block_loop *loop, GError **error)
{
    bool ok;

    disk_hold(disk, true);
    disk->loop = loop;
    ok = !disk_node(disk) || block_set_loop(disk_node(disk), loop, error);
    disk_hold(disk, false);
    return ok;
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

static void run_request(void *opaque)
{
    struct disk_request *r = opaque;
    struct disk *disk = r->disk;
    int ret;

    if (r->kind == DISK_READ || r->kind == DISK_WRITE || r->kind == DISK_ZEROES)
        throttle_wait(&disk->throttle, block_loop_of(disk_node(disk)), r->kind != DISK_READ, r->size);
    ret = perform(r, disk_node(disk));
    if (ret >= 0 || disk_settle_failure(disk, r, &ret)) {
        count(disk, r, ret);
        r->done(r, ret);
    }
    if (__atomic_sub_fetch(&disk->in_flight, 1, __ATOMIC_ACQ_REL) == 0)
        block_queue_wake_all(&disk->idle);
}

static void arrived(struct block_work *work)
{
    struct disk_request *r = container_of(work, struct disk_request, work);

    block_loop_spawn(block_loop_of(disk_node(r->disk)), run_request, r);
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

const char *disk_id(const struct disk *disk)
{
    return disk->id;
}

const char *disk_user(const struct disk *disk)
{
    return disk->user;
}

struct block_node *disk_node(const struct disk *disk)
{
    return disk->edge ? block_edge_node(disk->edge) : disk->node;
}

u64 disk_size(const struct disk *disk)
{
    return disk_node(disk) ? block_size(disk_node(disk)) : 0;
}

bool disk_is_read_only(const struct disk *disk)
{
    return !disk_node(disk) || block_is_read_only(disk_node(disk)) || (disk->edge && disk->write && !(block_edge_perm(disk->edge) & BLOCK_WRITE));
}

bool disk_only_reads(const struct disk *disk)
{
    return disk->user && !disk->write;
}

const struct disk_stats *disk_stats(const struct disk *disk)
{
    return &disk->stats;
}

void disk_on_resize(struct disk *disk, void (*resized)(void *opaque), void *opaque)
{
    disk->resized = resized;
    disk->resized_opaque = opaque;
    if (disk->edge)
        block_edge_on_resize(disk->edge, resized, opaque);
}
