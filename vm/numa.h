/* vm/numa.h - the NUMA nodes of a machine as -numa describes them. Filled before the board is realized, constant afterwards. */
#ifndef VM_NUMA_H
#define VM_NUMA_H

#include "vm/memory.h"

enum { NUMA_NODES_MAX = 128, NUMA_DISTANCE_LOCAL = 10, NUMA_DISTANCE_REMOTE = 20, NUMA_DISTANCE_UNREACHABLE = 255 };

struct numa_node {
    bool present;
    u64 size;             /* bytes of memory */
    char *memdev;         /* id of the backend, or NULL */
    struct region region; /* of the backend, once the board made main memory */
};

struct numa {
    u32 count;            /* nodes; 0: the machine has no NUMA nodes */
    struct numa_node node[NUMA_NODES_MAX];
    u32 *cpu_node;        /* by index of the CPU; max_cpus of them */
    bool distances;       /* -numa dist was used */
    u8 distance[NUMA_NODES_MAX][NUMA_NODES_MAX];
};

#endif
