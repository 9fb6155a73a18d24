/* tools/img_chain.c - commit, rebase: images and their backing files. */
#include "api/number.h"
#include "api/types.h"
#include "base/bits.h"
#include "base/error.h"
#include "block/copy.h"
#include "block/qcow2/image.h"
#include "host/clock.h"
#include "tools/image_opts.h"
#include "tools/img.h"
#include <stdio.h>
#include <string.h>

enum { CHUNK = 1 << 20 };

/* --- commit --- */

struct commit {
    struct img *img;
    const char *name, *base_name;
    unsigned flags;
    bool keep; /* -d */
    u64 rate;
    s64 start;
    GPtrArray *names, *formats; /* from the image down to the base */
    GPtrArray *nodes;           /* the same, opened */
};

/* The options of the image that the user named, of a file or of options. */
static struct json_object *top_options(struct commit *c, const char *format, unsigned flags, GError **error)
{
    struct json_object *options;

    if (!c->img->image_opts)
        return block_name_options(c->name, format, flags, error);
    options = tool_image_options(c->name, flags & ~(unsigned)BLOCK_OPEN_WRITE, error);
    if (options && flags & BLOCK_OPEN_WRITE)
        json_object_object_del(options, "read-only");
    return options;
}

static struct block_node *open_named(struct img *img, const char *name, const char *format, unsigned flags)
{
    bool image_opts = img->image_opts;
    struct block_node *node;

    img->image_opts = false;
    node = img_open(img, name, format, flags);
    img->image_opts = image_opts;
    return node;
}

/* An image of the chain by itself, to see what it names. */
static struct block_node *open_alone(struct commit *c, const char *name, const char *format)
{
    unsigned flags = BLOCK_OPEN_NO_BACKING | BLOCK_OPEN_FORCE_SHARE;
    g_autoptr(GError) error = NULL;
    struct json_object *options;
    struct block_node *node = NULL;

    if (c->names->len || !c->img->image_opts)
        return open_named(c->img, name, format, flags);
    options = top_options(c, format, flags, &error);
    if (options && block_options_complete(c->img->graph, options, &error)) {
        if (!strcmp(json_object_get_string(json_object_object_get(options, "driver")), "qcow2"))
            json_object_object_add(options, "backing", NULL);
        node = block_open(c->img->graph, options, &error);
    }
    json_object_put(options);
    if (!node)
        img_fail("Could not open '%s': %s", name, error->message);
    return node;
}

/* The names from the image down to the base. */
static bool find_chain(struct commit *c)
{
    g_autofree char *name = g_strdup(c->name), *format = g_strdup(c->img->format), *stored = NULL; /* as the image above has it */

    for (;;) {
        struct block_node *node = open_alone(c, name, format);
        struct qcow2_info info = { 0 };

        if (!node)
            return false;
        bool top = c->names->len == 0, base = !top && (!c->base_name || !strcmp(c->base_name, name) || !g_strcmp0(c->base_name, stored));

        if (img_is_qcow2(node))
            info = qcow2_info(node);
        g_ptr_array_add(c->names, g_strdup(top && c->img->image_opts ? block_filename(node) : name));
        g_ptr_array_add(c->formats, g_strdup(block_driver_name(node)));
        g_free(name);
        g_free(format);
        name = info.backing ? block_path_beside(g_ptr_array_index(c->names, c->names->len - 1), info.backing) : NULL;
        format = g_strdup(info.backing_format);
        g_free(stored);
        stored = g_strdup(info.backing);
        block_unref(node);
        if (base)
            return true;
        if (!name)
            return c->base_name && !top ? (img_fail("Did not find '%s' in the backing chain of '%s'", c->base_name, c->name), false)
                                        : (img_fail("Image does not have a backing file"), false);
        if (c->names->len > 200)
            return img_fail("The backing chain is too long"), false;
    }
}

/* From the base up; each names the one below as its backing file. */
static bool open_chain(struct commit *c)
{
    g_autoptr(GError) error = NULL;

    for (unsigned i = c->names->len; i-- > 0;) {
        bool write = i == 0 || i == c->names->len - 1;
        unsigned flags = c->flags | (write ? BLOCK_OPEN_WRITE : 0);
        struct json_object *options = i ? block_name_options(c->names->pdata[i], c->formats->pdata[i], flags, &error) : top_options(c, c->formats->pdata[0], flags, &error);
        struct block_node *node = NULL;

        if (options && !json_object_object_get(options, "driver"))
            json_object_object_add(options, "driver", json_object_new_string(c->formats->pdata[i]));
        if (options && i < c->names->len - 1)
            json_object_object_add(options, "backing", json_object_new_string(block_name(c->nodes->pdata[i + 1])));
        if (options)
            node = block_open(c->img->graph, options, &error);
        json_object_put(options);
        c->nodes->pdata[i] = node;
        if (!node)
            return img_fail("Could not open '%s': %s", (char *)c->names->pdata[i], error->message), false;
    }
    return true;
}

