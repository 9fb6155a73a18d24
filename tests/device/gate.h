/* tests/device/gate.h - storage that takes its time: a node for tests of what happens while a request is under way. */
#ifndef TESTS_DEVICE_GATE_H
#define TESTS_DEVICE_GATE_H

#include "block/driver.h"
#include "host/clock.h"

/* A node whose reads wait until they are let go, or somebody is in a hurry. */
struct gate {
    bool open;              /* atomic, like the counts: any thread */
    u32 waiting, reads, flushes;
    int flush_error;        /* 0, or what flushes come to (-errno); while none is under way */
};

static inline int gate_read(struct block_node *node, u64 offset, struct block_data data)
{
    struct gate *gate = node->state;

    __atomic_add_fetch(&gate->waiting, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&gate->open, __ATOMIC_ACQUIRE))
        block_fiber_sleep_until(block_loop_of(node), host_clock_monotonic() + 1000000);
    block_data_fill(data, 0x77);
    __atomic_add_fetch(&gate->reads, 1, __ATOMIC_RELEASE);
    return 0;
}

static inline int gate_flush(struct block_node *node)
{
    struct gate *gate = node->state;

    __atomic_add_fetch(&gate->flushes, 1, __ATOMIC_RELEASE);
    return gate->flush_error;
}

static inline void gate_set(struct block_node *node, bool open)
{
    __atomic_store_n(&((struct gate *)node->state)->open, open, __ATOMIC_RELEASE);
}

static inline void gate_hurry(struct block_node *node, bool on)
{
    if (on)
        gate_set(node, true);
}

static const struct block_driver gate_driver = { .name = "gate", .read = gate_read, .flush = gate_flush, .hurry = gate_hurry };

/* Closed. Its one reference is the caller's (disk_set_unref_node). */
static inline struct block_node *gate_create(struct block_graph *graph, const char *name, u64 size)
{
    struct block_node *node = block_node_create(graph, &gate_driver, name, g_new0(struct gate, 1));

    node->size = size;
    return node;
}

#endif
