/* accel/tcg/translate.c - from a guest address to a block: found, or read, translated, emitted and published. */
#include "accel/tcg/kept.h"
#include "host/clock.h"
#include "tcg/builder.h"

void tcg_translate_lock(struct tcg_vcpu *v)
{
    if (likely(host_lock_try(&v->tcg->translate_lock)))
        return;
    /* Waiting inside would keep a translator's handshake from ever finishing. */
    vcpu_enter_outside(v->vcpu);
    host_lock_take(&v->tcg->translate_lock);
    vcpu_leave_outside(v->vcpu);
}

void tcg_translate_unlock(struct tcg_vcpu *v)
{
    host_lock_drop(&v->tcg->translate_lock);
}

/*
 * The page of code at va: as this context's instruction TLB remembers it, with the page of code alone in *walk, or by a walk.
 * False: fault, in walk->page.
 */
static bool fetch_page(struct tcg_vcpu *v, u64 va, struct itlb_entry *out, struct walk *walk)
{
    struct itlb_entry *entry = &v->context->itlb[(va >> 12) % ITLB_SIZE];

    if (entry->va == (va & ~UINT64_C(4095)) && entry->generation == v->context->generation) {
        *out = *entry;
        *walk = (struct walk){ .host = (u8 *)out->host, .ram = out->page->ram, .ram_offset = out->page->offset };
        return true;
    }
    if (!tcg_walk(v, va, 2, MMU_FETCH, walk))
        return false;
    *out = (struct itlb_entry){ .va = va & ~UINT64_C(4095), .generation = v->context->generation, .global = walk->page.global, .host = walk->host };
    if (walk->host)
        out->page = tcg_code_page(v->tcg, walk->ram, walk->ram_offset, false);
    if (out->page && !walk->page.uncached)
        *entry = *out;
    return true;
}

struct stop_rule {
    const struct code_page *page;
    u32 mode, first;
};

/* Tier 1 stops at known entries: what follows is already there. */
static bool stop_before(void *opaque, u32 offset)
{
    const struct stop_rule *rule = opaque;

    return offset != rule->first && tcg_page_find(rule->page, offset, rule->mode) != NULL;
}

void tcg_run_passes(struct tcg *tcg, struct ir_block *ir)
{
    struct log *log = vm_log(tcg->vm);
    const char *after = log_ir_pass(log);

    if (log_wants(log, LOG_IR) && !after) {
        g_autofree char *text = ir_print(ir, tcg->layout.reg, tcg->layout.reg_count);
        log_print(log, LOG_IR, "IR:\n%s", text);
    }
    for (const struct ir_pass *pass = ir_passes; pass->name; pass++) {
        pass->run(ir, &tcg->layout);
#ifdef MYNAH_VERIFY_IR
        g_autoptr(GError) error = NULL;
        if (!ir_verify(ir, tcg->layout.reg, tcg->layout.reg_count, &error))
            g_error("IR after pass %s: %s", pass->name, error->message);
#endif
        if (after && !strcmp(after, pass->name) && log_wants(log, LOG_IR)) {
            g_autofree char *text = ir_print(ir, tcg->layout.reg, tcg->layout.reg_count);
            log_print(log, LOG_IR, "IR after %s:\n%s", pass->name, text);
        }
    }
    if (tcg->backend->prepare)
        tcg->backend->prepare(tcg->engine, ir);
}

struct block *tcg_block_new(struct tcg *tcg, const struct ir_block *ir)
{
    u32 links = 0, next = 0;
    struct block *block;

    for (u32 i = 0; i < ir->exit_count; i++)
        links += ir->exit[i].kind == IR_EXIT_DIRECT;
    block = tcg_pool_take(&tcg->pool, links);
    for (u32 i = 0; i < ir->exit_count; i++) {
        if (ir->exit[i].kind != IR_EXIT_DIRECT)
            continue;
        struct tcg_link *link = &block->link[next++];
        link->from = &block->code;
        link->pc = ir->exit[i].pc;
        link->single = ir->exit[i].single;
        link->call = ir->exit[i].hint == IR_HINT_CALL;
        link->same_page = (u32)link->pc < TCG_PAGE_SIZE;
    }
    return block;
}

