/* vhost/user.c - messages to a vhost-user back end, and its answers. */
#include "vhost/internal.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/socket.h"
#include <stdlib.h>
#include <string.h>

enum {
    GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9, SET_VRING_BASE = 10,
    GET_VRING_BASE = 11, SET_VRING_KICK = 12, SET_VRING_CALL = 13, GET_PROTOCOL_FEATURES = 15, SET_PROTOCOL_FEATURES = 16, GET_QUEUE_NUM = 17,
    SET_VRING_ENABLE = 18, NET_SET_MTU = 20, GET_CONFIG = 24, GET_MAX_MEM_SLOTS = 36, ADD_MEM_REG = 37, REM_MEM_REG = 38,
};
enum { VERSION = 1, REPLY = 4, NEED_REPLY = 8 };
enum { F_PROTOCOL_FEATURES = 30 };
enum { P_MQ = 0, P_REPLY_ACK = 3, P_NET_MTU = 4, P_CONFIG = 9, P_CONFIGURE_MEM_SLOTS = 15 };
enum { TABLE_MAX = 8 }; /* regions of SET_MEM_TABLE */

struct header {
    u32 request, flags, size;
};

struct vhost_user {
    struct vhost vhost;
    int socket;
    u64 offered, protocol; /* offered: with F_PROTOCOL_FEATURES */
    u32 max_regions;
    struct vhost_region told[VHOST_REGIONS_MAX]; /* with P_CONFIGURE_MEM_SLOTS */
    u32 told_count;
    gint64 deadline; /* monotonic microseconds */
    bool broken;
};

static struct vhost_user *user_of(struct vhost *vhost)
{
    return (struct vhost_user *)vhost;
}

static bool fail(struct vhost_user *user, GError **error)
{
    user->broken = true;
    return error_prefix(error, "vhost-user");
}

static unsigned time_left(const struct vhost_user *user)
{
    gint64 left = (user->deadline - g_get_monotonic_time()) / 1000;

    return left > 0 ? (unsigned)left : 0;
}

static bool send_message(struct vhost_user *user, u32 request, u32 flags, const void *payload, u32 size, const int *fds, u32 fd_count, GError **error)
{
    u8 message[sizeof(struct header) + 512];
    const struct header header = {request, VERSION | flags, size};

    if (user->broken)
        return error_set(error, "vhost-user: the connection is broken");
    memcpy(message, &header, sizeof(header));
    if (size)
        memcpy(message + sizeof(header), payload, size);
    return host_socket_send_message(user->socket, message, sizeof(header) + size, fds, fd_count, time_left(user), error) || fail(user, error);
}

/* An answer must be of the request's kind and size. */
static bool receive_answer(struct vhost_user *user, u32 request, void *payload, u32 size, GError **error)
{
    struct header header;

    if (!host_socket_receive_message(user->socket, &header, sizeof(header), time_left(user), error))
        return fail(user, error);
    if (header.request != request || (header.flags & (3 | REPLY)) != (VERSION | REPLY) || header.size != size) {
        error_set(error, "a strange answer (%u, flags %x, %u bytes) to request %u", header.request, header.flags, header.size, request);
        return fail(user, error);
    }
    return host_socket_receive_message(user->socket, payload, size, time_left(user), error) || fail(user, error);
}

/* A request whose answer is one number. */
static bool get_number(struct vhost_user *user, u32 request, u64 *value, GError **error)
{
    return send_message(user, request, 0, NULL, 0, NULL, 0, error) && receive_answer(user, request, value, sizeof(*value), error);
}

/* A request that is only acknowledged, if the other process does that. */
static bool command(struct vhost_user *user, u32 request, const void *payload, u32 size, const int *fds, u32 fd_count, GError **error)
{
    bool acknowledged = user->protocol & BIT64(P_REPLY_ACK);
    u64 answer = 0;

    if (!send_message(user, request, acknowledged ? NEED_REPLY : 0, payload, size, fds, fd_count, error))
        return false;
    if (acknowledged && !receive_answer(user, request, &answer, sizeof(answer), error))
        return false;
    if (!answer)
        return true;
    error_set(error, "request %u was refused", request);
    return fail(user, error);
}

