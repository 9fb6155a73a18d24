/* monitor/qmp_machine.c - commands about what the machine is. */
#include "base/error.h"
#include "host/numa.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "monitor/property.h"
#include "vm/machine.h"
#include "vm/memory_backend.h"
#include "vm/numa.h"
#include "vm/memory.h"
#include "vm/vcpu.h"
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

bool qmp_query_name(struct monitor *monitor, struct api_name_info **ret, GError **error)
{
    *ret = api_new(&api_type_name_info);
    (*ret)->name = g_strdup(vm_name(monitor->set->vm));
    return true;
}

bool qmp_query_uuid(struct monitor *monitor, struct api_uuid_info **ret, GError **error)
{
    const char *uuid = vm_uuid(monitor->set->vm);

    *ret = api_new(&api_type_uuid_info);
    (*ret)->uuid = g_strdup(uuid ? uuid : "00000000-0000-0000-0000-000000000000");
    return true;
}

static enum api_sys_emu_target target_of(const struct vm *vm)
{
    int target = api_enum_find(&api_type_sys_emu_target, vm_guest_name(vm));

    return target < 0 ? API_SYS_EMU_TARGET_RISCV64 : (enum api_sys_emu_target)target;
}

bool qmp_query_target(struct monitor *monitor, struct api_target_info **ret, GError **error)
{
    *ret = api_new(&api_type_target_info);
    (*ret)->arch = target_of(monitor->set->vm);
    return true;
}

struct class_list {
    GPtrArray *list;
    u32 guest;
};

static void add_machine(const struct vm_class *class, void *opaque)
{
    struct class_list *found = opaque;
    const struct machine_class *machine;
    struct api_machine_info *info;

    if (class->abstract || !class->data || !vm_class_is_a(class, "machine", found->guest))
        return;
    machine = machine_class_of(class);
    info = api_new(&api_type_machine_info);
    info->name = g_strdup(machine->name);
    info->alias = g_strdup(machine->alias);
    info->has_is_default = info->is_default = machine->is_default;
    info->cpu_max = MAX(machine->max_cpus, 1);
    info->default_cpu_type = g_strdup(machine->default_cpu_type);
    info->default_ram_id = g_strdup(machine->default_ram_id);
    info->numa_mem_supported = machine->has_numa;
    info->acpi = vm_class_property(class, found->guest, "acpi") != NULL;
    g_ptr_array_add(found->list, info);
}

bool qmp_query_machines(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    struct class_list found = { *ret = api_list_new(), vm_guest(monitor->set->vm) };

    vm_class_foreach(found.guest, add_machine, &found);
    return true;
}

bool qmp_query_current_machine(struct monitor *monitor, struct api_current_machine_params **ret, GError **error)
{
    *ret = api_new(&api_type_current_machine_params);
    return true;
}

bool qmp_query_cpus_fast(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    struct vm *vm = monitor->set->vm;
    struct vm_object *machine = vm_machine(vm);
    const struct numa *numa = machine && vm_object_is_a(machine, "machine") ? container_of(machine, struct machine, object)->numa : NULL;

    *ret = api_list_new();
    for (u32 i = 0; i < vm_vcpu_count(vm); i++) {
        struct vcpu *vcpu = vm_vcpu(vm, i);
        struct api_cpu_info_fast *info = api_new(&api_type_cpu_info_fast);

        info->cpu_index = i;
        info->qom_type = g_strdup(vcpu->object.class->name);
        info->qom_path = vm_object_path(&vcpu->object);
        info->thread_id = (s64)vcpu->thread_id;
        info->props = api_new(&api_type_cpu_instance_properties);
        info->props->has_core_id = true;
        info->props->core_id = i;
        info->props->has_node_id = numa != NULL;
        info->props->node_id = numa ? numa->cpu_node[i] : 0;
        info->target = target_of(vm);
        g_ptr_array_add(*ret, info);
    }
    return true;
}

