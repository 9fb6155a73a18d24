/* tests/unit/gdb_machine.c - the GDB server on a running machine whose CPUs only count: threads,
 * steps, stops. */
#include "base/bits.h"
#include "chardev/chardev.h"
#include "gdbstub/gdbstub.h"
#include "gdbstub/packet.h"
#include "vm/memory.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- a CPU that executes nothing: each instruction is 4 bytes long, stores its pc at 0x1000, loops
 * at 256 bytes --- */

enum { CPUS = 2, LOOP = 256, STORE_AT = 0x40, STORE_TO = 0x1000 };

struct counter_state {
    u64 pc;
};

static struct counter_state *state_of(struct vcpu *vcpu)
{
    return vcpu->state;
}

static void cpu_reset(struct vcpu *vcpu)
{
    state_of(vcpu)->pc = 0;
}

static void cpu_walk(struct vcpu *vcpu, u64 address, unsigned size, enum mmu_access access,
                     bool debug, struct mmu_page *page)
{
    *page = (struct mmu_page){.physical = address & ~UINT64_C(4095), .read = true, .write = true};
    page->fault = address >= 0x10000000;
}

static bool cpu_has_work(struct vcpu *vcpu)
{
    return true;
}

static void cpu_line_changed(struct vcpu *vcpu, u32 number, u32 level) {}

static u64 cpu_get_pc(struct vcpu *vcpu)
{
    return state_of(vcpu)->pc;
}

static void cpu_set_pc(struct vcpu *vcpu, u64 pc)
{
    state_of(vcpu)->pc = pc;
}

static const struct cpu_register *cpu_registers(struct vcpu *vcpu, u32 *count)
{
    static const struct cpu_register list[] = {
        {"pc", "org.gnu.gdb.riscv.cpu", "code_ptr", "general", 64, 0, 0}};

    *count = 1;
    return list;
}

static bool cpu_read_register(struct vcpu *vcpu, const struct cpu_register *reg, void *value)
{
    bits_store_le(value, 8, state_of(vcpu)->pc);
    return true;
}

static bool cpu_write_register(struct vcpu *vcpu, const struct cpu_register *reg, const void *value)
{
    state_of(vcpu)->pc = bits_load_le(value, 8);
    return true;
}

static const struct cpu_class counter_class = {
    .guest = VM_GUEST_RISCV64,
    .arch = "riscv64",
    .gdb_arch = "riscv:rv64",
    .state_size = sizeof(struct counter_state),
    .line_count = 1,
    .reset = cpu_reset,
    .walk = cpu_walk,
    .has_work = cpu_has_work,
    .line_changed = cpu_line_changed,
    .get_pc = cpu_get_pc,
    .set_pc = cpu_set_pc,
    .registers = cpu_registers,
    .read_register = cpu_read_register,
    .write_register = cpu_write_register,
};

static bool counter_realize(struct vm_object *object, GError **error)
{
    return vcpu_init(container_of(object, struct vcpu, object), &counter_class, error);
}

static void counter_finish(struct vm_object *object)
{
    vcpu_finish(container_of(object, struct vcpu, object));
}

VM_CLASS(counter){.name = "unit-test-counter-cpu",
                  .parent = "cpu",
                  .size = sizeof(struct vcpu),
                  .realize = counter_realize,
                  .finish = counter_finish,
                  .data = &counter_class};

/* One instruction. True: the debugger wants to know. */
static bool execute(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;
    u64 pc = state_of(vcpu)->pc, address;
    enum vm_watch kind;

    if (vcpu->step == VCPU_STEP_OFF && vm_has_breakpoint(vm, pc)) {
        vcpu_debug_stop(vcpu, &(struct vcpu_stop){.kind = VCPU_STOP_BREAKPOINT, .address = pc});
        return true;
    }
    state_of(vcpu)->pc = (pc + 4) % LOOP;
    if (pc == STORE_AT && vm_watchpoint_hit(vm, STORE_TO, 8, MMU_WRITE, &address, &kind)) {
        vcpu_debug_stop(vcpu, &(struct vcpu_stop){VCPU_STOP_WATCHPOINT, address, kind});
        return true;
    }
    if (vcpu->step == VCPU_STEP_ONE) {
        vcpu_debug_stop(vcpu, &(struct vcpu_stop){.kind = VCPU_STOP_STEP});
        return true;
    }
    return false;
}

