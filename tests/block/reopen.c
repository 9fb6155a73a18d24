/* tests/block/reopen.c - blockdev-reopen: what may change and what not, all or nothing, users that stay. */
#include "base/error.h"
#include "block/disk.h"
#include "block/driver.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <json-c/json.h>
#include <string.h>

enum { SIZE = 1 << 20 };

struct desk {
    GMainContext *context;
    struct disk_set *disks;
    char *path[2];
};

static void set_up(struct desk *desk, gconstpointer data)
{
    g_autofree u8 *bytes = g_malloc(SIZE);

    desk->context = g_main_context_new();
    desk->disks = disk_set_create(desk->context, NULL);
    for (unsigned i = 0; i < 2; i++) {
        close(g_file_open_tmp("mynah-reopen-XXXXXX", &desk->path[i], NULL));
        memset(bytes, 'a' + (int)i, SIZE);
        g_file_set_contents(desk->path[i], (char *)bytes, SIZE, NULL);
    }
}

static void tear_down(struct desk *desk, gconstpointer data)
{
    disk_set_destroy(desk->disks);
    g_main_context_unref(desk->context);
    for (unsigned i = 0; i < 2; i++) {
        g_unlink(desk->path[i]);
        g_free(desk->path[i]);
    }
}

/* ' stands for ", %0 and %1 for the files. */
static struct json_object *parse(struct desk *desk, const char *text)
{
    g_autoptr(GString) full = g_string_new(text);

    g_string_replace(full, "'", "\"", 0);
    g_string_replace(full, "%0", desk->path[0], 0);
    g_string_replace(full, "%1", desk->path[1], 0);
    struct json_object *json = json_tokener_parse(full->str);
    g_assert_nonnull(json);
    return json;
}

static void open_node(struct desk *desk, const char *text)
{
    struct json_object *json = parse(desk, text);
    GError *error = NULL;

    g_assert_true(disk_set_open(desk->disks, json, &error));
    g_assert_no_error(error);
    json_object_put(json);
}

/* message NULL: it works. */
static void reopen(struct desk *desk, const char *first, const char *second, const char *message)
{
    struct json_object *json[2] = { parse(desk, first), second ? parse(desk, second) : NULL };
    GError *error = NULL;
    bool ok = disk_set_reopen(desk->disks, json, second ? 2 : 1, &error);

    if (message) {
        g_assert_false(ok);
        g_assert_nonnull(strstr(error->message, message));
        g_clear_error(&error);
    }
    g_assert_no_error(error);
    g_assert_true(ok || message);
    json_object_put(json[0]);
    json_object_put(json[1]);
}

struct io {
    struct block_node *node;
    bool write;
    u8 byte;
    int ret;
};

static void run_io(void *opaque)
{
    struct io *io = opaque;

    io->ret = io->write ? block_write_buffer(io->node, 4096, &io->byte, 1) : block_read_buffer(io->node, 4096, &io->byte, 1);
}

static int do_io(struct desk *desk, const char *name, bool write, u8 *byte)
{
    struct io io = { .node = block_graph_find(disk_set_graph(desk->disks), name), .write = write, .byte = *byte };

    g_assert_nonnull(io.node);
    block_loop_call(disk_set_loop(desk->disks), run_io, &io);
    *byte = io.byte;
    return io.ret;
}

static int put(struct desk *desk, const char *name, u8 byte)
{
    return do_io(desk, name, true, &byte);
}

static u8 get(struct desk *desk, const char *name)
{
    u8 byte = 0;

    g_assert_cmpint(do_io(desk, name, false, &byte), ==, 0);
    return byte;
}

static bool is_read_only(struct desk *desk, const char *name)
{
    return block_is_read_only(block_graph_find(disk_set_graph(desk->disks), name));
}

#define RAW(name, file, read_only) "{'driver':'raw','node-name':'" name "','read-only':" read_only ",'file':{'driver':'file','filename':'" file "'}}"

/* Files that were described with a node follow it. */
static void read_only(struct desk *desk, gconstpointer data)
{
    open_node(desk, RAW("n", "%0", "true"));
    g_assert_cmpint(put(desk, "n", 'x'), ==, -EPERM);
    reopen(desk, RAW("n", "%0", "false"), NULL, NULL);
    g_assert_cmpint(put(desk, "n", 'x'), ==, 0);
    reopen(desk, RAW("n", "%0", "true"), NULL, NULL);
    g_assert_cmpint(put(desk, "n", 'y'), ==, -EPERM);
    g_assert_cmpint(get(desk, "n"), ==, 'x');
}

