/* tests/ir/speed.c - what building, passes, emission and execution cost per IR op. For people; not part of make check. */
#include "tests/ir/run.h"
#include <string.h>
#include <time.h>

/* ns */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* the machine may be busy with other work */
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

unsigned test_speed(const struct test_options *options)
{
    struct runner *r = runner_create(options->backend);
    struct ir_block *b = ir_block_create(IR_MAX_OPS), *copy = ir_block_create(IR_MAX_OPS);
    struct machine *m = machine_create();
    double copying = 0, passes = 0, emission = 0, execution = 0, ops = 0, left = 0, insns = 0;
    u32 length = options->length ? (u32)options->length : 100;

    for (u64 i = 0; r && i < options->count / 20; i++) {
        double t0, t1, t2, t3, t4;

        generate_block(b, options->seed + i, length, false);
        t0 = now();
        for (int k = 0; k < 20; k++)
            copy_block(copy, b);
        t1 = now();
        for (int k = 0; k < 20; k++) {
            copy_block(copy, b);
            for (const struct ir_pass *pass = ir_passes; pass->name; pass++)
                pass->run(copy, &machine_layout);
        }
        t2 = now();
        for (int k = 0; k < 20; k++)
            runner_load(r, copy);
        t3 = now();
        machine_reset(m, i);
        runner_run(r, m, copy);
        t4 = now();
        copying += (t1 - t0) / 20;
        passes += (t2 - t1) / 20;
        emission += (t3 - t2) / 20;
        execution += t4 - t3;
        ops += b->count;
        left += copy->count;
        insns += b->insn_count;
    }
    g_print("%s: %.0f ops (%.0f insns), after passes %.0f; ns per op: copy %.1f passes %.1f emit %.1f; per insn: passes %.1f emit %.1f\n",
            options->backend, ops, insns, left, copying / ops, (passes - copying) / ops, emission / ops, (passes - copying) / insns,
            emission / insns);
    machine_destroy(m);
    ir_block_destroy(b);
    ir_block_destroy(copy);
    runner_destroy(r);
    return 0;
}
