/*
 * tests/ir/loops.c - blocks that lead back to their own start (ir_block.loop): many turns in one run of a back end end in the same
 * state as one turn after the other by the interpreter, which does not know labels: it is given what lies between two branches. What a
 * loop leaves to other code, the interpreter does.
 */
#include "tests/ir/run.h"
#include "tcg/builder.h"
#include <string.h>

enum { START = 0x100, MAX_INSNS = 24, COUNTER = 5, INNER = 10, MAX_INNER = 2, MAX_STEPS = 2000000, COMPARE_INSNS = 5, LANDINGS = 1 << 18, LANDING = 512 };
enum kind { LOAD, STORE, STEP, ALU, CARRY, COMPUTED, WIDE, SIDE, FLOAD, FSTORE, FLOP, CONSTANT, HELPER, FENCE, COMPARE, SKIP, JUMP, BACK, KINDS = BACK };

struct insn {
    u8 kind, op, to, a, b;
    u8 over; /* SKIP, JUMP: so many instructions; BACK: to the one so many before */
    u16 mem;
    s32 imm;
};

struct loop {
    struct insn insn[MAX_INSNS];
    u32 count;
    bool jumps_back; /* ends in a jump to the start, with a way out before it; else in a branch */
    bool tracks;
};

static const u8 bases[] = { 0, 1, 2, 3, 12, 13 };
static const u8 data[] = { 4, 6, 7, 8, 9, 14, 15 };
static const s16 steps[] = { 8, 4, 1, 2, 16, -8, -1, 24, -40, 768, 1000, -1000, 2000, 0 };
static const u8 alu[] = { IR_ADD, IR_SUB, IR_AND, IR_XOR, IR_OR, IR_MUL, IR_SHL, IR_SAR, IR_ROR };
static const u8 wide[] = { IR_MULHU, IR_DIVU, IR_REMS, IR_MULHS };

static const u64 floats[] = { 0, UINT64_C(1) << 63, UINT64_C(0x3ff0000000000000), UINT64_C(0x3ff0000000000001), UINT64_C(0x7ff0000000000000), UINT64_C(0xfff0000000000000),
                              UINT64_C(0x7ff8000000000000), UINT64_C(0x7ff0000000000001), UINT64_C(0xfff4000000000000), UINT64_C(0x7fefffffffffffff), 1 };

#define PICK(r, of) (of)[random_next(r) % ARRAY_SIZE(of)]

static struct insn random_insn(u64 *r)
{
    struct insn i = {
        .kind = random_next(r) % 10 < 7 ? random_next(r) % SIDE : random_next(r) % KINDS,
        .to = PICK(r, data), .a = PICK(r, data), .b = PICK(r, data), .imm = (s32)(random_next(r) % 9) * 8 - 32,
        .mem = (u16)(random_next(r) % 4 | (random_next(r) & 1 ? IR_MEM_SIGNED : 0)),
    };

    switch (i.kind) {
    case STEP:
        i.to = i.a = PICK(r, bases);
        i.imm = PICK(r, steps);
        break;
    case ALU:
        i.op = PICK(r, alu);
        break;
    case CARRY:
        i.op = PICK(r, data);
        break;
    case WIDE:
        i.op = PICK(r, wide);
        break;
    case LOAD:
    case STORE:
    case FLOAD:
    case FSTORE:
        i.a = PICK(r, bases);
        if (random_next(r) % 16 == 0)
            i.imm += 700;
        break;
    case COMPUTED:
        i.b = PICK(r, bases);
        break;
    default:
        break;
    }
    if (random_next(r) % 10 == 0)
        i.kind = random_next(r) % 4 ? SKIP : JUMP;
    i.over = random_next(r) % 5;
    if (i.kind == FLOAD || i.kind == FSTORE || i.kind == FLOP) {
        i.to = random_next(r) % MACHINE_FLOATS;
        i.op = random_next(r) % MACHINE_FLOATS;
        i.mem = IR_MEM_64;
    }
    if (i.kind == COMPARE) {
        i.op = random_next(r) % MACHINE_FLOATS;
        i.b = random_next(r) % MACHINE_FLOATS;
    }
    return i;
}

