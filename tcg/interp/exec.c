/*
 * tcg/interp/exec.c - runs the interpreter's form of blocks: one label per instruction, each jumping to the next.
 * One function by nature: its parts are the lists of handlers.h.
 */
#include "tcg/fp.h"
#include "tcg/vector.h"
#include "tcg/interp/memory.h"

#pragma GCC diagnostic ignored "-Wpedantic" /* labels as values */

/* fn(vcpu, args...) with exactly the arguments that it declares. */
static u64 call_helper(const struct ir_helper *helper, void *vcpu, u64 a, u64 b, u64 c, u64 d)
{
    switch (helper->arg_count) {
    case 0:
        return ((u64(*)(void *))helper->function)(vcpu);
    case 1:
        return ((u64(*)(void *, u64))helper->function)(vcpu, a);
    case 2:
        return ((u64(*)(void *, u64, u64))helper->function)(vcpu, a, b);
    case 3:
        return ((u64(*)(void *, u64, u64, u64))helper->function)(vcpu, a, b, c);
    default:
        return ((u64(*)(void *, u64, u64, u64, u64))helper->function)(vcpu, a, b, c, d);
    }
}

static void fence(u64 orders)
{
    if (orders & IR_ORDER_WR)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    else
        __atomic_thread_fence(__ATOMIC_ACQ_REL);
}

/* base NULL: only lists the handlers. */
static enum tcg_leave execute(struct tcg_engine *engine, void *base, const struct interp_insn *ip, u64 va,
                              struct tcg_link **link, const void **list)
{
    static const void *const labels[INTERP_CODE_COUNT] = {
#define X(name, ...) [INTERP_##name##_R] = &&L_##name##_R, [INTERP_##name##_I] = &&L_##name##_I,
        BINARY_ANY(X)
#undef X
#define X(name, B, ...) [INTERP_##name##_R##B] = &&L_##name##_R##B, [INTERP_##name##_I##B] = &&L_##name##_I##B,
        BINARY_TYPED(X, 8) BINARY_TYPED(X, 16) BINARY_TYPED(X, 32) BINARY_TYPED(X, 64)
#undef X
#define X(name, ...) [INTERP_##name] = &&L_##name,
        UNARY_ANY(X)
#undef X
#define X(name, B, ...) [INTERP_##name##_##B] = &&L_##name##_##B,
        UNARY_TYPED(X, 8) UNARY_TYPED(X, 16) UNARY_TYPED(X, 32) UNARY_TYPED(X, 64)
#undef X
#define X(name, B, ...)                                                                                                            \
    [INTERP_SETCC_##name##_R##B] = &&L_SETCC_##name##_R##B, [INTERP_SETCC_##name##_I##B] = &&L_SETCC_##name##_I##B,                \
    [INTERP_EXIT_IF_##name##_R##B] = &&L_EXIT_IF_##name##_R##B, [INTERP_EXIT_IF_##name##_I##B] = &&L_EXIT_IF_##name##_I##B,        \
    [INTERP_SELECT_##name##_R##B] = &&L_SELECT_##name##_R##B, [INTERP_SELECT_##name##_I##B] = &&L_SELECT_##name##_I##B,
        CONDS(X, 8) CONDS(X, 16) CONDS(X, 32) CONDS(X, 64)
#undef X
#define X(name) [INTERP_##name] = &&L_##name,
        OTHERS(X)
#undef X
    };
    u64 s[IR_MAX_OPS];
    const struct code_layout *layout;
    const struct tcg_runtime *runtime;

    if (!base) {
        memcpy(list, labels, sizeof labels);
        return TCG_LEAVE_PC;
    }
    layout = &engine->layout;
    runtime = engine->runtime;

#define STATE(type, field) (*(type *)at(base, layout->field))
#define VCPU               STATE(void *, vcpu)
#define GO                 goto *__atomic_load_n(&ip->handler, __ATOMIC_RELAXED)
#define NEXT                                                                                                                       \
    do {                                                                                                                           \
        ip++;                                                                                                                      \
        GO;                                                                                                                        \
    } while (0)
#define LEAVE_AT(address, reason)                                                                                                  \
    do {                                                                                                                           \
        STATE(u64, pc) = (address);                                                                                                \
        return (reason);                                                                                                           \
    } while (0)
#define POLL(address)                                                                                                              \
    do {                                                                                                                           \
        if (unlikely(__atomic_load_n(&STATE(u32, exit_request), __ATOMIC_RELAXED)))                                                \
            LEAVE_AT(address, TCG_LEAVE_PC);                                                                                       \
    } while (0)
    GO;

#define X(name, expression)                                                                                                        \
    L_##name##_R : {                                                                                                               \
        u64 x = s[ip->a], y = s[ip->b];                                                                                            \
        s[ip->d] = (expression);                                                                                                   \
        NEXT;                                                                                                                      \
    }                                                                                                                              \
    L_##name##_I : {                                                                                                               \
        u64 x = s[ip->a], y = ip->imm;                                                                                             \
        s[ip->d] = (expression);                                                                                                   \
        NEXT;                                                                                                                      \
    }
    BINARY_ANY(X)
#undef X

#define OPERANDS(B, second)                                                                                                        \
    u##B ux = (u##B)s[ip->a], uy = (u##B)(second);                                                                                 \
    s##B sx = (s##B)ux, sy = (s##B)uy;                                                                                             \
    (void)sx, (void)sy
#define X(name, B, expression)                                                                                                     \
    L_##name##_R##B : {                                                                                                            \
        OPERANDS(B, s[ip->b]);                                                                                                     \
        s[ip->d] = (expression);                                                                                                   \
        NEXT;                                                                                                                      \
    }                                                                                                                              \
    L_##name##_I##B : {                                                                                                            \
        OPERANDS(B, ip->imm);                                                                                                      \
        s[ip->d] = (expression);                                                                                                   \
        NEXT;                                                                                                                      \
    }
    BINARY_TYPED(X, 8) BINARY_TYPED(X, 16) BINARY_TYPED(X, 32) BINARY_TYPED(X, 64)
