/* chardev/legacy.c - the short forms of -serial, -monitor, -qmp, -gdb: "mon:stdio",
 * "tcp::4444,server=on". */
#include "chardev/backend.h"
#include "base/error.h"
#include <string.h>

static void put(GHashTable *options, const char *name, const char *value)
{
    g_hash_table_replace(options, g_strdup(name), g_strdup(value));
}

/* HOST:PORT or [V6]:PORT. */
static bool put_host_port(GHashTable *options, const char *text, GError **error)
{
    const char *colon = strrchr(text, ':');

    if (!colon || !colon[1]) {
        error_set(error, "'%s' is no HOST:PORT", text);
        return error_hint(
            error, "for example tcp:localhost:4444,server=on,wait=off; without HOST: tcp::4444");
    }
    g_autofree char *host = g_strndup(text, colon - text);
    size_t length = strlen(host);
    if (*host == '[' && host[length - 1] == ']') {
        host[length - 1] = 0;
        memmove(host, host + 1, length - 1);
    }
    put(options, "host", host);
    put(options, "port", colon + 1);
    return true;
}

static bool parse_socket(GHashTable *options, const char *kind, const char *rest, GError **error)
{
    g_autofree char *text = g_strconcat("address=", rest, NULL);
    g_autofree char *dummy = g_strconcat("socket,", text, NULL);
    g_autoptr(GHashTable) parsed = chardev_parse_options(dummy, error);
    GHashTableIter iter;
    gpointer name, value;

    if (!parsed)
        return false;
    g_hash_table_iter_init(&iter, parsed);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        if (strcmp(name, "address"))
            put(options, name, value);
    }
    const char *address = g_hash_table_lookup(parsed, "address");
    if (!strcmp(kind, "unix"))
        put(options, "path", address);
    else if (!put_host_port(options, address, error))
        return false;
    if (!strcmp(kind, "telnet"))
        put(options, "telnet", "on");
    return true;
}

/* [HOST]:PORT[@[OWN-HOST]:OWN-PORT] */
static bool parse_udp(GHashTable *options, const char *text, GError **error)
{
    const char *at = strchr(text, '@');
    g_autofree char *remote = at ? g_strndup(text, (gsize)(at - text)) : g_strdup(text);

    put(options, "backend", "udp");
    if (at) {
        if (!put_host_port(options, at + 1, error))
            return false;
        put(options, "localaddr", g_hash_table_lookup(options, "host"));
        put(options, "localport", g_hash_table_lookup(options, "port"));
    }
    return put_host_port(options, remote, error);
}

/* KIND:REST where REST is a path, with its commas. */
static bool parse_path_kind(GHashTable *options, const char *text)
{
    static const char *const kinds[] = {"file:", "pipe:"};

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (g_str_has_prefix(text, kinds[i])) {
            g_autofree char *kind = g_strndup(kinds[i], 4);

            put(options, "backend", kind);
            put(options, "path", text + 5);
            return true;
        }
    }
    if (g_str_has_prefix(text, "/dev/")) {
        put(options, "backend", "serial");
        put(options, "path", text);
        return true;
    }
    return false;
}

static bool parse(GHashTable *options, const char *text, GError **error)
{
    static const char *const sockets[] = {"unix", "tcp", "telnet"};

    if (parse_path_kind(options, text))
        return true;
    if (g_str_has_prefix(text, "udp:"))
        return parse_udp(options, text + strlen("udp:"), error);
    for (unsigned i = 0; i < ARRAY_SIZE(sockets); i++) {
        size_t length = strlen(sockets[i]);

        if (g_str_has_prefix(text, sockets[i]) && text[length] == ':')
            return parse_socket(options, sockets[i], text + length + 1, error);
    }
    /* "stdio", "null", "pty", "ringbuf", also with options behind a comma. */
    g_autofree char *kind = g_strndup(text, strcspn(text, ",:"));
    g_autoptr(GHashTable) parsed =
        chardev_parse_options(text[strlen(kind)] == ':' ? kind : text, error);
    GHashTableIter iter;
    gpointer name, value;

    if (!parsed)
        return false;
    g_hash_table_iter_init(&iter, parsed);
    while (g_hash_table_iter_next(&iter, &name, &value))
        put(options, name, value);
    return true;
}

static struct chardev *find_named(struct chardev_set *set, const char *id, GError **error)
{
    struct chardev *chardev = chardev_find(set, id);

    if (chardev)
        return chardev;
    error_set(error, "chardev '%s' not found", id);
    error_hint(error, "define it with -chardev KIND,id=%s", id);
    return NULL;
}

static struct chardev *create(struct chardev_set *set, GHashTable *options, const char *text,
                              GError **error)
{
    struct chardev *chardev = chardev_create(set, options, error);

    if (!chardev)
        error_prefix(error, "'%s'", text);
    return chardev;
}

struct chardev *chardev_create_legacy(struct chardev_set *set, const char *label, const char *text,
                                      bool *wants_monitor, GError **error)
{
    g_autoptr(GHashTable) options = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    bool monitor = g_str_has_prefix(text, "mon:");
    const char *plain = monitor ? text + strlen("mon:") : text;

    if (wants_monitor)
        *wants_monitor = monitor;
    if (!strcmp(text, "none"))
        return NULL;
    if (g_str_has_prefix(plain, "chardev:"))
        return find_named(set, plain + strlen("chardev:"), error);
    put(options, "backend", "socket");
    if (!parse(options, plain, error))
        return NULL;
    put(options, "id", label);
    if (monitor) {
        put(options, "mux", "on");
        /* Ctrl-C belongs to the guest when the monitor can end the emulator. */
        if (!strcmp(g_hash_table_lookup(options, "backend"), "stdio") &&
            !g_hash_table_contains(options, "signal"))
            put(options, "signal", "off");
    }
    return create(set, options, text, error);
}
