/* tests/device/ns16550a.c - UART: FIFOs, interrupts and their priorities, modem lines, a chardev that is slow or silent. */
#include "chardev/chardev.h"
#include "tests/device/bench.h"
#include "vm/internal.h"
#include "vm/machine.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BASE = 0x10000000, THR = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };
enum { NS_4_CHARS = 4 * 10 * 1000000000ull / 115200 };

struct uart_bench {
    struct bench bench; /* first: BENCH_TEST's functions take it */
    struct chardev_set *chardevs;
    struct device *uart;
    int peer;
};

static void set_up(struct uart_bench *b, gconstpointer data)
{
    int pair[2];
    GError *error = NULL;

    bench_set_up(&b->bench, data);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), ==, 0);
    b->peer = pair[0];
    g_autofree char *text = g_strdup_printf("socket,id=serial0,fd=%d", pair[1]);
    g_autoptr(GHashTable) options = chardev_parse_options(text, &error);
    g_assert_no_error(error);
    b->chardevs = chardev_set_create(vm_context(b->bench.vm), NULL);
    vm_set_backend(b->bench.vm, "chardevs", 0, b->chardevs);
    g_assert_nonnull(chardev_create(b->chardevs, options, &error));
    g_assert_no_error(error);
    b->uart = bench_device(&b->bench, "serial-mm", "chardev=serial0;baudbase=230400");
    device_map(b->uart, 0, BASE);
    device_connect(b->uart, "irq", &b->bench.line[0]);
    vm_reset(b->bench.vm, VM_CAUSE_NONE);
}

static void tear_down(struct uart_bench *b, gconstpointer data)
{
    struct vm_object *root = vm_root(b->bench.vm);

    while (root->children->len)
        vm_object_destroy(g_ptr_array_index(root->children, root->children->len - 1));
    chardev_set_destroy(b->chardevs);
    close(b->peer);
    bench_tear_down(&b->bench, data);
}

static u8 get(struct uart_bench *b, unsigned reg)
{
    return (u8)bench_read(&b->bench, BASE + reg, 1);
}

static void put(struct uart_bench *b, unsigned reg, u8 value)
{
    bench_write(&b->bench, BASE + reg, 1, value);
}

static u32 irq(struct uart_bench *b)
{
    return line_level(&b->bench.line[0]);
}

/* Lets the main loop and the inbox do what they have. */
static void pump(struct uart_bench *b)
{
    for (unsigned i = 0; i < 50; i++) {
        while (g_main_context_iteration(vm_context(b->bench.vm), FALSE))
            ;
        vm_inbox_deliver(b->bench.vm);
    }
}

static void say(struct uart_bench *b, const char *text)
{
    g_assert_cmpint(write(b->peer, text, strlen(text)), ==, (ssize_t)strlen(text));
    pump(b);
}

static void expect(struct uart_bench *b, const char *text)
{
    char got[4096] = "";

    pump(b);
    ssize_t length = read(b->peer, got, sizeof(got) - 1);
    g_assert_cmpint(MAX(length, 0), ==, (ssize_t)strlen(text));
    g_assert_cmpstr(got, ==, text);
}

