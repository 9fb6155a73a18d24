/* tests/device/virtio.c - what all virtio devices have in common, by a specimen: features, configuration, rings, requests, resets. */
#include "tests/device/virtio_specimen.h"

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

/* A driver on another vCPU. */
struct refiller {
    struct driver *driver;
    u64 out;
    u32 left, taken;
};

static void give(struct refiller *r)
{
    const struct driver_buffer buffer = { r->out, 16, true };

    r->left--;
    driver_submit(r->driver, &r->driver->queue[0], &buffer, 1);
}

static void refill(void *opaque)
{
    struct refiller *r = opaque;
    u32 id, written;

    g_assert_true(driver_take(r->driver, &r->driver->queue[0], 1, &id, &written));
    r->taken++;
    if (r->left)
        give(r);
}

/* It fills the ring as fast as it is emptied: after one round of it others come first, and then it goes on without a notification. */
static void takes_turns(struct bench *bench, gconstpointer data)
{
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    struct refiller r = { .driver = &d, .out = driver_alloc(&d, 16, 16), .left = 100 };

    s->meanwhile = refill;
    s->opaque = &r;
    for (u32 i = 0; i < 16; i++)
        give(&r);
    driver_notify(&d, &d.queue[0]);
    g_assert_cmpuint(r.taken, ==, 16);
    vm_inbox_deliver(bench->vm);
    g_assert_cmpuint(r.taken, ==, 32);
    driver_notify(&d, &d.queue[0]); /* a second letter beside the one that is under way would make two turns of one */
    vm_inbox_deliver(bench->vm);
    g_assert_cmpuint(r.taken, ==, 64);
    driver_settle(&d);
    g_assert_cmpuint(r.taken, ==, 100);
    r.left = 1;
    give(&r); /* the ring had been empty: it is listened to */
    driver_kick(&d, &d.queue[0]);
    g_assert_cmpuint(r.taken, ==, 101);
    r.left = 40;
    for (u32 i = 0; i < 16; i++)
        give(&r);
    virtio_queue_go_on(s->echo); /* the device itself has reasons */
    g_assert_cmpuint(r.taken, ==, 117);
    driver_settle(&d);
    g_assert_cmpuint(r.taken, ==, 141);
}

static u32 take_all(struct driver *d, struct driver_queue *queue)
{
    u32 id, written, count = 0;

    while (driver_take(d, queue, 1, &id, &written))
        count++;
    return count;
}

/* A turn is not as many requests as there are entries, if those are large: 1 MiB for each entry. */
static void large_requests(struct bench *bench, gconstpointer data)
{
    enum { PIECES = 20 };
    struct driver d;
    struct driver_buffer pieces[PIECES];

    start(&d, bench, data);
    for (u32 i = 0; i < PIECES; i++)
        pieces[i] = (struct driver_buffer){ BENCH_RAM, BENCH_RAM_SIZE, false };
    for (u32 i = 0; i < 3; i++)
        driver_submit_indirect(&d, &d.queue[0], pieces, PIECES);
    driver_notify(&d, &d.queue[0]);
    for (u32 i = 0; i < 3; i++) {
        g_assert_cmpuint(take_all(&d, &d.queue[0]), ==, 1);
        vm_inbox_deliver(bench->vm);
    }
    g_assert_false(is_broken(&d));
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

/* A reset that those which wait for their turn do not keep from its end: nobody is going to finish them again. */
static void reset_in_order(struct bench *bench, gconstpointer data)
{
    const struct setting *setting = data;
    const struct setting ordered = { setting->name, setting->transport, setting->features | ORDERED };
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, &ordered);
    const struct driver_buffer buffer = { driver_alloc(&d, 16, 16), 16, true };

    for (u32 i = 0; i < 3; i++)
        driver_submit(&d, &d.queue[1], &buffer, 1);
    driver_kick(&d, &d.queue[1]);
    u32 pins = bench->ram->pins;
    virtio_request_complete(&s->held[2]->request, 3);
    virtio_request_complete(&s->held[1]->request, 2);
    driver_write(&d, DRIVER_STATUS, 0);
    g_assert_cmpuint(bench->ram->pins, ==, pins - 2);
    g_assert_true(virtio_request_is_stale(&s->held[0]->request));
    virtio_request_complete(&s->held[0]->request, 1);
    g_assert_cmpuint(bench->ram->pins, ==, pins - 3);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("turns", takes_turns);
    add("large-requests", large_requests);
    add("echo", echoes);
    add("out-of-order", out_of_order);
    add_modern("in-order", in_order);
    add_modern("reset-in-order", reset_in_order);
    add("publish", publishes_together);
    add("return", gives_back);
    add("reset", reset_in_mid_air);
    add("unplug", unplugged_in_mid_air);
    add_modern("queue-reset", resets_one_queue);
    add("suppression", suppresses);
    add("configuration", configuration);
    BENCH_TEST("/virtio/features", negotiates);
    return g_test_run();
}
