/* gdbstub/packet.c - frames of the GDB remote serial protocol. */
#include "gdbstub/packet.h"

enum state { BETWEEN, DATA, CHECKSUM_1, CHECKSUM_2 };
enum { ESCAPE = '}', ESCAPE_XOR = 0x20, INTERRUPT = 3 };

static void begin(struct gdb_reader *reader)
{
    reader->state = DATA;
    reader->sum = 0;
    reader->length = 0;
    reader->too_long = reader->escaped = false;
}

static enum gdb_input put_between(struct gdb_reader *reader, u8 byte)
{
    switch (byte) {
    case '$':
        begin(reader);
        return GDB_INPUT_NONE;
    case INTERRUPT:
        return GDB_INPUT_INTERRUPT;
    case '+':
        return GDB_INPUT_ACK;
    case '-':
        return GDB_INPUT_NAK;
    default:
        return GDB_INPUT_NONE;
    }
}

static void put_data(struct gdb_reader *reader, u8 byte)
{
    if (byte == '#') {
        reader->state = CHECKSUM_1;
        return;
    }
    if (byte == '$') { /* never inside data: the sender has begun anew */
        begin(reader);
        return;
    }
    reader->sum += byte;
    if (byte == ESCAPE && !reader->escaped) {
        reader->escaped = true;
        return;
    }
    if (reader->escaped)
        byte ^= ESCAPE_XOR;
    reader->escaped = false;
    if (reader->length < GDB_PACKET_SIZE)
        reader->data[reader->length++] = (char)byte;
    else
        reader->too_long = true;
}

static enum gdb_input finish(struct gdb_reader *reader, u8 byte)
{
    int high = g_ascii_xdigit_value((char)reader->sum_seen), low = g_ascii_xdigit_value((char)byte);

    reader->state = BETWEEN;
    reader->data[reader->length] = 0;
    if (high < 0 || low < 0 || reader->sum != (high << 4 | low))
        return GDB_INPUT_BAD;
    return reader->too_long ? GDB_INPUT_TOO_LONG : GDB_INPUT_PACKET;
}

enum gdb_input gdb_reader_put(struct gdb_reader *reader, u8 byte)
{
    switch ((enum state)reader->state) {
    case BETWEEN:
        return put_between(reader, byte);
    case DATA:
        put_data(reader, byte);
        return GDB_INPUT_NONE;
    case CHECKSUM_1:
        reader->sum_seen = byte;
        reader->state = CHECKSUM_2;
        return GDB_INPUT_NONE;
    case CHECKSUM_2:
        return finish(reader, byte);
    }
    return GDB_INPUT_NONE;
}

void gdb_frame(GString *out, const char *data, size_t length)
{
    u8 sum = 0;

    g_string_append_c(out, '$');
    gsize start = out->len;
    for (size_t i = 0; i < length; i++) {
        char c = data[i];

        if (c == '#' || c == '$' || c == '}' || c == '*') {
            g_string_append_c(out, ESCAPE);
            c ^= ESCAPE_XOR;
        }
        g_string_append_c(out, c);
    }
    for (gsize i = start; i < out->len; i++)
        sum += (u8)out->str[i];
    g_string_append_printf(out, "#%02x", sum);
}

void gdb_hex_append(GString *out, const void *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        u8 byte = ((const u8 *)bytes)[i];

        g_string_append_c(out, digits[byte >> 4]);
        g_string_append_c(out, digits[byte & 15]);
    }
}

bool gdb_hex_decode(const char *text, size_t length, void *bytes)
{
    if (length % 2)
        return false;
    for (size_t i = 0; i < length / 2; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]), low = g_ascii_xdigit_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ((u8 *)bytes)[i] = (u8)(high << 4 | low);
    }
    return true;
}

bool gdb_hex_number(const char **text, u64 *value)
{
    const char *p = *text;

    *value = 0;
    for (int digit; (digit = g_ascii_xdigit_value(*p)) >= 0; p++) {
        if (*value >> 60)
            return false;
        *value = *value << 4 | (u64)digit;
    }
    bool any = p != *text;
    *text = p;
    return any;
}
