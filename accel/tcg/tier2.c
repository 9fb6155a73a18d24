/*
 * accel/tcg/tier2.c - hot loops become one piece of code (tcg/loop.h). A thread asks busy vCPUs once in a while to come out of generated
 * code; where they come out at a backward link, a loop turns. One that was seen often enough is translated again by the vCPU that met
 * it: a matter of some ten microseconds, so there is no queue and no other translator. docs/decisions/tier-2.md
 *
 * The loop is an ordinary block at the same place, and takes the place of the one that was there as any new translation does.
 */
#include "accel/tcg/tier2.h"
#include "accel/tcg/trace.h"
#include "host/clock.h"
#include "host/thread.h"
#include "tcg/loop.h"
#include <string.h>

enum {
    PERIOD_NS = 1000000,      /* between two samples of a busy machine */
    LONGEST_NS = 100000000,   /* of an idle one */
    STRIKES = 8,              /* samples of turns outside of a loop's own code, less those inside, until it is given up */
    CREDIT = 2,
    MISS_NS = 64,             /* an access that finds another page than last time more often had better ask the tables at once */
    SPLIT_NS = 250,           /* a loop that leaves turns to other code more often had better check accesses one by one */
    TURN_NS = 150,            /* more often: half of its time passes there */
    REST = 64,                /* samples of a loop that was given up or refused until it is tried again; twice as many each time, */
    MOST_RESTS = 8,           /* of so many times */
    FOLLOWED = 3,             /* polls behind a sample that met a short loop, at which the vCPU comes out, too: what is around that loop turns there */
    SHORT_NS = 40,            /* an entry of a loop that did a turn or two, its checks included; docs/decisions/tier-2.md has others */
};

struct tier2 {
    struct host_thread thread;
    struct host_lock lock;    /* the rest */
    struct host_cond cond;
    GPtrArray *vcpus;
    bool stop;
};

/* --- sampling --- */

/* Lock held. True when somebody was busy. */
static bool ask_all(struct tier2 *t)
{
    bool busy = false;

    for (u32 i = 0; i < t->vcpus->len; i++) {
        struct vcpu *vcpu = t->vcpus->pdata[i];

        if (__atomic_load_n(&vcpu->sleeping, __ATOMIC_RELAXED))
            continue;
        vcpu_kick(vcpu);
        busy = true;
    }
    return busy;
}

static void *sample(void *opaque)
{
    struct tier2 *t = opaque;
    s64 period = PERIOD_NS;

    host_lock_take(&t->lock);
    while (!t->stop) {
        s64 until = host_clock_monotonic() + period;

        while (!t->stop && host_cond_wait_until(&t->cond, &t->lock, until))
            continue;
        period = ask_all(t) ? PERIOD_NS : MIN(period * 2, LONGEST_NS);
    }
    host_lock_drop(&t->lock);
    return NULL;
}

void tcg_tier2_start(struct tcg *tcg)
{
    struct tier2 *t = g_new0(struct tier2, 1);

    t->vcpus = g_ptr_array_new();
    host_lock_init(&t->lock, LOCK_RANK_TIER2);
    host_cond_init(&t->cond);
    tcg->tier2_state = t;
}

void tcg_tier2_stop(struct tcg *tcg)
{
    struct tier2 *t = tcg->tier2_state;

    if (!t)
        return;
    host_lock_take(&t->lock);
    t->stop = true;
    host_cond_wake_all(&t->cond);
    host_lock_drop(&t->lock);
    if (t->thread.running)
        host_thread_join(&t->thread);
    host_cond_finish(&t->cond);
    host_lock_finish(&t->lock);
    g_ptr_array_free(t->vcpus, TRUE);
    g_free(t);
    tcg->tier2_state = NULL;
}

