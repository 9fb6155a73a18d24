/*
 * tcg/x86_64/quick.c - quick code (tcg/quick.h): host code of one instruction after another.
 *
 * Guest registers are where they are between blocks: pinned, or in the state; rax and rcx are for what an instruction needs meanwhile. So there
 * are no values to follow, and every snapshot is just a pc. Accesses off one base that follow each other share a check, as in blocks of
 * IR (group.c): then rcx is the host address of the group's low end until its last access.
 *
 * The translator's own code is cold when it is wanted, so there is little of it: few forms, registers only, checks copied from a template.
 */
#include "tcg/append.h"
#include "tcg/x86_64/emit.h"
#include "tcg/x86_64/quick_enc.h"
#include "tcg/x86_64/value.h"

enum {
    GROUP_SPAN = 512,
    NO_GROUP = 0,
    INSN_ROOM = 192, /* bytes that an instruction takes at most, with what is cold of it */
};

/* --- before links are counted --- */

static bool is_shift(unsigned code)
{
    return code == IR_SHL || code == IR_SHR || code == IR_SAR;
}

static bool is_access(const struct quick_insn *i)
{
    return i->form == QUICK_LOAD || i->form == QUICK_STORE;
}

/* Leaves rcx and the register `base` as they are. */
static bool lets_group_live(const struct tcg_engine *e, const struct quick_insn *i, u16 base)
{
    if (i->rd == base || i->form > QUICK_BINARY_IMM)
        return false;
    return i->form != QUICK_BINARY || (i->b != QUICK_ZERO && e->pin_of[i->b] != X86_NO_REG && !is_shift(i->code));
}

/* The group that begins with insn[first], if it has more members; where to look on. */
static u32 find_group(struct tcg_engine *e, struct ir_block *b, struct quick_insn *insn, u32 first, u32 count)
{
    struct x86_quick_group g = { .low = insn[first].imm, .high = insn[first].imm };
    u16 base = insn[first].a;
    u32 last = first;

    for (u32 i = first; i < count; i++) {
        s32 end = insn[i].imm + (s32)ir_mem_bytes(insn[i].code);

        if (!is_access(&insn[i])) {
            if (!lets_group_live(e, &insn[i], base))
                break;
            continue;
        }
        if (insn[i].a != base || MAX(g.high, end) - MIN(g.low, insn[i].imm) > GROUP_SPAN)
            break;
        g.low = MIN(g.low, insn[i].imm);
        g.high = MAX(g.high, end);
        g.write |= insn[i].form == QUICK_STORE;
        last = i;
        if (insn[i].form == QUICK_LOAD && insn[i].rd == base)
            break;
    }
    if (last == first || e->quick_group_count == X86_MAX_QUICK_GROUPS || b->exit_count >= IR_MAX_EXITS)
        return first + 1;
    g.first = (u16)first;
    g.exit = (u16)ir_append_exit(b, IR_EXIT_DIRECT, insn[first].pc, IR_HINT_NONE, 0);
    b->exit[g.exit].single = true;
    e->quick_group[e->quick_group_count++] = g;
    for (u32 i = first; i <= last; i++)
        insn[i].group = (u16)e->quick_group_count;
    return last + 1;
}

void x86_quick_prepare(struct tcg_engine *e, struct ir_block *block, struct quick_insn *insn, u32 count)
{
    const struct quick_insn *end = &insn[count - 1];

    e->quick_group_count = 0;
    for (u32 i = 0; i < count;)
        i = is_access(&insn[i]) && insn[i].a != QUICK_ZERO ? find_group(e, block, insn, i, count) : i + 1;
    if (end->form == QUICK_JUMP || end->form == QUICK_JUMP_TO)
        x86_prepare_return(block, &block->exit[end->exit]);
}

/* --- registers --- */

/* opcode reg, [what lies `offset` from the base pointer] */
static u8 *q_base(u8 *p, u32 opcode, unsigned reg, s32 offset)
{
    struct x86_mem m = x86_base(offset);

    return q_rm(p, opcode, true, reg, m.base, m.disp);
}

