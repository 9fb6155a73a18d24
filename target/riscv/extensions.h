/*
 * target/riscv/extensions.h - what a RISC-V CPU model has: ids and rows of extensions.def, and how a set is completed.
 *
 * Pure functions of their arguments; any thread.
 */
#ifndef TARGET_RISCV_EXTENSIONS_H
#define TARGET_RISCV_EXTENSIONS_H

#include "base/types.h"
#include <glib.h>

enum riscv_extension {
#define EXTENSION(id, ...) RISCV_EXT_##id,
#include "target/riscv/extensions.def"
    RISCV_EXT_COUNT
};

enum riscv_extension_kind { RISCV_EXT_LETTER, RISCV_EXT_NAMED, RISCV_EXT_FIXED };

struct riscv_extension_info {
    const char *name;
    enum riscv_extension_kind kind;
    bool rv64, max; /* on in these models */
    const char *needs;
    const char *description;
};
extern const struct riscv_extension_info riscv_extensions[RISCV_EXT_COUNT];

/* An extension that QEMU 11.1 has and Mynah does not yet; a row without name ends the list. */
struct riscv_extension_later {
    const char *name;
    bool rv64, max; /* on in these models there */
};
extern const struct riscv_extension_later riscv_extensions_later[];

/* Several at once: profiles, "g". A row without name ends the list. */
struct riscv_bundle {
    const char *name;
    const char *extensions; /* names, separated by blanks */
    u8 width;               /* of virtual addresses unless asked for otherwise; 0: whatever they are */
};
extern const struct riscv_bundle riscv_bundles[];

/* RISCV_EXT_COUNT: there is none of that name. */
unsigned riscv_extension_by_name(const char *name);

/* Turns on what others imply, turns FIXED ones off whose needs are off. False: something lacks what it needs. */
bool riscv_extensions_complete(bool *on, GError **error);

/* "rv64imafdc_zicsr..." of a completed set. The caller frees. */
char *riscv_extensions_isa(const bool *on);
/* misa's letters of a completed set, without MXL. */
u64 riscv_extensions_misa(const bool *on);

#endif
