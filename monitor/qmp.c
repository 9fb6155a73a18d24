/*
 * monitor/qmp.c - a QMP connection: bytes to messages and back (QEMU Machine Protocol Specification, 2024).
 *
 * Whatever is no JSON is answered with an error; the connection goes on behind the next newline of what has arrived.
 */
#include "api/json.h"
#include "api/types.h"
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include <string.h>

static void send_object(struct monitor *monitor, struct json_object *object)
{
    g_autofree char *text = api_json_print(object, monitor->mode == MONITOR_QMP_PRETTY);
    g_autofree char *line = g_strconcat(text, "\r\n", NULL);

    json_object_put(object);
    monitor_write(monitor, line, strlen(line));
}

void qmp_greet(struct monitor *monitor)
{
    struct json_object *greeting = json_object_new_object(), *body = json_object_new_object();
    struct api_version_info *version = NULL;

    qmp_query_version(monitor, &version, NULL);
    json_object_object_add(body, "version", api_to_json(&api_type_version_info, &version));
    json_object_object_add(body, "capabilities", json_object_new_array());
    json_object_object_add(greeting, "QMP", body);
    api_free(&api_type_version_info, version);
    send_object(monitor, greeting);
}

/* It does not check UTF-8, as it would take a character that arrives in two pieces for a wrong one: the request is checked as a whole. */
static void renew_tokener(struct monitor *monitor)
{
    if (monitor->tokener)
        json_tokener_free(monitor->tokener);
    monitor->tokener = json_tokener_new_ex(API_JSON_MAX_DEPTH);
    monitor->message = 0;
}

void qmp_reset(struct monitor *monitor)
{
    renew_tokener(monitor);
    monitor->skipping = false;
    monitor->negotiated = false;
}

static void send_error(struct monitor *monitor, const char *text)
{
    g_autoptr(GError) error = NULL;

    error_set(&error, "%s", text);
    send_object(monitor, monitor_error_answer(error));
}

/* Bytes up to and with the next newline, or all. */
static size_t line_length(const u8 *data, size_t length)
{
    const u8 *end = memchr(data, '\n', length);

    return end ? (size_t)(end - data) + 1 : length;
}

static size_t refuse(struct monitor *monitor, const char *text, const u8 *data, size_t length)
{
    send_error(monitor, text);
    renew_tokener(monitor);
    return line_length(data, length);
}

/* Takes some bytes and returns how many. */
static size_t take(struct monitor *monitor, const u8 *data, size_t length)
{
    struct json_object *request;
    enum json_tokener_error status;
    size_t used;

    if (monitor->skipping) {
        used = line_length(data, length);
        monitor->skipping = data[used - 1] != '\n';
        return used;
    }
    if (!monitor->message && g_ascii_isspace(data[0]))
        return 1;
    request = json_tokener_parse_ex(monitor->tokener, (const char *)data, (int)length);
    status = json_tokener_get_error(monitor->tokener);
    used = json_tokener_get_parse_end(monitor->tokener);
    if (status == json_tokener_continue) {
        monitor->message += length;
        if (monitor->message <= MONITOR_MESSAGE_LIMIT)
            return length;
        monitor->skipping = data[length - 1] != '\n';
        return MAX(refuse(monitor, "QMP message is too long", data, length), length);
    }
    if (status != json_tokener_success) {
        g_autofree char *text = g_strdup_printf("JSON parse error: %s", json_tokener_error_desc(status));

        return refuse(monitor, text, data, length);
    }
    renew_tokener(monitor);
    send_object(monitor, monitor_dispatch(monitor, request));
    json_object_put(request);
    return MAX(used, 1);
}

size_t qmp_receive(struct monitor *monitor, const u8 *data, size_t length)
{
    size_t used = 0;

    while (used < length && monitor->open && monitor_has_room(monitor))
        used += take(monitor, data + used, length - used);
    return used;
}

void qmp_send_event(struct monitor *monitor, const char *name, struct json_object *data)
{
    struct json_object *event, *timestamp;
    s64 now = g_get_real_time();

    if (!monitor->negotiated || !monitor->open || monitor->output->len > MONITOR_OUTPUT_LIMIT)
        return;
    event = json_object_new_object();
    timestamp = json_object_new_object();
    json_object_object_add(timestamp, "seconds", json_object_new_int64(now / G_USEC_PER_SEC));
    json_object_object_add(timestamp, "microseconds", json_object_new_int64(now % G_USEC_PER_SEC));
    json_object_object_add(event, "timestamp", timestamp);
    json_object_object_add(event, "event", json_object_new_string(name));
    if (data)
        json_object_object_add(event, "data", json_object_get(data));
    send_object(monitor, event);
}
