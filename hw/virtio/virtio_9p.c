/* hw/virtio/virtio_9p.c - 9P messages between a queue and the server, which has a thread of its own. */
#include "base/error.h"
#include "fs/devices.h"
#include "fs/worker.h"
#include "hw/virtio/virtio.h"
#include "vm/inbox.h"
#include "vm/machine.h"
#include "vm/vm.h"
#include <string.h>

enum { P9_MOUNT_TAG = 0, TAG_MAX = 32, QUEUE_SIZE = 128, IN_FLIGHT_MAX = 16 * MIB };

struct p9_request {
    struct virtio_request request;
    u64 cost;
};

#define DEVICE        virtio_9p
#define DEVICE_ROWS   "hw/virtio/virtio_9p.dev"
#define VIRTIO_QUEUES 1
#include "hw/virtio/declare.inc"

static void handle(void *device, struct virtio_queue *queue)
{
    struct virtio_9p *self = device;
    struct p9_request *request;

    while (self->in_flight < IN_FLIGHT_MAX && (request = virtio_queue_pop(queue))) {
        u32 size = (u32)MIN(request->request.read_size, P9_MESSAGE_MAX), room = (u32)MIN(request->request.write_size, P9_MESSAGE_MAX);
        GByteArray *message = g_byte_array_sized_new(size);

        request->cost = (u64)size + room;
        self->in_flight += request->cost;
        g_byte_array_set_size(message, size);
        virtio_request_read(&request->request, 0, message->data, size);
        p9_worker_submit(self->worker, message, room, request);
    }
}

/* What the worker gives back. */
struct outcome {
    struct p9_request *request;
    GByteArray *answer; /* NULL: none */
};

static void free_outcome(gpointer data)
{
    struct outcome *outcome = data;

    if (outcome->answer)
        g_byte_array_unref(outcome->answer);
    g_free(outcome);
}

static void finish(struct virtio_9p *self, const struct outcome *outcome)
{
    struct virtio_request *request = &outcome->request->request;
    bool stale = virtio_request_is_stale(request);
    u32 written = 0;

    self->in_flight -= outcome->request->cost;
    if (outcome->answer && !stale)
        written = (u32)virtio_request_write(request, 0, outcome->answer->data, outcome->answer->len);
    virtio_request_complete(request, written);
    if (!outcome->answer && !stale)
        virtio_fail(&self->virtio, "what came is no 9P message, or there is no room for an answer");
}

static void take_outcomes(void *device, u32 number, u32 level)
{
    struct virtio_9p *self = device;
    struct outcome *outcome;

    while (!self->still && (outcome = g_async_queue_try_pop(self->outcomes))) {
        finish(self, outcome);
        free_outcome(outcome);
    }
    if (!self->still && virtio_queue_is_ready(self->requests))
        handle(self, self->requests);
}

static void finished(void *opaque, const void *payload, u32 size)
{
    device_run(opaque, take_outcomes, 0, 0);
}

/* The worker's thread. */
static void done(void *opaque, void *request, GByteArray *answer)
{
    struct virtio_9p *self = opaque;
    struct outcome *outcome = g_new(struct outcome, 1);

    *outcome = (struct outcome){ request, answer };
    g_async_queue_push(self->outcomes, outcome);
    inbox_post(self->device.object.vm, &self->device.object, finished, &self->device, NULL, 0);
}

/* Whatever the folder takes its time for, nobody waits: the guest finds its answers once the machine goes on. */
static void on_vm_event(const struct vm_event *event, void *opaque)
{
    struct virtio_9p *self = opaque;

    if (event->kind != VM_EVENT_STOP && event->kind != VM_EVENT_RESUME)
        return;
    self->still = event->kind == VM_EVENT_STOP;
    p9_worker_pause(self->worker, self->still);
    device_run(&self->device, take_outcomes, 0, 0);
}

static u64 read_tag(void *device, u32 index)
{
    const char *tag = ((struct virtio_9p *)device)->mount_tag;

    return index < strlen(tag) ? (u8)tag[index] : 0;
}

static void set_length(struct virtio_9p *self)
{
    self->state->tag_length = (u16)strlen(self->mount_tag);
}

/* Requests under way come back later and are dropped then. */
static void reset(void *device)
{
    struct virtio_9p *self = device;

    set_length(self);
    p9_worker_reset(self->worker);
}

static bool check(struct virtio_9p *self, GError **error)
{
    if (!self->fsdev)
        return error_set(error, "property 'fsdev' is needed: the id of -fsdev local,id=ID,path=FOLDER,security_model=none");
    if (!self->mount_tag || !*self->mount_tag)
        return error_set(error, "property 'mount_tag' is needed: the name by which the guest mounts it");
    if (strlen(self->mount_tag) > TAG_MAX)
        return error_set(error, "mount_tag '%s' has more than %d bytes", self->mount_tag, TAG_MAX);
    return true;
}

static void unrealize(void *device)
{
    struct virtio_9p *self = device;

    vm_off_event(self->device.object.vm, on_vm_event, self);
    g_clear_pointer(&self->worker, p9_worker_destroy);
    g_clear_pointer(&self->outcomes, g_async_queue_unref);
    virtio_device_finish(&self->virtio);
}

static bool realize(void *device, GError **error)
{
    struct virtio_9p *self = device;
    const struct fs_options *options;

    virtio_start(self);
    self->outcomes = g_async_queue_new_full(free_outcome);
    self->requests = virtio_queue_add(&self->virtio, QUEUE_SIZE, handle);
    if (!check(self, error)) {
        unrealize(device);
        return false;
    }
    options = fs_devices_find(vm_backend(self->device.object.vm, "fsdevs", 0), self->fsdev, error);
    self->worker = options ? p9_worker_create(options, done, self, error) : NULL;
    if (!self->worker) {
        unrealize(device);
        return error_prefix(error, "fsdev=%s", self->fsdev);
    }
    set_length(self);
    vm_on_event(self->device.object.vm, on_vm_event, self);
    return true;
}

#include "hw/virtio/define.inc"
