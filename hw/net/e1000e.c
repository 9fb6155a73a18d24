/* hw/net/e1000e.c - Intel 82574L gigabit controller: control registers, statistics, life. */
#include "hw/net/e1000e.h"
#include "hw/pci/express.h"
#include "hw/pci/extended.h"
#include "base/bits.h"
#include "base/error.h"
#include "vm/clock.h"
#include <string.h>

enum { BAR_MMIO = 0, BAR_FLASH = 1, BAR_IO = 2, BAR_MSIX = 3, MSIX_SIZE = 16 << 10 };
enum { CTRL_RST = 1 << 26 };
enum { EEC_REQUEST = 1 << 6, EEC_GRANT = 1 << 7, EEC_FIXED = 0x300, NVM_START = 1, NVM_DONE = 2 };
enum { STATUS_FULL = 1, STATUS_LINK = 2, STATUS_1000 = 0x2 << 6 | 0x2 << 8, STATUS_MASTER = 1 << 19 };
enum { SYSTIM_HZ = 25000000 };

/*
 * DEVIATION Network cards | e1000e: delays of single frames (`RDTR`, `TIDV`, ...), wake-up, management, time stamps of frames, flash | registers are
 * there, nothing follows |
 */

/* ---- DMA ---- */

static bool dma(struct e1000e *e, u64 address, u8 *data, u64 size, bool write)
{
    struct space *space = pci_function_space(&e->pci);

    if (!pci_function_may_dma(&e->pci))
        return false;
    while (size) {
        struct space_hit hit = space_lookup(space, address);
        u64 step = MIN(size, hit.left);

        if (!hit.ram || (write && !hit.writable)) {
            device_guest_error(e, "e1000e: DMA to 0x%" G_GINT64_MODIFIER "x, where no memory is", (guint64)address);
            return false;
        }
        if (write) {
            memcpy(hit.ram->host + hit.ram_offset, data, step);
            vm_ram_changed(hit.ram, hit.ram_offset, step);
        } else {
            memcpy(data, hit.ram->host + hit.ram_offset, step);
        }
        data += step;
        address += step;
        size -= step;
    }
    return true;
}

bool e1000e_dma_read(struct e1000e *e, u64 address, void *to, u64 size)
{
    return dma(e, address, to, size, false);
}

bool e1000e_dma_write(struct e1000e *e, u64 address, const void *from, u64 size)
{
    return dma(e, address, (u8 *)from, size, true);
}

/* ---- Statistics ---- */

void e1000e_count(struct e1000e *e, u32 counter)
{
    u32 *at = &e->state->stats[counter];

    *at += *at != UINT32_MAX;
}

static void count_bytes(struct e1000e *e, u32 counter, u64 bytes)
{
    u64 sum = ((u64)e->state->stats[counter + 1] << 32 | e->state->stats[counter]) + bytes;

    if (sum < bytes)
        sum = UINT64_MAX;
    e->state->stats[counter] = (u32)sum;
    e->state->stats[counter + 1] = (u32)(sum >> 32);
}

/* 10.2.8: reading clears; of the counters of 64 bits the upper half does, so that both halves are of one moment. */
static u64 read_statistic(void *device, u32 index)
{
    static const u8 wide[] = { E1000E_GORC, E1000E_GOTC, E1000E_TOR, E1000E_TOT };
    u32 *at = &((struct e1000e *)device)->state->stats[index], value = *at;

    for (u32 i = 0; i < ARRAY_SIZE(wide); i++) {
        if (index == wide[i])
            return value;
        if (index == wide[i] + 1u)
            at[-1] = 0;
    }
    *at = 0;
    return value;
}

void e1000e_count_frame(struct e1000e *e, const u8 *data, u32 size, bool received)
{
    u32 full = size + 4; /* with FCS */
    u32 bucket = full <= 64 ? 0 : full < 128 ? 1 : full < 256 ? 2 : full < 512 ? 3 : full < 1024 ? 4 : 5;

    e1000e_count(e, (received ? E1000E_PRC64 : E1000E_PTC64) + bucket);
    e1000e_count(e, received ? E1000E_GPRC : E1000E_GPTC);
    e1000e_count(e, received ? E1000E_TPR : E1000E_TPT);
    count_bytes(e, received ? E1000E_GORC : E1000E_GOTC, full);
    count_bytes(e, received ? E1000E_TOR : E1000E_TOT, full);
    if (net_mac_is_broadcast(data))
        e1000e_count(e, received ? E1000E_BPRC : E1000E_BPTC);
    else if (net_mac_is_multicast(data))
        e1000e_count(e, received ? E1000E_MPRC : E1000E_MPTC);
}

/* ---- Control ---- */

static void load_address(struct e1000e *e)
{
    e->state->ra[0] = (u32)(e->state->nvm[0] | e->state->nvm[1] << 16);
    e->state->ra[1] = e->state->nvm[2] | 1u << 31;
}

