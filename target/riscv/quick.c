/*
 * target/riscv/quick.c - quick code (tcg/quick.h): what the integer instructions of a straight stretch do to registers.
 *
 * The rows say it with the same words that translate.c goes by (actions.h); a row without one of the words here ends the stretch. Most
 * instructions were met before: what they mean is remembered by their bits.
 */
#include "target/riscv/fetch.h"
#include "target/riscv/quick.h"
#include "target/riscv/translate.h"
#include "tcg/append.h"

/* What the words of the rows that are known here mean. */
enum word {
    WORD_NONE, /* not here */
    WORD_NOP, WORD_LUI, WORD_AUIPC, WORD_ARITH, WORD_ARITH_IMM, WORD_COMPARE, WORD_COMPARE_IMM, WORD_LOAD, WORD_STORE, WORD_FENCE, WORD_BRANCH,
    WORD_JAL, WORD_JALR,
};

struct quick_row {
    u8 means, code;
    bool word;
};

#define QUICK_lui()             { WORD_LUI }
#define QUICK_auipc()           { WORD_AUIPC }
#define QUICK_nop()             { WORD_NOP }
#define QUICK_arith(op)         { WORD_ARITH, IR_##op }
#define QUICK_arith_imm(op)     { WORD_ARITH_IMM, IR_##op }
#define QUICK_arith_w(op)       { WORD_ARITH, IR_##op, true }
#define QUICK_arith_imm_w(op)   { WORD_ARITH_IMM, IR_##op, true }
#define QUICK_compare(cond)     { WORD_COMPARE, IR_##cond }
#define QUICK_compare_imm(cond) { WORD_COMPARE_IMM, IR_##cond }
#define QUICK_load(size)        { WORD_LOAD, QUICK_MEM_##size }
#define QUICK_store(size)       { WORD_STORE, QUICK_MEM_##size }
#define QUICK_fence()           { WORD_FENCE }
#define QUICK_branch(cond)      { WORD_BRANCH, IR_##cond }
#define QUICK_jal()             { WORD_JAL }
#define QUICK_jalr()            { WORD_JALR }
#define QUICK_MEM_8   IR_MEM_8
#define QUICK_MEM_16  IR_MEM_16
#define QUICK_MEM_32  IR_MEM_32
#define QUICK_MEM_64  IR_MEM_64
#define QUICK_MEM_S8  (IR_MEM_8 | IR_MEM_SIGNED)
#define QUICK_MEM_S16 (IR_MEM_16 | IR_MEM_SIGNED)
#define QUICK_MEM_S32 (IR_MEM_32 | IR_MEM_SIGNED)

static const struct quick_row rows[RISCV_ROW_COUNT] = {
#include "target/riscv/quick_rows.h"
};

static u16 quick_x(unsigned reg)
{
    return reg ? (u16)(RISCV_REG_X + reg) : QUICK_ZERO;
}

static bool is_binary(unsigned code)
{
    switch (code) {
    case IR_ADD:
    case IR_SUB:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_SHL:
    case IR_SHR:
    case IR_SAR:
    case IR_MUL:
        return true;
    default:
        return false;
    }
}

/* --- one instruction, wherever it stands --- */

static void is_plain(struct riscv_quick_insn *known, enum quick_form form, bool writes)
{
    known->action = writes && known->insn.rd == QUICK_ZERO ? RISCV_QUICK_SKIP : RISCV_QUICK_PLAIN;
    known->insn.form = (u8)form;
}

static void is_special(struct riscv_quick_insn *known, enum riscv_quick_action action, enum quick_form form)
{
    known->action = action;
    known->insn.form = (u8)form;
}

