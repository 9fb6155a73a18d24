/*
 * tests/unit/riscv_mmu.c - address translation at every level of Sv39, Sv48 and Sv57, every bit of a PTE, and physical
 * memory protection, each against what sections 3.7 and 12.3 to 12.6 of the Privileged manual say.
 */
#include "tests/unit/riscv_fixture.h"

enum { ROOT = RAM + 0x1000, TABLES = RAM + 0x10000 };
enum { V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128, RWXAD = V | R | W | X | A | D };

static const struct paging {
    const char *name;
    u64 mode;
    int levels;
} pagings[] = { { "Sv39", 8, 3 }, { "Sv48", 9, 4 }, { "Sv57", 10, 5 } };

static const u8 access_faults[] = { RISCV_LOAD_ACCESS, RISCV_STORE_ACCESS, RISCV_FETCH_ACCESS };
static const u8 page_faults[] = { RISCV_LOAD_PAGE_FAULT, RISCV_STORE_PAGE_FAULT, RISCV_FETCH_PAGE_FAULT };

static u64 pte(u64 physical, u64 bits)
{
    return physical >> 12 << 10 | bits;
}

/* An address with a different index at each level; canonical. */
static u64 sample(const struct paging *p, bool upper)
{
    u64 va = 0xabc;

    for (int level = 0; level < p->levels; level++)
        va |= (u64)(0x13 + 0x21 * level) << (12 + 9 * level);
    return upper ? (u64)bits_sign_extend(va | BIT64(11 + 9 * p->levels), 12 + 9 * p->levels) : va;
}

static u64 table_at(const struct paging *p, int level)
{
    return level == p->levels - 1 ? ROOT : TABLES + 0x1000 * (u64)level;
}

static u64 slot(const struct paging *p, u64 va, int level)
{
    return table_at(p, level) + bits_get(va, 12 + 9 * level, 9) * 8;
}

/* Tables from the root down to `level`, whose entry becomes leaf. */
static void map(struct hart *h, const struct paging *p, u64 va, int level, u64 leaf)
{
    for (int l = p->levels - 1; l > level; l--)
        hart_store(h, slot(p, va, l), pte(table_at(p, l - 1), V));
    hart_store(h, slot(p, va, level), leaf);
    hart_write(h, 0x180, p->mode << 60 | ROOT >> 12);
}

static struct mmu_page walk(struct hart *h, u64 va, enum mmu_access access)
{
    struct mmu_page page;

    riscv_mmu_walk(h->vcpu, va, 1, access, false, &page);
    return page;
}

static void start(struct hart *h, const char *model)
{
    hart_start(h, model);
    hart_open_pmp(h);
    h->state->privilege = RISCV_S;
}

/* A leaf at every level of every mode, at both halves of the address space. */
static void test_levels(void)
{
    struct hart h;

    start(&h, "max");
    for (unsigned i = 0; i < ARRAY_SIZE(pagings) * 2; i++) {
        const struct paging *p = &pagings[i / 2];
        u64 va = sample(p, i & 1);

        for (int level = 0; level < p->levels; level++) {
            u64 size = BIT64(12 + 9 * level), physical = UINT64_C(0x2a000000000000) & ~(size - 1);

            map(&h, p, va, level, pte(physical | (level ? 0 : 0x5000), RWXAD));
            for (unsigned access = 0; access < 3; access++) {
                struct mmu_page page = walk(&h, va, access);

                g_assert_cmpuint(page.fault, ==, 0);
                g_assert_cmphex(page.physical, ==, (physical | (level ? va & (size - 1) : 0x5000)) & ~UINT64_C(0xfff));
                g_assert_cmphex(page.leaf_size, ==, size);
                g_assert_true(page.read && page.write && page.execute && !page.uncached);
            }
            /* Misaligned superpages: each low bit of the PPN. */
            for (int bit = 0; bit < 9 * level; bit++) {
                map(&h, p, va, level, pte(physical | BIT64(12 + bit), RWXAD));
                g_assert_cmpuint(walk(&h, va, MMU_READ).fault, ==, RISCV_LOAD_PAGE_FAULT);
            }
        }
    }
    hart_stop(&h);
}