static u8 *from_state(const struct tcg_engine *e, u8 *p, unsigned reg, u16 g)
{
    return q_base(p, 0x8b, reg, e->layout->reg[g].offset);
}

/* Guest register g in *reg: its own, or `temp`. Clobbers flags. */
static u8 *source(const struct tcg_engine *e, u8 *p, u16 g, unsigned temp, unsigned *reg)
{
    *reg = temp;
    if (unlikely(g == QUICK_ZERO))
        return q_rr(p, 0x33, false, temp, temp);
    if (likely(e->pin_of[g] != X86_NO_REG)) {
        *reg = e->pin_of[g];
        return p;
    }
    return from_state(e, p, temp, g);
}

/* Where to make a new value of guest register g. */
static unsigned destination(const struct tcg_engine *e, u16 g)
{
    return g == QUICK_ZERO || e->pin_of[g] == X86_NO_REG ? RAX : e->pin_of[g];
}

/* It was made in d, which is its destination. */
static u8 *set(const struct tcg_engine *e, u8 *p, u16 g, unsigned d)
{
    if (likely(d != RAX) || g == QUICK_ZERO)
        return p;
    return q_base(p, 0x89, RAX, e->layout->reg[g].offset);
}

static u8 *set_const(const struct tcg_engine *e, u8 *p, const struct quick_insn *i)
{
    unsigned pin = e->pin_of[i->rd];

    p = pin == X86_NO_REG ? q_base(p, 0xc7, 0, e->layout->reg[i->rd].offset) : q_rr(p, 0xc7, true, 0, pin);
    return x86_put32(p, (u32)i->imm);
}

/* rd = pc_page + imm, by way of t when rd is in the state. */
static u8 *set_pc(const struct tcg_engine *e, u8 *p, u16 rd, s32 imm, unsigned t)
{
    unsigned d = destination(e, rd);

    if (d == RAX)
        d = t;
    p = q_alu_imm(q_base(p, 0x8b, d, e->layout->pc_page), X86_ADD, true, d, imm);
    return d == t ? q_base(p, 0x89, d, e->layout->reg[rd].offset) : p;
}

/* --- arithmetic --- */

static const u8 alu_of[] = { [IR_ADD] = X86_ADD, [IR_SUB] = X86_SUB, [IR_AND] = X86_AND, [IR_OR] = X86_OR, [IR_XOR] = X86_XOR };

/* d = d <code> b */
static u8 *operate(u8 *p, unsigned code, bool wide, unsigned d, unsigned b)
{
    return code == IR_MUL ? q_0f_rr(p, 0xaf, wide, d, b) : q_rr(p, (u8)(alu_of[code] << 3 | 3), wide, d, b);
}

static u8 *extend_word(u8 *p, unsigned d, unsigned a)
{
    return q_rr(p, 0x63, true, d, a);
}

/* By a register; the count may be anything. */
static u8 *shift(struct tcg_engine *e, u8 *p, const struct quick_insn *i, unsigned d, unsigned a, unsigned b)
{
    enum x86_shift how = x86_shift_of(i->code);

    e->code.p = p;
    if (e->features.bmi) {
        x86_shiftx_rr(&e->code, how, !i->word, d, a, b);
        return e->code.p;
    }
    if (b != RCX)
        x86_mov_rr(&e->code, false, RCX, b);
    if (a != RAX)
        x86_mov_rr(&e->code, true, RAX, a);
    x86_shift_cl(&e->code, how, !i->word, RAX);
    return d == RAX ? e->code.p : q_mov(e->code.p, d, RAX);
}

