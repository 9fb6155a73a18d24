/* target/riscv/mmu.c - the page-table walk. */
#include "target/riscv/mmu.h"
#include "base/bits.h"
#include "base/log.h"
#include "target/riscv/csr.h"
#include "target/riscv/mode.h"
#include "target/riscv/pmp.h"
#include "target/riscv/trap.h"
#include "vm/memory.h"
#include "vm/vm.h"

enum { PAGE_BITS = 12, PAGE_BYTES = 1 << PAGE_BITS, LEVEL_BITS = 9, PTE_PPN_SHIFT = 10, NAPOT_BITS = 4 };

#define PAGE_OFFSET  UINT64_C(4095)
#define PTE_V        BIT64(0)
#define PTE_R        BIT64(1)
#define PTE_W        BIT64(2)
#define PTE_X        BIT64(3)
#define PTE_U        BIT64(4)
#define PTE_G        BIT64(5)
#define PTE_A        BIT64(6)
#define PTE_D        BIT64(7)
#define PTE_PPN      (((BIT64(SATP_PPN_BITS)) - 1) << PTE_PPN_SHIFT)
#define PTE_RESERVED (UINT64_C(0x7f) << 54)
#define PTE_SOFTWARE_HIGH (UINT64_C(3) << 59) /* Svrsw60t59b */
#define PTE_PBMT     (UINT64_C(3) << 61)
#define PTE_N        BIT64(63)

/* mmu_page.kind: what of a leaf's permissions does not depend on modes. W only with D. */
enum { KIND_R = 1, KIND_W = 2, KIND_X = 4, KIND_U = 8, KIND_COUNT = 16 };

/* One translation in progress. */
struct walk {
    struct riscv_cpu *cpu;
    const struct riscv_state *state;
    u64 address;
    enum mmu_access access;
    bool debug;
    enum riscv_privilege privilege; /* that the access counts as */
    struct mmu_page *page;
};

/* What the three kinds of access raise: access faults, page faults. */
static const u8 access_fault[] = { RISCV_LOAD_ACCESS, RISCV_STORE_ACCESS, RISCV_FETCH_ACCESS };
static const u8 page_fault[] = { RISCV_LOAD_PAGE_FAULT, RISCV_STORE_PAGE_FAULT, RISCV_FETCH_PAGE_FAULT };

static enum riscv_privilege data_privilege(const struct riscv_state *state)
{
    return state->mstatus & MSTATUS_MPRV ? state->mstatus >> MSTATUS_MPP_SHIFT & 3 : state->privilege;
}

void riscv_mmu_context(struct vcpu *vcpu, struct mmu_context *context)
{
    const struct riscv_state *state = vcpu->state;
    enum riscv_privilege data = data_privilege(state);
    bool translated = (data < RISCV_M || state->privilege < RISCV_M) && state->satp >> SATP_MODE_SHIFT;
    u64 asid_mask = (BIT64(SATP_ASID_BITS) - 1) << SATP_ASID_SHIFT;

    context->root = translated ? state->satp & ~asid_mask : 0;
    context->asid = translated ? bits_get(state->satp, SATP_ASID_SHIFT, SATP_ASID_BITS) : 0;
    context->mode = state->privilege | data << RISCV_MODE_DATA_PRIVILEGE_SHIFT;
    /* SUM and MXR count only where they mean something, so that fewer contexts differ. */
    if (data == RISCV_S && (state->mstatus & MSTATUS_SUM))
        context->mode |= RISCV_MODE_SUM;
    if (data < RISCV_M && (state->mstatus & MSTATUS_MXR))
        context->mode |= RISCV_MODE_MXR;
    if (!(state->mstatus & MSTATUS_FS))
        context->mode |= RISCV_MODE_FP_OFF;
    if (!(state->mstatus & MSTATUS_VS))
        context->mode |= RISCV_MODE_V_OFF;
    if (state->frm > 4)
        context->mode |= RISCV_MODE_FRM_INVALID;
    if (state->frm == 4)
        context->mode |= RISCV_MODE_FRM_AWAY;
    if (!riscv_envcfg_allows(riscv_cpu_of(vcpu), ENVCFG_CBZE))
        context->mode |= RISCV_MODE_CBO_ZERO_OFF;
}

