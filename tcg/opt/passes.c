/* tcg/opt/passes.c - the passes in the order they run. Each is linear in the ops of a block. */
#include "tcg/opt/passes.h"

const struct ir_pass ir_passes[] = {
    { "forward", "know what guest registers hold, fold through them, recognise idioms", opt_forward },
    { "dead-code", "drop overwritten puts and unread results", opt_dead_code },
    { "narrow", "do 64-bit work in 32 bits where only the low half is read", opt_narrow },
    { NULL, NULL, NULL },
};