/* The thread begins with the first vCPU: a machine without any has nobody to ask. */
bool tcg_tier2_add_vcpu(struct tcg *tcg, struct vcpu *vcpu, GError **error)
{
    struct tier2 *t = tcg->tier2_state;

    if (!t)
        return true;
    host_lock_take(&t->lock);
    g_ptr_array_add(t->vcpus, vcpu);
    host_lock_drop(&t->lock);
    return t->thread.running || host_thread_start(&t->thread, "tier2", sample, t, error);
}

void tcg_tier2_remove_vcpu(struct tcg *tcg, struct vcpu *vcpu)
{
    struct tier2 *t = tcg->tier2_state;

    if (!t)
        return;
    host_lock_take(&t->lock);
    g_ptr_array_remove(t->vcpus, vcpu);
    host_lock_drop(&t->lock);
}

/* --- making one --- */

static bool leads_back(const struct ir_block *b)
{
    for (u32 i = 0; i < b->exit_count; i++)
        if (ir_leads_back(b, &b->exit[i]))
            return true;
    return false;
}

static void heed(struct ir_block *b, const struct loop_lessons *lessons)
{
    b->apart = lessons->apart;
    b->far_count = lessons->far_count;
    memcpy(b->far, lessons->far, sizeof(b->far));
}

/* False: *why says why not. */
static bool build(struct tcg_vcpu *v, const struct code_source *source, bool counts, enum tier2_refusal *why)
{
    const struct trace *trace = source->opaque;
    struct ir_block *b = v->ir;

    ir_block_reset(b, source->offset);
    *why = TIER2_ENDS;
    if (v->vcpu->cpu->translate(v->vcpu, b, source) != TRANSLATE_OK)
        return false;
    b->total_order &= vm_vcpu_count(v->vcpu->vm) > 1;
    *why = TIER2_NEST;
    if (trace->nests)
        return false;
    *why = b->insn_count >= source->max_insns ? TIER2_LARGE : TIER2_ENDS;
    if (!b->overflow && !leads_back(b))
        return false;
    *why = TIER2_LARGE;
    b->loop = true;
    b->next_guard = b->first_pc + b->byte_count > TCG_PAGE_SIZE ? trace->next->guard : 0;
    heed(b, &trace->old->lessons);
    if (counts && !b->overflow)
        tcg_count_insns(v->tcg, b);
    if (b->overflow)
        return false;
    *why = TIER2_OPERATION;
    tcg_run_passes(v->tcg, b);
    return b->loop;
}

/* All of the loop, or else less and less of it. *why: of all. */
static bool build_some(struct tcg_vcpu *v, const struct code_source *source, bool counts, enum tier2_refusal *why)
{
    struct trace *trace = source->opaque;
    enum tier2_refusal ignored;

    for (u32 i = 0; i < trace->end_count; i++) {
        tcg_trace_end(trace, trace->ends[i]);
        if (build(v, source, counts, i ? &ignored : why))
            return true;
    }
    return false;
}

static u64 page_va(u64 pc)
{
    return pc & ~UINT64_C(4095);
}

/* The page behind that a way back was seen to come from: who goes there from here compares its guard, as the loop's head will. */
static bool knows_behind(const struct tcg_vcpu *v, const struct tier2_seen *seen, u64 va)
{
    return seen->behind && v->tcg->layout.guards && v->context->guard[seen->guard] == (va | TCG_GUARD_SET);
}

/* The page behind, where a loop may go on: this context met it, and a loop's head can ask for it. */
static struct code_page *page_behind(const struct tcg_vcpu *v, const struct code_page *page, u64 va, const struct tier2_seen *seen)
{
    struct code_page *next = NULL;

    if (knows_behind(v, seen, va))
        next = seen->page;
    else if (v->tcg->layout.guards)
        next = tcg_settle_page(v, va);
    return next && next->guard && next != page ? next : NULL;
}

static const u8 *host_of(const struct code_page *page)
{
    return page->ram->host + page->offset;
}

