/*
 * hw/block/virtio_blk.c - requests of the driver become requests to a disk, straight from and to guest memory. The disk's work is done in
 * its loop. What is done comes back through the machine's inbox, or, where iothreads work on the queues, to the queue's own thread.
 */
#include "base/bits.h"
#include "base/error.h"
#include "block/disk.h"
#include "host/lock.h"
#include "hw/block/disk_error.h"
#include "hw/virtio/queue_threads.h"
#include "hw/virtio/virtio.h"
#include "vm/inbox.h"
#include "vm/machine.h"
#include "vm/vcpu.h"
#include <string.h>

enum {
    BLK_F_SEG_MAX = 2, BLK_F_GEOMETRY = 4, BLK_F_RO = 5, BLK_F_BLK_SIZE = 6, BLK_F_FLUSH = 9, BLK_F_TOPOLOGY = 10, BLK_F_CONFIG_WCE = 11, BLK_F_MQ = 12,
    BLK_F_DISCARD = 13, BLK_F_WRITE_ZEROES = 14,
};
enum { BLK_IN = 0, BLK_OUT = 1, BLK_FLUSH = 4, BLK_GET_ID = 8, BLK_DISCARD = 11, BLK_ZEROES = 13 };
enum { BLK_OK, BLK_IOERR, BLK_UNSUPP };
enum { SECTOR = 512, HEADER = 16, ID_BYTES = 20, ZEROES_UNMAP = 1 };

struct virtio_blk;

/* What belongs to a queue, and to whoever works on it. */
struct blk_lane {
    struct virtio_blk *blk;
    struct virtio_queue *queue;
    GQueue active;   /* struct blk_request: with the back end */
    struct host_lock lock;
    GQueue outcomes; /* struct blk_request, under the lock: done, not yet told to the driver */
};

/* A request of the driver, with the one to the disk. */
struct blk_request {
    struct virtio_request request;
    struct disk_request io;
    struct virtio_blk *blk;
    struct blk_lane *lane;
    struct iovec *iov;
    u32 written; /* bytes that the driver may read when it went well, status included */
    int result;
    GList link, outcome; /* in lane->active, lane->outcomes */
};

static const char *const on_off_auto[] = { "auto", "on", "off", NULL };

#define DEVICE        virtio_blk
#define DEVICE_ROWS   "hw/block/virtio_blk.dev"
#define VIRTIO_QUEUES 64
#include "hw/virtio/declare.inc"

enum { WRITE_CACHE_AUTO, WRITE_CACHE_ON, WRITE_CACHE_OFF };

static bool has_write_cache(const struct virtio_blk *blk)
{
    return blk->disk ? !disk_is_writethrough(blk->disk) : blk->write_cache != WRITE_CACHE_OFF;
}

/* --- configuration space --- */

static u64 read_capacity(void *device, u32 index)
{
    struct virtio_blk *blk = device;

    return blk->disk ? disk_size(blk->disk) / SECTOR : 0;
}

static u64 read_seg_max(void *device, u32 index)
{
    return ((struct virtio_blk *)device)->queue_size - 2u;
}

static u64 block_bytes(const struct virtio_blk *blk)
{
    return blk->logical_block_size ? blk->logical_block_size : SECTOR;
}

/* Unless told otherwise, that of a disk of its size as PCs had it, up to 8 GB. */
enum { PC_HEADS = 16, PC_SECTORS = 63, PC_CYLINDERS = 16383, MIN_CYLINDERS = 2 };

static u64 read_heads(void *device, u32 index)
{
    struct virtio_blk *blk = device;

    return blk->cylinders ? blk->heads : PC_HEADS;
}

static u64 read_sectors(void *device, u32 index)
{
    struct virtio_blk *blk = device;

    return blk->cylinders ? blk->sectors : PC_SECTORS;
}

static u64 read_cylinders(void *device, u32 index)
{
    struct virtio_blk *blk = device;

    return blk->cylinders ? blk->cylinders : CLAMP(read_capacity(device, 0) / (PC_HEADS * PC_SECTORS), MIN_CYLINDERS, PC_CYLINDERS);
}

