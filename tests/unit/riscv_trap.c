/* tests/unit/riscv_trap.c - exceptions, delegation, vectors, returns, interrupt priorities, privileged instructions. */
#include "tests/unit/riscv_fixture.h"

enum { MTVEC = 0x80001000u, STVEC = 0x80002000u, PC = 0x80003004u };

static const u8 modes[] = { RISCV_U, RISCV_S, RISCV_M };
static const u8 causes[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15 };
static const u8 interrupts[] = { 11, 3, 7, 9, 1, 5 }; /* in order of priority, section 3.1.9 */

static void arm(struct hart *h, u8 mode, u64 status, unsigned vectored)
{
    hart_write(h, 0x305, MTVEC | vectored);
    hart_write(h, 0x105, STVEC | vectored);
    hart_write(h, 0x300, status);
    h->state->privilege = mode;
    h->state->pc = PC;
    h->state->reserve_address = 0x80000000;
}

/* Each cause from each mode, delegated or not: target, CSRs, status stacks; never to a less privileged mode. */
static void test_exceptions(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    for (unsigned i = 0; i < ARRAY_SIZE(causes) * 3 * 2 * 4 * 2; i++) {
        u8 cause = causes[i % ARRAY_SIZE(causes)], mode = modes[i / ARRAY_SIZE(causes) % 3];
        unsigned rest = i / ARRAY_SIZE(causes) / 3, delegated = rest & 1, mie = rest >> 1 & 1, sie = rest >> 2 & 1, vectored = rest >> 3 & 1;
        u64 tval = UINT64_C(0xdead0000) + i;

        hart_write(&h, 0x302, delegated ? UINT64_MAX : ~BIT64(cause));
        if (!delegated)
            hart_write(&h, 0x302, hart_read(&h, 0x302) & ~BIT64(cause));
        arm(&h, mode, (mie ? MSTATUS_MIE : 0) | (sie ? MSTATUS_SIE : 0), vectored);
        riscv_trap(h.cpu, cause, tval);
        bool to_s = delegated && mode != RISCV_M && cause != RISCV_ECALL_M;
        u64 status = hart_read(&h, 0x300);
        g_assert_cmpuint(h.state->privilege, ==, to_s ? RISCV_S : RISCV_M);
        g_assert_cmphex(h.state->pc, ==, to_s ? STVEC : MTVEC); /* exceptions are never vectored */
        g_assert_cmphex(hart_read(&h, to_s ? 0x142 : 0x342), ==, cause);
        g_assert_cmphex(hart_read(&h, to_s ? 0x141 : 0x341), ==, PC);
        g_assert_cmphex(hart_read(&h, to_s ? 0x143 : 0x343), ==, tval);
        g_assert_cmphex(h.state->reserve_address, ==, RISCV_NO_RESERVATION);
        if (to_s) {
            g_assert_cmphex(status & MSTATUS_SIE, ==, 0);
            g_assert_true(!!(status & MSTATUS_SPIE) == sie);
            g_assert_true(!!(status & MSTATUS_SPP) == (mode == RISCV_S));
            g_assert_true(!!(status & MSTATUS_MIE) == mie);
        } else {
            g_assert_cmphex(status & MSTATUS_MIE, ==, 0);
            g_assert_true(!!(status & MSTATUS_MPIE) == mie);
            g_assert_cmphex(status >> 11 & 3, ==, mode);
            g_assert_true(!!(status & MSTATUS_SIE) == sie);
        }
    }
    hart_stop(&h);
}

static void test_ecall(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    for (unsigned i = 0; i < 3; i++) {
        arm(&h, modes[i], 0, 0);
        g_assert_true(riscv_helper_ecall(h.vcpu));
        g_assert_cmphex(h.state->mcause, ==, RISCV_ECALL_U + modes[i]);
        g_assert_cmphex(h.state->mtval, ==, 0);
    }
    hart_stop(&h);
}

/* What an enabled pending set must lead to, written straight from section 3.1.6.1 and 3.1.9. */
static int expected(u64 pending, u64 mideleg, u8 mode, u64 status, u8 *to)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < ARRAY_SIZE(interrupts); i++) {
            u64 bit = BIT64(interrupts[i]);
            bool delegated = mideleg & bit;
            bool enabled = delegated ? mode < RISCV_S || (mode == RISCV_S && (status & MSTATUS_SIE))
                                     : mode < RISCV_M || (status & MSTATUS_MIE);

            if (!(pending & bit) || delegated != (pass == 1) || !enabled)
                continue;
            *to = delegated ? RISCV_S : RISCV_M;
            return interrupts[i];
        }
    }
    return -1;
}

