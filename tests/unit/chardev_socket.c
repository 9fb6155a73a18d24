/* tests/unit/chardev_socket.c - sockets as chardevs: servers, clients, descriptors, peers that do not read or write, telnet. */
#include "tests/unit/chardev_bench.h"
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>

/* Whoever asks for these names, waits until the test has an answer; the second has no address. */
static const char slow[] = "slow.invalid", nowhere[] = "nowhere.invalid";
static GMutex answer;
static gint asked;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    bool is_slow = !g_strcmp0(node, slow);

    if ((!is_slow && g_strcmp0(node, nowhere)) || hints->ai_flags & AI_NUMERICHOST)
        return real(node, service, hints, list);
    g_atomic_int_inc(&asked);
    g_mutex_lock(&answer);
    g_mutex_unlock(&answer);
    return is_slow ? real("127.0.0.1", service, hints, list) : EAI_NONAME;
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

static int listen_tcp(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint(listen(fd, 4), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &size), ==, 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* No host is this one: of its addresses, which IPv6 leads, the one that answers is found. */
static void test_addresses(struct bench *bench, gconstpointer data)
{
    struct user user;
    unsigned port;
    int listener = listen_tcp(&port);

    user_init(&user, make(bench, "socket,id=c,port=%u,reconnect-ms=20", port));
    run_until(!strcmp(user.events->str, "O"));
    user_finish(&user);
    close(listener);
}

/* Looking up names takes as long as it takes: everything else goes on, also going away. */
static void test_slow_names(struct bench *bench, gconstpointer data)
{
    struct user user, other;
    unsigned port;
    int listener = listen_tcp(&port), ends[2];

    g_mutex_lock(&answer);
    g_atomic_int_set(&asked, 0);
    user_init(&user, make(bench, "socket,id=c,host=%s,port=%u,reconnect-ms=20", slow, port));
    make(bench, "socket,id=gone,host=%s,port=%u,reconnect-ms=20", slow, port);
    make(bench, "socket,id=nowhere,host=%s,port=%u,reconnect-ms=1", nowhere, port);
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    user_init(&other, make(bench, "socket,id=other,fd=%d", ends[0]));
    send_text(ends[1], "meanwhile");
    run_until(!strcmp(other.got->str, "meanwhile") && g_atomic_int_get(&asked) == 3);
    g_assert_true(chardev_remove(bench->set, "gone", NULL));
    run_a_while();
    g_assert_cmpstr(user.events->str, ==, "");
    g_assert_cmpint(g_atomic_int_get(&asked), ==, 3);
    g_mutex_unlock(&answer);
    run_until(!strcmp(user.events->str, "O"));
    run_until(g_atomic_int_get(&asked) > 5);
    user_finish(&user);
    user_finish(&other);
    close(ends[1]);
    close(listener);
}

/* A client that is handed over while a connection is under way takes its place, and that one is given up. */
static void test_add_client_in_between(struct bench *bench, gconstpointer data)
{
    struct user user;
    unsigned port;
    int listener = listen_tcp(&port), ends[2], other;
    char byte;

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    struct chardev *chardev = make(bench, "socket,id=c,host=127.0.0.1,port=%u,reconnect-ms=20", port);
    user_init(&user, chardev);
    g_assert_true(chardev_add_client(chardev, ends[0], NULL));
    run_until((other = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    run_until(!read(other, &byte, 1) || errno == ECONNRESET);
    send_text(ends[1], "hello");
    run_until(!strcmp(user.got->str, "hello"));
    g_assert_cmpstr(user.events->str, ==, "O");
    user_finish(&user);
    g_assert_true(chardev_remove(bench->set, "c", NULL));
    run_a_while();
    close(ends[1]);
    close(other);
    close(listener);
}

/* So many seconds that milliseconds of them do not fit into 64 bits: never, not soon. */
static void test_reconnect_never(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "s", NULL);
    struct chardev *chardev = make(bench, "socket,id=c,path=%s,reconnect=18446744073709552", path); /* 384 ms modulo 2^64 */

    run_a_while();
    make(bench, "socket,id=s,path=%s,server=on,wait=off", path);
    for (gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC; g_get_monotonic_time() < end;)
        run_a_while();
    g_assert_false(chardev_is_connected(chardev));
}

/* Another listener took over the path: it keeps its file when the first one goes. */
static void test_path_taken_over(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "s", NULL), *text = g_strdup_printf("socket,path=%s,server=on,wait=off", path);
    g_autoptr(GHashTable) options = chardev_parse_options(text, NULL);

    make(bench, "socket,id=s,path=%s,server=on,wait=off", path);
    g_assert_true(chardev_change(bench->set, "s", options, NULL));
    int fd = connect_unix(path);
    run_until(chardev_is_connected(chardev_find(bench->set, "s")));
    close(fd);
    g_assert_true(chardev_remove(bench->set, "s", NULL));
    g_assert_cmpint(access(path, F_OK), ==, -1);
}

/* A path that was mistyped: the file that is there is not replaced by a socket. A link to something is. */
static void test_path_of_a_file(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "disk.img", NULL), *text = g_strdup_printf("socket,path=%s,server=on,wait=off", path), *content = NULL;
    g_autoptr(GHashTable) options = chardev_parse_options(text, NULL);
    g_autofree char *link = g_build_filename(bench->folder, "link", NULL);
    GError *error = NULL;

    g_assert_true(g_file_set_contents(path, "all that I have", -1, NULL));
    g_hash_table_insert(options, g_strdup("id"), g_strdup("s"));
    g_assert_null(chardev_create(bench->set, options, &error));
    g_assert_nonnull(strstr(error->message, "disk.img: it is there, and is no socket"));
    g_clear_error(&error);
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "all that I have");
    g_assert_cmpint(symlink(path, link), ==, 0);
    make(bench, "socket,id=s,path=%s,server=on,wait=off", link);
    close(connect_unix(link));
    g_assert_true(chardev_remove(bench->set, "s", NULL));
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    g_unlink(path);
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
    send_fd(ends[1], open("/dev/null", O_RDWR)); /* whoever it was for did not want it */
    run_until(user.got->len == 2);
    send_fd(ends[1], pipe_ends[1]);
    run_until(user.got->len == 3);
    fd = chardev_take_fd(&user.front);
    send_text(fd, "again");
    expect_text(pipe_ends[0], "again");
    g_assert_cmpint(chardev_take_fd(&user.front), ==, -1);
    close(fd);
    user_finish(&user);
}

