/*
 * tcg/buffer.h - memory for generated code: one file in memory, mapped writable and, elsewhere, executable, so that
 * no address is ever both. Where the host refuses two mappings or split_wx is off and the host allows it, one mapping serves.
 *
 * Offsets (bytes from the start) name places in both mappings. Creation and destruction: any thread; writers are
 * serialised by accel/tcg's translation lock; patching is by naturally aligned stores.
 */
#ifndef TCG_BUFFER_H
#define TCG_BUFFER_H

#include "base/types.h"
#include <glib.h>

struct tcg_buffer {
    u8 *write;      /* writable mapping */
    const u8 *exec; /* executable mapping of the same bytes */
    u64 size;
    u64 ready;      /* bytes whose pages were taken from the host */
    int fd;
};

/* size is rounded up to host pages; at most 2 GiB less a page, so that rel32 reaches everything. NULL on error. */
struct tcg_buffer *tcg_buffer_create(u64 size, bool split_wx, GError **error);
void tcg_buffer_destroy(struct tcg_buffer *buffer);

/* Takes pages up to `end` and some more, many at once: a first touch costs as much as translating several instructions. */
void tcg_buffer_extend(struct tcg_buffer *buffer, u64 end);

/* The caller is about to write from `at` on, blocks one behind the other. */
static inline void tcg_buffer_prepare(struct tcg_buffer *buffer, u64 at)
{
    enum { AHEAD = 8192 }; /* more than most blocks */

    if (unlikely(at + AHEAD > buffer->ready))
        tcg_buffer_extend(buffer, at + AHEAD);
}

static inline u32 tcg_buffer_offset(const struct tcg_buffer *buffer, const void *exec)
{
    return (u32)((const u8 *)exec - buffer->exec);
}

#endif
