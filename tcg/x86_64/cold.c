/* tcg/x86_64/cold.c - code behind a block: slow paths of memory accesses, stubs of exits. */
#include "tcg/x86_64/value.h"

struct x86_cold *x86_cold_add(struct tcg_engine *e, enum x86_cold_kind kind)
{
    struct x86_cold *cold;

    if (e->cold_count == e->cold_capacity) {
        e->cold_capacity = e->cold_capacity ? e->cold_capacity * 2 : 64;
        e->cold = g_renew(struct x86_cold, e->cold, e->cold_capacity);
    }
    cold = &e->cold[e->cold_count++];
    *cold = (struct x86_cold){.kind = (u8)kind, .result = X86_NO_REG, .address = X86_NO_REG};
    return cold;
}

/* Pushes a value that is not in a temporary; rsp is `shift` bytes below the frame. */
static void push(struct tcg_engine *e, struct x86_operand o, s32 shift)
{
    struct x86_code *c = &e->code;

    if (o.place == PLACE_REG) {
        x86_push_r(c, o.reg);
    } else if (o.place == PLACE_CONST && x86_fits32(o.imm)) {
        x86_push_i(c, (s32)o.imm);
    } else if (o.place == PLACE_CONST) {
        x86_mov_ri(c, RAX, (u64)o.imm);
        x86_push_r(c, RAX);
    } else {
        if (o.place == PLACE_STACK)
            o.mem.disp += shift;
        x86_push_m(c, o.mem);
    }
}

static void emit_access(struct tcg_engine *e, const struct x86_cold *cold)
{
    static const u8 stub_of[] = {[COLD_LOAD] = 0, [COLD_STORE] = 1, [COLD_AMO] = 2, [COLD_CAS] = 3};
    const u32 stub[] = {e->stubs.load, e->stubs.store, e->stubs.amo, e->stubs.cas};
    struct x86_code *c = &e->code;

    if (cold->from) {
        x86_fix(cold->from, c->p);
        if (cold->address != X86_NO_REG)
            x86_lea(c, true, RCX, x86_mem(cold->address, cold->disp));
        else
            x86_alu_rm(c, X86_XOR, true, RCX, x86_mem_index(RBP, RAX, 0, cold->table));
    }
    if (cold->from_unaligned)
        x86_fix(cold->from_unaligned, c->p);
    if (cold->kind == COLD_AMO)
        x86_push_i(c, (s32)cold->extra);
    if (cold->kind != COLD_LOAD)
        push(e, cold->value, cold->kind == COLD_AMO ? 8 : 0);
    if (cold->kind == COLD_CAS)
        push(e, cold->value2, 8);
    x86_mov_ri(c, RAX, (u32)cold->where << 16 | cold->mem);
    x86_call_to(c, x86_at(e, stub[stub_of[cold->kind]]));
    if (cold->result != X86_NO_REG && cold->result != RAX)
        x86_mov_rr(c, true, cold->result, RAX);
    x86_jmp_to(c, cold->back);
}

/* Fills the exit's link: leaving while it is not linked, or when a poll says so. */
static void emit_link(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    struct tcg_link *link = &e->out->link[e->link_of[cold->extra]];

    if (cold->from_unaligned) {
        x86_fix(cold->from_unaligned, c->p);
        if (cold->compare.size) {
            x86_compare_emit(e, &cold->compare);
            x86_jcc_to(c, x86_cc_of(ir_cond_invert(cold->compare.cond)), cold->back);
        }
    }
    x86_fix(cold->from, c->p);
    link->site = (u32)(cold->from - e->buffer->write);
    link->unlinked = (u32)(c->p - e->buffer->write);
    x86_call_to(c, x86_at(e, e->stubs.leave_link));
    c->p = x86_put64(x86_begin(c), (u64)(uintptr_t)link);
}

void x86_cold_emit(struct tcg_engine *e)
{
    for (u32 i = 0; i < e->cold_count; i++) {
        const struct x86_cold *cold = &e->cold[i];

        switch (cold->kind) {
        case COLD_LINK:
            emit_link(e, cold);
            break;
        case COLD_CROSS:
            x86_fix(cold->from, e->code.p);
            x86_emit_cross(e, &e->block->exit[cold->extra]);
            break;
        default:
            emit_access(e, cold);
            break;
        }
    }
}
