/* vm/memory_backend.c - guest RAM as objects. */
#include "vm/memory_backend.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/map.h"
#include "host/numa.h"
#include "vm/numa.h"
#include "vm/ram.h"
#include "vm/vcpu.h"
#include <string.h>

struct memory_backend {
    struct vm_object object;
    u64 size;
    bool share, prealloc, merge, dump, reserve;
    u32 prealloc_threads, policy;
    u64 host_nodes[HOST_NUMA_NODES / 64];
    char *path; /* -file */
    u64 offset, align;
    bool read_only, discard_data;
    u32 rom;
    bool hugetlb, seal; /* -memfd */
    u64 huge_page;
    struct ram_block *ram;
};

enum { ROM_AUTO, ROM_ON, ROM_OFF };
static const char *const rom_names[] = { "auto", "on", "off", NULL };
static const char *const policies[] = { "default", "preferred", "bind", "interleave", NULL };

static struct memory_backend *backend_of(struct vm_object *object)
{
    return container_of(object, struct memory_backend, object);
}

/* A file in memory or on disk, mapped as `share` says. */
static bool map_file(struct memory_backend *self, int fd, GError **error)
{
    if (fd < 0)
        return false;
    self->ram = vm_ram_create_file(self->object.vm, self->object.name, self->size, fd, self->offset, self->share, self->align, error);
    return self->ram != NULL;
}

static bool make_ram(struct memory_backend *self, GError **error)
{
    if (self->share)
        return map_file(self, host_map_create_file(self->object.name, self->size, error), error);
    self->ram = vm_ram_create(self->object.vm, self->object.name, self->size, error);
    return self->ram != NULL;
}

static bool make_memfd(struct memory_backend *self, GError **error)
{
    int fd;

    if (self->huge_page && !self->hugetlb)
        return error_set(error, "'hugetlbsize' needs hugetlb=on");
    if (self->huge_page && (!bits_is_power_of_2(self->huge_page) || self->size % self->huge_page))
        return error_set(error, "'hugetlbsize' must be a power of two that divides the size");
    fd = self->hugetlb ? host_map_create_huge_file(self->object.name, self->size, self->huge_page, error)
                       : host_map_create_file(self->object.name, self->size, error);
    if (fd >= 0 && self->seal && !host_map_seal_file(fd, error)) {
        host_map_close_file(fd);
        return false;
    }
    if (map_file(self, fd, error))
        return true;
    return self->hugetlb ? error_hint(error, "the host needs free huge pages (/proc/sys/vm/nr_hugepages), and the size must be a multiple of theirs") : false;
}

static bool make_file(struct memory_backend *self, GError **error)
{
    if (!self->path)
        return error_set(error, "property 'mem-path' is needed");
    if (self->offset % host_page_size())
        return error_set(error, "'offset' is not a multiple of the host's page size, %" G_GUINT64_FORMAT " bytes", host_page_size());
    if (self->offset > INT64_MAX - self->size)
        return error_set(error, "'offset' is too large");
    if (self->align && (!bits_is_power_of_2(self->align) || self->align < host_page_size() || self->align > UINT64_C(1) << 40))
        return error_set(error, "'align' must be a power of two of at least %" G_GUINT64_FORMAT " bytes", host_page_size());
    if (self->read_only && self->share)
        return error_set(error, "readonly=on with share=on is memory that the guest cannot write; use share=off,rom=off");
    if (self->read_only && self->rom != ROM_OFF) {
        error_set(error, "readonly=on makes memory that the guest cannot write, which no device of this machine takes");
        return error_hint(error, "add rom=off: the guest then writes to a private copy");
    }
    if (!self->read_only && self->rom == ROM_ON)
        return error_set(error, "rom=on needs readonly=on");
    return map_file(self, host_map_open_file(self->path, self->offset + self->size, self->read_only, error), error);
}

static bool has_host_nodes(const struct memory_backend *self)
{
    return self->host_nodes[0] || self->host_nodes[1];
}

static bool check(struct memory_backend *self, GError **error)
{
    if (!self->size)
        return error_set(error, "%s: property 'size' must be given, and be greater than zero", self->object.class->name);
    if (self->size % 4096)
        return error_set(error, "%s: property 'size' must be a multiple of 4 KiB", self->object.class->name);
    if (self->size > UINT64_C(1) << 46)
        return error_set(error, "%s: %" G_GUINT64_FORMAT " GiB is more than any host can map", self->object.class->name, self->size / GIB);
    if (self->policy == HOST_NUMA_DEFAULT && has_host_nodes(self))
        return error_set(error, "host-nodes must be empty for policy default, or you should explicitly specify a policy other than default");
    if (self->policy != HOST_NUMA_DEFAULT && !has_host_nodes(self))
        return error_set(error, "host-nodes must be set for policy %s", policies[self->policy]);
    return true;
}

/* What is asked of the mapping, in the order that counts: the policy holds for pages that come later. */
static bool prepare(struct memory_backend *self, GError **error)
{
    u8 *host = self->ram->host;

    if (self->merge)
        host_map_merge(host, self->ram->size);
    if (!self->dump)
        host_map_no_dump(host, self->ram->size);
    if (!host_numa_bind(host, self->ram->size, self->policy, self->host_nodes, error))
        return false;
    return !self->prealloc || host_map_populate(host, self->ram->size, self->prealloc_threads, error);
}