static u8 *binary(struct tcg_engine *e, u8 *p, const struct quick_insn *i)
{
    unsigned d = destination(e, i->rd), a, b;
    bool wide = !i->word;

    p = source(e, source(e, p, i->a, RAX, &a), i->b, RCX, &b);
    if (is_shift(i->code)) {
        p = shift(e, p, i, d, a, b);
    } else if (d != b) {
        p = operate(d == a ? p : q_mov(p, d, a), i->code, wide, d, b);
    } else if (i->code != IR_SUB) { /* the rest commutes */
        p = operate(p, i->code, wide, d, a);
    } else {
        p = operate(a == RAX ? p : q_mov(p, RAX, a), i->code, wide, RAX, b);
        p = q_mov(p, d, RAX);
    }
    return set(e, i->word ? extend_word(p, d, d) : p, i->rd, d);
}

static u8 *shift_imm(u8 *p, const struct quick_insn *i, unsigned d)
{
    p = q_rr(p, 0xc1, !i->word, x86_shift_of(i->code), d);
    *p++ = (u8)i->imm;
    return p;
}

static u8 *binary_imm(struct tcg_engine *e, u8 *p, const struct quick_insn *i)
{
    unsigned d = destination(e, i->rd), a;

    p = source(e, p, i->a, RAX, &a);
    if (i->code == IR_ADD && i->imm && d != a)
        p = q_lea(p, !i->word, d, a, i->imm);
    else if (i->code == IR_ADD && !i->imm)
        return set(e, i->word ? extend_word(p, d, a) : d == a ? p : q_mov(p, d, a), i->rd, d);
    else {
        if (d != a)
            p = q_mov(p, d, a);
        p = is_shift(i->code) ? shift_imm(p, i, d) : q_alu_imm(p, alu_of[i->code], !i->word, d, i->imm);
    }
    return set(e, i->word ? extend_word(p, d, d) : p, i->rd, d);
}

/* Sets the flags by a and b, or imm. */
static u8 *compare(const struct tcg_engine *e, u8 *p, const struct quick_insn *i, bool imm)
{
    unsigned a, b;

    p = source(e, p, i->a, RAX, &a);
    if (imm)
        return q_alu_imm(p, X86_CMP, true, a, i->imm);
    if (i->b == QUICK_ZERO)
        return q_rr(p, 0x85, true, a, a);
    p = source(e, p, i->b, RCX, &b);
    return q_rr(p, 0x3b, true, a, b);
}

static u8 *setcc(const struct tcg_engine *e, u8 *p, const struct quick_insn *i)
{
    unsigned d = destination(e, i->rd);

    p = compare(e, p, i, i->form == QUICK_SETCC_IMM);
    p = q_0f_rr(p, (u8)(0x90 | x86_cc_of((enum ir_cond)i->code)), false, 0, RAX);
    return set(e, q_0f_rr(p, 0xb6, false, d, RAX), i->rd, d);
}

/* --- memory --- */

/* From the base's register to the host address of base + low in rcx. */
static u8 *check(struct tcg_engine *e, u8 *p, unsigned base, s32 low, unsigned bytes, bool write, struct x86_quick_cold *cold)
{
    const struct x86_quick_check *t = &e->quick_check[write];

    p = q_lea(p, true, RCX, base, low);
    cold->check = p;
    memcpy(p, t->code, sizeof(t->code));
    x86_put32(p + t->limit, TCG_PAGE_SIZE - bytes);
    cold->from = p + t->from;
    return p + t->size;
}

static u8 *move_data(const struct tcg_engine *e, u8 *p, const struct quick_insn *i, s32 disp)
{
    static const struct { u32 load; bool wide; } loads[16] = {
        [IR_MEM_8] = { X86_0F | 0xb6 }, [IR_MEM_16] = { X86_0F | 0xb7 }, [IR_MEM_32] = { 0x8b }, [IR_MEM_64] = { 0x8b, true },
        [IR_MEM_8 | IR_MEM_SIGNED] = { X86_0F | 0xbe, true }, [IR_MEM_16 | IR_MEM_SIGNED] = { X86_0F | 0xbf, true },
        [IR_MEM_32 | IR_MEM_SIGNED] = { 0x63, true },
    };
    static const u32 stores[4] = { 0x88, 0x89 | X86_66, 0x89, 0x89 };
    unsigned reg;

    if (i->form == QUICK_LOAD)
        return q_rm(p, loads[i->code].load, loads[i->code].wide, destination(e, i->rd), RCX, disp);
    p = source(e, p, i->b, RAX, &reg);
    return q_rm(p, stores[i->code], i->code == IR_MEM_64, reg, RCX, disp);
}

