/* hw/misc/edu.c - educational PCI device. */
#include "base/error.h"
#include "hw/pci/msi.h"
#define DEVICE           edu
#define DEVICE_ROWS      "hw/misc/edu.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .user_creatable = true,
#define PCI_CONFIG_BYTES 256
#include "hw/core/declare.inc"

enum { INTERRUPT_WANTED = 0x80, FACTORIAL_DONE = 1, DMA_DONE = 0x100, START = 1, TO_MEMORY = 2, DMA_INTERRUPT = 4, BUFFER = 0x40000, BUFFER_SIZE = 4096,
       TRANSFER_NS = 100000000, ZERO_FROM = 34 };

static const struct pci_identity identity = { .vendor_id = 0x1234, .device_id = 0x11e8, .subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100,
                                              .class = 0x00ff, .revision = 0x10, .interrupt_pin = 1 };

static void pull(struct edu *edu, u32 bits)
{
    edu->state->interrupt_status |= bits;
    if (!edu->state->interrupt_status)
        return;
    if (pci_msi_is_on(&edu->msi))
        pci_msi_send(&edu->msi, 0);
    else
        pci_function_set_intx(&edu->pci, true);
}

static void write_raise(void *device, u32 index, u64 value)
{
    pull(device, (u32)value);
}

static void write_acknowledge(void *device, u32 index, u64 value)
{
    struct edu *edu = device;

    edu->state->interrupt_status &= ~(u32)value;
    if (!edu->state->interrupt_status)
        pci_function_set_intx(&edu->pci, false);
}

static void write_liveness(void *device, u32 index, u64 value)
{
    ((struct edu *)device)->state->liveness = ~(u32)value;
}

static void write_factorial(void *device, u32 index, u64 value)
{
    struct edu *edu = device;
    u32 result = value < ZERO_FROM; /* 34! has 32 factors of two */

    for (u32 i = 2; i <= value && result; i++)
        result *= i;
    edu->state->factorial = result;
    if (edu->state->status & INTERRUPT_WANTED)
        pull(edu, FACTORIAL_DONE);
}

static void write_command(void *device, u32 index, u64 value)
{
    struct edu *edu = device;

    if (value & START)
        device_timer_arm(&edu->dma, vm_clock_now(edu->device.object.vm, VM_CLOCK_VIRTUAL) + TRANSFER_NS);
}

/* The place in the buffer, or NULL. */
static u8 *in_buffer(struct edu *edu, u64 address, u64 count)
{
    bool fits = address >= BUFFER && address - BUFFER <= BUFFER_SIZE && count <= BUFFER_SIZE - (address - BUFFER);

    return fits ? &edu->state->buffer[address - BUFFER] : NULL;
}

static void transfer(void *device)
{
    struct edu *edu = device;
    struct edu_state *s = edu->state;
    bool out = s->dma_command & TO_MEMORY;
    u8 *mine = in_buffer(edu, out ? s->dma_source : s->dma_target, s->dma_count);
    u64 address = (out ? s->dma_target : s->dma_source) & edu->dma_mask;
    /* RAM only: there is no DMA into devices. */
    u8 *memory = mine && pci_function_may_dma(&edu->pci) ? space_pointer(pci_function_space(&edu->pci), address, s->dma_count, out) : NULL;

    if (memory && s->dma_count && out)
        space_write_bytes(pci_function_space(&edu->pci), address, mine, s->dma_count);
    else if (memory && s->dma_count)
        space_read_bytes(pci_function_space(&edu->pci), address, mine, s->dma_count);
    else
        device_guest_error(edu, "edu: a transfer between places where none is possible");
    s->dma_command &= ~(u64)START;
    if (s->dma_command & DMA_INTERRUPT)
        pull(edu, DMA_DONE);
}

static bool realize(void *device, GError **error)
{
    struct edu *edu = device;

    pci_function_init(&edu->pci, &edu->device, edu->state->config, PCI_CONFIG_BYTES, &identity);
    if (pci_device_bus(&edu->device)->msi && !pci_msi_init(&edu->msi, &edu->pci, 1, true, error))
        return false;
    return pci_function_add_bar(&edu->pci, 0, &edu->device.window[WINDOW_mmio].region, PCI_BAR_32, error);
}

static void unrealize(void *device)
{
    pci_function_finish(&((struct edu *)device)->pci);
}

static void reset(void *device)
{
    pci_function_reset(&((struct edu *)device)->pci);
}

#include "hw/core/define.inc"
