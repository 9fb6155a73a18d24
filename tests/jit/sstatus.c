/*
 * sstatus as it reads and as its bits are set and cleared: FS and SD as floating point is used, SIE by constants and by registers, values
 * that have other bits, rd equal to rs1; and that an interrupt which waits is taken right behind the instruction that lets it.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { SIE = 2, SPIE = 32, SPP = 256, FS = 3 << 13, SUM = 1 << 18 };
#define SD (1ul << 63)
#define UXL (2ul << 32)

#define swap(op, value) ({ u64 v_ = (value); __asm__ volatile(op " %0, sstatus, %0" : "+r"(v_)::"memory"); v_; })
#define swap_imm(op, imm) ({ u64 v_; __asm__ volatile(op " %0, sstatus, " #imm : "=r"(v_)::"memory"); v_; })

static u64 seen[64];
static u64 count;

static void note(u64 value)
{
    seen[count++] = value;
}

static u64 look(u64 round)
{
    count = 0;
    csr_clear(sstatus, FS | SIE | SPIE | SPP | SUM);
    note(csr_read(sstatus));                       /* 0: FS off */
    csr_set(sstatus, 1 << 13);
    note(csr_read(sstatus));                       /* 1: Initial */
    csr_clear(sstatus, FS);
    csr_set(sstatus, 2 << 13);
    note(csr_read(sstatus));                       /* 2: Clean */
    __asm__ volatile("fmv.d.x fa0, %0" ::"r"(round) : "fa0");
    note(csr_read(sstatus));                       /* 3: Dirty, SD */
    note(swap_imm("csrrci", 2));                   /* 4: the same; SIE was clear */
    note(swap_imm("csrrsi", 2));                   /* 5: the same */
    note(swap_imm("csrrci", 2));                   /* 6: SIE */
    note(csr_read(sstatus));                       /* 7: without */
    note(swap("csrrs", SIE));                      /* 8: without */
    note(swap("csrrs", 0));                        /* 9: SIE */
    note(swap("csrrs", SPP | SIE));                /* 10: SIE */
    note(swap("csrrc", SIE));                      /* 11: SPP and SIE */
    note(swap("csrrc", SPP));                      /* 12: SPP */
    csr_clear(sstatus, 1 << 13);
    note(csr_read(sstatus));                       /* 13: Clean, no SD */
    note(swap("csrrs", SIE));                      /* 14: Clean */
    __asm__ volatile("fmv.d.x fa0, %0" ::"r"(round) : "fa0");
    note(swap("csrrw", (2 << 13) | SIE | SUM));    /* 15: Dirty, SIE */
    note(swap("csrrw", 1 << 13));                  /* 16: Clean, SIE, SUM */
    note(csr_read(sstatus));                       /* 17: Initial */
    return 0;
}

/* t5, t6 are nobody's; t6 becomes where the interrupt was taken, 0 before. SIE is on again behind it. */
__asm__(".balign 4\ntake: csrci sip, 2\n csrr t6, sepc\n sret\n");
extern char take[], after_imm[], after_reg[];

#define wait_for(insns) ({ u64 w_; __asm__ volatile("li t6, 0\n" insns "\n addi zero, zero, 0\n addi zero, zero, 0\n mv %0, t6" : "=r"(w_)::"t5", "t6", "memory"); w_; })

static u64 interrupts(u64 n)
{
    count = 0;
    for (u64 i = 0; i < n; i++) {
        count = 0;
        csr_clear(sstatus, SIE);
        csr_set(sip, 2);
        note(wait_for("csrsi sstatus, 2\nafter_imm:"));
        csr_clear(sstatus, SIE);
        csr_set(sip, 2);
        note(wait_for("li t5, 2\n csrrc t5, sstatus, t5\n li t5, 2\n csrs sstatus, t5\nafter_reg:"));
        csr_clear(sstatus, SIE);
        note(wait_for("csrsi sstatus, 2\n csrci sstatus, 2")); /* nothing waits */
        csr_set(sip, 2);
        note(wait_for("csrci sstatus, 2\n csrr t5, sstatus")); /* not let through */
        csr_clear(sie, 2);
        note(wait_for("csrsi sstatus, 2\n csrci sstatus, 2")); /* not enabled */
        csr_clear(sip, 2);
        csr_set(sie, 2);
    }
    csr_clear(sstatus, SIE);
    return 0;
}

static const u64 wanted[] = {
    UXL, UXL | 1 << 13, UXL | 2 << 13, UXL | FS | SD, UXL | FS | SD, UXL | FS | SD, UXL | FS | SD | SIE, UXL | FS | SD, UXL | FS | SD,
    UXL | FS | SD | SIE, UXL | FS | SD | SIE, UXL | FS | SD | SPP | SIE, UXL | FS | SD | SPP, UXL | 2 << 13, UXL | 2 << 13,
    UXL | FS | SD | SIE, UXL | 2 << 13 | SIE | SUM, UXL | 1 << 13,
};

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_write(mideleg, 0x222);
    for (u64 round = 0; round < 6; round++) {
        csr_write(sie, round & 1 ? 0 : 2);
        csr_clear(sip, 2);
        in_mode(look, round, round < 4 ? S : M);
        for (u64 i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
            expect(seen[i], wanted[i]);
        expect(csr_read(mstatus) & (FS | SIE), 1 << 13);
        csr_set(mstatus, FS);
    }
    csr_write(stvec, take);
    csr_write(sie, 2);
    for (u64 n = 1; n < 30; n += 7) {
        in_mode(interrupts, n, S);
        expect(seen[0], after_imm);
        expect(seen[1], after_reg);
        for (u64 i = 2; i < 5; i++)
            expect(seen[i], 0);
    }
}
