/* monitor/hmp_block.c - the human monitor's commands about disks: eject, change, info block, blockstats, iothreads. */
#include "api/marshal.h"
#include "base/error.h"
#include "block/media.h"
#include "monitor/commands.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include "vm/machine.h"
#include <inttypes.h>
#include <string.h>

/* Takes words that begin with a dash; the first other one is *word (or NULL). Gives back the letters, "" without any. */
static char *take_flags(struct hmp *hmp, char **word)
{
    GString *flags = g_string_new(NULL);

    while ((*word = hmp_word(hmp)) && (*word)[0] == '-') {
        g_string_append(flags, *word + 1);
        g_free(*word);
    }
    return g_string_free(flags, FALSE);
}

void hmp_eject(struct hmp *hmp)
{
    g_autofree char *device = NULL, *flags = take_flags(hmp, &device);
    const struct api_args_eject args = { .device = device, .has_force = true, .force = strchr(flags, 'f') };
    GError *error = NULL;

    if (!device)
        hmp_print(hmp, "eject: which drive?");
    else if (!qmp_eject(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
}

static bool take_number(struct hmp *hmp, s64 *to)
{
    g_autofree char *word = hmp_word(hmp);
    char *end = NULL;

    *to = word ? g_ascii_strtoll(word, &end, 0) : 0;
    return word && *word && !*end;
}

void hmp_block_set_io_throttle(struct hmp *hmp)
{
    g_autofree char *device = hmp_word(hmp);
    struct api_args_block_set_io_throttle args = { .device = device };
    GError *error = NULL;

    if (!device || !take_number(hmp, &args.bps) || !take_number(hmp, &args.bps_rd) || !take_number(hmp, &args.bps_wr) ||
        !take_number(hmp, &args.iops) || !take_number(hmp, &args.iops_rd) || !take_number(hmp, &args.iops_wr)) {
        hmp_print(hmp, "block_set_io_throttle: a device and six numbers are needed: bps bps_rd bps_wr iops iops_rd iops_wr");
        return;
    }
    if (!disk_find(vm_backend(hmp->monitor->set->vm, "disks", 0), device, NULL, NULL))
        args.id = g_steal_pointer(&args.device); /* it may be a device's id */
    if (!qmp_block_set_io_throttle(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
}

void hmp_change(struct hmp *hmp)
{
    g_autofree char *device = hmp_word(hmp), *file = hmp_word(hmp), *format = NULL, *flags = take_flags(hmp, &format), *mode = hmp_word(hmp);
    struct api_args_blockdev_change_medium args = { .device = device, .filename = file, .format = format, .has_force = true };
    int number = mode ? api_enum_find(&api_type_blockdev_change_read_only_mode, mode) : 0;
    GError *error = NULL;

    args.force = strchr(flags, 'f');
    args.read_only_mode = (enum api_blockdev_change_read_only_mode)number;
    if (!device || !file)
        hmp_print(hmp, "change: which drive, and which file?");
    else if (number < 0)
        hmp_print(hmp, "change: a medium is retain, read-only or read-write, not '%s'", mode);
    else if (!qmp_blockdev_change_medium(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
}

/* ---- info block ---- */

static void print_image(struct hmp *hmp, const struct api_image_info *image)
{
    hmp_print(hmp, "\nImages:\nimage: %s\nfile format: %s\nvirtual size: %" PRId64 " bytes", image->filename, image->format, image->virtual_size);
    if (image->has_actual_size)
        hmp_print(hmp, "disk size: %" PRId64 " bytes", image->actual_size);
}

static void print_node(struct hmp *hmp, const struct api_block_device_info *node, bool verbose)
{
    hmp_print(hmp, "    Cache mode:       %s%s%s", node->cache->writeback ? "writeback" : "writethrough", node->cache->direct ? ", direct" : "",
              node->cache->no_flush ? ", ignore flushes" : "");
    if (node->backing_file)
        hmp_print(hmp, "    Backing file:     %s (chain depth: %" PRId64 ")", node->backing_file, node->backing_file_depth);
    if (node->detect_zeroes)
        hmp_print(hmp, "    Detect zeroes:    %s", api_type_blockdev_detect_zeroes_options.values[node->detect_zeroes]);
    if (node->group)
        hmp_print(hmp, "    I/O throttling:   bps=%" PRId64 " bps_rd=%" PRId64 "  bps_wr=%" PRId64 " bps_max=%" PRId64 " bps_rd_max=%" PRId64
                  " bps_wr_max=%" PRId64 " iops=%" PRId64 " iops_rd=%" PRId64 " iops_wr=%" PRId64 " iops_max=%" PRId64 " iops_rd_max=%" PRId64
                  " iops_wr_max=%" PRId64 " iops_size=%" PRId64 " group=%s", node->bps, node->bps_rd, node->bps_wr, node->bps_max, node->bps_rd_max,
                  node->bps_wr_max, node->iops, node->iops_rd, node->iops_wr, node->iops_max, node->iops_rd_max, node->iops_wr_max, node->iops_size,
                  node->group);
    if (verbose)
        print_image(hmp, node->image);
}

static void print_medium(struct hmp *hmp, const struct api_block_device_info *node)
{
    if (node)
        hmp_print(hmp, ": %s (%s%s)", node->file, node->drv, node->ro ? ", read-only" : "");
    else
        hmp_print(hmp, ": [not inserted]");
}

static void print_disk(struct hmp *hmp, const struct api_block_info *info, bool verbose)
{
    const struct api_block_device_info *node = info->inserted;

    g_string_append(hmp->out, *info->device ? info->device : node ? node->node_name : info->qdev ? info->qdev : "<anonymous>");
    if (*info->device && node)
        g_string_append_printf(hmp->out, " (%s)", node->node_name);
    print_medium(hmp, node);
    if (info->qdev)
        hmp_print(hmp, "    Attached to:      %s", info->qdev);
    if (info->removable)
        hmp_print(hmp, "    Removable device: %slocked, tray %s", info->locked ? "" : "not ", info->tray_open ? "open" : "closed");
    if (info->has_io_status && info->io_status != API_BLOCK_DEVICE_IO_STATUS_OK)
        hmp_print(hmp, "    I/O status:       %s", api_type_block_device_io_status.values[info->io_status]);
    if (node)
        print_node(hmp, node, verbose);
}

static bool is_wanted(const char *wanted, const char *name, const char *other)
{
    return !wanted || !g_strcmp0(name, wanted) || !g_strcmp0(other, wanted);
}

static unsigned print_disks(struct hmp *hmp, const char *wanted, bool verbose)
{
    GPtrArray *list = NULL;
    unsigned count = 0;

    if (!qmp_query_block(hmp->monitor, &(struct api_args_query_block){ 0 }, &list, NULL))
        return 0;
    for (guint i = 0; i < list->len; i++) {
        const struct api_block_info *info = list->pdata[i];

        if (!is_wanted(wanted, info->device, info->inserted ? info->inserted->node_name : NULL))
            continue;
        if (count++)
            g_string_append_c(hmp->out, '\n');
        print_disk(hmp, info, verbose);
    }
    for (guint i = 0; i < list->len; i++)
        api_free(&api_type_block_info, list->pdata[i]);
    g_ptr_array_unref(list);
    return count;
}

static unsigned print_nodes(struct hmp *hmp, const char *wanted, bool verbose)
{
    GPtrArray *list = NULL;
    unsigned count = 0;

    if (!qmp_query_named_block_nodes(hmp->monitor, &(struct api_args_query_named_block_nodes){ 0 }, &list, NULL))
        return 0;
    for (guint i = 0; i < list->len; i++) {
        const struct api_block_device_info *node = list->pdata[i];

        if (!is_wanted(wanted, node->node_name, NULL))
            continue;
        if (count++)
            g_string_append_c(hmp->out, '\n');
        g_string_append(hmp->out, node->node_name);
        print_medium(hmp, node);
        print_node(hmp, node, verbose);
    }
    for (guint i = 0; i < list->len; i++)
        api_free(&api_type_block_device_info, list->pdata[i]);
    g_ptr_array_unref(list);
    return count;
}

void hmp_info_block(struct hmp *hmp)
{
    g_autofree char *wanted = NULL, *flags = take_flags(hmp, &wanted);
    bool verbose = strchr(flags, 'v'), nodes = strchr(flags, 'n');

    if (!(nodes ? print_nodes : print_disks)(hmp, wanted, verbose) && wanted)
        hmp_print(hmp, "there is no %s '%s'", nodes ? "node" : "disk", wanted);
}

void hmp_info_blockstats(struct hmp *hmp)
{
    GPtrArray *list = NULL;

    if (!qmp_query_blockstats(hmp->monitor, &(struct api_args_query_blockstats){ 0 }, &list, NULL))
        return;
    for (guint i = 0; i < list->len; i++) {
        const struct api_block_stats *info = list->pdata[i];
        const struct api_block_device_stats *s = info->stats;

        hmp_print(hmp, "%s: rd_bytes=%" PRId64 " wr_bytes=%" PRId64 " rd_operations=%" PRId64 " wr_operations=%" PRId64 " flush_operations=%" PRId64
                  " wr_total_time_ns=%" PRId64 " rd_total_time_ns=%" PRId64 " flush_total_time_ns=%" PRId64,
                  info->device ? info->device : info->qdev ? info->qdev : "", s->rd_bytes, s->wr_bytes, s->rd_operations, s->wr_operations,
                  s->flush_operations, s->wr_total_time_ns, s->rd_total_time_ns, s->flush_total_time_ns);
        api_free(&api_type_block_stats, list->pdata[i]);
    }
    g_ptr_array_unref(list);
}

void hmp_info_iothreads(struct hmp *hmp)
{
    GPtrArray *list = NULL;

    if (!qmp_query_iothreads(hmp->monitor, &list, NULL))
        return;
    for (guint i = 0; i < list->len; i++) {
        const struct api_io_thread_info *info = list->pdata[i];

        hmp_print(hmp, "%s:\n  thread_id=%" PRId64, info->id, info->thread_id);
        api_free(&api_type_io_thread_info, list->pdata[i]);
    }
    g_ptr_array_unref(list);
}
