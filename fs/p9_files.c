/* fs/p9_files.c - opening, reading, writing, listing. */
#include "fs/p9_internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { QID_FOLDER = 0x80, QID_LINK = 0x02, READ_OVERHEAD = P9_HEADER + 4 };

static u8 qid_type(u32 mode)
{
    return S_ISDIR(mode) ? QID_FOLDER : S_ISLNK(mode) ? QID_LINK : 0;
}

int p9_put_qid(struct p9_call *call, const struct stat *st)
{
    u64 unique;
    int result = fs_unique(call->server->share, st->st_dev, st->st_ino, &unique);

    if (result)
        return result;
    p9_put8(&call->out, qid_type(st->st_mode));
    p9_put32(&call->out, (u32)(st->st_mtim.tv_sec ^ st->st_mtim.tv_nsec << 8 ^ st->st_size << 20));
    p9_put64(&call->out, unique);
    return 0;
}

static int put_qid_of(struct p9_call *call, const struct fs_place *place)
{
    struct stat st;
    int result = fs_stat(call->server->share, place, &st);

    return result ? result : p9_put_qid(call, &st);
}

/* Flags of open as 9P2000.L numbers them (Linux' generic ones), to the host's. */
static int host_flags(u32 flags)
{
    static const struct {
        u32 theirs;
        int ours;
    } rows[] = {
        {00000001, O_WRONLY}, {00000002, O_RDWR},      {00000200, O_EXCL},    {00001000, O_TRUNC},  {00002000, O_APPEND},
        {00010000, O_DSYNC},  {00200000, O_DIRECTORY}, {01000000, O_NOATIME}, {04000000, O_SYNC},
    };
    int host = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        host |= flags & rows[i].theirs ? rows[i].ours : 0;
    return (host & O_ACCMODE) == O_ACCMODE ? (host & ~O_ACCMODE) | O_RDWR : host;
}

static void opened(struct p9_server *server, struct p9_fid *fid, int fd, int flags)
{
    server->open++;
    fid->kind = P9_FID_OPEN;
    fid->fd = fd;
    fid->can_read = (flags & O_ACCMODE) != O_WRONLY;
    fid->can_write = (flags & O_ACCMODE) != O_RDONLY;
}

int p9_lopen(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid), flags = host_flags(p9_get32(&call->in)), fd;

    if (result || call->in.bad)
        return result ? result : EINVAL;
    if (fid->kind != P9_FID_PATH)
        return EBUSY;
    if (call->server->open >= fs_share_most_open(call->server->share))
        return ENFILE;
    fd = fs_open(call->server->share, fid->node, flags);
    if (fd < 0)
        return -fd;
    const struct fs_place place = p9_place(fid);
    result = put_qid_of(call, &place);
    if (result) {
        close(fd);
        return result;
    }
    p9_put32(&call->out, 0); /* iounit: as large as messages are */
    opened(call->server, fid, fd, flags);
    return 0;
}

int p9_lcreate(struct p9_call *call)
{
    struct fs_share *share = call->server->share;
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid), fd;
    g_autofree char *name = p9_get_string(&call->in);
    int flags = host_flags(p9_get32(&call->in));
    u32 mode = p9_get32(&call->in), gid = p9_get32(&call->in);

    if (result || call->in.bad)
        return result ? result : EINVAL;
    if (fid->kind != P9_FID_PATH)
        return EBUSY;
    if (call->server->open >= fs_share_most_open(share))
        return ENFILE;
    fd = fs_create(share, fid->node, name, flags, mode, (struct fs_owner){fid->uid, gid});
    if (fd < 0)
        return -fd;
    struct fs_node *node = NULL;
    result = fs_lookup(share, fid->node, name, &node);
    const struct fs_place place = {node, fid->node, name};
    result = result ? result : put_qid_of(call, &place);
    if (result) {
        fs_node_put(share, node);
        close(fd);
        return result;
    }
    p9_put32(&call->out, 0);
    struct fs_node *folder = fs_node_get(fid->node);
    p9_fid_move(call->server, fid, node, folder, name);
    fs_node_put(share, folder);
    opened(call->server, fid, fd, flags);
    return 0;
}

int p9_read(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    u64 offset = p9_get64(&call->in);
    u32 count = p9_get32(&call->in);

    if (result || call->in.bad)
        return result ? result : EINVAL;
    count = MIN(count, call->out.limit - READ_OVERHEAD);
    if (fid->kind == P9_FID_XATTR_READ)
        return p9_xattr_read(call, fid, offset, count);
    if (fid->kind != P9_FID_OPEN || !fid->can_read)
        return EBADF;
    if (S_ISDIR(fid->node->type))
        return EISDIR;
    if (offset > INT64_MAX)
        return EINVAL;
    p9_put32(&call->out, 0);
    u8 *data = p9_put_room(&call->out, count);
    ssize_t length = data ? pread(fid->fd, data, count, (off_t)offset) : 0;
    if (length < 0)
        return errno;
    g_byte_array_set_size(call->out.bytes, READ_OVERHEAD + (guint)length);
    for (unsigned i = 0; i < 4; i++)
        call->out.bytes->data[P9_HEADER + i] = (u8)((u32)length >> (8 * i));
    return 0;
}

int p9_write(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    u64 offset = p9_get64(&call->in);
    u32 count = p9_get32(&call->in);
    const u8 *data = p9_get_bytes(&call->in, count);

    if (result || !data)
        return result ? result : EINVAL;
    if (fid->kind == P9_FID_XATTR_WRITE)
        return p9_xattr_write(call, fid, offset, data, count);
    if (fid->kind != P9_FID_OPEN || !fid->can_write)
        return EBADF;
    if (offset > INT64_MAX - (u64)count)
        return EFBIG;
    ssize_t length = pwrite(fid->fd, data, count, (off_t)offset);
    if (length < 0)
        return errno;
    p9_put32(&call->out, (u32)length);
    return 0;
}

