/* tests/ir/run.c - runs blocks on back ends. */
#include "tests/ir/run.h"
#include <stdlib.h>
#include <string.h>

enum { SAVED_ROOM = 256 * KIB };

static const struct tcg_backend *const backends[] = {
    &tcg_backend_interp,
#ifdef HAVE_X86_64
    &tcg_backend_x86_64,
#endif
};

struct runner *runner_create(const char *name)
{
    g_auto(GStrv) part = g_strsplit(name, ":", 3);
    struct tcg_backend_options options = { .buffer_size = 4 * MIB, .split_wx = true, .host_isa = part[1] ? (unsigned)atoi(part[1]) : 0,
        .plain = part[1] && strchr(part[1], '-'), /* 3-: level 3 and no more */
        .apart = part[1] && !part[2], .helpers = machine_helpers };
    struct runner *r = g_new0(struct runner, 1);
    GError *error = NULL;

    r->prepared = ir_block_create(IR_MAX_OPS);
    if (!strcmp(name, "reference"))
        return r;
    for (u32 i = 0; i < ARRAY_SIZE(backends); i++)
        if (!strcmp(backends[i]->name, part[0]))
            r->backend = backends[i];
    if (r->backend)
        r->engine = r->backend->create(&machine_layout, &machine_runtime, &options, &error);
    if (r->engine && part[1] && part[2]) {
        r->saved = g_malloc(SAVED_ROOM);
        r->maker = r->backend->create(&machine_layout, &machine_runtime, &options, &error);
    }
    if (r->engine && !error)
        return r;
    g_printerr("back end %s: %s\n", name, error ? error->message : "unknown");
    g_clear_error(&error);
    runner_destroy(r);
    return NULL;
}

void runner_destroy(struct runner *r)
{
    if (!r)
        return;
    if (r->engine)
        r->backend->destroy(r->engine);
    if (r->maker)
        r->backend->destroy(r->maker);
    g_free(r->saved);
    ir_block_destroy(r->prepared);
    g_free(r);
}

bool sides_open(struct sides *sides, const char *backend)
{
    *sides = (struct sides){ .plain = runner_create("interp"), .tested = runner_create(backend), .expected = machine_create(), .m = machine_create(),
                             .b = ir_block_create(IR_MAX_OPS) };
    if (!sides->tested || !sides->tested->engine) {
        sides_close(sides);
        return false;
    }
    sides->host = strcmp(sides->tested->backend->name, "interp") != 0;
    return true;
}

void sides_close(struct sides *sides)
{
    ir_block_destroy(sides->b);
    machine_destroy(sides->expected);
    machine_destroy(sides->m);
    runner_destroy(sides->plain);
    runner_destroy(sides->tested);
}

/* Emitted elsewhere, kept, and put here, at ever another place. */
static bool load_moved(struct runner *r, const struct ir_block *block)
{
    const struct tcg_backend *b = r->backend;
    struct tcg_code *code = &r->code, made = { .link = &r->maker_link[r->loads % IR_MAX_EXITS], .link_count = code->link_count };
    u32 first = b->code_first(r->engine), limit = b->code_limit(r->engine), size;

    memcpy(made.link, code->link, code->link_count * sizeof(*code->link));
    if (!b->emit(r->maker, block, &made, first + (u32)(r->loads * 5 % 64), limit))
        return false;
    if (!b->note(r->maker, r->note, sizeof(r->note)))
        return false;
    for (u32 i = 0; i < code->link_count; i += 2) /* whatever it is linked to */
        b->set_link(r->maker, &made.link[i], &made);
    size = b->save(r->maker, (const struct tcg_code *const[]){ &made }, 1, r->note, r->saved, SAVED_ROOM);
    if (!size)
        return false;
    for (u32 i = 0; i < code->link_count; i++)
        code->link[i].continues = made.link[i].continues;
    return b->restore(r->engine, r->saved, size, (struct tcg_code *const[]){ code }, 1, first + (u32)(r->loads * 37 % 100000), limit) != 0;
}

bool runner_load(struct runner *r, const struct ir_block *given)
{
    struct ir_block *block = r->prepared;
    u32 at = r->backend->code_first(r->engine), n = 0;

    copy_block(block, given);
    if (r->backend->prepare)
        r->backend->prepare(r->maker ? r->maker : r->engine, block);
    memset(&r->code, 0, sizeof r->code);
    for (u32 i = 0; i < block->exit_count; i++)
        if (block->exit[i].kind == IR_EXIT_DIRECT) {
            s32 pc = block->exit[i].pc;

            r->link[n++] = (struct tcg_link){ .from = &r->code, .pc = pc, .single = block->exit[i].single, .same_page = pc >= 0 && pc < TCG_PAGE_SIZE };
        }
    r->code.link = r->link;
    r->code.link_count = n;
    r->loads++;
    if (r->maker)
        return load_moved(r, block);
    return r->backend->emit(r->engine, block, &r->code, at, r->backend->code_limit(r->engine)) != 0;
}

enum tcg_leave runner_reason(enum tcg_leave leave, const struct tcg_link *link)
{
    return leave == TCG_LEAVE_LINK && !link->same_page ? TCG_LEAVE_MISS : leave;
}

enum tcg_leave runner_run(struct runner *r, struct machine *m, const struct ir_block *block)
{
    struct tcg_link *link = NULL;
    enum tcg_leave leave;

    r->single = false;
    if (!r->backend) {
        machine_flush(m, 0);
        return reference_run(m, block, UINT32_MAX);
    }
    if (!runner_load(r, block)) {
        g_printerr("the block did not fit\n");
        return (enum tcg_leave)99;
    }
    machine_flush(m, r->backend->jump_miss(r->engine));
    leave = r->backend->run(r->engine, &m->state, &r->code, MACHINE_CODE + block->first_pc, &link);
    r->single = link && link->single;
    return runner_reason(leave, link);
}

const struct ir_pass *find_pass(const char *name)
{
    for (const struct ir_pass *pass = ir_passes; pass->name; pass++)
        if (!strcmp(pass->name, name))
            return pass;
    return NULL;
}

bool run_passes(struct ir_block *block, GError **error)
{
    for (const struct ir_pass *pass = ir_passes; pass->name; pass++) {
        pass->run(block, &machine_layout);
        if (!ir_verify(block, machine_regs, MACHINE_REGS, error)) {
            g_prefix_error(error, "after %s: ", pass->name);
            return false;
        }
    }
    return true;
}

void copy_block(struct ir_block *to, const struct ir_block *from)
{
    struct ir_op *op = to->op, *spare = to->spare;
    ir_value *map = to->map;
    u16 *live = to->live;
    u32 capacity = to->capacity;

    *to = *from;
    to->op = op;
    to->spare = spare;
    to->map = map;
    to->live = live;
    to->live_count = 0;
    to->capacity = capacity;
    memcpy(op, from->op, from->count * sizeof *op);
}
