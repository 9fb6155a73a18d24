/*
 * What a TLB shared by address spaces may keep and what not: more spaces than any table has room for, ASIDs that are used again, global
 * leaves, fences by address, by ASID, by both, dirty bits, privileges, more pages than entries, PMP, another hart's fences.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

#define fence_asid(asid)          __asm__ volatile("sfence.vma zero, %0" ::"r"((u64)(asid)) : "memory")
#define fence_page_asid(va, asid) __asm__ volatile("sfence.vma %0, %1" ::"r"((u64)(va)), "r"((u64)(asid)) : "memory")

enum { DATA = 64, SPACES = 100, LOW = 0x40000000, MEGA = 0x200000 };
#define HIGH (-0x40000000ul)

static u64 data[DATA][512] __attribute__((aligned(4096)));
static u64 big[2][512 * 512] __attribute__((aligned(0x200000)));
static u64 tables[SPACES * 5 + 60][512] __attribute__((aligned(4096)));
static u32 used;

static u64 *table(void)
{
    u64 *t = tables[used++];

    for (int i = 0; i < 512; i++)
        t[i] = 0;
    return t;
}

/* Sv39, as map() of lib.h but from this file's larger pool. */
static u64 *entry(u64 *root, u64 va, int level)
{
    u64 *t = root;

    for (int l = 2; l > level; l--) {
        u64 *pte = &t[va >> (12 + 9 * l) & 511];

        if (!(*pte & PTE_V))
            *pte = (u64)table() >> 12 << 10 | PTE_V;
        t = (u64 *)(*pte >> 10 << 12);
    }
    return &t[va >> (12 + 9 * level) & 511];
}

static void set(u64 *root, u64 va, u64 pa, int level, u64 flags)
{
    *entry(root, va, level) = pa >> 12 << 10 | flags;
}

static u64 *space(void)
{
    u64 *root = table();

    set(root, 0x80000000, 0x80000000, 2, PTE_RWX | PTE_G);
    return root;
}

static void enter(u64 *root, u64 asid)
{
    csr_write(satp, satp_of(root, 3, asid));
}

static u64 load(u64 va)
{
    return *(volatile u64 *)va;
}

static u64 store(u64 va)
{
    *(volatile u64 *)va = 99;
    return 0;
}

static u8 put_byte;
static u32 put_word;

static u64 load_byte(u64 va)
{
    return *(volatile u8 *)va;
}

static u64 store_byte(u64 va)
{
    *(volatile u8 *)va = put_byte;
    return 0;
}

static u64 load_word(u64 va)
{
    return *(volatile u32 *)va;
}

static u64 store_word(u64 va)
{
    *(volatile u32 *)va = put_word;
    return 0;
}

/* "li a0, n; ret" at the start of data page n, its number behind. n < 16 */
static void fill(void)
{
    for (u64 i = 0; i < DATA; i++) {
        ((volatile u16 *)data[i])[0] = (u16)(0x4501 | (i & 15) << 2);
        ((volatile u16 *)data[i])[1] = 0x8082;
        data[i][1] = i;
    }
    fence_i();
}

static u64 run(u64 va)
{
    return ((u64(*)(void))va)();
}

static u64 seen(u64 va)
{
    return in_mode(load, va + 8, S);
}

/* Each space has its own page at LOW and at HIGH; round and round, remapped with the narrowest fence. */
static void many_spaces(void)
{
    static u64 *root[SPACES];

    used = 0;
    for (u64 i = 0; i < SPACES; i++) {
        root[i] = space();
        set(root[i], LOW, (u64)data[i % DATA], 0, PTE_RWX);
        set(root[i], HIGH, (u64)data[(i + 7) % DATA], 0, PTE_RWX);
    }
    fence_all();
    for (u64 round = 0; round < 3; round++) {
        for (u64 i = 0; i < SPACES; i++) {
            enter(root[i], i + 1);
            expect(seen(LOW), (i + round) % DATA);
            expect(seen(HIGH), (i + 7 + round) % DATA);
            expect(in_mode(run, LOW, S), (i + round) % DATA & 15);
            set(root[i], LOW, (u64)data[(i + round + 1) % DATA], 0, PTE_RWX);
            set(root[i], HIGH, (u64)data[(i + 7 + round + 1) % DATA], 0, PTE_RWX);
            fence_page_asid(LOW, i + 1);
            fence_page_asid(HIGH, i + 1);
            expect(seen(LOW), (i + round + 1) % DATA);
            expect(seen(HIGH), (i + 7 + round + 1) % DATA);
            expect(in_mode(run, LOW, S), (i + round + 1) % DATA & 15);
            expect(in_mode(run, HIGH, S), (i + 7 + round + 1) % DATA & 15);
        }
    }
    /* remapped behind everybody's back, fenced for all spaces at once by the address alone */
    for (u64 i = 0; i < SPACES; i++) {
        set(root[i], LOW, (u64)data[50], 0, PTE_RWX);
        set(root[i], HIGH, (u64)data[51], 0, PTE_RWX);
    }
    fence_page(LOW);
    fence_page(HIGH);
    for (u64 i = 0; i < SPACES; i++) {
        enter(root[i], i + 1);
        expect(seen(LOW), 50);
        expect(seen(HIGH), 51);
    }
}