static struct x86_operand operand(const struct tcg_engine *e, u16 g)
{
    if (g == QUICK_ZERO)
        return (struct x86_operand){ .place = PLACE_CONST };
    if (e->pin_of[g] != X86_NO_REG)
        return (struct x86_operand){ .place = PLACE_REG, .reg = e->pin_of[g] };
    return x86_operand_at(x86_state_of(e, g));
}

/* The first of a group: cold code is the one of groups of IR. */
static void note_group(struct tcg_engine *e, const struct quick_insn *i, const struct x86_quick_group *g, const struct x86_quick_cold *quick)
{
    bool load = i->form == QUICK_LOAD;
    struct x86_cold *cold = x86_cold_add(e, load ? COLD_LOAD : COLD_STORE);

    x86_recheck_add(e, cold, &(struct x86_recheck){
        .base = operand(e, i->a), .low = g->low, .high = g->high, .write = g->write, .slot = X86_NO_SLOT });
    *cold = (struct x86_cold){
        .kind = cold->kind, .recheck_count = cold->recheck_count, .recheck = cold->recheck, .address = X86_NO_REG, .mem = i->code, .disp = i->imm,
        .table = g->write ? e->layout->l1_write : e->layout->l1_read, .where = i->pc, .exit = g->exit, .low = g->low, .high = g->high,
        .rest = { .put = load && i->rd != QUICK_ZERO ? i->rd : IR_NONE, .note = IR_NONE }, .next = i->pc + i->length, .from = quick->from, .check = quick->check,
        .back = quick->back, .result = load ? (u8)destination(e, i->rd) : X86_NO_REG,
    };
    if (!load)
        cold->value = operand(e, i->b);
}

static u8 *access_memory(struct tcg_engine *e, u8 *p, const struct quick_insn *list, u32 at)
{
    const struct quick_insn *i = &list[at];
    const struct x86_quick_group *g = i->group == NO_GROUP ? NULL : &e->quick_group[i->group - 1];
    struct x86_quick_cold *cold = &e->quick_cold[e->quick_cold_count];
    unsigned base;

    if (g && at != g->first) {
        p = move_data(e, p, i, i->imm - g->low);
    } else if (g) {
        p = source(e, p, i->a, RCX, &base);
        p = check(e, p, base, g->low, (unsigned)(g->high - g->low), g->write, cold);
        p = move_data(e, p, i, i->imm - g->low);
        cold->back = p;
        note_group(e, i, g, cold);
    } else {
        p = source(e, p, i->a, RCX, &base);
        p = check(e, p, base, i->imm, ir_mem_bytes(i->code), i->form == QUICK_STORE, cold);
        p = move_data(e, p, i, 0);
        cold->back = p;
        cold->insn = (u16)at;
        e->quick_cold_count++;
    }
    return i->form == QUICK_LOAD ? set(e, p, i->rd, destination(e, i->rd)) : p;
}