static void know_row(struct riscv_quick_insn *known, const struct riscv_insn *i, const struct quick_row *row)
{
    switch (row->means) {
    case WORD_NOP:
        known->action = RISCV_QUICK_SKIP;
        break;
    case WORD_LUI:
        is_plain(known, QUICK_CONST, true);
        break;
    case WORD_AUIPC:
        is_special(known, RISCV_QUICK_AUIPC, QUICK_PC_ADD);
        break;
    case WORD_ARITH:
        if (is_binary(row->code))
            is_plain(known, QUICK_BINARY, true);
        break;
    case WORD_ARITH_IMM:
        if (!is_binary(row->code))
            break;
        is_plain(known, row->code == IR_ADD && !i->rs1 ? QUICK_CONST : QUICK_BINARY_IMM, true);
        if (row->code == IR_ADD && i->rd && i->rd == i->rs1)
            known->action = RISCV_QUICK_INCREMENT;
        break;
    case WORD_COMPARE:
        is_plain(known, QUICK_SETCC, true);
        break;
    case WORD_COMPARE_IMM:
        is_plain(known, QUICK_SETCC_IMM, true);
        break;
    case WORD_LOAD:
        is_plain(known, QUICK_LOAD, false);
        break;
    case WORD_STORE:
        is_plain(known, QUICK_STORE, false);
        break;
    case WORD_FENCE:
        is_plain(known, QUICK_FENCE, false);
        known->insn.code = (u8)translate_orders(i);
        break;
    case WORD_BRANCH:
        is_special(known, RISCV_QUICK_BRANCH, QUICK_BRANCH);
        break;
    case WORD_JAL:
        is_special(known, RISCV_QUICK_JAL, QUICK_JUMP);
        known->hint = translate_is_link(i->rd) ? IR_HINT_CALL : IR_HINT_NONE;
        break;
    case WORD_JALR:
        is_special(known, RISCV_QUICK_JALR, QUICK_JUMP_TO);
        known->hint = (u8)translate_jalr_hint(i);
        break;
    default:
        break;
    }
}

static void know(struct riscv_quick_insn *known, u64 guards, u32 raw)
{
    const struct quick_row *row;
    struct riscv_insn i;

    *known = (struct riscv_quick_insn){ .raw = raw, .action = RISCV_QUICK_NEVER };
    if (!riscv_decode(raw, &i) || i.flags || !(guards >> i.guard & 1))
        return;
    row = &rows[i.row];
    known->insn = (struct quick_insn){
        .code = row->code, .length = i.length, .word = row->word, .rd = quick_x(i.rd), .a = quick_x(i.rs1), .b = quick_x(i.rs2), .imm = i.imm
    };
    know_row(known, &i, row);
}

/* --- a stretch of them --- */

struct quick {
    struct ir_block *b;
    struct quick_insn *out;
    u32 count;
    s32 pc, next; /* of the instruction and of the one behind it, less pc_page */
    bool done;
};

static struct quick_insn *append(struct quick *q, const struct riscv_quick_insn *known)
{
    struct quick_insn *out = &q->out[q->count++];

    *out = known->insn;
    out->pc = q->pc;
    return out;
}

static u16 leave(struct quick *q, enum ir_exit_kind kind, s32 target, enum ir_exit_hint hint)
{
    q->done = true;
    return (u16)ir_append_exit(q->b, kind, target, hint, q->next);
}

/* The entry before, when it gave register `reg` a value of this form. */
static struct quick_insn *made(const struct quick *q, u16 reg, enum quick_form form)
{
    struct quick_insn *last = q->count ? &q->out[q->count - 1] : NULL;

    return last && last->form == form && last->rd == reg && reg != QUICK_ZERO ? last : NULL;
}

/* addi and addiw, perhaps of what lui or auipc made. */
static void increment(struct quick *q, const struct riscv_quick_insn *known)
{
    struct quick_insn *last = made(q, known->insn.a, QUICK_CONST);
    s64 sum;

    if (!last && !known->insn.word)
        last = made(q, known->insn.a, QUICK_PC_ADD);
    if (last) {
        sum = (s64)last->imm + known->insn.imm;
        if (known->insn.word)
            sum = (s32)sum;
        if (sum == (s32)sum) {
            last->imm = (s32)sum;
            return;
        }
    }
    append(q, known);
}

static void branch(struct quick *q, const struct riscv_quick_insn *known)
{
    s32 target = q->pc + known->insn.imm;
    struct quick_insn *out = append(q, known);

    if (out->a == out->b) { /* decided */
        out->form = QUICK_NEXT;
        out->exit = leave(q, IR_EXIT_DIRECT, ir_cond_holds((enum ir_cond)out->code, IR_I64, 0, 0) ? target : q->next, IR_HINT_NONE);
        return;
    }
    out->exit = leave(q, IR_EXIT_DIRECT, target, IR_HINT_NONE);
    leave(q, IR_EXIT_DIRECT, q->next, IR_HINT_NONE);
}

