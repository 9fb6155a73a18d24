/*
 * hw/riscv/virt_boot.c - what is in memory before the first instruction: firmware, kernel, initial RAM disk, device
 * tree, reset ROM. Done again at each reset, from the files, which stay open, so that nothing is kept beside guest RAM.
 */
#include "base/bits.h"
#include "base/error.h"
#include "hw/block/cfi_flash.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/riscv/virt.h"
#include <errno.h>
#include <libfdt.h>
#include <string.h>

enum {
    EM_RISCV = 243, IH_ARCH_RISCV = 26,
    KERNEL_ALIGN = 2 << 20,          /* Documentation/arch/riscv/boot.rst: PMD size */
    FW_DYNAMIC_MAGIC = 0x4942534f,   /* OpenSBI, include/sbi/fw_dynamic.h: "OSBI" */
    FW_DYNAMIC_VERSION = 2, FW_DYNAMIC_S_MODE = 1,
};

struct boot {
    u64 start;        /* where the ROM jumps to */
    u64 kernel_entry; /* what the firmware jumps to; 0: nothing */
    u64 fdt;
    struct loader_result firmware, kernel; /* high is 0 when absent */
    struct virt_initrd initrd;
};

static struct space *memory(struct virt *virt)
{
    return vm_memory(virt->machine.object.vm);
}

static u64 ram_base(void)
{
    return virt_memmap[VIRT_DRAM].base;
}

static u64 ram_end(const struct virt *virt)
{
    return ram_base() + virt->machine.ram_size;
}

static bool place(struct virt *virt, const char *what, struct loader_file *file, u64 address, bool raw, struct loader_result *result, GError **error)
{
    struct loader_request request = {
        .space = memory(virt), .address = address, .elf_machine = EM_RISCV, .uimage_arch = IH_ARCH_RISCV, .unpack = !raw, .force_raw = raw,
    };

    return loader_place_file(&request, file, result, error) || error_prefix(error, "%s", what);
}

static bool load_firmware(struct virt *virt, struct boot *boot, GError **error)
{
    boot->start = ram_base();
    if (!virt->firmware)
        return true;
    if (!place(virt, "firmware", virt->firmware, ram_base(), false, &boot->firmware, error))
        return false;
    boot->start = boot->firmware.entry;
    return true;
}

static bool load_kernel(struct virt *virt, struct boot *boot, GError **error)
{
    u64 address = ram_base();

    if (!virt->kernel)
        return true;
    if (boot->firmware.high)
        address = bits_align_up(boot->firmware.high, KERNEL_ALIGN);
    if (!place(virt, "kernel", virt->kernel, address, false, &boot->kernel, error))
        return false;
    boot->kernel_entry = boot->kernel.entry;
    return true;
}

/* Behind the kernel, far enough for it to unpack itself, near enough for small machines. */
static bool load_initrd(struct virt *virt, struct boot *boot, GError **error)
{
    struct loader_result result;
    u64 address;

    if (!virt->initrd)
        return true;
    address = boot->kernel.low + MIN(virt->machine.ram_size / 2, 512 * MIB);
    address = bits_align_up(MAX(address, boot->kernel.high), 4096);
    if (!place(virt, "initial RAM disk", virt->initrd, address, true, &result, error))
        return false;
    boot->initrd = (struct virt_initrd){ result.low, result.high };
    return true;
}

static void *read_dtb(struct loader_file *source, GError **error)
{
    u64 size;
    const char *path = loader_file_path(source);
    g_autofree u8 *file = loader_file_read(source, VIRT_FDT_MAX / 2, &size, error);

    if (!file) {
        error_prefix(error, "device tree");
        return NULL;
    }
    if (fdt_check_full(file, size) || fdt_totalsize(file) > size) {
        error_set(error, "'%s' is not a device tree, or damaged", path);
        return NULL;
    }
    void *fdt = g_malloc0(VIRT_FDT_MAX);
    int result = fdt_open_into(file, fdt, VIRT_FDT_MAX);
    if (!result)
        return fdt;
    g_free(fdt);
    error_set(error, "'%s': %s", path, fdt_strerror(result));
    return NULL;
}

