/*
 * tests/guests/disk_verify.c - a Linux program for guests: writes what it can recognise to disks, and looks whether it is there.
 *
 *     disk_verify stress SECONDS SEED /dev/sda ...   random reads, writes, zeros, discards and flushes; says "verify: ok" or what is wrong
 *     disk_verify log SEED /dev/sda                  writes for ever; "F w n" says that writes 0 to n-1 of worker w were flushed
 *
 * tests/functional/test_stress.py knows what the second one writes where. Blocks are of 4 KiB: 128 times SEED, block, number, 0.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, RUN = 16, WORKERS = 2, LOG_WORKERS = 4, LOG_RUN = 8, FLUSH_EVERY = 16 };
enum { UNKNOWN = 0, ZERO = 0xffffffffu };

struct worker {
    int fd;
    const char *name;
    uint64_t seed, first, count; /* blocks */
    uint32_t *version;           /* of each block: UNKNOWN, ZERO or the number of the write */
    uint64_t random;
    unsigned char *buffer;
};

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t below(struct worker *w, uint64_t limit)
{
    w->random = mix(w->random);
    return w->random % limit;
}

static void fill(unsigned char *at, uint64_t seed, uint64_t block, uint64_t number)
{
    const uint64_t words[4] = { seed, block, number, 0 };

    for (unsigned i = 0; i < BLOCK; i += sizeof(words))
        memcpy(at + i, words, sizeof(words));
}

static void fail(const struct worker *w, const char *what, uint64_t block)
{
    printf("verify: %s: %s at block %llu\n", w->name, what, (unsigned long long)block);
    fflush(stdout);
    _exit(1);
}

static void check(struct worker *w, uint64_t from, uint64_t n)
{
    unsigned char wanted[BLOCK];

    if (pread(w->fd, w->buffer, n * BLOCK, (off_t)((w->first + from) * BLOCK)) != (ssize_t)(n * BLOCK))
        fail(w, "cannot read", w->first + from);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t version = w->version[from + i];

        memset(wanted, 0, BLOCK);
        if (version != UNKNOWN && version != ZERO)
            fill(wanted, w->seed, w->first + from + i, version);
        if (version != UNKNOWN && memcmp(wanted, w->buffer + i * BLOCK, BLOCK))
            fail(w, "other content", w->first + from + i);
    }
}

static void write_run(struct worker *w, uint64_t from, uint64_t n, uint32_t number)
{
    for (uint64_t i = 0; i < n; i++) {
        fill(w->buffer + i * BLOCK, w->seed, w->first + from + i, number);
        w->version[from + i] = number;
    }
    if (pwrite(w->fd, w->buffer, n * BLOCK, (off_t)((w->first + from) * BLOCK)) != (ssize_t)(n * BLOCK))
        fail(w, "cannot write", w->first + from);
}

/* Discarded blocks read as anything. */
static void clear_run(struct worker *w, uint64_t from, uint64_t n, int discard)
{
    uint64_t range[2] = { (w->first + from) * BLOCK, n * BLOCK };

    if (ioctl(w->fd, discard ? BLKDISCARD : BLKZEROOUT, range) && !discard)
        fail(w, "cannot write zeros", w->first + from);
    for (uint64_t i = 0; i < n; i++)
        w->version[from + i] = discard ? UNKNOWN : ZERO;
}

static void step(struct worker *w, uint32_t number)
{
    uint64_t n = 1 + below(w, RUN), from = below(w, w->count - n), kind = below(w, 20);

    if (kind < 9)
        write_run(w, from, n, number);
    else if (kind < 17)
        check(w, from, n);
    else if (kind == 17)
        clear_run(w, from, n, 0);
    else if (kind == 18)
        clear_run(w, from, n, 1);
    else if (fsync(w->fd))
        fail(w, "cannot flush", w->first);
}

static void open_disk(struct worker *w, const char *name, uint64_t seed, unsigned index, unsigned workers)
{
    uint64_t bytes = 0;

    *w = (struct worker){ .name = name, .seed = seed, .random = seed * 1000 + index };
    w->fd = open(name, O_RDWR | O_DIRECT);
    if (w->fd < 0 || ioctl(w->fd, BLKGETSIZE64, &bytes) || posix_memalign((void **)&w->buffer, BLOCK, RUN * BLOCK))
        fail(w, "cannot open", 0);
    w->count = bytes / BLOCK / workers;
    w->first = w->count * index;
    w->version = calloc(w->count, sizeof(*w->version));
}

static int stress(const char *name, unsigned index, unsigned seconds, uint64_t seed)
{
    time_t end = time(NULL) + seconds;
    struct worker w;
    uint32_t number = 0;

    open_disk(&w, name, seed, index, WORKERS);
    while (time(NULL) < end)
        step(&w, ++number);
    for (uint64_t at = 0; at < w.count; at += RUN)
        check(&w, at, w.count - at < RUN ? w.count - at : RUN);
    printf("verify: %s/%u: %u steps\n", name, index, number);
    fflush(stdout);
    return 0;
}

static int write_log(const char *name, unsigned index, uint64_t seed)
{
    char line[64];
    struct worker w;

    open_disk(&w, name, seed, index, LOG_WORKERS);
    for (uint32_t k = 0;; k++) {
        uint64_t r = mix(seed * 1000003 + index * 7919 + (uint64_t)k * 31337), n = 1 + (r >> 32) % LOG_RUN;

        write_run(&w, r % (w.count - LOG_RUN), n, k);
        if (k % FLUSH_EVERY != FLUSH_EVERY - 1)
            continue;
        if (fsync(w.fd))
            fail(&w, "cannot flush", w.first);
        int size = snprintf(line, sizeof(line), "F %u %u\n", index, k + 1);
        if (write(1, line, (size_t)size) != size)
            return 1;
    }
}

int main(int argc, char **argv)
{
    int log = argc > 3 && !strcmp(argv[1], "log"), status, bad = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = log ? 3 : 4; i < argc; i++) {
        for (unsigned k = 0; k < (log ? LOG_WORKERS : WORKERS); k++) {
            if (!fork())
                return log ? write_log(argv[i], k, strtoull(argv[2], NULL, 0)) : stress(argv[i], k, (unsigned)atoi(argv[2]), strtoull(argv[3], NULL, 0));
        }
    }
    while (wait(&status) > 0)
        bad |= status;
    puts(bad ? "verify: failed" : "verify: ok");
    return bad != 0;
}
