/*
 * tests/ir/fp_campaign.c - ir-fp-campaign: floating-point ops of the x86-64 back end against soft-float, bit for bit and flag for flag,
 * for each op, precision and rounding mode, in blocks of many cases with operands in pinned registers and in memory.
 *
 *     ir-fp-campaign [--isa=1..4] [--seed=N] [--count=CASES] [--static=CASES] [OP...]
 *
 * Without --isa each case runs at every level that the host has. CASES is per op, precision and mode; modes are the four dynamic ones and,
 * as static ones, all five. --static says how many for static modes that are dynamic ones, too (as --count). Exit status 1 on a difference.
 */
#include "base/bits.h"
#include "base/softfloat/softfloat.h"
#include "tcg/builder.h"
#include "tcg/fp.h"
#include "tests/ir/machine.h"
#include <string.h>

enum { CASES = 48, OPERANDS = 3, ISAS = 4, L1_BITS = 1, UNIT = 65536, REGS = CASES * (OPERANDS + 2), FIRST_RESULT = CASES * OPERANDS, FIRST_FLAGS = FIRST_RESULT + CASES };

/* Register rows: operands of case k, f64; results, every other one f64 or i64; flags. */
struct campaign_state {
    u64 operand[CASES][OPERANDS], result[CASES], flags[CASES];
    u8 fp_rounding, fp_flags;
};

struct campaign_memory {
    u64 spill[TCG_SPILL_SLOTS], fp_area[8], scratch[4], spill_near[TCG_SPILL_NEAR];
    struct tcg_returns returns;
    void *vcpu;
    u64 pc, pc_page;
    s64 icount;
    u32 exit_request, fp_live;
    struct campaign_state state;
    u8 l1[(16 << L1_BITS) + TCG_L1_SKEW];
    struct tcg_jump_entry jump[2];
};

struct operation {
    const char *name;
    u8 code;
    u16 aux;        /* flags of enum ir_fp */
    u8 integer;     /* of ftoi, itof: enum ir_type */
    bool rounds;    /* the mode matters */
};

static const struct operation operations[] = {
    { "add", IR_FADD, 0, 0, true },
    { "sub", IR_FSUB, 0, 0, true },
    { "mul", IR_FMUL, 0, 0, true },
    { "div", IR_FDIV, 0, 0, true },
    { "sqrt", IR_FSQRT, 0, 0, true },
    { "madd", IR_FMA, 0, 0, true },
    { "msub", IR_FMA, IR_FP_NEGATE_ADDEND, 0, true },
    { "nmsub", IR_FMA, IR_FP_NEGATE_PRODUCT, 0, true },
    { "nmadd", IR_FMA, IR_FP_NEGATE_PRODUCT | IR_FP_NEGATE_ADDEND, 0, true },
    { "min", IR_FMIN, 0, 0, false },
    { "max", IR_FMAX, 0, 0, false },
    { "minm", IR_FMIN, IR_FP_NAN_WINS, 0, false },
    { "maxm", IR_FMAX, IR_FP_NAN_WINS, 0, false },
    { "eq", IR_FCMP, IR_FP_EQUAL | IR_FP_QUIET, 0, false },
    { "lt", IR_FCMP, IR_FP_LESS, 0, false },
    { "le", IR_FCMP, IR_FP_LESS | IR_FP_EQUAL, 0, false },
    { "ltq", IR_FCMP, IR_FP_LESS | IR_FP_QUIET, 0, false },
    { "leq", IR_FCMP, IR_FP_LESS | IR_FP_EQUAL | IR_FP_QUIET, 0, false },
    { "to-w", IR_FTOI, 0, IR_I32, true },
    { "to-wu", IR_FTOI, IR_FP_UNSIGNED, IR_I32, true },
    { "to-l", IR_FTOI, 0, IR_I64, true },
    { "to-lu", IR_FTOI, IR_FP_UNSIGNED, IR_I64, true },
    { "from-w", IR_ITOF, 0, IR_I32, true },
    { "from-wu", IR_ITOF, IR_FP_UNSIGNED, IR_I32, true },
    { "from-l", IR_ITOF, 0, IR_I64, true },
    { "from-lu", IR_ITOF, IR_FP_UNSIGNED, IR_I64, true },
    { "convert", IR_FCVT, 0, 0, true },
    { "round", IR_FROUND, 0, 0, true },
    { "roundx", IR_FROUND, IR_FP_EXACT, 0, true },
    { "neg", IR_FNEG, 0, 0, false },
    { "abs", IR_FABS, 0, 0, false },
    { "copysign", IR_FCOPYSIGN, 0, 0, false },
    { "xorsign", IR_FXORSIGN, 0, 0, false },
};

