/* gdbstub/gdbstub.c - wires chardev, server and machine. */
#include "gdbstub/gdbstub.h"
#include "base/error.h"
#include "chardev/chardev.h"
#include "gdbstub/machine.h"
#include "gdbstub/server.h"
#include "vm/vm.h"
#include <string.h>

struct gdbstub {
    struct gdb_machine machine;
    struct gdb_server *server;
    struct chardev_front front;
    struct gdb_stop pending; /* what VM_EVENT_DEBUG told, for the STOP that follows */
    bool has_pending;
    struct chardev_set *chardevs; /* NULL: the chardev is not the server's own */
};

static void send(void *opaque, const void *data, size_t length)
{
    struct gdbstub *stub = opaque;

    /* A debugger that does not read what it asked for has to go. */
    if (!chardev_write_message(&stub->front, data, length))
        chardev_disconnect(stub->front.chardev);
}

static void receive(void *opaque, const u8 *data, size_t length)
{
    gdb_server_receive(((struct gdbstub *)opaque)->server, data, length);
}

static void on_chardev_event(void *opaque, enum chardev_event event)
{
    struct gdbstub *stub = opaque;

    if (event == CHARDEV_OPENED)
        gdb_server_connected(stub->server);
    else if (event == CHARDEV_CLOSED)
        gdb_server_disconnected(stub->server);
}

static const struct chardev_handlers handlers = {.receive = receive, .event = on_chardev_event};

static struct gdb_stop reason_of(const struct vcpu *vcpu)
{
    static const enum gdb_stop_kind kinds[] = {
        [VCPU_STOP_NONE] = GDB_STOP_INTERRUPT,
        [VCPU_STOP_BREAKPOINT] = GDB_STOP_BREAKPOINT,
        [VCPU_STOP_WATCHPOINT] = GDB_STOP_WATCHPOINT,
        [VCPU_STOP_STEP] = GDB_STOP_STEP,
        [VCPU_STOP_BUDGET] = GDB_STOP_INTERRUPT,
    };
    const struct vcpu_stop *reason = &vcpu->stop_reason;

    return (struct gdb_stop){kinds[reason->kind], vcpu->index, reason->address, reason->watch};
}

static void on_vm_event(const struct vm_event *event, void *opaque)
{
    struct gdbstub *stub = opaque;

    if (event->kind == VM_EVENT_DEBUG && event->vcpu) {
        stub->pending = reason_of(event->vcpu);
        stub->has_pending = true;
    } else if (event->kind == VM_EVENT_STOP) {
        gdb_machine_settle(&stub->machine);
        if (stub->has_pending)
            gdb_machine_told(&stub->machine, stub->pending.thread);
        else
            stub->pending = (struct gdb_stop){.kind = GDB_STOP_INTERRUPT};
        stub->has_pending = false;
        gdb_server_stopped(stub->server, &stub->pending);
    } else if (event->kind == VM_EVENT_RESUME) {
        stub->has_pending = false;
    }
}

/* "tcp::1234" means a server that waits for nobody. */
static char *complete(const char *where)
{
    if (g_str_has_prefix(where, "tcp:"))
        return g_strconcat(where, ",wait=off,nodelay=on,server=on", NULL);
    if (g_str_has_prefix(where, "unix:") && !strstr(where, ",server"))
        return g_strconcat(where, ",wait=off,server=on", NULL);
    return g_strdup(where);
}

struct gdbstub *gdbstub_start(struct vm *vm, struct chardev_set *chardevs, const char *where,
                              gdbstub_monitor *monitor, void *monitor_opaque, GError **error)
{
    g_autofree char *text = complete(where);
    GError *problem = NULL;
    struct chardev *chardev = chardev_create_legacy(chardevs, "gdb", text, NULL, &problem);

    if (!chardev) {
        if (problem)
            g_propagate_error(error, problem);
        return NULL;
    }
    struct gdbstub *stub = g_new0(struct gdbstub, 1);
    stub->machine = (struct gdb_machine){vm, monitor, monitor_opaque};
    stub->server = gdb_server_create(&gdb_machine_ops, &stub->machine, send, stub);
    if (!chardev_attach(&stub->front, chardev, &handlers, stub, error)) {
        gdb_server_destroy(stub->server);
        g_free(stub);
        return NULL;
    }
    stub->chardevs = g_str_has_prefix(where, "chardev:") ? NULL : chardevs;
    vm_on_event(vm, on_vm_event, stub);
    return stub;
}

static void destroy(struct gdbstub *stub)
{
    vm_off_event(stub->machine.vm, on_vm_event, stub);
    chardev_detach(&stub->front);
    gdb_server_destroy(stub->server);
    g_free(stub);
}

void gdbstub_end(struct gdbstub *stub)
{
    struct chardev_set *chardevs = stub->chardevs;
    g_autofree char *id = g_strdup(chardev_id(stub->front.chardev));

    gdb_server_disconnected(stub->server);
    destroy(stub);
    if (chardevs)
        chardev_remove(chardevs, id, NULL);
}

void gdbstub_destroy(struct gdbstub *stub, u8 exit_status)
{
    if (!stub)
        return;
    gdb_server_exited(stub->server, exit_status);
    destroy(stub);
}
