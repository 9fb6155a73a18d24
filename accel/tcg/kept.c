/* accel/tcg/kept.c - between blocks and the code cache: what is kept of a translation, and how it becomes blocks again. */
#include "accel/tcg/kept.h"
#include "base/error.h"
#include "base/hash.h"
#include "host/image.h"
#include <string.h>

bool tcg_kept_start(struct tcg *tcg, struct vcpu *vcpu, GError **error)
{
    const struct cpu_class *cpu = vcpu->cpu;
    u64 build, key;

    if (!tcg->cache_path)
        return true;
    if (!tcg->backend->save || !cpu->configuration)
        return error_set(error, "cache=%s: this back end's code cannot be kept; leave out cache= or backend=%s", tcg->cache_path,
                         tcg->backend->name);
    build = host_image_id((const void *)tcg->backend->save);
    if (!build)
        return error_set(error, "cache=%s: the build of this program cannot be told; leave out cache=", tcg->cache_path);
    key = hash_bytes(cpu->arch, strlen(cpu->arch), tcg->backend->signature(tcg->engine));
    key = hash_mix(key, cpu->configuration(vcpu));
    tcg->cache = tcg_cache_open(tcg->cache_path, tcg->cache_size * MIB, build, key, error);
    return tcg->cache || error_prefix(error, "-accel tcg,cache=");
}

/* --- from the cache --- */

struct taking {
    struct tcg_vcpu *v;
    struct tcg *tcg;
    const struct kept_want *want;
    u64 lines;      /* of what was taken */
    u32 insns;
    bool whole;     /* all lines of the page are set */
    bool logs;
};

/* The lines are set before the bytes are read, as those of the first part were. */
static bool second_matches(void *opaque, const struct kept *unit)
{
    const struct taking *t = opaque;
    const struct kept_part *part = &unit->part[1];
    const struct block *there = tcg_page_find(t->want->page, part->offset, unit->mode);

    if (there && tcg_pair_is_full(there))
        return false;
    if (!t->whole)
        tcg_page_protect(t->v, t->want->page, part->offset, part->offset + part->byte_count - 1u);
    return !memcmp(kept_bytes(unit) + unit->part[0].byte_count, t->want->source->page + part->offset, part->byte_count);
}

static struct block *make_block(const struct taking *t, u32 mode, const struct kept_part *part, const struct kept_link *links)
{
    struct block *block = tcg_pool_take(&t->tcg->pool, part->links);

    for (u32 i = 0; i < part->links; i++) {
        struct tcg_link *link = &block->link[i];

        link->from = &block->code;
        link->pc = links[i].pc;
        link->single = links[i].single != 0;
        link->continues = links[i].continues != 0;
        link->call = links[i].call != 0;
        link->gone = links[i].gone != 0;
        link->same_page = (u32)link->pc < TCG_PAGE_SIZE;
    }
    block->page = t->want->page;
    block->offset = part->offset;
    block->mode = mode;
    block->byte_count = part->byte_count;
    block->insn_count = part->insn_count;
    block->next_page = part->offset + part->byte_count > TCG_PAGE_SIZE ? t->want->next : NULL;
    return block;
}

static bool place_code(struct tcg *tcg, const struct kept *unit, struct block *out[KEPT_PARTS])
{
    struct tcg_code *code[KEPT_PARTS] = { &out[0]->code, unit->parts > 1 ? &out[1]->code : NULL };
    struct chunk *chunk = &tcg->chunk[tcg->current_chunk];
    u32 end = tcg->backend->restore(tcg->engine, (const u8 *)unit + unit->saved_at, unit->size - unit->saved_at, code, unit->parts, tcg->at,
                                    chunk->limit);

    if (!end)
        return false;
    chunk->used = true;
    tcg->host_bytes += end - tcg->at;
    tcg->at = end;
    return true;
}

