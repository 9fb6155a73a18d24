/*
 * tests/device/virtio_scsi.c - the SCSI host device, disks and CD-ROM drives: commands and sense data as SPC-4, SBC-3 and MMC-6 have
 * them, addressing, task management, events, trays; resets and unplugging in mid-air; nonsense.
 */
#include "block/media.h"
#include "tests/device/disk_desk.h"
#include "tests/device/gate.h"
#include "tests/device/storm.h"
#include "hw/scsi/scsi.h"
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

static u8 *data_of(struct desk *s)
{
    return s->d.bench.ram->host + (DATA - BENCH_RAM);
}

static void make_thread(struct desk *s)
{
    const struct vm_user_request request = { .ancestor = "user-creatable", .type = "iothread", .id = "t", .parent = vm_object_child(vm_root(s->d.bench.vm), "objects") };
    GError *error = NULL;

    vm_user_create(s->d.bench.vm, &request, &error);
    g_assert_no_error(error);
}

static void set_up(struct desk *s, gconstpointer data)
{
    disk_desk_set_up(&s->d, data, DISK_BYTES);
    disk_desk_open(&s->d, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\",\"discard\":\"unmap\"}");
    s->outside = GPOINTER_TO_UINT(data) & OUTSIDE;
    if (s->outside)
        make_thread(s);
}

static void tear_down(struct desk *s, gconstpointer data)
{
    disk_desk_tear_down(&s->d, data);
}

/* name: "scsi-hd"; properties with their own drive. */
static struct device *add_unit(struct desk *s, const char *class_name, const char *name, const char *properties)
{
    GError *error = NULL;
    struct bus *bus = bus_find(s->d.bench.vm, "scsi.0");

    g_assert_nonnull(bus);
    struct device *device = device_create_on(bus, class_name, vm_root(s->d.bench.vm), name, properties, &error);
    g_assert_no_error(error);
    return device;
}

static void negotiate(struct desk *s)
{
    g_assert_true(driver_negotiate(&s->driver, BIT64(1) | BIT64(2)));
    for (u16 i = 0; i < 3; i++)
        s->queue[i] = driver_queue(&s->driver, i, 0);
    driver_ok(&s->driver);
}

static void begin(struct desk *s, enum driver_transport transport, const char *unit, const char *properties)
{
    driver_init(&s->driver, &s->d.bench, transport, "virtio-scsi", s->outside ? "num_queues=1;iothread=t" : "num_queues=1");
    s->unit[0] = add_unit(s, unit, "unit0", properties);
    negotiate(s);
}

/* Request, data to the device, response, data from the device. */
static void send_to(struct desk *s, u8 id, u16 lun, const u8 *cdb, u32 out, u32 in)
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
    driver_kick(&s->driver, s->queue[REQUESTS]);
}

static void wait(struct desk *s, u32 queue)
{
    s64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    u32 id, written;

    while (!driver_take(&s->driver, s->queue[queue], 1, &id, &written)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(vm_context(s->d.bench.vm), FALSE);
        vm_inbox_deliver(s->d.bench.vm);
    }
}

static void read_response(struct desk *s)
{
    const u8 *r = s->d.bench.ram->host + (RESPONSE_AT - BENCH_RAM);

    s->residual = (u32)bits_load_le(r + 4, 4);
    s->status = r[10];
    s->response = r[11];
    s->sense = bits_load_le(r, 4) ? (r[14] & 15u) << 16 | (u32)r[24] << 8 | r[25] : 0;
    g_assert_cmpuint(s->sense ? r[12] : 0x70, ==, 0x70);
}

/* Gives back the sense (0: GOOD). */
static u32 run_on(struct desk *s, u8 id, u16 lun, const u8 *cdb, u32 out, u32 in)
{
    send_to(s, id, lun, cdb, out, in);
    wait(s, REQUESTS);
    read_response(s);
    g_assert_cmpuint(s->status, ==, s->sense ? 2 : s->response ? s->status : 0);
    return s->sense;
}

#define CDB(...) ((const u8[32]){ __VA_ARGS__ })
#define RUN(s_, out_, in_, ...) run_on(s_, 0, 0, CDB(__VA_ARGS__), out_, in_)

static void after_power_on(struct desk *s)
{
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_RESET_OCCURRED);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, 0);
}

/* ---- Disks ---- */

