/* monitor/qmp_block.c - commands about disks. */
#include "base/error.h"
#include "block/media.h"
#include "block/iothread.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "vm/machine.h"
#include <json-c/json.h>
#include <string.h>

static struct disk_set *disks_of(struct monitor *monitor)
{
    return vm_backend(monitor->set->vm, "disks", 0);
}

bool qmp_blockdev_add(struct monitor *monitor, const struct api_blockdev_options *args, GError **error)
{
    struct json_object *options = api_to_json(&api_type_blockdev_options, &args);
    bool ok = disks_of(monitor) ? disk_set_open(disks_of(monitor), options, error) : error_set(error, "this machine has no disks");

    json_object_put(options);
    return ok;
}

static void put(gpointer json)
{
    json_object_put(json);
}

bool qmp_blockdev_reopen(struct monitor *monitor, const struct api_args_blockdev_reopen *args, GError **error)
{
    g_autoptr(GPtrArray) options = g_ptr_array_new_with_free_func(put);

    for (guint i = 0; i < args->options->len; i++)
        g_ptr_array_add(options, api_to_json(&api_type_blockdev_options, &args->options->pdata[i]));
    return disks_of(monitor) ? disk_set_reopen(disks_of(monitor), (struct json_object *const *)options->pdata, options->len, error)
                             : error_set(error, "this machine has no disks");
}

bool qmp_blockdev_del(struct monitor *monitor, const struct api_args_blockdev_del *args, GError **error)
{
    return disks_of(monitor) ? disk_set_close(disks_of(monitor), args->node_name, error) : error_set(error, "Failed to find node with node-name='%s'", args->node_name);
}

static unsigned depth_of(struct block_node *node)
{
    unsigned depth = 0;

    for (; (node = block_backing(node)); depth++)
        ;
    return depth;
}

static struct api_image_info *image_info(struct block_node *node)
{
    struct api_image_info *info = api_new(&api_type_image_info);
    s64 allocated = block_allocated_size(node);

    info->filename = g_strdup(block_filename(node));
    info->format = g_strdup(block_driver_name(node));
    info->virtual_size = (s64)block_size(node);
    info->has_actual_size = allocated >= 0;
    info->actual_size = allocated;
    return info;
}

static struct api_block_device_info *node_info(struct block_node *node)
{
    struct api_block_device_info *info = api_new(&api_type_block_device_info);

    info->file = g_strdup(block_filename(node));
    info->node_name = g_strdup(block_name(node));
    info->ro = block_is_read_only(node);
    info->drv = g_strdup(block_driver_name(node));
    info->backing_file = block_backing(node) ? g_strdup(block_filename(block_backing(node))) : NULL;
    info->backing_file_depth = depth_of(node);
    info->active = true;
    info->detect_zeroes = block_detect_zeroes(node);
    info->image = image_info(node);
    info->cache = api_new(&api_type_blockdev_cache_info);
    info->cache->writeback = true;
    block_cache_mode(node, &info->cache->direct, &info->cache->no_flush);
    return info;
}

bool qmp_query_named_block_nodes(struct monitor *monitor, const struct api_args_query_named_block_nodes *args, GPtrArray **ret, GError **error)
{
    GList *list = disks_of(monitor) ? block_graph_list(disk_set_graph(disks_of(monitor))) : NULL;

    *ret = api_list_new();
    for (GList *at = list; at; at = at->next)
        g_ptr_array_add(*ret, node_info(at->data));
    g_list_free(list);
    return true;
}

/* What only a disk knows. */
static void finish_info(const struct disk *disk, struct api_block_device_info *info)
{
    info->cache->writeback = !disk_is_writethrough(disk);
    monitor_show_limits(disk, info);
}

bool qmp_query_block(struct monitor *monitor, const struct api_args_query_block *args, GPtrArray **ret, GError **error)
{
    GList *list = disks_of(monitor) ? disk_set_list(disks_of(monitor)) : NULL;

    *ret = api_list_new();
    for (GList *at = list; at; at = at->next) {
        static const enum api_block_device_io_status words[] = {
            [DISK_IO_OK] = API_BLOCK_DEVICE_IO_STATUS_OK,
            [DISK_IO_FAILED] = API_BLOCK_DEVICE_IO_STATUS_FAILED,
            [DISK_IO_NO_SPACE] = API_BLOCK_DEVICE_IO_STATUS_NOSPACE,
        };
        struct api_block_info *info = api_new(&api_type_block_info);
        enum disk_io_status status;

        info->has_io_status = disk_io_status(at->data, &status);
        info->io_status = words[status];
        info->device = g_strdup(disk_id(at->data));
        info->qdev = g_strdup(disk_user(at->data));
        info->type = g_strdup("unknown");
        info->removable = !disk_user(at->data) || media_is_removable(at->data);
        info->locked = media_is_locked(at->data);
        info->has_tray_open = media_has_tray(at->data);
        info->tray_open = media_is_open(at->data);
        info->inserted = disk_node(at->data) ? node_info(disk_node(at->data)) : NULL;
        if (info->inserted)
            finish_info(at->data, info->inserted);
        g_ptr_array_add(*ret, info);
    }
    g_list_free(list);
    return true;
}

