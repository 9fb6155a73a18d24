/* tests/ir/machine.c - a fake vCPU for IR tests. */
#include "tests/ir/machine.h"
#include "tcg/append.h"
#include "base/bits.h"
#include <stdlib.h>

#define STATE(field) ((s32)(offsetof(struct machine_state, field)))
#define FROM_BASE(field) ((s32)offsetof(struct machine, field) - (s32)offsetof(struct machine, state))
#define LONG(n) { "a" #n, IR_I64, STATE(a[n]) }
#define FLOAT(n) { "d" #n, IR_F64, STATE(d[n]) }
#define WORD(n) { "w" #n, IR_I32, STATE(w[n]) }

const struct ir_reg machine_regs[MACHINE_REGS] = {
    LONG(0), LONG(1), LONG(2),  LONG(3),  LONG(4),  LONG(5),  LONG(6),  LONG(7),
    LONG(8), LONG(9), LONG(10), LONG(11), LONG(12), LONG(13), LONG(14), LONG(15),
    WORD(0), WORD(1), WORD(2),  WORD(3),
    { "h0", IR_I16, STATE(h[0]) }, { "h1", IR_I16, STATE(h[1]) },
    { "b0", IR_I8, STATE(b[0]) },  { "b1", IR_I8, STATE(b[1]) },
    FLOAT(0), FLOAT(1), FLOAT(2), FLOAT(3), FLOAT(4), FLOAT(5),
};

const struct code_layout machine_layout = {
    .reg = machine_regs,
    .reg_count = MACHINE_REGS,
    .pinned = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 },
    .pinned_count = 12,
    .stack_pointer = 2,
    .pinned_fp = { MACHINE_REGS - 6, MACHINE_REGS - 5, MACHINE_REGS - 4, MACHINE_REGS - 3 },
    .pinned_fp_count = 4,
    .fp_rounding = STATE(fp_rounding),
    .fp_flags = STATE(fp_flags),
    .fp_live = FROM_BASE(host.fp_live),
    .fp_area = FROM_BASE(host.fp_area),
    .vectors = STATE(v),
    .vector_length = STATE(length),
    .vcpu = FROM_BASE(host.vcpu),
    .pc = FROM_BASE(host.pc),
    .pc_page = FROM_BASE(host.pc_page),
    .exit_request = FROM_BASE(host.exit_request),
    .scratch = FROM_BASE(host.scratch),
    .spill_near = FROM_BASE(host.spill),
    .spill = FROM_BASE(spill),
    .returns = FROM_BASE(host.returns),
    .icount = FROM_BASE(host.icount),
    .l1_read = FROM_BASE(l1_read),
    .l1_write = FROM_BASE(l1_write),
    .near = FROM_BASE(near),
    .jump_cache = FROM_BASE(jump),
    .l1_bits = MACHINE_L1_BITS,
    .jump_bits = MACHINE_JUMP_BITS,
};

