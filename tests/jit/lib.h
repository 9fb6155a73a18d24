/* tests/jit/lib.h - what the bare-metal programs of this folder share: end of test, traps, page tables, CSRs. */
#ifndef LIB_H
#define LIB_H

typedef unsigned long u64;
typedef long s64;
typedef unsigned u32;
typedef unsigned short u16;
typedef unsigned char u8;

#define csr_read(name)         ({ u64 v_; __asm__ volatile("csrr %0, " #name : "=r"(v_)::"memory"); v_; })
#define csr_write(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((u64)(value)) : "memory")
#define csr_set(name, value)   __asm__ volatile("csrs " #name ", %0" ::"r"((u64)(value)) : "memory")
#define csr_clear(name, value) __asm__ volatile("csrc " #name ", %0" ::"r"((u64)(value)) : "memory")
#define fence_all()            __asm__ volatile("sfence.vma" ::: "memory")
#define fence_page(va)         __asm__ volatile("sfence.vma %0" ::"r"((u64)(va)) : "memory")
#define fence_space(asid)      __asm__ volatile("sfence.vma zero, %0" ::"r"((u64)(asid)) : "memory")
#define fence_i()              __asm__ volatile("fence.i" ::: "memory")

enum { U = 0, S = 1, M = 3 };
enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_G = 32, PTE_A = 64, PTE_D = 128 };
#define PTE_RWX (PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)

long in_mode(void *fn, u64 arg, u64 mode);
extern char returned[], come_back[];

/* Ends the machine: status 0 is success, others become the exit status. */
static inline void finish(u64 status)
{
    *(volatile u32 *)0x100000 = status ? (u32)status << 16 | 0x3333 : 0x5555;
    for (;;)
        ;
}

/* Line numbers fit an exit status only by their low byte; the console tells all. */
static inline void put(char c)
{
    *(volatile u8 *)0x10000000 = (u8)c;
}

/* First of all in the main of a program for one hart: what follows is no other's, page tables included. */
static inline void other_harts_wait(u64 hart)
{
    while (hart)
        ;
}

static inline void print(const char *text)
{
    while (*text)
        put(*text++);
}

static inline void print_number(u64 n)
{
    char digits[24];
    int i = 0;

    do {
        digits[i++] = (char)('0' + n % 10);
    } while (n /= 10);
    while (i)
        put(digits[--i]);
}

static inline void put_hex(u64 value)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put("0123456789abcdef"[value >> shift & 15]);
}

static inline void fail(const char *what, u64 line, u64 got, u64 wanted)
{
    print(what);
    put(' ');
    put_hex(line);
    put(' ');
    put_hex(got);
    put(' ');
    put_hex(wanted);
    put('\n');
    finish(1);
}

#define expect(got, wanted)                                            \
    do {                                                               \
        u64 g_ = (u64)(got), w_ = (u64)(wanted);                       \
        if (g_ != w_)                                                  \
            fail(__FILE__ ": line, got, wanted:", __LINE__, g_, w_);   \
    } while (0)

/* The last trap of any hart, and what to do about the next one: skip the instruction, or go to `resume`. */
static volatile struct {
    u64 count, cause, epc, tval, resume;
} trapped;

/* Where in_mode() goes on; the mret must stay in M mode. */
static inline u64 back_to_m(void)
{
    csr_set(mstatus, 0x1800);
    return (u64)returned;
}

#define TRAP_HANDLER                                                                     \
    u64 trap(u64 cause, u64 epc, u64 tval)                                               \
    {                                                                                    \
        if (epc == (u64)come_back && (cause == 8 || cause == 9))                         \
            return back_to_m();                              \
        trapped.count++;                                                                 \
        trapped.cause = cause;                                                           \
        trapped.epc = epc;                                                               \
        trapped.tval = tval;                                                             \
        if (trapped.resume)                                                              \
            return trapped.resume;                                                       \
        if (cause == 1 || cause == 12)                                                   \
            return back_to_m();                              \
        return epc + ((*(u16 *)epc & 3) == 3 ? 4 : 2);                                   \
    }

/* Page tables out of one pool; levels 3, 4, 5 are Sv39, Sv48, Sv57. */
static u64 pool[256][512] __attribute__((aligned(4096)));
static u32 pool_used;

static inline u64 *new_table(void)
{
    u64 *table = pool[pool_used++];

    for (int i = 0; i < 512; i++)
        table[i] = 0;
    return table;
}

/* The PTE for va at `level` (0: 4 KiB, 1: 2 MiB ...), tables made on the way. */
static inline u64 *pte_of(u64 *root, int levels, u64 va, int level)
{
    u64 *table = root;

    for (int l = levels - 1; l > level; l--) {
        u64 *pte = &table[va >> (12 + 9 * l) & 511];

        if (!(*pte & PTE_V))
            *pte = (u64)new_table() >> 12 << 10 | PTE_V;
        table = (u64 *)(*pte >> 10 << 12);
    }
    return &table[va >> (12 + 9 * level) & 511];
}

static inline void map(u64 *root, int levels, u64 va, u64 pa, int level, u64 flags)
{
    *pte_of(root, levels, va, level) = pa >> 12 << 10 | flags;
}

static inline u64 satp_of(u64 *root, int levels, u64 asid)
{
    return (u64)(levels + 5) << 60 | asid << 44 | (u64)root >> 12;
}

/* Waits for all harts. *times: how often this one did, 0 at first. */
static inline void meet(u32 *times, u32 harts)
{
    static volatile u32 arrived;

    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    ++*times;
    while (arrived < *times * harts)
        ;
}

/* What one hart asks of another: `asked` numbers the requests from 1, `done` is the last that was carried out, `stop` ends serve_requests, which says so. */
struct requests {
    volatile u64 asked, done, stop, stopped;
};

/* When this returns, the other hart looks at them no more, and they can be used anew. */
static inline void stop_requests(struct requests *requests)
{
    requests->stop = 1;
    while (!requests->stopped)
        ;
    requests->asked = requests->done = requests->stop = requests->stopped = 0;
    __asm__ volatile("fence rw, rw" ::: "memory");
}

static inline u64 serve_requests(struct requests *requests, void (*carry_out)(u64 request))
{
    u64 last = 0;

    while (!requests->stop) {
        u64 now = requests->asked;

        if (now == last)
            continue;
        last = now;
        carry_out(now);
        __asm__ volatile("fence rw, rw" ::: "memory");
        requests->done = now;
    }
    requests->stopped = 1;
    return 0;
}

#endif
