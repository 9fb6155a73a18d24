/*
 * tcg/x86_64/loop_near.c - accesses of a loop that are of no stream: each place remembers the page that it found last, until something
 * is taken away from the L1 or another loop uses the same area (struct tcg_near). docs/decisions/tier-2.md
 *
 *   lea rax, [base + low]; xor rax, [page]; cmp rax, [limit]; jae cold      limit: 4097 - bytes; 0: no page yet
 *   mov rcx, [distance]                                                     from guest to host
 *
 * The access itself is [base + distance], so its address waits neither for the tables nor for the comparison.
 */
#include "tcg/x86_64/value.h"

static u32 area(const struct tcg_engine *e)
{
    return e->loop.serial % TCG_NEAR_AREAS;
}

static struct x86_mem owner(const struct tcg_engine *e)
{
    return x86_base(e->layout->near + (s32)(offsetof(struct tcg_near, owner) + area(e) * sizeof(u32)));
}

static struct x86_mem in_area(const struct tcg_engine *e, size_t offset)
{
    return x86_base(e->layout->near + (s32)(offsetof(struct tcg_near, area) + area(e) * sizeof(struct tcg_near_area) + offset));
}

#define AREA_FIELD(e, field) in_area(e, offsetof(struct tcg_near_area, field))
#define PLACE_FIELD(e, k, field) \
    in_area(e, offsetof(struct tcg_near_area, place[0].field) + (k) * sizeof(((struct tcg_near_area *)NULL)->place[0]))

struct x86_mem x86_near_page(const struct tcg_engine *e, u32 k)
{
    return PLACE_FIELD(e, k, page);
}

struct x86_mem x86_near_distance(const struct tcg_engine *e, u32 k)
{
    return PLACE_FIELD(e, k, distance);
}

struct x86_mem x86_near_limit(const struct tcg_engine *e, u32 k)
{
    return PLACE_FIELD(e, k, limit);
}

void x86_near_missed(struct tcg_engine *e, s32 where)
{
    x86_alu_mi(&e->code, X86_ADD, false, AREA_FIELD(e, misses), 1);
    x86_mov_mi(&e->code, 2, AREA_FIELD(e, missed), where);
}

static void take_area(struct tcg_engine *e)
{
    x86_mov_mi(&e->code, 2, owner(e), (s32)e->loop.serial);
    x86_mov_mi(&e->code, 2, AREA_FIELD(e, misses), 0);
    x86_mov_mi(&e->code, 2, AREA_FIELD(e, splits), 0);
    for (u32 i = 0; i < e->loop.near_count; i++)
        x86_mov_mi(&e->code, 3, PLACE_FIELD(e, i, limit), 0);
}

/* Who has places takes its area where a loop begins, and counts nothing before that. */
void x86_near_split(struct tcg_engine *e)
{
    bool takes = !e->loop.near_count;
    u8 *skip;

    if (!e->layout->near)
        return;
    x86_alu_mi(&e->code, X86_CMP, false, owner(e), (s32)e->loop.serial);
    skip = x86_jcc8(&e->code, takes ? CC_E : CC_NE);
    if (takes) {
        take_area(e);
        x86_fix8(&e->code, skip);
    }
    x86_alu_mi(&e->code, X86_ADD, false, AREA_FIELD(e, splits), 1);
    if (!takes)
        x86_fix8(&e->code, skip);
}

/* --- who shares a page --- */

static u8 near_for(struct tcg_engine *e, u32 begin, u32 i, const struct ir_op *op, ir_value base)
{
    struct x86_loop *l = &e->loop;
    s32 low = (s32)op->imm, high = low + (s32)ir_mem_bytes(op->aux);
    bool write = op->code == IR_ST || op->aux & IR_MEM_WRITE_INTENT;

    for (u32 k = begin; k < l->near_count; k++) {
        struct x86_near *n = &l->near[k];

        if (n->base != base || !ir_may_share_check(e->block, low, high, n->low, n->high))
            continue;
        n->low = MIN(low, n->low);
        n->high = MAX(high, n->high);
        n->write |= write;
        return (u8)k;
    }
    if (l->near_count == TCG_NEAR_PLACES)
        return X86_NO_NEAR;
    l->near[l->near_count] = (struct x86_near){ .base = base, .first = i, .low = low, .high = high, .write = write };
    return (u8)l->near_count++;
}

static bool is_far(const struct ir_block *b, const struct ir_op *op)
{
    for (u32 i = 0; i < b->far_count && i < IR_MAX_FAR; i++)
        if (b->far[i] == b->snapshot[op->snapshot].pc)
            return true;
    return b->far_count > IR_MAX_FAR;
}

static bool may_be_near(const struct tcg_engine *e, u32 i)
{
    const struct ir_op *op = &e->block->op[i];

    return (op->code == IR_LD || op->code == IR_ST) && e->loop.single[i] != IR_NONE && x86_fits32(op->imm) &&
           op->imm >= -IR_STREAM_SPAN * 1024 && op->imm <= IR_STREAM_SPAN * 1024 &&
           e->value[x86_root(e, op->arg[0])].place != PLACE_CONST && !is_far(e->block, op);
}

/* Streams of loops inside use places as well: all their accesses are behind the first. */
static void find_ahead(struct x86_loop *l)
{
    for (u32 k = 0; k < l->ahead_count; k++) {
        const struct ir_stream *s = &l->ahead[k].stream;

        l->ahead[k].near = (u8)l->near_count;
        l->near[l->near_count++] = (struct x86_near){ .base = IR_NONE, .first = IR_MAX_OPS, .low = s->low, .high = s->high, .write = s->write };
    }
}

