/* tcg/opt/passes.c - the passes in the order they run. Each is linear in the ops of a block. */
#include "tcg/opt/passes.h"

#define PASSES(X)                                                                                            \
    X("forward", "know what guest registers hold, fold through them, recognise idioms", opt_forward)         \
    X("dead-code", "drop overwritten puts and unread results", opt_dead_code)                                \
    X("narrow", "do 64-bit work in 32 bits where only the low half is read", opt_narrow)

const struct ir_pass ir_passes[] = {
#define X(name, purpose, run) { name, purpose, run },
    PASSES(X)
#undef X
    { NULL, NULL, NULL },
};

const char *const ir_pass_names[] = {
#define X(name, purpose, run) name,
    PASSES(X)
#undef X
    NULL,
};
