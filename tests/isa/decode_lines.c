/* tests/isa/decode_lines.c - reads "pc raw" in hex, one pair a line, and prints what the rows make of it: row<TAB>text. */
#include "target/riscv/decode.h"
#include <inttypes.h>
#include <stdio.h>

int main(void)
{
    char text[128];
    u64 pc;
    u32 raw;

    while (scanf("%" SCNx64 " %" SCNx32, &pc, &raw) == 2) {
        struct riscv_insn insn;
        bool known = riscv_decode(raw, &insn);

        riscv_disassemble(raw, pc, text, sizeof(text));
        printf("%s\t%s\n", known ? riscv_row_info[insn.source].name : "-", text);
    }
    return 0;
}
