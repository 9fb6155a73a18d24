/*
 * block/file_lock.c - locks on image files, understood by QEMU as well: who holds permission i has a shared lock on byte 100+i,
 * who does not let others have it on byte 200+i (QEMU manual, "Disk image file locking"). A lock of the other kind, seen as a
 * reason why an exclusive lock would fail, is a conflict.
 */
#include "block/file.h"
#include "base/error.h"
#include "host/file.h"
#include <errno.h>

enum { PERM_BASE = 100, SHARED_BASE = 200, BITS = 4 };

static const char *const names[BITS] = { "consistent read", "write", "write unchanged", "resize" };

/* Locks the bytes of `bits` that are not in `have`; errors leave *have at what was got. */
static int take(int fd, u32 base, u32 bits, u32 *have)
{
    for (unsigned i = 0; i < BITS; i++) {
        if (!(bits & ~*have & (1u << i)))
            continue;
        int ret = host_file_lock_byte(fd, base + i);

        if (ret < 0)
            return ret;
        *have |= 1u << i;
    }
    return 0;
}

static void release(int fd, u32 base, u32 bits, u32 *have)
{
    for (unsigned i = 0; i < BITS; i++) {
        if (!(*have & ~bits & (1u << i)))
            continue;
        host_file_unlock_byte(fd, base + i);
        *have &= ~(1u << i);
    }
}

static int find_conflict(int fd, u32 base, u32 bits)
{
    for (unsigned i = 0; i < BITS; i++)
        if ((bits & (1u << i)) && host_file_test_byte(fd, base + i) == -EAGAIN)
            return (int)i;
    return -1;
}

static bool refuse(struct block_node *node, const char *kind, unsigned bit, GError **error)
{
    error_set(error, "Failed to get %s\"%s\" lock", kind, names[bit]);
    return error_hint(error, "Is another process using the image [%s]?", node->filename);
}

static bool lock_all(struct block_node *node, u32 perm, u32 unshared, GError **error)
{
    struct file *file = node->state;
    int ret = take(file->fd, PERM_BASE, perm, &file->locked_perm), bit;

    if (ret == 0)
        ret = take(file->fd, SHARED_BASE, unshared, &file->locked_unshared);
    if (ret == -ENOLCK || ret == -EINVAL || ret == -ENOSYS || ret == -EOPNOTSUPP) { /* a file system without locks */
        if (file->lock_wanted)
            return error_set(error, "cannot lock '%s': %s", node->filename, block_strerror(ret));
        file->lock = false;
        return true;
    }
    if (ret < 0)
        return error_set(error, "Failed to lock byte of '%s': %s", node->filename, block_strerror(ret));
    if ((bit = find_conflict(file->fd, SHARED_BASE, perm)) >= 0)
        return refuse(node, "", (unsigned)bit, error);
    if ((bit = find_conflict(file->fd, PERM_BASE, unshared)) >= 0)
        return refuse(node, "shared ", (unsigned)bit, error);
    return true;
}

bool block_file_set_perm(struct block_node *node, u32 perm, u32 shared, GError **error)
{
    struct file *file = node->state;
    u32 old_perm = file->locked_perm, old_unshared = file->locked_unshared;
    u32 unshared = BLOCK_ALL & ~shared;
    bool ok;

    if (!file->lock || node->force_share)
        return true;
    ok = lock_all(node, perm, unshared, error);
    release(file->fd, PERM_BASE, ok ? perm : old_perm, &file->locked_perm);
    release(file->fd, SHARED_BASE, ok ? unshared : old_unshared, &file->locked_unshared);
    return ok;
}

/* Closing would do, but not at once: the kernel lets go of an io_uring request's file some time after the request was done. */
void block_file_unlock(struct block_node *node)
{
    struct file *file = node->state;

    release(file->fd, PERM_BASE, 0, &file->locked_perm);
    release(file->fd, SHARED_BASE, 0, &file->locked_unshared);
}
