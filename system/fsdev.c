/* system/fsdev.c - -fsdev and -virtfs: folders of the host for the guest. */
#include "base/error.h"
#include "fs/devices.h"
#include "system/system.h"
#include "vm/machine.h"
#include <string.h>

static bool choose(const char *const *names, const char *key, const char *text, u32 *value, GError **error)
{
    for (u32 i = 0; names[i]; i++) {
        if (!strcmp(names[i], text)) {
            *value = i;
            return true;
        }
    }
    g_autofree char *all = g_strjoinv(", ", (char **)names);
    error_set(error, "%s=%s: no such choice", key, text);
    return error_hint(error, "it is one of: %s", all);
}

/* Octal, as chmod has it. */
static bool get_mode(struct api_keyval *list, const char *key, u32 *mode, GError **error)
{
    const char *text = api_keyval_get(list, key);
    char *end;

    if (!text)
        return true;
    u64 value = g_ascii_strtoull(text, &end, 8);
    if (end == text || *end || value > 0777)
        return error_set(error, "%s=%s: it is an octal number up to 0777", key, text);
    *mode = (u32)value;
    return true;
}

static bool check(struct api_keyval *list, const struct fs_options *options, GError **error)
{
    const char *writeout = api_keyval_get(list, "writeout");

    if (!options->id)
        return error_set(error, "id=NAME is missing");
    if (!options->path)
        return error_set(error, "path=FOLDER is missing");
    if (!api_keyval_get(list, "security_model")) {
        error_set(error, "security_model= is missing");
        return error_hint(error, "none: files belong to you; mapped-xattr: owners that the guest sets are kept in attributes; passthrough: "
                                 "as the guest says, which needs root");
    }
    if (writeout && strcmp(writeout, "immediate"))
        return error_set(error, "writeout=%s: it is immediate", writeout);
    if (options->security < FS_MAPPED_XATTR && (api_keyval_get(list, "fmode") || api_keyval_get(list, "dmode")))
        return error_set(error, "fmode and dmode are for security_model=mapped-xattr and mapped-file");
    return fs_share_check(options->path, error);
}

static bool fill(struct api_keyval *list, const char *id, struct fs_options *options, GError **error)
{
    static const char *const models[] = { "none", "passthrough", "mapped-xattr", "mapped-file", NULL };
    static const char *const multidevs[] = { "remap", "forbid", "warn", NULL };
    const char *model = api_keyval_get(list, "security_model"), *multi = api_keyval_get(list, "multidevs");
    u32 security = FS_NONE, many = FS_WARN;

    if (!g_strcmp0(model, "mapped"))
        model = "mapped-xattr";
    if ((model && !choose(models, "security_model", model, &security, error)) || (multi && !choose(multidevs, "multidevs", multi, &many, error)))
        return false;
    *options = (struct fs_options){ .id = (char *)id, .path = (char *)api_keyval_get(list, "path"), .security = security, .multidevs = many,
                                    .fmode = 0600, .dmode = 0700 };
    return api_keyval_get_bool(list, "readonly", &options->readonly, error) && get_mode(list, "fmode", &options->fmode, error) &&
           get_mode(list, "dmode", &options->dmode, error) && check(list, options, error);
}

static bool is_local(struct api_keyval *list, GError **error)
{
    const char *driver = api_keyval_get(list, "fsdriver");

    if (!g_strcmp0(driver, "local"))
        return true;
    error_set(error, "'%s' is no kind of shared folder", driver ? driver : "");
    return error_hint(error, "what there is: local");
}

/* -virtfs is -fsdev and a device in one. */
static bool add_virtfs(struct mynah_system *s, struct api_keyval *list, unsigned number, GError **error)
{
    g_autofree char *made = g_strdup_printf("virtfs%u", number);
    struct fs_options options;

    if (!api_keyval_get(list, "id"))
        api_keyval_set(list, "id", made); /* by which the device finds it */
    if (!api_keyval_get(list, "mount_tag"))
        return error_set(error, "mount_tag=NAME is missing: the name by which the guest mounts it");
    return fill(list, api_keyval_get(list, "id"), &options, error) && fs_devices_add(s->fsdevs, &options, error);
}

bool system_create_fsdevs(struct mynah_system *s, GError **error)
{
    unsigned number = 0;

    s->fsdevs = fs_devices_create();
    vm_set_backend(s->vm, "fsdevs", 0, s->fsdevs);
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);
        struct fs_options options;
        bool ok;

        if (use->id != API_OPTION_FSDEV && use->id != API_OPTION_VIRTFS)
            continue;
        ok = is_local(use->keyval, error);
        if (ok && use->id == API_OPTION_VIRTFS)
            ok = add_virtfs(s, use->keyval, number++, error);
        else if (ok)
            ok = fill(use->keyval, api_keyval_get(use->keyval, "id"), &options, error) && fs_devices_add(s->fsdevs, &options, error);
        if (!ok)
            return error_prefix(error, "%s %s", use->spelling, use->text);
    }
    return true;
}
