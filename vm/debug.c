/* vm/debug.c - breakpoints, watchpoints, and guest virtual memory for debuggers. */
#include "vm/internal.h"
#include <string.h>

struct watchpoint {
    u64 address, size;
    enum vm_watch kind;
};

/* Changed only while the machine is stopped, so readers need no lock. */
struct vm_debug {
    GArray *breakpoints; /* u64 */
    GArray *watchpoints;
};

void vm_debug_init(struct vm *vm)
{
    vm->debug = g_new0(struct vm_debug, 1);
    vm->debug->breakpoints = g_array_new(FALSE, FALSE, sizeof(u64));
    vm->debug->watchpoints = g_array_new(FALSE, FALSE, sizeof(struct watchpoint));
}

void vm_debug_finish(struct vm *vm)
{
    g_array_unref(vm->debug->breakpoints);
    g_array_unref(vm->debug->watchpoints);
    g_free(vm->debug);
}

static void tell_accel(struct vm *vm)
{
    if (vm->accel && vm->accel->accel_class->breakpoints_changed)
        vm->accel->accel_class->breakpoints_changed(vm);
}

static gint find_breakpoint(const struct vm *vm, u64 address)
{
    for (guint i = 0; i < vm->debug->breakpoints->len; i++) {
        if (g_array_index(vm->debug->breakpoints, u64, i) == address)
            return (gint)i;
    }
    return -1;
}

bool vm_breakpoint_add(struct vm *vm, u64 address)
{
    if (find_breakpoint(vm, address) < 0) {
        g_array_append_val(vm->debug->breakpoints, address);
        tell_accel(vm);
    }
    return true;
}

bool vm_breakpoint_remove(struct vm *vm, u64 address)
{
    gint at = find_breakpoint(vm, address);

    if (at < 0)
        return false;
    g_array_remove_index(vm->debug->breakpoints, (guint)at);
    tell_accel(vm);
    return true;
}

bool vm_has_breakpoint(const struct vm *vm, u64 address)
{
    return find_breakpoint(vm, address) >= 0;
}

bool vm_has_breakpoints(const struct vm *vm)
{
    return vm->debug->breakpoints->len != 0;
}

bool vm_has_breakpoint_in_page(const struct vm *vm, u64 page_address)
{
    for (guint i = 0; i < vm->debug->breakpoints->len; i++) {
        if ((g_array_index(vm->debug->breakpoints, u64, i) & ~UINT64_C(4095)) == page_address)
            return true;
    }
    return false;
}

bool vm_watchpoint_add(struct vm *vm, u64 address, u64 size, enum vm_watch kind)
{
    struct watchpoint watchpoint = { address, size, kind };

    if (!size || address + (size - 1) < address)
        return false;
    g_array_append_val(vm->debug->watchpoints, watchpoint);
    tell_accel(vm);
    return true;
}

bool vm_watchpoint_remove(struct vm *vm, u64 address, u64 size, enum vm_watch kind)
{
    for (guint i = 0; i < vm->debug->watchpoints->len; i++) {
        const struct watchpoint *w = &g_array_index(vm->debug->watchpoints, struct watchpoint, i);

        if (w->address != address || w->size != size || w->kind != kind)
            continue;
        g_array_remove_index(vm->debug->watchpoints, i);
        tell_accel(vm);
        return true;
    }
    return false;
}

bool vm_watchpoint_hit(const struct vm *vm, u64 va, u64 size, enum mmu_access access, u64 *address, enum vm_watch *kind)
{
    for (guint i = 0; i < vm->debug->watchpoints->len; i++) {
        const struct watchpoint *w = &g_array_index(vm->debug->watchpoints, struct watchpoint, i);

        if (!(w->kind & (access == MMU_WRITE ? VM_WATCH_WRITE : VM_WATCH_READ)))
            continue;
        if (va + (size - 1) < w->address || va > w->address + (w->size - 1))
            continue;
        *address = MAX(va, w->address);
        *kind = w->kind;
        return true;
    }
    return false;
}

bool vm_has_watchpoint_in_page(const struct vm *vm, u64 page_address)
{
    u64 address;
    enum vm_watch kind;

    return vm->debug->watchpoints->len && (vm_watchpoint_hit(vm, page_address, 4096, MMU_READ, &address, &kind) ||
                                           vm_watchpoint_hit(vm, page_address, 4096, MMU_WRITE, &address, &kind));
}

void vm_debug_clear(struct vm *vm)
{
    g_array_set_size(vm->debug->breakpoints, 0);
    g_array_set_size(vm->debug->watchpoints, 0);
    tell_accel(vm);
}

void vcpu_debug_stop(struct vcpu *vcpu, const struct vcpu_stop *why)
{
    vcpu->stop_reason = *why;
    vcpu->step = VCPU_STEP_OFF;
    host_lock_take(&vcpu->lock);
    vcpu->stop = true;
    host_lock_drop(&vcpu->lock);
    __atomic_store_n(&vcpu->host->exit_request, 1, __ATOMIC_SEQ_CST);
    vm_request_debug_stop(vcpu->vm, vcpu);
}

static bool transfer(struct vcpu *vcpu, u64 address, u8 *data, u64 size, bool write)
{
    while (size) {
        u64 step = MIN(size, 4096 - (address & 4095));
        struct mmu_page page = { 0 };

        vcpu->cpu->walk(vcpu, address, 1, MMU_READ, true, &page);
        if (page.fault)
            return false;
        u64 physical = page.physical | (address & 4095);
        enum mem_result result = write ? space_load_bytes(vcpu->vm->memory, physical, data, step)
                                       : space_read_bytes(vcpu->vm->memory, physical, data, step);
        if (result != MEM_OK)
            return false;
        address += step;
        data += step;
        size -= step;
    }
    return true;
}

bool vcpu_read_memory(struct vcpu *vcpu, u64 address, void *to, u64 size)
{
    return transfer(vcpu, address, to, size, false);
}

bool vcpu_write_memory(struct vcpu *vcpu, u64 address, const void *from, u64 size)
{
    return transfer(vcpu, address, (u8 *)from, size, true);
}

bool vcpu_count(struct vcpu *vcpu, s64 budget)
{
    const struct accel_class *class = vcpu->vm->accel ? vcpu->vm->accel->accel_class : NULL;

    if (!class || !class->counts || vcpu->vm->icount)
        return false;
    if (!vcpu->counting) {
        vcpu->counting_since = vm_clock_now(vcpu->vm, VM_CLOCK_VIRTUAL);
        vcpu->host->icount = 0;
        vcpu->granted = 0;
        vcpu->counting = true;
        class->vcpu_state_changed(vcpu); /* code of the other flavour may be at hand */
    }
    vcpu->granted = vcpu_retired(vcpu) + (u64)budget;
    vcpu->host->icount = budget;
    return true;
}

u64 vcpu_retired(const struct vcpu *vcpu)
{
    return vcpu->granted - (u64)vcpu->host->icount;
}
