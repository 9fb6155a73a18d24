/*
 * hw/block/cfi_flash.c - NOR flash with Intel's command set. Commands go to all chips of the bus at once, as drivers send them;
 * in the array every operation is complete before the next access; with a disk the ready bit says that it is in the image as well.
 */
#include "hw/block/cfi_flash.h"
#include "hw/block/flash_disk.h"
#define DEVICE      cfi_flash
#define DEVICE_ROWS "hw/block/cfi_flash.dev"
#include "hw/core/declare.inc"
#include "base/bits.h"
#include "base/error.h"
#include <string.h>

enum { MODE_ARRAY, MODE_STATUS, MODE_ID, MODE_CFI };
enum { CYCLE_COMMAND, CYCLE_PROGRAM, CYCLE_ERASE, CYCLE_LOCK, CYCLE_COUNT, CYCLE_FILL, CYCLE_CONFIRM };
enum { STATUS_READY = 0x80, STATUS_ERASE_ERROR = 0x20, STATUS_PROGRAM_ERROR = 0x10, STATUS_SEQUENCE_ERROR = 0x30 };
/* A chip's write buffer holds 2 KiB: CFI word 0x2a. */
enum { BUFFER_LOG2 = 11 };

enum command {
    READ_ARRAY = 0xff, READ_ARRAY_AMD = 0xf0, PROGRAM = 0x40, PROGRAM_ALTERNATE = 0x10, ERASE = 0x20, CONFIRM = 0xd0, SUSPEND = 0xb0,
    CLEAR_STATUS = 0x50, LOCK = 0x60, READ_STATUS = 0x70, READ_ID = 0x90, QUERY = 0x98, WRITE_BUFFER = 0xe8,
    LOCK_BLOCK = 0x01, LOCK_DOWN = 0x2f, /* second cycle of LOCK; CONFIRM unlocks */
};

static u32 chips(const struct cfi_flash *flash)
{
    return flash->width / flash->device_width;
}

static void set_mode(struct cfi_flash *flash, u8 mode)
{
    flash->state->mode = mode;
    region_set_romd(&flash->device.window[WINDOW_mmio].region, mode == MODE_ARRAY);
}

/* Back to commands; reads show how it went. */
static void finish(struct cfi_flash *flash, u8 errors)
{
    flash->state->cycle = CYCLE_COMMAND;
    flash->state->status |= STATUS_READY | errors;
    set_mode(flash, MODE_STATUS);
}

/* What each chip answers, side by side on the bus. */
static u32 side_by_side(const struct cfi_flash *flash, u32 value)
{
    u32 all = 0, bits = 8 * flash->device_width;

    for (u32 i = 0; i < chips(flash); i++)
        all |= (u32)bits_get(value, 0, bits) << (i * bits);
    return all;
}

static u32 status(struct cfi_flash *flash)
{
    if (!flash->disk)
        return flash->state->status;
    if (!flash_disk_is_idle(flash->disk))
        return flash->state->status & ~(u32)STATUS_READY;
    if (flash_disk_take_failure(flash->disk))
        flash->state->status |= STATUS_PROGRAM_ERROR;
    return flash->state->status;
}

static u32 answer(struct cfi_flash *flash, u64 word)
{
    const u16 ids[] = { flash->id0, flash->id1, flash->id2, flash->id3 };

    word &= 0xff;
    switch (flash->state->mode) {
    case MODE_ID: /* word 2 of a block: its lock bits; nothing is locked */
        return word < 2 ? ids[word] : 0;
    case MODE_CFI:
        return word < sizeof(flash->cfi) ? flash->cfi[word] : 0;
    default:
        return status(flash);
    }
}

static enum mem_result flash_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct cfi_flash *flash = opaque;

    *value = 0;
    if (offset > flash->size - size)
        return MEM_ERROR;
    if (flash->state->mode == MODE_ARRAY) {
        *value = bits_load_le(flash->ram->host + offset, size);
        return MEM_OK;
    }
    for (u32 i = 0; i < size; i++) {
        u32 bus = side_by_side(flash, answer(flash, (offset + i) / flash->width));

        *value |= (u64)(bus >> (8 * ((offset + i) % flash->width)) & 0xff) << (8 * i);
    }
    return MEM_OK;
}

/* A read-only disk is a chip whose blocks are locked. */
static bool may_change(struct cfi_flash *flash, u64 size)
{
    if (!flash->disk)
        return true;
    if (flash_disk_is_read_only(flash->disk))
        return false;
    if (flash_disk_has_room(flash->disk, size))
        return true;
    device_guest_error(flash, "flash: commands without waiting for the ready bit, more than the image can take");
    return false;
}

static void changed(struct cfi_flash *flash, u64 offset, u64 size)
{
    vm_ram_changed(flash->ram, offset, size);
    if (flash->disk)
        flash_disk_write(flash->disk, flash->ram->host, offset, size);
}

