# tests/functional/test_ui.py - screens and input with Debian's kernel: pictures of what it shows, keys and pointers that it gets.
import socket
import struct
import time
import zlib

import pytest

from conftest import PATIENCE
from qtest import Qtest

CARDS = [("virtio-gpu-pci,id=screen", "virtio_gpu", 1280, 800), ("bochs-display,id=screen,xres=1024,yres=768", "bochs", 1024, 768),
         pytest.param("virtio-gpu-device,id=screen,xres=800,yres=600", "virtio_gpu", 800, 600, marks=pytest.mark.long)]


def read_ppm(path):
    data = path.read_bytes()
    magic, size, depth, pixels = data.split(b"\n", 3)
    width, height = map(int, size.split())
    assert magic == b"P6" and depth == b"255" and len(pixels) == width * height * 3
    return width, height, pixels


def read_png(path):
    """An RGB picture without interlace; undoes the filters of its lines (PNG specification, 9.2)."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert depth == 8 and colour == 2
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    raw, stride, lines = zlib.decompress(packed), width * 3, []
    before = bytearray(stride)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride if kind else 0):
            left, up, corner = (line[x - 3] if x > 2 else 0), before[x], (before[x - 3] if x > 2 else 0)
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda v: abs(guess - v))
            line[x] = line[x] + (left, up, (left + up) // 2, paeth)[kind - 1] & 255
        lines.append(bytes(line))
        before = line
    return width, height, b"".join(lines)


@pytest.mark.parametrize("device, module, width, height", CARDS, ids=["virtio-gpu-pci", "bochs-display", "virtio-gpu-device"])
def test_screendump(start, linux, firmware, tmp_path, device, module, width, height):
    """The kernel's console is there, and what is written to the frame buffer is what the picture shows."""
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, "-device", device,
                    "-global", "virtio-mmio.force-legacy=off", *linux("cat /proc/fb", "printf '\\033[?25l\\033[2J\\033[H\\033[41mred\\033[0m console' >/dev/tty1", "echo console: shown; read x",
                           "yes ABCD | tr -d '\\n' | head -c 400000 >/tmp/p; dd if=/tmp/p of=/dev/fb0 bs=400000; echo pattern: shown; read x", modules=["virtio_mmio", module]), qmp=True)
    empty = tmp_path / "empty.ppm"
    machine.qmp.command("screendump", filename=str(empty))
    assert read_ppm(empty)[:2] == (640, 480)
    machine.wait_for("\nconsole: shown", 90)
    end = time.monotonic() + 20 * PATIENCE  # drivers with a shadow buffer copy later
    while True:  # both formats show the same, once the console stands still
        machine.qmp.command("screendump", filename="console.png", format="png", device="screen", head=0)
        machine.qmp.command("screendump", filename="console.ppm")
        picture = read_png(tmp_path / "console.png")
        assert picture[:2] == (width, height)
        top = picture[2][:width * 3 * 16]
        pixels = {top[i:i + 3] for i in range(0, len(top), 3)}
        written = {b"\xaa\x00\x00", b"\xaa\xaa\xaa", b"\x00\x00\x00"} <= pixels and top.count(b"\xaa\x00\x00") > 8 * 16  # three letters on red
        if written and picture == read_ppm(tmp_path / "console.ppm"):
            break
        assert time.monotonic() < end, top[:300]
        time.sleep(0.1)
    machine.type("\n")
    machine.wait_for("\npattern: shown", 30)
    end = time.monotonic() + 20 * PATIENCE
    while True:
        machine.qmp.command("human-monitor-command", **{"command-line": "screendump pattern.ppm screen 0"})
        pattern = read_ppm(tmp_path / "pattern.ppm")[2]
        if pattern[:300000] == b"CBA" * 100000:  # blue, green, red, nothing
            break
        assert time.monotonic() < end, pattern[:30]
        time.sleep(0.1)
    machine.type("\n")
    machine.wait_for("guest: done", 30)
    assert machine.wait_exit() == 0


