/* accel/tcg/accel.c - the accelerator "tcg" as the rest of Mynah sees it: properties, start, vCPUs, invalidations. */
#include "accel/tcg/kept.h"
#include "accel/tcg/tier2.h"
#include "base/error.h"
#include "host/map.h"
#include "host/perf.h"
#include "vm/icount.h"

static const char *const thread_names[] = { "default", "multi", "single", NULL };
static const char *const backend_names[] = { "jit", "interp", NULL };
static const char *const isa_names[] = { "native", "v1", "v2", "v3", "v4", NULL };

static const struct vm_property properties[] = {
    { .name = "tb-size", .type = VM_PROPERTY_U64, .offset = offsetof(struct tcg, tb_size), .default_text = "0", .max = 2047,
      .description = "size of the code buffer in MiB; 0: chosen from the guest's memory" },
    { .name = "one-insn-per-tb", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct tcg, one_insn_per_tb),
      .description = "one guest instruction per block, for debugging" },
    { .name = "split-wx", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct tcg, split_wx), .default_text = "on",
      .description = "separate mappings for writing and running code" },
    { .name = "thread", .type = VM_PROPERTY_ENUM, .names = thread_names, .offset = offsetof(struct tcg, thread), .class_name = "str",
      .default_text = "default", .description = "multi: a host thread per vCPU runs at any time; single: one vCPU at a time" },
    { .name = "backend", .type = VM_PROPERTY_ENUM, .names = backend_names, .offset = offsetof(struct tcg, backend_choice), .class_name = "str",
      .default_text = "jit", .description = "jit: host code; interp: the portable reference interpreter" },
    { .name = "host-isa", .type = VM_PROPERTY_ENUM, .names = isa_names, .offset = offsetof(struct tcg, host_isa), .class_name = "str",
      .default_text = "native", .description = "host instruction set level to use at most (x86-64-v1 to v4)" },
    { .name = "exact-exclusives", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct tcg, exact_exclusives),
      .description = "exclusives notice a value that changed and changed back; vCPUs then run one at a time, as with thread=single" },
    { .name = "tier2", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct tcg, tier2), .default_text = "on",
      .description = "hot loops are translated again, into code that checks memory once for many turns" },
    { .name = "quick", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct tcg, quick), .default_text = "on",
      .description = "what runs for the first time is translated one instruction after another; needs tier2, which finds what is hot" },
    { .name = "settle-threshold", .type = VM_PROPERTY_U32, .offset = offsetof(struct tcg, settle_threshold), .default_text = "64", .min = 1, .max = 255,
      .description = "how often a page is seen running before its accesses ask first where their base register led last" },
    { .name = "quick-threshold", .type = VM_PROPERTY_U32, .offset = offsetof(struct tcg, quick_threshold), .default_text = "2", .min = 1, .max = 100,
      .description = "how often a page is seen running (once a millisecond), each time soon behind the last one, before it is translated with more thought" },
    { .name = "tier2-threshold", .type = VM_PROPERTY_U32, .offset = offsetof(struct tcg, tier2_threshold), .default_text = "3", .min = 1, .max = 100,
      .description = "how often a loop is seen running (once a millisecond, and when it first turns) before tier2 takes it" },
    { .name = "windows", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct tcg, windows), .default_text = "off",
      .description = "pages of programs that run for long are mapped where their code finds them without a table; the machine's memory is a file in memory then" },
    { .name = "window-threshold", .type = VM_PROPERTY_U32, .offset = offsetof(struct tcg, window_threshold), .default_text = "16", .max = 1000000,
      .description = "how often a program is seen running (once a millisecond) before it gets windows; 0: everything does, whatever it costs (for tests)" },
    { .name = "cache", .type = VM_PROPERTY_STRING, .offset = offsetof(struct tcg, cache_path),
      .description = "folder, of this user alone, where translations are kept for the next start" },
    { .name = "cache-size", .type = VM_PROPERTY_U64, .offset = offsetof(struct tcg, cache_size), .default_text = "64", .min = 4, .max = 1024,
      .description = "MiB of translations to keep at most" },
    { .name = "perfmap", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct tcg, perfmap), .description = "same as -perfmap" },
    { .name = "jitdump", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct tcg, jitdump), .description = "same as -jitdump" },
    { 0 },
};

static bool present(u32 guest)
{
    (void)guest;
    return true;
}

static void map_changed(struct vcpu *vcpu, void *opaque)
{
    (void)opaque;
    if (vcpu->accel)
        tcg_flush_all(vcpu->accel);
}

