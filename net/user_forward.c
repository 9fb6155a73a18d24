/* net/user_forward.c - connections from outside to the guest (hostfwd), and from the guest to programs and streams (guestfwd). */
#include "base/bits.h"
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

enum { FORWARD_WAITING = 256 * 1024 }; /* bytes for a stream; with more, what comes is not let in */

struct user_forward {
    struct user *user;
    struct in_addr server;
    int port;
    void *stream;
    GByteArray *waiting; /* from the guest, acknowledged */
    bool full;
    bool starved;        /* the stream was told that the guest has no room */
};

static void set_full(struct user_forward *forward)
{
    bool full = forward->waiting->len > FORWARD_WAITING;

    forward->user->full_forwards += full - forward->full;
    forward->full = full;
}

/* libslirp has acknowledged the data, and asks nobody how much was taken (4.7, slirp_send). */
static ssize_t from_guest(const void *data, size_t size, void *opaque)
{
    struct user_forward *forward = opaque;
    const struct net_streams *streams = net_streams_of(forward->user->base.set);

    if (!forward->stream)
        return (ssize_t)size;
    size_t taken = forward->waiting->len ? 0 : streams->write(forward->stream, data, size);
    g_byte_array_append(forward->waiting, (const u8 *)data + taken, (guint)(size - taken));
    set_full(forward);
    return (ssize_t)size;
}

static void writable(void *opaque)
{
    struct user_forward *forward = opaque;
    const struct net_streams *streams = net_streams_of(forward->user->base.set);

    if (!forward->stream || !forward->waiting->len)
        return;
    size_t taken = streams->write(forward->stream, forward->waiting->data, forward->waiting->len);
    g_byte_array_remove_range(forward->waiting, 0, (guint)taken);
    set_full(forward);
}

/* TCP in IPv4 with data; a fragment that is not the first passes, since nothing can be made of it without that. */
bool user_forwards_are_full_for(struct user *user, const u8 *frame, u32 size)
{
    const u8 *ip = frame + NET_HEADER_SIZE;
    u32 head = size >= NET_HEADER_SIZE + 20 ? (ip[0] & 15u) * 4 : 0;

    if (head < 20 || bits_load_be(frame + 12, 2) != 0x0800 || ip[9] != IPPROTO_TCP || bits_load_be(ip + 6, 2) & 0x1fff ||
        size < NET_HEADER_SIZE + head + 20 || bits_load_be(ip + 2, 2) <= head + (ip[head + 12] >> 4) * 4u)
        return false;
    for (guint i = 0; i < user->forwards->len; i++) {
        const struct user_forward *forward = user->forwards->pdata[i];

        if (forward->full && !memcmp(ip + 16, &forward->server, 4) && bits_load_be(ip + head + 2, 2) == (u32)forward->port)
            return true;
    }
    return false;
}

static size_t can_receive(void *opaque)
{
    struct user_forward *forward = opaque;
    size_t room = slirp_socket_can_recv(forward->user->slirp, forward->server, forward->port);

    forward->starved = !room;
    return room;
}

void user_forwards_resume(struct user *user)
{
    const struct net_streams *streams = net_streams_of(user->base.set);

    for (guint i = 0; i < user->forwards->len; i++) {
        struct user_forward *forward = user->forwards->pdata[i];

        if (forward->starved && can_receive(forward))
            streams->accept_input(forward->stream);
    }
}

static void to_guest(void *opaque, const u8 *data, size_t size)
{
    struct user_forward *forward = opaque;

    user_enter(forward->user);
    slirp_socket_recv(forward->user->slirp, forward->server, forward->port, data, (int)size);
    user_leave(forward->user);
    user_poll_wake(forward->user);
}

static void free_forward(struct user_forward *forward)
{
    g_byte_array_unref(forward->waiting);
    g_free(forward);
}

static bool forward_to_stream(struct user *user, struct in_addr server, int port, const char *target, GError **error)
{
    const struct net_streams *streams = net_streams_of(user->base.set);
    struct user_forward *forward;

    if (!streams->open)
        return error_set(error, "this program has no character back ends");
    forward = g_new0(struct user_forward, 1);
    *forward = (struct user_forward){ .user = user, .server = server, .port = port, .waiting = g_byte_array_new() };
    struct net_stream_user callbacks = { can_receive, to_guest, writable, forward };
    if (slirp_add_guestfwd(user->slirp, from_guest, forward, &forward->server, port) < 0) {
        free_forward(forward);
        return error_set(error, "the address is not in the guest's network, or is taken");
    }
    forward->stream = streams->open(streams->owner, target, &callbacks, error);
    if (!forward->stream) {
        slirp_remove_guestfwd(user->slirp, forward->server, port);
        free_forward(forward);
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
        free_forward(forward);
    }
    g_ptr_array_set_size(user->forwards, 0);
}
