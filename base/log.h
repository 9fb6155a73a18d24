/*
 * base/log.h - one log per machine: what -d, -D and -dfilter choose. Items are tested by mask, so a
 * disabled item costs one load and branch. Any thread; a line is written at once.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/types.h"
#include <glib.h>

#define LOG_ITEMS(X)                                                                          \
    X(IN_ASM, "in_asm", "guest instructions of each block when it is translated")             \
    X(IR, "ir", "intermediate code before the passes; ir:after=PASS shows it after one")      \
    X(OUT_ASM, "out_asm", "host code of each block")                                          \
    X(EXEC, "exec", "each block as it is entered (with nochain: all of them)")                \
    X(NOCHAIN, "nochain", "do not link blocks, so that exec and cpu see every one")           \
    X(CPU, "cpu", "guest registers before each block")                                        \
    X(INT, "int", "traps and interrupts taken")                                               \
    X(MMU, "mmu", "page-table walks and TLB maintenance")                                     \
    X(GUEST_ERRORS, "guest_errors", "mistakes of the guest: accesses to nothing, reserved values") \
    X(UNIMP, "unimp", "features that a guest asked for and Mynah lacks")                      \
    X(PAGE, "page", "pages of code: translated, invalidated")                                 \
    X(TRACE, "trace", "trace events chosen by -trace")

enum log_item_index {
#define X(id, name, help) LOG_INDEX_##id,
    LOG_ITEMS(X)
#undef X
    LOG_ITEM_COUNT
};

enum log_item {
#define X(id, name, help) LOG_##id = 1 << LOG_INDEX_##id,
    LOG_ITEMS(X)
#undef X
};

struct log;

struct log *log_create(void);
void log_destroy(struct log *log);

/* -d LIST: comma-separated items; "ir:after=PASS" adds LOG_IR for one pass only. Errors name the nearest item. */
bool log_enable(struct log *log, const char *list, GError **error);
void log_set_mask(struct log *log, u32 mask);
u32 log_mask(const struct log *log);
/* What ir:after= may name from now on (NULL at the end; borrowed for good); until then anything. */
void log_set_passes(struct log *log, const char *const *names);
/* The pass named by ir:after=PASS, or NULL. Any thread; never freed. */
const char *log_ir_pass(const struct log *log);

/* -D FILE; "%d" in the name becomes the process id. Others may be writing: their lines go to one file or the other. */
bool log_open_file(struct log *log, const char *path, GError **error);

/* -dfilter START..END,START+SIZE,START-SIZE: limits block-wise items to guest addresses. */
bool log_set_filter(struct log *log, const char *ranges, GError **error);
bool log_in_filter(const struct log *log, u64 address);

/*
 * -trace PATTERN: events whose names match (* and ?) are written; switches LOG_TRACE on. A pattern that begins with '-'
 * takes events out again; the last pattern that matches decides.
 */
void log_trace_add(struct log *log, const char *pattern);
/* The same pattern in or out from now on, in the place of what was said about that pattern before. */
void log_trace_switch(struct log *log, const char *pattern, bool on);
/* Whether an event is wanted. Only worth asking when log_wants(log, LOG_TRACE). */
bool log_traces(struct log *log, const char *event);

static inline bool log_wants(const struct log *log, u32 items)
{
    return unlikely(*(const u32 *)log & items);
}

/* Writes without testing; guest errors and unimp are limited to 100 lines a second, then counted. */
void log_print(struct log *log, enum log_item item, const char *format, ...) PRINTF_LIKE(3, 4);

/* Tests and writes. */
#define log_line(log, item, ...)                   \
    do {                                           \
        if (log_wants(log, item))                  \
            log_print(log, item, __VA_ARGS__);     \
    } while (0)

/* Text of -d help, one item a line. The caller frees. */
char *log_help(void);

#endif
