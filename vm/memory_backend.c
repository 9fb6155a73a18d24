/* vm/memory_backend.c - guest RAM as objects. */
#include "vm/memory_backend.h"
#include "base/error.h"
#include "host/map.h"
#include <string.h>

struct memory_backend {
    struct vm_object object;
    u64 size;
    bool share, prealloc, merge, dump, reserve;
    char *path; /* -file */
    u64 offset;
    bool read_only, discard_data;
    struct ram_block *ram;
    bool taken;
};

static struct memory_backend *backend_of(struct vm_object *object)
{
    return container_of(object, struct memory_backend, object);
}

/* A file in memory or on disk, mapped as `share` says. */
static bool map_file(struct memory_backend *self, int fd, GError **error)
{
    if (fd < 0)
        return false;
    self->ram = vm_ram_create_file(self->object.vm, self->object.name, self->size, fd, self->offset, self->share, error);
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
    return map_file(self, host_map_create_file(self->object.name, self->size, error), error);
}

static bool make_file(struct memory_backend *self, GError **error)
{
    if (!self->path)
        return error_set(error, "property 'mem-path' is needed");
    if (self->offset % host_page_size())
        return error_set(error, "offset is not a multiple of the host's page size");
    return map_file(self, host_map_open_file(self->path, self->offset + self->size, error), error);
}

static bool realize(struct vm_object *object, GError **error)
{
    struct memory_backend *self = backend_of(object);
    bool ok;

    if (!self->size || self->size % 4096)
        return error_set(error, "%s: property 'size' must be a multiple of 4 KiB", object->class->name);
    if (!strcmp(object->class->name, "memory-backend-file"))
        ok = make_file(self, error);
    else
        ok = !strcmp(object->class->name, "memory-backend-memfd") ? make_memfd(self, error) : make_ram(self, error);
    if (ok && self->prealloc)
        host_map_populate(self->ram->host, self->ram->size);
    return ok;
}

#define BOOL(text, member, start, prose) \
    { text, VM_PROPERTY_BOOL, prose, .offset = offsetof(struct memory_backend, member), .default_text = start }

static const struct vm_property properties[] = {
    { "size", VM_PROPERTY_SIZE, "bytes", .offset = offsetof(struct memory_backend, size) },
    BOOL("prealloc", prealloc, "off", "take the memory from the host at the start"),
    BOOL("merge", merge, "on", "let the host merge equal pages"),
    BOOL("dump", dump, "on", "include it in core dumps"),
    BOOL("reserve", reserve, "on", "reserve swap space"),
    { 0 },
};

static const struct vm_property private_properties[] = {
    BOOL("share", share, "off", "other processes see what the guest writes"),
    { 0 },
};

static const struct vm_property memfd_properties[] = {
    BOOL("share", share, "on", "other processes see what the guest writes"),
    { 0 },
};

static const struct vm_property file_properties[] = {
    BOOL("share", share, "off", "what the guest writes goes to the file"),
    { "mem-path", VM_PROPERTY_STRING, "file, or folder for a nameless file", .offset = offsetof(struct memory_backend, path) },
    { "offset", VM_PROPERTY_SIZE, "where in the file it begins", .offset = offsetof(struct memory_backend, offset) },
    BOOL("discard-data", discard_data, "off", "the file's content is of no use afterwards"),
    { 0 },
};

VM_CLASS(memory_backend) {
    .name = "memory-backend", .parent = "user-creatable", .description = "guest RAM", .abstract = true,
    .size = sizeof(struct memory_backend), .properties = properties, .realize = realize,
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

static struct memory_backend *find(const struct machine *machine, GError **error)
{
    struct vm_object *objects = vm_object_child(vm_root(machine->object.vm), "objects");
    struct vm_object *object = vm_object_child(objects, machine->memory_backend);

    if (object && vm_object_is_a(object, "memory-backend"))
        return backend_of(object);
    error_set(error, "memory-backend=%s: there is no such memory backend", machine->memory_backend);
    error_hint(error, "make it with -object memory-backend-ram,id=%s,size=...", machine->memory_backend);
    return NULL;
}

bool vm_machine_backend_size(const struct machine *machine, u64 *size, GError **error)
{
    struct memory_backend *backend;

    *size = 0;
    if (!machine->memory_backend)
        return true;
    backend = find(machine, error);
    if (backend)
        *size = backend->size;
    return backend != NULL;
}

struct ram_block *vm_machine_ram(const struct machine *machine, const char *name, GError **error)
{
    struct memory_backend *backend;

    if (!machine->memory_backend)
        return vm_ram_create(machine->object.vm, name, machine->ram_size, error);
    backend = find(machine, error);
    if (!backend)
        return NULL;
    if (backend->taken) {
        error_set(error, "memory-backend=%s: it is in use already", machine->memory_backend);
        return NULL;
    }
    if (backend->size != machine->ram_size) {
        error_set(error, "memory-backend=%s has %" G_GUINT64_FORMAT " bytes, the machine %" G_GUINT64_FORMAT,
                  machine->memory_backend, backend->size, machine->ram_size);
        return NULL;
    }
    backend->taken = true;
    return backend->ram;
}
