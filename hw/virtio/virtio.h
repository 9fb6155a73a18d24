/*
 * hw/virtio/virtio.h - what a virtio device is written against: features, configuration space, queues, requests. Rings, their
 * formats and the transports (MMIO, PCI) are none of its business. Sections are those of virtio 1.3.
 *
 * A device is a row file and a behaviour file like any other (docs/howto/add-a-virtio-device.md):
 *
 *     CLASS ("virtio-rng-device", "entropy", .realize = realize, .unrealize = unrealize, .on_reset = virtio_on_reset)
 *     #include "hw/virtio/virtio_device.rows"                    at once after CLASS
 *     VIRTIO("virtio-rng", 4, 0x00ff, VIRTIO_VECTORS_AUTO, .reset = reset)
 *     WINDOW(config, "virtio-rng-config", 8, "5.4.4")          if it has a configuration space; its registers are REG rows with
 *                                                               VIRTIO_CONFIG as last argument
 *
 * Thread: whoever holds the device: the machine lock and the busy token (device_begin), as all hooks do. Of queues that were given to
 * an iothread (virtio_queue_run_in): that thread and nobody else, or who holds the machine lock and has paused them (virtio_pause), as
 * all hooks but those of queues have.
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include "hw/core/device.h"

/* Device-independent feature bits (6). */
enum {
    VIRTIO_F_NOTIFY_ON_EMPTY = 24, VIRTIO_F_ANY_LAYOUT = 27, VIRTIO_F_INDIRECT_DESC = 28, VIRTIO_F_EVENT_IDX = 29, VIRTIO_F_VERSION_1 = 32,
    VIRTIO_F_ACCESS_PLATFORM = 33, VIRTIO_F_RING_PACKED = 34, VIRTIO_F_IN_ORDER = 35, VIRTIO_F_ORDER_PLATFORM = 36,
    VIRTIO_F_NOTIFICATION_DATA = 38, VIRTIO_F_RING_RESET = 40,
};

/* Device status bits (2.1). */
enum {
    VIRTIO_ACKNOWLEDGE = 1, VIRTIO_DRIVER = 2, VIRTIO_DRIVER_OK = 4, VIRTIO_FEATURES_OK = 8, VIRTIO_NEEDS_RESET = 64, VIRTIO_FAILED = 128,
};

enum {
    VIRTIO_MAX_QUEUE_SIZE = 1024,
    VIRTIO_MAX_DESCRIPTORS = 1024,         /* of one request, indirect ones included */
    VIRTIO_NO_VECTOR = 0xffff,
};
#define VIRTIO_VECTORS_AUTO "4294967295"   /* one for each queue and one for the configuration */

struct virtio_device;
struct virtio_queue;
struct virtio_request;

/* What the VIRTIO row says about a kind of device. Hooks are optional. */
struct virtio_class {
    u16 id;                     /* device ID (5) */
    u64 features;               /* bits of the kind that are always offered */
    u64 (*offer)(void *device); /* further ones, which depend on properties or back ends */
    /* FEATURES_OK, or the first use by a legacy driver: virtio->features are what was negotiated. False refuses. */
    bool (*accept)(void *device);
    /* The driver wrote the status, or it changed by DRIVER_OK of a legacy driver. */
    void (*status_changed)(void *device, u8 status);
    /* The driver wrote 0 to the status, or the machine is reset; declared state has its reset values. Give up what is under way:
     * requests of before may be finished at any time later, which then does nothing but end the reset for the driver. */
    void (*reset)(void *device);
    void (*queue_reset)(void *device, struct virtio_queue *queue); /* likewise for one queue (2.6.1) */
    /* Of devices whose back ends use the memory of requests themselves: waits until they have let go of all of it, and hands back what
     * is done. Queues are paused. With a .before_reset in the CLASS row. */
    void (*settle)(void *device);
    /* Of devices with queues outside: hands back what back ends have done. In the queue's loop. */
    void (*serve)(void *device, struct virtio_queue *queue);
    u32 request_size;           /* bytes of the device's own struct that begins with struct virtio_request; 0: that alone */
};

/* A piece of a request's buffer: host memory that stays valid until the request is finished. */
struct virtio_piece {
    u8 *data;
    u64 size;
    struct ram_block *ram;
    u64 offset;                 /* of data in ram */
};

/*
 * A chain of descriptors, copied in once. First what the device reads, then what it writes. It belongs to the device from
 * virtio_queue_pop until virtio_request_finish, _return or _drop, which free it.
 */
struct virtio_request {
    struct virtio_queue *queue;
    const struct virtio_piece *read, *write;
    u32 read_count, write_count;
    u64 read_size, write_size;  /* bytes */
    /* Private to hw/virtio/. */
    u16 head, slots;            /* split: first descriptor, 1; packed: buffer id and ring entries */
    bool done, stale;
    u32 written;
    u64 touched;                /* bytes at the start of `write` that may have changed */
    GList link;
};

/* ---- Life; first calls of realize, last of unrealize ---- */

/* virtio_start(rng): makes the queues' state known. Every device calls it first in realize. */
#define virtio_start(d) \
    virtio_device_init(&(d)->virtio, &(d)->device, &device_virtio, &(d)->state->virtio_state, (d)->state->queue, ARRAY_SIZE((d)->state->queue))
