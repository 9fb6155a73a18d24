/* tests/device/virtio.c - what all virtio devices have in common, by a specimen: transports, features, rings, requests, resets. */
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

static u64 offer(void *device)
{
    return ((struct virtio_specimen *)device)->extra ? BIT64(5) : 0;
}

/* Feature 5 needs feature 3. */
static bool accept_features(void *device)
{
    struct virtio_specimen *s = device;

    return !virtio_has(&s->virtio, 5) || virtio_has(&s->virtio, 3);
}

static void was_reset(void *device)
{
    ((struct virtio_specimen *)device)->resets++;
}

static void queue_was_reset(void *device, struct virtio_queue *queue)
{
    ((struct virtio_specimen *)device)->queue_resets++;
}

static void half_written(void *device, u32 index, u64 value)
{
    ((struct virtio_specimen *)device)->state->half_writes++;
}

static void echo(void *device, struct virtio_queue *queue)
{
    struct virtio_request *request;
    u8 bytes[4096];

    ((struct virtio_specimen *)device)->kicks++;
    while ((request = virtio_queue_pop(queue))) {
        u64 size = virtio_request_read(request, 0, bytes, sizeof(bytes));

        virtio_request_complete(request, (u32)virtio_request_write(request, 0, bytes, size));
    }
}

static void hold(void *device, struct virtio_queue *queue)
{
    struct virtio_specimen *s = device;
    struct held *held;

    s->kicks++;
    while (s->held_count < ARRAY_SIZE(s->held) && (held = virtio_queue_pop(queue))) {
        held->order = s->held_count;
        s->held[s->held_count++] = held;
    }
}

static bool realize(void *device, GError **error)
{
    struct virtio_specimen *s = device;

    virtio_start(s);
    s->echo = virtio_queue_add(&s->virtio, 16, echo);
    s->hold = virtio_queue_add(&s->virtio, 64, hold);
    return true;
}

static void unrealize(void *device)
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

static struct virtio_specimen *start(struct driver *d, struct bench *bench, const struct setting *setting)
{
    driver_init(d, bench, setting->transport, "virtio-specimen", "packed=on;in_order=on");
    g_assert_true(driver_negotiate(d, setting->features));
    driver_queue(d, 0, 0);
    driver_queue(d, 1, 0);
    driver_ok(d);
    return (struct virtio_specimen *)d->device;
}

static bool is_broken(struct driver *d)
{
    return driver_is_legacy(d) ? ((struct virtio_specimen *)d->device)->state->virtio_state.broken
                               : driver_read(d, DRIVER_STATUS) & VIRTIO_NEEDS_RESET;
}

static void put(struct driver *d, u64 address, const char *text)
{
    memcpy(d->bench->ram->host + (address - BENCH_RAM), text, strlen(text) + 1);
}

static const char *get(struct driver *d, u64 address)
{
    return (const char *)d->bench->ram->host + (address - BENCH_RAM);
}

/* One request after the other, often enough to wrap rings many times; direct and indirect, in one piece and in many. */
static void echoes(struct bench *bench, gconstpointer data)
{
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    u64 in = driver_alloc(&d, 64, 16), out = driver_alloc(&d, 64, 16), heap = d.heap;

    for (u32 round = 0; round < 200; round++) {
        const struct driver_buffer buffers[] = { { in, 3, false }, { in + 3, 13, false }, { out, 5, true }, { out + 5, 20, true } };
        g_autofree char *text = g_strdup_printf("round %09u", round);
        bool indirect = round % 3 == 1;
        u32 id, written, wanted;

        put(&d, in, text);
        d.heap = heap; /* for the table */
        wanted = indirect ? driver_submit_indirect(&d, &d.queue[0], buffers, 4) : driver_submit(&d, &d.queue[0], buffers, 4);
        driver_kick(&d, &d.queue[0]);
        g_assert_true(driver_take(&d, &d.queue[0], indirect ? 1 : 4, &id, &written));
        g_assert_cmpuint(id, ==, wanted);
        g_assert_cmpuint(written, ==, 16);
        g_assert_cmpstr(get(&d, out), ==, text);
        g_assert_false(driver_take(&d, &d.queue[0], 1, &id, &written));
        if (!(d.features & EVENTS)) /* otherwise the test would have to say when it wants one */
            g_assert_cmpuint(driver_interrupts(&d), ==, 1);
    }
    g_assert_false(is_broken(&d));
    g_assert_cmpuint(virtio_queue_in_flight(s->echo), ==, 0);
}

