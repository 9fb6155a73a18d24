/* tools/img_convert.c - convert: several fibers read ahead of each other and write in turn. */
#include "api/number.h"
#include "base/bits.h"
#include "base/error.h"
#include "block/qcow2/image.h"
#include "host/clock.h"
#include "tools/img.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 512 << 10 /* what was read is still in the processor's cache when it is written */, MAX_SOURCES = 256, NEAR = 1 << 20, MAX_SPARSE = 16 << 20 };
enum { SECTOR = 512 /* what is salvaged at a time */ };

enum piece_kind { PIECE_DATA, PIECE_ZERO, PIECE_BACKING };

struct convert {
    struct img *img;
    struct block_loop *loop;
    struct img_disk sources[MAX_SOURCES];
    u64 starts[MAX_SOURCES + 1]; /* offsets of the sources in the target */
    unsigned source_count;
    struct img_disk target;
    bool compress, target_zero, has_backing, out_of_order, salvage;
    u64 min_sparse; /* bytes; 0: write everything */
    u64 unit;       /* of compressed writes */
    u64 rate; /* bytes a second at most; 0: any */
    s64 start;
    u64 next, total;
    u64 write_turn; /* offset up to which writes have been done */
    struct block_mutex taking;
    struct block_queue turns;
    u64 status_end; /* the last answer about the source holds until here */
    enum piece_kind status_kind;
    u64 far; /* how far to ask next: tables are walked for the whole of it, however soon the answer ends */
    unsigned running;
    struct block_queue finished;
    int ret;
};

static unsigned source_at(const struct convert *c, u64 offset)
{
    unsigned i = 0;

    while (i + 1 < c->source_count && offset >= c->starts[i + 1])
        i++;
    return i;
}

/* What is at the offset, and how far. */
static int look(struct convert *c, u64 offset, u64 *size, enum piece_kind *kind)
{
    unsigned i = source_at(c, offset);
    struct block_node *node = c->sources[i].node;
    struct block_status status;
    u64 far = MIN(c->starts[i + 1] - offset, c->far);
    int ret;

    if (offset < c->status_end) {
        *size = c->status_end - offset;
        *kind = c->status_kind;
        return 0;
    }
    ret = c->has_backing ? block_status(node, offset - c->starts[i], far, &status)
                         : block_status_above(node, NULL, offset - c->starts[i], far, &status, NULL);
    if (ret < 0 && c->salvage) {
        status = (struct block_status){ .flags = BLOCK_DATA, .size = MIN(far, 65536) };
        ret = 0;
    }
    if (ret < 0)
        return ret;
    *kind = status.flags & BLOCK_ZERO ? PIECE_ZERO : status.flags & BLOCK_DATA ? PIECE_DATA : c->has_backing ? PIECE_BACKING : PIECE_DATA;
    *size = status.size;
    c->far = status.size < far ? NEAR : MIN(c->far, BIT64(60)) * 2;
    c->status_end = offset + status.size;
    c->status_kind = *kind;
    return 0;
}

/* What can be read of it, sector by sector; zeros for the rest. */
static void salvage(struct convert *c, unsigned i, u64 offset, u8 *buffer, u64 size)
{
    for (u64 n; size; offset += n, buffer += n, size -= n) {
        n = MIN(size, SECTOR - (offset - c->starts[i]) % SECTOR);
        int ret = block_read_buffer(c->sources[i].node, offset - c->starts[i], buffer, n);

        if (ret == 0)
            continue;
        memset(buffer, 0, n);
        if (!c->img->quiet)
            img_fail("warning: error while reading offset %" G_GUINT64_FORMAT ": %s", offset, g_strerror(-ret));
    }
}

