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

void disk_set_call_at_home(struct disk_set *set, void (*fn)(void *opaque), void *opaque)
{
    hold_all(set, true);
    for (unsigned i = 0; i < set->disks->len; i++)
        disk_settle(set->disks->pdata[i]);
    block_graph_gather(set->graph);
    block_loop_call(set->loop, fn, opaque);
    block_graph_spread(set->graph);
    hold_all(set, false);
}

bool disk_set_reopen(struct disk_set *set, struct json_object *const *options, unsigned count, GError **error)
{
    struct reopen_job job = { .set = set, .options = options, .count = count, .error = error };

    disk_set_call_at_home(set, reopen_job, &job);
    return job.ok;
}
