/* system/net.c - -netdev, -net and -nic; the chardevs that guestfwd leads to. */
#include "base/error.h"
#include "hw/net/vhost_net.h"
#include "net/net.h"
#include "system/system.h"
#include "vm/user.h"
#include <string.h>

/* ---- Streams of chardevs for net/ ---- */

struct stream {
    struct chardev_front front;
    struct net_stream_user user;
    struct chardev_set *chardevs; /* the chardev was made for this, and goes with it; NULL: it is somebody else's */
};

static size_t can_receive(void *opaque)
{
    struct stream *stream = opaque;

    return stream->user.can_receive(stream->user.opaque);
}

static void receive(void *opaque, const u8 *data, size_t length)
{
    struct stream *stream = opaque;

    stream->user.receive(stream->user.opaque, data, length);
}

static void writable(void *opaque)
{
    struct stream *stream = opaque;

    stream->user.writable(stream->user.opaque);
}

static const struct chardev_handlers stream_handlers = { .can_receive = can_receive, .receive = receive, .writable = writable };

static void close_stream(void *opaque)
{
    struct stream *stream = opaque;
    g_autofree char *id = g_strdup(chardev_id(stream->front.chardev));

    chardev_detach(&stream->front);
    if (stream->chardevs)
        chardev_remove(stream->chardevs, id, NULL);
    g_free(stream);
}

static void *open_stream(void *owner, const char *text, const struct net_stream_user *user, GError **error)
{
    struct mynah_system *s = owner;
    g_autofree char *label = g_strdup_printf("guestfwd%u", s->guest_forwards++);
    struct chardev *chardev = chardev_create_legacy(s->chardevs, label, text, NULL, error);
    struct stream *stream;

    if (!chardev) {
        if (error && !*error)
            error_set(error, "'%s' leads nowhere", text);
        return NULL;
    }
    stream = g_new0(struct stream, 1);
    stream->user = *user;
    stream->chardevs = g_str_has_prefix(text, "chardev:") ? NULL : s->chardevs;
    if (chardev_attach(&stream->front, chardev, &stream_handlers, stream, error))
        return stream;
    g_free(stream); /* it has another user: it is not ours */
    return NULL;
}

static size_t write_stream(void *opaque, const u8 *data, size_t length)
{
    return chardev_write(&((struct stream *)opaque)->front, data, length);
}

static void accept_input(void *opaque)
{
    chardev_accept_input(&((struct stream *)opaque)->front);
}

void system_create_networks(struct mynah_system *s)
{
    const struct net_streams streams = { open_stream, close_stream, write_stream, accept_input, s };

    s->networks = net_set_create(s->vm);
    s->cards = g_ptr_array_new_with_free_func((GDestroyNotify)api_keyval_destroy);
    net_set_streams(s->networks, &streams);
    vhost_net_provide(s->networks);
}

/* ---- Options ---- */

/* Takes a key out of a list; the caller frees. NULL: it is not there. */
static char *take(struct api_keyval **list, const char *key)
{
    struct api_keyval *rest = api_keyval_create();
    char *value = NULL;

    for (unsigned i = 0; i < api_keyval_count(*list); i++) {
        const struct api_keyval_item *item = api_keyval_at(*list, i);

        if (strcmp(item->key, key)) {
            api_keyval_set(rest, item->key, item->value);
            continue;
        }
        g_free(value);
        value = g_strdup(item->value);
    }
    api_keyval_destroy(*list);
    *list = rest;
    return value;
}

/* A card for later: the board does not exist yet. */
static bool plan_card(struct mynah_system *s, const char *netdev, const char *model, const char *mac, const char *id, GError **error)
{
    struct api_keyval *card = api_keyval_create();
    u8 address[NET_MAC_SIZE];

    if (mac && !net_mac_parse(mac, address, error)) {
        api_keyval_destroy(card);
        return false;
    }
    if (mac && address[0] & 1) {
        api_keyval_destroy(card);
        error_set(error, "NIC cannot have multicast MAC address '%s'", mac);
        return error_hint(error, "the first byte is even, for example 52:54:00:12:34:56");
    }
    api_keyval_set(card, "driver", model && strcmp(model, "virtio") ? model : "virtio-net-pci");
    if (id)
        api_keyval_set(card, "id", id);
    if (netdev)
        api_keyval_set(card, "netdev", netdev);
    if (mac)
        api_keyval_set(card, "mac", mac);
    g_ptr_array_add(s->cards, card);
    return true;
}

