/* hw/net/e1000e_interrupts.c - interrupts of the 82574L: causes and masks (datasheet 10.2.4), moderation (7.4.4), the pin, MSI, MSI-X. */
#include "hw/net/e1000e.h"
#include "vm/clock.h"
#include <string.h>

enum { CTRL_EXT_EIAME = 1 << 24, CTRL_EXT_IAME = 1 << 27 };
enum { ICR_ASSERTED = 1u << 31, OTHER_CAUSES = E1000E_LSC | E1000E_RXO | E1000E_MDAC | 1 << 16 | 1 << 17 | 1 << 18 };
enum { LINE = PCI_MSIX_VECTORS /* the pin or MSI; before it the vectors of MSI-X */, INTERVAL_NS = 256 };

/* 10.2.4.9: where IVAR has the vector of a cause. */
static const struct { u32 cause; u8 shift; } allotted[] = {
    { E1000E_RXQ0, 0 }, { E1000E_RXQ1, 4 }, { E1000E_TXQ0, 8 }, { E1000E_TXQ1, 12 }, { E1000E_OTHER, 16 },
};

static u32 asserted(const struct e1000e *e)
{
    return e->state->causes & e->state->enabled;
}

/* ---- Moderation: after an interrupt its source is quiet for a while ---- */

static s64 now(const struct e1000e *e)
{
    return vm_clock_now(e->device.object.vm, VM_CLOCK_VIRTUAL);
}

static s64 interval(const struct e1000e *e, u32 source)
{
    return (s64)INTERVAL_NS * (source == LINE ? e->state->itr : e->state->eitr[source]);
}

static bool is_quiet(const struct e1000e *e, u32 source)
{
    return now(e) < e->state->quiet_until[source];
}

static void interrupted(struct e1000e *e, u32 source)
{
    s64 quiet = interval(e, source);

    e->state->quiet_until[source] = quiet ? now(e) + quiet : 0;
}

/* What waits is looked at again when the first of its sources may interrupt. */
static void arm(struct e1000e *e)
{
    s64 deadline = e->state->line_waits ? e->state->quiet_until[LINE] : INT64_MAX;

    for (u32 i = 0; i < ARRAY_SIZE(allotted); i++) {
        u32 entry = e->state->ivar >> allotted[i].shift & 15;

        if (e->state->waiting & allotted[i].cause && (entry & 7) < LINE)
            deadline = MIN(deadline, e->state->quiet_until[entry & 7]);
    }
    if (deadline != device_timer_deadline(&e->moderation))
        device_timer_arm(&e->moderation, deadline);
}

/* ---- The pin and MSI ---- */

/* The pin rises, or a message goes, when there is a cause that was not there at the last one. */
static void update_line(struct e1000e *e)
{
    u32 causes = pci_msix_is_on(&e->msix) ? 0 : asserted(e);
    bool messages = pci_msi_is_on(&e->msi), due;

    e->state->announced &= causes;
    due = causes & ~e->state->announced && (messages || !e->state->announced);
    e->state->line_waits = due && is_quiet(e, LINE);
    if (!e->state->line_waits)
        e->state->announced = causes;
    if (due && !e->state->line_waits) {
        interrupted(e, LINE);
        pci_msi_send(&e->msi, 0);
    }
    pci_function_set_intx(&e->pci, e->state->announced && !messages);
    arm(e);
}

/* ---- MSI-X ---- */

/* The message of a cause, if it is allotted one: when it goes, the cause may clear and mask itself. */
static void send_message(struct e1000e *e, u32 cause, u32 shift)
{
    u32 entry = e->state->ivar >> shift & 15, vector = entry & 7;

    e->state->waiting &= ~cause;
    if (!(asserted(e) & cause) || !(entry & 8) || vector >= LINE)
        return;
    if (is_quiet(e, vector)) {
        e->state->waiting |= cause;
        return;
    }
    e->state->causes &= ~(cause & e->state->eiac);
    if (e->state->ctrl_ext & CTRL_EXT_EIAME)
        e->state->enabled &= ~(cause & e->state->iam);
    interrupted(e, vector);
    pci_msix_send(&e->msix, vector);
}

static void send_messages(struct e1000e *e, u32 causes)
{
    for (u32 i = 0; i < ARRAY_SIZE(allotted); i++) {
        if (causes & allotted[i].cause)
            send_message(e, allotted[i].cause, allotted[i].shift);
    }
}

static void update(struct e1000e *e, u32 causes)
{
    if (pci_msix_is_on(&e->msix))
        send_messages(e, causes);
    else
        e->state->waiting = 0;
    update_line(e);
}

/* ---- What the other files see ---- */

void e1000e_cause(struct e1000e *e, u32 causes)
{
    if (causes & OTHER_CAUSES)
        causes |= E1000E_OTHER;
    e->state->causes |= causes;
    update(e, causes);
}

void e1000e_interrupts_reset(struct e1000e *e)
{
    e->state->causes = e->state->enabled = e->state->announced = e->state->waiting = 0;
    memset(e->state->quiet_until, 0, sizeof(e->state->quiet_until));
    update_line(e);
}

void e1000e_moderated(void *device)
{
    struct e1000e *e = device;

    update(e, e->state->waiting);
}

/* ---- Registers ---- */

/* 10.2.4.1: nothing happens while nothing is asserted; otherwise causes go, and interrupts that mask themselves too. */
u64 e1000e_read_icr(void *device, u32 index)
{
    struct e1000e *e = device;
    bool active = asserted(e);
    u32 value = e->state->causes | (active ? ICR_ASSERTED : 0);

    if (!active && e->state->enabled)
        return value;
    e->state->causes = 0;
    if (e->state->ctrl_ext & CTRL_EXT_IAME)
        e->state->enabled &= ~e->state->iam;
    update_line(e);
    return value;
}

void e1000e_write_icr(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;

    if (asserted(e) && e->state->ctrl_ext & CTRL_EXT_IAME)
        e->state->enabled &= ~e->state->iam;
    e->state->causes &= ~(u32)value;
    update_line(e);
}

u64 e1000e_read_ims(void *device, u32 index)
{
    return ((struct e1000e *)device)->state->enabled;
}

void e1000e_write_ims(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;
    u32 fresh = (u32)value & ~e->state->enabled;

    e->state->enabled |= (u32)value & 0x7fffffff;
    update(e, fresh & e->state->causes);
}

void e1000e_write_imc(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;

    e->state->enabled &= ~(u32)value;
    update_line(e);
}

void e1000e_write_ics(void *device, u32 index, u64 value)
{
    e1000e_cause(device, (u32)value & 0x7fffffff);
}

/* A shorter interval holds for the wait that it finds, too. */
static void new_interval(struct e1000e *e, u32 source)
{
    e->state->quiet_until[source] = MIN(e->state->quiet_until[source], now(e) + interval(e, source));
    update(e, e->state->waiting);
}

void e1000e_write_itr(void *device, u32 index, u64 value)
{
    new_interval(device, LINE);
}

void e1000e_write_eitr(void *device, u32 index, u64 value)
{
    new_interval(device, index);
}
