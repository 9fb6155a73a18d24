/* target/riscv/cpu.c - the CPU models rv64 and max: properties, reset, and the table of functions that runs them. */
#include "target/riscv/cpu.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "target/riscv/csr.h"
#include "target/riscv/decode.h"
#include "target/riscv/mmu.h"
#include "target/riscv/mode.h"
#include "target/riscv/pmp.h"
#include "target/riscv/quick.h"
#include "target/riscv/translate.h"
#include "target/riscv/trap.h"
#include "target/riscv/vector.h"
#include <string.h>

static struct riscv_cpu *cpu_of_object(struct vm_object *object)
{
    return container_of(object, struct riscv_cpu, vcpu.object);
}

/* Registers of translated code */

#define X(n) { "x" #n, IR_I64, offsetof(struct riscv_state, x) + 8 * n }
#define F(n) { "f" #n, IR_F64, offsetof(struct riscv_state, f) + 8 * n }
#define EIGHT(R, a, b, c, d, e, f, g, h) R(a), R(b), R(c), R(d), R(e), R(f), R(g), R(h)
#define ALL(R)                                                                                     \
    EIGHT(R, 0, 1, 2, 3, 4, 5, 6, 7), EIGHT(R, 8, 9, 10, 11, 12, 13, 14, 15),                      \
        EIGHT(R, 16, 17, 18, 19, 20, 21, 22, 23), EIGHT(R, 24, 25, 26, 27, 28, 29, 30, 31)

static const struct ir_reg regs[RISCV_REG_COUNT] = {
    ALL(X),
    ALL(F),
    { "reserve_address", IR_I64, offsetof(struct riscv_state, reserve_address) },
    { "reserve_value", IR_I64, offsetof(struct riscv_state, reserve_value) },
    { "fp_dirty", IR_I64, offsetof(struct riscv_state, fp_dirty) },
    { "sscratch", IR_I64, offsetof(struct riscv_state, sscratch) },
    { "sepc", IR_I64, offsetof(struct riscv_state, sepc) },
    { "scause", IR_I64, offsetof(struct riscv_state, scause) },
    { "stval", IR_I64, offsetof(struct riscv_state, stval) },
    { "mstatus", IR_I64, offsetof(struct riscv_state, mstatus) },
    { "lines", IR_I64, offsetof(struct riscv_state, lines) },
    { "software", IR_I64, offsetof(struct riscv_state, software) },
    { "mie", IR_I64, offsetof(struct riscv_state, mie) },
    { "frm", IR_I8, offsetof(struct riscv_state, frm) },
    { "vl", IR_I64, offsetof(struct riscv_state, vl) },
    { "vtype", IR_I64, offsetof(struct riscv_state, vtype) },
    { "vstart", IR_I64, offsetof(struct riscv_state, vstart) },
    { "vs_dirty", IR_I64, offsetof(struct riscv_state, vs_dirty) },
};

/* The hottest first: sp ra a0-a5 s0 s1 s2 s3, then a6 a7 t0 t1 where a host has more. */
static const u16 pinned[] = { 2, 1, 10, 11, 12, 13, 14, 15, 8, 9, 18, 19, 16, 17, 5, 6 };

/* fa0-fa7, then ft0 ft1 fs0 fs1. */
static const u16 pinned_fp[] = { RISCV_REG_F + 15, RISCV_REG_F + 14, RISCV_REG_F + 13, RISCV_REG_F + 12, RISCV_REG_F + 10, RISCV_REG_F + 11,
                                 RISCV_REG_F + 16, RISCV_REG_F + 17, RISCV_REG_F + 0,  RISCV_REG_F + 1,  RISCV_REG_F + 8,  RISCV_REG_F + 9 };

/* Hooks */

/* The levels of input lines outlive a reset: they belong to those who drive them. */
static u64 driven_lines(const struct vcpu *vcpu)
{
    u64 lines = 0;

    for (unsigned i = 0; i < RISCV_INT_COUNT; i++) {
        if (i != RISCV_INT_SSI && line_level(&vcpu->line[i]))
            lines |= BIT64(i);
    }
    return lines;
}

