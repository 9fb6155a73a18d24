/* ui/edid.h - what a monitor says about itself (VESA E-EDID 1.4). Any thread. */
#ifndef UI_EDID_H
#define UI_EDID_H

#include "base/types.h"

enum { EDID_SIZE = 128, EDID_NAME = 12 };

struct edid_screen {
    u32 width, height;         /* pixels, of the preferred mode; 1 to 4095 */
    u32 max_width, max_height; /* 0: no other modes than the preferred and smaller standard ones */
    u32 refresh;               /* Hz; 0: 60 */
    const char *name;          /* of the monitor, up to EDID_NAME bytes; NULL: one is made up */
};

void edid_make(const struct edid_screen *screen, u8 edid[EDID_SIZE]);

#endif
