/* tests/unit/p9.c - the 9P server: every request, the security models, what a client cannot reach, limits, random messages. */
#include "tests/unit/p9_client.h"
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum { RDONLY = 0, WRONLY = 1, RDWR = 2, EXCL = 0200, TRUNC = 01000, FOLDER = 0200000 };

#define OK(x)         g_assert_cmpint(x, ==, 0)
#define FAILS(x, why) g_assert_cmpint(x, ==, why)

static void test_session(void)
{
    struct client c;

    client_init(&c, FS_NONE, false);
    OK(call(&c, 100, "ws", W(1 << 30), "9P2000.L"));
    g_assert_cmpuint(p9_get32(&c.in), ==, P9_MESSAGE_MAX);
    FAILS(walk(&c, 0, 1, NULL), EBADF); /* a new session has no fids */
    OK(call(&c, 100, "ws", W(8192), "9P2000.u"));
    p9_get32(&c.in);
    g_autofree char *version = p9_get_string(&c.in);
    g_assert_cmpstr(version, ==, "unknown");
    FAILS(call(&c, 104, "wwssw", W(0), W(~0), "root", "", W(0)), EPROTO);
    FAILS(call(&c, 100, "ws", W(100), "9P2000.L"), EMSGSIZE);
    OK(call(&c, 100, "ws", W(8192), "9P2000.L"));
    FAILS(call(&c, 104, "wwssw", W(0), W(5), "root", "", W(0)), EINVAL);
    FAILS(call(&c, 104, "wwssw", W(0), W(~0), "root", "/etc", W(0)), ENOENT);
    OK(call(&c, 104, "wwssw", W(0), W(~0), "root", "/", W(0)));
    FAILS(call(&c, 104, "wwssw", W(0), W(~0), "root", "/", W(0)), EBADF);
    FAILS(call(&c, 102, "wss", W(9), "root", ""), EOPNOTSUPP);
    FAILS(call(&c, 10, "w", W(0)), EOPNOTSUPP);
    OK(call(&c, 108, "h", 3));
    client_finish(&c);
}

static void test_files(void)
{
    struct client c;
    struct attributes a = {0};

    client_init(&c, FS_NONE, false);
    OK(walk(&c, 0, 1, NULL));
    OK(create(&c, 1, "file", RDWR, 0640));
    OK(write_text(&c, 1, 0, "hello world"));
    OK(write_text(&c, 1, 6, "there"));
    g_autofree char *read = read_text(&c, 1, 0, 4096), *host = host_read(&c, "share/file");
    g_assert_cmpstr(read, ==, "hello there");
    g_assert_cmpstr(host, ==, "hello there");
    g_autofree char *end = read_text(&c, 1, 100, 4096);
    g_assert_cmpstr(end, ==, "");
    OK(getattr(&c, 1, &a));
    g_assert_cmpuint(a.mode, ==, S_IFREG | 0640);
    g_assert_cmpuint(a.size, ==, 11);
    OK(setattr(&c, 1, 1 | 8 | 0x120, 0600, 0, 0, 5, 1000000));
    g_autofree char *path = host_path(&c, "share/file");
    struct stat st;
    OK(stat(path, &st));
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
    g_assert_cmpint(st.st_size, ==, 5);
    g_assert_cmpint(st.st_mtime, ==, 1000000);
    OK(call(&c, 50, "ww", W(1), W(0)));
    OK(call(&c, 52, "wbwddws", W(1), 1, W(0), D(0), D(10), W(1), "me"));
    g_assert_cmpuint(p9_get8(&c.in), ==, 0);
    OK(call(&c, 54, "wbddws", W(1), 1, D(0), D(10), W(1), "me"));
    g_assert_cmpuint(p9_get8(&c.in), ==, 2);
    FAILS(lopen(&c, 1, RDONLY), EBUSY);
    FAILS(walk(&c, 1, 1, NULL), EINVAL);
    OK(walk(&c, 1, 2, NULL)); /* clones of open fids are not open */
    FAILS(write_text(&c, 2, 0, "x"), EBADF);
    OK(lopen(&c, 2, RDONLY));
    FAILS(write_text(&c, 2, 0, "x"), EBADF);
    OK(clunk(&c, 2));
    OK(walk(&c, 0, 2, NULL));
    FAILS(create(&c, 2, "file", RDWR | EXCL, 0640), EEXIST);
    OK(create(&c, 2, "file", RDWR | TRUNC, 0640));
    OK(getattr(&c, 2, &a));
    g_assert_cmpuint(a.size, ==, 0);
    OK(call(&c, 8, "w", W(2)));
    client_finish(&c);
}