struct campaign {
    u8 *room; /* what memory lies in */
    struct campaign_memory *memory;
    struct ir_reg reg[REGS];
    struct code_layout layout;
    struct {
        struct tcg_engine *engine;
        struct tcg_code code;
        struct tcg_link link;
    } isa[ISAS + 1]; /* by level; NULL: not asked for */
    struct ir_fp_result want[CASES];
    struct ir_block *block;
    const struct operation *op;
    enum ir_type type;
    unsigned mode;
    bool is_static;
    u64 random, cases, failures;
};

static s32 from_state(size_t offset)
{
    return (s32)offset - (s32)offsetof(struct campaign_memory, state);
}

static void describe_layout(struct campaign *c)
{
    struct code_layout *l = &c->layout;

    for (u32 i = 0; i < REGS; i++)
        c->reg[i] = (struct ir_reg){ "r", i < FIRST_RESULT || (i < FIRST_FLAGS && i % 2) ? IR_F64 : IR_I64, (s32)(8 * i) };
    l->reg = c->reg;
    l->reg_count = REGS;
    for (u16 i = 0; i < 12; i++)
        l->pinned_fp[i] = i < 8 ? i : FIRST_RESULT + (FIRST_RESULT % 2 ? 0 : 1) + 2 * (i - 8);
    l->pinned_fp_count = 12;
    l->vcpu = from_state(offsetof(struct campaign_memory, vcpu));
    l->pc = from_state(offsetof(struct campaign_memory, pc));
    l->pc_page = from_state(offsetof(struct campaign_memory, pc_page));
    l->exit_request = from_state(offsetof(struct campaign_memory, exit_request));
    l->scratch = from_state(offsetof(struct campaign_memory, scratch));
    l->spill_near = from_state(offsetof(struct campaign_memory, spill_near));
    l->spill = from_state(offsetof(struct campaign_memory, spill));
    l->returns = from_state(offsetof(struct campaign_memory, returns));
    l->icount = from_state(offsetof(struct campaign_memory, icount));
    l->fp_live = from_state(offsetof(struct campaign_memory, fp_live));
    l->fp_area = from_state(offsetof(struct campaign_memory, fp_area));
    l->fp_rounding = offsetof(struct campaign_state, fp_rounding);
    l->fp_flags = offsetof(struct campaign_state, fp_flags);
    l->l1_read = l->l1_write = from_state(offsetof(struct campaign_memory, l1));
    l->jump_cache = from_state(offsetof(struct campaign_memory, jump));
    l->l1_bits = l->jump_bits = L1_BITS;
}

/* An exponent: from `base` on, up to `mask` more; `fraction`: which bits of it stay. */
struct exponents {
    u64 base, mask, fraction;
};

struct format {
    unsigned exponent_bits, fraction_bits;
    struct exponents exponents[16];
};

#define FORMAT(bits, digits, top, bias) \
    { bits, digits, { \
        { 0, 0, -1 }, { top, 0, -1 }, { 1, 1, -1 }, { top - 2, 1, -1 }, { 0, 0, 0 }, { bias + 29, 7, -1 }, { bias + 61, 7, -1 }, { bias, 7, 0 }, \
        { bias / 2, 3, -1 }, { 0, top, -1 }, { bias - 2, 7, -1 }, { bias - 2, 7, -1 }, { bias - 2, 7, -1 }, { bias - 2, 7, -1 }, { bias - 2, 7, -1 }, \
        { bias - 2, 7, -1 } } }

static const struct format single_format = FORMAT(8, 23, 0xff, 0x7f), double_format = FORMAT(11, 52, 0x7ff, 0x3ff);