static void give_back(void *opaque)
{
    struct block *block = opaque, *next;

    for (; block; block = next) {
        next = block->next_dead;
        tcg_pool_give(block->pool, block);
    }
}

void tcg_block_retire(struct tcg *tcg, struct block *block)
{
    enum { TOGETHER = 64 };

    block->pool = &tcg->pool;
    block->next_dead = tcg->dead;
    tcg->dead = block;
    if (++tcg->dead_count < TOGETHER)
        return;
    epoch_retire(tcg->code_epoch, tcg->dead, give_back);
    tcg->dead = NULL;
    tcg->dead_count = 0;
}

static u32 emit(struct tcg *tcg, const struct ir_block *ir, const struct quick_list *quick, struct block *block, u32 limit)
{
    return quick ? tcg->backend->quick_emit(tcg->engine, ir, quick->insn, quick->count, &block->code, tcg->at, limit)
                 : tcg->backend->emit(tcg->engine, ir, &block->code, tcg->at, limit);
}

static bool is_empty(const struct tcg *tcg, const struct chunk *chunk)
{
    return tcg->at == chunk->first;
}

/* Emits into the current chunk; moves on when it is full. False: no room just now, or, in a chunk that is empty, never. */
bool tcg_block_emit(struct tcg *tcg, const struct ir_block *ir, const struct quick_list *quick, struct block *block)
{
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        struct chunk *chunk = &tcg->chunk[tcg->current_chunk];
        u32 end = emit(tcg, ir, quick, block, chunk->limit);

        if (end) {
            chunk->used = true;
            tcg_window_note_faults(tcg, chunk);
            block->chunk = (u8)tcg->current_chunk;
            tcg->host_bytes += end - tcg->at;
            tcg->at = end;
            return true;
        }
        if (is_empty(tcg, chunk) || !tcg_chunk_next(tcg))
            return false;
    }
    return false;
}

void tcg_block_publish(struct tcg *tcg, struct block *block, u64 pc)
{
    struct chunk *chunk = &tcg->chunk[block->chunk];

    block->next_in_chunk = chunk->blocks;
    if (chunk->blocks)
        chunk->blocks->previous_in_chunk = block;
    chunk->blocks = block;
    tcg_page_add(block);
    tcg->blocks++;
    tcg->live_blocks++;
    tcg->insns += block->insn_count;
    tcg->guest_bytes += block->byte_count;
    if (tcg->perf)
        tcg_tell_perf(tcg, block, pc);
}

/* Everything needed to translate at a place. */
struct site {
    u64 pc;
    struct itlb_entry here, there; /* there: the next page, for an instruction that crosses */
    struct ram_block *ram;
    u64 ram_offset;                /* of the page */
    struct ram_block *next_ram;
    u64 next_offset;
    u32 mode, variant;
    u32 most_insns;                /* that fit a chunk; 0: not found out, MAX_BLOCK_INSNS at most */
    bool edges;                    /* permissions change inside the page */
};

static bool find_next_page(struct tcg_vcpu *v, struct site *site)
{
    u64 va = (site->pc & ~UINT64_C(4095)) + 4096;
    struct walk walk;

    if (!tcg_walk(v, va, 2, MMU_FETCH, &walk)) {
        v->vcpu->cpu->set_pc(v->vcpu, site->pc);
        v->vcpu->cpu->fault(v->vcpu, va, MMU_FETCH, &walk.page);
        return false;
    }
    site->there.host = walk.host;
    v->second_is_even = !walk.page.uncached;
    site->next_ram = walk.ram;
    site->next_offset = walk.ram_offset;
    return true;
}

/*
 * CPU time of translating, for info jit. One time in SAMPLE it is timed, and the cost of reading the clock is taken off. The
 * clock is the one that needs no system call: those of the thread's CPU clock leave caches and TLBs behind that double the
 * time of the block that follows. What takes longer than OFF_CPU ns was interrupted by other threads, or
 * waited for the host to clear memory, and is told apart.
 */
enum { SAMPLE = 16, SAMPLE_KEPT = 1 /* where whole pages come from the code cache */, OFF_CPU = 1000000 };

struct stopwatch {
    bool runs;
    s64 start, clock_cost;
};