u64 random_next(u64 *state)
{
    u64 z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

u64 random_value(u64 *state)
{
    static const u64 edges[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
        0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xffffffff80000000, 0xffffffff7fffffff, 63, 64, 32,
        0xfffffffffffff800, 0x7ff,
    };
    u64 r = random_next(state);

    switch (r & 3) {
    case 0:
        return edges[(r >> 8) % ARRAY_SIZE(edges)];
    case 1:
        return (u64)(s64)(s8)(r >> 8);
    case 2:
        return random_next(state) >> (r >> 8 & 63);
    default:
        return random_next(state);
    }
}

static u64 edge_float(u64 r)
{
    static const u64 edges[] = {
        0, 0x3ff0000000000000, 0x7ff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0xfff8000000000123, 1, 0x000fffffffffffff,
        0x0010000000000000, 0x7fefffffffffffff, 0x43e0000000000000, 0x41dfffffffc00000, 0x41e0000000000000, 0x3fe0000000000000,
        0xffffffff00000000, 0xffffffff3f800000, 0xffffffff7f800000, 0xffffffff7fc00000, 0xffffffff7f800001, 0xffffffff00000001,
        0xffffffff7f7fffff, 0xffffffff4f000000, 0xffffffffffc12345,
    };

    return edges[(r >> 8) % ARRAY_SIZE(edges)] ^ (r & 1) << (r & 2 ? 63 : 31);
}

u64 random_float(u64 *state)
{
    u64 r = random_next(state);
    double d = (double)(s64)(s8)(r >> 8) / 4;
    float f = (float)d;
    u64 bits = 0;

    switch (r >> 4 & 7) {
    case 0:
    case 1:
        return edge_float(random_next(state));
    case 2:
    case 3:
        memcpy(&bits, &d, sizeof d);
        return bits;
    case 4:
    case 5:
        memcpy(&bits, &f, sizeof f);
        return bits | ~UINT64_C(0) << 32;
    case 6:
        return random_next(state) | ~UINT64_C(0) << 32;
    default:
        return random_next(state);
    }
}

struct machine *machine_create(void)
{
    struct machine *m = aligned_alloc(65536, bits_align_up(sizeof *m, 65536));

    memset(m, 0, sizeof *m);
    m->memory = aligned_alloc(TCG_PAGE_SIZE, MACHINE_PAGES * TCG_PAGE_SIZE);
    for (unsigned i = 0; i < MACHINE_PAGES; i++)
        m->page[i] = m->memory + (i * 5 + 3) % MACHINE_PAGES * TCG_PAGE_SIZE;
    m->host.vcpu = m;
    tcg_near_init(&m->near);
    return m;
}

void machine_destroy(struct machine *m)
{
    free(m->memory);
    free(m);
}

void machine_flush(struct machine *m, u64 jump_miss)
{
    for (u32 i = 0; i < 1 << MACHINE_L1_BITS; i++) {
        m->l1_read.tag[i] = m->l1_write.tag[i] = tcg_tlb_never(i);
        m->l1_read.host[i] = m->l1_write.host[i] = 0xdead0000;
    }
    tcg_near_forget(&m->near);
    for (u32 i = 0; i < ARRAY_SIZE(m->jump); i++)
        m->jump[i] = (struct tcg_jump_entry){ .va = UINT64_C(0x5555555555555555), .code = jump_miss };
}

/* a0..a3 point into memory, a4..a7 are numbers that make near offsets, the others are anything. */
/* Sometimes the first bit of a group is just not one of them. */
static u64 random_length(const struct machine_state *state, u64 *r)
{
    u32 at = (u32)random_next(r) % 8 * 256, bit = 0;

    if (random_next(r) & 1)
        return random_next(r) % (random_next(r) & 1 ? 20 : 270);
    while (bit < 256 && !(state->v[at + bit / 8] >> bit % 8 & 1))
        bit++;
    return bit;
}

static void reset_registers(struct machine *m, u64 *r)
{
    for (unsigned i = 0; i < MACHINE_LONGS; i++)
        m->state.a[i] = i < 4 ? MACHINE_RAM + random_next(r) % (MACHINE_PAGES * TCG_PAGE_SIZE) : random_value(r);
    for (unsigned i = 0; i < 4; i++)
        if (random_next(r) & 1)
            m->state.a[i] = MACHINE_RAM + bits_align_down(m->state.a[i] - MACHINE_RAM, 64);
    for (unsigned i = 0; i < MACHINE_WORDS; i++)
        m->state.w[i] = (u32)random_value(r);
    for (unsigned i = 0; i < MACHINE_HALVES; i++)
        m->state.h[i] = (u16)random_value(r);
    for (unsigned i = 0; i < MACHINE_BYTES; i++)
        m->state.b[i] = (u8)random_value(r);
    for (unsigned i = 0; i < MACHINE_FLOATS; i++)
        m->state.d[i] = random_float(r);
    for (unsigned i = 0; i < sizeof m->state.v; i += 8) {
        u64 x = random_next(r) & 1 ? random_float(r) : random_value(r);

        memcpy(m->state.v + i, &x, 8);
    }
    m->state.length = random_length(&m->state, r);
    m->state.fp_rounding = random_next(r) % 4;
    m->state.fp_flags = random_next(r) & 1 ? random_next(r) & 31 : 0;
}

void machine_reset(struct machine *m, u64 seed)
{
    u64 r = seed;

    reset_registers(m, &r);
    for (u32 i = 0; i < MACHINE_PAGES * TCG_PAGE_SIZE / 8; i++)
        ((u64 *)m->memory)[i] = seed * 0x9e3779b97f4a7c15 + i * UINT64_C(0x0101010101010107);
    m->trace = 0;
    m->traps = 0;
    m->host.pc = 0;
    m->host.pc_page = MACHINE_CODE;
    m->host.exit_request = 0;
    m->no_fill = random_next(&r) % 4 == 0;
}

static void note(struct machine *m, u64 what)
{
    m->trace = (m->trace ^ what) * UINT64_C(0x100000001b3) + 1;
}

static u32 hash_memory(const struct machine *m)
{
    u32 hash = 0;

    for (u32 i = 0; i < MACHINE_PAGES * TCG_PAGE_SIZE; i++)
        hash = hash * 31 + m->memory[i];
    return hash;
}

char *machine_describe(const struct machine *m)
{
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; i < MACHINE_LONGS; i++)
        g_string_append_printf(out, "a%u=%016" G_GINT64_MODIFIER "x%s", i, m->state.a[i], i % 4 == 3 ? "\n" : " ");
    for (unsigned i = 0; i < MACHINE_WORDS; i++)
        g_string_append_printf(out, "w%u=%08x ", i, m->state.w[i]);
    g_string_append_printf(out, "h0=%04x h1=%04x b0=%02x b1=%02x\n", m->state.h[0], m->state.h[1], m->state.b[0], m->state.b[1]);
    for (unsigned i = 0; i < MACHINE_FLOATS; i++)
        g_string_append_printf(out, "d%u=%016" G_GINT64_MODIFIER "x%s", i, m->state.d[i], i % 3 == 2 ? "\n" : " ");
    g_string_append_printf(out, "rounding=%u flags=%02x ", m->state.fp_rounding, m->state.fp_flags);
    g_string_append_printf(out, "pc=%" G_GINT64_MODIFIER "x pc_page=%" G_GINT64_MODIFIER "x trace=%" G_GINT64_MODIFIER "x traps=%u ",
                           m->host.pc, m->host.pc_page, m->trace, (unsigned)m->traps);
    g_string_append_printf(out, "memory=%08x\n", hash_memory(m));
    return g_string_free(out, FALSE);
}

