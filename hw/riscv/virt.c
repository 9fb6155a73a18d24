/* hw/riscv/virt.c - the RISC-V `virt` board: memory map, devices and how they are wired. */
#include "hw/riscv/virt.h"
#include "base/bits.h"
#include "base/error.h"
#include "chardev/chardev.h"
#include "hw/block/cfi_flash.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci/gpex.h"
#include "vm/memory_backend.h"
#include <string.h>

const struct virt_range virt_memmap[VIRT_AREA_COUNT] = {
    [VIRT_MROM] = { 0x1000, 0xf000 },
    [VIRT_TEST] = { 0x100000, 0x1000 },
    [VIRT_RTC] = { 0x101000, 0x1000 },
    [VIRT_CLINT] = { 0x2000000, 0x10000 },
    [VIRT_SSWI] = { 0x2f00000, VIRT_SWI_SIZE },
    [VIRT_PCIE_PIO] = { 0x3000000, 0x10000 },
    [VIRT_PLATFORM_BUS] = { 0x4000000, 0x2000000 },
    [VIRT_PLIC] = { 0xc000000, 0x600000 },
    [VIRT_APLIC_M] = { 0xc000000, 0x8000 },
    [VIRT_APLIC_S] = { 0xd000000, 0x8000 },
    [VIRT_UART0] = { 0x10000000, 0x100 },
    [VIRT_VIRTIO] = { 0x10001000, 0x1000 },
    [VIRT_FW_CFG] = { 0x10100000, 0x18 },
    [VIRT_FLASH] = { 0x20000000, 0x4000000 },
    [VIRT_IMSIC_M] = { 0x24000000, 0x1000000 },
    [VIRT_IMSIC_S] = { 0x28000000, 0x1000000 },
    [VIRT_PCIE_ECAM] = { 0x30000000, 0x10000000 },
    [VIRT_PCIE_MMIO] = { 0x40000000, 0x40000000 },
    [VIRT_DRAM] = { 0x80000000, 0 },
};

static struct vm *vm_of(const struct virt *virt)
{
    return virt->machine.object.vm;
}

static bool create_memory(struct virt *virt, GError **error)
{
    struct vm *vm = vm_of(virt);
    struct region *system = space_root(vm_memory(vm));
    u64 size = virt->machine.ram_size, base = virt_memmap[VIRT_DRAM].base;

    if (!size)
        return error_set(error, "the amount of RAM must be greater than zero");
    if (size & 4095)
        return error_set(error, "the amount of RAM must be a multiple of 4 KiB");
    if (!vm_machine_ram_init(&virt->machine, &virt->ram_region, "riscv_virt_board.ram", error))
        return false;
    virt->mrom = vm_ram_create(vm, "riscv_virt_board.mrom", virt_memmap[VIRT_MROM].size, error);
    if (!virt->mrom)
        return false;
    region_init_rom(&virt->mrom_region, vm, virt->mrom->name, virt->mrom, 0, virt_memmap[VIRT_MROM].size);
    region_add(system, base, &virt->ram_region, 0);
    region_add(system, virt_memmap[VIRT_MROM].base, &virt->mrom_region, 0);
    virt->pcie_high = (struct virt_range){ bits_align_up(base + size, 16 * GIB), 16 * GIB };
    return true;
}

static bool create_harts_of(struct virt *virt, u32 number, GError **error)
{
    const struct virt_socket *socket = &virt->socket[number];
    const char *wanted = virt->machine.cpu_type ? virt->machine.cpu_type : "rv64";
    g_autofree char *model = g_strdup_printf("%s%s", wanted, virt->aia == VIRT_AIA_APLIC_IMSIC ? ",smaia=on,ssaia=on" : "");
    g_autofree char *name = g_strdup_printf("soc%u", number);
    struct vm_object *soc = vm_object_create(vm_of(virt), "riscv.hart_array", &virt->machine.object, name, error);

    if (!soc || !vm_object_set_u64(soc, "num-harts", socket->harts, error) || !vm_object_set_u64(soc, "hartid-base", socket->first_hart, error) ||
        !vm_object_set(soc, "cpu-type", model, error) || !vm_object_realize(soc, error))
        return false;
    for (u32 i = 0; i < socket->harts; i++) {
        if (!vcpu_create(vm_of(virt), model, soc, "harts[*]", error))
            return false;
    }
    return true;
}

