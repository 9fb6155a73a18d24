/* hw/riscv/virt_interrupts.c - interrupt controllers and timers of the virt board: one set for each socket, that is, NUMA node. */
#include "base/error.h"
#include "hw/intc/riscv_aplic.h"
#include "hw/riscv/virt.h"
#include "vm/numa.h"

static u32 node_of(const struct virt *virt, u32 hart)
{
    return virt->machine.numa ? virt->machine.numa->cpu_node[hart] : 0;
}

/* Addresses and device trees know a socket by its first hart and the number of them. */
static bool check_sockets(const struct virt *virt, GError **error)
{
    for (u32 i = 0; i < virt->socket_count; i++) {
        const struct virt_socket *socket = &virt->socket[i];

        if (!socket->harts)
            return error_set(error, "NUMA node %u has no CPUs; on this board each has some", i);
        for (u32 hart = socket->first_hart; hart < socket->first_hart + socket->harts; hart++) {
            if (node_of(virt, hart) != i)
                return error_set(error, "the CPUs of NUMA node %u do not follow each other: %u is in node %u", i, hart, node_of(virt, hart));
        }
    }
    return true;
}

bool virt_make_sockets(struct virt *virt, GError **error)
{
    virt->socket_count = virt->machine.numa ? virt->machine.numa->count : 1;
    if (virt->socket_count > VIRT_MAX_SOCKETS)
        return error_set(error, "virt supports at most %u NUMA nodes", VIRT_MAX_SOCKETS);
    for (u32 hart = 0; hart < virt->machine.cpus; hart++) {
        struct virt_socket *socket = &virt->socket[node_of(virt, hart)];

        if (!socket->harts++)
            socket->first_hart = hart;
    }
    return check_sockets(virt, error);
}

u32 virt_wires_socket(const struct virt *virt, enum virt_wires group)
{
    return MIN((u32)group, virt->socket_count - 1);
}

struct line *virt_wire(struct virt *virt, enum virt_wires group, u32 source)
{
    return device_input(virt->socket[virt_wires_socket(virt, group)].wires, "source", source);
}

struct virt_range virt_area_of_socket(enum virt_area area, u32 socket)
{
    struct virt_range range = virt_memmap[area];

    range.base += range.size * socket;
    return range;
}

bool virt_has_mswi(const struct virt *virt)
{
    return !virt->aclint || virt->aia != VIRT_AIA_APLIC_IMSIC;
}

bool virt_has_sswi(const struct virt *virt)
{
    return virt->aclint && virt->aia != VIRT_AIA_APLIC_IMSIC;
}

bool virt_has_supervisor(const struct virt *virt)
{
    g_autofree char *s = vm_object_get(&vm_vcpu(virt->machine.object.vm, 0)->object, "s", NULL);

    return g_strcmp0(s, "off") != 0;
}

u64 virt_mtimer_base(const struct virt *virt, u32 socket)
{
    if (virt_has_mswi(virt))
        return virt_area_of_socket(VIRT_CLINT, socket).base + VIRT_SWI_SIZE;
    return virt_memmap[VIRT_CLINT].base + (u64)socket * VIRT_MTIMER_SIZE;
}

/* A CLINT is the same as an ACLINT's mswi and mtimer, one behind the other. */
static bool create_aclint(struct virt *virt, u32 number, GError **error)
{
    const struct virt_socket *socket = &virt->socket[number];
    g_autofree char *harts = g_strdup_printf("hartid-base=%u;num-harts=%u", socket->first_hart, socket->harts);
    g_autofree char *supervisor = g_strconcat(harts, ";sswi=1", NULL);

    return (!virt_has_mswi(virt) || virt_create_at(virt, "riscv.aclint.swi", harts, virt_area_of_socket(VIRT_CLINT, number).base, error)) &&
           (!virt_has_sswi(virt) || virt_create_at(virt, "riscv.aclint.swi", supervisor, virt_area_of_socket(VIRT_SSWI, number).base, error)) &&
           virt_create_at(virt, "riscv.aclint.mtimer", harts, virt_mtimer_base(virt, number), error);
}

