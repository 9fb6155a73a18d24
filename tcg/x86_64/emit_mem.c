/*
 * tcg/x86_64/emit_mem.c - guest memory: the inline check against the L1 data TLB, accesses, atomics, fences.
 *
 * The check (docs/decisions/jit-memory.md): rcx = va; rax = index; rcx ^= tag; hit when rcx <= 4096 - bytes, which
 * tests the page and the last byte at once; rcx += host page. The way out of line goes through cold.c to a stub.
 */
#include "tcg/x86_64/value.h"

static void add_imm(struct tcg_engine *e, enum host_reg r, s64 imm, enum host_reg temp)
{
    if (imm == 0)
        return;
    if (x86_fits32(imm)) {
        x86_alu_ri(&e->code, X86_ADD, true, r, (s32)imm);
        return;
    }
    x86_mov_ri(&e->code, temp, (u64)imm);
    x86_alu_rr(&e->code, X86_ADD, true, r, temp);
}

unsigned x86_address(struct tcg_engine *e, struct x86_operand a, s64 disp)
{
    if (a.place == PLACE_CONST) {
        x86_mov_ri(&e->code, RCX, (u64)a.imm + (u64)disp);
        return X86_NO_REG;
    }
    if (a.place == PLACE_REG && disp && x86_fits32(disp)) {
        x86_lea(&e->code, true, RCX, x86_mem(a.reg, (s32)disp));
    } else {
        x86_load(e, true, RCX, a);
        add_imm(e, RCX, disp, RAX);
    }
    return a.place == PLACE_REG && !x86_is_temp(a.reg) && x86_fits32(disp) ? a.reg : X86_NO_REG;
}

void x86_l1_index(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;

    if (e->features.bmi) {
        x86_bextr_rr(c, false, RAX, RCX, RBP);
        return;
    }
    x86_mov_rr(c, false, RAX, RCX);
    x86_shift_ri(c, X86_SHR, false, RAX, TCG_PAGE_BITS);
    x86_alu_ri(c, X86_AND, false, RAX, (s32)((1u << e->layout->l1_bits) - 1));
}

x86_fixup x86_check_tag(struct tcg_engine *e, s32 table, unsigned bytes)
{
    struct x86_code *c = &e->code;

    x86_l1_index(e);
    x86_alu_rm(c, X86_XOR, true, RCX, x86_l1_tag(table));
    x86_alu_ri(c, X86_CMP, true, RCX, TCG_PAGE_SIZE - (s32)bytes);
    return x86_jcc(c, CC_A);
}

x86_fixup x86_check(struct tcg_engine *e, s32 table, unsigned bytes)
{
    x86_fixup out = x86_check_tag(e, table, bytes);

    x86_alu_rm(&e->code, X86_ADD, true, RCX, x86_l1_host(e, table));
    return out;
}

/* From the address in rcx to the host address in rcx; rax is clobbered. */
static void check(struct tcg_engine *e, struct x86_cold *cold, unsigned bytes, bool aligned)
{
    cold->check = e->code.p;
    if (aligned && bytes > 1) {
        x86_test8_ri(&e->code, RCX, (u8)(bytes - 1));
        cold->from_unaligned = x86_jcc(&e->code, CC_NE);
    }
    cold->from = x86_check(e, cold->table, bytes);
}

static s32 table_of(const struct tcg_engine *e, bool write)
{
    return write ? e->layout->l1_write : e->layout->l1_read;
}

static struct x86_cold *cold_access(struct tcg_engine *e, enum x86_cold_kind kind, const struct ir_op *op, bool write)
{
    struct x86_cold *cold = x86_cold_add(e, kind);

    cold->mem = op->aux;
    cold->disp = 0;
    cold->table = table_of(e, write);
    cold->where = e->block->snapshot[op->snapshot].pc;
    cold->unretired = x86_unretired(e, e->block->snapshot[op->snapshot].icount, false);
    cold->nan32 = e->nan32;
    cold->nan64 = e->nan64;
    if (e->loop.on)
        cold->exit = e->loop.single[e->index];
    return cold;
}

