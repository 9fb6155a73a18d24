/* tests/random/trap.c - what happens to a random program that traps: it goes on behind, in another mode if it asked for one. */
#include "tests/random/layout.h"

typedef unsigned long u64;
typedef unsigned short u16;

enum { U, S, M = 3 };
enum { BARE, FIRST_SET, SECOND_SET };

#define CSR_READ(name)                                 \
    ({                                                 \
        u64 value_;                                    \
        __asm__ volatile("csrr %0, " name : "=r"(value_)); \
        value_;                                        \
    })
#define CSR_WRITE(name, value) __asm__ volatile("csrw " name ", %0" : : "r"((u64)(value)) : "memory")
#define CSR_CLEAR(name, value) __asm__ volatile("csrc " name ", %0" : : "r"((u64)(value)) : "memory")
#define CSR_SET(name, value)   __asm__ volatile("csrs " name ", %0" : : "r"((u64)(value)) : "memory")

#define MTIMECMP (*(volatile u64 *)0x2004000)
#define MTIME    (*(volatile u64 *)0x200bff8)
#define MTIE     (1ul << 7)

#define PTE_G (1ul << 5)

#define MSTATUS_MPIE (1ul << 7)
#define MSTATUS_VS   (3ul << 9)
#define MSTATUS_MPP  (3ul << 11)
#define MSTATUS_FS   (3ul << 13)
#define MSTATUS_SUM  (1ul << 18)
#define MSTATUS_MXR  (1ul << 19)

void trap(void);
void begin(void);
void end(void) __attribute__((noreturn));

static u64 *const state = (u64 *)STATE;

static u64 random_below(u64 n)
{
    state[STATE_RANDOM] = state[STATE_RANDOM] * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
    return (state[STATE_RANDOM] >> 33) % n;
}

static u64 physical(u64 address)
{
    return address - KEEPER >= USER_OFFSET && address - KEEPER < 2ul * USER_OFFSET ? address - USER_OFFSET : address;
}

static int in_code(u64 address)
{
    return address >= CODE && address < CODE_END;
}

static void next_interrupt(void)
{
    MTIMECMP = state[STATE_TIMED] ? MTIME + 1 + random_below(64) : -1ul;
}

static u64 *leaf_of(u64 set, u64 user, u64 address)
{
    return (u64 *)(TABLES + set * SET_SIZE + (user ? 0x4000 : 0x2000)) + (address >> 12 & 511);
}

/*
 * Pages change what they allow and what lies behind them; the fence is for all, or for what changed. What is or was global is the same in both
 * spaces, and no fence of one space is enough for it: else what is seen would depend on what a hart remembers.
 */
static void change_page(void)
{
    static const unsigned char flags[] = { 0xcf, 0xcf, 0xcf, 0xc7, 0xc3, 0xc9, 0x4f, 0x8f, 0x0f, 0xc0, 0xc1, 0xc5, 0xef };
    u64 set = random_below(2), user = random_below(2), page = random_below(DATA_PAGES), to = random_below(DATA_PAGES);
    u64 address = DATA + page * 4096, was = *leaf_of(set, user, address);
    u64 value = (DATA + to * 4096) >> 12 << 10 | flags[random_below(sizeof(flags))] | (user ? 0x10 : 0);
    int global = ((was | value) & PTE_G) != 0;

    *leaf_of(set, user, address) = value;
    if (global)
        *leaf_of(!set, user, address) = value;
    address += user ? USER_OFFSET : 0;
    switch (random_below(4)) {
    case 0:
        __asm__ volatile("sfence.vma %0" : : "r"(address) : "memory");
        break;
    case 1:
        if (global)
            __asm__ volatile("sfence.vma %0" : : "r"(address) : "memory");
        else
            __asm__ volatile("sfence.vma %0, %1" : : "r"(address), "r"(set + 1) : "memory");
        break;
    case 2:
        if (!global) {
            __asm__ volatile("sfence.vma x0, %0" : : "r"(set + 1) : "memory");
            break;
        }
        /* fall through */
    default:
        __asm__ volatile("sfence.vma" : : : "memory");
    }
}

static void change_registers(void)
{
    for (unsigned i = 0; i < 3; i++)
        state[STATE_X + 5 + random_below(20)] = state[STATE_POOL + random_below(POOL_SIZE)];
}

/* To a mode, and page tables or none. `pc` is physical. */
static void enter(u64 pc)
{
    static const unsigned char modes[] = { M, S, S, U, U };
    u64 mode = modes[random_below(sizeof(modes))], tables = random_below(3), mprv = mode == M && random_below(2);
    u64 offset = tables != BARE && mode == U ? USER_OFFSET : 0;

    CSR_WRITE("satp", tables == BARE ? 0 : 8ul << 60 | tables << 44 | (TABLES + (tables - 1) * SET_SIZE) >> 12);
    state[STATE_MPRV] = mprv;
    state[STATE_X + 31] = DATA + (mprv && tables != BARE ? USER_OFFSET : offset);
    CSR_CLEAR("mstatus", MSTATUS_MPP | MSTATUS_FS | MSTATUS_VS | MSTATUS_SUM | MSTATUS_MXR);
    CSR_SET("mstatus", mode * (MSTATUS_MPP / 3) | MSTATUS_MPIE | (random_below(8) ? MSTATUS_FS : 0) | (random_below(8) ? MSTATUS_VS : 0) |
                           random_below(4) * MSTATUS_SUM);
    CSR_WRITE("mepc", pc + offset);
}

static u64 behind(u64 pc)
{
    u64 at = physical(pc);

    return in_code(at) ? pc + ((*(const u16 *)at & 3) == 3 ? 4 : 2) : 0;
}

static void interrupt(u64 code)
{
    if (code == 7)
        next_interrupt();
    else if (code == 5)
        CSR_WRITE("stimecmp", -1ul);
    else
        CSR_CLEAR("mip", 1ul << code);
}

/* x29 is where the program wants to go on after a jump to nowhere. */
static void exception(u64 cause, u64 pc)
{
    int fetch = cause == 0 || cause == 1 || cause == 12;
    u64 next = fetch ? 0 : behind(pc), resume = physical(state[STATE_X + 29]);

    if (!next)
        next = (in_code(resume) ? resume & ~1ul : CODE) + (CSR_READ("mstatus") & MSTATUS_MPP || !CSR_READ("satp") ? 0 : USER_OFFSET);
    if (cause < 8 || cause > 11) {
        CSR_WRITE("mepc", next);
        return;
    }
    if (state[STATE_LIMIT] && ++state[STATE_ECALLS] >= state[STATE_LIMIT])
        end();
    if (random_below(2))
        change_page();
    change_registers();
    enter(physical(next));
}

static void hash(u64 word)
{
    state[STATE_TRAPS] = (state[STATE_TRAPS] ^ word) * 0x9e3779b97f4a7c15;
    state[STATE_TRAPS] ^= state[STATE_TRAPS] >> 29;
}

void trap(void)
{
    u64 cause = CSR_READ("mcause"), pc = CSR_READ("mepc");

    hash(cause);
    hash(pc);
    hash(CSR_READ("mtval"));
    hash(CSR_READ("mstatus"));
    if (cause >> 63)
        interrupt(cause & 63);
    else
        exception(cause, pc);
}

void begin(void)
{
    CSR_WRITE("menvcfg", state[STATE_ENVCFG]);
    CSR_WRITE("senvcfg", 0xf0);
    CSR_WRITE("stimecmp", -1ul);
    next_interrupt();
    CSR_WRITE("mie", state[STATE_TIMED] ? MTIE | 0x22 : 0);
    enter(CODE);
}
