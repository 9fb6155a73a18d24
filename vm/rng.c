/* vm/rng.c - sources of entropy: the emulator's own, and a file or device of the host. */
#include "vm/rng.h"
#include "base/error.h"
#include "host/fd.h"
#include "vm/clock.h"
#include "vm/vm.h"
#include <string.h>

struct request {
    struct vm_object *owner;
    inbox_hook *hook;
    void *opaque;
    u32 size;
};

struct rng_backend {
    struct vm_object object;
    char *filename;   /* rng-random */
    int fd;           /* -1: rng-builtin */
    GIOChannel *channel;
    GSource *source;  /* waits for bytes; NULL while nobody does */
    GQueue waiting;   /* struct request */
};

static struct rng_backend *backend_of(struct vm_object *object)
{
    return container_of(object, struct rng_backend, object);
}

static void answer(struct rng_backend *rng, const struct request *request, const u8 *bytes, u32 size)
{
    inbox_post(rng->object.vm, request->owner, request->hook, request->opaque, bytes, size);
}

static void answer_first(struct rng_backend *rng, const u8 *bytes, u32 size)
{
    struct request *request = g_queue_pop_head(&rng->waiting);

    answer(rng, request, bytes, size);
    g_free(request);
}

static void stop_waiting(struct rng_backend *rng)
{
    if (!rng->source)
        return;
    g_source_destroy(rng->source);
    g_clear_pointer(&rng->source, g_source_unref);
}

static gboolean readable(GIOChannel *channel, GIOCondition condition, gpointer opaque)
{
    struct rng_backend *rng = opaque;
    u8 bytes[RNG_MOST];

    while (rng->waiting.head) {
        s64 size = host_fd_read(rng->fd, bytes, ((struct request *)rng->waiting.head->data)->size);

        if (size < 0)
            return G_SOURCE_CONTINUE; /* not now */
        answer_first(rng, bytes, (u32)size);
    }
    stop_waiting(rng);
    return G_SOURCE_REMOVE;
}

static void wait_for_bytes(struct rng_backend *rng)
{
    if (rng->source)
        return;
    rng->source = g_io_create_watch(rng->channel, G_IO_IN | G_IO_HUP | G_IO_ERR);
    g_source_set_callback(rng->source, G_SOURCE_FUNC(readable), rng, NULL);
    g_source_attach(rng->source, vm_context(rng->object.vm));
}

void rng_request(struct vm_object *object, u32 size, struct vm_object *owner, inbox_hook *hook, void *opaque)
{
    struct rng_backend *rng = backend_of(object);
    struct request request = { owner, hook, opaque, MIN(MAX(size, 1), RNG_MOST) };

    if (rng->fd < 0) {
        u8 bytes[RNG_MOST];

        vm_random(object->vm, bytes, request.size);
        answer(rng, &request, bytes, request.size);
        return;
    }
    g_queue_push_tail(&rng->waiting, g_memdup2(&request, sizeof(request)));
    wait_for_bytes(rng);
}

void rng_forget(struct vm_object *object, struct vm_object *owner, inbox_hook *hook)
{
    struct rng_backend *rng = backend_of(object);

    for (GList *l = rng->waiting.head, *next; l; l = next) {
        next = l->next;
        if (((struct request *)l->data)->owner != owner || ((struct request *)l->data)->hook != hook)
            continue;
        g_free(l->data);
        g_queue_delete_link(&rng->waiting, l);
    }
    if (!rng->waiting.head)
        stop_waiting(rng);
    inbox_forget(object->vm, owner, hook);
}

static void init(struct vm_object *object)
{
    backend_of(object)->fd = -1;
    g_queue_init(&backend_of(object)->waiting);
}

static bool open_file(struct vm_object *object, GError **error)
{
    struct rng_backend *rng = backend_of(object);

    if (!rng->filename || !*rng->filename)
        return error_set(error, "property 'filename' is needed");
    rng->fd = host_fd_open_for_reading(rng->filename, error);
    if (rng->fd < 0)
        return false;
    rng->channel = g_io_channel_unix_new(rng->fd);
    return true;
}

static void finish(struct vm_object *object)
{
    struct rng_backend *rng = backend_of(object);

    stop_waiting(rng);
    g_queue_clear_full(&rng->waiting, g_free);
    g_clear_pointer(&rng->channel, g_io_channel_unref);
    host_fd_close(rng->fd);
}

VM_CLASS(rng_backend) {
    .name = "rng-backend", .parent = "user-creatable", .abstract = true, .description = "a source of entropy",
    .size = sizeof(struct rng_backend), .init = init, .finish = finish,
};

VM_CLASS(rng_builtin) {
    .name = "rng-builtin", .parent = "rng-backend", .description = "entropy from the emulator", .size = sizeof(struct rng_backend),
    .user_creatable = true,
};

static const struct vm_property random_properties[] = {
    { "filename", VM_PROPERTY_STRING, "file or device to read", .offset = offsetof(struct rng_backend, filename),
      .default_text = "/dev/urandom" },
    { 0 },
};

VM_CLASS(rng_random) {
    .name = "rng-random", .parent = "rng-backend", .description = "entropy from a file or device of the host",
    .size = sizeof(struct rng_backend), .user_creatable = true, .properties = random_properties, .realize = open_file,
};