/* Many accesses off one base, which some ways through the loop move and others do not. */
static void focus(struct loop *l, u64 *r)
{
    u8 hot = PICK(r, bases);

    for (u32 i = 0; i < l->count; i++) {
        struct insn *insn = &l->insn[i];

        if (insn->kind == LOAD || insn->kind == STORE || insn->kind == FLOAD || insn->kind == FSTORE)
            insn->a = hot;
        if (i == 0 || l->insn[i - 1].kind != SKIP || random_next(r) & 1)
            continue;
        *insn = (struct insn){ .kind = STEP, .to = hot, .a = random_next(r) % 8 ? hot : PICK(r, bases), .imm = PICK(r, steps) };
        l->insn[i - 1].over = 1;
    }
}

/* What a loop inside from `first` on, `count` instructions, does to memory in each turn: by registers that move in each, or on some ways. */
static void walk(struct loop *l, u64 *r, u32 first, u32 count)
{
    static const s16 inner_steps[] = { 8, 8, 4, 1, -8, -4, -1, 24, -40, 64, 200, 400, 0 };
    static const u8 kinds[] = { LOAD, STORE, FLOAD, FSTORE };
    u8 hot = PICK(r, bases);

    for (u32 i = first; i < first + count; i++) {
        struct insn *insn = &l->insn[i];

        if (insn->kind == BACK || (i > first && random_next(r) % 4 == 0))
            continue;
        if (i > first && (i == first + count - 1 || random_next(r) % 4 == 0)) {
            *insn = (struct insn){ .kind = STEP, .to = hot, .a = hot, .imm = PICK(r, inner_steps) };
        } else {
            *insn = random_insn(r);
            insn->kind = PICK(r, kinds);
            insn->a = random_next(r) % 3 ? hot : PICK(r, bases);
            insn->to = insn->kind == FLOAD || insn->kind == FSTORE ? random_next(r) % MACHINE_FLOATS : PICK(r, data);
            insn->mem = insn->kind == FLOAD || insn->kind == FSTORE ? IR_MEM_64 : insn->mem & (IR_MEM_SIZE | IR_MEM_SIGNED);
        }
    }
}

/* Loops inside, side by side, one in the other, or half of it, of up to eight turns each or, rarely, 32, which their own registers count. */
static void nest(struct loop *l, u64 *r)
{
    for (u32 n = 0; n < MAX_INNER; n++) {
        u32 at = random_next(r) % l->count;

        if (l->insn[at].kind == BACK)
            continue;
        l->insn[at] = (struct insn){ .kind = BACK, .a = (u8)(INNER + n), .imm = 1 << random_next(r) % 4, .over = (u8)(random_next(r) % (at + 1)) };
        if (random_next(r) & 1)
            l->insn[at].over = MIN(l->insn[at].over, 4);
        if (random_next(r) & 1)
            walk(l, r, at - l->insn[at].over, l->insn[at].over);
        if (random_next(r) % 4 == 0)
            l->insn[at].imm = 32;
    }
}

/* A comparison without flags, ways out by its result, and something else in the register of the flags at last: they need not be read in each turn. */
static void compare(struct loop *l, u64 *r)
{
    u32 at = random_next(r) % (l->count - COMPARE_INSNS + 1);
    struct insn *i = &l->insn[at];
    u8 flags = PICK(r, data), result = PICK(r, data);

    i[0] = (struct insn){ .kind = COMPARE, .to = flags, .a = result, .op = random_next(r) % MACHINE_FLOATS, .b = random_next(r) % MACHINE_FLOATS,
                          .mem = random_next(r) % 4 };
    for (u32 k = 1; k < COMPARE_INSNS - 1; k++) {
        switch (random_next(r) % 4) {
        case 0:
            i[k] = (struct insn){ .kind = FLOP, .to = random_next(r) % MACHINE_FLOATS, .op = random_next(r) % MACHINE_FLOATS, .imm = random_next(r) & 8 };
            break;
        case 1:
            break;
        default:
            i[k] = (struct insn){ .kind = SIDE, .a = random_next(r) % 4 ? result : PICK(r, data), .imm = random_next(r) & 1, .mem = random_next(r) % 4 };
        }
    }
    i[COMPARE_INSNS - 1] = (struct insn){ .kind = ALU, .op = IR_ADD, .to = flags, .a = PICK(r, bases), .b = PICK(r, bases) };
}

static void random_loop(struct loop *l, u64 seed)
{
    u64 r = seed;

    l->count = 1 + random_next(&r) % MAX_INSNS;
    l->jumps_back = random_next(&r) & 1;
    l->tracks = random_next(&r) % 4;
    for (u32 i = 0; i < l->count; i++)
        l->insn[i] = random_insn(&r);
    if (random_next(&r) & 1)
        focus(l, &r);
    if (random_next(&r) & 1)
        nest(l, &r);
    if (random_next(&r) % 4 == 0 && l->count >= COMPARE_INSNS)
        compare(l, &r);
}