static void test_tree(void)
{
    struct client c;
    struct attributes a = {0}, b = {0};

    client_init(&c, FS_NONE, false);
    OK(call(&c, 72, "wsww", W(0), "dir", W(0755), W(0)));
    FAILS(call(&c, 72, "wsww", W(0), "dir", W(0755), W(0)), EEXIST);
    OK(walk(&c, 0, 1, "dir"));
    OK(call(&c, 72, "wsww", W(1), "sub", W(0755), W(0)));
    OK(call(&c, 110, "wwhss", W(0), W(2), 2, "dir", "sub"));
    g_assert_cmpuint(p9_get16(&c.in), ==, 2);
    OK(call(&c, 110, "wwhss", W(0), W(3), 2, "dir", "none")); /* the answer says how far it came */
    g_assert_cmpuint(p9_get16(&c.in), ==, 1);
    FAILS(clunk(&c, 3), EBADF);
    FAILS(walk(&c, 0, 3, "none"), ENOENT);
    OK(walk(&c, 2, 3, ".."));
    OK(getattr(&c, 3, &a));
    OK(getattr(&c, 1, &b));
    g_assert_cmpuint(a.inode, ==, b.inode);
    OK(walk(&c, 2, 4, NULL));
    OK(create(&c, 4, "file", WRONLY, 0644));
    OK(walk(&c, 2, 5, "file"));
    OK(call(&c, 70, "wws", W(1), W(5), "hard"));
    OK(getattr(&c, 5, &a));
    g_assert_cmpuint(a.links, ==, 2);
    OK(call(&c, 74, "wsws", W(2), "file", W(0), "moved"));
    OK(call(&c, 20, "wws", W(5), W(1), "again")); /* the fid knows that it is now called "moved" */
    OK(walk(&c, 1, 6, "again"));
    OK(call(&c, 122, "w", W(6))); /* Tremove */
    FAILS(walk(&c, 1, 6, "again"), ENOENT);
    OK(walk(&c, 1, 6, "hard"));
    FAILS(call(&c, 76, "wsw", W(0), "dir", W(0)), EISDIR);
    FAILS(call(&c, 76, "wsw", W(0), "dir", W(0x200)), ENOTEMPTY);
    OK(call(&c, 76, "wsw", W(1), "hard", W(0)));
    OK(call(&c, 74, "wsws", W(1), "sub", W(0), "up"));
    OK(walk(&c, 2, 7, "..")); /* the folder's parent follows */
    OK(getattr(&c, 7, &a));
    OK(getattr(&c, 0, &b));
    g_assert_cmpuint(a.inode, ==, b.inode);
    OK(call(&c, 76, "wsw", W(0), "dir", W(0x200)));
    FAILS(call(&c, 122, "w", W(0)), EBUSY);
    client_finish(&c);
}

static void test_links_and_special(void)
{
    struct client c;
    struct attributes a = {0};

    client_init(&c, FS_NONE, false);
    OK(call(&c, 16, "wssw", W(0), "link", "/etc/passwd", W(0)));
    OK(walk(&c, 0, 1, "link"));
    OK(getattr(&c, 1, &a));
    g_assert_cmpuint(a.mode & S_IFMT, ==, S_IFLNK);
    g_assert_cmpuint(a.kind, ==, 2);
    OK(call(&c, 22, "w", W(1)));
    g_autofree char *target = p9_get_string(&c.in);
    g_assert_cmpstr(target, ==, "/etc/passwd");
    FAILS(lopen(&c, 1, RDONLY), ELOOP);
    FAILS(call(&c, 22, "w", W(0)), EINVAL);
    OK(call(&c, 18, "wswwww", W(0), "pipe", W(S_IFIFO | 0644), W(0), W(0), W(0)));
    OK(walk(&c, 0, 2, "pipe"));
    FAILS(lopen(&c, 2, RDONLY), ENXIO); /* would wait for a writer */
    FAILS(call(&c, 18, "wswwww", W(0), "x", W(S_IFDIR | 0644), W(0), W(0), W(0)), EINVAL);
    client_finish(&c);
}