/* Bits above the virtual address must equal its top bit. */
static void test_canonical(void)
{
    struct hart h;

    start(&h, "max");
    for (unsigned i = 0; i < ARRAY_SIZE(pagings); i++) {
        const struct paging *p = &pagings[i];

        for (unsigned upper = 0; upper < 2; upper++) {
            u64 va = sample(p, upper);

            map(&h, p, va, 0, pte(RAM, RWXAD));
            for (int bit = 12 + 9 * p->levels - 1; bit < 64; bit++) {
                for (unsigned access = 0; access < 3; access++)
                    g_assert_cmpuint(walk(&h, va ^ BIT64(bit), access).fault, ==, page_faults[access]);
            }
            g_assert_cmpuint(walk(&h, va, MMU_READ).fault, ==, 0);
        }
    }
    hart_stop(&h);
}

/* Every single bit and reserved combination, in leaves and in pointers, at every level. software: high bits that are for software. */
static void check_pte_bits(const char *cpu, u64 software)
{
    struct hart h;

    start(&h, cpu);
    hart_write(&h, 0x300, MSTATUS_SUM); /* so that U alone is no fault for data */
    for (unsigned i = 0; i < ARRAY_SIZE(pagings); i++) {
        const struct paging *p = &pagings[i];
        u64 va = sample(p, false);

        for (int level = 0; level < p->levels; level++) {
            u64 leaf = pte(0, RWXAD);

            for (unsigned pbmte = 0; pbmte < 2; pbmte++) {
                hart_write(&h, 0x30a, ENVCFG_ADUE | (pbmte ? ENVCFG_PBMTE : 0));
                for (int bit = 54; bit < 64; bit++) {
                    bool legal = (pbmte && (bit == 61 || bit == 62)) || (software >> bit & 1);

                    map(&h, p, va, level, leaf | BIT64(bit));
                    g_assert_cmpuint(walk(&h, va, MMU_READ).fault, ==, legal ? 0 : RISCV_LOAD_PAGE_FAULT);
                }
                map(&h, p, va, level, leaf | UINT64_C(3) << 61);
                g_assert_cmpuint(walk(&h, va, MMU_READ).fault, ==, RISCV_LOAD_PAGE_FAULT);
            }
            for (unsigned bits = 0; bits < 16; bits++) {
                bool valid = bits & V, leaf_bits = bits & (R | X), reserved = (bits & W) && !(bits & R);

                map(&h, p, va, level, pte(0, bits | A | D));
                if (!valid || reserved || !leaf_bits)
                    g_assert_cmpuint(walk(&h, va, MMU_FETCH).fault, ==, RISCV_FETCH_PAGE_FAULT);
                else
                    g_assert_cmpuint(walk(&h, va, MMU_FETCH).fault, ==, bits & X ? 0 : RISCV_FETCH_PAGE_FAULT);
            }
            if (level == 0)
                continue;
            /* Pointers: U, A, D, N, PBMT and the reserved bits must be clear; G may be set. */
            map(&h, p, va, level - 1, pte(0, RWXAD));
            u64 pointer = hart_load(&h, slot(p, va, level));
            for (int bit = 4; bit < 64; bit++) {
                if (bit == 8 || bit == 9 || bit == 5 || (bit >= 10 && bit < 54) || (software >> bit & 1))
                    continue; /* RSW, G, PPN */
                hart_store(&h, slot(p, va, level), pointer | BIT64(bit));
                g_assert_cmpuint(walk(&h, va, MMU_READ).fault, ==, RISCV_LOAD_PAGE_FAULT);
            }
            hart_store(&h, slot(p, va, level), pointer | G | UINT64_C(0x300) | software);
            g_assert_cmpuint(walk(&h, va, MMU_READ).fault, ==, 0);
        }
    }
    hart_stop(&h);
}

