/*
 * tests/ir/once.c - vector stores give each element to guest memory once, by one move when it is aligned: generated code is run one host instruction
 * at a time, and what appears in memory is changed at once, as another hart or a device may answer it. A second store would undo that.
 */
#include "tests/ir/run.h"
#include "tcg/builder.h"
#include <string.h>

#ifdef HAVE_X86_64
#include <signal.h>
#include <ucontext.h>

enum { TRAP_FLAG = 0x100, MOST = 512, SPAN = MOST + 64, GUARD = 32 };

/* What the handler of the signal looks at. */
static struct {
    u8 *memory;     /* SPAN bytes, of which those that are stored begin at GUARD */
    u8 old[SPAN], fresh[SPAN];
    u32 element, count;
    bool answered[MOST];
    bool torn, twice, beside;
    volatile bool stop;
} watch;

static void look_at(u32 i)
{
    u8 *now = watch.memory + GUARD + i * watch.element;
    const u8 *old = watch.old + GUARD + i * watch.element, *fresh = watch.fresh + GUARD + i * watch.element;

    if (watch.answered[i]) {
        for (u32 k = 0; k < watch.element; k++)
            watch.twice |= now[k] != (u8)(fresh[k] ^ 0x55);
    } else if (!memcmp(now, fresh, watch.element)) {
        for (u32 k = 0; k < watch.element; k++)
            now[k] ^= 0x55;
        watch.answered[i] = true;
    } else {
        watch.torn |= memcmp(now, old, watch.element) && !((uintptr_t)now % watch.element);
    }
}

static void step(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    if (watch.stop)
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    for (u32 i = 0; i < watch.count; i++)
        look_at(i);
}

static void begin_steps(void)
{
    watch.stop = false;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n pushfq\n orq %0, (%%rsp)\n popfq\n lea 128(%%rsp), %%rsp" ::"i"(TRAP_FLAG) : "cc", "memory");
}

/* One store: 1 << size bytes, of elements of 1 << element, as many of them as `length` says when `part`, of those of the mask when `masked`. */
struct store {
    unsigned size, element, length;
    bool part, masked;
    u64 offset; /* in the page */
};

static void build(struct ir_block *b, const struct store *s)
{
    enum { PLACE = 512 };
    u64 word = 1u << s->size | PLACE << 16 | (u64)s->part << 33 | (u64)s->element << 34 | (u64)s->masked << 36;
    ir_value address, what;

    ir_block_reset(b, 0);
    ir_insn(b, 0, 4);
    address = ir_get(b, IR_I64, 0);
    what = ir_const(b, IR_I64, (s64)word);
    if (s->masked)
        ir_vector_transfer_masked(b, false, &machine_transfer, s->size, PLACE, s->element, s->part, address, what);
    else if (s->part)
        ir_vector_store_part(b, &machine_transfer, s->size, PLACE, s->element, address, what);
    else
        ir_vector_store(b, &machine_transfer, s->size, PLACE, address, what);
    ir_exit(b, 4, IR_HINT_NONE, 0);
}

static void prepare(struct machine *m, const struct store *s)
{
    u32 stored = MIN(1u << s->size, s->part ? s->length << s->element : UINT32_MAX);

    memset(&watch, 0, sizeof(watch));
    m->state.a[0] = MACHINE_RAM + TCG_PAGE_SIZE + s->offset;
    m->state.length = s->length;
    for (u32 i = 0; i < MOST; i++)
        m->state.v[512 + i] = (u8)(i * 7 + 1 + i / 256);
    memset(m->state.v, 0xa6, 64);
    watch.memory = m->page[1] + s->offset - GUARD;
    watch.element = 1u << s->element;
    watch.count = stored >> s->element;
    for (u32 i = 0; i < SPAN; i++)
        watch.old[i] = watch.memory[i] = (u8)(i * 7 + 0x80);
    memcpy(watch.fresh + GUARD, m->state.v + 512, MOST);
}

static bool is_stored(const struct store *s, u32 i)
{
    return !s->masked || 0xa6 >> (i % 8) & 1;
}

static const char *judge(const struct store *s)
{
    for (u32 i = 0; i < watch.count; i++)
        if (watch.answered[i] != is_stored(s, i))
            return "not stored, or not to be";
    for (u32 i = 0; i < SPAN; i++)
        if (!(i >= GUARD && i < GUARD + watch.count * watch.element) && watch.memory[i] != watch.old[i])
            return "stored beside it";
    return watch.twice ? "stored twice" : watch.torn ? "stored in pieces" : NULL;
}

/* The L1 is filled by a run before, so that the store is generated code alone. */
static unsigned check(struct runner *r, struct machine *m, struct ir_block *b, const struct store *s)
{
    struct sigaction action = { .sa_sigaction = step, .sa_flags = SA_SIGINFO }, before;
    struct tcg_link *link = NULL;
    const char *wrong;

    machine_reset(m, 1);
    m->no_fill = false;
    build(b, s);
    prepare(m, s);
    runner_run(r, m, b);
    prepare(m, s);
    sigaction(SIGTRAP, &action, &before);
    begin_steps();
    r->backend->run(r->engine, &m->state, &r->code, MACHINE_CODE, &link);
    watch.stop = true;
    sigaction(SIGTRAP, &before, NULL);
    wrong = judge(s);
    if (wrong)
        g_print("not ok - %u bytes of elements of %u, %s%s length %u, at %u: %s\n", 1u << s->size, 1u << s->element, s->part ? "a part," : "", s->masked ? " masked," : "",
                s->length, (unsigned)s->offset, wrong);
    return wrong != NULL;
}

static unsigned check_lengths(struct runner *r, struct machine *m, struct ir_block *b, struct store s)
{
    u32 count = 1u << s.size >> s.element, lengths[] = { count, count - 1, count / 2 + 1, count / 4 + count / 8 + 1, 1, 0 };
    unsigned failures = 0;

    for (u32 i = 0; i < (s.part ? ARRAY_SIZE(lengths) : 1); i++) {
        s.length = MIN(lengths[i], count);
        failures += check(r, m, b, &s);
    }
    return failures;
}

/* Aligned to 8, over lines of the host's cache. masks: the host has code for stores under them. */
static unsigned check_all(struct runner *r, struct machine *m, struct ir_block *b, bool masks)
{
    unsigned failures = 0;

    for (unsigned size = 2; size <= 9; size++)
        for (unsigned element = size % 2; element <= MIN(size, 3); element += 2)
            for (unsigned how = 0; how < (masks ? 4 : 2); how++)
                failures += check_lengths(r, m, b, (struct store){ size, element, 0, how & 1, how & 2, 64 + 56 });
    return failures;
}

unsigned test_once(const struct test_options *options)
{
    struct runner *r = runner_create(options->backend);
    struct ir_block *b = ir_block_create(64);
    struct machine *m = machine_create();
    unsigned failures = r && r->backend ? check_all(r, m, b, g_str_has_suffix(options->backend, ":4") && __builtin_cpu_supports("avx512bw")) : 1;

    g_print("stores of vectors on %s: %u failures\n", options->backend, failures);
    machine_destroy(m);
    ir_block_destroy(b);
    runner_destroy(r);
    return failures;
}
#else
unsigned test_once(const struct test_options *options)
{
    (void)options;
    return 0;
}
#endif
