/*
 * tests/jit/vector_search.c - strip-mined loops of vectors that are left where a comparison holds for a lane, which become loops in one piece that do
 * several turns at a time: what they return, vl, the bits of the last turn and all registers beside a model, for all places of the first lane.
 */
#include "tests/jit/vector_lib.h"

enum { SIZE = 2 * 4096, ROUNDS = 160, LONG = 3000000 }; /* LONG: ticks of 100 ns */

TRAP_HANDLER

static u8 from[SIZE] __attribute__((aligned(4096))), to[SIZE] __attribute__((aligned(4096))), before[SIZE];

/*
 * a0: to, a1: from, a2: elements, a3: a scalar. Returns vl, the lane + 1 times 2^16 (0: none), times 2^32 by how much the pointer to `from` moved, times 2^48
 * a5 + t3, which are 3 before and of which only the first has a host register, and times 2^56 the floating-point flags.
 */
#define LOOP(name, sew, lmul, shift, body, after)                                                                                               \
    #name ": fsflags zero\n li a5, 3\n li t3, 3\n mv a6, a1\n .balign 64\n1: vsetvli t0, a2, e" #sew ", " #lmul ", tu, ma\n " body "\n vfirst.m t2, v0\n bgez t2, 2f\n " after "\n slli t1, t0, " #shift "\n" \
    " sub a2, a2, t0\n add a1, a1, t1\n add a0, a0, t1\n bnez a2, 1b\n2: csrr a0, vl\n addi t2, t2, 1\n slli t2, t2, 16\n or a0, a0, t2\n"              \
    " sub a1, a1, a6\n slli a1, a1, 32\n or a0, a0, a1\n add a5, a5, t3\n slli a5, a5, 48\n or a0, a0, a5\n frflags a5\n slli a5, a5, 56\n or a0, a0, a5\n ret\n"
#define OF(sew) "vle" #sew ".v v8, (a1)\n "
#define BOTH(sew) OF(sew) "vle" #sew ".v v16, (a0)\n "
__asm__(".option push\n.option arch, +v\n.balign 4\n"
    LOOP(differ8, 8, m8, 0, BOTH(8) "vmsne.vv v0, v8, v16", "")
    LOOP(differ1, 8, m1, 0, BOTH(8) "vmsne.vv v0, v8, v16", "")
    LOOP(equal16, 16, m2, 1, BOTH(16) "vmseq.vv v0, v8, v16", "")
    LOOP(find8, 8, m4, 0, OF(8) "vmseq.vx v0, v8, a3", "")
    LOOP(find64, 64, m4, 3, OF(64) "vmseq.vx v0, v8, a3", "")
    LOOP(below32, 32, m2, 2, BOTH(32) "vmslt.vv v0, v8, v16", "")
    LOOP(under8, 8, m2, 0, BOTH(8) "vmsltu.vv v0, v8, v16", "")
    LOOP(upto16, 16, m1, 1, OF(16) "vmsleu.vx v0, v8, a3", "")
    LOOP(above64, 64, m2, 3, BOTH(64) "vmsgt.vx v0, v8, a3", "")
    /* copies what comes before */
    LOOP(copy8, 8, m2, 0, OF(8) "vmseq.vx v0, v8, a3", "vse8.v v8, (a0)")
    /* adds up what comes before, in v24 */
    LOOP(sum32, 32, m1, 2, OF(32) "vmseq.vx v0, v8, a3\n vadd.vv v24, v24, v8", "")
    /* the bits lie in what is handed on, so this stays one turn at a time */
    LOOP(bits8, 8, m1, 0, OF(8) "vmseq.vx v0, v8, a3\n vadd.vv v24, v24, v0", "")
    /* what a turn puts behind the branch that leaves is there when the next one leaves, and not when itself does */
    LOOP(add8, 8, m2, 0, OF(8) "vmseq.vx v0, v8, a3", "vadd.vx v24, v8, a3\n vse8.v v24, (a0)")
    LOOP(last8, 8, m1, 0, OF(8) "vmseq.vx v0, v8, a3", "vmv.v.v v24, v8")
    LOOP(set8, 8, m1, 0, OF(8) "vmseq.vx v0, v8, a3", "li t3, 5")
    LOOP(set_pinned8, 8, m1, 0, OF(8) "vmseq.vx v0, v8, a3", "li a5, 5")
    LOOP(hand8, 8, m1, 0, OF(8) "vmseq.vx v0, v8, a3", "mv a5, t2")
    /* what is not reached raises no flags */
    LOOP(twice32, 32, m1, 2, OF(32) "vmseq.vx v0, v8, a3", "vfadd.vv v8, v8, v8\n vse32.v v8, (a0)")
    LOOP(before32, 32, m1, 2, OF(32) "vfadd.vv v16, v8, v8\n vmseq.vx v0, v8, a3", "vse32.v v16, (a0)")
    "registers: vs8r.v v0, (a0)\n addi a1, a0, 128\n vs8r.v v8, (a1)\n addi a1, a0, 256\n vs8r.v v16, (a1)\n addi a1, a0, 384\n vs8r.v v24, (a1)\n ret\n"
    "clear: vsetvli t0, zero, e8, m8, ta, ma\n vmv.v.i v0, 5\n vmv.v.i v8, 0\n vmv.v.i v16, 0\n vmv.v.i v24, 0\n ret\n"
    ".option pop\n");
