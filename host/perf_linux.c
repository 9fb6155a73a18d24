/* host/perf_linux.c - perf map and jitdump files. */
#include "base/error.h"
#include "host/clock.h"
#include "host/perf.h"
#include "host/thread.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JITDUMP_MAGIC = 0x4A695444, JITDUMP_VERSION = 1, RECORD_LOAD = 0 };

struct dump_header {
    u32 magic, version, size, machine, pad, pid;
    u64 time, flags;
};

struct load_record {
    u32 id, size;
    u64 time;
    u32 pid, tid;
    u64 vma, code, code_size, index;
};

struct host_perf {
    FILE *map, *dump;
    void *marker; /* perf record notices the dump by this mapping */
    u64 index;
};

static u32 machine(void)
{
    Elf64_Ehdr header = { 0 };
    FILE *self = fopen("/proc/self/exe", "rb");

    if (self) {
        if (fread(&header, sizeof(header), 1, self) != 1)
            header.e_machine = EM_NONE;
        fclose(self);
    }
    return header.e_machine;
}

/* Anybody can guess the name and be there first, in /tmp for one: nothing but a file of this user's own is written over. */
static bool is_own(int fd, GError **error)
{
    struct stat info;

    if (fstat(fd, &info) < 0)
        return error_set(error, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode) || info.st_nlink != 1)
        return error_set(error, "it is there, and is no file of that name alone");
    return info.st_uid == geteuid() || error_set(error, "it belongs to another user");
}

static FILE *create(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    FILE *file = NULL;

    if (fd < 0)
        error_set(error, "%s", errno == ELOOP ? "it is a link" : strerror(errno));
    else if (is_own(fd, error) && (ftruncate(fd, 0) || !(file = fdopen(fd, "w+"))))
        error_set(error, "%s", strerror(errno));
    if (!file && fd >= 0)
        close(fd);
    if (!file)
        error_prefix(error, "cannot write '%s'", path);
    return file;
}

static bool start_dump(struct host_perf *perf, const char *path, GError **error)
{
    struct dump_header header = { JITDUMP_MAGIC, JITDUMP_VERSION, sizeof(header), machine(), 0, (u32)getpid(),
                                  (u64)host_clock_monotonic(), 0 };

    perf->dump = create(path, error);
    if (!perf->dump)
        return false;
    fwrite(&header, sizeof(header), 1, perf->dump);
    fflush(perf->dump);
    perf->marker = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(perf->dump), 0);
    return perf->marker != MAP_FAILED || error_set(error, "cannot map '%s': %s", path, strerror(errno));
}

struct host_perf *host_perf_open(bool map, bool dump, GError **error)
{
    g_autofree char *map_path = g_strdup_printf("/tmp/perf-%d.map", getpid());
    g_autofree char *dump_path = g_strdup_printf("jit-%d.dump", getpid());
    struct host_perf *perf = g_new0(struct host_perf, 1);

    perf->marker = MAP_FAILED;
    if ((!map || (perf->map = create(map_path, error))) && (!dump || start_dump(perf, dump_path, error)))
        return perf;
    host_perf_close(perf);
    return NULL;
}

void host_perf_close(struct host_perf *perf)
{
    if (!perf)
        return;
    if (perf->marker != MAP_FAILED)
        munmap(perf->marker, (size_t)sysconf(_SC_PAGESIZE));
    if (perf->map)
        fclose(perf->map);
    if (perf->dump)
        fclose(perf->dump);
    g_free(perf);
}

static void add_record(struct host_perf *perf, const void *code, u64 size, const char *name)
{
    size_t length = strlen(name) + 1;
    struct load_record record = { RECORD_LOAD, (u32)(sizeof(record) + length + size), (u64)host_clock_monotonic(), (u32)getpid(),
                                  (u32)host_thread_id(), (u64)(uintptr_t)code, (u64)(uintptr_t)code, size, perf->index++ };

    fwrite(&record, sizeof(record), 1, perf->dump);
    fwrite(name, length, 1, perf->dump);
    fwrite(code, size, 1, perf->dump);
}

void host_perf_add(struct host_perf *perf, const void *code, u64 size, const char *name)
{
    if (perf->map)
        fprintf(perf->map, "%lx %lx %s\n", (unsigned long)(uintptr_t)code, (unsigned long)size, name);
    if (perf->dump)
        add_record(perf, code, size, name);
}
