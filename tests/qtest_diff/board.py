# tests/qtest_diff/board.py - devices of the board: serial line, clock, interrupt controllers, timers, firmware configuration, flash.
import struct

from machine import RAM, Probe

UART, RTC, TEST, CLINT, PLIC, APLIC_M, APLIC_S, IMSIC_M, FW_CFG, FLASH = (0x10000000, 0x101000, 0x100000, 0x2000000, 0xC000000, 0xC000000, 0xD000000,
                                                                       0x24000000, 0x10100000, 0x20000000)


def dump(q, seen, name, base, offsets, size=4):
    read = {1: q.readb, 2: q.readw, 4: q.readl, 8: q.readq}[size]
    for at in offsets:
        seen.put(f"{name}+{at:03x}", read(base + at), 2 * size)


def uart(q, seen):
    """Every register: after reset, with ones, with the divisor latch, in loopback."""
    dump(q, seen, "reset", UART, range(8), 1)
    for at in (1, 3, 4, 7):
        old = q.readb(UART + at)
        q.writeb(UART + at, 0xFF if at != 3 else 0x7F)
        seen.put(f"ones+{at:x}", q.readb(UART + at), 2)
        q.writeb(UART + at, old)
    q.writeb(UART + 3, 0x83)
    q.writeb(UART, 0x34)
    q.writeb(UART + 1, 0x12)
    dump(q, seen, "divisor", UART, (0, 1, 3), 1)
    q.writeb(UART + 3, 3)
    for fifo in (1, 0xC1, 7, 0):
        q.writeb(UART + 2, fifo)
        seen.put(f"fifo.{fifo:02x}", q.readb(UART + 2), 2)
    q.writeb(UART + 1, 2)
    seen.put("interrupt.empty", q.readb(UART + 2), 2)
    seen.put("interrupt.empty.again", q.readb(UART + 2), 2)
    q.writeb(UART + 1, 0)
    for mcr in (0x10, 0x11, 0x12, 0x14, 0x18, 0x1F):
        q.writeb(UART + 4, mcr)
        seen.put(f"loop.{mcr:02x}.modem", q.readb(UART + 6), 2)
    q.writeb(UART + 4, 0x10)
    q.writeb(UART, 0x55)
    seen.put("loop.status", q.readb(UART + 5), 2)
    seen.put("loop.data", q.readb(UART), 2)
    seen.put("loop.status.read", q.readb(UART + 5), 2)


def rtc(q, seen):
    low = q.readl(RTC)
    seen.put("time", q.readl(RTC + 4) << 32 | low, 16)
    q.clock_step(1_000_000)
    low = q.readl(RTC)
    seen.put("time.step", q.readl(RTC + 4) << 32 | low, 16)
    target = (q.readl(RTC + 4) << 32 | low) + 5_000_000
    q.writel(RTC + 0x10, 1)
    q.writel(RTC + 0xC, target >> 32)
    q.writel(RTC + 8, target & 0xFFFFFFFF)
    seen.put("alarm", q.readl(RTC + 0x18))
    q.clock_step(5_000_001)
    dump(q, seen, "after", RTC, (8, 0xC, 0x10, 0x14, 0x18, 0x1C, 0x20))
    q.writel(RTC + 0x1C, 1)
    seen.put("cleared", q.readl(RTC + 0x18))
    q.writel(RTC + 4, 1)
    q.writel(RTC, 7)
    low = q.readl(RTC)
    seen.put("time.set", q.readl(RTC + 4) << 32 | low, 16)


def plic(q, seen):
    """The serial line's interrupt, number 10, from its source to a claim; and what can be written."""
    for number in (0, 1, 10, 95, 96):
        q.writel(PLIC + 4 * number, 0xFFFFFFFF)
        seen.put(f"priority{number}.ones", q.readl(PLIC + 4 * number))
    for context in (0, 1):
        enable, claim = PLIC + 0x2000 + 0x80 * context, PLIC + 0x200000 + 0x1000 * context
        for word in range(4):
            q.writel(enable + 4 * word, 0xFFFFFFFF)
            seen.put(f"context{context}.enable{word}", q.readl(enable + 4 * word))
        q.writel(claim, 0xFFFFFFFF)
        seen.put(f"context{context}.threshold", q.readl(claim))
        q.writel(claim, 0)
    q.writel(PLIC + 40, 1)
    q.writeb(UART + 1, 2)
    seen.put("pending", q.readl(PLIC + 0x1000))
    seen.put("claim", q.readl(PLIC + 0x200004))
    seen.put("pending.claimed", q.readl(PLIC + 0x1000))
    seen.put("claim.again", q.readl(PLIC + 0x200004))
    q.writel(PLIC + 0x200004, 10)
    seen.put("claim.complete", q.readl(PLIC + 0x200004))
    q.writel(PLIC + 0x200004, 0)
    q.writel(PLIC + 0x200004, 500)
    q.writel(PLIC + 0x1000, 0xFFFFFFFF)
    seen.put("pending.written", q.readl(PLIC + 0x1000))


