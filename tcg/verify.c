/* tcg/verify.c - checks a block against the contract of tcg/ir.h and tcg/ops.def. */
#include "tcg/append.h"
#include "tcg/vector.h"
#include "base/error.h"

struct verifier {
    const struct ir_block *block;
    const struct ir_reg *regs;
    u32 reg_count;
    u32 at;       /* the op under test */
    s32 snapshot; /* of the latest insn; -1 before the first */
    u32 label;    /* the latest one, or 0 */
    GError **error;
};

static bool complain(struct verifier *v, const char *what)
{
    const struct ir_op *op = &v->block->op[v->at];

    return error_set(v->error, "op %u (%s): %s", v->at,
                     op->code < IR_OPCODE_COUNT ? ir_op_name((enum ir_opcode)op->code) : "unknown", what);
}

/* Operand i is an earlier value of the type (IR_VOID: of any). */
static bool check_operand(struct verifier *v, unsigned i, enum ir_type type)
{
    ir_value arg = v->block->op[v->at].arg[i];
    enum ir_type is;

    if (arg >= v->at)
        return complain(v, "an operand is not an earlier value");
    is = ir_op_result(&v->block->op[arg]);
    if (is == IR_VOID)
        return complain(v, "an operand is an op without a result");
    if (type != IR_VOID && is != type)
        return complain(v, "an operand has the wrong type");
    if (arg < v->label && v->block->op[arg].code != IR_CONST)
        return complain(v, "an operand was made before a label");
    return true;
}

static bool check_operands(struct verifier *v, unsigned from, unsigned to, enum ir_type type)
{
    for (unsigned i = from; i < to; i++)
        if (!check_operand(v, i, type))
            return false;
    return true;
}

static enum ir_type operand_type(const struct verifier *v, unsigned i)
{
    return ir_op_result(&v->block->op[v->block->op[v->at].arg[i]]);
}

static bool check_conversion(struct verifier *v, const struct ir_op *op)
{
    enum ir_type from;

    if (!check_operand(v, 0, IR_VOID))
        return false;
    from = operand_type(v, 0);
    if (from > IR_I64 || op->type > IR_I64)
        return complain(v, "not an integer");
    if (op->code == IR_TRUNC)
        return from > op->type || complain(v, "trunc does not narrow");
    if (op->aux != from)
        return complain(v, "aux is not the operand's type");
    return from < op->type || complain(v, "an extension does not widen");
}

static bool check_reg(struct verifier *v, const struct ir_op *op)
{
    if (op->aux >= v->reg_count || op->aux >= IR_MAX_REGS)
        return complain(v, "no such guest register");
    if (v->regs && v->regs[op->aux].type != op->type)
        return complain(v, "the type is not the register's");
    return op->code == IR_GET || check_operand(v, 0, (enum ir_type)op->type);
}

static bool check_memory(struct verifier *v, const struct ir_op *op)
{
    unsigned bits = 8 * ir_mem_bytes(op->aux);

    if ((op->aux & IR_MEM_SIZE) > IR_MEM_64)
        return complain(v, "no such access size");
    if (bits > ir_type_bits((enum ir_type)op->type))
        return complain(v, "the access is wider than its type");
    if (op->code == IR_LD && op->type != IR_I32 && op->type != IR_I64 && op->type != IR_F64)
        return complain(v, "loads make i32, i64 or f64");
    if (op->type == IR_F64 && (op->aux & IR_MEM_BIG || (op->code == IR_LD && bits < 64 && !(op->aux & IR_MEM_ONES))))
        return complain(v, "an f64 is loaded whole or with ones, in little-endian order");
    if (op->type == IR_F64 && bits < 16)
        return complain(v, "an f64 has no single byte in memory");
    if (op->type == IR_F32 || ((op->code == IR_AMO || op->code == IR_CAS) && op->type == IR_F64))
        return complain(v, "no such type in memory");
    if (op->code == IR_AMO && (op->imm < 0 || op->imm >= IR_AMO_COUNT))
        return complain(v, "no such atomic operation");
    if ((op->code == IR_AMO || op->code == IR_CAS) && !(op->aux & IR_MEM_ALIGNED))
        return complain(v, "an atomic access must be marked aligned");
    return check_operand(v, 0, IR_I64) && check_operands(v, 1, ir_op_operands(op), (enum ir_type)op->type);
}

