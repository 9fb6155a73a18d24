/* hw/core/loader.c - files that go into guest memory: reading, recognising, placing. */
#include "hw/core/loader.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/map.h"
#include "hw/core/loader_formats.h"
#include "vm/ram.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

u64 loader_room(struct space *space, u64 address)
{
    struct space_hit hit = space_lookup(space, address);

    return hit.ram ? MIN(hit.left, hit.ram->size - hit.ram_offset) : 0;
}

char *loader_find(char **folders, const char *name)
{
    for (char **folder = folders; folder && *folder && !strchr(name, '/'); folder++) {
        char *path = g_build_filename(*folder, name, NULL);

        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return path;
        g_free(path);
    }
    return g_file_test(name, G_FILE_TEST_EXISTS) ? g_strdup(name) : NULL;
}

/* The file's size and one byte more, so that reading it ends; a first guess for what has none. */
static u64 expected_size(FILE *file)
{
    long size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);

    rewind(file);
    return size > 0 ? MIN((u64)size, 256 * MIB) + 1 : 64 * KIB; /* a folder says LONG_MAX */
}

/* At most max + 1 bytes, so that the caller sees that there was more. */
static u8 *read_stream(FILE *file, u64 max, u64 *size)
{
    u64 room = 0, used = 0;
    u8 *data = NULL;

    do {
        if (used == room) {
            room = MIN(max + 1, room ? room * 2 : expected_size(file));
            data = g_realloc(data, room);
            host_map_expect_heap(data + used, room - used); /* page by page costs more than reading */
        }
        size_t got = fread(data + used, 1, room - used, file);
        if (!got)
            break;
        used += got;
    } while (used <= max);
    *size = used;
    return data;
}

u8 *loader_read_file(const char *path, u64 max, u64 *size, GError **error)
{
    FILE *file = fopen(path, "rb");

    if (!file) {
        error_set(error, "cannot open '%s': %s", path, strerror(errno));
        return NULL;
    }
    max = MIN(max, UINT64_C(1) << 46);
    u8 *data = read_stream(file, max, size);
    if (ferror(file))
        error_set(error, "cannot read '%s': %s", path, strerror(errno));
    else if (*size > max)
        error_set(error, "'%s' is larger than the %" G_GUINT64_FORMAT " KiB that there is room for", path, max / KIB);
    else
        goto out;
    g_clear_pointer(&data, g_free);
out:
    fclose(file);
    return data;
}

bool loader_fill(const struct loader_request *request, u64 address, const u8 *data, u64 size, u64 clear, GError **error)
{
    u64 room = loader_room(request->space, address);

    if (!size && !clear)
        return true;
    if (clear > room || size > room - clear)
        return error_set(error, "%s: 0x%" G_GINT64_MODIFIER "x bytes do not fit into memory at 0x%" G_GINT64_MODIFIER "x", request->name,
                         size + clear, address);
    space_load_bytes(request->space, address, data, size);
    struct space_hit hit = space_lookup(request->space, address);
    vm_ram_ask(hit.ram, hit.ram_offset + size, clear);
    memset(hit.ram->host + hit.ram_offset + size, 0, clear);
    if (clear)
        vm_ram_changed(hit.ram, hit.ram_offset + size, clear);
    return true;
}

static bool place_raw(const struct loader_request *request, struct loader_result *result, GError **error)
{
    *result = (struct loader_result){ .format = LOADER_RAW, .entry = request->address, .low = request->address };
    result->high = request->address + request->size;
    return loader_fill(request, request->address, request->data, request->size, 0, error);
}

bool loader_place(const struct loader_request *request, struct loader_result *result, GError **error)
{
    if (!request->force_raw && loader_is_elf(request->data, request->size))
        return loader_place_elf(request, result, error);
    if (!request->force_raw && loader_is_uimage(request->data, request->size))
        return loader_place_uimage(request, result, error);
    if (!request->force_raw && loader_is_image(request->data, request->size))
        return loader_place_image(request, result, error);
    return place_raw(request, result, error);
}

/* Replaces a compressed kernel by what it holds. Whatever zboot holds but a kernel would run as garbage. */
static bool unpack(u8 **data, u64 *size, u64 max, GError **error)
{
    bool zboot = loader_is_zboot(*data, *size);
    u64 unpacked_size;

    if (!zboot && !loader_is_gzip(*data, *size))
        return true;
    u8 *unpacked = (zboot ? loader_unpack_zboot : loader_gunzip)(*data, *size, max, &unpacked_size, error);
    if (!unpacked)
        return false;
    g_free(*data);
    *data = unpacked;
    *size = unpacked_size;
    if (zboot && !loader_is_image(*data, *size) && !loader_is_elf(*data, *size))
        return error_set(error, "the EFI zboot image holds no kernel for this guest");
    return true;
}

bool loader_place_file(struct loader_request *request, const char *path, struct loader_result *result, GError **error)
{
    /* ELF files carry symbols that are not loaded: allow them some room beyond the memory. */
    u64 room = loader_room(request->space, request->address), size;
    g_autofree u8 *data = loader_read_file(path, (request->force_raw ? room : room * 2 + 64 * MIB), &size, error);

    if (!data)
        return false;
    if (!size && !request->force_raw)
        return error_set(error, "'%s' is empty", path);
    if (request->unpack && !unpack(&data, &size, room, error))
        return error_prefix(error, "'%s'", path);
    request->data = data;
    request->size = size;
    request->name = path;
    bool ok = loader_place(request, result, error);
    request->data = NULL;
    return ok;
}
