/* frflags, a comparison, fsflags: what other instructions between them raise is taken back as well, or was there before. */
#include "tests/jit/lib.h"

TRAP_HANDLER

static float ones[4] __attribute__((aligned(16))) = { 1, 1, 1, 1 }, small[4] __attribute__((aligned(16))) = { 1e-10f, 1e-10f, 1e-10f, 1e-10f };

enum { INVALID = 16, INEXACT = 1, TIMES = 200 };

#define FLAGS_BEHIND(first, second)                                                                                            \
    ({                                                                                                                         \
        u64 f_;                                                                                                                \
        __asm__ volatile(".option push\n.option arch, +v\n vsetivli zero, 4, e32, m1, ta, ma\n vle32.v v1, (%1)\n vle32.v v2, (%2)\n fsflags zero\n"             \
                         "fmv.w.x fa0, zero\n fmv.w.x fa1, zero\n flw fa2, (%1)\n flw fa3, (%2)\n frflags a0\n"                \
                         first "\n flt.s a1, fa0, fa1\n" second "\n fsflags a0\n frflags %0\n.option pop"                               \
                         : "=r"(f_) : "r"(ones), "r"(small) : "a0", "a1", "fa0", "fa1", "fa2", "fa3", "memory");               \
        f_;                                                                                                                    \
    })

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_set(mstatus, 0x600);
    for (u64 i = 0; i < TIMES; i++) {
        expect(FLAGS_BEHIND("vfadd.vv v3, v1, v2", ""), 0);
        expect(FLAGS_BEHIND("", "vfadd.vv v3, v1, v2"), 0);
        expect(FLAGS_BEHIND("vadd.vv v3, v1, v2", "vfredosum.vs v3, v1, v2"), 0);
        expect(FLAGS_BEHIND("fadd.s fa4, fa2, fa3", ""), 0);
        expect(FLAGS_BEHIND("", "fadd.s fa4, fa2, fa3"), 0);
        expect(FLAGS_BEHIND("frflags a0\n fadd.s fa4, fa2, fa3\n frflags a0", ""), INEXACT);
        expect(FLAGS_BEHIND("vfadd.vv v3, v1, v2\n frflags a0", ""), INEXACT);
    }
}
