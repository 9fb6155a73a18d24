/* tests/unit/riscv_csr.c - the CSR table, access rules, WARL fields, views, counters, status (Privileged manual, chapters 2, 3, 12). */
#include "tests/unit/riscv_fixture.h"
#include "target/riscv/decode.h"

static void test_table(void)
{
    for (u32 i = 0; i < riscv_csr_row_count; i++) {
        const struct riscv_csr *row = &riscv_csr_rows[i];

        if (i)
            g_assert_cmphex(row->number, >=, row[-1].number + row[-1].count);
        for (u32 n = row->number; n < (u32)row->number + row->count; n++) {
            g_autofree char *name = riscv_csr_make_name(row, n);

            g_assert_true(riscv_csr_find(n) == row);
            if (n < 0x3a0 || n >= 0x3b0 || !(n & 1))
                g_assert_cmpstr(name, ==, riscv_csr_name(n));
        }
    }
    g_assert_null(riscv_csr_find(0));
    g_assert_null(riscv_csr_find(0xfff));
}

/* Every number from every mode: absent, too private and read-only ones are illegal instructions with the instruction in mtval. */
static void test_access(void)
{
    struct hart h;

    hart_start(&h, "max");
    hart_write(&h, 0x306, UINT64_MAX);
    hart_write(&h, 0x106, UINT64_MAX);
    hart_write(&h, 0x30a, UINT64_MAX);
    hart_write(&h, 0x300, MSTATUS_FS | MSTATUS_VS);
    hart_write(&h, 0x350, 0x30); /* mireg and sireg lead somewhere */
    hart_write(&h, 0x150, 0x3e);
    for (u32 n = 0; n < 4096; n++) {
        static const u8 modes[] = { RISCV_U, RISCV_S, RISCV_M };
        u64 value;
        bool exists = riscv_csr_peek(h.cpu, n, &value);

        for (unsigned m = 0; m < 3; m++) {
            for (unsigned write = 0; write < 2; write++) {
                struct riscv_state before;
                bool legal = exists && modes[m] >= (n >> 8 & 3) && !(write && n >> 10 == 3);

                h.state->privilege = modes[m];
                h.state->pc = 0x1000;
                before = *h.state;
                hart_csr(&h, n, 2, write, 0, 5);
                if (legal) {
                    if (n == 0xc00 || n == 0xc01 || n == 0xc02 || n == 0xb00 || n == 0xb02)
                        continue;
                    g_assert_cmphex(h.state->x[5], ==, value);
                    *h.state = before;
                } else {
                    g_assert_cmphex(h.state->mtval, ==, (u64)n << 20 | write << 15 | 2 << 12 | 5 << 7 | 0x73);
                    g_assert_true(hart_trapped(&h, &before, RISCV_ILLEGAL_INSTRUCTION));
                }
            }
        }
    }
    hart_stop(&h);
}

