/* tools/img.h - what the commands of mynah-img share. Everything runs in one fiber of one loop. */
#ifndef TOOLS_IMG_H
#define TOOLS_IMG_H

#include "block/node.h"
#include "tools/object.h"
#include <getopt.h>
#include <json-c/json.h>

struct img {
    struct block_graph *graph;
    struct block_loop *loop;
    int argc;
    char **argv;
    const char *format; /* -f */
    bool quiet, image_opts, force_share, progress, json;
    struct tool_objects *objects; /* --object */
    bool helped; /* an option asked for help, and that is all */
};

/* Each returns the exit status. */
int img_amend(struct img *img);
int img_bench(struct img *img);
int img_bitmap(struct img *img);
int img_check(struct img *img);
int img_commit(struct img *img);
int img_compare(struct img *img);
int img_convert(struct img *img);
int img_create(struct img *img);
int img_dd(struct img *img);
int img_info(struct img *img);
int img_map(struct img *img);
int img_measure(struct img *img);
int img_rebase(struct img *img);
int img_resize(struct img *img);
int img_snapshot(struct img *img);

/* --- messages --- */

/* "mynah-img: ..." on stderr, hint lines after it. Returns 1. */
int img_fail(const char *format, ...) PRINTF_LIKE(1, 2);
/* The error's text; frees it. Returns 1. */
int img_fail_error(GError *error);
/* Unless quiet. */
void img_say(struct img *img, const char *format, ...) PRINTF_LIKE(2, 3);
void img_progress(struct img *img, u64 done, u64 total);
void img_progress_end(struct img *img);
/* Waits until `done` bytes since `start` (monotonic) are not more than `rate` a second; 0: any. Fiber. */
void img_keep_rate(struct img *img, s64 start, u64 done, u64 rate);
/* "1.5 GiB"; g_free. */
char *img_size_text(u64 size);
/* As QEMU lays it out: four spaces a level. Frees the object. */
void img_print_json(struct json_object *object);

/* --- arguments --- */

/* Long options that several commands have, and the first number that is left to a command. All commands have --object. */
enum { IMG_OPT_IMAGE_OPTS = 256, IMG_OPT_OUTPUT, IMG_OPT_OBJECT, IMG_OPT_OWN };
#define IMG_FORMAT      { "format", required_argument, NULL, 'f' }
#define IMG_FORCE_SHARE { "force-share", no_argument, NULL, 'U' }
#define IMG_IMAGE_OPTS  { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS }
#define IMG_OBJECT      { "object", required_argument, NULL, IMG_OPT_OBJECT }
#define IMG_OUTPUT      { "output", required_argument, NULL, IMG_OPT_OUTPUT }
#define IMG_PROGRESS    { "progress", no_argument, NULL, 'p' }
#define IMG_QUIET       { "quiet", no_argument, NULL, 'q' }
#define IMG_CACHE(name, letter) { name, required_argument, NULL, letter }

/* As getopt_long; notes those of above by itself, and makes objects. '?' after a message, or after help about objects (img->helped). */
int img_option(struct img *img, const char *letters, const struct option *options);
/* "Try ... --help", below a message. Returns 1. */
int img_try_help(struct img *img);

/* A size with suffix; false with a message. */
bool img_parse_size(const char *text, u64 *out);
bool img_parse_number(const char *what, const char *text, u64 min, u64 max, u64 *out);
bool img_parse_rate(const char *text, u64 *out);
/* none, writeback ... as flags of block_open_flags. */
bool img_parse_cache(const char *text, unsigned *flags);
/* How many operands there are after options; a message when there are too few or too many. */
bool img_operands(struct img *img, int min, int max);

/* --- images --- */

/* NULL after a message. */
bool img_is_qcow2(const struct block_node *node);
void img_print_snapshots(struct block_node *node);
/* The node, opened read-only, shows a snapshot from now on: of an id or a name, or of "snapshot.id=...,snapshot.name=...". False after a message. */
bool img_load_snapshot(struct block_node *node, const char *text);
struct block_node *img_open(struct img *img, const char *name, const char *format, unsigned flags);
/* The same for writing by this program alone, with a hold. */
struct img_disk {
    struct block_node *node;
    struct block_edge *edge;
};
bool img_open_disk(struct img *img, const char *name, const char *format, unsigned flags, u32 perm, struct img_disk *disk);
/* Flushes if it was written; false after a message. */
bool img_close_disk(struct img_disk *disk, bool flush);

/* convert --bitmaps. Whether the source's can be copied; and copying them. False after a message. */
bool img_can_copy_bitmaps(struct block_node *source, bool skip_broken);
bool img_copy_bitmaps(struct block_node *source, struct block_node *target);

/* Options of a new image ("-o"), merged; and creating it. */
struct img_create_options {
    GHashTable *options; /* name to value */
    const char *backing, *backing_format;
    bool unsafe;
    bool amends; /* they are for amend */
    const struct img_disk *sources; /* what it will be made of */
    unsigned source_count;
};
bool img_add_create_options(struct img_create_options *o, const char *text, const char *format, bool *helped);
/* size UINT64_MAX: that of the backing file. Prints "Formatting ..." unless quiet. */
bool img_create_image(struct img *img, const char *name, const char *format, struct img_create_options *o, u64 size, bool quiet);
void img_print_amend_options(void);
/* False after a message. */
bool img_check_amend_option(const char *name);
struct qcow2_create;
bool img_fill_qcow2_options(GHashTable *options, const char *name, struct qcow2_create *create, GError **error);

#endif
