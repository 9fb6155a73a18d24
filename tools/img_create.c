/* tools/img_create.c - create, and what other commands need to make images. */
#include "api/keyval.h"
#include "api/number.h"
#include "base/error.h"
#include "block/qcow2/image.h"
#include "host/file.h"
#include "tools/img.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

struct option_row {
    const char *name, *help;
    bool raw;   /* raw images have it too */
    bool amend; /* amend can change it */
};

static const struct option_row rows[] = {
    { "backing_file", "<str>     - File name of a base image", false, true },
    { "backing_fmt", "<str>      - Image format of the base image", false, true },
    { "cluster_size", "<size>    - qcow2 cluster size", false, false },
    { "compat", "<str>           - Compatibility level (v2 [0.10] or v3 [1.1])", false, true },
    { "compression_type", "<str> - Compression method used for image cluster compression", false, false },
    { "data_file", "<str>        - File name of an external data file", false, true },
    { "data_file_raw", "<bool (on/off)> - The external data file must stay valid as a raw image", false, true },
    { "extended_l2", "<bool (on/off)> - Extended L2 tables", false, false },
    { "lazy_refcounts", "<bool (on/off)> - Postpone refcount updates", false, true },
    { "nocow", "<bool (on/off)>  - Turn off copy-on-write (valid only on btrfs)", true, false },
    { "preallocation", "<str>    - Preallocation mode (allowed values: off, metadata, falloc, full)", true, false },
    { "refcount_bits", "<num>    - Width of a reference count entry in bits", false, true },
    { "size", "<size>            - Virtual disk size", true, true },
};

static bool is_raw(const char *format)
{
    return !format || !strcmp(format, "raw");
}

static void print_options(const char *format)
{
    printf("Supported %s options:\n", is_raw(format) ? "raw" : format);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (!is_raw(format) || rows[i].raw)
            printf("  %s=%s\n", rows[i].name, rows[i].help);
}

void img_print_amend_options(void)
{
    printf("Amend options for 'qcow2':\n");
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].amend)
            printf("  %s=%s\n", rows[i].name, rows[i].help);
}

bool img_check_amend_option(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (!strcmp(rows[i].name, name) && rows[i].amend)
            return true;
    return img_fail("Invalid parameter '%s'%s", name, strcmp(name, "nocow") ? "\nThis option is only supported for image creation" : ""), false;
}

static const char *valid_name(const char *name, const char *format)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (!strcmp(rows[i].name, name) && (!is_raw(format) || rows[i].raw))
            return rows[i].name;
    return NULL;
}

static const char *nearest(const char *name, const char *format)
{
    const char *names[ARRAY_SIZE(rows) + 1] = { 0 };
    unsigned n = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (!is_raw(format) || rows[i].raw)
            names[n++] = rows[i].name;
    return error_nearest_name(name, names);
}

bool img_add_create_options(struct img_create_options *o, const char *text, const char *format, bool *helped)
{
    static const struct api_keys keys = { .open = true };
    g_autoptr(GError) error = NULL;
    g_autoptr(api_keyval) list = api_keyval_parse(text, &keys, &error);

    if (!list)
        return img_fail_error(g_steal_pointer(&error)), false;
    if (!o->options)
        o->options = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (api_keyval_wants_help(list)) {
        *helped = true;
        if (o->amends)
            img_print_amend_options();
        else
            print_options(format);
        return true;
    }
    for (unsigned i = 0; i < api_keyval_count(list); i++) {
        struct api_keyval_item *item = api_keyval_at(list, i);

        if (!valid_name(item->key, format)) {
            const char *near = nearest(item->key, format);

            return img_fail("Invalid parameter '%s'%s%s%s", item->key, near ? "\ndid you mean '" : "", near ? near : "", near ? "'?" : ""), false;
        }
        g_hash_table_replace(o->options, g_strdup(item->key), g_strdup(item->value));
    }
    return true;
}

static const char *get(GHashTable *options, const char *name)
{
    return options ? g_hash_table_lookup(options, name) : NULL;
}

static bool get_bool(GHashTable *options, const char *name, bool *out, GError **error)
{
    const char *text = get(options, name);

    return !text || api_parse_bool(name, text, out, error);
}

static bool get_size(GHashTable *options, const char *name, u64 *out, GError **error)
{
    const char *text = get(options, name);

    return !text || api_parse_size(name, text, 1, out, error);
}

