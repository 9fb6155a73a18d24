/*
 * target/riscv/translate.h - from guest code to IR: one block of straight-line code, page-bounded.
 *
 * Thread: whoever holds the translation lock of accel/tcg; pure but for the block.
 */
#ifndef TARGET_RISCV_TRANSLATE_H
#define TARGET_RISCV_TRANSLATE_H

#include "target/riscv/decode.h"
#include "target/riscv/helpers.h"
#include "target/riscv/mode.h"
#include "target/riscv/regs.h"
#include "tcg/builder.h"
#include "vm/vcpu.h"

struct riscv_cpu;

/* guards: riscv_guards() of the CPU. The mode is an enum riscv_mode word. cpu: for its vectors; NULL: none. */
enum translate_result riscv_translate(struct ir_block *block, const struct code_source *source, u64 guards, const struct riscv_cpu *cpu);

/* The rest is shared by the chapters, translate_*.c. */
struct translation {
    struct ir_block *b;
    const struct code_source *source;
    u64 guards;
    u32 mode;
    s32 pc;        /* of the instruction, less pc_page */
    s32 next;      /* of the one behind it */
    bool done;     /* the block has its end */
    bool unfactoring; /* on the way to a computed jump that others share (code_source.unfactor) */
    bool careful;  /* the variant of the block where shortcuts were not good enough (code_source.single_memory) */
    bool fp_dirty; /* this block has marked the floating-point state as written, or */
    bool fp_writes; /* will at the end of this instruction */
    const struct riscv_cpu *cpu;
    bool vtype_known; /* by a vsetvli of this block, or assumed and checked; vstart is 0 then */
    bool vl_known;    /* likewise; implies vtype_known */
    bool configured;  /* this block may have changed vtype or vl: what the state says now is no guess any more */
    u64 vtype, vl;
};

/* The value of an x register; x0 is the constant 0. */
ir_value translate_x(struct translation *t, unsigned reg);
void translate_set_x(struct translation *t, unsigned reg, ir_value value);
/* The low 32 bits of an x register; and an i32 value, sign-extended, into one. */
ir_value translate_w(struct translation *t, unsigned reg);
void translate_set_w(struct translation *t, unsigned reg, ir_value value);
/* A call that may leave. */
void translate_call(struct translation *t, const struct ir_helper *helper, ir_value a, ir_value b, ir_value c, ir_value d);
ir_value translate_const(struct translation *t, s64 value);
/* Bytes of the instruction, for helpers that set the pc behind it. */
ir_value translate_length(struct translation *t);
/* Whether a jump target may be misaligned: without compressed instructions (chapter 2, "Control Transfer"). */
bool translate_may_misalign(const struct translation *t);
/* Ends the block after a helper that always leaves. */
void translate_leave(struct translation *t);
/* Goes on behind this instruction, in another block. */
void translate_next_block(struct translation *t);
/* With code_source.follow: the next place above pc where another part of the block begins, since others lead there; IR_NO_LABEL: there is none. */
s32 translate_next_part(const struct translation *t, s32 pc);
/* To this same instruction in the careful variant, nothing of it done. */
void translate_exit_careful_if(struct translation *t, enum ir_cond cond, ir_value x, ir_value y);
void translate_illegal(struct translation *t, const struct riscv_insn *i);

/* translate_integer.c */
void translate_lui(struct translation *t, const struct riscv_insn *i);
void translate_auipc(struct translation *t, const struct riscv_insn *i);
void translate_arith(struct translation *t, const struct riscv_insn *i, enum ir_opcode op);
void translate_arith_imm(struct translation *t, const struct riscv_insn *i, enum ir_opcode op);
void translate_arith_w(struct translation *t, const struct riscv_insn *i, enum ir_opcode op);
void translate_arith_imm_w(struct translation *t, const struct riscv_insn *i, enum ir_opcode op);
void translate_compare(struct translation *t, const struct riscv_insn *i, enum ir_cond cond);
void translate_compare_imm(struct translation *t, const struct riscv_insn *i, enum ir_cond cond);

/* translate_bits.c */
void translate_unary(struct translation *t, const struct riscv_insn *i, enum ir_opcode op);
void translate_unary_w(struct translation *t, const struct riscv_insn *i, enum ir_opcode op);
void translate_extend(struct translation *t, const struct riscv_insn *i, enum ir_type from, bool is_signed);
void translate_shift_add(struct translation *t, const struct riscv_insn *i, unsigned shift, bool is_word);
void translate_shift_uw(struct translation *t, const struct riscv_insn *i);
void translate_bit(struct translation *t, const struct riscv_insn *i, enum ir_opcode op, bool is_imm);
void translate_bit_extract(struct translation *t, const struct riscv_insn *i, bool is_imm);
void translate_orc_b(struct translation *t, const struct riscv_insn *i);
void translate_czero(struct translation *t, const struct riscv_insn *i, enum ir_cond cond);
/* As many of rs1, rs2 and the immediate as it takes. */
void translate_integer_helper(struct translation *t, const struct riscv_insn *i, const struct ir_helper *helper);
void translate_aes_key(struct translation *t, const struct riscv_insn *i);
void translate_aes_key_next(struct translation *t, const struct riscv_insn *i);
/* x rotated right by a, and by b, and by c (or shifted: last), added without carries: the sums of hashes. */
void translate_xor_rotated(struct translation *t, const struct riscv_insn *i, enum ir_type type, unsigned a, unsigned b, unsigned c, enum ir_opcode last);
/* Low halves of rs1 and rs2 side by side; half is the type of one of them. */
void translate_pack(struct translation *t, const struct riscv_insn *i, enum ir_type half);

