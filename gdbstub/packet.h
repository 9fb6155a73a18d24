/*
 * gdbstub/packet.h - frames of the GDB remote serial protocol ("$data#checksum"), GDB manual,
 * "Overview" of the remote protocol. Main thread.
 */
#ifndef GDBSTUB_PACKET_H
#define GDBSTUB_PACKET_H

#include "base/types.h"
#include <glib.h>

enum { GDB_PACKET_SIZE = 0x4000 }; /* bytes of data, as announced */

enum gdb_input {
    GDB_INPUT_NONE,      /* more to come */
    GDB_INPUT_PACKET,    /* data and length are valid until the next byte */
    GDB_INPUT_BAD,       /* wrong checksum */
    GDB_INPUT_TOO_LONG,  /* right frame, but too much data */
    GDB_INPUT_INTERRUPT, /* Ctrl-C between packets */
    GDB_INPUT_ACK,
    GDB_INPUT_NAK,
};

struct gdb_reader {
    u8 state, sum, sum_seen;
    bool too_long, escaped;
    u32 length;
    char data[GDB_PACKET_SIZE + 1]; /* unescaped; a NUL follows */
};

enum gdb_input gdb_reader_put(struct gdb_reader *reader, u8 byte);

/* Appends "$data#checksum" with what must be escaped escaped. */
void gdb_frame(GString *out, const char *data, size_t length);

/* Hexadecimal text. decode: false when it is no whole number of bytes or has other characters. */
void gdb_hex_append(GString *out, const void *bytes, size_t count);
bool gdb_hex_decode(const char *text, size_t length, void *bytes);
/* A number from *text, which moves behind it; false: no digit, or more than 64 bits. */
bool gdb_hex_number(const char **text, u64 *value);

#endif
