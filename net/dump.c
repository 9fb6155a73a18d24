/*
 * net/dump.c - -object filter-dump: writes what passes a netdev to a file that tcpdump and Wireshark read
 * (pcap: IETF draft-ietf-opsawg-pcap).
 */
#include "base/error.h"
#include "net/internal.h"
#include "vm/clock.h"
#include "vm/vm.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { ETHERNET = 1 };

struct pcap_header {
    u32 magic;
    u16 major, minor;
    u32 zone, accuracy, most, link;
};

struct pcap_record {
    u32 seconds, microseconds, kept, size;
};

enum { QUEUE_ALL, QUEUE_RX, QUEUE_TX };
static const char *const queue_names[] = { "all", "rx", "tx", NULL };
enum { STATUS_ON, STATUS_OFF };
static const char *const status_names[] = { "on", "off", NULL };

struct dump {
    struct vm_object object;
    char *netdev, *file, *position, *insert;
    u32 queue, status, most;
    struct net_filter filter;
    int fd;
};

/* False: the disk is full, for instance. The guest goes on without a record. */
static bool write_all(int fd, const void *data, size_t size)
{
    const u8 *at = data;

    while (size) {
        ssize_t n = write(fd, at, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* QEMU's rx is what the netdev receives: frames of the guest. */
static void frame(void *opaque, const struct net_frame *frame, bool to_peer)
{
    struct dump *dump = opaque;
    u32 kept = MIN(frame->size, dump->most);
    s64 now = vm_clock_now(dump->object.vm, VM_CLOCK_HOST);
    struct pcap_record record = { (u32)(now / 1000000000), (u32)(now % 1000000000 / 1000), kept, frame->size };

    if (dump->fd < 0 || dump->status == STATUS_OFF || (dump->queue == QUEUE_RX && to_peer) || (dump->queue == QUEUE_TX && !to_peer))
        return;
    g_autofree u8 *data = g_malloc(sizeof(record) + kept);
    memcpy(data, &record, sizeof(record));
    net_frame_copy(frame, 0, data + sizeof(record), kept);
    if (write_all(dump->fd, data, sizeof(record) + kept))
        return;
    close(dump->fd);
    dump->fd = -1;
}

static bool open_file(struct dump *dump, GError **error)
{
    struct pcap_header header = { 0xa1b2c3d4, 2, 4, 0, 0, dump->most, ETHERNET };

    dump->fd = open(dump->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (dump->fd >= 0 && write_all(dump->fd, &header, sizeof(header)))
        return true;
    error_set(error, "cannot write '%s': %s", dump->file, strerror(errno));
    if (dump->fd >= 0)
        close(dump->fd);
    return false;
}

static struct net_client *find(struct dump *dump)
{
    struct net_set *set = net_set_of(dump->object.vm);

    return set && dump->netdev ? net_find_netdev(set, dump->netdev) : NULL;
}

static bool realize(struct vm_object *object, GError **error)
{
    struct dump *dump = (struct dump *)object;
    struct net_client *client = find(dump);

    dump->fd = -1;
    if (!dump->netdev || !dump->file)
        return error_set(error, "filter-dump needs %s=", dump->netdev ? "file" : "netdev");
    if (!client)
        return error_set(error, "there is no netdev '%s'", dump->netdev);
    if (net_client_is_vhost(client))
        return error_set(error, "no frame of netdev '%s' (vhost-user) passes here", dump->netdev);
    if (!open_file(dump, error))
        return false;
    dump->filter.frame = frame;
    dump->filter.opaque = dump;
    net_filter_add(client, &dump->filter);
    return true;
}

static void unrealize(struct vm_object *object)
{
    struct dump *dump = (struct dump *)object;
    struct net_client *client = find(dump);

    if (client)
        net_filter_remove(client, &dump->filter);
    if (dump->fd >= 0)
        close(dump->fd);
}

static const struct vm_property properties[] = {
    { "netdev", VM_PROPERTY_STRING, "id of the netdev", .offset = offsetof(struct dump, netdev) },
    { "file", VM_PROPERTY_STRING, "where to write", .offset = offsetof(struct dump, file) },
    { "maxlen", VM_PROPERTY_U32, "bytes of each frame that are written", .offset = offsetof(struct dump, most), .default_text = "65536",
      .min = 64, .max = NET_FRAME_MAX + 64 },
    { "queue", VM_PROPERTY_ENUM, "rx: what the netdev receives from the guest, tx: what it sends to it, all", .offset = offsetof(struct dump, queue),
      .names = queue_names, .class_name = "NetFilterDirection", .default_text = "all" },
    { "status", VM_PROPERTY_ENUM, "off: nothing is written", .offset = offsetof(struct dump, status), .names = status_names,
      .default_text = "on", .live = true },
    { "position", VM_PROPERTY_STRING, "without effect: the order of filters does not matter", .offset = offsetof(struct dump, position),
      .default_text = "tail" },
    { "insert", VM_PROPERTY_STRING, "without effect", .offset = offsetof(struct dump, insert), .default_text = "behind" },
    { 0 },
};

VM_CLASS(filter_dump) {
    .name = "filter-dump", .parent = "user-creatable", .description = "writes a netdev's frames to a pcap file", .size = sizeof(struct dump),
    .user_creatable = true, .properties = properties, .realize = realize, .unrealize = unrealize,
};
