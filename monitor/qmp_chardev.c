/* monitor/qmp_chardev.c - commands about character back ends. */
#include "base/error.h"
#include "host/fdset.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "vm/machine.h"
#include <string.h>
#include <unistd.h>

static struct chardev *find(struct monitor *monitor, const char *id, GError **error)
{
    struct chardev *chardev = monitor->set->chardevs ? chardev_find(monitor->set->chardevs, id) : NULL;

    if (!chardev)
        error_set(error, "Chardev '%s' not found", id);
    return chardev;
}

bool qmp_query_chardev(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    GList *all = monitor->set->chardevs ? chardev_list(monitor->set->chardevs) : NULL;

    *ret = api_list_new();
    for (GList *at = all; at; at = at->next) {
        struct api_chardev_info *info = api_new(&api_type_chardev_info);

        info->label = g_strdup(chardev_id(at->data));
        info->filename = chardev_filename(at->data);
        info->frontend_open = chardev_front_is_open(at->data);
        g_ptr_array_add(*ret, info);
    }
    g_list_free(all);
    return true;
}

bool qmp_query_chardev_backends(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    g_autofree const char **kinds = chardev_kinds();

    *ret = api_list_new();
    for (unsigned i = 0; kinds[i]; i++) {
        struct api_chardev_backend_info *info = api_new(&api_type_chardev_backend_info);

        info->name = g_strdup(kinds[i]);
        g_ptr_array_add(*ret, info);
    }
    return true;
}

bool qmp_ringbuf_read(struct monitor *monitor, const struct api_args_ringbuf_read *args, char **ret, GError **error)
{
    struct chardev *chardev = find(monitor, args->device, error);
    g_autofree char *data = NULL;
    size_t count = 0, size;

    if (!chardev)
        return false;
    if (args->size <= 0)
        return error_set(error, "size must be greater than zero");
    size = (size_t)MIN(args->size, 1 << 20);
    data = g_malloc(size);
    if (!chardev_ringbuf_read(chardev, data, size, &count, error))
        return false;
    *ret = args->has_format && args->format == API_DATA_FORMAT_BASE64 ? g_base64_encode((guchar *)data, count)
                                                                      : g_utf8_make_valid(data, (gssize)count);
    return true;
}

bool qmp_ringbuf_write(struct monitor *monitor, const struct api_args_ringbuf_write *args, GError **error)
{
    struct chardev *chardev = find(monitor, args->device, error);
    g_autofree guchar *decoded = NULL;
    gsize size = strlen(args->data);

    if (!chardev)
        return false;
    if (args->has_format && args->format == API_DATA_FORMAT_BASE64)
        decoded = g_base64_decode(args->data, &size);
    return chardev_ringbuf_write(chardev, decoded ? (char *)decoded : args->data, size, error);
}

static void put(GHashTable *options, const char *name, const char *value)
{
    if (value)
        g_hash_table_replace(options, g_strdup(name), g_strdup(value));
}

static void put_bool(GHashTable *options, const char *name, bool has, bool value)
{
    if (has)
        put(options, name, value ? "on" : "off");
}

static void put_int(GHashTable *options, const char *name, bool has, s64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, (gint64)value);

    if (has)
        put(options, name, text);
}

static void put_log(GHashTable *options, const char *logfile, bool has_logappend, bool logappend)
{
    put(options, "logfile", logfile);
    put_bool(options, "logappend", has_logappend, logappend);
}

static bool put_fd(struct monitor *monitor, GHashTable *options, const char *name, GError **error)
{
    int fd;

    if (g_ascii_isdigit(name[0])) {
        put(options, "fd", name);
        return true;
    }
    fd = monitor_take_named_fd(monitor, name, error);
    put_int(options, "fd", true, fd);
    return fd >= 0;
}

static bool put_address(struct monitor *monitor, GHashTable *options, const struct api_socket_address_legacy *address,
                        GError **error)
{
    const struct api_inet_socket_address *inet;

    switch (address->type) {
    case API_SOCKET_ADDRESS_TYPE_UNIX:
        put(options, "path", address->u.unix_->data->path);
        put_bool(options, "abstract", address->u.unix_->data->has_abstract, address->u.unix_->data->abstract);
        put_bool(options, "tight", address->u.unix_->data->has_tight, address->u.unix_->data->tight);
        return true;
    case API_SOCKET_ADDRESS_TYPE_FD:
        return put_fd(monitor, options, address->u.fd->data->str, error);
    default:
        inet = address->u.inet->data;
        put(options, "host", inet->host);
        put(options, "port", inet->port);
        put_int(options, "to", inet->has_to, inet->to);
        put_bool(options, "ipv4", inet->has_ipv4, inet->ipv4);
        put_bool(options, "ipv6", inet->has_ipv6, inet->ipv6);
        return true;
    }
}

