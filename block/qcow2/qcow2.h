/*
 * block/qcow2/qcow2.h - the state of an open qcow2 image, and what its files offer each other. Metadata is touched with `lock`
 * held; guest data moves without it. docs/decisions/block-qcow2-order.md says in which order things reach the disk.
 */
#ifndef BLOCK_QCOW2_QCOW2_H
#define BLOCK_QCOW2_QCOW2_H

#include "block/driver.h"
#include "block/qcow2/compress.h"
#include "block/qcow2/format.h"

struct qcow2;

/* --- cache.c: tables of one cluster each --- */

struct qcow2_table {
    u64 offset; /* in the file; 0: unused */
    u8 *data;
    u32 dirty_from, dirty_to; /* bytes that differ from the disk; equal: none */
    u32 pins;
    u64 used; /* clock of the last use */
};

struct qcow2_cache {
    struct qcow2 *s;
    bool is_l2;
    struct qcow2_table *tables;
    unsigned count;
    u64 clock;
    GHashTable *by_offset;
    unsigned dirty; /* tables that are */
};

void qcow2_cache_init(struct qcow2_cache *cache, struct qcow2 *s, bool is_l2, unsigned count);
void qcow2_cache_finish(struct qcow2_cache *cache);
/* Reads the table if need be; fresh: it is zeroed instead, and wholly dirty. Pinned until qcow2_table_put. 0 or -errno. */
int qcow2_cache_get(struct qcow2_cache *cache, u64 offset, bool fresh, struct qcow2_table **out);
void qcow2_table_put(struct qcow2_table *table);
void qcow2_table_dirty(struct qcow2_cache *cache, struct qcow2_table *table, u32 from, u32 size);
/* Writes all dirty tables (no flush). */
int qcow2_cache_write(struct qcow2_cache *cache);
/* Forgets a table that is no more, and what was not written of it. */
void qcow2_cache_drop(struct qcow2_cache *cache, u64 offset);

/* --- meta.c: which clusters of the file are metadata --- */

enum qcow2_kind { META_NONE, META_HEADER, META_L1, META_L2, META_REFTABLE, META_REFBLOCK, META_SNAPSHOTS, META_OLD_L1, META_BITMAPS };

struct qcow2_range {
    u64 first, end; /* cluster indices */
};

struct qcow2_meta {
    u64 *keys; /* cluster index + 1; 0: free */
    u8 *kinds;
    unsigned bits, used;
    bool overlap; /* two kinds claimed one cluster */
    u64 last;     /* the highest key that was ever added */
    GArray *old;  /* of struct qcow2_range, sorted, apart from each other: L1 tables of snapshots, which an image may claim to be huge and many */
};

void qcow2_meta_finish(struct qcow2_meta *meta);
void qcow2_meta_add(struct qcow2 *s, u64 offset, u64 size, enum qcow2_kind kind);
void qcow2_meta_remove(struct qcow2 *s, u64 offset, u64 size);
/* Snapshots have come or gone. */
void qcow2_meta_set_snapshots(struct qcow2 *s);
enum qcow2_kind qcow2_meta_find(struct qcow2 *s, u64 offset);
const char *qcow2_kind_name(enum qcow2_kind kind);
/* 0, or -EIO after marking the image corrupt: a write there would hit metadata of another kind. */
int qcow2_check_overlap(struct qcow2 *s, u64 offset, u64 size, enum qcow2_kind own);

/* --- the image --- */

struct qcow2_snapshot {
    u64 l1_offset;
    u32 l1_size; /* entries */
    char *id, *name;
    u32 date_s, date_ns;
    u64 vm_clock_ns, vm_state_size, disk_size, icount;
    u8 *extra; /* all extra data as found */
    u32 extra_size;
};

struct qcow2_extension {
    u32 type, size;
    u8 *data;
};

/* Clusters (or compressed bytes) that no table will refer to once the tables are on disk. */
struct qcow2_free {
    u64 offset, size; /* bytes; whole clusters are touched by it */
};

/* A request on a range of guest clusters that is under way. */
struct qcow2_op {
    u64 first, last; /* cluster numbers, both included */
    bool exclusive;
    struct qcow2_op *next, *prev;
    struct block_queue waiting;
};

struct qcow2 {
    struct block_node *node, *file; /* file: metadata, and guest data unless there is a data file */
    struct block_node *data;
    struct block_edge *data_edge;
    u32 version, cluster_bits, refcount_order, header_length;
    u64 cluster_size;
    u32 l2_bits;      /* log2 of entries in an L2 table */
    u32 entry_size;   /* of an L2 entry: 8 or 16 */
    u32 sub_bits;     /* log2 of bytes in a subcluster; cluster_bits without extended L2 */
    u64 incompatible, compatible, autoclear;
    u8 compression;
    char *backing_name, *backing_format, *data_name;
    GArray *extensions; /* of struct qcow2_extension: those that the file had and we do not rewrite */