struct virtio_state;
struct virtio_queue_state;
void virtio_device_init(struct virtio_device *virtio, struct device *device, const struct virtio_class *class, struct virtio_state *state,
                        struct virtio_queue_state *queues, u32 max_queues);
/* The next queue (its index is the number of calls before). size: power of two, at most VIRTIO_MAX_QUEUE_SIZE; what the driver may
 * choose at most. hook: the driver made buffers available. NULL when the device has all its VIRTIO_QUEUES already. */
struct virtio_queue *virtio_queue_add(struct virtio_device *virtio, u16 size, void (*hook)(void *device, struct virtio_queue *queue));
/* In unrealize, when no back end works for the device any more; requests that are left are freed. */
void virtio_device_finish(struct virtio_device *virtio);
/* .before_reset (of devices with .settle or queues outside) and .on_reset of every virtio device's CLASS row. */
void virtio_before_reset(void *device);
void virtio_on_reset(void *device);

/* ---- The device as the driver negotiated it ---- */

bool virtio_has(const struct virtio_device *virtio, unsigned feature);
/* 16-, 32- and 64-bit fields of structures are little-endian for guests that we have, legacy ones included (2.4.3). */
bool virtio_is_legacy(const struct virtio_device *virtio);
/* The driver said DRIVER_OK, and nothing is broken. */
bool virtio_is_ready(const struct virtio_device *virtio);
/* The configuration space changed other than by the driver: counts the generation, tells the driver. */
void virtio_config_changed(struct virtio_device *virtio);
/* The driver broke a rule: one line in the log, nothing more is processed until it resets the device (2.1.2). */
void virtio_fail(struct virtio_device *virtio, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- Queues ---- */

u32 virtio_queue_index(const struct virtio_queue *queue);
void *virtio_queue_device(const struct virtio_queue *queue); /* the device it belongs to */
struct virtio_queue *virtio_queue_at(struct virtio_device *virtio, u32 index);
/* Enabled, and the device is ready. */
bool virtio_queue_is_ready(const struct virtio_queue *queue);
/* How many requests the device holds that are not stale. */
u32 virtio_queue_in_flight(const struct virtio_queue *queue);

/* ---- Queues that run outside of the machine lock (docs/decisions/iothread-rings.md) ---- */

struct block_loop;
/*
 * In realize: from now on the loop's thread serves what is done (virtio_class.serve) and runs the queue's hook, whenever the driver
 * notifies and after virtio_queue_poke; the driver's notifications do not wait for the machine lock. Hooks of the device's other queues run
 * under the machine lock, with those outside paused. The loop lasts longer than the device. Without effect where runs are to be repeatable (-icount): virtio_queue_is_outside tells.
 */
void virtio_queue_run_in(struct virtio_queue *queue, struct block_loop *loop);
bool virtio_queue_is_outside(const struct virtio_queue *queue);
/* There is something to do. Any thread, until virtio_device_finish. */
void virtio_queue_poke(struct virtio_queue *queue);
/* Machine lock. Until virtio_resume no loop works on the device; they do not wait for that, so the back end may be waited for. Nests. NULL is fine. */
void virtio_pause(struct virtio_device *virtio);
void virtio_resume(struct virtio_device *virtio);

/* ---- Requests ---- */

/*
 * The next request, or NULL: there is none, and the driver will say when there is. To the queue's hook it gives one round of the ring, or
 * 1 MiB for each entry, then NULL as well; the hook is called again for the rest, after others had their turn.
 */
void *virtio_queue_pop(struct virtio_queue *queue);
/* Machine lock, not in the hook: one turn of it, as when the driver notifies: the device can take requests that it left where they are. */
void virtio_queue_go_on(struct virtio_queue *queue);
/* In the hook, which has done enough at one time: nothing more in this turn. Without effect where runs are to be repeatable (-icount). */
void virtio_queue_end_turn(struct virtio_queue *queue);
/* Gives back the request that was popped last, untouched; it will be popped again. */
void virtio_request_return(struct virtio_request *request);
/*
 * Hands the buffer back to the driver with `written` bytes of it written (from the start of the writable part), and frees the
 * request. The driver sees it at virtio_queue_publish: several finished requests appear at once (5.1.6.4). A request from before
 * a reset just goes away.
 */
void virtio_request_finish(struct virtio_request *request, u32 written);
void virtio_queue_publish(struct virtio_queue *queue);
/* Interrupts the driver if it wants to know about what was published since the last call. */
void virtio_queue_notify(struct virtio_queue *queue);
/* The three above. */
void virtio_request_complete(struct virtio_request *request, u32 written);
/* Frees a request without handing it back: after a reset or when the device goes. */
void virtio_request_drop(struct virtio_request *request);
/* The device was reset after this request was popped. */
bool virtio_request_is_stale(const struct virtio_request *request);

/* Copies out of what the device reads; gives back how many bytes there were. */
u64 virtio_request_read(const struct virtio_request *request, u64 offset, void *to, u64 size);
/* Copies into what the device writes, likewise; of a request from before a reset nowhere. */
u64 virtio_request_write(struct virtio_request *request, u64 offset, const void *from, u64 size);
/* A back end wrote the first `size` bytes of request->write by itself; needed only when finish gets a smaller number. */
void virtio_request_touched(struct virtio_request *request, u64 size);

/* Registers of the configuration space take parts of themselves; drivers read single bytes. */
#define VIRTIO_CONFIG .window = WINDOW_config, .parts = true

#endif