static bool get_prealloc(GHashTable *options, enum block_prealloc *out, GError **error)
{
    static const char *const modes[] = { "off", "metadata", "falloc", "full", NULL };
    const char *text = get(options, "preallocation");

    for (unsigned i = 0; modes[i] && text; i++)
        if (!strcmp(modes[i], text)) {
            *out = (enum block_prealloc)i;
            return true;
        }
    return !text || error_set(error, "Parameter 'preallocation' does not accept value '%s'", text);
}

static bool get_compat(GHashTable *options, u32 *version, GError **error)
{
    const char *text = get(options, "compat");

    if (!text || !strcmp(text, "1.1") || !strcmp(text, "v3"))
        *version = 3;
    else if (!strcmp(text, "0.10") || !strcmp(text, "v2"))
        *version = 2;
    else
        return error_set(error, "Invalid compatibility level: '%s'", text);
    return true;
}

bool img_fill_qcow2_options(GHashTable *options, const char *name, struct qcow2_create *create, GError **error)
{
    const char *compression = get(options, "compression_type");
    u64 refcount_bits = 16;

    *create = (struct qcow2_create){ .cluster_size = 65536 };
    create->zstd = compression && !strcmp(compression, "zstd");
    if (compression && !create->zstd && strcmp(compression, "zlib"))
        return error_set(error, "Parameter 'compression_type' does not accept value '%s'", compression);
    if (!get_compat(options, &create->version, error) || !get_size(options, "cluster_size", &create->cluster_size, error) ||
        !get_size(options, "refcount_bits", &refcount_bits, error) || !get_bool(options, "lazy_refcounts", &create->lazy_refcounts, error) ||
        !get_bool(options, "extended_l2", &create->extended_l2, error) || !get_bool(options, "data_file_raw", &create->data_file_raw, error) ||
        !get_prealloc(options, &create->prealloc, error))
        return false;
    create->refcount_bits = (u32)MIN(refcount_bits, 1000);
    create->backing = get(options, "backing_file");
    create->backing_format = get(options, "backing_fmt");
    create->data_file = get(options, "data_file");
    return true;
}

/* The file below, there and held for writing. */
static bool open_protocol(struct img *img, const char *name, bool nocow, struct img_disk *disk, GError **error)
{
    struct json_object *options = block_name_options(name, NULL, BLOCK_OPEN_WRITE, error), *file;
    const char *path;
    int fd;

    if (!options)
        return false;
    file = json_object_object_get(options, "file");
    if (!json_object_is_type(file, json_type_object) || !json_object_object_get_ex(file, "filename", NULL)) {
        const char *driver = json_object_is_type(file, json_type_object) ? json_object_get_string(json_object_object_get(file, "driver")) : NULL;

        error_set(error, "Protocol driver '%s' does not support image creation", driver ? driver : name);
        json_object_put(options);
        return false;
    }
    path = json_object_get_string(json_object_object_get(file, "filename"));
    fd = host_file_open(path, HOST_FILE_WRITE | HOST_FILE_CREATE);
    if (fd < 0) {
        error_set(error, "Could not create '%s': %s", path, g_strerror(-fd));
        json_object_put(options);
        return false;
    }
    if (nocow)
        host_file_set_nocow(fd); /* where the file system knows it */
    host_file_close(fd);
    disk->node = block_open(img->graph, file, error);
    json_object_put(options);
    if (!disk->node)
        return false;
    disk->edge = block_attach(disk->node, BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE, BLOCK_READ, "mynah-img", error);
    block_unref(disk->node);
    return disk->edge != NULL;
}

static bool create_raw(struct img *img, struct img_disk *disk, GHashTable *options, u64 size, GError **error)
{
    enum block_prealloc prealloc = BLOCK_PREALLOC_OFF;

    if (!get_prealloc(options, &prealloc, error))
        return false;
    if (prealloc == BLOCK_PREALLOC_METADATA)
        return error_set(error, "Unsupported preallocation mode: metadata");
    size = (size + 511) & ~UINT64_C(511);
    if (!strcmp(block_driver_name(disk->node), "host_device"))
        return size <= block_size(disk->node) || error_set(error, "The device is smaller than %" G_GUINT64_FORMAT " bytes", size);
    return block_truncate(disk->node, 0, BLOCK_PREALLOC_OFF, error) && block_truncate(disk->node, size, prealloc, error);
}

static bool create_data_file(struct img *img, const char *name, const char *data_file, u64 size, GError **error)
{
    g_autofree char *path = block_path_beside(name, data_file);
    struct img_disk disk = { 0 };
    bool ok = open_protocol(img, path, false, &disk, error) && block_truncate(disk.node, 0, BLOCK_PREALLOC_OFF, error) &&
              block_truncate(disk.node, size, BLOCK_PREALLOC_OFF, error);

    img_close_disk(&disk, false);
    return ok;
}

