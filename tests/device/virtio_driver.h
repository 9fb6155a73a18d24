/*
 * tests/device/virtio_driver.h - a virtio driver of little ambition, for every transport and ring format: tests of devices drive
 * them through it as a guest would. Memory comes from the bench's RAM; buffers are addressed by guest address.
 * Each test program includes this once.
 */
#ifndef TESTS_DEVICE_VIRTIO_DRIVER_H
#define TESTS_DEVICE_VIRTIO_DRIVER_H

#include "base/bits.h"
#include "hw/core/bus.h"
#include "hw/pci/gpex.h"
#include "hw/virtio/virtio.h"
#include "tests/device/bench.h"
#include "vm/internal.h"

enum driver_transport { MMIO_LEGACY, MMIO_MODERN, PCI_LEGACY, PCI_MODERN, PCI_MSIX, TRANSPORTS };
enum { DRIVER_QUEUES = 8 };
#define DRIVER_MMIO     UINT64_C(0x10001000)
#define DRIVER_ECAM     UINT64_C(0x30000000)
#define DRIVER_PIO      UINT64_C(0x3000000)
#define DRIVER_MSIX     UINT64_C(0x40100000)
#define DRIVER_HIGH     UINT64_C(0x400000000)
#define DRIVER_PCI_HOST                                                                                                     \
    "x-ecam-base=0x30000000;x-ecam-size=256M;x-pio-base=0x3000000;x-pio-size=64k;x-below-4g-mmio-base=0x40000000;"          \
    "x-below-4g-mmio-size=1G;x-above-4g-mmio-base=0x400000000;x-above-4g-mmio-size=16G"

/* Where each structure of the modern PCI transport lies, found by its capabilities. */
struct driver_pci {
    u64 common, isr, config, notify;
    u32 notify_stride;
};

struct driver_queue {
    u16 size, index;
    bool packed;
    u64 descriptors, available, used; /* guest addresses */
    u16 next, last_used, first_free;
    bool wrap, used_wrap;
};

struct driver {
    struct bench *bench;
    struct device *device;  /* the virtio device */
    enum driver_transport transport;
    struct driver_pci pci;
    u64 features;
    u64 heap;               /* next free guest address */
    struct driver_queue queue[DRIVER_QUEUES];
};

struct driver_buffer {
    u64 address;
    u32 size;
    bool write;             /* by the device */
};

static inline bool driver_is_legacy(const struct driver *d)
{
    return d->transport == MMIO_LEGACY || d->transport == PCI_LEGACY;
}

static inline u64 driver_alloc(struct driver *d, u64 size, u64 align)
{
    u64 at = bits_align_up(d->heap, align);

    d->heap = at + size;
    g_assert_cmpuint(d->heap, <=, BENCH_RAM + (u64)BENCH_RAM_SIZE);
    return at;
}

/* ---- Finding the device ---- */

static inline u64 driver_pci_config(u32 offset)
{
    return DRIVER_ECAM + 0x8000 + offset; /* 01.0 */
}

static inline void driver_pci_capability(struct driver *d, u32 at)
{
    u64 place = DRIVER_HIGH + bench_read(d->bench, driver_pci_config(at + 8), 4);

    if (bench_read(d->bench, driver_pci_config(at + 4), 1) != 4)
        return; /* notifications by I/O */
    switch (bench_read(d->bench, driver_pci_config(at + 3), 1)) {
    case 1:
        d->pci.common = place;
        break;
    case 2:
        d->pci.notify = place;
        d->pci.notify_stride = (u32)bench_read(d->bench, driver_pci_config(at + 16), 4);
        break;
    case 3:
        d->pci.isr = place;
        break;
    case 4:
        d->pci.config = place;
        break;
    default:
        break;
    }
}

