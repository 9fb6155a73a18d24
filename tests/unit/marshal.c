/* tests/unit/marshal.c - generated types between C and JSON. */
#include "api/introspect.h"
#include "api/json.h"
#include "api/types.h"
#include "base/error.h"
#include <string.h>

static struct json_object *json(const char *text)
{
    GError *error = NULL;
    struct json_object *object = api_json_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return object;
}

static const struct {
    const struct api_type *type;
    const char *text;
} round_trips[] = {
    { &api_type_status_info, "{ \"running\": true, \"status\": \"paused\" }" },
    { &api_type_args_set_action, "{ \"reboot\": \"shutdown\", \"watchdog\": \"inject-nmi\" }" },
    { &api_type_args_set_action, "{ \"reboot\": \"reset\", \"panic\": \"pause\" }" },
    { &api_type_args_set_action, "{ }" },
    { &api_type_machine_info, "{ \"name\": \"virt\", \"is-default\": false, \"cpu-max\": 64, \"hotpluggable-cpus\": false, "
                              "\"numa-mem-supported\": false, \"deprecated\": false, \"acpi\": true }" },
    { &api_type_cpu_info_fast, "{ \"cpu-index\": 0, \"qom-type\": \"t\", \"qom-path\": \"/p\", \"thread-id\": -1, "
                               "\"props\": { \"core-id\": 9223372036854775807 }, \"target\": \"riscv64\" }" },
    { &api_type_memory_info, "{ \"base-memory\": 18446744073709551615 }" },
    { &api_type_accelerator_info, "{ \"enabled\": \"tcg\", \"present\": [ \"qtest\", \"tcg\" ] }" },
    { &api_type_args_qom_list_get, "{ \"paths\": [ \"/a\", \"/b\" ] }" },
    { &api_type_args_qom_list_get, "{ \"paths\": [ ] }" },
    { &api_type_args_qom_set, "{ \"path\": \"a\", \"property\": \"b\", \"value\": { \"c\": [ 1, 2.5, null ] } }" },
    { &api_type_args_chardev_add,
      "{ \"id\": \"c\", \"backend\": { \"type\": \"socket\", \"data\": { \"addr\": { \"type\": \"unix\", \"data\": "
      "{ \"path\": \"/s\" } }, \"server\": false } } }" },
    { &api_type_args_chardev_add, "{ \"id\": \"c\", \"backend\": { \"type\": \"null\", \"data\": { } } }" },
};

static void test_round_trip(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(round_trips); i++) {
        struct json_object *in = json(round_trips[i].text), *out;
        GError *error = NULL;
        void *value = NULL;

        api_from_json(round_trips[i].type, "", in, &value, &error);
        g_assert_no_error(error);
        out = api_to_json(round_trips[i].type, &value);
        g_autofree char *text = api_json_print(out, false);
        g_assert_cmpstr(text, ==, round_trips[i].text);
        api_clear(round_trips[i].type, &value);
        g_assert_null(value);
        json_object_put(in);
        json_object_put(out);
    }
}

static const struct {
    const struct api_type *type;
    const char *text, *message;
} refused[] = {
    { &api_type_status_info, "{ \"running\": true }", "Parameter 'status' is missing" },
    { &api_type_status_info, "{ \"running\": 1, \"status\": \"paused\" }",
      "Invalid parameter type for 'running', expected: boolean" },
    { &api_type_status_info, "{ \"running\": true, \"status\": \"pausd\" }",
      "Parameter 'status' does not accept value 'pausd'\ndid you mean 'paused'?" },
    { &api_type_status_info, "{ \"running\": true, \"status\": \"paused\", \"x\": 1 }", "Parameter 'x' is unexpected" },
    { &api_type_args_set_action, "{ \"rebot\": \"reset\" }", "Parameter 'rebot' is unexpected\ndid you mean 'reboot'?" },
    { &api_type_status_info, "[ ]", "Invalid parameter type for '', expected: object" },
    { &api_type_args_qom_list_get, "{ \"paths\": [ \"/a\", 7 ] }",
      "Invalid parameter type for 'paths[1]', expected: string" },
    { &api_type_args_memsave, "{ \"val\": -1, \"size\": 1, \"filename\": \"f\" }", "Parameter 'val' is out of range" },
    { &api_type_args_ringbuf_read, "{ \"device\": \"d\", \"size\": 9223372036854775808 }",
      "Parameter 'size' is out of range" },
    { &api_type_args_ringbuf_read, "{ \"device\": \"d\", \"size\": 1.0 }",
      "Invalid parameter type for 'size', expected: integer" },
    { &api_type_args_chardev_add, "{ \"id\": \"c\", \"backend\": { \"type\": \"file\", \"data\": { } } }",
      "Parameter 'backend.data.out' is missing" },
    { &api_type_args_chardev_add, "{ \"id\": \"c\", \"backend\": { \"type\": \"file\", \"data\": { \"out\": \"f\", \"outt\": 1 } } }",
      "Parameter 'backend.data.outt' is unexpected\ndid you mean 'out'?" },
    { &api_type_args_chardev_add, "{ \"id\": \"c\", \"backend\": { \"type\": \"file\" } }",
      "Parameter 'backend.data' is missing" },
};

