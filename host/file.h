/*
 * host/file.h - files and block devices of the host as disk images: opening, positioned I/O, holes, byte locks.
 * Calls block. Any thread. Functions that return int return 0 (or a count) or -errno.
 */
#ifndef HOST_FILE_H
#define HOST_FILE_H

#include "base/types.h"
#include <glib.h>
#include <sys/uio.h>

enum host_file_flags {
    HOST_FILE_WRITE = 1,
    HOST_FILE_CREATE = 2,   /* create it if missing */
    HOST_FILE_TRUNCATE = 4, /* empty it */
    HOST_FILE_DIRECT = 8,   /* past the host's page cache */
};

struct host_file_info {
    u64 size;      /* bytes */
    u64 allocated; /* bytes of storage behind it; 0 when unknown */
    u32 alignment; /* of offsets, lengths and memory with HOST_FILE_DIRECT; 1 otherwise */
    bool is_device, is_regular;
    bool read_only_device;
};

/* A descriptor, closed with close(), or -errno. "/dev/fdset/..." is the caller's affair. */
int host_file_open(const char *path, unsigned flags);
int host_file_info(int fd, bool direct, struct host_file_info *info);
void host_file_close(int fd);

/* Positioned I/O of a whole vector; a read past the end returns less. */
s64 host_file_read(int fd, const struct iovec *iov, unsigned count, u64 offset);
s64 host_file_write(int fd, const struct iovec *iov, unsigned count, u64 offset);
/* What is in the host's page cache already: -EAGAIN when nothing at the offset is, or when the file system cannot tell. */
s64 host_file_read_cached(int fd, const struct iovec *iov, unsigned count, u64 offset);
int host_file_sync(int fd);

/* -ENOTSUP when this file cannot. */
int host_file_punch(int fd, u64 offset, u64 size);                     /* reads as zero, storage is given back */
int host_file_zero(int fd, u64 offset, u64 size, bool keep_allocated); /* reads as zero */
int host_file_allocate(int fd, u64 offset, u64 size);                  /* storage is there, content unchanged */
int host_file_discard_device(int fd, u64 offset, u64 size);
int host_file_zero_device(int fd, u64 offset, u64 size);
/* Writes go where the data is, on file systems that would put it elsewhere; an empty file. -errno where there is no such choice. */
int host_file_set_nocow(int fd);
int host_file_truncate(int fd, u64 size);
int host_file_extend(int fd, u64 size); /* at least this large */
/* Kernel-side copy; the count copied or -errno. */
s64 host_file_copy(int from, u64 from_offset, int to, u64 to_offset, u64 size);

/*
 * Whether data or a hole is at the offset, and where that ends (at most the end of the file). -ENOTSUP: holes are unknown.
 * -ENXIO: at or after the end.
 */
int host_file_extent(int fd, u64 offset, bool *is_data, u64 *end);

/*
 * Locks of the open file description on one byte (the rest of the file is not concerned): shared locks, and a question whether
 * an exclusive one would be possible. 0, -EAGAIN when somebody is in the way, -errno.
 */
int host_file_lock_byte(int fd, u64 byte);
int host_file_unlock_byte(int fd, u64 byte);
int host_file_test_byte(int fd, u64 byte);

#endif