static inline void driver_pci_start(struct driver *d)
{
    struct bench *b = d->bench;

    bench_write(b, driver_pci_config(0x10), 4, 0x1000);      /* legacy */
    bench_write(b, driver_pci_config(0x14), 4, DRIVER_MSIX);
    bench_write(b, driver_pci_config(0x20), 4, 0);
    bench_write(b, driver_pci_config(0x24), 4, DRIVER_HIGH >> 32);
    bench_write(b, driver_pci_config(4), 2, 7);
    for (u32 at = (u32)bench_read(b, driver_pci_config(0x34), 1); at; at = (u32)bench_read(b, driver_pci_config(at + 1), 1)) {
        u64 id = bench_read(b, driver_pci_config(at), 1);

        if (id == 9)
            driver_pci_capability(d, at);
        if (id == 0x11 && d->transport == PCI_MSIX)
            bench_write(b, driver_pci_config(at + 2), 2, 0x8000);
    }
}

/* name: "virtio-rng"; properties: "a=1;b=2" or NULL, for the device. */
static inline void driver_init(struct driver *d, struct bench *bench, enum driver_transport transport, const char *name, const char *properties)
{
    bool pci = transport >= PCI_LEGACY;
    g_autofree char *class_name = g_strconcat(name, pci ? "-pci" : "-device", NULL);
    GError *error = NULL;

    *d = (struct driver){ .bench = bench, .transport = transport, .heap = BENCH_RAM + 0x10000 };
    if (pci) {
        struct device *host = bench_device(bench, "gpex-pcihost", DRIVER_PCI_HOST);

        for (u32 i = 0; i < 4; i++) {
            g_autofree char *line = g_strdup_printf("irq%u", i);
            device_connect(host, line, &bench->line[i]);
        }
        gpex_map(host);
        gpex_bus(host)->msi = transport == PCI_MSIX;
    } else {
        struct device *mmio = bench_device(bench, "virtio-mmio", transport == MMIO_LEGACY ? "force-legacy=on" : "force-legacy=off");

        device_map(mmio, 0, DRIVER_MMIO);
        device_connect(mmio, "irq", &bench->line[1]);
    }
    struct device *made = bench_device(bench, class_name, properties);
    g_assert_no_error(error);
    d->device = pci ? (struct device *)vm_object_child(&made->object, "virtio-backend") : made;
    vm_reset(bench->vm, VM_CAUSE_NONE);
    if (pci)
        driver_pci_start(d);
}

/* ---- Registers ---- */

enum driver_register { DRIVER_STATUS, DRIVER_QUEUE_SELECT, DRIVER_QUEUE_SIZE, DRIVER_QUEUE_ENABLE, DRIVER_GENERATION, DRIVER_REGISTERS };

static inline u64 driver_at(const struct driver *d, enum driver_register r, unsigned *size)
{
    static const struct { u8 mmio, modern, modern_size, legacy, legacy_size; } rows[DRIVER_REGISTERS] = {
        [DRIVER_STATUS] = { 0x70, 0x14, 1, 0x12, 1 },
        [DRIVER_QUEUE_SELECT] = { 0x30, 0x16, 2, 0x0e, 2 },
        [DRIVER_QUEUE_SIZE] = { 0x38, 0x18, 2, 0x0c, 2 },
        [DRIVER_QUEUE_ENABLE] = { 0x44, 0x1c, 2, 0, 0 },
        [DRIVER_GENERATION] = { 0xfc, 0x15, 1, 0, 0 },
    };

    *size = d->transport < PCI_LEGACY ? 4 : d->transport == PCI_LEGACY ? rows[r].legacy_size : rows[r].modern_size;
    if (d->transport < PCI_LEGACY)
        return DRIVER_MMIO + rows[r].mmio;
    return d->transport == PCI_LEGACY ? DRIVER_PIO + 0x1000 + rows[r].legacy : d->pci.common + rows[r].modern;
}

static inline u64 driver_read(const struct driver *d, enum driver_register r)
{
    unsigned size;
    u64 at = driver_at(d, r, &size);

    return bench_read(d->bench, at, size);
}

