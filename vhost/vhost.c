/* vhost/vhost.c - messages to a vhost-user back end, and its answers. */
#include "vhost/vhost.h"
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

struct vhost {
    int socket;
    u64 features, protocol;
    u32 max_queues;
    u32 max_regions;
    struct vhost_region told[VHOST_REGIONS_MAX]; /* with P_CONFIGURE_MEM_SLOTS */
    u32 told_count;
    gint64 deadline; /* monotonic microseconds */
    bool broken;
};

static bool fail(struct vhost *vhost, GError **error)
{
    vhost->broken = true;
    return error_prefix(error, "vhost-user");
}

static unsigned time_left(const struct vhost *vhost)
{
    gint64 left = (vhost->deadline - g_get_monotonic_time()) / 1000;

    return left > 0 ? (unsigned)left : 0;
}

static bool send_message(struct vhost *vhost, u32 request, u32 flags, const void *payload, u32 size, const int *fds, u32 fd_count, GError **error)
{
    u8 message[sizeof(struct header) + 512];
    const struct header header = {request, VERSION | flags, size};

    if (vhost->broken)
        return error_set(error, "vhost-user: the connection is broken");
    memcpy(message, &header, sizeof(header));
    if (size)
        memcpy(message + sizeof(header), payload, size);
    return host_socket_send_message(vhost->socket, message, sizeof(header) + size, fds, fd_count, time_left(vhost), error) || fail(vhost, error);
}

/* An answer must be of the request's kind and size. */
static bool receive_answer(struct vhost *vhost, u32 request, void *payload, u32 size, GError **error)
{
    struct header header;

    if (!host_socket_receive_message(vhost->socket, &header, sizeof(header), time_left(vhost), error))
        return fail(vhost, error);
    if (header.request != request || (header.flags & (3 | REPLY)) != (VERSION | REPLY) || header.size != size) {
        error_set(error, "a strange answer (%u, flags %x, %u bytes) to request %u", header.request, header.flags, header.size, request);
        return fail(vhost, error);
    }
    return host_socket_receive_message(vhost->socket, payload, size, time_left(vhost), error) || fail(vhost, error);
}

/* A request whose answer is one number. */
static bool get_number(struct vhost *vhost, u32 request, u64 *value, GError **error)
{
    return send_message(vhost, request, 0, NULL, 0, NULL, 0, error) && receive_answer(vhost, request, value, sizeof(*value), error);
}

/* A request that is only acknowledged, if the other process does that. */
static bool command(struct vhost *vhost, u32 request, const void *payload, u32 size, const int *fds, u32 fd_count, GError **error)
{
    bool acknowledged = vhost->protocol & BIT64(P_REPLY_ACK);
    u64 answer = 0;

    if (!send_message(vhost, request, acknowledged ? NEED_REPLY : 0, payload, size, fds, fd_count, error))
        return false;
    if (acknowledged && !receive_answer(vhost, request, &answer, sizeof(answer), error))
        return false;
    if (!answer)
        return true;
    error_set(error, "request %u was refused", request);
    return fail(vhost, error);
}

static bool say_hello(struct vhost *vhost, GError **error)
{
    u64 protocol = 0, queues = 1, slots = TABLE_MAX;

    if (!get_number(vhost, GET_FEATURES, &vhost->features, error))
        return false;
    if (vhost->features & BIT64(F_PROTOCOL_FEATURES)) {
        if (!get_number(vhost, GET_PROTOCOL_FEATURES, &protocol, error))
            return false;
        protocol &= BIT64(P_MQ) | BIT64(P_REPLY_ACK) | BIT64(P_NET_MTU) | BIT64(P_CONFIG) | BIT64(P_CONFIGURE_MEM_SLOTS);
        if (!send_message(vhost, SET_PROTOCOL_FEATURES, 0, &protocol, sizeof(protocol), NULL, 0, error))
            return false;
        vhost->protocol = protocol;
    }
    if (!send_message(vhost, SET_OWNER, 0, NULL, 0, NULL, 0, error))
        return false;
    if (protocol & BIT64(P_MQ) && !get_number(vhost, GET_QUEUE_NUM, &queues, error))
        return false;
    if (protocol & BIT64(P_CONFIGURE_MEM_SLOTS) && !get_number(vhost, GET_MAX_MEM_SLOTS, &slots, error))
        return false;
    vhost->max_queues = (u32)MIN(queues, 1024);
    vhost->max_regions = (u32)MIN(slots, VHOST_REGIONS_MAX);
    return true;
}

struct vhost *vhost_create(int socket, GError **error)
{
    struct vhost *vhost = g_new0(struct vhost, 1);

    vhost->socket = socket;
    vhost_begin(vhost);
    if (say_hello(vhost, error))
        return vhost;
    vhost_destroy(vhost);
    return NULL;
}

void vhost_destroy(struct vhost *vhost)
{
    g_free(vhost);
}

void vhost_begin(struct vhost *vhost)
{
    vhost->deadline = g_get_monotonic_time() + VHOST_TIMEOUT_MS * 1000LL;
}

u64 vhost_features(const struct vhost *vhost)
{
    return vhost->features & ~BIT64(F_PROTOCOL_FEATURES);
}

u32 vhost_max_queues(const struct vhost *vhost)
{
    return vhost->max_queues;
}

