/*
 * tests/model/rings.c - virtio-blk whose queues iothreads serve, under everything that may happen meanwhile: two drivers without the machine
 * lock, each with a queue and an iothread of its own, write and verify; the main thread stops and continues the machine, reads registers,
 * masks vectors, reopens the image, changes limits, resets the device in mid-air. ThreadSanitizer sees races that a run does not show.
 */
#include "hw/virtio/internal.h"
#include "block/throttle.h"
#include "host/epoch.h"
#include "host/thread.h"
#include "tests/device/disk_desk.h"
#include "vm/user.h"

enum { DRIVERS = 2, DEPTH = 8, SLOT = 4096, SLOTS = 64, RING = 32, DISK_BYTES = DRIVERS * SLOTS * SLOT, UNKNOWN = -1, IDLE = -1 };
enum { DESC_NEXT = 1, DESC_WRITE = 2, REQUEST_IN = 0, REQUEST_OUT = 1, NO_STATUS = 0xee };

/* A request that a driver has in the ring: descriptors 3 * i and the two behind it. */
struct flight {
    int slot; /* IDLE: none */
    bool write;
    u8 version;
    u8 header[16] __attribute__((aligned(16)));
};

struct party {
    struct model *model;
    struct host_thread thread;
    u32 index, left;
    u64 ring, place; /* guest addresses: of the ring, of what requests point to */
    u16 next, seen;
    int version[SLOTS];
    struct flight flight[DEPTH];
    u32 random;
};

struct model {
    struct disk_desk desk;
    struct driver driver;
    struct party party[DRIVERS];
    u32 park, parked, finished; /* atomic */
};

static u32 draw(u32 *state, u32 below)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % below;
}

static u8 *memory(struct model *m, u64 address)
{
    return m->desk.bench.ram->host + (address - BENCH_RAM);
}

/* ---- A driver's own thread; rings of the sizes and orders of virtio 1.3, 2.7 ---- */

enum { DESCRIPTORS = 0, AVAILABLE = 16 * RING, USED = AVAILABLE + 6 + 2 * RING + 2, RING_BYTES = 4096, DATA_AT = 64, FLIGHT_BYTES = 2 * SLOT };

static u64 flight_at(const struct party *p, u32 i)
{
    return p->place + (u64)i * FLIGHT_BYTES;
}

static void put_descriptor(struct party *p, u32 i, u64 address, u32 size, u16 flags)
{
    u8 *at = memory(p->model, p->ring + DESCRIPTORS + 16ull * i);

    bits_store_le(at, 8, address);
    bits_store_le(at + 8, 4, size);
    bits_store_le(at + 12, 2, flags);
    bits_store_le(at + 14, 2, i + 1);
}

static u8 pattern(const struct party *p, int slot, u8 version, u32 at)
{
    return (u8)(version * 31 + slot * 7 + (int)p->index + (int)(at / 512));
}

static void begin_flight(struct party *p, u32 i)
{
    struct flight *f = &p->flight[i];
    u64 at = flight_at(p, i), sector = ((u64)p->index * SLOTS + (u32)f->slot) * SLOT / 512;
    u8 *data = memory(p->model, at + DATA_AT);

    bits_store_le(memory(p->model, at), 8, f->write ? REQUEST_OUT : REQUEST_IN);
    bits_store_le(memory(p->model, at + 8), 8, sector);
    *memory(p->model, at + 16) = NO_STATUS;
    for (u32 k = 0; k < SLOT; k++)
        data[k] = f->write ? pattern(p, f->slot, f->version, k) : 0x55;
    put_descriptor(p, 3 * i, at, 16, DESC_NEXT);
    put_descriptor(p, 3 * i + 1, at + DATA_AT, SLOT, (u16)(DESC_NEXT | (f->write ? 0 : DESC_WRITE)));
    put_descriptor(p, 3 * i + 2, at + 16, 1, DESC_WRITE);
    bits_store_le(memory(p->model, p->ring + AVAILABLE + 4 + 2 * (p->next % RING)), 2, 3 * i);
    p->next++;
    virtio_store16(memory(p->model, p->ring + AVAILABLE + 2), p->next);
}

static bool is_busy(const struct party *p, int slot)
{
    for (u32 i = 0; i < DEPTH; i++)
        if (p->flight[i].slot == slot)
            return true;
    return false;
}

