/* tests/unit/riscv_translate.c - where blocks end, and what is illegal when: the front end alone, judged by its IR. */
#include "tests/isa/layout.h"
#include "target/riscv/translate.h"
#include <glib.h>

struct fixture {
    u8 page[4096], next[4096];
    struct code_layout layout;
    struct ir_reg reg[RISCV_REG_COUNT];
    struct ir_block *block;
    bool on[RISCV_EXT_COUNT];
    struct code_source source;
};

static struct fixture *set_up(void)
{
    struct fixture *f = g_new0(struct fixture, 1);

    isa_describe_layout(&f->layout, f->reg);
    f->block = ir_block_create(4096);
    memset(f->on, true, sizeof(f->on));
    f->source = (struct code_source){ .page = f->page, .next_page = f->next, .mode = RISCV_M, .max_insns = 64 };
    return f;
}

static void tear_down(struct fixture *f)
{
    ir_block_destroy(f->block);
    g_free(f);
}

static void put(struct fixture *f, u32 offset, u32 raw)
{
    unsigned size = (raw & 3) == 3 ? 4 : 2;

    for (unsigned i = 0; i < size; i++) {
        u8 *at = offset + i < 4096 ? &f->page[offset + i] : &f->next[offset + i - 4096];

        *at = (u8)(raw >> (8 * i));
    }
}

static enum translate_result translate(struct fixture *f, u32 offset)
{
    GError *error = NULL;
    enum translate_result result;

    f->source.offset = offset;
    ir_block_reset(f->block, offset);
    result = riscv_translate(f->block, &f->source, riscv_guards(f->on), NULL);
    if (result == TRANSLATE_OK) {
        ir_verify(f->block, f->reg, RISCV_REG_COUNT, &error);
        g_assert_no_error(error);
    }
    return result;
}

static bool says(struct fixture *f, const char *words)
{
    g_autofree char *text = ir_print(f->block, f->reg, RISCV_REG_COUNT);

    return strstr(text, words) != NULL;
}

enum { NOP = 0x00000013, C_NOP = 0x0001, ADD = 0x00c58533, SH1ADD = 0x20c5a533, FADD_D_RNE = 0x02c58553, FADD_D_RM5 = 0x02c5d553,
       FADD_D_DYN = 0x02c5f553, BEQ_8 = 0x00b50463, BEQ_6 = 0x00b50363, JAL_6 = 0x0060006f, CBO_ZERO = 0x0045200f, CSRRW_SATP = 0x18051073,
       CSRRW_SSCRATCH = 0x14021273, CSRRS_TIME = 0xc0102573, CZERO = 0x0ec5d533, C_ZEXT_W = 0x9c71, RET = 0x00008067, LUI = 0x123452b7, SD = 0x00b53023,
       SD_RL = 0x3ab5302f, SD_AQRL = 0x3eb5302f, FLI_H = 0xf4180553 };

/* What it shows, the instruction, an extension to turn off (or RISCV_EXT_COUNT), mode bits, whether it is illegal. */
static const struct legality {
    const char *what;
    u32 raw;
    enum riscv_extension off;
    u32 mode;
    bool illegal;
} legalities[] = {
    { "add is always there", ADD, RISCV_EXT_COUNT, RISCV_MODE_FP_OFF, false },
    { "all zeros", 0, RISCV_EXT_COUNT, 0, true },
    { "all ones", 0xffffffff, RISCV_EXT_COUNT, 0, true },
    { "sh1add", SH1ADD, RISCV_EXT_COUNT, 0, false },
    { "sh1add without Zba", SH1ADD, RISCV_EXT_ZBA, 0, true },
    { "czero.eqz without Zicond", CZERO, RISCV_EXT_ZICOND, 0, true },
    { "c.zext.w without Zba", C_ZEXT_W, RISCV_EXT_ZBA, 0, true },
    { "c.nop without Zca", C_NOP, RISCV_EXT_ZCA, 0, true },
    { "fadd.d", FADD_D_RNE, RISCV_EXT_COUNT, 0, false },
    { "fadd.d without D", FADD_D_RNE, RISCV_EXT_D, 0, true },
    { "fadd.d while FS is off", FADD_D_RNE, RISCV_EXT_COUNT, RISCV_MODE_FP_OFF, true },
    { "rounding mode 5", FADD_D_RM5, RISCV_EXT_COUNT, 0, true },
    { "dynamic rounding", FADD_D_DYN, RISCV_EXT_COUNT, 0, false },
    { "dynamic rounding by a bad frm", FADD_D_DYN, RISCV_EXT_COUNT, RISCV_MODE_FRM_INVALID, true },
    { "static rounding beside a bad frm", FADD_D_RNE, RISCV_EXT_COUNT, RISCV_MODE_FRM_INVALID, false },
    { "fli.h by Zvfh alone", FLI_H, RISCV_EXT_ZFH, RISCV_MODE_V_OFF, false },
    { "fli.h by Zfh alone", FLI_H, RISCV_EXT_ZVFH, 0, false },
    { "fli.h without Zfa", FLI_H, RISCV_EXT_ZFA, 0, true },
    { "fli.h while FS is off", FLI_H, RISCV_EXT_ZFH, RISCV_MODE_FP_OFF, true },
    { "cbo.zero", CBO_ZERO, RISCV_EXT_COUNT, 0, false },
    { "cbo.zero that envcfg forbids", CBO_ZERO, RISCV_EXT_COUNT, RISCV_MODE_CBO_ZERO_OFF, true },
};

