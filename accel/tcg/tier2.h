/* accel/tcg/tier2.h - loops that are translated again, as the dispatcher sees them. */
#ifndef ACCEL_TCG_TIER2_H
#define ACCEL_TCG_TIER2_H

#include "accel/tcg/tcg.h"

void tcg_tier2_start(struct tcg *tcg);
void tcg_tier2_stop(struct tcg *tcg);
bool tcg_tier2_add_vcpu(struct tcg *tcg, struct vcpu *vcpu, GError **error);
void tcg_tier2_remove_vcpu(struct tcg *tcg, struct vcpu *vcpu);
/* What the dispatcher tells of a way between two blocks before it forgets it. */
struct tier2_seen {
    bool backward;  /* by a link to an address not above the block's own end */
    u16 behind;     /* of such a link out of the page behind: where the block with it ends, less the page of the target; else 0 */
    u16 guard;      /* and that page's guard and the page, which is there while a context has the guard set */
    struct code_page *page;
    bool sampled;   /* because somebody asked the vCPU to come out: what runs most is met most often */
};
struct tier2_seen tcg_tier2_look(const struct tcg_link *link, bool sampled);
/* The block at pc is going to run. Returns it, or the loop that takes its place. */
struct block *tcg_tier2_note(struct tcg_vcpu *v, struct block *block, u64 pc, const struct tier2_seen *seen);

#endif
