# tests/qtest_diff/devices.py - registers of single PCI devices behind their BARs.
import struct

from machine import RAM, Probe
from pci import DISK, NET, SLOT, Function

SQ, CQ, PAGE = RAM + 0x10000, RAM + 0x11000, RAM + 0x12000


def dump(q, seen, name, base, end, step=4, skip=()):
    read = {1: q.readb, 2: q.readw, 4: q.readl}[step]
    for at in range(0, end, step):
        if at not in skip:
            seen.put(f"{name}+{at:04x}", read(base + at), 2 * step)


def write_and_dump(q, seen, name, base, registers, value=0xFFFFFFFF):
    for at in registers:
        q.writel(base + at, value)
        seen.put(f"{name}+{at:04x}.ones", q.readl(base + at))


class Nvme:
    def __init__(self, q):
        self.q, self.bar, self.tail = q, Function(q).map()[0], 0

    def enable(self):
        for at, value in ((0x24, 0x000F000F), (0x28, SQ), (0x2C, 0), (0x30, CQ), (0x34, 0), (0x14, 0x00460001)):
            self.q.writel(self.bar + at, value)

    def do(self, opcode, space=0, dword10=0, dword11=0):
        """Status of an admin command whose data is the page."""
        command = struct.pack("<BBHI16xQQIIIIII", opcode, 0, self.tail + 1, space, PAGE, 0, dword10, dword11, 0, 0, 0, 0)
        self.q.memset(PAGE, 4096, 0)
        self.q.write(SQ + 64 * self.tail, command)
        entry = CQ + 16 * self.tail
        self.tail += 1
        self.q.writel(self.bar + 0x1000, self.tail)
        for _ in range(20000):
            if self.q.readw(entry + 14) & 1:
                return self.q.readw(entry + 14) >> 1
            self.q.clock_step(1000)
        return 0xFFFF


def nvme(q, seen):
    d = Nvme(q)
    dump(q, seen, "reset", d.bar, 0x60)
    write_and_dump(q, seen, "register", d.bar, (0x0C, 0x10, 0x24, 0x28, 0x30))
    d.enable()
    seen.put("status.enabled", q.readl(d.bar + 0x1C))
    for name, space, which in (("controller", 0, 1), ("space", 1, 0), ("list", 0, 2), ("descriptors", 1, 3)):
        seen.put(f"identify.{name}", d.do(6, space, which), 4)
        page = q.read(PAGE, 4096)
        for at in range(0, 4096, 4):
            word = page[at: at + 4]
            if any(word):
                seen.put(f"identify.{name}[{at}]", word.hex())
    seen.put("identify.nothing", d.do(6, 7, 0), 4)
    seen.put("opcode.unknown", d.do(0x7F), 4)
    for feature in (1, 2, 4, 5, 6, 7, 8, 10, 11):
        seen.put(f"feature{feature:x}", d.do(10, 1, feature), 4)
        seen.put(f"feature{feature:x}.value", q.readl(CQ + 16 * (d.tail - 1)))
        if d.tail == 15:
            break
    q.writel(d.bar + 0x14, 0)
    seen.put("status.disabled", q.readl(d.bar + 0x1C))


def e1000e(q, seen):
    """Registers of the 82574L that reading leaves alone, after reset."""
    bar = Function(q).map()[0]
    ranges = ((0x0000, 0x0100), (0x0E00, 0x0F20), (0x1000, 0x1010), (0x1580, 0x1590), (0x2160, 0x2190), (0x2800, 0x2830), (0x3400, 0x3430),
              (0x3800, 0x3830), (0x3940, 0x3960), (0x5000, 0x5010), (0x5400, 0x5410), (0x5800, 0x5820), (0x5B00, 0x5B60))
    for begin, end in ranges:
        for at in range(begin, end, 4):
            if at != 0xC0:  # reading causes clears them
                seen.put(f"register+{at:04x}", q.readl(bar + at))
    for number in range(32):
        q.writel(bar + 0x20, 2 << 26 | 1 << 21 | number << 16)
        seen.put(f"phy{number}", q.readl(bar + 0x20) & 0xFFFF, 4)
    for number in range(0x20):
        q.writel(bar + 0x14, number << 2 | 1)
        seen.put(f"nvm{number:02x}", q.readl(bar + 0x14) >> 16, 4)
    write_and_dump(q, seen, "register", bar, (0x28, 0x2C, 0x30, 0xC4, 0x170, 0x2800, 0x2804, 0x2808, 0x2810, 0x2818, 0x3800, 0x3808, 0x3810, 0x3818, 0x5400))


