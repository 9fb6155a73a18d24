/* hw/display/virtio_gpu.c - the GPU's queues and commands (virtio 1.3, 5.7). 2D; no blob resources, no capability sets. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/display/gpu_2d.h"
#include "ui/edid.h"
#include "vm/machine.h"
#include <json-c/json.h>
#include <string.h>
#define DEVICE        virtio_gpu
#define DEVICE_ROWS   "hw/display/virtio_gpu.dev"
#define VIRTIO_QUEUES 2
#define VIRTIO_MODERN_ONLY
#include "hw/virtio/declare.inc"

/* 5.7.6.7: commands, and what all messages begin with. */
enum {
    GET_DISPLAY_INFO = 0x100, CREATE_2D, UNREF, SET_SCANOUT, FLUSH, TRANSFER, ATTACH, DETACH, GET_CAPSET_INFO, GET_CAPSET, GET_EDID,
    UPDATE_CURSOR = 0x300, MOVE_CURSOR,
};
/* Bytes that are cleared or copied before others have the machine lock; one command may be more. */
enum { TURN_BYTES = 16 << 20 };
enum { HEADER = 24, FLAG_FENCE = 1, FEATURE_EDID = 1, BODY_MAX = 40, EDID_ANSWER = HEADER + 8 + 1024, INFO_ANSWER = HEADER + GPU_SCREENS * 24 };

struct command {
    struct virtio_request *request;
    u32 type, flags, context;
    u64 fence;
    u8 body[BODY_MAX]; /* zeros where the request is shorter */
    u64 size;          /* of the body, as much as there is */
};

static u32 get32(const u8 *at)
{
    return (u32)at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24;
}

static u64 get64(const u8 *at)
{
    return get32(at) | (u64)get32(at + 4) << 32;
}

static void put32(u8 *at, u32 value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (u8)(value >> (8 * i));
}

static struct gpu_rectangle rectangle(const u8 *at)
{
    return (struct gpu_rectangle){get32(at), get32(at + 4), get32(at + 8), get32(at + 12)};
}

static void answer(const struct command *command, u32 type, u8 *data, u32 size)
{
    put32(data, type);
    put32(data + 4, command->flags & FLAG_FENCE);
    put32(data + 8, command->flags & FLAG_FENCE ? (u32)command->fence : 0);
    put32(data + 12, command->flags & FLAG_FENCE ? (u32)(command->fence >> 32) : 0);
    put32(data + 16, command->context);
    virtio_request_complete(command->request, (u32)virtio_request_write(command->request, 0, data, size));
}

static void display_info(struct virtio_gpu *self, const struct command *command)
{
    u8 data[INFO_ANSWER] = {0};

    for (u32 i = 0; i < self->max_outputs; i++) {
        u8 *mode = data + HEADER + i * 24;

        put32(mode + 8, self->xres);
        put32(mode + 12, self->yres);
        put32(mode + 16, i == 0); /* the first one is on */
    }
    answer(command, GPU_OK_DISPLAY_INFO, data, sizeof(data));
}

static void monitor(struct virtio_gpu *self, const struct command *command)
{
    struct edid_screen screen = {.width = self->xres, .height = self->yres};
    u8 data[EDID_ANSWER] = {0};

    if (!self->edid || get32(command->body) >= self->max_outputs) {
        answer(command, self->edid ? GPU_INVALID_PARAMETER : GPU_UNSPECIFIED, data, HEADER);
        return;
    }
    screen.name = self->name[get32(command->body)];
    put32(data + HEADER, EDID_SIZE);
    edid_make(&screen, data + HEADER + 8);
    answer(command, GPU_OK_EDID, data, sizeof(data));
}

/* 5.7.6.8: the entries follow the command; they are copied once. */
static u32 attach(struct virtio_gpu *self, const struct command *command)
{
    u32 count = get32(command->body + 4);

    if (!count || count > GPU_ENTRIES_MAX || command->size < 8 + count * UINT64_C(16))
        return GPU_UNSPECIFIED;
    g_autofree u8 *entries = g_malloc(count * 16);
    g_autofree struct gpu_page *pages = g_new(struct gpu_page, count);
    virtio_request_read(command->request, HEADER + 8, entries, count * UINT64_C(16));
    for (u32 i = 0; i < count; i++)
        pages[i] = (struct gpu_page){get64(entries + i * 16), get32(entries + i * 16 + 8)};
    return gpu_attach(&self->gpu, get32(command->body), pages, count);
}

/* Commands that are answered by a type alone. */
static u32 carry_out(struct virtio_gpu *self, const struct command *command)
{
    const u8 *body = command->body;
    struct gpu_rectangle where = rectangle(body);

    self->gpu.space = self->virtio.space;
    switch (command->type) {
    case CREATE_2D:
        return gpu_create(&self->gpu, get32(body), get32(body + 4), get32(body + 8), get32(body + 12));
    case UNREF:
        return gpu_unref(&self->gpu, get32(body));
    case SET_SCANOUT:
        return gpu_set_scanout(&self->gpu, get32(body + 16), get32(body + 20), &where);
    case FLUSH:
        return gpu_flush(&self->gpu, get32(body + 16), &where);
    case TRANSFER:
        return gpu_transfer(&self->gpu, get32(body + 24), &where, get64(body + 16));
    case ATTACH:
        return attach(self, command);
    case DETACH:
        return gpu_detach(&self->gpu, get32(body));
    default:
        return GPU_UNSPECIFIED;
    }
}

