/* tests/device/aplic.c - APLIC: source modes, delegation, direct delivery, messages (RISC-V AIA 1.0, chapter 4). */
#include "hw/intc/riscv_aplic.h"
#include "tests/device/bench.h"
#include "vm/vcpu.h"

enum { MACHINE = 0x10000, SUPERVISOR = 0x20000, SOURCES = 96, HARTS = 2, SEIP = 9, MEIP = 11 };
enum { DOMAINCFG = 0, SOURCECFG = 0, MMSI = 0x1bc0, MMSIH = 0x1bc4, SMSI = 0x1bc8, SMSIH = 0x1bcc, SETIP = 0x1c00, SETIPNUM = 0x1cdc, IN_CLRIP = 0x1d00,
       CLRIPNUM = 0x1ddc, SETIE = 0x1e00, SETIENUM = 0x1edc, CLRIE = 0x1f00, CLRIENUM = 0x1fdc, SETIPNUM_LE = 0x2000, SETIPNUM_BE = 0x2004, GENMSI = 0x3000,
       TARGET = 0x3000, IDELIVERY = 0x4000, IFORCE = 0x4004, ITHRESHOLD = 0x4008, TOPI = 0x4018, CLAIMI = 0x401c };
enum { IE = 0x100, DELEGATE = 0x400, DETACHED = 1, EDGE1 = 4, EDGE0, LEVEL1, LEVEL0 };

static struct vcpu *hart_of(struct bench *bench, u32 index)
{
    return vm_vcpu(bench->vm, index);
}

static void wire(struct bench *bench, struct device *root, u32 source, u32 level)
{
    line_set(device_input(root, "source", source), level);
}

static u32 get(struct bench *bench, u64 address)
{
    return (u32)bench_read(bench, address, 4);
}

static void set(struct bench *bench, u64 address, u32 value)
{
    bench_write(bench, address, 4, value);
}

/* A machine-level domain over a supervisor-level one; delivery is on in both. */
static struct device *domains(struct bench *bench, bool messages)
{
    struct device *domain[2];

    for (u32 i = 0; i < HARTS; i++) {
        GError *error = NULL;

        vcpu_create(bench->vm, "rv64", vm_root(bench->vm), i ? "cpu1" : "cpu0", &error);
        g_assert_no_error(error);
    }
    for (u32 i = 0; i < 2; i++) {
        g_autofree char *properties = g_strdup_printf("num-harts=2;num-irqs=%u;iprio-mask=7;mmode=%s;msimode=%s", SOURCES, i ? "off" : "on",
                                                      messages ? "on" : "off");

        domain[i] = bench_device(bench, "riscv.aplic", properties);
        device_map(domain[i], 0, i ? SUPERVISOR : MACHINE);
        set(bench, (i ? SUPERVISOR : MACHINE) + DOMAINCFG, IE);
    }
    riscv_aplic_set_child(domain[0], domain[1]);
    return domain[0];
}

static bool is_pending(struct bench *bench, u64 base, u32 source)
{
    return get(bench, base + SETIP + source / 32 * 4) >> source % 32 & 1;
}

static bool is_in(struct bench *bench, u64 base, u32 source)
{
    return get(bench, base + IN_CLRIP + source / 32 * 4) >> source % 32 & 1;
}

/*
 * Section 4.7, mode by mode: a sequence of what happens to a source. '+' and '-' wire up and down, 's' and 'c' set and clear by bit, 'S' and 'C'
 * by number, 'k' claimed or forwarded (enabled for a moment), 'm' its mode written again.
 */
static const char steps[] = "+-sc+SCSk+-k+c-sk+C-S+-k+-c+skm+cCkm-sS+-+c-+kmkm-sS+csk+S-mkcm+m-m";
static const u32 modes[] = { DETACHED, EDGE1, EDGE0, LEVEL1, LEVEL0 };

