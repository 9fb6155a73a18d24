/* tools/img_compare.c - compare, dd, bench. */
#include "base/bits.h"
#include "host/clock.h"
#include "tools/img.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20 };

struct compare {
    struct img *img;
    struct img_disk disks[2];
    bool strict;
    u8 *buffers[2];
    u64 done, total;
};

static int failed(const char *what, int which, u64 offset, int ret)
{
    img_fail("Error while reading offset %" PRIu64 " of %s: %s", offset, what, g_strerror(-ret));
    return 4;
}

static int mismatch(struct compare *c, u64 offset)
{
    img_say(c->img, "Content mismatch at offset %" PRIu64 "!\n", offset);
    return 1;
}

/* The first sector that differs. */
static u64 first_difference(const u8 *a, const u8 *b, u64 size)
{
    for (u64 at = 0; at < size; at += 512)
        if (memcmp(a + at, b + at, MIN(512, size - at)))
            return at;
    return size;
}

static int compare_data(struct compare *c, u64 offset, u64 size, const bool zero[2])
{
    u64 at;

    for (int k = 0; k < 2; k++) {
        if (zero[k]) {
            memset(c->buffers[k], 0, size);
            continue;
        }
        int ret = block_read_buffer(c->disks[k].node, offset, c->buffers[k], size);

        if (ret < 0)
            return failed(c->img->argv[optind + k], k, offset, ret);
    }
    at = first_difference(c->buffers[0], c->buffers[1], size);
    return at < size ? mismatch(c, offset + at) : 0;
}

static int compare_step(struct compare *c, u64 offset, u64 limit, u64 *step)
{
    struct block_status status[2];
    bool zero[2];

    *step = limit;
    for (int k = 0; k < 2; k++) {
        int ret = block_status_above(c->disks[k].node, NULL, offset, *step, &status[k], NULL);

        if (ret < 0) {
            img_fail("Sector allocation test failed for %s", c->img->argv[optind + k]);
            return 3;
        }
        *step = MIN(*step, status[k].size);
        zero[k] = status[k].flags & BLOCK_ZERO;
    }
    if (c->strict && ((status[0].flags ^ status[1].flags) & (BLOCK_ZERO | BLOCK_DATA))) {
        img_say(c->img, "Strict mode: Offset %" PRIu64 " block status mismatch!\n", offset);
        return 1;
    }
    if (zero[0] && zero[1])
        return 0;
    *step = MIN(*step, CHUNK);
    return compare_data(c, offset, *step, zero);
}

/* The part that only one of them has must be zero. */
static int compare_rest(struct compare *c, struct block_node *longer, u64 from)
{
    for (u64 at = from, n; at < block_size(longer); at += n) {
        struct block_status status;
        int ret = block_status_above(longer, NULL, at, block_size(longer) - at, &status, NULL);

        if (ret < 0)
            return 3;
        n = status.size;
        if (status.flags & BLOCK_ZERO)
            continue;
        n = MIN(n, CHUNK);
        ret = block_read_buffer(longer, at, c->buffers[0], n);
        if (ret < 0)
            return failed("the longer image", 0, at, ret);
        memset(c->buffers[1], 0, n);
        u64 diff = first_difference(c->buffers[0], c->buffers[1], n);
        if (diff < n)
            return mismatch(c, at + diff);
    }
    return 0;
}

static int compare(struct compare *c)
{
    u64 size[2] = { block_size(c->disks[0].node), block_size(c->disks[1].node) }, common = MIN(size[0], size[1]), step;

    if (size[0] != size[1] && c->strict) {
        img_say(c->img, "Strict mode: Image size mismatch!\n");
        return 1;
    }
    for (u64 at = 0; at < common; at += step) {
        int status = compare_step(c, at, common - at, &step);

        if (status)
            return status;
        img_progress(c->img, at, MAX(size[0], size[1]));
    }
    if (size[0] != size[1]) {
        img_say(c->img, "Warning: Image size mismatch!\n");
        int status = compare_rest(c, c->disks[size[1] > size[0]].node, common);

        if (status)
            return status;
    }
    img_progress_end(c->img);
    img_say(c->img, "Images are identical.\n");
    return 0;
}

