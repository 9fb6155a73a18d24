/* tcg/x86_64/emit_count.c - the counting flavour: one subtraction for a block; what was not retired is given back in cold code. */
#include "tcg/x86_64/value.h"

static unsigned budget_reg(const struct tcg_engine *e)
{
    return e->budget == IR_NONE ? X86_NO_REG : e->map_pin_of[e->budget];
}

void x86_budget_alu(struct tcg_engine *e, enum x86_alu op, unsigned reg)
{
    unsigned r = budget_reg(e);

    if (r == X86_NO_REG)
        x86_alu_mr(&e->code, op, true, x86_base(e->layout->icount), reg);
    else
        x86_alu_rr(&e->code, op, true, r, reg);
}

s32 x86_unretired(const struct tcg_engine *e, u32 insn, bool done)
{
    const struct ir_block *b = e->block;

    for (u32 i = 0; b->prepaid && i < b->count; i++) {
        const struct ir_op *op = &b->op[i];
        u32 first = op->code == IR_COUNT ? b->snapshot[op->snapshot].icount : 0;

        if (op->code == IR_COUNT && insn >= first && insn < first + op->imm)
            return (s32)(first + op->imm - insn) - done;
    }
    return 0;
}

void x86_budget_give(struct tcg_engine *e, s32 insns)
{
    unsigned r = budget_reg(e);

    if (!insns)
        return;
    if (r == X86_NO_REG)
        x86_alu_mi(&e->code, X86_ADD, true, x86_base(e->layout->icount), insns);
    else
        x86_lea(&e->code, true, r, x86_mem(r, insns));
}

void x86_emit_count(struct tcg_engine *e, const struct ir_op *op)
{
    unsigned r = budget_reg(e);
    struct x86_cold *cold;

    x86_clean_pins(e);
    cold = x86_cold_add(e, COLD_COUNT);
    cold->where = e->block->snapshot[op->snapshot].pc;
    cold->extra = (u32)op->imm;
    if (r == X86_NO_REG)
        x86_alu_mi(&e->code, X86_SUB, true, x86_base(e->layout->icount), (s32)op->imm);
    else
        x86_alu_ri(&e->code, X86_SUB, true, r, (s32)op->imm);
    cold->from = x86_jcc(&e->code, CC_L);
}

void x86_emit_uncount(struct tcg_engine *e, const struct ir_op *op)
{
    x86_budget_give(e, (s32)op->imm);
}

/* Nothing of the block has happened. */
void x86_count_cold(struct tcg_engine *e, const struct x86_cold *cold)
{
    x86_fix(cold->from, e->code.p);
    x86_budget_give(e, (s32)cold->extra);
    if (e->loop.on)
        x86_loop_restore(e);
    x86_mov_rm(&e->code, true, RAX, x86_base(e->layout->pc_page));
    x86_alu_ri(&e->code, X86_ADD, true, RAX, cold->where);
    x86_jmp_stub(e, e->stubs.leave_rax);
}
