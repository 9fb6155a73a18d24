/* accel/tcg/kept.c - between blocks and the code cache: what is kept of a translation, and how it becomes blocks again. */
#include "accel/tcg/tcg.h"
#include "base/error.h"
#include "base/hash.h"
#include "host/image.h"
#include <string.h>

bool tcg_kept_start(struct tcg *tcg, struct vcpu *vcpu, GError **error)
{
    const struct cpu_class *cpu = vcpu->cpu;
    u64 build, key;

    if (!tcg->cache_path || !*tcg->cache_path)
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

struct second_place {
    struct tcg_vcpu *v;
    struct code_page *page;
    const u8 *bytes; /* of the page */
};

/* The lines are set before the bytes are read, as those of the first part were. */
static bool second_matches(void *opaque, const struct kept *unit)
{
    const struct second_place *place = opaque;
    const struct kept_part *part = &unit->part[1];

    tcg_page_protect(place->v, place->page, part->offset, part->offset + part->byte_count - 1u);
    return !memcmp(kept_bytes(unit) + unit->part[0].byte_count, place->bytes + part->offset, part->byte_count);
}

static struct block *make_block(struct tcg *tcg, const struct kept_part *part, const struct kept_link *links, u32 mode, struct code_page *page)
{
    struct block *block = tcg_pool_take(&tcg->pool, part->links);

    for (u32 i = 0; i < part->links; i++) {
        struct tcg_link *link = &block->link[i];

        link->from = &block->code;
        link->pc = links[i].pc;
        link->single = links[i].single;
        link->continues = links[i].continues;
        link->call = links[i].call;
        link->same_page = (u32)link->pc < TCG_PAGE_SIZE;
    }
    block->page = page;
    block->offset = part->offset;
    block->mode = mode;
    block->byte_count = part->byte_count;
    block->insn_count = part->insn_count;
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
    for (u32 i = 0; i < unit->parts; i++)
        out[i]->chunk = (u8)tcg->current_chunk;
    return true;
}

/* Listings of the IR, and blocks that may not be linked, come from fresh translations. */
static bool may_use(const struct tcg *tcg, u32 mode)
{
    return tcg->cache && !(mode & MODE_ONE_INSN) && !tcg->one_insn_per_tb && !log_wants(vm_log(tcg->vm), LOG_IR | LOG_NOCHAIN);
}

bool tcg_kept_take(struct tcg_vcpu *v, const struct code_source *source, struct code_page *page, u64 lines, u32 mode, struct block *out[KEPT_PARTS])
{
    struct tcg *tcg = v->tcg;
    struct kept_place place = { .mode = mode, .offset = source->offset, .page = source->page, .next_page = source->next_page };
    struct second_place second = { v, page, source->page };
    struct kept *unit;
    const struct kept_link *links;

    out[0] = out[1] = NULL;
    unit = may_use(tcg, mode) ? tcg_cache_find(tcg->cache, &place, second_matches, &second) : NULL;
    if (!unit)
        return false;
    links = kept_links(unit);
    for (u32 i = 0; i < unit->parts; links += unit->part[i++].links)
        out[i] = make_block(tcg, &unit->part[i], links, mode, page);
    if (!place_code(tcg, unit, out)) {
        for (u32 i = 0; i < unit->parts; i++)
            tcg_pool_give(&tcg->pool, out[i]);
        return false;
    }
    tcg_page_keep_lines(page, lines, out[0], out[1]);
    tcg_cache_used(tcg->cache, unit);
    return true;
}

/* --- into the cache --- */

static u8 *put_bytes(u8 *to, const struct code_source *source, const struct block *block)
{
    u32 in_page = MIN(block->byte_count, TCG_PAGE_SIZE - block->offset);

    memcpy(to, source->page + block->offset, in_page);
    if (in_page < block->byte_count)
        memcpy(to + in_page, source->next_page, block->byte_count - in_page);
    return to + block->byte_count;
}

static struct kept_link *put_links(struct kept_link *to, const struct block *block)
{
    for (u32 i = 0; i < block->code.link_count; i++) {
        const struct tcg_link *link = &block->link[i];

        *to++ = (struct kept_link){ .pc = link->pc, .single = link->single, .continues = link->continues, .call = link->call };
    }
    return to;
}

static struct kept_part part_of(const struct block *block)
{
    return (struct kept_part){ (u16)block->offset, block->byte_count, block->insn_count, (u16)block->code.link_count };
}

void tcg_kept_add(struct tcg_vcpu *v, const struct code_source *source, const struct block *block, const struct block *second)
{
    struct tcg *tcg = v->tcg;
    const struct tcg_code *code[KEPT_PARTS] = { &block->code, second ? &second->code : NULL };
    struct kept *unit;
    u32 room, size;
    u8 *at;

    if (!may_use(tcg, block->mode) || !(unit = tcg_cache_begin(tcg->cache, &room)))
        return;
    unit->mode = block->mode;
    unit->parts = second ? 2 : 1;
    unit->part[0] = part_of(block);
    if (second)
        unit->part[1] = part_of(second);
    struct kept_link *links = put_links(kept_links(unit), block);
    if (second)
        put_links(links, second);
    at = put_bytes(kept_bytes(unit), source, block);
    if (second)
        at = put_bytes(at, source, second);
    unit->saved_at = ((u32)(at - (u8 *)unit) + 7) & ~7u;
    memset(at, 0, unit->saved_at - (u32)(at - (u8 *)unit));
    size = tcg->backend->save(tcg->engine, code, unit->parts, (u8 *)unit + unit->saved_at, room - unit->saved_at);
    unit->size = unit->saved_at + size;
    if (size)
        tcg_cache_add(tcg->cache, unit);
}
