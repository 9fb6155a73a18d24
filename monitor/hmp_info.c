/* monitor/hmp_info.c - the pages of info. */
#include "api/version.h"
#include "base/error.h"
#include "monitor/edit.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include "monitor/property.h"
#include "vm/machine.h"
#include <json-c/json.h>
#include <string.h>

/* Appends a text that is then freed, with a newline at its end. */
static void take_text(struct hmp *hmp, char *text)
{
    if (!text)
        return;
    g_string_append(hmp->out, text);
    if (*text && !g_str_has_suffix(text, "\n"))
        g_string_append_c(hmp->out, '\n');
    g_free(text);
}

static void describe_vcpu(struct hmp *hmp, struct vcpu *vcpu, char *(*describe)(struct vcpu *vcpu))
{
    bool held;

    if (!describe) {
        hmp_print(hmp, "this CPU has no such page");
        return;
    }
    held = hmp_hold(hmp->vm);
    take_text(hmp, describe(vcpu));
    hmp_release(hmp->vm, held);
}

/* -a: all processors. */
static void info_registers(struct hmp *hmp)
{
    g_autofree char *all = hmp_word(hmp);
    struct vcpu *vcpu = hmp_vcpu(hmp);

    if (!vcpu)
        return;
    if (g_strcmp0(all, "-a")) {
        hmp_print(hmp, "\nCPU#%u", vcpu->index);
        describe_vcpu(hmp, vcpu, vcpu->cpu->describe);
        return;
    }
    for (u32 i = 0; i < vm_vcpu_count(hmp->vm); i++) {
        vcpu = vm_vcpu(hmp->vm, i);
        hmp_print(hmp, "\nCPU#%u", i);
        describe_vcpu(hmp, vcpu, vcpu->cpu->describe);
    }
}

static void info_mem(struct hmp *hmp)
{
    struct vcpu *vcpu = hmp_vcpu(hmp);

    if (vcpu)
        describe_vcpu(hmp, vcpu, vcpu->cpu->describe_mem);
}

static void info_tlb(struct hmp *hmp)
{
    struct vcpu *vcpu = hmp_vcpu(hmp);

    if (vcpu)
        describe_vcpu(hmp, vcpu, vcpu->cpu->describe_tlb);
}

static void info_cpus(struct hmp *hmp)
{
    for (u32 i = 0; i < vm_vcpu_count(hmp->vm); i++)
        hmp_print(hmp, "%c CPU #%u: thread_id=%" G_GUINT64_FORMAT, i == hmp->monitor->cpu ? '*' : ' ', i,
                  (guint64)vm_vcpu(hmp->vm, i)->thread_id);
}

static void info_status(struct hmp *hmp)
{
    enum vm_run_state state = vm_run_state(hmp->vm);

    if (state == VM_RUNNING || state == VM_PAUSED)
        hmp_print(hmp, "VM status: %s", vm_run_state_name(state));
    else
        hmp_print(hmp, "VM status: paused (%s)", vm_run_state_name(state));
}

static void info_version(struct hmp *hmp)
{
    hmp_print(hmp, "%s (Mynah %s)", API_QEMU_VERSION, API_VERSION);
}

static void info_name(struct hmp *hmp)
{
    if (vm_name(hmp->vm))
        hmp_print(hmp, "%s", vm_name(hmp->vm));
}

static void info_uuid(struct hmp *hmp)
{
    const char *uuid = vm_uuid(hmp->vm);

    hmp_print(hmp, "%s", uuid ? uuid : "00000000-0000-0000-0000-000000000000");
}

static void info_kvm(struct hmp *hmp)
{
    hmp_print(hmp, "kvm support: not compiled");
}

static void info_accel(struct hmp *hmp)
{
    struct accel *accel = vm_accel(hmp->vm);

    hmp_print(hmp, "%s", accel ? accel->accel_class->name : "none");
}

static void info_jit(struct hmp *hmp)
{
    struct accel *accel = vm_accel(hmp->vm);

    if (accel && accel->accel_class->describe)
        take_text(hmp, accel->accel_class->describe(hmp->vm));
    else
        hmp_print(hmp, "JIT information is only available with accel=tcg");
}

