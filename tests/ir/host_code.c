/*
 * tests/ir/host_code.c - golden host code of hot guest instructions, so that a change of its quality shows as a diff.
 *
 *     ir-host-code FILE...
 *
 * A file holds cases `== name: words in hex` with the listing behind: the code of the whole block after all passes, which ends with an
 * exit to the next instruction. Host features are those of x86-64-v3; addresses are offsets in the block, stubs are named so.
 * BLESS=1 rewrites the file. Exit status 77 (skipped) when the host has less than v3.
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

static unsigned check_case(struct world *w, const char *text, GString *blessed)
{
    const char *body = strchr(text, '\n'), *colon = strrchr(text, ':');
    g_autofree char *head = g_strndup(text, body ? (gsize)(body - text) : strlen(text)), *got = NULL, *want = NULL;

    colon = strrchr(head, ':');
    if (!colon)
        return 1;
    got = listing(w, colon + 1);
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
    for (int i = 1; i < argc; i++)
        failures += check_file(&w, argv[i]);
    ir_block_destroy(w.block);
    tcg_backend_x86_64.destroy(w.engine);
    return failures ? 1 : 0;
}
