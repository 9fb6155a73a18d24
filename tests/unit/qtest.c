/* tests/unit/qtest.c - the text protocol of device tests, on a machine of RAM and one device. */
#include "accel/qtest/qtest.h"
#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "vm/clock.h"
#include "vm/line.h"
#include "vm/memory.h"
#include "vm/vm.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A device with one register, two inputs, a timer that raises what is wired to it. */
struct toy {
    struct vm_object object;
    struct region region;
    struct line inputs[2];
    struct timer timer;
    u64 value, last_size;
    unsigned levels;
};

static enum mem_result toy_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct toy *toy = opaque;

    *value = toy->value;
    return offset ? MEM_ERROR : MEM_OK;
}

static enum mem_result toy_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct toy *toy = opaque;

    toy->value = value;
    toy->last_size = size;
    line_set(&toy->inputs[1], value & 1);
    return MEM_OK;
}

static const struct region_ops toy_ops = {.read = toy_read, .write = toy_write, .max_access = 8};

static void toy_input(void *opaque, u32 number, u32 level)
{
    struct toy *toy = opaque;

    toy->levels = (toy->levels & ~(1u << number)) | level << number;
}

static void toy_expired(void *opaque)
{
    struct toy *toy = opaque;

    line_pulse(&toy->inputs[0]);
}

static void toy_init(struct vm_object *object)
{
    struct toy *toy = (struct toy *)object;

    region_init_mmio(&toy->region, object->vm, "toy", 16, &toy_ops, toy);
    for (u32 i = 0; i < 2; i++)
        line_init(&toy->inputs[i], object, i ? "data" : "tick", i, toy_input, toy);
    timer_init(&toy->timer, object->vm, VM_CLOCK_VIRTUAL, toy_expired, toy);
}

static void toy_finish(struct vm_object *object)
{
    timer_finish(&((struct toy *)object)->timer);
    region_finish(&((struct toy *)object)->region);
}

VM_CLASS(toy){
    .name = "unit-test-toy", .size = sizeof(struct toy), .init = toy_init, .finish = toy_finish};

struct bench {
    struct vm *vm;
    struct chardev_set *chardevs;
    struct qtest *qtest;
    struct ram_block *ram;
    struct region ram_region;
    struct toy *toy;
    int fd;
};

static void set_up(struct bench *bench, gconstpointer data)
{
    GError *error = NULL;
    int ends[2];

    bench->vm = vm_create(VM_GUEST_RISCV64, &error);
    g_assert_no_error(error);
    vm_lock(bench->vm);
    vm_clock_set_manual(bench->vm, true);
    bench->ram = vm_ram_create(bench->vm, "ram", 64 * KIB, &error);
    g_assert_no_error(error);
    region_init_ram(&bench->ram_region, bench->vm, "ram", bench->ram, 0, 64 * KIB);
    region_add(space_root(vm_memory(bench->vm)), 0x80000000, &bench->ram_region, 0);
    bench->toy = (struct toy *)vm_object_create(bench->vm, "unit-test-toy", vm_root(bench->vm),
                                                "toy", &error);
    g_assert_no_error(error);
    region_add(space_root(vm_memory(bench->vm)), 0x10000000, &bench->toy->region, 0);
    bench->chardevs = chardev_set_create(vm_context(bench->vm), NULL);
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    bench->fd = ends[1];
    g_autofree char *text = g_strdup_printf("socket,fd=%d", ends[0]);
    bench->qtest = qtest_start(bench->vm, bench->chardevs, text, &error);
    g_assert_no_error(error);
}

static void tear_down(struct bench *bench, gconstpointer data)
{
    qtest_destroy(bench->qtest);
    chardev_set_destroy(bench->chardevs);
    close(bench->fd);
    vm_object_destroy(&bench->toy->object);
    region_finish(&bench->ram_region);
    vm_ram_destroy(bench->ram);
    vm_unlock(bench->vm);
    vm_destroy(bench->vm);
}