static void test_refused(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        struct json_object *in = json(refused[i].text);
        GError *error = NULL;
        void *value = NULL;

        g_assert_false(api_from_json(refused[i].type, "", in, &value, &error));
        g_assert_cmpstr(error->message, ==, refused[i].message);
        g_assert_null(value);
        g_error_free(error);
        json_object_put(in);
    }
}

static const struct {
    const char *text, *message;
} malformed[] = {
    { "{", "JSON parse error at byte 1: the text ends too early" },
    { "", "JSON parse error at byte 0: the text ends too early" },
    { "null", "JSON parse error at byte 4: the text ends too early" },
    { "{} {}", "JSON parse error at byte 3: unexpected text" },
    { "{\"a\":\"\xff\"}", "JSON text is not valid UTF-8" },
    { "{\"a\": [1, {\"b\": \"c\\u0000d\"}]}", "a: b: A JSON string contains a NUL character" },
    { "{\"a\" 1}", "JSON parse error at byte 5: object property name separator ':' expected" },
};

static void test_malformed(void)
{
    g_autofree char *deep = g_strnfill(100000, '[');

    for (unsigned i = 0; i < ARRAY_SIZE(malformed); i++) {
        GError *error = NULL;

        g_assert_null(api_json_parse(malformed[i].text, strlen(malformed[i].text), &error));
        g_assert_cmpstr(error->message, ==, malformed[i].message);
        g_error_free(error);
    }
    g_assert_null(api_json_parse(deep, strlen(deep), NULL));
}

static void collect(void *opaque, const char *name, struct json_object *data)
{
    g_string_append_printf(opaque, "%s%s;", name, data ? json_object_to_json_string(data) : "");
    json_object_put(data);
}

static void test_events(void)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    struct api_event_sink sink = { collect, seen };

    api_event_stop(&sink);
    api_event_shutdown(&sink, true, API_SHUTDOWN_CAUSE_GUEST_RESET);
    g_assert_cmpstr(seen->str, ==, "STOP;SHUTDOWN{ \"guest\": true, \"reason\": \"guest-reset\" };");
}

static void put(void *object)
{
    json_object_put(object);
}

static void check_reference(GHashTable *names, struct json_object *row, const char *key)
{
    struct json_object *name;

    if (json_object_object_get_ex(row, key, &name))
        g_assert_true(g_hash_table_contains(names, json_object_get_string(name)));
}

/* Every type that the schema mentions is in it; names are unique. */
static void test_introspection(void)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(put);
    static const char *const lists[] = { "members", "variants" };
    struct json_object *list;

    for (unsigned i = 0; api_introspect_rows[i]; i++) {
        struct json_object *row = json(api_introspect_rows[i]);

        g_ptr_array_add(rows, row);
        g_assert_true(g_hash_table_add(names, (char *)json_object_get_string(json_object_object_get(row, "name"))));
    }
    for (unsigned i = 0; i < rows->len; i++) {
        check_reference(names, rows->pdata[i], "arg-type");
        check_reference(names, rows->pdata[i], "ret-type");
        check_reference(names, rows->pdata[i], "element-type");
        for (unsigned l = 0; l < ARRAY_SIZE(lists); l++)
            if (json_object_object_get_ex(rows->pdata[i], lists[l], &list))
                for (size_t m = 0; m < json_object_array_length(list); m++)
                    check_reference(names, json_object_array_get_idx(list, m), "type");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/marshal/round-trip", test_round_trip);
    g_test_add_func("/marshal/refused", test_refused);
    g_test_add_func("/marshal/malformed", test_malformed);
    g_test_add_func("/marshal/events", test_events);
    g_test_add_func("/marshal/introspection", test_introspection);
    return g_test_run();
}
