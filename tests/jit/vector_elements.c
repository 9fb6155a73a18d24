/*
 * tests/jit/vector_elements.c - loads and stores that move element by element, beside a model: strides up, down, of 0 and of more than a page, segments,
 * indices, all of it under masks too; in a page, over pages, over the end of RAM (vstart and what was done before), with a device among the elements,
 * and into a page with code.
 */
#include "tests/jit/lib.h"

enum { ROUNDS = 100, MOST = 64, FIELDS = 4, GROUP = 64, AREA = 3 * 4096, TAIL = 8192 };
#define END ((u8 *)0x84000000) /* of 64 MiB */

TRAP_HANDLER

static u64 seed = 1;
static u8 memory[AREA] __attribute__((aligned(4096))), expected[AREA], image[FIELDS * GROUP], expected_image[FIELDS * GROUP], mask[16];
static u64 indices[MOST + 1];

static u64 next(void)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return seed >> 24;
}

/*
 * a0: base; a1: four groups v8, v12, v16, v20, loaded and stored by whole registers; a2: the stride, or where indices are; a3: vl; a4: the mask.
 * Returns vstart, which is 0 unless the instruction trapped. LMUL is 4 for elements of one field, else 2 or less.
 */
#define FIRST "vl4re8.v v8, (a1)\n addi a5, a1, 64\n vl4re8.v v12, (a5)\n addi a5, a5, 64\n vl4re8.v v16, (a5)\n addi a5, a5, 64\n vl4re8.v v20, (a5)\n vl1re8.v v0, (a4)\n "
#define LAST " csrr a0, vstart\n csrw vstart, zero\n vs4r.v v8, (a1)\n addi a5, a1, 64\n vs4r.v v12, (a5)\n addi a5, a5, 64\n vs4r.v v16, (a5)\n addi a5, a5, 64\n vs4r.v v20, (a5)\n ret\n"
#define FORMS(X)                                                                                                    \
    X(ls8, 8, 0, 1, 0, "vlse8.v v8, (a0), a2") X(ls16, 16, 0, 1, 0, "vlse16.v v8, (a0), a2")                        \
    X(ls32, 32, 0, 1, 0, "vlse32.v v8, (a0), a2") X(ls64, 64, 0, 1, 0, "vlse64.v v8, (a0), a2")                     \
    X(ls32m, 32, 0, 1, 1, "vlse32.v v8, (a0), a2, v0.t") X(ls8m, 8, 0, 1, 1, "vlse8.v v8, (a0), a2, v0.t")          \
    X(ss8, 8, 0, 1, 2, "vsse8.v v8, (a0), a2") X(ss16, 16, 0, 1, 2, "vsse16.v v8, (a0), a2")                        \
    X(ss32, 32, 0, 1, 2, "vsse32.v v8, (a0), a2") X(ss64, 64, 0, 1, 2, "vsse64.v v8, (a0), a2")                     \
    X(ss16m, 16, 0, 1, 3, "vsse16.v v8, (a0), a2, v0.t") X(ss64m, 64, 0, 1, 3, "vsse64.v v8, (a0), a2, v0.t")       \
    X(u8m, 8, 0, 1, 17, "vle8.v v8, (a0), v0.t") X(us8m, 8, 0, 1, 19, "vse8.v v8, (a0), v0.t")                      \
    X(us32m, 32, 0, 1, 19, "vse32.v v8, (a0), v0.t")                                                                \
    X(lg2_8, 8, 0, 2, 16, "vlseg2e8.v v8, (a0)") X(lg3_16, 16, 0, 3, 16, "vlseg3e16.v v8, (a0)")                    \
    X(lg4_8, 8, 0, 4, 16, "vlseg4e8.v v8, (a0)") X(lg4_32, 32, 0, 4, 16, "vlseg4e32.v v8, (a0)")                    \
    X(lg2_64, 64, 0, 2, 17, "vlseg2e64.v v8, (a0), v0.t")                                                           \
    X(sg2_8, 8, 0, 2, 18, "vsseg2e8.v v8, (a0)") X(sg3_32, 32, 0, 3, 18, "vsseg3e32.v v8, (a0)")                    \
    X(sg4_16, 16, 0, 4, 18, "vsseg4e16.v v8, (a0)") X(sg4_8m, 8, 0, 4, 19, "vsseg4e8.v v8, (a0), v0.t")             \
    X(lsg3_16, 16, 0, 3, 0, "vlsseg3e16.v v8, (a0), a2") X(ssg2_32, 32, 0, 2, 2, "vssseg2e32.v v8, (a0), a2")       \
    X(ssg4_8, 8, 0, 4, 2, "vssseg4e8.v v8, (a0), a2")                                                               \
    X(li8_8, 8, 8, 1, 0, "vluxei8.v v8, (a0), v24") X(li8_16, 16, 8, 1, 0, "vluxei8.v v8, (a0), v24")               \
    X(li16_8, 8, 16, 1, 0, "vloxei16.v v8, (a0), v24") X(li16_32, 32, 16, 1, 0, "vluxei16.v v8, (a0), v24")         \
    X(li32_32, 32, 32, 1, 1, "vluxei32.v v8, (a0), v24, v0.t") X(li64_64, 64, 64, 1, 0, "vluxei64.v v8, (a0), v24") \
    X(si8_8, 8, 8, 1, 2, "vsuxei8.v v8, (a0), v24") X(si16_16, 16, 16, 1, 2, "vsoxei16.v v8, (a0), v24")            \
    X(si16_64, 64, 16, 1, 3, "vsoxei16.v v8, (a0), v24, v0.t") X(si64_64, 64, 64, 1, 2, "vsoxei64.v v8, (a0), v24") \
    X(lgi2_16, 16, 16, 2, 0, "vluxseg2ei16.v v8, (a0), v24") X(sgi3_8, 8, 16, 3, 2, "vsoxseg3ei16.v v8, (a0), v24")

