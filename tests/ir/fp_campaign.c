/*
 * tests/ir/fp_campaign.c - ir-fp-campaign: floating-point ops of the x86-64 back end against soft-float, bit for bit and flag for flag,
 * for each op, precision and rounding mode, in blocks of many cases with operands in pinned registers and in memory.
 *
 *     ir-fp-campaign [--isa=1..4] [--seed=N] [--count=CASES] [OP...]
 *
 * CASES is per op, precision and mode; modes are the four dynamic ones and, as static ones, all five. Exit status 1 on a difference.
 */
#include "base/softfloat/softfloat.h"
#include "tcg/builder.h"
#include "tcg/fp.h"
#include "tests/ir/machine.h"
#include <string.h>

enum { CASES = 48, OPERANDS = 3, REGS = CASES * (OPERANDS + 2), FIRST_RESULT = CASES * OPERANDS, FIRST_FLAGS = FIRST_RESULT + CASES };

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
    struct tcg_tlb_entry l1[2];
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
    struct campaign_memory *memory;
    struct ir_reg reg[REGS];
    struct code_layout layout;
    struct tcg_engine *engine;
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
    l->l1_bits = l->jump_bits = 1;
}

/* Values near one another, near the limits of the format and of integers, and specials. */
static u64 floating(u64 *seed, unsigned exponent_bits, unsigned fraction_bits)
{
    u64 r = random_next(seed), top = (UINT64_C(1) << exponent_bits) - 1, bias = top / 2;
    u64 mask = (UINT64_C(1) << fraction_bits) - 1, fraction = random_next(seed) & mask, exponent;

    switch (r & 15) {
    case 0: exponent = 0; break;
    case 1: exponent = top; break;
    case 2: exponent = 1 + (r >> 8 & 1); break;
    case 3: exponent = top - 1 - (r >> 8 & 1); break;
    case 4: exponent = 0; fraction = 0; break;
    case 5: exponent = bias + 29 + (r >> 8 & 7); break;
    case 6: exponent = bias + 61 + (r >> 8 & 7); break;
    case 7: exponent = bias + (r >> 8 & 7); fraction = 0; break;
    case 8: exponent = bias / 2 + (r >> 8 & 3); break;
    case 9: exponent = random_next(seed); break;
    default: exponent = bias - 2 + (r >> 8 & 7);
    }
    if ((r >> 16 & 3) == 0)
        fraction &= ~(mask >> (r >> 18 & 31)); /* few digits: exact results and ties */
    if ((r >> 24 & 7) == 0)
        fraction |= mask >> (r >> 27 & 31);
    if ((r >> 40 & 15) == 0)
        fraction = (r >> 44 & 3) - 2; /* next to a power of two, from both sides */
    exponent &= top;
    if (exponent == top && (r >> 34 & 3))
        fraction = r >> 36 & 1 ? 0 : fraction;
    return (r >> 63) << (exponent_bits + fraction_bits) | exponent << fraction_bits | (fraction & mask);
}