bool machine_equal(const struct machine *a, const struct machine *b)
{
    return !memcmp(&a->state, &b->state, sizeof a->state) && a->host.pc == b->host.pc && a->host.pc_page == b->host.pc_page &&
           a->trace == b->trace && a->traps == b->traps && !memcmp(a->memory, b->memory, MACHINE_PAGES * TCG_PAGE_SIZE);
}

/* runtime */

static u64 trap(struct machine *m, u64 va, s64 where, unsigned cause)
{
    m->host.pc = m->host.pc_page + (u64)where;
    m->traps++;
    note(m, va);
    note(m, cause);
    return 1;
}

static unsigned page_of(u64 va)
{
    u64 page = (va - MACHINE_RAM) >> TCG_PAGE_BITS;

    return page < MACHINE_PAGES ? (unsigned)page : PAGE_ABSENT;
}

static bool may(unsigned page, bool write)
{
    return page != PAGE_ABSENT && !(write && page == PAGE_READ_ONLY);
}

static bool is_allowed(u64 va, u64 mem, bool write)
{
    if ((mem & IR_MEM_ALIGNED) && (va & (ir_mem_bytes((u32)mem) - 1)))
        return false;
    return may(page_of(va), write) && may(page_of(va + ir_mem_bytes((u32)mem) - 1), write);
}

static void fill(struct machine *m, u64 va)
{
    unsigned page = page_of(va), index = tcg_l1_index(va, MACHINE_L1_BITS);

    if (m->no_fill || page == PAGE_DEVICE)
        return;
    for (int write = 0; write <= may(page, true); write++) {
        struct machine_l1 *table = write ? &m->l1_write : &m->l1_read;

        table->tag[index] = bits_align_down(va, TCG_PAGE_SIZE);
        table->host[index] = (uintptr_t)m->page[page];
    }
}

static u8 *byte_at(struct machine *m, u64 va)
{
    return &m->page[page_of(va)][va & (TCG_PAGE_SIZE - 1)];
}

static u64 read_bytes(struct machine *m, u64 va, u64 mem)
{
    unsigned bytes = ir_mem_bytes((u32)mem);
    u64 v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (u64)*byte_at(m, va + i) << 8 * (mem & IR_MEM_BIG ? bytes - 1 - i : i);
    if (page_of(va) == PAGE_DEVICE)
        note(m, va);
    return v;
}

