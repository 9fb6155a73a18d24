/* tests/unit/riscv_vector.c - vector configuration, legality, CSRs, faults in the middle, agnostic elements. Results of instructions: tests/isa. */
#include "tests/unit/riscv_fixture.h"
#include "target/riscv/translate.h"
#include "target/riscv/vector.h"
#include <string.h>

#define SHORT "rv64,zve32x=on,zvkned=on,zvksed=on"

enum { VAESEM_VS = (int)0xa6012077, VSM4R_VS = (int)0xa6082077, VLE8_V8_A0 = 0x02050407, VSE8_V8_A0 = 0x02050427, VLE8FF_V8_A0 = 0x03050407 };

static void start(struct hart *h, const char *model)
{
    hart_start(h, model);
    hart_write(h, 0x300, MSTATUS_FS | MSTATUS_VS);
}

/* --- vsetvl, as qemu-riscv64 10.0 has it; VLMAX by SEW and LMUL, 0: vill --- */

static void check_vlmax(unsigned vlen, const u16 expected[4][8])
{
    g_autofree char *model = g_strdup_printf("max,vlen=%u", vlen);
    struct hart h;

    start(&h, model);
    for (u64 vtype = 0; vtype < 32; vtype++) {
        g_assert_cmpuint(riscv_vector_configure(h.cpu, vtype, UINT64_MAX, false), ==, expected[vtype >> 3][vtype & 7]);
        g_assert_cmphex(hart_read(&h, 0xc21), ==, expected[vtype >> 3][vtype & 7] ? vtype : VTYPE_VILL);
    }
    hart_stop(&h);
}

static void test_vlmax(void)
{
    static const u16 at_128[4][8] = { { 16, 32, 64, 128, 0, 2, 4, 8 }, { 8, 16, 32, 64, 0, 0, 2, 4 }, { 4, 8, 16, 32, 0, 0, 0, 2 }, { 2, 4, 8, 16 } };
    static const u16 at_256[4][8] = { { 32, 64, 128, 256, 0, 4, 8, 16 }, { 16, 32, 64, 128, 0, 0, 4, 8 }, { 8, 16, 32, 64, 0, 0, 0, 4 }, { 4, 8, 16, 32 } };

    check_vlmax(128, at_128);
    check_vlmax(256, at_256);
}

static void test_vl(void)
{
    struct hart h;

    start(&h, "max");
    g_assert_cmpuint(riscv_vector_configure(h.cpu, 0, 5, false), ==, 5);
    g_assert_cmpuint(riscv_vector_configure(h.cpu, 0, 17, false), ==, 16);
    g_assert_cmpuint(riscv_vector_configure(h.cpu, 1, 0, true), ==, 16); /* vl is kept */
    g_assert_cmpuint(riscv_vector_configure(h.cpu, 0x100, 5, false), ==, 0); /* reserved bits */
    g_assert_cmphex(hart_read(&h, 0xc21), ==, VTYPE_VILL);
    hart_stop(&h);
    start(&h, "max,rvv_vl_half_avl=on,rvv_vsetvl_x0_vill=on");
    g_assert_cmpuint(riscv_vector_configure(h.cpu, 0, 17, false), ==, 9);
    g_assert_cmpuint(riscv_vector_configure(h.cpu, 0, 32, false), ==, 16);
    g_assert_cmpuint(riscv_vector_configure(h.cpu, 0x08, 0, true), ==, 0); /* another VLMAX */
    hart_stop(&h);
}

/* --- legality, as qemu-riscv64 10.0 has it --- */

