/*
 * tcg/parse.c - reads the text form that tcg/print.c writes. Commas and brackets are blanks to it; `;` starts a comment.
 * Values are named %N, where N is any number below 65536 that was not used before in the block.
 */
#include "tcg/text.h"
#include "tcg/append.h"
#include "tcg/vector.h"
#include "base/error.h"
#include <string.h>

enum { MAX_WORDS = 16, MAX_NAMES = 65536 };

struct parser {
    struct ir_block *block;
    const struct ir_reg *regs;
    u32 reg_count;
    const struct ir_helper *const *helpers;
    ir_value *value; /* by name */
    char *word[MAX_WORDS];
    unsigned count, next;
    GError **error;
    bool failed;
};

static void fail(struct parser *p, const char *what, const char *word)
{
    if (!p->failed)
        error_set(p->error, "%s '%s'", what, word);
    p->failed = true;
}

static const char *take(struct parser *p)
{
    if (p->next < p->count)
        return p->word[p->next++];
    fail(p, "operand missing behind", p->count ? p->word[p->count - 1] : "");
    return "";
}

static bool has_word(const struct parser *p)
{
    return p->next < p->count;
}

static bool read_number(const char *s, s64 *v)
{
    bool negative = *s == '-';
    char *end;
    u64 magnitude;

    s += negative;
    if (!g_ascii_isdigit(*s))
        return false;
    magnitude = g_ascii_strtoull(s, &end, 0);
    *v = (s64)(negative ? 0 - magnitude : magnitude);
    return *end == '\0';
}

static s64 take_number(struct parser *p)
{
    const char *word = take(p);
    s64 v = 0;

    if (!p->failed && !read_number(word, &v))
        fail(p, "not a number:", word);
    return v;
}

static int find_name(const char *const *names, unsigned count, const char *word)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(names[i], word))
            return (int)i;
    return -1;
}

static unsigned take_name(struct parser *p, const char *const *names, unsigned count, const char *what)
{
    const char *word = take(p);
    int i = find_name(names, count, word);

    if (i >= 0)
        return (unsigned)i;
    fail(p, what, word);
    return 0;
}

static enum ir_type find_type(struct parser *p, const char *word)
{
    for (enum ir_type type = IR_I8; type < IR_TYPE_COUNT; type++)
        if (!strcmp(ir_type_name(type), word))
            return type;
    fail(p, "unknown type", word);
    return IR_I64;
}

static unsigned take_reg(struct parser *p)
{
    const char *word = take(p);
    s64 number;

    for (u32 i = 0; p->regs && i < p->reg_count; i++)
        if (!strcmp(p->regs[i].name, word))
            return i;
    if (*word == 'r' && read_number(word + 1, &number) && number >= 0 && number < IR_MAX_REGS)
        return (unsigned)number;
    fail(p, "unknown register", word);
    return 0;
}

static u32 value_name(struct parser *p, const char *word)
{
    s64 number = 0;

    if (*word != '%' || !read_number(word + 1, &number) || number < 0 || number >= MAX_NAMES) {
        fail(p, "not a value:", word);
        return 0;
    }
    return (u32)number;
}

static ir_value take_value(struct parser *p)
{
    const char *word = take(p);
    ir_value v;

    if (p->failed)
        return 0;
    v = p->value[value_name(p, word)];
    if (v == IR_NONE)
        fail(p, "value used before it is made:", word);
    return v;
}

static void take_values(struct parser *p, struct ir_op *op, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        op->arg[i] = take_value(p);
}

static u32 mem_flag(struct parser *p, const char *name)
{
    s64 space;

    for (const struct ir_flag_name *f = ir_mem_flags; f->name; f++)
        if (!strcmp(f->name, name))
            return f->flag;
    if (g_str_has_prefix(name, "space") && read_number(name + 5, &space) && space >= 0 && space < 16)
        return (u32)space << IR_MEM_SPACE_SHIFT;
    fail(p, "unknown memory flag", name);
    return 0;
}