/* Bits of `how`. */
enum { MASKED = 1, STORES = 2, UNIT = 16 };

typedef u64 function(u8 *base, u8 *registers, u64 stride, u64 vl, const u8 *mask);
/* A group of indices is as many registers as its width says; the others are not there. */
#define CODE(name, bits, index, fields, how, row)                                                                                    \
    ".balign 4\n" #name ": vsetvli t0, zero, e8, m4, ta, mu\n" FIRST ".if " #index "\n vsetvli t0, zero, e8, m8, ta, mu\n vle8.v v24, (a2)\n .endif\n"             \
    " vsetvli t0, a3, e" #bits ", m2, ta, mu\n " row "\n" LAST
__asm__(".option push\n.option arch, +v\n"
#define X(name, bits, index, fields, how, row) CODE(name, bits, index, fields, how, row)
        FORMS(X)
#undef X
        /* a0: to, a1: from, 4 words each, a2: 4 */
        "store_code: vsetivli t0, 4, e32, m1, ta, ma\n vle32.v v8, (a1)\n vsse32.v v8, (a0), a2\n fence.i\n ret\n"
        /* a0: from; a1: an integer; a2: the stride. Three times the integer, by floating point before and behind */
        "floats: fcvt.d.l fa0, a1\n fadd.d fa1, fa0, fa0\n vsetivli t0, 4, e32, m1, ta, ma\n vlse32.v v8, (a0), a2\n fadd.d fa0, fa1, fa0\n fcvt.l.d a0, fa0\n ret\n"
        ".option pop\n");
#define X(name, bits, index, fields, how, row) function name;
FORMS(X)
#undef X

static const struct form {
    const char *name;
    function *run;
    u64 bytes, index, fields, how;
} forms[] = {
#define X(name, bits, index, fields, how, row) { #name, name, bits / 8, index / 8, fields, how },
    FORMS(X)
#undef X
};

