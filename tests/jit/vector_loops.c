/*
 * tests/jit/vector_loops.c - strip-mined loops of vectors, which become loops in one piece that do several turns at a time: memory beside a model and
 * registers beside those of single turns, for all lengths, with arrays that overlap, NaNs among numbers, pages that end and RAM that does.
 */
#include "tests/jit/vector_lib.h"

enum { SIZE = 3 * 4096, ROUNDS = 60, TAIL = 8192 };
#define END ((u8 *)0x84000000) /* of 64 MiB */

TRAP_HANDLER

static u8 from[SIZE] __attribute__((aligned(4096))), to[SIZE] __attribute__((aligned(4096))), expected[SIZE];

/*
 * a0: to, a1: from, a2: elements, fa0 and a3: scalars. Returns the length of the last turn and, times 2^32, by how much the pointer to `from` moved;
 * from `faulted`, which traps come back to, vstart and that.
 */
#define LOOP(name, sew, lmul, shift, before, body)                                                                    \
    #name ": mv a6, a1\n " before "\n1: vsetvli t0, a2, e" #sew ", " #lmul ", tu, ma\n " body "\n slli t1, t0, " #shift "\n sub a2, a2, t0\n add a1, a1, t1\n add a0, a0, t1\n" \
    " bnez a2, 1b\n csrr a0, vl\n sub a1, a1, a6\n slli a1, a1, 32\n or a0, a0, a1\n ret\n"
__asm__(".option push\n.option arch, +v\n.balign 4\n"
    LOOP(copy1, 8, m1, 0, "", "vle8.v v1, (a1)\n vse8.v v1, (a0)")
    LOOP(copy8, 8, m8, 0, "", "vle8.v v8, (a1)\n vse8.v v8, (a0)")
    LOOP(copy32, 32, m2, 2, "", "vle32.v v8, (a1)\n vse32.v v8, (a0)")
    LOOP(fill4, 8, m4, 0, "vsetvli t0, zero, e8, m4, ta, ma\n vmv.v.x v4, a3", "vse8.v v4, (a0)")
    LOOP(add16, 16, m2, 1, "", "vle16.v v2, (a1)\n vle16.v v4, (a0)\n vadd.vv v4, v2, v4\n vsub.vx v4, v4, a3\n vse16.v v4, (a0)")
    LOOP(sum32, 32, m4, 2, "vsetvli t0, zero, e32, m4, ta, ma\n vmv.v.x v8, a3", "vle32.v v4, (a1)\n vadd.vv v8, v8, v4")
    LOOP(axpy32, 32, m8, 2, "", "vle32.v v0, (a1)\n vle32.v v8, (a0)\n vfmacc.vf v8, fa0, v0\n vse32.v v8, (a0)")
    LOOP(axpy64, 64, m4, 3, "", "vle64.v v4, (a1)\n vle64.v v8, (a0)\n vfmacc.vf v8, fa0, v4\n vse64.v v8, (a0)")
    LOOP(scale32, 32, m1, 2, "", "vle32.v v4, (a1)\n vfmul.vf v4, v4, fa0\n vse32.v v4, (a0)")
    LOOP(dot32, 32, m2, 2, "vsetvli t0, zero, e32, m2, ta, ma\n vmv.v.i v8, 0", "vle32.v v2, (a1)\n vle32.v v4, (a0)\n vfmacc.vv v8, v2, v4")
    LOOP(running, 8, m2, 0, "vsetvli t0, zero, e8, m2, ta, ma\n vmv.v.x v8, a3", "vle8.v v2, (a1)\n vxor.vv v8, v8, v2\n vse8.v v8, (a0)")
    /* a0: 512 bytes: what v0 to v31 hold */
    "registers: vs8r.v v0, (a0)\n addi a1, a0, 128\n vs8r.v v8, (a1)\n addi a1, a0, 256\n vs8r.v v16, (a1)\n addi a1, a0, 384\n vs8r.v v24, (a1)\n ret\n"
    "faulted: csrr a0, vstart\n csrw vstart, zero\n sub a1, a1, a6\n slli a1, a1, 32\n or a0, a0, a1\n ret\n"
    /* the loop at a4, which leaves all registers of floating point alone; a0 is -1 when it has not */
    "guarded: addi sp, sp, -16\n sd ra, 8(sp)\n .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
    " li t0, \\n + 1000\n fcvt.d.l f\\n, t0\n .endr\n jalr a4\n"
    " .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
    " fcvt.l.d t0, f\\n\n addi t0, t0, -1000\n addi t0, t0, -\\n\n beqz t0, 2f\n li a0, -1\n2:\n .endr\n ld ra, 8(sp)\n addi sp, sp, 16\n ret\n"
    "clear: vsetvli t0, zero, e8, m8, ta, ma\n vmv.v.i v0, 0\n vmv.v.i v8, 0\n vmv.v.i v16, 0\n vmv.v.i v24, 0\n ret\n"
    ".option pop\n");
