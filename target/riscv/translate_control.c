/* target/riscv/translate_control.c - branches, jumps, system instructions. */
#include "target/riscv/fetch.h"
#include "target/riscv/translate.h"

enum { PAGE = 4096, CAUSE_MISALIGNED_FETCH = 0, CAUSE_BREAKPOINT = 3 };
/* Of a way to a computed jump that is worth to be had twice; and how long a block may be that goes on there. */
enum { NEAR_INSNS = 20, NEAR_JUMPS = 2, UNFACTORED_INSNS = 40 };

bool translate_may_misalign(const struct translation *t)
{
    return !(t->guards >> riscv_row_info[RISCV_C_NOP].guard & 1);
}

static bool is_misaligned(const struct translation *t, s32 target)
{
    return (target & 2) && translate_may_misalign(t);
}

static void raise_misaligned(struct translation *t, s32 target)
{
    translate_call(t, &riscv_ir_raise, translate_const(t, CAUSE_MISALIGNED_FETCH), ir_pc_add(t->b, target), IR_NONE,
                   IR_NONE);
    translate_leave(t);
}

/* Whether this translation goes on over a branch, and where. */
static enum code_way way(const struct translation *t, s32 target, s32 next)
{
    if (likely(!t->source->follow) || next < 0 || next >= (s32)riscv_fetch_end(t->source))
        return CODE_STOP;
    return t->source->follow(t->source->opaque, (u32)t->pc, target, (u32)next);
}

/* The exit that was made last, if its row is `exit`, leads to code of this block further on. */
static void make_local(struct translation *t, u32 exit)
{
    if (t->b->exit_count > exit)
        t->b->exit[exit].kind = IR_EXIT_LOCAL;
}

/* On with `target`: right here, or behind what others lead to. */
static void go_to(struct translation *t, s32 target)
{
    u32 exit = t->b->exit_count;

    if (translate_next_part(t, t->pc) >= target) {
        t->next = target;
        return;
    }
    ir_exit(t->b, target, IR_HINT_NONE, 0);
    make_local(t, exit);
    t->done = true;
}

/* Whether a jump by register, no call nor return, comes soon: behind jumps in the page and branches ahead that are not taken. */
static bool is_computed_jump_near(const struct translation *t, s32 at)
{
    u32 jumps = 0;

    for (u32 n = 0; n < NEAR_INSNS; n++) {
        struct riscv_insn i;
        u32 raw;

        if (at < 0 || at >= PAGE || at == (s32)t->b->first_pc || riscv_fetch(t->source, (u32)at, &raw) == RISCV_FETCH_CROSSES || !riscv_decode(raw, &i))
            return false;
        switch (i.row) {
        case RISCV_JALR:
            return i.rd == 0 && translate_jalr_hint(&i) == IR_HINT_NONE;
        case RISCV_JAL:
            if (i.rd != 0 || ++jumps > NEAR_JUMPS)
                return false;
            at += i.imm;
            continue;
        case RISCV_BEQ:
        case RISCV_BNE:
        case RISCV_BLT:
        case RISCV_BGE:
        case RISCV_BLTU:
        case RISCV_BGEU:
            if (i.imm < 0)
                return false;
        }
        at += i.length;
    }
    return false;
}

static void jump(struct translation *t, s32 target, enum ir_exit_hint hint)
{
    if (is_misaligned(t, target)) {
        raise_misaligned(t, target);
        return;
    }
    enum code_way to = hint == IR_HINT_NONE ? way(t, target, target) : CODE_STOP;
    u32 exit = t->b->exit_count;

    if (to == CODE_TARGET) {
        go_to(t, target);
        return;
    }
    if (t->source->unfactor && hint == IR_HINT_NONE && t->b->insn_count < UNFACTORED_INSNS && is_computed_jump_near(t, target)) {
        t->unfactoring = true;
        t->next = target;
        return;
    }
    ir_exit(t->b, target, hint, t->next);
    if (to == CODE_BACK || to == CODE_BACK_ONLY)
        make_local(t, exit);
    t->done = true;
}

/* A comparison whose outcome is known: 1 or 0, else -1. */
static int decided(struct translation *t, enum ir_cond cond, const struct riscv_insn *i, ir_value x, ir_value y)
{
    const struct ir_op *a = &t->b->op[x], *b = &t->b->op[y];

    if (i->rs1 == i->rs2)
        return ir_cond_holds(cond, IR_I64, 0, 0);
    if (a->code == IR_CONST && b->code == IR_CONST)
        return ir_cond_holds(cond, IR_I64, (u64)a->imm, (u64)b->imm);
    return -1;
}

