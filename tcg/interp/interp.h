/*
 * tcg/interp/interp.h - the portable reference back end: its private form of a block and its engine.
 *
 * A block is a row of struct interp_insn in the engine's buffer: ENTER (the indirect entry), the body (the direct entry),
 * then for each direct exit a pair (EXIT or EXIT_POLL or EXIT_PAGE, UNLINKED). Values live in slots, one for each
 * op with a result.
 */
#ifndef TCG_INTERP_INTERP_H
#define TCG_INTERP_INTERP_H

#include "tcg/backend.h"
#include "tcg/interp/handlers.h"

enum { HOST_IS_BIG = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ };

struct interp_insn {
    const void *handler; /* label in exec.c; read and patched atomically */
    u16 d, a, b, c;      /* slots; c: ir_mem word of memory ops */
    u64 imm;             /* constant, displacement, helper, link, or the insn an EXIT goes to (atomic) */
    s32 x;               /* register offset, exit's or snapshot's pc, distance in insns to an exit */
    u32 y;               /* fourth operand */
};

struct tcg_engine {
    struct code_layout layout;
    const struct tcg_runtime *runtime;
    u8 *buffer; /* buffer_size bytes, lazily backed */
    u32 size;
    const void *handler[INTERP_CODE_COUNT];
};

enum tcg_leave interp_run(struct tcg_engine *engine, void *base, const struct interp_insn *ip, u64 va,
                          struct tcg_link **link);
/* Fills engine->handler. */
void interp_list_handlers(struct tcg_engine *engine);

u32 interp_emit(struct tcg_engine *engine, const struct ir_block *block, struct tcg_code *code, u32 at, u32 limit);
/* A listing; the caller frees. */
char *interp_disassemble(struct tcg_engine *engine, const struct tcg_code *code);

#endif
