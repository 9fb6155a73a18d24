/* target/riscv/extensions.c - the table of extensions.def, implications, isa string. */
#include "target/riscv/extensions.h"
#include "base/error.h"
#include "base/bits.h"
#include <string.h>

#define EXTENSION(id, name, kind, rv64, max, floats, needs, description)                           \
    { name, RISCV_EXT_##kind, rv64, max, needs, description },
const struct riscv_extension_info riscv_extensions[RISCV_EXT_COUNT] = {
#include "target/riscv/extensions.def"
};

#define TODO(name, rv64, max) { name, rv64, max },
const struct riscv_extension_later riscv_extensions_later[] = {
#include "target/riscv/extensions.def"
    { NULL, false, false },
};

#define BUNDLE(name, extensions, width, description) { name, extensions, width },
const struct riscv_bundle riscv_bundles[] = {
#include "target/riscv/extensions.def"
    { NULL, NULL, 0 },
};

/* Groups contain groups: until nothing changes. */
static void imply(bool *on)
{
    bool before[RISCV_EXT_COUNT];

    do {
        memcpy(before, on, sizeof(before));
#define IMPLIES(a, b)         on[RISCV_EXT_##b] |= on[RISCV_EXT_##a];
#define GROUP                 IMPLIES
#define IMPLIES_BOTH(a, b, c) on[RISCV_EXT_##c] |= on[RISCV_EXT_##a] && on[RISCV_EXT_##b];
#include "target/riscv/extensions.def"
    } while (memcmp(before, on, sizeof(before)));
}

unsigned riscv_extension_by_name(const char *name)
{
    unsigned i = 0;

    while (i < RISCV_EXT_COUNT && strcmp(riscv_extensions[i].name, name))
        i++;
    return i;
}

static bool is_on(const bool *on, const char *name)
{
    unsigned i = riscv_extension_by_name(name);

    return i < RISCV_EXT_COUNT && on[i];
}

/* The first need of extension i that is off, or NULL. The caller frees. */
static char *missing_need(const bool *on, unsigned i)
{
    g_auto(GStrv) needs = g_strsplit(riscv_extensions[i].needs, " ", -1);

    for (char **need = needs; *need; need++)
        if (**need && !is_on(on, *need))
            return g_strdup(*need);
    return NULL;
}

/* Which of those that were asked for turned on i, which was not; NULL: nobody. */
static const char *implied_by(const bool *asked, unsigned i)
{
    for (unsigned k = 0; k < RISCV_EXT_COUNT; k++) {
        bool alone[RISCV_EXT_COUNT] = { false };

        alone[k] = asked[k];
        imply(alone);
        if (asked[k] && k != i && alone[i])
            return riscv_extensions[k].name;
    }
    return NULL;
}

static bool lacks(const bool *asked, unsigned i, const char *missing, GError **error)
{
    const char *name = riscv_extensions[i].name, *by = asked[i] ? NULL : implied_by(asked, i);

    if (by)
        return error_set(error, "extension '%s' includes '%s', which needs '%s', which is off", by, name, missing);
    return error_set(error, "extension '%s' needs '%s', which is off", name, missing);
}

bool riscv_extensions_complete(bool *on, GError **error)
{
    bool asked[RISCV_EXT_COUNT];

    memcpy(asked, on, sizeof(asked));
    imply(on);
    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++) {
        g_autofree char *missing = missing_need(on, i);

        if (riscv_extensions[i].kind == RISCV_EXT_FIXED)
            on[i] = !missing;
        else if (on[i] && missing)
            return lacks(asked, i, missing, error);
    }
    return true;
}

/* S and U are misa letters which the isa string does not name. */
static bool in_isa_string(unsigned i)
{
    return i != RISCV_EXT_S && i != RISCV_EXT_U;
}

char *riscv_extensions_isa(const bool *on)
{
    GString *isa = g_string_new("rv64");

    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++) {
        if (!on[i] || !in_isa_string(i))
            continue;
        if (riscv_extensions[i].kind != RISCV_EXT_LETTER)
            g_string_append_c(isa, '_');
        g_string_append(isa, riscv_extensions[i].name);
    }
    return g_string_free(isa, FALSE);
}

u64 riscv_extensions_misa(const bool *on)
{
    u64 misa = 0;

    for (unsigned i = 0; i < RISCV_EXT_COUNT; i++)
        if (on[i] && riscv_extensions[i].kind == RISCV_EXT_LETTER)
            misa |= BIT64(riscv_extensions[i].name[0] - 'a');
    return misa;
}