typedef u64 loop(u8 *to, const u8 *from, u64 elements, u64 scalar, double number);
loop copy1, copy8, copy32, fill4, add16, sum32, axpy32, axpy64, scale32, dot32, running;
u64 guarded(u8 *to, const u8 *from, u64 elements, u64 scalar, double number, loop *run);
void registers(u8 *out), clear(void);
extern char faulted[];

enum operation { COPY, FILL, ADD, SUM, AXPY, SCALE, DOT, RUNNING };

static const struct kind {
    const char *name;
    loop *run;
    u64 bytes, most; /* of an element; elements of a turn */
    enum operation operation;
    u64 first, second, third; /* registers */
} kinds[] = {
    { "copy1", copy1, 1, 16, COPY, 1, 0, 0 }, { "copy8", copy8, 1, 128, COPY, 8, 0, 0 }, { "copy32", copy32, 4, 8, COPY, 8, 0, 0 },
    { "fill4", fill4, 1, 64, FILL, 4, 0, 0 }, { "add16", add16, 2, 16, ADD, 2, 4, 0 }, { "sum32", sum32, 4, 16, SUM, 4, 8, 0 },
    { "axpy32", axpy32, 4, 32, AXPY, 0, 8, 0 }, { "axpy64", axpy64, 8, 8, AXPY, 4, 8, 0 }, { "scale32", scale32, 4, 4, SCALE, 4, 0, 0 },
    { "dot32", dot32, 4, 8, DOT, 2, 8, 4 }, { "running", running, 1, 32, RUNNING, 2, 8, 0 },
};

static int is_floating(const struct kind *k)
{
    return k->operation == AXPY || k->operation == SCALE || k->operation == DOT;
}

/* --- the model --- */

static u8 file[512], image[512];

static float single(u64 bits)
{
    union { u32 bits; float number; } as = { (u32)bits };

    return as.number;
}

static double twice(u64 bits)
{
    union { u64 bits; double number; } as = { bits };

    return as.number;
}

static u64 fused(const struct kind *k, u64 a, u64 x, u64 y)
{
    if (k->bytes == 4) {
        union { float number; u32 bits; } as = { __builtin_fmaf(single(a), single(x), single(y)) };

        return as.bits;
    }
    union { double number; u64 bits; } as = { __builtin_fma(twice(a), twice(x), twice(y)) };

    return as.bits;
}

static u64 product(u64 a, u64 x)
{
    union { float number; u32 bits; } as = { single(a) * single(x) };

    return as.bits;
}

/* One element of the first register, the second, the third. */
static void compute(const struct kind *k, u8 *x, u8 *y, const u8 *z, u64 scalar, u64 number)
{
    u64 a = number_at(x, k->bytes), b = number_at(y, k->bytes), c = 0;

    switch (k->operation) {
    case ADD: c = a + b - scalar; break;
    case SUM: c = a + b; break;
    case AXPY: c = fused(k, number, a, b); break;
    case DOT: c = fused(k, a, number_at(z, 4), b); break;
    case RUNNING: c = a ^ b; break;
    case SCALE: c = product(number, a); y = x; break;
    default: return;
    }
    move(y, (u8 *)&c, k->bytes);
}

