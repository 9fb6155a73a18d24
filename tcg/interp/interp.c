/* tcg/interp/interp.c - the portable reference back end: life cycle, links, listing. */
#include "tcg/interp/interp.h"
#include "base/error.h"
#include <stdlib.h>

static struct tcg_engine *create(const struct code_layout *layout, const struct tcg_runtime *runtime,
                                 const struct tcg_backend_options *options, GError **error)
{
    struct tcg_engine *engine = g_new0(struct tcg_engine, 1);
    struct interp_insn *miss;

    engine->layout = *layout;
    engine->runtime = runtime;
    engine->size = (u32)CLAMP(options->buffer_size, 64 * KIB, GIB);
    engine->buffer = malloc(engine->size);
    if (!engine->buffer) {
        error_set(error, "cannot allocate %u bytes for code", engine->size);
        g_free(engine);
        return NULL;
    }
    interp_list_handlers(engine);
    miss = (struct interp_insn *)engine->buffer;
    *miss = (struct interp_insn){ .handler = engine->handler[INTERP_MISS] };
    return engine;
}

static void destroy(struct tcg_engine *engine)
{
    if (!engine)
        return;
    free(engine->buffer);
    g_free(engine);
}

static u64 jump_miss(const struct tcg_engine *engine)
{
    return (uintptr_t)engine->buffer;
}

static u32 code_limit(const struct tcg_engine *engine)
{
    return engine->size;
}

static u32 code_first(const struct tcg_engine *engine)
{
    return sizeof(struct interp_insn);
}

static enum tcg_leave run(struct tcg_engine *engine, void *base, const struct tcg_code *code, u64 va,
                          struct tcg_link **link)
{
    return interp_run(engine, base, code->indirect_entry, va, link);
}

static void set_link(struct tcg_engine *engine, struct tcg_link *link, const struct tcg_code *to)
{
    struct interp_insn *exit;

    if (link->site == UINT32_MAX || !link->same_page)
        return;
    exit = (struct interp_insn *)(engine->buffer + link->site);
    __atomic_store_n(&exit->imm, to ? (uintptr_t)to->entry : (uintptr_t)(engine->buffer + link->unlinked),
                     __ATOMIC_RELEASE);
}

static void kill_code(struct tcg_engine *engine, struct tcg_code *code)
{
    struct interp_insn *enter = (struct interp_insn *)(engine->buffer + code->start);

    __atomic_store_n(&enter[1].handler, engine->handler[INTERP_DEAD], __ATOMIC_RELEASE);
    __atomic_store_n(&enter[0].handler, engine->handler[INTERP_DEAD_ENTER], __ATOMIC_RELEASE);
}

const struct tcg_backend tcg_backend_interp = {
    .name = "interp",
    .create = create,
    .destroy = destroy,
    .emit = interp_emit,
    .jump_miss = jump_miss,
    .code_limit = code_limit,
    .code_first = code_first,
    .run = run,
    .set_link = set_link,
    .kill = kill_code,
    .disassemble = interp_disassemble,
};
