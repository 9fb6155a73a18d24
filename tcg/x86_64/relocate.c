/*
 * tcg/x86_64/relocate.c - code of blocks in a form that can be kept and put elsewhere.
 *
 * Code refers to what lies outside of it in three ways, and emission notes each place: fields relative to stubs and constants, whose
 * offsets in the buffer are those of every engine with this signature; calls of helpers' thunks, by the number of the helper; and the
 * stubs of its exits, which name their struct tcg_link. All else is relative to the base pointer, or inside the code.
 */
#include "tcg/x86_64/value.h"
#include "base/hash.h"

/* Of code that lies in the buffer; followed by calls and places. */
struct note {
    u16 size, call_count, place_count;
};

/* Followed by parts, links, calls, places (padded to 8 bytes), code (likewise). Fields of code are as if it began at offset 0. */
struct saved {
    u16 size;           /* of the code */
    u8 phase, parts;    /* phase: its offset in the buffer mod 8 */
    u16 place_count, call_count;
};

struct saved_part {
    u16 start, size;
    u8 entry, fp_check; /* from start; from entry */
    u8 fp_live, links;
};

/* Offsets in the code; 0: none. */
struct saved_link {
    u16 site, unlinked, guarded;
};

enum { PHASES = 8, CALL_BYTES = 5, NAME_BYTES = 4, FIELD = 4 };

_Static_assert(sizeof(struct saved) == 8 && sizeof(struct saved_part) == 8, "what is saved has no padding");

/* --- helpers by number --- */

void x86_helpers_collect(struct tcg_engine *e, const struct ir_helper *const *guest)
{
    static const struct ir_helper *(*const own[])(u32) = {x86_alu_helper, x86_wide_helper, x86_vector_helper};

    e->helpers = g_ptr_array_new();
    for (u32 kind = 0; kind < ARRAY_SIZE(own); kind++) {
        for (u32 i = 0; own[kind](i); i++)
            g_ptr_array_add(e->helpers, (void *)own[kind](i));
    }
    for (; guest && *guest; guest++)
        g_ptr_array_add(e->helpers, (void *)*guest);
}

u16 x86_helper_number(const struct tcg_engine *e, const struct ir_helper *helper)
{
    for (u32 i = 0; i < MIN(e->helpers->len, X86_NO_NUMBER); i++) {
        if (((const struct ir_helper *)e->helpers->pdata[i])->function == helper->function)
            return (u16)i;
    }
    return X86_NO_NUMBER;
}

/* --- what code takes for granted --- */

static u64 hash_layout(const struct code_layout *l, u64 hash)
{
    struct code_layout plain = *l;

    plain.reg = NULL;
    for (u32 i = 0; i < l->reg_count; i++)
        hash = hash_mix(hash, (u64)l->reg[i].type << 32 | (u32)l->reg[i].offset);
    return hash_bytes(&plain, sizeof(plain), hash);
}

u64 x86_signature(const struct tcg_engine *e)
{
    u64 hash = hash_bytes(&e->stubs, sizeof(e->stubs), 0);

    hash = hash_bytes(&e->features, sizeof(e->features), hash);
    hash = hash_mix(hash, e->helpers->len);
    return hash_layout(e->layout, hash);
}

/* --- saving --- */

static u32 padded(u32 bytes)
{
    return (bytes + 7) & ~7u;
}

static u32 lists_size(const struct saved *s, u32 links)
{
    return padded((u32)(links * sizeof(struct saved_link) + s->call_count * sizeof(struct x86_place_call) + s->place_count * sizeof(u16)));
}

static u32 link_total(const struct tcg_code *const *code, u32 count)
{
    u32 links = 0;

    for (u32 i = 0; i < count; i++)
        links += code[i]->link_count;
    return links;
}

static void shift_field(u8 *code, u32 at, u32 by)
{
    u32 field;

    memcpy(&field, code + at, sizeof(field));
    field += by;
    memcpy(code + at, &field, sizeof(field));
}

