/* vm/vcpu_work.c - what other threads want from vCPUs: posted functions, handshakes, exclusives (docs/decisions/locks.md). */
#include "host/epoch.h"
#include "vm/internal.h"

struct work {
    void (*fn)(struct vcpu *vcpu, void *opaque);
    void *opaque;
    GDestroyNotify free_opaque;
    u32 *pending; /* handshakes: counted down when done */
};

static void finish_work(struct vcpu *vcpu, struct work *work)
{
    if (work->pending) {
        /* The waiter watches its own counter under exclusive_lock. */
        host_lock_take(&vcpu->vm->exclusive_lock);
        __atomic_sub_fetch(work->pending, 1, __ATOMIC_SEQ_CST);
        host_cond_wake_all(&vcpu->vm->exclusive_cond);
        host_lock_drop(&vcpu->vm->exclusive_lock);
    }
    if (work->free_opaque)
        work->free_opaque(work->opaque);
    g_free(work);
}

void vcpu_drop_posted(struct vcpu *vcpu)
{
    for (struct work *work; (work = g_queue_pop_head(&vcpu->work));)
        finish_work(vcpu, work);
}

void vcpu_run_posted(struct vcpu *vcpu)
{
    struct work *work;

    while ((work = g_queue_pop_head(&vcpu->work))) {
        host_lock_drop(&vcpu->lock);
        work->fn(vcpu, work->opaque);
        finish_work(vcpu, work);
        host_lock_take(&vcpu->lock);
    }
}

void vcpu_enter_outside(struct vcpu *vcpu)
{
    host_lock_take(&vcpu->lock);
    vcpu_run_posted(vcpu);
    epoch_leave(vcpu->reader);
    vcpu->outside = true;
    if (__atomic_load_n(&vcpu->vm->exclusive, __ATOMIC_SEQ_CST))
        host_cond_wake_all(&vcpu->wake);
    host_lock_drop(&vcpu->lock);
}

static void wait_for_exclusive(struct vm *vm)
{
    host_lock_take(&vm->exclusive_lock);
    while (__atomic_load_n(&vm->exclusive, __ATOMIC_SEQ_CST))
        host_cond_wait(&vm->exclusive_cond, &vm->exclusive_lock);
    host_lock_drop(&vm->exclusive_lock);
}

/*
 * Inside first, then what was posted: it works on what handshakes and exclusives work on while the vCPU is outside. The question is
 * asked under the lock under which an exclusive looks at `outside`: it has said so before, or will find this vCPU inside.
 */
void vcpu_leave_outside(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    host_lock_take(&vcpu->lock);
    while (__atomic_load_n(&vm->exclusive, __ATOMIC_SEQ_CST)) {
        host_lock_drop(&vcpu->lock);
        wait_for_exclusive(vm);
        host_lock_take(&vcpu->lock);
    }
    vcpu->outside = false;
    epoch_enter(vm->epoch, vcpu->reader);
    vcpu_run_posted(vcpu);
    host_lock_drop(&vcpu->lock);
}

bool vcpu_safepoint(struct vcpu *vcpu)
{
    if (!__atomic_exchange_n(&vcpu->host->exit_request, 0, __ATOMIC_SEQ_CST))
        return true;
    host_lock_take(&vcpu->lock);
    vcpu_run_posted(vcpu);
    bool leave = vcpu->stop || vcpu->quit;
    host_lock_drop(&vcpu->lock);
    if (__atomic_load_n(&vcpu->vm->exclusive, __ATOMIC_SEQ_CST)) {
        vcpu_enter_outside(vcpu);
        vcpu_leave_outside(vcpu);
    }
    epoch_quiesce(vcpu->vm->epoch, vcpu->reader);
    vcpu_timers_run(vcpu);
    return !leave && !__atomic_load_n(&vcpu->halted, __ATOMIC_ACQUIRE);
}

void vcpu_post(struct vcpu *vcpu, void (*fn)(struct vcpu *vcpu, void *opaque), void *opaque, GDestroyNotify free_opaque)
{
    struct work *work = g_new(struct work, 1);

    *work = (struct work){ .fn = fn, .opaque = opaque, .free_opaque = free_opaque };
    host_lock_take(&vcpu->lock);
    g_queue_push_tail(&vcpu->work, work);
    host_lock_drop(&vcpu->lock);
    vcpu_kick(vcpu);
}

