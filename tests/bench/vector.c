/*
 * tests/bench/vector.c - vector loops beside their scalar forms: a bare guest that prints one line "name scalar vector ratio" per pair (ns per
 * call by the guest's own clock, best of several rounds). Needs V: -cpu rv64,v=on,vlen=N -bios none -kernel vector.elf.
 *
 * The loops are those of a C library and of compilers: strip-mined, with the register grouping that suits them.
 */
#include "tests/jit/lib.h"

enum { ROUNDS = 7, LEAST = 300000, BYTES = 16384 }; /* LEAST: ticks of 100 ns, in which a loop becomes as fast as it will be */

u64 trap(u64 cause, u64 epc, u64 tval)
{
    fail("unexpected trap:", cause, epc, tval);
    return 0;
}

static u8 from[BYTES + 64] __attribute__((aligned(4096))), to[BYTES + 64] __attribute__((aligned(4096)));

/* --- scalar forms --- */

#define SCALAR __attribute__((noinline, optimize("no-tree-loop-distribute-patterns")))

SCALAR static u64 copy_scalar(u8 *d, const u8 *s, u64 n)
{
    u64 *to8 = (u64 *)d;
    const u64 *from8 = (const u64 *)s;

    for (; n >= 64; n -= 64, to8 += 8, from8 += 8) {
        u64 a = from8[0], b = from8[1], c = from8[2], e = from8[3], f = from8[4], g = from8[5], h = from8[6], i = from8[7];

        to8[0] = a, to8[1] = b, to8[2] = c, to8[3] = e, to8[4] = f, to8[5] = g, to8[6] = h, to8[7] = i;
    }
    for (; n >= 8; n -= 8)
        *to8++ = *from8++;
    for (d = (u8 *)to8, s = (const u8 *)from8; n; n--)
        *d++ = *s++;
    return 0;
}

SCALAR static u64 fill_scalar(u8 *d, const u8 *s, u64 n)
{
    u64 *to8 = (u64 *)d, x = (u64)*s * 0x0101010101010101;

    for (; n >= 64; n -= 64, to8 += 8)
        to8[0] = x, to8[1] = x, to8[2] = x, to8[3] = x, to8[4] = x, to8[5] = x, to8[6] = x, to8[7] = x;
    for (; n >= 8; n -= 8)
        *to8++ = x;
    for (d = (u8 *)to8; n; n--)
        *d++ = (u8)x;
    return 0;
}

SCALAR static u64 length_scalar(u8 *d, const u8 *s, u64 n)
{
    const u64 *at = (const u64 *)s, ones = 0x0101010101010101;

    (void)d, (void)n;
    while (!((*at - ones) & ~*at & ones << 7))
        at++;
    for (s = (const u8 *)at; *s; s++)
        ;
    return (u64)s;
}

SCALAR static u64 compare_scalar(u8 *d, const u8 *s, u64 n)
{
    const u64 *a = (const u64 *)d, *b = (const u64 *)s;

    for (; n >= 8 && *a == *b; n -= 8)
        a++, b++;
    for (d = (u8 *)a, s = (const u8 *)b; n; n--, d++, s++)
        if (*d != *s)
            return (u64)(*d - *s);
    return 0;
}

#define AXPY(T)                                                   \
    SCALAR static u64 axpy_##T##_scalar(u8 *d, const u8 *s, u64 n) \
    {                                                             \
        T *y = (T *)d;                                            \
        const T *x = (const T *)s;                                \
        T a = (T)1.0009765625;                                    \
                                                                  \
        for (n /= sizeof(T); n; n--, x++, y++)                    \
            *y = *x * a + *y;                                     \
        return 0;                                                 \
    }
AXPY(float) AXPY(double)

SCALAR static u64 dot_scalar(u8 *d, const u8 *s, u64 n)
{
    const float *x = (const float *)s, *y = (const float *)d;
    float sum = 0;

    for (n /= sizeof(float); n; n--)
        sum += *x++ * *y++;
    return (u64)sum;
}

