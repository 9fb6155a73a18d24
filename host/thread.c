/* host/thread.c - threads, and the alarm that interrupts one. */
#include "host/thread.h"
#include "base/error.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool host_thread_start(struct host_thread *thread, const char *name, void *(*run)(void *), void *arg, GError **error)
{
    sigset_t all, before;

    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGTRAP);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&thread->id, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status)
        return error_set(error, "cannot start thread '%s': %s", name, strerror(status));
    char shown[16];
    g_strlcpy(shown, name, sizeof(shown));
    pthread_setname_np(thread->id, shown);
    thread->running = true;
    return true;
}

void *host_thread_join(struct host_thread *thread)
{
    void *result = NULL;

    if (thread->running)
        pthread_join(thread->id, &result);
    thread->running = false;
    return result;
}

u64 host_thread_id(void)
{
    return (u64)syscall(SYS_gettid);
}
