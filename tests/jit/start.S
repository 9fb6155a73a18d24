/* tests/jit/start.S - every hart enters main(hart) in M mode with a stack of its own; traps go to trap(). */
    .section .text.start
    .globl _start
_start:
    csrr    a0, mhartid
    la      sp, stacks
    addi    t0, a0, 1
    slli    t0, t0, 14
    add     sp, sp, t0
    la      t0, trap_entry
    csrw    mtvec, t0
    li      t0, 0x6000          /* FS dirty */
    csrs    mstatus, t0
    /* everything is allowed to S and U unless a test says otherwise */
    li      t0, -1
    csrw    pmpaddr15, t0
    li      t0, 0x1f
    slli    t0, t0, 56
    csrw    pmpcfg2, t0
    call    main
    li      t0, 0x100000        /* main came back: success */
    li      t1, 0x5555
    sw      t1, 0(t0)
1:  wfi
    j       1b

    /* A trap in M mode: saves what C may clobber and calls trap(cause, epc, tval), which returns where to go on. */
    .balign 4
    .globl trap_entry
trap_entry:
    addi    sp, sp, -160        /* every mode has its stack where M mode can use it too */
    sd      ra, 0(sp)
    sd      t0, 8(sp)
    sd      t1, 16(sp)
    sd      t2, 24(sp)
    sd      a0, 32(sp)
    sd      a1, 40(sp)
    sd      a2, 48(sp)
    sd      a3, 56(sp)
    sd      a4, 64(sp)
    sd      a5, 72(sp)
    sd      a6, 80(sp)
    sd      a7, 88(sp)
    sd      t3, 96(sp)
    sd      t4, 104(sp)
    sd      t5, 112(sp)
    sd      t6, 120(sp)
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    call    trap
    csrw    mepc, a0
    ld      ra, 0(sp)
    ld      t0, 8(sp)
    ld      t1, 16(sp)
    ld      t2, 24(sp)
    ld      a0, 32(sp)
    ld      a1, 40(sp)
    ld      a2, 48(sp)
    ld      a3, 56(sp)
    ld      a4, 64(sp)
    ld      a5, 72(sp)
    ld      a6, 80(sp)
    ld      a7, 88(sp)
    ld      t3, 96(sp)
    ld      t4, 104(sp)
    ld      t5, 112(sp)
    ld      t6, 120(sp)
    addi    sp, sp, 160
    mret

    /* long in_mode(fn, arg, mpp): runs fn(arg) in a lower privilege; it comes back by ecall. */
    .globl in_mode
in_mode:
    addi    sp, sp, -128
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    sd      s3, 32(sp)
    sd      s4, 40(sp)
    sd      s5, 48(sp)
    sd      s6, 56(sp)
    sd      s7, 64(sp)
    sd      s8, 72(sp)
    sd      s9, 80(sp)
    sd      s10, 88(sp)
    sd      s11, 96(sp)
    li      t0, 0x1800
    csrc    mstatus, t0
    slli    a2, a2, 11
    csrs    mstatus, a2
    csrw    mepc, a0
    mv      a0, a1
    la      ra, come_back
    csrr    t0, mhartid
    slli    t0, t0, 3
    la      t1, saved_sp
    add     t1, t1, t0
    sd      sp, 0(t1)
    mret
come_back:
    ecall
    .globl returned
returned:                       /* trap() sends the ecall here, in M mode, a0 kept */
    csrr    t0, mhartid
    slli    t0, t0, 3
    la      t1, saved_sp
    add     t1, t1, t0
    ld      sp, 0(t1)
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    ld      s3, 32(sp)
    ld      s4, 40(sp)
    ld      s5, 48(sp)
    ld      s6, 56(sp)
    ld      s7, 64(sp)
    ld      s8, 72(sp)
    ld      s9, 80(sp)
    ld      s10, 88(sp)
    ld      s11, 96(sp)
    addi    sp, sp, 128
    ret

    .globl come_back
    .bss
    .balign 4096
    .globl saved_sp
saved_sp: .space 512
    .balign 16
stacks: .space 16384 * 5
