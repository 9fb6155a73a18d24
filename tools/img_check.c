/* tools/img_check.c - check, resize, map, measure, amend. */
#include "base/bits.h"
#include "base/error.h"
#include "block/qcow2/image.h"
#include "tools/img.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_line(void *opaque, const char *text)
{
    fprintf(opaque, "%s\n", text);
}

static void check_json(const char *name, const struct qcow2_check *c, unsigned fix)
{
    struct json_object *out = json_object_new_object();
    const struct {
        const char *name;
        u64 value;
    } rows[] = {
        { "corruptions-fixed", c->corruptions_fixed }, { "leaks-fixed", c->leaks_fixed }, { "corruptions", c->corruptions }, { "leaks", c->leaks },
        { "allocated-clusters", c->allocated_clusters }, { "fragmented-clusters", c->fragmented_clusters },
        { "compressed-clusters", c->compressed_clusters }, { "image-end-offset", c->end_offset }, { "total-clusters", c->total_clusters },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].value || !strcmp(rows[i].name, "image-end-offset") || !strcmp(rows[i].name, "total-clusters"))
            json_object_object_add(out, rows[i].name, json_object_new_uint64(rows[i].value));
    json_object_object_add(out, "check-errors", json_object_new_uint64(c->check_errors));
    json_object_object_add(out, "filename", json_object_new_string(name));
    json_object_object_add(out, "format", json_object_new_string("qcow2"));
    img_print_json(out);
}

static void check_human(struct img *img, const struct qcow2_check *c)
{
    if (c->corruptions || c->leaks || c->check_errors) {
        if (c->corruptions)
            img_say(img, "\n%" PRIu64 " errors were found on the image.\nData may be corrupted, or further writes to the image may corrupt it.\n", c->corruptions);
        if (c->leaks)
            img_say(img, "\n%" PRIu64 " leaked clusters were found on the image.\nThis means waste of disk space, but no harm to data.\n", c->leaks);
        if (c->check_errors)
            img_say(img, "\n%" PRIu64 " internal errors have occurred during the check.\n", c->check_errors);
    } else {
        img_say(img, "No errors were found on the image.\n");
    }
    if (c->total_clusters && c->allocated_clusters)
        img_say(img, "%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% compressed clusters\n", c->allocated_clusters, c->total_clusters,
                (double)c->allocated_clusters * 100 / (double)c->total_clusters, (double)c->fragmented_clusters * 100 / (double)c->allocated_clusters,
                (double)c->compressed_clusters * 100 / (double)c->allocated_clusters);
    if (c->end_offset)
        img_say(img, "Image end offset: %" PRIu64 "\n", c->end_offset);
}

/* After a repair: what was fixed, and a second look. */
static int check_node(struct img *img, struct block_node *node, struct qcow2_check *check, bool json)
{
    struct qcow2_check second = { .report = check->report, .opaque = check->opaque };
    int ret = qcow2_check(node, check);

    if (ret < 0 || (!check->corruptions_fixed && !check->leaks_fixed))
        return ret;
    if (!json)
        img_say(img, "The following inconsistencies were found and repaired:\n\n    %" PRIu64 " leaked clusters\n    %" PRIu64
                     " corruptions\n\nDouble checking the fixed image now...\n", check->leaks_fixed, check->corruptions_fixed);
    ret = qcow2_check(node, &second);
    second.corruptions_fixed = check->corruptions_fixed;
    second.leaks_fixed = check->leaks_fixed;
    *check = second;
    return ret;
}

static bool parse_fix(const char *text, unsigned *fix)
{
    *fix = !strcmp(text, "leaks") ? QCOW2_FIX_LEAKS : !strcmp(text, "all") ? QCOW2_FIX_ALL : 0;
    if (!*fix)
        img_fail("--repair/-r expects 'leaks' or 'all' not '%s'", text);
    return *fix != 0;
}