static void test_pte_bits(void)
{
    check_pte_bits("max", UINT64_C(3) << 59);
    check_pte_bits("max,svrsw60t59b=off", 0);
}

/* Section 12.3.1's prose, written as one expression a kind. */
static bool allowed(u64 bits, u8 mode, bool sum, bool mxr, enum mmu_access access)
{
    bool user = bits & U;

    if (mode == RISCV_U && !user)
        return false;
    if (mode == RISCV_S && user && (access == MMU_FETCH || !sum))
        return false;
    return access == MMU_FETCH ? bits & X : access == MMU_WRITE ? bits & W : (bits & R) || (mxr && (bits & X));
}

/* Every permission x mode x SUM x MXR x access, directly and through MPRV; what may be cached must agree too. */
static void test_permissions(void)
{
    static const u8 rwx[] = { R, R | W, X, R | X, R | W | X };
    const struct paging *p = &pagings[0];
    u64 va = sample(p, false);
    struct hart h;

    start(&h, "rv64");
    for (unsigned i = 0; i < 5 * 2 * 2 * 4 * 3 * 2; i++) {
        u64 bits = rwx[i % 5] | (i / 5 & 1 ? U : 0);
        u8 mode = i / 10 & 1 ? RISCV_S : RISCV_U;
        bool sum = i / 20 & 1, mxr = i / 40 & 1;
        enum mmu_access access = i / 80 % 3;
        bool mprv = i / 240;

        map(&h, p, va, 0, pte(RAM, bits | V | A | D));
        hart_write(&h, 0x300, (sum ? MSTATUS_SUM : 0) | (mxr ? MSTATUS_MXR : 0) | (mprv ? MSTATUS_MPRV | (u64)mode << 11 : 0));
        h.state->privilege = mprv ? RISCV_M : mode;
        struct mmu_page page = walk(&h, va, access);
        if (mprv && access == MMU_FETCH) {
            g_assert_cmphex(page.physical, ==, va & ~UINT64_C(0xfff)); /* M mode fetches untranslated */
            g_assert_true(page.execute && !page.read && !page.write);
            continue;
        }
        bool legal = allowed(bits, mode, sum, mxr, access);
        g_assert_cmpuint(page.fault, ==, legal ? 0 : page_faults[access]);
        if (!legal)
            continue;
        g_assert_true(page.read == allowed(bits, mode, sum, mxr, MMU_READ));
        g_assert_true(page.write == allowed(bits, mode, sum, mxr, MMU_WRITE));
        g_assert_true(page.execute == (!mprv && allowed(bits, mode, sum, mxr, MMU_FETCH)));
    }
    hart_stop(&h);
}

