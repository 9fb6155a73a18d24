/* tests/device/fw_cfg.c - firmware configuration: items, files, data register, DMA, hostile descriptors. */
#include "base/bits.h"
#include "hw/nvram/fw_cfg.h"
#include "tests/device/bench.h"
#include <string.h>

enum { BASE = 0x10100000, SELECTOR = BASE + 8, DMA = BASE + 0x10, DESCRIPTOR = BENCH_RAM + 0x100, BUFFER = BENCH_RAM + 0x1000 };
enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

static struct device *make(struct bench *bench, const char *properties)
{
    struct device *cfg = bench_device(bench, "fw_cfg_mem", properties);

    device_map(cfg, 0, SELECTOR);
    device_map(cfg, 1, BASE);
    device_map(cfg, 2, DMA);
    return cfg;
}

static void select_key(struct bench *bench, u16 key)
{
    bench_write(bench, SELECTOR, 2, __builtin_bswap16(key));
}

static u64 read_key(struct bench *bench, u16 key, unsigned size)
{
    select_key(bench, key);
    return bench_read(bench, BASE, size);
}

/* Runs one descriptor; gives back its control word. */
static u32 dma(struct bench *bench, u32 control, u32 length, u64 address)
{
    u8 *at = bench->ram->host + (DESCRIPTOR - BENCH_RAM);

    bits_store_be(at, 4, control);
    bits_store_be(at + 4, 4, length);
    bits_store_be(at + 8, 8, address);
    bench_write(bench, DMA, 8, __builtin_bswap64(DESCRIPTOR));
    return (u32)bits_load_be(at, 4);
}

static void add_file(struct device *cfg, const char *name, const char *text)
{
    GError *error = NULL;

    fw_cfg_add_file(cfg, name, text, strlen(text), &error);
    g_assert_no_error(error);
}

static void standard_items(struct bench *bench, gconstpointer data)
{
    vm_set_uuid(bench->vm, "00112233-4455-6677-8899-aabbccddeeff");
    struct device *cfg = make(bench, NULL);
    g_assert_true(fw_cfg_add_u16(cfg, FW_CFG_NB_CPUS, 4, NULL));
    g_assert_true(fw_cfg_add_u64(cfg, FW_CFG_RAM_SIZE, 0x123456789, NULL));
    g_assert_true(fw_cfg_add_u64(cfg, FW_CFG_RAM_SIZE, 0x80000000, NULL)); /* replaces */
    g_assert_cmphex(bench_read(bench, BASE, 4), ==, 0x554d4551);           /* selected after reset; first byte lowest */
    g_assert_cmphex(read_key(bench, FW_CFG_ID, 4), ==, 3);
    g_assert_cmphex(read_key(bench, FW_CFG_UUID, 8), ==, 0x7766554433221100);
    g_assert_cmphex(bench_read(bench, BASE, 8), ==, 0xffeeddccbbaa9988);
    g_assert_cmphex(bench_read(bench, BASE, 8), ==, 0);
    g_assert_cmphex(read_key(bench, FW_CFG_NB_CPUS, 2), ==, 4);
    g_assert_cmphex(read_key(bench, FW_CFG_RAM_SIZE, 8), ==, 0x80000000);
    g_assert_cmphex(read_key(bench, 0xffff, 8), ==, 0);
    g_assert_cmphex(read_key(bench, FW_CFG_KERNEL_DATA, 8), ==, 0);
    read_key(bench, FW_CFG_UUID, 1);
    g_assert_cmphex(bench_read(bench, BASE, 1), ==, 0x11);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(bench_read(bench, BASE, 4), ==, 0x554d4551);
}

static void arch_local_items(struct bench *bench, gconstpointer data)
{
    struct device *cfg = make(bench, NULL);

    g_assert_true(fw_cfg_add_u32(cfg, FW_CFG_ARCH_LOCAL | 5, 0xabcdef01, NULL));
    g_assert_cmphex(read_key(bench, FW_CFG_ARCH_LOCAL | 5, 4), ==, 0xabcdef01);
    g_assert_cmphex(read_key(bench, 5, 4), ==, 0);
    g_assert_false(fw_cfg_add_u32(cfg, 0x3fff, 1, NULL));
    g_assert_false(fw_cfg_add_u32(cfg, FW_CFG_FILE_FIRST, 1, NULL));
}