static void branch(struct translation *t, enum ir_cond cond, ir_value x, ir_value y, s32 target)
{
    u32 exit = t->b->exit_count;

    switch (way(t, target, t->next)) {
    case CODE_BOTH:
    case CODE_BACK:
        ir_exit_if(t->b, cond, x, y, target);
        make_local(t, exit);
        break;
    case CODE_BACK_ONLY:
        ir_exit_if(t->b, cond, x, y, target);
        make_local(t, exit);
        translate_next_block(t);
        break;
    case CODE_NEXT:
        ir_exit_if(t->b, cond, x, y, target);
        break;
    case CODE_TARGET:
        ir_exit_if(t->b, ir_cond_invert(cond), x, y, t->next);
        go_to(t, target);
        break;
    default:
        ir_exit_if(t->b, cond, x, y, target);
        if (!t->unfactoring || target <= t->pc)
            translate_next_block(t);
    }
}

void translate_branch(struct translation *t, const struct riscv_insn *i, enum ir_cond cond)
{
    ir_value x = translate_x(t, i->rs1), y = translate_x(t, i->rs2);
    s32 target = t->pc + i->imm;
    int taken = decided(t, cond, i, x, y);

    if (taken == 1) {
        jump(t, target, IR_HINT_NONE);
    } else if (taken == 0) {
        translate_next_block(t);
    } else if (is_misaligned(t, target)) {
        ir_exit_if(t->b, ir_cond_invert(cond), x, y, t->next);
        raise_misaligned(t, target);
    } else {
        branch(t, cond, x, y, target);
    }
}

void translate_jal(struct translation *t, const struct riscv_insn *i)
{
    s32 target = t->pc + i->imm;

    if (i->rd != 0 && !is_misaligned(t, target))
        translate_set_x(t, i->rd, ir_pc_add(t->b, t->next));
    jump(t, target, translate_is_link(i->rd) ? IR_HINT_CALL : IR_HINT_NONE);
}

void translate_jalr(struct translation *t, const struct riscv_insn *i)
{
    ir_value target = ir_binary_imm(t->b, IR_ADD, translate_x(t, i->rs1), i->imm);
    enum ir_exit_hint hint = translate_jalr_hint(i);

    if (translate_may_misalign(t))
        translate_call(t, &riscv_ir_check_target, ir_binary_imm(t->b, IR_AND, target, -2), IR_NONE, IR_NONE, IR_NONE);
    if (i->rd != 0)
        translate_set_x(t, i->rd, ir_pc_add(t->b, t->next));
    ir_exit_to(t->b, target, 1, hint, t->next);
    t->done = true;
}

void translate_ecall(struct translation *t)
{
    translate_call(t, &riscv_ir_ecall, IR_NONE, IR_NONE, IR_NONE, IR_NONE);
    translate_leave(t);
}

/* tval is the address of the instruction. */
void translate_ebreak(struct translation *t)
{
    translate_call(t, &riscv_ir_raise, translate_const(t, CAUSE_BREAKPOINT), ir_pc_add(t->b, t->pc), IR_NONE, IR_NONE);
    translate_leave(t);
}

void translate_system(struct translation *t, const struct riscv_insn *i, const struct ir_helper *helper,
                      bool always_leaves)
{
    ir_value raw = translate_const(t, i->raw);

    translate_call(t, helper, raw, helper->arg_count > 1 ? translate_length(t) : IR_NONE, IR_NONE, IR_NONE);
    if (always_leaves)
        translate_leave(t);
    else
        translate_next_block(t);
}

void translate_sfence_vma(struct translation *t, const struct riscv_insn *i)
{
    ir_value address = translate_x(t, i->rs1), asid = translate_x(t, i->rs2);

    translate_call(t, &riscv_ir_sfence_vma, address, asid, translate_const(t, i->raw), translate_length(t));
    translate_leave(t);
}

/* Whoever writes to code kills its translations at once: what is behind must only not be part of this one. */
void translate_fence_i(struct translation *t)
{
    translate_next_block(t);
}

void translate_cbo(struct translation *t, const struct riscv_insn *i)
{
    translate_call(t, &riscv_ir_cbo, translate_x(t, i->rs1), translate_const(t, i->raw), IR_NONE, IR_NONE);
}
