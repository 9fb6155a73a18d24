/* chardev/telnet.h - the little of the telnet protocol that a console needs (RFC 854, 856, 857,
 * 858). */
#ifndef CHARDEV_TELNET_H
#define CHARDEV_TELNET_H

#include "base/types.h"

struct telnet {
    u8 state; /* zeroed on connecting */
};

/* Sent first: we echo, suppress go-ahead, both ways binary. */
extern const u8 telnet_greeting[12];

/* Removes commands from data in place; returns the length left, counts breaks. */
size_t telnet_filter(struct telnet *telnet, u8 *data, size_t length, unsigned *breaks);

#endif
