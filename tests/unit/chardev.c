/* tests/unit/chardev.c - every kind of chardev over sockets, pseudo terminals and files. */
#include "chardev/chardev.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A front end that records what it gets. */
struct user {
    struct chardev_front front;
    GString *got;
    GString *events; /* "O" opened, "C" closed, "B" break, "i"/"o" focus in/out, "w" writable */
    size_t room;
};

struct bench {
    struct chardev_set *set;
    char *folder;
    GString *notices;
    unsigned quits;
};

static size_t user_can_receive(void *opaque)
{
    return ((struct user *)opaque)->room;
}

static void user_receive(void *opaque, const u8 *data, size_t length)
{
    struct user *user = opaque;

    g_assert_cmpuint(length, <=, user->room);
    g_string_append_len(user->got, (const char *)data, (gssize)length);
    if (user->room < 1000)
        user->room -= length;
}

static void user_event(void *opaque, enum chardev_event event)
{
    g_string_append_c(((struct user *)opaque)->events, "OCBio"[event]);
}

static void user_writable(void *opaque)
{
    g_string_append_c(((struct user *)opaque)->events, 'w');
}

static const struct chardev_handlers user_handlers = {user_can_receive, user_receive, user_event,
                                                      user_writable};

static void user_init(struct user *user, struct chardev *chardev)
{
    GError *error = NULL;

    *user = (struct user){.got = g_string_new(NULL), .events = g_string_new(NULL), .room = 1 << 20};
    g_assert_nonnull(chardev);
    g_assert_true(chardev_attach(&user->front, chardev, &user_handlers, user, &error));
}

static void user_finish(struct user *user)
{
    chardev_detach(&user->front);
    g_string_free(user->got, TRUE);
    g_string_free(user->events, TRUE);
}

static void on_notice(void *opaque, const char *text)
{
    g_string_append(((struct bench *)opaque)->notices, text);
}

static void on_quit(void *opaque)
{
    ((struct bench *)opaque)->quits++;
}

static void set_up(struct bench *bench, gconstpointer data)
{
    struct chardev_owner owner = {on_quit, on_notice, bench};

    bench->set = chardev_set_create(NULL, &owner);
    bench->folder = g_dir_make_tmp("mynah-chardev-XXXXXX", NULL);
    bench->notices = g_string_new(NULL);
}

static void tear_down(struct bench *bench, gconstpointer data)
{
    chardev_set_destroy(bench->set);
    g_autofree char *command = g_strdup_printf("rm -r '%s'", bench->folder);
    g_assert_cmpint(system(command), ==, 0);
    g_free(bench->folder);
    g_string_free(bench->notices, TRUE);
}

/* Runs the main loop until the condition holds; fails after ten seconds. */
#define run_until(condition)                                                                       \
    do {                                                                                           \
        gint64 deadline = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;                            \
        while (!(condition)) {                                                                     \
            g_assert_cmpint(g_get_monotonic_time(), <, deadline);                                  \
            g_main_context_iteration(NULL, FALSE);                                                 \
            g_usleep(200);                                                                         \
        }                                                                                          \
    } while (0)

static void run_a_while(void)
{
    for (int i = 0; i < 50; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(200);
    }
}

static struct chardev *make(struct bench *bench, const char *format, ...) PRINTF_LIKE(2, 3);
static struct chardev *make(struct bench *bench, const char *format, ...)
{
    GError *error = NULL;
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autoptr(GHashTable) options = chardev_parse_options(text, &error);
    g_assert_no_error(error);
    struct chardev *chardev = chardev_create(bench->set, options, &error);
    g_assert_no_error(error);
    return chardev;
}

static struct chardev *make_legacy(struct bench *bench, const char *format, ...) PRINTF_LIKE(2, 3);
static struct chardev *make_legacy(struct bench *bench, const char *format, ...)
{
    GError *error = NULL;
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    struct chardev *chardev = chardev_create_legacy(bench->set, "legacy", text, NULL, &error);
    g_assert_no_error(error);
    return chardev;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
}

