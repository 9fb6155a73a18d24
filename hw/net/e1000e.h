/* hw/net/e1000e.h - what the files of the 82574L share. Private to them. Thread: the device's. */
#ifndef HW_NET_E1000E_H
#define HW_NET_E1000E_H

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci.h"
#include "net/net.h"

/* 7.2.6: what a context descriptor says. */
struct e1000e_context {
    u8 ip_start, ip_offset, tcp_start, tcp_offset;
    u16 ip_end, tcp_end, segment;
    u8 header, command; /* 0 TCP, 1 IPv4 */
    u32 payload;
};

#define DEVICE           e1000e
#define DEVICE_ROWS      "hw/net/e1000e.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .user_creatable = true,
#define PCI_CONFIG_BYTES 4096
#define PCI_MSIX_VECTORS 5
#include "hw/core/declare.inc"

/* Interrupt causes (10.2.4.1). */
enum {
    E1000E_TXDW = 1 << 0, E1000E_TXQE = 1 << 1, E1000E_LSC = 1 << 2, E1000E_RXDMT0 = 1 << 4, E1000E_RXO = 1 << 6, E1000E_RXT0 = 1 << 7,
    E1000E_MDAC = 1 << 9, E1000E_RXQ0 = 1 << 20, E1000E_RXQ1 = 1 << 21, E1000E_TXQ0 = 1 << 22, E1000E_TXQ1 = 1 << 23, E1000E_OTHER = 1 << 24,
};

enum { E1000E_CTRL_VME = 1 << 30, E1000E_CTRL_NO_MASTER = 1 << 2 };
enum { E1000E_MAX_FRAME = 16384 };

/* Statistics: words from 0x4000 on. */
enum {
    E1000E_MPC = 0x10 / 4, E1000E_PRC64 = 0x5c / 4, E1000E_GPRC = 0x74 / 4, E1000E_BPRC = 0x78 / 4, E1000E_MPRC = 0x7c / 4,
    E1000E_GPTC = 0x80 / 4, E1000E_GORC = 0x88 / 4, E1000E_GOTC = 0x90 / 4, E1000E_TOR = 0xc0 / 4, E1000E_TOT = 0xc8 / 4,
    E1000E_TPR = 0xd0 / 4, E1000E_TPT = 0xd4 / 4, E1000E_PTC64 = 0xd8 / 4, E1000E_MPTC = 0xf0 / 4, E1000E_BPTC = 0xf4 / 4,
    E1000E_TSCTC = 0xf8 / 4,
};

/* e1000e_interrupts.c */
void e1000e_cause(struct e1000e *e, u32 causes);
void e1000e_interrupts_reset(struct e1000e *e);
void e1000e_moderated(void *device);
u64 e1000e_read_icr(void *device, u32 index);
void e1000e_write_icr(void *device, u32 index, u64 value);
u64 e1000e_read_ims(void *device, u32 index);
void e1000e_write_ims(void *device, u32 index, u64 value);
void e1000e_write_imc(void *device, u32 index, u64 value);
void e1000e_write_ics(void *device, u32 index, u64 value);
void e1000e_write_itr(void *device, u32 index, u64 value);
void e1000e_write_eitr(void *device, u32 index, u64 value);

/* e1000e.c */
/* Counts one; the counter sticks at its end. */
void e1000e_count(struct e1000e *e, u32 counter);
/* A frame of `size` bytes without FCS: totals, sizes and kinds. */
void e1000e_count_frame(struct e1000e *e, const u8 *data, u32 size, bool received);
/* DMA to or from RAM; false: there is none, or the bus is not mastered. */
bool e1000e_dma_read(struct e1000e *e, u64 address, void *to, u64 size);
bool e1000e_dma_write(struct e1000e *e, u64 address, const void *from, u64 size);

/* e1000e_nvm.c: NVM and PHY (chapters 6 and 8.4). */
void e1000e_nvm_init(struct e1000e *e);
void e1000e_phy_reset(struct e1000e *e);
u32 e1000e_phy_access(struct e1000e *e, u32 mdic);
/* Registers follow the cable. */
void e1000e_phy_link(struct e1000e *e, bool up);

/* e1000e_rx.c */
enum net_result e1000e_receive(void *opaque, u32 queue, const struct net_frame *frame);
bool e1000e_rx_filter(void *opaque, struct net_rx_filter *filter);

/* e1000e_tx.c */
void e1000e_send(struct e1000e *e, u32 queue);
void e1000e_writable(void *opaque, u32 queue);

#endif