/* Behind the exit, or in a loop, whose turns back ends count, before it. */
static bool leads_to_label(struct verifier *v, s32 pc)
{
    for (u32 i = v->block->loop ? 0 : v->at + 1; i < v->block->count; i++)
        if (v->block->op[i].code == IR_LABEL && v->block->op[i].imm == pc)
            return true;
    return complain(v, "no label follows for the local exit");
}

static bool check_exit(struct verifier *v, const struct ir_op *op)
{
    u8 kind = op->code == IR_EXIT_TO ? IR_EXIT_INDIRECT : IR_EXIT_DIRECT;

    if (op->imm < 0 || op->imm >= v->block->exit_count)
        return complain(v, "no such exit");
    if (kind == IR_EXIT_DIRECT && v->block->exit[op->imm].kind == IR_EXIT_LOCAL)
        return leads_to_label(v, v->block->exit[op->imm].pc);
    if (v->block->exit[op->imm].kind != kind)
        return complain(v, "the exit is of the other kind");
    if (v->block->exit[op->imm].hint > IR_HINT_RETURN)
        return complain(v, "no such hint");
    return true;
}

/* The operand's type by op; IR_VOID: that of the op. */
static bool check_fp_types(struct verifier *v, const struct ir_op *op)
{
    enum ir_type from = ir_fp_from(op->aux);
    bool integer = op->type == IR_I32 || op->type == IR_I64;

    switch (op->code) {
    case IR_FTOI:
        return (integer && ir_type_is_fp(from)) || complain(v, "not from floating to i32 or i64");
    case IR_ITOF:
        return (ir_type_is_fp(op->type) && (from == IR_I32 || from == IR_I64)) || complain(v, "not from i32 or i64 to floating");
    case IR_FCVT:
        return (ir_type_is_fp(op->type) && ir_type_is_fp(from) && from != op->type) || complain(v, "not between f32 and f64");
    case IR_BOX:
    case IR_FROM_BITS:
        return op->type == IR_F64 || complain(v, "makes f64");
    case IR_UNBOX:
        return op->type == IR_F32 || complain(v, "makes f32");
    case IR_BITS:
        return op->type == IR_I64 || complain(v, "makes i64");
    default:
        return ir_type_is_fp(op->type) || complain(v, "not a floating-point type");
    }
}

static bool check_fp(struct verifier *v, const struct ir_op *op)
{
    enum ir_type type = (enum ir_type)op->type;

    if (!check_fp_types(v, op))
        return false;
    if (op->code <= IR_FROUND && (op->aux & IR_FP_ROUNDING) > 4 &&
        (op->aux & IR_FP_ROUNDING) != IR_FP_DYNAMIC)
        return complain(v, "no such rounding mode");
    if (op->code == IR_FTOI || op->code == IR_ITOF || op->code == IR_FCVT)
        type = ir_fp_from(op->aux);
    else if (op->code == IR_BOX)
        type = IR_F32;
    else if (op->code == IR_UNBOX || op->code == IR_BITS)
        type = IR_F64;
    else if (op->code == IR_FROM_BITS)
        type = IR_I64;
    return check_operands(v, 0, ir_op_operands(op), type);
}

static bool is_fp(unsigned code)
{
    return code >= IR_FADD && code <= IR_FROM_BITS;
}

static bool check_select(struct verifier *v, const struct ir_op *op)
{
    enum ir_type chosen = (enum ir_type)(op->aux >> 8);

    if ((op->aux & 0xff) >= IR_COND_COUNT)
        return complain(v, "no such condition");
    if (chosen == IR_VOID || chosen >= IR_TYPE_COUNT)
        return complain(v, "no type of the result in aux");
    return check_operands(v, 0, 2, (enum ir_type)op->type) && check_operands(v, 2, 4, chosen);
}