static GHashTable *list(struct client *c, u32 fid, u32 count)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    u64 offset = 0;

    for (;;) {
        OK(call(c, 40, "wdw", fid, offset, count));
        u32 size = p9_get32(&c->in);
        if (!size)
            return names;
        g_assert_cmpuint(size, <=, count);
        while (c->in.left) {
            p9_get_bytes(&c->in, 13);
            offset = p9_get64(&c->in);
            p9_get8(&c->in);
            g_assert_true(g_hash_table_add(names, p9_get_string(&c->in)));
            g_assert_false(c->in.bad);
        }
    }
}

static void test_listing(void)
{
    struct client c;

    client_init(&c, FS_MAPPED_FILE, false);
    for (unsigned i = 0; i < 1000; i++) {
        g_autofree char *name = g_strdup_printf("share/a-file-with-a-name-%u", i);
        host_write(&c, name, "");
    }
    OK(walk(&c, 0, 1, NULL));
    OK(setattr(&c, 1, 1, 0700, 0, 0, 0, 0)); /* makes a note about the root */
    OK(walk(&c, 0, 2, "a-file-with-a-name-1"));
    OK(setattr(&c, 2, 1, 0700, 0, 0, 0, 0)); /* and one about the file */
    OK(lopen(&c, 1, FOLDER));
    for (u32 count = 200; count < 70000; count *= 7) {
        g_autoptr(GHashTable) names = list(&c, 1, count);

        g_assert_cmpuint(g_hash_table_size(names), ==, 1002); /* with . and .. and without the notes */
    }
    FAILS(call(&c, 116, "wdw", W(1), D(0), W(10)), EISDIR);
    client_finish(&c);
}

/* What lies outside stays there, whatever names are sent. */
static void test_no_escape(void)
{
    static const char *const names[] = {"../secret", "/etc", "a/b", ".", "", "dir/..", "/proc/self/root"};
    struct client c;
    struct attributes a = {0}, root = {0};

    client_init(&c, FS_NONE, false);
    host_write(&c, "secret", "secret");
    g_autofree char *link = host_path(&c, "share/out"), *file = host_path(&c, "share/file"), *target = host_path(&c, "secret");
    OK(symlink("..", link));
    OK(symlink(target, file));
    OK(getattr(&c, 0, &root));
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        FAILS(walk(&c, 0, 1, names[i]), ENOENT);
        g_assert_cmpint(create(&c, 0, names[i], RDWR, 0644), !=, 0);
        g_assert_cmpint(call(&c, 72, "wsww", W(0), names[i], W(0755), W(0)), !=, 0);
        g_assert_cmpint(call(&c, 16, "wssw", W(0), names[i], "x", W(0)), !=, 0);
        g_assert_cmpint(call(&c, 74, "wsws", W(0), "file", W(0), names[i]), !=, 0);
        g_assert_cmpint(call(&c, 74, "wsws", W(0), names[i], W(0), "file2"), !=, 0);
        g_assert_cmpint(call(&c, 76, "wsw", W(0), names[i], W(0)), !=, 0);
    }
    FAILS(call(&c, 76, "wsw", W(0), "..", W(0x200)), ENOTEMPTY);
    OK(walk(&c, 0, 1, ".."));
    OK(getattr(&c, 1, &a));
    g_assert_cmpuint(a.inode, ==, root.inode);
    OK(call(&c, 110, "wwhssss", W(0), W(2), 4, "..", "..", "..", "out"));
    OK(getattr(&c, 2, &a));
    g_assert_cmpuint(a.mode & S_IFMT, ==, S_IFLNK);
    FAILS(walk(&c, 2, 3, "secret"), ENOTDIR);
    FAILS(walk(&c, 2, 3, ".."), ENOTDIR);
    FAILS(call(&c, 14, "wswww", W(2), "new", W(RDWR), W(0644), W(0)), ENOTDIR);
    OK(walk(&c, 0, 4, "file"));
    FAILS(lopen(&c, 4, RDWR), ELOOP);
    FAILS(setattr(&c, 4, 8, 0, 0, 0, 0, 0), ELOOP); /* truncate */
    setattr(&c, 4, 1, 0777, 0, 0, 0, 0);            /* a link's own mode may change, its target's not */
    setattr(&c, 4, 0x120, 0, 0, 0, 0, 5);
    struct stat st;
    OK(stat(target, &st));
    g_assert_cmpuint(st.st_mode & 07777, !=, 0777);
    g_assert_cmpint(st.st_mtime, !=, 5);
    FAILS(create(&c, 0, "file", RDWR, 0644), ELOOP); /* creating through a link */
    g_autofree char *secret = host_read(&c, "secret");
    g_assert_cmpstr(secret, ==, "secret");
    client_finish(&c);
}

