/* fs/tree.c - opening, creating, renaming and removing. */
#include "fs/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Whether a name can be changed in a folder: 0 or why not. */
static int check(const struct fs_share *share, const struct fs_node *folder, const char *name)
{
    if (share->options.readonly)
        return EROFS;
    if (!S_ISDIR(folder->type))
        return ENOTDIR;
    if (!*name)
        return ENOENT;
    if (!strcmp(name, ".") || !strcmp(name, ".."))
        return EEXIST;
    return fs_name_is_valid(share, name) ? 0 : EINVAL;
}

int fs_open(struct fs_share *share, struct fs_node *node, int flags)
{
    /* A pipe would block, a device of the host is none of the guest's business. */
    if (!S_ISREG(node->type) && !S_ISDIR(node->type))
        return S_ISLNK(node->type) ? -ELOOP : -ENXIO;
    if (share->options.readonly && ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC))
        return -EROFS;
    flags &= ~(O_CREAT | O_EXCL | O_NOFOLLOW);
    int fd = openat(share->proc, fs_proc_name(node).text, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == EPERM && flags & O_NOATIME) /* only the owner may ask for that */
        fd = openat(share->proc, fs_proc_name(node).text, (flags & ~O_NOATIME) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* Gives a new file its owner and mode, as the model has them. Undone by the caller on failure. */
static int set_owner(struct fs_share *share, struct fs_node *folder, const char *name, u32 mode, u64 rdev, struct fs_owner owner)
{
    struct fs_node *node;
    int result = fs_lookup(share, folder, name, &node);

    if (result)
        return result;
    const struct fs_place place = {node, folder, name};
    if (fs_is_mapped(share)) {
        const struct fs_mapped mapped = {true, true, true, S_ISCHR(mode) || S_ISBLK(mode), owner.uid, owner.gid, mode, rdev};

        result = fs_mapped_write(share, &place, &mapped);
    } else {
        result = fs_chown(share, &place, owner.uid, owner.gid);
        if (!result && !S_ISLNK(node->type)) /* the process has a umask, the guest has applied its own */
            result = fs_chmod(share, &place, mode);
        if (share->options.security == FS_NONE)
            result = 0;
    }
    fs_node_put(share, node);
    return result;
}

/* What mapped models make on the host for anything but a folder; -1 with errno. */
static int make_plain(struct fs_share *share, struct fs_node *folder, const char *name, const char *content)
{
    int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, share->options.fmode);
    size_t length = content ? strlen(content) : 0;

    if (fd < 0)
        return -1;
    ssize_t written = length ? write(fd, content, length) : 0;
    close(fd);
    if (written == (ssize_t)length)
        return 0;
    unlinkat(folder->fd, name, 0);
    errno = written < 0 ? errno : ENOSPC;
    return -1;
}

/* The end of making something: owner and mode, or undo. */
static int finish(struct fs_share *share, struct fs_node *folder, const char *name, u32 mode, u64 rdev, struct fs_owner owner)
{
    int result = set_owner(share, folder, name, mode, rdev, owner);

    if (result)
        unlinkat(folder->fd, name, S_ISDIR(mode) ? AT_REMOVEDIR : 0);
    return result;
}

