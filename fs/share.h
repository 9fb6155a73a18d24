/*
 * fs/share.h - a folder of the host that a guest sees: -fsdev local. Knows no device and no protocol.
 *
 * Every file is reached by one step from the descriptor of its folder, and each step refuses links, so that nothing outside
 * of the folder is reached, whatever other processes or the guest rename in between. What is known by an open descriptor
 * (O_PATH) stays the same file for ever.
 *
 * Threads: one at a time. Functions return 0 or a positive errno value, unless said otherwise.
 */
#ifndef FS_SHARE_H
#define FS_SHARE_H

#include "base/types.h"
#include <glib.h>
#include <sys/stat.h>

enum fs_security { FS_NONE, FS_PASSTHROUGH, FS_MAPPED_XATTR, FS_MAPPED_FILE };
enum fs_multidevs { FS_REMAP, FS_FORBID, FS_WARN };

struct fs_options {
    char *id, *path;
    enum fs_security security;
    enum fs_multidevs multidevs;
    bool readonly;
    u32 fmode, dmode; /* permissions on the host of what mapped models create */
};

struct fs_share;

/* A file, folder or anything else that the guest got hold of; one for each (device, inode number). */
struct fs_node {
    u64 dev, ino;
    int fd;                 /* O_PATH */
    u32 type;               /* S_IFMT bits on the host */
    u32 refs;
    struct fs_node *parent; /* folders: where it was found; NULL for the root and for others */
};

/* Who creates something. */
struct fs_owner {
    u32 uid, gid;
};

/* Whether there is a folder to share now. */
bool fs_share_check(const char *path, GError **error);
/* Options are copied. NULL with *error: no such folder and so on. */
struct fs_share *fs_share_open(const struct fs_options *options, GError **error);
void fs_share_close(struct fs_share *share); /* all nodes must have been put; NULL is fine */
const struct fs_options *fs_share_options(const struct fs_share *share);
/* How many files a client may have open at a time. */
u32 fs_share_most_open(const struct fs_share *share);
/* A message for the user that came up while serving, once each; the caller frees. NULL: none. */
char *fs_share_take_notice(struct fs_share *share);

/* --- nodes: each get or look-up is put once --- */
struct fs_node *fs_root(struct fs_share *share);
struct fs_node *fs_node_get(struct fs_node *node);
void fs_node_put(struct fs_share *share, struct fs_node *node); /* NULL is fine */
/* name: one component, or ".." which ends at the root. */
int fs_lookup(struct fs_share *share, struct fs_node *folder, const char *name, struct fs_node **node);
/* Whether name may be a component: not empty, not "." or "..", no '/', and not one that a security model keeps for itself. */
bool fs_name_is_valid(const struct fs_share *share, const char *name);

/* --- attributes, as the guest sees them. `folder` and `name`: where the node was found (NULL for the root) --- */
struct fs_place {
    struct fs_node *node, *folder;
    const char *name;
};
int fs_stat(struct fs_share *share, const struct fs_place *place, struct stat *st);
/* A number that is unique in the share, for files of several devices too. */
int fs_unique(struct fs_share *share, u64 dev, u64 ino, u64 *unique);
int fs_chmod(struct fs_share *share, const struct fs_place *place, u32 mode);
int fs_chown(struct fs_share *share, const struct fs_place *place, u32 uid, u32 gid); /* UINT32_MAX: leave it */
int fs_truncate(struct fs_share *share, const struct fs_place *place, u64 size);
int fs_set_times(struct fs_share *share, const struct fs_place *place, const struct timespec times[2]);
int fs_read_link(struct fs_share *share, const struct fs_place *place, char **target); /* the caller frees */

/* --- opening: a descriptor >= 0, or a negative errno value. Only files and folders; flags of open(2) --- */
int fs_open(struct fs_share *share, struct fs_node *node, int flags);
int fs_create(struct fs_share *share, struct fs_node *folder, const char *name, int flags, u32 mode, struct fs_owner owner);

/* --- the tree --- */
int fs_make_folder(struct fs_share *share, struct fs_node *folder, const char *name, u32 mode, struct fs_owner owner);
int fs_make_special(struct fs_share *share, struct fs_node *folder, const char *name, u32 mode, u64 rdev, struct fs_owner owner);
int fs_make_link(struct fs_share *share, struct fs_node *folder, const char *name, const char *target, struct fs_owner owner);
int fs_link(struct fs_share *share, const struct fs_place *from, struct fs_node *folder, const char *name);
int fs_unlink(struct fs_share *share, struct fs_node *folder, const char *name, bool is_folder);
int fs_rename(struct fs_share *share, struct fs_node *from, const char *old, struct fs_node *to, const char *name);

/* --- extended attributes. Return values as the system calls': a length or a negative errno value --- */
ssize_t fs_get_xattr(struct fs_share *share, struct fs_node *node, const char *name, void *value, size_t size);
ssize_t fs_list_xattr(struct fs_share *share, struct fs_node *node, char *list, size_t size);
int fs_set_xattr(struct fs_share *share, struct fs_node *node, const char *name, const void *value, size_t size, int flags);
int fs_remove_xattr(struct fs_share *share, struct fs_node *node, const char *name);

#endif
