/* tcg/interp/list.c - a readable listing of the interpreter's instructions for -d out_asm. */
#include "tcg/interp/interp.h"

static const char *const names[INTERP_CODE_COUNT] = {
#define X(name, ...) [INTERP_##name##_R] = #name, [INTERP_##name##_I] = #name ".i",
    BINARY_ANY(X)
#undef X
#define X(name, B, ...) [INTERP_##name##_R##B] = #name "." #B, [INTERP_##name##_I##B] = #name "." #B ".i",
    BINARY_TYPED(X, 8) BINARY_TYPED(X, 16) BINARY_TYPED(X, 32) BINARY_TYPED(X, 64)
#undef X
#define X(name, ...) [INTERP_##name] = #name,
    UNARY_ANY(X)
#undef X
#define X(name, B, ...) [INTERP_##name##_##B] = #name "." #B,
    UNARY_TYPED(X, 8) UNARY_TYPED(X, 16) UNARY_TYPED(X, 32) UNARY_TYPED(X, 64)
#undef X
#define X(name, B, ...)                                                                                                            \
    [INTERP_SETCC_##name##_R##B] = "SETCC." #name "." #B, [INTERP_SETCC_##name##_I##B] = "SETCC." #name "." #B ".i",               \
    [INTERP_EXIT_IF_##name##_R##B] = "EXIT_IF." #name "." #B, [INTERP_EXIT_IF_##name##_I##B] = "EXIT_IF." #name "." #B ".i",       \
    [INTERP_SELECT_##name##_R##B] = "SELECT." #name "." #B, [INTERP_SELECT_##name##_I##B] = "SELECT." #name "." #B ".i",
    CONDS(X, 8) CONDS(X, 16) CONDS(X, 32) CONDS(X, 64)
#undef X
#define X(name) [INTERP_##name] = #name,
    OTHERS(X)
#undef X
};

static const char *name_of(const struct tcg_engine *engine, const void *handler)
{
    for (unsigned i = 0; i < INTERP_CODE_COUNT; i++)
        if (engine->handler[i] == handler)
            return names[i];
    return "?";
}

char *interp_disassemble(struct tcg_engine *engine, const struct tcg_code *code)
{
    GString *out = g_string_new(NULL);
    const struct interp_insn *insn = (const struct interp_insn *)(engine->buffer + code->start);

    for (u32 i = 0; i < code->size / sizeof *insn; i++, insn++)
        g_string_append_printf(out, "%5u  %-16s d=%u a=%u b=%u c=%u imm=0x%" G_GINT64_MODIFIER "x x=%d y=%u\n", i,
                               name_of(engine, insn->handler), insn->d, insn->a, insn->b, insn->c, insn->imm, insn->x, insn->y);
    return g_string_free(out, FALSE);
}
