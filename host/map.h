/* host/map.h - address space of the process: anonymous memory, shared files in memory, aliases. Any thread. Sizes in bytes. */
#ifndef HOST_MAP_H
#define HOST_MAP_H

#include "base/types.h"
#include <glib.h>

enum { HOST_MAP_HUGE = 2 * MIB };

u64 host_page_size(void);

/* Zeroed private memory, backed when touched. huge: ask for huge pages. NULL on error. */
void *host_map_anonymous(u64 size, bool huge, GError **error);
/* Address range without access, to map into. */
void *host_map_reserve(u64 size, GError **error);
/* A part of it is as it was at first. False: the host has too many mappings for another hole. */
bool host_map_clear(void *address, u64 size);
void host_map_free(void *address, u64 size);
/* Gives the pages of a range back to the host; they read zero again. */
void host_map_discard(void *address, u64 size);

/* A file that lives in memory only; -1 on error. */
int host_map_create_file(const char *name, u64 size, GError **error);
/* The same of huge pages of that size (0: the host's usual one); -1 on error. */
int host_map_create_huge_file(const char *name, u64 size, u64 page, GError **error);
/* Nobody can change the size of such a file any more. */
bool host_map_seal_file(int fd, GError **error);
/* A file of at least `size` bytes, or an empty or missing one, which grows to them; in a folder: a nameless one. read_only: it must be
 * there and be large enough. -1 on error. */
int host_map_open_file(const char *path, u64 size, bool read_only, GError **error);
void host_map_close_file(int fd); /* -1 is fine */
/* Takes all pages of a writable mapping from the host now, without changing what they hold; several threads share the work. */
bool host_map_populate(void *address, u64 size, unsigned threads, GError **error);

/* Wishes for a range, which the host may ignore: be ready for accesses soon; merge equal pages; leave it out of core dumps. */
void host_map_expect(const void *address, u64 size, bool write);
/*
 * Makes huge pages (HOST_MAP_HUGE bytes, aligned in memory and in the file) of a range of a shared file in memory, whatever it holds, and
 * maps them; the first mapping of a file that is asked for must be writable. False: the host cannot, or not all of it; nobody sees a difference.
 */
bool host_map_collapse(const void *address, u64 size, bool write);
/* Memory of malloc's that is about to be filled: huge pages where it is large. */
void host_map_expect_heap(void *address, u64 size);
void host_map_merge(void *address, u64 size);
void host_map_no_dump(void *address, u64 size);
/* Gives the blocks of a shared file back; they read zero again. */
void host_map_remove(void *address, u64 size);
enum host_map_access { HOST_MAP_NONE = 0, HOST_MAP_READ = 1, HOST_MAP_WRITE = 2, HOST_MAP_EXEC = 4, HOST_MAP_PRIVATE = 8, HOST_MAP_NOW = 16 /* so that no access has to wait for the host */ };
/* Maps [offset, offset+size) of fd, shared unless HOST_MAP_PRIVATE; at NULL: anywhere, else exactly there (over a reserved range). */
void *host_map_file(int fd, u64 offset, u64 size, unsigned access, void *at, GError **error);
/* The same at any address that is a multiple of `align` (a power of two). */
void *host_map_file_aligned(int fd, u64 offset, u64 size, unsigned access, u64 align, GError **error);
bool host_map_protect(void *address, u64 size, unsigned access, GError **error);

#endif