/* translate_memory.c */
void translate_load(struct translation *t, const struct riscv_insn *i, u32 mem);
void translate_store(struct translation *t, const struct riscv_insn *i, u32 mem);
void translate_lr(struct translation *t, const struct riscv_insn *i, u32 mem);
void translate_sc(struct translation *t, const struct riscv_insn *i, u32 mem);
void translate_amo(struct translation *t, const struct riscv_insn *i, enum ir_amo op, u32 mem);
void translate_amocas(struct translation *t, const struct riscv_insn *i, u32 mem);
void translate_amocas_q(struct translation *t, const struct riscv_insn *i);
/* Zalasr: a load with aq, a store with rl, and either with the other one too. */
void translate_load_ordered(struct translation *t, const struct riscv_insn *i, bool release, u32 mem);
void translate_store_ordered(struct translation *t, const struct riscv_insn *i, bool acquire, u32 mem);
/* What fence orders: enum ir_order. */
u32 translate_orders(const struct riscv_insn *i);
void translate_fence(struct translation *t, const struct riscv_insn *i);
void translate_fence_tso(struct translation *t);
void translate_cbo_zero(struct translation *t, const struct riscv_insn *i);

/* translate_csr.c */
void translate_csr(struct translation *t, const struct riscv_insn *i, bool is_imm);

/* Hints: chapter 2, table "Return-address stack prediction hints"; pop-then-push counts as a call. */
static inline bool translate_is_link(unsigned reg)
{
    return reg == 1 || reg == 5;
}

static inline enum ir_exit_hint translate_jalr_hint(const struct riscv_insn *i)
{
    return translate_is_link(i->rd) ? IR_HINT_CALL : translate_is_link(i->rs1) ? IR_HINT_RETURN : IR_HINT_NONE;
}

/* translate_control.c */
void translate_branch(struct translation *t, const struct riscv_insn *i, enum ir_cond cond);
void translate_jal(struct translation *t, const struct riscv_insn *i);
void translate_jalr(struct translation *t, const struct riscv_insn *i);
void translate_ecall(struct translation *t);
void translate_ebreak(struct translation *t);
/* Instructions that are one call: the helper takes (raw) or (raw, next). */
void translate_system(struct translation *t, const struct riscv_insn *i, const struct ir_helper *helper, bool always_leaves);
void translate_sfence_vma(struct translation *t, const struct riscv_insn *i);
void translate_fence_i(struct translation *t);
void translate_cbo(struct translation *t, const struct riscv_insn *i);

/* translate_float.c */
enum fp_sign { FP_SIGN_COPY, FP_SIGN_NEGATE, FP_SIGN_XOR };
void translate_fload(struct translation *t, const struct riscv_insn *i, unsigned bits);
void translate_fstore(struct translation *t, const struct riscv_insn *i, unsigned bits);
void translate_fp_sign(struct translation *t, const struct riscv_insn *i, enum fp_sign how, unsigned bits);
void translate_fp_move_to_integer(struct translation *t, const struct riscv_insn *i, unsigned bits);
void translate_fp_move_from_integer(struct translation *t, const struct riscv_insn *i, unsigned bits);
void translate_fp_constant(struct translation *t, const struct riscv_insn *i, unsigned bits);
/* With the next instruction, or at the end of the block, after an instruction that wrote floating-point state. */
void translate_fp_note(struct translation *t);
/* csrr* of fflags, and of frm unless that is written; false: not one of them. */
bool translate_fp_csr(struct translation *t, const struct riscv_insn *i, ir_value value, bool writes);
/* Single and double precision. negate, flags, relation: bits of enum ir_fp. */
void translate_fp_arith(struct translation *t, const struct riscv_insn *i, enum ir_opcode op, unsigned bits);
void translate_fp_fused(struct translation *t, const struct riscv_insn *i, u32 negate, unsigned bits);
void translate_fp_min_max(struct translation *t, const struct riscv_insn *i, enum ir_opcode op, u32 flags, unsigned bits);
void translate_fp_relation(struct translation *t, const struct riscv_insn *i, u32 relation, unsigned bits);
void translate_fp_to_int(struct translation *t, const struct riscv_insn *i, enum ir_type to, u32 flags, unsigned bits);
void translate_fp_from_int(struct translation *t, const struct riscv_insn *i, enum ir_type from, u32 flags, unsigned bits);
void translate_fp_resize(struct translation *t, const struct riscv_insn *i, unsigned bits, unsigned from);
void translate_fp_round(struct translation *t, const struct riscv_insn *i, u32 flags, unsigned bits);
/* An f register's 64 bits. */
void translate_set_f(struct translation *t, unsigned reg, ir_value value);
/* Half precision: one call. operands: letters as in translate_float.c; the first is where the result goes. */
void translate_fp_call(struct translation *t, const struct riscv_insn *i, const struct ir_helper *helper, const char *operands);

/* translate_vector_length.c */
void translate_vsetvli(struct translation *t, const struct riscv_insn *i);
void translate_vsetivli(struct translation *t, const struct riscv_insn *i);
void translate_vsetvl(struct translation *t, const struct riscv_insn *i);
/* csrr of vl and vlenb; false: not one of them. */
bool translate_vector_csr(struct translation *t, const struct riscv_insn *i);
/* translate_vector.c. op: enum riscv_vector_op, form: enum riscv_vector_form, access: enum riscv_vector_access; bits of an element. */
void translate_vector(struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form);
void translate_vector_to_x(struct translation *t, const struct riscv_insn *i, unsigned op);
void translate_vector_to_f(struct translation *t, const struct riscv_insn *i, unsigned op);
void translate_vector_memory(struct translation *t, const struct riscv_insn *i, unsigned access, unsigned bits, bool load);

#endif
