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
#define clear()            translate_set_x(t, i->rd, translate_const(t, 0))

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
#define integer_helper1(h) translate_integer_helper(t, i, &riscv_ir_##h)
#define integer_helper3(h) translate_integer_helper(t, i, &riscv_ir_##h)
#define aes_key()          translate_aes_key(t, i)
#define aes_key_next()     translate_aes_key_next(t, i)
#define xor_rotated(type, a, b, c, last) translate_xor_rotated(t, i, IR_##type, a, b, c, IR_##last)
#define pack(half)         translate_pack(t, i, IR_##half)

/* memory */
#define load(size)         translate_load(t, i, MEM_##size)
#define store(size)        translate_store(t, i, MEM_##size)
#define lr(size)           translate_lr(t, i, MEM_##size)
#define sc(size)           translate_sc(t, i, MEM_##size)
#define amo(op, size)      translate_amo(t, i, IR_AMO_##op, MEM_##size)
#define amocas(size)       translate_amocas(t, i, MEM_##size)
#define amocas_q(size)     translate_amocas_q(t, i)
#define load_ordered(rl, size)  translate_load_ordered(t, i, rl, MEM_##size)
#define store_ordered(aq, size) translate_store_ordered(t, i, aq, MEM_##size)
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

/* vectors */
#define vsetvli()                   translate_vsetvli(t, i)
#define vsetivli()                  translate_vsetivli(t, i)
#define vsetvl()                    translate_vsetvl(t, i)
#define vector(op, form)            translate_vector(t, i, RISCV_V_##op, RISCV_V_##form)
#define vector_to_x(op)             translate_vector_to_x(t, i, RISCV_V_##op)
#define vector_to_f(op)             translate_vector_to_f(t, i, RISCV_V_##op)
#define vector_load(access, bits)   translate_vector_memory(t, i, RISCV_VMEM_##access, bits, true)
#define vector_store(access, bits)  translate_vector_memory(t, i, RISCV_VMEM_##access, bits, false)

/* floating point */
#define fload(bits)                 translate_fload(t, i, bits)
#define fstore(bits)                translate_fstore(t, i, bits)
#define fp_sign(how, bits)          translate_fp_sign(t, i, FP_SIGN_##how, bits)
#define fp_move_to_integer(bits)    translate_fp_move_to_integer(t, i, bits)
#define fp_move_from_integer(bits)  translate_fp_move_from_integer(t, i, bits)
#define fp_constant(bits)           translate_fp_constant(t, i, bits)
#define fp_arith(op, bits)          translate_fp_arith(t, i, IR_##op, bits)
#define fp_fused(negate, bits)      translate_fp_fused(t, i, NEGATE_##negate, bits)
#define fp_min_max(op, bits)        translate_fp_min_max(t, i, IR_##op, 0, bits)
#define fp_min_max_nan(op, bits)    translate_fp_min_max(t, i, IR_##op, IR_FP_NAN_WINS, bits)
#define fp_relation(how, bits)      translate_fp_relation(t, i, RELATION_##how, bits)
#define fp_to_int(to, bits)         translate_fp_to_int(t, i, IR_##to, 0, bits)
#define fp_to_unsigned(to, bits)    translate_fp_to_int(t, i, IR_##to, IR_FP_UNSIGNED, bits)
#define fp_from_int(from, bits)     translate_fp_from_int(t, i, IR_##from, 0, bits)
#define fp_from_unsigned(from, bits) translate_fp_from_int(t, i, IR_##from, IR_FP_UNSIGNED, bits)
#define fp_resize(bits, from)       translate_fp_resize(t, i, bits, from)
#define fp_round(bits)              translate_fp_round(t, i, 0, bits)
#define fp_round_exact(bits)        translate_fp_round(t, i, IR_FP_EXACT, bits)
#define NEGATE_NONE    0
#define NEGATE_ADDEND  IR_FP_NEGATE_ADDEND
#define NEGATE_PRODUCT IR_FP_NEGATE_PRODUCT
#define NEGATE_BOTH    (IR_FP_NEGATE_PRODUCT | IR_FP_NEGATE_ADDEND)
#define RELATION_EQ    (IR_FP_EQUAL | IR_FP_QUIET)
#define RELATION_LT    IR_FP_LESS
#define RELATION_LE    (IR_FP_LESS | IR_FP_EQUAL)
#define RELATION_LTQ   (RELATION_LT | IR_FP_QUIET)
#define RELATION_LEQ   (RELATION_LE | IR_FP_QUIET)

#define fp_fma(h)                   translate_fp_call(t, i, &riscv_ir_##h, "DSTRr")
#define fp_binary_rm(h)             translate_fp_call(t, i, &riscv_ir_##h, "DSTr")
#define fp_binary(h)                translate_fp_call(t, i, &riscv_ir_##h, "DST")
#define fp_unary_rm(h)              translate_fp_call(t, i, &riscv_ir_##h, "DSr")
#define fp_compare(h)               translate_fp_call(t, i, &riscv_ir_##h, "dST")
#define fp_class(h)                 translate_fp_call(t, i, &riscv_ir_##h, "dS")
#define fp_to_integer(h)            translate_fp_call(t, i, &riscv_ir_##h, "dSr")
#define fp_to_integer_modular(h)    translate_fp_call(t, i, &riscv_ir_##h, "dS")
#define fp_from_integer(h)          translate_fp_call(t, i, &riscv_ir_##h, "Dsr")