static u16 take_mem(struct parser *p)
{
    static const char *const sizes[] = { "8", "16", "32", "64" };
    const char *word = take(p);
    g_auto(GStrv) part = g_strsplit(word, ".", 0);
    u32 mem;
    int size;

    if (!part[0] || (*part[0] != 's' && *part[0] != 'u') || (size = find_name(sizes, 4, part[0] + 1)) < 0) {
        fail(p, "not a memory access:", word);
        return 0;
    }
    mem = (u32)size | (*part[0] == 's' ? IR_MEM_SIGNED : 0);
    for (char **flag = part + 1; *flag; flag++)
        mem |= mem_flag(p, *flag);
    return (u16)mem;
}

static void take_address(struct parser *p, struct ir_op *op)
{
    op->arg[0] = take_value(p);
    if (has_word(p) && !strcmp(p->word[p->next], "+")) {
        p->next++;
        op->imm = take_number(p);
    }
}

static void take_exit(struct parser *p, struct ir_op *op, enum ir_exit_kind kind)
{
    s32 pc = kind == IR_EXIT_DIRECT ? (s32)take_number(p) : 0, return_pc = 0;
    enum ir_exit_hint hint = IR_HINT_NONE;

    if (kind == IR_EXIT_DIRECT && has_word(p) && !strcmp(p->word[p->next], "local")) {
        p->next++;
        kind = IR_EXIT_LOCAL;
    }
    if (has_word(p))
        hint = (enum ir_exit_hint)take_name(p, ir_hint_names, 3, "unknown hint");
    if (hint == IR_HINT_CALL)
        return_pc = (s32)take_number(p);
    op->imm = ir_append_exit(p->block, kind, pc, hint, return_pc);
}

static const struct ir_helper *find_helper(struct parser *p)
{
    const char *word = take(p);

    for (const struct ir_helper *const *h = p->helpers; h && *h; h++)
        if (!strcmp((*h)->name, word))
            return *h;
    fail(p, "unknown helper", word);
    return NULL;
}

static void take_helper(struct parser *p, struct ir_op *op)
{
    op->helper = find_helper(p);
    if (!op->helper)
        return;
    op->type = op->helper->result;
    take_values(p, op, 0, op->helper->arg_count);
}

static void take_transfer(struct parser *p, struct ir_op *op)
{
    s64 bytes, at;

    op->helper = find_helper(p);
    bytes = take_number(p);
    at = take_number(p);
    if (!p->failed && (bytes <= 0 || bytes > IR_VECTOR_FILE || (bytes & (bytes - 1)) || at < 0 || at >= IR_VECTOR_FILE || at % 16))
        return fail(p, "no such bytes or place of", ir_op_name((enum ir_opcode)op->code));
    op->type = IR_I64;
    op->aux = p->failed ? 0 : (u16)(__builtin_ctzll((u64)bytes) | at >> 4 << IR_VECTOR_PLACE_SHIFT);
    while (has_word(p) && (!strcmp(p->word[p->next], "of") || !strcmp(p->word[p->next], "under"))) {
        unsigned flag = !strcmp(take(p), "of") ? IR_VECTOR_PART : IR_VECTOR_UNDER;
        s64 element = take_number(p);

        if (element != 1 && element != 2 && element != 4 && element != 8)
            return fail(p, "no such element of", ir_op_name((enum ir_opcode)op->code));
        op->aux |= (u16)(flag | (unsigned)__builtin_ctzll((u64)element) << IR_VECTOR_ELEMENT_SHIFT);
    }
    take_values(p, op, 0, 2);
}

static u32 take_kind(struct parser *p, char *word)
{
    for (u32 i = 0; i < IR_VECTOR_KINDS; i++)
        if (!strcmp(ir_vector_rows[i].name, word))
            return i;
    fail(p, "unknown vector operation", word);
    return 0;
}

static u16 take_place(struct parser *p)
{
    s64 n = take_number(p);

    if (n < 0 || n > 0xfff)
        fail(p, "no such place of", "vec");
    return (u16)n & 0xfff;
}

/* Whether the word ends so; then the end is cut off. */
static bool take_suffix(char *word, const char *suffix)
{
    bool has = g_str_has_suffix(word, suffix);

    if (has)
        word[strlen(word) - strlen(suffix)] = '\0';
    return has;
}

