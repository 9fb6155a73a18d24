/* tcg/x86_64/engine.c - the x86-64 back end: creation, running, patching. */
#include "tcg/x86_64/emit.h"
#include "base/error.h"
#include <cpuid.h>

/* Host registers for the guest's registers in order of preference: short encodings go to what computes most. */
static const u8 pin_order[X86_PIN_COUNT] = {R14, R12, RDI, RSI, R8, R9, RDX, RBX, R11, R15, R10, R13};

/* CPUID leaf 8000_0001h. Without it the same bytes are BSR, which counts from the other end. */
static bool has_lzcnt(void)
{
    enum { ECX_LZCNT = 1 << 5 };
    unsigned a, b, c, d;

    return __get_cpuid(0x80000001, &a, &b, &c, &d) && c & ECX_LZCNT;
}

static unsigned host_level(void)
{
    if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_lzcnt())
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") ? 4 : 3;
    return __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("sse4.2") ? 2 : 1;
}

/* clang 14 has no word for all of them (Intel SDM, CPUID leaf 7). */
static u32 more_features(bool ecx)
{
    unsigned a, b, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) ? ecx ? c : b : 0;
}

static void choose_features(struct tcg_engine *e, unsigned host_isa, bool plain)
{
    enum { EBX_SHA = 1 << 29, ECX_VAES = 1 << 9 };
    unsigned level = host_level();

    if (host_isa && host_isa < level)
        level = host_isa;
    e->features.popcnt = e->features.sse41 = level >= 2;
    e->features.bmi = e->features.vex = level >= 3;
    e->features.masks = level >= 4;
    if (plain || level < 2)
        return;
    e->features.aes = __builtin_cpu_supports("aes");
    e->features.clmul = __builtin_cpu_supports("pclmul");
    e->features.sha = more_features(false) & EBX_SHA;
    e->features.wide_aes = e->features.aes && e->features.vex && more_features(true) & ECX_VAES;
}

static void pin(struct tcg_engine *e, u16 guest, unsigned host)
{
    e->pin_of[guest] = (u8)host;
    e->guest_of[host] = guest;
    e->pinned_mask |= 1u << host;
}

static void assign_pins(struct tcg_engine *e)
{
    const struct code_layout *l = e->layout;

    e->pin_of = g_malloc(l->reg_count);
    memset(e->pin_of, X86_NO_REG, l->reg_count);
    for (unsigned r = 0; r < X86_ALL_REGS; r++)
        e->guest_of[r] = IR_NONE;
    for (u32 i = 0; i < MIN(l->pinned_count, X86_PIN_COUNT); i++)
        pin(e, l->pinned[i], pin_order[i]);
    for (u32 i = 0; i < MIN(l->pinned_fp_count, X86_PIN_COUNT); i++)
        pin(e, l->pinned_fp[i], X86_XMM0 + X86_XMM_TEMPS + i);
    e->budget = IR_NONE;
    for (u32 i = 0; i < l->reg_count; i++)
        if (l->reg[i].offset == l->icount && l->reg[i].type == IR_I64)
            e->budget = (u16)i;
    e->map_pin_of = g_memdup2(e->pin_of, l->reg_count);
    memcpy(e->map_guest_of, e->guest_of, sizeof(e->guest_of));
}

static void engine_destroy(struct tcg_engine *e)
{
    if (!e)
        return;
    tcg_buffer_destroy(e->buffer);
    g_ptr_array_free(e->helpers, TRUE);
    g_free(e->pin_of);
    g_free(e->map_pin_of);
    g_free(e->loop.single);
    g_free(e->loop.near_of);
    g_free(e->loop.ahead_of);
    ir_loop_finish(&e->loop.found);
    ir_loop_finish(&e->loop.found_inner);
    g_free(e->home_of);
    g_free(e->current);
    g_free(e->value);
    g_free(e->group_of);
    g_free(e->work);
    g_free(e->cold);
    g_free(e->recheck);
    g_free(e->fault);
    x86_capstone_unload(e);
    g_free(e);
}

static struct tcg_engine *engine_create(const struct code_layout *layout, const struct tcg_runtime *runtime,
                                        const struct tcg_backend_options *options, GError **error)
{
    struct tcg_engine *e = g_new0(struct tcg_engine, 1);

    e->layout = layout;
    e->runtime = runtime;
    x86_helpers_collect(e, options->helpers);
    e->home_of = g_new(u16, layout->reg_count);
    e->current = g_new(u16, layout->reg_count);
    ir_loop_init(&e->loop.found);
    ir_loop_init(&e->loop.found_inner);
    e->loop.single = g_new(u16, IR_MAX_OPS);
    e->loop.near_of = g_new(u8, IR_MAX_OPS);
    e->loop.ahead_of = g_new(u8, IR_MAX_OPS);
    e->slot_words = ARRAY_SIZE(e->slot_free);
    choose_features(e, options->host_isa, options->plain);
    assign_pins(e);
    e->buffer = tcg_buffer_create(MAX(options->buffer_size, MIB), options->split_wx, error);
    if (!e->buffer || !x86_stubs_emit(e, error)) {
        engine_destroy(e);
        return NULL;
    }
    x86_quick_init(e);
    e->apart.on = options->apart;
    return e;
}

static const void *exec_at(const struct tcg_engine *e, u32 offset)
{
    return e->buffer->exec + offset;
}

static u64 engine_jump_miss(const struct tcg_engine *e)
{
    return (u64)(uintptr_t)exec_at(e, e->stubs.leave_miss);
}

