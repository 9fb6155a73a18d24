/*
 * hw/pci/pci.h - PCI functions, their configuration space, and the bus that holds them. Hosts (hw/pci/gpex.c) route accesses
 * here; devices describe themselves by struct pci_identity and their BARs.
 *
 * A declared PCI device: its row file begins with the common rows, its behaviour file names the parent class:
 *
 *     #include "hw/pci/pci_device.rows"              in X.dev, after CLASS
 *     #define DEVICE_PARENT "pci-device"             in X.c, and PCI_CONFIG_BYTES: 256, or 4096 for PCI Express
 *
 * In realize it calls pci_function_init and pci_function_add_bar; in on_reset, pci_function_reset; in unrealize,
 * pci_function_finish. It is plugged in after realize, where `addr` and `bus` say.
 * Thread: machine lock.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include "hw/core/bus.h"
#include "hw/core/device.h"
#include "host/lock.h"

enum { PCI_BARS = 6, PCI_PINS = 4, PCI_SLOTS = 32, PCI_FUNCTIONS = 256 };

/* Offsets in the header and bits there. */
enum {
    PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_HEADER_TYPE = 0x0e, PCI_BAR0 = 0x10, PCI_CAPABILITIES = 0x34, PCI_INTERRUPT_PIN = 0x3d,
    PCI_HEADER_END = 0x40,
    PCI_COMMAND_IO = 1, PCI_COMMAND_MEMORY = 2, PCI_COMMAND_MASTER = 4, PCI_COMMAND_NO_INTX = 0x400,
    PCI_PRIMARY = 0x18, PCI_SECONDARY = 0x19, PCI_SUBORDINATE = 0x1a, PCI_BRIDGE_CONTROL = 0x3e, PCI_BRIDGE_RESET = 0x40,
    PCI_STATUS_INTX = 8, PCI_STATUS_CAPABILITIES = 0x10, PCI_MULTIFUNCTION = 0x80,
};

/* Low bits of a BAR. */
enum pci_bar_kind { PCI_BAR_32 = 0, PCI_BAR_IO = 1, PCI_BAR_64 = 4, PCI_BAR_PREFETCH = 8 };

struct pci_identity {
    u16 vendor_id, device_id, subsystem_vendor_id, subsystem_id;
    u16 class;      /* 0x0600 */
    u8 programming, revision;
    u8 interrupt_pin; /* 1-4, 0: none */
    bool bridge;    /* type 1 header */
};

struct pci_bus;

struct pci_bar {
    struct region *region; /* NULL: no such BAR */
    u8 kind;               /* enum pci_bar_kind bits */
    bool mapped;
};

struct pci_function {
    struct device *device;  /* whose token guards it */
    struct pci_bus *bus;    /* NULL: not plugged in */
    u8 devfn;               /* slot * 8 + function */
    bool multifunction;     /* header bit: other functions may be in the slot */
    bool intx;              /* the device pulls its pin; under the root bus's pin_lock while it is plugged in */
    bool intx_shown;        /* the bus has heard of it; likewise */
    u32 size;               /* of the configuration space: 256 or 4096 */
    u8 *config;             /* in the device's state */
    u8 *writable, *clearable; /* bits of each byte that writes change, and that writing one clears */
    struct pci_identity identity;
    u32 capability_end;     /* where the next capability may lie */
    struct pci_bar bar[PCI_BARS];
    struct pci_msix *msix;  /* NULL: none */
    struct pci_msi *msi;
    struct pci_bridge *bridge;
    u32 power;              /* power management capability; 0: none */
    u32 express;            /* PCI Express capability */
    u32 extended_last, extended_end; /* extended capabilities (hw/pci/extended.h): the last one, where the next may lie */
    u32 aer, aer_masked;    /* advanced error reporting: where, and which uncorrectable errors are masked at power-on */
    /* Optional: after a write to the configuration space, before a read of it. */
    void (*written)(struct device *device, u32 offset, unsigned size);
    void (*reading)(struct device *device, u32 offset, unsigned size);
};

/* config: `size` bytes of the device's state. */
void pci_function_init(struct pci_function *function, struct device *device, u8 *config, u32 size, const struct pci_identity *identity);
/* Unplugs it. */
void pci_function_finish(struct pci_function *function);
/* Configuration space as after power-on; BARs are unmapped, the pin is released. */
void pci_function_reset(struct pci_function *function);
/* The region's size must be a power of two: 16 bytes (I/O: 4) at least; 32-bit ones at most 2 GiB. A 64-bit BAR takes two numbers. */
bool pci_function_add_bar(struct pci_function *function, u32 number, struct region *region, u8 kind, GError **error);
/* Gives back the offset of `size` bytes in the first 256 that begin with id and link; 0: no room. The caller fills in the rest,
 * and which bits are writable; a reset clears only those. */
