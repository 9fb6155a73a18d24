/* monitor/qmp_net.c - commands and events about networks. */
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "net/announce.h"
#include "net/net.h"
#include <string.h>

static struct net_set *set_of(struct monitor *monitor, GError **error)
{
    struct net_set *set = net_set_of(monitor->set->vm);

    if (!set)
        error_set(error, "this machine has no networks");
    return set;
}

/* A name that getfd gave becomes a number, which the netdev owns from then on, unless it is refused. */
static bool resolve_fd(struct monitor *monitor, char **text, GError **error)
{
    int fd;

    if (!*text || g_ascii_isdigit(**text))
        return true;
    fd = monitor_take_named_fd(monitor, *text, error);
    if (fd < 0)
        return false;
    g_free(*text);
    *text = g_strdup_printf("%d", fd);
    return true;
}

static bool resolve_fds(struct monitor *monitor, char **text, GError **error)
{
    g_auto(GStrv) parts = *text ? g_strsplit(*text, ":", -1) : NULL;

    for (char **part = parts; part && *part; part++) {
        if (!resolve_fd(monitor, part, error))
            return false;
    }
    if (parts) {
        g_free(*text);
        *text = g_strjoinv(":", parts);
    }
    return true;
}

static bool resolve_address(struct monitor *monitor, struct api_socket_address *address, GError **error)
{
    return !address || address->type != API_SOCKET_ADDRESS_TYPE_FD || resolve_fd(monitor, &address->u.fd->str, error);
}

static bool resolve_descriptors(struct monitor *monitor, const struct api_netdev *args, GError **error)
{
    switch (args->type) {
    case API_NET_CLIENT_DRIVER_TAP:
        return resolve_fd(monitor, &args->u.tap->fd, error) && resolve_fds(monitor, &args->u.tap->fds, error);
    case API_NET_CLIENT_DRIVER_SOCKET:
        return resolve_fd(monitor, &args->u.socket->fd, error);
    case API_NET_CLIENT_DRIVER_STREAM:
        return resolve_address(monitor, args->u.stream->addr, error);
    case API_NET_CLIENT_DRIVER_DGRAM:
        return resolve_address(monitor, args->u.dgram->local, error);
    default:
        return true;
    }
}

bool qmp_netdev_add(struct monitor *monitor, const struct api_netdev *args, GError **error)
{
    struct net_set *set = set_of(monitor, error);

    return set && resolve_descriptors(monitor, args, error) && net_netdev_add(set, args, error);
}

bool qmp_netdev_del(struct monitor *monitor, const struct api_args_netdev_del *args, GError **error)
{
    struct net_set *set = set_of(monitor, error);

    return set && net_netdev_remove(set, args->id, error);
}

bool qmp_set_link(struct monitor *monitor, const struct api_args_set_link *args, GError **error)
{
    struct net_set *set = set_of(monitor, error);
    struct net_client *client = set ? net_find(set, args->name) : NULL;

    if (!client)
        return error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", args->name);
    net_set_link(client, args->up);
    return true;
}

/* ---- query-rx-filter ---- */

static GPtrArray *mac_list(const GArray *table)
{
    GPtrArray *list = api_list_new();

    for (guint i = 0; i < table->len; i++)
        g_ptr_array_add(list, net_mac_print((const u8 *)table->data + i * NET_MAC_SIZE));
    return list;
}

static struct api_rx_filter_info *describe(const struct net_client *client, const struct net_rx_filter *filter)
{
    struct api_rx_filter_info *info = api_new(&api_type_rx_filter_info);

    info->name = g_strdup(net_client_name(client));
    info->promiscuous = filter->promiscuous;
    info->multicast = (enum api_rx_state)filter->multicast;
    info->unicast = (enum api_rx_state)filter->unicast;
    info->vlan = (enum api_rx_state)filter->vlan;
    info->broadcast_allowed = filter->broadcast;
    info->multicast_overflow = filter->multicast_overflow;
    info->unicast_overflow = filter->unicast_overflow;
    info->main_mac = net_mac_print(filter->mac);
    info->unicast_table = mac_list(filter->unicast_table);
    info->multicast_table = mac_list(filter->multicast_table);
    info->vlan_table = api_list_new();
    for (guint i = 0; i < filter->vlan_table->len; i++)
        g_ptr_array_add(info->vlan_table, GSIZE_TO_POINTER((gsize)g_array_index(filter->vlan_table, u16, i)));
    return info;
}