static bool say_hello(struct vhost_user *user, GError **error)
{
    u64 protocol = 0, queues = 1, slots = TABLE_MAX;

    if (!get_number(user, GET_FEATURES, &user->offered, error))
        return false;
    user->vhost.features = user->offered & ~BIT64(F_PROTOCOL_FEATURES);
    if (user->offered & BIT64(F_PROTOCOL_FEATURES)) {
        if (!get_number(user, GET_PROTOCOL_FEATURES, &protocol, error))
            return false;
        protocol &= BIT64(P_MQ) | BIT64(P_REPLY_ACK) | BIT64(P_NET_MTU) | BIT64(P_CONFIG) | BIT64(P_CONFIGURE_MEM_SLOTS);
        if (!send_message(user, SET_PROTOCOL_FEATURES, 0, &protocol, sizeof(protocol), NULL, 0, error))
            return false;
        user->protocol = protocol;
    }
    if (!send_message(user, SET_OWNER, 0, NULL, 0, NULL, 0, error))
        return false;
    if (protocol & BIT64(P_MQ) && !get_number(user, GET_QUEUE_NUM, &queues, error))
        return false;
    if (protocol & BIT64(P_CONFIGURE_MEM_SLOTS) && !get_number(user, GET_MAX_MEM_SLOTS, &slots, error))
        return false;
    user->vhost.max_queues = (u32)MIN(queues, 1024);
    user->max_regions = (u32)MIN(slots, VHOST_REGIONS_MAX);
    return true;
}

static void destroy(struct vhost *vhost)
{
    g_free(vhost);
}

static void begin(struct vhost *vhost)
{
    user_of(vhost)->deadline = g_get_monotonic_time() + VHOST_TIMEOUT_MS * 1000LL;
}

static bool set_features(struct vhost *vhost, u64 features, GError **error)
{
    features |= user_of(vhost)->offered & BIT64(F_PROTOCOL_FEATURES);
    return command(user_of(vhost), SET_FEATURES, &features, sizeof(features), NULL, 0, error);
}

static int by_address(const void *a, const void *b)
{
    const struct vhost_region *x = a, *y = b;

    return x->host < y->host ? -1 : x->host > y->host;
}

/* Addresses of the guest and of this process are the same here. */
static void describe(const struct vhost_region *region, u64 *entry)
{
    entry[0] = entry[2] = (uintptr_t)region->host;
    entry[1] = region->size;
    entry[3] = region->offset;
}

static bool has_region(const struct vhost_region *regions, u32 count, const struct vhost_region *region)
{
    u32 i = 0;

    while (i < count && (regions[i].host != region->host || regions[i].size != region->size || regions[i].offset != region->offset || regions[i].fd != region->fd))
        i++;
    return i < count;
}

/* ADD_MEM_REG brings the descriptor, REM_MEM_REG none. */
static bool change_slot(struct vhost_user *user, u32 request, const struct vhost_region *region, GError **error)
{
    u64 payload[5] = {0};

    describe(region, payload + 1);
    return command(user, request, payload, sizeof(payload), &region->fd, request == ADD_MEM_REG, error);
}

/* What went first: slots are few, and what came may lie in its place. */
static bool set_slots(struct vhost_user *user, const struct vhost_region *regions, u32 count, GError **error)
{
    for (u32 i = user->told_count; i-- > 0;) {
        if (has_region(regions, count, &user->told[i]))
            continue;
        if (!change_slot(user, REM_MEM_REG, &user->told[i], error))
            return false;
        user->told[i] = user->told[--user->told_count];
    }
    for (u32 i = 0; i < count; i++) {
        if (has_region(user->told, user->told_count, &regions[i]))
            continue;
        if (!change_slot(user, ADD_MEM_REG, &regions[i], error))
            return false;
        user->told[user->told_count++] = regions[i];
    }
    return true;
}

static bool drop_memory(struct vhost *vhost, GError **error)
{
    return set_slots(user_of(vhost), NULL, 0, error);
}