/* Runs the loop until exactly this text has come out of fd. */
static void expect_text(int fd, const char *text)
{
    g_autoptr(GString) got = g_string_new(NULL);
    size_t length = strlen(text);

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (got->len < length) {
        char buffer[256];
        ssize_t n = -1;

        run_until((n = read(fd, buffer, MIN(sizeof(buffer), length - got->len))) > 0);
        g_string_append_len(got, buffer, n);
    }
    g_assert_cmpstr(got->str, ==, text);
}

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
    run_until(!strcmp(user.got->str, "input"));
    user_finish(&user);
    g_assert_true(chardev_remove(bench->set, "f", NULL));
    g_file_get_contents(out, &content, NULL, NULL);
    g_assert_cmpstr(content, ==, "old new");
    g_free(content);
    g_file_get_contents(log, &content, NULL, NULL);
    g_assert_cmpstr(content, ==, "new");
    g_free(content);
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

static void test_unix_server(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "s", NULL);
    struct chardev *chardev = make(bench, "socket,id=s,path=%s,server=on,wait=off", path);
    struct user user;

    user_init(&user, chardev);
    g_autofree char *name = chardev_filename(chardev);
    g_assert_true(g_str_has_prefix(name, "disconnected:unix:"));
    g_assert_true(g_str_has_suffix(name, ",server=on"));
    for (int round = 0; round < 3; round++) {
        int fd = connect_unix(path);
        g_string_truncate(user.got, 0);
        send_text(fd, "hi");
        run_until(!strcmp(user.got->str, "hi"));
        g_assert_true(chardev_front_is_open(chardev));
        chardev_write(&user.front, "ho", 2);
        expect_text(fd, "ho");
        close(fd);
        run_until(!chardev_is_connected(chardev));
    }
    g_assert_cmpstr(user.events->str, ==, "OCOCOC");
    user_finish(&user);
    g_assert_true(chardev_remove(bench->set, "s", NULL));
    g_assert_cmpint(access(path, F_OK), ==, -1);
}

static void test_tcp(struct bench *bench, gconstpointer data)
{
    struct chardev *server = make(bench, "socket,id=s,host=127.0.0.1,port=0,server,nowait,nodelay");
    g_autofree char *name = chardev_filename(server);
    const char *port = strrchr(name, ':') + 1;
    struct user a, b;

    user_init(&a, server);
    struct chardev *client =
        make_legacy(bench, "tcp:127.0.0.1:%.*s", (int)strcspn(port, ","), port);
    user_init(&b, client);
    g_assert_cmpstr(b.events->str, ==, "O");
    chardev_write(&b.front, "to server", 9);
    run_until(!strcmp(a.got->str, "to server"));
    chardev_write(&a.front, "to client", 9);
    run_until(!strcmp(b.got->str, "to client"));
    chardev_disconnect(server);
    run_until(!strcmp(b.events->str, "OC"));
    user_finish(&a);
    user_finish(&b);
}

static void test_reconnect(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "s", NULL);
    struct user user, peer;

    user_init(&user, make(bench, "socket,id=c,path=%s,reconnect-ms=20", path));
    run_a_while();
    g_assert_cmpstr(user.events->str, ==, "");
    struct chardev *server = make(bench, "socket,id=s,path=%s,server=on,wait=off", path);
    user_init(&peer, server);
    run_until(!strcmp(user.events->str, "O"));
    run_until(chardev_is_connected(server));
    chardev_disconnect(server);
    run_until(!strcmp(user.events->str, "OCO"));
    chardev_write(&user.front, "back", 4);
    run_until(!strcmp(peer.got->str, "back"));
    user_finish(&user);
    user_finish(&peer);
}