static void identity(struct desk *s, gconstpointer data)
{
    const u8 *d = data_of(s);

    begin(s, PCI_MODERN, "scsi-hd", "drive=d;serial=S123;wwn=0x5000c50015ea71ac;rotation_rate=1;product=DISK;discard_granularity=8192");
    /* INQUIRY, REQUEST SENSE and REPORT LUNS run in spite of a unit attention. */
    g_assert_cmphex(RUN(s, 0, 96, 0x12, 0, 0, 0, 96), ==, 0);
    g_assert_cmpuint(s->residual, ==, 60);
    g_assert_cmpmem(d, 5, "\0\0\5\x12\x1f", 5);
    g_assert_cmpmem(d + 8, 28, "QEMU    DISK            2.5+", 28);
    g_assert_cmphex(RUN(s, 0, 18, 0x03, 0, 0, 0, 18), ==, 0);
    g_assert_cmpuint(d[2], ==, 6);
    g_assert_cmpuint(d[12], ==, 0x29);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, 0);
    g_assert_cmphex(RUN(s, 0, 255, 0x12, 1, 0, 0, 255), ==, 0);
    g_assert_cmpmem(d, 10, "\0\0\0\6\0\x80\x83\xb0\xb1\xb2", 10);
    g_assert_cmphex(RUN(s, 0, 255, 0x12, 1, 0x80, 0, 255), ==, 0);
    g_assert_cmpmem(d, 8, "\0\x80\0\4S123", 8);
    g_assert_cmphex(RUN(s, 0, 255, 0x12, 1, 0x83, 0, 255), ==, 0);
    g_assert_cmpmem(d, 24, "\0\x83\0\x14\2\0\0\4S123\1\3\0\x8\x50\0\xc5\0\x15\xea\x71\xac", 24);
    g_assert_cmphex(RUN(s, 0, 255, 0x12, 1, 0xb0, 0, 255), ==, 0);
    g_assert_cmpuint(bits_load_be(d + 2, 2), ==, 60);
    g_assert_cmpuint(bits_load_be(d + 20, 4), ==, 1073741824 / 512);
    g_assert_cmpuint(bits_load_be(d + 28, 4), ==, 16);
    g_assert_cmphex(RUN(s, 0, 255, 0x12, 1, 0xb1, 0, 255), ==, 0);
    g_assert_cmpuint(bits_load_be(d + 4, 2), ==, 1);
    g_assert_cmphex(RUN(s, 0, 255, 0x12, 1, 0xb2, 0, 255), ==, 0);
    g_assert_cmpmem(d, 8, "\0\xb2\0\4\0\xe0\2\0", 8);
    g_assert_cmphex(RUN(s, 0, 255, 0x12, 1, 0xc0, 0, 255), ==, SCSI_INVALID_FIELD);
    g_assert_cmphex(RUN(s, 0, 8, 0x25), ==, 0);
    g_assert_cmpmem(d, 8, "\0\0\x1f\xff\0\0\2\0", 8);
    g_assert_cmphex(RUN(s, 0, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32), ==, 0);
    g_assert_cmpmem(d, 16, "\0\0\0\0\0\0\x1f\xff\0\0\2\0\0\0\x80\0", 16);
    g_assert_cmphex(RUN(s, 0, 0, 0xff), ==, SCSI_INVALID_OPCODE);
    g_assert_cmphex(RUN(s, 0, 64, 0x43, 0, 0, 0, 0, 0, 0, 0, 64), ==, SCSI_INVALID_OPCODE); /* READ TOC is for CDs */
}

static void fill(struct desk *s, u8 value, u32 size)
{
    memset(data_of(s), value, size);
}

static bool all(struct desk *s, u8 value, u32 size)
{
    for (u32 i = 0; i < size; i++)
        if (data_of(s)[i] != value)
            return false;
    return true;
}

/* Reads 4 blocks in the middle of 16 that each kind of WRITE wrote, by each kind of READ. */
static void transfers(struct desk *s, gconstpointer data)
{
    static const struct {
        u8 write[16], read[16];
    } rows[] = {
        { { 0x0a, 0, 0, 64, 16 }, { 0x08, 0, 0, 70, 4 } },
        { { 0x2a, 8, 0, 0, 0, 64, 0, 0, 16 }, { 0x28, 0, 0, 0, 0, 70, 0, 0, 4 } },
        { { 0xaa, 0, 0, 0, 0, 64, 0, 0, 0, 16 }, { 0xa8, 8, 0, 0, 0, 70, 0, 0, 0, 4 } },
        { { 0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 16 }, { 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 70, 0, 0, 0, 4 } },
        { { 0x2e, 0, 0, 0, 0, 64, 0, 0, 16 }, { 0x28, 0, 0, 0, 0, 70, 0, 0, 4 } },
    };

    begin(s, GPOINTER_TO_UINT(data) & ~(u32)OUTSIDE, "scsi-hd", "drive=d");
    after_power_on(s);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        fill(s, (u8)(0x40 + i), 8192);
        g_assert_cmphex(run_on(s, 0, 0, rows[i].write, 8192, 0), ==, 0);
        g_assert_cmpuint(s->residual, ==, 0);
        fill(s, 0, 8192);
        g_assert_cmphex(run_on(s, 0, 0, rows[i].read, 0, 4096), ==, 0);
        g_assert_cmpuint(s->residual, ==, 2048);
        g_assert_true(all(s, (u8)(0x40 + i), 2048));
        g_assert_cmpuint(data_of(s)[2048], ==, 0);
    }
    g_assert_cmphex(RUN(s, 0, 0, 0x35), ==, 0);
    g_autofree char *content = NULL;
    g_assert_true(g_file_get_contents(s->d.path, &content, NULL, NULL));
    g_assert_cmpuint((u8)content[64 * 512], ==, 0x44);
    g_assert_cmpuint((u8)content[80 * 512 - 1], ==, 0x44);
    g_assert_cmpuint((u8)content[80 * 512], ==, 0);
}