/* 4.2.1.6.1: all but configuration space, NVM and PHY. */
static void reset_registers(struct e1000e *e)
{
    const struct device_decl *decl = e->device.decl;

    for (u32 i = 0; i < decl->reg_count; i++) {
        const struct device_reg *reg = &decl->regs[i];

        for (u32 n = 0; reg->stored && n < MAX(reg->count, 1u); n++)
            bits_store_le((u8 *)e->state + reg->state_offset + n * reg->width, reg->width, reg->reset);
    }
    e1000e_interrupts_reset(e);
    memset(e->state->context, 0, sizeof(e->state->context));
    memset(e->sending_waits, 0, sizeof(e->sending_waits));
    load_address(e);
    net_purge(e->client);
}

static u64 read_ctrl(void *device, u32 index)
{
    return ((struct e1000e *)device)->state->ctrl;
}

static void write_ctrl(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;

    if (value & 1u << 31)
        e1000e_phy_reset(e);
    if (value & CTRL_RST) {
        reset_registers(e);
        return;
    }
    e->state->ctrl = (u32)value & ~(CTRL_RST | 1u << 31);
}

static void write_ctrl_alias(void *device, u32 index, u64 value)
{
    write_ctrl(device, index, value);
}

static u64 read_status(void *device, u32 index)
{
    const struct e1000e *e = device;

    return STATUS_FULL | STATUS_1000 | (net_link_is_up(e->client) ? STATUS_LINK : 0) |
           (e->state->ctrl & E1000E_CTRL_NO_MASTER ? 0 : STATUS_MASTER);
}

static void write_eec(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;

    e->state->eec = ((u32)value & 0x7f) | EEC_FIXED | (value & EEC_REQUEST ? EEC_GRANT : 0);
}

static void write_eerd(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;
    u32 word = (u32)value >> 2 & 0x3fff;

    if (value & NVM_START)
        e->state->eerd = word << 2 | NVM_DONE | (word < ARRAY_SIZE(e->state->nvm) ? (u32)e->state->nvm[word] << 16 : 0xffff0000);
}

static void write_eewr(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;
    u32 word = (u32)value >> 2 & 0x3fff;

    if (value & NVM_START && word < ARRAY_SIZE(e->state->nvm))
        e->state->nvm[word] = (u16)(value >> 16);
    e->state->eewr = (word << 2) | NVM_DONE;
}

static void write_mdic(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;

    e->state->mdic = e1000e_phy_access(e, (u32)value);
}

static u64 read_swsm(void *device, u32 index)
{
    struct e1000e *e = device;
    u32 value = e->state->swsm;

    e->state->swsm |= 1;
    return value;
}

static void write_ra(void *device, u32 index, u64 value)
{
    if (index < 2)
        net_rx_filter_changed(((struct e1000e *)device)->client);
}

static void write_rctl(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;

    net_rx_filter_changed(e->client);
    net_resume(e->client, 0);
}

static void write_rdt(void *device, u32 index, u64 value)
{
    net_resume(((struct e1000e *)device)->client, 0);
}

static void write_tdt(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;

    if (!e->sending_waits[0])
        e1000e_send(e, 0);
}

static void write_tdt1(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;

    if (!e->sending_waits[1])
        e1000e_send(e, 1);
}

static void write_tctl(void *device, u32 index, u64 value)
{
    write_tdt(device, 0, 0);
    write_tdt1(device, 0, 0);
}

/* ---- Time stamp clock (7.8.3.1) ---- */

static u64 systim(const struct e1000e *e, u64 ticks)
{
    u64 period = e->state->systim_step >> 24, step = e->state->systim_step & 0xffffff;

    return e->state->systim_base + (period ? (ticks - e->state->systim_ticks) / period * step : 0);
}

static u64 ticks_now(const struct e1000e *e)
{
    return vm_clock_ticks(e->device.object.vm, SYSTIM_HZ);
}

static u64 read_systiml(void *device, u32 index)
{
    struct e1000e *e = device;
    u64 value = systim(e, ticks_now(e));

    e->state->systimh = (u32)(value >> 32);
    return (u32)value;
}

static void write_systim(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;

    e->state->systim_ticks = ticks_now(e);
    e->state->systim_base = (u64)e->state->systimh << 32 | e->state->systiml;
}

/* The clock goes on from where it is. */
static void write_timinca(void *device, u32 index, u64 value)
{
    struct e1000e *e = device;
    u64 now = ticks_now(e);

    e->state->systim_base = systim(e, now);
    e->state->systim_ticks = now;
    e->state->systim_step = (u32)value;
}

/* ---- Flash and I/O windows ---- */

static enum mem_result flash_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    *value = UINT64_MAX;
    return MEM_OK;
}

static enum mem_result flash_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    return MEM_OK;
}

static const struct region_ops flash_ops = { .read = flash_read, .write = flash_write };