/* --- groups --- */

static u32 group_of(const struct tcg_engine *e)
{
    return e->prepared ? e->group_of[e->index] : IR_NONE;
}

void x86_recheck_add(struct tcg_engine *e, struct x86_cold *cold, const struct x86_recheck *recheck)
{
    if (e->recheck_count == e->recheck_capacity) {
        e->recheck_capacity = e->recheck_capacity ? e->recheck_capacity * 2 : 32;
        e->recheck = g_renew(struct x86_recheck, e->recheck, e->recheck_capacity);
    }
    if (!cold->recheck_count++)
        cold->recheck = e->recheck_count;
    e->recheck[e->recheck_count++] = *recheck;
}

static void add_recheck(struct tcg_engine *e, struct x86_cold *cold, const struct x86_group *g, u16 slot)
{
    x86_recheck_add(e, cold, &(struct x86_recheck){
        .base = x86_operand_of(e, g->base), .low = g->low, .high = g->high, .write = g->write, .slot = slot
    });
}

/* After the temporaries were flushed: what the slow path must do for open groups, and for the one that begins here. */
static void note_groups(struct tcg_engine *e, struct x86_cold *cold, u32 group)
{
    for (u32 i = 0; i < e->group_count; i++)
        if (e->group[i].active && i != group && !e->group[i].windows)
            add_recheck(e, cold, &e->group[i], e->group[i].slot);
    if (group != IR_NONE) {
        const struct x86_group *g = &e->group[group];

        add_recheck(e, cold, g, X86_NO_SLOT);
        cold->exit = g->exit;
        cold->low = g->low;
        cold->high = g->high;
    }
    if (!cold->recheck_count)
        return;
    x86_rest_of_insn(e->block, e->index, &cold->rest);
    cold->next = cold->where + e->block->snapshot[e->block->op[e->index].snapshot].length;
}

/* A member behind the first: no check. */
static struct x86_mem member(struct tcg_engine *e, u32 group, const struct ir_op *op)
{
    x86_load_pointer(e, group);
    return x86_mem(RCX, (s32)op->imm - e->group[group].low);
}

static void end_member(struct tcg_engine *e, u32 group)
{
    if (group != IR_NONE && e->group[group].last == e->index)
        x86_end_group(e, group);
}

/* Checks for one access, or for all of the group that begins with it. a: base, captured before the flush. */
static struct x86_mem checked(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, struct x86_operand a, u32 group)
{
    unsigned bytes = ir_mem_bytes(op->aux);
    s64 low = op->imm;

    cold->disp = (s32)op->imm;
    if (x86_near_first(e))
        return x86_near_check(e, cold, op, a);
    if (group != IR_NONE) {
        struct x86_group *g = &e->group[group];

        low = g->low;
        bytes = (unsigned)(g->high - g->low);
        cold->table = table_of(e, g->write);
    }
    note_groups(e, cold, group);
    if (op->aux & IR_MEM_ALIGNED || !x86_relative_check(e, cold, x86_root(e, op->arg[0]), low, bytes, group != IR_NONE)) {
        cold->address = (u8)x86_address(e, a, low);
        if (!x86_base_check(e, cold, op, a, bytes))
            check(e, cold, bytes, op->aux & IR_MEM_ALIGNED);
    }
    if (group != IR_NONE) {
        e->group[group].active = true;
        e->rcx_group = (u16)group;
        return x86_mem(RCX, (s32)(op->imm - low));
    }
    return x86_mem(RCX, cold->offset);
}

/* --- load, store --- */

static void swap_bytes(struct tcg_engine *e, unsigned size, bool is_signed, bool wide, enum host_reg d)
{
    struct x86_code *c = &e->code;

    if (size == 0)
        return;
    x86_bswap(c, size == 3, d);
    if (size == 1)
        x86_shift_ri(c, is_signed ? X86_SAR : X86_SHR, false, d, 16);
    if (size < 3 && is_signed && wide)
        x86_extend_rr(c, 2, true, true, d, d);
}

