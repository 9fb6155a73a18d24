/* tools/io_main.c - mynah-io: single requests on disk images, typed or from -c. */
#include "api/version.h"
#include "base/error.h"
#include "block/overlay.h"
#include "host/process.h"
#include "tools/image_opts.h"
#include "tools/io.h"
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: mynah-io [OPTIONS]... [-c COMMAND]... [FILE]\n"
    "Sends single requests to a disk image and shows what comes of them.\n\n"
    "  -c, --cmd COMMAND    run this command (may be repeated); without -c they are read from standard input\n"
    "  -f, --format FMT     raw or qcow2; guessed by default\n"
    "      --image-opts     FILE is a list of options: driver=qcow2,file.filename=a.qcow2\n"
    "  -r, --read-only      do not write\n"
    "  -s, --snapshot       write to a temporary image above it\n"
    "  -C, --copy-on-read   what is read from backing files stays in the image\n"
    "  -n, --nocache        same as -t none\n"
    "  -t, --cache MODE     none, writeback, writethrough, directsync or unsafe\n"
    "  -d, --discard MODE   unmap or ignore\n"
    "  -i, --aio MODE       threads, native or io_uring\n"
    "      --object OBJECT  what options refer to: throttle-group,id=slow,x-bps-total=1048576; help lists the kinds\n"
    "  -U, --force-share    do not lock the image; with -r\n"
    "  -h, --help           show this text\n"
    "  -V, --version        show the version\n\n"
    "'mynah-io -c help' lists the commands.\n"
    "Example: mynah-io -c 'write -P 0x5a 64k 4k' -c 'read -vP 0x5a 64k 32' disk.qcow2\n";

static struct block_node *open_snapshot(struct io *io, const char *path, unsigned flags, GError **error)
{
    struct json_object *options = io->image_opts ? tool_image_options(path, flags, error) : block_name_options(path, io->format, flags, error);
    struct block_node *node = options ? block_open_overlay(io->graph, options, error) : NULL;

    json_object_put(options);
    return node;
}

static struct block_node *open_node(struct io *io, const char *path, unsigned flags, GError **error)
{
    if (io->force_share && !io->read_only)
        error_set(error, "force-share=on can only be used with read-only images");
    else if (io->copy_on_read && io->read_only)
        error_set(error, "Can't use copy-on-read on read-only device");
    else if (io->snapshot)
        return open_snapshot(io, path, flags, error);
    else
        return io->image_opts ? tool_open_options(io->graph, path, flags, error) : block_open_name(io->graph, path, io->format, flags, error);
    return NULL;
}

bool io_open(struct io *io, const char *path)
{
    g_autoptr(GError) error = NULL;
    unsigned flags = io->flags | (io->read_only ? 0 : BLOCK_OPEN_WRITE) | (io->force_share ? BLOCK_OPEN_FORCE_SHARE : 0);
    u32 perm = BLOCK_READ | (io->read_only ? 0 : BLOCK_WRITE | BLOCK_RESIZE);
    struct block_node *node;

    io_close(io);
    node = open_node(io, path, flags, &error);
    if (node) {
        io->edge = block_attach(node, perm, io->force_share ? BLOCK_ALL : BLOCK_READ, "mynah-io", &error);
        block_unref(node);
    }
    if (!io->edge) {
        fprintf(stderr, "mynah-io: can't open device %s: %s\n", path, error->message);
        io->failed = true;
        return false;
    }
    io->node = node;
    block_set_copy_on_read(node, io->copy_on_read);
    block_set_write_through(node, io->flags & BLOCK_OPEN_WRITE_THROUGH);
    io->path = g_strdup(path);
    return true;
}

void io_close(struct io *io)
{
    while (io->in_flight)
        block_queue_wait(&io->idle, io->loop);
    int ret = io->node && !io->read_only ? block_flush(io->node) : 0;

    if (ret < 0) {
        fprintf(stderr, "mynah-io: cannot write what is left of %s: %s\n", io->path, g_strerror(-ret));
        io->failed = true;
    }
    block_detach(io->edge);
    io->edge = NULL;
    io->node = NULL;
    g_clear_pointer(&io->path, g_free);
}

void io_run_line(struct io *io, const char *line)
{
    g_auto(GStrv) words = NULL;
    int count = 0;

    if (!g_shell_parse_argv(line, &count, &words, NULL) || !count)
        return;
    if (!io_run_words(io, count, words))
        io->failed = true;
}

struct run {
    struct io io;
    GPtrArray *commands, *object_texts;
    struct tool_objects *objects;
    const char *file;
};

static void interact(struct io *io)
{
    char line[4096];
    bool prompt = isatty(STDIN_FILENO);

    while (!io->quit) {
        if (prompt) {
            printf("mynah-io> ");
            fflush(stdout);
        }
        if (!fgets(line, sizeof(line), stdin))
            return;
        io_run_line(io, line);
        fflush(stdout); /* who types by a pipe waits for the answer */
    }
}

static bool make_objects(struct run *r)
{
    for (guint i = 0; i < r->object_texts->len; i++) {
        g_autoptr(GError) error = NULL;
        bool helped = false;

        if (!tool_object_add(&r->objects, r->io.graph, r->object_texts->pdata[i], &helped, &error)) {
            fprintf(stderr, "mynah-io: %s\n", error->message);
            r->io.failed = true;
        }
        if (error || helped)
            return false;
    }
    return true;
}

