/*
 * tests/bench/mmu.c - what events of the MMU and the trap system cost: a bare guest that prints one line "name nanoseconds" per event, by
 * the guest's own clock, best of several rounds. Runs under any emulator of the virt board: -bios none -kernel mmu.elf.
 */
#include "tests/jit/lib.h"

enum { ROUNDS = 7, PAGES = 10, SPACES = 64, LOW = 0x40000000 };
#define ALIAS 0x80000000ul /* user code runs so much above where it is linked */

static u64 tables[SPACES * 3 + 8][512] __attribute__((aligned(4096)));
static u64 data[PAGES][512] __attribute__((aligned(4096)));
static u64 *root[SPACES];
static u32 used;

/* An illegal instruction ends what in_mode() runs, in any mode. */
u64 trap(u64 cause, u64 epc, u64 tval)
{
    (void)tval;
    if (cause == 2 || (epc == (u64)come_back && cause == 9))
        return back_to_m();
    fail("unexpected trap:", cause, epc, tval);
    return 0;
}

static u64 *entry(u64 *table, u64 va, int level)
{
    for (int l = 2; l > level; l--) {
        u64 *pte = &table[va >> (12 + 9 * l) & 511];

        if (!(*pte & PTE_V))
            *pte = (u64)tables[used++] >> 12 << 10 | PTE_V;
        table = (u64 *)(*pte >> 10 << 12);
    }
    return &table[va >> (12 + 9 * level) & 511];
}

static void make_spaces(void)
{
    for (u64 i = 0; i < SPACES; i++) {
        root[i] = tables[used++];
        *entry(root[i], 0x80000000, 2) = 0x80000000 >> 2 | PTE_RWX | PTE_G;
        *entry(root[i], 0x80000000 + ALIAS, 2) = 0x80000000 >> 2 | PTE_RWX | PTE_U | PTE_G;
        for (u64 page = 0; page < PAGES; page++)
            *entry(root[i], LOW + page * 4096, 0) = (u64)data[page] >> 2 | PTE_RWX;
    }
}

static void touch(void)
{
    for (u64 page = 0; page < PAGES; page++)
        *(volatile u64 *)(LOW + page * 4096 + page * 64) = 1;
}

/* What is measured: `count` events in S mode (or as the function says). */
static u64 switch_spaces(u64 spaces, u64 count)
{
    for (u64 i = 0; i < count; i++) {
        u64 at = i % spaces;

        csr_write(satp, satp_of(root[at], 3, at + 1));
        touch();
    }
    return 0;
}

static u64 switch_2(u64 count)
{
    return switch_spaces(2, count);
}

static u64 switch_64(u64 count)
{
    return switch_spaces(SPACES, count);
}

static u64 fence_asid(u64 count)
{
    for (u64 i = 0; i < count; i++) {
        __asm__ volatile("sfence.vma zero, %0" ::"r"(1ul) : "memory");
        touch();
    }
    return 0;
}

static u64 fence_one(u64 count)
{
    for (u64 i = 0; i < count; i++) {
        __asm__ volatile("sfence.vma %0, %1" ::"r"((u64)LOW), "r"(1ul) : "memory");
        *(volatile u64 *)LOW = i;
    }
    return 0;
}

static u64 interrupts_off_on(u64 count)
{
    for (u64 i = 0; i < count; i++)
        __asm__ volatile("csrrci t0, sstatus, 2\n andi t0, t0, 2\n csrs sstatus, t0" ::: "t0", "memory");
    return 0;
}

/* As a kernel copies from a user: SUM on, an access, SUM off. */
static u64 user_access(u64 count)
{
    for (u64 i = 0; i < count; i++) {
        csr_set(sstatus, 1 << 18);
        *(volatile u64 *)((u64)data + ALIAS);
        csr_clear(sstatus, 1 << 18);
    }
    return 0;
}

static u64 read_time(u64 count)
{
    u64 last = 0;

    for (u64 i = 0; i < count; i++)
        last = csr_read(time);
    return last;
}

static u64 scratch_swap(u64 count)
{
    for (u64 i = 0; i < count; i++)
        __asm__ volatile("csrrw t0, sscratch, t0\n csrrw t0, sscratch, t0" ::: "t0", "memory");
    return 0;
}

/* The S handler skips the instruction; t6 is nobody's. */
__asm__(".balign 4\nskip: csrr t6, sepc\n addi t6, t6, 4\n csrw sepc, t6\n sret\n"
        ".balign 4\nuser_calls: mv t5, a0\n1: ecall\n addi t5, t5, -1\n bnez t5, 1b\n .word 0\n"
        ".balign 4\nfaults: mv t5, a0\n li t4, 0x50000000\n1: .option push\n.option norvc\n lw t3, 0(t4)\n.option pop\n"
        " addi t5, t5, -1\n bnez t5, 1b\n ret\n");
extern char skip[], user_calls[], faults[];

static const struct event {
    const char *name;
    void *fn;
    u64 mode, count;
} events[] = {
    { "satp write, 10 pages touched, 2 spaces", switch_2, S, 20000 },
    { "satp write, 10 pages touched, 64 spaces", switch_64, S, 20000 },
    { "sfence.vma of an ASID, 10 pages touched", fence_asid, S, 10000 },
    { "sfence.vma of a page, page touched", fence_one, S, 20000 },
    { "ecall from U to S and sret", user_calls + ALIAS, U, 20000 },
    { "page fault in S and sret", faults, S, 20000 },
    { "interrupts off and on", interrupts_off_on, S, 100000 },
    { "SUM on, load, SUM off", user_access, S, 50000 },
    { "rdtime", read_time, S, 100000 },
    { "sscratch swapped twice", scratch_swap, S, 100000 },
};

/* In units of 0.1 ns; the clock counts 100 ns. */
static u64 measure(const struct event *event)
{
    u64 best = -1ul;

    for (u64 round = 0; round < ROUNDS; round++) {
        u64 start = csr_read(time);

        in_mode(event->fn, event->count, event->mode);
        u64 spent = (csr_read(time) - start) * 1000 / event->count;
        if (spent < best)
            best = spent;
    }
    return best;
}

void main(u64 hart)
{
    if (hart)
        for (;;)
            ;
    make_spaces();
    csr_write(satp, satp_of(root[0], 3, 1));
    fence_all();
    csr_write(mcounteren, -1ul);
    csr_write(medeleg, 1 << 8 | 1 << 13); /* ecall from U, load page faults */
    csr_write(stvec, skip);
    for (u64 i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        u64 tenths = measure(&events[i]);

        csr_write(satp, satp_of(root[0], 3, 1));
        print(events[i].name);
        put('\t');
        print_number(tenths / 10);
        put('.');
        put((char)('0' + tenths % 10));
        put('\n');
    }
}