/* Programming turns ones into zeros; only erasing brings ones back. */
static void program(struct cfi_flash *flash, u64 offset, const u8 *from, u32 size)
{
    u8 *to = flash->ram->host + offset;

    if (!may_change(flash, size)) {
        finish(flash, STATUS_PROGRAM_ERROR);
        return;
    }
    for (u32 i = 0; i < size; i++)
        to[i] &= from[i];
    changed(flash, offset, size);
    finish(flash, 0);
}

static void program_word(struct cfi_flash *flash, u64 offset, unsigned size, u64 value)
{
    u8 bytes[8];

    bits_store_le(bytes, size, value);
    program(flash, offset, bytes, size);
}

static void erase(struct cfi_flash *flash, u64 offset)
{
    u64 start = offset - offset % flash->sector_length;

    if (!may_change(flash, flash->sector_length)) {
        finish(flash, STATUS_ERASE_ERROR);
        return;
    }
    memset(flash->ram->host + start, 0xff, flash->sector_length);
    changed(flash, start, flash->sector_length);
    finish(flash, 0);
}

static void sequence_error(struct cfi_flash *flash, const char *what)
{
    device_guest_error(flash, "flash: %s", what);
    finish(flash, STATUS_SEQUENCE_ERROR);
}

/* The count is in words, less one; all chips get the same. */
static void start_buffer(struct cfi_flash *flash, u64 offset, u64 value)
{
    struct cfi_flash_state *s = flash->state;
    u64 words = bits_get(value, 0, 8 * flash->device_width) + 1;

    if (words > flash->buffer_size / flash->width) {
        sequence_error(flash, "more words than fit into the write buffer");
        return;
    }
    s->buffer_base = (u32)bits_align_down(offset, flash->buffer_size);
    s->buffer_left = (u32)words;
    memset(s->buffer, 0xff, sizeof(s->buffer));
    s->cycle = CYCLE_FILL;
}

static void fill_buffer(struct cfi_flash *flash, u64 offset, unsigned size, u64 value)
{
    struct cfi_flash_state *s = flash->state;

    if (offset < s->buffer_base || offset - s->buffer_base > flash->buffer_size - size) {
        sequence_error(flash, "write outside the write buffer");
        return;
    }
    bits_store_le(s->buffer + (offset - s->buffer_base), size, value);
    if (--s->buffer_left == 0)
        s->cycle = CYCLE_CONFIRM;
}

static void read_array(struct cfi_flash *flash)
{
    flash->state->cycle = CYCLE_COMMAND;
    set_mode(flash, MODE_ARRAY);
}

/* First of two or more cycles: reads show the status meanwhile. */
static void expect(struct cfi_flash *flash, u8 cycle)
{
    flash->state->cycle = cycle;
    set_mode(flash, MODE_STATUS);
}

static void start_command(struct cfi_flash *flash, u8 command)
{
    switch (command) {
    case PROGRAM:
    case PROGRAM_ALTERNATE:
        expect(flash, CYCLE_PROGRAM);
        break;
    case ERASE:
        expect(flash, CYCLE_ERASE);
        break;
    case LOCK:
        expect(flash, CYCLE_LOCK);
        break;
    case WRITE_BUFFER:
        expect(flash, CYCLE_COUNT);
        break;
    case CLEAR_STATUS:
        flash->state->status = STATUS_READY;
        break;
    case READ_STATUS:
    case SUSPEND: /* nothing runs */
    case CONFIRM:
        set_mode(flash, MODE_STATUS);
        break;
    case READ_ID:
        set_mode(flash, MODE_ID);
        break;
    case QUERY:
        set_mode(flash, MODE_CFI);
        break;
    default:
        if (command && command != READ_ARRAY && command != READ_ARRAY_AMD)
            device_guest_error(flash, "flash: unknown command 0x%02x", command);
        read_array(flash);
        break;
    }
}

/* Locks are accepted, without effect. */
static void lock(struct cfi_flash *flash, u8 command)
{
    if (command == READ_ARRAY)
        read_array(flash);
    else if (command == LOCK_BLOCK || command == LOCK_DOWN || command == CONFIRM)
        finish(flash, 0);
    else
        sequence_error(flash, "neither lock nor unlock");
}

static void confirm_buffer(struct cfi_flash *flash, u8 command)
{
    if (command != CONFIRM) {
        sequence_error(flash, "buffered write not confirmed");
        return;
    }
    program(flash, flash->state->buffer_base, flash->state->buffer, flash->buffer_size);
}

static void bus_write(struct cfi_flash *flash, u64 offset, unsigned size, u64 value)
{
    u8 command = (u8)value;

    switch (flash->state->cycle) {
    case CYCLE_PROGRAM:
        program_word(flash, offset, size, value);
        return;
    case CYCLE_COUNT:
        start_buffer(flash, offset, value);
        return;
    case CYCLE_FILL:
        fill_buffer(flash, offset, size, value);
        return;
    case CYCLE_CONFIRM:
        confirm_buffer(flash, command);
        return;
    case CYCLE_LOCK:
        lock(flash, command);
        return;
    case CYCLE_ERASE:
        if (command == CONFIRM)
            erase(flash, offset);
        else
            sequence_error(flash, "erase not confirmed");
        return;
    default:
        start_command(flash, command);
        return;
    }
}

