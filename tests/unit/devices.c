/* tests/unit/devices.c - registers of the virt board's devices, driven through the memory map. */
#include "tests/unit/board.h"
#include "target/riscv/state.h"

enum { CLINT = 0x2000000, MTIME = 0x200bff8, SSWI = 0x2f00000, PLIC = 0xc000000, UART = 0x10000000, SSIP = 1, MSIP = 3, MTIP = 7, SEIP = 9, MEIP = 11 };

static void test_software_interrupts(void)
{
    struct board b = board_create(2);

    board_write(&b, CLINT + 4, 4, 0xffffffff);
    g_assert_cmphex(board_read(&b, CLINT + 4, 4), ==, 1);
    g_assert_cmpuint(board_hart_line(&b, 1, MSIP), ==, 1);
    g_assert_cmpuint(board_hart_line(&b, 0, MSIP), ==, 0);
    board_write(&b, CLINT + 4, 4, 0);
    g_assert_cmpuint(board_hart_line(&b, 1, MSIP), ==, 0);
    /* A hart that is not there. */
    board_write(&b, CLINT + 8, 4, 1);
    g_assert_cmphex(board_read(&b, CLINT + 8, 4), ==, 0);
    board_destroy(&b);
}

static void test_supervisor_software_interrupts(void)
{
    struct board b = board_new(2, 64 * MIB);
    GError *error = NULL;
    const struct riscv_state *state;

    ((struct virt *)b.machine)->aclint = true;
    board_realize(&b, &error);
    g_assert_no_error(error);
    state = vm_vcpu(b.vm, 1)->state;
    for (int i = 0; i < 2; i++) { /* an edge each time, whether or not the last one was seen */
        board_write(&b, SSWI + 4, 4, 0xffffffff);
        g_assert_cmphex(board_read(&b, SSWI + 4, 4), ==, 0);
        g_assert_cmphex(state->software, ==, BIT64(SSIP));
        board_write(&b, SSWI + 4, 4, 0xfffffffe); /* bit 0 alone counts, and 0 takes nothing back */
        g_assert_cmphex(state->software, ==, BIT64(SSIP));
        __atomic_store_n(&((struct riscv_state *)vm_vcpu(b.vm, 1)->state)->software, 0, __ATOMIC_RELEASE);
    }
    g_assert_cmphex(((struct riscv_state *)vm_vcpu(b.vm, 0)->state)->software, ==, 0);
    board_write(&b, SSWI + 8, 4, 1); /* a hart that is not there */
    /* The machine level is where a CLINT has it. */
    board_write(&b, CLINT + 4, 4, 1);
    g_assert_cmpuint(board_hart_line(&b, 1, MSIP), ==, 1);
    vm_clock_advance(b.vm, 1000000);
    g_assert_cmpuint(board_read(&b, MTIME, 8), ==, 10000);
    board_destroy(&b);
}

/* Messages leave only the timer of an ACLINT, where its software interrupts were. */
static void test_timer_alone(void)
{
    struct board b = board_new(1, 64 * MIB);
    GError *error = NULL;
    u64 value;

    ((struct virt *)b.machine)->aclint = true;
    ((struct virt *)b.machine)->aia = VIRT_AIA_APLIC_IMSIC;
    board_realize(&b, &error);
    g_assert_no_error(error);
    vm_clock_advance(b.vm, 1000000);
    g_assert_cmpuint(board_read(&b, CLINT + VIRT_MTIME, 8), ==, 10000);
    board_write(&b, CLINT, 8, 10000);
    g_assert_cmpuint(board_hart_line(&b, 0, MTIP), ==, 1);
    g_assert_cmpint(space_read(vm_memory(b.vm), SSWI, 4, &value), ==, MEM_UNMAPPED);
    g_assert_cmpint(space_read(vm_memory(b.vm), MTIME, 8, &value), ==, MEM_UNMAPPED);
    board_destroy(&b);
}

/* Edges of several threads at a time: the receiver sees each of them. */
static void count_rise(void *opaque, u32 number, u32 level)
{
    if (level)
        __atomic_fetch_add((u32 *)opaque, 1, __ATOMIC_RELAXED);
}

static void *make_edges(void *line)
{
    for (int i = 0; i < 100000; i++)
        line_pulse(line);
    return NULL;
}

static void test_edges(void)
{
    u32 seen = 0;
    struct line line;

    line_init(&line, NULL, "edge", 0, count_rise, &seen);
    GThread *other = g_thread_new("edges", make_edges, &line);
    make_edges(&line);
    g_thread_join(other);
    g_assert_cmpuint(seen, ==, 200000);
    g_assert_cmpuint(line_level(&line), ==, 0);
}

static void test_machine_timer(void)
{
    struct board b = board_create(2);

    vm_clock_advance(b.vm, 1000000);
    g_assert_cmpuint(board_read(&b, MTIME, 8), ==, 10000);
    g_assert_cmpuint(board_read(&b, MTIME, 4), ==, 10000);
    board_write(&b, CLINT + 0x4008, 8, 10000);
    g_assert_cmpuint(board_hart_line(&b, 1, MTIP), ==, 1);
    board_write(&b, CLINT + 0x4008, 8, 20000);
    g_assert_cmpuint(board_hart_line(&b, 1, MTIP), ==, 0);
    g_assert_cmpint(vm_vcpu(b.vm, 1)->timer_deadline[1], ==, 2000000);
    /* Halves. */
    board_write(&b, CLINT + 0x400c, 4, 1);
    g_assert_cmphex(board_read(&b, CLINT + 0x4008, 8), ==, 0x100000000 + 20000);
    /* Moving the time moves the deadline. */
    board_write(&b, CLINT + 0x4008, 8, 30000);
    board_write(&b, MTIME, 8, 29000);
    g_assert_cmpint(vm_vcpu(b.vm, 1)->timer_deadline[1], ==, 1100000);
    board_write(&b, MTIME, 8, 30000);
    g_assert_cmpuint(board_hart_line(&b, 1, MTIP), ==, 1);
    board_destroy(&b);
}