static bool check_call(struct verifier *v, const struct ir_op *op)
{
    if (!op->helper || op->helper->arg_count > 4)
        return complain(v, "no helper, or one with more than four arguments");
    if (op->type != op->helper->result)
        return complain(v, "the type is not the helper's result");
    if ((op->helper->effects & IR_HELPER_MAY_LEAVE) && op->type != IR_VOID)
        return complain(v, "a helper that may leave has no result");
    return check_operands(v, 0, op->helper->arg_count, IR_I64);
}

static bool is_apart(unsigned a, unsigned a_bytes, unsigned b, unsigned b_bytes)
{
    return a + a_bytes <= b || b + b_bytes <= a;
}

/*
 * What a kind writes and reads is in the file; a source of lanes is the destination or apart from it, bits may also begin where it does, and
 * what is moved may lie higher than where it goes.
 */
static bool check_places(struct verifier *v, const struct ir_op *op, enum ir_vector_shape shape)
{
    struct ir_vector_place p = ir_vector_unpack((u64)op->imm);
    unsigned lane = 1u << ir_vector_lane((enum ir_type)op->type), written = p.bytes, read1 = p.bytes, read2 = p.bytes;

    if (!p.bytes || p.bytes & (lane - 1))
        return complain(v, "no whole number of lanes");
    if (shape == IR_VECTOR_BITS || shape == IR_VECTOR_FBITS)
        written = (p.bytes / lane + 7) / 8;
    else if (shape == IR_VECTOR_FOLD || shape == IR_VECTOR_FFOLD)
        written = read1 = lane;
    if (shape == IR_VECTOR_WIDE || shape == IR_VECTOR_WIDER)
        read1 = p.bytes / 2, read2 = shape == IR_VECTOR_WIDE ? read1 : p.bytes;
    if (shape == IR_VECTOR_NARROW)
        read2 = 2 * p.bytes;
    if (op->aux & IR_VECTOR_SCALAR)
        read1 = 0;
    if (ir_vector_has_one((enum ir_vector_kind)(op->aux & IR_VECTOR_KIND)))
        read1 = read2 = 16; /* s1 is not read, and s2 again */
    if (p.d + written > IR_VECTOR_FILE || p.s2 + read2 > IR_VECTOR_FILE || p.s1 + read1 > IR_VECTOR_FILE)
        return complain(v, "a place outside the vector file");
    if (shape == IR_VECTOR_FOLD || shape == IR_VECTOR_FFOLD)
        return true;
    if ((op->aux & IR_VECTOR_KIND) == IR_VECTOR_MV && p.d < p.s1)
        return true;
    if ((shape == IR_VECTOR_PICK && (p.d == p.s2 || (read1 && p.d == p.s1))) || (shape == IR_VECTOR_WIDE && p.d == p.s2) || ((shape == IR_VECTOR_WIDE || shape == IR_VECTOR_WIDER) && read1 && p.d == p.s1))
        return complain(v, "a source overlaps the destination");
    return ((p.d == p.s2 || is_apart(p.d, written, p.s2, read2)) && (p.d == p.s1 || is_apart(p.d, written, p.s1, read1))) ||
           complain(v, "a source overlaps the destination");
}

static bool check_groups(struct verifier *v, const struct ir_op *op, enum ir_vector_kind kind)
{
    struct ir_vector_place p = ir_vector_unpack((u64)op->imm);
    bool is_sha2 = kind >= IR_VECTOR_SHA2MS && kind <= IR_VECTOR_SHA2CL;

    if (op->type != IR_I32 && !(is_sha2 && op->type == IR_I64))
        return complain(v, "not lanes of the operation's type");
    if (p.bytes % ir_vector_group(kind, (enum ir_type)op->type))
        return complain(v, "no whole number of groups");
    if (!(op->aux & IR_VECTOR_SCALAR) == ir_vector_has_number(kind))
        return complain(v, "a number is missing, or one too many");
    return !ir_vector_has_one(kind) || is_apart(p.d, p.bytes, p.s2, 16) || complain(v, "a source overlaps the destination");
}

