/* tests/unit/terminal.c - the terminal's mode is back after any death of the process that made it
 * raw. */
#include "host/terminal.h"
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
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

static void test_death(gconstpointer data)
{
    const struct death *death = data;
    int master, slave, status;
    struct termios mode;

    g_assert_cmpint(openpty(&master, &slave, NULL, NULL, NULL), ==, 0);
    tcgetattr(slave, &mode);
    g_assert_true(is_cooked(slave));
    pid_t pid = fork();
    if (pid == 0) {
        close(master);
        login_tty(slave);
        child(death);
    }
    wait_for_mode(slave, false);
    g_usleep(20000); /* raw_now is set just after the mode */
    if (death->from_inside)
        g_assert_cmpint(write(master, "x", 1), ==, 1);
    else
        kill(pid, death->signal);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    if (death->signal)
        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == death->signal);
    else
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    if (death->signal == SIGKILL)
        wait_for_mode(slave, true); /* by the guard, a moment later */
    g_assert_true(is_cooked(slave));
    close(master);
    close(slave);
}

/* A mode set by somebody else after our death (a shell's line editor) is not touched by the guard.
 */
static void test_guard_is_careful(void)
{
    static const struct death kill_it = {"kill", SIGKILL, false};
    int master, slave, status;
    struct termios mode, other;

    g_assert_cmpint(openpty(&master, &slave, NULL, NULL, NULL), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(master);
        login_tty(slave);
        child(&kill_it);
    }
    wait_for_mode(slave, false);
    tcgetattr(slave, &mode);
    mode.c_lflag ^= NOFLSH;
    tcsetattr(slave, TCSANOW, &mode);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    g_usleep(100000);
    tcgetattr(slave, &other);
    g_assert_cmpuint(other.c_lflag, ==, mode.c_lflag);
    close(master);
    close(slave);
}

/* Ctrl-Z and fg: the shell puts its mode back meanwhile, and it comes back with us. */
static void test_stop_and_continue(void)
{
    static const struct death end = { "term", SIGTERM, false };
    int master, slave, status;
    struct termios cooked;

    g_assert_cmpint(openpty(&master, &slave, NULL, NULL, NULL), ==, 0);
    tcgetattr(slave, &cooked);
    pid_t pid = fork();
    if (pid == 0) {
        close(master);
        login_tty(slave);
        child(&end);
    }
    wait_for_mode(slave, false);
    kill(pid, SIGSTOP);
    g_assert_cmpint(waitpid(pid, &status, WUNTRACED), ==, pid);
    tcsetattr(slave, TCSANOW, &cooked);
    kill(pid, SIGCONT);
    wait_for_mode(slave, false);
    kill(pid, SIGTERM);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(is_cooked(slave));
    close(master);
    close(slave);
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
    return g_test_run();
}
