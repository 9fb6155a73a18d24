/* tests/device/virtio_serial.c - console device: control messages, ports that come and go, data both ways, nonsense. */
#include "hw/core/plug.h"
#include "tests/device/virtio_driver.h"
#include "api/marshal.h"
#include "chardev/chardev.h"
#include "vm/machine.h"
#include <json-c/json.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME, MULTIPORT = 1 };
enum { CONTROL_BUFFERS = 16, BUFFER = 64 };

struct serial {
    struct driver d;
    struct chardev_set *set;
    u64 in, out, data; /* buffers: control in, control out, ports */
};

static struct vm_object *add_port(struct serial *s, const char *driver, const char *id, const char *const *pairs)
{
    GError *error = NULL;
    struct vm_object *port = device_add(s->d.bench->vm, driver, id, pairs, &error);

    g_assert_no_error(error);
    return port;
}

/* The device, a ring buffer "r", and ports as given; the driver has its control queues filled. */
static void start(struct serial *s, struct bench *bench, enum driver_transport transport, const char *port_driver, const char *const *pairs)
{
    g_autoptr(GHashTable) options = chardev_parse_options("ringbuf", NULL);

    g_assert_nonnull(vm_object_create(bench->vm, "none-machine", vm_root(bench->vm), "machine", NULL));
    s->set = chardev_set_create(vm_context(bench->vm), NULL);
    g_hash_table_insert(options, g_strdup("id"), g_strdup("r"));
    g_assert_nonnull(chardev_create(s->set, options, NULL));
    vm_set_backend(bench->vm, "chardevs", 0, s->set);
    driver_init(&s->d, bench, transport, "virtio-serial", "max_ports=3");
    if (port_driver)
        add_port(s, port_driver, "p", pairs);
    driver_settle(&s->d);
    g_assert_true(driver_negotiate(&s->d, BIT64(MULTIPORT) | BIT64(VIRTIO_F_INDIRECT_DESC) | BIT64(VIRTIO_F_RING_RESET)));
    for (u16 i = 0; i < 8; i++)
        driver_queue(&s->d, i, 0);
    driver_ok(&s->d);
    s->in = driver_alloc(&s->d, CONTROL_BUFFERS * BUFFER, 64);
    s->out = driver_alloc(&s->d, BUFFER, 64);
    s->data = driver_alloc(&s->d, 4096, 64);
    for (u32 i = 0; i < CONTROL_BUFFERS; i++) {
        const struct driver_buffer b = { s->in + i * BUFFER, BUFFER, true };
        driver_submit(&s->d, &s->d.queue[2], &b, 1);
    }
    driver_kick(&s->d, &s->d.queue[2]);
}

static void finish(struct serial *s)
{
    bench_empty(s->d.bench);
    driver_settle(&s->d);
    chardev_set_destroy(s->set);
}

static void tell(struct serial *s, u32 port, u16 event, u16 value)
{
    const struct driver_buffer b = { s->out, 8, false };
    u32 id, written;

    bench_write(s->d.bench, s->out, 8, port | (u64)event << 32 | (u64)value << 48);
    driver_submit(&s->d, &s->d.queue[3], &b, 1);
    driver_kick(&s->d, &s->d.queue[3]);
    g_assert_true(driver_take(&s->d, &s->d.queue[3], 1, &id, &written));
}

/* The next message, which must be this one; text: what follows it. */
static void expect(struct serial *s, u32 port, u16 event, u16 value, const char *text)
{
    u32 id, written;

    g_assert_true(driver_take(&s->d, &s->d.queue[2], 1, &id, &written));
    u64 at = bench_read(s->d.bench, s->d.queue[2].descriptors + 16ull * id, 8);
    g_assert_cmphex(bench_read(s->d.bench, at, 8), ==, port | (u64)event << 32 | (u64)value << 48);
    g_assert_cmpuint(written, ==, 8 + strlen(text));
    g_assert_cmpmem(s->d.bench->ram->host + (at + 8 - BENCH_RAM), strlen(text), text, strlen(text));
}

static void expect_nothing(struct serial *s)
{
    u32 id, written;

    g_assert_false(driver_take(&s->d, &s->d.queue[2], 1, &id, &written));
}

