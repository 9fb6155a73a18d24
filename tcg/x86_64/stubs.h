/* tcg/x86_64/stubs.h - what ways into C have in common. The translation lock is held. */
#ifndef TCG_X86_64_STUBS_H
#define TCG_X86_64_STUBS_H

#include "tcg/x86_64/engine.h"

/* Host registers that C may change, a bit each. */
enum { X86_CALLER_SAVED = 1 << RDX | 1 << RSI | 1 << RDI | 1 << R8 | 1 << R9 | 1 << R10 | 1 << R11 };

/* Pinned registers of the mask (a bit for each host register) to the state, and back. */
void x86_store_pinned(struct tcg_engine *e, u32 mask);
void x86_load_pinned(struct tcg_engine *e, u32 mask);
/* Before C runs that may forget frames: those that are there end `above` bytes above rsp. Clobbers `temp`. */
void x86_note_frames(struct tcg_engine *e, s32 above, enum host_reg temp);

#endif