static void show_progress(void *opaque, u64 done, u64 total)
{
    struct commit *c = opaque;

    img_progress(c->img, done, total);
    img_keep_rate(c->img, c->start, done, c->rate);
}

static int commit_nodes(struct commit *c)
{
    struct block_node *top = c->nodes->pdata[0], *base = c->nodes->pdata[c->nodes->len - 1];
    g_autoptr(GError) error = NULL;
    int ret;

    if (block_size(top) > block_size(base) && !block_truncate(base, block_size(top), BLOCK_PREALLOC_OFF, &error))
        return img_fail_error(g_steal_pointer(&error));
    c->start = host_clock_monotonic();
    ret = block_commit(top, base, show_progress, c);
    if (ret < 0)
        return img_fail("Error while committing: %s", g_strerror(-ret));
    if (!c->keep && img_is_qcow2(top) && !qcow2_make_empty(top, &error))
        return img_fail_error(g_steal_pointer(&error));
    img_progress_end(c->img);
    img_say(c->img, "Image committed.\n");
    return 0;
}

static int commit(struct commit *c)
{
    g_autoptr(GError) error = NULL;
    struct block_edge *top = NULL, *base = NULL;
    int status = 1;

    if (!find_chain(c))
        return 1;
    g_ptr_array_set_size(c->nodes, (int)c->names->len);
    c->keep |= c->base_name != NULL; /* as in QEMU: what lies between would show through */
    block_graph_set_committing(c->img->graph, true);
    if (!open_chain(c))
        return 1;
    u32 perm = BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE;

    top = block_attach(c->nodes->pdata[0], perm, BLOCK_READ, "mynah-img", &error);
    if (top)
        base = block_attach(c->nodes->pdata[c->nodes->len - 1], perm, BLOCK_READ, "mynah-img", &error);
    status = top && base ? commit_nodes(c) : img_fail("%s", error->message);
    block_detach(base);
    block_detach(top);
    return status;
}

int img_commit(struct img *img)
{
    static const struct option options[] = {
        { "drop", no_argument, NULL, 'd' }, { "base", required_argument, NULL, 'b' }, { "rate-limit", required_argument, NULL, 'r' }, IMG_CACHE("cache", 't'),
        IMG_FORMAT, IMG_IMAGE_OPTS, IMG_PROGRESS, IMG_QUIET, IMG_OBJECT, { 0 },
    };
    struct commit c = { .img = img, .flags = BLOCK_OPEN_UNMAP };
    int o, status;

    while ((o = img_option(img, "f:t:b:dpqr:", options)) >= 0) {
        if (o == '?' || (o == 't' && !img_parse_cache(optarg, &c.flags)) || (o == 'r' && !img_parse_rate(optarg, &c.rate)))
            return 1;
        if (o == 'b')
            c.base_name = optarg;
        c.keep |= o == 'd';
    }
    if (!img_operands(img, 1, 1))
        return 1;
    c.name = img->argv[optind];
    c.names = g_ptr_array_new_with_free_func(g_free);
    c.formats = g_ptr_array_new_with_free_func(g_free);
    c.nodes = g_ptr_array_new();
    status = commit(&c);
    for (unsigned i = 0; i < c.nodes->len; i++)
        block_unref(c.nodes->pdata[i]);
    g_ptr_array_unref(c.nodes);
    g_ptr_array_unref(c.names);
    g_ptr_array_unref(c.formats);
    return status;
}

/* --- rebase --- */

static int write_difference(struct block_node *top, u64 at, const u8 *data, u64 size, bool compress)
{
    struct iovec iov;

    return block_write(top, at, block_data_one(&iov, (u8 *)data, size), compress ? BLOCK_COMPRESSED : 0);
}

