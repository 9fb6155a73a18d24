/*
 * fs/mapped.c - owners, modes and kinds that the host's file system does not keep: in extended attributes (mapped-xattr), or in
 * text files in a hidden folder beside the files (mapped-file). Names and formats are those that QEMU documents for -fsdev.
 */
#include "fs/internal.h"
#include "base/bits.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NOTES      ".virtfs_metadata"      /* folder: a file for each name */
#define ROOT_NOTES ".virtfs_metadata_root" /* file: about the shared folder itself */
#define ATTRIBUTES "user.virtfs."

enum { NOTE_MAX = 512 };

bool fs_mapped_hides(const struct fs_share *share, const char *name)
{
    return share->options.security == FS_MAPPED_FILE && (!strcmp(name, NOTES) || !strcmp(name, ROOT_NOTES));
}

bool fs_mapped_hides_xattr(const struct fs_share *share, const char *name)
{
    return share->options.security == FS_MAPPED_XATTR && g_str_has_prefix(name, ATTRIBUTES);
}

/* --- mapped-xattr: numbers of 4 bytes (rdev: 8), little-endian --- */

static bool get_number(const struct fs_node *node, const char *name, unsigned size, u64 *value)
{
    char path[40];
    u8 bytes[8] = {0};

    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", node->fd);
    if (getxattr(path, name, bytes, size) != (ssize_t)size)
        return false;
    *value = 0;
    for (unsigned i = 0; i < size; i++)
        *value |= (u64)bytes[i] << (8 * i);
    return true;
}

static int set_number(const struct fs_node *node, const char *name, unsigned size, u64 value)
{
    char path[40];
    u8 bytes[8];

    for (unsigned i = 0; i < size; i++)
        bytes[i] = (u8)(value >> (8 * i));
    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", node->fd);
    return setxattr(path, name, bytes, size, 0) ? errno : 0;
}

static void read_xattrs(const struct fs_node *node, struct fs_mapped *mapped)
{
    u64 value;

    if (S_ISLNK(node->type))
        return;
    if ((mapped->has_uid = get_number(node, ATTRIBUTES "uid", 4, &value)))
        mapped->uid = (u32)value;
    if ((mapped->has_gid = get_number(node, ATTRIBUTES "gid", 4, &value)))
        mapped->gid = (u32)value;
    if ((mapped->has_mode = get_number(node, ATTRIBUTES "mode", 4, &value)))
        mapped->mode = (u32)value;
    if ((mapped->has_rdev = get_number(node, ATTRIBUTES "rdev", 8, &value)))
        mapped->rdev = value;
}

static int write_xattrs(const struct fs_node *node, const struct fs_mapped *mapped)
{
    int result = 0;

    if (S_ISLNK(node->type))
        return EOPNOTSUPP;
    if (mapped->has_uid)
        result = set_number(node, ATTRIBUTES "uid", 4, mapped->uid);
    if (!result && mapped->has_gid)
        result = set_number(node, ATTRIBUTES "gid", 4, mapped->gid);
    if (!result && mapped->has_mode)
        result = set_number(node, ATTRIBUTES "mode", 4, mapped->mode);
    if (!result && mapped->has_rdev)
        result = set_number(node, ATTRIBUTES "rdev", 8, mapped->rdev);
    return result;
}

/* --- mapped-file --- */

