/*
 * hw/intc/riscv_aplic.c - one interrupt domain of an APLIC. Sources that a domain does not have (not delegated to it) and inactive
 * ones are zeros throughout.
 */
#include "hw/intc/riscv_aplic.h"
#define DEVICE      riscv_aplic
#define DEVICE_ROWS "hw/intc/riscv_aplic.dev"
#include "hw/core/declare.inc"
#include "base/bits.h"
#include "base/error.h"
#include "vm/vcpu.h"

enum { LINE_SEIP = 9, LINE_MEIP = 11 };
enum { DELEGATED = 1 << 10, MODE = 7, DETACHED = 1, EDGE1 = 4, LEVEL1 = 6, INVERTED = 1 };
enum { FIXED_ONE = 1u << 31, INTERRUPTS = 1 << 8, BY_MESSAGE = 1 << 2 };
enum { MACHINE, MACHINE_HIGH, SUPERVISOR, SUPERVISOR_HIGH, LOCKED = 1u << 31 };
enum { HART_SHIFT = 18, IDENTITY = 0x7ff };
#define HART_FIELD (UINT32_MAX << HART_SHIFT)

/* Sources */

static u32 sources(void *device)
{
    return ((struct riscv_aplic *)device)->num_irqs;
}

static bool get(const u32 *words, u32 source)
{
    return words[source / 32] >> source % 32 & 1;
}

static void put(u32 *words, u32 source, bool on)
{
    words[source / 32] = (u32)bits_set(words[source / 32], source % 32, 1, on);
}

static const struct riscv_aplic *root_of(const struct riscv_aplic *aplic)
{
    return aplic->parent ? root_of(aplic->parent) : aplic;
}

/* It is there in this domain, here or in a child. */
static bool is_ours(const struct riscv_aplic *aplic, u32 source)
{
    const struct riscv_aplic *parent = aplic->parent;

    if (!source || source > aplic->num_irqs)
        return false;
    return !parent || (source <= parent->num_irqs && parent->state->config[source] & DELEGATED && is_ours(parent, source));
}

/* Its mode, 0 when it is inactive in this domain. */
static u32 mode_of(const struct riscv_aplic *aplic, u32 source)
{
    u32 config = source <= aplic->num_irqs ? aplic->state->config[source] : 0;

    return config & DELEGATED || !is_ours(aplic, source) ? 0 : config & MODE;
}

/* The input as interrupts see it: high asserts (section 4.5.2). */
static bool is_asserted(const struct riscv_aplic *aplic, u32 source)
{
    u32 mode = mode_of(aplic, source);

    return mode >= EDGE1 && get(root_of(aplic)->state->level, source) != !!(mode & INVERTED);
}

static void forget(struct riscv_aplic *aplic, u32 source)
{
    put(aplic->state->pending, source, false);
    put(aplic->state->enable, source, false);
    aplic->state->aim[source] = 0;
}

/* Direct delivery */

static u32 harts(void *device)
{
    const struct riscv_aplic *aplic = device;

    return aplic->msimode ? 0 : aplic->num_harts;
}

/* As topi reads. */
static u32 best(const struct riscv_aplic *aplic, u32 hart)
{
    u32 threshold = aplic->state->ithreshold[hart], highest = threshold ? threshold : 256, found = 0;

    for (u32 word = 0; word < ARRAY_SIZE(aplic->state->pending); word++) {
        u32 bits = aplic->state->pending[word] & aplic->state->enable[word];

        for (; bits; bits &= bits - 1) {
            u32 source = word * 32 + (u32)__builtin_ctz(bits), aim = aplic->state->aim[source];

            if (aim >> HART_SHIFT != hart || (aim & 0xff) >= highest)
                continue;
            highest = aim & 0xff;
            found = source;
        }
    }
    return found ? found << 16 | highest : 0;
}

static void deliver(struct riscv_aplic *aplic, u32 hart)
{
    const struct riscv_aplic_state *state = aplic->state;
    bool on = state->enabled_all && state->idelivery[hart] && (state->iforce[hart] || best(aplic, hart));

    line_set(aplic->output[hart], on);
}

/* Messages */