static void add_cpu(const struct vm_class *class, void *opaque)
{
    struct class_list *found = opaque;
    const char *suffix = vm_guest_cpu_suffix(found->guest);
    struct api_cpu_definition_info *info;

    if (class->abstract || !vm_class_is_a(class, "cpu", found->guest) || !g_str_has_suffix(class->name, suffix))
        return;
    info = api_new(&api_type_cpu_definition_info);
    info->name = g_strndup(class->name, strlen(class->name) - strlen(suffix));
    info->typename = g_strdup(class->name);
    g_ptr_array_add(found->list, info);
}

bool qmp_query_cpu_definitions(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    struct class_list found = { *ret = api_list_new(), vm_guest(monitor->set->vm) };

    vm_class_foreach(found.guest, add_cpu, &found);
    return true;
}

/* Sets what the client asks for. */
static bool apply_props(struct vm_object *cpu, struct json_object *props, GError **error)
{
    if (!json_object_is_type(props, json_type_object))
        return error_set(error, "Invalid parameter type for 'model.props', expected: object");
    json_object_object_foreach(props, name, value) {
        g_autofree char *text = property_text(name, value, error);

        if (!text || !vm_object_set(cpu, name, text, error))
            return false;
    }
    return true;
}

static struct json_object *boolean_props(struct vm_object *cpu)
{
    g_autoptr(GPtrArray) properties = vm_class_properties(cpu->class, vm_guest(cpu->vm));
    struct json_object *props = json_object_new_object();

    for (guint i = 0; i < properties->len; i++) {
        const struct vm_property *property = properties->pdata[i];
        g_autofree char *text = property_is_bool(property) ? vm_object_get(cpu, property->name, NULL) : NULL;

        if (text)
            json_object_object_add(props, property->name, property_json(property, text));
    }
    return props;
}

static bool complete(struct vm_object *cpu, GError **error)
{
    const struct cpu_class *class = cpu->class->data;

    return !class || !class->complete || class->complete(cpu, error);
}

/* A model's properties are known by its instances: makes one that never becomes real. */
bool qmp_query_cpu_model_expansion(struct monitor *monitor, const struct api_args_query_cpu_model_expansion *args,
                                   struct api_cpu_model_expansion_info **ret, GError **error)
{
    struct vm *vm = monitor->set->vm;
    g_autofree char *name = g_strconcat(args->model->name, vm_guest_cpu_suffix(vm_guest(vm)), NULL);
    struct vm_object *cpu;

    if (args->type != API_CPU_MODEL_EXPANSION_TYPE_FULL)
        return error_set(error, "The requested expansion type is not supported");
    if (!vm_class_find(name, vm_guest(vm)))
        return error_set(error, "The CPU type '%s' is not known", args->model->name);
    cpu = vm_object_create(vm, name, vm_root(vm), "cpu-model[*]", error);
    if (!cpu)
        return false;
    if ((!args->model->props || apply_props(cpu, args->model->props, error)) && complete(cpu, error)) {
        *ret = api_new(&api_type_cpu_model_expansion_info);
        (*ret)->model = api_new(&api_type_cpu_model_info);
        (*ret)->model->name = g_strdup(args->model->name);
        (*ret)->model->props = boolean_props(cpu);
    }
    vm_object_destroy(cpu);
    return *ret != NULL;
}

bool qmp_query_accelerators(struct monitor *monitor, struct api_accelerator_info **ret, GError **error)
{
    struct accel *accel = vm_accel(monitor->set->vm);
    int enabled = accel ? api_enum_find(&api_type_accelerator, accel->accel_class->name) : -1;

    *ret = api_new(&api_type_accelerator_info);
    (*ret)->enabled = enabled < 0 ? API_ACCELERATOR_TCG : (enum api_accelerator)enabled;
    (*ret)->present = api_list_new();
    g_ptr_array_add((*ret)->present, GUINT_TO_POINTER(API_ACCELERATOR_QTEST));
    g_ptr_array_add((*ret)->present, GUINT_TO_POINTER(API_ACCELERATOR_TCG));
    return true;
}

bool qmp_query_kvm(struct monitor *monitor, struct api_kvm_info **ret, GError **error)
{
    *ret = api_new(&api_type_kvm_info);
    return true;
}