/* All of it or nothing. */
static bool check_geometry(const struct virtio_blk *blk, GError **error)
{
    if (!blk->cylinders && !blk->heads && !blk->sectors)
        return true;
    if (blk->cylinders < 1 || blk->cylinders > UINT16_MAX)
        return error_set(error, "cyls must be between 1 and %u", UINT16_MAX);
    if (blk->heads < 1 || blk->heads > UINT8_MAX)
        return error_set(error, "heads must be between 1 and %u", UINT8_MAX);
    return (blk->sectors >= 1 && blk->sectors <= UINT8_MAX) || error_set(error, "secs must be between 1 and %u", UINT8_MAX);
}

static u64 read_block_size(void *device, u32 index)
{
    return block_bytes(device);
}

static u64 read_physical_exp(void *device, u32 index)
{
    struct virtio_blk *blk = device;
    u64 physical = MAX(blk->physical_block_size, block_bytes(blk));

    return (u64)__builtin_ctzll(physical / block_bytes(blk));
}

static u64 read_min_io(void *device, u32 index)
{
    struct virtio_blk *blk = device;

    return blk->min_io_size / block_bytes(blk);
}

static u64 read_opt_io(void *device, u32 index)
{
    struct virtio_blk *blk = device;

    return blk->opt_io_size / block_bytes(blk);
}

static u64 read_queues(void *device, u32 index)
{
    return ((struct virtio_blk *)device)->num_queues;
}

static u64 read_discard_sectors(void *device, u32 index)
{
    return ((struct virtio_blk *)device)->max_discard_sectors;
}

static u64 read_discard_alignment(void *device, u32 index)
{
    struct virtio_blk *blk = device;

    return (blk->discard_granularity == UINT32_MAX ? block_bytes(blk) : blk->discard_granularity) / SECTOR;
}

static u64 read_zeroes_sectors(void *device, u32 index)
{
    return ((struct virtio_blk *)device)->max_write_zeroes_sectors;
}

/* 5.2.5: only 0 and 1, and only with CONFIG_WCE. */
static void write_writeback(void *device, u32 index, u64 value)
{
    struct virtio_blk *blk = device;

    blk->state->writeback = virtio_has(&blk->virtio, BLK_F_CONFIG_WCE) ? value & 1 : has_write_cache(blk);
}

static u64 bit_if(bool wanted, unsigned bit)
{
    return wanted ? BIT64(bit) : 0;
}

static u64 offer(void *device)
{
    struct virtio_blk *blk = device;
    bool writable = blk->disk && !disk_is_read_only(blk->disk);

    return BIT64(BLK_F_SEG_MAX) | BIT64(BLK_F_GEOMETRY) | BIT64(BLK_F_BLK_SIZE) | BIT64(BLK_F_TOPOLOGY) | bit_if(!writable, BLK_F_RO) | bit_if(has_write_cache(blk), BLK_F_FLUSH) |
           bit_if(blk->config_wce, BLK_F_CONFIG_WCE) | bit_if(blk->num_queues > 1, BLK_F_MQ) | bit_if(writable && blk->discard, BLK_F_DISCARD) |
           bit_if(writable && blk->write_zeroes, BLK_F_WRITE_ZEROES);
}

/* Without FLUSH the driver cannot ask for it: every write goes to the disk (5.2.6.2). */
static bool accept(void *device)
{
    struct virtio_blk *blk = device;

    blk->state->writeback = has_write_cache(blk) && (virtio_has(&blk->virtio, BLK_F_FLUSH) || virtio_has(&blk->virtio, BLK_F_CONFIG_WCE));
    return true;
}

/* --- requests --- */

/* The status is the last byte of the buffer. */
static void answer(struct blk_request *r, u8 status, u32 written)
{
    virtio_request_write(&r->request, r->request.write_size - 1, &status, 1);
    virtio_request_finish(&r->request, status == BLK_OK ? written : (u32)r->request.write_size);
}

static void answer_now(struct blk_request *r, u8 status, u32 written)
{
    struct virtio_queue *queue = r->request.queue;

    answer(r, status, written);
    virtio_queue_publish(queue);
    virtio_queue_notify(queue);
}

static void forget(struct blk_request *r)
{
    g_queue_unlink(&r->lane->active, &r->link);
    g_clear_pointer(&r->iov, g_free);
}

static struct blk_request *next_outcome(struct blk_lane *lane)
{
    GList *link;

