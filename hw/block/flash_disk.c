/* hw/block/flash_disk.c - the disk that keeps a flash's contents. */
#include "hw/block/flash_disk.h"
#include "base/bits.h"
#include "base/error.h"
#include "block/disk.h"
#include "host/lock.h"
#include "vm/machine.h"
#include <string.h>

enum { BLOCK = 512, MOST_WAITING = 4 << 20 };

struct flash_disk {
    struct disk *disk;
    struct log *log;
    char *who;
    u64 size;
    struct host_lock lock; /* guards what follows */
    GQueue waiting;        /* struct piece; the first one is under way */
    u64 waiting_bytes;
    bool failed;
};

struct piece {
    struct disk_request io;
    struct flash_disk *flash;
    GList link;
    u64 size;
    struct iovec iov;
    u8 data[];
};

/* A job for the disk's loop. */
struct reading {
    struct disk *disk;
    u8 *to;
    u64 size;
    int ret;
};

static void read_all(void *opaque)
{
    struct reading *r = opaque;

    r->ret = block_read_buffer(disk_node(r->disk), 0, r->to, r->size);
}

static bool load(struct disk *disk, struct device *device, const char *who, u8 *to, u64 size, GError **error)
{
    struct reading reading = { .disk = disk, .to = to, .size = size };

    if (disk_size(disk) != size)
        return error_set(error, "%s device '%s' requires %" G_GUINT64_FORMAT " bytes, %s block backend provides %" G_GUINT64_FORMAT " bytes",
                         device->object.class->name, who, size, disk_id(disk), disk_size(disk));
    block_loop_call(block_loop_of(disk_node(disk)), read_all, &reading);
    return reading.ret >= 0 || error_set(error, "can't read %s block backend: %s", disk_id(disk), g_strerror(-reading.ret));
}

struct flash_disk *flash_disk_open(struct device *device, const char *drive, u8 *to, u64 size, GError **error)
{
    struct vm *vm = device->object.vm;
    g_autofree char *who = vm_object_path(&device->object);
    struct disk *disk = disk_claim(vm_backend(vm, "disks", 0), drive, NULL, true, false, who, error);
    struct flash_disk *flash;

    if (!disk)
        return NULL;
    if (!load(disk, device, who, to, size, error)) {
        disk_release(disk);
        return NULL;
    }
    flash = g_new0(struct flash_disk, 1);
    *flash = (struct flash_disk){ .disk = disk, .log = vm_log(vm), .who = g_steal_pointer(&who), .size = size };
    host_lock_init(&flash->lock, LOCK_RANK_LEAF);
    g_queue_init(&flash->waiting);
    return flash;
}

void flash_disk_close(struct flash_disk *flash)
{
    if (!flash)
        return;
    disk_release(flash->disk); /* each piece sends the next one before it counts as done */
    host_lock_finish(&flash->lock);
    g_free(flash->who);
    g_free(flash);
}

bool flash_disk_is_read_only(const struct flash_disk *flash)
{
    return disk_is_read_only(flash->disk);
}

bool flash_disk_is_idle(struct flash_disk *flash)
{
    host_lock_take(&flash->lock);
    bool idle = !flash->waiting.length;
    host_lock_drop(&flash->lock);
    return idle;
}

bool flash_disk_take_failure(struct flash_disk *flash)
{
    host_lock_take(&flash->lock);
    bool failed = flash->failed;
    flash->failed = false;
    host_lock_drop(&flash->lock);
    return failed;
}

/* The loop's thread. */
static void done(struct disk_request *io, int ret)
{
    struct piece *piece = container_of(io, struct piece, io), *next;
    struct flash_disk *flash = piece->flash;

    if (ret < 0)
        log_print(flash->log, LOG_UNIMP, "%s: writing %" G_GUINT64_FORMAT " bytes at %" G_GUINT64_FORMAT " of the image: %s", flash->who,
                  piece->size, io->offset, g_strerror(-ret));
    host_lock_take(&flash->lock);
    flash->failed = flash->failed || ret < 0;
    g_queue_unlink(&flash->waiting, &piece->link);
    flash->waiting_bytes -= piece->size;
    next = g_queue_peek_head(&flash->waiting);
    host_lock_drop(&flash->lock);
    g_free(piece);
    if (next)
        disk_submit(flash->disk, &next->io);
}

static struct piece *cut(struct flash_disk *flash, const u8 *contents, u64 offset, u64 size)
{
    u64 start = bits_align_down(offset, BLOCK), end = MIN(bits_align_up(offset + size, BLOCK), flash->size);
    struct piece *piece = g_malloc(sizeof(*piece) + (end - start));

    *piece = (struct piece){ .flash = flash, .size = end - start };
    memcpy(piece->data, contents + start, piece->size);
    piece->iov = (struct iovec){ .iov_base = piece->data, .iov_len = piece->size };
    piece->io = (struct disk_request){ .kind = DISK_WRITE, .offset = start, .size = piece->size, .done = done };
    piece->io.data = block_data_list(&piece->iov, 1);
    piece->link.data = piece;
    return piece;
}

bool flash_disk_has_room(struct flash_disk *flash, u64 size)
{
    host_lock_take(&flash->lock);
    bool room = !flash->waiting.length || flash->waiting_bytes + size <= MOST_WAITING;
    host_lock_drop(&flash->lock);
    return room;
}

void flash_disk_write(struct flash_disk *flash, const u8 *contents, u64 offset, u64 size)
{
    struct piece *piece = cut(flash, contents, offset, size);

    host_lock_take(&flash->lock);
    bool first = !flash->waiting.length;
    g_queue_push_tail_link(&flash->waiting, &piece->link);
    flash->waiting_bytes += piece->size;
    host_lock_drop(&flash->lock);
    if (first)
        disk_submit(flash->disk, &piece->io);
}
