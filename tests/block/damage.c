/* tests/block/damage.c - small qcow2 images with everything in them, and changes at random, mostly where metadata lies. */
#include "tests/block/damage.h"
#include "block/qcow2/bitmap.h"
#include "block/qcow2/image.h"
#include "tests/block/memory.h"
#include <string.h>

/* A bitmap of one cluster, as the specification lays it out: directory, table, bits. */
static void add_bitmap(struct block_node *node, u32 flags, GRand *rand)
{
    struct qcow2 *s = qcow2_of(node);
    struct qcow2_extension extension = { .type = EXT_BITMAPS, .size = 24, .data = g_malloc0(24) };
    g_autofree u8 *cluster = g_malloc0(s->cluster_size);
    u64 at[3];

    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(qcow2_alloc_run(s, 1, &at[i]), ==, 0);
        block_write_buffer(s->file, at[i], cluster, s->cluster_size);
    }
    put_be64(cluster, at[1]);
    put_be32(cluster + ENTRY_TABLE_SIZE, 1);
    put_be32(cluster + ENTRY_FLAGS, flags);
    cluster[ENTRY_TYPE] = BITMAP_TYPE_DIRTY;
    cluster[ENTRY_GRANULARITY] = (u8)g_rand_int_range(rand, 12, 17);
    bits_store_be(cluster + ENTRY_NAME, 2, 2);
    memcpy(cluster + ENTRY_HEAD, "b0", 2);
    block_write_buffer(s->file, at[0], cluster, 32);
    put_be64(cluster, at[2]);
    block_write_buffer(s->file, at[1], cluster, 8);
    put_be32(extension.data, 1);
    put_be64(extension.data + 8, 32);
    put_be64(extension.data + 16, at[0]);
    g_array_append_val(s->extensions, extension);
    s->autoclear |= AUTOCLEAR_BITMAPS;
    g_assert_cmpint(qcow2_write_header(s), ==, 0);
}

/* As mynah-img makes them, with some bits set: the first one is written while the image is. */
static void add_more_bitmaps(struct block_node *node, GRand *rand)
{
    u8 buffer[4096] = { 1 };

    g_assert_true(qcow2_bitmap_add(node, "b1", 512, true, NULL));
    g_assert_true(qcow2_bitmap_add(node, "b2", 65536, false, NULL));
    block_write_buffer(node, (u64)g_rand_int_range(rand, 0, DAMAGE_DISK / 4096) * 4096, buffer, sizeof(buffer));
    g_assert_true(qcow2_bitmap_merge(node, "b2", node, "b1", NULL));
}

GByteArray *damage_image_create(struct block_graph *graph, GRand *rand)
{
    struct qcow2_create create = { .size = DAMAGE_DISK, .version = (u32)g_rand_int_range(rand, 2, 4), .refcount_bits = 16 };
    struct block_node *file = memory_create_plain(graph, "seed", NULL, 0), *node;
    GByteArray *out = g_byte_array_new();
    u8 buffer[8192];
    struct iovec iov;

    create.cluster_size = 512u << g_rand_int_range(rand, 0, 6);
    if (create.version == 3) {
        create.refcount_bits = 1u << g_rand_int_range(rand, 3, 7);
        create.zstd = g_rand_boolean(rand);
        create.lazy_refcounts = g_rand_boolean(rand);
        create.extended_l2 = create.cluster_size >= 16384 && g_rand_boolean(rand);
    }
    g_assert_true(qcow2_create(file, &create, NULL));
    node = open_qcow2(graph, "seed", NULL, true, NULL);
    for (unsigned i = 0; i < 12; i++) {
        u64 offset = (u64)g_rand_int_range(rand, 0, DAMAGE_DISK / 8192) * 8192;

        memset(buffer, (int)i + 1, sizeof(buffer));
        if (i % 4 == 3)
            block_write(node, offset / create.cluster_size * create.cluster_size,
                        block_data_one(&iov, buffer, MIN(create.cluster_size, sizeof(buffer))), create.cluster_size <= sizeof(buffer) ? BLOCK_COMPRESSED : 0);
        else if (i % 4 == 2)
            block_write_zeroes(node, offset, 8192, BLOCK_MAY_UNMAP);
        else
            block_write_buffer(node, offset, buffer, sizeof(buffer));
        if (i == 5 || i == 8)
            qcow2_snapshot_create(node, i == 5 ? "one" : "two", 1, 1, NULL);
    }
    if (create.version == 3 && create.cluster_size >= 1024)
        add_bitmap(node, BITMAP_AUTO, rand);
    if (create.version == 3 && g_rand_boolean(rand))
        add_more_bitmaps(node, rand);
    block_unref(node);
    g_byte_array_append(out, memory_of(file)->now, (guint)memory_of(file)->size);
    block_unref(file);
    return out;
}

