/* accel/qtest/qtest.c - the accelerator without vCPUs, and the lines to and from the test. */
#include "accel/qtest/internal.h"
#include "base/error.h"
#include "vm/clock.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include <string.h>

static bool present(u32 guest)
{
    return true;
}

static bool start(struct accel *accel, GError **error)
{
    vm_clock_set_manual(accel->object.vm, true);
    return true;
}

static const struct accel_class qtest_accel = {
    .name = "qtest",
    .description = "device tests drive the machine, no vCPU runs",
    .present = present,
    .start = start,
    .manual_clock = true,
};

VM_CLASS(qtest_accel){.name = "qtest-accel",
                      .parent = "accel",
                      .description = "device tests drive the machine, no vCPU runs",
                      .size = sizeof(struct accel),
                      .data = &qtest_accel};

void qtest_send(struct qtest *qtest, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    chardev_write_message(&qtest->front, line, strlen(line));
}

void qtest_fail(struct qtest *qtest, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    qtest_send(qtest, "FAIL %s", text);
}

static void end_of_line(struct qtest *qtest)
{
    if (qtest->skipping)
        qtest_fail(qtest, "line too long");
    else if (qtest->input->len)
        qtest_run(qtest, qtest->input->str);
    qtest->skipping = false;
    g_string_truncate(qtest->input, 0);
}

static void receive(void *opaque, const u8 *data, size_t length)
{
    struct qtest *qtest = opaque;

    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n') {
            end_of_line(qtest);
        } else if (data[i] != '\r' && !qtest->skipping) {
            g_string_append_c(qtest->input, data[i] ? (char)data[i] : '?');
            qtest->skipping = qtest->input->len > 2 * QTEST_MOST_BYTES + 256;
        }
    }
}

static void on_event(void *opaque, enum chardev_event event)
{
    struct qtest *qtest = opaque;

    if (event != CHARDEV_OPENED && event != CHARDEV_CLOSED)
        return;
    qtest_forget_taps(qtest);
    qtest->skipping = false;
    g_string_truncate(qtest->input, 0);
}

static const struct chardev_handlers handlers = {.receive = receive, .event = on_event};

struct qtest *qtest_start(struct vm *vm, struct chardev_set *chardevs, const char *where,
                          GError **error)
{
    struct chardev *chardev = chardev_create_legacy(chardevs, "qtest", where, NULL, error);

    if (!chardev)
        return NULL;
    struct qtest *qtest = g_new0(struct qtest, 1);
    qtest->vm = vm;
    qtest->input = g_string_new(NULL);
    qtest->taps = g_ptr_array_new();
    if (chardev_attach(&qtest->front, chardev, &handlers, qtest, error))
        return qtest;
    qtest_destroy(qtest);
    return NULL;
}

void qtest_destroy(struct qtest *qtest)
{
    if (!qtest)
        return;
    qtest_forget_taps(qtest);
    chardev_detach(&qtest->front);
    g_ptr_array_unref(qtest->taps);
    g_string_free(qtest->input, TRUE);
    g_free(qtest);
}
