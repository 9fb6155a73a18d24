/* tests/random/trap.c - what happens to a random program that traps: it goes on behind, in another mode if it asked for one. */
#include "tests/random/keeper.h"

enum { U, S, M = 3 };
enum { BARE, FIRST_SET, SECOND_SET };

/* Where a program goes on: a mode, and page tables or none. */
struct space {
    u64 mode, tables;
};

#define MTIMECMP ((volatile u64 *)0x2004000)
#define MTIME    (*(volatile u64 *)0x200bff8)
#define MSIE     (1ul << 3)
#define MTIE     (1ul << 7)

#define PTE_G (1ul << 5)

#define SSTATUS_SPP  (1ul << 8)
#define MSTATUS_MPIE (1ul << 7)
#define MSTATUS_VS   (3ul << 9)
#define MSTATUS_MPP  (3ul << 11)
#define MSTATUS_FS   (3ul << 13)
#define MSTATUS_SUM  (1ul << 18)
#define MSTATUS_MXR  (1ul << 19)

void trap(void);
void begin(void);
void end(void) __attribute__((noreturn));

static u64 hart(void)
{
    return ((u64)state - STATE) >> INSTANCE_SHIFT;
}

static u64 own(u64 address)
{
    return address + (hart() << INSTANCE_SHIFT);
}

static u64 code_of(u64 address)
{
    return address + state[STATE_CODE];
}

u64 random_below(u64 n)
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
    return address >= code_of(CODE) && address < code_of(CODE_END);
}

static void next_interrupt(void)
{
    MTIMECMP[hart()] = state[STATE_TIMED] ? MTIME + 1 + random_below(64) : -1ul;
}

/* The 2 MiB that U sees become one leaf, where everything is where it is, or 4 KiB pages again. All of the space is fenced. */
static void change_size(void)
{
    u64 set = random_below(2), table = own(TABLES) + set * SET_SIZE + 0x3000, *entry = (u64 *)table;

    *entry = *entry & 2 ? (table + 0x1000) >> 12 << 10 | 1 : (u64)KEEPER >> 12 << 10 | 0xdf;
    if (random_below(2))
        __asm__ volatile("sfence.vma x0, %0" : : "r"(set + 1) : "memory");
    else
        __asm__ volatile("sfence.vma" : : : "memory");
}

static u64 *leaf_of(u64 set, u64 user, u64 address)
{
    return (u64 *)(own(TABLES) + set * SET_SIZE + (user ? 0x4000 : 0x2000)) + (address >> 12 & 511);
}

/*
 * Pages change what they allow and what lies behind them; pages of code, often that of `pc` or the one behind it, which of two programs they
 * show; often in the space that is active. The fence is for all, or for what changed. What is or was global is the same in both spaces, and no
 * fence of one space is enough for it: else what is seen would depend on what a hart remembers. (So U has none: what it sees may be a leaf of
 * 2 MiB in one space alone.) Returns where it can be seen; `pc` is where the program goes on, physical.
 */
static struct space change_page(u64 pc)
{
    static const unsigned char flags[] = { 0xcf, 0xcf, 0xcf, 0xc7, 0xc3, 0xc9, 0x4f, 0x8f, 0x0f, 0xc0, 0xc1, 0xc5, 0xef };
    u64 satp = CSR_READ("satp"), mode = (CSR_READ("mstatus") & MSTATUS_MPP) / (MSTATUS_MPP / 3);
    int seen = satp && mode != M && random_below(2);
    u64 set = seen ? (satp >> 44 & 0xffff) - 1 : random_below(2), user = seen ? mode == U : random_below(2), code = random_below(2);
    u64 here = ((pc - code_of(CODE)) >> 12) + random_below(2), page = code && here < TWIN_PAGES && random_below(2) ? here : random_below(code ? TWIN_PAGES : DATA_PAGES);
    u64 address = (code ? code_of(CODE) : own(DATA)) + page * 4096, was = *leaf_of(set, user, address);
    u64 to = code ? code_of(random_below(2) ? CODE : TWIN) + page * 4096 : own(DATA) + random_below(DATA_PAGES) * 4096;
    u64 flag = code ? 0xcf : flags[random_below(sizeof(flags))];
    u64 value = to >> 12 << 10 | (user ? (flag & ~PTE_G) | 0x10 : flag);
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
    return (struct space){ user ? U : S, set + 1 };
}

static void change_registers(void)
{
    for (unsigned i = 0; i < 3; i++)
        state[STATE_X + 5 + random_below(20)] = state[STATE_POOL + random_below(POOL_SIZE)];
}

static struct space any_space(void)
{
    static const unsigned char modes[] = { M, S, S, U, U };

    return (struct space){ modes[random_below(sizeof(modes))], random_below(3) };
}

