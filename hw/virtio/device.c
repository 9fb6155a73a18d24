/* hw/virtio/device.c - a virtio device: life, features, status, configuration space (virtio 1.3, chapter 2). */
#include "base/bits.h"
#include "base/error.h"
#include "hw/virtio/internal.h"
#include <stdarg.h>
#include <string.h>

/* What the first rows of every virtio device make of its instance. */
struct virtio_any {
    struct device device;
    void *state;
#define DEVICE_ROWS "hw/virtio/virtio_device.rows"
#define HOST(declaration_, ...) declaration_;
#define PROP(id_, ctype_, ...)  ctype_ id_;
#include "hw/core/rows.inc"
};

static struct virtio_any *any(const struct virtio_device *virtio)
{
    return (struct virtio_any *)virtio->device;
}

struct virtio_device *virtio_device_of(struct vm_object *object)
{
    return &((struct virtio_any *)object)->virtio;
}

/* Life. */

void virtio_device_init(struct virtio_device *virtio, struct device *device, const struct virtio_class *class, struct virtio_state *state,
                        struct virtio_queue_state *queues, u32 max_queues)
{
    *virtio = (struct virtio_device){ .device = device, .class = class, .state = state, .queue_state = queues, .max_queues = max_queues };
    virtio->queue = g_new0(struct virtio_queue, max_queues);
}

struct virtio_queue *virtio_queue_add(struct virtio_device *virtio, u16 size, void (*hook)(void *device, struct virtio_queue *queue))
{
    if (virtio->queue_count == virtio->max_queues)
        return NULL;
    struct virtio_queue *queue = &virtio->queue[virtio->queue_count];
    *queue = (struct virtio_queue){ .virtio = virtio, .state = &virtio->queue_state[virtio->queue_count], .hook = hook,
                                    .index = virtio->queue_count, .max_size = size };
    g_queue_init(&queue->requests);
    g_queue_init(&queue->stale);
    queue->scratch = g_array_new(FALSE, FALSE, sizeof(struct virtio_piece));
    queue->state->size = size;
    queue->state->vector = VIRTIO_NO_VECTOR;
    virtio->queue_count++;
    return queue;
}

/* Those that wait for their turn (IN_ORDER): no back end has them any more, so nobody would finish them. */
static void drop_done(struct virtio_queue *queue)
{
    for (GList *at = queue->requests.head, *next; at; at = next) {
        struct virtio_request *request = at->data;

        next = at->next;
        if (request->done)
            virtio_request_drop(request);
    }
}

/* Requests of before are no longer wanted. */
static void make_stale(struct virtio_queue *queue)
{
    GList *link;

    drop_done(queue);
    queue->in_flight = queue->slots = 0;
    while ((link = g_queue_pop_head_link(&queue->requests))) {
        ((struct virtio_request *)link->data)->stale = true;
        g_queue_push_tail_link(&queue->stale, link);
    }
    queue->mapped = 0;
    queue->suppressed = false;
    queue->unpublished = queue->unpublished_slots = 0;
}

void virtio_device_finish(struct virtio_device *virtio)
{
    virtio_outside_finish(virtio);
    for (u32 i = 0; i < virtio->queue_count; i++) {
        make_stale(&virtio->queue[i]);
        while (virtio->queue[i].stale.head)
            virtio_request_drop(virtio->queue[i].stale.head->data);
        g_array_unref(virtio->queue[i].scratch);
    }
    virtio->queue_count = 0;
    g_clear_pointer(&virtio->queue, g_free);
}

static void reset_queue_state(struct virtio_queue *queue)
{
    *queue->state = (struct virtio_queue_state){ .size = queue->max_size, .vector = VIRTIO_NO_VECTOR, .align = 4096, .next_wrap = 1,
                                                 .used_wrap = 1 };
}

/* ---- Resets: nothing of before reaches memory after them (2.4.1, 2.6.1.1) ---- */

bool virtio_queue_is_settled(const struct virtio_queue *queue)
{
    return !queue->virtio->class->settle || !queue->stale.length;
}

static bool is_settled(const struct virtio_device *virtio)
{
    for (u32 i = 0; i < virtio->queue_count; i++) {
        if (!virtio_queue_is_settled(&virtio->queue[i]))
            return false;
    }
    return true;
}

