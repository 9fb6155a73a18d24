/* accel/tcg/kept.h - translations that are kept on disk and taken from there, as the translator sees them. translate_lock held. */
#ifndef ACCEL_TCG_KEPT_H
#define ACCEL_TCG_KEPT_H

#include "accel/tcg/tcg.h"

/* Opens the cache when the user wants one. */
bool tcg_kept_start(struct tcg *tcg, struct vcpu *vcpu, GError **error);
#define KEPT_NOTE (UINT32_C(1) << 31)
/* What is to be translated: the source's bytes, which are protected in `page` (which had `lines` before) and, where they may cross, in `next`. */
struct kept_want {
    const struct code_source *source;
    struct code_page *page, *next;
    u64 pc, lines;
    u32 mode;
};
/*
 * The block at the source, from what was kept of an earlier translation and published, perhaps with others of its page; *insns: how many there are in all
 * of them. NULL: there is none, and nothing happened but that lines were set.
 */
struct block *tcg_kept_take(struct tcg_vcpu *v, const struct kept_want *want, u32 *insns);
/* A block was found that nobody had asked for before. Any vCPU. */
static inline void tcg_kept_met(struct tcg *tcg, struct block *block)
{
    u32 kept = __atomic_load_n(&block->kept, __ATOMIC_RELAXED);

    if (unlikely(kept - 1 < KEPT_NOTE - 1)) {
        tcg_cache_met(tcg->cache, kept - 1);
        __atomic_store_n(&block->kept, 0, __ATOMIC_RELAXED);
    }
}
/*
 * The source becomes a copy from its offset on, once its lines are protected: stores change code without the translation lock, and what is translated and what
 * is noted of it have to be the same bytes. Under that lock; what lies in front of the offset stays as it was copied last.
 */
void tcg_kept_read(struct code_cache *c, const struct code_page *page, struct code_source *source);
/* Notes what was just emitted, before it is published. second: NULL, or what lies behind it. */
void tcg_kept_note(struct tcg_vcpu *v, const struct code_source *source, struct block *block, struct block *second);
/* Keeps a block that was noted and is going to be killed, or to be written over. */
void tcg_kept_save(struct tcg *tcg, const struct block *block);
static inline bool tcg_kept_noted(const struct block *block)
{
    return block->kept >= KEPT_NOTE;
}
/* At the end, when nothing runs: keeps all that was noted, and closes the cache. */
void tcg_kept_finish(struct tcg *tcg);

#endif
