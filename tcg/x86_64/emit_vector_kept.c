/*
 * tcg/x86_64/emit_vector_kept.c - lanes in registers from one vector op to the next. Where a block has no floating point, what xmm4 to xmm15 are
 * pinned to is in the state, and they hold what was computed last. The file gets all results at once, so nobody else must know.
 */
#include "tcg/x86_64/emit_vector.h"

/* Fewer vector ops do not pay for the check at the entry. */
enum { FEW = 4 };

void x86_kept_forget_all(struct tcg_engine *e)
{
    memset(e->kept.bytes, 0, sizeof(e->kept.bytes));
}

void x86_kept_begin(struct tcg_engine *e)
{
    struct x86_cold *cold;

    e->kept.on = !e->uses_fp && !e->loop.on && e->vector_count >= FEW;
    if (!e->kept.on)
        return;
    x86_kept_forget_all(e);
    cold = x86_cold_add(e, COLD_FP_SAVE);
    x86_alu_mi(&e->code, X86_CMP, false, x86_base(e->layout->fp_live), 0);
    cold->from = x86_jcc(&e->code, CC_NE);
    cold->back = e->code.p;
}

void x86_kept_forget(struct tcg_engine *e, unsigned at, unsigned bytes)
{
    struct x86_kept *k = &e->kept;

    for (unsigned i = 0; k->on && i < X86_KEPT; i++)
        if (k->at[i] < at + bytes && at < k->at[i] + k->bytes[i])
            k->bytes[i] = 0;
}

static unsigned reg_of(unsigned i)
{
    return X0 + X86_XMM_TEMPS + i;
}

static void note(const struct vec *v, unsigned reg, unsigned at)
{
    struct x86_kept *k = &v->e->kept;
    unsigned i = reg - reg_of(0);

    k->at[i] = (u16)at;
    k->bytes[i] = (u8)v->width;
    k->used[i] = ++k->now;
}

/* The register that has the chunk of a place; 0: none. */
static unsigned find(const struct vec *v, unsigned place)
{
    struct x86_kept *k = &v->e->kept;

    for (unsigned i = 0; i < X86_KEPT; i++)
        if (k->bytes[i] == v->width && k->at[i] == place + v->off) {
            k->used[i] = ++k->now;
            return reg_of(i);
        }
    return 0;
}

/* A free register, or that which was not used for longest; neither of two. */
static unsigned take(const struct vec *v, unsigned avoid, unsigned avoid2)
{
    struct x86_kept *k = &v->e->kept;
    unsigned best = X86_KEPT;

    for (unsigned i = 0; i < X86_KEPT; i++) {
        if (reg_of(i) == avoid || reg_of(i) == avoid2)
            continue;
        if (!k->bytes[i])
            return reg_of(i);
        if (best == X86_KEPT || k->used[i] < k->used[best])
            best = i;
    }
    return reg_of(best);
}

static unsigned loaded(const struct vec *v, unsigned place, unsigned avoid)
{
    unsigned r = find(v, place);

    if (r)
        return r;
    r = take(v, avoid, 0);
    load(v, r, place);
    note(v, r, place + v->off);
    return r;
}

/* The chunk's result in d. */
static void store_kept(const struct vec *v, unsigned d)
{
    unsigned at = v->at.d + v->off;

    x86_kept_forget(v->e, at, v->width);
    note(v, d, at);
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE | v->wide, d, 0, file(v, at));
}

static void emit_simple(const struct vec *v, u32 op, bool commutes)
{
    unsigned second = v->at.s1, x = find(v, v->at.s2), y = v->scalar ? X1 : find(v, second), d;

    if (!x && y && !v->scalar && commutes) {
        second = v->at.s2;
        x = y;
        y = 0;
    }
    if (!x)
        x = loaded(v, v->at.s2, y);
    d = find(v, v->at.d);
    if (!d || (d == y && d != x))
        d = take(v, x, y);
    if (y) {
        rr(v, op, d, x, y);
    } else {
        if (!v->vex && d != x)
            move(v, d, x);
        x86_sse_rm(v->c, v->vex, op | v->wide, d, x, file(v, second + v->off));
    }
    store_kept(v, d);
}

static void emit_shift(const struct vec *v)
{
    unsigned x = loaded(v, v->at.s2, 0), d = find(v, v->at.d);

    if (!d)
        d = take(v, x, 0);
    x86_vec_shift_known(v, d, x);
    store_kept(v, d);
}

/* A shift that has code, which comes to nothing now. */
static bool is_shift(const struct vec *v)
{
    u8 *before = v->c->p;
    u32 noted = v->e->places.count;
    bool has_code = x86_vec_shift_known(v, reg_of(0), reg_of(0));

    v->c->p = before;
    v->e->places.count = noted;
    return has_code;
}

bool x86_vec_kept_lanes(struct vec *v)
{
    bool commutes;
    u32 op = x86_vec_simple(v, &commutes);

    if (v->some || v->masked || v->at.bytes % 16 || (!op && !is_shift(v)))
        return false;
    for (v->off = 0; v->off < v->at.bytes; v->off += v->width)
        op ? emit_simple(v, op, commutes) : emit_shift(v);
    return true;
}