/* --- the model --- */

static u64 index_at(const struct form *f, u64 i)
{
    u64 x = 0;

    for (u64 k = 0; k < f->index; k++)
        x |= (u64)((u8 *)indices)[i * f->index + k] << 8 * k;
    return x;
}

/* Where the registers of a field begin in the image: groups of two registers. */
static u8 *place(u8 *of, u64 field, u64 i, u64 bytes)
{
    return of + field * 32 + i * bytes;
}

static int is_active(const struct form *f, u64 i)
{
    return !(f->how & MASKED) || mask[i / 8] >> i % 8 & 1;
}

/* In `to`, which stands for guest memory at `from`. What vstart is at the end. */
static u64 model(const struct form *f, const u8 *at, const u8 *from, u8 *to, u64 size, u64 stride, u64 vl)
{
    for (u64 i = 0; i < vl; i++) {
        const u8 *element = at + (f->index ? index_at(f, i) : f->how & UNIT ? i * f->fields * f->bytes : i * stride);

        if (!is_active(f, i))
            continue;
        for (u64 field = 0; field < f->fields; field++, element += f->bytes) {
            u64 offset = (u64)(element - from);

            if (offset > size - f->bytes)
                return i;
            for (u64 k = 0; k < f->bytes; k++) {
                u8 *reg = place(expected_image, field, i, f->bytes) + k;

                if (f->how & STORES)
                    to[offset + k] = *reg;
                else
                    *reg = to[offset + k];
            }
        }
    }
    return 0;
}

/* --- one after the other --- */

static void prepare(u8 *area, u64 size)
{
    for (u64 i = 0; i < size; i++)
        area[i] = expected[i] = (u8)(next() >> 3);
    for (u64 i = 0; i < sizeof(image); i++)
        image[i] = expected_image[i] = (u8)(next() >> 3);
    for (u64 i = 0; i < sizeof(mask); i++)
        mask[i] = next() % 4 ? (u8)(next() >> 3) : (u8)-(next() & 1);
}

static void check(const struct form *f, u8 *area, u64 size, u8 *at, u64 stride, u64 vl, int may_trap)
{
    u64 start, vstart;

    for (u64 i = 0; i < sizeof(indices) / 8; i++)
        indices[i] = 0;
    for (u64 i = 0; f->index && i < vl; i++) { /* near, a page apart, and twice the same */
        u64 x = (stride & 0xfff) / 8 * (next() % 8) % (f->index > 1 ? size / 2 : 200) & (may_trap ? -8ul : -1ul);

        for (u64 k = 0; k < f->index; k++)
            ((u8 *)indices)[i * f->index + k] = (u8)(x >> 8 * k);
    }
    prepare(area, size);
    start = model(f, at, area, expected, size, stride, vl);
    trapped.count = 0;
    vstart = f->run(at, image, f->index ? (u64)indices : stride, vl, mask);
    if (vstart != start || (trapped.count && !may_trap))
        fail(f->name, vl, vstart, start);
    for (u64 i = 0; i < size; i++)
        if (area[i] != expected[i])
            fail(f->name, i, area[i], expected[i]);
    for (u64 i = 0; i < sizeof(image); i++)
        if (image[i] != expected_image[i])
            fail(f->name, i, image[i], expected_image[i]);
}

static u64 pick_stride(u64 bytes)
{
    static const s64 strides[] = { 0, 1, 2, 4, 8, 16, 24, 40, 64, -1, -4, -8, -24, 100, 128 };

    return next() % 4 ? (u64)strides[next() % 15] : next() % 8 ? (u64)(next() % 300) - 150 : bytes;
}