/* A and D at every level: set by hardware under ADUE, page faults otherwise; loads do not set D and do not cache writes. */
static void test_accessed_dirty(void)
{
    static const struct {
        const char *model;
        bool adue;
        bool updates;
    } rows[] = {
        { "rv64", true, true },  { "rv64", false, false },
        { "rv64,svade=on", true, true },  { "rv64,svade=on", false, false },
        { "rv64,svadu=off,svade=on", false, false }, { "rv64,svadu=off", false, true },
    };

    for (unsigned r = 0; r < ARRAY_SIZE(rows); r++) {
        struct hart h;

        start(&h, rows[r].model);
        hart_write(&h, 0x30a, rows[r].adue ? ENVCFG_ADUE : 0);
        for (unsigned i = 0; i < ARRAY_SIZE(pagings) * 5 * 4 * 3; i++) {
            const struct paging *p = &pagings[i % 3];
            int level = i / 3 % 5;
            u64 va = sample(p, true), bits = (i / 15 & 1 ? A : 0) | (i / 15 & 2 ? D : 0);
            enum mmu_access access = i / 60;
            bool complete = (bits & A) && (access != MMU_WRITE || (bits & D));

            if (level >= p->levels)
                continue;
            map(&h, p, va, level, pte(0, V | R | W | X | bits));
            struct mmu_page page = walk(&h, va, access);
            u64 after = hart_load(&h, slot(p, va, level)) & (A | D);
            if (complete || rows[r].updates) {
                g_assert_cmpuint(page.fault, ==, 0);
                g_assert_cmphex(after, ==, bits | A | (access == MMU_WRITE ? D : 0));
                g_assert_true(page.write == !!(after & D));
            } else {
                g_assert_cmpuint(page.fault, ==, page_faults[access]);
                g_assert_cmphex(after, ==, bits);
            }
            /* The debugger changes nothing. */
            map(&h, p, va, level, pte(0, V | X | bits));
            riscv_mmu_walk(h.vcpu, va, 1, MMU_WRITE, true, &page);
            g_assert_cmpuint(page.fault, ==, 0);
            g_assert_cmphex(hart_load(&h, slot(p, va, level)) & (A | D), ==, bits);
        }
        hart_stop(&h);
    }
}

static void test_napot(void)
{
    struct hart h;
    const struct paging *p = &pagings[1];

    start(&h, "max");
    for (unsigned low = 0; low < 16; low++) {
        u64 va = sample(p, false) & ~UINT64_C(0xffff);

        for (unsigned page_number = 0; page_number < 16; page_number++) {
            u64 here = va | page_number << 12;

            map(&h, p, here, 0, pte(RAM + 0x30000 + (low << 12), RWXAD) | BIT64(63));
            struct mmu_page page = walk(&h, here, MMU_WRITE);
            g_assert_cmpuint(page.fault, ==, low == 8 ? 0 : RISCV_STORE_PAGE_FAULT);
            if (low == 8) {
                g_assert_cmphex(page.physical, ==, RAM + 0x30000 + (page_number << 12));
                g_assert_cmphex(page.leaf_size, ==, 0x10000);
            }
        }
    }
    /* Not in superpages, nor without the extension. */
    map(&h, p, sample(p, false), 1, pte(0x8000, RWXAD) | BIT64(63));
    g_assert_cmpuint(walk(&h, sample(p, false), MMU_READ).fault, ==, RISCV_LOAD_PAGE_FAULT);
    hart_stop(&h);
    start(&h, "rv64");
    map(&h, p, sample(p, false), 0, pte(RAM + 0x8000, RWXAD) | BIT64(63));
    g_assert_cmpuint(walk(&h, sample(p, false), MMU_READ).fault, ==, RISCV_LOAD_PAGE_FAULT);
    hart_stop(&h);
}

/* Page tables outside memory, or where S mode may not read (or write A and D) by PMP: access faults of the access's kind. */
static void test_table_access(void)
{
    struct hart h;
    const struct paging *p = &pagings[0];
    u64 va = sample(p, false);

    start(&h, "rv64");
    for (unsigned access = 0; access < 3; access++) {
        for (int level = 0; level < p->levels; level++) {
            map(&h, p, va, 0, pte(RAM, RWXAD));
            if (level < p->levels - 1)
                hart_store(&h, slot(p, va, level + 1), pte(0x40000000, V));
            else
                hart_write(&h, 0x180, p->mode << 60 | 0x40000000 >> 12);
            g_assert_cmpuint(walk(&h, va, access).fault, ==, access_faults[access]);

            /* Entry 0: the PTE alone, no permission; then read-only. */
            map(&h, p, va, 0, pte(RAM, V | R | W | X | D));
            hart_write(&h, 0x3b0, slot(p, va, level) >> 2 | 0);
            hart_write(&h, 0x3b1, UINT64_MAX);
            hart_write(&h, 0x3a0, 0x1f18);
            g_assert_cmpuint(walk(&h, va, access).fault, ==, access_faults[access]);
            hart_write(&h, 0x3a0, 0x1f19);
            g_assert_cmpuint(walk(&h, va, access).fault, ==, level ? 0 : access_faults[access]);
            g_assert_cmphex(hart_load(&h, slot(p, va, 0)) & A, ==, level ? A : 0);
            hart_write(&h, 0x3a0, 0);
            hart_open_pmp(&h);
        }
    }
    hart_stop(&h);
}

