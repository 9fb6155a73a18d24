/* monitor/qmp_control.c - commands about the protocol itself. */
#include "api/introspect.h"
#include "api/json.h"
#include "api/options.h"
#include "api/version.h"
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "vm/clock.h"
#include "vm/icount.h"
#include "vm/machine.h"
#include "vm/vcpu.h"
#include <string.h>
#include <unistd.h>

bool qmp_qmp_capabilities(struct monitor *monitor, const struct api_args_qmp_capabilities *args, GError **error)
{
    if (args->enable && args->enable->len)
        return error_set(error, "Capability 'oob' is not available");
    monitor->negotiated = true;
    return true;
}

bool qmp_query_version(struct monitor *monitor, struct api_version_info **ret, GError **error)
{
    *ret = api_new(&api_type_version_info);
    (*ret)->qemu = api_new(&api_type_version_triple);
    (*ret)->qemu->major = API_QEMU_MAJOR;
    (*ret)->qemu->minor = API_QEMU_MINOR;
    (*ret)->qemu->micro = API_QEMU_MICRO;
    (*ret)->package = g_strdup("mynah " API_VERSION);
    return true;
}

bool qmp_query_commands(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    *ret = api_list_new();
    for (unsigned i = 0; i < monitor_command_count; i++) {
        struct api_command_info *info = api_new(&api_type_command_info);

        info->name = g_strdup(monitor_commands[i].name);
        g_ptr_array_add(*ret, info);
    }
    return true;
}

bool qmp_query_events(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    *ret = api_list_new();
    for (unsigned i = 0; api_event_names[i]; i++) {
        struct api_event_info *info = api_new(&api_type_event_info);

        info->name = g_strdup(api_event_names[i]);
        g_ptr_array_add(*ret, info);
    }
    return true;
}

bool qmp_query_qmp_schema(struct monitor *monitor, struct json_object **ret, GError **error)
{
    *ret = json_object_new_array();
    for (unsigned i = 0; api_introspect_rows[i]; i++) {
        struct json_object *row = api_json_parse(api_introspect_rows[i], strlen(api_introspect_rows[i]), error);

        if (!row)
            return false;
        json_object_array_add(*ret, row);
    }
    return true;
}

struct machine_keys {
    struct json_object *list;
    GHashTable *seen;
    u32 guest;
};

static void add_machine_key(struct machine_keys *keys, const struct vm_property *property)
{
    static const char *const types[] = { [VM_PROPERTY_BOOL] = "boolean", [VM_PROPERTY_SIZE] = "size" };
    const char *type = property->type < ARRAY_SIZE(types) ? types[property->type] : NULL;
    struct json_object *key;

    if (!g_hash_table_add(keys->seen, (char *)property->name))
        return;
    key = json_object_new_object();
    if (property->description)
        json_object_object_add(key, "help", json_object_new_string(property->description));
    json_object_object_add(key, "name", json_object_new_string(property->name));
    json_object_object_add(key, "type", json_object_new_string(type ? type : "string"));
    json_object_array_add(keys->list, key);
}

static void add_machine_keys(const struct vm_class *class, void *opaque)
{
    struct machine_keys *keys = opaque;
    g_autoptr(GPtrArray) properties = NULL;

    if (!vm_class_is_a(class, "machine", keys->guest))
        return;
    properties = vm_class_properties(class, keys->guest);
    for (guint i = 0; i < properties->len; i++)
        add_machine_key(keys, properties->pdata[i]);
}

/* The properties of all boards belong to -machine. */
static void complete_machine(struct vm *vm, struct json_object *option)
{
    struct machine_keys keys = { .seen = g_hash_table_new(g_str_hash, g_str_equal), .guest = vm_guest(vm) };

    json_object_object_get_ex(option, "parameters", &keys.list);
    for (size_t i = 0; i < json_object_array_length(keys.list); i++) {
        struct json_object *key = json_object_array_get_idx(keys.list, i);

        g_hash_table_add(keys.seen, (char *)json_object_get_string(json_object_object_get(key, "name")));
    }
    vm_class_foreach(keys.guest, add_machine_keys, &keys);
    g_hash_table_unref(keys.seen);
}