/* Values near one another, near the limits of the format and of integers, and specials. Without branches: they could not be predicted. */
static u64 floating(u64 *seed, const struct format *format)
{
    u64 r = random_next(seed), mask = BIT64(format->fraction_bits) - 1, top = BIT64(format->exponent_bits) - 1;
    const struct exponents *e = &format->exponents[r & 15];
    u64 fraction = random_next(seed) & mask & e->fraction, exponent = e->base + (r >> 8 & e->mask);

    fraction &= (r >> 20 & 3) ? ~UINT64_C(0) : ~(mask >> (r >> 22 & 31)); /* few digits: exact results and ties */
    fraction |= (r >> 27 & 7) ? 0 : mask >> (r >> 30 & 31);
    fraction = (r >> 40 & 15) ? fraction : ((r >> 44 & 3) - 2) & mask; /* next to a power of two, from both sides */
    fraction = exponent == top && (r >> 35 & 3) ? (r >> 37 & 1 ? 0 : fraction) : fraction;
    return (r >> 63) << (format->exponent_bits + format->fraction_bits) | exponent << format->fraction_bits | fraction;
}

static u64 operand_of_type(struct campaign *c, enum ir_type type)
{
    u64 r;

    if (type == IR_F64)
        return floating(&c->random, &double_format);
    if (!ir_type_is_fp(type))
        return random_value(&c->random);
    r = floating(&c->random, &single_format);
    return random_next(&c->random) % 64 ? r | ~UINT64_C(0) << 32 : r | random_next(&c->random) << 32;
}

static enum ir_type operand_type(const struct campaign *c)
{
    if (c->op->code == IR_ITOF)
        return (enum ir_type)c->op->integer;
    if (c->op->code == IR_FCVT)
        return c->type == IR_F32 ? IR_F64 : IR_F32;
    return c->type;
}

static struct ir_op op_of(const struct campaign *c)
{
    enum ir_type type = c->op->code == IR_FTOI ? (enum ir_type)c->op->integer : c->type;
    u32 aux = c->op->aux;

    if (c->op->code < IR_FNEG)
        aux |= c->is_static ? c->mode : IR_FP_DYNAMIC;
    if (c->op->code == IR_FTOI)
        aux |= (u32)c->type << IR_FP_FROM_SHIFT;
    if (c->op->code == IR_ITOF || c->op->code == IR_FCVT)
        aux |= (u32)operand_type(c) << IR_FP_FROM_SHIFT;
    return (struct ir_op){ .code = c->op->code, .type = (u8)type, .aux = (u16)aux };
}

static ir_value get_operand(struct campaign *c, u32 k, u32 i)
{
    enum ir_type type = operand_type(c);
    ir_value v = ir_get(c->block, IR_F64, k * OPERANDS + i);

    if (type == IR_F64)
        return v;
    if (type == IR_F32)
        return ir_unbox(c->block, v);
    v = ir_bits(c->block, v);
    return type == IR_I32 ? ir_trunc(c->block, IR_I32, v) : v;
}

/* As the register has it: f64 in odd rows, i64 in even ones. */
static void put_result(struct campaign *c, u32 k, const struct ir_op *op, ir_value v)
{
    u32 row = FIRST_RESULT + k;
    bool is_double = row % 2;

    if (op->code == IR_FCMP || op->code == IR_FTOI) {
        if (op->type == IR_I32)
            v = ir_zext(c->block, IR_I64, v);
        ir_put(c->block, is_double ? IR_F64 : IR_I64, row, is_double ? ir_from_bits(c->block, v) : v);
        return;
    }
    if (op->type == IR_F32)
        v = ir_box(c->block, v);
    ir_put(c->block, is_double ? IR_F64 : IR_I64, row, is_double ? v : ir_bits(c->block, v));
}