static void take_vector(struct parser *p, struct ir_op *op)
{
    struct ir_vector_place place = { 0 };
    char *word = p->next < p->count ? (char *)p->word[p->next] : NULL;
    bool some = word && take_suffix(word, ".some"), masked, scalar;

    if (op->code == IR_VEC_TO) {
        op->aux = (u16)((some ? IR_VECTOR_SOME : 0) | take_name(p, ir_vector_number_names, IR_VECTOR_NUMBERS, "unknown number"));
        place.s2 = take_place(p);
        place.bytes = take_place(p);
        op->imm = (s64)ir_vector_pack(place);
        return;
    }
    word = (char *)take(p);
    masked = take_suffix(word, ".masked");
    scalar = take_suffix(word, ".x");
    op->aux = (u16)(take_kind(p, word) | (scalar ? IR_VECTOR_SCALAR : 0) | (masked ? IR_VECTOR_MASKED : 0) | (some ? IR_VECTOR_SOME : 0));
    place.d = take_place(p);
    place.s2 = take_place(p);
    place.s1 = take_place(p);
    place.bytes = take_place(p);
    op->imm = (s64)ir_vector_pack(place);
    take_values(p, op, 0, 1);
}

static void take_insn(struct parser *p, struct ir_op *op)
{
    struct ir_block *b = p->block;

    op->imm = (s32)take_number(p);
    op->aux = (u16)take_number(p);
    if (b->snapshot_count >= IR_MAX_SNAPSHOTS) {
        b->overflow = true;
        return;
    }
    op->snapshot = (u16)b->snapshot_count;
    b->snapshot[b->snapshot_count++] =
        (struct ir_snapshot){ .pc = (s32)op->imm, .icount = (u16)b->insn_count, .length = op->aux };
    b->insn_count++;
    b->byte_count = (u32)op->imm + op->aux - b->first_pc;
}

static void take_fp(struct parser *p, struct ir_op *op)
{
    const char *word = take(p);
    g_auto(GStrv) part = g_strsplit(word, ".", 0);
    u32 aux = 0;

    while (part[0] && aux <= IR_FP_ROUNDING && g_strcmp0(ir_rounding_names[aux], part[0]))
        aux++;
    if (!part[0] || aux > IR_FP_ROUNDING)
        return fail(p, "unknown rounding mode", word);
    for (char **name = part + 1; *name; name++) {
        const struct ir_flag_name *f = ir_fp_flags(op->code);

        while (f->name && strcmp(f->name, *name))
            f++;
        if (!f->name)
            return fail(p, "unknown floating-point flag", *name);
        aux |= f->flag;
    }
    if (ir_fp_has_from(op->code))
        aux |= (u32)find_type(p, take(p)) << IR_FP_FROM_SHIFT;
    op->aux = (u16)aux;
    take_values(p, op, 0, ir_op_operands(op));
}

static void take_body(struct parser *p, struct ir_op *op)
{
    if (ir_fp_has_word(op->code))
        return take_fp(p, op);
    switch (op->code) {
    case IR_CONST:
        op->imm = ir_const_wrap((enum ir_type)op->type, take_number(p));
        break;
    case IR_PC_ADD:
        op->imm = take_number(p);
        op->type = IR_I64;
        break;
    case IR_LABEL:
        op->imm = (s32)take_number(p);
        break;
    case IR_GET:
    case IR_PUT:
        op->aux = (u16)take_reg(p);
        take_values(p, op, 0, op->code == IR_PUT);
        break;
    case IR_ZEXT:
    case IR_SEXT:
        op->aux = (u16)find_type(p, take(p));
        take_values(p, op, 0, 1);
        break;
    case IR_SETCC:
    case IR_SELECT:
    case IR_EXIT_IF:
        op->aux = (u16)take_name(p, ir_cond_names, IR_COND_COUNT, "unknown condition");
        take_values(p, op, 0, ir_op_operands(op));
        if (op->code == IR_SELECT && !p->failed)
            op->aux |= (u16)(ir_value_type(p->block, op->arg[2]) << 8);
        if (op->code == IR_EXIT_IF)
            take_exit(p, op, IR_EXIT_DIRECT);
        break;
    case IR_LD:
    case IR_ST:
        op->aux = take_mem(p);
        take_address(p, op);
        take_values(p, op, 1, ir_op_operands(op));
        break;
    case IR_AMO:
        op->aux = take_mem(p);
        op->imm = take_name(p, ir_amo_names, IR_AMO_COUNT, "unknown atomic operation");
        take_values(p, op, 0, 2);
        break;
    case IR_CAS:
        op->aux = take_mem(p);
        take_values(p, op, 0, 3);
        break;
    case IR_FENCE:
    case IR_COUNT:
    case IR_UNCOUNT:
        op->imm = take_number(p);
        break;
    case IR_CALL:
        take_helper(p, op);
        break;
    case IR_VEC:
    case IR_VEC_TO:
        take_vector(p, op);
        break;
    case IR_VLD:
    case IR_VST:
        take_transfer(p, op);
        break;
    case IR_INSN:
        take_insn(p, op);
        break;
    case IR_EXIT_TO:
        op->type = IR_I64;
        op->arg[0] = take_value(p);
        if (has_word(p) && !strcmp(p->word[p->next], "less")) {
            take(p);
            op->aux = (u16)take_number(p);
        }
        take_exit(p, op, IR_EXIT_INDIRECT);
        break;
    case IR_EXIT:
        take_exit(p, op, IR_EXIT_DIRECT);
        break;
    default:
        take_values(p, op, 0, ir_op_operands(op));
    }
}