static void directory_is_sorted(struct bench *bench, gconstpointer data)
{
    struct device *cfg = make(bench, NULL);
    u8 entry[64];

    add_file(cfg, "opt/b", "second");
    add_file(cfg, "etc/z", "first");
    add_file(cfg, "opt/c", "");
    g_assert_cmphex(__builtin_bswap32((u32)read_key(bench, FW_CFG_FILE_DIR, 4)), ==, 3);
    static const char *const names[] = { "etc/z", "opt/b", "opt/c" };
    static const char *const contents[] = { "first", "second", "" };
    for (u16 i = 0; i < 3; i++) {
        for (unsigned at = 0; at < sizeof(entry); at++)
            entry[at] = (u8)bench_read(bench, BASE, 1);
        g_assert_cmpuint(bits_load_be(entry, 4), ==, strlen(contents[i]));
        g_assert_cmphex(bits_load_be(entry + 4, 2), ==, FW_CFG_FILE_FIRST + i);
        g_assert_cmpstr((char *)entry + 8, ==, names[i]);
    }
    g_assert_cmphex(read_key(bench, FW_CFG_FILE_FIRST, 8), ==, bits_load_le("first\0\0\0", 8));
}

static void files_are_checked(struct bench *bench, gconstpointer data)
{
    struct device *cfg = make(bench, "x-file-slots=16");
    g_autoptr(GError) error = NULL;

    g_assert_false(fw_cfg_add_file(cfg, "a-name-of-exactly-fifty-six-bytes-is-one-byte-too-long-.", "x", 1, NULL));
    g_assert_true(fw_cfg_add_file(cfg, "a-name-of-exactly-fifty-five-bytes-fits-with-its-zero..", "x", 1, NULL));
    g_assert_false(fw_cfg_add_file(cfg, "a-name-of-exactly-fifty-five-bytes-fits-with-its-zero..", "x", 1, NULL));
    for (unsigned i = 1; i < 16; i++) {
        g_autofree char *name = g_strdup_printf("f%u", i);
        add_file(cfg, name, "x");
    }
    g_assert_false(fw_cfg_add_file(cfg, "one-more", "x", 1, &error));
    g_assert_nonnull(strstr(error->message, "x-file-slots"));
}

static void dma_reads(struct bench *bench, gconstpointer data)
{
    struct device *cfg = make(bench, NULL);
    u8 *buffer = bench->ram->host + (BUFFER - BENCH_RAM);

    add_file(cfg, "f", "0123456789");
    g_assert_cmphex(bench_read(bench, DMA, 8), ==, bits_load_le("QEMU CFG", 8));
    g_assert_cmphex(bench_read(bench, DMA + 4, 4), ==, bits_load_le(" CFG", 4));
    memset(buffer, 0xee, 32);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | SKIP, 3, 0), ==, 0);
    g_assert_cmphex(dma(bench, READ, 4, BUFFER), ==, 0);
    g_assert_cmpmem(buffer, 5, "3456\xee", 5);
    g_assert_cmphex(dma(bench, READ, 6, BUFFER), ==, 0); /* zeros behind the end */
    g_assert_cmpmem(buffer, 7, "789\0\0\0\xee", 7);
    g_assert_cmphex(dma(bench, SKIP, 0xffffffff, 0), ==, 0);
    g_assert_cmphex(dma(bench, SKIP, 0xffffffff, 0), ==, 0);
    g_assert_cmphex(dma(bench, READ, 1, BUFFER), ==, 0);
    g_assert_cmphex(buffer[0], ==, 0);
    g_assert_cmphex(dma(bench, 0xffffu << 16 | SELECT | READ, 4, BUFFER), ==, 0); /* no such item: zeros */
}

static void dma_in_halves(struct bench *bench, gconstpointer data)
{
    u8 *at = bench->ram->host + (DESCRIPTOR - BENCH_RAM);

    make(bench, NULL);
    bits_store_be(at, 4, FW_CFG_SIGNATURE << 16 | SELECT | READ);
    bits_store_be(at + 4, 4, 4);
    bits_store_be(at + 8, 8, BUFFER);
    bench_write(bench, DMA, 4, 0);
    bench_write(bench, DMA + 4, 4, __builtin_bswap32(DESCRIPTOR));
    g_assert_cmphex(bits_load_be(at, 4), ==, 0);
    g_assert_cmpmem(bench->ram->host + (BUFFER - BENCH_RAM), 4, "QEMU", 4);
    g_assert_cmpint(bench_try_write(bench, DMA, 2, 0), ==, MEM_ERROR);
}

