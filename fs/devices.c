/* fs/devices.c - shared folders by id. */
#include "fs/devices.h"
#include "base/error.h"
#include <string.h>

struct fs_devices {
    GPtrArray *options; /* of struct fs_options */
};

static void free_options(gpointer data)
{
    struct fs_options *options = data;

    g_free(options->id);
    g_free(options->path);
    g_free(options);
}

struct fs_devices *fs_devices_create(void)
{
    struct fs_devices *devices = g_new0(struct fs_devices, 1);

    devices->options = g_ptr_array_new_with_free_func(free_options);
    return devices;
}

void fs_devices_destroy(struct fs_devices *devices)
{
    if (!devices)
        return;
    g_ptr_array_unref(devices->options);
    g_free(devices);
}

static struct fs_options *find(struct fs_devices *devices, const char *id)
{
    for (guint i = 0; devices && i < devices->options->len; i++) {
        struct fs_options *options = devices->options->pdata[i];

        if (!strcmp(options->id, id))
            return options;
    }
    return NULL;
}

bool fs_devices_add(struct fs_devices *devices, const struct fs_options *options, GError **error)
{
    struct fs_options *copy;

    if (find(devices, options->id))
        return error_set(error, "there is already a shared folder '%s'", options->id);
    copy = g_memdup2(options, sizeof(*options));
    copy->id = g_strdup(options->id);
    copy->path = g_strdup(options->path);
    g_ptr_array_add(devices->options, copy);
    return true;
}

const struct fs_options *fs_devices_find(struct fs_devices *devices, const char *id, GError **error)
{
    const struct fs_options *options = find(devices, id);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (options)
        return options;
    for (guint i = 0; devices && i < devices->options->len; i++)
        g_ptr_array_add(names, ((struct fs_options *)devices->options->pdata[i])->id);
    g_ptr_array_add(names, NULL);
    const char *near = error_nearest_name(id, (const char *const *)names->pdata);
    error_set(error, "there is no shared folder '%s'", id);
    if (near)
        error_hint(error, "did you mean '%s'?", near);
    else
        error_hint(error, "define it with -fsdev local,id=%s,path=FOLDER,security_model=none", id);
    return NULL;
}