/* Page faults come before access faults of the page itself (section 3.7's priorities in table 3.7). */
static void test_priority(void)
{
    struct hart h;
    const struct paging *p = &pagings[0];
    u64 va = sample(p, false);

    start(&h, "rv64");
    hart_write(&h, 0x3a0, 0);
    hart_write(&h, 0x3b0, (RAM + 0x100000) >> 2);
    hart_write(&h, 0x3b1, UINT64_MAX);
    hart_write(&h, 0x3a0, 0x1f10); /* NA4 without permission, then everything */
    map(&h, p, va & ~UINT64_C(0xfff), 0, pte(RAM + 0x100000, V | R | A | D));
    g_assert_cmpuint(walk(&h, va & ~UINT64_C(0xfff), MMU_WRITE).fault, ==, RISCV_STORE_PAGE_FAULT);
    g_assert_cmpuint(walk(&h, va & ~UINT64_C(0xfff), MMU_READ).fault, ==, RISCV_LOAD_ACCESS);
    hart_stop(&h);
}

static void test_bare(void)
{
    struct hart h;

    start(&h, "rv64");
    struct mmu_page page = walk(&h, 0x123456789a, MMU_WRITE);
    g_assert_cmpuint(page.fault, ==, 0);
    g_assert_cmphex(page.physical, ==, 0x1234567000);
    map(&h, &pagings[0], 0x1000, 0, 0);
    h.state->privilege = RISCV_M; /* never translated */
    g_assert_cmphex(walk(&h, 0xfedcba9876, MMU_READ).physical, ==, 0xfedcba9000);
    hart_stop(&h);
}

/* The context is what the accelerator keys its tables with. */
static void test_context(void)
{
    struct hart h;
    struct mmu_context a, b;

    start(&h, "rv64");
    hart_write(&h, 0x180, UINT64_C(8) << 60 | UINT64_C(0x77) << 44 | 0x12345);
    riscv_mmu_context(h.vcpu, &a);
    g_assert_cmphex(a.root, ==, UINT64_C(8) << 60 | 0x12345);
    g_assert_cmphex(a.asid, ==, 0x77);
    hart_write(&h, 0x300, MSTATUS_SUM);
    riscv_mmu_context(h.vcpu, &b);
    g_assert_cmphex(a.mode, !=, b.mode);
    h.state->privilege = RISCV_M;
    riscv_mmu_context(h.vcpu, &a);
    g_assert_cmphex(a.root, ==, 0);
    hart_write(&h, 0x300, 0);
    riscv_mmu_context(h.vcpu, &b);
    g_assert_cmphex(a.mode, ==, b.mode); /* SUM means nothing in M mode */
    hart_write(&h, 0x300, MSTATUS_MPRV | UINT64_C(1) << 11);
    riscv_mmu_context(h.vcpu, &a);
    g_assert_cmphex(a.root, !=, 0);
    hart_stop(&h);
}

/* Physical memory protection */

struct pmp_row {
    const char *what;
    struct {
        u64 address; /* bytes; for NAPOT: base, with size */
        u64 size;
        u8 config;
    } entry[3];
    u64 address;
    unsigned size;
    u8 mode;
    u8 allowed;
};

enum { TOR = 8, NA4 = 16, NAPOT = 24, LOCK = 128, PR = 1, PW = 2, PX = 4, ALL = 7 };

