/* target/riscv/translate_memory.c - loads, stores, fences, atomics (Unprivileged manual, chapters 2, "A", "CMO"). */
#include "target/riscv/translate.h"

enum { CACHE_BLOCK = 64 };

void translate_load(struct translation *t, const struct riscv_insn *i, u32 mem)
{
    translate_set_x(t, i->rd, ir_load(t->b, IR_I64, mem, translate_x(t, i->rs1), i->imm));
}

void translate_store(struct translation *t, const struct riscv_insn *i, u32 mem)
{
    ir_value value = translate_x(t, i->rs2);

    ir_store(t->b, mem, translate_x(t, i->rs1), i->imm, value);
}

static u32 atomic_mem(const struct riscv_insn *i, u32 mem)
{
    return mem | IR_MEM_ALIGNED | (i->aq ? IR_MEM_ACQUIRE : 0) | (i->rl ? IR_MEM_RELEASE : 0);
}

/* A value of the access's width. */
static ir_value narrow(struct translation *t, u32 mem, ir_value v)
{
    return ir_trunc(t->b, (enum ir_type)(IR_I8 + (mem & IR_MEM_SIZE)), v);
}

/* For a load with rl: ordered behind every earlier access, stores too ("Preserved Program Order", rules 5 to 7). */
static void fence_before_load(struct translation *t)
{
    ir_fence(t->b, IR_ORDER_RR | IR_ORDER_WR);
}

void translate_lr(struct translation *t, const struct riscv_insn *i, u32 mem)
{
    ir_value address = translate_x(t, i->rs1), value;

    if (i->rl)
        fence_before_load(t);
    value = ir_load(t->b, IR_I64, (atomic_mem(i, mem) & ~IR_MEM_RELEASE) | IR_MEM_SIGNED | IR_MEM_EXCLUSIVE, address, 0);
    ir_put(t->b, IR_I64, RISCV_REG_RESERVE_ADDRESS, address);
    ir_put(t->b, IR_I64, RISCV_REG_RESERVE_VALUE, value);
    translate_set_x(t, i->rd, value);
}

/*
 * A compare-exchange by value against what LR read. Without a reservation it goes on in the careful variant, where it still faults as a store
 * does (norm:sc_retire_permission): an exchange of the desired value for itself changes nothing. The reservation goes either way.
 */
/*
 * DEVIATION RISC-V | LR/SC | SC compares the value: a store of the same value in between is not noticed, unless `-accel
 * tcg,thread=single` or `exact-exclusives=on` | as most emulators do
 */
void translate_sc(struct translation *t, const struct riscv_insn *i, u32 mem)
{
    ir_value address = translate_x(t, i->rs1), desired = translate_x(t, i->rs2);
    ir_value reserved = ir_get(t->b, IR_I64, RISCV_REG_RESERVE_ADDRESS), expected, old, failed;

    expected = ir_get(t->b, IR_I64, RISCV_REG_RESERVE_VALUE);
    if (t->careful)
        expected = ir_select(t->b, IR_EQ, reserved, address, expected, desired);
    else
        translate_exit_careful_if(t, IR_NE, reserved, address);
    expected = narrow(t, mem, expected);
    old = ir_cas(t->b, atomic_mem(i, mem), address, expected, narrow(t, mem, desired));
    ir_put(t->b, IR_I64, RISCV_REG_RESERVE_ADDRESS, translate_const(t, -1));
    failed = ir_setcc(t->b, IR_NE, old, expected);
    if (t->careful)
        failed = ir_binary(t->b, IR_OR, failed, ir_setcc(t->b, IR_NE, reserved, address));
    translate_set_x(t, i->rd, failed);
    if (t->careful)
        translate_next_block(t);
}

void translate_amo(struct translation *t, const struct riscv_insn *i, enum ir_amo op, u32 mem)
{
    ir_value value = narrow(t, mem, translate_x(t, i->rs2));
    ir_value old = ir_amo(t->b, op, atomic_mem(i, mem), translate_x(t, i->rs1), value);

    translate_set_x(t, i->rd, ir_sext(t->b, IR_I64, old));
}

void translate_amocas(struct translation *t, const struct riscv_insn *i, u32 mem)
{
    ir_value expected = narrow(t, mem, translate_x(t, i->rd)), desired = narrow(t, mem, translate_x(t, i->rs2));
    ir_value old = ir_cas(t->b, atomic_mem(i, mem), translate_x(t, i->rs1), expected, desired);

    translate_set_x(t, i->rd, ir_sext(t->b, IR_I64, old));
}

void translate_amocas_q(struct translation *t, const struct riscv_insn *i)
{
    if ((i->rd | i->rs2) & 1) {
        translate_illegal(t, i);
        return;
    }
    translate_call(t, &riscv_ir_amocas_q, translate_x(t, i->rs1), translate_const(t, i->raw), IR_NONE, IR_NONE);
}

void translate_load_ordered(struct translation *t, const struct riscv_insn *i, bool release, u32 mem)
{
    if (release)
        fence_before_load(t);
    translate_set_x(t, i->rd, ir_load(t->b, IR_I64, mem | IR_MEM_ALIGNED | IR_MEM_ACQUIRE | IR_MEM_SIGNED, translate_x(t, i->rs1), 0));
}

void translate_store_ordered(struct translation *t, const struct riscv_insn *i, bool acquire, u32 mem)
{
    ir_value value = translate_x(t, i->rs2);

    ir_store(t->b, mem | IR_MEM_ALIGNED | IR_MEM_RELEASE, translate_x(t, i->rs1), 0, value);
    /* In front of later acquires, which any load may be ("Preserved Program Order", rule 7), or with aq of every later access. */
    ir_fence(t->b, IR_ORDER_WR | (acquire ? IR_ORDER_WW : 0));
}

/* Sets are bits i o r w; device accesses count as memory accesses here. */
u32 translate_orders(const struct riscv_insn *i)
{
    bool before_r = i->pred & 10, before_w = i->pred & 5, after_r = i->succ & 10, after_w = i->succ & 5;

    return (before_r && after_r ? IR_ORDER_RR : 0) | (before_r && after_w ? IR_ORDER_RW : 0) | (before_w && after_r ? IR_ORDER_WR : 0) |
           (before_w && after_w ? IR_ORDER_WW : 0);
}

void translate_fence(struct translation *t, const struct riscv_insn *i)
{
    u32 orders = translate_orders(i);

    if (orders)
        ir_fence(t->b, orders);
}

void translate_fence_tso(struct translation *t)
{
    ir_fence(t->b, IR_ORDER_RR | IR_ORDER_RW | IR_ORDER_WW);
}

/* Not atomic as a whole (Zicboz), so eight stores will do. A fault tells rs1's value, which the careful variant's first store goes to. */
void translate_cbo_zero(struct translation *t, const struct riscv_insn *i)
{
    ir_value address, block, zero;

    if (t->mode & RISCV_MODE_CBO_ZERO_OFF) {
        translate_illegal(t, i);
        return;
    }
    address = block = translate_x(t, i->rs1);
    zero = translate_const(t, 0);
    if (t->careful) {
        ir_store(t->b, IR_MEM_8 | IR_MEM_BLOCK, address, 0, zero);
        block = ir_binary_imm(t->b, IR_AND, address, -CACHE_BLOCK);
    } else {
        translate_exit_careful_if(t, IR_NE, ir_binary_imm(t->b, IR_AND, address, CACHE_BLOCK - 1), zero);
    }
    for (s64 at = 0; at < CACHE_BLOCK; at += 8)
        ir_store(t->b, IR_MEM_64 | IR_MEM_BLOCK, block, at, zero);
}