bool qmp_query_memory_size_summary(struct monitor *monitor, struct api_memory_info **ret, GError **error)
{
    struct vm_object *machine = vm_machine(monitor->set->vm);

    *ret = api_new(&api_type_memory_info);
    if (machine && vm_object_is_a(machine, "machine"))
        (*ret)->base_memory = container_of(machine, struct machine, object)->ram_size;
    (*ret)->has_plugged_memory = true;
    return true;
}

bool qmp_query_hotpluggable_cpus(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    return error_set(error, "machine does not support hot-plugging CPUs");
}

static void add_memdev(const struct memory_backend_info *from, void *opaque)
{
    struct api_memdev *to = api_new(&api_type_memdev);

    to->id = g_strdup(from->id);
    to->size = from->size;
    to->merge = from->merge;
    to->dump = from->dump;
    to->prealloc = from->prealloc;
    to->share = from->share;
    to->has_reserve = true;
    to->reserve = from->reserve;
    to->policy = (enum api_host_mem_policy)from->policy;
    to->host_nodes = api_list_new();
    for (u64 node = 0; node < HOST_NUMA_NODES; node++) {
        if (from->host_nodes[node / 64] >> node % 64 & 1)
            g_ptr_array_add(to->host_nodes, GSIZE_TO_POINTER(node));
    }
    g_ptr_array_add(opaque, to);
}

bool qmp_query_memdev(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    memory_backend_foreach(monitor->set->vm, add_memdev, *ret = api_list_new());
    return true;
}

/* Where memory to be saved comes from: a vCPU's virtual memory, or physical memory. */
struct memory_source {
    struct vm *vm;
    struct vcpu *vcpu; /* NULL: physical */
};

static bool read_memory(const struct memory_source *source, u64 address, void *to, u64 size)
{
    return source->vcpu ? vcpu_read_memory(source->vcpu, address, to, size)
                        : space_read_bytes(vm_memory(source->vm), address, to, size) == MEM_OK;
}

static bool copy_to_file(const struct memory_source *source, u64 address, u64 size, FILE *file, GError **error)
{
    u8 page[4096];

    while (size) {
        u64 step = MIN(size, sizeof(page) - address % sizeof(page));

        if (!read_memory(source, address, page, step))
            return error_set(error, "Invalid addr 0x%016" G_GINT64_MODIFIER "x/size %" G_GUINT64_FORMAT " specified",
                             address, size);
        if (fwrite(page, 1, step, file) != step)
            return error_set(error, "writing guest memory to file failed");
        address += step;
        size -= step;
    }
    return true;
}

static bool save_memory(const struct memory_source *source, u64 address, u64 size, const char *path, GError **error)
{
    bool running = vm_running(source->vm), ok;
    FILE *file = fopen(path, "wb");

    if (!file)
        return error_set(error, "Could not open '%s': %s", path, g_strerror(errno));
    if (running)
        vm_vcpus_stop(source->vm);
    ok = copy_to_file(source, address, size, file, error);
    if (running)
        vm_vcpus_resume(source->vm);
    if (fclose(file) && ok)
        return error_set(error, "writing guest memory to file failed");
    return ok;
}

bool qmp_memsave(struct monitor *monitor, const struct api_args_memsave *args, GError **error)
{
    u32 count = vm_vcpu_count(monitor->set->vm);
    s64 index = args->has_cpu_index ? args->cpu_index : 0;
    struct memory_source source = { .vm = monitor->set->vm };

    if (index < 0 || index >= count)
        return error_set(error, "Parameter 'cpu-index' expects a CPU number");
    source.vcpu = vm_vcpu(source.vm, (u32)index);
    return save_memory(&source, args->val, args->size, args->filename, error);
}

bool qmp_pmemsave(struct monitor *monitor, const struct api_args_pmemsave *args, GError **error)
{
    struct memory_source source = { .vm = monitor->set->vm };

    return save_memory(&source, args->val, args->size, args->filename, error);
}
