/* hw/nvme/nvme.c - NVMe controller: registers, enabling and resetting, life. */
#include "hw/nvme/nvme.h"
#include "api/version.h"
#include "base/error.h"
#include "hw/pci/express.h"
#include "vm/clock.h"
#include <string.h>

const char *const nvme_on_off_auto[] = { "auto", "on", "off", NULL };

enum { BAR_MMIO = 0, BAR_MSIX = 4, WRITE_CACHE_OFF = 2, LARGEST_PAGE = 4 };
enum { CC_ENABLE = 1, CSTS_READY = 1, CSTS_FATAL = 2, CSTS_SHUTDOWN = 3 << 2, SHUTDOWN_BUSY = 1 << 2, SHUTDOWN_DONE = 2 << 2 };

bool nvme_is_ready(const struct nvme *n)
{
    return (n->state->csts & (CSTS_READY | CSTS_FATAL)) == CSTS_READY && !n->state->resetting;
}

void nvme_fail(struct nvme *n, const char *why)
{
    device_guest_error(n, "nvme: %s", why);
    n->state->csts |= CSTS_FATAL;
}

bool nvme_has_write_cache(const struct nvme *n)
{
    return n->write_cache != WRITE_CACHE_OFF && !(n->own && disk_is_writethrough(n->own->disk));
}

/* --- registers --- */

static u64 read_cap(void *device, u32 index)
{
    const struct nvme *n = device;

    return n->mqes | 1 << 16 | (u64)0xf << 24 | UINT64_C(1) << 37 | (u64)LARGEST_PAGE << 52 |
           (n->cmb_size_mb ? UINT64_C(1) << 57 : 0);
}

static u64 read_mask(void *device, u32 index)
{
    return ((struct nvme *)device)->state->mask;
}

static void set_mask(void *device, u32 index, u64 value)
{
    struct nvme *n = device;

    n->state->mask |= (u32)value;
    nvme_notify(n);
}

static void clear_mask(void *device, u32 index, u64 value)
{
    struct nvme *n = device;

    n->state->mask &= ~(u32)value;
    nvme_notify(n);
}

static u64 read_cmbloc(void *device, u32 index)
{
    return nvme_cmb_location(device);
}

static u64 read_cmbsz(void *device, u32 index)
{
    return nvme_cmb_size(device);
}

static u64 read_cmbsts(void *device, u32 index)
{
    return nvme_cmb_status(device);
}

static void write_cmbmsc(void *device, u32 index, u64 value)
{
    nvme_cmb_control(device);
}

static void write_doorbell(void *device, u32 index, u64 value)
{
    struct nvme *n = device;

    if (nvme_is_ready(n))
        nvme_doorbell(n, index / 2, index & 1, (u32)value);
}

/* --- enabling (7.6.1) and resetting (7.3.2) --- */

static bool can_enable(struct nvme *n)
{
    struct nvme_state *s = n->state;
    u64 page = BIT64(12 + bits_get(s->cc, 7, 4));

    return bits_get(s->cc, 7, 4) <= LARGEST_PAGE && bits_get(s->cc, 4, 3) == 0 && bits_get(s->aqa, 0, 12) && bits_get(s->aqa, 16, 12) &&
           !(s->asq & (page - 1)) && !(s->acq & (page - 1)) && pci_function_may_dma(&n->pci);
}

static void enable(struct nvme *n)
{
    struct nvme_state *s = n->state;

    if (!can_enable(n)) {
        nvme_fail(n, "enabled with queues, pages or command sets that are none");
        return;
    }
    s->sq[0] = (struct nvme_sq){ .address = s->asq, .size = (u32)bits_get(s->aqa, 0, 12) + 1 };
    s->cq[0] = (struct nvme_cq){ .address = s->acq, .size = (u32)bits_get(s->aqa, 16, 12) + 1, .phase = 1, .interrupts = 1 };
    s->csts = CSTS_READY;
}

/* Until nothing is with the disks any more, the controller does not say that it is disabled: nobody writes to memory behind the driver. */
static void end_reset(struct nvme *n)
{
    if (!n->state->resetting || n->active.length)
        return;
    n->state->resetting = false;
    n->state->csts = 0;
    if (n->state->cc & CC_ENABLE)
        enable(n);
}

