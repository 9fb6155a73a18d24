/*
 * vm/icount.h - virtual time that runs with the instructions of the vCPUs (-icount): after n instructions it is n << shift nanoseconds,
 * and what idle vCPUs skip. Then nothing that a guest sees depends on how fast the host is: vCPUs take turns of a fixed number
 * of instructions, timers of vCPUs and devices fire behind exact instructions, in the thread of the vCPU whose turn it is, and two
 * runs with the same input at the same counts are the same run. Input from outside (the network, disks, keys) comes when it comes; what is
 * given while the machine is stopped comes at that count.
 */
#ifndef VM_ICOUNT_H
#define VM_ICOUNT_H

#include "base/types.h"
#include <glib.h>

struct vm;
struct vcpu;

enum { VM_ICOUNT_MAX_SHIFT = 10 };

struct vm_icount_options {
    unsigned shift; /* an instruction takes 1 << shift ns; 0..VM_ICOUNT_MAX_SHIFT */
    bool adapt;     /* shift changes so that virtual time follows the host's: no two runs are the same */
    bool sleep;     /* when all vCPUs wait, so does the host, until the next timer is due; else virtual time skips there */
    bool align;     /* vCPUs that are ahead of the host's time wait for it */
};

/* Before the vCPUs are started; for good. Main thread. */
void vm_icount_enable(struct vm *vm, const struct vm_icount_options *options);
/* Whether it is enabled. Any thread. */
bool vm_icount_on(const struct vm *vm);
/* Instructions executed by all vCPUs. Exact in the thread of the vCPU whose turn it is and while the machine is stopped. */
u64 vm_icount_executed(struct vm *vm);
/* The machine stops (VM_PAUSED) when so many were executed. Machine lock, stopped. False: that was before. */
bool vm_icount_stop_at(struct vm *vm, u64 executed);

/* What a vCPU at a count is, as a number for comparing runs: state arena, RAM, counts, timers. Machine lock, stopped. */
u64 vm_state_hash(struct vm *vm);

/* For accelerators. The vCPU's own thread, at a safepoint: before each stretch of guest code. False: vcpu_run must return. */
bool vm_icount_go_on(struct vcpu *vcpu);

/* For guest CPUs, from a helper of translated code that reads the state: others shall have their turns soon. */
void vm_icount_yield(struct vcpu *vcpu);

#endif
