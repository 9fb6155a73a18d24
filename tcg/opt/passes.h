/* tcg/opt/passes.h - the passes, each in the file of its name. */
#ifndef TCG_OPT_PASSES_H
#define TCG_OPT_PASSES_H

#include "tcg/backend.h"

void opt_forward(struct ir_block *block, const struct code_layout *layout);
void opt_dead_code(struct ir_block *block, const struct code_layout *layout);
/* Once more, for a loop in one piece (ir_block.loop): accesses with a stream there (struct ir_loop) cannot leave the block. */
void opt_dead_code_of_loop(struct ir_block *block, const struct code_layout *layout, const u8 *stream_of);
void opt_narrow(struct ir_block *block, const struct code_layout *layout);

#endif
