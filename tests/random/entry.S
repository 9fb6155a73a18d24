/* tests/random/entry.S - start, and the way into trap() and back with all registers saved. */
#include "tests/random/layout.h"
    .section .text.start
    .globl _start
_start:
    la      t0, entry
    csrw    mtvec, t0
    li      t0, STATE
    csrw    mscratch, t0
    li      sp, STACK_TOP
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
    csrc    mstatus, s10        /* MPRV is bit 17 of the address */
    .irp    r, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,27,28,29,30,31
    sd      x\r, (STATE_X + \r) * 8(s10)
    .endr
    csrrw   t0, mscratch, s10
    sd      t0, (STATE_X + 26) * 8(s10)
    li      sp, STACK_TOP
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
    csrs    mstatus, s10
    csrrw   s10, mscratch, s10
    mret

    /* What the program computed, for who compares: all registers that are not in STATE_X. */
    .globl end
    .option arch, +v, +d
end:
    li      t0, 0x6600          /* FS and VS dirty */
    csrs    mstatus, t0
    li      t1, STATE + STATE_END * 8
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
    li      t0, 0x100000
    li      t1, 0x5555
    sw      t1, 0(t0)
1:  j       1b