static void source_modes(struct bench *bench, gconstpointer data)
{
    for (u32 row = 0; row < 2 * G_N_ELEMENTS(modes); row++) {
        u32 source = 40, mode = modes[row / 2];
        bool level = false, pending, messages = row & 1;
        struct device *root;

        bench_empty(bench);
        root = domains(bench, messages);
        set(bench, MACHINE + SOURCECFG + 4 * source, mode);
        pending = mode == LEVEL0; /* high at once */
        for (const char *step = steps; *step; step++) {
            bool was = level, in, rises;

            switch (*step) {
            case '+':
            case '-':
                level = *step == '+';
                wire(bench, root, source, level);
                break;
            case 's':
                set(bench, MACHINE + SETIP + 4, 1u << 8);
                break;
            case 'S':
                set(bench, MACHINE + SETIPNUM, source);
                break;
            case 'c':
                set(bench, MACHINE + IN_CLRIP + 4, 1u << 8);
                break;
            case 'C':
                set(bench, MACHINE + CLRIPNUM, source);
                break;
            case 'm':
                set(bench, MACHINE + SOURCECFG + 4 * source, mode);
                break;
            case 'k':
                set(bench, MACHINE + SETIENUM, source);
                if (!messages)
                    get(bench, MACHINE + CLAIMI);
                set(bench, MACHINE + CLRIENUM, source);
                break;
            }
            in = mode >= EDGE1 && level != (mode & 1);
            rises = in && level != was;
            if (mode >= LEVEL1 && !messages)
                pending = in;
            else if (rises || (*step == 'm' && mode >= LEVEL1 && in) || ((*step | 32) == 's' && (mode < LEVEL1 || in)))
                pending = true;
            else if ((*step | 32) == 'c' || *step == 'k' || (mode >= LEVEL1 && !in))
                pending = false;
            if (is_pending(bench, MACHINE, source) != pending || is_in(bench, MACHINE, source) != in) {
                g_test_message("mode %u %s: step %ld, %c", mode, messages ? "messages" : "direct", (long)(step - steps), *step);
                g_test_fail();
            }
        }
    }
}

/* Inactive sources are zeros; reserved modes are inactive; 0 and 97 are not there. */
static void inactive(struct bench *bench, gconstpointer data)
{
    struct device *root = domains(bench, false);

    for (u32 value = 0; value < 8; value++) {
        bool legal = value == 0 || value == DETACHED || value >= EDGE1;

        set(bench, MACHINE + SOURCECFG + 4 * 5, value | 0xfffffbf8);
        g_assert_cmpuint(get(bench, MACHINE + SOURCECFG + 4 * 5), ==, legal ? value : 0);
        set(bench, MACHINE + SETIE, UINT32_MAX);
        set(bench, MACHINE + SETIP, UINT32_MAX);
        set(bench, MACHINE + TARGET + 4 * 5, 0x40007);
        bool active = legal && value;
        g_assert_cmphex(get(bench, MACHINE + SETIE), ==, active ? 0x20 : 0);
        g_assert_cmphex(get(bench, MACHINE + SETIP), ==, active && (value < LEVEL1 || value == LEVEL0) ? 0x20 : 0);
        g_assert_cmphex(get(bench, MACHINE + TARGET + 4 * 5), ==, active ? 0x40007 : 0);
    }
    set(bench, MACHINE + SOURCECFG + 4 * 97, DETACHED);
    g_assert_cmphex(get(bench, MACHINE + SOURCECFG + 4 * 97), ==, 0);
    set(bench, MACHINE + SETIPNUM, 97);
    set(bench, MACHINE + SETIPNUM, 0);
    set(bench, MACHINE + SETIPNUM, UINT32_MAX);
    wire(bench, root, 97, 1);
    wire(bench, root, 0, 1);
    g_assert_cmphex(get(bench, MACHINE + SETIP), ==, 0x20);
    g_assert_cmphex(get(bench, MACHINE + DOMAINCFG), ==, 0x80000100);
    set(bench, MACHINE + DOMAINCFG, 0x7ffffeff);
    g_assert_cmphex(get(bench, MACHINE + DOMAINCFG), ==, 0x80000000);
    g_assert_cmphex(get(bench, MACHINE + MMSIH), ==, 0); /* no messages: not there */
    set(bench, MACHINE + GENMSI, 0x40001);
    g_assert_cmphex(get(bench, MACHINE + GENMSI), ==, 0);
}

