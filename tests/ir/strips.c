/*
 * tests/ir/strips.c - strip-mined loops of vectors (tcg/x86_64/loop_strips.c), left at their end or where a comparison holds for a lane: a back end that does
 * several turns at a time ends in the same state as the interpreter, one turn after the other. A turn of less than the full length ends the run.
 */
#include "tests/ir/run.h"
#include "tcg/builder.h"
#include <string.h>

enum { START = 0x100, FOUND = 0x800, END = 0x900, GROUPS = 5, FIRST_GROUP = 128, GROUP = 128, MAX_RUNS = 100000, STATES = 4, RARE = 0x7f };
enum { TO = 0, FROM = 1, LENGTH = 4, SCALAR = 7, FULL = 13, LANE = 6 }; /* registers */

static const enum ir_vector_kind integer[] = { IR_VECTOR_ADD, IR_VECTOR_SUB, IR_VECTOR_AND, IR_VECTOR_XOR, IR_VECTOR_OR, IR_VECTOR_MV, IR_VECTOR_MV };
static const enum ir_vector_kind floating[] = { IR_VECTOR_FADD, IR_VECTOR_FSUB, IR_VECTOR_FMUL, IR_VECTOR_FMACC, IR_VECTOR_FNMSAC, IR_VECTOR_FMADD };
static const enum ir_vector_kind relations[] = { IR_VECTOR_SGTU, IR_VECTOR_SGTU, IR_VECTOR_SGTU, IR_VECTOR_SGT, IR_VECTOR_SGT, IR_VECTOR_SGT, IR_VECTOR_SEQ };
static const enum ir_vector_kind pairs[] = { IR_VECTOR_SNE, IR_VECTOR_SLTU, IR_VECTOR_SEQ, IR_VECTOR_SLE };
static const u8 others[] = { 8, 9, 12, 14 }; /* registers that get constants */

#define PICK(r, of) (of)[random_next(r) % ARRAY_SIZE(of)]

struct strip {
    struct ir_block *b;
    u64 r;
    u32 bytes_log2, bytes, lane_log2; /* of a group; of an element */
    u32 insns;
    bool floats, searches;
    ir_value first; /* the lane that was found */
};

static ir_value x(struct ir_block *b, unsigned reg)
{
    return ir_get(b, IR_I64, reg);
}

static void begin_insn(struct strip *s)
{
    ir_insn(s->b, (s32)(START + 4 * s->insns++), 4);
}

static u16 group(struct strip *s)
{
    return (u16)(FIRST_GROUP + GROUP * (random_next(&s->r) % GROUPS));
}

static void transfer(struct strip *s, bool is_load, unsigned reg, unsigned at)
{
    s64 what = s->bytes | (s64)at << 16 | (s64)is_load << 32;

    begin_insn(s);
    (is_load ? ir_vector_load : ir_vector_store)(s->b, &machine_transfer, s->bytes_log2, at, x(s->b, reg), ir_const(s->b, IR_I64, what));
}

static void compute(struct strip *s)
{
    bool is_fp = s->floats && random_next(&s->r) % 2;
    enum ir_vector_kind kind = is_fp ? PICK(&s->r, floating) : PICK(&s->r, integer);
    enum ir_type type = is_fp ? s->lane_log2 == 2 ? IR_F32 : IR_F64 : (enum ir_type)(IR_I8 + s->lane_log2);
    struct ir_vector_place place = { .d = group(s), .s2 = group(s), .s1 = group(s), .bytes = (u16)s->bytes };
    bool scalar = !is_fp && random_next(&s->r) % 4 == 0;
    unsigned from = random_next(&s->r) % 4 ? SCALAR : PICK(&s->r, others);

    if (!s->searches && place.d == FIRST_GROUP && random_next(&s->r) % 4)
        place.d += GROUP;
    begin_insn(s);
    if (is_fp && random_next(&s->r) % 4 == 0) /* the bytes are other lanes, too */
        type = type == IR_F32 ? IR_F64 : IR_F32;
    ir_vector(s->b, type, kind | (scalar ? IR_VECTOR_SCALAR : 0), &place, scalar ? x(s->b, from) : IR_NONE);
}