/* Section 12.3.2, steps 5 and 6 of the algorithm, for every kind of leaf. */
void riscv_mmu_permissions(u32 mode, u32 may[3])
{
    enum riscv_privilege data = mode >> RISCV_MODE_DATA_PRIVILEGE_SHIFT & 3, fetch = mode & RISCV_MODE_PRIVILEGE;

    may[MMU_READ] = may[MMU_WRITE] = may[MMU_FETCH] = 0;
    for (u32 kind = 0; kind < KIND_COUNT && data != RISCV_M; kind++) {
        bool user = kind & KIND_U, mine = data == RISCV_U ? user : !user || (mode & RISCV_MODE_SUM);

        if (mine && (kind & KIND_R || (mode & RISCV_MODE_MXR && kind & KIND_X)))
            may[MMU_READ] |= 1u << kind;
        if (mine && kind & KIND_W)
            may[MMU_WRITE] |= 1u << kind;
        if (fetch == data && user == (fetch == RISCV_U) && kind & KIND_X)
            may[MMU_FETCH] |= 1u << kind;
    }
}

void riscv_mmu_flush_all(struct riscv_cpu *cpu)
{
    struct accel *accel = vm_accel(cpu->vcpu.vm);
    struct mmu_flush flush = { .everything = true };

    log_line(vm_log(cpu->vcpu.vm), LOG_MMU, "hart %u: all translations dropped", cpu->vcpu.index);
    if (accel && cpu->vcpu.accel && accel->accel_class->mmu_flush)
        accel->accel_class->mmu_flush(&cpu->vcpu, &flush);
}

static void fail(struct walk *walk, const u8 *causes)
{
    walk->page->fault = causes[walk->access];
    walk->page->read = walk->page->write = walk->page->execute = false;
}

/* Looks up RAM or ROM around a PTE; the window stays empty where there is none. */
static void find_memory(struct riscv_cpu *cpu, u64 address)
{
    struct riscv_memory_window *w = &cpu->memory_window;
    struct vm *vm = cpu->vcpu.vm;

    /* Before the lookup: a change in between makes the window stale at once. */
    w->generation = vm_memory_generation(vm);
    struct space_hit hit = space_lookup(vm_memory(vm), address);
    bool usable = hit.ram && hit.left >= sizeof(u64);
    w->first = address;
    w->span = usable ? hit.left - sizeof(u64) : 0;
    w->host = usable ? hit.ram->host + hit.ram_offset : NULL;
    if (!usable)
        return;
    /* Back to where the piece begins, if that is one piece. */
    u64 before = MIN(hit.ram_offset, hit.offset);
    struct space_hit start = space_lookup(vm_memory(vm), address - before);
    if (start.ram == hit.ram && start.left == before + hit.left) {
        w->first -= before;
        w->host -= before;
        w->span += before;
    }
}

/* DEVIATION RISC-V | page tables | must lie in RAM or ROM; in a device they are access faults | the manual lets the platform choose */

/* Host memory of a PTE: in RAM or ROM; NULL: an access fault (page tables do not lie in devices). */
static u64 *pte_pointer(struct walk *walk, u64 address)
{
    const struct riscv_memory_window *w = &walk->cpu->memory_window;

    if (unlikely(address - w->first > w->span || !w->host || w->generation != vm_memory_generation(walk->cpu->vcpu.vm)))
        find_memory(walk->cpu, address);
    return w->host ? (u64 *)(w->host + (address - w->first)) : NULL;
}

/* DEVIATION RISC-V | pointers to page tables | A, D, U, N and PBMT bits in them are page faults | they are reserved there */
static u64 reserved_bits(const struct walk *walk, bool leaf)
{
    u64 bits = riscv_has(walk->cpu, RISCV_EXT_SVRSW60T59B) ? PTE_RESERVED & ~PTE_SOFTWARE_HIGH : PTE_RESERVED;

    if (!leaf)
        return bits | PTE_PBMT | PTE_N | PTE_D | PTE_A | PTE_U;
    if (!(walk->state->menvcfg & ENVCFG_PBMTE))
        bits |= PTE_PBMT;
    if (!riscv_has(walk->cpu, RISCV_EXT_SVNAPOT))
        bits |= PTE_N;
    return bits;
}

/* DEVIATION RISC-V | memory types of Svpbmt | accepted and ignored | all RAM is coherent here */

