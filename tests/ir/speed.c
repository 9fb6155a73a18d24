/*
 * tests/ir/speed.c - what passes and emission cost. For people; not part of make check. With --dump=FILE the blocks are those of a log
 * made with `-d ir`, which is how real guest code looks; with --image=FILE everything is measured, from code to code (speed_image.c);
 * otherwise random blocks.
 */
#include "tests/ir/run.h"
#include <string.h>
#include <time.h>

enum { DUMP_REGS = 67, ROUNDS = 20 };

/* CPU time, since the machine may be busy with other work: ns. */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct speed {
    const struct tcg_backend *backend;
    struct tcg_engine *engine;
    struct code_layout layout;
    struct ir_reg reg[DUMP_REGS];
    struct ir_block *block, *copy;
    struct tcg_code code;
    struct tcg_link link[IR_MAX_EXITS];
    double copying, pass[8], emission, blocks, ops, left, insns;
};

/* RISC-V's registers and order of preference (target/riscv/), at made-up offsets. */
static void make_layout(struct speed *s)
{
    static const u16 pinned[] = { 2, 1, 10, 11, 12, 13, 14, 15, 8, 9, 18, 19 };

    s->layout = machine_layout;
    for (unsigned i = 0; i < DUMP_REGS; i++)
        s->reg[i] = (struct ir_reg){ .name = g_strdup_printf("%c%u", i < 32 ? 'x' : 'f', i % 32), .type = IR_I64, .offset = (s32)(8 * i) };
    s->layout.reg = s->reg;
    s->layout.reg_count = DUMP_REGS;
    memcpy(s->layout.pinned, pinned, sizeof pinned);
}

static void load(struct speed *s, struct ir_block *b)
{
    u32 n = 0, exits = b->exit_count;

    if (s->backend->prepare)
        s->backend->prepare(s->engine, b);

    for (u32 i = 0; i < b->exit_count; i++)
        if (b->exit[i].kind == IR_EXIT_DIRECT) {
            s32 pc = b->exit[i].pc;

            s->link[n++] = (struct tcg_link){ .from = &s->code, .pc = pc, .same_page = pc >= 0 && pc < TCG_PAGE_SIZE };
        }
    s->code = (struct tcg_code){ .link = s->link, .link_count = n };
    s->backend->emit(s->engine, b, &s->code, s->backend->code_first(s->engine), s->backend->code_limit(s->engine));
    b->exit_count = exits;
}

static double time_pass(struct speed *s, unsigned until)
{
    double start = now();

    for (unsigned k = 0; k < ROUNDS; k++) {
        copy_block(s->copy, s->block);
        for (unsigned i = 0; i < until; i++)
            ir_passes[i].run(s->copy, &s->layout);
    }
    return (now() - start) / ROUNDS;
}

static void measure(struct speed *s)
{
    double last, t;
    unsigned i;

    s->copying += last = time_pass(s, 0);
    for (i = 0; ir_passes[i].name; i++) {
        t = time_pass(s, i + 1);
        s->pass[i] += t - last;
        last = t;
    }
    t = now();
    for (unsigned k = 0; k < ROUNDS; k++)
        load(s, s->copy);
    s->emission += (now() - t) / ROUNDS;
    s->blocks++;
    s->ops += s->block->count;
    s->left += s->copy->count;
    s->insns += s->block->insn_count;
}

/* Every n-th block of the log. */
static void measure_dump(struct speed *s, const char *path, u64 count)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) part = NULL;
    u32 step;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        g_printerr("cannot read %s\n", path);
        return;
    }
    part = g_strsplit(text, "IR:\n", 0);
    step = MAX(1, g_strv_length(part) / (u32)count);
    for (u32 i = 1, n = g_strv_length(part); i < n; i += step)
        if (ir_parse(s->block, part[i], s->reg, DUMP_REGS, NULL, NULL) && s->block->count)
            measure(s);
}

static void report(const struct speed *s)
{
    g_print("%s: %.0f blocks, %.0f insns, %.2f ops each, %.2f after passes\nns per insn:", s->backend->name, s->blocks, s->insns,
            s->ops / s->insns, s->left / s->insns);
    for (unsigned i = 0; ir_passes[i].name; i++)
        g_print(" %s %.1f", ir_passes[i].name, s->pass[i] / s->insns);
    g_print(" emit %.1f (copying a block for the test: %.1f)\n", s->emission / s->insns, s->copying / s->insns);
}

unsigned test_speed(const struct test_options *options)
{
    if (options->image)
        return speed_image(options);
    struct runner *r = runner_create(options->backend);
    struct tcg_backend_options create = { .buffer_size = 4 * MIB, .split_wx = true };
    struct speed s = { 0 };

    if (!r || !r->backend)
        return 1;
    s.backend = r->backend;
    make_layout(&s);
    if (!options->dump)
        s.layout = machine_layout;
    s.engine = s.backend->create(&s.layout, &machine_runtime, &create, NULL);
    s.block = ir_block_create(IR_MAX_OPS);
    s.copy = ir_block_create(IR_MAX_OPS);
    if (options->dump)
        measure_dump(&s, options->dump, options->count);
    for (u64 i = 0; !options->dump && i < options->count; i++) {
        generate_block(s.block, options->seed + i, options->length ? (u32)options->length : 40, false);
        measure(&s);
    }
    report(&s);
    s.backend->destroy(s.engine);
    for (unsigned i = 0; i < DUMP_REGS; i++)
        g_free((char *)s.reg[i].name);
    ir_block_destroy(s.block);
    ir_block_destroy(s.copy);
    runner_destroy(r);
    return 0;
}