/* A delegated source is the child's alone, until it is taken away. */
static void delegation(struct bench *bench, gconstpointer data)
{
    struct device *root = domains(bench, false);

    set(bench, SUPERVISOR + SOURCECFG + 4 * 7, EDGE1);
    g_assert_cmphex(get(bench, SUPERVISOR + SOURCECFG + 4 * 7), ==, 0);
    set(bench, MACHINE + SOURCECFG + 4 * 7, DELEGATE | 0x3ff);
    g_assert_cmphex(get(bench, MACHINE + SOURCECFG + 4 * 7), ==, DELEGATE);
    set(bench, SUPERVISOR + SOURCECFG + 4 * 7, DELEGATE); /* a leaf */
    g_assert_cmphex(get(bench, SUPERVISOR + SOURCECFG + 4 * 7), ==, 0);
    set(bench, SUPERVISOR + SOURCECFG + 4 * 7, EDGE1);
    set(bench, SUPERVISOR + SETIENUM, 7);
    set(bench, SUPERVISOR + IDELIVERY + 0x20, 1);
    set(bench, SUPERVISOR + TARGET + 4 * 7, 1u << 18 | 3);
    wire(bench, root, 7, 1);
    g_assert_cmphex(get(bench, SUPERVISOR + SETIP), ==, 0x80);
    g_assert_cmphex(get(bench, MACHINE + SETIP) | get(bench, MACHINE + IN_CLRIP), ==, 0);
    g_assert_cmpuint(line_level(&hart_of(bench, 1)->line[SEIP]), ==, 1);
    g_assert_cmpuint(line_level(&hart_of(bench, 1)->line[MEIP]) | line_level(&hart_of(bench, 0)->line[SEIP]), ==, 0);
    set(bench, MACHINE + SOURCECFG + 4 * 7, LEVEL1);
    g_assert_cmphex(get(bench, SUPERVISOR + SETIP) | get(bench, SUPERVISOR + SETIE) | get(bench, SUPERVISOR + SOURCECFG + 4 * 7) |
                    get(bench, SUPERVISOR + TARGET + 4 * 7), ==, 0);
    g_assert_cmpuint(line_level(&hart_of(bench, 1)->line[SEIP]), ==, 0);
    g_assert_cmphex(get(bench, MACHINE + SETIP), ==, 0x80);
    set(bench, MACHINE + SOURCECFG + 4 * 7, DELEGATE);
    g_assert_cmphex(get(bench, SUPERVISOR + SOURCECFG + 4 * 7), ==, 0); /* not what it was before */
}