static void load_from(struct tcg_engine *e, const struct ir_op *op, enum host_reg d, struct x86_mem m)
{
    unsigned size = op->aux & IR_MEM_SIZE;
    bool is_signed = op->aux & IR_MEM_SIGNED, wide = x86_wide(op->type);

    if (op->aux & IR_MEM_BIG && size) {
        x86_extend_rm(&e->code, size, false, size == 3, d, m);
        swap_bytes(e, size, is_signed, wide, d);
    } else {
        x86_extend_rm(&e->code, size, is_signed, wide || size == 3, d, m);
    }
}

/* Ones above a halfword that is in memory or in rax. */
static void box_half(struct tcg_engine *e, unsigned d, const struct x86_mem *m)
{
    bool vex = e->features.vex;

    x86_sse_rr(&e->code, vex, SSE_PCMPEQD, d, d, d);
    if (m)
        x86_sse_rm(&e->code, vex, SSE_PINSRW, d, d, *m);
    else
        x86_sse_rr(&e->code, vex, SSE_PINSRW, d, d, RAX);
    x86_imm8(&e->code, 0);
}

/* Narrow values come with ones above. */
static void load_fp_from(struct tcg_engine *e, const struct ir_op *op, unsigned d, struct x86_mem m)
{
    unsigned size = op->aux & IR_MEM_SIZE;
    bool vex = e->features.vex;

    if (size == 3) {
        x86_sse_rm(&e->code, vex, SSE_MOVSD, d, 0, m);
    } else if (size == 2) {
        x86_sse_rm(&e->code, vex, x86_sse_scalar(SSE_MOVSD, false), d, 0, m);
        x86_sse_rc(&e->code, vex, SSE_ORPS, d, d, (const u8 *)x86_constants_at(e)->box);
        x86_note(e);
    } else {
        box_half(e, d, &m);
    }
}

static void load_fp(struct tcg_engine *e, const struct ir_op *op)
{
    u32 group = group_of(e);
    struct x86_operand a = x86_take(e, op->arg[0]);
    unsigned d = x86_xmm_result(e, 0, X86_NO_REG); /* before the check: it may store what it displaces */
    struct x86_mem m;

    if (x86_loop_access(e, op, a, &m)) {
        load_fp_from(e, op, d, m);
    } else if (group != IR_NONE && e->group[group].active) {
        load_fp_from(e, op, d, member(e, group, op));
    } else {
        struct x86_cold *cold = cold_access(e, COLD_LOAD, op, op->aux & IR_MEM_WRITE_INTENT);

        x86_flush_temps(e, X86_TEMPS);
        load_fp_from(e, op, d, checked(e, cold, op, a, group));
        cold->result = (u8)d;
        cold->back = e->code.p;
    }
    x86_define(e, d);
    end_member(e, group);
}

static bool by_window(const struct tcg_engine *e, const struct ir_op *op, u32 group)
{
    return group != IR_NONE ? e->group[group].windows : x86_window_may(e, op);
}

static struct x86_mem in_window(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, u32 group)
{
    return group != IR_NONE && e->group[group].active ? x86_window_member(e, cold, op, group) : x86_window_access(e, cold, op, group);
}

static void load_by_window(struct tcg_engine *e, const struct ir_op *op, u32 group)
{
    bool fp = op->type == IR_F64;
    unsigned d = fp ? x86_xmm_result(e, 0, X86_NO_REG) : X86_NO_REG; /* it may store what it displaces */
    struct x86_cold *cold = cold_access(e, COLD_LOAD, op, false);
    struct x86_mem m = in_window(e, cold, op, group);
    const u8 *start = e->code.p;

    if (fp && (op->aux & IR_MEM_SIZE) < 2) { /* the register may be the guest's: nothing happens to it before the access */
        x86_extend_rm(&e->code, 1, false, false, RAX, m);
        box_half(e, d, NULL);
    } else if (fp) {
        load_fp_from(e, op, d, m);
    } else {
        d = x86_result(e, 1 << RCX, RAX);
        load_from(e, op, d, m);
    }
    x86_window_done(e, cold, start);
    cold->result = (u8)d;
    cold->back = e->code.p;
    x86_define(e, d);
    end_member(e, group);
}

