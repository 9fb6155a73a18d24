/* tests/ir/links.c - what a back end does between blocks: links, polls, the jump cache, killed blocks. */
#include "tests/ir/run.h"
#include "tcg/builder.h"
#include <string.h>

enum { BLOCKS = 3 };

/* Three blocks in one page, at 0x100, 0x200, 0x300 from its start; each counts a0 down in its own register. */
struct world {
    const struct tcg_backend *backend;
    struct tcg_engine *engine;
    struct machine *m;
    struct ir_block *b;
    struct tcg_code code[BLOCKS];
    struct tcg_link link[BLOCKS][2];
    unsigned failures;
};

static u64 va_of(unsigned block)
{
    return MACHINE_CODE + 0x100 * (block + 1);
}

static void expect(struct world *w, bool holds, const char *what)
{
    if (holds)
        return;
    g_print("not ok - %s\n", what);
    w->failures++;
}

/* a0 -= 1; count[block] += 1; leaves to 0x1000 (another page) when a0 == 0, else to the target. */
static void build_block(struct world *w, unsigned block, s32 target)
{
    struct ir_block *b = w->b;
    s32 pc = 0x100 * ((s32)block + 1);
    ir_value left;

    ir_block_reset(b, (u32)pc);
    ir_insn(b, pc, 4);
    ir_put(b, IR_I64, 4 + block, ir_binary_imm(b, IR_ADD, ir_get(b, IR_I64, 4 + block), 1));
    ir_insn(b, pc + 4, 4);
    left = ir_binary_imm(b, IR_ADD, ir_get(b, IR_I64, 0), -1);
    ir_put(b, IR_I64, 0, left);
    ir_exit_if(b, IR_EQ, left, ir_const(b, IR_I64, 0), 0x1000);
    ir_insn(b, pc + 8, 4);
    if (target >= 0)
        ir_exit(b, target, IR_HINT_NONE, 0);
    else
        ir_exit_to(b, ir_get(b, IR_I64, 1), 0, IR_HINT_NONE, 0);
}

static u32 emit_block(struct world *w, unsigned block, s32 target, u32 at)
{
    u32 n = 0;

    build_block(w, block, target);
    for (u32 i = 0; i < w->b->exit_count; i++)
        if (w->b->exit[i].kind == IR_EXIT_DIRECT) {
            s32 pc = w->b->exit[i].pc;

            w->link[block][n++] =
                (struct tcg_link){ .from = &w->code[block], .pc = pc, .same_page = pc >= 0 && pc < TCG_PAGE_SIZE };
        }
    w->code[block] = (struct tcg_code){ .link = w->link[block], .link_count = n };
    return w->backend->emit(w->engine, w->b, &w->code[block], at, w->backend->code_limit(w->engine));
}

/* 0 -> 1 -> 0 ..., 2 jumps to a1. */
static void set_up(struct world *w)
{
    u32 at = w->backend->code_first(w->engine);

    at = emit_block(w, 0, 0x200, at);
    at = emit_block(w, 1, 0x100, at);
    at = emit_block(w, 2, -1, at);
    expect(w, at != 0, "blocks fit");
    machine_reset(w->m, 7);
    machine_flush(w->m, w->backend->jump_miss(w->engine));
    for (unsigned i = 0; i < BLOCKS; i++)
        w->m->state.a[4 + i] = 0;
}

static enum tcg_leave run(struct world *w, unsigned block, u64 count, struct tcg_link **link)
{
    w->m->state.a[0] = count;
    *link = NULL;
    return w->backend->run(w->engine, &w->m->state, &w->code[block], va_of(block), link);
}

static void join(struct world *w, unsigned from, const struct tcg_code *to)
{
    w->link[from][1].to = (struct tcg_code *)to;
    w->backend->set_link(w->engine, &w->link[from][1], to);
}

