/* host/map.c - mappings of POSIX hosts. */
#include "host/map.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

u64 host_page_size(void)
{
    return (u64)sysconf(_SC_PAGESIZE);
}

static void *check(void *address, u64 size, GError **error)
{
    if (address != MAP_FAILED)
        return address;
    error_set(error, "cannot map %" G_GUINT64_FORMAT " MiB of memory: %s", (size + MIB - 1) / MIB, strerror(errno));
    return NULL;
}

void *host_map_anonymous(u64 size, bool huge, GError **error)
{
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (address != MAP_FAILED && huge)
        madvise(address, size, MADV_HUGEPAGE);
    return check(address, size, error);
}

void *host_map_reserve(u64 size, GError **error)
{
    return check(mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), size, error);
}

bool host_map_clear(void *address, u64 size)
{
    return mmap(address, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void host_map_free(void *address, u64 size)
{
    if (address)
        munmap(address, size);
}

void host_map_discard(void *address, u64 size)
{
    madvise(address, size, MADV_DONTNEED);
}

static int protection(unsigned access)
{
    return (access & HOST_MAP_READ ? PROT_READ : 0) | (access & HOST_MAP_WRITE ? PROT_WRITE : 0) |
           (access & HOST_MAP_EXEC ? PROT_EXEC : 0);
}

static int sized_memfd(const char *name, u64 size, unsigned flags, GError **error)
{
    int fd = memfd_create(name, MFD_CLOEXEC | flags);

    if (fd < 0 || ftruncate(fd, (off_t)size)) {
        int reason = errno;

        error_set(error, "cannot create memory file '%s' of %" G_GUINT64_FORMAT " MiB: %s", name, (size + MIB - 1) / MIB, strerror(reason));
        if (reason == EFBIG)
            error_hint(error, "the limit on the size of files (ulimit -f) holds for files in memory as well");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

int host_map_create_file(const char *name, u64 size, GError **error)
{
    return sized_memfd(name, size, MFD_ALLOW_SEALING, error);
}

int host_map_create_huge_file(const char *name, u64 size, u64 page, GError **error)
{
    enum { PAGE_SHIFT_AT = 26 }; /* memfd_create(2): log2 of the page size from this bit on */
    unsigned shift = page ? (unsigned)__builtin_ctzll(page) : 0;

    return sized_memfd(name, size, MFD_ALLOW_SEALING | MFD_HUGETLB | shift << PAGE_SHIFT_AT, error);
}

bool host_map_seal_file(int fd, GError **error)
{
    if (!fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
        return true;
    return error_set(error, "cannot seal a memory file: %s", strerror(errno));
}

static int open_or_make(const char *path, bool read_only)
{
    if (read_only)
        return open(path, O_RDONLY | O_CLOEXEC);
    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    g_autofree char *nameless = g_strconcat(path, "/mynah-XXXXXX", NULL);
    int fd = g_mkstemp_full(nameless, O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlink(nameless);
    return fd;
}

/* What somebody has in a file stays as it is: only an empty one grows. */
static bool make_large_enough(int fd, u64 size, bool read_only, GError **error)
{
    struct stat status;

    if (fstat(fd, &status))
        return error_set(error, "%s", strerror(errno));
    if ((u64)status.st_size >= size)
        return true;
    if (read_only || status.st_size) {
        error_set(error, "it has %" G_GINT64_FORMAT " bytes, not %" G_GUINT64_FORMAT, (gint64)status.st_size, size);
        return error_hint(error, "choose a file of that size%s", read_only ? "" : ", or one that is empty or not there yet");
    }
    return !ftruncate(fd, (off_t)size) || error_set(error, "it cannot grow to %" G_GUINT64_FORMAT " bytes: %s", size, strerror(errno));
}

int host_map_open_file(const char *path, u64 size, bool read_only, GError **error)
{
    int fd = open_or_make(path, read_only);

    if (fd < 0)
        error_set(error, "cannot use '%s' as memory: %s", path, strerror(errno));
    if (fd < 0 || make_large_enough(fd, size, read_only, error))
        return fd;
    error_prefix(error, "cannot use '%s' as memory", path);
    close(fd);
    return -1;
}

void host_map_close_file(int fd)
{
    if (fd >= 0)
        close(fd);
}

struct populate {
    u8 *address;
    u64 size;
    int error;
};

/* MADV_POPULATE_WRITE (Linux 5.14) fails where touching would be a SIGBUS; older hosts are touched. */
static void *populate_part(void *opaque)
{
    struct populate *part = opaque;

    if (!madvise(part->address, part->size, MADV_POPULATE_WRITE))
        return NULL;
    if (errno != EINVAL) {
        part->error = errno;
        return NULL;
    }
    for (u64 at = 0; at < part->size; at += host_page_size())
        __atomic_fetch_or(part->address + at, 0, __ATOMIC_RELAXED);
    return NULL;
}

bool host_map_populate(void *address, u64 size, unsigned threads, GError **error)
{
    u64 unit = 2 * MIB, share;
    g_autofree struct populate *parts = NULL;
    g_autofree GThread **workers = NULL;
    int failed = 0;

    threads = (unsigned)CLAMP(threads, 1, MAX(size / unit, 1));
    parts = g_new0(struct populate, threads);
    workers = g_new0(GThread *, threads);
    share = (size / threads + unit - 1) / unit * unit;
    for (unsigned i = 0; i < threads; i++) {
        u64 start = MIN(i * share, size);

        parts[i] = (struct populate){(u8 *)address + start, MIN(share, size - start), 0};
        if (i && parts[i].size)
            workers[i] = g_thread_try_new("populate", populate_part, &parts[i], NULL);
        if (parts[i].size && i && !workers[i])
            populate_part(&parts[i]);
    }
    populate_part(&parts[0]);
    for (unsigned i = 0; i < threads; i++) {
        if (workers[i])
            g_thread_join(workers[i]);
        failed = parts[i].error ? parts[i].error : failed;
    }
    return !failed || error_set(error, "cannot take %" G_GUINT64_FORMAT " MiB from the host now: %s", size / MIB, strerror(failed));
}

void host_map_expect(const void *address, u64 size, bool write)
{
    madvise((void *)address, size, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

/* MADV_COLLAPSE (Linux 6.1) needs no setting of the administrator's, but a range with something in it. */
bool host_map_collapse(const void *address, u64 size, bool write)
{
    for (u64 at = 0; write && at < size; at += HOST_MAP_HUGE)
        host_map_expect((const u8 *)address + at, host_page_size(), true);
    return !madvise((void *)address, size, MADV_COLLAPSE);
}

void host_map_expect_heap(void *address, u64 size)
{
    uintptr_t huge = 2 * MIB, first = ((uintptr_t)address + huge - 1) & -huge, last = ((uintptr_t)address + size) & -huge;

    if (first < last)
        madvise((void *)first, last - first, MADV_HUGEPAGE);
}

void host_map_merge(void *address, u64 size)
{
    madvise(address, size, MADV_MERGEABLE);
}

void host_map_no_dump(void *address, u64 size)
{
    madvise(address, size, MADV_DONTDUMP);
}

void host_map_remove(void *address, u64 size)
{
    madvise(address, size, MADV_REMOVE);
}

void *host_map_file(int fd, u64 offset, u64 size, unsigned access, void *at, GError **error)
{
    int flags = (access & HOST_MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED) | (at ? MAP_FIXED : 0) | (access & HOST_MAP_NOW ? MAP_POPULATE : 0);

    return check(mmap(at, size, protection(access), flags, fd, (off_t)offset), size, error);
}

void *host_map_file_aligned(int fd, u64 offset, u64 size, unsigned access, u64 align, GError **error)
{
    if (align <= host_page_size())
        return host_map_file(fd, offset, size, access, NULL, error);
    u8 *range = host_map_reserve(size + align, error);
    if (!range)
        return NULL;
    u8 *start = (u8 *)(((uintptr_t)range + align - 1) & ~(uintptr_t)(align - 1));
    if (start > range)
        host_map_free(range, (u64)(start - range));
    host_map_free(start + size, (u64)(range + align - start));
    void *mapped = host_map_file(fd, offset, size, access, start, error);
    if (!mapped)
        host_map_free(start, size);
    return mapped;
}

bool host_map_protect(void *address, u64 size, unsigned access, GError **error)
{
    if (!mprotect(address, size, protection(access)))
        return true;
    return error_set(error, "cannot change the protection of memory: %s", strerror(errno));
}