u32 pci_function_add_capability(struct pci_function *function, u8 id, u32 size);
/* Machine lock; or any thread, if the pins are lockless. */
void pci_function_set_intx(struct pci_function *function, bool level);
bool pci_function_pin_is_lockless(const struct pci_function *function);

/* The function, and all bridges above it, may master the bus: nothing else makes DMA and messages (PCI Local Bus, 6.2.2). Any thread. */
bool pci_function_may_dma(const struct pci_function *function);
/* Where its DMA goes. */
struct space *pci_function_space(const struct pci_function *function);
/* A message-signalled interrupt: a write of 32 bits. */
void pci_function_send_message(struct pci_function *function, u64 address, u32 data);

/* size 1, 2 or 4, aligned; beyond the configuration space all ones. */
u32 pci_config_read(struct pci_function *function, u32 offset, unsigned size);
void pci_config_write(struct pci_function *function, u32 offset, unsigned size, u32 value);

/* The next capability lies at `offset`: for devices whose manual says where. Behind those that are there. */
void pci_function_next_capability(struct pci_function *function, u32 offset);
/* Power management: D0 and D3hot, in which BARs and DMA are off (PCI Power Management 1.2, 3.2). 0: no room. */
u32 pci_function_add_power(struct pci_function *function);
/* Neither in D3hot nor in a slot without power. */
bool pci_function_is_awake(const struct pci_function *function);
/* The memory map and the pin agree with the configuration space again. */
void pci_function_follow(struct pci_function *function);

/* A bus, class "PCIE": made by its host with bus_create, which then sets the fields. */
struct pci_bus {
    struct bus bus;
    struct region *memory, *io; /* in which BARs appear */
    struct pci_function *bridge; /* NULL: the host's own bus */
    u8 slots;                   /* 0: PCI_SLOTS */
    struct pci_slot *slot;      /* that devices come and go by; NULL: none */
    bool off;                   /* without power: nobody answers */
    bool msi;                   /* there is somebody who takes messages */
    struct pci_function *function[PCI_FUNCTIONS];
    u32 intx_count[PCI_PINS];   /* functions that pull each line; under the root bus's pin_lock */
    /* Of the host's own bus. */
    void (*set_intx)(void *host, u32 line, u32 level);
    bool (*pins_are_lockless)(void *host); /* set_intx may be called in any thread. NULL: no */
    void *host;
    struct host_lock pin_lock;  /* of the counts */
    struct line_keeper pins;    /* of the host's lines */
};

/* The number that the guest gave it; 0: the host's own. */
u8 pci_bus_number(const struct pci_bus *bus);
/* The function that a configuration cycle at the host's bus reaches, or NULL. */
struct pci_function *pci_bus_route(struct pci_bus *bus, u8 number, u8 devfn);
/* The host's own bus. */
struct pci_bus *pci_bus_root(struct pci_bus *bus);
/* One more (+1) or less (-1) that pulls a line; bridges pass it on. With the root's pin_lock; the host hears of it by pci_bus_show_pins. */
void pci_bus_pull(struct pci_bus *bus, u32 line, int by);
/* The host's lines become what is pulled. Without pin_lock: whoever hears of a line may do anything. */
void pci_bus_show_pins(struct pci_bus *root);
/* Resets what is on it, and below. */
void pci_bus_reset(struct pci_bus *bus);
/* At devfn, or at the next free slot (-1). False with error: taken, full. */
bool pci_bus_plug(struct pci_bus *bus, struct pci_function *function, int devfn, GError **error);
void pci_bus_unplug(struct pci_function *function);
/* "5", "5.1", "05.0" (hexadecimal) to devfn; "-1" to -1. */
bool pci_parse_address(const char *text, int *devfn, GError **error);
/* "SCSI controller"; NULL: no word for it. */
const char *pci_class_text(u16 class);
/* One paragraph a function, as the monitor shows them. The caller frees. */
char *pci_bus_describe(const struct pci_bus *bus);

/* Which bus a device of class "pci-device" goes to, from realize on, also before it is plugged in. */
struct pci_bus *pci_device_bus(const struct device *device);
/* The function of an object of class "pci-device". */
struct pci_function *pci_device_function(struct vm_object *object);

#endif
