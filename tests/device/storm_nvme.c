/*
 * tests/device/storm_nvme.c - NVMe under random commands, lists, doorbells and resets, at its own registers as well: nothing breaks, it
 * never stops answering, and a reset brings back the state after power-on.
 */
#include "tests/device/nvme_driver.h"
#include "tests/device/storm.h"

enum { ROUNDS = 60, STEPS = 400 };
#define STORM_CMB UINT64_C(0x41000000) /* the controller's memory behind its BAR, and where the driver may put it */
#define STORM_CBA (BENCH_RAM + BENCH_RAM_SIZE / 2)

struct storm {
    struct nvme_driver d;
    GRand *rand;
};

static u32 any(struct storm *s, u32 below)
{
    return (u32)g_rand_int_range(s->rand, 0, (gint32)below);
}

/* Mostly RAM; the end of it, the registers, nothing. */
static u64 address(struct storm *s)
{
    switch (any(s, 14)) {
    case 12:
        return STORM_CMB + any(s, MIB);
    case 13:
        return STORM_CBA + any(s, 2 * MIB) - MIB / 2;
    case 0:
        return NVME_BAR + any(s, 0x4000);
    case 1:
        return any(s, 2) ? g_rand_int(s->rand) : 0;
    case 2:
        return BENCH_RAM + BENCH_RAM_SIZE - any(s, 64);
    case 3:
        return BENCH_RAM + any(s, BENCH_RAM_SIZE);
    case 4:
        return UINT64_MAX - any(s, 5000);
    default:
        return NVME_DATA + 0x1000 * (u64)any(s, 100);
    }
}

/* Entries of page lists, or descriptors of scatter gather lists, that lead anywhere. */
static void fill_lists(struct storm *s)
{
    u8 *lists = nvme_ram(&s->d, NVME_LISTS);

    for (u32 i = 0; i < 0x2000; i += 16) {
        bits_store_le(lists + i, 8, any(s, 3) ? address(s) : NVME_LISTS + 16 * any(s, 0x200));
        if (any(s, 2))
            bits_store_le(lists + i + 8, 8, address(s));
        else
            bits_store_le(lists + i + 8, 8, any(s, 8192) | (u64)any(s, 64) << 60);
    }
}

static struct nvme_sqe command(struct storm *s, bool io)
{
    static const u8 admin[] = { 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 0x7c, 0x80 }, nvm[] = { 0, 1, 2, 5, 8, 9, 12, 25 };
    u8 opcode = any(s, 20) == 0 ? (u8)any(s, 256) : io ? nvm[any(s, ARRAY_SIZE(nvm))] : admin[any(s, ARRAY_SIZE(admin))];
    struct nvme_sqe e = nvme_command(opcode, any(s, 8) ? 1 + any(s, 2) : g_rand_int(s->rand), address(s), any(s, 2) ? NVME_LISTS + 8 * any(s, 0x300) : address(s));

    for (unsigned i = 10; i < 16; i++)
        nvme_put(&e, i, any(s, 4) ? any(s, 40) : g_rand_int(s->rand));
    if (!io && (opcode == 1 || opcode == 5)) { /* queues, most of them possible */
        nvme_put(&e, 10, (any(s, 8) ? NVME_ENTRIES - 1 : any(s, 4096)) << 16 | any(s, 5));
        nvme_put(&e, 11, any(s, 4) << 16 | 3);
    }
    if (io && any(s, 3) == 0) {
        e.bytes[1] = (u8)(any(s, 4) << 6);
        bits_store_le(e.bytes + 32, 8, any(s, 70000) | (u64)any(s, 64) << 60);
    }
    return e;
}

static void poke(struct storm *s)
{
    u64 value;
    u32 offset = any(s, 2) ? any(s, 0x60) & ~3u : DOORBELLS + 4 * any(s, 300);

    if (any(s, 10) == 0)
        bench_try_write(s->d.bench, NVME_BAR + 0x50, 8, any(s, 3) ? STORM_CBA | any(s, 4) : UINT64_MAX << any(s, 64));
    else if (any(s, 8) == 0)
        bench_try_write(s->d.bench, NVME_BAR + any(s, 0x4000), 1u << any(s, 4), g_rand_int(s->rand));
    else if (any(s, 3))
        bench_try_write(s->d.bench, NVME_BAR + offset, 4, any(s, 3) ? any(s, 32) : g_rand_int(s->rand));
    else
        bench_try_read(s->d.bench, NVME_BAR + offset, 4, &value);
}

