/*
 * accel/tcg/l2.c - the L2 TLB of a vCPU: what the last few thousand page-table walks found, tagged with the number of the address
 * space, with the leaf's own permissions, so that one entry serves all modes. Generated code refills its L1s from it
 * (tcg/x86_64/refill.c); what is not there is walked. The vCPU's own thread.
 */
#include "accel/tcg/tcg.h"
#include "host/map.h"
#include "vm/ram.h"

enum { ENTRIES = TCG_L2_WAYS << TCG_L2_BITS };

bool tcg_l2_create(struct tcg_vcpu *v)
{
    v->l2 = host_map_anonymous(ENTRIES * sizeof(*v->l2), false, NULL);
    v->l2_ram = host_map_anonymous(ENTRIES * sizeof(*v->l2_ram), false, NULL);
    v->shared = ++v->last_number;
    return v->l2 && v->l2_ram;
}

void tcg_l2_destroy(struct tcg_vcpu *v)
{
    host_map_free(v->l2, ENTRIES * sizeof(*v->l2));
    host_map_free(v->l2_ram, ENTRIES * sizeof(*v->l2_ram));
}

static bool of_page(const struct tcg_l2_entry *entry, u64 va)
{
    return (entry->va ^ va) >> TCG_PAGE_BITS == 0;
}

static struct tcg_l2_entry *find(struct tcg_vcpu *v, const struct tcg_refill *refill, u64 va)
{
    struct tcg_l2_entry *set = &v->l2[tcg_l2_set(refill->salt, va) * TCG_L2_WAYS];

    for (u32 way = 0; way < TCG_L2_WAYS; way++) {
        if (of_page(&set[way], va) && (set[way].space == refill->space || set[way].space == refill->shared))
            return &set[way];
    }
    return NULL;
}

/* An entry for the page itself, then an empty one, then one after the other. */
static u32 choose(struct tcg_vcpu *v, const struct tcg_refill *refill, u64 va)
{
    struct tcg_l2_entry *known = find(v, refill, va), *set = &v->l2[tcg_l2_set(refill->salt, va) * TCG_L2_WAYS];

    if (known)
        return known - v->l2;
    for (u32 way = 0; way < TCG_L2_WAYS; way++) {
        if (!set[way].space)
            return &set[way] - v->l2;
    }
    return &set[v->victim++ % TCG_L2_WAYS] - v->l2;
}

/* Addresses with watchpoints are looked at by C at each access: they are never in a table. */
static void insert(struct tcg_vcpu *v, u64 va, const struct walk *walk)
{
    const struct tcg_refill *refill = v->context->refill;
    const u64 *const *code = walk->host ? tcg_code_of(walk->ram, walk->ram_offset) : NULL;

    if (walk->page.kind >= MMU_KINDS || walk->page.uncached || vm_has_watchpoint_in_page(v->vcpu->vm, va & ~UINT64_C(4095)) ||
        (walk->host && !code))
        return;
    u32 at = choose(v, refill, va);
    v->l2[at] = (struct tcg_l2_entry){
        .va = (va & ~UINT64_C(4095)) | walk->page.kind | (walk->host ? 0 : TCG_L2_DEVICE) | (walk->writable ? 0 : TCG_L2_READ_ONLY),
        .space = walk->page.global ? refill->shared : refill->space,
        .host = (u64)(uintptr_t)walk->host,
        .code = code,
    };
    v->l2_ram[at] = (struct l2_ram){ walk->ram, walk->ram_offset, walk->page.physical };
}

static bool remembered(struct tcg_vcpu *v, u64 va, enum mmu_access access, struct walk *walk)
{
    const struct tcg_refill *refill = v->context->refill;
    const struct tcg_l2_entry *entry = v->context->space ? find(v, refill, va) : NULL;
    u32 kind;

    if (!entry)
        return false;
    kind = entry->va & TCG_L2_KIND;
    *walk = (struct walk){
        .page = { .read = refill->may_read >> kind & 1, .write = refill->may_write >> kind & 1, .execute = refill->may_fetch >> kind & 1 },
    };
    walk->page.global = entry->space == refill->shared;
    if (!(access == MMU_READ ? walk->page.read : access == MMU_WRITE ? walk->page.write : walk->page.execute))
        return false; /* a fault, or D is not set: the tables decide */
    walk->page.physical = v->l2_ram[entry - v->l2].physical;
    if (!(entry->va & TCG_L2_DEVICE)) {
        walk->host = (u8 *)(uintptr_t)entry->host;
        walk->ram = v->l2_ram[entry - v->l2].ram;
        walk->ram_offset = v->l2_ram[entry - v->l2].offset;
        walk->writable = !(entry->va & TCG_L2_READ_ONLY);
    }
    v->l2_hits++;
    return true;
}

static void look_up(struct vm *vm, struct walk *walk)
{
    struct space_hit hit = space_lookup(vm_memory(vm), walk->page.physical);

    walk->host = hit.ram && hit.left >= 4096 ? hit.ram->host + hit.ram_offset : NULL;
    walk->ram = walk->host ? hit.ram : NULL;
    walk->ram_offset = hit.ram_offset;
    walk->writable = walk->host && hit.writable;
    if (walk->ram && walk->ram->asks)
        vm_ram_ask(walk->ram, walk->ram_offset, 1);
}

bool tcg_walk(struct tcg_vcpu *v, u64 va, unsigned size, enum mmu_access access, struct walk *walk)
{
    if (remembered(v, va, access, walk))
        return true;
    v->walks++;
    *walk = (struct walk){ .page.kind = MMU_NO_KIND };
    v->vcpu->cpu->walk(v->vcpu, va, size, access, false, &walk->page);
    if (walk->page.fault)
        return false;
    walk->page.physical &= ~UINT64_C(4095);
    look_up(v->vcpu->vm, walk);
    if (walk->page.leaf_size > 4096)
        tcg_note_fracture(v, va, &walk->page);
    if (v->context->space)
        insert(v, va, walk);
    return true;
}

void tcg_l2_drop_page(struct tcg_vcpu *v, u64 salt, u64 va, u64 number)
{
    struct tcg_l2_entry *set = &v->l2[tcg_l2_set(salt, va) * TCG_L2_WAYS];

    for (u32 way = 0; way < TCG_L2_WAYS; way++) {
        if (of_page(&set[way], va) && (!number || set[way].space == number))
            set[way] = (struct tcg_l2_entry){ 0 };
    }
}
