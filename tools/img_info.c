/* tools/img_info.c - info and snapshot: what an image says about itself. */
#include "base/error.h"
#include "block/qcow2/image.h"
#include "host/clock.h"
#include "tools/img.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool is_qcow2(struct block_node *node)
{
    return !strcmp(block_driver_name(node), "qcow2");
}

static void print_snapshot(const struct qcow2_snapshot_info *x)
{
    g_autofree char *size = img_size_text(x->vm_state_size);
    char date[32] = "", clock[32], icount[24] = "";
    time_t seconds = x->date_s;
    struct tm tm;
    u64 s = x->vm_clock_ns / 1000000000;

    if (localtime_r(&seconds, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
    g_snprintf(clock, sizeof(clock), "%02d:%02d:%02d.%03d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60), (int)(x->vm_clock_ns / 1000000 % 1000));
    if (x->icount != UINT64_MAX)
        g_snprintf(icount, sizeof(icount), "%" G_GUINT64_FORMAT, x->icount);
    printf("%-9s %-16s %8s%20s%13s%11s\n", x->id, x->name, size, date, clock, icount);
}

static void print_snapshots(struct block_node *node)
{
    unsigned count = is_qcow2(node) ? qcow2_snapshot_count(node) : 0;

    if (!count)
        return;
    printf("Snapshot list:\n%-9s %-16s %8s%20s%13s%11s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
    for (unsigned i = 0; i < count; i++) {
        struct qcow2_snapshot_info info = qcow2_snapshot_info(node, i);

        print_snapshot(&info);
    }
}

static const char *yes(bool value)
{
    return value ? "true" : "false";
}

static void print_bitmaps(struct block_node *node)
{
    unsigned count;
    struct qcow2_bitmap_info *list = qcow2_bitmaps(node, &count);

    if (count)
        printf("    bitmaps:\n");
    for (unsigned i = 0; i < count; i++) {
        unsigned n = 0;

        printf("        [%u]:\n            flags:%s\n", i, list[i].flags ? "" : "");
        if (list[i].flags & 1)
            printf("                [%u]: in-use\n", n++);
        if (list[i].flags & 2)
            printf("                [%u]: auto\n", n++);
        printf("            name: %s\n            granularity: %" G_GUINT64_FORMAT "\n", list[i].name, list[i].granularity);
        g_free(list[i].name);
    }
    g_free(list);
}

static void print_specific(struct block_node *node)
{
    struct qcow2_info i = qcow2_info(node);

    printf("Format specific information:\n    compat: %s\n    compression type: %s\n", i.version == 2 ? "0.10" : "1.1", i.zstd ? "zstd" : "zlib");
    if (i.version == 2) {
        printf("    refcount bits: %u\n", i.refcount_bits);
        return;
    }
    printf("    lazy refcounts: %s\n", yes(i.lazy_refcounts));
    print_bitmaps(node);
    printf("    refcount bits: %u\n", i.refcount_bits);
    if (i.data_file)
        printf("    data file: %s\n    data file raw: %s\n", i.data_file, yes(i.data_file_raw));
    printf("    corrupt: %s\n    extended l2: %s\n", yes(i.corrupt), yes(i.extended_l2));
}

/* QEMU shows the name as given, and how the backing file is found if that differs. */
static void print_backing(struct block_node *node, const char *name)
{
    struct qcow2_info i = qcow2_info(node);
    g_autofree char *path = i.backing ? block_path_beside(name, i.backing) : NULL;

    if (!i.backing)
        return;
    printf("backing file: %s", i.backing);
    if (strcmp(path, i.backing))
        printf(" (actual path: %s)", path);
    putchar('\n');
    if (i.backing_format)
        printf("backing file format: %s\n", i.backing_format);
}

static void print_human(struct block_node *node, const char *name)
{
    g_autofree char *size = img_size_text(block_size(node)), *disk = NULL;
    s64 allocated = block_allocated_size(node);

    disk = allocated < 0 ? g_strdup("unavailable") : img_size_text((u64)allocated);
    printf("image: %s\nfile format: %s\nvirtual size: %s (%" G_GUINT64_FORMAT " bytes)\ndisk size: %s\n", name, block_driver_name(node), size,
           block_size(node), disk);
    if (!is_qcow2(node))
        return;
    struct qcow2_info i = qcow2_info(node);
    printf("cluster_size: %" G_GUINT64_FORMAT "\n", i.cluster_size);
    if (i.dirty)
        printf("cleanly shut down: no\n");
    print_backing(node, name);
    print_snapshots(node);
    print_specific(node);
}

static void add_string(struct json_object *o, const char *name, const char *text)
{
    g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

    if (text)
        json_object_object_add(o, name, json_object_new_string(valid));
}

static void add_number(struct json_object *o, const char *name, u64 value)
{
    json_object_object_add(o, name, json_object_new_uint64(value));
}

static void add_bool(struct json_object *o, const char *name, bool value)
{
    json_object_object_add(o, name, json_object_new_boolean(value));
}

static struct json_object *json_bitmaps(struct block_node *node)
{
    unsigned count;
    struct qcow2_bitmap_info *list = qcow2_bitmaps(node, &count);
    struct json_object *out = count ? json_object_new_array() : NULL;

    for (unsigned i = 0; i < count; i++) {
        struct json_object *one = json_object_new_object(), *flags = json_object_new_array();

        if (list[i].flags & 1)
            json_object_array_add(flags, json_object_new_string("in-use"));
        if (list[i].flags & 2)
            json_object_array_add(flags, json_object_new_string("auto"));
        json_object_object_add(one, "flags", flags);
        add_string(one, "name", list[i].name);
        add_number(one, "granularity", list[i].granularity);
        json_object_array_add(out, one);
        g_free(list[i].name);
    }
    g_free(list);
    return out;
}

static struct json_object *json_specific(struct block_node *node)
{
    struct qcow2_info i = qcow2_info(node);
    struct json_object *out = json_object_new_object(), *data = json_object_new_object(), *bitmaps;

    add_string(data, "compat", i.version == 2 ? "0.10" : "1.1");
    add_string(data, "compression-type", i.zstd ? "zstd" : "zlib");
    if (i.version > 2) {
        add_bool(data, "lazy-refcounts", i.lazy_refcounts);
        if ((bitmaps = json_bitmaps(node)))
            json_object_object_add(data, "bitmaps", bitmaps);
    }
    add_number(data, "refcount-bits", i.refcount_bits);
    if (i.data_file) {
        add_string(data, "data-file", i.data_file);
        add_bool(data, "data-file-raw", i.data_file_raw);
    }
    if (i.version > 2) {
        add_bool(data, "corrupt", i.corrupt);
        add_bool(data, "extended-l2", i.extended_l2);
    }
    add_string(out, "type", "qcow2");
    json_object_object_add(out, "data", data);
    return out;
}

static struct json_object *json_snapshots(struct block_node *node)
{
    struct json_object *out = json_object_new_array();

    for (unsigned i = 0; i < qcow2_snapshot_count(node); i++) {
        struct qcow2_snapshot_info x = qcow2_snapshot_info(node, i);
        struct json_object *one = json_object_new_object();

        if (x.icount != UINT64_MAX)
            add_number(one, "icount", x.icount);
        add_number(one, "vm-clock-nsec", x.vm_clock_ns % 1000000000);
        add_string(one, "name", x.name);
        add_number(one, "date-sec", x.date_s);
        add_number(one, "date-nsec", x.date_ns);
        add_number(one, "vm-clock-sec", x.vm_clock_ns / 1000000000);
        add_string(one, "id", x.id);
        add_number(one, "vm-state-size", x.vm_state_size);
        json_object_array_add(out, one);
    }
    return out;
}

static struct json_object *json_info(struct block_node *node, const char *name)
{
    struct json_object *out = json_object_new_object();
    s64 allocated = block_allocated_size(node);

    if (is_qcow2(node) && qcow2_info(node).backing_format)
        add_string(out, "backing-filename-format", qcow2_info(node).backing_format);
    if (is_qcow2(node) && qcow2_snapshot_count(node))
        json_object_object_add(out, "snapshots", json_snapshots(node));
    add_number(out, "virtual-size", block_size(node));
    add_string(out, "filename", name);
    if (is_qcow2(node))
        add_number(out, "cluster-size", qcow2_info(node).cluster_size);
    add_string(out, "format", block_driver_name(node));
    if (allocated >= 0)
        add_number(out, "actual-size", (u64)allocated);
    if (is_qcow2(node)) {
        struct qcow2_info i = qcow2_info(node);
        g_autofree char *path = i.backing ? block_path_beside(name, i.backing) : NULL;

        json_object_object_add(out, "format-specific", json_specific(node));
        add_string(out, "full-backing-filename", path);
        add_string(out, "backing-filename", i.backing);
        add_bool(out, "dirty-flag", i.dirty);
    } else {
        add_bool(out, "dirty-flag", false);
    }
    return out;
}

struct chain {
    bool json, all;
    struct json_object *list;
    GHashTable *seen;
};

/* Each image by itself, so that a missing backing file spoils nothing but its own place. */
static bool show(struct img *img, const char *name, const char *format, struct chain *chain)
{
    g_autofree char *file = g_strdup(name), *kind = g_strdup(format);

    for (bool first = true; file; first = false) {
        g_autofree char *next = NULL, *next_kind = NULL;
        struct block_node *node;

        if (g_hash_table_contains(chain->seen, file))
            return img_fail("Backing file '%s' creates an infinite loop.", file), false;
        g_hash_table_add(chain->seen, g_strdup(file));
        node = img_open(img, file, kind, BLOCK_OPEN_NO_BACKING);
        if (!node)
            return false;
        if (chain->json) {
            json_object_array_add(chain->list, json_info(node, file));
        } else {
            if (!first)
                putchar('\n');
            print_human(node, file);
        }
        if (chain->all && is_qcow2(node) && qcow2_info(node).backing) {
            next = block_path_beside(file, qcow2_info(node).backing);
            next_kind = g_strdup(qcow2_info(node).backing_format);
        }
        block_unref(node);
        g_free(file);
        g_free(kind);
        file = g_steal_pointer(&next);
        kind = g_steal_pointer(&next_kind);
        img->image_opts = false;
    }
    return true;
}

int img_info(struct img *img)
{
    enum { OUTPUT = 256, CHAIN, OPTS };
    static const struct option options[] = {
        { "output", required_argument, NULL, OUTPUT }, { "backing-chain", no_argument, NULL, CHAIN }, { "image-opts", no_argument, NULL, OPTS },
        { "force-share", no_argument, NULL, 'U' },     { "format", required_argument, NULL, 'f' },    { 0 },
    };
    struct chain chain = { 0 };
    const char *format = NULL;
    bool ok;
    int c;

    while ((c = getopt_long(img->argc, img->argv, "f:U", options, NULL)) >= 0) {
        if (c == OUTPUT && !img_parse_output(optarg, &chain.json))
            return 1;
        chain.all |= c == CHAIN;
        img->image_opts |= c == OPTS;
        img->force_share |= c == 'U';
        if (c == 'f')
            format = optarg;
        if (c == '?')
            return 1;
    }
    if (!img_operands(img, 1, 1))
        return 1;
    chain.list = json_object_new_array();
    chain.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    ok = show(img, img->argv[optind], format, &chain);
    if (ok && chain.json)
        img_print_json(json_object_get(chain.all ? chain.list : json_object_array_get_idx(chain.list, 0)));
    json_object_put(chain.list);
    g_hash_table_unref(chain.seen);
    return !ok;
}

static bool do_snapshot(struct block_node *node, int action, const char *name, GError **error)
{
    s64 now = host_clock_realtime();

    switch (action) {
    case 'a':
        return qcow2_snapshot_apply(node, name, error);
    case 'c':
        return qcow2_snapshot_create(node, name, (u32)(now / 1000000000), (u32)(now % 1000000000), error);
    case 'd':
        return qcow2_snapshot_delete(node, name, error);
    }
    print_snapshots(node);
    return true;
}

int img_snapshot(struct img *img)
{
    static const struct option options[] = { { "image-opts", no_argument, NULL, 256 }, { "force-share", no_argument, NULL, 'U' }, { 0 } };
    g_autoptr(GError) error = NULL;
    struct img_disk disk = { 0 };
    const char *name = NULL;
    int c, action = 0;
    bool ok;

    while ((c = getopt_long(img->argc, img->argv, "la:c:d:qU", options, NULL)) >= 0) {
        img->image_opts |= c == 256;
        img->force_share |= c == 'U';
        img->quiet |= c == 'q';
        if (c == '?')
            return 1;
        if (!strchr("lacd", c))
            continue;
        if (action)
            return img_fail("Cannot mix '-l', '-a', '-c', '-d'");
        action = c;
        name = optarg;
    }
    if (!img_operands(img, 1, 1))
        return 1;
    bool write = action && action != 'l';

    if (!img_open_disk(img, img->argv[optind], NULL, write ? BLOCK_OPEN_WRITE : BLOCK_OPEN_NO_BACKING, write ? BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE : BLOCK_READ, &disk))
        return 1;
    if (is_qcow2(disk.node))
        ok = do_snapshot(disk.node, action, name, &error);
    else
        ok = !write || error_set(&error, "Could not %s snapshot '%s': %s", action == 'c' ? "create" : action == 'a' ? "apply" : "delete", name, "the image format has none");
    if (!ok)
        img_fail("%s", error->message);
    return !(img_close_disk(&disk, write) && ok);
}
