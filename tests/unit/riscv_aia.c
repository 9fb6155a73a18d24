/* tests/unit/riscv_aia.c - a hart and its IMSIC: interrupt files, top interrupts, priorities, virtual interrupts (RISC-V AIA 1.0, chapters 2, 3, 5). */
#include "hw/core/device.h"
#include "target/riscv/aia.h"
#include "tests/unit/riscv_fixture.h"

enum { M_FILE = 0x24000000, S_FILE = 0x28000000, EIDELIVERY = 0x70, EITHRESHOLD = 0x72, EIP0 = 0x80, EIE0 = 0xc0, IPRIO0 = 0x30 };
enum { SSI = 1, MSI = 3, STI = 5, MTI = 7, SEI = 9, MEI = 11 };

struct aia {
    struct hart h;
};

static void start_with(struct aia *a, const char *model)
{
    hart_start(&a->h, model);
    vm_lock(a->h.vm);
    for (unsigned i = 0; i < 2; i++) {
        GError *error = NULL;
        struct device *file = device_create_unattached(a->h.vm, "riscv.imsic", i ? "num-pages=2" : "mmode=on", &error);

        g_assert_no_error(error);
        device_map(file, 0, i ? S_FILE : M_FILE);
    }
}

static void start(struct aia *a)
{
    start_with(a, "rv64,smaia=on,ssaia=on");
}

static void stop(struct aia *a)
{
    while (vm_root(a->h.vm)->children->len)
        vm_object_destroy(g_ptr_array_index(vm_root(a->h.vm)->children, vm_root(a->h.vm)->children->len - 1));
    vm_unlock(a->h.vm);
    hart_stop(&a->h);
}

static void message(struct aia *a, u64 address, u32 data)
{
    g_assert_cmpint(space_write(vm_memory(a->h.vm), address, 4, data), ==, MEM_OK);
}

/* level: 0x300 machine, 0x100 supervisor. */
static void set(struct aia *a, u32 level, u64 select, u64 value)
{
    hart_write(&a->h, level | 0x50, select);
    hart_write(&a->h, level | 0x51, value);
}

static u64 get(struct aia *a, u32 level, u64 select)
{
    hart_write(&a->h, level | 0x50, select);
    return hart_read(&a->h, level | 0x51);
}

/* Whether the instruction is legal in this mode; the state stays as it was. */
static bool legal(struct aia *a, u8 mode, u32 number, bool write)
{
    struct riscv_state before;

    a->h.state->privilege = mode;
    a->h.state->pc = 0x1000;
    before = *a->h.state;
    hart_csr(&a->h, number, 2, write, 0, 5);
    bool trapped = hart_trapped(&a->h, &before, RISCV_ILLEGAL_INSTRUCTION);
    a->h.state->privilege = RISCV_M;
    return !trapped;
}

