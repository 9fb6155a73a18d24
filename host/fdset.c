/* host/fdset.c - numbered sets of descriptors. */
#include "host/fdset.h"
#include "base/error.h"
#include "host/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FDS = 1024 };
static const char prefix[] = "/dev/fdset/";

static struct host_fdset_entry *at(struct host_fdsets *sets, guint index)
{
    return &g_array_index(sets->entries, struct host_fdset_entry, index);
}

static void drop(struct host_fdsets *sets, guint index)
{
    close(at(sets, index)->fd);
    g_free(at(sets, index)->opaque);
    g_array_remove_index(sets->entries, index);
}

struct host_fdsets *host_fdsets_create(void)
{
    struct host_fdsets *sets = g_new0(struct host_fdsets, 1);

    sets->entries = g_array_new(FALSE, FALSE, sizeof(struct host_fdset_entry));
    return sets;
}

void host_fdsets_destroy(struct host_fdsets *sets)
{
    if (!sets)
        return;
    while (sets->entries->len)
        drop(sets, sets->entries->len - 1);
    g_array_unref(sets->entries);
    g_free(sets);
}

/* The lowest number that no set has. The entries are in order. */
static s64 unused(struct host_fdsets *sets)
{
    s64 number = 0;

    for (guint i = 0; i < sets->entries->len; i++)
        number = at(sets, i)->set == number ? number + 1 : number;
    return number;
}

s64 host_fdsets_add(struct host_fdsets *sets, int fd, s64 set, const char *opaque, GError **error)
{
    struct host_fdset_entry entry = {set, fd, NULL};
    guint place = 0;

    if (sets->entries->len == MOST_FDS) {
        close(fd);
        error_set(error, "there are at most %d descriptors in all sets", MOST_FDS);
        return -1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    entry.set = set < 0 ? unused(sets) : set;
    entry.opaque = g_strdup(opaque);
    while (place < sets->entries->len && at(sets, place)->set <= entry.set)
        place++;
    g_array_insert_val(sets->entries, place, entry);
    return entry.set;
}

bool host_fdsets_remove(struct host_fdsets *sets, s64 set, int fd, GError **error)
{
    bool found = false;

    for (guint i = sets->entries->len; i-- > 0;) {
        if (at(sets, i)->set != set || (fd >= 0 && at(sets, i)->fd != fd))
            continue;
        drop(sets, i);
        found = true;
    }
    if (found)
        return true;
    g_autofree char *one = fd >= 0 ? g_strdup_printf(", fd:%d", fd) : g_strdup("");
    return error_set(error, "File descriptor named 'fdset-id:%" G_GINT64_FORMAT "%s' not found", (gint64)set, one);
}

static int duplicate(int fd, int flags)
{
    int copy = host_fd_copy(fd);

    if (copy >= 0 && flags & O_TRUNC && ftruncate(copy, 0) && errno != EINVAL) {
        close(copy);
        return -1;
    }
    if (copy >= 0)
        fcntl(copy, F_SETFL, (fcntl(copy, F_GETFL) & ~(O_APPEND | O_NONBLOCK)) | (flags & (O_APPEND | O_NONBLOCK)));
    return copy;
}

int host_fdset_open(struct host_fdsets *sets, const char *path, int flags, unsigned mode)
{
    bool known = false;

    if (!g_str_has_prefix(path, prefix))
        return open(path, flags | O_CLOEXEC, mode);
    char *end;
    s64 set = g_ascii_strtoll(path + strlen(prefix), &end, 10);
    for (guint i = 0; sets && !*end && i < sets->entries->len; i++) {
        const struct host_fdset_entry *entry = at(sets, i);

        if (entry->set != set)
            continue;
        known = true;
        if ((fcntl(entry->fd, F_GETFL) & O_ACCMODE) == (flags & O_ACCMODE))
            return duplicate(entry->fd, flags);
    }
    errno = known ? EACCES : ENOENT;
    return -1;
}
