/* tests/model/rings_blk.c - virtio-blk in the model of rings (virtio 1.3, 5.2.6). */
#include "tests/model/rings.h"

enum { REQUEST_IN = 0, REQUEST_OUT = 1, NO_STATUS = 0xee, HEADER = 16 };

static void begin(struct party *p, u32 i)
{
    const struct flight *f = &p->flight[i];
    u64 at = rings_flight_at(p, i);

    bits_store_le(rings_memory(p->model, at), 8, f->write ? REQUEST_OUT : REQUEST_IN);
    bits_store_le(rings_memory(p->model, at + 8), 8, rings_sector(p, f));
    *rings_memory(p->model, at + HEADER) = NO_STATUS;
    rings_put_descriptor(p, i, 0, at, HEADER, 0);
    rings_put_descriptor(p, i, 1, at + DATA_AT, SLOT, f->write ? 0 : DESC_WRITE);
    rings_put_descriptor(p, i, 2, at + HEADER, 1, DESC_WRITE);
}

static enum verdict end(struct party *p, u32 i)
{
    g_assert_cmpuint(*rings_memory(p->model, rings_flight_at(p, i) + HEADER), ==, 0);
    return DONE;
}

static void look_at_size(struct model *m, u32 what)
{
    g_assert_cmpuint(bench_read(&m->desk.bench, driver_config_at(&m->driver, 0), 4), <=, m->size / 512);
}

const struct kind rings_blk = {
    .name = "virtio-blk", .features = BIT64(12) /* MQ */, .begin = begin, .end = end, .disturbances = 1, .disturb = look_at_size,
    .properties = "drive=d;num-queues=2;iothread-vq-mapping=[{\"iothread\":\"t0\",\"vqs\":[1]},{\"iothread\":\"t1\",\"vqs\":[0]}]",
};
