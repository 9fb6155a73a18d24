/* block/data.c - windows of lists of buffers. */
#include "block/data.h"
#include <glib.h>
#include <string.h>

struct block_data block_data_one(struct iovec *iov, void *buffer, size_t size)
{
    *iov = (struct iovec){ .iov_base = buffer, .iov_len = size };
    return (struct block_data){ .iov = iov, .count = 1, .size = size };
}

struct block_data block_data_list(const struct iovec *iov, unsigned count)
{
    struct block_data data = { .iov = iov, .count = count };

    for (unsigned i = 0; i < count; i++)
        data.size += iov[i].iov_len;
    return data;
}

struct block_data block_data_slice(struct block_data data, size_t offset, size_t size)
{
    g_assert(offset <= data.size && size <= data.size - offset);
    data.skip += offset;
    data.size = size;
    /* Whole buffers that were skipped need not be walked again. */
    while (data.count > 1 && data.skip >= data.iov->iov_len) {
        data.skip -= data.iov->iov_len;
        data.iov++;
        data.count--;
    }
    return data;
}

/* The next piece of the window; the window shrinks by it. */
static bool next_piece(struct block_data *data, struct iovec *piece)
{
    while (data->size) {
        size_t length = data->iov->iov_len - MIN(data->skip, data->iov->iov_len);

        if (length) {
            piece->iov_base = (u8 *)data->iov->iov_base + data->skip;
            piece->iov_len = MIN(length, data->size);
            data->skip += piece->iov_len;
            data->size -= piece->iov_len;
            return true;
        }
        data->skip -= data->iov->iov_len;
        data->iov++;
        data->count--;
    }
    return false;
}

void block_data_get(struct block_data data, void *to)
{
    struct iovec piece;

    for (u8 *p = to; next_piece(&data, &piece); p += piece.iov_len)
        memcpy(p, piece.iov_base, piece.iov_len);
}

void block_data_put(struct block_data data, const void *from)
{
    struct iovec piece;

    for (const u8 *p = from; next_piece(&data, &piece); p += piece.iov_len)
        memcpy(piece.iov_base, p, piece.iov_len);
}

void block_data_fill(struct block_data data, int byte)
{
    struct iovec piece;

    while (next_piece(&data, &piece))
        memset(piece.iov_base, byte, piece.iov_len);
}

bool block_is_zero(const void *buffer, size_t size)
{
    const u8 *p = buffer;

    /* Mostly decided by the first bytes; then every byte must equal the one before it. */
    for (unsigned i = 0; i < 16; i++, size--, p++) {
        if (!size)
            return true;
        if (*p)
            return false;
    }
    return !size || !memcmp(p - 16, p, size);
}

bool block_data_is_zero(struct block_data data)
{
    struct iovec piece;

    while (next_piece(&data, &piece))
        if (!block_is_zero(piece.iov_base, piece.iov_len))
            return false;
    return true;
}

unsigned block_data_map(struct block_data data, struct iovec *out, unsigned max, size_t *size)
{
    unsigned n = 0;

    for (*size = 0; n < max && next_piece(&data, &out[n]); n++)
        *size += out[n].iov_len;
    return n;
}

bool block_data_is_aligned(struct block_data data, size_t align)
{
    struct iovec piece;

    while (next_piece(&data, &piece))
        if (((uintptr_t)piece.iov_base | piece.iov_len) & (align - 1))
            return false;
    return true;
}

void *block_data_flat(struct block_data data)
{
    struct iovec piece;
    size_t size = data.size;

    return next_piece(&data, &piece) && piece.iov_len == size ? piece.iov_base : NULL;
}