static void asid_again(void)
{
    used = 0;
    u64 *one = space(), *two = space();

    set(one, LOW, (u64)data[1], 0, PTE_RWX);
    set(two, LOW, (u64)data[2], 0, PTE_RWX);
    fence_all();
    for (u64 i = 0; i < 20; i++) {
        enter(one, 5);
        expect(seen(LOW), 1);
        fence_asid(5);
        enter(two, 5);
        expect(seen(LOW), 2);
        fence_asid(5);
        /* the same root with another page, fenced by ASID */
        set(two, LOW, (u64)data[3], 0, PTE_RWX);
        fence_asid(5);
        expect(seen(LOW), 3);
        expect(in_mode(run, LOW, S), 3);
        set(two, LOW, (u64)data[2], 0, PTE_RWX);
        fence_asid(5);
        expect(in_mode(run, LOW, S), 2);
    }
}

/* One global leaf in two spaces. */
static void global(u64 va)
{
    used = 0;
    u64 *one = space(), *two = space();

    for (u64 i = 0; i < 2; i++)
        set(i ? two : one, va, (u64)data[4], 0, PTE_RWX | PTE_G);
    fence_all();
    for (u64 i = 0; i < 6; i++) {
        u64 *last = i & 1 ? one : two;

        enter(one, 1);
        expect(seen(va), 4 + i);
        expect(in_mode(run, va, S), 4 + i);
        enter(two, 2);
        expect(seen(va), 4 + i);
        expect(in_mode(run, va, S), 4 + i);
        set(one, va, (u64)data[5 + i], 0, PTE_RWX | PTE_G);
        set(two, va, (u64)data[5 + i], 0, PTE_RWX | PTE_G);
        enter(last, last == one ? 1 : 2);
        if (i < 3)
            fence_page(va);
        else
            fence_all();
    }
    /* no longer global, different pages: as soon as it was fenced as what it was */
    set(one, va, (u64)data[20], 0, PTE_RWX);
    set(two, va, (u64)data[21], 0, PTE_RWX);
    fence_page(va);
    enter(one, 1);
    expect(seen(va), 20);
    enter(two, 2);
    expect(seen(va), 21);
    /* a table that is marked global makes all below it global */
    *entry(one, va, 1) |= PTE_G;
    *entry(two, va, 1) |= PTE_G;
    fence_all();
    expect(seen(va), 21);
    set(two, va, (u64)data[22], 0, PTE_RWX);
    set(one, va, (u64)data[22], 0, PTE_RWX);
    fence_page(va);
    expect(seen(va), 22);
    enter(one, 1);
    expect(seen(va), 22);
}

/* A large leaf, global or not, seen from two spaces; one address of it is fenced, its other pages must go too. */
static void large(u64 va, u64 flags)
{
    used = 0;
    u64 *one = space(), *two = space();

    for (u64 i = 0; i < 512 * 512; i += 512) {
        big[0][i + 1] = 1;
        big[1][i + 1] = 2;
    }
    fence_all();
    for (u64 round = 0; round < 4; round++) {
        u64 to = round & 1;

        set(one, va, (u64)big[to], 1, PTE_RWX | flags);
        set(two, va, (u64)big[to], 1, PTE_RWX | flags);
        fence_page(va + 0x5000);
        for (u64 i = 0; i < 2; i++) {
            enter(i ? two : one, i + 1);
            for (u64 page = 0; page < 512; page += 31)
                expect(seen(va + page * 4096), to + 1);
        }
    }
    if (flags & PTE_G)
        return;
    /* fenced in one space alone */
    set(one, va, (u64)data[9], 1, 0);
    fence_page_asid(va + MEGA - 1, 1);
    enter(one, 1);
    trapped.count = 0;
    for (u64 page = 0; page < 512; page += 31)
        seen(va + page * 4096);
    expect(trapped.count, 17);
    enter(two, 2);
    expect(seen(va), 2);
}

