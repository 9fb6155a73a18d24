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

static bool is_access(const struct ir_op *op)
{
    return (op->code == IR_LD || op->code == IR_ST) && !(op->aux & IR_MEM_ALIGNED) && !(op->aux >> IR_MEM_SPACE_SHIFT) &&
           x86_fits32(op->imm) && op->imm >= -(1 << 20) && op->imm < 1 << 20;
}

bool x86_rest_of_insn(const struct ir_block *b, u32 i, struct x86_rest *rest)
{
    *rest = (struct x86_rest){ IR_NONE, IR_NONE, 0 };
    for (u32 k = i + 1; k < b->count; k++) {
        const struct ir_op *op = &b->op[k], *from = &b->op[op->code == IR_PUT ? op->arg[0] : 0];

        if (op->code == IR_INSN || op->code == IR_EXIT || op->code == IR_LABEL)
            return true;
        if (op->code == IR_NOP || op->code == IR_CONST)
            continue;
        if (op->code != IR_PUT)
            return false;
        if (op->arg[0] == i && x86_is_full(op->type) && rest->put == IR_NONE) {
            rest->put = op->aux;
        } else if (op->type == IR_I64 && from->code == IR_CONST && x86_fits32(from->imm) && rest->note == IR_NONE) {
            rest->note = op->aux;
            rest->imm = (s32)from->imm;
        } else {
            return false;
        }
    }
    return false;
}

static bool reads_all(const struct ir_op *op)
{
    return op->code == IR_LD ? x86_is_full(op->type) : true;
}

static void close_all(struct tcg_engine *e)
{
    e->finder.open_count = 0;
}

/* A constant, put before the instruction has read anything: doing it again changes nothing. */
static bool is_repeatable(const struct ir_block *b, u32 i)
{
    if (b->op[b->op[i].arg[0]].code != IR_CONST)
        return false;
    while (i-- && (b->op[i].code == IR_CONST || b->op[i].code == IR_NOP))
        continue;
    return b->op[i].code == IR_INSN;
}

bool x86_is_clean(const struct ir_block *b, u32 i)
{
    while (i-- > 0) {
        switch (b->op[i].code) {
        case IR_INSN:
            return true;
        case IR_LD:
        case IR_ST:
        case IR_AMO:
        case IR_CAS:
        case IR_CALL:
        case IR_VLD:
        case IR_VST:
            return false;
        case IR_PUT:
            if (!is_repeatable(b, i))
                return false;
            break;
        default:
            break;
        }
    }
    return false;
}

static void open_group(struct tcg_engine *e, u32 i, const struct ir_op *op, ir_value base)
{
    struct x86_finder *f = &e->finder;
    u32 n = e->group_count;

    if (n == X86_MAX_GROUPS || n + e->block->exit_count == IR_MAX_EXITS)
        return;
    if (f->open_count == X86_OPEN_GROUPS) {
        memmove(f->open, f->open + 1, sizeof(f->open) - sizeof(f->open[0]));
        f->open_count--;
    }
    e->group[n] = (struct x86_group){
        .base = base, .exit = IR_NONE, .first = i, .last = i, .low = (s32)op->imm,
        .high = (s32)op->imm + (s32)ir_mem_bytes(op->aux), .write = op->code == IR_ST || op->aux & IR_MEM_WRITE_INTENT,
        .windows = x86_window_may(e, op), .slot = X86_NO_SLOT,
    };
    f->members[n] = 1;
    e->group_of[i] = (u16)n;
    f->open[f->open_count++] = (u16)n;
    e->group_count++;
}

static bool join(struct tcg_engine *e, u32 i, const struct ir_op *op, ir_value base)
{
    const struct x86_finder *f = &e->finder;
    s32 low = (s32)op->imm, high = low + (s32)ir_mem_bytes(op->aux);

    for (u32 k = 0; k < f->open_count; k++) {
        struct x86_group *g = &e->group[f->open[k]];
        s32 all_low = MIN(low, g->low), all_high = MAX(high, g->high);

        if (g->base != base || all_high - all_low > MAX_SPAN)
            continue;
        g->low = all_low;
        g->high = all_high;
        g->last = i;
        g->write |= op->code == IR_ST || op->aux & IR_MEM_WRITE_INTENT;
        g->windows &= x86_window_may(e, op);
        e->finder.members[f->open[k]]++;
        e->group_of[i] = f->open[k];
        return true;
    }
    return false;
}

static void add_access(struct tcg_engine *e, u32 i, const struct ir_op *op)
{
    ir_value base = x86_root(e, op->arg[0]);
    bool may_share = e->value[base].place != PLACE_CONST && is_access(op);
    struct x86_rest rest;

    e->group_of[i] = IR_NONE;
    if (may_share && join(e, i, op, base))
        return;
    if (!x86_rest_of_insn(e->block, i, &rest) || !reads_all(op))
        close_all(e); /* could not leave behind it */
    else if (may_share && x86_is_clean(e->block, i))
        open_group(e, i, op, base);
}

void x86_group_find(struct tcg_engine *e, u32 i, const struct ir_op *op)
{
    if (op->code == IR_LD || op->code == IR_ST)
        add_access(e, i, op);
    else if (op->code != IR_CALL || op->helper->effects != IR_HELPER_PURE)
        close_all(e);
}

static void add_exit(struct ir_block *b, struct x86_group *g)
{
    const struct ir_op *op = &b->op[g->first];

    g->exit = (u16)b->exit_count;
    b->exit[b->exit_count++] = (struct ir_exit){
        .kind = IR_EXIT_DIRECT, .single = true, .icount = b->snapshot[op->snapshot].icount, .pc = b->snapshot[op->snapshot].pc
    };
}

static void dissolve(struct tcg_engine *e, const struct ir_block *block, u32 group)
{
    for (u32 i = e->group[group].first; i <= e->group[group].last; i++)
        if (is_access(&block->op[i]) && e->group_of[i] == group)
            e->group_of[i] = IR_NONE;
}

/* A group of one is none. Nor is one by the tables where others may go by windows: C does what faults there, and does not look at open groups. */
static void keep_real_groups(struct tcg_engine *e, struct ir_block *block)
{
    for (u32 i = 0; i < e->group_count; i++) {
        struct x86_group *g = &e->group[i];

        if (e->finder.members[i] == 1 || (block->windows && !g->windows))
            dissolve(e, block, i);
        else if (!g->windows)
            add_exit(block, g);
    }
}

void x86_prepare(struct tcg_engine *e, struct ir_block *block)
{
    e->block = block;
    e->group_count = 0;
    if (block->loop)
        x86_loop_prepare(e, block);
    e->loop.on = block->loop;
    if (block->loop) {
        e->prepared = e->finding = e->analysed = false;
        return;
    }
    e->prepared = e->finding = !block->single_memory && block->insn_count > 1;
    close_all(e);
    x86_analyse(e);
    e->analysed = true;
    e->finding = false;
    keep_real_groups(e, block);
    x86_prepare_call(block);
}