/* Requests come back in another order than they went, and are told apart. */
static void out_of_order(struct bench *bench, gconstpointer data)
{
    static const u32 order[] = { 2, 0, 3, 1 };
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    u64 out = driver_alloc(&d, 64, 16);
    u32 ids[4], id, written;

    for (u32 i = 0; i < 4; i++) {
        const struct driver_buffer buffer = { out + 16 * i, 16, true };
        ids[i] = driver_submit(&d, &d.queue[1], &buffer, 1);
    }
    driver_kick(&d, &d.queue[1]);
    g_assert_cmpuint(s->held_count, ==, 4);
    g_assert_false(driver_take(&d, &d.queue[1], 1, &id, &written));
    for (u32 i = 0; i < 4; i++) {
        struct held *held = s->held[order[i]];

        g_assert_cmpuint(held->order, ==, order[i]);
        virtio_request_write(&held->request, 1, "x", 1);
        virtio_request_complete(&held->request, 2);
        g_assert_true(driver_take(&d, &d.queue[1], 1, &id, &written));
        g_assert_cmpuint(id, ==, ids[order[i]]);
        g_assert_cmpuint(written, ==, 2);
        g_assert_cmpint(get(&d, out + 16 * order[i])[1], ==, 'x');
    }
    g_assert_cmpuint(virtio_queue_in_flight(s->hold), ==, 0);
}

/* With IN_ORDER they wait for those that were made available before (2.7.9). */
static void in_order(struct bench *bench, gconstpointer data)
{
    const struct setting *setting = data;
    const struct setting ordered = { setting->name, setting->transport, setting->features | ORDERED };
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, &ordered);
    u64 out = driver_alloc(&d, 64, 16);
    u32 ids[3], id, written;

    for (u32 i = 0; i < 3; i++) {
        const struct driver_buffer buffer = { out + 16 * i, 16, true };
        ids[i] = driver_submit(&d, &d.queue[1], &buffer, 1);
    }
    driver_kick(&d, &d.queue[1]);
    virtio_request_complete(&s->held[2]->request, 3);
    virtio_request_complete(&s->held[1]->request, 2);
    g_assert_false(driver_take(&d, &d.queue[1], 1, &id, &written));
    virtio_request_complete(&s->held[0]->request, 1);
    for (u32 i = 0; i < 3; i++) {
        g_assert_true(driver_take(&d, &d.queue[1], 1, &id, &written));
        g_assert_cmpuint(id, ==, ids[i]);
        g_assert_cmpuint(written, ==, i + 1);
    }
}

/* Several finished at once appear only when published. */
static void publishes_together(struct bench *bench, gconstpointer data)
{
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    u64 out = driver_alloc(&d, 64, 16);
    u32 id, written;

    for (u32 round = 0; round < 40; round++) {
        s->held_count = 0;
        for (u32 i = 0; i < 3; i++) {
            const struct driver_buffer buffers[] = { { out + 16 * i, 8, true }, { out + 16 * i + 8, 8, true } };
            driver_submit(&d, &d.queue[1], buffers, 2);
        }
        driver_kick(&d, &d.queue[1]);
        g_assert_cmpuint(s->held_count, ==, 3);
        for (u32 i = 0; i < 3; i++)
            virtio_request_finish(&s->held[i]->request, i + 1);
        g_assert_false(driver_take(&d, &d.queue[1], 2, &id, &written));
        virtio_queue_publish(s->hold);
        for (u32 i = 0; i < 3; i++) {
            g_assert_true(driver_take(&d, &d.queue[1], 2, &id, &written));
            g_assert_cmpuint(written, ==, i + 1);
        }
        g_assert_false(driver_take(&d, &d.queue[1], 2, &id, &written));
    }
}

