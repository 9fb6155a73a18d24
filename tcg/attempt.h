/*
 * tcg/attempt.h - what a helper may have beside its function (ir_helper.attempt): C that generated code calls first, as if it were an instruction.
 * It does all of the call's work and returns true, or changes nothing but what the call then goes on from. It sees the state and the L1 tables,
 * never a device, a fault or another structure; it calls nothing, and is compiled so that it changes general registers alone and saves each one
 * that it changes: guest state stays in host registers around it. Where back ends do not know attempts the function does all. The vCPU's own thread.
 */
#ifndef TCG_ATTEMPT_H
#define TCG_ATTEMPT_H

#include "tcg/backend.h"

/* On the command line for hosts whose back ends know attempts, with what else that takes (target/riscv/meson.build). */
#ifndef IR_ATTEMPT
#define IR_ATTEMPT
#endif

/* state: the base pointer; a, b, c: the call's arguments. */
typedef bool ir_attempt_function(u8 *state, u64 a, u64 b, u64 c, const struct code_layout *layout);

/* Host bytes of [va, va + bytes), at most a page of them, when the L1 has them. NULL: it has not. */
static inline u8 *ir_attempt_host(u8 *state, const struct code_layout *layout, u64 va, u64 bytes, bool write)
{
    return tcg_l1_look_up((u64 *)(void *)(state + (write ? layout->l1_write : layout->l1_read)), layout->l1_bits, va, bytes);
}

#endif