static ir_value x(struct ir_block *b, unsigned reg)
{
    return ir_get(b, IR_I64, reg);
}

static unsigned d(unsigned n)
{
    return MACHINE_REGS - MACHINE_FLOATS + n;
}

static ir_value relation(struct ir_block *b, const struct insn *i)
{
    u32 how = IR_FP_DYNAMIC | IR_FP_LESS | (i->mem & 1 ? 0 : IR_FP_EQUAL);

    return ir_fp(b, IR_FCMP, IR_F64, how, ir_get(b, IR_F64, d(i->op)), ir_get(b, IR_F64, d(i->b)), IR_NONE);
}

/* Backward, forward, or in the next page. */
static s32 outside(const struct insn *i)
{
    return (i->mem & 1 ? 0x40 : 0x800) + (i->mem & 2 ? TCG_PAGE_SIZE : 0);
}

/* A sum or difference, the overflow of it, and both added up: with several of them numbers of several words. */
static void carry(struct ir_block *b, const struct insn *i)
{
    bool less = i->mem & 1;
    ir_value left = x(b, i->a), right = x(b, i->b), sum = ir_binary(b, less ? IR_SUB : IR_ADD, left, right), flag;

    ir_put(b, IR_I64, i->to, sum);
    if (i->imm & 16)
        ir_put(b, IR_I64, i->b, ir_const(b, IR_I64, 0));
    flag = ir_setcc(b, i->mem & 2 ? IR_GEU : IR_LTU, less ? left : sum, right);
    ir_put(b, IR_I64, i->op, flag);
    ir_put(b, IR_I64, i->op, ir_binary(b, i->imm & 8 ? IR_ADD : IR_SUB, x(b, i->a), x(b, i->op)));
}

static void build_insn(struct ir_block *b, const struct insn *i)
{
    ir_value v;

    switch (i->kind) {
    case LOAD:
        ir_put(b, IR_I64, i->to, ir_load(b, IR_I64, i->mem, x(b, i->a), i->imm));
        break;
    case STORE:
        ir_store(b, i->mem & ~(u32)IR_MEM_SIGNED, x(b, i->a), i->imm, x(b, i->to));
        break;
    case STEP:
        ir_put(b, IR_I64, i->to, ir_binary_imm(b, IR_ADD, x(b, i->a), i->imm));
        break;
    case COMPUTED:
        v = ir_binary(b, IR_ADD, x(b, i->b), ir_binary_imm(b, IR_AND, x(b, i->a), 0x7f8));
        ir_put(b, IR_I64, i->to, ir_load(b, IR_I64, i->mem, v, i->imm));
        break;
    case SIDE:
        ir_exit_if(b, IR_EQ, ir_binary_imm(b, IR_AND, x(b, i->a), 0xff), ir_const(b, IR_I64, i->imm & 0xff), outside(i));
        break;
    case FLOAD:
        ir_put(b, IR_F64, d(i->to), ir_load(b, IR_F64, i->mem, x(b, i->a), i->imm));
        break;
    case FSTORE:
        ir_store(b, i->mem, x(b, i->a), i->imm, ir_get(b, IR_F64, d(i->to)));
        break;
    case FLOP:
        v = ir_fp(b, i->imm & 8 ? IR_FADD : IR_FMUL, IR_F64, IR_FP_DYNAMIC, ir_get(b, IR_F64, d(i->to)), ir_get(b, IR_F64, d(i->op)), IR_NONE);
        ir_put(b, IR_F64, d(i->to), v);
        break;
    case CONSTANT:
        ir_put(b, IR_I64, 14, ir_const(b, IR_I64, 77));
        break;
    case HELPER:
        ir_put(b, IR_I64, i->to, ir_call(b, machine_helpers[0], x(b, i->a), x(b, i->b), IR_NONE, IR_NONE));
        break;
    case CARRY:
        carry(b, i);
        break;
    case FENCE:
        ir_fence(b, IR_ORDER_ALL);
        break;
    case COMPARE:
        v = ir_fenv_get(b);
        ir_put(b, IR_I64, i->to, v);
        ir_put(b, IR_I64, i->a, relation(b, i));
        ir_fenv_set(b, v);
        break;
    default:
        ir_put(b, IR_I64, i->to, ir_binary(b, (enum ir_opcode)i->op, x(b, i->a), x(b, i->b)));
    }
}

