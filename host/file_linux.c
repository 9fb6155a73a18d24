/* host/file_linux.c - images: positioned I/O, fallocate, SEEK_DATA, locks of open file descriptions (fcntl(2), "OFD locks"). */
#include "host/file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/falloc.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int host_file_open(const char *path, unsigned flags)
{
    int mode = O_CLOEXEC | ((flags & HOST_FILE_WRITE) ? O_RDWR : O_RDONLY);
    int fd;

    mode |= (flags & HOST_FILE_CREATE) ? O_CREAT : 0;
    mode |= (flags & HOST_FILE_TRUNCATE) ? O_TRUNC : 0;
    mode |= (flags & HOST_FILE_DIRECT) ? O_DIRECT : 0;
    do
        fd = open(path, mode, 0644);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

void host_file_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

int host_file_set_nocow(int fd)
{
    int flags = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return -errno;
    flags |= FS_NOCOW_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

static void device_info(int fd, struct host_file_info *info, bool direct)
{
    u64 size = 0;
    int sector = 512, read_only = 0;

    if (ioctl(fd, BLKGETSIZE64, &size) == 0)
        info->size = info->allocated = size;
    if (direct && ioctl(fd, BLKSSZGET, &sector) == 0 && sector > 0)
        info->alignment = (u32)sector;
    if (ioctl(fd, BLKROGET, &read_only) == 0)
        info->read_only_device = read_only != 0;
}

int host_file_info(int fd, bool direct, struct host_file_info *info)
{
    struct stat st;
    struct statx stx = { 0 };

    if (fstat(fd, &st) < 0)
        return -errno;
    *info = (struct host_file_info){ .size = (u64)st.st_size, .allocated = (u64)st.st_blocks * 512, .alignment = 1 };
    info->is_device = S_ISBLK(st.st_mode);
    info->is_regular = S_ISREG(st.st_mode);
    if (info->is_device) {
        device_info(fd, info, direct);
    } else if (direct) {
        info->alignment = 4096;
#ifdef STATX_DIOALIGN
        if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 && (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_offset_align)
            info->alignment = MAX(stx.stx_dio_offset_align, stx.stx_dio_mem_align);
#else
        (void)stx;
#endif
    }
    return 0;
}

s64 host_file_read(int fd, const struct iovec *iov, unsigned count, u64 offset)
{
    ssize_t n;

    do
        n = preadv(fd, iov, (int)count, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

s64 host_file_read_cached(int fd, const struct iovec *iov, unsigned count, u64 offset)
{
    ssize_t n = preadv2(fd, iov, (int)count, (off_t)offset, RWF_NOWAIT);

    if (n < 0)
        return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR ? -EAGAIN : -errno;
    return n;
}

s64 host_file_write(int fd, const struct iovec *iov, unsigned count, u64 offset)
{
    ssize_t n;

    do
        n = pwritev(fd, iov, (int)count, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int host_file_sync(int fd)
{
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int allocate(int fd, int mode, u64 offset, u64 size)
{
    int ret;

    do
        ret = fallocate(fd, mode, (off_t)offset, (off_t)size);
    while (ret < 0 && errno == EINTR);
    if (ret == 0)
        return 0;
    return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == ENODEV ? -ENOTSUP : -errno;
}

int host_file_punch(int fd, u64 offset, u64 size)
{
    return allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
}

int host_file_zero(int fd, u64 offset, u64 size, bool keep_allocated)
{
    return keep_allocated ? allocate(fd, FALLOC_FL_ZERO_RANGE, offset, size) : host_file_punch(fd, offset, size);
}

int host_file_allocate(int fd, u64 offset, u64 size)
{
    return allocate(fd, 0, offset, size);
}

static int device_range(int fd, unsigned long request, u64 offset, u64 size)
{
    u64 range[2] = { offset, size };

    if (ioctl(fd, request, range) == 0)
        return 0;
    return errno == ENOTTY || errno == EOPNOTSUPP || errno == EINVAL ? -ENOTSUP : -errno;
}

int host_file_discard_device(int fd, u64 offset, u64 size)
{
    return device_range(fd, BLKDISCARD, offset, size);
}

int host_file_zero_device(int fd, u64 offset, u64 size)
{
    return device_range(fd, BLKZEROOUT, offset, size);
}

int host_file_truncate(int fd, u64 size)
{
    return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

int host_file_extend(int fd, u64 size)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if ((u64)st.st_size >= size)
        return 0;
    /* Not by ftruncate: it would cut off what somebody else writes behind `size` meanwhile. */
    return allocate(fd, 0, size - 1, 1);
}

s64 host_file_copy(int from, u64 from_offset, int to, u64 to_offset, u64 size)
{
    off_t in = (off_t)from_offset, out = (off_t)to_offset;
    ssize_t n;

    do
        n = copy_file_range(from, &in, to, &out, size, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int host_file_extent(int fd, u64 offset, bool *is_data, u64 *end)
{
    off_t data = lseek(fd, (off_t)offset, SEEK_DATA), hole;

    if (data < 0 && errno == ENXIO) { /* a hole up to the end, or the end itself */
        off_t size = lseek(fd, 0, SEEK_END);

        if (size < 0 || (u64)size <= offset)
            return -ENXIO;
        *is_data = false;
        *end = (u64)size;
        return 0;
    }
    if (data < 0)
        return -ENOTSUP;
    *is_data = (u64)data == offset;
    if (!*is_data) {
        *end = (u64)data;
        return (u64)data > offset ? 0 : -ENOTSUP;
    }
    hole = lseek(fd, (off_t)offset, SEEK_HOLE);
    if (hole < 0 || (u64)hole <= offset)
        return -ENOTSUP;
    *end = (u64)hole;
    return 0;
}

static int lock(int fd, int command, short type, u64 byte, struct flock *out)
{
    struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1 };

    if (fcntl(fd, command, &fl) < 0)
        return errno == EACCES ? -EAGAIN : -errno;
    if (out)
        *out = fl;
    return 0;
}

int host_file_lock_byte(int fd, u64 byte)
{
    return lock(fd, F_OFD_SETLK, F_RDLCK, byte, NULL);
}

int host_file_unlock_byte(int fd, u64 byte)
{
    return lock(fd, F_OFD_SETLK, F_UNLCK, byte, NULL);
}

int host_file_test_byte(int fd, u64 byte)
{
    struct flock found = { .l_type = F_UNLCK };
    int ret = lock(fd, F_OFD_GETLK, F_WRLCK, byte, &found);

    if (ret < 0)
        return ret;
    return found.l_type == F_UNLCK ? 0 : -EAGAIN;
}