struct swapper {
    char *dir;
    gint stop;
};

/* Somebody else makes "d" a folder and a link to the outside in turn. */
static gpointer swap(gpointer data)
{
    struct swapper *s = data;
    g_autofree char *name = g_build_filename(s->dir, "share/d", NULL), *real = g_build_filename(s->dir, "share/real", NULL);
    g_autofree char *link = g_build_filename(s->dir, "share/link", NULL);

    while (!g_atomic_int_get(&s->stop)) {
        rename(name, real);
        rename(link, name);
        rename(name, link);
        rename(real, name);
    }
    return NULL;
}

static void test_race(void)
{
    struct client c;
    unsigned reached = 0;

    client_init(&c, FS_NONE, false);
    struct swapper s = {.dir = c.dir};
    g_autofree char *real = host_path(&c, "share/d"), *link = host_path(&c, "share/link"), *outside = host_path(&c, "outside");
    OK(mkdir(real, 0755));
    OK(mkdir(outside, 0755));
    OK(symlink("../outside", link));
    host_write(&c, "share/d/name", "inside");
    host_write(&c, "outside/name", "outside");
    GThread *thread = g_thread_new("swap", swap, &s);
    /* At least 4000 looks; more on a machine where the other thread sleeps while "d" is the link. */
    for (unsigned i = 0; i < 4000 || (!reached && i < 4000000); i++) {
        if (i >= 4000)
            g_thread_yield();
        if (call(&c, 110, "wwhss", W(0), W(1), 2, "d", "name") || p9_get16(&c.in) != 2)
            continue;
        if (!lopen(&c, 1, RDWR)) {
            g_autofree char *text = read_text(&c, 1, 0, 100);

            g_assert_cmpstr(text, ==, "inside");
            reached++;
        }
        OK(clunk(&c, 1));
        if (!call(&c, 110, "wwhs", W(0), W(2), 1, "d")) {
            call(&c, 16, "wssw", W(2), "new", "x", W(0));
            call(&c, 76, "wsw", W(2), "new", W(0));
            OK(clunk(&c, 2));
        }
    }
    g_atomic_int_set(&s.stop, 1);
    g_thread_join(thread);
    g_assert_cmpuint(reached, >, 0);
    g_autoptr(GDir) dir = g_dir_open(outside, 0, NULL);
    unsigned count = 0;
    while (g_dir_read_name(dir))
        count++;
    g_assert_cmpuint(count, ==, 1);
    client_finish(&c);
}

