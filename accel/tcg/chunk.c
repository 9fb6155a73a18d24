/*
 * accel/tcg/chunk.c - recycling the code buffer by chunks, without stopping the world: when the last but one chunk begins to
 * fill, the oldest is condemned: its blocks are killed, jump caches forget it before their vCPU runs code again, and it is
 * free once every vCPU has left the code it was in.
 */
#include "accel/tcg/tcg.h"

void tcg_chunks_init(struct tcg *tcg)
{
    u32 first = tcg->backend->code_first(tcg->engine), limit = tcg->backend->code_limit(tcg->engine);
    u32 size = ((limit - first) / CHUNKS) & ~63u;

    first = (first + 63) & ~63u;
    for (u32 i = 0; i < CHUNKS; i++) {
        tcg->chunk[i].first = first + i * size;
        tcg->chunk[i].limit = MIN(limit, first + (i + 1) * size);
    }
    tcg->at = tcg->chunk[0].first;
}

static void forget_jumps(struct vcpu *vcpu, void *opaque)
{
    (void)opaque;
    if (vcpu->accel)
        tcg_jump_flush_all(vcpu->accel);
}

static void now_free(void *opaque)
{
    struct chunk *chunk = opaque;

    __atomic_store_n(&chunk->busy, false, __ATOMIC_RELEASE);
}

void tcg_kick_all(struct tcg *tcg)
{
    for (u32 i = 0; i < vm_vcpu_count(tcg->vm); i++)
        vcpu_kick(vm_vcpu(tcg->vm, i));
}

static void condemn(struct tcg *tcg, struct chunk *chunk)
{
    if (!chunk->used || chunk->busy)
        return;
    chunk->used = false;
    chunk->busy = true;
    tcg->recycled++;
    while (chunk->blocks)
        tcg_block_kill(tcg, chunk->blocks);
    for (u32 i = 0; i < vm_vcpu_count(tcg->vm); i++)
        vcpu_post(vm_vcpu(tcg->vm, i), forget_jumps, NULL, NULL);
    epoch_retire(tcg->code_epoch, chunk, now_free);
    tcg_kick_all(tcg); /* the posts above may have been answered before this epoch began */
}

bool tcg_chunk_next(struct tcg *tcg)
{
    u32 next = (tcg->current_chunk + 1) % CHUNKS;
    struct chunk *chunk = &tcg->chunk[next];

    condemn(tcg, chunk);
    if (__atomic_load_n(&chunk->busy, __ATOMIC_ACQUIRE))
        epoch_reclaim(tcg->code_epoch); /* the last vCPU in it may have left the epoch, which does not look what waits */
    if (__atomic_load_n(&chunk->busy, __ATOMIC_ACQUIRE))
        return false;
    tcg->current_chunk = next;
    tcg->at = chunk->first;
    __atomic_store_n(&chunk->fault_count, 0, __ATOMIC_RELEASE);
    if (tcg->recycled)
        host_thread_serialise_all(); /* nobody has fetched ahead in what was there */
    condemn(tcg, &tcg->chunk[(next + 1) % CHUNKS]);
    return true;
}