static void disable(struct nvme *n)
{
    struct nvme_state *s = n->state;

    nvme_forget_queues(n);
    nvme_reset_features(n);
    s->events = s->event_requests = s->events_masked = s->mask = 0;
    s->resetting = true;
    nvme_notify(n);
    end_reset(n);
}

/* 7.6.2: the driver waits until all is written. */
static u16 shut_down_step(struct nvme_request *r)
{
    struct nvme *n = r->nvme;
    u16 status = nvme_flush_all(r);

    if (status != NVME_PENDING && r->generation == n->generation)
        n->state->csts = (n->state->csts & ~(u32)CSTS_SHUTDOWN) | SHUTDOWN_DONE;
    return status;
}

static void shut_down(struct nvme *n)
{
    static const u8 nothing[NVME_SQE];
    struct nvme_request *r = nvme_request_new(n, 0, nothing);

    n->in_flight[0]--;
    r->queue_generation--; /* nobody's: no completion entry */
    r->step = shut_down_step;
    n->state->csts = (n->state->csts & ~(u32)CSTS_SHUTDOWN) | SHUTDOWN_BUSY;
    if (shut_down_step(r) != NVME_PENDING)
        nvme_complete(r, NVME_OK);
}

static void write_cc(void *device, u32 index, u64 value)
{
    struct nvme *n = device;
    bool was = n->state->csts, wanted = value & CC_ENABLE;

    if (!wanted && was)
        disable(n);
    else if (wanted && !was && !n->state->resetting)
        enable(n);
    if (bits_get(value, 14, 2) && nvme_is_ready(n) && !(n->state->csts & CSTS_SHUTDOWN))
        shut_down(n);
    else if (!bits_get(value, 14, 2) && nvme_is_ready(n))
        n->state->csts &= ~(u32)CSTS_SHUTDOWN;
}

/* --- what comes back from the disks --- */

static struct nvme_request *take_all(struct nvme *n)
{
    struct nvme_request *list = __atomic_exchange_n(&n->outcomes, NULL, __ATOMIC_ACQUIRE), *ordered = NULL, *next;

    for (; list; list = next) {
        next = list->next;
        list->next = ordered;
        ordered = list;
    }
    return ordered;
}

static void take_outcomes(void *device, u32 number, u32 level)
{
    struct nvme *n = device;
    struct nvme_request *next;

    for (struct nvme_request *r = take_all(n); r; r = next) {
        next = r->next;
        g_queue_unlink(&n->active, &r->link);
        nvme_returned(r);
    }
    n->work = 0;
    nvme_run_stalled(n);
    end_reset(n);
    nvme_notify(n);
}

static void letter(void *opaque, const void *payload, u32 size)
{
    device_run(opaque, take_outcomes, 0, 0);
}

