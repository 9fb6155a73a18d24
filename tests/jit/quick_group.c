/* Accesses off one base that follow each other share a check, in quick code too: in pages with code, over the edge of a page, with
 * instructions between them, and where the last one loads the base. */
#include "tests/jit/lib.h"

TRAP_HANDLER

static u16 code[2048] __attribute__((aligned(4096)));
static u64 data[1024] __attribute__((aligned(4096)));

u64 load_store(void *at, u64 value), store_load(void *at, u64 value), two_loads(void *at), between(void *at, u64 value), last_is_base(void *at);
u64 far_registers(void *at, u64 value), chase(void *at), load_store_far(void *at, u64 value), store_load_far(void *at, u64 value);

__asm__(".text\n"
        "load_store: ld a2, 0(a0)\n sd a1, 8(a0)\n mv a0, a2\n ret\n"
        "store_load: sd a1, 8(a0)\n ld a2, 0(a0)\n mv a0, a2\n ret\n"
        "two_loads: ld a2, 0(a0)\n ld a3, 8(a0)\n sub a0, a2, a3\n ret\n"
        "between: ld a2, 0(a0)\n addi a3, a2, 5\n add a3, a3, a1\n xor a3, a3, a2\n li a4, 3\n sd a3, 8(a0)\n sub a0, a3, a4\n ret\n"
        "last_is_base: sd a0, 8(a0)\n ld a1, 0(a0)\n ld a0, 8(a0)\n add a0, a0, a1\n ret\n"
        "load_store_far: ld a2, 0(a0)\n sd a1, 128(a0)\n mv a0, a2\n ret\n"
        "store_load_far: sd a1, 128(a0)\n ld a2, 0(a0)\n mv a0, a2\n ret\n"
        "chase: ld a0, 0(a0)\n ld a0, 8(a0)\n ret\n"
        "far_registers: mv t3, a1\n ld t4, 0(a0)\n add t5, t4, t3\n sd t5, 8(a0)\n lw t6, 8(a0)\n mv a0, t6\n ret\n");

/* c.li a0, n; c.jr ra; twice */
static u64 function(u64 n)
{
    u64 half = (0x4501 | (n & 31) << 2) | 0x8082 << 16;

    return half | half << 32;
}

/* The function lies in another line than what is loaded, which stays as it is: the page has code all the time. */
static void in_code(u64 (*access)(void *, u64))
{
    *(volatile u64 *)code = 0x1234567;
    for (u64 n = 0; n < 16; n++) {
        expect(access(code, function(n)), 0x1234567);
        fence_i();
        expect(((u64(*)(void))(code + 64))(), n);
    }
}

/* Little by little, as the accesses under test do not. */
static u64 bytes(const volatile u8 *at)
{
    u64 value = 0;

    for (int i = 7; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static u64 over_the_edge(u64 unused)
{
    (void)unused;
    for (u64 i = 0; i < 1024; i++)
        data[i] = i * 0x0123456789abcdef + 1;
    for (u64 back = 0; back < 24; back++) {
        u8 *at = (u8 *)data + 4096 - back;
        u64 first = bytes(at), second = bytes(at + 8);

        expect(two_loads(at), first - second);
        expect(load_store(at, back), first);
        expect(bytes(at + 8), back);
        expect(store_load(at, back + 1), first);
        expect(bytes(at + 8), back + 1);
        second = (first + 5 + back) ^ first;
        expect(between(at, back), second - 3);
        expect(bytes(at + 8), second);
        expect(far_registers(at, back), (u64)(s64)(int)(first + back));
        expect(bytes(at + 8), first + back);
        expect(last_is_base(at), (u64)at + first);
    }
    data[0] = (u64)&data[700];
    data[1] = 1;
    data[701] = 77;
    expect(chase(data), 77);
    return 0;
}

static u64 in_pages_with_code(u64 unused)
{
    (void)unused;
    in_code(load_store_far);
    in_code(store_load_far);
    return 0;
}

void main(u64 hart)
{
    other_harts_wait(hart);

    u64 *root = new_table();

    in_pages_with_code(0);
    over_the_edge(0);
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    in_mode(in_pages_with_code, 0, S);
    in_mode(over_the_edge, 0, S);
    finish(0);
}
