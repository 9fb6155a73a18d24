/*
 * tests/ir/random.c - random blocks: the reference's end state against that of a back end, with the block raw, folded by the
 * builder, and through all passes.
 */
#include "tests/ir/run.h"
#include <string.h>

struct comparison {
    struct runner *runner;
    struct machine *expect, *got, *before;
    u64 gave_up;
    struct ir_block *raw, *block;
};

static void report(struct comparison *c, u64 seed, const char *form, enum tcg_leave want, enum tcg_leave leave)
{
    g_autofree char *text = ir_print(c->block, machine_regs, MACHINE_REGS);
    g_autofree char *expect = machine_describe(c->expect), *got = machine_describe(c->got);

    g_print("not ok - seed %" G_GUINT64_FORMAT " %s on %s\n%sexpected leave %d\n%sgot leave %d\n%s\n", seed, form,
            c->runner->backend ? c->runner->backend->name : "reference", text, want, expect, leave, got);
    if (c->runner->backend && c->runner->backend->disassemble) {
        g_autofree char *listing = c->runner->backend->disassemble(c->runner->engine, &c->runner->code);

        g_print("%s\n", listing ? listing : "");
    }
}

/*
 * A back end may poll before or behind the place that says "not linked", and passes make direct exits of indirect ones: the
 * dispatcher goes on at the same pc.
 */
static bool is_same_reason(const struct comparison *c, enum tcg_leave want, enum tcg_leave leave)
{
    if (c->got->host.exit_request)
        return leave <= TCG_LEAVE_LINK;
    return leave == want || (want == TCG_LEAVE_MISS && leave == TCG_LEAVE_LINK);
}

/* An instruction begins, or an access that may be the first of several: where a block may give up early. */
static bool may_give_up_at(const struct comparison *c, const struct ir_op *op, s64 pc)
{
    if (op->code == IR_INSN)
        return !c->runner->single && op->imm == pc;
    return c->runner->single && (op->code == IR_LD || op->code == IR_ST) && c->block->snapshot[op->snapshot].pc == pc;
}

/*
 * When one check of several accesses fails, a back end may leave the block: before the first of the accesses, with nothing of it done
 * (to the variant without such checks), or behind an instruction. Then the state is that of the reference at the same place.
 */
static bool gave_up_rightly(struct comparison *c, u64 seed)
{
    const struct ir_block *b = c->block;
    s64 pc = (s64)(c->got->host.pc - c->got->host.pc_page);

    for (u32 i = 0; i < b->count; i++) {
        if (!may_give_up_at(c, &b->op[i], pc))
            continue;
        machine_reset(c->before, seed);
        machine_flush(c->before, 0);
        reference_run(c->before, b, i);
        c->before->host.pc = c->got->host.pc;
        if (machine_equal(c->before, c->got))
            return true;
    }
    return false;
}

static bool is_same(struct comparison *c, u64 seed, const char *form, enum tcg_leave want)
{
    enum tcg_leave leave;

    machine_reset(c->got, seed);
    c->got->host.exit_request = seed % 4 == 1;
    leave = runner_run(c->runner, c->got, c->block);
    if (!c->runner->single && is_same_reason(c, want, leave) && machine_equal(c->expect, c->got))
        return true;
    if ((c->runner->single || leave == TCG_LEAVE_PC) && gave_up_rightly(c, seed)) {
        c->gave_up++;
        return true;
    }
    report(c, seed, form, want, leave);
    return false;
}

/* One seed: three forms of the block. */
static bool compare(struct comparison *c, u64 seed, u32 length)
{
    g_autoptr(GError) error = NULL;
    enum tcg_leave want;

    generate_block(c->raw, seed, length, true);
    if (c->raw->overflow)
        return true;
    if (!ir_verify(c->raw, machine_regs, MACHINE_REGS, &error)) {
        g_print("not ok - seed %" G_GUINT64_FORMAT ": %s\n", seed, error->message);
        return false;
    }
    machine_reset(c->expect, seed);
    machine_flush(c->expect, 0);
    c->expect->host.exit_request = seed % 4 == 1;
    want = reference_run(c->expect, c->raw, UINT32_MAX);

    copy_block(c->block, c->raw);
    if (!is_same(c, seed, "raw", want))
        return false;
    generate_block(c->block, seed, length, false);
    if (!is_same(c, seed, "folded", want))
        return false;
    if (!run_passes(c->block, &error)) {
        g_print("not ok - seed %" G_GUINT64_FORMAT ": %s\n", seed, error->message);
        return false;
    }
    return is_same(c, seed, "optimised", want);
}

unsigned test_random(const struct test_options *options)
{
    struct comparison c = { .runner = runner_create(options->backend) };
    unsigned failures = 0;
    u64 ops = 0;

    if (!c.runner)
        return 1;
    c.expect = machine_create();
    c.got = machine_create();
    c.before = machine_create();
    c.raw = ir_block_create(IR_MAX_OPS);
    c.block = ir_block_create(IR_MAX_OPS);
    for (u64 i = 0; i < options->count && failures < 3; i++) {
        u64 seed = options->seed + i;

        failures += !compare(&c, seed, options->length ? (u32)options->length : 2 + (u32)(seed % 5) * (seed % 7 ? 20 : 80));
        ops += c.raw->count;
    }
    g_print("random blocks on %s: %" G_GUINT64_FORMAT " blocks, %" G_GUINT64_FORMAT " ops, %" G_GUINT64_FORMAT " early leaves, %u failures\n",
            options->backend, options->count, ops, c.gave_up, failures);
    ir_block_destroy(c.raw);
    ir_block_destroy(c.block);
    machine_destroy(c.expect);
    machine_destroy(c.got);
    machine_destroy(c.before);
    runner_destroy(c.runner);
    return failures;
}
