/* tests/unit/x86_enc.c - every emitter of tcg/x86_64/enc.h, read back by capstone as the instruction that was meant. */
#include "tcg/x86_64/enc_control.h"

#include <capstone/capstone.h>
#include <glib.h>

static const char *const name64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const name32[] = {"eax", "ecx", "edx",  "ebx",  "esp",  "ebp",  "esi",  "edi",
                                     "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"};
static const char *const name16[] = {"ax",  "cx",  "dx",   "bx",   "sp",   "bp",   "si",   "di",
                                     "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"};
static const char *const name8[] = {"al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
                                    "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"};
static const char *const cc_name[] = {"o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"};
static const char *const size_name[] = {"byte", "word", "dword", "qword"};

struct fixture {
    csh capstone;
    u8 area[256];
    struct x86_code code;
};

static void set_up(struct fixture *f, gconstpointer data)
{
    g_assert(cs_open(CS_ARCH_X86, CS_MODE_64, &f->capstone) == CS_ERR_OK);
}

static void tear_down(struct fixture *f, gconstpointer data)
{
    cs_close(&f->capstone);
}

static struct x86_code *begin(struct fixture *f)
{
    f->code = (struct x86_code){.p = f->area, .start = f->area, .limit = f->area + sizeof(f->area) - X86_MAX_INSN};
    return &f->code;
}

static const char *reg(bool wide, unsigned r)
{
    return wide ? name64[r] : name32[r];
}

static const char *sized(unsigned size, unsigned r)
{
    return size == 0 ? name8[r] : size == 1 ? name16[r] : size == 2 ? name32[r] : name64[r];
}

/* Exactly one instruction was emitted, and it reads like this (capstone's spelling). */
static void G_GNUC_PRINTF(2, 3) expect(struct fixture *f, const char *format, ...)
{
    g_autofree char *want = NULL, *got = NULL;
    cs_insn *insn;
    size_t count;
    va_list args;

    va_start(args, format);
    want = g_strdup_vprintf(format, args);
    va_end(args);
    g_assert_false(f->code.overflow);
    count = cs_disasm(f->capstone, f->area, (size_t)(f->code.p - f->area), 0, 0, &insn);
    if (count != 1)
        g_error("%s: %u instructions", want, (unsigned)count);
    g_assert_cmpuint(insn->size, ==, f->code.p - f->area);
    got = g_strstrip(g_strdup_printf("%s %s", insn->mnemonic, insn->op_str));
    cs_free(insn, count);
    g_assert_cmpstr(got, ==, want);
}

static char *memory(unsigned size, struct x86_mem m)
{
    GString *s = g_string_new(NULL);

    g_string_printf(s, "%s ptr [%s", size_name[size], name64[m.base]);
    if (m.index != X86_NO_REG)
        g_string_append_printf(s, " + %s", name64[m.index]);
    if (m.shift)
        g_string_append_printf(s, "*%u", 1u << m.shift);
    if (m.disp) {
        u32 size_of = m.disp < 0 ? 0 - (u32)m.disp : (u32)m.disp;

        g_string_append_printf(s, size_of > 9 ? " %c 0x%x" : " %c %u", m.disp < 0 ? '-' : '+', size_of);
    }
    g_string_append(s, "]");
    return g_string_free(s, false);
}

static const s32 displacements[] = {0, 8, -8, 127, -128, 128, 0x12340, -0x12340};

/* fn(m) for every base, and an index with each. */
typedef void memory_check(struct fixture *f, struct x86_mem m);

static void each_memory(struct fixture *f, memory_check *check)
{
    for (unsigned base = 0; base < 16; base++) {
        for (unsigned d = 0; d < ARRAY_SIZE(displacements); d++) {
            check(f, x86_mem(base, displacements[d]));
            for (unsigned index = 0; index < 16; index++)
                if (index != RSP)
                    check(f, x86_mem_index(base, index, d & 3, displacements[d]));
        }
    }
}

/* --- memory operands --- */

static void check_load(struct fixture *f, struct x86_mem m)
{
    g_autofree char *q = memory(3, m), *b = memory(0, m);

    x86_mov_rm(begin(f), true, R9, m);
    expect(f, "mov r9, %s", q);
    x86_mov_mr(begin(f), 0, m, RSI);
    expect(f, "mov %s, sil", b);
    x86_alu_rm(begin(f), X86_XOR, true, RCX, m);
    expect(f, "xor rcx, %s", q);
    x86_shiftx_rm(begin(f), X86_SAR, true, R11, m, RAX);
    expect(f, "sarx r11, %s, rax", q);
}

