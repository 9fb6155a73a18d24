/*
 * tests/ir/apart.c - where code goes that lies apart (tcg_backend_options.apart): no byte belongs to two blocks, or twice to one, all lie below the end that emit
 * returns, and little is lost between them; when a buffer is filled again from its start, too.
 */
#include "tests/ir/run.h"
#include "tcg/builder.h"
#include <string.h>

enum { BUFFER = 2 * MIB, MOST_ACCESSES = 100, ROUNDS = 3, LOST = 8 /* one byte in so many, at most */ };

struct apart {
    const struct tcg_backend *backend;
    struct tcg_engine *engine;
    struct ir_block *block;
    GRand *random;
    u8 *taken;                       /* per byte of the buffer */
    u32 bytes, blocks, split, whole; /* of this round */
    unsigned failures;
};

static void expect(struct apart *a, bool holds, const char *what)
{
    if (holds)
        return;
    g_print("not ok - %s\n", what);
    a->failures++;
}

/* Each access has a base value of its own, hence a check, and a slow path. */
static void build(struct apart *a)
{
    u32 accesses = 1 + g_rand_int(a->random) % (g_rand_int(a->random) % 8 ? 12 : MOST_ACCESSES);
    struct ir_block *b = a->block;

    ir_block_reset(b, 0x100);
    for (u32 i = 0; i < accesses; i++) {
        ir_value base = ir_get(b, IR_I64, i % 8);

        ir_insn(b, 0x100 + 4 * (s32)i, 4);
        ir_put(b, IR_I64, 8 + i % 4, ir_load(b, IR_I64, 3, ir_binary(b, IR_ADD, base, ir_get(b, IR_I64, (i + 1) % 8)), 0));
    }
    ir_exit(b, 0x800, IR_HINT_NONE, 0);
}

static void take(struct apart *a, u32 start, u32 size, u32 end)
{
    bool fresh = true;

    expect(a, start >= a->backend->code_first(a->engine) && start + size <= end, "code lies below the end");
    for (u32 i = start; i < start + size && i < BUFFER; i++) {
        fresh &= !a->taken[i];
        a->taken[i] = 1;
    }
    expect(a, fresh, "no byte is used twice");
    a->bytes += size;
}

/* Where the next one may begin; 0: there was no room. */
static u32 emit_one(struct apart *a, u32 at, u32 limit)
{
    struct tcg_link link[IR_MAX_EXITS] = { 0 };
    struct tcg_code code = { .link = link };
    u32 end;

    build(a);
    if (a->backend->prepare)
        a->backend->prepare(a->engine, a->block);
    for (u32 i = 0; i < a->block->exit_count; i++)
        link[i] = (struct tcg_link){ .from = &code, .pc = a->block->exit[i].pc, .same_page = true };
    code.link_count = a->block->exit_count;
    end = a->backend->emit(a->engine, a->block, &code, at, limit);
    if (!end)
        return 0;
    take(a, code.start, code.size, end);
    if (code.apart_size)
        take(a, code.apart, code.apart_size, end);
    a->blocks++;
    a->split += code.apart_size != 0;
    a->whole += code.apart_size == 0;
    return end;
}

static void fill(struct apart *a, u32 limit)
{
    u32 first = a->backend->code_first(a->engine), at = first, end;

    memset(a->taken, 0, BUFFER);
    a->bytes = a->blocks = a->split = a->whole = 0;
    while ((end = emit_one(a, at, limit)))
        at = end;
    expect(a, at > limit - limit / 8, "the buffer is filled");
    expect(a, (at - first) - a->bytes < (at - first) / LOST, "little is lost");
    expect(a, a->split > a->whole, "most blocks have code that lies apart");
    expect(a, a->whole, "those with the most of it have not");
}

unsigned test_apart(const struct test_options *options)
{
    struct apart a = { 0 };
#ifdef HAVE_X86_64
    struct tcg_backend_options create = { .buffer_size = BUFFER, .split_wx = true, .apart = true };

    a.backend = &tcg_backend_x86_64;
    a.engine = a.backend->create(&machine_layout, &machine_runtime, &create, NULL);
    a.block = ir_block_create(IR_MAX_OPS);
    a.random = g_rand_new_with_seed((guint32)options->seed);
    a.taken = g_malloc(BUFFER);
    for (u32 i = 0; i < ROUNDS; i++)
        fill(&a, i == 1 ? BUFFER / 2 : a.backend->code_limit(a.engine));
    g_free(a.taken);
    g_rand_free(a.random);
    ir_block_destroy(a.block);
    a.backend->destroy(a.engine);
#else
    (void)options;
    (void)fill;
#endif
    return a.failures;
}