/* As the kernel has it; glibc's struct dirent64. */
static int put_entry(struct p9_call *call, const struct fs_node *folder, const struct dirent64 *entry)
{
    bool mapped = fs_share_options(call->server->share)->security >= FS_MAPPED_XATTR;
    u8 kind = mapped && entry->d_type != DT_DIR ? DT_UNKNOWN : entry->d_type;
    u64 unique;
    int result = fs_unique(call->server->share, folder->dev, entry->d_ino, &unique);

    if (result)
        return result;
    p9_put8(&call->out, kind == DT_DIR ? QID_FOLDER : kind == DT_LNK ? QID_LINK : 0);
    p9_put32(&call->out, 0);
    p9_put64(&call->out, unique);
    p9_put64(&call->out, (u64)entry->d_off);
    p9_put8(&call->out, kind);
    p9_put_string(&call->out, entry->d_name);
    return 0;
}

static bool is_shown(const struct p9_call *call, const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..") || fs_name_is_valid(call->server->share, name);
}

/* Entries of one getdents64 as far as there is room. *more: the answer can take further ones. */
static int put_entries(struct p9_call *call, const struct p9_fid *fid, const u8 *buffer, ssize_t length, u32 end, bool *more)
{
    enum { ENTRY_OVERHEAD = 13 + 8 + 1 + 2 };

    for (ssize_t at = 0; at < length;) {
        const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer + at);

        at += entry->d_reclen;
        if (!is_shown(call, entry->d_name))
            continue;
        if (call->out.bytes->len + ENTRY_OVERHEAD + strlen(entry->d_name) > end) {
            *more = false;
            return 0;
        }
        int result = put_entry(call, fid->node, entry);
        if (result)
            return result;
    }
    return 0;
}

int p9_readdir(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    u64 offset = p9_get64(&call->in);
    u32 count = p9_get32(&call->in);
    u8 buffer[16384] __attribute__((aligned(8)));
    bool more = true;

    if (result || call->in.bad)
        return result ? result : EINVAL;
    if (fid->kind != P9_FID_OPEN || !S_ISDIR(fid->node->type))
        return EBADF;
    if (offset > INT64_MAX || lseek(fid->fd, (off_t)offset, SEEK_SET) < 0)
        return EINVAL;
    p9_put32(&call->out, 0);
    u32 end = MIN(count, call->out.limit - READ_OVERHEAD) + READ_OVERHEAD;
    while (more) {
        ssize_t length = getdents64(fid->fd, buffer, sizeof(buffer));

        if (length < 0)
            return errno;
        if (!length)
            break;
        result = put_entries(call, fid, buffer, length, end, &more);
        if (result)
            return result;
    }
    u32 size = call->out.bytes->len - READ_OVERHEAD;
    for (unsigned i = 0; i < 4; i++)
        call->out.bytes->data[P9_HEADER + i] = (u8)(size >> (8 * i));
    return 0;
}

int p9_fsync(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    bool data_only = call->in.left >= 4 && p9_get32(&call->in);

    if (result)
        return result;
    if (fid->kind != P9_FID_OPEN)
        return EBADF;
    return (data_only ? fdatasync(fid->fd) : fsync(fid->fd)) ? errno : 0;
}

/* The guest's kernel keeps its own processes apart; nobody outside takes part in its locks. */
int p9_lock(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);

    p9_get8(&call->in);
    p9_get32(&call->in);
    p9_get64(&call->in);
    p9_get64(&call->in);
    p9_get32(&call->in);
    g_free(p9_get_string(&call->in));
    if (result || call->in.bad)
        return result ? result : EINVAL;
    if (fid->kind != P9_FID_OPEN)
        return EBADF;
    p9_put8(&call->out, 0); /* success */
    return 0;
}

int p9_getlock(struct p9_call *call)
{
    enum { UNLOCKED = 2 };
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);

    p9_get8(&call->in);
    u64 start = p9_get64(&call->in), length = p9_get64(&call->in);
    u32 process = p9_get32(&call->in);
    g_autofree char *client = p9_get_string(&call->in);
    if (result || call->in.bad)
        return result ? result : EINVAL;
    if (fid->kind != P9_FID_OPEN)
        return EBADF;
    p9_put8(&call->out, UNLOCKED);
    p9_put64(&call->out, start);
    p9_put64(&call->out, length);
    p9_put32(&call->out, process);
    p9_put_string(&call->out, client);
    return 0;
}

int p9_statfs(struct p9_call *call)
{
    struct p9_fid *fid;
    struct statfs fs;
    int result = p9_fid_take(call, &fid);

    if (result)
        return result;
    if (fstatfs(fid->node->fd, &fs))
        return errno;
    p9_put32(&call->out, (u32)fs.f_type);
    p9_put32(&call->out, (u32)fs.f_bsize);
    p9_put64(&call->out, fs.f_blocks);
    p9_put64(&call->out, fs.f_bfree);
    p9_put64(&call->out, fs.f_bavail);
    p9_put64(&call->out, fs.f_files);
    p9_put64(&call->out, fs.f_ffree);
    p9_put64(&call->out, (u32)fs.f_fsid.__val[0] | (u64)(u32)fs.f_fsid.__val[1] << 32);
    p9_put32(&call->out, (u32)fs.f_namelen);
    return 0;
}
