/* gdbstub/server.c - receives packets, finds their command, answers. */
#include "gdbstub/internal.h"
#include <string.h>

struct gdb_server *gdb_server_create(const struct gdb_target_ops *ops, void *target,
                                     void (*send)(void *opaque, const void *data, size_t length),
                                     void *send_opaque)
{
    struct gdb_server *server = g_new0(struct gdb_server, 1);

    server->ops = ops;
    server->target = target;
    server->send = send;
    server->send_opaque = send_opaque;
    server->reply = g_string_new(NULL);
    server->last = g_string_new(NULL);
    return server;
}

void gdb_server_destroy(struct gdb_server *server)
{
    if (!server)
        return;
    g_string_free(server->reply, TRUE);
    g_string_free(server->last, TRUE);
    g_free(server->description);
    g_free(server);
}

void gdb_server_connected(struct gdb_server *server)
{
    memset(&server->reader, 0, offsetof(struct gdb_reader, data));
    g_string_truncate(server->last, 0);
    server->no_ack = server->ack_soon_off = server->waiting = server->physical = false;
    server->general = server->resume_thread = 0;
    server->resume_all = true;
    server->attached = true;
    server->gone = false;
    if (server->ops->running(server->target))
        server->ops->stop(server->target);
}

void gdb_server_disconnected(struct gdb_server *server)
{
    if (server->attached)
        server->ops->clear_points(server->target);
    server->attached = server->waiting = false;
    server->gone = true;
}

void gdb_reply(struct gdb_server *server, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(server->reply, format, args);
    va_end(args);
}

void gdb_reply_error(struct gdb_server *server, enum gdb_error error)
{
    g_string_printf(server->reply, "E%02x", error);
}

void gdb_send_frame(struct gdb_server *server, const char *data, size_t length)
{
    g_string_truncate(server->last, 0);
    gdb_frame(server->last, data, length);
    server->send(server->send_opaque, server->last->str, server->last->len);
}

static void send_reply(struct gdb_server *server)
{
    gdb_send_frame(server, server->reply->str, server->reply->len);
    g_string_truncate(server->reply, 0);
}

static const struct gdb_command *find(const struct gdb_command *table, const char *data)
{
    for (; table->name; table++) {
        if (g_str_has_prefix(data, table->name))
            return table;
    }
    return NULL;
}

static const struct gdb_command *find_command(const char *data)
{
    const struct gdb_command *command = find(gdb_query_commands, data);

    if (!command)
        command = find(gdb_run_commands, data);
    return command ? command : find(gdb_data_commands, data);
}

static void run_packet(struct gdb_server *server)
{
    struct gdb_reader *reader = &server->reader;
    const struct gdb_command *command = find_command(reader->data);

    if (server->ops->running(server->target)) /* not all-stop GDB's way, but harmless */
        server->ops->stop(server->target);
    g_string_truncate(server->reply, 0);
    server->no_reply = false;
    if (command) {
        size_t name = strlen(command->name);

        command->run(server, reader->data + name, reader->length - name);
    }
    if (!server->no_reply)
        send_reply(server);
    if (server->ack_soon_off) {
        server->no_ack = true;
        server->ack_soon_off = false;
    }
}

static void acknowledge(struct gdb_server *server, const char *sign)
{
    if (!server->no_ack)
        server->send(server->send_opaque, sign, 1);
}

static void receive_byte(struct gdb_server *server, u8 byte)
{
    switch (gdb_reader_put(&server->reader, byte)) {
    case GDB_INPUT_PACKET:
        acknowledge(server, "+");
        if (!server->gone)
            run_packet(server);
        break;
    case GDB_INPUT_TOO_LONG:
        acknowledge(server, "+");
        gdb_reply_error(server, GDB_ERROR_INVALID);
        send_reply(server);
        break;
    case GDB_INPUT_BAD:
        acknowledge(server, "-");
        break;
    case GDB_INPUT_INTERRUPT:
        if (server->ops->running(server->target))
            server->ops->stop(server->target);
        break;
    case GDB_INPUT_NAK:
        if (!server->no_ack && server->last->len)
            server->send(server->send_opaque, server->last->str, server->last->len);
        break;
    case GDB_INPUT_ACK:
    case GDB_INPUT_NONE:
        break;
    }
}

void gdb_server_receive(struct gdb_server *server, const u8 *data, size_t length)
{
    for (size_t i = 0; i < length && !server->gone; i++) {
        server->attached = true;
        receive_byte(server, data[i]);
    }
}

static void report(struct gdb_server *server)
{
    if (!server->waiting)
        return;
    server->waiting = false;
    g_string_truncate(server->reply, 0);
    gdb_append_stop(server);
    send_reply(server);
}

void gdb_server_stopped(struct gdb_server *server, const struct gdb_stop *stop)
{
    server->stop = *stop;
    if (stop->thread < server->ops->thread_count(server->target))
        server->general = stop->thread;
    report(server);
}

void gdb_server_exited(struct gdb_server *server, u8 status)
{
    server->exited = true;
    server->status = status;
    report(server);
}
