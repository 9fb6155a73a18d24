/*
 * accel/tcg/window_use.c - when windows are worth it. A context that samples met often enough runs code of MODE_WINDOW from then on: accesses whose page is not
 * mapped fault, and C maps it. Mappings are paid from what the context may lose, a part of its time; instructions that fault often for nothing go back to
 * the tables, by 16 bytes of code. The vCPU's own thread, but for the signal handler.
 */
#include "accel/tcg/tcg.h"
#include "base/error.h"
#include "host/map.h"
#include "host/process.h"

enum {
    MAP_NS = 8000, FAULT_NS = 2500, OTHER_NS = 8, /* what they cost, roughly; the last: a base that leads to another region */
    FIRST_CREDIT = 4000000,
    PART = 20,          /* of the time may go into mappings */
    USELESS_PART = 32,  /* and so much of it into faults for nothing, or into looking for distances */
    LONGEST_NS = 10000000, /* between two samples, as far as it counts */
    WAIT = 64,          /* samples until a context that lost too much is tried again; twice as many each time */
    MOST_FAILURES = 8,
    OTHERS = 16384,     /* mappings of the process that are not for windows */
    FAULT_BYTES = 16,   /* of code, for an access and what is cold of it, at least */
};

/* --- what faulted --- */

static const struct tcg_fault *find(const struct chunk *chunk, u32 at)
{
    u32 low = 0, high = __atomic_load_n(&chunk->fault_count, __ATOMIC_ACQUIRE);

    while (low < high) {
        u32 middle = low + (high - low) / 2;

        if (chunk->fault[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low && at - chunk->fault[low - 1].at < chunk->fault[low - 1].size ? &chunk->fault[low - 1] : NULL;
}

/* In the signal handler. */
static const void *go_on(void *opaque, const u8 *at, u8 *near_base)
{
    struct tcg *tcg = opaque;
    const u8 *base = near_base - ((uintptr_t)near_base & 255); /* back ends may have a small constant there (tcg_base_place()) */
    u32 offset = tcg->backend->offset_of(tcg->engine, at);

    for (u32 i = 0; i < CHUNKS; i++) {
        const struct chunk *chunk = &tcg->chunk[i];
        const struct tcg_fault *fault = offset >= chunk->first && offset < chunk->limit ? find(chunk, offset) : NULL;

        if (!fault)
            continue;
        tcg_of(((struct vcpu_host *)base - 1)->vcpu)->window_faults.pending = true;
        return tcg->backend->exec_at(tcg->engine, fault->cold);
    }
    return NULL;
}

void tcg_window_note_faults(struct tcg *tcg, struct chunk *chunk)
{
    const struct tcg_fault *fault;
    u32 count;

    if (!tcg->layout.windows)
        return;
    count = tcg->backend->faults(tcg->engine, &fault);
    memcpy(&chunk->fault[chunk->fault_count], fault, count * sizeof(*fault));
    __atomic_store_n(&chunk->fault_count, chunk->fault_count + count, __ATOMIC_RELEASE);
}

static u64 fault_bytes(const struct chunk *chunk)
{
    return (chunk->limit - chunk->first) / FAULT_BYTES * sizeof(struct tcg_fault);
}

/* --- start and end --- */

bool tcg_windows_start(struct tcg *tcg, GError **error)
{
    struct windows *w = &tcg->windows_state;
    u32 most = host_process_mapping_limit();

    w->limit = most > 2 * OTHERS ? (most - OTHERS) / 2 : OTHERS / 2;
    w->nowhere = tcg_window_reserve();
    for (u32 i = 0; i < CHUNKS; i++) {
        if (!(tcg->chunk[i].fault = host_map_anonymous(fault_bytes(&tcg->chunk[i]), false, error)))
            return error_prefix(error, "windows=on");
    }
    if (!w->nowhere)
        return error_set(error, "windows=on: the host has no %" G_GUINT64_FORMAT " GiB of addresses left for them", (UINT64_C(1) << TCG_WINDOW_SHIFT) / GIB);
    w->watch = (struct host_fault_watch){ .start = tcg->backend->exec_at(tcg->engine, 0), .size = tcg->backend->code_limit(tcg->engine), .go_on = go_on, .opaque = tcg };
    return host_fault_watch(&w->watch, error) || error_prefix(error, "windows=on");
}

void tcg_windows_stop(struct tcg *tcg)
{
    host_fault_forget(&tcg->windows_state.watch);
    tcg_window_release(tcg->windows_state.nowhere);
    for (u32 i = 0; i < CHUNKS; i++) {
        if (tcg->chunk[i].fault)
            host_map_free(tcg->chunk[i].fault, fault_bytes(&tcg->chunk[i]));
    }
}

/* --- contexts --- */

void tcg_window_leave(struct tcg_vcpu *v, struct context *context)
{
    tcg_window_empty(v, context);
    context->use = (struct window_use){ .window = context->use.window };
}

void tcg_window_begin(struct tcg_vcpu *v, struct context *context)
{
    tcg_window_empty(v, context);
    if (v->tcg->layout.windows && !v->tcg->window_threshold && context->key.root && !v->vcpu->counting)
        context->use.on = true;
}

static void note_useless(struct tcg_vcpu *v, s64 where)
{
    struct window_faults *f = &v->window_faults;

    v->context->use.useless++;
    if (f->missed_of != v->context)
        f->missed_count = 0;
    f->missed_of = v->context;
    f->missed[f->missed_count % WINDOW_MISSED].page = v->vcpu->host->pc_page;
    f->missed[f->missed_count++ % WINDOW_MISSED].where = where;
}

void tcg_window_faulted(struct tcg_vcpu *v, u64 va, bool write, const struct walk *walk, s64 where)
{
    v->window_faults.faults++;
    if (v->context->use.on && tcg_window_map(v, va, write, walk))
        v->context->use.mapped++;
    else
        note_useless(v, where);
}

/* True: the instruction was not among those places, and is now; its code is to be made again. */
static bool add_place(struct tcg_vcpu *v, struct code_page *page, u64 places[4], s64 offset)
{
    u64 *word, bit;

    if (offset < 0 || offset >= TCG_PAGE_SIZE)
        return false;
    word = &places[offset >> 10];
    bit = BIT64(offset >> 4 & 63);
    if (*word & bit)
        return false;
    *word |= bit;
    tcg_settle_kill(v->tcg, page, (u32)offset);
    return true;
}

/* From now on instructions that faulted for nothing ask the tables. */
static bool blame_useless(struct tcg_vcpu *v)
{
    struct window_faults *f = &v->window_faults;
    bool killed = false;

    if (f->missed_of != v->context)
        return false;
    tcg_translate_lock(v);
    for (u32 i = 0; i < MIN(f->missed_count, WINDOW_MISSED); i++) {
        struct code_page *page = tcg_settle_page(v, f->missed[i].page);

        killed |= page && add_place(v, page, page->roams, f->missed[i].where);
    }
    tcg_translate_unlock(v);
    f->missed_count = 0;
    return killed;
}

/* ... and those that went from one region to another look the distance up at once. */
static bool blame_others(struct tcg_vcpu *v, const struct tcg_windows *windows)
{
    bool killed = false;

    tcg_translate_lock(v);
    for (u32 i = 0; i < MIN(windows->others, TCG_WINDOW_OTHERS); i++) {
        struct code_page *page = tcg_settle_page(v, windows->other[i].page);

        killed |= page && add_place(v, page, page->alters, windows->other[i].where);
    }
    tcg_translate_unlock(v);
    return killed;
}

static bool set_on(struct tcg_vcpu *v, bool on)
{
    struct window_use *use = &v->context->use;

    use->on = on;
    use->samples = on ? 0 : -(WAIT << use->failures);
    use->credit = FIRST_CREDIT;
    use->failures += !on && use->failures < MOST_FAILURES;
    if (on)
        v->window_faults.promoted++;
    else
        v->window_faults.demoted++;
    tcg_context_change_code(v, v->context);
    return true;
}

/* What the time since the last sample paid and cost. */
static bool judge(struct tcg_vcpu *v, s64 spent)
{
    struct tcg_windows *windows = (struct tcg_windows *)(void *)(v->context->base + v->tcg->layout.windows);
    struct window_use *use = &v->context->use;
    bool killed = (s64)use->useless * FAULT_NS > spent / USELESS_PART && blame_useless(v);

    killed |= (s64)windows->others * OTHER_NS > spent / USELESS_PART && blame_others(v, windows);
    windows->others = 0;
    use->credit += spent / PART - (s64)use->mapped * MAP_NS;
    use->mapped = use->useless = 0;
    if (use->credit < 0 && v->tcg->window_threshold)
        return set_on(v, false);
    use->credit = MIN(use->credit, (s64)FIRST_CREDIT * 4);
    return killed;
}

bool tcg_window_sampled(struct tcg_vcpu *v, u64 pc, s64 spent)
{
    struct window_use *use = &v->context->use;

    if (!v->tcg->layout.windows || !v->context->space || v->vcpu->counting || pc >> (TCG_WINDOW_SHIFT + TCG_WINDOW_INDEX))
        return false;
    if (use->on)
        return judge(v, MIN(spent, LONGEST_NS));
    return ++use->samples >= (s32)v->tcg->window_threshold && set_on(v, true);
}