static bool set_memory(struct vhost *vhost, const struct vhost_region *given, u32 count, GError **error)
{
    struct vhost_user *user = user_of(vhost);
    struct vhost_region regions[TABLE_MAX];
    u64 payload[1 + 4 * TABLE_MAX];
    int fds[TABLE_MAX];

    if (count > user->max_regions)
        return error_set(error, "vhost-user: the machine has %u pieces of shared memory and the other process room for %u, with the rings", count,
                         user->max_regions);
    if (user->protocol & BIT64(P_CONFIGURE_MEM_SLOTS))
        return set_slots(user, given, count, error);
    memcpy(regions, given, count * sizeof(*regions));
    qsort(regions, count, sizeof(*regions), by_address); /* some back ends (Rust's vm-memory) insist on it */
    payload[0] = count;
    for (u32 i = 0; i < count; i++) {
        describe(&regions[i], payload + 1 + 4 * i);
        fds[i] = regions[i].fd;
    }
    return command(user, SET_MEM_TABLE, payload, 8 + 32 * count, fds, count, error);
}

static bool set_mtu(struct vhost *vhost, u16 mtu, GError **error)
{
    struct vhost_user *user = user_of(vhost);
    const u64 payload = mtu;

    return !(user->protocol & BIT64(P_NET_MTU)) || command(user, NET_SET_MTU, &payload, sizeof(payload), NULL, 0, error);
}

static bool get_config(struct vhost *vhost, void *data, u32 size, GError **error)
{
    struct vhost_user *user = user_of(vhost);
    u8 payload[12 + VHOST_CONFIG_MAX] = {0};
    const u32 head[3] = {0, size, 0};

    if (!(user->protocol & BIT64(P_CONFIG)) || size > VHOST_CONFIG_MAX)
        return error_set(error, "vhost-user: the other process has no configuration to tell");
    memcpy(payload, head, sizeof(head));
    if (!send_message(user, GET_CONFIG, 0, payload, 12 + size, NULL, 0, error) || !receive_answer(user, GET_CONFIG, payload, 12 + size, error))
        return false;
    memcpy(data, payload + 12, size);
    return true;
}

static bool ring_number(struct vhost_user *user, u32 request, u32 index, u32 number, GError **error)
{
    const u32 payload[2] = {index, number};

    return command(user, request, payload, sizeof(payload), NULL, 0, error);
}

static bool ring_descriptor(struct vhost_user *user, u32 request, u32 index, int fd, GError **error)
{
    const u64 payload = index;

    return command(user, request, &payload, sizeof(payload), &fd, 1, error);
}

static bool start_ring(struct vhost *vhost, const struct vhost_ring_place *place, u16 base, GError **error)
{
    struct vhost_user *user = user_of(vhost);
    const u64 addresses[5] = {place->index, (uintptr_t)place->descriptors, (uintptr_t)place->used, (uintptr_t)place->available, 0};

    return ring_number(user, SET_VRING_NUM, place->index, place->size, error) &&
           command(user, SET_VRING_ADDR, addresses, sizeof(addresses), NULL, 0, error) &&
           ring_number(user, SET_VRING_BASE, place->index, base, error) &&
           ring_descriptor(user, SET_VRING_CALL, place->index, place->call, error) &&
           ring_descriptor(user, SET_VRING_KICK, place->index, place->kick, error) &&
           (!(user->offered & BIT64(F_PROTOCOL_FEATURES)) || ring_number(user, SET_VRING_ENABLE, place->index, 1, error));
}

static bool stop_ring(struct vhost *vhost, u32 index, u16 *base, GError **error)
{
    struct vhost_user *user = user_of(vhost);
    u32 payload[2] = {index, 0};

    if (!send_message(user, GET_VRING_BASE, 0, payload, sizeof(payload), NULL, 0, error) ||
        !receive_answer(user, GET_VRING_BASE, payload, sizeof(payload), error))
        return false;
    *base = (u16)payload[1];
    return true;
}

static const struct vhost_ops ops = { .destroy = destroy, .begin = begin, .set_features = set_features, .set_memory = set_memory, .drop_memory = drop_memory,
                                      .set_mtu = set_mtu, .start_ring = start_ring, .stop_ring = stop_ring, .get_config = get_config, .shared = true };

struct vhost *vhost_create(int socket, GError **error)
{
    struct vhost_user *user = g_new0(struct vhost_user, 1);

    user->vhost.ops = &ops;
    user->socket = socket;
    begin(&user->vhost);
    if (say_hello(user, error))
        return &user->vhost;
    g_free(user);
    return NULL;
}