static bool check_vector(struct verifier *v, const struct ir_op *op)
{
    unsigned kind = op->aux & IR_VECTOR_KIND;
    bool scalar = op->aux & IR_VECTOR_SCALAR, is_fp = ir_type_is_fp(op->type);
    struct ir_vector_place at = ir_vector_unpack((u64)op->imm);
    enum ir_vector_shape shape;

    if (kind >= IR_VECTOR_KINDS || op->aux & ~(IR_VECTOR_KIND | IR_VECTOR_SCALAR | IR_VECTOR_SOME | IR_VECTOR_MASKED))
        return complain(v, "no such vector operation");
    shape = (enum ir_vector_shape)ir_vector_rows[kind].shape;
    if ((shape == IR_VECTOR_NARROW && op->type == IR_I64) || ((shape == IR_VECTOR_WIDE || shape == IR_VECTOR_WIDER) && op->type == IR_I8))
        return complain(v, "no lanes of half or twice the width");
    if (is_fp != (shape >= IR_VECTOR_FLANES))
        return complain(v, "not lanes of the operation's type");
    if (shape == IR_VECTOR_GROUPS && !check_groups(v, op, (enum ir_vector_kind)kind))
        return false;
    if ((shape == IR_VECTOR_FOLD || shape == IR_VECTOR_FFOLD) && scalar)
        return complain(v, "it has no scalar form");
    if (op->aux & IR_VECTOR_SOME && shape != IR_VECTOR_LANES && shape != IR_VECTOR_BITS && shape != IR_VECTOR_FLANES)
        return complain(v, "it has no form of some lanes");
    if (op->aux & IR_VECTOR_MASKED && (shape != IR_VECTOR_LANES || at.d < ((at.bytes >> ir_vector_lane((enum ir_type)op->type)) + 7) / 8))
        return complain(v, "it has no masked form, or the mask is its destination");
    return check_places(v, op, shape) && check_operand(v, 0, scalar && is_fp ? (enum ir_type)op->type : IR_I64);
}

static bool check_vector_number(struct verifier *v, const struct ir_op *op)
{
    struct ir_vector_place p = ir_vector_unpack((u64)op->imm);
    unsigned number = op->aux & ~IR_VECTOR_SOME, bytes = number == IR_VECTOR_LANE0 ? 8 : (p.bytes + 7) / 8;

    if (number >= IR_VECTOR_NUMBERS || (op->aux & IR_VECTOR_SOME && number != IR_VECTOR_FIRST) || op->type > IR_I64)
        return complain(v, "no such number of a vector");
    return p.s2 + bytes <= IR_VECTOR_FILE || complain(v, "a place outside the vector file");
}

static bool check_transfer(struct verifier *v, const struct ir_op *op)
{
    if (!op->helper || op->helper->arg_count != 2 || !(op->helper->effects & IR_HELPER_MAY_LEAVE))
        return complain(v, "no helper that may leave and takes an address and a word");
    if (ir_vector_at(op->aux) + ir_vector_bytes(op->aux) > IR_VECTOR_FILE)
        return complain(v, "a place outside the vector file");
    if (op->code == IR_VLD && op->aux & IR_VECTOR_UNDER && 8 * ir_vector_at(op->aux) < ir_vector_bytes(op->aux) >> ir_vector_element(op->aux))
        return complain(v, "the destination overlaps the mask");
    return check_operands(v, 0, 2, IR_I64);
}

static bool check_insn(struct verifier *v, const struct ir_op *op)
{
    if (op->snapshot >= v->block->snapshot_count || v->block->snapshot[op->snapshot].pc != op->imm)
        return complain(v, "its snapshot is not its own");
    if ((s32)op->snapshot <= v->snapshot)
        return complain(v, "snapshots go backwards");
    v->snapshot = op->snapshot;
    return true;
}