/* Loads first, then a store that must set D; write-protected again; and again. */
static void dirty(void)
{
    used = 0;
    u64 *root = space();

    set(root, LOW, (u64)data[10], 0, PTE_V | PTE_R | PTE_W | PTE_A);
    enter(root, 1);
    fence_all();
    csr_set(0x30a, 1ul << 61); /* menvcfg.ADUE */
    for (u64 i = 0; i < 5; i++) {
        expect(seen(LOW), 10);
        expect(*entry(root, LOW, 0) & PTE_D, 0);
        trapped.count = 0;
        in_mode(store, LOW, S);
        expect(trapped.count, 0);
        expect(data[10][0], 99);
        expect(*entry(root, LOW, 0) & PTE_D, PTE_D);
        in_mode(store, LOW, S);
        *entry(root, LOW, 0) &= ~(u64)PTE_D;
        fence_page_asid(LOW, 1);
    }
    /* without hardware updates the store faults, however often loads went well */
    csr_clear(0x30a, 1ul << 61);
    expect(seen(LOW), 10);
    trapped.count = 0;
    in_mode(store, LOW, S);
    expect(trapped.count, 1);
    expect(trapped.cause, 15);
    *entry(root, LOW, 0) |= PTE_D; /* no fence: D going on may be seen late, but a walk after a fault sees it */
    fence_page(LOW);
    in_mode(store, LOW, S);
    expect(trapped.count, 1);
    /* read-only */
    *entry(root, LOW, 0) &= ~(u64)PTE_W;
    fence_page(LOW);
    in_mode(store, LOW, S);
    expect(trapped.count, 2);
    csr_set(0x30a, 1ul << 61);
}

/* One leaf, all modes; the entry that one mode brought in serves the others, with their own rights. */
static void modes(void)
{
    used = 0;
    u64 *root = space();

    set(root, LOW, (u64)data[11], 0, PTE_RWX | PTE_U);
    set(root, LOW + 0x1000, (u64)data[12], 0, PTE_RWX);
    set(root, LOW + 0x2000, (u64)data[13], 0, PTE_V | PTE_X | PTE_A);
    /* where U runs: the same code at another address, for users */
    set(root, 0x100000000, 0x80000000, 2, PTE_RWX | PTE_U);
    enter(root, 1);
    fence_all();
    for (u64 i = 0; i < 4; i++) {
        csr_set(sstatus, 1 << 18);
        expect(seen(LOW), 11);
        csr_clear(sstatus, 1 << 18);
        trapped.count = 0;
        seen(LOW);
        expect(trapped.count, 1);
        expect(trapped.cause, 13);
        in_mode((void *)LOW, 0, S); /* S never executes user pages */
        expect(trapped.count, 2);
        expect(trapped.cause, 12);
        expect(seen(LOW + 0x1000), 12);
        seen(LOW + 0x2000);
        expect(trapped.count, 3);
        /* comes back by a fault: U may not fetch from where in_mode() waits */
        expect(in_mode((char *)load + MEGA * 1024ul, LOW + 8, U), 11);
        expect(trapped.count, 4);
        expect(trapped.cause, 12);
        csr_set(sstatus, 1 << 19);
        expect(seen(LOW + 0x2000), 13);
        csr_clear(sstatus, 1 << 19);
        expect(in_mode(run, LOW + 0x2000, S), 13);
    }
}

/* Many more pages than the table has entries. */
static void capacity(void)
{
    enum { PAGES = 20000 };

    used = 0;
    u64 *root = space();

    for (u64 i = 0; i < PAGES; i++)
        set(root, LOW + i * 4096, (u64)data[i % DATA], 0, PTE_RWX);
    enter(root, 1);
    fence_all();
    for (u64 round = 0; round < 2; round++) {
        for (u64 i = round; i < PAGES; i += 7)
            expect(seen(LOW + i * 4096), i % DATA);
    }
    for (u64 i = 0; i < PAGES; i += 61) {
        set(root, LOW + i * 4096, (u64)data[(i + 1) % DATA], 0, PTE_RWX);
        fence_page_asid(LOW + i * 4096, 1);
    }
    for (u64 i = 0; i < PAGES; i += 61)
        expect(seen(LOW + i * 4096), (i + 1) % DATA);
}