int img_check(struct img *img)
{
    enum { OUTPUT = 256, OPTS };
    static const struct option options[] = {
        { "output", required_argument, NULL, OUTPUT }, { "repair", required_argument, NULL, 'r' }, { "image-opts", no_argument, NULL, OPTS },
        { "format", required_argument, NULL, 'f' }, { "force-share", no_argument, NULL, 'U' }, { 0 },
    };
    struct qcow2_check check = { .report = print_line };
    struct img_disk disk = { 0 };
    const char *format = NULL;
    unsigned flags = BLOCK_OPEN_NO_BACKING;
    bool json = false;
    int c, ret;

    while ((c = getopt_long(img->argc, img->argv, "f:r:qUT:", options, NULL)) >= 0) {
        if ((c == OUTPUT && !img_parse_output(optarg, &json)) || (c == 'r' && !parse_fix(optarg, &check.fix)) || (c == 'T' && !img_parse_cache(optarg, &flags)) || c == '?')
            return 1;
        img->image_opts |= c == OPTS;
        img->force_share |= c == 'U';
        img->quiet |= c == 'q';
        if (c == 'f')
            format = optarg;
    }
    if (!img_operands(img, 1, 1))
        return 1;
    check.opaque = json ? stderr : stdout;
    if (img->quiet)
        check.report = NULL;
    block_graph_set_checking(img->graph, true);
    if (!img_open_disk(img, img->argv[optind], format, flags | (check.fix ? BLOCK_OPEN_WRITE : 0), check.fix ? BLOCK_READ | BLOCK_WRITE : BLOCK_READ, &disk))
        return 1;
    if (strcmp(block_driver_name(disk.node), "qcow2")) {
        img_fail("This image format does not support checks");
        img_close_disk(&disk, false);
        return 63;
    }
    ret = check_node(img, disk.node, &check, json);
    if (ret < 0)
        img_fail("Check failed: %s", g_strerror(-ret));
    else if (json)
        check_json(img->argv[optind], &check, check.fix);
    else
        check_human(img, &check);
    if (!img_close_disk(&disk, check.fix))
        return 1;
    return ret < 0 || check.check_errors ? 1 : check.corruptions ? 2 : check.leaks ? 3 : 0;
}

/* --- resize --- */

static bool parse_prealloc(const char *text, enum block_prealloc *out)
{
    static const char *const modes[] = { "off", "metadata", "falloc", "full" };

    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
        if (!strcmp(modes[i], text)) {
            *out = (enum block_prealloc)i;
            return true;
        }
    img_fail("Invalid preallocation mode '%s'", text);
    return false;
}

static int do_resize(struct img *img, struct block_node *node, const char *text, bool shrink, enum block_prealloc prealloc)
{
    g_autoptr(GError) error = NULL;
    u64 size, current = block_size(node);
    int sign = *text == '+' ? 1 : *text == '-' ? -1 : 0;

    if (!img_parse_size(text + (sign != 0), &size))
        return 1;
    if (sign < 0 && size > current)
        return img_fail("New image size must be positive");
    size = sign > 0 ? current + size : sign < 0 ? current - size : size;
    if (size <= current && prealloc != BLOCK_PREALLOC_OFF)
        return img_fail("Preallocation can only be used for growing images");
    if (size < current && !shrink) {
        img_fail("Use the --shrink option to perform a shrink operation.");
        return img_fail("warning: Shrinking an image will delete all data beyond the shrunken image's end. Before performing such an operation, make sure there is no important data there.");
    }
    if (!block_truncate(node, size, prealloc, &error))
        return img_fail_error(g_steal_pointer(&error));
    img_say(img, "Image resized.\n");
    return 0;
}

int img_resize(struct img *img)
{
    enum { OPTS = 256, PREALLOC, SHRINK };
    static const struct option options[] = {
        { "image-opts", no_argument, NULL, OPTS }, { "preallocation", required_argument, NULL, PREALLOC }, { "shrink", no_argument, NULL, SHRINK }, { 0 },
    };
    enum block_prealloc prealloc = BLOCK_PREALLOC_OFF;
    struct img_disk disk = { 0 };
    const char *format = NULL, *size;
    bool shrink = false;
    int c, status;

    /* The size may begin with '-': it is the last argument whatever it looks like. */
    if (img->argc < 3)
        return img_fail("Not enough arguments");
    size = img->argv[--img->argc];
    while ((c = getopt_long(img->argc, img->argv, "f:q", options, NULL)) >= 0) {
        if ((c == PREALLOC && !parse_prealloc(optarg, &prealloc)) || c == '?')
            return 1;
        img->image_opts |= c == OPTS;
        shrink |= c == SHRINK;
        img->quiet |= c == 'q';
        if (c == 'f')
            format = optarg;
    }
    if (!img_operands(img, 1, 1) || !img_open_disk(img, img->argv[optind], format, BLOCK_OPEN_WRITE, BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE, &disk))
        return 1;
    status = do_resize(img, disk.node, size, shrink, prealloc);
    return img_close_disk(&disk, true) ? status : 1;
}

/* --- map --- */

struct entry {
    u64 start, length;
    struct block_status status;
    unsigned depth;
    const char *name;
};

static struct entry get_entry(struct block_node *node, u64 at, u64 length, int *ret)
{
    struct entry e = { .start = at };

    *ret = block_status_above(node, NULL, at, length, &e.status, &e.depth);
    e.length = e.status.size;
    e.name = e.status.file && (e.status.flags & BLOCK_OFFSET) ? block_filename(e.status.file) : NULL;
    return e;
}

