/* tests/unit/clock.c - virtual time, timers in order, exact tick conversion. */
#include "vm/clock.h"
#include "vm/internal.h"
#include "vm/vm.h"

struct fixture {
    struct vm *vm;
    struct timer timer[8];
    GArray *fired;
};

struct shot {
    unsigned index;
    s64 at;
};

static struct fixture *current; /* of the test that runs */

static void fire(void *opaque)
{
    struct timer *timer = opaque;
    struct shot shot = { (unsigned)(timer - current->timer), vm_clock_now(current->vm, VM_CLOCK_VIRTUAL) };

    g_array_append_val(current->fired, shot);
}

static void set_up(struct fixture *f, gconstpointer data)
{
    (void)data;
    current = f;
    f->vm = vm_create(VM_GUEST_RISCV64, NULL);
    f->fired = g_array_new(FALSE, FALSE, sizeof(struct shot));
    vm_clock_set_manual(f->vm, true);
    for (unsigned i = 0; i < ARRAY_SIZE(f->timer); i++)
        timer_init(&f->timer[i], f->vm, VM_CLOCK_VIRTUAL, fire, &f->timer[i]);
}

static void tear_down(struct fixture *f, gconstpointer data)
{
    (void)data;
    for (unsigned i = 0; i < ARRAY_SIZE(f->timer); i++)
        timer_finish(&f->timer[i]);
    g_array_unref(f->fired);
    vm_destroy(f->vm);
}

static void fires_in_order(struct fixture *f, gconstpointer data)
{
    static const s64 deadlines[] = { 700, 100, 500, 300, 200, 600, 400, 800 };
    static const unsigned order[] = { 1, 4, 3, 6, 5, 0 };

    (void)data;
    for (unsigned i = 0; i < ARRAY_SIZE(deadlines); i++)
        timer_arm(&f->timer[i], deadlines[i]);
    timer_disarm(&f->timer[2]);
    g_assert_cmpint(vm_clock_next_deadline(f->vm), ==, 100);
    vm_clock_advance(f->vm, 750);
    g_assert_cmpuint(f->fired->len, ==, ARRAY_SIZE(order));
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        g_assert_cmpuint(g_array_index(f->fired, struct shot, i).index, ==, order[i]);
        g_assert_cmpint(g_array_index(f->fired, struct shot, i).at, ==, deadlines[order[i]]);
    }
    g_assert_cmpint(vm_clock_now(f->vm, VM_CLOCK_VIRTUAL), ==, 750);
    g_assert_true(timer_armed(&f->timer[7]));
}

static void arming_again_moves(struct fixture *f, gconstpointer data)
{
    (void)data;
    timer_arm(&f->timer[0], 100);
    timer_arm(&f->timer[0], 900);
    vm_clock_advance(f->vm, 500);
    g_assert_cmpuint(f->fired->len, ==, 0);
    vm_clock_advance(f->vm, 900);
    g_assert_cmpuint(f->fired->len, ==, 1);
}

static void ticks_are_exact(struct fixture *f, gconstpointer data)
{
    (void)data;
    /* the counter reads at least `ticks` at the returned time and less one ns before, also far out */
    for (u64 ticks = 1; ticks < UINT64_C(1) << 54; ticks = ticks * 3 + 1) {
        s64 ns = vm_clock_ticks_to_ns(ticks, 10000000);

        g_assert_cmpint(ns, ==, (s64)(ticks * 100));
    }
    g_assert_cmpint(vm_clock_ticks_to_ns(1, 3), ==, 333333334);
    g_assert_cmpint(vm_clock_ticks_to_ns(UINT64_MAX, 10000000), ==, INT64_MAX);
    vm_clock_advance(f->vm, 333333333);
    g_assert_cmpuint(vm_clock_ticks(f->vm, 3), ==, 0);
    vm_clock_advance(f->vm, 333333334);
    g_assert_cmpuint(vm_clock_ticks(f->vm, 3), ==, 1);
}

static void stopped_time_stands(struct fixture *f, gconstpointer data)
{
    (void)data;
    vm_clock_set_manual(f->vm, false);
    vm_clock_start(f->vm);
    g_usleep(2000);
    vm_clock_stop(f->vm);
    s64 then = vm_clock_now(f->vm, VM_CLOCK_VIRTUAL);
    g_assert_cmpint(then, >=, 2000000);
    g_usleep(2000);
    g_assert_cmpint(vm_clock_now(f->vm, VM_CLOCK_VIRTUAL), ==, then);
    vm_clock_start(f->vm);
    g_assert_cmpint(vm_clock_now(f->vm, VM_CLOCK_VIRTUAL), >=, then);
}

static void fire_again(void *opaque)
{
    fire(opaque);
    if (current->fired->len < 100)
        timer_arm(opaque, 0);
}

/* A timer that is armed for now by its own hook comes again in the next round. */
static void rounds_end(struct fixture *f, gconstpointer data)
{
    struct timer always;

    (void)data;
    timer_init(&always, f->vm, VM_CLOCK_VIRTUAL, fire_again, &f->timer[0]);
    always.opaque = &always;
    timer_arm(&always, 0);
    vm_clock_run_virtual(f->vm, 0);
    g_assert_cmpuint(f->fired->len, ==, 1);
    g_assert_true(timer_armed(&always));
    vm_clock_run_virtual(f->vm, 0);
    g_assert_cmpuint(f->fired->len, ==, 2);
    timer_finish(&always);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define T(name) g_test_add("/clock/" #name, struct fixture, NULL, set_up, name, tear_down)
    T(fires_in_order);
    T(arming_again_moves);
    T(ticks_are_exact);
    T(stopped_time_stands);
    T(rounds_end);
    return g_test_run();
}