static bool add_nic(struct mynah_system *s, const struct api_keyval *given, GError **error)
{
    g_autoptr(api_keyval) list = api_keyval_create();

    api_keyval_merge(list, given);
    g_autofree char *model = take(&list, "model"), *mac = take(&list, "mac"), *long_mac = take(&list, "macaddr");
    const char *type = api_keyval_get(list, "type"), *id = api_keyval_get(list, "id");
    g_autofree char *own = NULL;

    if (!g_strcmp0(type, "none"))
        return true;
    if (!id) {
        own = g_strdup_printf("__org.qemu.net%u", s->cards->len);
        api_keyval_set(list, "id", own);
    }
    return net_netdev_add_keyval(s->networks, list, error) && plan_card(s, id ? id : own, model, mac ? mac : long_mac, NULL, error);
}

/* A new port of hub 0. Its id. NULL with error. */
static char *add_port(struct mynah_system *s, const char *netdev, GError **error)
{
    g_autoptr(api_keyval) port = api_keyval_create();
    char *id = g_strdup_printf("hub0port%u", s->hub_ports++);

    api_keyval_set(port, "type", "hubport");
    api_keyval_set(port, "id", id);
    api_keyval_set(port, "hubid", "0");
    if (netdev)
        api_keyval_set(port, "netdev", netdev);
    if (net_netdev_add_keyval(s->networks, port, error))
        return id;
    g_free(id);
    return NULL;
}

static bool add_old_card(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    const char *netdev = api_keyval_get(list, "netdev"), *model = api_keyval_get(list, "model"), *mac = api_keyval_get(list, "macaddr");
    static const char *const known[] = { "netdev", "model", "macaddr", "id", "name", "addr", "vectors", NULL };
    g_autofree char *port = NULL;

    api_keyval_get(list, "type");
    api_keyval_get(list, "id");
    if (!api_keyval_check_used(list, known, error) || (!netdev && !(port = add_port(s, NULL, error))))
        return false;
    return plan_card(s, netdev ? netdev : port, model, mac, NULL, error);
}

static bool add_old(struct mynah_system *s, const struct api_keyval *given, GError **error)
{
    g_autoptr(api_keyval) list = api_keyval_create();
    g_autofree char *own = NULL;

    api_keyval_merge(list, given);
    const char *type = api_keyval_get(list, "type"), *id = api_keyval_get(list, "id");
    if (!g_strcmp0(type, "none"))
        return true;
    if (!g_strcmp0(type, "nic"))
        return add_old_card(s, list, error);
    if (!id) {
        id = own = g_strdup_printf("%s.%u", type ? type : "net", s->hub_ports);
        api_keyval_set(list, "id", own);
    }
    if (!net_netdev_add_keyval(s->networks, list, error))
        return false;
    g_autofree char *port = add_port(s, id, error);
    return port != NULL;
}

bool system_create_netdevs(struct mynah_system *s, GError **error)
{
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);
        bool ok = true;

        if (use->id == API_OPTION_NETDEV)
            ok = net_netdev_add_keyval(s->networks, use->keyval, error);
        else if (use->id == API_OPTION_NIC)
            ok = add_nic(s, use->keyval, error);
        else if (use->id == API_OPTION_NET)
            ok = add_old(s, use->keyval, error);
        if (!ok)
            return api_option_prefix(use, error);
    }
    return true;
}

bool system_create_cards(struct mynah_system *s, GError **error)
{
    for (guint i = 0; i < s->cards->len; i++) {
        struct api_keyval *card = s->cards->pdata[i];

        if (!system_create_device(s, card, error))
            return error_prefix(error, "network card");
    }
    return true;
}

void system_destroy_networks(struct mynah_system *s)
{
    net_set_destroy(s->networks);
    if (s->cards)
        g_ptr_array_unref(s->cards);
}