static int read_piece(struct convert *c, u64 offset, u8 *buffer, u64 size)
{
    while (size) {
        unsigned i = source_at(c, offset);
        u64 n = MIN(size, c->starts[i + 1] - offset);
        int ret = block_read_buffer(c->sources[i].node, offset - c->starts[i], buffer, n);

        if (ret < 0 && c->salvage) {
            salvage(c, i, offset, buffer, n);
            ret = 0;
        }
        if (ret < 0) {
            img_fail("error while reading at byte %" G_GUINT64_FORMAT ": %s", offset, g_strerror(-ret));
            return ret;
        }
        offset += n;
        buffer += n;
        size -= n;
    }
    return 0;
}

static int write_zero(struct convert *c, u64 offset, u64 size)
{
    return c->target_zero ? 0 : block_write_zeroes(c->target.node, offset, size, BLOCK_MAY_UNMAP);
}

/* Length of the run at the start of the buffer that is all zero or has no sparse-worthy zeros. */
static u64 run_length(const u8 *buffer, u64 size, u64 unit, u64 offset, bool *zero)
{
    u64 n = MIN(unit - offset % unit, size);

    *zero = block_is_zero(buffer, n);
    while (n < size) {
        u64 m = MIN(unit, size - n);

        if (block_is_zero(buffer + n, m) != *zero)
            break;
        n += m;
    }
    return n;
}

static int write_sparse(struct convert *c, u64 offset, const u8 *buffer, u64 size)
{
    int ret = 0;

    while (size && ret == 0) {
        bool zero = false;
        u64 n = c->min_sparse ? run_length(buffer, size, c->min_sparse, offset, &zero) : size;

        ret = zero && !c->has_backing ? write_zero(c, offset, n) : block_write_buffer(c->target.node, offset, buffer, n);
        offset += n;
        buffer += n;
        size -= n;
    }
    return ret;
}

static int write_compressed(struct convert *c, u64 offset, const u8 *buffer, u64 size)
{
    struct iovec iov;

    if (!c->has_backing && c->min_sparse && block_is_zero(buffer, size))
        return write_zero(c, offset, size);
    return block_write(c->target.node, offset, block_data_one(&iov, (u8 *)buffer, size), BLOCK_COMPRESSED);
}

static void wait_turn(struct convert *c, u64 offset)
{
    while (!c->out_of_order && c->write_turn != offset && c->ret == 0)
        block_queue_wait(&c->turns, c->loop);
}

static int do_piece(struct convert *c, u64 offset, u64 size, enum piece_kind kind, u8 *buffer)
{
    int ret = kind == PIECE_DATA ? read_piece(c, offset, buffer, size) : 0;

    wait_turn(c, offset);
    if (ret < 0 || c->ret < 0)
        return ret;
    if (kind == PIECE_DATA)
        ret = c->compress ? write_compressed(c, offset, buffer, size) : write_sparse(c, offset, buffer, size);
    else if (kind == PIECE_ZERO)
        ret = c->has_backing ? block_write_zeroes(c->target.node, offset, size, BLOCK_MAY_UNMAP) : c->min_sparse ? write_zero(c, offset, size) : 0;
    if (ret < 0)
        img_fail("error while writing at byte %" G_GUINT64_FORMAT ": %s", offset, g_strerror(-ret));
    return ret;
}

/* Takes the next piece of the source; with the mutex, since looking waits. */
static bool take_next(struct convert *c, u64 *offset, u64 *size, enum piece_kind *kind)
{
    int ret;

    if (c->ret < 0 || c->next >= c->total)
        return false;
    *offset = c->next;
    ret = look(c, *offset, size, kind);
    if (ret == 0 && c->compress) {
        /* Whole clusters: what is partly data is data. */
        u64 unit = MIN(c->unit, c->total - *offset);

        if (*kind == PIECE_ZERO && *size >= unit && c->min_sparse)
            *size = *size / c->unit ? *size / c->unit * c->unit : unit;
        else if (*kind == PIECE_BACKING && *size >= unit)
            *size = unit;
        else
            *kind = PIECE_DATA, *size = unit;
    } else if (ret == 0) {
        if (*kind == PIECE_ZERO && !c->min_sparse)
            *kind = PIECE_DATA; /* -S 0: fully allocated */
        if (*kind == PIECE_DATA)
            *size = MIN(*size, CHUNK);
    }
    if (ret < 0) {
        img_fail("error while reading block status at offset %" G_GUINT64_FORMAT ": %s", *offset, g_strerror(-ret));
        c->ret = ret;
        return false;
    }
    *size = MIN(*size, c->total - *offset);
    c->next += *size;
    return true;
}

