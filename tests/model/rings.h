/* tests/model/rings.h - between the model of rings and the kinds of devices that it knows: what a request looks like, what else may happen. */
#ifndef TESTS_MODEL_RINGS_H
#define TESTS_MODEL_RINGS_H

#include "hw/virtio/internal.h"
#include "host/epoch.h"
#include "host/thread.h"
#include "tests/device/disk_desk.h"

enum { DRIVERS = 2, DEPTH = 8, SLOT = 4096, SLOTS = 64, RING = 32, DISK_BYTES = DRIVERS * SLOTS * SLOT, UNKNOWN = -1, IDLE = -1 };
enum { DESC_NEXT = 1, DESC_WRITE = 2 };
enum { DATA_AT = 512, FLIGHT_BYTES = 2 * SLOT };

/* A request that a driver has in the ring: descriptors 3 * i and the two behind it. */
struct flight {
    int slot; /* IDLE: none */
    bool write, other; /* other: something that does not touch the medium */
    u8 version;
};

struct party {
    struct model *model;
    struct host_thread thread;
    u32 index, left;
    u64 ring, place; /* guest addresses: of the ring, of what requests point to */
    u16 next, seen;
    int version[SLOTS];
    struct flight flight[DEPTH];
    u32 random;
};

enum verdict { DONE, NOT_DONE, PERHAPS_DONE };

struct kind {
    const char *name, *properties; /* of the device */
    u64 features;
    u32 first_queue;         /* of the drivers' */
    u32 disturbances;        /* how many more there are */
    void (*plug)(struct model *m);
    void (*start)(struct model *m); /* whenever the device has been negotiated with */
    void (*begin)(struct party *p, u32 i); /* fills in the descriptors */
    enum verdict (*end)(struct party *p, u32 i);
    void (*disturb)(struct model *m, u32 what);
};
extern const struct kind rings_blk, rings_scsi;

struct model {
    struct disk_desk desk;
    struct driver driver;
    const struct kind *kind;
    struct party party[DRIVERS];
    u32 park, parked, finished; /* atomic */
    u64 heap;                   /* guest memory of the main thread's own queues */
    struct epoch_reader *reader; /* the main thread's, when it plays a vCPU */
    struct device *unit, *neighbour;
    u64 size;                   /* of the disk */
};

static inline u8 *rings_memory(struct model *m, u64 address)
{
    return m->desk.bench.ram->host + (address - BENCH_RAM);
}

static inline u64 rings_flight_at(const struct party *p, u32 i)
{
    return p->place + (u64)i * FLIGHT_BYTES;
}

static inline u64 rings_sector(const struct party *p, const struct flight *f)
{
    return ((u64)p->index * SLOTS + (u32)f->slot) * SLOT / 512;
}

/* The main thread lets everybody work for a moment. */
static inline void rings_run_loops(struct model *m)
{
    driver_settle(&m->driver);
    vm_unlock(m->desk.bench.vm);
    g_usleep(200);
    vm_lock(m->desk.bench.vm);
}

/* n: which of the three descriptors. */
static inline void rings_put_descriptor(struct party *p, u32 i, u32 n, u64 address, u32 size, u16 flags)
{
    u8 *at = rings_memory(p->model, p->ring + 16ull * (3 * i + n));

    bits_store_le(at, 8, address);
    bits_store_le(at + 8, 4, size);
    bits_store_le(at + 12, 2, (u16)(flags | (n < 2 ? DESC_NEXT : 0)));
    bits_store_le(at + 14, 2, 3 * i + n + 1);
}

#endif
