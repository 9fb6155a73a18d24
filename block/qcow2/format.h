/* block/qcow2/format.h - what is on disk ("The qcow2 image format", QEMU's docs/interop/qcow2). All numbers are big-endian. */
#ifndef BLOCK_QCOW2_FORMAT_H
#define BLOCK_QCOW2_FORMAT_H

#include "base/bits.h"
#include <glib.h>

enum {
    QCOW2_MAGIC = 0x514649fb, /* "QFI" 0xfb */
    QCOW2_MIN_CLUSTER_BITS = 9,
    QCOW2_MAX_CLUSTER_BITS = 21,
    QCOW2_HEADER_V2 = 72,
    QCOW2_HEADER_V3 = 104,
    QCOW2_HEADER_OURS = 112,
    QCOW2_MAX_BACKING_NAME = 1023,
    QCOW2_MAX_SNAPSHOTS = 65536,
    QCOW2_SUBCLUSTERS = 32,
};

/* Limits on what is held in memory as a whole. */
#define QCOW2_MAX_L1_BYTES        (32 * MIB)
#define QCOW2_MAX_REFTABLE_BYTES  (8 * MIB)
#define QCOW2_MAX_SNAPSHOT_BYTES  (16 * MIB)
#define QCOW2_MAX_BITMAP_DIR      (1 * MIB)

/* Offsets in the header. */
enum {
    H_MAGIC = 0, H_VERSION = 4, H_BACKING_OFFSET = 8, H_BACKING_SIZE = 16, H_CLUSTER_BITS = 20, H_SIZE = 24,
    H_CRYPT = 32, H_L1_SIZE = 36, H_L1_OFFSET = 40, H_REFTABLE_OFFSET = 48, H_REFTABLE_CLUSTERS = 56, H_SNAPSHOTS = 60,
    H_SNAPSHOTS_OFFSET = 64, H_INCOMPATIBLE = 72, H_COMPATIBLE = 80, H_AUTOCLEAR = 88, H_REFCOUNT_ORDER = 96,
    H_LENGTH = 100, H_COMPRESSION = 104,
};

#define INCOMPAT_DIRTY       BIT64(0)
#define INCOMPAT_CORRUPT     BIT64(1)
#define INCOMPAT_DATA_FILE   BIT64(2)
#define INCOMPAT_COMPRESSION BIT64(3)
#define INCOMPAT_EXTENDED_L2 BIT64(4)
#define INCOMPAT_KNOWN       (BIT64(5) - 1)
#define COMPAT_LAZY          BIT64(0)
#define AUTOCLEAR_BITMAPS    BIT64(0)
#define AUTOCLEAR_RAW_DATA   BIT64(1)
#define AUTOCLEAR_KNOWN      (BIT64(2) - 1)

/* Header extensions. */
enum {
    EXT_END = 0,
    EXT_FEATURES = 0x6803f857,
    EXT_BITMAPS = 0x23852875,
    EXT_CRYPT = 0x0537be77,
    EXT_DATA_FILE = 0x44415441,
};
#define EXT_BACKING_FORMAT 0xe2792acau

/* L1 and L2 entries. */
#define ENTRY_OFFSET     UINT64_C(0x00fffffffffffe00)
#define ENTRY_COPIED     BIT64(63)
#define ENTRY_COMPRESSED BIT64(62)
#define ENTRY_ZERO       BIT64(0)
#define L1_RESERVED      UINT64_C(0x7f000000000001ff)
#define L2_RESERVED      UINT64_C(0x3f000000000001fe)
#define REFTABLE_OFFSET  UINT64_C(0xfffffffffffffe00)

static inline u64 be64(const void *p)
{
    u64 v;

    memcpy(&v, p, 8);
    return GUINT64_FROM_BE(v);
}

static inline void put_be64(void *p, u64 v)
{
    v = GUINT64_TO_BE(v);
    memcpy(p, &v, 8);
}

static inline u32 be32(const void *p)
{
    return (u32)bits_load_be(p, 4);
}

static inline void put_be32(void *p, u32 v)
{
    bits_store_be(p, 4, v);
}

static inline u32 be16(const void *p)
{
    return (u32)bits_load_be(p, 2);
}

#endif