def e1000e_interrupts(q, seen):
    """Causes and masks: what reading and writing clears and masks; what moderation keeps of its intervals."""
    bar = Function(q).map()[0]
    icr, itr, ics, ims, imc, iam, ctrl_ext = (bar + at for at in (0xC0, 0xC4, 0xC8, 0xD0, 0xD8, 0xE0, 0x18))

    def case(name, mask, causes, control, auto, write=None):
        for at, value in ((imc, 0xFFFFFFFF), (icr, 0xFFFFFFFF), (ctrl_ext, control), (iam, auto), (ims, mask), (ics, causes)):
            q.writel(at, value)
        if write is None:
            seen.put(f"{name}.read", q.readl(icr))
        else:
            q.writel(icr, write)
        seen.put(f"{name}.mask", q.readl(ims))
        q.writel(imc, 0xFFFFFFFF)
        seen.put(f"{name}.left", q.readl(icr))

    case("unmasked", 0, 0x81, 0, 0)
    case("not-asserted", 0x80, 1, 0, 0)
    case("asserted", 0x80, 0x81, 0, 0)
    case("auto-mask", 0x81, 0x80, 1 << 27, 0x80)
    case("auto-mask.not-asserted", 0x80, 1, 1 << 27, 0xFFFFFFFF)
    case("auto-mask.msix-only", 0x80, 0x80, 1 << 24, 0x80)
    case("written", 0x80, 0x81, 0, 0, 0x80)
    case("written.auto-mask", 0x81, 0x80, 1 << 27, 1, 0x80)
    case("others", 0x80, 4, 0, 0)
    for at in (itr, *(bar + 0xE8 + 4 * i for i in range(5))):
        for value in (0, 1, 600, 0x12345678):
            q.writel(at, value)
            seen.put(f"interval+{at - bar:02x}.{value:x}", q.readl(at))
    q.writel(bar + 0xDC, 0xFFFFFFFF)
    seen.put("auto-clear.ones", q.readl(bar + 0xDC))


def e1000e_statistics(q, seen):
    """Every counter after reset, after a write, and after a second read."""
    bar = Function(q).map()[0]
    for at in range(0x4000, 0x4128, 4):
        first = q.readl(bar + at)
        q.writel(bar + at, 0x55)
        seen.put(f"counter+{at:04x}", f"{first:x} {q.readl(bar + at):x} {q.readl(bar + at):x}")


def edu(q, seen):
    bar = Function(q).map()[0]
    seen.put("id", q.readl(bar))
    q.writel(bar + 4, 0x12345678)
    seen.put("inverse", q.readl(bar + 4))
    for at in (8, 0x20, 0x24, 0x80, 0x88, 0x90, 0x98):
        seen.put(f"register+{at:02x}", q.readl(bar + at))
    q.writel(bar + 0x60, 5)
    seen.put("raised", q.readl(bar + 0x24))
    q.writel(bar + 0x64, 1)
    seen.put("acknowledged", q.readl(bar + 0x24))
    q.writel(bar + 0x64, 4)


def testdev(q, seen):
    bar = Function(q).map()[0]
    for test in range(8):
        q.writeb(bar, test)
        seen.put(f"test{test}.offset", q.readl(bar + 4))
        seen.put(f"test{test}.data", q.readl(bar + 8))
        seen.put(f"test{test}.count", q.readl(bar + 12))


def bochs(q, seen):
    bar = Function(q).map()[2]
    dump(q, seen, "vbe", bar + 0x500, 0x16, 2)
    for index, value in enumerate((0xB0C5, 800, 600, 32, 0x41, 0, 900, 700, 10, 10)):
        q.writew(bar + 0x500 + 2 * index, value)
    dump(q, seen, "vbe.set", bar + 0x500, 0x16, 2)
    dump(q, seen, "extension", bar + 0x600, 8)


def simple(bar, registers, writes=()):
    def look(q, seen):
        base = Function(q).map()[bar]
        for at, size in registers:
            seen.put(f"register+{at:02x}", {1: q.readb, 2: q.readw, 4: q.readl}[size](base + at), 2 * size)
        for at, size, value in writes:
            {1: q.writeb, 2: q.writew, 4: q.writel}[size](base + at, value)
            seen.put(f"register+{at:02x}.{value:x}", {1: q.readb, 2: q.readw, 4: q.readl}[size](base + at), 2 * size)
    return look


def probes():
    place = f"addr={SLOT}"
    yield Probe("nvme", [*DISK, "-device", f"nvme,serial=s,drive=d,{place}"], nvme)
    yield Probe("e1000e", [*NET, "-device", f"e1000e,netdev=n,mac=52:54:00:00:00:01,{place}"], e1000e)
    for name, look in (("interrupts", e1000e_interrupts), ("statistics", e1000e_statistics)):
        yield Probe(f"e1000e/{name}", [*NET, "-device", f"e1000e,netdev=n,mac=52:54:00:00:00:01,{place}"], look)
    yield Probe("edu", ["-device", f"edu,{place}"], edu)
    yield Probe("pci-testdev", ["-device", f"pci-testdev,{place}"], testdev)
    yield Probe("bochs-display", ["-device", f"bochs-display,{place}"], bochs)
    yield Probe("pvpanic-pci", ["-device", f"pvpanic-pci,{place}"], simple(0, ((0, 1), (1, 1))))
    yield Probe("i6300esb", ["-device", f"i6300esb,{place}"], simple(0, ((0, 4), (4, 4), (8, 2), (0xC, 2)), ((8, 2, 0), (0xC, 2, 0x200), (0, 4, 5))))