/* Messages become pending, enabled ones are delivered, the lowest first; a threshold masks from itself on (sections 3.5, 3.8, 3.9). */
static void test_file(void)
{
    static const struct {
        u32 level, csr;
        u64 page;
        u8 line;
    } files[] = { { 0x300, 0x35c, M_FILE, MEI }, { 0x100, 0x15c, S_FILE, SEI } };
    struct aia a;

    for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
        u32 level = files[i].level;
        u64 bit = BIT64(files[i].line);

        start(&a);
        message(&a, files[i].page, 200);
        message(&a, files[i].page + 4, __builtin_bswap32(70));
        g_assert_cmphex(get(&a, level, EIP0 + 6), ==, BIT64(8));
        g_assert_cmphex(get(&a, level, EIP0 + 2), ==, BIT64(6));
        g_assert_cmphex(hart_read(&a.h, files[i].csr), ==, 0); /* nothing enabled */
        set(&a, level, EIE0 + 6, UINT64_MAX);
        g_assert_cmphex(hart_read(&a.h, files[i].csr), ==, 200 * 0x10001);
        g_assert_cmphex(hart_read(&a.h, 0x344), ==, 0); /* eidelivery does not touch *topei */
        set(&a, level, EIDELIVERY, 1);
        g_assert_cmphex(hart_read(&a.h, 0x344), ==, bit);
        set(&a, level, EIE0 + 2, UINT64_MAX);
        g_assert_cmphex(hart_read(&a.h, files[i].csr), ==, 70 * 0x10001);
        set(&a, level, EITHRESHOLD, 70);
        g_assert_cmphex(hart_read(&a.h, files[i].csr), ==, 0);
        g_assert_cmphex(hart_read(&a.h, 0x344), ==, 0);
        set(&a, level, EITHRESHOLD, 71);
        g_assert_cmphex(hart_read(&a.h, 0x344), ==, bit);
        g_assert_false(hart_csr(&a.h, files[i].csr, 1, 0, 0, 7)); /* csrrw x7, *topei, x0: a claim; the other one is above the threshold */
        g_assert_cmphex(a.h.state->x[7], ==, 70 * 0x10001);
        g_assert_cmphex(hart_read(&a.h, 0x344), ==, 0);
        set(&a, level, EITHRESHOLD, 0);
        g_assert_cmphex(hart_read(&a.h, 0x344), ==, bit);
        hart_csr(&a.h, files[i].csr, 1, 0, 0, 0); /* csrrw x0: claims as well */
        g_assert_cmphex(hart_read(&a.h, 0x344), ==, 0);
        g_assert_cmphex(get(&a, level, EIP0 + 6), ==, 0);
        hart_csr(&a.h, files[i].csr, 1, 0, 0, 7); /* nothing to claim */
        g_assert_cmphex(a.h.state->x[7], ==, 0);
        set(&a, level, EIP0, 0x12); /* software makes them pending too */
        set(&a, level, EIE0, ~UINT64_C(2));
        g_assert_cmphex(hart_read(&a.h, files[i].csr), ==, 4 * 0x10001);
        vm_reset(a.h.vm, VM_CAUSE_GUEST_RESET);
        g_assert_cmphex(get(&a, level, EIP0), ==, 0);
        g_assert_cmphex(hart_read(&a.h, 0x344), ==, 0);
        stop(&a);
    }
}

/* What is not there: identity 0, identities from 256 on, other pages, odd and reserved registers (sections 3.5, 3.8). */
static void test_file_edges(void)
{
    static const u32 ignored[] = { 0, 256, 257, 2047, 2048, 65536, UINT32_MAX };
    struct aia a;
    u64 value;

    start(&a);
    for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++) {
        message(&a, S_FILE, ignored[i]);
        message(&a, S_FILE + 4, ignored[i]);
    }
    message(&a, S_FILE + 4096, 5); /* a guest's page, without guests */
    message(&a, S_FILE + 8, 5);
    for (unsigned i = 0; i < 64; i += 2) {
        g_assert_cmphex(get(&a, 0x100, EIP0 + i), ==, 0);
        set(&a, 0x100, EIE0 + i, UINT64_MAX);
        g_assert_cmphex(get(&a, 0x100, EIE0 + i), ==, i == 0 ? ~UINT64_C(1) : i < 8 ? UINT64_MAX : 0);
    }
    set(&a, 0x100, EIP0, UINT64_MAX);
    g_assert_cmphex(get(&a, 0x100, EIP0), ==, ~UINT64_C(1));
    g_assert_cmphex(hart_read(&a.h, 0x15c), ==, 0x10001);
    g_assert_cmpint(space_read(vm_memory(a.h.vm), S_FILE, 4, &value), ==, MEM_OK);
    g_assert_cmphex(value, ==, 0);
    g_assert_cmpint(space_write(vm_memory(a.h.vm), S_FILE, 2, 6), ==, MEM_ERROR);
    set(&a, 0x100, EIDELIVERY, 0xfffffffe);
    g_assert_cmphex(get(&a, 0x100, EIDELIVERY), ==, 0);
    for (u64 select = 0; select < 0x200; select++) {
        bool odd = select & 1, iprio = select >= 0x30 && select < 0x40, file = select >= 0x70 && select < 0x100;
        bool want = (iprio && !odd) || (file && (select < 0x80 || !odd));

        for (u32 level = 0x100; level <= 0x300; level += 0x200) {
            hart_write(&a.h, level | 0x50, select);
            g_assert_true(legal(&a, RISCV_M, level | 0x51, false) == want);
            g_assert_true(legal(&a, RISCV_M, level | 0x51, true) == want);
            if (file && select < 0x80 && select != EIDELIVERY && select != EITHRESHOLD) {
                hart_write(&a.h, level | 0x51, UINT64_MAX);
                g_assert_cmphex(hart_read(&a.h, level | 0x51), ==, 0);
            }
        }
    }
    stop(&a);
}