static bool create_harts(struct virt *virt, GError **error)
{
    for (u32 i = 0; i < virt->socket_count; i++) {
        if (!create_harts_of(virt, i, error))
            return false;
    }
    return true;
}

struct device *virt_create_at(struct virt *virt, const char *class_name, const char *properties, u64 address, GError **error)
{
    struct device *device = device_create_unattached(vm_of(virt), class_name, properties, error);

    if (device)
        device_map(device, 0, address);
    return device;
}

static bool create_serial(struct virt *virt, GError **error)
{
    struct chardev *chardev = vm_backend(vm_of(virt), "serial", 0);
    g_autofree char *properties =
        g_strdup_printf("baudbase=%u%s%s", VIRT_UART_CLOCK / 16, chardev ? ";chardev=" : "", chardev ? chardev_id(chardev) : "");
    struct device *uart = virt_create_at(virt, "serial-mm", properties, virt_memmap[VIRT_UART0].base, error);

    if (!uart)
        return false;
    device_connect(uart, "irq", virt_wire(virt, VIRT_WIRES_BOARD, VIRT_IRQ_UART0));
    return true;
}

static bool create_rtc(struct virt *virt, GError **error)
{
    struct device *rtc = virt_create_at(virt, "goldfish_rtc", NULL, virt_memmap[VIRT_RTC].base, error);

    if (!rtc)
        return false;
    device_connect(rtc, "irq", virt_wire(virt, VIRT_WIRES_BOARD, VIRT_IRQ_RTC));
    return true;
}

static bool create_fw_cfg(struct virt *virt, GError **error)
{
    u64 base = virt_memmap[VIRT_FW_CFG].base;

    virt->fw_cfg = device_create(vm_of(virt), "fw_cfg_mem", &virt->machine.object, "fw_cfg", NULL, error);
    if (!virt->fw_cfg)
        return false;
    device_map(virt->fw_cfg, 0, base + 8);
    device_map(virt->fw_cfg, 1, base);
    device_map(virt->fw_cfg, 2, base + 16);
    return fw_cfg_add_u16(virt->fw_cfg, FW_CFG_NB_CPUS, (u16)virt->machine.cpus, error) &&
           fw_cfg_add_u16(virt->fw_cfg, FW_CFG_MAX_CPUS, (u16)virt->machine.max_cpus, error);
}

/* Where a bank's contents are: -machine pflashN=, or -drive if=pflash,unit=N (backend "pflash", the drive's id). */
static bool choose_flash_drive(struct virt *virt, unsigned bank, const char **drive, GError **error)
{
    const char *named = virt->pflash[bank], *other = vm_backend(vm_of(virt), "pflash", bank);

    if (named && *named && other)
        return error_set(error, "-drive if=pflash,unit=%u: clashes with -machine pflash%u=%s", bank, bank, named);
    if (named && strchr(named, ';'))
        return error_set(error, "Property 'cfi.pflash01.drive' can't find value '%s'", named);
    *drive = named && *named ? named : other;
    return true;
}

/* Two chips of 16 bits side by side make each bank. */
static bool create_flash(struct virt *virt, unsigned bank, GError **error)
{
    u64 size = virt_memmap[VIRT_FLASH].size / 2, sector = 256 * KIB;
    g_autofree char *name = g_strdup_printf("virt.flash%u", bank);
    g_autofree char *properties = g_strdup_printf("name=%s;num-blocks=%u;sector-length=%u;width=4;device-width=2;max-device-width=2;"
                                                  "id0=137;id1=24", name, (u32)(size / sector), (u32)sector);
    const char *drive = NULL;

    if (!choose_flash_drive(virt, bank, &drive, error))
        return false;
    g_autofree char *all = g_strconcat(properties, drive ? ";drive=" : NULL, drive, NULL);
    virt->flash[bank] = device_create(vm_of(virt), "cfi.pflash01", &virt->machine.object, name, all, error);
    if (!virt->flash[bank])
        return false;
    device_map(virt->flash[bank], 0, virt_memmap[VIRT_FLASH].base + bank * size);
    return true;
}

