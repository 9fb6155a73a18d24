/* tests/device/virtio_specimen.h - a virtio device that shows everything that virtio devices have in common; it is defined here, once a program. */
#ifndef TESTS_DEVICE_VIRTIO_SPECIMEN_H
#define TESTS_DEVICE_VIRTIO_SPECIMEN_H

struct held;
#define DEVICE        virtio_specimen
#define DEVICE_ROWS   "tests/device/virtio_specimen.dev"
#define VIRTIO_QUEUES 3
#include "hw/virtio/virtio.h"

struct held {
    struct virtio_request request;
    u32 order;
};

#include "hw/virtio/declare.inc"
#include "tests/device/virtio_driver.h"
#include <string.h>

static inline u64 offer(void *device)
{
    return ((struct virtio_specimen *)device)->extra ? BIT64(5) : 0;
}

/* Feature 5 needs feature 3. */
static inline bool accept_features(void *device)
{
    struct virtio_specimen *s = device;

    return !virtio_has(&s->virtio, 5) || virtio_has(&s->virtio, 3);
}

static inline void was_reset(void *device)
{
    ((struct virtio_specimen *)device)->resets++;
}

static inline void queue_was_reset(void *device, struct virtio_queue *queue)
{
    ((struct virtio_specimen *)device)->queue_resets++;
}

static inline void half_written(void *device, u32 index, u64 value)
{
    ((struct virtio_specimen *)device)->state->half_writes++;
}

static inline void echo(void *device, struct virtio_queue *queue)
{
    struct virtio_specimen *s = device;
    struct virtio_request *request;
    u8 bytes[4096];

    s->kicks++;
    while ((request = virtio_queue_pop(queue))) {
        u64 size = virtio_request_read(request, 0, bytes, sizeof(bytes));

        virtio_request_complete(request, (u32)virtio_request_write(request, 0, bytes, size));
        if (s->meanwhile)
            s->meanwhile(s->opaque);
    }
}

static inline void hold(void *device, struct virtio_queue *queue)
{
    struct virtio_specimen *s = device;
    struct held *held;

    s->kicks++;
    while (s->held_count < ARRAY_SIZE(s->held) && (held = virtio_queue_pop(queue))) {
        held->order = s->held_count;
        s->held[s->held_count++] = held;
    }
}

static inline bool realize(void *device, GError **error)
{
    struct virtio_specimen *s = device;

    virtio_start(s);
    s->echo = virtio_queue_add(&s->virtio, 16, echo);
    s->hold = virtio_queue_add(&s->virtio, 64, hold);
    return true;
}

static inline void unrealize(void *device)
{
    virtio_device_finish(&((struct virtio_specimen *)device)->virtio);
}

#include "hw/virtio/define.inc"

struct setting {
    const char *name;
    enum driver_transport transport;
    u64 features;
};

#define EVENTS   BIT64(VIRTIO_F_EVENT_IDX)
#define PACKED   BIT64(VIRTIO_F_RING_PACKED)
#define INDIRECT BIT64(VIRTIO_F_INDIRECT_DESC)
#define ORDERED  BIT64(VIRTIO_F_IN_ORDER)
#define RESET    BIT64(VIRTIO_F_RING_RESET)
static const struct setting settings[] = {
    { "mmio-legacy", MMIO_LEGACY, INDIRECT },       { "mmio-legacy-events", MMIO_LEGACY, INDIRECT | EVENTS },
    { "mmio", MMIO_MODERN, INDIRECT | RESET },      { "mmio-events", MMIO_MODERN, INDIRECT | EVENTS | RESET },
    { "mmio-packed", MMIO_MODERN, INDIRECT | PACKED | RESET }, { "mmio-packed-events", MMIO_MODERN, INDIRECT | PACKED | EVENTS | RESET },
    { "pci-legacy", PCI_LEGACY, INDIRECT },         { "pci-legacy-events", PCI_LEGACY, INDIRECT | EVENTS },
    { "pci", PCI_MODERN, INDIRECT | RESET },        { "pci-packed", PCI_MODERN, INDIRECT | PACKED | RESET },
    { "pci-events", PCI_MODERN, INDIRECT | EVENTS | RESET },
};

static inline struct virtio_specimen *start(struct driver *d, struct bench *bench, const struct setting *setting)
{
    driver_init(d, bench, setting->transport, "virtio-specimen", "packed=on;in_order=on");
    g_assert_true(driver_negotiate(d, setting->features));
    driver_queue(d, 0, 0);
    driver_queue(d, 1, 0);
    driver_ok(d);
    return (struct virtio_specimen *)d->device;
}

static inline bool is_broken(struct driver *d)
{
    return driver_is_legacy(d) ? ((struct virtio_specimen *)d->device)->state->virtio_state.broken
                               : driver_read(d, DRIVER_STATUS) & VIRTIO_NEEDS_RESET;
}

static inline void put(struct driver *d, u64 address, const char *text)
{
    memcpy(d->bench->ram->host + (address - BENCH_RAM), text, strlen(text) + 1);
}

static inline const char *get(struct driver *d, u64 address)
{
    return (const char *)d->bench->ram->host + (address - BENCH_RAM);
}

static inline void add(const char *name, void (*fn)(struct bench *bench, gconstpointer data))
{
    for (u32 i = 0; i < ARRAY_SIZE(settings); i++) {
        g_autofree char *path = g_strdup_printf("/virtio/%s/%s", name, settings[i].name);

        g_test_add(path, struct bench, &settings[i], bench_set_up, fn, bench_tear_down);
    }
}

static inline void add_modern(const char *name, void (*fn)(struct bench *bench, gconstpointer data))
{
    for (u32 i = 0; i < ARRAY_SIZE(settings); i++) {
        g_autofree char *path = g_strdup_printf("/virtio/%s/%s", name, settings[i].name);

        if (settings[i].transport != MMIO_LEGACY && settings[i].transport != PCI_LEGACY)
            g_test_add(path, struct bench, &settings[i], bench_set_up, fn, bench_tear_down);
    }
}
#endif
