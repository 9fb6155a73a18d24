/* tests/unit/p9_client.h - a client of the 9P server for tests: calls that return 0 or the server's errno value. */
#ifndef TESTS_UNIT_P9_CLIENT_H
#define TESTS_UNIT_P9_CLIENT_H

#include "fs/p9.h"
#include "fs/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

struct client {
    char *dir;               /* the shared folder is dir/share */
    struct fs_share *share;
    struct p9_server *server;
    GByteArray *request, *answer;
    struct p9_in in;         /* the answer's body */
};

/* Arguments by format: b 8, h 16, w 32, d 64 bits, s string. Returns the errno value of an Rlerror. */
static inline int call(struct client *c, u8 type, const char *format, ...)
{
    struct p9_out out = {c->request, 1 << 20, false};
    va_list args;

    g_byte_array_set_size(c->request, 0);
    p9_put32(&out, 0);
    p9_put8(&out, type);
    p9_put16(&out, 7);
    va_start(args, format);
    for (; *format; format++) {
        if (*format == 'b')
            p9_put8(&out, (u8)va_arg(args, unsigned));
        else if (*format == 'h')
            p9_put16(&out, (u16)va_arg(args, unsigned));
        else if (*format == 'w')
            p9_put32(&out, va_arg(args, u32));
        else if (*format == 'd')
            p9_put64(&out, va_arg(args, u64));
        else
            p9_put_string(&out, va_arg(args, const char *));
    }
    va_end(args);
    for (unsigned i = 0; i < 4; i++)
        c->request->data[i] = (u8)(c->request->len >> (8 * i));
    g_assert_true(p9_server_handle(c->server, c->request->data, c->request->len, 1 << 20, c->answer));
    c->in = (struct p9_in){c->answer->data, c->answer->len, false};
    g_assert_cmpuint(p9_get32(&c->in), ==, c->answer->len);
    u8 answered = p9_get8(&c->in);
    g_assert_cmpuint(p9_get16(&c->in), ==, 7);
    if (answered == 7)
        return (int)p9_get32(&c->in);
    g_assert_cmpuint(answered, ==, type + 1u);
    return 0;
}

#define W(x) ((u32)(x))
#define D(x) ((u64)(x))

static inline int walk(struct client *c, u32 from, u32 to, const char *name)
{
    return name ? call(c, 110, "wwhs", from, to, 1, name) : call(c, 110, "wwh", from, to, 0);
}

static inline int clunk(struct client *c, u32 fid)
{
    return call(c, 120, "w", fid);
}

static inline int lopen(struct client *c, u32 fid, u32 flags)
{
    return call(c, 12, "ww", fid, flags);
}

static inline int create(struct client *c, u32 fid, const char *name, u32 flags, u32 mode)
{
    return call(c, 14, "wswww", fid, name, flags, mode, W(1234));
}

static inline int write_text(struct client *c, u32 fid, u64 offset, const char *text)
{
    struct p9_out out = {c->request, 1 << 20, false};
    u32 length = W(strlen(text));

    g_byte_array_set_size(c->request, 0);
    p9_put32(&out, 23 + length);
    p9_put8(&out, 118);
    p9_put16(&out, 7);
    p9_put32(&out, fid);
    p9_put64(&out, offset);
    p9_put32(&out, length);
    memcpy(p9_put_room(&out, length), text, length);
    g_assert_true(p9_server_handle(c->server, c->request->data, c->request->len, 1 << 20, c->answer));
    c->in = (struct p9_in){c->answer->data + 7, c->answer->len - 7, false};
    return c->answer->data[4] == 7 ? (int)p9_get32(&c->in) : 0;
}

/* What a read gives, as text; "E<number>" on an error. The caller frees. */
static inline char *read_text(struct client *c, u32 fid, u64 offset, u32 count)
{
    int result = call(c, 116, "wdw", fid, offset, count);

    if (result)
        return g_strdup_printf("E%d", result);
    u32 length = p9_get32(&c->in);
    return g_strndup((const char *)p9_get_bytes(&c->in, length), length);
}

struct attributes {
    u32 mode, uid, gid;
    u64 size, links, rdev, inode;
    u8 kind;
};

static inline int getattr(struct client *c, u32 fid, struct attributes *a)
{
    int result = call(c, 24, "wd", fid, D(0x7ff));

    if (result)
        return result;
    g_assert_cmpuint(p9_get64(&c->in), ==, 0x7ff);
    a->kind = p9_get8(&c->in);
    p9_get32(&c->in);
    a->inode = p9_get64(&c->in);
    a->mode = p9_get32(&c->in);
    a->uid = p9_get32(&c->in);
    a->gid = p9_get32(&c->in);
    a->links = p9_get64(&c->in);
    a->rdev = p9_get64(&c->in);
    a->size = p9_get64(&c->in);
    p9_get_bytes(&c->in, 16 + 48 + 48 + 16 - 16);
    return 0;
}

static inline int setattr(struct client *c, u32 fid, u32 valid, u32 mode, u32 uid, u32 gid, u64 size, u64 mtime)
{
    return call(c, 26, "wwwwwddddd", fid, valid, mode, uid, gid, size, D(0), D(0), mtime, D(0));
}

/* A server for a fresh folder; fid 0 is its root. */
static inline void client_init(struct client *c, enum fs_security security, bool readonly)
{
    struct fs_options options = {.id = (char *)"fs0", .security = security, .readonly = readonly, .fmode = 0600, .dmode = 0700};
    GError *error = NULL;

    memset(c, 0, sizeof(*c));
    c->dir = g_dir_make_tmp("mynah-p9-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(c->dir, "share", NULL);
    g_assert_cmpint(mkdir(path, 0755), ==, 0);
    options.path = path;
    c->share = fs_share_open(&options, &error);
    g_assert_no_error(error);
    c->server = p9_server_create(c->share);
    c->request = g_byte_array_new();
    c->answer = g_byte_array_new();
    g_assert_cmpint(call(c, 100, "ws", W(65536), "9P2000.L"), ==, 0);
    g_assert_cmpint(call(c, 104, "wwssw", W(0), W(~0), "root", "", W(0)), ==, 0);
}

static inline void client_finish(struct client *c)
{
    g_autofree char *remove = g_strdup_printf("rm -rf '%s'", c->dir);

    p9_server_destroy(c->server);
    fs_share_close(c->share);
    g_byte_array_unref(c->request);
    g_byte_array_unref(c->answer);
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
    g_free(c->dir);
}

/* A path of the host below the test's folder; the caller frees. */
static inline char *host_path(const struct client *c, const char *name)
{
    return g_build_filename(c->dir, name, NULL);
}

static inline void host_write(const struct client *c, const char *name, const char *text)
{
    g_autofree char *path = host_path(c, name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static inline char *host_read(const struct client *c, const char *name)
{
    g_autofree char *path = host_path(c, name);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

#endif
