/* hw/virtio/queue_threads.c - which iothread works on which queue of a device. */
#include "hw/virtio/queue_threads.h"
#include "base/error.h"
#include "block/iothread.h"
#include <json-c/json.h>
#include <string.h>

struct choice {
    struct queue_threads *t;
    struct vm *vm;
    u32 queues;
    bool by_turns; /* no entry has vqs */
};

static struct vm_object *find_thread(const struct choice *c, const char *id, GError **error)
{
    struct vm_object *object = vm_object_child(vm_object_child(vm_root(c->vm), "objects"), id);

    if (object && vm_object_is_a(object, "iothread"))
        return object;
    error_set(error, "iothread-vq-mapping: there is no iothread '%s'", id);
    error_hint(error, "make it with -object iothread,id=%s", id);
    return NULL;
}

/* Numbers come as text from keys with dots. */
static bool get_number(struct json_object *value, u32 *number)
{
    const char *text = json_object_get_string(value);
    char *end;
    guint64 n;

    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_string))
        return false;
    n = g_ascii_strtoull(text, &end, 10);
    *number = (u32)n;
    return end != text && !*end && *text != '-' && n <= UINT16_MAX;
}

static bool give_queue(struct choice *c, struct vm_object *thread, struct json_object *value, GError **error)
{
    u32 number;

    if (!get_number(value, &number) || number >= c->queues)
        return error_set(error, "iothread-vq-mapping: '%s' is not one of the %u queues that the device has", json_object_get_string(value), c->queues);
    if (c->t->queue[number])
        return error_set(error, "iothread-vq-mapping: queue %u is given to '%s' and to '%s'", number, c->t->queue[number]->name, thread->name);
    c->t->queue[number] = thread;
    return true;
}

static bool give_queues(struct choice *c, struct vm_object *thread, struct json_object *list, GError **error)
{
    if (!json_object_is_type(list, json_type_array))
        return error_set(error, "iothread-vq-mapping: vqs of '%s' is not a list of numbers", thread->name);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        if (!give_queue(c, thread, json_object_array_get_idx(list, i), error))
            return false;
    }
    return true;
}

static bool check_members(struct json_object *entry, GError **error)
{
    if (!json_object_is_type(entry, json_type_object))
        return error_set(error, "iothread-vq-mapping is a list of {\"iothread\": ID, \"vqs\": [NUMBER, ...]}");
    json_object_object_foreach(entry, key, unused) {
        (void)unused;
        if (strcmp(key, "iothread") && strcmp(key, "vqs"))
            return error_set(error, "iothread-vq-mapping: parameter '%s' is unexpected", key);
    }
    return true;
}

static bool add_entry(struct choice *c, struct json_object *entry, bool first, GError **error)
{
    struct json_object *id, *list;
    struct vm_object *thread;
    bool by_turns;

    if (!check_members(entry, error))
        return false;
    if (!json_object_object_get_ex(entry, "iothread", &id) || !json_object_is_type(id, json_type_string))
        return error_set(error, "iothread-vq-mapping: parameter 'iothread' is missing");
    if (!(thread = find_thread(c, json_object_get_string(id), error)))
        return false;
    if (g_ptr_array_find(c->t->threads, thread, NULL))
        return error_set(error, "iothread-vq-mapping: iothread '%s' is there twice", thread->name);
    g_ptr_array_add(c->t->threads, thread);
    by_turns = !json_object_object_get_ex(entry, "vqs", &list);
    if (!first && by_turns != c->by_turns)
        return error_set(error, "iothread-vq-mapping: either all entries have vqs, or none has");
    c->by_turns = by_turns;
    return by_turns || give_queues(c, thread, list, error);
}

static bool map(struct choice *c, struct json_object *list, GError **error)
{
    if (!json_object_is_type(list, json_type_array) || !json_object_array_length(list))
        return error_set(error, "iothread-vq-mapping is a list of {\"iothread\": ID, \"vqs\": [NUMBER, ...]}");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        if (!add_entry(c, json_object_array_get_idx(list, i), !i, error))
            return false;
    }
    for (u32 i = 0; i < c->queues; i++) {
        if (c->by_turns)
            c->t->queue[i] = c->t->threads->pdata[i % c->t->threads->len];
        if (!c->t->queue[i])
            return error_set(error, "iothread-vq-mapping: queue %u is given to nobody", i);
    }
    return true;
}

static bool choose(struct choice *c, struct vm_object *one, const char *mapping, GError **error)
{
    struct json_object *list;
    bool ok;

    if (!mapping || !*mapping) {
        g_ptr_array_add(c->t->threads, one);
        for (u32 i = 0; i < c->queues; i++)
            c->t->queue[i] = one;
        return true;
    }
    if (one)
        return error_set(error, "iothread and iothread-vq-mapping properties cannot be set at the same time");
    list = json_tokener_parse(mapping);
    ok = map(c, list, error);
    json_object_put(list);
    return ok;
}

static void forget(struct queue_threads *t)
{
    g_clear_pointer(&t->threads, g_ptr_array_unref);
    g_clear_pointer(&t->queue, g_free);
}

bool queue_threads_choose(struct queue_threads *t, struct vm *vm, struct vm_object *one, const char *mapping, u32 queues, GError **error)
{
    struct choice choice = { .t = t, .vm = vm, .queues = queues };

    if (!one && (!mapping || !*mapping))
        return true;
    *t = (struct queue_threads){ .threads = g_ptr_array_new(), .queue = g_new0(struct vm_object *, queues) };
    if (!choose(&choice, one, mapping, error)) {
        forget(t);
        return false;
    }
    for (guint i = 0; i < t->threads->len; i++)
        iothread_use(t->threads->pdata[i], 1);
    return true;
}

void queue_threads_finish(struct queue_threads *t)
{
    for (guint i = 0; t->threads && i < t->threads->len; i++)
        iothread_use(t->threads->pdata[i], -1);
    forget(t);
}

struct block_loop *queue_threads_loop(const struct queue_threads *t)
{
    return t->threads ? iothread_loop(t->threads->pdata[0]) : NULL;
}

struct block_loop *queue_threads_loop_of(const struct queue_threads *t, u32 queue)
{
    return t->queue ? iothread_loop(t->queue[queue]) : NULL;
}
