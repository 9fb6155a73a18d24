/* block/disk_stop.c - disks of a machine that stands still: what was under way has come to its end, and is on the disk. */
#include "block/disk_internal.h"
#include "vm/vm.h"

static unsigned sent(const struct disk_set *set)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < set->disks->len; i++)
        sum += __atomic_load_n(&((const struct disk *)set->disks->pdata[i])->sent, __ATOMIC_RELAXED);
    return sum;
}

struct flush {
    struct disk *disk;
    int error;
};

static void flush_job(void *opaque)
{
    struct flush *flush = opaque;

    flush->error = block_flush(disk_node(flush->disk));
}

/* 0, or -errno: the guest hears of that when it flushes itself. */
static int flush(struct disk *disk)
{
    struct flush job = { disk, 0 };

    unsigned now = __atomic_load_n(&disk->sent, __ATOMIC_RELAXED);

    if (now == disk->flushed || !disk_node(disk) || block_is_read_only(disk_node(disk)))
        return 0;
    block_loop_call(block_loop_of(disk_node(disk)), flush_job, &job);
    if (!job.error)
        disk->flushed = now;
    return job.error;
}

/* A request may have several steps: devices send the next one when they hear of the last. */
void disk_set_still(struct disk_set *set, struct vm *vm, disk_unflushed *unflushed, void *opaque)
{
    unsigned before;

    do {
        for (unsigned i = 0; i < set->disks->len; i++)
            disk_settle(set->disks->pdata[i]);
        before = sent(set);
        vm_serve(vm);
    } while (sent(set) != before);
    for (unsigned i = 0; i < set->disks->len; i++) {
        int error = flush(set->disks->pdata[i]);

        if (error && unflushed)
            unflushed(opaque, set->disks->pdata[i], error);
    }
}
