/* Code that is written: by the same hart with FENCE.I, in the line that runs, and by another hart while it is being translated;
 * all of it twice, since with page tables stores find their way back to a page by the L2 of the TLB. */
#include "tests/jit/lib.h"

TRAP_HANDLER

static u16 code[2048] __attribute__((aligned(4096)));
static struct requests requests;

static u64 call(const void *at)
{
    return ((u64 (*)(void))at)();
}

/* c.li a0, n; c.jr ra */
static void write_code(volatile u16 *at, u64 n)
{
    at[0] = (u16)(0x4501 | (n & 31) << 2);
    at[1] = 0x8082;
}

static u64 alone(u64 unused)
{
    (void)unused;
    for (u64 i = 0; i < 300; i++) {
        volatile u16 *at = &code[i % 7 * 2 + i % 3 * 512];

        write_code(at, i % 16);
        fence_i();
        expect(call((void *)at), i % 16);
    }
    return 0;
}

/* Data in the same page, other lines and the same line, must not disturb. */
static u64 data_beside(u64 unused)
{
    (void)unused;
    write_code(&code[0], 9);
    fence_i();
    for (u64 i = 0; i < 200; i++) {
        ((volatile u64 *)code)[3] = i;
        ((volatile u64 *)code)[100] = i;
        expect(call(code), 9);
        expect(((volatile u64 *)code)[3], i);
    }
    return 0;
}

/* Hart 1 rewrites what hart 0 then runs; many places, so that hart 0 is often in the middle of translating that page. */
static u64 other_hart(u64 unused)
{
    (void)unused;
    for (u64 i = 1; i < 300; i++) {
        requests.asked = i;
        __asm__ volatile("fence rw, rw" ::: "memory");
        for (u64 k = 0; k < 5; k++)
            call(&code[1024 + (i + k) % 61 * 8]); /* whatever is there: old or new */
        while (requests.done != i)
            ;
        __asm__ volatile("fence rw, rw" ::: "memory");
        fence_i();
        expect(call(&code[1024 + i % 61 * 8]), i % 13);
    }
    stop_requests(&requests);
    return 0;
}

static void rewrite(u64 request)
{
    /* one aligned store: the other hart sees the old or the new instructions */
    *(volatile u32 *)&code[1024 + request % 61 * 8] = 0x80824501u | (u32)(request % 13) << 2;
}

static u64 serve(u64 unused)
{
    (void)unused;
    return serve_requests(&requests, rewrite);
}

static u64 *root;
static volatile u64 paged; /* the second time: hart 1 has page tables, too */

static void use_pages(void)
{
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
}

static void follow(void)
{
    serve(0);
    while (!paged)
        ;
    use_pages();
    in_mode(serve, 0, S);
    for (;;)
        ;
}

static void all(u64 mode)
{
    for (u64 i = 0; i < 61; i++)
        *(volatile u32 *)&code[1024 + i * 8] = 0x80824501u;
    in_mode(alone, 0, mode);
    in_mode(data_beside, 0, mode);
    in_mode(other_hart, 0, mode);
}

void main(u64 hart)
{
    if (hart == 1)
        follow();
    all(M);
    root = new_table();
    map(root, 3, 0, 0, 2, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D); /* the console and the end */
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    use_pages();
    paged = 1;
    all(S);
}
