/* fs/p9_fids.c - handles of the client: finding, walking, letting go. */
#include "fs/p9_internal.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

struct p9_fid *p9_fid_find(struct p9_server *server, u32 id)
{
    return g_hash_table_lookup(server->fids, GUINT_TO_POINTER(id));
}

int p9_fid_take(struct p9_call *call, struct p9_fid **fid)
{
    u32 id = p9_get32(&call->in);

    *fid = call->in.bad ? NULL : p9_fid_find(call->server, id);
    return *fid ? 0 : call->in.bad ? EINVAL : EBADF;
}

int p9_fid_add(struct p9_server *server, u32 id, struct fs_node *node, struct fs_node *folder, const char *name, u32 uid, struct p9_fid **fid)
{
    int result = id == P9_NOFID || p9_fid_find(server, id) ? EBADF : g_hash_table_size(server->fids) >= P9_FIDS_MAX ? ENFILE : 0;

    *fid = NULL;
    if (result) {
        fs_node_put(server->share, node);
        return result;
    }
    *fid = g_new0(struct p9_fid, 1);
    **fid = (struct p9_fid){.id = id, .node = node, .uid = uid, .fd = -1, .name = g_strdup(name)};
    (*fid)->folder = folder ? fs_node_get(folder) : NULL;
    g_hash_table_insert(server->fids, GUINT_TO_POINTER(id), *fid);
    return 0;
}

void p9_fid_remove(struct p9_server *server, struct p9_fid *fid)
{
    g_hash_table_remove(server->fids, GUINT_TO_POINTER(fid->id));
    if (fid->fd >= 0) {
        close(fid->fd);
        server->open--;
    }
    if (fid->value)
        server->xattr_bytes -= fid->size;
    fs_node_put(server->share, fid->node);
    fs_node_put(server->share, fid->folder);
    g_free(fid->value);
    g_free(fid->xattr);
    g_free(fid->name);
    g_free(fid);
}

void p9_fid_move(struct p9_server *server, struct p9_fid *fid, struct fs_node *node, struct fs_node *folder, const char *name)
{
    char *copy = g_strdup(name);

    folder = folder ? fs_node_get(folder) : NULL;
    fs_node_put(server->share, fid->node);
    fs_node_put(server->share, fid->folder);
    g_free(fid->name);
    fid->node = node;
    fid->folder = folder;
    fid->name = copy;
}

void p9_fids_rename(struct p9_server *server, struct fs_node *from, const char *old, struct fs_node *to, const char *name)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, server->fids);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct p9_fid *fid = value;

        if (fid->folder == from && !strcmp(fid->name, old))
            p9_fid_move(server, fid, fs_node_get(fid->node), to, name);
    }
}

int p9_attach(struct p9_call *call)
{
    struct fs_share *share = call->server->share;
    u32 id = p9_get32(&call->in), authenticated = p9_get32(&call->in);
    g_free(p9_get_string(&call->in)); /* the user's name: its number is what counts */
    g_autofree char *tree = p9_get_string(&call->in);
    u32 uid = p9_get32(&call->in);
    struct p9_fid *fid;
    struct stat st;

    if (call->in.bad || authenticated != P9_NOFID)
        return EINVAL;
    if (*tree && strcmp(tree, "/"))
        return ENOENT;
    int result = p9_fid_add(call->server, id, fs_root(share), NULL, NULL, uid == P9_NOFID ? 0 : uid, &fid);
    if (result)
        return result;
    const struct fs_place place = p9_place(fid);
    result = fs_stat(share, &place, &st);
    result = result ? result : p9_put_qid(call, &st);
    if (result)
        p9_fid_remove(call->server, fid);
    return result;
}

/* Where a walk is. */
struct walk {
    struct fs_node *node, *folder;
    char *name;
};

