/* gdbstub/query.c - questions: q and Q packets. */
#include "gdbstub/internal.h"
#include <string.h>

static void supported(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "PacketSize=%x;QStartNoAckMode+;vContSupported+;qXfer:threads:read+",
              GDB_PACKET_SIZE);
    if (*gdb_description(server))
        gdb_reply(server, ";qXfer:features:read+");
}

static void start_no_ack(struct gdb_server *server, const char *args, size_t length)
{
    server->ack_soon_off = true;
    gdb_reply(server, "OK");
}

static void current_thread(struct gdb_server *server, const char *args, size_t length)
{
    if (!length) /* else: qCRC and others */
        gdb_reply(server, "QC%02x", server->general + 1);
}

static void first_threads(struct gdb_server *server, const char *args, size_t length)
{
    unsigned count = server->ops->thread_count(server->target);

    for (unsigned i = 0; i < count && server->reply->len < GDB_PACKET_SIZE - 8; i++)
        gdb_reply(server, "%c%02x", i ? ',' : 'm', i + 1);
}

static void more_threads(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "l");
}

static void thread_info(struct gdb_server *server, const char *args, size_t length)
{
    s64 thread;

    if (!gdb_parse_thread(&args, &thread) || !gdb_thread_valid(server, thread)) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    g_autofree char *text = server->ops->thread_text(server->target, (unsigned)thread);
    gdb_hex_append(server->reply, text, strlen(text));
}

static void attached(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "1"); /* so that GDB's quit detaches rather than kills */
}

/* "OFFSET,LENGTH": a part of a document; 'm' when more follows, 'l' for the last. */
static void transfer(struct gdb_server *server, const char *document, const char *args)
{
    u64 offset, size, whole = strlen(document);

    if (!gdb_hex_number(&args, &offset) || *args++ != ',' || !gdb_hex_number(&args, &size) ||
        offset > whole) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    size = MIN(size, GDB_PACKET_SIZE / 2 - 1); /* escapes may double it */
    gdb_reply(server, "%c", offset + size < whole ? 'm' : 'l');
    g_string_append_len(server->reply, document + offset, (gssize)MIN(size, whole - offset));
}

static void read_features(struct gdb_server *server, const char *args, size_t length)
{
    const char *document = gdb_description(server);

    if (*document)
        transfer(server, document, args);
    else
        gdb_reply_error(server, GDB_ERROR_INVALID);
}

static void read_threads(struct gdb_server *server, const char *args, size_t length)
{
    g_autofree char *document = gdb_threads_xml(server);

    transfer(server, document, args);
}

static void unknown_annex(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "E00");
}

/* Console output goes in packets of its own, the reply is OK. */
static void monitor(struct gdb_server *server, const char *args, size_t length)
{
    enum { PART = GDB_PACKET_SIZE / 2 - 8 };
    g_autofree char *line = g_malloc0(length / 2 + 1);

    if (!server->ops->monitor)
        return;
    if (!gdb_hex_decode(args, length, line) || !g_utf8_validate(line, -1, NULL)) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    g_autofree char *output = server->ops->monitor(server->target, line);
    if (!output) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    for (size_t left = strlen(output), at = 0; left;) {
        size_t part = MIN(left, PART);
        g_autoptr(GString) text = g_string_new("O");

        gdb_hex_append(text, output + at, part);
        gdb_send_frame(server, text->str, text->len);
        at += part;
        left -= part;
    }
    gdb_reply(server, "OK");
}

static void physical_mode(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "%d", server->physical);
}

static void set_physical_mode(struct gdb_server *server, const char *args, size_t length)
{
    if (strcmp(args, "0") && strcmp(args, "1")) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    server->physical = *args == '1';
    gdb_reply(server, "OK");
}

static void symbols(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "OK"); /* we want none */
}

static void step_bits(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "ENABLE=1");
}

static void step_mode(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "0x1");
}

static void set_step_mode(struct gdb_server *server, const char *args, size_t length)
{
    if (strcmp(args, "1") && strcmp(args, "0x1"))
        gdb_reply_error(server, GDB_ERROR_INVALID);
    else
        gdb_reply(server, "OK");
}

static void known_extensions(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "sstepbits;sstep;PhyMemMode");
}

const struct gdb_command gdb_query_commands[] = {
    {"qSupported", supported},
    {"QStartNoAckMode", start_no_ack},
    {"qC", current_thread},

    {"qfThreadInfo", first_threads},
    {"qsThreadInfo", more_threads},
    {"qThreadExtraInfo,", thread_info},
    {"qAttached", attached},
    {"qXfer:features:read:target.xml:", read_features},
    {"qXfer:features:read:", unknown_annex},
    {"qXfer:threads:read::", read_threads},
    {"qRcmd,", monitor},
    {"qqemu.PhyMemMode", physical_mode},
    {"Qqemu.PhyMemMode:", set_physical_mode},
    {"qqemu.sstepbits", step_bits},
    {"qqemu.sstep", step_mode},
    {"Qqemu.sstep=", set_step_mode},
    {"qqemu.Supported", known_extensions},
    {"qSymbol:", symbols},
    {NULL},
};
