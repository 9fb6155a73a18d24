/* tcg/text.h - the words of the IR's text form, shared by printer and parser. */
#ifndef TCG_TEXT_H
#define TCG_TEXT_H

#include "tcg/ir.h"

extern const char *const ir_cond_names[IR_COND_COUNT];
extern const char *const ir_amo_names[IR_AMO_COUNT];
extern const char *const ir_hint_names[3]; /* by enum ir_exit_hint; the first is empty */

/* Flags of a memory word that have a name; the list ends with a NULL name. */
struct ir_flag_name {
    const char *name;
    u32 flag;
};
extern const struct ir_flag_name ir_mem_flags[];

/* Rounding modes by number (NULL: none); flags of an op's enum ir_fp word; whether the op names its operand's type. */
extern const char *const ir_rounding_names[IR_FP_ROUNDING + 1];
const struct ir_flag_name *ir_fp_flags(unsigned code);
bool ir_fp_has_word(unsigned code);
bool ir_fp_has_from(unsigned code);

#endif
