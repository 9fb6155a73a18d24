/* tcg/opt/passes.c - the list of passes, in order. */
#include "tcg/backend.h"

const struct ir_pass ir_passes[] = {
    { 0 },
};
