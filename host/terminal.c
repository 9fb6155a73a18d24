/* host/terminal.c - raw terminal, its restoration, and the guard process that outlives us. */
#include "host/terminal.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/*
 * Allowed file-scope data (scripts/check-data): signal handlers and atexit() have no argument to
 * find the terminal by, and a process has one terminal.
 */
static struct {
    volatile sig_atomic_t wanted, raw_now; /* in the background we want it, but do not set it */
    bool prepared;
    int fd;
    struct termios saved, raw;
    int guard_pipe;
    pid_t guard;
} terminal_record = {.fd = -1, .guard_pipe = -1};

static bool same_mode(const struct termios *a, const struct termios *b)
{
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_lflag == b->c_lflag;
}

/* The guard: sleeps until the pipe's other end is gone. A byte means that all is restored. */
static void guard_main(int terminal, int pipe_fd)
{
    struct termios now;
    char byte;
    ssize_t n;

    setsid(); /* not in reach of the terminal's signals, nor stopped by TTOU */
    prctl(PR_SET_NAME, "mynah-terminal");
    for (int signal_number = 1; signal_number < 32; signal_number++)
        signal(signal_number, SIG_IGN);
    dup2(terminal, 0);
    dup2(pipe_fd, 1);
    close_range(2, ~0u, 0);
    if (chdir("/") < 0)
        _exit(1);
    do {
        n = read(1, &byte, 1);
    } while (n < 0 && errno == EINTR);
    /* A shell may be editing its next line already: touch only the mode that we set. */
    if (n == 0 && tcgetattr(0, &now) == 0 && same_mode(&now, &terminal_record.raw))
        tcsetattr(0, TCSANOW, &terminal_record.saved);
    _exit(0);
}

static void start_guard(void)
{
    int ends[2];

    if (terminal_record.guard_pipe >= 0 || pipe2(ends, O_CLOEXEC) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0)
        guard_main(terminal_record.fd, ends[0]);
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return;
    }
    terminal_record.guard = pid;
    terminal_record.guard_pipe = ends[1];
}

static void dismiss_guard(void)
{
    int fd = terminal_record.guard_pipe;

    if (fd < 0)
        return;
    terminal_record.guard_pipe = -1;
    while (write(fd, "q", 1) < 0 && errno == EINTR)
        ;
    close(fd);
    while (waitpid(terminal_record.guard, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* A terminal that does not control our session knows no background (it fails with ENOTTY). */
static bool in_foreground(void)
{
    pid_t group = tcgetpgrp(terminal_record.fd);

    return group < 0 || group == getpgrp();
}

static void restore_mode(void)
{
    sigset_t block, before;

    terminal_record.wanted = 0;
    if (!terminal_record.raw_now)
        return;
    terminal_record.raw_now = 0;
    sigemptyset(&block); /* in the background: set it all the same, do not stop */
    sigaddset(&block, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &block, &before);
    tcsetattr(terminal_record.fd, TCSANOW, &terminal_record.saved);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void host_terminal_restore(void)
{
    restore_mode();
}

static void restore_at_exit(void)
{
    restore_mode();
    dismiss_guard();
}

static void on_fatal_signal(int number)
{
    int saved_errno = errno;

    restore_mode();
    signal(number, SIG_DFL);
    raise(number); /* delivered when this handler returns */
    errno = saved_errno;
}

/* Only in the foreground: elsewhere the terminal is somebody else's. */
static bool set_raw_now(void)
{
    if (!in_foreground())
        return true;
    terminal_record.raw_now = 1;
    return tcsetattr(terminal_record.fd, TCSANOW, &terminal_record.raw) == 0;
}

/* After Ctrl-Z and fg the shell has put its own mode back. */
static void on_continue(int number)
{
    int saved_errno = errno;

    (void)number;
    if (terminal_record.wanted)
        set_raw_now();
    errno = saved_errno;
}

static void handle_if_default(int number, void (*handler)(int))
{
    struct sigaction now, action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    if (sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
        now.sa_handler == SIG_DFL)
        sigaction(number, &action, NULL);
}

static void handle_signals(void)
{
    static const int fatal[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL,  SIGTRAP, SIGABRT,
                                SIGBUS, SIGFPE, SIGSEGV, SIGTERM, SIGXCPU, SIGSYS};

    for (unsigned i = 0; i < ARRAY_SIZE(fatal); i++)
        handle_if_default(fatal[i], on_fatal_signal);
    handle_if_default(SIGCONT, on_continue);
}

static struct termios raw_mode(struct termios mode, bool keep_signals)
{
    mode.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    mode.c_oflag |= OPOST;
    mode.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!keep_signals)
        mode.c_lflag &= ~ISIG;
    mode.c_cflag &= ~(CSIZE | PARENB);
    mode.c_cflag |= CS8;
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    return mode;
}

bool host_terminal_set_raw(int fd, bool keep_signals, GError **error)
{
    if (!terminal_record.prepared) {
        if (tcgetattr(fd, &terminal_record.saved) < 0)
            return error_set(error, "cannot read the terminal's mode: %s", strerror(errno));
        terminal_record.fd = fd;
        terminal_record.prepared = true;
        atexit(restore_at_exit);
        handle_signals();
    }
    terminal_record.raw = raw_mode(terminal_record.saved, keep_signals);
    /* The guard copies the raw mode as it is at fork; a changed mode needs a new guard. */
    dismiss_guard();
    start_guard();
    terminal_record.wanted = 1;
    if (!set_raw_now())
        return error_set(error, "cannot set the terminal's mode: %s", strerror(errno));
    return true;
}