static void set(struct strip *s)
{
    bool lane = s->searches && random_next(&s->r) % 4 == 0;

    begin_insn(s);
    ir_put(s->b, IR_I64, PICK(&s->r, others), lane ? s->first : ir_const(s->b, IR_I64, (s64)(random_next(&s->r) % 3)));
}

static void work(struct strip *s)
{
    for (u64 n = random_next(&s->r) % 4; n; n--) {
        if (random_next(&s->r) % 3)
            compute(s);
        else
            set(s);
    }
}

static void search(struct strip *s)
{
    struct ir_vector_place place = { .d = random_next(&s->r) % 8 ? 0 : group(s), .s2 = random_next(&s->r) % 8 ? FIRST_GROUP : group(s), .s1 = group(s), .bytes = (u16)s->bytes };
    struct ir_vector_place bits = { .s2 = place.d, .bytes = (u16)(s->bytes >> s->lane_log2) };
    bool scalar = random_next(&s->r) % 8;
    enum ir_vector_kind kind = scalar ? PICK(&s->r, relations) : PICK(&s->r, pairs);

    begin_insn(s);
    ir_vector(s->b, (enum ir_type)(IR_I8 + s->lane_log2), kind | (scalar ? IR_VECTOR_SCALAR : 0), &place, scalar ? x(s->b, SCALAR) : IR_NONE);
    begin_insn(s);
    s->first = ir_vector_number(s->b, IR_I64, IR_VECTOR_FIRST, &bits);
    ir_put(s->b, IR_I64, LANE, s->first);
    begin_insn(s);
    ir_exit_if(s->b, IR_GE, s->first, ir_const(s->b, IR_I64, 0), FOUND);
    s->searches = true;
}

/* What vsetvli does where the length is full; less of it is another variant's. */
static void begin_turn(struct strip *s)
{
    u32 exit = s->b->exit_count;
    s64 full = s->bytes >> s->lane_log2;

    begin_insn(s);
    ir_exit_if(s->b, IR_LTU, x(s->b, LENGTH), ir_const(s->b, IR_I64, full), START);
    s->b->exit[exit].single = true;
    ir_put(s->b, IR_I64, FULL, ir_const(s->b, IR_I64, full));
}

static void end_turn(struct strip *s)
{
    ir_value left;

    begin_insn(s);
    ir_put(s->b, IR_I64, TO, ir_binary_imm(s->b, IR_ADD, x(s->b, TO), s->bytes));
    begin_insn(s);
    ir_put(s->b, IR_I64, FROM, ir_binary_imm(s->b, IR_ADD, x(s->b, FROM), s->bytes));
    begin_insn(s);
    left = ir_binary_imm(s->b, IR_ADD, x(s->b, LENGTH), -(s64)(s->bytes >> s->lane_log2));
    ir_put(s->b, IR_I64, LENGTH, left);
    begin_insn(s);
    ir_exit_if(s->b, IR_NE, left, ir_const(s->b, IR_I64, 0), START);
    ir_exit(s->b, END, IR_HINT_NONE, 0);
}

static void build(struct strip *s, struct ir_block *b, u64 seed)
{
    bool looks;

    *s = (struct strip){ .b = b, .r = seed, .first = IR_NONE };
    s->bytes_log2 = 4 + random_next(&s->r) % 4;
    s->bytes = 1u << s->bytes_log2;
    s->lane_log2 = random_next(&s->r) % 2 ? 2 + random_next(&s->r) % 2 : random_next(&s->r) % 4;
    s->floats = s->lane_log2 >= 2 && random_next(&s->r) % 4;
    looks = random_next(&s->r) % 3;
    ir_block_reset(b, START);
    begin_turn(s);
    transfer(s, true, FROM, FIRST_GROUP);
    if (random_next(&s->r) % 2)
        transfer(s, true, TO, FIRST_GROUP + GROUP);
    work(s);
    if (looks)
        search(s);
    work(s);
    if (random_next(&s->r) % 2)
        transfer(s, false, TO, group(s));
    end_turn(s);
}

