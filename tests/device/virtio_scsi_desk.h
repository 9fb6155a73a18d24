/*
 * tests/device/virtio_scsi_desk.h - a bench with a SCSI host device, its units and its driver; tests run with and without an iothread that
 * serves its requests. Each test program includes this once.
 */
#ifndef TESTS_DEVICE_VIRTIO_SCSI_DESK_H
#define TESTS_DEVICE_VIRTIO_SCSI_DESK_H

#include "hw/scsi/scsi.h"
#include "tests/device/disk_desk.h"
#include "vm/user.h"

enum { DISK_BYTES = 4 << 20, HEAD = 51, TAIL = 108, REQUEST_AT = BENCH_RAM + 0x70000, RESPONSE_AT = REQUEST_AT + 0x1000, DATA = BENCH_RAM + 0x80000 };
enum { ROOM = 0x70000 };
enum { CONTROL = 0, EVENTS = 1, REQUESTS = 2 };
enum { OUTSIDE = 0x100 }; /* with a transport: an iothread serves the requests */

struct desk {
    struct disk_desk d;
    struct driver driver;
    struct driver_queue *queue[3];
    struct device *unit[4];
    /* The last response. */
    u8 status, response;
    u32 residual, sense; /* sense: key, code, qualifier */
    u32 tags;
    bool outside;
};

static inline u8 *data_of(struct desk *s)
{
    return s->d.bench.ram->host + (DATA - BENCH_RAM);
}

static inline void make_thread(struct desk *s)
{
    const struct vm_user_request request = { .ancestor = "user-creatable", .type = "iothread", .id = "t", .parent = vm_object_child(vm_root(s->d.bench.vm), "objects") };
    GError *error = NULL;

    vm_user_create(s->d.bench.vm, &request, &error);
    g_assert_no_error(error);
}

static inline void set_up(struct desk *s, gconstpointer data)
{
    disk_desk_set_up(&s->d, data, DISK_BYTES);
    disk_desk_open(&s->d, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\",\"discard\":\"unmap\"}");
    s->outside = GPOINTER_TO_UINT(data) & OUTSIDE;
    if (s->outside)
        make_thread(s);
}

static inline void tear_down(struct desk *s, gconstpointer data)
{
    disk_desk_tear_down(&s->d, data);
}

/* name: "scsi-hd"; properties with their own drive. */
static inline struct device *add_unit(struct desk *s, const char *class_name, const char *name, const char *properties)
{
    GError *error = NULL;
    struct bus *bus = bus_find(s->d.bench.vm, "scsi.0");

    g_assert_nonnull(bus);
    struct device *device = device_create_on(bus, class_name, vm_root(s->d.bench.vm), name, properties, &error);
    g_assert_no_error(error);
    return device;
}

static inline void negotiate(struct desk *s)
{
    g_assert_true(driver_negotiate(&s->driver, BIT64(1) | BIT64(2)));
    for (u16 i = 0; i < 3; i++)
        s->queue[i] = driver_queue(&s->driver, i, 0);
    driver_ok(&s->driver);
}

static inline void begin(struct desk *s, enum driver_transport transport, const char *unit, const char *properties)
{
    driver_init(&s->driver, &s->d.bench, transport, "virtio-scsi", s->outside ? "num_queues=1;iothread=t" : "num_queues=1");
    s->unit[0] = add_unit(s, unit, "unit0", properties);
    negotiate(s);
}

/* Request, data to the device, response, data from the device: into the ring, without telling. */
static inline void put_to(struct desk *s, u8 id, u16 lun, const u8 *cdb, u32 out, u32 in)
{
    struct driver_buffer buffers[4] = { { REQUEST_AT, HEAD, false } };
    u32 count = 1;
    u8 *request = s->d.bench.ram->host + (REQUEST_AT - BENCH_RAM);

    memset(request, 0, 0x2000);
    memcpy(request, (u8[]){ 1, id, (u8)(0x40 | lun >> 8), (u8)lun }, 4);
    bits_store_le(request + 8, 8, ++s->tags);
    memcpy(request + 19, cdb, 16);
    request[0x1000 + 11] = 0xee;
    if (out)
        buffers[count++] = (struct driver_buffer){ DATA, out, false };
    buffers[count++] = (struct driver_buffer){ RESPONSE_AT, TAIL, true };
    if (in)
        buffers[count++] = (struct driver_buffer){ DATA, in, true };
    driver_submit(&s->driver, s->queue[REQUESTS], buffers, count);
}

static inline void send_to(struct desk *s, u8 id, u16 lun, const u8 *cdb, u32 out, u32 in)
{
    put_to(s, id, lun, cdb, out, in);
    driver_kick(&s->driver, s->queue[REQUESTS]);
}

static inline void wait(struct desk *s, u32 queue)
{
    s64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    u32 id, written;

    while (!driver_take(&s->driver, s->queue[queue], 1, &id, &written)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(vm_context(s->d.bench.vm), FALSE);
        vm_inbox_deliver(s->d.bench.vm);
    }
}

static inline void read_response(struct desk *s)
{
    const u8 *r = s->d.bench.ram->host + (RESPONSE_AT - BENCH_RAM);

    s->residual = (u32)bits_load_le(r + 4, 4);
    s->status = r[10];
    s->response = r[11];
    s->sense = bits_load_le(r, 4) ? (r[14] & 15u) << 16 | (u32)r[24] << 8 | r[25] : 0;
    g_assert_cmpuint(s->sense ? r[12] : 0x70, ==, 0x70);
}

/* Gives back the sense (0: GOOD). */
static inline u32 run_on(struct desk *s, u8 id, u16 lun, const u8 *cdb, u32 out, u32 in)
{
    send_to(s, id, lun, cdb, out, in);
    wait(s, REQUESTS);
    read_response(s);
    g_assert_cmpuint(s->status, ==, s->sense ? 2 : s->response ? s->status : 0);
    return s->sense;
}

#define CDB(...) ((const u8[32]){ __VA_ARGS__ })
#define RUN(s_, out_, in_, ...) run_on(s_, 0, 0, CDB(__VA_ARGS__), out_, in_)

static inline void after_power_on(struct desk *s)
{
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_RESET_OCCURRED);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, 0);
}

static inline void fill(struct desk *s, u8 value, u32 size)
{
    memset(data_of(s), value, size);
}

static inline bool all(struct desk *s, u8 value, u32 size)
{
    for (u32 i = 0; i < size; i++)
        if (data_of(s)[i] != value)
            return false;
    return true;
}

static inline void open_null(struct desk *s, const char *name, u64 latency_ns)
{
    g_autofree char *text = g_strdup_printf("{\"driver\":\"null-co\",\"latency-ns\":%" G_GUINT64_FORMAT ",\"read-zeroes\":true,\"size\":1048576,"
                                            "\"node-name\":\"%s\"}", latency_ns, name);

    disk_desk_open(&s->d, text);
}

static inline void offer_event(struct desk *s)
{
    const struct driver_buffer buffer = { BENCH_RAM + 0x60000, 16, true };

    driver_submit(&s->driver, s->queue[EVENTS], &buffer, 1);
    driver_kick(&s->driver, s->queue[EVENTS]);
}

/* Under the machine lock, and by an iothread. */
#define TEST(name_, fn_)                                                                                                       \
    g_test_add("/virtio-scsi/" name_, struct desk, NULL, set_up, fn_, tear_down);                                             \
    g_test_add("/virtio-scsi/outside/" name_, struct desk, GUINT_TO_POINTER(OUTSIDE), set_up, fn_, tear_down)

#endif
