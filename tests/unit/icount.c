/* tests/unit/icount.c - budgets of -icount when another thread sets a deadline while one is found. */
#include "vm/icount.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include <glib.h>

enum { HARTS = 2, TURN = 1 << 18 };

static struct {
    struct vm *vm;
    struct vcpu *hart[HARTS];
    unsigned fired;
    bool late; /* the next question whether a hart has work finds a deadline that has passed by */
} bench;

/* Asked when a turn ends, which is behind the look at deadlines and in front of the next budget. */
static bool has_work(struct vcpu *vcpu)
{
    (void)vcpu;
    if (bench.late)
        vcpu_timer_set(bench.hart[0], 0, TURN / 2);
    bench.late = false;
    return false;
}

static void timer_expired(struct vcpu *vcpu, u32 slot)
{
    (void)vcpu, (void)slot;
    bench.fired++;
}

static const struct cpu_class class = {
    .guest = VM_GUEST_RISCV64, .arch = "riscv64", .state_size = 64, .line_count = 1, .timer_count = 1, .has_work = has_work, .timer_expired = timer_expired,
};

static bool realize(struct vm_object *object, GError **error)
{
    return vcpu_init(container_of(object, struct vcpu, object), &class, error);
}

static void finish(struct vm_object *object)
{
    vcpu_finish(container_of(object, struct vcpu, object));
}

VM_CLASS(idle) { .name = "unit-test-idle-cpu", .parent = "cpu", .size = sizeof(struct vcpu), .realize = realize, .finish = finish, .data = (void *)&class };

static void create(void)
{
    GError *error = NULL;

    bench.vm = vm_create(VM_GUEST_RISCV64, &error);
    g_assert_no_error(error);
    vm_lock(bench.vm);
    vm_icount_enable(bench.vm, &(struct vm_icount_options){ .shift = 0 });
    for (unsigned i = 0; i < HARTS; i++) {
        struct vm_object *cpu = vm_object_create(bench.vm, "unit-test-idle-cpu", vm_root(bench.vm), i ? "b" : "a", &error);

        g_assert_no_error(error);
        g_assert_true(vm_object_realize(cpu, &error));
        bench.hart[i] = container_of(cpu, struct vcpu, object);
        bench.hart[i]->counting = true;
    }
    bench.hart[1]->halted = true;
}

static void test_late_deadline(void)
{
    create();
    struct vcpu *hart = bench.hart[0];
    hart->granted = TURN; /* and all of it is used up */
    hart->host->icount = 0;
    bench.late = true;
    g_assert_true(vm_icount_go_on(hart));
    g_assert_false(bench.late);
    g_assert_cmpuint(bench.fired, ==, 0);
    g_assert_cmpint(hart->host->icount, ==, 0);
    g_assert_true(vm_icount_go_on(hart));
    g_assert_cmpuint(bench.fired, ==, 1);
    g_assert_cmpint(hart->host->icount, ==, TURN);
    vm_unlock(bench.vm);
    vm_destroy(bench.vm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/icount/late-deadline", test_late_deadline);
    return g_test_run();
}