/* The access's way out of line: the L2, or C. */
static u8 *cold_access(struct tcg_engine *e, u8 *p, const struct quick_insn *i, const struct x86_quick_cold *cold)
{
    bool load = i->form == QUICK_LOAD;
    const struct x86_stubs *stubs = &e->stubs;

    x86_fix(cold->from, p);
    if (likely(e->layout->refill)) {
        p = q_jump(p, 0xe8, x86_at(e, load ? stubs->refill_read : stubs->refill_write));
        p = q_jcc(p, CC_E, cold->check);
    } else { /* rcx is the address exclusive or its tag */
        e->code.p = p;
        x86_alu_rm(&e->code, X86_XOR, true, RCX, x86_l1_tag(load ? e->layout->l1_read : e->layout->l1_write));
        p = e->code.p;
    }
    if (!load) {
        e->code.p = p;
        x86_push_operand(e, operand(e, i->b));
        p = e->code.p;
    }
    *p++ = 0xb8; /* mov eax, imm32 */
    p = x86_put32(p, (u32)i->pc << 16 | i->code);
    p = q_jump(p, 0xe8, x86_at(e, load ? stubs->load : stubs->store));
    if (load && destination(e, i->rd) != RAX)
        p = q_mov(p, destination(e, i->rd), RAX);
    return q_jump(p, 0xe9, cold->back);
}

/* --- ends --- */

static u16 return_register(const struct ir_exit *exit, const struct quick_insn *i)
{
    return exit->hint == IR_HINT_CALL && i->rd != QUICK_ZERO ? i->rd : IR_NONE;
}

static bool is_backward(const struct quick_insn *i, const struct ir_exit *exit)
{
    return exit->pc <= i->pc;
}

/* Cold code leaves by exit's link where the field leads. */
static void note_link(struct tcg_engine *e, u32 exit, x86_fixup field)
{
    e->quick_link[e->quick_link_count++] = (struct x86_quick_link){ .field = field, .exit = (u16)exit };
}

/* `bytes` bytes from p on move on by n. */
static u8 *make_room(u8 *p, unsigned bytes, unsigned n)
{
    if (!n)
        return p + bytes;
    memmove(p + n, p, bytes);
    memset(p, X86_CS, n);
    return p + bytes + n;
}

static void jump(struct tcg_engine *e, u8 *p, u32 number, u16 reg, bool backward)
{
    if (backward || reg != IR_NONE || !x86_in_page(e->block->exit[number].pc)) {
        e->code.p = p;
        x86_jump(e, number, reg, backward);
        return;
    }
    p = make_room(p, 0, x86_padding(p, 1));
    *p++ = 0xe9;
    note_link(e, number, p);
    e->code.p = p + 4;
}

static struct x86_compare comparison(struct tcg_engine *e, const struct quick_insn *i)
{
    struct x86_compare c = { .a = operand(e, i->a), .b = operand(e, i->b), .size = 3, .cond = i->code };

    if (c.a.place == PLACE_CONST || (x86_is_mem(c.a) && x86_is_mem(c.b))) {
        x86_load(e, true, RAX, c.a);
        c.a = (struct x86_operand){ .place = PLACE_REG, .reg = RAX };
    }
    return c;
}

static void branch(struct tcg_engine *e, u8 *p, const struct quick_insn *i)
{
    const struct ir_exit *exit = &e->block->exit[i->exit];

    e->code.p = p;
    if (is_backward(i, exit) || !x86_in_page(exit->pc)) {
        struct x86_compare c = comparison(e, i);

        x86_branch(e, &c, i->exit, is_backward(i, exit));
        p = e->code.p;
    } else {
        unsigned size;

        p = compare(e, p, i, false);
        size = (unsigned)(p - e->code.p);
        p = make_room(e->code.p, size, x86_padding(p, 2));
        p = q_jcc(p, x86_cc_of((enum ir_cond)i->code), NULL);
        note_link(e, i->exit, p - 4);
    }
    jump(e, p, i->exit + 1u, IR_NONE, false);
}

static void jump_to(struct tcg_engine *e, u8 *p, const struct quick_insn *i)
{
    const struct ir_exit *exit = &e->block->exit[i->exit];
    unsigned a;

    p = source(e, p, i->a, RAX, &a);
    p = q_lea(p, true, RAX, a, i->imm);
    e->code.p = i->rd == QUICK_ZERO ? p : set_pc(e, p, i->rd, exit->return_pc, RCX);
    x86_jump_to_rax(e, exit, return_register(exit, i), true);
}

