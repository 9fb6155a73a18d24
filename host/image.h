/* host/image.h - the program that runs, as it lies in memory. Any thread. */
#ifndef HOST_IMAGE_H
#define HOST_IMAGE_H

#include "base/types.h"

/*
 * What tells builds of the program (or the library) that has `inside` in it from one another: the linker's build id, or a hash of what is
 * loaded of it and cannot be written. 0: it cannot be told.
 */
u64 host_image_id(const void *inside);

#endif