enum service { SERVED, POSTED, NOT_NOW };

/*
 * Outside vCPUs are served here and now: their lock keeps them from coming in. Others get the work posted, under the same lock:
 * a vCPU that goes outside afterwards finds it first. Not now: an exclusive has them all.
 */
static enum service serve_or_post(struct vcpu *vcpu, void (*fn)(struct vcpu *vcpu, void *opaque), void *opaque, u32 *pending)
{
    enum service service = POSTED;

    host_lock_take(&vcpu->lock);
    if (!vcpu->outside) {
        struct work *work = g_new(struct work, 1);

        *work = (struct work){ .fn = fn, .opaque = opaque, .pending = pending };
        __atomic_add_fetch(pending, 1, __ATOMIC_SEQ_CST);
        g_queue_push_tail(&vcpu->work, work);
    } else if (__atomic_load_n(&vcpu->vm->exclusive, __ATOMIC_SEQ_CST)) {
        service = NOT_NOW;
    } else {
        fn(vcpu, opaque);
        service = SERVED;
    }
    host_lock_drop(&vcpu->lock);
    if (service == POSTED)
        vcpu_kick(vcpu);
    return service;
}

/* The vCPU whose thread this is, if it is inside. In a device's hook, with the machine lock, it is outside and stays there: others may serve it. */
static struct vcpu *current_inside(void)
{
    struct vcpu *vcpu = vcpu_current();

    return vcpu && !vcpu->outside ? vcpu : NULL;
}

/* Lets an exclusive have its way: inside is this thread's vCPU, or NULL. */
static void give_way(struct vm *vm, struct vcpu *inside)
{
    if (inside) {
        vcpu_enter_outside(inside);
        vcpu_leave_outside(inside);
    } else {
        wait_for_exclusive(vm);
    }
}

static void wait_for(struct vm *vm, u32 *pending)
{
    host_lock_take(&vm->exclusive_lock);
    while (__atomic_load_n(pending, __ATOMIC_SEQ_CST))
        host_cond_wait(&vm->exclusive_cond, &vm->exclusive_lock);
    host_lock_drop(&vm->exclusive_lock);
}

void vm_handshake(struct vm *vm, void (*fn)(struct vcpu *vcpu, void *opaque), void *opaque)
{
    struct vcpu *inside = current_inside();
    u32 pending = 0;
    bool posted = false;

    for (guint i = 0; i < vm->vcpus->len; i++) {
        struct vcpu *vcpu = g_ptr_array_index(vm->vcpus, i);

        if (vcpu == inside) {
            fn(vcpu, opaque);
            continue;
        }
        enum service service;
        while ((service = serve_or_post(vcpu, fn, opaque, &pending)) == NOT_NOW)
            give_way(vm, inside);
        posted |= service == POSTED;
    }
    if (!posted)
        return;
    if (inside)
        vcpu_enter_outside(inside);
    wait_for(vm, &pending);
    if (inside)
        vcpu_leave_outside(inside);
}

void vm_exclusive(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
    struct vcpu *inside = current_inside();

    if (inside)
        vcpu_enter_outside(inside);
    host_lock_take(&vm->exclusive_lock);
    while (vm->exclusive_taken)
        host_cond_wait(&vm->exclusive_cond, &vm->exclusive_lock);
    vm->exclusive_taken = true;
    __atomic_store_n(&vm->exclusive, 1, __ATOMIC_SEQ_CST);
    host_lock_drop(&vm->exclusive_lock);
    for (guint i = 0; i < vm->vcpus->len; i++) {
        struct vcpu *vcpu = g_ptr_array_index(vm->vcpus, i);

        vcpu_kick(vcpu);
        host_lock_take(&vcpu->lock);
        while (!vcpu->outside)
            host_cond_wait(&vcpu->wake, &vcpu->lock);
        host_lock_drop(&vcpu->lock);
    }
    fn(opaque);
    host_lock_take(&vm->exclusive_lock);
    vm->exclusive_taken = false;
    __atomic_store_n(&vm->exclusive, 0, __ATOMIC_SEQ_CST);
    host_cond_wake_all(&vm->exclusive_cond);
    host_lock_drop(&vm->exclusive_lock);
    if (inside)
        vcpu_leave_outside(inside);
}
