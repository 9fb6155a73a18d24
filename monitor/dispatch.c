/* monitor/dispatch.c - checks a QMP request, calls the handler, makes the answer. */
#include "monitor/dispatch.h"
#include "api/json.h"
#include "base/error.h"
#include "monitor/internal.h"
#include "vm/object.h"
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *name, const void *row)
{
    return strcmp(name, ((const struct monitor_command *)row)->name);
}

static const struct monitor_command *find(const char *name)
{
    return bsearch(name, monitor_commands, monitor_command_count, sizeof(monitor_commands[0]), compare);
}

struct json_object *monitor_error_answer(const GError *error)
{
    static const char *const classes[] = {
        [ERROR_GENERIC] = "GenericError",
        [ERROR_COMMAND_NOT_FOUND] = "CommandNotFound",
        [ERROR_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
        [ERROR_DEVICE_NOT_FOUND] = "DeviceNotFound",
    };
    struct json_object *answer = json_object_new_object(), *body = json_object_new_object();
    g_autofree char *headline = error_headline(error);
    g_autofree char *text = g_utf8_make_valid(headline, -1);

    json_object_object_add(body, "class", json_object_new_string(classes[error_class_of(error)]));
    json_object_object_add(body, "desc", json_object_new_string(text));
    json_object_object_add(answer, "error", body);
    return answer;
}

/* The members that a request may have; sets *name and *arguments (borrowed). */
static bool check_request(struct json_object *request, const char **name, struct json_object **arguments, GError **error)
{
    if (!json_object_is_type(request, json_type_object))
        return error_set(error, "QMP input must be a JSON object");
    if (!api_json_check_strings(request, error))
        return false;
    json_object_object_foreach(request, key, value) {
        if (!strcmp(key, "execute")) {
            if (!json_object_is_type(value, json_type_string))
                return error_set(error, "QMP input member 'execute' must be a string");
            *name = json_object_get_string(value);
        } else if (!strcmp(key, "arguments")) {
            if (!json_object_is_type(value, json_type_object))
                return error_set(error, "QMP input member 'arguments' must be an object");
            *arguments = value;
        } else if (!strcmp(key, "exec-oob")) {
            return error_set(error, "QMP input member 'exec-oob' is unexpected: capability 'oob' is not available");
        } else if (strcmp(key, "id")) {
            return error_set(error, "QMP input member '%s' is unexpected", key);
        }
    }
    return *name || error_set(error, "QMP input lacks member 'execute'");
}

static bool check_phase(struct monitor *monitor, const struct monitor_command *command, GError **error)
{
    if (!monitor->negotiated && !command->early)
        return error_set_class(error, ERROR_COMMAND_NOT_FOUND,
                               "Expecting capabilities negotiation with 'qmp_capabilities'");
    if (monitor->negotiated && command->early)
        return error_set_class(error, ERROR_COMMAND_NOT_FOUND,
                               "Capabilities negotiation is already complete, command ignored");
    return true;
}

static bool call(struct monitor *monitor, const struct monitor_command *command, struct json_object *arguments,
                 struct json_object **result, GError **error)
{
    void *args = NULL, *ret = NULL;
    bool ok = true;

    if (command->open) {
        args = arguments ? json_object_get(arguments) : json_object_new_object();
    } else if (command->args) {
        struct json_object *given = arguments ? json_object_get(arguments) : json_object_new_object();

        ok = api_from_json(command->args, "", given, &args, error);
        json_object_put(given);
    } else if (arguments && json_object_object_length(arguments)) {
        json_object_object_foreach(arguments, key, value) {
            (void)value;
            error_set(error, "Parameter '%s' is unexpected", key);
        }
        ok = false;
    }
    ok = ok && command->call(monitor, args, &ret, error);
    if (ok)
        *result = command->returns ? api_to_json(command->returns, &ret) : json_object_new_object();
    if (command->returns)
        api_clear(command->returns, &ret);
    if (command->open)
        json_object_put(args);
    else if (command->args)
        api_clear(command->args, &args);
    return ok;
}

static bool run(struct monitor *monitor, struct json_object *request, struct json_object **result, GError **error)
{
    const struct monitor_command *command;
    struct json_object *arguments = NULL;
    const char *name = NULL;
    bool locked, ok;

    if (!check_request(request, &name, &arguments, error))
        return false;
    command = find(name);
    if (!command)
        return error_set_class(error, ERROR_COMMAND_NOT_FOUND, "The command %s has not been found", name);
    if (!check_phase(monitor, command, error))
        return false;
    locked = vm_lock_if_needed(monitor->set->vm);
    if (monitor->object)
        monitor->object->users++;
    ok = call(monitor, command, arguments, result, error);
    if (monitor->object)
        monitor->object->users--;
    monitor_settle_fds(monitor, ok);
    vm_unlock_if(monitor->set->vm, locked);
    return ok;
}

struct json_object *monitor_dispatch(struct monitor *monitor, struct json_object *request)
{
    struct json_object *result = NULL, *answer, *id;
    g_autoptr(GError) error = NULL;

    if (run(monitor, request, &result, &error)) {
        answer = json_object_new_object();
        json_object_object_add(answer, "return", result);
    } else {
        answer = monitor_error_answer(error);
    }
    if (json_object_is_type(request, json_type_object) && json_object_object_get_ex(request, "id", &id) && api_json_check_strings(id, NULL))
        json_object_object_add(answer, "id", json_object_get(id));
    return answer;
}