    host_lock_take(&lane->lock);
    link = g_queue_pop_head_link(&lane->outcomes);
    host_lock_drop(&lane->lock);
    return link ? link->data : NULL;
}

static void take_outcomes(void *device, u32 number, u32 level)
{
    struct blk_lane *lane = &((struct virtio_blk *)device)->lane[number];
    struct blk_request *r;
    bool any = false;

    while ((r = next_outcome(lane))) {
        forget(r);
        if (virtio_request_is_stale(&r->request)) {
            virtio_request_finish(&r->request, 0);
            continue;
        }
        answer(r, r->result < 0 ? BLK_IOERR : BLK_OK, r->written);
        any = true;
    }
    if (!any)
        return;
    virtio_queue_publish(lane->queue);
    virtio_queue_notify(lane->queue);
}

static void serve(void *device, struct virtio_queue *queue)
{
    take_outcomes(device, virtio_queue_index(queue), 0);
}

static void finished(void *opaque, const void *payload, u32 size)
{
    struct blk_lane *lane = opaque;

    device_run(&lane->blk->device, take_outcomes, virtio_queue_index(lane->queue), 0);
}

/* The loop's thread. One letter, or one poke, for all that is there. */
static void done(struct disk_request *io, int ret)
{
    struct blk_request *r = container_of(io, struct blk_request, io);
    struct blk_lane *lane = r->lane;
    struct vm_object *object = &lane->blk->device.object;

    r->result = ret;
    r->outcome.data = r;
    host_lock_take(&lane->lock);
    bool first = !lane->outcomes.length;
    g_queue_push_tail_link(&lane->outcomes, &r->outcome);
    host_lock_drop(&lane->lock);
    if (first && virtio_queue_is_outside(lane->queue))
        virtio_queue_poke(lane->queue);
    else if (first)
        inbox_post(object->vm, object, finished, lane, NULL, 0);
}

static void submit(struct blk_request *r)
{
    r->link.data = r;
    g_queue_push_tail_link(&r->lane->active, &r->link);
    r->io.done = done;
    disk_submit(r->blk->disk, &r->io);
}

static bool in_range(const struct virtio_blk *blk, u64 sector, u64 bytes)
{
    u64 size = disk_size(blk->disk);

    return sector <= size / SECTOR && bytes <= size - sector * SECTOR && !(bytes & (block_bytes(blk) - 1)) && !((sector * SECTOR) & (block_bytes(blk) - 1));
}

static struct block_data window(struct blk_request *r, const struct virtio_piece *pieces, u32 count, u64 skip, u64 size)
{
    r->iov = g_new(struct iovec, MAX(count, 1));
    for (u32 i = 0; i < count; i++)
        r->iov[i] = (struct iovec){ .iov_base = pieces[i].data, .iov_len = pieces[i].size };
    return block_data_slice(block_data_list(r->iov, count), skip, size);
}

static void transfer(struct blk_request *r, u64 sector, bool write)
{
    struct virtio_request *q = &r->request;
    u64 size = write ? q->read_size - HEADER : q->write_size - 1;

    if (!in_range(r->blk, sector, size) || (write && disk_is_read_only(r->blk->disk))) {
        answer_now(r, BLK_IOERR, 1);
        return;
    }
    if (!size) {
        answer_now(r, BLK_OK, 1);
        return;
    }
    r->io = (struct disk_request){ .kind = write ? DISK_WRITE : DISK_READ, .offset = sector * SECTOR, .size = size };
    r->io.data = write ? window(r, q->read, q->read_count, HEADER, size) : window(r, q->write, q->write_count, 0, size);
    r->io.flags = write && !r->blk->state->writeback ? BLOCK_FUA : 0;
    r->written = write ? 1 : (u32)(size + 1);
    submit(r);
}

