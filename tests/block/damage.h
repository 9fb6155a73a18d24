/* tests/block/damage.h - qcow2 images to damage. */
#ifndef TESTS_BLOCK_DAMAGE_H
#define TESTS_BLOCK_DAMAGE_H

#include "tests/block/memory.h"

enum { DAMAGE_DISK = 1 << 20 }; /* what a guest sees of one */

/* A sound image with snapshots, a bitmap, compression and holes, of a version, cluster size and options at random. The caller's. */
GByteArray *damage_image_create(struct block_graph *graph, GRand *rand);
/* One to five changes; now and then a cut. */
void damage_image(GByteArray *image, GRand *rand);

#endif