static struct api_block_stats *stats_of(struct disk *disk)
{
    struct api_block_stats *info = api_new(&api_type_block_stats);
    struct api_block_device_stats *s = info->stats = api_new(&api_type_block_device_stats);
    const struct disk_stats *d = disk_stats(disk);

    info->device = *disk_id(disk) ? g_strdup(disk_id(disk)) : NULL;
    info->qdev = g_strdup(disk_user(disk));
    info->node_name = disk_node(disk) ? g_strdup(block_name(disk_node(disk))) : NULL;
    s->rd_bytes = (s64)d->bytes[DISK_READ];
    s->wr_bytes = (s64)(d->bytes[DISK_WRITE] + d->bytes[DISK_ZEROES]);
    s->unmap_bytes = (s64)d->bytes[DISK_DISCARD];
    s->rd_operations = (s64)d->operations[DISK_READ];
    s->wr_operations = (s64)(d->operations[DISK_WRITE] + d->operations[DISK_ZEROES]);
    s->flush_operations = (s64)d->operations[DISK_FLUSH];
    s->unmap_operations = (s64)d->operations[DISK_DISCARD];
    s->rd_total_time_ns = (s64)d->time_ns[DISK_READ];
    s->wr_total_time_ns = (s64)(d->time_ns[DISK_WRITE] + d->time_ns[DISK_ZEROES]);
    s->flush_total_time_ns = (s64)d->time_ns[DISK_FLUSH];
    s->unmap_total_time_ns = (s64)d->time_ns[DISK_DISCARD];
    s->wr_highest_offset = (s64)d->highest;
    s->failed_rd_operations = (s64)d->failed[DISK_READ];
    s->failed_wr_operations = (s64)(d->failed[DISK_WRITE] + d->failed[DISK_ZEROES]);
    s->failed_flush_operations = (s64)d->failed[DISK_FLUSH];
    s->failed_unmap_operations = (s64)d->failed[DISK_DISCARD];
    return info;
}

bool qmp_query_blockstats(struct monitor *monitor, const struct api_args_query_blockstats *args, GPtrArray **ret, GError **error)
{
    GList *list = disks_of(monitor) ? disk_set_list(disks_of(monitor)) : NULL;

    *ret = api_list_new();
    for (GList *at = list; at; at = at->next)
        g_ptr_array_add(*ret, stats_of(at->data));
    g_list_free(list);
    return true;
}

struct resize {
    struct block_node *node;
    u64 size;
    bool ok;
    GError **error;
};

static void do_resize(void *opaque)
{
    struct resize *r = opaque;
    struct block_edge *edge = block_attach(r->node, BLOCK_RESIZE, BLOCK_ALL, "block_resize", r->error);

    r->ok = edge && block_truncate(r->node, r->size, BLOCK_PREALLOC_OFF, r->error);
    block_detach(edge);
}

static struct block_node *find_node(struct monitor *monitor, const char *device, const char *name, GError **error)
{
    struct disk_set *set = disks_of(monitor);
    GList *list = set ? disk_set_list(set) : NULL;
    struct block_node *node = NULL;

    if (!device == !name) {
        g_list_free(list);
        error_set(error, "Either 'device' or 'node-name' is needed");
        return NULL;
    }
    if (name && set)
        node = block_graph_find(disk_set_graph(set), name);
    for (GList *at = list; at && device && !node; at = at->next)
        if (!strcmp(disk_id(at->data), device))
            node = disk_node(at->data);
    g_list_free(list);
    if (!node)
        error_set(error, "Cannot find device='%s' nor node-name='%s'", device ? device : "", name ? name : "");
    return node;
}

bool qmp_block_resize(struct monitor *monitor, const struct api_args_block_resize *args, GError **error)
{
    struct resize r = { .node = find_node(monitor, args->device, args->node_name, error), .size = (u64)args->size, .error = error };

    if (!r.node)
        return false;
    if (args->size < 0)
        return error_set(error, "Parameter 'size' expects a >0 size");
    block_loop_call(block_loop_of(r.node), do_resize, &r);
    return r.ok;
}

static s64 number_of(struct vm_object *object, const char *property)
{
    g_autofree char *text = vm_object_get(object, property, NULL);

    return text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

bool qmp_query_iothreads(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    struct vm_object *objects = vm_object_child(vm_root(monitor->set->vm), "objects");

    *ret = api_list_new();
    for (guint i = 0; objects && i < objects->children->len; i++) {
        struct vm_object *object = objects->children->pdata[i];
        struct api_io_thread_info *info;

        if (!vm_object_is_a(object, "iothread"))
            continue;
        info = api_new(&api_type_io_thread_info);
        info->id = g_strdup(object->name);
        info->thread_id = (s64)iothread_thread_id(object);
        info->poll_max_ns = number_of(object, "poll-max-ns");
        info->poll_grow = number_of(object, "poll-grow");
        info->poll_shrink = number_of(object, "poll-shrink");
        info->poll_weight = number_of(object, "poll-weight");
        info->aio_max_batch = number_of(object, "aio-max-batch");
        g_ptr_array_add(*ret, info);
    }
    return true;
}
