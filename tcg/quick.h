/*
 * tcg/quick.h - quick code: simple guest instructions as operations on whole guest registers, one after another.
 *
 * What runs for the first time is mostly not run often, so its translation should be cheap: no values, no passes, one look at each
 * instruction. A front end says of a straight stretch of code what its instructions do to registers (struct quick_insn), a back end makes host
 * code of each where it stands. What cannot be said here ends the stretch. Code that turns out to be hot is translated again, by way of the
 * IR. docs/decisions/quick-code.md
 *
 * A list is complete with the ir_block it was made for: its exits, first_pc, byte_count and insn_count; that block has no ops. At each
 * instruction everything that the ones before it did is in its place. Made and used by one thread at a time.
 */
#ifndef TCG_QUICK_H
#define TCG_QUICK_H

#include "tcg/ir.h"

/* Registers are rows of the layout, of type i64. "a + imm" and so on wrap at 64 bits. */
enum quick_form {
    QUICK_CONST,      /* rd = imm */
    QUICK_PC_ADD,     /* rd = pc_page + imm */
    QUICK_BINARY,     /* rd = a <code> b; code: IR_ADD, SUB, AND, OR, XOR, SHL, SHR, SAR, MUL */
    QUICK_BINARY_IMM, /* rd = a <code> imm; the same, less IR_SUB and IR_MUL */
    QUICK_SETCC,      /* rd = a <code> b ? 1 : 0; code: enum ir_cond */
    QUICK_SETCC_IMM,  /* rd = a <code> imm ? 1 : 0 */
    QUICK_LOAD,       /* rd = [a + imm], as code (enum ir_mem: size and sign) says */
    QUICK_STORE,      /* [a + imm] = b, likewise */
    QUICK_FENCE,      /* code: enum ir_order */
    /* The last one of a list is one of these, no other is. */
    QUICK_BRANCH,     /* a <code> b: to `exit`, else to the exit behind it */
    QUICK_JUMP,       /* rd = pc_page + the exit's return_pc, then to `exit` */
    QUICK_JUMP_TO,    /* likewise, to a + imm as rd was not yet, less its lowest bit; exit is of kind indirect */
    QUICK_NEXT,       /* to `exit`; no guest instruction */
    QUICK_FORMS
};

enum {
    QUICK_ZERO = 0xffff, /* as a, b: the value 0; as rd: nowhere */
    QUICK_MAX = 65,      /* entries of a list */
};

struct quick_insn {
    u8 form;      /* enum quick_form */
    u8 code;
    u8 length;    /* of the guest instruction in bytes */
    bool word;    /* QUICK_BINARY, QUICK_BINARY_IMM: of the low 32 bits, the result extended by its sign */
    u16 rd, a, b;
    u16 exit;     /* of the block */
    s32 pc;       /* of the instruction, less pc_page */
    s32 imm;
    u16 group;    /* back end's */
};

#endif