static bool make_fdt(struct virt *virt, const struct boot *boot, GError **error)
{
    u32 size;
    void *fdt = virt->dtb ? read_dtb(virt->dtb, error) : virt_fdt_build(virt, &size, error);

    if (!fdt)
        return false;
    if (!virt_fdt_finish(virt, fdt, boot->initrd, error)) {
        g_free(fdt);
        return false;
    }
    g_free(virt->fdt);
    virt->fdt_size = fdt_totalsize(fdt);
    virt->fdt = g_realloc(fdt, virt->fdt_size);
    return true;
}

static bool overlaps(u64 start, u64 end, u64 low, u64 high)
{
    return start < high && low < end;
}

/* At the end of RAM below 3 GiB, where 32-bit firmware reaches it. */
static bool place_fdt(struct virt *virt, struct boot *boot, GError **error)
{
    u64 top = MIN(ram_end(virt), 3 * GIB), end;

    if (top - ram_base() < virt->fdt_size)
        return error_set(error, "too little RAM for the device tree");
    boot->fdt = bits_align_down(top - virt->fdt_size, KERNEL_ALIGN);
    if (boot->fdt < ram_base())
        boot->fdt = bits_align_down(top - virt->fdt_size, 4096);
    end = boot->fdt + virt->fdt_size;
    if (overlaps(boot->fdt, end, boot->initrd.start, boot->initrd.end) || overlaps(boot->fdt, end, boot->kernel.low, boot->kernel.high) ||
        overlaps(boot->fdt, end, boot->firmware.low, boot->firmware.high)) {
        error_set(error, "firmware, kernel, initial RAM disk and device tree do not fit into %" G_GUINT64_FORMAT " MiB of RAM",
                  virt->machine.ram_size / MIB);
        return error_hint(error, "give the machine more with -m");
    }
    space_load_bytes(memory(virt), boot->fdt, virt->fdt, virt->fdt_size);
    return true;
}

