/* gdbstub/data.c - registers, memory, breakpoints: g G p P m M X Z z. */
#include "gdbstub/internal.h"
#include <string.h>

enum { MOST_MEMORY = GDB_PACKET_SIZE / 2 - 8, PAGE = 4096, MOST_REGISTER_BYTES = 64 };

static const struct cpu_register *find_register(struct gdb_server *server, u64 number)
{
    unsigned count;
    const struct cpu_register *list = server->ops->registers(server->target, &count);

    for (unsigned i = 0; i < count; i++) {
        if (list[i].number == number)
            return &list[i];
    }
    return NULL;
}

/*
 * Registers of the g packet: those with numbers 0, 1, 2 ... without gap, before the CSRs. GDB asks
 * for the others one by one.
 */
static unsigned general_count(struct gdb_server *server, const struct cpu_register **list)
{
    unsigned count, n = 0;

    *list = server->ops->registers(server->target, &count);
    while (n < count && (*list)[n].number == n && strcmp((*list)[n].group, "csr"))
        n++;
    return n;
}

static bool append_register(struct gdb_server *server, const struct cpu_register *reg)
{
    u8 value[MOST_REGISTER_BYTES] = {0};
    unsigned bytes = reg->bits / 8;

    if (bytes > sizeof(value))
        return false;
    if (server->ops->read_register(server->target, server->general, reg, value)) {
        gdb_hex_append(server->reply, value, bytes);
    } else {
        for (unsigned i = 0; i < bytes; i++)
            g_string_append(server->reply, "xx"); /* unavailable */
    }
    return true;
}

static void read_registers(struct gdb_server *server, const char *args, size_t length)
{
    const struct cpu_register *list;
    unsigned count = general_count(server, &list);

    for (unsigned i = 0; i < count; i++)
        append_register(server, &list[i]);
}

static bool set_register(struct gdb_server *server, const struct cpu_register *reg,
                         const char *text)
{
    u8 value[MOST_REGISTER_BYTES] = {0};
    size_t digits = reg->bits / 4;

    return digits <= 2 * sizeof(value) && gdb_hex_decode(text, digits, value) &&
           server->ops->write_register(server->target, server->general, reg, value);
}

static void write_registers(struct gdb_server *server, const char *args, size_t length)
{
    const struct cpu_register *list;
    unsigned count = general_count(server, &list);

    for (unsigned i = 0; i < count; i++) {
        size_t digits = list[i].bits / 4;

        if (digits > length)
            break;
        set_register(server, &list[i], args); /* constant ones (x0) refuse */
        args += digits;
        length -= digits;
    }
    gdb_reply(server, "OK");
}

static void read_register(struct gdb_server *server, const char *args, size_t length)
{
    const struct cpu_register *reg;
    u64 number;

    if (!gdb_hex_number(&args, &number) || !(reg = find_register(server, number)) ||
        !append_register(server, reg))
        gdb_reply_error(server, GDB_ERROR_INVALID);
}

static void write_register(struct gdb_server *server, const char *args, size_t length)
{
    const struct cpu_register *reg;
    u64 number;

    if (!gdb_hex_number(&args, &number) || *args++ != '=' ||
        !(reg = find_register(server, number)) || strlen(args) != reg->bits / 4 ||
        !set_register(server, reg, args)) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    gdb_reply(server, "OK");
}

/* "ADDRESS,SIZE" */
static bool parse_range(const char **args, u64 *address, u64 *size)
{
    if (!gdb_hex_number(args, address) || **args != ',')
        return false;
    ++*args;
    return gdb_hex_number(args, size);
}

/* Reads as much as there is; a hole can begin at any page. Returns the bytes read. */
static u64 read_pages(struct gdb_server *server, u64 address, u8 *to, u64 size)
{
    u64 done = 0;

    while (done < size) {
        u64 part = MIN(size - done, PAGE - (address + done) % PAGE);

        if (!server->ops->read_memory(server->target, server->general, server->physical,
                                      address + done, to + done, part))
            break;
        done += part;
    }
    return done;
}

static void read_memory(struct gdb_server *server, const char *args, size_t length)
{
    u64 address, size;

    if (!parse_range(&args, &address, &size) || *args) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    g_autofree u8 *bytes = g_malloc(MOST_MEMORY);
    u64 done = read_pages(server, address, bytes, MIN(size, MOST_MEMORY));
    if (done || !size)
        gdb_hex_append(server->reply, bytes, done);
    else
        gdb_reply_error(server, GDB_ERROR_BAD_ADDRESS);
}

static void store(struct gdb_server *server, u64 address, const void *from, u64 size)
{
    if (size && !server->ops->write_memory(server->target, server->general, server->physical,
                                           address, from, size))
        gdb_reply_error(server, GDB_ERROR_BAD_ADDRESS);
    else
        gdb_reply(server, "OK");
}

static void write_memory(struct gdb_server *server, const char *args, size_t length)
{
    const char *end = args + length;
    u64 address, size;

    if (!parse_range(&args, &address, &size) || *args++ != ':' || size > GDB_PACKET_SIZE ||
        (u64)(end - args) != 2 * size) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    g_autofree u8 *bytes = g_malloc(size + 1);
    if (gdb_hex_decode(args, 2 * size, bytes))
        store(server, address, bytes, size);
    else
        gdb_reply_error(server, GDB_ERROR_INVALID);
}

static void write_binary(struct gdb_server *server, const char *args, size_t length)
{
    const char *end = args + length;
    u64 address, size;

    if (!parse_range(&args, &address, &size) || *args++ != ':' || (u64)(end - args) != size) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    store(server, address, args, size);
}

static bool change_point(struct gdb_server *server, bool add, char type, u64 address, u64 size)
{
    static const enum vm_watch kinds[] = {VM_WATCH_WRITE, VM_WATCH_READ, VM_WATCH_ACCESS};
    const struct gdb_target_ops *ops = server->ops;

    if (type <= '1')
        return ops->breakpoint(server->target, add, address);
    return size && size <= PAGE && address + size - 1 >= address &&
           ops->watchpoint(server->target, add, address, size, kinds[type - '2']);
}

/* "TYPE,ADDRESS,KIND" */
static void point(struct gdb_server *server, const char *args, bool add)
{
    char type = *args;
    u64 address, size;

    if (type && (type < '0' || type > '4'))
        return; /* empty reply: a type that we lack */
    if (!type || args[1] != ',') {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    args += 2;
    if (!parse_range(&args, &address, &size) || !change_point(server, add, type, address, size))
        gdb_reply_error(server, GDB_ERROR_INVALID);
    else
        gdb_reply(server, "OK");
}

static void add_point(struct gdb_server *server, const char *args, size_t length)
{
    point(server, args, true);
}

static void remove_point(struct gdb_server *server, const char *args, size_t length)
{
    point(server, args, false);
}

const struct gdb_command gdb_data_commands[] = {
    {"g", read_registers}, {"G", write_registers},
    {"p", read_register},  {"P", write_register},
    {"m", read_memory},    {"M", write_memory},
    {"X", write_binary},   {"Z", add_point},
    {"z", remove_point},   {NULL},
};
