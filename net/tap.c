/* net/tap.c - options of netdev tap and bridge: names, descriptors, scripts, the helper that opens taps for users. */
#include "net/tap.h"
#include "base/error.h"
#include "host/socket.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char up_script[] = "/etc/qemu-ifup", down_script[] = "/etc/qemu-ifdown", helper_path[] = "/usr/lib/qemu/qemu-bridge-helper";

enum { HELPER_WAIT_MS = 30000 };

bool tap_run_script(const char *script, const char *name, GError **error)
{
    char *argv[] = { (char *)script, (char *)name, NULL };
    g_autoptr(GError) why = NULL;
    int status;

    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status, &why) || !g_spawn_check_wait_status(status, &why))
        return error_set(error, "network script %s failed: %s", script, why->message);
    return true;
}

/* Receives the descriptor that the helper sends. */
static int receive_fd(int socket, GError **error)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    struct pollfd entry = { .fd = socket, .events = POLLIN };
    u8 byte;

    if (poll(&entry, 1, HELPER_WAIT_MS) > 0)
        host_socket_receive(socket, &byte, 1, fds);
    if (fds->len)
        return g_array_index(fds, int, 0);
    error_set(error, "the bridge helper gave no tap");
    return -1;
}

static void keep_open(gpointer data)
{
    fcntl(GPOINTER_TO_INT(data), F_SETFD, 0); /* in the child, before exec */
}

/* A helper is a program or, with blanks in it, a line for the shell. */
static bool start_helper(const char *helper, const char *bridge, bool header, int fd, GPid *pid, GError **error)
{
    g_autofree char *fd_text = g_strdup_printf("--fd=%d", fd), *br_text = g_strdup_printf("--br=%s", bridge);
    g_autofree char *line = g_strdup_printf("%s %s%s", helper, header ? "--use-vnet " : "", fd_text);
    g_autofree char *full = strstr(helper, "--br=") ? g_strdup(line) : g_strconcat(line, " ", br_text, NULL);
    char *shell[] = { (char *)"/bin/sh", (char *)"-c", full, NULL };
    char *plain[] = { (char *)helper, header ? (char *)"--use-vnet" : fd_text, header ? fd_text : br_text, header ? br_text : NULL, NULL };

    return g_spawn_async(NULL, strpbrk(helper, " \t") ? shell : plain, NULL, G_SPAWN_LEAVE_DESCRIPTORS_OPEN | G_SPAWN_DO_NOT_REAP_CHILD, keep_open,
                         GINT_TO_POINTER(fd), pid, error);
}

static int open_by_helper(const char *helper, const char *bridge, bool header, GError **error)
{
    GPid pid;
    int pair[2], fd;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        error_set(error, "cannot make a socket: %s", strerror(errno));
        return -1;
    }
    bool started = start_helper(helper, bridge, header, pair[1], &pid, error);
    close(pair[1]);
    fd = started ? receive_fd(pair[0], error) : -1;
    close(pair[0]);
    if (!started) {
        error_prefix(error, "bridge helper");
        return -1;
    }
    if (fd < 0)
        kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return fd;
}

static bool open_bridged(struct tap *tap, const char *helper, const char *bridge, bool header, GError **error)
{
    int fd = open_by_helper(helper ? helper : helper_path, bridge ? bridge : "br0", header, error);

    return fd >= 0 && tap_add_fd(tap, fd, error);
}

static bool add_fds(struct tap *tap, struct net_set *set, const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", NET_QUEUES_MAX);

    for (char **part = parts; *part; part++) {
        int fd = net_take_fd(set, *part, error);

        if (fd < 0 || !tap_add_fd(tap, fd, error))
            return false;
    }
    return true;
}

static bool check_options(const struct api_netdev_tap_options *o, GError **error)
{
    if (o->has_vhost && o->vhost) {
        error_set(error, "vhost=on: the kernel's accelerator is not in Mynah");
        return error_hint(error, "leave it out, or write vhost=off");
    }
    if (o->fd && o->fds)
        return error_set(error, "fd= and fds= exclude each other");
    if ((o->fd || o->fds) && (o->ifname || o->script || o->downscript || o->helper || o->has_vnet_hdr || o->has_queues))
        return error_set(error, "ifname=, script=, downscript=, vnet_hdr=, helper= and queues= are not for taps that are open already");
    if (o->helper && (o->ifname || o->script || o->downscript || o->has_queues))
        return error_set(error, "ifname=, script=, downscript= and queues= are not for taps that a helper opens");
    if (o->has_queues && (o->queues < 1 || o->queues > NET_QUEUES_MAX))
        return error_set(error, "queues must be from 1 to %d", NET_QUEUES_MAX);
    return true;
}

/* "no" is none; without an option the usual one runs if it is there. */
static const char *choose_script(const char *given, const char *usual)
{
    if (given)
        return *given && strcmp(given, "no") ? given : NULL;
    return access(usual, X_OK) ? NULL : usual;
}

static bool open_with_scripts(struct tap *tap, const struct api_netdev_tap_options *o, GError **error)
{
    const char *up = choose_script(o->script, up_script), *down = choose_script(o->downscript, down_script);

    if (!tap_open_named(tap, o->ifname, o->has_queues ? (u32)o->queues : 1, error) || (up && !tap_run_script(up, tap->name, error)))
        return false;
    if (down)
        tap->down_script = g_strdup(down);
    return true;
}

static bool open_tap(struct net_backend *backend, const struct api_netdev *options, GError **error)
{
    const struct api_netdev_tap_options *o = options->u.tap;
    bool header = !o->has_vnet_hdr || o->vnet_hdr, ok;
    struct tap *tap = tap_begin(backend, header);

    if (!check_options(o, error))
        return false;
    if (o->fd || o->fds)
        ok = add_fds(tap, backend->set, o->fd ? o->fd : o->fds, error);
    else if (o->helper)
        ok = open_bridged(tap, o->helper, o->br, header, error);
    else
        ok = open_with_scripts(tap, o, error);
    if (!ok || (o->has_sndbuf && o->sndbuf && !tap_limit_buffer(tap, o->sndbuf, error)))
        return false;
    if (o->fd || o->fds)
        net_set_info(backend->client, "fd=%s", o->fd ? o->fd : o->fds);
    else if (o->helper)
        net_set_info(backend->client, "helper=%s", o->helper);
    else
        net_set_info(backend->client, "ifname=%s,script=%s,downscript=%s", tap->name, o->script ? o->script : "no",
                     o->downscript ? o->downscript : "no");
    tap_start(tap);
    return true;
}

static bool open_bridge(struct net_backend *backend, const struct api_netdev *options, GError **error)
{
    const struct api_netdev_bridge_options *o = options->u.bridge;
    struct tap *tap = tap_begin(backend, true);

    if (!open_bridged(tap, o->helper, o->br, true, error))
        return false;
    net_set_info(backend->client, "helper=%s,br=%s", o->helper ? o->helper : helper_path, o->br ? o->br : "br0");
    tap_start(tap);
    return true;
}

const struct net_kind net_kind_tap = {
    .driver = API_NET_CLIENT_DRIVER_TAP, .size = sizeof(struct tap), .ops = &tap_ops, .open = open_tap, .close = tap_close,
};

const struct net_kind net_kind_bridge = {
    .driver = API_NET_CLIENT_DRIVER_BRIDGE, .size = sizeof(struct tap), .ops = &tap_ops, .open = open_bridge, .close = tap_close,
};