/* What is given back comes again. */
static void gives_back(struct bench *bench, gconstpointer data)
{
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    const struct driver_buffer buffers[] = { { driver_alloc(&d, 16, 16), 8, false }, { driver_alloc(&d, 16, 16), 8, true } };
    u32 id = 0, written, wanted;

    for (u32 i = 0; i < 100; i++) {
        wanted = driver_submit(&d, &d.queue[1], buffers, 2);
        struct virtio_request *request = virtio_queue_pop(s->hold);
        g_assert_nonnull(request);
        g_assert_null(virtio_queue_pop(s->hold));
        virtio_request_return(request);
        request = virtio_queue_pop(s->hold);
        g_assert_nonnull(request);
        virtio_request_complete(request, 0);
        g_assert_true(driver_take(&d, &d.queue[1], 2, &id, &written));
        g_assert_cmpuint(id, ==, wanted);
    }
}

/* Reset with requests in the device's hands: finishing them later does nothing, and the new driver starts from the beginning. */
static void reset_in_mid_air(struct bench *bench, gconstpointer data)
{
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    const struct driver_buffer buffer = { driver_alloc(&d, 16, 16), 16, true };
    struct held *old[3];
    u32 id, written, resets;

    for (u32 i = 0; i < 3; i++)
        driver_submit(&d, &d.queue[1], &buffer, 1);
    driver_kick(&d, &d.queue[1]);
    memcpy(old, s->held, sizeof(old));
    resets = s->resets;
    driver_negotiate(&d, d.features);
    g_assert_cmpuint(s->resets, ==, resets + 1);
    g_assert_true(virtio_request_is_stale(&old[0]->request));
    s->held_count = 0;
    driver_queue(&d, 1, 0);
    driver_ok(&d);
    driver_submit(&d, &d.queue[1], &buffer, 1);
    driver_kick(&d, &d.queue[1]);
    g_assert_cmpuint(s->held_count, ==, 1);
    virtio_request_complete(&old[0]->request, 5);
    virtio_request_complete(&old[1]->request, 5);
    g_assert_false(driver_take(&d, &d.queue[1], 1, &id, &written));
    virtio_request_complete(&s->held[0]->request, 7);
    g_assert_true(driver_take(&d, &d.queue[1], 1, &id, &written));
    g_assert_cmpuint(written, ==, 7);
    g_assert_false(driver_take(&d, &d.queue[1], 1, &id, &written));
    /* old[2] goes with the device. */
}

/* The device goes with requests in its hands. */
static void unplugged_in_mid_air(struct bench *bench, gconstpointer data)
{
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    const struct driver_buffer buffer = { driver_alloc(&d, 16, 16), 16, true };

    driver_submit(&d, &d.queue[1], &buffer, 1);
    driver_kick(&d, &d.queue[1]);
    g_assert_cmpuint(s->held_count, ==, 1);
    vm_object_destroy(d.transport >= PCI_LEGACY ? d.device->object.parent : &d.device->object);
    if (d.transport >= PCI_LEGACY) {
        g_assert_cmphex(bench_read(bench, driver_pci_config(0), 4), ==, 0xffffffff);
        return;
    }
    g_assert_cmphex(bench_read(bench, DRIVER_MMIO + 8, 4), ==, 0);
    for (u32 offset = 0; offset < 0x200; offset += 4)
        bench_write(bench, DRIVER_MMIO + offset, 4, 1);
}

/* One queue is reset (2.6.1), the other works on. */
static void resets_one_queue(struct bench *bench, gconstpointer data)
{
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    const struct driver_buffer buffer = { driver_alloc(&d, 16, 16), 16, true };
    u32 id, written;

    if (!(d.features & RESET))
        return;
    driver_submit(&d, &d.queue[1], &buffer, 1);
    driver_kick(&d, &d.queue[1]);
    driver_write(&d, DRIVER_QUEUE_SELECT, 1);
    if (d.transport == MMIO_MODERN)
        bench_write(bench, DRIVER_MMIO + 0xc0, 4, 1);
    else
        bench_write(bench, d.pci.common + 0x3a, 2, 1);
    g_assert_cmpuint(s->queue_resets, ==, 1);
    g_assert_cmpuint(driver_read(&d, DRIVER_QUEUE_ENABLE), ==, 0);
    virtio_request_complete(&s->held[0]->request, 1);
    s->held_count = 0;
    driver_submit(&d, &d.queue[0], &buffer, 1);
    driver_kick(&d, &d.queue[0]);
    g_assert_true(driver_take(&d, &d.queue[0], 1, &id, &written));
    driver_queue(&d, 1, 8);
    driver_submit(&d, &d.queue[1], &buffer, 1);
    driver_kick(&d, &d.queue[1]);
    virtio_request_complete(&s->held[0]->request, 9);
    g_assert_true(driver_take(&d, &d.queue[1], 1, &id, &written));
    g_assert_cmpuint(written, ==, 9);
}