def timers(mswi, sswi, mtimer):
    def look(q, seen):
        for hart in range(3):
            for value in (1, 0xFFFFFFFE):
                q.writel(mswi + 4 * hart, value)
                seen.put(f"msip{hart}.{value:x}", q.readl(mswi + 4 * hart))
                if sswi:
                    q.writel(sswi + 4 * hart, value)
                    seen.put(f"ssip{hart}.{value:x}", q.readl(sswi + 4 * hart))
            seen.put(f"compare{hart}", q.readq(mtimer + 8 * hart), 16)
            q.writel(mtimer + 8 * hart, 0x12345678)
            q.writel(mtimer + 8 * hart + 4, 0x9ABCDEF0)
            seen.put(f"compare{hart}.written", q.readq(mtimer + 8 * hart), 16)
        time = mtimer + 0x7FF8
        begin = q.readq(time)
        q.clock_step(1_000_000)
        seen.put("time.step", q.readq(time) - begin)
        q.writeq(time, 0x100000000)
        seen.put("time.written", q.readq(time), 16)
        seen.put("time.high", q.readl(time + 4))
    return look


def aplic(q, seen):
    for name, base in (("m", APLIC_M), ("s", APLIC_S)):
        seen.put(f"{name}.domaincfg", q.readl(base))
        q.writel(base, 0xFFFFFFFF)
        seen.put(f"{name}.domaincfg.ones", q.readl(base))
        for number in (1, 10, 96, 97):
            q.writel(base + 4 * number, 0xFFFFFFFF if name == "s" else 0x7FF)
            seen.put(f"{name}.source{number}", q.readl(base + 4 * number))
            for mode in range(8):
                q.writel(base + 4 * number, mode)
                seen.put(f"{name}.source{number}.{mode}", q.readl(base + 4 * number))
            q.writel(base + 0x3000 + 4 * number, 0xFFFFFFFF)
            seen.put(f"{name}.target{number}", q.readl(base + 0x3000 + 4 * number))
            q.writel(base + 0x1EDC, number)
            q.writel(base + 0x1CDC, number)
            seen.put(f"{name}.enabled{number}", q.readl(base + 0x1E00 + number // 32 * 4))
            seen.put(f"{name}.pending{number}", q.readl(base + 0x1C00 + number // 32 * 4))
            seen.put(f"{name}.input{number}", q.readl(base + 0x1D00 + number // 32 * 4))
        for at in (0x1BC0, 0x1BC4, 0x1BC8, 0x1BCC, 0x2000, 0x3000):
            q.writel(base + at, 0xFFFFFFFF)
            seen.put(f"{name}+{at:x}", q.readl(base + at))
        for at in (0, 4, 8, 0x18, 0x1C):
            q.writel(base + 0x4000 + at, 0xFFFFFFFF)
            seen.put(f"{name}.idc0+{at:x}", q.readl(base + 0x4000 + at))


def fw_cfg(q, seen):
    def item(key, size):
        q.writew(FW_CFG + 8, int.from_bytes(key.to_bytes(2, "big"), "little"))
        return bytes(q.readb(FW_CFG) for _ in range(size))

    seen.put("signature", item(0, 4).hex())
    seen.put("features", item(1, 4).hex())
    seen.put("harts", item(5, 2).hex())
    seen.put("dma", q.readq(FW_CFG + 16), 16)
    seen.put("nothing", item(0x7F, 4).hex())
    count = int.from_bytes(item(0x19, 4), "big")
    directory = item(0x19, 4 + 64 * min(count, 32))[4:]
    names = sorted(directory[64 * i + 8: 64 * i + 64].split(b"\0")[0].decode() for i in range(count))
    seen.put("files", " ".join(names))
    control = RAM + 0x1000
    q.write(control, struct.pack(">IIQ", 0 << 16 | 8 | 2, 4, RAM + 0x2000))
    q.writel(FW_CFG + 16, 0)
    q.writel(FW_CFG + 20, int.from_bytes(control.to_bytes(4, "big"), "little"))
    seen.put("dma.control", q.read(control, 4).hex())
    seen.put("dma.data", q.read(RAM + 0x2000, 4).hex())


def flash(q, seen):
    """The CFI query (JESD68.01), identifiers and status, at the bus width of two 16-bit chips."""
    seen.put("array", q.readl(FLASH))
    q.writel(FLASH + 0x55 * 4, 0x00980098)
    for at in range(0x10, 0x50):
        seen.put(f"query+{at:02x}", q.readl(FLASH + 4 * at))
    q.writel(FLASH, 0x00900090)
    dump(q, seen, "identifiers", FLASH, (0, 4, 8))
    q.writel(FLASH, 0x00700070)
    seen.put("status", q.readl(FLASH))
    q.writel(FLASH, 0x00FF00FF)
    seen.put("array.again", q.readl(FLASH))
    q.writel(FLASH, 0x00400040)
    q.writel(FLASH, 0x12345678)
    seen.put("status.programmed", q.readl(FLASH))
    q.writel(FLASH, 0x00FF00FF)
    seen.put("array.programmed", q.readl(FLASH))
    q.writel(FLASH, 0x00200020)
    q.writel(FLASH, 0x00D000D0)
    seen.put("status.erased", q.readl(FLASH))
    q.writel(FLASH, 0x00FF00FF)
    seen.put("array.erased", q.readl(FLASH))


def probes():
    yield Probe("ns16550a", ["-serial", "null"], uart)
    yield Probe("goldfish-rtc", [], rtc)
    yield Probe("plic", ["-serial", "null"], plic)
    yield Probe("clint", ["-smp", "2"], timers(CLINT, None, CLINT + 0x4000))
    yield Probe("aclint", ["-M", "virt,aclint=on", "-smp", "2"], timers(CLINT, 0x2F00000, CLINT + 0x4000))
    yield Probe("aplic", ["-M", "virt,aia=aplic"], aplic)
    yield Probe("aplic-imsic", ["-M", "virt,aia=aplic-imsic"], aplic)
    yield Probe("fw-cfg", [], fw_cfg)
    yield Probe("flash", [], flash)
