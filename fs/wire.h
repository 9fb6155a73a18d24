/* fs/wire.h - the bytes of 9P messages: little-endian numbers, counted strings. Any thread. */
#ifndef FS_WIRE_H
#define FS_WIRE_H

#include "base/types.h"
#include <glib.h>

/* A message that is read. Once `bad`, everything that follows is zero. */
struct p9_in {
    const u8 *data;
    u32 left;
    bool bad;
};

/* A message that is written; `full` when it would exceed `limit` bytes. */
struct p9_out {
    GByteArray *bytes;
    u32 limit;
    bool full;
};

u8 p9_get8(struct p9_in *in);
u16 p9_get16(struct p9_in *in);
u32 p9_get32(struct p9_in *in);
u64 p9_get64(struct p9_in *in);
/* A string without zero bytes, up to 4096 bytes; the caller frees. "" when bad. */
char *p9_get_string(struct p9_in *in);
/* NULL when fewer are left. */
const u8 *p9_get_bytes(struct p9_in *in, u32 size);

void p9_put8(struct p9_out *out, u8 value);
void p9_put16(struct p9_out *out, u16 value);
void p9_put32(struct p9_out *out, u32 value);
void p9_put64(struct p9_out *out, u64 value);
void p9_put_string(struct p9_out *out, const char *text);
/* Room for size bytes, which the caller fills at once; NULL when full. */
u8 *p9_put_room(struct p9_out *out, u32 size);

#endif
