/* tools/img_snapshot.c - snapshot: the internal snapshots of an image. */
#include "api/keyval.h"
#include "base/error.h"
#include "block/qcow2/image.h"
#include "host/clock.h"
#include "tools/img.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void print_snapshot(const struct qcow2_snapshot_info *x)
{
    g_autofree char *size = img_size_text(x->vm_state_size);
    char date[32] = "", clock[32], icount[24] = "--";
    time_t seconds = x->date_s;
    struct tm tm;
    u64 s = x->vm_clock_ns / 1000000000;

    if (localtime_r(&seconds, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
    g_snprintf(clock, sizeof(clock), "%04d:%02d:%02d.%03d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60), (int)(x->vm_clock_ns / 1000000 % 1000));
    if (x->icount != UINT64_MAX)
        g_snprintf(icount, sizeof(icount), "%" G_GUINT64_FORMAT, x->icount);
    printf("%-7s %-16s %8s%20s%16s%11s\n", x->id, x->name, size, date, clock, icount);
}

void img_print_snapshots(struct block_node *node)
{
    unsigned count = img_is_qcow2(node) ? qcow2_snapshot_count(node) : 0;

    if (!count)
        return;
    printf("Snapshot list:\n%-7s %-16s %8s%20s%16s%11s\n", "ID", "TAG", "VM_SIZE", "DATE", "VM_CLOCK", "ICOUNT");
    for (unsigned i = 0; i < count; i++) {
        struct qcow2_snapshot_info info = qcow2_snapshot_info(node, i);

        print_snapshot(&info);
    }
}

static bool load(struct block_node *node, const char *text, GError **error)
{
    static const struct api_key known[] = {
        { "snapshot.id", API_KEY_STR, NULL, "number of the snapshot" }, { "snapshot.name", API_KEY_STR, NULL, "its name" }, { 0 },
    };
    static const struct api_keys keys = { .keys = known };
    g_autoptr(api_keyval) list = NULL;

    if (!img_is_qcow2(node))
        return error_set(error, "Failed to load snapshot: the format has none");
    if (!g_str_has_prefix(text, "snapshot."))
        return qcow2_snapshot_load(node, text, NULL, NULL) || qcow2_snapshot_load(node, NULL, text, error);
    list = api_keyval_parse(text, &keys, error);
    return list && qcow2_snapshot_load(node, api_keyval_get(list, "snapshot.id"), api_keyval_get(list, "snapshot.name"), error);
}

bool img_load_snapshot(struct block_node *node, const char *text)
{
    GError *error = NULL;

    return load(node, text, &error) || (img_fail_error(error), false);
}

static bool do_snapshot(struct block_node *node, int action, const char *name, GError **error)
{
    s64 now = host_clock_realtime();

    switch (action) {
    case 'a':
        return qcow2_snapshot_apply(node, name, error);
    case 'c':
        return qcow2_snapshot_create(node, name, (u32)(now / 1000000000), (u32)(now % 1000000000), error);
    case 'd':
        return qcow2_snapshot_delete(node, name, error);
    }
    img_print_snapshots(node);
    return true;
}

int img_snapshot(struct img *img)
{
    static const struct option options[] = {
        { "list", no_argument, NULL, 'l' }, { "apply", required_argument, NULL, 'a' }, { "create", required_argument, NULL, 'c' },
        { "delete", required_argument, NULL, 'd' }, IMG_FORMAT, IMG_FORCE_SHARE, IMG_IMAGE_OPTS, IMG_QUIET, IMG_OBJECT, { 0 },
    };
    g_autoptr(GError) error = NULL;
    struct img_disk disk = { 0 };
    const char *name = NULL;
    int c, action = 0;
    bool ok;

    while ((c = img_option(img, "f:la:c:d:qU", options)) >= 0) {
        if (c == '?')
            return 1;
        if (action) {
            img_fail("Cannot mix '-l', '-a', '-c', '-d'");
            return img_try_help(img);
        }
        action = c;
        name = optarg;
    }
    if (!img_operands(img, 1, 1))
        return 1;
    bool write = action && action != 'l';
    u32 perm = BLOCK_READ | (write ? BLOCK_WRITE | BLOCK_RESIZE : 0);

    if (!img_open_disk(img, img->argv[optind], img->format, write ? BLOCK_OPEN_WRITE : BLOCK_OPEN_NO_BACKING, perm, &disk))
        return 1;
    if (img_is_qcow2(disk.node))
        ok = do_snapshot(disk.node, action, name, &error);
    else
        ok = !write || error_set(&error, "Could not %s snapshot '%s': %s", action == 'c' ? "create" : action == 'a' ? "apply" : "delete", name, g_strerror(ENOTSUP));
    if (!ok)
        img_fail("%s", error->message);
    return !(img_close_disk(&disk, write) && ok);
}