static void build(struct campaign *c)
{
    struct ir_op op = op_of(c);

    ir_block_reset(c->block, 0);
    ir_insn(c->block, 0, 4);
    for (u32 k = 0; k < CASES; k++) {
        ir_value arg[3] = { IR_NONE, IR_NONE, IR_NONE };

        for (u32 i = 0; i < ir_op_operands(&op); i++)
            arg[i] = get_operand(c, k, i);
        ir_fenv_set(c->block, ir_const(c->block, IR_I64, 0));
        put_result(c, k, &op, ir_fp(c->block, (enum ir_opcode)op.code, (enum ir_type)op.type, op.aux, arg[0], arg[1], arg[2]));
        ir_put(c->block, IR_I64, FIRST_FLAGS + k, ir_fenv_get(c->block));
    }
    ir_exit(c->block, 4, IR_HINT_NONE, 0);
}

static u64 expected_operand(const struct campaign *c, u64 bits)
{
    return operand_type(c) == IR_F32 && bits < ~UINT64_C(0) << 32 ? 0x7fc00000 : bits;
}

static void expect(struct campaign *c, const struct ir_op *op)
{
    const struct campaign_state *s = &c->memory->state;

    for (u32 k = 0; k < CASES; k++) {
        const u64 *in = s->operand[k];

        c->want[k] = ir_fp_compute(ir_fp_word(op), expected_operand(c, in[0]), expected_operand(c, in[1]), expected_operand(c, in[2]), c->mode);
        if (op->code == IR_FTOI && op->type == IR_I32)
            c->want[k].value = (u32)c->want[k].value;
    }
}

static void check(struct campaign *c, unsigned isa)
{
    const struct campaign_state *s = &c->memory->state;

    for (u32 k = 0; k < CASES; k++) {
        const u64 *in = s->operand[k];

        if (s->result[k] == c->want[k].value && s->flags[k] == c->want[k].flags)
            continue;
        if (c->failures++ < 10)
            g_print("not ok - %s.%s %s mode %u isa %u: %016" G_GINT64_MODIFIER "x %016" G_GINT64_MODIFIER "x %016" G_GINT64_MODIFIER
                    "x = %016" G_GINT64_MODIFIER "x flags %02x, expected %016" G_GINT64_MODIFIER "x flags %02x\n",
                    c->op->name, c->type == IR_F32 ? "s" : "d", c->is_static ? "static" : "dynamic", c->mode, isa, in[0], in[1], in[2],
                    s->result[k], (unsigned)s->flags[k], c->want[k].value, (unsigned)c->want[k].flags);
    }
}

/* The block for each level; false: one is not to be had. */
static bool translate(struct campaign *c)
{
    for (unsigned isa = 1; isa <= ISAS; isa++) {
        struct tcg_engine *engine = c->isa[isa].engine;
        struct tcg_code *code = &c->isa[isa].code;

        if (!engine)
            continue;
        c->isa[isa].link = (struct tcg_link){ .from = code, .pc = 4, .same_page = true };
        *code = (struct tcg_code){ .link = &c->isa[isa].link, .link_count = 1 };
        build(c);
        for (const struct ir_pass *pass = ir_passes; pass->name; pass++)
            pass->run(c->block, &c->layout);
        if (!tcg_backend_x86_64.emit(engine, c->block, code, tcg_backend_x86_64.code_first(engine), tcg_backend_x86_64.code_limit(engine)))
            return false;
    }
    return true;
}

static void make_operands(struct campaign *c, unsigned operands, bool cancel)
{
    struct campaign_state *s = &c->memory->state;

    for (u32 k = 0; k < CASES; k++)
        for (u32 i = 0; i < operands; i++)
            s->operand[k][i] = operand_of_type(c, operand_type(c));
    for (u32 k = 0; k < CASES && cancel; k++)
        s->operand[k][k % 2 + 1] = s->operand[k][0] ^ (random_next(&c->random) & 3);
}

static void run_mode(struct campaign *c, u64 count)
{
    struct ir_op op = op_of(c);
    struct campaign_state *s = &c->memory->state;
    struct tcg_link *left;

    if (!translate(c)) {
        c->failures++;
        return;
    }
    for (u64 done = 0; done < count; done += CASES) {
        make_operands(c, ir_op_operands(&op), done % 5 == 0);
        expect(c, &op);
        s->fp_rounding = (u8)(c->is_static ? random_next(&c->random) % 4 : c->mode);
        for (unsigned isa = 1; isa <= ISAS; isa++)
            if (c->isa[isa].engine) {
                s->fp_flags = 0;
                tcg_backend_x86_64.run(c->isa[isa].engine, s, &c->isa[isa].code, c->memory->pc_page, &left);
                check(c, isa);
            }
        c->cases += CASES;
    }
}