static void unrealize(struct vm_object *object)
{
    struct memory_backend *self = backend_of(object);

    if (self->ram && self->discard_data && self->share)
        host_map_remove(self->ram->host, self->ram->size);
    vm_ram_destroy(self->ram);
    self->ram = NULL;
}

static bool realize(struct vm_object *object, GError **error)
{
    struct memory_backend *self = backend_of(object);
    bool ok;

    if (!check(self, error))
        return false;
    if (!strcmp(object->class->name, "memory-backend-file"))
        ok = make_file(self, error);
    else
        ok = !strcmp(object->class->name, "memory-backend-memfd") ? make_memfd(self, error) : make_ram(self, error);
    if (ok && prepare(self, error))
        return true;
    unrealize(object);
    return error_prefix(error, "%s", object->class->name);
}

/* "0", "0-3", "1,4-5". */
static bool set_nodes(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct memory_backend *self = backend_of(object);
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    u64 nodes[HOST_NUMA_NODES / 64] = {0};

    for (char **part = parts; *part; part++) {
        char *end;
        u64 first = g_ascii_strtoull(*part, &end, 10), last = first;

        if (*end == '-' && g_ascii_isdigit(end[1]))
            last = g_ascii_strtoull(end + 1, &end, 10);
        if (!g_ascii_isdigit(**part) || *end || last < first || last >= HOST_NUMA_NODES)
            return error_set(error, "property 'host-nodes' takes numbers below %u and ranges such as 0-3, not '%s'", HOST_NUMA_NODES, *part);
        for (u64 node = first; node <= last; node++)
            nodes[node / 64] |= UINT64_C(1) << node % 64;
    }
    memcpy(self->host_nodes, nodes, sizeof(nodes));
    return true;
}

static char *get_nodes(struct vm_object *object, const struct vm_property *property)
{
    const struct memory_backend *self = backend_of(object);
    GString *text = g_string_new(NULL);

    for (unsigned node = 0; node < HOST_NUMA_NODES; node++) {
        if (self->host_nodes[node / 64] >> node % 64 & 1)
            g_string_append_printf(text, "%s%u", text->len ? "," : "", node);
    }
    return g_string_free(text, FALSE);
}

#define BOOL(text, member, start, prose) \
    { text, VM_PROPERTY_BOOL, prose, .offset = offsetof(struct memory_backend, member), .default_text = start }
#define SIZE(text, member, prose) { text, VM_PROPERTY_SIZE, prose, .offset = offsetof(struct memory_backend, member) }

static const struct vm_property properties[] = {
    SIZE("size", size, "bytes"),
    BOOL("prealloc", prealloc, "off", "take the memory from the host at the start"),
    { "prealloc-threads", VM_PROPERTY_U32, "threads that do so", .offset = offsetof(struct memory_backend, prealloc_threads),
      .default_text = "1", .min = 1, .max = 1024, .class_name = "int" },
    BOOL("merge", merge, "on", "let the host merge equal pages"),
    BOOL("dump", dump, "on", "include it in core dumps"),
    BOOL("reserve", reserve, "on", "reserve swap space"),
    { "host-nodes", VM_PROPERTY_CUSTOM, "NUMA nodes of the host: 0-3", .class_name = "int", .get_text = get_nodes, .set_text = set_nodes },
    { "policy", VM_PROPERTY_ENUM, "what host-nodes are for", .offset = offsetof(struct memory_backend, policy), .names = policies,
      .class_name = "HostMemPolicy", .default_text = "default" },
    { 0 },
};

static const struct vm_property private_properties[] = {
    BOOL("share", share, "off", "other processes see what the guest writes"),
    { 0 },
};

static const struct vm_property memfd_properties[] = {
    BOOL("share", share, "on", "other processes see what the guest writes"),
    BOOL("hugetlb", hugetlb, "off", "of huge pages"),
    SIZE("hugetlbsize", huge_page, "bytes of a huge page; the host's usual ones unless given"),
    BOOL("seal", seal, "on", "nobody can change its size"),
    { 0 },
};

static const struct vm_property file_properties[] = {
    BOOL("share", share, "off", "what the guest writes goes to the file"),
    { "mem-path", VM_PROPERTY_STRING, "file, or folder for a nameless file", .offset = offsetof(struct memory_backend, path) },
    SIZE("offset", offset, "where in the file it begins"),
    SIZE("align", align, "alignment in the address space of the host"),
    BOOL("discard-data", discard_data, "off", "the file's content is of no use afterwards"),
    BOOL("readonly", read_only, "off", "open the file for reading only"),
    { "rom", VM_PROPERTY_ENUM, "whether the guest cannot write; auto: as readonly says", .offset = offsetof(struct memory_backend, rom),
      .names = rom_names, .class_name = "OnOffAuto", .default_text = "auto" },
    { 0 },
};