static bool create_virtio(struct virt *virt, GError **error)
{
    for (u32 i = 0; i < VIRT_VIRTIO_COUNT; i++) {
        struct virt_range range = virt_memmap[VIRT_VIRTIO];
        struct device *transport = virt_create_at(virt, "virtio-mmio", NULL, range.base + i * range.size, error);

        if (!transport)
            return false;
        device_connect(transport, "irq", virt_wire(virt, VIRT_WIRES_VIRTIO, VIRT_IRQ_VIRTIO + i));
    }
    return true;
}

static bool create_pcie(struct virt *virt, GError **error)
{
    struct virt_range ecam = virt_memmap[VIRT_PCIE_ECAM], pio = virt_memmap[VIRT_PCIE_PIO], low = virt_memmap[VIRT_PCIE_MMIO], high = virt->pcie_high;
    g_autofree char *properties = g_strdup_printf(
        "x-ecam-base=%" G_GUINT64_FORMAT ";x-ecam-size=%" G_GUINT64_FORMAT ";x-pio-base=%" G_GUINT64_FORMAT ";x-pio-size=%" G_GUINT64_FORMAT
        ";x-below-4g-mmio-base=%" G_GUINT64_FORMAT ";x-below-4g-mmio-size=%" G_GUINT64_FORMAT ";x-above-4g-mmio-base=%" G_GUINT64_FORMAT
        ";x-above-4g-mmio-size=%" G_GUINT64_FORMAT, ecam.base, ecam.size, pio.base, pio.size, low.base, low.size, high.base, high.size);
    struct device *host = device_create_unattached(vm_of(virt), "gpex-pcihost", properties, error);

    for (u32 i = 0; host && i < 4; i++) {
        g_autofree char *name = g_strdup_printf("irq%u", i);

        device_connect(host, name, virt_wire(virt, VIRT_WIRES_PCIE, VIRT_IRQ_PCIE + i));
    }
    if (host) {
        gpex_map(host);
        gpex_bus(host)->msi = virt->aia == VIRT_AIA_APLIC_IMSIC;
    }
    return host != NULL;
}

static bool create_rest(struct virt *virt, GError **error)
{
    if (!virt_create_at(virt, "riscv.sifive.test", NULL, virt_memmap[VIRT_TEST].base, error))
        return false;
    return create_virtio(virt, error) && create_pcie(virt, error) && create_flash(virt, 0, error) &&
           create_flash(virt, 1, error) && create_fw_cfg(virt, error) && create_serial(virt, error) && create_rtc(virt, error);
}

static void reset(void *opaque)
{
    struct virt *virt = opaque;
    g_autoptr(GError) error = NULL;

    if (!virt->loaded && !virt_boot_load(virt, &error))
        log_print(vm_log(vm_of(virt)), LOG_UNIMP, "reset: %s", error->message);
    virt->loaded = false;
}

static bool complete(void *opaque, GError **error)
{
    struct virt *virt = opaque;

    virt->loaded = virt_boot_prepare(virt, error) && (virt->machine.dumpdtb || virt_boot_load(virt, error));
    return virt->loaded;
}

static bool check_options(const struct virt *virt, GError **error)
{
    if (virt->machine.cpus > VIRT_MAX_CPUS)
        return error_set(error, "virt supports at most %u CPUs", VIRT_MAX_CPUS);
    /* DEVIATION RISC-V | `acpi=` of `virt` | `on` is refused, `auto` hands over a device tree | there are no ACPI tables yet */
    if (virt->acpi == 1) {
        error_set(error, "acpi=on: there are no ACPI tables for RISC-V yet");
        return error_hint(error, "acpi=off or auto hands over a device tree");
    }
    return true;
}

