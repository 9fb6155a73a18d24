/* system/drive_limits.c - limits of -drive: throttling.bps-total= and the like, and their old names bps=, iops_rd= ... */
#include "base/error.h"
#include "block/throttle.h"
#include "system/system.h"

/* QEMU's names for the kinds, and those of old. */
static const char *const kinds[][2] = { [THROTTLE_TOTAL] = { "total", "" }, [THROTTLE_READ] = { "read", "_rd" }, [THROTTLE_WRITE] = { "write", "_wr" } };

/* By either name; that of old may be NULL. */
static bool take(struct api_keyval *list, const char *name, const char *old, GPtrArray *names, u64 *to, GError **error)
{
    g_ptr_array_add(names, g_strdup(name));
    if (old)
        g_ptr_array_add(names, g_strdup(old));
    if (old && api_keyval_get(list, old) && api_keyval_get(list, name))
        return error_set(error, "'%s' and its alias '%s' can't be used at the same time", name, old);
    return api_keyval_get_u64(list, name, to, error) && (!old || api_keyval_get_u64(list, old, to, error));
}

static bool take_kind(struct api_keyval *list, const char *unit, enum throttle_kind kind, GPtrArray *names, struct throttle_limit *to, GError **error)
{
    g_autofree char *average = g_strdup_printf("throttling.%s-%s", unit, kinds[kind][0]), *old_average = g_strdup_printf("%s%s", unit, kinds[kind][1]);
    g_autofree char *max = g_strconcat(average, "-max", NULL), *old_max = g_strconcat(old_average, "_max", NULL);
    g_autofree char *length = g_strconcat(max, "-length", NULL);

    return take(list, average, old_average, names, &to->average, error) && take(list, max, old_max, names, &to->max, error) &&
           take(list, length, NULL, names, &to->length, error);
}

bool system_drive_limits(struct api_keyval *list, struct throttle_limits *limits, const char **group, GPtrArray *names, GError **error)
{
    *limits = throttle_limits_none();
    for (enum throttle_kind kind = 0; kind < THROTTLE_KINDS; kind++)
        if (!take_kind(list, "bps", kind, names, &limits->bytes[kind], error) || !take_kind(list, "iops", kind, names, &limits->requests[kind], error))
            return false;
    if (!take(list, "throttling.iops-size", "iops_size", names, &limits->request_size, error))
        return false;
    *group = api_keyval_get(list, "throttling.group");
    *group = *group ? *group : api_keyval_get(list, "group");
    g_ptr_array_add(names, g_strdup("throttling.group"));
    g_ptr_array_add(names, g_strdup("group"));
    return throttle_limits_check(limits, error);
}