/* `pc` is physical. */
static void enter(u64 pc, struct space space)
{
    u64 mode = space.mode, tables = space.tables, mprv = mode == M && random_below(2);
    u64 offset = tables != BARE && mode == U ? USER_OFFSET : 0;

    CSR_WRITE("satp", tables == BARE ? 0 : 8ul << 60 | tables << 44 | (own(TABLES) + (tables - 1) * SET_SIZE) >> 12);
    state[STATE_MPRV] = mprv;
    state[STATE_X + 31] = own(DATA) + (mprv && tables != BARE ? USER_OFFSET : offset);
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

/* `pc` is physical. Pages change under a program that did not ask for it: in the middle of loops, say. */
static void interrupt(u64 code, u64 pc)
{
    if (!random_below(4))
        change_page(pc);
    if (code == 7)
        next_interrupt();
    else if (code == 5)
        CSR_WRITE("stimecmp", -1ul);
    else
        CSR_CLEAR("mip", 1ul << code);
}

/* Behind what trapped, or, after a fetch that failed, where x29 says; by the address that the program has there. */
static u64 next_of(u64 cause, u64 pc, int user)
{
    int fetch = cause == 0 || cause == 1 || cause == 12;
    u64 next = fetch ? 0 : behind(pc), resume = physical(state[STATE_X + 29]);

    return next ? next : (in_code(resume) ? resume & ~1ul : code_of(CODE)) + (user && CSR_READ("satp") ? USER_OFFSET : 0);
}

/* Which traps of S and U go to HANDLER. */
static void change_delegation(void)
{
    if (random_below(4))
        return;
    CSR_WRITE("medeleg", random_below(2) ? 0xb1ff & (random_below(65536) | 0x100) : 0);
    CSR_WRITE("mideleg", random_below(2) * 0x22);
}

static void count_ecall(void)
{
    if (state[STATE_LIMIT] && ++state[STATE_ECALLS] >= state[STATE_LIMIT])
        end();
}

/* Code changes by another hart's stores, or by a disk. `pc` is physical. */
static void let_change(u64 pc)
{
    u64 here = (pc - code_of(CODE)) >> 12, page = here < TWIN_PAGES && random_below(2) ? here : random_below(TWIN_PAGES), how = random_below(8);

    __atomic_store_n(&state[STATE_ASKS], code_of(CODE) + page * 4096 + random_below(64) * 64 + how, __ATOMIC_RELEASE);
    while (__atomic_load_n(&state[STATE_ASKS], __ATOMIC_ACQUIRE)) {
        if (how & ASKS_CALL)
            __asm__ volatile("wfi");
    }
    __asm__ volatile("fence.i" : : : "memory");
}

static void exception(u64 cause, u64 pc)
{
    u64 next = next_of(cause, pc, !(CSR_READ("mstatus") & MSTATUS_MPP));

    if (cause < 8 || cause > 11) {
        CSR_WRITE("mepc", next);
        return;
    }
    count_ecall();
    struct space space = any_space();
    if (!random_below(32))
        change_size();
    if (random_below(2)) {
        struct space changed = change_page(physical(next));
        space = random_below(2) ? changed : space;
    }
    if (state[STATE_HARTS] > 1 && !state[STATE_SHARED] && !random_below(4))
        let_change(physical(next));
    change_delegation();
    change_registers();
    enter(physical(next), space);
}

static void hash(u64 word)
{
    state[STATE_TRAPS] = (state[STATE_TRAPS] ^ word) * 0x9e3779b97f4a7c15;
    state[STATE_TRAPS] ^= state[STATE_TRAPS] >> 29;
}

static void hash_trap(u64 cause, u64 pc, u64 value, u64 status)
{
    hash(cause);
    hash(pc);
    hash(value);
    hash(status);
}

/* HANDLER asks: what it was called for is done here, and it returns by its sret. */
static void delegated(void)
{
    u64 cause = CSR_READ("scause"), pc = CSR_READ("sepc"), status = CSR_READ("sstatus");

    hash_trap(cause, pc, CSR_READ("stval"), status);
    if (cause >> 63)
        interrupt(cause & 63, physical(pc));
    else
        CSR_WRITE("sepc", next_of(cause, pc, !(status & SSTATUS_SPP)));
    if (cause == 8)
        count_ecall();
    change_delegation();
    CSR_WRITE("mepc", HANDLER + 4);
}

/* The disturbing hart sends these at any time: nothing that is compared depends on them. */
static void called(void)
{
    MSIP[hart()] = 0;
    if (CSR_READ("mcycle") & 1)
        __asm__ volatile("fence.i");
    if (CSR_READ("mcycle") & 2)
        __asm__ volatile("sfence.vma" : : : "memory");
}

void trap(void)
{
    u64 cause = CSR_READ("mcause"), pc = CSR_READ("mepc");

    if (cause == (1ul << 63 | 3)) {
        called();
        return;
    }
    hash_trap(cause, pc, CSR_READ("mtval"), CSR_READ("mstatus"));
    if (cause >> 63)
        interrupt(cause & 63, physical(pc));
    else if (cause == 9 && pc == HANDLER)
        delegated();
    else
        exception(cause, pc);
}

/* No hart sees what another changes. Code for both is written by none. */
static void keep_apart(void)
{
    u64 nobody = 0x98, nobody_to = 0x88, execute_to = 0x8d;
    u64 other = KEEPER + (hart() == 0) * (u64)INSTANCE;

    CSR_WRITE("pmpaddr1", CODE >> 2);
    CSR_WRITE("pmpaddr2", CODE_END >> 2);
    CSR_WRITE("pmpaddr3", TWIN >> 2);
    CSR_WRITE("pmpaddr4", IMAGE_END >> 2);
    CSR_WRITE("pmpaddr5", other >> 2 | ((INSTANCE >> 3) - 1));
    CSR_WRITE("pmpaddr6", (KEEPER + 2 * INSTANCE) >> 2);
    CSR_WRITE("pmpaddr7", -1ul);
    CSR_SET("pmpcfg0", (state[STATE_SHARED] ? execute_to << 16 | execute_to << 32 : 0) | nobody << 40 | nobody_to << 56);
}

void begin(void)
{
    if (state[STATE_HARTS] > 1)
        keep_apart();
    CSR_WRITE("menvcfg", state[STATE_ENVCFG]);
    CSR_WRITE("senvcfg", 0xf0);
    CSR_WRITE("stimecmp", -1ul);
    CSR_WRITE("stvec", HANDLER);
    next_interrupt();
    CSR_WRITE("mie", (state[STATE_TIMED] ? MTIE | 0x22 : 0) | (state[STATE_HARTS] > 1 ? MSIE : 0));
    enter(code_of(CODE), any_space());
}
