/* tests/unit/inbox.c - letters to the machine: in order, and not all that come of them in one go. */
#include "vm/inbox.h"
#include "vm/internal.h"

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/inbox/answers-wait", answers_wait);
    return g_test_run();
}
