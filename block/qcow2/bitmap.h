/* block/qcow2/bitmap.h - dirty bitmaps in images: their directory, and keeping them up to date. Private to block/qcow2/. */
#ifndef BLOCK_QCOW2_BITMAP_H
#define BLOCK_QCOW2_BITMAP_H

#include "block/qcow2/qcow2.h"

/* Flags of a bitmap, and places in its directory entry (the specification's "Bitmap directory"). */
enum { BITMAP_IN_USE = 1, BITMAP_AUTO = 2, BITMAP_EXTRA_IS_COMPATIBLE = 4, BITMAP_TYPE_DIRTY = 1 };
enum { BITMAP_MIN_GRANULARITY = 9, BITMAP_MAX_GRANULARITY = 31 }; /* log2 of bytes */
#define BITMAP_ENTRY_ONES BIT64(0) /* of its table: a cluster of ones, stored nowhere */
enum { ENTRY_TABLE = 0, ENTRY_TABLE_SIZE = 8, ENTRY_FLAGS = 12, ENTRY_TYPE = 16, ENTRY_GRANULARITY = 17, ENTRY_NAME = 18, ENTRY_EXTRA = 20, ENTRY_HEAD = 24 };

struct qcow2_bitmap_directory {
    u8 *data; /* g_free */
    u64 offset, size;
    u32 count;
};

/* False: there is none that holds, or it cannot be read. */
bool qcow2_bitmap_directory_read(struct qcow2 *s, struct qcow2_bitmap_directory *dir);
/* The entry at *at, which moves behind it. NULL: no more. */
u8 *qcow2_bitmap_next(const struct qcow2_bitmap_directory *dir, u64 *at);

/* Bytes of bits for a disk, one bit for BIT64(granularity) bytes of it. */
u64 qcow2_bitmap_bytes(u64 disk_size, unsigned granularity);
/* Whether bytes (at least one) have this value, all of them. */
bool qcow2_bitmap_all(const u8 *bytes, u64 size, u8 value);

/* --- bitmap_bits.c: the bits of one bitmap, to be changed as a whole --- */

struct qcow2_bits {
    unsigned granularity; /* log2 of bytes that a bit stands for */
    u32 clusters;
    u64 cluster_size;
    u8 **cluster; /* NULL: zeros */
};

/* All zero; qcow2_bits_finish. */
void qcow2_bits_init(struct qcow2_bits *bits, const struct qcow2 *s, unsigned granularity, u32 clusters);
void qcow2_bits_finish(struct qcow2_bits *bits);
/* What the table (of as many entries as bits has clusters) refers to. 0 or -errno. Lock. */
int qcow2_bits_read(struct qcow2_bits *bits, struct qcow2 *s, const u64 *table);
/* Sets what `from` has set, of a disk of the same size; granularities may differ. */
void qcow2_bits_merge(struct qcow2_bits *into, const struct qcow2_bits *from, u64 disk_size);
/* Puts the bits into new clusters and their places into the table, which is zeroed before. 0 or -errno: those it names are the caller's to free. Lock. */
int qcow2_bits_write(const struct qcow2_bits *bits, struct qcow2 *s, u64 *table);

/* --- bitmap_track.c --- */

/*
 * Before the first write: bitmaps with the flag "auto" are read, and flagged as in use until they are written back. Those that cannot be
 * kept stay in use, which says that they are outdated. 0 or -errno: do not write. Without the lock.
 */
int qcow2_bitmaps_track(struct qcow2 *s);
/* Bytes of the disk change. */
void qcow2_bitmaps_mark(struct qcow2 *s, u64 offset, u64 size);
/* The disk is about to have this size: bitmaps whose tables are not for that are outdated. Lock. */
int qcow2_bitmaps_resize(struct qcow2 *s, u64 size);
/* Writes them back, at the end. Lock. */
int qcow2_bitmaps_store(struct qcow2 *s);
/* Writes them back and forgets them, until the next write. Lock. */
int qcow2_bitmaps_untrack(struct qcow2 *s);
void qcow2_bitmaps_free(struct qcow2 *s);

#endif
