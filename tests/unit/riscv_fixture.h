/* tests/unit/riscv_fixture.h - a hart with 16 MiB of RAM at 2 GiB and no accelerator, driven through the C functions. */
#ifndef TESTS_UNIT_RISCV_FIXTURE_H
#define TESTS_UNIT_RISCV_FIXTURE_H

#include "base/bits.h"
#include "target/riscv/csr.h"
#include "target/riscv/helpers.h"
#include "target/riscv/mmu.h"
#include "target/riscv/pmp.h"
#include "target/riscv/trap.h"
#include "vm/clock.h"
#include "vm/memory.h"
#include "vm/vm.h"

enum { RAM = 0x80000000u, RAM_SIZE = 16 << 20 };

struct hart {
    struct vm *vm;
    struct ram_block *ram;
    struct region region;
    struct vcpu *vcpu;
    struct riscv_cpu *cpu;
    struct riscv_state *state;
};

static inline void hart_start(struct hart *h, const char *model)
{
    GError *error = NULL;

    h->vm = vm_create(VM_GUEST_RISCV64, &error);
    g_assert_no_error(error);
    vm_clock_set_manual(h->vm, true);
    h->ram = vm_ram_create(h->vm, "ram", RAM_SIZE, &error);
    g_assert_no_error(error);
    region_init_ram(&h->region, h->vm, "ram", h->ram, 0, RAM_SIZE);
    region_add(space_root(vm_memory(h->vm)), RAM, &h->region, 0);
    h->vcpu = vcpu_create(h->vm, model, vm_root(h->vm), "cpu", &error);
    g_assert_no_error(error);
    h->cpu = riscv_cpu_of(h->vcpu);
    h->state = h->vcpu->state;
}

static inline void hart_stop(struct hart *h)
{
    region_finish(&h->region);
    vm_destroy(h->vm);
}

/* A CSR instruction as it would be executed: funct3 1 csrrw, 2 csrrs, 3 csrrc. rs1 field and rd are registers. */
static inline bool hart_csr(struct hart *h, u32 number, u32 funct3, u32 rs1, u64 value, u32 rd)
{
    return riscv_helper_csr(h->vcpu, value, (u64)number << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x73, 4);
}

/* Whether the last helper took this trap to M mode; the state goes back to what it was. */
static inline bool hart_trapped(struct hart *h, const struct riscv_state *before, u64 cause)
{
    bool taken = h->state->privilege == RISCV_M && h->state->mcause == cause && h->state->mepc == before->pc &&
                 h->state->pc == (before->mtvec & ~UINT64_C(3));

    *h->state = *before;
    return taken;
}

static inline u64 hart_read(struct hart *h, u32 number)
{
    u64 value;

    g_assert_true(riscv_csr_peek(h->cpu, number, &value));
    return value;
}

static inline void hart_write(struct hart *h, u32 number, u64 value)
{
    g_assert_true(riscv_csr_poke(h->cpu, number, value));
}

static inline void hart_store(struct hart *h, u64 address, u64 value)
{
    g_assert_cmpuint(address - RAM, <, RAM_SIZE);
    bits_store_le(h->ram->host + (address - RAM), 8, value);
}

static inline u64 hart_load(struct hart *h, u64 address)
{
    return bits_load_le(h->ram->host + (address - RAM), 8);
}

/* Everything open to all modes: one NAPOT entry over the whole space. */
static inline void hart_open_pmp(struct hart *h)
{
    hart_write(h, 0x3b0, UINT64_MAX);
    hart_write(h, 0x3a0, 0x1f);
}

#endif