/* Both sides say when they want to be told. */
static void suppresses(struct bench *bench, gconstpointer data)
{
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    struct driver_queue *q = &d.queue[1];
    const struct driver_buffer buffer = { driver_alloc(&d, 16, 16), 16, true };
    bool events = d.features & EVENTS;
    u64 driver_flags = q->packed ? q->available + 2 : q->available;

    driver_interrupts(&d);
    bench_write(bench, driver_flags, 2, 1); /* no interrupts; ignored with split event indices */
    if (events && !q->packed)
        bench_write(bench, q->available + 4 + 2 * q->size, 2, 5); /* tell after the 6th */
    for (u32 i = 0; i < 7; i++) {
        driver_submit(&d, q, &buffer, 1);
        driver_kick(&d, q);
        virtio_request_complete(&s->held[i]->request, 1);
        g_assert_cmpuint(driver_interrupts(&d), ==, events && !q->packed && (i == 0 || i == 5)); /* the first is always told */
    }
    if (events && q->packed) {
        bench_write(bench, q->available, 2, 9 | 1 << 15);
        bench_write(bench, driver_flags, 2, 2);
        for (u32 i = 7; i < 12; i++) {
            driver_submit(&d, q, &buffer, 1);
            driver_kick(&d, q);
            virtio_request_complete(&s->held[i]->request, 1);
            g_assert_cmpuint(driver_interrupts(&d), ==, i == 9);
        }
    } else if (!events) {
        bench_write(bench, driver_flags, 2, 0);
        driver_submit(&d, q, &buffer, 1);
        driver_kick(&d, q);
        virtio_request_complete(&s->held[7]->request, 1);
        g_assert_cmpuint(driver_interrupts(&d), ==, 1);
    }
    /* The queue is empty and armed: the device wants the next notification. */
    if (!events)
        g_assert_cmphex(bench_read(bench, q->packed ? q->used + 2 : q->used, 2), ==, 0);
    else if (q->packed)
        g_assert_cmphex(bench_read(bench, q->used, 4), ==, 2u << 16 | 1u << 15 | 12);
    else
        g_assert_cmphex(bench_read(bench, q->used + 4 + 8 * q->size, 2), ==, 7);
}

