/*
 * tcg/x86_64/window.c - accesses by windows (tcg/backend.h): what the host cannot do faults; all that is compared is whether a base is where it was last,
 * in regions of 2^38 bytes.
 *
 *   rorx rcx, base, 38; cmp cx, [region]; jne cold; mov rcx, [distance]; mov reg, [base + rcx + disp]
 *
 * Accesses that share a check elsewhere (group.c) share the host address here. Each of them may fault, so each is made with the guest's state in
 * its place, and has a way out of line that needs nothing but its base: it is done by C, and goes on behind. A base that leads to another region has the
 * distance looked up and remembered, out of line, and goes on; where that happens all the time (ir_block.alters) it is looked up at once.
 */
#include "tcg/x86_64/value.h"

enum { MAX_DISP = 1 << 20, INDEX_MASK = (1 << TCG_WINDOW_INDEX) - 1 };

_Static_assert(2 * MAX_DISP <= TCG_WINDOW_REACH, "an access lies within reach of its base");

static bool has_bit(const u64 places[4], s32 at)
{
    return at >= 0 && at < TCG_PAGE_SIZE && places[at >> 10] >> (at >> 4 & 63) & 1;
}

static bool roams(const struct tcg_engine *e, const struct ir_op *op)
{
    s32 at = e->block->snapshot[op->snapshot].pc;

    return at < 0 || at >= TCG_PAGE_SIZE || has_bit(e->block->roams, at);
}

bool x86_window_may(const struct tcg_engine *e, const struct ir_op *op)
{
    return e->block->windows && e->layout->windows && !e->loop.on && !(op->aux & (IR_MEM_ALIGNED | IR_MEM_WRITE_INTENT)) && !(op->aux >> IR_MEM_SPACE_SHIFT) &&
           op->imm > -MAX_DISP && op->imm < MAX_DISP && e->value[x86_root(e, op->arg[0])].place != PLACE_CONST && !roams(e, op);
}

#define FIELD(e, name) ((e)->layout->windows + (s32)offsetof(struct tcg_windows, name))

/* The region of an address, in the low bits. */
static void find_region(struct tcg_engine *e, enum host_reg to, enum host_reg address)
{
    struct x86_code *c = &e->code;

    if (e->features.bmi) {
        x86_rorx_rr(c, true, to, address, TCG_WINDOW_SHIFT);
    } else {
        x86_mov_rr(c, true, to, address);
        x86_shift_ri(c, X86_SHR, true, to, TCG_WINDOW_SHIFT);
    }
}

void x86_window_pointer(struct tcg_engine *e)
{
    find_region(e, RAX, RCX);
    x86_alu_ri(&e->code, X86_AND, false, RAX, INDEX_MASK);
    x86_alu_rm(&e->code, X86_ADD, true, RCX, x86_base_index(RAX, 3, FIELD(e, distance)));
}

/* Pinned registers have the first half, all else the other. */
static s32 base_of(const struct tcg_engine *e, struct x86_operand base)
{
    u32 half = TCG_WINDOW_BASES / 2, number = base.place == PLACE_REG ? base.reg % half : half + (u32)base.disp / 8 % half;

    return FIELD(e, base) + (s32)(number * sizeof(struct tcg_window_base));
}

/* The distance of an address, which is in a register, to another one; from where it is loaded on, both are what they are here. */
static void find_distance(struct tcg_engine *e, struct x86_cold *cold, struct x86_operand base, enum host_reg to, enum host_reg address)
{
    struct x86_code *c = &e->code;

    find_region(e, to, address);
    if (has_bit(e->block->alters, cold->where)) {
        x86_alu_ri(c, X86_AND, false, to, INDEX_MASK);
        x86_mov_rm(c, true, to, x86_base_index(to, 3, FIELD(e, distance)));
        return;
    }
    cold->base = base_of(e, base);
    cold->by_rax = to == RAX;
    x86_cmp16_rm(c, to, x86_base(cold->base + (s32)offsetof(struct tcg_window_base, region)));
    cold->from = x86_jcc(c, CC_NE);
    cold->check = c->p;
    x86_mov_rm(c, true, to, x86_base(cold->base + (s32)offsetof(struct tcg_window_base, distance)));
}

/* The region is in rax or rcx, the other may be in use. */
void x86_window_other(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;

    if (!cold->from)
        return;
    x86_fix(cold->from, c->p);
    x86_push_i(c, cold->where);
    x86_push_i(c, cold->base);
    x86_call_stub(e, cold->by_rax ? e->stubs.window_other_rax : e->stubs.window_other_rcx);
    x86_jmp_to(c, cold->check);
}

