/* system/numa.c - -numa: the machine's NUMA nodes, their memory, CPUs and distances. */
#include "vm/numa.h"
#include "base/error.h"
#include "system/system.h"
#include "vm/memory_backend.h"
#include <string.h>

static bool number(struct api_keyval *list, const char *key, u64 limit, u64 fallback, u64 *value, GError **error)
{
    *value = fallback;
    if (!api_keyval_get_u64(list, key, value, error))
        return false;
    if (*value == UINT64_MAX)
        return error_set(error, "'%s' is missing", key);
    return *value < limit || error_set(error, "%s=%" G_GUINT64_FORMAT " is not below %" G_GUINT64_FORMAT, key, *value, limit);
}

/* "3" or "0-3" of cpus=. */
static bool assign_cpus(struct machine *m, u32 node, const char *text, GError **error)
{
    char *end;
    u64 first = g_ascii_strtoull(text, &end, 10), last = first;

    if (*end == '-' && g_ascii_isdigit(end[1]))
        last = g_ascii_strtoull(end + 1, &end, 10);
    if (!g_ascii_isdigit(*text) || *end || last < first)
        return error_set(error, "cpus=%s: it is a number or a range such as 0-3", text);
    if (last >= m->max_cpus)
        return error_set(error, "CPU index (%" G_GUINT64_FORMAT ") should be smaller than maxcpus (%u)", last, m->max_cpus);
    for (u64 cpu = first; cpu <= last; cpu++) {
        if (m->numa->cpu_node[cpu] != UINT32_MAX && m->numa->cpu_node[cpu] != node)
            return error_set(error, "CPU %" G_GUINT64_FORMAT " is in node %u already", cpu, m->numa->cpu_node[cpu]);
        m->numa->cpu_node[cpu] = node;
    }
    return true;
}

static bool set_node_memory(struct mynah_system *s, struct numa_node *node, struct api_keyval *list, GError **error)
{
    const char *memdev = api_keyval_get(list, "memdev");
    bool has_size = api_keyval_find(list, "mem") != NULL;

    if (memdev && has_size)
        return error_set(error, "cannot specify both mem= and memdev=");
    node->memdev = g_strdup(memdev);
    return memdev ? memory_backend_size(s->vm, "memdev", memdev, &node->size, error)
                  : api_keyval_get_size(list, "mem", MIB, &node->size, error);
}

static bool add_node(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    struct numa *numa = s->machine->numa;
    u64 id;

    if (numa->count == NUMA_NODES_MAX)
        return error_set(error, "there are at most %u NUMA nodes", NUMA_NODES_MAX);
    if (!number(list, "nodeid", NUMA_NODES_MAX, numa->count, &id, error))
        return false;
    if (numa->node[id].present)
        return error_set(error, "duplicate NUMA nodeid: %" G_GUINT64_FORMAT, id);
    numa->node[id].present = true;
    numa->count++;
    for (unsigned i = 0; i < api_keyval_count(list); i++) {
        struct api_keyval_item *item = api_keyval_at(list, i);

        if ((!strcmp(item->key, "cpus") || g_str_has_prefix(item->key, "cpus.")) && !assign_cpus(s->machine, (u32)id, item->value, error))
            return false;
    }
    return set_node_memory(s, &numa->node[id], list, error);
}

static bool add_distance(struct numa *numa, struct api_keyval *list, GError **error)
{
    u64 from, to, value;

    if (!number(list, "src", NUMA_NODES_MAX, UINT64_MAX, &from, error) || !number(list, "dst", NUMA_NODES_MAX, UINT64_MAX, &to, error) ||
        !number(list, "val", 256, UINT64_MAX, &value, error))
        return false;
    if (!numa->node[from].present || !numa->node[to].present)
        return error_set(error, "src and dst are nodes that -numa node made before");
    if (value < NUMA_DISTANCE_LOCAL)
        return error_set(error, "a distance is at least %u", NUMA_DISTANCE_LOCAL);
    if (from == to && value != NUMA_DISTANCE_LOCAL)
        return error_set(error, "the distance of a node to itself is %u", NUMA_DISTANCE_LOCAL);
    numa->distances = true;
    numa->distance[from][to] = (u8)value;
    return true;
}