static const struct {
    const char *what;
    u32 number;
    u64 from, write, expect;
} warl[] = {
    { "mstatus keeps MPP when it is reserved", 0x300, 3 << 11, 2 << 11, 3 << 11 | MSTATUS_UXL | MSTATUS_SXL },
    { "mstatus writable bits", 0x300, 0, UINT64_MAX, 0x7e7faa | MSTATUS_SD | MSTATUS_UXL | MSTATUS_SXL },
    { "sstatus writable bits", 0x100, 0, UINT64_MAX, 0x0c6722 | MSTATUS_SD | MSTATUS_UXL },
    { "misa ignores writes", 0x301, 0, 0, UINT64_C(0x800000000034112f) },
    { "medeleg lacks ecall from M", 0x302, 0, UINT64_MAX, 0xb3ff },
    { "mideleg has S interrupts only", 0x303, 0, UINT64_MAX, 0x222 },
    { "mie", 0x304, 0, UINT64_MAX, 0xaaa },
    { "mvien: SSI, SEI, local and custom interrupts", 0x308, 0, UINT64_MAX, ~UINT64_C(0x1fff) | 0x202 },
    { "mvip: mip's software bits, and local and custom interrupts", 0x309, 0, UINT64_MAX, ~UINT64_C(0x1fff) | 0x222 },
    { "miselect has 9 bits", 0x350, 0, UINT64_MAX, 0x1ff },
    { "siselect has 9 bits", 0x150, 0, UINT64_MAX, 0x1ff },
    { "mtvec mode", 0x305, 0, UINT64_MAX, ~UINT64_C(2) },
    { "stvec mode", 0x105, 0, UINT64_MAX, ~UINT64_C(2) },
    { "mepc bit 0", 0x341, 0, UINT64_MAX, ~UINT64_C(1) },
    { "sepc bit 0", 0x141, 0, UINT64_MAX, ~UINT64_C(1) },
    { "mcounteren: cycle, time, instret, 16 counters", 0x306, 0, UINT64_MAX, 0x7ffff },
    { "scounteren", 0x106, 0, UINT64_MAX, 0x7ffff },
    { "mcountinhibit lacks time", 0x320, 0, UINT64_MAX, 0x7fffd },
    { "menvcfg", 0x30a, 0, UINT64_MAX & ~(UINT64_C(2) << 4), UINT64_C(0xe0000000000000d1) },
    { "menvcfg keeps CBIE when it is reserved", 0x30a, 3 << 4, 2 << 4, 3 << 4 },
    { "senvcfg", 0x10a, 0, UINT64_MAX, 0xf1 },
    { "satp Sv39", 0x180, 0, UINT64_C(8) << 60 | 0x123, UINT64_C(8) << 60 | 0x123 },
    { "satp Sv48 with all ASID and PPN bits", 0x180, 0, UINT64_C(9) << 60 | (BIT64(60) - 1), UINT64_C(9) << 60 | (BIT64(60) - 1) },
    { "satp Sv57", 0x180, 0, UINT64_C(10) << 60, UINT64_C(10) << 60 },
    { "satp is unchanged by a reserved mode", 0x180, 0x55, UINT64_C(11) << 60 | 0x123, 0x55 },
    { "satp is unchanged by Sv64", 0x180, 0x55, UINT64_C(12) << 60, 0x55 },
    { "fcsr", 0x003, 0, UINT64_MAX, 0xff },
    { "frm holds invalid modes", 0x002, 0, 7, 7 },
    { "fflags", 0x001, 0, UINT64_MAX, 0x1f },
    { "mhpmcounter3", 0xb03, 0, UINT64_MAX, UINT64_MAX },
    { "mhpmcounter18", 0xb12, 0, UINT64_MAX, UINT64_MAX },
    { "mhpmcounter19 is read-only zero", 0xb13, 0, UINT64_MAX, 0 },
    { "mip: software-writable bits", 0x344, 0, UINT64_MAX, 0x222 },
    { "pmpcfg: reserved bits", 0x3a0, 0, 0x6060606060606060, 0 },
    { "pmpcfg: W without R is not taken", 0x3a0, 0x18, 0x1a, 0x18 },
    { "pmpaddr has 54 bits", 0x3b0, 0, UINT64_MAX, BIT64(54) - 1 },
    { "pmpaddr15", 0x3bf, 0, 0x1234, 0x1234 },
    { "mconfigptr", 0xf15, 0, 0, 0 },
};

static void test_warl(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(warl); i++) {
        struct hart h;

        hart_start(&h, "max");
        riscv_csr_poke(h.cpu, 0x300, 0);
        riscv_csr_poke(h.cpu, 0x30a, 0);
        riscv_csr_poke(h.cpu, warl[i].number, warl[i].from);
        riscv_csr_poke(h.cpu, warl[i].number, warl[i].write);
        if (hart_read(&h, warl[i].number) != warl[i].expect) {
            g_test_message("%s: %016lx", warl[i].what, hart_read(&h, warl[i].number));
            g_test_fail();
        }
        hart_stop(&h);
    }
}

static void test_operations(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    h.state->pc = 0x100;
    hart_write(&h, 0x340, 0xf0f0);
    g_assert_false(hart_csr(&h, 0x340, 1, 1, 0x1234, 3));
    g_assert_cmphex(h.state->x[3], ==, 0xf0f0);
    hart_csr(&h, 0x340, 2, 1, 0x00ff, 3);
    g_assert_cmphex(h.state->x[3], ==, 0x1234);
    g_assert_cmphex(hart_read(&h, 0x340), ==, 0x12ff);
    hart_csr(&h, 0x340, 3, 1, 0x1000, 0);
    g_assert_cmphex(hart_read(&h, 0x340), ==, 0x02ff);
    g_assert_cmphex(h.state->x[0], ==, 0);
    hart_csr(&h, 0x340, 2, 0, 0xffff, 4); /* rs1 = x0: no write */
    g_assert_cmphex(hart_read(&h, 0x340), ==, 0x02ff);
    hart_csr(&h, 0x340, 5, 31, 31, 0); /* csrrwi */
    g_assert_cmphex(hart_read(&h, 0x340), ==, 31);
    g_assert_cmphex(h.state->pc, ==, 0x100);
    hart_stop(&h);
}

