/*
 * tcg/x86_64/relative.c - accesses at a constant distance from the code (auipc and a load: static data, the tables of dynamic linking): the
 * offset in the page is known when they are translated, so only the page is asked for, and no access crosses its end. docs/decisions/jit-memory.md
 *
 *   mov rcx, [pc_page]; add rcx, distance of the pages; bextr eax, ecx, ebp; cmp rcx, [tag]; jne cold; mov rcx, [host]
 *
 * The access is [rcx + offset]. Nothing waits for the base register; when the load overwrites it, as it mostly does, that is written by cold code alone.
 */
#include "tcg/x86_64/value.h"

/* Of [base + low, base + low + bytes). False: base is no such value, or they lie in two pages, or too far away. */
static bool find(const struct tcg_engine *e, ir_value base, s64 low, unsigned bytes, s32 *distance, u32 *offset)
{
    const struct ir_op *from = &e->block->op[base];
    s64 at = (s64)((u64)from->imm + (u64)low);

    *offset = (u32)at & (TCG_PAGE_SIZE - 1);
    *distance = (s32)(at - *offset);
    return from->code == IR_PC_ADD && x86_fits32(at - *offset) && *offset + bytes <= TCG_PAGE_SIZE;
}

/* --- the base register of `auipc rd; ld rd, offset(rd)` --- */

static u32 next_op(const struct ir_block *b, u32 i)
{
    do
        i++;
    while (i < b->count && (b->op[i].code == IR_NOP || b->op[i].code == IR_INSN || b->op[i].code == IR_CONST));
    return i;
}

static bool is_alone(const struct tcg_engine *e, u32 i)
{
    return !e->loop.on && !x86_window_may(e, &e->block->op[i]);
}

bool x86_relative_waits(struct tcg_engine *e, const struct ir_op *op)
{
    const struct ir_block *b = e->block;
    u32 put = next_op(b, e->index), load = next_op(b, put);
    const struct ir_op *to = &b->op[put], *by = &b->op[load];
    struct x86_rest rest;
    s32 distance;
    u32 offset;

    if (e->value[e->index].left != 2 || load >= b->count || to->code != IR_PUT || to->type != IR_I64 || to->arg[0] != e->index ||
        by->code != IR_LD || by->type != IR_I64 || by->arg[0] != e->index || by->aux & IR_MEM_ALIGNED || !is_alone(e, load) ||
        !find(e, (ir_value)e->index, by->imm, ir_mem_bytes(by->aux), &distance, &offset) || !x86_fits32(op->imm) ||
        !x86_rest_of_insn(b, load, &rest) || rest.put != to->aux || x86_live(e, e->home_of[to->aux]))
        return false;
    e->waiting = load;
    return true;
}

/* In front of C, which may find that the access faults. Clobbers rax. */
void x86_relative_put(struct tcg_engine *e, const struct x86_cold *cold)
{
    unsigned pin = cold->waiting == IR_NONE ? X86_NO_REG : e->pin_of[cold->waiting], to = pin == X86_NO_REG ? RAX : pin;

    if (cold->waiting == IR_NONE)
        return;
    x86_mov_rm(&e->code, true, to, x86_base(e->layout->pc_page));
    if (cold->base_at)
        x86_alu_ri(&e->code, X86_ADD, true, to, cold->base_at);
    if (pin == X86_NO_REG)
        x86_mov_mr(&e->code, 3, x86_state_of(e, cold->waiting), RAX);
}

/* --- the check --- */

bool x86_relative_check(struct tcg_engine *e, struct x86_cold *cold, ir_value base, s64 low, unsigned bytes, bool pointer)
{
    struct x86_code *c = &e->code;
    s32 distance;
    u32 offset;

    if (!find(e, base, low, bytes, &distance, &offset))
        return false;
    cold->relative = true;
    if (e->waiting == e->index) {
        struct x86_rest rest;

        x86_rest_of_insn(e->block, e->index, &rest);
        cold->waiting = rest.put;
        cold->base_at = (s32)e->block->op[base].imm;
    }
    cold->offset = (u16)offset;
    cold->address = X86_NO_REG;
    x86_mov_rm(c, true, RCX, x86_base(e->layout->pc_page));
    if (distance)
        x86_alu_ri(c, X86_ADD, true, RCX, distance);
    cold->check = c->p;
    x86_l1_index(e);
    x86_alu_rm(c, X86_CMP, true, RCX, x86_l1_tag(cold->table));
    cold->from = x86_jcc(c, CC_NE);
    x86_mov_rm(c, true, RCX, x86_l1_host(e, cold->table));
    if (pointer && offset)
        x86_alu_ri(c, X86_ADD, true, RCX, (s32)offset);
    return true;
}

/* From the page in rcx to what other checks leave behind. Returns where to go, with the address in rcx, for a new one. */
u8 *x86_relative_cold(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    u8 *again = cold->check;

    if (cold->offset) {
        again = c->p;
        x86_alu_ri(c, X86_SUB, true, RCX, cold->offset);
        x86_jmp_to(c, cold->check);
    }
    x86_fix(cold->from, c->p);
    if (cold->offset)
        x86_alu_ri(c, X86_ADD, true, RCX, cold->offset);
    x86_alu_rm(c, X86_XOR, true, RCX, x86_l1_tag(cold->table));
    return again;
}
