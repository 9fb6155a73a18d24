/* tools/io_transfer.c - reading, writing and discarding, with patterns and timing. */
#include "api/number.h"
#include "host/clock.h"
#include "tools/io.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct transfer {
    struct io *io;
    const char *verb;
    bool pattern_given, write, zeroes, unmap, fua, compressed, quiet, verbose, check, no_fallback, statistics;
    u64 pattern, offset, size, check_from, check_size;
    bool checked_part;
    const char *source;
    s64 start;
    u8 *buffer;
    struct iovec iov;
    bool async;
};

bool io_parse_size(const char *text, u64 *out)
{
    return api_parse_size("", text, 1, out, NULL) && *out <= INT64_MAX;
}

char *io_size_text(double value)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned unit = 0;
    char text[64];

    for (; value >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
        value /= 1024;
    g_snprintf(text, sizeof(text), "%.3f", value);
    if (g_str_has_suffix(text, ".000"))
        text[strlen(text) - 4] = 0;
    return g_strdup_printf("%s %s", text, units[unit]);
}

static void dump(const u8 *buffer, u64 offset, u64 size)
{
    for (u64 at = 0; at < size; at += 16) {
        printf("%08" PRIx64 ":  ", offset + at);
        for (u64 k = at; k < at + 16; k++)
            k < size ? printf("%02x ", buffer[k]) : printf("   ");
        putchar(' ');
        for (u64 k = at; k < at + 16 && k < size; k++)
            putchar(g_ascii_isalnum(buffer[k]) ? buffer[k] : '.');
        putchar('\n');
    }
}

static void report(const struct transfer *t)
{
    double seconds = (double)(host_clock_monotonic() - t->start) / 1e9;
    g_autofree char *size = io_size_text((double)t->size), *rate = io_size_text((double)t->size / MAX(seconds, 1e-9));
    unsigned minutes = (unsigned)(seconds / 60);
    bool hours = seconds >= 60;

    if (t->quiet)
        return;
    if (t->statistics) { /* bytes, requests, time, bytes per second, requests per second */
        seconds = MAX(seconds, 1e-9);
        printf("%" PRIu64 ",1,%u:%02u:%05.2f,%.3f,%.3f\n", t->size, minutes / 60, minutes % 60, seconds - 60.0 * minutes, (double)t->size / seconds, 1 / seconds);
        return;
    }
    printf("%s %" PRIu64 "/%" PRIu64 " bytes at offset %" PRIu64 "\n%s, 1 ops; ", t->verb, t->size, t->size, t->offset, size);
    if (hours)
        printf("%02u:%02u:%05.2f sec", (unsigned)(seconds / 3600), (unsigned)(seconds / 60) % 60, seconds - 60.0 * (unsigned)(seconds / 60));
    else
        printf("%05.2f sec", seconds);
    printf(" (%s/sec and %.4f ops/sec)\n", rate, 1 / MAX(seconds, 1e-9));
}

static bool verify(const struct transfer *t)
{
    u64 from = t->check_from, size = t->checked_part ? t->check_size : t->size - MIN(from, t->size);

    if (from > t->size || size > t->size - from) {
        printf("pattern verification range exceeds end of read data\n");
        return false;
    }
    for (u64 i = 0; i < size; i++)
        if (t->buffer[from + i] != (u8)t->pattern) {
            printf("Pattern verification failed at offset %" PRIu64 ", %" PRIu64 " bytes\n", t->offset + from, size);
            return false;
        }
    return true;
}

static int perform(struct transfer *t)
{
    struct block_node *node = t->io->node;
    u32 flags = (t->fua ? BLOCK_FUA : 0) | (t->compressed ? BLOCK_COMPRESSED : 0) | (t->unmap ? BLOCK_MAY_UNMAP : 0) | (t->no_fallback ? BLOCK_NO_FALLBACK : 0);

    if (t->offset > block_size(node) || t->size > block_size(node) - t->offset)
        return -EIO;
    if (t->zeroes)
        return block_write_zeroes(node, t->offset, t->size, flags);
    struct block_data data = block_data_one(&t->iov, t->buffer, t->size);

    return t->write ? block_write(node, t->offset, data, flags) : block_read(node, t->offset, data);
}

static bool finish(struct transfer *t, int ret)
{
    const char *name = t->async ? t->write ? "aio_write" : "aio_read" : t->write ? "write" : "read";
    bool ok = true;

    if (ret < 0) {
        printf("%s failed: %s\n", name, g_strerror(-ret));
        return false;
    }
    if (!t->write && t->check)
        ok = verify(t);
    if (!t->quiet && !t->write && t->verbose)
        dump(t->buffer, t->offset, t->size);
    report(t);
    return ok;
}

static void free_transfer(struct transfer *t)
{
    free(t->buffer);
    g_free(t);
}

static void run_async(void *opaque)
{
    struct transfer *t = opaque;
    struct io *io = t->io;

    if (!finish(t, perform(t)))
        io->failed = true;
    free_transfer(t);
    if (!--io->in_flight)
        block_queue_wake_all(&io->idle);
}

