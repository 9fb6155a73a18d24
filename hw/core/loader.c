/* hw/core/loader.c - files that go into guest memory: reading, recognising, placing. */
#include "hw/core/loader.h"
#include "base/bits.h"
#include "base/error.h"
#include "hw/core/loader_formats.h"
#include "vm/ram.h"
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

bool loader_place_file(struct loader_request *request, struct loader_file *file, struct loader_result *result, GError **error)
{
    /* ELF files carry symbols that are not loaded: allow them some room beyond the memory. */
    u64 room = loader_room(request->space, request->address), size;
    const char *path = loader_file_path(file);
    g_autofree u8 *data = loader_file_read(file, (request->force_raw ? room : room * 2 + 64 * MIB), &size, error);

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