/* Every set of pending interrupts x delegations x modes x enables; vectored. */
static void test_interrupts(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    for (unsigned i = 0; i < 64 * 8 * 3 * 4; i++) {
        u64 pending = 0, mideleg = 0, status = (i & 1 ? MSTATUS_MIE : 0) | (i & 2 ? MSTATUS_SIE : 0);
        unsigned rest = i >> 2, set = rest & 63, split = rest >> 6 & 7, mode = modes[(rest >> 9) % 3];
        u8 to = 0;

        for (unsigned k = 0; k < 6; k++)
            pending |= set >> k & 1 ? BIT64(interrupts[k]) : 0;
        mideleg = (split & 1 ? BIT64(1) : 0) | (split & 2 ? BIT64(5) : 0) | (split & 4 ? BIT64(9) : 0);
        h.state->lines = pending & 0x888;
        h.state->software = pending & 0x222;
        hart_write(&h, 0x304, UINT64_MAX);
        hart_write(&h, 0x303, mideleg);
        arm(&h, mode, status, 1);
        int want = expected(pending, mideleg, mode, status, &to);
        g_assert_cmpint(riscv_interrupt_pending(h.cpu), ==, want);
        g_assert_true(riscv_has_work(h.vcpu) == !!pending);
        g_assert_true(riscv_take_interrupt(h.vcpu) == (want >= 0));
        if (want < 0)
            continue;
        g_assert_cmpuint(h.state->privilege, ==, to);
        g_assert_cmphex(h.state->pc, ==, (to == RISCV_S ? STVEC : MTVEC) + 4 * want);
        g_assert_cmphex(to == RISCV_S ? h.state->scause : h.state->mcause, ==, BIT64(63) | want);
        g_assert_cmphex(to == RISCV_S ? h.state->sepc : h.state->mepc, ==, PC);
    }
    /* Not enabled in mie: nothing, and WFI sleeps on. */
    h.state->lines = BIT64(11);
    h.state->software = 0;
    hart_write(&h, 0x304, ~BIT64(11));
    arm(&h, RISCV_U, MSTATUS_MIE, 0);
    g_assert_false(riscv_take_interrupt(h.vcpu));
    g_assert_false(riscv_has_work(h.vcpu));
    hart_stop(&h);
}

static void test_lines(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    for (unsigned i = 0; i < 4; i++) {
        static const u8 inputs[] = { 3, 7, 9, 11 };

        line_set(&h.vcpu->line[inputs[i]], 1);
        g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(inputs[i]));
        line_set(&h.vcpu->line[inputs[i]], 0);
        g_assert_cmphex(hart_read(&h, 0x344), ==, 0);
    }
    line_pulse(&h.vcpu->line[1]); /* an edge sets SSIP, which software clears */
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(1));
    riscv_timer_expired(h.vcpu, RISCV_TIMER_M);
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(1) | BIT64(7));
    hart_stop(&h);
}

static void test_mret(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    for (unsigned i = 0; i < 3 * 4; i++) {
        u8 to = modes[i % 3];
        bool mpie = i / 3 & 1, mprv = i / 6 & 1;

        arm(&h, RISCV_M, (u64)to << 11 | (mpie ? MSTATUS_MPIE : 0) | (mprv ? MSTATUS_MPRV : 0), 0);
        hart_write(&h, 0x341, 0x1236);
        g_assert_true(riscv_helper_mret(h.vcpu, 0x30200073));
        u64 status = hart_read(&h, 0x300);
        g_assert_cmpuint(h.state->privilege, ==, to);
        g_assert_cmphex(h.state->pc, ==, 0x1236);
        g_assert_true(!!(status & MSTATUS_MIE) == mpie);
        g_assert_true(status & MSTATUS_MPIE);
        g_assert_cmphex(status & MSTATUS_MPP, ==, 0);
        g_assert_true(!!(status & MSTATUS_MPRV) == (mprv && to == RISCV_M));
        g_assert_cmphex(h.state->reserve_address, ==, RISCV_NO_RESERVATION);
    }
    hart_stop(&h);
    hart_start(&h, "rv64,c=off");
    arm(&h, RISCV_M, 0, 0);
    hart_write(&h, 0x341, 0x1236);
    riscv_helper_mret(h.vcpu, 0x30200073);
    g_assert_cmphex(h.state->pc, ==, 0x1234); /* IALIGN = 32 */
    hart_stop(&h);
}