static bool create_qcow2(struct img *img, const char *name, struct img_disk *disk, GHashTable *options, u64 size, GError **error)
{
    struct qcow2_create create;

    if (!img_fill_qcow2_options(options, name, &create, error))
        return false;
    create.size = (size + 511) & ~UINT64_C(511);
    if (!qcow2_create_check(&create, error)) /* before anything is emptied */
        return false;
    if (create.data_file && !create_data_file(img, name, create.data_file, create.size, error))
        return false;
    return qcow2_create(disk->node, &create, error);
}

/* The backing file, which has to exist unless unsafe, and its size. *out NULL: there is none, or nobody has looked. The caller's reference. */
static bool look_at_backing(struct img *img, const char *name, struct img_create_options *o, u64 *size, struct block_node **out)
{
    const char *backing = get(o->options, "backing_file"), *format = get(o->options, "backing_fmt");
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    struct block_node *node;

    *out = NULL;

    if (format && (!backing || !*backing))
        return img_fail("%s: Backing format cannot be used without backing file", name), false;
    if (!backing || !*backing || o->unsafe)
        return true;
    path = block_path_beside(name, backing);
    node = block_open_name(img->graph, path, format, BLOCK_OPEN_FORCE_SHARE, &error);
    if (!node) {
        if (g_str_has_prefix(error->message, "Could not open"))
            img_fail("%s: %s\nCould not open backing image.", name, error->message);
        else
            img_fail("%s: Could not open '%s': %s\nCould not open backing image.", name, path, error->message);
        return false;
    }
    if (!format) {
        img_fail("%s: Backing file specified without backing format\nDetected format of %s.", name, block_driver_name(node));
        block_unref(node);
        return false;
    }
    if (*size == UINT64_MAX)
        *size = block_size(node);
    *out = node;
    return true;
}

