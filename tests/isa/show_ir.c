/*
 * tests/isa/show_ir.c - prints the IR of a block as translated, after the passes, and its host code:
 * show-ir WORD... (instruction words in hex).
 */
#include "target/riscv/extensions.h"
#include "target/riscv/translate.h"
#include "tests/isa/layout.h"
#include <stdio.h>
#include <stdlib.h>

struct shown {
    struct code_layout layout;
    struct ir_reg reg[RISCV_REG_COUNT];
    struct ir_block *block;
    u8 page[4096];
};

static u32 place(struct shown *s, int argc, char **argv)
{
    u32 used = 0;

    for (int i = 1; i < argc && used < 4090; i++) {
        u32 raw = (u32)strtoul(argv[i], NULL, 16);

        memcpy(s->page + used, &raw, 4);
        used += (raw & 3) == 3 ? 4 : 2;
    }
    return (u32)argc - 1;
}

static bool print(struct shown *s, const char *title)
{
    g_autofree char *text = ir_print(s->block, s->reg, RISCV_REG_COUNT);
    GError *error = NULL;

    printf("== %s\n%s", title, text);
    if (ir_verify(s->block, s->reg, RISCV_REG_COUNT, &error))
        return true;
    printf("verify: %s\n", error->message);
    return false;
}

static struct tcg_result no_load(void *vcpu, u64 va, u64 mem, s64 where)
{
    abort();
}

static u64 no_store(void *vcpu, u64 va, u64 value, u64 mem, s64 where)
{
    abort();
}

static struct tcg_result no_amo(void *vcpu, u64 va, u64 value, u64 mem_and_op, s64 where)
{
    abort();
}

static struct tcg_result no_cas(void *vcpu, u64 va, u64 expected, u64 desired, u64 mem_and_where)
{
    abort();
}

static void print_host_code(struct shown *s)
{
    static const struct tcg_runtime runtime = { .load = no_load, .store = no_store, .amo = no_amo, .cas = no_cas };
    const struct tcg_backend *backend = &tcg_backend_x86_64;
    struct tcg_backend_options options = { .buffer_size = MIB, .split_wx = true, .host_isa = 3 };
    struct tcg_engine *engine = backend->create(&s->layout, &runtime, &options, NULL);
    struct tcg_link links[IR_MAX_EXITS];
    struct tcg_code code = { .link = links };

    for (u32 i = 0; i < s->block->exit_count; i++)
        if (s->block->exit[i].kind == IR_EXIT_DIRECT)
            links[code.link_count++] = (struct tcg_link){ .from = &code, .pc = s->block->exit[i].pc, .same_page = true };
    backend->emit(engine, s->block, &code, backend->code_first(engine), backend->code_limit(engine));
    g_autofree char *text = backend->disassemble(engine, &code);
    printf("== host code, %u bytes\n%s", code.size, text);
    backend->destroy(engine);
}

int main(int argc, char **argv)
{
    struct shown *s = g_new0(struct shown, 1);
    struct code_source source = { .page = s->page, .mode = 3, .max_insns = place(s, argc, argv) };
    bool on[RISCV_EXT_COUNT], good;

    memset(on, true, sizeof(on));
    isa_describe_layout(&s->layout, s->reg);
    s->block = ir_block_create(4096);
    riscv_translate(s->block, &source, riscv_guards(on), NULL);
    good = print(s, "translated");
    for (const struct ir_pass *pass = ir_passes; pass->name; pass++) {
        pass->run(s->block, &s->layout);
        good = print(s, pass->name) && good;
    }
    if (good)
        print_host_code(s);
    ir_block_destroy(s->block);
    g_free(s);
    return !good;
}