static const struct pmp_row pmp_rows[] = {
    { "no entry matches: S is refused", { { 0 } }, RAM, 4, RISCV_S, 0 },
    { "no entry matches: U is refused", { { 0 } }, RAM, 4, RISCV_U, 0 },
    { "no entry matches: M may", { { 0 } }, RAM, 4, RISCV_M, ALL },
    { "NA4 inside", { { 0x1000, 4, NA4 | PR } }, 0x1000, 4, RISCV_S, PR },
    { "NA4 byte inside", { { 0x1000, 4, NA4 | PR } }, 0x1003, 1, RISCV_S, PR },
    { "NA4 below", { { 0x1000, 4, NA4 | PR } }, 0xffc, 4, RISCV_S, 0 },
    { "NA4 above", { { 0x1000, 4, NA4 | PR } }, 0x1004, 4, RISCV_S, 0 },
    { "NA4 matched in part", { { 0x1000, 4, NA4 | ALL } }, 0x1000, 8, RISCV_S, 0 },
    { "NA4 matched in part, M mode too", { { 0x1000, 4, NA4 | ALL } }, 0x1000, 8, RISCV_M, 0 },
    { "NAPOT 8", { { 0x1000, 8, NAPOT | PX | PR } }, 0x1004, 4, RISCV_U, PX | PR },
    { "NAPOT 8 end", { { 0x1000, 8, NAPOT | PX } }, 0x1008, 1, RISCV_U, 0 },
    { "NAPOT 4096", { { 0x3000, 4096, NAPOT | PR | PW } }, 0x3ff8, 8, RISCV_S, PR | PW },
    { "NAPOT 2^30", { { RAM, 1 << 30, NAPOT | ALL } }, RAM + 0x3fffffff, 1, RISCV_S, ALL },
    { "TOR from zero", { { 0x2000, 0, TOR | PR } }, 0, 8, RISCV_S, PR },
    { "TOR top is outside", { { 0x2000, 0, TOR | PR } }, 0x2000, 1, RISCV_S, 0 },
    { "TOR between", { { 0x1000, 0, 0 }, { 0x2004, 0, TOR | PW | PR } }, 0x2000, 4, RISCV_S, PR | PW },
    { "TOR below its bottom", { { 0x1000, 0, 0 }, { 0x2000, 0, TOR | PR } }, 0xfff, 1, RISCV_S, 0 },
    { "TOR that is empty matches nothing", { { 0x2000, 0, 0 }, { 0x1000, 0, TOR | ALL }, { 0, 0, NAPOT | PR } }, 0x1800, 4, RISCV_S, PR },
    { "the lowest entry decides", { { 0x1000, 4, NA4 | PR }, { 0x1000, 4096, NAPOT | ALL } }, 0x1000, 4, RISCV_S, PR },
    { "the lowest entry decides by part", { { 0x1000, 4, NA4 | ALL }, { 0x1000, 4096, NAPOT | ALL } }, 0x1000, 8, RISCV_S, 0 },
    { "beside the lowest entry", { { 0x1000, 4, NA4 }, { 0x1000, 4096, NAPOT | PX } }, 0x1004, 4, RISCV_S, PX },
    { "M is not bound by an unlocked entry", { { 0x1000, 4096, NAPOT } }, 0x1000, 4, RISCV_M, ALL },
    { "M is bound by a locked one", { { 0x1000, 4096, NAPOT | LOCK | PR } }, 0x1000, 4, RISCV_M, PR },
    { "a locked entry binds S as well", { { 0x1000, 4096, NAPOT | LOCK | PX } }, 0x1000, 4, RISCV_S, PX },
    { "everything", { { 0, 0, NAPOT | PR | PX } }, UINT64_C(0xfffffffffffff8), 8, RISCV_U, PR | PX },
};

static u64 pmpaddr_of(u64 address, u64 size, u8 config)
{
    if ((config & NAPOT) != NAPOT)
        return address >> 2;
    return size ? (address >> 2) | ((size >> 3) - 1) : UINT64_MAX;
}

