/*
 * accel/tcg/window.c - the mappings of windows. Where a region of guest addresses (tcg/backend.h) was used, an area of the host is reserved for it, and
 * pages of RAM are mapped there when an access faulted; all other regions lead to one area where nothing ever is. The vCPU's own thread, or others while
 * that one is outside or the machine stopped: exactly as with a context's L1.
 */
#include "accel/tcg/tcg.h"
#include "host/map.h"
#include "vm/ram.h"

enum {
    AREAS = 6,                      /* of a window */
    MAX_AREAS = 128,                /* of a machine: a quarter of the address space of a process */
    REGIONS = 1 << TCG_WINDOW_INDEX,
    USED_BITS = TCG_WINDOW_SHIFT + TCG_WINDOW_INDEX,
    LARGE = HOST_MAP_HUGE,          /* leaves of the guest that are mapped whole */
};
#define AREA_BYTES (UINT64_C(1) << TCG_WINDOW_SHIFT)

/* Guest addresses from va on show the RAM at host. */
struct mapping {
    u64 va, size;
    const u8 *host;
    bool write;
    struct mapping *next; /* of the same RAM */
};

struct window {
    struct context *context;
    u64 last_use;
    u32 areas;
    struct { u64 region; u8 *host; } area[AREAS];
    GHashTable *by_va, *by_host; /* of struct mapping; keys: the address, with 1 added for a large one */
};

static void *key_of(u64 address, u64 size)
{
    return GSIZE_TO_POINTER((address & ~(size - 1)) | (size == LARGE));
}

static u64 host_of(const u8 *host)
{
    return (u64)(uintptr_t)host;
}

/* --- areas --- */

static struct tcg_windows *distances(const struct tcg *tcg, const struct context *context)
{
    return (struct tcg_windows *)(void *)(context->base + tcg->layout.windows);
}

static void forget_bases(struct tcg_windows *windows)
{
    for (u32 i = 0; i < TCG_WINDOW_BASES; i++)
        windows->base[i] = (struct tcg_window_base){ 0, windows->distance[0] };
}

void tcg_window_init(struct tcg *tcg, struct context *context)
{
    if (!tcg->layout.windows)
        return;
    for (u64 i = 0; i < REGIONS; i++)
        distances(tcg, context)->distance[i] = host_of(tcg->windows_state.nowhere) - (i << TCG_WINDOW_SHIFT);
    forget_bases(distances(tcg, context));
}

u8 *tcg_window_reserve(void)
{
    u64 size = AREA_BYTES + 2 * TCG_WINDOW_REACH;
    u8 *start = host_map_reserve(size + LARGE, NULL), *area;

    if (!start)
        return NULL;
    area = (u8 *)(((uintptr_t)start + TCG_WINDOW_REACH + LARGE - 1) & ~(uintptr_t)(LARGE - 1));
    if (area - TCG_WINDOW_REACH > start)
        host_map_free(start, (u64)(area - TCG_WINDOW_REACH - start));
    host_map_free(area + AREA_BYTES + TCG_WINDOW_REACH, (u64)(start + size + LARGE - (area + AREA_BYTES + TCG_WINDOW_REACH)));
    return area;
}

void tcg_window_release(u8 *area)
{
    if (area)
        host_map_free(area - TCG_WINDOW_REACH, AREA_BYTES + 2 * TCG_WINDOW_REACH);
}

/* Where the region of va is; NULL: there is no room for it. */
static u8 *area_of(struct tcg_vcpu *v, struct window *w, u64 va)
{
    struct windows *all = &v->tcg->windows_state;
    u64 region = va >> TCG_WINDOW_SHIFT;
    u8 *host;

    for (u32 i = 0; i < w->areas; i++) {
        if (w->area[i].region == region)
            return w->area[i].host;
    }
    if (w->areas == AREAS || __atomic_load_n(&all->areas, __ATOMIC_RELAXED) >= MAX_AREAS || !(host = tcg_window_reserve()))
        return NULL;
    __atomic_add_fetch(&all->areas, 1, __ATOMIC_RELAXED);
    w->area[w->areas].region = region;
    w->area[w->areas++].host = host;
    distances(v->tcg, w->context)->distance[region] = host_of(host) - (region << TCG_WINDOW_SHIFT);
    forget_bases(distances(v->tcg, w->context));
    return host;
}

/* --- windows --- */

static void destroy(struct tcg_vcpu *v, struct window *w)
{
    tcg_window_empty(v, w->context);
    tcg_window_init(v->tcg, w->context);
    for (u32 i = 0; i < w->areas; i++)
        tcg_window_release(w->area[i].host);
    __atomic_sub_fetch(&v->tcg->windows_state.areas, w->areas, __ATOMIC_RELAXED);
    w->context->use.window = NULL;
    g_hash_table_destroy(w->by_va);
    g_hash_table_destroy(w->by_host);
    g_free(w);
}