static bool continues(const struct entry *a, const struct entry *b)
{
    u32 mask = BLOCK_DATA | BLOCK_ZERO | BLOCK_ALLOCATED | BLOCK_OFFSET | BLOCK_IS_COMPRESSED;

    return (a->status.flags & mask) == (b->status.flags & mask) && a->depth == b->depth && a->name == b->name &&
           (!(a->status.flags & BLOCK_OFFSET) || a->status.map + a->length == b->status.map);
}

static int print_entry(const struct entry *e, bool json, bool last, unsigned *printed)
{
    u32 f = e->status.flags;

    if (json) {
        printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": %u, \"present\": %s, \"zero\": %s, \"data\": %s", (*printed)++ ? ",\n" : "[", e->start,
               e->length, e->depth, (f & BLOCK_ALLOCATED) ? "true" : "false", (f & BLOCK_ZERO) ? "true" : "false", (f & BLOCK_DATA) ? "true" : "false");
        if (f & BLOCK_OFFSET)
            printf(", \"offset\": %" PRIu64, e->status.map);
        putchar('}');
        return 0;
    }
    if (!(f & BLOCK_DATA) || (f & BLOCK_ZERO))
        return 0;
    if (!(f & BLOCK_OFFSET))
        return img_fail("File contains external, encrypted or compressed clusters.");
    printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", e->start, e->length, e->status.map, e->name ? e->name : "");
    return 0;
}

static int do_map(struct block_node *node, u64 from, u64 to, bool json)
{
    struct entry current = { 0 };
    unsigned printed = 0;
    int ret = 0, status = 0;

    if (!json)
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    for (u64 at = from; at < to && !status;) {
        struct entry e = get_entry(node, at, to - at, &ret);

        if (ret < 0)
            return img_fail("Failed to read image metadata: %s", g_strerror(-ret));
        at += e.length;
        if (current.length && continues(&current, &e)) {
            current.length += e.length;
            continue;
        }
        if (current.length)
            status = print_entry(&current, json, false, &printed);
        current = e;
    }
    if (current.length && !status)
        status = print_entry(&current, json, true, &printed);
    if (json && !status)
        puts(printed ? "]" : "[]");
    return status;
}

int img_map(struct img *img)
{
    enum { OUTPUT = 256, OPTS, START, LENGTH };
    static const struct option options[] = {
        { "output", required_argument, NULL, OUTPUT }, { "image-opts", no_argument, NULL, OPTS }, { "start-offset", required_argument, NULL, 's' },
        { "max-length", required_argument, NULL, 'l' }, { "format", required_argument, NULL, 'f' }, { "force-share", no_argument, NULL, 'U' }, { 0 },
    };
    struct img_disk disk = { 0 };
    const char *format = NULL;
    u64 from = 0, length = UINT64_MAX;
    bool json = false;
    int c, status;

    while ((c = getopt_long(img->argc, img->argv, "f:s:l:U", options, NULL)) >= 0) {
        if ((c == OUTPUT && !img_parse_output(optarg, &json)) || (c == 's' && !img_parse_size(optarg, &from)) || (c == 'l' && !img_parse_size(optarg, &length)) || c == '?')
            return 1;
        img->image_opts |= c == OPTS;
        img->force_share |= c == 'U';
        if (c == 'f')
            format = optarg;
    }
    if (!img_operands(img, 1, 1) || !img_open_disk(img, img->argv[optind], format, 0, BLOCK_READ, &disk))
        return 1;
    u64 size = block_size(disk.node);

    from = MIN(from, size);
    status = do_map(disk.node, from, from + MIN(length, size - from), json);
    img_close_disk(&disk, false);
    return status;
}

/* --- measure --- */

/* Bytes that a copy would write, in whole clusters. */
static s64 data_bytes(struct block_node *node, u64 cluster)
{
    u64 total = 0, counted = 0;

    for (u64 at = 0; at < block_size(node);) {
        struct block_status status;
        int ret = block_status_above(node, NULL, at, block_size(node) - at, &status, NULL);

        if (ret < 0)
            return ret;
        if (!(status.flags & BLOCK_ZERO)) {
            u64 from = MAX(at / cluster * cluster, counted), to = (at + status.size + cluster - 1) / cluster * cluster;

            total += to > from ? to - from : 0;
            counted = MAX(counted, to);
        }
        at += status.size;
    }
    return (s64)total;
}

