/* host/alarm_linux.c - alarms by POSIX timers that signal one thread. */
#include "host/alarm.h"
#include "base/error.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct host_alarm {
    timer_t timer;
};

static int alarm_signal(void)
{
    return SIGRTMIN + 3;
}

static void went_off(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (info->si_code == SI_TIMER)
        __atomic_store_n((u32 *)info->si_value.sival_ptr, 1, __ATOMIC_RELEASE);
}

struct host_alarm *host_alarm_create(u32 *flag, GError **error)
{
    struct host_alarm *alarm = g_new0(struct host_alarm, 1);
    struct sigaction action = { .sa_sigaction = went_off, .sa_flags = SA_SIGINFO | SA_RESTART };
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID };
    sigset_t set;

    sigaction(alarm_signal(), &action, NULL);
    event.sigev_signo = alarm_signal();
    event.sigev_value.sival_ptr = flag;
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    if (timer_create(CLOCK_MONOTONIC, &event, &alarm->timer)) {
        error_set(error, "cannot create a host timer: %s", strerror(errno));
        g_free(alarm);
        return NULL;
    }
    sigemptyset(&set);
    sigaddset(&set, alarm_signal());
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return alarm;
}

void host_alarm_destroy(struct host_alarm *alarm)
{
    if (!alarm)
        return;
    timer_delete(alarm->timer);
    g_free(alarm);
}

void host_alarm_set(struct host_alarm *alarm, s64 deadline)
{
    struct itimerspec when = { 0 };

    if (deadline != INT64_MAX) {
        deadline = deadline < 1 ? 1 : deadline;
        when.it_value.tv_sec = deadline / 1000000000;
        when.it_value.tv_nsec = deadline % 1000000000;
    }
    timer_settime(alarm->timer, TIMER_ABSTIME, &when, NULL);
}
