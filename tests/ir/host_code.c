/*
 * tests/ir/host_code.c - golden host code of hot guest instructions, so that a change of its quality shows as a diff.
 *
 *     ir-host-code [--turns] FILE...
 *
 * A file holds cases `== name: words in hex` with the listing behind: the code of the whole block after all passes, which ends with an
 * exit to the next instruction. Host features are those of x86-64-v3; addresses are offsets in the block, stubs are named so.
 * With --turns the words are a loop, and what stands behind is the number of host instructions of one turn: of tier 1, of tier 2, and of the
 * counting flavour of tier 1. scripts/bless-host-code (BLESS=1) rewrites the files. Exit status 77 (skipped) when the host has less than v3.
 */
#include "accel/tcg/tcg.h"
#include "vm/object.h"
#include "target/riscv/extensions.h"
#include "target/riscv/translate.h"
#include <stdlib.h>
#include <string.h>

struct world {
    struct tcg tcg;
    struct tcg_engine *engine;
    struct ir_block *block;
    u64 guards;
    bool turns, loop, counts;
};

static bool host_has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

static void set_up(struct world *w)
{
    struct tcg_backend_options options = { .buffer_size = 4 * MIB, .split_wx = true, .host_isa = 3 };
    static const struct tcg_runtime runtime;
    bool on[RISCV_EXT_COUNT];

    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++)
        on[i] = true;
    w->guards = riscv_guards(on);
    tcg_layout_init(&w->tcg, vm_class_find("max-riscv-cpu", VM_GUEST_RISCV64)->data);
    w->tcg.backend = &tcg_backend_x86_64;
    w->engine = tcg_backend_x86_64.create(&w->tcg.layout, &runtime, &options, NULL);
    w->block = ir_block_create(1024);
}

/* Translates words at offset 0x100 of a page. */
static bool translate(struct world *w, const char *words)
{
    g_autofree u8 *page = g_malloc0(TCG_PAGE_SIZE);
    g_auto(GStrv) word = g_strsplit(words, " ", 0);
    struct code_source source = { .page = page, .offset = 0x100, .mode = 3 };
    u32 used = 0;

    for (char **n = word; *n; n++)
        if (**n) {
            u32 raw = (u32)strtoul(*n, NULL, 16);

            memcpy(page + source.offset + used, &raw, 4);
            used += strlen(*n) == 4 ? 2 : 4;
            source.max_insns++;
        }
    ir_block_reset(w->block, source.offset);
    if (riscv_translate(w->block, &source, w->guards, NULL) != TRANSLATE_OK)
        return false;
    w->block->loop = w->loop;
    if (w->counts)
        tcg_count_insns(&w->tcg, w->block);
    for (const struct ir_pass *pass = ir_passes; pass->name; pass++)
        pass->run(w->block, &w->tcg.layout);
    return true;
}

static char *emit(struct world *w, struct tcg_code *code)
{
    struct tcg_link link[IR_MAX_EXITS];
    u32 n = 0, at = tcg_backend_x86_64.code_first(w->engine);

    tcg_backend_x86_64.prepare(w->engine, w->block);
    for (u32 i = 0; i < w->block->exit_count; i++)
        if (w->block->exit[i].kind == IR_EXIT_DIRECT) {
            s32 pc = w->block->exit[i].pc;

            link[n++] = (struct tcg_link){ .from = code, .pc = pc, .same_page = pc >= 0 && pc < TCG_PAGE_SIZE };
        }
    *code = (struct tcg_code){ .link = link, .link_count = n };
    if (!tcg_backend_x86_64.emit(w->engine, w->block, code, at, tcg_backend_x86_64.code_limit(w->engine)))
        return NULL;
    return tcg_backend_x86_64.disassemble(w->engine, code);
}

/* "0x7f..: bytes  mnemonic operands" without address and bytes; targets become offsets or `stub`. */
static void plain_line(GString *out, const char *line, u64 start, u32 size)
{
    const char *text = strstr(line, ":  "), *target;
    u64 address;

    if (!text)
        return;
    text += 3;
    while (g_ascii_isxdigit(*text))
        text++;
    while (*text == ' ')
        text++;
    target = strstr(text, " 0x");
    if (!strchr(text, '[') && (*text == 'j' || g_str_has_prefix(text, "call")) && target) {
        address = strtoull(target + 1, NULL, 16);
        g_string_append_printf(out, "    %.*s ", (int)(target - text), text);
        if (address - start < size)
            g_string_append_printf(out, "+0x%x\n", (unsigned)(address - start));
        else
            g_string_append(out, "stub\n");
        return;
    }
    g_string_append_printf(out, "    %s\n", text);
}

/* Behind the indirect entry. */
static char *listing(struct world *w, const char *words)
{
    struct tcg_code code;
    g_autofree char *text = NULL;
    g_auto(GStrv) line = NULL;
    GString *out = g_string_new(NULL);

    if (!translate(w, words) || !(text = emit(w, &code)))
        return g_string_free(out, FALSE);
    line = g_strsplit(text, "\n", 0);
    for (char **n = line; *n; n++)
        if (strtoull(*n, NULL, 16) >= (uintptr_t)code.entry)
            plain_line(out, *n, (uintptr_t)code.indirect_entry, code.size);
    return g_string_free(out, FALSE);
}

