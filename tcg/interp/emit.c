/* tcg/interp/emit.c - from IR ops to the interpreter's instructions. */
#include "tcg/interp/interp.h"
#include "tcg/append.h"
#include "tcg/fp.h"
#include "tcg/vector.h"
#include <string.h>

enum { NO_SLOT = 0xffff };

struct emitter {
    struct tcg_engine *engine;
    const struct ir_block *block;
    struct tcg_code *code;
    struct interp_insn *next, *limit;
    struct interp_insn *exit_insn[IR_MAX_EXITS]; /* the exit_if, or a local exit, that uses the row; or NULL */
    struct interp_insn *label[IR_MAX_EXITS];     /* where a local exit goes on */
    u16 slot[IR_MAX_OPS];
    u32 slots;
    bool full;
};

static struct interp_insn *put_insn(struct emitter *e, unsigned handler)
{
    struct interp_insn *insn = e->next;

    if (insn == e->limit) {
        e->full = true;
        insn--;
    } else {
        e->next++;
    }
    *insn = (struct interp_insn){ .handler = e->engine->handler[handler] };
    return insn;
}

static u16 new_slot(struct emitter *e, u32 op)
{
    return e->slot[op] = (u16)e->slots++;
}

/* The slot of a value; constants get theirs at their first use. */
static u16 slot_of(struct emitter *e, ir_value v)
{
    struct interp_insn *insn;

    if (v == IR_NONE)
        return 0;
    if (e->slot[v] != NO_SLOT)
        return e->slot[v];
    insn = put_insn(e, INTERP_CONST);
    insn->imm = (u64)e->block->op[v].imm;
    return insn->d = new_slot(e, v);
}

/* 0..3 for i8..i64 */
static unsigned width_of(enum ir_type type)
{
    return type - IR_I8;
}

static s32 snapshot_pc(const struct emitter *e, const struct ir_op *op)
{
    return op->snapshot < e->block->snapshot_count ? e->block->snapshot[op->snapshot].pc : 0;
}

/* Handlers of a kind with steps of `each` codes per type: the code for the type. */
#define TYPED(first8, first16, type) ((first8) + ((first16) - (first8)) * width_of(type))

