/* tests/device/trace.c - trace events of declared devices: names, patterns, what is written. */
#include "hw/core/trace.h"
#include "tests/device/bench.h"
#include <glib/gstdio.h>
#include <string.h>

enum { RTC = 0x101000, FW_CFG = 0x10100000, PLIC = 0xc000000 };

static void make(struct bench *bench)
{
    struct device *cfg = bench_device(bench, "fw_cfg_mem", NULL), *plic = bench_device(bench, "riscv.sifive.plic", "hart-config=M");

    device_map(plic, 0, PLIC);
    device_map(bench_device(bench, "goldfish_rtc", NULL), 0, RTC);
    device_map(cfg, 0, FW_CFG + 8);
    device_map(cfg, 1, FW_CFG);
    line_set(device_input(plic, "source", 11), 1);
    bench_write(bench, RTC + 0x10, 4, 1);
    bench_read(bench, RTC + 0xc, 4);
    bench_read(bench, FW_CFG, 4);
    bench_write(bench, PLIC + 12, 4, 5);
}

/* What the patterns let through, without times. */
static char *traced(struct bench *bench, const char *const *patterns)
{
    g_autofree char *folder = g_dir_make_tmp("mynah-trace-XXXXXX", NULL), *path = g_build_filename(folder, "log", NULL);
    char *text = NULL;

    g_assert_true(log_open_file(vm_log(bench->vm), path, NULL));
    for (; *patterns; patterns++)
        log_trace_add(vm_log(bench->vm), *patterns);
    make(bench);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_unlink(path);
    g_rmdir(folder);
    return text;
}

static void nothing_by_default(struct bench *bench, gconstpointer data)
{
    g_autofree char *text = traced(bench, (const char *const[]){ NULL });

    g_assert_cmpstr(text, ==, "");
}

static void everything(struct bench *bench, gconstpointer data)
{
    g_autofree char *text = traced(bench, (const char *const[]){ "*", NULL });

    g_assert_cmpstr(text, ==,
                    "riscv_sifive_plic_source_line number 11 level 1\n"
                    "goldfish_rtc_irq_enabled_write offset 0x10 size 4 value 0x1\n"
                    "goldfish_rtc_alarm_high_read offset 0xc size 4 value 0x0\n"
                    "fw_cfg_mem_data_read offset 0x0 size 4 value 0x554d4551\n"
                    "riscv_sifive_plic_priority_write[3] offset 0xc size 4 value 0x5\n");
}

static void some(struct bench *bench, gconstpointer data)
{
    g_autofree char *text = traced(bench, (const char *const[]){ "goldfish_rtc_*", "*_line", "-*_read", NULL });

    g_assert_cmpstr(text, ==,
                    "riscv_sifive_plic_source_line number 11 level 1\n"
                    "goldfish_rtc_irq_enabled_write offset 0x10 size 4 value 0x1\n");
}

static void collect(const char *event, void *opaque)
{
    g_ptr_array_add(opaque, g_strdup(event));
}

static void names(struct bench *bench, gconstpointer data)
{
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(g_free);

    device_trace_events(VM_GUEST_RISCV64, collect, events);
    g_ptr_array_add(events, NULL);
    const char *const *list = (const char *const *)events->pdata;
    g_assert_true(g_strv_contains(list, "goldfish_rtc_time_low_read"));
    g_assert_true(g_strv_contains(list, "goldfish_rtc_time_low_write"));
    g_assert_true(g_strv_contains(list, "fw_cfg_mem_dma_write"));
    g_assert_true(g_strv_contains(list, "riscv_sifive_plic_source_line"));
    g_assert_false(g_strv_contains(list, "goldfish_rtc_alarm_status_write"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/trace/off", nothing_by_default);
    BENCH_TEST("/trace/all", everything);
    BENCH_TEST("/trace/patterns", some);
    BENCH_TEST("/trace/names", names);
    return g_test_run();
}