static u32 engine_code_limit(const struct tcg_engine *e)
{
    return (u32)e->buffer->size;
}

static u32 engine_code_first(const struct tcg_engine *e)
{
    return X86_STUB_AREA;
}

/* --- running: any vCPU thread --- */

struct enter_result {
    u64 leave, link;
};

static enum tcg_leave engine_run(struct tcg_engine *e, void *base, const struct tcg_code *code, u64 va, struct tcg_link **link)
{
    struct enter_result (*enter)(void *, const void *, u64);
    struct enter_result r;
    const void *at = exec_at(e, e->stubs.enter);

    g_assert((u16)(uintptr_t)base == tcg_base_place(e->layout->l1_bits));
    memcpy(&enter, &at, sizeof(enter));
    r = enter(base, code->indirect_entry, va);
    if (r.leave == TCG_LEAVE_LINK)
        *link = (struct tcg_link *)(uintptr_t)r.link;
    return (enum tcg_leave)r.leave;
}

/* --- patching: other threads may be running the code --- */

/* The field lies inside one aligned 8-byte word (emit_control.c), so the store is seen whole. */
static void store_field(struct tcg_engine *e, u32 site, u32 content)
{
    u8 *field = e->buffer->write + site;
    u64 *word = (u64 *)((uintptr_t)field & ~(uintptr_t)7);
    u64 value = __atomic_load_n(word, __ATOMIC_RELAXED);
    unsigned shift = 8 * ((uintptr_t)field & 7);

    value = (value & ~((u64)UINT32_MAX << shift)) | (u64)content << shift;
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

enum { JMP_REL32 = 0xe9, NOP_0F = 0x0f };

/* Five bytes inside one aligned 8-byte word. */
static void store_five(struct tcg_engine *e, u32 at, u64 bytes)
{
    u64 *word = (u64 *)(e->buffer->write + (at & ~7u));
    unsigned shift = 8 * (at & 7);
    u64 value = __atomic_load_n(word, __ATOMIC_RELAXED);

    value = (value & ~(UINT64_C(0xffffffffff) << shift)) | bytes << shift;
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* A jump to what lies right behind it does nothing, without being one; not where code is kept, which is jumps. */
static void store_rel32(struct tcg_engine *e, u32 site, u32 target)
{
    u8 first = e->buffer->write[site - 1];

    if (!e->apart.on || !x86_is_entry(e->buffer->write + site - 1) || (first != NOP_0F && (first != JMP_REL32 || target != site + 4)))
        store_field(e, site, target - (site + 4));
    else if (target == site + 4)
        store_five(e, site - 1, UINT64_C(0x0000441f0f));
    else
        store_five(e, site - 1, JMP_REL32 | (u64)(target - (site + 4)) << 8);
}

static void engine_set_link(struct tcg_engine *e, struct tcg_link *link, const struct tcg_code *to)
{
    u32 target = link->unlinked;

    if (!link->site)
        return;
    if (to && link->continues)
        target = tcg_buffer_offset(e->buffer, to->indirect_entry);
    else if (to && link->guarded) {
        store_field(e, link->guarded, x86_guard(e, link->guard));
        target = tcg_buffer_offset(e->buffer, to->indirect_entry) + X86_NOTE_PAGE;
    } else if (to)
        target = tcg_buffer_offset(e->buffer, to->entry) + (link->from->fp_live ? to->fp_check : 0);
    store_rel32(e, link->site, target);
}

/* The first five bytes, which lie in one word and inside the first instruction, become jmp leave_miss. */
static void engine_kill(struct tcg_engine *e, struct tcg_code *code)
{
    u32 at = tcg_buffer_offset(e->buffer, code->indirect_entry);

    store_five(e, at, JMP_REL32 | (u64)(u32)(e->stubs.leave_miss - (at + 5)) << 8);
}

static bool engine_alive(const struct tcg_engine *e, const void *indirect_entry)
{
    (void)e;
    return __atomic_load_n((const u8 *)indirect_entry, __ATOMIC_RELAXED) != JMP_REL32;
}

static u32 engine_faults(const struct tcg_engine *e, const struct tcg_fault **fault)
{
    *fault = e->fault;
    return e->fault_count;
}

static u32 engine_offset_of(const struct tcg_engine *e, const void *at)
{
    u64 offset = (u64)((const u8 *)at - e->buffer->exec);

    return offset < e->buffer->size ? (u32)offset : UINT32_MAX;
}

const struct tcg_backend tcg_backend_x86_64 = {
    .name = "x86_64",
    .takes_prepaid = true,
    .create = engine_create,
    .destroy = engine_destroy,
    .prepare = x86_prepare,
    .emit = x86_emit_block,
    .open = x86_emit_open,
    .emit_behind = x86_emit_behind,
    .quick_prepare = x86_quick_prepare,
    .quick_emit = x86_quick_emit,
    .faults = engine_faults,
    .offset_of = engine_offset_of,
    .exec_at = exec_at,
    .jump_miss = engine_jump_miss,
    .code_limit = engine_code_limit,
    .code_first = engine_code_first,
    .run = engine_run,
    .set_link = engine_set_link,
    .kill = engine_kill,
    .alive = engine_alive,
    .signature = x86_signature,
    .note = x86_note_code,
    .save = x86_save,
    .restore = x86_restore,
    .can_disassemble = x86_can_disassemble,
    .disassemble = x86_disassemble,
};
