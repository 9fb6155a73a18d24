/*
 * target/riscv/disas.c - instructions as text, the way objdump -M no-aliases writes them.
 *
 * The rows say which operands an instruction shows, a letter each (OPERANDS in scripts/gen-insns).
 */
#include "target/riscv/decode.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct writer {
    char *text;
    u32 size, used;
};

static void PRINTF_LIKE(2, 3) add(struct writer *w, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(w->text + w->used, w->size - w->used, format, args);
    va_end(args);
    if (n > 0)
        w->used = w->used + (u32)n < w->size ? w->used + (u32)n : w->size - 1;
}

static const char *const x_name[32] = {
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6",   "a7", "s2", "s3", "s4",  "s5",  "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};
static const char *const f_name[32] = {
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6",  "ft7",  "fs0", "fs1", "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7",  "fs2",  "fs3", "fs4", "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};
static const char *const rounding_name[8] = { "rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown", "dyn" };

/* Zfa, table "Immediate values loaded by the FLI instructions"; as the assembler spells them. */
static const char *const fli_name[32] = {
    "-1.0", "min", "1.52587890625e-05", "3.0517578125e-05", "0.00390625", "0.0078125", "0.0625", "0.125",
    "0.25", "0.3125", "0.375", "0.4375", "0.5", "0.625", "0.75", "0.875", "1.0", "1.25", "1.5", "1.75",
    "2.0", "2.5", "3.0", "4.0", "8.0", "16.0", "128.0", "256.0", "32768.0", "65536.0", "inf", "nan",
};

const char *riscv_csr_name(u16 csr)
{
    switch (csr) {
#define CSR_NAME(number, name)                                                                     \
    case number:                                                                                   \
        return name;
#include "target/riscv/csr_names.def"
#undef CSR_NAME
    default:
        return NULL;
    }
}

static void add_csr(struct writer *w, u16 csr)
{
    const char *name = riscv_csr_name(csr);

    if (name)
        add(w, "%s", name);
    else
        add(w, "0x%x", csr);
}

/* The set of FENCE: i, o, r, w. */
static void add_order(struct writer *w, unsigned set)
{
    if (set == 0)
        add(w, "unknown");
    for (unsigned i = 0; i < 4; i++)
        if (set & (8 >> i))
            add(w, "%c", "iorw"[i]);
}

/* A number where a field has no meaning. */
static void add_vtype(struct writer *w, u32 vtype)
{
    static const char *const lmul[8] = { "m1", "m2", "m4", "m8", NULL, "mf8", "mf4", "mf2" };

    if (vtype >> 8 || vtype >> 3 & 4 || !lmul[vtype & 7])
        add(w, "%u", vtype);
    else
        add(w, "e%u,%s,%s,%s", 8 << (vtype >> 3 & 3), lmul[vtype & 7], vtype & 0x40 ? "ta" : "tu", vtype & 0x80 ? "ma" : "mu");
}

static void add_operand(struct writer *w, char letter, const struct riscv_insn *i, u64 pc)
{
    switch (letter) {
    case 'd': add(w, "%s", x_name[i->rd]); break;
    case 's': add(w, "%s", x_name[i->rs1]); break;
    case 't': add(w, "%s", x_name[i->rs2]); break;
    case 'D': add(w, "%s", f_name[i->rd]); break;
    case 'S': add(w, "%s", f_name[i->rs1]); break;
    case 'T': add(w, "%s", f_name[i->rs2]); break;
    case 'R': add(w, "%s", f_name[i->rs3]); break;
    case 'i': case 'n': add(w, "%d", i->imm); break;
    case 'h': add(w, "0x%x", (u32)i->imm); break;
    case 'u': add(w, "0x%x", ((u32)i->imm >> 12) & 0xfffff); break;
    case 'p': add(w, "0x%" PRIx64, pc + (u64)(s64)i->imm); break;
    case 'c': add_csr(w, i->csr); break;
    case 'm': add(w, "%d(%s)", i->imm, x_name[i->rs1]); break;
    case 'M': add(w, "%d(sp)", i->imm); break;
    case 'a': add(w, "(%s)", x_name[i->rs1]); break;
    case 'A': add(w, "0(%s)", x_name[i->rs1]); break;
    case '2': add(w, "sp"); break;
    case 'r': add(w, "%s", rounding_name[i->rm]); break;
    case 'z': add(w, "rtz"); break;
    case 'P': add_order(w, i->pred); break;
    case 'Q': add_order(w, i->succ); break;
    case 'v': add(w, "v%u", i->rd); break;
    case 'w': add(w, "v%u", i->rs1); break;
    case 'x': add(w, "v%u", i->rs2); break;
    case 'V': add(w, "v0.t"); break;
    case '0': add(w, "v0"); break;
    case 'y': add_vtype(w, (u32)i->imm); break;
    case 'L': add(w, "%u", i->rs1); break;
    case 'l': add(w, "%s", fli_name[i->rs1]); break;
    default: add(w, "?"); break;
    }
}

/* Rounding that comes from frm, and the mask of an instruction without, are not shown. */
static bool is_shown(char letter, const struct riscv_insn *i)
{
    return letter == 'V' ? !i->vm : letter != 'r' || i->rm != 7;
}

static void add_ordering(struct writer *w, const struct riscv_insn *i)
{
    static const char *const suffix[4] = { "", ".rl", ".aq", ".aqrl" };

    if (i->flags & RISCV_ROW_ORDERED)
        add(w, "%s", suffix[i->aq * 2 + i->rl]);
}

bool riscv_disassemble(u32 raw, u64 pc, char *text, u32 size)
{
    struct writer w = { text, size, 0 };
    struct riscv_insn i;
    const struct riscv_row_info *row;

    if (!riscv_decode(raw, &i)) {
        add(&w, i.length == 2 ? ".2byte\t0x%x" : ".4byte\t0x%x", i.raw);
        return false;
    }
    row = &riscv_row_info[i.source];
    add(&w, "%s", row->name);
    add_ordering(&w, &i);
    for (const char *letter = row->operands; *letter; letter++)
        if (is_shown(*letter, &i)) {
            add(&w, letter == row->operands ? "\t" : ",");
            add_operand(&w, *letter, &i, pc);
        }
    return true;
}