static inline void driver_write(const struct driver *d, enum driver_register r, u64 value)
{
    unsigned size;
    u64 at = driver_at(d, r, &size);

    bench_write(d->bench, at, size, value);
}

static inline u64 driver_config_at(const struct driver *d, u32 offset)
{
    return (d->transport < PCI_LEGACY ? DRIVER_MMIO + 0x100 : d->transport == PCI_LEGACY ? DRIVER_PIO + 0x1014 : d->pci.config) + offset;
}

static inline u32 driver_features_word(const struct driver *d, u32 word)
{
    if (d->transport == PCI_LEGACY)
        return word ? 0 : (u32)bench_read(d->bench, DRIVER_PIO + 0x1000, 4);
    u64 select = d->transport < PCI_LEGACY ? DRIVER_MMIO + 0x14 : d->pci.common, value = d->transport < PCI_LEGACY ? DRIVER_MMIO + 0x10 : d->pci.common + 4;
    bench_write(d->bench, select, 4, word);
    return (u32)bench_read(d->bench, value, 4);
}

static inline u64 driver_offered(const struct driver *d)
{
    return driver_features_word(d, 0) | (u64)driver_features_word(d, 1) << 32;
}

static inline void driver_accept_word(const struct driver *d, u32 word, u32 bits)
{
    if (d->transport == PCI_LEGACY) {
        if (!word)
            bench_write(d->bench, DRIVER_PIO + 0x1004, 4, bits);
        return;
    }
    u64 select = d->transport < PCI_LEGACY ? DRIVER_MMIO + 0x24 : d->pci.common + 8;
    bench_write(d->bench, select, 4, word);
    bench_write(d->bench, d->transport < PCI_LEGACY ? DRIVER_MMIO + 0x20 : d->pci.common + 12, 4, bits);
}

