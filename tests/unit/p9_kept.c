/* tests/unit/p9_kept.c - what the 9P server refuses, or gets in part, leaves owners, modes and attributes as they were; what it warns of. */
#include "fs/worker.h"
#include "tests/unit/p9_client.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define OK(x) g_assert_cmpint(x, ==, 0)

/* mapped-file: what is refused, or cannot be written, leaves owner and mode as they were. */
static void test_mapped_kept(void)
{
    struct rlimit limit, none;
    struct attributes a = {0};
    struct client c;

    client_init(&c, FS_MAPPED_FILE, false);
    OK(call(&c, 72, "wsww", W(0), "d", W(0750), W(77)));
    OK(walk(&c, 0, 1, "d"));
    OK(setattr(&c, 1, 7, 0711, 1000, 1001, 0, 0));
    OK(walk(&c, 1, 2, NULL));
    OK(create(&c, 2, "f", 2, 0600));
    OK(clunk(&c, 2));
    g_assert_cmpint(call(&c, 76, "wsw", W(0), "d", W(0x200)), ==, ENOTEMPTY);
    OK(getattr(&c, 1, &a));
    g_assert_true(a.mode == (S_IFDIR | 0711) && a.uid == 1000 && a.gid == 1001);
    OK(walk(&c, 0, 3, NULL));
    OK(create(&c, 3, "g", 2, 0600));
    OK(walk(&c, 0, 4, "g"));
    OK(setattr(&c, 4, 7, 04755, 1000, 1001, 0, 0));
    g_assert_cmpint(call(&c, 76, "wsw", W(0), "g", W(0x200)), ==, ENOTDIR);
    getrlimit(RLIMIT_FSIZE, &limit);
    none = limit;
    none.rlim_cur = 0;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &none);
    int refused = setattr(&c, 4, 1, 0600, 0, 0, 0, 0); /* as on a full disk */
    setrlimit(RLIMIT_FSIZE, &limit);
    g_assert_cmpint(refused, ==, EFBIG);
    OK(getattr(&c, 4, &a));
    g_assert_true(a.mode == (S_IFREG | 04755) && a.uid == 1000);
    OK(call(&c, 70, "wws", W(0), W(4), "h"));
    OK(call(&c, 74, "wsws", W(0), "g", W(0), "h")); /* names of one file: both stay */
    OK(walk(&c, 0, 5, "g"));
    OK(getattr(&c, 5, &a));
    g_assert_true(a.mode == (S_IFREG | 04755) && a.uid == 1000);
    OK(call(&c, 76, "wsw", W(1), "f", W(0)));
    OK(call(&c, 76, "wsw", W(0), "d", W(0x200)));
    client_finish(&c);
}

/* A folder takes the place of an empty one, in which there were files and notes about them. */
static void test_renamed_over(gconstpointer security)
{
    struct attributes a = {0};
    struct client c;

    client_init(&c, GPOINTER_TO_UINT(security), false);
    OK(call(&c, 72, "wsww", W(0), "new", W(0711), W(77)));
    OK(call(&c, 72, "wsww", W(0), "old", W(0750), W(78)));
    OK(walk(&c, 0, 1, "old"));
    OK(walk(&c, 1, 2, NULL));
    OK(create(&c, 2, "f", 2, 0600));
    OK(clunk(&c, 2));
    g_assert_cmpint(call(&c, 74, "wsws", W(0), "new", W(0), "old"), ==, ENOTEMPTY);
    OK(call(&c, 76, "wsw", W(1), "f", W(0)));
    OK(call(&c, 74, "wsws", W(0), "new", W(0), "old"));
    OK(walk(&c, 0, 3, "old"));
    OK(getattr(&c, 3, &a));
    g_assert_true(a.mode == (S_IFDIR | 0711) && a.gid == 77);
    client_finish(&c);
}

static void on_done(void *opaque, void *request, GByteArray *answer)
{
    if (answer)
        g_byte_array_unref(answer);
    g_async_queue_push(opaque, request);
}

static char *warned;

static void keep_warning(const char *text)
{
    g_free(warned);
    warned = g_strdup(text);
}

/* multidevs=warn: the first file of another device is told of. */
static void test_warn(void)
{
    const struct fs_options options = {.id = (char *)"all", .path = (char *)"/", .security = FS_NONE, .multidevs = FS_WARN, .readonly = true};
    GAsyncQueue *answered = g_async_queue_new();
    struct p9_worker *worker = p9_worker_create(&options, on_done, answered, NULL);
    GPrintFunc before = g_set_printerr_handler(keep_warning);

    g_assert_nonnull(worker);
    for (unsigned step = 0; step < 4; step++) {
        GByteArray *message = g_byte_array_new();
        struct p9_out out = {message, 1 << 16, false};

        p9_put32(&out, 0);
        p9_put8(&out, (const u8[]){100, 104, 110, 24}[step]);
        p9_put16(&out, 7);
        p9_put32(&out, step ? 0 : 1 << 16); /* the version's message size; fid 0 */
        if (step == 0)
            p9_put_string(&out, "9P2000.L");
        if (step == 1) {
            p9_put32(&out, UINT32_MAX);
            p9_put_string(&out, "root");
            p9_put_string(&out, "");
            p9_put32(&out, 0);
        }
        if (step == 2) {
            p9_put32(&out, 0);
            p9_put16(&out, 1);
            p9_put_string(&out, "proc");
        }
        if (step == 3)
            p9_put64(&out, 0x7ff);
        for (unsigned i = 0; i < 4; i++)
            message->data[i] = (u8)(message->len >> (8 * i));
        p9_worker_submit(worker, message, 1 << 16, answered);
        g_async_queue_pop(answered);
    }
    p9_worker_destroy(worker);
    g_set_printerr_handler(before);
    g_async_queue_unref(answered);
    g_assert_nonnull(warned);
    g_assert_true(g_str_has_prefix(warned, "warning: fsdev 'all': the folder spans several devices"));
    g_clear_pointer(&warned, g_free);
}

/* An attribute whose new value did not come whole keeps the old one. */
static void test_half_xattr(void)
{
    struct client c;

    client_init(&c, FS_NONE, false);
    OK(walk(&c, 0, 1, NULL));
    OK(create(&c, 1, "f", 2, 0644));
    OK(clunk(&c, 1));
    for (unsigned round = 0; round < 4; round++) {
        OK(walk(&c, 0, 2, "f"));
        OK(call(&c, 32, "wsdw", W(2), "user.a", D(8), W(0)));
        if (round == 0)
            OK(write_text(&c, 2, 0, "12345678"));
        if (round == 2)
            OK(write_text(&c, 2, 0, "abcd"));
        if (round == 3)
            OK(write_text(&c, 2, 4, "efgh"));
        g_assert_cmpint(clunk(&c, 2), ==, round ? EINVAL : 0);
    }
    OK(walk(&c, 0, 1, "f"));
    OK(call(&c, 30, "wws", W(1), W(3), "user.a"));
    g_autofree char *value = read_text(&c, 3, 0, 100);
    g_assert_cmpstr(value, ==, "12345678");
    client_finish(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/p9/kept/renamed-over-mapped-file", GUINT_TO_POINTER(FS_MAPPED_FILE), test_renamed_over);
    g_test_add_data_func("/p9/kept/renamed-over-mapped-xattr", GUINT_TO_POINTER(FS_MAPPED_XATTR), test_renamed_over);
    g_test_add_func("/p9/kept/mapped", test_mapped_kept);
    g_test_add_func("/p9/kept/xattr", test_half_xattr);
    g_test_add_func("/p9/multidevs-warn", test_warn);
    return g_test_run();
}