SCALAR static u64 sum_scalar(u8 *d, const u8 *s, u64 n)
{
    const u32 *x = (const u32 *)s;
    u32 sum = 0;

    (void)d;
    for (n /= 4; n; n--)
        sum += *x++;
    return sum;
}

SCALAR static u64 min_scalar(u8 *d, const u8 *s, u64 n)
{
    const int *x = (const int *)s;
    int least = 0x7fffffff;

    (void)d;
    for (n /= 4; n; n--, x++)
        if (*x < least)
            least = *x;
    return (u64)least;
}

SCALAR static u64 blend_scalar(u8 *d, const u8 *s, u64 n)
{
    for (; n; n--, d++, s++)
        if (*s > 100)
            *d = *s;
    return 0;
}

SCALAR static u64 every4th_scalar(u8 *d, const u8 *s, u64 n)
{
    u32 *to4 = (u32 *)d;
    const u32 *from4 = (const u32 *)s;

    for (n /= 16; n; n--, from4 += 4)
        *to4++ = *from4;
    return 0;
}

/* Four bytes of each pixel to four planes. */
SCALAR static u64 planes_scalar(u8 *d, const u8 *s, u64 n)
{
    n /= 4;
    for (u64 i = 0; i < n; i++, s += 4)
        d[i] = s[0], d[n + i] = s[1], d[2 * n + i] = s[2], d[3 * n + i] = s[3];
    return 0;
}

SCALAR static u64 look_up_scalar(u8 *d, const u8 *s, u64 n)
{
    for (u64 i = 0; i < n; i++)
        d[i] = s[s[i]];
    return 0;
}

SCALAR static u64 digits_scalar(u8 *d, const u8 *s, u64 n)
{
    for (u64 i = 0; i < n; i++)
        d[i] = s[s[i] & 15];
    return 0;
}

SCALAR static u64 dot16_scalar(u8 *d, const u8 *s, u64 n)
{
    const short *x = (const short *)s, *y = (const short *)d;
    u32 sum = 0;

    for (n /= 2; n; n--)
        sum += (u32)(*x++ * *y++);
    return sum;
}

/* --- vector forms: a0 d, a1 s, a2 n --- */