/* A message of a better identity between the read and the write of one instruction is not lost. */
static void test_claim_is_one_step(void)
{
    const struct riscv_csr *stopei = riscv_csr_find(0x15c);
    struct aia a;

    start(&a);
    set(&a, 0x100, EIE0, UINT64_MAX);
    message(&a, S_FILE, 40);
    g_assert_cmphex(stopei->read(a.h.cpu, stopei, 0x15c), ==, 40 * 0x10001);
    message(&a, S_FILE, 3);
    stopei->write(a.h.cpu, stopei, 0x15c, 0, UINT64_MAX);
    g_assert_cmphex(get(&a, 0x100, EIP0), ==, BIT64(3));
    stop(&a);
}

/* While mvien has SEI, the supervisor's file is machine level's (section 5.3). */
static void test_file_is_kept_from_s(void)
{
    struct aia a;

    start(&a);
    for (unsigned kept = 0; kept < 2; kept++) {
        hart_write(&a.h, 0x308, kept ? BIT64(SEI) : 0);
        hart_write(&a.h, 0x150, EIDELIVERY);
        g_assert_true(legal(&a, RISCV_S, 0x15c, false) == !kept);
        g_assert_true(legal(&a, RISCV_S, 0x151, false) == !kept);
        g_assert_true(legal(&a, RISCV_M, 0x15c, false));
        hart_write(&a.h, 0x150, IPRIO0);
        g_assert_true(legal(&a, RISCV_S, 0x151, false));
    }
    stop(&a);
}

/* Without an IMSIC: no file, no priorities to set, IPRIO 1. */
static void test_no_imsic(void)
{
    struct aia a;

    hart_start(&a.h, "max");
    hart_write(&a.h, 0x350, EIDELIVERY);
    g_assert_false(legal(&a, RISCV_M, 0x351, false));
    g_assert_false(legal(&a, RISCV_M, 0x35c, false));
    set(&a, 0x300, IPRIO0, UINT64_MAX);
    g_assert_cmphex(get(&a, 0x300, IPRIO0), ==, 0);
    hart_write(&a.h, 0x304, BIT64(MTI) | BIT64(SSI));
    line_set(&a.h.vcpu->line[MTI], 1);
    hart_write(&a.h, 0x344, BIT64(SSI));
    g_assert_cmphex(hart_read(&a.h, 0xfb0), ==, MTI << 16 | 1);
    g_assert_cmphex(hart_read(&a.h, 0xdb0), ==, 0);
    hart_write(&a.h, 0x303, BIT64(SSI));
    g_assert_cmphex(hart_read(&a.h, 0xdb0), ==, SSI << 16 | 1);
    hart_stop(&a.h);
}

/* Which bytes of the priority arrays can be set: those of interrupts that can be enabled, but external ones. */
static void test_iprio_fields(void)
{
    struct aia a;

    start(&a);
    for (u64 i = 0; i < 16; i += 2) {
        set(&a, 0x300, IPRIO0 + i, UINT64_MAX);
        set(&a, 0x100, IPRIO0 + i, UINT64_MAX);
        g_assert_cmphex(get(&a, 0x300, IPRIO0 + i), ==, i == 0 ? UINT64_C(0xff00ff00ff00ff00) : i == 2 ? 0xff00 : 0);
        g_assert_cmphex(get(&a, 0x100, IPRIO0 + i), ==, 0); /* nothing is delegated */
    }
    hart_write(&a.h, 0x303, 0x222);
    hart_write(&a.h, 0x308, BIT64(13) | BIT64(63));
    for (u64 i = 0; i < 16; i += 2) {
        set(&a, 0x100, IPRIO0 + i, UINT64_MAX);
        g_assert_cmphex(get(&a, 0x100, IPRIO0 + i), ==,
                        i == 0 ? UINT64_C(0x0000ff000000ff00) : i == 2 ? UINT64_C(0xff) << 40 : i == 14 ? UINT64_C(0xff) << 56 : 0);
    }
    stop(&a);
}

/* Table "intrPrios-M" and "-S": from the highest to the lowest. */
static u32 place(unsigned number, unsigned external, u32 priority, u32 top)
{
    static const u8 standard[] = { MEI, MSI, MTI, SEI, SSI, STI, 13 };
    u32 rank = 0, external_rank = 0;

    for (u32 i = 0; i < ARRAY_SIZE(standard); i++) {
        rank = standard[i] == number ? i : rank;
        external_rank = standard[i] == external ? i : external_rank;
    }
    u32 row = number == external ? (top ? top : 256) : priority ? priority : rank < external_rank ? 0 : 3000;
    return row * 16 + rank;
}