struct written {
    u8 data[8];
    unsigned calls;
    u64 offset, size;
};

static void on_written(void *opaque, u64 offset, u64 size)
{
    struct written *written = opaque;

    written->calls++;
    written->offset = offset;
    written->size = size;
}

static void dma_writes(struct bench *bench, gconstpointer data)
{
    struct device *cfg = make(bench, NULL);
    struct written written = { .data = "abcdefgh" };

    add_file(cfg, "read-only", "0123456789");
    g_assert_true(fw_cfg_add_writable_file(cfg, "a", written.data, 8, on_written, &written, NULL));
    memcpy(bench->ram->host + (BUFFER - BENCH_RAM), "WXYZ", 4);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | SKIP, 4, 0), ==, 0);
    g_assert_cmphex(dma(bench, WRITE, 4, BUFFER), ==, 0);
    g_assert_cmpmem(written.data, 8, "abcdWXYZ", 8);
    g_assert_cmpuint(written.calls, ==, 1);
    g_assert_cmpuint(written.offset, ==, 4);
    g_assert_cmpuint(written.size, ==, 4);
    g_assert_cmphex(dma(bench, WRITE, 1, BUFFER), ==, ERROR); /* behind the end */
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | WRITE, 9, BUFFER), ==, ERROR);
    g_assert_cmphex(dma(bench, (FW_CFG_FILE_FIRST + 1) << 16 | SELECT | WRITE, 4, BUFFER), ==, ERROR);
    g_assert_cmphex(dma(bench, 0xffffu << 16 | SELECT | WRITE, 0, BUFFER), ==, ERROR);
    g_assert_cmpuint(written.calls, ==, 1);
}

/* Descriptors and buffers at nothing, across the end of RAM, on the device itself; lengths of 4 GiB. */
static void hostile_dma(struct bench *bench, gconstpointer data)
{
    struct device *cfg = make(bench, NULL);
    g_autofree char *text = g_strnfill(64, 'x');
    gint64 start = g_get_monotonic_time();

    add_file(cfg, "f", text);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | READ, 64, 0), ==, ERROR);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | READ, 64, BENCH_RAM + BENCH_RAM_SIZE - 63), ==, ERROR);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | READ, 64, BENCH_RAM + BENCH_RAM_SIZE - 64), ==, 0);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | READ, 64, UINT64_MAX - 3), ==, ERROR);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | READ, 8, BASE), ==, ERROR);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | READ, 8, DMA), ==, ERROR);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_FIRST << 16 | SELECT | READ, 0xffffffff, BUFFER), ==, ERROR);
    bench_write(bench, DMA, 8, 0);
    bench_write(bench, DMA, 8, UINT64_MAX);
    bench_write(bench, DMA, 8, __builtin_bswap64(BENCH_RAM + BENCH_RAM_SIZE - 8));
    bench_write(bench, DMA, 8, __builtin_bswap64(BASE));
    bench_write(bench, DMA, 8, __builtin_bswap64(DMA));
    g_assert_cmpint(g_get_monotonic_time() - start, <, G_USEC_PER_SEC);
    g_assert_cmphex(read_key(bench, FW_CFG_ID, 4), ==, 3); /* still lives */
}

static void without_dma(struct bench *bench, gconstpointer data)
{
    u64 value;

    make(bench, "dma_enabled=off");
    g_assert_cmphex(read_key(bench, FW_CFG_ID, 4), ==, 1);
    g_assert_cmpint(bench_try_write(bench, DMA, 8, 0), ==, MEM_UNMAPPED);
    g_assert_cmpint(bench_try_read(bench, DMA, 8, &value), ==, MEM_UNMAPPED);
}

static void odd_accesses(struct bench *bench, gconstpointer data)
{
    u64 value;

    make(bench, NULL);
    g_assert_cmpint(bench_try_read(bench, BASE + 1, 1, &value), ==, MEM_ERROR);
    g_assert_cmpint(bench_try_write(bench, SELECTOR, 1, 0), ==, MEM_ERROR);
    bench_write(bench, BASE, 4, 1);
    bench_read(bench, SELECTOR, 2);
}