__asm__(
    ".option push\n.option arch, +v\n.balign 4\n"
    "copy_vector: 1: vsetvli t0, a2, e8, m8, ta, ma\n vle8.v v0, (a1)\n sub a2, a2, t0\n add a1, a1, t0\n vse8.v v0, (a0)\n add a0, a0, t0\n"
    " bnez a2, 1b\n ret\n"
    "copy_m1_vector: 1: vsetvli t0, a2, e8, m1, ta, ma\n vle8.v v0, (a1)\n sub a2, a2, t0\n add a1, a1, t0\n vse8.v v0, (a0)\n add a0, a0, t0\n"
    " bnez a2, 1b\n ret\n"
    "fill_vector: lbu t1, 0(a1)\n vsetvli t0, a2, e8, m8, ta, ma\n vmv.v.x v0, t1\n"
    "1: vsetvli t0, a2, e8, m8, ta, ma\n vse8.v v0, (a0)\n sub a2, a2, t0\n add a0, a0, t0\n bnez a2, 1b\n ret\n"
    "length_vector: mv a3, a1\n1: vsetvli a2, zero, e8, m8, ta, ma\n vle8ff.v v8, (a3)\n csrr a2, vl\n vmseq.vi v0, v8, 0\n vfirst.m a4, v0\n"
    " add a3, a3, a2\n bltz a4, 1b\n sub a3, a3, a2\n add a0, a3, a4\n ret\n"
    "compare_vector: 1: vsetvli t0, a2, e8, m8, ta, ma\n vle8.v v8, (a0)\n vle8.v v16, (a1)\n vmsne.vv v0, v8, v16\n vfirst.m t1, v0\n"
    " bgez t1, 2f\n sub a2, a2, t0\n add a0, a0, t0\n add a1, a1, t0\n bnez a2, 1b\n li a0, 0\n ret\n"
    "2: add a0, a0, t1\n add a1, a1, t1\n lbu a0, 0(a0)\n lbu a1, 0(a1)\n sub a0, a0, a1\n ret\n"
    "axpy_float_vector: srli a2, a2, 2\n lui t1, 0x3f802\n fmv.w.x fa0, t1\n1: vsetvli t0, a2, e32, m8, ta, ma\n vle32.v v0, (a1)\n"
    " sub a2, a2, t0\n slli t1, t0, 2\n add a1, a1, t1\n vle32.v v8, (a0)\n vfmacc.vf v8, fa0, v0\n vse32.v v8, (a0)\n add a0, a0, t1\n bnez a2, 1b\n ret\n"
    "axpy_double_vector: srli a2, a2, 3\n lui t1, 0x3ff00\n addi t1, t1, 0x400\n slli t1, t1, 32\n fmv.d.x fa0, t1\n1: vsetvli t0, a2, e64, m8, ta, ma\n"
    " vle64.v v0, (a1)\n sub a2, a2, t0\n slli t1, t0, 3\n add a1, a1, t1\n vle64.v v8, (a0)\n vfmacc.vf v8, fa0, v0\n vse64.v v8, (a0)\n"
    " add a0, a0, t1\n bnez a2, 1b\n ret\n"
    "dot_vector: srli a2, a2, 2\n vsetvli t0, zero, e32, m4, ta, ma\n vmv.v.i v8, 0\n1: vsetvli t0, a2, e32, m4, tu, ma\n vle32.v v0, (a1)\n"
    " sub a2, a2, t0\n slli t1, t0, 2\n add a1, a1, t1\n vle32.v v4, (a0)\n vfmacc.vv v8, v0, v4\n add a0, a0, t1\n bnez a2, 1b\n"
    " vsetvli t0, zero, e32, m4, ta, ma\n vmv.s.x v16, zero\n vfredusum.vs v16, v8, v16\n vfmv.f.s fa0, v16\n fcvt.lu.s a0, fa0, rtz\n ret\n"
    "sum_vector: srli a2, a2, 2\n vsetvli t0, zero, e32, m4, ta, ma\n vmv.v.i v8, 0\n1: vsetvli t0, a2, e32, m4, tu, ma\n vle32.v v4, (a1)\n"
    " sub a2, a2, t0\n slli t1, t0, 2\n add a1, a1, t1\n vadd.vv v8, v8, v4\n bnez a2, 1b\n"
    " vsetvli t0, zero, e32, m4, ta, ma\n vmv.s.x v16, zero\n vredsum.vs v16, v8, v16\n vmv.x.s a0, v16\n slli a0, a0, 32\n srli a0, a0, 32\n ret\n"
    "min_vector: srli a2, a2, 2\n lui t1, 0x80000\n addiw t1, t1, -1\n vsetvli t0, zero, e32, m4, ta, ma\n vmv.v.x v8, t1\n1: vsetvli t0, a2, e32, m4, tu, ma\n"
    " vle32.v v4, (a1)\n sub a2, a2, t0\n slli t2, t0, 2\n add a1, a1, t2\n vmin.vv v8, v8, v4\n bnez a2, 1b\n"
    " vsetvli t0, zero, e32, m4, ta, ma\n vmv.s.x v16, t1\n vredmin.vs v16, v8, v16\n vmv.x.s a0, v16\n ret\n"
    "blend_vector: li t1, 100\n1: vsetvli t0, a2, e8, m8, ta, mu\n vle8.v v8, (a1)\n vle8.v v16, (a0)\n vmsgtu.vx v0, v8, t1\n vmerge.vvm v16, v16, v8, v0\n"
    " vse8.v v16, (a0)\n sub a2, a2, t0\n add a0, a0, t0\n add a1, a1, t0\n bnez a2, 1b\n ret\n"
    "store_where_vector: li t1, 100\n1: vsetvli t0, a2, e8, m8, ta, ma\n vle8.v v8, (a1)\n vmsgtu.vx v0, v8, t1\n vse8.v v8, (a0), v0.t\n"
    " sub a2, a2, t0\n add a0, a0, t0\n add a1, a1, t0\n bnez a2, 1b\n ret\n"
    "every4th_vector: srli a2, a2, 4\n li t1, 16\n1: vsetvli t0, a2, e32, m4, ta, ma\n vlse32.v v8, (a1), t1\n sub a2, a2, t0\n slli t2, t0, 4\n add a1, a1, t2\n"
    " vse32.v v8, (a0)\n slli t2, t0, 2\n add a0, a0, t2\n bnez a2, 1b\n ret\n"
    "planes_vector: srli a2, a2, 2\n add a3, a0, a2\n add a4, a3, a2\n add a5, a4, a2\n1: vsetvli t0, a2, e8, m2, ta, ma\n vlseg4e8.v v8, (a1)\n sub a2, a2, t0\n"
    " slli t2, t0, 2\n add a1, a1, t2\n vse8.v v8, (a0)\n vse8.v v10, (a3)\n vse8.v v12, (a4)\n vse8.v v14, (a5)\n add a0, a0, t0\n add a3, a3, t0\n"
    " add a4, a4, t0\n add a5, a5, t0\n bnez a2, 1b\n ret\n"
    "look_up_vector: mv a3, a1\n1: vsetvli t0, a2, e8, m4, ta, ma\n vle8.v v8, (a1)\n vluxei8.v v16, (a3), v8\n vse8.v v16, (a0)\n"
    " sub a2, a2, t0\n add a0, a0, t0\n add a1, a1, t0\n bnez a2, 1b\n ret\n"
    "digits_vector: vsetivli zero, 16, e8, m1, ta, ma\n vle8.v v4, (a1)\n1: vsetvli t0, a2, e8, m1, ta, ma\n vle8.v v8, (a1)\n vand.vi v8, v8, 15\n vrgather.vv v16, v4, v8\n"
    " vse8.v v16, (a0)\n sub a2, a2, t0\n add a0, a0, t0\n add a1, a1, t0\n bnez a2, 1b\n ret\n"
    "dot16_vector: srli a2, a2, 1\n vsetvli t0, zero, e32, m4, ta, ma\n vmv.v.i v8, 0\n1: vsetvli t0, a2, e16, m2, tu, ma\n vle16.v v2, (a1)\n vle16.v v4, (a0)\n"
    " vwmacc.vv v8, v2, v4\n sub a2, a2, t0\n slli t2, t0, 1\n add a1, a1, t2\n add a0, a0, t2\n bnez a2, 1b\n"
    " vsetvli t0, zero, e32, m4, ta, ma\n vmv.s.x v16, zero\n vredsum.vs v16, v8, v16\n vmv.x.s a0, v16\n slli a0, a0, 32\n srli a0, a0, 32\n ret\n"
    ".option pop\n");