static void carries_data(struct bench *bench, gconstpointer data)
{
    const char *const pairs[] = { "chardev", "r", NULL };
    struct serial s;
    u32 id, written;
    char text[32] = "";
    size_t size;

    start(&s, bench, MMIO_MODERN, "virtserialport", pairs);
    memcpy(bench->ram->host + (s.data - BENCH_RAM), "from the guest", 14);
    const struct driver_buffer out[] = { { s.data, 5, false }, { s.data + 5, 9, false } };
    driver_submit(&s.d, &s.d.queue[5], out, 2);
    driver_kick(&s.d, &s.d.queue[5]);
    g_assert_true(driver_take(&s.d, &s.d.queue[5], 2, &id, &written));
    g_assert_true(chardev_ringbuf_read(chardev_find(s.set, "r"), text, sizeof(text), &size, NULL));
    g_assert_cmpmem(text, size, "from the guest", 14);
    /* To a port that is not there: swallowed. */
    driver_submit(&s.d, &s.d.queue[7], out, 2);
    driver_kick(&s.d, &s.d.queue[7]);
    g_assert_true(driver_take(&s.d, &s.d.queue[7], 2, &id, &written));
    finish(&s);
}

static void ports_come_and_go(struct bench *bench, gconstpointer data)
{
    struct serial s;
    GError *error = NULL;

    start(&s, bench, MMIO_MODERN, NULL, NULL);
    tell(&s, 0, DEVICE_READY, 1);
    expect_nothing(&s);
    g_assert_true(vm_complete(bench->vm, NULL));
    add_port(&s, "virtserialport", "a", (const char *const[]){ "name", "a", NULL });
    expect(&s, 1, PORT_ADD, 1, "");
    add_port(&s, "virtserialport", "b", (const char *const[]){ "nr", "2", NULL });
    expect(&s, 2, PORT_ADD, 1, "");
    static const struct { const char *key, *value, *message; } bad[] = { { "nr", "2", "already exists at id 2" }, { "nr", "3", "Out-of-range" }, { "nr", "0", "reserved for virtconsole" },
                                                                        { "nr", "4294967295", "Maximum port limit" }, { "name", "a", "already exists by name a" } };
    for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_null(device_add(bench->vm, "virtserialport", "x", (const char *const[]){ bad[i].key, bad[i].value, NULL }, &error));
        g_assert_nonnull(strstr(error->message, bad[i].message));
        g_clear_error(&error);
    }
    g_assert_true(device_del(bench->vm, "a", NULL));
    driver_settle(&s.d);
    expect(&s, 1, PORT_REMOVE, 1, "");
    add_port(&s, "virtserialport", "c", (const char *const[]){ "name", "c", NULL });
    expect(&s, 1, PORT_ADD, 1, "");
    tell(&s, 1, PORT_READY, 0);
    tell(&s, 77, PORT_READY, 1);
    tell(&s, 1, 99, 1);
    expect_nothing(&s);
    /* The device goes before its ports. */
    vm_object_destroy(&s.d.device->object);
    g_assert_false(device_del(bench->vm, "c", &error));
    g_clear_error(&error);
    finish(&s);
}

static void introduces(struct bench *bench, gconstpointer data)
{
    const char *const pairs[] = { "name", "org.test", "chardev", "r", NULL };
    struct serial s;
    GError *error = NULL;

    start(&s, bench, (enum driver_transport)GPOINTER_TO_UINT(data), "virtserialport", pairs);
    g_assert_cmpuint(bench_read(bench, driver_config_at(&s.d, 4), 4), ==, 3);
    expect_nothing(&s);
    tell(&s, 0, DEVICE_READY, 1);
    expect(&s, 1, PORT_ADD, 1, "");
    tell(&s, 1, PORT_READY, 1);
    expect(&s, 1, PORT_NAME, 1, "org.test");
    expect(&s, 1, PORT_OPEN, 1, "");
    expect_nothing(&s);
    g_assert_null(device_add(bench->vm, "virtconsole", "c", (const char *const[]){ "nr", "0", NULL }, &error));
    g_clear_error(&error); /* without a chardev */
    finish(&s);
}

