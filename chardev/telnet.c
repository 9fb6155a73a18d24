/* chardev/telnet.c - telnet commands out of the input. */
#include "chardev/telnet.h"

enum { BINARY = 0, ECHO = 1, SUPPRESS_GO_AHEAD = 3 };
enum {
    END_SUBNEGOTIATION = 240,
    BREAK = 243,
    SUBNEGOTIATION = 250,
    WILL = 251,
    DO = 253,
    DONT = 254,
    IAC = 255
};
enum state { DATA, COMMAND, OPTION, SUBDATA, SUBCOMMAND };

const u8 telnet_greeting[12] = {
    IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD, IAC, WILL, BINARY, IAC, DO, BINARY,
};

static enum state after_command(u8 byte, unsigned *breaks)
{
    if (byte == BREAK)
        ++*breaks;
    if (byte == SUBNEGOTIATION)
        return SUBDATA;
    return byte >= WILL && byte <= DONT ? OPTION : DATA;
}

size_t telnet_filter(struct telnet *telnet, u8 *data, size_t length, unsigned *breaks)
{
    size_t kept = 0;

    for (size_t i = 0; i < length; i++) {
        u8 byte = data[i];

        switch ((enum state)telnet->state) {
        case DATA:
            if (byte == IAC)
                telnet->state = COMMAND;
            else
                data[kept++] = byte;
            break;
        case COMMAND:
            if (byte == IAC)
                data[kept++] = byte;
            telnet->state = byte == IAC ? DATA : after_command(byte, breaks);
            break;
        case OPTION:
            telnet->state = DATA;
            break;
        case SUBDATA:
            telnet->state = byte == IAC ? SUBCOMMAND : SUBDATA;
            break;
        case SUBCOMMAND:
            telnet->state = byte == END_SUBNEGOTIATION ? DATA : SUBDATA;
            break;
        }
    }
    return kept;
}
