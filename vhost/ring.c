/* vhost/ring.c - rings of our own in shared memory. */
#include "vhost/ring.h"
#include "base/error.h"
#include "host/map.h"
#include "host/notifier.h"
#include <string.h>

struct descriptor {
    u64 address;
    u32 size;
    u16 flags, next;
};

enum { NEXT = 1, WRITE = 2, NONE = 0xffff };

/* As in memory; each ring has pages of its own. */
struct layout {
    struct descriptor descriptors[VHOST_RING_SIZE];
    struct {
        u16 flags, index, ring[VHOST_RING_SIZE + 1];
    } available;
    struct {
        u16 flags, index;
        struct {
            u32 id, size;
        } ring[VHOST_RING_SIZE];
        u16 event;
    } used __attribute__((aligned(4096)));
} __attribute__((aligned(4096)));

struct vhost_ring {
    struct layout *layout;
    u32 index, count; /* of the rings; count in the first one only */
    int kick, call, fd;
    u16 free_first, free_count;
    u16 used; /* entries taken */
    u32 in_flight;
    void *cookie[VHOST_RING_SIZE];  /* by first descriptor */
    u64 writable[VHOST_RING_SIZE];
    u16 next[VHOST_RING_SIZE];      /* our own copy: the other process can write to its one */
};

void vhost_ring_reset(struct vhost_ring *ring)
{
    memset(ring->layout, 0, sizeof(*ring->layout));
    memset(ring->cookie, 0, sizeof(ring->cookie));
    for (u32 i = 0; i < VHOST_RING_SIZE; i++)
        ring->next[i] = i + 1 < VHOST_RING_SIZE ? (u16)(i + 1) : NONE;
    ring->free_first = 0;
    ring->free_count = VHOST_RING_SIZE;
    ring->used = 0;
    ring->in_flight = 0;
    host_notifier_clear(ring->kick);
    host_notifier_clear(ring->call);
}

static u64 region_size(u32 count)
{
    return count * sizeof(struct layout);
}

static bool init(struct vhost_ring *rings, u32 count, GError **error)
{
    rings->fd = host_map_create_file("vhost-rings", region_size(count), error);
    struct layout *layout = rings->fd < 0 ? NULL : host_map_file(rings->fd, 0, region_size(count), HOST_MAP_READ | HOST_MAP_WRITE, NULL, error);
    if (!layout)
        return false;
    for (u32 i = 0; i < count; i++) {
        rings[i].layout = layout + i;
        rings[i].index = i;
        rings[i].kick = host_notifier_create(error);
        rings[i].call = rings[i].kick < 0 ? -1 : host_notifier_create(error);
        if (rings[i].call < 0)
            return false;
        vhost_ring_reset(&rings[i]);
    }
    return true;
}

struct vhost_ring *vhost_rings_create(u32 count, GError **error)
{
    struct vhost_ring *rings = g_new0(struct vhost_ring, count);

    rings->count = count;
    for (u32 i = 0; i < count; i++)
        rings[i].kick = rings[i].call = -1;
    if (init(rings, count, error))
        return rings;
    vhost_rings_destroy(rings);
    return NULL;
}

void vhost_rings_destroy(struct vhost_ring *rings)
{
    if (!rings)
        return;
    for (u32 i = 0; i < rings->count; i++) {
        host_notifier_destroy(rings[i].kick);
        host_notifier_destroy(rings[i].call);
    }
    if (rings->layout)
        host_map_free(rings->layout, region_size(rings->count));
    host_map_close_file(rings->fd);
    g_free(rings);
}

struct vhost_region vhost_rings_region(const struct vhost_ring *rings)
{
    return (struct vhost_region){.host = (const u8 *)rings->layout, .size = region_size(rings->count), .fd = rings->fd};
}

struct vhost_ring *vhost_rings_at(struct vhost_ring *rings, u32 index)
{
    return &rings[index];
}

struct vhost_ring_place vhost_ring_place(const struct vhost_ring *ring)
{
    return (struct vhost_ring_place){ring->index, VHOST_RING_SIZE, ring->layout->descriptors, &ring->layout->available, &ring->layout->used, ring->kick,
                                     ring->call};
}

bool vhost_ring_is_empty(const struct vhost_ring *ring)
{
    return !ring->in_flight;
}

bool vhost_ring_add(struct vhost_ring *ring, const struct vhost_buffer *buffers, u32 count, void *cookie)
{
    struct layout *layout = ring->layout;
    u16 head = ring->free_first, at = head, last = head;
    u64 writable = 0;

    if (!count || count > ring->free_count)
        return false;
    for (u32 i = 0; i < count; i++) {
        layout->descriptors[at] = (struct descriptor){(uintptr_t)buffers[i].data, (u32)buffers[i].size,
                                                      (u16)((i + 1 < count ? NEXT : 0) | (buffers[i].write ? WRITE : 0)), ring->next[at]};
        writable += buffers[i].write ? buffers[i].size : 0;
        last = at;
        at = ring->next[at];
    }
    ring->free_first = at;
    ring->next[last] = NONE;
    ring->free_count -= (u16)count;
    ring->in_flight++;
    ring->cookie[head] = cookie;
    ring->writable[head] = writable;
    u16 index = layout->available.index;
    layout->available.ring[index % VHOST_RING_SIZE] = head;
    __atomic_store_n(&layout->available.index, (u16)(index + 1), __ATOMIC_RELEASE);
    return true;
}

void vhost_ring_kick(struct vhost_ring *ring)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    host_notifier_set(ring->kick);
}

/* The chain's descriptors are free again. */
static void *forget(struct vhost_ring *ring, u16 head)
{
    void *cookie = ring->cookie[head];
    u16 last = head, count = 1;

    for (; ring->next[last] != NONE; count++)
        last = ring->next[last];
    ring->next[last] = ring->free_first;
    ring->free_first = head;
    ring->free_count += count;
    ring->cookie[head] = NULL;
    ring->in_flight--;
    return cookie;
}

void *vhost_ring_take(struct vhost_ring *ring, u32 *written, bool *broken)
{
    u16 index = __atomic_load_n(&ring->layout->used.index, __ATOMIC_ACQUIRE);

    *broken = (u16)(index - ring->used) > VHOST_RING_SIZE;
    if (*broken || index == ring->used)
        return NULL;
    u32 id = ring->layout->used.ring[ring->used % VHOST_RING_SIZE].id, size = ring->layout->used.ring[ring->used % VHOST_RING_SIZE].size;
    *broken = id >= VHOST_RING_SIZE || !ring->cookie[id];
    if (*broken)
        return NULL;
    ring->used++;
    *written = (u32)MIN(size, ring->writable[id]);
    return forget(ring, (u16)id);
}

void *vhost_ring_abandon(struct vhost_ring *ring)
{
    for (u32 i = 0; i < VHOST_RING_SIZE; i++) {
        if (ring->cookie[i])
            return forget(ring, (u16)i);
    }
    return NULL;
}
