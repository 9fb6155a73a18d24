/* block/disk_claim.c - devices take disks, let them go, and change their media. */
#include "block/disk_internal.h"
#include "base/error.h"
#include <string.h>

/* A job for the loop. */
struct attach_job {
    struct block_node *node;
    struct block_edge *edge;
    const char *who;
    u32 perm, shared;
    GError **error;
};

static void attach_job(void *opaque)
{
    struct attach_job *job = opaque;

    job->edge = block_attach(job->node, job->perm, job->shared, job->who, job->error);
}

static void detach_job(void *opaque)
{
    struct disk *disk = opaque;

    if (!block_is_read_only(disk_node(disk)))
        block_flush(disk_node(disk));
    block_detach(disk->edge);
    disk->edge = NULL;
}

static bool attach(struct disk *disk, struct block_node *node, const char *who, GError **error)
{
    struct attach_job job = { .node = node, .who = who, .error = error };

    job.perm = BLOCK_READ | (disk->write && !block_is_read_only(node) ? BLOCK_WRITE : 0);
    job.shared = BLOCK_READ | BLOCK_WRITE_UNCHANGED | BLOCK_RESIZE | (disk->share ? BLOCK_WRITE : 0);
    block_loop_call(block_loop_of(node), attach_job, &job);
    disk->edge = job.edge;
    if (!job.edge)
        return false;
    if (!block_edge_choose_loop(job.edge, disk->loop, error)) {
        block_loop_call(block_loop_of(node), detach_job, disk);
        return false;
    }
    if (disk->resized)
        block_edge_on_resize(job.edge, disk->resized, disk->resized_opaque);
    return true;
}

static bool claim(struct disk *disk, struct block_node *node, struct block_loop *loop, bool write, bool share, const char *who, GError **error)
{
    if (disk->user)
        return error_set(error, "Drive '%s' is already in use by another block device", disk->id);
    disk->loop = loop ? loop : disk->set->loop;
    disk->write = write;
    disk->share = share;
    if (node && !attach(disk, node, who, error))
        return false;
    disk->user = g_strdup(who);
    return true;
}

/* Empty: without a medium will do. */
static struct disk *claim_by_name(struct disk_set *set, const char *name, struct block_loop *loop, bool write, bool share, bool empty,
                                  const char *who, GError **error)
{
    struct disk *disk = set && name ? disk_find_drive(set, name) : NULL;
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
        disk = disk_new(set, "", NULL, false);
    if (claim(disk, node, loop, write, share, who, error))
        return disk;
    if (!disk->is_drive)
        disk_free(disk);
    return NULL;
}

struct disk *disk_claim(struct disk_set *set, const char *name, struct block_loop *loop, bool write, bool share, const char *who, GError **error)
{
    return claim_by_name(set, name, loop, write, share, false, who, error);
}

struct disk *disk_claim_removable(struct disk_set *set, const char *name, struct block_loop *loop, bool write, bool share, const char *who,
                                  const struct disk_media *media, void *opaque, GError **error)
{
    struct disk *disk = claim_by_name(set, name, loop, write, share, true, who, error);

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

/* Nobody works with the medium any more; unless another disk does, it goes back to the main loop. */
static void let_go(struct disk *disk)
{
    disk_drain(disk);
    block_loop_call(block_loop_of(disk_node(disk)), detach_job, disk);
    block_graph_spread(disk->set->graph);
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
        disk_set_unref_node(disk->set, disk->node);
    disk_free(disk);
}

void disk_medium_take(struct disk *disk)
{
    disk_hold(disk, true);
    if (disk->edge)
        let_go(disk);
    if (disk->node)
        disk_set_unref_node(disk->set, g_steal_pointer(&disk->node));
    disk_hold(disk, false);
}

/* A drive that no device has yet gets a hold on its medium when one comes (claim). */
static bool put_medium(struct disk *disk, struct block_node *node, GError **error)
{
    if (disk->user && !attach(disk, node, disk->user, error))
        return false;
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

void disk_on_resize(struct disk *disk, void (*resized)(void *opaque), void *opaque)
{
    disk->resized = resized;
    disk->resized_opaque = opaque;
    if (disk->edge)
        block_edge_on_resize(disk->edge, resized, opaque);
}