static void find(struct tcg_engine *e)
{
    struct x86_loop *l = &e->loop;
    u32 begin;

    l->near_count = 0;
    memset(l->near_of, X86_NO_NEAR, e->block->count);
    if (!e->layout->near)
        return;
    find_ahead(l);
    begin = l->near_count;
    for (u32 i = 0; i < e->block->count; i++) {
        const struct ir_op *op = &e->block->op[i];

        if (l->ahead_of[i] != X86_NO_NEAR)
            l->near_of[i] = l->ahead[l->ahead_of[i]].near;
        else if (op->code == IR_LABEL)
            begin = l->near_count;
        else if (may_be_near(e, i))
            l->near_of[i] = near_for(e, begin, i, op, x86_root(e, op->arg[0]));
    }
}

void x86_near_begin(struct tcg_engine *e)
{
    struct x86_cold *cold;

    find(e);
    if (!e->layout->near)
        return;
    if (!++e->loop.serial)
        e->loop.serial++; /* 0 is nobody's */
    e->out->near = e->loop.serial;
    if (!e->loop.near_count)
        return;
    cold = x86_cold_add(e, COLD_NEAR);
    x86_alu_mi(&e->code, X86_CMP, false, owner(e), (s32)e->loop.serial);
    cold->from = x86_jcc(&e->code, CC_NE);
    cold->back = e->code.p;
}

/* Another loop used the area, or something was taken away. */
void x86_near_reset(struct tcg_engine *e, const struct x86_cold *cold)
{
    x86_fix(cold->from, e->code.p);
    take_area(e);
    x86_jmp_to(&e->code, cold->back);
}

/* --- accesses --- */

static bool stays(struct x86_operand base)
{
    return base.place == PLACE_REG && !x86_is_temp(base.reg);
}

struct x86_mem x86_near_check(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, struct x86_operand base)
{
    struct x86_code *c = &e->code;
    u32 k = e->loop.near_of[e->index];
    const struct x86_near *n = &e->loop.near[k];
    unsigned from = stays(base) ? base.reg : RCX;

    if (!stays(base))
        x86_load(e, true, RCX, base);
    cold->near = (u8)k;
    cold->address = (u8)from;
    cold->table = n->write ? e->layout->l1_write : e->layout->l1_read;
    if (n->low)
        x86_lea(c, true, RAX, x86_mem(from, n->low));
    else
        x86_mov_rr(c, true, RAX, from);
    x86_alu_rm(c, X86_XOR, true, RAX, PLACE_FIELD(e, k, page));
    x86_alu_rm(c, X86_CMP, true, RAX, PLACE_FIELD(e, k, limit));
    cold->from = x86_jcc(c, CC_AE);
    cold->near_back = c->p;
    if (from == RCX) {
        x86_alu_rm(c, X86_ADD, true, RCX, PLACE_FIELD(e, k, distance));
        return x86_mem(RCX, (s32)op->imm);
    }
    x86_mov_rm(c, true, RCX, PLACE_FIELD(e, k, distance));
    return x86_mem_index(from, RCX, 0, (s32)op->imm);
}

bool x86_near_member(struct tcg_engine *e, const struct ir_op *op, struct x86_operand base, struct x86_mem *m)
{
    struct x86_code *c = &e->code;

    if (!x86_near_has(e))
        return false;
    x86_flush_temps(e, 1 << RCX);
    if (stays(base)) {
        x86_mov_rm(c, true, RCX, PLACE_FIELD(e, e->loop.near_of[e->index], distance));
        *m = x86_mem_index(base.reg, RCX, 0, (s32)op->imm);
    } else {
        x86_load(e, true, RCX, base);
        x86_alu_rm(c, X86_ADD, true, RCX, PLACE_FIELD(e, e->loop.near_of[e->index], distance));
        *m = x86_mem(RCX, (s32)op->imm);
    }
    return true;
}

/* Another page: what the tables say of it is remembered. Behind it is what happens when they say nothing. */
void x86_near_cold(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    const struct x86_near *n = &e->loop.near[cold->near];
    unsigned bytes = (unsigned)(n->high - n->low);
    x86_fixup absent;
    u8 *again;

    x86_fix(cold->from, c->p);
    x86_lea(c, true, RCX, x86_mem(cold->address, n->low));
    again = c->p;
    absent = x86_check_tag(e, cold->table, bytes);
    x86_near_missed(e, cold->where);
    x86_push_m(c, x86_l1_tag(cold->table));
    x86_pop_m(c, PLACE_FIELD(e, cold->near, page));
    x86_mov_rm(c, true, RAX, x86_l1_host(e, cold->table));
    x86_alu_rm(c, X86_SUB, true, RAX, PLACE_FIELD(e, cold->near, page));
    x86_mov_mr(c, 3, PLACE_FIELD(e, cold->near, distance), RAX);
    x86_mov_mi(c, 3, PLACE_FIELD(e, cold->near, limit), TCG_PAGE_SIZE + 1 - (s32)bytes);
    if (cold->address == RCX) {
        x86_alu_rm(c, X86_ADD, true, RCX, PLACE_FIELD(e, cold->near, page));
        if (n->low)
            x86_alu_ri(c, X86_SUB, true, RCX, n->low);
    }
    x86_jmp_to(c, cold->near_back);
    x86_fix(absent, c->p);
    if (e->layout->refill) {
        x86_call_stub(e, cold->table == e->layout->l1_write ? e->stubs.refill_write : e->stubs.refill_read);
        x86_jcc_to(c, CC_E, again);
    }
}
