/* tests/isa/show_ir.c - prints the IR of a block: instruction words in hex are the arguments. */
#include "target/riscv/extensions.h"
#include "target/riscv/translate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void name_registers(struct ir_reg *reg, char names[][16])
{
    for (unsigned i = 0; i < RISCV_REG_COUNT; i++) {
        snprintf(names[i], 16, i < 32 ? "x%u" : i < 64 ? "f%u" : "r%u", i < 64 ? i % 32 : i);
        reg[i] = (struct ir_reg){ .name = names[i], .type = IR_I64, .offset = (s32)(8 * i) };
    }
}

int main(int argc, char **argv)
{
    static u8 page[4096];
    static struct ir_reg reg[RISCV_REG_COUNT];
    static char names[RISCV_REG_COUNT][16];
    bool on[RISCV_EXT_COUNT];
    struct ir_block *block = ir_block_create(4096);
    struct code_source source = { .page = page, .mode = 3, .max_insns = (u32)argc - 1 };
    u32 used = 0;
    GError *error = NULL;

    name_registers(reg, names);
    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++)
        on[i] = true;
    for (int i = 1; i < argc; i++) {
        u32 raw = (u32)strtoul(argv[i], NULL, 16);

        memcpy(page + used, &raw, 4);
        used += (raw & 3) == 3 ? 4 : 2;
    }
    ir_block_reset(block, 0);
    riscv_translate(block, &source, riscv_guards(on));
    g_autofree char *text = ir_print(block, reg, RISCV_REG_COUNT);
    fputs(text, stdout);
    if (!ir_verify(block, reg, RISCV_REG_COUNT, &error))
        printf("verify: %s\n", error->message);
    ir_block_destroy(block);
    return error != NULL;
}
