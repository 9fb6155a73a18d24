/* net/set.c - the networks of a machine: finding clients, cards, events, addresses. */
#include "base/error.h"
#include "net/internal.h"
#include "vm/machine.h"
#include "vm/vm.h"
#include <string.h>

struct listener {
    void (*fn)(const struct net_event *event, void *opaque);
    void *opaque;
};

static void resume_all(const struct vm_event *event, void *opaque)
{
    struct net_set *set = opaque;

    if (event->kind != VM_EVENT_RESUME)
        return;
    for (guint i = 0; i < set->clients->len; i++) {
        struct net_client *client = set->clients->pdata[i];

        if (client->link_news)
            net_tell_link(client);
        if (client->announce_due)
            net_client_announce(client);
        for (u32 queue = 0; client->object && queue < client->queues; queue++)
            net_resume(client, queue);
    }
}

struct net_set *net_set_create(struct vm *vm)
{
    struct net_set *set = g_new0(struct net_set, 1);

    set->vm = vm;
    set->clients = g_ptr_array_new();
    set->listeners = g_array_new(FALSE, FALSE, sizeof(struct listener));
    set->announcements = g_ptr_array_new_with_free_func(net_announcements_free);
    vm_on_event(vm, resume_all, set);
    vm_set_backend(vm, "net", 0, set);
    return set;
}

void net_set_destroy(struct net_set *set)
{
    if (!set)
        return;
    for (guint i = set->clients->len; i-- > 0;) {
        struct net_client *client = set->clients->pdata[i];

        if (client->backend)
            net_netdev_remove(set, client->name, NULL);
    }
    vm_off_event(set->vm, resume_all, set);
    g_ptr_array_set_size(set->announcements, 0);
    set->closing = true;
    net_set_free_if_done(set);
}

void net_set_free_if_done(struct net_set *set)
{
    if (!set->closing || set->clients->len)
        return;
    vm_set_backend(set->vm, "net", 0, NULL);
    g_ptr_array_unref(set->clients);
    g_array_unref(set->listeners);
    g_ptr_array_unref(set->announcements);
    g_free(set);
}

struct net_set *net_set_of(struct vm *vm)
{
    return vm_backend(vm, "net", 0);
}

struct vm *net_set_vm(const struct net_set *set)
{
    return set->vm;
}

void net_foreach(struct net_set *set, void (*fn)(struct net_client *client, void *opaque), void *opaque)
{
    for (guint i = 0; i < set->clients->len; i++)
        fn(set->clients->pdata[i], opaque);
}

static struct net_client *find(const struct net_set *set, const char *name, bool cards, bool netdevs)
{
    for (guint i = 0; i < set->clients->len; i++) {
        struct net_client *client = set->clients->pdata[i];

        if ((client->backend ? netdevs : cards) && !strcmp(client->name, name))
            return client;
    }
    return NULL;
}

struct net_client *net_find(struct net_set *set, const char *name)
{
    return find(set, name, true, true);
}

struct net_client *net_find_netdev(struct net_set *set, const char *id)
{
    return find(set, id, false, true);
}

const char *net_client_name(const struct net_client *client)
{
    return client->name;
}

bool net_client_is_card(const struct net_client *client)
{
    return client->object;
}

struct net_client *net_client_peer(const struct net_client *client)
{
    return client->peer;
}

bool net_client_rx_filter(struct net_client *client, struct net_rx_filter *filter)
{
    *filter = (struct net_rx_filter){
        .unicast_table = g_array_new(FALSE, FALSE, NET_MAC_SIZE),
        .multicast_table = g_array_new(FALSE, FALSE, NET_MAC_SIZE),
        .vlan_table = g_array_new(FALSE, FALSE, sizeof(u16)),
    };
    client->filter_told = false;
    return client->ops->rx_filter && client->ops->rx_filter(client->opaque, filter);
}

void net_rx_filter_clear(struct net_rx_filter *filter)
{
    g_array_unref(filter->unicast_table);
    g_array_unref(filter->multicast_table);
    g_array_unref(filter->vlan_table);
}

void net_client_announce(struct net_client *client)
{
    client->announce_due = client->object && !vm_running(client->set->vm);
    if (client->ops->announce && !client->announce_due)
        client->ops->announce(client->opaque);
}

/* ---- Cards ---- */

/* The device that the user made: of virtio-net-pci the card itself is a part. */
static const struct vm_object *outermost(const struct vm_object *object)
{
    const struct vm_object *at = object;

    while (at->parent && !g_str_has_prefix(at->parent->name, "peripheral"))
        at = at->parent;
    return at->parent ? at : object;
}

/* The device's id, or "MODEL.N" with the number of cards of that model that there are. */
static char *name_card(struct net_set *set, const struct vm_object *device)
{
    const char *model = device->class->name;
    unsigned count = 0;

    if (device->parent && !g_strcmp0(device->parent->name, "peripheral") && !find(set, device->name, true, false))
        return g_strdup(device->name);
    for (guint i = 0; i < set->clients->len; i++)
        count += !g_strcmp0(((struct net_client *)set->clients->pdata[i])->model, model);
    for (;; count++) {
        char *name = g_strdup_printf("%s.%u", model, count);

        if (!find(set, name, true, false))
            return name;
        g_free(name);
    }
}

static bool has_card(const struct net_set *set, const u8 mac[NET_MAC_SIZE])
{
    for (guint i = 0; i < set->clients->len; i++) {
        const struct net_client *client = set->clients->pdata[i];

        if (client->object && !memcmp(client->mac, mac, NET_MAC_SIZE))
            return true;
    }
    return false;
}