static void mistakes(struct desk *s, gconstpointer data)
{
    begin(s, PCI_MODERN, "scsi-hd", "drive=d");
    after_power_on(s);
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0x20, 0, 0, 0, 1), ==, SCSI_OUT_OF_RANGE);
    g_assert_cmphex(RUN(s, 0, 1024, 0x28, 0, 0, 0, 0x1f, 0xff, 0, 0, 2), ==, SCSI_OUT_OF_RANGE);
    g_assert_cmphex(RUN(s, 0, 512, 0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 1), ==, SCSI_OUT_OF_RANGE);
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1), ==, SCSI_INVALID_FIELD); /* RDPROTECT */
    g_assert_cmphex(RUN(s, 0, 0, 0x28), ==, 0);                                             /* no blocks */
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 2), ==, 0);
    g_assert_cmpuint(s->response, ==, 1); /* OVERRUN: less room than asked for */
    run_on(s, 7, 0, CDB(0), 0, 0);
    g_assert_cmpuint(s->response, ==, 3); /* BAD_TARGET */
    g_assert_cmphex(run_on(s, 0, 5, CDB(0), 0, 0), ==, SCSI_NO_SUCH_UNIT);
    g_assert_cmphex(run_on(s, 0, 5, CDB(0x12, 0, 0, 0, 36), 0, 36), ==, 0);
    g_assert_cmpuint(data_of(s)[0], ==, 0x7f);
    g_assert_cmphex(run_on(s, 0, 5, CDB(0x03, 0, 0, 0, 18), 0, 18), ==, 0);
    g_assert_cmpuint(data_of(s)[12], ==, 0x25);
    /* no room for a response: the device says that it needs a reset */
    const struct driver_buffer bad = { REQUEST_AT, HEAD, false };
    driver_submit(&s->driver, s->queue[REQUESTS], &bad, 1);
    driver_kick(&s->driver, s->queue[REQUESTS]);
    while (!(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET)) /* the test's own time limit is the end of this */
        ;
}

static void same_unmap_verify(struct desk *s, gconstpointer data)
{
    u8 *d = data_of(s);

    begin(s, PCI_MODERN, "scsi-hd", "drive=d");
    after_power_on(s);
    fill(s, 0x11, 512);
    g_assert_cmphex(RUN(s, 512, 0, 0x41, 0, 0, 0, 0, 8, 0, 0x18, 0), ==, 0); /* 6144 blocks: more than one step */
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0x18, 7, 0, 0, 1), ==, 0);
    g_assert_true(all(s, 0x11, 512));
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0x18, 8, 0, 0, 1), ==, 0);
    g_assert_true(all(s, 0, 512));
    /* VERIFY that compares: all, one block with many, and what differs in the last byte */
    fill(s, 0x11, 4096);
    g_assert_cmphex(RUN(s, 4096, 0, 0x2f, 2, 0, 0, 0, 8, 0, 0, 8), ==, 0);
    g_assert_cmphex(RUN(s, 512, 0, 0x2f, 6, 0, 0, 0, 8, 0, 0x18, 0), ==, 0);
    d[4095] = 0;
    g_assert_cmphex(RUN(s, 4096, 0, 0x2f, 2, 0, 0, 0, 8, 0, 0, 8), ==, SCSI_MISCOMPARE);
    g_assert_cmphex(RUN(s, 512, 0, 0x2f, 6, 0, 0, 0, 8, 0, 0x18, 1), ==, SCSI_MISCOMPARE);
    g_assert_cmphex(RUN(s, 0, 0, 0x2f, 0, 0, 0, 0, 8, 0, 0, 8), ==, 0);
    g_assert_cmphex(RUN(s, 0, 0, 0x2f, 4, 0, 0, 0, 8, 0, 0, 8), ==, SCSI_INVALID_FIELD);
    /* zeros with UNMAP and without data, over the middle */
    g_assert_cmphex(RUN(s, 0, 0, 0x93, 9, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 4), ==, 0);
    g_assert_cmphex(RUN(s, 0, 3072, 0x28, 0, 0, 0, 0, 15, 0, 0, 6), ==, 0);
    g_assert_true(d[511] == 0x11 && d[512] == 0 && d[2559] == 0 && d[2560] == 0x11);
    g_assert_cmphex(RUN(s, 512, 0, 0x41, 0, 0, 0, 0, 0, 0, 0, 0), ==, SCSI_INVALID_FIELD); /* WSNZ */
    /* UNMAP: two ranges; one bad range and nothing happens */
    memset(d, 0, 64);
    memcpy(d, "\0\x26\0\x20", 4);
    d[15] = 32, d[19] = 8, d[31] = 64, d[35] = 8;
    g_assert_cmphex(RUN(s, 40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 40), ==, 0);
    d[31] = 80, d[26] = 1;
    g_assert_cmphex(RUN(s, 40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 40), ==, SCSI_OUT_OF_RANGE);
    g_assert_cmphex(RUN(s, 7, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 7), ==, SCSI_PARAMETER_LENGTH);
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0, 64, 0, 0, 1), ==, 0);
    g_assert_true(all(s, 0, 512));
}

