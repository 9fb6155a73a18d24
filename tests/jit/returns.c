/*
 * Returns that are not what a stack of calls expects: another page at the caller's address, the return address changed by the callee, more
 * levels than anybody keeps, levels left out, two stacks in turn, code of the caller written meanwhile, another mode at the same
 * address, and calls out of a page that two harts share into pages that they do not.
 */
#include "tests/jit/lib.h"

enum { VA = 0x40000000, ROUNDS = 24, DEPTH = 600000, HARTS = 2, TURNS = 3000 };

static u64 *root[4];

/* --- the caller's page is remapped between call and return --- */

/* Pages that differ in a number, which is added behind the call. */
#define PAGE(name, number)                                                                                \
    __asm__(".balign 4096\n" #name ": addi sp, sp, -16\n sd ra, 0(sp)\n jalr a1\n addi a0, a0, " #number  \
            "\n ld ra, 0(sp)\n addi sp, sp, 16\n ret\n.balign 4096\n")
PAGE(one, 1);
PAGE(two, 2);
extern char one[], two[];

static volatile u64 next_page;

static u64 by_page_fence(u64 x)
{
    map(root[0], 3, VA, next_page, 0, PTE_RWX);
    fence_page(VA);
    return x;
}

static u64 by_full_fence(u64 x)
{
    map(root[0], 3, VA, next_page, 0, PTE_RWX);
    fence_all();
    return x;
}

static u64 by_satp(u64 x)
{
    csr_write(satp, satp_of(root[next_page == (u64)two ? 1 : 2], 3, next_page == (u64)two ? 1 : 2));
    return x;
}

static u64 call_page(u64 callee)
{
    u64 (*fn)(u64, u64) = (u64 (*)(u64, u64))VA;

    return fn(10, callee);
}

static void remapped(u64 (*callee)(u64))
{
    for (int i = 0; i < ROUNDS; i++) {
        map(root[0], 3, VA, (u64)(i & 1 ? two : one), 0, PTE_RWX);
        csr_write(satp, satp_of(root[0], 3, 0));
        fence_all();
        next_page = (u64)((i / 3 & 1) == (i & 1) ? one : two);
        expect(in_mode(call_page, (u64)callee, S), next_page == (u64)one ? 11 : 12);
    }
}

/* --- the callee changes its return address --- */

__asm__(".option push\n.option norvc\n"
        "ahead: add ra, ra, a1\n ret\n"
        "caller: mv t1, ra\n call ahead\n addi a0, a0, 100\n addi a0, a0, 10\n mv ra, t1\n ret\n"
        ".option pop\n");
u64 caller(u64 x, u64 ahead);

static void elsewhere(void)
{
    for (u64 i = 0; i < ROUNDS; i++) {
        expect(caller(i, 0), i + 110);
        expect(caller(i, 1), i + 110); /* the lowest bit does not count */
        expect(caller(i, 4), i + 10);
        expect(caller(i, 5), i + 10);
    }
}

/* --- more levels than there is room for --- */

/* on_stack(levels, sp) */
__asm__("deep: beqz a0, 1f\n addi sp, sp, -16\n sd ra, 0(sp)\n sd a0, 8(sp)\n addi a0, a0, -1\n call deep\n"
        " ld a1, 8(sp)\n add a0, a0, a1\n ld ra, 0(sp)\n addi sp, sp, 16\n1: ret\n"
        "on_stack: mv s1, sp\n mv s2, ra\n mv sp, a1\n call deep\n mv sp, s1\n mv ra, s2\n ret\n");

static void many_levels(void)
{
    static u64 stack[2 * DEPTH + 2] __attribute__((aligned(16)));
    for (int i = 0; i < 2; i++) {
        u64 sum;

        __asm__ volatile("mv a0, %2\n mv a1, %3\n call on_stack\n mv %0, a0"
                         : "=&r"(sum), "+m"(stack) : "r"((u64)DEPTH), "r"(&stack[2 * DEPTH])
                         : "ra", "a0", "a1", "s1", "s2", "memory");
        expect(sum, (u64)DEPTH * (DEPTH + 1) / 2);
    }
}

/* --- levels left out: longjmp --- */

static void *jump[5];

static __attribute__((noinline)) u64 down(u64 levels)
{
    if (!levels)
        __builtin_longjmp(jump, 1);
    return down(levels - 1) + levels;
}

static __attribute__((noinline)) u64 out_of(u64 levels)
{
    if (__builtin_setjmp(jump))
        return levels + 1;
    return down(levels);
}

static __attribute__((noinline)) u64 around(u64 levels)
{
    return out_of(levels) * 2;
}

static void left_out(void)
{
    for (u64 i = 0; i < ROUNDS; i++) {
        for (u64 levels = 0; levels < 12; levels++)
            expect(around(levels), (levels + 1) * 2);
    }
}

/* --- two stacks in turn --- */

__asm__("turn_to: addi sp, sp, -32\n sd ra, 0(sp)\n sd s0, 8(sp)\n sd s1, 16(sp)\n sd sp, 0(a0)\n mv sp, a1\n"
        " ld ra, 0(sp)\n ld s0, 8(sp)\n ld s1, 16(sp)\n addi sp, sp, 32\n ret\n");
