/*
 * target/riscv/state.h - the architectural state of one hart: plain data without pointers, in a slot of the arena.
 *
 * Translated code addresses it relative to its start: x first, so that the first sixteen lie within disp8. Owned by the
 * vCPU's thread while it runs; members marked atomic are also written by others.
 */
#ifndef TARGET_RISCV_STATE_H
#define TARGET_RISCV_STATE_H

#include "base/types.h"

enum riscv_privilege { RISCV_U = 0, RISCV_S = 1, RISCV_M = 3 };

enum { RISCV_MAX_PMP = 64, RISCV_COUNTERS = 32, RISCV_MAX_VLEN = 512 };

#define RISCV_NO_RESERVATION UINT64_MAX

struct riscv_pmp_entry {
    u64 first, last; /* physical addresses, inclusive; valid while active */
    u8 config;       /* pmpcfg byte */
    bool active;     /* A is not OFF and the range is not empty */
};

struct riscv_state {
    u64 x[32];
    u64 f[32]; /* NaN-boxed */
    u64 pc;
    u64 reserve_address; /* of the last LR; RISCV_NO_RESERVATION: none */
    u64 reserve_value;
    u64 fp_dirty;        /* non-zero: FS reads as Dirty. Set by translated code, folded into mstatus when that is read */
    u8 fflags;
    u8 frm;              /* 0..7, invalid ones too */
    u8 privilege;        /* enum riscv_privilege */

    /* Interrupts: bits as in mip. Both atomic. */
    u64 lines;    /* levels of input lines, and bit 5 by stimecmp */
    u64 software; /* what software wrote: SSIP, STIP, SEIP; bit 0: riscv_aia_update */
    u64 mie;      /* bit 0 is always set */
    u64 mideleg, medeleg;

    u64 mstatus; /* without SD; FS as last written */
    u64 mtvec, mscratch, mepc, mcause, mtval;
    u64 stvec, sscratch, sepc, scause, stval;
    u64 menvcfg, senvcfg;
    u64 satp;
    u64 stimecmp;
    u32 mcounteren, scounteren, mcountinhibit;

    /* Advanced interrupt architecture; of the vCPU's thread alone. Bit 9 of mvip is that of software, bit 5 too. */
    u64 mvien, mvip;
    u64 virtual_sie; /* bits of sie that are not mie's */
    u64 miselect, siselect;
    u8 iprio[2][64]; /* of machine and supervisor level */

    /* Counters: value - running clock for those that run, the value itself for inhibited ones. [0] cycle, [2] instret. */
    u64 counter[RISCV_COUNTERS];
    u64 event[RISCV_COUNTERS]; /* mhpmevent3..31 */

    u64 pmpaddr[RISCV_MAX_PMP];
    struct riscv_pmp_entry pmp[RISCV_MAX_PMP]; /* config, and the ranges that follow from it */
    u32 pmp_used; /* entries from this one on are off */

    /* Vectors (target/riscv/vector.h). */
    u64 vl, vtype, vstart; /* vtype: with vill */
    u64 vs_dirty;          /* non-zero: VS reads as Dirty, as fp_dirty */
    u8 vxrm, vxsat;
    u8 v[32 * RISCV_MAX_VLEN / 8] __attribute__((aligned(64))); /* one register behind the other, VLEN bits each */
};

#endif
