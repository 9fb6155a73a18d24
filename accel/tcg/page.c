/* accel/tcg/page.c - which lines of RAM have translated code, and what happens when they are written. */
#include "accel/tcg/tcg.h"
#include "host/map.h"

/* Per RAM block: a lazily backed array of pointers, one per page, and behind them the head of the list of those in use. */
static u64 table_bytes(const struct ram_block *ram)
{
    return ((ram->size >> 12) + 1) * sizeof(struct code_page *);
}

static struct code_page **list_of(const struct ram_block *ram, struct code_page **pages)
{
    return &pages[ram->size >> 12];
}

static struct code_page **pages_of(struct ram_block *ram, bool create)
{
    struct code_page **pages = __atomic_load_n((struct code_page ***)&ram->accel_data, __ATOMIC_ACQUIRE);

    if (!pages && create) {
        struct code_page **made = host_map_anonymous(table_bytes(ram), false, NULL);

        /* vCPUs that fill their L2 may be here at the same time. */
        if (__atomic_compare_exchange_n((struct code_page ***)&ram->accel_data, &pages, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return made;
        host_map_free(made, table_bytes(ram));
    }
    return pages;
}

_Static_assert(offsetof(struct code_page, lines) == 0, "a pointer to a page is one to its lines");

const u64 *const *tcg_code_of(struct ram_block *ram, u64 offset)
{
    struct code_page **pages = pages_of(ram, true);

    return pages ? (const u64 *const *)&pages[offset >> 12] : NULL;
}

/* Creating needs translate_lock. */
struct code_page *tcg_code_page(struct tcg *tcg, struct ram_block *ram, u64 offset, bool create)
{
    struct code_page **pages = pages_of(ram, create), *page;

    if (!pages || offset >= ram->size)
        return NULL;
    page = __atomic_load_n(&pages[offset >> 12], __ATOMIC_ACQUIRE);
    if (page || !create)
        return page;
    page = tcg_pool_take_page(&tcg->pool);
    page->ram = ram;
    page->offset = offset & ~UINT64_C(4095);
    page->guard = tcg->guards + 1 < TCG_GUARDS ? (u16)++tcg->guards : 0;
    page->next_in_ram = *list_of(ram, pages);
    *list_of(ram, pages) = page;
    tcg->code_pages++;
    __atomic_store_n(&pages[offset >> 12], page, __ATOMIC_RELEASE);
    return page;
}

/* Lines [first, last] as a mask. */
static u64 line_mask(u32 first, u32 last)
{
    return (~UINT64_C(0) << (first >> LINE_SHIFT)) & (~UINT64_C(0) >> (63 - (last >> LINE_SHIFT)));
}

bool tcg_has_code(struct ram_block *ram, u64 offset, u64 size)
{
    struct code_page **pages = pages_of(ram, false);

    if (!pages)
        return false;
    for (u64 at = offset & ~UINT64_C(4095); at < offset + size; at += 4096) {
        struct code_page *page = __atomic_load_n(&pages[at >> 12], __ATOMIC_ACQUIRE);
        u32 first = at < offset ? (u32)(offset - at) : 0;
        u32 last = offset + size - at > 4096 ? 4095 : (u32)(offset + size - at - 1);

        if (page && __atomic_load_n(&page->lines, __ATOMIC_ACQUIRE) & line_mask(first, last))
            return true;
    }
    return false;
}

static void drop_tags(struct vcpu *vcpu, void *opaque)
{
    const struct code_page *page = opaque;

    if (vcpu->accel)
        tcg_drop_write_tags(vcpu->accel, page->ram->host + page->offset);
}

/*
 * Bytes [first, last] of the page are about to be read by the translator: from now on stores to their lines take the slow
 * path. Returns when no vCPU can write them on the fast path any more.
 */
void tcg_page_protect(struct tcg_vcpu *v, struct code_page *page, u32 first, u32 last)
{
    u64 before = __atomic_fetch_or(&page->lines, line_mask(first, last), __ATOMIC_SEQ_CST);

    if (before)
        return; /* a page with any code has no write tags */
    log_line(vm_log(v->vcpu->vm), LOG_PAGE, "page %s+0x%" G_GINT64_MODIFIER "x: code at +0x%x", page->ram->name, page->offset, first);
    if (vm_vcpu_count(v->vcpu->vm) == 1)
        drop_tags(v->vcpu, page);
    else
        vm_handshake(v->vcpu->vm, drop_tags, page);
}

/* After protect: only [first, last] turned out to have code, beside what had before. translate_lock. */
void tcg_page_set_lines(struct code_page *page, u64 before, u32 first, u32 last)
{
    __atomic_store_n(&page->lines, before | line_mask(first, last), __ATOMIC_SEQ_CST);
}

void tcg_page_protect_source(struct tcg_vcpu *v, struct code_page *page, const struct code_source *source)
{
    if (source->unfactor)
        tcg_page_protect(v, page, 0, TCG_PAGE_SIZE - 1);
    else
        tcg_page_protect(v, page, source->offset, MIN(TCG_PAGE_SIZE - 1, source->offset + source->max_insns * MAX_INSN_BYTES - 1));
}

void tcg_page_set_lines_of(struct code_page *page, u64 before, const struct ir_block *ir)
{
    tcg_page_set_lines(page, before, ir->first_pc - ir->below, MIN(TCG_PAGE_SIZE - 1, ir->first_pc + ir->byte_count - 1));
}

void tcg_page_set_lines_behind(struct code_page *page, u64 before, const struct ir_block *ir)
{
    u32 end = ir ? ir->first_pc + ir->byte_count : 0;

    if (end > TCG_PAGE_SIZE)
        tcg_page_set_lines(page, before, 0, end - TCG_PAGE_SIZE - 1);
    else
        __atomic_store_n(&page->lines, before, __ATOMIC_SEQ_CST);
}

/* By place, so that what may reach some lines lies in a few of them. */
static u32 bucket_of(u32 offset)
{
    return offset / (TCG_PAGE_SIZE / CODE_BUCKETS);
}

static u64 start_bit(u32 offset)
{
    return BIT64(offset >> 1 & 63);
}

void tcg_page_add(struct block *block)
{
    struct block **head = &block->page->bucket[bucket_of(block->offset)];

    block->next = *head;
    __atomic_store_n(head, block, __ATOMIC_RELEASE);
    u64 *starts = &block->page->starts[bucket_of(block->offset)];
    __atomic_store_n(starts, *starts | start_bit(block->offset), __ATOMIC_RELEASE); /* others only read */
    block->page->longest = MAX(block->page->longest, block->byte_count);
    block->page->deepest = MAX(block->page->deepest, block->below);
    if (block->next_page) {
        block->next_second = block->next_page->second;
        block->next_page->second = block;
    }
}

struct block *tcg_page_find(const struct code_page *page, u32 offset, u32 mode)
{
    struct block *block;

    if (!(__atomic_load_n(&page->starts[bucket_of(offset)], __ATOMIC_ACQUIRE) & start_bit(offset)))
        return NULL;
    block = __atomic_load_n(&page->bucket[bucket_of(offset)], __ATOMIC_ACQUIRE);
    for (; block; block = __atomic_load_n(&block->next, __ATOMIC_ACQUIRE)) {
        if (block->offset == offset && block->mode == mode)
            return block;
    }
    return NULL;
}

u32 tcg_page_copies(const struct block *block)
{
    u32 copies = 0;

    for (const struct block *other = block->page->bucket[bucket_of(block->offset)]; other; other = other->next)
        copies += other->offset == block->offset && other->mode == block->mode;
    return copies;
}

void tcg_page_remove(struct block *block)
{
    struct block **at = &block->page->bucket[bucket_of(block->offset)];
    bool last = true;

    for (struct block *other = *at; other && last; other = other->next)
        last = other == block || other->offset != block->offset;
    while (*at && *at != block)
        at = &(*at)->next;
    if (*at)
        __atomic_store_n(at, block->next, __ATOMIC_RELEASE);
    if (last)
        __atomic_fetch_and(&block->page->starts[bucket_of(block->offset)], ~start_bit(block->offset), __ATOMIC_RELEASE);
    if (block->next_page) {
        at = &block->next_page->second;
        while (*at && *at != block)
            at = &(*at)->next_second;
        if (*at)
            *at = block->next_second;
    }
}

u64 tcg_page_lines_of(const struct block *block, const struct code_page *page)
{
    u32 end = block->offset + block->byte_count;
    u64 first = line_mask(block->offset - block->below, MIN(end, 4096) - 1), second = end > 4096 ? line_mask(0, end - 4096 - 1) : 0;

    /* Both are one page where it follows itself. */
    return (page == block->page ? first : 0) | (page == block->next_page ? second : 0);
}

/* What comes next has nothing to do with what was there. */
static void forget_code(struct code_page *page)
{
    page->kept_group = 0;
    page->visits = 0;
    page->longest = page->deepest = 0;
    memset(page->stays, 0, sizeof(page->stays));
    memset(page->roams, 0, sizeof(page->roams));
    memset(page->alters, 0, sizeof(page->alters));
}

/* Of the blocks that touch the lines: kills them, or counts their lines. */
struct sweep {
    struct tcg *tcg; /* NULL: counts */
    struct code_page *page;
    u64 mask, lines;
};

static void visit(struct sweep *sweep, struct block *block)
{
    u64 lines = tcg_page_lines_of(block, sweep->page);

    if (!(lines & sweep->mask))
        return;
    sweep->lines |= lines;
    if (sweep->tcg)
        tcg_block_kill(sweep->tcg, block);
}

/* Only where a block may begin that reaches the lines: pages of code generators have many blocks, and few are written at a time. */
static u64 sweep_page(struct tcg *tcg, struct code_page *page, u64 mask)
{
    struct sweep sweep = { .tcg = tcg, .page = page, .mask = mask };
    u32 first = (u32)__builtin_ctzll(mask) << LINE_SHIFT, last = ((63 - (u32)__builtin_clzll(mask)) << LINE_SHIFT | 63) + page->deepest;

    for (u32 i = bucket_of(first > page->longest ? first - page->longest : 0); i <= bucket_of(MIN(last, TCG_PAGE_SIZE - 1)); i++) {
        for (struct block *block = page->bucket[i], *next; block; block = next) {
            next = block->next;
            visit(&sweep, block);
        }
    }
    for (struct block *block = page->second, *next; block; block = next) {
        next = block->next_second;
        visit(&sweep, block);
    }
    return sweep.lines;
}

/* Kills the blocks of a page that touch the lines; what remains decides which lines still count as code. */
static void invalidate_lines(struct tcg *tcg, struct code_page *page, u64 mask)
{
    u64 killed = sweep_page(tcg, page, mask), gone = mask | killed, left = (page->lines & ~gone) | (sweep_page(NULL, page, gone) & gone);

    if (killed) /* what was found hot is what was there before */
        __atomic_store_n(&page->samples, 0, __ATOMIC_RELAXED);

    __atomic_store_n(&page->lines, left, __ATOMIC_SEQ_CST);
    if (!left)
        forget_code(page);
    tcg->invalidations++;
}

void tcg_invalidate_range(struct tcg *tcg, struct ram_block *ram, u64 offset, u64 size)
{
    for (u64 at = offset & ~UINT64_C(4095); at < offset + size; at += 4096) {
        struct code_page *page = tcg_code_page(tcg, ram, at, false);
        u32 first = at < offset ? (u32)(offset - at) : 0;
        u32 last = offset + size - at > 4096 ? 4095 : (u32)(offset + size - at - 1);
        u64 mask = line_mask(first, last);

        if (!page || !(page->lines & mask))
            continue;
        log_line(vm_log(tcg->vm), LOG_PAGE, "page %s+0x%" G_GINT64_MODIFIER "x: code invalidated by a write at +0x%x", ram->name, at, first);
        invalidate_lines(tcg, page, mask);
    }
}

void tcg_ram_changed(struct vm *vm, struct ram_block *ram, u64 offset, u64 size)
{
    struct tcg *tcg = container_of(vm_accel(vm), struct tcg, accel);

    /* The bytes were stored before the lines are looked at; the translator sets the lines before it reads the bytes. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!ram->accel_data || !tcg_has_code(ram, offset, size))
        return;
    struct vcpu *vcpu = vcpu_current();
    vm_ram_pin(ram); /* it may be removed while this waits */
    if (vcpu && !vcpu->outside)
        tcg_translate_lock(tcg_of(vcpu)); /* a page-table walk that set A or D */
    else
        host_lock_take(&tcg->translate_lock);
    tcg_invalidate_range(tcg, ram, offset, size);
    host_lock_drop(&tcg->translate_lock);
    vm_ram_unpin(ram);
}

static void give_back(void *opaque)
{
    tcg_pool_give_page(opaque);
}

static void forget_contexts(struct vcpu *vcpu, void *opaque)
{
    (void)opaque;
    if (vcpu->accel)
        tcg_flush_all(vcpu->accel);
}

struct table {
    struct ram_block *ram;
    struct code_page **pages;
};

static void free_table(void *opaque)
{
    struct table *table = opaque;

    host_map_free(table->pages, table_bytes(table->ram));
    vm_ram_unpin(table->ram);
    g_free(table);
}

void tcg_ram_removed(struct vm *vm, struct ram_block *ram)
{
    struct tcg *tcg = container_of(vm_accel(vm), struct tcg, accel);
    struct code_page **pages = pages_of(ram, false), *page, *next;

    if (!pages)
        return;
    host_lock_take(&tcg->translate_lock);
    for (page = *list_of(ram, pages); page; page = page->next_in_ram)
        invalidate_lines(tcg, page, ~UINT64_C(0));
    host_lock_drop(&tcg->translate_lock);
    vm_handshake(vm, forget_contexts, NULL); /* instruction TLBs point to the pages */
    for (page = *list_of(ram, pages); page; page = next) {
        next = page->next_in_ram;
        __atomic_store_n(&pages[page->offset >> 12], NULL, __ATOMIC_RELAXED);
        epoch_retire(tcg->code_epoch, page, give_back);
    }
    vm_ram_pin(ram);
    /* Devices look into it from threads that only that epoch knows. Who comes into it from now on, after waiting with the RAM pinned, does not find it. */
    __atomic_store_n(&ram->accel_data, NULL, __ATOMIC_RELEASE);
    epoch_retire(vm_epoch(vm), g_memdup2(&(struct table){ ram, pages }, sizeof(struct table)), free_table);
}

void tcg_pages_destroy(struct ram_block *ram)
{
    struct code_page **pages = pages_of(ram, false), *page, *next;

    if (!pages)
        return;
    for (page = *list_of(ram, pages); page; page = next) {
        next = page->next_in_ram;
        tcg_pool_give_page(page);
    }
    ram->accel_data = NULL;
    host_map_free(pages, table_bytes(ram));
}