static void test_readonly(void)
{
    struct client c;

    client_init(&c, FS_NONE, true);
    host_write(&c, "share/file", "text");
    OK(walk(&c, 0, 1, "file"));
    FAILS(lopen(&c, 1, RDWR), EROFS);
    FAILS(lopen(&c, 1, RDONLY | TRUNC), EROFS);
    for (u32 valid = 1; valid <= 0x20; valid *= 2)
        FAILS(setattr(&c, 1, valid, 0, 0, 0, 0, 0), EROFS);
    FAILS(create(&c, 0, "x", RDWR, 0644), EROFS);
    FAILS(call(&c, 72, "wsww", W(0), "x", W(0755), W(0)), EROFS);
    FAILS(call(&c, 16, "wssw", W(0), "x", "y", W(0)), EROFS);
    FAILS(call(&c, 18, "wswwww", W(0), "x", W(S_IFIFO), W(0), W(0), W(0)), EROFS);
    FAILS(call(&c, 70, "wws", W(0), W(1), "x"), EROFS);
    FAILS(call(&c, 74, "wsws", W(0), "file", W(0), "x"), EROFS);
    FAILS(call(&c, 76, "wsw", W(0), "file", W(0)), EROFS);
    OK(walk(&c, 1, 2, NULL));
    OK(call(&c, 32, "wsdw", W(2), "user.a", D(1), W(0)));
    OK(write_text(&c, 2, 0, "x"));
    FAILS(clunk(&c, 2), EROFS);
    OK(lopen(&c, 1, RDONLY));
    g_autofree char *text = read_text(&c, 1, 0, 100);
    g_assert_cmpstr(text, ==, "text");
    client_finish(&c);
}

/* Owners, modes, devices and links that the host does not have. */
static void test_mapped(gconstpointer data)
{
    enum fs_security security = GPOINTER_TO_UINT(data);
    struct client c;
    struct attributes a = {0};
    struct stat st;

    client_init(&c, security, false);
    OK(walk(&c, 0, 1, NULL));
    OK(create(&c, 1, "file", RDWR, 04755));
    OK(write_text(&c, 1, 0, "content"));
    OK(getattr(&c, 1, &a));
    g_assert_cmpuint(a.mode, ==, S_IFREG | 04755);
    g_assert_cmpuint(a.gid, ==, 1234);
    OK(setattr(&c, 1, 2 | 4, 0, 1000, 1001, 0, 0));
    OK(setattr(&c, 1, 1, 0444, 0, 0, 0, 0));
    OK(getattr(&c, 1, &a));
    g_assert_cmpuint(a.mode, ==, S_IFREG | 0444);
    g_assert_cmpuint(a.uid, ==, 1000);
    g_assert_cmpuint(a.gid, ==, 1001);
    g_autofree char *path = host_path(&c, "share/file");
    OK(stat(path, &st));
    g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0600);
    g_assert_cmpuint(st.st_uid, ==, getuid());
    OK(call(&c, 18, "wswwww", W(0), "disk", W(S_IFBLK | 0660), W(8), W(1), W(6)));
    OK(walk(&c, 0, 2, "disk"));
    OK(getattr(&c, 2, &a));
    g_assert_cmpuint(a.mode, ==, S_IFBLK | 0660);
    g_assert_cmpuint(a.rdev, ==, makedev(8, 1));
    OK(call(&c, 16, "wssw", W(0), "link", "some/where", W(0)));
    OK(walk(&c, 0, 3, "link"));
    OK(getattr(&c, 3, &a));
    g_assert_cmpuint(a.mode & S_IFMT, ==, S_IFLNK);
    OK(call(&c, 22, "w", W(3)));
    g_autofree char *target = p9_get_string(&c.in);
    g_assert_cmpstr(target, ==, "some/where");
    g_autofree char *host_link = host_path(&c, "share/link");
    OK(lstat(host_link, &st));
    g_assert_true(S_ISREG(st.st_mode));
    OK(call(&c, 72, "wsww", W(0), "dir", W(01777), W(9)));
    OK(call(&c, 74, "wsws", W(0), "file", W(0), "renamed"));
    OK(walk(&c, 0, 4, "renamed"));
    OK(getattr(&c, 4, &a));
    g_assert_cmpuint(a.uid, ==, 1000);
    OK(walk(&c, 0, 5, "dir"));
    OK(getattr(&c, 5, &a));
    g_assert_cmpuint(a.mode, ==, S_IFDIR | 01777);
    OK(call(&c, 74, "wsws", W(0), "renamed", W(5), "below"));
    OK(walk(&c, 5, 6, "below"));
    OK(getattr(&c, 6, &a));
    g_assert_cmpuint(a.uid, ==, 1000);
    OK(call(&c, 76, "wsw", W(5), "below", W(0)));
    OK(call(&c, 76, "wsw", W(0), "dir", W(0x200)));
    if (security == FS_MAPPED_FILE) {
        FAILS(walk(&c, 0, 7, ".virtfs_metadata"), ENOENT);
        g_assert_cmpint(call(&c, 72, "wsww", W(0), ".virtfs_metadata", W(0755), W(0)), !=, 0);
        g_assert_cmpint(call(&c, 76, "wsw", W(0), ".virtfs_metadata", W(0x200)), !=, 0);
    } else {
        FAILS(call(&c, 30, "wws", W(2), W(7), "user.virtfs.mode"), ENODATA);
        OK(call(&c, 30, "wws", W(2), W(7), ""));
        g_assert_cmpuint(p9_get64(&c.in), ==, 0);
    }
    client_finish(&c);
}

