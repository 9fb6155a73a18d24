/*
 * hw/intc/riscv_imsic.c - one interrupt file of an IMSIC: messages come from any thread through memory, the hart's own registers
 * through a vCPU port. They change bits without locks; the output has one, so that it shows what is there when a claim returns.
 */
#include "vm/line.h"
static void init(struct vm_object *object), finish(struct vm_object *object);
#define DEVICE       riscv_imsic
#define DEVICE_ROWS  "hw/intc/riscv_imsic.dev"
#define DEVICE_FLAGS .init = init, .finish = finish,
#include "hw/core/declare.inc"
#include "base/bits.h"
#include "base/error.h"
#include "vm/vcpu.h"

enum { LINE_SEIP = 9, LINE_MEIP = 11 };

/* Numbers of indirectly accessed registers (section 3.8). With 64 bits only even ones of the arrays exist. */
enum { EIDELIVERY = 0x70, EITHRESHOLD = 0x72, EIP = 0x80, EIE = 0xc0, FILE_END = 0x100 };

enum { PORT_M, PORT_S, IDENTITY_MASK = 0x7ff };

static u64 get(const u64 *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* The pending and enabled identity that matters most: the lowest. 0: none. */
static u32 top(const struct riscv_imsic *imsic)
{
    u32 threshold = __atomic_load_n(&imsic->state->eithreshold, __ATOMIC_SEQ_CST);

    for (u32 word = 0; word < imsic->num_irqs / 64; word++) {
        u64 bits = get(&imsic->state->eip[word]) & get(&imsic->state->eie[word]);

        if (bits) {
            u32 identity = word * 64 + (u32)__builtin_ctzll(bits);

            return threshold && identity >= threshold ? 0 : identity;
        }
    }
    return 0;
}

static void show(void *device)
{
    struct riscv_imsic *imsic = device;

    line_set(imsic->output, __atomic_load_n(&imsic->state->eidelivery, __ATOMIC_SEQ_CST) && top(imsic));
}

static void update(void *device)
{
    line_keeper_show(&((struct riscv_imsic *)device)->keeper, true, show, device);
}

static void set_pending(void *device, u32 index, u64 identity)
{
    struct riscv_imsic *imsic = device;

    if (!identity || identity >= imsic->num_irqs)
        return; /* such messages are ignored (section 3.5) */
    __atomic_fetch_or(&imsic->state->eip[identity / 64], BIT64(identity % 64), __ATOMIC_SEQ_CST);
    update(imsic);
}

static void set_pending_be(void *device, u32 index, u64 value)
{
    set_pending(device, index, __builtin_bswap32((u32)value));
}

static void access_word(const struct riscv_imsic *imsic, u64 *words, u32 number, u64 *old, u64 value, u64 mask)
{
    u32 word = number / 2;

    if (number & 1 || word >= imsic->num_irqs / 64)
        return;
    mask &= word ? ~UINT64_C(0) : ~UINT64_C(1); /* identity 0 does not exist */
    *old = get(&words[word]);
    __atomic_fetch_or(&words[word], value & mask, __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&words[word], value | ~mask, __ATOMIC_SEQ_CST);
}

/* Registers that only the hart changes. */
static void access_own(u32 *reg, u64 *old, u64 value, u64 mask)
{
    *old = __atomic_load_n(reg, __ATOMIC_SEQ_CST);
    __atomic_store_n(reg, (u32)((*old & ~mask) | (value & mask)), __ATOMIC_SEQ_CST);
}

static void access_register(void *opaque, u32 number, u64 *old, u64 value, u64 mask)
{
    struct riscv_imsic *imsic = opaque;

    *old = 0;
    if (number == VCPU_PORT_TOP)
        *old = top(imsic) * UINT64_C(0x10001); /* identity, and priority, which is the same (section 3.9) */
    else if (number == EIDELIVERY)
        access_own(&imsic->state->eidelivery, old, value, mask & 1);
    else if (number == EITHRESHOLD)
        access_own(&imsic->state->eithreshold, old, value, mask & IDENTITY_MASK);
    else if (number >= EIP && number < EIE)
        access_word(imsic, imsic->state->eip, number - EIP, old, value, mask);
    else if (number >= EIE && number < FILE_END)
        access_word(imsic, imsic->state->eie, number - EIE, old, value, mask);
    if (mask)
        update(imsic);
}

static void init(struct vm_object *object)
{
    line_keeper_init(&((struct riscv_imsic *)object)->keeper, LOCK_RANK_CONTROLLER);
}

static void finish(struct vm_object *object)
{
    line_keeper_finish(&((struct riscv_imsic *)object)->keeper);
}

static bool realize(void *device, GError **error)
{
    struct riscv_imsic *imsic = device;
    struct vcpu *vcpu = vm_vcpu(imsic->device.object.vm, imsic->hartid);

    if (imsic->num_irqs % 64)
        return error_set(error, "num-irqs=%u: it is a multiple of 64", imsic->num_irqs);
    imsic->device.window[WINDOW_mmio].region.size = (u64)imsic->num_pages * 4096;
    if (!vcpu)
        return true;
    imsic->output = &vcpu->line[imsic->mmode ? LINE_MEIP : LINE_SEIP];
    vcpu->port[imsic->mmode ? PORT_M : PORT_S] = (struct vcpu_port){ access_register, imsic };
    return true;
}

#include "hw/core/define.inc"