static enum mem_result flash_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct cfi_flash *flash = opaque;

    if (offset > flash->size - size || !device_begin(&flash->device))
        return MEM_ERROR;
    bus_write(flash, offset, size, value);
    device_end(&flash->device);
    return MEM_OK;
}

static const struct region_ops flash_ops = { .read = flash_read, .write = flash_write, .max_access = 4 };

/* Table of one chip (JESD68.01, "Query Structure Output"; the extended part is Intel's). */
static void make_cfi(struct cfi_flash *flash)
{
    static const u8 fixed[] = {
        [0x10] = 'Q', 'R', 'Y', [0x13] = 0x01, 0x00, [0x15] = 0x31, 0x00, /* Intel's command set; its table */
        [0x1b] = 0x45, 0x55,                                              /* 4.5 to 5.5 V */
        [0x1f] = 0x07, 0x07, 0x0a, 0x00, 0x04, 0x04, 0x04, 0x00,          /* typical times, how much longer at most: log2 */
        [0x28] = 0x02, 0x00, BUFFER_LOG2, 0x00, 0x01,                     /* x8 and x16; write buffer; one erase region */
        [0x31] = 'P', 'R', 'I', '1', '0', [0x3f] = 0x01,
    };
    u64 chip_sector = flash->sector_length / chips(flash);

    memcpy(flash->cfi, fixed, sizeof(fixed));
    flash->cfi[0x27] = (u8)(63 - __builtin_clzll(flash->size / chips(flash)));
    bits_store_le(flash->cfi + 0x2d, 2, flash->num_blocks - 1);
    bits_store_le(flash->cfi + 0x2f, 2, chip_sector / 256);
}

static bool check_widths(struct cfi_flash *flash, GError **error)
{
    if (!flash->device_width)
        flash->device_width = flash->max_device_width ? flash->max_device_width : flash->width;
    if (!flash->max_device_width)
        flash->max_device_width = flash->device_width;
    if (!bits_is_power_of_2(flash->width) || !bits_is_power_of_2(flash->device_width))
        return error_set(error, "width and device-width must be 1, 2 or 4");
    if (flash->device_width > flash->width)
        return error_set(error, "device-width is larger than width");
    if (flash->device_width != flash->max_device_width)
        return error_set(error, "device-width other than max-device-width is not there yet");
    return true;
}

static bool check(struct cfi_flash *flash, GError **error)
{
    if (flash->big_endian || flash->secure)
        return error_set(error, "%s is not there yet", flash->secure ? "secure" : "big-endian");
    if (!flash->num_blocks || !bits_is_power_of_2(flash->sector_length) || flash->sector_length < 16384)
        return error_set(error, "num-blocks must be set, sector-length must be a power of two from 16 KiB on");
    if (flash->num_blocks * flash->sector_length > 1 * GIB)
        return error_set(error, "flash of more than 1 GiB");
    if (!flash->name || !*flash->name)
        return error_set(error, "name must be set");
    return check_widths(flash, error);
}

static void reset(void *device)
{
    read_array(device);
}

static bool load(struct cfi_flash *flash, GError **error)
{
    if (!flash->drive || !*flash->drive)
        return true;
    flash->disk = flash_disk_open(&flash->device, flash->drive, flash->ram->host, flash->size, error);
    if (!flash->disk)
        g_clear_pointer(&flash->ram, vm_ram_destroy);
    return flash->disk != NULL;
}

static bool realize(void *device, GError **error)
{
    struct cfi_flash *flash = device;
    struct region *region = &flash->device.window[WINDOW_mmio].region;

    if (!check(flash, error))
        return false;
    flash->size = flash->num_blocks * flash->sector_length;
    flash->buffer_size = chips(flash) << BUFFER_LOG2;
    flash->ram = vm_ram_create(flash->device.object.vm, flash->name, flash->size, error);
    if (!flash->ram)
        return false;
    if (!load(flash, error))
        return false;
    make_cfi(flash);
    region->name = flash->name;
    region->size = flash->size;
    region->ram = flash->ram;
    read_array(flash);
    return true;
}

static void unrealize(void *device)
{
    struct cfi_flash *flash = device;

    region_finish(&flash->device.window[WINDOW_mmio].region);
    g_clear_pointer(&flash->disk, flash_disk_close);
    g_clear_pointer(&flash->ram, vm_ram_destroy);
}

bool cfi_flash_has_contents(const struct device *device)
{
    return ((const struct cfi_flash *)device)->disk != NULL;
}

u64 cfi_flash_size(const struct device *device)
{
    return ((const struct cfi_flash *)device)->size;
}

#include "hw/core/define.inc"