void x86_emit_load(struct tcg_engine *e, const struct ir_op *op)
{
    u32 group = group_of(e);
    struct x86_operand a;
    struct x86_mem m;
    enum host_reg d;

    if (by_window(e, op, group)) {
        load_by_window(e, op, group);
        return;
    }
    if (op->type == IR_F64) {
        load_fp(e, op);
        return;
    }
    a = x86_take(e, op->arg[0]);
    if (x86_loop_access(e, op, a, &m)) {
        d = x86_result(e, 1 << RCX, X86_NO_REG);
        load_from(e, op, d, m);
    } else if (group != IR_NONE && e->group[group].active) {
        m = member(e, group, op);
        d = x86_result(e, 1 << RCX, X86_NO_REG);
        load_from(e, op, d, m);
    } else {
        struct x86_cold *cold = cold_access(e, COLD_LOAD, op, op->aux & IR_MEM_WRITE_INTENT);

        x86_flush_temps(e, X86_TEMPS);
        m = checked(e, cold, op, a, group);
        d = x86_result(e, 1 << RCX, RAX);
        load_from(e, op, d, m);
        cold->result = (u8)d;
        cold->back = e->code.p;
    }
    x86_define(e, d);
    end_member(e, group);
}

/* An operand that outlives the check: not in a temporary. Not released yet. */
static void keep_from_temps(struct tcg_engine *e, ir_value arg)
{
    const struct x86_value *x = x86_value(e, x86_root(e, arg));

    if (x->place == PLACE_REG && x86_is_temp(x->reg))
        x86_flush_temps(e, 1u << x->reg);
}

static void store_value(struct tcg_engine *e, const struct ir_op *op, struct x86_mem m, struct x86_operand b)
{
    unsigned size = op->aux & IR_MEM_SIZE;
    bool big = op->aux & IR_MEM_BIG && size;

    if (!big && b.place == PLACE_CONST && (size < 3 || x86_fits32(b.imm))) {
        x86_mov_mi(&e->code, size, m, (s32)b.imm);
        return;
    }
    if (!big && b.place == PLACE_REG && !x86_is_xmm(b.reg)) {
        x86_mov_mr(&e->code, size, m, b.reg);
        return;
    }
    if (b.place == PLACE_REG && x86_is_xmm(b.reg) && size >= 2) {
        x86_sse_rm(&e->code, e->features.vex, x86_sse_scalar(SSE_MOVSD_STORE, size == 3), b.reg, 0, m);
        return;
    }
    x86_flush_temps(e, 1 << RAX);
    x86_load(e, size == 3, RAX, b);
    if (big) {
        x86_bswap(&e->code, size == 3, RAX);
        if (size == 1)
            x86_shift_ri(&e->code, X86_SHR, false, RAX, 16);
    }
    x86_mov_mr(&e->code, size, m, RAX);
}

/* clean: the value, when it is a floating-point one. */
static void store_member(struct tcg_engine *e, const struct ir_op *op, u32 group, const struct x86_operand *clean)
{
    struct x86_mem m = member(e, group, op); /* first: it may move the value out of rcx */
    struct x86_operand b;

    x86_release(e, x86_root(e, op->arg[0]));
    b = x86_take(e, op->arg[1]);
    if (op->type == IR_F64)
        b = *clean;
    store_value(e, op, m, b);
}

/* The access is of a stream. */
static void store_stream(struct tcg_engine *e, const struct ir_op *op, const struct x86_operand *clean)
{
    struct x86_operand a = x86_take(e, op->arg[0]), b;
    struct x86_mem m;

    x86_loop_access(e, op, a, &m); /* first: it may move the value out of rcx */
    b = x86_take(e, op->arg[1]);
    store_value(e, op, m, op->type == IR_F64 ? *clean : b);
}