static void modes(struct desk *s, gconstpointer data)
{
    u8 *d = data_of(s);

    begin(s, PCI_MODERN, "scsi-hd", "drive=d");
    after_power_on(s);
    g_assert_cmphex(RUN(s, 0, 255, 0x1a, 0, 8, 0, 255), ==, 0);
    g_assert_cmpmem(d, 4, "\x1f\0\x10\x8", 4);
    g_assert_cmpmem(d + 4, 8, "\0\0\x20\0\0\0\2\0", 8);
    g_assert_cmpmem(d + 12, 3, "\x8\x12\4", 3); /* WCE */
    g_assert_cmphex(RUN(s, 0, 255, 0x5a, 8, 0x48, 0, 0, 0, 0, 0, 255), ==, 0);
    g_assert_cmpmem(d + 8, 3, "\x8\x12\4", 3); /* which can be changed */
    g_assert_cmphex(RUN(s, 0, 255, 0x1a, 0, 0x3f, 0, 255), ==, 0);
    g_assert_cmphex(RUN(s, 0, 255, 0x1a, 0, 0xc8, 0, 255), ==, SCSI_NOT_SAVED);
    g_assert_cmphex(RUN(s, 0, 255, 0x1a, 0, 0x1c, 0, 255), ==, SCSI_INVALID_FIELD);
    memset(d, 0, 64);
    memcpy(d + 4, "\x8\x12", 2);
    g_assert_cmphex(RUN(s, 24, 0, 0x15, 0x10, 0, 0, 24), ==, 0); /* no cache */
    g_assert_cmphex(RUN(s, 0, 255, 0x1a, 8, 8, 0, 255), ==, 0);
    g_assert_cmpmem(d + 4, 3, "\x8\x12\0", 3);
    d[6] = 8;
    g_assert_cmphex(RUN(s, 24, 0, 0x15, 0x10, 0, 0, 24), ==, SCSI_INVALID_PARAMETER);
    g_assert_cmphex(RUN(s, 20, 0, 0x15, 0x10, 0, 0, 20), ==, SCSI_PARAMETER_LENGTH);
    g_assert_cmphex(RUN(s, 24, 0, 0x15, 0x11, 0, 0, 24), ==, SCSI_INVALID_FIELD); /* SP */
}

static void read_only(struct desk *s, gconstpointer data)
{
    disk_desk_open(&s->d, "{\"driver\":\"raw\",\"file\":\"d\",\"node-name\":\"ro\",\"read-only\":true}");
    begin(s, MMIO_MODERN, "scsi-hd", "drive=ro");
    after_power_on(s);
    g_assert_cmphex(RUN(s, 512, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1), ==, SCSI_WRITE_PROTECTED);
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), ==, 0);
    g_assert_cmphex(RUN(s, 0, 255, 0x1a, 0, 8, 0, 255), ==, 0);
    g_assert_cmpuint(data_of(s)[2] & 0x80, ==, 0x80);
}

/* ---- Units, events, task management ---- */

static void open_null(struct desk *s, const char *name, u64 latency_ns)
{
    g_autofree char *text = g_strdup_printf("{\"driver\":\"null-co\",\"latency-ns\":%" G_GUINT64_FORMAT ",\"read-zeroes\":true,\"size\":1048576,"
                                            "\"node-name\":\"%s\"}", latency_ns, name);

    disk_desk_open(&s->d, text);
}

static u32 take_event(struct desk *s, u8 *target, u8 *lun, u32 *reason)
{
    const u8 *event = s->d.bench.ram->host + 0x60000;

    wait(s, EVENTS);
    *target = event[5];
    *lun = event[7];
    *reason = (u32)bits_load_le(event + 12, 4);
    return (u32)bits_load_le(event, 4);
}

static void offer_event(struct desk *s)
{
    const struct driver_buffer buffer = { BENCH_RAM + 0x60000, 16, true };

    driver_submit(&s->driver, s->queue[EVENTS], &buffer, 1);
    driver_kick(&s->driver, s->queue[EVENTS]);
}

static void come_and_go(struct desk *s, gconstpointer data)
{
    u8 target, lun;
    u32 reason;
    GError *error = NULL;

    begin(s, PCI_MODERN, "scsi-hd", "drive=d");
    g_assert_true(vm_complete(s->d.bench.vm, NULL));
    after_power_on(s);
    open_null(s, "n", 0);
    offer_event(s);
    s->unit[1] = add_unit(s, "scsi-hd", "unit1", "drive=n;scsi-id=0;lun=3");
    g_assert_cmphex(take_event(s, &target, &lun, &reason), ==, 1);
    g_assert_true(target == 0 && lun == 3 && reason == 1);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_LUNS_CHANGED);
    g_assert_cmphex(RUN(s, 0, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64), ==, 0);
    g_assert_cmpmem(data_of(s), 24, "\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\3\0\0\0\0\0\0", 24);
    g_assert_cmphex(run_on(s, 0, 3, CDB(0), 0, 0), ==, SCSI_RESET_OCCURRED);
    g_assert_cmphex(run_on(s, 0, 3, CDB(0), 0, 0), ==, 0);
    /* it goes, and nobody has a buffer for the event: the next one says so */
    vm_object_destroy(&s->unit[1]->object);
    g_assert_cmphex(run_on(s, 0, 3, CDB(0), 0, 0), ==, SCSI_NO_SUCH_UNIT);
    offer_event(s);
    g_assert_cmphex(take_event(s, &target, &lun, &reason), ==, 0x80000000);
    g_assert_cmphex(RUN(s, 0, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64), ==, 0); /* tells the attention's news */
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, 0);
    struct bus *bus = bus_find(s->d.bench.vm, "scsi.0");
    g_assert_null(device_create_on(bus, "scsi-hd", vm_root(s->d.bench.vm), "unit2", "drive=n;scsi-id=0;lun=0", &error));
    g_assert_nonnull(strstr(error->message, "lun already used"));
    g_clear_error(&error);
    g_assert_null(device_create_on(bus, "scsi-hd", vm_root(s->d.bench.vm), "unit2", "drive=n;scsi-id=256", &error));
    g_assert_nonnull(strstr(error->message, "bad scsi device id: 256"));
    g_clear_error(&error);
}

