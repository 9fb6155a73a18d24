/* block/disk_reopen.c - blockdev-reopen of nodes that disks are using. */
#include "block/disk_internal.h"

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
