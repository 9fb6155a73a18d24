/*
 * hw/rtc/goldfish_rtc.c - Goldfish real-time clock. Time is vm_rtc_now plus what the guest set; the alarm is a timer of the
 * virtual clock that looks at the time again when it fires, since the host's clock may have been set meanwhile.
 */
#define DEVICE      goldfish_rtc
#define DEVICE_ROWS "hw/rtc/goldfish_rtc.dev"
#include "hw/core/declare.inc"
#include "base/error.h"

/* ns; an alarm that is further away is looked at again then. */
#define LONGEST_NAP UINT64_C(86400000000000)

static u64 now(const struct goldfish_rtc *rtc)
{
    return (u64)vm_rtc_now(rtc->device.object.vm) + (u64)rtc->state->offset;
}

static void update(void *device)
{
    struct goldfish_rtc *rtc = device;

    line_set(rtc->irq, rtc->state->pending && rtc->state->irq_enabled);
}

/* Fires the alarm when it is due, else comes back when it should be. */
static void look(void *device)
{
    struct goldfish_rtc *rtc = device;
    struct goldfish_rtc_state *s = rtc->state;
    u64 time = now(rtc);

    if (!s->alarm_armed)
        return;
    if (s->alarm > time) {
        s64 virtual_now = vm_clock_now(rtc->device.object.vm, VM_CLOCK_VIRTUAL);

        device_timer_arm(&rtc->timer, virtual_now + (s64)MIN(s->alarm - time, LONGEST_NAP));
        return;
    }
    s->alarm_armed = false;
    s->pending = true;
    update(rtc);
}

static u64 read_time_low(void *device, u32 index)
{
    struct goldfish_rtc *rtc = device;
    u64 time = now(rtc);

    rtc->state->time_high = (u32)(time >> 32);
    return (u32)time;
}

/* Replaces one half of the time (shift 0 or 32). */
static void set_half(struct goldfish_rtc *rtc, unsigned shift, u64 value)
{
    u64 time = now(rtc), other = time & ~(UINT64_C(0xffffffff) << shift);

    rtc->state->offset = (s64)((u64)rtc->state->offset + ((other | value << shift) - time));
    look(rtc);
}

static void write_time_low(void *device, u32 index, u64 value)
{
    set_half(device, 0, value);
}

static void write_time_high(void *device, u32 index, u64 value)
{
    set_half(device, 32, value);
}

static u64 read_alarm_low(void *device, u32 index)
{
    return (u32)((struct goldfish_rtc *)device)->state->alarm;
}

static void write_alarm_low(void *device, u32 index, u64 value)
{
    struct goldfish_rtc *rtc = device;

    rtc->state->alarm = (u64)rtc->state->alarm_high << 32 | value;
    rtc->state->alarm_armed = true;
    look(rtc);
}

static void write_enabled(void *device, u32 index, u64 value)
{
    update(device);
}

static void clear_alarm(void *device, u32 index, u64 value)
{
    struct goldfish_rtc *rtc = device;

    rtc->state->alarm_armed = false;
    device_timer_arm(&rtc->timer, INT64_MAX);
}

static u64 read_status(void *device, u32 index)
{
    return ((struct goldfish_rtc *)device)->state->alarm_armed;
}

static void clear_interrupt(void *device, u32 index, u64 value)
{
    ((struct goldfish_rtc *)device)->state->pending = false;
    update(device);
}

static bool realize(void *device, GError **error)
{
    if (((struct goldfish_rtc *)device)->big_endian)
        return error_set(error, "big-endian registers are not there yet");
    return true;
}

#include "hw/core/define.inc"
