/* tcg/print.c - the text form of a block, one op a line without nops. tcg/parse.c reads it back. */
#include "tcg/text.h"
#include "tcg/append.h"
#include "tcg/vector.h"

const char *const ir_cond_names[IR_COND_COUNT] = {
    [IR_EQ] = "eq",   [IR_NE] = "ne", [IR_LT] = "lt", [IR_GE] = "ge",   [IR_LTU] = "ltu",
    [IR_GEU] = "geu", [IR_GT] = "gt", [IR_LE] = "le", [IR_GTU] = "gtu", [IR_LEU] = "leu",
};

const char *const ir_amo_names[IR_AMO_COUNT] = {
    [IR_AMO_SWAP] = "swap", [IR_AMO_ADD] = "add",   [IR_AMO_AND] = "and",   [IR_AMO_OR] = "or",     [IR_AMO_XOR] = "xor",
    [IR_AMO_MINS] = "mins", [IR_AMO_MAXS] = "maxs", [IR_AMO_MINU] = "minu", [IR_AMO_MAXU] = "maxu",
};

const char *const ir_hint_names[3] = { "", "call", "return" };

const struct ir_flag_name ir_mem_flags[] = {
    { "big", IR_MEM_BIG },         { "aligned", IR_MEM_ALIGNED },     { "acquire", IR_MEM_ACQUIRE },
    { "release", IR_MEM_RELEASE }, { "write", IR_MEM_WRITE_INTENT }, { "ones", IR_MEM_ONES },
    { "exclusive", IR_MEM_EXCLUSIVE }, { "block", IR_MEM_BLOCK },
    { NULL, 0 },
};

const char *const ir_rounding_names[IR_FP_ROUNDING + 1] = { "rne", "rtz", "rdn", "rup", "rmm", [IR_FP_DYNAMIC] = "dyn" };

const struct ir_flag_name *ir_fp_flags(unsigned code)
{
    static const struct ir_flag_name none[] = { { NULL, 0 } };
    static const struct ir_flag_name fma[] = { { "np", IR_FP_NEGATE_PRODUCT }, { "na", IR_FP_NEGATE_ADDEND }, { NULL, 0 } };
    static const struct ir_flag_name minimum[] = { { "nan", IR_FP_NAN_WINS }, { NULL, 0 } };
    static const struct ir_flag_name compare[] = { { "quiet", IR_FP_QUIET }, { "lt", IR_FP_LESS }, { "eq", IR_FP_EQUAL }, { NULL, 0 } };
    static const struct ir_flag_name integer[] = { { "unsigned", IR_FP_UNSIGNED }, { NULL, 0 } };
    static const struct ir_flag_name round[] = { { "exact", IR_FP_EXACT }, { NULL, 0 } };

    return code == IR_FMA                          ? fma
           : code == IR_FMIN || code == IR_FMAX    ? minimum
           : code == IR_FCMP                       ? compare
           : code == IR_FTOI || code == IR_ITOF    ? integer
           : code == IR_FROUND                     ? round
                                                   : none;
}

bool ir_fp_has_word(unsigned code)
{
    return code >= IR_FADD && code <= IR_FROUND;
}

bool ir_fp_has_from(unsigned code)
{
    return code == IR_FTOI || code == IR_ITOF || code == IR_FCVT;
}

struct printer {
    GString *out;
    const struct ir_block *block;
    const struct ir_reg *regs;
    u32 reg_count;
};

static void print_reg(struct printer *p, unsigned reg)
{
    if (p->regs && reg < p->reg_count)
        g_string_append(p->out, p->regs[reg].name);
    else
        g_string_append_printf(p->out, "r%u", reg);
}

static void print_number(struct printer *p, s64 v)
{
    u64 magnitude = v < 0 ? 0 - (u64)v : (u64)v;

    g_string_append_printf(p->out, magnitude < 65536 ? "%s%" G_GUINT64_FORMAT : "%s0x%" G_GINT64_MODIFIER "x",
                           v < 0 ? "-" : "", magnitude);
}