/* In one of the turns that begin at this address: a large number, or a NaN. */
static void plant(struct machine *m, const struct strip *s, u64 from, u64 *r)
{
    u64 lane = 1u << s->lane_log2, turns = random_next(r) % 8 ? UINT64_C(4) << random_next(r) % 4 : 1, at = from + random_next(r) % (turns * s->bytes) / lane * lane + lane - 1 - MACHINE_RAM;

    if (at < 1 || at >= MACHINE_PAGES * TCG_PAGE_SIZE)
        return;
    m->page[at / TCG_PAGE_SIZE][at % TCG_PAGE_SIZE] = RARE;
    if (lane > 1 && random_next(r) % 4 == 0)
        m->page[(at - 1) / TCG_PAGE_SIZE][(at - 1) % TCG_PAGE_SIZE] = 0xc0;
}

/* Small numbers, but for a few. */
static void fill(struct machine *m, const struct strip *s, u64 *r)
{
    for (u32 i = 0; i < MACHINE_PAGES * TCG_PAGE_SIZE; i++)
        m->memory[i] = (u8)(0x38 + ((i * UINT64_C(0x9e3779b97f4a7c15)) >> 61));
    for (u64 few = random_next(r) % (s->searches ? 3 : 12); few; few--)
        plant(m, s, m->state.a[random_next(r) % 4 ? FROM : TO], r);
}

/* The tables know all pages, so that the first turn is one of the loop's. */
static void look_up_all(struct machine *m)
{
    u8 byte = m->state.v[0];

    for (u64 page = 0; page < PAGE_DEVICE; page++)
        ((u64 (*)(void *, u64, u64))machine_transfer.function)(m, MACHINE_RAM + page * TCG_PAGE_SIZE, 1 | UINT64_C(1) << 32);
    m->state.v[0] = byte;
}

static void reset(struct machine *m, const struct strip *s, u64 seed, u64 jump_miss)
{
    u64 r = seed * 5, full = s->bytes >> s->lane_log2;

    machine_reset(m, seed);
    m->no_fill = random_next(&r) % 16 == 0;
    machine_flush(m, jump_miss);
    if (random_next(&r) % 4)
        m->state.fp_flags = 0;
    m->state.a[TO] = MACHINE_RAM + random_next(&r) % (5 * TCG_PAGE_SIZE);
    m->state.a[FROM] = random_next(&r) % 4 ? MACHINE_RAM + random_next(&r) % (5 * TCG_PAGE_SIZE) : m->state.a[TO] + random_next(&r) % 512 - 256;
    m->state.a[LENGTH] = (1 + random_next(&r) % 100) * full + random_next(&r) % 2 * (random_next(&r) % full);
    m->state.a[SCALAR] = (UINT64_C(0x6f6f6f6f6f6f6f6f) >> (64 - (8u << s->lane_log2))) + (random_next(&r) % 8 == 0);
    m->host.pc = MACHINE_CODE + START;
    if (random_next(&r) % 2)
        look_up_all(m);
    fill(m, s, &r);
}

struct bench {
    struct sides sides;
    u64 loops, searches; /* made; of which so many may be left in the middle */
    u64 runs, turned, found; /* of them; of which one piece did more than 2 turns; left in the middle behind that */
};

/* One run of the block, of as many turns as the back end likes. False: it came to an end. */
static bool run(struct runner *on, struct machine *m, bool *single)
{
    struct tcg_link *link = NULL;
    u64 traps = m->traps;

    on->backend->run(on->engine, &m->state, &on->code, MACHINE_CODE + START, &link);
    *single = link && link->single;
    m->host.exit_request = 0;
    return m->traps == traps && m->host.pc == MACHINE_CODE + START;
}

