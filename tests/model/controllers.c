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
#include "vm/vcpu.h"
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
    struct vcpu *vcpu;   /* IMSIC: whose file it is */
    struct line *meip;
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

static struct model *create(void)
{
    const char *rounds = g_getenv("MYNAH_MODEL_ROUNDS");
    struct model *m = g_new0(struct model, 1);

    bench_set_up(&m->bench, NULL);
    m->rounds = rounds ? (u32)atoi(rounds) : 300;
    return m;
}

/* Both threads to their end, without the machine lock. */
static void run(struct model *m, void *(*first)(void *), void *(*second)(void *))
{
    struct host_thread threads[2];

    vm_unlock(m->bench.vm);
    g_assert_true(host_thread_start(&threads[0], "hart", first, m, NULL));
    g_assert_true(host_thread_start(&threads[1], "device", second, m, NULL));
    for (unsigned i = 0; i < 2; i++)
        host_thread_join(&threads[i]);
    vm_lock(m->bench.vm);
    bench_tear_down(&m->bench, NULL);
    g_free(m);
}

static void plic(void)
{
    struct model *m = create();

    m->plic = (struct sifive_plic *)bench_device(&m->bench, "riscv.sifive.plic", "hart-config=M;num-sources=8;num-priorities=7");
    device_map(&m->plic->device, 0, PLIC);
    line_init(&m->output, NULL, "output", 0, dawdle, NULL);
    m->output.lockless = true;
    m->plic->output[0] = &m->output;
    bench_write(&m->bench, PRIORITY, 4, 1);
    bench_write(&m->bench, ENABLE, 4, 1 << SOURCE);
    run(m, hart, device);
}

/* ---- IMSIC: messages and claims meet (AIA 1.0, 3.9). A hart that has claimed the last pending identity finds the output low at once ---- */

enum { IDENTITIES = 3, EIDELIVERY = 0x70, EIP = 0x80, EIE = 0xc0, MEIP = 11 };
#define IMSIC UINT64_C(0x24000000)

static u64 file_access(struct model *m, u32 number, u64 value, u64 mask)
{
    u64 old;

    m->vcpu->port[0].access(m->vcpu->port[0].opaque, number, &old, value, mask);
    return old;
}

/* A burst of messages, one of each identity, when the last burst has been served. */
static void *sender(void *opaque)
{
    struct model *m = opaque;
    struct epoch *epoch = vm_epoch(m->bench.vm);
    struct epoch_reader *reader = epoch_reader_add(epoch);

    for (u32 i = 1, turns = 0; i <= m->rounds; i++) {
        for (u32 identity = 1; identity <= IDENTITIES; identity++) {
            epoch_enter(epoch, reader);
            bench_write(&m->bench, IMSIC, 4, identity);
            epoch_leave(reader);
        }
        while (load(&m->served) != i * IDENTITIES)
            wait_a_little(&turns);
    }
    epoch_reader_remove(epoch, reader);
    return NULL;
}

/* What mtopei says is claimed as a write to it does: its bit of eip goes. */
static void *claimer(void *opaque)
{
    struct model *m = opaque;

    for (u32 i = 1, turns = 0; i <= m->rounds * IDENTITIES; i++) {
        while (!line_level(m->meip))
            wait_a_little(&turns);
        u64 top = file_access(m, VCPU_PORT_TOP, 0, 0);
        g_assert_cmphex(top, ==, (top >> 16) * 0x10001);
        g_assert_cmpuint(top >> 16, >=, 1);
        g_assert_cmpuint(top >> 16, <=, IDENTITIES);
        file_access(m, EIP, 0, BIT64(top >> 16));
        if (i % IDENTITIES == 0) /* all of the burst: nobody sends another before this one is served */
            g_assert_cmpuint(line_level(m->meip), ==, 0);
        __atomic_store_n(&m->served, i, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void imsic(void)
{
    struct model *m = create();
    GError *error = NULL;

    m->vcpu = vcpu_create(m->bench.vm, "rv64", vm_root(m->bench.vm), "hart", &error);
    g_assert_no_error(error);
    struct device *file = bench_device(&m->bench, "riscv.imsic", "mmode=on;hartid=0;num-irqs=64");
    device_map(file, 0, IMSIC);
    m->meip = &m->vcpu->line[MEIP];
    line_init(m->meip, &m->vcpu->object, "output", 0, dawdle, NULL); /* still the hart's: forgotten with it */
    m->meip->lockless = true;
    file_access(m, EIE, UINT64_MAX, UINT64_MAX);
    file_access(m, EIDELIVERY, 1, 1);
    bench_write(&m->bench, IMSIC, 4, 2); /* alone, and taken back before anybody looks */
    g_assert_cmpuint(line_level(m->meip), ==, 1);
    file_access(m, EIE, 0, BIT64(2));
    g_assert_cmpuint(line_level(m->meip), ==, 0); /* not enabled: pending, and not shown */
    file_access(m, EIE, BIT64(2), BIT64(2));
    g_assert_cmpuint(line_level(m->meip), ==, 1);
    file_access(m, EIDELIVERY, 0, 1);
    g_assert_cmpuint(line_level(m->meip), ==, 0);
    file_access(m, EIP, 0, BIT64(2));
    file_access(m, EIDELIVERY, 1, 1);
    g_assert_cmpuint(line_level(m->meip), ==, 0);
    run(m, claimer, sender);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/controllers/plic", plic);
    g_test_add_func("/controllers/imsic", imsic);
    return g_test_run();
}
