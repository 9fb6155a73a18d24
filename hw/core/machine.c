/* hw/core/machine.c - what all boards share: the abstract class, its properties, the containers below /machine. */
#include "vm/machine.h"
#include "vm/numa.h"
#include "vm/vm.h"

#define TEXT(name_, field_, doc_) \
    { .name = name_, .type = VM_PROPERTY_STRING, .offset = offsetof(struct machine, field_), .description = doc_ }

static const struct vm_property properties[] = {
    TEXT("kernel", kernel, "kernel file (-kernel)"),
    TEXT("initrd", initrd, "initial RAM disk (-initrd)"),
    TEXT("append", append, "kernel command line (-append)"),
    TEXT("dtb", dtb, "device tree file instead of the board's own (-dtb)"),
    TEXT("dumpdtb", dumpdtb, "write the device tree to this file and end"),
    TEXT("firmware", firmware, "firmware file, default or none (-bios)"),
    TEXT("memory-backend", memory_backend, "id of the object that provides the RAM"),
    { 0 },
};

static void init(struct vm_object *object)
{
    static const char *const names[] = { "peripheral", "peripheral-anon", "unattached" };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        vm_object_create(object->vm, "container", object, names[i], NULL);
}

static void finish(struct vm_object *object)
{
    struct machine *machine = (struct machine *)object;

    g_free(machine->cpu_type);
    g_strfreev(machine->firmware_folders);
    for (u32 i = 0; machine->numa && i < NUMA_NODES_MAX; i++)
        g_free(machine->numa->node[i].memdev);
    if (machine->numa)
        g_free(machine->numa->cpu_node);
    g_free(machine->numa);
}

VM_CLASS(machine) {
    .name = "machine", .abstract = true, .size = sizeof(struct machine), .description = "a board", .properties = properties,
    .init = init, .finish = finish,
};

static const struct machine_class none_class = {
    .name = "none", .description = "empty machine", .max_cpus = 1, .no_cpus = true, .default_ram_size = 128 * MIB,
    .default_ram_id = "ram",
};

VM_CLASS(none_machine) { .name = "none-machine", .parent = "machine", .description = "empty machine", .size = sizeof(struct machine), .data = &none_class };