/* Where those to a hart go; its index is the same in both domains (section 4.9.1). */
static u64 message_address(const struct riscv_aplic *aplic, u32 hart)
{
    const u32 *config = root_of(aplic)->state->msi_address;
    u32 shape = config[MACHINE_HIGH], low = config[aplic->mmode ? MACHINE : SUPERVISOR], high = config[aplic->mmode ? MACHINE_HIGH : SUPERVISOR_HIGH];
    u32 low_width = shape >> 12 & 15, high_width = shape >> 16 & 7, high_shift = (shape >> 24 & 31) + 12;
    u64 page = (u64)(high & 0xfff) << 32 | low, group = hart >> low_width & ((1u << high_width) - 1), number = hart & ((1u << low_width) - 1);

    return (page | group << high_shift | number << (high >> 20 & 7)) << 12;
}

static void send(struct riscv_aplic *aplic, u32 message)
{
    u64 address = message_address(aplic, message >> HART_SHIFT);

    if (space_write(vm_memory(aplic->device.object.vm), address, 4, message & IDENTITY) != MEM_OK)
        device_guest_error(aplic, "riscv.aplic: nobody takes the message to hart index %u at 0x%lx", message >> HART_SHIFT, address);
}

/* One round: what a message makes pending (it may go anywhere) is sent at the next occasion. */
static void forward(struct riscv_aplic *aplic)
{
    if (aplic->sending)
        return;
    aplic->sending = true;
    for (u32 word = 0; word < ARRAY_SIZE(aplic->state->pending); word++) {
        u32 bits = aplic->state->enabled_all ? aplic->state->pending[word] & aplic->state->enable[word] : 0;

        for (; bits; bits &= bits - 1) {
            u32 source = word * 32 + (u32)__builtin_ctz(bits);

            put(aplic->state->pending, source, false);
            send(aplic, aplic->state->aim[source]);
        }
    }
    aplic->sending = false;
}

static void update(struct riscv_aplic *aplic)
{
    if (aplic->msimode)
        forward(aplic);
    for (u32 hart = 0; hart < harts(aplic); hart++)
        deliver(aplic, hart);
}

/* Pending bits (section 4.7) */

static void follow_input(struct riscv_aplic *aplic, u32 source, bool rises)
{
    u32 mode = mode_of(aplic, source);
    bool asserted = is_asserted(aplic, source);

    if (asserted && rises)
        put(aplic->state->pending, source, true);
    else if (!asserted && mode >= LEVEL1)
        put(aplic->state->pending, source, false);
}

static void try_set(struct riscv_aplic *aplic, u32 source)
{
    u32 mode = mode_of(aplic, source);

    if (mode && (mode < LEVEL1 || (aplic->msimode && is_asserted(aplic, source))))
        put(aplic->state->pending, source, true);
}

static void try_clear(struct riscv_aplic *aplic, u32 source)
{
    u32 mode = mode_of(aplic, source);

    if (mode && (mode < LEVEL1 || aplic->msimode))
        put(aplic->state->pending, source, false);
}

static void wire_reaches(struct riscv_aplic *aplic, u32 source)
{
    for (; aplic; aplic = aplic->child) {
        if (!mode_of(aplic, source))
            continue;
        follow_input(aplic, source, true);
        update(aplic);
    }
}

static void wire_changed(void *device, u32 source, u32 level)
{
    struct riscv_aplic *aplic = device;

    if (!source || source > aplic->num_irqs || get(aplic->state->level, source) == !!level)
        return;
    put(aplic->state->level, source, level != 0);
    wire_reaches(aplic, source);
}

/* Registers */

/* DEVIATION Devices | APLIC | one delivery mode, as the board is configured (`domaincfg.DM` is fixed); little-endian | WARL, as in QEMU */
static u64 read_domaincfg(void *device, u32 index)
{
    const struct riscv_aplic *aplic = device;

    return FIXED_ONE | (aplic->state->enabled_all ? INTERRUPTS : 0) | (aplic->msimode ? BY_MESSAGE : 0);
}

static void write_domaincfg(void *device, u32 index, u64 value)
{
    struct riscv_aplic *aplic = device;

    aplic->state->enabled_all = value & INTERRUPTS;
    update(aplic);
}

