/*
 * tests/model/rings_scsi.c - virtio-scsi in the model of rings (virtio 1.3, 5.6.6): what else may happen there is task management, units that
 * come and go (the one that is in use too), and commands that need the machine lock.
 */
#include "tests/model/rings.h"
#include "vm/machine.h"

enum { HEAD = 51, TAIL = 108, RESPONSE_AT = 128, NO_RESPONSE = 0xee, INQUIRY_BYTES = 36 };
enum { CONTROL = 0, EVENTS = 1, REQUESTS = 2 };
enum { S_OK = 0, S_ABORTED = 2, S_BAD_TARGET = 3, S_RESET = 4, UNIT_ATTENTION = 6, NO_SUCH_UNIT = 0x25 };

static void begin(struct party *p, u32 i)
{
    const struct flight *f = &p->flight[i];
    u64 at = rings_flight_at(p, i);
    u8 *request = rings_memory(p->model, at);
    u32 size = f->other ? INQUIRY_BYTES : SLOT;

    memset(request, 0, DATA_AT);
    memcpy(request, (u8[]){ 1, 0, 0x40, 0 }, 4);
    bits_store_le(request + 8, 8, (u64)p->index << 32 | i);
    if (f->other) {
        memcpy(request + 19, (u8[]){ 0x12, 0, 0, 0, INQUIRY_BYTES }, 5);
    } else {
        request[19] = f->write ? 0x2a : 0x28;
        bits_store_be(request + 21, 4, rings_sector(p, f));
        bits_store_be(request + 26, 2, SLOT / 512);
    }
    request[RESPONSE_AT + 11] = NO_RESPONSE;
    rings_put_descriptor(p, i, 0, at, HEAD, 0);
    if (f->write)
        rings_put_descriptor(p, i, 1, at + DATA_AT, size, 0);
    rings_put_descriptor(p, i, f->write ? 2 : 1, at + RESPONSE_AT, TAIL, DESC_WRITE);
    if (!f->write)
        rings_put_descriptor(p, i, 2, at + DATA_AT, size, DESC_WRITE);
}

/* A unit that is not there, or wants to say something first, does nothing; one that is reset or goes may have done it. */
static enum verdict end(struct party *p, u32 i)
{
    const u8 *response = rings_memory(p->model, rings_flight_at(p, i) + RESPONSE_AT);

    switch (response[11]) {
    case S_OK:
        break;
    case S_BAD_TARGET:
        return NOT_DONE;
    case S_RESET:
    case S_ABORTED:
        return PERHAPS_DONE;
    default:
        g_assert_not_reached();
    }
    if (response[10]) {
        g_assert_cmpuint(response[10], ==, 2);
        if (response[24] != NO_SUCH_UNIT) /* its neighbour answers while it is away */
            g_assert_cmpuint(response[14] & 15, ==, UNIT_ATTENTION);
        return NOT_DONE;
    }
    if (p->flight[i].other)
        g_assert_cmpmem(rings_memory(p->model, rings_flight_at(p, i) + DATA_AT + 8), 4, "QEMU", 4);
    return DONE;
}

/* ---- The main thread ---- */

static struct device *add_unit(struct model *m, const char *name, const char *properties)
{
    GError *error = NULL;
    struct device *device = device_create_on(bus_find(m->desk.bench.vm, "scsi.0"), "scsi-hd", vm_root(m->desk.bench.vm), name, properties, &error);

    g_assert_no_error(error);
    return device;
}

static void plug(struct model *m)
{
    m->unit = add_unit(m, "unit", "drive=d;scsi-id=0");
    m->neighbour = add_unit(m, "neighbour", "drive=n;scsi-id=0;lun=1");
    g_assert_true(vm_complete(m->desk.bench.vm, NULL)); /* what comes and goes from now on is told */
}

static void offer_event(struct model *m)
{
    const struct driver_buffer buffer = { m->heap, 16, true };

    driver_submit(&m->driver, &m->driver.queue[EVENTS], &buffer, 1);
    driver_kick(&m->driver, &m->driver.queue[EVENTS]);
}

static void start(struct model *m)
{
    m->driver.heap = m->heap + 4096;
    driver_queue(&m->driver, CONTROL, 0);
    driver_queue(&m->driver, EVENTS, 0);
}

/* As a vCPU, which has no machine lock. */
static void kick_control(struct model *m)
{
    struct vm *vm = m->desk.bench.vm;
    bool pci = m->driver.transport >= PCI_LEGACY;

    vm_unlock(vm);
    epoch_enter(vm_epoch(vm), m->reader);
    bench_write(&m->desk.bench, pci ? m->driver.pci.notify + CONTROL * m->driver.pci.notify_stride : DRIVER_MMIO + 0x50, pci ? 2 : 4, CONTROL);
    epoch_leave(m->reader);
    vm_lock(vm);
}

/* 5.6.6.2; everything that it cancels has come back when it is answered. */
static void manage(struct model *m, u32 type)
{
    u8 *request = rings_memory(m, m->heap + 64);
    const struct driver_buffer buffers[] = { { m->heap + 64, 24, false }, { m->heap + 128, 1, true } };
    u32 id, written;

    memset(request, 0, 65);
    bits_store_le(request + 4, 4, type);
    memcpy(request + 8, (u8[]){ 1, 0, 0x40, 0 }, 4);
    bits_store_le(request + 16, 8, 3); /* ABORT TASK: of the first driver */
    driver_submit(&m->driver, &m->driver.queue[CONTROL], buffers, 2);
    kick_control(m);
    while (!driver_take(&m->driver, &m->driver.queue[CONTROL], 1, &id, &written))
        rings_run_loops(m);
    g_assert_cmpuint(request[64], ==, 0);
}

static void disturb(struct model *m, u32 what)
{
    switch (what) {
    case 0:
        vm_object_destroy(&m->neighbour->object);
        m->neighbour = add_unit(m, "neighbour", "drive=n;scsi-id=0;lun=1");
        break;
    case 1:
        vm_object_destroy(&m->unit->object);
        rings_run_loops(m);
        m->unit = add_unit(m, "unit", "drive=d;scsi-id=0");
        break;
    case 2:
        manage(m, 0); /* ABORT TASK */
        break;
    case 3:
        manage(m, 5); /* LOGICAL UNIT RESET */
        break;
    default:
        offer_event(m);
        break;
    }
}

const struct kind rings_scsi = {
    .name = "virtio-scsi", .features = BIT64(1) | BIT64(2) /* HOTPLUG, CHANGE */, .first_queue = REQUESTS, .plug = plug, .start = start, .begin = begin, .end = end,
    .disturbances = 5, .disturb = disturb,
    .properties = "num_queues=2;iothread-vq-mapping=[{\"iothread\":\"t0\",\"vqs\":[1]},{\"iothread\":\"t1\",\"vqs\":[0]}]",
};
