/* monitor/hmp_objects.c - the monitor's commands about objects, memory backends and NUMA nodes. */
#include "api/keyval.h"
#include "base/error.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include "vm/memory_backend.h"
#include "vm/numa.h"
#include "vm/user.h"
#include <inttypes.h>
#include <string.h>

static bool add(struct hmp *hmp, const char *text, GError **error)
{
    static const struct api_keys keys = { .implied = "qom-type", .open = true, .json = true };
    g_autoptr(api_keyval) list = api_keyval_parse(text, &keys, error);
    const char *type = list ? api_keyval_get(list, "qom-type") : NULL, *id = list ? api_keyval_get(list, "id") : NULL;

    if (!list)
        return false;
    if (!type || !id)
        return error_set(error, "write object_add TYPE,id=ID[,PROPERTY=VALUE...]");
    g_autoptr(GPtrArray) pairs = vm_user_pairs(list, "qom-type");
    const struct vm_user_request request = {
        .ancestor = "user-creatable", .type = type, .id = id, .parent = vm_object_child(vm_root(hmp->vm), "objects"),
        .pairs = (const char *const *)pairs->pdata,
    };
    return vm_user_create(hmp->vm, &request, error);
}

void hmp_object_add(struct hmp *hmp)
{
    g_autofree char *text = hmp_word(hmp);
    GError *error = NULL;

    if (!add(hmp, text ? text : "", &error))
        hmp_error(hmp, error);
}

void hmp_object_del(struct hmp *hmp)
{
    g_autofree char *id = hmp_word(hmp);
    GError *error = NULL;

    if (!vm_user_delete(hmp->vm, id ? id : "", &error))
        hmp_error(hmp, error);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void show_memdev(const struct memory_backend_info *info, void *opaque)
{
    static const char *const policies[] = { "default", "preferred", "bind", "interleave" };
    struct hmp *hmp = opaque;
    g_autofree char *path = g_strconcat("/objects/", info->id, NULL);
    struct vm_object *object = vm_object_resolve(hmp->vm, path);
    g_autofree char *nodes = object ? vm_object_get(object, "host-nodes", NULL) : NULL;

    hmp_print(hmp, "memory backend: %s\n  size:  %" PRIu64 "\n  merge: %s\n  dump: %s\n  prealloc: %s\n  share: %s", info->id, info->size,
              truth(info->merge), truth(info->dump), truth(info->prealloc), truth(info->share));
    hmp_print(hmp, "  reserve: %s\n  policy: %s\n  host nodes: %s\n", truth(info->reserve), policies[info->policy], nodes ? nodes : "");
}

void hmp_info_memdev(struct hmp *hmp)
{
    memory_backend_foreach(hmp->vm, show_memdev, hmp);
}

void hmp_info_numa(struct hmp *hmp)
{
    struct vm_object *object = vm_machine(hmp->vm);
    const struct machine *machine = object ? container_of(object, struct machine, object) : NULL;
    const struct numa *numa = machine ? machine->numa : NULL;

    hmp_print(hmp, "%u nodes", numa ? numa->count : 0);
    for (u32 i = 0; numa && i < numa->count; i++) {
        g_string_append_printf(hmp->out, "node %u cpus:", i);
        for (u32 cpu = 0; cpu < machine->cpus; cpu++) {
            if (numa->cpu_node[cpu] == i)
                g_string_append_printf(hmp->out, " %u", cpu);
        }
        hmp_print(hmp, "\nnode %u size: %" PRIu64 " MB\nnode %u plugged: 0 MB", i, numa->node[i].size / MIB, i);
    }
}

void hmp_info_memory_size(struct hmp *hmp)
{
    struct vm_object *object = vm_machine(hmp->vm);

    hmp_print(hmp, "base memory: %" PRIu64 "\nplugged memory: 0", object ? container_of(object, struct machine, object)->ram_size : 0);
}
