/* hw/core/loader_elf.c - ELF64 executables (System V ABI, chapters 4 and 5): the loadable segments, by physical address. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/core/loader_formats.h"
#include <string.h>

enum { EHDR_SIZE = 64, PHDR_SIZE = 56, ELFCLASS64 = 2, ELFDATA2LSB = 1, ET_EXEC = 2, ET_DYN = 3, PT_LOAD = 1 };

struct segment {
    u64 offset, vaddr, paddr, filesz, memsz;
};

bool loader_is_elf(const u8 *data, u64 size)
{
    return size >= 4 && !memcmp(data, "\177ELF", 4);
}

static bool check_header(const struct loader_request *r, GError **error)
{
    const u8 *h = r->data;

    if (r->size < EHDR_SIZE)
        return error_set(error, "%s: ELF header is cut off", r->name);
    if (h[4] != ELFCLASS64 || h[5] != ELFDATA2LSB)
        return error_set(error, "%s: not a 64-bit little-endian ELF file", r->name);
    if (bits_load_le(h + 18, 2) != r->elf_machine)
        return error_set(error, "%s: ELF file for another architecture (e_machine %u, the guest is %u)", r->name,
                         (unsigned)bits_load_le(h + 18, 2), r->elf_machine);
    if (bits_load_le(h + 16, 2) != ET_EXEC && bits_load_le(h + 16, 2) != ET_DYN)
        return error_set(error, "%s: ELF file is not an executable", r->name);
    u64 offset = bits_load_le(h + 32, 8), count = bits_load_le(h + 56, 2);
    if (bits_load_le(h + 54, 2) != PHDR_SIZE || !count || offset > r->size || count * PHDR_SIZE > r->size - offset)
        return error_set(error, "%s: ELF program headers are missing or cut off", r->name);
    return true;
}

static struct segment read_segment(const u8 *p)
{
    return (struct segment){ .offset = bits_load_le(p + 8, 8), .vaddr = bits_load_le(p + 16, 8), .paddr = bits_load_le(p + 24, 8),
                             .filesz = bits_load_le(p + 32, 8), .memsz = bits_load_le(p + 40, 8) };
}

static bool place_segment(const struct loader_request *r, const struct segment *s, u64 *budget, GError **error)
{
    if (s->offset > r->size || s->filesz > r->size - s->offset || s->filesz > s->memsz)
        return error_set(error, "%s: ELF segment is cut off", r->name);
    /* Overlapping segments could ask for any amount of copying. */
    if (s->memsz > *budget)
        return error_set(error, "%s: ELF segments are larger than the memory", r->name);
    *budget -= s->memsz;
    return loader_fill(r, s->paddr, r->data + s->offset, s->filesz, s->memsz - s->filesz, error);
}

bool loader_place_elf(const struct loader_request *r, struct loader_result *result, GError **error)
{
    *result = (struct loader_result){ .format = LOADER_ELF, .low = UINT64_MAX };
    if (!check_header(r, error))
        return false;
    u64 entry = bits_load_le(r->data + 24, 8), budget = 0, count = bits_load_le(r->data + 56, 2);
    const u8 *headers = r->data + bits_load_le(r->data + 32, 8);
    result->entry = entry;
    for (u64 i = 0; i < count; i++) {
        const u8 *p = headers + i * PHDR_SIZE;
        struct segment s = read_segment(p);

        if (bits_load_le(p, 4) != PT_LOAD || !s.memsz)
            continue;
        if (result->low == UINT64_MAX)
            budget = loader_room(r->space, s.paddr) + 16 * MIB;
        if (!place_segment(r, &s, &budget, error))
            return false;
        result->low = MIN(result->low, s.paddr);
        result->high = MAX(result->high, s.paddr + s.memsz);
        if (entry - s.vaddr < s.memsz)
            result->entry = entry - s.vaddr + s.paddr;
    }
    return result->high ? true : error_set(error, "%s: ELF file has nothing to load", r->name);
}
