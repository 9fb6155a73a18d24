/* Stores of vectors that leave VS as it was, however much of them the translator's own code does: in a page, over its end. */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { VS = 3 << 9, VS_CLEAN = 2 << 9, TIMES = 40 };

static u8 data[3 * 4096] __attribute__((aligned(4096)));

#define STORES(X)                                                                                                                           \
    X(strided, "vsse32.v v8, (a1), a2") X(segments, "vsseg2e32.v v8, (a1)") X(indexed, "vsuxei8.v v8, (a1), v4") X(unit, "vse32.v v8, (a1)")  \
    X(strided_masked, "vsse32.v v8, (a1), a2, v0.t") X(unit_masked, "vse32.v v8, (a1), v0.t") X(whole, "vs4r.v v8, (a1)")                      \
    X(mask, "vsm.v v8, (a1)") X(segments_masked, "vsseg3e32.v v8, (a1), v0.t")
#define CODE(name, store)                                                                                                                   \
    #name ": li t0, 3 << 9\n li t2, 2 << 9\n vsetvli t1, zero, e8, m1, ta, ma\n vmv.v.i v0, 5\n vid.v v4\n vsetvli t1, zero, e32, m1, ta, ma\n"  \
    " csrc mstatus, t0\n csrs mstatus, t2\n " store "\n csrr a0, mstatus\n and a0, a0, t0\n csrs mstatus, t0\n ret\n"
__asm__(".option push\n.option arch, +v\n.balign 4\n" STORES(CODE) ".option pop\n");

typedef u64 store(u64 unused, void *at, u64 stride);
#define DECLARE(name, text) store name;
STORES(DECLARE)

void main(u64 hart)
{
#define NAME(name, text) name,
    static store *const stores[] = { STORES(NAME) };
    static const u64 places[] = { 64, 4096 - 8, 4096 - 6, 4096 - 3 };

    other_harts_wait(hart);
    csr_set(mstatus, 3 << 13 | VS);
    for (u64 i = 0; i < TIMES; i++)
        for (u64 k = 0; k < sizeof(stores) / sizeof(stores[0]); k++)
            for (u64 p = 0; p < sizeof(places) / sizeof(places[0]); p++)
                expect(stores[k](0, data + places[p], 8), VS_CLEAN);
}
