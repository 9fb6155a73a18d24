/* tcg/builder_vector.c - how front ends write vector ops: on places in the vector file, and to and from memory. */
#include "tcg/builder.h"
#include "tcg/append.h"
#include "tcg/vector.h"

void ir_vector(struct ir_block *b, enum ir_type lane, u32 aux, const struct ir_vector_place *place, ir_value scalar)
{
    ir_value a = aux & IR_VECTOR_SCALAR ? scalar : ir_const(b, IR_I64, 0);
    struct ir_op *op = ir_append(b, IR_VEC, lane);

    op->aux = (u16)aux;
    op->arg[0] = a;
    op->imm = (s64)ir_vector_pack(*place);
}

ir_value ir_vector_number(struct ir_block *b, enum ir_type lane, u32 number, const struct ir_vector_place *place)
{
    struct ir_op *op = ir_append(b, IR_VEC_TO, lane);

    op->aux = (u16)number;
    op->imm = (s64)ir_vector_pack(*place);
    return ir_last(b);
}

static void append_transfer(struct ir_block *b, enum ir_opcode code, const struct ir_helper *helper, u32 aux, ir_value address, ir_value what)
{
    struct ir_op *op;

    ir_note_leave(b);
    op = ir_append(b, code, IR_I64);
    op->aux = (u16)aux;
    op->arg[0] = address;
    op->arg[1] = what;
    op->helper = helper;
}

void ir_vector_load_part(struct ir_block *b, const struct ir_helper *helper, unsigned size, unsigned at, unsigned element, ir_value address, ir_value what)
{
    append_transfer(b, IR_VLD, helper, size | at >> 4 << IR_VECTOR_PLACE_SHIFT | IR_VECTOR_PART | element << IR_VECTOR_ELEMENT_SHIFT, address, what);
}

void ir_vector_store_part(struct ir_block *b, const struct ir_helper *helper, unsigned size, unsigned at, unsigned element, ir_value address, ir_value what)
{
    append_transfer(b, IR_VST, helper, size | at >> 4 << IR_VECTOR_PLACE_SHIFT | IR_VECTOR_PART | element << IR_VECTOR_ELEMENT_SHIFT, address, what);
}

void ir_vector_load(struct ir_block *b, const struct ir_helper *helper, unsigned size, unsigned at, ir_value address, ir_value what)
{
    append_transfer(b, IR_VLD, helper, size | at >> 4 << IR_VECTOR_PLACE_SHIFT, address, what);
}

void ir_vector_store(struct ir_block *b, const struct ir_helper *helper, unsigned size, unsigned at, ir_value address, ir_value what)
{
    append_transfer(b, IR_VST, helper, size | at >> 4 << IR_VECTOR_PLACE_SHIFT, address, what);
}

void ir_vector_transfer_masked(struct ir_block *b, bool is_load, const struct ir_helper *helper, unsigned size, unsigned at, unsigned element, bool part,
                               ir_value address, ir_value what)
{
    append_transfer(b, is_load ? IR_VLD : IR_VST, helper,
                    size | at >> 4 << IR_VECTOR_PLACE_SHIFT | IR_VECTOR_UNDER | (part ? IR_VECTOR_PART : 0) | element << IR_VECTOR_ELEMENT_SHIFT, address, what);
}
