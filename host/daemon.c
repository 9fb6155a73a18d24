/* host/daemon.c - -daemonize on POSIX hosts. */
#include "host/daemon.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct host_daemon {
    int ready; /* writing one byte here releases the parent */
};

static void wait_for_child(int pipe_end, pid_t child)
{
    char byte;
    ssize_t got;

    do {
        got = read(pipe_end, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1)
        waitpid(child, NULL, 0); /* it has said why */
    _exit(got == 1 ? 0 : 1);
}

struct host_daemon *host_daemon_fork(GError **error)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC)) {
        error_set(error, "cannot go to the background: %s", strerror(errno));
        return NULL;
    }
    pid_t child = fork();
    if (child < 0) {
        error_set(error, "cannot go to the background: %s", strerror(errno));
        return NULL;
    }
    if (child) {
        close(ends[1]);
        wait_for_child(ends[0], child);
    }
    close(ends[0]);
    setsid();
    struct host_daemon *daemon = g_new(struct host_daemon, 1);
    daemon->ready = ends[1];
    return daemon;
}

void host_daemon_ready(struct host_daemon *daemon)
{
    int null = daemon ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;

    if (!daemon)
        return;
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    if (chdir("/") || write(daemon->ready, "", 1) != 1)
        _exit(1);
    close(daemon->ready);
    daemon->ready = -1;
}

void host_daemon_free(struct host_daemon *daemon)
{
    g_free(daemon);
}
