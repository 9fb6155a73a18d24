/* target/riscv/csr.c - the table of csr.def, and the CSR instructions. */
#include "target/riscv/csr.h"
#include "target/riscv/helpers.h"
#include "target/riscv/mmu.h"
#include "target/riscv/mode.h"
#include "target/riscv/trap.h"
#include "vm/vm.h"
#include <string.h>

#define riscv_test_ALWAYS NULL
#define riscv_read_PLAIN  NULL
#define riscv_write_PLAIN NULL

#define CSRS(csr, run, text, start, existence, check, field, writable, reader, writer, result)     \
    { .number = csr, .count = run, .name = text, .first = start, .exists = riscv_test_##existence, \
      .allowed = riscv_test_##check, .offset = OFFSET_##field, .mask = writable,                   \
      .read = riscv_read_##reader, .write = riscv_write_##writer, .effect = RISCV_CSR_##result },
#define CSR(csr, text, ...) CSRS(csr, 1, text, 0, __VA_ARGS__)

/* Of the members that csr.def names. x is at 0 and no CSR. */
enum {
    OFFSET_NONE = 0,
#define FIELD(member) OFFSET_##member = offsetof(struct riscv_state, member),
    FIELD(stvec) FIELD(senvcfg) FIELD(sscratch) FIELD(sepc) FIELD(scause) FIELD(stval) FIELD(stimecmp) FIELD(satp)
    FIELD(medeleg) FIELD(mideleg) FIELD(mtvec) FIELD(menvcfg) FIELD(mscratch) FIELD(mepc) FIELD(mcause)
    FIELD(mtval) FIELD(mvien) FIELD(miselect) FIELD(siselect)
#undef FIELD
};

const struct riscv_csr riscv_csr_rows[] = {
#include "target/riscv/csr.def"
};
const u32 riscv_csr_row_count = ARRAY_SIZE(riscv_csr_rows);

/* Where each row stands in riscv_csr_rows, plus 1. */
#undef CSRS
#define CSRS(csr, ...) PLACE_##csr,
enum {
    PLACE_NONE,
#include "target/riscv/csr.def"
};
#undef CSRS
#define CSRS(csr, run, ...) [csr... csr + run - 1] = PLACE_##csr,
static const u8 places[4096] = {
#include "target/riscv/csr.def"
};

const struct riscv_csr *riscv_csr_find(u32 number)
{
    u8 place = places[number & 0xfff];

    return place ? &riscv_csr_rows[place - 1] : NULL;
}

char *riscv_csr_make_name(const struct riscv_csr *row, u32 number)
{
    return row->count == 1 ? g_strdup(row->name) : g_strdup_printf("%s%u", row->name, row->first + number - row->number);
}

static u64 *plain(struct riscv_cpu *cpu, const struct riscv_csr *row)
{
    return (u64 *)((u8 *)cpu->vcpu.state + row->offset);
}

static u64 read_row(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return row->read ? row->read(cpu, row, number) : *plain(cpu, row);
}

static void write_row(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    if (row->write) {
        row->write(cpu, row, number, value, mask);
    } else {
        u64 *field = plain(cpu, row);

        mask &= row->mask;
        *field = (*field & ~mask) | (value & mask);
    }
}

static bool exists(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return row && (!row->exists || row->exists(cpu, number));
}

bool riscv_csr_peek(struct riscv_cpu *cpu, u32 number, u64 *value)
{
    const struct riscv_csr *row = riscv_csr_find(number);

    if (!exists(cpu, row, number))
        return false;
    *value = read_row(cpu, row, number);
    return true;
}

static bool read_only(u32 number)
{
    return number >> 10 == 3;
}

bool riscv_csr_poke(struct riscv_cpu *cpu, u32 number, u64 value)
{
    const struct riscv_csr *row = riscv_csr_find(number);

    if (read_only(number) || !exists(cpu, row, number))
        return false;
    read_row(cpu, row, number);
    write_row(cpu, row, number, value, UINT64_MAX);
    return true;
}

/* Section 2.1: privilege and write access by the number, then what the register says itself. */
static bool may_access(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, bool write)
{
    if (!exists(cpu, row, number) || (number >> 8 & 3) > riscv_state_of(cpu)->privilege || (write && read_only(number)))
        return false;
    return !row->allowed || row->allowed(cpu, number);
}

/* Goes on in another context for data. False: the accelerator cannot. */
static bool switch_data(struct riscv_cpu *cpu)
{
    struct accel *accel = vm_accel(cpu->vcpu.vm);

    return accel && cpu->vcpu.accel && accel->accel_class->data_context_changed && accel->accel_class->data_context_changed(&cpu->vcpu);
}

/* Whether code behind a write must not simply go on. */
static bool must_leave(struct riscv_cpu *cpu, const struct riscv_csr *row, const struct mmu_context *before)
{
    struct mmu_context after;

    if (row->effect != RISCV_CSR_CHECK)
        return row->effect == RISCV_CSR_LEAVE;
    riscv_mmu_context(&cpu->vcpu, &after);
    if (riscv_interrupt_pending(cpu) >= 0)
        return true;
    if (after.root == before->root && after.asid == before->asid && after.mode == before->mode)
        return false;
    return ((after.mode ^ before->mode) & ~(u32)RISCV_MODE_DATA) || !switch_data(cpu);
}

/* raw: csr[31:20] rs1[19:15] funct3[14:12] rd[11:7]; a is rs1's value or the immediate. */
u64 riscv_helper_csr(void *vcpu, u64 a, u64 raw, u64 next)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    struct riscv_state *state = riscv_state_of(cpu);
    u32 number = raw >> 20 & 0xfff, rd = raw >> 7 & 31, op = raw >> 12 & 3;
    bool swap = op == 1, write = swap || (raw >> 15 & 31);
    const struct riscv_csr *row = riscv_csr_find(number);
    struct mmu_context before;
    u64 old;

    if (!may_access(cpu, row, number, write)) {
        riscv_trap(cpu, RISCV_ILLEGAL_INSTRUCTION, (u32)raw);
        return true;
    }
    old = read_row(cpu, row, number); /* also for csrrw with x0: no read has a side effect, and a claim (*topei) clears what was read */
    if (row->effect == RISCV_CSR_CHECK)
        riscv_mmu_context(vcpu, &before);
    if (write)
        write_row(cpu, row, number, op == 3 ? 0 : a, swap ? UINT64_MAX : a);
    if (rd)
        state->x[rd] = old;
    if (!write || !must_leave(cpu, row, &before))
        return false;
    state->pc += next;
    return true;
}