    u64 l1_offset, *l1;
    u32 l1_size;
    u32 l1_dirty_from, l1_dirty_to; /* entries */

    u64 reftable_offset, *reftable;
    u32 reftable_clusters, reftable_size; /* size: entries in memory */
    u32 reftable_dirty_from, reftable_dirty_to;
    bool growing_reftable;

    struct qcow2_cache l2_cache, ref_cache;
    struct qcow2_meta meta;
    struct block_mutex lock;
    struct qcow2_op *ops;
    GArray *frees;         /* of struct qcow2_free */
    u64 free_hint;         /* no cluster below this index is free */
    u64 free_byte;         /* next place for compressed data, 0: none */
    bool unsynced;         /* guest data or reference counts may not be on disk yet */
    enum { SPARSE_UNKNOWN, SPARSE_NO, SPARSE_YES } sparse; /* clusters were allocated ahead of their data */
    bool lazy, dirty_on_disk, corrupt, usable;
    bool discard_request, discard_snapshot, discard_other, check_overlaps;

    struct qcow2_snapshot *snapshots;
    u32 snapshot_count;
    u64 snapshots_offset, snapshots_size;

    GArray *bitmaps; /* of struct tracked (bitmap_track.c): kept up to date since the first write; NULL before */

    u8 *unpacked; /* the compressed cluster that was read last */
    u64 unpacked_entry;
    struct qcow2_packers packers;
};

static inline struct qcow2 *qcow2_of(struct block_node *node)
{
    return node->state;
}

static inline u64 qcow2_clusters(const struct qcow2 *s, u64 bytes)
{
    return (bytes >> s->cluster_bits) + ((bytes & (s->cluster_size - 1)) != 0);
}

static inline u64 qcow2_in_cluster(const struct qcow2 *s, u64 offset)
{
    return offset & (s->cluster_size - 1);
}

static inline u32 qcow2_subclusters(const struct qcow2 *s)
{
    return s->entry_size == 16 ? QCOW2_SUBCLUSTERS : 1;
}

/* L1 entries for a disk of `size` bytes. */
static inline u64 qcow2_l1_entries(const struct qcow2 *s, u64 size)
{
    u32 bits = s->cluster_bits + s->l2_bits;

    return (size >> bits) + ((size & (BIT64(bits) - 1)) != 0);
}

/* Whether this entry of the refcount table, for a whole block of counts, names a block. */
static inline bool qcow2_has_refblock(const struct qcow2 *s, u64 block)
{
    return block < s->reftable_size && (s->reftable[block] & REFTABLE_OFFSET);
}

/* header.c */
bool qcow2_read_header(struct qcow2 *s, GError **error);
/* Writes the header, its extensions and the backing file's name. */
int qcow2_write_header(struct qcow2 *s);
/*
 * The same, and a flush, when only extensions differ from what is on the disk: if some of its sectors are lost, it can still be read, as long as no
 * extension is valid that is new. The caller sees to that.
 */
int qcow2_write_extensions(struct qcow2 *s);
/* Where the last extension of a type has its data in the file; 0: there is none. 0 or -errno. */
int qcow2_find_extension(struct qcow2 *s, u32 type, u64 *at);
/* One field of the header and a flush. */
int qcow2_write_field(struct qcow2 *s, u32 at, u32 size, u64 value);
/*
 * Fields that lie together and name a table, and a flush. After an error they are as before, and what they were to name is free; where they cannot be
 * brought back either, the image is corrupt and nothing may be freed.
 */
int qcow2_change_header(struct qcow2 *s, u32 at, const u8 *fields, u32 size);
/* Marks the image corrupt; no write is accepted any more. Returns -EIO. */
int qcow2_corrupt(struct qcow2 *s, const char *format, ...) PRINTF_LIKE(2, 3);
int qcow2_set_dirty(struct qcow2 *s, bool dirty);

/* refcount.c */
int qcow2_refcount(struct qcow2 *s, u64 cluster, u64 *count);
/* Of all clusters that the range touches. */
int qcow2_refcount_add(struct qcow2 *s, u64 offset, u64 size, int delta);
/* To mend it; there is a block for it. */
int qcow2_refcount_set(struct qcow2 *s, u64 cluster, u64 count);
u64 qcow2_refcount_max(const struct qcow2 *s);
u64 qcow2_refcount_read(const struct qcow2 *s, const u8 *block, u64 index);
void qcow2_refcount_store(const struct qcow2 *s, u8 *block, u64 index, u64 count);

