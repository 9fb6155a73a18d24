/*
 * hw/riscv/virt.h - the RISC-V `virt` board: addresses and interrupts are those that guests find in its device tree.
 * Split: virt.c (devices), virt_interrupts.c (interrupt controllers, timers), virt_fdt.c and virt_tree*.c (device tree), virt_boot.c
 * (firmware, kernel, reset ROM).
 */
#ifndef HW_RISCV_VIRT_H
#define HW_RISCV_VIRT_H

#include "hw/core/device.h"
#include "hw/core/loader.h"
#include "vm/machine.h"
#include "vm/vcpu.h"

enum virt_area {
    VIRT_MROM, VIRT_TEST, VIRT_RTC, VIRT_CLINT, VIRT_SSWI, VIRT_PCIE_PIO, VIRT_PLATFORM_BUS, VIRT_PLIC, VIRT_APLIC_M, VIRT_APLIC_S,
    VIRT_UART0, VIRT_VIRTIO, VIRT_FW_CFG,
    VIRT_FLASH, VIRT_IMSIC_M, VIRT_IMSIC_S, VIRT_PCIE_ECAM, VIRT_PCIE_MMIO, VIRT_DRAM, VIRT_AREA_COUNT
};

struct virt_range {
    u64 base, size;
};

extern const struct virt_range virt_memmap[VIRT_AREA_COUNT];

enum {
    VIRT_MAX_CPUS = 64,
    VIRT_MAX_SOCKETS = 4,
    VIRT_IRQ_VIRTIO = 1, VIRT_IRQ_UART0 = 10, VIRT_IRQ_RTC = 11, VIRT_IRQ_PCIE = 32, VIRT_IRQ_SOURCES = 95,
    VIRT_APLIC_SOURCES = 96, VIRT_APLIC_PRIORITY_MASK = 7, VIRT_MSI_IDENTITIES = 255, VIRT_MAX_GUESTS = 7,
    VIRT_VIRTIO_COUNT = 8,
    VIRT_SWI_SIZE = 0x4000, VIRT_MTIMER_SIZE = 0x8000, VIRT_MTIME = 0x7ff8, /* the windows of an ACLINT; MTIME in the timer's */
    VIRT_TIMEBASE_HZ = 10000000, VIRT_UART_CLOCK = 3686400,
};

/* Harts of one NUMA node, and the interrupt controller to which the board's wires lead there. */
struct virt_socket {
    u32 first_hart, harts;
    struct device *wires;
};

enum virt_aia { VIRT_AIA_NONE, VIRT_AIA_APLIC, VIRT_AIA_APLIC_IMSIC };

/* Who pulls wires: each group belongs to one socket. */
enum virt_wires { VIRT_WIRES_BOARD, VIRT_WIRES_VIRTIO, VIRT_WIRES_PCIE };

struct virt {
    struct machine machine;
    u32 acpi;              /* enum: auto, on, off */
    bool aclint;           /* the parts of an ACLINT in place of a CLINT */
    u32 aia;               /* enum virt_aia */
    u8 aia_guests;         /* guest files of each hart that addresses leave room for */
    char *pflash[2];       /* drive or block node of each flash; NULL: none */
    struct ram_block *mrom;
    struct region ram_region, mrom_region;
    struct virt_socket socket[VIRT_MAX_SOCKETS];
    u32 socket_count;      /* at least 1 */
    struct device *fw_cfg, *flash[2];
    struct virt_range pcie_high; /* behind the RAM, aligned to its size */
    /* Boot. */
    struct loader_file *firmware, *kernel, *initrd, *dtb; /* NULL: none */
    bool loaded;           /* the first load was for this reset */
    u8 *fdt;               /* as the guest gets it */
    u32 fdt_size;
};

/* virt_interrupts.c. Sockets from the NUMA nodes; then, when the harts exist, what interrupts them. */
bool virt_make_sockets(struct virt *virt, GError **error);
bool virt_create_interrupt_controllers(struct virt *virt, GError **error);
/* The socket that a group of wires leads to. */
u32 virt_wires_socket(const struct virt *virt, enum virt_wires group);
/* Pages of each hart's supervisor-level and guest files: 2 to this power. */
u32 virt_guest_bits(const struct virt *virt);
/* Which parts interrupt harts by software and by the timer: an IMSIC's messages leave the timer alone of an ACLINT. */
bool virt_has_mswi(const struct virt *virt);
bool virt_has_sswi(const struct virt *virt);
bool virt_has_supervisor(const struct virt *virt); /* -cpu ...,s=off: harts without S mode */
/* The timer's window in a socket. */
u64 virt_mtimer_base(const struct virt *virt, u32 socket);
/* The end of a wire. */
struct line *virt_wire(struct virt *virt, enum virt_wires group, u32 source);
/* Of socket 0 with 0; the others' follow at a fixed distance. */
struct virt_range virt_area_of_socket(enum virt_area area, u32 socket);

/* virt.c: creates a device below /machine/unattached and maps its first window. */
struct device *virt_create_at(struct virt *virt, const char *class_name, const char *properties, u64 address, GError **error);

/* virt_fdt.c: the device tree without /chosen's boot arguments. The caller frees. */
void *virt_fdt_build(struct virt *virt, u32 *size, GError **error);
/* Size that leaves room for what virt_fdt_finish adds. */
enum { VIRT_FDT_MAX = 1 << 20 };
struct virt_initrd {
    u64 start, end; /* both 0: none */
};
bool virt_fdt_finish(struct virt *virt, void *fdt, struct virt_initrd initrd, GError **error);

/* virt_boot.c: finds files and opens them, loads everything, closes them. Main thread. */
bool virt_boot_prepare(struct virt *virt, GError **error);
bool virt_boot_load(struct virt *virt, GError **error);
void virt_boot_finish(struct virt *virt);

#endif
