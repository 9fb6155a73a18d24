/* host/private.c - folders and files of this user alone. */
#include "host/private.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHERS = S_IRWXG | S_IRWXO };

static bool is_private(const char *name, const struct stat *info, GError **error)
{
    if (info->st_uid != geteuid())
        return error_set(error, "'%s' belongs to another user", name);
    if (info->st_mode & OTHERS)
        return error_set(error, "'%s' is open to others (mode %03o); name one of your own: what is not there yet is made", name, info->st_mode & 0777u);
    return true;
}

int host_private_folder(const char *path, GError **error)
{
    struct stat info;
    int fd;

    if (mkdir(path, S_IRWXU) < 0 && errno != EEXIST) {
        error_set(error, "cannot make the folder '%s': %s", path, g_strerror(errno));
        return -1;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0) {
        error_set(error, "cannot open the folder '%s': %s", path, g_strerror(errno));
        host_private_close(fd);
        return -1;
    }
    if (is_private(path, &info, error))
        return fd;
    host_private_close(fd);
    return -1;
}

int host_private_open(int folder, const char *name, u64 *size, GError **error)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat info;
    bool good;

    if (fd < 0 && errno == ENOENT)
        return -1;
    if (fd < 0 || fstat(fd, &info) < 0) {
        error_set(error, "cannot open '%s': %s", name, errno == ELOOP ? "it is a link" : g_strerror(errno));
        host_private_close(fd);
        return -1;
    }
    good = S_ISREG(info.st_mode) ? is_private(name, &info, error) : error_set(error, "'%s' is no file", name);
    if (!good) {
        host_private_close(fd);
        return -1;
    }
    *size = (u64)info.st_size;
    return fd;
}

bool host_private_read(int file, void *to, u64 size, GError **error)
{
    u8 *at = to;

    while (size) {
        ssize_t got = read(file, at, MIN(size, GIB));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_set(error, "it cannot be read: %s", got ? g_strerror(errno) : "it became shorter");
        at += got;
        size -= (u64)got;
    }
    return true;
}

void host_private_touch(int file)
{
    futimens(file, NULL); /* only the order of removal depends on it */
}

static bool write_all(int fd, const void *bytes, u64 size)
{
    const u8 *at = bytes;

    while (size) {
        ssize_t put = write(fd, at, MIN(size, GIB));

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        size -= (u64)put;
    }
    return true;
}

#define UNFINISHED ".new"

bool host_private_replace(int folder, const char *name, const struct iovec *part, u32 count, GError **error)
{
    g_autofree char *temporary = g_strdup_printf("%s.%ld" UNFINISHED, name, (long)getpid());
    int fd;
    bool written = true;

    unlinkat(folder, temporary, 0); /* of a process with our number that was killed */
    fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return error_set(error, "cannot make '%s': %s", temporary, g_strerror(errno));
    for (u32 i = 0; i < count && written; i++)
        written = write_all(fd, part[i].iov_base, part[i].iov_len);
    if (close(fd) < 0 || !written || renameat(folder, temporary, folder, name) < 0) {
        error_set(error, "cannot write '%s': %s", name, g_strerror(errno));
        unlinkat(folder, temporary, 0);
        return false;
    }
    return true;
}

int host_private_lock(int folder)
{
    int fd = openat(folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);

    while (fd >= 0 && flock(fd, LOCK_EX) < 0) {
        if (errno == EINTR)
            continue;
        host_private_close(fd);
        return -1;
    }
    return fd;
}

/* --- removing old files --- */

struct candidate {
    char *name;
    struct timespec written;
};

static gint newest_first(gconstpointer a, gconstpointer b)
{
    const struct candidate *x = a, *y = b;

    if (x->written.tv_sec != y->written.tv_sec)
        return x->written.tv_sec < y->written.tv_sec ? 1 : -1;
    return x->written.tv_nsec < y->written.tv_nsec ? 1 : -1;
}

static void drop_name(gpointer candidate)
{
    g_free(((struct candidate *)candidate)->name);
}

/* NULL: it cannot be read. */
static DIR *open_list(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

    if (!list)
        host_private_close(fd);
    return list;
}

void host_private_sweep(int folder)
{
    DIR *list = open_list(folder);
    struct dirent *entry;

    if (!list)
        return;
    while ((entry = readdir(list)))
        if (g_str_has_suffix(entry->d_name, UNFINISHED))
            unlinkat(folder, entry->d_name, 0);
    closedir(list);
}

void host_private_trim(int folder, const char *suffix, u32 keep)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(struct candidate));
    DIR *list = open_list(folder);
    struct dirent *entry;
    struct stat info;

    g_array_set_clear_func(found, drop_name);
    if (!list)
        return;
    while ((entry = readdir(list))) {
        if (g_str_has_suffix(entry->d_name, suffix) && fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
            struct candidate candidate = { g_strdup(entry->d_name), info.st_mtim };

            g_array_append_val(found, candidate);
        }
    }
    closedir(list);
    g_array_sort(found, newest_first);
    for (u32 i = keep; i < found->len; i++)
        unlinkat(folder, g_array_index(found, struct candidate, i).name, 0);
}

void host_private_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
