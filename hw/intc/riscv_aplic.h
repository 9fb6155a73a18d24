/*
 * hw/intc/riscv_aplic.h - interrupt domains of an APLIC ("riscv.aplic") for boards. Wires lead to the input "source" of the root domain, numbers from
 * 1 to num-irqs; a domain hands sources on to its child.
 * Thread: machine lock.
 */
#ifndef HW_INTC_RISCV_APLIC_H
#define HW_INTC_RISCV_APLIC_H

#include "hw/core/device.h"

/* Both are realized; while the machine is built. One child at most. */
void riscv_aplic_set_child(struct device *parent, struct device *child);

#endif