static void on_map_change(void *opaque)
{
    struct tcg *tcg = opaque;

    vm_handshake(tcg->vm, map_changed, NULL);
}

static u64 buffer_size(const struct tcg *tcg)
{
    return tcg->tb_size ? tcg->tb_size * MIB : 256 * MIB;
}

/* Properties that each other, or options, leave without effect. */
static bool check_properties(const struct tcg *tcg, GError **error)
{
    bool interp = tcg->backend == &tcg_backend_interp, counts = vm_icount_on(tcg->vm);
    const struct { bool wrong; const char *why; } rows[] = {
        { tcg->windows && interp, "windows=on is for generated code, which backend=interp does not make" },
        { tcg->perfmap && interp, "perfmap=on is for generated code, which backend=interp does not make" },
        { tcg->jitdump && interp, "jitdump=on is for generated code, which backend=interp does not make" },
        { tcg->windows && tcg->window_threshold && !tcg->tier2, "windows=on needs tier2=on, which finds what runs for long" },
        { tcg->windows && counts, "windows=on does not go with -icount: code that counts does without windows" },
        { tcg->thread == TCG_THREAD_MULTI && counts, "thread=multi: No MTTCG when icount is enabled" },
        { tcg->thread == TCG_THREAD_MULTI && tcg->exact_exclusives,
          "thread=multi does not go with exact-exclusives=on, which runs one vCPU at a time" },
        { tcg->cache_path && !*tcg->cache_path, "cache= names no folder" },
        { tcg->cache_path && tcg->one_insn_per_tb, "cache= does not go with one-insn-per-tb=on, whose blocks are not kept" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].wrong)
            return error_set(error, "%s", rows[i].why);
    if (tcg->tb_size && tcg->tb_size < 4)
        return error_set(error, "tb-size=%" G_GUINT64_FORMAT ": at least 4 MiB are needed", tcg->tb_size);
    if (tcg->cache_path && log_wants(vm_log(tcg->vm), TCG_LOG_FRESH)) /* which may change while the machine runs */
        g_printerr("warning: -accel tcg,cache=%s is neither read nor written while -d nochain or -d ir is on\n", tcg->cache_path);
    return true;
}

static bool start(struct accel *accel, GError **error)
{
    struct tcg *tcg = container_of(accel, struct tcg, accel);

    tcg->vm = accel->object.vm;
    tcg->counts_all = vm_icount_on(tcg->vm);
    tcg->backend = tcg->backend_choice == TCG_BACKEND_INTERP ? &tcg_backend_interp : &tcg_backend_x86_64;
    if (!check_properties(tcg, error))
        return false;
    accel->ram_in_file = tcg->windows;
    if ((tcg->perfmap || tcg->jitdump) && !(tcg->perf = host_perf_open(tcg->perfmap, tcg->jitdump, error)))
        return false;
    host_lock_init(&tcg->translate_lock, LOCK_RANK_TRANSLATE);
    host_lock_init(&tcg->turn_lock, LOCK_RANK_VCPU);
    host_cond_init(&tcg->turn_cond);
    tcg->code_epoch = epoch_create();
    tcg_runtime_init(&tcg->runtime);
    if (tcg->tier2 && tcg->backend != &tcg_backend_interp)
        tcg_tier2_start(tcg);
    vm_memory_on_change(tcg->vm, on_map_change, tcg);
    return true;
}

/* The engine needs the layout, which the first vCPU's class decides. */
static bool start_engine(struct tcg *tcg, struct vcpu *vcpu, GError **error)
{
    const struct cpu_class *cpu = vcpu->cpu;
    struct tcg_backend_options options = { .buffer_size = buffer_size(tcg), .split_wx = tcg->split_wx, .host_isa = tcg->host_isa,
        .helpers = cpu->helpers, .apart = !tcg->windows && !tcg->cache_path };

    if (!tcg_layout_init(tcg, cpu))
        return error_set(error, "the CPU names too many registers");
    tcg->engine = tcg->backend->create(&tcg->layout, &tcg->runtime, &options, error);
    if (!tcg->engine)
        return error_prefix(error, "-accel tcg");
    tcg_chunks_init(tcg);
    if (tcg->windows && !tcg_windows_start(tcg, error))
        return false;
    if (!tcg_kept_start(tcg, vcpu, error))
        return false;
    if (log_wants(vm_log(tcg->vm), LOG_OUT_ASM) && tcg->backend->can_disassemble && !tcg->backend->can_disassemble(tcg->engine, error))
        return error_prefix(error, "-d out_asm");
    return true;
}