static void store_by_window(struct tcg_engine *e, const struct ir_op *op, u32 group, const struct x86_operand *clean)
{
    struct x86_cold *cold = cold_access(e, COLD_STORE, op, true);
    const u8 *start;
    struct x86_mem m;

    keep_from_temps(e, op->arg[1]);
    cold->value = x86_take(e, op->arg[1]);
    if (op->type == IR_F64)
        cold->value = *clean;
    m = in_window(e, cold, op, group);
    start = e->code.p;
    store_value(e, op, m, cold->value);
    x86_window_done(e, cold, start);
    cold->back = e->code.p;
}

void x86_emit_store(struct tcg_engine *e, const struct ir_op *op)
{
    u32 group = group_of(e);
    struct x86_operand a, b, clean = {0};
    struct x86_cold *cold;

    if (op->type == IR_F64) {
        clean = x86_operand_of(e, x86_root(e, op->arg[1]));
        x86_clean_value(e, x86_root(e, op->arg[1]), &clean, 0);
    }
    if (by_window(e, op, group)) {
        store_by_window(e, op, group, &clean);
    } else if (x86_loop_has(e) || x86_near_has(e)) {
        store_stream(e, op, &clean);
    } else if (group != IR_NONE && e->group[group].active) {
        store_member(e, op, group, &clean);
    } else {
        cold = cold_access(e, COLD_STORE, op, true);
        keep_from_temps(e, op->arg[1]);
        a = x86_take(e, op->arg[0]);
        b = x86_take(e, op->arg[1]);
        if (op->type == IR_F64)
            b = clean;
        x86_flush_temps(e, X86_TEMPS);
        cold->value = b;
        store_value(e, op, checked(e, cold, op, a, group), b);
        cold->back = e->code.p;
    }
    end_member(e, group);
}

/* --- atomics --- */

/* A pinned register lent for a moment: not one of `avoid`. */
static enum host_reg borrow(struct tcg_engine *e, u32 avoid)
{
    enum host_reg r = avoid & 1 << RDX ? avoid & 1 << RBX ? RSI : RBX : RDX;

    if (e->guest_of[r] != IR_NONE)
        x86_mov_mr(&e->code, 3, x86_state_of(e, e->guest_of[r]), r);
    return r;
}

static void give_back(struct tcg_engine *e, enum host_reg r)
{
    if (e->guest_of[r] != IR_NONE)
        x86_mov_rm(&e->code, true, r, x86_state_of(e, e->guest_of[r]));
}

/* The old value from rax to where it belongs; the slow path joins with it in rax. */
static void define_old(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op)
{
    bool extend = (op->aux & IR_MEM_SIZE) == 2 && op->type == IR_I64;
    enum host_reg d;

    cold->result = RAX;
    cold->back = e->code.p;
    d = x86_result(e, 0, RAX);
    if (extend)
        x86_extend_rr(&e->code, 2, true, true, d, RAX);
    else if (d != RAX)
        x86_mov_rr(&e->code, true, d, RAX);
    x86_define(e, d);
}

static void modify(struct tcg_engine *e, enum ir_amo how, bool wide, enum host_reg r)
{
    static const u8 alu[] = {[IR_AMO_AND] = X86_AND, [IR_AMO_OR] = X86_OR, [IR_AMO_XOR] = X86_XOR};
    static const u8 cc[] = {[IR_AMO_MINS] = CC_G, [IR_AMO_MAXS] = CC_L, [IR_AMO_MINU] = CC_A, [IR_AMO_MAXU] = CC_B};

    if (how <= IR_AMO_XOR) {
        x86_alu_rr(&e->code, alu[how], wide, r, RAX);
        return;
    }
    x86_alu_rr(&e->code, X86_CMP, wide, r, RAX);
    x86_cmov_rr(&e->code, cc[how], wide, r, RAX);
}

