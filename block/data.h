/*
 * block/data.h - the memory of a request: a window of a list of buffers. A value; slicing copies nothing. The list and the
 * buffers are the requester's until the request ends.
 */
#ifndef BLOCK_DATA_H
#define BLOCK_DATA_H

#include "base/types.h"
#include <sys/uio.h>

struct block_data {
    const struct iovec *iov;
    unsigned count; /* of iov */
    size_t skip;    /* bytes of iov before the window */
    size_t size;    /* bytes of the window */
};

/* One buffer; iov is filled in. */
struct block_data block_data_one(struct iovec *iov, void *buffer, size_t size);
/* All of a list. */
struct block_data block_data_list(const struct iovec *iov, unsigned count);
/* offset + size must lie inside. */
struct block_data block_data_slice(struct block_data data, size_t offset, size_t size);

void block_data_get(struct block_data data, void *to);         /* copies out data.size bytes */
void block_data_put(struct block_data data, const void *from); /* copies in data.size bytes */
void block_data_fill(struct block_data data, int byte);
bool block_data_is_zero(struct block_data data);

/* The window as a list without skip, at most max long: how many, and *size how many bytes that is. */
unsigned block_data_map(struct block_data data, struct iovec *out, unsigned max, size_t *size);
/* Every buffer begins at and has a multiple of `align` bytes. */
bool block_data_is_aligned(struct block_data data, size_t align);
/* Pointer to the whole window if it is one buffer, else NULL. */
void *block_data_flat(struct block_data data);

/* Whether size bytes are all zero. */
bool block_is_zero(const void *buffer, size_t size);

#endif