static void log_block(const struct taking *t, struct block *block)
{
    struct code_source source = *t->want->source;

    source.offset = block->offset;
    tcg_log_block(t->v, block, NULL, &source, (t->want->pc & ~UINT64_C(4095)) | block->offset);
}

static void publish(struct taking *t, const struct kept *unit, struct block *const blocks[KEPT_PARTS], bool ahead)
{
    u32 kept = ahead ? tcg_cache_line(t->tcg->cache, unit) + 1 : 0;

    for (u32 i = 0; i < unit->parts; i++) {
        struct block *block = blocks[i];

        block->chunk = (u8)t->tcg->current_chunk;
        block->kept = kept;
        t->lines |= tcg_page_lines_of(block, t->want->page);
        t->insns += block->insn_count;
        tcg_block_publish(t->tcg, block, (t->want->pc & ~UINT64_C(4095)) | block->offset);
        if (unlikely(t->logs))
            log_block(t, block);
    }
    tcg_cache_used(t->tcg->cache, unit, ahead);
}

/* Its first block; NULL: no room. */
static struct block *take_unit(struct taking *t, const struct kept *unit, bool ahead)
{
    struct block *blocks[KEPT_PARTS] = { NULL };
    const struct kept_link *links = kept_links(unit);

    for (u32 i = 0; i < unit->parts; links += unit->part[i++].links)
        blocks[i] = make_block(t, unit->mode, &unit->part[i], links);
    if (place_code(t->tcg, unit, blocks)) {
        publish(t, unit, blocks, ahead);
        return blocks[0];
    }
    for (u32 i = 0; i < unit->parts; i++)
        tcg_pool_give(&t->tcg->pool, blocks[i]);
    return NULL;
}

static bool is_wanted(const struct taking *t, const struct kept *unit, const struct kept *asked)
{
    const struct kept_want *want = t->want;
    const struct kept_place place = { .mode = unit->mode, .offset = unit->part[0].offset, .page = want->source->page };

    return unit != asked && unit->age <= asked->age && tcg_cache_matches(unit, &place) && (unit->parts < 2 || second_matches((void *)t, unit)) &&
           !tcg_page_find(want->page, place.offset, place.mode);
}

enum { LINE = 64, AHEAD = 384 /* most units */ };

static void fetch_ahead(const void *from, u32 bytes)
{
    for (u32 at = 0; at < bytes; at += LINE)
        __builtin_prefetch((const u8 *)from + at);
}

/* What the vCPU would find on this way, if it is here already; another mode is none that a link could change. */
static struct block *target_of(const struct block *from, const struct tcg_link *link)
{
    u32 mode = link->single ? from->mode | MODE_SINGLE : from->mode & ~MODE_SINGLE;

    return link->same_page && (u32)link->pc < TCG_PAGE_SIZE ? tcg_page_find(from->page, (u32)link->pc, mode) : NULL;
}

/* Ways that were gone in an earlier run will be gone again: those between blocks that are here lead there at once, without the dispatcher. */
static void link_up(const struct taking *t, struct block *from)
{
    for (u32 i = 0; !from->next_page && i < from->code.link_count; i++) {
        struct tcg_link *link = &from->link[i];
        struct block *to = link->gone ? target_of(from, link) : NULL;

        if (!to || to->next_page)
            continue;
        tcg_set_link(t->v, link, to);
        tcg_kept_met(t->tcg, to);
    }
}

static void link_all_up(const struct taking *t, const struct block *before)
{
    for (struct block *block = t->tcg->chunk[t->tcg->current_chunk].blocks; block && block != before; block = block->next_in_chunk)
        link_up(t, block);
}

/*
 * What ran in this page when a unit of it was kept is going to run now, too: all of it is taken at once, which is cheap while the page, its
 * descriptor and the code that does it are near. Left out is what was not used as lately as the one that is asked for.
 */