static s32 pc_of(u32 insn)
{
    return (s32)(START + 4 * insn);
}

static void build_skip(struct ir_block *b, const struct insn *i, s32 target, bool labels)
{
    u32 exit = b->exit_count;
    ir_value left;

    if (i->kind == BACK) {
        left = ir_binary_imm(b, IR_ADD, x(b, i->a), -1);
        ir_put(b, IR_I64, i->a, left);
        ir_exit_if(b, IR_NE, ir_binary_imm(b, IR_AND, left, i->imm - 1), ir_const(b, IR_I64, 0), target);
        labels &= target != START;
    } else if (i->kind == SKIP)
        ir_exit_if(b, IR_LTU, ir_binary_imm(b, IR_AND, x(b, i->a), 0x7), ir_const(b, IR_I64, 1 + (i->imm >> 3 & 3) * 2), target);
    else
        ir_exit(b, target, IR_HINT_NONE, 0);
    if (labels && b->exit_count > exit)
        b->exit[exit].kind = IR_EXIT_LOCAL;
}

static bool is_head(const struct loop *l, u32 at)
{
    for (u32 i = 0; i < l->count; i++)
        if (l->insn[i].kind == BACK && i - l->insn[i].over == at)
            return true;
    return false;
}

static u32 target_of(const struct loop *l, u32 at)
{
    const struct insn *i = &l->insn[at];

    return i->kind == BACK ? at - i->over : MIN(at + 1 + i->over, l->count);
}

static bool needs_label(const struct ir_block *b, u32 first, s32 pc)
{
    return b->count && (b->op[b->count - 1].code == IR_EXIT || ir_next_label(b, pc - 1) == pc) && pc > pc_of(first);
}

/* From instruction `first` to the end; without labels, to the first jump. */
static void build(struct ir_block *b, const struct loop *l, u32 first, bool labels)
{
    s32 end = pc_of(l->count);
    ir_value left;

    ir_block_reset(b, (u32)pc_of(first));
    if (l->tracks)
        ir_block_track(b, MACHINE_REGS);
    b->single_memory = true;
    for (u32 i = first; i < l->count; i++) {
        const struct insn *insn = &l->insn[i];

        if (labels && (needs_label(b, first, pc_of(i)) || (i > first && is_head(l, i))))
            ir_label(b, pc_of(i));
        ir_insn(b, pc_of(i), 4);
        if (insn->kind < SKIP)
            build_insn(b, insn);
        else
            build_skip(b, insn, pc_of(target_of(l, i)), labels);
        if (insn->kind == JUMP && !labels)
            return;
    }
    if (labels && needs_label(b, first, end))
        ir_label(b, end);
    ir_insn(b, end, 4);
    left = ir_binary_imm(b, IR_ADD, x(b, COUNTER), -1);
    ir_put(b, IR_I64, COUNTER, left);
    if (l->jumps_back) {
        ir_exit_if(b, IR_EQ, left, ir_const(b, IR_I64, 0), end + 8);
        ir_insn(b, end + 4, 4);
        ir_exit(b, START, IR_HINT_NONE, 0);
    } else {
        ir_exit_if(b, IR_NE, left, ir_const(b, IR_I64, 0), START);
        ir_exit(b, end + 8, IR_HINT_NONE, 0);
    }
}

static void reset(struct machine *m, u64 seed, bool nested, u64 jump_miss)
{
    u64 r = seed * 3;

    machine_reset(m, seed);
    machine_flush(m, jump_miss);
    for (u32 i = 0; i < ARRAY_SIZE(bases); i++) /* mostly where there is memory */
        m->state.a[bases[i]] = MACHINE_RAM + random_next(&r) % ((random_next(&r) % 4 ? 5 : MACHINE_PAGES) * TCG_PAGE_SIZE);
    for (u32 i = 0; i < ARRAY_SIZE(bases); i++)
        if (random_next(&r) % 8)
            m->state.a[bases[i]] &= ~UINT64_C(7);
    for (u32 i = 0; nested && i < ARRAY_SIZE(bases); i++) /* loops inside do not move them far */
        if (random_next(&r) & 1)
            m->state.a[bases[i]] = (m->state.a[bases[i]] & ~(u64)(TCG_PAGE_SIZE - 1)) + (random_next(&r) & 1 ? 0x40 : TCG_PAGE_SIZE - 0x80) + random_next(&r) % 8 * 8;
    for (u32 i = 0; i < MACHINE_FLOATS; i++)
        if (random_next(&r) % 4 == 0)
            m->state.d[i] = PICK(&r, floats);
    m->state.a[COUNTER] = 1 + random_next(&r) % (nested ? 150 : 1200);
}

