/* tests/unit/chardev.c - every kind of chardev but sockets. */
#include "chardev/backend.h"
#include "tests/unit/chardev_bench.h"
#include <signal.h>
#include <sys/resource.h>

static void test_null(struct bench *bench, gconstpointer data)
{
    struct user user;

    user_init(&user, make(bench, "null,id=n"));
    g_assert_cmpuint(chardev_write(&user.front, "abc", 3), ==, 3);
    g_assert_cmpstr(user.events->str, ==, "O");
    user_finish(&user);
}

static void test_file(struct bench *bench, gconstpointer data)
{
    g_autofree char *in = g_build_filename(bench->folder, "in", NULL);
    g_autofree char *out = g_build_filename(bench->folder, "out", NULL);
    g_autofree char *log = g_build_filename(bench->folder, "log", NULL);
    struct user user;
    char *content;

    g_file_set_contents(in, "input", -1, NULL);
    g_file_set_contents(out, "old ", -1, NULL);
    user_init(&user,
              make(bench, "file,id=f,path=%s,append=on,input-path=%s,logfile=%s", out, in, log));
    g_assert_cmpuint(chardev_write(&user.front, "new", 3), ==, 3);
    run_until(!strcmp(user.events->str, "OE"));
    g_assert_cmpstr(user.got->str, ==, "input");
    user_finish(&user);
    g_assert_true(chardev_remove(bench->set, "f", NULL));
    g_file_get_contents(out, &content, NULL, NULL);
    g_assert_cmpstr(content, ==, "old new");
    g_free(content);
    g_file_get_contents(log, &content, NULL, NULL);
    g_assert_cmpstr(content, ==, "new");
    g_free(content);
}

/* What a full disk does not take is lost, and nothing else. */
static void test_file_full(struct bench *bench, gconstpointer data)
{
    g_autofree char *out = g_build_filename(bench->folder, "out", NULL), *content = NULL;
    struct rlimit limit, full;
    struct user user;

    user_init(&user, make(bench, "file,id=f,path=%s", out));
    getrlimit(RLIMIT_FSIZE, &limit);
    full = limit;
    full.rlim_cur = 4;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &full);
    g_assert_cmpuint(chardev_write(&user.front, "one two", 7), ==, 7);
    g_assert_cmpuint(chardev_write(&user.front, "three", 5), ==, 5);
    setrlimit(RLIMIT_FSIZE, &limit);
    run_a_while();
    g_assert_cmpuint(chardev_write(&user.front, "four", 4), ==, 4);
    g_assert_cmpstr(user.events->str, ==, "O");
    user_finish(&user);
    g_assert_true(chardev_remove(bench->set, "f", NULL));
    g_assert_true(g_file_get_contents(out, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "one four");
}

static void test_pipe(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "p", NULL);
    g_autofree char *in = g_strconcat(path, ".in", NULL), *out = g_strconcat(path, ".out", NULL);
    struct user user;

    mkfifo(in, 0600);
    mkfifo(out, 0600);
    user_init(&user, make_legacy(bench, "pipe:%s", path));
    int w = open(in, O_WRONLY), r = open(out, O_RDONLY | O_NONBLOCK);
    send_text(w, "hello");
    run_until(!strcmp(user.got->str, "hello"));
    close(w); /* a writer that leaves is not the end */
    w = open(in, O_WRONLY);
    send_text(w, "again");
    run_until(!strcmp(user.got->str, "helloagain"));
    chardev_write(&user.front, "answer", 6);
    expect_text(r, "answer");
    close(w);
    close(r);
    user_finish(&user);
}

static void test_pty(struct bench *bench, gconstpointer data)
{
    struct chardev *chardev = make_legacy(bench, "pty");
    g_autofree char *name = chardev_filename(chardev);
    struct user user;

    g_assert_true(g_str_has_prefix(name, "pty:/dev/pts/"));
    g_autofree char *notice =
        g_strdup_printf("char device redirected to %s (label legacy)", name + 4);
    g_assert_cmpstr(bench->notices->str, ==, notice);
    user_init(&user, chardev);
    chardev_write(&user.front, "lost", 4);
    g_assert_cmpstr(user.events->str, ==, "");
    for (int round = 0; round < 2; round++) {
        int fd = open(name + 4, O_RDWR | O_NOCTTY);
        g_string_truncate(user.events, 0);
        run_until(!strcmp(user.events->str, "O"));
        send_text(fd, "x\n");
        run_until(g_str_has_suffix(user.got->str, "x\n"));
        chardev_write(&user.front, "y\n", 2);
        expect_text(fd, "y\n");
        close(fd);
        run_until(!strcmp(user.events->str, "OC"));
    }
    user_finish(&user);
}

