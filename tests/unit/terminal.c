/* tests/unit/terminal.c - the terminal's mode is back after any death of the process that made it
 * raw. */
#include "host/terminal.h"
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

struct death {
    const char *name;
    int signal; /* 0: exit() */
    bool from_inside;
    volatile int *nowhere; /* unmapped; not NULL, which UBSan would report instead */
};

static const struct death deaths[] = {
    {"exit", 0, true},        {"abort", SIGABRT, true}, {"fault", SIGSEGV, true, (volatile int *)16},
    {"segv", SIGSEGV, false}, {"term", SIGTERM, false}, {"int", SIGINT, false},
    {"hup", SIGHUP, false},   {"kill", SIGKILL, false}, {"quit", SIGQUIT, false},
};

static bool is_cooked(int fd)
{
    struct termios mode;

    g_assert_cmpint(tcgetattr(fd, &mode), ==, 0);
    return (mode.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG) &&
           (mode.c_iflag & ICRNL);
}

static void wait_for_mode(int fd, bool cooked)
{
    gint64 deadline = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (is_cooked(fd) != cooked) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_usleep(1000);
    }
}

static G_GNUC_NORETURN void child(const struct death *death)
{
    char byte;

    for (unsigned i = 0; i < G_N_ELEMENTS(deaths); i++) /* make check may run under nohup, or behind a shell's & */
        if (deaths[i].signal)
            signal(deaths[i].signal, SIG_DFL);
    if (!host_terminal_set_raw(0, false, NULL))
        _exit(99);
    if (read(0, &byte, 1) != 1)
        _exit(98);
    if (death->signal == SIGSEGV)
        *death->nowhere = 1;
    else if (death->signal)
        abort();
    exit(7);
}

struct session {
    int master, slave;
    pid_t shell, program; /* both our children */
};

/*
 * A terminal with a program in the foreground, and a leader of the session that outlives it: the leader's death would hang the
 * terminal up.
 */
static struct session start_session(const struct death *death)
{
    struct session session;
    int report[2];

    g_assert_cmpint(openpty(&session.master, &session.slave, NULL, NULL, NULL), ==, 0);
    g_assert_true(is_cooked(session.slave));
    g_assert_cmpint(pipe(report), ==, 0);
    session.shell = fork();
    if (session.shell == 0) {
        close(session.master);
        login_tty(session.slave);
        pid_t program = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (program == 0)
            child(death);
        if (write(report[1], &program, sizeof(program)) != sizeof(program))
            _exit(97);
        for (;;)
            pause();
    }
    g_assert_cmpint(read(report[0], &session.program, sizeof(pid_t)), ==, sizeof(pid_t));
    close(report[0]);
    close(report[1]);
    wait_for_mode(session.slave, false);
    return session;
}

static void end_session(struct session *session)
{
    kill(session->shell, SIGKILL);
    waitpid(session->shell, NULL, 0);
    close(session->master);
    close(session->slave);
}

/* Types a key now and then: one that arrives while the line discipline changes its mode may stay in the line buffer for ever. */
static int wait_for_death(pid_t pid, int typed_into)
{
    gint64 deadline = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    int status;

    while (waitpid(pid, &status, WNOHANG) != pid) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        if (typed_into >= 0)
            g_assert_cmpint(write(typed_into, "x", 1), ==, 1);
        g_usleep(5000);
    }
    return status;
}

static void test_death(gconstpointer data)
{
    const struct death *death = data;
    struct session session = start_session(death);

    if (!death->from_inside)
        kill(session.program, death->signal);
    int status = wait_for_death(session.program, death->from_inside ? session.master : -1);
    if (death->signal)
        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == death->signal);
    else
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    if (death->signal == SIGKILL)
        wait_for_mode(session.slave, true); /* by the guard, a moment later */
    g_assert_true(is_cooked(session.slave));
    end_session(&session);
}

/* A program that was given a terminal which controls no session (a test harness, a container) may use it as one in the foreground. */
static void test_no_controlling_terminal(void)
{
    static const struct death terminated = { "term", SIGTERM, false };
    int master, slave;

    g_assert_cmpint(openpty(&master, &slave, NULL, NULL, NULL), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        dup2(slave, 0);
        child(&terminated);
    }
    wait_for_mode(slave, false);
    kill(pid, SIGTERM);
    int status = wait_for_death(pid, -1);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    g_assert_true(is_cooked(slave));
    close(master);
    close(slave);
}

/* A mode set by somebody else after our death (a shell's line editor) is not touched by the guard. */
static void test_guard_is_careful(void)
{
    static const struct death kill_it = { "kill", SIGKILL, false };
    struct session session = start_session(&kill_it);
    struct termios mode, other;

    tcgetattr(session.slave, &mode);
    mode.c_lflag ^= NOFLSH;
    tcsetattr(session.slave, TCSANOW, &mode);
    kill(session.program, SIGKILL);
    wait_for_death(session.program, -1);
    g_usleep(100000);
    tcgetattr(session.slave, &other);
    g_assert_cmpuint(other.c_lflag, ==, mode.c_lflag);
    end_session(&session);
}

/* Ctrl-Z and fg: the shell puts its mode back meanwhile, and it comes back with us. */
static void test_stop_and_continue(void)
{
    static const struct death end = { "term", SIGTERM, false };
    struct session session = start_session(&end);
    struct termios cooked = {0};
    int status;

    tcgetattr(session.slave, &cooked);
    cooked.c_lflag |= ICANON | ECHO | ISIG;
    cooked.c_iflag |= ICRNL;
    kill(session.program, SIGSTOP);
    g_assert_cmpint(waitpid(session.program, &status, WUNTRACED), ==, session.program);
    tcsetattr(session.slave, TCSANOW, &cooked);
    kill(session.program, SIGCONT);
    wait_for_mode(session.slave, false);
    kill(session.program, SIGTERM);
    wait_for_death(session.program, -1);
    g_assert_true(is_cooked(session.slave));
    end_session(&session);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(deaths); i++) {
        g_autofree char *path = g_strconcat("/terminal/", deaths[i].name, NULL);
        g_test_add_data_func(path, &deaths[i], test_death);
    }
    g_test_add_func("/terminal/guard-is-careful", test_guard_is_careful);
    g_test_add_func("/terminal/stop-and-continue", test_stop_and_continue);
    g_test_add_func("/terminal/no-controlling-terminal", test_no_controlling_terminal);
    return g_test_run();
}
