/* tests/random/entry.S - start, and the way into trap() and back with all registers saved. */
#include "tests/random/layout.h"
    .section .text.start
    .globl _start
_start:
    la      t0, entry
    csrw    mtvec, t0
    csrr    t1, mhartid
    slli    t0, t1, INSTANCE_SHIFT
    li      sp, STATE
    add     t0, t0, sp
    csrw    mscratch, t0
    li      sp, STACK_TOP - STATE
    add     sp, sp, t0
    li      t0, 2
    bgeu    t1, t0, disturb
    li      t0, (KEEPER >> 2) | ((STATE - KEEPER) >> 3) - 1
    csrw    pmpaddr0, t0
    li      t0, 0x9d            /* the keeper stays as it is: locked, read, execute */
    csrw    pmpcfg0, t0
    li      t0, -1              /* everything else is allowed to S and U */
    csrw    pmpaddr15, t0
    li      t0, 0x1f
    slli    t0, t0, 56
    csrw    pmpcfg2, t0
    csrw    mcounteren, t0
    li      t0, -1
    csrw    mcounteren, t0
    csrw    scounteren, t0
    call    begin
    csrr    s10, mscratch
    j       leave

    .balign 4
entry:
    csrrw   s10, mscratch, s10
    csrc    mstatus, s10        /* MPRV is bit 17 of the address; what else of it mstatus has is 0 here */
    .irp    r, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,27,28,29,30,31
    sd      x\r, (STATE_X + \r) * 8(s10)
    .endr
    csrrw   t0, mscratch, s10
    sd      t0, (STATE_X + 26) * 8(s10)
    li      sp, STACK_TOP - STATE
    add     sp, sp, s10
    call    trap
    csrr    s10, mscratch
    j       leave

/* s10: STATE. Its own value waits in mscratch, which gets the address back. */
.macro  leave_with_registers
    ld      t0, (STATE_X + 26) * 8(s10)
    csrw    mscratch, t0
    .irp    r, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,27,28,29,30,31
    ld      x\r, (STATE_X + \r) * 8(s10)
    .endr
.endm

leave:
    ld      t0, STATE_MPRV * 8(s10)
    bnez    t0, 1f
    leave_with_registers
    csrrw   s10, mscratch, s10
    mret
1:  leave_with_registers
    lui     s10, 0x20           /* MPRV; then STATE once more, with no other register */
    csrs    mstatus, s10
    csrr    s10, mhartid
    addi    s10, s10, 1024
    addi    s10, s10, 1024
    slli    s10, s10, 3
    addi    s10, s10, 1
    slli    s10, s10, 17
    csrrw   s10, mscratch, s10
    mret

    /* What the program computed, for who compares: all registers that are not in STATE_X. The stack has seen more than that. The last to end is hart 0. */
    .globl end
    .option arch, +v, +d
end:
    li      t0, 0x6600          /* FS and VS dirty */
    csrs    mstatus, t0
    csrr    t1, mscratch
    li      t2, STATE_END * 8
    add     t1, t1, t2
    csrr    t0, vl
    sd      t0, 0(t1)
    csrr    t0, vtype
    sd      t0, 8(t1)
    csrr    t0, vstart
    sd      t0, 16(t1)
    csrr    t0, vcsr
    sd      t0, 24(t1)
    csrr    t0, fcsr
    sd      t0, 32(t1)
    csrr    t0, sscratch
    sd      t0, 40(t1)
    .irp    r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd     f\r, (8 + \r) * 8(t1)
    .endr
    addi    t1, t1, 512
    csrw    vstart, zero
    vs8r.v  v0, (t1)
    csrr    t0, vlenb
    slli    t0, t0, 3
    add     t1, t1, t0
    vs8r.v  v8, (t1)
    add     t1, t1, t0
    vs8r.v  v16, (t1)
    add     t1, t1, t0
    vs8r.v  v24, (t1)
    csrr    t0, mscratch
    li      t1, STACK_TOP - STATE
    add     t1, t0, t1
    li      t2, 0x2000
    add     t0, t0, t2
1:  sd      zero, (t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b
    csrr    t0, mscratch
    ld      t1, STATE_HARTS * 8(t0)
    li      t2, 1
    beq     t1, t2, 3f
    csrr    t1, mhartid
    li      t0, 0x2004008       /* MTIMECMP of hart 1, which has no use for it: 0 or all ones until now */
    beqz    t1, 2f
    fence   rw, rw
    sd      t2, (t0)
1:  j       1b
2:  ld      t1, (t0)
    bne     t1, t2, 2b
3:  li      t0, 0x100000
    li      t1, 0x5555
    sw      t1, 0(t0)
1:  j       1b
