/* hw/nvme/transfer.c - a command's memory: physical region pages and scatter gather lists become pieces of RAM. */
#include "base/bits.h"
#include "hw/nvme/nvme.h"
#include <string.h>

enum { BUCKET = 64 << 10, MOST_DESCRIPTORS = 8192, DESCRIPTOR = 16 };
enum { SGL_DATA = 0, SGL_BUCKET = 1, SGL_SEGMENT = 2, SGL_LAST = 3 };

static bool dma(struct nvme *n, u64 address, u8 *data, u64 size, bool write)
{
    if (!pci_function_may_dma(&n->pci))
        return false;
    while (size) {
        struct space_hit hit = nvme_lookup(n, address);
        u64 step = MIN(size, hit.left);

        if (!hit.ram || (write && !hit.writable))
            return false;
        if (write) {
            memcpy(hit.ram->host + hit.ram_offset, data, step);
            vm_ram_changed(hit.ram, hit.ram_offset, step);
        } else {
            memcpy(data, hit.ram->host + hit.ram_offset, step);
        }
        data += step;
        address += step;
        size -= step;
    }
    return true;
}

bool nvme_dma_read(struct nvme *n, u64 address, void *to, u64 size)
{
    return dma(n, address, to, size, false);
}

bool nvme_dma_write(struct nvme *n, u64 address, const void *from, u64 size)
{
    return dma(n, address, (u8 *)from, size, true);
}

/* --- collecting pieces --- */

struct mapping {
    struct nvme *n;
    u64 left; /* bytes of the transfer without a place */
    bool write;
    u32 descriptors;
};

static void append(struct nvme *n, const struct space_hit *hit, u64 size)
{
    u8 *host = hit->ram->host + hit->ram_offset;
    struct iovec *last = n->scratch_iov->len ? &g_array_index(n->scratch_iov, struct iovec, n->scratch_iov->len - 1) : NULL;
    struct nvme_piece piece = { hit->ram, hit->ram_offset };
    struct iovec iov = { .iov_base = host, .iov_len = size };

    if (last && (u8 *)last->iov_base + last->iov_len == host && g_array_index(n->scratch, struct nvme_piece, n->scratch->len - 1).ram == hit->ram) {
        last->iov_len += size;
        return;
    }
    g_array_append_val(n->scratch, piece);
    g_array_append_val(n->scratch_iov, iov);
}

/* Bytes from address on, as many as the transfer still needs. */
static u16 add(struct mapping *m, u64 address, u64 size)
{
    size = MIN(size, m->left);
    m->left -= size;
    for (u64 step; size; size -= step, address += step) {
        struct space_hit hit = nvme_lookup(m->n, address);

        m->n->work++;
        if (!hit.ram || (m->write && !hit.writable))
            return NVME_TRANSFER_ERROR;
        step = MIN(size, hit.left);
        append(m->n, &hit, step);
    }
    return NVME_OK;
}

/* --- physical region pages (4.3) --- */

static u64 page_bytes(const struct nvme *n)
{
    return BIT64(12 + bits_get(n->state->cc, 7, 4));
}

static u16 add_page(struct mapping *m, u64 address, u64 page)
{
    return address & (page - 1) ? NVME_PRP_OFFSET | NVME_DNR : add(m, address, page);
}

/* Entries of one list; the last one of its page leads to the next list if more is needed. *next 0: done. */
static u16 add_list(struct mapping *m, u64 list, u64 page, u64 *next)
{
    u64 room = (page - (list & (page - 1))) / 8, needed = (m->left + page - 1) / page;
    u64 count = MIN(room, needed), pages = needed > room ? room - 1 : count;
    g_autofree u8 *entries = g_malloc(count * 8);

    *next = 0;
    if (!nvme_dma_read(m->n, list, entries, count * 8))
        return NVME_TRANSFER_ERROR;
    for (u64 i = 0; i < pages; i++) {
        u16 status = add_page(m, bits_load_le(entries + 8 * i, 8), page);

        if (status)
            return status;
    }
    if (pages < count)
        *next = bits_load_le(entries + 8 * pages, 8);
    return pages < count && (!*next || *next & (page - 1)) ? NVME_PRP_OFFSET | NVME_DNR : NVME_OK;
}

static u16 map_prps(struct mapping *m, const u8 *command)
{
    u64 page = page_bytes(m->n), first = bits_load_le(command + 24, 8), second = bits_load_le(command + 32, 8);
    u16 status = add(m, first, page - (first & (page - 1)));

    if (status || !m->left)
        return status;
    if (m->left <= page)
        return add_page(m, second, page);
    if (second & 7)
        return NVME_PRP_OFFSET | NVME_DNR;
    do
        status = add_list(m, second, page, &second);
    while (second && !status);
    return status;
}

/* --- scatter gather lists (4.4) --- */

static void add_bucket(struct mapping *m, u64 size)
{
    struct nvme *n = m->n;
    struct nvme_piece piece = { NULL, 0 };

    if (!n->bucket)
        n->bucket = g_malloc(BUCKET);
    size = MIN(size, m->left);
    m->left -= size;
    for (u64 step; size; size -= step) {
        step = MIN(size, BUCKET);
        struct iovec iov = { .iov_base = n->bucket, .iov_len = step };
        g_array_append_val(n->scratch, piece);
        g_array_append_val(n->scratch_iov, iov);
    }
}

