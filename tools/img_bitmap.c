/* tools/img_bitmap.c - bitmap: the dirty bitmaps of an image; and copying them, for convert. */
#include "base/error.h"
#include "block/qcow2/image.h"
#include "tools/img.h"
#include <errno.h>
#include <string.h>

enum { ADD = IMG_OPT_OWN, REMOVE, REMOVE_ALL, CLEAR, ENABLE, DISABLE, MERGE };

static const char *const names[] = { "add", "remove", "remove-all", "clear", "enable", "disable", "merge" };

struct action {
    int kind;
    const char *source; /* MERGE */
};

struct bitmap {
    struct img *img;
    GArray *actions; /* of struct action */
    const char *file, *name, *source_file, *source_format;
    bool adds, merges, named; /* some action does, or needs a name */
    u64 granularity;
    struct img_disk disk, source;
};

static bool act(struct bitmap *b, const struct action *action, bool enabled, GError **error)
{
    struct block_node *node = b->disk.node, *source = b->source.node ? b->source.node : node;

    if (!img_is_qcow2(node)) {
        if (action->kind == ADD)
            return error_set(error, "Can't store persistent bitmaps to %s: %s", block_name(node), g_strerror(ENOTSUP));
        return action->kind == REMOVE_ALL || error_set(error, "Dirty bitmap '%s' not found", action->source ? action->source : b->name);
    }
    switch (action->kind) {
    case ADD:
        return qcow2_bitmap_add(node, b->name, b->granularity, enabled, error);
    case REMOVE:
        return qcow2_bitmap_remove(node, b->name, error);
    case REMOVE_ALL:
        return qcow2_bitmap_remove_all(node, error);
    case CLEAR:
        return qcow2_bitmap_clear(node, b->name, error);
    case MERGE:
        if (!img_is_qcow2(source))
            return error_set(error, "Dirty bitmap '%s' not found", action->source);
        return qcow2_bitmap_merge(node, b->name, source, action->source, error);
    default:
        return qcow2_bitmap_enable(node, b->name, action->kind == ENABLE, error);
    }
}

static int run(struct bitmap *b)
{
    for (guint i = 0; i < b->actions->len; i++) {
        const struct action *action = &g_array_index(b->actions, struct action, i);
        g_autoptr(GError) error = NULL;

        if (act(b, action, true, &error))
            continue;
        if (action->kind == REMOVE_ALL)
            return img_fail("Failed to remove all bitmaps: %s", error->message);
        return img_fail("Operation %s on bitmap %s failed: %s", names[action->kind - ADD], b->name, error->message);
    }
    return 0;
}

static bool open_source(struct bitmap *b)
{
    bool image_opts = b->img->image_opts, ok;

    if (!b->source_file)
        return true;
    b->img->image_opts = false;
    ok = img_open_disk(b->img, b->source_file, b->source_format, BLOCK_OPEN_NO_BACKING, BLOCK_READ, &b->source);
    b->img->image_opts = image_opts;
    return ok;
}

static bool check_arguments(struct bitmap *b)
{
    int operands = b->img->argc - optind;

    if (!b->actions->len)
        return img_fail("Need at least one of --add, --remove, --remove-all, --clear, --enable, --disable, or --merge"), false;
    if (b->granularity != UINT64_MAX && !b->adds)
        return img_fail("granularity only supported with --add"), false;
    if (b->source_format && !b->source_file)
        return img_fail("-F only supported with -b"), false;
    if (b->source_file && !b->merges)
        return img_fail("Merge bitmap source file only supported with --merge"), false;
    if (operands != (b->named ? 2 : 1))
        return img_fail(b->named ? "Expecting filename and bitmap name" : "Expecting filename"), false;
    return img_operands(b->img, 1, 2);
}