static void test_linking(struct world *w)
{
    struct tcg_link *link;
    enum tcg_leave leave;

    set_up(w);
    leave = run(w, 0, 10, &link);
    expect(w, leave == TCG_LEAVE_LINK && link == &w->link[0][1], "an unlinked exit says which link");
    expect(w, w->m->host.pc == va_of(1) && w->m->state.a[4] == 1 && w->m->state.a[0] == 9, "state at an unlinked exit");
    join(w, 0, &w->code[1]);
    leave = run(w, 0, 10, &link);
    expect(w, leave == TCG_LEAVE_LINK && link == &w->link[1][1] && w->m->state.a[5] == 1, "a link is followed");
    join(w, 1, &w->code[0]);
    leave = runner_reason(run(w, 0, 1001, &link), &w->link[0][0]);
    expect(w, leave == TCG_LEAVE_MISS && w->m->host.pc == MACHINE_CODE + 0x1000, "an exit to another page misses");
    expect(w, w->m->state.a[4] == 1 + 1 + 501 && w->m->state.a[5] == 1 + 500, "linked blocks run in turn");
    expect(w, w->m->host.pc_page == MACHINE_CODE, "pc_page is kept");
    join(w, 1, NULL);
    leave = run(w, 0, 10, &link);
    expect(w, leave == TCG_LEAVE_LINK && link == &w->link[1][1], "an unlinked link leaves again");
}

static void test_poll(struct world *w)
{
    struct tcg_link *link;
    enum tcg_leave leave;

    set_up(w);
    join(w, 0, &w->code[1]);
    join(w, 1, &w->code[0]);
    w->m->host.exit_request = 1;
    leave = run(w, 0, 10, &link);
    expect(w, (leave == TCG_LEAVE_PC || leave == TCG_LEAVE_LINK) && w->m->host.pc == va_of(0) && w->m->state.a[5] == 1, "a backward link polls, a forward one does not");
    leave = run(w, 2, 10, &link);
    expect(w, leave == TCG_LEAVE_PC && w->m->host.pc == w->m->state.a[1], "an indirect exit polls");
}

static void fill_jump(struct world *w, u64 va, u64 code)
{
    w->m->jump[tcg_jump_index(va, MACHINE_JUMP_BITS)] = (struct tcg_jump_entry){ va, code };
}

static void test_jump_cache(struct world *w)
{
    u64 other = UINT64_C(0xffffffff80005000) + 0x100;
    struct tcg_link *link;
    enum tcg_leave leave;

    set_up(w);
    w->m->state.a[1] = other;
    leave = run(w, 2, 10, &link);
    expect(w, leave == TCG_LEAVE_MISS && w->m->host.pc == other, "an empty jump cache misses");
    fill_jump(w, other, (uintptr_t)w->code[0].indirect_entry);
    leave = run(w, 2, 10, &link);
    expect(w, leave == TCG_LEAVE_LINK && link == &w->link[0][1], "the jump cache is followed");
    expect(w, w->m->host.pc_page == other - 0x100 && w->m->host.pc == other + 0x100, "an indirect entry sets pc_page");
    w->m->state.a[1] = other + 0x10000000000;
    leave = run(w, 2, 10, &link);
    expect(w, leave == TCG_LEAVE_MISS && w->m->host.pc == other + 0x10000000000, "another address in the same slot misses");
}

static void test_kill(struct world *w)
{
    struct tcg_link *link;
    enum tcg_leave leave;

    set_up(w);
    join(w, 0, &w->code[1]);
    fill_jump(w, va_of(1), (uintptr_t)w->code[1].indirect_entry);
    join(w, 0, NULL);
    w->backend->kill(w->engine, &w->code[1]);
    leave = run(w, 0, 10, &link);
    expect(w, leave == TCG_LEAVE_LINK && w->m->state.a[5] == 0, "links to a killed block are gone");
    w->m->state.a[1] = va_of(1);
    leave = run(w, 2, 10, &link);
    expect(w, (leave == TCG_LEAVE_PC || leave == TCG_LEAVE_MISS) && w->m->host.pc == va_of(1) && w->m->state.a[5] == 0,
           "a killed block leaves at its entry");
}

unsigned test_links(const struct test_options *options)
{
    struct runner *r = runner_create(options->backend);
    struct world w = { 0 };

    if (!r || !r->backend)
        return 1;
    w.backend = r->backend;
    w.engine = r->engine;
    w.m = machine_create();
    w.b = ir_block_create(64);
    test_linking(&w);
    test_poll(&w);
    test_jump_cache(&w);
    test_kill(&w);
    g_print("links on %s: %u failures\n", options->backend, w.failures);
    ir_block_destroy(w.b);
    machine_destroy(w.m);
    runner_destroy(r);
    return w.failures;
}
