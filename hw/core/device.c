/* hw/core/device.c - instances of declared devices: life, reset, lines, timers, the busy token. */
#include "hw/core/device.h"
#include "base/error.h"
#include "hw/core/bus.h"
#include "hw/core/dispatch.h"
#include "hw/core/trace.h"
#include "vm/arena.h"
#include <string.h>

/* Something that arrived while the device was busy. */
struct queued {
    void (*fn)(void *device, u32 number, u32 level);
    void (*timer_hook)(void *device);
    u32 number, level;
};

bool device_begin(struct device *device)
{
    if (device->busy)
        return false;
    device->busy = true;
    return true;
}

static void run_queued(struct device *device)
{
    while (device->queued->len) {
        struct queued queued = g_array_index(device->queued, struct queued, 0);

        g_array_remove_index(device->queued, 0);
        if (queued.fn)
            queued.fn(device, queued.number, queued.level);
        else
            queued.timer_hook(device);
    }
}

void device_end(struct device *device)
{
    if (unlikely(device->queued->len))
        run_queued(device);
    device->busy = false;
}

static void run_or_queue(struct device *device, struct queued queued)
{
    g_array_append_val(device->queued, queued);
    if (!device_begin(device))
        return;
    device_end(device);
}

void device_run(struct device *device, void (*fn)(void *device, u32 number, u32 level), u32 number, u32 level)
{
    run_or_queue(device, (struct queued){ .fn = fn, .number = number, .level = level });
}

static void input_changed(void *opaque, u32 number, u32 level)
{
    struct device *device = opaque;
    const struct device_input_decl *input = device->decl->inputs;

    if (log_wants(vm_log(device->object.vm), LOG_TRACE))
        device_trace_line(device, input->name, number, level);
    if (input->lockless)
        input->hook(device, number, level);
    else
        device_run(device, input->hook, number, level);
}

static s64 *saved_deadline(const struct device_timer *timer)
{
    return (s64 *)((u8 *)timer->device->state + timer->decl->saved);
}

static void timer_fired(void *opaque)
{
    struct device_timer *timer = opaque;

    *saved_deadline(timer) = INT64_MAX;
    run_or_queue(timer->device, (struct queued){ .timer_hook = timer->decl->hook });
}

void device_timer_arm(struct device_timer *timer, s64 deadline)
{
    *saved_deadline(timer) = deadline;
    timer_arm(&timer->timer, deadline);
}

s64 device_timer_deadline(const struct device_timer *timer)
{
    return *saved_deadline(timer);
}

static void fill(void *at, u32 size, u32 count, u64 value)
{
    if (!value || size > 8) {
        memset(at, 0, (size_t)size * count);
        return;
    }
    for (u32 i = 0; i < count; i++)
        memcpy((u8 *)at + (size_t)i * size, &value, size);
}

static void reset_values(struct device *device)
{
    const struct device_decl *decl = device->decl;

    for (u32 i = 0; i < decl->reg_count; i++) {
        const struct device_reg *reg = &decl->regs[i];

        if (reg->stored)
            fill((u8 *)device->state + reg->state_offset, reg->width, device_reg_total(reg), reg->reset);
    }
    for (u32 i = 0; i < decl->field_count; i++) {
        const struct device_field *field = &decl->fields[i];

        if (!field->keep || !device->object.realized)
            fill((u8 *)device->state + field->offset, field->size, field->count, field->reset);
    }
    for (u32 i = 0; i < decl->timer_count; i++)
        timer_disarm(&((struct device_timer *)((u8 *)device + decl->timers[i].offset))->timer);
}

void device_reset(struct device *device)
{
    bool inside = device->busy;

    if (device->decl->before_reset)
        device->decl->before_reset(device);
    g_array_set_size(device->queued, 0);
    reset_values(device);
    if (!device->decl->on_reset)
        return;
    device->busy = true;
    device->decl->on_reset(device);
    if (!inside)
        device_end(device);
}

static void reset(void *opaque)
{
    device_reset(opaque);
}

static void init_windows(struct device *device)
{
    const struct device_decl *decl = device->decl;

    device->window = g_new0(struct device_window, MAX(decl->window_count, 1));
    for (u32 i = 0; i < decl->window_count; i++) {
        const struct device_window_decl *window = &decl->windows[i];

        device->window[i].device = device;
        device->window[i].number = i;
        device->window[i].log = vm_log(device->object.vm);
        device_dispatch_init(&device->window[i]);
        region_init_mmio(&device->window[i].region, device->object.vm, window->name, window->size,
                         device_dispatch_ops(&device->window[i]), &device->window[i]);
        device->window[i].region.owner = &device->object;
    }
}

static void init_inputs(struct device *device)
{
    for (u32 i = 0; i < device->decl->input_count; i++) {
        const struct device_input_decl *input = &device->decl->inputs[i];
        struct line *lines = (struct line *)((u8 *)device + input->offset);

        for (u32 n = 0; n < input->count; n++) {
            line_init(&lines[n], &device->object, input->name, n, input_changed, device);
            lines[n].lockless = input->lockless;
        }
    }
}

static void init_timers(struct device *device)
{
    for (u32 i = 0; i < device->decl->timer_count; i++) {
        const struct device_timer_decl *decl = &device->decl->timers[i];
        struct device_timer *timer = (struct device_timer *)((u8 *)device + decl->offset);

        timer_init(&timer->timer, device->object.vm, decl->clock, timer_fired, timer);
        timer->timer.owner = &device->object;
        timer->device = device;
        timer->decl = decl;
    }
}

