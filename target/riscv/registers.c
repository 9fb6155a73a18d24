/* target/riscv/registers.c - a stopped hart's registers for gdb and the monitor. */
#include "target/riscv/csr.h"
#include "target/riscv/trap.h"
#include <string.h>

/* gdb's numbers (its riscv-tdep.h), also used as cookies. */
enum { GDB_X = 0, GDB_PC = 32, GDB_F = 33, GDB_CSR = 65, GDB_PRIV = GDB_CSR + 4096, GDB_V };

static const char *const x_names[] = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};
static const char *const f_names[] = {
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
    "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};

/* v0 to v31; gdb finds them by name. */
static void add_vectors(struct riscv_cpu *cpu, GArray *list)
{
    for (unsigned i = 0; i < 32; i++) {
        struct cpu_register reg = { g_strdup_printf("v%u", i), "org.gnu.gdb.riscv.vector", "riscv_vector", "vector", cpu->vlen, GDB_V + i, GDB_V + i };

        g_array_append_val(list, reg);
    }
}

static void add(GArray *list, char *name, u32 number, const char *feature, const char *type, const char *group)
{
    struct cpu_register reg = { name, feature, type, group, 64, number, number };

    g_array_append_val(list, reg);
}

static const char *x_type(unsigned i)
{
    return i == 1 ? "code_ptr" : i >= 2 && i <= 4 ? "data_ptr" : "int";
}

static void add_csrs(struct riscv_cpu *cpu, GArray *list)
{
    u64 value;

    for (u32 i = 0; i < riscv_csr_row_count; i++) {
        const struct riscv_csr *row = &riscv_csr_rows[i];

        for (u32 number = row->number; number < row->number + row->count; number++) {
            if (riscv_csr_peek(cpu, number, &value))
                add(list, riscv_csr_make_name(row, number), GDB_CSR + number, "org.gnu.gdb.riscv.csr", "int", "csr");
        }
    }
}

void riscv_registers_init(struct riscv_cpu *cpu)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(struct cpu_register));

    for (unsigned i = 0; i < 32; i++)
        add(list, g_strdup(x_names[i]), GDB_X + i, "org.gnu.gdb.riscv.cpu", x_type(i), "general");
    add(list, g_strdup("pc"), GDB_PC, "org.gnu.gdb.riscv.cpu", "code_ptr", "general");
    for (unsigned i = 0; i < 32 && riscv_has(cpu, RISCV_EXT_F); i++)
        add(list, g_strdup(f_names[i]), GDB_F + i, "org.gnu.gdb.riscv.fpu", "ieee_double", "float");
    add_csrs(cpu, list);
    add(list, g_strdup("priv"), GDB_PRIV, "org.gnu.gdb.riscv.virtual", "int", "system");
    if (riscv_has(cpu, RISCV_EXT_ZVE32X))
        add_vectors(cpu, list);
    cpu->register_count = list->len;
    cpu->registers = (struct cpu_register *)g_array_free(list, FALSE);
}

const struct cpu_register *riscv_registers(struct vcpu *vcpu, u32 *count)
{
    const struct riscv_cpu *cpu = riscv_cpu_of(vcpu);

    *count = cpu->register_count;
    return cpu->registers;
}

static u64 *plain_register(struct riscv_state *state, u32 number)
{
    if (number < GDB_PC)
        return &state->x[number];
    if (number == GDB_PC)
        return &state->pc;
    return number < GDB_CSR ? &state->f[number - GDB_F] : NULL;
}

bool riscv_register_read(struct vcpu *vcpu, const struct cpu_register *reg, void *value)
{
    struct riscv_state *state = vcpu->state;
    const u64 *plain = plain_register(state, reg->cookie);
    u64 bits;

    if (reg->cookie >= GDB_V) {
        memcpy(value, state->v + (reg->cookie - GDB_V) * reg->bits / 8, reg->bits / 8);
        return true;
    }
    if (plain)
        bits = *plain;
    else if (reg->cookie == GDB_PRIV)
        bits = state->privilege;
    else if (!riscv_csr_peek(riscv_cpu_of(vcpu), reg->cookie - GDB_CSR, &bits))
        return false;
    memcpy(value, &bits, sizeof(bits));
    return true;
}

static bool set_privilege(struct riscv_cpu *cpu, u64 privilege)
{
    bool known = privilege == RISCV_M || (privilege == RISCV_S && riscv_has(cpu, RISCV_EXT_S)) ||
                 (privilege == RISCV_U && riscv_has(cpu, RISCV_EXT_U));

    if (known)
        riscv_state_of(cpu)->privilege = privilege;
    return known;
}

bool riscv_register_write(struct vcpu *vcpu, const struct cpu_register *reg, const void *value)
{
    struct riscv_state *state = vcpu->state;
    u64 *plain = plain_register(state, reg->cookie), bits;

    if (reg->cookie >= GDB_V) {
        memcpy(state->v + (reg->cookie - GDB_V) * reg->bits / 8, value, reg->bits / 8);
        state->vs_dirty = 1;
        return true;
    }
    memcpy(&bits, value, sizeof(bits));
    if (reg->cookie == GDB_PRIV)
        return set_privilege(riscv_cpu_of(vcpu), bits);
    if (!plain)
        return riscv_csr_poke(riscv_cpu_of(vcpu), reg->cookie - GDB_CSR, bits);
    if (reg->cookie != GDB_X)
        *plain = bits;
    if (reg->cookie >= GDB_F)
        state->fp_dirty = 1;
    return true;
}

static void print_csr(GString *text, struct riscv_cpu *cpu, u32 number)
{
    const struct riscv_csr *row = riscv_csr_find(number);
    u64 value;

    if (riscv_csr_peek(cpu, number, &value))
        g_string_append_printf(text, " %-8s %016" G_GINT64_MODIFIER "x\n", row->name, value);
}

char *riscv_describe(struct vcpu *vcpu)
{
    static const u16 shown[] = { 0xf14, 0x300, 0x344, 0x304, 0x303, 0x302, 0x305, 0x105, 0x341, 0x141,
                                 0x342, 0x142, 0x343, 0x143, 0x340, 0x140, 0x180, 0x003 };
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    const struct riscv_state *state = vcpu->state;
    GString *text = g_string_new("");

    g_string_append_printf(text, " %-8s %016" G_GINT64_MODIFIER "x\n %-8s %c\n", "pc", state->pc, "priv", "US?M"[state->privilege]);
    for (unsigned i = 0; i < ARRAY_SIZE(shown); i++)
        print_csr(text, cpu, shown[i]);
    for (unsigned i = 0; i < 32; i++)
        g_string_append_printf(text, " x%u/%-*s %016" G_GINT64_MODIFIER "x%s", i, i < 10 ? 5 : 4, i == 8 ? "s0" : x_names[i],
                               state->x[i], i % 4 == 3 ? "\n" : "");
    for (unsigned i = 0; i < 32 && riscv_has(cpu, RISCV_EXT_F); i++)
        g_string_append_printf(text, " f%u/%-*s %016" G_GINT64_MODIFIER "x%s", i, i < 10 ? 5 : 4, f_names[i], state->f[i],
                               i % 4 == 3 ? "\n" : "");
    return g_string_free(text, FALSE);
}
