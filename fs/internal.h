/* fs/internal.h - what the files of fs/ share about shares. */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include "fs/share.h"

/* Descriptors of one share for nodes, and as many for open files. */
enum { FS_DESCRIPTORS_MIN = 256, FS_DESCRIPTORS_MAX = 65536 };

struct fs_share {
    struct fs_options options;
    struct fs_node *root;
    GHashTable *nodes;    /* set of struct fs_node by (dev, ino) */
    GHashTable *prefixes; /* struct fs_prefix by itself: upper part of unique numbers */
    u32 most;             /* nodes */
    int proc;             /* O_PATH of /proc/self/fd */
    char *notice;
    bool warned;
};

/* Owner, permissions and kind that a mapped model keeps; each one only when it is set. */
struct fs_mapped {
    bool has_uid, has_gid, has_mode, has_rdev;
    u32 uid, gid, mode;
    u64 rdev;
};

/* "fd/N" below /proc/self: a name of the file behind an O_PATH descriptor. */
struct fs_proc_name {
    char text[16];
};
struct fs_proc_name fs_proc_name(const struct fs_node *node);

static inline bool fs_is_mapped(const struct fs_share *share)
{
    return share->options.security >= FS_MAPPED_XATTR;
}

/* What a mapped model knows about a file; nothing is no error. Only for mapped models. */
int fs_mapped_read(struct fs_share *share, const struct fs_place *place, struct fs_mapped *mapped);
/* Changes what is set in `mapped`. */
int fs_mapped_write(struct fs_share *share, const struct fs_place *place, const struct fs_mapped *mapped);
/* mapped-file: a folder that is to go must not keep its own notes, which are made anew when it stays and needs them. */
void fs_mapped_clear(struct fs_share *share, struct fs_node *folder, const char *name);
/* mapped-file: the notes about a name go away, or move. */
void fs_mapped_forget(struct fs_share *share, struct fs_node *folder, const char *name);
void fs_mapped_move(struct fs_share *share, struct fs_node *from, const char *old, struct fs_node *to, const char *name);
bool fs_mapped_hides(const struct fs_share *share, const char *name);
bool fs_mapped_hides_xattr(const struct fs_share *share, const char *name);

#endif
