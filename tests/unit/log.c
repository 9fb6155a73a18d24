/* tests/unit/log.c - the log, while threads write to it. */
#include "base/log.h"
#include <glib/gstdio.h>
#include <string.h>

enum { FILES = 200, WRITERS = 2 };

struct writer {
    struct log *log;
    gint *stop;
    unsigned lines;
};

static gpointer write_lines(gpointer data)
{
    struct writer *writer = data;

    for (; !g_atomic_int_get(writer->stop); writer->lines++)
        log_print(writer->log, LOG_INT, "line %u of some length", writer->lines);
    return NULL;
}

/* Each line is in the one file or in the other. */
static void test_file_changes(void)
{
    g_autofree char *folder = g_dir_make_tmp("mynah-log-XXXXXX", NULL);
    struct log *log = log_create();
    struct writer writer[WRITERS];
    GThread *thread[WRITERS];
    unsigned written = 0, found = 0;
    gint stop = 0;

    for (unsigned i = 0; i < FILES; i++) {
        g_autofree char *path = g_strdup_printf("%s/%u", folder, i);

        g_assert_true(log_open_file(log, path, NULL));
        for (unsigned w = 0; !i && w < WRITERS; w++) {
            writer[w] = (struct writer){log, &stop, 0};
            thread[w] = g_thread_new("writer", write_lines, &writer[w]);
        }
        g_usleep(500);
    }
    g_atomic_int_set(&stop, 1);
    for (unsigned w = 0; w < WRITERS; w++) {
        g_thread_join(thread[w]);
        written += writer[w].lines;
    }
    log_destroy(log);
    for (unsigned i = 0; i < FILES; i++) {
        g_autofree char *path = g_strdup_printf("%s/%u", folder, i), *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        for (const char *at = text; (at = strchr(at, '\n')); at++)
            found++;
        g_unlink(path);
    }
    g_assert_cmpuint(found, ==, written);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log/file-changes", test_file_changes);
    return g_test_run();
}