static void check_legality(const void *data)
{
    const struct legality *c = data;
    struct fixture *f = set_up();

    if (c->off != RISCV_EXT_COUNT)
        f->on[c->off] = false;
    f->source.mode |= c->mode;
    f->source.max_insns = 1;
    put(f, 0, c->raw);
    translate(f, 0);
    g_assert_cmpint(says(f, "call illegal"), ==, c->illegal);
    g_assert_cmpint(f->block->byte_count, ==, (c->raw & 3) == 3 ? 4 : 2);
    tear_down(f);
}

/* What orders a store-release in front of a load-acquire ("Preserved Program Order", rule 7): hosts let loads pass stores. */
static void check_release(void)
{
    static const struct { u32 raw; bool fenced; } stores[] = { { SD, false }, { SD_RL, true }, { SD_AQRL, true } };

    for (unsigned i = 0; i < G_N_ELEMENTS(stores); i++) {
        struct fixture *f = set_up();

        f->source.max_insns = 1;
        put(f, 0, stores[i].raw);
        translate(f, 0);
        g_assert_cmpint(says(f, "fence"), ==, stores[i].fenced);
        tear_down(f);
    }
}

static void check_page_end(void)
{
    struct fixture *f = set_up();

    put(f, 4092, NOP);
    translate(f, 4092);
    g_assert_cmpuint(f->block->insn_count, ==, 1);
    g_assert_true(says(f, "exit 0x1000"));
    tear_down(f);
}

/* An instruction that crosses ends the block before it and is one of its own. */
static void check_crossing(void)
{
    struct fixture *f = set_up();

    put(f, 4092, C_NOP);
    put(f, 4094, LUI);
    translate(f, 4092);
    g_assert_cmpuint(f->block->insn_count, ==, 1);
    g_assert_true(says(f, "exit 0xffe"));
    translate(f, 4094);
    g_assert_cmpuint(f->block->insn_count, ==, 1);
    g_assert_cmpuint(f->block->byte_count, ==, 4);
    g_assert_true(says(f, "const.i64 0x12345000"));
    g_assert_true(says(f, "exit 0x1002"));
    f->source.next_page = NULL;
    g_assert_cmpint(translate(f, 4094), ==, TRANSLATE_NEEDS_NEXT_PAGE);
    put(f, 4094, C_NOP);
    g_assert_cmpint(translate(f, 4094), ==, TRANSLATE_OK);
    tear_down(f);
}

static bool stop_at_8(void *opaque, u32 offset)
{
    return offset == 8;
}

static void check_limits(void)
{
    struct fixture *f = set_up();
    u64 stops[32] = { 0 };

    for (u32 at = 0; at < 4096; at += 4)
        put(f, at, NOP);
    f->source.max_insns = 3;
    translate(f, 0);
    g_assert_cmpuint(f->block->insn_count, ==, 3);
    f->source.stop_before = stop_at_8;
    translate(f, 0);
    g_assert_cmpuint(f->block->insn_count, ==, 2);
    f->source.stops = stops; /* 8 alone is asked about: bit 4 */
    stops[0] = 1 << 4;
    translate(f, 0);
    g_assert_cmpuint(f->block->insn_count, ==, 2);
    stops[0] = ~UINT64_C(0) ^ 1 << 4;
    translate(f, 0);
    g_assert_cmpuint(f->block->insn_count, ==, 3);
    f->source.stops = NULL;
    translate(f, 8); /* not before the first one */
    g_assert_cmpuint(f->block->insn_count, ==, 3);
    tear_down(f);
}