static void step(struct storm *s)
{
    u32 queue = any(s, NVME_PAIRS);

    switch (any(s, 16)) {
    case 0:
        poke(s);
        break;
    case 1:
        nvme_settle(&s->d);
        break;
    case 2:
        fill_lists(s);
        break;
    case 3:
        if (any(s, 20) == 0)
            bench_write(s->d.bench, NVME_ECAM + 4, 2, any(s, 8)); /* bus mastering, BARs */
        else
            bench_write(s->d.bench, NVME_ECAM + 4, 2, 6);
        break;
    case 4:
    case 5: /* whatever has been completed is taken */
        bench_try_write(s->d.bench, NVME_BAR + DOORBELLS + 8 * queue + 4, 4, any(s, NVME_ENTRIES));
        break;
    default:
        nvme_queue(&s->d, queue, command(s, queue));
        bench_try_write(s->d.bench, NVME_BAR + DOORBELLS + 8 * queue, 4, s->d.pair[queue].tail);
        break;
    }
}

static void disable(struct storm *s)
{
    s64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    bench_write(s->d.bench, NVME_ECAM + 0x10, 4, NVME_BAR);
    bench_write(s->d.bench, NVME_ECAM + 0x14, 4, 0);
    bench_write(s->d.bench, NVME_ECAM + 0x18, 4, STORM_CMB);
    bench_write(s->d.bench, NVME_ECAM + 0x1c, 4, 0);
    bench_write(s->d.bench, NVME_ECAM + 4, 2, 6);
    bench_write(s->d.bench, NVME_BAR + 0x50, 8, 0);
    nvme_set(&s->d, CC, 0);
    while (nvme_get(&s->d, CSTS)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        nvme_settle(&s->d);
    }
}

static void check_reset(struct storm *s, const u8 *fresh)
{
    const struct device *device = s->d.device;

    vm_reset(s->d.bench->vm, VM_CAUSE_GUEST_RESET);
    for (u32 i = 0; i < device->decl->field_count; i++) {
        const struct device_field *f = &device->decl->fields[i];

        if (bench_is_reset(f) && memcmp((u8 *)device->state + f->offset, fresh + f->offset, (size_t)f->size * f->count))
            g_error("%s differs after a reset", f->name);
    }
}

static void storm(struct bench *bench, gconstpointer data)
{
    struct storm s = { .rand = storm_rand(data ? data : "nvme") };
    double end = storm_end();
    g_autofree u8 *fresh = NULL;

    nvme_start(&s.d, bench, data, false);
    bench_device(bench, "nvme-ns", "drive=e;nsid=2");
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    fresh = g_memdup2(s.d.device->state, s.d.device->decl->state_size);
    for (u32 round = 0; storm_goes_on(end, round, ROUNDS); round++) {
        disable(&s);
        nvme_enable(&s.d);
        for (u32 i = 1; i < NVME_PAIRS; i++)
            g_assert_cmphex(nvme_create_pair(&s.d, i, 0), ==, 0);
        for (u32 i = 0; i < STEPS; i++)
            step(&s);
        disable(&s);
        check_reset(&s, fresh);
    }
    disable(&s);
    nvme_enable(&s.d);
    g_assert_cmphex(nvme_create_pair(&s.d, 1, 0), ==, 0);
    for (u32 i = 0; i < STEPS; i++) /* the end comes in mid-air */
        step(&s);
    nvme_finish(&s.d);
    g_rand_free(s.rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/storm/nvme", struct bench, NULL, bench_set_up, storm, bench_tear_down);
    g_test_add("/storm/nvme-small", struct bench, "max_ioqpairs=2;mdts=0;vsl=0;write-cache=off", bench_set_up, storm, bench_tear_down);
    g_test_add("/storm/nvme-memory", struct bench, "cmb_size_mb=1", bench_set_up, storm, bench_tear_down);
    return g_test_run();
}