void riscv_reset(struct vcpu *vcpu)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    struct riscv_state *state = vcpu->state;

    memset(state, 0, sizeof(*state));
    state->pc = cpu->reset_vector;
    state->privilege = RISCV_M;
    state->mstatus = (riscv_has(cpu, RISCV_EXT_S) ? MSTATUS_SXL : 0) | (riscv_has(cpu, RISCV_EXT_U) ? MSTATUS_UXL : 0);
    if (!riscv_has(cpu, RISCV_EXT_U))
        state->mstatus |= MSTATUS_MPP;
    state->menvcfg = riscv_menvcfg_reset(cpu);
    state->mie = 1;
    state->stimecmp = UINT64_MAX;
    state->vtype = VTYPE_VILL;
    state->reserve_address = RISCV_NO_RESERVATION;
    state->lines = driven_lines(vcpu);
    riscv_pmp_forget(cpu);
    cpu->doze.dozing = false;
    vcpu_timer_set(vcpu, RISCV_TIMER_S, INT64_MAX);
    vcpu_timer_set(vcpu, RISCV_TIMER_DOZE, INT64_MAX);
    riscv_mmu_flush_all(cpu);
}

static enum translate_result translate(struct vcpu *vcpu, struct ir_block *block, const struct code_source *source)
{
    return riscv_translate(block, source, riscv_cpu_of(vcpu)->guards, riscv_cpu_of(vcpu));
}

static u32 quick(struct vcpu *vcpu, struct ir_block *block, const struct code_source *source, struct quick_insn *out)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);

    if (!cpu->quick)
        cpu->quick = g_new0(struct riscv_quick_memo, 1);
    return riscv_quick(block, source, cpu->guards, cpu->quick, out);
}

static u64 configuration(struct vcpu *vcpu)
{
    const struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    const u64 words[] = {
        cpu->vlen, cpu->elen, cpu->rvv_ta_all_1s, cpu->rvv_ma_all_1s, cpu->rvv_vl_half_avl, cpu->rvv_vsetvl_x0_vill, cpu->cbom_block,
        cpu->cboz_block, cpu->cbop_block, cpu->mmu, cpu->pmp, cpu->pmp_regions, cpu->pmp_granularity,
        cpu->pmu_counters,
    };

    return hash_bytes(words, sizeof(words), hash_bytes(cpu->extension, sizeof(cpu->extension), 0));
}

static u64 get_pc(struct vcpu *vcpu)
{
    return ((struct riscv_state *)vcpu->state)->pc;
}

static void set_pc(struct vcpu *vcpu, u64 pc)
{
    ((struct riscv_state *)vcpu->state)->pc = pc;
}

/* An SC that fails for nothing is allowed (Unprivileged manual, "Load-Reserved/Store-Conditional"). */
static void lose_reservation(struct vcpu *vcpu)
{
    ((struct riscv_state *)vcpu->state)->reserve_address = RISCV_NO_RESERVATION;
}

static u32 disassemble(const u8 *bytes, u32 available, u64 address, char *text, u32 text_size)
{
    u32 raw = 0, length = available >= 1 && (bytes[0] & 3) == 3 ? 4 : 2;

    if (available < length)
        return 0;
    for (u32 i = 0; i < length; i++)
        raw |= (u32)bytes[i] << (8 * i);
    riscv_disassemble(raw, address, text, text_size);
    return length;
}

/* With vectors or without. */
static bool check_vector_options(const struct riscv_cpu *cpu, GError **error)
{
    if (!bits_is_power_of_2(cpu->vlen))
        return error_set(error, "vlen %u is not a power of 2 from 32 to %u", cpu->vlen, RISCV_MAX_VLEN);
    if (!bits_is_power_of_2(cpu->elen))
        return error_set(error, "elen %u is not 32 or 64", cpu->elen);
    return !strcmp(cpu->vext_spec, "v1.0") || error_set(error, "vext_spec '%s' is not there; v1.0 is", cpu->vext_spec);
}

