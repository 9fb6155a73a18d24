/*
 * tests/ir/damage.c - saved code with wrong numbers in it, as a file of the code cache has that passes its checksum by accident: restore takes
 * it or refuses it, but reads nothing outside of it, writes nothing outside of its room, and what it says lies in what it wrote. Nothing is run.
 */
#include "tests/ir/run.h"
#include <string.h>

enum { ROUNDS = 12, GUARD = 72 * 1024 /* more than 16 bits reach */, SAVED = 1 << 20, ROOM = 64 * 1024, FIELD = 4 };

struct damage {
    struct runner *runner;
    const u8 *exec;       /* of the restoring engine's buffer */
    u32 at, limit;        /* the room that is given */
    u64 taken, refused;
    u8 before[2 * GUARD]; /* what lies around the room */
    GRand *random;
};

/* Numbers near the edges, and of any kind; most of them in the lists before the code. */
static void mutate(struct damage *d, u8 *saved, u32 size)
{
    static const u32 edges[] = { 0, 1, 4, 7, 8, 0x7f, 0xff, 0x7fff, 0xfffb, 0xfffc, 0xffff, 0x7fffffff, 0xffffffff };
    u32 near = MIN(size, 96);

    for (u32 n = 1 + g_rand_int(d->random) % 3; n > 0; n--) {
        u32 at = g_rand_int(d->random) % (g_rand_int(d->random) % 4 ? near : size), bytes = 1u << g_rand_int(d->random) % 3;
        u32 value = g_rand_boolean(d->random) ? edges[g_rand_int(d->random) % ARRAY_SIZE(edges)] : g_rand_int(d->random);

        if (g_rand_boolean(d->random)) /* a little more or less */
            value = saved[at] + g_rand_int(d->random) % 9 - 4u;
        memcpy(saved + at, &value, MIN(bytes, size - at));
    }
}

/* What restore says lies in what it may have written, and can be patched there: by kill in the first word, links inside of one. */
static bool makes_sense(const struct damage *d, const struct tcg_code *code, u32 end)
{
    const struct tcg_backend *b = d->runner->backend;
    u64 indirect = (u64)((const u8 *)code->indirect_entry - d->exec), entry = (u64)((const u8 *)code->entry - d->exec);

    if (code->start < d->at || (code->start & 7) > 3 || code->size > end - code->start || indirect != code->start || entry < indirect || entry + code->fp_check > indirect + code->size)
        return false;
    for (u32 i = 0; i < code->link_count; i++) {
        struct tcg_link *link = &code->link[i];

        if ((link->site && (link->site < d->at || link->site + FIELD > end || (link->site & 7) > 4)) ||
            (link->unlinked && (link->unlinked < d->at || link->unlinked > end)))
            return false;
        b->set_link(d->runner->engine, link, code);
        b->set_link(d->runner->engine, link, NULL);
    }
    b->kill(d->runner->engine, (struct tcg_code *)code);
    return true;
}

static bool try_one(struct damage *d, const u8 *good, u32 size, u32 links)
{
    const struct tcg_backend *b = d->runner->backend;
    u32 given = g_rand_int(d->random) % 8 ? size : g_rand_int(d->random) % size & ~7u;
    u32 link_count = g_rand_int(d->random) % 8 ? links : g_rand_int(d->random) % (IR_MAX_EXITS + 1);
    g_autofree u8 *saved = g_memdup2(good, size), *exact = NULL;
    g_autofree struct tcg_link *link = g_new0(struct tcg_link, link_count);
    struct tcg_code code = { .link = link, .link_count = link_count }, second = { 0 };
    bool two = g_rand_int(d->random) % 16 == 0;
    u32 end;

    for (u32 i = 0; i < link_count; i++)
        link[i].from = &code;
    mutate(d, saved, size);
    exact = g_malloc(given + !given); /* sanitizers know where it ends */
    memcpy(exact, saved, given);
    d->at = b->code_first(d->runner->engine) + GUARD + g_rand_int(d->random) % 64;
    const u32 rooms[] = { size + 64, size + 64, size / 2, ROOM };
    d->limit = d->at + rooms[g_rand_int(d->random) % ARRAY_SIZE(rooms)];
    memcpy(d->before, d->exec + d->at - GUARD, GUARD);
    memcpy(d->before + GUARD, d->exec + d->limit, GUARD);
    end = b->restore(d->runner->engine, exact, given, (struct tcg_code *const[]){ &code, &second }, two ? 2 : 1, d->at, d->limit);
    *(end ? &d->taken : &d->refused) += 1;
    if (end && (end < d->at || end > d->limit || !makes_sense(d, &code, end)))
        return false;
    return !memcmp(d->before, d->exec + d->at - GUARD, GUARD) && !memcmp(d->before + GUARD, d->exec + d->limit, GUARD);
}

