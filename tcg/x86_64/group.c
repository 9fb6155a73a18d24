/*
 * tcg/x86_64/group.c - finds accesses that can share one check: same base value, displacements close together, same block.
 *
 * What a group relies on: between its check and its last member nothing may take a translation away. C code (slow paths of
 * other accesses) can, so those repeat the checks of open groups, and leave behind the current instruction when one fails;
 * helpers, atomics and everything else that may touch tables end groups. The first member's check happens with precise
 * state, so when the bytes lie in two pages the block goes on in its variant without groups (ir_exit.single).
 */
#include "tcg/x86_64/value.h"

enum { MAX_SPAN = 1024 };

struct finder {
    struct tcg_engine *e;
    struct ir_block *block;
    u16 open[X86_OPEN_GROUPS]; /* groups that may get more members */
    u32 open_count;
    bool clean; /* nothing of the present guest instruction has happened yet */
    u16 members[X86_MAX_GROUPS];
};

static bool is_access(const struct ir_op *op)
{
    return (op->code == IR_LD || op->code == IR_ST) && !(op->aux & IR_MEM_ALIGNED) && !(op->aux >> IR_MEM_SPACE_SHIFT) &&
           x86_fits32(op->imm) && op->imm >= -(1 << 20) && op->imm < 1 << 20;
}

const struct ir_op *x86_rest_of_insn(const struct ir_block *b, u32 i, bool *ok)
{
    const struct ir_op *put = NULL;

    for (u32 k = i + 1; k < b->count; k++) {
        const struct ir_op *op = &b->op[k];

        if (op->code == IR_INSN || op->code == IR_EXIT) {
            *ok = true;
            return put;
        }
        if (op->code == IR_NOP)
            continue;
        if (op->code != IR_PUT || op->arg[0] != i || op->type != IR_I64 || put)
            break;
        put = op;
    }
    *ok = false;
    return NULL;
}

static bool reads_all(const struct ir_op *op)
{
    return op->code == IR_LD ? op->type == IR_I64 : true;
}

static void close_all(struct finder *f)
{
    f->open_count = 0;
}

static void open_group(struct finder *f, u32 i, const struct ir_op *op, ir_value base)
{
    struct tcg_engine *e = f->e;
    struct x86_group *g;

    if (e->group_count == X86_MAX_GROUPS || e->group_count + f->block->exit_count == IR_MAX_EXITS)
        return;
    if (f->open_count == X86_OPEN_GROUPS) {
        memmove(f->open, f->open + 1, sizeof(f->open) - sizeof(f->open[0]));
        f->open_count--;
    }
    g = &e->group[e->group_count];
    *g = (struct x86_group){
        .base = base, .exit = IR_NONE, .first = i, .last = i, .low = (s32)op->imm,
        .high = (s32)op->imm + (s32)ir_mem_bytes(op->aux), .write = op->code == IR_ST || op->aux & IR_MEM_WRITE_INTENT,
        .slot = X86_NO_SLOT,
    };
    f->members[e->group_count] = 1;
    e->group_of[i] = (u16)e->group_count;
    f->open[f->open_count++] = (u16)e->group_count++;
}

static bool join(struct finder *f, u32 i, const struct ir_op *op, ir_value base)
{
    s32 low = (s32)op->imm, high = low + (s32)ir_mem_bytes(op->aux);

    for (u32 k = 0; k < f->open_count; k++) {
        struct x86_group *g = &f->e->group[f->open[k]];
        s32 all_low = MIN(low, g->low), all_high = MAX(high, g->high);

        if (g->base != base || all_high - all_low > MAX_SPAN)
            continue;
        g->low = all_low;
        g->high = all_high;
        g->last = i;
        g->write |= op->code == IR_ST || op->aux & IR_MEM_WRITE_INTENT;
        f->members[f->open[k]]++;
        f->e->group_of[i] = f->open[k];
        return true;
    }
    return false;
}

static void add_access(struct finder *f, u32 i, const struct ir_op *op)
{
    ir_value base = x86_root(f->e, op->arg[0]);
    bool simple;

    if (f->e->value[base].place != PLACE_CONST && is_access(op) && join(f, i, op, base))
        return;
    x86_rest_of_insn(f->block, i, &simple);
    if (!simple || !reads_all(op)) {
        close_all(f); /* could not leave behind it */
        return;
    }
    if (f->clean && is_access(op) && f->e->value[base].place != PLACE_CONST)
        open_group(f, i, op, base);
}

static bool is_pure_call(const struct ir_op *op)
{
    return op->code == IR_CALL && op->helper->effects == IR_HELPER_PURE;
}

static void scan(struct finder *f)
{
    struct ir_block *b = f->block;

    for (u32 i = 0; i < b->count; i++) {
        const struct ir_op *op = &b->op[i];

        f->e->group_of[i] = IR_NONE;
        switch (op->code) {
        case IR_INSN:
            f->clean = true;
            break;
        case IR_LD:
        case IR_ST:
            add_access(f, i, op);
            f->clean = false;
            break;
        case IR_PUT:
            f->clean = false;
            break;
        case IR_AMO:
        case IR_CAS:
            close_all(f);
            f->clean = false;
            break;
        case IR_CALL:
            if (!is_pure_call(op))
                close_all(f);
            f->clean = false;
            break;
        default:
            break;
        }
    }
}

static void add_exit(struct ir_block *b, struct x86_group *g)
{
    const struct ir_op *op = &b->op[g->first];

    g->exit = (u16)b->exit_count;
    b->exit[b->exit_count++] = (struct ir_exit){
        .kind = IR_EXIT_DIRECT, .single = true, .icount = b->snapshot[op->snapshot].icount, .pc = b->snapshot[op->snapshot].pc
    };
}

/* A group of one is none. */
static void keep_real_groups(struct finder *f)
{
    struct tcg_engine *e = f->e;

    for (u32 i = 0; i < e->group_count; i++) {
        struct x86_group *g = &e->group[i];

        if (f->members[i] > 1)
            add_exit(f->block, g);
        else
            e->group_of[g->first] = IR_NONE;
    }
}

void x86_prepare(struct tcg_engine *e, struct ir_block *block)
{
    struct finder f = {.e = e, .block = block};

    e->block = block;
    e->group_count = 0;
    e->prepared = !block->single_memory && block->insn_count > 1;
    x86_analyse(e);
    e->analysed = true;
    if (!e->prepared)
        return;
    scan(&f);
    keep_real_groups(&f);
}
