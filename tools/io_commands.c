/* tools/io_commands.c - the table of commands, and those that transfer nothing. */
#include "base/error.h"
#include "block/qcow2/image.h"
#include "host/clock.h"
#include "tools/io.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool wait_all(struct io *io, int argc, char **argv)
{
    while (io->in_flight)
        block_queue_wait(&io->idle, io->loop);
    return true;
}

static bool flush(struct io *io, int argc, char **argv)
{
    int ret = block_flush(io->node);

    return ret == 0 || (printf("flush failed: %s\n", g_strerror(-ret)), false);
}

static bool length(struct io *io, int argc, char **argv)
{
    g_autofree char *text = io_size_text((double)block_size(io->node));

    printf("%s\n", text);
    return true;
}

static bool truncate_image(struct io *io, int argc, char **argv)
{
    static const char *const modes[] = { "off", "metadata", "falloc", "full", NULL };
    enum block_prealloc prealloc = BLOCK_PREALLOC_OFF;
    g_autoptr(GError) error = NULL;
    u64 size;
    int c;

    optind = 0;
    while ((c = getopt(argc, argv, "m:")) >= 0) {
        unsigned i = 0;

        while (c == 'm' && modes[i] && strcmp(modes[i], optarg))
            i++;
        if (!modes[i])
            return fprintf(stderr, "mynah-io: Invalid preallocation mode '%s'\n", optarg), false;
        prealloc = (enum block_prealloc)i;
    }
    if (argc - optind != 1 || !io_parse_size(argv[optind], &size))
        return printf("truncate [-m MODE] SIZE\n"), false;
    return block_truncate(io->node, size, prealloc, &error) || (printf("%s\n", error->message), false);
}

static bool info(struct io *io, int argc, char **argv)
{
    struct qcow2_info i = { 0 };
    u64 behind = 0;

    if (!strcmp(block_driver_name(io->node), "qcow2")) {
        i = qcow2_info(io->node);
        u64 per_table = i.cluster_size / (i.extended_l2 ? 16 : 8) * i.cluster_size; /* the state of a machine begins at the next L2 table */

        behind = (block_size(io->node) + per_table - 1) / per_table * per_table;
    }
    g_autofree char *cluster = io_size_text((double)i.cluster_size), *state = io_size_text((double)behind);

    printf("format name: %s\ncluster size: %s\nvm state offset: %s\n", block_driver_name(io->node), cluster, state);
    return true;
}

static bool alloc(struct io *io, int argc, char **argv)
{
    u64 offset, size = 512, allocated = 0, end;

    if (argc < 2 || argc > 3 || !io_parse_size(argv[1], &offset) || (argc > 2 && !io_parse_size(argv[2], &size)))
        return printf("alloc OFFSET [COUNT]\n"), false;
    end = MIN(offset + size, block_size(io->node));
    size = end > offset ? end - offset : 0;
    for (u64 at = offset; at < end;) {
        struct block_status status;
        int ret = block_status(io->node, at, end - at, &status);

        if (ret < 0)
            return printf("is_allocated failed: %s\n", g_strerror(-ret)), false;
        allocated += status.flags & BLOCK_ALLOCATED ? status.size : 0;
        at += status.size;
    }
    g_autofree char *text = io_size_text((double)offset);

    printf("%" PRIu64 "/%" PRIu64 " bytes allocated at offset %s\n", allocated, size, text);
    return true;
}

static bool map(struct io *io, int argc, char **argv)
{
    for (u64 at = 0, size; at < block_size(io->node); at += size) {
        struct block_status status;
        int ret = block_status(io->node, at, block_size(io->node) - at, &status);
        bool allocated = ret == 0 && (status.flags & BLOCK_ALLOCATED);

        if (ret < 0)
            return printf("Failed to query allocation status: %s\n", g_strerror(-ret)), false;
        size = status.size;
        while (at + size < block_size(io->node) && block_status(io->node, at + size, block_size(io->node) - at - size, &status) == 0 &&
               ((status.flags & BLOCK_ALLOCATED) != 0) == allocated)
            size += status.size;
        g_autofree char *long_text = io_size_text((double)size), *at_text = io_size_text((double)at);

        printf("%s (0x%" PRIx64 ") bytes %s allocated at offset %s (0x%" PRIx64 ")\n", long_text, size, allocated ? "   " : "not", at_text, at);
    }
    return true;
}

static bool sleep_ms(struct io *io, int argc, char **argv)
{
    u64 ms;

    if (argc != 2 || !io_parse_size(argv[1], &ms))
        return printf("sleep MILLISECONDS\n"), false;
    block_fiber_sleep_until(io->loop, host_clock_monotonic() + (s64)ms * 1000000);
    return true;
}