static bool take(struct convert *c, u64 *offset, u64 *size, enum piece_kind *kind)
{
    bool more;

    block_mutex_take(&c->taking, c->loop);
    more = take_next(c, offset, size, kind);
    block_mutex_drop(&c->taking);
    return more;
}

static void worker(void *opaque)
{
    struct convert *c = opaque;
    u64 offset, size;
    enum piece_kind kind;
    void *buffer = NULL;

    if (posix_memalign(&buffer, 4096, MAX(CHUNK, c->unit)))
        c->ret = -ENOMEM;
    while (buffer && take(c, &offset, &size, &kind)) {
        int ret = do_piece(c, offset, size, kind, buffer);

        if (ret < 0)
            c->ret = ret;
        c->write_turn = c->out_of_order ? c->write_turn + size : offset + size;
        img_progress(c->img, c->write_turn, c->total);
        img_keep_rate(c->img, c->start, c->write_turn, c->rate);
        block_queue_wake_all(&c->turns);
    }
    free(buffer);
    block_queue_wake_all(&c->turns);
    if (!--c->running)
        block_queue_wake_all(&c->finished);
}

static int copy(struct convert *c, unsigned workers)
{
    c->running = workers;
    c->start = host_clock_monotonic();
    for (unsigned i = 0; i < workers; i++)
        block_loop_spawn(c->loop, worker, c);
    while (c->running)
        block_queue_wait(&c->finished, c->loop);
    return c->ret;
}

/* --- the command --- */

struct arguments {
    const char *out_format, *backing, *backing_format, *snapshot;
    struct img_create_options create;
    const char *texts[64];
    unsigned text_count;
    unsigned cache, source_cache;
    bool no_create, sparse_given, copy_range;
    u64 workers;
    bool target_opts, bitmaps, skip_broken;
};

static bool open_sources(struct convert *c, struct arguments *a)
{
    struct img *img = c->img;
    int count = img->argc - optind - 1;

    if (count > MAX_SOURCES)
        return img_fail("Too many arguments"), false;
    for (int i = 0; i < count; i++) {
        struct img_disk *disk = &c->sources[i];

        if (!img_open_disk(img, img->argv[optind + i], img->format, a->source_cache, BLOCK_READ, disk))
            return false;
        c->source_count++;
        if (a->snapshot && !img_load_snapshot(disk->node, a->snapshot))
            return false;
        c->starts[i + 1] = c->starts[i] + block_size(disk->node);
    }
    c->total = c->starts[count];
    return true;
}

/* Whether there is anything to copy them from, and anything to put them into. */
static bool check_bitmaps(struct convert *c, struct arguments *a)
{
    struct qcow2_create q;

    if (!a->bitmaps)
        return true;
    if (c->source_count > 1)
        return img_fail("Copying bitmaps only possible with single source"), false;
    if (!img_can_copy_bitmaps(c->sources[0].node, a->skip_broken))
        return false;
    if (a->no_create)
        return true;
    return (!strcmp(a->out_format, "qcow2") && (!img_fill_qcow2_options(a->create.options, "", &q, NULL) || q.version >= 3)) ||
           (img_fail("Format driver '%s' does not support bitmaps", a->out_format), false);
}

