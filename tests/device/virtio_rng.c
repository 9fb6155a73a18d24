/* tests/device/virtio_rng.c - entropy device: bytes that come while it is busy, and after their queue was reset. */
#include "tests/device/virtio_driver.h"
#include <string.h>

enum { SIZE = 64 };

struct rng {
    struct driver d;
    u64 buffer;
};

static void start(struct rng *r, struct bench *bench)
{
    driver_init(&r->d, bench, MMIO_MODERN, "virtio-rng", NULL);
    g_assert_true(driver_negotiate(&r->d, BIT64(VIRTIO_F_RING_RESET)));
    driver_queue(&r->d, 0, 0);
    driver_ok(&r->d);
    r->buffer = driver_alloc(&r->d, SIZE, 64);
    memset(bench->ram->host + (r->buffer - BENCH_RAM), 0, SIZE);
}

/* The driver asks; the answer is under way. */
static void ask(struct rng *r)
{
    const struct driver_buffer b = { r->buffer, SIZE, true };

    driver_submit(&r->d, &r->d.queue[0], &b, 1);
    bench_write(r->d.bench, DRIVER_MMIO + 0x50, 4, 0);
}

static bool is_filled(struct rng *r)
{
    static const u8 nothing[SIZE];

    return memcmp(r->d.bench->ram->host + (r->buffer - BENCH_RAM), nothing, SIZE) != 0;
}

static void busy(struct bench *bench, gconstpointer data)
{
    struct rng r;
    u32 id, written;

    start(&r, bench);
    ask(&r);
    g_assert_true(device_begin(r.d.device));
    driver_settle(&r.d);
    g_assert_false(is_filled(&r));
    device_end(r.d.device);
    driver_settle(&r.d);
    g_assert_true(driver_take(&r.d, &r.d.queue[0], 1, &id, &written));
    g_assert_cmpuint(written, ==, SIZE);
    g_assert_true(is_filled(&r));
}

/* 2.6.1.1: the buffer is the driver's again; the next one is filled. */
static void queue_reset(struct bench *bench, gconstpointer data)
{
    struct rng r;
    u32 id, written;

    start(&r, bench);
    ask(&r);
    driver_write(&r.d, DRIVER_QUEUE_SELECT, 0);
    bench_write(bench, DRIVER_MMIO + 0xc0, 4, 1);
    driver_queue(&r.d, 0, 0);
    driver_settle(&r.d);
    g_assert_false(is_filled(&r));
    ask(&r);
    driver_settle(&r.d);
    g_assert_true(driver_take(&r.d, &r.d.queue[0], 1, &id, &written));
    g_assert_true(is_filled(&r));
}

/* Two requests of which each is a turn, and one to fill. */
static void ask_in_turns(struct rng *r)
{
    struct driver_buffer pieces[10];

    for (u32 i = 0; i < ARRAY_SIZE(pieces); i++)
        pieces[i] = (struct driver_buffer){ BENCH_RAM, BENCH_RAM_SIZE, false };
    for (u32 i = 0; i < 2; i++)
        driver_submit_indirect(&r->d, &r->d.queue[0], pieces, ARRAY_SIZE(pieces));
    ask(r);
}

/* A reset takes the letter for the next turn with it; turns come by letters afterwards as before. */
static void reset_between_turns(struct bench *bench, gconstpointer data)
{
    const u64 features = BIT64(VIRTIO_F_INDIRECT_DESC) | BIT64(VIRTIO_F_RING_RESET);
    struct rng r;

    start(&r, bench);
    for (u32 i = 0; i < 2; i++) {
        g_assert_true(driver_negotiate(&r.d, features));
        driver_queue(&r.d, 0, 0);
        driver_ok(&r.d);
        ask_in_turns(&r);
        g_assert_false(is_filled(&r));
    }
    driver_settle(&r.d);
    driver_settle(&r.d);
    g_assert_true(is_filled(&r));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/virtio-rng/busy", busy);
    BENCH_TEST("/virtio-rng/queue-reset", queue_reset);
    BENCH_TEST("/virtio-rng/reset-between-turns", reset_between_turns);
    return g_test_run();
}