/* Priorities, ties, thresholds, claims, enables of each kind, forced interrupts (section 4.8). */
static void direct(struct bench *bench, gconstpointer data)
{
    struct line *meip;

    domains(bench, false);
    meip = &hart_of(bench, 1)->line[MEIP];
    for (u32 source = 30; source < 34; source++) {
        set(bench, MACHINE + SOURCECFG + 4 * source, DETACHED);
        set(bench, MACHINE + TARGET + 4 * source, 1u << 18 | (source == 33 ? 2 : source == 30 ? 8 : 4));
    }
    g_assert_cmphex(get(bench, MACHINE + TARGET + 4 * 30), ==, 1u << 18 | 1); /* 8 has none of the three bits, and 0 is none */
    set(bench, MACHINE + TARGET + 4 * 30, 1u << 18 | 7);
    set(bench, MACHINE + SETIE, 3u << 30);
    set(bench, MACHINE + SETIE + 4, 3);
    set(bench, MACHINE + SETIPNUM_LE, 31);
    g_assert_cmphex(get(bench, MACHINE + TOPI + 0x20), ==, 31 << 16 | 4);
    g_assert_cmphex(get(bench, MACHINE + TOPI), ==, 0); /* another hart's */
    set(bench, MACHINE + SETIPNUM_BE, __builtin_bswap32(32));
    g_assert_cmphex(get(bench, MACHINE + TOPI + 0x20), ==, 31 << 16 | 4);
    set(bench, MACHINE + SETIPNUM, 33);
    set(bench, MACHINE + SETIPNUM, 30);
    g_assert_cmphex(get(bench, MACHINE + TOPI + 0x20), ==, 33 << 16 | 2);
    g_assert_cmpuint(line_level(meip), ==, 0);
    set(bench, MACHINE + IDELIVERY + 0x20, 2);
    g_assert_cmpuint(line_level(meip), ==, 0);
    set(bench, MACHINE + IDELIVERY + 0x20, 1);
    g_assert_cmpuint(line_level(meip), ==, 1);
    set(bench, MACHINE + ITHRESHOLD + 0x20, 2);
    g_assert_cmphex(get(bench, MACHINE + TOPI + 0x20), ==, 0);
    g_assert_cmpuint(line_level(meip), ==, 0);
    set(bench, MACHINE + ITHRESHOLD + 0x20, 0xfc);
    g_assert_cmphex(get(bench, MACHINE + ITHRESHOLD + 0x20), ==, 4);
    g_assert_cmphex(get(bench, MACHINE + CLAIMI + 0x20), ==, 33 << 16 | 2);
    g_assert_cmphex(get(bench, MACHINE + CLAIMI + 0x20), ==, 0);
    set(bench, MACHINE + ITHRESHOLD + 0x20, 0);
    set(bench, MACHINE + CLRIENUM, 31);
    g_assert_cmphex(get(bench, MACHINE + CLAIMI + 0x20), ==, 32 << 16 | 4);
    g_assert_cmphex(get(bench, MACHINE + CLAIMI + 0x20), ==, 30 << 16 | 7);
    g_assert_cmpuint(line_level(meip), ==, 0);
    set(bench, MACHINE + IFORCE + 0x20, 3);
    g_assert_cmpuint(line_level(meip), ==, 1);
    set(bench, MACHINE + DOMAINCFG, 0);
    g_assert_cmpuint(line_level(meip), ==, 0);
    set(bench, MACHINE + DOMAINCFG, IE);
    g_assert_cmphex(get(bench, MACHINE + CLAIMI + 0x20), ==, 0); /* spurious: forcing ends */
    g_assert_cmpuint(line_level(meip), ==, 0);
    set(bench, MACHINE + SETIENUM, 31);
    g_assert_cmpuint(line_level(meip), ==, 1);
    set(bench, MACHINE + CLRIE, 1u << 31);
    g_assert_cmpuint(line_level(meip), ==, 0);
    set(bench, MACHINE + IDELIVERY + 0x40, 1); /* there is no third hart */
    g_assert_cmphex(get(bench, MACHINE + IDELIVERY + 0x40), ==, 0);
    set(bench, MACHINE + SETIENUM, 31);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmpuint(line_level(meip), ==, 0);
}

/* Messages go to RAM here: word 0 of the page that the address registers make of the hart's index (section 4.9.1). */
static void messages(struct bench *bench, gconstpointer data)
{
    struct device *root = domains(bench, true);

    g_assert_cmphex(get(bench, SUPERVISOR + DOMAINCFG), ==, 0x80000104);
    set(bench, MACHINE + MMSI, BENCH_RAM >> 12);
    set(bench, MACHINE + MMSIH, 1u << 20 | 1 << 16 | 2 << 12); /* h in bits 1:0 at shift 1, g in bit 2 at page bit 12 (beyond RAM) */
    set(bench, MACHINE + SMSI, (BENCH_RAM >> 12) + 0x10);
    set(bench, MACHINE + SMSIH, 2u << 20);
    set(bench, SUPERVISOR + MMSI, 5);
    g_assert_cmphex(get(bench, SUPERVISOR + MMSI), ==, 0);
    set(bench, MACHINE + SOURCECFG + 4 * 9, LEVEL1);
    set(bench, MACHINE + TARGET + 4 * 9, 3u << 18 | 0x3f800 | 0x123);
    g_assert_cmphex(get(bench, MACHINE + TARGET + 4 * 9), ==, 3u << 18 | 0x123);
    wire(bench, root, 9, 1);
    g_assert_cmphex(get(bench, BENCH_RAM + 6 * 4096), ==, 0);
    set(bench, MACHINE + SETIENUM, 9);
    g_assert_cmphex(get(bench, BENCH_RAM + 6 * 4096), ==, 0x123);
    g_assert_false(is_pending(bench, MACHINE, 9));
    set(bench, BENCH_RAM + 6 * 4096, 0);
    set(bench, MACHINE + SETIPNUM, 9); /* still high: once more */
    g_assert_cmphex(get(bench, BENCH_RAM + 6 * 4096), ==, 0x123);
    set(bench, BENCH_RAM + 6 * 4096, 0);
    wire(bench, root, 9, 0);
    set(bench, MACHINE + SETIPNUM, 9);
    g_assert_cmphex(get(bench, BENCH_RAM + 6 * 4096), ==, 0);
    set(bench, MACHINE + SOURCECFG + 4 * 10, DELEGATE);
    set(bench, SUPERVISOR + SOURCECFG + 4 * 10, EDGE0);
    set(bench, SUPERVISOR + TARGET + 4 * 10, 1u << 18 | 0x7ff);
    set(bench, SUPERVISOR + SETIE, 1 << 10);
    set(bench, SUPERVISOR + DOMAINCFG, 0);
    wire(bench, root, 10, 1);
    wire(bench, root, 10, 0);
    g_assert_true(is_pending(bench, SUPERVISOR, 10));
    set(bench, SUPERVISOR + DOMAINCFG, IE);
    g_assert_cmphex(get(bench, BENCH_RAM + 0x14000), ==, 0x7ff);
    set(bench, SUPERVISOR + DOMAINCFG, 0);
    set(bench, SUPERVISOR + GENMSI, 2u << 18 | 0x1055); /* even so */
    g_assert_cmphex(get(bench, BENCH_RAM + 0x18000), ==, 0x55);
    g_assert_cmphex(get(bench, SUPERVISOR + GENMSI), ==, 2u << 18 | 0x55);
    set(bench, MACHINE + MMSIH, 1u << 31);
    set(bench, MACHINE + MMSI, 0);
    set(bench, MACHINE + SMSIH, 0);
    g_assert_cmphex(get(bench, MACHINE + MMSI), ==, BENCH_RAM >> 12); /* locked */
    g_assert_cmphex(get(bench, MACHINE + SMSIH), ==, 2u << 20);
    g_assert_cmphex(get(bench, MACHINE + IDELIVERY), ==, 0);
}

