/* ui/edid.c - a monitor's description: one detailed timing, the standard modes that fit. VESA E-EDID standard, release A2. */
#include "ui/edid.h"
#include <string.h>

static void put16(u8 *at, u32 value)
{
    at[0] = (u8)value;
    at[1] = (u8)(value >> 8);
}

/* 3.10.2: detailed timing. Blanking is generous, as nothing has to be scanned. */
static void put_timing(u8 *at, u32 width, u32 height, u32 refresh)
{
    u32 front = width * 25 / 100, sync = width * 3 / 100, blank = width * 35 / 100;
    u32 vertical_front = height * 5 / 1000, vertical_sync = height * 5 / 1000, vertical_blank = height * 35 / 1000;
    u64 clock = (u64)refresh * (width + blank) * (height + vertical_blank) / 10000;

    vertical_front = vertical_front ? vertical_front : 1;
    vertical_sync = vertical_sync ? vertical_sync : 1;
    put16(at, clock > 0xffff ? 0xffff : (u32)clock);
    at[2] = (u8)width;
    at[3] = (u8)blank;
    at[4] = (u8)((width >> 8) << 4 | (blank >> 8 & 15));
    at[5] = (u8)height;
    at[6] = (u8)vertical_blank;
    at[7] = (u8)((height >> 8) << 4 | (vertical_blank >> 8 & 15));
    at[8] = (u8)front;
    at[9] = (u8)sync;
    at[10] = (u8)((vertical_front & 15) << 4 | (vertical_sync & 15));
    at[11] = (u8)((front >> 8 & 3) << 6 | (sync >> 8 & 3) << 4 | (vertical_front >> 4 & 3) << 2 | (vertical_sync >> 4 & 3));
    /* Millimetres at 100 dots an inch. */
    u32 mm_width = width * 254 / 1000, mm_height = height * 254 / 1000;
    at[12] = (u8)mm_width;
    at[13] = (u8)mm_height;
    at[14] = (u8)((mm_width >> 8 & 15) << 4 | (mm_height >> 8 & 15));
    at[17] = 0x18; /* digital, separate sync */
}

/* 3.8: bits of established timings, 3.9: standard ones. */
static void put_modes(u8 *edid, const struct edid_screen *s)
{
    static const struct {
        u16 width, height;
        u8 byte, bit;
    } established[] = {{640, 480, 35, 5}, {800, 600, 35, 0}, {1024, 768, 36, 3}};
    static const u16 standard[][3] = {{1920, 1080, 3}, {1280, 720, 3}, {1440, 900, 0}, {1680, 1050, 0},
                                      {1280, 1024, 2}, {1600, 1200, 1}, {1280, 960, 1}, {1280, 800, 0}}; /* the last: aspect ratio */
    u32 most_x = s->max_width ? s->max_width : s->width, most_y = s->max_height ? s->max_height : s->height;
    u8 *next = edid + 38;

    for (unsigned i = 0; i < ARRAY_SIZE(established); i++) {
        if (established[i].width <= most_x && established[i].height <= most_y)
            edid[established[i].byte] |= (u8)(1 << established[i].bit);
    }
    memset(next, 1, 16);
    for (unsigned i = 0; i < ARRAY_SIZE(standard); i++) {
        if (standard[i][0] > most_x || standard[i][1] > most_y)
            continue;
        *next++ = (u8)(standard[i][0] / 8 - 31);
        *next++ = (u8)(standard[i][2] << 6); /* 60 Hz */
    }
}

static void put_text(u8 *at, u8 kind, const char *text)
{
    size_t length = strnlen(text, EDID_NAME);

    at[3] = kind;
    memset(at + 5, ' ', 13);
    memcpy(at + 5, text, length);
    at[5 + length] = '\n';
}

void edid_make(const struct edid_screen *screen, u8 edid[EDID_SIZE])
{
    static const u8 header[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    u32 width = screen->width < 4095 ? screen->width : 4095, height = screen->height < 4095 ? screen->height : 4095;
    u32 refresh = screen->refresh ? screen->refresh : 60;
    u8 sum = 0;

    memset(edid, 0, EDID_SIZE);
    memcpy(edid, header, sizeof(header));
    edid[8] = 0x35;  /* "MNH" in five bits a letter */
    edid[9] = 0xc8;
    put16(edid + 10, 0x0001);
    edid[16] = 42;   /* week, */
    edid[17] = 26;   /* year since 1990 */
    edid[18] = 1;
    edid[19] = 4;
    edid[20] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
    edid[21] = (u8)(width * 254 / 10000);
    edid[22] = (u8)(height * 254 / 10000);
    edid[23] = 120;  /* gamma 2.2 */
    edid[24] = 0x06; /* sRGB, the first timing is the preferred one */
    static const u8 srgb[] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
    memcpy(edid + 25, srgb, sizeof(srgb));
    put_modes(edid, screen);
    put_timing(edid + 54, width, height, refresh);
    edid[72 + 3] = 0xfd; /* range limits: 50 to 125 Hz, 30 to 160 kHz, up to 2550 MHz */
    static const u8 range[] = {50, 125, 30, 160, 255, 1, '\n', ' ', ' ', ' ', ' ', ' ', ' '};
    memcpy(edid + 72 + 5, range, sizeof(range));
    put_text(edid + 90, 0xfc, screen->name ? screen->name : "Mynah Screen");
    edid[108 + 3] = 0x10; /* unused */
    for (unsigned i = 0; i < EDID_SIZE - 1; i++)
        sum = (u8)(sum + edid[i]);
    edid[EDID_SIZE - 1] = (u8)-sum;
}