static void check_form(const struct form *f, u64 round)
{
    u64 most = 32 / f->bytes, vl = next() % 4 ? most : next() % (most + 1), stride = pick_stride(f->bytes);
    s64 reach = f->how & UNIT ? (s64)(vl * f->bytes * f->fields) : (s64)stride * (s64)vl;
    u64 room = (u64)(reach < 0 ? -reach : reach) + 256;

    /* in the middle of the area, near the end of a page half the time */
    u64 at = next() & 1 ? 4096 + next() % 64 * 64 : 4096 * (1 + next() % 2) - next() % (room < 4096 ? room : 64);
    if (f->index)
        at = next() % 2048 + (next() & 1 ? 2000 : 0);
    if (at + room > AREA || at < room)
        at = AREA / 2;
    check(f, memory, AREA, memory + at, stride, vl, 0);
    if (round % 4 == 0) /* over the end of RAM, which no element that is stored crosses */
        check(f, END - TAIL, TAIL, END - f->bytes - next() % 64 * (f->how & STORES ? f->bytes : 1), stride & -8ul, vl, 1);
}

u64 floats(const u8 *from, u64 number, u64 stride);

/* Elements of more than a page apart, and a device among them. */
static void check_far(void)
{
    u64 *compare = (u64 *)0x2004000, before = *compare, to[2] = { 0, 0 };

    for (u64 i = 0; i < 4; i++)
        ((u64 *)image)[i] = 0x1234567800000000 + i;
    indices[0] = 0, indices[1] = (u64)compare - (u64)to, indices[2] = 8;
    expect(si64_64((u8 *)to, image, (u64)indices, 3, mask), 0);
    expect(to[0], 0x1234567800000000);
    expect(*compare, 0x1234567800000001);
    expect(to[1], 0x1234567800000002);
    for (u64 i = 0; i < 4; i++)
        ((u64 *)image)[i] = 0;
    expect(li64_64((u8 *)to, image, (u64)indices, 3, mask), 0);
    expect(((u64 *)image)[1], 0x1234567800000001);
    expect(((u64 *)image)[2], 0x1234567800000002);
    *compare = before;
    for (u64 i = 0; i < 3; i++)
        *(u32 *)(memory + i * 4100) = (u32)(i + 77);
    expect(ls32(memory, image, 4100, 3, mask), 0);
    for (u64 i = 0; i < 3; i++)
        expect(((u32 *)image)[i], i + 77);
    expect(ls32(memory + 2 * 4100, image, (u64)-4100, 3, mask), 0);
    expect(((u32 *)image)[2], 77);
    expect(ls32((u8 *)0x80000008, image, -8ul, 8, mask), 0); /* below RAM lies a bus without a device */
    expect(((u32 *)image)[0], *(u32 *)0x80000008);
    expect(((u32 *)image)[2], 0xffffffff);
    u8m((u8 *)8, image, 0, 32, mask); /* page 0, which is nobody's */
    li16_32((u8 *)8, image, (u64)indices, 8, mask);
    for (u64 i = 0; i < 100; i++)
        expect(floats(memory, i, i % 2 ? 4 : 4096), 3 * i);
    /* a stride whose multiples come back to the page: 2^62 times 4 is 0 */
    trapped.count = 0;
    expect(ls32(memory, image, 1ul << 62, 5, mask), 1);
    expect(ls32(memory, image, 0x6db6db6db6db6db8, 8, mask), 1); /* 7 times that is 8 */
    expect(trapped.count, 2);
}

/* The code that is stored is what runs. */
static void check_code(void)
{
    static u32 code[1024] __attribute__((aligned(4096)));
    void store_code(u32 *to, const u32 *from, u64 step);

    for (u32 n = 0; n < 200; n++) {
        const u32 words[4] = { 0x00000513 | n << 20, 0x00008067, 0, 0 }; /* li a0, n; ret */

        store_code(code, words, 4);
        expect(((u64 (*)(void))code)(), n);
    }
}

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_set(mstatus, 3 << 13 | 3 << 9);
    for (u64 round = 0; round < ROUNDS; round++)
        for (u64 i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
            check_form(&forms[i], round);
    check_far();
    check_code();
    finish(0);
}
