/* gdbstub/run.c - stop and go: ? c C s S vCont H T D k. */
#include "gdbstub/internal.h"
#include <string.h>

enum { SIGNAL_INT = 2, SIGNAL_TRAP = 5, ALL = -1, ANY = -2 };

static bool parse_id(const char **text, s64 *id)
{
    u64 value;

    if (g_str_has_prefix(*text, "-1")) {
        *text += 2;
        *id = ALL;
        return true;
    }
    if (!gdb_hex_number(text, &value))
        return false;
    *id = value == 0 ? ANY : (s64)MIN(value - 1, G_MAXINT64);
    return true;
}

bool gdb_parse_thread(const char **text, s64 *thread)
{
    s64 process;

    if (**text != 'p')
        return parse_id(text, thread);
    ++*text;
    if (!parse_id(text, &process))
        return false;
    *thread = ALL;
    if (**text != '.')
        return true;
    ++*text;
    return parse_id(text, thread);
}

bool gdb_thread_valid(const struct gdb_server *server, s64 thread)
{
    return thread >= 0 && thread < server->ops->thread_count(server->target);
}

void gdb_append_stop(struct gdb_server *server)
{
    static const char *const names[] = {
        [VM_WATCH_READ] = "rwatch", [VM_WATCH_WRITE] = "watch", [VM_WATCH_ACCESS] = "awatch"};
    const struct gdb_stop *stop = &server->stop;
    unsigned signal = stop->kind == GDB_STOP_INTERRUPT ? SIGNAL_INT : SIGNAL_TRAP;

    if (server->exited) {
        gdb_reply(server, "W%02x", server->status);
        return;
    }
    gdb_reply(server, "T%02xthread:%02x;", signal, stop->thread + 1);
    if (stop->kind == GDB_STOP_WATCHPOINT && stop->watch < ARRAY_SIZE(names) && names[stop->watch])
        gdb_reply(server, "%s:%" G_GINT64_MODIFIER "x;", names[stop->watch], stop->address);
}

static void why_stopped(struct gdb_server *server, const char *args, size_t length)
{
    gdb_append_stop(server);
}

static void go(struct gdb_server *server, const enum gdb_resume *actions)
{
    unsigned count = server->ops->thread_count(server->target);
    bool any = false;

    for (unsigned i = 0; i < count; i++)
        any |= actions[i] != GDB_STAY;
    if (!any || server->exited) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    server->waiting = server->no_reply = true;
    if (server->ops->resume(server->target, actions))
        return;
    server->waiting = server->no_reply = false;
    gdb_reply_error(server, GDB_ERROR_INVALID);
}

/* c, s and their forms with a signal, which a machine does not have. */
static void resume(struct gdb_server *server, const char *args, enum gdb_resume action)
{
    unsigned count = server->ops->thread_count(server->target);
    g_autofree enum gdb_resume *actions = g_new0(enum gdb_resume, count + 1);
    unsigned thread = server->resume_all ? server->general : server->resume_thread;
    bool has_pc = *args;
    u64 pc;

    if (thread >= count || (has_pc && (!gdb_hex_number(&args, &pc) || *args))) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    if (has_pc)
        server->ops->set_pc(server->target, thread, pc);
    for (unsigned i = 0; i < count; i++)
        actions[i] = server->resume_all || i == thread ? GDB_CONTINUE : GDB_STAY;
    if (action == GDB_STEP)
        actions[thread] = GDB_STEP;
    go(server, actions);
}

static void do_continue(struct gdb_server *server, const char *args, size_t length)
{
    resume(server, args, GDB_CONTINUE);
}

static void do_step(struct gdb_server *server, const char *args, size_t length)
{
    resume(server, args, GDB_STEP);
}

/* "SIGNAL[;ADDRESS]": the signal is skipped. */
static void with_signal(struct gdb_server *server, const char *args, enum gdb_resume action)
{
    u64 signal;

    if (!gdb_hex_number(&args, &signal) || (*args && *args != ';')) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    resume(server, *args == ';' ? args + 1 : args, action);
}

