/* accel/tcg/describe.c - info jit. */
#include "accel/tcg/tcg.h"

static void describe_vcpu(GString *text, const struct tcg_vcpu *v)
{
    g_string_append_printf(text, "vCPU %u: contexts %u, dispatches %" G_GUINT64_FORMAT ", jump misses %" G_GUINT64_FORMAT
                           ", links %" G_GUINT64_FORMAT ", walks %" G_GUINT64_FORMAT ", slow loads %" G_GUINT64_FORMAT
                           ", slow stores %" G_GUINT64_FORMAT ", device accesses %" G_GUINT64_FORMAT
                           ", L2 hits %" G_GUINT64_FORMAT ", resumed %" G_GUINT64_FORMAT ", found %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT
                           ", full flushes %" G_GUINT64_FORMAT ", page flushes %" G_GUINT64_FORMAT "\n",
                           v->vcpu->index, v->context_count, v->dispatches, v->misses, v->links, v->walks, v->slow_loads, v->slow_stores,
                           v->mmio, v->l2_hits, v->resumes, v->finds2, v->finds, v->flushes, v->page_flushes);
}

static void describe_windows(GString *text, const struct tcg_vcpu *v)
{
    const struct window_faults *f = &v->window_faults;

    g_string_append_printf(text, "  windows: %" G_GUINT64_FORMAT " given, %" G_GUINT64_FORMAT " taken back; faults %" G_GUINT64_FORMAT ", mappings made %" G_GUINT64_FORMAT
                           ", undone %" G_GUINT64_FORMAT ", emptied %" G_GUINT64_FORMAT "\n",
                           f->promoted, f->demoted, f->faults, f->maps, f->unmaps, f->emptied);
}

static void describe_loops(GString *text, const struct tcg *tcg)
{
    static const char *const why[TIER2_REFUSALS] = {
        [TIER2_ENDS] = "do not come back inside their page and the next", [TIER2_NEST] = "have loops inside", [TIER2_LARGE] = "are too large",
        [TIER2_OPERATION] = "do what turns cannot", [TIER2_NO_ROOM] = "found no room",
    };
    u64 refused = 0;

    for (u32 i = 0; i < TIER2_REFUSALS; i++)
        refused += tcg->loops_refused[i];
    g_string_append_printf(text, "quick: %" G_GUINT64_FORMAT " blocks (%" G_GUINT64_FORMAT " guest instructions), %" G_GUINT64_FORMAT " pages hot\n",
                           tcg->quick_blocks, tcg->quick_insns, tcg->hot_pages);
    g_string_append_printf(text, "base registers are asked first: %" G_GUINT64_FORMAT " pages, but for %" G_GUINT64_FORMAT " places\n", tcg->settled_pages, tcg->roaming);
    g_string_append_printf(text, "tier 2: %" G_GUINT64_FORMAT " loops made (%" G_GUINT64_FORMAT " in two pages), %" G_GUINT64_FORMAT " refused, %" G_GUINT64_FORMAT " given up\n",
                           tcg->loops, tcg->loops_of_two_pages, refused, tcg->loops_dropped);
    for (u32 i = 0; i < TIER2_REFUSALS; i++)
        if (tcg->loops_refused[i])
            g_string_append_printf(text, "  refused: %" G_GUINT64_FORMAT " %s\n", tcg->loops_refused[i], why[i]);
}

static void describe_cache(GString *text, const struct code_cache *c)
{
    u64 asked = c->hits + c->misses;

    g_string_append_printf(text, "code cache: %" G_GUINT64_FORMAT " hits (%" G_GUINT64_FORMAT " guest instructions), %" G_GUINT64_FORMAT
                           " misses: %.1f %% found\n", c->hits, c->hit_insns, c->misses, asked ? 100.0 * (double)c->hits / (double)asked : 0.0);
    g_string_append_printf(text, "  %" G_GUINT64_FORMAT " of them came with their page, %" G_GUINT64_FORMAT " were not asked for yet\n", c->ahead, tcg_cache_unmet(c));
    g_string_append_printf(text, "  %u units of %" G_GUINT64_FORMAT " KiB loaded in %.1f ms, %" G_GUINT64_FORMAT " units of %" G_GUINT64_FORMAT
                           " KiB new, %" G_GUINT64_FORMAT " found no room\n", c->loaded_units, c->loaded / 1024, (double)c->load_ns / 1e6, c->kept,
                           c->noted / 1024, c->full);
}

char *tcg_describe(struct vm *vm)
{
    struct tcg *tcg = container_of(vm_accel(vm), struct tcg, accel);
    GString *text = g_string_new(NULL);

    if (!tcg->engine) {
        g_string_append(text, "no code yet\n");
        return g_string_free(text, FALSE);
    }
    host_lock_take(&tcg->translate_lock);
    g_string_append_printf(text, "back end: %s\ncode buffer: %u of %u KiB in use\n", tcg->backend->name, tcg->at / 1024,
                           tcg->backend->code_limit(tcg->engine) / 1024);
    g_string_append_printf(text, "blocks: %" G_GUINT64_FORMAT " translated, %" G_GUINT64_FORMAT " live; pages with code: %" G_GUINT64_FORMAT " (%u guards)\n",
                           tcg->blocks, tcg->live_blocks, tcg->code_pages, tcg->guards);
    g_string_append_printf(text, "guest instructions translated: %" G_GUINT64_FORMAT " (%" G_GUINT64_FORMAT " bytes -> %" G_GUINT64_FORMAT " bytes)\n",
                           tcg->insns, tcg->guest_bytes, tcg->host_bytes);
    if (tcg->tier2)
        describe_loops(text, tcg);
    if (tcg->windows)
        g_string_append_printf(text, "windows: %u mappings of at most %u, in %u areas\n", tcg->windows_state.mappings, tcg->windows_state.limit, tcg->windows_state.areas);
    if (tcg->cache)
        describe_cache(text, tcg->cache);
    double each = tcg->sampled_insns ? (double)tcg->sampled_ns / (double)tcg->sampled_insns : 0.0;
    g_string_append_printf(text, "translation: %.1f ns of CPU time per guest instruction (of %" G_GUINT64_FORMAT
                           " sampled; left out: %" G_GUINT64_FORMAT " samples of %.1f ms), about %.1f ms in all\n",
                           each, tcg->sampled_insns, tcg->long_calls, (double)tcg->long_ns / 1e6, each * (double)tcg->insns / 1e6);
    g_string_append_printf(text, "invalidations: %" G_GUINT64_FORMAT ", chunks recycled: %" G_GUINT64_FORMAT "\n", tcg->invalidations, tcg->recycled);
    host_lock_drop(&tcg->translate_lock);
    for (u32 i = 0; i < vm_vcpu_count(vm); i++) {
        if (!vm_vcpu(vm, i)->accel)
            continue;
        describe_vcpu(text, tcg_of(vm_vcpu(vm, i)));
        if (tcg->windows)
            describe_windows(text, tcg_of(vm_vcpu(vm, i)));
    }
    return g_string_free(text, FALSE);
}
