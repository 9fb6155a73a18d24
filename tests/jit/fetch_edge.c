/*
 * Instructions whose halves are fetched from different places: RAM, a device, nothing, a page that is not executable, either side
 * of a PMP edge. Each half goes through its own translation; a fault names the half that had it.
 */
#include "tests/jit/lib.h"

enum { FLASH = 0x22000000, ECAM_NOBODY = 0x30008000, NOTHING = 0x00200000, VA = 0x40000000, END = VA + 4094, NEXT = VA + 4096 };
enum { STATUS_READY = 0x80 }; /* each half word of the flash in status mode */

static u16 code[2][2048] __attribute__((aligned(4096)));
static u64 *root;
static volatile struct {
    u64 count, cause, epc, tval;
} got;

/* Whatever happens in the lower mode ends it. */
u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (epc != (u64)come_back) {
        got.count++;
        got.cause = cause;
        got.epc = epc;
        got.tval = tval;
    }
    return back_to_m();
}

/* What is called returns 8 bytes behind the usual place: 2; to the usual one: 1. */
static u64 call(u64 va)
{
    u64 result;

    __asm__ volatile(".option push\n.option norvc\n jalr ra, 0(%1)\n li %0, 1\n j 1f\n li %0, 2\n1:\n.option pop"
                     : "=&r"(result) : "r"(va) : "ra", "memory");
    return result;
}

static void pages(u64 first, u64 second, u64 second_flags)
{
    map(root, 3, VA, first, 0, PTE_RWX);
    map(root, 3, NEXT, second, 0, second_flags);
    fence_all();
}

static void expect_trap(u64 address, u64 cause, u64 tval)
{
    got.count = 0;
    in_mode(call, address, S);
    expect(got.count, 1);
    expect(got.cause, cause);
    expect(got.epc, address);
    expect(got.tval, tval);
}

/* An instruction that is illegal shows all its bits in mtval: 0xffff is the first half of one with 32. */
static void from_two_places(void)
{
    u64 ram = (u64)code[0], other = (u64)code[1];

    code[0][2047] = 0xffff;
    code[1][0] = 0x1234;
    fence_i();
    pages(ram, other, PTE_RWX);
    expect_trap(END, 2, 0x1234ffff);
    pages(ram, FLASH, PTE_RWX);
    expect_trap(END, 2, (u64)STATUS_READY << 16 | 0xffff);
    pages(ECAM_NOBODY, other, PTE_RWX); /* reads as ones */
    expect_trap(END, 2, 0x1234ffff);
    pages(ECAM_NOBODY, FLASH, PTE_RWX);
    expect_trap(END, 2, (u64)STATUS_READY << 16 | 0xffff);
    pages(ram, other, PTE_RWX);
    expect_trap(END, 2, 0x1234ffff);
}

/* jalr zero, 8(ra): the 8 comes from the flash. */
static void runs(void)
{
    code[0][2047] = 0x8067;
    fence_i();
    pages((u64)code[0], FLASH, PTE_RWX);
    got.count = 0;
    for (int i = 0; i < 10; i++)
        expect(in_mode(call, END, S), 2);
    expect(got.count, 0);
}

static void faults(void)
{
    u64 first[] = { (u64)code[0], ECAM_NOBODY };

    code[0][2047] = 0xffff;
    fence_i();
    for (int i = 0; i < 2; i++) {
        pages(first[i], FLASH, PTE_RWX & ~PTE_X);
        expect_trap(END, 12, NEXT);
        pages(first[i], (u64)code[1], PTE_RWX & ~PTE_X);
        expect_trap(END, 12, NEXT);
        pages(first[i], 0, 0);
        expect_trap(END, 12, NEXT);
        pages(first[i], NOTHING, PTE_RWX);
        expect_trap(END, 1, NEXT);
    }
    pages(NOTHING, (u64)code[1], PTE_RWX);
    expect_trap(END, 1, END);
}

/* Two bytes of an instruction on the forbidden side. */
static void pmp_edge(void)
{
    u64 edge = (u64)code[0] + 0x80, at = edge - 2;

    code[0][0x7e / 2] = 0x0513; /* li a0, 0x111 */
    code[0][0x80 / 2] = 0x1110;
    code[0][0x82 / 2] = 0x8067; /* jalr zero, 8(ra) */
    code[0][0x84 / 2] = STATUS_READY;
    fence_i();
    for (int i = 0; i < 3; i++) {
        csr_write(pmpaddr0, edge >> 2);
        csr_write(pmpaddr1, (edge + 8) >> 2);
        csr_write(pmpcfg0, 0x0800); /* entry 1, top of range: nothing */
        fence_all();
        expect_trap(at, 1, edge);
        expect_trap(at, 1, edge);
        csr_write(pmpcfg0, 0x0f00);
        fence_all();
        got.count = 0;
        expect(in_mode(call, at, S), 2);
        expect(got.count, 0);
    }
}

void main(u64 hart)
{
    other_harts_wait(hart);
    *(volatile u32 *)FLASH = 0x00700070; /* status mode */
    root = new_table();
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    csr_write(satp, satp_of(root, 3, 1));
    from_two_places();
    runs();
    faults();
    csr_write(satp, 0);
    pmp_edge();
}
