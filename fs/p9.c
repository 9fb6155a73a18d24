/* fs/p9.c - dispatch of 9P messages, and those about the session. */
#include "fs/p9_internal.h"
#include <errno.h>
#include <string.h>

enum { RLERROR = 7, TVERSION = 100, TAUTH = 102, TFLUSH = 108 };

struct handler {
    u8 type;
    int (*run)(struct p9_call *call);
};

/* Answers are of the next type. */
static const struct handler handlers[] = {
    {8, p9_statfs},      {12, p9_lopen},   {14, p9_lcreate},  {16, p9_symlink},   {18, p9_mknod},   {20, p9_rename},
    {22, p9_readlink},   {24, p9_getattr}, {26, p9_setattr},  {30, p9_xattrwalk}, {32, p9_xattrcreate},
    {40, p9_readdir},    {50, p9_fsync},   {52, p9_lock},     {54, p9_getlock},   {70, p9_link},    {72, p9_mkdir},
    {74, p9_renameat},   {76, p9_unlinkat}, {104, p9_attach}, {110, p9_walk},     {116, p9_read},   {118, p9_write},
    {120, p9_clunk},     {122, p9_remove},
};

struct p9_server *p9_server_create(struct fs_share *share)
{
    struct p9_server *server = g_new0(struct p9_server, 1);

    server->share = share;
    server->fids = g_hash_table_new(NULL, NULL);
    return server;
}

void p9_server_reset(struct p9_server *server)
{
    GHashTableIter iter;
    gpointer fid;

    for (;;) {
        g_hash_table_iter_init(&iter, server->fids);
        if (!g_hash_table_iter_next(&iter, NULL, &fid))
            break;
        p9_fid_remove(server, fid);
    }
    server->msize = 0;
}

void p9_server_destroy(struct p9_server *server)
{
    if (!server)
        return;
    p9_server_reset(server);
    g_hash_table_unref(server->fids);
    g_free(server);
}

/* Begins a session: everything of the one before is given up. */
static int version(struct p9_call *call)
{
    u32 msize = p9_get32(&call->in);
    g_autofree char *wanted = p9_get_string(&call->in);
    bool known = !strcmp(wanted, "9P2000.L");

    if (call->in.bad || msize < P9_MESSAGE_MIN)
        return EMSGSIZE;
    p9_server_reset(call->server);
    msize = MIN(msize, P9_MESSAGE_MAX);
    if (known)
        call->server->msize = msize;
    p9_put32(&call->out, msize);
    p9_put_string(&call->out, known ? wanted : "unknown");
    return 0;
}

static int run(struct p9_call *call, u8 type)
{
    if (type == TVERSION)
        return version(call);
    if (type == TFLUSH) /* requests are done in order: what is to be cancelled is done */
        return 0;
    if (type == TAUTH) /* nobody has to prove who he is */
        return EOPNOTSUPP;
    if (!call->server->msize)
        return EPROTO;
    for (unsigned i = 0; i < ARRAY_SIZE(handlers); i++) {
        if (handlers[i].type == type)
            return handlers[i].run(call);
    }
    return EOPNOTSUPP;
}

static void set32(u8 *at, u32 value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (u8)(value >> (8 * i));
}

static void begin(struct p9_out *out, u8 type, u16 tag)
{
    g_byte_array_set_size(out->bytes, 0);
    out->full = false;
    p9_put32(out, 0);
    p9_put8(out, type);
    p9_put16(out, tag);
}

bool p9_server_handle(struct p9_server *server, const u8 *message, u32 size, u32 room, GByteArray *answer)
{
    u32 limit = MIN(room, server->msize ? server->msize : P9_MESSAGE_MIN);
    struct p9_call call = {.server = server, .in = {message, size, false}, .out = {answer, limit, false}};
    u32 length = p9_get32(&call.in);
    u8 type = p9_get8(&call.in);
    u16 tag = p9_get16(&call.in);

    g_byte_array_set_size(answer, 0);
    if (call.in.bad || length < P9_HEADER || length > size || room < P9_HEADER + 4)
        return false;
    call.in.left = length - P9_HEADER;
    begin(&call.out, (u8)(type + 1), tag);
    int result = run(&call, type);
    if (!result && call.in.bad)
        result = EINVAL;
    if (!result && call.out.full)
        result = EMSGSIZE;
    if (result) {
        begin(&call.out, RLERROR, tag);
        p9_put32(&call.out, (u32)result);
    }
    set32(answer->data, answer->len);
    return true;
}