static struct stopwatch stopwatch_start(struct tcg *tcg)
{
    struct stopwatch watch = { .runs = tcg->timed++ % (tcg->cache && tcg->cache->loaded ? SAMPLE_KEPT : SAMPLE) == 0 };

    if (watch.runs) {
        s64 before = host_clock_monotonic();

        watch.start = host_clock_monotonic();
        watch.clock_cost = watch.start - before;
    }
    return watch;
}

static void stopwatch_stop(struct tcg *tcg, const struct stopwatch *watch, u32 insns)
{
    if (!watch->runs)
        return;
    s64 spent = host_clock_monotonic() - watch->start - watch->clock_cost;
    if (spent > OFF_CPU) {
        tcg->long_ns += (u64)spent;
        tcg->long_calls++;
        return;
    }
    tcg->sampled_ns += (u64)MAX(spent, 0);
    tcg->sampled_insns += insns;
}

bool tcg_front_end(struct tcg_vcpu *v, struct code_source *source, u32 variant)
{
    for (; source->max_insns; source->max_insns /= 2) {
        ir_block_reset(v->ir, source->offset);
        if (v->vcpu->cpu->translate(v->vcpu, v->ir, source) != TRANSLATE_OK)
            return false;
        if (variant & MODE_COUNT && !v->ir->overflow)
            tcg_count_insns(v->tcg, v->ir);
        if (!v->ir->overflow)
            return true;
    }
    return false;
}

void tcg_block_describe(struct block *block, const struct ir_block *ir, struct code_page *page, u32 offset, u32 mode)
{
    block->page = page;
    block->offset = offset;
    block->mode = mode;
    block->byte_count = (u16)ir->byte_count;
    block->insn_count = (u16)ir->insn_count;
    block->below = (u16)ir->below;
    block->calls = tcg_pair_calls(ir);
}

/* Blocks, the second of them perhaps NULL, have their code. */
static void finish_blocks(struct tcg_vcpu *v, const struct site *site, const struct stopwatch *watch, const struct code_source *source,
                          struct block *const blocks[KEPT_PARTS])
{
    u32 insns = 0;

    for (u32 i = 0; i < KEPT_PARTS && blocks[i]; i++) {
        tcg_block_publish(v->tcg, blocks[i], (site->pc & ~UINT64_C(4095)) | blocks[i]->offset);
        insns += blocks[i]->insn_count;
    }
    stopwatch_stop(v->tcg, watch, insns);
    for (u32 i = 0; i < KEPT_PARTS && blocks[i]; i++) {
        struct code_source here = *source;

        here.offset = blocks[i]->offset;
        tcg_log_block(v, blocks[i], blocks[i]->quick ? NULL : i ? v->second_ir : v->ir, &here, (site->pc & ~UINT64_C(4095)) | here.offset);
    }
}

/* What is counted, checked access by access or kept is what lies there, one behind the other. */
static bool may_unfactor(const struct tcg *tcg, u32 variant)
{
    return !(variant & ~MODE_WINDOW) && !tcg->one_insn_per_tb && !tcg->cache;
}

/* Whether the page behind is for this vCPU, too, what it was for the one that made the block. */
static bool is_there(const struct block *block, const struct site *site)
{
    return !tcg_is_split(block) || (block->next_page->ram == site->next_ram && block->next_page->offset == site->next_offset);
}

static struct block *translate_locked(struct tcg_vcpu *v, struct site *site)
{
    struct tcg *tcg = v->tcg;
    struct code_page *page = site->here.page ? site->here.page : tcg_code_page(tcg, site->ram, site->ram_offset, true), *next = NULL;
    u32 offset = site->pc & 4095, mode = site->mode | site->variant;
    struct stop_rule rule = { page, mode, offset };
    struct code_source source = { .page = site->here.host, .offset = offset, .mode = site->mode, .stop_before = stop_before,
                                  .stops = page->starts, .opaque = &rule };
    struct block *block = tcg_page_find(page, offset, mode);

