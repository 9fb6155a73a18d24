/* tcg/x86_64/disassemble.c - host code of a block as text, by capstone. */
#include "tcg/x86_64/emit.h"
#include "base/error.h"
#include "host/library.h"
#include <capstone/capstone.h>

/* The version whose structures this file was compiled with. */
#define LIBRARY "libcapstone.so." G_STRINGIFY(CS_API_MAJOR)

struct x86_capstone {
    void *library;
    __typeof__(&cs_open) open;
    __typeof__(&cs_malloc) malloc;
    __typeof__(&cs_disasm_iter) disasm_iter;
    __typeof__(&cs_free) free;
    __typeof__(&cs_close) close;
};

static const struct host_library_symbol symbols[] = {
    { "cs_open", offsetof(struct x86_capstone, open) }, { "cs_malloc", offsetof(struct x86_capstone, malloc) },
    { "cs_disasm_iter", offsetof(struct x86_capstone, disasm_iter) }, { "cs_free", offsetof(struct x86_capstone, free) },
    { "cs_close", offsetof(struct x86_capstone, close) }, { NULL, 0 },
};

bool x86_can_disassemble(struct tcg_engine *e, GError **error)
{
    struct x86_capstone loaded = { 0 };

    if (e->capstone)
        return true;
    loaded.library = host_library_open(LIBRARY, symbols, &loaded, error);
    if (!loaded.library)
        return error_prefix(error, "listings of host code need capstone");
    e->capstone = g_memdup2(&loaded, sizeof(loaded));
    return true;
}

void x86_capstone_unload(struct tcg_engine *e)
{
    if (e->capstone)
        host_library_close(e->capstone->library);
    g_clear_pointer(&e->capstone, g_free);
}

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
    if (calls(e, insn, e->stubs.leave_link) || calls(e, insn, e->stubs.leave_continuation))
        return 4;
    if (calls(e, insn, e->stubs.leave_far_link) || calls(e, insn, e->stubs.leave_far_continuation))
        return 8;
    *what = "group";
    if (calls(e, insn, e->stubs.group_load[0]) || calls(e, insn, e->stubs.group_load[1]) ||
        calls(e, insn, e->stubs.group_store))
        return sizeof(struct x86_group_call);
    return 0;
}

static void print_range(struct tcg_engine *e, GString *text, csh handle, cs_insn *insn, u32 start, size_t left)
{
    const u8 *code = e->buffer->exec + start;
    u64 address = (uintptr_t)code;
    const char *what;
    size_t data;

    while (left) {
        if (!e->capstone->disasm_iter(handle, &code, &left, &address, insn)) {
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
}

char *x86_disassemble(struct tcg_engine *e, const struct tcg_code *out)
{
    GString *text;
    cs_insn *insn;
    csh handle;
    g_autoptr(GError) error = NULL;

    if (!x86_can_disassemble(e, &error))
        return g_strdup_printf("%s\n", error->message);
    text = g_string_new(NULL);
    if (e->capstone->open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return g_string_free(text, false);
    insn = e->capstone->malloc(handle);
    print_range(e, text, handle, insn, out->start, out->size);
    print_range(e, text, handle, insn, out->apart, out->apart_size);
    e->capstone->free(insn, 1);
    e->capstone->close(&handle);
    return g_string_free(text, false);
}