static void run_expected(struct bench *t)
{
    bool single = false;

    for (u32 n = 0; n < MAX_RUNS && !single && run(t->sides.plain, t->sides.expected, &single); n++)
        continue;
}

/* What the loop leaves to other code, the interpreter does. */
static void run_tested(struct bench *t, const struct strip *s)
{
    bool single = false, turned = false;

    for (u32 n = 0; n < MAX_RUNS; n++) {
        u64 before = t->sides.m->state.a[FROM];
        bool on = run(t->sides.tested, t->sides.m, &single);

        turned |= t->sides.m->state.a[FROM] - before > 2 * s->bytes;
        if (!on || (single && (!run(t->sides.plain, t->sides.m, &single) || single)))
            break;
    }
    t->runs++;
    t->turned += turned;
    t->found += turned && t->sides.m->host.pc == MACHINE_CODE + FOUND;
}

static bool check_state(struct bench *t, const struct strip *s, u64 seed, u64 state)
{
    reset(t->sides.expected, s, state, t->sides.plain->backend->jump_miss(t->sides.plain->engine));
    run_expected(t);
    reset(t->sides.m, s, state, t->sides.tested->backend->jump_miss(t->sides.tested->engine));
    t->sides.m->host.exit_request = state % 3 == 0;
    run_tested(t, s);
    if (machine_equal(t->sides.expected, t->sides.m))
        return true;
    g_autofree char *a = machine_describe(t->sides.expected), *b = machine_describe(t->sides.m);
    g_print("not ok - strips %" G_GINT64_MODIFIER "u, state %" G_GINT64_MODIFIER "u\nexpected\n%sgot\n%s", seed, state, a, b);
    return false;
}

static bool check_seed(struct bench *t, u64 seed)
{
    g_autoptr(GError) error = NULL;
    struct strip s;
    bool good = true;

    build(&s, t->sides.b, seed);
    t->sides.b->loop = false;
    if (!run_passes(t->sides.b, &error) || !runner_load(t->sides.plain, t->sides.b)) {
        g_print("not ok - strips %" G_GINT64_MODIFIER "u: %s\n", seed, error ? error->message : "does not fit");
        return false;
    }
    t->sides.b->loop = true;
    if (!runner_load(t->sides.tested, t->sides.b)) {
        g_print("not ok - strips %" G_GINT64_MODIFIER "u do not fit\n", seed);
        return false;
    }
    if (!t->sides.tested->prepared->loop)
        return true;
    t->loops++;
    t->searches += s.searches;
    for (u64 n = 0; n < STATES && good; n++)
        good = check_state(t, &s, seed, seed * STATES + n);
    return good;
}

unsigned test_strips(const struct test_options *options)
{
    struct bench t = { .loops = 0 };
    unsigned failures = 0;

    if (!sides_open(&t.sides, options->backend))
        return 1;
    for (u64 n = 0; n < options->count && failures < 5; n++)
        failures += !check_seed(&t, options->seed + n);
    if (t.sides.host && options->count >= 100 && !failures && (t.searches * 8 < options->count || t.found * 20 < t.runs)) {
        g_print("not ok - only %" G_GINT64_MODIFIER "u of the searches became loops\n", t.searches);
        failures++;
    }
    g_print("%s - strips: %" G_GINT64_MODIFIER "u of %" G_GINT64_MODIFIER "u are loops, %" G_GINT64_MODIFIER "u of them searches; %" G_GINT64_MODIFIER "u runs, %" G_GINT64_MODIFIER "u of some turns, %" G_GINT64_MODIFIER "u of them left in the middle\n",
            failures ? "not ok" : "ok", t.loops, options->count, t.searches, t.runs, t.turned, t.found);
    sides_close(&t.sides);
    return failures;
}
