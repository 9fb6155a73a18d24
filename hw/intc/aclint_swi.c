/* hw/intc/aclint_swi.c - software interrupts of machine or supervisor level: a store is an inter-processor interrupt. */
#define DEVICE      aclint_swi
#define DEVICE_ROWS "hw/intc/aclint_swi.dev"
#include "hw/core/declare.inc"
#include "base/error.h"
#include "vm/vcpu.h"

enum { LINE_SSIP = 1, LINE_MSIP = 3 }; /* interrupt numbers in mip (privileged specification, 3.1.9) */

static u32 harts(void *device)
{
    return ((struct aclint_swi *)device)->num_harts;
}

/* MSIP is a level that the register holds; SETSSIP an edge that sets the hart's SSIP, which software clears there. */
static void write_word(void *device, u32 index, u64 value)
{
    struct aclint_swi *swi = device;
    struct vcpu *vcpu = vm_vcpu(swi->device.object.vm, swi->hartid_base + index);

    if (!vcpu)
        return;
    if (swi->sswi && value & 1)
        line_pulse(&vcpu->line[LINE_SSIP]);
    else if (!swi->sswi && value & 1) /* once more, if it is pending already: the hart may doze until then (target/riscv/trap.c) */
        line_repeat(&vcpu->line[LINE_MSIP], 1);
    else if (!swi->sswi)
        line_set(&vcpu->line[LINE_MSIP], 0);
}

static u64 read_word(void *device, u32 index)
{
    struct aclint_swi *swi = device;

    return swi->sswi ? 0 : __atomic_load_n(&swi->state->msip[index], __ATOMIC_ACQUIRE);
}

static void reset(void *device)
{
    for (u32 i = 0; i < harts(device); i++)
        write_word(device, i, 0);
}

#include "hw/core/define.inc"