/* The first page is protected. */
static void read_both(struct tcg_vcpu *v, const struct code_page *page, struct code_page *next, u8 *bytes, struct code_source *source)
{
    tcg_page_protect(v, next, 0, TCG_PAGE_SIZE - 1);
    memcpy(bytes, host_of(page), TCG_PAGE_SIZE);
    memcpy(bytes + TCG_PAGE_SIZE, host_of(next), TCG_PAGE_SIZE);
    source->page = bytes;
    source->more = TCG_PAGE_SIZE;
}

/* translate_lock held. NULL: it is not to be. */
static struct block *make_locked(struct tcg_vcpu *v, struct block *old, u64 pc, const struct tier2_seen *seen, bool were_short, enum tier2_refusal *why)
{
    struct tcg *tcg = v->tcg;
    struct code_page *page = old->page, *next = page_behind(v, page, page_va(pc) + TCG_PAGE_SIZE, seen);
    struct trace trace;
    struct code_source source = {
        .page = host_of(page), .offset = old->offset, .mode = old->mode & ~(MODE_COUNT | MODE_WINDOW), .max_insns = MAX_LOOP_INSNS,
        .follow = tcg_trace_follow, .heads = trace.heads, .opaque = &trace,
    };
    u64 lines = page->lines, next_lines = next ? next->lines : 0;
    u8 both[TRACE_BYTES];
    struct block *block;

    tcg_trace_find(&trace, old, next, seen->behind, were_short);
    tcg_page_protect(v, page, old->offset, 4095);
    if (trace.next)
        read_both(v, page, next, both, &source);
    bool built = build_some(v, &source, old->mode & MODE_COUNT, why);
    tcg_page_set_lines(page, lines, old->offset, built ? MIN(old->offset + v->ir->byte_count, TCG_PAGE_SIZE) - 1 : old->offset);
    if (trace.next)
        tcg_page_set_lines_behind(next, next_lines, built ? v->ir : NULL);
    if (!built)
        return NULL;
    block = tcg_block_new(tcg, v->ir);
    block->page = page;
    block->next_page = v->ir->next_guard ? next : NULL;
    block->offset = old->offset;
    block->mode = old->mode;
    block->byte_count = (u16)v->ir->byte_count;
    block->insn_count = (u16)v->ir->insn_count;
    block->tier = 2;
    block->streams = v->ir->streams;
    block->lessons = old->lessons;
    if (!tcg_block_emit(tcg, v->ir, NULL, block)) {
        tcg_pool_give(&tcg->pool, block);
        *why = TIER2_NO_ROOM;
        return NULL;
    }
    tcg_block_publish(tcg, block, pc);
    tcg_log_block(v, block, v->ir, &source, pc);
    return block;
}

/*
 * It is ordinary code from now on; for a while, if what speaks against a loop may change: which ways were gone, where its data lie, how long those inside turn. A
 * guest can have it tried again MOST_RESTS times, each time after twice as long.
 */
static void let_rest(struct block *block, bool may_change)
{
    u32 rests = block->lessons.rests;

    may_change &= rests < MOST_RESTS;
    block->lessons.rests += may_change;
    __atomic_store_n(&block->rest, (u16)(may_change ? REST << rests : 0), __ATOMIC_RELAXED);
    tcg_set_heat(block, TIER2_NEVER);
}

/* A sample found it turning. */
static void rest_less(const struct tcg *tcg, struct block *block)
{
    u32 rest = __atomic_load_n(&block->rest, __ATOMIC_RELAXED);

    if (!rest)
        return;
    __atomic_store_n(&block->rest, (u16)(rest - 1), __ATOMIC_RELAXED);
    if (rest == 1)
        tcg_set_heat(block, tcg->tier2_threshold - 1);
}

/* Only samples know whether loops were short: without one, another loop inside is no reason for good; nor is that the context does not know the page behind. */
static struct block *make(struct tcg_vcpu *v, struct block *old, u64 pc, const struct tier2_seen *seen, bool were_short)
{
    struct tcg *tcg = v->tcg;
    enum tier2_refusal why = TIER2_ENDS;
    struct block *block = NULL;