static bool fill(struct transfer *t)
{
    FILE *file;

    memset(t->buffer, t->write ? (int)t->pattern : 0xab, t->size);
    if (!t->source)
        return true;
    file = fopen(t->source, "rb");
    if (!file)
        return fprintf(stderr, "%s: %s\n", t->source, g_strerror(errno)), false;
    size_t got = fread(t->buffer, 1, t->size, file);

    fclose(file);
    if (!got)
        return printf("%s: file is empty\n", t->source), false;
    for (size_t at = got; at < t->size; at += got) /* repeated until it is long enough */
        memcpy(t->buffer + at, t->buffer, MIN(got, t->size - at));
    return true;
}

static bool start(struct transfer *t)
{
    bool ok;

    if (!t->zeroes && (posix_memalign((void **)&t->buffer, 4096, MAX(t->size, 1)) || !fill(t))) {
        free_transfer(t);
        return false;
    }
    t->start = host_clock_monotonic();
    if (t->async) {
        t->io->in_flight++;
        block_loop_spawn(t->io->loop, run_async, t);
        return true;
    }
    ok = finish(t, perform(t));
    free_transfer(t);
    return ok;
}

static bool pattern(struct transfer *t, const char *text)
{
    t->pattern_given = io_parse_size(text, &t->pattern) && t->pattern <= 255;
    return t->pattern_given || (printf("%s is not a valid pattern byte\n", text), false);
}

static bool number(const char *text, u64 *out)
{
    if (io_parse_size(text, out))
        return true;
    printf("Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- %s\n", text);
    return false;
}

/* Offset, and one or more lengths (readv, writev, aio). */
static bool operands(struct transfer *t, int argc, char **argv, bool vector)
{
    u64 size;

    if (argc - optind < 2 || (argc - optind > 2 && !vector)) {
        fprintf(stderr, "bad argument count %d to %s, expected %s 2 arguments\n", argc - optind, argv[0], vector ? "at least" : "exactly");
        return false;
    }
    if (!number(argv[optind], &t->offset))
        return false;
    for (int i = optind + 1; i < argc; i++) {
        if (!number(argv[i], &size))
            return false;
        t->size += size;
    }
    if (t->size > (2ull << 30) - 512 && !t->zeroes)
        return printf("length cannot exceed %llu, given %s\n", (2ull << 30) - 512, argv[optind + 1]), false;
    return true;
}

static bool is_vector(const char *name)
{
    return g_str_has_prefix(name, "aio_") || g_str_has_suffix(name, "v");
}

bool io_read(struct io *io, int argc, char **argv)
{
    struct transfer *t = g_new0(struct transfer, 1);
    int c;

    *t = (struct transfer){ .io = io, .verb = "read", .async = g_str_has_prefix(argv[0], "aio_") };
    optind = 0;
    while ((c = getopt(argc, argv, "abCil:pP:qrs:v")) >= 0) {
        if ((c == 'P' && !(t->check = pattern(t, optarg))) || (c == 's' && !number(optarg, &t->check_from)) ||
            (c == 'l' && !(t->checked_part = number(optarg, &t->check_size))) || c == '?')
            break;
        t->quiet |= c == 'q';
        t->statistics |= c == 'C';
        t->verbose |= c == 'v';
    }
    if (c < 0 && !t->check && (t->check_from || t->checked_part))
        printf("-s and -l need -P\n");
    else if (c < 0 && operands(t, argc, argv, is_vector(argv[0])))
        return start(t);
    free_transfer(t);
    return false;
}

bool io_write(struct io *io, int argc, char **argv)
{
    struct transfer *t = g_new0(struct transfer, 1);
    bool quickly = false;
    int c;

    *t = (struct transfer){ .io = io, .verb = "wrote", .write = true, .pattern = 0xcd, .async = g_str_has_prefix(argv[0], "aio_") };
    optind = 0;
    while ((c = getopt(argc, argv, "bcCfnpP:qrs:uz")) >= 0) {
        if ((c == 'P' && !pattern(t, optarg)) || c == '?')
            break;
        if (c == 's')
            t->source = optarg;
        t->compressed |= c == 'c';
        t->fua |= c == 'f';
        t->quiet |= c == 'q';
        t->statistics |= c == 'C';
        t->unmap |= c == 'u';
        t->zeroes |= c == 'z';
        quickly |= c == 'n';
    }
    if (c < 0 && t->unmap && !t->zeroes)
        printf("-u requires -z to be specified\n");
    else if (c < 0 && quickly && !t->zeroes)
        printf("-n requires -z to be specified\n");
    else if (c < 0 && t->zeroes + t->pattern_given + (t->source != NULL) > 1)
        printf("Only one of -z, -P, and -s can be specified at the same time\n");
    else if (c < 0 && operands(t, argc, argv, is_vector(argv[0]))) {
        t->no_fallback = quickly;
        return start(t);
    }
    free_transfer(t);
    return false;
}

bool io_discard(struct io *io, int argc, char **argv)
{
    struct transfer t = { .io = io, .verb = "discard", .write = true };
    int c, ret;

    optind = 0;
    while ((c = getopt(argc, argv, "Cq")) >= 0) {
        t.quiet |= c == 'q';
        t.statistics |= c == 'C';
        if (c == '?')
            return false;
    }
    t.zeroes = true; /* no limit of the length */
    if (!operands(&t, argc, argv, false))
        return false;
    t.start = host_clock_monotonic();
    ret = t.offset > block_size(io->node) || t.size > block_size(io->node) - t.offset ? -EIO : block_discard(io->node, t.offset, t.size);
    if (ret < 0)
        return printf("discard failed: %s\n", g_strerror(-ret)), false;
    report(&t);
    return true;
}
