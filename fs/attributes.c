/* fs/attributes.c - attributes of files, links and extended attributes. */
#include "fs/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static int outcome(int result)
{
    return result < 0 ? errno : 0;
}

/* With security_model=none nobody is told that the host refused to change an owner. */
static int owner_outcome(const struct fs_share *share, int result)
{
    return share->options.security == FS_NONE ? 0 : outcome(result);
}

static void apply(struct stat *st, const struct fs_mapped *mapped)
{
    if (mapped->has_uid)
        st->st_uid = mapped->uid;
    if (mapped->has_gid)
        st->st_gid = mapped->gid;
    if (mapped->has_mode)
        st->st_mode = mapped->mode;
    if (mapped->has_rdev)
        st->st_rdev = mapped->rdev;
}

int fs_stat(struct fs_share *share, const struct fs_place *place, struct stat *st)
{
    struct fs_mapped mapped = {0};

    if (fstat(place->node->fd, st))
        return errno;
    if (!fs_is_mapped(share))
        return 0;
    int result = fs_mapped_read(share, place, &mapped);
    apply(st, &mapped);
    return result;
}

/* Changes of files that are links themselves go nowhere else. */
static bool is_link(const struct fs_node *node)
{
    return S_ISLNK(node->type);
}

int fs_chmod(struct fs_share *share, const struct fs_place *place, u32 mode)
{
    struct stat st;

    if (share->options.readonly)
        return EROFS;
    if (fs_is_mapped(share)) {
        int result = fs_stat(share, place, &st);
        struct fs_mapped mapped = {.has_mode = true, .mode = (st.st_mode & S_IFMT) | (mode & 07777)};

        return result ? result : fs_mapped_write(share, place, &mapped);
    }
    if (is_link(place->node))
        return EOPNOTSUPP;
    return outcome(fchmodat(share->proc, fs_proc_name(place->node).text, mode & 07777, 0));
}

int fs_chown(struct fs_share *share, const struct fs_place *place, u32 uid, u32 gid)
{
    struct fs_mapped mapped = {.has_uid = uid != UINT32_MAX, .has_gid = gid != UINT32_MAX, .uid = uid, .gid = gid};

    if (share->options.readonly)
        return EROFS;
    if (fs_is_mapped(share))
        return fs_mapped_write(share, place, &mapped);
    return owner_outcome(share, fchownat(place->node->fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

int fs_truncate(struct fs_share *share, const struct fs_place *place, u64 size)
{
    if (size > INT64_MAX)
        return EFBIG;
    int fd = fs_open(share, place->node, O_WRONLY);
    if (fd < 0)
        return -fd;
    int result = outcome(ftruncate(fd, (off_t)size));
    close(fd);
    return result;
}

int fs_set_times(struct fs_share *share, const struct fs_place *place, const struct timespec times[2])
{
    if (share->options.readonly)
        return EROFS;
    if (!utimensat(place->node->fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return 0;
    if ((errno != EINVAL && errno != ENOENT) || is_link(place->node)) /* before Linux 5.8 there is no AT_EMPTY_PATH */
        return errno;
    return outcome(utimensat(share->proc, fs_proc_name(place->node).text, times, 0));
}

/* mapped models keep the target of a link as the content of a file. */
static int read_mapped_link(struct fs_share *share, struct fs_node *node, char *text, size_t size)
{
    int fd = fs_open(share, node, O_RDONLY);
    if (fd < 0)
        return fd;
    ssize_t length = pread(fd, text, size, 0);
    int result = length < 0 ? -errno : (int)length;
    close(fd);
    return result;
}

int fs_read_link(struct fs_share *share, const struct fs_place *place, char **target)
{
    char text[4096];
    struct stat st;
    int result = fs_stat(share, place, &st);

    if (result)
        return result;
    if (!S_ISLNK(st.st_mode))
        return EINVAL;
    ssize_t length = is_link(place->node) ? readlinkat(place->node->fd, "", text, sizeof(text))
                                          : read_mapped_link(share, place->node, text, sizeof(text));
    if (length < 0)
        return is_link(place->node) ? errno : (int)-length;
    *target = g_strndup(text, (gsize)length);
    return 0;
}

/* --- extended attributes --- */

/* Through /proc a link would be followed to its target, perhaps out of the folder. */
static bool xattr_path(struct fs_share *share, const struct fs_node *node, char *path, size_t size)
{
    g_snprintf(path, size, "/proc/self/fd/%d", node->fd);
    return !is_link(node);
}

ssize_t fs_get_xattr(struct fs_share *share, struct fs_node *node, const char *name, void *value, size_t size)
{
    char path[40];

    if (fs_mapped_hides_xattr(share, name))
        return -ENODATA;
    if (!xattr_path(share, node, path, sizeof(path)))
        return -EOPNOTSUPP;
    ssize_t length = getxattr(path, name, value, size);
    return length < 0 ? -errno : length;
}

/* Takes the names that the model keeps out of a list. */
static ssize_t filter(const struct fs_share *share, char *list, size_t length)
{
    size_t kept = 0;

    for (size_t i = 0, part; i < length; i += part) {
        part = strnlen(list + i, length - i) + 1;
        if (i + part > length || fs_mapped_hides_xattr(share, list + i))
            continue;
        memmove(list + kept, list + i, part);
        kept += part;
    }
    return (ssize_t)kept;
}

ssize_t fs_list_xattr(struct fs_share *share, struct fs_node *node, char *list, size_t size)
{
    char path[40];

    if (!xattr_path(share, node, path, sizeof(path)))
        return 0;
    ssize_t length = listxattr(path, list, size);
    return length < 0 ? -errno : filter(share, list, (size_t)length);
}

enum { XATTR_PATH = 40 };

/* The path by which the attribute may be changed, or why it may not. */
static int path_to_change(struct fs_share *share, const struct fs_node *node, const char *name, char path[XATTR_PATH])
{
    if (share->options.readonly)
        return EROFS;
    if (fs_mapped_hides_xattr(share, name))
        return EACCES;
    return xattr_path(share, node, path, XATTR_PATH) ? 0 : EOPNOTSUPP;
}

int fs_set_xattr(struct fs_share *share, struct fs_node *node, const char *name, const void *value, size_t size, int flags)
{
    char path[XATTR_PATH];
    int result = path_to_change(share, node, name, path);

    return result ? result : outcome(setxattr(path, name, value, size, flags));
}

int fs_remove_xattr(struct fs_share *share, struct fs_node *node, const char *name)
{
    char path[XATTR_PATH];
    int result = path_to_change(share, node, name, path);

    return result ? result : outcome(removexattr(path, name));
}