static const struct legality {
    const char *what;
    u32 raw;
    u64 vtype;
    bool legal;
    const char *model; /* NULL: max */
} legalities[] = {
    { "e8,m1 vadd.vx v1,v0,a0,v0.t", 0x000540d7, 0x0, false },
    { "e8,m1 vadd.vv v1,v2,v0,v0.t", 0x002000d7, 0x0, false },
    { "e8,m1 vse8.v v0,(a0),v0.t", 0x00050027, 0x0, true },
    { "e8,m1 vmseq.vi v1,v0,0,v0.t", 0x600030d7, 0x0, true },
    { "e8,m1 vadc.vvm v1,v0,v2,v0", 0x400100d7, 0x0, true },
    { "e8,m1 vmadc.vvm v1,v0,v2,v0", 0x440100d7, 0x0, true },
    { "e8,m1 vmadc.vvm v0,v1,v2,v0", 0x44110057, 0x0, true },
    { "e8,m1 vmerge.vvm v1,v0,v2,v0", 0x5c0100d7, 0x0, false },
    { "e8,m1 vmerge.vvm v1,v2,v0,v0", 0x5c2000d7, 0x0, false },
    { "e8,m1 vredsum.vs v1,v0,v2,v0.t", 0x000120d7, 0x0, true },
    { "e8,m1 vredsum.vs v1,v2,v0,v0.t", 0x002020d7, 0x0, true },
    { "e8,m1 vredsum.vs v0,v2,v3,v0.t", 0x0021a057, 0x0, true },
    { "e8,m1 vluxei8.v v1,(a0),v0,v0.t", 0x04050087, 0x0, false },
    { "e8,m1 vmsbf.m v1,v0,v0.t", 0x5000a0d7, 0x0, true },
    { "e8,m1 vcpop.m a1,v0,v0.t", 0x400825d7, 0x0, true },
    { "e8,m1 viota.m v1,v0,v0.t", 0x500820d7, 0x0, true },
    { "e8,m1 vslide1up.vx v1,v0,a0,v0.t", 0x380560d7, 0x0, false },
    { "e8,m1 vslidedown.vi v1,v0,1,v0.t", 0x3c00b0d7, 0x0, false },
    { "e8,m1 vrgather.vi v1,v0,1,v0.t", 0x3000b0d7, 0x0, false },
    { "e8,m1 vrgatherei16.vv v4,v2,v2", 0x3a210257, 0x0, false },
    { "e16,m1 vrgatherei16.vv v4,v2,v2", 0x3a210257, 0x8, true },
    { "e32,m1 vrgatherei16.vv v4,v2,v2", 0x3a210257, 0x10, false },
    { "e32,m1 vcompress.vm v4,v2,v2", 0x5e212257, 0x10, true },
    { "e8,m1 vwmacc.vv v2,v3,v5", 0xf651a157, 0x0, false },
    { "e8,m1 vwadd.vv v2,v3,v5", 0xc632a157, 0x0, true },
    { "e8,m1 vwadd.wv v2,v4,v4", 0xd6422157, 0x0, false },
    { "e8,m1 vnsrl.wv v2,v4,v4", 0xb2420157, 0x0, false },
    { "e8,m1 vzext.vf2 v2,v0,v0.t", 0x48032157, 0x0, false },
    { "e32,m1 vfcvt.x.f.v v2,v0,v0.t", 0x48009157, 0x10, false },
    { "e32,m1 vfadd.vf v2,v0,fa0,v0.t", 0x00055157, 0x10, false },
    { "e32,m1 vfwmacc.vf v2,fa0,v3", 0xf2355157, 0x10, false },
    { "e8,m1 vsuxei16.v v4,(a0),v4", 0x06455227, 0x0, false },
    { "e8,m1 vsuxei8.v v4,(a0),v4", 0x06450227, 0x0, true },
    { "e8,m1 vluxei16.v v4,(a0),v4", 0x06455207, 0x0, true },
    { "e16,m1 vluxei8.v v4,(a0),v4", 0x06450207, 0x8, false },
    { "e8,m1 vsse8.v v0,(a0),a1,v0.t", 0x08b50027, 0x0, true },
    { "e8,m1 vwredsum.vs v1,v2,v2", 0xc62100d7, 0x0, true },
    { "e8,m1 vwredsum.vs v1,v2,v3", 0xc62180d7, 0x0, true },
    { "e32,m1 vfwredosum.vs v1,v2,v2", 0xce2110d7, 0x10, true },
    { "e8,m2 vwredsum.vs v1,v2,v3", 0xc62180d7, 0x1, true },
    { "e8,m1 vmv1r.v v1,v2", 0x9e2030d7, 0x0, true },
    { "e8,m1 vid.v v0,v0.t", 0x5008a057, 0x0, false },
    { "e8,m1 vmadc.vv v2,v2,v3", 0x46218157, 0x0, true },
    { "e8,m2 vmadc.vv v3,v2,v4", 0x462201d7, 0x1, false },
    { "e8,m2 vmadc.vv v2,v2,v4", 0x46220157, 0x1, true },
    { "e8,m1 vmand.mm v0,v0,v0", 0x66002057, 0x0, true },
    { "e8,m1 vmacc.vv v1,v0,v2,v0.t", 0xb42020d7, 0x0, false },
    { "e8,m8 vadd.vv v8,v16,v24", 0x02000057 | 16 << 20 | 24 << 15 | 8 << 7, 3, true },
    { "e8,m8 vadd.vv v8,v17,v24", 0x02000057 | 17 << 20 | 24 << 15 | 8 << 7, 3, false },
    { "e32,m1 vaesem.vs v4,v3", VAESEM_VS | 3 << 20 | 4 << 7, 0x10, true },
    { "e32,m2 vaesem.vs v4,v5", VAESEM_VS | 5 << 20 | 4 << 7, 0x11, false },
    { "e32,m2 vaesem.vs v4,v2, 64 bits", VAESEM_VS | 2 << 20 | 4 << 7, 0x11, true, SHORT ",vlen=64" },
    { "e32,m2 vaesem.vs v4,v3, 64 bits", VAESEM_VS | 3 << 20 | 4 << 7, 0x11, false, SHORT ",vlen=64" },
    { "e32,m2 vaesem.vs v4,v4, 64 bits", VAESEM_VS | 4 << 20 | 4 << 7, 0x11, false, SHORT ",vlen=64" },
    { "e32,m1 vaesem.vs v4,v2, 64 bits", VAESEM_VS | 2 << 20 | 4 << 7, 0x10, false, SHORT ",vlen=64" },
    { "e32,m2 vsm4r.vs v4,v6, 64 bits", VSM4R_VS | 6 << 20 | 4 << 7, 0x11, true, SHORT ",vlen=64" },
    { "e32,m2 vsm4r.vs v4,v7, 64 bits", VSM4R_VS | 7 << 20 | 4 << 7, 0x11, false, SHORT ",vlen=64" },
    { "e32,m4 vsm4r.vs v4,v8, 32 bits", VSM4R_VS | 8 << 20 | 4 << 7, 0x12, true, SHORT ",vlen=32,elen=32" },
    { "e32,m4 vsm4r.vs v4,v10, 32 bits", VSM4R_VS | 10 << 20 | 4 << 7, 0x12, false, SHORT ",vlen=32,elen=32" },
};

