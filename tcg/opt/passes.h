/* tcg/opt/passes.h - the passes, each in the file of its name. */
#ifndef TCG_OPT_PASSES_H
#define TCG_OPT_PASSES_H

#include "tcg/backend.h"

void opt_forward(struct ir_block *block, const struct code_layout *layout);
void opt_dead_code(struct ir_block *block, const struct code_layout *layout);
void opt_narrow(struct ir_block *block, const struct code_layout *layout);

#endif