static bool put_socket(struct monitor *monitor, GHashTable *options, const struct api_chardev_socket *data,
                       GError **error)
{
    bool server = !data->has_server || data->server;

    put_bool(options, "server", true, server);
    put_bool(options, "wait", server, data->has_wait && data->wait);
    put_bool(options, "nodelay", data->has_nodelay, data->nodelay);
    put_bool(options, "telnet", data->has_telnet, data->telnet);
    put_int(options, "reconnect-ms", data->has_reconnect_ms, data->reconnect_ms);
    put_log(options, data->logfile, data->has_logappend, data->logappend);
    return put_address(monitor, options, data->addr, error);
}

/* The second address of a udp back end. */
static bool put_udp(struct monitor *monitor, GHashTable *options, const struct api_chardev_udp *data, GError **error)
{
    const struct api_inet_socket_address *own;

    if (data->remote->type != API_SOCKET_ADDRESS_TYPE_INET || (data->local && data->local->type != API_SOCKET_ADDRESS_TYPE_INET))
        return error_set(error, "addresses of a udp back end are of type 'inet'");
    own = data->local ? data->local->u.inet->data : NULL;
    put(options, "localaddr", own ? own->host : NULL);
    put(options, "localport", own ? own->port : NULL);
    put_log(options, data->logfile, data->has_logappend, data->logappend);
    return put_address(monitor, options, data->remote, error);
}

static bool put_backend(struct monitor *monitor, GHashTable *options, const struct api_chardev_backend *backend,
                        GError **error)
{
    const struct api_chardev_common *common;

    switch (backend->type) {
    case API_CHARDEV_BACKEND_KIND_FILE:
        put(options, "path", backend->u.file->data->out);
        put(options, "input-path", backend->u.file->data->in);
        put_bool(options, "append", backend->u.file->data->has_append, backend->u.file->data->append);
        put_log(options, backend->u.file->data->logfile, backend->u.file->data->has_logappend,
                backend->u.file->data->logappend);
        return true;
    case API_CHARDEV_BACKEND_KIND_UDP:
        return put_udp(monitor, options, backend->u.udp->data, error);
    case API_CHARDEV_BACKEND_KIND_STDIO:
        put_bool(options, "signal", backend->u.stdio->data->has_signal, backend->u.stdio->data->signal);
        put_log(options, backend->u.stdio->data->logfile, backend->u.stdio->data->has_logappend,
                backend->u.stdio->data->logappend);
        return true;
    case API_CHARDEV_BACKEND_KIND_MUX:
        put(options, "chardev", backend->u.mux->data->chardev);
        put_log(options, backend->u.mux->data->logfile, backend->u.mux->data->has_logappend, backend->u.mux->data->logappend);
        return true;
    case API_CHARDEV_BACKEND_KIND_SERIAL:
    case API_CHARDEV_BACKEND_KIND_PIPE:
        put(options, "path", backend->u.pipe->data->device);
        put_log(options, backend->u.pipe->data->logfile, backend->u.pipe->data->has_logappend,
                backend->u.pipe->data->logappend);
        return true;
    case API_CHARDEV_BACKEND_KIND_SOCKET:
        return put_socket(monitor, options, backend->u.socket->data, error);
    case API_CHARDEV_BACKEND_KIND_RINGBUF:
    case API_CHARDEV_BACKEND_KIND_MEMORY:
        put_int(options, "size", backend->u.ringbuf->data->has_size, backend->u.ringbuf->data->size);
        put_log(options, backend->u.ringbuf->data->logfile, backend->u.ringbuf->data->has_logappend,
                backend->u.ringbuf->data->logappend);
        return true;
    default: /* pty, null */
        common = backend->u.pty->data;
        put_log(options, common->logfile, common->has_logappend, common->logappend);
        return true;
    }
}

/* What -chardev would have said; NULL with *error. */
static GHashTable *options_of(struct monitor *monitor, const struct api_chardev_backend *backend, GError **error)
{
    g_autoptr(GHashTable) options = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if (!monitor->set->chardevs) {
        error_set(error, "this machine has no character back ends");
        return NULL;
    }
    if (!put_backend(monitor, options, backend, error))
        return NULL;
    put(options, "backend", api_type_chardev_backend_kind.values[backend->type]);
    return g_steal_pointer(&options);
}

static struct api_chardev_return *describe(struct monitor *monitor, const char *id, const struct api_chardev_backend *backend)
{
    struct api_chardev_return *answer = api_new(&api_type_chardev_return);
    struct chardev *chardev = chardev_find(monitor->set->chardevs, id);
    g_autofree char *filename = chardev ? chardev_filename(chardev) : NULL;