/* `in` stands for what begins at `to`. Elements that a load or store may reach: `room`. What the loop returns. */
static u64 model(const struct kind *k, u8 *in, const u8 *source, u64 count, u64 scalar, u64 number, u64 room)
{
    int loads_to = k->operation == ADD || k->operation == AXPY || k->operation == DOT, stores = k->operation != SUM && k->operation != DOT;
    int preset = k->operation == FILL || k->operation == SUM || k->operation == RUNNING;
    u8 *x = file + 16 * k->first, *y = file + 16 * (loads_to && k->operation == DOT ? k->third : k->second), *acc = file + 16 * k->second, *out;
    u64 done = 0, vl = 0;

    for (u64 i = 0; preset && i < k->most; i++)
        move(file + 16 * (k->operation == FILL ? k->first : k->second) + i * k->bytes, (u8 *)&scalar, k->bytes);
    out = k->operation == COPY || k->operation == FILL || k->operation == SCALE ? x : acc;
    while (done < count) {
        vl = count - done < k->most ? count - done : k->most;
        if (k->operation != FILL)
            for (u64 i = 0; i < vl; i++) {
                if (done + i >= room)
                    return i | done * k->bytes << 32;
                move(x + i * k->bytes, source + (done + i) * k->bytes, k->bytes);
            }
        if (loads_to)
            move(y, in + done * k->bytes, vl * k->bytes);
        for (u64 i = 0; i < vl; i++)
            compute(k, x + i * k->bytes, acc + i * k->bytes, y + i * k->bytes, scalar, number);
        if (stores)
            move(in + done * k->bytes, out, vl * k->bytes);
        done += vl;
    }
    return vl | count * k->bytes << 32;
}

/* --- one after the other --- */

static void prepare(const struct kind *k, u8 *bytes, u64 size)
{
    for (u64 i = 0; i < size; i++)
        bytes[i] = (u8)(next() >> 3);
    for (u64 i = 0; is_floating(k) && i < size / k->bytes; i++) { /* a few are infinities and NaNs */
        u64 number = next() % 400, x = 0;

        if (k->bytes == 4)
            x = 0x40000000 | number << 8;
        else
            x = 0x4000000000000000 | number << 20;
        if (number == 7)
            x = k->bytes == 4 ? 0x7f800000 | (next() & 1) << next() % 23 : 0x7ff0000000000000 | (next() & 1) << next() % 52;
        move(bytes + i * k->bytes, (u8 *)&x, k->bytes);
    }
}

static u64 pick_number(const struct kind *k)
{
    if (k->bytes == 8)
        return next() % 8 ? 0x4000000000000000 : 0;
    return next() % 8 ? 0x40000000 : next() & 1 ? 0x7f800000 : 0;
}

/* source: in `from`, in `to` (then the model's is in `expected`) or at the end of RAM. */
static void check(const struct kind *k, u64 at, u8 *source, const u8 *model_source, u64 count, u64 room)
{
    u64 scalar = next(), number = pick_number(k), result, wanted, flags;

    move(expected, to, SIZE);
    clear();
    for (u64 i = 0; i < 512; i++)
        file[i] = 0;
    csr_write(fflags, 0);
    wanted = model(k, expected + at, model_source, count, scalar, number, room);
    flags = csr_read(fflags);
    csr_write(fflags, 0);
    trapped.resume = (u64)faulted;
    result = guarded(to + at, source, count, scalar, twice(k->bytes == 4 ? 0xffffffff00000000 | number : number), k->run);
    trapped.resume = 0;
    if (csr_read(fflags) != flags || result != wanted)
        fail(k->name, count, result | csr_read(fflags) << 24, wanted | flags << 24);
    registers(image);
    for (u64 i = 0; i < SIZE; i++)
        if (to[i] != expected[i])
            fail(k->name, i, to[i], expected[i]);
    for (u64 i = 0; i < 512; i++)
        if (image[i] != file[i])
            fail(k->name, count << 32 | i, image[i], file[i]);
}

static void check_kind(const struct kind *k, u64 round)
{
    u64 most = (SIZE - 64) / 2 / k->bytes, count = 1 + next() % (round % 4 ? most / 2 : most), at = next() % 64 * k->bytes % 512, near;
    u8 *end = END - TAIL;

    prepare(k, from, SIZE);
    prepare(k, to, SIZE);
    switch (round % 4) {
    case 0:
        check(k, 0, from, from, count, count);
        break;
    case 1: /* apart */
        near = next() % 64 * k->bytes;
        check(k, at, from + near, from + near, count, count);
        break;
    case 2: /* near each other, in both directions, or the same */
        near = next() % 64 * k->bytes;
        at = next() % 3 ? next() % 64 * k->bytes : near;
        check(k, at, to + near, expected + near, count, count);
        break;
    default:
        prepare(k, end, TAIL);
        near = 1 + next() % (TAIL / 4 / k->bytes);
        if (k->operation != FILL)
            check(k, at, END - near * k->bytes, END - near * k->bytes, near + 1 + next() % 200, near);
    }
}

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_set(mstatus, 3 << 13 | 3 << 9);
    for (u64 round = 0; round < ROUNDS; round++)
        for (u64 i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
            check_kind(&kinds[i], round);
    finish(0);
}
