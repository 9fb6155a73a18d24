/* host/process.c - pid files and signals of POSIX hosts. */
#include "host/process.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

void host_process_set_name(const char *name)
{
    g_autofree char *shown = g_strndup(name, 15);

    pthread_setname_np(pthread_self(), shown);
}

bool host_process_write_pid(const char *path, GError **error)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char text[24];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644); /* stays open: the lock lives as long as the process */

    if (fd < 0)
        return error_set(error, "cannot write pid file '%s': %s", path, strerror(errno));
    if (fcntl(fd, F_SETLK, &lock)) {
        close(fd);
        error_set(error, "pid file '%s' is in use by another process", path);
        return error_hint(error, "end that process first, or choose another -pidfile");
    }
    int length = g_snprintf(text, sizeof(text), "%d\n", getpid());
    if (ftruncate(fd, 0) || write(fd, text, (size_t)length) != length)
        return error_set(error, "cannot write pid file '%s': %s", path, strerror(errno));
    return true;
}

void host_process_remove_pid(const char *path)
{
    if (path)
        unlink(path);
}

void host_process_on_end(GMainContext *context, gboolean (*fn)(gpointer opaque), void *opaque)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++) {
        GSource *source = g_unix_signal_source_new(signals[i]);

        g_source_set_callback(source, fn, opaque, NULL);
        g_source_attach(source, context);
        g_source_unref(source);
    }
    signal(SIGPIPE, SIG_IGN);
}

void host_process_outlive_file_limit(void)
{
    signal(SIGXFSZ, SIG_IGN);
}

u32 host_process_mapping_limit(void)
{
    enum { USUAL = 65530 };
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/sys/vm/max_map_count", &text, NULL, NULL))
        return USUAL;
    return (u32)CLAMP(g_ascii_strtoll(text, NULL, 10), 1, 1 << 24);
}
