/* net/netdev.c - making and removing netdevs from their options. */
#include "api/json.h"
#include "api/typed.h"
#include "base/error.h"
#include "host/fd.h"
#include "net/internal.h"
#include "vm/vm.h"
#include <string.h>

static const struct net_kind *const kinds[] = {
    &net_kind_bridge, &net_kind_dgram, &net_kind_hubport, &net_kind_socket, &net_kind_stream, &net_kind_tap, &net_kind_user,
    &net_kind_vhost_user,
};

const char *const *net_kinds(void)
{
    return api_type_net_client_driver.values;
}

static const struct net_kind *find_kind(enum api_net_client_driver driver)
{
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i]->driver == driver)
            return kinds[i];
    }
    return NULL;
}

static bool check_id(struct net_set *set, const char *id, GError **error)
{
    if (!*id)
        return error_set(error, "netdev without an id");
    return !net_find_netdev(set, id) || error_set(error, "netdev id '%s' is in use", id);
}

static void destroy(struct net_backend *backend)
{
    net_disconnect(backend->client); /* it is told that nobody is there any more, while it has something to be told */
    if (backend->kind->close)
        backend->kind->close(backend);
    net_client_destroy(backend->client);
    g_free(backend);
}

/* `-netdev hubport,netdev=ID`: the port's peer is another netdev instead of a card. */
static bool connect_netdev(struct net_backend *backend, const char *id, GError **error)
{
    struct net_client *other = net_find_netdev(backend->set, id);

    if (!other)
        return error_set(error, "there is no netdev '%s'", id);
    if (other->backend->kind == backend->kind)
        return error_set(error, "a hub cannot be connected to a hub");
    if (net_client_is_vhost(other))
        return error_set(error, "netdev '%s' is vhost-user, which serves a virtio card, not a hub", id);
    if (other->peer)
        return error_set(error, "netdev '%s' is in use by '%s'", id, other->peer->name);
    net_connect(backend->client, other);
    return true;
}

bool net_netdev_add(struct net_set *set, const struct api_netdev *options, GError **error)
{
    const struct net_kind *kind = find_kind(options->type);

    if (!kind)
        return error_set(error, "netdev type '%s' does not work on this host", api_type_net_client_driver.values[options->type]);
    if (!check_id(set, options->id, error))
        return false;
    struct net_backend *backend = g_malloc0(kind->size);
    backend->kind = kind;
    backend->set = set;
    backend->context = vm_context(set->vm);
    backend->queues = 1;
    backend->client = net_client_create(set, options->id, NULL, 1, kind->ops, backend);
    backend->client->backend = backend;
    const char *other = kind->connects ? kind->connects(options) : NULL;
    if (kind->open(backend, options, error) && (!other || connect_netdev(backend, other, error))) {
        net_client_set_queues(backend->client, backend->queues);
        net_set_accepts(backend->client, backend->accepts);
        return true;
    }
    error_prefix(error, "netdev '%s'", options->id);
    destroy(backend);
    return false;
}

/* Types that QEMU has and Mynah lacks. */
static bool check_type(const char *type, GError **error)
{
    static const char *const later[] = { "l2tpv3", "vde", "netmap", "vhost-vdpa", "passt", "af-xdp", NULL };

    if (!type) {
        error_set(error, "say which kind of netdev: type=NAME is missing");
        return error_hint(error, "for example -netdev user,id=net0");
    }
    if (g_strv_contains(later, type)) {
        error_set(error, "netdev type '%s' is not in Mynah yet", type);
        return !strcmp(type, "passt") && error_hint(error, "start passt yourself and use -netdev stream,addr.type=unix,addr.path=SOCKET");
    }
    if (api_enum_find(&api_type_net_client_driver, type) >= 0)
        return true;
    const char *near = error_nearest_name(type, api_type_net_client_driver.values);
    g_autofree char *all = g_strjoinv(", ", (char **)api_type_net_client_driver.values);
    error_set(error, "there is no netdev type '%s'", type);
    return near ? error_hint(error, "did you mean '%s'? The types: %s", near, all) : error_hint(error, "the types: %s", all);
}

bool net_netdev_add_keyval(struct net_set *set, struct api_keyval *list, GError **error)
{
    const struct api_keyval_item *type = api_keyval_find(list, "type");
    struct api_netdev *options = NULL;

    if (!check_type(type ? type->value : NULL, error) || !api_typed_from_keyval(list, &api_type_netdev, &options, error))
        return false;
    bool ok = net_netdev_add(set, options, error);
    api_free(&api_type_netdev, options);
    return ok;
}

bool net_netdev_remove(struct net_set *set, const char *id, GError **error)
{
    struct net_client *client = net_find_netdev(set, id);

    if (!client)
        return error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    destroy(client->backend);
    return true;
}

int net_take_fd(struct net_set *set, const char *text, GError **error)
{
    char *end;
    gint64 fd = g_ascii_strtoll(text, &end, 10);

    (void)set;
    if (end != text && !*end && fd >= 0 && fd <= G_MAXINT && host_fd_adopt((int)fd))
        return (int)fd;
    error_set(error, "'%s' is not the number of an inherited file descriptor", text);
    return -1;
}