static void test_pmp(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(pmp_rows); i++) {
        const struct pmp_row *row = &pmp_rows[i];
        struct hart h;
        u64 config = 0;

        hart_start(&h, "rv64");
        for (unsigned e = 0; e < 3; e++) {
            hart_write(&h, 0x3b0 + e, pmpaddr_of(row->entry[e].address, row->entry[e].size, row->entry[e].config));
            config |= (u64)row->entry[e].config << (8 * e);
        }
        hart_write(&h, 0x3a0, config);
        u8 bits = riscv_pmp_check(h.cpu, row->address, row->size, row->mode);
        if (bits != row->allowed) {
            g_test_message("%s: %u instead of %u", row->what, bits, row->allowed);
            g_test_fail();
        }
        /* The walk says the same, of each kind of access. */
        h.state->privilege = row->mode;
        for (unsigned access = 0; access < 3; access++) {
            static const u8 needed[] = { PR, PW, PX };
            struct mmu_page page;

            riscv_mmu_walk(h.vcpu, row->address, row->size, access, false, &page);
            g_assert_cmpuint(page.fault, ==, row->allowed & needed[access] ? 0 : access_faults[access]);
        }
        hart_stop(&h);
    }
}

/* Section 3.7.1.1: low bits of pmpaddr read as zeros, or as ones for NAPOT, and NA4 cannot be chosen; TOR does not look at them. */
static void test_pmp_granularity(void)
{
    struct hart h;

    hart_start(&h, "rv64,pmp-granularity=4096"); /* G is 10 */
    hart_write(&h, 0x3b0, UINT64_MAX);
    g_assert_cmphex(hart_read(&h, 0x3b0), ==, (BIT64(54) - 1) & ~UINT64_C(0x3ff)); /* as software finds out what G is */
    hart_write(&h, 0x3a0, NAPOT);
    g_assert_cmphex(hart_read(&h, 0x3b0), ==, BIT64(54) - 1);
    hart_write(&h, 0x3b0, 0x1234567);
    g_assert_cmphex(hart_read(&h, 0x3b0), ==, 0x12345ff); /* the lowest zero is bit 9 at least */
    hart_write(&h, 0x3a0, NA4 | PR);
    g_assert_cmphex(hart_read(&h, 0x3a0), ==, NAPOT);
    hart_write(&h, 0x3a0, 0);
    g_assert_cmphex(hart_read(&h, 0x3b0), ==, 0x1234400);
    hart_write(&h, 0x3b0, 0x1fff >> 2);
    hart_write(&h, 0x3b1, 0x3ffc >> 2);
    hart_write(&h, 0x3a0, (TOR | PR) << 8); /* 0x1000 to 0x2fff */
    g_assert_cmphex(hart_read(&h, 0x3b1), ==, 0x3000 >> 2);
    g_assert_cmphex(riscv_pmp_check(h.cpu, 0x1000, 8, RISCV_S), ==, PR);
    g_assert_cmphex(riscv_pmp_check(h.cpu, 0x2ff8, 8, RISCV_S), ==, PR);
    g_assert_cmphex(riscv_pmp_check(h.cpu, 0xff8, 8, RISCV_S), ==, 0);
    g_assert_cmphex(riscv_pmp_check(h.cpu, 0x3000, 8, RISCV_S), ==, 0);
    hart_write(&h, 0x3a0, NAPOT | PX);
    hart_write(&h, 0x3b0, 0x4000 >> 2); /* 4 KiB from 0x4000 on: fewer cannot be said */
    g_assert_cmphex(riscv_pmp_check(h.cpu, 0x4ff8, 8, RISCV_S), ==, PX);
    g_assert_cmphex(riscv_pmp_check(h.cpu, 0x5000, 8, RISCV_S), ==, 0);
    hart_stop(&h);
}