#undef X

#define X(name, expression)                                                                                                        \
    L_##name : {                                                                                                                   \
        u64 x = s[ip->a];                                                                                                          \
        s[ip->d] = (expression);                                                                                                   \
        NEXT;                                                                                                                      \
    }
    UNARY_ANY(X)
#undef X

#define X(name, B, expression)                                                                                                     \
    L_##name##_##B : {                                                                                                             \
        u64 x = s[ip->a];                                                                                                          \
        u##B ux = (u##B)x;                                                                                                         \
        s##B sx = (s##B)x;                                                                                                         \
        (void)sx, (void)ux;                                                                                                        \
        s[ip->d] = (expression);                                                                                                   \
        NEXT;                                                                                                                      \
    }
    UNARY_TYPED(X, 8) UNARY_TYPED(X, 16) UNARY_TYPED(X, 32) UNARY_TYPED(X, 64)
#undef X

#define COMPARE(name, B, form, second, condition)                                                                                  \
    L_SETCC_##name##_##form##B : {                                                                                                 \
        OPERANDS(B, second);                                                                                                       \
        s[ip->d] = (condition);                                                                                                    \
        NEXT;                                                                                                                      \
    }                                                                                                                              \
    L_EXIT_IF_##name##_##form##B : {                                                                                               \
        OPERANDS(B, second);                                                                                                       \
        if (condition) {                                                                                                           \
            ip += ip->x;                                                                                                           \
            GO;                                                                                                                    \
        }                                                                                                                          \
        NEXT;                                                                                                                      \
    }                                                                                                                              \
    L_SELECT_##name##_##form##B : {                                                                                                \
        OPERANDS(B, second);                                                                                                       \
        s[ip->d] = s[(condition) ? ip->c : ip->y];                                                                                 \
        NEXT;                                                                                                                      \
    }
#define X(name, B, condition) COMPARE(name, B, R, s[ip->b], condition) COMPARE(name, B, I, ip->imm, condition)
    CONDS(X, 8) CONDS(X, 16) CONDS(X, 32) CONDS(X, 64)
#undef X

L_CONST:
    s[ip->d] = ip->imm;
    NEXT;
L_PC_ADD:
    s[ip->d] = STATE(u64, pc_page) + ip->imm;
    NEXT;