/* One step; the qid goes into the answer. */
static int step(struct p9_call *call, struct walk *at, const char *name)
{
    struct fs_share *share = call->server->share;
    struct fs_node *next;
    struct stat st;
    int result = fs_lookup(share, at->node, name, &next);

    if (result)
        return result;
    /* After ".." the name is not known; what needs it (mapped-file) then knows nothing about the folder. */
    bool up = !strcmp(name, "..");
    const struct fs_place place = {next, up ? next->parent : at->node, up ? "." : name};
    result = fs_stat(share, &place, &st);
    result = result ? result : p9_put_qid(call, &st);
    if (result) {
        fs_node_put(share, next);
        return result;
    }
    struct fs_node *folder = place.folder ? fs_node_get(place.folder) : NULL;
    fs_node_put(share, at->node);
    fs_node_put(share, at->folder);
    g_free(at->name);
    *at = (struct walk){next, folder, folder ? g_strdup(place.name) : NULL};
    return 0;
}

static void forget(struct p9_call *call, struct walk *at)
{
    fs_node_put(call->server->share, at->node);
    fs_node_put(call->server->share, at->folder);
    g_free(at->name);
}

/* A clone, or the same fid elsewhere. Takes at->node over. */
static int settle(struct p9_call *call, struct p9_fid *fid, u32 id, struct walk *at)
{
    struct p9_fid *clone;
    int result = 0;

    if (id == fid->id)
        p9_fid_move(call->server, fid, g_steal_pointer(&at->node), at->folder, at->name);
    else
        result = p9_fid_add(call->server, id, g_steal_pointer(&at->node), at->folder, at->name, fid->uid, &clone);
    return result;
}

int p9_walk(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);
    u32 id = p9_get32(&call->in);
    u16 count = p9_get16(&call->in), done = 0;

    if (result)
        return result;
    if (call->in.bad || count > P9_WALK_MAX || id == P9_NOFID)
        return EINVAL;
    if ((id != fid->id && p9_fid_find(call->server, id)) || fid->kind == P9_FID_XATTR_READ || fid->kind == P9_FID_XATTR_WRITE)
        return EBADF;
    if (id == fid->id && fid->kind != P9_FID_PATH)
        return EINVAL;
    u32 count_at = call->out.bytes->len;
    p9_put16(&call->out, 0);
    struct walk at = {fs_node_get(fid->node), fid->folder ? fs_node_get(fid->folder) : NULL, g_strdup(fid->name)};
    for (; done < count && !result; done += !result) {
        g_autofree char *name = p9_get_string(&call->in);

        result = call->in.bad ? EINVAL : step(call, &at, name);
    }
    if (call->out.full)
        result = EMSGSIZE;
    else if (done && result != EINVAL)
        call->out.bytes->data[count_at] = (u8)done; /* at most 16 */
    if (done == count && !result)
        result = settle(call, fid, id, &at);
    else if (done && result != EINVAL && result != EMSGSIZE)
        result = 0; /* the client sees by the count that the rest failed */
    forget(call, &at);
    return result;
}

int p9_clunk(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);

    if (result)
        return result;
    if (fid->kind == P9_FID_XATTR_WRITE)
        result = p9_xattr_commit(call->server, fid);
    p9_fid_remove(call->server, fid);
    return result;
}

int p9_remove(struct p9_call *call)
{
    struct p9_fid *fid;
    int result = p9_fid_take(call, &fid);

    if (result)
        return result;
    /* The name may stand for something else by now: that stays. */
    struct fs_node *now = NULL;
    result = !fid->folder || !strcmp(fid->name, ".") ? EBUSY : fs_lookup(call->server->share, fid->folder, fid->name, &now);
    if (!result && now != fid->node)
        result = ENOENT;
    if (!result)
        result = fs_unlink(call->server->share, fid->folder, fid->name, S_ISDIR(fid->node->type));
    fs_node_put(call->server->share, now);
    p9_fid_remove(call->server, fid); /* also when it failed */
    return result;
}
