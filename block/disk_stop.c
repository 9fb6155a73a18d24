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

static void flush_job(void *opaque)
{
    struct disk *disk = opaque;

    block_flush(disk_node(disk)); /* the guest hears of failures when it flushes itself */
}

static void flush(struct disk *disk)
{
    unsigned now = __atomic_load_n(&disk->sent, __ATOMIC_RELAXED);

    if (now == disk->flushed || !disk_node(disk) || block_is_read_only(disk_node(disk)))
        return;
    disk->flushed = now;
    block_loop_call(block_loop_of(disk_node(disk)), flush_job, disk);
}

/* A request may have several steps: devices send the next one when they hear of the last. */
void disk_set_still(struct disk_set *set, struct vm *vm)
{
    unsigned before;

    do {
        for (unsigned i = 0; i < set->disks->len; i++)
            disk_settle(set->disks->pdata[i]);
        before = sent(set);
        vm_serve(vm);
    } while (sent(set) != before);
    for (unsigned i = 0; i < set->disks->len; i++)
        flush(set->disks->pdata[i]);
}