static void print_hex(struct printer *p, s64 v)
{
    g_string_append_printf(p->out, v < 0 ? "-0x%" G_GINT64_MODIFIER "x" : "0x%" G_GINT64_MODIFIER "x",
                           v < 0 ? 0 - (u64)v : (u64)v);
}

static void print_operands(struct printer *p, const struct ir_op *op, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        g_string_append_printf(p->out, i == from ? " %%%u" : ", %%%u", op->arg[i]);
}

static void print_mem(struct printer *p, const struct ir_op *op)
{
    u32 mem = op->aux;

    g_string_append_printf(p->out, " %c%u", mem & IR_MEM_SIGNED ? 's' : 'u', 8 * ir_mem_bytes(mem));
    for (const struct ir_flag_name *f = ir_mem_flags; f->name; f++)
        if (mem & f->flag)
            g_string_append_printf(p->out, ".%s", f->name);
    if (mem >> IR_MEM_SPACE_SHIFT)
        g_string_append_printf(p->out, ".space%u", mem >> IR_MEM_SPACE_SHIFT);
}

static void print_address(struct printer *p, const struct ir_op *op)
{
    g_string_append_printf(p->out, " [%%%u", op->arg[0]);
    if (op->imm) {
        g_string_append(p->out, " + ");
        print_number(p, op->imm);
    }
    g_string_append_c(p->out, ']');
}

static void print_exit(struct printer *p, const struct ir_op *op)
{
    const struct ir_exit *exit = &p->block->exit[op->imm];

    if (exit->kind != IR_EXIT_INDIRECT) {
        g_string_append(p->out, op->code == IR_EXIT_IF ? ", " : " ");
        print_hex(p, exit->pc);
    }
    if (exit->kind == IR_EXIT_LOCAL)
        g_string_append(p->out, " local");
    if (exit->hint != IR_HINT_NONE)
        g_string_append_printf(p->out, " %s", ir_hint_names[exit->hint]);
    if (exit->hint == IR_HINT_CALL) {
        g_string_append_c(p->out, ' ');
        print_hex(p, exit->return_pc);
    }
}

/* rounding[.flag...] [operand's type] */
static void print_fp(struct printer *p, const struct ir_op *op)
{
    const char *rounding = ir_rounding_names[op->aux & IR_FP_ROUNDING];

    g_string_append_printf(p->out, " %s", rounding ? rounding : "?");
    for (const struct ir_flag_name *f = ir_fp_flags(op->code); f->name; f++)
        if (op->aux & f->flag)
            g_string_append_printf(p->out, ".%s", f->name);
    if (ir_fp_has_from(op->code))
        g_string_append_printf(p->out, " %s", ir_type_name(ir_fp_from(op->aux)));
    print_operands(p, op, 0, ir_op_operands(op));
}

/* kind[.x][.masked][.some] destination, sources, bytes */
static void print_vector(struct printer *p, const struct ir_op *op)
{
    struct ir_vector_place at = ir_vector_unpack((u64)op->imm);
    unsigned kind = op->aux & IR_VECTOR_KIND;

    if (op->code == IR_VEC_TO) {
        g_string_append_printf(p->out, " %s%s %u %u", kind < IR_VECTOR_NUMBERS ? ir_vector_number_names[kind] : "?", op->aux & IR_VECTOR_SOME ? ".some" : "",
                               at.s2, at.bytes);
        return;
    }
    g_string_append_printf(p->out, " %s%s%s%s %u %u %u %u", kind < IR_VECTOR_KINDS ? ir_vector_rows[kind].name : "?",
                           op->aux & IR_VECTOR_SCALAR ? ".x" : "", op->aux & IR_VECTOR_MASKED ? ".masked" : "",
                           op->aux & IR_VECTOR_SOME ? ".some" : "", at.d, at.s2, at.s1, at.bytes);
    print_operands(p, op, 0, 1);
}