/* Writes of satp end the block, reads of time do not. */
static void check_csr(void)
{
    struct fixture *f = set_up();

    put(f, 0, CSRRS_TIME);
    put(f, 4, CSRRW_SATP);
    put(f, 8, NOP);
    put(f, 12, RET);
    translate(f, 0);
    g_assert_cmpuint(f->block->insn_count, ==, 2);
    g_assert_true(says(f, "call csr"));
    tear_down(f);
}

/* What trap handlers do first is inline, but not for U mode, which must not. */
static void check_plain_csr(void)
{
    struct fixture *f = set_up();

    put(f, 0, CSRRW_SSCRATCH);
    put(f, 4, RET);
    translate(f, 0);
    g_assert_true(says(f, "put.i64 sscratch"));
    g_assert_false(says(f, "call csr"));
    f->source.mode = RISCV_U;
    translate(f, 0);
    g_assert_true(says(f, "call csr"));
    tear_down(f);
}

/* Without compressed instructions a target of 2 modulo 4 traps, when it is taken. */
static void check_misaligned_targets(void)
{
    static const struct {
        u32 raw;
        bool compressed, raises;
    } rows[] = { { BEQ_8, false, false }, { BEQ_6, false, true }, { BEQ_6, true, false }, { JAL_6, false, true }, { JAL_6, true, false } };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture *f = set_up();

        f->on[RISCV_EXT_ZCA] = rows[i].compressed;
        put(f, 0, rows[i].raw);
        translate(f, 0);
        g_assert_cmpint(says(f, "call raise"), ==, rows[i].raises);
        tear_down(f);
    }
}

static u32 jump(s32 distance)
{
    u32 d = (u32)distance;

    return 0x6f | (d >> 20 & 1) << 31 | (d >> 1 & 1023) << 21 | (d >> 11 & 1) << 20 | (d >> 12 & 255) << 12;
}

/* Jumps to what leads to a computed jump are followed, others end the block. */
static void check_unfactor(void)
{
    enum { JR_A4 = 0x00070067, JR_T0 = 0x00028067 };
    struct fixture *f = set_up();

    f->source.unfactor = true;
    put(f, 0x100, NOP);
    put(f, 0x104, BEQ_8);
    put(f, 0x108, JR_A4);
    put(f, 0x200, NOP);
    put(f, 0x204, jump(0x100 - 0x204));
    translate(f, 0x200);
    g_assert_cmpuint(f->block->insn_count, ==, 5);
    g_assert_cmpuint(f->block->below, ==, 0x100);
    g_assert_cmpuint(f->block->byte_count, ==, 8);
    g_assert_true(f->block->winds);
    f->source.unfactor = false;
    translate(f, 0x200);
    g_assert_cmpuint(f->block->insn_count, ==, 2);
    g_assert_true(!f->block->winds && !f->block->below);
    f->source.unfactor = true;
    put(f, 0x080, jump(0x100 - 0x080)); /* ahead: in one line */
    translate(f, 0x080);
    g_assert_cmpuint(f->block->insn_count, ==, 4);
    g_assert_cmpuint(f->block->byte_count, ==, 0x8c);
    g_assert_true(!f->block->winds && !f->block->below);
    put(f, 0x108, JR_T0); /* a return by the other link register */
    translate(f, 0x200);
    g_assert_cmpuint(f->block->insn_count, ==, 2);
    put(f, 0x108, jump(0x100 - 0x108)); /* round and round */
    translate(f, 0x200);
    g_assert_cmpuint(f->block->insn_count, ==, 2);
    put(f, 0x108, jump(0x2000)); /* another page */
    translate(f, 0x200);
    g_assert_cmpuint(f->block->insn_count, ==, 2);
    tear_down(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(legalities); i++) {
        g_autofree char *path = g_strdup_printf("/riscv/translate/legal/%s", legalities[i].what);

        g_test_add_data_func(path, &legalities[i], check_legality);
    }
    g_test_add_func("/riscv/translate/page end", check_page_end);
    g_test_add_func("/riscv/translate/crossing", check_crossing);
    g_test_add_func("/riscv/translate/release", check_release);
    g_test_add_func("/riscv/translate/limits", check_limits);
    g_test_add_func("/riscv/translate/csr", check_csr);
    g_test_add_func("/riscv/translate/plain csr", check_plain_csr);
    g_test_add_func("/riscv/translate/unfactor", check_unfactor);
    g_test_add_func("/riscv/translate/misaligned targets", check_misaligned_targets);
    return g_test_run();
}