def test_input(start, linux, firmware):
    """Keys reach the console's shell, and a pointer its event device."""
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-device", "-device",
                    "virtio-mouse-pci", "-global", "virtio-mmio.force-legacy=off",
                    *linux("head -1 /dev/tty1 | sed 's/^/typed: /' & sleep 0.5; echo ready: keys; wait",
                           "cd /dev/input; for e in event*; do grep -l -i tablet /sys/class/input/$e/device/name && t=$e; done;"
                           "od -An -tu2 -w24 -N 72 $t & sleep 0.5; echo ready: tablet; wait",
                           modules=["virtio_mmio", "virtio_input", "evdev"]), qmp=True)
    machine.wait_for("\nready: keys", 90)
    for key in ["h", "e", "l", "l", "o", "spc"]:
        machine.qmp.command("send-key", keys=[{"type": "qcode", "data": key}], **{"hold-time": 1})
    machine.qmp.command("send-key", keys=[{"type": "qcode", "data": "shift"}, {"type": "number", "data": 0x11}], **{"hold-time": 30})
    machine.qmp.command("human-monitor-command", **{"command-line": "sendkey ret 200"})
    machine.wait_for("\ntyped: hello W\r\n", 30)
    mice = machine.qmp.command("query-mice")
    assert [(m["name"], m["absolute"], m["current"]) for m in mice] == [("QEMU Virtio Mouse", False, True), ("QEMU Virtio Tablet", True, False)]
    machine.wait_for("\nready: tablet", 30)
    place = lambda axis, value: {"type": "abs", "data": {"axis": axis, "value": value}}
    machine.qmp.command("input-send-event", events=[place("x", 1000), place("y", 0x7fff)])
    # struct input_event: time, type, code, value
    machine.wait_for(r" 3 +0 +1000 +0\r\n.* 3 +1 +32767 +0\r\n.* 0 +0 +0 +0\r\n", 30)
    machine.wait_for("guest: done", 30)
    with pytest.raises(RuntimeError, match="no such|has not been found|invalid|Invalid|does not accept"):
        machine.qmp.command("send-key", keys=[{"type": "qcode", "data": "nokey"}])
    assert machine.wait_exit() == 0


def test_keys_of_a_stopped_machine(start, tmp_path):
    """They go nowhere: the guest's queue stays as it is."""
    path, ring, data = str(tmp_path / "qt"), 0x80100000, 0x80130000
    machine = start("-M", "virt", "-accel", "qtest", "-display", "none", "-qtest", f"unix:{path},server=on,wait=off", "-device", "virtio-keyboard-device",
                    "-global", "virtio-mmio.force-legacy=off", qmp=True, serial=False)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    qtest = Qtest(connection)
    base = next(a for a in range(0x10001000, 0x10009000, 0x1000) if qtest.readl(a + 8) == 18)
    write = lambda offset, value: qtest.writel(base + offset, value)
    for value in (0, 1, 3):
        write(0x70, value)
    write(0x24, 1)  # VERSION_1
    write(0x20, 1)
    write(0x70, 11)
    write(0x30, 0)
    write(0x38, 16)
    for offset, address in ((0x80, ring), (0x90, ring + 0x1000), (0xA0, ring + 0x2000)):
        write(offset, address)
    qtest.write(ring, b"".join(struct.pack("<QIHH", data + 8 * i, 8, 2, 0) for i in range(16)))
    qtest.write(ring + 0x1000, struct.pack("<18H", 0, 16, *range(16)))
    write(0x44, 1)
    write(0x70, 15)
    write(0x50, 0)
    used = lambda: qtest.readw(ring + 0x2002)
    machine.qmp.command("stop")
    machine.qmp.command("send-key", keys=[{"type": "qcode", "data": "a"}], **{"hold-time": 1})
    assert used() == 0
    machine.qmp.command("cont")
    machine.qmp.command("send-key", keys=[{"type": "qcode", "data": "b"}], **{"hold-time": 60000})
    events, end = [], time.monotonic() + 20 * PATIENCE
    while (48, 1) not in events:  # b is pressed once a has been let go
        assert time.monotonic() < end
        events = [(qtest.readw(data + 8 * i + 2), qtest.readl(data + 8 * i + 4)) for i in range(used())]
    assert (30, 1) not in events


def test_without_devices(start, tmp_path):
    qmp = start("-M", "virt", "-bios", "none", "-S", qmp=True).qmp
    for command, arguments, text in [
            ("screendump", {"filename": "x"}, "There is no console"),
            ("screendump", {"filename": "x", "device": "nobody"}, "DeviceNotFound: Device 'nobody' not found"),
            ("screendump", {"filename": "x", "head": 1}, "'head' must be specified together with 'device'"),
            ("send-key", {"keys": [{"type": "qcode", "data": "a"}]}, "no keyboard"),
            ("send-key", {"keys": [{"type": "number", "data": 1 << 40}]}, "there is no key"),
            ("input-send-event", {"events": []}, "VM not running")]:
        with pytest.raises(RuntimeError, match=text):
            qmp.command(command, **arguments)
    qmp.command("cont")
    with pytest.raises(RuntimeError, match="Input handler not found for event type rel"):
        qmp.command("input-send-event", events=[{"type": "rel", "data": {"axis": "x", "value": 1}}])
    assert qmp.command("query-mice") == []
    assert not (tmp_path / "x").exists()
    for line, text in [("info mice", "No mouse devices connected"), ("sendkey nokey", "invalid parameter: nokey"), ("mouse_set 3", "No mouse at index"),
                       ("mouse_move 1 2", "no mouse"), ("screendump", "to which file?")]:
        assert text in qmp.command("human-monitor-command", **{"command-line": line})