/* A write leaves translated code exactly when the next instruction may mean something else or an interrupt comes first. */
static void test_leaving(void)
{
    static const struct {
        const char *what;
        u32 number, funct3;
        u64 value;
        u64 pending; /* in mip, before */
        bool leaves;
    } rows[] = {
        { "mie with nothing pending", 0x304, 2, 0x888, 0, false },
        { "mie with MIE off", 0x304, 2, 0x888, BIT64(1), false },
        { "mie that lets one in", 0x304, 2, BIT64(1), BIT64(1), true },
        { "mip that makes one pending", 0x344, 2, BIT64(5), 0, true },
        { "an interrupt that was pending anyway", 0x300, 2, MSTATUS_SIE, BIT64(5), true },
        { "mstatus.FS turns floating point on", 0x300, 2, MSTATUS_FS, 0, true },
        { "mstatus.MPRV with another MPP", 0x300, 2, MSTATUS_MPRV, 0, true },
        { "mstatus.SUM means nothing in M mode", 0x300, 2, MSTATUS_SUM, 0, false },
        { "satp always", 0x180, 1, 0, 0, true },
        { "pmpaddr always", 0x3b0, 1, 0, 0, true },
        { "mscratch never", 0x340, 1, 1, BIT64(5), false },
        { "a read never", 0x300, 2, 0, BIT64(5), false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct hart h;
        bool last = i == 1;

        hart_start(&h, "rv64");
        h.state->software = rows[i].pending;
        hart_write(&h, 0x304, BIT64(5));
        hart_write(&h, 0x300, last ? 0 : MSTATUS_MIE);
        h.state->pc = 0x100;
        bool left = hart_csr(&h, rows[i].number, rows[i].funct3, rows[i].value || rows[i].funct3 == 1, rows[i].value, 0);
        if (left != rows[i].leaves || h.state->pc != (left ? 0x104 : 0x100)) {
            g_test_message("%s", rows[i].what);
            g_test_fail();
        }
        hart_stop(&h);
    }
    /* frm: from valid to invalid and back (dynamic rounding is illegal then), to and from RMM (which hosts lack), between the others. */
    struct hart h;
    hart_start(&h, "rv64");
    hart_write(&h, 0x300, MSTATUS_FS);
    g_assert_true(hart_csr(&h, 0x002, 1, 1, 5, 0));
    g_assert_false(hart_csr(&h, 0x002, 1, 1, 6, 0));
    g_assert_true(hart_csr(&h, 0x003, 1, 1, 4 << 5, 0));
    g_assert_true(hart_csr(&h, 0x002, 1, 1, 1, 0));
    g_assert_false(hart_csr(&h, 0x002, 1, 1, 2, 0));
    hart_stop(&h);
}

static void test_configurations(void)
{
    static const struct {
        const char *model;
        u32 absent, present;
    } rows[] = {
        { "rv64,pmp=off", 0x3a0, 0x300 },
        { "rv64,num-pmp-regions=4", 0x3c0, 0x3bf },
        { "rv64,num-pmp-regions=17", 0x3a1, 0x3ef },
        { "rv64,f=off", 0x003, 0x300 },
        { "rv64,sstc=off", 0x14d, 0x141 },
        { "rv64,s=off", 0x180, 0x306 },
        { "rv64,s=off,u=off", 0x306, 0x300 },
        { "rv64,zihpm=off", 0xc03, 0xc00 },
        { "rv64,zicntr=off", 0xc00, 0xb00 },
        { "rv64", 0x150, 0x100 },
        { "rv64,ssaia=on", 0x308, 0xdb0 },
        { "rv64,ssaia=on", 0x15c, 0x151 }, /* no IMSIC */
        { "rv64,smaia=on", 0x35c, 0x150 },
        { "rv64,smaia=on,s=off", 0x309, 0x350 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct hart h;
        u64 value;

        hart_start(&h, rows[i].model);
        g_test_message("%s", rows[i].model);
        g_assert_false(riscv_csr_peek(h.cpu, rows[i].absent, &value));
        g_assert_true(riscv_csr_peek(h.cpu, rows[i].present, &value));
        hart_stop(&h);
    }
    struct hart h;
    hart_start(&h, "rv64,num-pmp-regions=4");
    hart_write(&h, 0x3b4, 0x1234);
    g_assert_cmphex(hart_read(&h, 0x3b4), ==, 0);
    hart_write(&h, 0x3a0, UINT64_C(0x0f0f0f0f0f0f0f0f));
    g_assert_cmphex(hart_read(&h, 0x3a0), ==, 0x0f0f0f0f);
    hart_stop(&h);
    hart_start(&h, "rv64,sv57=off");
    hart_write(&h, 0x180, UINT64_C(10) << 60);
    g_assert_cmphex(hart_read(&h, 0x180), ==, 0);
    hart_stop(&h);
    hart_start(&h, "rv64,sv48=on"); /* nothing wider than what is asked for by name */
    hart_write(&h, 0x180, UINT64_C(10) << 60);
    g_assert_cmphex(hart_read(&h, 0x180), ==, 0);
    hart_write(&h, 0x180, UINT64_C(9) << 60);
    g_assert_cmphex(hart_read(&h, 0x180), ==, UINT64_C(9) << 60);
    hart_stop(&h);
    hart_start(&h, "rv64,sv39=on,sv57=on");
    hart_write(&h, 0x180, UINT64_C(10) << 60);
    g_assert_cmphex(hart_read(&h, 0x180), ==, UINT64_C(10) << 60);
    hart_stop(&h);
}

/* What is about translation is read-only 0 where there is none (sections 3.1.6.3 and 3.1.6.6). */
static void test_without_translation(void)
{
    static const struct { const char *model; u64 bits; } rows[] = {
        { "rv64", MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TSR },
        { "rv64,sv39=on", MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TSR },
        { "rv64,mmu=off", MSTATUS_TSR },
        { "rv64,s=off", 0 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct hart h;

        hart_start(&h, rows[i].model);
        g_test_message("%s", rows[i].model);
        hart_write(&h, 0x300, UINT64_MAX);
        g_assert_cmphex(hart_read(&h, 0x300) & (MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TSR), ==, rows[i].bits);
        hart_stop(&h);
    }
}

/* Section 3.1.9: where there is no S mode, what a board drives for it is read-only 0 in mip. */
static void test_mip_without_supervisor(void)
{
    static const struct { const char *model; u64 seen; } rows[] = { { "rv64", 0xa0a }, { "rv64,s=off", 0x808 }, { "rv64,s=off,u=off", 0x808 } };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct hart h;

        hart_start(&h, rows[i].model);
        g_test_message("%s", rows[i].model);
        line_set(&h.vcpu->line[RISCV_INT_SSI], 1);
        line_set(&h.vcpu->line[RISCV_INT_MSI], 1);
        line_set(&h.vcpu->line[RISCV_INT_SEI], 1);
        line_set(&h.vcpu->line[RISCV_INT_MEI], 1);
        g_assert_cmphex(hart_read(&h, 0x344), ==, rows[i].seen);
        hart_stop(&h);
    }
}

static void test_fs(void)
{
    struct hart h;
    struct riscv_state before;

    hart_start(&h, "rv64");
    before = *h.state;
    hart_csr(&h, 0x003, 2, 0, 0, 1);
    g_assert_true(hart_trapped(&h, &before, RISCV_ILLEGAL_INSTRUCTION)); /* FS is Off */
    h.state->fp_dirty = 1;
    g_assert_cmphex(hart_read(&h, 0x300) & MSTATUS_FS, ==, 0);
    hart_write(&h, 0x300, UINT64_C(1) << MSTATUS_FS_SHIFT);
    g_assert_cmphex(hart_read(&h, 0x100) & (MSTATUS_FS | MSTATUS_SD), ==, UINT64_C(1) << MSTATUS_FS_SHIFT);
    hart_csr(&h, 0x001, 1, 1, 0, 0); /* writing fflags dirties */
    g_assert_cmphex(hart_read(&h, 0x100) & (MSTATUS_FS | MSTATUS_SD), ==, MSTATUS_FS | MSTATUS_SD);
    hart_csr(&h, 0x100, 3, 1, UINT64_C(1) << MSTATUS_FS_SHIFT, 0); /* Dirty -> Clean through sstatus */
    g_assert_cmphex(hart_read(&h, 0x300) & (MSTATUS_FS | MSTATUS_SD), ==, UINT64_C(2) << MSTATUS_FS_SHIFT);
    h.state->fp_dirty = 1;
    hart_csr(&h, 0x300, 2, 1, MSTATUS_MIE, 0); /* another field: Dirty stays */
    g_assert_cmphex(hart_read(&h, 0x300) & MSTATUS_FS, ==, MSTATUS_FS);
    hart_stop(&h);
}

static void test_counters(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    vm_lock(h.vm);
    vm_clock_advance(h.vm, 1000000);
    g_assert_cmpuint(hart_read(&h, 0xc01), ==, 10000);
    g_assert_cmpuint(hart_read(&h, 0xb00), ==, 1000000);
    hart_write(&h, 0xb00, 5);
    vm_clock_advance(h.vm, 1000100);
    g_assert_cmpuint(hart_read(&h, 0xc00), ==, 105);
    hart_write(&h, 0x320, 1); /* cycle stops, instret goes on */
    vm_clock_advance(h.vm, 1000200);
    g_assert_cmpuint(hart_read(&h, 0xb00), ==, 105);
    g_assert_cmpuint(hart_read(&h, 0xb02), ==, 1000200);
    hart_write(&h, 0xb00, 7);
    g_assert_cmpuint(hart_read(&h, 0xb00), ==, 7);
    hart_write(&h, 0x320, 0);
    vm_clock_advance(h.vm, 1000300);
    g_assert_cmpuint(hart_read(&h, 0xb00), ==, 107);
    vm_unlock(h.vm);
    hart_stop(&h);
}

/* mcounteren and scounteren, each mode, each kind of counter (sections 3.1.11 and 12.1.5). */
static void test_counter_access(void)
{
    static const u32 numbers[] = { 0xc00, 0xc01, 0xc02, 0xc03, 0xc12 };
    struct hart h;

    hart_start(&h, "rv64");
    for (unsigned i = 0; i < ARRAY_SIZE(numbers) * 16; i++) {
        u32 number = numbers[i / 16], bit = 1u << (number & 31);
        bool m = i & 1, s = i & 2;
        u8 mode = i & 4 ? RISCV_S : i & 8 ? RISCV_M : RISCV_U;
        bool legal = mode == RISCV_M || (m && (s || mode == RISCV_S));
        struct riscv_state before;

        hart_write(&h, 0x306, m ? bit : ~bit);
        hart_write(&h, 0x106, s ? bit : ~bit);
        h.state->privilege = mode;
        before = *h.state;
        hart_csr(&h, number, 2, 0, 0, 1);
        g_assert_true(hart_trapped(&h, &before, RISCV_ILLEGAL_INSTRUCTION) != legal);
    }
    hart_stop(&h);
}

/* Sstc: STIP is time >= stimecmp while menvcfg.STCE, and not writable then. */
static void test_stimecmp(void)
{
    struct hart h;
    struct riscv_state before;

    hart_start(&h, "rv64");
    vm_lock(h.vm);
    hart_write(&h, 0x344, BIT64(5));
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(5));
    hart_write(&h, 0x30a, ENVCFG_STCE);
    g_assert_cmphex(hart_read(&h, 0x344), ==, 0);
    vm_clock_advance(h.vm, 10000);
    hart_write(&h, 0x14d, 100);
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(5));
    hart_write(&h, 0x344, 0);
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(5));
    hart_write(&h, 0x14d, 101);
    g_assert_cmphex(hart_read(&h, 0x344), ==, 0);
    g_assert_cmpint(h.vcpu->timer_deadline[RISCV_TIMER_S], ==, 10100);
    vm_clock_advance(h.vm, 10100);
    vcpu_timers_run(h.vcpu);
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(5));
    hart_write(&h, 0x14d, UINT64_MAX);
    g_assert_cmphex(hart_read(&h, 0x344), ==, 0);
    g_assert_cmpint(h.vcpu->timer_deadline[RISCV_TIMER_S], ==, INT64_MAX);
    vm_unlock(h.vm);
    for (unsigned i = 0; i < 4; i++) { /* S mode needs mcounteren.TM and STCE */
        h.state->privilege = RISCV_S;
        h.state->mcounteren = i & 1 ? 2 : 0;
        h.state->menvcfg = i & 2 ? ENVCFG_STCE : 0;
        before = *h.state;
        hart_csr(&h, 0x14d, 2, 0, 0, 1);
        g_assert_true(hart_trapped(&h, &before, RISCV_ILLEGAL_INSTRUCTION) != (i == 3));
    }
    hart_stop(&h);
}

