/* fs/p9_xattr.c - extended attributes: fids that stand for a value. */
#include "fs/p9_internal.h"
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

/* Linux's limits for a value and for a list of names. */
enum { VALUE_MAX = 65536 };

/* Room for a value within what one client may have. */
static int reserve(struct p9_server *server, struct p9_fid *fid, u32 size)
{
    if (server->xattr_bytes + size > P9_XATTR_BYTES_MAX)
        return ENOSPC;
    server->xattr_bytes += size;
    fid->value = g_malloc0(MAX(size, 1));
    fid->size = size;
    return 0;
}

static int load(struct p9_server *server, struct p9_fid *fid, const char *name)
{
    g_autofree u8 *buffer = g_malloc(VALUE_MAX);
    ssize_t length = *name ? fs_get_xattr(server->share, fid->node, name, buffer, VALUE_MAX)
                           : fs_list_xattr(server->share, fid->node, (char *)buffer, VALUE_MAX);
    int result = length < 0 ? (int)-length : reserve(server, fid, (u32)length);

    if (!result)
        memcpy(fid->value, buffer, (size_t)length);
    return result;
}

int p9_xattrwalk(struct p9_call *call)
{
    struct p9_fid *fid, *made;
    int result = p9_fid_take(call, &fid);
    u32 id = p9_get32(&call->in);
    g_autofree char *name = p9_get_string(&call->in);

    if (result || call->in.bad)
        return result ? result : EINVAL;
    result = p9_fid_add(call->server, id, fs_node_get(fid->node), fid->folder, fid->name, fid->uid, &made);
    if (result)
        return result;
    result = load(call->server, made, name);
    if (result) {
        p9_fid_remove(call->server, made);
        return result;
    }
    made->kind = P9_FID_XATTR_READ;
    p9_put64(&call->out, made->size);
    return 0;
}

int p9_xattrcreate(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    g_autofree char *name = p9_get_string(&call->in);
    u64 size = p9_get64(&call->in);
    u32 flags = p9_get32(&call->in);

    if (result || call->in.bad)
        return result ? result : EINVAL;
    if (fid->kind != P9_FID_PATH)
        return EBUSY;
    if (!*name || flags & ~(u32)(XATTR_CREATE | XATTR_REPLACE))
        return EINVAL;
    if (size > VALUE_MAX)
        return E2BIG;
    result = reserve(call->server, fid, (u32)size);
    if (result)
        return result;
    fid->kind = P9_FID_XATTR_WRITE;
    fid->xattr = g_steal_pointer(&name);
    fid->flags = (int)flags;
    return 0;
}

int p9_xattr_read(struct p9_call *call, struct p9_fid *fid, u64 offset, u32 count)
{
    u32 length = offset < fid->size ? MIN(count, fid->size - (u32)offset) : 0;

    p9_put32(&call->out, length);
    u8 *data = p9_put_room(&call->out, length);
    if (data && length)
        memcpy(data, fid->value + offset, length);
    return 0;
}

int p9_xattr_write(struct p9_call *call, struct p9_fid *fid, u64 offset, const u8 *data, u32 count)
{
    if (offset > fid->size || count > fid->size - offset)
        return ENOSPC;
    memcpy(fid->value + offset, data, count);
    if (offset <= fid->written)
        fid->written = MAX(fid->written, (u32)offset + count);
    p9_put32(&call->out, count);
    return 0;
}

/* An empty value removes the attribute, as v9fs has it. A value that did not come whole changes nothing. */
int p9_xattr_commit(struct p9_server *server, struct p9_fid *fid)
{
    if (fid->written != fid->size)
        return EINVAL;
    if (!fid->size && fid->flags == XATTR_REPLACE)
        return fs_remove_xattr(server->share, fid->node, fid->xattr);
    return fs_set_xattr(server->share, fid->node, fid->xattr, fid->value, fid->size, fid->flags);
}
