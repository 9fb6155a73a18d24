/* host/folders.c - folders of Debian and its kin. */
#include "host/folders.h"

void host_folders_add_firmware(GPtrArray *folders)
{
    const char *cache = g_getenv("MYNAH_CACHE");

    g_ptr_array_add(folders, cache && *cache ? g_strdup(cache) : g_build_filename(g_get_user_cache_dir(), "mynah", NULL));
    g_ptr_array_add(folders, g_strdup("/usr/share/qemu"));
    g_ptr_array_add(folders, g_strdup("/usr/lib/riscv64-linux-gnu"));
    g_ptr_array_add(folders, g_strdup("/usr/lib/u-boot"));
}