static void fill_ring(struct party *p)
{
    bool any = false;

    for (u32 i = 0; i < DEPTH && p->left; i++) {
        int slot = (int)draw(&p->random, SLOTS);

        if (p->flight[i].slot != IDLE || is_busy(p, slot))
            continue;
        p->flight[i] = (struct flight){ .slot = slot, .write = p->version[slot] == UNKNOWN || draw(&p->random, 2) };
        p->flight[i].version = (u8)draw(&p->random, 256);
        begin_flight(p, i);
        p->left--;
        any = true;
    }
    /* 2.7.13: notify unless the device says that it looks anyway. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (any && !(virtio_load16(memory(p->model, p->ring + USED)) & 1))
        bench_write(&p->model->desk.bench, p->model->driver.pci.notify + p->index * p->model->driver.pci.notify_stride, 2, p->index);
}

static void end_flight(struct party *p, u32 i)
{
    struct flight *f = &p->flight[i];
    u64 at = flight_at(p, i);
    const u8 *data = memory(p->model, at + DATA_AT);

    g_assert_cmpuint(*memory(p->model, at + 16), ==, 0);
    for (u32 k = 0; k < SLOT && !f->write; k++)
        g_assert_cmpuint(data[k], ==, pattern(p, f->slot, (u8)p->version[f->slot], k));
    if (f->write)
        p->version[f->slot] = f->version;
    f->slot = IDLE;
}

static u32 in_flight(const struct party *p)
{
    u32 count = 0;

    for (u32 i = 0; i < DEPTH; i++)
        count += p->flight[i].slot != IDLE;
    return count;
}

static void take_used(struct party *p)
{
    while (virtio_load16(memory(p->model, p->ring + USED + 2)) != p->seen) {
        u32 head = (u32)bits_load_le(memory(p->model, p->ring + USED + 4 + 8ull * (p->seen % RING)), 4);

        g_assert_cmpuint(head % 3, ==, 0);
        g_assert_cmpuint(head / 3, <, DEPTH);
        g_assert_cmpint(p->flight[head / 3].slot, !=, IDLE);
        p->seen++;
        end_flight(p, head / 3);
    }
}

static void *drive(void *opaque)
{
    struct party *p = opaque;
    struct epoch *epoch = vm_epoch(p->model->desk.bench.vm);
    struct epoch_reader *reader = epoch_reader_add(epoch);

    while (p->left || in_flight(p)) {
        if (__atomic_load_n(&p->model->park, __ATOMIC_SEQ_CST)) {
            __atomic_add_fetch(&p->model->parked, 1, __ATOMIC_SEQ_CST);
            while (__atomic_load_n(&p->model->park, __ATOMIC_SEQ_CST))
                g_usleep(50);
            __atomic_sub_fetch(&p->model->parked, 1, __ATOMIC_SEQ_CST);
        }
        epoch_enter(epoch, reader);
        fill_ring(p);
        take_used(p);
        epoch_leave(reader);
        g_usleep(20);
    }
    epoch_reader_remove(epoch, reader);
    __atomic_add_fetch(&p->model->finished, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* ---- The main thread, with the machine lock ---- */

static void set_up_queue(struct model *m, struct party *p)
{
    struct driver *d = &m->driver;

    memset(memory(m, p->ring), 0, RING_BYTES);
    p->next = p->seen = 0;
    driver_write(d, DRIVER_QUEUE_SELECT, p->index);
    driver_write(d, DRIVER_QUEUE_SIZE, RING);
    driver_set_address(d, 0, p->ring + DESCRIPTORS);
    driver_set_address(d, 1, p->ring + AVAILABLE);
    driver_set_address(d, 2, p->ring + USED);
    if (d->transport == PCI_MSIX)
        bench_write(&m->desk.bench, d->pci.common + 0x1a, 2, p->index);
    driver_write(d, DRIVER_QUEUE_ENABLE, 1);
}

static void start_device(struct model *m)
{
    g_assert_true(driver_negotiate(&m->driver, BIT64(12) /* MQ */));
    for (u32 i = 0; i < DRIVERS; i++)
        set_up_queue(m, &m->party[i]);
    driver_ok(&m->driver);
}

/* Messages of the first vector go to RAM, those of the second to a register that needs the machine lock. */
static void set_up_vectors(struct model *m)
{
    const u64 targets[] = { BENCH_RAM + BENCH_RAM_SIZE - 64, m->driver.pci.common };

    for (u32 i = 0; i < DRIVERS && m->driver.transport == PCI_MSIX; i++) {
        bench_write(&m->desk.bench, DRIVER_MSIX + 16 * i, 4, (u32)targets[i]);
        bench_write(&m->desk.bench, DRIVER_MSIX + 16 * i + 4, 4, targets[i] >> 32);
        bench_write(&m->desk.bench, DRIVER_MSIX + 16 * i + 8, 4, 0);
        bench_write(&m->desk.bench, DRIVER_MSIX + 16 * i + 12, 4, 0);
    }
}

static void run_loops(struct model *m)
{
    driver_settle(&m->driver);
    vm_unlock(m->desk.bench.vm);
    g_usleep(200);
    vm_lock(m->desk.bench.vm);
}

static u32 working(struct model *m)
{
    return DRIVERS - __atomic_load_n(&m->finished, __ATOMIC_SEQ_CST);
}

/* What was under way is over, done or not; nothing of it may reach memory any more. */
static void reset_in_mid_air(struct model *m)
{
    g_autofree u8 *before = g_malloc(DEPTH * FLIGHT_BYTES);

    __atomic_store_n(&m->park, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&m->parked, __ATOMIC_SEQ_CST) < working(m))
        g_usleep(50);
    driver_write(&m->driver, DRIVER_STATUS, 0);
    while (driver_read(&m->driver, DRIVER_STATUS))
        run_loops(m);
    for (u32 i = 0; i < DRIVERS; i++) {
        struct party *p = &m->party[i];

        memset(memory(m, p->place), 0xa5, DEPTH * FLIGHT_BYTES);
        for (u32 k = 0; k < DEPTH; k++) {
            if (p->flight[k].slot != IDLE && p->flight[k].write)
                p->version[p->flight[k].slot] = UNKNOWN;
            p->flight[k].slot = IDLE;
        }
    }
    for (u32 turn = 0; turn < 3; turn++)
        run_loops(m);
    for (u32 i = 0; i < DRIVERS; i++)
        for (u32 k = 0; k < DEPTH * FLIGHT_BYTES; k++)
            g_assert_cmpuint(memory(m, m->party[i].place)[k], ==, 0xa5);
    start_device(m);
    __atomic_store_n(&m->park, 0, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&m->parked, __ATOMIC_SEQ_CST))
        g_usleep(50);
}