static bool check_vectors(const struct riscv_cpu *cpu, GError **error)
{
    unsigned least = cpu->extension[RISCV_EXT_V] ? 128 : cpu->extension[RISCV_EXT_ZVE64X] ? 64 : 32;

    if (cpu->vlen < least)
        return error_set(error, "vlen %u is not a power of 2 from %u to %u", cpu->vlen, least, RISCV_MAX_VLEN);
    if (cpu->elen < 64 && cpu->extension[RISCV_EXT_ZVE64X])
        return error_set(error, "elen %u is not 64", cpu->elen);
    return cpu->elen <= cpu->vlen || error_set(error, "elen %u is more than vlen %u", cpu->elen, cpu->vlen);
}

/* sv48=on alone, as syzkaller writes it, means: not wider. Each width brings the narrower ones along (Privileged manual, "Sv48: Page-Based 48-bit Virtual-Memory System"). */
static bool choose_widths(struct riscv_cpu *cpu, GError **error)
{
    const bool wanted[] = { cpu->svbare, cpu->sv39, cpu->sv48, cpu->sv57 };
    static const char *const names[] = { "svbare", "sv39", "sv48", "sv57" };
    static const u8 widths[] = { 0, 39, 48, 57 };
    unsigned widest = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(widths); i++)
        if (wanted[i] && widths[i] == cpu->widest_asked)
            widest = i;
    for (unsigned i = 0; i < widest; i++)
        if (!wanted[i])
            return error_set(error, "%s=off does not go with %s=on, which includes it", names[i], names[widest]);
    if (!cpu->svbare)
        return error_set(error, "svbare=off: untranslated addresses are always there");
    cpu->sv48 &= cpu->widest_asked != 39;
    cpu->sv57 &= cpu->widest_asked == 0 || cpu->widest_asked == 57;
    cpu->sv39 &= cpu->mmu;
    cpu->sv48 &= cpu->sv39;
    cpu->sv57 &= cpu->sv48;
    return true;
}

static bool check_options(struct riscv_cpu *cpu, GError **error)
{
    if (!cpu->extension[RISCV_EXT_I] || !cpu->extension[RISCV_EXT_ZICSR])
        return error_set(error, "a CPU without '%s' cannot run", cpu->extension[RISCV_EXT_I] ? "zicsr" : "i");
    cpu->mmu &= cpu->extension[RISCV_EXT_S];
    if (!choose_widths(cpu, error))
        return false;
    if (!bits_is_power_of_2(cpu->pmp_granularity))
        return error_set(error, "pmp-granularity %u is not a power of 2", cpu->pmp_granularity);
    if (!cpu->pmp)
        cpu->pmp_regions = 0;
    if (cpu->reset_vector & 1)
        return error_set(error, "resetvec 0x%" G_GINT64_MODIFIER "x is odd, where no instruction can be", cpu->reset_vector);
    return check_vector_options(cpu, error) && (!cpu->extension[RISCV_EXT_ZVE32X] || check_vectors(cpu, error));
}

static bool complete(struct vm_object *object, GError **error)
{
    struct riscv_cpu *cpu = cpu_of_object(object);

    return riscv_choose_extensions(cpu, error) && check_options(cpu, error);
}