static void run_operation(struct campaign *c, const struct operation *op, u64 count, u64 static_count)
{
    c->op = op;
    for (c->type = IR_F32; c->type <= IR_F64; c->type++) {
        c->is_static = false;
        for (c->mode = 0; c->mode < 4; c->mode++)
            if (op->rounds || c->mode == 0)
                run_mode(c, count);
        c->is_static = true;
        for (c->mode = 0; c->mode < 5 && op->rounds; c->mode++)
            run_mode(c, c->mode < 4 ? static_count : count);
    }
}

static bool is_chosen(const char *name, char **chosen)
{
    return !*chosen || g_strv_contains((const char *const *)chosen, name);
}

static bool start(struct campaign *c, unsigned only)
{
    static const struct tcg_runtime runtime;

    c->room = g_aligned_alloc0(1, bits_align_up(sizeof *c->memory, UNIT) + UNIT, UNIT);
    c->memory = (struct campaign_memory *)(void *)(c->room + (tcg_base_place(L1_BITS) - offsetof(struct campaign_memory, state)) % UNIT);
    c->memory->pc_page = MACHINE_CODE;
    c->block = ir_block_create(IR_MAX_OPS);
    describe_layout(c);
    for (unsigned isa = 1; isa <= ISAS; isa++) {
        struct tcg_backend_options options = { .buffer_size = 4 * MIB, .split_wx = true, .host_isa = isa };

        if (only && isa != only)
            continue;
        c->isa[isa].engine = tcg_backend_x86_64.create(&c->layout, &runtime, &options, NULL);
        if (!c->isa[isa].engine)
            return false;
    }
    return true;
}

static void finish(struct campaign *c)
{
    for (unsigned isa = 1; isa <= ISAS; isa++)
        if (c->isa[isa].engine)
            tcg_backend_x86_64.destroy(c->isa[isa].engine);
    ir_block_destroy(c->block);
    g_aligned_free(c->room);
    g_free(c);
}

int main(int argc, char **argv)
{
    gint64 isa = 0, seed = 1, count = 1000, static_count = -1;
    GOptionEntry entries[] = {
        { "isa", 'i', 0, G_OPTION_ARG_INT64, &isa, "at most x86-64-vN of the host; default: each of them", "N" },
        { "seed", 's', 0, G_OPTION_ARG_INT64, &seed, "of the operands", "N" },
        { "count", 'n', 0, G_OPTION_ARG_INT64, &count, "cases per op, precision and mode", "N" },
        { "static", 'm', 0, G_OPTION_ARG_INT64, &static_count, "cases for a static mode that is a dynamic one, too", "N" },
        { NULL },
    };
    GOptionContext *context = g_option_context_new("[OP...]");
    struct campaign *c = g_new0(struct campaign, 1);
    bool differs;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, NULL) || isa < 0 || isa > ISAS || !start(c, (unsigned)isa)) {
        g_printerr("usage: ir-fp-campaign [--isa=N] [--seed=N] [--count=N] [--static=N] [OP...]\n");
        return 2;
    }
    for (u32 i = 0; i < ARRAY_SIZE(operations); i++) {
        u64 before = c->cases;

        if (!is_chosen(operations[i].name, argv + 1))
            continue;
        c->random = (u64)seed * 1000003 + i;
        run_operation(c, &operations[i], (u64)count, (u64)(static_count < 0 ? count : static_count));
        if (count > 100000)
            g_print("%s: %" G_GUINT64_FORMAT " cases, %" G_GUINT64_FORMAT " differences so far\n", operations[i].name, c->cases - before, c->failures);
    }
    g_print("floating point, host-isa %d (0: each), seed %d: %" G_GUINT64_FORMAT " cases, %" G_GUINT64_FORMAT " differences\n", (int)isa,
            (int)seed, c->cases, c->failures);
    differs = c->failures != 0;
    finish(c);
    g_option_context_free(context);
    return differs;
}
