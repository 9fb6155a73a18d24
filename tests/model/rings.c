/*
 * tests/model/rings.c - disks whose queues iothreads serve, under everything that may happen meanwhile: two drivers without the machine lock,
 * each with a queue and an iothread of its own, write and verify; the main thread stops and continues the machine, reads registers, masks
 * vectors, reopens and resizes the image, changes limits, resets the device in mid-air, and does what the kind of device knows besides.
 * ThreadSanitizer sees races that a run does not show.
 */
#include "tests/model/rings.h"
#include "block/throttle.h"
#include "vm/user.h"

static u32 draw(u32 *state, u32 below)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % below;
}

/* ---- A driver's own thread; rings of the sizes and orders of virtio 1.3, 2.7 ---- */

enum { DESCRIPTORS = 0, AVAILABLE = 16 * 3 * DEPTH, USED = AVAILABLE + 6 + 2 * RING + 2, RING_BYTES = 4096 };

static u8 pattern(const struct party *p, int slot, u8 version, u32 at)
{
    return (u8)(version * 31 + slot * 7 + (int)p->index + (int)(at / 512));
}

static void begin_flight(struct party *p, u32 i)
{
    struct flight *f = &p->flight[i];
    u8 *data = rings_memory(p->model, rings_flight_at(p, i) + DATA_AT);

    for (u32 k = 0; k < SLOT; k++)
        data[k] = f->write ? pattern(p, f->slot, f->version, k) : 0x55;
    p->model->kind->begin(p, i);
    bits_store_le(rings_memory(p->model, p->ring + AVAILABLE + 4 + 2 * (p->next % RING)), 2, 3 * i);
    p->next++;
    virtio_store16(rings_memory(p->model, p->ring + AVAILABLE + 2), p->next);
}

static bool is_busy(const struct party *p, int slot)
{
    for (u32 i = 0; i < DEPTH; i++)
        if (p->flight[i].slot == slot)
            return true;
    return false;
}

static void kick(const struct party *p)
{
    struct model *m = p->model;
    u32 queue = m->kind->first_queue + p->index;

    if (m->driver.transport < PCI_LEGACY)
        bench_write(&m->desk.bench, DRIVER_MMIO + 0x50, 4, queue);
    else
        bench_write(&m->desk.bench, m->driver.pci.notify + queue * m->driver.pci.notify_stride, 2, queue);
}