/* gate: opened when the device has taken the order. */
static u8 manage_at(struct desk *s, struct block_node *gate, u32 type, u8 id, u16 lun, u64 tag)
{
    const struct driver_buffer buffers[] = { { BENCH_RAM + 0x61000, 24, false }, { BENCH_RAM + 0x61100, 1, true } };
    u8 *request = s->d.bench.ram->host + 0x61000;

    memset(request, 0, 24);
    bits_store_le(request + 4, 4, type);
    memcpy(request + 8, (u8[]){ 1, id, (u8)(0x40 | lun >> 8), (u8)lun }, 4);
    bits_store_le(request + 16, 8, tag);
    driver_submit(&s->driver, s->queue[CONTROL], buffers, 2);
    driver_kick(&s->driver, s->queue[CONTROL]);
    if (gate)
        gate_set(gate, true);
    wait(s, CONTROL);
    return request[0x100];
}

static u8 manage(struct desk *s, u32 type, u8 id, u16 lun, u64 tag)
{
    return manage_at(s, NULL, type, id, lun, tag);
}

static void count_one(struct scsi_request *request, void *count)
{
    ++*(u32 *)count;
}

/* Until the first unit has a request, or has had it: an iothread takes them when it likes. */
static void wait_active(struct desk *s)
{
    const struct driver_queue *queue = s->queue[REQUESTS];
    struct scsi_bus *bus = (struct scsi_bus *)bus_find(s->d.bench.vm, "scsi.0");
    u32 count;

    do {
        count = 0;
        bus->ops->hold(bus, true);
        scsi_unit_each_request(scsi_bus_unit(bus, 0), count_one, &count);
        bus->ops->hold(bus, false);
        vm_inbox_deliver(s->d.bench.vm);
    } while (!count && bench_read(&s->d.bench, queue->used + 2, 2) == queue->last_used);
}

static void tasks(struct desk *s, gconstpointer data)
{
    struct block_node *gate = gate_create(disk_set_graph(s->d.disks), "slow", DISK_BYTES);

    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    after_power_on(s);
    gate_set(gate, false);
    g_assert_cmpuint(manage(s, 6, 0, 0, 77), ==, 0); /* QUERY TASK: not here */
    send_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    wait_active(s);
    g_assert_cmpuint(manage(s, 6, 0, 0, s->tags), ==, 10);
    g_assert_cmpuint(manage(s, 7, 0, 0, 0), ==, 10);
    g_assert_cmpuint(manage_at(s, gate, 0, 0, 0, s->tags), ==, 0); /* ABORT TASK ends after the task */
    wait(s, REQUESTS);
    read_response(s);
    g_assert_cmpuint(s->response, ==, 2);
    gate_set(gate, false);
    send_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    wait_active(s);
    g_assert_cmpuint(manage_at(s, gate, 5, 0, 0, 0), ==, 0); /* LOGICAL UNIT RESET */
    wait(s, REQUESTS);
    read_response(s);
    g_assert_cmpuint(s->response, ==, 4);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_RESET_OCCURRED);
    g_assert_cmpuint(manage(s, 4, 0, 0, 0), ==, 0);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_RESET_OCCURRED);
    g_assert_cmpuint(manage(s, 5, 0, 9, 0), ==, 12); /* INCORRECT_LUN */
    g_assert_cmpuint(manage(s, 5, 9, 0, 0), ==, 3);  /* BAD_TARGET */
    g_assert_cmpuint(manage(s, 2, 0, 0, 0), ==, 11); /* CLEAR ACA: rejected */
    bench_empty(&s->d.bench);
    disk_set_unref_node(gate);
}

static void settle(struct desk *s, s64 microseconds)
{
    s64 end = g_get_monotonic_time() + microseconds;

    while (g_get_monotonic_time() < end) {
        g_main_context_iteration(vm_context(s->d.bench.vm), FALSE);
        vm_inbox_deliver(s->d.bench.vm);
    }
}

static void be_still(const struct vm_event *event, void *opaque)
{
    struct desk *s = opaque;

    if (event->kind == VM_EVENT_STILL)
        disk_set_still(s->d.disks, s->d.bench.vm);
}

