/* accel/qtest/internal.h - what the files of qtest share. Private to accel/qtest/. */
#ifndef ACCEL_QTEST_INTERNAL_H
#define ACCEL_QTEST_INTERNAL_H

#include "accel/qtest/qtest.h"
#include "chardev/chardev.h"

struct vm_object;

struct qtest {
    struct vm *vm;
    struct chardev_front front;
    GString *input;  /* an unfinished line */
    bool skipping;   /* the rest of a line that is too long */
    GPtrArray *taps; /* of struct tap (taps.c) */
    struct vm_object *intercepted; /* whose; may be gone when the path leads elsewhere */
    char *intercepted_path;
};

enum { QTEST_MOST_BYTES = 16 << 20 };

/* One line, any thread. */
void qtest_send(struct qtest *qtest, const char *format, ...) PRINTF_LIKE(2, 3);
void qtest_fail(struct qtest *qtest, const char *format, ...) PRINTF_LIKE(2, 3);

/* Runs a command and answers it. The line may be changed. */
void qtest_run(struct qtest *qtest, char *line);

/* Commands about lines and time. args ends with NULL and has as many as their rows say. */
void qtest_irq_intercept_in(struct qtest *qtest, char **args);
void qtest_irq_intercept_out(struct qtest *qtest, char **args);
void qtest_set_irq_in(struct qtest *qtest, char **args);
void qtest_clock_step(struct qtest *qtest, char **args);
void qtest_clock_set(struct qtest *qtest, char **args);
/* Ends all interceptions. */
void qtest_forget_taps(struct qtest *qtest);

/* NULL after having answered FAIL. */
struct vm_object *qtest_object(struct qtest *qtest, const char *path);
/* False after having answered FAIL. */
bool qtest_number(struct qtest *qtest, const char *text, u64 *value);

#endif