static void kernel_items(struct bench *bench, gconstpointer data)
{
    struct device *cfg = make(bench, NULL);
    g_autoptr(GBytes) kernel = g_bytes_new_static("kernel", 6);

    g_assert_true(fw_cfg_add_kernel(cfg, kernel, NULL, "quiet", NULL));
    g_assert_cmpuint(read_key(bench, FW_CFG_KERNEL_SIZE, 4), ==, 6);
    g_assert_cmphex(read_key(bench, FW_CFG_KERNEL_DATA, 8), ==, bits_load_le("kernel\0\0", 8));
    g_assert_cmpuint(read_key(bench, FW_CFG_INITRD_SIZE, 4), ==, 0);
    g_assert_cmpuint(read_key(bench, FW_CFG_CMDLINE_SIZE, 4), ==, 6);
    g_assert_cmphex(read_key(bench, FW_CFG_CMDLINE_DATA, 8), ==, bits_load_le("quiet\0\0\0", 8));
}

/* The first file: 16 bytes that the guest writes; a reset brings the format back that the host understands. */
static void crash_notes(struct bench *bench, gconstpointer data)
{
    enum { READ_FILE = FW_CFG_FILE_FIRST << 16 | SELECT | READ, WRITE_FILE = FW_CFG_FILE_FIRST << 16 | SELECT | WRITE };
    static const u8 fresh[16] = { 1 }, said[16] = { 1, 0, 1, 0, 0x54, 2, 0, 0, 0x10, 0, 0x20, 0x80 };
    u8 *buffer = bench->ram->host + (BUFFER - BENCH_RAM);
    g_autoptr(GError) error = NULL;

    make(bench, NULL);
    bench_device(bench, "vmcoreinfo", NULL);
    vm_reset(bench->vm, VM_CAUSE_SUBSYSTEM_RESET);
    g_assert_cmphex(dma(bench, FW_CFG_FILE_DIR << 16 | SELECT | READ, 128, BUFFER), ==, 0);
    g_assert_cmpuint(bits_load_be(buffer, 4), ==, 1);
    g_assert_cmpstr((const char *)buffer + 12, ==, "etc/vmcoreinfo");
    g_assert_cmphex(dma(bench, READ_FILE, 16, BUFFER), ==, 0);
    g_assert_cmpmem(buffer, 16, fresh, 16);
    memcpy(buffer, said, 16);
    g_assert_cmphex(dma(bench, WRITE_FILE, 16, BUFFER), ==, 0);
    g_assert_cmphex(dma(bench, WRITE_FILE, 17, BUFFER), ==, ERROR);
    memset(buffer, 0, 16);
    g_assert_cmphex(dma(bench, READ_FILE, 16, BUFFER), ==, 0);
    g_assert_cmpmem(buffer, 16, said, 16);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(dma(bench, READ_FILE, 16, BUFFER), ==, 0);
    g_assert_cmpmem(buffer, 16, fresh, 16);
    g_assert_null(device_create(bench->vm, "vmcoreinfo", vm_root(bench->vm), "another", NULL, &error));
    g_assert_cmpstr(error->message, ==, "vmcoreinfo: at most one is possible");
}

static void crash_notes_without_dma(struct bench *bench, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    make(bench, "dma_enabled=off");
    g_assert_null(device_create(bench->vm, "vmcoreinfo", vm_root(bench->vm), "notes", NULL, &error));
    g_assert_cmpstr(error->message, ==, "vmcoreinfo: the machine has no fw_cfg with DMA");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/fw-cfg/standard-items", standard_items);
    BENCH_TEST("/fw-cfg/arch-local", arch_local_items);
    BENCH_TEST("/fw-cfg/directory", directory_is_sorted);
    BENCH_TEST("/fw-cfg/file-limits", files_are_checked);
    BENCH_TEST("/fw-cfg/dma-read", dma_reads);
    BENCH_TEST("/fw-cfg/dma-halves", dma_in_halves);
    BENCH_TEST("/fw-cfg/dma-write", dma_writes);
    BENCH_TEST("/fw-cfg/dma-hostile", hostile_dma);
    BENCH_TEST("/fw-cfg/no-dma", without_dma);
    BENCH_TEST("/fw-cfg/odd-accesses", odd_accesses);
    BENCH_TEST("/fw-cfg/kernel", kernel_items);
    BENCH_TEST("/fw-cfg/crash-notes", crash_notes);
    BENCH_TEST("/fw-cfg/crash-notes-without-dma", crash_notes_without_dma);
    return g_test_run();
}