static u64 operand_of_type(struct campaign *c, enum ir_type type)
{
    u64 r;

    if (type == IR_F64)
        return floating(&c->random, 11, 52);
    if (!ir_type_is_fp(type))
        return random_value(&c->random);
    r = floating(&c->random, 8, 23);
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

static void check_case(struct campaign *c, const struct ir_op *op, u32 k)
{
    const struct campaign_state *s = &c->memory->state;
    const u64 *in = s->operand[k];
    struct ir_fp_result want = ir_fp_compute(ir_fp_word(op), expected_operand(c, in[0]), expected_operand(c, in[1]),
                                             expected_operand(c, in[2]), c->mode);

    if (op->code == IR_FTOI && op->type == IR_I32)
        want.value = (u32)want.value;
    if (s->result[k] == want.value && s->flags[k] == want.flags)
        return;
    if (c->failures++ < 10)
        g_print("not ok - %s.%s %s mode %u: %016" G_GINT64_MODIFIER "x %016" G_GINT64_MODIFIER "x %016" G_GINT64_MODIFIER
                "x = %016" G_GINT64_MODIFIER "x flags %02x, expected %016" G_GINT64_MODIFIER "x flags %02x\n",
                c->op->name, c->type == IR_F32 ? "s" : "d", c->is_static ? "static" : "dynamic", c->mode, in[0], in[1], in[2], s->result[k],
                (unsigned)s->flags[k], want.value, (unsigned)want.flags);
}

static void run_mode(struct campaign *c, u64 count)
{
    struct ir_op op = op_of(c);
    struct tcg_link link[1] = { { .pc = 4, .same_page = true } }, *left;
    struct tcg_code code = { .link = link, .link_count = 1 };
    struct campaign_state *s = &c->memory->state;

    link[0].from = &code;
    build(c);
    for (const struct ir_pass *pass = ir_passes; pass->name; pass++)
        pass->run(c->block, &c->layout);
    if (!tcg_backend_x86_64.emit(c->engine, c->block, &code, tcg_backend_x86_64.code_first(c->engine), tcg_backend_x86_64.code_limit(c->engine))) {
        c->failures++;
        return;
    }
    for (u64 done = 0; done < count; done += CASES) {
        for (u32 k = 0; k < CASES; k++)
            for (u32 i = 0; i < OPERANDS; i++)
                s->operand[k][i] = operand_of_type(c, operand_type(c));
        if (done % 5 == 0) /* cancellation */
            for (u32 k = 0; k < CASES; k++)
                s->operand[k][k % 2 + 1] = s->operand[k][0] ^ (random_next(&c->random) & 3);
        s->fp_rounding = (u8)(c->is_static ? random_next(&c->random) % 4 : c->mode);
        s->fp_flags = 0;
        tcg_backend_x86_64.run(c->engine, s, &code, c->memory->pc_page, &left);
        for (u32 k = 0; k < CASES; k++)
            check_case(c, &op, k);
        c->cases += CASES;
    }
}

static void run_operation(struct campaign *c, const struct operation *op, u64 count)
{
    c->op = op;
    for (c->type = IR_F32; c->type <= IR_F64; c->type++) {
        c->is_static = false;
        for (c->mode = 0; c->mode < 4; c->mode++)
            if (op->rounds || c->mode == 0)
                run_mode(c, count);
        c->is_static = true;
        for (c->mode = 0; c->mode < 5 && op->rounds; c->mode++)
            run_mode(c, count);
    }
}

static bool is_chosen(const char *name, char **chosen)
{
    return !*chosen || g_strv_contains((const char *const *)chosen, name);
}

static bool start(struct campaign *c, unsigned isa)
{
    static const struct tcg_runtime runtime;
    struct tcg_backend_options options = { .buffer_size = 4 * MIB, .split_wx = true, .host_isa = isa };

    c->memory = aligned_alloc(64, (sizeof *c->memory + 63) & ~(size_t)63);
    memset(c->memory, 0, sizeof *c->memory);
    c->memory->pc_page = MACHINE_CODE;
    c->block = ir_block_create(IR_MAX_OPS);
    describe_layout(c);
    c->engine = tcg_backend_x86_64.create(&c->layout, &runtime, &options, NULL);
    return c->engine;
}

int main(int argc, char **argv)
{
    gint64 isa = 0, seed = 1, count = 1000;
    GOptionEntry entries[] = {
        { "isa", 'i', 0, G_OPTION_ARG_INT64, &isa, "at most x86-64-vN of the host", "N" },
        { "seed", 's', 0, G_OPTION_ARG_INT64, &seed, "of the operands", "N" },
        { "count", 'n', 0, G_OPTION_ARG_INT64, &count, "cases per op, precision and mode", "N" },
        { NULL },
    };
    GOptionContext *context = g_option_context_new("[OP...]");
    struct campaign *c = g_new0(struct campaign, 1);

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, NULL) || !start(c, (unsigned)isa)) {
        g_printerr("usage: ir-fp-campaign [--isa=N] [--seed=N] [--count=N] [OP...]\n");
        return 2;
    }
    for (u32 i = 0; i < ARRAY_SIZE(operations); i++) {
        u64 before = c->cases;

        if (!is_chosen(operations[i].name, argv + 1))
            continue;
        c->random = (u64)seed * 1000003 + i;
        run_operation(c, &operations[i], (u64)count);
        if (count > 100000)
            g_print("%s: %" G_GUINT64_FORMAT " cases, %" G_GUINT64_FORMAT " differences so far\n", operations[i].name, c->cases - before, c->failures);
    }
    g_print("floating point, host-isa %d, seed %d: %" G_GUINT64_FORMAT " cases, %" G_GUINT64_FORMAT " differences\n", (int)isa, (int)seed,
            c->cases, c->failures);
    tcg_backend_x86_64.destroy(c->engine);
    ir_block_destroy(c->block);
    free(c->memory);
    unsigned failures = c->failures != 0;
    g_free(c);
    g_option_context_free(context);
    return (int)failures;
}
