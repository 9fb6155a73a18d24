/* net/user_smb.c - smb=FOLDER: Samba's smbd, started by libslirp for each connection to the file server's address. */
#include "base/error.h"
#include "net/user.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const char config_format[] =
    "[global]\n"
    "private dir=%s\ninterfaces=127.0.0.1\nbind interfaces only=yes\npid directory=%s\nlock directory=%s\nstate directory=%s\n"
    "cache directory=%s\nncalrpc dir=%s/ncalrpc\nlog file=%s/log.smbd\nsmb passwd file=%s/smbpasswd\n"
    "security=user\nmap to guest=Bad User\nload printers=no\nprinting=bsd\ndisable spoolss=yes\nusershare max shares=0\n"
    "[qemu]\n"
    "path=%s\nread only=no\nguest ok=yes\nforce user=%s\n";

static bool write_config(struct user *user, const char *folder, GError **error)
{
    const char *f = user->smb_folder;
    g_autofree char *text = g_strdup_printf(config_format, f, f, f, f, f, f, f, f, folder, g_get_user_name());
    g_autofree char *path = g_build_filename(f, "smb.conf", NULL);

    return g_file_set_contents(path, text, -1, error);
}

static char *find_smbd(void)
{
    char *path = g_find_program_in_path("smbd");

    return path || access("/usr/sbin/smbd", X_OK) ? path : g_strdup("/usr/sbin/smbd");
}

bool user_smb_start(struct user *user, const char *folder, struct in_addr *address, GError **error)
{
    g_autofree char *smbd = find_smbd();

    if (!smbd) {
        error_set(error, "it needs Samba's smbd, which is not installed");
        return error_hint(error, "install the package samba");
    }
    if (strpbrk(folder, "\n\r"))
        return error_set(error, "the name has a line break");
    if (access(folder, R_OK | X_OK))
        return error_set(error, "%s", strerror(errno));
    user->smb_folder = g_dir_make_tmp("mynah-smb-XXXXXX", error);
    if (!user->smb_folder || !write_config(user, folder, error))
        return false;
    g_autofree char *command = g_strdup_printf("%s -l %s -s %s/smb.conf", smbd, user->smb_folder, user->smb_folder);
    if (slirp_add_exec(user->slirp, command, address, 139) < 0 || slirp_add_exec(user->slirp, command, address, 445) < 0)
        return error_set(error, "the server's address is not in the guest's network, or is taken");
    return true;
}

/* smbd leaves files in folders of its own choosing, two levels deep. */
static void remove_below(const char *folder, unsigned depth)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (depth && g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
            remove_below(path, depth - 1);
        else
            g_unlink(path);
    }
    if (dir)
        g_dir_close(dir);
    g_rmdir(folder);
}

void user_smb_stop(struct user *user)
{
    if (user->smb_folder)
        remove_below(user->smb_folder, 4);
    g_clear_pointer(&user->smb_folder, g_free);
}
