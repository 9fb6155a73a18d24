/* system/drive_errors.c - disks and the machine's stops: those for requests that fail (werror=, rerror=), and all others. */
#include "api/types.h"
#include "block/disk.h"
#include "system/system.h"
#include "vm/inbox.h"
#include <errno.h>
#include <string.h>

/* On its way to the main loop; the names follow: path, drive, node, each with its final zero. */
struct failure {
    bool read, has_status;
    enum disk_error_action action;
    int error;
};

static const char *next(const char **text)
{
    const char *at = *text;

    *text += strlen(at) + 1;
    return at;
}

static void tell(void *opaque, const void *payload, u32 size)
{
    static const enum api_block_error_action words[] = {
        [DISK_ERROR_IGNORE] = API_BLOCK_ERROR_ACTION_IGNORE,
        [DISK_ERROR_REPORT] = API_BLOCK_ERROR_ACTION_REPORT,
        [DISK_ERROR_STOP] = API_BLOCK_ERROR_ACTION_STOP,
    };
    struct mynah_system *s = opaque;
    const char *text = (const char *)payload + sizeof(struct failure);
    struct failure f;

    memcpy(&f, payload, sizeof(f));
    const char *path = next(&text), *drive = next(&text), *node = next(&text);
    api_event_block_io_error(vm_events(s->vm), path, drive, node, f.read ? API_IO_OPERATION_TYPE_READ : API_IO_OPERATION_TYPE_WRITE, words[f.action],
                             f.has_status, f.error == -ENOSPC, g_strerror(-f.error));
    if (f.action == DISK_ERROR_STOP)
        vm_request_stop(s->vm, VM_IO_ERROR);
}

static void append(GString *letter, const char *prefix, const char *text)
{
    g_string_append(letter, prefix);
    g_string_append_len(letter, text, (gssize)strlen(text) + 1);
}

/* The thread of the disk's loop. */
static void failed(void *opaque, struct disk *disk, bool read, enum disk_error_action action, int error)
{
    struct mynah_system *s = opaque;
    enum disk_io_status status;
    struct failure f = { read, disk_io_status(disk, &status), action, error };
    GString *letter = g_string_new_len((const char *)&f, sizeof(f));

    append(letter, disk_user(disk)[0] == '/' ? "" : "/machine/peripheral/", disk_user(disk));
    append(letter, "", disk_id(disk));
    append(letter, "", block_name(disk_node(disk)));
    inbox_post(s->vm, NULL, tell, s, letter->str, (u32)letter->len);
    g_string_free(letter, TRUE);
}

static void unflushed(void *opaque, struct disk *disk, int error)
{
    system_print_message(opaque, "error: what was written to '%s' is not on the disk yet: %s", *disk_id(disk) ? disk_id(disk) : block_name(disk_node(disk)),
                         strerror(-error));
}

static void on_event(const struct vm_event *event, void *opaque)
{
    struct mynah_system *s = opaque;

    if (event->kind == VM_EVENT_STILL)
        disk_set_still(s->disks, s->vm, unflushed, s);
    else if (event->kind == VM_EVENT_RESUME)
        disk_set_retry(s->disks);
}

/* Before devices forget what they asked for: nothing reaches the memory of a machine that starts anew. */
static void on_reset(void *opaque)
{
    disk_set_drain(((struct mynah_system *)opaque)->disks);
}

void system_watch_drives(struct mynah_system *s)
{
    disk_set_on_failed(s->disks, failed, s);
    vm_on_event(s->vm, on_event, s);
    vm_on_reset(s->vm, on_reset, s);
}