    if (filename && backend->type == API_CHARDEV_BACKEND_KIND_PTY)
        answer->pty = g_strdup(g_str_has_prefix(filename, "pty:") ? filename + 4 : filename);
    return answer;
}

bool qmp_chardev_add(struct monitor *monitor, const struct api_args_chardev_add *args, struct api_chardev_return **ret,
                     GError **error)
{
    g_autoptr(GHashTable) options = options_of(monitor, args->backend, error);

    if (!options)
        return false;
    put(options, "id", args->id);
    if (!chardev_create(monitor->set->chardevs, options, error))
        return false;
    *ret = describe(monitor, args->id, args->backend);
    return true;
}

bool monitor_change_chardev(struct monitor *monitor, const char *id, GHashTable *options, GError **error)
{
    if (monitor->front.chardev && !strcmp(chardev_id(monitor->front.chardev), id))
        return error_set(error, "chardev '%s' carries this monitor", id);
    return chardev_change(monitor->set->chardevs, id, options, error);
}

bool qmp_chardev_change(struct monitor *monitor, const struct api_args_chardev_change *args,
                        struct api_chardev_return **ret, GError **error)
{
    g_autoptr(GHashTable) options = options_of(monitor, args->backend, error);

    if (!options)
        return false;
    if (!monitor_change_chardev(monitor, args->id, options, error))
        return false;
    *ret = describe(monitor, args->id, args->backend);
    return true;
}

bool qmp_chardev_send_break(struct monitor *monitor, const struct api_args_chardev_send_break *args, GError **error)
{
    struct chardev *chardev = find(monitor, args->id, error);

    if (chardev)
        chardev_send_break(chardev);
    return chardev != NULL;
}

bool qmp_chardev_remove(struct monitor *monitor, const struct api_args_chardev_remove *args, GError **error)
{
    return find(monitor, args->id, error) && chardev_remove(monitor->set->chardevs, args->id, error);
}

bool qmp_add_client(struct monitor *monitor, const struct api_args_add_client *args, GError **error)
{
    struct chardev *chardev;
    int fd = monitor_take_named_fd(monitor, args->fdname, error);

    if (fd < 0)
        return false;
    chardev = monitor->set->chardevs ? chardev_find(monitor->set->chardevs, args->protocol) : NULL;
    if (chardev && chardev_add_client(chardev, fd, error))
        return true;
    return error_set(error, "protocol '%s' is invalid", args->protocol);
}

static struct host_fdsets *fdsets(struct monitor *monitor)
{
    return vm_backend(monitor->set->vm, "fdsets", 0);
}

bool qmp_add_fd(struct monitor *monitor, const struct api_args_add_fd *args, struct api_addfd_info **ret, GError **error)
{
    int fd = monitor->io.take_fd ? monitor->io.take_fd(monitor->io.opaque) : -1;
    s64 set;

    if (fd < 0)
        return error_set(error, "No file descriptor supplied via SCM_RIGHTS");
    if (!fdsets(monitor) || (args->has_fdset_id && args->fdset_id < 0)) {
        close(fd);
        return error_set(error, "Parameter 'fdset-id' expects a non-negative value");
    }
    set = host_fdsets_add(fdsets(monitor), fd, args->has_fdset_id ? args->fdset_id : -1, args->opaque, error);
    if (set < 0)
        return false;
    *ret = api_new(&api_type_addfd_info);
    (*ret)->fdset_id = set;
    (*ret)->fd = fd;
    return true;
}

bool qmp_remove_fd(struct monitor *monitor, const struct api_args_remove_fd *args, GError **error)
{
    if (args->has_fd && (args->fd < 0 || args->fd > G_MAXINT))
        return error_set(error, "Parameter 'fd' expects a descriptor");
    if (!fdsets(monitor))
        return error_set(error, "this machine has no sets of descriptors");
    return host_fdsets_remove(fdsets(monitor), args->fdset_id, args->has_fd ? (int)args->fd : -1, error);
}

bool qmp_query_fdsets(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    const GArray *entries = fdsets(monitor) ? fdsets(monitor)->entries : NULL;
    struct api_fdset_info *set = NULL;

    *ret = api_list_new();
    for (guint i = 0; entries && i < entries->len; i++) {
        const struct host_fdset_entry *entry = &g_array_index(entries, struct host_fdset_entry, i);
        struct api_fdset_fd_info *info = api_new(&api_type_fdset_fd_info);

        if (!set || set->fdset_id != entry->set) {
            set = api_new(&api_type_fdset_info);
            set->fdset_id = entry->set;
            set->fds = api_list_new();
            g_ptr_array_add(*ret, set);
        }
        info->fd = entry->fd;
        info->opaque = g_strdup(entry->opaque);
        g_ptr_array_add(set->fds, info);
    }
    return true;
}