static u32 insn_at(const struct machine *m, const struct loop *l)
{
    u64 at = m->host.pc - MACHINE_CODE - START;

    return at % 4 == 0 && at / 4 <= l->count ? (u32)(at / 4) : UINT32_MAX;
}

/* One turn after the other, from the state's pc; NULL loop: all of them. True: it came to an end. */
static bool turn(struct runner *plain, struct machine *m, const struct loop *l, struct ir_block *b)
{
    u32 at = insn_at(m, l);
    u64 traps = m->traps;
    struct tcg_link *link = NULL;

    if (at == UINT32_MAX)
        return true;
    build(b, l, at, false);
    if (!runner_load(plain, b))
        return true;
    plain->backend->run(plain->engine, &m->state, &plain->code, MACHINE_CODE + (u64)pc_of(at), &link);
    return m->traps != traps;
}

/* What a way out of the loop is linked to once it was taken: code that leaves again at the same place. */
struct landing {
    struct tcg_code code;
    struct tcg_link link;
};

struct bench {
    struct sides sides;
    struct landing landing[IR_MAX_EXITS]; /* by link of the loop */
    struct tcg_link *relinked; /* one that was taken although it was set */
    u64 loops, turned; /* loops that were made; of which some run turned more than once */
    u64 nests;         /* loops with loops inside */
    u64 turns;
    u64 silent;        /* loops that compare without reading the flags */
};

static bool is_silent(const struct ir_block *b)
{
    for (u32 i = 0; i < b->count; i++)
        if (b->op[i].code == IR_FCMP && b->op[i].aux & IR_FP_SILENT)
            return true;
    return false;
}

static void run_expected(struct bench *t, const struct loop *l)
{
    t->sides.expected->host.pc = MACHINE_CODE + START;
    for (u32 n = 0; n < MAX_STEPS && !turn(t->sides.plain, t->sides.expected, l, t->sides.b); n++)
        continue;
}

/* False: no room. */
static bool land(struct bench *t, struct tcg_link *link)
{
    const struct tcg_backend *b = t->sides.tested->backend;
    struct tcg_engine *engine = t->sides.tested->engine;
    u32 k = (u32)(link - t->sides.tested->link);
    struct landing *landing = &t->landing[k];

    ir_block_reset(t->sides.b, (u32)link->pc);
    ir_insn(t->sides.b, (u32)link->pc, 4);
    ir_exit(t->sides.b, link->pc, IR_HINT_NONE, 0);
    landing->link = (struct tcg_link){ .from = &landing->code, .pc = link->pc, .single = link->single, .same_page = true };
    landing->code = (struct tcg_code){ .link = &landing->link, .link_count = 1 };
    if (!b->emit(engine, t->sides.b, &landing->code, b->code_first(engine) + LANDINGS + k * LANDING, b->code_limit(engine)))
        return false;
    link->to = &landing->code;
    b->set_link(engine, link, &landing->code);
    return true;
}

/* The loop was left by it, or by what a link of the loop leads to. */
static void look_at_link(struct bench *t, struct tcg_link *link)
{
    if (link < t->sides.tested->link || link >= t->sides.tested->link + IR_MAX_EXITS || !link->same_page)
        return;
    if (link->to || !land(t, link))
        t->relinked = link;
}

static void run_tested(struct bench *t, const struct loop *l)
{
    struct tcg_link *link;
    struct machine *m = t->sides.m;
    bool single = false, turned = false;

    m->host.pc = MACHINE_CODE + START;
    for (u32 n = 0; n < MAX_STEPS; n++) {
        u64 before = m->state.a[COUNTER], traps = m->traps;

        if (single || insn_at(m, l) != 0) {
            if (turn(t->sides.plain, m, l, t->sides.b))
                return;
            single = false;
            continue;
        }
        link = NULL;
        t->sides.tested->backend->run(t->sides.tested->engine, &m->state, &t->sides.tested->code, MACHINE_CODE + START, &link);
        t->turned += !turned && before - m->state.a[COUNTER] > 1;
        turned |= before - m->state.a[COUNTER] > 1;
        t->turns += before - m->state.a[COUNTER];
        single = link && link->single;
        if (link && !m->host.exit_request)
            look_at_link(t, link);
        m->host.exit_request = 0;
        if (m->traps != traps)
            return;
    }
}