/* Writes what old and new backing file do not have in common where the image itself has nothing. */
static int move_differences(struct img *img, struct block_node *top, struct block_node *fresh, bool compress)
{
    u64 unit = compress ? qcow2_info(top).cluster_size : 512;
    g_autofree u8 *old_data = g_malloc(CHUNK), *new_data = g_malloc0(CHUNK);
    struct block_node *old = block_backing(top);
    u64 size = block_size(top);

    for (u64 at = 0, n; at < size; at += n) {
        struct block_status status;
        int ret = block_status(top, at, MIN(size - at, CHUNK), &status);

        n = ret < 0 ? 0 : status.size;
        if (ret == 0 && !(status.flags & BLOCK_ALLOCATED)) {
            memset(old_data, 0, n);
            memset(new_data, 0, n);
            ret = old ? block_read_buffer(old, at, old_data, n) : 0;
            if (ret == 0 && fresh)
                ret = block_read_buffer(fresh, at, new_data, n);
            for (u64 k = 0, run; k < n && ret == 0; k += run) {
                bool differs = memcmp(old_data + k, new_data + k, MIN(unit, n - k)) != 0;

                for (run = MIN(unit, n - k); !compress && k + run < n && (memcmp(old_data + k + run, new_data + k + run, MIN(unit, n - k - run)) != 0) == differs;)
                    run += MIN(unit, n - k - run);
                if (differs)
                    ret = write_difference(top, at + k, old_data + k, run, compress && (at + k) % unit == 0 && (run == unit || at + k + run == size));
            }
        }
        if (ret < 0)
            return img_fail("error while rebasing at offset %" G_GUINT64_FORMAT ": %s", at, g_strerror(-ret));
        img_progress(img, at + n, size);
    }
    img_progress_end(img);
    return 0;
}

struct rebase {
    struct img *img;
    const char *backing, *backing_format;
    unsigned flags, source_flags;
    bool unsafe, compress;
};

static int rebase(struct rebase *r, struct block_node *top)
{
    g_autofree char *path = *r->backing ? block_path_beside(block_filename(top), r->backing) : NULL;
    g_autoptr(GError) error = NULL;
    struct block_node *fresh = NULL;
    int status = 0;

    if (!img_is_qcow2(top))
        return img_fail("Could not change the backing file to '%s': Operation not supported", r->backing);
    if (!r->unsafe) {
        if (path) {
            fresh = block_open_name(r->img->graph, path, r->backing_format, r->source_flags, &error);
            if (!fresh)
                return img_fail("Could not open new backing file '%s': %s", path, error->message);
        }
        if (path && !r->backing_format) {
            block_unref(fresh);
            return img_fail("Could not change the backing file to '%s': backing format must be specified", r->backing);
        }
        status = move_differences(r->img, top, fresh, r->compress);
    }
    if (!status && !qcow2_set_backing(top, *r->backing ? r->backing : NULL, *r->backing ? r->backing_format : NULL, &error))
        status = img_fail_error(g_steal_pointer(&error));
    block_unref(fresh);
    return status;
}

int img_rebase(struct img *img)
{
    static const struct option options[] = {
        { "backing", required_argument, NULL, 'b' }, { "backing-format", required_argument, NULL, 'B' }, { "backing-unsafe", no_argument, NULL, 'u' },
        { "compress", no_argument, NULL, 'c' }, IMG_CACHE("cache", 't'), IMG_CACHE("backing-cache", 'T'), IMG_FORMAT, IMG_FORCE_SHARE, IMG_IMAGE_OPTS, IMG_PROGRESS,
        IMG_QUIET, IMG_OBJECT, { 0 },
    };
    struct rebase r = { .img = img };
    struct img_disk disk = { 0 };
    int c, status;

    while ((c = img_option(img, "f:F:B:b:ucpt:T:qU", options)) >= 0) {
        if (c == '?' || (c == 't' && !img_parse_cache(optarg, &r.flags)) || (c == 'T' && !img_parse_cache(optarg, &r.source_flags)))
            return 1;
        if (c == 'F' || c == 'B') /* -F is the old name */
            r.backing_format = optarg;
        if (c == 'b')
            r.backing = optarg;
        r.unsafe |= c == 'u';
        r.compress |= c == 'c';
    }
    if (!img_operands(img, 1, 1))
        return 1;
    if (!r.backing && !r.unsafe) {
        img_fail("Must specify backing file (-b) or use unsafe mode (-u)");
        return img_try_help(img);
    }
    if (!r.backing)
        r.backing = ""; /* none */
    if (r.backing_format && api_enum_find(&api_type_blockdev_driver, r.backing_format) < 0)
        return img_fail("Invalid format name: '%s'", r.backing_format);
    if (*r.backing && !r.backing_format && r.unsafe)
        return img_fail("Could not change the backing file to '%s': backing format must be specified", r.backing);
    if (!img_open_disk(img, img->argv[optind], img->format, r.flags | BLOCK_OPEN_WRITE | (r.unsafe ? BLOCK_OPEN_NO_BACKING : 0), BLOCK_READ | BLOCK_WRITE, &disk))
        return 1;
    status = rebase(&r, disk.node);
    return img_close_disk(&disk, true) ? status : 1;
}