static bool vcpu_create_tcg(struct vcpu *vcpu, GError **error)
{
    struct tcg *tcg = container_of(vm_accel(vcpu->vm), struct tcg, accel);
    struct tcg_vcpu *v;

    if (!tcg->engine && !start_engine(tcg, vcpu, error))
        return false;
    v = g_new0(struct tcg_vcpu, 1);
    v->vcpu = vcpu;
    v->tcg = tcg;
    v->ir = ir_block_create(IR_MAX_OPS);
    v->second_ir = ir_block_create(IR_MAX_OPS);
    v->code_reader = epoch_reader_add(tcg->code_epoch);
    vcpu->accel = v;
    vcpu->memory = &tcg_memory;
    if (!tcg_tier2_add_vcpu(tcg, vcpu, error))
        return false;
    return (tcg_l2_create(v) && tcg_jump2_create(v)) || error_set(error, "no memory for the TLB of a vCPU");
}

static void vcpu_destroy_tcg(struct vcpu *vcpu)
{
    struct tcg_vcpu *v = tcg_of(vcpu);

    tcg_tier2_remove_vcpu(v->tcg, vcpu);
    tcg_contexts_destroy(v);
    tcg_l2_destroy(v);
    tcg_jump2_destroy(v);
    epoch_reader_remove(v->tcg->code_epoch, v->code_reader);
    ir_block_destroy(v->ir);
    ir_block_destroy(v->second_ir);
    g_free(v);
    vcpu->accel = NULL;
}

static void state_changed(struct vcpu *vcpu)
{
    tcg_flush_all(tcg_of(vcpu));
}

static void mmu_flush(struct vcpu *vcpu, const struct mmu_flush *flush)
{
    tcg_flush(tcg_of(vcpu), flush);
}

static bool data_context_changed(struct vcpu *vcpu)
{
    return tcg_enter_context(tcg_of(vcpu));
}

/* Stores invalidate as they happen, on every vCPU: nothing is left to do. */
static void breakpoints_changed(struct vm *vm)
{
    for (u32 i = 0; i < vm_vcpu_count(vm); i++) {
        if (vm_vcpu(vm, i)->accel)
            tcg_flush_all(tcg_of(vm_vcpu(vm, i)));
    }
}

static const struct accel_class tcg_class = {
    .name = "tcg",
    .description = "dynamic binary translation",
    .present = present,
    .start = start,
    .vcpu_create = vcpu_create_tcg,
    .vcpu_destroy = vcpu_destroy_tcg,
    .vcpu_run = tcg_vcpu_run,
    .vcpu_state_changed = state_changed,
    .mmu_flush = mmu_flush,
    .data_context_changed = data_context_changed,
    .ram_changed = tcg_ram_changed,
    .ram_removed = tcg_ram_removed,
    .breakpoints_changed = breakpoints_changed,
    .describe = tcg_describe,
    .counts = true,
};

static void init(struct vm_object *object)
{
    container_of(object, struct accel, object)->accel_class = &tcg_class;
}

static void forget_ram(struct ram_block *ram, void *opaque)
{
    (void)opaque;
    tcg_pages_destroy(ram);
}

static void finish(struct vm_object *object)
{
    struct tcg *tcg = container_of(object, struct tcg, accel.object);

    if (!tcg->code_epoch)
        return;
    tcg_tier2_stop(tcg);
    tcg_kept_finish(tcg);
    tcg_windows_stop(tcg);
    vm_ram_foreach(tcg->vm, forget_ram, NULL);
    epoch_destroy(tcg->code_epoch);
    tcg_pool_finish(&tcg->pool);
    if (tcg->engine)
        tcg->backend->destroy(tcg->engine);
    host_perf_close(tcg->perf);
    host_lock_finish(&tcg->translate_lock);
    host_lock_finish(&tcg->turn_lock);
    host_cond_finish(&tcg->turn_cond);
}

/* RAM that goes later tells nobody. */
static void finish_accel(struct vm_object *object)
{
    if (vm_accel(object->vm) == container_of(object, struct accel, object))
        vm_set_accel(object->vm, NULL);
}

VM_CLASS(accel) {
    .name = "accel", .abstract = true, .size = sizeof(struct accel), .description = "a way to run vCPUs", .finish = finish_accel
};
VM_CLASS(tcg) {
    .name = "tcg-accel",
    .parent = "accel",
    .description = "dynamic binary translation",
    .size = sizeof(struct tcg),
    .properties = properties,
    .init = init,
    .finish = finish,
    .data = &tcg_class,
};
