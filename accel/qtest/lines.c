/* accel/qtest/lines.c - the commands of tests: interrupt inputs and time. */
#include "accel/qtest/internal.h"
#include "vm/clock.h"
#include "vm/line.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include <string.h>

struct vm_object *qtest_object(struct qtest *qtest, const char *path)
{
    struct vm_object *object = vm_object_resolve(qtest->vm, path);

    if (!object)
        qtest_fail(qtest, "Unknown device '%s'", path);
    return object;
}

struct wanted {
    const char *name;
    u64 number;
    struct line *found;
};

static void match(struct line *line, void *opaque)
{
    struct wanted *wanted = opaque;
    bool any = !strcmp(wanted->name, "unnamed-gpio-in");

    if (!wanted->found && line->number == wanted->number &&
        (any || !g_strcmp0(line->name, wanted->name)))
        wanted->found = line;
}

void qtest_set_irq_in(struct qtest *qtest, char **args)
{
    struct vm_object *object = qtest_object(qtest, args[0]);
    struct wanted wanted = {.name = args[1]};
    u64 level;

    if (!object || !qtest_number(qtest, args[2], &wanted.number) ||
        !qtest_number(qtest, args[3], &level))
        return;
    line_foreach(qtest->vm, object, match, &wanted);
    if (!wanted.found) {
        qtest_fail(qtest, "'%s' has no input %s %s", args[0], args[1], args[2]);
        return;
    }
    line_set(wanted.found, (u32)level);
    qtest_send(qtest, "OK");
}

/* The earliest deadline of a vCPU's own timers, which have no thread here. */
static s64 vcpu_deadline(struct vm *vm)
{
    s64 next = INT64_MAX;

    for (u32 i = 0; i < vm_vcpu_count(vm); i++) {
        const struct vcpu *vcpu = vm_vcpu(vm, i);

        for (u32 slot = 0; slot < vcpu->cpu->timer_count; slot++)
            next = MIN(next, vcpu->timer_deadline[slot]);
    }
    return next;
}

static void run_vcpu_timers(struct vm *vm)
{
    for (u32 i = 0; i < vm_vcpu_count(vm); i++)
        vcpu_timers_run(vm_vcpu(vm, i));
}

/* Moves time to `to`, with the timers of devices and vCPUs in their order. */
static void advance(struct qtest *qtest, s64 to)
{
    struct vm *vm = qtest->vm;
    s64 next;

    run_vcpu_timers(vm);
    while ((next = vcpu_deadline(vm)) <= to && next > vm_clock_now(vm, VM_CLOCK_VIRTUAL)) {
        vm_clock_advance(vm, next);
        run_vcpu_timers(vm);
    }
    vm_clock_advance(vm, to);
    run_vcpu_timers(vm);
    qtest_send(qtest, "OK %" G_GINT64_FORMAT, vm_clock_now(vm, VM_CLOCK_VIRTUAL));
}

void qtest_clock_step(struct qtest *qtest, char **args)
{
    s64 now = vm_clock_now(qtest->vm, VM_CLOCK_VIRTUAL);
    s64 next = MIN(vm_clock_next_deadline(qtest->vm), vcpu_deadline(qtest->vm));
    u64 step;

    if (!args[0]) {
        advance(qtest, next == INT64_MAX ? now : MAX(next, now));
    } else if (qtest_number(qtest, args[0], &step)) {
        if (step > (u64)(INT64_MAX - now) - 1)
            qtest_fail(qtest, "time ends before");
        else
            advance(qtest, now + (s64)step);
    }
}

void qtest_clock_set(struct qtest *qtest, char **args)
{
    u64 to;

    if (!qtest_number(qtest, args[0], &to))
        return;
    if (to >= INT64_MAX)
        qtest_fail(qtest, "time ends before");
    else
        advance(qtest, MAX((s64)to, vm_clock_now(qtest->vm, VM_CLOCK_VIRTUAL)));
}
