# tests/qtest_diff/pci.py - configuration spaces as a driver finds them: header, BARs, capabilities and which of their bits can be written.
from machine import Probe

ECAM, SLOT, MMIO, PIO_WINDOW = 0x30000000, 1, 0x40000000, 0x3000000
HEADER = {0x00: ("ids", 4), 0x04: ("command", 2), 0x06: ("status", 2), 0x08: ("class", 4), 0x0C: ("cache-line", 1), 0x0D: ("latency", 1),
          0x0E: ("header-type", 1), 0x0F: ("bist", 1), 0x3C: ("line", 1), 0x3D: ("pin", 1)}
ENDPOINT = {0x28: ("cardbus", 4), 0x2C: ("subsystem", 4), 0x3E: ("min-grant", 1), 0x3F: ("max-latency", 1)}
BRIDGE = {0x18: ("buses", 4), 0x1C: ("io-base-limit", 2), 0x1E: ("secondary-status", 2), 0x20: ("memory", 4), 0x24: ("prefetchable", 4),
          0x28: ("prefetchable-high", 4), 0x2C: ("limit-high", 4), 0x30: ("io-high", 4), 0x3E: ("bridge-control", 2)}
NAMES = {1: "pm", 5: "msi", 9: "vendor", 0x0D: "subsystem-ids", 0x10: "express", 0x11: "msix"}
EXTENDED_LENGTHS = {1: 0x2C, 3: 12, 13: 8}
LENGTHS = {1: 8, 5: 24, 0x0D: 8, 0x10: 60, 0x11: 12, 9: 16}


class Function:
    def __init__(self, q, device=SLOT, bus=0):
        self.q, self.base = q, ECAM + (bus << 20) + (device << 15)

    def read(self, at, size=4):
        return {1: self.q.readb, 2: self.q.readw, 4: self.q.readl}[size](self.base + at)

    def write(self, at, value, size=4):
        {1: self.q.writeb, 2: self.q.writew, 4: self.q.writel}[size](self.base + at, value)

    def writable(self, at, size=4):
        """Bits that keep a one and a zero; the register is left as it was."""
        all_ones, old = (1 << 8 * size) - 1, self.read(at, size)
        self.write(at, all_ones, size)
        ones = self.read(at, size)
        self.write(at, 0, size)
        zeros = self.read(at, size)
        self.write(at, old, size)
        return ones & ~zeros & all_ones

    def capabilities(self):
        at, found = self.read(0x34, 1) & 0xFC, []
        while at and len(found) < 48:
            found.append((self.read(at, 1), at))
            at = self.read(at + 1, 1) & 0xFC
        return found

    def bar(self, number):
        """(size, flags) of what is there."""
        at = 0x10 + 4 * number
        low = self.read(at)
        flags = low & (3 if low & 1 else 15)
        self.write(at, 0xFFFFFFFF)
        mask = self.read(at) & ~(3 if low & 1 else 15) & 0xFFFFFFFF
        self.write(at, low)
        if not low & 1 and low & 4:
            high = self.read(at + 4)
            self.write(at + 4, 0xFFFFFFFF)
            mask |= self.read(at + 4) << 32
            self.write(at + 4, high)
            return (1 << 64) - mask if mask else 0, flags
        return (1 << 32) - mask if mask else 0, flags

    def map(self, first=MMIO):
        """Gives every BAR a place, and lets the function work; number -> address."""
        places, memory, io, number = {}, first, 0x1000, 0
        while number < 6:
            size, flags = self.bar(number)
            if size and flags & 1:
                self.write(0x10 + 4 * number, io)
                places[number] = PIO_WINDOW + io
                io += 0x1000
            elif size:
                memory = (memory + size - 1) & -size
                self.write(0x10 + 4 * number, memory)
                if flags & 4:
                    self.write(0x14 + 4 * number, 0)
                places[number] = memory
                memory += size
            number += 2 if size and flags & 4 and not flags & 1 else 1
        self.write(4, 7, 2)
        return places


def look_at_header(f, seen):
    bridge = f.read(0x0E, 1) & 0x7F == 1
    for at, (name, size) in {**HEADER, **(BRIDGE if bridge else ENDPOINT)}.items():
        seen.put(f"header.{name}", f.read(at, size), 2 * size)
        if name != "ids":
            seen.put(f"header.{name}.writable", f.writable(at, size), 2 * size)
    number = 0
    while number < (2 if bridge else 6):
        size, flags = f.bar(number)
        seen.put(f"bar{number}", f"size 0x{size:x}, flags {flags}" if size else "none")
        number += 2 if size and flags & 4 and not flags & 1 else 1


def length_of(f, id, at):
    """MSI is shorter without masks, PCI Express in its first version."""
    if id == 5 and not f.read(at + 2, 2) & 1 << 8:
        return 14 if f.read(at + 2, 2) & 1 << 7 else 10
    return 0x14 if id == 0x10 and f.read(at + 2, 2) & 15 == 1 else LENGTHS.get(id, 4)


def look_at_capabilities(f, seen):
    found = f.capabilities()
    seen.put("capabilities", " ".join(sorted(NAMES.get(id, hex(id)) for id, _ in found)))
    for id, at in found:
        if id == 9:  # virtio: where structures lie is the device's business
            continue
        for offset in range(0, length_of(f, id, at), 2):
            if offset:
                seen.put(f"{NAMES.get(id, hex(id))}+{offset:02x}", f.read(at + offset, 2), 4)
                seen.put(f"{NAMES.get(id, hex(id))}+{offset:02x}.writable", f.writable(at + offset, 2), 4)
    at, names = 0x100, []
    while at and len(names) < 16 and f.read(at) not in (0, 0xFFFFFFFF):
        head = f.read(at)
        names.append(f"{head & 0xFFFF:x}v{head >> 16 & 15}")
        for offset in range(4, EXTENDED_LENGTHS.get(head & 0xFFFF, 4), 4):
            seen.put(f"extended.{head & 0xFFFF:x}+{offset:02x}", f.read(at + offset))
            seen.put(f"extended.{head & 0xFFFF:x}+{offset:02x}.writable", f.writable(at + offset))
        at = head >> 20
    seen.put("extended", " ".join(sorted(names)) or "none")


def look(q, seen):
    f = Function(q)
    look_at_header(f, seen)
    look_at_capabilities(f, seen)


def look_at_host(q, seen):
    f = Function(q, 0)
    look_at_header(f, seen)
    look_at_capabilities(f, seen)
    seen.put("nothing.ids", Function(q, 9).read(0))


DISK = ["-blockdev", "driver=null-co,node-name=d,size=16777216,read-zeroes=on"]
NET = ["-netdev", "user,id=n"]
DEVICES = {
    "nvme": (["nvme,serial=s,drive=d"], DISK), "e1000e": (["e1000e,netdev=n,mac=52:54:00:00:00:01"], NET), "bochs-display": (["bochs-display"], []),
    "pvpanic-pci": (["pvpanic-pci"], []), "i6300esb": (["i6300esb"], []), "edu": (["edu"], []), "pci-testdev": (["pci-testdev"], []),
    "pcie-root-port": (["pcie-root-port,id=r,chassis=1,slot=1"], []), "pcie-pci-bridge": (["pcie-pci-bridge,id=b"], []),
}


def probes():
    yield Probe("pci/host", [], look_at_host)
    for name, (devices, more) in DEVICES.items():
        yield Probe(f"pci/{name}", ["-M", "virt,aia=aplic-imsic", *more, *[word for d in devices for word in ("-device", f"{d},addr={SLOT}")]], look)