static struct line *plic_source(struct board *b, u32 source)
{
    return device_input(((struct virt *)b->machine)->socket[0].wires, "source", source);
}

static void test_plic(void)
{
    struct board b = board_create(2);

    board_write(&b, PLIC + 4 * 5, 4, 3);
    board_write(&b, PLIC + 4 * 40, 4, 0xff);
    g_assert_cmphex(board_read(&b, PLIC + 4 * 40, 4), ==, 7);
    board_write(&b, PLIC + 0x2000 + 0x80 * 3, 4, 1 << 5);
    board_write(&b, PLIC + 0x2004 + 0x80 * 3, 4, 1 << 8);
    line_set(plic_source(&b, 5), 1);
    g_assert_cmpuint(board_hart_line(&b, 1, SEIP), ==, 1);
    g_assert_cmpuint(board_hart_line(&b, 1, MEIP), ==, 0);
    g_assert_cmphex(board_read(&b, PLIC + 0x1000, 4), ==, 1 << 5);
    line_set(plic_source(&b, 40), 1);
    /* The highest priority first; claimed ones do not wait any more. */
    g_assert_cmpuint(board_read(&b, PLIC + 0x200004 + 0x3000, 4), ==, 40);
    g_assert_cmpuint(board_read(&b, PLIC + 0x200004 + 0x3000, 4), ==, 5);
    g_assert_cmpuint(board_read(&b, PLIC + 0x200004 + 0x3000, 4), ==, 0);
    g_assert_cmpuint(board_hart_line(&b, 1, SEIP), ==, 0);
    /* Completion of a source that is still high interrupts again. */
    board_write(&b, PLIC + 0x200004 + 0x3000, 4, 40);
    g_assert_cmpuint(board_hart_line(&b, 1, SEIP), ==, 1);
    line_set(plic_source(&b, 40), 0);
    g_assert_cmpuint(board_hart_line(&b, 1, SEIP), ==, 0);
    /* The threshold masks. */
    board_write(&b, PLIC + 0x200000 + 0x3000, 4, 3);
    board_write(&b, PLIC + 0x200004 + 0x3000, 4, 5);
    g_assert_cmpuint(board_hart_line(&b, 1, SEIP), ==, 0);
    board_write(&b, PLIC + 0x200000 + 0x3000, 4, 2);
    g_assert_cmpuint(board_hart_line(&b, 1, SEIP), ==, 1);
    board_destroy(&b);
}

/* A context may not complete what it has not enabled, nor what does not exist. */
static void test_plic_strangers(void)
{
    struct board b = board_create(1);

    board_write(&b, PLIC + 4 * 5, 4, 1);
    board_write(&b, PLIC + 0x2000, 4, 1 << 5);
    line_set(plic_source(&b, 5), 1);
    g_assert_cmpuint(board_read(&b, PLIC + 0x200004, 4), ==, 5);
    board_write(&b, PLIC + 0x201004, 4, 5);
    g_assert_cmpuint(board_hart_line(&b, 0, MEIP), ==, 0);
    board_write(&b, PLIC + 0x200004, 4, 0);
    board_write(&b, PLIC + 0x200004, 4, 0xffffffff);
    board_write(&b, PLIC + 0x200004, 4, 96);
    g_assert_cmpuint(board_hart_line(&b, 0, MEIP), ==, 0);
    board_write(&b, PLIC + 0x200004, 4, 5);
    g_assert_cmpuint(board_hart_line(&b, 0, MEIP), ==, 1);
    /* Source 0 and sources beyond the last have no register. */
    board_write(&b, PLIC + 0x202004, 4, 1);
    g_assert_cmphex(board_read(&b, PLIC + 4 * 96, 4), ==, 0);
    board_destroy(&b);
}

static void test_refused_accesses(void)
{
    static const struct { const char *what; u64 address; unsigned size; enum mem_result read; } cases[] = {
        { "byte of a word register", PLIC + 4, 1, MEM_ERROR },
        { "unaligned word", PLIC + 6, 4, MEM_ERROR },
        { "doubleword over words", PLIC + 8, 8, MEM_ERROR },
        { "nothing declared", PLIC + 0x1f0000, 4, MEM_OK },
        { "behind the UART", UART + 8, 1, MEM_UNMAPPED },
        { "no device", 0x50, 4, MEM_UNMAPPED },
    };
    struct board b = board_create(1);
    u64 value;

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_test_message("%s", cases[i].what);
        g_assert_cmpint(space_read(vm_memory(b.vm), cases[i].address, cases[i].size, &value), ==, cases[i].read);
        g_assert_cmphex(value, ==, 0);
    }
    board_destroy(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/devices/aclint/software-interrupts", test_software_interrupts);
    g_test_add_func("/devices/aclint/supervisor", test_supervisor_software_interrupts);
    g_test_add_func("/devices/edges", test_edges);
    g_test_add_func("/devices/aclint/timer", test_machine_timer);
    g_test_add_func("/devices/aclint/timer-alone", test_timer_alone);
    g_test_add_func("/devices/plic/order", test_plic);
    g_test_add_func("/devices/plic/strangers", test_plic_strangers);
    g_test_add_func("/devices/refused", test_refused_accesses);
    return g_test_run();
}
