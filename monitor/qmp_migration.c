/* monitor/qmp_migration.c - capabilities of migration, which is not there yet. */
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/internal.h"

bool qmp_query_migrate_capabilities(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    *ret = api_list_new();
    for (unsigned i = 0; i < API_MIGRATION_CAPABILITY_COUNT; i++) {
        struct api_migration_capability_status *status = api_new(&api_type_migration_capability_status);

        status->capability = (enum api_migration_capability)i;
        status->state = i == API_MIGRATION_CAPABILITY_EVENTS && monitor->set->migration_events;
        g_ptr_array_add(*ret, status);
    }
    return true;
}

bool qmp_migrate_set_capabilities(struct monitor *monitor, const struct api_args_migrate_set_capabilities *args,
                                  GError **error)
{
    for (guint i = 0; i < args->capabilities->len; i++) {
        const struct api_migration_capability_status *status = args->capabilities->pdata[i];

        if (status->capability == API_MIGRATION_CAPABILITY_EVENTS)
            monitor->set->migration_events = status->state;
        else if (status->state)
            return error_set(error, "migration capability '%s' is not available",
                             api_type_migration_capability.values[status->capability]);
    }
    return true;
}
