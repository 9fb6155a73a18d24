/* hw/virtio/virtio_mmio.c - virtio MMIO transport (virtio 1.3, 4.2). */
#include "hw/virtio/internal.h"
#include "vm/inbox.h"
#include "base/bits.h"
#include "base/error.h"
static const struct region_ops window_ops;
static void init(struct vm_object *object), finish(struct vm_object *object);
#define DEVICE      virtio_mmio
#define DEVICE_ROWS "hw/virtio/virtio_mmio.dev"
#define DEVICE_FLAGS .init = init, .finish = finish,
#include "hw/core/declare.inc"

enum { QUEUE_NOTIFY = 0x50, INTERRUPT_STATUS = 0x60, INTERRUPT_ACK = 0x64, CONFIG = 0x100, INTERRUPT_QUEUE = 1, INTERRUPT_CONFIG = 2 };

static struct virtio_device *plugged_device(void *device)
{
    return ((struct virtio_mmio *)device)->bus->device;
}

/* The selected queue, or NULL. */
static struct virtio_queue *selected(void *device)
{
    struct virtio_device *virtio = plugged_device(device);

    return virtio ? virtio_queue_selected(virtio) : NULL;
}

/* Likewise while it may still be set up. */
static struct virtio_queue *selected_for_setup(void *device)
{
    struct virtio_queue *queue = selected(device);

    if (queue && !queue->state->enabled)
        return queue;
    device_guest_error(device, "virtio-mmio: the queue is not there, or in use");
    return NULL;
}

static u64 read_version(void *device, u32 index)
{
    return ((struct virtio_mmio *)device)->force_legacy ? 1 : 2;
}

static u64 read_device_id(void *device, u32 index)
{
    struct virtio_device *virtio = plugged_device(device);

    return virtio ? virtio->class->id : 0;
}

static u64 read_features(void *device, u32 index)
{
    struct virtio_mmio *transport = device;

    return transport->bus->device ? virtio_features_read(transport->bus->device, transport->state->device_features_sel) : 0;
}

static void write_features(void *device, u32 index, u64 value)
{
    struct virtio_mmio *transport = device;

    if (transport->bus->device)
        virtio_features_write(transport->bus->device, transport->state->driver_features_sel, (u32)value);
}

static void write_queue_sel(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = plugged_device(device);

    if (virtio)
        virtio->state->queue_select = (u16)MIN(value, UINT16_MAX);
}

static u64 read_queue_num_max(void *device, u32 index)
{
    struct virtio_queue *queue = selected(device);

    return queue ? queue->max_size : 0;
}

static void write_queue_num(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue && value && value <= queue->max_size)
        queue->state->size = (u16)value;
    else
        device_guest_error(device, "virtio-mmio: a queue of %u entries", (u32)value);
}

static void write_queue_align(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected(device);

    if (queue)
        queue->state->align = (u32)value;
}

static u64 read_queue_pfn(void *device, u32 index)
{
    struct virtio_queue *queue = selected(device);

    return queue ? queue->state->pfn : 0;
}

static void write_queue_pfn(void *device, u32 index, u64 value)
{
    struct virtio_mmio *transport = device;
    struct virtio_queue *queue = selected(device);

    if (!queue || !transport->force_legacy)
        return;
    virtio_queue_set_legacy(queue, value * transport->state->guest_page_size, queue->state->align);
    queue->state->pfn = (u32)value;
}

static u64 read_queue_ready(void *device, u32 index)
{
    struct virtio_queue *queue = selected(device);

    return queue && queue->state->enabled;
}

static void write_queue_ready(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected(device);

    if (!queue || ((struct virtio_mmio *)device)->force_legacy)
        return;
    if (value & 1)
        virtio_queue_enable(queue);
    else
        virtio_queue_reset(queue, false);
}

static void write_queue_notify(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = plugged_device(device);

    if (virtio)
        virtio_kick(virtio, (u32)value);
}