static bool check_seed(struct bench *t, u64 seed)
{
    g_autoptr(GError) error = NULL;
    struct loop l;
    bool nested = false;

    random_loop(&l, seed);
    for (u32 i = 0; i < l.count; i++)
        nested |= l.insn[i].kind == BACK;
    build(t->sides.b, &l, 0, true);
    t->sides.b->single_memory = false;
    t->sides.b->loop = true;
    t->sides.b->apart = seed % 4 == 1;
    if (!run_passes(t->sides.b, &error) || !runner_load(t->sides.tested, t->sides.b)) {
        g_print("not ok - loop %" G_GINT64_MODIFIER "u: %s\n", seed, error ? error->message : "does not fit");
        return false;
    }
    if (!t->sides.tested->prepared->loop)
        return true;
    t->loops++;
    t->nests += nested;
    t->silent += is_silent(t->sides.tested->prepared);
    reset(t->sides.expected, seed, nested, t->sides.plain->backend->jump_miss(t->sides.plain->engine));
    run_expected(t, &l);
    reset(t->sides.m, seed, nested, t->sides.tested->backend->jump_miss(t->sides.tested->engine));
    t->sides.m->host.exit_request = seed % 3 == 0;
    run_tested(t, &l);
    if (t->relinked) {
        g_print("not ok - loop %" G_GINT64_MODIFIER "u leaves by its link to %#x although it is set\n", seed, (u32)t->relinked->pc);
        t->relinked = NULL;
        return false;
    }
    if (machine_equal(t->sides.expected, t->sides.m))
        return true;
    g_autofree char *a = machine_describe(t->sides.expected), *b = machine_describe(t->sides.m);
    g_print("not ok - loop %" G_GINT64_MODIFIER "u\nexpected\n%sgot\n%s", seed, a, b);
    return false;
}

/* A call of its own start is recursion: whoever made turns of it would leave the returns without frames. */
static bool check_recursion(struct bench *t)
{
    g_autoptr(GError) error = NULL;

    ir_block_reset(t->sides.b, START);
    ir_insn(t->sides.b, START, 4);
    ir_put(t->sides.b, IR_I64, 1, ir_pc_add(t->sides.b, START + 8));
    ir_exit_if(t->sides.b, IR_EQ, x(t->sides.b, 4), ir_const(t->sides.b, IR_I64, 0), START + 8);
    ir_insn(t->sides.b, START + 4, 4);
    ir_exit(t->sides.b, START, IR_HINT_CALL, START + 8);
    t->sides.b->loop = true;
    if (run_passes(t->sides.b, &error) && runner_load(t->sides.tested, t->sides.b) && !t->sides.tested->prepared->loop)
        return true;
    g_print("not ok - recursion became a loop\n");
    return false;
}

unsigned test_loops(const struct test_options *options)
{
    struct bench t = { .loops = 0 };
    unsigned failures = 0;

    if (!sides_open(&t.sides, options->backend))
        return 1;
    for (u64 n = 0; n < options->count && failures < 5; n++)
        failures += !check_seed(&t, options->seed + n);
    if (t.sides.host)
        failures += !check_recursion(&t);
    if (t.sides.host && options->count >= 100 && !failures && (t.loops * 2 < options->count || t.turned * 10 < options->count || t.nests * 4 < options->count)) {
        g_print("not ok - only %" G_GINT64_MODIFIER "u of the blocks became loops, %" G_GINT64_MODIFIER "u with others inside, of which %" G_GINT64_MODIFIER "u turned\n", t.loops, t.nests, t.turned);
        failures++;
    }
    g_print("%s - loops: %" G_GINT64_MODIFIER "u of %" G_GINT64_MODIFIER "u in one piece, %" G_GINT64_MODIFIER "u of them nests, %" G_GINT64_MODIFIER "u compare silently; %" G_GINT64_MODIFIER "u turned, %" G_GINT64_MODIFIER "u times\n",
            failures ? "not ok" : "ok", t.loops, options->count, t.nests, t.silent, t.turned, t.turns);
    sides_close(&t.sides);
    return failures;
}
