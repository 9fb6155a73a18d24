/* tests/guests/hello.S - Entry of the small guest: a stack, cleared memory, then main() on hart 0. */
    .section .text.start, "ax"
    .globl _start
_start:
    /* M mode from -bios or -bios none, S mode from OpenSBI: a0 is the hart, a1 the device tree in each case. */
    la      sp, stack_top
    bnez    a0, park
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  call    guest_main
park:
    wfi
    j       park