static bool add_cpu(struct machine *m, struct api_keyval *list, GError **error)
{
    u64 node, core;

    if (!number(list, "node-id", NUMA_NODES_MAX, UINT64_MAX, &node, error) || !number(list, "core-id", m->max_cpus, UINT64_MAX, &core, error))
        return false;
    if (!m->numa->node[node].present)
        return error_set(error, "node-id=%" G_GUINT64_FORMAT ": there is no such node yet", node);
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, core);
    return assign_cpus(m, (u32)node, text, error);
}

static bool add(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    const char *type = api_keyval_get(list, "type");

    if (!g_strcmp0(type, "node"))
        return add_node(s, list, error);
    if (!g_strcmp0(type, "dist"))
        return add_distance(s->machine->numa, list, error);
    if (!g_strcmp0(type, "cpu"))
        return add_cpu(s->machine, list, error);
    return error_set(error, "say what to add: node, dist or cpu");
}

static bool check_memory(const struct machine *m, GError **error)
{
    const struct numa *numa = m->numa;
    u64 total = 0;

    for (u32 i = 0; i < numa->count; i++) {
        const struct numa_node *node = &numa->node[i];

        if (!node->present)
            return error_set(error, "numa: Node ID missing: %u", i);
        if (!node->memdev != !numa->node[0].memdev)
            return error_set(error, "memdev option must be specified for either all or no nodes");
        if (node->size % 4096 || node->size > m->ram_size)
            return error_set(error, "node %u: %" G_GUINT64_FORMAT " bytes are no multiple of 4 KiB below the size of RAM", i, node->size);
        total += node->size;
    }
    if (numa->node[0].memdev && m->memory_backend)
        return error_set(error, "'-machine memory-backend' and '-numa memdev' properties are mutually exclusive");
    if (total == m->ram_size)
        return true;
    error_set(error, "total memory for NUMA nodes (0x%" G_GINT64_MODIFIER "x) should equal RAM size (0x%" G_GINT64_MODIFIER "x)", total,
              m->ram_size);
    return error_hint(error, "give each node memdev= or mem=, and -m the sum");
}

/* A distance that was given one way holds both ways; without any, all other nodes are equally far. */
static bool complete_distances(struct numa *numa, GError **error)
{
    for (u32 from = 0; from < numa->count; from++) {
        for (u32 to = 0; to < numa->count; to++) {
            u8 *distance = &numa->distance[from][to];

            if (from == to)
                *distance = NUMA_DISTANCE_LOCAL;
            else if (!*distance)
                *distance = numa->distances ? numa->distance[to][from] : NUMA_DISTANCE_REMOTE;
            if (!*distance)
                return error_set(error, "the distance between node %u and %u is missing; if one is given, all are needed", from, to);
        }
    }
    return true;
}

/* CPUs that nobody placed: all of them in equal parts in order, some of them in node 0. */
static void complete_cpus(struct mynah_system *s)
{
    const struct machine *m = s->machine;
    struct numa *numa = m->numa;
    u32 placed = 0, share = MAX(m->max_cpus / numa->count, 1);

    for (u32 i = 0; i < m->max_cpus; i++)
        placed += numa->cpu_node[i] != UINT32_MAX;
    if (placed && placed < m->max_cpus)
        system_print_message(s, "warning: %u of %u CPUs are in no NUMA node; they go to node 0", m->max_cpus - placed, m->max_cpus);
    for (u32 i = 0; i < m->max_cpus; i++) {
        if (numa->cpu_node[i] == UINT32_MAX)
            numa->cpu_node[i] = placed ? 0 : MIN(i / share, numa->count - 1);
    }
}

bool system_create_numa(struct mynah_system *s, GError **error)
{
    struct machine *m = s->machine;

    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (use->id != API_OPTION_NUMA)
            continue;
        if (!machine_class_of(m->object.class)->has_numa)
            return error_set(error, "-numa: machine '%s' has no NUMA nodes", machine_class_of(m->object.class)->name);
        if (!m->numa) {
            m->numa = g_new0(struct numa, 1);
            m->numa->cpu_node = g_new(u32, m->max_cpus);
            memset(m->numa->cpu_node, 0xff, m->max_cpus * sizeof(u32));
        }
        if (!add(s, use->keyval, error))
            return error_prefix(error, "-numa %s", use->text);
    }
    if (!m->numa)
        return true;
    if (!m->numa->count)
        return error_set(error, "-numa: there is no node");
    complete_cpus(s);
    return check_memory(m, error) && complete_distances(m->numa, error);
}
