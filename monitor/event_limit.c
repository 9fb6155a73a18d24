/*
 * monitor/event_limit.c - events that guests can cause as often as they like: of each kind one in a second. The first goes at once; of those
 * that follow within a second the last one goes at its end.
 */
#include "api/types.h"
#include "monitor/internal.h"
#include "vm/clock.h"
#include <json-c/json.h>
#include <string.h>

static const s64 pause_ns = 1000000000;

/* A kind of events of which one has just been sent. */
struct recent {
    struct monitor_set *set;
    const char *name;
    struct json_object *data;
    bool held; /* one waits, with this data */
    struct timer timer;
    char *key;
};

static const struct api_event_limit *limit_of(const char *name)
{
    const struct api_event_limit *limit = api_event_limits;

    while (limit->name && strcmp(limit->name, name))
        limit++;
    return limit->name ? limit : NULL;
}

/* Which events are of one kind: name, and the value of the member that tells them apart. */
static char *key_of(const struct api_event_limit *limit, struct json_object *data)
{
    struct json_object *value = NULL;

    if (limit->member)
        json_object_object_get_ex(data, limit->member, &value);
    return g_strconcat(limit->name, value ? " " : NULL, value ? json_object_get_string(value) : NULL, NULL);
}

static void free_recent(void *opaque)
{
    struct recent *recent = opaque;

    timer_finish(&recent->timer);
    json_object_put(recent->data);
    g_free(recent->key);
    g_free(recent);
}

static void rest(struct recent *recent)
{
    timer_arm(&recent->timer, vm_clock_now(recent->set->vm, VM_CLOCK_REALTIME) + pause_ns);
}

static void send_held(struct recent *recent)
{
    recent->held = false;
    monitor_send_event(recent->set, recent->name, g_steal_pointer(&recent->data));
    rest(recent);
}

static void second_is_over(void *opaque)
{
    struct recent *recent = opaque;

    if (recent->held)
        send_held(recent);
    else
        g_hash_table_remove(recent->set->recent, recent->key);
}

void monitor_send_held_events(struct monitor_set *set)
{
    GHashTableIter iter;
    void *recent;

    g_hash_table_iter_init(&iter, set->recent);
    while (g_hash_table_iter_next(&iter, NULL, &recent))
        if (((struct recent *)recent)->held)
            send_held(recent);
}

static void remember(struct monitor_set *set, const char *name, char *key)
{
    struct recent *recent = g_new0(struct recent, 1);

    *recent = (struct recent){ .set = set, .name = name, .key = key };
    timer_init(&recent->timer, set->vm, VM_CLOCK_REALTIME, second_is_over, recent);
    g_hash_table_insert(set->recent, recent->key, recent);
    rest(recent);
}

bool monitor_event_waits(struct monitor_set *set, const char *name, struct json_object *data)
{
    const struct api_event_limit *limit = limit_of(name);
    g_autofree char *key = limit ? key_of(limit, data) : NULL;
    struct recent *recent = limit ? g_hash_table_lookup(set->recent, key) : NULL;

    if (limit && !recent)
        remember(set, limit->name, g_steal_pointer(&key));
    if (!recent)
        return false;
    json_object_put(recent->data);
    recent->data = data;
    recent->held = true;
    return true;
}

void monitor_event_limit_init(struct monitor_set *set)
{
    set->recent = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_recent);
}

void monitor_event_limit_finish(struct monitor_set *set)
{
    g_clear_pointer(&set->recent, g_hash_table_unref);
}
