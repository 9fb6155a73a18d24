/* vm/memory_text.c - the map of memory as text, for people: trees of regions, or flat pieces (info mtree). */
#include "vm/internal.h"
#include "vm/view.h"
#include <inttypes.h>
#include <string.h>

enum { MAX_DEPTH = 16 }; /* as the rendering of views */

struct text {
    GString *out;
    u32 what;
    GPtrArray *seen; /* roots of trees: of spaces, and what aliases show a part of */
};

/* What lies behind an alias, in the end. */
static const struct region *behind(const struct region *region)
{
    for (unsigned depth = 0; region->kind == REGION_ALIAS && depth < MAX_DEPTH; depth++)
        region = region->alias;
    return region;
}

static const char *kind_name(const struct region *region)
{
    static const char *const names[] = { "container", "ram", "rom", "i/o", "container" };

    region = behind(region);
    return region->kind == REGION_MMIO && region->ram ? "romd" : names[region->kind];
}

static void say_owner(struct text *t, const struct region *region)
{
    const struct vm_object *owner = region->owner;

    if (!(t->what & MEMORY_TEXT_OWNERS) || !owner)
        return;
    const char *kind = vm_object_is_a(owner, "device") ? "dev" : "obj";
    g_autofree char *path = vm_object_path(owner);
    if (owner->parent && owner->parent->name && !strcmp(owner->parent->name, "peripheral"))
        g_string_append_printf(t->out, " owner:{%s id=%s}", kind, owner->name);
    else
        g_string_append_printf(t->out, " owner:{%s path=%s}", kind, path);
}

static void say_range(struct text *t, unsigned indent, u64 first, u64 last, const struct region *region)
{
    g_string_append_printf(t->out, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): ", (int)indent, "", first, last, region->priority,
                           kind_name(region));
}

static void remember_root(struct text *t, struct region *region)
{
    while (region->container)
        region = region->container;
    if (!g_ptr_array_find(t->seen, region, NULL))
        g_ptr_array_add(t->seen, region);
}

static gint by_address(gconstpointer a, gconstpointer b)
{
    const struct region *x = *(const struct region *const *)a, *y = *(const struct region *const *)b;

    return x->address < y->address ? -1 : x->address > y->address;
}

static void say_tree(struct text *t, struct region *region, u64 base, unsigned depth)
{
    u64 size_less_one = region->size - 1; /* 0 means 2^64 */

    if (!region->enabled && !(t->what & MEMORY_TEXT_DISABLED))
        return;
    say_range(t, depth * 2, base, base + size_less_one, region);
    if (region->kind == REGION_ALIAS) {
        g_string_append_printf(t->out, "alias %s @%s %016" PRIx64 "-%016" PRIx64, region->name, region->alias->name,
                               region->alias_offset, region->alias_offset + size_less_one);
        remember_root(t, region->alias);
    } else {
        g_string_append(t->out, region->name);
    }
    if (!region->enabled)
        g_string_append(t->out, " [disabled]");
    say_owner(t, region);
    g_string_append_c(t->out, '\n');
    g_autoptr(GPtrArray) sorted = g_ptr_array_copy(region->children, NULL, NULL);
    g_ptr_array_sort(sorted, by_address);
    for (guint i = 0; i < sorted->len; i++) {
        struct region *child = g_ptr_array_index(sorted, i);

        say_tree(t, child, base + child->address, depth + 1);
    }
}

static void say_trees(struct text *t, struct vm *vm)
{
    for (guint i = 0; i < vm->spaces->len; i++) {
        struct space *space = g_ptr_array_index(vm->spaces, i);

        g_string_append_printf(t->out, "address-space: %s\n", space->name);
        g_ptr_array_add(t->seen, space->root);
        say_tree(t, space->root, 0, 1);
        g_string_append_c(t->out, '\n');
    }
    /* Grows while it is walked: what aliases show may hold aliases (bridges behind bridges). */
    for (guint i = vm->spaces->len; i < t->seen->len; i++) {
        struct region *root = g_ptr_array_index(t->seen, i);

        g_string_append_printf(t->out, "memory-region: %s\n", root->name);
        say_tree(t, root, 0, 1);
        g_string_append_c(t->out, '\n');
    }
}

/* What an access of a piece comes to, once it is found. */
static void say_dispatch(struct text *t, const struct flat_view *view)
{
    g_string_append_printf(t->out, "  Dispatch\n    %u sorted pieces, found by bisection\n", view->count);
    for (u32 i = 0; i < view->count; i++) {
        const struct flat_piece *piece = &view->piece[i];
        const struct region_ops *ops = piece->region->kind == REGION_MMIO ? piece->region->ops : NULL;

        g_string_append_printf(t->out, "      #%u @%016" PRIx64 "..%016" PRIx64 " %s", i, piece->first, piece->last, piece->region->name);
        if (piece->ram)
            g_string_append_printf(t->out, " [memory %s+%" PRIx64 "%s]", piece->ram->name, piece->ram_offset, piece->writable ? "" : ", reads");
        if (ops)
            g_string_append_printf(t->out, " [calls%s%s]", ops->lockless ? ", no lock" : "", piece->messages ? ", messages" : "");
        g_string_append_c(t->out, '\n');
    }
}

static void say_flat(struct text *t, const struct space *space, guint number)
{
    const struct flat_view *view = space->view;

    g_string_append_printf(t->out, "FlatView #%u\n AS \"%s\", root: %s\n Root memory region: %s\n", number, space->name, space->root->name,
                           space->root->name);
    if (!view->count)
        g_string_append(t->out, "  No rendered FlatView\n");
    for (u32 i = 0; i < view->count; i++) {
        const struct flat_piece *piece = &view->piece[i];

        say_range(t, 2, piece->first, piece->last, piece->region);
        g_string_append(t->out, piece->region->name);
        if (piece->offset)
            g_string_append_printf(t->out, " @%016" PRIx64, piece->offset);
        say_owner(t, piece->region);
        g_string_append_c(t->out, '\n');
    }
    if (view->count && (t->what & MEMORY_TEXT_DISPATCH))
        say_dispatch(t, view);
    g_string_append_c(t->out, '\n');
}

char *vm_memory_text(struct vm *vm, u32 what)
{
    g_autoptr(GPtrArray) seen = g_ptr_array_new();
    struct text text = { g_string_new(NULL), what, seen };

    if (what & MEMORY_TEXT_FLAT)
        for (guint i = 0; i < vm->spaces->len; i++)
            say_flat(&text, g_ptr_array_index(vm->spaces, i), i);
    else
        say_trees(&text, vm);
    return g_string_free(text.out, FALSE);
}