/* alloc.c */
/* Up to `want` adjacent clusters with a count of 1. */
int qcow2_alloc(struct qcow2 *s, u64 want, u64 *offset, u64 *got);
/* That many adjacent ones. */
int qcow2_alloc_run(struct qcow2 *s, u64 clusters, u64 *offset);
/* Room for compressed data. */
int qcow2_alloc_bytes(struct qcow2 *s, u64 size, u64 *offset);
/* The cluster with this index if it is free. False: it is not. */
int qcow2_alloc_at(struct qcow2 *s, u64 index, bool *got);
int qcow2_make_refblock(struct qcow2 *s, u64 block, u64 cluster);
int qcow2_grow_reftable(struct qcow2 *s, u64 entries);
/* To be given back when nothing on disk refers to it any more. */
int qcow2_free_later(struct qcow2 *s, u64 offset, u64 size);
/* At once: nothing refers to it. Errors leave it leaked. */
void qcow2_free_now(struct qcow2 *s, u64 offset, u64 size);

/* sync.c: the order in which things reach the disk */
/* Before an L2 table is written: counts and data. */
int qcow2_sync_before_l2(struct qcow2 *s);
/* Everything, on stable storage; then frees what waits. */
int qcow2_sync(struct qcow2 *s);

/* map.c */
enum qcow2_type {
    TYPE_UNALLOCATED,      /* no cluster */
    TYPE_UNALLOCATED_SUB,  /* a cluster, but not this part of it */
    TYPE_ZERO,             /* zeros, no cluster */
    TYPE_ZERO_CLUSTER,     /* zeros, and a cluster that could hold data */
    TYPE_DATA,
    TYPE_COMPRESSED,
    TYPE_INVALID,
};

struct qcow2_entry {
    u64 entry, bitmap; /* bitmap: extended L2, else 0 */
};

struct qcow2_map {
    enum qcow2_type type;
    u64 size; /* bytes alike, adjacent in the file if they have a place there */
    u64 host; /* offset in the data file, or 0 */
    u64 entry;
};

enum qcow2_type qcow2_type(const struct qcow2 *s, struct qcow2_entry entry, unsigned sub);
/* What is at guest offset, up to `size` bytes. Lock. */
int qcow2_map(struct qcow2 *s, u64 offset, u64 size, struct qcow2_map *map);
/* The L2 table of a guest offset. *table is NULL when there is none. */
int qcow2_l2_find(struct qcow2 *s, u64 offset, struct qcow2_table **table);
/* The same, to be changed: made if missing, copied if shared with a snapshot. */
int qcow2_l2_for_write(struct qcow2 *s, u64 offset, struct qcow2_table **table);
struct qcow2_entry qcow2_l2_get(const struct qcow2 *s, const struct qcow2_table *table, u64 index);
void qcow2_l2_set(struct qcow2 *s, struct qcow2_table *table, u64 index, struct qcow2_entry entry);
static inline u64 qcow2_l2_index(const struct qcow2 *s, u64 offset)
{
    return (offset >> s->cluster_bits) & (BIT64(s->l2_bits) - 1);
}
/* Where a compressed cluster lies. */
void qcow2_compressed_range(const struct qcow2 *s, u64 entry, u64 *offset, u64 *size);
/* Gives back what an entry that has been replaced refers to. */
int qcow2_free_entry(struct qcow2 *s, u64 entry);

/* io.c, zero.c, compress.c */
int qcow2_read(struct block_node *node, u64 offset, struct block_data data);
int qcow2_write(struct block_node *node, u64 offset, struct block_data data, u32 flags);
int qcow2_begin(struct qcow2 *s, struct qcow2_op *op, u64 offset, u64 size, bool exclusive);
void qcow2_end(struct qcow2 *s, struct qcow2_op *op);
int qcow2_writable(struct qcow2 *s);
int qcow2_write_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags);
int qcow2_discard(struct block_node *node, u64 offset, u64 size);
/* Without regard to options: the clusters lose their content. Lock. */
int qcow2_discard_range(struct qcow2 *s, u64 offset, u64 size, bool full);
int qcow2_read_compressed(struct qcow2 *s, u64 entry, u64 in_cluster, struct block_data data);
int qcow2_write_compressed(struct qcow2 *s, u64 offset, struct block_data data);

/* resize.c */
bool qcow2_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error);
/*
 * Makes this the active L1 table, in a place of its own in the file, and the disk as large as that on disk, both at once; *l1 is the one before then, and the
 * caller's again. After an error nothing has changed. block_set_size is left to the caller.
 */
int qcow2_replace_l1(struct qcow2 *s, u64 **l1, u32 size, u64 disk_size);

/* snapshot_table.c */
bool qcow2_read_snapshots(struct qcow2 *s, GError **error);
int qcow2_write_snapshots(struct qcow2 *s);
void qcow2_free_snapshots(struct qcow2 *s);
/* Reads an L1 table of a snapshot; g_free. */
int qcow2_read_l1(struct qcow2 *s, u64 offset, u32 size, u64 **out);
/* Entries, as far as `keep` has bits, and zeros to the end of their last cluster. */
int qcow2_write_table(struct qcow2 *s, u64 offset, const u64 *table, u32 size, u64 keep);

#endif