int fs_create(struct fs_share *share, struct fs_node *folder, const char *name, int flags, u32 mode, struct fs_owner owner)
{
    int result = check(share, folder, name);

    if (result)
        return -result;
    struct fs_node *node;
    if (!(flags & O_EXCL) && !fs_lookup(share, folder, name, &node)) { /* it is there: open it as usual */
        int fd = fs_open(share, node, flags);

        fs_node_put(share, node);
        return fd;
    }
    mode = (mode & 07777) | S_IFREG;
    int fd = openat(folder->fd, name, (flags & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    fs_is_mapped(share) ? share->options.fmode : mode & 07777);
    if (fd < 0)
        return -errno;
    result = finish(share, folder, name, mode, 0, owner);
    if (!result)
        return fd;
    close(fd);
    return -result;
}

int fs_make_folder(struct fs_share *share, struct fs_node *folder, const char *name, u32 mode, struct fs_owner owner)
{
    int result = check(share, folder, name);

    if (result)
        return result;
    mode = (mode & 07777) | S_IFDIR;
    if (mkdirat(folder->fd, name, fs_is_mapped(share) ? share->options.dmode : mode & 07777))
        return errno;
    return finish(share, folder, name, mode, 0, owner);
}

int fs_make_special(struct fs_share *share, struct fs_node *folder, const char *name, u32 mode, u64 rdev, struct fs_owner owner)
{
    int result = check(share, folder, name);

    if (result)
        return result;
    if (!S_ISREG(mode) && !S_ISCHR(mode) && !S_ISBLK(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode))
        return EINVAL;
    if (fs_is_mapped(share) ? make_plain(share, folder, name, NULL) : mknodat(folder->fd, name, mode & (S_IFMT | 07777), rdev))
        return errno;
    return finish(share, folder, name, mode & (S_IFMT | 07777), rdev, owner);
}

int fs_make_link(struct fs_share *share, struct fs_node *folder, const char *name, const char *target, struct fs_owner owner)
{
    int result = check(share, folder, name);

    if (result)
        return result;
    if (!*target || strlen(target) >= 4096)
        return *target ? ENAMETOOLONG : ENOENT;
    if (fs_is_mapped(share) ? make_plain(share, folder, name, target) : symlinkat(target, folder->fd, name))
        return errno;
    return finish(share, folder, name, S_IFLNK | 0777, 0, owner);
}

int fs_link(struct fs_share *share, const struct fs_place *from, struct fs_node *folder, const char *name)
{
    struct fs_mapped mapped = {0};
    int result = check(share, folder, name);

    if (result)
        return result;
    if (S_ISDIR(from->node->type))
        return EPERM;
    /* By descriptor a link is linked as such (AT_EMPTY_PATH, which needs a capability); others also by their name in /proc. */
    if (linkat(from->node->fd, "", folder->fd, name, AT_EMPTY_PATH) &&
        (S_ISLNK(from->node->type) || linkat(share->proc, fs_proc_name(from->node).text, folder->fd, name, AT_SYMLINK_FOLLOW)))
        return errno;
    if (share->options.security != FS_MAPPED_FILE || fs_mapped_read(share, from, &mapped))
        return 0;
    return fs_mapped_write(share, &(struct fs_place){from->node, folder, name}, &mapped);
}

int fs_unlink(struct fs_share *share, struct fs_node *folder, const char *name, bool is_folder)
{
    int result = check(share, folder, name);

    if (result)
        return result == EEXIST ? (strcmp(name, "..") ? EINVAL : ENOTEMPTY) : result;
    if (is_folder)
        fs_mapped_clear(share, folder, name);
    if (unlinkat(folder->fd, name, is_folder ? AT_REMOVEDIR : 0))
        return errno;
    fs_mapped_forget(share, folder, name);
    return 0;
}

int fs_rename(struct fs_share *share, struct fs_node *from, const char *old, struct fs_node *to, const char *name)
{
    struct fs_node *node;
    int result = check(share, from, old);

    result = result ? result : check(share, to, name);
    if (result)
        return result == EEXIST ? EBUSY : result;
    fs_mapped_clear(share, to, name); /* a folder may take the place of an empty one */
    if (renameat(from->fd, old, to->fd, name))
        return errno;
    struct stat left;
    if (!fstatat(from->fd, old, &left, AT_SYMLINK_NOFOLLOW))
        return 0; /* two names of one file both stay (POSIX, rename) */
    fs_mapped_move(share, from, old, to, name);
    /* A folder that is known has another parent now: ".." follows. */
    if (from != to && !fs_lookup(share, to, name, &node)) {
        if (node->parent && node->parent != to && node != share->root) {
            fs_node_put(share, node->parent);
            node->parent = fs_node_get(to);
        }
        fs_node_put(share, node);
    }
    return 0;
}
