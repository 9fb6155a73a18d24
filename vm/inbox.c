/* vm/inbox.c - completions and input from outside, delivered in order by the main loop. */
#include "vm/inbox.h"
#include "vm/internal.h"
#include <string.h>

struct letter {
    struct vm_object *owner;
    inbox_hook *hook;
    void *opaque;
    u32 size;
    u8 payload[] __attribute__((aligned(8))); /* hooks see it as a struct */
};

struct vm_inbox {
    struct host_lock lock;
    GQueue letters;
};

void inbox_post(struct vm *vm, struct vm_object *owner, inbox_hook *hook, void *opaque, const void *payload, u32 size)
{
    struct letter *letter = g_malloc(sizeof(*letter) + size);

    *letter = (struct letter){ .owner = owner, .hook = hook, .opaque = opaque, .size = size };
    if (size)
        memcpy(letter->payload, payload, size);
    host_lock_take(&vm->inbox->lock);
    bool first = g_queue_is_empty(&vm->inbox->letters);
    g_queue_push_tail(&vm->inbox->letters, letter);
    host_lock_drop(&vm->inbox->lock);
    if (first)
        vm_wake_main_loop(vm);
}

/* The first letter, or the first one with an owner. */
static struct letter *take(struct vm_inbox *inbox, bool owned)
{
    struct letter *letter = NULL;

    host_lock_take(&inbox->lock);
    for (GList *l = inbox->letters.head; l; l = l->next) {
        if (owned && !((struct letter *)l->data)->owner)
            continue;
        letter = l->data;
        g_queue_delete_link(&inbox->letters, l);
        break;
    }
    host_lock_drop(&inbox->lock);
    return letter;
}

static bool deliver_one(struct vm *vm, bool owned)
{
    struct letter *letter = take(vm->inbox, owned);

    if (!letter)
        return false;
    letter->hook(letter->opaque, letter->payload, letter->size);
    g_free(letter);
    return true;
}

static u32 count(struct vm_inbox *inbox)
{
    host_lock_take(&inbox->lock);
    u32 letters = g_queue_get_length(&inbox->letters);
    host_lock_drop(&inbox->lock);
    return letters;
}

/* What hooks post is for the next time: between, others have the machine lock. */
void vm_inbox_deliver(struct vm *vm)
{
    for (u32 left = count(vm->inbox); left && deliver_one(vm, false); left--)
        ;
    if (count(vm->inbox))
        vm_wake_main_loop(vm);
}

void vm_inbox_deliver_owned(struct vm *vm)
{
    while (deliver_one(vm, true))
        ;
}

void inbox_forget(struct vm *vm, struct vm_object *owner, inbox_hook *hook)
{
    if (!vm->inbox)
        return;
    host_lock_take(&vm->inbox->lock);
    for (GList *l = vm->inbox->letters.head, *next; l; l = next) {
        const struct letter *letter = l->data;

        next = l->next;
        if (letter->owner != owner || (hook && letter->hook != hook))
            continue;
        g_free(l->data);
        g_queue_delete_link(&vm->inbox->letters, l);
    }
    host_lock_drop(&vm->inbox->lock);
}

void vm_inbox_init(struct vm *vm)
{
    vm->inbox = g_new0(struct vm_inbox, 1);
    host_lock_init(&vm->inbox->lock, LOCK_RANK_INBOX);
    g_queue_init(&vm->inbox->letters);
}

void vm_inbox_finish(struct vm *vm)
{
    g_queue_clear_full(&vm->inbox->letters, g_free);
    host_lock_finish(&vm->inbox->lock);
    g_clear_pointer(&vm->inbox, g_free);
}