/* What one request may bring is more than the machine can wait for: it goes in turns. */
static void takes_turns(struct bench *bench, gconstpointer data)
{
    enum { PIECES = 500, REQUESTS = 5 };
    struct driver_buffer pieces[PIECES];
    struct serial s;
    u32 id, written, done = 0;

    start(&s, bench, MMIO_MODERN, "virtserialport", (const char *const[]){ NULL });
    for (u32 i = 0; i < PIECES; i++)
        pieces[i] = (struct driver_buffer){ s.data, 4096, false };
    for (u32 i = 0; i < REQUESTS; i++)
        driver_submit_indirect(&s.d, &s.d.queue[5], pieces, PIECES);
    driver_kick(&s.d, &s.d.queue[5]);
    g_assert_false(driver_take(&s.d, &s.d.queue[5], 1, &id, &written));
    for (s64 now = 1000; done < REQUESTS; now += 1000) {
        bool last = driver_take(&s.d, &s.d.queue[5], 1, &id, &written);

        done += last;
        g_assert_false(driver_take(&s.d, &s.d.queue[5], 1, &id, &written));
        vm_clock_advance(bench->vm, now);
        g_assert_cmpint(now, <, 1000000);
    }
    finish(&s);
}

/* A socket "c" and a port 1 in front of it, which the guest has open; its other end. */
static int start_with_socket(struct serial *s, struct bench *bench, enum driver_transport transport)
{
    int ends[2];

    start(s, bench, transport, NULL, NULL);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    g_autofree char *text = g_strdup_printf("socket,id=c,fd=%d", ends[0]);
    g_autoptr(GHashTable) options = chardev_parse_options(text, NULL);
    g_assert_nonnull(chardev_create(s->set, options, NULL));
    add_port(s, "virtserialport", "p", (const char *const[]){ "chardev", "c", NULL });
    tell(s, 0, DEVICE_READY, 1);
    tell(s, 1, PORT_READY, 1);
    tell(s, 1, PORT_OPEN, 1);
    return ends[1];
}

/* 2.6.1.1: the buffer that waited for input is the driver's again. */
static void queue_reset(struct bench *bench, gconstpointer data)
{
    struct serial s;
    u32 id, written;
    int other = start_with_socket(&s, bench, MMIO_MODERN);
    const struct driver_buffer before = { s.data, 64, true }, after = { s.data + 64, 64, true };

    driver_submit(&s.d, &s.d.queue[4], &before, 1);
    driver_kick(&s.d, &s.d.queue[4]);
    driver_write(&s.d, DRIVER_QUEUE_SELECT, 4);
    bench_write(bench, DRIVER_MMIO + 0xc0, 4, 1);
    memset(bench->ram->host + (s.data - BENCH_RAM), 0xee, 128);
    driver_queue(&s.d, 4, 0);
    driver_submit(&s.d, &s.d.queue[4], &after, 1);
    driver_kick(&s.d, &s.d.queue[4]);
    g_assert_cmpint(write(other, "hello", 5), ==, 5);
    driver_settle(&s.d);
    g_assert_true(driver_take(&s.d, &s.d.queue[4], 1, &id, &written));
    g_assert_cmpuint(written, ==, 5);
    g_assert_cmphex(bench_read(bench, s.data, 8), ==, 0xeeeeeeeeeeeeeeee);
    g_assert_cmpmem(bench->ram->host + (s.data + 64 - BENCH_RAM), 5, "hello", 5);
    close(other);
    finish(&s);
}

/* Another vCPU, which makes a buffer available for each that comes back: the interrupt's message reaches it at once. */
struct refiller {
    struct region region;
    u16 *available;
    u32 left;
};

static enum mem_result refill(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct refiller *r = opaque;

    if (r->left) {
        r->left--;
        ++*r->available;
    }
    return MEM_OK;
}