/* 52:54:00:12:34:56 and up: the first whose last byte no card has. */
static void choose_mac(const struct net_set *set, u8 mac[NET_MAC_SIZE])
{
    static const u8 first[NET_MAC_SIZE] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
    static const u8 zero[NET_MAC_SIZE];

    if (memcmp(mac, zero, NET_MAC_SIZE))
        return;
    memcpy(mac, first, NET_MAC_SIZE);
    for (unsigned i = 0; i < 256 && has_card(set, mac); i++)
        mac[5]++;
}

static bool check_peer(const struct net_client *peer, const char *netdev, u32 queues, const struct net_client_ops *ops, GError **error)
{
    if (!peer) {
        error_set(error, "there is no netdev '%s'", netdev);
        return error_hint(error, "define it with -netdev TYPE,id=%s", netdev);
    }
    if (peer->peer)
        return error_set(error, "netdev '%s' is in use by '%s'", netdev, peer->peer->name);
    if (net_client_is_vhost(peer) && !ops->takes_wire) {
        error_set(error, "netdev '%s' is vhost-user, which serves virtio cards only", netdev);
        return error_hint(error, "use virtio-net-pci or virtio-net-device");
    }
    if (queues > peer->queues)
        return error_set(error, "netdev '%s' has %u queue(s), %u are needed", netdev, peer->queues, queues);
    return true;
}

struct net_client *net_card_create(struct vm_object *object, const char *netdev, u8 mac[NET_MAC_SIZE], u32 queues,
                                   const struct net_client_ops *ops, void *opaque, GError **error)
{
    bool alone = !net_set_of(object->vm); /* nobody made a set: it goes with its last card */
    struct net_set *set = alone ? net_set_create(object->vm) : net_set_of(object->vm);
    struct net_client *peer = netdev ? net_find_netdev(set, netdev) : NULL;

    if (netdev && !check_peer(peer, netdev, queues, ops, error)) {
        if (alone)
            net_set_destroy(set);
        return NULL;
    }
    const struct vm_object *device = outermost(object);
    const char *model = device->class->name;
    g_autofree char *name = name_card(set, device);
    struct net_client *card = net_client_create(set, name, model, queues ? queues : peer ? peer->queues : 1, ops, opaque);
    choose_mac(set, mac);
    memcpy(card->mac, mac, NET_MAC_SIZE);
    card->object = object;
    if (alone)
        net_set_destroy(set);
    g_autofree char *text = net_mac_print(mac);
    net_set_info(card, "model=%s,macaddr=%s", model, text);
    if (peer) {
        net_connect(card, peer);
        card->link_down = peer->link_down;
    }
    return card;
}

void net_rx_filter_changed(struct net_client *client)
{
    if (!client || client->filter_told)
        return;
    g_autofree char *path = vm_object_path(client->object);
    client->filter_told = true;
    net_emit(client->set, &(struct net_event){ .kind = NET_EVENT_RX_FILTER_CHANGED, .client = client, .path = path });
}

/* ---- Addresses ---- */

bool net_mac_parse(const char *text, u8 mac[NET_MAC_SIZE], GError **error)
{
    bool good = strlen(text) == 17;

    for (unsigned i = 0; good && i < 17; i++)
        good = i % 3 == 2 ? text[i] == ':' || text[i] == '-' : g_ascii_isxdigit(text[i]);
    if (!good) {
        error_set(error, "'%s' is not a MAC address", text);
        return error_hint(error, "for example 52:54:00:12:34:56");
    }
    for (unsigned i = 0; i < NET_MAC_SIZE; i++)
        mac[i] = (u8)(g_ascii_xdigit_value(text[3 * i]) << 4 | g_ascii_xdigit_value(text[3 * i + 1]));
    return true;
}

char *net_mac_print(const u8 mac[NET_MAC_SIZE])
{
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* ---- Events and streams ---- */

void net_on_event(struct net_set *set, void (*fn)(const struct net_event *event, void *opaque), void *opaque)
{
    struct listener listener = { fn, opaque };

    g_array_append_val(set->listeners, listener);
}

void net_emit(struct net_set *set, const struct net_event *event)
{
    for (guint i = 0; i < set->listeners->len; i++) {
        const struct listener *listener = &g_array_index(set->listeners, struct listener, i);

        listener->fn(event, listener->opaque);
    }
}

void net_set_streams(struct net_set *set, const struct net_streams *streams)
{
    set->streams = *streams;
}

const struct net_streams *net_streams_of(const struct net_set *set)
{
    return &set->streams;
}

/* ---- info network ---- */

static const char *type_of(const struct net_client *client)
{
    return client->object ? "nic" : api_type_net_client_driver.values[client->backend->kind->driver];
}

static void describe_client(GString *text, const char *indent, const struct net_client *client)
{
    for (u32 i = 0; i < client->queues; i++)
        g_string_append_printf(text, "%s%s: index=%u,type=%s,%s\n", indent, client->name, i, type_of(client), client->info ? client->info : "");
}

char *net_describe(struct net_set *set)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < set->clients->len; i++) {
        const struct net_client *client = set->clients->pdata[i];

        if (client->backend && client->peer && client->peer->object)
            continue; /* below its card */
        describe_client(text, "", client);
        if (client->object && client->peer)
            describe_client(text, " \\ ", client->peer);
    }
    return g_string_free(text, FALSE);
}
