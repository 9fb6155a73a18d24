/* tools/img_common.c - messages, arguments and opening, for all commands of mynah-img. */
#include "api/number.h"
#include "base/error.h"
#include "host/clock.h"
#include "tools/image_opts.h"
#include "tools/img.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int img_fail(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fputs("mynah-img: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

int img_fail_error(GError *error)
{
    img_fail("%s", error->message);
    g_error_free(error);
    return 1;
}

void img_say(struct img *img, const char *format, ...)
{
    va_list args;

    if (img->quiet)
        return;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

void img_progress(struct img *img, u64 done, u64 total)
{
    if (!img->progress)
        return;
    printf("    (%.2f/100%%)\r", total ? (double)MIN(done, total) * 100 / (double)total : 100.0);
    fflush(stdout);
}

void img_progress_end(struct img *img)
{
    if (img->progress)
        printf("    (100.00/100%%)\n");
}

char *img_size_text(u64 size)
{
    static const char *const units[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
    int exponent;

    /* The unit changes at 1000, so that three digits are enough. */
    frexp((double)size / (1000.0 / 1024.0), &exponent);
    exponent = CLAMP((exponent - 1) / 10, 0, 6);
    return g_strdup_printf("%0.3g %sB", (double)size / (double)BIT64(exponent * 10), units[exponent]);
}

void img_keep_rate(struct img *img, s64 start, u64 done, u64 rate)
{
    s64 due = rate ? start + (s64)((double)done / (double)rate * 1e9) : 0;

    if (due > host_clock_monotonic())
        block_fiber_sleep_until(img->loop, due);
}

static void print_value(GString *out, struct json_object *value, unsigned level)
{
    bool first = true;

    if (json_object_is_type(value, json_type_object)) {
        g_string_append(out, "{");
        json_object_object_foreach(value, name, member) {
            g_string_append_printf(out, "%s\n%*s\"%s\": ", first ? "" : ",", (int)(level + 1) * 4, "", name);
            print_value(out, member, level + 1);
            first = false;
        }
        g_string_append_printf(out, "\n%*s}", (int)level * 4, "");
    } else if (json_object_is_type(value, json_type_array)) {
        g_string_append(out, "[");
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            g_string_append_printf(out, "%s\n%*s", i ? "," : "", (int)(level + 1) * 4, "");
            print_value(out, json_object_array_get_idx(value, i), level + 1);
        }
        g_string_append_printf(out, "\n%*s]", (int)level * 4, "");
    } else {
        g_string_append(out, json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE));
    }
}

void img_print_json(struct json_object *object)
{
    g_autoptr(GString) out = g_string_new(NULL);

    print_value(out, object, 0);
    puts(out->str);
    json_object_put(object);
}

bool img_parse_size(const char *text, u64 *out)
{
    return img_parse_number("image size", text, 0, INT64_MAX, out);
}

