/* tests/unit/epoch.c - retired memory waits for every reader that may hold it, and for no other. */
#include "host/epoch.h"
#include <glib.h>

static void count(void *opaque)
{
    __atomic_add_fetch((unsigned *)opaque, 1, __ATOMIC_RELAXED);
}

static void waits_for_readers_inside(void)
{
    struct epoch *epoch = epoch_create();
    struct epoch_reader *inside = epoch_reader_add(epoch), *outside = epoch_reader_add(epoch);
    unsigned freed = 0;

    epoch_enter(epoch, inside);
    epoch_retire(epoch, &freed, count);
    g_assert_cmpuint(freed, ==, 0);
    epoch_enter(epoch, outside); /* came in later: cannot hold it */
    epoch_quiesce(epoch, outside);
    g_assert_cmpuint(freed, ==, 0);
    g_assert_true(epoch_waits(epoch));
    epoch_leave(inside);
    epoch_retire(epoch, &freed, count);
    g_assert_cmpuint(freed, ==, 1);
    epoch_quiesce(epoch, outside);
    g_assert_cmpuint(freed, ==, 2);
    g_assert_false(epoch_waits(epoch));
    epoch_reader_remove(epoch, inside);
    epoch_reader_remove(epoch, outside);
    epoch_destroy(epoch);
}

static void destroy_runs_the_rest(void)
{
    struct epoch *epoch = epoch_create();
    struct epoch_reader *reader = epoch_reader_add(epoch);
    unsigned freed = 0;

    epoch_enter(epoch, reader);
    epoch_retire(epoch, &freed, count);
    epoch_destroy(epoch);
    g_assert_cmpuint(freed, ==, 1);
}

enum { READERS = 3, ROUNDS = 20000 };

struct shared {
    struct epoch *epoch;
    u64 *current; /* atomic; points to a value that is 1 while alive */
    bool stop;
};

static void poison(void *opaque)
{
    *(u64 *)opaque = 0;
    g_free(opaque);
}

static gpointer read_on(gpointer data)
{
    struct shared *shared = data;
    struct epoch_reader *reader = epoch_reader_add(shared->epoch);

    while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
        epoch_enter(shared->epoch, reader);
        for (unsigned i = 0; i < 10; i++) {
            u64 *value = __atomic_load_n(&shared->current, __ATOMIC_ACQUIRE);

            g_assert_cmphex(__atomic_load_n(value, __ATOMIC_RELAXED), ==, 1);
            epoch_quiesce(shared->epoch, reader);
        }
        epoch_leave(reader);
    }
    epoch_reader_remove(shared->epoch, reader);
    return NULL;
}

static void readers_never_see_freed_memory(void)
{
    struct shared shared = { .epoch = epoch_create(), .current = g_new(u64, 1) };
    GThread *threads[READERS];

    *shared.current = 1;
    for (unsigned i = 0; i < READERS; i++)
        threads[i] = g_thread_new("reader", read_on, &shared);
    for (unsigned i = 0; i < ROUNDS; i++) {
        u64 *fresh = g_new(u64, 1), *before = shared.current;

        *fresh = 1;
        __atomic_store_n(&shared.current, fresh, __ATOMIC_RELEASE);
        epoch_retire(shared.epoch, before, poison);
    }
    __atomic_store_n(&shared.stop, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < READERS; i++)
        g_thread_join(threads[i]);
    epoch_destroy(shared.epoch);
    g_free(shared.current);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/epoch/waits-for-readers-inside", waits_for_readers_inside);
    g_test_add_func("/epoch/destroy-runs-the-rest", destroy_runs_the_rest);
    g_test_add_func("/epoch/readers-never-see-freed-memory", readers_never_see_freed_memory);
    return g_test_run();
}
