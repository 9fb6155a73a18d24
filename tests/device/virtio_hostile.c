/* tests/device/virtio_hostile.c - drivers that break the rules: chains and rings that cannot be, buffers made available again and again. */
#include "tests/device/virtio_specimen.h"

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

/* A driver that makes the same entries available again before it has them back cannot make the device hold more than the queue has. */
static void bounded_in_flight(struct bench *bench, gconstpointer data)
{
    enum { SIZE = 16 };
    struct driver d;
    struct virtio_specimen *s = start(&d, bench, data);
    struct driver_buffer chain[] = { { BENCH_RAM, 16, true }, { BENCH_RAM, 16, true }, { BENCH_RAM, 16, true }, { BENCH_RAM, 16, true } };
    u32 per = d.queue[0].packed ? 4 : 1; /* in split rings only the heads count */
    u64 heap = d.heap;

    for (u32 finished = 0; finished < 2; finished++) {
        struct virtio_request *held[SIZE + 1];
        u32 popped = 0;

        d.heap = heap;
        g_assert_true(driver_negotiate(&d, d.features));
        struct driver_queue *q = driver_queue(&d, 0, 0);
        driver_ok(&d);
        g_assert_cmpuint(q->size, ==, SIZE);
        for (u32 i = 0; i < SIZE / per; i++)
            driver_submit(&d, q, chain, per);
        while ((held[popped] = virtio_queue_pop(s->echo)))
            popped++;
        g_assert_cmpuint(popped, ==, SIZE / per);
        g_assert_false(is_broken(&d));
        while (finished && popped) /* but not published */
            virtio_request_finish(held[--popped], 0);
        driver_submit(&d, q, chain, per);
        g_assert_null(virtio_queue_pop(s->echo));
        g_assert_true(is_broken(&d));
    }
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

/* Who switches a window of a device on and off for some hours comes to the last number of a memory map. */
static void last_memory_map(struct bench *bench, gconstpointer data)
{
    struct driver d;
    u32 id, written;

    start(&d, bench, data);
    u64 at = driver_alloc(&d, 64, 16);
    const struct driver_buffer buffers[] = { { at, 16, false }, { at + 32, 16, true } };
    bench->vm->memory_generation = UINT32_MAX;
    g_assert_true(driver_negotiate(&d, d.features));
    driver_queue(&d, 0, 0);
    driver_ok(&d);
    put(&d, at, "sixteen letters");
    driver_submit(&d, &d.queue[0], buffers, 2);
    driver_kick(&d, &d.queue[0]);
    g_assert_true(driver_take(&d, &d.queue[0], 2, &id, &written));
    g_assert_cmpstr(get(&d, at + 32), ==, "sixteen letters");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("last-memory-map", last_memory_map);
    add("hostile-chains", hostile_chains);
    add("in-flight", bounded_in_flight);
    add_modern("hostile-rings", hostile_rings);
    return g_test_run();
}