static void write_bytes(struct machine *m, u64 va, u64 mem, u64 v)
{
    unsigned bytes = ir_mem_bytes((u32)mem);

    for (unsigned i = 0; i < bytes; i++)
        *byte_at(m, va + i) = (u8)(v >> 8 * (mem & IR_MEM_BIG ? bytes - 1 - i : i));
    if (page_of(va) == PAGE_DEVICE)
        note(m, va ^ (v << (64 - 8 * bytes)));
}

static struct tcg_result load(void *vcpu, u64 va, u64 mem, s64 where)
{
    struct machine *m = vcpu;
    u64 v;

    if (!is_allowed(va, mem, mem & IR_MEM_WRITE_INTENT))
        return (struct tcg_result){ 0, trap(m, va, where, 1) };
    fill(m, va);
    v = read_bytes(m, va, mem);
    if (mem & IR_MEM_ONES)
        v |= ~(~UINT64_C(0) >> (64 - 8 * ir_mem_bytes((u32)mem)));
    else if (mem & IR_MEM_SIGNED)
        v = (u64)bits_sign_extend(v, 8 * ir_mem_bytes((u32)mem));
    return (struct tcg_result){ v, 0 };
}

static u64 store(void *vcpu, u64 va, u64 value, u64 mem, s64 where)
{
    struct machine *m = vcpu;

    if (!is_allowed(va, mem, true))
        return trap(m, va, where, 2);
    fill(m, va);
    write_bytes(m, va, mem, value);
    return 0;
}

static u64 combine(enum ir_amo op, unsigned bits, u64 old, u64 v)
{
    s64 x = bits_sign_extend(old, bits), y = bits_sign_extend(v, bits);

    switch (op) {
    case IR_AMO_ADD:
        return (u64)x + (u64)y;
    case IR_AMO_AND:
        return (u64)(x & y);
    case IR_AMO_OR:
        return (u64)(x | y);
    case IR_AMO_XOR:
        return (u64)(x ^ y);
    case IR_AMO_MINS:
        return (u64)MIN(x, y);
    case IR_AMO_MAXS:
        return (u64)MAX(x, y);
    case IR_AMO_MINU:
        return MIN((u64)x, (u64)y);
    case IR_AMO_MAXU:
        return MAX((u64)x, (u64)y);
    default:
        return (u64)y;
    }
}

static struct tcg_result amo(void *vcpu, u64 va, u64 value, u64 mem_and_op, s64 where)
{
    struct machine *m = vcpu;
    u64 mem = mem_and_op & 0xffff;
    unsigned bits = 8 * ir_mem_bytes((u32)mem);
    u64 old;

    if (!is_allowed(va, mem, true))
        return (struct tcg_result){ 0, trap(m, va, where, 3) };
    fill(m, va);
    old = read_bytes(m, va, mem);
    write_bytes(m, va, mem, combine((enum ir_amo)(mem_and_op >> 16), bits, old, value));
    return (struct tcg_result){ (u64)bits_sign_extend(old, bits), 0 };
}

static struct tcg_result cas(void *vcpu, u64 va, u64 expected, u64 desired, u64 mem_and_where)
{
    struct machine *m = vcpu;
    u64 mem = mem_and_where & 0xffff;
    unsigned bits = 8 * ir_mem_bytes((u32)mem);
    u64 old;

    if (!is_allowed(va, mem, true))
        return (struct tcg_result){ 0, trap(m, va, (s64)mem_and_where >> 16, 4) };
    fill(m, va);
    old = read_bytes(m, va, mem);
    if (bits_sign_extend(old, bits) == bits_sign_extend(expected, bits))
        write_bytes(m, va, mem, desired);
    return (struct tcg_result){ (u64)bits_sign_extend(old, bits), 0 };
}

const struct tcg_runtime machine_runtime = { .load = load, .store = store, .amo = amo, .cas = cas };

/* helpers */

