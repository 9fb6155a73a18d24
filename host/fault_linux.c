/* host/fault_linux.c - faults of generated code, by SIGSEGV and SIGBUS. */
#include "host/fault.h"
#include "base/error.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

enum { MAX_WATCHES = 64 };

/* A process has one handler for each signal; on the allow-list of scripts/static-data-allowed. */
static struct {
    const struct host_fault_watch *watch[MAX_WATCHES]; /* atomic */
    struct sigaction before_segv, before_bus;
    gsize installed;
} fault_record;

#ifdef __x86_64__
static const void *where_to_go(const u8 *at, u8 *base)
{
    for (unsigned i = 0; i < MAX_WATCHES; i++) {
        const struct host_fault_watch *watch = __atomic_load_n(&fault_record.watch[i], __ATOMIC_ACQUIRE);

        if (watch && at >= watch->start && at < watch->start + watch->size)
            return watch->go_on(watch->opaque, at, base);
    }
    return NULL;
}

/* What would have happened without us. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    const struct sigaction *before = number == SIGSEGV ? &fault_record.before_segv : &fault_record.before_bus;

    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(number, info, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(number);
    else
        signal(number, SIG_DFL); /* it faults again */
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const void *to = where_to_go((const u8 *)(uintptr_t)regs[REG_RIP], (u8 *)(uintptr_t)regs[REG_RBP]);

    if (to)
        regs[REG_RIP] = (greg_t)(uintptr_t)to;
    else
        pass_on(number, info, context);
}

static bool install(GError **error)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

    if (g_once_init_enter(&fault_record.installed)) {
        bool ok = !sigaction(SIGSEGV, &action, &fault_record.before_segv) && !sigaction(SIGBUS, &action, &fault_record.before_bus);

        g_once_init_leave(&fault_record.installed, ok ? 1 : 2);
    }
    return fault_record.installed == 1 || error_set(error, "cannot handle faults: %s", strerror(errno));
}
#else
static bool install(GError **error)
{
    return error_set(error, "faults of generated code are not handled on this host");
}
#endif

bool host_fault_watch(const struct host_fault_watch *watch, GError **error)
{
    if (!install(error))
        return false;
    for (unsigned i = 0; i < MAX_WATCHES; i++) {
        const struct host_fault_watch *none = NULL;

        if (__atomic_compare_exchange_n(&fault_record.watch[i], &none, watch, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return true;
    }
    return error_set(error, "faults of %u pieces of generated code are handled already", MAX_WATCHES);
}

void host_fault_forget(const struct host_fault_watch *watch)
{
    for (unsigned i = 0; i < MAX_WATCHES; i++) {
        const struct host_fault_watch *it = watch;

        __atomic_compare_exchange_n(&fault_record.watch[i], &it, NULL, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
}
