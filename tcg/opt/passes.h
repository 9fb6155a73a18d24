/* tcg/opt/passes.h - the passes, each in the file of its name. */
#ifndef TCG_OPT_PASSES_H
#define TCG_OPT_PASSES_H

#include "tcg/backend.h"

#endif
