/* tests/random/layout.h - where things lie, for hart 0; generate.py reads the numbers out of this file. Another hart's state, tables and data lie INSTANCE further each. */
#ifndef RANDOM_LAYOUT_H
#define RANDOM_LAYOUT_H

#define KEEPER     0x80000000 /* start and trap handler */
#define HANDLER    0x8001f000 /* where S takes traps: ecall, sret */
#define STATE      0x80020000 /* struct state, and the keeper's stack behind it; in mscratch */
#define CODE       0x80030000 /* the random program */
#define CODE_END   0x80058000
#define TABLES     0x80060000 /* two sets of page tables */
#define DATA       0x80080000
#define DATA_PAGES 16
#define TWIN       0x800a8000 /* another program that goes the same ways; further behind the data than indices of 16 bits reach */
#define TWIN_PAGES 8          /* of CODE, that change to it and back */
#define IMAGE_END  0x800b0000
#define INSTANCE   0x100000
#define INSTANCE_SHIFT 20

/* The hart without a program has rings for the disk here, where the others see nothing. The disk: TWIN_PAGES of CODE and as much of the twin, for each hart. */
#define RINGS 0x80240000

/* Paged, user mode sees everything this much higher, in pages of its own. */
#define USER_OFFSET 0x40000000

/* Pages of a set of tables: root, S's middle, S's leaves, U's middle, U's leaves. */
#define SET_SIZE 0x5000

/* struct state, in words of 8 bytes */
#define STATE_X      0  /* 32 registers of the program while it is in the keeper */
#define STATE_RANDOM 32
#define STATE_LIMIT  33 /* ecalls until the end; 0: none */
#define STATE_TIMED  34 /* timer interrupts, clocks */
#define STATE_ENVCFG 35
#define STATE_ECALLS 36
#define STATE_TRAPS  37 /* a hash of all of them */
#define STATE_MPRV   38 /* to be set at the next return */
#define STATE_CODE   39 /* how far behind CODE and TWIN those lie which this hart executes */
#define STATE_HARTS  40 /* 1, or two with a program and one without */
#define STATE_SHARED 41 /* both execute the same program */
#define STATE_CALM   42 /* of the hart without a program: it does what it is asked and nothing else, so nobody is called who waits in vain */
#define STATE_ASKS   43 /* a line of the program that the hart without one is to change, plus how; it clears this */
#define ASKS_CALL    1  /* and calls who asked */
#define ASKS_DISK    2  /* reads the sector from the disk, if there is one; else the line is exchanged for that of the twin */
#define ASKS_TWIN    4  /* what the disk has of the twin */
#define STATE_POOL   64 /* values for registers */
#define POOL_SIZE    256
#define STATE_END    512 /* what registers held at the end */

#define STACK_TOP (STATE + 0x8000)
#endif