bool vhost_set_features(struct vhost *vhost, u64 features, GError **error)
{
    features |= vhost->features & BIT64(F_PROTOCOL_FEATURES);
    return command(vhost, SET_FEATURES, &features, sizeof(features), NULL, 0, error);
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
static bool change_slot(struct vhost *vhost, u32 request, const struct vhost_region *region, GError **error)
{
    u64 payload[5] = {0};

    describe(region, payload + 1);
    return command(vhost, request, payload, sizeof(payload), &region->fd, request == ADD_MEM_REG, error);
}

/* What went first: slots are few, and what came may lie in its place. */
static bool set_slots(struct vhost *vhost, const struct vhost_region *regions, u32 count, GError **error)
{
    for (u32 i = vhost->told_count; i-- > 0;) {
        if (has_region(regions, count, &vhost->told[i]))
            continue;
        if (!change_slot(vhost, REM_MEM_REG, &vhost->told[i], error))
            return false;
        vhost->told[i] = vhost->told[--vhost->told_count];
    }
    for (u32 i = 0; i < count; i++) {
        if (has_region(vhost->told, vhost->told_count, &regions[i]))
            continue;
        if (!change_slot(vhost, ADD_MEM_REG, &regions[i], error))
            return false;
        vhost->told[vhost->told_count++] = regions[i];
    }
    return true;
}

bool vhost_drop_memory(struct vhost *vhost, GError **error)
{
    return set_slots(vhost, NULL, 0, error);
}

bool vhost_set_memory(struct vhost *vhost, const struct vhost_region *given, u32 count, GError **error)
{
    struct vhost_region regions[TABLE_MAX];
    u64 payload[1 + 4 * TABLE_MAX];
    int fds[TABLE_MAX];

    if (count > vhost->max_regions)
        return error_set(error, "vhost-user: the machine has %u pieces of shared memory and the other process room for %u, with the rings", count,
                         vhost->max_regions);
    if (vhost->protocol & BIT64(P_CONFIGURE_MEM_SLOTS))
        return set_slots(vhost, given, count, error);
    memcpy(regions, given, count * sizeof(*regions));
    qsort(regions, count, sizeof(*regions), by_address); /* some back ends (Rust's vm-memory) insist on it */
    payload[0] = count;
    for (u32 i = 0; i < count; i++) {
        describe(&regions[i], payload + 1 + 4 * i);
        fds[i] = regions[i].fd;
    }
    return command(vhost, SET_MEM_TABLE, payload, 8 + 32 * count, fds, count, error);
}

bool vhost_set_mtu(struct vhost *vhost, u16 mtu, GError **error)
{
    const u64 payload = mtu;

    return !(vhost->protocol & BIT64(P_NET_MTU)) || command(vhost, NET_SET_MTU, &payload, sizeof(payload), NULL, 0, error);
}

bool vhost_get_config(struct vhost *vhost, void *data, u32 size, GError **error)
{
    u8 payload[12 + VHOST_CONFIG_MAX] = {0};
    const u32 head[3] = {0, size, 0};

    if (!(vhost->protocol & BIT64(P_CONFIG)) || size > VHOST_CONFIG_MAX)
        return error_set(error, "vhost-user: the other process has no configuration to tell");
    memcpy(payload, head, sizeof(head));
    if (!send_message(vhost, GET_CONFIG, 0, payload, 12 + size, NULL, 0, error) || !receive_answer(vhost, GET_CONFIG, payload, 12 + size, error))
        return false;
    memcpy(data, payload + 12, size);
    return true;
}

static bool ring_number(struct vhost *vhost, u32 request, u32 index, u32 number, GError **error)
{
    const u32 payload[2] = {index, number};

    return command(vhost, request, payload, sizeof(payload), NULL, 0, error);
}

static bool ring_descriptor(struct vhost *vhost, u32 request, u32 index, int fd, GError **error)
{
    const u64 payload = index;

    return command(vhost, request, &payload, sizeof(payload), &fd, 1, error);
}

bool vhost_start_ring(struct vhost *vhost, const struct vhost_ring_place *place, u16 base, GError **error)
{
    const u64 addresses[5] = {place->index, (uintptr_t)place->descriptors, (uintptr_t)place->used, (uintptr_t)place->available, 0};

    return ring_number(vhost, SET_VRING_NUM, place->index, place->size, error) &&
           command(vhost, SET_VRING_ADDR, addresses, sizeof(addresses), NULL, 0, error) &&
           ring_number(vhost, SET_VRING_BASE, place->index, base, error) &&
           ring_descriptor(vhost, SET_VRING_CALL, place->index, place->call, error) &&
           ring_descriptor(vhost, SET_VRING_KICK, place->index, place->kick, error) &&
           (!(vhost->features & BIT64(F_PROTOCOL_FEATURES)) || ring_number(vhost, SET_VRING_ENABLE, place->index, 1, error));
}

bool vhost_stop_ring(struct vhost *vhost, u32 index, u16 *base, GError **error)
{
    u32 payload[2] = {index, 0};

    if (!send_message(vhost, GET_VRING_BASE, 0, payload, sizeof(payload), NULL, 0, error) ||
        !receive_answer(vhost, GET_VRING_BASE, payload, sizeof(payload), error))
        return false;
    *base = (u16)payload[1];
    return true;
}
