/* tools/img_check.c - check, resize, map, measure, amend. */
#include "api/number.h"
#include "base/bits.h"
#include "base/error.h"
#include "block/qcow2/image.h"
#include "tools/img.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_line(void *opaque, const char *text)
{
    fprintf(stderr, "%s\n", text);
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
static int check_node(struct img *img, struct block_node *node, struct qcow2_check *check)
{
    struct qcow2_check second = { .report = check->report, .opaque = check->opaque };
    int ret = qcow2_check(node, check);

    if (ret < 0 || (!check->corruptions_fixed && !check->leaks_fixed))
        return ret;
    if (!img->json)
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
        img_fail("--repair (-r) expects 'leaks' or 'all', not '%s'", text);
    return *fix != 0;
}

int img_check(struct img *img)
{
    static const struct option options[] = {
        { "repair", required_argument, NULL, 'r' }, IMG_CACHE("cache", 'T'), IMG_FORMAT, IMG_FORCE_SHARE, IMG_IMAGE_OPTS, IMG_OUTPUT, IMG_QUIET, IMG_OBJECT, { 0 },
    };
    struct qcow2_check check = { .report = print_line };
    struct img_disk disk = { 0 };
    unsigned flags = BLOCK_OPEN_NO_BACKING;
    int c, ret;

    while ((c = img_option(img, "f:r:qUT:", options)) >= 0)
        if (c == '?' || (c == 'T' && !img_parse_cache(optarg, &flags)))
            return 1;
        else if (c == 'r' && !parse_fix(optarg, &check.fix))
            return img_try_help(img);
    if (!img_operands(img, 1, 1))
        return 1;
    if (check.fix && img->force_share)
        return img_fail("Could not open '%s': force-share=on can only be used with read-only images", img->argv[optind]);
    block_graph_set_checking(img->graph, true);
    if (!img_open_disk(img, img->argv[optind], img->format, flags | (check.fix ? BLOCK_OPEN_WRITE : 0), check.fix ? BLOCK_READ | BLOCK_WRITE : BLOCK_READ, &disk))
        return 1;
    if (strcmp(block_driver_name(disk.node), "qcow2")) {
        img_fail("This image format does not support checks");
        img_close_disk(&disk, false);
        return 63;
    }
    ret = check_node(img, disk.node, &check);
    if (ret < 0)
        img_fail("Check failed: %s", g_strerror(-ret));
    else if (img->json)
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

/* A size like -1G looks like options: it is taken out of the arguments before. NULL: there is none. */
static const char *take_negative(struct img *img)
{
    for (int i = 1; i < img->argc; i++) {
        const char *text = img->argv[i];

        if (*text != '-' || !g_ascii_isdigit(text[1]))
            continue;
        memmove(img->argv + i, img->argv + i + 1, (size_t)(img->argc - i) * sizeof(*img->argv));
        img->argc--;
        return text;
    }
    return NULL;
}

int img_resize(struct img *img)
{
    enum { PREALLOC = IMG_OPT_OWN, SHRINK };
    static const struct option options[] = {
        { "preallocation", required_argument, NULL, PREALLOC }, { "shrink", no_argument, NULL, SHRINK }, IMG_FORMAT, IMG_IMAGE_OPTS, IMG_QUIET, IMG_OBJECT, { 0 },
    };
    enum block_prealloc prealloc = BLOCK_PREALLOC_OFF;
    struct img_disk disk = { 0 };
    const char *size;
    bool shrink = false;
    int c, status;

    size = take_negative(img);
    while ((c = img_option(img, "f:q", options)) >= 0) {
        if (c == '?' || (c == PREALLOC && !parse_prealloc(optarg, &prealloc)))
            return 1;
        shrink |= c == SHRINK;
    }
    if (!size && img->argc - optind > 1)
        size = img->argv[--img->argc];
    if (!size || img->argc == optind) {
        img_fail("Expecting image file name and size");
        return img_try_help(img);
    }
    if (!img_operands(img, 1, 1) || !img_open_disk(img, img->argv[optind], img->format, BLOCK_OPEN_WRITE, BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE, &disk))
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
    u32 mask = BLOCK_DATA | BLOCK_ZERO | BLOCK_ALLOCATED | BLOCK_OFFSET | BLOCK_IS_COMPRESSED | BLOCK_BEHIND;

    return (a->status.flags & mask) == (b->status.flags & mask) && a->depth == b->depth && a->name == b->name &&
           (!(a->status.flags & BLOCK_OFFSET) || a->status.map + a->length == b->status.map);
}

static const char *yes(bool value)
{
    return value ? "true" : "false";
}

static int print_entry(const struct entry *e, bool json, unsigned *printed)
{
    u32 f = e->status.flags;

    if (json) {
        printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": %u, \"present\": %s, \"zero\": %s, \"data\": %s, \"compressed\": %s",
               (*printed)++ ? ",\n" : "[", e->start, e->length, e->depth, yes((f & BLOCK_ALLOCATED) && !(f & BLOCK_BEHIND)), yes(f & BLOCK_ZERO), yes(f & BLOCK_DATA),
               yes(f & BLOCK_IS_COMPRESSED));
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
            status = print_entry(&current, json, &printed);
        current = e;
    }
    if (current.length == 0)
        current.start = from; /* one entry there is always, as in QEMU */
    if (!status)
        status = print_entry(&current, json, &printed);
    if (json && !status)
        puts("]");
    return status;
}

static bool parse_place(const char *what, const char *text, u64 *out)
{
    return (api_parse_size("", text, 1, out, NULL) && *out <= INT64_MAX) || (img_fail("Invalid %s specified: '%s'", what, text), false);
}

int img_map(struct img *img)
{
    static const struct option options[] = {
        { "start-offset", required_argument, NULL, 's' }, { "max-length", required_argument, NULL, 'l' }, IMG_FORMAT, IMG_FORCE_SHARE, IMG_IMAGE_OPTS,
        IMG_OUTPUT, IMG_OBJECT, { 0 },
    };
    struct img_disk disk = { 0 };
    u64 from = 0, length = UINT64_MAX;
    int c, status;

    while ((c = img_option(img, "f:s:l:U", options)) >= 0)
        if (c == '?' || (c == 's' && !parse_place("start offset", optarg, &from)) || (c == 'l' && !parse_place("max length", optarg, &length)))
            return 1;
    if (!img_operands(img, 1, 1) || !img_open_disk(img, img->argv[optind], img->format, 0, BLOCK_READ, &disk))
        return 1;
    u64 size = block_size(disk.node);

    status = do_map(disk.node, from, from < size ? from + MIN(length, size - from) : from, img->json);
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

static int measure(struct img *img, struct block_node *node, u64 size, const char *format, struct img_create_options *o)
{
    g_autoptr(GError) error = NULL;
    struct qcow2_create create;
    s64 data = 0;
    u64 rounded;

    if (node)
        size = block_size(node);
    if (!strcmp(format, "raw"))
        return print_measure(img->json, size, size, -1);
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
    return print_measure(img->json, qcow2_measure(size, (u64)data, &create), qcow2_measure(size, rounded, &create), create.version < 3 ? -1 : bitmap_bytes(node, create.cluster_size));
}

int img_measure(struct img *img)
{
    static const struct option options[] = {
        { "size", required_argument, NULL, 's' }, { "snapshot", required_argument, NULL, 'l' }, { "target-format", required_argument, NULL, 'O' }, IMG_FORMAT,
        IMG_FORCE_SHARE, IMG_IMAGE_OPTS, IMG_OUTPUT, IMG_OBJECT, { 0 },
    };
    struct img_create_options create = { 0 };
    struct img_disk disk = { 0 };
    const char *out = "raw", *snapshot = NULL, *text = NULL;
    bool helped = false, sized = false;
    u64 size = 0;
    int c, status = 1;

    while ((c = img_option(img, "f:O:o:l:s:U", options)) >= 0) {
        if (c == '?' || (c == 's' && !img_parse_size(optarg, &size)))
            return 1;
        sized |= c == 's';
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
    else if (sized && img->argc > optind)
        status = img_fail("--size N cannot be used together with a filename.");
    else if (!sized && img->argc - optind != 1)
        status = img_fail("Either --size N or one filename must be specified.");
    else if (!img_operands(img, 0, 1))
        status = 1;
    else if (!sized && !img_open_disk(img, img->argv[optind], img->format, 0, BLOCK_READ, &disk))
        status = 1;
    else if (snapshot && !sized && !img_load_snapshot(disk.node, snapshot))
        status = 1;
    else
        status = measure(img, disk.node, size, out, &create);
    if (disk.node)
        img_close_disk(&disk, false);
    g_clear_pointer(&create.options, g_hash_table_unref);
    return status;
}