/* New terminals are told when the machine is ready, or before something that cannot wait. */
static void test_announce(struct bench *bench, gconstpointer data)
{
    chardev_set_starting(bench->set);
    g_autofree char *name = chardev_filename(make_legacy(bench, "pty"));
    g_autofree char *notice = g_strdup_printf("char device redirected to %s (label legacy)", name + 4);

    g_assert_cmpstr(bench->notices->str, ==, "");
    chardev_notice(bench->set, "%s", ", now");
    g_string_append(bench->notices, ".");
    chardev_set_ready(bench->set);
    g_autofree char *all = g_strconcat(notice, ", now.", NULL);
    g_assert_cmpstr(bench->notices->str, ==, all);
    chardev_set_ready(bench->set);
    chardev_announce(bench->set, "%s", "!");
    g_assert_true(g_str_has_suffix(bench->notices->str, ", now.!"));
}

static void test_ringbuf(struct bench *bench, gconstpointer data)
{
    struct chardev *chardev = make(bench, "ringbuf,id=r,size=8");
    struct user user;
    char text[16] = "";
    size_t count;

    user_init(&user, chardev);
    chardev_write(&user.front, "0123456789", 10);
    g_assert_true(chardev_ringbuf_read(chardev, text, 3, &count, NULL));
    g_assert_cmpuint(count, ==, 3);
    g_assert_cmpstr(text, ==, "234");
    g_assert_true(chardev_ringbuf_write(chardev, "ab", 2, NULL));
    g_assert_true(chardev_ringbuf_read(chardev, text, 16, &count, NULL));
    text[count] = 0;
    g_assert_cmpstr(text, ==, "56789ab");
    user_finish(&user);
}

static void test_mux(struct bench *bench, gconstpointer data)
{
    int ends[2];
    struct user a, b;

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    struct chardev *chardev = make(bench, "socket,id=m,fd=%d,mux=on", ends[0]);
    g_assert_true(chardev_is_mux(chardev));
    user_init(&a, chardev);
    user_init(&b, chardev);
    g_assert_cmpstr(a.events->str, ==, "Oi");
    g_assert_cmpstr(b.events->str, ==, "O");
    send_text(ends[1], "one\1\1\1ctwo\1bx");
    run_until(!strcmp(b.got->str, "twox"));
    g_assert_cmpstr(a.got->str, ==, "one\1");
    g_assert_cmpstr(a.events->str, ==, "Oio");
    g_assert_cmpstr(b.events->str, ==, "OiB");
    send_text(ends[1], "\1c3");
    run_until(!strcmp(a.got->str, "one\1"
                                  "3"));
    chardev_write(&a.front, "A", 1);
    chardev_write(&b.front, "B", 1);
    expect_text(ends[1], "AB");
    send_text(ends[1], "\1x");
    run_until(bench->quits == 1);
    expect_text(ends[1], "\r\nMynah: leaving\r\n");
    send_text(ends[1], "\1t");
    run_a_while();
    chardev_write(&a.front, "t\n", 2);
    expect_text(ends[1], "[00:0"); /* minutes and seconds of the test so far */
    /* Input waits for a front end that takes none, and the escape still works. */
    a.room = 0;
    send_text(ends[1], "later\1cnow");
    run_until(!strcmp(b.got->str, "twoxnow"));
    g_assert_cmpstr(a.got->str, ==,
                    "one\1"
                    "3");
    a.room = 1 << 20;
    chardev_take_focus(&a.front);
    run_until(!strcmp(a.got->str, "one\1"
                                  "3later"));
    user_finish(&a);
    send_text(ends[1], "z");
    run_until(g_str_has_suffix(b.got->str, "z"));
    user_finish(&b);
    close(ends[1]);
}

/* A mux that is removed takes what mux=on put below it, and nothing else that is called so. */
static void test_mux_base(struct bench *bench, gconstpointer data)
{
    g_autoptr(GHashTable) options = chardev_parse_options("null,id=k,mux=on", NULL), other = chardev_parse_options("mux,id=k,chardev=n", NULL);
    GError *error = NULL;
    struct user user;

    user_init(&user, make(bench, "ringbuf,id=m-base,size=16"));
    make(bench, "null,id=n");
    make(bench, "mux,id=m,chardev=n");
    make(bench, "null,id=k-base");
    g_assert_null(chardev_create(bench->set, other, NULL)); /* n is taken */
    g_assert_nonnull(chardev_find(bench->set, "k-base"));
    g_assert_null(chardev_create(bench->set, options, &error));
    g_assert_nonnull(strstr(error->message, "chardev 'k-base' exists already"));
    g_clear_error(&error);
    g_assert_true(chardev_remove(bench->set, "m", NULL));
    g_assert_nonnull(chardev_find(bench->set, "m-base"));
    g_assert_nonnull(chardev_find(bench->set, "n"));
    user_finish(&user);
    make(bench, "null,id=o,mux=on");
    g_assert_true(chardev_remove(bench->set, "o", NULL));
    g_assert_null(chardev_find(bench->set, "o-base"));
}

