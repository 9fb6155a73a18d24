/*
 * hw/core/generic_loader.c - -device loader: a file or a number into memory, a start address into a CPU, at start-up and
 * at each reset.
 */
#include "api/number.h"
#include "base/bits.h"
#include "base/error.h"
#include "hw/core/loader.h"
#include "vm/object.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

enum { NO_CPU = UINT32_MAX };

struct generic_loader {
    struct vm_object object;
    u64 addr, data;
    u32 cpu;
    u8 data_len;
    bool data_be, force_raw, addr_given, data_given;
    char *file;
    struct loader_file *opened; /* NULL: there is no file */
    u64 pc;
    bool loaded; /* the first load was for this reset */
};

static struct loader_request request_for(struct generic_loader *loader)
{
    struct loader_request request = { .space = vm_memory(loader->object.vm), .address = loader->addr, .force_raw = loader->force_raw };

    switch (vm_guest(loader->object.vm)) {
    case VM_GUEST_RISCV64:
        request.elf_machine = 243;
        request.uimage_arch = 26;
        break;
    case VM_GUEST_AARCH64:
        request.elf_machine = 183;
        request.uimage_arch = 22;
        break;
    default:
        request.elf_machine = 62;
        request.uimage_arch = 24;
        break;
    }
    return request;
}

static bool load_file(struct generic_loader *loader, GError **error)
{
    struct loader_request request = request_for(loader);
    struct loader_result result;

    if (!loader_place_file(&request, loader->opened, &result, error))
        return error_prefix(error, "loader");
    loader->pc = result.entry;
    return true;
}

static bool load_data(struct generic_loader *loader, GError **error)
{
    u8 bytes[8];

    if (loader->data_be)
        bits_store_be(bytes, loader->data_len, loader->data);
    else
        bits_store_le(bytes, loader->data_len, loader->data);
    if (space_load_bytes(vm_memory(loader->object.vm), loader->addr, bytes, loader->data_len) == MEM_OK)
        return true;
    return error_set(error, "loader: there is no memory at 0x%" G_GINT64_MODIFIER "x", loader->addr);
}

static bool load(struct generic_loader *loader, GError **error)
{
    loader->pc = loader->addr;
    if (loader->opened)
        return load_file(loader, error);
    return !loader->data_given || load_data(loader, error);
}

static bool complete(void *opaque, GError **error)
{
    struct generic_loader *loader = opaque;

    loader->loaded = load(loader, error);
    return loader->loaded;
}

static void set_pc(struct vcpu *vcpu, void *opaque)
{
    vcpu->cpu->set_pc(vcpu, ((struct generic_loader *)opaque)->pc);
}

static void reset(void *opaque)
{
    struct generic_loader *loader = opaque;
    g_autoptr(GError) error = NULL;
    struct vcpu *vcpu = vm_vcpu(loader->object.vm, loader->cpu);

    if (!loader->loaded && !load(loader, &error))
        log_print(vm_log(loader->object.vm), LOG_UNIMP, "reset: %s", error->message);
    loader->loaded = false;
    /* vCPUs are reset after this: the posted function finds them reset, and runs before the first instruction. */
    if (vcpu)
        vcpu_post(vcpu, set_pc, loader, NULL);
}

static bool check(const struct generic_loader *loader, GError **error)
{
    if (loader->file && (loader->data_given || loader->data_len || loader->data_be))
        return error_set(error, "loader: give file= or data=, not both");
    if (loader->data_given && (!loader->data_len || loader->data_len > 8))
        return error_set(error, "loader: data-len= must be 1 to 8 bytes");
    if (!loader->data_given && loader->data_len)
        return error_set(error, "loader: data-len= needs data=");
    if (loader->data_given && !loader->addr_given)
        return error_set(error, "loader: data= needs addr=");
    if (!loader->file && !loader->data_given && loader->cpu == NO_CPU)
        return error_set(error, "loader: give file=, data= or cpu-num=");
    if (loader->cpu != NO_CPU && !vm_vcpu(loader->object.vm, loader->cpu))
        return error_set(error, "loader: there is no CPU %u", loader->cpu);
    return true;
}

static bool realize(struct vm_object *object, GError **error)
{
    struct generic_loader *loader = (struct generic_loader *)object;

    if (vm_is_complete(object->vm)) /* it would be loaded at the next reset, and could never be taken out */
        return error_set(error, "Device 'loader' can not be hotplugged on this machine");
    if (!check(loader, error))
        return false;
    if (loader->file && !(loader->opened = loader_file_open(loader->file, error)))
        return error_prefix(error, "loader");
    vm_on_complete(object->vm, complete, loader);
    vm_on_load(object->vm, reset, loader);
    return true;
}

static void unrealize(struct vm_object *object)
{
    struct generic_loader *loader = (struct generic_loader *)object;

    vm_off_load(object->vm, reset, loader);
    g_clear_pointer(&loader->opened, loader_file_close);
}

/* Numbers whose absence matters. */
static bool set_number(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct generic_loader *loader = (struct generic_loader *)object;
    bool is_data = property->offset == offsetof(struct generic_loader, data);
    u64 value;

    if (!api_parse_u64(property->name, text, &value, NULL))
        return error_set(error, "property '%s' takes a number, not '%s'", property->name, text);
    *(is_data ? &loader->data : &loader->addr) = value;
    *(is_data ? &loader->data_given : &loader->addr_given) = true;
    return true;
}

#define FIELD(text_, kind_, field_, ...) \
    { .name = text_, .type = VM_PROPERTY_##kind_, .offset = offsetof(struct generic_loader, field_), __VA_ARGS__ }

static const struct vm_property properties[] = {
    FIELD("addr", U64, addr, .set_text = set_number, .description = "where it goes; also the CPU's start address"),
    FIELD("cpu-num", U32, cpu, .default_text = "4294967295", .description = "CPU that starts there"),
    FIELD("data", U64, data, .set_text = set_number, .description = "number that is stored"),
    FIELD("data-be", BOOL, data_be, .description = "stored big-endian"),
    FIELD("data-len", U8, data_len, .description = "bytes of it"),
    FIELD("file", STRING, file, .description = "file that is loaded: ELF, Linux or U-Boot image, raw"),
    FIELD("force-raw", BOOL, force_raw, .description = "load the file byte for byte"),
    { 0 },
};

VM_CLASS(loader) {
    .name = "loader", .parent = "device", .description = "puts a file or a number into memory, or starts a CPU somewhere",
    .size = sizeof(struct generic_loader), .user_creatable = true, .properties = properties, .realize = realize, .unrealize = unrealize,
};