static void show_status(void *opaque)
{
    struct virtio_mmio *transport = opaque;

    line_set(transport->irq, __atomic_load_n(&transport->state->interrupt_status, __ATOMIC_SEQ_CST) != 0);
}

static void follow_status(struct virtio_mmio *transport)
{
    line_keeper_show(&transport->keeper, line_is_lockless(transport->irq), show_status, transport);
}

static void clear_interrupt(struct virtio_mmio *transport, u32 bits)
{
    __atomic_fetch_and(&transport->state->interrupt_status, ~bits, __ATOMIC_SEQ_CST);
    follow_status(transport);
}

static void write_interrupt_ack(void *device, u32 index, u64 value)
{
    clear_interrupt(device, (u32)value);
}

static u64 read_status(void *device, u32 index)
{
    struct virtio_device *virtio = plugged_device(device);

    return virtio ? virtio_status_read(virtio) : 0;
}

static void write_status(void *device, u32 index, u64 value)
{
    struct virtio_mmio *transport = device;

    if (!transport->bus->device)
        return;
    virtio_status_write(transport->bus->device, (u8)value, false);
    if (!(u8)value)
        clear_interrupt(transport, UINT32_MAX);
}

/* One half of an address. */
static void set_half(void *device, u64 *address, u32 half, u64 value)
{
    *address = bits_set(*address, half * 32, 32, value);
}

static void write_queue_desc(void *device, u32 half, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue)
        set_half(device, &queue->state->descriptors, half, value);
}

static void write_queue_driver(void *device, u32 half, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue)
        set_half(device, &queue->state->driver, half, value);
}

static void write_queue_device(void *device, u32 half, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue)
        set_half(device, &queue->state->device, half, value);
}

static u64 read_queue_reset(void *device, u32 index)
{
    struct virtio_queue *queue = selected(device);

    return queue && !virtio_queue_is_settled(queue);
}

static void write_queue_reset(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected(device);

    if (queue && (value & 1) && virtio_has(queue->virtio, VIRTIO_F_RING_RESET))
        virtio_queue_reset(queue, true);
}

static u64 read_shm(void *device, u32 half)
{
    return plugged_device(device) && !((struct virtio_mmio *)device)->force_legacy ? UINT32_MAX : 0;
}

static u64 read_generation(void *device, u32 index)
{
    struct virtio_device *virtio = plugged_device(device);

    return virtio ? virtio->state->generation : 0;
}

/* The window: registers, and behind them the device's configuration space, which takes all sizes. */

static struct device_window *window_of(struct virtio_mmio *transport)
{
    return &transport->device.window[WINDOW_mmio];
}

/* Queues outside stand still while registers are used, but for those that tell of their interrupts. */
static struct virtio_device *hold(struct virtio_mmio *transport, u64 offset)
{
    struct virtio_device *virtio = offset == INTERRUPT_STATUS || offset == INTERRUPT_ACK ? NULL : plugged_device(transport);

    virtio_pause(virtio);
    return virtio;
}

static enum mem_result read_window(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct virtio_mmio *transport = opaque;
    enum mem_result result = MEM_OK;

    *value = ~UINT64_C(0);
    if (!device_begin(&transport->device))
        return MEM_OK;
    struct virtio_device *held = hold(transport, offset);
    if (offset < CONFIG)
        result = device_dispatch_read(window_of(transport), offset, size, value);
    else
        *value = transport->bus->device ? virtio_config_read(transport->bus->device, offset - CONFIG, size) : 0;
    virtio_resume(held);
    device_end(&transport->device);
    return result;
}

static enum mem_result write_window(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct virtio_mmio *transport = opaque;
    enum mem_result result = MEM_OK;

    if (!device_begin(&transport->device))
        return MEM_OK;
    struct virtio_device *held = hold(transport, offset);
    if (offset < CONFIG)
        result = device_dispatch_write(window_of(transport), offset, size, value);
    else if (transport->bus->device)
        virtio_config_write(transport->bus->device, offset - CONFIG, size, value);
    virtio_resume(held);
    device_end(&transport->device);
    return result;
}