static const struct cpu_class cpu_class = {
    .guest = VM_GUEST_RISCV64,
    .arch = "riscv64",
    .gdb_arch = "riscv:rv64",
    .state_size = sizeof(struct riscv_state),
    .line_count = RISCV_INT_COUNT,
    .timer_count = RISCV_TIMER_COUNT,
    .data_modes = RISCV_MODE_DATA,
    .state_pc = offsetof(struct riscv_state, pc),
    .regs = regs,
    .reg_count = RISCV_REG_COUNT,
    .pinned = pinned,
    .pinned_count = ARRAY_SIZE(pinned),
    .pinned_fp = pinned_fp,
    .pinned_fp_count = ARRAY_SIZE(pinned_fp),
    .stack_pointer = 2,
    .state_fp_rounding = offsetof(struct riscv_state, frm),
    .state_fp_flags = offsetof(struct riscv_state, fflags),
    .state_vectors = offsetof(struct riscv_state, v),
    .state_vector_length = offsetof(struct riscv_state, vl),
    .complete = complete,
    .reset = riscv_reset,
    .helpers = riscv_ir_helpers,
    .configuration = configuration,
    .translate = translate,
    .quick = quick,
    .context = riscv_mmu_context,
    .walk = riscv_mmu_walk,
    .permissions = riscv_mmu_permissions,
    .fault = riscv_fault,
    .bus_error = riscv_bus_error,
    .misaligned = riscv_misaligned,
    .has_work = riscv_has_work,
    .take_interrupt = riscv_take_interrupt,
    .line_changed = riscv_line_changed,
    .time_changed = riscv_time_changed,
    .timer_expired = riscv_timer_expired,
    .lose_reservation = lose_reservation,
    .get_pc = get_pc,
    .set_pc = set_pc,
    .registers = riscv_registers,
    .read_register = riscv_register_read,
    .write_register = riscv_register_write,
    .describe = riscv_describe,
    .describe_mem = riscv_describe_mem,
    .describe_tlb = riscv_describe_tlb,
    .disassemble = disassemble,
};

/* Life */

static void init_rv64(struct vm_object *object)
{
    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++)
        cpu_of_object(object)->extension[i] = riscv_extensions[i].rv64;
}

static void init_max(struct vm_object *object)
{
    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++)
        cpu_of_object(object)->extension[i] = riscv_extensions[i].max;
}

static bool realize(struct vm_object *object, GError **error)
{
    struct riscv_cpu *cpu = cpu_of_object(object);

    if (!complete(object, error) || !vcpu_init(&cpu->vcpu, &cpu_class, error))
        return false;
    cpu->guards = riscv_guards(cpu->extension);
    riscv_registers_init(cpu);
    riscv_reset(&cpu->vcpu);
    return true;
}

static void finish(struct vm_object *object)
{
    struct riscv_cpu *cpu = cpu_of_object(object);

    vcpu_finish(&cpu->vcpu);
    for (u32 i = 0; i < cpu->register_count; i++)
        g_free((char *)cpu->registers[i].name);
    g_free(cpu->registers);
    g_free(cpu->quick);
}

/* Properties */

static bool parse_switch(const char *text, bool *on)
{
    static const char *const yes[] = { "on", "true", "yes", NULL }, *const no[] = { "off", "false", "no", NULL };

    *on = g_strv_contains(yes, text);
    return *on || g_strv_contains(no, text);
}

static char *get_isa(struct vm_object *object, const struct vm_property *property)
{
    const struct riscv_cpu *cpu = cpu_of_object(object);
    char *isa = riscv_extensions_isa(cpu->extension);

    if (cpu->short_isa_string)
        isa[strcspn(isa, "_")] = '\0';
    return isa;
}

/* S and U are misa's letters only. */
static char *get_isa_extensions(struct vm_object *object, const struct vm_property *property)
{
    const struct riscv_cpu *cpu = cpu_of_object(object);
    GString *text = g_string_new("");

    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++) {
        if (cpu->extension[i] && i != RISCV_EXT_S && i != RISCV_EXT_U)
            g_string_append_printf(text, "%s%s", text->len ? "," : "", riscv_extensions[i].name);
    }
    return g_string_free(text, FALSE);
}

static char *get_mmu_type(struct vm_object *object, const struct vm_property *property)
{
    const struct riscv_cpu *cpu = cpu_of_object(object);

    return g_strdup(cpu->sv57 ? "riscv,sv57" : cpu->sv48 ? "riscv,sv48" : cpu->sv39 ? "riscv,sv39" : "riscv,none");
}

