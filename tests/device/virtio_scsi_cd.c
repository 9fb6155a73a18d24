/* tests/device/virtio_scsi_cd.c - CD-ROM drives as MMC-6 has them: trays, discs; and nonsense for drives and disks. */
#include "tests/device/virtio_scsi_desk.h"
#include "block/media.h"
#include "tests/device/storm.h"

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
    g_test_init(&argc, &argv, NULL);
    TEST("trays", trays);
    TEST("discs", discs);
    TEST("storm", storm);
    return g_test_run();
}
