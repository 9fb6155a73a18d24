/* hw/virtio/internal.h - devices, queues and transports as hw/virtio/ knows them. Private to hw/virtio/ and its tests. */
#ifndef HW_VIRTIO_INTERNAL_H
#define HW_VIRTIO_INTERNAL_H

#include "block/loop.h"
#include "hw/core/bus.h"
#include "hw/virtio/embed.h"

/* Host addresses of the areas; good for one generation of the memory map. */
struct virtio_area {
    u8 *host;
    struct ram_block *ram;
    u64 offset;
};

struct virtio_queue {
    struct virtio_device *virtio;
    struct virtio_queue_state *state;
    void (*hook)(void *device, struct virtio_queue *queue);
    u32 index;
    u16 max_size;
    u32 in_flight;           /* requests */
    u32 slots;               /* entries of the ring that the driver does not have back: of those requests, and of what is not published */
    GQueue requests, stale;  /* struct virtio_request by `link`, in order of popping; stale: from before a reset */
    bool suppressed;         /* split: the driver was told not to notify */
    /* The hook's turn: how many requests it may still take; whether it wanted more; and whether a letter to go on is under way. */
    bool in_turn, cut, going_on;
    u32 turn_left;
    struct virtio_area descriptors, driver, device;
    u64 mapped;              /* memory generation + 1 for which the areas hold; 0: none */
    u32 unpublished;         /* finished since the last publish */
    u32 unpublished_slots;   /* ring entries of those */
    u16 first_flags;         /* packed: of the first of those, written last */
    u16 first_position;
    GArray *scratch;         /* struct virtio_piece */
    /* Of queues that run in a loop (outside.c); NULL: under the machine lock. */
    struct block_loop *loop;
    struct block_work work;
    struct epoch_reader *reader; /* the loop's, while it works on this queue */
    u32 posted;              /* atomic: the work is; of the device's other queues: a letter about a notification */
    u32 refused;             /* atomic: it came while the device was paused */
};

struct virtio_transport_ops {
    /* queue NULL: the configuration changed. Of devices with queues outside: any thread, inside the epoch. */
    void (*interrupt)(void *transport, struct virtio_queue *queue);
    bool (*may_dma)(void *transport); /* any thread */
    void (*plugged)(void *transport, struct virtio_device *virtio); /* NULL: nothing is there any more */
};

/* Class "virtio-bus": where one virtio device meets its transport. */
struct virtio_bus {
    struct bus bus;
    const struct virtio_transport_ops *ops;
    void *transport;
    struct space *space;
    struct virtio_device *device;
};

struct virtio_device *virtio_device_of(struct vm_object *object); /* of class "virtio-device" */

/* ---- For transports: what the driver does ---- */

u32 virtio_features_read(struct virtio_device *virtio, u32 word);
void virtio_features_write(struct virtio_device *virtio, u32 word, u32 value);
/* lazy: a driver that resets looks at the status until it is 0 (2.4.2); otherwise the reset is done when this returns. */
void virtio_status_write(struct virtio_device *virtio, u8 status, bool lazy);
u8 virtio_status_read(struct virtio_device *virtio);
/* Reads and writes the device's configuration space; beyond it all zeros. size 1, 2, 4 or 8. */
u64 virtio_config_read(struct virtio_device *virtio, u64 offset, unsigned size);
void virtio_config_write(struct virtio_device *virtio, u64 offset, unsigned size, u64 value);
/* The queue that the driver selected, or NULL. */
struct virtio_queue *virtio_queue_selected(struct virtio_device *virtio);
/* The driver notifies (4.1.4.4.1): index, with NOTIFICATION_DATA more above. */
void virtio_kick(struct virtio_device *virtio, u32 data);
void virtio_kick_all(struct virtio_device *virtio);
/* One turn of the hook. True: there is more, and the driver will not say so. */
bool virtio_queue_run(struct virtio_queue *queue);
/* There is something: whether the hook's turn, if it is one, comes to it. */
bool virtio_queue_may_take(struct virtio_queue *queue);
/* A request of so many bytes, which counts for several if there are many. */
void virtio_queue_has_taken(struct virtio_queue *queue, u64 bytes);
void virtio_queue_enable(struct virtio_queue *queue);
void virtio_queue_set_legacy(struct virtio_queue *queue, u64 address, u32 align);
/* lazy: the driver asks until virtio_queue_is_settled. */
void virtio_queue_reset(struct virtio_queue *queue, bool lazy);
/* No back end uses memory of requests from before a reset. */
bool virtio_queue_is_settled(const struct virtio_queue *queue);
/* In the middle of work outside: somebody waits for it to end. */
bool virtio_queue_is_held(const struct virtio_queue *queue);
void virtio_outside_finish(struct virtio_device *virtio);
/* A driver that selected a queue which is not there sees size 0 (4.1.4.3). */
u16 virtio_queue_size_shown(struct virtio_queue *queue);

/* ---- Ring formats: split.c, packed.c ---- */

struct virtio_chain {
    u16 head, slots;
    u32 read_count, write_count;
    u64 read_size, write_size;
};

struct virtio_ring_ops {
    bool (*map)(struct virtio_queue *queue);
    /* Collects the next chain, which is there, into queue->scratch; false: the device failed. */
    bool (*pop)(struct virtio_queue *queue, struct virtio_chain *chain);
    void (*unpop)(struct virtio_queue *queue, const struct virtio_request *request);
    /* Whether there is something; asks to be told when not. */
    bool (*arm)(struct virtio_queue *queue);
    void (*disarm)(struct virtio_queue *queue);
    void (*finish)(struct virtio_queue *queue, const struct virtio_request *request, u32 written);
    void (*publish)(struct virtio_queue *queue);
    bool (*wants_interrupt)(struct virtio_queue *queue);
};

extern const struct virtio_ring_ops virtio_split, virtio_packed;
const struct virtio_ring_ops *virtio_ring_of(const struct virtio_queue *queue);
/* The areas are known; false: the queue is not ready, or the device failed. */
bool virtio_queue_map(struct virtio_queue *queue);

enum { VIRTIO_DESC_NEXT = 1, VIRTIO_DESC_WRITE = 2, VIRTIO_DESC_INDIRECT = 4, VIRTIO_DESC_SIZE = 16 };

/* The `size` bytes at a guest address that must be RAM in one piece; false: fails the device. */
bool virtio_area_map(struct virtio_queue *queue, struct virtio_area *area, u64 address, u64 size, u64 align, const char *what);
/* Adds a buffer's pieces to the scratch list. False: the device failed. */
bool virtio_chain_add(struct virtio_queue *queue, struct virtio_chain *chain, u64 address, u32 size, bool write);
/* Copies an indirect table in; entries go to *count, the caller frees. NULL: the device failed. */
u8 *virtio_indirect_copy(struct virtio_queue *queue, u64 address, u32 size, u32 *count);

static inline u16 virtio_load16(const void *at)
{
    return GUINT16_FROM_LE(__atomic_load_n((const u16 *)at, __ATOMIC_ACQUIRE));
}

static inline void virtio_store16(void *at, u16 value)
{
    __atomic_store_n((u16 *)at, GUINT16_TO_LE(value), __ATOMIC_RELEASE);
}

/* Whether going from `old` to `new` passes event + 1 (2.7.7.2). */
static inline bool virtio_passed(u16 event, u16 new, u16 old)
{
    return (u16)(new - event - 1) < (u16)(new - old);
}

#endif