int img_compare(struct img *img)
{
    static const struct option options[] = {
        { "a-format", required_argument, NULL, 'f' }, { "b-format", required_argument, NULL, 'F' }, { "strict", no_argument, NULL, 's' }, IMG_CACHE("cache", 'T'),
        IMG_FORCE_SHARE, IMG_IMAGE_OPTS, IMG_PROGRESS, IMG_QUIET, IMG_OBJECT, { 0 },
    };
    struct compare c = { .img = img };
    const char *second = NULL;
    unsigned flags = 0;
    int o, status = 2;

    while ((o = img_option(img, "f:F:T:pqsU", options)) >= 0) {
        if (o == '?')
            return 1;
        if (o == 'T' && !img_parse_cache(optarg, &flags))
            return 2;
        if (o == 'F')
            second = optarg;
        c.strict |= o == 's';
    }
    if (!img_operands(img, 2, 2))
        return 1;
    if (img_open_disk(img, img->argv[optind], img->format, flags, BLOCK_READ, &c.disks[0]) &&
        img_open_disk(img, img->argv[optind + 1], second, flags, BLOCK_READ, &c.disks[1])) {
        c.buffers[0] = g_malloc(CHUNK);
        c.buffers[1] = g_malloc(CHUNK);
        status = compare(&c);
    }
    for (int k = 0; k < 2; k++) {
        if (c.disks[k].node)
            img_close_disk(&c.disks[k], false);
        g_free(c.buffers[k]);
    }
    return status;
}

/* --- dd --- */

struct dd {
    const char *from, *to, *out_format;
    u64 block, count, skip;
    bool counted;
};

static bool parse_dd(struct dd *dd, char *text)
{
    char *value = strchr(text, '=');

    if (!value)
        return img_fail("unrecognized operand %s", text), false;
    *value++ = 0;
    if (!strcmp(text, "if"))
        dd->from = value;
    else if (!strcmp(text, "of"))
        dd->to = value;
    else if (!strcmp(text, "bs"))
        return img_parse_number("bs", value, 1, INT32_MAX, &dd->block);
    else if (!strcmp(text, "count"))
        return (dd->counted = img_parse_number("count", value, 0, INT64_MAX, &dd->count));
    else if (!strcmp(text, "skip"))
        return img_parse_number("skip", value, 0, INT64_MAX, &dd->skip);
    else
        return img_fail("unrecognized operand %s", text), false;
    return true;
}

static int copy_dd(struct dd *dd, struct block_node *from, struct block_node *to, u64 start, u64 size)
{
    g_autofree u8 *buffer = g_malloc(MAX(dd->block, CHUNK));
    u64 step = MAX(dd->block, CHUNK) / dd->block * dd->block;

    for (u64 at = 0; at < size; at += step) {
        u64 n = MIN(step, size - at);
        int ret = block_read_buffer(from, start + at, buffer, n);

        if (ret < 0)
            return img_fail("error while reading from input image file: %s", g_strerror(-ret));
        ret = block_write_buffer(to, at, buffer, n);
        if (ret < 0)
            return img_fail("error while writing to output image file: %s", g_strerror(-ret));
    }
    return 0;
}

static int run_dd(struct img *img, struct dd *dd, struct img_disk *in, struct img_disk *out)
{
    struct img_create_options create = { .sources = in, .source_count = 1 };
    u64 size, start, end;
    int status;
    bool ok;

    if (!img_open_disk(img, dd->from, img->format, 0, BLOCK_READ, in))
        return 1;
    size = block_size(in->node);
    start = dd->skip > size / dd->block + 1 ? UINT64_MAX : dd->skip * dd->block;
    end = dd->counted && dd->count < size / dd->block + 1 ? MIN(size, (dd->skip + dd->count) * dd->block) : size;
    if (start > size) {
        img_fail("%s: cannot skip to specified offset", dd->from);
        start = end = size;
    }
    img->image_opts = false; /* they are the input's */
    ok = img_create_image(img, dd->to, dd->out_format, &create, end > start ? end - start : 0, true) &&
         img_open_disk(img, dd->to, dd->out_format, BLOCK_OPEN_WRITE, BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE, out);
    g_clear_pointer(&create.options, g_hash_table_unref);
    if (!ok)
        return 1;
    status = copy_dd(dd, in->node, out->node, start, end > start ? end - start : 0);
    return status;
}

int img_dd(struct img *img)
{
    static const struct option options[] = { { "output-format", required_argument, NULL, 'O' }, IMG_FORMAT, IMG_FORCE_SHARE, IMG_IMAGE_OPTS, IMG_OBJECT, { 0 } };
    struct dd dd = { .out_format = "raw", .block = 512 };
    struct img_disk in = { 0 }, out = { 0 };
    int c, status;

    while ((c = img_option(img, "f:O:U", options)) >= 0) {
        if (c == '?')
            return 1;
        if (c == 'O')
            dd.out_format = optarg;
    }
    for (int i = optind; i < img->argc; i++)
        if (!parse_dd(&dd, img->argv[i]))
            return 1;
    if (!dd.from || !dd.to)
        return img_fail("Must specify both input and output files");
    status = run_dd(img, &dd, &in, &out);
    if (out.node && !img_close_disk(&out, true))
        status = 1;
    if (in.node)
        img_close_disk(&in, false);
    return status;
}

/* --- bench --- */

struct bench {
    struct img *img;
    struct block_node *node;
    u64 count, depth, size, step, offset, flush_interval, pattern;
    bool write;
    u64 sent, finished;
    unsigned running;
    struct block_queue done;
    int ret;
};