static void test_xattrs(void)
{
    struct client c;

    client_init(&c, FS_NONE, false);
    host_write(&c, "share/file", "");
    OK(walk(&c, 0, 1, "file"));
    OK(walk(&c, 1, 2, NULL));
    OK(call(&c, 32, "wsdw", W(2), "user.name", D(5), W(0)));
    FAILS(write_text(&c, 2, 3, "value"), ENOSPC);
    OK(write_text(&c, 2, 0, "va"));
    OK(write_text(&c, 2, 2, "lue"));
    OK(clunk(&c, 2));
    OK(call(&c, 30, "wws", W(1), W(3), "user.name"));
    g_assert_cmpuint(p9_get64(&c.in), ==, 5);
    g_autofree char *value = read_text(&c, 3, 0, 100), *part = read_text(&c, 3, 3, 100);
    g_assert_cmpstr(value, ==, "value");
    g_assert_cmpstr(part, ==, "ue");
    OK(clunk(&c, 3));
    OK(call(&c, 30, "wws", W(1), W(3), ""));
    g_assert_cmpuint(p9_get64(&c.in), ==, 10);
    FAILS(walk(&c, 3, 4, NULL), EBADF);
    OK(clunk(&c, 3));
    FAILS(call(&c, 30, "wws", W(1), W(3), "user.none"), ENODATA);
    OK(walk(&c, 1, 2, NULL));
    FAILS(call(&c, 32, "wsdw", W(2), "user.big", D(1 << 20), W(0)), E2BIG);
    FAILS(call(&c, 32, "wsdw", W(2), "user.name", D(1), W(9)), EINVAL);
    OK(call(&c, 32, "wsdw", W(2), "user.name", D(0), W(XATTR_REPLACE)));
    OK(clunk(&c, 2));
    FAILS(call(&c, 30, "wws", W(1), W(3), "user.name"), ENODATA);
    client_finish(&c);
}

/* A client that hoards gets errors, and memory and descriptors stay bounded. */
static void test_limits(void)
{
    struct rlimit limit;
    struct client c;
    int result = 0;
    u32 made = 0;

    OK(getrlimit(RLIMIT_NOFILE, &limit));
    client_init(&c, FS_NONE, false);
    host_write(&c, "share/file", "");
    OK(walk(&c, 0, 1, "file"));
    for (u32 id = 10; !result && id < 1000; id++) {
        result = walk(&c, 1, id, NULL);
        result = result ? result : call(&c, 32, "wsdw", id, "user.x", D(65536), W(0));
        made += !result;
    }
    FAILS(result, ENOSPC);
    g_assert_cmpuint(made, ==, P9_XATTR_BYTES_MAX / 65536);
    OK(call(&c, 100, "ws", W(65536), "9P2000.L"));
    OK(call(&c, 104, "wwssw", W(0), W(~0), "root", "", W(0)));
    OK(walk(&c, 0, 1, "file"));
    for (u32 id = 10; !result || result == ENOSPC; id++) {
        OK(walk(&c, 1, id, NULL));
        result = lopen(&c, id, RDONLY);
    }
    FAILS(result, ENFILE);
    int fd = open("/dev/null", O_RDONLY); /* others still can */
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    client_finish(&c);
}

