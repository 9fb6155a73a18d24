/*
 * block/qcow2/image.h - what tools and monitors ask of a qcow2 image beyond requests. Fiber of the node's loop; the node's driver
 * is qcow2.
 */
#ifndef BLOCK_QCOW2_IMAGE_H
#define BLOCK_QCOW2_IMAGE_H

#include "block/node.h"

struct qcow2;

/* --- creating --- */

struct qcow2_create {
    u64 size;
    u32 version;        /* 2 or 3 */
    u64 cluster_size;
    u32 refcount_bits;
    bool lazy_refcounts, extended_l2, zstd, data_file_raw;
    const char *backing, *backing_format, *data_file; /* or NULL */
    enum block_prealloc prealloc;
};
/* Whether an image can be like this; any thread. */
bool qcow2_create_check(const struct qcow2_create *options, GError **error);
/*
 * Writes an empty image to the node below (which is emptied). With preallocation the disk has no size yet: opened, it is
 * enlarged by block_truncate.
 */
bool qcow2_create(struct block_node *file, const struct qcow2_create *options, GError **error);

/* --- checking --- */

enum { QCOW2_FIX_LEAKS = 1, QCOW2_FIX_ERRORS = 2, QCOW2_FIX_ALL = 3 };

struct qcow2_check {
    unsigned fix;
    u64 corruptions, leaks, check_errors, corruptions_fixed, leaks_fixed;
    u64 total_clusters, allocated_clusters, fragmented_clusters, compressed_clusters, end_offset;
    void (*report)(void *opaque, const char *text); /* a line about each problem; may be NULL */
    void *opaque;
};
/* 0 when the check ran, whatever it found. */
int qcow2_check(struct block_node *node, struct qcow2_check *check);

/* --- snapshots --- */

struct qcow2_snapshot_info {
    const char *id, *name;
    u64 vm_state_size, disk_size, vm_clock_ns, icount; /* icount UINT64_MAX: none */
    u32 date_s, date_ns;
};
unsigned qcow2_snapshot_count(struct block_node *node);
struct qcow2_snapshot_info qcow2_snapshot_info(struct block_node *node, unsigned index); /* strings are the node's */
bool qcow2_snapshot_create(struct block_node *node, const char *name, u32 date_s, u32 date_ns, GError **error);
/* By id, else by name. */
bool qcow2_snapshot_apply(struct block_node *node, const char *name, GError **error);
/* By name alone: what is lost is what was called. */
bool qcow2_snapshot_delete(struct block_node *node, const char *name, GError **error);

/* The node, opened read-only, shows the snapshot of this id and this name (NULL: any) from now on. */
bool qcow2_snapshot_load(struct block_node *node, const char *id, const char *name, GError **error);

/* --- the header --- */

struct qcow2_info {
    u32 version, refcount_bits;
    u64 cluster_size;
    bool lazy_refcounts, corrupt, dirty, extended_l2, zstd, data_file_raw;
    const char *backing, *backing_format, *data_file; /* the node's, or NULL */
};
struct qcow2_info qcow2_info(struct block_node *node);
/* NULL: no backing file. */
bool qcow2_set_backing(struct block_node *node, const char *backing, const char *format, GError **error);
/* block/qcow2/width.c: as wide as that, a power of two up to 64. */
bool qcow2_set_refcount_bits(struct block_node *node, u32 bits, GError **error);
/* block/qcow2/downgrade.c: to version 2. Clusters of zeros become others, bitmaps go. */
bool qcow2_downgrade(struct block_node *node, GError **error);
/* The name of the file with the data, of an image that has one. */
bool qcow2_set_data_file(struct block_node *node, const char *name, GError **error);
/* version 0 and lazy -1: unchanged; version 2 is qcow2_downgrade's. */
bool qcow2_amend(struct block_node *node, u32 version, int lazy, GError **error);
/* The image has nothing of its own any more. */
bool qcow2_make_empty(struct block_node *node, GError **error);
/* Bytes that a file needs for a disk. */
u64 qcow2_measure(u64 size, u64 data_bytes, const struct qcow2_create *options);

struct qcow2_bitmap_info {
    char *name; /* g_free */
    u32 flags;  /* 1: in use (not consistent), 2: auto */
    u64 granularity;
};
/* Bitmaps stored in the image; *count of them, g_free. NULL: none or unreadable. */
struct qcow2_bitmap_info *qcow2_bitmaps(struct block_node *node, unsigned *count);

/*
 * Changing them, block/qcow2/bitmap_edit.c. Each change is on stable storage when it returns, and is there as a whole or not at all after a power
 * failure; where the header's extension about bitmaps stands in two sectors (behind a foreign one of odd length), all may be gone. The node is open for
 * writing and nobody writes to it meanwhile. Errors are worded as QEMU does; a hint follows.
 */
/* granularity in bytes, 0: the size of a cluster, within 4 and 64 KiB. enabled: with the flag "auto". */
bool qcow2_bitmap_add(struct block_node *node, const char *name, u64 granularity, bool enabled, GError **error);
bool qcow2_bitmap_remove(struct block_node *node, const char *name, GError **error);
/* Also of a directory that cannot be read. */
bool qcow2_bitmap_remove_all(struct block_node *node, GError **error);
bool qcow2_bitmap_clear(struct block_node *node, const char *name, GError **error);
bool qcow2_bitmap_enable(struct block_node *node, const char *name, bool enabled, GError **error);
/* Sets what the bitmap of the source, a qcow2 node (the same one as well), has set. The disks have the same size. */
bool qcow2_bitmap_merge(struct block_node *node, const char *name, struct block_node *source, const char *source_name, GError **error);

/* block/qcow2/open.c */
void qcow2_index_metadata(struct qcow2 *s);

#endif