static void print_body(struct printer *p, const struct ir_op *op)
{
    if (ir_fp_has_word(op->code))
        return print_fp(p, op);
    switch (op->code) {
    case IR_CONST:
        g_string_append_c(p->out, ' ');
        print_number(p, op->imm);
        break;
    case IR_PC_ADD:
    case IR_LABEL:
        g_string_append_c(p->out, ' ');
        print_hex(p, op->imm);
        break;
    case IR_GET:
    case IR_PUT:
        g_string_append_c(p->out, ' ');
        print_reg(p, op->aux);
        if (op->code == IR_PUT)
            g_string_append_printf(p->out, ", %%%u", op->arg[0]);
        break;
    case IR_ZEXT:
    case IR_SEXT:
        g_string_append_printf(p->out, " %s", ir_type_name((enum ir_type)op->aux));
        print_operands(p, op, 0, 1);
        break;
    case IR_SETCC:
    case IR_SELECT:
    case IR_EXIT_IF:
        g_string_append_printf(p->out, " %s", ir_cond_names[op->aux & 0xff]);
        print_operands(p, op, 0, ir_op_operands(op));
        if (op->code == IR_EXIT_IF)
            print_exit(p, op);
        break;
    case IR_LD:
    case IR_ST:
        print_mem(p, op);
        print_address(p, op);
        print_operands(p, op, 1, ir_op_operands(op));
        break;
    case IR_AMO:
        print_mem(p, op);
        g_string_append_printf(p->out, " %s", ir_amo_names[op->imm]);
        print_operands(p, op, 0, 2);
        break;
    case IR_CAS:
        print_mem(p, op);
        print_operands(p, op, 0, 3);
        break;
    case IR_FENCE:
    case IR_COUNT:
    case IR_UNCOUNT:
        g_string_append_printf(p->out, " %d", (int)op->imm);
        break;
    case IR_CALL:
        g_string_append_printf(p->out, " %s", op->helper->name);
        print_operands(p, op, 0, op->helper->arg_count);
        break;
    case IR_VEC:
    case IR_VEC_TO:
        print_vector(p, op);
        break;
    case IR_VLD:
    case IR_VST:
        g_string_append_printf(p->out, " %s %u %u", op->helper->name, ir_vector_bytes(op->aux), ir_vector_at(op->aux));
        if (op->aux & IR_VECTOR_PART)
            g_string_append_printf(p->out, " of %u", 1u << ir_vector_element(op->aux));
        if (op->aux & IR_VECTOR_UNDER)
            g_string_append_printf(p->out, " under %u", 1u << ir_vector_element(op->aux));
        print_operands(p, op, 0, 2);
        break;
    case IR_INSN:
        g_string_append_c(p->out, ' ');
        print_hex(p, op->imm);
        g_string_append_printf(p->out, " %u", op->aux);
        break;
    case IR_EXIT_TO:
        print_operands(p, op, 0, 1);
        if (op->aux)
            g_string_append_printf(p->out, " less %u", op->aux);
        print_exit(p, op);
        break;
    case IR_EXIT:
        print_exit(p, op);
        break;
    default:
        print_operands(p, op, 0, ir_op_operands(op));
    }
}

static bool shows_type(const struct ir_op *op)
{
    return op->type != IR_VOID && op->code != IR_EXIT_TO && op->code != IR_PC_ADD;
}

static void print_op(struct printer *p, u32 i)
{
    const struct ir_op *op = &p->block->op[i];

    g_string_append(p->out, "    ");
    if (ir_op_result(op) != IR_VOID)
        g_string_append_printf(p->out, "%%%u = ", i);
    g_string_append(p->out, ir_op_name((enum ir_opcode)op->code));
    if (shows_type(op))
        g_string_append_printf(p->out, ".%s", ir_type_name((enum ir_type)op->type));
    print_body(p, op);
    g_string_append_c(p->out, '\n');
}

char *ir_print(const struct ir_block *block, const struct ir_reg *regs, u32 reg_count)
{
    struct printer p = { g_string_new(NULL), block, regs, reg_count };

    g_string_append_printf(p.out, "block 0x%x\n", block->first_pc);
    for (u32 i = 0; i < block->count; i++)
        if (block->op[i].code != IR_NOP)
            print_op(&p, i);
    return g_string_free(p.out, FALSE);
}