static bool read_command(struct command *command, struct virtio_request *request)
{
    u8 header[HEADER];

    if (virtio_request_read(request, 0, header, HEADER) < HEADER)
        return false;
    *command = (struct command){.request = request, .type = get32(header), .flags = get32(header + 4), .context = get32(header + 16),
                                .fence = get64(header + 8), .size = request->read_size - HEADER};
    virtio_request_read(request, HEADER, command->body, BODY_MAX);
    return true;
}

static void handle(void *device, struct virtio_queue *queue)
{
    struct virtio_gpu *self = device;
    struct virtio_request *request;
    struct command command;
    u8 data[HEADER] = {0};

    self->gpu.moved = 0;
    while ((request = virtio_queue_pop(queue))) {
        if (!read_command(&command, request)) {
            u32 size = request->read_size;

            virtio_request_complete(request, 0);
            virtio_fail(&self->virtio, "a command of %u bytes", size);
            return;
        }
        if (command.type == GET_DISPLAY_INFO)
            display_info(self, &command);
        else if (command.type == GET_EDID)
            monitor(self, &command);
        else
            answer(&command, carry_out(self, &command), data, HEADER);
        if (self->gpu.moved >= TURN_BYTES)
            virtio_queue_end_turn(queue);
    }
}

/* The guest's cursor is not part of pictures; commands about it are taken. */
static void handle_cursor(void *device, struct virtio_queue *queue)
{
    struct virtio_request *request;

    while ((request = virtio_queue_pop(queue)))
        virtio_request_complete(request, 0);
}

static void clear_events(void *device, u32 index, u64 value)
{
    ((struct virtio_gpu *)device)->state->events_read &= ~(u32)value;
}

static u64 read_scanouts(void *device, u32 index)
{
    return ((struct virtio_gpu *)device)->max_outputs;
}

static u64 offer(void *device)
{
    return ((struct virtio_gpu *)device)->edid ? BIT64(FEATURE_EDID) : 0;
}

static void reset(void *device)
{
    gpu_reset(&((struct virtio_gpu *)device)->gpu);
}

static void unrealize(void *device)
{
    struct virtio_gpu *self = device;

    gpu_finish(&self->gpu);
    for (u32 i = 0; i < self->max_outputs; i++) {
        g_clear_pointer(&self->gpu.screen[i].console, console_destroy);
        g_clear_pointer(&self->name[i], g_free);
    }
    virtio_device_finish(&self->virtio);
}

/* As people call it: the PCI function that it is on, if any. */
static const char *name_of(const struct virtio_gpu *self)
{
    const struct vm_object *object = &self->device.object;

    return vm_object_is_a(object->parent, "device") ? object->parent->name : object->name;
}

static bool take_name(struct virtio_gpu *self, size_t index, struct json_object *entry, GError **error)
{
    struct json_object *name;

    if (index >= self->max_outputs)
        return error_set(error, "invalid outputs > %u", self->max_outputs);
    if (!json_object_is_type(entry, json_type_object))
        return error_set(error, "Invalid parameter type for 'outputs[%zu]', expected: object", index);
    if (!json_object_object_get_ex(entry, "name", &name))
        return error_set(error, "Parameter 'outputs[%zu].name' is missing", index);
    json_object_object_foreach(entry, key, unused) {
        (void)unused;
        if (strcmp(key, "name"))
            return error_set(error, "Parameter 'outputs[%zu].%s' is unexpected", index, key);
    }
    if (!json_object_is_type(name, json_type_string))
        return error_set(error, "Invalid parameter type for 'outputs[%zu].name', expected: string", index);
    if (json_object_get_string_len(name) > EDID_NAME)
        return error_set(error, "invalid output name '%s' > %d", json_object_get_string(name), EDID_NAME);
    self->name[index] = g_strdup(json_object_get_string(name));
    return true;
}

static bool take_names(struct virtio_gpu *self, GError **error)
{
    struct json_object *list = self->outputs && *self->outputs ? json_tokener_parse(self->outputs) : NULL;
    bool ok = !self->outputs || !*self->outputs || json_object_is_type(list, json_type_array) ||
              error_set(error, "Invalid parameter type for 'outputs', expected: array");

    for (size_t i = 0; ok && list && i < json_object_array_length(list); i++)
        ok = take_name(self, i, json_object_array_get_idx(list, i), error);
    json_object_put(list);
    for (u32 i = 0; !ok && i < self->max_outputs; i++)
        g_clear_pointer(&self->name[i], g_free);
    return ok;
}

static bool realize(void *device, GError **error)
{
    struct virtio_gpu *self = device;

    if (self->blob || self->hostmem)
        return error_set(error, "blob resources are not in Mynah yet: leave out blob= and hostmem=");
    if (!take_names(self, error))
        return false;
    virtio_start(self);
    self->control = virtio_queue_add(&self->virtio, 256, handle);
    self->cursor = virtio_queue_add(&self->virtio, 16, handle_cursor);
    gpu_init(&self->gpu, self->max_outputs, self->max_hostmem);
    for (u32 i = 0; i < self->max_outputs; i++)
        self->gpu.screen[i].console = console_create(vm_backend(self->device.object.vm, "ui", 0), name_of(self), i, NULL, NULL);
    return true;
}

#include "hw/virtio/define.inc"
