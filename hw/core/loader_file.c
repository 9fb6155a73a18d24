/* hw/core/loader_file.c - files that are loaded at each reset. */
#include "base/error.h"
#include "hw/core/loader.h"
#include "host/map.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct loader_file {
    char *path;
    FILE *stream; /* open as long as this is: what is loaded is what was there in the beginning, whatever becomes of its name */
    GBytes *kept; /* of what can be read once, as a pipe; NULL: nothing yet */
};

struct loader_file *loader_file_open(const char *path, GError **error)
{
    FILE *stream = fopen(path, "rbe");
    struct loader_file *file;

    if (!stream) {
        error_set(error, "cannot open '%s': %s", path, strerror(errno));
        return NULL;
    }
    file = g_new0(struct loader_file, 1);
    file->path = g_strdup(path);
    file->stream = stream;
    return file;
}

void loader_file_close(struct loader_file *file)
{
    if (!file)
        return;
    fclose(file->stream);
    g_clear_pointer(&file->kept, g_bytes_unref);
    g_free(file->path);
    g_free(file);
}

const char *loader_file_path(const struct loader_file *file)
{
    return file->path;
}

static bool can_go_back(FILE *stream)
{
    return fseek(stream, 0, SEEK_SET) == 0;
}

/* The file's size and one byte more, so that reading it ends; a first guess for what has none. */
static u64 expected_size(FILE *stream)
{
    long size = fseek(stream, 0, SEEK_END) ? -1 : ftell(stream);

    rewind(stream);
    return size > 0 ? MIN((u64)size, 256 * MIB) + 1 : 64 * KIB; /* a folder says LONG_MAX */
}

/* At most max + 1 bytes, so that the caller sees that there was more. */
static u8 *read_stream(FILE *stream, u64 max, u64 *size)
{
    u64 room = 0, used = 0;
    u8 *data = NULL;

    do {
        if (used == room) {
            room = MIN(max + 1, room ? room * 2 : expected_size(stream));
            data = g_realloc(data, room);
            host_map_expect_heap(data + used, room - used); /* page by page costs more than reading */
        }
        size_t got = fread(data + used, 1, room - used, stream);
        if (!got)
            break;
        used += got;
    } while (used <= max);
    *size = used;
    return data;
}

static bool check(const struct loader_file *file, u64 size, u64 max, GError **error)
{
    if (ferror(file->stream))
        return error_set(error, "cannot read '%s': %s", file->path, strerror(errno));
    return size <= max || error_set(error, "'%s' is larger than the %" G_GUINT64_FORMAT " KiB that there is room for", file->path, max / KIB);
}

static u8 *copy_kept(const struct loader_file *file, u64 *size)
{
    gsize length;
    const void *bytes = g_bytes_get_data(file->kept, &length);
    u8 *copy = g_malloc(length + 1);

    if (length)
        memcpy(copy, bytes, length);
    *size = length;
    return copy;
}

u8 *loader_file_read(struct loader_file *file, u64 max, u64 *size, GError **error)
{
    bool again = can_go_back(file->stream);

    max = MIN(max, UINT64_C(1) << 46);
    u8 *data = file->kept ? copy_kept(file, size) : read_stream(file->stream, max, size);
    if (!check(file, *size, max, error)) {
        g_free(data);
        return NULL;
    }
    if (!again && !file->kept)
        file->kept = g_bytes_new(data, *size);
    return data;
}
