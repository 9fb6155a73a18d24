/* net/user_forward.c - connections from outside to the guest (hostfwd), and from the guest to programs and streams (guestfwd). */
#include "base/error.h"
#include "net/internal.h"
#include "net/user.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* The text up to the separator; *text moves behind it. NULL: no separator. The caller frees. */
static char *take(const char **text, char separator)
{
    const char *end = strchr(*text, separator);

    if (!end)
        return NULL;
    char *part = g_strndup(*text, (gsize)(end - *text));
    *text = end + 1;
    return part;
}

static bool parse_protocol(const char *text, bool *udp, GError **error)
{
    *udp = !strcmp(text, "udp");
    return *udp || !*text || !strcmp(text, "tcp") || error_set(error, "protocol '%s' is neither tcp nor udp", text);
}

static bool parse_port(const char *text, int least, int *port, GError **error)
{
    char *end;
    guint64 number = g_ascii_strtoull(text, &end, 10);

    if (!g_ascii_isdigit(*text) || *end || number > 65535 || number < (guint64)least)
        return error_set(error, "'%s' is not a port number from %d to 65535", text, least);
    *port = (int)number;
    return true;
}

static bool parse_address(const char *text, struct in_addr *address, GError **error)
{
    if (!*text) {
        address->s_addr = 0;
        return true;
    }
    return inet_pton(AF_INET, text, address) == 1 || error_set(error, "'%s' is not an IPv4 address", text);
}

/* ---- hostfwd ---- */

struct rule {
    bool udp;
    struct in_addr host, guest;
    int host_port, guest_port;
};

static bool malformed(const char *what, GError **error)
{
    error_set(error, "it is not complete");
    return error_hint(error, "%s", what);
}

/* [tcp|udp]:[HOSTADDR]:HOSTPORT; *text moves behind it and the separator ('-', or 0 for the end). */
static bool parse_host(const char **text, char separator, struct rule *rule, GError **error)
{
    g_autofree char *protocol = take(text, ':'), *host = protocol ? take(text, ':') : NULL;
    g_autofree char *port = !host ? NULL : separator ? take(text, separator) : g_strdup(*text);

    if (!port)
        return malformed("[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT, for example tcp::2222-:22", error);
    return parse_protocol(protocol, &rule->udp, error) && parse_address(host, &rule->host, error) &&
           parse_port(port, 0, &rule->host_port, error);
}

static bool parse_rule(const char *text, struct rule *rule, GError **error)
{
    if (!parse_host(&text, '-', rule, error))
        return false;
    g_autofree char *guest = take(&text, ':');
    if (!guest)
        return malformed("[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT, for example tcp::2222-:22", error);
    return parse_address(guest, &rule->guest, error) && parse_port(text, 1, &rule->guest_port, error);
}

bool user_hostfwd_add(struct user *user, const char *text, GError **error)
{
    struct rule rule;

    if (!parse_rule(text, &rule, error))
        return false;
    errno = 0;
    if (slirp_add_hostfwd(user->slirp, rule.udp, rule.host, rule.host_port, rule.guest, rule.guest_port) < 0)
        return error_set(error, "cannot listen on port %d: %s", rule.host_port, errno ? strerror(errno) : "refused");
    user_poll_wake(user);
    return true;
}

static struct user *find_user(struct net_set *set, const char *id, GError **error)
{
    struct user *found = NULL;
    unsigned count = 0;

    for (guint i = 0; i < set->clients->len; i++) {
        struct net_client *client = set->clients->pdata[i];

        if (!client->backend || client->backend->kind != &net_kind_user || (id && strcmp(client->name, id)))
            continue;
        found = (struct user *)client->backend;
        count++;
    }
    if (count == 1)
        return found;
    if (id)
        error_set(error, "there is no user netdev '%s'", id);
    else
        error_set(error, count ? "there are several user netdevs: say which one" : "there is no user netdev");
    return NULL;
}

bool net_hostfwd_add(struct net_set *set, const char *netdev, const char *text, GError **error)
{
    struct user *user = find_user(set, netdev, error);

    return user && (user_hostfwd_add(user, text, error) || error_prefix(error, "'%s'", text));
}

