/* ui/picture.h - pictures as files. Any thread. */
#ifndef UI_PICTURE_H
#define UI_PICTURE_H

#include "base/types.h"
#include <glib.h>
#include <pixman.h>

enum picture_format { PICTURE_PPM, PICTURE_PNG };

/* Writes an image of PIXMAN_x8r8g8b8 to fd, which is the caller's. */
bool picture_write(pixman_image_t *image, enum picture_format format, int fd, GError **error);

#endif
