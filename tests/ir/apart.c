/*
 * tests/ir/apart.c - where code goes that lies apart (tcg_backend_options.apart): no byte belongs to two blocks, or twice to one, all lie below the end that emit
 * returns, and little is lost between them; when a buffer is filled again from its start, too. And what lies right behind the jump to it.
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

struct linked {
    struct tcg_code code;
    struct tcg_link link[IR_MAX_EXITS];
};

/* One instruction at `from` that goes on at `to`. Where the next one may begin. */
static u32 emit_small(struct apart *a, struct linked *to_fill, u32 from, s32 to, bool behind, u32 at)
{
    ir_block_reset(a->block, from);
    ir_insn(a->block, (s32)from, 4);
    ir_put(a->block, IR_I64, 1, ir_binary(a->block, IR_ADD, ir_get(a->block, IR_I64, 1), ir_const(a->block, IR_I64, 1)));
    ir_exit(a->block, to, IR_HINT_NONE, 0);
    a->block->behind = behind;
    if (a->backend->prepare)
        a->backend->prepare(a->engine, a->block);
    *to_fill = (struct linked){ .code = { .link = to_fill->link, .link_count = 1 }, .link = { { .from = &to_fill->code, .pc = to, .same_page = true } } };
    return a->backend->emit(a->engine, a->block, &to_fill->code, at, a->backend->code_limit(a->engine));
}

/* A block behind the jump that leads to it is entered without one, once that is linked, and with one again when it is not any more. */
static void run_into(struct apart *a)
{
    static struct linked first, from, to, other;
    u32 at = emit_small(a, &first, 0x100, 0x800, false, a->backend->code_first(a->engine)); /* begins an area */
    u32 end = emit_small(a, &from, 0x200, 0x204, false, at);
    u8 before[64], linked[64];
    const u8 *code;

    emit_small(a, &to, 0x204, 0x800, true, end);
    code = a->backend->exec_at(a->engine, from.code.start);
    memcpy(before, code, from.code.size);
    expect(a, to.code.entry == code + from.code.size, "a block begins where the jump to it ends");
    expect(a, (const u8 *)to.code.indirect_entry < code, "its other entry lies apart");
    a->backend->set_link(a->engine, &from.link[0], &to.code);
    memcpy(linked, code, from.code.size);
    a->backend->set_link(a->engine, &from.link[0], NULL);
    expect(a, memcmp(before, code, from.code.size) == 0, "unlinked, the jump is there again");
    emit_small(a, &other, 0x204, 0x800, false, a->backend->code_limit(a->engine) / 2);
    a->backend->set_link(a->engine, &from.link[0], &other.code);
    expect(a, memcmp(linked, code, from.code.size) != 0 && code[from.code.size - 5] == before[from.code.size - 5], "what lies elsewhere is jumped to");
    a->backend->set_link(a->engine, &from.link[0], &to.code);
    expect(a, memcmp(linked, code, from.code.size) == 0 && code[from.code.size - 5] != before[from.code.size - 5], "no jump to what lies behind");
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
    run_into(&a);
    g_free(a.taken);
    g_rand_free(a.random);
    ir_block_destroy(a.block);
    a.backend->destroy(a.engine);
#else
    (void)options;
    (void)fill;
    (void)run_into;
#endif
    return a.failures;
}
