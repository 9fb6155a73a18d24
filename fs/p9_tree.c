/* fs/p9_tree.c - attributes, links, folders, names. */
#include "fs/p9_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Bits of Tgetattr and Tsetattr. */
enum { GET_BASIC = 0x7ff };
enum {
    SET_MODE = 1, SET_UID = 2, SET_GID = 4, SET_SIZE = 8, SET_ATIME = 0x10, SET_MTIME = 0x20, SET_CTIME = 0x40, SET_ATIME_TO = 0x80,
    SET_MTIME_TO = 0x100,
};

static void put_time(struct p9_out *out, struct timespec time)
{
    p9_put64(out, (u64)time.tv_sec);
    p9_put64(out, (u64)time.tv_nsec);
}

int p9_getattr(struct p9_call *call)
{
    struct p9_fid *fid;
    struct stat st;
    int result = p9_fid_take(call, &fid);

    p9_get64(&call->in); /* what is wanted: everything basic is always there */
    if (result || call->in.bad)
        return result ? result : EINVAL;
    const struct fs_place place = p9_place(fid);
    result = fs_stat(call->server->share, &place, &st);
    if (result)
        return result;
    p9_put64(&call->out, GET_BASIC);
    result = p9_put_qid(call, &st);
    p9_put32(&call->out, st.st_mode);
    p9_put32(&call->out, st.st_uid);
    p9_put32(&call->out, st.st_gid);
    p9_put64(&call->out, st.st_nlink);
    p9_put64(&call->out, st.st_rdev);
    p9_put64(&call->out, (u64)st.st_size);
    p9_put64(&call->out, (u64)st.st_blksize);
    p9_put64(&call->out, (u64)st.st_blocks);
    put_time(&call->out, st.st_atim);
    put_time(&call->out, st.st_mtim);
    put_time(&call->out, st.st_ctim);
    for (unsigned i = 0; i < 4; i++) /* time of birth, generation, version of the data: not known */
        p9_put64(&call->out, 0);
    return result;
}

struct changes {
    u32 valid, mode, uid, gid;
    u64 size;
    struct timespec times[2];
};

static struct timespec wanted_time(struct p9_in *in, u32 valid, u32 set, u32 set_to)
{
    struct timespec time = {.tv_sec = (time_t)p9_get64(in)};

    time.tv_nsec = (long)p9_get64(in);
    if (!(valid & set))
        time.tv_nsec = UTIME_OMIT;
    else if (!(valid & set_to))
        time.tv_nsec = UTIME_NOW;
    else if ((u64)time.tv_nsec >= 1000000000)
        in->bad = true;
    return time;
}

static int change(struct fs_share *share, const struct fs_place *place, const struct changes *c)
{
    int result = 0;

    if (c->valid & SET_MODE)
        result = fs_chmod(share, place, c->mode);
    if (!result && c->valid & (SET_UID | SET_GID))
        result = fs_chown(share, place, c->valid & SET_UID ? c->uid : UINT32_MAX, c->valid & SET_GID ? c->gid : UINT32_MAX);
    else if (!result && c->valid == SET_CTIME) /* a change without a change: the time of it counts */
        result = fs_chown(share, place, UINT32_MAX, UINT32_MAX);
    if (!result && c->valid & SET_SIZE)
        result = fs_truncate(share, place, c->size);
    if (!result && c->valid & (SET_ATIME | SET_MTIME))
        result = fs_set_times(share, place, c->times);
    return result;
}

int p9_setattr(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    struct changes c = {.valid = p9_get32(&call->in)};

    c.mode = p9_get32(&call->in);
    c.uid = p9_get32(&call->in);
    c.gid = p9_get32(&call->in);
    c.size = p9_get64(&call->in);
    c.times[0] = wanted_time(&call->in, c.valid, SET_ATIME, SET_ATIME_TO);
    c.times[1] = wanted_time(&call->in, c.valid, SET_MTIME, SET_MTIME_TO);
    if (result || call->in.bad)
        return result ? result : EINVAL;
    const struct fs_place place = p9_place(fid);
    return change(call->server->share, &place, &c);
}

int p9_readlink(struct p9_call *call)
{
    struct p9_fid *fid;
    g_autofree char *target = NULL;
    int result = p9_fid_take(call, &fid);

    if (result)
        return result;
    const struct fs_place place = p9_place(fid);
    result = fs_read_link(call->server->share, &place, &target);
    if (!result)
        p9_put_string(&call->out, target);
    return result;
}