/* A command of several steps comes to its end before the machine stands still. */
static void stop(struct desk *s, gconstpointer data)
{
    u32 id, written;

    disk_desk_open(&s->d, "{\"driver\":\"null-co\",\"latency-ns\":20000000,\"size\":8388608,\"node-name\":\"slow\"}");
    vm_on_event(s->d.bench.vm, be_still, s);
    vm_cont(s->d.bench.vm);
    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    after_power_on(s);
    fill(s, 0x5a, 512);
    send_to(s, 0, 0, CDB(0x41, 0, 0, 0, 0, 0, 0, 0x20), 512, 0); /* WRITE SAME: 4 MiB, of which each step writes 2 */
    wait_active(s);
    vm_stop(s->d.bench.vm, VM_PAUSED);
    g_assert_true(driver_take(&s->driver, s->queue[REQUESTS], 1, &id, &written));
    read_response(s);
    g_assert_cmpuint(s->status | s->response, ==, 0);
    vm_cont(s->d.bench.vm);
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), ==, 0);
    vm_off_event(s->d.bench.vm, be_still, s);
}

/* What was under way is not reported after a reset, and harms nothing. */
static void reset_in_mid_air(struct desk *s, gconstpointer data)
{
    u32 id, written;

    open_null(s, "slow", 20000000);
    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    after_power_on(s);
    for (unsigned i = 0; i < 8; i++)
        send_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    driver_write(&s->driver, DRIVER_STATUS, 0);
    negotiate(s);
    settle(s, 200000);
    g_assert_false(driver_take(&s->driver, s->queue[REQUESTS], 1, &id, &written));
    after_power_on(s);
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), ==, 0);
}

/* The unit goes while it works: its requests come back first. Then the adapter goes while another unit works. */
static void unplug_in_mid_air(struct desk *s, gconstpointer data)
{
    open_null(s, "slow", 20000000);
    open_null(s, "slow2", 20000000);
    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    add_unit(s, "scsi-hd", "unit1", "drive=slow2;lun=1;scsi-id=0");
    after_power_on(s);
    run_on(s, 0, 1, CDB(0), 0, 0);
    for (unsigned i = 0; i < 4; i++)
        send_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    vm_object_destroy(&s->unit[0]->object);
    for (unsigned i = 0; i < 4; i++)
        wait(s, REQUESTS);
    for (unsigned i = 0; i < 4; i++)
        send_to(s, 0, 1, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    bench_empty(&s->d.bench);
}

static void grow(void *opaque)
{
    struct block_edge *edge = block_attach(opaque, BLOCK_RESIZE, BLOCK_ALL, "test", NULL);

    g_assert_true(edge && block_truncate(opaque, 2 * DISK_BYTES, BLOCK_PREALLOC_OFF, NULL));
    block_detach(edge);
}

static void resizes(struct desk *s, gconstpointer data)
{
    u8 target, lun;
    u32 reason;

    begin(s, PCI_MODERN, "scsi-hd", "drive=d");
    after_power_on(s);
    offer_event(s);
    struct block_node *node = block_graph_find(disk_set_graph(s->d.disks), "d");
    block_loop_call(block_loop_of(node), grow, node);
    g_assert_cmphex(take_event(s, &target, &lun, &reason), ==, 3);
    g_assert_cmphex(reason, ==, 0x092a);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_CAPACITY_CHANGED);
    g_assert_cmphex(RUN(s, 0, 8, 0x25), ==, 0);
    g_assert_cmphex(bits_load_be(data_of(s), 4), ==, 0x3fff);
}

/* ---- CD-ROM ---- */