static u64 read_sourcecfg(void *device, u32 index)
{
    const struct riscv_aplic *aplic = device;

    return is_ours(aplic, index + 1) ? aplic->state->config[index + 1] : 0;
}

/* What it becomes by a write (section 4.5.2): 2 and 3 are no modes, and there is at most child 0. */
static u32 legal_config(const struct riscv_aplic *aplic, u64 value)
{
    if (value & DELEGATED)
        return aplic->child ? DELEGATED : 0;
    return (value & MODE) > DETACHED && (value & MODE) < EDGE1 ? 0 : value & MODE;
}

/* It was taken away from a child, and so from the child's. */
static void take_away(struct riscv_aplic *aplic, u32 source)
{
    for (; aplic && source <= aplic->num_irqs; aplic = aplic->child) {
        aplic->state->config[source] = 0;
        forget(aplic, source);
        update(aplic);
    }
}

static void write_sourcecfg(void *device, u32 index, u64 value)
{
    struct riscv_aplic *aplic = device;
    u32 source = index + 1, old, was_active;

    if (!is_ours(aplic, source))
        return;
    old = aplic->state->config[source];
    was_active = mode_of(aplic, source);
    aplic->state->config[source] = legal_config(aplic, value);
    if (old & DELEGATED && !(aplic->state->config[source] & DELEGATED))
        take_away(aplic->child, source);
    if (!mode_of(aplic, source))
        forget(aplic, source);
    else if (!was_active)
        aplic->state->aim[source] = aplic->msimode ? 0 : 1;
    follow_input(aplic, source, mode_of(aplic, source) >= LEVEL1);
    update(aplic);
}

/* Of the machine-level root domain alone, and only where messages are sent; a lock keeps all four (section 4.5.3). */
static u64 read_msi_address(const struct riscv_aplic *aplic, u32 which)
{
    return aplic->mmode && aplic->msimode ? aplic->state->msi_address[which] : 0;
}

static void write_msi_address(struct riscv_aplic *aplic, u32 which, u64 value, u32 mask)
{
    if (aplic->mmode && aplic->msimode && !aplic->parent && !(aplic->state->msi_address[MACHINE_HIGH] & LOCKED))
        aplic->state->msi_address[which] = value & mask;
}

#define MSI_ADDRESS(name, which, mask)                                  \
    static u64 read_##name(void *device, u32 index)                     \
    {                                                                   \
        return read_msi_address(device, which);                         \
    }                                                                   \
    static void write_##name(void *device, u32 index, u64 value)        \
    {                                                                   \
        write_msi_address(device, which, value, mask);                  \
    }
MSI_ADDRESS(mmsiaddrcfg, MACHINE, UINT32_MAX)
MSI_ADDRESS(mmsiaddrcfgh, MACHINE_HIGH, 0x9f77ffff)
MSI_ADDRESS(smsiaddrcfg, SUPERVISOR, UINT32_MAX)
MSI_ADDRESS(smsiaddrcfgh, SUPERVISOR_HIGH, 0x00700fff)

static u64 read_pending(void *device, u32 word)
{
    const struct riscv_aplic *aplic = device;

    return word < ARRAY_SIZE(aplic->state->pending) ? aplic->state->pending[word] : 0;
}

static u64 read_enabled(void *device, u32 word)
{
    const struct riscv_aplic *aplic = device;

    return word < ARRAY_SIZE(aplic->state->enable) ? aplic->state->enable[word] : 0;
}

static u64 read_inputs(void *device, u32 word)
{
    u64 bits = 0;

    for (u32 i = 0; i < 32; i++)
        bits |= (u64)is_asserted(device, word * 32 + i) << i;
    return bits;
}

static void set_enable(struct riscv_aplic *aplic, u32 source)
{
    if (mode_of(aplic, source))
        put(aplic->state->enable, source, true);
}

static void clear_enable(struct riscv_aplic *aplic, u32 source)
{
    if (mode_of(aplic, source))
        put(aplic->state->enable, source, false);
}