static void settle(struct virtio_device *virtio)
{
    bool any = false;

    for (u32 i = 0; i < virtio->queue_count; i++)
        any |= virtio->queue[i].requests.length || virtio->queue[i].stale.length;
    if (any && virtio->class->settle)
        virtio->class->settle(virtio->device);
}

void virtio_before_reset(void *device)
{
    struct virtio_device *virtio = virtio_device_of(device);

    virtio_pause(virtio);
    if (!virtio->lazy)
        settle(virtio);
}

void virtio_on_reset(void *device)
{
    struct virtio_device *virtio = virtio_device_of(device);

    virtio->state->config_vector = VIRTIO_NO_VECTOR;
    virtio->features = 0;
    for (u32 i = 0; i < virtio->queue_count; i++) {
        make_stale(&virtio->queue[i]);
        reset_queue_state(&virtio->queue[i]);
    }
    if (virtio->class->reset)
        virtio->class->reset(device);
    virtio->resetting = !is_settled(virtio);
    if (virtio->device->decl->before_reset)
        virtio_resume(virtio);
}

void virtio_queue_reset(struct virtio_queue *queue, bool lazy)
{
    u16 vector = queue->state->vector;

    if (!lazy)
        settle(queue->virtio);
    make_stale(queue);
    reset_queue_state(queue);
    queue->state->vector = vector;
    queue->state->resetting = 1;
    if (queue->virtio->class->queue_reset)
        queue->virtio->class->queue_reset(queue->virtio->device, queue);
}

/* Features (2.2). */

static bool uses_legacy(const struct virtio_device *virtio)
{
    return virtio->state->legacy || !virtio->modern;
}

static u64 bit_if(bool wanted, unsigned bit)
{
    return wanted ? BIT64(bit) : 0;
}

static u64 features_of_properties(const struct virtio_device *virtio)
{
    const struct virtio_any *d = any(virtio);
    u64 bits = bit_if(d->indirect_desc, VIRTIO_F_INDIRECT_DESC) | bit_if(d->event_idx, VIRTIO_F_EVENT_IDX);

    if (virtio->legacy)
        bits |= bit_if(d->notify_on_empty, VIRTIO_F_NOTIFY_ON_EMPTY) | bit_if(d->any_layout, VIRTIO_F_ANY_LAYOUT);
    if (virtio->modern)
        bits |= BIT64(VIRTIO_F_VERSION_1) | bit_if(d->iommu_platform, VIRTIO_F_ACCESS_PLATFORM) | bit_if(d->packed, VIRTIO_F_RING_PACKED) |
                bit_if(d->in_order, VIRTIO_F_IN_ORDER) | bit_if(d->queue_reset, VIRTIO_F_RING_RESET);
    return bits;
}

/* To a driver of the interface that is in use. */
static u64 offered(struct virtio_device *virtio)
{
    const u64 legacy = BIT64(VIRTIO_F_NOTIFY_ON_EMPTY) | BIT64(VIRTIO_F_ANY_LAYOUT); /* 6.3 */
    const struct virtio_class *class = virtio->class;
    u64 bits = features_of_properties(virtio) | class->features | (class->offer ? class->offer(virtio->device) : 0);

    return bits & (uses_legacy(virtio) ? UINT32_MAX : ~legacy);
}

u32 virtio_features_read(struct virtio_device *virtio, u32 word)
{
    u64 bits = offered(virtio);

    return word == 0 ? (u32)bits : word == 1 ? (u32)(bits >> 32) : 0;
}

static bool accept(struct virtio_device *virtio)
{
    u64 bits = virtio->state->driver_features;

    virtio->features = bits;
    virtio->state->accepted = 1;
    for (u32 i = 0; i < virtio->queue_count; i++) {
        /* Legacy drivers may set up queues first (EDK2's does); the features change the size of the rings, not their places. */
        virtio->queue[i].mapped = 0;
        if (uses_legacy(virtio))
            continue;
        make_stale(&virtio->queue[i]);
        reset_queue_state(&virtio->queue[i]);
    }
    if (!virtio->class->accept || virtio->class->accept(virtio->device))
        return true;
    virtio->features = 0;
    virtio->state->accepted = 0;
    return false;
}