/* Chains that no driver may make. Each fails the device, nothing else; a reset mends it. */
static void hostile_chains(struct bench *bench, gconstpointer data)
{
    enum { LOOP, OUTSIDE, HEAD, JUMP, NO_RAM, ROM_END, READ_AFTER_WRITE, HUGE, NESTED, ODD_TABLE, BIG_TABLE, TABLE_NOWHERE, CASES };
    struct driver d;
    u64 ram_end = BENCH_RAM + (u64)BENCH_RAM_SIZE;

    start(&d, bench, data);
    u64 heap = d.heap;
    for (u32 i = 0; i < CASES; i++) {
        struct driver_queue *q = &d.queue[1];
        struct driver_buffer b = { BENCH_RAM, 16, true }, two[] = { { BENCH_RAM, 16, true }, { BENCH_RAM, 16, false } };

        g_test_message("case %u", i);
        d.heap = heap;
        g_assert_true(driver_negotiate(&d, d.features));
        g_assert_false(is_broken(&d));
        q = driver_queue(&d, 1, 0);
        driver_ok(&d);
        switch (i) {
        case LOOP:
            for (u32 n = 0; n < q->size; n++)
                driver_put_descriptor(bench, q->descriptors + 16 * n, &b, q->packed ? 0 : 3, q->packed ? 3 | 1 << 7 : (u16)((n + 1) % q->size));
            bench_write(bench, q->available + 2, 2, q->packed ? 0 : 1);
            break;
        case OUTSIDE:
            driver_submit(&d, q, two, 2);
            if (q->packed)
                bench_write(bench, q->descriptors, 8, ram_end);
            else
                bench_write(bench, q->descriptors + 14, 2, q->size);
            break;
        case HEAD:
            driver_submit(&d, q, &b, 1);
            if (q->packed)
                bench_write(bench, q->descriptors, 8, UINT64_MAX);
            else
                bench_write(bench, q->available + 4, 2, q->size);
            break;
        case JUMP:
            if (q->packed)
                continue;
            bench_write(bench, q->available + 2, 2, q->size + 1);
            break;
        case NO_RAM:
            b.address = d.transport < PCI_LEGACY ? DRIVER_MMIO : d.transport == PCI_LEGACY ? DRIVER_PIO + 0x1000 : d.pci.common;
            driver_submit(&d, q, &b, 1);
            break;
        case ROM_END:
            b.address = ram_end - 8;
            driver_submit(&d, q, &b, 1);
            break;
        case READ_AFTER_WRITE:
            driver_submit(&d, q, two, 2);
            break;
        case HUGE:
            b.size = UINT32_MAX;
            driver_submit(&d, q, &b, 1);
            break;
        case NESTED:
            driver_submit_indirect(&d, q, &b, 1);
            if (q->packed)
                bench_write(bench, q->descriptors + 14, 2, bench_read(bench, q->descriptors + 14, 2) | 1);
            else
                bench_write(bench, bench_read(bench, q->descriptors, 8) + 12, 2, 4);
            break;
        case ODD_TABLE:
        case BIG_TABLE:
        case TABLE_NOWHERE:
            driver_submit_indirect(&d, q, &b, 1);
            if (i == TABLE_NOWHERE)
                bench_write(bench, q->descriptors, 8, 0x1000);
            else
                bench_write(bench, q->descriptors + 8, 4, i == ODD_TABLE ? 17 : 16 * (VIRTIO_MAX_DESCRIPTORS + 1));
            break;
        }
        driver_kick(&d, q);
        g_assert_true(is_broken(&d));
        g_assert_cmpuint(((struct virtio_specimen *)d.device)->held_count, ==, 0);
        driver_kick(&d, q);
    }
}

/* A driver that makes the same buffer available again and again cannot make the device hold more than the queue has. */
static void bounded_in_flight(struct bench *bench, gconstpointer data)
{
    const struct setting *setting = data;
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, setting);
    struct driver_buffer b = { BENCH_RAM, 16, true };
    u32 popped = 0;

    if (driver_is_legacy(&d) || d.queue[0].packed)
        return;
    for (u32 i = 0; i < 16; i++)
        driver_submit(&d, &d.queue[0], &b, 1);
    while (virtio_queue_pop(s->echo))
        popped++;
    for (u32 i = 0; i < 16; i++)
        driver_submit(&d, &d.queue[0], &b, 1);
    g_assert_null(virtio_queue_pop(s->echo));
    g_assert_cmpuint(popped, ==, 16);
    g_assert_true(is_broken(&d));
}

/* Rings where none can be. */
static void hostile_rings(struct bench *bench, gconstpointer data)
{
    const u64 places[] = { 0, 0x1000, DRIVER_MMIO, BENCH_RAM + BENCH_RAM_SIZE - 64, BENCH_RAM + 1, UINT64_MAX - 15, BENCH_RAM + 8 };
    struct driver d;

    start(&d, bench, data);
    if (driver_is_legacy(&d))
        return;
    for (u32 i = 0; i < ARRAY_SIZE(places) * 3; i++) {
        d.heap = BENCH_RAM + 0x10000;
        g_assert_true(driver_negotiate(&d, d.features));
        driver_queue(&d, 0, 16);
        driver_queue(&d, 1, 64);
        driver_write(&d, DRIVER_QUEUE_SELECT, 2); /* there is no such queue */
        driver_write(&d, DRIVER_QUEUE_SIZE, 8);
        driver_set_address(&d, 0, BENCH_RAM);
        driver_write(&d, DRIVER_QUEUE_ENABLE, 1);
        g_assert_true(driver_negotiate(&d, d.features));
        driver_write(&d, DRIVER_QUEUE_SELECT, 1);
        for (u32 area = 0; area < 3; area++)
            driver_set_address(&d, area, area == i % 3 ? places[i / 3] : BENCH_RAM + 0x8000 + area * 0x1000);
        driver_write(&d, DRIVER_QUEUE_ENABLE, 1);
        driver_ok(&d);
        driver_kick(&d, &d.queue[1]);
        if (places[i / 3] != BENCH_RAM + 8 || i % 3 == 0)
            g_assert_true(is_broken(&d) || (places[i / 3] == BENCH_RAM + BENCH_RAM_SIZE - 64 && d.queue[1].packed && i % 3) );
    }
}