static void continue_with_signal(struct gdb_server *server, const char *args, size_t length)
{
    with_signal(server, args, GDB_CONTINUE);
}

static void step_with_signal(struct gdb_server *server, const char *args, size_t length)
{
    with_signal(server, args, GDB_STEP);
}

/* ";c:1" and the like: sets the action of threads that have none yet. */
static bool parse_action(const char **args, enum gdb_resume *actions, bool *set, unsigned count)
{
    char letter;
    u64 signal;
    s64 thread = ALL;

    if (*(*args)++ != ';' || !(letter = *(*args)++) || !strchr("cCsS", letter))
        return false;
    if ((letter == 'C' || letter == 'S') && !gdb_hex_number(args, &signal))
        return false;
    if (**args == ':') {
        ++*args;
        if (!gdb_parse_thread(args, &thread) || thread >= count)
            return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (set[i] || (thread >= 0 && thread != i))
            continue;
        actions[i] = letter == 'c' || letter == 'C' ? GDB_CONTINUE : GDB_STEP;
        set[i] = true;
        if (thread == ANY)
            break;
    }
    return true;
}

static void v_cont(struct gdb_server *server, const char *args, size_t length)
{
    unsigned count = server->ops->thread_count(server->target);
    g_autofree enum gdb_resume *actions = g_new0(enum gdb_resume, count + 1);
    g_autofree bool *set = g_new0(bool, count + 1);

    if (*args == '?') {
        gdb_reply(server, "vCont;c;C;s;S");
        return;
    }
    do {
        if (!parse_action(&args, actions, set, count)) {
            gdb_reply_error(server, GDB_ERROR_INVALID);
            return;
        }
    } while (*args);
    go(server, actions);
}

static void set_thread(struct gdb_server *server, const char *args, size_t length)
{
    char what = *args;
    s64 thread;

    if (!what || (args++, !gdb_parse_thread(&args, &thread)) || *args ||
        (thread >= 0 && !gdb_thread_valid(server, thread))) {
        gdb_reply_error(server, GDB_ERROR_INVALID);
        return;
    }
    if (what == 'c') {
        server->resume_all = thread < 0;
        server->resume_thread = thread < 0 ? 0 : (unsigned)thread;
    } else if (what == 'g' && thread >= 0) {
        server->general = (unsigned)thread;
    }
    gdb_reply(server, "OK");
}

static void thread_alive(struct gdb_server *server, const char *args, size_t length)
{
    s64 thread;

    if (gdb_parse_thread(&args, &thread) && gdb_thread_valid(server, thread))
        gdb_reply(server, "OK");
    else
        gdb_reply_error(server, GDB_ERROR_INVALID);
}

void gdb_detach(struct gdb_server *server)
{
    unsigned count = server->ops->thread_count(server->target);
    g_autofree enum gdb_resume *actions = g_new0(enum gdb_resume, count + 1);

    for (unsigned i = 0; i < count; i++)
        actions[i] = GDB_CONTINUE;
    server->ops->clear_points(server->target);
    if (count && !server->exited)
        server->ops->resume(server->target, actions);
}

static void detach(struct gdb_server *server, const char *args, size_t length)
{
    gdb_detach(server);
    server->attached = false;
    gdb_reply(server, "OK");
}

static void kill_target(struct gdb_server *server, const char *args, size_t length)
{
    gdb_reply(server, "OK");
    server->ops->kill(server->target);
}

static void kill_silently(struct gdb_server *server, const char *args, size_t length)
{
    server->no_reply = true;
    server->ops->kill(server->target);
}

static void attach(struct gdb_server *server, const char *args, size_t length)
{
    gdb_append_stop(server);
}

const struct gdb_command gdb_run_commands[] = {
    {"?", why_stopped},
    {"vCont", v_cont},
    {"vKill;", kill_target},
    {"vAttach;", attach},
    {"c", do_continue},
    {"s", do_step},
    {"C", continue_with_signal},
    {"S", step_with_signal},
    {"H", set_thread},
    {"T", thread_alive},
    {"D", detach},
    {"k", kill_silently},
    {NULL},
};
