/*
 * hw/core/loader.h - files that go into guest memory before the first instruction: ELF64, Linux Image (plain, gzip'd or EFI
 * zboot), U-Boot legacy image, raw. Files are untrusted: sizes are bounded by the memory they go to, every offset is checked.
 *
 * Main thread, machine lock or no vCPU running.
 */
#ifndef HW_CORE_LOADER_H
#define HW_CORE_LOADER_H

#include "base/types.h"
#include "vm/memory.h"

enum loader_format { LOADER_RAW, LOADER_ELF, LOADER_IMAGE, LOADER_UIMAGE };

struct loader_request {
    struct space *space;
    const u8 *data;
    u64 size;           /* bytes of data */
    const char *name;   /* for messages */
    u64 address;        /* where raw files and Images go */
    u16 elf_machine;    /* e_machine that an ELF must have (RISC-V: 243) */
    u8 uimage_arch;     /* IH_ARCH that a U-Boot image must have (RISC-V: 26) */
    bool unpack;        /* gzip and EFI zboot are unpacked first */
    bool force_raw;     /* any format is placed byte for byte */
};

struct loader_result {
    enum loader_format format;
    u64 entry;          /* first instruction, physical */
    u64 low, high;      /* guest-physical range that was filled; high is one past it, and includes what the kernel clears */
};

/*
 * A file that is loaded at each reset. It stays open, so that it is the one that was there in the beginning, whatever becomes of its name, of the
 * process's folder and rights; what can be read once (a pipe) is kept in memory. NULL with error: it cannot be opened. Close with loader_file_close.
 */
struct loader_file *loader_file_open(const char *path, GError **error);
void loader_file_close(struct loader_file *file); /* NULL: nothing */
/* As it was given; the file's. */
const char *loader_file_path(const struct loader_file *file);
/* Reads all of it, at most `max` bytes. The caller frees with g_free. */
u8 *loader_file_read(struct loader_file *file, u64 max, u64 *size, GError **error);
/* Unpacks gzip; the result has at most `max` bytes. The caller frees. */
u8 *loader_gunzip(const u8 *data, u64 size, u64 max, u64 *out_size, GError **error);
bool loader_is_gzip(const u8 *data, u64 size);
/* One frame of zstd, likewise; what follows the frame is ignored. */
u8 *loader_unzstd(const u8 *data, u64 size, u64 max, u64 *out_size, GError **error);
/* What a Linux EFI zboot image carries, likewise. */
u8 *loader_unpack_zboot(const u8 *data, u64 size, u64 max, u64 *out_size, GError **error);
bool loader_is_zboot(const u8 *data, u64 size);

/* Recognises the format and copies the file into RAM or ROM. */
bool loader_place(const struct loader_request *request, struct loader_result *result, GError **error);
/* Reads, unpacks (if asked to) and places. request->data, size and name are set from the file. */
bool loader_place_file(struct loader_request *request, struct loader_file *file, struct loader_result *result, GError **error);

/* Bytes of directly accessible memory from an address on; 0: none. */
u64 loader_room(struct space *space, u64 address);
/* Finds `name` in the folders (NULL-terminated), or takes it as a path. NULL when there is none. The caller frees. */
char *loader_find(char **folders, const char *name);

#endif
