/* fs/share.c - a shared folder: its nodes and how they are found. */
#include "fs/internal.h"
#include "base/error.h"
#include "host/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct fs_prefix {
    u64 dev, high; /* device, and what of the inode number does not fit */
    u32 index;
};

enum { LOW_BITS = 48 };

static guint hash_pair(u64 dev, u64 number)
{
    u64 mixed = (dev * UINT64_C(0x9e3779b97f4a7c15)) ^ number;

    return (guint)(mixed ^ mixed >> 32);
}

static guint hash_node(gconstpointer key)
{
    const struct fs_node *node = key;

    return hash_pair(node->dev, node->ino);
}

static gboolean equal_node(gconstpointer a, gconstpointer b)
{
    const struct fs_node *x = a, *y = b;

    return x->dev == y->dev && x->ino == y->ino;
}

static guint hash_prefix(gconstpointer key)
{
    const struct fs_prefix *prefix = key;

    return hash_pair(prefix->dev, prefix->high);
}

static gboolean equal_prefix(gconstpointer a, gconstpointer b)
{
    const struct fs_prefix *x = a, *y = b;

    return x->dev == y->dev && x->high == y->high;
}

/* Takes fd over. *node: the one that is known for this file, or a new one. */
static int adopt(struct fs_share *share, int fd, struct fs_node *parent, struct fs_node **node)
{
    struct stat st;

    if (fstat(fd, &st)) {
        close(fd);
        return errno;
    }
    struct fs_node key = {.dev = st.st_dev, .ino = st.st_ino}, *known = g_hash_table_lookup(share->nodes, &key);
    if (known) {
        close(fd);
        *node = fs_node_get(known);
        return 0;
    }
    if (g_hash_table_size(share->nodes) >= share->most) {
        close(fd);
        return ENFILE;
    }
    *node = g_new0(struct fs_node, 1);
    **node = (struct fs_node){.dev = st.st_dev, .ino = st.st_ino, .fd = fd, .type = st.st_mode & S_IFMT, .refs = 1};
    if (S_ISDIR(st.st_mode) && parent)
        (*node)->parent = fs_node_get(parent);
    g_hash_table_add(share->nodes, *node);
    return 0;
}

struct fs_node *fs_root(struct fs_share *share)
{
    return fs_node_get(share->root);
}

struct fs_node *fs_node_get(struct fs_node *node)
{
    node->refs++;
    return node;
}

void fs_node_put(struct fs_share *share, struct fs_node *node)
{
    while (node && --node->refs == 0) {
        struct fs_node *parent = node->parent;

        g_hash_table_remove(share->nodes, node);
        close(node->fd);
        g_free(node);
        node = parent;
    }
}

bool fs_name_is_valid(const struct fs_share *share, const char *name)
{
    return *name && strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/') && !fs_mapped_hides(share, name);
}

int fs_lookup(struct fs_share *share, struct fs_node *folder, const char *name, struct fs_node **node)
{
    if (!S_ISDIR(folder->type))
        return ENOTDIR;
    if (!strcmp(name, "..")) {
        *node = fs_node_get(folder->parent ? folder->parent : folder);
        return 0;
    }
    if (!fs_name_is_valid(share, name))
        return ENOENT;
    int fd = openat(folder->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? ENOENT : errno;
    int result = adopt(share, fd, folder, node);
    if (!result && share->options.multidevs == FS_FORBID && (*node)->dev != share->root->dev) {
        fs_node_put(share, *node);
        return ENODEV;
    }
    return result;
}

int fs_unique(struct fs_share *share, u64 dev, u64 ino, u64 *unique)
{
    struct fs_prefix key = {.dev = dev, .high = ino >> LOW_BITS}, *known = g_hash_table_lookup(share->prefixes, &key);

    if (!known) {
        if (g_hash_table_size(share->prefixes) >= 1 << (64 - LOW_BITS))
            return ENFILE;
        known = g_memdup2(&key, sizeof(key));
        known->index = g_hash_table_size(share->prefixes);
        g_hash_table_add(share->prefixes, known);
        if (dev != share->root->dev && share->options.multidevs == FS_WARN && !share->warned) {
            share->warned = true;
            share->notice = g_strdup_printf("fsdev '%s': the folder spans several devices; inode numbers may collide "
                                            "(multidevs=remap avoids that)", share->options.id);
        }
    }
    *unique = share->options.multidevs == FS_REMAP ? (ino & ((UINT64_C(1) << LOW_BITS) - 1)) | (u64)known->index << LOW_BITS : ino;
    return 0;
}

struct fs_proc_name fs_proc_name(const struct fs_node *node)
{
    struct fs_proc_name name;

    g_snprintf(name.text, sizeof(name.text), "%d", node->fd);
    return name;
}

const struct fs_options *fs_share_options(const struct fs_share *share)
{
    return &share->options;
}

char *fs_share_take_notice(struct fs_share *share)
{
    return g_steal_pointer(&share->notice);
}

/* A descriptor, or -1 with *error. */
static int open_folder(const char *path, GError **error)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        error_set(error, "cannot share '%s': %s", path, strerror(errno));
    return fd;
}

bool fs_share_check(const char *path, GError **error)
{
    int fd = open_folder(path, error);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool open_root(struct fs_share *share, GError **error)
{
    const char *path = share->options.path;
    u64 unused;
    int fd = open_folder(path, error);

    if (fd < 0)
        return false;
    int result = adopt(share, fd, NULL, &share->root);
    if (result)
        return error_set(error, "cannot share '%s': %s", path, strerror(result));
    fs_unique(share, share->root->dev, share->root->ino, &unused);
    return true;
}

struct fs_share *fs_share_open(const struct fs_options *options, GError **error)
{
    struct fs_share *share = g_new0(struct fs_share, 1);
    u64 descriptors = host_fd_raise_limit();

    share->options = *options;
    share->options.id = g_strdup(options->id);
    share->options.path = g_strdup(options->path);
    share->nodes = g_hash_table_new(hash_node, equal_node);
    share->prefixes = g_hash_table_new_full(hash_prefix, equal_prefix, g_free, NULL);
    share->most = (u32)CLAMP(descriptors / 8, FS_DESCRIPTORS_MIN, FS_DESCRIPTORS_MAX);
    share->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (share->proc < 0)
        error_set(error, "sharing folders needs /proc: %s", strerror(errno));
    else if (open_root(share, error))
        return share;
    fs_share_close(share);
    return NULL;
}

/* Folders that others moved below one of their own children keep each other: what is left goes now. */
static void free_rest(struct fs_share *share)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, share->nodes);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        close(((struct fs_node *)key)->fd);
        g_free(key);
        g_hash_table_iter_remove(&iter);
    }
}

u32 fs_share_most_open(const struct fs_share *share)
{
    return share->most;
}

void fs_share_close(struct fs_share *share)
{
    if (!share)
        return;
    fs_node_put(share, share->root);
    free_rest(share);
    if (share->proc >= 0)
        close(share->proc);
    g_hash_table_unref(share->nodes);
    g_hash_table_unref(share->prefixes);
    g_free(share->notice);
    g_free(share->options.id);
    g_free(share->options.path);
    g_free(share);
}