static bool parse(struct bitmap *b)
{
    static const struct option options[] = {
        { "add", no_argument, NULL, ADD }, { "remove", no_argument, NULL, REMOVE }, { "remove-all", no_argument, NULL, REMOVE_ALL },
        { "clear", no_argument, NULL, CLEAR }, { "enable", no_argument, NULL, ENABLE }, { "disable", no_argument, NULL, DISABLE },
        { "merge", required_argument, NULL, MERGE }, { "granularity", required_argument, NULL, 'g' }, { "source-file", required_argument, NULL, 'b' },
        { "source-format", required_argument, NULL, 'F' }, IMG_FORMAT, IMG_IMAGE_OPTS, IMG_OBJECT, { 0 },
    };
    int c;

    while ((c = img_option(b->img, "b:f:F:g:", options)) >= 0) {
        struct action action = { .kind = c, .source = c == MERGE ? optarg : NULL };

        switch (c) {
        case 'b': b->source_file = optarg; break;
        case 'F': b->source_format = optarg; break;
        case 'g':
            if (!img_parse_number("granularity", optarg, 0, INT64_MAX, &b->granularity))
                return false;
            break;
        case '?':
            return false;
        default:
            g_array_append_val(b->actions, action);
            b->adds |= c == ADD;
            b->merges |= c == MERGE;
            b->named |= c != REMOVE_ALL;
        }
    }
    if (!check_arguments(b))
        return false;
    b->granularity = b->granularity == UINT64_MAX ? 0 : b->granularity;
    b->file = b->img->argv[optind];
    b->name = b->img->argv[optind + 1];
    return true;
}

int img_bitmap(struct img *img)
{
    struct bitmap b = { .img = img, .actions = g_array_new(FALSE, FALSE, sizeof(struct action)), .granularity = UINT64_MAX };
    int status = 1;

    if (parse(&b) && img_open_disk(img, b.file, img->format, BLOCK_OPEN_WRITE, BLOCK_READ | BLOCK_WRITE, &b.disk) && open_source(&b))
        status = run(&b);
    if (b.source.node)
        img_close_disk(&b.source, false);
    if (b.disk.node && !img_close_disk(&b.disk, true))
        status = 1;
    g_array_unref(b.actions);
    return status;
}

/* ---- convert --bitmaps ---- */

bool img_can_copy_bitmaps(struct block_node *source, bool skip_broken)
{
    struct qcow2_bitmap_info *list;
    unsigned count;
    bool ok = true;

    if (!img_is_qcow2(source) || qcow2_info(source).version < 3)
        return img_fail("Source lacks bitmap support"), false;
    list = qcow2_bitmaps(source, &count);
    for (unsigned i = 0; i < count; i++) {
        if (ok && !skip_broken && list[i].flags & 1)
            ok = (img_fail("Cannot copy inconsistent bitmap '%s'\nTry --skip-broken-bitmaps, or use 'mynah-img bitmap --remove' to delete it", list[i].name), false);
        g_free(list[i].name);
    }
    g_free(list);
    return ok;
}

static bool copy_one(struct block_node *source, struct block_node *target, const struct qcow2_bitmap_info *info)
{
    g_autoptr(GError) error = NULL;

    if (info->flags & 1)
        return img_fail("warning: Skipping inconsistent bitmap '%s'", info->name), true;
    if (!qcow2_bitmap_add(target, info->name, info->granularity, info->flags & 2, &error))
        return img_fail("Failed to create bitmap %s: %s", info->name, error->message), false;
    if (qcow2_bitmap_merge(target, info->name, source, info->name, &error))
        return true;
    qcow2_bitmap_remove(target, info->name, NULL);
    return img_fail("Failed to populate bitmap %s: %s", info->name, error->message), false;
}

bool img_copy_bitmaps(struct block_node *source, struct block_node *target)
{
    unsigned count;
    struct qcow2_bitmap_info *list = qcow2_bitmaps(source, &count);
    bool ok = true;

    for (unsigned i = 0; i < count; i++) {
        ok = ok && copy_one(source, target, &list[i]);
        g_free(list[i].name);
    }
    g_free(list);
    return ok;
}
