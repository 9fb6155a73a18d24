/* vm/line.c - wires. */
#include "vm/line.h"
#include "vm/internal.h"
#include <stddef.h>

void line_init(struct line *line, struct vm_object *owner, const char *name, u32 number, line_hook *hook, void *opaque)
{
    *line = (struct line){ .hook = hook, .opaque = opaque, .number = number, .owner = owner, .name = name };
    if (owner && !g_ptr_array_find(owner->vm->lines, line, NULL))
        g_ptr_array_add(owner->vm->lines, line);
}

bool line_is_lockless(const struct line *line)
{
    return !line || ((line->lockless || !line->hook) && !line->tap);
}

/* The tap hears changes only. */
static void tell(struct line *line, u32 level, bool changed)
{
    if (line->tap && changed)
        line->tap(line->tap_opaque, line->number, level);
    if (line->hook)
        line->hook(line->opaque, line->number, level);
}

void line_set(struct line *line, u32 level)
{
    if (line && __atomic_exchange_n(&line->level, level, __ATOMIC_ACQ_REL) != level)
        tell(line, level, true);
}

void line_repeat(struct line *line, u32 level)
{
    if (line)
        tell(line, level, __atomic_exchange_n(&line->level, level, __ATOMIC_ACQ_REL) != level);
}

void line_pulse(struct line *line)
{
    if (!line)
        return;
    tell(line, 1, true);
    tell(line, 0, true);
}

void line_keeper_init(struct line_keeper *keeper, enum lock_rank rank)
{
    host_lock_init(&keeper->lock, rank);
    keeper->requests = 0;
}

void line_keeper_finish(struct line_keeper *keeper)
{
    host_lock_finish(&keeper->lock);
}

void line_keeper_show(struct line_keeper *keeper, bool lockless, void (*show)(void *opaque), void *opaque)
{
    if (!lockless) {
        line_update(&keeper->requests, show, opaque);
        return;
    }
    host_lock_take(&keeper->lock);
    show(opaque);
    host_lock_drop(&keeper->lock);
}

void line_foreach(struct vm *vm, const struct vm_object *owner, void (*fn)(struct line *line, void *opaque), void *opaque)
{
    for (guint i = 0; i < vm->lines->len; i++) {
        struct line *line = g_ptr_array_index(vm->lines, i);

        if (!owner || line->owner == owner)
            fn(line, opaque);
    }
}

bool line_is_known(struct vm *vm, const struct line *line)
{
    return g_ptr_array_find(vm->lines, line, NULL);
}

void line_forget(struct vm *vm, const struct vm_object *owner)
{
    for (guint i = vm->lines->len; i-- > 0;) {
        if (((struct line *)g_ptr_array_index(vm->lines, i))->owner == owner)
            g_ptr_array_remove_index(vm->lines, i);
    }
}