/* Random pending sets, enables, delegations, priorities, messages: the tops are those that the tables say, and so is what is taken. */
static void test_priorities(void)
{
    static const u8 numbers[] = { SSI, MSI, STI, MTI, SEI, MEI, 13 };
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    struct aia a;

    start(&a);
    for (unsigned round = 0; round < 20000; round++) {
        u64 pending = 0, enabled = 0, mideleg = g_rand_int(rand) & 0x222, mvien = g_rand_boolean(rand) ? BIT64(13) : 0, own = 0;
        u32 top[2] = { (u32)g_rand_int_range(rand, 1, 256), (u32)g_rand_int_range(rand, 1, 256) };
        u8 priority[2][16] = { { 0 } };
        u32 expect[2] = { 0 };

        hart_write(&a.h, 0x303, mideleg);
        hart_write(&a.h, 0x308, mvien);
        for (unsigned level = 0; level < 2; level++) {
            u32 csr = level ? 0x100 : 0x300;

            for (unsigned w = 0; w < 8; w += 2) {
                set(&a, csr, EIP0 + w, top[level] / 64 * 2 == w ? BIT64(top[level] % 64) : 0);
                set(&a, csr, EIE0 + w, UINT64_MAX);
            }
            set(&a, csr, EIDELIVERY, g_rand_boolean(rand));
            set(&a, csr, IPRIO0, g_rand_boolean(rand) ? (u64)g_rand_int(rand) << 32 | g_rand_int(rand) : 0);
            set(&a, csr, IPRIO0 + 2, g_rand_boolean(rand) ? (u64)g_rand_int(rand) << 32 | g_rand_int(rand) : 0);
            for (unsigned i = 0; i < 16; i++)
                priority[level][i] = (u8)(get(&a, csr, IPRIO0 + i / 8 * 2) >> i % 8 * 8);
        }
        line_set(&a.h.vcpu->line[MSI], (u32)g_rand_boolean(rand));
        line_set(&a.h.vcpu->line[MTI], (u32)g_rand_boolean(rand));
        hart_write(&a.h, 0x344, g_rand_int(rand));
        hart_write(&a.h, 0x309, (u64)g_rand_boolean(rand) << 13 | (hart_read(&a.h, 0x309) & 0x222));
        hart_write(&a.h, 0x304, g_rand_int(rand));
        hart_write(&a.h, 0x104, (u64)g_rand_boolean(rand) << 13 | hart_read(&a.h, 0x104));
        pending = hart_read(&a.h, 0x344);
        enabled = hart_read(&a.h, 0x304);
        own = mvien & hart_read(&a.h, 0x309) & hart_read(&a.h, 0x104);
        for (unsigned level = 0; level < 2; level++) {
            u64 set_ = level ? (pending & enabled & mideleg) | own : pending & enabled & ~mideleg;
            u32 best = UINT32_MAX;

            for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
                unsigned n = numbers[i], external = level ? SEI : MEI;
                u32 at = place(n, external, priority[level][n], top[level]);

                if (set_ >> n & 1 && at < best) {
                    best = at;
                    expect[level] = n << 16 | MIN(at / 16, 255);
                }
            }
        }
        g_assert_cmphex(hart_read(&a.h, 0xfb0), ==, expect[0]);
        g_assert_cmphex(hart_read(&a.h, 0xdb0), ==, expect[1]);
        g_assert_true(riscv_has_work(a.h.vcpu) == (expect[0] || expect[1]));
        a.h.state->privilege = RISCV_U;
        g_assert_true(riscv_take_interrupt(a.h.vcpu) == (expect[0] || expect[1]));
        if (expect[0] || expect[1]) {
            g_assert_cmpuint(a.h.state->privilege, ==, expect[0] ? RISCV_M : RISCV_S);
            g_assert_cmphex(hart_read(&a.h, expect[0] ? 0x342 : 0x142), ==, BIT64(63) | (expect[0] ? expect[0] : expect[1]) >> 16);
        }
        a.h.state->privilege = RISCV_M;
    }
    stop(&a);
}