static void test_memory(struct fixture *f, gconstpointer data)
{
    each_memory(f, check_load);
}

/* --- registers --- */

static void check_pair(struct fixture *f, bool w, unsigned a, unsigned b)
{
    static const char *const alu[] = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};

    for (unsigned op = 0; op < 8; op++) {
        x86_alu_rr(begin(f), op, w, a, b);
        expect(f, "%s %s, %s", alu[op], reg(w, a), reg(w, b));
    }
    x86_mov_rr(begin(f), w, a, b);
    expect(f, "mov %s, %s", reg(w, a), reg(w, b));
    x86_test_rr(begin(f), w, a, b);
    expect(f, "test %s, %s", reg(w, a), reg(w, b));
    x86_bt_rr(begin(f), w, a, b);
    expect(f, "bt %s, %s", reg(w, a), reg(w, b));
    x86_imul_rr(begin(f), w, a, b);
    expect(f, "imul %s, %s", reg(w, a), reg(w, b));
    x86_imul_rri(begin(f), w, a, b, 100);
    expect(f, "imul %s, %s, 0x64", reg(w, a), reg(w, b));
    x86_imul_rri(begin(f), w, a, b, 1000);
    expect(f, "imul %s, %s, 0x3e8", reg(w, a), reg(w, b));
    x86_scan_rr(begin(f), X86_LZCNT, w, a, b);
    expect(f, "lzcnt %s, %s", reg(w, a), reg(w, b));
    x86_scan_rr(begin(f), X86_TZCNT, w, a, b);
    expect(f, "tzcnt %s, %s", reg(w, a), reg(w, b));
    x86_scan_rr(begin(f), X86_POPCNT, w, a, b);
    expect(f, "popcnt %s, %s", reg(w, a), reg(w, b));
    x86_scan_rr(begin(f), X86_BSF, w, a, b);
    expect(f, "bsf %s, %s", reg(w, a), reg(w, b));
    x86_scan_rr(begin(f), X86_BSR, w, a, b);
    expect(f, "bsr %s, %s", reg(w, a), reg(w, b));
    x86_rorx_rr(begin(f), w, a, b, 11);
    expect(f, "rorx %s, %s, 0xb", reg(w, a), reg(w, b));
    x86_bextr_rr(begin(f), w, a, b, RBP);
    expect(f, "bextr %s, %s, %s", reg(w, a), reg(w, b), reg(w, RBP));
    x86_andn_rr(begin(f), w, a, b, R10);
    expect(f, "andn %s, %s, %s", reg(w, a), reg(w, b), reg(w, R10));
    x86_shiftx_rr(begin(f), X86_SHL, w, a, b, R13);
    expect(f, "shlx %s, %s, %s", reg(w, a), reg(w, b), reg(w, R13));
    x86_shiftx_rr(begin(f), X86_SHR, w, a, b, RAX);
    expect(f, "shrx %s, %s, %s", reg(w, a), reg(w, b), reg(w, RAX));
    for (unsigned cc = 0; cc < 16; cc++) {
        x86_cmov_rr(begin(f), cc, w, a, b);
        expect(f, "cmov%s %s, %s", cc_name[cc], reg(w, a), reg(w, b));
    }
}

static void check_extensions(struct fixture *f, unsigned a, unsigned b)
{
    x86_extend_rr(begin(f), 0, false, true, a, b);
    expect(f, "movzx %s, %s", name32[a], name8[b]);
    x86_extend_rr(begin(f), 1, false, false, a, b);
    expect(f, "movzx %s, %s", name32[a], name16[b]);
    x86_extend_rr(begin(f), 2, false, true, a, b);
    expect(f, "mov %s, %s", name32[a], name32[b]);
    x86_extend_rr(begin(f), 0, true, true, a, b);
    expect(f, "movsx %s, %s", name64[a], name8[b]);
    x86_extend_rr(begin(f), 0, true, false, a, b);
    expect(f, "movsx %s, %s", name32[a], name8[b]);
    x86_extend_rr(begin(f), 1, true, true, a, b);
    expect(f, "movsx %s, %s", name64[a], name16[b]);
    x86_extend_rr(begin(f), 2, true, true, a, b);
    expect(f, "movsxd %s, %s", name64[a], name32[b]);
    x86_extend_rr(begin(f), 3, true, true, a, b);
    expect(f, "mov %s, %s", name64[a], name64[b]);
}

