/*
 * tests/jit/vector_once.c - a vector store stores each element once: what another hart made of an element that it saw is not undone. The three
 * elements lie in two lines of the host's cache, one of which the other hart keeps busy, so that two stores of them are far apart. Only many runs meet
 * that (vector_once_long); each host store of generated code is looked at by `ir-test once`.
 */
#include "tests/jit/lib.h"

#ifndef RUNS
#define RUNS 2000
#endif

TRAP_HANDLER

static struct {
    u64 before[6];
    volatile u64 element[3];
    volatile u64 busy;
} place __attribute__((aligned(64)));
static volatile u64 answered __attribute__((aligned(64)));
static volatile u64 done __attribute__((aligned(64)));

void store(volatile u64 *to, const u64 *from, u64 count);
__asm__(
    ".option push\n.option arch, +v\n"
    "store: vsetvli a3, a2, e64, m2, ta, ma\n vle64.v v2, (a1)\n vse64.v v2, (a0)\n ret\n"
    ".option pop\n");

/* Sees an odd number, makes it even, says so. */
static void answer(void)
{
    for (u64 k = 1; !done; k += 2) {
        while (place.element[1] != k && !done)
            place.busy++;
        place.element[1] = k + 1;
        __asm__ volatile("fence rw, rw" ::: "memory");
        answered = k;
    }
    for (;;)
        ;
}

void main(u64 hart)
{
    if (hart)
        answer();
    csr_set(mstatus, 3 << 13 | 3 << 9);
    for (u64 k = 1; k < 2 * RUNS; k += 2) {
        const u64 from[3] = { k, k, k };

        store(place.element, from, 3);
        while (answered != k)
            continue;
        __asm__ volatile("fence rw, rw" ::: "memory");
        expect(place.element[1], k + 1);
    }
    done = 1;
    finish(0);
}