/* 3.3: the address of a register, then its data. The registers' own window takes the token. */
static enum mem_result io_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct e1000e *e = opaque;
    struct region *mmio = &e->device.window[WINDOW_mmio].region;

    *value = 0;
    if (size != 4 || (offset != 0 && offset != 4))
        return MEM_OK;
    if (offset == 4)
        return e->state->io_address < 0x20000 ? mmio->ops->read(mmio->opaque, e->state->io_address & ~3u, 4, value) : MEM_OK;
    *value = e->state->io_address;
    return MEM_OK;
}

static enum mem_result io_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct e1000e *e = opaque;
    struct region *mmio = &e->device.window[WINDOW_mmio].region;

    if (size != 4 || (offset != 0 && offset != 4))
        return MEM_OK;
    if (offset == 4)
        return e->state->io_address < 0x20000 ? mmio->ops->write(mmio->opaque, e->state->io_address & ~3u, 4, value) : MEM_OK;
    e->state->io_address = (u32)value;
    return MEM_OK;
}

static const struct region_ops io_ops = { .read = io_read, .write = io_write };

/* ---- Life ---- */

static void link_now(void *device, u32 up, u32 unused)
{
    e1000e_phy_link(device, up);
    e1000e_cause(device, E1000E_LSC);
}

static void link_changed(void *opaque, bool up)
{
    device_run(opaque, link_now, up, 0);
}

static const struct net_client_ops client_ops = {
    .receive = e1000e_receive, .writable = e1000e_writable, .link_changed = link_changed, .rx_filter = e1000e_rx_filter,
};

/* 9.3.2: the address with all ones in its middle. */
static u64 serial_number(const u8 *mac)
{
    return bits_load_be(mac, 3) << 40 | UINT64_C(0xffff) << 24 | bits_load_be(mac + 3, 3);
}

/* 9.1: where the capabilities lie. */
static bool add_capabilities(struct e1000e *e, GError **error)
{
    bool messages = pci_device_bus(&e->device)->msi;

    pci_function_next_capability(&e->pci, 0xa0);
    if (messages && !pci_msix_init_sized(&e->msix, &e->pci, e->state->msix_table, e->state->msix_pending, PCI_MSIX_VECTORS, BAR_MSIX, MSIX_SIZE, error))
        return false;
    pci_function_next_capability(&e->pci, 0xc8);
    if (!pci_function_add_power(&e->pci) || (messages && !pci_msi_init(&e->msi, &e->pci, 1, false, error)))
        return false;
    pci_function_next_capability(&e->pci, 0xe0);
    return pci_express_init_v1(&e->pci, PCI_EXPRESS_ENDPOINT, error) && pci_aer_add(&e->pci, false, true, error) &&
           pci_serial_number_add(&e->pci, serial_number(e->own_mac), error);
}

static bool add_functions(struct e1000e *e, GError **error)
{
    const struct pci_identity identity = { .vendor_id = 0x8086, .device_id = 0x10d3, .subsystem_vendor_id = e->subsys_ven,
                                           .subsystem_id = e->subsys, .class = 0x0200, .interrupt_pin = 1 };

    pci_function_init(&e->pci, &e->device, e->state->config, PCI_CONFIG_BYTES, &identity);
    return pci_function_add_bar(&e->pci, BAR_MMIO, &e->device.window[WINDOW_mmio].region, PCI_BAR_32, error) &&
           pci_function_add_bar(&e->pci, BAR_FLASH, &e->device.window[WINDOW_flash].region, PCI_BAR_32, error) &&
           pci_function_add_bar(&e->pci, BAR_IO, &e->device.window[WINDOW_io].region, PCI_BAR_IO, error) && add_capabilities(e, error);
}

static void unrealize(void *device)
{
    struct e1000e *e = device;

    net_client_destroy(e->client);
    pci_function_finish(&e->pci);
    pci_msix_finish(&e->msix);
    g_free(e->packet);
}

static bool realize(void *device, GError **error)
{
    struct e1000e *e = device;

    if (e->mac_text && !net_mac_parse(e->mac_text, e->own_mac, error))
        return false;
    e->client = net_card_create(&e->device.object, e->netdev, e->own_mac, 1, &client_ops, e, error);
    if (!e->client)
        return false;
    g_free(e->mac_text);
    e->mac_text = net_mac_print(e->own_mac);
    e->packet = g_malloc0(NET_FRAME_MAX + 64);
    e1000e_nvm_init(e);
    e1000e_phy_reset(e);
    load_address(e);
    if (add_functions(e, error))
        return true;
    unrealize(device);
    return false;
}

static void reset(void *device)
{
    struct e1000e *e = device;

    pci_function_reset(&e->pci);
    pci_aer_reset(&e->pci);
    reset_registers(e);
    e1000e_phy_reset(e);
}

#include "hw/core/define.inc"
