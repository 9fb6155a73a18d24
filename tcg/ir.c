/* tcg/ir.c - the table of ops, types, conditions, and blocks. */
#include "tcg/ir.h"
#include "tcg/append.h"
#include <string.h>

enum result { NONE, SAME, I64 };
enum effect {
    PURE = 0,
    GET = IR_EFFECT_GET,
    PUT = IR_EFFECT_PUT,
    LOAD = IR_EFFECT_LOAD,
    STORE = IR_EFFECT_STORE,
    CALL = IR_EFFECT_CALL,
    LEAVE = IR_EFFECT_LEAVE,
    END = IR_EFFECT_END,
    FENV = IR_EFFECT_FENV,
};

static const struct op_row {
    const char *name;
    u8 operands, result, effects;
} rows[IR_OPCODE_COUNT] = {
#define OP(id, name, operands, result, effects, meaning) [IR_##id] = { name, operands, result, effects },
#include "tcg/ops.def"
#undef OP
};

static const struct type_row {
    const char *name;
    u8 bits;
} types[IR_TYPE_COUNT] = {
    [IR_VOID] = { "void", 0 }, [IR_I8] = { "i8", 8 },    [IR_I16] = { "i16", 16 },
    [IR_I32] = { "i32", 32 },  [IR_I64] = { "i64", 64 }, [IR_F32] = { "f32", 32 }, [IR_F64] = { "f64", 64 },
};

const char *ir_op_name(enum ir_opcode code)
{
    return code < IR_OPCODE_COUNT ? rows[code].name : "?";
}

s32 ir_next_label(const struct ir_block *b, s32 pc)
{
    s32 next = IR_NO_LABEL;

    for (u32 i = 0; i < b->exit_count; i++)
        if (b->exit[i].kind == IR_EXIT_LOCAL && b->exit[i].pc > pc)
            next = MIN(next, b->exit[i].pc);
    return next;
}

static bool has_label(const struct ir_block *b, s32 pc)
{
    for (u32 i = 0; i < b->count; i++)
        if (b->op[i].code == IR_LABEL && b->op[i].imm == pc)
            return true;
    return false;
}

void ir_block_resolve(struct ir_block *b)
{
    for (u32 i = 0; i < b->exit_count; i++)
        if (b->exit[i].kind == IR_EXIT_LOCAL && !has_label(b, b->exit[i].pc))
            b->exit[i].kind = IR_EXIT_DIRECT;
}

const char *ir_type_name(enum ir_type type)
{
    return type < IR_TYPE_COUNT ? types[type].name : "?";
}

unsigned ir_type_bits(enum ir_type type)
{
    return types[type].bits;
}

unsigned ir_op_operands(const struct ir_op *op)
{
    return op->code == IR_CALL ? op->helper->arg_count : rows[op->code].operands;
}

u32 ir_op_effects(enum ir_opcode code)
{
    return rows[code].effects;
}

enum ir_type ir_op_result(const struct ir_op *op)
{
    switch (rows[op->code].result) {
    case NONE:
        return IR_VOID;
    case I64:
        return IR_I64;
    default:
        return op->code == IR_SELECT ? (enum ir_type)(op->aux >> 8) : (enum ir_type)op->type;
    }
}

static const struct cond_row {
    u8 invert, swap;
} conds[IR_COND_COUNT] = {
    [IR_EQ] = { IR_NE, IR_EQ },    [IR_NE] = { IR_EQ, IR_NE },    [IR_LT] = { IR_GE, IR_GT },
    [IR_GE] = { IR_LT, IR_LE },    [IR_LTU] = { IR_GEU, IR_GTU }, [IR_GEU] = { IR_LTU, IR_LEU },
    [IR_GT] = { IR_LE, IR_LT },    [IR_LE] = { IR_GT, IR_GE },    [IR_GTU] = { IR_LEU, IR_LTU },
    [IR_LEU] = { IR_GTU, IR_GEU },
};

enum ir_cond ir_cond_invert(enum ir_cond cond)
{
    return (enum ir_cond)conds[cond].invert;
}

enum ir_cond ir_cond_swap(enum ir_cond cond)
{
    return (enum ir_cond)conds[cond].swap;
}

bool ir_cond_holds(enum ir_cond cond, enum ir_type type, u64 a, u64 b)
{
    s64 x = ir_const_wrap(type, (s64)a), y = ir_const_wrap(type, (s64)b);

    switch (cond) {
    case IR_EQ:
        return x == y;
    case IR_NE:
        return x != y;
    case IR_LT:
        return x < y;
    case IR_GE:
        return x >= y;
    case IR_LTU: /* sign extension keeps the unsigned order */
        return (u64)x < (u64)y;
    case IR_GEU:
        return (u64)x >= (u64)y;
    case IR_GT:
        return x > y;
    case IR_LE:
        return x <= y;
    case IR_GTU:
        return (u64)x > (u64)y;
    case IR_LEU:
        return (u64)x <= (u64)y;
    default:
        return false;
    }
}

struct ir_block *ir_block_create(u32 capacity)
{
    struct ir_block *block = g_new0(struct ir_block, 1);

    block->capacity = CLAMP(capacity, 1, IR_MAX_OPS);
    block->op = g_new(struct ir_op, block->capacity);
    block->spare = g_new(struct ir_op, block->capacity);
    block->live = g_new(u16, block->capacity);
    block->map = g_new(ir_value, IR_NONE + 1); /* lazily backed but for the ends */
    block->map[IR_NONE] = IR_NONE;
    return block;
}

void ir_block_destroy(struct ir_block *block)
{
    if (!block)
        return;
    g_free(block->op);
    g_free(block->spare);
    g_free(block->live);
    g_free(block->map);
    g_free(block);
}

void ir_block_reset(struct ir_block *block, u32 first_pc)
{
    block->count = 0;
    block->exit_count = 0;
    block->snapshot_count = 0;
    block->first_pc = first_pc;
    block->byte_count = block->below = 0;
    block->winds = false;
    block->insn_count = 0;
    block->behind = block->single_memory = false;
    block->loop = false;
    block->momentary = false;
    block->total_order = false;
    block->streams = false;
    block->far_count = 0;
    block->next_guard = 0;
    block->apart = false;
    memset(block->stays, 0, sizeof(block->stays));
    block->windows = false;
    block->truncates = false;
    block->prepaid = false;
    block->overflow = false;
    block->live_count = 0;
    block->tracking = false;
    block->last_leave = 0;
}

void ir_block_track(struct ir_block *block, u32 reg_count)
{
    block->tracking = true;
    block->tracked = reg_count;
    memset(block->current, 0xff, reg_count * sizeof(block->current[0])); /* IR_NONE */
}