/* Encodings that are page faults whatever the access. */
static bool malformed(const struct walk *walk, u64 pte, int level)
{
    bool leaf = pte & (PTE_R | PTE_X);
    u64 ppn = (pte & PTE_PPN) >> PTE_PPN_SHIFT;

    if (!(pte & PTE_V) || (!(pte & PTE_R) && (pte & PTE_W)) || (pte & reserved_bits(walk, leaf)))
        return true;
    if (!leaf)
        return level == 0;
    if ((pte & PTE_PBMT) == PTE_PBMT || (ppn & (BIT64(LEVEL_BITS * level) - 1)))
        return true;
    return (pte & PTE_N) && (level || bits_get(ppn, 0, NAPOT_BITS) != 8);
}

/* Permissions of a leaf for each kind of access, as the current modes see it; D is not looked at. */
static void leaf_permissions(const struct walk *walk, u64 pte, struct mmu_page *page)
{
    u64 status = walk->state->mstatus;
    bool user = pte & PTE_U, s = walk->privilege == RISCV_S;
    bool data = s ? !user || (status & MSTATUS_SUM) : user;

    page->read = data && ((pte & PTE_R) || ((status & MSTATUS_MXR) && (pte & PTE_X)));
    page->write = data && (pte & PTE_W);
    page->execute = user != s && (pte & PTE_X);
}

static bool permitted(const struct mmu_page *page, enum mmu_access access)
{
    return access == MMU_READ ? page->read : access == MMU_WRITE ? page->write : page->execute;
}

/* Whether hardware sets A and D (Svadu), or their absence is a page fault (Svade). */
static bool updates_pte(const struct walk *walk)
{
    const struct riscv_cpu *cpu = walk->cpu;

    return riscv_has(cpu, RISCV_EXT_SVADU) ? walk->state->menvcfg & ENVCFG_ADUE : !riscv_has(cpu, RISCV_EXT_SVADE);
}

enum update { UPDATE_DONE, UPDATE_RETRY, UPDATE_FAULT };

/* Sets A, and D for a store. *pte becomes the new value. */
static enum update set_accessed(struct walk *walk, u64 where, u64 *host, u64 *pte)
{
    u64 old = *pte, wanted = old | PTE_A | (walk->access == MMU_WRITE ? PTE_D : 0);

