/* tools/io.h - what the files of mynah-io share. */
#ifndef TOOLS_IO_H
#define TOOLS_IO_H

#include "block/node.h"
#include "tools/object.h"

struct io {
    struct block_graph *graph;
    struct block_loop *loop;
    struct block_edge *edge;
    struct block_node *node; /* NULL: nothing is open */
    const char *format;
    char *path;
    unsigned flags; /* of block_open_flags */
    bool read_only, force_share, image_opts, copy_on_read, snapshot, quit, failed;
    unsigned in_flight; /* aio_read, aio_write */
    struct block_queue idle;
};

bool io_open(struct io *io, const char *path);
void io_close(struct io *io);
/* "none", "writeback" ... and "unmap", "ignore" ... in io->flags. False after a message. */
bool io_set_cache(struct io *io, const char *mode);
bool io_set_discard(struct io *io, const char *mode);
/* One command; errors are printed and remembered in `failed`. */
void io_run_line(struct io *io, const char *line);
/* tools/io_commands.c */
bool io_run_words(struct io *io, int argc, char **argv);
/* tools/io_transfer.c: read, write and their kin. False: the command failed. */
bool io_read(struct io *io, int argc, char **argv);
bool io_write(struct io *io, int argc, char **argv);
bool io_discard(struct io *io, int argc, char **argv);
/* tools/io_reopen.c */
bool io_reopen(struct io *io, int argc, char **argv);

/* "128 KiB"; g_free. */
char *io_size_text(double value);
bool io_parse_size(const char *text, u64 *out);

#endif