/* Options are those of this command alone, not of the program. */
static bool open_image(struct io *io, int argc, char **argv)
{
    const char *options = NULL;
    int c;

    if (io->node)
        return fprintf(stderr, "mynah-io: file open already, try 'help close'\n"), false;
    io->read_only = io->force_share = io->copy_on_read = io->snapshot = io->image_opts = false;
    io->flags = 0;
    optind = 0;
    while ((c = getopt(argc, argv, "snCrkt:d:o:U")) >= 0) {
        if (c == '?' || (c == 't' && !io_set_cache(io, optarg)) || (c == 'd' && !io_set_discard(io, optarg)))
            return false;
        io->read_only |= c == 'r';
        io->force_share |= c == 'U';
        io->copy_on_read |= c == 'C';
        io->snapshot |= c == 's';
        io->flags |= c == 'n' ? BLOCK_OPEN_DIRECT : 0;
        if (c == 'o') {
            options = optarg;
            io->image_opts = true;
        }
    }
    if (argc - optind != !options)
        return printf("open [-Crsn] [-t CACHE] [-d MODE] [-U] [-o OPTIONS | FILE]\n"), false;
    return io_open(io, options ? options : argv[optind]);
}

static bool close_image(struct io *io, int argc, char **argv)
{
    io_close(io);
    return true;
}

static bool quit(struct io *io, int argc, char **argv)
{
    io->quit = true;
    return true;
}

static bool help(struct io *io, int argc, char **argv);

struct command {
    const char *name, *syntax, *help;
    bool needs_image, writes;
    bool (*run)(struct io *io, int argc, char **argv);
};

static const struct command commands[] = {
    { "aio_discard", "[-Cq] off len", "asynchronously discards a number of bytes", true, true, io_discard },
    { "aio_flush", "", "completes all outstanding aio requests", true, false, wait_all },
    { "aio_read", "[-Cqv] [-P pattern] off len [len..]", "asynchronously reads a number of bytes", true, false, io_read },
    { "aio_write", "[-Cfquz] [-P pattern] off len [len..]", "asynchronously writes a number of bytes", true, true, io_write },
    { "alloc", "offset [count]", "checks if offset is allocated in the file", true, false, alloc },
    { "close", "", "close the current open file", false, false, close_image },
    { "discard", "[-Cq] off len", "discards a number of bytes at a specified offset", true, true, io_discard },
    { "flush", "", "flush all in-core file state to disk", true, false, flush },
    { "help", "[command]", "help for one or all commands", false, false, help },
    { "info", "", "prints information about the current file", true, false, info },
    { "length", "", "gets the length of the current file", true, false, length },
    { "map", "", "prints the allocated areas of a file", true, false, map },
    { "open", "[-Crsn] [-t cache] [-d mode] [-U] [-o options | path]", "open the file specified by path", false, false, open_image },
    { "quit", "", "exit the program", false, false, quit },
    { "read", "[-Cqv] [-P pattern [-s off] [-l len]] off len", "reads a number of bytes at a specified offset", true, false, io_read },
    { "readv", "[-Cqv] [-P pattern] off len [len..]", "reads a number of bytes at a specified offset", true, false, io_read },
    { "reopen", "[(-r|-w)] [-c cache] [-o options]", "reopens an image with new options", true, false, io_reopen },
    { "sleep", "ms", "waits for the given value in milliseconds", false, false, sleep_ms },
    { "truncate", "[-m prealloc_mode] off", "truncates the current file at the given offset", true, true, truncate_image },
    { "write", "[-cCfquz] [-P pattern | -s source_file] off len", "writes a number of bytes at a specified offset", true, true, io_write },
    { "writev", "[-Cfq] [-P pattern] off len [len..]", "writes a number of bytes at a specified offset", true, true, io_write },
};

static bool help(struct io *io, int argc, char **argv)
{
    bool found = argc < 2;

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        if (argc < 2 || (!strcmp(argv[1], commands[i].name) && (found = true)))
            printf("%s%s%s -- %s\n", commands[i].name, *commands[i].syntax ? " " : "", commands[i].syntax, commands[i].help);
    return found || (printf("command %s not found\n", argv[1]), false);
}

static const char *short_name(const char *name)
{
    static const char *const pairs[] = { "r", "read", "w", "write", "rv", "readv", "wv", "writev", "d", "discard", "f", "flush", "q", "quit",
                                         "c", "close", "o", "open", "i", "info", "l", "length", "t", "truncate", NULL };

    for (unsigned i = 0; pairs[i]; i += 2)
        if (!strcmp(pairs[i], name))
            return pairs[i + 1];
    return name;
}

bool io_run_words(struct io *io, int argc, char **argv)
{
    const char *name = short_name(argv[0]);

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, name))
            continue;
        if (commands[i].needs_image && !io->node)
            return fprintf(stderr, "no file open, try 'help open'\n"), false;
        if (commands[i].writes && io->read_only)
            return fprintf(stderr, "mynah-io: Block node is read-only\n"), false;
        return commands[i].run(io, argc, argv);
    }
    fprintf(stderr, "command \"%s\" not found\n", argv[0]);
    return false;
}