bool qmp_query_command_line_options(struct monitor *monitor, const struct api_args_query_command_line_options *args,
                                    struct json_object **ret, GError **error)
{
    *ret = api_option_describe(args->option, error);
    for (size_t i = 0; *ret && i < json_object_array_length(*ret); i++) {
        struct json_object *option = json_object_array_get_idx(*ret, i);

        if (!strcmp(json_object_get_string(json_object_object_get(option, "option")), "machine"))
            complete_machine(monitor->set->vm, option);
    }
    return *ret != NULL;
}

bool qmp_human_monitor_command(struct monitor *monitor, const struct api_args_human_monitor_command *args, char **ret,
                               GError **error)
{
    GString *out;
    u32 before = monitor->cpu;

    if (args->has_cpu_index) {
        if (args->cpu_index < 0 || args->cpu_index >= vm_vcpu_count(monitor->set->vm))
            return error_set(error, "Parameter 'cpu-index' expects a CPU number");
        monitor->cpu = (u32)args->cpu_index;
    }
    out = g_string_new(NULL);
    hmp_execute(monitor, args->command_line, out);
    if (args->has_cpu_index)
        monitor->cpu = before;
    *ret = g_string_free(out, FALSE);
    return true;
}

bool qmp_getfd(struct monitor *monitor, const struct api_args_getfd *args, GError **error)
{
    int fd = monitor->io.take_fd ? monitor->io.take_fd(monitor->io.opaque) : -1;

    if (fd < 0)
        return error_set(error, "No file descriptor supplied via SCM_RIGHTS");
    if (g_ascii_isdigit(args->fdname[0])) {
        close(fd);
        return error_set(error, "Parameter 'fdname' expects a name not starting with a digit");
    }
    g_hash_table_replace(monitor->fds, g_strdup(args->fdname), GINT_TO_POINTER(fd));
    return true;
}

bool qmp_closefd(struct monitor *monitor, const struct api_args_closefd *args, GError **error)
{
    return g_hash_table_remove(monitor->fds, args->fdname) ||
           error_set(error, "File descriptor named '%s' has not been found", args->fdname);
}

bool qmp_x_query_jit(struct monitor *monitor, struct api_human_readable_text **ret, GError **error)
{
    struct accel *accel = vm_accel(monitor->set->vm);

    if (!accel || !accel->accel_class->describe)
        return error_set(error, "JIT information is only available with accel=tcg");
    *ret = api_new(&api_type_human_readable_text);
    (*ret)->human_readable_text = accel->accel_class->describe(monitor->set->vm);
    return true;
}

static bool need_icount(struct vm *vm, GError **error)
{
    return vm_icount_on(vm) || error_set(error, "instructions are counted only with -icount");
}

bool qmp_x_query_icount(struct monitor *monitor, struct api_icount_info **ret, GError **error)
{
    struct vm *vm = monitor->set->vm;

    if (!need_icount(vm, error))
        return false;
    *ret = api_new(&api_type_icount_info);
    (*ret)->count = vm_icount_executed(vm);
    (*ret)->time = (u64)vm_clock_now(vm, VM_CLOCK_VIRTUAL);
    if (!vm_running(vm))
        (*ret)->hash = g_strdup_printf("%016" G_GINT64_MODIFIER "x", vm_state_hash(vm));
    return true;
}

bool qmp_x_icount_stop(struct monitor *monitor, const struct api_args_x_icount_stop *args, GError **error)
{
    struct vm *vm = monitor->set->vm;

    if (!need_icount(vm, error))
        return false;
    if (vm_running(vm))
        return error_set(error, "the machine must be stopped first");
    return vm_icount_stop_at(vm, args->count) ||
           error_set(error, "%" G_GUINT64_FORMAT " instructions were executed before", vm_icount_executed(vm));
}