static u8 *save_parts(const struct tcg_engine *e, const struct tcg_code *const *code, u32 count, u32 start, u8 *to)
{
    struct saved_part *part = (struct saved_part *)to;
    struct saved_link *link = (struct saved_link *)(part + count);

    for (u32 i = 0; i < count; i++) {
        const struct tcg_code *c = code[i];

        part[i] = (struct saved_part){
            .start = (u16)(c->start - start), .size = (u16)c->size, .entry = (u8)((const u8 *)c->entry - (e->buffer->exec + c->start)),
            .fp_check = c->fp_check, .fp_live = c->fp_live, .links = (u8)c->link_count,
        };
        for (u32 k = 0; k < c->link_count; k++, link++) {
            const struct tcg_link *l = &c->link[k];

            *link = (struct saved_link){
                l->site ? (u16)(l->site - start) : 0, l->unlinked ? (u16)(l->unlinked - start) : 0, l->guarded ? (u16)(l->guarded - start) : 0,
            };
        }
    }
    return (u8 *)link;
}

u32 x86_note_code(struct tcg_engine *e, void *to, u32 room)
{
    const struct x86_places *places = &e->places;
    u32 size = (u32)(e->code.p - e->code.start), calls = places->call_count * (u32)sizeof(places->call[0]),
        fields = places->count * (u32)sizeof(places->at[0]);
    struct note *note = to;

    if (e->apart.on || places->fixed || size > UINT16_MAX || sizeof(*note) + calls + fields > room)
        return 0;
    *note = (struct note){ (u16)size, (u16)places->call_count, (u16)places->count };
    memcpy(note + 1, places->call, calls);
    memcpy((u8 *)(note + 1) + calls, places->at, fields);
    return (u32)sizeof(*note) + calls + fields;
}

/* The code as it was emitted, without what it was linked to since. */
static void save_code(const struct tcg_engine *e, const struct tcg_code *const *code, u32 count, u32 size, u8 *to)
{
    u32 start = code[0]->start;

    memcpy(to, x86_at(e, start), size);
    for (u32 i = 0; i < count; i++) {
        for (u32 k = 0; k < code[i]->link_count; k++) {
            const struct tcg_link *link = &code[i]->link[k];

            if (link->site)
                x86_put32(to + (link->site - start), link->unlinked - (link->site + FIELD));
            if (link->guarded)
                x86_put32(to + (link->guarded - start), x86_guard(e, 0));
        }
    }
}

u32 x86_save(struct tcg_engine *e, const struct tcg_code *const *code, u32 count, const void *note, void *to, u32 room)
{
    const struct note *n = note;
    u32 start = code[0]->start, calls = n->call_count * (u32)sizeof(struct x86_place_call), fields = n->place_count * (u32)sizeof(u16);
    struct saved s = {
        .size = n->size, .phase = start % PHASES, .parts = (u8)count, .place_count = n->place_count, .call_count = n->call_count,
    };
    u32 lists = (u32)(sizeof(s) + count * sizeof(struct saved_part)) + lists_size(&s, link_total(code, count));
    u8 *at = to;

    if (lists + padded(n->size) > room)
        return 0;
    memcpy(at, &s, sizeof(s));
    at = save_parts(e, code, count, start, at + sizeof(s));
    memcpy(at, n + 1, calls + fields);
    at += calls + fields;
    memset(at, 0, lists - (u32)(at - (u8 *)to));
    at = (u8 *)to + lists;
    save_code(e, code, count, n->size, at);
    memset(at + n->size, 0, padded(n->size) - n->size);
    for (u32 i = 0; i < n->place_count; i++) {
        u16 place;

        memcpy(&place, (const u8 *)(n + 1) + calls + i * sizeof(place), sizeof(place));
        shift_field(at, place, start);
    }
    return lists + padded(n->size);
}

/* --- restoring --- */

struct restoring {
    struct tcg_engine *e;
    const struct saved *saved;
    u8 *code;      /* where it goes, writable */
    u32 start;     /* its offset in the buffer */
};

static bool holds_field(const struct restoring *r, u32 at)
{
    return at + FIELD <= r->saved->size;
}