#define LOAD(name, B, type)                                                                                                        \
    L_LD_##name : {                                                                                                                \
        u64 address = s[ip->a] + ip->imm;                                                                                          \
        const void *p = look_up(engine, base, layout->l1_read, address, B / 8);                                                    \
        if (unlikely(!p))                                                                                                          \
            goto slow_load;                                                                                                        \
        s[ip->d] = (u64)(type)host_load##B(p);                                                                                     \
        NEXT;                                                                                                                      \
    }
    LOAD(U8, 8, u8) LOAD(U16, 16, u16) LOAD(U32, 32, u32) LOAD(U64, 64, u64)
    LOAD(S8, 8, s8) LOAD(S16, 16, s16) LOAD(S32, 32, s32) LOAD(S64, 64, s64)

L_LD_ANY: {
    u32 mem = ip->c;
    u64 address = s[ip->a] + ip->imm;
    const void *p;

    if (mem >> IR_MEM_SPACE_SHIFT || is_misaligned(mem, address))
        goto slow_load;
    p = look_up(engine, base, mem & IR_MEM_WRITE_INTENT ? layout->l1_write : layout->l1_read, address,
                ir_mem_bytes(mem));
    if (unlikely(!p))
        goto slow_load;
    s[ip->d] = host_load_any(mem, p);
    if (mem & IR_MEM_ACQUIRE)
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    NEXT;
}
slow_load: {
    struct tcg_result result = runtime->load(VCPU, s[ip->a] + ip->imm, ip->c, ip->x);

    if (unlikely(result.leave))
        return TCG_LEAVE_PC;
    s[ip->d] = result.value;
    NEXT;
}

#define STORE(B)                                                                                                                   \
    L_ST_##B : {                                                                                                                   \
        u64 address = s[ip->a] + ip->imm;                                                                                          \
        void *p = look_up(engine, base, layout->l1_write, address, B / 8);                                                         \
        if (unlikely(!p))                                                                                                          \
            goto slow_store;                                                                                                       \
        host_store##B(p, (u##B)s[ip->b]);                                                                                          \
        NEXT;                                                                                                                      \
    }
    STORE(8) STORE(16) STORE(32) STORE(64)

L_ST_ANY: {
    u32 mem = ip->c;
    u64 address = s[ip->a] + ip->imm;
    void *p;

    if (mem >> IR_MEM_SPACE_SHIFT || is_misaligned(mem, address))
        goto slow_store;
    p = look_up(engine, base, layout->l1_write, address, ir_mem_bytes(mem));
    if (unlikely(!p))
        goto slow_store;
    if (mem & IR_MEM_RELEASE)
        __atomic_thread_fence(__ATOMIC_RELEASE);
    host_store_any(mem, p, s[ip->b]);
    if ((mem & IR_MEM_ACQUIRE) && (mem & IR_MEM_RELEASE))
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    NEXT;
}
slow_store:
    if (unlikely(runtime->store(VCPU, s[ip->a] + ip->imm, s[ip->b], ip->c, ip->x)))
        return TCG_LEAVE_PC;
    NEXT;

L_AMO: {
    u32 mem = ip->c;
    struct tcg_result result;
    void *p = NULL;

    if (!(mem >> IR_MEM_SPACE_SHIFT) && !is_misaligned(mem, s[ip->a]) && !(mem & IR_MEM_BIG) == !HOST_IS_BIG)
        p = look_up(engine, base, layout->l1_write, s[ip->a], ir_mem_bytes(mem));
    if (likely(p)) {
        s[ip->d] = interp_amo((enum ir_amo)ip->imm, mem, p, s[ip->b]);
        NEXT;
    }
    result = runtime->amo(VCPU, s[ip->a], s[ip->b], mem | ip->imm << 16, ip->x);
    if (unlikely(result.leave))
        return TCG_LEAVE_PC;
    s[ip->d] = result.value;
    NEXT;
}
L_CAS: {
    u32 mem = ip->c;
    struct tcg_result result;
    void *p = NULL;

    if (!(mem >> IR_MEM_SPACE_SHIFT) && !is_misaligned(mem, s[ip->a]) && !(mem & IR_MEM_BIG) == !HOST_IS_BIG)
        p = look_up(engine, base, layout->l1_write, s[ip->a], ir_mem_bytes(mem));
    if (likely(p)) {
        s[ip->d] = interp_cas(mem, p, s[ip->b], s[ip->y]);
        NEXT;
    }
    result = runtime->cas(VCPU, s[ip->a], s[ip->b], s[ip->y], mem | (u64)(s64)ip->x << 16);
    if (unlikely(result.leave))
        return TCG_LEAVE_PC;
    s[ip->d] = result.value;
    NEXT;
}
L_FENCE:
    fence(ip->imm);
    NEXT;