/* A read-modify-write of mip works on the software bit of SEIP, a read shows the line too (section 3.1.9). */
static void test_seip(void)
{
    struct hart h;

    hart_start(&h, "rv64");
    line_set(&h.vcpu->line[RISCV_INT_SEI], 1);
    h.state->pc = 0;
    hart_csr(&h, 0x344, 2, 1, BIT64(1), 5);
    g_assert_cmphex(h.state->x[5], ==, BIT64(9));
    line_set(&h.vcpu->line[RISCV_INT_SEI], 0);
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(1));
    hart_csr(&h, 0x344, 2, 1, BIT64(9), 0);
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(9) | BIT64(1));
    hart_csr(&h, 0x344, 3, 1, BIT64(9), 0);
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(1));
    /* S sees and writes only what is delegated, and of that only SSIP. */
    g_assert_cmphex(hart_read(&h, 0x144), ==, 0);
    hart_write(&h, 0x303, 0x222);
    hart_write(&h, 0x144, 0x222);
    g_assert_cmphex(hart_read(&h, 0x144), ==, BIT64(1));
    hart_write(&h, 0x144, 0);
    g_assert_cmphex(hart_read(&h, 0x344), ==, 0);
    hart_write(&h, 0x303, 0x020);
    hart_write(&h, 0x104, 0xfff);
    g_assert_cmphex(hart_read(&h, 0x304), ==, 0x020);
    /* Reset keeps what lines say and forgets what software wrote. */
    line_set(&h.vcpu->line[RISCV_INT_MEI], 1);
    hart_write(&h, 0x344, BIT64(1));
    riscv_reset(h.vcpu);
    g_assert_cmphex(hart_read(&h, 0x344), ==, BIT64(11));
    hart_stop(&h);
}