    tcg_translate_lock(v);
    if (!old->dead)
        block = make_locked(v, old, pc, seen, were_short, &why);
    if (block) {
        tcg_block_kill(tcg, old);
        tcg->loops++;
        tcg->loops_of_two_pages += block->next_page != NULL;
    } else {
        if ((why == TIER2_NEST && !seen->sampled) || (seen->behind && !knows_behind(v, seen, page_va(pc) + TCG_PAGE_SIZE)))
            tcg_set_heat(old, tcg->tier2_threshold - 1);
        else
            let_rest(old, why != TIER2_OPERATION);
        tcg->loops_refused[why]++;
    }
    tcg_translate_unlock(v);
    return block ? block : old;
}

/* --- what the dispatcher tells --- */

struct tier2_seen tcg_tier2_look(const struct tcg_link *link, bool sampled)
{
    struct tier2_seen seen = { .sampled = sampled };
    const struct block *from;

    if (!link)
        return seen;
    from = container_of(link->from, struct block, code);
    if (!from->page) /* one instruction out of a device */
        return seen;
    seen.backward = !link->single && !link->call && link->pc < (s32)(from->offset + from->byte_count) && link->pc >= -TCG_PAGE_SIZE;
    if (seen.backward && link->pc < 0) {
        seen.behind = (u16)(TCG_PAGE_SIZE + from->offset + from->byte_count);
        seen.guard = from->page->guard;
        seen.page = from->page;
    }
    return seen;
}

/* Between the last two samples: whether loops were entered so often that they cannot have turned for long. */
static bool loops_were_short(struct tcg_vcpu *v, s64 spent)
{
    u32 entries = v->vcpu->host->loop_entries, count = entries - v->sampled_entries;

    v->sampled_entries = entries;
    return count && spent / count < SHORT_NS;
}

/* The ordinary block in place of a loop; NULL: see tcg_block_get. */
static struct block *give_up(struct tcg_vcpu *v, struct block *block, u64 pc)
{
    tcg_translate_lock(v);
    if (!block->dead) { /* another vCPU may have done the same */
        tcg_block_kill(v->tcg, block);
        v->tcg->loops_dropped++;
    }
    tcg_translate_unlock(v);
    return tcg_block_get(v, pc, block->mode & MODE_COUNT);
}

/* What the area of a loop says, since a sample left that loop before. */
struct told {
    bool misses, splits; /* often enough to make it otherwise */
    bool elsewhere;      /* other code does its turns half of the time */
    u16 missed;          /* where it missed last */
};

static struct told ask_area(struct tcg_vcpu *v, const struct block *block, s64 now)
{
    u32 number = block->code.near, k = number % TCG_NEAR_AREAS;
    struct tcg_near_area *near = &v->context->near->area[k];
    bool again = number == v->sampled_near[k].number;
    s64 spent = now - v->sampled_near[k].since;
    struct told told = { 0 };

    v->sampled_near[k].number = number;
    v->sampled_near[k].since = now;
    if (!number || v->context->near->owner[k] != number)
        return told;
    if (again) {
        told.misses = (s64)near->misses * MISS_NS > spent;
        told.splits = (s64)near->splits * SPLIT_NS > spent;
        told.elsewhere = (s64)near->splits * TURN_NS > spent;
        told.missed = (u16)near->missed;
    }
    near->misses = near->splits = 0;
    return told;
}

/*
 * A loop whose turns happen elsewhere most of the time: because its pages cannot be accessed so, or by ways that it did not take in. The
 * first turn of many a loop happens elsewhere, and a short one polls nowhere else; then what was entered is left alone for a while.
 */