static const struct region_ops window_ops = { .read = read_window, .write = write_window };

/* Notifications of queues outside: any thread, no lock. */
static enum mem_result read_kick(void *opaque, u64 offset, unsigned size, u64 *value)
{
    *value = 0; /* queue_notify is only written */
    return MEM_OK;
}

static enum mem_result write_kick(void *opaque, u64 offset, unsigned size, u64 value)
{
    if (size != 4)
        return MEM_ERROR;
    virtio_kick(((struct virtio_mmio *)opaque)->bus->device, (u32)value);
    return MEM_OK;
}

static const struct region_ops kick_ops = { .read = read_kick, .write = write_kick, .lockless = true };

/* What the device says. */

static void follow_status_late(void *opaque, const void *payload, u32 size)
{
    follow_status(opaque);
}

static void interrupt(void *opaque, struct virtio_queue *queue)
{
    struct virtio_mmio *transport = opaque;

    u32 bit = queue ? INTERRUPT_QUEUE : INTERRUPT_CONFIG;
    struct vm_object *object = &transport->device.object;

    if (__atomic_fetch_or(&transport->state->interrupt_status, bit, __ATOMIC_SEQ_CST) & bit && !vm_lock_mine(object->vm))
        return; /* who set it has shown it, or is about to */
    if (vm_lock_mine(object->vm) || line_is_lockless(transport->irq))
        follow_status(transport);
    else
        inbox_post(object->vm, object, follow_status_late, transport, NULL, 0);
}

static void plugged(void *opaque, struct virtio_device *virtio)
{
    struct virtio_mmio *transport = opaque;

    if (!virtio) {
        region_finish(&transport->kick); /* vCPUs have heard of it then */
        return;
    }
    if (virtio->outside) {
        region_init_mmio(&transport->kick, transport->device.object.vm, "virtio-mmio-notify", 4, &kick_ops, transport);
        region_add(&window_of(transport)->region, QUEUE_NOTIFY, &transport->kick, 0);
    }
    virtio->legacy = transport->force_legacy;
    virtio->modern = !transport->force_legacy;
    for (u32 i = 0; transport->override_queue_size && i < virtio->queue_count; i++)
        virtio->queue[i].max_size = virtio->queue[i].state->size = transport->override_queue_size;
}

static const struct virtio_transport_ops transport_ops = { .interrupt = interrupt, .plugged = plugged };

static bool realize(void *device, GError **error)
{
    struct virtio_mmio *transport = device;

    if (transport->override_queue_size > VIRTIO_MAX_QUEUE_SIZE || (transport->override_queue_size & (transport->override_queue_size - 1)))
        return error_set(error, "x-override-queue-size is not a power of two up to %u", VIRTIO_MAX_QUEUE_SIZE);
    transport->bus = (struct virtio_bus *)bus_create(&transport->device.object, "virtio-mmio-bus", "virtio-mmio-bus.*", error);
    if (!transport->bus)
        return false;
    transport->bus->bus.most = 1;
    transport->bus->ops = &transport_ops;
    transport->bus->transport = transport;
    transport->bus->space = vm_memory(transport->device.object.vm);
    return true;
}

static void init(struct vm_object *object)
{
    line_keeper_init(&((struct virtio_mmio *)object)->keeper, LOCK_RANK_DEVICE_LINE);
}

static void finish(struct vm_object *object)
{
    line_keeper_finish(&((struct virtio_mmio *)object)->keeper);
}

static void before_reset(void *device)
{
    hold(device, CONFIG);
}

static void reset(void *device)
{
    clear_interrupt(device, UINT32_MAX);
    virtio_resume(plugged_device(device));
}

#include "hw/core/define.inc"
