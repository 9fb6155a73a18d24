/* tests/unit/inbox.c - letters to the machine: in order, and not all that come of them in one go. */
#include "vm/inbox.h"
#include "vm/internal.h"
#include "vm/rng.h"

struct clerk {
    struct vm *vm;
    char read[16];
    u32 count, answers; /* letters that the next ones are answered with */
};

static void note(void *opaque, const void *payload, u32 size)
{
    struct clerk *clerk = opaque;

    g_assert_cmpuint(size, ==, 1);
    clerk->read[clerk->count++] = *(const char *)payload;
    if (!clerk->answers)
        return;
    clerk->answers--;
    inbox_post(clerk->vm, NULL, note, clerk, "a", 1);
}

/* A hook that has more to do posts to itself, so that others have the machine lock between. */
static void answers_wait(void)
{
    struct clerk clerk = { .vm = vm_create(VM_GUEST_RISCV64, NULL), .answers = 4 };

    vm_lock(clerk.vm);
    inbox_post(clerk.vm, NULL, note, &clerk, "1", 1);
    inbox_post(clerk.vm, NULL, note, &clerk, "2", 1);
    vm_inbox_deliver(clerk.vm);
    g_assert_cmpstr(clerk.read, ==, "12");
    vm_inbox_deliver(clerk.vm);
    g_assert_cmpstr(clerk.read, ==, "12aa");
    vm_inbox_deliver(clerk.vm);
    vm_inbox_deliver(clerk.vm);
    g_assert_cmpstr(clerk.read, ==, "12aaaa");
    vm_unlock(clerk.vm);
    vm_destroy(clerk.vm);
}

static void count_bytes(void *opaque, const void *payload, u32 size)
{
    *(u32 *)opaque += size;
}

/* Who forgets what it asked for still gets its other letters: a queue of a device waits for one that tells it to go on. */
static void other_letters_stay(void)
{
    struct vm *vm = vm_create(VM_GUEST_RISCV64, NULL);
    struct vm_object *source, *owner;
    struct clerk clerk = { .vm = vm };
    u32 bytes = 0;

    vm_lock(vm);
    source = vm_object_create(vm, "rng-builtin", vm_root(vm), "source", NULL);
    owner = vm_object_create(vm, "container", vm_root(vm), "owner", NULL);
    g_assert_true(vm_object_realize(source, NULL));
    inbox_post(vm, owner, note, &clerk, "1", 1);
    rng_request(source, 16, owner, count_bytes, &bytes);
    rng_forget(source, owner, count_bytes);
    vm_inbox_deliver(vm);
    g_assert_cmpstr(clerk.read, ==, "1");
    g_assert_cmpuint(bytes, ==, 0);
    inbox_post(vm, owner, note, &clerk, "2", 1);
    vm_object_destroy(owner);
    vm_inbox_deliver(vm);
    g_assert_cmpstr(clerk.read, ==, "1");
    vm_unlock(vm);
    vm_destroy(vm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/inbox/answers-wait", answers_wait);
    g_test_add_func("/inbox/other-letters-stay", other_letters_stay);
    return g_test_run();
}