/* Protection of physical memory changes behind translations that are known. */
static void protection(void)
{
    used = 0;
    u64 *root = space();

    set(root, LOW, (u64)data[14], 0, PTE_RWX);
    set(root, LOW + 0x1000, (u64)data[15], 0, PTE_RWX);
    enter(root, 1);
    fence_all();
    for (u64 i = 0; i < 3; i++) {
        expect(seen(LOW), 14);
        expect(seen(LOW + 0x1000), 15);
        csr_write(pmpaddr0, ((u64)data[14] >> 2) | 0x1ff); /* NAPOT 4 KiB */
        csr_write(pmpcfg0, 0x18 | 1);                      /* read only */
        trapped.count = 0;
        expect(seen(LOW), 14);
        expect(trapped.count, 0);
        in_mode(store, LOW, S);
        expect(trapped.count, 1);
        expect(trapped.cause, 7);
        in_mode(store, LOW + 0x1000, S);
        expect(trapped.count, 1);
        csr_write(pmpcfg0, 0x18); /* nothing */
        seen(LOW);
        expect(trapped.count, 2);
        expect(trapped.cause, 5);
        csr_write(pmpcfg0, 0);
        in_mode(store, LOW, S);
        expect(trapped.count, 2);
    }
}

/* A device, and flash that reads as memory but takes commands: their loads and stores are never the RAM's. */
static void devices(void)
{
    enum { UART = 0x10000000, FLASH = 0x20000000, LINE_STATUS = 5, SCRATCH = 7, READ_STATUS = 0x700070, READ_ARRAY = 0xff00ff };

    used = 0;
    u64 *root = space();
    set(root, LOW, UART, 0, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D);
    set(root, LOW + 0x1000, FLASH, 0, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D);
    enter(root, 1);
    fence_all();
    u64 array = *(volatile u32 *)FLASH;
    for (u64 i = 0; i < 3; i++) {
        expect(in_mode(load_byte, LOW + LINE_STATUS, S) & 0x60, 0x60);
        put_byte = 0x5a;
        in_mode(store_byte, LOW + SCRATCH, S);
        expect(in_mode(load_byte, LOW + SCRATCH, S), 0x5a);
        *(volatile u8 *)(UART + SCRATCH) = 0;
        expect(in_mode(load_byte, LOW + SCRATCH, S), 0);
        expect(in_mode(load_word, LOW + 0x1000, S), array);
        put_word = READ_STATUS;
        in_mode(store_word, LOW + 0x1000, S);
        expect(in_mode(load_word, LOW + 0x1000, S), 0x800080);
        put_word = READ_ARRAY;
        in_mode(store_word, LOW + 0x1000, S);
        expect(in_mode(load_word, LOW + 0x1000, S), array);
    }
}

/* The other hart's side of a shootdown: fences when asked, then must see the new page. */
static volatile u64 asked, answered, told;

static u64 follow(u64 va)
{
    u64 done = 0;

    while (done < 300) {
        u64 now = asked;

        told = *(volatile u64 *)(va + 8);
        if (now == done)
            continue;
        fence_page(va);
        done = now;
        told = *(volatile u64 *)(va + 8);
        __asm__ volatile("fence" ::: "memory");
        answered = done;
    }
    return 0;
}

static u64 *shared_root;

static void shootdown(void)
{
    for (u64 i = 1; i <= 300; i++) {
        set(shared_root, LOW, (u64)data[i % DATA], 0, PTE_RWX);
        __asm__ volatile("fence" ::: "memory");
        asked = i;
        while (answered != i)
            ;
        expect(told, i % DATA);
    }
}

static volatile u64 ready;

void main(u64 hart)
{
    if (hart == 1) {
        while (!ready)
            ;
        enter(shared_root, 9);
        fence_all();
        in_mode(follow, LOW, S);
        for (;;)
            ;
    }
    other_harts_wait(hart);
    fill();
    many_spaces();
    fill();
    asid_again();
    global(LOW);
    fill();
    global(HIGH);
    large(LOW, 0);
    large(HIGH, 0);
    large(LOW, PTE_G);
    large(HIGH, PTE_G);
    fill();
    dirty();
    fill();
    modes();
    capacity();
    fill();
    protection();
    devices();
    fill();
    used = 0;
    shared_root = space();
    set(shared_root, LOW, (u64)data[0], 0, PTE_RWX);
    __asm__ volatile("fence" ::: "memory");
    ready = 1;
    shootdown();
}