/* Input that waits goes into what there is in one turn, even if that holds nothing. */
static void buffers_without_room(struct bench *bench, gconstpointer data)
{
    enum { MESSAGES = 0x70000000, REFILLS = 10000 };
    static const struct region_ops ops = { .write = refill, .max_access = 4 };
    struct serial s;
    int other = start_with_socket(&s, bench, PCI_MSIX);
    struct driver_queue *queue = &s.d.queue[4];
    struct refiller refiller = { .available = (u16 *)(bench->ram->host + (queue->available + 2 - BENCH_RAM)), .left = REFILLS };

    region_init_mmio(&refiller.region, bench->vm, "messages", 0x1000, &ops, &refiller);
    region_add(space_root(vm_memory(bench->vm)), MESSAGES, &refiller.region, 0);
    bench_write(bench, DRIVER_MSIX, 8, MESSAGES);
    bench_write(bench, DRIVER_MSIX + 12, 4, 0);
    driver_write(&s.d, DRIVER_QUEUE_SELECT, 4);
    bench_write(bench, s.d.pci.common + 0x1a, 2, 0);
    bench_write(bench, queue->descriptors + 12, 2, 2); /* descriptor 0: no room at all; 1: 64 bytes */
    driver_put_descriptor(bench, queue->descriptors + 16, &(struct driver_buffer){ s.data, 64, true }, 2, 0);
    bench_write(bench, queue->available + 4, 2, 1);
    bench_write(bench, queue->available + 2, 2, 1);
    driver_kick(&s.d, queue);
    bench_write(bench, queue->available + 4, 2, 0);
    for (u32 i = 0; i < 2; i++) { /* both before either is delivered */
        g_assert_cmpint(write(other, "hello", 5), ==, 5);
        g_main_context_iteration(vm_context(bench->vm), TRUE);
    }
    vm_inbox_deliver(bench->vm);
    g_assert_cmpuint(refiller.left, <, REFILLS);
    g_assert_cmpuint(refiller.left, >, REFILLS - 2u * queue->size);
    driver_settle(&s.d);
    g_assert_cmpmem(bench->ram->host + (s.data - BENCH_RAM), 5, "hello", 5);
    close(other);
    finish(&s);
    region_finish(&refiller.region);
}

/* One port, which is the console's: no other number is possible. */
static void only_port(struct bench *bench, gconstpointer data)
{
    struct driver d;
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(vm_object_create(bench->vm, "none-machine", vm_root(bench->vm), "machine", NULL));
    driver_init(&d, bench, MMIO_MODERN, "virtio-serial", "max_ports=1");
    g_assert_null(device_add(bench->vm, "virtserialport", "x", (const char *const[]){ "nr", "1", NULL }, &error));
    g_assert_nonnull(strstr(error->message, "Out-of-range port id specified, max. allowed: 0"));
}

static void note_event(void *opaque, const char *name, struct json_object *object)
{
    GString *seen = opaque;
    struct json_object *open = NULL;

    if (!strcmp(name, "VSERPORT_CHANGE")) {
        json_object_object_get_ex(object, "open", &open);
        g_string_append(seen, json_object_get_boolean(open) ? "open " : "closed ");
    }
    json_object_put(object);
}

/* Whoever follows the guest's agent hears that it is gone. */
static void reset_closes(struct bench *bench, gconstpointer data)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    const struct api_event_sink sink = { note_event, seen };
    struct serial s;

    start(&s, bench, MMIO_MODERN, "virtserialport", (const char *const[]){ NULL });
    vm_set_events(bench->vm, &sink);
    tell(&s, 1, PORT_OPEN, 1);
    g_assert_cmpstr(seen->str, ==, "open ");
    vm_reset(bench->vm, VM_CAUSE_NONE);
    g_assert_cmpstr(seen->str, ==, "open closed ");
    vm_reset(bench->vm, VM_CAUSE_NONE);
    g_assert_cmpstr(seen->str, ==, "open closed ");
    vm_set_events(bench->vm, NULL);
    finish(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (u32 i = MMIO_MODERN; i < TRANSPORTS; i++) {
        g_autofree char *path = g_strdup_printf("/virtio-serial/introduces/%u", i);

        if (i != PCI_LEGACY)
            g_test_add(path, struct bench, GUINT_TO_POINTER(i), bench_set_up, introduces, bench_tear_down);
    }
    BENCH_TEST("/virtio-serial/data", carries_data);
    BENCH_TEST("/virtio-serial/hot-plug", ports_come_and_go);
    BENCH_TEST("/virtio-serial/turns", takes_turns);
    BENCH_TEST("/virtio-serial/queue-reset", queue_reset);
    BENCH_TEST("/virtio-serial/buffers-without-room", buffers_without_room);
    BENCH_TEST("/virtio-serial/only-port", only_port);
    BENCH_TEST("/virtio-serial/reset-closes", reset_closes);
    return g_test_run();
}