static void counter_run(struct vcpu *vcpu)
{
    while (!execute(vcpu)) {
        if (__atomic_load_n(&vcpu->host->exit_request, __ATOMIC_RELAXED) && !vcpu_safepoint(vcpu))
            return;
    }
}

static const struct accel_class counter_accel = {.name = "counter", .vcpu_run = counter_run};

/* --- the debugger's side, in a thread of its own --- */

struct client {
    struct gdb_reader reader;
    int fd;
};

static void client_send(struct client *client, const char *packet)
{
    g_autoptr(GString) frame = g_string_new(NULL);

    gdb_frame(frame, packet, strlen(packet));
    g_assert_cmpint(write(client->fd, frame->str, frame->len), ==, (ssize_t)frame->len);
}

/* The next packet, acknowledged. */
static const char *client_receive(struct client *client)
{
    struct pollfd entry = {.fd = client->fd, .events = POLLIN};
    u8 byte;

    for (;;) {
        g_assert_cmpint(poll(&entry, 1, 10000), ==, 1);
        g_assert_cmpint(read(client->fd, &byte, 1), ==, 1);
        if (gdb_reader_put(&client->reader, byte) != GDB_INPUT_PACKET)
            continue;
        g_assert_cmpint(write(client->fd, "+", 1), ==, 1);
        return client->reader.data;
    }
}

#define expect(client, packet, answer)                                                             \
    do {                                                                                           \
        client_send(client, packet);                                                               \
        g_assert_cmpstr(client_receive(client), ==, answer);                                       \
    } while (0)