static bool realize(struct vm_object *object, GError **error)
{
    struct virt *virt = (struct virt *)object;
    struct vm *vm = object->vm;

    if (!check_options(virt, error) || !virt_make_sockets(virt, error))
        return false;
    region_batch_begin(vm);
    bool ok = create_memory(virt, error) && create_harts(virt, error) && virt_create_interrupt_controllers(virt, error) && create_rest(virt, error);
    region_batch_end(vm);
    if (!ok)
        return false;
    vm_on_complete(vm, complete, virt);
    vm_on_load(vm, reset, virt);
    return true;
}

static void finish(struct vm_object *object)
{
    struct virt *virt = (struct virt *)object;

    vm_off_load(object->vm, reset, virt);
    vm_machine_ram_finish(&virt->machine, &virt->ram_region);
    region_finish(&virt->mrom_region);
    virt_boot_finish(virt);
    g_free(virt->fdt);
}

static const char *const on_off_auto[] = { "auto", "on", "off", NULL };
/* DEVIATION Devices | `aia=` of `virt` | without `aplic-imsic` there is no MSI, as in QEMU | interrupts go by pins */
static const char *const aia_kinds[] = { "none", "aplic", "aplic-imsic", NULL };

static const struct vm_property properties[] = {
    { .name = "acpi", .type = VM_PROPERTY_ENUM, .offset = offsetof(struct virt, acpi), .names = on_off_auto, .class_name = "OnOffAuto",
      .description = "ACPI tables" },
    { .name = "aclint", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct virt, aclint), .description = "the parts of an ACLINT (mswi, mtimer, sswi) in place of a CLINT" },
    { .name = "aia", .type = VM_PROPERTY_ENUM, .offset = offsetof(struct virt, aia), .names = aia_kinds, .class_name = "string",
      .description = "interrupt controllers: none (PLIC), aplic, or aplic-imsic (with messages)" },
    { .name = "aia-guests", .type = VM_PROPERTY_U8, .offset = offsetof(struct virt, aia_guests), .max = VIRT_MAX_GUESTS, .class_name = "string",
      .description = "room for guest interrupt files, which need the H extension: 0 to 7" },
    { .name = "pflash0", .type = VM_PROPERTY_STRING, .offset = offsetof(struct virt, pflash[0]), .description = "drive or block node of the first flash" },
    { .name = "pflash1", .type = VM_PROPERTY_STRING, .offset = offsetof(struct virt, pflash[1]), .description = "drive or block node of the second flash" },
    { 0 },
};

static const struct machine_class virt_class = {
    .name = "virt", .description = "RISC-V VirtIO board", .max_cpus = VIRT_MAX_CPUS, .default_cpu = "rv64",
    .default_cpu_type = "rv64-riscv-cpu", .default_ram_id = "riscv_virt_board.ram", .default_ram_size = 128 * MIB, .has_numa = true,
    .drive_interface = "virtio", .flash_banks = 2,
};

VM_CLASS(virt_machine) {
    .name = "virt-machine", .parent = "machine", .description = "RISC-V VirtIO board", .guests = VM_GUEST_RISCV64,
    .size = sizeof(struct virt), .properties = properties, .realize = realize, .finish = finish, .data = &virt_class,
};

struct hart_array {
    struct vm_object object;
    u32 num_harts, hartid_base;
    u64 resetvec;
    char *cpu_type;
};

static const struct vm_property hart_array_properties[] = {
    { .name = "num-harts", .type = VM_PROPERTY_U32, .offset = offsetof(struct hart_array, num_harts), .default_text = "1" },
    { .name = "hartid-base", .type = VM_PROPERTY_U32, .offset = offsetof(struct hart_array, hartid_base) },
    { .name = "resetvec", .type = VM_PROPERTY_U64, .offset = offsetof(struct hart_array, resetvec), .default_text = "4096" },
    { .name = "cpu-type", .type = VM_PROPERTY_STRING, .offset = offsetof(struct hart_array, cpu_type) },
    { 0 },
};

VM_CLASS(riscv_hart_array) {
    .name = "riscv.hart_array", .parent = "device", .description = "harts of one socket", .guests = VM_GUEST_RISCV64,
    .size = sizeof(struct hart_array), .properties = hart_array_properties,
};