static void resets(struct uart_bench *b, gconstpointer data)
{
    g_assert_cmphex(get(b, LSR), ==, 0x60);
    g_assert_cmphex(get(b, MSR), ==, 0xb0);
    g_assert_cmphex(get(b, IIR), ==, 0x01);
    g_assert_cmphex(get(b, IER), ==, 0);
    g_assert_cmphex(get(b, MCR), ==, 0x08);
    put(b, SCR, 0xa5);
    put(b, LCR, 0x83);
    g_assert_cmphex(get(b, THR), ==, 12);
    put(b, THR, 0x34);
    put(b, IER, 0x12);
    g_assert_cmphex(get(b, THR), ==, 0x34);
    g_assert_cmphex(get(b, IER), ==, 0x12);
    put(b, LCR, 0x03);
    g_assert_cmphex(get(b, IER), ==, 0);
    g_assert_cmphex(get(b, SCR), ==, 0xa5);
    vm_reset(b->bench.vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(get(b, SCR), ==, 0);
    g_assert_cmphex(get(b, LCR), ==, 0);
    put(b, LCR, 0x80);
    g_assert_cmphex(get(b, THR), ==, 12);
}

static void transmits(struct uart_bench *b, gconstpointer data)
{
    for (const char *c = "hello"; *c; c++) {
        g_assert_cmphex(get(b, LSR) & 0x60, ==, 0x60);
        put(b, THR, (u8)*c);
    }
    expect(b, "hello");
}

static void interrupts_when_empty(struct uart_bench *b, gconstpointer data)
{
    put(b, IER, 2);
    g_assert_cmpuint(irq(b), ==, 1);
    g_assert_cmphex(get(b, IIR), ==, 0x02);
    /* Reading it cleared it. */
    g_assert_cmpuint(irq(b), ==, 0);
    g_assert_cmphex(get(b, IIR), ==, 0x01);
    put(b, THR, 'x');
    g_assert_cmpuint(irq(b), ==, 1);
    put(b, IER, 0);
    g_assert_cmpuint(irq(b), ==, 0);
    put(b, IER, 2);
    g_assert_cmphex(get(b, IIR), ==, 0x02);
}

static void receives(struct uart_bench *b, gconstpointer data)
{
    put(b, IER, 1);
    say(b, "ab");
    g_assert_cmphex(get(b, LSR), ==, 0x61);
    g_assert_cmphex(get(b, IIR), ==, 0x04);
    g_assert_cmpuint(irq(b), ==, 1);
    g_assert_cmphex(get(b, THR), ==, 'a');
    pump(b); /* without FIFO the second byte waited in the chardev */
    g_assert_cmphex(get(b, THR), ==, 'b');
    g_assert_cmpuint(irq(b), ==, 0);
    g_assert_cmphex(get(b, LSR), ==, 0x60);
}

static void fills_the_fifo(struct uart_bench *b, gconstpointer data)
{
    char text[101], got[101] = "";

    for (unsigned i = 0; i < 100; i++)
        text[i] = (char)('!' + i % 90);
    text[100] = 0;
    put(b, FCR, 0x81); /* trigger at 8 */
    g_assert_cmphex(get(b, IIR), ==, 0xc1);
    put(b, IER, 1);
    say(b, text);
    for (unsigned i = 0; i < 100; i++) {
        g_assert_cmphex(get(b, LSR) & 0x03, ==, 1); /* data, no overrun */
        got[i] = (char)get(b, THR);
        pump(b);
    }
    g_assert_cmpstr(got, ==, text);
    g_assert_cmphex(get(b, LSR), ==, 0x60);
}

static void times_out(struct uart_bench *b, gconstpointer data)
{
    put(b, FCR, 0x81);
    put(b, LCR, 0x83);
    put(b, THR, 2); /* 115200 */
    put(b, IER, 0);
    put(b, LCR, 0x03);
    put(b, IER, 1);
    say(b, "abc");
    g_assert_cmpuint(irq(b), ==, 0);
    vm_clock_advance(b->bench.vm, NS_4_CHARS - 1000);
    g_assert_cmpuint(irq(b), ==, 0);
    vm_clock_advance(b->bench.vm, NS_4_CHARS + 1000);
    g_assert_cmpuint(irq(b), ==, 1);
    g_assert_cmphex(get(b, IIR), ==, 0xcc);
    /* Reading a byte starts it again. */
    g_assert_cmphex(get(b, THR), ==, 'a');
    g_assert_cmpuint(irq(b), ==, 0);
    vm_clock_advance(b->bench.vm, 3 * NS_4_CHARS);
    g_assert_cmpuint(irq(b), ==, 1);
    get(b, THR);
    get(b, THR);
    vm_clock_advance(b->bench.vm, 6 * NS_4_CHARS);
    g_assert_cmpuint(irq(b), ==, 0);
    say(b, "12345678");
    g_assert_cmphex(get(b, IIR), ==, 0xc4);
}

static void clears_fifos(struct uart_bench *b, gconstpointer data)
{
    put(b, FCR, 1);
    say(b, "garbage");
    put(b, FCR, 3);
    g_assert_cmphex(get(b, LSR), ==, 0x60);
    g_assert_cmphex(get(b, THR), ==, 0);
    say(b, "ok");
    g_assert_cmphex(get(b, THR), ==, 'o');
    put(b, FCR, 0); /* turning FIFOs off clears too */
    g_assert_cmphex(get(b, LSR), ==, 0x60);
}

static void loops_back(struct uart_bench *b, gconstpointer data)
{
    put(b, FCR, 1);
    put(b, MCR, 0x1f);
    g_assert_cmphex(get(b, MSR) & 0xf0, ==, 0xf0);
    g_assert_cmphex(get(b, MSR), ==, 0xf0); /* changes were cleared */
    put(b, MCR, 0x18);
    g_assert_cmphex(get(b, MSR), ==, 0x87); /* CTS, DSR fell, RI's trailing edge, DCD still there */
    put(b, IER, 4);
    for (unsigned i = 0; i < 17; i++)
        put(b, THR, (u8)(0x40 + i));
    g_assert_cmphex(get(b, IIR), ==, 0xc6);
    g_assert_cmphex(get(b, LSR), ==, 0x63);
    g_assert_cmphex(get(b, LSR), ==, 0x61);
    for (unsigned i = 0; i < 16; i++)
        g_assert_cmphex(get(b, THR), ==, 0x40 + i);
    expect(b, "");
    put(b, MCR, 0);
}

static void orders_interrupts(struct uart_bench *b, gconstpointer data)
{
    put(b, MCR, 0x10); /* loop: all inputs fall */
    put(b, IER, 0x0f);
    put(b, THR, 1);
    put(b, THR, 2); /* overrun without FIFO */
    g_assert_cmphex(get(b, IIR), ==, 0x06);
    get(b, LSR);
    g_assert_cmphex(get(b, IIR), ==, 0x04);
    g_assert_cmphex(get(b, THR), ==, 2);
    g_assert_cmphex(get(b, IIR), ==, 0x02);
    g_assert_cmphex(get(b, IIR), ==, 0x00);
    get(b, MSR);
    g_assert_cmphex(get(b, IIR), ==, 0x01);
    g_assert_cmpuint(irq(b), ==, 0);
}

/* Nobody reads: what was written arrives later, in order, and THRE says when there is room. */
static void waits_for_the_chardev(struct uart_bench *b, gconstpointer data)
{
    u64 sent = 0, received = 0;
    u8 buffer[65536];

    put(b, FCR, 1);
    while (get(b, LSR) & 0x20) {
        g_assert_cmpuint(sent, <, 4 * MIB);
        put(b, THR, (u8)(sent++ * 7));
        if (!(sent & 4095))
            pump(b);
    }
    put(b, IER, 2);
    g_assert_cmpuint(irq(b), ==, 0);
    for (unsigned quiet = 0; quiet < 3;) {
        ssize_t length = read(b->peer, buffer, sizeof(buffer));

        for (ssize_t i = 0; i < length; i++)
            g_assert_cmphex(buffer[i], ==, (u8)(received++ * 7));
        quiet = length > 0 ? 0 : quiet + 1;
        pump(b);
    }
    g_assert_cmpuint(received, ==, sent);
    g_assert_cmphex(get(b, LSR) & 0x60, ==, 0x60);
    g_assert_cmpuint(irq(b), ==, 1);
}

/* Any accesses at all: states stay within their bounds (the sanitizers look on). */
static void survives_noise(struct uart_bench *b, gconstpointer data)
{
    GRand *rand = g_rand_new_with_seed(16550);

    for (unsigned i = 0; i < 200000; i++) {
        static const unsigned sizes[] = { 1, 1, 1, 2, 4, 8 };
        unsigned size = sizes[g_rand_int_range(rand, 0, 6)];
        u64 address = BASE + (u64)g_rand_int_range(rand, 0, 8), value = g_rand_int(rand);

        if (g_rand_boolean(rand))
            bench_try_write(&b->bench, address, size, value);
        else
            bench_try_read(&b->bench, address, size, &value);
        if (i % 1000 == 0) {
            char drop[65536];

            vm_clock_advance(b->bench.vm, vm_clock_now(b->bench.vm, VM_CLOCK_VIRTUAL) + 1000000);
            while (read(b->peer, drop, sizeof(drop)) > 0)
                ;
            say(b, "noise");
        }
    }
    g_rand_free(rand);
}

static void vanishes_with_input_waiting(struct uart_bench *b, gconstpointer data)
{
    g_assert_cmpint(write(b->peer, "x", 1), ==, 1);
    while (g_main_context_iteration(vm_context(b->bench.vm), FALSE))
        ;
    vm_object_destroy(&b->uart->object);
    vm_inbox_deliver(b->bench.vm);
}

#define UART_TEST(name, fn) g_test_add(name, struct uart_bench, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    UART_TEST("/ns16550a/reset", resets);
    UART_TEST("/ns16550a/transmit", transmits);
    UART_TEST("/ns16550a/transmit/interrupt", interrupts_when_empty);
    UART_TEST("/ns16550a/transmit/slow-chardev", waits_for_the_chardev);
    UART_TEST("/ns16550a/receive", receives);
    UART_TEST("/ns16550a/receive/fifo", fills_the_fifo);
    UART_TEST("/ns16550a/receive/timeout", times_out);
    UART_TEST("/ns16550a/fifo/clear", clears_fifos);
    UART_TEST("/ns16550a/loop", loops_back);
    UART_TEST("/ns16550a/priorities", orders_interrupts);
    UART_TEST("/ns16550a/noise", survives_noise);
    UART_TEST("/ns16550a/unplug", vanishes_with_input_waiting);
    return g_test_run();
}