bool net_hostfwd_remove(struct net_set *set, const char *netdev, const char *text, GError **error)
{
    struct user *user = find_user(set, netdev, error);
    const char *rest = text;
    struct rule rule;

    if (!user)
        return false;
    if (!parse_host(&rest, 0, &rule, error))
        return error_prefix(error, "'%s'", text);
    if (slirp_remove_hostfwd(user->slirp, rule.udp, rule.host, rule.host_port) < 0)
        return error_set(error, "host forwarding rule for '%s' not found", text);
    user_poll_wake(user);
    return true;
}

char *net_user_describe(struct net_set *set)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < set->clients->len; i++) {
        struct net_client *client = set->clients->pdata[i];

        if (!client->backend || client->backend->kind != &net_kind_user)
            continue;
        char *info = slirp_connection_info(((struct user *)client->backend)->slirp);
        g_string_append_printf(text, "Hub %d (%s):\n%s", net_hub_of(client), client->name, info);
        g_free(info);
    }
    return g_string_free(text, FALSE);
}

/* ---- guestfwd ---- */

struct user_forward {
    struct user *user;
    struct in_addr server;
    int port;
    void *stream;
};

static ssize_t from_guest(const void *data, size_t size, void *opaque)
{
    struct user_forward *forward = opaque;
    const struct net_streams *streams = net_streams_of(forward->user->base.set);

    return forward->stream ? (ssize_t)streams->write(forward->stream, data, size) : (ssize_t)size;
}

static size_t can_receive(void *opaque)
{
    struct user_forward *forward = opaque;

    return slirp_socket_can_recv(forward->user->slirp, forward->server, forward->port);
}

static void to_guest(void *opaque, const u8 *data, size_t size)
{
    struct user_forward *forward = opaque;

    slirp_socket_recv(forward->user->slirp, forward->server, forward->port, data, (int)size);
    user_flush(forward->user);
    user_poll_wake(forward->user);
}

static bool forward_to_stream(struct user *user, struct in_addr server, int port, const char *target, GError **error)
{
    const struct net_streams *streams = net_streams_of(user->base.set);
    struct user_forward *forward;

    if (!streams->open)
        return error_set(error, "this program has no character back ends");
    forward = g_new0(struct user_forward, 1);
    *forward = (struct user_forward){ .user = user, .server = server, .port = port };
    struct net_stream_user callbacks = { can_receive, to_guest, forward };
    if (slirp_add_guestfwd(user->slirp, from_guest, forward, &forward->server, port) < 0) {
        g_free(forward);
        return error_set(error, "the address is not in the guest's network, or is taken");
    }
    forward->stream = streams->open(streams->owner, target, &callbacks, error);
    if (!forward->stream) {
        slirp_remove_guestfwd(user->slirp, forward->server, port);
        g_free(forward);
        return false;
    }
    g_ptr_array_add(user->forwards, forward);
    return true;
}

bool user_guestfwd_add(struct user *user, const char *text, GError **error)
{
    g_autofree char *protocol = take(&text, ':'), *address = protocol ? take(&text, ':') : NULL;
    g_autofree char *port_text = address ? take(&text, '-') : NULL;
    struct in_addr server;
    bool udp;
    int port;

    if (!port_text || !*text)
        return malformed("[tcp]:SERVER:PORT-TARGET, for example tcp:10.0.2.100:80-cmd:cat or tcp:10.0.2.100:80-chardev:ID", error);
    if (!parse_protocol(protocol, &udp, error) || !parse_address(address, &server, error) || !parse_port(port_text, 1, &port, error))
        return false;
    if (udp)
        return error_set(error, "UDP cannot be forwarded from the guest");
    if (!g_str_has_prefix(text, "cmd:"))
        return forward_to_stream(user, server, port, text, error);
    if (slirp_add_exec(user->slirp, text + strlen("cmd:"), &server, port) < 0)
        return error_set(error, "the address is not in the guest's network, or is taken");
    return true;
}

void user_forwards_remove(struct user *user)
{
    const struct net_streams *streams = net_streams_of(user->base.set);

    for (guint i = 0; i < user->forwards->len; i++) {
        struct user_forward *forward = user->forwards->pdata[i];

        streams->close(forward->stream);
        slirp_remove_guestfwd(user->slirp, forward->server, forward->port);
        g_free(forward);
    }
    g_ptr_array_set_size(user->forwards, 0);
}