/* What the bitmaps of the source would take; -1: it cannot have any. */
static s64 bitmap_bytes(struct block_node *node, u64 cluster)
{
    u64 total = 0, directory = 0;
    unsigned count;
    struct qcow2_bitmap_info *list;

    if (!node || strcmp(block_driver_name(node), "qcow2") || qcow2_info(node).version < 3)
        return -1;
    list = qcow2_bitmaps(node, &count);
    for (unsigned i = 0; i < count; i++) {
        u64 bytes = (block_size(node) / list[i].granularity + 8) / 8, n = (bytes + cluster - 1) / cluster;

        total += n * cluster + (n * 8 + cluster - 1) / cluster * cluster;
        directory += (24 + strlen(list[i].name) + 7) & ~(size_t)7;
        g_free(list[i].name);
    }
    g_free(list);
    return (s64)(total + (directory + cluster - 1) / cluster * cluster);
}

static int print_measure(bool json, u64 required, u64 full, s64 bitmaps)
{
    if (json) {
        struct json_object *out = json_object_new_object();

        json_object_object_add(out, "required", json_object_new_uint64(required));
        json_object_object_add(out, "fully-allocated", json_object_new_uint64(full));
        if (bitmaps >= 0)
            json_object_object_add(out, "bitmaps", json_object_new_int64(bitmaps));
        img_print_json(out);
    } else {
        printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64 "\n", required, full);
        if (bitmaps >= 0)
            printf("bitmaps size: %" PRId64 "\n", bitmaps);
    }
    return 0;
}

static int measure(struct img *img, struct block_node *node, u64 size, const char *format, struct img_create_options *o, bool json)
{
    g_autoptr(GError) error = NULL;
    struct qcow2_create create;
    s64 data = 0;
    u64 rounded;

    if (node)
        size = block_size(node);
    if (!strcmp(format, "raw"))
        return print_measure(json, size, size, -1);
    if (!img_fill_qcow2_options(o->options, "", &create, &error))
        return img_fail_error(g_steal_pointer(&error));
    create.size = (size + 511) & ~UINT64_C(511);
    if (!qcow2_create_check(&create, &error))
        return img_fail_error(g_steal_pointer(&error));
    rounded = (size + create.cluster_size - 1) / create.cluster_size * create.cluster_size;
    if (node && (data = data_bytes(node, create.cluster_size)) < 0)
        return img_fail("Unable to get block status: %s", g_strerror((int)-data));
    if (create.prealloc == BLOCK_PREALLOC_FULL || create.prealloc == BLOCK_PREALLOC_FALLOC)
        data = (s64)rounded;
    return print_measure(json, qcow2_measure(size, (u64)data, &create), qcow2_measure(size, rounded, &create), create.version < 3 ? -1 : bitmap_bytes(node, create.cluster_size));
}

int img_measure(struct img *img)
{
    enum { OUTPUT = 256, OPTS, SIZE };
    static const struct option options[] = {
        { "output", required_argument, NULL, OUTPUT }, { "image-opts", no_argument, NULL, OPTS }, { "size", required_argument, NULL, SIZE },
        { "force-share", no_argument, NULL, 'U' }, { 0 },
    };
    struct img_create_options create = { 0 };
    struct img_disk disk = { 0 };
    g_autoptr(GError) error = NULL;
    const char *format = NULL, *out = "raw", *snapshot = NULL, *text = NULL;
    bool json = false, helped = false, sized = false;
    u64 size = 0;
    int c, status = 1;

    while ((c = getopt_long(img->argc, img->argv, "f:O:o:l:U", options, NULL)) >= 0) {
        if ((c == OUTPUT && !img_parse_output(optarg, &json)) || (c == SIZE && !img_parse_size(optarg, &size)) || c == '?')
            return 1;
        sized |= c == SIZE;
        img->image_opts |= c == OPTS;
        img->force_share |= c == 'U';
        if (c == 'f')
            format = optarg;
        if (c == 'O')
            out = optarg;
        if (c == 'o')
            text = optarg;
        if (c == 'l')
            snapshot = optarg;
    }
    if (strcmp(out, "raw") && strcmp(out, "qcow2"))
        return img_fail("Unknown file format '%s'", out);
    if (text && (!img_add_create_options(&create, text, out, &helped) || helped))
        status = !helped;
    else if (sized ? !img_operands(img, 0, 0) : !img_operands(img, 1, 1))
        status = 1;
    else if (!sized && !img_open_disk(img, img->argv[optind], format, 0, BLOCK_READ, &disk))
        status = 1;
    else if (snapshot && !sized && (strcmp(block_driver_name(disk.node), "qcow2") || !qcow2_snapshot_load(disk.node, snapshot, &error)))
        status = img_fail("%s", error ? error->message : "the image has no snapshots");
    else
        status = measure(img, disk.node, size, out, &create, json);
    if (disk.node)
        img_close_disk(&disk, false);
    g_clear_pointer(&create.options, g_hash_table_unref);
    return status;
}