static void info_chardev(struct hmp *hmp)
{
    GList *all = hmp->monitor->set->chardevs ? chardev_list(hmp->monitor->set->chardevs) : NULL;

    for (GList *at = all; at; at = at->next) {
        g_autofree char *filename = chardev_filename(at->data);

        hmp_print(hmp, "%s: filename=%s", chardev_id(at->data), filename);
    }
    g_list_free(all);
}

static void info_history(struct hmp *hmp)
{
    const GPtrArray *history = hmp->monitor->edit ? edit_history(hmp->monitor->edit) : NULL;

    for (guint i = 0; history && i < history->len; i++)
        hmp_print(hmp, "%u: '%s'", i, (const char *)history->pdata[i]);
}

/* Lines into each processor that are up. Interrupt controllers add their own page to this one by monitor_info_add. */
static void info_irq(struct hmp *hmp)
{
    for (u32 i = 0; i < vm_vcpu_count(hmp->vm); i++) {
        struct vcpu *vcpu = vm_vcpu(hmp->vm, i);

        g_string_append_printf(hmp->out, "CPU#%u lines up:", i);
        for (u32 line = 0; vcpu->line && line < vcpu->cpu->line_count; line++)
            if (line_level(&vcpu->line[line]))
                g_string_append_printf(hmp->out, " %u", line);
        g_string_append_c(hmp->out, '\n');
    }
}

static void print_tree(struct hmp *hmp, struct vm_object *object, int indent)
{
    hmp_print(hmp, "%*s/%s (%s)", indent, "", object->name, object->class->name);
    for (guint i = 0; i < object->children->len; i++)
        print_tree(hmp, object->children->pdata[i], indent + 2);
}

static void info_qom_tree(struct hmp *hmp)
{
    g_autofree char *path = hmp_word(hmp);
    struct vm_object *object = path ? vm_object_resolve(hmp->vm, path) : vm_machine(hmp->vm);

    if (object)
        print_tree(hmp, object, 0);
    else
        hmp_print(hmp, "Path '%s' could not be resolved.", path ? path : "/machine");
}

const struct hmp_command hmp_info_pages[] = {
    { "accel", "", "the accelerator in use", info_accel },
    { "block", "[-n] [-v] [device]", "disks; -n: block nodes; -v: with images", hmp_info_block },
    { "blockstats", "", "what disks have done", hmp_info_blockstats },
    { "chardev", "", "character back ends", info_chardev },
    { "cpus", "", "processors and their threads", info_cpus },
    { "history", "", "lines typed", info_history },
    { "iothreads", "", "threads that carry disks", hmp_info_iothreads },
    { "irq", "", "interrupt lines that are up", info_irq },
    { "jit", "", "statistics of the translator", info_jit },
    { "kvm", "", "whether KVM is in use", info_kvm },
    { "mem", "", "virtual memory that is mapped", info_mem },
    { "memdev", "", "memory backends", hmp_info_memdev },
    { "memory_size_summary", "", "how much memory the guest has", hmp_info_memory_size },
    { "mice", "", "pointers", hmp_info_mice },
    { "mtree", "[-f] [-d] [-o] [-D]", "the map of physical memory; -f: flat; -d, with -f: what an access comes to; -o: owners; -D: also what is switched off",
      hmp_info_mtree },
    { "name", "", "the guest's name", info_name },
    { "numa", "", "NUMA nodes of the guest", hmp_info_numa },
    { "network", "", "network cards and netdevs", hmp_info_network },
    { "balloon", "", "how much memory the guest keeps", hmp_info_balloon },
    { "pci", "", "what is on the PCI buses", hmp_info_pci },
    { "qom-tree", "[path]", "the tree of objects", info_qom_tree },
    { "qtree", "", "the tree of devices", hmp_info_qtree },
    { "registers", "[-a]", "registers of the processor; -a: of all", info_registers },
    { "status", "", "whether the machine runs", info_status },
    { "tlb", "", "translations of virtual memory", info_tlb },
    { "trace-events", "", "trace events and whether they are on", hmp_info_trace_events },
    { "usernet", "", "connections of user networking", hmp_info_usernet },
    { "uuid", "", "the guest's UUID", info_uuid },
    { "version", "", "the version", info_version },
    { 0 },
};