    if (old == wanted || walk->debug)
        return UPDATE_DONE;
    if (!updates_pte(walk)) {
        fail(walk, page_fault);
        return UPDATE_FAULT;
    }
    struct space_hit hit = space_lookup(vm_memory(walk->cpu->vcpu.vm), where);
    if (!hit.writable || !(riscv_pmp_check(walk->cpu, where, sizeof(u64), RISCV_S) & RISCV_PMP_W)) {
        fail(walk, access_fault);
        return UPDATE_FAULT;
    }
    if (!__atomic_compare_exchange_n(host, &old, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return UPDATE_RETRY;
    vm_ram_changed(hit.ram, hit.ram_offset, sizeof(u64));
    *pte = wanted;
    return UPDATE_DONE;
}

static void found_leaf(struct walk *walk, u64 pte, int level)
{
    struct mmu_page *page = walk->page;
    u64 ppn = (pte & PTE_PPN) >> PTE_PPN_SHIFT, leaf_bits = PAGE_BITS + LEVEL_BITS * level;

    if (pte & PTE_N) {
        leaf_bits += NAPOT_BITS;
        ppn &= ~(BIT64(NAPOT_BITS) - 1);
    }
    page->leaf_size = BIT64(leaf_bits);
    page->physical = (ppn << PAGE_BITS) | (walk->address & (page->leaf_size - 1) & ~PAGE_OFFSET);
    if (!(pte & PTE_D))
        page->write = false;
    page->global |= (pte & PTE_G) != 0;
    page->kind = (pte & PTE_R ? KIND_R : 0) | (pte & PTE_W && pte & PTE_D ? KIND_W : 0) | (pte & PTE_X ? KIND_X : 0) | (pte & PTE_U ? KIND_U : 0);
}

/* Section 12.3.2, from the root table to a leaf. False: page->fault says why. */
static bool translate(struct walk *walk, int levels)
{
    u64 satp = walk->state->satp, table = bits_get(satp, 0, SATP_PPN_BITS) << PAGE_BITS;
    int level = levels - 1;

    if (bits_sign_extend(walk->address, PAGE_BITS + LEVEL_BITS * levels) != (s64)walk->address) {
        fail(walk, page_fault);
        return false;
    }
    for (;;) {
        u64 where = table + bits_get(walk->address, PAGE_BITS + LEVEL_BITS * level, LEVEL_BITS) * sizeof(u64);
        u64 *host = pte_pointer(walk, where);

        if (!host || !(riscv_pmp_check(walk->cpu, where, sizeof(u64), RISCV_S) & RISCV_PMP_R)) {
            fail(walk, access_fault);
            return false;
        }
        u64 pte = __atomic_load_n(host, __ATOMIC_ACQUIRE);
        if (malformed(walk, pte, level)) {
            fail(walk, page_fault);
            return false;
        }
        if (!(pte & (PTE_R | PTE_X))) {
            table = (pte & PTE_PPN) >> PTE_PPN_SHIFT << PAGE_BITS;
            walk->page->global |= (pte & PTE_G) != 0; /* of everything below (section 12.3.1) */
            level--;
            continue;
        }
        leaf_permissions(walk, pte, walk->page);
        if (!permitted(walk->page, walk->access) && !walk->debug) {
            fail(walk, page_fault);
            return false;
        }
        switch (set_accessed(walk, where, host, &pte)) {
        case UPDATE_DONE:
            found_leaf(walk, pte, level);
            return true;
        case UPDATE_RETRY:
            continue;
        case UPDATE_FAULT:
            return false;
        }
    }
}

static int levels_of(const struct walk *walk)
{
    if (walk->privilege == RISCV_M)
        return 0;
    switch (walk->state->satp >> SATP_MODE_SHIFT) {
    case SATP_SV39:
        return 3;
    case SATP_SV48:
        return 4;
    case SATP_SV57:
        return 5;
    default:
        return 0;
    }
}

static void protect(struct walk *walk, unsigned size)
{
    struct mmu_page *page = walk->page;
    u64 address = page->physical | (walk->address & PAGE_OFFSET);
    bool split;
    u8 whole = riscv_pmp_check_page(walk->cpu, page->physical, walk->privilege, &split);
    u8 bits = split ? riscv_pmp_check(walk->cpu, address, size, walk->privilege) : whole;
    static const u8 needed[] = { RISCV_PMP_R, RISCV_PMP_W, RISCV_PMP_X };

    page->uncached = split;
    if ((bits & 7) != (RISCV_PMP_R | RISCV_PMP_W | RISCV_PMP_X))
        page->kind = MMU_NO_KIND; /* no leaf's permissions alone */
    page->read &= (bits & RISCV_PMP_R) != 0;
    page->write &= (bits & RISCV_PMP_W) != 0;
    page->execute &= (bits & RISCV_PMP_X) != 0;
    if (!(bits & needed[walk->access]) && !walk->debug)
        fail(walk, access_fault);
}

/* -d mmu; what debuggers look up is not the guest's. */
static void log_walk(const struct vcpu *vcpu, u64 address, enum mmu_access access, const struct mmu_page *page)
{
    static const char *const names[] = { [MMU_READ] = "load", [MMU_WRITE] = "store", [MMU_FETCH] = "fetch" };
    const struct riscv_state *state = vcpu->state;
    char mode = "US?M"[access == MMU_FETCH ? state->privilege : data_privilege(state)];

    if (page->fault)
        log_print(vm_log(vcpu->vm), LOG_MMU, "hart %u: %s of %016lx in %c mode, satp %016lx: cause %u", vcpu->index, names[access],
                  address, mode, state->satp, page->fault);
    else
        log_print(vm_log(vcpu->vm), LOG_MMU, "hart %u: %s of %016lx in %c mode, satp %016lx: page %016lx %c%c%c%s", vcpu->index,
                  names[access], address, mode, state->satp, page->physical, page->read ? 'r' : '-', page->write ? 'w' : '-',
                  page->execute ? 'x' : '-', page->global ? " global" : "");
}

static void walk_page(struct vcpu *vcpu, u64 address, unsigned size, enum mmu_access access, bool debug, struct mmu_page *page)
{
    const struct riscv_state *state = vcpu->state;
    enum riscv_privilege data = data_privilege(state);
    struct walk walk = {
        .cpu = riscv_cpu_of(vcpu), .state = state, .address = address, .access = access, .debug = debug, .page = page,
        .privilege = access == MMU_FETCH ? state->privilege : data,
    };
    int levels = levels_of(&walk);

    *page = (struct mmu_page){ .read = true, .write = true, .execute = true, .kind = MMU_NO_KIND };
    if (levels) {
        if (!translate(&walk, levels))
            return;
    } else {
        page->physical = address & ~PAGE_OFFSET;
        page->leaf_size = PAGE_BYTES;
    }
    protect(&walk, size);
    /* Under MPRV loads and fetches are translated as different modes: only the kind that was asked for holds. */
    if (data != state->privilege) {
        page->kind = access == MMU_FETCH ? MMU_NO_KIND : page->kind;
        page->execute &= access == MMU_FETCH;
        page->read &= access != MMU_FETCH;
        page->write &= access != MMU_FETCH;
    }
}

void riscv_mmu_walk(struct vcpu *vcpu, u64 address, unsigned size, enum mmu_access access, bool debug, struct mmu_page *page)
{
    walk_page(vcpu, address, size, access, debug, page);
    if (log_wants(vm_log(vcpu->vm), LOG_MMU) && !debug)
        log_walk(vcpu, address, access, page);
}

/* info mem: runs of equal permissions, as far as tables lie in RAM; info tlb: each leaf. */
enum { MAX_TABLES = 65536 }; /* a table may contain itself */

struct listing {
    struct walk walk;
    GString *text;
    u64 address, physical, size;
    u64 attributes;
    u32 tables;
    bool leaves; /* do not join them */
};

static void flush_run(struct listing *listing)
{
    static const char letters[] = "-rwxugad";

    if (!listing->size)
        return;
    g_string_append_printf(listing->text, "%016lx %016lx %016lx ", listing->address, listing->physical, listing->size);
    for (unsigned bit = 1; bit <= 7; bit++)
        g_string_append_c(listing->text, listing->attributes >> bit & 1 ? letters[bit] : '-');
    g_string_append_c(listing->text, '\n');
    listing->size = 0;
}

static void list_leaf(struct listing *listing, u64 address, u64 physical, u64 size, u64 pte)
{
    u64 attributes = pte & 0xff & ~PTE_V;

    if (listing->size && !listing->leaves && listing->attributes == attributes && listing->address + listing->size == address &&
        listing->physical + listing->size == physical) {
        listing->size += size;
        return;
    }
    flush_run(listing);
    listing->address = address;
    listing->physical = physical;
    listing->size = size;
    listing->attributes = attributes;
}

static void list_table(struct listing *listing, u64 table, int level, int levels, u64 address)
{
    unsigned bits = PAGE_BITS + LEVEL_BITS * level;

    for (u64 i = 0; i < BIT64(LEVEL_BITS); i++) {
        u64 *host = pte_pointer(&listing->walk, table + i * sizeof(u64));
        u64 pte = host ? __atomic_load_n(host, __ATOMIC_RELAXED) : 0, base = (pte & PTE_PPN) >> PTE_PPN_SHIFT << PAGE_BITS;
        u64 here = bits_sign_extend(address | i << bits, PAGE_BITS + LEVEL_BITS * levels);

        if (malformed(&listing->walk, pte, level))
            continue;
        if (pte & (PTE_R | PTE_X))
            list_leaf(listing, here, pte & PTE_N ? (base & ~UINT64_C(0xffff)) | (here & 0xf000) : base, BIT64(bits), pte);
        else if (listing->text->len < MIB && listing->tables++ < MAX_TABLES)
            list_table(listing, base, level - 1, levels, address | i << bits);
    }
}

static char *list_all(struct vcpu *vcpu, bool leaves)
{
    struct riscv_state *state = vcpu->state;
    struct listing listing = { .walk = { .cpu = riscv_cpu_of(vcpu), .state = state, .privilege = RISCV_S }, .leaves = leaves };
    int levels = levels_of(&listing.walk);

    if (!levels)
        return g_strdup("No translation or protection\n");
    listing.text = g_string_new("vaddr            paddr            size             attr\n"
                                "---------------- ---------------- ---------------- -------\n");
    list_table(&listing, bits_get(state->satp, 0, SATP_PPN_BITS) << PAGE_BITS, levels - 1, levels, 0);
    flush_run(&listing);
    return g_string_free(listing.text, FALSE);
}

char *riscv_describe_mem(struct vcpu *vcpu)
{
    return list_all(vcpu, false);
}

char *riscv_describe_tlb(struct vcpu *vcpu)
{
    return list_all(vcpu, true);
}