/* The code at the reset vector: a0 = hart, a1 = device tree, a2 = what OpenSBI's fw_dynamic wants to know. */
static void write_rom(struct virt *virt, const struct boot *boot)
{
    static const u32 code[8] = {
        0x00000297, /* auipc t0, 0 */
        0x03028613, /* addi  a2, t0, 48 */
        0xf1402573, /* csrr  a0, mhartid */
        0x0282b583, /* ld    a1, 40(t0) */
        0x0202b283, /* ld    t0, 32(t0) */
        0x00028067, /* jr    t0 */
    };
    const u64 data[] = { boot->start, boot->fdt,
                         FW_DYNAMIC_MAGIC, FW_DYNAMIC_VERSION, boot->kernel_entry, FW_DYNAMIC_S_MODE, 0 /* options */, 0 /* boot hart */ };
    u8 rom[sizeof(code) + sizeof(data)];

    for (unsigned i = 0; i < ARRAY_SIZE(code); i++)
        bits_store_le(rom + 4 * i, 4, code[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(data); i++)
        bits_store_le(rom + sizeof(code) + 8 * i, 8, data[i]);
    space_load_bytes(memory(virt), virt_memmap[VIRT_MROM].base, rom, sizeof(rom));
}

/* Firmware in flash: with -bios none it is the first thing that runs, otherwise OpenSBI jumps there and it boots the kernel. */
static bool boots_from_flash(const struct virt *virt)
{
    return cfi_flash_has_contents(virt->flash[0]);
}

static bool read_bytes(struct virt *virt, struct loader_file *file, GBytes **bytes, GError **error)
{
    u64 size;
    u8 *data = file ? loader_file_read(file, MIN(virt->machine.ram_size, UINT32_MAX), &size, error) : NULL;

    *bytes = data ? g_bytes_new_take(data, size) : NULL;
    return data || !file;
}

static bool hand_kernel_to_flash(struct virt *virt, struct boot *boot, GError **error)
{
    g_autoptr(GBytes) kernel = NULL;
    g_autoptr(GBytes) initrd = NULL;

    boot->kernel_entry = virt_memmap[VIRT_FLASH].base;
    return !virt->kernel ||
           (read_bytes(virt, virt->kernel, &kernel, error) && read_bytes(virt, virt->initrd, &initrd, error) &&
            fw_cfg_add_kernel(virt->fw_cfg, kernel, initrd, virt->machine.append, error));
}

static bool load_payload(struct virt *virt, struct boot *boot, GError **error)
{
    if (boots_from_flash(virt) && virt->firmware)
        return hand_kernel_to_flash(virt, boot, error);
    if (boots_from_flash(virt))
        boot->start = virt_memmap[VIRT_FLASH].base;
    return load_kernel(virt, boot, error) && load_initrd(virt, boot, error);
}

bool virt_boot_load(struct virt *virt, GError **error)
{
    struct boot boot = { 0 };

    if (!load_firmware(virt, &boot, error) || !load_payload(virt, &boot, error) || !make_fdt(virt, &boot, error) || !place_fdt(virt, &boot, error))
        return false;
    write_rom(virt, &boot);
    return true;
}

/* NULL without error: there is none. The caller frees. */
static char *find_firmware(struct virt *virt, GError **error)
{
    static const char *const names[] = { "opensbi-riscv64-generic-fw_dynamic.bin", "opensbi/generic/fw_dynamic.bin" };
    const char *wanted = virt->machine.firmware;
    char *path = NULL;

    if (wanted && !strcmp(wanted, "none"))
        return NULL;
    if (wanted && *wanted && strcmp(wanted, "default")) {
        path = loader_find(virt->machine.firmware_folders, wanted);
        if (!path)
            error_set(error, "cannot find the firmware '%s'", wanted);
        return path;
    }
    for (char **folder = virt->machine.firmware_folders; folder && *folder; folder++) {
        for (unsigned n = 0; n < ARRAY_SIZE(names); n++) {
            path = g_build_filename(*folder, names[n], NULL);
            if (g_file_test(path, G_FILE_TEST_EXISTS))
                return path;
            g_free(path);
        }
    }
    error_set(error, "cannot find OpenSBI (%s)", names[0]);
    error_hint(error, "install the package opensbi, name its folder with -L, a file with -bios, or use -bios none");
    return NULL;
}

static bool open_file(const char *what, const char *path, struct loader_file **file, GError **error)
{
    *file = path ? loader_file_open(path, error) : NULL;
    return *file || !path || error_prefix(error, "%s", what);
}

static bool open_firmware(struct virt *virt, GError **error)
{
    GError *missing = NULL;
    g_autofree char *path = find_firmware(virt, &missing);

    if (missing)
        return g_propagate_error(error, missing), false;
    return open_file("firmware", path, &virt->firmware, error);
}

static bool dump_fdt(struct virt *virt, GError **error)
{
    GError *cause = NULL;

    if (!virt->machine.dumpdtb)
        return true;
    if (!g_file_set_contents(virt->machine.dumpdtb, (char *)virt->fdt, virt->fdt_size, &cause)) {
        error_set(error, "dumpdtb=%s: %s", virt->machine.dumpdtb, cause->message);
        g_error_free(cause);
        return false;
    }
    vm_request_shutdown(virt->machine.object.vm, VM_CAUSE_HOST_UI);
    return true;
}

bool virt_boot_prepare(struct virt *virt, GError **error)
{
    struct boot nothing = { 0 };

    if (!open_file("device tree", virt->machine.dtb, &virt->dtb, error))
        return false;
    if (virt->machine.dumpdtb)
        return make_fdt(virt, &nothing, error) && dump_fdt(virt, error);
    if (virt->machine.initrd && !virt->machine.kernel)
        return error_set(error, "-initrd needs -kernel");
    return open_firmware(virt, error) && open_file("kernel", virt->machine.kernel, &virt->kernel, error) &&
           open_file("initial RAM disk", virt->machine.initrd, &virt->initrd, error);
}

void virt_boot_finish(struct virt *virt)
{
    loader_file_close(virt->firmware);
    loader_file_close(virt->kernel);
    loader_file_close(virt->initrd);
    loader_file_close(virt->dtb);
}