static void release(struct device *device)
{
    vm_off_reset(device->object.vm, reset, device);
    for (u32 i = 0; i < device->decl->timer_count; i++)
        timer_finish(&((struct device_timer *)((u8 *)device + device->decl->timers[i].offset))->timer);
    for (u32 i = 0; i < device->decl->window_count; i++) {
        region_finish(&device->window[i].region);
        device_dispatch_finish(&device->window[i]);
    }
    g_clear_pointer(&device->window, g_free);
    if (device->queued)
        g_array_unref(device->queued);
    device->queued = NULL;
    if (device->state)
        vm_arena_free(vm_arena(device->object.vm), device->state);
    device->state = NULL;
}

static const struct device_decl *inherited_decl(const struct vm_class *class, u32 guest)
{
    while (class && !class->data)
        class = class->parent ? vm_class_find(class->parent, guest) : NULL;
    return class ? class->data : NULL;
}

static bool realize(struct vm_object *object, GError **error)
{
    struct device *device = (struct device *)object;
    g_autofree char *path = vm_object_path(object);

    if (device->bus_class && !bus_for(device, device->bus_class, error))
        return false;
    device->decl = inherited_decl(object->class, vm_guest_of(object));
    device->state = vm_arena_alloc(vm_arena(object->vm), path, device->decl->state_size + device->decl->state_extra, 64, 0, error);
    if (!device->state)
        return false;
    memcpy(device + 1, &device->state, sizeof(device->state));
    device->queued = g_array_new(FALSE, FALSE, sizeof(struct queued));
    init_windows(device);
    init_inputs(device);
    init_timers(device);
    reset_values(device);
    if (device->decl->realize && !device->decl->realize(device, error)) {
        release(device);
        return false;
    }
    vm_on_reset(object->vm, reset, device);
    return true;
}

static void unrealize(struct vm_object *object)
{
    struct device *device = (struct device *)object;

    if (device->decl->unrealize)
        device->decl->unrealize(device);
    release(device);
}

static char *get_bus(struct vm_object *object, const struct vm_property *property)
{
    const struct bus *bus = ((struct device *)object)->bus;

    return g_strdup(bus ? bus->object.name : "");
}

static bool set_bus(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct bus *bus = bus_find(object->vm, text);

    if (!bus)
        return error_set(error, "Bus '%s' not found", text);
    ((struct device *)object)->bus = bus;
    return true;
}

static const struct vm_property device_properties[] = {
    { .name = "bus", .type = VM_PROPERTY_CUSTOM, .class_name = "str", .description = "where it plugs in", .get_text = get_bus, .set_text = set_bus },
    { 0 },
};

VM_CLASS(declared_device) {
    .name = "declared-device", .parent = "device", .abstract = true, .size = sizeof(struct device),
    .description = "a device declared by rows", .properties = device_properties, .realize = realize, .unrealize = unrealize,
};

VM_CLASS(sys_bus_device) {
    .name = "sys-bus-device", .parent = "declared-device", .abstract = true, .size = sizeof(struct device),
    .description = "a device that the board places and wires",
};

static bool set_properties(struct vm_object *object, const char *properties, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(properties, ";", -1);

    for (char **part = parts; *part; part++) {
        char *equals = strchr(*part, '=');

        if (!equals)
            return error_set(error, "'%s' has no value", *part);
        *equals = 0;
        if (!vm_object_set(object, *part, equals + 1, error))
            return false;
    }
    return true;
}

static struct device *create(struct vm *vm, struct bus *bus, const char *class_name, struct vm_object *parent, const char *name,
                             const char *properties, GError **error)
{
    struct vm_object *object = vm_object_create(vm, class_name, parent, name, error);

    if (!object)
        return NULL;
    if (bus)
        ((struct device *)object)->bus = bus;
    if ((properties && !set_properties(object, properties, error)) || !vm_object_realize(object, error)) {
        error_prefix(error, "%s", class_name);
        vm_object_destroy(object);
        return NULL;
    }
    return (struct device *)object;
}

struct device *device_create(struct vm *vm, const char *class_name, struct vm_object *parent, const char *name,
                             const char *properties, GError **error)
{
    return create(vm, NULL, class_name, parent, name, properties, error);
}

struct device *device_create_on(struct bus *bus, const char *class_name, struct vm_object *parent, const char *name, const char *properties,
                                GError **error)
{
    return create(parent->vm, bus, class_name, parent, name, properties, error);
}

struct device *device_create_unattached(struct vm *vm, const char *class_name, const char *properties, GError **error)
{
    struct vm_object *parent = vm_object_resolve(vm, "/machine/unattached");

    return device_create(vm, class_name, parent ? parent : vm_root(vm), "device[*]", properties, error);
}

void device_map(struct device *device, u32 window, u64 address)
{
    region_add(space_root(vm_memory(device->object.vm)), address, &device->window[window].region, 0);
}

void device_connect(struct device *device, const char *output, struct line *line)
{
    for (u32 i = 0; i < device->decl->line_count; i++) {
        if (!strcmp(device->decl->lines[i].name, output))
            memcpy((u8 *)device + device->decl->lines[i].offset, &line, sizeof(line));
    }
}

struct line *device_input(struct device *device, const char *input, u32 number)
{
    for (u32 i = 0; i < device->decl->input_count; i++) {
        const struct device_input_decl *decl = &device->decl->inputs[i];

        if (!strcmp(decl->name, input) && number < decl->count)
            return (struct line *)((u8 *)device + decl->offset) + number;
    }
    return NULL;
}

const struct device_decl *device_decl_of(const struct vm_class *class, u32 guest)
{
    return !class->abstract && vm_class_is_a(class, "declared-device", guest) ? inherited_decl(class, guest) : NULL;
}