void virtio_features_write(struct virtio_device *virtio, u32 word, u32 value)
{
    struct virtio_state *state = virtio->state;

    if (state->status & VIRTIO_FEATURES_OK) {
        device_guest_error(virtio->device, "%s: features written after FEATURES_OK", virtio->device->object.class->name);
        return;
    }
    if (word > 1)
        return;
    state->driver_features = bits_set(state->driver_features, word * 32, 32, value);
    if (!uses_legacy(virtio))
        return;
    /* A legacy driver knows no FEATURES_OK; it may use the device as soon as it wrote these (2.2.3). */
    state->driver_features &= offered(virtio);
    accept(virtio);
}

/* 3.1.1: whether the device goes along with what the driver chose. */
static bool check_features(struct virtio_device *virtio)
{
    u64 bits = virtio->state->driver_features;

    if (bits & ~offered(virtio)) {
        device_guest_error(virtio->device, "%s: the driver accepts features that were not offered (0x%" G_GINT64_MODIFIER "x)",
                           virtio->device->object.class->name, bits & ~offered(virtio));
        return false;
    }
    if (!uses_legacy(virtio) && !(bits & BIT64(VIRTIO_F_VERSION_1))) {
        device_guest_error(virtio->device, "%s: a driver of the modern interface must accept VERSION_1", virtio->device->object.class->name);
        return false;
    }
    if (any(virtio)->iommu_platform && !(bits & BIT64(VIRTIO_F_ACCESS_PLATFORM)))
        return false;
    return accept(virtio);
}

bool virtio_has(const struct virtio_device *virtio, unsigned feature)
{
    return virtio->features >> feature & 1;
}

bool virtio_is_legacy(const struct virtio_device *virtio)
{
    return !virtio_has(virtio, VIRTIO_F_VERSION_1);
}

/* Status (2.1). */

static void reset_now(void *device, u32 number, u32 level)
{
    device_reset(device);
}

static void status_now(void *device, u32 number, u32 status)
{
    struct virtio_device *virtio = virtio_device_of(device);
    struct virtio_state *state = virtio->state;
    bool was_ok = state->status & VIRTIO_FEATURES_OK;

    status |= state->status & (VIRTIO_NEEDS_RESET | VIRTIO_FEATURES_OK); /* only a reset clears them */
    if (!was_ok && (status & VIRTIO_FEATURES_OK) && !uses_legacy(virtio) && !check_features(virtio))
        status &= ~(u32)VIRTIO_FEATURES_OK;
    state->status = (u8)status;
    if (virtio->class->status_changed)
        virtio->class->status_changed(device, state->status);
}

u8 virtio_status_read(struct virtio_device *virtio)
{
    virtio->resetting = virtio->resetting && !is_settled(virtio);
    return virtio->resetting ? virtio->status_before : virtio->state->status;
}

void virtio_status_write(struct virtio_device *virtio, u8 status, bool lazy)
{
    struct virtio_state *state = virtio->state;
    bool started = !(state->status & VIRTIO_DRIVER_OK) && (status & VIRTIO_DRIVER_OK);

    virtio->status_before = virtio_status_read(virtio);
    if (status && virtio->resetting) /* it does not wait: then we do */
        settle(virtio);
    virtio->lazy = lazy && virtio->status_before;
    device_run(virtio->device, status ? status_now : reset_now, 0, status);
    virtio->lazy = false;
    if (started)
        virtio_kick_all(virtio);
}

bool virtio_is_ready(const struct virtio_device *virtio)
{
    const struct virtio_state *state = virtio->state;

    if (__atomic_load_n(&state->broken, __ATOMIC_RELAXED) || (virtio->bus && virtio->bus->ops->may_dma && !virtio->bus->ops->may_dma(virtio->bus->transport)))
        return false;
    /* Legacy drivers may use the device before they say so (3.1.2). */
    u8 status = __atomic_load_n(&state->status, __ATOMIC_RELAXED);
    return uses_legacy(virtio) ? !(status & VIRTIO_FAILED) : (status & VIRTIO_DRIVER_OK) && (status & VIRTIO_FEATURES_OK);
}

static void tell(struct virtio_device *virtio)
{
    if (virtio->bus)
        virtio->bus->ops->interrupt(virtio->bus->transport, NULL);
}

void virtio_config_changed(struct virtio_device *virtio)
{
    virtio_pause(virtio);
    virtio->state->generation++;
    if (virtio->state->status & VIRTIO_DRIVER_OK)
        tell(virtio);
    virtio_resume(virtio);
}