static bool create_target(struct convert *c, struct arguments *a, const char *name)
{
    struct img_create_options *o = &a->create;
    struct qcow2_create q;

    o->backing = a->backing;
    o->backing_format = a->backing_format;
    o->sources = c->sources;
    o->source_count = c->source_count;
    if (a->no_create)
        return true;
    if (!img_create_image(c->img, name, a->out_format, o, c->total, true))
        return false;
    /* Zeros everywhere: unless storage below is a device, or clusters were allocated for content to come. */
    c->target_zero = !a->backing && !(img_fill_qcow2_options(o->options, name, &q, NULL) && q.backing);
    return true;
}

static bool open_target(struct convert *c, struct arguments *a, const char *name)
{
    bool image_opts = c->img->image_opts, share = c->img->force_share, ok;

    c->img->image_opts = a->target_opts;
    c->img->force_share = false;
    ok = img_open_disk(c->img, name, a->target_opts ? NULL : a->out_format, a->cache | BLOCK_OPEN_WRITE | BLOCK_OPEN_UNMAP,
                       BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE, &c->target);
    c->img->image_opts = image_opts;
    c->img->force_share = share;
    if (!ok)
        return false;
    if (block_size(c->target.node) < c->total)
        return img_fail("output file is smaller than input file"), false;
    if (!strcmp(block_driver_name(block_skip_filters(c->target.node)), "host_device"))
        c->target_zero = false;
    c->has_backing = block_backing(c->target.node) != NULL;
    c->unit = !strcmp(block_driver_name(c->target.node), "qcow2") ? qcow2_info(c->target.node).cluster_size : CHUNK;
    if (a->bitmaps && (!img_is_qcow2(c->target.node) || qcow2_info(c->target.node).version < 3))
        return img_fail("Format driver '%s' does not support bitmaps", block_driver_name(c->target.node)), false;
    if (c->compress && strcmp(block_driver_name(c->target.node), "qcow2"))
        return img_fail("Compression not supported for this file format"), false;
    return true;
}

static int run(struct convert *c, struct arguments *a)
{
    const char *name = c->img->argv[c->img->argc - 1];
    bool helped = false, ok = true;

    for (unsigned i = 0; i < a->text_count && ok && !helped; i++)
        ok = img_add_create_options(&a->create, a->texts[i], a->out_format, &helped);
    if (!ok || helped)
        return !ok;
    if (c->img->argc - optind < 2)
        return img_fail("Must specify image file name");
    if (!img_operands(c->img, 2, MAX_SOURCES + 1) || !open_sources(c, a) || !check_bitmaps(c, a) || !create_target(c, a, name) || !open_target(c, a, name))
        return 1;
    img_progress(c->img, 0, c->total);
    if (copy(c, (unsigned)a->workers) < 0 || (a->bitmaps && !img_copy_bitmaps(c->sources[0].node, c->target.node)))
        return 1;
    img_progress_end(c->img);
    return 0;
}

