/* vm/view.h - the flat form of an address space: sorted pieces, replaced as a whole. */
#ifndef VM_VIEW_H
#define VM_VIEW_H

#include "vm/memory.h"

struct flat_piece {
    u64 first, last; /* guest addresses, inclusive */
    struct region *region;
    u64 offset;      /* in the region, of first */
    struct ram_block *ram;
    u64 ram_offset;  /* of first */
    bool writable;
    bool messages;   /* the region's ops take messages */
};

struct flat_view {
    u32 count;
    struct flat_piece *piece;
};

#endif