void virtio_fail(struct virtio_device *virtio, const char *format, ...)
{
    struct virtio_state *state = virtio->state;
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    device_guest_error(virtio->device, "%s: %s", virtio->device->object.class->name, text);
    if (__atomic_exchange_n(&state->broken, 1, __ATOMIC_RELAXED)) /* queues may find something at the same time */
        return;
    if (virtio_is_legacy(virtio))
        return;
    if (__atomic_fetch_or(&state->status, VIRTIO_NEEDS_RESET, __ATOMIC_RELAXED) & VIRTIO_DRIVER_OK)
        tell(virtio);
}

/* Configuration space (2.5): the registers of the device's first window, in any pieces. */

static bool has_config(const struct virtio_device *virtio, u64 offset, unsigned size)
{
    const struct device_decl *decl = virtio->device->decl;

    return decl->window_count && offset < decl->windows[0].size && size <= decl->windows[0].size - offset;
}

static u64 read_part(struct device_window *window, u64 offset, unsigned size)
{
    u64 value = 0;

    if (!(offset & (size - 1)) && device_dispatch_read(window, offset, size, &value) == MEM_OK)
        return value;
    value = 0;
    for (unsigned i = 0; i < size && size > 1; i++)
        value |= read_part(window, offset + i, 1) << (8 * i);
    return value;
}

static void write_part(struct device_window *window, u64 offset, unsigned size, u64 value)
{
    if (!(offset & (size - 1)) && device_dispatch_write(window, offset, size, value) == MEM_OK)
        return;
    for (unsigned i = 0; i < size && size > 1; i++)
        write_part(window, offset + i, 1, value >> (8 * i) & 0xff);
}

u64 virtio_config_read(struct virtio_device *virtio, u64 offset, unsigned size)
{
    if (!has_config(virtio, offset, size) || !device_begin(virtio->device))
        return 0;
    u64 value = read_part(&virtio->device->window[0], offset, size);
    device_end(virtio->device);
    return value;
}

void virtio_config_write(struct virtio_device *virtio, u64 offset, unsigned size, u64 value)
{
    if (!has_config(virtio, offset, size) || !device_begin(virtio->device))
        return;
    write_part(&virtio->device->window[0], offset, size, value);
    device_end(virtio->device);
}

/* Plugging in. */

static void init(struct vm_object *object)
{
    ((struct device *)object)->bus_class = "virtio-bus";
}

static bool realize(struct vm_object *object, GError **error)
{
    struct virtio_device *virtio = virtio_device_of(object);
    struct virtio_bus *bus = (struct virtio_bus *)virtio->device->bus;

    if (!bus_plug(&bus->bus, object, error))
        return false;
    virtio->bus = bus;
    virtio->space = bus->space;
    bus->device = virtio;
    bus->ops->plugged(bus->transport, virtio);
    return true;
}

static void unplug(struct virtio_device *virtio)
{
    struct virtio_bus *bus = virtio->bus;

    if (!bus)
        return;
    virtio_pause(virtio); /* for good */
    bus->ops->plugged(bus->transport, NULL);
    virtio->bus = NULL;
    bus->device = NULL;
    bus_unplug(&bus->bus, &virtio->device->object);
}

static void unrealize(struct vm_object *object)
{
    unplug(virtio_device_of(object));
}

VM_CLASS(virtio_device) {
    .name = "virtio-device", .parent = "declared-device", .abstract = true, .size = sizeof(struct virtio_any),
    .description = "a virtio device, whatever its transport", .init = init, .realize = realize, .unrealize = unrealize,
};

/* The transport goes; its device may outlive it. */
static void finish_bus(struct vm_object *object)
{
    struct virtio_bus *bus = (struct virtio_bus *)object;

    if (bus->device)
        unplug(bus->device);
}

VM_CLASS(virtio_bus) {
    .name = "virtio-bus", .parent = "bus", .abstract = true, .size = sizeof(struct virtio_bus), .description = "place for one virtio device",
    .finish = finish_bus,
};
VM_CLASS(virtio_mmio_bus) { .name = "virtio-mmio-bus", .parent = "virtio-bus", .size = sizeof(struct virtio_bus), .description = "place for one virtio device in memory space" };
VM_CLASS(virtio_pci_bus) { .name = "virtio-pci-bus", .parent = "virtio-bus", .size = sizeof(struct virtio_bus), .description = "place for one virtio device behind a PCI function" };