/* Through the translator: an instruction alone, where the helper decides; behind a vsetvli; where what the hart has is assumed. */
static void check_legality(const void *data)
{
    const struct legality *c = data;
    struct riscv_insn i;
    struct hart h;

    start(&h, c->model ? c->model : "max");
    g_assert_true(riscv_decode(c->raw, &i));
    for (unsigned known = 0; known < (h.cpu->vlen < 128 ? 2 : 3); known++) { /* of short registers nothing is assumed */
        bool behind = known == 1;
        u8 page[4096] = { 0 };
        struct code_source source = { .page = page, .mode = RISCV_M, .max_insns = 1 + behind };
        struct ir_block *block = ir_block_create(4096);
        u32 vsetvli = (u32)(c->vtype << 20) | 0x7057, at = 0;
        bool illegal = false;

        riscv_vector_configure(h.cpu, known == 2 ? c->vtype : VTYPE_VILL, 4, false);
        if (behind)
            memcpy(page, &vsetvli, 4), at = 4;
        memcpy(page + at, &c->raw, 4);
        ir_block_reset(block, 0);
        riscv_translate(block, &source, h.cpu->guards, h.cpu);
        for (u32 op = 0; op < block->count; op++)
            illegal |= block->op[op].code == IR_CALL && !strcmp(block->op[op].helper->name, "illegal");
        if (known)
            g_assert_cmpint(illegal, ==, !c->legal);
        else
            g_assert_false(illegal);
        ir_block_destroy(block);
    }
    hart_stop(&h);
}

static void test_off(void)
{
    struct hart h;
    struct riscv_state before;

    start(&h, "max");
    hart_write(&h, 0x300, MSTATUS_VS & (MSTATUS_VS >> 1)); /* Initial */
    g_assert_cmphex(hart_read(&h, 0x300) & (MSTATUS_VS | MSTATUS_SD), ==, MSTATUS_VS & (MSTATUS_VS >> 1));
    riscv_vector_configure(h.cpu, 0, 4, false);
    g_assert_cmphex(hart_read(&h, 0x100) & (MSTATUS_VS | MSTATUS_SD), ==, MSTATUS_VS | MSTATUS_SD);
    hart_write(&h, 0x300, 0);
    before = *h.state;
    g_assert_true(hart_csr(&h, 0xc20, 2, 0, 0, 5));
    g_assert_true(hart_trapped(&h, &before, RISCV_ILLEGAL_INSTRUCTION));
    hart_stop(&h);
    hart_start(&h, "rv64");
    hart_write(&h, 0x300, MSTATUS_VS);
    g_assert_cmphex(hart_read(&h, 0x300) & MSTATUS_VS, ==, 0);
    g_assert_false(riscv_csr_peek(h.cpu, 0xc22, &before.pc));
    hart_stop(&h);
}