static void jump_and_link(struct tcg_engine *e, u8 *p, const struct quick_insn *i)
{
    const struct ir_exit *exit = &e->block->exit[i->exit];

    if (i->rd != QUICK_ZERO)
        p = set_pc(e, p, i->rd, exit->return_pc, RCX);
    jump(e, p, i->exit, return_register(exit, i), is_backward(i, exit));
}

static void emit_end(struct tcg_engine *e, u8 *p, const struct quick_insn *i)
{
    switch (i->form) {
    case QUICK_BRANCH:
        branch(e, p, i);
        break;
    case QUICK_JUMP:
        jump_and_link(e, p, i);
        break;
    case QUICK_JUMP_TO:
        jump_to(e, p, i);
        break;
    default:
        jump(e, p, i->exit, IR_NONE, is_backward(i, &e->block->exit[i->exit]));
    }
}

static u8 *emit_insn(struct tcg_engine *e, u8 *p, const struct quick_insn *list, u32 at)
{
    const struct quick_insn *i = &list[at];

    switch (i->form) {
    case QUICK_CONST:
        return set_const(e, p, i);
    case QUICK_PC_ADD:
        return set_pc(e, p, i->rd, i->imm, RAX);
    case QUICK_BINARY:
        return binary(e, p, i);
    case QUICK_BINARY_IMM:
        return binary_imm(e, p, i);
    case QUICK_LOAD:
    case QUICK_STORE:
        return access_memory(e, p, list, at);
    case QUICK_FENCE:
        e->code.p = p;
        x86_fence(e, i->code);
        return e->code.p;
    default:
        return setcc(e, p, i);
    }
}

static void emit_list(struct tcg_engine *e, const struct quick_insn *list, u32 count)
{
    u8 *p = e->code.p;

    for (u32 i = 0; i + 1 < count; i++)
        p = emit_insn(e, p, list, i);
    emit_end(e, p, &list[count - 1]);
    x86_cold_begin(e, (count + 1) * INSN_ROOM);
    const u8 *from = e->code.p;
    p = e->code.p;
    for (u32 i = 0; i < e->quick_cold_count; i++)
        p = cold_access(e, p, &list[e->quick_cold[i].insn], &e->quick_cold[i]);
    e->code.p = p;
    for (u32 i = 0; i < e->quick_link_count; i++)
        x86_link_stub(e, e->quick_link[i].exit, e->quick_link[i].field);
    x86_cold_emit(e, 0, e->cold_count);
    x86_note_apart(e, from);
}

void x86_quick_init(struct tcg_engine *e)
{
    for (unsigned write = 0; write < 2; write++) {
        struct x86_quick_check *t = &e->quick_check[write];
        u8 code[2 * sizeof(t->code)];
        x86_fixup from;

        e->code = (struct x86_code){ .p = code, .start = code, .limit = code + sizeof(t->code) };
        from = x86_check(e, write ? e->layout->l1_write : e->layout->l1_read, 1);
        t->size = (u8)(e->code.p - code);
        t->from = (u8)(from - code);
        t->limit = (u8)(t->from - 6); /* of the comparison before the jump */
        memcpy(t->code, code, sizeof(t->code));
    }
}

u32 x86_quick_emit(struct tcg_engine *e, const struct ir_block *block, const struct quick_insn *insn, u32 count, struct tcg_code *out, u32 at, u32 limit)
{
    e->loop.on = e->uses_fp = false;
    if ((u64)at + (count + 1) * INSN_ROOM > limit || !x86_emit_begin(e, block, out, at, limit))
        return 0;
    e->cold_count = e->recheck_count = e->quick_cold_count = e->quick_link_count = 0;
    e->nan32 = e->nan64 = 0;
    x86_emit_entries(e);
    emit_list(e, insn, count);
    return x86_emit_end(e);
}