static void test_pairs(struct fixture *f, gconstpointer data)
{
    for (unsigned a = 0; a < 16; a++) {
        for (unsigned b = 0; b < 16; b++) {
            check_pair(f, false, a, b);
            check_pair(f, true, a, b);
            check_extensions(f, a, b);
        }
    }
}

static void check_single(struct fixture *f, bool w, unsigned r)
{
    static const struct { enum x86_unary op; const char *name; } unary[] = {
        {X86_NOT, "not"}, {X86_NEG, "neg"}, {X86_MUL, "mul"}, {X86_IMUL, "imul"}, {X86_DIV, "div"}, {X86_IDIV, "idiv"},
    };
    static const struct { enum x86_shift op; const char *name; } shift[] = {
        {X86_ROL, "rol"}, {X86_ROR, "ror"}, {X86_SHL, "shl"}, {X86_SHR, "shr"}, {X86_SAR, "sar"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(unary); i++) {
        x86_unary_r(begin(f), unary[i].op, w, r);
        expect(f, "%s %s", unary[i].name, reg(w, r));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(shift); i++) {
        x86_shift_ri(begin(f), shift[i].op, w, r, 13);
        expect(f, "%s %s, 0xd", shift[i].name, reg(w, r));
        x86_shift_ri(begin(f), shift[i].op, w, r, 1);
        expect(f, "%s %s, 1", shift[i].name, reg(w, r));
        x86_shift_cl(begin(f), shift[i].op, w, r);
        expect(f, "%s %s, cl", shift[i].name, reg(w, r));
    }
    x86_alu_ri(begin(f), X86_ADD, w, r, 100);
    expect(f, "add %s, 0x64", reg(w, r));
    x86_alu_ri(begin(f), X86_SUB, w, r, 1000);
    expect(f, "sub %s, 0x3e8", reg(w, r));
    x86_alu_ri(begin(f), X86_CMP, w, r, 0x12345678);
    expect(f, "cmp %s, 0x12345678", reg(w, r));
    x86_bswap(begin(f), w, r);
    expect(f, "bswap %s", reg(w, r));
}

static void test_singles(struct fixture *f, gconstpointer data)
{
    for (unsigned r = 0; r < 16; r++) {
        check_single(f, false, r);
        check_single(f, true, r);
        for (unsigned cc = 0; cc < 16; cc++) {
            x86_setcc(begin(f), cc, r);
            expect(f, "set%s %s", cc_name[cc], name8[r]);
        }
        x86_test8_ri(begin(f), r, 7);
        expect(f, "test %s, 7", name8[r]);
        x86_push_r(begin(f), r);
        expect(f, "push %s", name64[r]);
        x86_pop_r(begin(f), r);
        expect(f, "pop %s", name64[r]);
        x86_jmp_r(begin(f), r);
        expect(f, "jmp %s", name64[r]);
        x86_call_r(begin(f), r);
        expect(f, "call %s", name64[r]);
        x86_xchg_rr(begin(f), r, RCX);
        expect(f, "xchg rcx, %s", name64[r]);
    }
}

/* --- constants --- */

static void test_constants(struct fixture *f, gconstpointer data)
{
    for (unsigned r = 0; r < 16; r++) {
        x86_mov_ri(begin(f), r, 0x12345678);
        expect(f, "mov %s, 0x12345678", name32[r]);
        x86_mov_ri(begin(f), r, UINT64_MAX - 1);
        expect(f, "mov %s, -2", name64[r]);
        x86_mov_ri(begin(f), r, UINT64_C(0x123456789abcdef0));
        expect(f, "movabs %s, 0x123456789abcdef0", name64[r]);
    }
    x86_push_i(begin(f), -2);
    expect(f, "push -2");
    x86_push_i(begin(f), 0x12345);
    expect(f, "push 0x12345");
    x86_sign_rdx(begin(f), true);
    expect(f, "cqo");
    x86_sign_rdx(begin(f), false);
    expect(f, "cdq");
    x86_ret(begin(f));
    expect(f, "ret");
    x86_ret_pop(begin(f), 16);
    expect(f, "ret 0x10");
    x86_ud2(begin(f));
    expect(f, "ud2");
}

static void check_stores(struct fixture *f, struct x86_mem m)
{
    for (unsigned size = 0; size < 4; size++) {
        g_autofree char *text = memory(size, m);

        x86_mov_mr(begin(f), size, m, R12);
        expect(f, "mov %s, %s", text, sized(size, R12));
        x86_mov_mi(begin(f), size, m, 0x45);
        expect(f, "mov %s, 0x45", text);
    }
    for (unsigned w = 0; w < 2; w++) {
        g_autofree char *text = memory(2 + w, m);

        x86_xchg_mr(begin(f), w, m, RSI);
        expect(f, "xchg %s, %s", text, reg(w, RSI));
        x86_lock_xadd_mr(begin(f), w, m, R8);
        expect(f, "lock xadd %s, %s", text, reg(w, R8));
        x86_lock_cmpxchg_mr(begin(f), w, m, R15);
        expect(f, "lock cmpxchg %s, %s", text, reg(w, R15));
        x86_lock_alu_mr(begin(f), X86_OR, w, m, RDX);
        expect(f, "lock or %s, %s", text, reg(w, RDX));
        x86_alu_mi(begin(f), X86_CMP, w, m, 0x64);
        expect(f, "cmp %s, 0x64", text);
        x86_alu_mr(begin(f), X86_ADD, w, m, RBX);
        expect(f, "add %s, %s", text, reg(w, RBX));
        x86_imul_rm(begin(f), w, RDI, m);
        expect(f, "imul %s, %s", reg(w, RDI), text);
        x86_cmov_rm(begin(f), CC_BE, w, R14, m);
        expect(f, "cmovbe %s, %s", reg(w, R14), text);
        x86_rorx_rm(begin(f), w, RSI, m, 20);
        expect(f, "rorx %s, %s, 0x14", reg(w, RSI), text);
    }
}

static void test_stores(struct fixture *f, gconstpointer data)
{
    each_memory(f, check_stores);
}

/* --- jumps --- */

static void test_jumps(struct fixture *f, gconstpointer data)
{
    x86_jmp_to(begin(f), f->area + 100);
    expect(f, "jmp 0x64");
    x86_call_to(begin(f), f->area + 64);
    expect(f, "call 0x40");
    for (unsigned cc = 0; cc < 16; cc++) {
        x86_jcc_to(begin(f), cc, f->area + 80);
        expect(f, "j%s 0x50", cc_name[cc]);
    }
    for (unsigned count = 0; count <= X86_MAX_PREFIXES; count++) {
        x86_prefixes(begin(f), count);
        x86_jmp_to(&f->code, f->area + 100);
        expect(f, "jmp 0x64");
        x86_prefixes(begin(f), count);
        x86_alu_ri(&f->code, X86_CMP, true, RDI, 0x64);
        expect(f, "cmp rdi, 0x64");
        g_assert_cmpint(f->code.p - f->area, ==, count + 4);
    }
    for (unsigned bytes = 1; bytes < 9; bytes++) {
        x86_nop(begin(f), bytes);
        g_assert_cmpint(f->code.p - f->area, ==, bytes);
    }
}

static void test_overflow(struct fixture *f, gconstpointer data)
{
    struct x86_code *c = begin(f);

    for (unsigned i = 0; i < 1000; i++) {
        x86_mov_ri(c, R9, UINT64_C(0x123456789abcdef0));
        g_assert(c->p >= f->area && c->p <= f->area + sizeof(f->area));
    }
    g_assert_true(c->overflow);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*test)(struct fixture *, gconstpointer); } tests[] = {
        {"/x86-enc/memory-operands", test_memory}, {"/x86-enc/register-pairs", test_pairs},
        {"/x86-enc/single-registers", test_singles}, {"/x86-enc/constants", test_constants},
        {"/x86-enc/stores-and-atomics", test_stores}, {"/x86-enc/jumps-and-nops", test_jumps},
        {"/x86-enc/no-room", test_overflow},
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
        g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].test, tear_down);
    return g_test_run();
}
