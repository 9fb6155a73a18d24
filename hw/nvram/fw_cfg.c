/*
 * hw/nvram/fw_cfg.c - firmware configuration device: selector, data register and DMA. What there is to read comes from the
 * board (hw/nvram/fw_cfg.h) and is not part of the machine's state.
 */
#include "hw/nvram/fw_cfg_internal.h"
#define DEVICE      fw_cfg
#define DEVICE_ROWS "hw/nvram/fw_cfg.dev"
#include "hw/core/declare.inc"
#include "base/bits.h"
#include "base/error.h"
#include <inttypes.h>
#include <string.h>

/* Bits of a DMA descriptor's control word; the key is in the high half (specification, "Guest-side DMA Interface"). */
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };

/* Bytes of zeros that one read may ask for beyond the item's end: keeps an operation short. */
enum { MOST_ZEROS = 16 << 20 };

static u32 key_count(const struct fw_cfg *cfg)
{
    return FW_CFG_FILE_FIRST + cfg->file_slots;
}

/* NULL: there cannot be such an item. */
static struct fw_cfg_item *item_of(struct fw_cfg *cfg, u16 key)
{
    u32 number = key & 0x3fff; /* bit 14 once chose a write channel */

    if (number >= key_count(cfg))
        return NULL;
    return &cfg->items[(key & FW_CFG_ARCH_LOCAL ? key_count(cfg) : 0) + number];
}

static void select_item(struct fw_cfg *cfg, u16 key)
{
    cfg->state->selected = item_of(cfg, key) ? key : FW_CFG_INVALID;
    cfg->state->offset = 0;
}

static void write_selector(void *device, u32 index, u64 value)
{
    select_item(device, __builtin_bswap16((u16)value));
}

/* The selected item (NULL: none) and how many bytes of it are left. */
static u32 remaining(struct fw_cfg *cfg, struct fw_cfg_item **item)
{
    *item = item_of(cfg, cfg->state->selected);
    if (!*item || !(*item)->data || cfg->state->offset >= (*item)->size)
        return 0;
    return (*item)->size - cfg->state->offset;
}

static enum mem_result data_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct fw_cfg *cfg = opaque;
    struct fw_cfg_item *item;
    u8 bytes[8] = { 0 };

    if (offset || size > cfg->data_width) {
        device_guest_error(cfg, "fwcfg.data: read of %u bytes at offset %u refused", size, (unsigned)offset);
        return MEM_ERROR;
    }
    *value = ~UINT64_C(0);
    if (!device_begin(&cfg->device))
        return MEM_OK;
    u32 step = MIN(remaining(cfg, &item), size);
    if (step)
        memcpy(bytes, item->data + cfg->state->offset, step);
    cfg->state->offset += step;
    *value = bits_load_le(bytes, size);
    device_end(&cfg->device);
    return MEM_OK;
}

static enum mem_result data_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    device_guest_error(opaque, "fwcfg.data: write ignored");
    return MEM_OK;
}

static const struct region_ops data_ops = { .read = data_read, .write = data_write };

/* The next piece of guest RAM at an address, or 0: what is not RAM takes no DMA. */
static u64 ram_piece(struct fw_cfg *cfg, u64 address, u64 size)
{
    struct space_hit hit = space_lookup(vm_memory(cfg->device.object.vm), address);

    return hit.ram && hit.writable ? MIN(hit.left, size) : 0;
}

/* from NULL: zeros. */
static bool copy_to_guest(struct fw_cfg *cfg, u64 address, const u8 *from, u64 size)
{
    static const u8 zeros[4096];

    while (size) {
        u64 step = ram_piece(cfg, address, from ? size : MIN(size, sizeof(zeros)));

        if (!step || space_write_bytes(vm_memory(cfg->device.object.vm), address, from ? from : zeros, step) != MEM_OK)
            return false;
        from = from ? from + step : NULL;
        address += step;
        size -= step;
    }
    return true;
}