static void run(void *opaque)
{
    struct run *r = opaque;

    if (!make_objects(r))
        return;
    if (r->file && !io_open(&r->io, r->file))
        return;
    for (unsigned i = 0; i < r->commands->len && !r->io.quit; i++)
        io_run_line(&r->io, r->commands->pdata[i]);
    if (!r->commands->len)
        interact(&r->io);
    io_close(&r->io);
}

bool io_set_cache(struct io *io, const char *mode)
{
    io->flags &= ~(unsigned)(BLOCK_OPEN_DIRECT | BLOCK_OPEN_NO_FLUSH | BLOCK_OPEN_WRITE_THROUGH);
    if (!strcmp(mode, "directsync") || !strcmp(mode, "writethrough"))
        io->flags |= BLOCK_OPEN_WRITE_THROUGH;
    if (!strcmp(mode, "none") || !strcmp(mode, "off") || !strcmp(mode, "directsync"))
        io->flags |= BLOCK_OPEN_DIRECT;
    else if (!strcmp(mode, "unsafe"))
        io->flags |= BLOCK_OPEN_NO_FLUSH;
    else if (strcmp(mode, "writeback") && strcmp(mode, "writethrough"))
        return fprintf(stderr, "mynah-io: Invalid cache option: %s\n", mode), false;
    return true;
}

bool io_set_discard(struct io *io, const char *mode)
{
    if (!strcmp(mode, "unmap") || !strcmp(mode, "on"))
        io->flags |= BLOCK_OPEN_UNMAP;
    else if (strcmp(mode, "ignore") && strcmp(mode, "off"))
        return fprintf(stderr, "mynah-io: Invalid discard option: %s\n", mode), false;
    return true;
}

/* How a file is read is of no matter here: any known way will do. */
static bool check_aio(const char *mode)
{
    return !strcmp(mode, "threads") || !strcmp(mode, "native") || !strcmp(mode, "io_uring") ||
           (fprintf(stderr, "mynah-io: Invalid aio option: %s\n", mode), false);
}

static int parse(struct run *r, int argc, char **argv)
{
    enum { IMAGE_OPTS = 256, OBJECT };
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },        { "version", no_argument, NULL, 'V' },   { "cmd", required_argument, NULL, 'c' },
        { "format", required_argument, NULL, 'f' }, { "read-only", no_argument, NULL, 'r' }, { "nocache", no_argument, NULL, 'n' },
        { "cache", required_argument, NULL, 't' },  { "discard", required_argument, NULL, 'd' }, { "force-share", no_argument, NULL, 'U' },
        { "image-opts", no_argument, NULL, IMAGE_OPTS }, { "object", required_argument, NULL, OBJECT }, { "copy-on-read", no_argument, NULL, 'C' },
        { "snapshot", no_argument, NULL, 's' },
        { "aio", required_argument, NULL, 'i' }, { "native-aio", no_argument, NULL, 'k' }, { "misalign", no_argument, NULL, 'm' }, { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "hVc:Cd:f:i:kmrsnt:U", options, NULL)) >= 0) {
        switch (c) {
        case 'c': g_ptr_array_add(r->commands, optarg); break;
        case 'f': r->io.format = optarg; break;
        case 'r': r->io.read_only = true; break;
        case 'n': r->io.flags |= BLOCK_OPEN_DIRECT; break;
        case 'U': r->io.force_share = true; break;
        case 'C': r->io.copy_on_read = true; break;
        case 's': r->io.snapshot = true; break;
        case OBJECT: g_ptr_array_add(r->object_texts, optarg); break;
        case IMAGE_OPTS: r->io.image_opts = true; break;
        case 'd':
            if (!io_set_discard(&r->io, optarg))
                return 1;
            break;
        case 't':
            if (!io_set_cache(&r->io, optarg))
                return 1;
            break;
        case 'k':
        case 'm': break;
        case 'i':
            if (!check_aio(optarg))
                return 1;
            break;
        case 'V':
            printf("mynah-io version %s\n", API_VERSION);
            return 0;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return 1;
        }
    }
    if (argc - optind > 1) {
        fputs(help, stderr);
        return 1;
    }
    r->file = argv[optind];
    return -1;
}

int main(int argc, char **argv)
{
    struct run r = { .commands = g_ptr_array_new(), .object_texts = g_ptr_array_new() };
    g_autoptr(GError) error = NULL;
    int status = parse(&r, argc, argv);

    host_process_outlive_file_limit();
    if (status < 0) {
        r.io.loop = block_loop_create(&error);
        if (!r.io.loop) {
            fprintf(stderr, "mynah-io: %s\n", error->message);
            return 1;
        }
        r.io.graph = block_graph_create(r.io.loop);
        block_loop_call(r.io.loop, run, &r);
        tool_objects_destroy(r.objects);
        status = r.io.failed || block_graph_has_lost(r.io.graph);
        block_graph_destroy(r.io.graph);
        block_loop_destroy(r.io.loop);
    }
    g_ptr_array_unref(r.commands);
    g_ptr_array_unref(r.object_texts);
    return fflush(stdout) ? 1 : status;
}