/* Section 5.3's table: what sip and sie are, for each number and each setting of mideleg and mvien. */
static void test_filtering(void)
{
    static const u8 numbers[] = { SSI, STI, SEI, 13, 20, 35, 63 };

    for (unsigned i = 0; i < ARRAY_SIZE(numbers) * 4; i++) {
        u64 bit = BIT64(numbers[i / 4]), mideleg = i & 1 ? bit & 0x222 : 0, mvien = i & 2 && bit != BIT64(STI) ? bit : 0;
        bool real = mideleg, virtual = !real && mvien;
        struct aia a;

        start(&a);
        hart_write(&a.h, 0x303, mideleg);
        hart_write(&a.h, 0x308, i & 2 ? bit : 0);
        g_assert_cmphex(hart_read(&a.h, 0x308), ==, mvien);
        hart_write(&a.h, 0x104, UINT64_MAX);
        g_assert_cmphex(hart_read(&a.h, 0x104), ==, real || virtual ? bit : 0);
        g_assert_cmphex(hart_read(&a.h, 0x304), ==, real ? bit : 0); /* an alias of mie, or a bit of its own */
        hart_write(&a.h, 0x309, bit);
        g_assert_cmphex(hart_read(&a.h, 0x144), ==, real || virtual ? (real && mvien && bit <= BIT64(SEI) ? 0 : bit) : 0);
        g_assert_cmphex(hart_read(&a.h, 0xdb0) >> 16, ==, virtual || (real && !mvien) ? numbers[i / 4] : 0);
        g_assert_true(riscv_has_work(a.h.vcpu) == (virtual || (real && !mvien)));
        hart_write(&a.h, 0x144, 0); /* local ones and SSI can be cleared there */
        g_assert_cmphex(hart_read(&a.h, 0x309) & bit, ==, (virtual && bit != BIT64(SEI)) || (real && !mvien && bit == BIT64(SSI)) ? 0 : bit);
        stop(&a);
    }
}

/* mvip's bits 1, 5 and 9 (section 5.3). */
static void test_mvip_aliases(void)
{
    struct aia a;

    start(&a);
    hart_write(&a.h, 0x309, 0x222);
    g_assert_cmphex(hart_read(&a.h, 0x344), ==, 0x222);
    hart_write(&a.h, 0x308, BIT64(SEI)); /* SEIP in mip is the controller's alone then, and read-only */
    g_assert_cmphex(hart_read(&a.h, 0x344), ==, 0x022);
    g_assert_cmphex(hart_read(&a.h, 0x309), ==, 0x222);
    hart_write(&a.h, 0x344, 0);
    g_assert_cmphex(hart_read(&a.h, 0x309), ==, BIT64(SEI));
    hart_write(&a.h, 0x309, 0);
    hart_write(&a.h, 0x344, BIT64(SEI));
    g_assert_cmphex(hart_read(&a.h, 0x309), ==, 0);
    hart_write(&a.h, 0x308, BIT64(SSI)); /* a bit of its own */
    hart_write(&a.h, 0x309, BIT64(SSI));
    g_assert_cmphex(hart_read(&a.h, 0x344), ==, 0);
    hart_write(&a.h, 0x344, BIT64(SSI));
    hart_write(&a.h, 0x309, 0);
    g_assert_cmphex(hart_read(&a.h, 0x344), ==, BIT64(SSI));
    hart_write(&a.h, 0x344, BIT64(STI));
    hart_write(&a.h, 0x30a, ENVCFG_STCE); /* STIP is not writable in mip: zero here */
    g_assert_cmphex(hart_read(&a.h, 0x309), ==, 0);
    stop(&a);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv/aia/file", test_file);
    g_test_add_func("/riscv/aia/file-edges", test_file_edges);
    g_test_add_func("/riscv/aia/claim-is-one-step", test_claim_is_one_step);
    g_test_add_func("/riscv/aia/file-is-kept-from-s", test_file_is_kept_from_s);
    g_test_add_func("/riscv/aia/no-imsic", test_no_imsic);
    g_test_add_func("/riscv/aia/iprio-fields", test_iprio_fields);
    g_test_add_func("/riscv/aia/priorities", test_priorities);
    g_test_add_func("/riscv/aia/filtering", test_filtering);
    g_test_add_func("/riscv/aia/mvip-aliases", test_mvip_aliases);
    return g_test_run();
}
