/* tests/unit/chardev_bench.h - a set of chardevs, and a front end that records what it gets. */
#ifndef TESTS_UNIT_CHARDEV_BENCH_H
#define TESTS_UNIT_CHARDEV_BENCH_H

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
    GString *events; /* "O" opened, "C" closed, "B" break, "i"/"o" focus in/out, "E" end of input, "w" writable */
    size_t room;
};

struct bench {
    struct chardev_set *set;
    char *folder;
    GString *notices;
    unsigned quits;
};

static inline size_t user_can_receive(void *opaque)
{
    return ((struct user *)opaque)->room;
}

static inline void user_receive(void *opaque, const u8 *data, size_t length)
{
    struct user *user = opaque;

    g_assert_cmpuint(length, <=, user->room);
    g_string_append_len(user->got, (const char *)data, (gssize)length);
    if (user->room < 1000)
        user->room -= length;
}

static inline void user_event(void *opaque, enum chardev_event event)
{
    g_string_append_c(((struct user *)opaque)->events, "OCBioE"[event]);
}

static inline void user_writable(void *opaque)
{
    g_string_append_c(((struct user *)opaque)->events, 'w');
}

static const struct chardev_handlers user_handlers = {user_can_receive, user_receive, user_event,
                                                      user_writable};

static inline void user_init(struct user *user, struct chardev *chardev)
{
    GError *error = NULL;

    *user = (struct user){.got = g_string_new(NULL), .events = g_string_new(NULL), .room = 1 << 20};
    g_assert_nonnull(chardev);
    g_assert_true(chardev_attach(&user->front, chardev, &user_handlers, user, &error));
}

static inline void user_finish(struct user *user)
{
    chardev_detach(&user->front);
    g_string_free(user->got, TRUE);
    g_string_free(user->events, TRUE);
}

static inline void on_notice(void *opaque, const char *text)
{
    g_string_append(((struct bench *)opaque)->notices, text);
}

static inline void on_quit(void *opaque)
{
    ((struct bench *)opaque)->quits++;
}

static inline void set_up(struct bench *bench, gconstpointer data)
{
    struct chardev_owner owner = {on_quit, on_notice, bench};

    bench->set = chardev_set_create(NULL, &owner);
    bench->folder = g_dir_make_tmp("mynah-chardev-XXXXXX", NULL);
    bench->notices = g_string_new(NULL);
}

static inline void tear_down(struct bench *bench, gconstpointer data)
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

static inline void run_a_while(void)
{
    for (int i = 0; i < 50; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(200);
    }
}

static inline struct chardev *make(struct bench *bench, const char *format, ...) PRINTF_LIKE(2, 3);
static inline struct chardev *make(struct bench *bench, const char *format, ...)
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

static inline struct chardev *make_legacy(struct bench *bench, const char *format, ...) PRINTF_LIKE(2, 3);
static inline struct chardev *make_legacy(struct bench *bench, const char *format, ...)
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

static inline int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static inline void send_text(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
}

/* Runs the loop until exactly this text has come out of fd. */
static inline void expect_text(int fd, const char *text)
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

#endif