static char *get_extension(struct vm_object *object, const struct vm_property *property)
{
    return g_strdup(*((bool *)cpu_of_object(object) + property->offset) ? "on" : "off");
}

static bool set_extension(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct riscv_cpu *cpu = cpu_of_object(object);
    bool *on = (bool *)cpu + property->offset;
    unsigned index = on - cpu->extension;

    if (!parse_switch(text, on))
        return error_set(error, "property '%s' takes on or off, not '%s'", property->name, text);
    cpu->chosen[index] = true;
    return true;
}

/* sv39, sv48, sv57. */
static bool set_width(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct riscv_cpu *cpu = cpu_of_object(object);
    bool *on = (bool *)cpu + property->offset;
    u8 width = on == &cpu->sv57 ? 57 : on == &cpu->sv48 ? 48 : 39;

    if (!parse_switch(text, on))
        return error_set(error, "property '%s' takes on or off, not '%s'", property->name, text);
    if (*on)
        cpu->widest_asked = MAX(cpu->widest_asked, width);
    return true;
}

static const struct riscv_bundle *find_bundle(const char *name)
{
    const struct riscv_bundle *bundle = riscv_bundles;

    while (strcmp(bundle->name, name))
        bundle++;
    return bundle;
}

/* On: all of it is there. */
static char *get_bundle(struct vm_object *object, const struct vm_property *property)
{
    const struct riscv_cpu *cpu = cpu_of_object(object);
    const struct riscv_bundle *bundle = find_bundle(property->name);
    g_auto(GStrv) names = g_strsplit(bundle->extensions, " ", -1);

    for (char **name = names; *name; name++)
        if (!cpu->extension[riscv_extension_by_name(*name)])
            return g_strdup("off");
    return g_strdup("on");
}

/* As if each had been asked for by name. Off asks for nothing. */
static bool set_bundle(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct riscv_cpu *cpu = cpu_of_object(object);
    const struct riscv_bundle *bundle = find_bundle(property->name);
    g_auto(GStrv) names = g_strsplit(bundle->extensions, " ", -1);
    bool on;

    if (!parse_switch(text, &on))
        return error_set(error, "property '%s' takes on or off, not '%s'", property->name, text);
    for (char **name = names; on && *name; name++) {
        unsigned i = riscv_extension_by_name(*name);

        cpu->extension[i] = cpu->chosen[i] = true;
    }
    if (on)
        cpu->widest_asked = MAX(cpu->widest_asked, bundle->width);
    return true;
}

static void init_widths(struct vm_object *object)
{
    struct riscv_cpu *cpu = cpu_of_object(object);

    cpu->sv39 = cpu->sv48 = cpu->sv57 = true;
}

/* What QEMU 11.1 has and Mynah does not yet reads as its default and takes nothing else. */
static char *get_later(struct vm_object *object, const struct vm_property *property)
{
    return g_strdup(property->default_text ? property->default_text : "off");
}

static bool set_later(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    g_autofree char *only = get_later(object, property);
    bool on, only_on, is_switch = parse_switch(only, &only_on);

    if (is_switch ? parse_switch(text, &on) && on == only_on : !strcmp(text, only))
        return true;
    return error_set(error, "%s '%s' is not there yet", property->default_text ? "option" : "extension", property->name);
}