static bool create_plic(struct virt *virt, u32 number, GError **error)
{
    struct virt_socket *socket = &virt->socket[number];
    const char *modes = virt_has_supervisor(virt) ? "MS" : "M";
    GString *plic = g_string_new(NULL);

    g_string_printf(plic, "hartid-base=%u;num-sources=%u;hart-config=%s", socket->first_hart, VIRT_IRQ_SOURCES + 1, modes);
    for (u32 i = 1; i < socket->harts; i++)
        g_string_append_printf(plic, ",%s", modes);
    socket->wires = virt_create_at(virt, "riscv.sifive.plic", plic->str, virt_area_of_socket(VIRT_PLIC, number).base, error);
    g_string_free(plic, TRUE);
    return socket->wires != NULL;
}

/*
 * DEVIATION Devices | `aia-guests=` of `virt` | addresses and the device tree leave room for guest interrupt files; their pages are
 * zeros | they need the H extension
 */
u32 virt_guest_bits(const struct virt *virt)
{
    return virt->aia_guests ? 32 - (u32)__builtin_clz(virt->aia_guests) : 0;
}

static bool create_imsic(struct virt *virt, u32 number, bool machine, GError **error)
{
    const struct virt_socket *socket = &virt->socket[number];
    u64 base = virt_area_of_socket(machine ? VIRT_IMSIC_M : VIRT_IMSIC_S, number).base;
    u32 pages = machine ? 1 : 1u << virt_guest_bits(virt);

    for (u32 i = 0; i < socket->harts; i++) {
        g_autofree char *properties = g_strdup_printf("hartid=%u;mmode=%s;num-pages=%u;num-irqs=%u", socket->first_hart + i, machine ? "on" : "off",
                                                      pages, VIRT_MSI_IDENTITIES + 1);

        if (!virt_create_at(virt, "riscv.imsic", properties, base + (u64)i * pages * 4096, error))
            return false;
    }
    return true;
}

static struct device *create_domain(struct virt *virt, u32 number, bool machine, GError **error)
{
    const struct virt_socket *socket = &virt->socket[number];
    struct virt_range range = virt_area_of_socket(machine ? VIRT_APLIC_M : VIRT_APLIC_S, number);
    g_autofree char *properties =
        g_strdup_printf("hartid-base=%u;num-harts=%u;num-irqs=%u;iprio-mask=%u;msimode=%s;mmode=%s;aperture-size=%u", socket->first_hart, socket->harts,
                        VIRT_APLIC_SOURCES, VIRT_APLIC_PRIORITY_MASK, virt->aia == VIRT_AIA_APLIC_IMSIC ? "on" : "off", machine ? "on" : "off",
                        (u32)range.size);

    return virt_create_at(virt, "riscv.aplic", properties, range.base, error);
}

static bool create_aplic(struct virt *virt, u32 number, GError **error)
{
    struct device *machine = create_domain(virt, number, true, error), *supervisor = machine ? create_domain(virt, number, false, error) : NULL;

    if (!supervisor)
        return false;
    riscv_aplic_set_child(machine, supervisor);
    virt->socket[number].wires = machine;
    return true;
}

static bool create_external(struct virt *virt, u32 number, GError **error)
{
    if (virt->aia == VIRT_AIA_NONE)
        return create_plic(virt, number, error);
    if (virt->aia == VIRT_AIA_APLIC_IMSIC && (!create_imsic(virt, number, true, error) || !create_imsic(virt, number, false, error)))
        return false;
    return create_aplic(virt, number, error);
}

bool virt_create_interrupt_controllers(struct virt *virt, GError **error)
{
    for (u32 i = 0; i < virt->socket_count; i++) {
        if (!create_aclint(virt, i, error) || !create_external(virt, i, error))
            return false;
    }
    return true;
}