struct rx_query {
    const char *name;
    GPtrArray *list;
    bool card, filter;
};

static void add_filter(struct net_client *client, void *opaque)
{
    struct rx_query *query = opaque;
    struct net_rx_filter filter;

    if (query->name && strcmp(query->name, net_client_name(client)))
        return;
    query->card = query->card || net_client_is_card(client);
    if (!net_client_is_card(client))
        return;
    if (net_client_rx_filter(client, &filter)) {
        g_ptr_array_add(query->list, describe(client, &filter));
        query->filter = true;
    }
    net_rx_filter_clear(&filter);
}

bool qmp_query_rx_filter(struct monitor *monitor, const struct api_args_query_rx_filter *args, GPtrArray **ret, GError **error)
{
    struct net_set *set = set_of(monitor, error);
    struct rx_query query = { .name = args->name };

    if (!set)
        return false;
    *ret = query.list = api_list_new();
    net_foreach(set, add_filter, &query);
    if (!args->name || query.filter)
        return true;
    if (!net_find(set, args->name))
        return error_set(error, "invalid net client name: %s", args->name);
    return error_set(error, query.card ? "net client(%s) doesn't support rx-filter querying" : "net client(%s) isn't a NIC", args->name);
}

bool qmp_announce_self(struct monitor *monitor, const struct api_args_announce_self *args, GError **error)
{
    struct net_set *set = set_of(monitor, error);
    g_autoptr(GPtrArray) cards = args->interfaces ? g_ptr_array_new() : NULL;

    if (!set)
        return false;
    for (guint i = 0; cards && i < args->interfaces->len; i++)
        g_ptr_array_add(cards, args->interfaces->pdata[i]);
    if (cards)
        g_ptr_array_add(cards, NULL);
    struct net_announcing how = { args->initial, args->max, args->step, args->rounds, args->id, cards ? (const char *const *)cards->pdata : NULL };
    return net_announce(set, &how, error);
}

/* ---- Events ---- */

/* "unix:PATH", "tcp:HOST:PORT" or "fd:N" as QMP shows it. */
static struct api_socket_address *parse_address(const char *text)
{
    struct api_socket_address *address = api_new(&api_type_socket_address);
    const char *rest = strchr(text, ':') + 1, *colon = strrchr(rest, ':');

    if (g_str_has_prefix(text, "unix:")) {
        address->type = API_SOCKET_ADDRESS_TYPE_UNIX;
        address->u.unix_ = api_new(&api_type_unix_socket_address);
        address->u.unix_->path = g_strdup(rest);
    } else if (g_str_has_prefix(text, "fd:") || !colon) {
        address->type = API_SOCKET_ADDRESS_TYPE_FD;
        address->u.fd = api_new(&api_type_fd_socket_address);
        address->u.fd->str = g_strdup(rest);
    } else {
        address->type = API_SOCKET_ADDRESS_TYPE_INET;
        address->u.inet = api_new(&api_type_inet_socket_address);
        address->u.inet->host = g_strndup(rest, (gsize)(colon - rest));
        address->u.inet->port = g_strdup(colon + 1);
    }
    return address;
}

static void on_net_event(const struct net_event *event, void *opaque)
{
    struct monitor_set *set = opaque;
    struct api_socket_address *address;

    switch (event->kind) {
    case NET_EVENT_STREAM_CONNECTED:
        address = parse_address(event->address);
        api_event_netdev_stream_connected(&set->events, net_client_name(event->client), address);
        api_free(&api_type_socket_address, address);
        return;
    case NET_EVENT_STREAM_DISCONNECTED:
        return api_event_netdev_stream_disconnected(&set->events, net_client_name(event->client));
    case NET_EVENT_VHOST_CONNECTED:
        return api_event_netdev_vhost_user_connected(&set->events, net_client_name(event->client), event->address);
    case NET_EVENT_VHOST_DISCONNECTED:
        return api_event_netdev_vhost_user_disconnected(&set->events, net_client_name(event->client));
    case NET_EVENT_RX_FILTER_CHANGED:
        return api_event_nic_rx_filter_changed(&set->events, net_client_name(event->client), event->path);
    }
}

void monitor_watch_networks(struct monitor_set *set)
{
    struct net_set *networks = net_set_of(set->vm);

    if (networks)
        net_on_event(networks, on_net_event, set);
}