    if (block && is_there(block, site))
        return block; /* another vCPU was quicker */
    if (block)
        tcg_block_kill(tcg, block);
    struct stopwatch watch = stopwatch_start(tcg);
    source.single_memory = site->variant & (MODE_SINGLE | MODE_ONE_INSN);
    source.max_insns = site->variant & MODE_ONE_INSN || tcg->one_insn_per_tb ? 1 : site->most_insns ? site->most_insns : MAX_BLOCK_INSNS;
    source.unfactor = may_unfactor(tcg, site->variant);
    if (site->next_ram) {
        next = tcg_code_page(tcg, site->next_ram, site->next_offset, true);
        source.next_page = site->there.host;
        tcg_page_protect(v, next, 0, 15);
    }
    /* An upper bound of what the block may cover, before a byte is read; the lines behind its end are given back. */
    u64 lines = page->lines;
    tcg_page_protect_source(v, page, &source);
    const struct kept_want want = { .source = &source, .page = page, .next = next, .pc = site->pc, .lines = lines, .mode = mode };
    u32 insns;
    if (tcg->cache && (block = tcg_kept_take(v, &want, &insns))) {
        stopwatch_stop(tcg, &watch, insns);
        return block;
    }
    if (tcg->cache)
        tcg_kept_read(tcg->cache, page, &source);
    block = tcg_quick_may(tcg, page, site->variant) ? tcg_quick_translate(v, &source, page, lines, mode) : NULL;
    if (block) {
        finish_blocks(v, site, &watch, &source, (struct block *[]){ block, NULL });
        return block;
    }
    if (!tcg_front_end(v, &source, site->variant))
        return NULL;
    v->ir->single_memory = site->variant & MODE_SINGLE;
    v->ir->behind = tcg->emitted_page == page && tcg->emitted_mode == mode;
    tcg_say_places(v->ir, page, mode);
    tcg_run_passes(tcg, v->ir);
    tcg_page_set_lines_of(page, lines, v->ir);
    block = tcg_block_new(tcg, v->ir);
    tcg_block_describe(block, v->ir, page, offset, mode);
    block->next_page = v->ir->byte_count + offset > 4096 ? next : NULL;
    struct block *second = NULL;
    struct code_source behind = source;
    behind.offset = rule.first = tcg_pair_offset(tcg, v->ir, block);
    behind.max_insns = MAX_BLOCK_INSNS;
    if ((behind.offset == TCG_PAGE_SIZE || !tcg_pair_emit(v, block, &second, &behind)) && !tcg_block_emit(tcg, v->ir, NULL, block)) {
        tcg_pool_give(&tcg->pool, block);
        if (!is_empty(tcg, &tcg->chunk[tcg->current_chunk]) || v->ir->insn_count == 1)
            return NULL;
        site->most_insns = v->ir->insn_count / 2;
        return translate_locked(v, site);
    }
    tcg->emitted_page = page;
    tcg->emitted_mode = mode;
    if (tcg->cache && !v->ir->momentary && (!second || !v->second_ir->momentary))
        tcg_kept_note(v, &source, block, second);
    finish_blocks(v, site, &watch, &source, (struct block *[]){ block, second });
    return block;
}

/* True when the first instruction at the site needs bytes of the next page: the front end says so. */
static bool crosses(struct tcg_vcpu *v, const struct site *site)
{
    struct code_source source = { .page = site->here.host, .offset = site->pc & 4095, .mode = site->mode, .max_insns = 1 };

    if (source.offset + 16 <= 4096)
        return false;
    ir_block_reset(v->ir, source.offset);
    return v->vcpu->cpu->translate(v->vcpu, v->ir, &source) == TRANSLATE_NEEDS_NEXT_PAGE;
}

static bool describe_site(struct tcg_vcpu *v, u64 pc, u32 variant, struct site *site)
{
    struct walk walk;

    *site = (struct site){ .pc = pc, .mode = tcg_code_mode(v), .variant = variant | (v->context->use.on ? MODE_WINDOW : 0) };
    if (!fetch_page(v, pc, &site->here, &walk)) {
        v->vcpu->cpu->set_pc(v->vcpu, pc);
        v->vcpu->cpu->fault(v->vcpu, pc, MMU_FETCH, &walk.page);
        return false;
    }
    site->ram = walk.ram;
    site->ram_offset = walk.ram_offset;
    /* Permissions that change inside the page: each instruction is fetched through the dispatcher. */
    if (walk.page.uncached) {
        site->variant |= MODE_ONE_INSN;
        site->edges = true;
    }
    return true;
}