static void other_options(struct desk *desk, gconstpointer data)
{
    open_node(desk, "{'driver':'file','node-name':'f','filename':'%0'}");
    open_node(desk, "{'driver':'file','node-name':'g','filename':'%1'}");
    open_node(desk, "{'driver':'raw','node-name':'n','file':'f'}");
    g_assert_cmpint(get(desk, "n"), ==, 'a');
    reopen(desk, "{'driver':'raw','node-name':'n','file':'g','detect-zeroes':'on','cache':{'no-flush':true}}", NULL, NULL);
    g_assert_cmpint(get(desk, "n"), ==, 'b');
    g_assert_cmpuint(block_detect_zeroes(block_graph_find(disk_set_graph(desk->disks), "n")), ==, API_BLOCKDEV_DETECT_ZEROES_OPTIONS_ON);
    reopen(desk, "{'driver':'raw','node-name':'n','file':'g','offset':512}", NULL, NULL);
    g_assert_cmpuint(block_size(block_graph_find(disk_set_graph(desk->disks), "n")), ==, SIZE - 512);
    g_assert_cmpuint(block_detect_zeroes(block_graph_find(disk_set_graph(desk->disks), "n")), ==, API_BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF);
}

static void refused(struct desk *desk, gconstpointer data)
{
    open_node(desk, "{'driver':'file','node-name':'f','filename':'%0'}");
    open_node(desk, "{'driver':'raw','node-name':'n','file':'f'}");
    reopen(desk, "{'driver':'raw','node-name':'m','file':'f'}", NULL, "Failed to find node");
    reopen(desk, "{'driver':'raw','file':'f'}", NULL, "node-name not specified");
    reopen(desk, "{'driver':'file','node-name':'f','filename':'%1'}", NULL, "Cannot change the option 'filename'");
    reopen(desk, "{'driver':'file','node-name':'f','filename':'%0','locking':'off'}", NULL, "Cannot change the option 'locking'");
    reopen(desk, "{'driver':'qcow2','node-name':'n','file':'f'}", NULL, "Cannot change the option 'driver'");
    reopen(desk, "{'driver':'raw','node-name':'n','file':'n'}", NULL, "cannot be its own 'file'");
    reopen(desk, "{'driver':'raw','node-name':'n','file':{'driver':'file','filename':'%1'}}", NULL, "is another node");
    reopen(desk, "{'driver':'raw','node-name':'n','file':'f'}", "{'driver':'raw','node-name':'n','file':'f'}", "reopened twice");
    g_assert_cmpint(put(desk, "n", 'x'), ==, 0);
    g_assert_cmpint(get(desk, "f"), ==, 'x');
}

static void all_or_nothing(struct desk *desk, gconstpointer data)
{
    open_node(desk, RAW("n", "%0", "true"));
    open_node(desk, RAW("m", "%1", "true"));
    g_chmod(desk->path[1], 0400);
    /* The second one fails in the middle: its window does not fit. */
    reopen(desk, RAW("n", "%0", "false"), "{'driver':'raw','node-name':'m','read-only':true,'offset':2097152,'file':{'driver':'file','filename':'%1'}}",
           "has to be smaller or equal");
    g_assert_true(is_read_only(desk, "n") && is_read_only(desk, "m"));
    g_assert_cmpint(get(desk, "n"), ==, 'a');
    g_assert_cmpint(get(desk, "m"), ==, 'b');
    reopen(desk, RAW("n", "%0", "false"), RAW("m", "%1", "true"), NULL);
    g_assert_cmpint(put(desk, "n", 'x'), ==, 0);
}

/* A disk keeps its node; it does not become a writer of what it could not write when it came. */
static void users_stay(struct desk *desk, gconstpointer data)
{
    struct disk *disk;

    open_node(desk, RAW("n", "%0", "false"));
    disk = disk_claim(desk->disks, "n", NULL, true, false, "test", NULL);
    reopen(desk, RAW("n", "%0", "true"), NULL, "there is a writer on it");
    g_assert_false(disk_is_read_only(disk));
    reopen(desk, "{'driver':'raw','node-name':'n','discard':'unmap','file':{'driver':'file','filename':'%0'}}", NULL, NULL);
    g_assert_false(disk_is_read_only(disk));
    g_assert_cmpint(put(desk, "n", 'x'), ==, 0);
    disk_release(disk);
    reopen(desk, RAW("n", "%0", "true"), NULL, NULL);
    disk = disk_claim(desk->disks, "n", NULL, true, false, "test", NULL);
    g_assert_true(disk_is_read_only(disk));
    reopen(desk, RAW("n", "%0", "false"), NULL, NULL);
    g_assert_true(disk_is_read_only(disk));
    disk_release(disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/reopen/read-only", struct desk, NULL, set_up, read_only, tear_down);
    g_test_add("/reopen/other-options", struct desk, NULL, set_up, other_options, tear_down);
    g_test_add("/reopen/refused", struct desk, NULL, set_up, refused, tear_down);
    g_test_add("/reopen/all-or-nothing", struct desk, NULL, set_up, all_or_nothing, tear_down);
    g_test_add("/reopen/users-stay", struct desk, NULL, set_up, users_stay, tear_down);
    return g_test_run();
}