static bool dma_read(struct fw_cfg *cfg, u64 address, u32 length)
{
    struct fw_cfg_item *item;
    u32 step = MIN(remaining(cfg, &item), length);

    if (length - step > MOST_ZEROS)
        return false;
    if (step && !copy_to_guest(cfg, address, item->data + cfg->state->offset, step))
        return false;
    cfg->state->offset += step;
    return copy_to_guest(cfg, address + step, NULL, length - step);
}

static bool dma_write(struct fw_cfg *cfg, u64 address, u32 length)
{
    struct fw_cfg_item *item;
    u32 offset = cfg->state->offset;

    if (remaining(cfg, &item) < length || !item || !item->writable)
        return false;
    for (u32 done = 0; done < length;) {
        u64 step = ram_piece(cfg, address + done, length - done);

        if (!step || space_read_bytes(vm_memory(cfg->device.object.vm), address + done, item->writable + offset + done, step) != MEM_OK)
            return false;
        done += (u32)step;
    }
    cfg->state->offset += length;
    if (item->written)
        item->written(item->opaque, offset, length);
    return true;
}

static bool dma_skip(struct fw_cfg *cfg, u32 length)
{
    struct fw_cfg_item *item;

    cfg->state->offset += MIN(remaining(cfg, &item), length);
    return true;
}

/* Read goes before write, write before skip, as in the specification. */
static bool dma_run(struct fw_cfg *cfg, u32 control, u32 length, u64 address)
{
    if (control & DMA_SELECT)
        select_item(cfg, (u16)(control >> 16));
    if (control & DMA_READ)
        return dma_read(cfg, address, length);
    if (control & DMA_WRITE)
        return dma_write(cfg, address, length);
    return !(control & DMA_SKIP) || dma_skip(cfg, length);
}

/* The descriptor: control, length, address, big-endian; its control word becomes 0, or the error bit. */
static void dma_start(struct fw_cfg *cfg, u64 descriptor)
{
    struct space *space = vm_memory(cfg->device.object.vm);
    u8 raw[16], answer[4];

    if (space_read_bytes(space, descriptor, raw, sizeof(raw)) != MEM_OK) {
        device_guest_error(cfg, "fwcfg.dma: no descriptor at 0x%" PRIx64, descriptor);
        bits_store_be(answer, 4, DMA_ERROR);
    } else {
        bool good = dma_run(cfg, (u32)bits_load_be(raw, 4), (u32)bits_load_be(raw + 4, 4), bits_load_be(raw + 8, 8));

        if (!good)
            device_guest_error(cfg, "fwcfg.dma: the operation at 0x%" PRIx64 " failed", descriptor);
        bits_store_be(answer, 4, good ? 0 : DMA_ERROR);
    }
    space_write_bytes(space, descriptor, answer, sizeof(answer));
}

static enum mem_result dma_register_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct fw_cfg *cfg = opaque;

    *value = bits_load_le(&"QEMU CFG"[offset], size);
    return cfg->dma_enabled ? MEM_OK : MEM_UNMAPPED;
}

static enum mem_result dma_register_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct fw_cfg *cfg = opaque;

    if (!cfg->dma_enabled)
        return MEM_UNMAPPED;
    if (size < 4)
        return MEM_ERROR;
    if (!device_begin(&cfg->device)) {
        device_guest_error(cfg, "fwcfg.dma: busy");
        return MEM_OK;
    }
    if (size == 8)
        dma_start(cfg, __builtin_bswap64(value));
    else if (!offset)
        cfg->state->dma_high = __builtin_bswap32((u32)value);
    else
        dma_start(cfg, (u64)cfg->state->dma_high << 32 | __builtin_bswap32((u32)value));
    if (size == 8 || offset)
        cfg->state->dma_high = 0;
    device_end(&cfg->device);
    return MEM_OK;
}

static const struct region_ops dma_ops = { .read = dma_register_read, .write = dma_register_write };

/* Contents. */

static void item_clear(struct fw_cfg_item *item)
{
    if (item->owner)
        g_bytes_unref(item->owner);
    *item = (struct fw_cfg_item){ 0 };
}

static struct fw_cfg_item item_from(GBytes *bytes)
{
    gsize size;
    const u8 *data = g_bytes_get_data(bytes, &size);

