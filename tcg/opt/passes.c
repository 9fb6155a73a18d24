/* tcg/opt/passes.c - the passes in the order they run. */
#include "tcg/opt/passes.h"

const struct ir_pass ir_passes[] = {
    { NULL, NULL, NULL },
};