static bool is_same_file(const char *a, const char *b)
{
    GStatBuf x, y;

    return g_stat(a, &x) == 0 && g_stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool stands_on(const struct block_node *node, const char *file)
{
    const struct block_node *child;
    const char *role;

    for (unsigned i = 0; (child = block_child(node, i, &role)); i++)
        if (stands_on(child, file))
            return true;
    return is_same_file(file, block_filename(node));
}

/* Whether the new image, in this file, would take the place of what it is to stand on, or of what it is to be made of. */
static bool check_place(const char *name, const char *file, const struct img_create_options *o, const struct block_node *below, GError **error)
{
    const char *backing = get(o->options, "backing_file");
    g_autofree char *path = backing && *backing ? block_path_beside(name, backing) : NULL;

    if (path && is_same_file(file, path))
        return error_set(error, "Error: Trying to create an image with the same filename as the backing file");
    if (below && stands_on(below, file))
        return error_set(error, "Error: the backing file '%s' needs what is there", backing);
    for (unsigned i = 0; i < o->source_count; i++)
        if (stands_on(o->sources[i].node, file))
            return error_set(error, "Error: Trying to create an image in the place of one that is read");
    return true;
}

/* Preallocation makes clusters for a disk that grows from nothing. */
static bool preallocate(struct img *img, const char *name, GHashTable *options, u64 size, GError **error)
{
    enum block_prealloc prealloc = BLOCK_PREALLOC_OFF;
    struct img_disk disk = { 0 };
    bool ok, image_opts = img->image_opts;

    if (!get_prealloc(options, &prealloc, error) || prealloc == BLOCK_PREALLOC_OFF)
        return prealloc == BLOCK_PREALLOC_OFF;
    img->image_opts = false;
    ok = img_open_disk(img, name, "qcow2", BLOCK_OPEN_WRITE | (get(options, "backing_file") ? BLOCK_OPEN_NO_BACKING : 0), BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE, &disk);
    img->image_opts = image_opts;
    if (!ok)
        return error_set(error, "cannot preallocate");
    ok = block_truncate(disk.node, (size + 511) & ~UINT64_C(511), prealloc, error);
    return img_close_disk(&disk, true) && ok;
}

static void print_formatting(const char *name, const char *format, GHashTable *o, u64 size)
{
    static const char *const order[] = { "compat", "backing_file", "backing_fmt", "data_file", "data_file_raw", NULL };
    struct qcow2_create c;

    printf("Formatting '%s', fmt=%s", name, format);
    if (!strcmp(format, "qcow2") && img_fill_qcow2_options(o, name, &c, NULL)) {
        printf(" cluster_size=%" G_GUINT64_FORMAT " extended_l2=%s", c.cluster_size, c.extended_l2 ? "on" : "off");
        if (get(o, "preallocation"))
            printf(" preallocation=%s", get(o, "preallocation"));
        printf(" compression_type=%s size=%" G_GUINT64_FORMAT, c.zstd ? "zstd" : "zlib", size);
        for (unsigned i = 0; order[i]; i++)
            if (get(o, order[i]))
                printf(" %s=%s", order[i], get(o, order[i]));
        printf(" lazy_refcounts=%s refcount_bits=%u", c.lazy_refcounts ? "on" : "off", c.refcount_bits);
    } else {
        printf(" size=%" G_GUINT64_FORMAT, size);
        if (get(o, "preallocation"))
            printf(" preallocation=%s", get(o, "preallocation"));
    }
    if (get(o, "nocow"))
        printf(" nocow=%s", get(o, "nocow"));
    putchar('\n');
}

static bool known_format(const char *name, const char *format)
{
    if (!strcmp(format, "raw") || !strcmp(format, "qcow2"))
        return true;
    img_fail("%s: Unknown file format '%s'", name, format);
    return false;
}

bool img_create_image(struct img *img, const char *name, const char *format, struct img_create_options *o, u64 size, bool quiet)
{
    g_autoptr(GError) error = NULL;
    struct img_disk disk = { 0 };
    struct block_node *backing;
    bool ok, nocow = false;

    if (!known_format(name, format))
        return false;
    if (!o->options)
        o->options = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (o->backing)
        g_hash_table_replace(o->options, g_strdup("backing_file"), g_strdup(o->backing));
    if (o->backing_format)
        g_hash_table_replace(o->options, g_strdup("backing_fmt"), g_strdup(o->backing_format));
    if (is_raw(format) && get(o->options, "backing_file"))
        return img_fail("%s: Backing file not supported for file format 'raw'", name), false;
    if (size == UINT64_MAX && !get_size(o->options, "size", &size, &error))
        return img_fail_error(g_steal_pointer(&error)), false;
    if (!look_at_backing(img, name, o, &size, &backing))
        return false;
    if (size == UINT64_MAX) {
        block_unref(backing);
        return img_fail("%s: Image creation needs a size parameter", name), false;
    }
    if (!quiet)
        print_formatting(name, format, o->options, size);
    ok = get_bool(o->options, "nocow", &nocow, &error) && open_protocol(img, name, nocow, &disk, &error) &&
         check_place(name, block_filename(disk.node), o, backing, &error);
    block_unref(backing);
    if (ok)
        ok = is_raw(format) ? create_raw(img, &disk, o->options, size, &error) : create_qcow2(img, name, &disk, o->options, size, &error);
    img_close_disk(&disk, false);
    if (ok && !is_raw(format))
        ok = preallocate(img, name, o->options, size, &error);
    return ok || (img_fail("%s: %s", name, error ? error->message : "cannot preallocate"), false);
}

int img_create(struct img *img)
{
    static const struct option options[] = {
        { "options", required_argument, NULL, 'o' }, { "backing", required_argument, NULL, 'b' }, { "backing-format", required_argument, NULL, 'B' },
        { "backing-unsafe", no_argument, NULL, 'u' }, IMG_FORMAT, IMG_QUIET, IMG_OBJECT, { 0 },
    };
    struct img_create_options o = { 0 };
    const char *format, *texts[64];
    unsigned count = 0;
    bool helped = false, ok = true;
    u64 size = UINT64_MAX;
    int c;

    while ((c = img_option(img, "f:b:B:F:o:uq", options)) >= 0) {
        switch (c) {
        case 'b':
            o.backing = optarg;
            break;
        case 'B':
        case 'F': /* its old name */
            o.backing_format = optarg;
            break;
        case 'o':
            if (count < ARRAY_SIZE(texts))
                texts[count++] = optarg;
            break;
        case 'u':
            o.unsafe = true;
            break;
        default:
            return 1;
        }
    }
    format = img->format ? img->format : "raw";
    for (unsigned i = 0; i < count && ok && !helped; i++)
        ok = img_add_create_options(&o, texts[i], format, &helped);
    if (ok && !helped)
        ok = img_operands(img, 1, 2) && (img->argc - optind < 2 || img_parse_size(img->argv[optind + 1], &size)) &&
             img_create_image(img, img->argv[optind], format, &o, size, img->quiet);
    g_clear_pointer(&o.options, g_hash_table_unref);
    return !ok;
}
