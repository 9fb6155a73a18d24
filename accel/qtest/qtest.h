/*
 * accel/qtest/qtest.h - tests drive the machine instead of vCPUs: -accel qtest -qtest CHARDEV.
 *
 * A line of text is a command, a line answers it: "OK", "OK VALUE..." or "FAIL reason". Numbers are
 * C-like.
 *
 *   readb|readw|readl|readq ADDRESS            OK 0x%016x; what is not there reads 0
 *   writeb|writew|writel|writeq ADDRESS VALUE
 *   read ADDRESS SIZE                          OK 0xHEX
 *   write ADDRESS SIZE 0xHEX
 *   b64read ADDRESS SIZE                       OK BASE64
 *   b64write ADDRESS SIZE BASE64
 *   memset ADDRESS SIZE VALUE
 *   endianness                                 OK little
 *   clock_step [NS]                            OK NOW; without NS to the next timer
 *   clock_set NS                               OK NOW
 *   irq_intercept_in PATH                      from now on lines "IRQ raise N", "IRQ lower N" tell of an object's inputs
 *   irq_intercept_out PATH [NAME]              the same for its outputs (all, or those of a name)
 *   set_irq_in PATH NAME N LEVEL               NAME unnamed-gpio-in: whatever name
 *
 * Main thread with the machine lock, which handlers of the main loop hold.
 */
#ifndef ACCEL_QTEST_QTEST_H
#define ACCEL_QTEST_QTEST_H

#include "base/types.h"
#include <glib.h>

struct chardev_set;
struct qtest;
struct vm;

/* -qtest: `where` as chardev_create_legacy(). */
struct qtest *qtest_start(struct vm *vm, struct chardev_set *chardevs, const char *where,
                          GError **error);
/* Before the chardevs and the machine. NULL is fine. */
void qtest_destroy(struct qtest *qtest);

#endif