static void negotiates(struct bench *bench, gconstpointer data)
{
    struct driver d;

    driver_init(&d, bench, MMIO_MODERN, "virtio-specimen", "extra=on;event_idx=off");
    g_assert_cmphex(driver_offered(&d), ==, BIT64(3) | BIT64(5) | INDIRECT | RESET | BIT64(VIRTIO_F_VERSION_1));
    g_assert_cmphex(driver_features_word(&d, 2), ==, 0);
    g_assert_false(driver_negotiate(&d, BIT64(4)));           /* not offered */
    g_assert_false(driver_negotiate(&d, BIT64(5)));           /* the device does not like it alone */
    g_assert_true(driver_negotiate(&d, BIT64(3) | BIT64(5)));
    driver_accept_word(&d, 0, 0);                             /* too late */
    g_assert_true(virtio_has(&((struct virtio_specimen *)d.device)->virtio, 5));
    driver_write(&d, DRIVER_STATUS, 3);                       /* cannot be taken back */
    g_assert_cmphex(driver_read(&d, DRIVER_STATUS), ==, 11);
    driver_write(&d, DRIVER_STATUS, 0);
    driver_write(&d, DRIVER_STATUS, 3);
    driver_accept_word(&d, 0, 8);
    driver_accept_word(&d, 1, 0);                             /* no VERSION_1 */
    driver_write(&d, DRIVER_STATUS, 11);
    g_assert_cmphex(driver_read(&d, DRIVER_STATUS), ==, 3);
}

static void configuration(struct bench *bench, gconstpointer data)
{
    const struct setting *setting = data;
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, setting);
    u64 at = driver_config_at(&d, 0);

    g_assert_cmphex(bench_read(bench, at, 4), ==, 0x11223344);
    g_assert_cmphex(bench_read(bench, at + 1, 1), ==, 0x33);
    g_assert_cmphex(bench_read(bench, at + 8, 4), ==, 0xbeef5a5a); /* across fields */
    g_assert_cmphex(bench_read(bench, at + 20, 4), ==, 0x88776655);
    g_assert_cmphex(bench_read(bench, at + 12, 4), ==, 0);
    bench_write(bench, at, 1, 0xaa);
    g_assert_cmphex(bench_read(bench, at, 4), ==, 0x112233aa);
    bench_write(bench, at + 4, 1, 0xaa);
    g_assert_cmphex(bench_read(bench, at + 4, 1), ==, 0x5a);
    bench_write(bench, at + 10, 2, 0x1234);
    g_assert_cmphex(s->state->half, ==, 0x1234);
    g_assert_cmpuint(s->state->half_writes, ==, 1);
    u64 generation = driver_is_legacy(&d) ? 0 : driver_read(&d, DRIVER_GENERATION);
    virtio_config_changed(&s->virtio);
    g_assert_cmpuint(driver_interrupts(&d), ==, 2);
    if (!driver_is_legacy(&d))
        g_assert_cmpuint(driver_read(&d, DRIVER_GENERATION), ==, generation + 1);
}

/* PCI alone: identity, bus mastering, MSI-X, the access capability. */