/* One range: sector, count, flags (5.2.6). */
static void range(struct blk_request *r, bool zeroes)
{
    struct virtio_blk *blk = r->blk;
    u8 bytes[16] = { 0 };
    u64 got = virtio_request_read(&r->request, HEADER, bytes, sizeof(bytes)), sector = bits_load_le(bytes, 8), count = bits_load_le(bytes + 8, 4);
    u32 flags = (u32)bits_load_le(bytes + 12, 4), most = zeroes ? blk->max_write_zeroes_sectors : blk->max_discard_sectors;

    if (got < sizeof(bytes) || r->request.read_size != HEADER + sizeof(bytes) || (zeroes ? flags & ~(u32)ZEROES_UNMAP : flags)) {
        answer_now(r, BLK_UNSUPP, 1);
        return;
    }
    if (count > most || !in_range(blk, sector, count * SECTOR) || disk_is_read_only(blk->disk)) {
        answer_now(r, BLK_IOERR, 1);
        return;
    }
    r->io = (struct disk_request){ .kind = zeroes ? DISK_ZEROES : DISK_DISCARD, .offset = sector * SECTOR, .size = count * SECTOR };
    r->io.flags = (zeroes && (flags & ZEROES_UNMAP) ? BLOCK_MAY_UNMAP : 0) | (zeroes && !blk->state->writeback ? BLOCK_FUA : 0);
    r->written = 1;
    submit(r);
}

static void get_id(struct blk_request *r)
{
    char id[ID_BYTES] = { 0 };

    if (r->blk->serial)
        memcpy(id, r->blk->serial, MIN(strlen(r->blk->serial), sizeof(id)));
    virtio_request_write(&r->request, 0, id, MIN(sizeof(id), r->request.write_size - 1));
    answer_now(r, BLK_OK, (u32)r->request.write_size);
}

static void begin(struct blk_request *r, u32 type, u64 sector)
{
    struct virtio_blk *blk = r->blk;

    switch (type) {
    case BLK_IN:
    case BLK_OUT:
        transfer(r, sector, type == BLK_OUT);
        return;
    case BLK_FLUSH:
        r->io = (struct disk_request){ .kind = DISK_FLUSH };
        r->written = 1;
        submit(r);
        return;
    case BLK_GET_ID:
        get_id(r);
        return;
    case BLK_DISCARD:
    case BLK_ZEROES:
        if (virtio_has(&blk->virtio, type == BLK_DISCARD ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES)) {
            range(r, type == BLK_ZEROES);
            return;
        }
        break;
    default:
        break;
    }
    answer_now(r, BLK_UNSUPP, 1);
}

static void handle(void *device, struct virtio_queue *queue)
{
    struct virtio_blk *blk = device;
    struct blk_request *r;
    u8 header[HEADER];

    while ((r = virtio_queue_pop(queue))) {
        r->blk = blk;
        r->lane = &blk->lane[virtio_queue_index(queue)];
        r->iov = NULL;
        if (virtio_request_read(&r->request, 0, header, sizeof(header)) < sizeof(header) || !r->request.write_size) {
            virtio_request_drop(&r->request);
            virtio_fail(&blk->virtio, "a request without header or room for its status");
            return;
        }
        begin(r, (u32)bits_load_le(header, 4), bits_load_le(header + 8, 8));
    }
}

/* What is under way comes back later and is dropped then. */
static void queue_reset(void *device, struct virtio_queue *queue)
{
    struct blk_lane *lane = &((struct virtio_blk *)device)->lane[virtio_queue_index(queue)];

    for (GList *at = lane->active.head; at; at = at->next)
        disk_cancel(&((struct blk_request *)at->data)->io);
}

static void settle(void *device)
{
    struct virtio_blk *blk = device;

    disk_drain(blk->disk);
    for (u32 i = 0; i < blk->num_queues; i++)
        take_outcomes(blk, i, 0);
}

static void reset(void *device)
{
    struct virtio_blk *blk = device;

    for (u32 i = 0; i < blk->num_queues; i++)
        queue_reset(blk, blk->lane[i].queue);
    blk->state->writeback = has_write_cache(blk);
}

/* --- life --- */

static void resized_here(void *opaque, const void *payload, u32 size)
{
    struct virtio_blk *blk = opaque;

    if (!device_begin(&blk->device))
        return; /* it is in the middle of something, and reads the size anew anyway */
    virtio_config_changed(&blk->virtio);
    device_end(&blk->device);
}

static void resized(void *opaque)
{
    struct virtio_blk *blk = opaque;

    inbox_post(blk->device.object.vm, &blk->device.object, resized_here, blk, NULL, 0);
}

