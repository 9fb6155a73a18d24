/* hw/pci/extended.c - extended capabilities: advanced error reporting, access control services, serial numbers. */
#include "hw/pci/extended.h"
#include "base/bits.h"
#include "base/error.h"

enum { FIRST = 0x100, ID_AER = 1, ID_SERIAL = 3, ID_ACS = 13 };

/*
 * DEVIATION Devices | PCI Express | error reporting (AER) of ports and `e1000e`, and access control services of `pcie-root-port`, have
 * registers, but no error ever occurs; virtio devices have no AER and no ATS: `aer=on`, `ats=on` are refused | nobody asks for them yet
 */

/* Advanced error reporting. */
enum { UNCORRECTABLE = 4, UNCORRECTABLE_MASK = 8, SEVERITY = 0xc, CORRECTABLE = 0x10, CORRECTABLE_MASK = 0x14, CONTROL = 0x18, ROOT_COMMAND = 0x2c,
       ROOT_STATUS = 0x30, AER_SIZE = 0x48, AER_ENDPOINT_SIZE = 0x40 /* of which registers have 0x2c */ };
/* 4 protocol, 5 surprise down, 12-25: poisoned to TLP prefix blocked. */
enum { UNCORRECTABLE_BITS = 0x03fff030, CORRECTABLE_BITS = 0xf1c1, ROOT_BITS = 7, ROOT_STATUS_BITS = 0x7f };
/* 22 internal errors, 25 prefix blocked; by default fatal: 4, 5, 13, 17, 18, 22; by default masked: 13 advisory, 14 internal, 15 log overflow. */
enum { INTERNAL = 1 << 22, PREFIX_BLOCKED = 1 << 25, FATAL = 0x00462030, CORRECTABLE_MASKED = 0xe000 };
/* ECRC can be generated and checked, several headers can be recorded (by root ports). */
enum { CAN_ECRC = 0xa0, ECRC_ON = 0x140, CAN_RECORD = 0x200, RECORD_ON = 0x400 };

/* Access control services: source validation, translation blocking, P2P request and completion redirect, upstream forwarding, P2P egress... */
enum { ACS_CAPS = 4, ACS_CONTROL = 6, ACS_SIZE = 8, ACS_ALL = 0x5f };

static void put(u8 *bytes, u32 offset, unsigned size, u64 value)
{
    bits_store_le(bytes + offset, size, value);
}

u32 pci_extended_add(struct pci_function *function, u16 id, u8 version, u32 size)
{
    u32 at = function->extended_end ? function->extended_end : FIRST;

    if (at + size > function->size)
        return 0;
    if (function->extended_last) {
        u64 header = bits_load_le(function->config + function->extended_last, 4);

        put(function->config, function->extended_last, 4, (header & 0xfffff) | (u64)at << 20);
    }
    put(function->config, at, 4, id | (u32)version << 16);
    function->extended_last = at;
    function->extended_end = (u32)bits_align_up(at + size, 4);
    return at;
}

void pci_aer_reset(struct pci_function *function)
{
    u32 at = function->aer;

    if (!at)
        return;
    put(function->config, at + UNCORRECTABLE_MASK, 4, function->aer_masked);
    put(function->config, at + SEVERITY, 4, FATAL);
    put(function->config, at + CORRECTABLE_MASK, 4, CORRECTABLE_MASKED);
}

bool pci_aer_add(struct pci_function *function, bool root, bool internal_masked, GError **error)
{
    u32 at = pci_extended_add(function, ID_AER, 2, root ? AER_SIZE : AER_ENDPOINT_SIZE);

    if (!at)
        return error_set(error, "no room for advanced error reporting");
    function->aer = at;
    function->aer_masked = internal_masked ? INTERNAL | PREFIX_BLOCKED : 0;
    put(function->clearable, at + UNCORRECTABLE, 4, UNCORRECTABLE_BITS);
    put(function->writable, at + UNCORRECTABLE_MASK, 4, UNCORRECTABLE_BITS);
    put(function->writable, at + SEVERITY, 4, UNCORRECTABLE_BITS);
    put(function->clearable, at + CORRECTABLE, 4, CORRECTABLE_BITS);
    put(function->writable, at + CORRECTABLE_MASK, 4, CORRECTABLE_BITS);
    put(function->config, at + CONTROL, 4, CAN_ECRC | (root ? CAN_RECORD : 0));
    put(function->writable, at + CONTROL, 4, ECRC_ON | (root ? RECORD_ON : 0));
    if (root) {
        put(function->writable, at + ROOT_COMMAND, 4, ROOT_BITS);
        put(function->clearable, at + ROOT_STATUS, 4, ROOT_STATUS_BITS);
    }
    pci_aer_reset(function);
    return true;
}

bool pci_acs_add(struct pci_function *function, GError **error)
{
    u32 at = pci_extended_add(function, ID_ACS, 1, ACS_SIZE);

    if (!at)
        return error_set(error, "no room for access control services");
    put(function->config, at + ACS_CAPS, 2, ACS_ALL);
    put(function->writable, at + ACS_CONTROL, 2, ACS_ALL);
    return true;
}

bool pci_serial_number_add(struct pci_function *function, u64 number, GError **error)
{
    enum { SIZE = 12, NUMBER = 4 };
    u32 at = pci_extended_add(function, ID_SERIAL, 1, SIZE);

    if (!at)
        return error_set(error, "no room for a serial number");
    put(function->config, at + NUMBER, 8, number);
    return true;
}
