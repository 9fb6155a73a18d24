/* tools/img_info.c - info: what an image says about itself, and about the nodes that it is made of. */
#include "base/error.h"
#include "block/qcow2/image.h"
#include "tools/img.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *yes(bool value)
{
    return value ? "true" : "false";
}

/* A line, or several, at a level of four spaces. */
static void put(unsigned level, const char *format, ...) PRINTF_LIKE(2, 3);
static void put(unsigned level, const char *format, ...)
{
    va_list args;

    printf("%*s", (int)level * 4, "");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

static void print_bitmaps(struct block_node *node, unsigned level)
{
    unsigned count;
    struct qcow2_bitmap_info *list = qcow2_bitmaps(node, &count);

    if (count)
        put(level, "bitmaps:\n");
    for (unsigned i = 0; i < count; i++) {
        unsigned n = 0;

        put(level + 1, "[%u]:\n", i);
        put(level + 2, "flags:\n");
        if (list[i].flags & 1)
            put(level + 3, "[%u]: in-use\n", n++);
        if (list[i].flags & 2)
            put(level + 3, "[%u]: auto\n", n++);
        put(level + 2, "name: %s\n", list[i].name);
        put(level + 2, "granularity: %" G_GUINT64_FORMAT "\n", list[i].granularity);
        g_free(list[i].name);
    }
    g_free(list);
}

/* What the nodes below can do, in bytes. Zero is not shown. */
struct limit {
    const char *name, *json_name;
    u64 value;
};
enum { LIMITS = 6, OPTIMAL_MEMORY = 4096, MAX_VECTOR = 1024 };

static void fill_limits(struct block_node *node, struct limit limits[LIMITS])
{
    struct qcow2_info i = img_is_qcow2(node) ? qcow2_info(node) : (struct qcow2_info){ 0 };
    struct block_node *storage = node;
    const struct limit filled[LIMITS] = {
        { "write zeroes alignment", "write-zeroes-alignment", i.extended_l2 ? i.cluster_size / 32 : i.cluster_size },
        { "request alignment", "request-alignment", block_file(node) ? 1 : block_alignment(node) },
        { "min mem alignment", "min-mem-alignment", 0 },
        { "discard alignment", "discard-alignment", i.cluster_size },
        { "opt mem alignment", "opt-mem-alignment", OPTIMAL_MEMORY },
        { "max iov", "max-iov", MAX_VECTOR },
    };

    while (block_file(storage))
        storage = block_file(storage);
    memcpy(limits, filled, sizeof(filled));
    limits[2].value = block_alignment(storage);
}

static void print_limits(struct block_node *node, unsigned level)
{
    struct limit limits[LIMITS];

    fill_limits(node, limits);
    put(level, "Block limits:\n");
    for (unsigned i = 0; i < LIMITS; i++)
        if (limits[i].value)
            put(level + 1, "%s: %" G_GUINT64_FORMAT "\n", limits[i].name, limits[i].value);
}

static struct json_object *json_limits(struct block_node *node)
{
    struct json_object *out = json_object_new_object();
    struct limit limits[LIMITS];

    fill_limits(node, limits);
    for (unsigned i = 0; i < LIMITS; i++)
        if (limits[i].value)
            json_object_object_add(out, limits[i].json_name, json_object_new_uint64(limits[i].value));
    return out;
}

static void print_specific(struct block_node *node, unsigned level)
{
    struct qcow2_info i = qcow2_info(node);

    put(level++, "Format specific information:\n");
    put(level, "compat: %s\n", i.version == 2 ? "0.10" : "1.1");
    put(level, "compression type: %s\n", i.zstd ? "zstd" : "zlib");
    if (i.version > 2) {
        put(level, "lazy refcounts: %s\n", yes(i.lazy_refcounts));
        print_bitmaps(node, level);
    }
    put(level, "refcount bits: %u\n", i.refcount_bits);
    if (i.data_file) {
        put(level, "data file: %s\n", i.data_file);
        put(level, "data file raw: %s\n", yes(i.data_file_raw));
    }
    if (i.version > 2) {
        put(level, "corrupt: %s\n", yes(i.corrupt));
        put(level, "extended l2: %s\n", yes(i.extended_l2));
    }
}

/* QEMU shows the name as given, and how the backing file is found if that differs. */
static void print_backing(struct block_node *node, const char *name, unsigned level)
{
    struct qcow2_info i = qcow2_info(node);
    g_autofree char *path = i.backing ? block_path_beside(name, i.backing) : NULL;

    if (!i.backing)
        return;
    put(level, "backing file: %s", i.backing);
    if (strcmp(path, i.backing))
        printf(" (actual path: %s)", path);
    putchar('\n');
    if (i.backing_format)
        put(level, "backing file format: %s\n", i.backing_format);
}

static void print_format(struct block_node *node, const char *name, unsigned level, bool limits)
{
    struct qcow2_info i = qcow2_info(node);

    put(level, "cluster_size: %" G_GUINT64_FORMAT "\n", i.cluster_size);
    if (i.dirty)
        put(level, "cleanly shut down: no\n");
    print_backing(node, name, level);
    if (limits)
        print_limits(node, level);
    if (level == 0)
        img_print_snapshots(node);
    print_specific(node, level);
}

/* What a node stands on; other images have a place of their own. */
static struct block_node *shown_child(struct block_node *node, unsigned *index, const char **role)
{
    struct block_node *child;

    while ((child = block_child(node, (*index)++, role)))
        if (strcmp(*role, "backing") && strcmp(*role, "data-file"))
            return child;
    return NULL;
}

/* Nodes without children are files, and called otherwise; `path` is the way of roles down to the node, "" for the image. */
static void print_human(struct block_node *node, const char *name, const char *path, unsigned level, bool limits)
{
    g_autofree char *size = img_size_text(block_size(node)), *disk = NULL;
    s64 allocated = block_allocated_size(node);
    unsigned index = 0;
    const char *role;
    struct block_node *child = shown_child(node, &index, &role);
    bool file = !child && level;

    disk = allocated < 0 ? g_strdup("unavailable") : img_size_text((u64)allocated);
    put(level, "%s: %s\n", file ? "filename" : "image", name);
    put(level, "%s: %s\n", file ? "protocol type" : "file format", block_driver_name(node));
    put(level, "%s: %s (%" G_GUINT64_FORMAT " bytes)\n", file ? "file length" : "virtual size", size, block_size(node));
    put(level, "disk size: %s\n", disk);
    if (img_is_qcow2(node))
        print_format(node, name, level, limits);
    else if (limits)
        print_limits(node, level);
    for (; child; child = shown_child(node, &index, &role)) {
        g_autofree char *below = g_strdup_printf("%s/%s", path, role);

        put(level, "Child node '%s':\n", below);
        print_human(child, block_filename(child), below, level + 1, limits);
    }
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

static struct json_object *json_info(struct block_node *node, const char *name, bool limits);

static struct json_object *json_children(struct block_node *node, bool limits)
{
    struct json_object *out = json_object_new_array();
    struct block_node *child;
    unsigned index = 0;
    const char *role;

    while ((child = shown_child(node, &index, &role))) {
        struct json_object *one = json_object_new_object();

        add_string(one, "name", role);
        json_object_object_add(one, "info", json_info(child, block_filename(child), limits));
        json_object_array_add(out, one);
    }
    return out;
}

/* Of files there is nothing special to tell. */
static struct json_object *json_file_specific(void)
{
    struct json_object *out = json_object_new_object();

    add_string(out, "type", "file");
    json_object_object_add(out, "data", json_object_new_object());
    return out;
}

static struct json_object *json_info(struct block_node *node, const char *name, bool limits)
{
    struct json_object *out = json_object_new_object();
    struct qcow2_info i = img_is_qcow2(node) ? qcow2_info(node) : (struct qcow2_info){ 0 };
    g_autofree char *path = i.backing ? block_path_beside(name, i.backing) : NULL;
    s64 allocated = block_allocated_size(node);

    if (limits)
        json_object_object_add(out, "limits", json_limits(node));
    json_object_object_add(out, "children", json_children(node, limits));
    add_string(out, "backing-filename-format", i.backing_format);
    if (img_is_qcow2(node) && qcow2_snapshot_count(node))
        json_object_object_add(out, "snapshots", json_snapshots(node));
    add_number(out, "virtual-size", block_size(node));
    add_string(out, "filename", name);
    if (img_is_qcow2(node))
        add_number(out, "cluster-size", i.cluster_size);
    add_string(out, "format", block_driver_name(node));
    if (allocated >= 0)
        add_number(out, "actual-size", (u64)allocated);
    if (img_is_qcow2(node))
        json_object_object_add(out, "format-specific", json_specific(node));
    else if (!strcmp(block_driver_name(node), "file"))
        json_object_object_add(out, "format-specific", json_file_specific());
    add_string(out, "full-backing-filename", path);
    add_string(out, "backing-filename", i.backing);
    add_bool(out, "dirty-flag", i.dirty);
    return out;
}

struct chain {
    bool all, limits;
    unsigned flags;
    struct json_object *list;
    GHashTable *seen;
};

/* Each image by itself, so that a missing backing file spoils nothing but its own place. */
static bool show(struct img *img, const char *name, struct chain *chain)
{
    g_autofree char *file = g_strdup(name), *kind = g_strdup(img->format);

    for (bool first = true; file; first = false) {
        g_autofree char *next = NULL, *next_kind = NULL;
        struct block_node *node;

        if (g_hash_table_contains(chain->seen, file))
            return img_fail("Backing file '%s' creates an infinite loop.", file), false;
        g_hash_table_add(chain->seen, g_strdup(file));
        node = img_open(img, file, kind, BLOCK_OPEN_NO_BACKING | chain->flags);
        if (!node)
            return false;
        const char *called = *block_filename(node) ? block_filename(node) : file;

        if (img->json) {
            json_object_array_add(chain->list, json_info(node, called, chain->limits));
        } else {
            if (!first)
                putchar('\n');
            print_human(node, called, "", 0, chain->limits);
        }
        if (chain->all && img_is_qcow2(node) && qcow2_info(node).backing) {
            next = block_path_beside(called, qcow2_info(node).backing);
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
    enum { CHAIN = IMG_OPT_OWN, SHOW_LIMITS };
    static const struct option options[] = {
        { "backing-chain", no_argument, NULL, CHAIN }, { "limits", no_argument, NULL, SHOW_LIMITS }, IMG_CACHE("cache", 't'), IMG_FORMAT, IMG_FORCE_SHARE, IMG_IMAGE_OPTS, IMG_OUTPUT, IMG_OBJECT, { 0 },
    };
    struct chain chain = { 0 };
    bool ok;
    int c;

    while ((c = img_option(img, "f:t:U", options)) >= 0) {
        if (c == '?' || (c == 't' && !img_parse_cache(optarg, &chain.flags)))
            return 1;
        chain.all |= c == CHAIN;
        chain.limits |= c == SHOW_LIMITS;
    }
    if (!img_operands(img, 1, 1))
        return 1;
    chain.list = json_object_new_array();
    chain.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    ok = show(img, img->argv[optind], &chain);
    if (ok && img->json)
        img_print_json(json_object_get(chain.all ? chain.list : json_object_array_get_idx(chain.list, 0)));
    json_object_put(chain.list);
    g_hash_table_unref(chain.seen);
    return !ok;
}