typedef u64 loop(u8 *to, const u8 *from, u64 elements, u64 scalar);
loop differ8, differ1, equal16, find8, find64, below32, under8, upto16, above64, copy8, sum32, bits8, add8, last8, set8, set_pinned8, hand8, twice32, before32;
void registers(u8 *out), clear(void);

enum relation { EQUAL, DIFFERENT, LESS, LESS_UNSIGNED, NOT_ABOVE_UNSIGNED, GREATER };
enum { SCALAR = 1, STORES = 2, ADDS = 4, ADDS_BITS = 8, TWO = 16, ADDS_SCALAR = 32, KEEPS = 64, SETS = 128, HANDS = 256, DOUBLES = 512, DOUBLES_BEFORE = 1024 };

static const struct kind {
    const char *name;
    loop *run;
    u64 bytes, most; /* of an element; elements of a turn */
    enum relation relation;
    u64 what;
} kinds[] = {
    { "differ8", differ8, 1, 128, DIFFERENT, TWO }, { "differ1", differ1, 1, 16, DIFFERENT, TWO }, { "equal16", equal16, 2, 16, EQUAL, TWO },
    { "find8", find8, 1, 64, EQUAL, SCALAR }, { "find64", find64, 8, 8, EQUAL, SCALAR }, { "below32", below32, 4, 8, LESS, TWO },
    { "under8", under8, 1, 32, LESS_UNSIGNED, TWO }, { "upto16", upto16, 2, 8, NOT_ABOVE_UNSIGNED, SCALAR }, { "above64", above64, 8, 4, GREATER, SCALAR | TWO },
    { "copy8", copy8, 1, 32, EQUAL, SCALAR | STORES }, { "sum32", sum32, 4, 4, EQUAL, SCALAR | ADDS }, { "bits8", bits8, 1, 16, EQUAL, SCALAR | ADDS_BITS },
    { "add8", add8, 1, 32, EQUAL, SCALAR | STORES | ADDS_SCALAR }, { "last8", last8, 1, 16, EQUAL, SCALAR | KEEPS },
    { "set8", set8, 1, 16, EQUAL, SCALAR | SETS }, { "set_pinned8", set_pinned8, 1, 16, EQUAL, SCALAR | SETS }, { "hand8", hand8, 1, 16, EQUAL, SCALAR | HANDS },
    { "twice32", twice32, 4, 4, EQUAL, SCALAR | STORES | DOUBLES }, { "before32", before32, 4, 4, EQUAL, SCALAR | STORES | DOUBLES_BEFORE },
};
#define OVERFLOWS 0x7f000000ul /* twice that number does */

