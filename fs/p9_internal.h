/* fs/p9_internal.h - what the files of the 9P server share. Handlers return 0 or a positive errno value. */
#ifndef FS_P9_INTERNAL_H
#define FS_P9_INTERNAL_H

#include "fs/p9.h"
#include "fs/wire.h"

enum { P9_NOFID = 0xffffffff, P9_WALK_MAX = 16, P9_HEADER = 7 };

enum p9_fid_kind { P9_FID_PATH, P9_FID_OPEN, P9_FID_XATTR_READ, P9_FID_XATTR_WRITE };

/* A handle of the client. */
struct p9_fid {
    u32 id;
    enum p9_fid_kind kind;
    struct fs_node *node;
    struct fs_node *folder; /* where it was found; NULL for the root */
    char *name;
    u32 uid;                /* of whoever attached */
    int fd;                 /* OPEN */
    bool can_read, can_write;
    char *xattr;            /* name */
    u32 written;            /* of the value, from its start on without a gap */
    u8 *value;              /* of the attribute, `size` bytes */
    u32 size;
    int flags;              /* of setxattr(2) */
};

struct p9_server {
    struct fs_share *share;
    GHashTable *fids; /* id -> struct p9_fid */
    u32 msize;
    u64 xattr_bytes;
    u32 open;         /* fids that are */
};

struct p9_call {
    struct p9_server *server;
    struct p9_in in;
    struct p9_out out;
};

/* p9_fids.c. The fid that comes next in the message; NULL: there is none (EBADF). */
struct p9_fid *p9_fid_find(struct p9_server *server, u32 id);
int p9_fid_take(struct p9_call *call, struct p9_fid **fid);
/* A new one for id, not open; takes over node, and gets references of folder. *fid NULL on failure, node is put then. */
int p9_fid_add(struct p9_server *server, u32 id, struct fs_node *node, struct fs_node *folder, const char *name, u32 uid, struct p9_fid **fid);
void p9_fid_remove(struct p9_server *server, struct p9_fid *fid);
/* Another place for a fid that is not open. Takes node over. */
void p9_fid_move(struct p9_server *server, struct p9_fid *fid, struct fs_node *node, struct fs_node *folder, const char *name);
/* Something was renamed: fids that were found there follow. */
void p9_fids_rename(struct p9_server *server, struct fs_node *from, const char *old, struct fs_node *to, const char *name);

static inline struct fs_place p9_place(const struct p9_fid *fid)
{
    return (struct fs_place){fid->node, fid->folder, fid->name};
}

/* p9_files.c */
struct stat;
int p9_put_qid(struct p9_call *call, const struct stat *st);

int p9_attach(struct p9_call *call);
int p9_walk(struct p9_call *call);
int p9_clunk(struct p9_call *call);
int p9_remove(struct p9_call *call);
int p9_lopen(struct p9_call *call);
int p9_lcreate(struct p9_call *call);
int p9_read(struct p9_call *call);
int p9_write(struct p9_call *call);
int p9_readdir(struct p9_call *call);
int p9_fsync(struct p9_call *call);
int p9_lock(struct p9_call *call);
int p9_getlock(struct p9_call *call);
int p9_statfs(struct p9_call *call);
int p9_getattr(struct p9_call *call);
int p9_setattr(struct p9_call *call);
int p9_readlink(struct p9_call *call);
int p9_symlink(struct p9_call *call);
int p9_mknod(struct p9_call *call);
int p9_mkdir(struct p9_call *call);
int p9_link(struct p9_call *call);
int p9_rename(struct p9_call *call);
int p9_renameat(struct p9_call *call);
int p9_unlinkat(struct p9_call *call);
int p9_xattrwalk(struct p9_call *call);
int p9_xattrcreate(struct p9_call *call);
/* Of fids that stand for an attribute. */
int p9_xattr_read(struct p9_call *call, struct p9_fid *fid, u64 offset, u32 count);
int p9_xattr_write(struct p9_call *call, struct p9_fid *fid, u64 offset, const u8 *data, u32 count);
int p9_xattr_commit(struct p9_server *server, struct p9_fid *fid);

#endif