static void fill_ring(struct party *p)
{
    bool any = false;

    for (u32 i = 0; i < DEPTH && p->left; i++) {
        int slot = (int)draw(&p->random, SLOTS);

        if (p->flight[i].slot != IDLE || is_busy(p, slot))
            continue;
        p->flight[i] = (struct flight){ .slot = slot, .other = !draw(&p->random, 16) };
        p->flight[i].write = !p->flight[i].other && (p->version[slot] == UNKNOWN || draw(&p->random, 2));
        p->flight[i].version = (u8)draw(&p->random, 256);
        begin_flight(p, i);
        p->left--;
        any = true;
    }
    /* 2.7.13: notify unless the device says that it looks anyway. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (any && !(virtio_load16(rings_memory(p->model, p->ring + USED)) & 1))
        kick(p);
}

static void end_flight(struct party *p, u32 i)
{
    struct flight *f = &p->flight[i];
    const u8 *data = rings_memory(p->model, rings_flight_at(p, i) + DATA_AT);
    enum verdict verdict = p->model->kind->end(p, i);

    for (u32 k = 0; k < SLOT && !f->write && !f->other && verdict == DONE; k++)
        g_assert_cmpuint(data[k], ==, pattern(p, f->slot, (u8)p->version[f->slot], k));
    if (f->write && verdict != NOT_DONE)
        p->version[f->slot] = verdict == DONE ? f->version : UNKNOWN;
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
    while (virtio_load16(rings_memory(p->model, p->ring + USED + 2)) != p->seen) {
        u32 head = (u32)bits_load_le(rings_memory(p->model, p->ring + USED + 4 + 8ull * (p->seen % RING)), 4);

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

    memset(rings_memory(m, p->ring), 0, RING_BYTES);
    p->next = p->seen = 0;
    driver_write(d, DRIVER_QUEUE_SELECT, m->kind->first_queue + p->index);
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
    g_assert_true(driver_negotiate(&m->driver, m->kind->features));
    for (u32 i = 0; i < DRIVERS; i++)
        set_up_queue(m, &m->party[i]);
    if (m->kind->start)
        m->kind->start(m);
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

static u32 working(struct model *m)
{
    return DRIVERS - __atomic_load_n(&m->finished, __ATOMIC_SEQ_CST);
}

/* What was under way is over, done or not; nothing of it may reach memory any more. */
static void reset_in_mid_air(struct model *m)
{
    __atomic_store_n(&m->park, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&m->parked, __ATOMIC_SEQ_CST) < working(m))
        g_usleep(50);
    driver_write(&m->driver, DRIVER_STATUS, 0);
    while (driver_read(&m->driver, DRIVER_STATUS))
        rings_run_loops(m);
    for (u32 i = 0; i < DRIVERS; i++) {
        struct party *p = &m->party[i];

        memset(rings_memory(m, p->place), 0xa5, DEPTH * FLIGHT_BYTES);
        for (u32 k = 0; k < DEPTH; k++) {
            if (p->flight[k].slot != IDLE && p->flight[k].write)
                p->version[p->flight[k].slot] = UNKNOWN;
            p->flight[k].slot = IDLE;
        }
    }
    for (u32 turn = 0; turn < 3; turn++)
        rings_run_loops(m);
    for (u32 i = 0; i < DRIVERS; i++)
        for (u32 k = 0; k < DEPTH * FLIGHT_BYTES; k++)
            g_assert_cmpuint(rings_memory(m, m->party[i].place)[k], ==, 0xa5);
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

static void grow(void *opaque)
{
    struct model *m = opaque;
    struct block_node *node = block_graph_find(disk_set_graph(m->desk.disks), "d");
    struct block_edge *edge = block_attach(node, BLOCK_RESIZE, BLOCK_ALL, "test", NULL);

    g_assert_true(edge && block_truncate(node, m->size, BLOCK_PREALLOC_OFF, NULL));
    block_detach(edge);
}

static void resize(struct model *m)
{
    m->size += SLOT;
    block_loop_call(block_loop_of(block_graph_find(disk_set_graph(m->desk.disks), "d")), grow, m);
}

/* What an interrupt handler does. */
static void acknowledge(struct model *m)
{
    struct bench *b = &m->desk.bench;

    if (m->driver.transport < PCI_LEGACY)
        bench_write(b, DRIVER_MMIO + 0x64, 4, bench_read(b, DRIVER_MMIO + 0x60, 4));
    else
        bench_read(b, m->driver.pci.isr, 1);
}

static void disturb(struct model *m, u32 what)
{
    struct bench *b = &m->desk.bench;

    switch (what) {
    case 0:
        vm_stop(b->vm, VM_PAUSED);
        rings_run_loops(m);
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
        resize(m);
        break;
    case 8:
    case 9:
        acknowledge(m);
        break;
    default:
        if (what - 10 < m->kind->disturbances)
            m->kind->disturb(m, what - 10);
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
    m->heap = driver_alloc(&m->driver, 4096, 4096);
    start_device(m);
    set_up_vectors(m);
    for (u32 i = 0; i < DRIVERS; i++)
        g_assert_true(host_thread_start(&m->party[i].thread, "driver", drive, &m->party[i], NULL));
}

struct variant {
    const char *name;
    enum driver_transport transport;
    const struct kind *kind;
};

static void be_still(const struct vm_event *event, void *opaque)
{
    struct model *m = opaque;

    if (event->kind == VM_EVENT_STILL)
        disk_set_still(m->desk.disks, m->desk.bench.vm, NULL, NULL);
}

static void set_up(struct model *m, const struct variant *variant)
{
    m->kind = variant->kind;
    m->size = DISK_BYTES;
    disk_desk_set_up(&m->desk, NULL, DISK_BYTES);
    disk_desk_open(&m->desk, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    disk_desk_open(&m->desk, "{\"driver\":\"null-co\",\"size\":1048576,\"node-name\":\"n\"}");
    make_thread(m, "t0");
    make_thread(m, "t1");
    driver_init(&m->driver, &m->desk.bench, variant->transport, m->kind->name, m->kind->properties);
    m->reader = epoch_reader_add(vm_epoch(m->desk.bench.vm));
    if (m->kind->plug)
        m->kind->plug(m);
    vm_on_event(m->desk.bench.vm, be_still, m);
    vm_cont(m->desk.bench.vm);
}

static void tear_down(struct model *m)
{
    vm_off_event(m->desk.bench.vm, be_still, m);
    epoch_reader_remove(vm_epoch(m->desk.bench.vm), m->reader);
    disk_desk_tear_down(&m->desk, NULL);
    g_free(m);
}

static void everything_at_once(gconstpointer data)
{
    const char *rounds = g_getenv("MYNAH_MODEL_ROUNDS");
    struct model *m = g_new0(struct model, 1);
    u32 random = 7;

    set_up(m, data);
    start_parties(m, rounds ? (u32)atoi(rounds) : 700);
    while (working(m)) {
        disturb(m, draw(&random, 16 + m->kind->disturbances));
        rings_run_loops(m);
    }
    for (u32 i = 0; i < DRIVERS; i++)
        host_thread_join(&m->party[i].thread);
    tear_down(m);
}

int main(int argc, char **argv)
{
    static const struct variant variants[] = {
        { "intx", PCI_MODERN, &rings_blk }, { "msix", PCI_MSIX, &rings_blk }, { "mmio", MMIO_MODERN, &rings_blk },
        { "scsi/intx", PCI_MODERN, &rings_scsi }, { "scsi/msix", PCI_MSIX, &rings_scsi }, { "scsi/mmio", MMIO_MODERN, &rings_scsi },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(variants); i++) {
        g_autofree char *name = g_strconcat("/rings/", variants[i].name, NULL);

        g_test_add_data_func(name, &variants[i], everything_at_once);
    }
    return g_test_run();
}