/* --- memory: bytes at RAM, from `end` on nothing --- */

static u64 end_of_memory(struct vcpu *vcpu)
{
    return riscv_state_of(riscv_cpu_of(vcpu))->mscratch;
}

static u8 *host_of(struct vcpu *vcpu, u64 address)
{
    return vm_ram_find(vcpu->vm, "ram")->host + (address - RAM);
}

static u8 *direct(struct vcpu *vcpu, u64 address, u64 size, bool write)
{
    return address + size <= end_of_memory(vcpu) ? host_of(vcpu, address) : NULL;
}

static bool load(struct vcpu *vcpu, u64 address, unsigned size, u64 *value)
{
    if (!direct(vcpu, address, size, false)) {
        riscv_trap(riscv_cpu_of(vcpu), RISCV_LOAD_PAGE_FAULT, address);
        return false;
    }
    *value = bits_load_le(host_of(vcpu, address), size);
    return true;
}

static bool store(struct vcpu *vcpu, u64 address, unsigned size, u64 value)
{
    if (!direct(vcpu, address, size, true)) {
        riscv_trap(riscv_cpu_of(vcpu), RISCV_STORE_PAGE_FAULT, address);
        return false;
    }
    bits_store_le(host_of(vcpu, address), size, value);
    return true;
}

static bool readable(struct vcpu *vcpu, u64 address, unsigned size)
{
    return direct(vcpu, address, size, false);
}

static const struct vcpu_memory memory = { direct, load, store, readable };

static u64 access_word(u32 raw, enum riscv_vector_access access, bool is_load)
{
    return raw | (u64)access << 32 | UINT64_C(8) << 40 | (u64)is_load << 48;
}

/* Ten bytes, of which seven are there: a trap at the eighth, vstart 7, what was before done; later the rest alone. */
static void test_fault(void)
{
    struct hart h;
    struct riscv_state before;
    u64 word = access_word(VLE8_V8_A0, RISCV_VMEM_UNIT, true);

    start(&h, "max");
    h.vcpu->memory = &memory;
    riscv_vector_configure(h.cpu, 0, 10, false);
    for (unsigned i = 0; i < 16; i++)
        h.ram->host[i] = (u8)(i + 1);
    h.state->mscratch = RAM + 7;
    before = *h.state;
    g_assert_true(riscv_helper_vector_memory(h.vcpu, word, RAM, 0));
    g_assert_cmpuint(h.state->vstart, ==, 7);
    g_assert_cmphex(h.state->mtval, ==, RAM + 7);
    g_assert_cmpint(memcmp(h.state->v + 8 * 16, h.ram->host, 7), ==, 0);
    g_assert_cmphex(h.state->v[8 * 16 + 7], ==, 0);
    before.vstart = 7;
    *h.state = before; /* with cleared registers: only the rest is loaded now */
    h.state->mscratch = RAM + 16;
    g_assert_false(riscv_helper_vector_memory(h.vcpu, word, RAM, 0));
    g_assert_cmpuint(h.state->vstart, ==, 0);
    g_assert_cmphex(h.state->v[8 * 16 + 6], ==, 0);
    g_assert_cmphex(h.state->v[8 * 16 + 9], ==, 10);
    g_assert_cmphex(h.state->v[8 * 16 + 10], ==, 0);
    hart_stop(&h);
}

static void test_first_only(void)
{
    struct hart h;

    start(&h, "max");
    h.vcpu->memory = &memory;
    riscv_vector_configure(h.cpu, 0, 10, false);
    h.state->mscratch = RAM + 7;
    g_assert_false(riscv_helper_vector_memory(h.vcpu, access_word(VLE8FF_V8_A0, RISCV_VMEM_FIRST, true), RAM, 0));
    g_assert_cmpuint(h.state->vl, ==, 7);
    h.state->mscratch = RAM;
    g_assert_true(riscv_helper_vector_memory(h.vcpu, access_word(VLE8FF_V8_A0, RISCV_VMEM_FIRST, true), RAM, 0));
    g_assert_cmphex(h.state->mcause, ==, RISCV_LOAD_PAGE_FAULT);
    g_assert_cmpuint(h.state->vl, ==, 7);
    hart_stop(&h);
}