static void pci_identity(struct bench *bench, gconstpointer data)
{
    static const struct { const char *properties; u32 id, revision; bool legacy, modern; } cases[] = {
        { NULL, 0x10091af4, 0, true, true }, { "disable-legacy=on", 0x10491af4, 1, false, true },
        { "disable-modern=on", 0x10091af4, 0, true, false }, { "disable-legacy=off", 0x10091af4, 0, true, true },
    };
    const u32 i = GPOINTER_TO_UINT(data);
    struct driver d;

    driver_init(&d, bench, PCI_MODERN, "virtio-specimen", cases[i].properties);
    g_assert_cmphex(bench_read(bench, driver_pci_config(0), 4), ==, cases[i].id);
    g_assert_cmphex(bench_read(bench, driver_pci_config(8), 4), ==, 0x00ff0000 | cases[i].revision);
    g_assert_cmphex(bench_read(bench, driver_pci_config(0x2c), 4), ==, cases[i].legacy ? 0x00091af4 : 0x11001af4);
    g_assert_cmphex(bench_read(bench, driver_pci_config(0x10), 4), ==, cases[i].legacy ? 0x1001 : 0);
    g_assert_cmphex(bench_read(bench, driver_pci_config(0x20), 4), ==, cases[i].modern ? 0xc : 0);
    g_assert_cmpuint(d.pci.common != 0, ==, cases[i].modern);
}

static void bus_mastering(struct bench *bench, gconstpointer data)
{
    static const struct setting setting = { "", PCI_MODERN, 0 };
    struct driver d;
    const struct driver_buffer b = { BENCH_RAM, 16, true };
    u32 id, written;

    start(&d, bench, &setting);
    bench_write(bench, driver_pci_config(4), 2, 3);
    driver_submit(&d, &d.queue[0], &b, 1);
    driver_kick(&d, &d.queue[0]);
    g_assert_false(driver_take(&d, &d.queue[0], 1, &id, &written));
    bench_write(bench, driver_pci_config(4), 2, 7);
    g_assert_true(driver_take(&d, &d.queue[0], 1, &id, &written));
    g_assert_false(is_broken(&d));
}

/* Messages go to RAM here, where they can be seen. */
static void message_at(struct bench *bench, u32 vector, u64 address, u32 value, u32 masked)
{
    bench_write(bench, DRIVER_MSIX + 16 * vector, 8, address);
    bench_write(bench, DRIVER_MSIX + 16 * vector + 8, 4, value);
    bench_write(bench, DRIVER_MSIX + 16 * vector + 12, 4, masked);
}

static void messages(struct bench *bench, gconstpointer data)
{
    static const struct setting setting = { "", PCI_MSIX, 0 };
    const struct driver_buffer b = { BENCH_RAM + 64, 16, true };
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, &setting);

    g_assert_cmphex(bench_read(bench, DRIVER_MSIX + 12, 4), ==, 1); /* masked at first */
    message_at(bench, 0, BENCH_RAM, 0x1111, 0);
    message_at(bench, 1, BENCH_RAM, 0x2222, 1);
    message_at(bench, 2, BENCH_RAM, 0x3333, 0);
    bench_write(bench, BENCH_RAM, 8, 0);
    driver_submit(&d, &d.queue[0], &b, 1);
    driver_kick(&d, &d.queue[0]);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x1111);
    driver_submit(&d, &d.queue[1], &b, 1);
    driver_kick(&d, &d.queue[1]);
    virtio_request_complete(&s->held[0]->request, 0);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x1111);
    g_assert_cmphex(bench_read(bench, DRIVER_MSIX + 0x800, 4), ==, 2); /* pending */
    bench_write(bench, DRIVER_MSIX + 16 + 12, 4, 0);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x2222);
    g_assert_cmphex(bench_read(bench, DRIVER_MSIX + 0x800, 4), ==, 0);
    bench_write(bench, d.pci.common + 0x10, 2, 2);
    bench_write(bench, driver_pci_config(0x98 + 2), 2, 0xc000); /* function masked */
    virtio_config_changed(&s->virtio);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x2222);
    bench_write(bench, driver_pci_config(0x98 + 2), 2, 0x8000);
    g_assert_cmphex(bench_read(bench, BENCH_RAM, 8), ==, 0x3333);
    bench_write(bench, d.pci.common + 0x10, 2, 3);
    g_assert_cmphex(bench_read(bench, d.pci.common + 0x10, 2), ==, VIRTIO_NO_VECTOR);
    for (u32 line = 0; line < 4; line++)
        g_assert_cmpuint(line_level(&bench->line[line]), ==, 0);
    /* Its own doorbell as the address: refused while it is busy. */
    message_at(bench, 0, d.pci.notify, 0, 0);
    driver_submit(&d, &d.queue[0], &b, 1);
    driver_kick(&d, &d.queue[0]);
    g_assert_false(is_broken(&d));
}

