/* hw/display/bochs_display.c - Bochs' dispi display: video memory that is shown as the registers say. */
#include "base/error.h"
#include "hw/pci/pci.h"
#include "ui/edid.h"
#include "ui/ui.h"
#include "vm/machine.h"
#define DEVICE           bochs_display
#define DEVICE_ROWS      "hw/display/bochs_display.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .user_creatable = true,
#define PCI_CONFIG_BYTES 256
#include "hw/core/declare.inc"

/* Indices of the dispi registers (Bochs' vbe_display_api.txt). */
enum { ID, WIDTH, HEIGHT, BITS, ENABLE, BANK, VIRTUAL_WIDTH, VIRTUAL_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY_64K };
enum { ID_5 = 0xb0c5, ENABLED = 1, LITTLE = 0x1e1e1e1e, DEFAULT_WIDTH = 1280, DEFAULT_HEIGHT = 800 };
static const u32 big = 0xbebebebe;

static const struct pci_identity identity = {
    .vendor_id = 0x1234, .device_id = 0x1111, .subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100, .class = 0x0380, .revision = 2,
};

static u64 read_edid(void *device, u32 index)
{
    struct bochs_display *self = device;

    return self->edid_on && index < EDID_SIZE ? self->edid[index] : 0;
}

static u64 read_dispi(void *device, u32 index)
{
    struct bochs_display *self = device;

    if (index == ID)
        return ID_5;
    return index == MEMORY_64K ? self->vram_size / (64 * KIB) : self->state->dispi[index];
}

static u64 read_order(void *device, u32 index)
{
    return ((struct bochs_display *)device)->state->big_endian ? big : LITTLE;
}

static void write_order(void *device, u32 index, u64 value)
{
    struct bochs_display *self = device;

    if (value == LITTLE || value == big)
        self->state->big_endian = value == big;
}

/* The part of video memory that is shown; NULL: nothing, or nonsense. */
static pixman_image_t *make_image(struct bochs_display *self)
{
    const u16 *dispi = self->state->dispi;
    u32 width = dispi[WIDTH], height = dispi[HEIGHT], bytes = dispi[BITS] / 8;
    u64 stride = (u64)MAX(dispi[VIRTUAL_WIDTH], width) * bytes;
    u64 offset = (u64)dispi[X_OFFSET] * bytes + dispi[Y_OFFSET] * stride;
    pixman_format_code_t format = bytes == 2 ? PIXMAN_r5g6b5 : self->state->big_endian ? PIXMAN_b8g8r8x8 : PIXMAN_x8r8g8b8;

    if (!(dispi[ENABLE] & ENABLED) || (dispi[BITS] != 32 && dispi[BITS] != 16) || !width || !height)
        return NULL;
    if (offset % 4 || stride % 4 || offset + stride * height > self->vram_size)
        return NULL;
    return pixman_image_create_bits_no_clear(format, (int)width, (int)height, (u32 *)(void *)(self->vram->host + offset), (int)stride);
}

static void update(void *opaque)
{
    struct bochs_display *self = opaque;
    pixman_image_t *image = make_image(self);

    console_set_image(self->console, image);
    if (image)
        pixman_image_unref(image);
}

static const struct console_ops console_ops = { .update = update };

static void reset(void *device)
{
    struct bochs_display *self = device;

    self->state->big_endian = self->big_endian_start;
    console_set_image(self->console, NULL);
    pci_function_reset(&self->pci);
}

static bool add_bars(struct bochs_display *self, GError **error)
{
    struct vm *vm = self->device.object.vm;
    g_autofree char *name = g_strdup_printf("%s/bochs-display-vram", self->device.object.name);

    if (self->vram_size & (self->vram_size - 1))
        return error_set(error, "property 'vgamem' must be a power of two");
    self->vram = vm_ram_create(vm, name, self->vram_size, error);
    if (!self->vram)
        return false;
    region_init_ram(&self->vram_region, vm, "bochs-display-vram", self->vram, 0, self->vram_size);
    self->vram_region.owner = &self->device.object;
    return pci_function_add_bar(&self->pci, 0, &self->vram_region, PCI_BAR_32 | PCI_BAR_PREFETCH, error) &&
           pci_function_add_bar(&self->pci, 2, &self->device.window[WINDOW_mmio].region, PCI_BAR_32, error);
}

static void unrealize(void *device)
{
    struct bochs_display *self = device;

    g_clear_pointer(&self->console, console_destroy);
    pci_function_finish(&self->pci);
    region_finish(&self->vram_region);
    g_clear_pointer(&self->vram, vm_ram_destroy);
}

static bool realize(void *device, GError **error)
{
    struct bochs_display *self = device;
    const struct edid_screen screen = {
        .width = self->xres ? self->xres : DEFAULT_WIDTH, .height = self->yres ? self->yres : DEFAULT_HEIGHT,
        .max_width = self->xmax, .max_height = self->ymax, .refresh = self->refresh,
    };

    pci_function_init(&self->pci, &self->device, self->state->config, PCI_CONFIG_BYTES, &identity);
    if (!add_bars(self, error)) {
        unrealize(device);
        return false;
    }
    edid_make(&screen, self->edid);
    self->state->big_endian = self->big_endian_start;
    self->console = console_create(vm_backend(self->device.object.vm, "ui", 0), self->device.object.name, 0, &console_ops, self);
    return true;
}

#include "hw/core/define.inc"