typedef u64 function(u8 *d, const u8 *s, u64 n);
function copy_vector, copy_m1_vector, fill_vector, length_vector, compare_vector, axpy_float_vector, axpy_double_vector, dot_vector, sum_vector, min_vector,
    blend_vector, store_where_vector, every4th_vector, planes_vector, look_up_vector, digits_vector, dot16_vector;

static const struct pair {
    const char *name;
    function *scalar, *vector;
    u64 bytes, calls;
    u64 returns; /* 1: a result */
} pairs[] = {
    { "memcpy, 16 KiB", copy_scalar, copy_vector, BYTES, 200, 0 },
    { "memcpy, 16 KiB, LMUL 1", copy_scalar, copy_m1_vector, BYTES, 200, 0 },
    { "memcpy, 20 bytes", copy_scalar, copy_vector, 20, 20000, 0 },
    { "memcpy, 300 bytes", copy_scalar, copy_vector, 300, 5000, 0 },
    { "memset, 16 KiB", fill_scalar, fill_vector, BYTES, 200, 0 },
    { "memset, 100 bytes", fill_scalar, fill_vector, 100, 10000, 0 },
    { "strlen, 16 KiB", length_scalar, length_vector, BYTES, 200, 1 },
    { "strlen, 30 bytes", length_scalar, length_vector, 30, 20000, 1 },
    { "memcmp, 16 KiB", compare_scalar, compare_vector, BYTES, 200, 1 },
    { "memcmp, 30 bytes", compare_scalar, compare_vector, 30, 20000, 1 },
    { "axpy float, 16 KiB", axpy_float_scalar, axpy_float_vector, BYTES, 50, 0 },
    { "axpy double, 16 KiB", axpy_double_scalar, axpy_double_vector, BYTES, 100, 0 },
    { "axpy float, 20 elements", axpy_float_scalar, axpy_float_vector, 80, 5000, 0 },
    { "dot product float, 16 KiB", dot_scalar, dot_vector, BYTES, 50, 0 }, /* the orders of additions differ, and so may the last bit */
    { "dot product float, 20 elements", dot_scalar, dot_vector, 80, 5000, 0 },
    { "int sum, 16 KiB", sum_scalar, sum_vector, BYTES, 100, 1 },
    { "int min, 16 KiB", min_scalar, min_vector, BYTES, 100, 1 },
    { "int sum, 20 elements", sum_scalar, sum_vector, 80, 10000, 1 },
    { "copy where greater, 16 KiB", blend_scalar, blend_vector, BYTES, 20, 0 },
    { "store where greater, 16 KiB", blend_scalar, store_where_vector, BYTES, 20, 0 },
    { "every 4th word, 16 KiB", every4th_scalar, every4th_vector, BYTES, 50, 0 },
    { "bytes to four planes, 16 KiB", planes_scalar, planes_vector, BYTES, 10, 0 },
    { "look-up in memory, 16 KiB", look_up_scalar, look_up_vector, BYTES, 10, 0 },
    { "look-up in a register, 16 KiB", digits_scalar, digits_vector, BYTES, 10, 0 },
    { "dot product of shorts, 16 KiB", dot16_scalar, dot16_vector, BYTES, 50, 1 },
};