static void test_inherited(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "s", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int ends[2], listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct user user;
    GError *error = NULL;

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    user_init(&user, make(bench, "socket,id=l,fd=%d,server=on,wait=off", listener));
    int fd = connect_unix(path);
    send_text(fd, "x");
    run_until(!strcmp(user.got->str, "x"));
    close(fd);
    user_finish(&user);

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    g_autofree char *wrong = g_strdup_printf("socket,id=w,fd=%d,server=on", ends[0]);
    g_autoptr(GHashTable) options = chardev_parse_options(wrong, NULL);
    g_assert_null(chardev_create(bench->set, options, &error));
    g_assert_nonnull(strstr(error->message, "is not listening"));
    g_clear_error(&error);
    close(ends[0]);
    close(ends[1]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    user_init(&user, make(bench, "socket,id=c,fd=%d", ends[0]));
    send_text(ends[1], "y");
    run_until(!strcmp(user.got->str, "y"));
    user_finish(&user);
    close(ends[1]);
}

static void send_fd(int socket, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {(char *)"f", 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    g_assert_cmpint(sendmsg(socket, &message, 0), ==, 1);
}

static void test_passing(struct bench *bench, gconstpointer data)
{
    int ends[2], pipe_ends[2];
    struct user user;

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    g_assert_cmpint(pipe(pipe_ends), ==, 0);
    user_init(&user, make(bench, "socket,id=c,fd=%d", ends[0]));
    g_assert_cmpint(chardev_take_fd(&user.front), ==, -1);
    send_fd(ends[1], pipe_ends[1]);
    run_until(user.got->len == 1);
    int fd = chardev_take_fd(&user.front);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(chardev_take_fd(&user.front), ==, -1);
    send_text(fd, "through");
    expect_text(pipe_ends[0], "through");
    close(fd);
    user_finish(&user);
}

/* A peer that does not read: nothing blocks, the queue is bounded, writable() tells. */
static void test_back_pressure(struct bench *bench, gconstpointer data)
{
    static const char block[4096] = "x";
    int ends[2];
    struct user user;
    size_t total = 0, drained = 0, taken;

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    user_init(&user, make(bench, "socket,id=c,fd=%d", ends[0]));
    while ((taken = chardev_write(&user.front, block, sizeof(block))) == sizeof(block)) {
        total += taken;
        g_assert_cmpuint(total, <, 8 * MIB);
    }
    total += taken;
    g_assert_cmpuint(chardev_pending(&user.front), ==, 64 * KIB);
    g_assert_false(chardev_write_message(&user.front, block, sizeof(block)));
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (drained < total) {
        char buffer[4096];
        ssize_t n = -1;

        run_until((n = read(ends[1], buffer, sizeof(buffer))) > 0);
        drained += (size_t)n;
    }
    g_assert_cmpuint(drained, ==, total);
    run_until(!strcmp(user.events->str, "Ow"));
    g_autofree char *large = g_malloc0(MIB);
    g_assert_true(chardev_write_message(&user.front, large, MIB));
    close(ends[1]);
    run_until(!strcmp(user.events->str, "OwC"));
    g_assert_cmpuint(chardev_write(&user.front, block, sizeof(block)), ==, sizeof(block));
    user_finish(&user);
}

static void test_flow_control(struct bench *bench, gconstpointer data)
{
    int ends[2];
    struct user user;

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    user_init(&user, make(bench, "socket,id=c,fd=%d", ends[0]));
    user.room = 2;
    send_text(ends[1], "12345");
    run_until(!strcmp(user.got->str, "12"));
    run_a_while();
    g_assert_cmpstr(user.got->str, ==, "12");
    user.room = 2;
    chardev_accept_input(&user.front);
    run_until(!strcmp(user.got->str, "1234"));
    user_finish(&user);
    close(ends[1]);
}

static void test_telnet(struct bench *bench, gconstpointer data)
{
    static const u8 input[] = {'a', 255, 253, 1,   'b', 255, 255, 255,
                               250, 31,  255, 240, 255, 243, 'c'};
    int ends[2];
    struct user user;
    u8 greeting[12];

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    user_init(&user, make(bench, "socket,id=c,fd=%d,telnet=on", ends[0]));
    g_assert_cmpint(read(ends[1], greeting, 12), ==, 12);
    g_assert_cmpint(greeting[0], ==, 255);
    g_assert_cmpint(write(ends[1], input, sizeof(input)), ==, sizeof(input));
    run_until(user.got->len == 4);
    g_assert_cmpstr(user.got->str, ==, "ab\377c");
    run_until(!strcmp(user.events->str, "OB"));
    user_finish(&user);
    close(ends[1]);
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
    int flags = fcntl(1, F_GETFL);
    dup2(saved_in, 0);
    dup2(saved_out, 1);
    g_assert_true(monitor);
    g_assert_true(chardev_is_mux(chardev));
    g_assert_false(flags & O_NONBLOCK); /* the shell's descriptor is left alone */
    expect_text(out[0], "out");
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
    ADD(pipe);
    ADD(pty);
    ADD(ringbuf);
    ADD(unix_server);
    ADD(tcp);
    ADD(reconnect);
    ADD(inherited);
    ADD(passing);
    ADD(back_pressure);
    ADD(flow_control);
    ADD(telnet);
    ADD(mux);
    ADD(stdio);
    ADD(errors);
    ADD(in_use);
    return g_test_run();
}