static void test_sret(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    for (unsigned i = 0; i < 8; i++) {
        bool spp = i & 1, spie = i & 2, from_m = i & 4;

        arm(&h, from_m ? RISCV_M : RISCV_S, (spp ? MSTATUS_SPP : 0) | (spie ? MSTATUS_SPIE : 0) | MSTATUS_MPRV | (from_m ? MSTATUS_TSR : 0), 0);
        hart_write(&h, 0x141, 0x1236);
        g_assert_true(riscv_helper_sret(h.vcpu, 0x10200073));
        u64 status = hart_read(&h, 0x300);
        g_assert_cmpuint(h.state->privilege, ==, spp ? RISCV_S : RISCV_U);
        g_assert_cmphex(h.state->pc, ==, 0x1236);
        g_assert_true(!!(status & MSTATUS_SIE) == spie);
        g_assert_true(status & MSTATUS_SPIE);
        g_assert_cmphex(status & (MSTATUS_SPP | MSTATUS_MPRV), ==, 0);
    }
    hart_stop(&h);
}

static bool run_mret(struct hart *h)
{
    return riscv_helper_mret(h->vcpu, 0x30200073);
}

static bool run_sret(struct hart *h)
{
    return riscv_helper_sret(h->vcpu, 0x10200073);
}

static bool run_wfi(struct hart *h)
{
    return riscv_helper_wfi(h->vcpu, 0x10500073, 4);
}

static bool run_sfence(struct hart *h)
{
    return riscv_helper_sfence_vma(h->vcpu, 0, 0, 0x12000073, 4);
}

static bool run_sfence_inval(struct hart *h)
{
    return riscv_helper_sfence_inval(h->vcpu, 0x18000073, 4);
}

static bool run_satp(struct hart *h)
{
    return hart_csr(h, 0x180, 2, 0, 0, 1);
}

/* Which privileged instruction traps in which mode under TSR, TW, TVM (section 3.1.6.5). */
static void test_privileged(void)
{
    static const struct {
        const char *name;
        bool (*run)(struct hart *h);
        u8 lowest;       /* mode */
        u64 trapped_by;  /* mstatus bit that makes it illegal in S */
    } rows[] = {
        { "mret", run_mret, RISCV_M, 0 },      { "sret", run_sret, RISCV_S, MSTATUS_TSR },
        { "wfi", run_wfi, RISCV_S, MSTATUS_TW }, { "sfence.vma", run_sfence, RISCV_S, MSTATUS_TVM },
        { "satp", run_satp, RISCV_S, MSTATUS_TVM }, { "sfence.w.inval", run_sfence_inval, RISCV_S, 0 },
    };
    struct hart h;

    hart_start(&h, "max");
    for (unsigned i = 0; i < ARRAY_SIZE(rows) * 3 * 8; i++) {
        unsigned row = i % ARRAY_SIZE(rows), rest = i / ARRAY_SIZE(rows);
        u8 mode = modes[rest % 3];
        u64 status = (rest / 3 & 1 ? MSTATUS_TSR : 0) | (rest / 3 & 2 ? MSTATUS_TW : 0) | (rest / 3 & 4 ? MSTATUS_TVM : 0);
        bool legal = mode >= rows[row].lowest && !(mode == RISCV_S && (status & rows[row].trapped_by));
        struct riscv_state before;

        arm(&h, mode, status, 0);
        before = *h.state;
        rows[row].run(&h);
        if (hart_trapped(&h, &before, RISCV_ILLEGAL_INSTRUCTION) == legal) {
            g_test_message("%s in mode %u, mstatus %lx", rows[row].name, mode, status);
            g_test_fail();
        }
    }
    hart_stop(&h);
}

static void test_wfi(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    arm(&h, RISCV_M, 0, 0);
    hart_write(&h, 0x304, BIT64(7));
    g_assert_true(run_wfi(&h));
    g_assert_true(h.vcpu->halted);
    g_assert_cmphex(h.state->pc, ==, PC + 4);
    g_assert_false(riscv_has_work(h.vcpu));
    line_set(&h.vcpu->line[7], 1);
    g_assert_true(riscv_has_work(h.vcpu)); /* whatever mstatus.MIE says */
    g_assert_false(riscv_take_interrupt(h.vcpu));
    h.vcpu->halted = false;
    run_wfi(&h);
    g_assert_false(h.vcpu->halted); /* already pending: goes on */
    hart_stop(&h);
}