/* Strings and equal buffers for what wants them; small numbers are normal floats and ints alike. */
static void prepare(const struct pair *p)
{
    for (u64 i = 0; i < BYTES; i++)
        from[i] = to[i] = (u8)(i % 4 == 3 ? 0x3f : 1 + i * 7 % 250);
    from[p->bytes] = 0;
    if (p->scalar == blend_scalar)
        for (u64 i = 0; i < BYTES; i++)
            to[i] = 0;
}

static u64 checksum(u64 result)
{
    for (u64 i = 0; i < BYTES; i += 8)
        result = (result ^ *(u64 *)&to[i]) * 0x100000001b3;
    return result;
}

/* Picoseconds for one call; the clock counts 100 ns. */
static u64 measure(const struct pair *p, function *f, u64 *check)
{
    u64 best = -1ul, result = 0, begin = csr_read(time);

    prepare(p);
    for (u64 round = 0; round < ROUNDS || csr_read(time) - begin < LEAST; round++) {
        u64 start = csr_read(time);

        for (u64 i = 0; i < p->calls; i++)
            result = f(to, from, p->bytes);
        u64 spent = (csr_read(time) - start) * 100000 / p->calls;
        if (spent < best)
            best = spent;
    }
    prepare(p);
    result = f(to, from, p->bytes);
    *check = checksum(result * p->returns);
    return best;
}

static void print_ns(u64 picoseconds)
{
    put('\t');
    print_number(picoseconds / 1000);
    put('.');
    put((char)('0' + picoseconds / 100 % 10));
}

void main(u64 hart)
{
    if (hart)
        for (;;)
            ;
    csr_set(mstatus, 3 << 13 | 3 << 9);
    for (u64 i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        u64 check[2], scalar = measure(&pairs[i], pairs[i].scalar, &check[0]), vector = measure(&pairs[i], pairs[i].vector, &check[1]);

        if (check[0] != check[1])
            fail(pairs[i].name, i, check[1], check[0]);
        print(pairs[i].name);
        print_ns(scalar);
        print_ns(vector);
        put('\t');
        u64 ratio = scalar * 100 / (vector ? vector : 1);
        print_number(ratio / 100);
        put('.');
        put((char)('0' + ratio / 10 % 10));
        put((char)('0' + ratio % 10));
        put('\n');
    }
    finish(0);
}
