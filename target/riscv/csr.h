/*
 * target/riscv/csr.h - control and status registers: fields, the table made from csr.def, access.
 *
 * The vCPU's own thread, or the machine stopped.
 */
#ifndef TARGET_RISCV_CSR_H
#define TARGET_RISCV_CSR_H

#include "target/riscv/cpu.h"

/* mstatus (section 3.1.6). sstatus is a view of it. */
#define MSTATUS_SIE  BIT64(1)
#define MSTATUS_MIE  BIT64(3)
#define MSTATUS_SPIE BIT64(5)
#define MSTATUS_MPIE BIT64(7)
#define MSTATUS_SPP  BIT64(8)
#define MSTATUS_MPP  (UINT64_C(3) << MSTATUS_MPP_SHIFT)
#define MSTATUS_VS   (UINT64_C(3) << MSTATUS_VS_SHIFT)
#define MSTATUS_FS   (UINT64_C(3) << MSTATUS_FS_SHIFT)
#define MSTATUS_MPRV BIT64(17)
#define MSTATUS_SUM  BIT64(18)
#define MSTATUS_MXR  BIT64(19)
#define MSTATUS_TVM  BIT64(20)
#define MSTATUS_TW   BIT64(21)
#define MSTATUS_TSR  BIT64(22)
#define MSTATUS_UXL  (UINT64_C(2) << 32) /* 64 bits, fixed */
#define MSTATUS_UXL_MASK (UINT64_C(3) << 32)
#define MSTATUS_SXL  (UINT64_C(2) << 34)
#define MSTATUS_SD   BIT64(63)
enum { MSTATUS_VS_SHIFT = 9, MSTATUS_MPP_SHIFT = 11, MSTATUS_FS_SHIFT = 13 };

/* What sstatus shows of it (section 12.1.1). */
#define SSTATUS_WRITE (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_VS | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR)
#define SSTATUS_READ  (SSTATUS_WRITE | MSTATUS_UXL_MASK | MSTATUS_SD)

/* menvcfg and senvcfg (sections 3.1.18 and 12.1.10). */
#define ENVCFG_FIOM  BIT64(0)
#define ENVCFG_CBIE  (UINT64_C(3) << 4)
#define ENVCFG_CBCFE BIT64(6)
#define ENVCFG_CBZE  BIT64(7)
#define ENVCFG_ADUE  BIT64(61)
#define ENVCFG_PBMTE BIT64(62)
#define ENVCFG_STCE  BIT64(63)

/* satp (section 12.1.11). */
enum { SATP_MODE_SHIFT = 60, SATP_ASID_SHIFT = 44, SATP_ASID_BITS = 16, SATP_PPN_BITS = 44 };
enum satp_mode { SATP_BARE = 0, SATP_SV39 = 8, SATP_SV48 = 9, SATP_SV57 = 10 };

struct riscv_csr;
typedef u64 riscv_csr_read(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number);
/* Only bits in mask change, to those of value. */
typedef void riscv_csr_write(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask);
typedef bool riscv_csr_test(struct riscv_cpu *cpu, u32 number);

/* What a write means for translated code that goes on behind it. */
enum riscv_csr_effect {
    RISCV_CSR_STAY,  /* nothing */
    RISCV_CSR_CHECK, /* it leaves when the context changed or an interrupt is to be taken */
    RISCV_CSR_LEAVE, /* it leaves */
};

struct riscv_csr {
    u16 number, count;        /* numbers number..number+count-1 */
    const char *name;         /* of a run: without the number behind it, which starts at first */
    u8 first;
    riscv_csr_test *exists;   /* in this configuration; NULL: always */
    riscv_csr_test *allowed;  /* now, beyond what the privilege in the number says; NULL: always */
    u32 offset;               /* of the u64 in struct riscv_state, for rows without functions */
    u64 mask;                 /* writable bits of that u64 */
    riscv_csr_read *read;
    riscv_csr_write *write;   /* NULL with mask 0: writes are ignored */
    u8 effect;                /* of a write: enum riscv_csr_effect */
};

extern const struct riscv_csr riscv_csr_rows[]; /* by number */
extern const u32 riscv_csr_row_count;

/* NULL: no such CSR in any configuration. */
const struct riscv_csr *riscv_csr_find(u32 number);
/* Its name; a run's has its number behind it. The caller frees. */
char *riscv_csr_make_name(const struct riscv_csr *row, u32 number);
/* Without checks: for gdb, the monitor, tests. False: absent in this configuration, or read-only. */
bool riscv_csr_peek(struct riscv_cpu *cpu, u32 number, u64 *value);
bool riscv_csr_poke(struct riscv_cpu *cpu, u32 number, u64 value);

/* mstatus with FS and VS as fp_dirty and vs_dirty make them, and SD. */
u64 riscv_mstatus(const struct riscv_state *state);
/* Writable bits of menvcfg in this configuration, and its value at reset. */
u64 riscv_menvcfg_mask(const struct riscv_cpu *cpu);
u64 riscv_menvcfg_reset(const struct riscv_cpu *cpu);

/* csr.def names these; csr_*.c have them. */
#define READER(name) riscv_csr_read riscv_read_##name;
#define WRITER(name) riscv_csr_write riscv_write_##name;
#define TESTER(name) riscv_csr_test riscv_test_##name;
READER(mstatus) READER(sstatus) READER(mip) READER(sip) READER(sie) READER(fflags) READER(frm) READER(fcsr)
READER(counter) READER(time) READER(hpmcounter) READER(hpmevent) READER(pmpcfg) READER(pmpaddr) READER(id) READER(misa)
READER(counteren) READER(epc) READER(mie) READER(ireg) READER(topei) READER(topi) READER(mvip)
WRITER(mstatus) WRITER(sstatus) WRITER(mip) WRITER(sip) WRITER(sie) WRITER(fflags) WRITER(frm) WRITER(fcsr)
WRITER(counter) WRITER(hpmcounter) WRITER(hpmevent) WRITER(pmpcfg) WRITER(pmpaddr) WRITER(ignore) WRITER(counteren)
WRITER(satp) WRITER(stimecmp) WRITER(menvcfg) WRITER(senvcfg) WRITER(mideleg) WRITER(medeleg) WRITER(mie) WRITER(ireg)
WRITER(topei) WRITER(mvien) WRITER(mvip)
TESTER(f) TESTER(s) TESTER(u) TESTER(zicntr) TESTER(zihpm) TESTER(sstc) TESTER(pmp)
TESTER(fp_on) TESTER(counter) TESTER(satp) TESTER(stimecmp)
TESTER(smaia) TESTER(ssaia) TESTER(mvien) TESTER(topei) TESTER(s_file) TESTER(ireg)
READER(vector) WRITER(vector) TESTER(v) TESTER(v_on)
#undef READER
#undef WRITER
#undef TESTER

#endif
