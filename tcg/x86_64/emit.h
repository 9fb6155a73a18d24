/* tcg/x86_64/emit.h - translating one block: tcg_backend.emit. */
#ifndef TCG_X86_64_EMIT_H
#define TCG_X86_64_EMIT_H

#include "tcg/x86_64/engine.h"

/* See tcg_backend.open, .emit_behind. */
bool x86_emit_open(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit);
u32 x86_emit_behind(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out);
/* See tcg_backend.emit. 0: does not fit into buffer bytes [at, limit). */
u32 x86_emit_block(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit);

/* What every way to emit a block begins and ends with: false, 0: it does not fit. The entries come before the code. */
bool x86_emit_begin(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit);
void x86_emit_entries(struct tcg_engine *e);
/* rax: an address in the block's page, which is noted. */
void x86_note_page(struct tcg_engine *e);
u32 x86_emit_end(struct tcg_engine *e);

/* --- apart.c --- */
/* A block begins in [at, limit). */
void x86_apart_begin(struct tcg_engine *e, u32 at, u32 limit);
/* What follows is cold, of all blocks being emitted: if it may lie apart, and `need` bytes have room there, code goes there from now on. */
void x86_cold_begin(struct tcg_engine *e, u32 need);
/* Cold code of the block e->out ends here. It began at `from`. */
void x86_note_apart(struct tcg_engine *e, const u8 *from);
/* Back to the hot code's end. The end of what is emitted, areas included. */
u32 x86_apart_end(struct tcg_engine *e);

/* quick.c: once; the layout is known. */
void x86_quick_init(struct tcg_engine *e);
/* See tcg_backend.quick_prepare and .quick_emit. */
void x86_quick_prepare(struct tcg_engine *e, struct ir_block *block, struct quick_insn *insn, u32 count);
u32 x86_quick_emit(struct tcg_engine *e, const struct ir_block *block, const struct quick_insn *insn, u32 count, struct tcg_code *out, u32 at,
                   u32 limit);

/* disassemble.c: see tcg_backend.can_disassemble and .disassemble; capstone is loaded by whichever comes first. */
bool x86_can_disassemble(struct tcg_engine *e, GError **error);
char *x86_disassemble(struct tcg_engine *e, const struct tcg_code *code);
void x86_capstone_unload(struct tcg_engine *e);

#endif