static void trays(struct desk *s, gconstpointer data)
{
    u8 *d = data_of(s);
    GError *error = NULL;

    begin(s, PCI_MODERN, "scsi-cd", "");
    struct disk *disk = scsi_bus_unit((struct scsi_bus *)bus_find(s->d.bench.vm, "scsi.0"), 0)->disk;
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_RESET_OCCURRED);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_NO_MEDIUM_TRAY_CLOSED);
    g_assert_cmphex(RUN(s, 0, 36, 0x12, 0, 0, 0, 36), ==, 0);
    g_assert_cmpmem(d, 2, "\5\x80", 2);
    g_assert_false(media_insert(s->d.disks, disk, "cd", "d", &error)); /* the tray is closed */
    g_clear_error(&error);
    g_assert_true(media_open_tray(disk, "cd", false, NULL));
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_NO_MEDIUM_TRAY_OPEN);
    g_assert_true(media_insert(s->d.disks, disk, "cd", "d", NULL));
    g_assert_true(media_close_tray(disk, "cd", NULL));
    g_assert_cmphex(RUN(s, 0, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), ==, 0);
    g_assert_cmpmem(d, 8, "\0\6\4\x10\2\2\0\0", 8); /* new medium */
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_MEDIUM_CHANGED);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, 0);
    g_assert_cmphex(RUN(s, 0, 8, 0x25), ==, 0);
    g_assert_cmpmem(d, 8, "\0\0\x7\xff\0\0\x8\0", 8);
    g_assert_cmphex(RUN(s, 0, 2048, 0x28, 0, 0, 0, 7, 255, 0, 0, 1), ==, 0);
    g_assert_cmphex(RUN(s, 2048, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1), ==, SCSI_INVALID_OPCODE);
    /* locked: a button is a request */
    g_assert_cmphex(RUN(s, 0, 0, 0x1e, 0, 0, 0, 1), ==, 0);
    g_assert_cmphex(RUN(s, 0, 0, 0x1b, 0, 0, 0, 2), ==, SCSI_REMOVAL_PREVENTED);
    g_assert_false(media_eject(disk, "cd", false, &error));
    g_assert_nonnull(strstr(error->message, "is locked"));
    g_clear_error(&error);
    g_assert_cmphex(RUN(s, 0, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), ==, 0);
    g_assert_cmpuint(d[4], ==, 1); /* eject request */
    g_assert_cmphex(RUN(s, 0, 0, 0x1e), ==, 0);
    g_assert_cmphex(RUN(s, 0, 0, 0x1b, 0, 0, 0, 2), ==, 0); /* the guest opens it; the medium stays in */
    g_assert_true(media_is_open(disk) && disk_node(disk));
    g_assert_cmphex(RUN(s, 0, 0, 0x1b, 0, 0, 0, 3), ==, 0);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_MEDIUM_CHANGED);
    g_assert_true(media_eject(disk, "cd", false, NULL));
    g_assert_null(disk_node(disk));
    g_assert_true(disk_set_close(s->d.disks, "d", NULL)); /* nobody holds it any more */
}

static void discs(struct desk *s, gconstpointer data)
{
    const u8 *d = data_of(s);

    begin(s, PCI_MODERN, "scsi-cd", "drive=d");
    after_power_on(s);
    g_assert_cmphex(RUN(s, 0, 128, 0x46, 0, 0, 0, 0, 0, 0, 0, 128), ==, 0);
    g_assert_cmpuint(bits_load_be(d + 6, 2), ==, 8); /* CD-ROM */
    g_assert_cmphex(RUN(s, 0, 64, 0x43, 0, 0, 0, 0, 0, 0, 0, 64), ==, 0);
    g_assert_cmpmem(d, 20, "\0\x12\1\1\0\x14\1\0\0\0\0\0\0\x14\xaa\0\0\0\x8\0", 20);
    g_assert_cmphex(RUN(s, 0, 64, 0x43, 2, 0, 0, 0, 0, 1, 0, 64), ==, 0);
    g_assert_cmpmem(d + 8, 4, "\0\0\2\0", 4); /* 00:02:00 */
    g_assert_cmphex(RUN(s, 0, 64, 0x43, 0, 0, 0, 0, 0, 5, 0, 64), ==, SCSI_INVALID_FIELD);
    g_assert_cmphex(RUN(s, 0, 64, 0x43, 0, 2, 0, 0, 0, 0, 0, 64), ==, 0);
    g_assert_cmpuint(bits_load_be(d, 2), ==, 2 + 4 * 11);
    g_assert_cmphex(RUN(s, 0, 34, 0x51, 0, 0, 0, 0, 0, 0, 0, 34), ==, 0);
    g_assert_cmpuint(d[2], ==, 0x0e);
    g_assert_cmphex(RUN(s, 0, 8, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), ==, 0);
    g_assert_cmphex(RUN(s, 0, 255, 0x1a, 0, 0x2a, 0, 255), ==, 0);
    g_assert_cmpmem(d + 4, 2, "\x2a\x14", 2); /* MMC has no block descriptors */
    g_assert_cmphex(RUN(s, 0, 64, 0xad, 0, 0, 0, 0, 0, 0, 0, 0, 64), ==, SCSI_INCOMPATIBLE_MEDIUM); /* a CD */
}

/* ---- Nonsense: random CDBs to a disk and a drive, with resets, task management, trays that move, units that come and go ---- */

static void random_cdb(GRand *rand, u8 *cdb)
{
    for (unsigned i = 0; i < 16; i++)
        cdb[i] = g_rand_int_range(rand, 0, 3) ? 0 : (u8)(g_rand_boolean(rand) ? g_rand_int_range(rand, 0, 40) : g_rand_int_range(rand, 0, 256));
    do
        cdb[0] = (u8)g_rand_int_range(rand, 0, 256);
    while (!scsi_command_find(cdb[0]) && g_rand_int_range(rand, 0, 20));
}

static u32 random_length(GRand *rand, u32 exact)
{
    switch (g_rand_int_range(rand, 0, 6)) {
    case 0:
        return (u32)g_rand_int_range(rand, 0, ROOM);
    case 1:
        return 0;
    default:
        return MIN(exact, (u32)ROOM);
    }
}

static void random_command(struct desk *s, GRand *rand)
{
    struct scsi_unit any = { .block_size = 512 };
    u8 cdb[32] = { 0 };
    u64 in, out;

    random_cdb(rand, cdb);
    scsi_request_lengths(&any, cdb, &in, &out);
    for (unsigned i = 0; i < 64; i++)
        data_of(s)[i] = (u8)(g_rand_boolean(rand) ? 0 : g_rand_int_range(rand, 0, 256));
    send_to(s, (u8)g_rand_int_range(rand, 0, 3), g_rand_int_range(rand, 0, 8) ? 0 : 1, cdb, random_length(rand, (u32)MIN(out, ROOM)),
            random_length(rand, (u32)MIN(in, ROOM)));
}

