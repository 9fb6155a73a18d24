/* host/image_linux.c - the program that runs: its notes and segments (ELF). */
#include "base/hash.h"
#include "host/image.h"

#include <elf.h>
#include <link.h>

struct search {
    u64 inside, id;
};

/* Notes: sizes of name and content, a type; name and content padded to four bytes. */
static u64 build_id(const u8 *notes, u64 size)
{
    while (size >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)notes;
        u64 name = (note->n_namesz + 3u) & ~3u, content = (note->n_descsz + 3u) & ~3u, whole = sizeof(*note) + name + content;

        if (whole > size)
            return 0;
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof("GNU") && !memcmp(note + 1, "GNU", sizeof("GNU")))
            return hash_bytes(notes + sizeof(*note) + name, note->n_descsz, 1) | 1;
        notes += whole;
        size -= whole;
    }
    return 0;
}

static bool holds(const struct dl_phdr_info *image, u64 address)
{
    for (u32 i = 0; i < image->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &image->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD && address - (image->dlpi_addr + segment->p_vaddr) < segment->p_memsz)
            return true;
    }
    return false;
}

/* By what is in its notes; else by all that is not written: some megabytes. */
static u64 id_of(const struct dl_phdr_info *image)
{
    u64 id = 0;

    for (u32 i = 0; i < image->dlpi_phnum && !id; i++) {
        const ElfW(Phdr) *segment = &image->dlpi_phdr[i];

        if (segment->p_type == PT_NOTE)
            id = build_id((const u8 *)(image->dlpi_addr + segment->p_vaddr), segment->p_memsz);
    }
    if (id)
        return id;
    for (u32 i = 0; i < image->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &image->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
            id = hash_bytes((const u8 *)(image->dlpi_addr + segment->p_vaddr), segment->p_filesz, id);
    }
    return id | 1;
}

static int look(struct dl_phdr_info *image, size_t size, void *opaque)
{
    struct search *search = opaque;

    if (!holds(image, search->inside))
        return 0;
    search->id = id_of(image);
    return 1;
}

u64 host_image_id(const void *inside)
{
    struct search search = { .inside = (u64)(uintptr_t)inside };

    dl_iterate_phdr(look, &search);
    return search.id;
}