    return (struct fw_cfg_item){ .data = data ? data : (const u8 *)"", .size = (u32)size, .owner = g_bytes_ref(bytes) };
}

bool fw_cfg_add_bytes(struct device *device, u16 key, GBytes *bytes, GError **error)
{
    struct fw_cfg_item *item = item_of((struct fw_cfg *)device, key);

    if (!item || (!(key & FW_CFG_ARCH_LOCAL) && key >= FW_CFG_FILE_DIR))
        return error_set(error, "fw_cfg: there is no item 0x%x to set", key);
    if (g_bytes_get_size(bytes) > UINT32_MAX)
        return error_set(error, "fw_cfg: item 0x%x is larger than 4 GiB", key);
    item_clear(item);
    *item = item_from(bytes);
    return true;
}

static bool add_copy(struct device *device, u16 key, const void *data, size_t size, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);

    return fw_cfg_add_bytes(device, key, bytes, error);
}

static bool add_number(struct device *device, u16 key, unsigned size, u64 value, GError **error)
{
    u8 bytes[8];

    bits_store_le(bytes, size, value);
    return add_copy(device, key, bytes, size, error);
}

bool fw_cfg_add_u16(struct device *device, u16 key, u16 value, GError **error)
{
    return add_number(device, key, 2, value, error);
}

bool fw_cfg_add_u32(struct device *device, u16 key, u32 value, GError **error)
{
    return add_number(device, key, 4, value, error);
}

bool fw_cfg_add_u64(struct device *device, u16 key, u64 value, GError **error)
{
    return add_number(device, key, 8, value, error);
}

bool fw_cfg_add_string(struct device *device, u16 key, const char *text, GError **error)
{
    return add_copy(device, key, text, strlen(text) + 1, error);
}

static void file_free(void *data)
{
    struct fw_cfg_file *file = data;

    item_clear(&file->item);
    g_free(file->name);
    g_free(file);
}

/* Renews the items of files and their directory: count, then size, key, reserved, name of each, big-endian. */
static void publish_files(struct fw_cfg *cfg)
{
    u32 count = cfg->files->len, entry = 8 + FW_CFG_NAME_SIZE;
    u8 *directory = g_malloc0(4 + (size_t)count * entry);

    bits_store_be(directory, 4, count);
    for (u32 i = 0; i < count; i++) {
        const struct fw_cfg_file *file = cfg->files->pdata[i];
        u8 *at = directory + 4 + (size_t)i * entry;

        bits_store_be(at, 4, file->item.size);
        bits_store_be(at + 4, 2, FW_CFG_FILE_FIRST + i);
        memcpy(at + 8, file->name, strlen(file->name));
        cfg->items[FW_CFG_FILE_FIRST + i] = file->item;
    }
    g_autoptr(GBytes) bytes = g_bytes_new_take(directory, 4 + (size_t)count * entry);
    item_clear(&cfg->items[FW_CFG_FILE_DIR]);
    cfg->items[FW_CFG_FILE_DIR] = item_from(bytes);
}

static bool add_file(struct fw_cfg *cfg, const char *name, struct fw_cfg_item item, GError **error)
{
    u32 at = 0;

    if (strlen(name) >= FW_CFG_NAME_SIZE)
        return error_set(error, "fw_cfg: the name '%s' is longer than %d bytes", name, FW_CFG_NAME_SIZE - 1);
    if (cfg->files->len == cfg->file_slots)
        return error_set(error, "fw_cfg: no room for file '%s': at most %u (x-file-slots)", name, cfg->file_slots);
    for (; at < cfg->files->len; at++) {
        int order = strcmp(((struct fw_cfg_file *)cfg->files->pdata[at])->name, name);

        if (!order)
            return error_set(error, "fw_cfg: there is a file '%s' already", name);
        if (order > 0)
            break;
    }
    struct fw_cfg_file *file = g_new0(struct fw_cfg_file, 1);
    file->name = g_strdup(name);
    file->item = item;
    g_ptr_array_insert(cfg->files, (int)at, file);
    publish_files(cfg);
    return true;
}

