/* ui/picture.c - PPM and PNG. */
#include "ui/picture.h"
#include "base/error.h"
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Red, green, blue of one line. */
static void convert(pixman_image_t *image, int y, u8 *line)
{
    const u32 *from = pixman_image_get_data(image) + (ptrdiff_t)y * pixman_image_get_stride(image) / 4;

    for (int x = 0; x < pixman_image_get_width(image); x++) {
        *line++ = (u8)(from[x] >> 16);
        *line++ = (u8)(from[x] >> 8);
        *line++ = (u8)from[x];
    }
}

static bool write_ppm(pixman_image_t *image, FILE *file)
{
    int width = pixman_image_get_width(image), height = pixman_image_get_height(image);
    g_autofree u8 *line = g_malloc((size_t)width * 3);

    fprintf(file, "P6\n%d %d\n255\n", width, height);
    for (int y = 0; y < height; y++) {
        convert(image, y, line);
        if (fwrite(line, 3, (size_t)width, file) != (size_t)width)
            return false;
    }
    return true;
}

static void png_failed(png_structp png, png_const_charp text)
{
    longjmp(png_jmpbuf(png), 1);
}

/* libpng comes back by longjmp: nothing here changes after setjmp. */
static bool write_png(pixman_image_t *image, FILE *file)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, png_failed, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    u8 *const line = g_malloc((size_t)pixman_image_get_width(image) * 3);
    volatile bool ok = false;

    if (info && !setjmp(png_jmpbuf(png))) {
        png_init_io(png, file);
        png_set_IHDR(png, info, (u32)pixman_image_get_width(image), (u32)pixman_image_get_height(image), 8, PNG_COLOR_TYPE_RGB,
                     PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(png, info);
        for (int y = 0; y < pixman_image_get_height(image); y++) {
            convert(image, y, line);
            png_write_row(png, line);
        }
        png_write_end(png, NULL);
        ok = true;
    }
    png_destroy_write_struct(&png, &info);
    g_free(line);
    return ok;
}

bool picture_write(pixman_image_t *image, enum picture_format format, int fd, GError **error)
{
    int copy = dup(fd);
    FILE *file = copy >= 0 ? fdopen(copy, "wb") : NULL;

    if (!file) {
        error_set(error, "cannot write the picture: %s", strerror(errno));
        if (copy >= 0)
            close(copy);
        return false;
    }
    bool ok = format == PICTURE_PNG ? write_png(image, file) : write_ppm(image, file);
    ok = !fclose(file) && ok;
    return ok || error_set(error, "cannot write the picture: %s", strerror(errno ? errno : EIO));
}
