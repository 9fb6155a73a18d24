/* tcg/x86_64/emit.h - translating one block: tcg_backend.emit. */
#ifndef TCG_X86_64_EMIT_H
#define TCG_X86_64_EMIT_H

#include "tcg/x86_64/engine.h"

/* See tcg_backend.open, .emit_behind. */
bool x86_emit_open(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit);
u32 x86_emit_behind(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out);
/* See tcg_backend.emit. 0: does not fit into buffer bytes [at, limit). */
u32 x86_emit_block(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit);

/* disassemble.c: see tcg_backend.can_disassemble and .disassemble; capstone is loaded by whichever comes first. */
bool x86_can_disassemble(struct tcg_engine *e, GError **error);
char *x86_disassemble(struct tcg_engine *e, const struct tcg_code *code);
void x86_capstone_unload(struct tcg_engine *e);

#endif