/* The answer to making something. */
static int put_new(struct p9_call *call, struct fs_node *folder, const char *name)
{
    struct fs_share *share = call->server->share;
    struct fs_node *node;
    struct stat st;
    int result = fs_lookup(share, folder, name, &node);

    if (result)
        return result;
    result = fs_stat(share, &(struct fs_place){node, folder, name}, &st);
    fs_node_put(share, node);
    return result ? result : p9_put_qid(call, &st);
}

int p9_symlink(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    g_autofree char *name = p9_get_string(&call->in), *target = p9_get_string(&call->in);
    u32 gid = p9_get32(&call->in);

    if (result || call->in.bad)
        return result ? result : EINVAL;
    result = fs_make_link(call->server->share, fid->node, name, target, (struct fs_owner){fid->uid, gid});
    return result ? result : put_new(call, fid->node, name);
}

int p9_mknod(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    g_autofree char *name = p9_get_string(&call->in);
    u32 mode = p9_get32(&call->in), major = p9_get32(&call->in), minor = p9_get32(&call->in), gid = p9_get32(&call->in);

    if (result || call->in.bad)
        return result ? result : EINVAL;
    result = fs_make_special(call->server->share, fid->node, name, mode, makedev(major, minor), (struct fs_owner){fid->uid, gid});
    return result ? result : put_new(call, fid->node, name);
}

int p9_mkdir(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    g_autofree char *name = p9_get_string(&call->in);
    u32 mode = p9_get32(&call->in), gid = p9_get32(&call->in);

    if (result || call->in.bad)
        return result ? result : EINVAL;
    result = fs_make_folder(call->server->share, fid->node, name, mode, (struct fs_owner){fid->uid, gid});
    return result ? result : put_new(call, fid->node, name);
}

int p9_link(struct p9_call *call)
{
    struct p9_fid *folder, *fid = NULL;
    int result = p9_fid_take(call, &folder);

    result = result ? result : p9_fid_take(call, &fid);
    g_autofree char *name = p9_get_string(&call->in);
    if (result || call->in.bad)
        return result ? result : EINVAL;
    const struct fs_place place = p9_place(fid);
    return fs_link(call->server->share, &place, folder->node, name);
}

static int move(struct p9_call *call, struct fs_node *from, const char *old, struct fs_node *to, const char *name)
{
    int result = fs_rename(call->server->share, from, old, to, name);

    if (!result)
        p9_fids_rename(call->server, from, old, to, name);
    return result;
}

int p9_rename(struct p9_call *call)
{
    struct p9_fid *fid, *folder = NULL;
    int result = p9_fid_take(call, &fid);

    result = result ? result : p9_fid_take(call, &folder);
    g_autofree char *name = p9_get_string(&call->in);
    if (result || call->in.bad)
        return result ? result : EINVAL;
    if (!fid->folder)
        return EBUSY;
    /* The fid's own folder and name change on the way. */
    g_autofree char *old = g_strdup(fid->name);
    struct fs_node *from = fs_node_get(fid->folder), *to = fs_node_get(folder->node);
    result = move(call, from, old, to, name);
    fs_node_put(call->server->share, from);
    fs_node_put(call->server->share, to);
    return result;
}

int p9_renameat(struct p9_call *call)
{
    struct p9_fid *from, *to = NULL;
    int result = p9_fid_take(call, &from);
    g_autofree char *old = p9_get_string(&call->in);

    result = result ? result : p9_fid_take(call, &to);
    g_autofree char *name = p9_get_string(&call->in);
    if (result || call->in.bad)
        return result ? result : EINVAL;
    struct fs_node *source = fs_node_get(from->node), *target = fs_node_get(to->node);
    result = move(call, source, old, target, name);
    fs_node_put(call->server->share, source);
    fs_node_put(call->server->share, target);
    return result;
}

int p9_unlinkat(struct p9_call *call)
{
    enum { REMOVE_FOLDER = 0x200 };
    struct p9_fid *folder;
    int result = p9_fid_take(call, &folder);
    g_autofree char *name = p9_get_string(&call->in);
    u32 flags = p9_get32(&call->in);

    if (result || call->in.bad || flags & ~(u32)REMOVE_FOLDER)
        return result ? result : EINVAL;
    return fs_unlink(call->server->share, folder->node, name, flags & REMOVE_FOLDER);
}