static void access_capability(struct bench *bench, gconstpointer data)
{
    struct driver d;
    u32 at = 0x84;

    driver_init(&d, bench, PCI_MODERN, "virtio-specimen", NULL);
    g_assert_cmphex(bench_read(bench, driver_pci_config(at + 3), 1), ==, 5);
    bench_write(bench, driver_pci_config(4), 2, 0); /* no memory needed */
    bench_write(bench, driver_pci_config(at + 4), 1, 4);
    bench_write(bench, driver_pci_config(at + 8), 4, 0x2000);
    bench_write(bench, driver_pci_config(at + 12), 4, 4);
    g_assert_cmphex(bench_read(bench, driver_pci_config(at + 16), 4), ==, 0x11223344);
    bench_write(bench, driver_pci_config(at + 16), 4, 0x55667788);
    g_assert_cmphex(bench_read(bench, driver_pci_config(at + 16), 4), ==, 0x55667788);
    g_assert_cmphex(((struct virtio_specimen *)d.device)->state->word, ==, 0x55667788);
    static const struct { u32 bar, offset, length; } bad[] = { { 3, 0, 4 }, { 4, 0x4000, 4 }, { 4, 0xffffffff, 1 }, { 4, 1, 4 }, { 4, 0, 3 }, { 4, 0, 0 }, { 255, 0, 4 } };
    for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
        bench_write(bench, driver_pci_config(at + 4), 1, bad[i].bar);
        bench_write(bench, driver_pci_config(at + 8), 4, bad[i].offset);
        bench_write(bench, driver_pci_config(at + 12), 4, bad[i].length);
        bench_write(bench, driver_pci_config(at + 16), 4, UINT32_MAX);
        bench_read(bench, driver_pci_config(at + 16), 4);
    }
}

static void add(const char *name, void (*fn)(struct bench *bench, gconstpointer data))
{
    for (u32 i = 0; i < ARRAY_SIZE(settings); i++) {
        g_autofree char *path = g_strdup_printf("/virtio/%s/%s", name, settings[i].name);

        g_test_add(path, struct bench, &settings[i], bench_set_up, fn, bench_tear_down);
    }
}

static void add_modern(const char *name, void (*fn)(struct bench *bench, gconstpointer data))
{
    for (u32 i = 0; i < ARRAY_SIZE(settings); i++) {
        g_autofree char *path = g_strdup_printf("/virtio/%s/%s", name, settings[i].name);

        if (settings[i].transport != MMIO_LEGACY && settings[i].transport != PCI_LEGACY)
            g_test_add(path, struct bench, &settings[i], bench_set_up, fn, bench_tear_down);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("echo", echoes);
    add("out-of-order", out_of_order);
    add_modern("in-order", in_order);
    add("publish", publishes_together);
    add("return", gives_back);
    add("reset", reset_in_mid_air);
    add("unplug", unplugged_in_mid_air);
    add_modern("queue-reset", resets_one_queue);
    add("suppression", suppresses);
    add("hostile-chains", hostile_chains);
    add("in-flight", bounded_in_flight);
    add_modern("hostile-rings", hostile_rings);
    add("configuration", configuration);
    BENCH_TEST("/virtio/features", negotiates);
    for (u32 i = 0; i < 4; i++) {
        g_autofree char *path = g_strdup_printf("/virtio/pci/identity/%u", i);
        g_test_add(path, struct bench, GUINT_TO_POINTER(i), bench_set_up, pci_identity, bench_tear_down);
    }
    BENCH_TEST("/virtio/pci/bus-master", bus_mastering);
    BENCH_TEST("/virtio/pci/msix", messages);
    BENCH_TEST("/virtio/pci/access", access_capability);
    return g_test_run();
}
