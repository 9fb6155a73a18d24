/*
 * Accesses that share a check by the tables, and between them a store by a window that changes what is there: flash that becomes a device.
 * Which go by the tables is what samples found: those that often were for nothing.
 */
#include "tests/jit/lib.h"

enum { LEVELS = 5, DEVICE_READS = 100000, ROUNDS = 4, READ_STATUS = 0x700070, READ_ARRAY = 0xff00ff, STATUS_READY = 0x800080 };
#define REGION 0x4000000000ul
#define TIMER  (3 * REGION)
#define RAM    (5 * REGION)
#define FLASH  (7 * REGION)

TRAP_HANDLER

static u32 page[1024] __attribute__((aligned(4096)));

/* The loads share a check; they lie in other 16 bytes of code than the store. */
static __attribute__((noinline)) u64 load_store_load(u64 loads, u64 stores, u64 value)
{
    u64 first, second;

    __asm__ volatile(".option push\n.option norvc\n.balign 16\n"
                     "lwu %0, 0(%2)\nnop\nnop\nnop\n"
                     "sw %4, 0(%3)\nnop\nnop\nnop\n"
                     "lwu %1, 4(%2)\nnop\nnop\nnop\n"
                     ".option pop"
                     : "=&r"(first), "=&r"(second)
                     : "r"(loads), "r"(stores), "r"(value)
                     : "memory");
    return second;
}

/* Loads that are for devices, and stores that are not. */
static long learn(u64 arg)
{
    (void)arg;
    for (u64 i = 0; i < DEVICE_READS; i++)
        load_store_load(TIMER + 0xff8, RAM, i);
    return 0;
}

static long command_and_load(u64 command)
{
    return (long)load_store_load(FLASH, FLASH, command);
}

void main(u64 hart)
{
    u64 *root = new_table();

    other_harts_wait(hart);
    map(root, LEVELS, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, LEVELS, TIMER, 0x200b000, 0, PTE_RWX);
    map(root, LEVELS, RAM, (u64)page, 0, PTE_RWX);
    map(root, LEVELS, FLASH, 0x20000000, 0, PTE_RWX);
    csr_write(satp, satp_of(root, LEVELS, 0));
    fence_all();
    u64 array = *(volatile u32 *)0x20000004;
    in_mode(learn, 0, S);
    expect(page[0], DEVICE_READS - 1);
    for (u64 i = 0; i < ROUNDS; i++) {
        expect(in_mode(command_and_load, READ_STATUS, S), STATUS_READY);
        expect(in_mode(command_and_load, READ_ARRAY, S), array);
    }
}
