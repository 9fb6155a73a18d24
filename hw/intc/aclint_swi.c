/* hw/intc/aclint_swi.c - software interrupts of machine or supervisor level: a store is an inter-processor interrupt. */
#include "vm/line.h"
static void init(struct vm_object *object), finish(struct vm_object *object);

#define DEVICE       aclint_swi
#define DEVICE_ROWS  "hw/intc/aclint_swi.dev"
#define DEVICE_FLAGS .init = init, .finish = finish,
#include "hw/core/declare.inc"
#include "base/error.h"
#include "vm/vcpu.h"

enum { LINE_SSIP = 1, LINE_MSIP = 3 }; /* interrupt numbers in mip (privileged specification, 3.1.9) */

static u32 harts(void *device)
{
    return ((struct aclint_swi *)device)->num_harts;
}

struct output {
    struct aclint_swi *swi;
    struct vcpu *vcpu;
    u32 index;
};

static void show(void *opaque)
{
    const struct output *output = opaque;
    struct line *line = &output->vcpu->line[LINE_MSIP];

    if (__atomic_load_n(&output->swi->state->msip[output->index], __ATOMIC_ACQUIRE))
        line_repeat(line, 1); /* once more, if it is pending already: the hart may doze until then (target/riscv/trap.c) */
    else
        line_set(line, 0);
}

/*
 * MSIP is a level that the register holds, whichever hart wrote last; SETSSIP an edge that sets the hart's SSIP, which software clears
 * there.
 */
static void write_word(void *device, u32 index, u64 value)
{
    struct aclint_swi *swi = device;
    struct output output = { swi, vm_vcpu(swi->device.object.vm, swi->hartid_base + index), index };

    if (!output.vcpu)
        return;
    if (!swi->sswi)
        line_keeper_show(&swi->keeper, true, show, &output);
    else if (value & 1)
        line_pulse(&output.vcpu->line[LINE_SSIP]);
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

static void init(struct vm_object *object)
{
    line_keeper_init(&((struct aclint_swi *)object)->keeper, LOCK_RANK_CONTROLLER);
}

static void finish(struct vm_object *object)
{
    line_keeper_finish(&((struct aclint_swi *)object)->keeper);
}

#include "hw/core/define.inc"