static struct block *get_at(struct tcg_vcpu *v, struct site *site)
{
    struct block *block = NULL;

    if (site->here.page)
        block = tcg_page_find(site->here.page, site->pc & 4095, site->mode | site->variant);
    if (block)
        tcg_kept_met(v->tcg, block);
    if (block && !tcg_is_split(block))
        return block;
    if (!site->here.host)
        return tcg_translate_uncached(v, site->pc, site->variant);
    /* Both pages of a crossing instruction are checked at every entry. */
    if (block || crosses(v, site)) {
        if (!find_next_page(v, site))
            return NULL;
        if (!site->there.host)
            return tcg_translate_uncached(v, site->pc, site->variant);
        if (block && is_there(block, site))
            return block;
    }
    tcg_translate_lock(v);
    if (unlikely(v->context->generation != site->here.generation)) {
        /* The map changed while this waited outside, and what the site points to may be gone. */
        tcg_translate_unlock(v);
        return NULL;
    }
    block = translate_locked(v, site);
    tcg_translate_unlock(v);
    return block;
}

/* Where permissions change inside the page, those of the instruction's first bytes are not those of the rest. */
static bool may_fetch_rest(struct tcg_vcpu *v, u64 pc, const struct block *block)
{
    struct walk walk;

    for (u64 va = pc + 2; va < pc + block->byte_count; va += 2) {
        if (tcg_walk(v, va, 2, MMU_FETCH, &walk))
            continue;
        v->vcpu->cpu->fault(v->vcpu, va, MMU_FETCH, &walk.page);
        return false;
    }
    return true;
}

struct block *tcg_block_get(struct tcg_vcpu *v, u64 pc, u32 variant)
{
    struct site site;

    v->vcpu->cpu->set_pc(v->vcpu, pc);
    if (!describe_site(v, pc, variant, &site))
        return NULL;
    struct block *block = get_at(v, &site);
    return block && site.edges && !may_fetch_rest(v, pc, block) ? NULL : block;
}

const struct code_page *tcg_code_known(struct tcg_vcpu *v, u64 pc, bool *global)
{
    struct itlb_entry here;
    struct walk walk;

    if (!fetch_page(v, pc, &here, &walk) || walk.page.uncached)
        return NULL;
    *global = here.global;
    return here.page;
}

static void remove_incoming(struct tcg_link *link)
{
    struct block *to = (struct block *)link->to;
    struct tcg_link **at = &to->incoming;

    while (*at && *at != link)
        at = &(*at)->next_in;
    if (*at)
        *at = link->next_in;
    link->to = NULL;
}

/* translate_lock held. */
void tcg_block_kill(struct tcg *tcg, struct block *block)
{
    if (block->dead)
        return;
    if (unlikely(tcg_kept_noted(block)))
        tcg_kept_save(tcg, block);
    __atomic_store_n(&block->dead, true, __ATOMIC_RELEASE);
    tcg_page_remove(block);
    tcg->backend->kill(tcg->engine, &block->code);
    while (block->incoming) {
        struct tcg_link *link = block->incoming;

        block->incoming = link->next_in;
        tcg->backend->set_link(tcg->engine, link, NULL);
        link->to = NULL;
        if (!link->same_page) /* what is there next may be linked again */
            __atomic_store_n(&link->probes, false, __ATOMIC_RELAXED);
    }
    for (u32 i = 0; i < block->code.link_count; i++) {
        if (!block->link[i].to)
            continue;
        /* Who is in this code comes out at its end: what it led to may die next, and nobody would know of this way there. */
        tcg->backend->set_link(tcg->engine, &block->link[i], NULL);
        remove_incoming(&block->link[i]);
    }
    if (block->previous_in_chunk)
        block->previous_in_chunk->next_in_chunk = block->next_in_chunk;
    else
        tcg->chunk[block->chunk].blocks = block->next_in_chunk;
    if (block->next_in_chunk)
        block->next_in_chunk->previous_in_chunk = block->previous_in_chunk;
    tcg->live_blocks--;
    if (block->tier == 2) /* who turns in it has no link there that could be taken away */
        tcg_kick_all(tcg);
    tcg_block_retire(tcg, block);
}