static struct client *client_connect(const char *path)
{
    struct client *client = g_new0(struct client, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    client->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return client;
}

static void client_close(struct client *client)
{
    close(client->fd);
    g_free(client);
}

static u64 read_pc(struct client *client, unsigned thread)
{
    g_autofree char *select = g_strdup_printf("Hg%u", thread);
    u8 value[8];

    expect(client, select, "OK");
    client_send(client, "p0");
    g_assert_true(gdb_hex_decode(client_receive(client), 16, value));
    return bits_load_le(value, 8);
}

static void debug(struct client *client)
{
    /* Connecting stopped the machine. */
    expect(client, "?", "T02thread:01;");
    expect(client, "qfThreadInfo", "m01,02");
    expect(client, "P0=0000000000000000", "OK");
    expect(client, "Hg2", "OK");
    expect(client, "P0=8000000000000000", "OK");
    /* A step of one thread while the other stands still. */
    expect(client, "vCont;s:1", "T05thread:01;");
    g_assert_cmphex(read_pc(client, 1), ==, 4);
    g_assert_cmphex(read_pc(client, 2), ==, 0x80);
    /* A breakpoint reached by one thread while the other is held. */
    expect(client, "Z0,20,4", "OK");
    expect(client, "vCont;c:2", "T05thread:02;");
    g_assert_cmphex(read_pc(client, 2), ==, 0x20);
    g_assert_cmphex(read_pc(client, 1), ==, 4);
    /* Both run; the first gets there. */
    expect(client, "P0=2400000000000000", "OK");
    g_assert_cmphex(read_pc(client, 1), ==, 0x24);
    expect(client, "Hg2", "OK");
    expect(client, "P0=2400000000000000", "OK");
    client_send(client, "vCont;c");
    g_assert_true(g_str_has_prefix(client_receive(client), "T05thread:0"));
    expect(client, "z0,20,4", "OK");
    expect(client, "Z2,1004,2", "OK");
    client_send(client, "c");
    g_assert_nonnull(strstr(client_receive(client), ";watch:1004;"));
    expect(client, "z2,1004,2", "OK");
    /* Interrupt. */
    client_send(client, "vCont;c");
    g_usleep(20000);
    g_assert_cmpint(write(client->fd, "\3", 1), ==, 1);
    g_assert_cmpstr(client_receive(client), ==, "T02thread:01;");
    expect(client, "m80000000,4", "E0e");
    expect(client, "M100,2:abcd", "OK");
    expect(client, "m100,3", "abcd00");
    expect(client, "Qqemu.PhyMemMode:1", "OK");
    expect(client, "m100,2", "abcd");
    expect(client, "Z0,40,4", "OK");
}

static gpointer debugger(gpointer path)
{
    struct client *client = client_connect(path);

    debug(client);
    expect(client, "D", "OK"); /* the breakpoint goes too */
    client_close(client);
    client = client_connect(path);
    expect(client, "?", "T02thread:01;");
    expect(client, "Z0,60,4", "OK");
    client_send(client, "vCont;c");
    g_assert_true(g_str_has_prefix(client_receive(client), "T05thread:0"));
    g_assert_cmphex(read_pc(client, 1) == 0x60 || read_pc(client, 2) == 0x60, ==, true);
    client_close(client); /* without a word */
    client = client_connect(path);
    client_send(client, "?");
    g_assert_true(g_str_has_prefix(client_receive(client), "T05thread:0"));
    client_send(client, "vCont;c");
    g_usleep(20000);
    g_assert_cmpint(write(client->fd, "\3", 1), ==, 1);
    g_assert_cmpstr(client_receive(client), ==, "T02thread:01;"); /* no breakpoint was left */
    expect(client, "vKill;1", "OK");
    client_close(client);
    return NULL;
}

static void test_debugger(void)
{
    GError *error = NULL;
    struct vm *vm = vm_create(VM_GUEST_RISCV64, &error);
    struct chardev_set *chardevs = chardev_set_create(vm_context(vm), NULL);
    struct accel accel = {.accel_class = &counter_accel};
    struct region region = {0};
    g_autofree char *folder = g_dir_make_tmp("mynah-gdb-XXXXXX", &error);
    g_autofree char *path = g_build_filename(folder, "gdb", NULL);
    g_autofree char *where = g_strconcat("unix:", path, NULL);

    g_assert_no_error(error);
    accel.object.vm = vm;
    vm_lock(vm);
    vm_set_accel(vm, &accel);
    struct ram_block *ram = vm_ram_create(vm, "ram", 64 * KIB, &error);
    region_init_ram(&region, vm, "ram", ram, 0, 64 * KIB);
    region_add(space_root(vm_memory(vm)), 0, &region, 0);
    for (unsigned i = 0; i < CPUS; i++) {
        struct vm_object *cpu =
            vm_object_create(vm, "unit-test-counter-cpu", vm_root(vm), i ? "b" : "a", &error);

        g_assert_no_error(error);
        g_assert_true(vm_object_realize(cpu, &error));
    }
    struct gdbstub *stub = gdbstub_start(vm, chardevs, where, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(vm_vcpus_start(vm, &error));
    vm_cont(vm);
    vm_unlock(vm);
    GThread *thread = g_thread_new("debugger", debugger, path);
    g_assert_cmpint(vm_run(vm), ==, 0);
    g_thread_join(thread);
    vm_lock(vm);
    gdbstub_destroy(stub, 0);
    vm_unlock(vm);
    chardev_set_destroy(chardevs);
    vm_lock(vm);
    region_finish(&region);
    vm_ram_destroy(ram);
    vm_unlock(vm);
    vm_destroy(vm);
    g_assert_cmpint(rmdir(folder), ==, 0);
}

/* The vCPU has stopped behind its step, and the main loop has not come to that: somebody else has all vCPUs stand for a moment. */
static void test_pause_behind_step(void)
{
    GError *error = NULL;
    struct vm *vm = vm_create(VM_GUEST_RISCV64, &error);
    struct accel accel = {.accel_class = &counter_accel};

    g_assert_no_error(error);
    accel.object.vm = vm;
    vm_lock(vm);
    vm_set_accel(vm, &accel);
    struct vm_object *object = vm_object_create(vm, "unit-test-counter-cpu", vm_root(vm), "a", &error);
    g_assert_true(vm_object_realize(object, &error));
    g_assert_true(vm_vcpus_start(vm, &error));
    struct vcpu *vcpu = vm_vcpu(vm, 0);
    vcpu->step = VCPU_STEP_ONE;
    vm_cont(vm);
    host_lock_take(&vcpu->lock);
    while (!vcpu->stopped)
        host_cond_wait(&vcpu->wake, &vcpu->lock);
    host_lock_drop(&vcpu->lock);
    vm_vcpus_stop(vm);
    vm_vcpus_resume(vm);
    g_assert_true(vcpu->stop);
    g_assert_cmphex(state_of(vcpu)->pc, ==, 4);
    vm_cont(vm); /* it is running: nothing */
    g_assert_true(vcpu->stop);
    vm_stop(vm, VM_PAUSED);
    vm_cont(vm);
    g_assert_false(vcpu->stop);
    vm_stop(vm, VM_PAUSED);
    vm_unlock(vm);
    vm_destroy(vm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gdbstub/machine", test_debugger);
    g_test_add_func("/gdbstub/step-outlasts-a-pause", test_pause_behind_step);
    return g_test_run();
}