static bool check_by_code(struct verifier *v, const struct ir_op *op)
{
    enum ir_type type = (enum ir_type)op->type;

    if (is_fp(op->code))
        return check_fp(v, op);
    switch (op->code) {
    case IR_FENV_GET:
    case IR_FENV_SET:
        return (op->type == IR_I64 || complain(v, "flags are i64")) && check_operands(v, 0, ir_op_operands(op), type);
    case IR_CONST:
        return op->type <= IR_I64 || complain(v, "constants are integers: from_bits");
    case IR_NOP:
        return op->arg[0] == IR_NONE || complain(v, "a nop has operands");
    case IR_GET:
    case IR_PUT:
        return check_reg(v, op);
    case IR_TRUNC:
    case IR_ZEXT:
    case IR_SEXT:
        return check_conversion(v, op);
    case IR_SETCC:
        if (op->aux >= IR_COND_COUNT)
            return complain(v, "no such condition");
        return check_operands(v, 0, 2, type);
    case IR_SELECT:
        return check_select(v, op);
    case IR_LD:
    case IR_ST:
    case IR_AMO:
    case IR_CAS:
        return check_memory(v, op);
    case IR_COUNT:
        return (op->imm > 0 && op->imm <= UINT16_MAX) || complain(v, "no such number of instructions");
    case IR_UNCOUNT:
        return (op->imm && op->imm >= -UINT16_MAX && op->imm <= UINT16_MAX) || complain(v, "no such number of instructions");
    case IR_FENCE:
        return (op->imm & ~(s64)IR_ORDER_ALL) == 0 || complain(v, "no such ordering");
    case IR_CALL:
        return check_call(v, op);
    case IR_VEC:
        return check_vector(v, op);
    case IR_VEC_TO:
        return check_vector_number(v, op);
    case IR_VLD:
    case IR_VST:
        return check_transfer(v, op);
    case IR_INSN:
        return check_insn(v, op);
    case IR_LABEL:
        v->label = v->at;
        return op->imm == (s32)op->imm || complain(v, "not a place less pc_page");
    case IR_EXIT_IF:
        if (op->aux >= IR_COND_COUNT)
            return complain(v, "no such condition");
        return check_operands(v, 0, 2, type) && check_exit(v, op);
    case IR_EXIT:
        return check_exit(v, op);
    case IR_EXIT_TO:
        if (op->aux >= TCG_PAGE_SIZE)
            return complain(v, "bits to be cleared lie outside the page");
        return check_operand(v, 0, IR_I64) && check_exit(v, op);
    default:
        return (op->type <= IR_I64 || complain(v, "not an integer type")) && check_operands(v, 0, ir_op_operands(op), type);
    }
}

static bool needs_type(const struct ir_op *op)
{
    switch (op->code) {
    case IR_NOP:
    case IR_FENCE:
    case IR_COUNT:
    case IR_UNCOUNT:
    case IR_INSN:
    case IR_LABEL:
    case IR_EXIT:
    case IR_LEAVE:
    case IR_CALL:
        return false;
    default:
        return true;
    }
}

static bool check_op(struct verifier *v)
{
    const struct ir_op *op = &v->block->op[v->at];
    u32 effects;

    if (op->code >= IR_OPCODE_COUNT)
        return complain(v, "no such op");
    if (op->type >= IR_TYPE_COUNT || (needs_type(op) && op->type == IR_VOID))
        return complain(v, "no such type");
    effects = ir_op_effects((enum ir_opcode)op->code);
    bool ends = v->at + 1 == v->block->count || v->block->op[v->at + 1].code == IR_LABEL;
    if ((effects & IR_EFFECT_END) ? !ends : v->at + 1 == v->block->count)
        return complain(v, effects & IR_EFFECT_END ? "ops behind the end" : "the block does not end");
    if (!check_by_code(v, op))
        return false;
    if ((effects & IR_EFFECT_LEAVE) && (v->snapshot < 0 || op->snapshot != v->snapshot))
        return complain(v, "its snapshot is not that of the instruction before it");
    return true;
}

bool ir_verify(const struct ir_block *block, const struct ir_reg *regs, u32 reg_count, GError **error)
{
    struct verifier v = { .block = block, .regs = regs, .reg_count = reg_count, .snapshot = -1, .error = error };

    if (block->overflow)
        return error_set(error, "the block overflowed");
    if (block->count == 0)
        return error_set(error, "the block is empty");
    for (v.at = 0; v.at < block->count; v.at++)
        if (!check_op(&v))
            return false;
    return true;
}
