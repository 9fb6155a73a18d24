/* target/riscv/helpers.c - what the IR must know about the functions of helpers.def. */
#include "target/riscv/helpers.h"
#include "target/riscv/vector_attempt.h"

#define EFFECT_PURE  IR_HELPER_PURE
#define EFFECT_FLAGS IR_HELPER_FLAGS
#define EFFECT_LEAVE (IR_HELPER_MAY_LEAVE | IR_HELPER_NEEDS_PC | IR_HELPER_READS | IR_HELPER_WRITES)

#define EFFECT_VECTOR (IR_HELPER_FLAGS | IR_HELPER_NEEDS_PC) /* puts before it are not overwritten unseen */
#define EFFECT_CONFIGURE (IR_HELPER_READS | IR_HELPER_WRITES)

#define EFFECT_SWITCH (EFFECT_LEAVE | IR_HELPER_SWITCHES)

#define ROW(helper, arguments, value, effect, what, first)                                         \
    const struct ir_helper riscv_ir_##helper = {                                                   \
        .name = #helper,                                                                           \
        .function = (void *)riscv_helper_##helper,                                                 \
        .arg_count = arguments,                                                                    \
        .result = IR_##value,                                                                      \
        .effects = EFFECT_##effect,                                                                \
        .inlined = IR_INLINE_##what,                                                               \
        .attempt = first,                                                                          \
    };
#define HELPER_INLINE(helper, arguments, value, effect, what) ROW(helper, arguments, value, effect, what, NULL)
#define HELPER_ATTEMPT(helper, arguments, value, effect) ROW(helper, arguments, value, effect, NONE, (void *)riscv_attempt_##helper)
#define HELPER(helper, arguments, value, effect) HELPER_INLINE(helper, arguments, value, effect, NONE)
#include "target/riscv/helpers.def"
#undef HELPER

const struct ir_helper *const riscv_ir_helpers[] = {
#define HELPER(helper, arguments, value, effect) &riscv_ir_##helper,
#include "target/riscv/helpers.def"
#undef HELPER
    NULL
};
