/* hw/core/dispatch.c - from an access in a window to the declared register. */
#include "hw/core/dispatch.h"
#include "base/bits.h"
#include "hw/core/trace.h"
#include <inttypes.h>

enum { MAPPED_WINDOW = 512 }; /* windows up to this size get a table by offset */

u32 device_reg_total(const struct device_reg *reg)
{
    return MAX(reg->count, 1) * MAX(reg->rows, 1);
}

/* Splits an offset into element and byte within it. */
static bool reg_holds(const struct device_reg *reg, u64 offset, u32 *index, u32 *byte)
{
    u64 at = offset - reg->offset, row = 0, column = 0;

    if (offset < reg->offset)
        return false;
    if (reg->rows) {
        row = at / reg->row_stride;
        at %= reg->row_stride;
        if (row >= reg->rows)
            return false;
    }
    if (reg->count) {
        column = at / reg->stride;
        at %= reg->stride;
        if (column >= reg->count)
            return false;
    }
    *index = (u32)(row * MAX(reg->count, 1) + column);
    *byte = (u32)at;
    return at < reg->width;
}

static const struct device_reg *search(const struct device_window *window, u64 offset, enum device_access way, u32 *index, u32 *byte)
{
    const struct device_decl *decl = window->device->decl;

    for (u32 i = 0; i < decl->reg_count; i++) {
        const struct device_reg *reg = &decl->regs[i];

        if (reg->window == window->number && (reg->access & way) && reg_holds(reg, offset, index, byte))
            return reg;
    }
    return NULL;
}

static const struct device_reg *find(const struct device_window *window, u64 offset, enum device_access way, u32 *index, u32 *byte)
{
    const u8 *map = way == DEVICE_RO ? window->read_map : window->write_map;
    const struct device_reg *reg;

    if (map) {
        if (offset >= window->device->decl->windows[window->number].size || !map[offset])
            return NULL;
        reg = &window->device->decl->regs[map[offset] - 1];
        return reg_holds(reg, offset, index, byte) ? reg : NULL;
    }
    return search(window, offset, way, index, byte);
}

static void *element(const struct device *device, const struct device_reg *reg, u32 index)
{
    return (u8 *)device->state + reg->state_offset + (size_t)index * reg->width;
}

static u64 load(const void *p, unsigned width)
{
    switch (width) {
    case 1:
        return __atomic_load_n((const u8 *)p, __ATOMIC_ACQUIRE);
    case 2:
        return __atomic_load_n((const u16 *)p, __ATOMIC_ACQUIRE);
    case 4:
        return __atomic_load_n((const u32 *)p, __ATOMIC_ACQUIRE);
    default:
        return __atomic_load_n((const u64 *)p, __ATOMIC_ACQUIRE);
    }
}

static void store(void *p, unsigned width, u64 value)
{
    switch (width) {
    case 1:
        __atomic_store_n((u8 *)p, (u8)value, __ATOMIC_SEQ_CST);
        break;
    case 2:
        __atomic_store_n((u16 *)p, (u16)value, __ATOMIC_SEQ_CST);
        break;
    case 4:
        __atomic_store_n((u32 *)p, (u32)value, __ATOMIC_SEQ_CST);
        break;
    default:
        __atomic_store_n((u64 *)p, value, __ATOMIC_SEQ_CST);
        break;
    }
}

static u64 low_mask(unsigned bytes)
{
    return ~UINT64_C(0) >> (64 - 8 * bytes);
}

static u64 reg_value(struct device *device, const struct device_reg *reg, u32 index)
{
    u64 value;

    if (reg->on_read)
        return reg->on_read(device, index);
    if (!reg->stored)
        return reg->reset;
    value = load(element(device, reg, index), reg->width);
    if (reg->access == DEVICE_RC)
        store(element(device, reg, index), reg->width, 0);
    return value;
}

static void reg_write(struct device *device, const struct device_reg *reg, u32 index, u64 value)
{
    u64 mask = reg->mask ? reg->mask : low_mask(reg->width);

    if (reg->stored) {
        u64 old = load(element(device, reg, index), reg->width);
        u64 new = reg->access == DEVICE_W1C ? old & ~(value & mask) : (old & ~mask) | (value & mask);

        store(element(device, reg, index), reg->width, new);
    }
    if (reg->on_write)
        reg->on_write(device, index, value);
}

static bool takes(const struct device_reg *reg, u32 byte, unsigned size)
{
    if (reg->parts)
        return byte + size <= reg->width;
    return (reg->sizes ? reg->sizes : reg->width) & size;
}

static bool exists(struct device *device, const struct device_reg *reg, u32 index)
{
    return !reg->live || index < reg->live(device);
}

static void complain(const struct device_window *window, const char *what, const char *why, u64 offset, unsigned size)
{
    device_guest_error(window->device, "%s: %s of %u bytes at offset 0x%" PRIx64 ": %s",
                       window->device->decl->windows[window->number].name, what, size, offset, why);
}

enum mem_result device_dispatch_read(struct device_window *window, u64 offset, unsigned size, u64 *value)
{
    struct device *device = window->device;
    u32 index, byte;
    const struct device_reg *reg = find(window, offset, DEVICE_RO, &index, &byte);

