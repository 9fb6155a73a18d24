/*
 * Pages that have code and are written all the time: stores of all sizes beside code, into it, over the ends of lines and of pages, of floating-point
 * registers too; the page becomes another one, or read-only; another hart makes code of a line while it is written.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { LINE = 64, PAGE = 4096, RUNS = 1500 };

static u8 code[4][PAGE] __attribute__((aligned(4096)));
static struct requests requests;
static u64 *root;

/* c.li a0, n; c.jr ra */
static u32 function(u64 n)
{
    return 0x80824501u | (u32)(n & 31) << 2;
}

static u64 call(const volatile void *at)
{
    return ((u64 (*)(void))(u64)at)();
}

static void put_function(void *at, u64 n)
{
    *(volatile u32 *)at = function(n);
}

static void store(volatile void *at, u32 bytes, u64 value)
{
    switch (bytes) {
    case 1:
        __asm__ volatile("sb %1, (%0)" ::"r"(at), "r"(value) : "memory");
        break;
    case 2:
        __asm__ volatile("sh %1, (%0)" ::"r"(at), "r"(value) : "memory");
        break;
    case 4:
        __asm__ volatile("sw %1, (%0)" ::"r"(at), "r"(value) : "memory");
        break;
    default:
        __asm__ volatile("sd %1, (%0)" ::"r"(at), "r"(value) : "memory");
    }
}

