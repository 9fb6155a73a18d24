/* host/epoch.c - epoch-based reclamation: few readers, rare retirements. */
#include "host/epoch.h"
#include "host/lock.h"
#include <glib.h>

struct epoch_reader {
    u64 seen; /* atomic; 0: outside */
};

struct retired {
    void *ptr;
    void (*fn)(void *);
    u64 when;
};

struct epoch {
    struct host_lock lock;
    u64 now; /* atomic; grows with every retirement */
    GPtrArray *readers;
    GQueue retired;
    u32 waiting; /* atomic copy of the queue's length */
};

struct epoch *epoch_create(void)
{
    struct epoch *epoch = g_new0(struct epoch, 1);

    host_lock_init(&epoch->lock, LOCK_RANK_EPOCH);
    epoch->now = 1;
    epoch->readers = g_ptr_array_new_with_free_func(g_free);
    g_queue_init(&epoch->retired);
    return epoch;
}

static void run(struct retired *retired)
{
    retired->fn(retired->ptr);
    g_free(retired);
}

void epoch_destroy(struct epoch *epoch)
{
    struct retired *retired;

    if (!epoch)
        return;
    while ((retired = g_queue_pop_head(&epoch->retired)))
        run(retired);
    g_ptr_array_unref(epoch->readers);
    host_lock_finish(&epoch->lock);
    g_free(epoch);
}

struct epoch_reader *epoch_reader_add(struct epoch *epoch)
{
    struct epoch_reader *reader = g_new0(struct epoch_reader, 1);

    host_lock_take(&epoch->lock);
    g_ptr_array_add(epoch->readers, reader);
    host_lock_drop(&epoch->lock);
    return reader;
}

void epoch_reader_remove(struct epoch *epoch, struct epoch_reader *reader)
{
    if (!reader)
        return;
    host_lock_take(&epoch->lock);
    g_ptr_array_remove_fast(epoch->readers, reader);
    host_lock_drop(&epoch->lock);
}

void epoch_enter(struct epoch *epoch, struct epoch_reader *reader)
{
    /* Sequentially consistent: no later load may see memory retired before `seen` is visible. */
    __atomic_store_n(&reader->seen, __atomic_load_n(&epoch->now, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void epoch_leave(struct epoch_reader *reader)
{
    __atomic_store_n(&reader->seen, 0, __ATOMIC_RELEASE);
}

/* Everything that no reader can hold any more. Lock held. */
static GSList *take_ready(struct epoch *epoch)
{
    u64 oldest = UINT64_MAX;
    GSList *ready = NULL;

    for (guint i = 0; i < epoch->readers->len; i++) {
        struct epoch_reader *reader = g_ptr_array_index(epoch->readers, i);
        u64 seen = __atomic_load_n(&reader->seen, __ATOMIC_SEQ_CST);

        if (seen)
            oldest = MIN(oldest, seen);
    }
    while (!g_queue_is_empty(&epoch->retired)) {
        struct retired *first = g_queue_peek_head(&epoch->retired);

        if (first->when >= oldest)
            break;
        ready = g_slist_prepend(ready, g_queue_pop_head(&epoch->retired));
    }
    __atomic_store_n(&epoch->waiting, epoch->retired.length, __ATOMIC_RELAXED);
    return ready;
}

bool epoch_waits(const struct epoch *epoch)
{
    return __atomic_load_n(&epoch->waiting, __ATOMIC_RELAXED);
}

void epoch_reclaim(struct epoch *epoch)
{
    if (!__atomic_load_n(&epoch->waiting, __ATOMIC_RELAXED))
        return;
    host_lock_take(&epoch->lock);
    GSList *ready = take_ready(epoch);
    host_lock_drop(&epoch->lock);
    for (GSList *l = ready; l; l = l->next)
        run(l->data);
    g_slist_free(ready);
}

void epoch_quiesce(struct epoch *epoch, struct epoch_reader *reader)
{
    if (__atomic_load_n(&reader->seen, __ATOMIC_RELAXED) == __atomic_load_n(&epoch->now, __ATOMIC_RELAXED))
        return;
    epoch_enter(epoch, reader);
    epoch_reclaim(epoch);
}

void epoch_retire(struct epoch *epoch, void *ptr, void (*fn)(void *))
{
    struct retired *retired = g_new(struct retired, 1);

    *retired = (struct retired){ .ptr = ptr, .fn = fn };
    host_lock_take(&epoch->lock);
    /* Readers that entered up to now may hold it: they have seen <= when. */
    retired->when = __atomic_fetch_add(&epoch->now, 1, __ATOMIC_SEQ_CST);
    g_queue_push_tail(&epoch->retired, retired);
    GSList *ready = take_ready(epoch);
    host_lock_drop(&epoch->lock);
    for (GSList *l = ready; l; l = l->next)
        run(l->data);
    g_slist_free(ready);
}