static unsigned binary_handler(const struct ir_op *op)
{
    enum ir_type type = (enum ir_type)op->type;

    switch (op->code) {
#define X(name, ...)                                                                                                               \
    case IR_##name:                                                                                                                \
        return INTERP_##name##_R;
        BINARY_ANY(X)
#undef X
#define X(name, B, ...)                                                                                                            \
    case IR_##name:                                                                                                                \
        return TYPED(INTERP_##name##_R8, INTERP_##name##_R16, type);
        BINARY_TYPED(X, 8)
#undef X
    default:
        return INTERP_CODE_COUNT;
    }
}

static unsigned unary_handler(const struct ir_op *op)
{
    enum ir_type type = (enum ir_type)op->type;

    switch (op->code) {
#define X(name, ...)                                                                                                               \
    case IR_##name:                                                                                                                \
        return INTERP_##name;
        UNARY_ANY(X)
#undef X
    case IR_CLZ:
        return TYPED(INTERP_CLZ_8, INTERP_CLZ_16, type);
    case IR_CTZ:
        return TYPED(INTERP_CTZ_8, INTERP_CTZ_16, type);
    case IR_POPCNT:
        return TYPED(INTERP_POPCNT_8, INTERP_POPCNT_16, type);
    case IR_BSWAP:
        return TYPED(INTERP_BSWAP_8, INTERP_BSWAP_16, type);
    case IR_ZEXT:
        return TYPED(INTERP_ZEXT_8, INTERP_ZEXT_16, op->aux);
    case IR_SEXT:
        return TYPED(INTERP_SEXT_8, INTERP_SEXT_16, op->aux);
    default:
        return INTERP_CODE_COUNT;
    }
}

static unsigned compare_handler(const struct ir_op *op)
{
    unsigned step = INTERP_SETCC_NE_R8 - INTERP_SETCC_EQ_R8, cond = op->aux & 0xff;
    unsigned first = op->code == IR_SETCC  ? INTERP_SETCC_EQ_R8
                     : op->code == IR_SELECT ? INTERP_SELECT_EQ_R8
                                             : INTERP_EXIT_IF_EQ_R8;

    return first + step * cond + (INTERP_SETCC_EQ_R16 - INTERP_SETCC_EQ_R8) * width_of((enum ir_type)op->type);
}

/* An insn with two operands: the immediate form (handler + 1) when the second is a constant. */
static struct interp_insn *put_two(struct emitter *e, unsigned handler, const struct ir_op *op)
{
    bool immediate = ir_is_const(e->block, op->arg[1]) && e->slot[op->arg[1]] == NO_SLOT;
    u16 a = slot_of(e, op->arg[0]), b = immediate ? 0 : slot_of(e, op->arg[1]);
    struct interp_insn *insn = put_insn(e, handler + immediate);

    insn->a = a;
    insn->b = b;
    if (immediate)
        insn->imm = (u64)e->block->op[op->arg[1]].imm;
    return insn;
}

static void put_binary(struct emitter *e, u32 i, const struct ir_op *op, unsigned handler)
{
    struct interp_insn *insn = put_two(e, handler, op);

    insn->d = new_slot(e, i);
}

static void put_unary(struct emitter *e, u32 i, const struct ir_op *op, unsigned handler)
{
    u16 a = slot_of(e, op->arg[0]);
    struct interp_insn *insn = put_insn(e, handler);

    insn->a = a;
    insn->d = new_slot(e, i);
}

static void put_select(struct emitter *e, u32 i, const struct ir_op *op)
{
    u16 yes = slot_of(e, op->arg[2]), no = slot_of(e, op->arg[3]);
    struct interp_insn *insn = put_two(e, compare_handler(op), op);

    insn->c = yes;
    insn->y = no;
    insn->d = new_slot(e, i);
}

static void put_register(struct emitter *e, u32 i, const struct ir_op *op)
{
    struct interp_insn *insn;
    u16 a = op->code == IR_PUT ? slot_of(e, op->arg[0]) : 0;
    enum ir_type type = ir_type_is_fp(op->type) ? IR_I64 : (enum ir_type)op->type;

    if (op->code == IR_PUT)
        insn = put_insn(e, TYPED(INTERP_PUT_8, INTERP_PUT_16, type));
    else
        insn = put_insn(e, TYPED(INTERP_GET_8, INTERP_GET_16, type));
    insn->a = a;
    insn->x = e->engine->layout.reg[op->aux].offset;
    insn->d = new_slot(e, i);
}

static unsigned memory_handler(const struct ir_op *op)
{
    unsigned size = op->aux & IR_MEM_SIZE;

    if (op->code == IR_AMO)
        return INTERP_AMO;
    if (op->code == IR_CAS)
        return INTERP_CAS;
    if (HOST_IS_BIG || (op->aux & ~(IR_MEM_SIZE | IR_MEM_SIGNED)))
        return op->code == IR_LD ? INTERP_LD_ANY : INTERP_ST_ANY;
    if (op->code == IR_ST)
        return INTERP_ST_8 + size;
    return (op->aux & IR_MEM_SIGNED ? INTERP_LD_S8 : INTERP_LD_U8) + size;
}

static void put_memory(struct emitter *e, u32 i, const struct ir_op *op)
{
    u16 a = slot_of(e, op->arg[0]), b = slot_of(e, op->arg[1]), third = slot_of(e, op->arg[2]);
    struct interp_insn *insn = put_insn(e, memory_handler(op));

    insn->a = a;
    insn->b = b;
    insn->y = third;
    insn->c = op->aux;
    insn->imm = (u64)op->imm;
    insn->x = snapshot_pc(e, op);
    insn->d = new_slot(e, i);
}

static void put_call(struct emitter *e, u32 i, const struct ir_op *op)
{
    u16 a = slot_of(e, op->arg[0]), b = slot_of(e, op->arg[1]), c = slot_of(e, op->arg[2]);
    u16 d = slot_of(e, op->arg[3]);
    struct interp_insn *insn = put_insn(e, INTERP_CALL);

    insn->a = a;
    insn->b = b;
    insn->c = c;
    insn->y = d;
    insn->imm = (uintptr_t)op->helper;
    insn->x = snapshot_pc(e, op);
    insn->d = new_slot(e, i);
}

static void put_vector(struct emitter *e, u32 i, const struct ir_op *op)
{
    u16 a = slot_of(e, op->arg[0]);
    struct interp_insn *insn = put_insn(e, op->code == IR_VEC ? INTERP_VEC : INTERP_VEC_TO);

    insn->a = a;
    insn->imm = ir_vector_word(op);
    insn->d = new_slot(e, i);
}

static void put_fp(struct emitter *e, u32 i, const struct ir_op *op)
{
    u16 a = slot_of(e, op->arg[0]), b = slot_of(e, op->arg[1]), c = slot_of(e, op->arg[2]);
    struct interp_insn *insn = put_insn(e, INTERP_FP);

    insn->a = a;
    insn->b = b;
    insn->y = c;
    insn->imm = ir_fp_word(op);
    insn->d = new_slot(e, i);
}

static bool is_same_page(s32 pc)
{
    return pc >= 0 && pc < TCG_PAGE_SIZE;
}

/* The n-th direct exit of the block. */
static struct tcg_link *link_of(const struct emitter *e, u32 exit)
{
    u32 n = 0;

    for (u32 i = 0; i < exit; i++)
        n += e->block->exit[i].kind == IR_EXIT_DIRECT;
    return n < e->code->link_count ? &e->code->link[n] : NULL;
}

/* EXIT and UNLINKED of a direct exit taken by the instruction at `from`. */
static struct interp_insn *put_exit(struct emitter *e, u32 exit, s32 from)
{
    s32 pc = e->block->exit[exit].pc;
    struct tcg_link *link = link_of(e, exit);
    struct interp_insn *insn, *stub;

    insn = put_insn(e, !is_same_page(pc) ? INTERP_EXIT_PAGE : ir_is_backward(e->block, from, pc) ? INTERP_EXIT_POLL : INTERP_EXIT);
    stub = put_insn(e, INTERP_UNLINKED);
    insn->x = stub->x = pc;
    insn->imm = (uintptr_t)stub;
    stub->imm = (uintptr_t)link;
    if (link) {
        link->site = (u32)((u8 *)insn - e->engine->buffer);
        link->unlinked = (u32)((u8 *)stub - e->engine->buffer);
    }
    return insn;
}

static void put_exit_if(struct emitter *e, const struct ir_op *op)
{
    struct interp_insn *insn = put_two(e, compare_handler(op), op);

    insn->x = snapshot_pc(e, op); /* until the exit is there */
    e->exit_insn[op->imm] = insn;
}

static void put_label(struct emitter *e, const struct ir_op *op)
{
    for (u32 i = 0; i < e->block->exit_count; i++)
        if (e->block->exit[i].kind == IR_EXIT_LOCAL && e->block->exit[i].pc == op->imm)
            e->label[i] = e->next;
}

static void put_local_exit(struct emitter *e, const struct ir_op *op)
{
    e->exit_insn[op->imm] = put_insn(e, INTERP_EXIT);
}

/* To a label: by its distance, or by its address for those that are always taken. */
static void join_label(struct emitter *e, u32 exit)
{
    struct interp_insn *from = e->exit_insn[exit];

    if (from->handler == e->engine->handler[INTERP_EXIT])
        from->imm = (uintptr_t)e->label[exit];
    else
        from->x = (s32)(e->label[exit] - from);
}

/* The exits that the exit_ifs go to, behind the body. */
static void put_side_exits(struct emitter *e)
{
    for (u32 i = 0; i < e->block->exit_count; i++)
        if (e->block->exit[i].kind == IR_EXIT_LOCAL) {
            if (e->exit_insn[i] && !e->full)
                join_label(e, i);
        } else if (e->exit_insn[i]) {
            struct interp_insn *to = put_exit(e, i, e->exit_insn[i]->x);

            e->exit_insn[i]->x = (s32)(to - e->exit_insn[i]);
        }
}

static void put_exit_to(struct emitter *e, const struct ir_op *op)
{
    u16 a = slot_of(e, op->arg[0]);
    struct interp_insn *insn = put_insn(e, INTERP_EXIT_TO);

    insn->a = a;
    insn->imm = ~(u64)op->aux;
}

static void put_op(struct emitter *e, u32 i)
{
    const struct ir_op *op = &e->block->op[i];
    unsigned handler;

    switch (op->code) {
    case IR_NOP:
    case IR_INSN:
    case IR_CONST:
        return;
    case IR_TRUNC:
        e->slot[i] = slot_of(e, op->arg[0]);
        return;
    case IR_PC_ADD: {
        struct interp_insn *insn = put_insn(e, INTERP_PC_ADD);

        insn->imm = (u64)op->imm;
        insn->d = new_slot(e, i);
        return;
    }
    case IR_GET:
    case IR_PUT:
        return put_register(e, i, op);
    case IR_SETCC:
        return put_binary(e, i, op, compare_handler(op));
    case IR_SELECT:
        return put_select(e, i, op);
    case IR_LD:
    case IR_ST:
    case IR_AMO:
    case IR_CAS:
        return put_memory(e, i, op);
    case IR_FENCE:
        put_insn(e, INTERP_FENCE)->imm = (u64)op->imm;
        return;
    case IR_COUNT:
    case IR_UNCOUNT: {
        struct interp_insn *insn = put_insn(e, op->code == IR_COUNT ? INTERP_COUNT : INTERP_UNCOUNT);

        insn->imm = (u64)op->imm;
        insn->x = snapshot_pc(e, op);
        return;
    }
    case IR_CALL:
    case IR_VLD:
    case IR_VST:
        return put_call(e, i, op);
    case IR_VEC:
    case IR_VEC_TO:
        return put_vector(e, i, op);
    case IR_EXIT_IF:
        return put_exit_if(e, op);
    case IR_LABEL:
        return put_label(e, op);
    case IR_EXIT:
        if (e->block->exit[op->imm].kind == IR_EXIT_LOCAL)
            put_local_exit(e, op);
        else
            put_exit(e, (u32)op->imm, snapshot_pc(e, op));
        return;
    case IR_EXIT_TO:
        return put_exit_to(e, op);
    case IR_LEAVE:
        put_insn(e, INTERP_LEAVE);
        return;
    case IR_FENV_GET:
        put_insn(e, INTERP_FENV_GET)->d = new_slot(e, i);
        return;
    case IR_FENV_SET: {
        u16 a = slot_of(e, op->arg[0]);

        put_insn(e, INTERP_FENV_SET)->a = a;
        return;
    }
    default:
        if (op->code >= IR_FADD && op->code <= IR_FROM_BITS)
            return put_fp(e, i, op);
        handler = binary_handler(op);
        if (handler != INTERP_CODE_COUNT)
            return put_binary(e, i, op, handler);
        put_unary(e, i, op, unary_handler(op));
    }
}

u32 interp_emit(struct tcg_engine *engine, const struct ir_block *block, struct tcg_code *code, u32 at, u32 limit)
{
    struct emitter e = { .engine = engine, .block = block, .code = code };
    struct interp_insn *enter = (struct interp_insn *)(engine->buffer + at);

    e.next = enter;
    e.limit = enter + (limit - at) / sizeof(struct interp_insn);
    if (e.next == e.limit)
        return 0;
    memset(e.slot, 0xff, block->count * sizeof e.slot[0]);
    for (u32 i = 0; i < code->link_count; i++)
        code->link[i].site = code->link[i].unlinked = UINT32_MAX;
    put_insn(&e, INTERP_ENTER)->x = (s32)block->first_pc;
    for (u32 i = 0; i < block->count && !e.full; i++)
        put_op(&e, i);
    put_side_exits(&e);
    if (e.full)
        return 0;
    code->indirect_entry = enter;
    code->entry = enter + 1;
    code->start = at;
    code->size = (u32)((u8 *)e.next - (u8 *)enter);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return at + code->size;
}