/* --- turns of loops --- */

struct turn {
    u64 address;
    const char *text; /* of the instruction */
};

/* The hot code: up to the first jump that is always taken; what is cold lies behind. */
static GArray *hot_code(char **line, u64 entry)
{
    GArray *hot = g_array_new(FALSE, FALSE, sizeof(struct turn));

    for (; *line; line++) {
        struct turn insn = { strtoull(*line, NULL, 16), strstr(*line, ":  ") };

        if (!insn.text || insn.address < entry)
            continue;
        for (insn.text += 3; g_ascii_isxdigit(*insn.text);)
            insn.text++;
        while (*insn.text == ' ')
            insn.text++;
        if (g_str_has_prefix(insn.text, "jmp"))
            break;
        g_array_append_val(hot, insn);
    }
    return hot;
}

/* A jump back: the turn begins where it leads. Tier 1 has none, its turn is all. */
static u64 first_of_turn(const struct turn *insn, u64 entry)
{
    const char *target = *insn->text == 'j' ? strstr(insn->text, " 0x") : NULL;
    u64 to = target ? strtoull(target + 1, NULL, 16) : 0;

    return to >= entry && to < insn->address ? to : 0;
}

static unsigned count_turn(GArray *hot, u64 entry, bool loop)
{
    u64 first = loop ? 0 : entry;
    unsigned count = 0, end = hot->len;

    for (unsigned i = 0; loop && i < hot->len && !first; i++) {
        first = first_of_turn(&g_array_index(hot, struct turn, i), entry);
        end = i + 1;
    }
    for (unsigned i = 0; first && i < end; i++) {
        const struct turn *insn = &g_array_index(hot, struct turn, i);

        count += insn->address >= first && !g_str_has_prefix(insn->text, "nop");
    }
    return count;
}

/* Of one way to translate; 0: it does not do this loop. */
static unsigned turn_length(struct world *w, const char *words, bool loop, bool counts)
{
    struct tcg_code code;
    g_autofree char *text = NULL;
    g_auto(GStrv) line = NULL;

    w->loop = loop; /* "FS is Dirty" is put in each turn: a guard of tier 2 */
    w->counts = counts;
    if (!translate(w, words) || !(text = emit(w, &code)) || w->block->loop != loop)
        return 0;
    line = g_strsplit(text, "\n", 0);
    g_autoptr(GArray) hot = hot_code(line, (uintptr_t)code.entry);
    return count_turn(hot, (uintptr_t)code.entry, loop);
}

static char *turns(struct world *w, const char *words)
{
    unsigned tier1 = turn_length(w, words, false, false), tier2 = turn_length(w, words, true, false);

    if (!tier1)
        return g_strdup("");
    return g_strdup_printf("    tier 1: %u\n    tier 2: %u\n    counting: %u\n", tier1, tier2, turn_length(w, words, false, true));
}

static unsigned check_case(struct world *w, const char *text, GString *blessed)
{
    const char *body = strchr(text, '\n'), *colon = strrchr(text, ':');
    g_autofree char *head = g_strndup(text, body ? (gsize)(body - text) : strlen(text)), *got = NULL, *want = NULL;

    colon = strrchr(head, ':');
    if (!colon)
        return 1;
    got = w->turns ? turns(w, colon + 1) : listing(w, colon + 1);
    g_string_append_printf(blessed, "== %s\n%s\n", head, got);
    want = g_strdup(body ? body + 1 : "");
    g_strchomp(want);
    g_strchomp(got);
    if (*got && !strcmp(want, got))
        return 0;
    g_print("not ok - %s\n--- expected\n%s\n--- got\n%s\n", head, want, got);
    return 1;
}

static unsigned check_file(struct world *w, const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) part = NULL;
    g_autoptr(GString) blessed = g_string_new(NULL);
    unsigned failures = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 1;
    part = g_strsplit(text, "\n== ", 0);
    g_string_append_printf(blessed, "%s\n", part[0]);
    for (u32 i = 1; part[i]; i++)
        failures += check_case(w, part[i], blessed);
    if (!getenv("BLESS"))
        return failures;
    g_string_truncate(blessed, blessed->len - 1);
    return !g_file_set_contents(path, blessed->str, -1, NULL);
}

int main(int argc, char **argv)
{
    struct world w = { 0 };
    unsigned failures = 0;

    if (!host_has_v3())
        return 77;
    set_up(&w);
    w.turns = argc > 1 && !strcmp(argv[1], "--turns");
    for (int i = 1 + w.turns; i < argc; i++)
        failures += check_file(&w, argv[i]);
    ir_block_destroy(w.block);
    tcg_backend_x86_64.destroy(w.engine);
    return failures ? 1 : 0;
}