bool fw_cfg_add_file(struct device *device, const char *name, const void *data, size_t size, GError **error)
{
    if (size > UINT32_MAX)
        return error_set(error, "fw_cfg: file '%s' is larger than 4 GiB", name);
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    struct fw_cfg_item item = item_from(bytes);
    if (add_file((struct fw_cfg *)device, name, item, error))
        return true;
    item_clear(&item);
    return false;
}

bool fw_cfg_add_writable_file(struct device *device, const char *name, void *data, size_t size,
                              void (*written)(void *opaque, u64 offset, u64 size), void *opaque, GError **error)
{
    struct fw_cfg_item item = { .data = data, .size = (u32)size, .writable = data, .written = written, .opaque = opaque };

    return add_file((struct fw_cfg *)device, name, item, error);
}

static void keep_fw_cfg(struct vm_object *object, void *opaque)
{
    struct device **found = opaque;

    if (vm_object_is_a(object, "fw_cfg_mem"))
        *found = (struct device *)object;
}

struct device *fw_cfg_find(struct vm *vm)
{
    struct device *found = NULL;

    vm_object_foreach(vm_root(vm), keep_fw_cfg, &found);
    return found;
}

bool fw_cfg_has_dma(const struct device *device)
{
    return ((const struct fw_cfg *)device)->dma_enabled;
}

bool fw_cfg_has_file(const struct device *device, const char *name)
{
    const GPtrArray *files = ((const struct fw_cfg *)device)->files;
    guint i = 0;

    while (i < files->len && strcmp(((const struct fw_cfg_file *)files->pdata[i])->name, name) != 0)
        i++;
    return i < files->len;
}

static bool add_sized(struct device *device, u16 size_key, u16 data_key, GBytes *bytes, GError **error)
{
    return !bytes || (fw_cfg_add_bytes(device, data_key, bytes, error) &&
                      fw_cfg_add_u32(device, size_key, (u32)g_bytes_get_size(bytes), error));
}

bool fw_cfg_add_kernel(struct device *device, GBytes *kernel, GBytes *initrd, const char *command_line, GError **error)
{
    g_autoptr(GBytes) line = command_line ? g_bytes_new(command_line, strlen(command_line) + 1) : NULL;

    return add_sized(device, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, kernel, error) &&
           add_sized(device, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA, initrd, error) &&
           add_sized(device, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA, line, error);
}

/* "xxxxxxxx-xxxx-..." to 16 bytes in the order of the text; zeros when there is none. */
static void parse_uuid(const char *text, u8 uuid[16])
{
    memset(uuid, 0, 16);
    for (u32 digits = 0; text && *text && digits < 32; text++) {
        int digit = g_ascii_xdigit_value(*text);

        if (digit >= 0) {
            uuid[digits / 2] |= (u8)(digit << (digits % 2 ? 0 : 4));
            digits++;
        }
    }
}

static bool realize(void *device, GError **error)
{
    struct fw_cfg *cfg = device;
    u8 uuid[16];

    cfg->items = g_new0(struct fw_cfg_item, 2 * (size_t)key_count(cfg));
    cfg->files = g_ptr_array_new_with_free_func(file_free);
    publish_files(cfg);
    parse_uuid(vm_uuid(cfg->device.object.vm), uuid);
    return add_copy(device, FW_CFG_SIGNATURE, "QEMU", 4, error) && fw_cfg_add_u32(device, FW_CFG_ID, cfg->dma_enabled ? 3 : 1, error) &&
           add_copy(device, FW_CFG_UUID, uuid, 16, error) && fw_cfg_add_u16(device, FW_CFG_NOGRAPHIC, 0, error) &&
           fw_cfg_add_u16(device, FW_CFG_BOOT_MENU, 0, error);
}

static void unrealize(void *device)
{
    struct fw_cfg *cfg = device;

    memset(&cfg->items[FW_CFG_FILE_FIRST], 0, cfg->file_slots * sizeof(*cfg->items)); /* the files own these */
    for (u32 i = 0; i < 2 * key_count(cfg); i++)
        item_clear(&cfg->items[i]);
    g_clear_pointer(&cfg->items, g_free);
    g_ptr_array_unref(cfg->files);
}

#include "hw/core/define.inc"
