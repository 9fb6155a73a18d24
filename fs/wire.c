/* fs/wire.c - the bytes of 9P messages. */
#include "fs/wire.h"
#include <string.h>

enum { STRING_MAX = 4096 };

const u8 *p9_get_bytes(struct p9_in *in, u32 size)
{
    const u8 *data = in->data;

    if (in->bad || in->left < size) {
        in->bad = true;
        return NULL;
    }
    in->data += size;
    in->left -= size;
    return data;
}

static u64 get(struct p9_in *in, u32 size)
{
    const u8 *data = p9_get_bytes(in, size);
    u64 value = 0;

    for (u32 i = 0; data && i < size; i++)
        value |= (u64)data[i] << (8 * i);
    return value;
}

u8 p9_get8(struct p9_in *in)
{
    return (u8)get(in, 1);
}

u16 p9_get16(struct p9_in *in)
{
    return (u16)get(in, 2);
}

u32 p9_get32(struct p9_in *in)
{
    return (u32)get(in, 4);
}

u64 p9_get64(struct p9_in *in)
{
    return get(in, 8);
}

char *p9_get_string(struct p9_in *in)
{
    u32 length = p9_get16(in);
    const u8 *data = length <= STRING_MAX ? p9_get_bytes(in, length) : NULL;

    if (!data || memchr(data, 0, length)) {
        in->bad = true;
        return g_strdup("");
    }
    return g_strndup((const char *)data, length);
}

u8 *p9_put_room(struct p9_out *out, u32 size)
{
    u32 at = out->bytes->len;

    if (out->full || size > out->limit - at) {
        out->full = true;
        return NULL;
    }
    g_byte_array_set_size(out->bytes, at + size);
    return out->bytes->data + at;
}

static void put(struct p9_out *out, u64 value, u32 size)
{
    u8 *data = p9_put_room(out, size);

    for (u32 i = 0; data && i < size; i++)
        data[i] = (u8)(value >> (8 * i));
}

void p9_put8(struct p9_out *out, u8 value)
{
    put(out, value, 1);
}

void p9_put16(struct p9_out *out, u16 value)
{
    put(out, value, 2);
}

void p9_put32(struct p9_out *out, u32 value)
{
    put(out, value, 4);
}

void p9_put64(struct p9_out *out, u64 value)
{
    put(out, value, 8);
}

void p9_put_string(struct p9_out *out, const char *text)
{
    size_t length = MIN(strlen(text), UINT16_MAX);

    p9_put16(out, (u16)length);
    u8 *data = p9_put_room(out, (u32)length);
    if (data)
        memcpy(data, text, length);
}