/* The folder of notes, opened for use; -1 with errno. */
static int open_notes(const struct fs_node *folder, bool make)
{
    if (make && mkdirat(folder->fd, NOTES, 0700) && errno != EEXIST)
        return -1;
    return openat(folder->fd, NOTES, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The file about a place, for reading; -1 with errno. */
static int open_note(struct fs_share *share, const struct fs_place *place)
{
    const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

    if (!place->folder)
        return openat(share->root->fd, ROOT_NOTES, flags);
    int notes = open_notes(place->folder, false);
    if (notes < 0)
        return -1;
    int fd = openat(notes, place->name, flags), number = errno;
    close(notes);
    errno = number;
    return fd;
}

static void parse_line(const char *line, struct fs_mapped *mapped)
{
    char *end;
    const char *equals = strchr(line, '=');
    u64 value = equals ? g_ascii_strtoull(equals + 1, &end, 10) : 0;

    if (!equals || end == equals + 1)
        return;
    if (g_str_has_prefix(line, "virtfs.uid=")) {
        mapped->has_uid = true;
        mapped->uid = (u32)value;
    } else if (g_str_has_prefix(line, "virtfs.gid=")) {
        mapped->has_gid = true;
        mapped->gid = (u32)value;
    } else if (g_str_has_prefix(line, "virtfs.mode=")) {
        mapped->has_mode = true;
        mapped->mode = (u32)value;
    } else if (g_str_has_prefix(line, "virtfs.rdev=")) {
        mapped->has_rdev = true;
        mapped->rdev = value;
    }
}

static int read_note(struct fs_share *share, const struct fs_place *place, struct fs_mapped *mapped)
{
    char text[NOTE_MAX];
    int fd = open_note(share, place);

    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
    close(fd);
    text[MAX(length, 0)] = 0;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        parse_line(*line, mapped);
    return 0;
}

static void overlay(struct fs_mapped *onto, const struct fs_mapped *from)
{
    if (from->has_uid)
        *onto = (struct fs_mapped){true, onto->has_gid, onto->has_mode, onto->has_rdev, from->uid, onto->gid, onto->mode, onto->rdev};
    if (from->has_gid)
        *onto = (struct fs_mapped){onto->has_uid, true, onto->has_mode, onto->has_rdev, onto->uid, from->gid, onto->mode, onto->rdev};
    if (from->has_mode)
        *onto = (struct fs_mapped){onto->has_uid, onto->has_gid, true, onto->has_rdev, onto->uid, onto->gid, from->mode, onto->rdev};
    if (from->has_rdev)
        *onto = (struct fs_mapped){onto->has_uid, onto->has_gid, onto->has_mode, true, onto->uid, onto->gid, onto->mode, from->rdev};
}

/* A new note takes the place of the old one when it is complete. Until then it is called as no file of the guest can be. */
static int replace_note(struct fs_share *share, const struct fs_place *place, const GString *text)
{
    const struct fs_node *folder = place->folder ? place->folder : share->root;
    int notes = open_notes(folder, true), result = 0;
    int fd = notes < 0 ? -1 : openat(notes, NOTES, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);

    if (fd < 0)
        result = errno;
    else if (write(fd, text->str, text->len) != (ssize_t)text->len)
        result = errno ? errno : ENOSPC;
    else if (renameat(notes, NOTES, place->folder ? notes : folder->fd, place->folder ? place->name : ROOT_NOTES))
        result = errno;
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && result)
        unlinkat(notes, NOTES, 0);
    if (notes >= 0)
        close(notes);
    return result;
}

static int write_note(struct fs_share *share, const struct fs_place *place, const struct fs_mapped *changes)
{
    struct fs_mapped all = {0};
    g_autoptr(GString) text = g_string_new(NULL);
    int result = read_note(share, place, &all);

    if (result)
        return result;
    overlay(&all, changes);
    if (all.has_uid)
        g_string_append_printf(text, "virtfs.uid=%u\n", all.uid);
    if (all.has_gid)
        g_string_append_printf(text, "virtfs.gid=%u\n", all.gid);
    if (all.has_mode)
        g_string_append_printf(text, "virtfs.mode=%u\n", all.mode);
    if (all.has_rdev)
        g_string_append_printf(text, "virtfs.rdev=%" G_GUINT64_FORMAT "\n", all.rdev);
    return replace_note(share, place, text);
}

int fs_mapped_read(struct fs_share *share, const struct fs_place *place, struct fs_mapped *mapped)
{
    if (share->options.security == FS_MAPPED_FILE)
        return read_note(share, place, mapped);
    read_xattrs(place->node, mapped);
    return 0;
}

int fs_mapped_write(struct fs_share *share, const struct fs_place *place, const struct fs_mapped *mapped)
{
    return share->options.security == FS_MAPPED_FILE ? write_note(share, place, mapped) : write_xattrs(place->node, mapped);
}

void fs_mapped_forget(struct fs_share *share, struct fs_node *folder, const char *name)
{
    if (share->options.security != FS_MAPPED_FILE)
        return;
    int notes = open_notes(folder, false);
    if (notes >= 0) {
        unlinkat(notes, name, 0);
        close(notes);
    }
}

void fs_mapped_clear(struct fs_share *share, struct fs_node *folder, const char *name)
{
    int inside = share->options.security == FS_MAPPED_FILE ? openat(folder->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

    if (inside >= 0) {
        unlinkat(inside, NOTES, AT_REMOVEDIR); /* while it has entries, there are notes about them */
        close(inside);
    }
}

void fs_mapped_move(struct fs_share *share, struct fs_node *from, const char *old, struct fs_node *to, const char *name)
{
    if (share->options.security != FS_MAPPED_FILE)
        return;
    int source = open_notes(from, false), target = open_notes(to, source >= 0);
    if (target >= 0 && (source < 0 || renameat(source, old, target, name)))
        unlinkat(target, name, 0); /* nothing is known about what moved here */
    if (source >= 0)
        close(source);
    if (target >= 0)
        close(target);
}