void tcg_window_destroy(struct tcg_vcpu *v, struct context *context)
{
    for (u32 i = 0; context->use.window && i < WINDOWS; i++) {
        if (v->window_faults.owned[i] != context->use.window)
            continue;
        destroy(v, context->use.window);
        v->window_faults.owned[i] = NULL;
    }
}

/* The vCPU has so many at most: the one used least recently goes. */
static struct window *window_of(struct tcg_vcpu *v)
{
    struct window **owned = v->window_faults.owned, **place = &owned[0], *w = v->context->use.window;

    for (u32 i = 0; !w && *place && i < WINDOWS; i++) {
        if (!owned[i] || owned[i]->last_use < (*place)->last_use)
            place = &owned[i];
    }
    if (!w) {
        if (*place) {
            (*place)->context->use.on = false;
            (*place)->context->stale = true; /* so that it forgets the code it ran */
            destroy(v, *place);
        }
        w = *place = g_new0(struct window, 1);
        w->context = v->context;
        w->by_va = g_hash_table_new(NULL, NULL);
        w->by_host = g_hash_table_new(NULL, NULL);
        v->context->use.window = w;
    }
    w->last_use = ++v->tick;
    return w;
}

/* --- mappings --- */

static struct mapping *find(const struct window *w, u64 va, u64 size)
{
    return g_hash_table_lookup(w->by_va, key_of(va, size));
}

static struct mapping *find_host(const struct window *w, const u8 *host, u64 size)
{
    return g_hash_table_lookup(w->by_host, key_of(host_of(host), size));
}

static void enlist(struct window *w, struct mapping *m)
{
    m->next = find_host(w, m->host, m->size);
    g_hash_table_insert(w->by_host, key_of(host_of(m->host), m->size), m);
    g_hash_table_insert(w->by_va, key_of(m->va, m->size), m);
}

static void unlist(struct window *w, struct mapping *m)
{
    struct mapping *first = find_host(w, m->host, m->size), **at = &first;

    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    if (first)
        g_hash_table_insert(w->by_host, key_of(host_of(m->host), m->size), first);
    else
        g_hash_table_remove(w->by_host, key_of(host_of(m->host), m->size));
    g_hash_table_remove(w->by_va, key_of(m->va, m->size));
}

static u8 *place_of(const struct window *w, u64 va)
{
    for (u32 i = 0; i < w->areas; i++) {
        if (w->area[i].region == va >> TCG_WINDOW_SHIFT)
            return w->area[i].host + (va & (AREA_BYTES - 1));
    }
    return NULL;
}

static void unmap(struct tcg_vcpu *v, struct window *w, struct mapping *m)
{
    if (!m)
        return;
    if (!host_map_clear(place_of(w, m->va), m->size)) {
        /* A piece cannot be taken out while there are too many of them, but all can. */
        tcg_window_empty(v, w->context);
        return;
    }
    unlist(w, m);
    g_free(m);
    v->window_faults.unmaps++;
    __atomic_sub_fetch(&v->tcg->windows_state.mappings, 1, __ATOMIC_RELAXED);
}

static gboolean drop(void *key, void *value, void *opaque)
{
    (void)key;
    (void)opaque;
    g_free(value);
    return TRUE;
}

void tcg_window_empty(struct tcg_vcpu *v, struct context *context)
{
    struct window *w = context->use.window;
    u32 count = w ? g_hash_table_size(w->by_va) : 0;

    if (!count)
        return;
    for (u32 i = 0; i < w->areas; i++) {
        if (!host_map_clear(w->area[i].host, AREA_BYTES))
            g_error("the host does not take back %u mappings", count);
    }
    g_hash_table_remove_all(w->by_host);
    g_hash_table_foreach_remove(w->by_va, drop, NULL);
    v->window_faults.emptied++;
    __atomic_sub_fetch(&v->tcg->windows_state.mappings, count, __ATOMIC_RELAXED);
}

void tcg_window_drop_page(struct tcg_vcpu *v, struct context *context, u64 va)
{
    struct window *w = context->use.window;

    if (!w)
        return;
    unmap(v, w, find(w, va, 4096));
    unmap(v, w, find(w, va, LARGE));
}

static void drop_writes(struct tcg_vcpu *v, struct window *w, const u8 *host, u64 size)
{
    for (struct mapping *m = find_host(w, host, size); m;) {
        if (!m->write) {
            m = m->next;
            continue;
        }
        unmap(v, w, m);
        m = find_host(w, host, size);
    }
}