/* The lines that come after a command, up to its OK or FAIL. The caller frees. */
static char *ask(struct bench *bench, const char *command)
{
    g_autofree char *line = g_strconcat(command, "\n", NULL);
    GString *answer = g_string_new(NULL);
    gint64 deadline = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    g_assert_cmpint(write(bench->fd, line, strlen(line)), ==, (ssize_t)strlen(line));
    while (!g_regex_match_simple("^(OK|FAIL).*\\n$", answer->str, G_REGEX_MULTILINE, 0) ||
           !g_str_has_suffix(answer->str, "\n")) {
        char buffer[4096];
        ssize_t n;

        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_main_context_iteration(vm_context(bench->vm), FALSE);
        while ((n = recv(bench->fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
            g_string_append_len(answer, buffer, n);
    }
    g_string_truncate(answer, answer->len - 1);
    return g_string_free(answer, FALSE);
}

static void bench_write(struct bench *bench, u64 address, u64 value)
{
    g_assert_cmpint(space_write(vm_memory(bench->vm), address, 4, value), ==, MEM_OK);
}

#define expect(bench, command, answer)                                                             \
    do {                                                                                           \
        g_autofree char *got = ask(bench, command);                                                \
        g_assert_cmpstr(got, ==, answer);                                                          \
    } while (0)

static void test_memory(struct bench *bench, gconstpointer data)
{
    expect(bench, "writeq 0x80000000 0x1122334455667788", "OK");
    expect(bench, "readb 0x80000000", "OK 0x0000000000000088");
    expect(bench, "readw 0x80000000", "OK 0x0000000000007788");
    expect(bench, "readl 0x80000000", "OK 0x0000000055667788");
    expect(bench, "readq 2147483648", "OK 0x1122334455667788");
    expect(bench, "writeb 0x80000001 0x1ff", "OK");
    expect(bench, "read 0x80000000 4", "OK 0x88ff6655");
    expect(bench, "write 0x80000000 3 0x0a0b0c", "OK");
    expect(bench, "b64read 0x80000000 3", "OK CgsM");
    expect(bench, "b64write 0x80000003 3 CgsM", "OK");
    expect(bench, "read 0x80000000 6", "OK 0x0a0b0c0a0b0c");
    expect(bench, "memset 0x80000000 2 0xee", "OK");
    expect(bench, "readl 0x80000000", "OK 0x000000000a0ceeee");
    expect(bench, "readl 0x40000000", "OK 0x0000000000000000");
    expect(bench, "writel 0x10000000 0xfffffffff", "OK");
    g_assert_cmpuint(bench->toy->value, ==, 0xffffffff);
    g_assert_cmpuint(bench->toy->last_size, ==, 4);
    expect(bench, "endianness", "OK little");
}

static void test_errors(struct bench *bench, gconstpointer data)
{
    expect(bench, "frobnicate", "FAIL Unknown command 'frobnicate'");
    expect(bench, "readb", "FAIL readb takes 1 arguments");
    expect(bench, "readb x", "FAIL 'x' is no number");
    expect(bench, "write 0 2 0x0", "FAIL data is not 0x and 2 bytes in hexadecimal");
    expect(bench, "read 0 0xffffffffff", "FAIL size 0xffffffffff is above 16777216");
    expect(bench, "irq_intercept_in /nowhere", "FAIL Unknown device '/nowhere'");
    expect(bench, "set_irq_in /toy unnamed-gpio-in 7 1",
           "FAIL '/toy' has no input unnamed-gpio-in 7");
    expect(bench, "clock_step -1", "FAIL time ends before");
}

static void test_lines(struct bench *bench, gconstpointer data)
{
    expect(bench, "set_irq_in /toy unnamed-gpio-in 0 1", "OK");
    g_assert_cmpuint(bench->toy->levels, ==, 1);
    expect(bench, "set_irq_in /toy data 1 1", "OK");
    g_assert_cmpuint(bench->toy->levels, ==, 3);
    expect(bench, "irq_intercept_in /toy", "OK");
    expect(bench, "irq_intercept_in /toy", "OK");
    expect(bench, "irq_intercept_in /", "FAIL IRQ intercept already enabled");
    expect(bench, "irq_intercept_out /", "FAIL IRQ intercept already enabled");
    expect(bench, "writel 0x10000000 0", "IRQ lower 1\nOK");
    expect(bench, "writel 0x10000000 0", "OK");
    expect(bench, "writel 0x10000000 1", "IRQ raise 1\nOK");
}

static void on_wire(void *opaque, u32 number, u32 level)
{
    *(u32 *)opaque = level;
}

/* The clock chip raises its output while its alarm is on; what it is wired to goes on hearing it. */
static void test_outputs(struct bench *bench, gconstpointer data)
{
    struct line wire;
    u32 heard = 0;
    GError *error = NULL;
    struct device *rtc = device_create(bench->vm, "goldfish_rtc", vm_root(bench->vm), "rtc", NULL, &error);

    g_assert_no_error(error);
    device_map(rtc, 0, 0x20000000);
    line_init(&wire, NULL, "wire", 0, on_wire, &heard);
    device_connect(rtc, "irq", &wire);
    expect(bench, "irq_intercept_out /toy", "FAIL '/toy' has no outputs");
    expect(bench, "irq_intercept_out /rtc nothing", "FAIL '/rtc' has no outputs named nothing");
    expect(bench, "irq_intercept_out /rtc sysbus-irq", "OK");
    expect(bench, "irq_intercept_out /rtc", "OK");
    expect(bench, "irq_intercept_in /toy", "FAIL IRQ intercept already enabled");
    expect(bench, "writel 0x20000010 1", "OK");                    /* interrupts on */
    expect(bench, "writel 0x2000000c 0", "OK");                    /* alarm: high, then low word, */
    expect(bench, "writel 0x20000008 0", "IRQ raise 0\nOK");       /* which is past */
    g_assert_cmpuint(heard, ==, 1);
    expect(bench, "writel 0x2000001c 1", "IRQ lower 0\nOK");       /* acknowledged */
    g_assert_cmpuint(heard, ==, 0);
    qtest_destroy(bench->qtest);                                   /* the wires are as they were */
    bench->qtest = NULL;
    bench_write(bench, 0x20000008, 0);
    g_assert_cmpuint(heard, ==, 1);
    vm_object_destroy(&rtc->object);
}

/* An output that is wired to nothing; its device goes while it is intercepted. */
static void test_output_of_nobody(struct bench *bench, gconstpointer data)
{
    GError *error = NULL;
    struct device *rtc = device_create(bench->vm, "goldfish_rtc", vm_root(bench->vm), "rtc", NULL, &error);

    g_assert_no_error(error);
    device_map(rtc, 0, 0x20000000);
    expect(bench, "irq_intercept_out /rtc irq", "OK");
    expect(bench, "writel 0x20000010 1", "OK");
    expect(bench, "writel 0x20000008 0", "IRQ raise 0\nOK");
    vm_object_destroy(&rtc->object);
    expect(bench, "irq_intercept_in /toy", "FAIL IRQ intercept already enabled");
}

static void test_clock(struct bench *bench, gconstpointer data)
{
    expect(bench, "clock_step 100", "OK 100");
    expect(bench, "irq_intercept_in /toy", "OK");
    timer_arm(&bench->toy->timer, 500);
    expect(bench, "clock_step 300", "OK 400");
    expect(bench, "clock_step", "IRQ raise 0\nIRQ lower 0\nOK 500");
    expect(bench, "clock_set 1000", "OK 1000");
    expect(bench, "clock_set 10", "OK 1000");
    timer_arm(&bench->toy->timer, 1500);
    expect(bench, "clock_set 2000", "IRQ raise 0\nIRQ lower 0\nOK 2000");
}

int main(int argc, char **argv)
{
#define ADD(name) g_test_add("/qtest/" #name, struct bench, NULL, set_up, test_##name, tear_down)
    g_test_init(&argc, &argv, NULL);
    ADD(memory);
    ADD(errors);
    ADD(lines);
    ADD(outputs);
    ADD(output_of_nobody);
    ADD(clock);
    return g_test_run();
}