static void drain(struct desk *s)
{
    u32 id, written;

    driver_settle(&s->driver);
    for (u32 i = 0; i < 3; i++)
        while (driver_take(&s->driver, s->queue[i], 1, &id, &written))
            ;
}

static void move_media(struct desk *s, GRand *rand, struct disk *disk)
{
    switch (g_rand_int_range(rand, 0, 4)) {
    case 0:
        media_open_tray(disk, "cd", g_rand_boolean(rand), NULL);
        break;
    case 1:
        media_close_tray(disk, "cd", NULL);
        break;
    case 2:
        media_insert(s->d.disks, disk, "cd", "n", NULL);
        break;
    default:
        media_remove(disk, "cd", NULL);
        break;
    }
}

/* Task management does not wait for its answer here. */
static void random_task(struct desk *s, GRand *rand)
{
    const struct driver_buffer buffers[] = { { BENCH_RAM + 0x61000, 24, false }, { BENCH_RAM + 0x61100, 5, true } };
    u8 *request = s->d.bench.ram->host + 0x61000;

    memset(request, 0, 24);
    bits_store_le(request, 4, (u64)g_rand_int_range(rand, 0, 3));
    bits_store_le(request + 4, 4, (u64)g_rand_int_range(rand, 0, 10));
    memcpy(request + 8, (u8[]){ 1, (u8)g_rand_int_range(rand, 0, 3), 0x40, 0 }, 4);
    bits_store_le(request + 16, 8, s->tags - (u32)g_rand_int_range(rand, 0, 4));
    driver_submit(&s->driver, s->queue[CONTROL], buffers, 2);
    driver_kick(&s->driver, s->queue[CONTROL]);
}

static void storm(struct desk *s, gconstpointer data)
{
    double end = storm_end();
    GRand *rand = storm_rand("virtio-scsi");

    open_null(s, "n", 0);
    open_null(s, "slow", 1000000);
    begin(s, PCI_MODERN, "scsi-hd", "drive=d");
    add_unit(s, "scsi-cd", "cd", "");
    s->unit[2] = add_unit(s, "scsi-hd", "slow", "drive=slow");
    struct scsi_bus *bus = (struct scsi_bus *)bus_find(s->d.bench.vm, "scsi.0");
    struct disk *cd = scsi_bus_unit(bus, 1)->disk;
    g_assert_true(vm_complete(s->d.bench.vm, NULL));
    for (u32 i = 0; storm_goes_on(end, i, 4000); i++) {
        switch (g_rand_int_range(rand, 0, 40)) {
        case 0:
            driver_write(&s->driver, DRIVER_STATUS, 0);
            s->driver.heap = BENCH_RAM + 0x10000;
            negotiate(s);
            break;
        case 1:
            random_task(s, rand);
            break;
        case 2:
            move_media(s, rand, cd);
            break;
        case 3:
            vm_object_destroy(&s->unit[2]->object);
            s->unit[2] = add_unit(s, "scsi-hd", "slow", "drive=slow");
            break;
        case 4:
            offer_event(s);
            break;
        default:
            random_command(s, rand);
        }
        if (!g_rand_int_range(rand, 0, 8))
            drain(s);
        if (driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET) {
            driver_write(&s->driver, DRIVER_STATUS, 0);
            s->driver.heap = BENCH_RAM + 0x10000;
            negotiate(s);
        }
    }
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    static const char *const transports[] = { "mmio-legacy", "mmio-modern", "pci-legacy", "pci-modern", "pci-msix" };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < 2 * TRANSPORTS; i++) {
        const char *where = i < TRANSPORTS ? "" : "outside/";
        g_autofree char *name = g_strdup_printf("/virtio-scsi/%stransfers/%s", where, transports[i % TRANSPORTS]);

        g_test_add(name, struct desk, GUINT_TO_POINTER(i % TRANSPORTS + (i < TRANSPORTS ? 0 : OUTSIDE)), set_up, transfers, tear_down);
    }
#define TEST(name_, fn_)                                                                                                       \
    g_test_add("/virtio-scsi/" name_, struct desk, NULL, set_up, fn_, tear_down);                                             \
    g_test_add("/virtio-scsi/outside/" name_, struct desk, GUINT_TO_POINTER(OUTSIDE), set_up, fn_, tear_down)
    TEST("identity", identity);
    TEST("mistakes", mistakes);
    TEST("write-same-unmap-verify", same_unmap_verify);
    TEST("modes", modes);
    TEST("read-only", read_only);
    TEST("come-and-go", come_and_go);
    TEST("tasks", tasks);
    TEST("reset", reset_in_mid_air);
    TEST("unplug", unplug_in_mid_air);
    TEST("stop", stop);
    TEST("resize", resizes);
    TEST("trays", trays);
    TEST("discs", discs);
    TEST("storm", storm);
    return g_test_run();
}
