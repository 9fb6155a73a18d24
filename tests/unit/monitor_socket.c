/* tests/unit/monitor_socket.c - QMP over a unix socket, in the machine's main loop: descriptors, events, the end. */
#include "monitor/monitor.h"
#include "chardev/chardev.h"
#include "vm/vm.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
    char *path;
    GString *seen;
    int passed[2]; /* a pipe whose writing end is handed over */
};

static void send_with_fd(int socket_fd, const char *text, int fd)
{
    struct iovec part = { (void *)text, strlen(text) };
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    g_assert_cmpint(sendmsg(socket_fd, &message, 0), ==, (int)strlen(text));
}

/* Reads until a text has come. */
static void await(struct client *client, int fd, const char *text)
{
    char data[4096];

    while (!strstr(client->seen->str, text)) {
        ssize_t got = read(fd, data, sizeof(data));

        g_assert_cmpint(got, >, 0);
        g_string_append_len(client->seen, data, got);
    }
}

static void say(struct client *client, int fd, const char *text, const char *answer)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (int)strlen(text));
    await(client, fd, answer);
}

static gpointer run_client(gpointer opaque)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct client *client = opaque;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(address.sun_path, client->path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    await(client, fd, "\"capabilities\": [ ] } }\r\n");
    say(client, fd, "{\"execute\":\"qmp_capabilities\",\"id\":1}\r\n", "\"id\": 1");
    send_with_fd(fd, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"p\"},\"id\":2}", client->passed[1]);
    await(client, fd, "{ \"return\": { }, \"id\": 2 }");
    close(client->passed[1]);
    say(client, fd, "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"p\"},\"id\":3}", "{ \"return\": { }, \"id\": 3 }");
    say(client, fd, "{\"execute\":\"system_powerdown\",\"id\":4}", "\"event\": \"POWERDOWN\"");
    say(client, fd, "{\"execute\":\"query-qmp-schema\",\"id\":5}", "\"id\": 5");
    say(client, fd, "{\"execute\":\"quit\",\"id\":6}",
        "\"event\": \"SHUTDOWN\", \"data\": { \"guest\": false, \"reason\": \"host-qmp-quit\" } }\r\n");
    g_assert_nonnull(strstr(client->seen->str, "{ \"return\": { }, \"id\": 6 }\r\n{ \"timestamp\""));
    close(fd);
    return NULL;
}

static void test_socket(void)
{
    g_autofree char *dir = g_dir_make_tmp("mynah-XXXXXX", NULL);
    struct client client = { g_build_filename(dir, "qmp", NULL), g_string_new(NULL), { 0 } };
    g_autofree char *text = g_strdup_printf("unix:%s,server=on,wait=off", client.path);
    struct vm *vm = vm_create(VM_GUEST_RISCV64, NULL);
    struct chardev_set *chardevs = chardev_set_create(vm_context(vm), NULL);
    struct monitor_set *monitors = monitor_set_create(vm, chardevs);
    struct chardev *chardev;
    GThread *thread;
    GError *error = NULL;
    char byte;

    g_assert_cmpint(pipe(client.passed), ==, 0);
    chardev = chardev_create_legacy(chardevs, "qmp", text, NULL, &error);
    g_assert_no_error(error);
    monitor_add(monitors, chardev, MONITOR_QMP, &error);
    g_assert_no_error(error);
    thread = g_thread_new("client", run_client, &client);
    g_assert_cmpint(vm_run(vm), ==, 0);
    monitor_set_destroy(monitors);
    chardev_set_destroy(chardevs);
    vm_destroy(vm);
    g_thread_join(thread);
    g_assert_cmpint(read(client.passed[0], &byte, 1), ==, 0); /* the descriptor was closed */
    close(client.passed[0]);
    g_unlink(client.path);
    g_rmdir(dir);
    g_free(client.path);
    g_string_free(client.seen, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor/socket", test_socket);
    return g_test_run();
}
