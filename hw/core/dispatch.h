/* hw/core/dispatch.h - from an access in a window to the declared register. Private to hw/core/. */
#ifndef HW_CORE_DISPATCH_H
#define HW_CORE_DISPATCH_H

#include "hw/core/device.h"

void device_dispatch_init(struct device_window *window);
void device_dispatch_finish(struct device_window *window);
const struct region_ops *device_dispatch_ops(struct device_window *window);
/* Elements of a register row. */
u32 device_reg_total(const struct device_reg *reg);

#endif
