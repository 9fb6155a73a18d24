/* hw/core/loader_formats.h - one pair of functions per file format. Private to hw/core/. */
#ifndef HW_CORE_LOADER_FORMATS_H
#define HW_CORE_LOADER_FORMATS_H

#include "hw/core/loader.h"

/* Copies size bytes to address and clears what follows; fails when it does not fit into one piece of memory. */
bool loader_fill(const struct loader_request *request, u64 address, const u8 *data, u64 size, u64 clear, GError **error);

bool loader_is_elf(const u8 *data, u64 size);
bool loader_place_elf(const struct loader_request *request, struct loader_result *result, GError **error);
bool loader_is_image(const u8 *data, u64 size);
bool loader_place_image(const struct loader_request *request, struct loader_result *result, GError **error);
bool loader_is_uimage(const u8 *data, u64 size);
bool loader_place_uimage(const struct loader_request *request, struct loader_result *result, GError **error);

#endif