static void take_page(struct taking *t, struct kept *asked)
{
    struct code_cache *c = t->tcg->cache;
    struct code_page *page = t->want->page;
    struct kept *first = tcg_cache_group(c, asked), *unit = first, *next;


    page->kept_group = tcg_cache_group_number(c, first);
    tcg_page_protect(t->v, page, 0, TCG_PAGE_SIZE - 1);
    t->whole = true;
    fetch_ahead(t->want->source->page, TCG_PAGE_SIZE);
    for (u32 i = 0; i < KEPT_IN_GROUP && unit; i++, unit = next) {
        fetch_ahead((const u8 *)unit + unit->size, AHEAD);
        if (is_wanted(t, unit, asked) && !take_unit(t, unit, true))
            break;
        next = tcg_cache_behind(c, first, unit);
    }
}

static bool may_use(const struct tcg *tcg, u32 mode)
{
    return tcg->cache && !(mode & MODE_ONE_INSN) && !tcg->one_insn_per_tb && !log_wants(vm_log(tcg->vm), TCG_LOG_FRESH);
}

/* Once for what is in the page; listings show what is asked for. */
static bool may_take_page(const struct taking *t)
{
    u32 group = t->want->page->kept_group;

    return (!group || group & KEPT_NEW_GROUP) && !t->logs;
}

struct block *tcg_kept_take(struct tcg_vcpu *v, const struct kept_want *want, u32 *insns)
{
    struct tcg *tcg = v->tcg;
    const struct code_source *source = want->source;
    struct kept_place place = { .mode = want->mode, .offset = source->offset, .page = source->page, .next_page = source->next_page };
    struct taking t = { .v = v, .tcg = tcg, .want = want, .lines = want->lines, .logs = log_wants(vm_log(tcg->vm), LOG_IN_ASM | LOG_OUT_ASM) };
    const struct block *before = tcg->chunk[tcg->current_chunk].blocks;
    struct kept *unit = may_use(tcg, want->mode) ? tcg_cache_find(tcg->cache, &place, second_matches, &t) : NULL;
    struct block *block = unit ? take_unit(&t, unit, false) : NULL;

    if (!block)
        return NULL;
    if (may_take_page(&t))
        take_page(&t, unit);
    link_all_up(&t, before);
    __atomic_store_n(&want->page->lines, t.lines, __ATOMIC_SEQ_CST);
    *insns = t.insns;
    return block;
}

/* --- into the cache --- */

/*
 * What is to be kept of new blocks: what cannot be had any more when the unit is made, which is when one of them is killed, or at the end. Behind it the
 * guest's bytes, and at noted_at what the back end noted.
 */
struct note {
    struct block *block[KEPT_PARTS]; /* block[0] NULL: made */
    u32 size, group;                 /* size: a multiple of 8 */
    u16 noted_at;
};

enum { NOTE_ROOM = 64 * KIB };

void tcg_kept_read(struct code_cache *c, const struct code_page *page, struct code_source *source)
{
    memcpy(c->read + source->offset, page->ram->host + page->offset + source->offset, sizeof(c->read) - source->offset);
    source->page = c->read;
    if (!source->next_page || source->next_page == c->read_behind)
        return;
    memcpy(c->read_behind, source->next_page, sizeof(c->read_behind));
    source->next_page = c->read_behind;
}

static u8 *put_bytes(u8 *to, const struct code_source *source, const struct block *block)
{
    u32 in_page = MIN(block->byte_count, TCG_PAGE_SIZE - block->offset);

    memcpy(to, source->page + block->offset, in_page);
    if (in_page < block->byte_count)
        memcpy(to + in_page, source->next_page, block->byte_count - in_page);
    return to + block->byte_count;
}

static u32 group_of(struct tcg *tcg, struct code_page *page)
{
    if (!page->kept_group)
        page->kept_group = tcg_cache_new_group(tcg->cache);
    return page->kept_group;
}