/* Resets the device and negotiates (3.1.1); gives back whether it went along. VERSION_1 is added where it must be. */
static inline bool driver_negotiate(struct driver *d, u64 features)
{
    d->features = driver_is_legacy(d) ? features & UINT32_MAX : features | BIT64(VIRTIO_F_VERSION_1);
    driver_write(d, DRIVER_STATUS, 0);
    driver_write(d, DRIVER_STATUS, VIRTIO_ACKNOWLEDGE);
    driver_write(d, DRIVER_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    driver_accept_word(d, 0, (u32)d->features);
    driver_accept_word(d, 1, (u32)(d->features >> 32));
    if (driver_is_legacy(d))
        return true;
    driver_write(d, DRIVER_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    return driver_read(d, DRIVER_STATUS) & VIRTIO_FEATURES_OK;
}

static inline void driver_ok(struct driver *d)
{
    driver_write(d, DRIVER_STATUS, driver_read(d, DRIVER_STATUS) | VIRTIO_DRIVER_OK);
}

/* ---- Queues ---- */

static inline void driver_set_address(struct driver *d, u32 which, u64 address)
{
    static const u8 mmio[] = { 0x80, 0x90, 0xa0 }, pci[] = { 0x20, 0x28, 0x30 };
    u64 at = d->transport < PCI_LEGACY ? DRIVER_MMIO + mmio[which] : d->pci.common + pci[which];

    bench_write(d->bench, at, 4, (u32)address);
    bench_write(d->bench, at + 4, 4, address >> 32);
}

/* Sets up a queue in fresh memory. size 0: as the device says. */
static inline struct driver_queue *driver_queue(struct driver *d, u16 index, u16 size)
{
    struct driver_queue *q = &d->queue[index];
    struct bench *b = d->bench;

    driver_write(d, DRIVER_QUEUE_SELECT, index);
    if (!size || d->transport == PCI_LEGACY)
        size = (u16)(d->transport < PCI_LEGACY ? bench_read(b, DRIVER_MMIO + 0x34, 4) : driver_read(d, DRIVER_QUEUE_SIZE));
    if (d->transport != PCI_LEGACY)
        driver_write(d, DRIVER_QUEUE_SIZE, size);
    *q = (struct driver_queue){ .size = size, .index = index, .packed = d->features >> VIRTIO_F_RING_PACKED & 1, .wrap = true, .used_wrap = true };
    q->descriptors = driver_alloc(d, 16ull * size, 4096);
    q->available = driver_is_legacy(d) ? driver_alloc(d, 6 + 2 * size, 1) : driver_alloc(d, 6 + 2 * size, 4);
    q->used = driver_alloc(d, 6 + 8 * size, 4096);
    memset(b->ram->host + (q->descriptors - BENCH_RAM), 0, d->heap - q->descriptors);
    if (d->transport == MMIO_LEGACY) {
        bench_write(b, DRIVER_MMIO + 0x28, 4, 4096);
        bench_write(b, DRIVER_MMIO + 0x3c, 4, 4096);
        bench_write(b, DRIVER_MMIO + 0x40, 4, q->descriptors >> 12);
    } else if (d->transport == PCI_LEGACY) {
        bench_write(b, DRIVER_PIO + 0x1008, 4, q->descriptors >> 12);
    } else {
        driver_set_address(d, 0, q->descriptors);
        driver_set_address(d, 1, q->available);
        driver_set_address(d, 2, q->used);
        if (d->transport == PCI_MSIX)
            bench_write(b, d->pci.common + 0x1a, 2, index);
        driver_write(d, DRIVER_QUEUE_ENABLE, 1);
    }
    return q;
}

static inline void driver_put_descriptor(struct bench *b, u64 at, const struct driver_buffer *buffer, u16 third, u16 fourth)
{
    bench_write(b, at, 8, buffer->address);
    bench_write(b, at + 8, 4, buffer->size);
    bench_write(b, at + 12, 2, third);
    bench_write(b, at + 14, 2, fourth);
}

static inline u16 driver_submit_split(struct driver *d, struct driver_queue *q, const struct driver_buffer *buffers, u32 count)
{
    u16 head = q->first_free;

    for (u32 i = 0; i < count; i++) {
        u16 at = (u16)((head + i) % q->size), next = (u16)((at + 1) % q->size);

        driver_put_descriptor(d->bench, q->descriptors + 16ull * at, &buffers[i], (u16)((i + 1 < count) | (buffers[i].write ? 2 : 0)), next);
    }
    q->first_free = (u16)((head + count) % q->size);
    bench_write(d->bench, q->available + 4 + 2ull * (q->next % q->size), 2, head);
    q->next++;
    bench_write(d->bench, q->available + 2, 2, q->next);
    return head;
}

static inline u16 driver_packed_flags(bool wrap)
{
    return wrap ? 1 << 7 : 1 << 15;
}

static inline void driver_packed_step(u16 *position, bool *wrap, u32 by, u16 size)
{
    u32 next = *position + by;

    *wrap ^= next >= size;
    *position = (u16)(next % size);
}

static inline u16 driver_submit_packed(struct driver *d, struct driver_queue *q, const struct driver_buffer *buffers, u32 count, u16 extra)
{
    u16 id = q->first_free++, first = q->next, first_flags = 0;

    for (u32 i = 0; i < count; i++) {
        u16 flags = (u16)((i + 1 < count) | (buffers[i].write ? 2 : 0) | driver_packed_flags(q->wrap) | extra);
        u64 at = q->descriptors + 16ull * q->next;

        driver_put_descriptor(d->bench, at, &buffers[i], id, i ? flags : (u16)bench_read(d->bench, at + 14, 2));
        if (!i)
            first_flags = flags;
        driver_packed_step(&q->next, &q->wrap, 1, q->size);
    }
    bench_write(d->bench, q->descriptors + 16ull * first + 14, 2, first_flags);
    return id;
}

/* Makes a chain of descriptors available; gives back the id with which it comes back. */
static inline u16 driver_submit(struct driver *d, struct driver_queue *q, const struct driver_buffer *buffers, u32 count)
{
    return q->packed ? driver_submit_packed(d, q, buffers, count, 0) : driver_submit_split(d, q, buffers, count);
}

/* Likewise by a table of its own, one entry in the ring. */
static inline u16 driver_submit_indirect(struct driver *d, struct driver_queue *q, const struct driver_buffer *buffers, u32 count)
{
    struct driver_buffer table = { driver_alloc(d, 16ull * count, 16), 16 * count, false };

    for (u32 i = 0; i < count; i++) {
        u16 flags = (u16)((i + 1 < count && !q->packed) | (buffers[i].write ? 2 : 0));

        driver_put_descriptor(d->bench, table.address + 16ull * i, &buffers[i], q->packed ? 0 : flags, q->packed ? flags : (u16)(i + 1));
    }
    if (q->packed)
        return driver_submit_packed(d, q, &table, 1, 4);
    u16 head = driver_submit_split(d, q, &table, 1);
    bench_write(d->bench, q->descriptors + 16ull * head + 12, 2, 4);
    return head;
}

/* Lets the main loop and the inbox do what they have. */
static inline void driver_settle(struct driver *d)
{
    for (int i = 0; i < 4; i++) {
        while (g_main_context_iteration(vm_context(d->bench->vm), FALSE))
            ;
        vm_inbox_deliver(d->bench->vm);
    }
}

static inline void driver_notify(struct driver *d, const struct driver_queue *q)
{
    switch (d->transport) {
    case PCI_LEGACY:
        bench_write(d->bench, DRIVER_PIO + 0x1010, 2, q->index);
        break;
    case PCI_MODERN:
    case PCI_MSIX:
        bench_write(d->bench, d->pci.notify + q->index * d->pci.notify_stride, 2, q->index);
        break;
    default:
        bench_write(d->bench, DRIVER_MMIO + 0x50, 4, q->index);
        break;
    }
}

static inline void driver_kick(struct driver *d, const struct driver_queue *q)
{
    driver_notify(d, q);
    driver_settle(d);
}

/* The next buffer that came back, or false. slots: ring entries that it took (packed rings need to know). */
static inline bool driver_take(struct driver *d, struct driver_queue *q, u32 slots, u32 *id, u32 *written)
{
    u64 at;

    *id = *written = 0;
    if (q->packed) {
        at = q->descriptors + 16ull * q->last_used;
        u64 flags = bench_read(d->bench, at + 14, 2);
        if (!!(flags & 1 << 7) != q->used_wrap || !!(flags & 1 << 15) != q->used_wrap)
            return false;
        *id = (u32)bench_read(d->bench, at + 12, 2);
        *written = (u32)bench_read(d->bench, at + 8, 4);
        driver_packed_step(&q->last_used, &q->used_wrap, slots, q->size);
        return true;
    }
    if (bench_read(d->bench, q->used + 2, 2) == q->last_used)
        return false;
    at = q->used + 4 + 8ull * (q->last_used++ % q->size);
    *id = (u32)bench_read(d->bench, at, 4);
    *written = (u32)bench_read(d->bench, at + 4, 4);
    return true;
}

/* What the device interrupts for since the last call: 1 queue, 2 configuration. Not with MSI-X. */
static inline u32 driver_interrupts(struct driver *d)
{
    bool line = line_level(&d->bench->line[1]);
    u32 bits;

    if (d->transport >= PCI_LEGACY) {
        bits = (u32)bench_read(d->bench, d->transport == PCI_LEGACY ? DRIVER_PIO + 0x1013 : d->pci.isr, 1);
    } else {
        bits = (u32)bench_read(d->bench, DRIVER_MMIO + 0x60, 4);
        bench_write(d->bench, DRIVER_MMIO + 0x64, 4, bits);
    }
    g_assert_cmpuint(line, ==, bits != 0);
    g_assert_cmpuint(line_level(&d->bench->line[1]), ==, 0);
    return bits;
}

#endif