    *value = 0;
    if (!reg || !exists(device, reg, index)) {
        complain(window, "read", "there is no such register", offset, size);
        return MEM_OK;
    }
    if (!takes(reg, byte, size)) {
        complain(window, "read", "the register does not take this size", offset, size);
        return MEM_ERROR;
    }
    *value = reg_value(device, reg, index) >> (8 * byte) & low_mask(size);
    if (log_wants(window->log, LOG_TRACE))
        device_trace_access(window, reg->name, "read", index, offset, size, *value);
    return MEM_OK;
}

enum mem_result device_dispatch_write(struct device_window *window, u64 offset, unsigned size, u64 value)
{
    struct device *device = window->device;
    u32 index, byte;
    const struct device_reg *reg = find(window, offset, DEVICE_WO, &index, &byte);

    if (!reg || !exists(device, reg, index)) {
        complain(window, "write", "there is no such register", offset, size);
        return MEM_OK;
    }
    if (!takes(reg, byte, size)) {
        complain(window, "write", "the register does not take this size", offset, size);
        return MEM_ERROR;
    }
    if (log_wants(window->log, LOG_TRACE))
        device_trace_access(window, reg->name, "write", index, offset, size, value);
    if (reg->on_sized_write) {
        if (byte == 0)
            reg->on_sized_write(device, index, value & low_mask(size), size);
        return MEM_OK;
    }
    if (size < reg->width) {
        u64 keep = ~(low_mask(size) << (8 * byte));
        u64 old = reg->access == DEVICE_W1C ? 0 : reg_value(device, reg, index);

        value = (old & keep) | value << (8 * byte);
    }
    reg_write(device, reg, index, value & low_mask(reg->width));
    return MEM_OK;
}

static enum mem_result locked_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct device_window *window = opaque;

    if (!device_begin(window->device)) {
        complain(window, "read", "the device is busy", offset, size);
        *value = ~UINT64_C(0);
        return MEM_OK;
    }
    enum mem_result result = device_dispatch_read(window, offset, size, value);
    device_end(window->device);
    return result;
}

static enum mem_result locked_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct device_window *window = opaque;

    if (!device_begin(window->device)) {
        complain(window, "write", "the device is busy", offset, size);
        return MEM_OK;
    }
    enum mem_result result = device_dispatch_write(window, offset, size, value);
    device_end(window->device);
    return result;
}

static enum mem_result lockless_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    return device_dispatch_read(opaque, offset, size, value);
}

static enum mem_result lockless_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    return device_dispatch_write(opaque, offset, size, value);
}

static const struct region_ops locked_ops = { .read = locked_read, .write = locked_write };
static const struct region_ops lockless_ops = { .read = lockless_read, .write = lockless_write, .lockless = true };
static const struct region_ops message_ops = { .read = lockless_read, .write = lockless_write, .lockless = true, .messages = true };

/* Windows with .ops: the device does all, its hooks get the device. */

static const struct device_window_decl *declaration(const struct device_window *window)
{
    return &window->device->decl->windows[window->number];
}

static enum mem_result raw_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct device_window *window = opaque;
    const struct device_window_decl *decl = declaration(window);
    enum mem_result result = decl->ops->read(window->device, offset, size, value);

    if (log_wants(window->log, LOG_TRACE))
        device_trace_access(window, decl->id, "read", 0, offset, size, *value & low_mask(size));
    return result;
}

static enum mem_result raw_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct device_window *window = opaque;
    const struct device_window_decl *decl = declaration(window);

    if (log_wants(window->log, LOG_TRACE))
        device_trace_access(window, decl->id, "write", 0, offset, size, value);
    return decl->ops->write(window->device, offset, size, value);
}

const struct region_ops *device_dispatch_ops(struct device_window *window)
{
    const struct device_window_decl *decl = declaration(window);

    if (!decl->ops)
        return decl->messages ? &message_ops : decl->lockless ? &lockless_ops : &locked_ops;
    window->ops = *decl->ops;
    window->ops.read = raw_read;
    window->ops.write = raw_write;
    return &window->ops;
}

static u8 *make_map(const struct device_window *window, enum device_access way)
{
    const struct device_decl *decl = window->device->decl;
    u64 size = decl->windows[window->number].size;
    u8 *map = g_new0(u8, size);

    for (u64 offset = 0; offset < size; offset++) {
        u32 index, byte;
        const struct device_reg *reg = search(window, offset, way, &index, &byte);

        map[offset] = reg ? (u8)(reg - decl->regs + 1) : 0;
    }
    return map;
}

static bool has_regs(const struct device_window *window)
{
    for (u32 i = 0; i < window->device->decl->reg_count; i++) {
        if (window->device->decl->regs[i].window == window->number)
            return true;
    }
    return false;
}

void device_dispatch_init(struct device_window *window)
{
    const struct device_decl *decl = window->device->decl;

    if (decl->windows[window->number].size > MAPPED_WINDOW || decl->reg_count > 254 || !has_regs(window))
        return;
    window->read_map = make_map(window, DEVICE_RO);
    window->write_map = make_map(window, DEVICE_WO);
}

void device_dispatch_finish(struct device_window *window)
{
    g_free(window->read_map);
    g_free(window->write_map);
}