static void test_store_fault(void)
{
    struct hart h;

    start(&h, "max");
    h.vcpu->memory = &memory;
    riscv_vector_configure(h.cpu, 0, 10, false);
    memset(h.state->v + 8 * 16, 0x55, 16);
    h.state->mscratch = RAM + 3;
    g_assert_true(riscv_helper_vector_memory(h.vcpu, access_word(VSE8_V8_A0, RISCV_VMEM_UNIT, false), RAM, 0));
    g_assert_cmphex(h.state->mcause, ==, RISCV_STORE_PAGE_FAULT);
    g_assert_cmpuint(h.state->vstart, ==, 3);
    g_assert_cmphex(h.ram->host[2], ==, 0x55);
    g_assert_cmphex(h.ram->host[3], ==, 0);
    hart_stop(&h);
}

/* vadd.vi v8, v8, 1, v0.t with vl 3 of 16: elements 0 and 2 are active. */
static void test_agnostic(void)
{
    const u32 raw = 0x0080b457;
    static const u8 kept[4] = { 1, 0, 1, 0 }, ones[4] = { 1, 0xff, 1, 0xff };

    for (unsigned all = 0; all < 2; all++) {
        struct hart h;

        start(&h, all ? "max,rvv_ta_all_1s=on,rvv_ma_all_1s=on" : "max");
        riscv_vector_configure(h.cpu, VTYPE_TA | VTYPE_MA, 3, false);
        h.state->v[0] = 5;
        g_assert_false(riscv_helper_vector_checked(h.vcpu, raw | (u64)RISCV_V_ADD << 32 | (u64)RISCV_V_I << 48, 1, RISCV_VTYPE_ANY));
        g_assert_cmpint(memcmp(h.state->v + 8 * 16, all ? ones : kept, 4), ==, 0);
        hart_stop(&h);
    }
}

static void run_all_ones(struct hart *h, u64 vtype, u64 vl, u32 raw, enum riscv_vector_op op, enum riscv_vector_form form, u64 x)
{
    start(h, "max,rvv_ta_all_1s=on,rvv_ma_all_1s=on");
    riscv_vector_configure(h->cpu, vtype | VTYPE_TA | VTYPE_MA, vl, false);
    for (unsigned i = 16; i < 16 * 16; i++)
        h->state->v[i] = 1;
    g_assert_false(riscv_helper_vector_checked(h->vcpu, raw | (u64)op << 32 | (u64)form << 48, x, RISCV_VTYPE_ANY));
}

/* vwredsumu.vs v8, v9, v10 of bytes: the sum has 16 bits, and the tail begins behind all of them. */
static void test_agnostic_wide_sum(void)
{
    static const u8 expected[] = { 4, 1, 0xff, 0xff };
    struct hart h;

    run_all_ones(&h, 0, 3, 0xc2950457, RISCV_V_WREDSUMU, RISCV_V_V, 0);
    g_assert_cmpint(memcmp(h.state->v + 8 * 16, expected, sizeof(expected)), ==, 0);
    g_assert_cmphex(h.state->v[8 * 16 + 15], ==, 0xff);
    hart_stop(&h);
}

/* vslideup.vi v8, v9, 2, v0.t of bytes, no element active: those below the offset stay whatever the mask says (section 16.3.1). */
static void test_agnostic_slide(void)
{
    static const u8 expected[] = { 1, 1, 0xff, 0xff };
    struct hart h;

    run_all_ones(&h, 0, 4, 0x38913457, RISCV_V_SLIDEUP, RISCV_V_I, 2);
    g_assert_cmpint(memcmp(h.state->v + 8 * 16, expected, sizeof(expected)), ==, 0);
    hart_stop(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv/vector/vlmax by SEW and LMUL", test_vlmax);
    g_test_add_func("/riscv/vector/vl and vill", test_vl);
    g_test_add_func("/riscv/vector/VS off, dirty, absent", test_off);
    g_test_add_func("/riscv/vector/a load faults in the middle and goes on there", test_fault);
    g_test_add_func("/riscv/vector/a store faults in the middle", test_store_fault);
    g_test_add_func("/riscv/vector/fault-only-first", test_first_only);
    g_test_add_func("/riscv/vector/agnostic elements", test_agnostic);
    g_test_add_func("/riscv/vector/agnostic elements behind a wide sum", test_agnostic_wide_sum);
    g_test_add_func("/riscv/vector/agnostic elements of a slide", test_agnostic_slide);
    for (unsigned i = 0; i < ARRAY_SIZE(legalities); i++) {
        g_autofree char *name = g_strdup_printf("/riscv/vector/legal: %s", legalities[i].what);

        g_test_add_data_func(name, &legalities[i], check_legality);
    }
    return g_test_run();
}