static void test_random(void)
{
    static const u8 types[] = {8, 12, 14, 16, 18, 20, 22, 24, 26, 30, 32, 40, 50, 52, 54, 70, 72, 74, 76, 100, 104, 108, 110, 116, 118, 120, 122};
    static const char *const names[] = {"a", "b", "..", ".", "", "a/b", "c", ".virtfs_metadata", "user.x", "9P2000.L"};
    struct client c;

    for (unsigned round = 0; round < 4; round++) {
        client_init(&c, (enum fs_security)round, false);
        host_write(&c, "outside", "outside");
        for (unsigned i = 0; i < 20000; i++) {
            struct p9_out out = {c.request, 1 << 20, false};
            unsigned words = (unsigned)g_test_rand_int_range(0, 10);

            g_byte_array_set_size(c.request, 0);
            p9_put32(&out, 0);
            p9_put8(&out, types[g_test_rand_int_range(0, ARRAY_SIZE(types))]);
            p9_put16(&out, (u16)i);
            for (unsigned w = 0; w < words; w++) {
                int kind = g_test_rand_int_range(0, 5);

                if (kind < 2)
                    p9_put32(&out, (u32)g_test_rand_int_range(0, 6));
                else if (kind == 2)
                    p9_put_string(&out, names[g_test_rand_int_range(0, ARRAY_SIZE(names))]);
                else if (kind == 3)
                    p9_put64(&out, (u64)g_test_rand_int_range(0, 5000));
                else
                    p9_put32(&out, (u32)g_test_rand_int());
            }
            u32 size = c.request->len, said = g_test_rand_int_range(0, 20) ? size : (u32)g_test_rand_int_range(0, 100);
            for (unsigned b = 0; b < 4; b++)
                c.request->data[b] = (u8)(said >> (8 * b));
            g_autofree u8 *exact = g_memdup2(c.request->data, size); /* so that a sanitizer sees reads behind it */
            u32 room = g_test_rand_int_range(0, 5) ? 70000 : (u32)g_test_rand_int_range(0, 100);
            if (p9_server_handle(c.server, exact, size, room, c.answer))
                g_assert_cmpuint(c.answer->len, <=, room);
            if (i % 500 == 0) {
                OK(call(&c, 100, "ws", W(65536), "9P2000.L"));
                for (u32 id = 0; id < 3; id++)
                    OK(call(&c, 104, "wwssw", id, W(~0), "root", "", W(0)));
            }
        }
        g_autofree char *outside = host_read(&c, "outside");
        g_assert_cmpstr(outside, ==, "outside");
        client_finish(&c);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/p9/session", test_session);
    g_test_add_func("/p9/files", test_files);
    g_test_add_func("/p9/tree", test_tree);
    g_test_add_func("/p9/links-and-special-files", test_links_and_special);
    g_test_add_func("/p9/listing", test_listing);
    g_test_add_func("/p9/no-escape", test_no_escape);
    g_test_add_func("/p9/race", test_race);
    g_test_add_func("/p9/readonly", test_readonly);
    g_test_add_data_func("/p9/mapped-xattr", GUINT_TO_POINTER(FS_MAPPED_XATTR), test_mapped);
    g_test_add_data_func("/p9/mapped-file", GUINT_TO_POINTER(FS_MAPPED_FILE), test_mapped);
    g_test_add_func("/p9/xattrs", test_xattrs);
    g_test_add_func("/p9/limits", test_limits);
    g_test_add_func("/p9/random", test_random);
    return g_test_run();
}
