/* accel/qtest/taps.c - interception: levels of an object's inputs or outputs are told as "IRQ raise N", "IRQ lower N". */
#include "accel/qtest/internal.h"
#include "hw/core/device.h"
#include "vm/line.h"
#include "vm/vm.h"
#include <string.h>

/* One intercepted line: an input of the object, or what was put between an output and the line that it is wired to. */
struct tap {
    struct qtest *qtest;
    struct line *line;  /* the input; NULL: an output */
    struct line **wire; /* the output */
    struct line between, *receiver;
};

static void tell(struct qtest *qtest, u32 number, u32 level)
{
    qtest_send(qtest, "IRQ %s %u", level ? "raise" : "lower", number);
}

static void on_input(void *opaque, u32 number, u32 level)
{
    tell(opaque, number, level);
}

static void on_output(void *opaque, u32 number, u32 level)
{
    struct tap *tap = opaque;

    tell(tap->qtest, number, level);
    line_set(tap->receiver, level);
}

static struct tap *add_tap(struct qtest *qtest)
{
    struct tap *tap = g_new0(struct tap, 1);

    tap->qtest = qtest;
    g_ptr_array_add(qtest->taps, tap);
    return tap;
}

static void tap_input(struct line *line, void *opaque)
{
    add_tap(opaque)->line = line;
    line->tap_opaque = opaque;
    __atomic_store_n(&line->tap, on_input, __ATOMIC_RELEASE);
}

static void tap_output(struct qtest *qtest, struct line **wire, u32 number)
{
    struct tap *tap = add_tap(qtest);

    tap->wire = wire;
    tap->receiver = *wire;
    line_init(&tap->between, NULL, "tap", number, on_output, tap);
    tap->between.level = line_level(tap->receiver);
    __atomic_store_n(wire, &tap->between, __ATOMIC_RELEASE);
}

/* As QEMU names them: all outputs of a device on the system bus are "sysbus-irq". */
static bool is_named(const struct device_line_decl *output, const char *name)
{
    return !name || !strcmp(name, output->name) || !strcmp(name, "sysbus-irq");
}

static void tap_outputs(struct qtest *qtest, struct vm_object *object, const char *name)
{
    const struct device_decl *decl = device_decl_of(object->class, vm_guest(qtest->vm));

    for (u32 i = 0; decl && i < decl->line_count; i++) {
        if (is_named(&decl->lines[i], name))
            tap_output(qtest, (struct line **)((u8 *)object + decl->lines[i].offset), i);
    }
}

static void remove_tap(struct qtest *qtest, struct tap *tap, bool alive)
{
    if (tap->wire && alive)
        __atomic_store_n(tap->wire, tap->receiver, __ATOMIC_RELEASE);
    if (tap->line && line_is_known(qtest->vm, tap->line))
        __atomic_store_n(&tap->line->tap, NULL, __ATOMIC_RELEASE);
    g_free(tap);
}

void qtest_forget_taps(struct qtest *qtest)
{
    bool alive = qtest->intercepted_path && vm_object_resolve(qtest->vm, qtest->intercepted_path) == qtest->intercepted;

    for (guint i = 0; i < qtest->taps->len; i++)
        remove_tap(qtest, g_ptr_array_index(qtest->taps, i), alive);
    g_ptr_array_set_size(qtest->taps, 0);
    g_clear_pointer(&qtest->intercepted_path, g_free);
}

static void intercept(struct qtest *qtest, char **args, bool outputs)
{
    struct vm_object *object = qtest_object(qtest, args[0]);

    if (!object)
        return;
    if (qtest->taps->len) {
        if (object == qtest->intercepted)
            qtest_send(qtest, "OK");
        else
            qtest_fail(qtest, "IRQ intercept already enabled");
        return;
    }
    qtest->intercepted = object;
    qtest->intercepted_path = vm_object_path(object);
    if (outputs)
        tap_outputs(qtest, object, args[1]);
    else
        line_foreach(qtest->vm, object, tap_input, qtest);
    if (qtest->taps->len)
        qtest_send(qtest, "OK");
    else
        qtest_fail(qtest, "'%s' has no %s%s%s", args[0], outputs ? "outputs" : "inputs", outputs && args[1] ? " named " : "",
                   outputs && args[1] ? args[1] : "");
    if (!qtest->taps->len)
        qtest_forget_taps(qtest);
}

void qtest_irq_intercept_in(struct qtest *qtest, char **args)
{
    intercept(qtest, args, false);
}

void qtest_irq_intercept_out(struct qtest *qtest, char **args)
{
    intercept(qtest, args, true);
}