static bool check(struct virtio_blk *blk, GError **error)
{
    if (!blk->drive || !*blk->drive)
        return error_set(error, "drive property not set");
    if (blk->serial && strlen(blk->serial) > ID_BYTES)
        return error_set(error, "serial '%s' has more than %d bytes", blk->serial, ID_BYTES);
    if ((blk->logical_block_size && (!bits_is_power_of_2(blk->logical_block_size) || blk->logical_block_size < SECTOR)) ||
        (blk->physical_block_size && (!bits_is_power_of_2(blk->physical_block_size) || blk->physical_block_size < SECTOR)))
        return error_set(error, "logical_block_size and physical_block_size are powers of two from 512 on");
    if (blk->physical_block_size && blk->physical_block_size < block_bytes(blk))
        return error_set(error, "logical_block_size > physical_block_size not supported");
    if (blk->discard_granularity != UINT32_MAX && blk->discard_granularity % block_bytes(blk))
        return error_set(error, "discard_granularity must be a multiple of logical_block_size");
    if (blk->min_io_size % block_bytes(blk) || blk->opt_io_size % block_bytes(blk))
        return error_set(error, "min_io_size and opt_io_size must be multiples of logical_block_size");
    if (!bits_is_power_of_2(blk->queue_size))
        return error_set(error, "queue-size must be a power of 2");
    if (blk->num_queues == 0 || (blk->num_queues != 65535 && blk->num_queues > VIRTIO_QUEUES))
        return error_set(error, "num-queues is 1 to %d", VIRTIO_QUEUES);
    return true;
}

static void unrealize(void *device)
{
    struct virtio_blk *blk = device;

    g_clear_pointer(&blk->disk, disk_release);
    for (u32 i = 0; i < blk->num_queues; i++) {
        while (blk->lane[i].active.head)
            forget(blk->lane[i].active.head->data);
    }
    virtio_device_finish(&blk->virtio);
    for (u32 i = 0; i < blk->num_queues; i++)
        host_lock_finish(&blk->lane[i].lock);
    g_clear_pointer(&blk->lane, g_free);
    queue_threads_finish(&blk->threads);
}

static void hold(void *opaque, bool on)
{
    struct virtio_blk *blk = opaque;

    if (on)
        virtio_pause(&blk->virtio);
    else
        virtio_resume(&blk->virtio);
}

static bool claim(struct virtio_blk *blk, GError **error)
{
    struct vm_object *object = &blk->device.object;
    g_autofree char *path = vm_object_path(object);

    blk->disk = disk_claim(vm_backend(object->vm, "disks", 0), blk->drive, queue_threads_loop(&blk->threads), true, blk->share_rw, path, error);
    if (!blk->disk)
        return false;
    disk_on_resize(blk->disk, resized, blk);
    disk_on_hold(blk->disk, hold, blk);
    disk_handle_errors(blk->disk, blk->rerror, blk->werror);
    if (blk->write_cache != WRITE_CACHE_AUTO)
        disk_set_writethrough(blk->disk, blk->write_cache == WRITE_CACHE_OFF);
    return true;
}

static void add_lane(struct virtio_blk *blk, u32 index)
{
    struct virtio_queue *queue = virtio_queue_add(&blk->virtio, blk->queue_size, handle);
    struct block_loop *loop = queue_threads_loop_of(&blk->threads, index);

    blk->lane[index] = (struct blk_lane){ .blk = blk, .queue = queue };
    host_lock_init(&blk->lane[index].lock, LOCK_RANK_LEAF);
    if (loop)
        virtio_queue_run_in(queue, loop);
}

static bool realize(void *device, GError **error)
{
    struct virtio_blk *blk = device;

    if (!check(blk, error) || !check_geometry(blk, error))
        return false;
    if (blk->num_queues == 65535)
        blk->num_queues = (u16)CLAMP(vm_vcpu_count(blk->device.object.vm), 1, VIRTIO_QUEUES);
    if (!queue_threads_choose(&blk->threads, blk->device.object.vm, blk->iothread, blk->iothread_vq_mapping, blk->num_queues, error))
        return false;
    virtio_start(blk);
    blk->lane = g_new0(struct blk_lane, blk->num_queues);
    for (u32 i = 0; i < blk->num_queues; i++)
        add_lane(blk, i);
    if (claim(blk, error)) {
        blk->state->writeback = has_write_cache(blk);
        return true;
    }
    unrealize(device);
    return false;
}

#include "hw/virtio/define.inc"
