/* gdbstub/machine.c - a machine as target of the GDB server: harts are threads. */
#include "gdbstub/machine.h"
#include "vm/memory.h"
#include "vm/vm.h"
#include <stdlib.h>
#include <string.h>

static struct vcpu *vcpu_of(void *target, unsigned thread)
{
    return vm_vcpu(((struct gdb_machine *)target)->vm, thread);
}

static unsigned thread_count(void *target)
{
    return vm_vcpu_count(((struct gdb_machine *)target)->vm);
}

static char *thread_text(void *target, unsigned thread)
{
    struct vcpu *vcpu = vcpu_of(target, thread);
    bool halted = __atomic_load_n(&vcpu->halted, __ATOMIC_ACQUIRE);

    return g_strdup_printf("CPU#%u [%s]", thread, halted ? "halted" : "running");
}

static const char *architecture(void *target)
{
    struct vcpu *vcpu = vcpu_of(target, 0);

    return vcpu ? vcpu->cpu->gdb_arch : NULL;
}

static const struct cpu_register *registers(void *target, unsigned *count)
{
    struct vcpu *vcpu = vcpu_of(target, 0);
    u32 found = 0;
    const struct cpu_register *list = vcpu ? vcpu->cpu->registers(vcpu, &found) : NULL;

    *count = found;
    return list;
}

static bool read_register(void *target, unsigned thread, const struct cpu_register *reg,
                          void *value)
{
    struct vcpu *vcpu = vcpu_of(target, thread);

    return vcpu && vcpu->cpu->read_register(vcpu, reg, value);
}

static void state_changed(struct vcpu *vcpu)
{
    struct accel *accel = vm_accel(vcpu->vm);

    if (accel && accel->accel_class->vcpu_state_changed)
        accel->accel_class->vcpu_state_changed(vcpu);
}

static bool write_register(void *target, unsigned thread, const struct cpu_register *reg,
                           const void *value)
{
    struct vcpu *vcpu = vcpu_of(target, thread);

    if (!vcpu || !vcpu->cpu->write_register(vcpu, reg, value))
        return false;
    state_changed(vcpu);
    return true;
}

static void set_pc(void *target, unsigned thread, u64 pc)
{
    struct vcpu *vcpu = vcpu_of(target, thread);

    if (!vcpu)
        return;
    vcpu->cpu->set_pc(vcpu, pc);
    state_changed(vcpu);
}

static bool read_memory(void *target, unsigned thread, bool physical, u64 address, void *to,
                        u64 size)
{
    struct gdb_machine *machine = target;
    struct vcpu *vcpu = vcpu_of(target, thread);

    if (physical)
        return space_read_bytes(vm_memory(machine->vm), address, to, size) == MEM_OK;
    return vcpu && vcpu_read_memory(vcpu, address, to, size);
}

static bool write_memory(void *target, unsigned thread, bool physical, u64 address,
                         const void *from, u64 size)
{
    struct gdb_machine *machine = target;
    struct vcpu *vcpu = vcpu_of(target, thread);

    if (physical)
        return space_load_bytes(vm_memory(machine->vm), address, from, size) == MEM_OK;
    return vcpu && vcpu_write_memory(vcpu, address, from, size);
}

static bool breakpoint(void *target, bool add, u64 address)
{
    struct vm *vm = ((struct gdb_machine *)target)->vm;

    if (add)
        return vm_breakpoint_add(vm, address);
    vm_breakpoint_remove(vm, address);
    return true;
}

static bool watchpoint(void *target, bool add, u64 address, u64 size, enum vm_watch kind)
{
    struct vm *vm = ((struct gdb_machine *)target)->vm;

    vm_watchpoint_remove(vm, address, size, kind); /* GDB may send the same twice */
    return !add || vm_watchpoint_add(vm, address, size, kind);
}

static void pause_machine(void *target)
{
    vm_stop(((struct gdb_machine *)target)->vm, VM_PAUSED);
}

/* The lists may only change while nobody runs. */
static void clear_points(void *target)
{
    struct vm *vm = ((struct gdb_machine *)target)->vm;
    bool run = vm_running(vm);

    if (run)
        vm_vcpus_stop(vm);
    vm_debug_clear(vm);
    if (run)
        vm_vcpus_resume(vm);
}

static bool running(void *target)
{
    return vm_running(((struct gdb_machine *)target)->vm);
}

void gdb_machine_settle(struct gdb_machine *machine)
{
    for (unsigned i = 0; i < thread_count(machine); i++) {
        struct vcpu *vcpu = vcpu_of(machine, i);

        vcpu->step = VCPU_STEP_OFF;
        vcpu->held = false;
    }
}

/* A machine that has ended stays so. */
static bool resume(void *target, const enum gdb_resume *actions)
{
    struct gdb_machine *machine = target;

    for (unsigned i = 0; i < thread_count(target); i++) {
        struct vcpu *vcpu = vcpu_of(target, i);

        vcpu->step = actions[i] == GDB_STEP ? VCPU_STEP_ONE : VCPU_STEP_OFF;
        vcpu->held = actions[i] == GDB_STAY;
        vcpu->stop_reason = (struct vcpu_stop){.kind = VCPU_STOP_NONE};
    }
    vm_cont(machine->vm);
    if (!vm_running(machine->vm))
        gdb_machine_settle(machine);
    return vm_running(machine->vm);
}

void gdb_machine_told(struct gdb_machine *machine, unsigned thread)
{
    struct vcpu *vcpu = vcpu_of(machine, thread);

    vcpu->told_pc = vcpu->cpu->get_pc(vcpu);
    vcpu->told = true;
}

static char *monitor(void *target, const char *line)
{
    struct gdb_machine *machine = target;

    return machine->monitor ? machine->monitor(machine->monitor_opaque, line)
                            : g_strdup("no monitor here\n");
}

static void kill_machine(void *target)
{
    vm_request_shutdown(((struct gdb_machine *)target)->vm, VM_CAUSE_HOST_UI);
}

const struct gdb_target_ops gdb_machine_ops = {
    .thread_count = thread_count,
    .thread_text = thread_text,
    .architecture = architecture,
    .registers = registers,
    .read_register = read_register,
    .write_register = write_register,
    .set_pc = set_pc,
    .read_memory = read_memory,
    .write_memory = write_memory,
    .breakpoint = breakpoint,
    .watchpoint = watchpoint,
    .clear_points = clear_points,
    .running = running,
    .stop = pause_machine,
    .resume = resume,
    .monitor = monitor,
    .kill = kill_machine,
};
