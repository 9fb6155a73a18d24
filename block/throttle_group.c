/* block/throttle_group.c - groups of members that share limits, and how their requests wait. */
#include "block/driver.h"
#include "block/throttle.h"
#include "host/clock.h"
#include "host/lock.h"
#include <string.h>

/* A request that waits looks this often (ns) whether limits have changed, or a clock that is not the host's has moved. */
static const s64 look_again = 100000000, look_at_clock = 1000000;

struct throttle_group {
    struct block_graph *graph;
    char *name;
    unsigned refs;
    u32 *users; /* of the object that made it, or NULL */
    bool active; /* atomic: there are limits */
    struct host_lock lock;
    struct throttle throttle; /* from here on under the lock */
    u32 generation;           /* of the limits */
};

static s64 time_of(const struct throttle_group *group)
{
    const struct throttle_clock *clock = block_graph_throttle_clock(group->graph);

    return clock->now ? clock->now(clock->opaque) : host_clock_monotonic();
}

void throttle_set_clock(struct block_graph *graph, struct throttle_clock clock)
{
    GPtrArray *groups = block_graph_throttle_groups(graph);

    *block_graph_throttle_clock(graph) = clock;
    for (guint i = 0; i < groups->len; i++) {
        struct throttle_group *group = groups->pdata[i];

        group->throttle.then = time_of(group);
    }
}

struct throttle_group *throttle_group_find(struct block_graph *graph, const char *name)
{
    GPtrArray *groups = block_graph_throttle_groups(graph);

    for (guint i = 0; i < groups->len; i++) {
        struct throttle_group *group = groups->pdata[i];

        if (!strcmp(group->name, name))
            return group;
    }
    return NULL;
}

struct throttle_group *throttle_group_get(struct block_graph *graph, const char *name)
{
    struct throttle_group *group = throttle_group_find(graph, name);

    if (!group) {
        group = g_new0(struct throttle_group, 1);
        group->graph = graph;
        group->name = g_strdup(name);
        group->throttle.limits = throttle_limits_none();
        host_lock_init(&group->lock, LOCK_RANK_LEAF);
        g_ptr_array_add(block_graph_throttle_groups(graph), group);
    }
    group->refs++;
    if (group->users)
        ++*group->users;
    return group;
}

void throttle_group_count_users(struct throttle_group *group, u32 *users)
{
    group->users = users;
}

void throttle_group_put(struct throttle_group *group)
{
    if (group && group->users)
        --*group->users;
    if (!group || --group->refs)
        return;
    g_ptr_array_remove(block_graph_throttle_groups(group->graph), group);
    host_lock_finish(&group->lock);
    g_free(group->name);
    g_free(group);
}

const char *throttle_group_name(const struct throttle_group *group)
{
    return group->name;
}

void throttle_group_set(struct throttle_group *group, const struct throttle_limits *limits)
{
    host_lock_take(&group->lock);
    group->throttle = (struct throttle){ .limits = *limits, .then = time_of(group) };
    group->generation++;
    host_lock_drop(&group->lock);
    __atomic_store_n(&group->active, throttle_limits_any(limits), __ATOMIC_RELEASE);
}

struct throttle_limits throttle_group_limits(struct throttle_group *group)
{
    struct throttle_limits limits;

    host_lock_take(&group->lock);
    limits = group->throttle.limits;
    host_lock_drop(&group->lock);
    return limits;
}

static s64 admit(struct throttle_group *group, bool write, u64 bytes, u32 *generation)
{
    s64 start;

    host_lock_take(&group->lock);
    start = throttle_admit(&group->throttle, write, bytes, time_of(group));
    *generation = group->generation;
    host_lock_drop(&group->lock);
    return start;
}

static bool is_of_now(struct throttle_group *group, u32 generation)
{
    bool same;

    host_lock_take(&group->lock);
    same = group->generation == generation;
    host_lock_drop(&group->lock);
    return same;
}

static bool in_hurry(const struct throttle_member *member)
{
    return __atomic_load_n(&member->hurry, __ATOMIC_ACQUIRE);
}

static bool is_cancelled(const bool *cancelled)
{
    return cancelled && __atomic_load_n(cancelled, __ATOMIC_ACQUIRE);
}

/* False: the limits have changed. */
static bool wait_until(struct throttle_member *member, struct block_loop *loop, s64 start, u32 generation, const bool *cancelled)
{
    bool foreign = block_graph_throttle_clock(member->group->graph)->now != NULL;

    for (s64 now; (now = time_of(member->group)) < start && !in_hurry(member) && !is_cancelled(cancelled);) {
        block_fiber_sleep_until(loop, foreign ? host_clock_monotonic() + look_at_clock : MIN(start, now + look_again));
        if (!is_of_now(member->group, generation))
            return false;
    }
    return true;
}

bool throttle_wait(struct throttle_member *member, struct block_loop *loop, bool write, u64 bytes, const bool *cancelled)
{
    if (!member->group || !__atomic_load_n(&member->group->active, __ATOMIC_ACQUIRE))
        return true;
    block_mutex_take(&member->turn[write], loop);
    while (!is_cancelled(cancelled)) {
        u32 generation;
        s64 start = admit(member->group, write, bytes, &generation);

        if (wait_until(member, loop, start, generation, cancelled))
            break;
    }
    block_mutex_drop(&member->turn[write]);
    return !is_cancelled(cancelled);
}

void throttle_hurry(struct throttle_member *member, bool on)
{
    __atomic_add_fetch(&member->hurry, on ? 1u : -1u, __ATOMIC_ACQ_REL);
}