static void for_each(struct riscv_aplic *aplic, u32 word, u64 bits, void (*fn)(struct riscv_aplic *aplic, u32 source))
{
    for (; bits; bits &= bits - 1)
        fn(aplic, word * 32 + (u32)__builtin_ctzll(bits));
    update(aplic);
}

static void by_number(struct riscv_aplic *aplic, u64 source, void (*fn)(struct riscv_aplic *aplic, u32 source))
{
    fn(aplic, (u32)source);
    update(aplic);
}

/* A word of bits and its register for one by number. */
#define PAIR(words, number, fn)                                         \
    static void write_##words(void *device, u32 word, u64 bits)         \
    {                                                                   \
        for_each(device, word, bits, fn);                               \
    }                                                                   \
    static void write_##number(void *device, u32 index, u64 source)     \
    {                                                                   \
        by_number(device, source, fn);                                  \
    }
PAIR(setip, setipnum, try_set)
PAIR(clrip, clripnum, try_clear)
PAIR(setie, setienum, set_enable)
PAIR(clrie, clrienum, clear_enable)

static void write_setipnum_be(void *device, u32 index, u64 value)
{
    by_number(device, __builtin_bswap32((u32)value), try_set);
}

/* A message is away at once: Busy never shows. */
static u64 read_genmsi(void *device, u32 index)
{
    return ((struct riscv_aplic *)device)->state->message;
}

static void write_genmsi(void *device, u32 index, u64 value)
{
    struct riscv_aplic *aplic = device;

    if (!aplic->msimode)
        return;
    aplic->state->message = (u32)value & (HART_FIELD | IDENTITY);
    send(aplic, aplic->state->message);
}

static u64 read_target(void *device, u32 index)
{
    return ((struct riscv_aplic *)device)->state->aim[index + 1];
}

/* There are no guests to address; a priority number is never 0. */
static void write_target(void *device, u32 index, u64 value)
{
    struct riscv_aplic *aplic = device;
    u32 low = aplic->msimode ? (u32)value & IDENTITY : (u32)value & aplic->iprio_mask;

    if (!mode_of(aplic, index + 1))
        return;
    aplic->state->aim[index + 1] = ((u32)value & HART_FIELD) | (low || aplic->msimode ? low : 1);
    update(aplic);
}

static void write_idc(void *device, u32 hart, u64 value)
{
    deliver(device, hart);
}

static void write_ithreshold(void *device, u32 hart, u64 value)
{
    struct riscv_aplic *aplic = device;

    aplic->state->ithreshold[hart] &= aplic->iprio_mask;
    deliver(aplic, hart);
}

static u64 read_topi(void *device, u32 hart)
{
    return best(device, hart);
}

static u64 claim(void *device, u32 hart)
{
    struct riscv_aplic *aplic = device;
    u32 top = best(aplic, hart);

    if (top)
        try_clear(aplic, top >> 16);
    else
        aplic->state->iforce[hart] = 0;
    deliver(aplic, hart);
    return top;
}

/* Wires keep their levels over a reset; their owners lower them. */
static void reset(void *device)
{
    struct riscv_aplic *aplic = device;

    for (u32 source = 1; source <= aplic->num_irqs; source++)
        put(aplic->state->level, source, line_level(&aplic->source[source]) != 0);
    update(aplic);
}

static bool realize(void *device, GError **error)
{
    struct riscv_aplic *aplic = device;

    if (!bits_is_power_of_2((u64)aplic->iprio_mask + 1))
        return error_set(error, "iprio-mask=0x%x: it is a mask of low bits", aplic->iprio_mask);
    aplic->device.window[WINDOW_mmio].region.size = aplic->aperture_size;
    for (u32 hart = 0; hart < harts(aplic); hart++) {
        struct vcpu *vcpu = vm_vcpu(aplic->device.object.vm, aplic->hartid_base + hart);

        aplic->output[hart] = vcpu ? &vcpu->line[aplic->mmode ? LINE_MEIP : LINE_SEIP] : NULL;
    }
    return true;
}

void riscv_aplic_set_child(struct device *parent, struct device *child)
{
    ((struct riscv_aplic *)parent)->child = (struct riscv_aplic *)child;
    ((struct riscv_aplic *)child)->parent = (struct riscv_aplic *)parent;
}

#include "hw/core/define.inc"
