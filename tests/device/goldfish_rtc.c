/* tests/device/goldfish_rtc.c - the real-time clock: time, setting it, alarm, reset. */
#include "tests/device/bench.h"

enum { BASE = 0x101000, TIME_LOW = 0, TIME_HIGH = 4, ALARM_LOW = 8, ALARM_HIGH = 0xc, ENABLE = 0x10, CLEAR_ALARM = 0x14,
       STATUS = 0x18, CLEAR = 0x1c };

static u64 get(struct bench *bench, u64 offset)
{
    return bench_read(bench, BASE + offset, 4);
}

static void put(struct bench *bench, u64 offset, u64 value)
{
    bench_write(bench, BASE + offset, 4, value);
}

static u64 now(struct bench *bench)
{
    u64 low = get(bench, TIME_LOW);

    return low | get(bench, TIME_HIGH) << 32;
}

static void make(struct bench *bench)
{
    struct device *rtc = bench_device(bench, "goldfish_rtc", NULL);

    device_map(rtc, 0, BASE);
    device_connect(rtc, "irq", &bench->line[0]);
}

static void shows_time(struct bench *bench, gconstpointer data)
{
    make(bench);
    vm_clock_advance(bench->vm, INT64_C(0x123456789abcdef0));
    g_assert_cmphex(get(bench, TIME_HIGH), ==, 0);
    g_assert_cmphex(get(bench, TIME_LOW), ==, 0x9abcdef0);
    g_assert_cmphex(get(bench, TIME_HIGH), ==, 0x12345678);
    vm_clock_advance(bench->vm, INT64_C(0x1234567900000000));
    g_assert_cmphex(get(bench, TIME_HIGH), ==, 0x12345678); /* latched by the read of the low half */
    g_assert_cmphex(now(bench), ==, 0x1234567900000000);
}

static void can_be_set(struct bench *bench, gconstpointer data)
{
    make(bench);
    vm_clock_advance(bench->vm, 1000);
    put(bench, TIME_HIGH, 0x17000000);
    put(bench, TIME_LOW, 5);
    g_assert_cmphex(now(bench), ==, 0x1700000000000005);
    vm_clock_advance(bench->vm, 1010);
    g_assert_cmphex(now(bench), ==, 0x170000000000000f);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(now(bench), ==, 0x170000000000000f); /* it has a battery */
}

static void alarm_fires(struct bench *bench, gconstpointer data)
{
    make(bench);
    put(bench, ENABLE, 0xffffffff);
    g_assert_cmphex(get(bench, ENABLE), ==, 1);
    put(bench, ALARM_HIGH, 2);
    put(bench, ALARM_LOW, 7);
    g_assert_cmphex(get(bench, ALARM_HIGH), ==, 2);
    g_assert_cmphex(get(bench, ALARM_LOW), ==, 7);
    g_assert_cmpuint(get(bench, STATUS), ==, 1);
    vm_clock_advance(bench->vm, 0x200000006);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 0);
    vm_clock_advance(bench->vm, 0x200000007);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 1);
    g_assert_cmpuint(get(bench, STATUS), ==, 0);
    put(bench, ENABLE, 0);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 0);
    put(bench, ENABLE, 1);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 1);
    put(bench, CLEAR, 0);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 0);
}

static void past_alarm_fires_at_once(struct bench *bench, gconstpointer data)
{
    make(bench);
    vm_clock_advance(bench->vm, 100);
    put(bench, ENABLE, 1);
    put(bench, ALARM_LOW, 100);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 1);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 0);
}

static void alarm_can_be_taken_back(struct bench *bench, gconstpointer data)
{
    make(bench);
    put(bench, ENABLE, 1);
    put(bench, ALARM_LOW, 50);
    put(bench, CLEAR_ALARM, 1);
    g_assert_cmpuint(get(bench, STATUS), ==, 0);
    vm_clock_advance(bench->vm, 1000);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 0);
}

/* Alarms centuries away must neither overflow nor fire; days of virtual time pass in steps. */
static void distant_alarm(struct bench *bench, gconstpointer data)
{
    make(bench);
    put(bench, ENABLE, 1);
    put(bench, ALARM_HIGH, 0xffffffff);
    put(bench, ALARM_LOW, 0xffffffff);
    vm_clock_advance(bench->vm, INT64_C(30) * 86400 * 1000000000);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 0);
    put(bench, ALARM_HIGH, (u64)INT64_C(40) * 86400 * 1000000000 >> 32);
    put(bench, ALARM_LOW, 0);
    vm_clock_advance(bench->vm, INT64_C(40) * 86400 * 1000000000);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 1);
}

/* Setting the clock past the alarm fires it. */
static void setting_the_clock_moves_the_alarm(struct bench *bench, gconstpointer data)
{
    make(bench);
    put(bench, ENABLE, 1);
    put(bench, ALARM_HIGH, 4);
    put(bench, ALARM_LOW, 0);
    put(bench, TIME_HIGH, 5);
    g_assert_cmpuint(line_level(&bench->line[0]), ==, 1);
}

static void refuses_other_sizes(struct bench *bench, gconstpointer data)
{
    u64 value;

    make(bench);
    g_assert_cmpint(bench_try_read(bench, BASE, 8, &value), ==, MEM_ERROR);
    g_assert_cmpint(bench_try_read(bench, BASE + 1, 4, &value), ==, MEM_ERROR);
    g_assert_cmpint(bench_try_write(bench, BASE + ENABLE, 1, 1), ==, MEM_ERROR);
    g_assert_cmphex(get(bench, 0x20), ==, 0);
    put(bench, STATUS, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/goldfish-rtc/time", shows_time);
    BENCH_TEST("/goldfish-rtc/set", can_be_set);
    BENCH_TEST("/goldfish-rtc/alarm", alarm_fires);
    BENCH_TEST("/goldfish-rtc/past-alarm", past_alarm_fires_at_once);
    BENCH_TEST("/goldfish-rtc/clear-alarm", alarm_can_be_taken_back);
    BENCH_TEST("/goldfish-rtc/distant-alarm", distant_alarm);
    BENCH_TEST("/goldfish-rtc/set-past-alarm", setting_the_clock_moves_the_alarm);
    BENCH_TEST("/goldfish-rtc/sizes", refuses_other_sizes);
    return g_test_run();
}
