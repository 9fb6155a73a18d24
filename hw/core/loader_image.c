/*
 * hw/core/loader_image.c - Linux Image (Documentation/arch/riscv/boot-image-header.rst) and U-Boot legacy image
 * (U-Boot's include/image.h).
 */
#include "base/bits.h"
#include "base/error.h"
#include "hw/core/loader_formats.h"
#include <string.h>
#include <zlib.h>

enum { IMAGE_HEADER = 64, IMAGE_SIZE_AT = 16, IMAGE_MAGIC_AT = 0x38 };
/* An Image that can start as an EFI application carries the headers of one (PE Format: "COFF File Header", "Section Table"). */
enum { PE_OFFSET_AT = 0x3c, COFF_HEADER = 20, SECTION_HEADER = 40, SECTION_RAW_SIZE_AT = 16, SECTION_RAW_START_AT = 20 };
enum { UIMAGE_HEADER = 64, UIMAGE_MAGIC = 0x27051956, UIMAGE_GZIP = 1 };

bool loader_is_image(const u8 *data, u64 size)
{
    return size >= IMAGE_HEADER && !memcmp(data + IMAGE_MAGIC_AT, "RSC\x05", 4);
}

/*
 * Bytes that the file must have as far as its headers tell: the end of the last section's contents. image_size is no measure, since
 * it counts what the kernel clears, which no file holds. 0: an Image without these headers.
 */
static u64 least_size(const u8 *data, u64 size)
{
    u64 pe = bits_load_le(data + PE_OFFSET_AT, 4), end = 0;

    if (memcmp(data, "MZ", 2))
        return 0;
    if (size < pe + 4 + COFF_HEADER)
        return pe + 4 + COFF_HEADER;
    if (memcmp(data + pe, "PE\0\0", 4))
        return 0;
    u64 sections = bits_load_le(data + pe + 6, 2), table = pe + 4 + COFF_HEADER + bits_load_le(data + pe + 20, 2);
    if (table + sections * SECTION_HEADER > size)
        return table + sections * SECTION_HEADER;
    for (const u8 *section = data + table; sections--; section += SECTION_HEADER)
        end = MAX(end, bits_load_le(section + SECTION_RAW_START_AT, 4) + bits_load_le(section + SECTION_RAW_SIZE_AT, 4));
    return end;
}

bool loader_place_image(const struct loader_request *r, struct loader_result *result, GError **error)
{
    u64 wanted = bits_load_le(r->data + IMAGE_SIZE_AT, 8), whole = MAX(wanted, r->size);
    u64 least = least_size(r->data, r->size);

    if (least > r->size)
        return error_set(error, "%s: the kernel image is cut off: %" G_GUINT64_FORMAT " of at least %" G_GUINT64_FORMAT " bytes are there",
                         r->name, r->size, least);
    if (whole > loader_room(r->space, r->address))
        return error_set(error, "%s: the kernel needs %" G_GUINT64_FORMAT " KiB at 0x%" G_GINT64_MODIFIER "x, memory ends before", r->name,
                         whole / KIB, r->address);
    *result = (struct loader_result){ .format = LOADER_IMAGE, .entry = r->address, .low = r->address, .high = r->address + whole };
    return loader_fill(r, r->address, r->data, r->size, 0, error);
}

bool loader_is_uimage(const u8 *data, u64 size)
{
    return size >= UIMAGE_HEADER && bits_load_be(data, 4) == UIMAGE_MAGIC;
}

static bool check_uimage(const struct loader_request *r, GError **error)
{
    u8 header[UIMAGE_HEADER];

    memcpy(header, r->data, sizeof(header));
    memset(header + 4, 0, 4);
    if (crc32(0, header, sizeof(header)) != bits_load_be(r->data + 4, 4))
        return error_set(error, "%s: U-Boot image header is damaged", r->name);
    if (header[29] != r->uimage_arch)
        return error_set(error, "%s: U-Boot image for another architecture (%u, the guest is %u)", r->name, header[29], r->uimage_arch);
    if (header[31] > UIMAGE_GZIP)
        return error_set(error, "%s: U-Boot image is packed by something else than gzip", r->name);
    if (bits_load_be(header + 12, 4) > r->size - UIMAGE_HEADER)
        return error_set(error, "%s: U-Boot image is cut off", r->name);
    return true;
}

bool loader_place_uimage(const struct loader_request *r, struct loader_result *result, GError **error)
{
    if (!check_uimage(r, error))
        return false;
    u64 size = bits_load_be(r->data + 12, 4), load = bits_load_be(r->data + 16, 4);
    const u8 *data = r->data + UIMAGE_HEADER;
    g_autofree u8 *unpacked = NULL;

    if (r->data[31] == UIMAGE_GZIP) {
        unpacked = loader_gunzip(data, size, loader_room(r->space, load), &size, error);
        if (!unpacked)
            return error_prefix(error, "%s", r->name);
        data = unpacked;
    }
    *result = (struct loader_result){ .format = LOADER_UIMAGE, .entry = bits_load_be(r->data + 20, 4), .low = load, .high = load + size };
    return loader_fill(r, load, data, size, 0, error);
}
