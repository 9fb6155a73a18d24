/*
 * tests/model/controllers.c - an interrupt controller between a device and a hart, threads without the machine lock: whoever has claimed an
 * interrupt and had the device lower its line finds the controller's output low at once, however long the device's thread is at it.
 */
#define DEVICE      sifive_plic
#define DEVICE_ROWS "hw/intc/sifive_plic.dev"
#include "hw/core/declare.inc"
#include "host/epoch.h"
#include "host/thread.h"
#include "tests/device/bench.h"
#include <sched.h>

enum { SOURCE = 1 };
#define PLIC     UINT64_C(0xc000000)
#define ENABLE   (PLIC + 0x2000)
#define CLAIM    (PLIC + 0x200004)
#define PRIORITY (PLIC + 4 * SOURCE)

struct model {
    struct bench bench;
    struct sifive_plic *plic;
    struct line output;  /* of context 0 */
    u32 served;          /* atomic: interrupts that the hart has done with */
    u32 rounds;
};

static u32 load(const u32 *at)
{
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

/* Both threads are quick, but may have to share a core. */
static void wait_a_little(u32 *turns)
{
    if (++*turns % 4096 == 0)
        sched_yield();
}

/* Who raises the output is held up there: the hart sees it and goes on. */
static void dawdle(void *opaque, u32 number, u32 level)
{
    for (unsigned i = 0; i < 50 && level; i++)
        sched_yield();
}

/* The next one when the last has been served. */
static void *device(void *opaque)
{
    struct model *m = opaque;

    for (u32 i = 1, turns = 0; i <= m->rounds; i++) {
        line_set(&m->plic->source[SOURCE], 1);
        while (load(&m->served) != i)
            wait_a_little(&turns);
    }
    return NULL;
}

static void *hart(void *opaque)
{
    struct model *m = opaque;
    struct epoch *epoch = vm_epoch(m->bench.vm);
    struct epoch_reader *reader = epoch_reader_add(epoch);

    for (u32 i = 1, turns = 0; i <= m->rounds; i++) {
        while (!line_level(&m->output))
            wait_a_little(&turns);
        epoch_enter(epoch, reader);
        g_assert_cmpuint(bench_read(&m->bench, CLAIM, 4), ==, SOURCE);
        g_assert_cmpuint(line_level(&m->output), ==, 0); /* a hart would enable interrupts here */
        line_set(&m->plic->source[SOURCE], 0);
        bench_write(&m->bench, CLAIM, 4, SOURCE);
        g_assert_cmpuint(line_level(&m->output), ==, 0);
        epoch_leave(reader);
        __atomic_store_n(&m->served, i, __ATOMIC_SEQ_CST);
    }
    epoch_reader_remove(epoch, reader);
    return NULL;
}

static void plic(void)
{
    const char *rounds = g_getenv("MYNAH_MODEL_ROUNDS");
    struct model *m = g_new0(struct model, 1);
    struct host_thread threads[2];

    bench_set_up(&m->bench, NULL);
    m->rounds = rounds ? (u32)atoi(rounds) : 300;
    m->plic = (struct sifive_plic *)bench_device(&m->bench, "riscv.sifive.plic", "hart-config=M;num-sources=8;num-priorities=7");
    device_map(&m->plic->device, 0, PLIC);
    line_init(&m->output, NULL, "output", 0, dawdle, NULL);
    m->output.lockless = true;
    m->plic->output[0] = &m->output;
    bench_write(&m->bench, PRIORITY, 4, 1);
    bench_write(&m->bench, ENABLE, 4, 1 << SOURCE);
    vm_unlock(m->bench.vm);
    g_assert_true(host_thread_start(&threads[0], "hart", hart, m, NULL));
    g_assert_true(host_thread_start(&threads[1], "device", device, m, NULL));
    for (unsigned i = 0; i < 2; i++)
        host_thread_join(&threads[i]);
    vm_lock(m->bench.vm);
    bench_tear_down(&m->bench, NULL);
    g_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/controllers/plic", plic);
    return g_test_run();
}