/* What all of its front ends write. */
static void test_mux_log(struct bench *bench, gconstpointer data)
{
    g_autofree char *log = g_build_filename(bench->folder, "log", NULL), *content = NULL;
    struct user user[2];

    make(bench, "null,id=n");
    struct chardev *mux = make(bench, "mux,id=m,chardev=n,logfile=%s", log);
    for (unsigned i = 0; i < 2; i++) {
        user_init(&user[i], mux);
        chardev_write(&user[i].front, i ? "two" : "one ", i ? 3 : 4);
    }
    g_assert_true(g_file_get_contents(log, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "one two");
    for (unsigned i = 0; i < 2; i++)
        user_finish(&user[i]);
}

static void test_stdio(struct bench *bench, gconstpointer data)
{
    bool monitor;
    struct user user;
    int in[2], out[2], saved_in = dup(0), saved_out = dup(1);

    g_assert_cmpint(pipe(in) + pipe(out), ==, 0);
    dup2(in[0], 0);
    dup2(out[1], 1);
    struct chardev *chardev =
        chardev_create_legacy(bench->set, "serial0", "mon:stdio", &monitor, NULL);
    user_init(&user, chardev);
    chardev_write(&user.front, "out", 3);
    send_text(in[1], "in");
    run_until(!strcmp(user.got->str, "in"));
    close(in[1]); /* the end of input is told, and output goes on */
    run_until(!strcmp(user.events->str, "OiE"));
    chardev_write(&user.front, " still", 6);
    int flags = fcntl(1, F_GETFL);
    dup2(saved_in, 0);
    dup2(saved_out, 1);
    g_assert_true(monitor);
    g_assert_true(chardev_is_mux(chardev));
    g_assert_false(flags & O_NONBLOCK); /* the shell's descriptor is left alone */
    expect_text(out[0], "out still");
    user_finish(&user);
}

struct error_case {
    const char *text, *message, *hint;
};

static const struct error_case error_cases[] = {
    {"sockt,id=a", "there is no chardev kind 'sockt'", "did you mean 'socket'?"},
    {"vc,id=a", "chardev 'vc' needs a graphical window, which Mynah does not have yet",
     "use 'stdio', 'pty' or 'socket'"},
    {"wctablet,id=a", "chardev 'wctablet' is not in Mynah yet", NULL},
    {"udp,id=a", "chardev 'a': option 'port' is missing",
     "for example -chardev udp,id=a,host=localhost,port=4555,localport=4556"},
    {"null", "option 'id' is missing", NULL},
    {"file,id=a", "chardev 'a': option 'path' is missing", NULL},
    {"file,id=a,pth=x", "chardev 'file' has no option 'pth'", "did you mean 'path'?"},
    {"socket,id=a,path=x,server=maybe", "option 'server' cannot be 'maybe'", "it is on or off"},
    {"socket,id=a", "chardev 'a': a socket needs path (unix), port (TCP) or fd (inherited)", NULL},
    {"socket,id=a,path=/nowhere/x",
     "chardev 'a': cannot connect to unix:/nowhere/x: No such file or directory", NULL},
    {"socket,id=a,fd=77", "chardev 'a': fd=77 is no inherited socket", NULL},
    {"ringbuf,id=a,size=7", "chardev 'a': size of a ring buffer cannot be 7", NULL},
    {"pipe,id=a,path=/nowhere/p",
     "chardev 'a': cannot open pipe '/nowhere/p': No such file or directory", NULL},
};

static void test_errors(struct bench *bench, gconstpointer data)
{
    for (unsigned i = 0; i < ARRAY_SIZE(error_cases); i++) {
        const struct error_case *row = &error_cases[i];
        GError *error = NULL;
        g_autoptr(GHashTable) options = chardev_parse_options(row->text, NULL);

        g_assert_null(chardev_create(bench->set, options, &error));
        g_autofree char *message = error_headline(error), *hint = error_hint_of(error);
        g_assert_cmpstr(message, ==, row->message);
        if (row->hint)
            g_assert_cmpstr(hint, ==, row->hint);
        g_clear_error(&error);
    }
    g_assert_null(chardev_find(bench->set, "a"));
}

static void test_in_use(struct bench *bench, gconstpointer data)
{
    struct chardev_front second = {0};
    struct user user;
    GError *error = NULL;

    user_init(&user, make(bench, "null,id=n"));
    g_assert_false(
        chardev_attach(&second, chardev_find(bench->set, "n"), &user_handlers, NULL, &error));
    g_assert_nonnull(strstr(error->message, "mux=on"));
    g_clear_error(&error);
    g_assert_false(chardev_remove(bench->set, "n", &error));
    g_clear_error(&error);
    user_finish(&user);
    g_assert_true(chardev_remove(bench->set, "n", NULL));
    g_assert_null(chardev_create_legacy(bench->set, "l", "chardev:none-such", NULL, &error));
    g_clear_error(&error);
    g_assert_null(chardev_create_legacy(bench->set, "l", "none", NULL, &error));
    g_assert_no_error(error);
}

int main(int argc, char **argv)
{
#define ADD(name) g_test_add("/chardev/" #name, struct bench, NULL, set_up, test_##name, tear_down)
    g_test_init(&argc, &argv, NULL);
    ADD(null);
    ADD(file);
    ADD(file_full);
    ADD(pipe);
    ADD(pty);
    ADD(announce);
    ADD(ringbuf);
    ADD(mux);
    ADD(mux_base);
    ADD(mux_log);
    ADD(stdio);
    ADD(errors);
    ADD(in_use);
    return g_test_run();
}