struct changer {
    struct user user;
    struct bench *bench;
    int peer;
};

/* What a monitor does when this is its line. */
static void change_while_receiving(void *opaque, const u8 *data, size_t length)
{
    struct changer *changer = opaque;
    g_autoptr(GHashTable) options = chardev_parse_options("null", NULL);
    char byte;

    g_string_append_len(changer->user.got, (const char *)data, (gssize)length);
    g_assert_true(chardev_change(changer->bench->set, "c", options, NULL));
    g_assert_cmpint(recv(changer->peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK), ==, -1); /* it is still there: it is at work */
}

static void test_change_in_its_work(struct bench *bench, gconstpointer data)
{
    static const struct chardev_handlers handlers = {.receive = change_while_receiving};
    struct changer changer = {.bench = bench, .user.got = g_string_new(NULL)};
    char bytes[64] = "";
    int ends[2];

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    changer.peer = ends[1];
    g_assert_true(chardev_attach(&changer.user.front, make(bench, "socket,id=c,fd=%d,telnet=on", ends[0]), &handlers, &changer, NULL));
    while (recv(ends[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ; /* the greeting */
    send_text(ends[1], "change\xff\xf3");
    run_until(changer.user.got->len == 6);
    run_until(recv(ends[1], bytes, 1, MSG_DONTWAIT) == 0);
    chardev_detach(&changer.user.front);
    g_string_free(changer.user.got, TRUE);
    close(ends[1]);
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
    g_assert_true(chardev_write_message(&user.front, block, sizeof(block)));
    total += sizeof(block);
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

/* Nobody reads what comes, and output waits: that the other end has gone shows by the output. */
static void test_gone_while_paused(struct bench *bench, gconstpointer data)
{
    g_autofree u8 *bytes = g_malloc0(1 << 20);
    struct user user;
    int ends[2];

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    user_init(&user, make(bench, "socket,id=s,fd=%d", ends[0]));
    user.room = 0;
    send_text(ends[1], "unread");
    run_a_while();
    g_assert_cmpuint(chardev_write(&user.front, bytes, 1 << 20), <, 1 << 20);
    close(ends[1]);
    run_until(strchr(user.events->str, 'C'));
    user_finish(&user);
}

/* Nobody reads: who has gone does not keep the next one out, and what he said last is read if nobody else comes. */
static void test_gone_unread(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "s", NULL);
    struct chardev *chardev = make(bench, "socket,id=s,path=%s,server=on,wait=off", path);
    struct user user;

    user_init(&user, chardev);
    user.room = 0;
    int first = connect_unix(path);
    send_text(first, "first");
    run_until(chardev_is_connected(chardev));
    int second = connect_unix(path);
    run_a_while();
    g_assert_cmpstr(user.events->str, ==, "O"); /* the first is there */
    close(first);
    run_until(!strcmp(user.events->str, "OCO"));
    chardev_write(&user.front, "hello", 5);
    expect_text(second, "hello");
    send_text(second, "second");
    shutdown(second, SHUT_WR);
    run_a_while();
    g_assert_cmpstr(user.events->str, ==, "OCO");
    user.room = 100;
    chardev_accept_input(&user.front);
    run_until(!strcmp(user.events->str, "OCOC"));
    g_assert_cmpstr(user.got->str, ==, "second");
    close(second);
    user_finish(&user);
}

/* The same of a client that connects again. */
static void test_server_gone_unread(struct bench *bench, gconstpointer data)
{
    g_autofree char *path = g_build_filename(bench->folder, "s", NULL);
    struct chardev *server = make(bench, "socket,id=s,path=%s,server=on,wait=off", path);
    struct user user, peer;

    user_init(&peer, server);
    user_init(&user, make(bench, "socket,id=c,path=%s,reconnect-ms=20", path));
    user.room = 0;
    run_until(!strcmp(peer.events->str, "O"));
    chardev_write(&peer.front, "last", 4);
    run_a_while();
    chardev_disconnect(server);
    run_until(!strcmp(user.events->str, "OCO") && !strcmp(peer.events->str, "OCO"));
    chardev_write(&peer.front, "again", 5);
    user.room = 100;
    chardev_accept_input(&user.front);
    run_until(!strcmp(user.got->str, "again"));
    user_finish(&user);
    user_finish(&peer);
}

/* A writer that waits for room need not wait for an end that is gone. */
static void test_gone_while_full(struct bench *bench, gconstpointer data)
{
    g_autofree u8 *bytes = g_malloc0(1 << 20);
    g_autoptr(GHashTable) options = chardev_parse_options("null", NULL);
    struct user user;
    int ends[2];

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    user_init(&user, make(bench, "socket,id=s,fd=%d", ends[0]));
    g_assert_cmpuint(chardev_write(&user.front, bytes, 1 << 20), <, 1 << 20);
    shutdown(ends[1], SHUT_WR);
    run_until(!strcmp(user.events->str, "OCw"));
    close(ends[1]);
    g_assert_cmpuint(chardev_write(&user.front, bytes, 1 << 20), ==, 1 << 20);
    run_a_while();
    g_assert_cmpstr(user.events->str, ==, "OCw");

    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    g_assert_true(chardev_add_client(user.front.chardev, ends[0], NULL));
    g_assert_cmpuint(chardev_write(&user.front, bytes, 1 << 20), <, 1 << 20);
    g_assert_true(chardev_change(bench->set, "s", options, NULL));
    g_assert_cmpstr(user.events->str, ==, "OCwOCOw");
    close(ends[1]);
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

int main(int argc, char **argv)
{
#define ADD(name) g_test_add("/chardev/" #name, struct bench, NULL, set_up, test_##name, tear_down)
    g_test_init(&argc, &argv, NULL);
    ADD(unix_server);
    ADD(tcp);
    ADD(reconnect);
    ADD(reconnect_never);
    ADD(addresses);
    ADD(slow_names);
    ADD(add_client_in_between);
    ADD(path_taken_over);
    ADD(path_of_a_file);
    ADD(inherited);
    ADD(passing);
    ADD(back_pressure);
    ADD(gone_while_paused);
    ADD(gone_unread);
    ADD(server_gone_unread);
    ADD(gone_while_full);
    ADD(flow_control);
    ADD(telnet);
    ADD(change_in_its_work);
    return g_test_run();
}