static u16 add_data(struct mapping *m, const u8 *descriptor)
{
    u64 size = bits_load_le(descriptor + 8, 4);

    if (descriptor[15] & 15)
        return NVME_SGL_TYPE | NVME_DNR;
    if (descriptor[15] >> 4 == SGL_BUCKET && !m->write)
        return NVME_OK; /* nothing comes from there */
    if (size > m->left)
        return NVME_SGL_LENGTH | NVME_DNR;
    switch (descriptor[15] >> 4) {
    case SGL_DATA:
        return add(m, bits_load_le(descriptor, 8), size);
    case SGL_BUCKET:
        add_bucket(m, size);
        return NVME_OK;
    default:
        return NVME_SGL_TYPE | NVME_DNR;
    }
}

/* A segment; *next becomes the descriptor of the one behind it, if there is one. */
static u16 add_segment(struct mapping *m, u8 *next, bool *more)
{
    u64 address = bits_load_le(next, 8), size = bits_load_le(next + 8, 4), count = size / DESCRIPTOR;
    bool last = next[15] >> 4 == SGL_LAST;

    *more = false;
    if (!size || size % DESCRIPTOR)
        return NVME_SGL_SEGMENT | NVME_DNR;
    m->descriptors += (u32)MIN(count, MOST_DESCRIPTORS + 1);
    if (m->descriptors > MOST_DESCRIPTORS)
        return NVME_SGL_COUNT | NVME_DNR;
    m->n->work += (u32)count;
    g_autofree u8 *segment = g_malloc(size);
    if (!nvme_dma_read(m->n, address, segment, size))
        return NVME_TRANSFER_ERROR;
    for (u64 i = 0; i < count; i++) {
        const u8 *descriptor = segment + i * DESCRIPTOR;
        unsigned type = descriptor[15] >> 4;

        if (i + 1 == count && !last && (type == SGL_SEGMENT || type == SGL_LAST)) {
            memcpy(next, descriptor, DESCRIPTOR);
            *more = true;
            return NVME_OK;
        }
        u16 status = type == SGL_SEGMENT || type == SGL_LAST ? NVME_SGL_SEGMENT | NVME_DNR : add_data(m, descriptor);
        if (status)
            return status;
    }
    return NVME_OK;
}

static u16 map_sgl(struct mapping *m, const u8 *command)
{
    u8 descriptor[DESCRIPTOR];
    bool more = true;
    u16 status = NVME_OK;

    memcpy(descriptor, command + 24, sizeof(descriptor));
    if (descriptor[15] >> 4 != SGL_SEGMENT && descriptor[15] >> 4 != SGL_LAST)
        status = add_data(m, descriptor);
    else
        while (more && !status)
            status = add_segment(m, descriptor, &more);
    return status ? status : m->left ? NVME_SGL_LENGTH | NVME_DNR : NVME_OK;
}

/* --- the whole --- */

static void keep(struct nvme *n, u64 size, struct nvme_data *data)
{
    u32 count = n->scratch->len;

    data->count = count;
    data->size = size;
    n->pieces += count;
    data->iov = g_malloc(count * (sizeof(struct iovec) + sizeof(struct nvme_piece)));
    data->piece = (struct nvme_piece *)(data->iov + count);
    if (!count)
        return;
    memcpy(data->iov, n->scratch_iov->data, count * sizeof(struct iovec));
    memcpy(data->piece, n->scratch->data, count * sizeof(struct nvme_piece));
    for (u32 i = 0; i < count; i++)
        if (data->piece[i].ram)
            vm_ram_pin(data->piece[i].ram);
}

u16 nvme_data_map(struct nvme *n, const u8 *command, u64 size, bool write, bool may_sgl, struct nvme_data *data)
{
    struct mapping mapping = { .n = n, .left = size, .write = write };
    unsigned kind = command[1] >> 6;
    u16 status;

    *data = (struct nvme_data){ 0 };
    if (kind == 3 || (kind && !may_sgl))
        return NVME_INVALID_FIELD | NVME_DNR;
    if (!pci_function_may_dma(&n->pci))
        return NVME_TRANSFER_ERROR;
    g_array_set_size(n->scratch, 0);
    g_array_set_size(n->scratch_iov, 0);
    status = kind ? map_sgl(&mapping, command) : map_prps(&mapping, command);
    if (!status)
        keep(n, size, data);
    return status;
}

void nvme_data_unmap(struct nvme *n, struct nvme_data *data, u64 written)
{
    n->pieces -= data->count;
    for (u32 i = 0; i < data->count; i++) {
        u64 step = MIN(written, data->iov[i].iov_len);

        if (!data->piece[i].ram) {
            written -= step;
            continue;
        }
        if (step)
            vm_ram_changed(data->piece[i].ram, data->piece[i].offset, step);
        written -= step;
        vm_ram_unpin(data->piece[i].ram);
    }
    g_clear_pointer(&data->iov, g_free);
    data->count = 0;
}

u16 nvme_copy_out(struct nvme *n, const u8 *command, const void *from, u64 size)
{
    struct nvme_data data;
    u16 status = nvme_data_map(n, command, size, true, false, &data);

    if (status)
        return status;
    block_data_put(block_data_slice(block_data_list(data.iov, data.count), 0, size), from);
    nvme_data_unmap(n, &data, size);
    return NVME_OK;
}

u16 nvme_copy_in(struct nvme *n, const u8 *command, void *to, u64 size)
{
    struct nvme_data data;
    u16 status = nvme_data_map(n, command, size, false, false, &data);

    if (status)
        return status;
    block_data_get(block_data_list(data.iov, data.count), to);
    nvme_data_unmap(n, &data, 0);
    return NVME_OK;
}
