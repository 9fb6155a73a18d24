/* A trap whose vector traps again, for ever: the machine must still hear its monitor (tests/functional/test_trap_loop.py). */
    .section .text.start
    .globl _start
_start:
    la      t0, vector
    csrw    mtvec, t0
    .balign 4
vector:
    .word   0
