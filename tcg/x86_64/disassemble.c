/* tcg/x86_64/disassemble.c - host code of a block as text, by capstone. */
#include "tcg/x86_64/emit.h"

#include <capstone/capstone.h>

static void print_insn(GString *text, const cs_insn *insn)
{
    g_string_append_printf(text, "0x%016" G_GINT64_MODIFIER "x:  ", (u64)insn->address);
    for (unsigned i = 0; i < insn->size; i++)
        g_string_append_printf(text, "%02x", insn->bytes[i]);
    for (unsigned i = insn->size; i < 11; i++)
        g_string_append(text, "  ");
    g_string_append_printf(text, " %s %s\n", insn->mnemonic, insn->op_str);
}

/* Data between instructions (links behind calls) shows as bytes. */
static void skip_byte(GString *text, const u8 **code, size_t *left, u64 *address)
{
    g_string_append_printf(text, "0x%016" G_GINT64_MODIFIER "x:  %02x .byte\n", *address, **code);
    ++*code;
    --*left;
    ++*address;
}

static bool calls(const struct tcg_engine *e, const cs_insn *insn, u32 stub)
{
    s32 rel;

    if (insn->bytes[0] != 0xe8)
        return false;
    memcpy(&rel, insn->bytes + 1, 4);
    return insn->address + 5 + (u64)(s64)rel == (uintptr_t)e->buffer->exec + stub;
}

/* Bytes of data behind a call of a stub, and what they are. */
static unsigned data_behind(const struct tcg_engine *e, const cs_insn *insn, const char **what)
{
    *what = "link";
    if (calls(e, insn, e->stubs.leave_link))
        return 8;
    *what = "group";
    if (calls(e, insn, e->stubs.group_load[0]) || calls(e, insn, e->stubs.group_load[1]) ||
        calls(e, insn, e->stubs.group_store))
        return sizeof(struct x86_group_call);
    return 0;
}

char *x86_disassemble(struct tcg_engine *e, const struct tcg_code *out)
{
    const u8 *code = e->buffer->exec + out->start;
    size_t left = out->size;
    u64 address = (uintptr_t)code;
    GString *text = g_string_new(NULL);
    const char *what;
    size_t data;
    cs_insn *insn;
    csh handle;

    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return g_string_free(text, false);
    insn = cs_malloc(handle);
    while (left) {
        if (!cs_disasm_iter(handle, &code, &left, &address, insn)) {
            skip_byte(text, &code, &left, &address);
            continue;
        }
        print_insn(text, insn);
        data = MIN(data_behind(e, insn, &what), left);
        if (data) {
            g_string_append_printf(text, "0x%016" G_GINT64_MODIFIER "x:  .data %s\n", address, what);
            code += data;
            left -= data;
            address += data;
        }
    }
    cs_free(insn, 1);
    cs_close(&handle);
    return g_string_free(text, false);
}
