/* vm/line.c - wires. */
#include "vm/line.h"
#include <stddef.h>

void line_init(struct line *line, struct vm_object *owner, const char *name, u32 number, line_hook *hook, void *opaque)
{
    *line = (struct line){ .hook = hook, .opaque = opaque, .number = number, .owner = owner, .name = name };
}

void line_set(struct line *line, u32 level)
{
    if (!line || __atomic_exchange_n(&line->level, level, __ATOMIC_ACQ_REL) == level)
        return;
    if (line->tap)
        line->tap(line->tap_opaque, line->number, level);
    if (line->hook)
        line->hook(line->opaque, line->number, level);
}

void line_pulse(struct line *line)
{
    line_set(line, 1);
    line_set(line, 0);
}
