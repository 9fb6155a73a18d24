/* accel/tcg/log.c - what -d in_asm and out_asm show of a translation, and what the host's perf is told of it. */
#include "accel/tcg/tcg.h"
#include "host/perf.h"
#include <string.h>

/* The length of an instruction whose line was added; 0: nobody knows. */
static u32 add_line(const struct tcg_vcpu *v, GString *text, const u8 *bytes, u32 available, u64 pc)
{
    char line[128];
    u32 length = v->vcpu->cpu->disassemble ? v->vcpu->cpu->disassemble(bytes, available, pc, line, sizeof(line)) : 0;

    if (length)
        g_string_append_printf(text, "0x%016" G_GINT64_MODIFIER "x:  %s\n", pc, line);
    return length;
}

static void add_lines(const struct tcg_vcpu *v, GString *text, const struct block *block, const struct code_source *source, u64 pc)
{
    u8 bytes[MAX_BLOCK_INSNS * MAX_INSN_BYTES];
    u32 count = MIN(block->byte_count, (u32)sizeof(bytes)), in_page = MIN(count, TCG_PAGE_SIZE + source->more - source->offset);

    memcpy(bytes, source->page + source->offset, in_page);
    if (count > in_page && source->next_page)
        memcpy(bytes + in_page, source->next_page, count - in_page);
    for (u32 at = 0, length = 1; at < count && length; at += length)
        length = add_line(v, text, bytes + at, count - at, pc + at);
}

/* Of a block whose instructions do not lie one behind the other. */
static void add_winding_lines(const struct tcg_vcpu *v, GString *text, const struct ir_block *ir, const struct code_source *source, u64 pc)
{
    for (u32 i = 0; i < ir->snapshot_count; i++) {
        u32 at = (u32)ir->snapshot[i].pc;

        add_line(v, text, source->page + at, TCG_PAGE_SIZE + source->more - at, (pc & ~UINT64_C(4095)) + at);
    }
}

void tcg_log_block(struct tcg_vcpu *v, struct block *block, const struct ir_block *ir, const struct code_source *source, u64 pc)
{
    struct log *log = vm_log(v->vcpu->vm);

    if (log_wants(log, LOG_IN_ASM) && log_in_filter(log, pc)) {
        g_autoptr(GString) text = g_string_new("IN:\n");

        if (ir && ir->winds)
            add_winding_lines(v, text, ir, source, pc);
        else
            add_lines(v, text, block, source, pc);
        log_print(log, LOG_IN_ASM, "%s", text->str);
    }
    if (log_wants(log, LOG_OUT_ASM) && log_in_filter(log, pc) && v->tcg->backend->disassemble) {
        g_autofree char *text = v->tcg->backend->disassemble(v->tcg->engine, &block->code);

        log_print(log, LOG_OUT_ASM, "OUT: [size=%u]\n%s", block->code.size, text ? text : "");
    }
}

void tcg_tell_perf(struct tcg *tcg, const struct block *block, u64 pc)
{
    const u8 *code = tcg->backend->exec_at(tcg->engine, block->code.start);
    char name[64];

    g_snprintf(name, sizeof(name), "%s:0x%" G_GINT64_MODIFIER "x%s", vm_guest_name(tcg->vm), pc, block->tier == 2 ? ":loop" : "");
    host_perf_add(tcg->perf, code, block->code.size, name);
    if (block->code.apart_size) {
        g_strlcat(name, ":cold", sizeof(name));
        host_perf_add(tcg->perf, tcg->backend->exec_at(tcg->engine, block->code.apart), block->code.apart_size, name);
    }
}