void turn_to(u64 *save, u64 sp);

static u64 main_sp, other_sp, other_stack[512] __attribute__((aligned(16)));
static volatile u64 seen;

static __attribute__((noinline)) void inside(u64 levels)
{
    if (levels)
        inside(levels - 1);
    else
        turn_to(&other_sp, main_sp);
    seen++;
}

static void other(void)
{
    for (u64 i = 0;; i++)
        inside(i & 7);
}

static void two_stacks(void)
{
    u64 *sp = &other_stack[508], expected = 0;

    sp[0] = (u64)other;
    other_sp = (u64)sp;
    for (u64 i = 0; i < 100; i++) {
        turn_to(&main_sp, other_sp);
        expect(seen, expected);
        expected += (i & 7) + 1;
    }
}

/* --- the caller's code is written meanwhile --- */

static u32 code[1024] __attribute__((aligned(4096)));

static void rewrites(u64 what)
{
    *(volatile u32 *)&code[3] = (u32)what << 20 | 0x513; /* li a0, what */
    fence_i();
}

static void written(void)
{
    static const u32 parts[] = {
        0x00008313, /* mv t1, ra */
        0x00000013, /* nop */
        0x000580e7, /* jalr ra, a1 */
        0x00000513, /* li a0, 0 */
        0x00030067, /* jr t1 */
    };
    u64 (*fn)(u64, void (*)(u64)) = (u64 (*)(u64, void (*)(u64)))code;

    for (u64 i = 0; i < 5; i++)
        code[i] = parts[i];
    fence_i();
    for (u64 i = 0; i < ROUNDS; i++)
        expect(fn(i, rewrites), i);
}

/* --- another mode at the same address --- */

__asm__(".option push\n.option norvc\n"
        "to_m: ecall\n ret\n"
        "from_s: mv t1, ra\n call to_m\n csrr a0, mscratch\n la t2, returned\n jr t2\n"
        ".option pop\n");
extern char to_m[], from_s[];

u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (epc == (u64)come_back && (cause == 8 || cause == 9))
        return back_to_m();
    if (epc != (u64)to_m)
        fail("trap: cause, epc, tval", cause, epc, tval);
    back_to_m();
    return epc + 4;
}

static void other_mode(void)
{
    for (u64 i = 0; i < ROUNDS; i++) {
        csr_write(mscratch, i);
        expect(in_mode(from_s, 0, S), i);
    }
}

/* --- one page with a call into the next one, which is another one on each hart and in each space --- */

__asm__(".balign 4096\n.option push\n.option norvc\n"
        "shared: mv t1, ra\n mv t2, a0\n1: call behind\n addi t2, t2, -1\n bnez t2, 1b\n mv ra, t1\n ret\n"
        ".balign 4096\nbehind: addi a1, a1, 1\n j 1f\n"
        ".balign 4096\n1: mv a0, a1\n ret\n"
        ".balign 4096\nbehind2: addi a1, a1, 2\n j 1f\n"
        ".balign 4096\n1: slli a0, a1, 1\n ret\n"
        ".balign 4096\n.option pop\n");
extern char shared[], behind[], behind2[];

static volatile u32 ready;

static u64 call_shared(u64 turns)
{
    register u64 a0 __asm__("a0") = turns;
    register u64 a1 __asm__("a1") = 0;

    __asm__ volatile("jalr %2" : "+r"(a0), "+r"(a1) : "r"((u64)VA) : "ra", "t1", "t2", "memory");
    return a0;
}

static void both(u64 hart)
{
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    while (ready < HARTS)
        ;
    for (u64 i = 0; i < TURNS; i++) {
        u64 which = (hart ^ i / 16) & 1;

        csr_write(satp, satp_of(root[which], 3, which + 1));
        expect(in_mode(call_shared, i % 7 + 1, S), which ? (i % 7 + 1) * 4 : i % 7 + 1);
    }
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    while (ready < 2 * HARTS)
        ;
}

static void map_shared(u64 *table, char *next)
{
    map(table, 3, VA, (u64)shared, 0, PTE_RWX);
    map(table, 3, VA + 0x1000, (u64)next, 0, PTE_RWX);
    map(table, 3, VA + 0x2000, (u64)next + 0x1000, 0, PTE_RWX);
}

void main(u64 hart)
{
    static volatile u32 begun;

    if (!hart) {
        for (int i = 0; i < 4; i++) {
            root[i] = new_table();
            map(root[i], 3, 0x80000000, 0x80000000, 2, PTE_RWX | PTE_G);
            map(root[i], 3, 0x10000000, 0x10000000, 1, PTE_RWX | PTE_G);
        }
        map(root[1], 3, VA, (u64)two, 0, PTE_RWX);
        map(root[2], 3, VA, (u64)one, 0, PTE_RWX);
        remapped(by_page_fence);
        remapped(by_full_fence);
        remapped(by_satp);
        other_mode();
        csr_write(satp, 0);
        elsewhere();
        many_levels();
        left_out();
        two_stacks();
        written();
        map_shared(root[0], behind);
        map_shared(root[1], behind2);
        begun = 1;
    }
    while (!begun)
        ;
    fence_all();
    both(hart);
    other_harts_wait(hart);
}
