/* tests/device/virtio_scsi.c - SCSI disks: commands and sense data as SPC-4 and SBC-3 have them. */
#include "tests/device/virtio_scsi_desk.h"

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

int main(int argc, char **argv)
{
    static const char *const transports[] = { "mmio-legacy", "mmio-modern", "pci-legacy", "pci-modern", "pci-msix" };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < 2 * TRANSPORTS; i++) {
        const char *where = i < TRANSPORTS ? "" : "outside/";
        g_autofree char *name = g_strdup_printf("/virtio-scsi/%stransfers/%s", where, transports[i % TRANSPORTS]);

        g_test_add(name, struct desk, GUINT_TO_POINTER(i % TRANSPORTS + (i < TRANSPORTS ? 0 : OUTSIDE)), set_up, transfers, tear_down);
    }
    TEST("identity", identity);
    TEST("mistakes", mistakes);
    TEST("write-same-unmap-verify", same_unmap_verify);
    TEST("modes", modes);
    TEST("read-only", read_only);
    return g_test_run();
}