/* Byte by byte, as the stores under test are not. */
static u64 load(const volatile u8 *at, u32 bytes)
{
    u64 value = 0;

    for (u32 i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static u64 low(u64 value, u32 bytes)
{
    return bytes == 8 ? value : value & ((1UL << 8 * bytes) - 1);
}

/* Between two lines with code, at all places. */
static void beside(volatile u8 *line, u32 bytes)
{
    for (u32 at = 8; at + bytes < LINE; at++) {
        u64 value = 0x0123456789abcdef * (at + bytes);

        line[at - 1] = line[at + bytes] = 0x77;
        store(line + at, bytes, value);
        expect(line[at - 1], 0x77);
        expect(line[at + bytes], 0x77);
        expect(load(line + at, bytes), low(value, bytes));
    }
}

/* The store's last bytes are the first ones of a function. */
static void into(u8 *at, u32 bytes, u32 inside, u64 n)
{
    u64 text = function(n) | (u64)0x4501 << 32 | (u64)0x8082 << 48, before = 0x5a5a5a5a5a5a5a5a;
    u64 value = inside == bytes ? text : low(before, bytes - inside) | text << 8 * (bytes - inside);

    store(at - 30 * LINE, 1, n); /* the page is one that was written */
    store(at - (bytes - inside), bytes, value);
    fence_i();
    expect(call(at), n);
    expect(load(at - (bytes - inside), bytes - inside), low(before, bytes - inside));
}

static void into_all(u8 *at)
{
    for (u32 bytes = 1; bytes <= 8; bytes *= 2) {
        for (u32 inside = 1; inside <= bytes; inside++) {
            for (u64 n = 0; n < 16; n++)
                into(at, bytes, inside, n);
        }
    }
}

static u64 alone(u64 unused)
{
    (void)unused;
    for (u32 i = 0; i < 3; i++) {
        put_function(code[i], i);
        put_function(code[i] + 8 * LINE, i);
        put_function(code[i] + 40 * LINE, i);
    }
    fence_i();
    for (u32 i = 0; i < 3; i++) {
        expect(call(code[i]), i);
        expect(call(code[i] + 8 * LINE), i);
        expect(call(code[i] + 40 * LINE), i);
    }
    for (u32 bytes = 1; bytes <= 8; bytes *= 2)
        beside(code[1] + 9 * LINE, bytes);
    into_all(code[1] + 40 * LINE);
    into_all(code[2]); /* its first line: over the end of the page before */
    return 0;
}

/* Floating-point registers live on over stores that nothing else interrupts. */
static u64 floats(u64 unused)
{
    volatile double *at = (volatile double *)(code[1] + 20 * LINE);
    double sum = 0, step = 0.5, product = 1;

    (void)unused;
    for (u32 i = 0; i < 400; i++) {
        sum += step;
        at[i % 8] = sum;
        product = product * 1.25 > 1000 ? 1 : product * 1.25;
        ((volatile u64 *)at)[8] = i;
        at[9] = product;
        expect(at[i % 8] == sum, 1);
        step += 0.25;
    }
    expect((u64)(sum * 4), 400 * 2 + 400 * 399 / 2);
    return 0;
}

/* Three stores, which follow each other as those of code generators do. */
static void stores(volatile u64 *at, u64 n)
{
    at[0] = n;
    at[1] = n + 1;
    at[2] = n + 2;
    at[16] = n + 3;
}

static void use(u64 pa, u64 flags, u32 how)
{
    u64 va = 0x40000000;

    map(root, 3, va, pa, 0, flags);
    if (how == 0)
        fence_page(va);
    else if (how == 1)
        fence_all();
    else
        csr_write(satp, csr_read(satp) + (1UL << 44)); /* another ASID, never used before */
}

/* One address, two pages with code. */
static u64 remapped(u64 unused)
{
    volatile u64 *at = (volatile u64 *)(0x40000000 + 20 * LINE), *place[2];

    (void)unused;
    for (u32 i = 0; i < 60; i++) {
        for (u32 k = 0; k < 2; k++) {
            place[k] = (volatile u64 *)(code[1 + k] + 20 * LINE);
            use((u64)code[1 + k], PTE_RWX, i % 3);
            stores(at, i * 100 + k);
            stores(at, i * 100 + k + 10);
            expect(call((void *)(0x40000000 + 8 * LINE)), 1 + k);
        }
        for (u32 k = 0; k < 2; k++) {
            expect(place[k][0], i * 100 + k + 10);
            expect(place[k][2], i * 100 + k + 12);
            expect(place[k][16], i * 100 + k + 13);
        }
        u64 before = trapped.count;
        use((u64)code[2], PTE_RWX & ~PTE_W, i % 3);
        stores(at, 7);
        expect(trapped.count - before, 4);
        expect(place[1][0], i * 100 + 11);
    }
    return 0;
}

/* Hart 1 writes each function twice, so that the second store often finds a line without code, which hart 0 translates at that time. */
static u64 other_hart(u64 unused)
{
    (void)unused;
    for (u64 i = 1; i < RUNS; i++) {
        u8 *at = code[3] + i % 3 * LINE;

        requests.asked = i;
        __asm__ volatile("fence rw, rw" ::: "memory");
        while (requests.done != i)
            call(at);
        __asm__ volatile("fence rw, rw" ::: "memory");
        fence_i();
        expect(call(at), i % 13);
    }
    stop_requests(&requests);
    return 0;
}

static void rewrite(u64 request)
{
    volatile u32 *at = (volatile u32 *)(code[3] + request % 3 * LINE);
    *at = function(14);
    for (volatile u64 i = request % 16; i; i--)
        ;
    *at = function(15);
    for (volatile u64 i = request * 7 % 509; i; i--)
        ;
    *at = function(request % 13);
}

static u64 serve(u64 unused)
{
    (void)unused;
    return serve_requests(&requests, rewrite);
}

void main(u64 hart)
{
    csr_set(mstatus, 1 << 13); /* FS */
    if (hart == 1) {
        serve(0);
        for (;;)
            ;
    }
    for (u32 i = 0; i < 40; i++)
        put_function(code[3] + i * LINE, 0);
    in_mode(alone, 0, M);
    in_mode(floats, 0, M);
    in_mode(other_hart, 0, M);
    root = new_table();
    map(root, 3, 0, 0, 2, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D); /* the console and the end */
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    in_mode(alone, 0, S);
    in_mode(floats, 0, S);
    in_mode(remapped, 0, S);
    finish(0);
}