void tcg_kept_note(struct tcg_vcpu *v, const struct code_source *source, struct block *block, struct block *second)
{
    struct tcg *tcg = v->tcg;
    struct code_cache *c = tcg->cache;
    struct note *note = (struct note *)(c->notes + c->notes_used);
    u8 *at = (u8 *)(note + 1);
    u32 size;

    if (!may_use(tcg, block->mode))
        return;
    if (c->loaded + c->noted + NOTE_ROOM > c->room || c->notes_used + NOTE_ROOM > c->room) {
        c->full++;
        return;
    }
    at = put_bytes(at, source, block);
    if (second)
        at = put_bytes(at, source, second);
    at += (uintptr_t)at & 1;
    size = tcg->backend->note(tcg->engine, at, NOTE_ROOM / 2);
    if (!size)
        return;
    note->block[0] = block;
    note->block[1] = second;
    note->group = group_of(tcg, block->page);
    note->noted_at = (u16)(at - (u8 *)note);
    note->size = (note->noted_at + size + 7) & ~7u;
    block->kept = KEPT_NOTE | (u32)(c->notes_used / 8);
    if (second)
        second->kept = block->kept;
    c->notes_used += note->size;
    c->noted += note->size + block->code.size + (second ? second->code.size : 0);
    c->kept++;
}

static struct kept_link *put_links(struct kept_link *to, const struct block *block)
{
    for (u32 i = 0; i < block->code.link_count; i++) {
        const struct tcg_link *link = &block->link[i];

        *to++ = (struct kept_link){ .pc = link->pc, .single = link->single, .continues = link->continues, .call = link->call, .gone = link->to && link->same_page };
    }
    return to;
}

/* All but what the back end makes. */
static void fill_unit(struct kept *unit, const struct note *note)
{
    struct kept_link *links;
    u32 bytes = 0, at;

    unit->mode = note->block[0]->mode;
    unit->parts = note->block[1] ? 2 : 1;
    for (u32 i = 0; i < unit->parts; i++) {
        const struct block *block = note->block[i];

        unit->part[i] = (struct kept_part){ (u16)block->offset, block->byte_count, block->insn_count, (u16)block->code.link_count };
        bytes += block->byte_count;
    }
    links = kept_links(unit);
    for (u32 i = 0; i < unit->parts; i++)
        links = put_links(links, note->block[i]);
    memcpy(links, note + 1, bytes);
    at = (u32)((u8 *)links - (u8 *)unit) + bytes;
    unit->saved_at = (u16)((at + 7) & ~7u);
    memset((u8 *)unit + at, 0, unit->saved_at - at);
}

static void make_unit(struct tcg *tcg, struct note *note)
{
    const struct tcg_code *code[KEPT_PARTS] = { &note->block[0]->code, note->block[1] ? &note->block[1]->code : NULL };
    struct kept *unit;
    u32 room, size;

    unit = tcg_cache_begin(tcg->cache, &room);
    if (unit) {
        fill_unit(unit, note);
        size = tcg->backend->save(tcg->engine, code, unit->parts, (const u8 *)note + note->noted_at, (u8 *)unit + unit->saved_at, room - unit->saved_at);
        unit->size = unit->saved_at + size;
        if (size)
            tcg_cache_add(tcg->cache, unit, note->group);
    }
    for (u32 i = 0; i < KEPT_PARTS && note->block[i]; i++)
        note->block[i]->kept = 0;
    note->block[0] = NULL;
}

void tcg_kept_save(struct tcg *tcg, const struct block *block)
{
    make_unit(tcg, (struct note *)(tcg->cache->notes + (u64)(block->kept & ~KEPT_NOTE) * 8));
}

void tcg_kept_finish(struct tcg *tcg)
{
    struct code_cache *c = tcg->cache;
    struct note *note;

    for (u64 at = 0; c && at < c->notes_used; at += note->size) {
        note = (struct note *)(c->notes + at);
        if (note->block[0])
            make_unit(tcg, note);
    }
    tcg_cache_close(c);
}