/* Three words up the stack: where the instruction is. Clobbers rdx. */
static void note_other(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;

    x86_mov_rm(c, false, RDX, x86_base(FIELD(e, others)));
    x86_alu_mi(c, X86_ADD, true, x86_base(FIELD(e, others)), 1);
    x86_alu_ri(c, X86_AND, false, RDX, TCG_WINDOW_OTHERS - 1);
    x86_shift_ri(c, X86_SHL, false, RDX, 4);
    x86_push_m(c, x86_mem(RSP, 24));
    x86_pop_m(c, x86_base_index(RDX, 0, FIELD(e, other) + 8));
    x86_push_m(c, x86_base(e->layout->pc_page));
    x86_pop_m(c, x86_base_index(RDX, 0, FIELD(e, other)));
}

/* Pushed before the call: where the instruction is, and the struct tcg_window_base. `to` and flags are lost. */
static u32 emit_stub(struct tcg_engine *e, enum host_reg to)
{
    struct x86_code *c = &e->code;
    u32 at = (u32)(c->p - e->buffer->write);

    x86_push_r(c, RDX);
    x86_mov_rm(c, true, RDX, x86_mem(RSP, 16));
    x86_extend_rr(c, 1, false, false, to, to);
    x86_mov_mr(c, 3, x86_base_index(RDX, 0, (s32)offsetof(struct tcg_window_base, region)), to);
    x86_alu_ri(c, X86_AND, false, to, INDEX_MASK);
    x86_mov_rm(c, true, to, x86_base_index(to, 3, FIELD(e, distance)));
    x86_mov_mr(c, 3, x86_base_index(RDX, 0, (s32)offsetof(struct tcg_window_base, distance)), to);
    note_other(e);
    x86_pop_r(c, RDX);
    x86_ret_pop(c, 16);
    return at;
}

void x86_window_stubs(struct tcg_engine *e)
{
    if (!e->layout->windows)
        return;
    e->stubs.window_other_rax = emit_stub(e, RAX);
    e->stubs.window_other_rcx = emit_stub(e, RCX);
}

/* The base is where it stays, temporaries being flushed. */
static void note_access(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op)
{
    ir_value v = x86_root(e, op->arg[0]);

    cold->extra = X86_BY_WINDOW;
    cold->disp = (s32)op->imm;
    cold->value3 = x86_operand_of(e, v);
    cold->pointer = false;
    x86_release(e, v);
}

static void note_pointer(const struct tcg_engine *e, struct x86_cold *cold, u32 group)
{
    cold->pointer = e->group[group].last != e->index;
    cold->low = e->group[group].low;
}

/* Two registers are free. */
static bool stays_put(struct x86_operand base)
{
    return base.place == PLACE_REG && !x86_is_temp(base.reg) && !x86_is_xmm(base.reg);
}

static struct x86_mem first_of_group(struct tcg_engine *e, struct x86_cold *cold, struct x86_operand base, u32 group)
{
    s32 low = e->group[group].low;

    if (stays_put(base)) {
        find_distance(e, cold, base, RCX, base.reg);
        x86_lea(&e->code, true, RCX, x86_mem_index(base.reg, RCX, 0, low));
    } else {
        x86_load(e, true, RCX, base);
        find_distance(e, cold, base, RAX, RCX);
        x86_lea(&e->code, true, RCX, x86_mem_index(RCX, RAX, 0, low));
    }
    e->group[group].active = true;
    e->rcx_group = (u16)group;
    note_pointer(e, cold, group);
    return x86_mem(RCX, cold->disp - e->group[group].low);
}

struct x86_mem x86_window_access(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, u32 group)
{
    struct x86_operand base = x86_operand_of(e, x86_root(e, op->arg[0])); /* what it has in a temporary stays there for a moment */

    x86_flush_temps(e, X86_TEMPS);
    note_access(e, cold, op);
    if (group != IR_NONE)
        return first_of_group(e, cold, base, group);
    if (!stays_put(base)) {
        x86_load(e, true, RCX, base);
        find_distance(e, cold, base, RAX, RCX);
        x86_alu_rr(&e->code, X86_ADD, true, RCX, RAX);
        return x86_mem(RCX, cold->disp);
    }
    find_distance(e, cold, base, RCX, base.reg);
    return x86_mem_index(base.reg, RCX, 0, cold->disp);
}

struct x86_mem x86_window_member(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, u32 group)
{
    x86_flush_temps(e, e->rcx_group == group ? 1 << RAX : X86_TEMPS);
    x86_load_pointer(e, group);
    note_access(e, cold, op);
    note_pointer(e, cold, group);
    return x86_mem(RCX, cold->disp - e->group[group].low);
}

void x86_window_done(struct tcg_engine *e, struct x86_cold *cold, const u8 *start)
{
    if (e->fault_count == e->fault_capacity) {
        e->fault_capacity = e->fault_capacity ? e->fault_capacity * 2 : 64;
        e->fault = g_renew(struct tcg_fault, e->fault, e->fault_capacity);
    }
    cold->fault = e->fault_count;
    e->fault[e->fault_count++] = (struct tcg_fault){ .at = (u32)(start - e->buffer->write), .size = (u32)(e->code.p - start) };
    e->places.fixed = true; /* a table has its address */
}