/* The loop's thread. One letter for all that is there. */
static void done(struct disk_request *io, int ret)
{
    struct nvme_request *r = container_of(io, struct nvme_request, io);
    struct nvme *n = r->nvme;
    struct nvme_request *first = __atomic_load_n(&n->outcomes, __ATOMIC_RELAXED);

    r->error = ret;
    do
        r->next = first;
    while (!__atomic_compare_exchange_n(&n->outcomes, &first, r, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    if (!first)
        inbox_post(n->device.object.vm, &n->device.object, letter, &n->device, NULL, 0);
}

u16 nvme_submit(struct nvme_request *r, struct nvme_namespace *space)
{
    struct nvme *n = r->nvme;

    r->space = space;
    r->link = (GList){ .data = r };
    g_queue_push_tail_link(&n->active, &r->link);
    r->io.done = done;
    disk_submit(space->disk, &r->io);
    return NVME_PENDING;
}

/* --- life --- */

static bool check_text(const char *name, const char *text, size_t most, GError **error)
{
    return !text || strlen(text) <= most || error_set(error, "'%s' parameter '%s' can be at most '%zu' characters", name, text, most);
}

static bool check(struct nvme *n, GError **error)
{
    if (!n->serial)
        return error_set(error, "serial property not set");
    if (!check_text("serial", n->serial, 20, error) || !check_text("model", n->model, 40, error) ||
        !check_text("firmware-version", n->firmware_version, 8, error))
        return false;
    if (!n->max_ioqpairs || n->max_ioqpairs > UINT16_MAX)
        return error_set(error, "max_ioqpairs must be between 1 and %u", UINT16_MAX);
    if (n->max_ioqpairs > NVME_IO_QUEUES)
        return error_set(error, "max_ioqpairs: there are at most %d", NVME_IO_QUEUES);
    if (!n->msix_qsize || n->msix_qsize > PCI_MSIX_VECTORS)
        return error_set(error, "msix_qsize must be between 1 and %d", PCI_MSIX_VECTORS);
    if (!n->mqes)
        return error_set(error, "mqes property cannot be less than 1");
    return true;
}

static bool add_functions(struct nvme *n, GError **error)
{
    const struct pci_identity identity = { .vendor_id = n->use_intel_id ? 0x8086 : 0x1b36, .device_id = n->use_intel_id ? 0x5845 : 0x0010,
                                           .subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100, .class = 0x0108, .programming = 2, .revision = 2,
                                           .interrupt_pin = 1 };
    pci_function_init(&n->pci, &n->device, n->state->config, PCI_CONFIG_BYTES, &identity);
    return pci_function_add_power(&n->pci) && pci_express_init(&n->pci, PCI_EXPRESS_ENDPOINT, 0, error) &&
           pci_function_add_bar(&n->pci, BAR_MMIO, &n->device.window[WINDOW_mmio].region, PCI_BAR_64, error) &&
           nvme_cmb_add(n, error) &&
           (!pci_device_bus(&n->device)->msi || pci_msix_init(&n->msix, &n->pci, n->state->msix_table, n->state->msix_pending, n->msix_qsize, BAR_MSIX, error));
}

static bool add_bus(struct nvme *n, GError **error)
{
    const char *name = n->device.object.name;

    n->bus = bus_create(&n->device.object, "nvme-bus", strchr(name, '[') ? "nvme-bus.*" : name, error);
    return n->bus != NULL;
}

static bool add_own_space(struct nvme *n, GError **error)
{
    const struct nvme_space_options options = { .drive = n->drive, .id = 1, .logical = n->logical_block_size, .physical = n->physical_block_size,
                                                .granularity = n->discard_granularity, .share_rw = n->share_rw, .mcl = 128, .mssrl = 128, .msrc = 127 };

    if (!n->drive || !*n->drive)
        return true;
    n->own = nvme_space_add(&n->device.object, &n->device.object, &options, error);
    return n->own != NULL;
}

static void unrealize(void *device)
{
    struct nvme *n = device;

    n->state->csts = 0; /* nobody is told of what goes */
    nvme_space_remove(g_steal_pointer(&n->own));
    nvme_spaces_leave(n);
    nvme_forget_queues(n);
    take_outcomes(n, 0, 0); /* of disks that have gone */
    pci_function_finish(&n->pci);
    pci_msix_finish(&n->msix);
    nvme_cmb_remove(n);
    g_array_unref(n->skipped);
    g_array_unref(n->scratch);
    g_array_unref(n->scratch_iov);
    g_free(n->bucket);
}

static bool realize(void *device, GError **error)
{
    struct nvme *n = device;

    if (!check(n, error))
        return false;
    n->skipped = g_array_new(FALSE, FALSE, 2 * sizeof(u32));
    n->scratch = g_array_new(FALSE, FALSE, sizeof(struct nvme_piece));
    n->scratch_iov = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    nvme_reset_features(n);
    n->state->power_on = vm_clock_now(n->device.object.vm, VM_CLOCK_VIRTUAL);
    if (add_functions(n, error) && add_bus(n, error) && add_own_space(n, error)) {
        nvme_reset_features(n); /* now that it is known whether there is a write cache */
        return true;
    }
    unrealize(device);
    return false;
}

/* The disks' loop may be this thread's: then what is under way ends first. Otherwise it comes back as nobody's. */
static void reset(void *device)
{
    struct nvme *n = device;

    for (u32 i = 0; i < NVME_NAMESPACES; i++)
        if (n->space[i] && block_loop_is_mine(block_loop_of(disk_node(n->space[i]->disk))))
            disk_drain(n->space[i]->disk);
    nvme_forget_queues(n);
    pci_function_reset(&n->pci);
    nvme_reset_features(n);
    n->state->resetting = n->active.length != 0;
}

#include "hw/core/define.inc"

VM_CLASS(nvme_bus) {
    .name = "nvme-bus", .parent = "bus", .data = "nvme,serial=1", .description = "namespaces of an NVMe controller", .size = sizeof(struct bus),
};
