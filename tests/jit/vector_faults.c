/*
 * tests/jit/vector_faults.c - vector loads and stores that meet the end of RAM: fault-only-first loads of all kinds shorten vl for what stands behind
 * them in the same block; others leave vstart at the element, go on from there, and change VS. And a frm without a meaning.
 */
#include "tests/jit/lib.h"

enum { VL = 16, DIRTY = 3 };
#define END ((const u8 *)0x84000000) /* of 64 MiB */

TRAP_HANDLER

static u8 out[VL], source[VL];

/* a0: from; a1: 16 bytes, of which a vadd behind the load changed as many as vl says. Returns vl. */
__asm__(
    ".option push\n.option arch, +v\n"
    ".macro load name, vl, row:vararg\n"
    "\\name: vsetivli a2, 16, e8, m1, ta, ma\n vmset.m v0\n vmv.v.i v8, 7\n vsetivli a2, \\vl, e8, m1, ta, ma\n"
    "\\row\n vadd.vi v8, v8, 1\n csrr a0, vl\n vsetivli a2, 16, e8, m1, ta, ma\n vse8.v v8, (a1)\n ret\n"
    ".endm\n"
    "load plain, 16, vle8ff.v v2, (a0)\n load masked, 16, vle8ff.v v2, (a0), v0.t\n load odd, 12, vle8ff.v v2, (a0)\n"
    "load pairs, 16, vlseg2e8ff.v v2, (a0)\n load triples, 16, vlseg3e8ff.v v2, (a0)\n load wide, 8, vle16ff.v v2, (a0), v0.t\n"
    /* a0: to; a1: 16 elements */
    "store: vsetivli a2, 16, e8, m1, ta, ma\n vle8.v v1, (a1)\n csrc mstatus, a3\n"
    ".globl fault\nfault: vse8.v v1, (a0)\n ret\n"
    /* a0: to; a1: vstart */
    "go_on: csrc mstatus, a3\n vse8.v v1, (a0)\n ret\n"
    /* a0: frm. Each is a floating-point instruction of vectors, the second and third ones that do not round. */
    "round: vsetivli a2, 1, e32, m1, ta, ma\n csrw frm, a0\n vfadd.vv v1, v1, v1\n vfmv.s.f v1, fa0\n vfmv.f.s fa0, v1\n ret\n"
    ".option pop\n");
void round(u64 frm);
typedef u64 load(const u8 *from, u8 *to);
load plain, masked, odd, pairs, triples, wide;
void store(u8 *to, const u8 *from, u64 unused, u64 clean), go_on(u8 *to, u64 unused, u64 unused_too, u64 clean);
extern char fault[];

static void check_load(load *name, u64 bytes, u64 vl)
{
    expect(name(END - bytes * vl - bytes / 2, out), vl);
    for (u64 i = 0; i < VL; i++)
        expect(out[i], i < vl ? 8 : 7);
}

static u64 vs(void)
{
    return csr_read(mstatus) >> 9 & 3;
}

/* Clean before each: a store that changes vstart changes vectors (section 3.2 of "V": any change of vector state). */
static void check_store(void)
{
    u8 *end = (u8 *)END;

    for (u64 i = 0; i < VL; i++)
        source[i] = (u8)(i + 1);
    trapped.count = 0;
    store(end - 5, source, 0, 1 << 9);
    expect(trapped.count, 1);
    expect(trapped.epc, (u64)fault);
    expect(trapped.tval, (u64)end);
    expect(csr_read(vstart), 5);
    expect(vs(), DIRTY);
    for (u64 i = 0; i < 5; i++)
        expect(end[(s64)i - 5], i + 1);
    go_on(out, 0, 0, 1 << 9);
    expect(csr_read(vstart), 0);
    expect(vs(), DIRTY);
    for (u64 i = 0; i < VL; i++)
        expect(out[i], i < 5 ? 0 : i + 1);
    go_on(out, 0, 0, 1 << 9); /* this one changes nothing */
    expect(out[0], 1);
}

/* Reserved with a frm that says nothing, "even for those that do not depend on the rounding mode" ("V", floating-point instructions). */
static void check_rounding(void)
{
    for (u64 frm = 0; frm < 8; frm++) {
        trapped.count = 0;
        round(frm);
        expect(trapped.count, frm < 5 ? 0 : 3);
        expect(!trapped.count || trapped.cause == 2, 1);
    }
    csr_write(frm, 0);
}

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_set(mstatus, 3 << 13 | 3 << 9);
    for (u64 i = 0; i < VL; i++)
        out[i] = 0;
    check_store();
    check_rounding();
    for (u64 turn = 0; turn < 20; turn++) {
        for (u64 vl = 1; vl < 8; vl++) {
            check_load(plain, 1, vl);
            check_load(masked, 1, vl);
            check_load(odd, 1, vl);
            check_load(pairs, 2, vl);
            check_load(triples, 3, vl);
            check_load(wide, 2, vl);
        }
    }
    finish(0);
}