static int find_op(const char *name)
{
    for (unsigned i = 0; i < IR_OPCODE_COUNT; i++)
        if (!strcmp(ir_op_name((enum ir_opcode)i), name))
            return (int)i;
    return -1;
}

/* "name.type" or "name" */
static void parse_op(struct parser *p)
{
    u32 name = MAX_NAMES;
    char *word = (char *)take(p), *dot;
    struct ir_op *op;
    int code;

    if (*word == '%') {
        name = value_name(p, word);
        if (strcmp(take(p), "="))
            fail(p, "no = behind", word);
        word = (char *)take(p);
    }
    if (p->failed)
        return;
    dot = strchr(word, '.');
    if (dot)
        *dot = '\0';
    code = find_op(word);
    if (code < 0)
        return fail(p, "unknown op", word);
    op = ir_append(p->block, (enum ir_opcode)code, dot ? find_type(p, dot + 1) : IR_VOID);
    p->block->truncates |= code == IR_TRUNC;
    take_body(p, op);
    if (has_word(p))
        fail(p, "too much:", p->word[p->next]);
    if (p->failed || name == MAX_NAMES)
        return;
    if (ir_op_result(op) == IR_VOID)
        return fail(p, "no result:", word);
    if (p->value[name] != IR_NONE)
        return fail(p, "value made twice by", word);
    p->value[name] = ir_last(p->block);
}

static void split_words(struct parser *p, char *line)
{
    p->count = p->next = 0;
    line[strcspn(line, ";")] = '\0';
    for (char *save = NULL, *word = strtok_r(line, " \t\r,[]", &save); word;
         word = strtok_r(NULL, " \t\r,[]", &save)) {
        if (p->count == MAX_WORDS)
            return fail(p, "too long: a line with", word);
        p->word[p->count++] = word;
    }
}

static void parse_line(struct parser *p, char *line)
{
    split_words(p, line);
    if (p->failed || p->count == 0)
        return;
    if (!strcmp(p->word[0], "block")) {
        p->next = 1;
        p->block->first_pc = (u32)take_number(p);
        return;
    }
    parse_op(p);
}

bool ir_parse(struct ir_block *block, const char *text, const struct ir_reg *regs, u32 reg_count,
              const struct ir_helper *const *helpers, GError **error)
{
    struct parser p = { .block = block, .regs = regs, .reg_count = reg_count, .helpers = helpers, .error = error };
    g_auto(GStrv) line = g_strsplit(text, "\n", 0);
    g_autofree ir_value *value = g_new(ir_value, MAX_NAMES);

    memset(value, 0xff, MAX_NAMES * sizeof *value);
    p.value = value;
    ir_block_reset(block, 0);
    for (u32 i = 0; line[i]; i++) {
        parse_line(&p, line[i]);
        if (p.failed)
            return error_prefix(error, "line %u", i + 1);
    }
    if (block->overflow)
        return error_set(error, "the block is too long");
    return true;
}
