/* host/map.c - mappings of POSIX hosts. */
#include "host/map.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

int host_map_create_file(const char *name, u64 size, GError **error)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)size)) {
        error_set(error, "cannot create memory file '%s': %s", name, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

int host_map_open_file(const char *path, u64 size, GError **error)
{
    g_autofree char *nameless = g_strconcat(path, "/mynah-XXXXXX", NULL);
    bool folder = g_file_test(path, G_FILE_TEST_IS_DIR);
    int fd = folder ? g_mkstemp_full(nameless, O_RDWR | O_CLOEXEC, 0600) : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    struct stat status;

    if (folder && fd >= 0)
        unlink(nameless);
    if (fd >= 0 && !fstat(fd, &status) && ((u64)status.st_size >= size || !ftruncate(fd, (off_t)size)))
        return fd;
    error_set(error, "cannot use '%s' as memory: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void host_map_close_file(int fd)
{
    if (fd >= 0)
        close(fd);
}

void host_map_populate(void *address, u64 size)
{
    u64 step = host_page_size();

    for (u64 at = 0; at < size; at += step)
        __atomic_fetch_or((u8 *)address + at, 0, __ATOMIC_RELAXED);
}

void *host_map_file(int fd, u64 offset, u64 size, unsigned access, void *at, GError **error)
{
    int flags = (access & HOST_MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED) | (at ? MAP_FIXED : 0);

    return check(mmap(at, size, protection(access), flags, fd, (off_t)offset), size, error);
}

bool host_map_protect(void *address, u64 size, unsigned access, GError **error)
{
    if (!mprotect(address, size, protection(access)))
        return true;
    return error_set(error, "cannot change the protection of memory: %s", strerror(errno));
}
