# tests/qtest_diff/virtio.py - virtio devices over PCI (modern, and legacy where there is one) and over mmio: features, queues, configuration space.
from machine import Probe
from pci import DISK, NET, SLOT, Function, look as look_at_function

COMMON, NOTIFY, ISR, CONFIG = 1, 2, 3, 4
ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK = 1, 2, 8, 4
QUEUES = 6
# name: (further options, arguments before, bytes of the configuration space that are compared)
DEVICES = {
    "blk": ("drive=d", DISK, 60), "net": ("netdev=n,mac=52:54:00:00:00:01", NET, 20), "scsi": ("", [], 36), "serial": ("", [], 12),
    "rng": ("", [], 0), "balloon": ("", [], 16), "gpu": ("", [], 16), "keyboard": ("", [], 8), "mouse": ("", [], 8), "tablet": ("", [], 8),
    "9p": ("fsdev=f,mount_tag=t", ["-fsdev", "local,id=f,path=/,security_model=none"], 3),
}


def look_at_config(read, size, seen):
    for at in range(size):
        seen.put(f"config[{at}]", read(at), 2)


class Modern:
    def __init__(self, q):
        self.q, f = q, Function(q)
        places = f.map()
        self.at = {}
        for id, at in f.capabilities():
            if id == 9 and f.read(at + 3, 1) <= 4:
                self.at[f.read(at + 3, 1)] = places[f.read(at + 4, 1)] + f.read(at + 8)

    def features(self, word):
        self.q.writel(self.at[COMMON], word)
        return self.q.readl(self.at[COMMON] + 4)

    def accept(self, word, bits):
        self.q.writel(self.at[COMMON] + 8, word)
        self.q.writel(self.at[COMMON] + 12, bits)

    def status(self, value=None):
        if value is not None:
            self.q.writeb(self.at[COMMON] + 20, value)
        return self.q.readb(self.at[COMMON] + 20)


def look_modern(q, seen, config):
    look_at_function(q, seen)
    d = Modern(q)
    seen.put("structures", " ".join(str(k) for k in sorted(d.at)))
    for word in range(3):
        seen.put(f"features{word}", d.features(word))
    common = d.at[COMMON]
    seen.put("config-vector", q.readw(common + 16), 4)
    seen.put("queues", q.readw(common + 18), 4)
    seen.put("status", d.status(), 2)
    seen.put("generation", q.readb(common + 21), 2)
    for queue in range(min(QUEUES, q.readw(common + 18)) + 1):
        q.writew(common + 22, queue)
        for name, at in {"size": 24, "vector": 26, "enable": 28}.items():
            seen.put(f"queue{queue}.{name}", q.readw(common + at), 4)
    seen.put("status.acknowledge", d.status(ACKNOWLEDGE | DRIVER), 2)
    d.accept(0, 0)
    d.accept(1, 0)
    seen.put("status.without-version-1", d.status(ACKNOWLEDGE | DRIVER | FEATURES_OK), 2)
    d.status(0)
    d.status(ACKNOWLEDGE | DRIVER)
    d.accept(1, 1)
    seen.put("status.version-1", d.status(ACKNOWLEDGE | DRIVER | FEATURES_OK), 2)
    q.writew(common + 22, 0)
    q.writew(common + 24, 64)
    seen.put("queue0.size.written", q.readw(common + 24), 4)
    q.writew(common + 16, 0)
    seen.put("config-vector.written", q.readw(common + 16), 4)
    q.writew(common + 16, 0x7000)
    seen.put("config-vector.beyond", q.readw(common + 16), 4)
    seen.put("isr", q.readb(d.at[ISR]), 2)
    if config and CONFIG in d.at:
        look_at_config(lambda at: q.readb(d.at[CONFIG] + at), config, seen)
    seen.put("status.reset", d.status(0), 2)


def look_legacy(q, seen, config):
    f = Function(q)
    seen.put("ids", f.read(0))
    seen.put("subsystem", f.read(0x2C))
    seen.put("revision", f.read(8, 1), 2)
    base = f.map().get(0)
    if base is None or not f.read(0x10) & 1:
        seen.put("legacy", "no I/O BAR")
        return
    seen.put("features", q.readl(base))
    for queue in range(QUEUES):
        q.writew(base + 14, queue)
        seen.put(f"queue{queue}.size", q.readw(base + 12), 4)
    seen.put("status", q.readb(base + 18), 2)
    q.writeb(base + 18, ACKNOWLEDGE | DRIVER)
    seen.put("status.written", q.readb(base + 18), 2)
    seen.put("isr", q.readb(base + 19), 2)
    q.writew(base + 14, 0)
    q.writel(base + 8, 0x80200)
    seen.put("queue0.page", q.readl(base + 8))
    q.writeb(base + 18, 0)
    seen.put("queue0.page.reset", q.readl(base + 8))
    look_at_config(lambda at: q.readb(base + 20 + at), config, seen)


def look_mmio(q, seen, config):
    base = next((0x10001000 + 0x1000 * i for i in range(8) if q.readl(0x10001000 + 0x1000 * i + 8)), None)
    if base is None:
        seen.put("mmio", "not found")
        return
    for name, at in {"magic": 0, "version": 4, "device": 8, "vendor": 12}.items():
        seen.put(name, q.readl(base + at))
    seen.put("slot", base)
    for word in range(3):
        q.writel(base + 0x14, word)
        seen.put(f"features{word}", q.readl(base + 0x10))
    for queue in range(QUEUES):
        q.writel(base + 0x30, queue)
        seen.put(f"queue{queue}.max", q.readl(base + 0x34))
        seen.put(f"queue{queue}.ready", q.readl(base + 0x44))
    for name, at in {"interrupts": 0x60, "status": 0x70, "generation": 0xFC, "page": 0x40}.items():
        seen.put(name, q.readl(base + at))
    q.writel(base + 0x70, ACKNOWLEDGE | DRIVER)
    seen.put("status.written", q.readl(base + 0x70))
    look_at_config(lambda at: q.readb(base + 0x100 + at), config, seen)


def probes():
    for name, (options, before, config) in DEVICES.items():
        tail = f",{options}" if options else ""
        yield Probe(f"virtio-pci/{name}", ["-M", "virt,aia=aplic-imsic", *before, "-device", f"virtio-{name}-pci,disable-legacy=on,addr={SLOT}{tail}"],
                    lambda q, seen, c=config: look_modern(q, seen, c))
        if name not in ("gpu", "keyboard", "mouse", "tablet"):
            yield Probe(f"virtio-legacy/{name}", [*before, "-device", f"virtio-{name}-pci,disable-modern=on,disable-legacy=off,addr={SLOT}{tail}"],
                        lambda q, seen, c=config: look_legacy(q, seen, c))
        for kind, forced in (("mmio", "off"), ("mmio-legacy", "on")):
            yield Probe(f"virtio-{kind}/{name}", ["-global", f"virtio-mmio.force-legacy={forced}", *before, "-device", f"virtio-{name}-device{tail}"],
                        lambda q, seen, c=config: look_mmio(q, seen, c))