static bool parse(struct convert *c, struct arguments *a)
{
    enum { TARGET_OPTS = IMG_OPT_OWN, TARGET_ZERO, SALVAGE, BITMAPS, SKIP_BROKEN };
    static const struct option options[] = {
        { "source-format", required_argument, NULL, 'f' }, { "target-format", required_argument, NULL, 'O' }, { "target-format-options", required_argument, NULL, 'o' },
        { "snapshot", required_argument, NULL, 'l' }, { "backing", required_argument, NULL, 'b' }, { "backing-format", required_argument, NULL, 'F' },
        { "sparse-size", required_argument, NULL, 'S' }, { "no-create", no_argument, NULL, 'n' }, { "compress", no_argument, NULL, 'c' },
        { "parallel", required_argument, NULL, 'm' }, { "rate-limit", required_argument, NULL, 'r' }, { "oob-writes", no_argument, NULL, 'W' },
        { "copy-range-offloading", no_argument, NULL, 'C' }, { "target-image-opts", no_argument, NULL, TARGET_OPTS },
        { "target-is-zero", no_argument, NULL, TARGET_ZERO }, { "salvage", no_argument, NULL, SALVAGE },
        { "bitmaps", no_argument, NULL, BITMAPS }, { "skip-broken-bitmaps", no_argument, NULL, SKIP_BROKEN }, IMG_CACHE("source-cache", 'T'), IMG_CACHE("target-cache", 't'),
        IMG_FORCE_SHARE, IMG_IMAGE_OPTS, IMG_PROGRESS, IMG_QUIET, IMG_OBJECT, { 0 },
    };
    int o;

    while ((o = img_option(c->img, "f:O:b:B:F:cCo:l:S:pt:T:qnm:r:WU", options)) >= 0) {
        switch (o) {
        case 'O': a->out_format = optarg; break;
        case 'b':
        case 'B': a->backing = optarg; break; /* -B is the old name */
        case 'F': a->backing_format = optarg; break;
        case 'c': c->compress = true; break;
        case 'C': a->copy_range = true; break; /* copying by the kernel is a hint that need not be taken */
        case 'l': a->snapshot = optarg; break;
        case 'n': a->no_create = true; break;
        case 'W': c->out_of_order = true; break;
        case TARGET_OPTS: a->target_opts = true; break;
        case TARGET_ZERO: c->target_zero = true; break;
        case SALVAGE: c->salvage = true; break;
        case BITMAPS: a->bitmaps = true; break;
        case SKIP_BROKEN: a->skip_broken = true; break;
        case 'o':
            if (a->text_count < ARRAY_SIZE(a->texts))
                a->texts[a->text_count++] = optarg;
            break;
        case 'S':
            a->sparse_given = true;
            if (!api_parse_size("", optarg, 1, &c->min_sparse, NULL))
                return img_fail("Invalid buffer size for sparse output specified: '%s'", optarg), false;
            if (c->min_sparse & 511 || c->min_sparse > MAX_SPARSE)
                return img_fail("Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to %d. Select 0 to disable sparse detection "
                                "(fully allocates output).", MAX_SPARSE), false;
            break;
        case 'r':
            if (!img_parse_rate(optarg, &c->rate))
                return false;
            break;
        case 'm':
            if (!img_parse_number("number of coroutines", optarg, 1, 16, &a->workers))
                return false;
            break;
        case 't':
            if (!img_parse_cache(optarg, &a->cache))
                return false;
            break;
        case 'T':
            if (!img_parse_cache(optarg, &a->source_cache))
                return false;
            break;
        default:
            return false;
        }
    }
    if (a->skip_broken && !a->bitmaps)
        return img_fail("Use of --skip-broken-bitmaps requires --bitmaps"), false;
    if (a->copy_range && a->sparse_given)
        return img_fail("Cannot enable copy offloading when -S is used"), false;
    if (c->target_zero && !a->no_create)
        return img_fail("--target-is-zero requires use of -n flag"), false;
    if (a->no_create && a->text_count)
        return img_fail("-o has no effect when skipping image creation"), false;
    if (a->target_opts && !a->no_create)
        return img_fail("--target-image-opts requires use of -n flag"), false;
    return true;
}

int img_convert(struct img *img)
{
    struct convert *c = g_new0(struct convert, 1);
    struct arguments a = { .out_format = "raw", .cache = BLOCK_OPEN_NO_FLUSH, .workers = 8 };
    int status = 1;

    c->img = img;
    c->loop = img->loop;
    c->min_sparse = 4096;
    c->far = NEAR;
    if (parse(c, &a)) {
        block_loop_set_alone(c->loop, !c->out_of_order);
        status = run(c, &a);
    }
    if (c->target.node && !img_close_disk(&c->target, true))
        status = 1;
    for (unsigned i = 0; i < c->source_count; i++)
        img_close_disk(&c->sources[i], false);
    g_clear_pointer(&a.create.options, g_hash_table_unref);
    g_free(c);
    return status;
}