VM_CLASS(memory_backend) {
    .name = "memory-backend", .parent = "user-creatable", .description = "guest RAM", .abstract = true,
    .size = sizeof(struct memory_backend), .properties = properties, .realize = realize, .unrealize = unrealize,
};

VM_CLASS(memory_backend_ram) {
    .name = "memory-backend-ram", .parent = "memory-backend", .description = "guest RAM: anonymous memory",
    .size = sizeof(struct memory_backend), .user_creatable = true, .properties = private_properties,
};

VM_CLASS(memory_backend_memfd) {
    .name = "memory-backend-memfd", .parent = "memory-backend", .description = "guest RAM: a file in memory",
    .size = sizeof(struct memory_backend), .user_creatable = true, .properties = memfd_properties,
};

VM_CLASS(memory_backend_file) {
    .name = "memory-backend-file", .parent = "memory-backend", .description = "guest RAM: a file",
    .size = sizeof(struct memory_backend), .user_creatable = true, .properties = file_properties,
};

static struct memory_backend *find(struct vm *vm, const char *option, const char *id, GError **error)
{
    struct vm_object *objects = vm_object_child(vm_root(vm), "objects");
    struct vm_object *object = vm_object_child(objects, id);

    if (object && vm_object_is_a(object, "memory-backend"))
        return backend_of(object);
    error_set(error, "%s=%s: there is no such memory backend", option, id);
    error_hint(error, "make it with -object memory-backend-ram,id=%s,size=...", id);
    return NULL;
}

bool memory_backend_size(struct vm *vm, const char *option, const char *id, u64 *size, GError **error)
{
    struct memory_backend *backend = find(vm, option, id, error);

    if (backend)
        *size = backend->size;
    return backend != NULL;
}

bool vm_machine_backend_size(const struct machine *machine, u64 *size, GError **error)
{
    *size = 0;
    return !machine->memory_backend ||
           memory_backend_size(machine->object.vm, "memory-backend", machine->memory_backend, size, error);
}

/* The memory of a backend for one user. */
static struct ram_block *take(struct vm *vm, const char *option, const char *id, u64 size, GError **error)
{
    struct memory_backend *backend = find(vm, option, id, error);

    if (!backend)
        return NULL;
    if (backend->object.users) {
        error_set(error, "%s=%s: it is in use already", option, id);
        return NULL;
    }
    if (backend->size != size) {
        error_set(error, "%s=%s has %" G_GUINT64_FORMAT " bytes, the machine %" G_GUINT64_FORMAT, option, id, backend->size, size);
        return NULL;
    }
    backend->object.users++;
    return backend->ram;
}

static bool init_nodes(struct machine *machine, struct region *region, const char *name, GError **error)
{
    struct vm *vm = machine->object.vm;
    u64 at = 0;

    region_init_container(region, vm, name, machine->ram_size);
    for (u32 i = 0; i < machine->numa->count; i++) {
        struct numa_node *node = &machine->numa->node[i];
        struct ram_block *ram = take(vm, "memdev", node->memdev, node->size, error);

        if (!ram)
            return false;
        region_init_ram(&node->region, vm, ram->name, ram, 0, node->size);
        region_add(region, at, &node->region, 0);
        at += node->size;
    }
    return true;
}

bool vm_machine_ram_init(struct machine *machine, struct region *region, const char *name, GError **error)
{
    struct vm *vm = machine->object.vm;
    struct ram_block *ram;

    if (machine->numa && machine->numa->count && machine->numa->node[0].memdev)
        return init_nodes(machine, region, name, error);
    const struct accel *accel = vm_accel(vm);
    bool in_file = accel && accel->ram_in_file;
    ram = machine->memory_backend ? take(vm, "memory-backend", machine->memory_backend, machine->ram_size, error)
          : in_file                ? vm_ram_create_in_file(vm, name, machine->ram_size, error)
                                  : vm_ram_create(vm, name, machine->ram_size, error);
    if (!ram)
        return false;
    region_init_ram(region, vm, ram->name, ram, 0, machine->ram_size);
    region->owner = &machine->object;
    return true;
}

void vm_machine_ram_finish(struct machine *machine, struct region *region)
{
    for (u32 i = 0; machine->numa && i < machine->numa->count; i++)
        region_finish(&machine->numa->node[i].region);
    region_finish(region);
}

struct walk {
    void (*fn)(const struct memory_backend_info *info, void *opaque);
    void *opaque;
};

static void show(struct vm_object *object, void *opaque)
{
    const struct walk *walk = opaque;

    if (!vm_object_is_a(object, "memory-backend"))
        return;
    const struct memory_backend *self = backend_of(object);
    const struct memory_backend_info info = {
        .id = object->name, .size = self->size, .merge = self->merge, .dump = self->dump, .prealloc = self->prealloc,
        .share = self->share, .reserve = self->reserve, .policy = self->policy, .host_nodes = self->host_nodes,
    };
    walk->fn(&info, walk->opaque);
}

void memory_backend_foreach(struct vm *vm, void (*fn)(const struct memory_backend_info *info, void *opaque), void *opaque)
{
    struct walk walk = { fn, opaque };

    vm_object_foreach(vm_object_child(vm_root(vm), "objects"), show, &walk);
}