static void reopen(struct model *m, bool mode)
{
    g_autofree char *text = g_strdup_printf("{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\",\"discard\":\"%s\"}", m->desk.path, mode ? "unmap" : "ignore");
    struct json_object *options = json_tokener_parse(text);
    GError *error = NULL;

    disk_set_reopen(m->desk.disks, &options, 1, &error);
    g_assert_no_error(error);
    json_object_put(options);
}

static void limit(struct model *m, bool on)
{
    struct throttle_limits limits = throttle_limits_none();
    GList *list = disk_set_list(m->desk.disks);

    limits.requests[THROTTLE_TOTAL].average = on ? 5000 : 0;
    g_assert_true(disk_set_limits(list->data, "g", "g", &limits, NULL));
    g_list_free(list);
}

static void disturb(struct model *m, u32 what)
{
    struct bench *b = &m->desk.bench;

    switch (what) {
    case 0:
        vm_stop(b->vm, VM_PAUSED);
        run_loops(m);
        vm_cont(b->vm);
        break;
    case 1:
        reset_in_mid_air(m);
        break;
    case 2:
    case 3:
        reopen(m, what == 2);
        break;
    case 4:
    case 5:
        limit(m, what == 4);
        break;
    case 6: /* masked and not */
        if (m->driver.transport == PCI_MSIX)
            bench_write(b, DRIVER_MSIX + 12, 4, bench_read(b, DRIVER_MSIX + 12, 4) ^ 1);
        break;
    case 7:
        g_assert_cmpuint(bench_read(b, driver_config_at(&m->driver, 0), 4), ==, DISK_BYTES / 512);
        break;
    default: /* what an interrupt handler does */
        bench_read(b, m->driver.pci.isr, 1);
        break;
    }
}

static void make_thread(struct model *m, const char *id)
{
    const struct vm_user_request request = { .ancestor = "user-creatable", .type = "iothread", .id = id,
                                             .parent = vm_object_child(vm_root(m->desk.bench.vm), "objects") };
    GError *error = NULL;

    vm_user_create(m->desk.bench.vm, &request, &error);
    g_assert_no_error(error);
}

static void start_parties(struct model *m, u32 requests)
{
    for (u32 i = 0; i < DRIVERS; i++) {
        struct party *p = &m->party[i];

        *p = (struct party){ .model = m, .index = i, .left = requests, .random = i + 1 };
        p->ring = driver_alloc(&m->driver, RING_BYTES, 4096);
        p->place = driver_alloc(&m->driver, DEPTH * FLIGHT_BYTES, 4096);
        for (u32 k = 0; k < SLOTS; k++)
            p->version[k] = UNKNOWN;
        for (u32 k = 0; k < DEPTH; k++)
            p->flight[k].slot = IDLE;
    }
    start_device(m);
    set_up_vectors(m);
    for (u32 i = 0; i < DRIVERS; i++)
        g_assert_true(host_thread_start(&m->party[i].thread, "driver", drive, &m->party[i], NULL));
}

static void everything_at_once(gconstpointer data)
{
    const char *rounds = g_getenv("MYNAH_MODEL_ROUNDS");
    struct model *m = g_new0(struct model, 1);
    u32 random = 7;

    disk_desk_set_up(&m->desk, NULL, DISK_BYTES);
    disk_desk_open(&m->desk, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    make_thread(m, "t0");
    make_thread(m, "t1");
    driver_init(&m->driver, &m->desk.bench, GPOINTER_TO_UINT(data), "virtio-blk",
                "drive=d;num-queues=2;iothread-vq-mapping=[{\"iothread\":\"t0\",\"vqs\":[1]},{\"iothread\":\"t1\",\"vqs\":[0]}]");
    vm_cont(m->desk.bench.vm);
    start_parties(m, rounds ? (u32)atoi(rounds) : 1500);
    while (working(m)) {
        disturb(m, draw(&random, 14));
        run_loops(m);
    }
    for (u32 i = 0; i < DRIVERS; i++)
        host_thread_join(&m->party[i].thread);
    disk_desk_tear_down(&m->desk, NULL);
    g_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/rings/intx", GUINT_TO_POINTER(PCI_MODERN), everything_at_once);
    g_test_add_data_func("/rings/msix", GUINT_TO_POINTER(PCI_MSIX), everything_at_once);
    return g_test_run();
}
