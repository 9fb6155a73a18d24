/* tools/img_amend.c - amend: other options for an image that is there. */
#include "api/number.h"
#include "base/error.h"
#include "block/qcow2/image.h"
#include "tools/img.h"
#include <string.h>

static bool has(GHashTable *options, const char *name)
{
    return g_hash_table_contains(options, name);
}

static bool differs(GHashTable *options, const char *name, const char *now)
{
    return has(options, name) && g_strcmp0(g_hash_table_lookup(options, name), now) != 0;
}

static bool check_options(struct block_node *node, GHashTable *options, const struct qcow2_create *o, GError **error)
{
    struct qcow2_info info = qcow2_info(node);
    u32 version = has(options, "compat") ? o->version : info.version;

    if (differs(options, "backing_file", info.backing) || differs(options, "backing_fmt", info.backing_format)) {
        error_set(error, "Cannot amend the backing file");
        return error_hint(error, "You can use 'mynah-img rebase' instead.");
    }
    if (has(options, "data_file") && !info.data_file)
        return error_set(error, "data-file can only be set for images that use an external data file");
    if (has(options, "data_file_raw") && o->data_file_raw && !info.data_file_raw)
        return error_set(error, "data-file-raw cannot be set on existing images");
    if (version < 3 && o->lazy_refcounts)
        return error_set(error, "Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)");
    if (version < 3 && has(options, "refcount_bits") && o->refcount_bits != 16 && !(o->refcount_bits & (o->refcount_bits - 1)))
        return error_set(error, "Refcount widths other than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)");
    return true;
}

/* Up before all else, down after it. */
static bool change(struct block_node *node, GHashTable *options, const struct qcow2_create *o, GError **error)
{
    u32 version = has(options, "compat") ? o->version : 0;
    const char *size = g_hash_table_lookup(options, "size");
    u64 bytes;

    if (version > 2 && qcow2_info(node).version < 3 && !qcow2_amend(node, version, -1, error))
        return false;
    if (has(options, "data_file") && !qcow2_set_data_file(node, o->data_file, error))
        return false;
    if (has(options, "refcount_bits") && !qcow2_set_refcount_bits(node, o->refcount_bits, error))
        return false;
    if (has(options, "lazy_refcounts") && qcow2_info(node).version > 2 && !qcow2_amend(node, 0, o->lazy_refcounts, error))
        return false;
    if (size && (!api_parse_size("size", size, 1, &bytes, error) || !block_truncate(node, bytes, BLOCK_PREALLOC_OFF, error)))
        return false;
    return version != 2 || qcow2_downgrade(node, error);
}

static int amend(struct img *img, struct block_node *node, GHashTable *options)
{
    g_autoptr(GError) error = NULL;
    struct qcow2_create create;
    GHashTableIter iter;
    gpointer name;

    if (!img_is_qcow2(node))
        return img_fail("Format driver '%s' does not support option amendment", block_driver_name(node));
    g_hash_table_iter_init(&iter, options);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!img_check_amend_option(name))
            return 1;
    const char *compat = g_hash_table_lookup(options, "compat");

    if (compat && strcmp(compat, "0.10") && strcmp(compat, "v2") && strcmp(compat, "1.1") && strcmp(compat, "v3"))
        return img_fail("Unknown compatibility level %s", compat);
    img_progress(img, 0, 1);
    if (!img_fill_qcow2_options(options, "", &create, &error) || !check_options(node, options, &create, &error) || !change(node, options, &create, &error))
        return img_fail_error(g_steal_pointer(&error));
    img_progress_end(img);
    return 0;
}

int img_amend(struct img *img)
{
    enum { FORCE = IMG_OPT_OWN };
    static const struct option options[] = {
        { "options", required_argument, NULL, 'o' }, { "force", no_argument, NULL, FORCE }, IMG_CACHE("cache", 't'), IMG_FORMAT, IMG_IMAGE_OPTS, IMG_PROGRESS,
        IMG_QUIET, IMG_OBJECT, { 0 },
    };
    struct img_create_options create = { .amends = true };
    struct img_disk disk = { 0 };
    unsigned flags = 0;
    bool helped = false;
    int c, status = 1;

    while ((c = img_option(img, "f:t:o:pq", options)) >= 0)
        if (c == '?' || (c == 't' && !img_parse_cache(optarg, &flags)) || (c == 'o' && !img_add_create_options(&create, optarg, "qcow2", &helped)))
            return 1;
    if (helped)
        status = 0;
    else if (!create.options)
        img_fail("Must specify options (-o)"), status = img_try_help(img);
    else if (img_operands(img, 1, 1) && img_open_disk(img, img->argv[optind], img->format, flags | BLOCK_OPEN_WRITE, BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE, &disk))
        status = amend(img, disk.node, create.options);
    if (disk.node && !img_close_disk(&disk, true))
        status = 1;
    g_clear_pointer(&create.options, g_hash_table_unref);
    return status;
}