static struct block *judge(struct tcg_vcpu *v, struct block *block, u64 pc, bool for_nothing)
{
    if (!for_nothing) {
        tcg_set_heat(block, tcg_heat(block) > CREDIT ? tcg_heat(block) - CREDIT : 0);
        return block;
    }
    if (tcg_heat_up(block) < STRIKES)
        return block;
    struct loop_lessons lessons = block->lessons;
    block = give_up(v, block, pc);
    if (block && block->tier != 2) {
        block->lessons = lessons;
        let_rest(block, true);
    }
    return block;
}

/* What it had better do otherwise the next time. False: nothing. */
static bool learn(struct loop_lessons *lessons, const struct told *told)
{
    if (told->splits && !lessons->apart) {
        lessons->apart = true;
        lessons->far_count = 0;
        return true;
    }
    if (!told->misses || lessons->far_count > IR_MAX_FAR)
        return false;
    if (lessons->far_count < IR_MAX_FAR)
        lessons->far[lessons->far_count] = told->missed;
    lessons->far_count++;
    return true;
}

static struct block *make_again(struct tcg_vcpu *v, struct block *old, u64 pc, const struct loop_lessons *lessons)
{
    struct block *block = give_up(v, old, pc);

    if (block && block->tier != 2) {
        block->lessons = *lessons;
        tcg_set_heat(block, MAX(v->tcg->tier2_threshold, 2) - 2); /* its way back is linked first */
    }
    return block;
}

/* A sample met the vCPU on its way to a loop. */
static struct block *improve(struct tcg_vcpu *v, struct block *block, u64 pc, s64 now, bool left_at_once)
{
    struct loop_lessons lessons = block->lessons;
    struct told told = ask_area(v, block, now);

    if (learn(&lessons, &told))
        return make_again(v, block, pc, &lessons);
    return judge(v, block, pc, left_at_once || told.elsewhere);
}

static bool may_become_loop(const struct tcg_vcpu *v, const struct block *block)
{
    return tcg_heat(block) != TIER2_NEVER && tcg_may_cache(block) && !(block->mode & MODE_SINGLE) &&
           !v->tcg->one_insn_per_tb && !log_wants(vm_log(v->vcpu->vm), LOG_EXEC | LOG_CPU | LOG_NOCHAIN);
}

/* Seen turning once more: often enough, it becomes a loop. */
static struct block *take_in(struct tcg_vcpu *v, struct block *block, u64 pc, const struct tier2_seen *seen, bool were_short)
{
    if (!may_become_loop(v, block) || tcg_heat_up(block) < v->tcg->tier2_threshold)
        return block;
    return make(v, block, pc, seen, were_short);
}

struct block *tcg_tier2_note(struct tcg_vcpu *v, struct block *block, u64 pc, const struct tier2_seen *seen)
{
    if (likely(!seen->backward && !seen->sampled))
        return block;
    if (seen->sampled && v->follows) {
        v->follows--;
        return seen->backward && block->tier != 2 ? take_in(v, block, pc, seen, true) : block;
    }
    s64 now = seen->sampled ? host_clock_thread_cpu() : 0, spent = now - v->sampled_at;
    bool were_short = seen->sampled && loops_were_short(v, spent);

    if (seen->sampled)
        v->sampled_at = now;
    if (seen->backward && were_short)
        v->follows = FOLLOWED;
    if (seen->sampled && tcg_settle_sampled(v, block, spent) && block->dead)
        return tcg_block_get(v, pc, block->mode & (MODE_COUNT | MODE_SINGLE | MODE_ONE_INSN));
    if (seen->sampled && tcg_window_sampled(v, pc, spent))
        return tcg_block_get(v, pc, block->mode & (MODE_COUNT | MODE_SINGLE | MODE_ONE_INSN));
    if (seen->sampled && !(block = tcg_quick_sampled(v, block, pc)))
        return NULL;
    if (block->tier == 2)
        return seen->sampled ? improve(v, block, pc, now, seen->backward && were_short) : block;
    if (seen->backward && seen->sampled)
        rest_less(v->tcg, block);
    return seen->backward ? take_in(v, block, pc, seen, were_short) : block;
}