static void bench_worker(void *opaque)
{
    struct bench *b = opaque;
    void *buffer = NULL;

    if (posix_memalign(&buffer, 4096, b->size))
        b->ret = -ENOMEM;
    else
        memset(buffer, (int)b->pattern, b->size);
    while (buffer && b->sent < b->count && b->ret == 0) {
        u64 at = b->offset;
        int ret;

        b->sent++;
        b->offset += b->step;
        if (b->offset + b->size > block_size(b->node))
            b->offset = 0;
        ret = b->write ? block_write_buffer(b->node, at, buffer, b->size) : block_read_buffer(b->node, at, buffer, b->size);
        if (ret == 0 && b->flush_interval && ++b->finished % b->flush_interval == 0)
            ret = block_flush(b->node);
        if (ret < 0)
            b->ret = ret;
    }
    free(buffer);
    if (!--b->running)
        block_queue_wake_all(&b->done);
}

static int run_bench(struct bench *b)
{
    s64 start;

    if (!b->step)
        b->step = b->size;
    if (b->size > block_size(b->node))
        return img_fail("The image is smaller than one request");
    img_say(b->img, "Sending %" PRIu64 " %s requests, %" PRIu64 " bytes each, %" PRIu64 " in parallel (starting at offset %" PRIu64 ", step size %" PRIu64 ")\n", b->count,
            b->write ? "write" : "read", b->size, b->depth, b->offset, b->step);
    if (b->flush_interval)
        img_say(b->img, "Sending flush every %" PRIu64 " requests\n", b->flush_interval);
    start = host_clock_monotonic();
    b->running = (unsigned)MIN(b->depth, b->count);
    for (u64 i = MIN(b->depth, b->count); i > 0; i--)
        block_loop_spawn(b->img->loop, bench_worker, b);
    while (b->running)
        block_queue_wait(&b->done, b->img->loop);
    if (b->ret < 0)
        return img_fail("Failed request: %s", g_strerror(-b->ret));
    img_say(b->img, "Run completed in %3.3f seconds.\n", (double)(host_clock_monotonic() - start) / 1e9);
    return 0;
}

int img_bench(struct img *img)
{
    enum { FLUSH = IMG_OPT_OWN, PATTERN, NO_DRAIN };
    static const struct option options[] = {
        { "flush-interval", required_argument, NULL, FLUSH }, { "pattern", required_argument, NULL, PATTERN }, { "no-drain", no_argument, NULL, NO_DRAIN },
        { "count", required_argument, NULL, 'c' }, { "depth", required_argument, NULL, 'd' }, { "offset", required_argument, NULL, 'o' },
        { "buffer-size", required_argument, NULL, 's' }, { "step-size", required_argument, NULL, 'S' }, { "write", no_argument, NULL, 'w' },
        { "aio", required_argument, NULL, 'i' }, { "native", no_argument, NULL, 'n' }, IMG_CACHE("cache", 't'), IMG_FORMAT, IMG_FORCE_SHARE, IMG_IMAGE_OPTS,
        IMG_QUIET, IMG_OBJECT, { 0 },
    };
    struct bench b = { .img = img, .count = 75000, .depth = 64, .size = 4096 };
    struct img_disk disk = { 0 };
    unsigned flags = 0;
    int c, status;

    while ((c = img_option(img, "c:d:f:i:no:qs:S:t:wU", options)) >= 0) {
        if ((c == 'c' && !img_parse_number("request count", optarg, 1, INT32_MAX, &b.count)) || (c == 'd' && !img_parse_number("queue depth", optarg, 1, 4096, &b.depth)) ||
            (c == 's' && !img_parse_number("buffer size", optarg, 1, 64 << 20, &b.size)) || (c == 'S' && !img_parse_number("step size", optarg, 0, INT32_MAX, &b.step)) ||
            (c == 'o' && !img_parse_number("offset", optarg, 0, INT64_MAX, &b.offset)) || (c == FLUSH && !img_parse_number("flush interval", optarg, 0, INT32_MAX, &b.flush_interval)) ||
            (c == PATTERN && !img_parse_number("pattern byte", optarg, 0, 255, &b.pattern)) || (c == 't' && !img_parse_cache(optarg, &flags)) || c == '?')
            return 1;
        b.write |= c == 'w';
    }
    if (b.flush_interval && !b.write)
        return img_fail("--flush-interval is only available in write tests");
    if (!img_operands(img, 1, 1) || !img_open_disk(img, img->argv[optind], img->format, flags | (b.write ? BLOCK_OPEN_WRITE : 0), b.write ? BLOCK_READ | BLOCK_WRITE : BLOCK_READ, &disk))
        return 1;
    b.node = disk.node;
    status = run_bench(&b);
    return img_close_disk(&disk, b.write) ? status : 1;
}