static bool restore_calls(struct restoring *r, const struct x86_place_call *call)
{
    for (u32 i = 0; i < r->saved->call_count; i++) {
        const struct ir_helper *helper = call[i].number < r->e->helpers->len ? r->e->helpers->pdata[call[i].number] : NULL;
        u32 thunk = helper && helper->function ? x86_thunk_for(r->e, helper) : 0;

        if (!thunk || !holds_field(r, call[i].at))
            return false;
        x86_fix(r->code + call[i].at, x86_at(r->e, thunk));
    }
    return true;
}

static bool restore_places(const struct restoring *r, const u16 *at)
{
    const u32 count = r->saved->place_count, size = r->saved->size, by = 0u - r->start;
    u8 *code = r->code;

    for (u32 i = 0; i < count; i++) {
        if (unlikely((u32)at[i] + FIELD > size))
            return false;
        shift_field(code, at[i], by);
    }
    return true;
}

/* The stub of an exit is a call, and behind it where its link is, from x86_constants.links. */
static bool restore_link(struct restoring *r, struct tcg_link *link, const struct saved_link *saved)
{
    u64 *near = &((struct x86_constants *)x86_at(r->e, r->e->stubs.constants))->links;
    s64 from;

    link->site = saved->site ? r->start + saved->site : 0;
    link->unlinked = saved->unlinked ? r->start + saved->unlinked : 0;
    if (link->site && (!holds_field(r, saved->site) || x86_padding(r->code + saved->site, 0)))
        return false;
    link->guarded = saved->guarded ? r->start + saved->guarded : 0;
    if (link->guarded && (!holds_field(r, saved->guarded) || x86_padding(r->code + saved->guarded, 0)))
        return false;
    if (!link->unlinked)
        return true;
    if (!*near)
        *near = (u64)(uintptr_t)link;
    from = (s64)((u64)(uintptr_t)link - *near);
    if (!x86_fits32(from) || saved->unlinked + CALL_BYTES + NAME_BYTES > r->saved->size)
        return false;
    x86_put32(r->code + saved->unlinked + CALL_BYTES, (u32)from);
    return true;
}

static bool restore_part(struct restoring *r, struct tcg_code *out, const struct saved_part *part, const struct saved_link *link)
{
    if (part->links != out->link_count || part->start + part->size > r->saved->size || part->entry + part->fp_check > part->size ||
        part->size < PHASES || !x86_is_entry(r->code + part->start))
        return false;
    out->start = r->start + part->start;
    out->size = part->size;
    out->indirect_entry = r->e->buffer->exec + out->start;
    out->entry = (const u8 *)out->indirect_entry + part->entry;
    out->fp_check = part->fp_check;
    out->fp_live = part->fp_live != 0;
    for (u32 i = 0; i < out->link_count; i++) {
        if (!restore_link(r, &out->link[i], &link[i]))
            return false;
    }
    return true;
}

u32 x86_restore(struct tcg_engine *e, const void *saved, u32 size, struct tcg_code *const *code, u32 count, u32 at, u32 limit)
{
    const struct saved *s = saved;
    u32 links = link_total((const struct tcg_code *const *)code, count), lists, start;

    if (size < sizeof(*s) || s->parts != count)
        return 0;
    start = at + ((s->phase - at) & (PHASES - 1));
    lists = (u32)(sizeof(*s) + count * sizeof(struct saved_part)) + lists_size(s, links);
    if (size < lists + s->size || (u64)start + s->size + X86_MAX_INSN > limit)
        return 0;
    const struct saved_part *part = (const struct saved_part *)(s + 1);
    const struct saved_link *link = (const struct saved_link *)(part + count);
    const struct x86_place_call *call = (const struct x86_place_call *)(link + links);
    struct restoring r = {.e = e, .saved = s, .code = x86_at(e, start), .start = start};
    tcg_buffer_prepare(e->buffer, start);
    memcpy(r.code, (const u8 *)saved + lists, s->size);
    if (!restore_calls(&r, call) || !restore_places(&r, (const u16 *)(call + s->call_count)))
        return 0;
    for (u32 i = 0; i < count; link += code[i++]->link_count) {
        if (!restore_part(&r, code[i], &part[i], link))
            return 0;
    }
    return start + s->size;
}