static u64 interesting(GRand *rand)
{
    static const u64 values[] = { 0, 1, 2, 0x7f, 0xff, 0x200, 0x1000, 0x10000, 0xffff, 0x7fffffff, 0xffffffff, 0x8000000000000000, 0x4000000000000000,
                                  0x00fffffffffffe00, 0x7fffffffffffffff, 0xffffffffffffffff, 0x8000000000010000, 0x100000000000 };

    return values[g_rand_int_range(rand, 0, ARRAY_SIZE(values))];
}

/* Where the directory of bitmaps lies, or one of their tables; 0: nowhere. */
static u64 place_of_bitmaps(const GByteArray *image, GRand *rand)
{
    const u8 magic[8] = { 0x23, 0x85, 0x28, 0x75, 0, 0, 0, 24 };
    const u8 *at = image->len > 4096 ? memmem(image->data, 4096, magic, sizeof(magic)) : NULL;
    u64 directory = at && at + 32 < image->data + image->len ? be64(at + 24) : 0;

    if (!directory || directory >= image->len - 64)
        return 0;
    if (g_rand_boolean(rand))
        return directory;
    return be64(image->data + directory) < image->len - 64 ? be64(image->data + directory) : directory;
}

void damage_image(GByteArray *image, GRand *rand)
{
    unsigned changes = (unsigned)g_rand_int_range(rand, 1, 6);

    if (g_rand_int_range(rand, 0, 20) == 0)
        g_byte_array_set_size(image, (guint)g_rand_int_range(rand, 0, (gint)image->len));
    for (unsigned i = 0; i < changes && image->len > 16; i++) {
        /* The header half of the time; else any eight bytes, which are often zero in an image and so a table's. */
        u64 limit = g_rand_boolean(rand) ? MIN(image->len - 8, 112) : image->len - 8, at = (u64)g_rand_int_range(rand, 0, (gint)limit);
        u64 bitmaps = g_rand_int_range(rand, 0, 4) == 0 ? place_of_bitmaps(image, rand) : 0;

        if (bitmaps) /* an entry, mostly the first one, or the table that it names */
            at = bitmaps + (u64)g_rand_int_range(rand, 0, 56);
        at = g_rand_int_range(rand, 0, 4) ? at & ~UINT64_C(3) : at;
        switch (g_rand_int_range(rand, 0, 4)) {
        case 0:
            image->data[at] ^= (u8)(1 << g_rand_int_range(rand, 0, 8));
            break;
        case 1: {
            u64 value = GUINT64_TO_BE(interesting(rand));

            memcpy(image->data + at, &value, 8);
            break;
        }
        case 2: {
            u32 value = GUINT32_TO_BE((u32)interesting(rand));

            memcpy(image->data + at, &value, 4);
            break;
        }
        default: { /* an entry from elsewhere */
            u64 from = (u64)g_rand_int_range(rand, 0, (gint)(image->len - 8)) & ~UINT64_C(7);

            memmove(image->data + (at & ~UINT64_C(7)), image->data + from, 8);
        }
        }
    }
}