bool img_parse_number(const char *what, const char *text, u64 min, u64 max, u64 *out)
{
    bool number = api_parse_size("", text, 1, out, NULL), whole = *text && !text[strspn(text, "0123456789")];

    if (number && *out >= min && *out <= max)
        return true;
    if (number || whole || (g_ascii_isdigit(*text) && strchr("kKMGTPE", text[strlen(text) - 1]))) /* it is one, but too large or too small */
        img_fail("Invalid %s specified. Must be between %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT ".", what, min, max);
    else
        img_fail("Invalid %s specified: '%s'", what, text);
    return false;
}

bool img_parse_rate(const char *text, u64 *out)
{
    return (api_parse_size("", text, 1, out, NULL) && *out <= INT64_MAX) || (img_fail("Invalid rate limit specified: '%s'", text), false);
}

bool img_parse_cache(const char *text, unsigned *flags)
{
    *flags &= ~(unsigned)(BLOCK_OPEN_DIRECT | BLOCK_OPEN_NO_FLUSH | BLOCK_OPEN_WRITE_THROUGH);
    if (!strcmp(text, "directsync") || !strcmp(text, "writethrough"))
        *flags |= BLOCK_OPEN_WRITE_THROUGH;
    if (!strcmp(text, "none") || !strcmp(text, "off") || !strcmp(text, "directsync"))
        *flags |= BLOCK_OPEN_DIRECT;
    else if (!strcmp(text, "unsafe"))
        *flags |= BLOCK_OPEN_NO_FLUSH;
    else if (strcmp(text, "writeback") && strcmp(text, "writethrough"))
        return img_fail("Invalid cache option: %s", text), false;
    return true;
}

int img_try_help(struct img *img)
{
    fprintf(stderr, "Try '%s --help' for more information\n", img->argv[0]);
    return 1;
}

static bool add_object(struct img *img, const char *text)
{
    g_autoptr(GError) error = NULL;

    if (!tool_object_add(&img->objects, img->graph, text, &img->helped, &error))
        img_fail_error(g_steal_pointer(&error));
    else if (!img->helped)
        return true;
    return false;
}

int img_option(struct img *img, const char *letters, const struct option *options)
{
    for (;;) {
        int c = getopt_long(img->argc, img->argv, letters, options, NULL);

        switch (c) {
        case 'f':
            img->format = optarg;
            break;
        case 'p':
            img->progress = true;
            break;
        case 'q':
            img->quiet = true;
            break;
        case 'U':
            img->force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            img->image_opts = true;
            break;
        case IMG_OPT_OBJECT:
            if (add_object(img, optarg))
                break;
            return '?';
        case IMG_OPT_OUTPUT:
            img->json = !strcmp(optarg, "json");
            if (img->json || !strcmp(optarg, "human"))
                break;
            img_fail("--output expects 'human' or 'json', not '%s'", optarg);
            c = '?';
            /* fall through */
        default:
            if (c == '?')
                img_try_help(img);
            return c;
        }
    }
}

bool img_operands(struct img *img, int min, int max)
{
    int count = img->argc - optind;

    if (img->image_opts && img->format)
        return img_fail("--image-opts and --format are mutually exclusive"), false;
    if (count >= min && count <= max)
        return true;
    img_fail("%s", min == 1 && max == 1 ? "Expecting one image file name" : min == 2 && max == 2 ? "Expecting two image file names" :
             count < min ? "Expecting an image file name" : "Too many arguments");
    img_try_help(img);
    return false;
}

bool img_is_qcow2(const struct block_node *node)
{
    return !strcmp(block_driver_name(node), "qcow2");
}

struct block_node *img_open(struct img *img, const char *name, const char *format, unsigned flags)
{
    g_autoptr(GError) error = NULL;
    struct block_node *node;

    flags |= img->force_share ? BLOCK_OPEN_FORCE_SHARE : 0;
    node = img->image_opts ? tool_open_options(img->graph, name, flags, &error) : block_open_name(img->graph, name, format, flags, &error);
    if (!node)
        img_fail("Could not open '%s': %s", name, error->message);
    else
        block_set_write_through(node, flags & BLOCK_OPEN_WRITE_THROUGH);
    return node;
}

bool img_open_disk(struct img *img, const char *name, const char *format, unsigned flags, u32 perm, struct img_disk *disk)
{
    g_autoptr(GError) error = NULL;
    u32 shared = img->force_share ? BLOCK_ALL : BLOCK_ALL & ~(BLOCK_WRITE | BLOCK_RESIZE);

    disk->edge = NULL;
    disk->node = img_open(img, name, format, flags);
    if (!disk->node)
        return false;
    disk->edge = block_attach(disk->node, perm, shared, "mynah-img", &error);
    block_unref(disk->node);
    if (disk->edge)
        return true;
    disk->node = NULL;
    img_fail("Could not open '%s': %s", name, error->message);
    return false;
}

bool img_close_disk(struct img_disk *disk, bool flush)
{
    int ret = flush && disk->node ? block_flush(disk->node) : 0;

    block_detach(disk->edge);
    *disk = (struct img_disk){ 0 };
    if (ret < 0)
        img_fail("Error while writing to the image: %s", g_strerror(-ret));
    return ret == 0;
}