/* A page that an entry covers in part is never cached, and each access in it is judged by itself. */
static void test_pmp_split(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    hart_write(&h, 0x3b0, (RAM + 0x1004) >> 2);
    hart_write(&h, 0x3b1, UINT64_MAX);
    hart_write(&h, 0x3a0, 0x1f0 << 4 | 0x10); /* NA4 without permission, NAPOT with all */
    h.state->privilege = RISCV_S;
    struct mmu_page page = walk(&h, RAM + 0x1000, MMU_READ);
    g_assert_true(page.uncached && !page.fault && page.read && page.write);
    page = walk(&h, RAM + 0x1004, MMU_READ);
    g_assert_true(page.uncached);
    g_assert_cmpuint(page.fault, ==, RISCV_LOAD_ACCESS);
    page = walk(&h, RAM + 0x2000, MMU_READ);
    g_assert_true(!page.uncached && page.write);
    struct mmu_page wide;
    riscv_mmu_walk(h.vcpu, RAM + 0x1000, 8, MMU_WRITE, false, &wide);
    g_assert_cmpuint(wide.fault, ==, RISCV_STORE_ACCESS);
    hart_stop(&h);
}

static void test_pmp_lock(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    hart_write(&h, 0x3b1, 0x1000);
    hart_write(&h, 0x3b2, 0x2000);
    hart_write(&h, 0x3a0, (u64)(LOCK | TOR | PR) << 16);
    hart_write(&h, 0x3b2, 0x3000); /* locked */
    g_assert_cmphex(hart_read(&h, 0x3b2), ==, 0x2000);
    hart_write(&h, 0x3b1, 0x1800); /* the bottom of a locked TOR */
    g_assert_cmphex(hart_read(&h, 0x3b1), ==, 0x1000);
    hart_write(&h, 0x3b3, 0x4000); /* free */
    g_assert_cmphex(hart_read(&h, 0x3b3), ==, 0x4000);
    hart_write(&h, 0x3a0, 0x1f1f1f1f); /* the locked byte stays */
    g_assert_cmphex(hart_read(&h, 0x3a0), ==, 0x1f891f1f);
    hart_write(&h, 0x3a0, (u64)(LOCK | NAPOT) << 32); /* a locked NAPOT does not lock the address below it */
    hart_write(&h, 0x3b3, 0x5000);
    g_assert_cmphex(hart_read(&h, 0x3b3), ==, 0x5000);
    riscv_reset(h.vcpu); /* unlocks */
    hart_write(&h, 0x3b2, 0x3000);
    g_assert_cmphex(hart_read(&h, 0x3b2), ==, 0x3000);
    hart_stop(&h);
}

static void test_pmp_off(void)
{
    struct hart h;

    hart_start(&h, "rv64,pmp=off");
    g_assert_cmphex(riscv_pmp_check(h.cpu, RAM, 4, RISCV_U), ==, ALL);
    hart_stop(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv/mmu/levels", test_levels);
    g_test_add_func("/riscv/mmu/canonical", test_canonical);
    g_test_add_func("/riscv/mmu/pte-bits", test_pte_bits);
    g_test_add_func("/riscv/mmu/permissions", test_permissions);
    g_test_add_func("/riscv/mmu/accessed-dirty", test_accessed_dirty);
    g_test_add_func("/riscv/mmu/napot", test_napot);
    g_test_add_func("/riscv/mmu/table-access", test_table_access);
    g_test_add_func("/riscv/mmu/priority", test_priority);
    g_test_add_func("/riscv/mmu/bare", test_bare);
    g_test_add_func("/riscv/mmu/context", test_context);
    g_test_add_func("/riscv/pmp/match", test_pmp);
    g_test_add_func("/riscv/pmp/granularity", test_pmp_granularity);
    g_test_add_func("/riscv/pmp/split", test_pmp_split);
    g_test_add_func("/riscv/pmp/lock", test_pmp_lock);
    g_test_add_func("/riscv/pmp/off", test_pmp_off);
    return g_test_run();
}
