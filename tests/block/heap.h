/* tests/block/heap.h - how many bytes of heap the process has had at once; only AddressSanitizer tells, elsewhere all is 0. */
#ifndef TESTS_BLOCK_HEAP_H
#define TESTS_BLOCK_HEAP_H

#include <stddef.h>

/* What is allocated now; the peak begins here. The first call begins the counting. */
size_t heap_mark(void);
/* The most that was allocated at once since the mark, by all threads. */
size_t heap_peak(void);

#endif