/* CBIE, CBCFE in menvcfg and senvcfg (chapter "CMO"). */
static void test_cbo(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    hart_open_pmp(&h);
    for (unsigned i = 0; i < 3 * 3 * 16; i++) {
        u8 mode = modes[i % 3], op = i / 3 % 3; /* inval, clean, flush */
        unsigned rest = i / 9;
        bool m = op ? rest & 1 : rest & 2, s = op ? rest & 4 : rest & 8;
        bool legal = mode == RISCV_M || (m && (mode == RISCV_S || s));
        struct riscv_state before;

        hart_write(&h, 0x30a, (rest & 1 ? ENVCFG_CBCFE : 0) | (rest & 2 ? UINT64_C(1) << 4 : 0));
        hart_write(&h, 0x10a, (rest & 4 ? ENVCFG_CBCFE : 0) | (rest & 8 ? ENVCFG_CBIE : 0));
        arm(&h, mode, 0, 0);
        before = *h.state;
        bool left = riscv_helper_cbo(h.vcpu, RAM + 100, (u64)op << 20 | 10 << 15 | 0x200f);
        g_assert_true(left != legal);
        g_assert_true(hart_trapped(&h, &before, RISCV_ILLEGAL_INSTRUCTION) != legal);
    }
    /* The lack of a translation is a store fault. */
    arm(&h, RISCV_S, 0, 0);
    hart_write(&h, 0x30a, ENVCFG_CBCFE);
    hart_write(&h, 0x180, UINT64_C(8) << 60 | RAM >> 12);
    g_assert_true(riscv_helper_cbo(h.vcpu, 0x123456, UINT64_C(1) << 20 | 0x200f));
    g_assert_cmphex(h.state->mcause, ==, RISCV_STORE_PAGE_FAULT);
    g_assert_cmphex(h.state->mtval, ==, 0x123456);
    hart_stop(&h);
}

static void test_illegal(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    arm(&h, RISCV_U, 0, 0);
    hart_write(&h, 0x302, BIT64(2));
    g_assert_true(riscv_helper_illegal(h.vcpu, 0xffff));
    g_assert_cmphex(h.state->stval, ==, 0xffff);
    g_assert_cmphex(h.state->scause, ==, RISCV_ILLEGAL_INSTRUCTION);
    g_assert_cmphex(h.state->pc, ==, STVEC);
    hart_stop(&h);
}

static void test_reset(void)
{
    struct hart h;

    hart_start(&h, "rv64,resetvec=0x80000000");
    memset(h.state, 0xa5, sizeof(*h.state));
    riscv_reset(h.vcpu);
    g_assert_cmphex(h.state->pc, ==, 0x80000000);
    g_assert_cmpuint(h.state->privilege, ==, RISCV_M);
    g_assert_cmphex(hart_read(&h, 0x300), ==, MSTATUS_UXL | MSTATUS_SXL);
    g_assert_cmphex(hart_read(&h, 0x30a), ==, ENVCFG_ADUE); /* svade is off */
    g_assert_cmphex(hart_read(&h, 0x180), ==, 0);
    g_assert_cmphex(hart_read(&h, 0x342), ==, 0);
    hart_stop(&h);
    hart_start(&h, "rv64,svade=on");
    g_assert_cmphex(hart_read(&h, 0x30a), ==, 0);
    hart_stop(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv/trap/exceptions", test_exceptions);
    g_test_add_func("/riscv/trap/ecall", test_ecall);
    g_test_add_func("/riscv/trap/interrupts", test_interrupts);
    g_test_add_func("/riscv/trap/lines", test_lines);
    g_test_add_func("/riscv/trap/mret", test_mret);
    g_test_add_func("/riscv/trap/sret", test_sret);
    g_test_add_func("/riscv/trap/privileged", test_privileged);
    g_test_add_func("/riscv/trap/wfi", test_wfi);
    g_test_add_func("/riscv/trap/cbo", test_cbo);
    g_test_add_func("/riscv/trap/illegal", test_illegal);
    g_test_add_func("/riscv/trap/reset", test_reset);
    return g_test_run();
}
