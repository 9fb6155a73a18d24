/*
 * target/riscv/decode.h - an instruction word taken apart. The decoder is made by scripts/gen-insns from insns/.
 *
 * Pure functions of their arguments; any thread.
 */
#ifndef TARGET_RISCV_DECODE_H
#define TARGET_RISCV_DECODE_H

#include "base/types.h"
#include "target/riscv/insns.h"

struct riscv_insn {
    u16 row;    /* enum riscv_row: what it does; for a compressed instruction the row that it expands to */
    u16 source; /* enum riscv_row: the row that matched */
    u8 length;  /* bytes: 2 or 4 */
    u8 guard;   /* of the source: bit in the mask of riscv_guards */
    u8 flags;   /* enum riscv_row_flags of the source */
    u8 rd, rs1, rs2, rs3; /* 0 where the row has no such field */
    u8 rm;
    u8 aq, rl;
    u8 pred, succ, fm;
    u8 vm;      /* 0: masked by v0 */
    u16 csr;
    s32 imm;    /* immediate, shift amount or uimm, ready to use */
    u32 raw;
};

enum riscv_row_flags {
    RISCV_ROW_FLOATS = 1 << 0,  /* illegal while FS is off */
    RISCV_ROW_ROUNDS = 1 << 1,  /* has rm: 5 and 6 are illegal, 7 is when frm is */
    RISCV_ROW_ORDERED = 1 << 2, /* has aq and rl */
    RISCV_ROW_VECTORS = 1 << 3, /* illegal while VS is off */
};

struct riscv_row_info {
    const char *name;     /* mnemonic */
    const char *operands; /* one letter each, see disas.c */
    u8 guard;
    u8 flags;
};
extern const struct riscv_row_info riscv_row_info[RISCV_ROW_COUNT];

/* False: no row matches (row and source are RISCV_ROW_COUNT; length and raw are set). Of a 16-bit word only the low half counts. */
bool riscv_decode(u32 raw, struct riscv_insn *insn);

/* Which guards hold when the extensions with on[enum riscv_extension] are there. */
u64 riscv_guards(const bool *on);

/* Text as objdump -M no-aliases writes it, with a tab behind the mnemonic; false: illegal, text is ".2byte" or ".4byte". */
bool riscv_disassemble(u32 raw, u64 pc, char *text, u32 size);

/* Name of a CSR or NULL. */
const char *riscv_csr_name(u16 csr);

#endif
