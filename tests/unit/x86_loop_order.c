/* tests/unit/x86_loop_order.c - which loops may do several turns at a time where other harts see the order of loads and of stores. */
#include "tcg/builder.h"
#include "tcg/x86_64/engine.h"
#include <glib.h>

static bool may(bool total_order, unsigned loads, unsigned stores)
{
    struct ir_block *b = ir_block_create(256);
    ir_value base, value;
    bool answer;

    ir_block_reset(b, 0);
    base = ir_get(b, IR_I64, 1);
    value = ir_get(b, IR_I64, 2);
    for (unsigned i = 0; i < loads; i++)
        ir_load(b, IR_I64, 3, base, 8 * i);
    for (unsigned i = 0; i < stores; i++)
        ir_store(b, 3, base, 8 * i, value);
    b->total_order = total_order;
    answer = x86_loop_may_reorder(b);
    ir_block_destroy(b);
    return answer;
}

static void check(void)
{
    g_assert_true(may(false, 4, 4));
    g_assert_true(may(true, 1, 1)); /* a load may pass an earlier store in any model that hosts have */
    g_assert_false(may(true, 2, 1));
    g_assert_false(may(true, 0, 2));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86/loop order", check);
    return g_test_run();
}
