/* tcg/x86_64/emit.h - translating one block: tcg_backend.emit. */
#ifndef TCG_X86_64_EMIT_H
#define TCG_X86_64_EMIT_H

#include "tcg/x86_64/engine.h"

/* See tcg_backend.emit. 0: does not fit into buffer bytes [at, limit). */
u32 x86_emit_block(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit);

/* Listing of a block by capstone. The caller frees. */
char *x86_disassemble(struct tcg_engine *e, const struct tcg_code *code);

#endif