/* Saves what a random block becomes; 0: it has no such form. */
static u32 save_one(struct runner *r, struct ir_block *block, struct tcg_code *code, u8 *to)
{
    const struct tcg_backend *b = r->backend;
    u32 first = b->code_first(r->maker);

    b->prepare(r->maker, block);
    for (u32 i = 0; i < block->exit_count; i++) {
        if (block->exit[i].kind == IR_EXIT_DIRECT)
            code->link[code->link_count++] = (struct tcg_link){ .from = code, .pc = block->exit[i].pc };
    }
    if (!b->emit(r->maker, block, code, first, b->code_limit(r->maker)) || !b->note(r->maker, r->note, sizeof(r->note)))
        return 0;
    return b->save(r->maker, (const struct tcg_code *const[]){ code }, 1, r->note, to, SAVED);
}

static bool learn_buffer(struct damage *d, const u8 *saved, u32 size, u32 links)
{
    g_autofree struct tcg_link *link = g_new0(struct tcg_link, links);
    struct tcg_code code = { .link = link, .link_count = links };
    u32 first = d->runner->backend->code_first(d->runner->engine), limit = d->runner->backend->code_limit(d->runner->engine);

    if (!d->runner->backend->restore(d->runner->engine, saved, size, (struct tcg_code *const[]){ &code }, 1, first, limit))
        return false;
    d->exec = (const u8 *)code.indirect_entry - code.start;
    return true;
}

unsigned test_damage(const struct test_options *o)
{
    g_autofree struct damage *d = g_new0(struct damage, 1);
    struct ir_block *block = ir_block_create(IR_MAX_OPS);
    g_autofree u8 *saved = g_malloc(SAVED);
    unsigned failures = 0;

    d->runner = runner_create(o->backend);
    d->random = g_rand_new_with_seed((guint32)o->seed);
    if (!d->runner || !d->runner->maker) {
        g_print("not ok - damage wants a back end that moves code: x86_64:3:moved\n");
        return 1;
    }
    for (u64 i = 0; i < o->count; i++) {
        struct tcg_link link[2 * IR_MAX_EXITS];
        struct tcg_code code = { .link = link };
        u32 size;

        generate_block(block, o->seed + i, o->length ? (u32)o->length : 20, i % 2);
        size = save_one(d->runner, block, &code, saved);
        if (!size || (!d->exec && !learn_buffer(d, saved, size, code.link_count)))
            continue;
        for (u32 n = 0; n < ROUNDS; n++) {
            if (try_one(d, saved, size, code.link_count))
                continue;
            g_print("not ok - seed %" G_GUINT64_FORMAT " round %u: outside of its room\n", o->seed + i, n);
            failures++;
        }
    }
    if (d->taken < o->count || d->refused < o->count) { /* one of both would show nothing */
        g_print("not ok - %" G_GUINT64_FORMAT " taken, %" G_GUINT64_FORMAT " refused\n", d->taken, d->refused);
        failures++;
    }
    g_print("%s - damage: %" G_GUINT64_FORMAT " taken, %" G_GUINT64_FORMAT " refused\n", failures ? "not ok" : "ok", d->taken, d->refused);
    g_rand_free(d->random);
    ir_block_destroy(block);
    runner_destroy(d->runner);
    return failures;
}
