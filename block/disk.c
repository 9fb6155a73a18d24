/* block/disk.c - the disks of a machine: the set of them, the nodes that users opened, what a disk says of itself. */
#include "block/disk_internal.h"
#include "base/error.h"
#include "block/overlay.h"
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

void disk_free(struct disk *disk)
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
        disk_free(disk);
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
    struct json_object *options;
    struct block_node *node;
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

    if (block_options_reach_away(set->graph, options))
        disk_set_call_at_home(set, open_job, &job);
    else
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

void disk_set_unref_node(struct disk_set *set, struct block_node *node)
{
    struct job job = { .node = node };

    block_loop_call(block_loop_of(node), unref_job, &job);
    block_graph_spread(set->graph); /* it may have connected others */
}

struct disk *disk_find_drive(struct disk_set *set, const char *id)
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
        return error_set(error, "Node %s is in use", node_name);
    g_ptr_array_remove(set->owned, node);
    disk_set_unref_node(set, node);
    return true;
}

struct disk *disk_new(struct disk_set *set, const char *id, struct block_node *node, bool is_drive)
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

    if (disk_find_drive(set, id)) {
        error_set(error, "Duplicate ID '%s' for drive", id);
        return NULL;
    }
    if (options && !(node = open_node(set, options, overlay, error)))
        return NULL;
    return disk_new(set, id, node, true);
}

static const char peripheral[] = "/machine/peripheral/";

static const char *short_id(const char *id)
{
    return g_str_has_prefix(id, peripheral) ? id + strlen(peripheral) : id;
}

static bool is_of(const struct disk *disk, const char *id)
{
    return disk->user && (!strcmp(disk->user, id) || !strcmp(short_id(disk->user), short_id(id)));
}

/* Whether the device with this id is the transport of the one that has the disk. */
static bool is_in_front(const struct disk *disk, const char *id)
{
    g_autofree char *behind = g_strconcat(peripheral, short_id(id), "/virtio-backend", NULL);

    return disk->user && !strcmp(disk->user, behind);
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
        if (id && is_in_front(disk, id)) { /* as in QEMU, where the device behind has to be named */
            error_set(error, "Device does not have a block device backend");
            error_hint(error, "name '%s'", disk->user);
            return NULL;
        }
    }
    error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", device ? device : id);
    return NULL;
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