/* What a call may change beside its result: registers that nobody saves. */
static void spoil(void)
{
#ifdef HAVE_X86_64
#define ONES(n) "pcmpeqd %%xmm" #n ", %%xmm" #n "\n"
    __asm__ volatile(ONES(4) ONES(5) ONES(6) ONES(7) ONES(8) ONES(9) ONES(10) ONES(11) ONES(12) ONES(13) ONES(14) ONES(15)
                     ::: "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#undef ONES
#endif
}

static u64 mix(void *vcpu, u64 x, u64 y)
{
    spoil();
    return (x ^ y >> 7) * UINT64_C(0x9e3779b97f4a7c15);
}

static u64 low(void *vcpu, u64 x)
{
    spoil();
    return x * 3;
}

static u64 peek(void *vcpu)
{
    struct machine *m = vcpu;
    u64 sum = 0;
    spoil();

    for (unsigned i = 0; i < MACHINE_LONGS; i++)
        sum = sum * 31 + m->state.a[i];
    note(m, sum);
    return sum + m->state.b[1];
}

static u64 poke(void *vcpu, u64 x, u64 y, u64 z)
{
    struct machine *m = vcpu;
    spoil();

    m->state.a[4 + x % 12] ^= y;
    m->state.w[1] += (u32)z;
    return 0;
}

static u64 where(void *vcpu, u64 x)
{
    struct machine *m = vcpu;
    spoil();

    note(m, m->host.pc ^ x);
    return m->host.pc;
}

static u64 maybe_leave(void *vcpu, u64 x, u64 y, u64 z, u64 w)
{
    struct machine *m = vcpu;
    spoil();

    note(m, m->host.pc);
    note(m, x + y * 3 + z * 5 + w * 7);
    m->state.a[9] += w;
    if (x % 8)
        return 0;
    m->host.pc ^= 0x1234;
    return 1;
}

static u64 transfer(void *vcpu, u64 address, u64 what)
{
    struct machine *m = vcpu;
    unsigned bytes = what & 0xffff, place = what >> 16 & 0xffff, element = what >> 34 & 3;
    bool is_load = what >> 32 & 1, masked = what >> 36 & 1;
    u8 mask[IR_VECTOR_FILE / 8];

    spoil();
    memcpy(mask, m->state.v, sizeof(mask));
    if (what >> 33 & 1)
        bytes = (unsigned)MIN(bytes, m->state.length << element);
    if (place + bytes > sizeof m->state.v)
        return 0; /* a damaged block (faults.c) */
    for (unsigned i = 0; i < bytes; i++)
        if ((!masked || mask[i >> element >> 3] >> (i >> element & 7) & 1) && !may(page_of(address + i), !is_load))
            return trap(m, address + i, (s64)(m->host.pc - m->host.pc_page), 2);
    for (unsigned i = 0; i < bytes; i++) {
        if (masked && !(mask[i >> element >> 3] >> (i >> element & 7) & 1))
            continue;
        fill(m, address + i);
        if (is_load)
            m->state.v[place + i] = (u8)read_bytes(m, address + i, IR_MEM_8);
        else
            write_bytes(m, address + i, IR_MEM_8, m->state.v[place + i]);
    }
    return 0;
}

const struct ir_helper machine_transfer = { "transfer", transfer, 2, IR_VOID,
                                            IR_HELPER_MAY_LEAVE | IR_HELPER_NEEDS_PC | IR_HELPER_READS | IR_HELPER_WRITES };

static const struct ir_helper helper_mix = { "mix", mix, 2, IR_I64, IR_HELPER_PURE };
static const struct ir_helper helper_low = { "low", low, 1, IR_I32, IR_HELPER_PURE };
static const struct ir_helper helper_peek = { "peek", peek, 0, IR_I64, IR_HELPER_READS };
static const struct ir_helper helper_poke = { "poke", poke, 3, IR_VOID, IR_HELPER_READS | IR_HELPER_WRITES };
static const struct ir_helper helper_where = { "where", where, 1, IR_I64, IR_HELPER_NEEDS_PC };
static const struct ir_helper helper_maybe_leave = {
    "maybe_leave", maybe_leave, 4, IR_VOID, IR_HELPER_MAY_LEAVE | IR_HELPER_NEEDS_PC | IR_HELPER_READS | IR_HELPER_WRITES
};

const struct ir_helper *const machine_helpers[] = {
    &helper_mix, &helper_low, &helper_peek, &helper_poke, &helper_where, &helper_maybe_leave, &machine_transfer, NULL,
};
