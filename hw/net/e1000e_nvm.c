/* hw/net/e1000e_nvm.c - the 82574L's EEPROM (datasheet chapter 6) and PHY (8.4; IEEE 802.3 clause 22, and the 82574's own pages). */
#include "hw/net/e1000e.h"
#include "base/bits.h"
#include <string.h>

enum { NVM_CHECKSUM = 0x3f, NVM_SUM = 0xbaba };
enum { BMCR, BMSR, PHY_ID1, PHY_ID2, ANAR, ANLPAR, ANER, GTCR = 9, GTSR = 10, EXTENDED = 15, SPECIFIC_STATUS = 17, INTERRUPTS = 19, PAGE = 22 };
enum { MDIC_WRITE = 1 << 26, MDIC_READ = 1 << 27, MDIC_READY = 1 << 28, MDIC_INTERRUPT = 1 << 29, MDIC_ERROR = 1 << 30 };

void e1000e_nvm_init(struct e1000e *e)
{
    static const struct { u8 word; u16 value; } settings[] = {
        { 0x03, 0x0420 }, { 0x04, 0xf746 }, { 0x05, 0x2010 }, { 0x06, 0xffff }, { 0x07, 0xffff }, { 0x0a, 0x026b }, { 0x0b, 0x0000 },
        { 0x0c, 0x8086 }, { 0x0d, 0x10d3 }, { 0x0e, 0x8086 }, { 0x0f, 0x2580 }, { 0x10, 0x0180 }, { 0x11, 0x9c01 }, { 0x12, 0x0000 },
        { 0x13, 0x8086 }, { 0x14, 0x10d3 }, { 0x18, 0x0118 }, { 0x1b, 0x0321 }, { 0x21, 0x0014 },
    };
    u16 sum = 0;

    for (u32 i = 0; i < 3; i++)
        e->state->nvm[i] = (u16)(e->own_mac[2 * i] | e->own_mac[2 * i + 1] << 8);
    for (u32 i = 0; i < ARRAY_SIZE(settings); i++)
        e->state->nvm[settings[i].word] = settings[i].value;
    e->state->nvm[0x0b] = e->subsys;
    e->state->nvm[0x0c] = e->subsys_ven;
    for (u32 i = 0; i < NVM_CHECKSUM; i++)
        sum = (u16)(sum + e->state->nvm[i]);
    e->state->nvm[NVM_CHECKSUM] = (u16)(NVM_SUM - sum);
}

void e1000e_phy_reset(struct e1000e *e)
{
    static const struct { u8 number; u16 value; } values[] = {
        { BMCR, 0x1140 }, { BMSR, 0x7949 }, { PHY_ID1, 0x0141 }, { PHY_ID2, 0x0cb1 }, { ANAR, 0x0de1 }, { ANER, 0x0065 }, { GTCR, 0x0e00 },
        { EXTENDED, 0x3000 }, { 16, 0x0360 }, { 20, 0x0c68 }, { 26, 0x8000 },
    };

    memset(e->state->phy, 0, sizeof(e->state->phy));
    memset(e->state->phy_paged, 0, sizeof(e->state->phy_paged));
    e->state->phy_page = 0;
    for (u32 i = 0; i < ARRAY_SIZE(values); i++)
        e->state->phy[values[i].number] = values[i].value;
    e1000e_phy_link(e, net_link_is_up(e->client));
}

/* DEVIATION Network cards | e1000e: autonegotiation | takes no time, always ends with 1000 Mbit/s full duplex | */

/* The partner can do everything; autonegotiation takes no time. */
void e1000e_phy_link(struct e1000e *e, bool up)
{
    u16 *phy = e->state->phy;

    phy[BMSR] = (u16)((phy[BMSR] & ~0x24) | (up ? 0x24 : 0)); /* 2 link, 5 negotiated */
    phy[ANLPAR] = up ? 0x4de1 : 0;
    phy[GTSR] = up ? 0x3c00 : 0;
    phy[SPECIFIC_STATUS] = up ? 0xac08 : 0x8000; /* 1000 Mbit/s, full duplex, resolved, link */
}

static u16 *find(struct e1000e *e, u32 number)
{
    u32 page = e->state->phy_page;

    if (number < 16 || number == PAGE || !page)
        return &e->state->phy[number];
    return page <= 8 ? &e->state->phy_paged[16 * (page - 1) + number - 16] : NULL;
}

static void write_phy(struct e1000e *e, u32 number, u16 value)
{
    u16 *at = find(e, number);

    switch (number) {
    case BMCR:
        if (value & 0x8000)
            e1000e_phy_reset(e);
        e->state->phy[BMCR] = value & 0x3dff; /* reset and restart end at once; isolate is not there */
        if (value & 0x0200)
            e1000e_cause(e, E1000E_LSC);
        return;
    case BMSR:
    case PHY_ID1:
    case PHY_ID2:
    case ANLPAR:
    case GTSR:
    case EXTENDED:
    case SPECIFIC_STATUS:
        if (number < 16 || !e->state->phy_page)
            return; /* read only */
        break;
    case PAGE:
        e->state->phy_page = value & 0xff;
        break;
    default:
        break;
    }
    if (at)
        *at = value;
}

static u16 read_phy(struct e1000e *e, u32 number)
{
    const u16 *at = find(e, number);
    u16 value = at ? *at : 0;

    if (number == INTERRUPTS && !e->state->phy_page)
        e->state->phy[INTERRUPTS] = 0;
    return value;
}

u32 e1000e_phy_access(struct e1000e *e, u32 mdic)
{
    u32 number = mdic >> 16 & 31, phy = mdic >> 21 & 31;

    mdic |= MDIC_READY;
    if (phy != 1)
        return mdic | MDIC_ERROR;
    if (mdic & MDIC_READ)
        mdic = (mdic & 0xffff0000) | read_phy(e, number);
    else if (mdic & MDIC_WRITE)
        write_phy(e, number, (u16)mdic);
    else
        mdic |= MDIC_ERROR;
    if (mdic & MDIC_INTERRUPT)
        e1000e_cause(e, E1000E_MDAC);
    return mdic;
}
