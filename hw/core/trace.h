/*
 * hw/core/trace.h - trace events of declared devices, chosen by -trace PATTERN. They follow from the rows:
 *
 *     CLASS_REGISTER_read, CLASS_REGISTER_write     each access to a register
 *     CLASS_WINDOW_read, CLASS_WINDOW_write         to a window that is not made of registers
 *     CLASS_INPUT_line                              each change of an input wire
 *
 * with the class's name in letters, digits and underscores: riscv_sifive_plic_claim_read.
 * Any thread. While nothing is traced, an access costs one test.
 */
#ifndef HW_CORE_TRACE_H
#define HW_CORE_TRACE_H

#include "hw/core/device.h"

/* what: "read", "write". index: which element of a register array; offset: in the window. Tested by the caller: LOG_TRACE. */
void device_trace_access(const struct device_window *window, const char *name, const char *what, u32 index, u64 offset, unsigned size,
                         u64 value);
void device_trace_line(const struct device *device, const char *name, u32 number, u32 level);

/* fn(event name) for all classes of a guest, sorted by class. */
void device_trace_events(u32 guest, void (*fn)(const char *event, void *opaque), void *opaque);

#endif
