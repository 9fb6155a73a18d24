/* hw/intc/aclint_swi.c - machine-level software interrupts: a store is an inter-processor interrupt. */
#define DEVICE      aclint_swi
#define DEVICE_ROWS "hw/intc/aclint_swi.dev"
#include "hw/core/declare.inc"
#include "base/error.h"
#include "vm/vcpu.h"

enum { LINE_MSIP = 3 }; /* interrupt number in mip (privileged specification, 3.1.9) */

static u32 harts(void *device)
{
    return ((struct aclint_swi *)device)->num_harts;
}

static void write_msip(void *device, u32 index, u64 value)
{
    struct aclint_swi *swi = device;
    struct vcpu *vcpu = vm_vcpu(swi->device.object.vm, swi->hartid_base + index);

    if (vcpu)
        line_set(&vcpu->line[LINE_MSIP], value & 1);
}

static void reset(void *device)
{
    for (u32 i = 0; i < harts(device); i++)
        write_msip(device, i, 0);
}

static bool realize(void *device, GError **error)
{
    struct aclint_swi *swi = device;

    return !swi->sswi || error_set(error, "sswi: the supervisor-level variant is not there yet");
}

#include "hw/core/define.inc"