#define NOT_YET "Not there yet: takes its default alone" /* scripts/gen-cpu-table looks for the first words */
#define OPTION(text, kind, member, start, ...)                                                     \
    { .name = text, .type = VM_PROPERTY_##kind, .offset = offsetof(struct riscv_cpu, member), .default_text = start, ##__VA_ARGS__ }
#define LATER(text, kind, start)                                                                   \
    { .name = text, .type = VM_PROPERTY_CUSTOM, .class_name = kind, .default_text = start, .get_text = get_later, .set_text = set_later, \
      .description = NOT_YET }
#define READ_ONLY(text, getter, prose)                                                             \
    { .name = text, .type = VM_PROPERTY_CUSTOM, .class_name = "str", .read_only = true, .get_text = getter, .description = prose }

static const struct vm_property common_properties[] = {
    OPTION("mmu", BOOL, mmu, "on", .description = "Address translation"),
    OPTION("sv39", BOOL, sv39, NULL, .get_text = get_extension, .set_text = set_width, .description = "39-bit virtual addresses"),
    OPTION("sv48", BOOL, sv48, NULL, .get_text = get_extension, .set_text = set_width, .description = "48-bit virtual addresses"),
    OPTION("sv57", BOOL, sv57, NULL, .get_text = get_extension, .set_text = set_width, .description = "57-bit virtual addresses"),
    OPTION("svbare", BOOL, svbare, "on", .description = "Untranslated addresses; always there"),
    OPTION("pmp", BOOL, pmp, "on", .description = "Physical memory protection"),
    OPTION("num-pmp-regions", U8, pmp_regions, "16", .max = RISCV_MAX_PMP, .description = "Entries of physical memory protection"),
    OPTION("pmp-granularity", U32, pmp_granularity, "4", .min = 4, .max = 1u << 31, .description = "Bytes that a protected range is a multiple of"),
    OPTION("priv_spec", STRING, priv_spec, "v1.13.0", .description = "Version of the Privileged manual: v1.12.0 or v1.13.0"),
    OPTION("pmu-num", U8, pmu_counters, "16", .max = 29, .description = "Performance counters from mhpmcounter3 on"),
    OPTION("mvendorid", U32, mvendorid, "0"),
    OPTION("marchid", U64, marchid, "0"),
    OPTION("mimpid", U64, mimpid, "0"),
    OPTION("resetvec", U64, reset_vector, "4096", .description = "Where execution starts"),
    OPTION("cbom_blocksize", U16, cbom_block, "64", .min = 64, .max = 64),
    OPTION("cbop_blocksize", U16, cbop_block, "64", .min = 64, .max = 64),
    OPTION("cboz_blocksize", U16, cboz_block, "64", .min = 64, .max = 64),
    OPTION("vlen", U16, vlen, "128", .min = 32, .max = RISCV_MAX_VLEN, .description = "Bits of a vector register"),
    OPTION("elen", U16, elen, "64", .min = 32, .max = 64, .description = "Bits of the largest vector element"),
    OPTION("vext_spec", STRING, vext_spec, "v1.0", .description = "Version of the vector extension; v1.0"),
    OPTION("rvv_ta_all_1s", BOOL, rvv_ta_all_1s, "off", .description = "Agnostic tail elements become ones"),
    OPTION("rvv_ma_all_1s", BOOL, rvv_ma_all_1s, "off", .description = "Agnostic masked-off elements become ones"),
    OPTION("rvv_vl_half_avl", BOOL, rvv_vl_half_avl, "off", .description = "vl is half of AVL between VLMAX and twice VLMAX"),
    OPTION("rvv_vsetvl_x0_vill", BOOL, rvv_vsetvl_x0_vill, "off", .description = "Keeping vl under another VLMAX sets vill"),
    OPTION("short-isa-string", BOOL, short_isa_string, "off", .description = "The isa string ends with the letters"),
    LATER("big-endian", "bool", "off"),
    LATER("debug", "bool", "off"),
    LATER("num-triggers", "uint32", "0"),
    LATER("pmu-mask", "uint32", "524280"),
    LATER("rnmi-exception-vector", "uint64", "0"),
    LATER("rnmi-interrupt-vector", "uint64", "0"),
    LATER("start-powered-off", "bool", "off"),
    LATER("sv64", "bool", "off"),
    LATER("x-misa-w", "bool", "off"),
    READ_ONLY("isa", get_isa, "The isa string"),
    READ_ONLY("isa-extensions", get_isa_extensions, "Extensions, separated by commas"),
    READ_ONLY("mmu-type", get_mmu_type, "As device trees name it"),
#define TODO(text, ...)                                                                            \
    { .name = text, .type = VM_PROPERTY_CUSTOM, .class_name = "bool", .get_text = get_later, .set_text = set_later, .description = NOT_YET },
#define BUNDLE(text, extensions, width, prose)                                                     \
    { .name = text, .type = VM_PROPERTY_CUSTOM, .class_name = "bool", .get_text = get_bundle, .set_text = set_bundle, .description = prose },
#include "target/riscv/extensions.def"
    { NULL },
};

/* FIXED ones have no property: they follow from what they need. */
#define EXTENSION_LETTER(id, text, prose)                                                          \
    { .name = text, .type = VM_PROPERTY_BOOL, .offset = offsetof(struct riscv_cpu, extension[RISCV_EXT_##id]),               \
      .get_text = get_extension, .set_text = set_extension, .description = prose },
#define EXTENSION_NAMED EXTENSION_LETTER
#define EXTENSION_FIXED(...)
#define EXTENSION(id, text, kind, rv64, max, floats, needs, prose) EXTENSION_##kind(id, text, prose)
static const struct vm_property extension_properties[] = {
#include "target/riscv/extensions.def"
    { NULL },
};

VM_CLASS(riscv_cpu) {
    .name = "riscv-cpu",
    .parent = "cpu",
    .description = "a RISC-V hart",
    .guests = VM_GUEST_RISCV64,
    .size = sizeof(struct riscv_cpu),
    .abstract = true,
    .properties = common_properties,
    .init = init_widths,
    .realize = realize,
    .finish = finish,
};

VM_CLASS(rv64_riscv_cpu) {
    .name = "rv64-riscv-cpu",
    .parent = "riscv-cpu",
    .description = "RV64GC with what QEMU 11.1's rv64 has of Mynah's extensions",
    .guests = VM_GUEST_RISCV64,
    .size = sizeof(struct riscv_cpu),
    .properties = extension_properties,
    .init = init_rv64,
    .data = &cpu_class,
};

VM_CLASS(max_riscv_cpu) {
    .name = "max-riscv-cpu",
    .parent = "riscv-cpu",
    .description = "RV64GC with every extension that Mynah has",
    .guests = VM_GUEST_RISCV64,
    .size = sizeof(struct riscv_cpu),
    .properties = extension_properties,
    .init = init_max,
    .data = &cpu_class,
};

/* Models that are a profile, and nothing else unless asked for. */
static void init_profile(struct vm_object *object, const char *name)
{
    struct riscv_cpu *cpu = cpu_of_object(object);
    const struct riscv_bundle *bundle = find_bundle(name);
    g_auto(GStrv) names = g_strsplit(bundle->extensions, " ", -1);

    for (char **each = names; *each; each++)
        cpu->extension[riscv_extension_by_name(*each)] = cpu->named[riscv_extension_by_name(*each)] = true;
    riscv_extensions_complete(cpu->extension, NULL); /* a profile lacks nothing */
    cpu->widest_asked = bundle->width;
}

static void init_rva22u64(struct vm_object *object)
{
    init_profile(object, "rva22u64");
}

static void init_rva22s64(struct vm_object *object)
{
    init_profile(object, "rva22s64");
}

VM_CLASS(rva22u64_riscv_cpu) {
    .name = "rva22u64-riscv-cpu",
    .parent = "riscv-cpu",
    .description = "profile RVA22U64 and nothing else: M and U mode",
    .guests = VM_GUEST_RISCV64,
    .size = sizeof(struct riscv_cpu),
    .properties = extension_properties,
    .init = init_rva22u64,
    .data = &cpu_class,
};

VM_CLASS(rva22s64_riscv_cpu) {
    .name = "rva22s64-riscv-cpu",
    .parent = "riscv-cpu",
    .description = "profile RVA22S64 and nothing else: 39-bit virtual addresses unless asked for more",
    .guests = VM_GUEST_RISCV64,
    .size = sizeof(struct riscv_cpu),
    .properties = extension_properties,
    .init = init_rva22s64,
    .data = &cpu_class,
};