/* Messages to the domains' own registers and anywhere, wires that move meanwhile, random registers: nothing falls over. */
static void storm(struct bench *bench, gconstpointer data)
{
    static const u32 blocks[] = { 0x0, 0x1bc0, 0x1c00, 0x1cc0, 0x1d00, 0x1e00, 0x1ec0, 0x1f00, 0x2000, 0x3000, 0x4000 };
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);
    struct device *root = domains(bench, GPOINTER_TO_UINT(data));

    for (u32 i = 0; i < 200000; i++) {
        u64 base = g_rand_boolean(rand) ? MACHINE : SUPERVISOR;
        u64 at = base + blocks[g_rand_int_range(rand, 0, G_N_ELEMENTS(blocks))] + (u32)g_rand_int_range(rand, 0, 128) * 4;
        u32 value = g_rand_int_range(rand, 0, 3) ? g_rand_int(rand) & 0xfc07 : g_rand_int(rand);

        switch (g_rand_int_range(rand, 0, 8)) {
        case 0:
            wire(bench, root, (u32)g_rand_int_range(rand, 0, 256), value & 1);
            break;
        case 1: /* a page of one of them, of RAM, of nothing */
            set(bench, MACHINE + (value & 8 ? MMSI : SMSI), (value & 1 ? MACHINE : value & 2 ? SUPERVISOR : BENCH_RAM) >> 12 | (value >> 10 & 7));
            break;
        case 2:
            get(bench, at);
            break;
        default:
            if (at - base != MMSIH)
                set(bench, at, value);
        }
        if (!(i % 10000))
            vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
        /* Level-sensitive sources with direct delivery follow their wires whatever happens. */
        g_assert_true(GPOINTER_TO_UINT(data) || get(bench, MACHINE + SOURCECFG + 4 * 50) != LEVEL1 || is_pending(bench, MACHINE, 50) == is_in(bench, MACHINE, 50));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/aplic/source-modes", source_modes);
    BENCH_TEST("/aplic/inactive", inactive);
    BENCH_TEST("/aplic/delegation", delegation);
    BENCH_TEST("/aplic/direct", direct);
    BENCH_TEST("/aplic/messages", messages);
    g_test_add("/aplic/storm-direct", struct bench, GUINT_TO_POINTER(0), bench_set_up, storm, bench_tear_down);
    g_test_add("/aplic/storm-messages", struct bench, GUINT_TO_POINTER(1), bench_set_up, storm, bench_tear_down);
    return g_test_run();
}