/* With the address from auipc it is a jump, whose link may be what auipc's register becomes. */
static void jalr(struct quick *q, const struct riscv_quick_insn *known)
{
    const struct quick_insn *last = made(q, known->insn.a, QUICK_PC_ADD);
    s64 target = last ? (s64)last->imm + known->insn.imm : 0;
    struct quick_insn *out;

    if (last && target == (s32)target) {
        q->count -= known->insn.rd == known->insn.a;
        out = append(q, known);
        out->form = QUICK_JUMP;
        out->exit = leave(q, IR_EXIT_DIRECT, (s32)target & ~1, (enum ir_exit_hint)known->hint);
    } else {
        append(q, known)->exit = leave(q, IR_EXIT_INDIRECT, 0, (enum ir_exit_hint)known->hint);
    }
}

static bool auipc(struct quick *q, const struct riscv_quick_insn *known)
{
    s64 value = (s64)q->pc + known->insn.imm;

    if (value != (s32)value)
        return false;
    if (known->insn.rd != QUICK_ZERO)
        append(q, known)->imm = (s32)value;
    return true;
}

/* False: nothing for quick code. */
static bool step(struct quick *q, const struct riscv_quick_insn *known)
{
    switch (known->action) {
    case RISCV_QUICK_SKIP:
        return true;
    case RISCV_QUICK_PLAIN:
        append(q, known);
        return true;
    case RISCV_QUICK_INCREMENT:
        increment(q, known);
        return true;
    case RISCV_QUICK_AUIPC:
        return auipc(q, known);
    case RISCV_QUICK_BRANCH:
        branch(q, known);
        return true;
    case RISCV_QUICK_JAL:
        append(q, known)->exit = leave(q, IR_EXIT_DIRECT, q->pc + known->insn.imm, (enum ir_exit_hint)known->hint);
        return true;
    case RISCV_QUICK_JALR:
        jalr(q, known);
        return true;
    default:
        return false;
    }
}

static bool next_insn(struct quick *q, struct riscv_quick_memo *memo, u64 guards, u32 raw)
{
    bool is_short = (raw & 3) != 3;
    u32 bits = is_short ? (u16)raw : raw;
    struct riscv_quick_insn *known = &memo->insn[bits * UINT32_C(0x9e3779b1) >> (32 - RISCV_QUICK_BITS)];

    if (known->raw != bits)
        know(known, guards, bits);
    q->next = q->pc + (is_short ? 2 : 4); /* does not wait for `known` */
    q->b->insn_count++; /* exits count it as retired */
    if (!step(q, known)) {
        q->b->insn_count--;
        return false;
    }
    q->b->byte_count = (u32)q->next - q->b->first_pc;
    return true;
}

static void go_on_elsewhere(struct quick *q)
{
    static const struct riscv_quick_insn nothing = { .insn = { .form = QUICK_NEXT } };

    q->next = q->pc;
    append(q, &nothing)->exit = leave(q, IR_EXIT_DIRECT, q->pc, IR_HINT_NONE);
}

u32 riscv_quick(struct ir_block *block, const struct code_source *source, u64 guards, struct riscv_quick_memo *memo, struct quick_insn *out)
{
    struct quick q = { .b = block, .out = out, .pc = (s32)(source->offset & ~1u) };
    u32 max = MIN(source->max_insns, QUICK_MAX - 1), raw;

    if (!(guards >> riscv_row_info[RISCV_C_NOP].guard & 1)) /* jumps may be misaligned */
        return 0;
    do {
        if (riscv_fetch(source, (u32)q.pc, &raw) == RISCV_FETCH_CROSSES || !next_insn(&q, memo, guards, raw))
            break;
        q.pc = q.next;
    } while (!q.done && q.pc < CODE_PAGE && block->insn_count < max && !riscv_stops_before(source, (u32)q.pc));
    if (!block->insn_count)
        return 0;
    if (!q.done)
        go_on_elsewhere(&q);
    return q.count;
}
