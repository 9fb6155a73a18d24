/* target/riscv/choice.c - the extensions of one CPU: the model's defaults beside what the user says by name. */
#include "target/riscv/cpu.h"
#include "base/error.h"
#include <string.h>

/* An older manual takes along what it does not know, unless that was asked for by name. */
static bool follow_manual(struct riscv_cpu *cpu, GError **error)
{
    static const u32 newer[] = {
#define SINCE_1_13(a) RISCV_EXT_##a,
#include "target/riscv/extensions.def"
    };

    if (!strcmp(cpu->priv_spec, "v1.13.0"))
        return true;
    if (strcmp(cpu->priv_spec, "v1.12.0"))
        return error_set(error, "priv_spec '%s' is not there; v1.12.0 and v1.13.0 are", cpu->priv_spec);
    for (unsigned i = 0; i < ARRAY_SIZE(newer); i++) {
        bool *on = &cpu->extension[newer[i]];

        if (*on && cpu->chosen[newer[i]])
            return error_set(error, "extension '%s' is newer than priv_spec=v1.12.0", riscv_extensions[newer[i]].name);
        *on = false;
    }
    return true;
}

static bool needs_met(const struct riscv_cpu *cpu, unsigned i)
{
    g_auto(GStrv) needs = g_strsplit(riscv_extensions[i].needs, " ", -1);

    for (unsigned k = 0; k < RISCV_EXT_COUNT; k++) {
        if (!cpu->extension[k] && g_strv_contains((const char *const *)needs, riscv_extensions[k].name))
            return false;
    }
    return true;
}

/* "f=off" takes d and zfa along, which nobody asked for by name. Ends: each round turns something off. */
static void drop_unmet_defaults(struct riscv_cpu *cpu)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned i = 0; i < RISCV_EXT_COUNT; i++) {
            if (cpu->extension[i] && !cpu->chosen[i] && !needs_met(cpu, i)) {
                cpu->extension[i] = false;
                changed = true;
            }
        }
    }
}

/* "zbb=off" takes b along, which nobody asked for by name. */
static void drop_broken_groups(struct riscv_cpu *cpu)
{
#define GROUP(a, b)                                                                                \
    if (!cpu->extension[RISCV_EXT_##b] && !cpu->chosen[RISCV_EXT_##a])                             \
        cpu->extension[RISCV_EXT_##a] = false;
    for (unsigned round = 0; round < 2; round++) { /* groups of groups, in whatever order they stand */
#include "target/riscv/extensions.def"
    }
}

/* "c=off" takes zca along: nobody asked for it, and nothing that is on implies it. Zicsr is what trap handlers live on. */
static bool drop_unimplied_round(struct riscv_cpu *cpu)
{
    bool changed = false, implied[RISCV_EXT_COUNT] = { false }, by_some[RISCV_EXT_COUNT] = { false };

#define IMPLIES(a, b)                                                                              \
    implied[RISCV_EXT_##b] |= cpu->extension[RISCV_EXT_##a];                                       \
    by_some[RISCV_EXT_##b] = true;
#define IMPLIES_BOTH(a, b, c)                                                                      \
    implied[RISCV_EXT_##c] |= cpu->extension[RISCV_EXT_##a] && cpu->extension[RISCV_EXT_##b];      \
    by_some[RISCV_EXT_##c] = true;
#include "target/riscv/extensions.def"
    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++) {
        if (cpu->extension[i] && by_some[i] && !implied[i] && !cpu->chosen[i] && !cpu->named[i] && i != RISCV_EXT_ZICSR) {
            cpu->extension[i] = false;
            changed = true;
        }
    }
    return changed;
}

/* Ends: each round turns something off. */
static void drop_unimplied_defaults(struct riscv_cpu *cpu)
{
    while (drop_unimplied_round(cpu))
        ;
}

bool riscv_choose_extensions(struct riscv_cpu *cpu, GError **error)
{
    if (!follow_manual(cpu, error))
        return false;
    drop_unmet_defaults(cpu);
    drop_unimplied_defaults(cpu);
    drop_unmet_defaults(cpu);
    drop_broken_groups(cpu);
    return riscv_extensions_complete(cpu->extension, error);
}