static void amo_loop(struct tcg_engine *e, enum ir_amo how, bool wide, struct x86_operand b)
{
    enum host_reg r = borrow(e, x86_operand_mask(b));
    u8 *again;

    x86_mov_rm(&e->code, wide, RAX, x86_mem(RCX, 0));
    again = e->code.p;
    x86_load(e, wide, r, b);
    modify(e, how, wide, r);
    x86_lock_cmpxchg_mr(&e->code, wide, x86_mem(RCX, 0), r);
    x86_jcc_to(&e->code, CC_NE, again);
    give_back(e, r);
}

static void amo_inline(struct tcg_engine *e, enum ir_amo how, bool wide, struct x86_operand b)
{
    if (how > IR_AMO_ADD) {
        amo_loop(e, how, wide, b);
        return;
    }
    x86_load(e, wide, RAX, b);
    if (how == IR_AMO_SWAP)
        x86_xchg_mr(&e->code, wide, x86_mem(RCX, 0), RAX);
    else
        x86_lock_xadd_mr(&e->code, wide, x86_mem(RCX, 0), RAX);
}

/* Bytes and halfwords and the other byte order: always the slow path. */
static void always_slow(struct tcg_engine *e, struct x86_cold *cold)
{
    cold->from_unaligned = x86_jmp(&e->code);
}

void x86_emit_amo(struct tcg_engine *e, const struct ir_op *op)
{
    unsigned size = op->aux & IR_MEM_SIZE;
    struct x86_cold *cold = cold_access(e, COLD_AMO, op, true);
    struct x86_operand a, b;

    keep_from_temps(e, op->arg[1]);
    a = x86_take(e, op->arg[0]);
    b = x86_take(e, op->arg[1]);
    x86_flush_temps(e, X86_TEMPS);
    cold->address = (u8)x86_address(e, a, 0);
    cold->value = b;
    cold->extra = (u32)op->imm;
    if (size < 2 || (op->aux & IR_MEM_BIG)) {
        always_slow(e, cold);
    } else {
        check(e, cold, 1u << size, true);
        amo_inline(e, (enum ir_amo)op->imm, size == 3, b);
    }
    define_old(e, cold, op);
}

static void cas_inline(struct tcg_engine *e, bool wide, struct x86_operand expected, struct x86_operand desired)
{
    x86_load(e, wide, RAX, expected);
    if (desired.place == PLACE_REG) {
        x86_lock_cmpxchg_mr(&e->code, wide, x86_mem(RCX, 0), desired.reg);
    } else {
        enum host_reg r = borrow(e, 0);

        x86_load(e, wide, r, desired);
        x86_lock_cmpxchg_mr(&e->code, wide, x86_mem(RCX, 0), r);
        give_back(e, r);
    }
}

void x86_emit_cas(struct tcg_engine *e, const struct ir_op *op)
{
    unsigned size = op->aux & IR_MEM_SIZE;
    struct x86_cold *cold = cold_access(e, COLD_CAS, op, true);
    struct x86_operand a, b, c;

    keep_from_temps(e, op->arg[1]);
    keep_from_temps(e, op->arg[2]);
    a = x86_take(e, op->arg[0]);
    b = x86_take(e, op->arg[1]);
    c = x86_take(e, op->arg[2]);
    x86_flush_temps(e, X86_TEMPS);
    cold->address = (u8)x86_address(e, a, 0);
    cold->value = b;
    cold->value2 = c;
    if (size < 2 || (op->aux & IR_MEM_BIG)) {
        always_slow(e, cold);
    } else {
        check(e, cold, 1u << size, true);
        cas_inline(e, size == 3, b, c);
    }
    define_old(e, cold, op);
}

/* Only a load after a store can pass it on x86 (SDM volume 3, memory ordering). */
void x86_fence(struct tcg_engine *e, u32 orders)
{
    if (orders & IR_ORDER_WR)
        x86_lock_alu_mi(&e->code, X86_OR, false, x86_mem(RSP, 0), 0);
}

void x86_emit_fence(struct tcg_engine *e, const struct ir_op *op)
{
    x86_fence(e, (u32)op->imm);
}
