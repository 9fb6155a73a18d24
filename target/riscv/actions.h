/*
 * target/riscv/actions.h - the words of the last column of the instruction rows, as calls of the translator's
 * functions. Included by translate.c alone, where t is the translation and i the instruction.
 */
#define MEM_8  IR_MEM_8
#define MEM_16 IR_MEM_16
#define MEM_32 IR_MEM_32
#define MEM_64 IR_MEM_64
#define MEM_S8  (IR_MEM_8 | IR_MEM_SIGNED)
#define MEM_S16 (IR_MEM_16 | IR_MEM_SIGNED)
#define MEM_S32 (IR_MEM_32 | IR_MEM_SIGNED)

/* integer */
#define lui()              translate_lui(t, i)
#define auipc()            translate_auipc(t, i)
#define arith(op)          translate_arith(t, i, IR_##op)
#define arith_imm(op)      translate_arith_imm(t, i, IR_##op)
#define arith_w(op)        translate_arith_w(t, i, IR_##op)
#define arith_imm_w(op)    translate_arith_imm_w(t, i, IR_##op)
#define compare(cond)      translate_compare(t, i, IR_##cond)
#define compare_imm(cond)  translate_compare_imm(t, i, IR_##cond)
#define nop()              (void)i

/* bits */
#define unary(op)          translate_unary(t, i, IR_##op)
#define unary_w(op)        translate_unary_w(t, i, IR_##op)
#define sign_extend(type)  translate_extend(t, i, IR_##type, true)
#define zero_extend(type)  translate_extend(t, i, IR_##type, false)
#define shift_add(n)       translate_shift_add(t, i, n, false)
#define shift_add_uw(n)    translate_shift_add(t, i, n, true)
#define shift_uw()         translate_shift_uw(t, i)
#define bit(op)            translate_bit(t, i, IR_##op, false)
#define bit_imm(op)        translate_bit(t, i, IR_##op, true)
#define bit_extract()      translate_bit_extract(t, i, false)
#define bit_extract_imm()  translate_bit_extract(t, i, true)
#define orc_b()            translate_orc_b(t, i)
#define czero(cond)        translate_czero(t, i, IR_##cond)
#define integer_helper(h)  translate_integer_helper(t, i, &riscv_ir_##h)

/* memory */
#define load(size)         translate_load(t, i, MEM_##size)
#define store(size)        translate_store(t, i, MEM_##size)
#define lr(size)           translate_lr(t, i, MEM_##size)
#define sc(size)           translate_sc(t, i, MEM_##size)
#define amo(op, size)      translate_amo(t, i, IR_AMO_##op, MEM_##size)
#define fence()            translate_fence(t, i)
#define fence_tso()        translate_fence_tso(t)
#define cbo()              translate_cbo(t, i)
#define cbo_zero()         translate_cbo_zero(t, i)

/* control and system */
#define branch(cond)       translate_branch(t, i, IR_##cond)
#define jal()              translate_jal(t, i)
#define jalr()             translate_jalr(t, i)
#define csr()              translate_csr(t, i, false)
#define csr_imm()          translate_csr(t, i, true)
#define ecall()            translate_ecall(t)
#define ebreak()           translate_ebreak(t)
#define mret()             translate_system(t, i, &riscv_ir_mret, true)
#define sret()             translate_system(t, i, &riscv_ir_sret, true)
#define wfi()              translate_system(t, i, &riscv_ir_wfi, true)
#define wrs()              translate_system(t, i, &riscv_ir_wrs, false)
#define sfence_vma()       translate_sfence_vma(t, i)
#define sfence_inval()     translate_system(t, i, &riscv_ir_sfence_inval, false)
#define fence_i()          translate_fence_i(t)

/* floating point */
#define fload(bits)                 translate_fload(t, i, bits)
#define fstore(bits)                translate_fstore(t, i, bits)
#define fp_sign(how, bits)          translate_fp_sign(t, i, FP_SIGN_##how, bits)
#define fp_move_to_integer(bits)    translate_fp_move_to_integer(t, i, bits)
#define fp_move_from_integer(bits)  translate_fp_move_from_integer(t, i, bits)
#define fp_constant(bits)           translate_fp_constant(t, i, bits)
#define fp_fma(h)                   translate_fp_call(t, i, &riscv_ir_##h, "DSTRr")
#define fp_binary_rm(h)             translate_fp_call(t, i, &riscv_ir_##h, "DSTr")
#define fp_binary(h)                translate_fp_call(t, i, &riscv_ir_##h, "DST")
#define fp_unary_rm(h)              translate_fp_call(t, i, &riscv_ir_##h, "DSr")
#define fp_compare(h)               translate_fp_call(t, i, &riscv_ir_##h, "dST")
#define fp_class(h)                 translate_fp_call(t, i, &riscv_ir_##h, "dS")
#define fp_to_integer(h)            translate_fp_call(t, i, &riscv_ir_##h, "dSr")
#define fp_to_integer_modular(h)    translate_fp_call(t, i, &riscv_ir_##h, "dS")
#define fp_from_integer(h)          translate_fp_call(t, i, &riscv_ir_##h, "Dsr")