static void test_registers(void)
{
    struct hart h;
    u32 count;

    hart_start(&h, "max");
    const struct cpu_register *reg = riscv_registers(h.vcpu, &count);
    for (u32 i = 0; i < count; i++) {
        u64 value[8] = { 0 }, pattern = UINT64_C(0x123456789abcde0), back = 0;

        g_assert_true(riscv_register_read(h.vcpu, &reg[i], value));
        if (i) {
            g_assert_cmpuint(reg[i].number, >, reg[i - 1].number);
        }
        if (reg[i].number >= 1 && reg[i].number < 65) {
            g_assert_true(riscv_register_write(h.vcpu, &reg[i], &pattern));
            riscv_register_read(h.vcpu, &reg[i], &back);
            g_assert_cmphex(back, ==, pattern);
        }
    }
    g_assert_cmpstr(reg[count - 33].name, ==, "priv");
    g_assert_cmpstr(reg[count - 1].name, ==, "v31");
    g_autofree char *text = riscv_describe(h.vcpu);
    g_assert_nonnull(strstr(text, "x31/t6   0123456789abcde0"));
    hart_stop(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv/csr/table", test_table);
    g_test_add_func("/riscv/csr/access", test_access);
    g_test_add_func("/riscv/csr/warl", test_warl);
    g_test_add_func("/riscv/csr/operations", test_operations);
    g_test_add_func("/riscv/csr/leaving", test_leaving);
    g_test_add_func("/riscv/csr/configurations", test_configurations);
    g_test_add_func("/riscv/csr/without-translation", test_without_translation);
    g_test_add_func("/riscv/csr/mip-without-supervisor", test_mip_without_supervisor);
    g_test_add_func("/riscv/csr/fs", test_fs);
    g_test_add_func("/riscv/csr/counters", test_counters);
    g_test_add_func("/riscv/csr/counter-access", test_counter_access);
    g_test_add_func("/riscv/csr/stimecmp", test_stimecmp);
    g_test_add_func("/riscv/csr/seip", test_seip);
    g_test_add_func("/riscv/csr/registers", test_registers);
    return g_test_run();
}