L_COUNT:
    if (STATE(s64, icount) < (s64)ip->imm)
        LEAVE_AT(STATE(u64, pc_page) + (u64)(s64)ip->x, TCG_LEAVE_PC);
    STATE(s64, icount) -= (s64)ip->imm;
    NEXT;
L_UNCOUNT:
    STATE(s64, icount) += (s64)ip->imm;
    NEXT;
L_CALL: {
    const struct ir_helper *helper = (const struct ir_helper *)(uintptr_t)ip->imm;
    u64 result;

    if (helper->effects & (IR_HELPER_NEEDS_PC | IR_HELPER_MAY_LEAVE))
        STATE(u64, pc) = STATE(u64, pc_page) + (u64)(s64)ip->x;
    result = call_helper(helper, VCPU, s[ip->a], s[ip->b], s[ip->c], s[ip->y]);
    if (helper->effects & IR_HELPER_MAY_LEAVE) {
        if (result)
            return TCG_LEAVE_PC;
        if (helper->effects & IR_HELPER_SWITCHES && layout->base)
            base = (void *)(uintptr_t)STATE(u64, base);
        NEXT;
    }
    s[ip->d] = result;
    NEXT;
}

L_FP: {
    struct ir_fp_result result = ir_fp_compute((u32)ip->imm, s[ip->a], s[ip->b], s[ip->y], STATE(u8, fp_rounding));

    STATE(u8, fp_flags) |= (u8)result.flags;
    s[ip->d] = result.value;
    NEXT;
}

L_VEC:
    ir_vector_run(layout, base, ip->imm, s[ip->a]);
    NEXT;
L_VEC_TO:
    s[ip->d] = ir_vector_to(layout, base, ip->imm);
    NEXT;

L_FENV_GET:
    s[ip->d] = STATE(u8, fp_flags);
    NEXT;
L_FENV_SET:
    STATE(u8, fp_flags) = s[ip->a] & 31;
    NEXT;

L_ENTER:
    STATE(u64, pc_page) = va & ~(u64)(TCG_PAGE_SIZE - 1);
    NEXT;
L_EXIT_POLL:
    POLL(STATE(u64, pc_page) + (u64)(s64)ip->x);
    /* fall through */
L_EXIT:
    ip = (const struct interp_insn *)(uintptr_t)__atomic_load_n(&ip->imm, __ATOMIC_ACQUIRE);
    GO;
L_UNLINKED:
    *link = (struct tcg_link *)(uintptr_t)ip->imm;
    LEAVE_AT(STATE(u64, pc_page) + (u64)(s64)ip->x, TCG_LEAVE_LINK);
L_EXIT_PAGE:
    va = STATE(u64, pc_page) + (u64)(s64)ip->x;
    goto jump;
L_EXIT_TO:
    va = s[ip->a] & ip->imm;
jump: {
    const struct tcg_jump_entry *entry =
        (const struct tcg_jump_entry *)at(base, layout->jump_cache) + tcg_jump_index(va, layout->jump_bits);

    POLL(va);
    if (unlikely(entry->va != va))
        LEAVE_AT(va, TCG_LEAVE_MISS);
    ip = (const struct interp_insn *)(uintptr_t)__atomic_load_n(&entry->code, __ATOMIC_ACQUIRE);
    GO;
}
L_MISS:
    LEAVE_AT(va, TCG_LEAVE_MISS);
L_LEAVE:
    return TCG_LEAVE_PC;
L_DEAD_ENTER:
    LEAVE_AT(va, TCG_LEAVE_PC);
L_DEAD: /* ENTER stands before the first insn of the body */
    LEAVE_AT(STATE(u64, pc_page) + (u64)(s64)ip[-1].x, TCG_LEAVE_PC);
}

enum tcg_leave interp_run(struct tcg_engine *engine, void *base, const struct interp_insn *ip, u64 va,
                          struct tcg_link **link)
{
    return execute(engine, base, ip, va, link, NULL);
}

void interp_list_handlers(struct tcg_engine *engine)
{
    execute(engine, NULL, NULL, 0, NULL, engine->handler);
}