static u8 file[512], image[512];
static u64 sum, flags; /* what else a loop returns */

static s64 extended(u64 x, u64 bytes)
{
    return (s64)(x << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

static int holds(const struct kind *k, u64 x, u64 y)
{
    u64 mask = ~0ul >> (64 - 8 * k->bytes);

    switch (k->relation) {
    case EQUAL: return !((x ^ y) & mask);
    case DIFFERENT: return !!((x ^ y) & mask);
    case LESS: return extended(x, k->bytes) < extended(y, k->bytes);
    case LESS_UNSIGNED: return (x & mask) < (y & mask);
    case NOT_ABOVE_UNSIGNED: return (x & mask) <= (y & mask);
    default: return extended(x, k->bytes) > extended(y, k->bytes);
    }
}

/* Of a number that is not below 0. */
static u32 doubled(u32 x)
{
    if (x == OVERFLOWS)
        flags = 5; /* OF, NX */
    return x >> 23 ? x + (1u << 23) : 2 * x;
}

/* One element behind the branch, or all that is computed before it. */
static void behind(const struct kind *k, u8 *out, const u8 *x, u64 scalar)
{
    u64 value = number_at(x, k->bytes);

    if (k->what & ADDS_SCALAR)
        value += scalar;
    if (k->what & (DOUBLES | DOUBLES_BEFORE))
        value = doubled((u32)value);
    move(out, (u8 *)&value, k->bytes);
}

/* Elements of one turn; the lane that was found, or -1. */
static s64 turn(const struct kind *k, u8 *in, const u8 *source, u64 vl, u64 scalar)
{
    u8 *x = file + 16 * 8, *y = file + 16 * 16, *total = file + 16 * 24, *out = k->what & DOUBLES ? x : k->what & DOUBLES_BEFORE ? y : total;
    s64 first = -1;

    move(x, source, vl * k->bytes);
    if (k->what & TWO)
        move(y, in, vl * k->bytes);
    for (u64 i = 0; i < vl; i++) {
        int bit = holds(k, number_at(x + i * k->bytes, k->bytes), k->what & SCALAR ? scalar : number_at(y + i * k->bytes, k->bytes));

        file[i / 8] = (u8)((file[i / 8] & ~(1u << i % 8)) | (u32)bit << i % 8);
        if (bit && first < 0)
            first = (s64)i;
    }
    for (u64 i = 0; i < vl && k->what & (ADDS | ADDS_BITS); i++) {
        u64 value = number_at(total + i * k->bytes, k->bytes) + number_at((k->what & ADDS ? x : file) + i * k->bytes, k->bytes);

        move(total + i * k->bytes, (u8 *)&value, k->bytes);
    }
    for (u64 i = 0; i < vl && (first < 0 ? k->what & (ADDS_SCALAR | KEEPS | DOUBLES | DOUBLES_BEFORE) : k->what & DOUBLES_BEFORE); i++)
        behind(k, out + i * k->bytes, x + i * k->bytes, scalar);
    for (u64 i = 0; i < vl * k->bytes && first < 0 && k->what & STORES; i++)
        in[i] = k->what & (ADDS_SCALAR | DOUBLES | DOUBLES_BEFORE) ? out[i] : x[i];
    if (first < 0 && k->what & (SETS | HANDS))
        sum = k->what & SETS ? 3 + 5 : 3 - 1;
    return first;
}

static u64 model(const struct kind *k, u8 *in, const u8 *source, u64 count, u64 scalar)
{
    sum = 6, flags = 0;
    for (u64 done = 0;;) {
        u64 vl = count - done < k->most ? count - done : k->most;
        s64 first = turn(k, in + done * k->bytes, source + done * k->bytes, vl, scalar);

        if (first < 0)
            done += vl;
        if (first >= 0 || done == count)
            return vl | (u64)(first + 1) << 16 | done * k->bytes << 32 | sum << 48 | flags << 56;
    }
}

/* Bytes for which nothing holds, but for a few places, some of them in the first turns from element `start` on. */
static u64 prepare(const struct kind *k, u64 count, u64 start)
{
    u64 scalar = k->relation == GREATER ? 100 : k->relation == NOT_ABOVE_UNSIGNED ? 20 : 50;

    for (u64 i = 0; i < SIZE; i++) {
        u8 byte = (u8)(60 + next() % 30);

        from[i] = byte;
        to[i] = k->relation == EQUAL ? (u8)(byte ^ 64) : k->relation == DIFFERENT ? byte : (u8)(byte - next() % 10);
    }
    if (k->relation == GREATER)
        scalar = 0x6000000000000000;
    if (k->bytes > 1 && k->relation == EQUAL)
        scalar = next() % 256;
    for (u64 few = next() % 3; few; few--) {
        u64 place = next() % 2 ? start + next() % ((next() % 2 ? 1 : 20) * k->most) : k->what & STORES ? next() % SIZE : next() % (count + 1), at = place * k->bytes % (SIZE - 8);
        u64 value = k->relation == EQUAL ? scalar : k->relation == GREATER ? scalar + 1 : next() % 20, large = OVERFLOWS;

        if (k->what & SCALAR) {
            move(from + at, (u8 *)&value, k->bytes);
        } else if (k->relation == EQUAL) {
            move(to + at, from + at, k->bytes);
        } else {
            from[at + next() % k->bytes] = 7;
            if (next() % 2)
                from[at + k->bytes - 1] = 200;
        }
        if (k->what & (DOUBLES | DOUBLES_BEFORE))
            move(from + (next() % 4 ? at + 4 * (1 + next() % 24) : 4 * next()) % SIZE, (u8 *)&large, 4);
    }
    return scalar;
}

static void check(const struct kind *k, u64 round)
{
    u64 most = (SIZE - 1024) / k->bytes, count = 1 + next() % (round % 3 ? most / 4 : most), at = next() % 64 * k->bytes, scalar, result, wanted;

    if (round % 2) /* over a page's end */
        at = 4096 - next() % 64 * k->bytes;
    scalar = prepare(k, count, at / k->bytes);
    count = at + count * k->bytes > SIZE ? (SIZE - at) / k->bytes : count;
    move(before, to, SIZE);
    clear();
    for (u64 i = 0; i < 512; i++)
        file[i] = i < 128 ? 5 : 0; /* the bits are others than before from the first turn on */
    wanted = model(k, before, from + at, count, scalar);
    result = k->run(to, from + at, count, scalar);
    if (result != wanted)
        fail(k->name, count, result, wanted);
    registers(image);
    for (u64 i = 0; i < SIZE; i++)
        if (to[i] != before[i])
            fail(k->name, i, to[i], before[i]);
    for (u64 i = 0; i < 512; i++)
        if (image[i] != file[i])
            fail(k->name, count << 32 | i, image[i], file[i]);
}

/* A loop of bytes that has turned for long, left in each of its first turns. */
static void check_first_turns(const struct kind *k)
{
    u64 result, wanted;

    for (u64 i = 0; i < SIZE; i++)
        from[i] = 60;
    for (u64 begin = csr_read(time); csr_read(time) - begin < LONG;)
        k->run(to, from, 4096, 50);
    for (u64 place = 3; place < 12 * k->most; place += k->most) {
        from[place] = 50;
        clear();
        wanted = model(k, before, from, 4096, 50);
        result = k->run(to, from, 4096, 50);
        if (result != wanted)
            fail(k->name, place, result, wanted);
        from[place] = 60;
    }
}

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_set(mstatus, 3 << 13 | 3 << 9);
    for (u64 round = 0; round < ROUNDS; round++)
        for (u64 i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
            check(&kinds[i], round);
    for (u64 i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].what & (SETS | HANDS))
            check_first_turns(&kinds[i]);
    finish(0);
}