void tcg_window_drop_writes(struct tcg_vcpu *v, struct context *context, const u8 *host_page)
{
    struct window *w = context->use.window;

    if (!w)
        return;
    drop_writes(v, w, host_page, 4096);
    drop_writes(v, w, host_page, LARGE);
}

/* --- what may be mapped --- */

static bool may_map(const struct tcg_vcpu *v, u64 page, const struct mmu_page *what)
{
    return !what->uncached && what->read && !vm_has_watchpoint_in_page(v->vcpu->vm, page);
}

/*
 * Every page of the leaf may be. These walks set no A, which the access has set: to say so of a table that has code may be waited for outside, and
 * what was asked before would be older than that.
 */
static bool may_map_all(struct tcg_vcpu *v, u64 first, bool *write)
{
    for (u64 va = first; va < first + LARGE; va += 4096) {
        struct mmu_page page = { .kind = MMU_NO_KIND };

        v->vcpu->cpu->walk(v->vcpu, va, 1, MMU_READ, true, &page);
        if (page.fault || page.leaf_size < LARGE || !may_map(v, va, &page))
            return false;
        *write &= page.write;
    }
    return true;
}

/* All of a large leaf, if that is RAM without code. */
static bool find_large(struct tcg_vcpu *v, struct mapping *m, const struct walk *walk)
{
    u64 ahead = (m->va & (LARGE - 1)), physical = walk->page.physical - ahead;
    struct mapping large = { .va = m->va - ahead, .size = LARGE, .host = m->host - ahead, .write = m->write };
    struct mmu_page page = { .kind = MMU_NO_KIND };

    v->vcpu->cpu->walk(v->vcpu, m->va, 1, MMU_READ, true, &page);
    if (page.fault || page.leaf_size < LARGE || walk->ram_offset < ahead || host_of(large.host) % LARGE)
        return false;
    struct space_hit hit = space_lookup(vm_memory(v->vcpu->vm), physical);
    if (hit.ram != walk->ram || hit.left < LARGE || hit.ram_offset != walk->ram_offset - ahead || tcg_has_code(hit.ram, hit.ram_offset, LARGE))
        return false;
    if (!may_map_all(v, large.va, &large.write) || large.write != m->write)
        return false;
    *m = large;
    return true;
}

/* Takes out what lies there. */
static void make_room(struct tcg_vcpu *v, struct window *w, const struct mapping *m)
{
    unmap(v, w, find(w, m->va, LARGE));
    for (u64 va = m->va; va < m->va + m->size; va += 4096)
        unmap(v, w, find(w, va, 4096));
    if (__atomic_load_n(&v->tcg->windows_state.mappings, __ATOMIC_RELAXED) >= v->tcg->windows_state.limit)
        tcg_window_empty(v, w->context);
}

static bool put(struct tcg_vcpu *v, struct window *w, const struct mapping *m, int fd, u64 offset)
{
    unsigned access = HOST_MAP_READ | HOST_MAP_NOW | (m->write ? HOST_MAP_WRITE : 0);

    make_room(v, w, m);
    if (!host_map_file(fd, offset, m->size, access, place_of(w, m->va), NULL)) {
        tcg_window_empty(v, w->context);
        return false;
    }
    enlist(w, g_memdup2(m, sizeof(*m)));
    v->window_faults.maps++;
    __atomic_add_fetch(&v->tcg->windows_state.mappings, 1, __ATOMIC_RELAXED);
    return true;
}

static bool is_there(const struct mapping *m, bool write)
{
    return m && (m->write || !write);
}

bool tcg_window_map(struct tcg_vcpu *v, u64 va, bool write, const struct walk *walk)
{
    u64 page = va & ~UINT64_C(4095), offset;
    struct mapping m = { .va = page, .size = 4096, .host = walk->host };

    if (va >> USED_BITS || !walk->host || v->one_insn || !may_map(v, page, &walk->page) || !vm_ram_can_alias(walk->ram, &offset))
        return false;
    m.write = walk->page.write && walk->writable && !tcg_has_code(walk->ram, walk->ram_offset, 4096);
    if (write && !m.write)
        return false;
    struct window *w = window_of(v);
    if (!area_of(v, w, va))
        return false;
    if (is_there(find(w, page, 4096), write) || is_there(find(w, page, LARGE), write))
        return true; /* an access over the end of the page, and the next one was meant */
    find_large(v, &m, walk);
    return put(v, w, &m, walk->ram->fd, offset + walk->ram_offset - (page - m.va));
}
