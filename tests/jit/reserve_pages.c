/* SC without a reservation: it faults where a store would, else it fails. And a reservation does not outlive what may make its address another place. */
#include "tests/jit/lib.h"

#define BASE 0x80000000ul
#define SIZE 0x400000ul

TRAP_HANDLER

enum { VA = 0x40000000, LEVELS = 3, OLD = 5, NEW = 9, UNTOUCHED = 77, MPRV = 1 << 17, MPP_S = 1 << 11, ROUNDS = 3 };

static u64 root[512] __attribute__((aligned(4096))), other_root[512] __attribute__((aligned(4096)));
static u64 here[512] __attribute__((aligned(4096))), there[512] __attribute__((aligned(4096)));
static u64 elsewhere;

static u64 sc(u64 address)
{
    u64 failed = UNTOUCHED;

    __asm__ volatile("sc.d %0, %1, (%2)" : "+r"(failed) : "r"((u64)NEW), "r"(address) : "memory");
    return failed;
}

static u64 sc_of_another_lr(u64 address)
{
    u64 failed = UNTOUCHED;

    __asm__ volatile("lr.d zero, (%3)\nsc.d %0, %1, (%2)" : "+r"(failed) : "r"((u64)NEW), "r"(address), "r"(&elsewhere) : "memory");
    return failed;
}

/* A fault leaves the address where it was: UNTOUCHED. */
static u64 sc_over_its_address(u64 address)
{
    u64 both = address;

    __asm__ volatile("sc.w %0, %1, (%0)" : "+r"(both) : "r"((u64)NEW) : "memory");
    return both == address ? UNTOUCHED : both;
}

static u64 sc_without_result(u64 address)
{
    __asm__ volatile("sc.d zero, zero, (%0)" ::"r"(address) : "memory");
    return trapped.count ? UNTOUCHED : 1;
}

static u64 (*const ways[])(u64) = { sc, sc_of_another_lr, sc_over_its_address, sc_without_result };

/* Each way in this mode: the cause, or 0 where it fails. */
static void try_all(u64 mode, u64 address, u64 cause)
{
    for (u64 i = 0; i < sizeof(ways) / sizeof(ways[0]) * ROUNDS; i++) {
        trapped.count = trapped.cause = 0;
        u64 failed = mode == M ? ways[i % 4](address) : (u64)in_mode(ways[i % 4], address, mode);

        expect(trapped.count, cause != 0);
        expect(trapped.cause, cause);
        expect(failed, cause ? UNTOUCHED : 1);
        if (cause)
            expect(trapped.tval, address);
        expect(here[0], OLD);
    }
}

static void set_page(u64 *page, u64 flags)
{
    map(root, LEVELS, VA, (u64)page, 0, flags);
    fence_all();
}

static void faults(void)
{
    set_page(here, PTE_RWX);
    try_all(S, VA, 0);
    try_all(S, VA + 2, 6);
    set_page(here, PTE_RWX & ~PTE_W);
    try_all(S, VA, 15);
    try_all(S, VA + 2, 6);
    set_page(here, 0);
    try_all(S, VA, 15);
    try_all(M, (u64)here, 0);
    try_all(M, (u64)here + 2, 6);
    try_all(M, 0x02000000, 7); /* a device refuses, as it does AMOs */
    /* no stores to `here`, by PMP */
    csr_write(pmpaddr0, (u64)here >> 2 | 511);
    csr_write(pmpcfg0, 0x19);
    set_page(here, PTE_RWX);
    try_all(S, VA, 7);
    try_all(S, VA + 2, 6);
    csr_write(pmpcfg0, 0);
    try_all(S, VA, 0);
}

enum { FENCE_ALL, FENCE_PAGE, FENCE_SPACE_PAGE, SATP, WAYS };

/* LR, another page, SC: whose result comes back. */
static u64 remap(u64 way)
{
    u64 failed, *pte = pte_of(root, LEVELS, VA, 0), moved = (u64)there >> 12 << 10 | PTE_RWX;

    __asm__ volatile("lr.d zero, (%0)" ::"r"((u64)VA) : "memory");
    if (way != SATP)
        *pte = moved;
    if (way == FENCE_ALL)
        fence_all();
    else if (way == FENCE_PAGE)
        fence_page(VA);
    else if (way == FENCE_SPACE_PAGE)
        __asm__ volatile("sfence.vma %0, %1" ::"r"((u64)VA), "r"(1ul) : "memory");
    else
        csr_write(satp, satp_of(other_root, LEVELS, 2));
    __asm__ volatile("sc.d %0, %1, (%2)" : "=r"(failed) : "r"((u64)NEW), "r"((u64)VA) : "memory");
    return failed;
}

static void remaps(void)
{
    u64 failed;

    for (u64 i = 0; i < WAYS * ROUNDS; i++) {
        csr_write(satp, satp_of(root, LEVELS, 1));
        set_page(here, PTE_RWX);
        expect(in_mode(remap, i % WAYS, S), 1);
        expect(here[0], OLD);
        expect(there[0], OLD);
    }
    /* in M mode, with loads and stores as S mode's in between */
    csr_write(satp, satp_of(other_root, LEVELS, 2));
    for (u64 i = 0; i < ROUNDS; i++) {
        csr_clear(mstatus, 3 * MPP_S);
        __asm__ volatile("lr.d zero, (%1)\ncsrs mstatus, %2\nsc.d %0, %3, (%1)\ncsrc mstatus, %2"
                         : "=&r"(failed) : "r"(here), "r"((u64)MPRV | MPP_S), "r"((u64)NEW) : "memory");
        expect(failed, 1);
        expect(here[0], OLD);
        expect(there[0], OLD);
    }
}

void main(u64 hart)
{
    other_harts_wait(hart);
    here[0] = there[0] = OLD;
    map(root, LEVELS, BASE, BASE, 2, PTE_RWX);
    for (u64 at = BASE; at < BASE + SIZE; at += 4096)
        map(other_root, LEVELS, at, at == (u64)here ? (u64)there : at, 0, PTE_RWX);
    map(other_root, LEVELS, VA, (u64)there, 0, PTE_RWX);
    csr_write(satp, satp_of(root, LEVELS, 1));
    faults();
    remaps();
}
